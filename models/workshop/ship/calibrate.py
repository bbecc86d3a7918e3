"""Fits temperature, weights and thresholds of one student on generated calibration pairs, on the int8 graph that ships.

Every third pair fits, the rest prove, so that no threshold is proved on a pair that shaped the scores. A threshold is chosen by
fixed-sequence Learn-then-Test (Angelopoulos et al. 2021): thresholds are walked from high to low, each is accepted only if
the Clopper-Pearson bound of the error among its auto-answers keeps the promised risk, and the walk ends at the first that
does not. Never sees a training, dev or test pair, or a real row.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from tqdm import tqdm

from ..pair import Pair
from ..task import Sizes
from .decode import Answerer, Calibration, ThinkingFailed, log_softmax

RISK, CONFIDENCE_LEVEL = 0.02, 0.95  # the promise, of each way to answer
# A first answer is held to less: whoever falls below its threshold is thought about, which costs a fraction of a second and is
# right more often. At the promised risk itself hardly anything would be left to think about.
FIRST_RISK = 0.005
FIT = 3  # every third pair fits
# A walk starts at the threshold that this share of the pairs, and this many, reach: higher up, a few unlucky pairs would end it.
# The surest errors are impossible readings that the student did not notice, and they stand at the top of every walk.
START_SHARE, START_PAIRS, STEP_SHARE = 0.5, 150, 0.01
# Seeds the pairs. Whoever changes a setting after a look at what it gave takes another: pairs once looked at prove nothing more.
STREAM = "calibration-b"
NEVER = 1.0  # a threshold that no posterior reaches in practice: the promise could not be proved anywhere


@dataclass(frozen=True)
class Walk:
    """A threshold and the counts that prove it."""

    threshold: float
    n: int  # auto-answers at the threshold
    errors: int
    coverage: float  # n as a share of all pairs walked


@dataclass(frozen=True)
class Fitted:
    calibration: Calibration
    pairs: int  # drawn in all
    first: Walk
    think: Walk

    def asdict(self) -> dict:
        """As the manifest says it."""
        c = self.calibration
        return {"n": self.pairs, "risk": RISK, "confidence_level": CONFIDENCE_LEVEL,
                "first": {"temperature": c.temperature, **vars(self.first)},
                "think": {"first_weight": c.first_weight, "think_weight": c.think_weight, **vars(self.think)}}


def calibration(fitted: dict) -> Calibration:
    """What the reference decoder needs of `Fitted.asdict`."""
    first, think = fitted["first"], fitted["think"]
    return Calibration(first["temperature"], first["threshold"], think["first_weight"], think["think_weight"], think["threshold"])


def calibrate(answerer: Answerer, sizes: Sizes) -> Fitted:
    """Draws the calibration pairs, and more until enough of them are below the first threshold or the cap is reached."""
    task = answerer.task
    person = np.array([choice.person for choice in task.choices])
    stream = task.stream(f"{STREAM}-{task.plan.seed}")

    drawn = list(_scored(answerer, itertools.islice(stream, sizes.calibration)))
    scores = np.array([scores for _, scores in drawn])  # (pairs, choices)
    truths = np.array([task.index(pair.answer) for pair, _ in drawn])
    fit = np.arange(len(drawn)) % FIT == 0
    temperature = 1 / minimum(lambda x: _loss(x * scores[fit], truths[fit]), 0.01, 10)
    first = walk(log_softmax(scores[~fit] / temperature), truths[~fit], person, FIRST_RISK)

    def below(scored: tuple[Pair, np.ndarray]) -> bool:
        return np.exp(log_softmax(scored[1] / temperature).max()) < first.threshold

    more = filter(below, _scored(answerer, itertools.islice(stream, sizes.calibration_max - sizes.calibration)))
    doubtful = list(itertools.islice(itertools.chain(filter(below, drawn), more), sizes.unsure))
    thought = list(_thought(answerer, doubtful))
    think_weights, think = (1.0, 1.0), Walk(NEVER, 0, 0, 0.0)
    if len(thought) >= FIT:
        ones, twos, truths = (np.array(column) for column in zip(*thought, strict=True))
        fit = np.arange(len(thought)) % FIT == 0
        think_weights = _weights(ones[fit], twos[fit], truths[fit])
        joint = log_softmax(think_weights[0] * ones[~fit] + think_weights[1] * twos[~fit])
        think = walk(joint, truths[~fit], person)
    return Fitted(Calibration(temperature, first.threshold, *think_weights, think.threshold), len(drawn), first, think)


def walk(log_posterior: np.ndarray, truths: np.ndarray, person: np.ndarray, risk: float = RISK) -> Walk:
    """The lowest proved threshold. An auto-answer is also wrong when a person should have been asked; handing over never is."""
    n = len(truths)
    best = log_posterior.argmax(-1)
    confidence = np.exp(log_posterior.max(-1))
    answers = ~person[best]
    # Only confidences decide where the walk stops for a test, never a truth: so each test is as good as one fixed beforehand.
    steps = sorted(confidence[answers], reverse=True)
    proved = Walk(NEVER, 0, 0, 0.0)
    start, step = max(START_PAIRS, round(START_SHARE * n)), max(1, round(STEP_SHARE * n))
    for count in [*range(start, len(steps), step), len(steps)]:
        if count < start:
            break
        threshold = steps[count - 1]
        auto = answers & (confidence >= threshold)
        answered, errors = int(auto.sum()), int((best != truths)[auto].sum())
        if error_bound(errors, answered) > risk:
            break
        proved = Walk(float(threshold), answered, errors, round(answered / n, 4))
    return proved


def error_bound(errors: int, n: int, level: float = CONFIDENCE_LEVEL) -> float:
    """One-sided Clopper-Pearson upper bound of a rate: the largest rate at which so few errors are not too unlikely."""
    if errors >= n:
        return 1.0
    low, high = errors / n, 1.0
    for _ in range(60):
        rate = (low + high) / 2
        low, high = (rate, high) if _at_most(errors, n, rate) > 1 - level else (low, rate)
    return high


def interval(successes: int, n: int, level: float = CONFIDENCE_LEVEL) -> tuple[float, float]:
    """Two-sided Clopper-Pearson interval of a rate."""
    if n == 0:
        return 0.0, 1.0
    half = (1 + level) / 2
    return 1 - error_bound(n - successes, n, half), error_bound(successes, n, half)


def _at_most(errors: int, n: int, rate: float) -> float:
    """Probability of at most `errors` in `n`, each with probability `rate`."""
    logs = (math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1) + k * math.log(rate) + (n - k) * math.log1p(-rate)
            for k in range(errors + 1))
    return math.fsum(map(math.exp, logs))


def minimum(loss: Callable[[float], float], low: float, high: float) -> float:
    """Where a convex function of one number is least, by ternary search."""
    for _ in range(60):
        a, b = low + (high - low) / 3, high - (high - low) / 3
        low, high = (low, b) if loss(a) < loss(b) else (a, high)
    return (low + high) / 2


def _weights(ones: np.ndarray, twos: np.ndarray, truths: np.ndarray) -> tuple[float, float]:
    """Weights of the first and the think scores with the least loss; convex in both, so one after the other leads there."""
    first = think = 0.5
    for _ in range(20):
        first = minimum(lambda w: _loss(w * ones + think * twos, truths), 0, 10)
        think = minimum(lambda w: _loss(first * ones + w * twos, truths), 0, 10)
    return first, think


def _loss(scores: np.ndarray, truths: np.ndarray) -> float:
    """Mean negative log-likelihood."""
    return -log_softmax(scores)[np.arange(len(truths)), truths].mean()


def _scored(answerer: Answerer, pairs: Iterator[Pair]) -> Iterator[tuple[Pair, np.ndarray]]:
    """Pairs with their first scores; a question too long to be asked is left out."""
    for pair in tqdm(pairs, "first answers", unit="pair", mininterval=1):
        scores = answerer.ask(pair.question)
        if scores is not None:
            yield pair, scores


def _thought(answerer: Answerer, scored: list[tuple[Pair, np.ndarray]]) -> Iterator[tuple[np.ndarray, np.ndarray, int]]:
    """First scores, think scores, truth; left out where thinking fails, since a person is asked then."""
    for pair, scores in tqdm(scored, "thinking", unit="pair", mininterval=1):
        answerer.ask(pair.question)
        try:
            yield scores, answerer.think().scores, answerer.task.index(pair.answer)
        except ThinkingFailed:
            continue
