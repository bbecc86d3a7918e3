"""The next student: what is mixed in and how often, the whole way on the toy student, and one that has forgotten
something."""

import dataclasses
import hashlib
import itertools
import json
import random
import re
import shutil
from collections import Counter
from types import SimpleNamespace
from unittest import mock

import pytest
import torch

from sokutou_train import __main__, bundle_files, held_out, loading, retrain, reviews, steps
from sokutou_train.distil import base, train
from sokutou_train.distil.vocabulary import END, THINK
from sokutou_train.pair import Pair
from sokutou_train.recipe import Mixed
from sokutou_train.recipes import TOY
from sokutou_train.ship import measures
from sokutou_train.ship.calibrate import calibration
from sokutou_train.ship.decode import Belief, Outcome
from sokutou_train.task import ClosedChoices
from sokutou_train.teachers import toy

REVIEWS = 500
# What a toy student loses by chance, trained for seconds, differs from one kind of CPU to another: 7 of 400 on some.
# The real margin is asserted with counts that are given.
TOY_MARGIN = 0.05
ORIGIN = {"name": "reviews", "kind": "human", "licence": "mine", "sha256": "0"}


def written(path, count=REVIEWS):
    """Answers to a kind of question that the toy student was never taught: it says A or B, and people say that it
    should ask."""
    rng = random.Random("reviews")
    questions = [
        f"Which tastes better, {a} or {b}?" for a, b in rng.sample(list(itertools.permutations(range(100), 2)), count)
    ]
    lines = [
        {
            "id": f"case{at}-1",
            "task": "toy",
            "question": question,
            "answer": rng.choice("AB"),
            "rationale": "Read.",
            "student": {"name": "toy", "version": "0.0.1", "serial": 1},
            "decision": "answered",
            "reason": "audit",
            "mode": "answer_first",
            "confidence": 0.99,
            "verdict": "wrong",
            "correction": "ASK",
            "reviewer": None,
            "reviewed_at": "2026-03-01T08:15:30Z",
        }
        for at, question in enumerate(questions)
    ]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines), "utf-8")
    return path


@pytest.fixture(scope="module")
def retrained(toy_work, tmp_path_factory):
    folder = tmp_path_factory.mktemp("retrained")
    reviewed = written(folder / "reviews.jsonl")
    arguments = [
        "retrain",
        "--recipe",
        "toy",
        "--from",
        str(toy_work.folder),
        "--reviews",
        str(reviewed),
        "--work",
        str(folder / "next"),
        "--steps",
        "60",
    ]
    with mock.patch.object(retrain, "MARGIN", TOY_MARGIN):
        assert __main__.main(arguments) == 0
    return folder / "next", arguments


def load(path):
    return json.loads(path.read_text("utf-8"))


def test_the_next_bundle_says_what_it_is(toy_work, retrained):
    folder, _ = retrained
    manifest, before = load(folder / "toy-0.0.2" / "manifest.json"), load(toy_work.bundle / "manifest.json")
    assert (manifest["name"], manifest["version"], manifest["serial"], manifest["licence"]) == (
        "toy",
        "0.0.2",
        2,
        retrain.LICENCE,
    )
    model, human, *tasks = manifest["data"]
    assert tasks == before["data"] and (model["kind"], model["licence"]) == ("model", bundle_files.OWN_LICENCE)
    read = reviews.read([folder.parent / "reviews.jsonl"], TOY.tasks)
    taught = sum(not held_out.tested(review.pair) for review in read)
    assert human == {
        "name": f"reviews of toy, {taught} pairs",
        "kind": "human",
        "licence": retrain.LICENCE,
        "sha256": hashlib.sha256((folder.parent / "reviews.jsonl").read_bytes()).hexdigest(),
    }
    assert 0.85 * REVIEWS < taught < 0.95 * REVIEWS
    assert manifest["graph"] == before["graph"] and manifest["control"] == before["control"]
    assert manifest["files"]["tokenizer.json"] == before["files"]["tokenizer.json"]
    assert manifest["files"]["model.onnx"] != before["files"]["model.onnx"]


def test_the_reviewed_kind_is_learned_and_nothing_forgotten(retrained):
    measured = load(retrained[0] / "forgetting.json")
    for measure in retrain.MEASURES:
        learned = measured["held back"]["toy"][measure]
        assert learned["n"] > 30 and learned["old"] < 0.2 * learned["n"] and learned["new"] > 0.9 * learned["n"]
        assert measured["fresh"]["toy"][measure]["new"] > 0.95 * measured["fresh"]["toy"][measure]["n"] == 0.95 * 400
        assert measured["fresh"]["toy-digits"][measure]["n"] == 300
    assert measured["forgotten"] == [] and "toy-digits" not in measured["held back"]


def test_the_card_says_what_was_mixed_in(retrained):
    folder, card = retrained[0], (retrained[0] / "toy-0.0.2" / "card.md").read_text("utf-8")
    assert (folder / "retrained.md").read_text("utf-8") in card and "parameters from earlier student, toy" in card
    learned = load(folder / "forgetting.json")["held back"]["toy"]["first answer"]
    n = learned["n"]
    assert (
        f"| toy, reviewed questions held back | {n} | first answer | {learned['old'] / n:.3f} | "
        f"{learned['new'] / n:.3f} |" in card
    )
    assert f"500 pairs of {REVIEWS} reviews" in card and "Forgotten" not in card and "from reviews" not in card


def test_steps_that_would_make_another_student_of_it_are_refused(retrained, capsys):
    for command in ("distil", "train", "pack", "calibrate"):
        assert __main__.main([command, "--recipe", "toy", "--work", str(retrained[0])]) == 1
        assert (
            "holds a retrained student, whose version and seeds are its own: `models/run retrain`"
            in capsys.readouterr().err
        )


def test_the_student_after_the_next_goes_on_counting(retrained, tmp_path, stubbed):
    folder, arguments = retrained
    again = ["retrain", "--recipe", "toy", "--from", str(folder), *arguments[5:7], "--work", str(tmp_path)]
    assert __main__.main(again) == 0
    [(packed, recipe)] = stubbed
    assert (packed.name, recipe.serial) == ("toy-0.0.3", 3) and recipe.plan.seed == 1 + 3 * retrain.SEED_STRIDE
    origins = base.load(str(folder)).origins
    assert [origin["kind"] for origin in origins] == ["model", "human", "model"]
    assert origins[-1]["licence"] == retrain.LICENCE  # what people taught stays theirs in every later student


def test_the_same_command_goes_on_and_another_is_refused(retrained, stubbed, capsys):
    folder, arguments = retrained
    assert __main__.main(arguments) == 0 and [packed for packed, _ in stubbed] == [folder / "toy-0.0.2"]
    for more, said in (
        (["--steps", "61"], "steps"),
        (["--share", "0.3"], "share"),
        (["--version", "0.1.0"], "version"),
        (["--licence", "CC0-1.0"], "licence"),
    ):
        assert __main__.main([*arguments, *more]) == 1
        assert (
            f"holds a retrained student with another {said}; give a work folder of its own" in capsys.readouterr().err
        )


@pytest.mark.parametrize(
    ("more", "says"),
    [
        (["--work", "FROM"], "needs a work folder of its own"),
        (["--share", "0.6"], "--share: expected more than 0 and at most 0.5, got 0.6"),
        (["--version", "0.0.1"], "--version: expected three numbers that come after 0.0.1, as 1.2.3, got 0.0.1"),
        (["--version", "next"], "--version: expected three numbers that come after 0.0.1, as 1.2.3, got next"),
        (["--from", "EMPTY"], "is missing; has the step before it run?"),
        (["--from", "UNEXPORTED"], "model.onnx is missing; has the step before it run?"),
        (["--rows", "coins=rows.csv"], "--rows: toy has no task coins"),
    ],
)
def test_what_cannot_be_asked_is_said_and_nothing_is_begun(toy_work, tmp_path, stubbed, capsys, more, says):
    (tmp_path / "unexported").mkdir()
    for name in ("tokenizer.json", "checkpoint.pt", "calibration.json"):
        shutil.copy(toy_work.folder / name, tmp_path / "unexported")
    folders = {"FROM": toy_work.folder, "EMPTY": tmp_path, "UNEXPORTED": tmp_path / "unexported"}
    more = [str(folders.get(word, word)) for word in more]
    reviewed = written(tmp_path / "reviews.jsonl", 40)
    assert (
        __main__.main(
            [
                "retrain",
                "--recipe",
                "toy",
                "--from",
                str(toy_work.folder),
                "--reviews",
                str(reviewed),
                "--work",
                str(tmp_path / "next"),
                *more,
            ]
        )
        == 1
    )
    assert says in capsys.readouterr().err
    assert not stubbed and not (tmp_path / "next").exists() and not retrain.is_retrained(toy_work.folder)


def test_a_bundle_is_enough_to_go_on_from(toy_work, tmp_path, stubbed, capsys):
    """Its calibration is the work folder's, its version goes on, and training starts at its own weights."""
    bundle = shutil.copytree(toy_work.bundle, tmp_path / "bundle")
    manifest = load(bundle / "manifest.json") | {"version": "0.3.0", "serial": 7}
    (bundle / "manifest.json").write_text(json.dumps(manifest), "utf-8")
    arguments = [
        "retrain",
        "--recipe",
        "toy",
        "--from",
        str(bundle),
        "--reviews",
        str(written(tmp_path / "reviews.jsonl", 40)),
        "--work",
        str(tmp_path / "next"),
    ]
    assert __main__.main(arguments) == 0
    [(packed, recipe)] = stubbed
    assert (packed.name, recipe.serial, recipe.plan.base) == ("toy-0.3.1", 8, str(bundle / bundle_files.GRAPH))
    assert load(tmp_path / "next" / retrain.SETTINGS)["earlier"] == manifest["files"]["model.onnx"]["sha256"]
    old = dataclasses.replace(toy_work, folder=bundle)
    assert {task: calibration(of) for task, of in loading.fitted(old).items()} == {
        task: calibration(of) for task, of in loading.fitted(toy_work).items()
    }
    (bundle / "manifest.json").write_text(json.dumps(manifest | {"name": "another"}), "utf-8")
    assert __main__.main(arguments) == 1
    assert "holds a student of the recipe another, and toy was asked for" in capsys.readouterr().err


def test_a_work_folder_with_another_student_is_left_alone(toy_work, tmp_path, stubbed, capsys):
    (tmp_path / "checkpoint.pt").write_bytes(b"another")
    assert (
        __main__.main(
            [
                "retrain",
                "--recipe",
                "toy",
                "--from",
                str(toy_work.folder),
                "--reviews",
                str(written(tmp_path / "reviews.jsonl", 40)),
                "--work",
                str(tmp_path),
            ]
        )
        == 1
    )
    assert "holds another student" in capsys.readouterr().err and not stubbed


def test_what_is_held_back_is_not_taught(toy_work, tmp_path):
    cases = retrain.gather(toy_work, [written(tmp_path / "reviews.jsonl", 80)], TOY.tasks)
    assert len(cases.taught) + len(cases.held_back) == 80 and len(cases.held_back) > 1
    assert not any(map(held_out.tested, cases.taught)) and all(map(held_out.tested, cases.held_back))


def test_reviews_that_teach_nothing_are_an_error(toy_work, tmp_path):
    line = json.loads(written(tmp_path / "reviews.jsonl", 1).read_text("utf-8"))
    long = {**line, "question": "9" * 200}
    (tmp_path / "reviews.jsonl").write_text(json.dumps(long), "utf-8")
    with pytest.raises(
        ValueError, match="nothing is left to teach: 1 pairs of 1 reviews: .*, 1 of the pairs too long .*, 0 held back"
    ):
        retrain.gather(toy_work, [tmp_path / "reviews.jsonl"], TOY.tasks)
    free = {**line, "task": "toy-digits", "answer": "12", "correction": "12345"}
    (tmp_path / "reviews.jsonl").write_text("\n".join(map(json.dumps, (line, {**free, "id": "b-1"}))), "utf-8")
    cases = retrain.gather(toy_work, [tmp_path / "reviews.jsonl"], TOY.tasks)
    assert [pair.task for pair in (*cases.taught, *cases.held_back)] == [
        "toy"
    ] and "1 of the pairs too long" in cases.said


@pytest.fixture
def stubbed(monkeypatch):
    """Nothing is trained or measured; returns the bundles that would have been packed."""
    packed = []
    for name in ("train_step", "export_step", "calibrate_step", "evaluate_step", "plots_step"):
        monkeypatch.setattr(steps, name, lambda work: None)
    monkeypatch.setattr(steps, "pack_step", lambda work: packed.append((work.bundle, work.recipe)))
    monkeypatch.setattr(
        retrain, "_students", lambda work: {task.id: (work.recipe.serial, None) for task in work.recipe.tasks}
    )
    monkeypatch.setattr(retrain, "right", lambda serial, calibration, pairs: [(True, True, True)] * len(pairs))
    return packed


def test_a_student_that_has_forgotten_a_task_is_not_packed_unless_that_is_accepted(
    toy_work, tmp_path, stubbed, monkeypatch, capsys
):
    def right(serial, calibration, pairs):  # of the first task, the new student loses 20 last answers and wins 2
        forgets = serial == 2 and pairs[0].task == "toy"
        return [(True, not (at < 20 if forgets else 20 <= at < 22), True) for at in range(len(pairs))]

    monkeypatch.setattr(retrain, "right", right)
    arguments = [
        "retrain",
        "--recipe",
        "toy",
        "--from",
        str(toy_work.folder),
        "--reviews",
        str(written(tmp_path / "reviews.jsonl", 40)),
        "--work",
        str(tmp_path / "next"),
    ]
    lost = (
        "task toy, last answer: 0.0.1 was right on 99.5% of 400 fresh pairs, 0.0.2 is on 95.0% (20 lost, 2 won; p = "
        "6.1e-05)"
    )
    assert __main__.main(arguments) == 1 and not stubbed
    said = capsys.readouterr().err
    assert f"error: {lost}\nno bundle was written; mix in less (--share), train more or fewer --steps" in said
    assert "first answer:" not in said
    assert load(tmp_path / "next" / "forgetting.json")["forgotten"] == [lost]
    assert __main__.main([*arguments, "--accept-forgetting"]) == 0 and len(stubbed) == 1
    assert f"warning: {lost}; accepted, and the card says so" in capsys.readouterr().err
    assert f"- **Forgotten, and accepted**: {lost}." in (tmp_path / "next" / "retrained.md").read_text("utf-8")


def test_who_answers_right_and_no_longer_by_itself_has_forgotten(monkeypatch):
    """The same answers, fewer of them proved; a question for a person is as wanted where it is left to one."""

    def asked(answerer, stands, question):
        said = Belief({"1?": "A", "2?": "B", "3?": "ASK"}[question], 0.9)
        return Outcome(said, said, stands and said.answer != "ASK", "answer_first")

    monkeypatch.setattr(retrain, "decide", asked)
    answerer = type("Answerer", (), {"task": toy.TASK})
    pairs = [
        Pair(task="toy", question=question, answer=answer)
        for question, answer in (("1?", "A"), ("2?", "A"), ("3?", "ASK"))
    ]
    stands, nothing = (SimpleNamespace(of=lambda task, pair, given=given: given) for given in (True, False))
    assert retrain.right(answerer, stands, pairs) == [(True, True, True), (False, False, False), (True, True, True)]
    assert retrain.right(answerer, nothing, pairs) == [(True, True, False), (False, False, False), (True, True, True)]
    monkeypatch.setattr(retrain, "decide", lambda *_: None)  # too long to be asked
    assert retrain.right(answerer, stands, pairs[:1]) == [(False, False, False)]


@pytest.mark.parametrize(
    ("lost", "won", "n", "forgotten"),
    [
        (20, 2, 400, True),
        (5, 0, 400, True),
        (4, 0, 300, False),  # 4 of 4 lost is luck once in 16
        (60, 50, 400, False),  # luck
        (40, 10, 4000, False),  # no luck, and 0.75 points
        (2, 20, 400, False),
    ],
)
def test_forgotten_is_what_is_lost_beyond_luck_and_beyond_the_margin(lost, won, n, forgotten):
    old = [True] * lost + [False] * won + [True] * (n - lost - won)
    new = [False] * lost + [True] * won + [True] * (n - lost - won)
    found = retrain.paired(old, new)
    assert (found["n"], found["old"], found["new"], found["lost"], found["won"]) == (n, n - won, n - lost, lost, won)
    assert retrain.forgotten(found) is forgotten


def test_mcnemar_counts_the_ways_to_lose_so_many():
    assert [measures.worse(*counts) for counts in ((0, 0), (5, 0), (3, 1), (1, 3), (0, 4))] == [
        1,
        1 / 32,
        5 / 16,
        15 / 16,
        1,
    ]
    assert measures.worse(1500, 1500) == pytest.approx(0.507, abs=1e-3)


def test_reviews_are_dealt_once_each_before_any_comes_again():
    plan = dataclasses.replace(TOY.plan, steps=7)
    pairs = tuple(Pair(task="toy", question=f"{at}?", answer="A") for at in range(10))
    mixed = Mixed(pairs, 25, ORIGIN)
    dealt = [mixed.of_step(step, plan) for step in range(7)]
    flat = [pair for step in dealt for pair in step]
    assert len(flat) == 25 and max(map(len, dealt)) - min(map(len, dealt)) <= 1
    assert set(flat[:10]) == set(flat[10:20]) == set(pairs) and flat[:10] != flat[10:20]
    assert sorted(Counter(flat).values()) == [2] * 5 + [3] * 5
    assert mixed.of_step(3, plan) == dealt[3]  # a run that goes on at step 3 is dealt the same


def test_a_share_of_the_first_answers_is_reviewed_and_few_reviews_come_only_so_often(toy_work):
    encoder = loading.encoder(toy_work)
    pairs = [
        Pair(task="toy", question=f"Which tastes better, {at} or {99 - at}?", answer="ASK") for at in range(10, 60)
    ]
    cases = retrain.Cases(pairs, [], "")
    few, many = (
        retrain._next(toy_work, retrain.Settings(toy_work.folder, (), steps=count, share=0.25), cases)
        for count in (300, 20)
    )
    assert few.mixed.dealt == retrain.REPEATS_MAX * 50
    plan = many.plan
    assert (plan.read_steps_max, plan.steps, plan.muon_lr) == (0, 20, retrain.RATE_SHARE * TOY.plan.muon_lr)
    assert plan.warmup_steps == 4 < TOY.plan.warmup_steps == few.plan.warmup_steps  # a fifth of the steps at most
    assert plan.seed == TOY.plan.seed + 2 * retrain.SEED_STRIDE  # none of the pairs that the earlier student has seen
    tokens = reviewed = 0
    for step in range(plan.steps):
        drawn = [own.sequence.tokens for own in train._drawn(encoder, many, step, False)]
        first = [row for row in drawn if encoder.control[THINK] not in row and row[-1] != encoder.control[END]]
        own = {tuple(encoder.first(pair).tokens) for pair in pairs}
        tokens += sum(map(len, first))
        reviewed += sum(len(row) for row in first if tuple(row) in own)
        assert not any("tastes" in encoder.tokenizer.decode(row) for row in drawn if row not in first)
    assert reviewed / tokens == pytest.approx(0.25, abs=0.02)


ONE_CASE = retrain.Cases([Pair(task="toy", question="Which tastes better, 1 or 2?", answer="ASK")], [], "")


def test_training_goes_on_from_every_weight_of_the_earlier_student(toy_work, tmp_path):
    recipe = retrain._next(toy_work, retrain.Settings(toy_work.folder, (), steps=1), ONE_CASE)
    recipe = dataclasses.replace(recipe, plan=dataclasses.replace(recipe.plan, muon_lr=0.0, adam_lr=0.0, dev_pairs=20))
    new = dataclasses.replace(toy_work, recipe=recipe, folder=tmp_path / "next")
    retrain._begin(new, toy_work, retrain.Settings(toy_work.folder, ()))
    train.run(recipe, new.folder)
    before, after = (torch.load(work.checkpoint, weights_only=True) for work in (toy_work, new))
    for part in ("student", "heads"):
        assert before[part].keys() == after[part].keys() and len(before[part]) > 1
        learned = {
            name: weight for name, weight in before[part].items() if not name.endswith(".variance")
        }  # that is measured anew
        assert all(torch.equal(weight, after[part][name]) for name, weight in learned.items())
    assert before["geometry"] == after["geometry"] and new.tokenizer.read_bytes() == toy_work.tokenizer.read_bytes()
    assert [origin["kind"] for origin in after["origins"]] == ["model", "human"]


def test_weights_go_back_towards_the_earlier_students_even_where_training_was_stopped(toy_work, tmp_path, monkeypatch):
    recipe = retrain._next(toy_work, retrain.Settings(toy_work.folder, (), steps=2), ONE_CASE)
    assert recipe.plan.kept == retrain.KEPT
    found = {}
    for kept in (0.0, 0.25):
        plan = dataclasses.replace(recipe.plan, kept=kept, checkpoint_every=1, dev_pairs=20)
        new = dataclasses.replace(toy_work, recipe=dataclasses.replace(recipe, plan=plan), folder=tmp_path / str(kept))
        retrain._begin(new, toy_work, retrain.Settings(toy_work.folder, ()))
        with monkeypatch.context() as stopped, pytest.raises(KeyboardInterrupt):
            stopped.setattr(train, "rate", mock.Mock(side_effect=[1.0, KeyboardInterrupt]))
            train.run(new.recipe, new.folder)
        train.run(new.recipe, new.folder)
        found[kept] = torch.load(new.checkpoint, weights_only=True)["student"]
    before = torch.load(toy_work.checkpoint, weights_only=True)["student"]
    assert any(not torch.equal(weight, found[0.0][name]) for name, weight in before.items())
    for name, weight in before.items():
        torch.testing.assert_close(found[0.25][name], 0.75 * found[0.0][name] + 0.25 * weight)


@pytest.fixture(scope="module")
def alone(toy_work, tmp_path_factory):
    """A bundle of which one task was taught alone, by reviews among which another task's stand; the bundle before it is
    of format 2, in which no task names its graph."""
    folder = tmp_path_factory.mktemp("alone")
    reviewed = written(folder / "reviews.jsonl")
    lines = reviewed.read_text("utf-8").splitlines()
    other = json.loads(lines[0]) | {
        "id": "digits-1",
        "task": "toy-digits",
        "question": "8",
        "answer": "12",
        "correction": "13",
    }
    reviewed.write_text("\n".join([*lines, json.dumps(other)]), "utf-8")
    earlier = shutil.copytree(toy_work.bundle, folder / "toy-0.0.1")
    manifest = load(earlier / "manifest.json")
    tasks = [{key: value for key, value in task.items() if key != "graph"} for task in manifest["tasks"]]
    (earlier / "manifest.json").write_text(json.dumps(manifest | {"format": 2, "tasks": tasks}), "utf-8")
    arguments = [
        "retrain",
        "--recipe",
        "toy",
        "--from",
        str(earlier),
        "--task",
        "toy",
        "--reviews",
        str(reviewed),
        "--work",
        str(folder / "next"),
        "--steps",
        "60",
    ]
    with mock.patch.object(retrain, "MARGIN", TOY_MARGIN):
        assert __main__.main(arguments) == 0
    return folder / "next", arguments


def test_a_task_taught_alone_has_a_graph_of_its_own_and_all_else_is_as_it_was(toy_work, alone):
    before, after = toy_work.bundle, alone[0] / "toy-0.0.2"
    old, new = (load(folder / "manifest.json") for folder in (before, after))
    assert (new["format"], new["version"], new["serial"], new["licence"]) == (4, "0.0.2", 2, retrain.LICENCE)
    taught, other = new["tasks"]
    assert (taught["graph"], other) == ("model-2.onnx", old["tasks"][1])
    assert new["files"].keys() == {*old["files"], "model-2.onnx"}
    for name in ("model.onnx", "tokenizer.json"):
        assert new["files"][name] == old["files"][name] and (after / name).read_bytes() == (before / name).read_bytes()
    golden = [
        [
            line
            for line in (folder / "golden.jsonl").read_text("utf-8").splitlines()
            if json.loads(line)["task"] == "toy-digits"
        ]
        for folder in (before, after)
    ]
    assert golden[0] == golden[1] and golden[0]
    ids = [json.loads(line)["id"] for line in (after / "golden.jsonl").read_text("utf-8").splitlines()]
    assert len(set(ids)) == len(ids)
    assert [(source["kind"], source["name"].split(",")[0]) for source in new["data"]] == [
        ("generated", "toy teacher pairs"),
        ("generated", "toy-digits teacher pairs"),
        ("model", "earlier student"),
        ("human", "reviews of toy"),
    ]


def test_a_task_taught_alone_has_learned_and_is_asked_by_its_own_graph(toy_work, alone):
    measured = load(alone[0] / "forgetting.json")
    learned = measured["held back"]["toy"]["last answer"]
    assert learned["old"] < 0.2 * learned["n"] and learned["new"] > 0.9 * learned["n"]
    assert measured["fresh"].keys() == {"toy"} and measured["forgotten"] == []
    for found in measured["fresh"]["toy"].values():
        assert found["n"] == 400 and found["new"] > 0.9 * found["n"]
    bundle = dataclasses.replace(toy_work, folder=alone[0] / "toy-0.0.2")
    assert {task: graph.name for task, graph in loading.graphs(bundle).items()} == {
        "toy": "model-2.onnx",
        "toy-digits": "model.onnx",
    }
    first, digits = loading.answerers(bundle)
    assert first.decoder is not digits.decoder
    question = "Which tastes better, 100 or 101?"
    fitted = loading.fitted(bundle)
    said = retrain.decide(first, calibration(fitted["toy"]), question)
    assert said.last.answer == "ASK"
    steps.reference_step(dataclasses.replace(bundle, reference=(path := alone[0] / "logits.json")))
    manifest = load(bundle.folder / "manifest.json")
    assert {(prompt["task"], prompt["model_sha256"]) for prompt in load(path)["prompts"]} == {
        (task["id"], manifest["files"][task["graph"]]["sha256"]) for task in manifest["tasks"]
    }


def test_the_card_says_which_task_was_taught_alone_and_keeps_the_others(toy_work, alone):
    before, after = ((folder / "card.md").read_text("utf-8") for folder in (toy_work.bundle, alone[0] / "toy-0.0.2"))
    assert "- 0.0.2: toy alone taught further, from earlier student, toy" in after and "model-2.onnx" in after
    rows = {
        task: next(line for line in after.splitlines() if line.startswith(f"| {task} |"))
        for task in ("toy", "toy-digits")
    }
    assert rows["toy-digits"] in before and rows["toy"] not in before
    section = before[before.index("### toy-digits\n") :].strip()
    assert section in after and before[before.index("### toy\n") : before.index("### toy-digits\n")] not in after
    assert after.count("### toy\n") == after.count("### toy-digits\n") == after.count("## How well it does") == 1


def test_where_several_graphs_answer_the_tasks_of_one_must_be_named(toy_work, alone, tmp_path, stubbed, capsys):
    folder, arguments = alone
    bundle, reviewed = str(folder / "toy-0.0.2"), arguments[arguments.index("--reviews") + 1]
    asked = ["retrain", "--recipe", "toy", "--from", bundle, "--reviews", reviewed, "--work", str(tmp_path / "all")]
    assert __main__.main(asked) == 1
    assert (
        "has several graphs (model-2.onnx answers toy; model.onnx answers toy-digits): name the tasks"
        in capsys.readouterr().err
    )
    packed = []
    with mock.patch.object(steps, "next_bundle_step", lambda work, earlier: packed.append((work, earlier))):
        assert __main__.main([*asked[:-1], str(tmp_path / "one"), "--task", "toy-digits"]) == 0
        assert (
            __main__.main(
                ["retrain", "--recipe", "toy", "--from", bundle, "--task", "toy", "--work", str(tmp_path / "two")]
            )
            == 0
        )
    (digits, _), (toys, _) = packed
    assert digits.recipe.plan.base == f"{bundle}/model.onnx" and len(digits.recipe.mixed.pairs) == 1
    assert toys.recipe.plan.base == f"{bundle}/model-2.onnx" and toys.recipe.mixed is None and toys.recipe.serial == 3


def test_a_task_is_calibrated_anew_on_the_graph_that_it_has(alone, tmp_path):
    """Nothing is taught: its thresholds and golden questions are new, and all else is as it was."""
    earlier = alone[0] / "toy-0.0.2"
    arguments = ["retrain", "--recipe", "toy", "--from", str(earlier), "--recalibrate", "toy-digits"]
    assert __main__.main([*arguments, "--work", str(tmp_path), "--version", "0.1.0"]) == 0
    after = tmp_path / "toy-0.1.0"
    old, new = (load(folder / "manifest.json") for folder in (earlier, after))
    assert (new["version"], new["serial"], new["data"], new["graph"]) == ("0.1.0", 3, old["data"], old["graph"])
    (first, digits), (first_before, digits_before) = new["tasks"], old["tasks"]
    assert first == first_before and digits["graph"] == digits_before["graph"] == "model.onnx"
    assert digits["calibration"] != digits_before["calibration"]
    for name in ("model.onnx", "model-2.onnx", "tokenizer.json"):
        assert new["files"][name] == old["files"][name]
    golden = [
        [line for line in (folder / "golden.jsonl").read_text("utf-8").splitlines() if '"toy-digits"' not in line]
        for folder in (earlier, after)
    ]
    assert golden[0] == golden[1] and golden[0]
    before, card = ((folder / "card.md").read_text("utf-8") for folder in (earlier, after))
    assert "- 0.1.0: toy-digits calibrated anew: at most 2.00% wrong" in card and "alone taught further" in card
    assert card.count("| toy-digits | as before |") == card.count("### toy-digits\n") == 1
    assert before[before.index("### toy\n") : before.index("### toy-digits\n")] in card
    assert not (tmp_path / "checkpoint.pt").exists()


def without(bundle, task, folder):
    """A bundle as it would be had its student not been given a task."""
    shutil.copytree(bundle, folder)
    manifest = load(folder / "manifest.json")
    manifest["tasks"] = [one for one in manifest["tasks"] if one["id"] != task.id]
    manifest["data"] = [one for one in manifest["data"] if one["name"] != f"{task.id} teacher pairs"]
    manifest["teacher"] = manifest["teacher"].replace(f"; {task.teacher}", "")
    (folder / "manifest.json").write_text(json.dumps(manifest), "utf-8")
    golden = (folder / "golden.jsonl").read_text("utf-8").splitlines(keepends=True)
    (folder / "golden.jsonl").write_text("".join(x for x in golden if json.loads(x)["task"] != task.id), "utf-8")
    card = re.sub(rf"(?m)^\| {task.id} \|.*\n", "", (folder / "card.md").read_text("utf-8"))
    (folder / "card.md").write_text(re.sub(rf"(?s)\n### {task.id}\n.*", "", card), "utf-8")
    return folder


@pytest.fixture(scope="module")
def added(toy_work, tmp_path_factory):
    """A bundle to which a task was added. Its weights know the task already, so that few steps teach it."""
    folder = tmp_path_factory.mktemp("added")
    earlier = without(toy_work.bundle, toy.DIGITS, folder / "toy-0.0.1")
    arguments = ["retrain", "--recipe", "toy", "--from", str(earlier), "--task", "toy-digits", "--steps", "20"]
    assert __main__.main([*arguments, "--work", str(folder / "next")]) == 0
    return earlier, folder / "next"


def test_a_task_that_the_bundle_has_not_is_added_with_a_graph_of_its_own(toy_work, added):
    earlier, work = added
    old, new = (load(folder / "manifest.json") for folder in (earlier, work / "toy-0.0.2"))
    whole = load(toy_work.bundle / "manifest.json")
    first, digits = new["tasks"]
    assert first == old["tasks"][0] and len(old["tasks"]) == 1
    assert (digits["id"], digits["graph"]) == ("toy-digits", "model-2.onnx") and digits["calibration"]["n"] > 0
    assert digits.keys() == first.keys() and digits["answers"] == whole["tasks"][1]["answers"]
    assert (
        (old["teacher"], new["teacher"])
        == ("subtraction", "subtraction; remainders")
        == (
            old["teacher"],
            whole["teacher"],
        )
    )
    assert [(source["kind"], source["name"].split(",")[0]) for source in new["data"]] == [
        ("generated", "toy teacher pairs"),
        ("model", "earlier student"),
        ("generated", "toy-digits teacher pairs"),
    ]
    assert new["files"]["model.onnx"] == old["files"]["model.onnx"]
    assert new["files"]["tokenizer.json"] == old["files"]["tokenizer.json"]
    golden = [
        [json.loads(line) for line in (folder / "golden.jsonl").read_text("utf-8").splitlines()]
        for folder in (earlier, work / "toy-0.0.2")
    ]
    assert golden[1][: len(golden[0])] == golden[0]
    assert {line["task"] for line in golden[1][len(golden[0]) :]} == {"toy-digits"}
    assert len({line["id"] for line in golden[1]}) == len(golden[1])


def test_an_added_task_is_asked_by_its_own_graph_and_compared_with_nothing(toy_work, added):
    _, work = added
    assert load(work / "forgetting.json") == {"fresh": {}, "held back": {}, "forgotten": []}
    bundle = dataclasses.replace(toy_work, folder=work / "toy-0.0.2")
    assert {task: graph.name for task, graph in loading.graphs(bundle).items()} == {
        "toy": "model.onnx",
        "toy-digits": "model-2.onnx",
    }
    fitted = loading.fitted(bundle)
    _, digits = loading.answerers(bundle)
    said = retrain.right(digits, calibration(fitted["toy-digits"]), toy.DIGITS.tests("added", 40)["digits"])
    assert sum(last for _, last, _ in said) > 30


def test_the_card_says_which_task_was_added(added):
    earlier, work = added
    before, after = ((folder / "card.md").read_text("utf-8") for folder in (earlier, work / "toy-0.0.2"))
    assert "### toy-digits" not in before and "| toy-digits |" not in before
    assert "- 0.0.2: toy-digits added, from earlier student, toy" in after and "alone taught further" not in after
    rows = [line.split(" | ")[0] for line in after.splitlines() if line.startswith(("| toy |", "| toy-digits |"))]
    assert rows == ["| toy", "| toy-digits"]
    assert after.count("### toy\n") == after.count("### toy-digits\n") == 1
    assert after.index("### toy\n") < after.index("### toy-digits\n")
    assert "- New, and so compared with nothing: toy-digits." in after and "Both students" not in after


def test_a_task_is_added_alone_and_only_where_its_choices_can_be_told_apart(
    toy_work, tmp_path, stubbed, monkeypatch, capsys
):
    earlier = without(toy_work.bundle, toy.DIGITS, tmp_path / "toy-0.0.1")
    asked = ["retrain", "--recipe", "toy", "--from", str(earlier), "--work", str(tmp_path / "next")]
    reviewed = str(written(tmp_path / "reviews.jsonl", 40))
    assert __main__.main([*asked, "--reviews", reviewed]) == 1
    assert "has no task toy-digits: a task is added with --task" in capsys.readouterr().err
    first, *others = toy.TASK.answers.choices
    alike = dataclasses.replace(first, code=5, text=first.text + "B")
    task = dataclasses.replace(toy.TASK, id="alike", answers=ClosedChoices((first, alike, *others)))
    recipe = dataclasses.replace(TOY, tasks=(*TOY.tasks, task), shares=())
    monkeypatch.setitem(__main__.RECIPES, "toy", recipe)
    assert __main__.main([*asked, "--task", "alike"]) == 1
    assert "the first tokens of the choices A, AB, B, ASK are not distinct" in capsys.readouterr().err
    assert not stubbed and not (tmp_path / "next").exists()


@pytest.mark.parametrize(
    ("given", "says"),
    [
        (["--task", "coins", "--from", "BUNDLE"], "--task: expected one of toy, toy-digits, got coins"),
        (["--task", "toy", "--from", "FOLDER"], "is no bundle"),
        (["--recalibrate", "coins", "--from", "BUNDLE"], "--recalibrate: expected one of toy, toy-digits, got coins"),
        (["--recalibrate", "toy", "--from", "FOLDER"], "is no bundle"),
        (["--recalibrate", "toy", "--task", "toy", "--from", "BUNDLE"], "is calibrated anew without being named"),
        (["--from", "BUNDLE"], "nothing to do: give --reviews, or --task, or --recalibrate"),
    ],
)
def test_what_cannot_be_taught_alone_is_said(toy_work, tmp_path, stubbed, capsys, given, says):
    folders = {"BUNDLE": toy_work.bundle, "FOLDER": toy_work.folder}
    assert (
        __main__.main(
            [
                "retrain",
                "--recipe",
                "toy",
                "--work",
                str(tmp_path / "next"),
                *(str(folders.get(word, word)) for word in given),
            ]
        )
        == 1
    )
    assert says in capsys.readouterr().err and not (tmp_path / "next").exists()
