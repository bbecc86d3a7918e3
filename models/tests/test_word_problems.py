"""Word problems: their reckoning done again by other means, their stories, and that what is held out never trains."""

import itertools
import random
import re
from collections import Counter
from fractions import Fraction

import pytest

from sokutou_train import held_out, pair_files
from sokutou_train.pair import LANGUAGES, Pair
from sokutou_train.teachers.catalogue import GENERATORS
from sokutou_train.teachers.word_problems import reckoning, telling
from sokutou_train.teachers.word_problems import task as word_problems
from sokutou_train.teachers.word_problems.reckoning import Reckoning
from sokutou_train.teachers.word_problems.task import TASK
from sokutou_train.teachers.word_problems.telling import STORIES, Story

COUNT = 4000


@pytest.fixture(scope="module")
def pairs():
    return list(itertools.islice(TASK.stream("again"), COUNT))


def reckoned(step):
    left, sign, right = re.fullmatch(r"([0-9.]+)([-+*/])([0-9.]+)", step).groups()
    one, other = Fraction(left), Fraction(right)
    return {"+": one + other, "-": one - other, "*": one * other, "/": one / other if sign == "/" else None}[sign]


def test_the_answer_is_what_the_equations_come_to(pairs):
    for pair in pairs:
        equations = re.findall(r"([0-9.]+[-+*/][0-9.]+)=([0-9.]*[0-9])", pair.rationale)
        assert equations and all(reckoned(step) == Fraction(result) > 0 for step, result in equations), pair.rationale
        assert Fraction(equations[-1][1]) == Fraction(pair.answer)
        assert re.fullmatch(r"\d+(\.\d{0,5}[1-9])?", pair.answer), pair.answer
        assert len(equations) == pair.kind.count("-") + 1 and (
            pair.difficulty == 3 or len(equations) == pair.difficulty
        )
        assert -1 <= pair.margins[0] <= 1


def test_every_number_reckoned_with_stands_in_the_question(pairs):
    """But a constant of the story, as the cents of a dime; numbers in words are looked up."""
    for pair in pairs:
        words = telling.words_en.SPELLED if pair.lang == "en" else telling.words_ja.SPELLED
        said = set(re.findall(r"\d+(?:\.\d+)?", pair.question))
        said |= {str(number) for number, word in enumerate(words) if word in pair.question.lower()}
        assert set(pair.reading.numbers.values()) <= said, pair.question
        used = {pair.reading.numbers[name] for name in reckoning.names(pair.reading.expression)}
        spare = set(pair.reading.numbers) - reckoning.names(pair.reading.expression)
        assert bool(spare) == (pair.difficulty == 3) and used, pair.question


def test_no_slot_or_choice_is_left_open_and_both_languages_come(pairs):
    for pair in pairs:
        assert not re.search(r"[{}\[\]|#+~!]|  ", pair.question), pair.question
        assert not re.match("[a-z]", pair.question), pair.question
    assert Counter(pair.lang for pair in pairs)["ja"] == pytest.approx(COUNT / 2, rel=0.1)
    assert all(re.search("[ぁ-ん]", pair.question) for pair in pairs if pair.lang == "ja")
    assert not any(re.search("[ぁ-んァ-ヶ一-龠]", pair.question) for pair in pairs if pair.lang == "en")


def test_a_teachers_rationale_has_no_fault_and_a_changed_one_has(pairs):
    for pair in pairs[:500]:
        assert TASK.check_rationale(pair, pair.rationale) == []
        assert TASK.oracle(pair) == pair.answer
        changed = re.sub(r"(\d)(?=(>>)?[.。]$)", lambda digit: str((int(digit[1]) + 1) % 10), pair.rationale)
        assert TASK.check_rationale(pair, changed), changed
    assert TASK.check_rationale(pairs[0], "It is so.") == ["nothing is reckoned"]


def test_a_rationale_that_reckons_with_other_numbers_has_a_fault():
    pair = Pair(task="word_problems", question="", answer="26", reading=Reckoning("a-b", {"a": "54", "b": "28"}))
    assert TASK.check_rationale(pair, "54, 28. Difference: <<54-28=26>>.") == []
    assert TASK.check_rationale(pair, "20, 6. Sum: <<20+6=26>>.") == ["reckoned ['20+6'], expected ['54-28']"]


def test_held_out_stories_never_train_and_every_test_of_held_out_wording_is_one(monkeypatch):
    told = []
    tell = telling.tell
    monkeypatch.setattr(telling, "tell", lambda rng, story, aside: told.append(story) or tell(rng, story, aside))
    trained_on = list(itertools.islice(TASK.stream("held out"), COUNT))
    assert len(told) > COUNT and not any(story.held_out for story in told)
    trained = {story for story in STORIES if not story.held_out}
    assert len(set(told)) > 0.95 * len(trained)
    told.clear()
    tests = TASK.tests("held out", 300)
    assert [len(pairs) for pairs in tests.values()] == [300, 300]
    own = [story.held_out for story in told].index(True)
    assert not any(story.held_out for story in told[:own]) and all(story.held_out for story in told[own:])
    assert all(held_out.tested(pair) for pairs in tests.values() for pair in pairs) and not any(
        map(held_out.tested, trained_on)
    )
    assert {(pair.lang, pair.difficulty) for pair in tests["generated, held-out wording"]} == set(
        itertools.product(LANGUAGES, word_problems.DIFFICULTIES)
    )


@pytest.mark.parametrize("lang", LANGUAGES)
def test_the_common_kinds_have_stories_to_train_and_to_hold_out(lang):
    kinds = {held: {s.kind for s in STORIES if s.lang == lang and s.held_out == held} for held in (False, True)}
    assert (
        {
            "add",
            "subtract",
            "multiply",
            "divide",
            "add-add",
            "add-subtract",
            "subtract-add",
            "add-divide",
            "subtract-divide",
            "add-multiply",
            "subtract-multiply",
            "multiply-add",
            "multiply-subtract",
        }
        <= kinds[True]
        <= kinds[False]
    )


def test_stories_told_by_hand():
    """Numbers that a person reckoned."""
    for expression, numbers, steps in (
        ("(a+b)/c", {"a": "23", "b": "33", "c": "8"}, [("23+33", "56"), ("56/8", "7")]),
        ("a-(b+c)", {"a": "20", "b": "9.24", "c": "8.25"}, [("9.24+8.25", "17.49"), ("20-17.49", "2.51")]),
        ("a+(a-b)", {"a": "9", "b": "3"}, [("9-3", "6"), ("9+6", "15")]),
        ("a-b*c", {"a": "50", "b": "3", "c": "12"}, [("3*12", "36"), ("50-36", "14")]),
        ("a*12", {"a": "3"}, [("3*12", "36")]),
    ):
        assert Reckoning(expression, numbers).steps == steps
    assert reckoning.kind("a-b*c") == "multiply-subtract"


def test_rationales_of_tenths_are_marked_and_finer_ones_are_not():
    assert (
        word_problems.rationale(Reckoning("a-b", {"a": "54", "b": "28"}), "en") == "54, 28. Difference: <<54-28=26>>."
    )
    assert (
        word_problems.rationale(Reckoning("a+b", {"a": "0.25", "b": "0.5"}), "en") == "0.25, 0.5. Sum: 0.25+0.5=0.75."
    )
    assert word_problems.rationale(Reckoning("a*b", {"a": "5", "b": "5"}), "en") == "5, 5. Product: <<5*5=25>>."
    twice = word_problems.rationale(Reckoning("a+(a-b)", {"a": "9", "b": "3"}), "en")
    assert twice == "9, 3. Difference: <<9-3=6>>. Sum: <<9+6=15>>."
    japanese = word_problems.rationale(Reckoning("a*b-c", {"a": "3", "b": "8", "c": "5"}), "ja")
    assert japanese == "3、8、5。積：<<3*8=24>>。差：<<24-5=19>>。"


def test_a_linked_choice_falls_alike_all_over_a_story():
    story = Story(
        "en", "a-b", "{N} [#ate|sold|lost] {b} of {a} {o}. How many did {he} not [#eat|sell|lose]?", False, False
    )
    told = [telling.tell(random.Random(seed), story, aside=False)[0] for seed in range(60)]
    verbs = {
        (past, now)
        for text in told
        for past, now in [re.search(r" (ate|sold|lost) .* (eat|sell|lose) ?\?", text).groups()]
    }
    assert verbs == {("ate", "eat"), ("sold", "sell"), ("lost", "lose")}


def test_nouns():
    nouns = ("berries", "boxes", "baseball cards", "mice", "cookies", "glasses", "peaches", "cages")
    assert [telling.singular(noun) for noun in nouns] == [
        "berry",
        "box",
        "baseball card",
        "mouse",
        "cookie",
        "glass",
        "peach",
        "cage",
    ]
    nouns = ("shelf", "box", "bench", "table set")
    assert [telling.plural(noun) for noun in nouns] == ["shelves", "boxes", "benches", "table sets"]


def test_published_questions_are_asked_as_questions_of_this_task(tmp_path):
    for name in ("svamp", "addsub", "other"):
        pair_files.write(
            tmp_path / name / "test.jsonl", [Pair(id=f"{name}-1", task=name, question="1 and 1?", answer="2")]
        )
    read = TASK.real_data(tmp_path)
    assert {name: [(pair.task, pair.answer) for pair in pairs] for name, pairs in read.items()} == {
        "addsub": [("word_problems", "2")],
        "svamp": [("word_problems", "2")],
    }
    assert set(TASK.real_data(tmp_path / "other" / "test.jsonl")) == {"other"}
    assert not TASK.is_hard(read["svamp"][0]) and TASK.oracle(read["svamp"][0]) == "2"


def test_draws_are_made_by_their_seed():
    generator = GENERATORS["word_problems"]
    one, same, other = (list(itertools.islice(generator.pairs("word_problems", seed), 300)) for seed in (1, 1, 2))
    assert one == same and one != other
    golden = [next(pairs) for pairs in TASK.golden(1)]
    assert [(pair.lang, pair.difficulty) for pair in golden] == list(
        itertools.product(LANGUAGES, word_problems.DIFFICULTIES)
    )
