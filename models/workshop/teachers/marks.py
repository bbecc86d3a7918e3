"""Computes the calculator marks of a written rationale again, for every checker whose teacher computes. Judges no words."""

from __future__ import annotations

import re

from .. import calculator

_MARK = re.compile(r"<<([^=<>]+)=([^=<>]+)>>")


def miscalculated(rationale: str) -> list[str]:
    """The marks whose result is not the calculator's, or that it refuses, in the order in which they stand."""
    return [f"{expression} is not {result}" for expression, result in _MARK.findall(rationale)
            if _evaluated(expression) != result]


def _evaluated(expression: str) -> str | None:
    try:
        return calculator.evaluate(expression)
    except calculator.CalculatorError:
        return None
