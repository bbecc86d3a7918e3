"""Whether a text is Japanese, as the runtime decides it of a question: `tests/data/japanese.json` binds both."""

from __future__ import annotations

import re

# Kana, half-width kana, kanji and their extension A. Chinese, which kanji cannot be told from, counts as Japanese.
_JAPANESE = re.compile("[\u3041-\u30ff\uff66-\uff9d\u4e00-\u9fff\u3400-\u4dbf]")


def is_japanese(text: str) -> bool:
    """Whether one character at least is Japanese."""
    return _JAPANESE.search(text) is not None
