"""The next student from the one that ships and what people said to its answers: trains on, asks both the same
questions, and packs the bundle with the next serial. Where tasks are named, these alone are taught, by a graph of their
own, and nothing that the student says to any other can change. A task that the earlier bundle has not is added so.
Tasks can also be calibrated anew on the graph that they have.

    train      -> the files of that step, with tokenizer.json the earlier student's
    export, calibrate
    compare    -> forgetting.json, retrained.md; stops here where a task was forgotten
    evaluate, plots, pack; or a graph added to the earlier bundle

Old and new are mixed: the student goes on with the pairs of its tasks, fresh ones of a seed of their own, and where
there are reviews a share of its first answers are reviewed cases. Changes no tokenizer and no layer, and knows no
teacher but the recipe's and the reviews. Reviewed questions that generators would keep for tests, a tenth, are never
taught: only there can be seen what was learned, rather than remembered, and no test of a generator asks what was
taught.
"""

from __future__ import annotations

import dataclasses
import hashlib
import itertools
import json
import re
import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tqdm import tqdm

from . import bundle_files, card, disk, loading, reviews, steps
from .bundle_files import Origin
from .distil import base
from .held_out import tested
from .pair import Pair
from .recipe import Mixed, Recipe
from .ship import calibrate, measures
from .ship.decode import Answerer, Calibration, Outcome, decide
from .task import Task
from .work import Work

SETTINGS = "retrain.json"  # in the work folder: makes it a retrained student's, and says which
# A pair repeated up to four times teaches almost as much as a fresh one, then ever less (Muennighoff et al. 2023); and
# a text that is seen too often is learned by heart. Reviews are few and are what this is about, so twice that, and no
# more.
REPEATS_MAX = 8
SHARE, SHARE_MAX = 0.2, 0.5  # of the first answers' tokens; beyond a half the tasks would be the exception
STEPS_SHARE = 0.1  # of the plan's steps, where no number is given
RATE_SHARE = (
    0.3  # of the plan's rates: at the whole of them, a trained student first loses what it knows, then finds it again
)
KEPT = 0.25  # of the earlier weights, at the end: see `train.go_back`
# Tasks that are taught alone have weights to themselves, which may go where they must: a higher rate, and no way back.
# A step is small enough for two cores to take one in three seconds; a plan that has less keeps it.
ALONE_RATE_SHARE, ALONE_DECAY = 0.4, 0.85
ALONE = {
    "first_tokens": 3500,
    "whole_tokens": 1000,
    "reread_tokens": 300,
    "warmup_steps": 60,
    "checkpoint_every": 100,
    "dev_pairs": 500,
}
WARMUP_SHARE = 0.2  # of the steps at most: else a run of few steps ends while its rate still rises
SEED_STRIDE = 1000  # between generations, so that each draws pairs to train, calibrate and test of its own
MARGIN = 0.01  # of the pairs: a loss below it is no loss that anybody would notice
CHANCE = 0.05  # a loss that luck brings as often as this is none
# The last answer is the cascade's, after thinking where it thinks, whatever its confidence. As wanted is what is
# answered rightly without a person, or left to one who should be asked: a student that can prove less answers as well,
# and nobody gets the answers.
MEASURES = ("first answer", "last answer", "as wanted")
LICENCE = "not for distribution"  # of reviews: they are somebody's, and nobody has said otherwise
_SEMVER = re.compile(r"(\d+)\.(\d+)\.(\d+)")


class ForgottenError(RuntimeError):
    """The new student is worse at a task than the one before."""


@dataclass(frozen=True)
class Settings:
    """What was asked for."""

    earlier: Path  # work folder of the student that ships, or its bundle
    reviews: tuple[Path, ...] = ()
    tasks: tuple[str, ...] = ()  # ids of those that alone are taught; none named: all, and no graph is anyone's own
    steps: int | None = None  # None: a share of the plan's
    share: float = SHARE
    version: str | None = None  # None: the patch after the earlier one
    licence: str = LICENCE  # of the reviews
    accept_forgetting: bool = False
    recalibrated: tuple[str, ...] = ()  # ids of tasks that are calibrated anew, on the graph that they have

    @property
    def teaches(self) -> bool:
        """Is anything trained, or are tasks only calibrated anew?"""
        return bool(self.tasks or self.reviews) or not self.recalibrated


@dataclass(frozen=True)
class Cases:
    """The reviewed pairs."""

    taught: list[Pair]
    held_back: list[Pair]
    said: str  # what became of the reviews


def retrain(work: Work, settings: Settings) -> Path:
    """`work` holds the recipe of the student that ships, and the folder and place of the next; returns the folder of
    its bundle. Goes on where it was stopped. Raises `ForgottenError` where a task was forgotten, `ValueError` for what
    cannot be asked."""
    if work.folder.resolve() == settings.earlier.resolve():
        raise ValueError(f"the new student needs a work folder of its own, and {work.folder} is the earlier one's")
    old = Work(_taught(work.recipe, settings), settings.earlier, work.out, work.reference)
    before = _before(old, settings)
    # What is needed at the end is better missed now.
    for path in (
        old.tokenizer,
        *([loading.weights(old)] if settings.teaches else ()),
        *loading.graphs(before).values(),
    ):
        path.stat()
    loading.fitted(before)
    encoder = loading.encoder(old)
    for task in old.recipe.tasks:
        encoder.first_tokens(task.texts)
    cases = gather(old, settings.reviews, work.recipe.tasks) if settings.reviews else Cases([], [], "No reviews")
    new = dataclasses.replace(work, recipe=_next(old, settings, cases))
    _begin(new, old, settings)
    if settings.teaches:
        steps.train_step(new)
        steps.export_step(new)
    whole = _with_recalibrated(new, work.recipe, settings)
    steps.calibrate_step(whole)
    if settings.teaches:
        compare(before, new, cases, settings.accept_forgetting)
    steps.evaluate_step(whole)
    steps.plots_step(whole)
    if settings.tasks or settings.recalibrated:
        steps.next_bundle_step(whole, settings.earlier)
    else:
        steps.pack_step(whole)
    return new.bundle


def _with_recalibrated(new: Work, recipe: Recipe, settings: Settings) -> Work:
    """The new student with the tasks that are only calibrated anew, and the earlier bundle's graphs of these."""
    tasks = tuple(task for task in recipe.tasks if task.id in settings.recalibrated)
    whole = dataclasses.replace(new.recipe, tasks=(*new.recipe.tasks, *tasks), shares=())
    own = dataclasses.replace(new, recipe=dataclasses.replace(recipe, tasks=tasks), folder=settings.earlier)
    return dataclasses.replace(new, recipe=whole, kept=loading.graphs(own) if tasks else {})


def _taught(recipe: Recipe, settings: Settings) -> Recipe:
    """The earlier student's recipe, of the tasks that are to be taught."""
    recipe = dataclasses.replace(recipe, **_generation(settings.earlier, recipe))
    if not (settings.tasks or settings.reviews or settings.recalibrated):
        raise ValueError("nothing to do: give --reviews, or --task, or --recalibrate")
    known = [task.id for task in recipe.tasks]
    for option, named in (("--task", settings.tasks), ("--recalibrate", settings.recalibrated)):
        if unknown := set(named) - set(known):
            raise ValueError(f"{option}: expected one of {', '.join(known)}, got {', '.join(sorted(unknown))}")
        if named and not bundle_files.is_bundle(settings.earlier):
            raise ValueError(
                f"{option}: the next bundle takes all other tasks over from the earlier one, and {settings.earlier} is "
                "no bundle"
            )
    if settings.recalibrated:
        _check_recalibrated(settings)
    if settings.reviews and not settings.tasks:
        return recipe
    places = [place for place, task in enumerate(recipe.tasks) if task.id in settings.tasks]
    shares = tuple(recipe.shares[place] for place in places) if recipe.shares else ()
    return dataclasses.replace(recipe, tasks=tuple(recipe.tasks[place] for place in places), shares=shares)


def _check_recalibrated(settings: Settings) -> None:
    """Raises `ValueError` where the earlier bundle has not all of the tasks, or they are taught, and so calibrated."""
    had = {task["id"] for task in bundle_files.read_manifest(settings.earlier)["tasks"]}
    if new := set(settings.recalibrated) - had:
        raise ValueError(f"--recalibrate: {settings.earlier} has no task {', '.join(sorted(new))}")
    if set(settings.recalibrated) & set(settings.tasks) or (settings.reviews and not settings.tasks):
        raise ValueError("--recalibrate: a task that is taught is calibrated anew without being named")


def _before(old: Work, settings: Settings) -> Work:
    """The earlier student, of the taught tasks that it has; the others are new."""
    before = loading.held(old)
    new = {task.id for task in old.recipe.tasks} - {task.id for task in before.recipe.tasks}
    if new and not settings.tasks:
        raise ValueError(f"{old.folder} has no task {', '.join(sorted(new))}: a task is added with --task")
    return before


def is_retrained(folder: Path) -> bool:
    """Was the student of a work folder made here?"""
    return (folder / SETTINGS).exists()


def gather(old: Work, files: Sequence[Path], known: Sequence[Task]) -> Cases:
    """Reads the reviews, of `known` tasks, and takes those of the tasks that are taught and that the student can read
    and write."""
    tasks, encoder = {task.id: task for task in old.recipe.tasks}, loading.encoder(old)
    taught = reviews.taught(review for review in reviews.read(files, known) if review.pair.task in tasks)
    fit = [
        pair
        for pair in taught.pairs
        if len(encoder.text(pair.prompt)) <= tasks[pair.task].question_tokens_max
        and (pair.task not in encoder.free or len(encoder.answer(pair)) <= tasks[pair.task].answers.tokens_max)
    ]
    cases = Cases(
        list(itertools.filterfalse(tested, fit)),
        list(filter(tested, fit)),
        f"{taught}, {len(taught.pairs) - len(fit)} of the pairs too long for the student",
    )
    if not cases.taught:
        raise ValueError(f"nothing is left to teach: {cases.said}, {len(cases.held_back)} held back")
    return cases


def compare(old: Work, new: Work, cases: Cases, accept: bool) -> None:
    """Asks both students the same fresh pairs of every task, and the reviewed questions that were held back. Raises
    `ForgottenError` where a task was forgotten, unless that is accepted."""
    measured: dict[str, Any] = {"fresh": {}, "held back": {}}
    students = [_students(work) for work in (old, new)]
    for task in old.recipe.tasks:
        fresh = [
            pair
            for suite in task.tests(f"forgetting-{new.recipe.plan.seed}", old.recipe.sizes_of(task).test).values()
            for pair in suite
        ]
        for name, pairs in (
            ("fresh", fresh),
            ("held back", [pair for pair in cases.held_back if pair.task == task.id]),
        ):
            if pairs:
                one, other = [right(*student[task.id], pairs) for student in students]
                measured[name][task.id] = {
                    measure: paired([row[at] for row in one], [row[at] for row in other])
                    for at, measure in enumerate(MEASURES)
                }
    lost = [
        sentence
        for task, found in measured["fresh"].items()
        for measure in MEASURES
        if (sentence := _lost(task, measure, found[measure], old.recipe.version, new.recipe.version))
    ]
    measured["forgotten"] = lost
    new.write_json("forgetting.json", measured)
    said = _markdown(measured, old, new, cases)
    disk.write(new.folder / card.RETRAINED, said)
    print(said)
    if lost and not accept:
        raise ForgottenError(
            "\n".join(
                [
                    *lost,
                    "no bundle was written; mix in less (--share), train more or fewer --steps, or take it as it is "
                    "(--accept-forgetting)",
                ]
            )
        )
    for sentence in lost:
        print(f"warning: {sentence}; accepted, and the card says so", file=sys.stderr)


def right(answerer: Answerer, calibration: Calibration, pairs: Sequence[Pair]) -> list[tuple[bool, ...]]:
    """Of each pair, by `MEASURES`: is it right? Nothing is of a question that cannot be asked."""
    outcomes = [
        (pair, decide(answerer, calibration.of(answerer.task, pair), pair.text))
        for pair in tqdm(pairs, f"{answerer.task.id}: old and new", unit="pair", mininterval=1)
    ]
    return [_judged(answerer.task, pair, outcome) for pair, outcome in outcomes]


def _judged(task: Task, pair: Pair, outcome: Outcome | None) -> tuple[bool, ...]:
    if outcome is None:
        return (False,) * len(MEASURES)
    last = outcome.last.answer == pair.answer
    return outcome.first.answer == pair.answer, last, last and outcome.answered == task.is_answer(pair.answer)


def paired(old: Sequence[bool], new: Sequence[bool]) -> dict:
    """What one student had right and the other had not, on the same questions."""
    both = list(zip(old, new, strict=True))
    lost, won = sum(one and not other for one, other in both), sum(other and not one for one, other in both)
    return {"n": len(both), "old": sum(old), "new": sum(new), "lost": lost, "won": won, "p": measures.worse(lost, won)}


def forgotten(found: dict) -> bool:
    """Worse by more than the margin, and by more than luck?"""
    return found["lost"] - found["won"] > MARGIN * found["n"] and found["p"] < CHANCE


def _lost(task: str, measure: str, found: dict, old: str, new: str) -> str | None:
    if not forgotten(found):
        return None
    n = found["n"]
    return (
        f"task {task}, {measure}: {old} was right on {found['old'] / n:.1%} of {n} fresh pairs, {new} is on "
        f"{found['new'] / n:.1%} ({found['lost']} lost, {found['won']} won; p = {found['p']:.2g})"
    )


def _students(work: Work) -> dict[str, tuple[Answerer, Calibration]]:
    fitted = loading.fitted(work)
    return {one.task.id: (one, calibrate.calibration(fitted[one.task.id])) for one in loading.answerers(work)}


def _generation(folder: Path, recipe: Recipe) -> dict:
    """Version and serial of the student in a work folder or a bundle."""
    if not (packed := bundle_files.is_bundle(folder)) and not is_retrained(folder):
        return {"version": recipe.version, "serial": recipe.serial}
    said = json.loads((folder / (bundle_files.MANIFEST if packed else SETTINGS)).read_text(encoding="utf-8"))
    if (name := said["name" if packed else "recipe"]) != recipe.id:
        raise ValueError(f"{folder} holds a student of the recipe {name}, and {recipe.id} was asked for")
    return {"version": said["version"], "serial": said["serial"]}


def _next(old: Work, settings: Settings, cases: Cases) -> Recipe:
    if not 0 < settings.share <= SHARE_MAX:
        raise ValueError(f"--share: expected more than 0 and at most {SHARE_MAX}, got {settings.share}")
    recipe, plan = old.recipe, old.recipe.plan
    if not settings.teaches:
        plan = dataclasses.replace(plan, seed=plan.seed + SEED_STRIDE * (recipe.serial + 1))
        version = _version(recipe.version, settings.version)
        return dataclasses.replace(recipe, version=version, serial=recipe.serial + 1, plan=plan)
    start = str(loading.weights(old) if bundle_files.is_bundle(old.folder) else old.folder)
    g = base.load(start).student.g
    count = settings.steps or max(1, round(STEPS_SHARE * plan.steps))
    share, kept = (ALONE_RATE_SHARE, 0.0) if settings.tasks else (RATE_SHARE, KEPT)
    if settings.tasks:
        plan = dataclasses.replace(
            plan, decay_share=ALONE_DECAY, **{name: min(most, getattr(plan, name)) for name, most in ALONE.items()}
        )
    plan = dataclasses.replace(
        plan,
        base=start,
        base_layers=tuple(range(g.layers)),
        max_len=g.max_len,
        steps=count,
        read_steps_max=0,
        warmup_steps=min(plan.warmup_steps, max(1, round(WARMUP_SHARE * count))),
        muon_lr=share * plan.muon_lr,
        adam_lr=share * plan.adam_lr,
        kept=kept,
        seed=plan.seed + SEED_STRIDE * (recipe.serial + 1),
    )
    recipe = dataclasses.replace(
        recipe, version=_version(recipe.version, settings.version), serial=recipe.serial + 1, plan=plan
    )
    if not cases.taught:
        return recipe
    encoder = loading.encoder(old)
    tokens = sum(len(encoder.first(pair).tokens) for pair in cases.taught) / len(cases.taught)  # of one
    dealt = min(round(settings.share * plan.first_tokens * count / tokens), REPEATS_MAX * len(cases.taught))
    content = b"".join(path.read_bytes() for path in settings.reviews)
    origin: Origin = {
        "name": f"reviews of {recipe.id}, {len(cases.taught)} pairs",
        "kind": "human",
        "licence": settings.licence,
        "sha256": hashlib.sha256(content).hexdigest(),
    }
    return dataclasses.replace(recipe, mixed=Mixed(tuple(cases.taught), dealt, origin))


def _version(old: str, asked: str | None) -> str:
    before = _SEMVER.fullmatch(old)
    if asked is None:
        if not before:
            raise ValueError(f"no version follows {old} by itself; say which with --version")
        return f"{before[1]}.{before[2]}.{int(before[3]) + 1}"
    after = _SEMVER.fullmatch(asked)
    if not after or (before and tuple(map(int, after.groups())) <= tuple(map(int, before.groups()))):
        raise ValueError(f"--version: expected three numbers that come after {old}, as 1.2.3, got {asked}")
    return asked


def _begin(new: Work, old: Work, settings: Settings) -> None:
    """Notes what is made, so that a stopped run goes on with the same and no other, and takes the earlier tokenizer
    over. Raises `ValueError` where the folder holds something else."""
    recipe = new.recipe
    said = {
        "recipe": recipe.id,
        "version": recipe.version,
        "serial": recipe.serial,
        "earlier": hashlib.sha256(_identity(old, settings).read_bytes()).hexdigest(),
        "tasks": list(settings.tasks),
        "reviews": recipe.mixed.origin["sha256"] if recipe.mixed else None,
        "licence": settings.licence,
        "steps": recipe.plan.steps,
        "share": settings.share,
        "seed": recipe.plan.seed,
    }
    path = new.folder / SETTINGS
    if path.exists():
        before = json.loads(path.read_text(encoding="utf-8"))
        if other := [key for key in said if said[key] != before.get(key)]:
            raise ValueError(
                f"{new.folder} holds a retrained student with another {', '.join(other)}; give a work folder of its own"
            )
        return
    if new.checkpoint.exists():
        raise ValueError(f"{new.folder} holds another student; give a work folder of its own")
    new.folder.mkdir(parents=True, exist_ok=True)
    with disk.whole(new.tokenizer) as tokenizer:
        shutil.copy(old.tokenizer, tokenizer)
    new.write_json(SETTINGS, said)  # last: from here on the folder is known for what it is


def _identity(old: Work, settings: Settings) -> Path:
    """The file that tells the earlier student from others."""
    return loading.weights(old) if settings.teaches else old.folder / bundle_files.MANIFEST


def _markdown(measured: dict, old: Work, new: Work, cases: Cases) -> str:
    recipe, plan, mixed = new.recipe, new.recipe.plan, new.recipe.mixed
    had = {task.id for task in old.recipe.tasks}
    added = [task.id for task in recipe.tasks if task.id not in had]
    back = f", then {plan.kept:.0%} of the way back to its weights" if plan.kept else ""
    lines = [
        "## What was mixed in, and what became of the rest" if mixed else "## What teaching on gained and lost",
        "",
        f"- Trained on from {old.recipe.id} {old.recipe.version}, serial {old.recipe.serial}, with {plan.steps} steps "
        f"at "
        f"{plan.muon_lr / old.recipe.plan.muon_lr:.0%} of its rates{back}.",
        f"- {cases.said}."
        + (
            f" {len(cases.taught)} of them were taught, as first answers among fresh ones of the tasks, "
            f"{mixed.dealt / len(cases.taught):.1f} times each; {len(cases.held_back)} were held back."
            if mixed
            else ""
        ),
        *([f"- New, and so compared with nothing: {', '.join(added)}."] if added else []),
    ]
    if not any(measured[name] for name in ("fresh", "held back")):
        return "\n".join(lines) + "\n"
    lines += [
        "- Both students were asked the same questions. Lost are those that only the earlier one answers right, won "
        "those that "
        "only this one does; p is the chance to lose so many were losing and winning alike (McNemar, exact). As "
        "wanted: answered "
        "rightly without a person, or left to one who should be asked.",
        *(f"- **Forgotten, and accepted**: {sentence}." for sentence in measured["forgotten"]),
        "",
        f"| asked | n | measured | {old.recipe.version} right | {recipe.version} right | lost | won | p |",
        f"|{'---|' * 8}",
    ]
    for name, said in (("fresh", "fresh pairs"), ("held back", "reviewed questions held back")):
        for task, found in measured[name].items():
            for measure, of in found.items():
                lines.append(
                    f"| {task}, {said} | {of['n']} | {measure} | {of['old'] / of['n']:.3f} | "
                    f"{of['new'] / of['n']:.3f} | {of['lost']} | {of['won']} | {of['p']:.2g} |"
                )
    return "\n".join(lines) + "\n"
