"""The steps from nothing to a bundle, as they stand in one work folder. Each reads files of the steps before and writes its own.

    train      -> tokenizer.json, checkpoint.pt, curve.jsonl, time.json
    export     -> model.onnx, export.json
    calibrate  -> calibration.json
    evaluate   -> evaluation.json, evaluation.md
    plots      -> loss.svg, reliability.svg, risk.svg
    pack       -> <out>/<task>-<version>/
    reference  -> reference_logits.json, for the runtime's tests
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from tokenizers import Tokenizer

from .distil import base, train
from .distil.sequences import Encoder
from .ship import bundle, calibrate, evaluate, export, reference
from .ship.decode import Answerer
from .task import Task


@dataclass(frozen=True)
class Work:
    """One task's work folder, and where its results go."""

    task: Task
    folder: Path
    out: Path  # holds the bundle folder
    reference: Path
    table: Path | None = None  # the task's own real rows, to measure on
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
    def bundle(self) -> Path:
        return self.out / f"{self.task.id}-{self.task.version}"

    def answerer(self) -> Answerer:
        return Answerer(self.model, Tokenizer.from_file(str(self.tokenizer)), self.task)

    def load(self, name: str) -> dict:
        return json.loads((self.folder / name).read_text(encoding="utf-8"))

    def save(self, name: str, value: dict) -> None:
        (self.folder / name).write_text(json.dumps(value, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")


def train_step(work: Work) -> None:
    train.run(work.task, work.task.plan, work.folder)


def export_step(work: Work) -> None:
    encoder = Encoder(Tokenizer.from_file(str(work.tokenizer)))
    measured = export.export(train.load(work.checkpoint), encoder, work.task, work.model, work.keep_fp32)
    work.save("export.json", measured)
    print(f"model.onnx: {measured['bytes']} bytes; {export.said(measured)}")


def calibrate_step(work: Work) -> None:
    fitted = calibrate.calibrate(work.answerer(), work.task.sizes).asdict()
    work.save("calibration.json", fitted)
    for name in ("first", "think"):
        walk = fitted[name]
        print(f"{name}: threshold {walk['threshold']:.4f}, {walk['errors']} errors in {walk['n']} auto-answers, "
              f"coverage {walk['coverage']:.1%}")


def evaluate_step(work: Work) -> None:
    calibration = calibrate.calibration(work.load("calibration.json"))
    measured = evaluate.evaluate(work.answerer(), calibration, work.table, work.others)
    work.save("evaluation.json", measured)
    table = evaluate.markdown(measured)
    (work.folder / "evaluation.md").write_text(table, encoding="utf-8")
    print(table)


def plots_step(work: Work) -> None:
    from .ship import plots  # a quarter of a second that no other step need wait for

    for path in plots.draw(work.folder):
        print(f"drew {path}")


def pack_step(work: Work) -> None:
    fitted = work.load("calibration.json")
    student, origins = base.restored(torch.load(work.checkpoint, weights_only=True))
    card = _card(work, fitted, sum(p.numel() for p in student.parameters()), origins)
    bundle.pack(work.bundle, work.model, work.tokenizer, student.g, work.answerer(), fitted, card, origins,
                work.load("export.json").get("fp32_matrices", ()))
    print(f"packed {work.bundle}")


def reference_step(work: Work) -> None:
    reference.write(work.reference, work.model, work.tokenizer, work.task)
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


def _card(work: Work, fitted: dict, parameters: int, origins: Sequence[dict]) -> str:
    """What the student is for, how it came about and how well it does."""
    start = " and ".join(f"{origin['name']} ({origin['licence']})" for origin in origins) or "scratch"
    task, time, exported = work.task, work.load("time.json"), work.load("export.json")
    last = json.loads((work.folder / "curve.jsonl").read_text().splitlines()[-1])
    minutes, threads = time["seconds"] / 60, time["threads"]
    size, same, pairs = exported["bytes"], exported["int8_same_answer"], exported["pairs"]
    first, think = fitted["first"], fitted["think"]
    measured = (work.folder / "evaluation.md").read_text(encoding="utf-8")
    return f"""# {task.id} {task.version}

{task.card.read_text(encoding="utf-8").strip()}

## How it came about

- {parameters:,} parameters from {start}, {last["step"]} steps in {minutes:.0f} minutes on {threads} CPU threads.
- int8 graph of {size:,} bytes, with the first answer of fp32 on {same:.1%} of {pairs} pairs.
- Calibrated on {fitted["n"]} generated pairs of their own: a third fits, the others prove the thresholds.
- Promise: at most {fitted["risk"]:.0%} wrong among auto-answers, with {fitted["confidence_level"]:.0%} confidence, on questions
  drawn like those.
  First answer: {first["errors"]} wrong of {first["n"]}, at {first["coverage"]:.1%} coverage.
  After thinking: {think["errors"]} wrong of {think["n"]}, at {think["coverage"]:.1%} coverage of the unsure.

## How well it does

Rates with 95% intervals. "Forced" takes the likeliest choice whatever the confidence; an auto-answer is also wrong when a person
should have been asked. Agreement says whether a rationale leads back to the answer. The rules themselves, as a program, are the
ceiling; always the commonest answer is the floor.

{measured}"""
