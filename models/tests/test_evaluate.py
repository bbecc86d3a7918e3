"""Measures of a few rows, computed by hand."""

import numpy as np
import pytest

from sokutou_train.pair import Pair
from sokutou_train.ship import evaluate
from sokutou_train.ship.decode import Belief, Calibration, Outcome
from sokutou_train.ship.evaluate import Row
from sokutou_train.task import ClosedBook
from sokutou_train.teachers import toy


def _row(task, truth, first, last, lang="en", answered=True):
    """`first` and `last` are an answer and its confidence."""

    def belief(answer, confidence):
        if not task.texts:
            return Belief(answer, confidence)
        posterior = np.full(len(task.texts), (1 - confidence) / (len(task.texts) - 1))
        posterior[task.index(answer)] = confidence
        return Belief(answer, confidence, posterior)

    numbers = (10 + int(truth[0]), 10 + int(truth[1])) if truth.isdigit() else None
    pair = Pair(task=task.id, question="?", answer=truth, lang=lang, reading=numbers)
    mode = "answer_first" if first == last else "think_first"
    return Row(pair, Outcome(belief(*first), belief(*last), answered, mode, 10 * (mode == "think_first")))


FREE = [
    _row(toy.DIGITS, "17", ("17", 0.9), ("17", 0.9)),
    _row(toy.DIGITS, "17", ("71", 0.4), ("17", 0.8), "ja"),
    _row(toy.DIGITS, "23", ("23", 0.7), ("32", 0.6), "ja", answered=False),
    _row(toy.DIGITS, "45", ("", 0.0), ("", 0.0), answered=False),
]


def test_free_answers_have_a_plain_accuracy():
    measured = evaluate.measure(toy.DIGITS, FREE)
    assert (measured["first answer"]["count"], measured["first answer"]["value"]) == (2, 0.5)
    assert (
        measured[evaluate.FORCED]["value"] == 0.5
        and "classes" not in measured
        and "macro_f1" not in measured["first answer"]
    )
    assert measured["auto-answers"]["n"] == 2 and measured["auto-answers"]["errors"] == 0
    assert measured["escalated"] == {**measured["escalated"], "count": 2, "as not its own": 1, "unsure": 1}
    assert (measured["thought"]["count"], measured["thought"]["tokens, mean"]) == (2, 10)
    assert measured["floor, always the commonest"]["value"] == 0.5 and measured["ceiling, the rules"]["value"] == 1.0
    brier = (0.1**2 + 0.4**2 + 0.3**2 + 0.0) / 4
    assert measured["calibration of the first answer"]["brier"] == pytest.approx(brier)


def test_closed_answers_have_a_balanced_one():
    rows = [_row(toy.TASK, truth, (answer, 0.8), (answer, 0.8)) for truth, answer in ("AA", "AA", "AB", "BB")]
    measured = evaluate.measure(toy.TASK, rows)
    assert (
        measured["first answer"]["value"] == pytest.approx((2 / 3 + 1) / 2)
        and measured["first answer"]["plain"] == 0.75
    )
    assert measured["classes"] == {"A": 3, "B": 1}
    right, wrong = 0.2**2 + 2 * 0.1**2, 0.8**2 + 0.9**2 + 0.1**2
    assert measured["calibration of the first answer"]["brier"] == pytest.approx((3 * right + wrong) / 4)


def test_languages_stand_beside_each_other():
    said = evaluate.languages(toy.DIGITS, FREE)
    assert {
        lang: (of["n"], of["first answer"]["value"], of[evaluate.FORCED]["value"]) for lang, of in said.items()
    } == {"en": (2, 0.5, 0.5), "ja": (2, 0.5, 0.5)}
    assert said["en"]["ece"] == pytest.approx((0.1 + 0.0) / 2) and said["ja"]["ece"] == pytest.approx((0.4 + 0.3) / 2)
    assert set(evaluate.languages(toy.DIGITS, FREE[:1])) == {"en"}


def test_closed_books_stand_beside_what_guessing_gives(monkeypatch):
    asked = {f"{at}?": row.outcome for at, row in enumerate(FREE)}
    monkeypatch.setattr(evaluate, "decide", lambda answerer, calibration, question: asked.get(question))
    calibration = Calibration(1, 1, 1, 1, 1)
    pairs = [
        Pair(task="toy-digits", question=f"{at}?", answer=answer)
        for at, answer in enumerate(("17", "71", "32", "54", "9"))
    ]
    answerer = type("Answerer", (), {"task": toy.DIGITS})
    measured = evaluate.closed_book(answerer, calibration, "pump", ClosedBook(pairs, {"a guess": 0.25, "others": 0.5}))
    assert (
        measured["n"],
        measured["unaskable"],
        measured["right at once"]["count"],
        measured["answered"]["count"],
    ) == (4, 1, 2, 2)
    table = (
        evaluate.markdown({"toy-digits": {"suites": {"closed book: pump": measured}}}).split("\n\n")[-1].splitlines()
    )
    assert table[0] == "| closed book | n | right at once | answered without a person | by a guess | by others |"
    assert table[1].count("|") == table[2].count("|") == table[0].count("|")
    assert table[2].startswith("| pump | 4 | 0.500 (") and table[2].endswith(" | 0.250 | 0.500 |")


def test_the_tables_show_them():
    rationales = {
        "explained": 3,
        **{
            key: evaluate._rate(1, 2)
            for key in (
                "without a fault, of auto-answers",
                "in the question's language",
                "agrees, answer right",
                "agrees, answer wrong",
            )
        },
        "strength of agreement, AUROC of a right answer": 0.75,
    }

    def suite(rows):
        return {
            **evaluate.measure(toy.DIGITS, rows),
            "languages": evaluate.languages(toy.DIGITS, rows),
            "rationales": rationales,
        }

    lines = evaluate.markdown(
        {"toy-digits": {"suites": {"both": suite(FREE), "one language": suite(FREE[:1])}}}
    ).splitlines()
    assert lines[0] == "### toy-digits"
    tables = "\n".join(lines[2:]).split("\n\n")
    assert [len(table.splitlines()) for table in tables] == [4, 3, 4]  # a suite in one language has nothing beside it
    for table in tables:
        assert len({line.count("|") for line in table.splitlines()}) == 1
    assert "| both | 2, 2 | 0.500 (" in tables[1] and "| +0.0 points |" in tables[1]
    aurc = evaluate.measure(toy.DIGITS, FREE)["calibration of the first answer"]["aurc"]
    assert f"| {aurc:.4f} |" in tables[0] and tables[2].endswith("| 0.750 |")
