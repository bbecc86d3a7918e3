"""Measures a calibrated student on fresh generated pairs, on real rows when a table is given, and on questions of other kinds.

Chooses nothing: thresholds are as calibrated. Everything comes with its n and a 95% interval, in JSON and as Markdown tables.
Intervals of rates are Clopper-Pearson. Those of balanced accuracies draw each class's recall from its Jeffreys posterior, which,
unlike a bootstrap, stays honest when a class has no error at all.
"""

from __future__ import annotations

import json
import random
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from tqdm import tqdm

from ..pair import Pair
from ..task import Task
from . import measures
from .calibrate import CONFIDENCE_LEVEL, error_bound, interval
from .decode import Answerer, Calibration, Outcome, ThinkingFailed, decide

OTHER_SAMPLE = 300  # questions of each file of other kinds
DRAWS = 4000
CURVE_POINTS = 50  # of risk against coverage, as many as a plot shows
_JAPANESE = re.compile(r"[\u3040-\u30ff\u4e00-\u9fff]")


@dataclass(frozen=True)
class Row:
    pair: Pair
    truth: int  # index of the choice
    outcome: Outcome

    @property
    def right(self) -> bool:
        return self.outcome.choice == self.truth


def evaluate(answerer: Answerer, calibration: Calibration, table: Path | None, others: list[str]) -> dict:
    """All measures, by suite. `table` holds the task's real rows; `others` are files of other questions: `PATH`, `PATH:field`."""
    task = answerer.task
    suites = task.tests(f"test-{task.plan.seed}", task.sizes.test)
    if table and task.rows:
        suites |= task.rows(table)
    measured = {}
    for name, pairs in suites.items():
        bar = tqdm(pairs, name, unit="pair", mininterval=1)
        outcomes = [(pair, decide(answerer, calibration, pair.question)) for pair in bar]
        rows = [Row(pair, task.index(pair.answer), outcome) for pair, outcome in outcomes if outcome]
        measured[name] = {**measure(task, rows), "unaskable": len(pairs) - len(rows)}
        near = [row for row in rows if task.near(row.pair)]
        if near and len(near) < len(rows):
            measured[name]["near limit"] = measure(task, near)
        measured[name]["rationales"] = rationales(answerer, rows)
    for other in others:
        questions = _questions(other)
        outcomes = [decide(answerer, calibration, question) for question in tqdm(questions, f"other: {other}", unit="question")]
        answered = sum(outcome is not None and outcome.answered for outcome in outcomes)
        measured[f"other kind: {Path(other.rpartition(':')[0] or other).parent.name}"] = {
            "n": len(outcomes), "wrongly answered": _rate(answered, len(outcomes)),
            "unaskable": sum(outcome is None for outcome in outcomes)}
    return {"confidence_level": CONFIDENCE_LEVEL, "suites": measured}


def measure(task: Task, rows: list[Row]) -> dict:
    """First answers, answers after thinking, and what was answered without a person."""
    truths = np.array([row.truth for row in rows])
    first = np.array([row.outcome.first for row in rows])  # (rows, choices)
    final = np.array([row.outcome.posterior for row in rows])
    answered = [row for row in rows if row.outcome.answered]
    errors = sum(not row.right for row in answered)
    thought = [row.outcome.think_tokens for row in rows if row.outcome.mode == "think_first"]
    # A person is asked, but by which way: the student says the question is not its own, or is unsure.
    handed_over = [task.choices[row.outcome.choice].person for row in rows if not row.outcome.answered]
    return {
        "n": len(rows),
        "classes": {task.texts[c]: int((truths == c).sum()) for c in np.unique(truths)},
        "first answer": _accuracy(truths, first.argmax(-1)),
        "think first below the threshold, forced": _accuracy(truths, final.argmax(-1)),
        "auto-answers": {
            "n": len(answered), "coverage": _rate(len(answered), len(rows)), "errors": errors,
            "error": errors / len(answered) if answered else None,
            "error bound, one-sided": error_bound(errors, len(answered)) if answered else None,
            "balanced accuracy": _accuracy(np.array([r.truth for r in answered]), np.array([r.outcome.choice for r in answered]))
            if answered else None,
        },
        "escalated": {**_rate(len(handed_over), len(rows)), "as not its own": sum(handed_over),
                      "unsure": handed_over.count(False)},
        "thought": {**_rate(len(thought), len(rows)), "tokens, mean": float(np.mean(thought)) if thought else None},
        "floor, always the commonest": _accuracy(truths, np.full_like(truths, np.bincount(truths).argmax())),
        "ceiling, the rules": _accuracy(truths, np.array([task.index(task.rules(row.pair)) for row in rows])),
        "calibration of the first answer": _calibration(first, truths),
        "calibration of the decision": _calibration(final, truths),
    }


def rationales(answerer: Answerer, rows: list[Row]) -> dict:
    """Explains a sample, every failure in it before any ordinary row, and checks each rationale number by number."""
    task = answerer.task
    common = max({row.truth for row in rows}, key=lambda c: sum(row.truth == c for row in rows))
    rows = random.Random("explained").sample(rows, len(rows))
    sample = sorted(rows, key=lambda row: row.truth == common)[: task.sizes.explained]
    explained, unended = [], 0
    for row in tqdm(sample, "rationales", unit="answer", mininterval=1):
        answerer.ask(row.pair.question)
        try:
            explained.append((row, answerer.explain(row.outcome.choice)))
        except ThinkingFailed:
            unended += 1

    def share(test: Callable, over: Callable = lambda row, said: True) -> dict:
        chosen = [(row, said) for row, said in explained if over(row, said)]
        return _rate(sum(test(row, said) for row, said in chosen), len(chosen))

    def sound(row, said) -> bool:
        return not task.faults(row.pair, said.text)

    def agrees(row, said) -> bool:
        return said.leads_to == row.outcome.choice

    return {
        "explained": len(explained), "without an end": unended,
        "without a fault, of auto-answers": share(sound, lambda row, said: row.outcome.answered),
        "without a fault, of all": share(sound),
        "in the question's language": share(lambda row, said: bool(_JAPANESE.search(said.text)) == (row.pair.lang == "ja")),
        "agrees, answer right": share(agrees, lambda row, said: row.right),
        "agrees, answer wrong": share(agrees, lambda row, said: not row.right),
        "strength of agreement, AUROC of a right answer": measures.auroc(
            np.array([said.strength for _, said in explained]), np.array([row.right for row, _ in explained])),
        "tokens, mean": float(np.mean([said.tokens for _, said in explained])) if explained else None,
        "faults": [fault for row, said in explained for fault in task.faults(row.pair, said.text)][:10],
    }


def markdown(measured: dict) -> str:
    """The table of the card."""
    suites = {name: suite for name, suite in measured["suites"].items() if "first answer" in suite}
    parts = {part: suite for name, suite in suites.items()
             for part, suite in ((name, suite), (f"{name}, near a limit", suite.get("near limit"))) if suite}
    lines = [
        "| measured on | n | balanced accuracy, first answer | with think-first, forced | macro-F1, both | floor, ceiling | "
        "auto-answered | error among them, 95% bound | ECE | Brier |", "|---|---|---|---|---|---|---|---|---|---|"]
    for name, suite in parts.items():
        auto, fit = suite["auto-answers"], suite["calibration of the first answer"]
        error = f"{auto['errors']} of {auto['n']}, ≤ {auto['error bound, one-sided']:.2%}" if auto["n"] else "none answered"
        first, forced = suite["first answer"], suite["think first below the threshold, forced"]
        edges = ", ".join(f"{suite[edge]['value']:.3f}" for edge in ("floor, always the commonest", "ceiling, the rules"))
        lines.append(f"| {name} | {suite['n']} | {_said(first)} | {_said(forced)} | "
                     f"{first['macro_f1']:.3f}, {forced['macro_f1']:.3f} | {edges} | {_said(auto['coverage'])} | {error} | "
                     f"{fit['ece']:.3f} | {fit['brier']:.4f} |")
    lines += ["", "| rationales of | explained | no fault, auto-answers | right language | agrees, answer right | "
              "agrees, answer wrong |", "|---|---|---|---|---|---|"]
    for name, suite in suites.items():
        said = suite["rationales"]
        cells = (_said(said[key]) for key in ("without a fault, of auto-answers", "in the question's language",
                                              "agrees, answer right", "agrees, answer wrong"))
        lines.append(f"| {name} | {said['explained']} | {' | '.join(cells)} |")
    others = {name: suite for name, suite in measured["suites"].items() if name not in suites}
    if others:
        lines += ["", "| questions of another kind | n | wrongly answered |", "|---|---|---|"]
        lines += [f"| {name.removeprefix('other kind: ')} | {suite['n']} | {_said(suite['wrongly answered'])} |"
                  for name, suite in others.items()]
    return "\n".join(lines) + "\n"


def _accuracy(truths: np.ndarray, chosen: np.ndarray) -> dict:
    """Balanced accuracy with its interval, macro-F1 and plain accuracy, over the classes that occur."""
    classes = np.unique(truths)
    counts = np.array([(truths == c).sum() for c in classes])
    hits = np.array([((truths == c) & (chosen == c)).sum() for c in classes])
    recalls = hits / counts
    value = recalls.mean()
    drawn = np.random.default_rng(1).beta(hits + 0.5, counts - hits + 0.5, (DRAWS, len(classes))).mean(-1)
    low, high = np.quantile(drawn, [(1 - CONFIDENCE_LEVEL) / 2, (1 + CONFIDENCE_LEVEL) / 2])
    picked = np.array([(chosen == c).sum() for c in classes])
    return {"value": float(value), "low": float(min(low, value)), "high": float(max(high, value)),
            "macro_f1": float((2 * hits / (counts + picked)).mean()), "plain": float(hits.sum() / counts.sum())}


def _calibration(posterior: np.ndarray, truths: np.ndarray) -> dict:
    """How far the confidence can be trusted, and how well it sorts: what `plots` draws, and the Brier score over all choices."""
    confidence, right = posterior.max(-1), posterior.argmax(-1) == truths
    n = len(right)
    ends = np.unique(np.linspace(1, n, min(n, CURVE_POINTS)).astype(int))
    risks = measures.risks(confidence, right)
    return {
        "ece": measures.ece(confidence, right),
        "brier": float(((posterior - np.eye(posterior.shape[1])[truths]) ** 2).sum(-1).mean()),
        "aurc": measures.aurc(confidence, right),
        "accuracy at coverage": {f"{c:.0%}": measures.accuracy_at(confidence, right, c) for c in measures.COVERAGES},
        "reliability": measures.reliability(confidence, right),
        "risk at coverage": [[float(end / n), float(risks[end - 1])] for end in ends],
    }


def _rate(count: int, n: int) -> dict:
    low, high = interval(count, n)
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
