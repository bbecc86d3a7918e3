"""What one step is graded on, against values computed by hand."""

import dataclasses
import errno
import itertools
import json
from collections import Counter
from pathlib import Path

import pytest
import torch
from torch import nn

from sokutou_train import disk
from sokutou_train.distil import train
from sokutou_train.distil.sequences import EMPTY, Probed, Sequence
from sokutou_train.distil.student import Geometry, Student

GEOMETRY = Geometry(vocabulary=32, width=32, layers=1, heads=1, kv_heads=1, hidden=32, max_len=32)


def head(*bias, variance=1.0):
    """Says the same of every state."""
    made = train.Head(GEOMETRY.width, torch.zeros(1, len(bias)))
    made.bias.data, made.variance = torch.tensor(bias), torch.full([len(bias)], variance)
    return made


def drawn(task, sequence, share=1.0):
    return train._Drawn(task, sequence, share)


def test_probes_of_one_kind_share_a_mean_squared_error():
    once = Sequence([1, 2, 3], [0.0] * 3, probed=(Probed("k", 1, (0.7, 0.5)),))
    twice = Sequence([1, 2, 3], [0.0] * 3, probed=(Probed("k", 1, (0.7, 0.5)), Probed("k", 2, (0.5, 0.0))))
    [batch] = train._batches(
        [drawn("t", Sequence([1, 2], [0.0] * 2)), drawn("t", once), drawn("t", twice, 0.5)], GEOMETRY.max_len
    )
    loss = train._loss(Student(GEOMETRY), nn.ModuleDict({"t/k": head(0.5, -0.5)}), batch).item()
    first, second = (0.2**2 + 1.0**2) / 2, 0.5**2 / 2
    assert loss == pytest.approx(train.PROBE_WEIGHT * (first + 0.5 * (first + second) / 2))


def test_probes_are_read_from_the_state_at_their_place():
    torch.manual_seed(2)
    student, reader = Student(GEOMETRY), train.Head(GEOMETRY.width, torch.zeros(1, 1))
    nn.init.normal_(reader.weight)
    reader.variance = torch.ones(1)
    tokens = [4, 9, 2, 7]
    rows = [drawn("t", Sequence(tokens, [0.0] * 4, probed=(Probed("k", at, (float(at),)),))) for at in range(4)]
    [batch] = train._batches(rows, GEOMETRY.max_len)
    predicted = reader(student.hidden(torch.tensor([tokens]))[0])[:, 0]
    expected = train.PROBE_WEIGHT * (predicted - torch.arange(4)).square().sum().item()
    assert train._loss(student, nn.ModuleDict({"t/k": reader}), batch).item() == pytest.approx(
        expected, rel=1e-2
    )  # states are bfloat16


def test_graded_tokens_count_by_their_weights():
    torch.manual_seed(3)
    student = Student(GEOMETRY)
    [batch] = train._batches([drawn("t", Sequence([4, 9, 2], [0.0, 0.25, 0.75]), 0.5)], GEOMETRY.max_len)
    said = student(torch.tensor([[4, 9, 2]]))[0].log_softmax(-1)
    expected = -0.5 * (0.25 * said[0, 9] + 0.75 * said[1, 2]).item()
    assert train._loss(student, nn.ModuleDict(), batch).item() == pytest.approx(expected, rel=0.01)


def test_each_task_and_kind_has_probes_of_its_own():
    heads = nn.ModuleDict({"a/k": head(0.1), "b/k": head(0.2, 0.3), "b/l": head(0.4)})
    kind = [
        drawn("a", Sequence([1, 2], [0.0] * 2, probed=(Probed("k", 1, (0.5,)),))),
        drawn("b", Sequence([1, 3], [0.0] * 2, probed=(Probed("k", 1, (0.0, 0.8)), Probed("l", 0, (1.0,))))),
    ]
    [batch] = train._batches(kind, GEOMETRY.max_len)
    expected = train.PROBE_WEIGHT * (0.4**2 + (0.2**2 + 0.5**2) / 2 + 0.6**2)
    assert train._loss(Student(GEOMETRY), heads, batch).item() == pytest.approx(expected)


def test_errors_count_in_shares_of_what_a_value_varies():
    told = torch.tensor([[1.0, 0.0, 5.0], [-1.0, 0.0, 5.0], [1.0, 1.0, 5.0], [-1.0, 0.0, 5.0]])
    reader = train.Head(GEOMETRY.width, told)
    assert reader.variance.tolist() == pytest.approx([1.0, 3 / 16, train.VARIANCE_MIN])
    mean = torch.tensor([0.0, 0.25, 5.0])
    reader.bias.data = mean  # whoever knows the average alone loses 1 of each value that varies
    assert reader.losses(torch.zeros(4, GEOMETRY.width), told).mean().item() == pytest.approx(2 / 3)


@torch.no_grad()
def test_sequences_that_share_a_row_do_not_see_each_other():
    torch.manual_seed(4)
    student = Student(dataclasses.replace(GEOMETRY, layers=2)).double()
    for parameter in student.parameters():
        nn.init.normal_(parameter, std=0.5)
    sequences = [[4, 9, 2, 7, 7], [1, 2, 3], [9, 9, 1, 6]]
    [batch] = train._batches(
        [drawn("t", Sequence(tokens, [0.0] * len(tokens))) for tokens in sequences], GEOMETRY.max_len
    )
    states, start = student.hidden(batch.tokens, batch.sequence_ids)[0], 0
    for tokens in sorted(sequences, key=len, reverse=True):
        alone = student.hidden(torch.tensor([tokens]))[0]
        torch.testing.assert_close(
            states[start : start + len(tokens)], alone, rtol=1e-4, atol=1e-4
        )  # angles are single precision
        start += len(tokens)


def test_rows_are_packed_into_two_shapes_and_none_is_lost():
    max_len = 2 * train.SHORT_ROW["cpu"]
    rows = [drawn("t", Sequence([at + 1] * (at % max_len + 1), [0.0] * (at % max_len + 1))) for at in range(700)]
    batches = list(train._batches(rows, max_len))
    assert {tuple(batch.tokens.shape) for batch in batches} == {
        (train.PACKED_TOKENS["cpu"] // length, length) for length in (train.SHORT_ROW["cpu"], max_len)
    }
    held = Counter(
        batch.tokens[row, batch.sequence_ids[row] == number][0].item()
        for batch in batches
        for row in range(len(batch.tokens))
        for number in range(1, batch.sequence_ids[row].max() + 1)
    )
    assert held == Counter(range(1, 701))
    told = sum(len(row.sequence.tokens) for row in rows)
    assert sum((batch.tokens > 0).sum().item() for batch in batches) == told
    assert sum(batch.tokens.numel() for batch in batches) < 1.1 * told


def test_batches_have_few_shapes_and_lose_no_row():
    longest = train.FINE_MAX + train.LENGTH_STEP
    rows = [Sequence([1] * count, [0.0] * count) for count in itertools.chain(*[range(1, longest)] * 200)]
    batches = list(train.alike(rows, lambda row: row, EMPTY))
    assert sorted(id(row) for own, _ in batches for row in own if row is not EMPTY) == sorted(map(id, rows))
    lengths = [*range(train.LENGTH_STEP // 2, train.FINE_MAX + 1, train.LENGTH_STEP // 2), longest]
    assert {(len(own), length) for own, length in batches} == {
        (train.BATCH_TOKENS["cpu"] // length, length) for length in lengths
    }
    assert all(max(len(row.tokens) for row in own) <= length for own, length in batches)


def test_every_length_may_be_compiled(monkeypatch):
    monkeypatch.setattr(torch._dynamo.config, "recompile_limit", 8)
    student = Student(dataclasses.replace(GEOMETRY, max_len=20 * train.LENGTH_STEP))
    train.compile_blocks(student)
    assert torch._dynamo.config.recompile_limit > 20


def test_a_full_disk_is_named_and_spares_the_old_checkpoint(tmp_path, monkeypatch):
    path, student = tmp_path / "checkpoint.pt", Student(GEOMETRY)
    train.save(path, student, [], step=1)

    def full(new, content):
        with new.open("wb") as file:
            file.write(content[: len(content) // 2])
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(disk.DiskFull, match=f"no space is left on the disk of {tmp_path}"):
        train.save(path, student, [], step=2)
    assert [file.name for file in tmp_path.iterdir()] == ["checkpoint.pt"]
    assert torch.load(path, weights_only=True)["step"] == 1


def test_what_a_training_ran_on_is_told():
    told = json.loads(json.dumps(train.circumstances()))
    assert set(told) == {"threads", "processor", "date", "versions"} and told["processor"]
    assert told["versions"]["torch"] == torch.__version__.partition("+")[0] and "onnxruntime" in told["versions"]
