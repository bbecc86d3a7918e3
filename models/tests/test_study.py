"""The study: each arm's loss against values computed by hand, what a config may say, that no test question is trained on, the table,
and a small study from its file to its table."""

import dataclasses
import hashlib
import json
import math

import pytest
import torch
from tokenizers import Tokenizer

from workshop import __main__, pair_files
from workshop.distil import base, train, vocabulary
from workshop.distil.sequences import ANSWER_WEIGHT, Encoder, Sequence
from workshop.distil.student import Geometry, Student
from workshop.pair import Pair
from workshop.study import arms, config, data, table, trial

GEOMETRY = Geometry(vocabulary=32, width=32, layers=1, heads=1, kv_heads=1, hidden=32, max_len=16)
# x = 4 9, then <|answer|> 2, the answer 7, then two tokens of rationale
SEQUENCE = Sequence([4, 9, 2, 7, 5, 6], [0, 0, 0, 0.5, 0.25, 0.25], asked=2, answered=4)


@pytest.fixture(scope="module")
def student():
    torch.manual_seed(4)
    student = Student(GEOMETRY)
    torch.nn.init.normal_(student.embedding.weight, std=0.5)  # so that losses differ well
    return student


def losses(student, tokens):
    """Of predicting each token after those before it."""
    said = student(torch.tensor([tokens]))[0].log_softmax(-1)
    return [0.0] + [-said[at - 1, token].item() for at, token in enumerate(tokens) if at]


def loss(student, arm, *rows):
    return arms.loss(student, arms.batch(list(rows)), arms.ARMS[arm]).item()


def test_cross_entropy_counts_by_weights_and_by_pair(student):
    l = losses(student, SEQUENCE.tokens)
    plain = 0.5 * l[3] + 0.25 * l[4] + 0.25 * l[5]
    assert loss(student, "answer-first", (SEQUENCE, 1.0)) == pytest.approx(plain, rel=1e-4)
    assert loss(student, "answer-first", (SEQUENCE, 3.0), (SEQUENCE, 1.0)) == pytest.approx(4 * plain, rel=1e-4)


def test_focal_loss_is_of_the_answer_alone(student):
    l = losses(student, SEQUENCE.tokens)
    focal = (1 - math.exp(-l[3])) ** 2 * l[3]
    expected = 0.5 * focal + 0.25 * l[4] + 0.25 * l[5]
    assert loss(student, "answer-only, focal", (SEQUENCE, 1.0)) == pytest.approx(expected, rel=1e-4)


def test_an_amplified_answer_counts_by_its_rationales_loss(student):
    other = dataclasses.replace(SEQUENCE, tokens=[4, 9, 2, 7, 11, 30])
    expected, means = 0.0, []
    for sequence in (SEQUENCE, other):
        l = losses(student, sequence.tokens)
        means.append((l[4] + l[5]) / 2)
    for sequence, mean in zip((SEQUENCE, other), means, strict=True):
        l = losses(student, sequence.tokens)
        expected += mean / (sum(means) / 2) * 0.5 * l[3] + 0.25 * (l[4] + l[5])
    assert means[0] != pytest.approx(means[1], rel=0.05)
    assert loss(student, "answer-first, amplified", (SEQUENCE, 1.0), (other, 1.0)) == pytest.approx(expected, rel=1e-4)


def test_amplification_is_bounded():
    low, high = arms.AMPLIFIED
    assert arms.amplification(torch.tensor([0.0, 1.0, 11.0])).tolist() == pytest.approx([low, low, 11 / 4])
    assert arms.amplification(torch.tensor([1.0] * 9 + [100.0])).tolist()[-1] == high


PAIR = Pair(id="q-1", task="t", question="ab?", answer="yes", rationale="b is b.")


def test_what_each_arm_teaches():
    encoder = Encoder(vocabulary.train(["ab? b is b."] * 9, ["yes"], 400), open_answers=True)

    def said(arm):
        return [encoder.tokenizer.decode(teach(encoder, PAIR).tokens, skip_special_tokens=False) for teach in arms.ARMS[arm].teaches]

    first, why = "ab?<|answer|>yes<|why|>", "ab?<|answer|>yes<|why|>b is b.<|end|>"
    think, reason = "ab?<|think|>b is b.<|answer|>yes<|end|>", "ab?<|think|>b is b.<|end|>"
    assert said("answer-only") == said("answer-only, focal") == [first]
    assert said("answer-first") == said("answer-first, amplified") == [why]
    assert said("think-first") == [think]
    assert said("step-by-step") == [first, reason]
    assert said("both orders") == [why, think]
    for teach in (Encoder.first, Encoder.why, Encoder.think):  # the answer, and what ends it, is what the answer's mask says
        sequence = teach(encoder, PAIR)
        answer = sequence.weights[sequence.asked + 1 : sequence.answered]
        assert sum(answer) == pytest.approx(ANSWER_WEIGHT) and len(answer) == 2


GOOD = """
seeds = [1]
[student]
layers = 1
width = 32
hidden = 64
vocabulary = 512
[budget]
steps = 6
tokens = 1500
checkpoint_every = 3
rationale_tokens_max = 40
[tasks.coin_flip]
generate = 300
generate_test = 20
answers = ["yes", "no"]
[tasks.last_letters]
generate = 300
generate_test = 20
[tasks.dates]
generate = 100
test = ["dates.jsonl"]
"""


@pytest.mark.parametrize(("said", "wrong"), [
    (("seeds", "seed"), "the study knows no 'seed'; it knows seeds"),
    (("layers = 1", "layer = 1"), "[student] knows no 'layer'"),
    (("steps = 6", 'steps = "6"'), "expected 'steps' of [budget] to be like 500, got '6'"),
    (("seeds = [1]", 'arms = ["magic"]'), "expected arms among answer-only"),
    (("[tasks.dates]", "[tasks.weather]"), "no generator of 'weather'"),
    (("generate_test = 20", ""), "has nothing to test on"),
    (("generate = 100", ""), "'dates' has nothing to train on"),
    (("[tasks.dates]", "[tasks.dates"), "line 20"),
    ((GOOD, "seeds = [1]"), "at least one section [tasks.NAME]"),
    (("[budget]", 'base = "x"\n[budget]'), "[student] has a base, which brings its own geometry: leave out layers, width, hidden"),
])
def test_a_config_that_no_study_can_do_is_refused(tmp_path, said, wrong):
    path = tmp_path / "bad.toml"
    path.write_text(GOOD.replace(*said))
    with pytest.raises(config.ConfigError) as refused:
        config.read(path)
    assert str(refused.value).startswith(f"{path}: ") and wrong in str(refused.value)


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    folder = tmp_path_factory.mktemp("study")
    (folder / "small.toml").write_text(GOOD)
    assert __main__.main(["generate", "dates", "--count", "30", "--seed", "study-small", "--out", str(folder / "dates.jsonl")]) == 0
    return folder


def test_no_test_question_reaches_training_and_dev_is_carved_by_question(study):
    gathered = data.gather(config.read(study / "small.toml"), study)
    tests = [pair for name, pairs in gathered.suites.items() if name != "dev" for pair in pairs]
    dev = gathered.suites["dev"]
    assert pair_files.overlaps(gathered.train, tests) == pair_files.overlaps(dev, tests) == []
    assert gathered.said["left out, asked in a test"] >= 30  # the test's dates are the first ones that are generated
    assert not {pair.asked for pair in gathered.train} & {pair.asked for pair in dev}
    assert {pair.task for pair in dev} == {"coin_flip", "last_letters", "dates"}
    assert len(tests) == 70


def test_a_pair_without_rationale_is_refused(study, tmp_path):
    pair_files.write(tmp_path / "bare.jsonl", [dataclasses.replace(PAIR, id=f"q-{n}", rationale=None) for n in range(3)])
    plan = config.read(study / "small.toml")
    plan = dataclasses.replace(plan, tasks={"bare": config.TaskData(train=("bare.jsonl",), test=("bare.jsonl",))})
    with pytest.raises(ValueError, match="task 'bare': 3 of 3 training pairs have no rationale"):
        data.gather(plan, tmp_path)


def test_a_study_from_its_file_to_its_table(study, capsys):
    run = ["study", str(study / "small.toml"), "--data", str(study), "--out", str(study / "out")]
    assert __main__.main([*run, "--arm", "both orders", "--arm", "answer-only"]) == 0
    assert __main__.main(["table", str(study / "out")]) == 0
    assert "**coin_flip, generated test** (n = 20, seeds: 1)" in capsys.readouterr().out
    rows = json.loads((study / "out" / "table.json").read_text())
    ways = {"answer-only", "both orders, answer first", "both orders, think first", "both orders, confidence gate", "both orders, oracle"}
    assert {row["arm"] for row in rows} == ways
    record = json.loads((study / "out" / "both-orders-1" / "trial.json").read_text())
    assert record["data"]["train"]["pairs"] > 500 and record["config"]["budget"]["steps"] == 6
    by_arm = {row["arm"]: row for row in rows if row["task"] == "coin_flip" and row["stratum"] == "all"}
    assert by_arm["both orders, think first"]["tokens"] > by_arm["both orders, answer first"]["tokens"] == 1
    assert by_arm["both orders, oracle"]["accuracy"] >= by_arm["both orders, confidence gate"]["accuracy"]


def test_a_stopped_trial_goes_on_where_it_stopped(study, tmp_path, monkeypatch):
    plan = config.read(study / "small.toml")
    gathered = data.gather(plan, study)

    def curve(folder):
        return [json.loads(line) for line in (folder / "curve.jsonl").read_text().splitlines()]

    trial.run(plan, gathered, "think-first", 1, tmp_path / "whole")
    real, steps = train.descend, []

    def dies(*given):
        steps.append(given)
        if len(steps) > 4:
            raise KeyboardInterrupt
        return real(*given)

    monkeypatch.setattr(train, "descend", dies)
    with pytest.raises(KeyboardInterrupt):
        trial.run(plan, gathered, "think-first", 1, tmp_path / "cut")
    assert [point["step"] for point in curve(tmp_path / "cut")] == [3]
    monkeypatch.setattr(train, "descend", real)
    answers = trial.run(plan, gathered, "think-first", 1, tmp_path / "cut")
    assert curve(tmp_path / "cut") == curve(tmp_path / "whole")
    assert answers.read_text() == (tmp_path / "whole" / "answers.jsonl").read_text()


def test_every_trial_starts_from_the_base(study, tmp_path):
    plan = config.read(study / "small.toml")
    gathered = data.gather(plan, study)
    start = tmp_path / "start"
    trial.run(plan, gathered, "think-first", 1, start)
    shape = config.Shape(base=str(start), vocabulary=600, max_len=256)
    plan = dataclasses.replace(plan, student=shape, budget=dataclasses.replace(plan.budget, steps=0))
    trial.run(plan, gathered, "answer-only", 2, tmp_path / "next")
    record = json.loads((tmp_path / "next" / "trial.json").read_text())
    assert [origin["sha256"] for origin in record["base"]] == [hashlib.sha256((start / "checkpoint.pt").read_bytes()).hexdigest()]
    source, tokenizer = base.load(str(start)), Tokenizer.from_file(str(tmp_path / "next" / "tokenizer.json"))
    assert tokenizer.get_vocab_size() == 600
    student, *_ = trial._train(plan, gathered, arms.ARMS["answer-only"], 2, Encoder(tokenizer, True), source, tmp_path / "next")
    assert (student.g.width, student.g.layers, student.g.max_len) == (32, 1, 256)
    assert torch.equal(student.blocks[0].down.weight, source.student.blocks[0].down.weight)


def answered(suite, first, sure, think, gold="yes", task="t"):
    return {"suite": suite, "id": "x", "task": task, "lang": "en", "difficulty": 1, "gold": gold,
            "first": {"answer": first, "confidence": sure, "tokens": 1}, "think": {"answer": think, "confidence": 0.9, "tokens": 10}}


def test_the_gate_thinks_below_a_threshold_set_on_dev_and_the_oracle_when_it_helps():
    dev = [answered("dev", "no", 0.6, "yes"), answered("dev", "yes", 0.7, "no"), answered("dev", "yes", 0.9, "yes")]
    lines = [*dev, answered("test", "no", 0.65, "yes"), answered("test", "yes", 0.65, "no"), answered("test", "no", 0.8, "yes")]
    ways = table._ways("both orders", lines)
    assert [a["right"] for a in ways[table.GATE][3:]] == [True, False, False]
    assert [a["tokens"] for a in ways[table.GATE][3:]] == [11, 11, 1]  # thinking comes on top of the answer that was not trusted
    assert [a["right"] for a in ways[table.ORACLE][3:]] == [True, True, True]
    assert [a["tokens"] for a in ways[table.ORACLE][3:]] == [11, 1, 11]
