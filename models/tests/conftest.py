"""What several tests share: small tokenizers, students with random weights, and the toy student, distilled once."""

import itertools

import pytest
import torch

from sokutou_train import __main__
from sokutou_train.distil import vocabulary
from sokutou_train.distil.sequences import Encoder
from sokutou_train.distil.student import Geometry, Student
from sokutou_train.recipes import TOY
from sokutou_train.teachers.machine_failure.task import TASK
from sokutou_train.work import Work


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


@pytest.fixture(scope="session")
def toy_work(tmp_path_factory) -> Work:
    """The work folder that the whole way leaves, as the command line walks it."""
    folder = tmp_path_factory.mktemp("toy")
    assert __main__.main(["distil", "--recipe", "toy", "--work", str(folder)]) == 0
    return Work(TOY, folder, folder, folder / "reference_logits.json")
