"""What a task is to the workshop: its choices, its teacher's pairs and its bounds. Training, export, calibration, packing and
evaluation know a task only through this.

Holds no task of its own: each stands with its teacher in `teachers`, their list in `tasks`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from .distil.student import Geometry
from .distil.vocabulary import VOCABULARY_SIZE
from .pair import Pair


@dataclass(frozen=True)
class Choice:
    """One member of the closed answer set. `text` is what the student writes."""

    code: int
    text: str
    label: dict[str, str]  # by language
    person: bool  # does this choice call a person?


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
    vocabulary: int = VOCABULARY_SIZE
    # (tokens a row, rows) of the batches of one step, longest first. Fixed, so that each shape is compiled once. Rows are
    # sorted by length before they are dealt out, which leaves the mix of questions as it was drawn and little padding.
    first_shapes: tuple[tuple[int, int], ...] = ((104, 4), (68, 44), (54, 112))
    whole_shapes: tuple[tuple[int, int], ...] = ((304, 12), (266, 12))
    # The student first learns to read: copying comes late or never from the sparse numbers of a rationale alone, and at once
    # from readings repeated. Reading ends when this share of the dev tokens is right, or after so many steps.
    read_goal: float = 0.995
    read_steps_max: int = 500
    read_shapes: tuple[tuple[int, int], ...] = ((132, 2), (108, 20), (92, 74))
    reread_shapes: tuple[tuple[int, int], ...] = ((108, 6), (92, 20))  # beside the others, when reading alone has ended
    dev_pairs: int = 800
    vocabulary_pairs: int = 20_000
    compiled: bool = True  # compiling takes a minute; a run of seconds goes without


@dataclass(frozen=True)
class Sizes:
    """How many generated pairs each step after training draws."""

    gate: int = 500  # first answers that int8 and fp32 must share
    calibration: int = 24_000  # the walk over 16,000 of them starts at 8,000, where 29 errors still keep a risk of 0.5%
    calibration_max: int = 36_000  # drawn at most, to find enough unsure pairs
    unsure: int = 2400  # pairs that think; with 1,600 of them to prove the second threshold, 22 errors still keep the promise
    test: int = 1500  # of each way to ask
    explained: int = 400  # answers of a suite whose rationale is checked


@dataclass(frozen=True)
class Task:
    id: str
    version: str  # of the bundle, semver
    serial: int  # of the bundle, grows with every version
    title: dict[str, str]  # by language
    teacher: str  # one sentence
    licence: str  # of the generated pairs, with credit
    card: Path  # Markdown: what the student is for, and what it must not be used for
    choices: tuple[Choice, ...]
    stream: Callable[[int | str], Iterator[Pair]]  # teacher pairs without end, made from a seed
    golden: Callable[[int | str], list[Iterator[Pair]]]  # candidates for each golden question, made from a seed
    tests: Callable[[int | str, int], dict[str, list[Pair]]]  # so many test pairs of each way to ask, by its name
    near: Callable[[Pair], bool]  # is the pair close to a limit, where reasoning is needed?
    rules: Callable[[Pair], str]  # what the teacher's rules answer to a pair's reading; the ceiling beside every measure
    faults: Callable[[Pair, str], list[str]]  # what is wrong in a rationale written to a pair's question; empty when all is right
    sources: tuple[Path, ...]  # the recipe: files that generate the pairs, in a fixed order
    question_tokens_max: int
    rationale_tokens_max: int
    rows: Callable[[Path], dict[str, list[Pair]]] | None = None  # real rows of the task's own table, by the way to ask
    shipped: bool = True  # does its bundle belong in the repository?
    plan: Plan = field(default_factory=Plan)
    sizes: Sizes = field(default_factory=Sizes)

    @property
    def texts(self) -> list[str]:
        return [choice.text for choice in self.choices]

    def index(self, answer: str) -> int:
        return self.texts.index(answer)
