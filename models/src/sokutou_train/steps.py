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
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

import torch

from . import card, disk, loading
from .bundle_files import Calibrated
from .distil import base, train
from .ship import bundle, calibrate, evaluate, export, reference
from .ship.decode import Answerer
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
    fitted = _of_each_task(work, _fit)
    for task, found in fitted.items():
        for name, walk in (("first", found["first"]), ("think", found["think"])):
            print(
                f"{task}, {name}: threshold {walk['threshold']:.4f}, {walk['errors']} errors in {walk['n']} "
                f"auto-answers, "
                f"coverage {walk['coverage']:.1%}"
            )
    work.write_json("calibration.json", fitted)


def _fit(work: Work, answerer: Answerer) -> Calibrated:
    return calibrate.calibrate(answerer, work.recipe.sizes_of(answerer.task), work.recipe.plan.seed).asdict()


def evaluate_step(work: Work) -> None:
    loading.fitted(work)  # missing is better said before anything is measured
    measured = _of_each_task(work, _measure)
    work.write_json("evaluation.json", measured)
    tables = evaluate.markdown(measured)
    disk.write(work.folder / "evaluation.md", tables)
    print(tables)


def _measure(work: Work, answerer: Answerer) -> dict[str, Any]:
    task = answerer.task
    return evaluate.evaluate(
        answerer,
        calibrate.calibration(loading.fitted(work)[task.id]),
        work.recipe.sizes_of(task),
        work.recipe.plan.seed,
        work.rows.get(task.id),
        work.others,
    )


def _of_each_task(work: Work, measure: Callable[[Work, Answerer], Found]) -> dict[str, Found]:
    """What is measured of each task, by its id. A task takes one core, so as many are measured at once as there are
    cores."""
    tasks = [task.id for task in work.recipe.tasks]
    # Forked processes need not import PyTorch again, which takes seconds.
    with ProcessPoolExecutor(min(len(tasks), os.cpu_count() or 1), multiprocessing.get_context("fork")) as pool:
        found = [pool.submit(_measured, work, measure, place) for place in range(len(tasks))]
        return {task: one.result() for task, one in zip(tasks, found, strict=True)}


def _measured(work: Work, measure: Callable[[Work, Answerer], Found], place: int) -> Found:
    return measure(work, loading.answerers(work)[place])


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


def add_task_graph_step(work: Work, earlier: Path) -> None:
    """Packs the bundle in `earlier` anew, with the recipe's tasks answered by the student in the work folder."""
    fitted = loading.fitted(work)
    _, origins = base.restored(torch.load(work.checkpoint, map_location="cpu", weights_only=True))
    had = {task.id for task in loading.held(dataclasses.replace(work, folder=earlier)).recipe.tasks}
    added = [task.id for task in work.recipe.tasks if task.id not in had]
    text = card.with_task_graph((earlier / "card.md").read_text(encoding="utf-8"), work, fitted, origins, added)
    bundle.add_task_graph(
        work.bundle,
        earlier,
        work.model,
        work.recipe,
        loading.answerers(work),
        fitted,
        text,
        origins,
        work.read_json("export.json").get("fp32_matrices", ()),
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
