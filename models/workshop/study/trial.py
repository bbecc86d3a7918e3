"""One trial of a study: one arm and one seed, trained on the study's budget and asked every question of its suites.

A trial's folder: `trial.json` (config, arm, seed, data digests, what the base came from), `tokenizer.json`, `checkpoint.pt`, `curve.jsonl`, and at its end
`answers.jsonl`. A trial that was stopped goes on at its last checkpoint; one that has its answers is not touched again. The
student of the last step is the one asked: no checkpoint is chosen, so no split is looked at for it.
"""

from __future__ import annotations

import itertools
import json
import random
import tempfile
import time
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import onnx
import torch
from tokenizers import Tokenizer
from torch import Tensor
from tqdm import tqdm

from ..distil import base, train, vocabulary
from ..distil.base import Base
from ..distil.sequences import Encoder, Sequence
from ..distil.student import Geometry, Student
from ..pair import Pair
from ..ship import export
from . import arms
from .asking import Asker
from .config import Config
from .data import Data

# Padded tokens that are read at once; a step is cut into as many batches as it needs. Small ones pad less and stay in the cache.
BATCH_TOKENS = 1024


def run(config: Config, data: Data, arm_name: str, seed: int, folder: Path) -> Path:
    """Returns the path of the answers."""
    answers = folder / "answers.jsonl"
    if answers.exists():
        return answers
    folder.mkdir(parents=True, exist_ok=True)
    source = base.load(config.student.base) if config.student.base else None
    record = {"arm": arm_name, "seed": seed, "config": asdict(config), "base": source.origins if source else (), "data": data.said,
              "threads": torch.get_num_threads()}
    _write(folder / "trial.json", json.dumps(record, ensure_ascii=False, indent=2) + "\n")
    encoder = Encoder(_tokenizer(config, data, source, folder), open_answers=True)
    student, seconds, read = _train(config, data, arms.ARMS[arm_name], seed, encoder, source, folder)
    lines = _ask(student, encoder, data, arms.ARMS[arm_name], config.budget.rationale_tokens_max, f"{arm_name} {seed}")
    _write(folder / "time.json", json.dumps({"train_seconds": seconds, "tokens_read": read}))
    _write(answers, "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines))
    return answers


def _train(config: Config, data: Data, arm: arms.Arm, seed: int, encoder: Encoder, source: Base | None,
           folder: Path) -> tuple[Student, float, int]:
    budget, shape = config.budget, config.student
    torch.manual_seed(seed)
    if source:
        student = base.transplant(source, encoder.tokenizer, None, shape.max_len)
    else:
        student = Student(Geometry.of_width(encoder.tokenizer.get_vocab_size(), shape.width, layers=shape.layers,
                                            hidden=shape.hidden, max_len=shape.max_len))
    optimisers = train.make_optimisers(student, None, budget.muon_lr, budget.adam_lr, budget.weight_decay)
    checkpoint, start, drawn, read, seconds = folder / "checkpoint.pt", 0, 0, 0, 0.0
    if checkpoint.exists():
        state = torch.load(checkpoint, weights_only=True)
        student.load_state_dict(state["student"])
        train.resume(optimisers, state)
        start, drawn, read, seconds = state["step"], state["drawn"], state["read"], state["seconds"]
    stream = itertools.islice(_sequences(data.train, arm, seed, encoder, shape.max_len), drawn, None)
    began = time.monotonic()
    for step in tqdm(range(start, budget.steps), initial=start, total=budget.steps, unit="step", desc=folder.name, mininterval=10):
        rows: list[tuple[Sequence, float]] = []
        tokens = 0
        while tokens < budget.tokens:
            rows.append(next(stream))
            tokens += len(rows[-1][0].tokens)
        share = train.rate(step, budget.steps, budget.warmup_steps, budget.decay_share)
        total = train.descend(student, optimisers, share, _losses(student, arm, rows))
        drawn, read, done = drawn + len(rows), read + tokens, step + 1
        if done % budget.checkpoint_every == 0 or done == budget.steps:
            with (folder / "curve.jsonl").open("a") as curve:
                curve.write(json.dumps({"step": done, "loss": total, "tokens": read}) + "\n")
            train.save(checkpoint, student, optimisers, step=done, drawn=drawn, read=read,
                       seconds=seconds + time.monotonic() - began)
    return student.eval(), seconds + time.monotonic() - began, read


def _sequences(pairs: list[Pair], arm: arms.Arm, seed: int, encoder: Encoder, max_len: int) -> Iterator[tuple[Sequence, float]]:
    """Pairs in another order each time through, each with its weight; one too long for the student is left out. Arms differ in
    what they make of a pair, not in which pairs come when."""
    for epoch in itertools.count():
        for pair in random.Random(f"{seed}-{epoch}").sample(pairs, len(pairs)):
            for teach in arm.teaches:
                sequence = teach(encoder, pair)
                if len(sequence.tokens) <= max_len:
                    yield sequence, pair.weight


def _losses(student: Student, arm: arms.Arm, rows: list[tuple[Sequence, float]]) -> Iterator[Tensor]:
    for batch in _batches(rows):
        with torch.autocast("cpu", torch.bfloat16):  # fused attention: faster, where nothing is compiled
            loss = arms.loss(student, batch, arm) / len(rows)
        yield loss


def _batches(rows: list[tuple[Sequence, float]]) -> Iterator[arms.Batch]:
    rows = sorted(rows, key=lambda row: len(row[0].tokens))
    at = 0
    while at < len(rows):
        end = at + 1
        while end < len(rows) and (end + 1 - at) * len(rows[end][0].tokens) <= BATCH_TOKENS:
            end += 1
        yield arms.batch(rows[at:end])
        at = end


def _ask(student: Student, encoder: Encoder, data: Data, arm: arms.Arm, tokens_max: int, title: str) -> list[dict]:
    """Every question of every suite, asked on the exported fp32 graph: int8 is a matter of shipping, not of the method."""
    with tempfile.TemporaryDirectory() as folder:
        model = Path(folder) / "fp32.onnx"
        onnx.save(export.graph(student, int8_embedding=False), model)
        asker = Asker(model, encoder, tokens_max)
    lines = []
    questions = [(suite, pair) for suite, pairs in data.suites.items() for pair in pairs]
    for suite, pair in tqdm(questions, f"{title}, asking", unit="question", mininterval=10):
        closed = data.answers.get(pair.task, ())
        lines.append({"suite": suite, "id": pair.id, "task": pair.task, "lang": pair.lang, "difficulty": pair.difficulty,
                      "gold": pair.answer, **{way: asdict(asker.ask(pair, way, closed)) for way in arm.asked}})
    return lines


def _tokenizer(config: Config, data: Data, source: Base | None, folder: Path) -> Tokenizer:
    """Learned on the training pairs, or cut to them out of the base's, and so the same for every arm and seed."""
    path = folder / "tokenizer.json"
    if not path.exists():
        texts = (text for pair in data.train for text in (pair.prompt, pair.rationale or ""))
        words = sorted({answer for answers in data.answers.values() for answer in answers})
        made = (vocabulary.cut(source.tokenizer, texts, words, config.student.vocabulary, source.kept_share) if source
                else vocabulary.train(texts, words, config.student.vocabulary))
        made.save(str(path))
    return Tokenizer.from_file(str(path))


def _write(path: Path, text: str) -> None:
    """Whole or not at all."""
    new = path.with_name(path.name + ".new")
    new.write_text(text, encoding="utf-8")
    new.replace(path)
