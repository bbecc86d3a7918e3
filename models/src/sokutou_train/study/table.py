"""Collects the trials of a study: one table for machines, one for people, and what pictures are drawn of. Trains
nothing and asks nobody.

Beside the arms stand ways to ask the students of both orders: gates, which think where the first answer is not trusted
(the confidence gate, R3, and the logistic gate, R2, with thresholds set for each task on the dev split), the soft
prompts (R1), by which the student says itself whether to think, and the oracle, which knows when thinking is needed and
is the ceiling of them all. Below them stand accuracies that others published on the same tests, and what guessing
gives.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..selection import answers
from ..ship import measures
from ..ship.calibrate import CONFIDENCE_LEVEL

FIRST, BOTH = "answer-first", "both orders"
GATE, LOGISTIC, SOFT, ORACLE = (
    f"{BOTH}, {way}" for way in ("confidence gate (R3)", "logistic gate (R2)", "soft prompt (R1)", "oracle")
)


@dataclass(frozen=True)
class Trials:
    """What the finished trials of a study left."""

    answers: dict[tuple[str, str, str], list[list[dict]]]  # (arm, suite, task): answers of each seed
    asked: dict[tuple[str, str], list[dict]]  # (suite, task): one trial's lines
    apart: dict[
        tuple[str, str, str], list[dict]
    ]  # (arm, way, task): a row of each seed, of whether answers depend on rationales


def published() -> dict:
    """Accuracies that others published on the same tests."""
    return json.loads((Path(__file__).parent / "published.json").read_text(encoding="utf-8"))


def read(folder: Path) -> Trials:
    found, asked, apart = defaultdict(list), {}, defaultdict(list)
    for trial in sorted(folder.glob("*/answers.jsonl")):
        arm = json.loads((trial.parent / "trial.json").read_text(encoding="utf-8"))["arm"]
        lines, routes = _lines(trial), trial.parent / "routes.jsonl"
        for suite, task in {(line["suite"], line["task"]) for line in lines if line["suite"] != "dev"}:
            asked[suite, task] = [line for line in lines if (line["suite"], line["task"]) == (suite, task)]
        for name, said in _ways(arm, lines, _lines(routes) if routes.exists() else None).items():
            for suite, task in asked:
                if own := [a for a in said if (a["suite"], a["task"]) == (suite, task)]:
                    found[name, suite, task].append(own)
        if (rows := trial.parent / "independence.json").exists():
            for row in json.loads(rows.read_text(encoding="utf-8")):
                apart[arm, row["way"], row["task"]].append(row)
    return Trials(found, asked, apart)


def collect(trials: Trials, published: dict | None = None) -> dict[str, list[dict]]:
    """`arms`: a row for each arm, suite, task and stratum, which is "all", a language or a difficulty. `references`:
    accuracies of others and of guessing, by suite and task. `differences`: answer-first less each other arm.
    `independence`: by arm, way to ask and task."""
    rows = []
    for (arm, suite, task), seeds in sorted(trials.answers.items()):
        first = seeds[0]
        strata: dict[str, Callable[[dict], bool]] = {"all": lambda a: True}
        strata |= {lang: _having("lang", lang) for lang in sorted({a["lang"] for a in first})}
        difficulties = sorted({a["difficulty"] or 0 for a in first})
        strata |= {f"difficulty {d}": _having("difficulty", d) for d in difficulties if d}
        rows += [
            {
                "arm": arm,
                "suite": suite,
                "task": task,
                "stratum": name,
                "seeds": len(seeds),
                **_measure([[a for a in seed if belongs(a)] for seed in seeds]),
            }
            for name, belongs in strata.items()
        ]
    references = [
        row
        for (suite, task), lines in sorted(trials.asked.items())
        for row in _references(suite, task, lines, published)
    ]
    independence = [
        {
            "arm": arm,
            "way": way,
            "task": task,
            "seeds": len(seeds),
            "n": sum(row["n"] for row in seeds),
            **{
                name: sum(row[name] for row in seeds) / sum(row["n"] for row in seeds)
                for name in ("swapped", "corrupted")
            },
            "difference": max(row["difference"] for row in seeds),
        }
        for (arm, way, task), seeds in sorted(trials.apart.items())
    ]
    return {"arms": rows, "references": references, "differences": _differences(trials), "independence": independence}


def trust(trials: Trials) -> dict[tuple[str, str], dict[str, dict]]:
    """By suite and task, what `plots` draws of each arm: its answers of all seeds together. Not of the oracle, which
    knows more than its confidence."""
    fits: dict[tuple[str, str], dict[str, dict]] = defaultdict(dict)
    for (arm, suite, task), seeds in sorted(trials.answers.items()):
        if arm != ORACLE:
            said = [answer for seed in seeds for answer in seed]
            fits[suite, task][arm] = measures.trust(
                np.array([a["confidence"] for a in said]), np.array([a["right"] for a in said], bool)
            )
    return fits


def _lines(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def _ways(arm: str, lines: list[dict], routes: list[dict] | None = None) -> dict[str, list[dict]]:
    """The answers of a trial by each way to ask its student."""

    def said(line: dict, way: str, before: str = "") -> dict:
        answer, spent = line[way], [line[before]] if before else []
        return {
            **{key: line[key] for key in ("suite", "task", "lang", "difficulty", "id")},
            "confidence": answer["confidence"],
            "tokens": sum(each["tokens"] for each in [answer, *spent]),
            "right": _right(line, way),
            "none": answer["answer"] == "",
            "seconds": sum(each.get("seconds", float("nan")) for each in [answer, *spent]),
        }

    if arm != BOTH:
        way = "think" if "think" in lines[0] else "first"
        return {arm: [said(line, way) for line in lines]}
    dev = [line["suite"] == "dev" for line in lines]
    sure = [line["first"]["confidence"] for line in lines]
    trusted = _trusted(lines, sure, dev)
    ways = {
        f"{BOTH}, answer first": [said(line, "first") for line in lines],
        f"{BOTH}, think first": [said(line, "think") for line in lines],
        GATE: [
            said(line, "first") if trust else said(line, "think", "first")
            for line, trust in zip(lines, trusted, strict=True)
        ],
    }
    if routes:
        # Neither decodes anything before it has decided. What soft prompts cost beside the answer was not measured as
        # it would ship.
        unlearned = [in_dev and not route["fitted"] for in_dev, route in zip(dev, routes, strict=True)]
        trusted = _trusted(lines, [route["gate"] for route in routes], unlearned)
        ways[LOGISTIC] = [said(line, "first" if trust else "think") for line, trust in zip(lines, trusted, strict=True)]
        ways[SOFT] = [
            said(line, "first" if route["soft"] >= 0.5 else "think") | {"seconds": float("nan")}
            for line, route in zip(lines, routes, strict=True)
        ]
    ways[ORACLE] = [said(line, "first") if _right(line, "first") else said(line, "think", "first") for line in lines]
    return ways


def _right(line: dict, way: str) -> bool:
    return answers.same(line[way]["answer"], line["gold"])


def _trusted(lines: list[dict], scores: list[float], set_on: list[bool]) -> list[bool]:
    """Is each line's score at or above its task's threshold, which was set on the lines marked in `set_on`?"""
    scored = [(line, score) for line, score, marked in zip(lines, scores, set_on, strict=True) if marked]
    thresholds = {
        task: _threshold([(line, score) for line, score in scored if line["task"] == task])
        for task in {line["task"] for line in lines}
    }
    return [score >= thresholds[line["task"]] for line, score in zip(lines, scores, strict=True)]


def _threshold(scored: list[tuple[dict, float]]) -> float:
    """The lowest score from which on answering at once, and thinking below it, is right most often."""
    best, chosen = -1, 0.0
    for threshold in [0.0, *sorted({score for _, score in scored}), 1.1]:
        right = sum(_right(line, "first" if score >= threshold else "think") for line, score in scored)
        if right > best:
            best, chosen = right, threshold
    return chosen


def _measure(seeds: list[list[dict]]) -> dict:
    """Means over the seeds; the interval is drawn over questions, each with its mean over the seeds."""
    right = np.array([[a["right"] for a in seed] for seed in seeds], float)  # (seeds, questions)
    sure = np.array([[a["confidence"] for a in seed] for seed in seeds])
    low, high = measures.bootstrap(np.mean, right.mean(0), level=CONFIDENCE_LEVEL)
    each = [(c, r.astype(bool)) for c, r in zip(sure, right, strict=True)]
    seconds = float(np.mean([[a["seconds"] for a in seed] for seed in seeds]))
    return {
        "n": right.shape[1],
        "accuracy": float(right.mean()),
        "low": low,
        "high": high,
        "accuracy by seed": right.mean(1).tolist(),
        "no answer": float(np.mean([[a["none"] for a in seed] for seed in seeds])),
        "tokens": float(np.mean([[a["tokens"] for a in seed] for seed in seeds])),
        "ms": None if np.isnan(seconds) else 1000 * seconds,
        "ece": float(np.mean([measures.ece(c, r) for c, r in each])),
        "aurc": float(np.mean([measures.aurc(c, r) for c, r in each])),
        **{
            f"accuracy at {c:.0%}": float(np.mean([measures.accuracy_at(s, r, c) for s, r in each]))
            for c in measures.COVERAGES
        },
    }


def _differences(trials: Trials) -> list[dict]:
    """By how much answer-first is right more often than each other arm on the same questions, by suite and task and
    over all tasks of a suite. Means over the seeds; the interval is drawn over questions and knows nothing of how far
    seeds are apart. An arm that was not asked every task yet is left out."""
    right: dict[tuple[str, str], dict[str, np.ndarray]] = defaultdict(dict)
    for (arm, suite, task), seeds in sorted(trials.answers.items()):
        right[arm, suite][task] = np.mean([[a["right"] for a in seed] for seed in seeds], 0)
    rows = []
    for (arm, suite), tasks in right.items():
        first = right.get((FIRST, suite), {})
        if arm == FIRST or first.keys() != tasks.keys():
            continue
        more = {task: first[task] - own for task, own in tasks.items()}
        if len(more) > 1:
            more["all"] = np.concatenate(list(more.values()))
        for task, by_question in more.items():
            low, high = measures.bootstrap(np.mean, by_question, level=CONFIDENCE_LEVEL)
            rows.append(
                {
                    "suite": suite,
                    "task": task,
                    "arm": arm,
                    "n": len(by_question),
                    "difference": float(by_question.mean()),
                    "low": low,
                    "high": high,
                }
            )
    return rows


def _having(key: str, value: object) -> Callable[[dict], bool]:
    return lambda line: line[key] == value


def _references(suite: str, task: str, lines: list[dict], published: dict | None) -> list[dict]:
    """What is known without any student of ours."""
    golds = Counter(line["gold"] for line in lines)
    rows = [{"name": "floor: the most frequent answer of the test", "accuracy": max(golds.values()) / len(lines)}]
    if all(line.get("options") for line in lines):
        rows.append({"name": "floor: a guess", "accuracy": float(np.mean([1 / line["options"] for line in lines]))})
    known = published or {"tasks": {}, "cite": ""}
    said, cite = known["tasks"].get(task, {}), known["cite"]
    if suite == said.get("suite"):
        note = {"note": said["note"]} if "note" in said else {}
        rows += [
            {"name": f"{name} ({cite})", "accuracy": percent / 100, **note}
            for name, percent in said["accuracy"].items()
        ]
    return [{"suite": suite, "task": task, **row} for row in rows]


def markdown(table: dict[str, list[dict]]) -> str:
    """The whole of each task, arm by arm, with the accuracy by stratum; then how far answer-first is from the others,
    and whether answers depend on their rationales."""
    lines = []
    for suite, task in sorted({(row["suite"], row["task"]) for row in table["arms"]}):
        own = [row for row in table["arms"] if (row["suite"], row["task"]) == (suite, task)]
        strata = [name for name in dict.fromkeys(row["stratum"] for row in own) if name != "all"]
        lines += [
            f"**{task}, {suite}** (n = {own[0]['n']}, seeds: "
            f"{' or '.join(map(str, sorted({row['seeds'] for row in own})))})",
            "",
            "| arm | accuracy (95%) | no answer | tokens | ms | ECE | AURC | at 50% | at 80% |"
            + "".join(f" {name} |" for name in strata),
            "|" + "---|" * (9 + len(strata)),
        ]
        for row in (row for row in own if row["stratum"] == "all"):
            by = {other["stratum"]: other["accuracy"] for other in own if other["arm"] == row["arm"]}
            ms = "-" if row["ms"] is None else f"{row['ms']:.1f}"
            lines.append(
                f"| {row['arm']} | {row['accuracy']:.3f} ({row['low']:.3f} to {row['high']:.3f}) | "
                f"{row['no answer']:.3f} | {row['tokens']:.1f} | "
                f"{ms} | {row['ece']:.3f} | {row['aurc']:.3f} | {row['accuracy at 50%']:.3f} | "
                f"{row['accuracy at 80%']:.3f} |"
                + "".join(f" {by[name]:.2f} |" if name in by else " - |" for name in strata)
            )
        for row in (row for row in table["references"] if (row["suite"], row["task"]) == (suite, task)):
            note = f"; {row['note']}" if "note" in row else ""
            lines.append(f"| {row['name']}{note} | {row['accuracy']:.3f} |{' |' * (7 + len(strata))}")
        lines.append("")
    if table["differences"]:
        lines += [
            f"**{FIRST} less the others**, on the same questions, means over the seeds.",
            "",
            "| arm | suite | task | n | difference (95%) |",
            "|---|---|---|---|---|",
        ]
        lines += [
            f"| {row['arm']} | {row['suite']} | {row['task']} | {row['n']} | {row['difference']:+.3f} "
            f"({row['low']:+.3f} to {row['high']:+.3f}) |"
            for row in table["differences"]
        ]
        lines.append("")
    if table["independence"]:
        lines += [
            "**Does the answer depend on its rationale?** Share of answers that change with another question's "
            "rationale, and "
            "with a corrupted one; `logits` is the largest change of a logit of an answer that stands first.",
            "",
            "| arm | asked | task | n | swapped | corrupted | logits |",
            "|---|---|---|---|---|---|---|",
        ]
        for row in table["independence"]:
            logits = f"{row['difference']:.1e}" if row["way"] == "first" else "-"
            lines.append(
                f"| {row['arm']} | {row['way']} | {row['task']} | {row['n']} | {row['swapped']:.3f} | "
                f"{row['corrupted']:.3f} | {logits} |"
            )
        lines.append("")
    return "\n".join(lines)
