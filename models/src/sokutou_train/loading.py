"""Loads what the steps left in a work folder, or what a bundle holds instead: weights, graphs, calibration.

Writes nothing.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import TypeVar, cast

from tokenizers import Tokenizer

from .bundle_files import GRAPH, Calibrated, is_bundle, read_manifest
from .distil.sequences import Encoder
from .ship.decode import Answerer, decoders
from .work import Work

Found = TypeVar("Found")


def held(work: Work) -> Work:
    """The same work, of those of its tasks that the student in its folder has: a bundle may have fewer."""
    if not is_bundle(work.folder):
        return work
    packed = {task["id"] for task in read_manifest(work.folder)["tasks"]}
    tasks = tuple(task for task in work.recipe.tasks if task.id in packed)
    return dataclasses.replace(work, recipe=dataclasses.replace(work.recipe, tasks=tasks, shares=()))


def weights(work: Work) -> Path:
    """What a next student starts from: the checkpoint, or where the folder is a bundle the graph that answers the
    tasks; for tasks that are all new to it, the graph of its first task. Raises `ValueError` where several graphs
    answer the tasks."""
    if not is_bundle(work.folder):
        return work.checkpoint
    by_task = graphs(held(work))
    if not by_task:
        return work.folder / read_manifest(work.folder)["tasks"][0].get("graph", GRAPH)
    first, *more = sorted(set(by_task.values()))
    if more:
        said = "; ".join(
            f"{graph.name} answers {', '.join(task for task, own in by_task.items() if own == graph)}"
            for graph in (first, *more)
        )
        raise ValueError(f"{work.folder} has several graphs ({said}): name the tasks of one with --task")
    return first


def graphs(work: Work) -> dict[str, Path]:
    """By task, the file with the graph that answers it."""
    if not is_bundle(work.folder):
        return {task.id: work.kept.get(task.id, work.model) for task in work.recipe.tasks}
    said = read_manifest(work.folder)["tasks"]
    # Format 2 had one graph, and did not name it.
    named = by_task(work, "pack", {task["id"]: task.get("graph", GRAPH) for task in said})
    return {task.id: work.folder / named[task.id] for task in work.recipe.tasks}


def encoder(work: Work) -> Encoder:
    # A file that is missing is named; `Tokenizer.from_file` does not name it.
    text = work.tokenizer.read_text(encoding="utf-8")
    return Encoder(Tokenizer.from_str(text), work.recipe.free)


def answerers(work: Work) -> list[Answerer]:
    """Of each task, in the recipe's order; those of one graph share it."""
    opened, own = decoders(graphs(work)), encoder(work)
    return [Answerer(opened[task.id], own, task) for task in work.recipe.tasks]


def fitted(work: Work) -> dict[str, Calibrated]:
    """What `calibrate` found of each task, by its id, as the work folder or the bundle's manifest has it."""
    if is_bundle(work.folder):
        said = read_manifest(work.folder)["tasks"]
        return by_task(work, "calibrate", {task["id"]: cast("Calibrated", task["calibration"]) for task in said})
    return by_task(work, "calibrate", work.read_json("calibration.json"))


def by_task(work: Work, step: str, found: Mapping[str, Found]) -> dict[str, Found]:
    """What `step` found of each task, by its id. Raises `ValueError` where it ran before the recipe had one of
    them."""
    missing = [task.id for task in work.recipe.tasks if task.id not in found]
    if missing:
        raise ValueError(f"{work.folder} holds nothing that `{step}` found of {', '.join(missing)}: run it again")
    return dict(found)
