"""Measures against values computed by hand."""

import numpy as np
import pytest

from sokutou_train.ship import measures

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
