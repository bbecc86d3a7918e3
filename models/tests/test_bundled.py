"""A bundle is a student again: every matrix as int8 has it, and the answers with it."""

import itertools
import json
import shutil

import pytest
import torch

from sokutou_train import bundle_files, loading
from sokutou_train.distil import base, bundled, train
from sokutou_train.recipes import TOY
from sokutou_train.ship import export
from sokutou_train.teachers import toy


@pytest.fixture(scope="module")
def read(toy_work):
    return base.load(str(toy_work.bundle))


def test_every_weight_is_what_int8_left_of_it(toy_work, read):
    before = train.load(toy_work.checkpoint)
    assert read.student.g.asdict() == pytest.approx(before.g.asdict())
    for (name, was), (other, weight) in zip(before.named_parameters(), read.student.named_parameters(), strict=True):
        assert name == other
        if was.ndim == 1:
            assert torch.equal(was, weight)
            continue
        # Each row has a scale of its own, of the embedding each block in it: rounding takes half of one of 127 steps at
        # most.
        rows = was if "embedding" not in name else was.reshape(-1, export.EMBEDDING_BLOCK)
        steps = rows.abs().amax(1, keepdim=True) / 127
        assert ((weight.reshape(rows.shape) - rows).abs() <= 0.51 * steps).all()
        assert not torch.equal(was, weight)


def test_the_answers_are_those_of_the_student_that_was_packed(toy_work, read):
    before, encoder = train.load(toy_work.checkpoint), loading.encoder(toy_work)
    assert read.tokenizer.to_str() == encoder.tokenizer.to_str()
    pairs = list(itertools.islice(toy.TASK.stream("bundled"), 300))
    right = [train.accuracy(student, encoder, toy.TASK, pairs) for student in (before, read.student)]
    assert right[0] > 0.95 and right[1] == pytest.approx(right[0], abs=0.01)


def test_a_matrix_that_stayed_fp32_comes_back_whole(toy_work, tmp_path):
    shutil.copytree(toy_work.bundle, tmp_path / "bundle")
    student = train.load(toy_work.checkpoint)
    export.export(student, loading.encoder(toy_work), TOY, tmp_path / "bundle" / "model.onnx", ["down.0"])
    again = base.load(str(tmp_path / "bundle")).student
    assert torch.equal(again.blocks[0].down.weight, student.blocks[0].down.weight)


def test_what_it_came_from_is_named(toy_work, read, tmp_path):
    [origin] = read.origins
    manifest = json.loads((toy_work.bundle / "manifest.json").read_text("utf-8"))
    assert (origin["name"], origin["kind"], origin["licence"]) == (
        "earlier student, toy-0.0.1",
        "model",
        bundle_files.OWN_LICENCE,
    )
    assert origin["sha256"] == manifest["files"]["model.onnx"]["sha256"]
    human = {"name": "reviews", "kind": "human", "licence": "mine", "sha256": "0"}
    shutil.copytree(toy_work.bundle, tmp_path / "bundle")
    (tmp_path / "bundle" / "manifest.json").write_text(
        json.dumps(manifest | {"data": [human, *manifest["data"]]}), "utf-8"
    )
    kept, model = base.load(str(tmp_path / "bundle")).origins
    assert kept == human and model["licence"] == "mine"


def test_a_graph_of_another_kind_is_refused(toy_work, tmp_path):
    shutil.copytree(toy_work.bundle, tmp_path / "bundle")
    manifest = json.loads((tmp_path / "bundle" / "manifest.json").read_text("utf-8"))
    manifest["graph"]["layers"] += 1
    (tmp_path / "bundle" / "manifest.json").write_text(json.dumps(manifest), "utf-8")
    with pytest.raises(bundled.BundleError, match="bundle/model.onnx is not a graph that a student can start from"):
        base.load(str(tmp_path / "bundle"))
