"""The wheel: everything that the package needs lies in it, and its command works away from the checkout."""

import json
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

MODELS = Path(__file__).parents[1]
PACKAGE = MODELS / "src" / "sokutou_train"
IMPORT_ALL = """
import importlib, pkgutil, sokutou_train
names = [module.name for module in pkgutil.walk_packages(sokutou_train.__path__, "sokutou_train.")]
for name in names:
    importlib.import_module(name)
print(len(names))
"""


def pip(*arguments):
    done = subprocess.run(
        [sys.executable, "-m", "pip", "--disable-pip-version-check", *map(str, arguments)],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """Built from a copy, since the backend writes beside the sources; without network."""
    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "models"
    shutil.copytree(PACKAGE, source / "src" / "sokutou_train", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md"):
        shutil.copy(MODELS / name, source)
    pip("wheel", "--no-build-isolation", "--no-deps", "--no-index", "--wheel-dir", folder, source)
    [built] = folder.glob("sokutou_train-*.whl")
    return built


@pytest.fixture(scope="module")
def installed(wheel):
    target = wheel.parent / "installed"
    pip("install", "--no-deps", "--no-index", "--target", target, wheel)
    return target


def run(installed, cwd, *command):
    """Runs where no checkout is: neither the current directory nor the path leads to one."""
    return subprocess.run(
        [str(part) for part in command],
        cwd=cwd,
        env=os.environ | {"PYTHONPATH": str(installed)},
        capture_output=True,
        text=True,
    )


def test_every_file_of_the_package_is_in_the_wheel(wheel):
    files = {
        path.relative_to(PACKAGE.parent).as_posix()
        for path in PACKAGE.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    packed = {name for name in zipfile.ZipFile(wheel).namelist() if not name.startswith("sokutou_train-")}
    assert packed == files and any(not name.endswith(".py") for name in files)


def test_every_module_can_be_imported(installed, tmp_path):
    done = run(installed, tmp_path, sys.executable, "-c", IMPORT_ALL)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) == sum(1 for _ in PACKAGE.rglob("*.py")) - 1  # all but the package itself


def test_the_command_draws_pairs_of_a_teacher_that_reads_files(installed, tmp_path):
    done = run(
        installed,
        tmp_path,
        installed / "bin" / "sokutou-train",
        "generate",
        "word_problems",
        "--count",
        "3",
        "--out",
        "pairs.jsonl",
    )
    assert done.returncode == 0, done.stderr
    pairs = [json.loads(line) for line in (tmp_path / "pairs.jsonl").read_text("utf-8").splitlines()]
    assert len(pairs) == 3 and all(pair["rationale"] for pair in pairs)


def test_the_default_folder_lies_below_the_current_directory(installed, tmp_path):
    done = run(installed, tmp_path, installed / "bin" / "sokutou-train", "pack", "--recipe", "shop-floor")
    assert done.returncode == 1 and done.stderr.startswith(f"error: {Path('target/workshop/shop-floor')}/"), done.stderr


def test_the_command_says_its_own_name(installed, tmp_path):
    done = run(installed, tmp_path, installed / "bin" / "sokutou-train", "--help")
    assert done.stdout.startswith("usage: sokutou-train ")


def test_what_only_a_checkout_has_is_asked_for(installed, tmp_path):
    done = run(installed, tmp_path, sys.executable, "-m", "sokutou_train.peers")
    assert done.returncode == 1 and "--sokutou" in done.stderr, done.stderr
