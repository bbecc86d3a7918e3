"""Collects the trials of a study: one table for machines, one for people. Trains nothing and asks nobody.

Beside the arms stand ways to ask the students of both orders: the confidence gate (think below a threshold that was set on the
dev split) and the oracle, which knows when thinking is needed and is the ceiling of every gate.
"""

from __future__ import annotations

import json
from collections import defaultdict
from pathlib import Path

import numpy as np

from ..ship import measures
from ..ship.calibrate import CONFIDENCE_LEVEL

GATE, ORACLE, BOTH = "both orders, confidence gate", "both orders, oracle", "both orders"


def collect(folder: Path) -> list[dict]:
    """A row for each arm, suite, task and stratum: `stratum` is "all", a language or a difficulty."""
    found: dict[tuple[str, str, str], list[list[dict]]] = defaultdict(list)  # (arm, suite, task): answers of each seed
    for trial in sorted(folder.glob("*/answers.jsonl")):
        arm = json.loads((trial.parent / "trial.json").read_text(encoding="utf-8"))["arm"]
        lines = [json.loads(line) for line in trial.read_text(encoding="utf-8").splitlines()]
        for name, said in _ways(arm, lines).items():
            for suite, task in sorted({(line["suite"], line["task"]) for line in lines}):
                if suite != "dev":
                    found[name, suite, task].append([a for a in said if (a["suite"], a["task"]) == (suite, task)])
    rows = []
    for (arm, suite, task), seeds in sorted(found.items()):
        first = seeds[0]
        strata = {"all": lambda a: True}
        strata |= {lang: lambda a, lang=lang: a["lang"] == lang for lang in sorted({a["lang"] for a in first})}
        strata |= {f"difficulty {d}": lambda a, d=d: a["difficulty"] == d for d in sorted({a["difficulty"] or 0 for a in first}) if d}
        rows += [{"arm": arm, "suite": suite, "task": task, "stratum": name, "seeds": len(seeds),
                  **_measure([[a for a in seed if belongs(a)] for seed in seeds])} for name, belongs in strata.items()]
    return rows


def _ways(arm: str, lines: list[dict]) -> dict[str, list[dict]]:
    """The answers of a trial by each way to ask its student."""
    def said(line: dict, way: str, more: int = 0) -> dict:
        answer = line[way]
        return {**{key: line[key] for key in ("suite", "task", "lang", "difficulty", "id")}, "confidence": answer["confidence"],
                "tokens": answer["tokens"] + more, "right": answer["answer"] == line["gold"]}

    if arm != BOTH:
        way = "think" if "think" in lines[0] else "first"
        return {arm: [said(line, way) for line in lines]}
    thresholds = {task: _threshold([line for line in lines if line["suite"] == "dev" and line["task"] == task])
                  for task in {line["task"] for line in lines}}

    def either(line: dict, first: bool) -> dict:
        return said(line, "first") if first else said(line, "think", line["first"]["tokens"])

    return {
        f"{BOTH}, answer first": [said(line, "first") for line in lines],
        f"{BOTH}, think first": [said(line, "think") for line in lines],
        GATE: [either(line, line["first"]["confidence"] >= thresholds[line["task"]]) for line in lines],
        ORACLE: [either(line, line["first"]["answer"] == line["gold"]) for line in lines],
    }


def _threshold(dev: list[dict]) -> float:
    """The lowest first confidence from which answering at once loses no right answer on the dev split, against the best threshold."""
    best, chosen = -1, 0.0
    for threshold in [0.0, *sorted({line["first"]["confidence"] for line in dev}), 1.1]:
        right = sum(line["first" if line["first"]["confidence"] >= threshold else "think"]["answer"] == line["gold"] for line in dev)
        if right > best:
            best, chosen = right, threshold
    return chosen


def _measure(seeds: list[list[dict]]) -> dict:
    """Means over the seeds; the interval is drawn over questions, each with its mean over the seeds."""
    right = np.array([[a["right"] for a in seed] for seed in seeds], float)  # (seeds, questions)
    sure = np.array([[a["confidence"] for a in seed] for seed in seeds])
    low, high = measures.bootstrap(np.mean, right.mean(0), level=CONFIDENCE_LEVEL)
    each = [(c, r.astype(bool)) for c, r in zip(sure, right, strict=True)]
    return {
        "n": right.shape[1], "accuracy": float(right.mean()), "low": low, "high": high,
        "accuracy by seed": right.mean(1).tolist(),
        "tokens": float(np.mean([[a["tokens"] for a in seed] for seed in seeds])),
        "ece": float(np.mean([measures.ece(c, r) for c, r in each])),
        "aurc": float(np.mean([measures.aurc(c, r) for c, r in each])),
        **{f"accuracy at {c:.0%}": float(np.mean([measures.accuracy_at(s, r, c) for s, r in each])) for c in measures.COVERAGES},
    }


def markdown(rows: list[dict]) -> str:
    """The whole of each task, arm by arm, and the accuracy by difficulty."""
    lines = []
    for suite, task in sorted({(row["suite"], row["task"]) for row in rows}):
        own = [row for row in rows if (row["suite"], row["task"]) == (suite, task)]
        strata = [name for name in dict.fromkeys(row["stratum"] for row in own) if name != "all"]
        lines += [f"**{task}, {suite}** (n = {own[0]['n']}, seeds: {own[0]['seeds']})", "",
                  f"| arm | accuracy (95%) | tokens | ECE | AURC | at 50% | at 80% |{''.join(f' {name} |' for name in strata)}",
                  "|---|---|---|---|---|---|---|" + "---|" * len(strata)]
        for row in (row for row in own if row["stratum"] == "all"):
            by = {other["stratum"]: other["accuracy"] for other in own if other["arm"] == row["arm"]}
            lines.append(f"| {row['arm']} | {row['accuracy']:.3f} ({row['low']:.3f} to {row['high']:.3f}) | {row['tokens']:.1f} | "
                         f"{row['ece']:.3f} | {row['aurc']:.3f} | {row['accuracy at 50%']:.3f} | {row['accuracy at 80%']:.3f} |"
                         + "".join(f" {by[name]:.2f} |" if name in by else " - |" for name in strata))
        lines.append("")
    return "\n".join(lines)
