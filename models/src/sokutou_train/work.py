"""Where a student's files stand: its work folder, and the places of its results. Knows the form of none of them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from . import disk
from .recipe import Recipe


@dataclass(frozen=True)
class Work:
    """One student's work folder, and where its results go."""

    recipe: Recipe
    folder: Path  # or the student's bundle, of which most steps can read what they need
    out: Path  # holds the bundle folder
    reference: Path
    rows: Mapping[str, Path] = field(default_factory=dict)  # by task, its own real rows, to measure on
    others: tuple[str, ...] = ()  # questions of other kinds, to measure on
    keep_fp32: tuple[str, ...] = ()  # matrices that are not quantized
    kept: Mapping[str, Path] = field(default_factory=dict)  # by task, the graph that answers it, if an earlier one

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
        return self.out / f"{self.recipe.id}-{self.recipe.version}"

    def read_json(self, name: str) -> dict[str, Any]:
        """Of a file in the work folder."""
        return json.loads((self.folder / name).read_text(encoding="utf-8"))

    def write_json(self, name: str, value: Mapping[str, Any]) -> None:
        disk.write(self.folder / name, json.dumps(value, ensure_ascii=False, indent=2) + "\n")
