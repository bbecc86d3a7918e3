"""What makes a teacher's pairs: the files of the package that its task's module imports, found by reading them, and the
data files that lie beside these. Whoever changes one of them makes another student, and its bundle says so.

Runs nothing of what it reads.
"""

from __future__ import annotations

import ast
import functools
import hashlib
from collections.abc import Iterator
from pathlib import Path

from .task import Task

PACKAGE = Path(__file__).parent
DATA = (".json", ".txt")


def digest(task: Task) -> str:
    """SHA-256 of the names and contents of the task's files."""
    sums = hashlib.sha256()
    for path in files(task):
        content = hashlib.sha256(path.read_bytes()).hexdigest()
        sums.update(f"{path.relative_to(PACKAGE).as_posix()} {content}\n".encode())
    return sums.hexdigest()


def files(task: Task) -> list[Path]:
    """In the order of their names. Raises `ValueError` at a task that the package does not hold."""
    package, _, module = type(task).__module__.partition(".")
    if package != PACKAGE.name:
        raise ValueError(f"task {task.id} is of {type(task).__module__}, which is not in {PACKAGE.name}")
    reached = imported(module)
    folders = {path.parent for path in reached} - {PACKAGE}
    data = {path for folder in folders for path in folder.iterdir() if path.suffix in DATA}
    return sorted(reached | data)


def imported(module: str) -> set[Path]:
    """The files of a module, named without the package, and of all that it imports of the package, and so on."""
    found: set[Path] = set()
    left = _files_of(module)
    while left:
        path = left.pop()
        if path not in found:
            found.add(path)
            left |= imports(path)
    return found


@functools.cache
def imports(path: Path) -> frozenset[Path]:
    """The files of the package that the module in `path` imports itself, wherever in it the import stands."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return frozenset(file for node in ast.walk(tree) for name in _named(node, path) for file in _files_of(name))


def _named(node: ast.AST, path: Path) -> Iterator[str]:
    """The modules that an import may mean, named without the package: `from a import b` means `a` and maybe `a.b`."""
    if isinstance(node, ast.Import):
        own = [alias.name.partition(".") for alias in node.names]
        yield from (rest for package, _, rest in own if package == PACKAGE.name)
    elif isinstance(node, ast.ImportFrom):
        if node.level:
            inside = path.relative_to(PACKAGE).parent.parts
            start = [*inside[: len(inside) + 1 - node.level], *(node.module or "").split(".")]
        else:
            package, *start = (node.module or "").split(".")
            if package != PACKAGE.name:
                return
        base = ".".join(part for part in start if part)
        yield base
        yield from (f"{base}.{alias.name}".lstrip(".") for alias in node.names)


def _files_of(module: str) -> set[Path]:
    """Of a module and of the packages that hold it, which are loaded with it; none where the name is no module's."""
    path = PACKAGE.joinpath(*module.split("."))
    own = next((file for file in (path.with_suffix(".py"), path / "__init__.py") if file.is_file()), None)
    if own is None:
        return set()
    holding = {parent / "__init__.py" for parent in own.parents if PACKAGE in (parent, *parent.parents)}
    return {own} | {file for file in holding if file.is_file()}
