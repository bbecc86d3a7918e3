//! Judges scores: does the first answer stand, must the student think, or is it a person's turn? Pure; measures nothing.
//!
//! The cascade: the first answer stands when its confidence reaches the threshold; else the student thinks, and both
//! looks are compared by pooling their scores with weights fitted on the calibration split. Two looks that disagree
//! lower the joint confidence by themselves. Thresholds are data of the bundle, chosen there by Learn-then-Test.

use crate::bundle::manifest::Task;
use crate::domain::{Band, Confidence, Decision, Mode, Posterior, Reason, Scores, Verdict};

/// Thresholds and weights of one task.
#[derive(Clone, Debug)]
pub struct Policy {
    /// Scores of the first answer are divided by it.
    pub temperature: f64,
    /// A first answer at or above it stands.
    pub first_threshold: f64,
    /// Weights of the first scores and of those after thinking in the joint posterior.
    pub joint_weights: (f64, f64),
    /// A joint answer at or above it stands.
    pub think_threshold: f64,
    /// Where the high and the medium band begin.
    pub bands: (f64, f64),
    /// For each choice: does it call a person?
    pub person: Vec<bool>,
}

impl Policy {
    /// As the bundle's calibration says.
    pub fn of(task: &Task) -> Self {
        let calibration = &task.calibration;
        Self {
            temperature: calibration.first.temperature,
            first_threshold: calibration.first.threshold,
            joint_weights: (calibration.think.first_weight, calibration.think.think_weight),
            think_threshold: calibration.think.threshold,
            bands: (calibration.bands.high, calibration.bands.medium),
            person: task.choices.iter().map(|choice| choice.person).collect(),
        }
    }

    /// The same policy with one threshold for both looks; the bundle's promise on errors no longer holds.
    #[must_use]
    pub fn with_threshold(self, threshold: Confidence) -> Self {
        Self { first_threshold: threshold.value(), think_threshold: threshold.value(), ..self }
    }

    /// The verdict on the first answer alone; below the threshold it escalates, unless the caller thinks first.
    pub fn first(&self, first: &Scores) -> Verdict {
        let posterior = Posterior::softmax(first.0.iter().map(|score| score / self.temperature));
        self.judge(&posterior, self.first_threshold, Mode::AnswerFirst)
    }

    /// The verdict on the first answer and the one after thinking, together.
    pub fn joint(&self, first: &Scores, thought: &Scores) -> Verdict {
        let (a, b) = self.joint_weights;
        let posterior =
            Posterior::softmax(first.0.iter().zip(&thought.0).map(|(first, thought)| a * first + b * thought));
        self.judge(&posterior, self.think_threshold, Mode::ThinkFirst)
    }

    /// The verdict when thinking came to no end: the first answer is a guess, and a person is asked.
    pub fn thinking_failed(&self, first: &Scores) -> Verdict {
        Verdict { decision: Decision::Escalated(Reason::ThinkingFailed), mode: Mode::ThinkFirst, ..self.first(first) }
    }

    fn judge(&self, posterior: &Posterior, threshold: f64, mode: Mode) -> Verdict {
        let choice = posterior.likeliest();
        let confidence = posterior.of(choice);
        let decision = if confidence.value() < threshold {
            Decision::Escalated(Reason::Unsure)
        } else if self.person[choice] {
            Decision::Escalated(Reason::OutOfScope)
        } else {
            Decision::Answered
        };
        Verdict { choice, confidence, band: self.band(confidence), decision, mode }
    }

    fn band(&self, confidence: Confidence) -> Band {
        let (high, medium) = self.bands;
        match confidence.value() {
            p if p >= high => Band::High,
            p if p >= medium => Band::Medium,
            _ => Band::Low,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy() -> Policy {
        Policy {
            temperature: 2.0,
            first_threshold: 0.9,
            joint_weights: (0.5, 1.0),
            think_threshold: 0.95,
            bands: (0.98, 0.8),
            person: vec![false, false, true],
        }
    }

    fn scores(values: [f64; 3]) -> Scores {
        Scores(values.to_vec())
    }

    #[test]
    fn the_first_answer_is_judged_by_threshold_and_kind() {
        for (what, first, choice, decision, band) in [
            ("sure", [0.0, -20.0, -20.0], 0, Decision::Answered, Band::High),
            ("sure of the second", [-9.0, 0.0, -20.0], 1, Decision::Answered, Band::High),
            ("unsure", [0.0, -1.0, -20.0], 0, Decision::Escalated(Reason::Unsure), Band::Low),
            ("just unsure", [0.0, -4.0, -20.0], 0, Decision::Escalated(Reason::Unsure), Band::Medium),
            ("a person's case", [-20.0, -20.0, 0.0], 2, Decision::Escalated(Reason::OutOfScope), Band::High),
        ] {
            let verdict = policy().first(&scores(first));
            assert_eq!((verdict.choice, verdict.decision, verdict.band), (choice, decision, band), "{what}");
            assert_eq!(verdict.mode, Mode::AnswerFirst);
        }
    }

    #[test]
    fn temperature_divides_the_scores() {
        let verdict = policy().first(&scores([0.0, -2.0, f64::NEG_INFINITY]));
        let expected = 1.0 / (1.0 + (-1.0_f64).exp());
        assert!((verdict.confidence.value() - expected).abs() < 1e-12);
    }

    #[test]
    fn two_looks_that_disagree_lower_the_joint_confidence() {
        let agree = policy().joint(&scores([0.0, -1.0, -9.0]), &scores([0.0, -6.0, -9.0]));
        assert_eq!((agree.choice, agree.decision), (0, Decision::Answered));
        let disagree = policy().joint(&scores([-6.0, 0.0, -9.0]), &scores([0.0, -3.5, -9.0]));
        assert_eq!(disagree.decision, Decision::Escalated(Reason::Unsure));
        assert!(disagree.confidence < agree.confidence);
    }

    #[test]
    fn one_threshold_for_both_looks_can_force_an_answer_but_never_a_persons_case() {
        let forced = policy().with_threshold(Confidence::new(0.0).unwrap());
        assert_eq!(forced.first(&scores([0.0, -0.1, -20.0])).decision, Decision::Answered);
        assert_eq!(forced.first(&scores([-3.0, -3.0, 0.0])).decision, Decision::Escalated(Reason::OutOfScope));
    }
}
