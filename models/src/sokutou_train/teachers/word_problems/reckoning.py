"""The numbers of a word problem: drawn so that every step comes out whole and above zero, and reckoned step by step.

Decimal throughout, and the calculator reckons. Knows no words.
"""

from __future__ import annotations

import ast
import functools
import random
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal

from ... import calculator

ANSWER_DECIMALS = 6  # more than any number here has
HIGHS = (12, 20, 20, 50, 99, 99, 99, 200, 999)  # the largest number told, before sums
TABLE_HIGHS = (12, 12, 20, 20, 50, 99)  # the same beside a product or a quotient
TABLE_MAX = 12  # of the times table; most products and quotients keep to it, so that one can know them by heart
# Decimals: what a whole number is multiplied with, and how large it may be.
SCALES = tuple(
    (Decimal(scale), high)
    for scale, high in (
        ("0.1", 9),
        ("0.1", 99),
        ("0.1", 200),
        ("0.01", 99),
        ("0.01", 2500),
        ("0.125", 7),
        ("0.125", 60),
        ("0.25", 40),
        ("0.25", 4),
    )
)
DECIMAL_SHARE = 0.6  # of the stories that may have them
TRIES_MAX = 1000
ANSWER_MAX = 9999
_SIGNS = {ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/"}
_NAMES = {"+": "add", "-": "subtract", "*": "multiply", "/": "divide"}


class _AgainError(Exception):
    """The numbers drawn so far leave none for the rest."""


@dataclass(frozen=True)
class Reckoning:
    """What is reckoned, and with which numbers."""

    expression: str
    numbers: Mapping[str, str]  # as the rationale writes them

    @property
    def steps(self) -> list[tuple[str, str]]:
        """Each step with its result, the last one's is the answer."""
        found: list[tuple[str, str]] = []

        def walk(node: ast.expr) -> str:
            match node:
                case ast.BinOp(left, sign, right):
                    step = f"{walk(left)}{_SIGNS[type(sign)]}{walk(right)}"
                    found.append((step, calculator.evaluate(step, ANSWER_DECIMALS)))
                    return found[-1][1]
                case ast.Name(name):
                    return self.numbers[name]
                case ast.Constant(value):
                    return str(value)
            raise ValueError(f"cannot reckon `{self.expression}`")

        walk(_tree(self.expression))
        return found

    @property
    def told(self) -> list[str]:
        """The numbers that are needed, each once, in the order of their use."""
        leaves = [
            leaf
            for step in _inner_first(_tree(self.expression))
            for leaf in (step.left, step.right)
            if not isinstance(leaf, ast.BinOp)
        ]
        return list(
            {
                ast.dump(leaf): self.numbers[leaf.id] if isinstance(leaf, ast.Name) else ast.unparse(leaf)
                for leaf in leaves
            }.values()
        )

    @property
    def answer(self) -> str:
        return self.steps[-1][1]


def signs(expression: str) -> list[str]:
    """The operators in the order of the steps."""
    return [_SIGNS[type(node.op)] for node in _inner_first(_tree(expression))]


def kind(expression: str) -> str:
    return "-".join(_NAMES[sign] for sign in signs(expression))


def names(expression: str) -> set[str]:
    return {node.id for node in ast.walk(_tree(expression)) if isinstance(node, ast.Name)}


def draw(rng: random.Random, expression: str, spare: set[str], alike: set[str], decimals: bool) -> dict[str, str]:
    """Numbers for the expression and for those `spare`, that nothing needs; with `decimals` those of the expression and
    `alike` may be decimals."""
    alike = alike | names(expression)
    tree, summed = _tree(expression), set(signs(expression)) <= {"+", "-"}
    for _ in range(TRIES_MAX):
        scale, high = (
            rng.choice(SCALES)
            if decimals and summed and rng.random() < DECIMAL_SHARE
            else (Decimal(1), rng.choice(HIGHS if summed else TABLE_HIGHS))
        )
        numbers: dict[str, int] = {}
        try:
            _fill(rng, tree, None, numbers, high)
        except _AgainError:
            continue
        for name in sorted(spare):
            numbers[name] = _spare(rng, list(numbers.values()))
        written = {
            name: f"{(value * (scale if name in alike else Decimal(1))).normalize():f}"
            for name, value in numbers.items()
        }
        steps = Reckoning(expression, written).steps
        if all(0 < Decimal(result) <= ANSWER_MAX and (scale != 1 or "." not in result) for _, result in steps):
            return written
    raise RuntimeError(f"no numbers for `{expression}` in {TRIES_MAX} draws")


def _spare(rng: random.Random, beside: list[int]) -> int:
    """Of the size of a number beside it, so that size gives nothing away."""
    return rng.randint(2, max(10, 2 * rng.choice(beside)))


def _fill(rng: random.Random, node: ast.expr, target: int | None, numbers: dict[str, int], high: int) -> None:
    """Draws the numbers below `node`, so that it comes to `target` where one is given. Raises `_AgainError`."""
    known = _value(node, numbers)
    if known is not None:
        if target is not None and known != target:
            raise _AgainError
        return
    if isinstance(node, ast.Name):
        numbers[node.id] = rng.randint(2, high) if target is None else target
        if numbers[node.id] < 2:
            raise _AgainError
        return
    assert isinstance(node, ast.BinOp)
    left, right = _value(node.left, numbers), _value(node.right, numbers)
    match node.op:
        case ast.Add():
            if right is None and left is None and target is not None:
                left = rng.randint(2, max(2, target - 2))
            left, right = _rest(target, left, right, lambda of, other: of - other)
        case ast.Sub():
            if target is None and left is None and isinstance(node.left, ast.BinOp):
                _fill(rng, node.left, None, numbers, high)
                left = _value(node.left, numbers)
            if target is None and left is None:
                target = rng.randint(1, high)
            if right is None:
                free = rng.randint(2, max(2, (left or high + 1) - 1))
                right = free if left is None or target is None else left - target
                if isinstance(node.right, ast.BinOp):
                    _fill(rng, node.right, None, numbers, high)
                    right = _value(node.right, numbers)
            if target is not None:
                assert right is not None
                left = target + right
        case ast.Mult():
            if target is not None and left is None and right is None:
                left = rng.choice([f for f in range(2, target) if target % f == 0] or [0])
            left, right = _rest(target, left, right, lambda of, other: of // other if other and of % other == 0 else 0)
            left = _factor(rng) if left is None else left
            right = _factor(rng) if right is None else right
        case ast.Div():
            right = _factor(rng) if right is None else right
            left = right * (_factor(rng) if target is None else target)
    _fill(rng, node.left, left, numbers, high)
    _fill(rng, node.right, right, numbers, high)


def _rest(
    target: int | None, left: int | None, right: int | None, less: Callable[[int, int], int]
) -> tuple[int | None, int | None]:
    """Both sides, as far as the target and one of them settle the other."""
    if target is not None:
        left = less(target, right) if left is None and right is not None else left
        right = less(target, left) if right is None and left is not None else right
    return left, right


def _factor(rng: random.Random) -> int:
    return rng.randint(2, TABLE_MAX) if rng.random() < 0.9 else rng.randint(2, 30)


def _value(node: ast.expr, numbers: Mapping[str, int]) -> int | None:
    match node:
        case ast.Constant(value):
            assert isinstance(value, int)
            return value
        case ast.Name(name):
            return numbers.get(name)
        case ast.BinOp(left, sign, right):
            one, other = _value(left, numbers), _value(right, numbers)
            if one is None or other is None:
                return None
            match sign:
                case ast.Add():
                    return one + other
                case ast.Sub():
                    return one - other
                case ast.Mult():
                    return one * other
            return one // other if other and one % other == 0 else None
    return None


def _inner_first(node: ast.AST) -> Iterator[ast.BinOp]:
    if isinstance(node, ast.BinOp):
        yield from _inner_first(node.left)
        yield from _inner_first(node.right)
        yield node


@functools.cache
def _tree(expression: str) -> ast.expr:
    """Of an expression of this package's own stories, never of a question."""
    return ast.parse(expression, mode="eval").body
