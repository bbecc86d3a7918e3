"""What the teachers draw stays as it is, so that the shipped student's training can be repeated: digests are kept of
the first pairs of each task, as the first step of a training draws them. A change that is meant makes another student,
and new digests here."""

import dataclasses
import hashlib
import itertools
import json
from pathlib import Path

import pytest

from sokutou_train.recipes import DEFAULT, RECIPES
from sokutou_train.teachers import reading

KEPT = json.loads((Path(__file__).parents[2] / "tests" / "data" / "teacher_pairs.json").read_text("utf-8"))
SEED = f"{DEFAULT.plan.seed}-0"
TASKS = {task.id: task for recipe in RECIPES.values() for task in recipe.tasks}


def digest(pairs):
    """Of all that a training reads of so many pairs; what the rules saw is theirs alone."""
    sums = hashlib.sha256()
    for pair in itertools.islice(pairs, KEPT["pairs"]):
        said = dataclasses.asdict(dataclasses.replace(pair, reading=None))
        sums.update(json.dumps(said, ensure_ascii=False, sort_keys=True).encode() + b"\n")
    return sums.hexdigest()


def test_every_task_is_kept():
    assert set(KEPT["tasks"]) == set(TASKS)


@pytest.mark.parametrize("task", TASKS)
def test_a_task_draws_what_it_drew(task):
    assert digest(TASKS[task].stream(SEED)) == KEPT["tasks"][task]


def test_the_shipped_recipe_mixes_and_repeats_as_it_did():
    drawn = {
        "recipe": digest(DEFAULT.stream(SEED)),
        "reading": digest(reading.pairs(DEFAULT.stream(SEED), SEED)),
    }
    assert drawn == {name: KEPT[name] for name in drawn}
