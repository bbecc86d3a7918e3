"""Finds near copies among many texts: MinHash proposes, exact Jaccard over the shingles decides.

Forty lines of numpy instead of a dependency: datasketch would bring scipy, and we check every candidate exactly anyway.
Keeps no text, and gives the same result on every machine and run.
"""

from __future__ import annotations

import difflib
import re
import zlib
from collections import defaultdict
from collections.abc import Iterator

import numpy as np

BANDS, ROWS = 20, 4  # two texts alike by .8 are missed once in 30,000; .5 alike, 3 of 4 are looked at and refused
SHINGLE_TOKENS = 3  # word order counts, and one changed word changes three

# A word, a number as it is written, or one letter of a script that puts no spaces between words.
_TOKEN = re.compile(r"\d+(?:[.,]\d+)*|[\u3040-\u30ff\u3400-\u9fff]|[^\W\d_\u3040-\u30ff\u3400-\u9fff]+")
_RNG = np.random.default_rng(0)
_FACTORS = _RNG.integers(1, 1 << 63, (BANDS * ROWS, 1), dtype=np.uint64) | np.uint64(1)
_SHIFTS = _RNG.integers(0, 1 << 63, (BANDS * ROWS, 1), dtype=np.uint64)


def tokens(text: str) -> list[str]:
    return _TOKEN.findall(text.casefold())


def numbers(text: str) -> tuple[str, ...]:
    return tuple(token for token in tokens(text) if token[0].isdigit())


def shingles(text: str, size: int = SHINGLE_TOKENS) -> frozenset[int]:
    """Stretches of `size` tokens, hashed; a shorter text is one stretch."""
    said = tokens(text) or [text]
    stretches = (said[at : at + size] for at in range(max(1, len(said) - size + 1)))
    return frozenset(zlib.crc32(" ".join(stretch).encode()) for stretch in stretches)


def jaccard(one: frozenset[int], other: frozenset[int]) -> float:
    common = len(one & other)
    return common / (len(one) + len(other) - common)


def rearranged(one: str, other: str) -> bool:
    """Have words of the one text changed places in the other? Who swaps with whom is another question in nearly the
    same words."""
    first, second = tokens(one), tokens(other)
    gone, come = set(), set()
    for kind, start, end, begin, stop in difflib.SequenceMatcher(None, first, second, autojunk=False).get_opcodes():
        if kind != "equal":
            gone.update(first[start:end])
            come.update(second[begin:stop])
    return not gone.isdisjoint(second) and not come.isdisjoint(first)


class Near:
    """Sets that were added, to be searched for those near another one."""

    def __init__(self, threshold: float) -> None:
        self.threshold = threshold
        self._sets: list[tuple[str, frozenset[int]]] = []
        self._buckets: dict[tuple[int, bytes], list[int]] = defaultdict(list)

    def add(self, name: str, items: frozenset[int]) -> None:
        for key in _keys(items):
            self._buckets[key].append(len(self._sets))
        self._sets.append((name, items))

    def like(self, items: frozenset[int]) -> Iterator[tuple[str, float]]:
        """Names of the sets at least `threshold` alike, in the order in which they were added."""
        for at in sorted({at for key in _keys(items) for at in self._buckets.get(key, ())}):
            name, others = self._sets[at]
            if (alike := jaccard(items, others)) >= self.threshold:
                yield name, alike


def _keys(items: frozenset[int]) -> list[tuple[int, bytes]]:
    hashed = np.fromiter(items, np.uint64, len(items))
    least = ((_FACTORS * hashed + _SHIFTS) >> np.uint64(32)).min(axis=1).reshape(BANDS, ROWS)
    return [(band, row.tobytes()) for band, row in enumerate(least)]
