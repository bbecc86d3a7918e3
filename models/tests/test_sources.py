"""The digest of a teacher's sources: nothing that a task's module loads is missing from it."""

import subprocess
import sys
from pathlib import Path

import pytest

from sokutou_train import sources
from sokutou_train.recipes import RECIPES
from sokutou_train.teachers import toy
from sokutou_train.teachers.word_problems.task import TASK as WORD_PROBLEMS

TASKS = {task.id: task for recipe in RECIPES.values() for task in recipe.tasks}
LOADED = """
import importlib, sys
importlib.import_module(sys.argv[1])
for name, module in sys.modules.items():
    if name.partition(".")[0] == "sokutou_train":
        print(module.__file__)
"""


def names(task):
    return [path.relative_to(sources.PACKAGE).as_posix() for path in sources.files(task)]


@pytest.mark.parametrize("module", sorted({type(task).__module__ for task in TASKS.values()}))
def test_every_module_that_a_task_loads_is_in_its_digest(module):
    """As Python loads them, in a process that has loaded nothing else."""
    command = [sys.executable, "-c", LOADED, module]
    done = subprocess.run(command, cwd=sources.PACKAGE.parent, capture_output=True, text=True, check=True)
    loaded = {Path(line) for line in done.stdout.split()}
    own = [task for task in TASKS.values() if type(task).__module__ == module]
    assert own and len(loaded) > 5
    for task in own:
        assert loaded <= set(sources.files(task))


def test_what_draws_and_what_is_read_is_in_it():
    assert {"calculator.py", "teachers/generator.py", "teachers/probing.py", "teachers/word_problems/task.py"} < {
        *names(WORD_PROBLEMS)
    }
    assert {"teachers/word_problems/stories_en.txt", "teachers/word_problems/stories_ja.txt"} < {*names(WORD_PROBLEMS)}
    assert names(toy.TASK) == sorted(names(toy.TASK)) and "recipes.py" not in names(toy.TASK)


def test_the_digest_changes_with_any_of_its_files(tmp_path, monkeypatch):
    before = sources.digest(WORD_PROBLEMS)
    assert before == sources.digest(WORD_PROBLEMS) != sources.digest(toy.TASK)
    for changed in sources.files(WORD_PROBLEMS):
        read = Path.read_bytes
        monkeypatch.setattr(Path, "read_bytes", lambda path, c=changed, read=read: read(path) + b"#" * (path == c))
        assert sources.digest(WORD_PROBLEMS) != before
        monkeypatch.undo()


@pytest.mark.parametrize(
    "said",
    [
        "from . import two",
        "from .two import A",
        "from ..teachers.two import A",
        "from ..teachers import two",
        "import sokutou_train.teachers.two",
        "from sokutou_train.teachers import two",
        "from sokutou_train.teachers.two import A",
        "def late():\n    from .two import A",
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from . import two",
    ],
)
def test_an_import_is_found_however_it_is_written(tmp_path, monkeypatch, said):
    package = tmp_path / "sokutou_train"
    (package / "teachers").mkdir(parents=True)
    for name in ("__init__.py", "teachers/__init__.py", "teachers/two.py", "teachers/three.py", "teachers/one.py"):
        (package / name).write_text("")
    monkeypatch.setattr(sources, "PACKAGE", package)
    (package / "teachers" / "two.py").write_text("import json\nfrom . import three\n")
    (package / "teachers" / "one.py").write_text(said)
    found = {path.relative_to(package).as_posix() for path in sources.imported("teachers.one")}
    assert found == {"__init__.py", *(f"teachers/{name}.py" for name in ("__init__", "one", "two", "three"))}


def test_a_task_of_another_package_is_refused():
    class Elsewhere(toy.Digits):
        pass

    with pytest.raises(ValueError, match="task toy-digits is of .*test_sources, which is not in sokutou_train"):
        sources.files(Elsewhere(**vars(toy.DIGITS)))
