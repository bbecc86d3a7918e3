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

import json
import multiprocessing
import os
from collections.abc import Callable, Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import torch
from tokenizers import Tokenizer

from . import card, disk
from .distil import base, train
from .distil.sequences import Encoder
from .recipe import Recipe
from .ship import bundle, calibrate, evaluate, export, reference
from .ship.decode import Answerer, decoders


@dataclass(frozen=True)
class Work:
    """One student's work folder, and where its results go."""

    recipe: Recipe
    folder: Path
    out: Path  # holds the bundle folder
    reference: Path
    rows: Mapping[str, Path] = field(default_factory=dict)  # by task, its own real rows, to measure on
    others: tuple[str, ...] = ()  # questions of other kinds, to measure on
    keep_fp32: tuple[str, ...] = ()  # matrices that are not quantized

    @property
    def model(self) -> Path:
        return self.folder / "model.onnx"

    @property
    def tokenizer(self) -> Path:
        return self.folder / "tokenizer.json"

    @property
    def checkpoint(self) -> Path:
        return self.folder / "checkpoint.pt"

    @property
    def weights(self) -> Path:
        """What a next student starts from: the checkpoint, or where the folder is a bundle the graph. Raises
        `ValueError` where several graphs answer the tasks."""
        if not base.is_bundle(self.folder):
            return self.checkpoint
        first, *more = sorted(set(self.graphs().values()))
        if more:
            said = "; ".join(
                f"{graph.name} answers {', '.join(task for task, own in self.graphs().items() if own == graph)}"
                for graph in (first, *more)
            )
            raise ValueError(f"{self.folder} has several graphs ({said}): name the tasks of one with --task")
        return first

    def graphs(self) -> dict[str, Path]:
        """By task, the file with the graph that answers it."""
        if not base.is_bundle(self.folder):
            return {task.id: self.model for task in self.recipe.tasks}
        said = self.load(base.MANIFEST)["tasks"]
        named = self.by_task(
            "pack", {task["id"]: task.get("graph", base.GRAPH) for task in said}
        )  # format 2 had one, and did not name it
        return {task.id: self.folder / named[task.id] for task in self.recipe.tasks}

    @property
    def bundle(self) -> Path:
        return self.out / f"{self.recipe.id}-{self.recipe.version}"

    def encoder(self) -> Encoder:
        text = self.tokenizer.read_text(
            encoding="utf-8"
        )  # a file that is missing is named; `Tokenizer.from_file` does not
        return Encoder(Tokenizer.from_str(text), self.recipe.free)

    def answerers(self) -> list[Answerer]:
        """Of each task, in the recipe's order; those of one graph share it."""
        opened, encoder = decoders(self.graphs()), self.encoder()
        return [Answerer(opened[task.id], encoder, task) for task in self.recipe.tasks]

    def load(self, name: str) -> dict:
        return json.loads((self.folder / name).read_text(encoding="utf-8"))

    def fitted(self) -> dict:
        """What `calibrate` found of each task, by its id, as the work folder or the bundle's manifest has it."""
        if base.is_bundle(self.folder):
            return self.by_task(
                "calibrate", {task["id"]: task["calibration"] for task in self.load(base.MANIFEST)["tasks"]}
            )
        return self.by_task("calibrate", self.load("calibration.json"))

    def by_task(self, step: str, found: dict) -> dict:
        """What `step` found of each task, by its id. Raises `ValueError` where it ran before the recipe had one of
        them."""
        missing = [task.id for task in self.recipe.tasks if task.id not in found]
        if missing:
            raise ValueError(f"{self.folder} holds nothing that `{step}` found of {', '.join(missing)}: run it again")
        return found

    def save(self, name: str, value: dict) -> None:
        disk.write(self.folder / name, json.dumps(value, ensure_ascii=False, indent=2) + "\n")


def train_step(work: Work) -> None:
    train.run(work.recipe, work.folder)


def export_step(work: Work) -> None:
    encoder = work.encoder()
    measured = export.export(train.load(work.checkpoint), encoder, work.recipe, work.model, work.keep_fp32)
    work.save("export.json", measured)
    print(f"model.onnx: {measured['bytes']} bytes; {export.said(measured)}")


def calibrate_step(work: Work) -> None:
    def fit(answerer: Answerer) -> dict:
        return calibrate.calibrate(answerer, work.recipe.sizes_of(answerer.task), work.recipe.plan.seed).asdict()

    fitted = _of_each_task(work, fit)
    for task, found in fitted.items():
        for name in ("first", "think"):
            walk = found[name]
            print(
                f"{task}, {name}: threshold {walk['threshold']:.4f}, {walk['errors']} errors in {walk['n']} "
                f"auto-answers, "
                f"coverage {walk['coverage']:.1%}"
            )
    work.save("calibration.json", fitted)


def evaluate_step(work: Work) -> None:
    fitted = work.fitted()

    def measure(answerer: Answerer) -> dict:
        task = answerer.task
        return evaluate.evaluate(
            answerer,
            calibrate.calibration(fitted[task.id]),
            work.recipe.sizes_of(task),
            work.recipe.plan.seed,
            work.rows.get(task.id),
            work.others,
        )

    measured = _of_each_task(work, measure)
    work.save("evaluation.json", measured)
    tables = evaluate.markdown(measured)
    disk.write(work.folder / "evaluation.md", tables)
    print(tables)


_measure: Callable[[int], dict]


def _of_each_task(work: Work, measure: Callable[[Answerer], dict]) -> dict[str, dict]:
    """What is measured of each task, by its id. A task takes one core, so as many are measured at once as there are
    cores."""
    global _measure

    def at(place: int) -> dict:
        return measure(work.answerers()[place])

    _measure = at  # functions are not sent to processes; those that are forked have them
    tasks = [task.id for task in work.recipe.tasks]
    with ProcessPoolExecutor(min(len(tasks), os.cpu_count() or 1), multiprocessing.get_context("fork")) as pool:
        return dict(zip(tasks, pool.map(_measured, range(len(tasks))), strict=True))


def _measured(place: int) -> dict:
    return _measure(place)


def plots_step(work: Work) -> None:
    from .ship import plots  # a quarter of a second that no other step need wait for

    for path in plots.draw(work.folder):
        print(f"drew {path}")


def pack_step(work: Work) -> None:
    fitted = work.fitted()
    student, origins = base.restored(torch.load(work.checkpoint, map_location="cpu", weights_only=True))
    text = card.whole(work, fitted, sum(p.numel() for p in student.parameters()), origins)
    bundle.pack(
        work.bundle,
        work.model,
        work.tokenizer,
        student.g,
        work.recipe,
        work.answerers(),
        fitted,
        text,
        origins,
        work.load("export.json").get("fp32_matrices", ()),
    )
    print(f"packed {work.bundle}")


def graft_step(work: Work, earlier: Path) -> None:
    """Packs the bundle in `earlier` anew, with the recipe's tasks answered by the student in the work folder."""
    fitted = work.fitted()
    _, origins = base.restored(torch.load(work.checkpoint, map_location="cpu", weights_only=True))
    text = card.with_task_graph((earlier / "card.md").read_text(encoding="utf-8"), work, fitted, origins)
    bundle.add_task_graph(
        work.bundle,
        earlier,
        work.model,
        work.recipe,
        work.answerers(),
        fitted,
        text,
        origins,
        work.load("export.json").get("fp32_matrices", ()),
    )
    print(f"packed {work.bundle}")


def reference_step(work: Work) -> None:
    reference.write(work.reference, work.graphs(), work.tokenizer, work.recipe)
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
