"""Which module may import which: no circles, and teachers know neither each other nor what trains on their pairs.
Imports inside functions and for type checkers alone count as well."""

import ast
import graphlib
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "src" / "sokutou_train"
BELOW_TEACHERS = {"calculator", "disk", "held_out", "pair", "pair_files", "readings", "sentences", "task"}
TEACHERS = [folder.name for folder in (PACKAGE / "teachers").iterdir() if (folder / "task.py").is_file()]


def modules(package):
    """By name without the package's, the path of each."""
    found = {}
    for path in package.rglob("*.py"):
        parts = path.relative_to(package).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def imported(package, name, known):
    """The modules that one imports. `from a import b` is the module `a.b` where there is one, else `a`."""
    path = known[name]
    inside = path.relative_to(package).parent.parts
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            wanted = [alias.name.split(".") for alias in node.names]
            yield from (".".join(rest) for first, *rest in wanted if first == package.name)
        elif isinstance(node, ast.ImportFrom):
            module = node.module.split(".") if node.module else []
            if node.level:
                start = [*inside[: len(inside) - node.level + 1], *module]
            elif module[0] == package.name:
                start = module[1:]
            else:
                continue
            for alias in node.names:
                inner = ".".join([*start, alias.name])
                yield inner if inner in known else ".".join(start)


def graph(package):
    known = modules(package)
    return {name: set(imported(package, name, known)) - {name} for name in known}


def circle(package):
    try:
        graphlib.TopologicalSorter(graph(package)).prepare()
    except graphlib.CycleError as err:
        return err.args[1]
    return None


def test_no_modules_import_each_other():
    assert circle(PACKAGE) is None


@pytest.mark.parametrize(
    "back",
    [
        "from . import one",
        "from .one import A",
        "import fake.one",
        "from fake.one import A",
        "def late():\n    from . import one",
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from .one import A",
        "from .inner import three",
    ],
)
def test_a_circle_is_found_however_it_is_closed(tmp_path, back):
    package = tmp_path / "fake"
    (package / "inner").mkdir(parents=True)
    for name in ("__init__.py", "inner/__init__.py"):
        (package / name).write_text("")
    (package / "one.py").write_text("from . import two\nA = 1\n")
    (package / "inner" / "three.py").write_text("from .. import one\n")
    (package / "two.py").write_text("")
    assert circle(package) is None
    (package / "two.py").write_text(back)
    assert {"one", "two"} <= set(circle(package))


def test_teachers_know_nothing_of_what_trains_on_their_pairs():
    own = {
        name: wanted - BELOW_TEACHERS
        for name, wanted in graph(PACKAGE).items()
        if name.startswith("teachers.") and not name.startswith("teachers.endpoint")
    }
    assert {name: wanted for name, wanted in own.items() if not all(w.startswith("teachers") for w in wanted)} == {}


@pytest.mark.parametrize("teacher", TEACHERS)
def test_no_teacher_imports_another(teacher):
    others = tuple(f"teachers.{other}" for other in TEACHERS if other != teacher)
    borrowed = {
        name: [other for other in wanted if other.startswith(others)]
        for name, wanted in graph(PACKAGE).items()
        if name.startswith(f"teachers.{teacher}")
    }
    assert borrowed and not any(borrowed.values()), borrowed
