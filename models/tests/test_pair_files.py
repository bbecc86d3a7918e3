"""The format of teacher pairs: what is read, what is refused and how it is said, and test questions that reached
training."""

import dataclasses
import itertools
import json

import pytest

from sokutou_train import __main__, pair_files
from sokutou_train.pair import Pair
from sokutou_train.teachers.symbolic import GENERATORS

GOOD = {"id": "a-1", "task": "t", "question": "1 + 1?", "answer": "2"}


def written(folder, *lines):
    path = folder / "pairs.jsonl"
    path.write_bytes(b"\n".join(line if isinstance(line, bytes) else json.dumps(line).encode() for line in lines))
    return path


def test_what_is_written_is_read_again(tmp_path):
    drawn = (pair for task in GENERATORS for pair in itertools.islice(GENERATORS[task].pairs(task, 1), 50))
    pairs = [dataclasses.replace(pair, reading=None, margins=(), probes=()) for pair in drawn]  # what no file holds
    path = tmp_path / "new folder" / "pairs.jsonl"
    assert pair_files.write(path, pairs) == len(pairs)
    assert pair_files.read(path).pairs == pairs
    assert not list(path.parent.glob("*.new"))


def test_optional_keys_may_be_missing_or_null_and_unknown_ones_are_counted(tmp_path):
    read = pair_files.read(
        written(tmp_path, {**GOOD, "choices": None, "weight": None, "source": "x"}, b"  ", {**GOOD, "id": "a-2"})
    )
    assert read.pairs == [Pair(id=f"a-{n}", task="t", question="1 + 1?", answer="2") for n in (1, 2)]
    assert read.ignored == {"source": 1}
    assert "ignored keys: source (1 lines)" in pair_files.summary(read)
    assert {pair.asked for pair in read.pairs} == {"a"}


def test_a_question_may_lack_its_answer_but_a_pair_may_not(tmp_path):
    questions = [
        Pair(id="a-1", task="t", question="?", answer=""),
        Pair(id="a-2", task="t", question="?", answer="", choices=("1", "2")),
        Pair(id="a-3", task="t", question="?", answer="2"),
    ]
    path = tmp_path / "questions.jsonl"
    pair_files.write(path, questions)
    assert pair_files.read_questions(path).pairs == questions
    with pytest.raises(pair_files.PairsError, match="jsonl:1: expected the key 'answer', it is missing"):
        pair_files.read(path)
    with pytest.raises(pair_files.PairsError, match="expected 'answer' to be a text that is not empty, got ' '"):
        pair_files.read_questions(written(tmp_path, {**GOOD, "answer": " "}))


@pytest.mark.parametrize(
    ("line", "says"),
    [
        (b"not json", "expected a JSON object: Expecting value at column 1"),
        (b"[1]", "expected a JSON object, got list"),
        (b"[" * 100_000, "expected a flat JSON object"),
        (b'{"id": 1' + b"0" * 5000 + b"}", "digits"),
        (b'{"id": "\xff"}', "expected UTF-8, byte 8 of the line"),
        (b'{"id": "\\ud800", "task": "t", "question": "q", "answer": "a"}', "half a surrogate pair"),
        ({key: value for key, value in GOOD.items() if key != "answer"}, "expected the key 'answer', it is missing"),
        ({**GOOD, "question": " \n"}, "expected 'question' to be a text that is not empty"),
        ({**GOOD, "answer": 2}, "expected 'answer' to be a text that is not empty, got 2"),
        ({**GOOD, "rationale": ""}, "expected 'rationale' to be a text"),
        ({**GOOD, "choices": ["one"]}, "expected 'choices' to be 2 to 26 texts"),
        ({**GOOD, "choices": ["one", 2]}, "expected 'choices' to be 2 to 26 texts"),
        ({**GOOD, "choices": ["one", "two"], "answer": "C"}, "expected 'answer' to be a letter from A to B, got 'C'"),
        ({**GOOD, "choices": ["one", "two"], "answer": "AB"}, "expected 'answer' to be a letter"),
        ({**GOOD, "weight": 0}, "expected 'weight' to be a number above 0, got 0"),
        ({**GOOD, "weight": True}, "expected 'weight' to be a number"),
        (
            b'{"id": "a-1", "task": "t", "question": "q", "answer": "a", "weight": NaN}',
            "expected 'weight' to be a number above 0",
        ),
        ({**GOOD, "difficulty": 0}, "expected 'difficulty' to be a whole number from 1"),
        ({**GOOD, "difficulty": 1.5}, "expected 'difficulty' to be a whole number from 1"),
        ({**GOOD, "lang": "de"}, "expected 'lang' to be one of en, ja, got 'de'"),
        ({**GOOD, "kind": ""}, "expected 'kind' to be a text"),
        (GOOD, "id 'a-1' stands at"),
        (b'{"id": "' + b"x" * pair_files.LINE_BYTES_MAX + b'"}', "expected a line of at most"),
    ],
)
def test_a_bad_line_is_named(tmp_path, line, says):
    with pytest.raises(pair_files.PairsError) as refused:
        pair_files.read(written(tmp_path, GOOD, b"", line))
    assert str(refused.value).startswith(f"{tmp_path / 'pairs.jsonl'}:3: ")
    assert says in str(refused.value) and "\n" not in str(refused.value)


def test_every_bad_line_is_named_until_there_are_too_many(tmp_path):
    with pytest.raises(pair_files.PairsError) as refused:
        pair_files.read(written(tmp_path, b"x", GOOD, b"y" * (pair_files.LINE_BYTES_MAX + 9), b"z"))
    assert [line.split(":")[1] for line in str(refused.value).splitlines()] == ["1", "3", "4"]
    with pytest.raises(pair_files.PairsError, match="reading stopped after 20 bad lines"):
        pair_files.read(written(tmp_path, *[b"x"] * 500))
    with pytest.raises(pair_files.PairsError, match="the file has none"):
        pair_files.read(written(tmp_path, b" "))


def test_a_test_question_among_the_pairs_is_found_however_it_is_written():
    tests = [Pair(id="test-1", task="other", question="Type M, air 298.1 K?", answer="a")]
    train = [
        Pair(id=f"train-{at}", task="t", question=question, answer="a")
        for at, question in enumerate(
            (
                "type m air 298.1 k",
                "Ｔｙｐｅ  Ｍ,\nair ２９８.１ K",
                "Type M, air 298.2 K?",
                "Type M, air 298.1 K? And process?",
            )
        )
    ]
    assert pair_files.overlaps(train, tests) == [("train-0", "test-1"), ("train-1", "test-1")]


def test_the_commands(tmp_path, capsys):
    train, test = tmp_path / "train.jsonl", tmp_path / "test.jsonl"
    for path, seed in ((train, "1"), (test, "2")):
        assert __main__.main(["generate", "shuffled_objects", "--count", "40", "--seed", seed, "--out", str(path)]) == 0
    assert __main__.main(["check", str(train), "--against", str(test)]) == 0
    assert "shuffled_objects" in (said := capsys.readouterr().out) and " 40 " in said
    test.write_text(test.read_text("utf-8") + train.read_text("utf-8").splitlines()[-1], encoding="utf-8")
    assert __main__.main(["check", str(train), "--against", str(test)]) == 1
    assert "asks what test question shuffled_objects-1" in capsys.readouterr().err
    train.write_text("{}")
    assert __main__.main(["check", str(train)]) == 1
    assert f"error: {train}:1: expected the key 'id'" in capsys.readouterr().err
    assert __main__.main(["check", str(tmp_path / "none.jsonl")]) == 1
    assert "none.jsonl is missing\n" in capsys.readouterr().err
