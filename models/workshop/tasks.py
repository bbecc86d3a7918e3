"""The list of tasks. To add a task: a module with its `TASK`, a card, and a line here. Holds nothing else."""

from __future__ import annotations

from . import pairs, toy
from .task import Task

TASKS: dict[str, Task] = {task.id: task for task in (pairs.TASK, toy.TASK)}
