"""What a student is to the workshop: the tasks it is taught and in what shares, how it is trained, and how much is measured.

Holds no recipe of its own: their list stands in `recipes`.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from .distil.student import Geometry
from .distil.vocabulary import VOCABULARY_SIZE
from .pair import Pair
from .task import Task


@dataclass(frozen=True)
class Plan:
    """What one training run does; a resumed run must be given the same plan."""

    seed: int = 1
    steps: int = 2800
    muon_lr: float = 0.015
    adam_lr: float = 2e-3
    weight_decay: float = 0.01
    warmup_steps: int = 40
    decay_share: float = 0.85  # of the steps, at the end, the rate falls linearly to zero
    checkpoint_every: int = 50
    # Where the student starts: None is from scratch, "smollm2" from SmolLM2-135M-Instruct, a work folder from the student there.
    base: str | None = None
    base_layers: tuple[int, ...] = ()  # which of the base's layers stay; none named: `layers` of them, evenly spread
    layers: int = Geometry.layers
    width: int = Geometry.width  # a base brings its own
    hidden: int = Geometry.hidden  # a base brings its own
    max_len: int = Geometry.max_len
    vocabulary: int = VOCABULARY_SIZE
    # Tokens of one step, padding left out: of first answers alone, and of whole sequences in both orders.
    first_tokens: int = 9000
    whole_tokens: int = 7000
    # The student first learns to read: copying comes late or never from the sparse numbers of a rationale alone, and at once
    # from readings repeated. Reading ends when this share of the dev tokens is right, or after so many steps.
    read_goal: float = 0.995
    read_steps_max: int = 500
    read_tokens: int = 9000
    reread_tokens: int = 2500  # beside the others, when reading alone has ended
    dev_pairs: int = 800
    vocabulary_pairs: int = 20_000
    compiled: bool = True  # compiling takes minutes; a run of seconds goes without


@dataclass(frozen=True)
class Sizes:
    """How many generated pairs of each task the steps after training draw."""

    gate: int = 500  # first answers that int8 and fp32 must share
    calibration: int = 24_000  # the walk over 16,000 of them starts at 8,000, where 29 errors still keep a risk of 0.5%
    calibration_max: int = 36_000  # drawn at most, to find enough unsure pairs
    unsure: int = 2400  # pairs that think; with 1,600 of them to prove the second threshold, 22 errors still keep the promise
    test: int = 1500  # of each way to ask
    explained: int = 400  # answers of a suite whose rationale is checked


@dataclass(frozen=True)
class Recipe:
    id: str  # names the bundle
    version: str  # of the bundle, semver
    serial: int  # of the bundle, grows with every version
    tasks: tuple[Task, ...]  # the first is the one asked where none is named
    card: Path  # Markdown: what the student is for, and what it must not be used for
    shares: tuple[float, ...] = ()  # of the training pairs, task by task; none given: alike
    shipped: bool = True  # does its bundle belong in the repository?
    plan: Plan = field(default_factory=Plan)
    sizes: Sizes = field(default_factory=Sizes)

    @property
    def free(self) -> frozenset[str]:
        """Ids of the tasks whose answers are free text."""
        return frozenset(task.id for task in self.tasks if not task.choices)

    def stream(self, seed: int | str) -> Iterator[Pair]:
        """Training pairs without end, drawn from the tasks by their shares."""
        rng = random.Random(f"{self.id}-{seed}")
        streams = [task.stream(seed) for task in self.tasks]
        while True:
            yield next(rng.choices(streams, self.shares or None)[0])
