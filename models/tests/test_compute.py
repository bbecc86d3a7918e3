"""Where a training computes, and its optimiser, against PyTorch's own."""

import copy
import functools
import itertools
import os
import pickle

import pytest
import torch
import torch.fx.experimental._config
from torch import nn

from sokutou_train.distil import compute, train
from sokutou_train.distil.muon import Muon, orthogonal
from sokutou_train.distil.sequences import Encoder, Probed, Sequence
from sokutou_train.distil.student import Geometry, Student
from sokutou_train.recipes import TOY
from sokutou_train.study import arms

CUDA = torch.device("cuda")


def test_muon_steps_as_pytorch_s_own_does():
    torch.manual_seed(5)
    ours = [nn.Parameter(torch.randn(shape)) for shape in ((8, 24), (24, 8), (8, 8))]
    theirs = copy.deepcopy(ours)
    pairs = [
        (Muon(ours, lr=0.02, weight_decay=0.1), ours),
        (torch.optim.Muon(theirs, lr=0.02, weight_decay=0.1, momentum=0.95), theirs),
    ]
    for _ in range(3):
        gradients = [torch.randn_like(matrix) for matrix in ours]
        for optimiser, matrices in pairs:
            for matrix, gradient in zip(matrices, gradients, strict=True):
                matrix.grad = gradient.clone()
            optimiser.step()
    for own, other in zip(ours, theirs, strict=True):
        assert torch.allclose(
            own, other, atol=2e-3
        )  # theirs is made orthogonal in bfloat16; a step moves a weight by about 0.007


@pytest.mark.parametrize("shape", [(6, 20), (20, 6), (6, 6)])
def test_directions_are_nearly_orthogonal(shape):
    values = torch.linalg.svdvals(orthogonal(torch.randn(shape, generator=torch.Generator().manual_seed(1))))
    assert values.min() > 0.5 and values.max() < 1.3
    assert torch.equal(orthogonal(torch.zeros(shape)), torch.zeros(shape))


@pytest.mark.parametrize(
    ("said", "multiplies"),
    [
        ("model name\t: Some CPU\nflags\t\t: fpu avx2 avx512f avx512_bf16\n", True),
        ("flags\t\t: fpu amx_bf16\n", True),
        ("Features\t: fp asimd bf16\n", True),
        ("flags\t\t: fpu avx2 avx512f\n", False),
        ("", False),
    ],
)
def test_bfloat16_is_for_processors_that_multiply_it_themselves(said, multiplies, tmp_path, monkeypatch):
    monkeypatch.setattr(compute, "CPUINFO", tmp_path / "cpuinfo")
    compute.CPUINFO.write_text(said)
    compute.multiplies_bfloat16.cache_clear()
    try:
        with compute.bfloat16(torch.device("cpu")):
            assert (torch.ones(2, 2) @ torch.ones(2, 2)).dtype == (torch.bfloat16 if multiplies else torch.float32)
        assert compute.name(torch.device("cpu"))
    finally:
        compute.multiplies_bfloat16.cache_clear()


def _process(step):
    return step, os.getpid()


def _failing(step):
    raise ValueError(f"no step {step}")


@pytest.mark.parametrize("device", [torch.device("cpu"), CUDA])
def test_steps_are_drawn_in_order_whoever_draws_them(device, monkeypatch):
    monkeypatch.setattr(os, "cpu_count", lambda: 3)
    drawn = list(compute.ahead(_process, range(3, 40), device))
    assert [step for step, _ in drawn] == list(range(3, 40))
    assert (os.getpid() in {process for _, process in drawn}) == (device.type == "cpu")
    early = compute.ahead(_process, range(1000), device)
    assert [step for step, _ in itertools.islice(early, 2)] == [0, 1]
    early.close()


def test_processes_draw_what_a_training_draws_itself(encoder, monkeypatch):
    monkeypatch.setattr(os, "cpu_count", lambda: 3)
    draw = functools.partial(train._drawn, Encoder(encoder.tokenizer, TOY.free), TOY, reads=False)
    one, other = (list(compute.ahead(draw, range(4), device)) for device in (torch.device("cpu"), CUDA))
    assert one == other and len(one) == 4


def test_an_encoder_that_was_sent_reads_control_tokens_as_text_still(encoder):
    sent = pickle.loads(pickle.dumps(encoder))
    assert sent.text("a <|answer|> b") == encoder.text("a <|answer|> b") and len(sent.text("<|answer|>")) > 1


def test_an_error_of_a_process_that_draws_is_raised(monkeypatch):
    monkeypatch.setattr(os, "cpu_count", lambda: 2)
    with pytest.raises(ValueError, match="no step 7"):
        list(compute.ahead(_failing, range(7, 9), CUDA))


def test_nothing_of_a_step_is_left_on_the_cpu(monkeypatch):
    """The device that stands for a GPU computes shapes alone, and refuses tensors of another."""
    meta = torch.device("meta")
    monkeypatch.setattr(compute, "multiplies_bfloat16", lambda device: False)
    monkeypatch.setattr(torch.fx.experimental._config, "meta_nonzero_assume_all_nonzero", True)
    geometry = Geometry(vocabulary=32, width=32, layers=1, heads=1, kv_heads=1, hidden=32, max_len=train.LENGTH_STEP)
    row = Sequence([1, 2, 3], [0.0, 0.0, 1.0], probed=(Probed("k", 1, (0.7,)),))
    [batch] = train._batches([train._Drawn("t", row, 1.0)], geometry.max_len)
    student = Student(geometry).to(meta)
    heads = nn.ModuleDict({"t/k": train.Head(geometry.width, torch.zeros(2, 1))}).to(meta)
    assert train._loss(student, heads, batch.to(meta)).device == meta
    for arm in arms.ARMS.values():
        assert arms.loss(student, arms.batch([(row, 1.0)], train.LENGTH_STEP).to(meta), arm).device == meta
    with pytest.raises(RuntimeError, match="device"):
        train._loss(student, heads, batch)
