"""The list of tasks. To add a task: a module with its `TASK`, a card, and a line here. Holds nothing else."""

from __future__ import annotations

from .task import Task
from .teachers import toy
from .teachers.machine_failure import task as machine_failure

TASKS: dict[str, Task] = {task.id: task for task in (machine_failure.TASK, toy.TASK)}
