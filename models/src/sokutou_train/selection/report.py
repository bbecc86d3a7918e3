"""What a selection did, task by task: as JSON for machines and as a table for people. Decides nothing."""

from __future__ import annotations

from collections import Counter
from typing import Any

from .verdicts import REASONS, Selection

EXAMPLES = 10  # ids shown of each reason: as many as somebody will look up


def report(selection: Selection) -> dict[str, Any]:
    """For JSON. For every task `read` is `kept` and all of `dropped` together."""
    tasks = {}
    for task in sorted({verdict.pair.task for verdict in selection.verdicts}):
        verdicts = [verdict for verdict in selection.verdicts if verdict.pair.task == task]
        kept = [pair for pair in selection.kept if pair.task == task]
        why = {reason: [verdict.pair.id for verdict in verdicts if verdict.dropped == reason] for reason in REASONS}
        weights = [pair.weight for pair in kept]
        tasks[task] = {
            "read": len(verdicts),
            "kept": len(kept),
            "questions": len({pair.asked for pair in kept}),
            "without_rationale": sum(pair.rationale is None for pair in kept),
            "dropped": {reason: len(ids) for reason, ids in why.items() if ids},
            "examples": {reason: ids[:EXAMPLES] for reason, ids in why.items() if ids},
            "concluded": dict(Counter(one.concluded.value for one in verdicts if one.concluded and not one.dropped)),
            "near_test": sum(found.task == task for found in selection.near_tests),
            "weights": {"min": min(weights), "mean": sum(weights) / len(weights), "max": max(weights)}
            if weights
            else None,
            "difficulty": {
                str(steps): count for steps, count in sorted(Counter(pair.difficulty for pair in kept).items())
            },
        }
    near = [
        {"task": found.task, "question": found.asked, "test": found.test, "jaccard": found.jaccard}
        for found in selection.near_tests
    ]
    return {"tasks": tasks, "near_tests": near}


def table(report: dict[str, Any]) -> str:
    lines = [
        "task                           read   kept  questions  near a test     weights min/mean/max  difficulty "
        "(pairs)"
    ]
    for task, said in report["tasks"].items():
        weights = "{min:.3f} / {mean:.3f} / {max:.3f}".format(**said["weights"]) if said["weights"] else "-"
        steps = " ".join(f"{step}:{count}" for step, count in said["difficulty"].items()) or "-"
        lines.append(
            f"{task:28} {said['read']:6} {said['kept']:6} {said['questions']:10} {said['near_test']:12}"
            f"  {weights:>23}  {steps}"
        )
    lines += ["", "dropped                            pairs  task                          for example"]
    for reason in REASONS:
        lines += [
            f"{reason:32} {count:7}  {task:28}  {', '.join(said['examples'][reason][:2])}"
            for task, said in report["tasks"].items()
            if (count := said["dropped"].get(reason))
        ]
    return "\n".join(lines)
