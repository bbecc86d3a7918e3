"""What confidences are worth: calibration error, risk against coverage, how well a score tells right from wrong.

Pure functions of arrays; knows no task and no student. `confidence` is (n,) in 0..1, `right` (n,) of truth values; rows
whose confidences are equal count alike, whatever order they stand in.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy import stats
from sklearn.metrics import roc_auc_score

BINS = 15  # of equal width; the usual number (Guo et al. 2017)
COVERAGES = (0.5, 0.8, 1.0)  # at which accuracies are reported
BOOTSTRAP_DRAWS = 2000
CURVE_POINTS = 50  # of risk against coverage, as many as a picture shows


def reliability(confidence: np.ndarray, right: np.ndarray, bins: int = BINS) -> list[dict]:
    """Mean confidence and share of right answers in each bin of the confidence that is not empty."""
    at = np.minimum((confidence * bins).astype(int), bins - 1)
    return [
        {
            "n": int((at == b).sum()),
            "confidence": float(confidence[at == b].mean()),
            "right": float(right[at == b].mean()),
        }
        for b in np.unique(at)
    ]


def ece(confidence: np.ndarray, right: np.ndarray) -> float:
    """Expected calibration error: how far confidence and share of right answers lie apart, bin by bin, weighted by
    size."""
    found = reliability(confidence, right)
    return sum(b["n"] * abs(b["confidence"] - b["right"]) for b in found) / len(confidence)


def risks(confidence: np.ndarray, right: np.ndarray) -> np.ndarray:
    """(n,) share of errors among the k surest answers, k = 1..n (El-Yaniv and Wiener 2010). Of equally sure answers
    each counts as their mean."""
    _, group, sizes = np.unique(-confidence, return_inverse=True, return_counts=True)  # surest first
    wrong = np.bincount(group, ~right.astype(bool)) / sizes
    return np.cumsum(np.repeat(wrong, sizes)) / np.arange(1, len(confidence) + 1)


def aurc(confidence: np.ndarray, right: np.ndarray) -> float:
    """Area under risk against coverage (Geifman et al. 2019): 0 would be perfect, the plain error rate is what
    chance gives."""
    return float(risks(confidence, right).mean())


def accuracy_at(confidence: np.ndarray, right: np.ndarray, coverage: float) -> float:
    """Share of right answers among the surest `coverage` of them, rounded up to whole answers."""
    return float(1 - risks(confidence, right)[int(np.ceil(coverage * len(confidence))) - 1])


def trust(confidence: np.ndarray, right: np.ndarray) -> dict:
    """What a picture of the confidence needs: ECE and reliability, AURC and risk at some coverages, as [coverage,
    risk]."""
    n = len(right)
    found = risks(confidence, right)
    ends = np.unique(np.linspace(1, n, min(n, CURVE_POINTS)).astype(int))
    return {
        "ece": ece(confidence, right),
        "reliability": reliability(confidence, right),
        "aurc": aurc(confidence, right),
        "risk at coverage": [[float(end / n), float(found[end - 1])] for end in ends],
    }


def auroc(score: np.ndarray, positive: np.ndarray) -> float | None:
    """Probability that a positive row scores above a negative one, ties half; None where one kind is missing."""
    positive = positive.astype(bool)
    if positive.all() or not positive.any():
        return None
    return float(roc_auc_score(positive, score))


def error_bound(errors: int, n: int, level: float) -> float:
    """One-sided Clopper-Pearson upper bound of a rate: the largest rate at which so few errors are not too unlikely."""
    return 1.0 if errors >= n else float(stats.beta.ppf(level, errors + 1, n - errors))


def interval(successes: int, n: int, level: float) -> tuple[float, float]:
    """Two-sided Clopper-Pearson interval of a rate."""
    if n == 0:
        return 0.0, 1.0
    tail = (1 - level) / 2
    low = float(stats.beta.ppf(tail, successes, n - successes + 1)) if successes else 0.0
    return low, error_bound(successes, n, 1 - tail)


def worse(lost: int, won: int) -> float:
    """Exact one-sided McNemar test of two students on the same questions: the probability that so many of the questions
    which only one of them answers right are lost or more, were losing and winning alike."""
    return float(stats.binomtest(lost, lost + won, alternative="greater").pvalue) if lost else 1.0


def bootstrap(
    statistic: Callable[..., float], *columns: np.ndarray, level: float, seed: int = 1
) -> tuple[float, float]:
    """Percentile interval of `statistic(*columns)` over rows drawn again with replacement (Efron 1979)."""
    if len(columns[0]) < 2:  # scipy refuses what can only be drawn in one way
        value = float(statistic(*columns))
        return value, value
    found = stats.bootstrap(
        columns,
        statistic,
        paired=True,
        vectorized=False,
        method="percentile",
        n_resamples=BOOTSTRAP_DRAWS,
        confidence_level=level,
        rng=np.random.default_rng(seed),
    ).confidence_interval
    return float(found.low), float(found.high)
