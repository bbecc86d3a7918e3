"""The whole base weights as a bundle that the runtime opens: what a cut student's speed is compared with.

Teaches them nothing and proves nothing: no threshold is ever reached, so every question goes to a person.
"""

from __future__ import annotations

import dataclasses
import tempfile
from collections.abc import Iterator
from pathlib import Path

from ..bundle_files import Calibrated
from ..distil import base
from ..distil.sequences import Encoder
from ..recipe import Plan, Recipe, Sizes
from ..task import Task
from . import bundle, export
from .calibrate import CONFIDENCE_LEVEL, calibration
from .decode import NEVER, Answerer, Decoder, decide

ID, VERSION = "smollm2-135m-instruct", "0.1.2"  # the version of the package that brings them
BYTES_MAX = 400 << 20  # of one file, for the runtime
# SmolLM2 cuts a Japanese question into twice as many tokens as a student of ours.
QUESTION_TOKENS_MAX, MAX_LEN = 248, 512
GATE_PROMPTS, GOLDEN_QUESTIONS = 50, 2
# Nothing is calibrated. Thinking weighs nothing, so a golden confidence hangs on the first answer alone.
FITTED: Calibrated = {
    "split": "none: nothing was taught and nothing calibrated",
    "n": 0,
    "risk": Sizes.risk,
    "confidence_level": CONFIDENCE_LEVEL,
    "first": {"temperature": 1.0, "threshold": NEVER, "n": 0, "errors": 0, "coverage": 0.0},
    "think": {"first_weight": 1.0, "think_weight": 0.0, "threshold": NEVER, "n": 0, "errors": 0, "coverage": 0.0},
}


def write(task: Task, out: Path) -> tuple[Path, dict]:
    """Writes the bundle that can be asked what students of `task` are asked; returns its folder and what the gates
    measured."""
    whole = base.cut(base.load(base.SMOLLM2), (), (), layers=None, vocabulary_size=None, max_len=MAX_LEN)
    student = whole.student.eval()
    task = dataclasses.replace(
        task,
        teacher="nobody: the weights are as they were published",
        taught=False,
        question_tokens_max=QUESTION_TOKENS_MAX,
    )
    recipe = Recipe(
        ID, VERSION, serial=1, tasks=(task,), card=Path(), plan=Plan(max_len=MAX_LEN), sizes=Sizes(gate=GATE_PROMPTS)
    )
    folder = out / f"{ID}-{VERSION}"
    with tempfile.TemporaryDirectory() as scratch:
        model, tokenizer = Path(scratch) / "model.onnx", Path(scratch) / "tokenizer.json"
        whole.tokenizer.save(str(tokenizer))
        encoder = Encoder(whole.tokenizer, recipe.free)
        measured = export.export(student, encoder, recipe, model, kept_min=0.0)
        answerer = Answerer(Decoder(model), encoder, task)
        bundle.pack(
            folder,
            model,
            tokenizer,
            student.g,
            recipe,
            [answerer],
            {task.id: FITTED},
            _card(measured["tasks"][task.id]),
            whole.origins,
            golden=golden(answerer),
            bytes_max=BYTES_MAX,
        )
    return folder, measured


def golden(answerer: Answerer) -> Iterator[dict]:
    """Of the task's golden questions the surest, where another CPU's rounding turns nothing, with whatever comes
    out."""
    calibrated = calibration(FITTED)
    asked = [(pair, answerer.ask(pair.text)) for pair in map(next, answerer.task.golden("golden"))]
    surest = sorted(
        ((calibrated.first(look).confidence, pair) for pair, look in asked if look is not None), key=lambda one: -one[0]
    )
    for number, (_, pair) in enumerate(surest[:GOLDEN_QUESTIONS], 1):
        if outcome := decide(answerer, calibrated, pair.text):  # each could be asked
            yield bundle.golden_line(answerer.task, number, pair, outcome)


def _card(measured: dict) -> str:
    return f"""# {ID} {VERSION}

SmolLM2-135M-Instruct (Hugging Face, Apache-2.0), all layers and all of its vocabulary, as the base of cut students: \
a measure of
speed, and of nothing else. It was never taught this task. It must not be used to answer anything.

- Every question goes to a person: no threshold was calibrated, so none is ever reached.
- Its weights were published with 4 bits each, and are 8 bits here. Control tokens were added, which it has never seen.
- int8 gives the first answer of fp32 on {measured["int8_same_answer"]:.1%} of {measured["pairs"]} questions. Whether an
  answer is right was not measured.
"""
