"""The pairs of a study: read or generated, cleared of test questions, and a dev split carved from what is left.

Changes no pair and trains nothing.
"""

from __future__ import annotations

import dataclasses
import hashlib
import itertools
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from .. import pair_files
from ..pair import Pair
from ..teachers.catalogue import GENERATORS
from .config import Config

DEV_SHARE = 10  # every tenth question, by its digest: all rationales of a question fall on one side
DEV_MAX = 150  # of each task: enough to set a threshold by


@dataclass(frozen=True)
class Data:
    train: list[Pair]
    suites: dict[str, list[Pair]]  # what is asked: "dev", then the tests
    answers: dict[str, tuple[str, ...]]  # closed answer sets, by task
    said: dict  # counts and digests, for the run's record


def gather(config: Config, root: Path) -> Data:
    """Raises `PairsError` for bad lines, and `ValueError` where nothing is left to train on. A pair without rationale
    is left out and counted, since every arm but one needs it."""
    train: list[Pair] = []
    suites: dict[str, list[Pair]] = {"dev": [], "test": [], "generated test": []}
    bare = 0
    for name, task in config.tasks.items():
        own = [_of(name, pair) for path in task.train for pair in pair_files.read(root / path).pairs]
        if task.generate:
            own += itertools.islice(GENERATORS[name].pairs(name, f"study-{config.name}"), task.generate)
        explained = [pair for pair in own if pair.rationale is not None]
        if not explained:
            raise ValueError(
                f"task {name!r}: none of {len(own)} training pairs has a rationale, which every arm but one needs"
            )
        bare += len(own) - len(explained)
        train += explained
        suites["test"] += (_of(name, pair) for path in task.test for pair in pair_files.read(root / path).pairs)
        if task.generate_test:
            suites["generated test"] += itertools.islice(
                GENERATORS[name].pairs(name, f"study-{config.name}-test"), task.generate_test
            )
    tests = suites["test"] + suites["generated test"]
    leaked = {pair for pair, _ in pair_files.overlaps(train, tests)}
    kept, train = train, []
    dev: dict[str, Pair] = {}
    for pair in kept:
        if pair.id in leaked:
            continue
        if _in_dev(pair):
            dev.setdefault(pair.asked, pair)  # a question is asked once, however many rationales it has
        else:
            train.append(pair)
    for name in config.tasks:
        suites["dev"] += itertools.islice((pair for pair in dev.values() if pair.task == name), DEV_MAX)
    if not suites["dev"]:
        raise ValueError(f"no question of {len(train)} training pairs falls into the dev split: give more")
    said = {
        "train": _digest(train),
        "left out, asked in a test": len(leaked),
        "left out, no rationale": bare,
        **{name: _digest(pairs) for name, pairs in suites.items()},
    }
    return Data(
        train,
        {name: pairs for name, pairs in suites.items() if pairs},
        {name: task.answers for name, task in config.tasks.items() if task.answers},
        said,
    )


def _of(task: str, pair: Pair) -> Pair:
    """A file may name its task otherwise."""
    return dataclasses.replace(pair, task=task)


def _in_dev(pair: Pair) -> bool:
    return int(hashlib.sha256(pair.asked.encode()).hexdigest(), 16) % DEV_SHARE == 0


def _digest(pairs: Iterable[Pair]) -> dict:
    pairs = list(pairs)
    text = "\n".join(f"{p.id}\t{p.prompt}\t{p.answer}\t{p.rationale}" for p in pairs)
    return {
        "pairs": len(pairs),
        "by task": Counter(p.task for p in pairs),
        "sha256": hashlib.sha256(text.encode()).hexdigest(),
    }
