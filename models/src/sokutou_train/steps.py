"""The steps from nothing to a bundle, as they stand in one work folder. Each reads files of the steps before and writes
its own.

train      -> tokenizer.json, checkpoint.pt, curve.jsonl, time.json
export     -> model.onnx, export.json
calibrate  -> calibration.json
evaluate   -> evaluation.json, evaluation.md
plots      -> loss.svg, and reliability-TASK.svg and risk-TASK.svg of each task
pack       -> <out>/<recipe>-<version>/
reference  -> reference_logits.json, for the runtime's tests
"""

from __future__ import annotations

import dataclasses
import multiprocessing
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

import torch

from . import card, disk, loading
from .distil import base, train
from .ship import bundle, calibrate, evaluate, export, reference
from .task import Group
from .work import Work

Found = TypeVar("Found")


def train_step(work: Work) -> None:
    train.run(work.recipe, work.folder)


def export_step(work: Work) -> None:
    encoder = loading.encoder(work)
    measured = export.export(train.load(work.checkpoint), encoder, work.recipe, work.model, work.keep_fp32)
    work.write_json("export.json", measured)
    print(f"model.onnx: {measured['bytes']} bytes; {export.said(measured)}")


def calibrate_step(work: Work) -> None:
    tasks = work.recipe.tasks
    jobs = [(place, group) for place, task in enumerate(tasks) for group in task.groups or (None,)]
    found = list(zip(jobs, _at_once(work, _fit, jobs), strict=True))
    fitted = {
        task.id: calibrate.as_manifest(task, work.recipe.sizes_of(task), [one for (at, _), one in found if at == place])
        for place, task in enumerate(tasks)
    }
    for (place, group), one in found:
        name = f"{tasks[place].id}, {group.name}" if group else tasks[place].id
        for way, walk in (("first", one.first), ("think", one.think)):
            print(
                f"{name}, {way}: threshold {walk.threshold:.4f}, {walk.errors} errors in {walk.n} auto-answers, "
                f"coverage {walk.coverage:.1%}"
            )
    work.write_json("calibration.json", fitted)


def _fit(work: Work, place: int, group: Group | None) -> calibrate.Fitted:
    answerer = loading.answerers(work)[place]
    return calibrate.calibrate(answerer, work.recipe.sizes_of(answerer.task), work.recipe.plan.seed, group)


def evaluate_step(work: Work) -> None:
    loading.fitted(work)  # missing is better said before anything is measured
    tasks = [task.id for task in work.recipe.tasks]
    measured = dict(zip(tasks, _at_once(work, _measure, [(place,) for place in range(len(tasks))]), strict=True))
    work.write_json("evaluation.json", measured)
    tables = evaluate.markdown(measured)
    disk.write(work.folder / "evaluation.md", tables)
    print(tables)


def _measure(work: Work, place: int) -> dict[str, Any]:
    answerer = loading.answerers(work)[place]
    task = answerer.task
    return evaluate.evaluate(
        answerer,
        calibrate.calibration(loading.fitted(work)[task.id]),
        work.recipe.sizes_of(task),
        work.recipe.plan.seed,
        work.rows.get(task.id),
        work.others,
    )


def _at_once(work: Work, measure: Callable[..., Found], jobs: Sequence[tuple[Any, ...]]) -> list[Found]:
    """What is measured of each. A job takes one core, so as many are done at once as there are cores."""
    # Forked processes need not import PyTorch again, which takes seconds.
    with ProcessPoolExecutor(min(len(jobs), os.cpu_count() or 1), multiprocessing.get_context("fork")) as pool:
        return [one.result() for one in [pool.submit(measure, work, *job) for job in jobs]]


def plots_step(work: Work) -> None:
    from .ship import plots  # a quarter of a second that no other step need wait for

    for path in plots.draw(work.folder):
        print(f"drew {path}")


def pack_step(work: Work) -> None:
    fitted = loading.fitted(work)
    student, origins = base.restored(torch.load(work.checkpoint, map_location="cpu", weights_only=True))
    text = card.whole(work, fitted, sum(p.numel() for p in student.parameters()), origins)
    bundle.pack(
        work.bundle,
        work.model,
        work.tokenizer,
        student.g,
        work.recipe,
        loading.answerers(work),
        fitted,
        text,
        origins,
        work.read_json("export.json").get("fp32_matrices", ()),
    )
    print(f"packed {work.bundle}")


def next_bundle_step(work: Work, earlier: Path) -> None:
    """Packs the bundle in `earlier` anew: with the tasks that the student in the work folder was taught, and with those
    that were only calibrated anew, whose graphs are kept."""
    fitted = loading.fitted(work)
    taught = [task.id for task in work.recipe.tasks if task.id not in work.kept]
    origins = base.restored(torch.load(work.checkpoint, map_location="cpu", weights_only=True))[1] if taught else []
    had = {task.id for task in loading.held(dataclasses.replace(work, folder=earlier)).recipe.tasks}
    added = [task for task in taught if task not in had]
    text = card.of_next((earlier / "card.md").read_text(encoding="utf-8"), work, fitted, origins, added)
    bundle.next_bundle(
        work.bundle,
        earlier,
        work.model if taught else None,
        taught,
        work.recipe,
        loading.answerers(work),
        fitted,
        text,
        origins,
        work.read_json("export.json").get("fp32_matrices", ()) if taught else (),
    )
    print(f"packed {work.bundle}")


def reference_step(work: Work) -> None:
    reference.write(work.reference, loading.graphs(work), work.tokenizer, work.recipe)
    print(f"wrote {work.reference}")


def distil(work: Work) -> None:
    for step in (train_step, export_step, calibrate_step, evaluate_step, plots_step, pack_step, reference_step):
        step(work)


STEPS: dict[str, tuple[Callable[[Work], None], str]] = {
    "distil": (distil, "all steps, one after the other"),
    "train": (train_step, "train the student; resumes where it stopped"),
    "export": (export_step, "write the int8 graph, and check it against PyTorch"),
    "calibrate": (calibrate_step, "fit temperature, weights and thresholds on the int8 graph"),
    "evaluate": (evaluate_step, "measure on test pairs and, if given, on real rows and other questions"),
    "plots": (plots_step, "draw loss, reliability, and risk against coverage, of what has been measured so far"),
    "pack": (pack_step, "write the bundle folder"),
    "reference": (reference_step, "write the logits that the runtime's tests compare with"),
}
