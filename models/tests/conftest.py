"""What several tests share: small tokenizers, and students with random weights."""

import itertools

import pytest
import torch

from workshop.distil import vocabulary
from workshop.teachers.machine_failure.task import TASK
from workshop.distil.sequences import Encoder
from workshop.distil.student import Geometry, Student


@pytest.fixture(scope="session")
def encoder() -> Encoder:
    pairs = itertools.islice(TASK.stream("test-vocabulary"), 800)
    return Encoder(vocabulary.train((text for pair in pairs for text in (pair.prompt, pair.rationale)), TASK.texts))


@pytest.fixture(scope="session")
def student(encoder) -> Student:
    torch.manual_seed(1)
    student = Student(Geometry(encoder.tokenizer.get_vocab_size(), width=64, layers=2, heads=2, kv_heads=1, hidden=96))
    for parameter in student.parameters():  # the small weights of a fresh student would hide a wrong graph
        if parameter.ndim == 2:
            torch.nn.init.normal_(parameter, std=0.2)
    return student.eval()
