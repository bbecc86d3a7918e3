"""Puts probes behind the parts of a question that they tell of. Knows no task and computes no value of a probe."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from ..pair import Probe, listed


def behind(text: str, parts: Iterable[str], start: int = 0) -> Iterator[int]:
    """Where each part ends in the text, looked for from the end of the one before it. Raises `ValueError` where one is
    missing."""
    for part in parts:
        start = text.index(part, start) + len(part)
        yield start


def at_parts(
    kind: str, text: str, parts: Iterable[str], values: Iterable[tuple[float, ...]], start: int = 0
) -> tuple[Probe, ...]:
    """One behind each part; values and parts are as many."""
    return tuple(Probe(kind, end, told) for end, told in zip(behind(text, parts, start), values, strict=True))


def at_choices(
    kind: str, question: str, choices: Sequence[str], values: Iterable[tuple[float, ...]]
) -> tuple[Probe, ...]:
    """One behind each choice, which stand below the question one a line. There the whole question is read: where
    "choice" says whether it answers, nothing is left to do behind the choices than to find the letter."""
    lines = listed(choices)
    return at_parts(kind, "\n".join([question, *lines]), lines, values, len(question))


def sign(yes: bool) -> float:
    """A probe's value for yes or no."""
    return 1.0 if yes else -1.0


def one_of(count: int, number: int) -> tuple[float, ...]:
    """A probe's values for a number below `count`."""
    return tuple(float(at == number) for at in range(count))
