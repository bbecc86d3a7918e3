"""From pairs to the pairs worth learning from: a verdict on each, then weight and difficulty for the kept ones.

Keeps the pairs' order and their texts. Never overwrites a difficulty that the file gives, and never looks at a test
question but to leave it out.
"""

from __future__ import annotations

import dataclasses
import math
import statistics
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from tqdm import tqdm

from .. import pair_files
from ..pair import Pair
from . import answers, arithmetic, near, rationales
from .answers import Conclusion

RATIONALES_NEAR_MAX = 1  # near copies of a rationale kept a question: a second one teaches the same words again
QUESTIONS_NEAR_MAX = (
    1  # near copies of a question kept over all tasks: a second one is the same lesson at twice its weight
)
# Jaccard over stretches of three tokens; for test questions over single tokens, as near copies are commonly counted
NEAR = 0.8
LENGTH_STEP = 400  # characters that count as one more step; a sentence with an equation has about 60
STEPS_MAX = 30  # a rationale with more equations or sentences goes in circles
DISAGREEMENT_STEPS = 4  # steps that a question is harder when hardly any rationale arrives at its answer

# In the order in which they are looked at. Copies come last, so that a sound copy stays when an unsound one goes.
REASONS = (
    TEST := "is a test question",
    NEAR_TEST := "is near a test question",
    NOT_GOLD := "differs from gold",
    TIED := "answers tied",
    MINORITY := "minority answer",
    EMPTY := "empty rationale",
    LEAKS := "leaks the answer",
    FAULT := "finds fault with the question",
    LANGUAGE := "other language",
    CUT_OFF := "cut off",
    ARITHMETIC := "wrong arithmetic",
    CONTRADICTS := "contradicts the answer",
    COPY := "near copy of a rationale",
    SAME_QUESTION := "near copy of a question",
)


_Key = tuple[str, str]  # of a question: its task, and `Pair.asked`
_Questions = dict[_Key, list[Pair]]


@dataclass(frozen=True)
class Verdict:
    pair: Pair
    dropped: str | None  # one of REASONS
    concluded: Conclusion | None = None  # where the rationale was looked at


@dataclass(frozen=True)
class NearTest:
    asked: str  # the question, by its first pair
    test: str  # the test question most like it
    jaccard: float
    task: str


@dataclass(frozen=True)
class Selection:
    """`verdicts` on all pairs in their order; `kept` with their new weight and difficulty, in the same order."""

    verdicts: list[Verdict]
    kept: list[Pair]
    near_tests: list[NearTest]


def select(
    pairs: list[Pair],
    *,
    tests: Iterable[Pair] = (),
    gold: Iterable[Pair] = (),
    drop_near: bool = False,
    agreement_counts: bool = False,
) -> Selection:
    """Without gold for a question, the answer that more of its pairs give than any other counts as right."""
    tests, questions = list(tests), _by_question(pairs)
    dropped: dict[str, str] = {}  # why, by pair id
    dropped.update((train, TEST) for train, _ in pair_files.overlaps(pairs, tests))
    near_tests = _near_tests(questions, dropped, tests)
    if drop_near:
        for found in near_tests:
            dropped.update(
                (pair.id, NEAR_TEST) for pair in questions[found.task, found.asked] if pair.id not in dropped
            )

    agreement = _judge_answers(questions, dropped, _Gold(gold))
    concluded = {}
    for pair in tqdm(pairs, "rationales", unit="pair", mininterval=1, disable=None):
        if pair.id not in dropped:
            concluded[pair.id] = answers.conclusion(pair)
            if why := _fault(pair, concluded[pair.id]):
                dropped[pair.id] = why
    _drop_copies(questions, dropped)

    verdicts = [Verdict(pair, dropped.get(pair.id), concluded.get(pair.id)) for pair in pairs]
    kept = {key: alive for key, of in questions.items() if (alive := [pair for pair in of if pair.id not in dropped])}
    weights = _weights(kept, agreement if agreement_counts else {})
    difficulties = {key: _difficulty(of, agreement[key]) for key, of in kept.items()}
    chosen = [
        dataclasses.replace(pair, weight=weights[pair.id], difficulty=pair.difficulty or difficulties[_key(pair)])
        for pair in pairs
        if pair.id not in dropped
    ]
    return Selection(verdicts, chosen, near_tests)


def _key(pair: Pair) -> _Key:
    return pair.task, pair.asked


def _by_question(pairs: Iterable[Pair]) -> _Questions:
    questions = defaultdict(list)
    for pair in pairs:
        questions[_key(pair)].append(pair)
    return questions


def _near_tests(questions: _Questions, dropped: dict[str, str], tests: list[Pair]) -> list[NearTest]:
    known = near.Near(NEAR)
    for test in tests:
        known.add(test.id, near.shingles(test.question, 1))
    found: list[NearTest] = []
    if not tests:
        return found
    for (task, asked), of in tqdm(questions.items(), "near tests", unit="question", mininterval=1, disable=None):
        if of[0].id not in dropped and (like := list(known.like(near.shingles(of[0].question, 1)))):
            nearest, alike = max(like, key=lambda one: one[1])
            found.append(NearTest(asked, nearest, round(alike, 3), task))
    return found


class _Gold:
    """Gold answers by question id or by the question's text with its choices. A name that stands for two answers names
    none."""

    def __init__(self, pairs: Iterable[Pair]) -> None:
        self._answers: dict[tuple[str, str], str | None] = {}
        for pair in pairs:
            for name in {("id", pair.id), ("id", pair.asked), ("text", pair_files.bare(pair.text))}:
                known = self._answers.setdefault(name, pair.answer)
                if known is not None and not answers.same(known, pair.answer):
                    self._answers[name] = None

    def of(self, pair: Pair) -> str | None:
        names = (("id", pair.id), ("id", pair.asked), ("text", pair_files.bare(pair.text)))
        return next((answer for name in names if (answer := self._answers.get(name)) is not None), None)


def _judge_answers(questions: _Questions, dropped: dict[str, str], gold: _Gold) -> dict[_Key, float]:
    """Drops the pairs with another answer than the kept one; returns each question's agreement."""
    agreement = {}
    for key, of in questions.items():
        voters = [pair for pair in of if pair.id not in dropped]
        if not voters:
            continue
        right, why = gold.of(voters[0]), NOT_GOLD
        if right is None:
            votes: dict[str, int] = {}
            for pair in voters:
                answer = next((answer for answer in votes if answers.same(answer, pair.answer)), pair.answer)
                votes[answer] = votes.get(answer, 0) + 1
            leaders = [answer for answer, count in votes.items() if count == max(votes.values())]
            if len(leaders) > 1:
                dropped.update((pair.id, TIED) for pair in voters)
                continue
            right, why = leaders[0], MINORITY
        others = [pair for pair in voters if not answers.same(pair.answer, right)]
        dropped.update((pair.id, why) for pair in others)
        agreement[key] = 1 - len(others) / len(voters)
    return agreement


def _fault(pair: Pair, concluded: Conclusion) -> str | None:
    if pair.rationale is None:
        return None
    checks = (
        (EMPTY, lambda: rationales.empty(pair)),
        (LEAKS, lambda: rationales.leaks(pair)),
        (FAULT, lambda: rationales.finds_fault(pair)),
        (LANGUAGE, lambda: rationales.other_language(pair)),
        (CUT_OFF, lambda: rationales.cut_off(pair, concluded)),
        (ARITHMETIC, lambda: not all(equation.holds for equation in arithmetic.equations(pair.rationale))),
        (CONTRADICTS, lambda: concluded is Conclusion.CONTRADICTS),
    )
    return next((why for why, found in checks if found()), None)


def _drop_copies(questions: _Questions, dropped: dict[str, str]) -> None:
    """Keeps the first ones. Numbers are not masked, and must be the same ones in the same order."""
    known: dict[tuple[object, ...], near.Near] = defaultdict(lambda: near.Near(NEAR))
    for of in tqdm(questions.values(), "copies", unit="question", mininterval=1, disable=None):
        alive = [pair for pair in of if pair.id not in dropped]
        if len(alive) > 1:
            seen: dict[tuple[str, ...], near.Near] = defaultdict(lambda: near.Near(NEAR))
            for pair in alive:
                text = pair.rationale
                if text is not None and not _cap(seen[near.numbers(text)], text, RATIONALES_NEAR_MAX):
                    dropped[pair.id] = COPY
            alive = [pair for pair in alive if pair.id not in dropped]
        if alive:
            first = alive[0]
            same = (near.numbers(first.question), first.answer_text.strip().lower(), first.difficulty)
            if not _cap(known[same], first.question, QUESTIONS_NEAR_MAX):
                dropped.update((pair.id, SAME_QUESTION) for pair in alive)


def _cap(known: near.Near, text: str, most: int) -> bool:
    """Adds a text unless `most` like it are known."""
    items = near.shingles(text)
    if sum(not near.rearranged(other, text) for other, _ in known.like(items)) >= most:
        return False
    known.add(text, items)
    return True


def _weights(kept: _Questions, agreement: dict[_Key, float]) -> dict[str, float]:
    weights = {pair.id: pair.weight / len(of) * agreement.get(key, 1.0) for key, of in kept.items() for pair in of}
    totals: dict[str, float] = defaultdict(float)
    counts: Counter[str] = Counter()
    for (task, _), of in kept.items():
        totals[task] += math.fsum(weights[pair.id] for pair in of)
        counts[task] += len(of)
    return {pair.id: weights[pair.id] * counts[task] / totals[task] for (task, _), of in kept.items() for pair in of}


def _difficulty(of: list[Pair], agreement: float) -> int:
    texts = [pair.rationale for pair in of if pair.rationale is not None]
    steps = statistics.median_low([_steps(rationale) for rationale in texts]) if texts else 0
    characters = statistics.median_low([len(rationale) for rationale in texts]) if texts else 0
    return max(1, steps + characters // LENGTH_STEP + math.ceil(round(DISAGREEMENT_STEPS * (1 - agreement), 9)))


def _steps(rationale: str) -> int:
    return min(STEPS_MAX, sum(1 for _ in arithmetic.equations(rationale)) or len(answers.sentences(rationale)))
