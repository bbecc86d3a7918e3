"""Where a sentence ends, in English and Japanese."""

from __future__ import annotations

import re


def first_sentence(text: str) -> str:
    """Up to the first full stop that ends a sentence; a decimal point does not."""
    return re.split(r"(?<=\.)\s|(?<=。)", text, maxsplit=1)[0]
