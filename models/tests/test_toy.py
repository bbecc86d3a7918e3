"""The whole way on the toy task, as the command line walks it: distil, export, calibrate, evaluate, pack."""

import dataclasses
import hashlib
import json

import pytest
from tokenizers import Tokenizer

from workshop import __main__, steps
from workshop.ship import bundle, calibrate, evaluate
from workshop.ship.decode import Answerer, ThinkingFailed, decide
from workshop.pair import Pair
from workshop.tasks import TASKS

TASK = TASKS["toy"]


@pytest.fixture(scope="module")
def work(tmp_path_factory):
    folder = tmp_path_factory.mktemp("toy")
    assert __main__.main(["distil", "--task", "toy", "--work", str(folder)]) == 0
    return steps.Work(TASK, folder, folder, folder / "reference_logits.json")


@pytest.fixture(scope="module")
def packed(work):
    """An answerer that has seen nothing but the bundle."""
    manifest = json.loads((work.bundle / "manifest.json").read_text("utf-8"))
    answerer = Answerer(work.bundle / "model.onnx", Tokenizer.from_file(str(work.bundle / "tokenizer.json")), TASK)
    return manifest, answerer, calibrate.calibration(manifest["tasks"][0]["calibration"])


def test_the_bundle_is_what_its_manifest_says(work, packed):
    manifest, answerer, _ = packed
    assert {path.name for path in work.bundle.iterdir()} == {"manifest.json", *manifest["files"]}
    assert all((work.folder / f"{name}.svg").read_text().startswith("<?xml") for name in ("loss", "reliability", "risk"))
    for name, said in manifest["files"].items():
        content = (work.bundle / name).read_bytes()
        assert (len(content), hashlib.sha256(content).hexdigest()) == (said["bytes"], said["sha256"])
    assert manifest["graph"]["vocabulary"] == answerer.encoder.tokenizer.get_vocab_size()


def test_the_packed_student_answers(packed):
    _, answerer, calibration = packed
    suites = TASK.tests("toy-end", 300)
    outcomes = [(pair, decide(answerer, calibration, pair.question)) for pairs in suites.values() for pair in pairs]
    right = sum(TASK.texts[outcome.choice] == pair.answer for pair, outcome in outcomes)
    assert right / len(outcomes) > 0.95
    assert not any(outcome.answered for pair, outcome in outcomes if pair.answer == "ASK" and TASK.texts[outcome.choice] == "ASK")


def test_golden_questions_come_out(work, packed):
    _, answerer, calibration = packed
    lines = [json.loads(line) for line in (work.bundle / "golden.jsonl").read_text("utf-8").splitlines()]
    assert len(lines) == len(TASK.golden("golden"))
    for line in lines:
        outcome = decide(answerer, calibration, line["question"])
        assert TASK.choices[outcome.choice].code == line["code"]
        assert (line["decision"] == "answered", line["mode"]) == (outcome.answered, outcome.mode)
        assert outcome.confidence == pytest.approx(line["confidence"], abs=1e-3)


def test_the_calculator_writes_the_numbers_of_a_thought(packed):
    _, answerer, _ = packed
    answerer.ask("Which is larger, 61 or 27?")
    text = answerer.encoder.tokenizer.decode(answerer.think().rationale)
    expression, result = text[text.index("<<") + 2 : text.index(">>")].split("=")
    assert str(eval(expression)) == result  # two integers and a minus


def test_a_malformed_expression_ends_the_thought(packed):
    _, answerer, _ = packed
    with pytest.raises(ThinkingFailed):
        answerer.writer._result(answerer.encoder.text("61--"))


def test_a_question_that_cannot_be_asked(packed):
    _, answerer, calibration = packed
    assert decide(answerer, calibration, "") is None
    assert decide(answerer, calibration, "9" * 1000) is None


def test_explaining_and_thinking_leave_the_question_in_place(packed):
    _, answerer, _ = packed
    first = answerer.ask("Which is larger, 61 or 27?")
    thought = answerer.think()
    said = answerer.explain(0)
    assert answerer.explain(0) == said
    assert answerer.think().rationale == thought.rationale
    assert answerer.ask("Which is larger, 61 or 27?") == pytest.approx(first)


def test_reference_logits_are_of_this_model(work):
    reference = json.loads(work.reference.read_text("utf-8"))
    assert reference["model_sha256"] == hashlib.sha256(work.model.read_bytes()).hexdigest()
    for prompt in reference["prompts"]:
        assert len(prompt["runs"][0]["tokens"]) > 1 and all(len(run["tokens"]) == 1 for run in prompt["runs"][1:])


def test_a_golden_question_must_come_out_as_taught(packed):
    _, answerer, calibration = packed
    lying = dataclasses.replace(TASK, golden=lambda seed: [iter([Pair(task="toy", question="Which is larger, 90 or 10?", answer="B")])])
    liar = Answerer.__new__(Answerer)
    liar.__dict__ = {**answerer.__dict__, "task": lying}
    with pytest.raises(bundle.PackError, match="golden question 1"):
        list(bundle.golden_lines(liar, calibration))


def test_a_run_resumes_where_it_stopped(work):
    before = (work.folder / "curve.jsonl").read_text()
    assert __main__.main(["train", "--task", "toy", "--work", str(work.folder)]) == 0
    assert (work.folder / "curve.jsonl").read_text() == before


def test_a_step_too_early_says_so(tmp_path, capsys):
    assert __main__.main(["pack", "--task", "toy", "--work", str(tmp_path)]) == 1
    assert "calibration.json is missing; has the step before it run?" in capsys.readouterr().err


def test_other_questions_are_read_by_their_field(tmp_path):
    path = tmp_path / "alarms.jsonl"
    path.write_text('{"ja": {"description": "油圧低下"}}\n', "utf-8")
    assert evaluate._questions(f"{path}:ja.description") == ["油圧低下"]
