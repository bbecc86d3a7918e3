"""Reading before all tasks: what is repeated stands in the question, nothing is answered, and the base is trained
first."""

import dataclasses
import itertools
import re

import pytest

from sokutou_train import __main__ as main
from sokutou_train.recipes import READER, RECIPES, SHOP_FLOOR, TOY
from sokutou_train.teachers import reading


@pytest.fixture(scope="module")
def pairs():
    return list(itertools.islice(reading.pairs(TOY.stream(1), 1), 600))


def test_every_kind_is_read_in_both_languages(pairs):
    assert {(pair.kind, pair.lang) for pair in pairs} == {
        (kind, lang) for kind in reading.KINDS for lang in ("en", "ja")
    }


def test_what_is_told_stands_in_the_question_and_answers_nothing(pairs):
    for pair in pairs:
        assert pair.answer == ""
        for item in re.split(r", |、", pair.rationale):
            told = item.split(" ") if pair.kind == "look up" else [item]
            assert all(part in pair.question for part in told), pair


def test_a_value_is_its_keys(pairs):
    asked = [pair for pair in pairs if pair.kind == "look up" and "=" in pair.question]
    assert asked
    for pair in asked:
        listed, _, keys = pair.question.rpartition("? ")
        for key, told in zip(keys.split(", "), pair.rationale.split(", "), strict=True):
            assert f"{key}={told.removeprefix(key).strip()}" in listed


def test_the_reader_sees_no_task_and_shares_the_words_of_the_shipped_student():
    assert READER.plan.read_steps_max == READER.plan.steps and READER.plan.read_goal >= 1
    assert (READER.tasks, READER.shares, READER.plan.vocabulary) == (
        SHOP_FLOOR.tasks,
        SHOP_FLOOR.shares,
        SHOP_FLOOR.plan.vocabulary,
    )


def test_the_base_is_trained_first_unless_the_student_has_begun(monkeypatch, tmp_path):
    ran = []
    monkeypatch.setattr(main, "WORK", tmp_path)
    monkeypatch.setattr(main.train, "run", lambda recipe, folder: ran.append((recipe.id, recipe.plan.base, folder)))
    ways = ("first", None), ("second", "first"), ("third", "second")
    for name, start in ways:
        monkeypatch.setitem(
            RECIPES,
            name,
            dataclasses.replace(TOY, id=name, plan=dataclasses.replace(TOY.plan, base=start)),
        )
    whole = [
        ("first", None, tmp_path / "first"),
        ("second", str(tmp_path / "first"), tmp_path / "second"),
        ("third", str(tmp_path / "second"), tmp_path / "third"),
    ]
    main.main(["train", "--recipe", "third"])
    assert ran == whole
    for begun, name in (2, "second"), (3, "third"):  # what has begun needs its base no more
        ran.clear()
        (tmp_path / name).mkdir()
        (tmp_path / name / "checkpoint.pt").touch()
        main.main(["train", "--recipe", "third"])
        assert ran == whole[begun - 1 :]
