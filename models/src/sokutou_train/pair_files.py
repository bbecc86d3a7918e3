"""One format for what a teacher says, whoever the teacher is: a file of JSON lines, each a question with answer and
rationale.

Reads files whole or not at all: every bad line is named with its number and what is wrong. Says what they hold, and
which of their questions a test set holds too. Judges no reasoning, and changes no text.

    id          names the pair; all before the last hyphen names the question, which may have several rationales
    task        which task the question is of
    question    as a person asks it, without the choices
    choices     optional: texts of the choices, A first, where every question brings its own
    answer      what is right: a letter where there are choices
    rationale   optional: the teacher's reasons
    teacher     optional: who said so
    weight      optional: how much the pair counts in training, above 0; 1 where it is left out
    difficulty  optional: steps that reasoning takes, from 1, where a program can tell
    lang        optional: "en" or "ja", the language of question and rationale; "en" where it is left out
    kind        optional: which wording of the question, or why it belongs to a person
"""

from __future__ import annotations

import itertools
import json
import math
import statistics
import string
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, TypeVar

from . import disk
from .pair import LANGUAGES, Pair

LINE_BYTES_MAX = 1 << 20  # the longest teacher pair known to us has 6 kB; a longer line is no pair but a broken file
ERRORS_MAX = 20  # bad lines named before reading stops: enough to see a pattern
CHOICES_MAX = len(string.ascii_uppercase)


KEYS = tuple(field.name for field in fields(Pair) if field.metadata.get("file", True))
REQUIRED = ("id", "task", "question", "answer")
REVIEW_KEY = (
    "verdict"  # a key that only reviews have: what they call the answer is what the student said, right or wrong
)

Read = TypeVar("Read")


class PairsError(ValueError):
    """A file holds lines that are not what they should be, teacher pairs or reviews."""


@dataclass(frozen=True)
class Pairs:
    """What files hold, each read whole."""

    pairs: list[Pair]
    ignored: Counter[str]  # keys that the format does not know, and on how many lines they stand


def read(*paths: Path) -> Pairs:
    """Every pair of the files. Raises `PairsError` that names each bad line, up to `ERRORS_MAX` of them."""
    return _read(paths, REQUIRED)


def read_questions(*paths: Path) -> Pairs:
    """As `read`, for files that need not say the answers: where a line says none, it is ""."""
    return _read(paths, tuple(key for key in REQUIRED if key != "answer"))


def _read(paths: Iterable[Path], required: tuple[str, ...]) -> Pairs:
    ignored: Counter[str] = Counter()

    def parse(value: dict[str, Any]) -> tuple[str, Pair]:
        if REVIEW_KEY in value:
            raise ValueError(
                "this is a review, and what it calls the answer may be wrong; `models/run reviews` makes pairs of "
                "reviews"
            )
        pair = parsed(value, required)
        ignored.update(key for key in value if key not in KEYS)
        return pair.id, pair

    return Pairs(read_lines(paths, parse), ignored)


def read_lines(paths: Iterable[Path], parse: Callable[[dict[str, Any]], tuple[str, Read]]) -> list[Read]:
    """What `parse` makes of every line's object, beside the id that no other line may have; it raises `ValueError`
    where it can make nothing. Raises `PairsError` as `read` does."""
    found: list[Read] = []
    errors: list[str] = []
    places: dict[str, str] = {}  # of each id
    for path in paths:
        before = len(found) + len(errors)
        for number, line in _lines(path):
            place = f"{path}:{number}"
            try:
                name, item = parse(_object(line))
                if (first := places.setdefault(name, place)) != place:
                    raise ValueError(f"id {name!r} stands at {first} already")
            except ValueError as err:
                errors.append(f"{place}: {err}")
                if len(errors) == ERRORS_MAX:
                    raise PairsError("\n".join([*errors, f"reading stopped after {ERRORS_MAX} bad lines"])) from None
                continue
            found.append(item)
        if len(found) + len(errors) == before:
            errors.append(f"{path}: expected one JSON object a line, the file has none")
    if errors:
        raise PairsError("\n".join(errors))
    return found


def write(path: Path, pairs: Iterable[Pair]) -> int:
    """Writes a file anew, whole or not at all, and its folder if need be; returns how many pairs it holds."""
    count = 0
    path.parent.mkdir(parents=True, exist_ok=True)
    with disk.whole(path) as new, new.open("w", encoding="utf-8") as file:
        for pair in pairs:
            count += 1
            said = {key: value for key in KEYS if (value := getattr(pair, key)) not in (None, "")}
            file.write(json.dumps(said, ensure_ascii=False) + "\n")
    return count


def summary(read: Pairs) -> str:
    """What the files hold, task by task, as a table for people."""
    by_task: dict[str, list[Pair]] = defaultdict(list)
    for pair in read.pairs:
        by_task[pair.task].append(pair)
    lines = ["task                          pairs  questions  rationales  characters  commonest answer  teachers"]
    for task, pairs in sorted(by_task.items()):
        lengths = [len(pair.rationale) for pair in pairs if pair.rationale]
        answer, times = Counter(pair.answer for pair in pairs).most_common(1)[0]
        teachers = ", ".join(sorted({pair.teacher for pair in pairs if pair.teacher})) or "-"
        lines.append(
            f"{task:28} {len(pairs):6} {len({pair.asked for pair in pairs}):10} {len(lengths):11} "
            f"{statistics.median(lengths) if lengths else 0:11.0f} {f'{answer} {times / len(pairs):.1%}':>17}  "
            f"{teachers}"
        )
    if read.ignored:
        lines.append(
            "ignored keys: " + ", ".join(f"{key} ({count} lines)" for key, count in read.ignored.most_common())
        )
    return "\n".join(lines)


def overlaps(train: Iterable[Pair], test: Iterable[Pair]) -> list[tuple[str, str]]:
    """Ids of training pairs whose question is a test question of any task, each with the test question's id. Two
    questions are the same if their letters and digits are, whatever case, width, spaces and signs they are written
    in."""
    tests = {bare(pair.question): pair.id for pair in test}
    return [(pair.id, tests[asked]) for pair in train if (asked := bare(pair.question)) in tests]


def bare(text: str) -> str:
    """A text's letters and digits, whatever case and width they are written in."""
    return "".join(c for c in unicodedata.normalize("NFKC", text).casefold() if c.isalnum())


def _lines(path: Path) -> Iterator[tuple[int, bytes]]:
    """Numbered lines that are not blank. One that is too long is cut, and `_object` refuses it by its length."""
    with path.open("rb") as file:
        for number in itertools.count(1):
            line = rest = file.readline(LINE_BYTES_MAX + 1)
            if not line:
                return
            while len(rest) > LINE_BYTES_MAX and not rest.endswith(b"\n"):
                rest = file.readline(LINE_BYTES_MAX + 1)
            if line.strip():
                yield number, line


def _object(line: bytes) -> dict[str, Any]:
    """The JSON object of a line. Raises `ValueError` that says what is wrong."""
    if len(line) > LINE_BYTES_MAX:
        raise ValueError(f"expected a line of at most {LINE_BYTES_MAX} bytes")
    try:
        value = json.loads(line.decode("utf-8-sig"))
    except UnicodeDecodeError as err:
        raise ValueError(f"expected UTF-8, byte {err.start} of the line cannot be read") from err
    except RecursionError as err:
        raise ValueError("expected a flat JSON object") from err
    except json.JSONDecodeError as err:
        raise ValueError(f"expected a JSON object: {err.msg} at column {err.colno}") from err
    if not isinstance(value, dict):
        raise ValueError(f"expected a JSON object, got {type(value).__name__}")
    if any("\ud800" <= c <= "\udfff" for c in json.dumps(value, ensure_ascii=False)):
        raise ValueError("expected text, got half a surrogate pair (\\ud800 to \\udfff)")
    return value


def parsed(value: dict[str, Any], required: tuple[str, ...] = REQUIRED) -> Pair:
    """The pair of an object, whatever other keys it has. Raises `ValueError` that says what is wrong."""
    said = {key: value[key] for key in KEYS if value.get(key) is not None}  # null says as much as nothing
    for key in required:
        if key not in said:
            raise ValueError(f"expected the key {key!r}, it is missing")
    for key in ("id", "task", "question", "answer", "rationale", "teacher", "kind"):
        if key in said and not (isinstance(said[key], str) and said[key].strip()):
            raise ValueError(f"expected {key!r} to be a text that is not empty, got {said[key]!r:.60}")
    if "choices" in said:
        said["choices"] = _choices(said["choices"], said.get("answer"))
    if said.get("lang", "en") not in LANGUAGES:
        raise ValueError(f"expected 'lang' to be one of {', '.join(LANGUAGES)}, got {said['lang']!r:.60}")
    weight, difficulty = said.get("weight", 1.0), said.get("difficulty", 1)
    if isinstance(weight, bool) or not isinstance(weight, int | float) or not (math.isfinite(weight) and weight > 0):
        raise ValueError(f"expected 'weight' to be a number above 0, got {weight!r:.60}")
    if isinstance(difficulty, bool) or not isinstance(difficulty, int) or difficulty < 1:
        raise ValueError(f"expected 'difficulty' to be a whole number from 1, got {difficulty!r:.60}")
    return Pair(**{"answer": "", **said})


def _choices(choices: object, answer: str | None) -> tuple[str, ...]:
    if not (
        isinstance(choices, list)
        and 2 <= len(choices) <= CHOICES_MAX
        and all(isinstance(c, str) and c for c in choices)
    ):
        raise ValueError(f"expected 'choices' to be 2 to {CHOICES_MAX} texts, got {choices!r:.60}")
    letters = string.ascii_uppercase[: len(choices)]
    if answer is not None and answer not in list(letters):
        raise ValueError(f"expected 'answer' to be a letter from A to {letters[-1]}, got {answer!r:.60}")
    return tuple(choices)
