"""What people said to a student's answers: the file that `sokutou review export` writes, and the pairs that it teaches.

Reads files whole or not at all, with the reader of `pair_files`. Judges no person: where two disagree, the later one
stands, and it is counted.

One JSON object a line, one line a review. The keys of a teacher pair, which say the question and what the student said
to it:

    id             names the review: the case, a hyphen, and which review of the case it is, from 1. No two lines share
    one task           id of the task that was asked
    question       as it was asked
    choices        as in a teacher pair: only where the question brings its own, never the task's closed answer set
    answer         what the student said, given or only guessed: the text of a choice, a letter where the question
    brings choices,
                   or free text; "" where it said nothing
    rationale      what the student wrote for it; null where it wrote none
    teacher, weight, difficulty, lang, kind   as in a teacher pair, and as seldom needed; lang is the question's

and what became of it; every one of these keys must be there:

    student        who answered: {"name", "version", "serial"}, as its bundle's manifest says
    decision       "answered", or "escalated" to a person
    reason         why a person looked. Escalated: "out_of_scope", "unsure", "thinking_failed", "no_answer" or
                   "contradiction"; or what the runtime could not read, as "missing_reading", when no student was asked.
                   Answered: "audit" (drawn by chance), "disagreement" (the rationale led elsewhere), or null (somebody
                   looked)
    mode           "answer_first" or "think_first"
    confidence     of the answer, 0 to 1; 0 where there is none
    verdict        on the answer, whether or not it was given: "right", "wrong", or "unclear": nobody can say
    correction     the right answer, where the verdict is "wrong"; null elsewhere. Where the student said nothing, the
    verdict is
                   "wrong" with what it should have said, or "unclear"
    reviewer       who said so, as far as it may be told; null elsewhere
    reviewed_at    when: RFC 3339 in UTC, as 2026-03-01T08:15:30Z

A question that belongs to a person is answered by the choice that calls one, as ASK: right if the student said so, else
it is the correction. Unknown keys are errors: the writer is ours too, and a key misspelt would lose what it says.

As a teacher, a review says which answer is right, and no more. The rationale goes, whatever the verdict: the reviewer
judged the answer, nobody judged the rationale, and a program can judge it only where it knows the reading behind the
question, which a review lacks. So what is reviewed is taught as a first answer alone.
"""

from __future__ import annotations

import dataclasses
import datetime
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, get_type_hints

from . import pair_files
from .pair import Pair
from .task import Task

TEACHER = "review"
UNREAD = (  # the runtime's reader found no question for the student
    "missing_reading",
    "unknown_reading",
    "double_reading",
    "foreign_unit",
    "bad_quality",
    "negated",
    "out_of_range",
    "ambiguous_number",
    "unreadable_reading",
    "wrong_count",
    "too_fine",
)
REASONS: dict[str, tuple[str | None, ...]] = {
    "answered": ("audit", "disagreement", None),
    "escalated": ("out_of_scope", "unsure", "thinking_failed", "no_answer", "contradiction", *UNREAD),
}
MODES = ("answer_first", "think_first")
RIGHT, WRONG, UNCLEAR = VERDICTS = ("right", "wrong", "unclear")
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?Z")


@dataclass(frozen=True)
class StudentId:
    """Which student answered."""

    name: str
    version: str
    serial: int


@dataclass(frozen=True, kw_only=True)
class Review:
    pair: Pair  # as the student answered it
    student: StudentId
    decision: str
    reason: str | None
    mode: str
    confidence: float
    verdict: str
    correction: str | None
    reviewer: str | None
    reviewed_at: datetime.datetime

    @property
    def right(self) -> str | None:
        """The right answer, without the space that a person may have typed around it; None where nobody can say."""
        said = {RIGHT: self.pair.answer, WRONG: self.correction, UNCLEAR: None}[self.verdict]
        return said and said.strip()


STUDENT = get_type_hints(StudentId)
KEYS = tuple(field.name for field in fields(Review) if field.name != "pair")


@dataclass(frozen=True)
class Taught:
    """What reviews teach, and how many of them teach nothing."""

    pairs: list[Pair]
    reviews: int
    overruled: int  # by a later review of the same question, which says something else
    repeated: int  # by a later one, which says the same
    unclear: int  # after all
    unread: int = 0  # of questions that the student was never asked

    def __str__(self) -> str:
        return (
            f"{len(self.pairs)} pairs of {self.reviews} reviews: {self.overruled} overruled by a later review of the "
            f"same "
            f"question, {self.repeated} repeated by one, {self.unclear} unclear"
            + (f", {self.unread} of readings that the student never saw" if self.unread else "")
        )


def read(paths: Iterable[Path], tasks: Iterable[Task]) -> list[Review]:
    """Every review of the files, all of them of `tasks`. Raises `pair_files.PairsError` that names each bad line."""
    known = {task.id: task for task in tasks}

    def parse(value: dict[str, Any]) -> tuple[str, Review]:
        review = _review(value, known)
        return review.pair.id, review

    return pair_files.read_lines(paths, parse)


def taught(reviews: Iterable[Review]) -> Taught:
    """The pairs that reviews teach, one a question, in the order they were reviewed in."""
    every = sorted(reviews, key=lambda review: review.reviewed_at)  # of the same moment, the one that is read later
    reviews = [review for review in every if review.reason not in UNREAD]
    latest = {question(review.pair): review for review in reviews}
    earlier = [review for review in reviews if latest[question(review.pair)] is not review]
    overruled = sum(review.right != latest[question(review.pair)].right for review in earlier)
    pairs = [
        dataclasses.replace(
            review.pair, question=review.pair.question.strip(), answer=review.right, rationale=None, teacher=TEACHER
        )
        for review in latest.values()
        if review.right is not None
    ]
    unclear, unread = len(latest) - len(pairs), len(every) - len(reviews)
    return Taught(pairs, len(every), overruled, len(earlier) - overruled, unclear, unread)


def question(pair: Pair) -> str:
    """Two questions are one if the student reads the same: whatever width they are written in, and whatever space is
    around them. No more than that may differ, since a sign or a point makes another number."""
    return unicodedata.normalize("NFKC", f"{pair.task}: {pair.text.strip()}")


def summary(reviews: Iterable[Review]) -> str:
    """What people said, task by task, as a table."""
    lines = [f"{'task':28}  reviews  answered, right  wrong  escalated, right  wrong  unclear  reasons"]
    by_task: dict[str, list[Review]] = {}
    for review in reviews:
        by_task.setdefault(review.pair.task, []).append(review)
    for task, own in sorted(by_task.items()):
        said = Counter((review.decision, review.verdict) for review in own)
        unclear = sum(review.verdict == UNCLEAR for review in own)
        reasons = Counter(review.reason or "-" for review in own).most_common()
        lines.append(
            f"{task:28} {len(own):8} {said['answered', RIGHT]:16} {said['answered', WRONG]:6} "
            f"{said['escalated', RIGHT]:17} {said['escalated', WRONG]:6} {unclear:8}  "
            + ", ".join(f"{reason} {count}" for reason, count in reasons)
        )
    return "\n".join(lines)


def _review(value: dict[str, Any], tasks: Mapping[str, Task]) -> Review:
    """Raises `ValueError` that says what is wrong."""
    if unknown := [key for key in value if key not in (*pair_files.KEYS, *KEYS)]:
        raise ValueError(f"expected no key but those of the format, got {unknown[0]!r:.60}")
    for key in ("answer", *KEYS):
        if key not in value:
            raise ValueError(f"expected the key {key!r}, it is missing")
    said = {key: value[key] for key in pair_files.KEYS if key in value and (key, value[key]) != ("answer", "")}
    pair = pair_files.parsed(said, tuple(key for key in pair_files.REQUIRED if key != "answer" or key in said))
    if pair.task not in tasks:
        raise ValueError(f"expected 'task' to be one of {', '.join(tasks)}, got {pair.task!r:.60}")
    student, confidence, reviewer = value["student"], value["confidence"], value["reviewer"]
    # By type, not by isinstance: true is no serial.
    if not (isinstance(student, dict) and {key: type(of) for key, of in student.items()} == STUDENT):
        raise ValueError(f"expected 'student' to have a name, a version and a whole serial, got {student!r:.80}")
    _one_of("decision", value["decision"], tuple(REASONS))
    _one_of("reason", value["reason"], REASONS[value["decision"]], f" where the student {value['decision']}")
    _one_of("mode", value["mode"], MODES)
    _one_of("verdict", value["verdict"], VERDICTS)
    if isinstance(confidence, bool) or not (isinstance(confidence, int | float) and 0 <= confidence <= 1):
        raise ValueError(f"expected 'confidence' to be a number from 0 to 1, got {confidence!r:.60}")
    if reviewer is not None and not (isinstance(reviewer, str) and reviewer.strip()):
        raise ValueError(f"expected 'reviewer' to be a text that is not empty, or null, got {reviewer!r:.60}")
    review = Review(
        pair=pair,
        **{key: value[key] for key in KEYS}
        | {
            "student": StudentId(**student),
            "confidence": float(confidence),
            "reviewed_at": _time(value["reviewed_at"]),
        },
    )
    _check_verdict(review, tasks[pair.task])
    return review


def _check_verdict(review: Review, task: Task) -> None:
    said, verdict, correction = review.pair.answer, review.verdict, review.correction
    if not said and review.decision == "answered":
        raise ValueError("expected an answer where the student answered, got none")
    if not said and verdict == RIGHT:
        raise ValueError("expected 'verdict' to be wrong or unclear where the student said nothing, got 'right'")
    if verdict == WRONG and correction is None:
        raise ValueError("expected a 'correction' where the verdict is wrong, got null")
    if verdict != WRONG and correction is not None:
        raise ValueError(f"expected no 'correction' where the verdict is {verdict}, got {correction!r:.60}")
    if correction is not None and not (isinstance(correction, str) and correction.strip()):
        raise ValueError(f"expected 'correction' to be a text that is not empty, got {correction!r:.60}")
    if correction is not None and correction.strip() == said:
        raise ValueError(f"expected 'correction' to differ from what was wrong, got {correction!r:.60} for both")
    answers = review.pair.letters if review.pair.choices else task.texts
    for key, answer in (("answer", said), ("correction", correction)):
        if answer and answers and answer not in list(answers):
            raise ValueError(f"expected {key!r} to be one of {', '.join(answers)}, got {answer!r:.60}")


def _one_of(key: str, value: object, allowed: tuple[str | None, ...], where: str = "") -> None:
    if not (value is None or isinstance(value, str)) or value not in allowed:
        raise ValueError(
            f"expected {key!r} to be one of {', '.join(said or 'null' for said in allowed)}{where}, got {value!r:.60}"
        )


def _time(value: object) -> datetime.datetime:
    if isinstance(value, str) and _TIME.fullmatch(value):
        try:
            return datetime.datetime.fromisoformat(value)
        except ValueError:
            pass
    raise ValueError(f"expected 'reviewed_at' to be a time in UTC as 2026-03-01T08:15:30Z, got {value!r:.60}")
