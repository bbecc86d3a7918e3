"""Student checkpoint to `model.onnx`, by graph contract v1: a decoder of batch 1 whose cache is written in place.

The graph is built node by node from ONNX Runtime's fused operators, quantized to int8, and passes two gates on the
optimised graph before it may ship. Where int8 answers otherwise, the matrix that loses most is named; which matrices
stay fp32 is the caller's choice. Trains nothing and chooses no threshold.
"""

from __future__ import annotations

import itertools
import tempfile
from collections.abc import Collection
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper
from onnxruntime.quantization import QuantType, quantize_dynamic

from .. import disk
from ..distil.sequences import Encoder
from ..distil.student import Student
from ..distil.vocabulary import ANSWER
from ..pair import Pair
from ..recipe import Recipe
from ..task import Task
from .decode import Decoder, session, softmax

OPSET, MICROSOFT_OPSET, IR_VERSION = 20, 1, 10
EMBEDDING_BLOCK = 32  # values of the int8 embedding that share a scale
FP32_DIFFERENCE_MAX = 1e-3
# Of each task's pairs, so many must not turn from an answer that fp32 is sure of. An answer that is a toss-up may turn:
# where a student has not learned to answer at once, most are, and nothing is lost with them.
KEPT_MIN, SURE_MIN = 0.99, 0.9
GATE_PROMPTS = 6  # for the fp32 gate, each in one run and token by token
MATRICES = (
    "qkv",
    "out",
    "gate_up",
    "down",
)  # of each layer; a matrix is named by its kind and layer, as gate_up.3, or head


class ExportError(RuntimeError):
    """A gate did not pass, or the graph is not what the contract says."""


def export(
    student: Student,
    encoder: Encoder,
    recipe: Recipe,
    path: Path,
    keep_fp32: Collection[str] = (),
    kept_min: float | None = None,
) -> dict:
    """Writes the int8 graph of `student` to `path`, with the matrices named in `keep_fp32` left as they are; returns
    what the gates measured. `kept_min` is for a student that was never taught to answer."""
    kept_min = KEPT_MIN if kept_min is None else kept_min
    unknown = set(keep_fp32) - {"head", *(f"{kind}.{i}" for kind in MATRICES for i in range(student.g.layers))}
    if unknown:
        raise ExportError(
            f"no matrix {', '.join(sorted(unknown))}: expected head or one of {', '.join(MATRICES)}, "
            f"a point and a layer from 0 to {student.g.layers - 1}"
        )
    with disk.whole(path) as new, tempfile.TemporaryDirectory(dir=path.parent) as folder:
        full = Path(folder) / "fp32.onnx"
        before = Path(folder) / "before.onnx"
        onnx.save(graph(student, int8_embedding=False), full)
        onnx.save(graph(student, int8_embedding=True), before)
        quantize_dynamic(
            before,
            new,
            op_types_to_quantize=["MatMul"],
            per_channel=True,
            weight_type=QuantType.QInt8,
            nodes_to_exclude=list(keep_fp32),
            extra_options={"DefaultTensorType": TensorProto.FLOAT},
        )  # shapes are not inferred past fused operators
        _check_int8(new, Path(folder) / "optimised.onnx", student.g.layers, keep_fp32)
        asked = [
            (task, list(itertools.islice(task.stream(f"export-{recipe.plan.seed}"), recipe.sizes_of(task).gate)))
            for task in recipe.tasks
        ]
        prompts = [encoder.prompt(pair, ANSWER) for _, pairs in asked for pair in pairs[:GATE_PROMPTS]]
        difference = _difference(student, full, prompts)
        if difference > FP32_DIFFERENCE_MAX:
            raise ExportError(
                f"fp32 graph differs from PyTorch by {difference:.2e}, expected at most {FP32_DIFFERENCE_MAX:.0e}"
            )
        one, other = Decoder(full), Decoder(new)
        answers = {task.id: _same_answers(one, other, encoder, task, pairs) for task, pairs in asked}
        worst_task, least = min(
            ((task, found["int8_kept"]) for task, found in answers.items()), key=lambda found: found[1]
        )
        if least < kept_min:
            errors = int8_errors(full, prompts)
            worst, error = max(
                ((name, error) for name, error in errors.items() if name not in keep_fp32), key=lambda e: e[1]
            )
            raise ExportError(
                f"int8 keeps the answer of fp32, or turns one that fp32 is not sure of, on {least:.1%} of the "
                f"{answers[worst_task]['pairs']} pairs of {worst_task}, expected {kept_min:.0%}; "
                f"{worst} loses most: int8 there alone changes its output by {error:.1%}, the median matrix's by "
                f"{np.median(list(errors.values())):.1%}; --keep-fp32 {worst} leaves it in fp32"
            )
    return {
        "fp32_difference": difference,
        "tasks": answers,
        "bytes": path.stat().st_size,
        "fp32_matrices": sorted(keep_fp32),
    }


def said(measured: dict) -> str:
    """What `export` measured, for people."""
    same = "; ".join(
        f"{found['int8_same_answer']:.1%} of {found['pairs']} pairs of {task} ({1 - found['int8_kept']:.1%} turned "
        "that were sure)"
        for task, found in measured["tasks"].items()
    )
    return f"fp32 within {measured['fp32_difference']:.1e} of PyTorch; int8 gives the same first answer on {same}"


def graph(student: Student, int8_embedding: bool, gate: tuple[np.ndarray, float] | None = None) -> onnx.ModelProto:
    """The decoder as one ONNX graph with fp32 matrices. `gate` is weights (width,) and bias of a logistic head on the
    last token's state: the graph then has an output `gate` (1), which stays fp32."""
    g = student.g
    weights: list[onnx.TensorProto] = []
    nodes: list[onnx.NodeProto] = []

    def weight(name: str, value: np.ndarray | torch.Tensor) -> str:
        array = value.detach().cpu().numpy() if isinstance(value, torch.Tensor) else value
        weights.append(numpy_helper.from_array(np.array(array, order="C"), name))
        return name

    def node(
        kind: str, inputs: list[str], outputs: list[str], domain: str = "", name: str | None = None, **attributes: Any
    ) -> None:
        nodes.append(helper.make_node(kind, inputs, outputs, name=name or outputs[0], domain=domain, **attributes))

    def norm(name: str, x: str, skip: str | None, gain: torch.Tensor) -> tuple[str, str]:
        """Adds `skip` to `x` and normalises; returns the normalised state and the sum, which is the residual stream."""
        gain_name = weight(f"{name}.gain", gain)
        if skip is None:
            node("SimplifiedLayerNormalization", [x, gain_name], [name], axis=-1, epsilon=g.norm_eps)
            return name, x
        node(
            "SkipSimplifiedLayerNormalization",
            [x, skip, gain_name],
            [name, "", "", f"{name}.sum"],
            "com.microsoft",
            epsilon=g.norm_eps,
        )
        return name, f"{name}.sum"

    embedding = student.embedding.weight
    if int8_embedding:
        values, scales = _blocks(embedding.detach().numpy())
        node(
            "GatherBlockQuantized",
            [weight("embedding", values), "input_ids", weight("embedding.scales", scales)],
            ["embedded"],
            "com.microsoft",
            gather_axis=0,
            quantize_axis=1,
            block_size=EMBEDDING_BLOCK,
            bits=8,
        )
    else:
        node("Gather", [weight("embedding", embedding), "input_ids"], ["embedded"], axis=0)

    cos, sin = weight("cos", student.cos), weight("sin", student.sin)
    stream, update = "embedded", None  # the residual stream, and what is still to be added to it
    for i, block in enumerate(student.blocks):
        x, stream = norm(f"attention_norm.{i}", stream, update, block.attention_norm.weight)
        node("MatMul", [x, weight(f"qkv.{i}.weight", block.attention.qkv.weight.T)], [f"qkv.{i}"])
        past, present = ([f"{when}.{i}.{part}" for part in ("key", "value")] for when in ("past_key_values", "present"))
        node(
            "GroupQueryAttention",
            [f"qkv.{i}", "", "", *past, "seqlens_k", "total_sequence_length", cos, sin, "position_ids"],
            [f"attention.{i}", *present],
            "com.microsoft",
            num_heads=g.heads,
            kv_num_heads=g.kv_heads,
            do_rotary=1,
            rotary_interleaved=0,
        )
        node("MatMul", [f"attention.{i}", weight(f"out.{i}.weight", block.attention.out.weight.T)], [f"out.{i}"])
        x, stream = norm(f"mlp_norm.{i}", stream, f"out.{i}", block.mlp_norm.weight)
        node("MatMul", [x, weight(f"gate_up.{i}.weight", block.gate_up.weight.T)], [f"gate_up.{i}"])
        node("Split", [f"gate_up.{i}"], [f"gate.{i}", f"up.{i}"], axis=-1, num_outputs=2)
        node("QuickGelu", [f"gate.{i}"], [f"silu.{i}"], "com.microsoft", alpha=1.0)  # x * sigmoid(x), fused
        node("Mul", [f"silu.{i}", f"up.{i}"], [f"gated.{i}"])
        node("MatMul", [f"gated.{i}", weight(f"down.{i}.weight", block.down.weight.T)], [f"down.{i}"])
        update = f"down.{i}"
    x, _ = norm("norm", stream, update, student.norm.weight)
    # The head is the dearest matrix, and only the last token's row of it is ever wanted.
    node("Gather", [x, weight("last", np.array(-1, np.int64))], ["last_state"], axis=1)
    node("MatMul", ["last_state", weight("head.weight", embedding.T)], ["logits"], name="head")

    if gate:
        # Not a MatMul, which would be quantized.
        node("Mul", ["last_state", weight("gate.vector", np.asarray(gate[0], np.float32))], ["gate_products"])
        node("ReduceSum", ["gate_products", weight("gate.axis", np.array([1], np.int64))], ["gate_sum"], keepdims=0)
        node("Add", ["gate_sum", weight("gate.bias", np.array([gate[1]], np.float32))], ["gate_logit"])
        node("Sigmoid", ["gate_logit"], ["gate"])

    cache = [1, g.kv_heads, g.max_len, g.head_dim]
    caches = [f"{i}.{part}" for i in range(g.layers) for part in ("key", "value")]
    tensor = helper.make_tensor_value_info
    inputs = [
        tensor("input_ids", TensorProto.INT64, [1, "S"]),
        tensor("position_ids", TensorProto.INT64, [1, "S"]),
        tensor("seqlens_k", TensorProto.INT32, [1]),
        tensor("total_sequence_length", TensorProto.INT32, []),
        *(tensor(f"past_key_values.{name}", TensorProto.FLOAT, cache) for name in caches),
    ]
    outputs = [
        tensor("logits", TensorProto.FLOAT, [1, g.vocabulary]),
        *([tensor("gate", TensorProto.FLOAT, [1])] if gate else []),
        *(tensor(f"present.{name}", TensorProto.FLOAT, cache) for name in caches),
    ]
    return helper.make_model(
        helper.make_graph(nodes, "student", inputs, outputs, weights),
        ir_version=IR_VERSION,
        producer_name="sokutou workshop",
        opset_imports=[helper.make_opsetid("", OPSET), helper.make_opsetid("com.microsoft", MICROSOFT_OPSET)],
    )


def _blocks(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Rows cut into blocks, each symmetric int8 around 128 with its own scale: (rows, width) u8, (rows, width / block)
    f32."""
    rows, width = values.shape
    if width % EMBEDDING_BLOCK:
        raise ExportError(f"width must be a multiple of {EMBEDDING_BLOCK}, got {width}")
    blocks = values.reshape(rows, -1, EMBEDDING_BLOCK)
    scales = np.maximum(np.abs(blocks).max(-1) / 127, 1e-12).astype(np.float32)
    return (np.round(blocks / scales[..., None]) + 128).astype(np.uint8).reshape(rows, width), scales


def _check_int8(path: Path, optimised: Path, layers: int, keep_fp32: Collection[str]) -> None:
    """The matrices, but for those kept, must be int8 in the file, and fused to one operator each in the graph that ONNX
    Runtime makes of it."""
    floats = [
        t.name
        for t in onnx.load(path).graph.initializer
        if t.data_type == TensorProto.FLOAT
        and len(t.dims) == 2
        and t.name.endswith(".weight")
        and t.name.removesuffix(".weight") not in keep_fp32
    ]
    if floats:
        raise ExportError(f"still float in the int8 file: {', '.join(floats)}")
    session(path, optimised_to=optimised)
    fused = sum(node.op_type == "DynamicQuantizeMatMul" for node in onnx.load(optimised).graph.node)
    expected = len(MATRICES) * layers + 1 - len(keep_fp32)
    if fused != expected:
        raise ExportError(f"expected {expected} DynamicQuantizeMatMul in the optimised graph, got {fused}")


@torch.no_grad()
def _difference(student: Student, full: Path, prompts: list[list[int]]) -> float:
    """Largest difference of a logit from PyTorch's, in one run and token by token."""
    decoder = Decoder(full)
    largest = 0.0
    for prompt in prompts:
        expected = student(torch.tensor([prompt]))[0].numpy()  # (seq, vocabulary)
        largest = max(largest, np.abs(decoder.feed(prompt, 0) - expected[-1]).max())
        for at, token in enumerate(prompt):
            largest = max(largest, np.abs(decoder.feed([token], at) - expected[at]).max())
    return float(largest)


def _same_answers(full: Decoder, int8: Decoder, encoder: Encoder, task: Task, pairs: list[Pair]) -> dict:
    """Share of the pairs on which both give the same first answer, and of those on which int8 does not turn a sure one.
    Of a free answer every token is compared, and the one that closes it, each after the teacher's own before it: so the
    answers are as long as they are when right, and one difference does not make others."""
    choices = [encoder.text(text)[0] for text in task.texts] or slice(None)
    same = turned = 0
    for pair in pairs:
        runs = [encoder.prompt(pair, ANSWER), *([token] for token in (() if task.texts else encoder.answer(pair)))]
        (one, likely), (other, _) = (_read(decoder, runs, choices) for decoder in (full, int8))
        same += one == other
        turned += one != other and likely >= SURE_MIN
    return {"pairs": len(pairs), "int8_same_answer": same / len(pairs), "int8_kept": 1 - turned / len(pairs)}


def _read(decoder: Decoder, runs: list[list[int]], choices: list[int] | slice) -> tuple[list[int], float]:
    """The likeliest token of `choices` after each run, and the probability of all these together."""
    at, best, likely = 0, [], 1.0
    for run in runs:
        posterior = softmax(decoder.feed(run, at)[choices].astype(np.float64))
        at += len(run)
        best.append(int(posterior.argmax()))
        likely *= float(posterior.max())
    return best, likely


def int8_errors(full: Path, prompts: list[list[int]]) -> dict[str, float]:
    """By matrix, |wrong - right| / |right| of its output over the prompts, where it is int8 and all before it fp32."""
    model = onnx.load(full)
    weights = {tensor.name: tensor for tensor in model.graph.initializer}
    matrices = [node for node in model.graph.node if node.op_type == "MatMul"]
    model.graph.output.extend(
        helper.make_tensor_value_info(node.input[0], TensorProto.FLOAT, None) for node in matrices
    )
    watched = full.with_suffix(".watched.onnx")
    onnx.save(model, watched)
    runner = session(watched)
    cache = {
        past.name: np.zeros(past.shape, np.float32) for past in runner.get_inputs() if past.name.startswith("past")
    }
    states: dict[str, list[np.ndarray]] = {node.name: [] for node in matrices}
    for prompt in prompts:
        fed = {
            "input_ids": np.array([prompt]),
            "position_ids": np.arange(len(prompt))[None],
            "seqlens_k": np.array([len(prompt) - 1], np.int32),
            "total_sequence_length": np.array(len(prompt), np.int32),
        }
        for node, state in zip(matrices, runner.run([node.input[0] for node in matrices], fed | cache), strict=True):
            states[node.name].append(
                state.reshape(-1, state.shape[-1])
            )  # (seq, in); of the head's, the last token alone
    errors = {}
    for node in matrices:
        matrix = numpy_helper.to_array(weights[node.input[1]])
        outputs = [(state @ matrix, int8_product(state, matrix)) for state in states[node.name]]
        errors[node.name] = float(
            np.sqrt(sum(((b - a) ** 2).sum() for a, b in outputs) / sum((a**2).sum() for a, _ in outputs))
        )
    return errors


def int8_product(state: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    """`state` (seq, in) times `matrix` (in, out) as dynamic quantization does it: the state in 256 steps from its least
    value to its largest, over the whole run; each column of the matrix in 127 steps either way."""
    low, high = min(state.min(), 0.0), max(state.max(), 0.0)
    scale, scales = max((high - low) / 255, 1e-12), np.maximum(np.abs(matrix).max(0) / 127, 1e-12)
    zero = np.round(-low / scale)
    return (np.clip(np.round(state / scale) + zero, 0, 255) - zero) @ np.round(matrix / scales) * scale * scales
