"""Writes `reference_logits.json`: what Python's ONNX Runtime says after every run of a few prompts, for the Rust side
to equal.

Decodes nothing: the runs are fixed beforehand, so that a difference points at the graph's use and at nothing else.
"""

from __future__ import annotations

import hashlib
import itertools
import json
from collections.abc import Mapping
from pathlib import Path

from tokenizers import Tokenizer

from .. import disk
from ..distil.sequences import Encoder
from ..distil.vocabulary import ANSWER, THINK
from ..recipe import Recipe
from .decode import decoders

DECIMALS = 5
PROMPTS_MIN = 3
SINGLE_TOKENS = 2  # fed one by one after the prompt


def write(path: Path, graphs: Mapping[str, Path], tokenizer: Path, recipe: Recipe) -> None:
    """A prompt of every task and three at least, each fed as one run and then token by token, with all logits after
    every run. `question` is the whole prompt, with the task's name; `graphs` say by task which graph answers it."""
    encoder = Encoder(Tokenizer.from_file(str(tokenizer)))
    opened = decoders(graphs)
    digests = {task: hashlib.sha256(graph.read_bytes()).hexdigest() for task, graph in graphs.items()}
    golden = [itertools.cycle(task.golden("reference")) for task in recipe.tasks]
    prompts = []
    for number in range(max(PROMPTS_MIN, len(recipe.tasks))):
        pair, then = next(next(golden[number % len(golden)])), (ANSWER, THINK)[number % 2]
        after = encoder.text(pair.known_rationale)[:SINGLE_TOKENS]
        at, runs = 0, []
        for tokens in (encoder.prompt(pair, then), *([token] for token in after)):
            logits = opened[pair.task].feed(tokens, at)
            at += len(tokens)
            runs.append({"tokens": tokens, "logits": [round(float(x), DECIMALS) for x in logits]})
        prompts.append({"task": pair.task, "model_sha256": digests[pair.task], "question": pair.prompt, "runs": runs})
    path.parent.mkdir(parents=True, exist_ok=True)
    disk.write(path, json.dumps({"prompts": prompts}, ensure_ascii=False) + "\n")
