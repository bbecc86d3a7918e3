"""The graph is the student, token by token and rewound; a gate that must not pass does not."""

import copy
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnx import helper
from onnxruntime.quantization import QuantType, quantize_dynamic

from sokutou_train.distil.sequences import Encoder
from sokutou_train.pair import Pair
from sokutou_train.recipe import Recipe, Sizes
from sokutou_train.ship import export
from sokutou_train.ship.decode import Decoder, session
from sokutou_train.teachers import toy
from sokutou_train.teachers.machine_failure.task import TASK

SMALL = Recipe("small", "0.0.1", 1, (TASK,), Path(), sizes=Sizes(gate=8))


@pytest.fixture(scope="module")
def full(student, tmp_path_factory):
    path = tmp_path_factory.mktemp("export") / "fp32.onnx"
    onnx.save(export.graph(student, int8_embedding=False), path)
    return path


@torch.no_grad()
def test_chunks_and_rewinding_change_nothing(student, full):
    tokens = torch.randint(5, student.g.vocabulary, (40,), generator=torch.Generator().manual_seed(2)).tolist()
    expected = student(torch.tensor([tokens]))[0].numpy()
    decoder = Decoder(full)
    for at, run in ((0, tokens[:17]), (17, tokens[17:18]), (18, tokens[18:40]), (17, tokens[17:30]), (5, tokens[5:40])):
        np.testing.assert_allclose(decoder.feed(run, at), expected[at + len(run) - 1], atol=1e-4)


def test_a_gate_is_an_output_of_its_own_and_changes_no_other(student, full, tmp_path):
    rng = np.random.default_rng(5)
    weights, bias = rng.normal(size=student.g.width).astype(np.float32), 0.3
    path = tmp_path / "gated.onnx"
    onnx.save(export.graph(student, int8_embedding=False, gate=(weights, bias)), path)
    runner, tokens = session(path), rng.integers(5, student.g.vocabulary, 12).tolist()
    fed = {
        "input_ids": np.array([tokens]),
        "position_ids": np.arange(12)[None],
        "seqlens_k": np.array([11], np.int32),
        "total_sequence_length": np.array(12, np.int32),
    }
    cache = {
        past.name: np.zeros(past.shape, np.float32) for past in runner.get_inputs() if past.name.startswith("past")
    }
    (gate,) = runner.run(["gate"], fed | cache)
    with torch.no_grad():
        state = student.hidden(torch.tensor([tokens]))[0, -1]
        expected = torch.sigmoid(state @ torch.from_numpy(weights) + bias)
    assert gate.shape == (1,) and gate.dtype == np.float32
    np.testing.assert_allclose(gate[0], expected.item(), atol=1e-4)
    np.testing.assert_allclose(Decoder(path).feed(tokens, 0), Decoder(full).feed(tokens, 0), atol=1e-6)
    quantize_dynamic(
        path,
        tmp_path / "int8.onnx",
        op_types_to_quantize=["MatMul"],
        weight_type=QuantType.QInt8,
        extra_options={"DefaultTensorType": onnx.TensorProto.FLOAT},
    )
    assert {"gate.vector", "gate.bias"} <= {
        tensor.name for tensor in onnx.load(tmp_path / "int8.onnx").graph.initializer
    }


def test_a_run_beyond_the_cache_is_refused(student, full):
    with pytest.raises(ValueError, match=f"at most {student.g.max_len}"):
        Decoder(full).feed([5] * 2, student.g.max_len - 1)


def test_the_contract_of_the_graph(student, tmp_path, encoder, monkeypatch):
    monkeypatch.setattr(export, "KEPT_MIN", 0)  # random weights answer at random
    path = tmp_path / "model.onnx"
    export.export(student, encoder, SMALL, path)
    graph, g = onnx.load(path).graph, student.g
    shapes = {
        v.name: [d.dim_value or d.dim_param for d in v.type.tensor_type.shape.dim]
        for v in [*graph.input, *graph.output]
    }
    cache = [1, g.kv_heads, g.max_len, g.head_dim]
    caches = {
        f"{when}.{i}.{part}": cache
        for when in ("past_key_values", "present")
        for i in range(g.layers)
        for part in ("key", "value")
    }
    assert shapes == {
        "input_ids": [1, "S"],
        "position_ids": [1, "S"],
        "seqlens_k": [1],
        "total_sequence_length": [],
        "logits": [1, g.vocabulary],
        **caches,
    }


def test_a_graph_that_is_not_the_student_is_refused(student, encoder, tmp_path, monkeypatch):
    right = export.graph

    def wrong(student, int8_embedding):
        model = right(student, int8_embedding)
        for node in model.graph.node:
            if node.op_type == "GroupQueryAttention":
                next(a for a in node.attribute if a.name == "rotary_interleaved").i = 1
        return model

    monkeypatch.setattr(export, "graph", wrong)
    with pytest.raises(export.ExportError, match="differs from PyTorch"):
        export.export(student, encoder, SMALL, tmp_path / "model.onnx")


def test_int8_that_answers_otherwise_is_refused_and_what_was_there_stays(student, encoder, tmp_path, monkeypatch):
    monkeypatch.setattr(export, "KEPT_MIN", 1.01)
    path = tmp_path / "model.onnx"
    path.write_bytes(b"an earlier graph")
    with pytest.raises(
        export.ExportError, match="int8 keeps the answer .* of the 8 pairs of machine-failure, expected 101%"
    ):
        export.export(student, encoder, SMALL, path)
    assert [file.name for file in tmp_path.iterdir()] == ["model.onnx"] and path.read_bytes() == b"an earlier graph"


class Scripted:
    """Stands for a decoder: the logits after each run, by the tokens fed until then."""

    def __init__(self, vocabulary: int, script: dict[tuple[int, ...], dict[int, float]]):
        self.vocabulary, self.script, self.fed = vocabulary, script, []

    def feed(self, tokens, at):
        self.fed[at:] = tokens
        logits = np.full(self.vocabulary, -9.0, np.float32)
        for token, logit in self.script.get(tuple(self.fed[-2:]), {}).items():
            logits[token] = logit
        return logits


def test_the_gate_compares_every_token_of_a_free_answer_and_forgives_a_toss_up(encoder):
    encoder = Encoder(encoder.tokenizer, {"toy-digits"})
    pair = Pair(task="toy-digits", question="?", answer="17", rationale="r")
    answer, why, one, seven = (
        *(encoder.control[t] for t in ("<|answer|>", "<|why|>")),
        *encoder.text("1"),
        *encoder.text("7"),
    )
    last = encoder.prompt(pair, "<|answer|>")[-2]
    sure = {(last, answer): {one: 9.0}, (answer, one): {seven: 9.0}, (one, seven): {why: 9.0}}
    for at in sure:  # another token at each place in turn, the closing one too
        for logit, turned in (
            (9.0, True),
            (-8.9, False),
        ):  # after a sure one, and after one that is hardly likelier than others
            full = sure | {at: {next(iter(sure[at])): logit}}
            decoders = [Scripted(2000, script) for script in (full, sure | {at: {5: 9.0}})]
            found = export._same_answers(*decoders, encoder, toy.DIGITS, [pair])
            assert found == {"pairs": 1, "int8_same_answer": 0.0, "int8_kept": 0.0 if turned else 1.0}
    same = export._same_answers(Scripted(2000, sure), Scripted(2000, sure), encoder, toy.DIGITS, [pair])
    assert (same["int8_same_answer"], same["int8_kept"]) == (1.0, 1.0)


def test_an_int8_product_is_what_the_runtime_library_computes(tmp_path):
    rng = np.random.default_rng(1)
    state, matrix = rng.normal(1, 2, (5, 64)).astype(np.float32), rng.normal(0, 1, (64, 48)).astype(np.float32)
    x, y = (
        helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, [5, size]) for name, size in (("x", 64), ("y", 48))
    )
    weight = onnx.numpy_helper.from_array(matrix, "w")
    graph = helper.make_graph([helper.make_node("MatMul", ["x", "w"], ["y"])], "one", [x], [y], [weight])
    onnx.save(
        helper.make_model(graph, ir_version=10, opset_imports=[helper.make_opsetid("", 20)]), tmp_path / "full.onnx"
    )
    quantize_dynamic(tmp_path / "full.onnx", tmp_path / "int8.onnx", per_channel=True, weight_type=QuantType.QInt8)
    found = session(tmp_path / "int8.onnx").run(None, {"x": state})[0]
    np.testing.assert_allclose(export.int8_product(state, matrix), found, atol=1e-3)
    assert np.abs(found - state @ matrix).max() > 0.05


def test_the_matrix_that_int8_spoils_is_named_and_can_stay_fp32(student, encoder, tmp_path, monkeypatch):
    """One channel a thousand times the others takes all 256 steps of its run for itself; fp32 does not mind."""
    planted = copy.deepcopy(student)
    with torch.no_grad():
        planted.blocks[1].mlp_norm.weight[7] *= 1000
        planted.blocks[1].gate_up.weight[:, 7] /= 1000
    monkeypatch.setattr(export, "KEPT_MIN", 1.01)
    path = tmp_path / "model.onnx"
    with pytest.raises(export.ExportError, match=r"gate_up\.1 loses most: .*--keep-fp32 gate_up\.1"):
        export.export(planted, encoder, SMALL, path)
    monkeypatch.setattr(export, "KEPT_MIN", 0)
    assert export.export(planted, encoder, SMALL, path, ["gate_up.1", "head"])["fp32_matrices"] == ["gate_up.1", "head"]
    kept = {
        t.name
        for t in onnx.load(path).graph.initializer
        if t.name.endswith(".weight") and t.data_type == onnx.TensorProto.FLOAT
    }
    assert kept == {"gate_up.1.weight", "head.weight"}
    with pytest.raises(export.ExportError, match="no matrix gate.1: expected head or one of qkv, out, gate_up, down"):
        export.export(planted, encoder, SMALL, path, ["gate.1"])
