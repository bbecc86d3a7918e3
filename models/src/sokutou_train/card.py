"""The model card: what a student is for, as its recipe says it, how it came about and how well it does, as the steps
measured it.

Measures nothing, and says no figure that is not in the work folder or in the card of the student before.
"""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from .bundle_files import Calibrated, Origin
from .loading import by_task
from .ship import bundle
from .work import Work

RETRAINED = "retrained.md"  # what `retrain` says of a student
HOW, WELL = "\n## How it came about\n", "\n## How well it does\n"
CALIBRATED = "- Each task is calibrated"  # begins the line that follows what was trained
TRUST = (
    "| task | int8 answers like fp32 | calibrated on | first answer, threshold | wrong | coverage | "
    "after thinking, threshold | wrong | coverage of the unsure |"
)


class CardError(ValueError):
    """The card of an earlier student is not one that was written here."""


def whole(work: Work, fitted: Mapping[str, Calibrated], parameters: int, origins: Sequence[Origin]) -> str:
    """Of a student whose graph answers all tasks."""
    risk, level = fitted[work.recipe.tasks[0].id]["risk"], fitted[work.recipe.tasks[0].id]["confidence_level"]
    rows = "".join(_trust(work, fitted).values())
    return f"""{_intro(work)}
{HOW}
- {parameters:,} parameters from {_trained(work, origins)}.
- int8 graph of {work.read_json("export.json")["bytes"]:,} bytes.
{CALIBRATED} on generated pairs of its own: a third fits, the others prove the thresholds.
- Risk bound of each task: at most {risk:.0%} wrong among auto-answers, with {level:.0%} confidence, on questions \
drawn like those.
  Where it could not be proved, nothing is answered that way.

{TRUST}
|{"---|" * (TRUST.count("|") - 1)}
{rows}
{_retrained(work)}{WELL.lstrip()}
Rates with 95% intervals. "Forced" takes the likeliest answer whatever the confidence; an auto-answer is also wrong \
when a person
should have been asked. Agreement says whether a rationale leads back to the answer. The rules themselves, as a \
program, are the
ceiling; always the commonest answer is the floor. Free answers are right only as a whole.

{_measured(work)}"""


def of_next(
    earlier: str, work: Work, fitted: Mapping[str, Calibrated], origins: Sequence[Origin], added: Sequence[str] = ()
) -> str:
    """The `earlier` card with what became of the recipe's tasks, which alone were taught further, are `added`, or were
    only calibrated anew. Raises `CardError`."""
    try:
        _, rest = earlier.split(HOW)
        how, well = rest.split(WELL)
    except ValueError as err:
        raise CardError(f"expected the earlier card to have {HOW.strip()!r} and {WELL.strip()!r} once") from err
    tasks = [task.id for task in work.recipe.tasks]
    rows = _trust(work, fitted)
    further = [task for task in tasks if task not in added and task not in work.kept]
    said = ""
    if further or added:
        done = [
            f"{' and '.join(ids)} {what}" for ids, what in ((further, "alone taught further"), (added, "added")) if ids
        ]
        said = (
            f"- {work.recipe.version}: {', '.join(done)}, from {_trained(work, origins)}. "
            f"Answered by\n"
            f"  {bundle.task_graph_name(work.recipe)}, {work.read_json('export.json')['bytes']:,} bytes, since.\n"
        )
    for task in tasks:
        if task in work.kept or fitted[task].get("groups"):
            said += f"- {work.recipe.version}: {_bound(task, fitted[task])}.\n"
    said += f"- {work.recipe.version}: all other tasks as before, to the byte.\n"
    how = _once(how, rf"(?m)^(?={CALIBRATED})", said)
    for task in (*further, *work.kept):
        how = _once(how, rf"(?m)(?:^\| {re.escape(task)}(?:, [^|\n]*)? \|.*\n)+", rows[task])
    for task in added:  # below the last row of the table
        how = _once(how, r"(?ms)^\|[^\n]*\n(?!.*^\|)", rows[task], behind=True)
    sections = {section.split("\n", 1)[0].removeprefix("### "): section for section in _sections(_measured(work))}
    for task in (*further, *work.kept):
        well = _once(well, rf"(?ms)^### {re.escape(task)}\n.*?(?=^### |\Z)", f"{sections[task].strip()}\n\n")
    well = "\n\n".join([well.rstrip(), *(sections[task].strip() for task in added)])
    return f"{_intro(work)}\n{HOW}{how.rstrip()}\n\n{_retrained(work)}{WELL.lstrip()}{well.rstrip()}\n"


def _intro(work: Work) -> str:
    return f"# {work.recipe.id} {work.recipe.version}\n\n{work.recipe.card.read_text(encoding='utf-8').strip()}"


def _trained(work: Work, origins: Sequence[Origin]) -> str:
    """Where the weights started, how long they were trained, and on what."""
    models = [f"{origin['name']} ({origin['licence']})" for origin in origins if origin["kind"] == "model"]
    time = work.read_json("time.json")
    last = json.loads((work.folder / "curve.jsonl").read_text().splitlines()[-1])
    versions = ", ".join(f"{name} {version}" for name, version in time["versions"].items())
    return (
        f"{' and '.join(models) or 'scratch'}, {last['step']} steps in {time['seconds'] / 60:.0f} minutes on "
        f"{time['processor']}\n"
        f"  with {time['threads']} CPU threads, finished on {time['date']} (UTC), with {versions}"
    )


def _measured(work: Work) -> str:
    return (work.folder / "evaluation.md").read_text(encoding="utf-8")


def _sections(measured: str) -> list[str]:
    return re.split(r"(?m)^(?=### )", measured)[1:]


def _retrained(work: Work) -> str:
    path = work.folder / RETRAINED
    return f"{path.read_text(encoding='utf-8')}\n" if path.exists() else ""


def _once(text: str, pattern: str, put: str, behind: bool = False) -> str:
    """`put` in place of what matches, or `behind` it."""
    found, count = re.subn(pattern, lambda match: match[0] + put if behind else put, text)
    if count != 1:
        raise CardError(f"expected the earlier card to match {pattern!r} once, it does {count} times")
    return found


def _bound(task: str, fitted: Calibrated) -> str:
    risk = f"at most {fitted['risk']:.2%} wrong among auto-answers, with {fitted['confidence_level']:.0%} confidence"
    return f"{task} calibrated anew: {risk}{', in each of its groups' if fitted.get('groups') else ''}"


def _trust(work: Work, fitted: Mapping[str, Calibrated]) -> dict[str, str]:
    """By task, its rows of the table `TRUST`: one, or one of each group."""
    taught = tuple(task for task in work.recipe.tasks if task.id not in work.kept)
    own = dataclasses.replace(work, recipe=dataclasses.replace(work.recipe, tasks=taught))
    gates = by_task(own, "export", work.read_json("export.json").get("tasks", {})) if taught else {}
    rows = {}
    for task in work.recipe.tasks:
        gate = "as before"
        if task.id in gates:
            gate = f"{gates[task.id]['int8_same_answer']:.1%} of {gates[task.id]['pairs']}"
        found = fitted[task.id]
        groups = found.get("groups") or [{"name": "", **found}]
        rows[task.id] = "".join(_row(task.id, gate, group) for group in groups)
    return rows


def _row(task: str, gate: str, found: Mapping[str, Any]) -> str:
    cells = [f"{task}, {found['name']}" if found["name"] else task, gate, str(found["n"])]
    for way, walk in (("first", found["first"]), ("think", found["think"])):
        none = "thinks first" if way == "first" and found.get("think_first") else "not proved"
        cells += (
            [f"{walk['threshold']:.3f}", f"{walk['errors']} of {walk['n']}", f"{walk['coverage']:.1%}"]
            if walk["n"]
            else [none, "-", "-"]
        )
    return f"| {' | '.join(cells)} |\n"
