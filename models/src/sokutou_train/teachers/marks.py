"""Computes the calculator marks of a written rationale again, for every checker whose teacher computes. Judges no
words."""

from __future__ import annotations

import re

from .. import calculator

_MARK = re.compile(r"<<([^=<>]+)=([^=<>]+)>>")


def miscalculated(rationale: str) -> list[str]:
    """The marks whose result is not the calculator's, or that it refuses, in the order in which they stand."""
    return [
        f"{expression} is not {result}"
        for expression, result in _MARK.findall(rationale)
        if evaluated(expression) != result
    ]


def evaluated(expression: str, decimals: int = calculator.DECIMALS) -> str | None:
    """What the calculator makes of it; None where it refuses."""
    try:
        return calculator.evaluate(expression, decimals)
    except calculator.CalculatorError:
        return None
