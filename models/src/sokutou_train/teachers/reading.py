"""What teaches a student to read before it is taught any task: texts to repeat, and lists to look something up in.

Every rationale rests on copying, which comes late or never from the sparse words of rationales alone. Here each token
is one to copy. Holds no answer and no rationale of any task, so that students which start from here have learned
nothing of what they are compared in.
"""

from __future__ import annotations

import random
import string
from collections.abc import Iterator

from ..pair import LANGUAGES, Pair
from ..sentences import first_sentence
from .symbolic import made_up

TASK_ID = "reading"
KINDS = {"list": 0.4, "look up": 0.3, "repeat": 0.3}  # and their shares
ITEMS = range(2, 11)
REPEATED_LEN_MAX = 160  # characters; longer sentences are cut at it
_BETWEEN = (", ", " / ", "; ", " ", "\n", " and ", "、", " | ")
_JOINS = (": ", "=", " is ", " ", "は", "：", " -> ")


def pairs(questions: Iterator[Pair], seed: int | str) -> Iterator[Pair]:
    """Pairs without end that only `Encoder.read` makes sequences of; of `questions` some are repeated, as far as their
    first sentence."""
    rng = random.Random(f"{TASK_ID}-{seed}")
    while True:
        lang = rng.choice(LANGUAGES)
        kind = rng.choices(list(KINDS), list(KINDS.values()))[0]
        if kind == "repeat":
            asked = first_sentence(next(questions).text)[:REPEATED_LEN_MAX]
            question, read = asked, asked
        elif kind == "list":
            items = [_item(rng, lang) for _ in range(rng.choice(ITEMS))]
            question, read = rng.choice(_BETWEEN).join(items), "、".join(items) if lang == "ja" else ", ".join(items)
        else:
            question, read = _look_up(rng, lang)
        yield Pair(task=TASK_ID, question=question, answer="", rationale=read, lang=lang, kind=kind)


def _look_up(rng: random.Random, lang: str) -> tuple[str, str]:
    """A list of keys and values, then some of the keys in another order; their values are told."""
    keys = list(dict.fromkeys(_item(rng, lang) for _ in range(rng.choice(ITEMS))))
    values = {key: _item(rng, lang) for key in keys}
    asked = rng.sample(keys, rng.randint(1, len(keys)))
    join = rng.choice(_JOINS)
    listed = rng.choice(_BETWEEN).join(f"{key}{join}{value}" for key, value in values.items())
    return f"{listed}? {', '.join(asked)}", ", ".join(f"{key} {values[key]}" for key in asked)


def _item(rng: random.Random, lang: str) -> str:
    kind = rng.random()
    if kind < 0.45:
        return made_up(rng, lang)
    if kind < 0.6:
        return f"{rng.uniform(0, 10 ** rng.randint(1, 4)):.{rng.choice((0, 1, 1, 2))}f}"
    if kind < 0.7:
        return f"{rng.randint(1, 12):02}/{rng.randint(1, 28):02}/{rng.randint(1970, 2038)}"
    if kind < 0.8:
        return rng.choice(string.ascii_uppercase) + str(rng.randint(0, 99))
    return " ".join(made_up(rng, "en").lower() for _ in range(2))
