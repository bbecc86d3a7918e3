"""What a teacher behind an endpoint is asked, and what its reply says: reasons, then an answer, in English or Japanese.

Sends nothing, and never guesses: a reply that does not give reasons and one clear answer makes no pair.
"""

from __future__ import annotations

import dataclasses
import re
import string
import unicodedata
from dataclasses import dataclass
from decimal import Decimal

from ...pair import Pair
from ...pair_files import bare

REPLY_CHARS_MAX = 20_000  # a student's rationale has some hundreds; a reply beyond this is a teacher that runs on
ANSWER_CHARS_MAX = 200

_ASKS = {
    "en": "{prompt}\n\nFirst give your reasons in a few short sentences. "
    "Then write {form} alone on the last line, like this:\nAnswer: {blank}",
    "ja": "{prompt}\n\nまず理由を短い文でいくつか述べてください。"
    "そのあと最後の行に、{form}だけを次の形で書いてください。\n答え: {blank}",
}
_FORMS = {  # what the answer looks like: how the teacher is told, and what stands for it
    "en": {
        "letter": ("the letter of the right choice", "<letter>"),
        "number": ("the number", "<number>"),
        "yes or no": ("yes or no", "<yes or no>"),
        "text": ("the answer", "<answer>"),
    },
    "ja": {
        "letter": ("正しい選択肢の文字", "<文字>"),
        "number": ("数", "<数>"),
        "yes or no": ("「はい」か「いいえ」", "<はいかいいえ>"),
        "text": ("答え", "<答え>"),
    },
}
_BLANKS = {blank for forms in _FORMS.values() for _, blank in forms.values()}
_EXAMPLES = {  # shown to the teacher as an exchange before the question; small models keep to the form no other way
    "en": {
        "letter": (
            "Which of these floats on water?\nA: a stone\nB: a cork",
            "A stone is denser than water and sinks. A cork is lighter than water and floats.\nAnswer: B",
        ),
        "number": (
            "A box holds 6 screws. How many do 4 boxes hold?",
            "Every box holds 6 screws. There are 4 boxes, and 4 times 6 is 24.\nAnswer: 24",
        ),
        "yes or no": (
            "Does a 5 mm bolt fit through a 4 mm hole?",
            "The bolt is 5 mm wide. The hole is 4 mm wide, less than that.\nAnswer: no",
        ),
        "text": (
            "Ben is taller than Ann, and Ann is taller than Cid. Who is the tallest?",
            "Ben is taller than Ann. Ann is taller than Cid, so Ben is taller than both.\nAnswer: Ben",
        ),
    },
    "ja": {
        "letter": (
            "水に浮くのはどれですか。\nA: 石\nB: コルク",
            "石は水より重いので沈みます。コルクは水より軽いので浮きます。\n答え: B",
        ),
        "number": (
            "1箱にねじが6本入っています。4箱では何本ですか。",
            "1箱に6本入っています。4箱あるので、4かける6で24本です。\n答え: 24",
        ),
        "yes or no": (
            "5 mmのボルトは4 mmの穴に通りますか。",
            "ボルトの太さは5 mmです。穴は4 mmで、それより小さいです。\n答え: いいえ",
        ),
        "text": (
            "健は葵より背が高く、葵は蓮より背が高いです。一番背が高いのは誰ですか。",
            "健は葵より背が高いです。葵は蓮より背が高いので、健は二人より背が高いです。\n答え: 健",
        ),
    },
}

_ANSWER_LINE = re.compile(
    r"[\s*_#>`-]*(?:(?:the|my|final|correct|最終的な|最終)\s*)*(?:answer|答え|回答|解答)(?:\s+is|は)?"
    r"[\s*_`]*[:：=][\s*_`]*(.*)",
    re.IGNORECASE,
)
_ANSWER_SENTENCE = re.compile(
    r"(?:\b(?:the\s+)?(?:(?:final|correct)\s+)?answer\s+is|答えは|\\boxed(?=\{))\s*[:：]?\s*(.+)", re.IGNORECASE
)
_REPEATED = re.compile(
    r"(?:(?:the\s+)?(?:final\s+)?answer(?:\s+is|\s*:)|(?:答え|回答|解答)\s*(?:は|:))[\s:]*(.*)", re.IGNORECASE
)
_CONTROL_TOKEN = re.compile(r"<\|[^|\n]{1,40}\|>")  # a chat template's, or the student's own
_WRAPS = {"()", "[]", "「」", "『』", "{}", "''", '""', "“”", "‘’"}
_LETTER = re.compile(
    r"(?:(?:option|choice)\s+|選択肢\s*)?\(?([A-Z])(?![A-Za-z0-9])\)?(?:です)?[\s.:),、-]*(.*)", re.IGNORECASE
)
_NUMBER = re.compile(r"[-+]?(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?", re.ASCII)
_YES_NO = re.compile(r"(yes|no|はい|いいえ)(?![a-z])", re.IGNORECASE)
_YES_NO_MEANS = {"yes": "yes", "no": "no", "はい": "yes", "いいえ": "no"}


@dataclass(frozen=True)
class Dropped:
    """Why a reply made no pair."""

    kind: str  # "unreadable" or "wrong"
    why: str


def messages(question: Pair) -> list[dict[str, str]]:
    """What the teacher is asked, after one example. Without a message of the system: some chat templates know none."""
    wanted = _form(question)
    form, blank = _FORMS[question.lang][wanted]
    example, reply = _EXAMPLES[question.lang][wanted]
    first, then = (
        _ASKS[question.lang].format(prompt=prompt, form=form, blank=blank) for prompt in (example, question.text)
    )
    return [
        {"role": "user", "content": first},
        {"role": "assistant", "content": reply},
        {"role": "user", "content": then},
    ]


def judge(question: Pair, sample: int, teacher: str, text: str, finish: str) -> Pair | Dropped:
    """The pair that a reply makes. Its answer is written as the question's own, where that has one."""
    try:
        if finish == "length":  # the last number may lack digits
            raise ValueError("cut off by --tokens-max")
        rationale, answer = _read(question, text)
    except ValueError as err:
        return Dropped("unreadable", str(err))
    if question.answer and not _same(question, answer):
        return Dropped("wrong", f"says {answer!r}, right is {question.answer!r}")
    return dataclasses.replace(
        question, id=f"{question.id}-{sample}", answer=question.answer or answer, rationale=rationale, teacher=teacher
    )


def _form(question: Pair) -> str:
    if question.choices:
        return "letter"
    if question.answer.casefold() in _YES_NO_MEANS:
        return "yes or no"
    return "number" if _NUMBER.fullmatch(question.answer) else "text"


def _read(question: Pair, text: str) -> tuple[str, str]:
    """Reasons and answer of a reply. Raises `ValueError` that says what it lacks."""
    text = text.rpartition("</think>")[2].strip()  # what a reasoning model thinks before is not meant for the reader
    if not text:
        raise ValueError("empty")
    if len(text) > REPLY_CHARS_MAX:
        raise ValueError(f"longer than {REPLY_CHARS_MAX} characters")
    if "<think>" in text:
        raise ValueError("ends while it thinks")
    if token := _CONTROL_TOKEN.search(text):
        raise ValueError(f"holds the control token {token[0]}")
    lines = [line.strip() for line in text.splitlines()]
    answers, spoken = [], set()  # what the answer lines say, and where they stand
    for at, line in enumerate(lines):
        if said := _ANSWER_LINE.fullmatch(line):
            below = next((after for after in range(at + 1, len(lines)) if lines[after]), at)
            answers.append(_answer(question, said[1] or (lines[below] if below != at else "")))
            spoken |= {at} if said[1] else {at, below}
    if len(different := list(dict.fromkeys(answers))) > 1:
        raise ValueError(f"answers twice, {different[0]!r} and {different[1]!r}")
    if answers:
        answer, last = answers[0], max(spoken)
        before = [line for at, line in enumerate(lines[:last]) if at not in spoken]
        rationale = (
            "\n".join(before).strip() or "\n".join(lines[last + 1 :]).strip()
        )  # some teachers say the answer first
    elif said := _ANSWER_SENTENCE.search(lines[-1]):
        answer = _answer(question, said[1])
        rationale = text if len(lines) > 1 or said.start() > 0 else ""
    else:
        raise ValueError("no line says the answer")
    if not bare(rationale) or bare(rationale) == bare(answer):
        raise ValueError("no reasons")
    return rationale, answer


def _answer(question: Pair, said: str) -> str:
    value = unicodedata.normalize("NFKC", said).replace("\N{MINUS SIGN}", "-").removeprefix("\\boxed")
    while True:
        stripped = value.strip(" \t*_`$").rstrip(".。!")
        if len(stripped) > 1 and stripped[0] + stripped[-1] in _WRAPS:
            stripped = stripped[1:-1]
        if stripped == value:
            break
        value = stripped
    if repeated := _REPEATED.fullmatch(value):
        value = repeated[1]
    if not value or any(blank in value for blank in _BLANKS):  # small teachers copy the form instead of filling it in
        raise ValueError("the answer is left out")
    if len(value) > ANSWER_CHARS_MAX:
        raise ValueError(f"an answer longer than {ANSWER_CHARS_MAX} characters")
    form = _form(question)
    if question.choices and form == "letter":
        return _letter(question.choices, value)
    if form == "yes or no":
        if not (meant := _YES_NO.match(value)):
            raise ValueError(f"expected yes or no, got {value!r:.60}")
        return _YES_NO_MEANS[meant[1].casefold()]
    if form == "number":
        if len(found := _NUMBER.findall(value)) != 1:
            raise ValueError(f"expected one number, got {value!r:.60}")
        return found[0].replace(",", "")
    if question.answer:
        return value
    # Nobody said what the answer looks like, so only what is a number or a yes and nothing more is written as one.
    if _NUMBER.fullmatch(value):
        return value.replace(",", "")
    return _YES_NO_MEANS.get(value.casefold(), value)


def _letter(choices: tuple[str, ...], value: str) -> str:
    letters = string.ascii_uppercase[: len(choices)]
    if (said := _LETTER.fullmatch(value)) and said[1].upper() in letters:
        letter, text = said[1].upper(), said[2]
        if not text or bare(text) == bare(choices[letters.index(letter)]):
            return letter
    named = [letter for letter, choice in zip(letters, choices, strict=False) if bare(choice) == bare(value)]
    if len(named) != 1:
        raise ValueError(f"expected a letter from A to {letters[-1]}, got {value!r:.60}")
    return named[0]


def _same(question: Pair, answer: str) -> bool:
    gold, form = question.answer, _form(question)
    if form == "number":
        return Decimal(gold.replace(",", "")) == Decimal(answer)
    if form == "yes or no":
        return _YES_NO_MEANS[gold.casefold()] == answer
    return gold == answer or (form == "text" and bare(gold) != "" and bare(gold) == bare(answer))
