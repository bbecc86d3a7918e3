"""The calculator that writes the numbers of a rationale: `<<42.8*1551*0.10472=6951.6>>`.

The runtime evaluates the same grammar while it decodes, so both sides must agree to the last digit. Decimal
arithmetic, never binary floating point, never Python's `eval`. The cases that bind both stand in
`tests/data/calculator.jsonl`.
"""

from __future__ import annotations

import re
from decimal import ROUND_HALF_UP, Decimal, DivisionByZero, InvalidOperation, localcontext

DECIMALS = 1  # of a result, for this toolkit's students; travels in the manifest
EXPRESSION_LEN_MAX = 64  # characters; the longest expression of a rule teacher has 19
DEPTH_MAX = 8  # nested parentheses
VALUE_MAX = Decimal(10) ** 27  # of any intermediate value; one digit below what 28 digits and one decimal can hold

_TOKEN = re.compile(r" *([0-9]+(?:\.[0-9]+)?|[-+*/()])")  # `\d` would let every script's digits in


class CalculatorError(ValueError):
    """The expression is malformed, too long, too deep, too large, or divides by zero."""


def evaluate(expression: str, decimals: int = DECIMALS) -> str:
    """The value of `expression` rounded half away from zero to `decimals` places, without trailing zeros."""
    if not 0 < len(expression) <= EXPRESSION_LEN_MAX:
        raise CalculatorError(f"expected 1 to {EXPRESSION_LEN_MAX} characters, got {len(expression)}")
    tokens = _tokens(expression)
    with localcontext() as ctx:
        ctx.prec = 28
        ctx.traps[DivisionByZero] = ctx.traps[InvalidOperation] = True
        try:
            value, end = _sum(tokens, 0, 0)
            if end != len(tokens):
                raise CalculatorError(f"unexpected `{tokens[end]}`")
            value = value.quantize(Decimal(1).scaleb(-decimals), rounding=ROUND_HALF_UP)
        except (DivisionByZero, InvalidOperation) as err:
            raise CalculatorError(f"cannot evaluate `{expression}`") from err
    text = f"{value:f}"
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return "0" if text == "-0" else text


def mark(expression: str) -> str:
    """The expression with its result, as a rationale writes it."""
    return f"<<{expression}={evaluate(expression)}>>"


def _tokens(expression: str) -> list[str]:
    tokens, at = [], 0
    expression = expression.rstrip(" ")
    while at < len(expression):
        found = _TOKEN.match(expression, at)
        if not found:
            raise CalculatorError(f"unexpected `{expression[at]}`")
        tokens.append(found.group(1))
        at = found.end()
    return tokens


def _sum(tokens: list[str], at: int, depth: int) -> tuple[Decimal, int]:
    value, at = _product(tokens, at, depth)
    while at < len(tokens) and tokens[at] in "+-":
        right, after = _product(tokens, at + 1, depth)
        value = _bounded(value + right if tokens[at] == "+" else value - right)
        at = after
    return value, at


def _product(tokens: list[str], at: int, depth: int) -> tuple[Decimal, int]:
    value, at = _atom(tokens, at, depth)
    while at < len(tokens) and tokens[at] in "*/":
        right, after = _atom(tokens, at + 1, depth)
        value = _bounded(value * right if tokens[at] == "*" else value / right)
        at = after
    return value, at


def _atom(tokens: list[str], at: int, depth: int) -> tuple[Decimal, int]:
    if at >= len(tokens):
        raise CalculatorError("the expression ends too early")
    token = tokens[at]
    if token == "(":
        if depth == DEPTH_MAX:
            raise CalculatorError(f"more than {DEPTH_MAX} nested parentheses")
        value, at = _sum(tokens, at + 1, depth + 1)
        if at >= len(tokens) or tokens[at] != ")":
            raise CalculatorError("a parenthesis is not closed")
        return value, at + 1
    if token == "-":
        value, at = _atom(tokens, at + 1, depth)
        return -value, at
    if token[0].isdigit():
        return _bounded(Decimal(token)), at + 1
    raise CalculatorError(f"unexpected `{token}`")


def _bounded(value: Decimal) -> Decimal:
    if abs(value) >= VALUE_MAX:
        raise CalculatorError("a value is too large")
    return value
