"""The student's own attention, held against PyTorch's."""

import pytest
import torch
import torch.nn.functional as F

from sokutou_train.distil.student import QUERIES, Attention, Geometry, _rotate, rotary_tables

GEOMETRY = Geometry(vocabulary=32, width=96, layers=1, heads=4, kv_heads=2, hidden=32, max_len=3 * QUERIES)


@pytest.mark.parametrize("length", [1, QUERIES - 1, QUERIES, QUERIES + 1, 2 * QUERIES + 7])
def test_each_token_looks_back_over_all_tokens_before_it_and_itself(length):
    torch.manual_seed(1)
    attention, x = Attention(GEOMETRY), torch.randn(2, length, GEOMETRY.width)
    cos, sin = rotary_tables(GEOMETRY)
    q, k, v = attention.qkv(x).view(2, length, 8, GEOMETRY.head_dim).transpose(1, 2).split((4, 2, 2), 1)
    q, k = (_rotate(part, cos[:length], sin[:length]) for part in (q, k))
    k, v = k.repeat_interleave(2, 1), v.repeat_interleave(2, 1)
    y = F.scaled_dot_product_attention(q, k, v, is_causal=True)
    expected = attention.out(y.transpose(1, 2).reshape(2, length, -1))
    torch.testing.assert_close(attention(x, cos, sin), expected, atol=1e-5, rtol=1e-4)
