"""What a student is taught: shares of its tasks, and nothing that cannot be taught."""

import dataclasses
import itertools
import pickle
from pathlib import Path

import pytest

from sokutou_train import bundle_files
from sokutou_train.distil import base
from sokutou_train.pair import Pair
from sokutou_train.recipe import Recipe, Sizes
from sokutou_train.recipes import DEFAULT, RECIPES, TOY
from sokutou_train.teachers import toy


def _taught(task, **changed):
    pair = dataclasses.replace(next(task.stream(1)), **changed)

    class Same(type(task)):
        def stream(self, seed):
            return itertools.repeat(pair)

    return next(Recipe("one", "0.0.1", 1, (Same(**vars(task)),), TOY.card).stream(1))


def test_pairs_are_drawn_by_the_shares_and_the_same_from_the_same_seed():
    pairs = list(itertools.islice(TOY.stream(1), 2000))
    digits = sum(pair.task == "toy-digits" for pair in pairs) / 2000
    assert digits == pytest.approx(TOY.shares[1], abs=0.04)
    assert pairs == list(itertools.islice(TOY.stream(1), 2000)) != list(itertools.islice(TOY.stream(2), 2000))


@pytest.mark.parametrize(
    ("task", "changed", "said"),
    [
        (toy.TASK, {"answer": ""}, "task toy: a pair without answer cannot be taught: .*[対larger?against大]"),
        (
            toy.DIGITS,
            {"answer": "", "rationale": None, "id": "x-1"},
            "a pair without answer and rationale cannot be taught: x-1",
        ),
        (toy.TASK, {"answer": "C"}, "task toy: expected one of A, B, ASK for an answer, got 'C'"),
    ],
)
def test_a_pair_that_teaches_nothing_is_refused(task, changed, said):
    with pytest.raises(ValueError, match=said):
        _taught(task, **changed)


def test_a_free_answer_may_be_anything():
    assert _taught(toy.DIGITS, answer="no such number").answer == "no such number"


def test_a_closed_answer_set_is_asked_for_where_there_is_none():
    with pytest.raises(ValueError, match="task toy-digits has free answers, and a closed answer set is needed here"):
        toy.DIGITS.index("17")


def test_only_a_choice_that_calls_nobody_is_an_answer():
    assert [toy.TASK.is_answer(text) for text in ("A", "ASK", "")] == [True, False, False]
    assert toy.DIGITS.is_answer("17") and not toy.DIGITS.is_answer("")


def test_sizes_are_the_tasks_own_where_it_has_some():
    recipe = dataclasses.replace(TOY, sizes=Sizes(gate=7), own_sizes={"toy-digits": Sizes(gate=9)})
    assert [recipe.sizes_of(task).gate for task in recipe.tasks] == [7, 9]


def test_what_does_not_fit_into_the_context_is_refused():
    recipe = dataclasses.replace(TOY, plan=dataclasses.replace(TOY.plan, max_len=86))
    recipe.check_fit()  # 40 + 40 + 4 + 2
    with pytest.raises(ValueError, match="task toy-digits: .* to fit into 85 tokens together, got 86"):
        dataclasses.replace(recipe, plan=dataclasses.replace(recipe.plan, max_len=85)).check_fit()


def test_the_recipes_can_be_trained_and_are_told_apart():
    assert DEFAULT.shipped and DEFAULT.id in RECIPES
    for recipe in RECIPES.values():
        recipe.check_fit()
        assert len({task.id for task in recipe.tasks}) == len(recipe.tasks)
        assert recipe.card.read_text("utf-8") and (not recipe.shares or len(recipe.shares) == len(recipe.tasks))
        assert recipe.own_sizes.keys() <= {task.id for task in recipe.tasks}
        start = recipe.plan.base
        assert start in (None, base.SMOLLM2, *RECIPES) or bundle_files.is_bundle(Path(start))


def test_the_prompt_of_a_pair_is_the_tasks_template_filled():
    pair = Pair(task="toy", question="Which?", choices=("one", "two"), answer="A")
    assert toy.TASK.template.replace("{question}", pair.text) == pair.prompt == "toy: Which?\nA: one\nB: two"


@pytest.mark.parametrize("recipe", RECIPES.values(), ids=lambda recipe: recipe.id)
def test_a_recipe_can_be_sent_to_another_process(recipe):
    sent = pickle.loads(pickle.dumps(recipe))
    assert sent == recipe and next(sent.stream("sent")) == next(recipe.stream("sent"))
