"""What is asked: a list of sensors, and of one of them a choice of four letters, a short text, or a choice with reasons
behind it.

Every kind has a fixed beginning that all its questions share, and no question is ever asked twice, so that what a
system keeps of earlier questions is worth to it just that beginning. Says nothing of who is right: the model was never
taught these tasks.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass

LETTERS = ("A", "B", "C", "D")
CHOICES = tuple(f" {letter}" for letter in LETTERS)  # what the model writes, each one token
# Tokens of SmolLM2 that our bundle takes for its control tokens, so that every system reads the same ones: a prompt's
# last token, the one between answer and reasons, and two that no text ever has.
ASKS, BECAUSE, THINKS, ENDS = " :", " Because", "<empty_output>", "<gh_stars>"
MAX_LEN = 512  # tokens that every system has room for
FREE_TOKENS, RATIONALE_TOKENS = 8, 48  # written in answer to one question, by everyone
SENSORS = ("oil", "coolant", "spindle", "bearing", "motor", "gearbox", "hydraulics", "cabinet", "exhaust", "chuck")

_CHOICE = """You keep the list of a machine's sensors. Every sensor has one of four letters, and the letter says which \
drawer holds its spare. A question gives four sensors, one a line, each with its letter. Then it names one of them \
again, and the answer is the letter of that sensor: the same one as above. The letters change from question to \
question, so never answer from an earlier list. The answer is one letter and nothing else.

"""
_FREE = """You keep the log of a machine. Four sensors come in, one a line, each with the letter of the drawer that \
holds its spare. Then one of them is named again. Write one short line for the log: say which sensor it is and what to \
look at first. Do not greet, do not ask, do not explain.

"""


@dataclass(frozen=True)
class Kind:
    """A way to ask."""

    name: str
    title: str
    task: str  # of the bundle
    before: str  # the beginning that all questions share; the question and `ASKS` follow
    tokens_out: int  # written in answer, the letter among them
    lettered: bool = True  # is the first of them a letter?

    @property
    def template(self) -> str:
        """As a bundle's manifest says it; `<|answer|>` follows."""
        return f"{self.before}{{question}}"

    def prompt(self, question: str) -> str:
        """The whole text."""
        return f"{self.before}{question}{ASKS}"

    def questions(self) -> Iterator[str]:
        """Without end; the same in every run."""
        rng, seen = random.Random(self.name), set()
        while True:
            question = _list(rng)
            if question not in seen:
                seen.add(question)
                yield question


CHOICE = Kind("choice", "4-way choice", "drawer", _CHOICE, 1)
FREE = Kind("free", f"free answer of {FREE_TOKENS} tokens", "log-line", _FREE, FREE_TOKENS, lettered=False)
EXPLAINED = Kind(
    "explained", f"choice and rationale of {RATIONALE_TOKENS} tokens", "drawer", _CHOICE, 1 + RATIONALE_TOKENS
)
KINDS = (CHOICE, FREE, EXPLAINED)


def _list(rng: random.Random) -> str:
    """Four sensors with their letters, one of them shown again with its letter, another without: a model of this size
    that was never taught the task gives several letters to such lists, and one letter to most others that were
    tried."""
    sensors = rng.sample(SENSORS, len(LETTERS))
    lines = [f"{sensor}: {letter}" for letter, sensor in zip(LETTERS, sensors, strict=False)]
    shown, asked = rng.sample(range(len(LETTERS)), 2)
    return "\n".join([*lines, "", lines[shown], sensors[asked]])
