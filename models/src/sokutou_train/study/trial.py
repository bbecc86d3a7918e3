"""One trial of a study: one arm and one seed, trained on the study's budget and asked every question of its suites.

A trial's folder: `trial.json` (config, arm, seed, data digests, what the base came from), `tokenizer.json`,
`checkpoint.pt`, `curve.jsonl`, and then, one after the other, `time.json`, `answers.jsonl`, `routes.jsonl` with
`gate.json` (where both orders are taught), `independence.json` (where rationales are). A trial that was stopped goes on
at its last checkpoint or at the first of these that is missing. Late in training the student is looked at on the dev
split, by its loss alone; the best is the one asked.
"""

from __future__ import annotations

import itertools
import json
import random
import tempfile
import time
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from pathlib import Path

import onnx
import torch
from tokenizers import Tokenizer
from torch import Tensor
from tqdm import tqdm

from .. import disk
from ..distil import base, compute, train
from ..distil.base import Base
from ..distil.sequences import EMPTY, Encoder, Sequence
from ..distil.student import Geometry, Student
from ..distil.vocabulary import ANSWER, THINK
from ..pair import Pair
from ..selection import answers
from ..ship import export
from . import arms, gate, independence, soft_prompt
from .asking import Asker
from .config import Config
from .data import Data

LOOKS = 3  # at the dev split, evenly spread over the second half of the steps
LOOKED_AT = {"first": Encoder.first, "think": Encoder.think}  # by the way that is asked


def run(config: Config, data: Data, arm_name: str, seed: int, folder: Path) -> Path:
    """Returns the path of the answers."""
    arm = arms.ARMS[arm_name]
    said, routes, independent = folder / "answers.jsonl", folder / "routes.jsonl", folder / "independence.json"
    results = [said, *([routes] if len(arm.asked) == 2 else []), *([independent] if arm.explains else [])]
    if all(path.exists() for path in results):
        return said
    folder.mkdir(parents=True, exist_ok=True)
    source = base.load(config.student.base) if config.student.base else None
    record = {
        "arm": arm_name,
        "seed": seed,
        "config": asdict(config),
        "base": source.origins if source else (),
        "data": data.said,
        "threads": torch.get_num_threads(),
    }
    disk.write(folder / "trial.json", json.dumps(record, ensure_ascii=False, indent=2) + "\n")
    encoder = Encoder(_tokenizer(config, data, source, folder), config.free)
    student, spent = _train(config, data, arm, seed, encoder, source, folder)
    disk.write(folder / "time.json", json.dumps(spent))
    # Asked on the exported fp32 graph: int8 is a matter of shipping, not of the method.
    with tempfile.TemporaryDirectory() as graphs:
        model = Path(graphs) / "fp32.onnx"
        onnx.save(export.graph(student, int8_embedding=False), model)
        asker = Asker(model, encoder, config.budget.rationale_tokens_max)
    if not said.exists():
        _write_lines(said, _ask(asker, data, arm, f"{arm_name} {seed}"))
    if routes in results and not routes.exists():
        lines = [json.loads(line) for line in said.read_text(encoding="utf-8").splitlines()]
        _write_lines(routes, _route(student, encoder, data, lines, seed, folder))
    if independent in results and not independent.exists():
        tests = [pair for name, pairs in data.suites.items() if name != "dev" for pair in pairs]
        rows = [row for way in arm.asked for row in independence.measure(asker, student, way, tests, data.answers)]
        disk.write(independent, json.dumps(rows, indent=1) + "\n")
    return said


def _train(
    config: Config, data: Data, arm: arms.Arm, seed: int, encoder: Encoder, source: Base | None, folder: Path
) -> tuple[Student, dict]:
    """The student of the best look, and what training took."""
    budget, shape = config.budget, config.student
    torch.manual_seed(seed)
    if source:
        student = base.transplant(source, encoder.tokenizer, None, shape.max_len)
    else:
        student = Student(
            Geometry.of_width(
                encoder.tokenizer.get_vocab_size(),
                shape.width,
                layers=shape.layers,
                hidden=shape.hidden,
                max_len=shape.max_len,
            )
        )
    student = student.to(compute.device())
    optimisers = train.make_optimisers(student, None, budget.muon_lr, budget.adam_lr, budget.weight_decay)
    checkpoint, chosen = folder / "checkpoint.pt", folder / "chosen.pt"
    start, drawn, read, seconds, best = 0, 0, 0, 0.0, None
    if checkpoint.exists():
        state = torch.load(checkpoint, map_location="cpu", weights_only=True)
        student.load_state_dict(state["student"])
        train.resume(optimisers, state)
        start, drawn, read, seconds, best = (
            state["step"],
            state["drawn"],
            state["read"],
            state["seconds"],
            state.get("best"),
        )
    looks = {round(budget.steps * (LOOKS + at) / (2 * LOOKS)) for at in range(1, LOOKS + 1)}
    dev = [
        (sequence, 1.0)
        for pair in data.suites["dev"]
        for way in arm.asked
        if len((sequence := LOOKED_AT[way](encoder, pair)).tokens) <= shape.max_len
    ]
    stream = itertools.islice(_sequences(data.train, arm, seed, encoder, shape.max_len), drawn, None)
    if student.device.type == "cpu":  # a GPU is done before all lengths are compiled
        train.compile_blocks(student)
    began = time.monotonic()
    for step in tqdm(
        range(start, budget.steps), initial=start, total=budget.steps, unit="step", desc=folder.name, mininterval=10
    ):
        rows: list[tuple[Sequence, float]] = []
        tokens = 0
        while tokens < budget.tokens:
            rows.append(next(stream))
            tokens += len(rows[-1][0].tokens)
        share = train.rate(step, budget.steps, budget.warmup_steps, budget.decay_share)
        total = train.descend(student, optimisers, share, _losses(student, arm, rows))
        drawn, read, done = drawn + len(rows), read + tokens, step + 1
        if done in looks or done % budget.checkpoint_every == 0 or done == budget.steps:
            point = {"step": done, "loss": total, "tokens": read}
            if done in looks:
                point["dev_loss"] = _dev_loss(student, dev)
                if best is None or point["dev_loss"] < best["dev_loss"]:
                    best = {"step": done, "dev_loss": point["dev_loss"]}
                    train.save(chosen, student, [])
            with (folder / "curve.jsonl").open("a") as curve:
                curve.write(json.dumps(point) + "\n")
            train.save(
                checkpoint,
                student,
                optimisers,
                step=done,
                drawn=drawn,
                read=read,
                best=best,
                seconds=seconds + time.monotonic() - began,
            )
    spent = {"train_seconds": seconds + time.monotonic() - began, "tokens_read": read, "chosen": best}
    asked = Student(student.g)  # questions come in every length; nothing is compiled for them
    asked.load_state_dict(
        torch.load(chosen, map_location="cpu", weights_only=True)["student"] if best else student.state_dict()
    )
    return asked.eval(), spent


@torch.no_grad()
def _dev_loss(student: Student, dev: list[tuple[Sequence, float]]) -> float:
    """Mean over the sequences that the arm is asked for, in plain cross entropy, whatever loss the arm is trained
    on."""
    with torch.compiler.set_stance("force_eager"):
        return sum(
            arms.loss(student, batch.to(student.device), arms.PLAIN).item() for batch in _batches(dev, student.device)
        ) / len(dev)


def _sequences(
    pairs: list[Pair], arm: arms.Arm, seed: int, encoder: Encoder, max_len: int
) -> Iterator[tuple[Sequence, float]]:
    """Pairs in another order each time through, each with its weight; one too long for the student is left out. Arms
    differ in what they make of a pair, not in which pairs come when."""
    for epoch in itertools.count():
        for pair in random.Random(f"{seed}-{epoch}").sample(pairs, len(pairs)):
            for teach in arm.teaches:
                sequence = teach(encoder, pair)
                if len(sequence.tokens) <= max_len:
                    yield sequence, pair.weight


def _losses(student: Student, arm: arms.Arm, rows: list[tuple[Sequence, float]]) -> Iterator[Tensor]:
    for batch in _batches(rows, student.device):
        with compute.bfloat16(student.device):
            loss = arms.loss(student, batch.to(student.device), arm) / len(rows)
        yield loss


def _batches(rows: list[tuple[Sequence, float]], device: torch.device) -> Iterator[arms.Batch]:
    return itertools.starmap(arms.batch, train.alike(rows, lambda row: row[0], (EMPTY, 0.0), device.type))


def _ask(asker: Asker, data: Data, arm: arms.Arm, title: str) -> Iterator[dict]:
    """Every question of every suite."""
    questions = [(suite, pair) for suite, pairs in data.suites.items() for pair in pairs]
    for suite, pair in tqdm(questions, f"{title}, asking", unit="question", mininterval=10):
        closed = data.answers.get(pair.task, ())
        yield {
            "suite": suite,
            "id": pair.id,
            "task": pair.task,
            "lang": pair.lang,
            "difficulty": pair.difficulty,
            "gold": pair.answer,
            "options": len(pair.letters or closed),
            **{way: asdict(asker.ask(pair, way, closed)) for way in arm.asked},
        }


def _route(
    student: Student, encoder: Encoder, data: Data, lines: list[dict], seed: int, folder: Path
) -> Iterator[dict]:
    """What the logistic gate and the soft prompts say to each question of the answers, in their order: `gate` and
    `soft` are probabilities that the first answer is enough, `fitted` marks the half of the dev split that both learned
    from."""
    asked = [(suite, pair) for suite, pairs in data.suites.items() for pair in pairs]
    if [pair.id for _, pair in asked] != [line["id"] for line in lines]:
        raise ValueError(f"{folder}: the answers are to other questions than the study's; was its file changed?")
    fitted = [at for at, (suite, pair) in enumerate(asked) if suite == "dev" and gate.in_fit_half(pair)]
    learned = set(fitted)
    right = [answers.same(line["first"]["answer"], line["gold"]) for line in lines]
    states = gate.last_states(student, [encoder.prompt(pair, ANSWER) for _, pair in asked])
    head = gate.fit(states[fitted], torch.tensor([right[at] for at in fitted]))
    disk.write(
        folder / "gate.json",
        json.dumps({"weights": head.weights.tolist(), "bias": head.bias, "fitted_on": len(fitted)}) + "\n",
    )
    # The prompts take room before a question; what a very long one says last is not read for them.
    questions = [encoder.text(pair.prompt)[: student.g.max_len - soft_prompt.PROMPT_TOKENS] for _, pair in asked]
    first, think = encoder.control[ANSWER], encoder.control[THINK]
    soft = soft_prompt.fit(
        student, [questions[at] for at in fitted], [first if right[at] else think for at in fitted], seed
    )
    chances = soft_prompt.chances(student, soft, questions, first, think)
    for at, ((suite, pair), sure, says) in enumerate(
        zip(asked, head.chances(states).tolist(), chances.tolist(), strict=True)
    ):
        yield {"suite": suite, "id": pair.id, "fitted": at in learned, "gate": sure, "soft": says}


def _tokenizer(config: Config, data: Data, source: Base | None, folder: Path) -> Tokenizer:
    """Learned on the training pairs, or cut to them out of the base's, and so the same for every arm and seed."""
    path = folder / "tokenizer.json"
    if not path.exists():
        texts = (text for pair in data.train for text in (pair.prompt, pair.rationale or ""))
        words = sorted({answer for answers in data.answers.values() for answer in answers})
        disk.write(path, base.vocabulary_of(source, texts, words, config.student.vocabulary).to_str(pretty=True))
    return Tokenizer.from_file(str(path))


def _write_lines(path: Path, lines: Iterable[dict]) -> None:
    disk.write(path, "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines))
