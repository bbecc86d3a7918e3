"""The names of the files in a bundle that more than one step knows, and the terms that weights come under."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

MANIFEST = "manifest.json"  # makes a folder a bundle
GRAPH = "model.onnx"  # of all tasks that were not taught alone
OWN = ("human", "model")  # of a manifest's `data`, what weights that come from it must go on naming
OWN_LICENCE = "MIT OR Apache-2.0"


def is_bundle(folder: Path) -> bool:
    return (folder / MANIFEST).exists()


def licence(origins: Sequence[Mapping[str, str]]) -> str:
    """Of weights that came from these: what people's pairs taught stays under the terms of those people, and what came
    from Apache-2.0 stays under that. Of weights of our own we may say either of two licences."""
    said = [origin["licence"] for origin in origins if origin["kind"] == "human"]
    said += ["Apache-2.0"] if any(origin["licence"] == "Apache-2.0" for origin in origins) else []
    return "; ".join(dict.fromkeys(said)) or OWN_LICENCE
