"""Measures a calibrated student on fresh generated pairs, on real rows where they are given, and on questions of other
kinds; task by task, English and Japanese beside each other.

Chooses nothing: thresholds are as calibrated. Everything comes with its n and a 95% interval, in JSON and as Markdown
tables. Intervals of rates are Clopper-Pearson. Those of balanced accuracies draw each class's recall from its Jeffreys
posterior, which, unlike a bootstrap, stays honest when a class has no error at all. Free answers have no classes: their
accuracy is a plain rate.
"""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from tqdm import tqdm

from ..language import is_japanese
from ..pair import LANGUAGES, Pair
from ..recipe import Sizes
from ..task import ClosedBook, ClosedChoices, Task
from . import measures
from .calibrate import CONFIDENCE_LEVEL
from .decode import Answerer, Belief, Calibration, Explanation, Outcome, ThinkingFailed, decide

OTHER_SAMPLE = 300  # questions of each file of other kinds
DRAWS = 4000
FORCED = "think first below the threshold, forced"


@dataclass(frozen=True)
class Row:
    pair: Pair
    outcome: Outcome

    @property
    def right(self) -> bool:
        return self.outcome.last.answer == self.pair.answer


@dataclass(frozen=True)
class _Explained:
    row: Row
    said: Explanation
    faults: list[str] | None  # None where nobody knows of any


def evaluate(
    answerer: Answerer,
    calibration: Calibration,
    sizes: Sizes,
    seed: int,
    table: Path | None = None,
    others: Sequence[str] = (),
) -> dict:
    """All measures of one task, by suite. `table` holds the task's real rows; `others` are files of other questions:
    `PATH`, `PATH:field`."""
    task = answerer.task
    suites = task.tests(f"test-{seed}", sizes.test)
    if table:
        rows_of_table = task.real_data(table)
        if rows_of_table is None:
            raise ValueError(f"task {task.id} knows no table of real rows, and {table} was given")
        suites |= rows_of_table
    measured = {}
    for name, pairs in suites.items():
        rows = _asked(answerer, calibration, name, pairs)
        measured[name] = {
            **measure(task, rows),
            "unaskable": len(pairs) - len(rows),
            "languages": languages(task, rows),
        }
        near = [row for row in rows if task.is_hard(row.pair)]
        if near and len(near) < len(rows):
            measured[name]["near limit"] = measure(task, near)
        measured[name]["rationales"] = rationales(answerer, rows, sizes.explained)
    for name, book in (task.closed_book(table) if table else {}).items():
        suite = f"closed book: {name}"
        measured[suite] = closed_book(answerer, calibration, suite, book)
    for other in others if task.readings is None else ():  # else the runtime sees that they are no readings
        questions = _questions(other)
        bar = tqdm(questions, f"{task.id}, other: {other}", unit="question")
        outcomes = [decide(answerer, calibration, question) for question in bar]
        answered = sum(outcome is not None and outcome.answered for outcome in outcomes)
        measured[f"other kind: {Path(other.rpartition(':')[0] or other).parent.name}"] = {
            "n": len(outcomes),
            "wrongly answered": _rate(answered, len(outcomes)),
            "unaskable": sum(outcome is None for outcome in outcomes),
        }
    return {"confidence_level": CONFIDENCE_LEVEL, "suites": measured}


def measure(task: Task, rows: list[Row]) -> dict:
    """First answers, answers after thinking, and what was answered without a person."""
    truths = [row.pair.answer for row in rows]
    answered = [row for row in rows if row.outcome.answered]
    errors = sum(not row.right for row in answered)
    thought = [row.outcome.think_tokens for row in rows if row.outcome.mode == "think_first"]
    # A person is asked, but by which way: the student says the question is not its own, or writes no answer; or it is
    # unsure.
    own = [task.is_answer(row.outcome.last.answer) for row in rows if not row.outcome.answered]
    commonest = Counter(truths).most_common(1)[0][0]
    return {
        "n": len(rows),
        **({"classes": {text: truths.count(text) for text in task.texts if text in truths}} if task.texts else {}),
        "first answer": _accuracy(task, truths, [row.outcome.first.answer for row in rows]),
        FORCED: _accuracy(task, truths, [row.outcome.last.answer for row in rows]),
        "auto-answers": {
            "n": len(answered),
            "coverage": _rate(len(answered), len(rows)),
            "errors": errors,
            "error": errors / len(answered) if answered else None,
            "error bound, one-sided": measures.error_bound(errors, len(answered), CONFIDENCE_LEVEL)
            if answered
            else None,
            "accuracy": _accuracy(
                task, [row.pair.answer for row in answered], [row.outcome.last.answer for row in answered]
            )
            if answered
            else None,
        },
        "escalated": {**_rate(len(own), len(rows)), "as not its own": own.count(False), "unsure": own.count(True)},
        "thought": {**_rate(len(thought), len(rows)), "tokens, mean": float(np.mean(thought)) if thought else None},
        "floor, always the commonest": _accuracy(task, truths, [commonest] * len(rows)),
        "ceiling, the rules": _accuracy(task, truths, [task.oracle(row.pair) for row in rows]),
        "calibration of the first answer": _calibration(task, truths, [row.outcome.first for row in rows]),
        "calibration of the decision": _calibration(task, truths, [row.outcome.last for row in rows]),
    }


def closed_book(answerer: Answerer, calibration: Calibration, name: str, book: ClosedBook) -> dict:
    """What is right at once, and what was answered without a person, beside what guessing gives."""
    rows = _asked(answerer, calibration, name, book.pairs)
    return {
        "n": len(rows),
        "unaskable": len(book.pairs) - len(rows),
        "floors": book.floors,
        "right at once": _rate(sum(row.outcome.first.answer == row.pair.answer for row in rows), len(rows)),
        "answered": _rate(sum(row.outcome.answered for row in rows), len(rows)),
    }


def _asked(answerer: Answerer, calibration: Calibration, name: str, pairs: list[Pair]) -> list[Row]:
    """The pairs that can be asked, and what came of each."""
    bar = tqdm(pairs, f"{answerer.task.id}: {name}", unit="pair", mininterval=1)
    outcomes = [(pair, decide(answerer, calibration.of(answerer.task, pair), pair.text)) for pair in bar]
    return [Row(pair, outcome) for pair, outcome in outcomes if outcome]


def languages(task: Task, rows: list[Row]) -> dict:
    """By language, what is shown beside each other."""
    said = {}
    for lang in LANGUAGES:
        own = [row for row in rows if row.pair.lang == lang]
        if own:
            measured = measure(task, own)
            said[lang] = {key: measured[key] for key in ("n", "first answer", FORCED)}
            said[lang]["ece"] = measured["calibration of the first answer"]["ece"]
    return said


def rationales(answerer: Answerer, rows: list[Row], count: int) -> dict:
    """Explains a sample, of a closed answer set every rarer answer before any common one, and checks each rationale
    number by number."""
    task = answerer.task
    common = Counter(row.pair.answer for row in rows).most_common(1)[0][0] if task.texts else None
    rows = random.Random("explained").sample(rows, len(rows))
    sample = sorted(rows, key=lambda row: row.pair.answer == common)[:count]
    explained: list[_Explained] = []
    unended = unanswered = 0
    for row in tqdm(sample, f"{task.id}: rationales", unit="answer", mininterval=1):
        if not row.outcome.last.answer:
            unanswered += 1
            continue
        answerer.ask(row.pair.text)
        try:
            said = answerer.explain(row.outcome.last.answer)
            explained.append(_Explained(row, said, task.check_rationale(row.pair, said.text)))
        except ThinkingFailed:
            unended += 1

    def share(test: Callable[[_Explained], bool], over: list[_Explained]) -> dict:
        return _rate(sum(map(test, over)), len(over))

    def sound(one: _Explained) -> bool:
        return not one.faults

    def agrees(one: _Explained) -> bool:
        return one.said.leads_to == one.row.outcome.last.answer

    judged = [one for one in explained if one.faults is not None]

    return {
        "explained": len(explained),
        "without an end": unended,
        "without an answer": unanswered,
        "without a fault, of auto-answers": share(sound, [one for one in judged if one.row.outcome.answered]),
        "without a fault, of all": share(sound, judged),
        "in the question's language": share(
            lambda one: is_japanese(one.said.text) == (one.row.pair.lang == "ja"), explained
        ),
        "agrees, answer right": share(agrees, [one for one in explained if one.row.right]),
        "agrees, answer wrong": share(agrees, [one for one in explained if not one.row.right]),
        "strength of agreement, AUROC of a right answer": measures.auroc(
            np.array([one.said.strength for one in explained]), np.array([one.row.right for one in explained], bool)
        ),
        "tokens, mean": float(np.mean([one.said.tokens for one in explained])) if explained else None,
        "faults": [fault for one in judged for fault in one.faults or ()][:10],
    }


def markdown(tasks: dict[str, dict]) -> str:
    """The tables of the card, from what `evaluate` measured of each task, by its id."""
    return "\n".join(f"### {task}\n\n{_tables(measured['suites'])}" for task, measured in tasks.items())


def _tables(measured: dict) -> str:
    suites = {name: suite for name, suite in measured.items() if "first answer" in suite}
    parts = {
        part: suite
        for name, suite in suites.items()
        for part, suite in ((name, suite), (f"{name}, near a limit", suite.get("near limit")))
        if suite
    }
    balanced = all("macro_f1" in suite["first answer"] for suite in suites.values())
    lines = [
        f"| measured on | n | {'balanced accuracy' if balanced else 'accuracy'}, first answer | with think-first, "
        f"forced | "
        f"{'macro-F1, both | ' if balanced else ''}floor, ceiling | auto-answered | error among them, 95% bound | ECE "
        f"| AURC | "
        "Brier |",
        f"|{'---|' * (10 + balanced)}",
    ]
    for name, suite in parts.items():
        auto, fit = suite["auto-answers"], suite["calibration of the first answer"]
        error = (
            f"{auto['errors']} of {auto['n']}, ≤ {auto['error bound, one-sided']:.2%}" if auto["n"] else "none answered"
        )
        first, forced = suite["first answer"], suite[FORCED]
        f1 = f"{first['macro_f1']:.3f}, {forced['macro_f1']:.3f} | " if balanced else ""
        edges = ", ".join(
            f"{suite[edge]['value']:.3f}" for edge in ("floor, always the commonest", "ceiling, the rules")
        )
        lines.append(
            f"| {name} | {suite['n']} | {_said(first)} | {_said(forced)} | {f1}{edges} | {_said(auto['coverage'])} | "
            f"{error} | {fit['ece']:.3f} | {fit['aurc']:.4f} | {fit['brier']:.4f} |"
        )
    both = {
        name: [suite["languages"][lang] for lang in LANGUAGES]
        for name, suite in suites.items()
        if set(suite["languages"]) == set(LANGUAGES)
    }
    if both:
        lines += [
            "",
            "| English and Japanese | n | first answer, en | ja | ja − en | forced, en | ja | ja − en | ECE, en | ja |",
            f"|{'---|' * 10}",
        ]
    for name, (en, ja) in both.items():
        cells = [f"{en['n']}, {ja['n']}"]
        for key in ("first answer", FORCED):
            cells += [_said(en[key]), _said(ja[key]), f"{100 * (ja[key]['value'] - en[key]['value']):+.1f} points"]
        lines.append(f"| {name} | {' | '.join(cells)} | {en['ece']:.3f} | {ja['ece']:.3f} |")
    lines += [
        "",
        "| rationales of | explained | no fault, auto-answers | right language | agrees, answer right | "
        "agrees, answer wrong | strength of agreement, AUROC |",
        f"|{'---|' * 7}",
    ]
    for name, suite in suites.items():
        said = suite["rationales"]
        cells = [
            _said(said[key])
            for key in (
                "without a fault, of auto-answers",
                "in the question's language",
                "agrees, answer right",
                "agrees, answer wrong",
            )
        ]
        auroc = said["strength of agreement, AUROC of a right answer"]
        lines.append(
            f"| {name} | {said['explained']} | {' | '.join(cells)} | {'-' if auroc is None else f'{auroc:.3f}'} |"
        )
    books = {name: suite for name, suite in measured.items() if "floors" in suite}
    if books:
        floors = next(iter(books.values()))["floors"]
        lines += [
            "",
            f"| closed book | n | right at once | answered without a person | by {' | by '.join(floors)} |",
            f"|{'---|' * (4 + len(floors))}",
        ]
    for name, book in books.items():
        cells = [
            _said(book["right at once"]),
            _said(book["answered"]),
            *(f"{floor:.3f}" for floor in book["floors"].values()),
        ]
        lines.append(f"| {name.removeprefix('closed book: ')} | {book['n']} | {' | '.join(cells)} |")
    others = {name: suite for name, suite in measured.items() if "wrongly answered" in suite}
    if others:
        lines += ["", "| questions of another kind | n | wrongly answered |", "|---|---|---|"]
        lines += [
            f"| {name.removeprefix('other kind: ')} | {suite['n']} | {_said(suite['wrongly answered'])} |"
            for name, suite in others.items()
        ]
    return "\n".join(lines) + "\n"


def _accuracy(task: Task, truths: list[str], chosen: list[str]) -> dict:
    """Of a closed answer set balanced accuracy with its interval, macro-F1 and plain accuracy, over the classes that
    occur; of free answers plain accuracy with its interval."""
    if not isinstance(task.answers, ClosedChoices):
        rate = _rate(sum(truth == answer for truth, answer in zip(truths, chosen, strict=True)), len(truths))
        return {**rate, "plain": rate["value"]}
    truth, choice = (np.array([task.index(text) for text in texts]) for texts in (truths, chosen))
    classes = np.unique(truth)
    counts = np.array([(truth == c).sum() for c in classes])
    hits = np.array([((truth == c) & (choice == c)).sum() for c in classes])
    recalls = hits / counts
    value = recalls.mean()
    drawn = np.random.default_rng(1).beta(hits + 0.5, counts - hits + 0.5, (DRAWS, len(classes))).mean(-1)
    low, high = np.quantile(drawn, [(1 - CONFIDENCE_LEVEL) / 2, (1 + CONFIDENCE_LEVEL) / 2])
    picked = np.array([(choice == c).sum() for c in classes])
    return {
        "value": float(value),
        "low": float(min(low, value)),
        "high": float(max(high, value)),
        "macro_f1": float((2 * hits / (counts + picked)).mean()),
        "plain": float(hits.sum() / counts.sum()),
    }


def _calibration(task: Task, truths: list[str], beliefs: list[Belief]) -> dict:
    """How far the confidence can be trusted, and how well it sorts: what `plots` draws, and the Brier score, of a
    closed answer set over all choices, of free answers over right and wrong."""
    confidence = np.array([belief.confidence for belief in beliefs])
    right = np.array([belief.answer == truth for belief, truth in zip(beliefs, truths, strict=True)], bool)
    if isinstance(task.answers, ClosedChoices):
        truth_rows = np.eye(len(task.texts))[[task.index(truth) for truth in truths]]
        brier = ((np.array([belief.posterior for belief in beliefs]) - truth_rows) ** 2).sum(-1)
    else:
        brier = (confidence - right) ** 2
    return {
        "brier": float(brier.mean()),
        "accuracy at coverage": {f"{c:.0%}": measures.accuracy_at(confidence, right, c) for c in measures.COVERAGES},
        **measures.trust(confidence, right),
    }


def _rate(count: int, n: int) -> dict:
    low, high = measures.interval(count, n, CONFIDENCE_LEVEL)
    return {"value": count / n if n else None, "count": count, "n": n, "low": low, "high": high}


def _said(rate: dict) -> str:
    return "-" if rate["value"] is None else f"{rate['value']:.3f} ({rate['low']:.3f} to {rate['high']:.3f})"


def _questions(source: str) -> list[str]:
    """A sample of the questions in a file of JSON lines. `PATH:a.b` reads field `b` of `a`; without it, `question`."""
    path, _, field = source.rpartition(":") if ":" in source else (source, "", "question")
    found = []
    for line in Path(path).read_text(encoding="utf-8").splitlines():
        value = json.loads(line)
        for key in field.split("."):
            value = value[key]
        found.append(value)
    return random.Random("other").sample(found, min(OTHER_SAMPLE, len(found)))
