"""The format of reviews: what is read, what is refused and how it is said, and what they teach."""

import json
import re
from pathlib import Path

import pytest

from sokutou_train import __main__, pair_files, reviews
from sokutou_train.pair import Pair
from sokutou_train.recipes import TOY

GOLDEN = Path(__file__).resolve().parents[2] / "tests" / "data" / "reviews.jsonl"  # what the runtime must export, too
GOOD = {
    "id": "case-1-1",
    "task": "toy",
    "question": "Which is larger, 3 or 7?",
    "answer": "A",
    "student": {"name": "toy", "version": "0.0.1", "serial": 1},
    "decision": "escalated",
    "reason": "unsure",
    "mode": "think_first",
    "confidence": 0.4,
    "verdict": "wrong",
    "correction": "B",
    "reviewer": None,
    "reviewed_at": "2026-03-01T08:15:30Z",
}
FREE = {
    **GOOD,
    "task": "toy-digits",
    "question": "Last digits of 13 and 7?",
    "answer": "37",
    "verdict": "right",
    "correction": None,
}
SILENT = {**FREE, "answer": "", "reason": "no_answer", "confidence": 0, "verdict": "wrong", "correction": "37"}


def written(folder, *lines):
    path = folder / "reviews.jsonl"
    path.write_bytes(b"\n".join(line if isinstance(line, bytes) else json.dumps(line).encode() for line in lines))
    return path


def read(folder, *lines):
    return reviews.read([written(folder, *lines)], TOY.tasks)


def without(key):
    return {name: value for name, value in GOOD.items() if name != key}


def test_the_example_of_each_kind_is_read_and_teaches():
    lines = [json.loads(line) for line in GOLDEN.read_text("utf-8").splitlines()]
    read = reviews.read([GOLDEN], TOY.tasks)
    for line, review in zip(lines, read, strict=True):
        assert {
            key: value
            for key, value in line.items()
            if value is None or key not in ("student", "reviewed_at", "answer")
        } == {
            key: getattr(review if key in reviews.KEYS else review.pair, key)
            for key in line
            if line[key] is None or key not in ("student", "reviewed_at", "answer")
        }
        assert review.pair.answer == line["answer"] and vars(review.student) == line["student"]
        assert review.reviewed_at.isoformat().replace("+00:00", "Z") == line["reviewed_at"]
    assert {(review.decision, review.verdict) for review in read} == {
        (decision, verdict) for decision in reviews.REASONS for verdict in reviews.VERDICTS
    }
    every = {reason for reasons in reviews.REASONS.values() for reason in reasons}
    assert {review.reason for review in read} == every - {"contradiction", *reviews.UNREAD}
    assert {review.mode for review in read} == set(reviews.MODES) and "" in {review.pair.answer for review in read}
    taught = reviews.taught(read)
    assert (taught.reviews, len(taught.pairs), taught.overruled, taught.repeated, taught.unclear) == (
        len(read),
        7,
        1,
        1,
        2,
    )


@pytest.mark.parametrize(
    ("line", "says"),
    [
        (b"not json", "expected a JSON object: Expecting value at column 1"),
        (b'{"id": "\xff"}', "expected UTF-8, byte 8 of the line"),
        (b'{"id": "' + b"x" * pair_files.LINE_BYTES_MAX + b'"}', "expected a line of at most"),
        (GOOD, "id 'case-1-1' stands at"),
        ({**GOOD, "comment": "?"}, "expected no key but those of the format, got 'comment'"),
        *((without(key), f"expected the key {key!r}, it is missing") for key in ("answer", "question", *reviews.KEYS)),
        ({**GOOD, "answer": None}, "expected the key 'answer', it is missing"),
        ({**GOOD, "answer": 1}, "expected 'answer' to be a text that is not empty, got 1"),
        ({**GOOD, "answer": "C"}, "expected 'answer' to be one of A, B, ASK, got 'C'"),
        ({**GOOD, "task": "coins"}, "expected 'task' to be one of toy, toy-digits, got 'coins'"),
        (
            {**GOOD, "choices": ["3", "7", "9"], "answer": "ASK"},
            "expected 'answer' to be a letter from A to C, got 'ASK'",
        ),
        ({**GOOD, "choices": ["3", "7"], "correction": "ASK"}, "expected 'correction' to be one of A, B, got 'ASK'"),
        *(
            ({**GOOD, "student": student}, "expected 'student' to have a name, a version and a whole serial")
            for student in (
                None,
                "toy",
                {},
                *({**GOOD["student"], **other} for other in ({"serial": "1"}, {"serial": True}, {"colour": "red"})),
            )
        ),
        ({**GOOD, "decision": "maybe"}, "expected 'decision' to be one of answered, escalated, got 'maybe'"),
        ({**GOOD, "decision": ["answered"]}, "expected 'decision' to be one of answered, escalated, got ['answered']"),
        (
            {**GOOD, "reason": "audit"},
            "expected 'reason' to be one of out_of_scope, unsure, thinking_failed, no_answer, contradiction, ",
        ),
        ({**GOOD, "reason": None}, "where the student escalated, got None"),
        (
            {**GOOD, "decision": "answered"},
            "expected 'reason' to be one of audit, disagreement, null where the student answered, got 'unsure'",
        ),
        ({**GOOD, "mode": "fast"}, "expected 'mode' to be one of answer_first, think_first, got 'fast'"),
        *(
            ({**GOOD, "confidence": value}, "expected 'confidence' to be a number from 0 to 1, got ")
            for value in (-0.1, 1.01, True, "0.4", None, float("nan"), 10**400)
        ),
        ({**GOOD, "verdict": "bad"}, "expected 'verdict' to be one of right, wrong, unclear, got 'bad'"),
        ({**GOOD, "verdict": None}, "expected 'verdict' to be one of right, wrong, unclear, got None"),
        ({**GOOD, "correction": None}, "expected a 'correction' where the verdict is wrong, got null"),
        ({**GOOD, "correction": ""}, "expected 'correction' to be a text that is not empty, got ''"),
        ({**GOOD, "correction": 2}, "expected 'correction' to be a text that is not empty, got 2"),
        ({**GOOD, "correction": "C"}, "expected 'correction' to be one of A, B, ASK, got 'C'"),
        ({**GOOD, "correction": "A"}, "expected 'correction' to differ from what was wrong, got 'A' for both"),
        (
            {**FREE, "verdict": "wrong", "correction": "37 "},
            "expected 'correction' to differ from what was wrong, got '37 ' for both",
        ),
        ({**GOOD, "verdict": "right"}, "expected no 'correction' where the verdict is right, got 'B'"),
        ({**GOOD, "verdict": "unclear"}, "expected no 'correction' where the verdict is unclear, got 'B'"),
        (
            {**SILENT, "verdict": "right", "correction": None},
            "expected 'verdict' to be wrong or unclear where the student said nothing",
        ),
        (
            {**SILENT, "decision": "answered", "reason": "audit"},
            "expected an answer where the student answered, got none",
        ),
        ({**GOOD, "reviewer": ""}, "expected 'reviewer' to be a text that is not empty, or null, got ''"),
        *(
            ({**GOOD, "reviewed_at": value}, "expected 'reviewed_at' to be a time in UTC as 2026-03-01T08:15:30Z, got ")
            for value in (
                "2026-03-01",
                "2026-03-01 08:15:30Z",
                "2026-03-01T08:15:30+09:00",
                "2026-02-30T08:15:30Z",
                1772352930,
                None,
            )
        ),
    ],
)
def test_a_bad_line_is_named(tmp_path, line, says):
    with pytest.raises(pair_files.PairsError) as refused:
        read(tmp_path, GOOD, b"", line)
    assert str(refused.value).startswith(f"{tmp_path / 'reviews.jsonl'}:3: ")
    assert says in str(refused.value) and "\n" not in str(refused.value)


def test_a_file_without_reviews_is_an_error(tmp_path):
    with pytest.raises(pair_files.PairsError, match="the file has none"):
        read(tmp_path, b" ")


def test_what_a_review_teaches_is_the_right_answer_and_no_rationale(tmp_path):
    lines = [
        {**GOOD, "rationale": "3 is more.", "lang": "ja", "kind": "numbers", "question": " Which is larger, 3 or 7?\n"},
        {**FREE, "id": "case-2-1", "rationale": "They end so."},
        {**SILENT, "id": "case-3-1", "question": "Last digits of 8 and 9?", "correction": " 37\n"},
        {**FREE, "id": "case-4-1", "question": "Last digits?", "verdict": "unclear"},
    ]
    taught = reviews.taught(read(tmp_path, *lines))
    assert taught.pairs == [
        Pair(
            id="case-1-1",
            task="toy",
            question=GOOD["question"],
            answer="B",
            teacher="review",
            lang="ja",
            kind="numbers",
        ),
        Pair(id="case-2-1", task="toy-digits", question=FREE["question"], answer="37", teacher="review"),
        Pair(id="case-3-1", task="toy-digits", question="Last digits of 8 and 9?", answer="37", teacher="review"),
    ]
    assert (taught.reviews, taught.overruled, taught.repeated, taught.unclear) == (4, 0, 0, 1)


def test_of_reviews_of_one_question_the_latest_stands(tmp_path):
    later = {**GOOD, "id": "case-1-2", "verdict": "right", "correction": None, "reviewed_at": "2026-03-01T08:15:30.5Z"}
    wide = {**GOOD, "id": "case-2-1", "question": "Which is larger, ３ or ７? ", "reviewed_at": "2026-03-01T08:15:29Z"}
    other = {**GOOD, "id": "case-3-1", "question": "Which is larger, -3 or 7?"}
    taught = reviews.taught(read(tmp_path, later, GOOD, wide, other))
    assert [(pair.id, pair.answer) for pair in taught.pairs] == [("case-1-2", "A"), ("case-3-1", "B")]
    assert (taught.overruled, taught.repeated) == (2, 0)
    again = reviews.taught(read(tmp_path, GOOD, {**GOOD, "id": "case-1-2"}))
    assert [pair.id for pair in again.pairs] == ["case-1-2"] and (again.overruled, again.repeated) == (0, 1)
    unclear = reviews.taught(read(tmp_path, GOOD, {**later, "verdict": "unclear"}))
    assert not unclear.pairs and (unclear.overruled, unclear.unclear) == (1, 1)


def test_the_command_makes_pairs_that_every_other_command_takes(tmp_path, capsys):
    path, pairs = written(tmp_path, GOOD, {**FREE, "id": "case-2-1"}), tmp_path / "pairs.jsonl"
    assert __main__.main(["reviews", "--recipe", "toy", str(path), "--out", str(pairs)]) == 0
    said = capsys.readouterr().out
    assert "toy-digits" in said and "2 pairs of 2 reviews: 0 overruled" in said
    assert [pair.answer for pair in pair_files.read(pairs).pairs] == ["B", "37"]
    assert __main__.main(["check", str(pairs)]) == 0


def test_a_file_of_reviews_is_not_taken_for_pairs(tmp_path, capsys):
    assert __main__.main(["check", str(written(tmp_path, GOOD))]) == 1
    said = capsys.readouterr().err
    assert "reviews.jsonl:1: this is a review, and what it calls the answer may be wrong; `models/run reviews`" in said


def test_what_the_student_was_never_asked_teaches_nothing(tmp_path):
    """The reader of the runtime has words for why it found no question."""
    unread = {**SILENT, "id": "unread-1", "question": "Last digits of 13?", "reason": "missing_reading"}
    taught = reviews.taught(read(tmp_path, GOOD, unread))
    assert [pair.question for pair in taught.pairs] == [GOOD["question"]] and taught.unread == 1
    assert str(taught).endswith("0 unclear, 1 of readings that the student never saw")
    source = (Path(__file__).parents[2] / "src" / "domain.rs").read_text("utf-8")
    words = dict(re.findall(r'^    (\w+) = \d+ "(\w+)",$', source, re.MULTILINE))
    assert sorted(words.values()) == sorted(reviews.REASONS["escalated"])
