"""The task `process-control`: what a control chart says at its latest reading. Rules, wording, and questions for a
person."""
