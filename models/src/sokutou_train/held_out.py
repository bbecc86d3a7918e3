"""Which questions are kept for tests, by their text: where few questions can be asked at all, as with one toss of a
coin, a seed of their own would not keep tests out of training."""

from __future__ import annotations

import hashlib

from .pair import Pair
from .pair_files import bare

TESTED_SHARE = 10  # one question in so many


def tested(pair: Pair) -> bool:
    """Is its question kept for tests? Two questions are one if their letters and digits are."""
    return int.from_bytes(hashlib.sha256(bare(pair.question).encode()).digest()[:8]) % TESTED_SHARE == 0
