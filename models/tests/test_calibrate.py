"""Thresholds that keep the risk bound."""

import dataclasses
import itertools
import json
from types import SimpleNamespace

import numpy as np
import pytest

from sokutou_train.pair import LANGUAGES, Pair
from sokutou_train.recipe import Sizes
from sokutou_train.ship import calibrate
from sokutou_train.ship.calibrate import (
    Asked,
    Fitted,
    ProvedThreshold,
    fit_temperature,
    fit_weights,
    minimum,
    needed,
    search_threshold,
    start_share,
)
from sokutou_train.ship.decode import NEVER, Calibration, GeneratedText, Scores
from sokutou_train.ship.measures import error_bound
from sokutou_train.task import NEAR_AND_FAR, Group
from sokutou_train.teachers import toy


def test_minimum():
    assert minimum(lambda x: (x - 0.7) ** 2, 0, 10) == pytest.approx(0.7, abs=1e-6)


def test_a_minimum_is_found_behind_a_hill():
    assert minimum(lambda x: min((x - 1.5) ** 2 + 0.5, 50 * (x - 0.1) ** 2), 0, 2) == pytest.approx(0.1, abs=1e-6)


def _answers(n: int, seed: int):
    """Confidences of answers that are right as often as they say, which are right, and that all are answers."""
    rng = np.random.default_rng(seed)
    confidence = 1 - 0.5 * rng.random(n) ** 4
    return confidence, rng.random(n) < confidence, np.ones(n, bool)


def test_a_looser_risk_never_raises_the_threshold():
    asked = _answers(5000, 1)
    found = [search_threshold(*asked, risk) for risk in (0.005, 0.01, 0.02, 0.05)]
    assert all(a.threshold >= b.threshold and a.coverage <= b.coverage for a, b in itertools.pairwise(found))
    assert found[-1].coverage > found[0].coverage


def test_the_risk_bound_holds_on_fresh_pairs():
    broken = 0
    for seed in range(60):
        proved = search_threshold(*_answers(3000, seed))
        confidence, right, _ = _answers(20_000, 1000 + seed)
        broken += (~right)[confidence >= proved.threshold].mean() > 0.02
    assert broken <= 8  # 5% of 60 is 3; 9 or more would happen once in 250 times


def test_a_search_starts_where_fitting_pairs_are_furthest_below():
    n, answers = 8000, np.ones(8000, bool)
    confidence = np.linspace(1, 0, n)
    place = np.arange(n)
    flat = (
        place % 125 != 0
    )  # 61 wrong of 7,600 for 76 expected at 1%, 32 of 4,000 for 40, 16 of 2,000 for 20: 1.72, 1.26, 0.89
    assert start_share(confidence, flat, answers, 0.01) == 0.95
    steep = (place < 2000) | (place % 50 != 0)  # 40 of 4,000, none of 2,000, none of 1,000: 0, 4.47, 3.16
    assert start_share(confidence, steep, answers, 0.01) == 0.25
    assert start_share(confidence[::-1], steep[::-1], answers, 0.01) == 0.25  # whatever order they come in
    assert search_threshold(confidence, steep, answers, 0.01).threshold == NEVER
    assert 0.25 <= search_threshold(confidence, steep, answers, 0.01, 0.25).coverage < 0.5
    assert start_share(confidence, flat, ~answers, 0.01) == 0.95  # nothing to choose by


def test_the_risk_bound_holds_where_others_choose_the_start():
    broken = 0
    for seed in range(60):
        share = start_share(*_answers(1500, 2000 + seed), 0.02)
        proved = search_threshold(*_answers(3000, seed), share=share)
        confidence, right, _ = _answers(20_000, 1000 + seed)
        broken += (~right)[confidence >= proved.threshold].mean() > 0.02
    assert broken <= 8


def test_what_cannot_be_proved_is_never_reached():
    confidence, right, answers = _answers(5000, 2)
    assert search_threshold(confidence, ~right, answers).threshold == NEVER
    assert search_threshold(confidence[:100], right[:100], answers[:100]).threshold == NEVER
    assert search_threshold(confidence, right, ~answers).threshold == NEVER


def test_one_right_answer_less_than_needed_proves_nothing():
    for risk in (0.02, 0.005):
        n = needed(risk)
        assert error_bound(0, n, 0.95) <= risk < error_bound(0, n - 1, 0.95)
        for count in (n - 1, n):
            found = search_threshold(np.linspace(0.5, 0.9, count), np.ones(count, bool), np.ones(count, bool), risk)
            assert (found.threshold, found.n) == ((0.5, n) if count == n else (NEVER, 0))


def test_escalation_is_no_auto_answer_and_never_wrong():
    confidence, right, answers = _answers(2000, 3)
    person = np.arange(2000) % 2 == 1
    found = search_threshold(confidence, right & ~person, answers & ~person)
    assert 0 < found.n <= 1000 and found == search_threshold(confidence, right, answers & ~person)


def test_a_certainty_stays_below_the_unreachable_threshold():
    found = search_threshold(np.ones(500), np.ones(500, bool), np.ones(500, bool))
    assert found.n == 500 and 1 - 1e-8 < found.threshold < NEVER


CHOICES = 2


def _likelihoods(margins: np.ndarray):
    """Of the truth, where a look prefers it to the other choice by these margins in its scores."""
    return lambda sharpness: -np.log1p(np.exp(-sharpness * margins))


def test_the_temperature_is_that_of_the_scores():
    rng = np.random.default_rng(1)
    margins = rng.normal(0, 3, 20_000)
    right = rng.random(20_000) < 1 / (1 + np.exp(-margins / 1.6))  # scores that are 1.6 times too sharp
    assert fit_temperature(_likelihoods(np.where(right, margins, -margins)), CHOICES) == pytest.approx(1.6, rel=0.1)


def test_a_few_sure_misses_do_not_lower_every_confidence(monkeypatch):
    """Half a percent of the answers is wrong, and as sure as can be; the less sure ones are right, and shall not pay
    for it."""
    margins = np.where(np.arange(1000) % 200 == 0, -9.0, 9.0) / 2
    margins[1::2] /= 3  # every second is less sure, and right too

    def confidence() -> float:
        a, b = fit_weights(lambda a, b: _likelihoods(margins)(a + b), CHOICES)
        return float(1 / (1 + np.exp(-(a + b) * 1.5)))  # of the less sure ones

    robust = confidence()
    monkeypatch.setattr(calibrate, "MISSES", 0.0)
    assert 1 - robust < 0.005 and 1 - confidence() > 0.02


def test_a_free_answer_is_fitted_on_right_and_wrong():
    """Texts of probability 0.5 that are right in 80% of all cases: 0.5 ** x = 0.8."""
    asked = [
        Asked(
            Pair(task="toy-digits", question="?", answer="17" if at % 5 else "71"), GeneratedText("17", [], np.log(0.5))
        )
        for at in range(1000)
    ]
    asked += [Asked(asked[0].pair, GeneratedText("", [], -3.0))] * 50  # no answer, no confidence
    answerer = SimpleNamespace(task=toy.DIGITS)
    temperature = fit_temperature(*calibrate._of_first(answerer, asked))
    assert Calibration(temperature, 1, 1, 1, 1).first(asked[0].first).confidence == pytest.approx(0.8, abs=0.01)


@pytest.mark.parametrize("task", [toy.TASK, toy.DIGITS])
def test_what_is_fitted_is_what_is_decided_on(task):
    """The likelihood of the truth, as the fit has it, is the confidence that `Calibration` gives it."""
    rng = np.random.default_rng(1)
    for _ in range(20):
        if task.texts:
            one, two = (Scores(np.log(rng.dirichlet([1, 1, 1])), ("A", "B", "ASK")) for _ in range(2))
        else:
            one, two = (GeneratedText(str(rng.choice(["17", "71"])), [], np.log(rng.random())) for _ in range(2))
        truth = str(rng.choice(task.texts or ["17", "71"]))
        asked, answerer = Asked(Pair(task=task.id, question="?", answer=truth), one, two), SimpleNamespace(task=task)
        a, b, temperature = rng.random(3) + 0.1
        fitted = Calibration(temperature, 1, a, b, 1)
        first, both = calibrate._of_first(answerer, [asked])[0], calibrate._of_both(answerer, [asked], fitted)[0]
        for likelihood, belief in ((first(1 / temperature), fitted.first(one)), (both(a, b), fitted.joint(one, two))):
            if task.texts:
                expected = belief.posterior[task.index(truth)]
            else:
                expected = belief.confidence if belief.answer == truth else 1 - belief.confidence
            assert np.exp(likelihood[0]) == pytest.approx(expected)


def test_texts_that_are_all_right_do_not_make_every_text_certain():
    asked = [
        Asked(Pair(task="toy-digits", question="?", answer="17"), *[GeneratedText("17", [], np.log(0.9))] * 2)
    ] * 300
    answerer, plain = SimpleNamespace(task=toy.DIGITS), Calibration(1, 1, 1, 1, 1)
    temperature = fit_temperature(*calibrate._of_first(answerer, asked))
    fitted = Calibration(temperature, 1, *fit_weights(*calibrate._of_both(answerer, asked, plain)), 1)
    doubtful = GeneratedText("17", [], np.log(0.01))
    assert fitted.first(doubtful).confidence < 0.35 and fitted.joint(doubtful, doubtful).confidence < 0.35


def test_each_group_has_its_own_calibration_and_a_question_that_of_its_group():
    task = dataclasses.replace(toy.TASK, groups=NEAR_AND_FAR)
    fitted = [
        Fitted(Calibration(at, NEVER, 1, at, 0.9), 10, ProvedThreshold(NEVER, 0, 0, 0), ProvedThreshold(0.9, 7, 0, 0.7))
        for at in range(1, 5)
    ]
    found = calibrate.as_manifest(task, Sizes(risk=0.005), fitted)
    assert (found["risk"], found["n"], found["first"]["threshold"], found["think"]["threshold"]) == (0.005, 40, 1, 1)
    near, *_, far = found["groups"]
    assert near | {"first": 0, "think": 0} == {
        "name": "near a limit, English",
        "near_limit": True,
        "language": "en",
        "think_first": True,
        "n": 10,
        "first": 0,
        "think": 0,
    }
    assert (far["near_limit"], far["language"], far["think_first"]) == (False, "ja", False)
    read = calibrate.calibration(json.loads(json.dumps(found)))
    asked = {lang: Pair(task="toy", question="?", answer="A", lang=lang) for lang in LANGUAGES}
    near_task = SimpleNamespace(is_near=lambda pair: True)
    assert [read.of(where, asked[lang]).temperature for where in (near_task, task) for lang in LANGUAGES] == [
        1,
        2,
        3,
        4,
    ]
    assert read.of(near_task, asked["en"]).think_first and not read.of(task, asked["en"]).think_first
    assert read.of(task, dataclasses.replace(asked["en"], lang="fr")).threshold == NEVER
    assert calibrate.as_manifest(toy.TASK, Sizes(), fitted[:1])["first"]["temperature"] == 1


def test_a_group_that_thinks_first_proves_its_thoughts_alone():
    """A stub that is right at once three times of four, and after thinking always."""

    class Answers:
        task = dataclasses.replace(toy.TASK, groups=(Group("near", think_first=True), Group("far")))

        def ask(self, question):
            self.asked = question
            right = TRUTHS[question]
            first = right if len(question) % 4 else ("B" if right == "A" else "A")
            return Scores(np.log([0.98 if text == first else 0.01 for text in ("A", "B", "ASK")]), ("A", "B", "ASK"))

        def think(self):
            values = [0.999 if text == TRUTHS[self.asked] else 0.0005 for text in ("A", "B", "ASK")]
            return SimpleNamespace(look=Scores(np.log(values), ("A", "B", "ASK")))

    TRUTHS = {pair.text: pair.answer for pair in itertools.islice(toy.TASK.stream(f"{calibrate.STREAM}-3"), 1000)}
    sizes = Sizes(calibration=900, calibration_max=900, unsure=900)
    near, far = (calibrate.calibrate(Answers(), sizes, 3, group) for group in Answers.task.groups)
    assert near.first.threshold == NEVER and near.first.n == 0 and near.pairs == 900
    assert near.think.errors == 0 and near.think.n > needed(0.02) and near.think.threshold < 1
    assert far.first.threshold == NEVER and far.think.n > 0  # a quarter wrong proves nothing


def test_nothing_to_fit_is_left_as_it_is():
    none = lambda *sharpness: np.array([])  # noqa: E731
    assert fit_temperature(none, 2) == 1.0 and fit_weights(none, 2) == (0.5, 0.5)
