"""Bounds against known values; thresholds that keep what they promise."""

import numpy as np
import pytest

from workshop.ship.calibrate import NEVER, error_bound, interval, minimum, walk

NOBODY = np.array([False, False])


@pytest.mark.parametrize(("errors", "n", "bound"), [
    (0, 149, 0.019904), (0, 10, 0.258866), (1, 100, 0.046560), (5, 500, 0.020908), (10, 10, 1.0),
])
def test_upper_bound(errors, n, bound):
    assert error_bound(errors, n) == pytest.approx(bound, abs=1e-5)


@pytest.mark.parametrize(("successes", "n", "low", "high"), [
    (5, 10, 0.187086, 0.812914), (0, 10, 0, 0.308497), (10, 10, 0.691503, 1),
])
def test_interval(successes, n, low, high):
    assert interval(successes, n) == pytest.approx((low, high), abs=1e-5)


def test_minimum():
    assert minimum(lambda x: (x - 0.7) ** 2, 0, 10) == pytest.approx(0.7, abs=1e-6)


def _pairs(n: int, seed: int):
    """Log-posteriors over two choices that are right as often as they say, and the truths."""
    rng = np.random.default_rng(seed)
    confidence = 1 - 0.5 * rng.random(n) ** 4
    return np.log(np.stack([confidence, 1 - confidence + 1e-12], -1)), (rng.random(n) > confidence).astype(int)


def test_a_looser_promise_never_raises_the_threshold():
    posterior, truths = _pairs(5000, 1)
    walks = [walk(posterior, truths, NOBODY, risk) for risk in (0.005, 0.01, 0.02, 0.05)]
    assert all(a.threshold >= b.threshold and a.coverage <= b.coverage for a, b in zip(walks, walks[1:], strict=False))
    assert walks[-1].coverage > walks[0].coverage


def test_the_promise_is_kept_on_fresh_pairs():
    broken = 0
    for seed in range(60):
        proved = walk(*_pairs(3000, seed), NOBODY)
        posterior, truths = _pairs(20_000, 1000 + seed)
        auto = np.exp(posterior.max(-1)) >= proved.threshold
        broken += (posterior.argmax(-1) != truths)[auto].mean() > 0.02
    assert broken <= 8  # 5% of 60 is 3; 9 or more would happen once in 250 times


def test_nothing_is_promised_that_cannot_be_proved():
    posterior, truths = _pairs(5000, 2)
    assert walk(posterior, 1 - truths, NOBODY).threshold == NEVER
    assert walk(posterior[:100], truths[:100], NOBODY).threshold == NEVER


def test_handing_over_is_no_auto_answer():
    posterior, truths = _pairs(2000, 3)
    mixed = np.where(np.arange(2000)[:, None] % 2, posterior, posterior[:, ::-1])
    truths = np.where(np.arange(2000) % 2, truths, 1 - truths)
    assert walk(mixed, truths, np.array([False, True])).n <= 1000 + (truths != mixed.argmax(-1)).sum()
