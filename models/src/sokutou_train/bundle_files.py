"""What more than one step knows of a bundle: names of its files, the form of its manifest, and the terms that weights
come under. The keys and their order are the JSON's."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NotRequired, TypedDict

MANIFEST = "manifest.json"  # makes a folder a bundle
GRAPH = "model.onnx"  # of all tasks that were not taught alone
OWN = ("human", "model")  # of a manifest's `data`, what weights that come from it must go on naming
OWN_LICENCE = "MIT OR Apache-2.0"


class Origin(TypedDict):
    """Something that weights come from: pairs, a model, or people."""

    name: str
    kind: str  # generated, model or human
    licence: str
    sha256: str


class FirstCalibration(TypedDict):
    temperature: float
    threshold: float
    n: int
    errors: int
    coverage: float


class ThinkCalibration(TypedDict):
    first_weight: float
    think_weight: float
    threshold: float
    n: int
    errors: int
    coverage: float


class Calibrated(TypedDict):
    """What `calibrate` found of one task; in `calibration.json` by task."""

    split: NotRequired[str]  # how the pairs were split, where it was done otherwise
    n: int
    risk: float
    confidence_level: float
    first: FirstCalibration
    think: ThinkCalibration
    groups: NotRequired[list[dict[str, Any]]]  # as `task.Group` names them, each with n, first and think of its own


class ManifestTask(TypedDict):
    id: str
    title: dict[str, str]  # by language
    graph: NotRequired[str]  # format 2 had one, and did not name it
    prompt: str
    question_tokens_max: int
    rationale_tokens_max: int
    answers: dict[str, Any]
    readings: NotRequired[dict[str, Any]]  # as `readings` says them
    calibration: dict[str, Any]  # of `Calibrated`, with how the pairs were split and where bands begin


class FileEntry(TypedDict):
    bytes: int
    sha256: str


class Manifest(TypedDict):
    format: int
    name: str
    version: str
    serial: int
    minimum_runtime: str
    licence: str
    teacher: str
    data: list[Origin]
    files: dict[str, FileEntry]
    graph: dict[str, Any]  # its geometry, and how its weights are stored
    control: dict[str, int]
    calculator: dict[str, int]
    tasks: list[ManifestTask]


def read_manifest(folder: Path) -> Manifest:
    return json.loads((folder / MANIFEST).read_text(encoding="utf-8"))


def is_bundle(folder: Path) -> bool:
    return (folder / MANIFEST).exists()


def licence(origins: Sequence[Origin]) -> str:
    """Of weights that came from these: what people's pairs taught stays under the terms of those people, and what came
    from Apache-2.0 stays under that. Of weights of our own we may say either of two licences."""
    said = [origin["licence"] for origin in origins if origin["kind"] == "human"]
    said += ["Apache-2.0"] if any(origin["licence"] == "Apache-2.0" for origin in origins) else []
    return "; ".join(dict.fromkeys(said)) or OWN_LICENCE
