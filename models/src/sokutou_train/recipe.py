"""What a student is to the toolkit: the tasks it is taught and in what shares, how it is trained, and how much is
measured.

Holds no recipe of its own: their list stands in `recipes`.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from .bundle_files import Origin
from .distil.student import Geometry
from .distil.vocabulary import VOCABULARY_SIZE
from .pair import Pair
from .task import FreeText, Task


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
    # Where the student starts: None is from scratch, "smollm2" from SmolLM2-135M-Instruct, a work folder from the
    # student there.
    base: str | None = None
    base_layers: tuple[int, ...] = ()  # which of the base's layers stay; none named: `layers` of them, evenly spread
    kept: float = 0.0  # how far the trained weights go back to the base's at the end (`train.go_back`)
    layers: int = Geometry.layers
    width: int = Geometry.width  # a base brings its own
    hidden: int = Geometry.hidden  # a base brings its own
    max_len: int = Geometry.max_len
    vocabulary: int = VOCABULARY_SIZE
    # Tokens of one step, padding left out: of first answers alone, and of whole sequences in both orders.
    first_tokens: int = 9000
    whole_tokens: int = 7000
    # The student first learns to read: copying comes late or never from the sparse numbers of a rationale alone, and at
    # once from readings repeated. Reading ends when this share of the dev tokens is right, or after so many steps.
    read_goal: float = 0.995
    read_steps_max: int = 500
    read_tokens: int = 9000
    reread_tokens: int = 2500  # beside the others, when reading alone has ended
    dev_pairs: int = 800
    vocabulary_pairs: int = 20_000
    compiled: bool = True  # compiling takes minutes; a run of seconds goes without


@dataclass(frozen=True)
class Sizes:
    """How many generated pairs of one task the steps after training draw, and the risk that they prove. Where a task
    has groups, each draws so many to be calibrated.

    Two thirds of the pairs drawn to calibrate prove thresholds, and a search starts at half of those
    (`ship.calibrate`), so a risk bound takes this many of them at least: of first answers, held to 1%, 300 without an
    error or 900 with 4; of thoughts, held to 2%, 150 without an error or 300 with 1. A student of 10 million parameters
    takes 6 ms of one core for an answer to fifty tokens and 70 ms for a thought of 110, so that a task is calibrated in
    two or three minutes.
    """

    risk: float = 0.02  # the risk bound, of each way to answer
    # A first answer is held to less: whoever falls below its threshold is thought about, which costs a fraction of a
    # second and is right more often. At the risk bound itself hardly anything would be left to think about.
    first_risk: float = 0.01
    gate: int = 500  # answers that int8 and fp32 must share
    calibration: int = (
        9000  # the search over 6,000 of them starts at 3,000, where 20 errors keep a risk of 1%; at 6,000 it is 47
    )
    calibration_max: int = 12_000  # drawn at most, to find enough unsure pairs
    # pairs that think; the search over 600 of them starts at 300, where 1 error keeps the bound; at 600 it is 6
    unsure: int = 900
    test: int = 1000  # of each way to ask: a rate of .95 is then known to 1.4 points
    explained: int = 200  # answers of a suite whose rationale is checked


@dataclass(frozen=True)
class Mixed:
    """Pairs without rationales, dealt out over a training among the first answers: each comes once before any comes
    again."""

    pairs: tuple[Pair, ...]
    dealt: int  # in all, over all steps
    origin: Origin  # as a manifest's `data` says it

    def of_step(self, step: int, plan: Plan) -> list[Pair]:
        """What one step is dealt, whichever steps were asked for before: a training that was stopped goes on with the
        same."""
        n = len(self.pairs)
        start, end = (self.dealt * done // plan.steps for done in (step, step + 1))
        turns = {
            turn: random.Random(f"mixed-{plan.seed}-{turn}").sample(self.pairs, n)
            for turn in range(start // n, -(-end // n))
        }
        return [turns[at // n][at % n] for at in range(start, end)]


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
    own_sizes: Mapping[str, Sizes] = field(
        default_factory=dict
    )  # of tasks that are measured on fewer pairs or more, by their ids
    mixed: Mixed | None = None  # beside what the tasks teach

    def sizes_of(self, task: Task) -> Sizes:
        return self.own_sizes.get(task.id, self.sizes)

    @property
    def free(self) -> frozenset[str]:
        """Ids of the tasks whose answers are free text."""
        return frozenset(task.id for task in self.tasks if isinstance(task.answers, FreeText))

    def stream(self, seed: int | str) -> Iterator[Pair]:
        """Training pairs without end, drawn from the tasks by their shares. Raises `ValueError` at a pair that teaches
        nothing."""
        rng = random.Random(f"{self.id}-{seed}")
        streams = [(task, task.stream(seed)) for task in self.tasks]
        while True:
            [(task, pairs)] = rng.choices(streams, self.shares or None)
            pair = next(pairs)
            _check(task, pair)
            yield pair

    def check_fit(self) -> None:
        """Prompt, rationale, answer and the control token before each of the last two fit into the student's context
        together; the runtime refuses a bundle where they do not. Raises `ValueError`."""
        for task in self.tasks:
            longest = task.question_tokens_max + task.rationale_tokens_max + task.answers.tokens_max + 2
            if longest > self.plan.max_len:
                raise ValueError(
                    f"task {task.id}: expected question, rationale, answer and 2 control tokens to fit into "
                    f"{self.plan.max_len} tokens together, got {longest}; shorten one or raise the plan's max_len"
                )


def _check(task: Task, pair: Pair) -> None:
    missing = [name for name in ("answer", "rationale") if not getattr(pair, name)]
    if missing:
        raise ValueError(
            f"task {task.id}: a pair without {' and '.join(missing)} cannot be taught: {pair.id or pair.question}"
        )
    try:
        task.answers.check(pair.answer)
    except ValueError as err:
        raise ValueError(f"task {task.id}: {err}") from err
