"""The student: a small Llama-shaped decoder in PyTorch. Trains and is exported; the device never runs this file.

Pre-norm RMSNorm, grouped-query attention with rotary positions (halves, not interleaved), SwiGLU, tied embedding:
exactly what the ONNX graph contract can express with fused operators.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

QUERIES = 128  # attended from at once, so that a long sequence skips most of the keys that lie ahead


@dataclass(frozen=True)
class Geometry:
    vocabulary: int
    width: int = 192
    layers: int = 6
    heads: int = 6
    kv_heads: int = 3
    head_dim: int = 32
    hidden: int = 512
    max_len: int = 384  # tokens of question, rationale and answer together
    rope_theta: float = 10_000.0
    norm_eps: float = 1e-5

    @classmethod
    def of_width(cls, vocabulary: int, width: int, **more: int) -> Geometry:
        """Heads of the usual size, two for each key-value head."""
        heads = width // cls.head_dim
        return cls(vocabulary, width, heads=heads, kv_heads=max(1, heads // 2), **more)

    def asdict(self) -> dict:
        return asdict(self)


class Attention(nn.Module):
    def __init__(self, g: Geometry):
        super().__init__()
        self.g = g
        self.qkv = nn.Linear(g.width, (g.heads + 2 * g.kv_heads) * g.head_dim, bias=False)
        self.out = nn.Linear(g.heads * g.head_dim, g.width, bias=False)

    def forward(self, x: Tensor, cos: Tensor, sin: Tensor, sequence_ids: Tensor | None = None) -> Tensor:
        b, s, _ = x.shape
        g = self.g
        qkv = self.qkv(x).view(b, s, g.heads + 2 * g.kv_heads, g.head_dim).transpose(1, 2)  # (b, heads, s, head_dim)
        qk, v = qkv[:, : g.heads + g.kv_heads], qkv[:, g.heads + g.kv_heads :]
        qk = _rotate(qk, cos[:s], sin[:s])
        q, k = qk[:, : g.heads], qk[:, g.heads :]
        share = g.heads // g.kv_heads
        k, v = k.repeat_interleave(share, 1), v.repeat_interleave(share, 1)
        if x.is_cuda:
            y = F.scaled_dot_product_attention(q, k, v, _seen(s, s, sequence_ids, x.device))
        else:
            y = torch.cat(
                [
                    _attend(
                        q[:, :, at : at + QUERIES],
                        k[:, :, : at + QUERIES],
                        v[:, :, : at + QUERIES],
                        None if sequence_ids is None else sequence_ids[:, : at + QUERIES],
                    )
                    for at in range(0, s, QUERIES)
                ],
                2,
            )
        return self.out(y.transpose(1, 2).reshape(b, s, -1))


class Block(nn.Module):
    def __init__(self, g: Geometry):
        super().__init__()
        self.attention_norm = nn.RMSNorm(g.width, g.norm_eps)
        self.attention = Attention(g)
        self.mlp_norm = nn.RMSNorm(g.width, g.norm_eps)
        self.gate_up = nn.Linear(g.width, 2 * g.hidden, bias=False)
        self.down = nn.Linear(g.hidden, g.width, bias=False)

    def forward(self, x: Tensor, cos: Tensor, sin: Tensor, sequence_ids: Tensor | None = None) -> Tensor:
        x = x + self.attention(self.attention_norm(x), cos, sin, sequence_ids)
        gate, up = self.gate_up(self.mlp_norm(x)).chunk(2, -1)
        return x + self.down(F.silu(gate) * up)


class Blocks(nn.ModuleList):
    """A list that says what it holds."""

    def __iter__(self) -> Iterator[Block]:
        return cast("Iterator[Block]", super().__iter__())


class Student(nn.Module):
    cos: Tensor
    sin: Tensor

    def __init__(self, g: Geometry):
        super().__init__()
        self.g = g
        self.embedding = nn.Embedding(g.vocabulary, g.width)
        self.blocks = Blocks(Block(g) for _ in range(g.layers))
        self.norm = nn.RMSNorm(g.width, g.norm_eps)
        cos, sin = rotary_tables(g)
        self.register_buffer("cos", cos, persistent=False)
        self.register_buffer("sin", sin, persistent=False)
        self.apply(_init)
        for block in self.blocks:  # residual outputs start small, as in GPT-2
            for linear in (block.attention.out, block.down):
                nn.init.normal_(linear.weight, std=0.02 / (2 * g.layers) ** 0.5)

    @property
    def device(self) -> torch.device:
        return self.embedding.weight.device

    def hidden(self, tokens: Tensor, sequence_ids: Tensor | None = None) -> Tensor:
        """(batch, seq) ids to (batch, seq, width) states after the last norm. With `sequence_ids` (batch, seq),
        which sequence of its row each token belongs to, a row holds several, and none sees another: rotary positions
        are relative, so that each may begin anywhere."""
        return self.states(self.embedding(tokens), sequence_ids)

    def states(self, x: Tensor, sequence_ids: Tensor | None = None) -> Tensor:
        """The same from what the tokens are embedded to, (batch, seq, width)."""
        for block in self.blocks:
            x = block(x, self.cos, self.sin, sequence_ids)
        return self.norm(x)

    def logits(self, hidden: Tensor) -> Tensor:
        return F.linear(hidden, self.embedding.weight)

    def forward(self, tokens: Tensor) -> Tensor:
        """(batch, seq) ids to (batch, seq, vocabulary) logits."""
        return self.logits(self.hidden(tokens))


def rotary_tables(g: Geometry) -> tuple[Tensor, Tensor]:
    """cos and sin, each (max_len, head_dim / 2)."""
    frequency = g.rope_theta ** (-torch.arange(0, g.head_dim, 2) / g.head_dim)
    angle = torch.outer(torch.arange(g.max_len), frequency)
    return angle.cos(), angle.sin()


def _attend(q: Tensor, k: Tensor, v: Tensor, sequence_ids: Tensor | None) -> Tensor:
    """The last queries (batch, heads, queries, head_dim) look back over all keys. Written out: compiled for a CPU this
    takes half the time of a training step with PyTorch's fused attention, whose way back is slow there."""
    scores = (q @ k.transpose(-1, -2)).float() * q.shape[-1] ** -0.5
    seen = _seen(q.shape[2], k.shape[2], sequence_ids, q.device)
    return scores.masked_fill(~seen, float("-inf")).softmax(-1).to(v.dtype) @ v


def _seen(queries: int, keys: int, sequence_ids: Tensor | None, device: torch.device) -> Tensor:
    """(batch or nothing, 1, queries, keys), which keys each of the last queries sees: none ahead of it, none of another
    sequence."""
    seen = torch.ones(queries, keys, dtype=torch.bool, device=device).tril(keys - queries)
    if sequence_ids is None:
        return seen
    return seen & (sequence_ids[:, None, -queries:, None] == sequence_ids[:, None, None, :])


def _rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    a, b = x.chunk(2, -1)
    cos, sin = cos.to(x.dtype), sin.to(x.dtype)
    return torch.cat((a * cos - b * sin, b * cos + a * sin), -1)


def _init(module: nn.Module) -> None:
    if isinstance(module, nn.Linear | nn.Embedding):
        nn.init.normal_(module.weight, std=0.02)
