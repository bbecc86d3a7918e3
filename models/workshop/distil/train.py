"""Distils the student: many first answers, fewer whole sequences, some readings, one optimiser step from all. Resumes where it
stopped.

Never looks at a real row, a calibration pair or a test pair; progress is watched on generated dev pairs of their own seed.
"""

from __future__ import annotations

import itertools
import json
import random
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from tokenizers import Tokenizer
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from tqdm import tqdm

from ..pair import Pair
from ..task import Plan, Task
from . import base, vocabulary
from .sequences import Encoder, Sequence
from .student import Geometry, Student

MARGIN_WEIGHT = 1.0  # of the mean squared error of a sequence's margins, beside cross entropies that sum to at most 1


def run(task: Task, plan: Plan, folder: Path) -> Path:
    """Trains by `plan` inside `folder`; returns the path of the final checkpoint."""
    folder.mkdir(parents=True, exist_ok=True)
    state_path = folder / "checkpoint.pt"
    state = torch.load(state_path, weights_only=True) if state_path.exists() else None
    source = base.load(plan.base) if plan.base and not state else None
    tokenizer = _tokenizer(task, plan, folder, source)
    encoder = Encoder(tokenizer)
    torch.manual_seed(plan.seed)
    if state:
        student, origins = base.restored(state)
    elif source:
        layers = plan.base_layers or base.spread(plan.layers, source.student.g.layers)
        student, origins = base.transplant(source, tokenizer, layers), source.origins
    else:
        student, origins = Student(
            Geometry.of_width(tokenizer.get_vocab_size(), plan.width, layers=plan.layers, hidden=plan.hidden)), ()
    dev = list(itertools.islice(task.stream(f"dev-{plan.seed}"), plan.dev_pairs))
    margin_head = nn.Linear(student.g.width, max(len(pair.margins) for pair in dev))  # for training alone
    optimisers = make_optimisers(student, margin_head, plan.muon_lr, plan.adam_lr, plan.weight_decay)
    start, reading = 0, True
    if state:
        margin_head.load_state_dict(state["margin_head"])
        resume(optimisers, state)
        start, reading = state["step"], state["reading"]
    if plan.compiled:  # block by block: one block's code serves them all, so compiling takes seconds
        for block in student.blocks:
            block.compile(dynamic=False)
    seconds = json.loads((folder / "time.json").read_text())["seconds"] if start else 0.0
    bar = tqdm(total=plan.steps, initial=start, unit="step", desc="distil", mininterval=5)
    since = time.monotonic()
    for step in range(start, plan.steps):
        reading = reading and step < plan.read_steps_max
        kinds = _batches(encoder, task, plan, step, reading)
        # Each kind counts alike, however many its rows.
        losses = (_loss(student, margin_head, batch) / sum(len(each.tokens) for each in kind) for kind in kinds for batch in kind)
        loss = descend(student, optimisers, rate(step, plan.steps, plan.warmup_steps, plan.decay_share), losses)
        bar.update()
        bar.set_postfix(loss=f"{loss:.3f}", refresh=False)
        done = step + 1
        if done % plan.checkpoint_every == 0 or done == plan.steps:
            read = read_accuracy(student, encoder, dev)
            reading = reading and read < plan.read_goal
            point = {"step": done, "loss": loss, "dev_read": read, "dev_first_answer": accuracy(student, encoder, task, dev)}
            bar.write(json.dumps(point))
            with (folder / "curve.jsonl").open("a") as curve:
                curve.write(json.dumps(point) + "\n")
            save(state_path, student, optimisers, margin_head=margin_head.state_dict(), step=done, reading=reading,
                 origins=list(origins))
            spent = {"seconds": seconds + time.monotonic() - since, "threads": torch.get_num_threads()}
            (folder / "time.json").write_text(json.dumps(spent))
    bar.close()
    return state_path


def load(path: Path) -> Student:
    """The student of a checkpoint, ready to evaluate."""
    return base.restored(torch.load(path, weights_only=True))[0].eval()


@torch.no_grad()
def accuracy(student: Student, encoder: Encoder, task: Task, pairs: list[Pair]) -> float:
    """Share of right first answers, by the likeliest token of the answer set."""
    choices = torch.tensor([encoder.text(text)[0] for text in task.texts])
    prompts = sorted(((encoder.first(p).tokens[:-1], task.index(p.answer)) for p in pairs), key=lambda p: len(p[0]))
    right = 0
    for at in range(0, len(prompts), 100):
        chunk = prompts[at : at + 100]
        tokens, last = pad([p for p, _ in chunk]), torch.tensor([len(p) - 1 for p, _ in chunk])
        with torch.compiler.set_stance("force_eager"):
            states = student.hidden(tokens)[torch.arange(len(chunk)), last]
        best = student.logits(states)[:, choices].argmax(-1)
        right += (best == torch.tensor([y for _, y in chunk])).sum().item()
    return right / len(pairs)


@torch.no_grad()
def read_accuracy(student: Student, encoder: Encoder, pairs: list[Pair]) -> float:
    """Share of right tokens when the readings are repeated, each token after the right ones before it."""
    right = graded = 0
    for at in range(0, len(pairs), 100):
        sequences = [encoder.read(pair) for pair in pairs[at : at + 100]]
        tokens = pad([s.tokens for s in sequences])
        weights = pad([[weight > 0 for weight in s.weights] for s in sequences])
        row, place = weights.nonzero(as_tuple=True)
        with torch.compiler.set_stance("force_eager"):
            best = student.logits(student.hidden(tokens)[row, place - 1]).argmax(-1)
        right += (best == tokens[row, place]).sum().item()
        graded += len(row)
    return right / graded


def _tokenizer(task: Task, plan: Plan, folder: Path, source: base.Base | None) -> Tokenizer:
    path = folder / "tokenizer.json"
    if not path.exists():
        pairs = itertools.islice(task.stream(f"vocabulary-{plan.seed}"), plan.vocabulary_pairs)
        texts = (text for p in pairs for text in (p.question, p.rationale))
        made = (vocabulary.cut(source.tokenizer, texts, task.texts, plan.vocabulary, source.kept_share) if source
                else vocabulary.train(texts, task.texts, plan.vocabulary))
        made.save(str(path))
    return Tokenizer.from_file(str(path))


def make_optimisers(student: Student, head: nn.Module | None, muon_lr: float, adam_lr: float,
                    weight_decay: float) -> list[torch.optim.Optimizer]:
    """Muon for the matrices inside the blocks, AdamW for the embedding, the norms and the `head` beside the student."""
    matrices = [p for p in student.blocks.parameters() if p.ndim == 2]
    rest = [p for p in student.parameters() if not any(p is m for m in matrices)] + (list(head.parameters()) if head else [])
    muon = torch.optim.Muon(matrices, lr=muon_lr, weight_decay=weight_decay, momentum=0.95)
    adam = torch.optim.AdamW(rest, lr=adam_lr, betas=(0.9, 0.95), weight_decay=0.0)
    for optimiser in (muon, adam):
        for group in optimiser.param_groups:
            group["base_lr"] = group["lr"]
    return [muon, adam]


def descend(student: Student, optimisers: list[torch.optim.Optimizer], share: float, losses: Iterable[Tensor]) -> float:
    """One step at `share` of the rates, down the sum of `losses`, each made when the one before it is let go; returns the sum."""
    for optimiser in optimisers:
        for group in optimiser.param_groups:
            group["lr"] = group["base_lr"] * share
    total = 0.0
    for loss in losses:
        loss.backward()
        total += loss.item()
    torch.nn.utils.clip_grad_norm_(student.parameters(), 1.0)
    for optimiser in optimisers:
        optimiser.step()
        optimiser.zero_grad(set_to_none=True)
    return total


def save(path: Path, student: Student, optimisers: list[torch.optim.Optimizer], **more: object) -> None:
    """A checkpoint, whole or not at all."""
    state = {"student": student.state_dict(), "optimisers": [o.state_dict() for o in optimisers], "geometry": student.g.asdict()}
    torch.save(state | more, path.with_suffix(".new"))
    path.with_suffix(".new").replace(path)


def resume(optimisers: list[torch.optim.Optimizer], checkpoint: dict) -> None:
    for optimiser, saved in zip(optimisers, checkpoint["optimisers"], strict=True):
        optimiser.load_state_dict(saved)


def rate(step: int, steps: int, warmup_steps: int, decay_share: float) -> float:
    """Warm up, hold, then fall linearly to zero."""
    return min(1.0, (step + 1) / warmup_steps, (steps - step) / (decay_share * steps))


@dataclass(frozen=True)
class Batch:
    tokens: Tensor  # (rows, length)
    weights: Tensor  # (rows, length), of predicting the token at the same place
    told: Tensor  # (told,) rows that have margins
    asked: Tensor  # (told,) the place in each of them where its margins are predicted
    margins: Tensor  # (told, margins)


def _batches(encoder: Encoder, task: Task, plan: Plan, step: int, reading: bool) -> list[list[Batch]]:
    """The batches of one step by kind: readings alone at the beginning, then first answers, whole sequences in both orders, and
    some readings still, since one digit copied wrongly spoils a whole rationale and weighs next to nothing in its mean."""
    seed = f"{plan.seed}-{step}"
    pairs, rng = task.stream(seed), random.Random(f"{seed}-order")
    reads = (encoder.read(p) for p in pairs)
    if reading:
        return [_deal(reads, plan.read_shapes)]
    firsts = (encoder.first(p) for p in pairs)
    wholes = (encoder.why(p) if rng.random() < 0.5 else encoder.think(p) for p in pairs)
    return [_deal(firsts, plan.first_shapes), _deal(wholes, plan.whole_shapes), _deal(reads, plan.reread_shapes)]


def _deal(sequences: Iterator[Sequence], shapes: tuple[tuple[int, int], ...]) -> list[Batch]:
    """Draws as many sequences as the shapes have rows and deals them out by length. One that fits nowhere (one in
    thousands) is left out, and its row stays empty."""
    drawn = sorted(itertools.islice(sequences, sum(rows for _, rows in shapes)), key=lambda s: -len(s.tokens))
    batches = []
    for length, rows in shapes:
        fitting = [s for s in drawn[:rows] if len(s.tokens) <= length]
        drawn = drawn[rows:]
        fitting += [Sequence([0], [0.0])] * (rows - len(fitting))
        told = [row for row, s in enumerate(fitting) if s.margins]
        batches.append(Batch(pad([s.tokens for s in fitting], length), pad([s.weights for s in fitting], length),
                             torch.tensor(told), torch.tensor([fitting[row].asked for row in told]),
                             torch.tensor([fitting[row].margins for row in told])))
    return batches


def pad(rows: list[list[int]] | list[list[float]], length: int | None = None) -> Tensor:
    """(rows, length), zeros behind each row."""
    length = length or max(map(len, rows))
    return torch.tensor([row + [0] * (length - len(row)) for row in rows])


@contextmanager
def bfloat16() -> Iterator[None]:
    """Matrices are multiplied in bfloat16 inside."""
    with torch.autocast("cpu", torch.bfloat16), sdpa_kernel(SDPBackend.MATH):
        yield


def graded(student: Student, tokens: Tensor, weights: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """States (rows, length, width), then, for every token with a weight, its row, its place and its cross entropy."""
    states = student.hidden(tokens)
    row, place = (weights > 0).nonzero(as_tuple=True)
    logits = student.logits(states[row, place - 1]).float()  # only where something is graded
    return states, row, place, F.cross_entropy(logits, tokens[row, place], reduction="none")


def _loss(student: Student, margin_head: nn.Linear, batch: Batch) -> Tensor:
    """Sum over the sequences of their weighted cross entropy, and of the squared error of the margins predicted."""
    with bfloat16():
        states, row, place, losses = graded(student, batch.tokens, batch.weights)
    loss = (losses * batch.weights[row, place]).sum()
    if len(batch.told):
        predicted = margin_head(states[batch.told, batch.asked].float())
        loss = loss + MARGIN_WEIGHT * (predicted - batch.margins).square().mean(-1).sum()
    return loss
