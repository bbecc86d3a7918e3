"""Measures against values computed by hand, by the runtime, by other formulas, and before they came from libraries."""

import itertools
import json
import math
import random
import re
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from sokutou_train.ship import measures

REPOSITORY = Path(__file__).parents[2]
SHARED = json.loads((REPOSITORY / "tests" / "data" / "calibration_error.json").read_text("utf-8"))
BUNDLE = REPOSITORY / "models" / "bundles" / "shop-floor-1.2.0"

SURE = np.array([0.9, 0.8, 0.6, 0.3])
RIGHT = np.array([True, False, True, False])


def test_risk_counts_errors_among_the_surest():
    order = [2, 0, 3, 1]  # whatever order the rows stand in
    assert measures.risks(SURE[order], RIGHT[order]) == pytest.approx([0, 1 / 2, 1 / 3, 1 / 2])
    assert measures.aurc(SURE, RIGHT) == pytest.approx((0 + 1 / 2 + 1 / 3 + 1 / 2) / 4)


def test_equally_sure_answers_count_as_their_mean():
    sure, right = np.array([0.5, 0.9, 0.5]), np.array([False, True, True])
    assert measures.risks(sure, right) == pytest.approx([0, 0.25, 1 / 3])
    assert measures.risks(sure[::-1], right[::-1]) == pytest.approx([0, 0.25, 1 / 3])


def test_a_picture_has_some_coverages_and_always_the_whole():
    told = measures.trust(SURE, RIGHT)
    assert told["risk at coverage"] == [[0.25, 0], [0.5, 0.5], [0.75, pytest.approx(1 / 3)], [1, 0.5]]
    many = measures.trust(np.linspace(0, 1, 999), np.arange(999) % 2 == 0)["risk at coverage"]
    assert len(many) == measures.CURVE_POINTS and many[-1][0] == 1


@pytest.mark.parametrize(("coverage", "accuracy"), [(0.25, 1), (0.5, 0.5), (0.6, 2 / 3), (1.0, 0.5)])
def test_accuracy_at_a_coverage_rounds_up(coverage, accuracy):
    assert measures.accuracy_at(SURE, RIGHT, coverage) == pytest.approx(accuracy)


def test_calibration_error_weighs_bins_by_size():
    sure, right = np.array([1.0, 1.0, 1.0, 0.25]), np.array([True, True, False, False])
    assert measures.reliability(sure, right, 2) == [
        {"n": 1, "confidence": 0.25, "right": 0.0},
        {"n": 3, "confidence": 1.0, "right": pytest.approx(2 / 3)},
    ]
    assert measures.ece(sure, right) == pytest.approx(3 / 4 * 1 / 3 + 1 / 4 * 0.25)


def test_auroc_counts_ties_half():
    assert measures.auroc(np.array([0.9, 0.8, 0.1]), np.array([True, True, False])) == 1
    assert measures.auroc(np.array([0.1, 0.9]), np.array([True, False])) == 0
    assert measures.auroc(np.array([0.5, 0.5, 0.7]), np.array([True, False, True])) == pytest.approx(0.75)
    assert measures.auroc(np.array([0.5, 0.5]), np.array([True, True])) is None


def test_calibration_error_is_that_of_the_runtime():
    assert SHARED["bins"] == measures.BINS
    for case in SHARED["calibration"]:
        sure, right = np.array(case["confidence"]), np.array(case["right"])
        assert [b["n"] for b in measures.reliability(sure, right)] == case["n_per_bin"], case["name"]
        assert measures.ece(sure, right) == pytest.approx(case["ece"], abs=1e-9), case["name"]


def test_intervals_are_those_of_the_runtime():
    for case in SHARED["interval"]:
        found = measures.interval(case["count"], case["n"], 0.95)
        assert found == pytest.approx((case["low"], case["high"]), abs=1e-9, rel=1e-9), case


@pytest.mark.parametrize(
    ("errors", "n", "bound"),
    [(0, 149, 0.019904), (0, 10, 0.258866), (1, 100, 0.046560), (5, 500, 0.020908), (10, 10, 1)],
)
def test_upper_bound(errors, n, bound):
    assert measures.error_bound(errors, n, 0.95) == pytest.approx(bound, abs=1e-5)


def test_interval_of_nothing_is_everything():
    assert measures.interval(0, 0, 0.95) == (0, 1)


# A second opinion on what the libraries compute: other formulas for the same.


def _at_most(errors: int, n: int, rate: Fraction) -> float:
    """Probability of at most so many errors, in whole numbers."""
    p, q = rate.numerator, rate.denominator - rate.numerator
    return float(Fraction(sum(math.comb(n, k) * p**k * q ** (n - k) for k in range(errors + 1)), rate.denominator**n))


def _bisected_bound(errors: int, n: int, level: float) -> float:
    low, high = errors / n, 1.0
    for _ in range(60):
        rate = (low + high) / 2
        low, high = (rate, high) if _at_most(errors, n, Fraction(rate)) > 1 - level else (low, rate)
    return high


def test_bounds_and_tails_agree_with_a_second_opinion():
    rng = random.Random(1)
    for _ in range(12):
        n = rng.randrange(1, 160)
        errors = rng.randrange(n)
        expected = _bisected_bound(errors, n, 0.95)
        assert measures.error_bound(errors, n, 0.95) == pytest.approx(expected, rel=1e-12)
        tail = _at_most(errors, n, Fraction(1, 50))
        assert stats.binom.cdf(errors, n, 0.02) == pytest.approx(tail, rel=1e-12)
        low = 1 - _bisected_bound(n - errors, n, 0.975) if errors else 0
        assert measures.interval(errors, n, 0.95) == pytest.approx((low, _bisected_bound(errors, n, 0.975)), abs=1e-12)


def test_mcnemar_agrees_with_a_second_opinion():
    for lost, won in itertools.product(range(0, 60, 7), range(0, 400, 31)):
        n = lost + won
        expected = float(Fraction(sum(math.comb(n, k) for k in range(lost, n + 1)), 2**n))
        assert measures.worse(lost, won) == pytest.approx(expected, rel=1e-12)


def test_auroc_agrees_with_a_second_opinion():
    rng = np.random.default_rng(1)
    for n in (2, 7, 60, 400):
        score, positive = np.round(rng.random(n), 2), np.arange(n) % 3 == 0
        pairs = score[positive][:, None] - score[~positive]
        expected = ((pairs > 0).sum() + (pairs == 0).sum() / 2) / pairs.size
        assert measures.auroc(score, positive) == pytest.approx(expected, rel=1e-12)


def test_bootstrap_agrees_with_a_second_opinion():
    rng = np.random.default_rng(2)

    def drawn(statistic, *columns):
        rows = np.random.default_rng(1).integers(0, len(columns[0]), (measures.BOOTSTRAP_DRAWS, len(columns[0])))
        return tuple(np.quantile([statistic(*(column[at] for column in columns)) for at in rows], [0.025, 0.975]))

    for n in (2, 30, 200):
        one, other = rng.random(n), rng.random(n) + 0.5
        assert measures.bootstrap(np.mean, one, level=0.95) == pytest.approx(drawn(np.mean, one), rel=1e-12)
        ratio = lambda a, b: float(np.median(a / b))  # noqa: E731
        assert measures.bootstrap(ratio, one, other, level=0.95) == pytest.approx(drawn(ratio, one, other), rel=1e-12)
    assert measures.bootstrap(np.mean, np.array([0.5]), level=0.95) == (0.5, 0.5)


# What was measured with the toolkit's own statistics, before they came from libraries.


def test_the_shipped_card_has_the_same_figures():
    card = (BUNDLE / "card.md").read_text("utf-8")
    row = re.compile(r"\| (\d+) \|.* ([\d.]+) \(([\d.]+) to ([\d.]+)\) \| (\d+) of (\d+), ≤ ([\d.]+%) \|")
    found = row.findall(card)
    assert len(found) > 40
    for n, coverage, low, high, errors, answered, bound in found:
        expected = [f"{share:.3f}" for share in measures.interval(int(answered), int(n), 0.95)]
        assert (f"{int(answered) / int(n):.3f}", *expected) == (coverage, low, high)
        assert f"{measures.error_bound(int(errors), int(answered), 0.95):.2%}" == bound


def test_the_shipped_thresholds_are_proved():
    manifest = json.loads((BUNDLE / "manifest.json").read_text("utf-8"))
    ways = [
        (one[way], risk)
        for task in manifest["tasks"]
        for one in (task["calibration"], *task["calibration"].get("groups", ()))
        for way, risk in (("first", task["calibration"]["risk"] / 2), ("think", task["calibration"]["risk"]))
    ]
    proved = [(one["errors"], one["n"], risk) for one, risk in ways if one["n"]]
    assert len(proved) > 5
    for errors, n, risk in proved:
        assert stats.binom.cdf(errors, n, risk) <= 0.05 and measures.error_bound(errors, n, 0.95) <= risk
