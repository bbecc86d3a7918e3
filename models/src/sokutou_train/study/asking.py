"""Asks a student of a study one question, in one of both orders; the answer is one of a closed set or free text.

Decides nothing by confidence, and uses no calibration: confidences are as the student gives them.
"""

from __future__ import annotations

import itertools
import math
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..distil.sequences import Encoder
from ..distil.vocabulary import ANSWER, END, THINK, WHY
from ..pair import Pair
from ..ship.decode import Decoder, ThinkingFailed, Writer, greedy, log_softmax

ANSWER_TOKENS_MAX = 24  # of a free answer


@dataclass(frozen=True)
class Said:
    answer: str  # "" where no answer came
    confidence: float  # of the closed set, or of the free answer's tokens together
    tokens: int  # decoded until the answer stood, rationale included
    seconds: float = 0.0  # from the question until the answer stood, on this machine as it was in the run


class Asker:
    """`closed`, everywhere, is the answer set where the question brings no choices. The set is the choices' letters,
    else `closed`, else the answer is free."""

    def __init__(self, model: Path, encoder: Encoder, rationale_tokens_max: int, threads: int = 1):
        self.decoder = Decoder(model, threads)
        self.encoder = encoder
        self.rationale_tokens_max = rationale_tokens_max

    def ask(self, pair: Pair, way: str, closed: tuple[str, ...] = ()) -> Said:
        """`way` is "first" or "think"."""
        since = time.perf_counter()
        question = self.encoder.text(pair.prompt)
        thought: list[int] = []
        if way == "think":
            try:
                thought = [self.encoder.control[THINK], *self.thought(question)]
            except ThinkingFailed:
                return Said("", 0.0, self._room(question), time.perf_counter() - since)
        # After thinking, all before is in the cache already.
        fed = [] if thought else question
        logits = self.decoder.feed([*fed, self.encoder.control[ANSWER]], len(question) + len(thought) - len(fed))
        answer, confidence, tokens = self._answer(logits, len(question) + len(thought) + 1, pair, closed)
        return Said(answer, confidence, len(thought) + tokens, time.perf_counter() - since)

    def thought(self, question: list[int]) -> list[int]:
        """The rationale that is written before an answer. Raises `ThinkingFailed`."""
        control = self.encoder.control
        return Writer(self.decoder, self.encoder, self._room(question)).write(
            [*question, control[THINK]], 0, control[ANSWER]
        )

    def reason(self, question: list[int], answer: list[int]) -> list[int]:
        """The rationale that is written after an answer. Raises `ThinkingFailed`."""
        control = self.encoder.control
        return Writer(self.decoder, self.encoder, self._room(question)).write(
            [*question, control[ANSWER], *answer, control[WHY]], 0, control[END]
        )

    def after(self, question: list[int], thought: list[int], pair: Pair, closed: tuple[str, ...] = ()) -> str:
        """The answer after a rationale that need not be the student's own."""
        control = self.encoder.control
        tokens = [*question, control[THINK], *thought, control[ANSWER]]
        return self._answer(self.decoder.feed(tokens, 0), len(tokens), pair, closed)[0]

    def _room(self, question: list[int]) -> int:
        return min(self.rationale_tokens_max, self.decoder.max_len - len(question) - 2 * ANSWER_TOKENS_MAX - 3)

    def _answer(self, logits: np.ndarray, at: int, pair: Pair, closed: tuple[str, ...]) -> tuple[str, float, int]:
        """Answer, confidence and tokens decoded, from the logits after `<|answer|>`, which stands at `at` - 1."""
        closed = tuple(pair.letters) or closed
        if closed:
            scores = log_softmax(logits.astype(float)[[self.encoder.text(answer)[0] for answer in closed]])
            best = int(scores.argmax())
            return closed[best], math.exp(scores[best]), 1
        written: list[int] = []
        likelihood = 0.0
        for token, likely in itertools.islice(greedy(self.decoder, logits, at), ANSWER_TOKENS_MAX):
            likelihood += likely
            if token in (self.encoder.control[WHY], self.encoder.control[END]):
                break
            written.append(token)
        answer = self.encoder.tokenizer.decode(written, skip_special_tokens=False)
        return answer, math.exp(likelihood), len(written) + 1
