"""Packs a student into the bundle folder that the runtime opens: graph, tokenizer, golden questions, card and manifest.
Format 4: a bundle holds several tasks, of closed answer sets and of free answers, and says of each which graph answers
it, what it reads, and for which groups of questions the risk is controlled by itself.

Measures nothing: calibration and evaluation are handed in as they were measured. A golden question enters only if the
reference decoder is confident in exactly what the rule teacher says.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from .. import bundle_files, calculator, disk, sources
from ..bundle_files import Calibrated, FileEntry, Manifest, ManifestTask, Origin
from ..distil.sequences import Encoder
from ..distil.student import Geometry
from ..distil.vocabulary import ANSWER, END, MARKS, THINK, WHY
from ..pair import Pair
from ..recipe import Recipe
from ..task import Task
from .calibrate import calibration
from .decode import NEVER, Answerer, Calibration, Outcome, decide

FORMAT = 4
MINIMUM_RUNTIME = "0.2.0"
BYTES_MAX = 40 << 20  # the repository's budget for the student it brings
HIGH, MEDIUM = 0.98, 0.8
GOLDEN_CONFIDENCE = 0.9  # far enough from where another CPU's rounding could turn it
GOLDEN_DOUBT_SHARE = 0.1  # of the doubt at which a first answer no longer stands: .995 did turn where .985 was expected
GOLDEN_MAX = 12  # of a task: a device asks them all after every load or update, and a small one thinks for seconds
GOLDEN_TRIES_MAX = 100


class PackError(RuntimeError):
    """The bundle would not keep the contract."""


def pack(
    folder: Path,
    model: Path,
    tokenizer: Path,
    geometry: Geometry,
    recipe: Recipe,
    answerers: Sequence[Answerer],
    fitted: Mapping[str, Calibrated],
    card: str,
    origins: Sequence[Origin] = (),
    fp32_matrices: Sequence[str] = (),
    golden: Iterable[dict] | None = None,
    bytes_max: int = BYTES_MAX,
) -> Manifest:
    """Fills `folder` anew, whole or not at all, and returns its manifest. `answerers` are the recipe's tasks, in its
    order; `fitted` is what calibration found of each, by its id, `origins` what the weights came from beside the tasks,
    both as the manifest says them. Without `golden`, the tasks' questions that come out as taught."""
    recipe.check_fit()
    weights = ", ".join(["int8-dynamic", *(f"fp32 {name}" for name in fp32_matrices)])

    def manifest(files: dict[str, FileEntry]) -> Manifest:
        return _manifest(recipe, geometry, answerers[0].encoder, fitted, files, origins, weights)

    lines = golden_lines(answerers, fitted) if golden is None else golden
    return _write(folder, {bundle_files.GRAPH: model, "tokenizer.json": tokenizer}, lines, card, manifest, bytes_max)


def next_bundle(
    folder: Path,
    earlier: Path,
    model: Path | None,
    taught: Sequence[str],
    recipe: Recipe,
    answerers: Sequence[Answerer],
    fitted: Mapping[str, Calibrated],
    card: str,
    origins: Sequence[Origin] = (),
    fp32_matrices: Sequence[str] = (),
    bytes_max: int = BYTES_MAX,
) -> Manifest:
    """As `pack`, the bundle in `earlier` with the recipe's tasks anew: `model` becomes a graph of their own for those
    that were `taught` further or are added; the others were only calibrated anew, and keep their graph. Graph,
    calibration and golden questions of every task that is not the recipe's are taken over byte for byte, so that none
    of their answers can change."""
    recipe.check_fit()
    before = bundle_files.read_manifest(earlier)
    name = task_graph_name(recipe)
    tasks = [{"graph": bundle_files.GRAPH} | task for task in before["tasks"]]  # format 2 did not name it
    graphs = {task["id"]: task["graph"] for task in tasks} | dict.fromkeys(taught, name)
    anew = {task.id: _task(task, fitted[task.id], graphs[task.id]) for task in recipe.tasks}
    had = [task["id"] for task in tasks]
    tasks = [anew.get(task["id"], task) for task in tasks] + [said for task, said in anew.items() if task not in had]
    teachers = [task.teacher for task in recipe.tasks if task.id not in had and task.teacher not in before["teacher"]]
    weights = ", ".join([before["graph"]["weights"], *(f"fp32 {matrix} of {name}" for matrix in fp32_matrices)])
    data = [*before["data"], *origins, *(_data(task) for task in recipe.tasks if task.id in taught)]

    def manifest(files: dict[str, FileEntry]) -> Manifest:
        return before | {
            "format": FORMAT,
            "version": recipe.version,
            "serial": recipe.serial,
            "minimum_runtime": MINIMUM_RUNTIME,
            "teacher": "; ".join(dict.fromkeys([before["teacher"], *teachers])),
            "licence": bundle_files.licence([source for source in data if source["kind"] in bundle_files.OWN]),
            "data": list({json.dumps(source): source for source in data}.values()),  # each source once
            "files": files,
            "graph": before["graph"] | {"weights": weights},
            "tasks": tasks,
        }

    golden = [json.loads(line) for line in (earlier / "golden.jsonl").read_text(encoding="utf-8").splitlines()]
    lines = itertools.chain(
        (line for line in golden if line["task"] not in anew), golden_lines(answerers, fitted, len(golden))
    )
    copied = {task["graph"]: earlier / task["graph"] for task in tasks}
    if model:
        copied[name] = model
    return _write(folder, {**copied, "tokenizer.json": earlier / "tokenizer.json"}, lines, card, manifest, bytes_max)


def task_graph_name(recipe: Recipe) -> str:
    """Name of the file with the graph that answers tasks that were taught further alone."""
    return f"model-{recipe.serial}.onnx"


def _write(
    folder: Path,
    copied: Mapping[str, Path],
    golden: Iterable[dict],
    card: str,
    manifest: Callable[[dict[str, FileEntry]], Manifest],
    bytes_max: int,
) -> Manifest:
    """Fills `folder`, whole or not at all. `manifest` is made from the digests of all other files."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    text = "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in golden)
    with disk.whole(folder) as new:
        new.mkdir()
        for name, path in copied.items():
            shutil.copy(path, new / name)
        (new / "golden.jsonl").write_text(text, encoding="utf-8")
        (new / "card.md").write_text(card, encoding="utf-8")
        said = manifest(_files(new))
        (new / bundle_files.MANIFEST).write_text(
            json.dumps(said, ensure_ascii=False, indent=2) + "\n", encoding="utf-8"
        )
        size = sum(path.stat().st_size for path in new.iterdir())
        if size > bytes_max:
            raise PackError(f"expected a bundle of at most {bytes_max} bytes, got {size}")
    return said


def golden_lines(answerers: Sequence[Answerer], fitted: Mapping[str, Calibrated], number: int = 0) -> Iterator[dict]:
    """Of each task and each golden question the first candidate that comes out as the teacher says, confidently and far
    from the threshold of first answers; where none of the first hundred is so sure, the surest of them. They are
    numbered from the one after `number`."""
    for answerer in answerers:
        task, calibrated = answerer.task, calibration(fitted[answerer.task.id])
        for candidates in _spread(task.golden("golden"), GOLDEN_MAX):
            number += 1
            surest: tuple[Pair, Outcome] | None = None
            for pair in itertools.islice(candidates, GOLDEN_TRIES_MAX):
                own = calibrated.of(task, pair)
                outcome = decide(answerer, own, pair.text)
                if outcome and _as_taught(task, pair, outcome, own):
                    if surest is None or outcome.last.confidence > surest[1].last.confidence:
                        surest = pair, outcome
                    if outcome.last.confidence >= _far(own):
                        break
            if surest is None:
                raise PackError(
                    f"golden question {number}, of {task.id}, is never answered as the teacher says; the last tried: "
                    f"{pair.text}"
                )
            yield golden_line(task, number, *surest)


def _far(calibrated: Calibration) -> float:
    """So sure that another CPU's rounding does not turn a first answer into a doubtful one."""
    doubt = 1 - calibrated.threshold
    return max(GOLDEN_CONFIDENCE, 1 - GOLDEN_DOUBT_SHARE * doubt) if doubt > 0 else GOLDEN_CONFIDENCE


def _spread(candidates: list[Iterator[Pair]], count: int) -> list[Iterator[Pair]]:
    """At most so many, evenly spread."""
    count = min(count, len(candidates))
    return [candidates[at * len(candidates) // count] for at in range(count)]


def golden_line(task: Task, number: int, pair: Pair, outcome: Outcome) -> dict:
    answer = outcome.last.answer
    return {
        "id": f"{number:02}-{pair.kind or task.id}-{pair.answer}",
        "task": task.id,
        "question": pair.text,
        **task.answers.golden(answer),
        "decision": "answered" if outcome.answered else "escalated",
        "mode": outcome.mode,
        "confidence": round(outcome.last.confidence, 4),
    }


def bands(fitted: Calibrated) -> dict[str, float]:
    """Where a confidence is called high, and where medium. An answer that stands is never called low: medium begins no
    higher than the lowest threshold that was proved."""
    proved = [one[way]["threshold"] for one in (fitted, *fitted.get("groups", ())) for way in ("first", "think")]
    return {"high": HIGH, "medium": min(MEDIUM, *proved)}


def _as_taught(task: Task, pair: Pair, outcome: Outcome, calibrated: Calibration) -> bool:
    promised = min(calibrated.threshold, calibrated.think_threshold) < NEVER  # else everything goes to a person
    return outcome.last.answer == pair.answer and outcome.answered == (promised and task.is_answer(pair.answer))


def _manifest(
    recipe: Recipe,
    g: Geometry,
    encoder: Encoder,
    fitted: Mapping[str, Calibrated],
    files: dict[str, FileEntry],
    origins: Sequence[Origin],
    weights: str,
) -> Manifest:
    control = {
        name: encoder.control[token]
        for name, token in (("answer", ANSWER), ("why", WHY), ("think", THINK), ("end", END))
    }
    return {
        "format": FORMAT,
        "name": recipe.id,
        "version": recipe.version,
        "serial": recipe.serial,
        "minimum_runtime": MINIMUM_RUNTIME,
        "licence": bundle_files.licence(origins),
        "teacher": "; ".join(dict.fromkeys(task.teacher for task in recipe.tasks)),
        "data": [
            *origins,
            *(_data(task) for task in recipe.tasks if task.taught),
        ],  # a student that nobody taught has no sources
        "files": files,
        "graph": {
            "layers": g.layers,
            "kv_heads": g.kv_heads,
            "head_dim": g.head_dim,
            "max_len": g.max_len,
            "vocabulary": g.vocabulary,
            "weights": weights,
        },
        "control": control,
        "calculator": {
            **{name: encoder.id(mark) for name, mark in zip(("open", "equals", "close"), MARKS, strict=True)},
            "decimals": calculator.DECIMALS,
        },
        "tasks": [_task(task, fitted[task.id], bundle_files.GRAPH) for task in recipe.tasks],
    }


def _data(task: Task) -> Origin:
    return {
        "name": f"{task.id} teacher pairs",
        "kind": "generated",
        "licence": task.licence,
        "sha256": sources.digest(task),
    }


def _task(task: Task, fitted: Calibrated, graph: str) -> ManifestTask:
    drawn = "in each group by itself" if task.groups else "as for training"
    split = f"generated pairs of their own seed, drawn {drawn}; every third fits, the others prove the thresholds"
    entry: ManifestTask = {
        "id": task.id,
        "title": dict(task.title),
        "graph": graph,
        "prompt": task.template,
        "question_tokens_max": task.question_tokens_max,
        "rationale_tokens_max": task.rationale_tokens_max,
        "answers": task.answers.manifest(),
        "calibration": {"split": split, **fitted, "bands": bands(fitted)},
    }
    if task.readings:
        entry["readings"] = task.readings.manifest()
    return entry


def _files(folder: Path) -> dict[str, FileEntry]:
    return {
        path.name: {"bytes": path.stat().st_size, "sha256": hashlib.sha256(path.read_bytes()).hexdigest()}
        for path in sorted(folder.iterdir())
    }
