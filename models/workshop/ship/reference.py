"""Writes `reference_logits.json`: what Python's ONNX Runtime says after every run of a few prompts, for the Rust side to equal.

Decodes nothing: the runs are fixed beforehand, so that a difference points at the graph's use and at nothing else.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from tokenizers import Tokenizer

from ..distil.sequences import Encoder
from ..distil.vocabulary import ANSWER, THINK
from ..task import Task
from .decode import Decoder

DECIMALS = 5
SINGLE_TOKENS = 2  # fed one by one after the prompt


def write(path: Path, model: Path, tokenizer: Path, task: Task) -> None:
    """Three prompts, each fed as one run and then token by token, with all logits after every run."""
    encoder = Encoder(Tokenizer.from_file(str(tokenizer)))
    decoder = Decoder(model)
    prompts = []
    for candidates, then in zip(task.golden("reference"), (ANSWER, ANSWER, THINK), strict=False):
        pair = next(candidates)
        question, after = encoder.text(pair.question), encoder.text(pair.rationale)[:SINGLE_TOKENS]
        at, runs = 0, []
        for tokens in ([*question, encoder.control[then]], *([token] for token in after)):
            logits = decoder.feed(tokens, at)
            at += len(tokens)
            runs.append({"tokens": tokens, "logits": [round(float(x), DECIMALS) for x in logits]})
        prompts.append({"question": pair.question, "runs": runs})
    written = {"model_sha256": hashlib.sha256(model.read_bytes()).hexdigest(), "prompts": prompts}
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(written, ensure_ascii=False) + "\n", encoding="utf-8")
