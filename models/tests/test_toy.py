"""The whole way on the toy task, as the command line walks it: distil, export, calibrate, evaluate, pack."""

import dataclasses
import hashlib
import json

import numpy as np
import pytest
from tokenizers import Tokenizer

from sokutou_train import __main__, bundle_files, steps
from sokutou_train.distil.sequences import Encoder
from sokutou_train.pair import Pair
from sokutou_train.recipes import TOY
from sokutou_train.ship import bundle, calibrate, evaluate
from sokutou_train.ship.decode import NEVER, Answerer, Decoder, ThinkingFailed, decide
from sokutou_train.teachers.toy import DIGITS, TASK


@pytest.fixture(scope="module")
def work(toy_work):
    return toy_work


@pytest.fixture(scope="module")
def packed(work):
    """Answerers of both tasks that have seen nothing but the bundle, and their calibrations."""
    manifest = json.loads((work.bundle / "manifest.json").read_text("utf-8"))
    assert {task["graph"] for task in manifest["tasks"]} == {bundle_files.GRAPH}
    decoder = Decoder(work.bundle / bundle_files.GRAPH)
    encoder = Encoder(Tokenizer.from_file(str(work.bundle / "tokenizer.json")), TOY.free)
    answerers = {task.id: Answerer(decoder, encoder, task) for task in TOY.tasks}
    return manifest, answerers, {task["id"]: calibrate.calibration(task["calibration"]) for task in manifest["tasks"]}


@pytest.fixture(scope="module")
def toy(packed):
    return packed[1]["toy"]


def test_the_bundle_is_what_its_manifest_says(work, packed):
    manifest, answerers, _ = packed
    assert {path.name for path in work.bundle.iterdir()} == {"manifest.json", *manifest["files"]}
    pictures = ("loss", *(f"{name}-{task.id}" for name in ("reliability", "risk") for task in TOY.tasks))
    assert all((work.folder / f"{name}.svg").read_text().startswith("<?xml") for name in pictures)
    for name, said in manifest["files"].items():
        content = (work.bundle / name).read_bytes()
        assert (len(content), hashlib.sha256(content).hexdigest()) == (said["bytes"], said["sha256"])
    assert manifest["graph"]["vocabulary"] == answerers["toy"].encoder.tokenizer.get_vocab_size()


def test_the_manifest_is_of_format_4(packed):
    manifest, _, _ = packed
    top = {
        key: manifest[key] for key in ("format", "name", "version", "serial", "minimum_runtime", "licence", "teacher")
    }
    assert top == {
        "format": 4,
        "name": "toy",
        "version": "0.0.1",
        "serial": 1,
        "minimum_runtime": "0.2.0",
        "licence": "MIT OR Apache-2.0",
        "teacher": "subtraction; remainders",
    }
    assert [(data["name"], data["kind"]) for data in manifest["data"]] == [
        ("toy teacher pairs", "generated"),
        ("toy-digits teacher pairs", "generated"),
    ]
    closed, free = manifest["tasks"]
    keys = {"id", "title", "graph", "prompt", "question_tokens_max", "rationale_tokens_max", "answers", "calibration"}
    assert set(closed) == set(free) == keys
    assert (closed["prompt"], free["prompt"]) == ("toy: {question}", "toy-digits: {question}")
    assert closed["answers"]["choices"] == [
        {"code": 0, "text": "A", "label": {"en": "the first", "ja": "前の数"}, "person": False},
        {"code": 1, "text": "B", "label": {"en": "the second", "ja": "後の数"}, "person": False},
        {"code": 9, "text": "ASK", "label": {"en": "not two numbers", "ja": "判定対象外"}, "person": True},
    ]
    assert free["answers"] == {"free": {"tokens_max": DIGITS.answers.tokens_max}}
    for task in (closed, free):
        fitted = task["calibration"]
        assert set(fitted) == {"split", "n", "risk", "confidence_level", "first", "think", "bands"}
        assert set(fitted["first"]) == {"temperature", "threshold", "n", "errors", "coverage"}
        assert set(fitted["think"]) == {"first_weight", "think_weight", "threshold", "n", "errors", "coverage"}


@pytest.mark.parametrize("task", TOY.tasks, ids=lambda task: task.id)
def test_the_packed_student_answers(packed, task):
    _, answerers, calibrations = packed
    pairs = [pair for suite in task.tests("toy-end", 300).values() for pair in suite]
    outcomes = [decide(answerers[task.id], calibrations[task.id], pair.text) for pair in pairs]
    right = sum(outcome.last.answer == pair.answer for pair, outcome in zip(pairs, outcomes, strict=True))
    assert right / len(outcomes) > 0.95
    answered = [outcome for outcome in outcomes if outcome.answered]
    assert not any(outcome.last.answer == "ASK" for outcome in answered)
    assert len(answered) > 0.6 * len(outcomes)


def test_thinking_is_right_too_and_the_first_answer_takes_fewer_tokens(packed):
    _, answerers, calibrations = packed
    for task in TOY.tasks:
        pairs = next(iter(task.tests("toy-think", 60).values()))
        thinks = dataclasses.replace(calibrations[task.id], threshold=NEVER, think_threshold=0.0)
        outcomes = [decide(answerers[task.id], thinks, pair.text) for pair in pairs]
        assert sum(outcome.last.answer == pair.answer for pair, outcome in zip(pairs, outcomes, strict=True)) >= 57
        assert all(outcome.mode == "think_first" for outcome in outcomes)
        longest = max(len(answerers[task.id].encoder.free_text(pair.answer)) for pair in pairs)
        assert all(outcome.think_tokens > longest for outcome in outcomes)


def test_golden_questions_come_out(work, packed):
    _, answerers, calibrations = packed
    lines = [json.loads(line) for line in (work.bundle / "golden.jsonl").read_text("utf-8").splitlines()]
    assert (
        len(lines)
        == len({line["id"] for line in lines})
        == sum(min(len(task.golden("golden")), bundle.GOLDEN_MAX) for task in TOY.tasks)
    )
    for line in lines:
        task, said = answerers[line["task"]].task, "code" if line["task"] == "toy" else "answer"
        assert set(line) == {"id", "task", "question", said, "decision", "mode", "confidence"}
        outcome = decide(answerers[task.id], calibrations[task.id], line["question"])
        answer = outcome.last.answer
        assert task.answers.golden(answer) == {said: line[said]}
        assert (line["decision"] == "answered", line["mode"]) == (outcome.answered, outcome.mode)
        assert outcome.last.confidence == pytest.approx(line["confidence"], abs=1e-3)


def test_the_card_shows_both_languages_and_what_it_was_trained_on(work):
    card, time = (work.bundle / "card.md").read_text("utf-8"), work.read_json("time.json")
    for said in (
        time["processor"],
        time["date"],
        f"torch {time['versions']['torch']}",
        "### toy\n",
        "### toy-digits\n",
    ):
        assert said in card
    measured = work.read_json("evaluation.json")["toy-digits"]["suites"]["digits"]
    en, ja = (measured["languages"][lang] for lang in ("en", "ja"))
    assert en["n"] + ja["n"] == measured["n"]
    assert f"| digits | {en['n']}, {ja['n']} | {en['first answer']['value']:.3f} (" in card
    assert f"{100 * (ja['first answer']['value'] - en['first answer']['value']):+.1f} points" in card


def test_real_rows_and_other_questions_are_measured_by_task(work, tmp_path, monkeypatch, capsys):
    # Measured in processes of their own, which tell what they were given by what they return.
    monkeypatch.setattr(
        evaluate,
        "evaluate",
        lambda answerer, calibrated, sizes, seed, table, others: {
            "sizes": dataclasses.asdict(sizes),
            "table": str(table),
            "others": others,
        },
    )
    monkeypatch.setattr(evaluate, "markdown", lambda measured: "")
    arguments = ["evaluate", "--recipe", "toy", "--work", str(tmp_path)]
    for name in ("model.onnx", "tokenizer.json", "calibration.json"):
        (tmp_path / name).write_bytes((work.folder / name).read_bytes())
    assert __main__.main([*arguments, "--rows", "toy-digits=rows.csv", "--other", "alarms.jsonl"]) == 0
    asked = json.loads((tmp_path / "evaluation.json").read_text())
    assert {task: (given["table"], given["others"]) for task, given in asked.items()} == {
        "toy": ("None", ["alarms.jsonl"]),
        "toy-digits": ("rows.csv", ["alarms.jsonl"]),
    }
    own = TOY.own_sizes["toy-digits"]
    assert [asked[task]["sizes"] for task in ("toy", "toy-digits")] == [
        dataclasses.asdict(sizes) for sizes in (TOY.sizes, own)
    ]
    assert own != TOY.sizes
    assert __main__.main([*arguments, "--rows", "coins=rows.csv"]) == 1
    assert "--rows: toy has no task coins, only toy, toy-digits" in capsys.readouterr().err


def test_a_table_that_a_task_cannot_read_is_an_error(packed, tmp_path):
    _, answerers, calibrations = packed
    with pytest.raises(ValueError, match="task toy knows no table of real rows"):
        evaluate.evaluate(answerers["toy"], calibrations["toy"], TOY.sizes, 1, tmp_path / "rows.csv")


def test_a_bundle_that_cannot_be_packed_leaves_the_one_before(work, packed):
    _, answerers, _ = packed
    before = {path.name: path.read_bytes() for path in work.bundle.iterdir()}
    g = steps.train.load(work.checkpoint).g
    with pytest.raises(bundle.PackError, match="at most 1000 bytes"):
        bundle.pack(
            work.bundle,
            work.model,
            work.tokenizer,
            g,
            TOY,
            list(answerers.values()),
            work.read_json("calibration.json"),
            "card",
            bytes_max=1000,
        )
    assert {path.name: path.read_bytes() for path in work.bundle.iterdir()} == before
    assert not list(work.out.glob("*.new"))


def test_the_calculator_writes_the_numbers_of_a_thought(toy):
    toy.ask("Which is larger, 61 or 27?")
    text = toy.encoder.tokenizer.decode(toy.think().rationale)
    expression, result = text[text.index("<<") + 2 : text.index(">>")].split("=")
    assert str(eval(expression)) == result  # two integers and a minus


def test_a_malformed_expression_ends_the_thought(toy):
    with pytest.raises(ThinkingFailed):
        toy.writer._result(toy.encoder.text("61--"))


def test_a_question_that_cannot_be_asked(packed):
    _, answerers, calibrations = packed
    for task in answerers:
        assert decide(answerers[task], calibrations[task], "") is None
        assert decide(answerers[task], calibrations[task], "9" * 1000) is None


def test_explaining_and_thinking_leave_the_question_in_place(packed):
    _, answerers, _ = packed
    # Of two choices the likelier one has more than half; a free answer has all other texts beside it.
    for task, question, answer, least in (
        ("toy", "Which is larger, 61 or 27?", "A", 0.5),
        ("toy-digits", "Last digits of 61 and 27?", "17", 0),
    ):
        answerer = answerers[task]
        first = answerer.ask(question)
        thought = answerer.think()
        said = answerer.explain(answer)
        assert said.leads_to == answer and least < said.strength <= 1
        assert answerer.explain(answer) == said
        assert answerer.think().rationale == thought.rationale
        again = answerer.ask(question)
        assert np.allclose(first.values, again.values) if task == "toy" else first == again


def test_reference_logits_are_of_this_model(work):
    reference = json.loads(work.reference.read_text("utf-8"))
    digest = hashlib.sha256(work.model.read_bytes()).hexdigest()
    assert {(prompt["task"], prompt["model_sha256"]) for prompt in reference["prompts"]} == {
        ("toy", digest),
        ("toy-digits", digest),
    }
    for prompt in reference["prompts"]:
        assert prompt["question"].startswith(f"{prompt['task']}: ")
        assert len(prompt["runs"][0]["tokens"]) > 1 and all(len(run["tokens"]) == 1 for run in prompt["runs"][1:])


def test_of_many_golden_questions_some_are_asked_from_all_over():
    assert bundle._spread(list(range(26)), 12) == [0, 2, 4, 6, 8, 10, 13, 15, 17, 19, 21, 23]
    assert bundle._spread(list(range(5)), 12) == [0, 1, 2, 3, 4]


def test_a_golden_question_must_come_out_as_taught(packed):
    manifest, answerers, _ = packed
    fitted = {task["id"]: task["calibration"] for task in manifest["tasks"]}
    for task, question, wrong in (
        (TASK, "Which is larger, 90 or 10?", "B"),
        (DIGITS, "Last digits of 90 and 13?", "30"),
    ):
        asked = Pair(task=task.id, question=question, answer=wrong)

        class Lying(type(task)):
            def golden(self, seed, asked=asked):
                return [iter([asked])]

        lying = Lying(**vars(task))
        honest = answerers[task.id]
        with pytest.raises(
            bundle.PackError, match=f"golden question 1, of {task.id}, is never answered as the teacher says"
        ):
            list(bundle.golden_lines([Answerer(honest.decoder, honest.encoder, lying)], fitted))


def test_a_task_that_promises_nothing_has_golden_questions_that_go_to_a_person(packed):
    manifest, answerers, _ = packed
    fitted = {
        task["id"]: task["calibration"]
        | {way: task["calibration"][way] | {"threshold": NEVER} for way in ("first", "think")}
        for task in manifest["tasks"]
    }
    lines = list(bundle.golden_lines([answerers["toy-digits"]], fitted))
    assert len(lines) == 2 and {line["decision"] for line in lines} == {"escalated"}


def test_a_run_resumes_where_it_stopped(work):
    before = (work.folder / "curve.jsonl").read_text()
    assert __main__.main(["train", "--recipe", "toy", "--work", str(work.folder)]) == 0
    assert (work.folder / "curve.jsonl").read_text() == before


def test_a_step_that_ran_before_a_task_was_added_is_to_run_again(work, capsys):
    (work.folder / "early").mkdir()
    (work.folder / "early" / "calibration.json").write_text('{"toy": {}}')
    assert __main__.main(["evaluate", "--recipe", "toy", "--work", str(work.folder / "early")]) == 1
    assert "holds nothing that `calibrate` found of toy-digits: run it again" in capsys.readouterr().err


def test_a_step_too_early_says_so(tmp_path, capsys):
    assert __main__.main(["pack", "--recipe", "toy", "--work", str(tmp_path)]) == 1
    assert "calibration.json is missing; has the step before it run?" in capsys.readouterr().err


def test_other_questions_are_read_by_their_field(tmp_path):
    path = tmp_path / "alarms.jsonl"
    path.write_text('{"ja": {"description": "油圧低下"}}\n', "utf-8")
    assert evaluate._questions(f"{path}:ja.description") == ["油圧低下"]
