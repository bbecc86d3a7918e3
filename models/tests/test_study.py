"""The study: each arm's loss against values computed by hand, what a config may say, that no test question is trained
on, the table, and a small study from its file to its table."""

import dataclasses
import hashlib
import json
import math
from pathlib import Path

import pytest
import torch
from tokenizers import Tokenizer

from sokutou_train import __main__, pair_files
from sokutou_train.distil import base, train, vocabulary
from sokutou_train.distil.sequences import ANSWER_WEIGHT, Encoder, Sequence
from sokutou_train.distil.student import Geometry, Student
from sokutou_train.pair import Pair
from sokutou_train.study import arms, config, data, table, trial

STUDIES = Path(__file__).parents[1] / "studies"
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
    return arms.loss(student, arms.batch(list(rows), max(len(s.tokens) for s, _ in rows)), arms.ARMS[arm]).item()


def test_cross_entropy_counts_by_weights_and_by_pair(student):
    by_place = losses(student, SEQUENCE.tokens)
    plain = 0.5 * by_place[3] + 0.25 * by_place[4] + 0.25 * by_place[5]
    assert loss(student, "answer-first", (SEQUENCE, 1.0)) == pytest.approx(plain, rel=1e-4)
    assert loss(student, "answer-first", (SEQUENCE, 3.0), (SEQUENCE, 1.0)) == pytest.approx(4 * plain, rel=1e-4)


def test_focal_loss_is_of_the_answer_alone(student):
    by_place = losses(student, SEQUENCE.tokens)
    focal = (1 - math.exp(-by_place[3])) ** 2 * by_place[3]
    expected = 0.5 * focal + 0.25 * by_place[4] + 0.25 * by_place[5]
    assert loss(student, "answer-only, focal", (SEQUENCE, 1.0)) == pytest.approx(expected, rel=1e-4)


def test_an_amplified_answer_counts_by_its_rationales_loss(student):
    other = dataclasses.replace(SEQUENCE, tokens=[4, 9, 2, 7, 11, 30])
    expected, means = 0.0, []
    for sequence in (SEQUENCE, other):
        by_place = losses(student, sequence.tokens)
        means.append((by_place[4] + by_place[5]) / 2)
    for sequence, mean in zip((SEQUENCE, other), means, strict=True):
        by_place = losses(student, sequence.tokens)
        expected += mean / (sum(means) / 2) * 0.5 * by_place[3] + 0.25 * (by_place[4] + by_place[5])
    assert means[0] != pytest.approx(means[1], rel=0.05)
    assert loss(student, "answer-first, amplified", (SEQUENCE, 1.0), (other, 1.0)) == pytest.approx(expected, rel=1e-4)


def test_amplification_is_bounded():
    low, high = arms.AMPLIFIED
    assert arms.amplification(torch.tensor([0.0, 1.0, 11.0]), torch.tensor(3)).tolist() == pytest.approx(
        [low, low, 11 / 4]
    )
    assert arms.amplification(torch.tensor([1.0] * 9 + [100.0]), torch.tensor(10)).tolist()[-1] == high


PAIR = Pair(id="q-1", task="t", question="ab?", answer="yes", rationale="b is b.")


def test_what_each_arm_teaches():
    encoder = Encoder(vocabulary.train(["ab? b is b."] * 9, ["yes"], 400), ("t",))

    def said(arm):
        return [
            encoder.tokenizer.decode(teach(encoder, PAIR).tokens, skip_special_tokens=False)
            for teach in arms.ARMS[arm].teaches
        ]

    first, why = "t: ab?<|answer|>yes<|why|>", "t: ab?<|answer|>yes<|why|>b is b.<|end|>"
    think, reason = "t: ab?<|think|>b is b.<|answer|>yes<|end|>", "t: ab?<|think|>b is b.<|end|>"
    assert said("answer-only") == said("answer-only, focal") == [first]
    assert said("answer-first") == said("answer-first, amplified") == [why]
    assert said("think-first") == [think]
    assert said("step-by-step") == [first, reason]
    assert said("both orders") == [why, think]
    for teach in (
        Encoder.first,
        Encoder.why,
        Encoder.think,
    ):  # the answer, and what ends it, is what the answer's mask says
        sequence = teach(encoder, PAIR)
        answer = sequence.weights[sequence.asked + 1 : sequence.answered]
        assert sum(answer) == pytest.approx(ANSWER_WEIGHT) and len(answer) == len(encoder.answer(PAIR)) + 1


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


@pytest.mark.parametrize(
    ("said", "wrong"),
    [
        (("seeds", "seed"), "the study knows no 'seed'; it knows seeds"),
        (("layers = 1", "layer = 1"), "[student] knows no 'layer'"),
        (("steps = 6", 'steps = "6"'), "expected 'steps' of [budget] to be like 500, got '6'"),
        (("seeds = [1]", 'arms = ["magic"]'), "expected arms among 'answer-only'"),
        (("[tasks.dates]", "[tasks.weather]"), "no generator of 'weather'"),
        (("generate_test = 20", ""), "has nothing to test on"),
        (("generate = 100", ""), "'dates' has nothing to train on"),
        (("[tasks.dates]", "[tasks.dates"), "line 20"),
        ((GOOD, "seeds = [1]"), "at least one section [tasks.NAME]"),
        (
            ("[budget]", 'base = "x"\n[budget]'),
            "[student] has a base, which brings its own geometry: leave out layers, width, hidden",
        ),
    ],
)
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
    assert (
        __main__.main(
            ["generate", "dates", "--count", "30", "--seed", "study-small", "--out", str(folder / "dates.jsonl")]
        )
        == 0
    )
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


def test_pairs_without_rationale_are_left_out_and_counted(study, tmp_path):
    pairs = [
        dataclasses.replace(PAIR, id=f"q{n}-1", question=f"a{n}?", rationale=None if n % 3 else "b is b.")
        for n in range(90)
    ]
    pair_files.write(tmp_path / "some.jsonl", pairs)
    pair_files.write(tmp_path / "bare.jsonl", [pair for pair in pairs if not pair.rationale])
    pair_files.write(tmp_path / "test.jsonl", [dataclasses.replace(PAIR, id="t-1")])

    def gathered(train):
        plan = config.read(study / "small.toml")
        return data.gather(
            dataclasses.replace(plan, tasks={"t": config.TaskData(train=(train,), test=("test.jsonl",))}), tmp_path
        )

    some = gathered("some.jsonl")
    assert some.said["left out, no rationale"] == 60 and len(some.train) + len(some.suites["dev"]) == 30
    with pytest.raises(ValueError, match="task 't': none of 60 training pairs has a rationale"):
        gathered("bare.jsonl")


def test_a_study_from_its_file_to_its_table(study, capsys):
    run = ["study", str(study / "small.toml"), "--data", str(study), "--out", str(study / "out")]
    assert __main__.main([*run, "--arm", "both orders", "--arm", "answer-only"]) == 0
    assert __main__.main(["table", str(study / "out")]) == 0
    assert "**coin_flip, generated test** (n = 20, seeds: 1)" in capsys.readouterr().out
    drawn = (study / "out" / "risk-coin_flip-generated-test.svg").read_text()
    assert table.GATE in drawn and "answer-only, AURC" in drawn and table.ORACLE not in drawn
    assert "share right" in (study / "out" / "reliability-coin_flip-generated-test.svg").read_text()
    assert "dev loss" in (study / "out" / "answer-only-1" / "loss.svg").read_text()
    made = json.loads((study / "out" / "table.json").read_text())
    rows = made["arms"]
    assert {row["arm"] for row in rows} == {
        "answer-only",
        "both orders, answer first",
        "both orders, think first",
        table.GATE,
        table.LOGISTIC,
        table.SOFT,
        table.ORACLE,
    }
    assert all(row["ms"] > 0 for row in rows if row["arm"] != table.SOFT)
    assert all(row["swapped"] == row["corrupted"] == 0 for row in made["independence"] if row["way"] == "first")
    names = [
        row["name"] for row in made["references"] if (row["suite"], row["task"]) == ("generated test", "coin_flip")
    ]
    assert names[:2] == ["floor: the most frequent answer of the test", "floor: a guess"] and "GPT2-124M" in names[2]
    record = json.loads((study / "out" / "both-orders-1" / "trial.json").read_text())
    assert record["data"]["train"]["pairs"] > 500 and record["config"]["budget"]["steps"] == 6
    by_arm = {row["arm"]: row for row in rows if row["task"] == "coin_flip" and row["stratum"] == "all"}
    assert by_arm["both orders, think first"]["tokens"] > by_arm["both orders, answer first"]["tokens"] == 1
    assert by_arm["both orders, oracle"]["accuracy"] >= by_arm[table.GATE]["accuracy"]


def test_an_arm_that_the_study_does_not_have_is_refused_by_its_name(study, capsys):
    assert __main__.main(["study", str(study / "small.toml"), "--data", str(study), "--arm", "both-orders"]) == 1
    said = capsys.readouterr().err
    assert "--arm: expected one of" in said and "'both orders'" in said and "got 'both-orders'" in said


def test_a_stopped_trial_goes_on_where_it_stopped(study, tmp_path, monkeypatch):
    plan = config.read(study / "small.toml")
    gathered = data.gather(plan, study)

    def curve(folder):
        return [json.loads(line) for line in (folder / "curve.jsonl").read_text().splitlines()]

    def answered_in(folder):
        lines = [json.loads(line) for line in (folder / "answers.jsonl").read_text().splitlines()]
        return [line | {"think": line["think"] | {"seconds": 0}} for line in lines]

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
    assert [point["step"] for point in curve(tmp_path / "cut")] == [3, 4]
    monkeypatch.setattr(train, "descend", real)
    trial.run(plan, gathered, "think-first", 1, tmp_path / "cut")
    assert curve(tmp_path / "cut") == curve(tmp_path / "whole")
    assert answered_in(tmp_path / "cut") == answered_in(tmp_path / "whole")


def test_every_trial_starts_from_the_base(study, tmp_path):
    plan = config.read(study / "small.toml")
    gathered = data.gather(plan, study)
    start = tmp_path / "start"
    trial.run(plan, gathered, "think-first", 1, start)
    shape = config.Shape(base=str(start), vocabulary=600, max_len=256)
    plan = dataclasses.replace(plan, student=shape, budget=dataclasses.replace(plan.budget, steps=0))
    trial.run(plan, gathered, "answer-only", 2, tmp_path / "next")
    record = json.loads((tmp_path / "next" / "trial.json").read_text())
    assert [origin["sha256"] for origin in record["base"]] == [
        hashlib.sha256((start / "checkpoint.pt").read_bytes()).hexdigest()
    ]
    source, tokenizer = base.load(str(start)), Tokenizer.from_file(str(tmp_path / "next" / "tokenizer.json"))
    assert tokenizer.get_vocab_size() == 600
    student, *_ = trial._train(
        plan, gathered, arms.ARMS["answer-only"], 2, Encoder(tokenizer, plan.free), source, tmp_path / "next"
    )
    assert (student.g.width, student.g.layers, student.g.max_len) == (32, 1, 256)
    assert torch.equal(student.blocks[0].down.weight, source.student.blocks[0].down.weight)


def test_the_best_look_at_the_dev_split_is_the_student_that_is_asked(study, tmp_path, monkeypatch):
    plan = config.read(study / "small.toml")
    gathered = data.gather(plan, study)
    seen, dev_losses = [], iter([3.0, 1.0, 2.0])

    def looks(student, dev):
        assert len(dev) == len(gathered.suites["dev"])
        seen.append(student.embedding.weight.detach().clone())
        return next(dev_losses)

    monkeypatch.setattr(trial, "_dev_loss", looks)
    encoder = Encoder(trial._tokenizer(plan, gathered, None, tmp_path), plan.free)
    student, spent = trial._train(plan, gathered, arms.ARMS["answer-only"], 1, encoder, None, tmp_path)
    assert spent["chosen"] == {"step": 5, "dev_loss": 1.0} and len(seen) == 3
    assert torch.equal(student.embedding.weight, seen[1]) and not torch.equal(seen[1], seen[2])
    again, spent = trial._train(
        plan, gathered, arms.ARMS["answer-only"], 1, encoder, None, tmp_path
    )  # as after a kill while asking
    assert spent["chosen"]["step"] == 5 and torch.equal(again.embedding.weight, seen[1])


def test_the_dev_loss_is_the_mean_cross_entropy_of_what_is_asked(student):
    by_place = losses(student, SEQUENCE.tokens)
    other = dataclasses.replace(SEQUENCE, tokens=[4, 9, 2, 7, 11, 30])
    others = losses(student, other.tokens)
    expected = (
        0.5 * by_place[3] + 0.25 * (by_place[4] + by_place[5]) + 0.5 * others[3] + 0.25 * (others[4] + others[5])
    ) / 2
    assert trial._dev_loss(student, [(SEQUENCE, 1.0), (other, 1.0)]) == pytest.approx(expected, rel=1e-4)


def answered(suite, first, sure, think, gold="yes", task="t"):
    return {
        "suite": suite,
        "id": "x",
        "task": task,
        "lang": "en",
        "difficulty": 1,
        "gold": gold,
        "first": {"answer": first, "confidence": sure, "tokens": 1},
        "think": {"answer": think, "confidence": 0.9, "tokens": 10},
    }


def test_the_gate_thinks_below_a_threshold_set_on_dev_and_the_oracle_when_it_helps():
    dev = [answered("dev", "no", 0.6, "yes"), answered("dev", "yes", 0.7, "no"), answered("dev", "yes", 0.9, "yes")]
    lines = [
        *dev,
        answered("test", "no", 0.65, "yes"),
        answered("test", "yes", 0.65, "no"),
        answered("test", "no", 0.8, "yes"),
    ]
    ways = table._ways("both orders", lines)
    assert [a["right"] for a in ways[table.GATE][3:]] == [True, False, False]
    assert [a["tokens"] for a in ways[table.GATE][3:]] == [
        11,
        11,
        1,
    ]  # thinking comes on top of the answer that was not trusted
    assert [a["right"] for a in ways[table.ORACLE][3:]] == [True, True, True]
    assert [a["tokens"] for a in ways[table.ORACLE][3:]] == [11, 1, 11]


def test_numbers_are_the_same_as_numbers_and_texts_as_texts():
    lines = [answered("test", "40.0", 0.9, "1,000", gold=gold) for gold in ("40", "1000")]
    lines += [answered("test", "nmda", 0.9, "nmd a", gold="nmda")]
    ways = table._ways("both orders", lines)
    assert [a["right"] for a in ways["both orders, answer first"]] == [True, False, True]
    assert [a["right"] for a in ways["both orders, think first"]] == [False, True, False]


def test_a_thought_that_came_to_no_answer_is_counted_apart_from_wrong_ones():
    said = table._ways("both orders", [answered("test", "no", 0.9, ""), answered("test", "no", 0.9, "no")])
    assert [table._measure([said[f"both orders, {way} first"]])["no answer"] for way in ("answer", "think")] == [0, 0.5]


def test_the_logistic_gates_threshold_is_set_on_the_dev_half_not_learned_from_and_soft_prompts_choose_by_themselves():
    def route(fitted, sure, soft):
        return {"fitted": fitted, "gate": sure, "soft": soft}

    lines = [
        answered("dev", "no", 0.9, "yes"),
        answered("dev", "no", 0.9, "yes"),
        answered("dev", "no", 0.9, "yes"),
        answered("dev", "yes", 0.9, "no"),
        answered("test", "no", 0.9, "yes"),
        answered("test", "yes", 0.9, "no"),
    ]
    routes = [
        route(True, 0.9, 0.9),
        route(True, 0.9, 0.9),
        route(False, 0.2, 0.9),
        route(False, 0.4, 0.9),
        route(False, 0.3, 0.4),
        route(False, 0.5, 0.6),
    ]
    ways = table._ways("both orders", lines, routes)
    # Of the two that the gate did not learn from, answering from 0.4 on gets both right; of all four, thinking always
    # gets most.
    assert [(a["right"], a["tokens"]) for a in ways[table.LOGISTIC][4:]] == [(True, 10), (True, 1)]
    assert [(a["right"], a["tokens"]) for a in ways[table.SOFT][4:]] == [(True, 10), (True, 1)]


def test_answer_first_is_compared_with_the_others_question_by_question():
    def said(*right):
        return [{"right": each} for each in right]

    found = {
        ("answer-first", "test", "a"): [said(True, False), said(True, True)],
        ("answer-first", "test", "b"): [said(True), said(True)],
        ("answer-only", "test", "a"): [said(True, True)],
        ("answer-only", "test", "b"): [said(False)],
        ("think-first", "test", "a"): [said(False, False)],  # was not asked the other task yet
        ("answer-only", "generated test", "a"): [said(True)],
    }
    rows = table._differences(table.Trials(found, {}, {}))
    assert [(row["arm"], row["suite"], row["task"], row["n"], row["difference"]) for row in rows] == [
        ("answer-only", "test", "a", 2, -0.25),
        ("answer-only", "test", "b", 1, 1.0),
        ("answer-only", "test", "all", 3, pytest.approx(1 / 6)),
    ]
    assert (rows[0]["low"], rows[0]["high"]) == (-0.5, 0.0)  # one question is the same, the other half a seed worse


def test_floors_and_published_accuracies_stand_below_the_arms_of_their_test():
    lines = [
        answered("test", "no", 0.9, "yes", gold=gold) | {"options": options}
        for gold, options in (("yes", 2), ("yes", 2), ("no", 4), ("B", 4))
    ]
    published = {"cite": "X", "tasks": {"t": {"suite": "test", "note": "n", "accuracy": {"Y": 12.5}}}}
    assert table._references("test", "t", lines, published) == [
        {"suite": "test", "task": "t", "name": "floor: the most frequent answer of the test", "accuracy": 0.5},
        {"suite": "test", "task": "t", "name": "floor: a guess", "accuracy": 0.375},
        {"suite": "test", "task": "t", "name": "Y (X)", "accuracy": 0.125, "note": "n"},
    ]
    assert len(table._references("generated test", "t", lines, published)) == 2


@pytest.mark.parametrize("path", sorted(STUDIES.glob("*.toml")), ids=lambda path: path.stem)
def test_every_study_of_the_repository_can_be_read(path):
    assert config.read(path).name == path.stem


def test_published_accuracies_are_of_tasks_that_studies_have():
    published = table.published()
    tasks = {task for path in STUDIES.glob("*.toml") for task in config.read(path).tasks}
    assert len(published["tasks"]) == 12 and set(published["tasks"]) <= tasks
