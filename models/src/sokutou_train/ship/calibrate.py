"""Fits temperature, weights and thresholds of one task of a student, or of each group of its questions, on generated
calibration pairs, on the int8 graph that ships.

Every third pair fits, the rest prove, so that no threshold is proved on a pair that shaped the confidences. A threshold
is chosen by fixed-sequence Learn-then-Test (Angelopoulos et al. 2021): thresholds are tried from high to low, each is
accepted only if the Clopper-Pearson bound of the error among its auto-answers keeps the risk bound, and the search
ends at the first that does not. Never sees a training, dev or test pair, or a real row.
"""

from __future__ import annotations

import dataclasses
import itertools
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, cast

import numpy as np
from scipy import stats
from tqdm import tqdm

from ..bundle_files import Calibrated
from ..pair import Pair
from ..recipe import Sizes
from ..task import ClosedChoices, Group, Task
from .decode import NEVER, Answerer, Belief, Calibration, Prediction, ThinkingFailed, log_softmax, scores, written

CONFIDENCE_LEVEL = 0.95  # that a risk bound holds
FIT = 3  # every third pair fits
# A search starts at the threshold that one of these shares of the answers reaches, and not before so many of them that
# none being wrong would prove anything. Higher up, a few unlucky pairs would end it: the surest errors leave no trace
# in the scores, and stand at the top of every search. Further down, a student that knows well what it does not know is
# wrong too often. Which share, the fitting pairs say, which prove nothing: see `start_share`.
START_SHARES, STEP_SHARE = (0.95, 0.8, 0.5, 0.25, 0.125), 0.01
# Seeds the pairs. Whoever changes a setting after a look at what it gave takes another: pairs once looked at prove
# nothing more.
STREAM = "calibration-h"
# So many answers may be wrong however sure they are: a reading overlooked leaves no trace in the scores. A plain
# likelihood would lower the confidence of all others for these few; see `_loss`.
MISSES = 0.01
# Of 1 / temperature and of the think weight; the first weight begins at 0, since first looks may be worth nothing.
# Pairs without an error would ask for any: choices for ever sharper confidences, texts for ever flatter ones, until all
# of them are certain.
SHARPNESS_MIN, SHARPNESS_MAX = 0.25, 2.0
UNFITTED = 0.5, 0.5  # weights: both looks alike, and together as sure as one, since one student had both
GRID, ROUNDS = 40, 12
CONFIDENCE_MAX = 1 - 1e-9  # rounding makes a certainty of what is almost one; it stays below `NEVER`

_ByWeights = Callable[[float, float], np.ndarray]  # (n,) log-probabilities of what was right, by the two weights


@dataclass(frozen=True)
class ProvedThreshold:
    """A threshold and the counts that prove it."""

    threshold: float
    n: int  # auto-answers at the threshold
    errors: int
    coverage: float  # n as a share of all pairs searched


@dataclass(frozen=True)
class Fitted:
    """Of a task, or of a group of its questions."""

    calibration: Calibration
    pairs: int  # drawn in all
    first: ProvedThreshold
    think: ProvedThreshold

    def asdict(self) -> dict[str, Any]:
        c = self.calibration
        return {
            "n": self.pairs,
            "first": {
                "temperature": c.temperature,
                "threshold": self.first.threshold,
                "n": self.first.n,
                "errors": self.first.errors,
                "coverage": self.first.coverage,
            },
            "think": {
                "first_weight": c.first_weight,
                "think_weight": c.think_weight,
                "threshold": self.think.threshold,
                "n": self.think.n,
                "errors": self.think.errors,
                "coverage": self.think.coverage,
            },
        }


def as_manifest(task: Task, sizes: Sizes, fitted: Sequence[Fitted]) -> Calibrated:
    """As the manifest says what was `fitted` of the task or, where it has groups, of each of them; a question that is
    of none goes to a person."""
    bound = {"risk": sizes.risk, "confidence_level": CONFIDENCE_LEVEL}
    if not task.groups:
        return cast("Calibrated", fitted[0].asdict() | bound)
    none = Fitted(_UNPROVED, sum(one.pairs for one in fitted), _NOTHING, _NOTHING)
    groups = [group.manifest() | one.asdict() for group, one in zip(task.groups, fitted, strict=True)]
    return cast("Calibrated", none.asdict() | bound | {"groups": groups})


def calibration(fitted: Calibrated) -> Calibration:
    """What the reference decoder needs of `as_manifest`."""
    keys = {field.name for field in dataclasses.fields(Group)}
    groups = tuple(
        (Group(**{key: value for key, value in one.items() if key in keys}), _calibration(one))
        for one in fitted.get("groups", ())
    )
    return dataclasses.replace(_calibration(fitted), groups=groups)


def _calibration(fitted: Mapping[str, Any]) -> Calibration:
    first, think = fitted["first"], fitted["think"]
    return Calibration(
        first["temperature"],
        first["threshold"],
        think["first_weight"],
        think["think_weight"],
        think["threshold"],
        fitted.get("think_first", False),
    )


@dataclass(frozen=True)
class Asked:
    """A calibration pair and what the student made of it."""

    pair: Pair
    first: Prediction
    think: Prediction | None = None

    @property
    def thought(self) -> Prediction:
        """The look after thinking. Raises `ValueError` where nothing was thought."""
        if self.think is None:
            raise ValueError("expected a look after thinking")
        return self.think


_UNPROVED, _NOTHING = Calibration(1.0, NEVER, *UNFITTED, NEVER), ProvedThreshold(NEVER, 0, 0, 0.0)


def calibrate(answerer: Answerer, sizes: Sizes, seed: int, group: Group | None = None) -> Fitted:
    """Draws calibration pairs of the task or of the group, and more until enough of them are below the first threshold
    or the cap is reached. Where the student thinks first, each is below it."""
    task = answerer.task
    seeded = f"{STREAM}-{seed}"
    stream = task.of_group(group, seeded) if group else task.stream(seeded)
    always = bool(group and group.think_first)

    drawn = list(_asked(answerer, itertools.islice(stream, sizes.unsure if always else sizes.calibration)))
    temperature = fit_temperature(*_of_first(answerer, drawn[::FIT]))
    calibration = Calibration(temperature, NEVER, *UNFITTED, NEVER)  # of the first answer alone; nobody thinks yet
    first = _NOTHING
    if not always:
        first = _search_threshold(answerer, drawn, lambda asked: calibration.first(asked.first), sizes.first_risk)

    def below(asked: Asked) -> bool:
        return calibration.first(asked.first).confidence < first.threshold

    more = filter(below, _asked(answerer, itertools.islice(stream, max(0, sizes.calibration_max - len(drawn)))))
    doubtful = list(itertools.islice(itertools.chain(filter(below, drawn), more), sizes.unsure))
    thought = list(_thought(answerer, doubtful))
    think = _NOTHING
    if len(thought) >= FIT:
        weights = fit_weights(*_of_both(answerer, thought[::FIT], calibration))
        calibration = Calibration(temperature, first.threshold, *weights, NEVER)
        think = _search_threshold(
            answerer, thought, lambda asked: calibration.joint(asked.first, asked.thought), sizes.risk
        )
    return Fitted(
        Calibration(temperature, first.threshold, calibration.first_weight, calibration.think_weight, think.threshold),
        len(drawn),
        first,
        think,
    )


def search_threshold(
    confidence: np.ndarray,
    right: np.ndarray,
    answers: np.ndarray,
    risk: float = Sizes.risk,
    share: float = 0.5,
) -> ProvedThreshold:
    """The lowest proved threshold, from (n,) confidences and truth values: is it the teacher's answer, is it an answer
    at all? What asks for a person or is no answer is escalated, which is never wrong. The search starts at the surest
    `share` of the answers, which these pairs must not have chosen."""
    n, confidence = len(confidence), np.minimum(confidence, CONFIDENCE_MAX)
    # Only confidences decide where the search stops for a test, never a truth: so each test is as good as one fixed
    # beforehand.
    steps = sorted(confidence[answers], reverse=True)
    proved = ProvedThreshold(NEVER, 0, 0, 0.0)
    start, step = max(needed(risk), round(share * len(steps))), max(1, round(STEP_SHARE * n))
    for count in [*range(start, len(steps), step), len(steps)]:
        if count < start:
            break
        threshold = steps[count - 1]
        auto = answers & (confidence >= threshold)
        answered, errors = int(auto.sum()), int((~right[auto]).sum())
        # Learn-then-Test: were the true risk no lower than `risk`, so few errors would be this unlikely. It is what
        # `measures.error_bound(...) <= risk` says, the other way round.
        if stats.binom.cdf(errors, answered, risk) > 1 - CONFIDENCE_LEVEL:
            break
        proved = ProvedThreshold(float(threshold), answered, errors, round(answered / n, 4))
    return proved


def start_share(confidence: np.ndarray, right: np.ndarray, answers: np.ndarray, risk: float) -> float:
    """The share of the surest answers, one of `START_SHARES`, among which errors are furthest below the risk, in
    standard deviations of their count at that risk; of several the largest."""
    wrong = ~right[answers][np.argsort(-confidence[answers], kind="stable")]

    def margin(share: float) -> float:
        expected = risk * (count := max(1, round(share * len(wrong))))
        return (expected - wrong[:count].sum()) / math.sqrt(expected)

    return max(START_SHARES, key=margin)


def needed(risk: float, level: float = CONFIDENCE_LEVEL) -> int:
    """So many answers without an error prove that the risk is kept; fewer prove nothing."""
    return math.ceil(math.log(1 - level) / math.log(1 - risk))


def minimum(loss: Callable[[float], float], low: float, high: float) -> float:
    """Where a function of one number is least: the best of a grid, then ternary search between its neighbours. On a
    grid, since the losses here are convex but for what `MISSES` flattens."""
    grid = np.linspace(low, high, GRID + 1)
    best = int(np.argmin([loss(x) for x in grid]))
    low, high = grid[max(0, best - 1)], grid[min(GRID, best + 1)]
    for _ in range(40):
        a, b = low + (high - low) / 3, high - (high - low) / 3
        low, high = (low, b) if loss(a) < loss(b) else (a, high)
    return float((low + high) / 2)


def fit_temperature(likelihoods: Callable[[float], np.ndarray], choices: int) -> float:
    """`likelihoods(1 / temperature)` are (n,) log-probabilities of what was right, among so many choices."""
    if not len(likelihoods(1.0)):
        return 1.0
    return 1 / minimum(lambda x: _loss(likelihoods(x), choices), SHARPNESS_MIN, SHARPNESS_MAX)


def fit_weights(likelihoods: _ByWeights, choices: int) -> tuple[float, float]:
    """Weights of the first look and of the one after thinking with the least loss, one after the other."""
    if not len(likelihoods(1.0, 1.0)):
        return UNFITTED
    first, think = UNFITTED
    for _ in range(ROUNDS):
        first = minimum(partial(_loss_of_first, likelihoods, choices, think), 0, SHARPNESS_MAX)
        think = minimum(partial(_loss_of_think, likelihoods, choices, first), SHARPNESS_MIN, SHARPNESS_MAX)
    return first, think


def _loss_of_first(likelihoods: _ByWeights, choices: int, think: float, first: float) -> float:
    return _loss(likelihoods(first, think), choices)


def _loss_of_think(likelihoods: _ByWeights, choices: int, first: float, think: float) -> float:
    return _loss(likelihoods(first, think), choices)


def _loss(log_likelihoods: np.ndarray, choices: int) -> float:
    """Mean negative log-likelihood where a share `MISSES` of the pairs says nothing: those are right by chance alone.
    So no miss, however sure, costs more than a fixed amount."""
    return float(-np.log((1 - MISSES) * np.exp(log_likelihoods) + MISSES / choices).mean())


def _of_first(answerer: Answerer, fit: list[Asked]) -> tuple[Callable[[float], np.ndarray], int]:
    """Log-likelihoods of the truth by 1 / temperature, and the number of choices. A free answer is right or it is
    wrong."""
    task = answerer.task
    if isinstance(task.answers, ClosedChoices):
        values = np.array([scores(asked.first).values for asked in fit])  # (n, choices)
        rows, truths = np.arange(len(fit)), [task.index(asked.pair.answer) for asked in fit]
        return lambda x: log_softmax(x * values)[rows, truths], len(task.texts)
    told = [(asked.pair.answer, written(asked.first)) for asked in fit]
    told = [(answer, look) for answer, look in told if look.text]  # the others have no confidence to be fitted
    likely = np.array([look.score for _, look in told])
    right = np.array([look.text == answer for answer, look in told], dtype=bool)
    return lambda x: _right_or_wrong(x * likely, right), 2


def _of_both(answerer: Answerer, fit: list[Asked], calibration: Calibration) -> tuple[_ByWeights, int]:
    """The same by the two weights."""
    task = answerer.task
    if isinstance(task.answers, ClosedChoices):
        ones = np.array([scores(asked.first).values for asked in fit])
        twos = np.array([scores(asked.think).values for asked in fit])
        rows, truths = np.arange(len(fit)), [task.index(asked.pair.answer) for asked in fit]
        return lambda a, b: log_softmax(a * ones + b * twos)[rows, truths], len(task.texts)
    fit = [asked for asked in fit if written(asked.think).text]
    ones = np.array([written(asked.first).score for asked in fit])
    twos = np.array([written(asked.think).score for asked in fit])
    same = np.array([written(asked.first).text == written(asked.think).text for asked in fit], dtype=bool)
    doubt = np.log1p(-np.minimum([calibration.first(asked.first).confidence for asked in fit], CONFIDENCE_MAX))
    right = np.array([written(asked.think).text == asked.pair.answer for asked in fit], dtype=bool)
    return lambda a, b: _right_or_wrong(np.where(same, a * ones, doubt) + b * twos, right), 2


def _right_or_wrong(log_confidence: np.ndarray, right: np.ndarray) -> np.ndarray:
    log_confidence = np.minimum(log_confidence, -1e-12)
    return np.where(right, log_confidence, np.log(-np.expm1(log_confidence)))


def _search_threshold(
    answerer: Answerer, asked: list[Asked], believed: Callable[[Asked], Belief], risk: float
) -> ProvedThreshold:
    """Searches what does not fit, from where the fitting pairs say."""
    beliefs = [believed(one) for one in asked]
    confidence = np.array([belief.confidence for belief in beliefs])
    right = np.array([belief.answer == one.pair.answer for belief, one in zip(beliefs, asked, strict=True)], bool)
    answers = np.array([answerer.task.is_answer(belief.answer) and not belief.contradicted for belief in beliefs], bool)
    fits = np.arange(len(asked)) % FIT == 0
    share = start_share(confidence[fits], right[fits], answers[fits], risk)
    return search_threshold(confidence[~fits], right[~fits], answers[~fits], risk, share)


def _asked(answerer: Answerer, pairs: Iterator[Pair]) -> Iterator[Asked]:
    """Pairs with their first looks; a question too long to be asked is left out."""
    for pair in tqdm(pairs, f"{answerer.task.id}: first answers", unit="pair", mininterval=1):
        look = answerer.ask(pair.text)
        if look is not None:
            yield Asked(pair, look)


def _thought(answerer: Answerer, doubtful: list[Asked]) -> Iterator[Asked]:
    """With their looks after thinking; left out where thinking fails, since a person is asked then."""
    for asked in tqdm(doubtful, f"{answerer.task.id}: thinking", unit="pair", mininterval=1):
        answerer.ask(asked.pair.text)
        try:
            yield Asked(asked.pair, asked.first, answerer.think().look)
        except ThinkingFailed:
            continue
