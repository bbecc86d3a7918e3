"""Packs a student into the bundle folder that the runtime opens: graph, tokenizer, golden questions, card and manifest.

Measures nothing: calibration and evaluation are handed in as they were measured. A golden question enters only if the
reference decoder is confident in exactly what the rule teacher says.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import shutil
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from .. import calculator
from ..distil.sequences import Encoder
from ..distil.student import Geometry
from ..distil.vocabulary import ANSWER, END, THINK, WHY
from ..pair import Pair
from ..task import Task
from .calibrate import calibration
from .decode import Answerer, Calibration, Outcome, decide

FORMAT = 2
MINIMUM_RUNTIME = "0.2.0"
LICENCE = "MIT OR Apache-2.0"
BYTES_MAX = 12 * 2**20
BANDS = {"high": 0.98, "medium": 0.8}
GOLDEN_CONFIDENCE_MIN = 0.9  # far enough from where another CPU's rounding could turn it
GOLDEN_TRIES_MAX = 100


class PackError(RuntimeError):
    """The bundle would not keep the contract."""


def pack(folder: Path, model: Path, tokenizer: Path, geometry: Geometry, answerer: Answerer, fitted: dict, card: str,
         origins: Sequence[dict] = (), fp32_matrices: Sequence[str] = (), golden: Iterable[dict] | None = None,
         bytes_max: int = BYTES_MAX) -> dict:
    """Fills `folder` anew and returns its manifest. `fitted` is what calibration found, `origins` what the weights started from,
    both as the manifest says them. Without `golden`, the task's questions that come out as taught."""
    task = answerer.task
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    shutil.copy(model, folder / "model.onnx")
    shutil.copy(tokenizer, folder / "tokenizer.json")
    golden = golden_lines(answerer, calibration(fitted)) if golden is None else golden
    lines = "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in golden)
    (folder / "golden.jsonl").write_text(lines, encoding="utf-8")
    (folder / "card.md").write_text(card, encoding="utf-8")
    weights = ", ".join(["int8-dynamic", *(f"fp32 {name}" for name in fp32_matrices)])
    manifest = _manifest(task, geometry, answerer.encoder, fitted, _files(folder), origins, weights)
    (folder / "manifest.json").write_text(json.dumps(manifest, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")
    size = sum(path.stat().st_size for path in folder.iterdir())
    if size > bytes_max:
        raise PackError(f"expected a bundle of at most {bytes_max} bytes, got {size}")
    return manifest


def golden_lines(answerer: Answerer, calibrated: Calibration) -> Iterator[dict]:
    """The first candidate of each golden question that comes out as the teacher says, confidently."""
    task = answerer.task
    for number, candidates in enumerate(task.golden("golden"), 1):
        for pair in itertools.islice(candidates, GOLDEN_TRIES_MAX):
            outcome = decide(answerer, calibrated, pair.question)
            if outcome and _as_taught(task, pair, outcome) and outcome.confidence >= GOLDEN_CONFIDENCE_MIN:
                break
        else:
            raise PackError(f"golden question {number} is never answered as the teacher says; the last tried: {pair.question}")
        yield golden_line(task, number, pair, outcome)


def golden_line(task: Task, number: int, pair: Pair, outcome: Outcome) -> dict:
    return {"id": f"{number:02}-{pair.kind}-{pair.answer}", "task": task.id, "question": pair.question,
            "code": task.choices[outcome.choice].code, "decision": "answered" if outcome.answered else "escalated",
            "mode": outcome.mode, "confidence": round(outcome.confidence, 4)}


def _as_taught(task: Task, pair: Pair, outcome: Outcome) -> bool:
    choice = task.choices[outcome.choice]
    return choice.text == pair.answer and outcome.answered == (not choice.person)


def _manifest(task: Task, g: Geometry, encoder: Encoder, fitted: dict, files: dict, origins: Sequence[dict],
              weights: str) -> dict:
    control = {name: encoder.control[token] for name, token in (("answer", ANSWER), ("why", WHY), ("think", THINK), ("end", END))}
    recipe = hashlib.sha256(b"".join(path.read_bytes() for path in task.sources)).hexdigest()
    pairs = {"name": f"{task.id} teacher pairs", "kind": "generated", "licence": task.licence, "sha256": recipe}
    split = "generated pairs of their own seed, drawn as for training; every third fits, the others prove the thresholds"
    return {
        "format": FORMAT,
        "name": task.id,
        "version": task.version,
        "serial": task.serial,
        "minimum_runtime": MINIMUM_RUNTIME,
        # Of its own weights we may say either licence; what came from Apache-2.0 stays under it.
        "licence": "Apache-2.0" if any(origin["licence"] == "Apache-2.0" for origin in origins) else LICENCE,
        "teacher": task.teacher,
        "data": [*origins, *([pairs] if task.sources else [])],  # a student that nobody taught has no sources
        "files": files,
        "graph": {"layers": g.layers, "kv_heads": g.kv_heads, "head_dim": g.head_dim, "max_len": g.max_len,
                  "vocabulary": g.vocabulary, "weights": weights},
        "control": control,
        "calculator": {"open": encoder.open, "equals": encoder.equals, "close": encoder.close, "decimals": calculator.DECIMALS},
        "tasks": [{
            "id": task.id,
            "title": task.title,
            "prompt": "{question}",
            "question_tokens_max": task.question_tokens_max,
            "rationale_tokens_max": task.rationale_tokens_max,
            "answers": {"choices": [vars(choice) for choice in task.choices]},
            "calibration": {"split": split, **fitted, "bands": BANDS},
        }],
    }


def _files(folder: Path) -> dict:
    return {name: {"bytes": (folder / name).stat().st_size, "sha256": hashlib.sha256((folder / name).read_bytes()).hexdigest()}
            for name in ("model.onnx", "tokenizer.json", "golden.jsonl", "card.md")}
