"""The list of recipes. To add a student: its `Recipe` and its card; a task of it: a module with its `TASK` in `teachers`. Holds
nothing else.
"""

from __future__ import annotations

from pathlib import Path

from .recipe import Recipe
from .teachers import toy
from .teachers.machine_failure import task as machine_failure

_TEACHERS = Path(__file__).parent / "teachers"

MACHINE_FAILURE = Recipe("machine-failure", version="0.2.0", serial=2, tasks=(machine_failure.TASK,),
                         card=_TEACHERS / "machine_failure" / "card.md")

DEFAULT = MACHINE_FAILURE  # the one that is shipped
RECIPES: dict[str, Recipe] = {recipe.id: recipe for recipe in (MACHINE_FAILURE, toy.RECIPE)}
