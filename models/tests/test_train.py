"""What one step is graded on, against values computed by hand."""

import pytest
import torch
from torch import nn

from workshop.distil import train
from workshop.distil.sequences import Sequence
from workshop.distil.student import Geometry, Student

GEOMETRY = Geometry(vocabulary=32, width=32, layers=1, heads=1, kv_heads=1, hidden=32, max_len=16)


def test_margins_are_graded_at_their_place_by_their_mean_squared_error():
    head = nn.Linear(GEOMETRY.width, 2)
    nn.init.zeros_(head.weight)
    head.bias.data = torch.tensor([0.5, -0.5])
    told, untold = Sequence([1, 2, 3], [0.0] * 3, 1, margins=(0.7, 0.5)), Sequence([1, 2], [0.0] * 2)
    [batch] = train._deal(iter([untold, told, told]), ((8, 3),))
    assert train._loss(Student(GEOMETRY), head, batch).item() == pytest.approx(2 * train.MARGIN_WEIGHT * (0.2**2 + 1.0**2) / 2)


def test_margins_are_read_from_the_state_where_the_answer_is_asked_for():
    torch.manual_seed(2)
    student, head = Student(GEOMETRY), nn.Linear(GEOMETRY.width, 1)
    tokens = [4, 9, 2, 7]
    [batch] = train._deal((Sequence(tokens, [0.0] * 4, asked, margins=(float(asked),)) for asked in range(4)), ((4, 4),))
    predicted = head(student.hidden(torch.tensor([tokens]))[0])[:, 0]
    expected = (predicted - torch.arange(4)).square().sum().item()
    assert train._loss(student, head, batch).item() == pytest.approx(expected, rel=1e-3)  # states are bfloat16


def test_graded_tokens_count_by_their_weights():
    torch.manual_seed(3)
    student, head = Student(GEOMETRY), nn.Linear(GEOMETRY.width, 1)
    [batch] = train._deal(iter([Sequence([4, 9, 2], [0.0, 0.25, 0.75])]), ((8, 1),))
    said = student(torch.tensor([[4, 9, 2]]))[0].log_softmax(-1)
    expected = -(0.25 * said[0, 9] + 0.75 * said[1, 2]).item()
    assert train._loss(student, head, batch).item() == pytest.approx(expected, rel=0.01)
