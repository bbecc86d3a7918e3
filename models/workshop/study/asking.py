"""Asks a student of a study one question, in one of both orders; the answer is one of a closed set or free text.

Decides nothing by confidence, and uses no calibration: confidences are as the student gives them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

from ..distil.sequences import Encoder
from ..distil.vocabulary import ANSWER, END, THINK, WHY
from ..pair import Pair
from ..ship.decode import Decoder, ThinkingFailed, Writer, log_softmax

ANSWER_TOKENS_MAX = 24  # of a free answer


@dataclass(frozen=True)
class Said:
    answer: str  # "" where no answer came
    confidence: float  # of the closed set, or of the free answer's tokens together
    tokens: int  # decoded until the answer stood, rationale included


class Asker:
    def __init__(self, model: Path, encoder: Encoder, rationale_tokens_max: int, threads: int = 1):
        self.decoder = Decoder(model, threads)
        self.encoder = encoder
        self.rationale_tokens_max = rationale_tokens_max

    def ask(self, pair: Pair, way: str, closed: tuple[str, ...] = ()) -> Said:
        """`way` is "first" or "think". `closed` is the answer set where the question brings no choices; else letters, else free."""
        control = self.encoder.control
        question = self.encoder.text(pair.prompt)
        rationale: list[int] = []
        if way == "think":
            room = self.decoder.max_len - len(question) - ANSWER_TOKENS_MAX - 2
            writer = Writer(self.decoder, self.encoder, min(self.rationale_tokens_max, room))
            try:
                rationale = [control[THINK], *writer.write([*question, control[THINK]], 0, control[ANSWER])]
            except ThinkingFailed:
                return Said("", 0.0, writer.tokens_max)
            logits = self.decoder.feed([control[ANSWER]], len(question) + len(rationale))
        else:
            logits = self.decoder.feed([*question, control[ANSWER]], 0)
        at = len(question) + len(rationale) + 1
        closed = tuple(pair.letters) or closed
        if closed:
            scores = log_softmax(logits.astype(float)[[self.encoder.text(answer)[0] for answer in closed]])
            best = int(scores.argmax())
            return Said(closed[best], math.exp(scores[best]), len(rationale) + 1)
        return self._free(logits, at, len(rationale))

    def _free(self, logits, at: int, before: int) -> Said:
        written: list[int] = []
        likelihood = 0.0
        while len(written) < ANSWER_TOKENS_MAX:
            scores = log_softmax(logits.astype(float))
            token = int(scores.argmax())
            likelihood += float(scores[token])
            if token in (self.encoder.control[WHY], self.encoder.control[END]):
                break
            written.append(token)
            logits = self.decoder.feed([token], at + len(written) - 1)
        answer = self.encoder.tokenizer.decode(written, skip_special_tokens=False)
        return Said(answer, math.exp(likelihood), before + len(written) + 1)
