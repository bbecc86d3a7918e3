"""Where a student starts that does not start from scratch: SmolLM2 or an earlier student, from its work folder or its
bundle, cut to the task's vocabulary and to fewer layers.

Trains nothing: a cut student has forgotten how its layers fit together, and answers nothing sensible before it is
trained.
"""

from __future__ import annotations

import dataclasses
import hashlib
import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch
from tokenizers import Tokenizer, pre_tokenizers
from torch import Tensor

from ..bundle_files import GRAPH, Origin, is_bundle, licence
from . import vocabulary
from .student import Geometry, Student
from .vocabulary import ANSWER, END, PAD, THINK, WHY

SMOLLM2 = "smollm2"
SMOLLM2_KEPT, EARLIER_KEPT = (
    0.5,
    0.9,
)  # SmolLM2 has hardly any Japanese; an earlier student's vocabulary is the task's already
# A control token that the base does not have starts as the mean of what SmolLM2 would read here.
STARTS = {PAD: "<|endoftext|>", ANSWER: " Answer:", WHY: " because", THINK: " Let us think.", END: "<|im_end|>"}


@dataclass(frozen=True)
class Base:
    student: Student
    tokenizer: Tokenizer
    origins: tuple[Origin, ...]  # what its weights come from, as a manifest's `data` says it
    kept_share: (
        float  # of a vocabulary cut from it, what is kept of its own beside the bytes; the rest is learned on the texts
    )
    heads: Mapping[str, Tensor] = field(default_factory=dict)  # that read probes, of an earlier student's training


def load(name: str) -> Base:
    """SmolLM2 by its name, or the student that a work folder, a bundle or one of a bundle's graphs holds. Raises
    `ValueError` where it holds none."""
    if name == SMOLLM2:
        from . import smollm  # its reader of GGUF is needed for nothing else

        origin: Origin = {"name": smollm.NAME, "kind": "model", "licence": smollm.LICENCE, "sha256": smollm.SHA256}
        return Base(*smollm.load(), (origin,), SMOLLM2_KEPT)
    folder, graph = (Path(name).parent, Path(name)) if name.endswith(".onnx") else (Path(name), Path(name) / GRAPH)
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    heads: Mapping[str, Tensor] = {}
    if is_bundle(folder):
        from . import bundled  # needs ONNX, which no other base does

        student, origins, digest = bundled.read(graph)
    else:
        content = (folder / "checkpoint.pt").read_bytes()
        checkpoint = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
        student, origins = restored(checkpoint)
        digest, heads = hashlib.sha256(content).hexdigest(), checkpoint.get("heads", {})
    origin = {"name": f"earlier student, {folder.name}", "kind": "model", "licence": licence(origins), "sha256": digest}
    return Base(student, tokenizer, (*origins, origin), EARLIER_KEPT, heads)


def restored(checkpoint: dict) -> tuple[Student, tuple[Origin, ...]]:
    """The student of a checkpoint that `train` wrote, and its origins."""
    student = Student(Geometry(**checkpoint["geometry"]))
    student.load_state_dict(checkpoint["student"])
    return student, tuple(checkpoint.get("origins", ()))


def vocabulary_of(base: Base | None, texts: Iterable[str], words: Iterable[str], size: int) -> Tokenizer:
    """Learned on `texts` and `words`, or cut to them out of the base's."""
    if base is None:
        return vocabulary.train(texts, words, size)
    return vocabulary.cut(base.tokenizer, texts, words, size, base.kept_share)


def cut(
    base: Base,
    texts: Iterable[str],
    words: Iterable[str],
    layers: Sequence[int] | None = None,
    vocabulary_size: int | None = vocabulary.VOCABULARY_SIZE,
    max_len: int = Geometry.max_len,
) -> Base:
    """`base` with a vocabulary cut to `texts` and its `words`, and with these of its layers; None keeps all."""
    tokenizer = vocabulary.cut(base.tokenizer, texts, words, vocabulary_size, base.kept_share)
    return dataclasses.replace(base, student=transplant(base, tokenizer, layers, max_len), tokenizer=tokenizer)


def spread(count: int, layers: int) -> list[int]:
    """`count` of so many layers, evenly spread, the first and the last always: the ends do work that no other layer
    does, while neighbours in the middle do much the same (Sanh et al. 2019 start DistilBERT from every second
    layer)."""
    if not 2 <= count <= layers:
        raise ValueError(f"expected 2 to {layers} layers of the base, got {count}")
    return [round(at * (layers - 1) / (count - 1)) for at in range(count)]


@torch.no_grad()
def transplant(
    base: Base, tokenizer: Tokenizer, layers: Sequence[int] | None, max_len: int = Geometry.max_len
) -> Student:
    """The base's weights in a student of another vocabulary and fewer layers."""
    old = base.student
    kept = range(old.g.layers) if layers is None else layers
    student = Student(
        dataclasses.replace(old.g, vocabulary=tokenizer.get_vocab_size(), layers=len(kept), max_len=max_len)
    )
    for block, at in zip(student.blocks, kept, strict=True):
        block.load_state_dict(old.blocks[at].state_dict())
    student.norm.load_state_dict(old.norm.state_dict())
    student.embedding.weight.copy_(embedding(old.embedding.weight, base.tokenizer, tokenizer))
    return student


def embedding(table: Tensor, old: Tokenizer, new: Tokenizer) -> Tensor:
    """Rows (new vocabulary, width) for the tokens of `new`: the old row where `old` has the token, else the mean of the
    old rows of its pieces; where it has not even those (SmolLM2 lacks some bytes), the mean of its bytes."""
    ids = old.get_vocab()
    plain = [ids[byte] for byte in pre_tokenizers.ByteLevel.alphabet() if byte in ids]
    rows = table.new_empty(new.get_vocab_size(), table.shape[1])
    for token, at in new.get_vocab().items():
        if token in ids:
            pieces = [ids[token]]
        elif token in STARTS:
            pieces = old.encode(STARTS[token], add_special_tokens=False).ids
        else:
            pieces = [piece.id for piece in old.model.tokenize(token)]
        rows[at] = table[pieces or plain].mean(0)
    return rows
