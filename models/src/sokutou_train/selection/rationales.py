"""What can be wrong with a rationale as a text: no words, another language, cut off, written with the answer in view.
Judges no reasoning.

Each check says yes only where it is sure: a check that drops sound rationales is worse than none.
"""

from __future__ import annotations

import re

from ..language import is_japanese
from ..pair import Pair
from .answers import Conclusion, sentences

CUT_CHARACTERS_MIN = 300  # token limits cut long texts; a short one without a full stop is a note or a list
JAPANESE_SHARE_MIN = 0.2  # of a Japanese text's letters; the rest are names, units and formulas
LETTERS_MIN = 12  # fewer say nothing about a language: "5 * 3 = 15 kg"

_DANGLES = re.compile(r"(?:[(\[{+=]|\b(?:the|an|and|or|but|because|than|its|their|your))\s*$", re.IGNORECASE)
_ENDS = re.compile(r"[.!?。！？:]\W*$")
_NO_PART = r"(?!\ (?:choice|option)s?\b)"  # "the given answer choices" are everybody's to see
_LEAKS = re.compile(
    rf"""
    \banswer\ (?:is|was|has\ been)\ (?:already\ )?(?:given|provided|stated|known)\b
  | \b(?:given|provided|expected|stated|supplied)\ (?:correct\ |right\ )?answer\b{_NO_PART}
  | \banswer\ (?:given|provided|stated)\ (?:is|as|in\ the)\b
  | \b(?:question|problem|prompt)\ (?:states|says|gives|tells\ us)\ (?:that\ )?the\ (?:correct\ |right\ )?answer\b
  | \b(?:since|as|because|but|although|however,?)\ (?:we\ (?:know|are\ told)\ (?:that\ )?)?
    the\ (?:correct|right)\ answer\ is\ (?-i:\(?[A-Z]\b|[$\d])
  | \banswer\ key\b | \bground[ -]truth\b | \bgold\ (?:answer|label)\b
  | 答え(?:は|が).{{0,12}}(?:と与えられ|として与えられ|と示され)
  | 正解(?:は|が).{{0,12}}(?:とされ|と与えられ|と書かれ|と示され) | 与えられた(?:答え|正解)
""",
    re.IGNORECASE | re.VERBOSE,
)
_FAULTS = re.compile(
    r"""
    \b(?:mistake|error|typo|mistakes|errors)\ in\ the\ (?:question|problem|answer|options|choices|given)\b
  | \b(?:question|problem)(?:\ statement)?\ (?:is|seems|appears\ to\ be|must\ be|may\ be)
    \ (?:wrong|incorrect|flawed|faulty)\b
  | \b(?:not|none)\ (?:(?:present|listed|available|one|given)\ )?(?:in|among|of|an?)\ (?:any\ of\ )?(?:the\ )?
    (?:given\ |provided\ |available\ )?(?:answer\ (?:choices?|options?)|(?:choices|options))\b
  | \banswer\ (?:choices|options)\ (?:do\ not|don't|does\ not|doesn't|are\ not|aren't)\b
  | \b(?:answer|result|this|that|solution)\ is\ (?:incorrect|wrong)\.\s
  | 問題(?:文)?に(?:誤り|間違い) | 選択肢に(?:は)?(?:ない|ありません|含まれ(?:てい)?ない)
""",
    re.IGNORECASE | re.VERBOSE,
)


def empty(pair: Pair) -> bool:
    """A rationale without a letter or a digit. A pair with none at all is a label, and that is allowed."""
    return pair.rationale is not None and not any(c.isalnum() for c in pair.rationale)


def leaks(pair: Pair) -> bool:
    """Shows that the teacher saw the answer: "the answer is given as 57", "since the correct answer is D"."""
    return _LEAKS.search(pair.rationale or "") is not None


def finds_fault(pair: Pair) -> bool:
    """Says that the question is wrong, or that what it arrived at is none of the choices."""
    return _FAULTS.search(pair.rationale or "") is not None


def other_language(pair: Pair) -> bool:
    """Japanese question and other rationale, or the other way round. The question's letters count as much as its
    `lang`."""
    said = [c for c in pair.rationale or "" if c.isalpha()]
    if len(said) < LETTERS_MIN:
        return False
    wants = pair.lang == "ja" or _japanese_share(pair.question) >= JAPANESE_SHARE_MIN
    is_ = _japanese_share(pair.rationale or "") >= JAPANESE_SHARE_MIN
    return wants != is_


def cut_off(pair: Pair, concluded: Conclusion) -> bool:
    """Stops in mid-sentence: with a word or sign that needs a next one, or long, in sentences, and without the last
    one's end. One that has arrived at its answer has said what it had to."""
    text = (pair.rationale or "").rstrip()
    if text.rfind("<<") > text.rfind(">>") or _DANGLES.search(text):
        return True
    if (
        concluded is Conclusion.IMPLIES
        or len(text) < CUT_CHARACTERS_MIN
        or not (text[-1:].isalpha() or text[-1:] in ",、")
    ):
        return False
    lines = [line for line in text.splitlines() if line.strip()]
    # Whoever ends no other line with a full stop is not cut off for lacking the last one.
    others = sentences(lines[-1])[:-1] or lines[:-1]
    return sum(_ENDS.search(other) is not None for other in others) * 2 > len(others)


def _japanese_share(text: str) -> float:
    letters = sum(c.isalpha() for c in text)
    return sum(map(is_japanese, text)) / letters if letters else 0.0
