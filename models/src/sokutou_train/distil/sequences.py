"""Turns a teacher pair into what the student reads and what it is graded on. Knows the two orders, nothing of the task.

    first   x <|answer|> y                        the immediate answer, rationale left out
    why     x <|answer|> y <|why|> r <|end|>      answer first, rationale after it
    read    x <|think|> and the first sentence of r   what the student reads in the question, and nothing more
    think   x <|think|> r <|answer|> y <|end|>    rationale first
    reason  x <|think|> r <|end|>                 rationale alone, for Distilling Step-by-Step's second task (Hsieh et
    al. 2023)

Loss of one sequence, by segment means so that a long rationale cannot drown a short answer (DESIGN: L = a CE(y) + (1-a)
CE(r)). The `<|answer|>` that ends a rationale is part of r's loss, else thinking would never end. In `think` the digits
that the calculator writes carry no loss: at run time they are determined. In `why` they do, since guessing a product's
size from the question is just what the first answer needs.
"""

from __future__ import annotations

import bisect
from collections.abc import Container, Iterable
from dataclasses import dataclass

from tokenizers import Tokenizer

from ..pair import Pair
from ..sentences import first_sentence
from .vocabulary import ANSWER, END, MARKS, THINK, WHY

ANSWER_WEIGHT = 0.5  # a


MARGINS = "margins"  # the kind of a probe for the margins, at the `<|answer|>` that asks for the first answer


@dataclass(frozen=True)
class Probed:
    """A `Probe` at its place among the tokens: at the one that holds the last character before it."""

    kind: str
    place: int
    values: tuple[float, ...]


@dataclass(frozen=True)
class Sequence:
    tokens: list[int]
    weights: list[float]  # weights[i] is the loss weight of predicting tokens[i]; they sum to a, or to 1
    asked: int = 0  # place of the `<|answer|>`
    answered: int = 0  # place behind the answer; `asked` where there is none
    probed: tuple[Probed, ...] = ()


EMPTY = Sequence([0], [0.0])  # fills a batch up to its rows


class Encoder:
    """Encodes pairs with one tokenizer. In the tasks named `free` answers are free text: they are written character by
    character, so that no answer depends on which of its letters the vocabulary has joined, and the student must also
    learn where one ends, before `<|why|>`."""

    def __init__(self, tokenizer: Tokenizer, free: Container[str] = ()):
        self.free = free
        tokenizer.encode_special_tokens = True
        self.tokenizer = tokenizer
        self.control = {token: self.id(token) for token in (ANSWER, WHY, THINK, END)}
        # The calculator's marks; a vocabulary of texts without arithmetic has none.
        self.open, self.equals, self.close = (tokenizer.token_to_id(mark) for mark in MARKS)

    def __reduce__(self) -> tuple[type[Encoder], tuple[Tokenizer, Container[str]]]:
        return Encoder, (self.tokenizer, self.free)  # a tokenizer forgets `encode_special_tokens` when it is pickled

    def first_tokens(self, texts: Iterable[str]) -> list[int]:
        """The first tokens of a closed answer set, by which its choices are told apart. Raises `ValueError` where two
        are the same."""
        first = {text: self.text(text)[0] for text in texts}
        if len(set(first.values())) < len(first):
            raise ValueError(f"the first tokens of the choices {', '.join(first)} are not distinct")
        return list(first.values())

    def id(self, token: str) -> int:
        """Raises `ValueError` where the vocabulary has no such token."""
        if (found := self.tokenizer.token_to_id(token)) is None:
            raise ValueError(f"the tokenizer has no token {token}")
        return found

    def text(self, text: str) -> list[int]:
        return self.tokenizer.encode(text, add_special_tokens=False).ids

    def prompt(self, pair: Pair, then: str) -> list[int]:
        return self._asked(pair, then)[0]

    def _asked(self, pair: Pair, then: str) -> tuple[list[int], tuple[Probed, ...]]:
        """The prompt, and the pair's probes at their places in it."""
        read = self.tokenizer.encode(pair.prompt, add_special_tokens=False)
        probed: tuple[Probed, ...] = ()
        if pair.probes:
            ahead, starts = len(pair.prompt) - len(pair.text), [start for start, _ in read.offsets]
            probed = tuple(Probed(p.kind, bisect.bisect_left(starts, ahead + p.end) - 1, p.values) for p in pair.probes)
        return [*read.ids, self.control[then]], probed

    def answer(self, pair: Pair) -> list[int]:
        return self.free_text(pair.answer) if pair.task in self.free else self.text(pair.answer)

    def free_text(self, answer: str) -> list[int]:
        return [token for character in answer for token in self.text(character)]

    def first(self, pair: Pair) -> Sequence:
        (x, probed), y = self._asked(pair, ANSWER), self.answer(pair)
        if pair.task in self.free:
            y.append(self.control[WHY])
        probed += (Probed(MARGINS, len(x) - 1, pair.margins),) if pair.margins else ()
        return Sequence(x + y, [0.0] * len(x) + _mean(ANSWER_WEIGHT, [True] * len(y)), len(x) - 1, len(x + y), probed)

    def why(self, pair: Pair) -> Sequence:
        head = self.first(pair)
        r = [*self.text(pair.known_rationale), self.control[END]]
        why = [] if pair.task in self.free else [self.control[WHY]]
        return Sequence(
            [*head.tokens, *why, *r],
            [*head.weights, *[0.0] * len(why), *_mean(1 - ANSWER_WEIGHT, [True] * len(r))],
            head.asked,
            head.answered,
            head.probed,
        )

    def read(self, pair: Pair) -> Sequence:
        """Short and dense: the fastest way to learn to copy, which every number of a rationale rests on."""
        (x, probed), r = self._asked(pair, THINK), self.text(first_sentence(pair.known_rationale))
        return Sequence(x + r, [0.0] * len(x) + _mean(1 - ANSWER_WEIGHT, [True] * len(r)), probed=probed)

    def think(self, pair: Pair) -> Sequence:
        (x, probed), r = self._asked(pair, THINK), [*self.text(pair.known_rationale), self.control[ANSWER]]
        y = [*self.answer(pair), self.control[END]]
        return Sequence(
            x + r + y,
            [0.0] * len(x) + _mean(1 - ANSWER_WEIGHT, self._undetermined(r)) + _mean(ANSWER_WEIGHT, [True] * len(y)),
            len(x + r) - 1,
            len(x + r + y),
            probed,
        )

    def reason(self, pair: Pair) -> Sequence:
        (x, probed), r = self._asked(pair, THINK), [*self.text(pair.known_rationale), self.control[END]]
        return Sequence(x + r, [0.0] * len(x) + _mean(1 - ANSWER_WEIGHT, self._undetermined(r)), probed=probed)

    def _undetermined(self, r: list[int]) -> list[bool]:
        """False for a calculator's result and the mark that closes it."""
        mask, inside = [], False
        for token in r:
            mask.append(not inside)
            inside = token == self.equals or (inside and token != self.close)
        return mask


def _mean(weight: float, mask: list[bool]) -> list[float]:
    share = weight / sum(mask)
    return [share if graded else 0.0 for graded in mask]
