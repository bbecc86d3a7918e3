"""Finds the places of a question where probes stand. Knows no task and computes no value of a probe."""

from __future__ import annotations

import string
from collections.abc import Iterable, Iterator, Sequence

from ..pair import Probe


def behind(text: str, parts: Iterable[str], start: int = 0) -> Iterator[int]:
    """Where each part ends in the text, looked for from the end of the one before it. Raises `ValueError` where one is missing."""
    for part in parts:
        start = text.index(part, start) + len(part)
        yield start


def at_choices(question: str, choices: Sequence[str], right: Iterable[bool]) -> tuple[Probe, ...]:
    """One behind each choice, which stand below the question one a line: does it answer it? There the whole question is read, and
    nothing is left to do behind the choices than to find the letter."""
    lines = [f"{letter}: {text}" for letter, text in zip(string.ascii_uppercase, choices)]
    ends = behind("\n".join([question, *lines]), lines, len(question))
    return tuple(Probe("choice", end, (1.0 if yes else -1.0,)) for end, yes in zip(ends, right, strict=True))
