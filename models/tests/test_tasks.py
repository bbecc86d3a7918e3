"""What every task promises, asked of each: valid pairs, rules and checker at one with the teacher, tests kept out of
training, golden questions to choose from, and questions and rationales within the task's bounds."""

import dataclasses
import itertools
import re
from pathlib import Path

import pytest
from tokenizers import Tokenizer

from sokutou_train import pair_files
from sokutou_train.distil.sequences import Encoder
from sokutou_train.pair import LANGUAGES
from sokutou_train.teachers import symbolic_tasks
from sokutou_train.teachers.process_control.task import TASK as PROCESS_CONTROL
from sokutou_train.teachers.sensor_modes.task import TASK as SENSOR_MODES

TASKS = (PROCESS_CONTROL, SENSOR_MODES, *symbolic_tasks.TASKS)
COUNT = 300
STUDENT_LEN_MAX = 512  # tokens that a student of all tasks reads and writes
TOO_LONG_MAX = {"sensor-modes": 0.03}  # of the pairs: nobody knows how many tokens a name of any letters takes
TRAINED = 2000  # pairs among which a test question is looked for: some questions of few steps stand there several times

every_task = pytest.mark.parametrize("task", TASKS, ids=lambda task: task.id)


def drawn(task, seed="drawn", count=COUNT):
    return list(itertools.islice(task.stream(seed), count))


def taught(task):
    """The runtime reads questions itself where readings are declared, and decides which belong to a person."""
    return [text for text in task.texts if task.readings is None or task.is_answer(text)]


@pytest.fixture(scope="module")
def encoder():
    """The shipped student's."""
    [tokenizer] = (Path(__file__).parents[1] / "bundles").glob("*/tokenizer.json")
    return Encoder(Tokenizer.from_file(str(tokenizer)), {task.id for task in TASKS if not task.texts})


@every_task
def test_pairs_are_valid_and_rules_and_checker_are_at_one_with_their_teacher(task):
    pairs = drawn(task)
    for pair in pairs:
        assert pair.task == task.id
        assert pair.answer in (task.texts if task.texts else (pair.answer.strip(),)) and pair.answer
        assert pair.answer_text  # a letter is one of the pair's own
        assert task.oracle(pair) == pair.answer
        assert task.check_rationale(pair, pair.rationale) == [], pair.rationale
    assert {pair.lang for pair in pairs} == set(LANGUAGES)
    assert {pair.answer for pair in pairs} == set(taught(task) or [pair.answer for pair in pairs])
    assert 0 < sum(task.is_hard(pair) for pair in pairs) < len(pairs)


@pytest.mark.parametrize("task", [task for task in TASKS if task not in symbolic_tasks.TASKS], ids=lambda task: task.id)
def test_the_rules_are_asked_and_the_answer_is_not_believed(task):
    """Of the symbolic tasks the generated answer is all that the rules say."""
    pairs = drawn(task)
    assert all(task.oracle(dataclasses.replace(pair, answer="")) == pair.answer for pair in pairs)


@every_task
def test_the_checker_finds_what_is_wrong(task):
    """The rationale of another question, one without its last sentence, and one in another language."""
    pairs = drawn(task)
    for pair, other in itertools.pairwise(pairs):
        if other.rationale != pair.rationale:
            assert task.check_rationale(pair, other.rationale), (pair.rationale, other.rationale)
        cut = re.sub(r"(?<=[.。])[^.。]+[.。]$", "", pair.rationale)
        if cut != pair.rationale:
            assert task.check_rationale(pair, cut), cut


def test_the_first_sentence_that_differs_is_named():
    pair = next(pair for pair in drawn(symbolic_tasks.COIN_FLIP) if pair.lang == "en" and pair.difficulty == 3)
    first, second, *rest = re.split(r"(?<=\.) ", pair.rationale)
    turned = second.replace("heads", "?").replace("tails", "heads").replace("?", "tails")
    assert symbolic_tasks.COIN_FLIP.check_rationale(pair, " ".join([first, turned, *rest])) == [
        f"sentence 2 said as {turned!r}, expected {second!r}"
    ]
    assert symbolic_tasks.COIN_FLIP.check_rationale(dataclasses.replace(pair, rationale=None), first) is None


@every_task
def test_answers_begin_with_tokens_of_their_own(task, encoder):
    tokens = [encoder.text(text) for text in task.texts]
    assert all(len(of) == 1 for of in tokens)
    assert len({of[0] for of in tokens}) == len(tokens)
    choices = getattr(task.answers, "choices", ())
    assert len({choice.code for choice in choices}) == len(tokens)
    assert all(set(choice.label) == set(LANGUAGES) for choice in choices)


@every_task
def test_questions_rationales_and_answers_keep_within_the_bounds_and_fit_the_student(task, encoder):
    pairs = [*drawn(task, "bounds", 1000), *(pair for suite in task.tests("bounds", 60).values() for pair in suite)]
    long = [
        pair
        for pair in pairs
        if len(encoder.text(pair.prompt)) > task.question_tokens_max
        or len(encoder.text(pair.rationale)) > task.rationale_tokens_max
    ]
    assert len(long) <= TOO_LONG_MAX.get(task.id, 0) * len(pairs)
    assert all(len(encoder.answer(pair)) <= task.answers.tokens_max for pair in pairs)
    control = 3  # <|think|>, <|answer|>, <|end|>
    bounds = task.question_tokens_max + task.rationale_tokens_max + task.answers.tokens_max
    assert bounds + control <= STUDENT_LEN_MAX


@every_task
def test_no_test_question_is_trained_on(task):
    trained = {pair_files.bare(pair.question) for pair in drawn(task, "same", TRAINED)}
    for suite in task.tests("same", 60).values():
        assert trained.isdisjoint(pair_files.bare(pair.question) for pair in suite)


@every_task
def test_tests_are_made_by_their_seed_in_both_languages(task):
    one, same, other = (task.tests(seed, 30) for seed in (1, 1, 2))
    assert one == same and one != other
    for pairs in one.values():
        assert len(pairs) in (30, 10)
        assert {pair.lang for pair in pairs} == set(LANGUAGES)
        assert all(pair.task == task.id and task.oracle(pair) == pair.answer for pair in pairs)


def test_the_suites_are_what_their_names_say():
    suites = PROCESS_CONTROL.tests("named", 60)
    assert all(PROCESS_CONTROL.is_hard(pair) for pair in suites["generated, near an edge"])
    for name in ("in scope", "near an edge"):
        assert {pair.answer for pair in suites[f"generated, {name}"]} == {"OK", "LIM", "RUN", "TRD", "TWO"}


@every_task
def test_golden_questions_cover_the_answers_in_both_languages_and_have_a_kind(task):
    pairs = [next(candidates) for candidates in task.golden("golden")]
    assert {pair.lang for pair in pairs} == set(LANGUAGES)
    assert {(pair.lang, pair.answer) for pair in pairs} >= set(itertools.product(LANGUAGES, taught(task)))
    assert all(pair.kind and pair.task == task.id for pair in pairs)


def test_published_pairs_take_the_name_of_their_task(tmp_path):
    path = tmp_path / "shuffled" / "test.jsonl"
    asked = dataclasses.replace(
        drawn(symbolic_tasks.SHUFFLED_OBJECTS)[0], task="tracking_shuffled_objects", rationale=None
    )
    pair_files.write(path, [asked])
    ((name, [pair]),) = symbolic_tasks.SHUFFLED_OBJECTS.real_data(path).items()
    assert (
        name == "published, shuffled" and pair.prompt.startswith("shuffled_objects: ") and pair.answer == asked.answer
    )


def test_a_folder_without_one_rule_base_is_refused(tmp_path):
    for name in ("a.json", "b.json"):
        (tmp_path / name).write_text("[]")
    with pytest.raises(ValueError, match="expected a folder with one .json file, got 2"):
        SENSOR_MODES.real_data(tmp_path)
