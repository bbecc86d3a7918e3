"""Distils the student: many first answers, fewer whole sequences, some readings, one optimiser step from all. Resumes
where it stopped.

Never looks at a real row, a calibration pair or a test pair; progress is watched on generated dev pairs of their own
seed.
"""

from __future__ import annotations

import datetime
import functools
import importlib.metadata
import io
import itertools
import json
import platform
import random
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar, cast

import torch
import torch.nn.functional as F
from tokenizers import Tokenizer
from torch import Tensor, nn
from tqdm import tqdm

from .. import disk
from ..pair import Pair
from ..recipe import Plan, Recipe
from ..task import Task
from ..teachers import reading
from . import base, compute
from .muon import Muon
from .sequences import Encoder, Probed, Sequence
from .student import Geometry, Student

BATCH_TOKENS = {"cpu": 2048, "cuda": 16_384}  # padded tokens that are read at once
# A row holds as many sequences as fit into it. Most are short, and a CPU reads a short row half as fast again as a
# long one. A GPU is slow to begin and quick to read: a whole step at once, in one shape.
SHORT_ROW = {"cpu": 160, "cuda": 0}  # tokens
PACKED_TOKENS = {"cpu": 1024, "cuda": 65_536}  # of the rows that are read at once
LENGTH_STEP, FINE_MAX = (
    32,
    128,
)  # what their lengths are multiples of, and up to where half of it is: each length is compiled
LOOKED_AT_ONCE = 100  # sequences, where progress is watched
LIBRARIES = ("torch", "tokenizers", "onnx", "onnxruntime")  # whose versions stand in the card
# Of a sequence's probes, those of one kind taken together: 1 where they are only known on average. Beside cross
# entropies, whose weights sum to at most 1.
PROBE_WEIGHT = 0.5
VARIANCE_MIN = 0.02  # of a probe's value, else what is nearly always the same would outweigh all else

Row = TypeVar("Row")


def run(recipe: Recipe, folder: Path) -> Path:
    """Trains by the recipe's plan inside `folder`; returns the path of the final checkpoint."""
    plan = recipe.plan
    recipe.check_fit()
    folder.mkdir(parents=True, exist_ok=True)
    state_path = folder / "checkpoint.pt"
    state = torch.load(state_path, map_location="cpu", weights_only=True) if state_path.exists() else None
    source = base.load(plan.base) if plan.base and not state else None
    tokenizer = _tokenizer(recipe, folder, source)
    encoder = Encoder(tokenizer, recipe.free)
    torch.manual_seed(plan.seed)
    origins = (*(source.origins if source else ()), *([dict(recipe.mixed.origin)] if recipe.mixed else ()))
    if state:
        student, origins = base.restored(state)
    elif source:
        student = _started(plan, source, tokenizer)
    else:
        student = Student(
            Geometry.of_width(
                tokenizer.get_vocab_size(), plan.width, layers=plan.layers, hidden=plan.hidden, max_len=plan.max_len
            )
        )
    dev = list(itertools.islice(recipe.stream(f"dev-{plan.seed}"), plan.dev_pairs))
    readings = reading.pairs(recipe.stream(f"dev-{plan.seed}"), f"dev-{plan.seed}")
    # What the student's own vocabulary cuts into too many tokens is left out, as in training.
    dev_readings = list(
        itertools.islice((p for p in readings if len(encoder.read(p).tokens) <= plan.max_len), plan.dev_pairs)
    )
    examples: dict[str, list[tuple[float, ...]]] = defaultdict(list)
    for pair in dev:
        for probe in encoder.first(pair).probed:
            examples[_head(pair.task, probe)].append(probe.values)
    heads = nn.ModuleDict({head: Head(student.g.width, torch.tensor(examples[head])) for head in sorted(examples)})
    if source:  # of an earlier student, the heads that still fit
        fresh = dict(heads.named_parameters())
        heads.load_state_dict(
            {name: head for name, head in source.heads.items() if name in fresh and head.shape == fresh[name].shape},
            strict=False,
        )
    device = compute.device()
    student, heads = student.to(device), heads.to(device)
    optimisers = make_optimisers(student, heads, plan.muon_lr, plan.adam_lr, plan.weight_decay)
    start, reads = 0, plan.read_steps_max > 0
    if state:
        heads.load_state_dict(state["heads"])
        resume(optimisers, state)
        start, reads = state["step"], state["reading"]
    if plan.compiled:
        compile_blocks(student)
    seconds = json.loads((folder / "time.json").read_text())["seconds"] if start else 0.0
    bar = tqdm(total=plan.steps, initial=start, unit="step", desc="distil", mininterval=5)
    since = time.monotonic()
    batches, of_readings = None, reads
    for step in range(start, plan.steps):
        reads = reads and step < plan.read_steps_max
        if batches is None or reads != of_readings:
            made = functools.partial(_made, encoder, recipe, reads, device.type)
            batches, of_readings = compute.ahead(made, range(step, plan.steps), device), reads
        losses = (_loss(student, heads, batch.to(device)) for batch in next(batches))
        loss = descend(student, optimisers, rate(step, plan.steps, plan.warmup_steps, plan.decay_share), losses)
        bar.update()
        bar.set_postfix(loss=f"{loss:.3f}", refresh=False)
        done = step + 1
        if done == plan.steps and plan.base and plan.kept:
            go_back(student, _started(plan, source or base.load(plan.base), tokenizer), plan.kept)
        if done % plan.checkpoint_every == 0 or done == plan.steps:
            read = read_accuracy(student, encoder, dev_readings if reads else dev)
            reads = reads and read < plan.read_goal
            point = {
                "step": done,
                "loss": loss,
                "dev_read": read,
                "dev_first_answer": _accuracies(student, encoder, recipe, dev),
            }
            bar.write(json.dumps(point))
            with (folder / "curve.jsonl").open("a") as curve:
                curve.write(json.dumps(point) + "\n")
            save(
                state_path,
                student,
                optimisers,
                heads=heads.state_dict(),
                step=done,
                reading=reads,
                origins=list(origins),
            )
            spent = {"seconds": seconds + time.monotonic() - since, **circumstances()}
            disk.write(folder / "time.json", json.dumps(spent))
    bar.close()
    return state_path


def _started(plan: Plan, source: base.Base, tokenizer: Tokenizer) -> Student:
    """The student as its base has it, before any step."""
    layers = plan.base_layers or base.spread(plan.layers, source.student.g.layers)
    return base.transplant(source, tokenizer, layers, plan.max_len)


@torch.no_grad()
def go_back(student: Student, start: Student, share: float) -> None:
    """Moves every weight this share of the way back to where training started. On that way lie students that have
    learned most of what is new and forgotten little of the old (WiSE-FT, Wortsman et al. 2022)."""
    for weight, old in zip(student.parameters(), start.parameters(), strict=True):
        weight.lerp_(old.to(weight.device), share)


def circumstances() -> dict:
    """What a training ran on, and when it got here: its bits are those of this kind of machine and these libraries
    alone."""
    return {
        "threads": torch.get_num_threads(),
        "processor": compute.name(compute.device()),
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "versions": {
            "python": platform.python_version(),
            **{name: importlib.metadata.version(name) for name in LIBRARIES},
        },
    }


def load(path: Path) -> Student:
    """The student of a checkpoint, ready to evaluate."""
    return base.restored(torch.load(path, map_location="cpu", weights_only=True))[0].eval()


def _accuracies(student: Student, encoder: Encoder, recipe: Recipe, pairs: list[Pair]) -> dict[str, float]:
    """By task."""
    own = ((task, [pair for pair in pairs if pair.task == task.id]) for task in recipe.tasks)
    return {task.id: round(accuracy(student, encoder, task, asked), 4) for task, asked in own if asked}


def accuracy(student: Student, encoder: Encoder, task: Task, pairs: list[Pair]) -> float:
    """Share of right first answers: by the likeliest token of a closed answer set, and of a free answer all tokens, its
    end too, each after the right ones before it."""
    choices = torch.tensor([encoder.text(text)[0] for text in task.texts]) if task.texts else None
    hits = _hits(student, [encoder.first(pair) for pair in pairs], choices)
    return sum(bool(own.all()) for own in hits) / len(pairs)


def read_accuracy(student: Student, encoder: Encoder, pairs: list[Pair]) -> float:
    """Share of right tokens when the readings are repeated, each token after the right ones before it."""
    return torch.cat(_hits(student, [encoder.read(pair) for pair in pairs])).double().mean().item()


@torch.no_grad()
def _hits(student: Student, sequences: list[Sequence], among: Tensor | None = None) -> list[Tensor]:
    """Of each sequence, in no order, (graded,) which graded tokens are the likeliest, `among` these where there are
    some."""
    device, hits = student.device, []
    among = None if among is None else among.to(device)
    sequences = sorted(sequences, key=lambda s: len(s.tokens))
    for at in range(0, len(sequences), LOOKED_AT_ONCE):
        chunk = sequences[at : at + LOOKED_AT_ONCE]
        tokens = pad([s.tokens for s in chunk]).to(device)
        graded = pad([[weight > 0 for weight in s.weights] for s in chunk]).to(device)
        row, place = graded.nonzero(as_tuple=True)
        with torch.compiler.set_stance("force_eager"):
            logits = student.logits(student.hidden(tokens)[row, place - 1])
        best = logits.argmax(-1) if among is None else among[logits[:, among].argmax(-1)]
        hits += (best == tokens[row, place]).split(graded.sum(-1).tolist())
    return hits


def _tokenizer(recipe: Recipe, folder: Path, source: base.Base | None) -> Tokenizer:
    path, plan = folder / "tokenizer.json", recipe.plan
    if not path.exists():
        pairs = itertools.islice(recipe.stream(f"vocabulary-{plan.seed}"), plan.vocabulary_pairs)
        texts = (text for p in pairs for text in (p.prompt, p.known_rationale))
        words = list(dict.fromkeys(text for task in recipe.tasks for text in task.texts))
        disk.write(path, base.vocabulary_of(source, texts, words, plan.vocabulary).to_str(pretty=True))
    return Tokenizer.from_file(str(path))


def compile_blocks(student: Student) -> None:
    """Block by block: one block's code serves them all, so compiling takes seconds. PyTorch goes back to slow code, and
    says so only in its log, when a function meets more shapes than its limit: here one for each length."""
    torch._dynamo.config.recompile_limit = 2 * student.g.max_len // LENGTH_STEP
    for block in student.blocks:
        block.compile(dynamic=False)


def make_optimisers(
    student: Student, head: nn.Module | None, muon_lr: float, adam_lr: float, weight_decay: float
) -> list[torch.optim.Optimizer]:
    """Muon for the matrices inside the blocks, AdamW for the embedding, the norms and the `head` beside the student."""
    matrices = [p for p in student.blocks.parameters() if p.ndim == 2]
    rest = [p for p in student.parameters() if not any(p is m for m in matrices)] + (
        list(head.parameters()) if head else []
    )
    muon = Muon(matrices, muon_lr, weight_decay)
    adam = torch.optim.AdamW(rest, lr=adam_lr, betas=(0.9, 0.95), weight_decay=0.0)
    for optimiser in (muon, adam):
        for group in optimiser.param_groups:
            group["base_lr"] = group["lr"]
    return [muon, adam]


def descend(student: Student, optimisers: list[torch.optim.Optimizer], share: float, losses: Iterable[Tensor]) -> float:
    """One step at `share` of the rates, down the sum of `losses`, each made when the one before it is let go; returns
    the sum."""
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
    state = {
        "student": student.state_dict(),
        "optimisers": [o.state_dict() for o in optimisers],
        "geometry": student.g.asdict(),
    }
    content = io.BytesIO()  # torch itself does not say that a disk is full
    torch.save(state | more, content)
    with disk.whole(path) as new:
        new.write_bytes(content.getbuffer())


def resume(optimisers: list[torch.optim.Optimizer], checkpoint: dict) -> None:
    for optimiser, saved in zip(optimisers, checkpoint["optimisers"], strict=True):
        optimiser.load_state_dict(saved)


def rate(step: int, steps: int, warmup_steps: int, decay_share: float) -> float:
    """Warm up, hold, then fall linearly to zero."""
    return min(1.0, (step + 1) / warmup_steps, (steps - step) / (decay_share * steps))


class Head(nn.Linear):
    """Reads the probes of one kind from the student's states; for training alone."""

    variance: Tensor

    def __init__(self, width: int, examples: Tensor):
        """`examples` (probes, values)."""
        super().__init__(width, examples.shape[1])
        for parameter in self.parameters():  # else what it cannot tell yet outweighs all else in the first steps
            nn.init.zeros_(parameter)
        self.register_buffer("variance", examples.var(0, correction=0).clamp_min(VARIANCE_MIN))

    def losses(self, states: Tensor, values: Tensor) -> Tensor:
        """(probes,), the mean of the squared errors, each in shares of its value's variance: so that a rare yes is
        learned as soon as a common one."""
        return ((self(states) - values).square() / self.variance).mean(-1)


@dataclass(frozen=True)
class Batch:
    tokens: Tensor  # (rows, length)
    sequence_ids: Tensor  # (rows, length), which sequence of its row a token belongs to
    weights: Tensor  # (rows, length), of predicting the token at the same place
    # By task and kind of probe: (probes,) rows, places and weights, (probes, values)
    probed: dict[str, tuple[Tensor, Tensor, Tensor, Tensor]]

    def to(self, device: torch.device) -> Batch:
        probed = {
            head: (rows.to(device), places.to(device), weights.to(device), values.to(device))
            for head, (rows, places, weights, values) in self.probed.items()
        }
        return Batch(self.tokens.to(device), self.sequence_ids.to(device), self.weights.to(device), probed)


@dataclass(frozen=True)
class _Drawn:
    task: str
    sequence: Sequence
    share: float  # of the step's loss


def _drawn(encoder: Encoder, recipe: Recipe, step: int, reads: bool) -> list[_Drawn]:
    """The sequences of one step: at the beginning readings alone, of no task, then first answers, whole sequences in
    both orders, and more readings, half of them those that rationales begin with: one digit copied wrongly spoils a
    whole rationale and weighs next to nothing in its mean. Each of these kinds counts alike, however many its
    sequences. Pairs that are mixed in take their place among the first answers."""
    plan, seed = recipe.plan, f"{recipe.plan.seed}-{step}"
    pairs, rng = recipe.stream(seed), random.Random(f"{seed}-order")

    def draw(teach: Callable[[Pair], Sequence], tokens: int, pairs: Iterator[Pair] = pairs) -> list[_Drawn]:
        drawn: list[tuple[str, Sequence]] = []
        while tokens > 0:
            pair = next(pairs)
            sequence = teach(pair)
            if len(sequence.tokens) <= plan.max_len:  # one too long for the student is left out
                drawn.append((pair.task, sequence))
                tokens -= len(sequence.tokens)
        return [_Drawn(task, sequence, 1 / len(drawn)) for task, sequence in drawn]

    if reads:
        return draw(encoder.read, plan.read_tokens, reading.pairs(pairs, seed))
    mixed = recipe.mixed.of_step(step, plan) if recipe.mixed else ()
    return [
        *draw(encoder.first, plan.first_tokens, itertools.chain(mixed, pairs)),
        *draw(lambda pair: encoder.why(pair) if rng.random() < 0.5 else encoder.think(pair), plan.whole_tokens),
        *draw(encoder.read, plan.reread_tokens, _either(rng, pairs, reading.pairs(pairs, seed))),
    ]


def _either(rng: random.Random, *streams: Iterator[Pair]) -> Iterator[Pair]:
    """The next of any of the streams, drawn alike."""
    while True:
        yield next(rng.choice(streams))


def alike(
    drawn: list[Row], sequence: Callable[[Row], Sequence], empty: Row, device: str = "cpu"
) -> Iterator[tuple[list[Row], int]]:
    """Cuts rows by the length of their sequences into batches of few shapes, so that each is compiled once: the rows,
    `empty` ones where none is left, and the batch's length."""
    left = sorted(drawn, key=lambda row: -len(sequence(row).tokens))
    while left:
        length = len(sequence(left[0]).tokens)
        step = LENGTH_STEP if length > FINE_MAX else LENGTH_STEP // 2
        length = step * -(-length // step)
        rows = max(1, BATCH_TOKENS[device] // length)
        chunk, left = left[:rows], left[rows:]
        yield chunk + [empty] * (rows - len(chunk)), length


def _made(encoder: Encoder, recipe: Recipe, reads: bool, device: str, step: int) -> list[Batch]:
    return list(_batches(_drawn(encoder, recipe, step, reads), recipe.plan.max_len, device))


def _batches(drawn: list[_Drawn], max_len: int, device: str = "cpu") -> Iterator[Batch]:
    """Two shapes for all at most, so that little is compiled, and hardly any padding."""
    packed = _packed(drawn, SHORT_ROW[device], max_len)
    for length, rows in packed.items():
        count = max(1, PACKED_TOKENS[device] // length)
        for at in range(0, len(rows), count):
            yield _batch(rows[at : at + count] + [[]] * (at + count - len(rows)), length)


def _batch(rows: list[list[_Drawn]], length: int) -> Batch:
    probed: dict[str, list[tuple[int, int, Probed, float]]] = defaultdict(list)
    for row, held in enumerate(rows):
        start = 0
        for own in held:
            counts = Counter(probe.kind for probe in own.sequence.probed)
            for probe in own.sequence.probed:
                probed[_head(own.task, probe)].append((row, start + probe.place, probe, own.share / counts[probe.kind]))
            start += len(own.sequence.tokens)
    return Batch(
        pad([[token for own in held for token in own.sequence.tokens] for held in rows], length),
        pad([[number for number, own in enumerate(held, 1) for _ in own.sequence.tokens] for held in rows], length),
        pad([[own.share * weight for own in held for weight in own.sequence.weights] for held in rows], length),
        {head: _stacked(found) for head, found in probed.items()},
    )


def _packed(drawn: list[_Drawn], short: int, max_len: int) -> dict[int, list[list[_Drawn]]]:
    """Rows by their length: the longest sequences first, each into the first row that has space for it."""
    rows: list[tuple[int, list[_Drawn]]] = []
    free: list[int] = []
    for own in sorted(drawn, key=lambda own: -len(own.sequence.tokens)):
        size = len(own.sequence.tokens)
        at = next((at for at, left in enumerate(free) if left >= size), len(rows))
        if at == len(rows):
            length = min(short, max_len) if size <= short else max_len
            rows.append((length, []))
            free.append(length)
        rows[at][1].append(own)
        free[at] -= size
    lengths = sorted({length for length, _ in rows}, reverse=True)
    return {length: [held for own, held in rows if own == length] for length in lengths}


def _head(task: str, probe: Probed) -> str:
    """Names the linear head that reads a probe."""
    return f"{task}/{probe.kind}"


def _stacked(probes: list[tuple[int, int, Probed, float]]) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    rows, places, own, weights = zip(*probes, strict=True)
    return (
        torch.tensor(rows),
        torch.tensor(places),
        torch.tensor(weights),
        torch.tensor([probe.values for probe in own]),
    )


def pad(rows: list[list[int]] | list[list[float]] | list[list[bool]], length: int | None = None) -> Tensor:
    """(rows, length), zeros behind each row."""
    length = length or max(map(len, rows))
    return torch.tensor([row + [0] * (length - len(row)) for row in rows])


def graded(
    student: Student, tokens: Tensor, weights: Tensor, sequence_ids: Tensor | None = None
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """States (rows, length, width), then, for every token with a weight, its row, its place and its cross entropy."""
    states = student.hidden(tokens, sequence_ids)
    row, place = (weights > 0).nonzero(as_tuple=True)
    logits = student.logits(states[row, place - 1]).float()  # only where something is graded
    return states, row, place, F.cross_entropy(logits, tokens[row, place], reduction="none")


def _loss(student: Student, heads: nn.ModuleDict, batch: Batch) -> Tensor:
    """Sum over the sequences of their cross entropy and of what their probes lose, by their weights and shares."""
    with compute.bfloat16(student.device):
        states, row, place, losses = graded(student, batch.tokens, batch.weights, batch.sequence_ids)
    loss = (losses * batch.weights[row, place]).sum()
    for name, (rows, places, weights, values) in batch.probed.items():
        head = cast("Head", heads[name])
        loss = loss + PROBE_WEIGHT * (head.losses(states[rows, places].float(), values) * weights).sum()
    return loss
