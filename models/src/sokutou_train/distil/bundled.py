"""The student of a bundle, back in PyTorch: its int8 matrices as the numbers that they stand for.

So the next student can start where nothing but the bundle is left. What int8 rounded away stays lost; training finds it
again. Reads only graphs that `ship.export` wrote.
"""

from __future__ import annotations

import hashlib
import math
from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import helper, numpy_helper

from ..bundle_files import OWN, Origin, read_manifest
from .student import Geometry, Student


class BundleError(ValueError):
    """A bundle's graph is not one that this toolkit wrote."""


def read(graph: Path) -> tuple[Student, tuple[Origin, ...], str]:
    """The student of one of a bundle's graphs, what its weights came from, and the graph's digest. Raises
    `BundleError`."""
    manifest = read_manifest(graph.parent)
    content = graph.read_bytes()
    try:
        student = _student(onnx.load_from_string(content), manifest["graph"])
    except (KeyError, RuntimeError) as err:  # a matrix that is missing, or one of another shape
        raise BundleError(
            f"{graph} is not a graph that a student can start from: expected what `export` writes"
        ) from err
    origins = tuple(origin for origin in manifest["data"] if origin["kind"] in OWN)
    return student, origins, hashlib.sha256(content).hexdigest()


def _student(model: onnx.ModelProto, said: dict) -> Student:
    tensors = {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
    embedding = _unblocked(tensors["embedding"], tensors["embedding.scales"])
    vocabulary, width = embedding.shape
    qkv, gate_up = _matrix(tensors, "qkv.0"), _matrix(tensors, "gate_up.0")
    kv_heads, head_dim = said["kv_heads"], said["head_dim"]
    student = Student(
        Geometry(
            vocabulary,
            width,
            said["layers"],
            len(qkv) // head_dim - 2 * kv_heads,
            kv_heads,
            head_dim,
            len(gate_up) // 2,
            said["max_len"],
            _theta(tensors["cos"], tensors["sin"], head_dim),
            _epsilon(model),
        )
    )
    state = {"embedding.weight": embedding, "norm.weight": tensors["norm.gain"]}
    for i in range(said["layers"]):
        block = f"blocks.{i}"
        state |= {
            f"{block}.attention_norm.weight": tensors[f"attention_norm.{i}.gain"],
            f"{block}.mlp_norm.weight": tensors[f"mlp_norm.{i}.gain"],
            f"{block}.attention.qkv.weight": _matrix(tensors, f"qkv.{i}"),
            f"{block}.attention.out.weight": _matrix(tensors, f"out.{i}"),
            f"{block}.gate_up.weight": _matrix(tensors, f"gate_up.{i}"),
            f"{block}.down.weight": _matrix(tensors, f"down.{i}"),
        }
    student.load_state_dict({name: torch.tensor(value) for name, value in state.items()})
    return student


def _matrix(tensors: dict[str, np.ndarray], name: str) -> np.ndarray:
    """(out, in), as PyTorch has it; in the graph it is the other way round, int8 by column or left in fp32."""
    if (whole := tensors.get(f"{name}.weight")) is not None:
        return whole.T
    quantized, scale, zero = (tensors[f"{name}.weight_{part}"] for part in ("quantized", "scale", "zero_point"))
    return ((quantized.astype(np.float32) - zero.astype(np.float32)) * scale).T


def _unblocked(values: np.ndarray, scales: np.ndarray) -> np.ndarray:
    """The embedding, whose rows are symmetric int8 around 128 in blocks, each with its own scale."""
    rows, width = values.shape
    return ((values.reshape(*scales.shape, -1).astype(np.float32) - 128) * scales[..., None]).reshape(rows, width)


def _theta(cos: np.ndarray, sin: np.ndarray, head_dim: int) -> float:
    """The base of the rotary angles, by the angle of the second pair at the second place: theta ** (-2 / head_dim)."""
    return round(math.atan2(sin[1, 1], cos[1, 1]) ** (-head_dim / 2), 1)


def _epsilon(model: onnx.ModelProto) -> float:
    norm = next(node for node in model.graph.node if node.op_type == "SimplifiedLayerNormalization")
    return next(helper.get_attribute_value(attribute) for attribute in norm.attribute if attribute.name == "epsilon")
