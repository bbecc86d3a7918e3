"""The list of teachers that are programs, by task. To add one: a module with its `Generator`, and a line here. Holds
nothing else."""

from __future__ import annotations

from . import symbolic
from .generator import Generator
from .process_control import pairs as process_control
from .sensor_modes import pairs as sensor_modes
from .word_problems import task as word_problems

GENERATORS: dict[str, Generator] = {
    "process-control": process_control.GENERATOR,
    "sensor-modes": sensor_modes.GENERATOR,
    **symbolic.GENERATORS,
    word_problems.TASK_ID: word_problems.GENERATOR,
}
