"""What a study compares, as its TOML file says it. Checks the form of it, reads no pairs.

seeds = [1, 2, 3]
arms = ["answer-only", "think-first"]     # of `arms.ARMS`; all of them where it is left out

[student]                                 # geometry, and entries of the vocabulary
layers = 4
width = 128
hidden = 384
vocabulary = 1024
base = "target/workshop/machine-failure"  # instead of a geometry: every trial starts from this work folder's student

[budget]                                  # the same for every arm
steps = 500
tokens = 8000                             # read in one step, padding left out

[tasks.last_letters]
generate = 4000                           # pairs of the generator of this name, for training
generate_test = 400                       # the same, for testing
train = ["reasoning/last_letter/train.jsonl"]    # files of pairs below the study's data folder
test = ["reasoning/last_letter/test.jsonl"]
answers = ["yes", "no"]                   # where the answer set is closed and questions bring no choices
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from ..teachers.catalogue import GENERATORS
from .arms import ARMS


class ConfigError(ValueError):
    """The file says something that no study can do."""


@dataclass(frozen=True)
class Shape:
    """The student's; with a base, layers, width and hidden size are the base's."""

    layers: int = 4
    width: int = 128
    hidden: int = 384
    vocabulary: int = 1024
    max_len: int = 512
    base: str = ""


@dataclass(frozen=True)
class Budget:
    steps: int = 500
    tokens: int = 8000
    muon_lr: float = 0.015
    adam_lr: float = 3e-3
    weight_decay: float = 0.01
    warmup_steps: int = 30
    decay_share: float = 0.7
    rationale_tokens_max: int = 300
    checkpoint_every: int = 100


@dataclass(frozen=True)
class TaskData:
    generate: int = 0
    generate_test: int = 0
    train: tuple[str, ...] = ()
    test: tuple[str, ...] = ()
    answers: tuple[str, ...] = ()


@dataclass(frozen=True)
class Config:
    name: str
    seeds: tuple[int, ...]
    arms: tuple[str, ...]
    student: Shape
    budget: Budget
    tasks: dict[str, TaskData]

    @property
    def free(self) -> frozenset[str]:
        """Tasks whose answers no set closes; letters of a question's choices are learned like free text."""
        return frozenset(name for name, task in self.tasks.items() if not task.answers)


def read(path: Path) -> Config:
    """Raises `ConfigError` that names the file and what is wrong in it."""
    try:
        said = tomllib.loads(path.read_text(encoding="utf-8"))
        _known("the study", said, ("seeds", "arms", "student", "budget", "tasks"))
        arms = tuple(said.get("arms", ARMS))
        for arm in arms:
            if arm not in ARMS:
                raise ConfigError(f"expected arms among {', '.join(map(repr, ARMS))}, got {arm!r}")
        tasks = {name: _section(f"tasks.{name}", TaskData, value) for name, value in said.get("tasks", {}).items()}
        if not tasks:
            raise ConfigError("expected at least one section [tasks.NAME]")
        for name, task in tasks.items():
            if (task.generate or task.generate_test) and name not in GENERATORS:
                raise ConfigError(f"no generator of {name!r}; there are {', '.join(GENERATORS)}")
            if not (task.generate or task.train):
                raise ConfigError(f"task {name!r} has nothing to train on: give `generate` or `train`")
            if not (task.generate_test or task.test):
                raise ConfigError(f"task {name!r} has nothing to test on: give `generate_test` or `test`")
        student = said.get("student", {})
        shape = _section("student", Shape, student)
        if shape.base and (given := [key for key in ("layers", "width", "hidden") if key in student]):
            raise ConfigError(f"[student] has a base, which brings its own geometry: leave out {', '.join(given)}")
        budget = _section("budget", Budget, said.get("budget", {}))
        return Config(path.stem, tuple(said.get("seeds", (1,))), arms, shape, budget, tasks)
    except (UnicodeDecodeError, tomllib.TOMLDecodeError, ConfigError) as err:
        raise ConfigError(f"{path}: {err}") from None


def _section(name: str, kind: type, said: Any) -> Any:
    if not isinstance(said, dict):
        raise ConfigError(f"expected [{name}] to be a section, got {said!r:.60}")
    _known(f"[{name}]", said, tuple(f.name for f in fields(kind)))
    blank = kind()
    values = {}
    for key, value in said.items():
        default = getattr(blank, key)
        value = tuple(value) if isinstance(default, tuple) and isinstance(value, list) else value
        value = float(value) if isinstance(default, float) and type(value) is int else value
        if type(value) is not type(default):
            raise ConfigError(f"expected {key!r} of [{name}] to be like {default!r}, got {value!r:.60}")
        values[key] = value
    return kind(**values)


def _known(where: str, said: dict, keys: tuple[str, ...]) -> None:
    for key in said:
        if key not in keys:
            raise ConfigError(f"{where} knows no {key!r}; it knows {', '.join(keys)}")
