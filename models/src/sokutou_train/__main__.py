"""The toolkit's command line: `distil` walks all steps, and each step is a command of its own; `retrain` makes the next
student from one that ships. Beside them, teacher pairs are generated, asked of a teacher, made of reviews, checked and
selected. Decides nothing itself.
"""

from __future__ import annotations

import argparse
import dataclasses
import itertools
import json
import math
import os
import sys
from pathlib import Path

from tqdm import tqdm

from . import disk, pair_files, retrain, reviews, selection, steps
from .distil import train
from .folders import CHECKOUT, WORK
from .recipe import Recipe
from .recipes import DEFAULT, RECIPES
from .selection import report as selection_report
from .teachers.catalogue import GENERATORS
from .teachers.endpoint.client import Endpoint
from .teachers.endpoint.teach import Budget, Sampling, teach
from .work import Work

OVERLAPS_SHOWN = 10
KEY_CHARS_MAX = 8192


def main(arguments: list[str] | None = None) -> int:
    args = _parser().parse_args(arguments)
    try:
        return args.run(args)
    except FileNotFoundError as err:
        hint = "; has the step before it run?" if args.command in (*steps.STEPS, "retrain") else ""
        print(f"error: {err.filename} is missing{hint}", file=sys.stderr)
    except (OSError, RuntimeError, ValueError) as err:
        print(f"error: {err}", file=sys.stderr)
    except KeyboardInterrupt:
        print("stopped", file=sys.stderr)
        return 130
    return 1


def _step(args: argparse.Namespace) -> int:
    recipe = RECIPES[args.recipe]
    given = {name: value for name in ("steps", "base") if (value := getattr(args, name))}
    recipe = dataclasses.replace(recipe, plan=dataclasses.replace(recipe.plan, **given))
    folder = args.work or WORK / recipe.id
    if retrain.is_retrained(folder) and args.command not in ("plots", "reference"):
        raise ValueError(
            f"{folder} holds a retrained student, whose version and seeds are its own: `models/run retrain` goes on "
            "with it"
        )
    if args.command in ("distil", "train"):
        recipe = _on_its_base(recipe, folder)
    out, reference = args.out or folder, folder / "reference_logits.json"
    if recipe.shipped and not args.out and CHECKOUT:
        out, reference = CHECKOUT / "models" / "bundles", CHECKOUT / "tests" / "data" / "reference_logits.json"
    with disk.named(folder):
        steps.STEPS[args.command][0](_work(args, recipe, folder, out, reference))
    return 0


def _on_its_base(recipe: Recipe, folder: Path) -> Recipe:
    """The recipe that starts from its base's work folder. Unless the student in `folder` has begun, the base is trained
    first, on its own base."""
    start = RECIPES.get(recipe.plan.base or "")
    if start is None:
        return recipe
    based = WORK / start.id
    if not (folder / "checkpoint.pt").exists():
        train.run(_on_its_base(start, based), based)
    return dataclasses.replace(recipe, plan=dataclasses.replace(recipe.plan, base=str(based)))


def _work(args: argparse.Namespace, recipe: Recipe, folder: Path, out: Path, reference: Path) -> Work:
    rows = dict(args.rows)
    if unknown := rows.keys() - {task.id for task in recipe.tasks}:
        raise ValueError(
            f"--rows: {recipe.id} has no task {', '.join(sorted(unknown))}, only "
            f"{', '.join(task.id for task in recipe.tasks)}"
        )
    return Work(recipe, folder, out, reference, rows, tuple(args.other), tuple(args.keep_fp32))


def _reviews(args: argparse.Namespace) -> int:
    read = reviews.read(args.files, RECIPES[args.recipe].tasks)
    taught = reviews.taught(read)
    print(f"{reviews.summary(read)}\n{taught}")
    if args.out:
        print(f"wrote {pair_files.write(args.out, taught.pairs)} pairs to {args.out}")
    return 0


def _retrain(args: argparse.Namespace) -> int:
    recipe, folder = RECIPES[args.recipe], args.work
    work = _work(args, recipe, folder, args.out or folder, folder / "reference_logits.json")
    settings = retrain.Settings(
        args.earlier,
        tuple(args.reviews),
        tuple(args.task),
        args.steps,
        args.share,
        args.version,
        args.licence,
        args.accept_forgetting,
        tuple(args.recalibrate),
    )
    with disk.named(folder):
        retrain.retrain(work, settings)
    return 0


def _full_base_bundle(args: argparse.Namespace) -> int:
    from .ship import export, full_base_bundle  # reads the weights' format, which the other commands do not need

    folder, measured = full_base_bundle.write(RECIPES[args.recipe].tasks[0], args.out)
    print(f"wrote {folder}: {measured['bytes']} bytes of graph; {export.said(measured)}")
    return 0


def _generate(args: argparse.Namespace) -> int:
    pairs = itertools.islice(GENERATORS[args.task].pairs(args.task, args.seed), args.count)
    count = pair_files.write(args.out, tqdm(pairs, args.task, args.count, unit="pair", mininterval=1))
    print(f"wrote {count} generated pairs to {args.out}")
    return 0


def _teach(args: argparse.Namespace) -> int:
    def say(text: str) -> None:
        tqdm.write(text, file=sys.stderr)

    budget = Budget(args.price_in, args.price_out, args.budget, args.budget_tokens)
    if budget.money is not None and not (budget.price_in or budget.price_out):
        raise ValueError(
            "--budget needs --price-in or --price-out, to know what a reply costs; or limit --budget-tokens"
        )
    if args.out in args.questions:
        raise ValueError(f"--out would overwrite the questions in {args.out}")
    questions = pair_files.read_questions(*args.questions).pairs
    endpoint = Endpoint(
        args.url,
        key=_key(args),
        timeout_s=args.timeout_s,
        retries=args.retries,
        requests_per_minute=args.requests_per_minute,
        say=say,
    )
    sampling = Sampling(args.model, args.samples, args.temperature, args.tokens_max, args.tokens_key, args.seed)
    if not teach(questions, args.out, endpoint, sampling, budget, parallel=args.parallel, say=say):
        raise RuntimeError("no reply made a pair")
    return 0


def _key(args: argparse.Namespace) -> str | None:
    if args.key_env is not None:
        if args.key_env not in os.environ:
            raise ValueError(f"--key-env: there is no environment variable {args.key_env}")
        return os.environ[args.key_env].strip()
    if args.key_file is not None:
        with args.key_file.open(encoding="ascii", errors="replace") as file:
            return file.read(KEY_CHARS_MAX).strip()
    return None


def _check(args: argparse.Namespace) -> int:
    read = pair_files.read(*args.files)
    print(pair_files.summary(read))
    found = pair_files.overlaps(read.pairs, pair_files.read(*args.against).pairs) if args.against else []
    for taught, test in found[:OVERLAPS_SHOWN]:
        print(f"error: {taught} asks what test question {test} asks", file=sys.stderr)
    if len(found) > OVERLAPS_SHOWN:
        print(f"error: and {len(found) - OVERLAPS_SHOWN} more", file=sys.stderr)
    return 1 if found else 0


def _study(args: argparse.Namespace) -> int:
    from .study import config, data, trial  # they load what the other commands need not wait for

    plan = config.read(args.config)
    for arm in args.arm or ():
        if arm not in plan.arms:
            raise ValueError(f"--arm: expected one of {', '.join(map(repr, plan.arms))}, got {arm!r}")
    pairs = data.gather(plan, args.data)
    print(json.dumps(pairs.said, ensure_ascii=False, indent=2))
    folder = args.out or WORK / "studies" / plan.name
    for seed, arm in itertools.product(args.seed or plan.seeds, args.arm or plan.arms):
        trial.run(plan, pairs, arm, seed, folder / f"{arm.replace(', ', '-').replace(' ', '-')}-{seed}")
    return 0


def _table(args: argparse.Namespace) -> int:
    from .ship import plots
    from .study import table

    trials = table.read(args.folder)
    collected = table.collect(trials, table.published())
    if not collected["arms"]:
        raise ValueError(f"{args.folder} holds no finished trial")
    (args.folder / "table.json").write_text(json.dumps(collected, indent=1) + "\n", encoding="utf-8")
    (args.folder / "table.md").write_text(table.markdown(collected), encoding="utf-8")
    print(table.markdown(collected))
    for path in plots.compare(args.folder, table.trust(trials)):
        print(f"drew {path}", file=sys.stderr)
    return 0


def _select(args: argparse.Namespace) -> int:
    read = [pair_files.read(*paths).pairs if paths else [] for paths in (args.files, args.against, args.gold)]
    selected = selection.select(
        read[0], tests=read[1], gold=read[2], drop_near=args.drop_near, agreement_counts=args.agreement
    )
    said = selection_report.report(selected)
    print(selection_report.table(said))
    if args.report:
        args.report.parent.mkdir(parents=True, exist_ok=True)
        args.report.write_text(json.dumps(said, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    if emptied := [task for task, of in said["tasks"].items() if not of["kept"]]:
        raise ValueError(f"nothing is left of {', '.join(emptied)}; nothing was written to {args.out}")
    print(f"wrote {pair_files.write(args.out, selected.kept)} of {len(read[0])} pairs to {args.out}")
    return 0


def _program() -> str:
    """As it was called: by `models/run` of a checkout, or as the installed command."""
    return "models/run" if Path(sys.argv[0]).name == "__main__.py" else "sokutou-train"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog=_program(), description="Distils, measures and packs a student.")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    of_recipe = argparse.ArgumentParser(add_help=False)
    of_recipe.add_argument("--recipe", choices=RECIPES, default=DEFAULT.id, help="which student (default: %(default)s)")
    of_measures = argparse.ArgumentParser(add_help=False)
    of_measures.add_argument(
        "--rows",
        type=_of_task,
        action="append",
        default=[],
        metavar="TASK=FILE",
        help="real rows of a task, to measure on, as machine-failure=ai4i2020.csv; repeatable",
    )
    of_measures.add_argument(
        "--other",
        action="append",
        default=[],
        metavar="PATH[:FIELD]",
        help="JSON lines with questions of another kind, to measure on; repeatable (default field: question)",
    )
    of_measures.add_argument(
        "--keep-fp32",
        action="append",
        default=[],
        metavar="MATRIX",
        help="do not quantize this matrix, named as a failed export names it; repeatable",
    )
    of_steps = argparse.ArgumentParser(add_help=False)
    of_steps.add_argument(
        "--work",
        type=Path,
        metavar="DIR",
        help="work folder (default: target/workshop/RECIPE, in the checkout if there is one)",
    )
    of_steps.add_argument(
        "--out",
        type=Path,
        metavar="DIR",
        help="where the bundle folder goes (default: models/bundles of the checkout; outside one, the work folder)",
    )
    of_steps.add_argument(
        "--steps", type=_positive, metavar="N", help="training steps, the same at every resume (default: the plan's)"
    )
    of_steps.add_argument(
        "--base",
        metavar="smollm2|reader|DIR",
        help="start from SmolLM2's weights or an earlier student's work folder (default: the plan's)",
    )
    for name, (_, said) in steps.STEPS.items():
        commands.add_parser(name, help=said, description=said, parents=[of_recipe, of_steps, of_measures]).set_defaults(
            run=_step
        )

    again = commands.add_parser(
        "retrain",
        help="train the student that ships on with what people said to its answers, and pack the next",
        description="Goes on from an earlier student with fresh pairs of its tasks and with reviewed cases, then "
        "exports, "
        "calibrates and measures. Both students are asked the same questions: where the new one has forgotten a "
        "task, no bundle is written. The bundle has the next serial and, if not told otherwise, the next patch "
        "version. The same command goes on where it was stopped.",
        parents=[of_recipe, of_measures],
    )
    again.add_argument(
        "--from",
        dest="earlier",
        type=Path,
        required=True,
        metavar="DIR",
        help="the student that ships: its bundle, or its work folder with its calibration",
    )
    again.add_argument(
        "--reviews",
        type=Path,
        nargs="+",
        default=[],
        metavar="FILE.jsonl",
        help="what `sokutou review export` wrote (see reviews --help); those of tasks that are not taught are left out",
    )
    again.add_argument(
        "--task",
        action="append",
        default=[],
        metavar="TASK",
        help="teach this task alone, by a graph of its own: all others are answered as before, to the byte; one that "
        "the earlier bundle has not is added; "
        "repeatable, for tasks that share the new graph (default: all tasks)",
    )
    again.add_argument(
        "--recalibrate",
        action="append",
        default=[],
        metavar="TASK",
        help="calibrate this task anew, on the graph that it has; repeatable",
    )
    again.add_argument("--work", type=Path, required=True, metavar="DIR", help="work folder of the new student")
    again.add_argument(
        "--out", type=Path, metavar="DIR", help="where the bundle folder goes (default: the work folder)"
    )
    again.add_argument(
        "--steps",
        type=_positive,
        metavar="N",
        help=f"training steps (default: {retrain.STEPS_SHARE:.0%} of the plan's)".replace("%", "%%"),
    )
    again.add_argument(
        "--share",
        type=_above_0,
        default=retrain.SHARE,
        metavar="S",
        help=f"of the first answers' tokens, how much is reviewed cases, at most {retrain.SHARE_MAX}; less where "
        f"reviews are few, since each comes {retrain.REPEATS_MAX} times at most (default: %(default)s)",
    )
    again.add_argument("--version", metavar="X.Y.Z", help="of the bundle (default: the next patch)")
    again.add_argument(
        "--licence",
        default=retrain.LICENCE,
        metavar="TEXT",
        help="of the reviews, and so of the bundle (default: %(default)s)",
    )
    again.add_argument(
        "--accept-forgetting", action="store_true", help="write the bundle even so; its card says what was forgotten"
    )
    again.set_defaults(run=_retrain)

    people = commands.add_parser(
        "reviews",
        help="check files of reviews, and make teacher pairs of them",
        parents=[of_recipe],
        description=reviews.__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    people.add_argument("files", type=Path, nargs="+", metavar="FILE.jsonl", help="what `sokutou review export` wrote")
    people.add_argument(
        "--out", type=Path, metavar="PAIRS.jsonl", help="where the pairs go; none are written without it"
    )
    people.set_defaults(run=_reviews)

    whole = commands.add_parser(
        "full-base-bundle",
        aliases=["uncut"],  # its earlier name
        help="write the whole base weights as a bundle to compare speeds with",
        description="Writes SmolLM2-135M-Instruct, whole and untaught, as a bundle that answers nothing: "
        "to compare speeds with.",
    )
    whole.add_argument(
        "--recipe",
        choices=RECIPES,
        default=DEFAULT.id,
        help="whose first task's questions it takes (default: %(default)s)",
    )
    whole.add_argument(
        "--out", type=Path, default=WORK, metavar="DIR", help="where the bundle folder goes (default: target/workshop)"
    )
    whole.set_defaults(run=_full_base_bundle)

    generate = commands.add_parser(
        "generate",
        help="write teacher pairs of a task that a program can teach",
        description="Writes generated teacher pairs, languages and difficulties drawn alike.",
    )
    generate.add_argument("task", choices=GENERATORS, metavar="TASK", help="one of %(choices)s")
    generate.add_argument("--count", type=_positive, default=1000, metavar="N", help="pairs (default: %(default)s)")
    generate.add_argument("--seed", default="1", help="the same seed, the same pairs (default: %(default)s)")
    generate.add_argument("--out", type=Path, required=True, metavar="FILE.jsonl", help="where to")
    generate.set_defaults(run=_generate)

    ask = commands.add_parser(
        "teach",
        help="ask a teacher behind an OpenAI-compatible endpoint for pairs",
        description="Asks questions of a teacher behind an OpenAI-compatible endpoint (chat completions), several "
        "times each, "
        "and writes a pair for every reply that gives reasons and the right answer. What it says lies beside the "
        "pairs in *.replies.jsonl, so the same command goes on where it stopped; replies that made no pair, with "
        "the reason, in *.dropped.jsonl.",
    )
    ask.add_argument(
        "questions",
        type=Path,
        nargs="+",
        metavar="QUESTIONS.jsonl",
        help="teacher pairs (see check --help) whose answers may be missing; replies are held to those that are not",
    )
    ask.add_argument("--url", required=True, help="where the API begins, as http://127.0.0.1:8000/v1")
    ask.add_argument("--model", required=True, metavar="NAME", help="the teacher, as the server calls it")
    ask.add_argument("--out", type=Path, required=True, metavar="PAIRS.jsonl", help="where the pairs go")
    ask.add_argument(
        "--samples", type=_positive, default=3, metavar="N", help="replies a question (default: %(default)s)"
    )
    ask.add_argument("--temperature", type=_amount, default=0.7, metavar="T", help="(default: %(default)s)")
    ask.add_argument("--seed", type=int, metavar="N", help="sent with the sample's number added; left out if not given")
    ask.add_argument(
        "--tokens-max", type=_positive, default=256, metavar="N", help="longest reply (default: %(default)s)"
    )
    ask.add_argument(
        "--tokens-key",
        choices=("max_tokens", "max_completion_tokens"),
        default="max_tokens",
        help="how the server calls that limit (default: %(default)s)",
    )
    ask.add_argument(
        "--parallel", type=_positive, default=1, metavar="N", help="requests at a time (default: %(default)s)"
    )
    ask.add_argument("--requests-per-minute", type=_above_0, metavar="N", help="at most (default: no limit)")
    ask.add_argument(
        "--timeout-s", type=_above_0, default=60.0, metavar="S", help="for one reply (default: %(default)s)"
    )
    ask.add_argument(
        "--retries",
        type=int,
        choices=range(21),
        default=5,
        metavar="N",
        help="tries after the first, 0 to 20 (default: %(default)s)",
    )
    ask.add_argument(
        "--price-in", type=_amount, default=0.0, metavar="P", help="of a million tokens asked, in any currency"
    )
    ask.add_argument("--price-out", type=_amount, default=0.0, metavar="P", help="of a million tokens answered")
    ask.add_argument(
        "--budget", type=_amount, metavar="P", help="stop before all replies beside the pairs cost more than this"
    )
    ask.add_argument("--budget-tokens", type=_positive, metavar="N", help="stop before they take more tokens than this")
    key = ask.add_mutually_exclusive_group()
    key.add_argument("--key-env", metavar="VAR", help="environment variable that holds the key")
    key.add_argument("--key-file", type=Path, metavar="FILE", help="file that holds the key")
    ask.set_defaults(run=_teach)

    check = commands.add_parser(
        "check",
        help="check files of teacher pairs, and that they hold no test question",
        description=pair_files.__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    check.add_argument("files", type=Path, nargs="+", metavar="FILE.jsonl", help="teacher pairs")
    check.add_argument(
        "--against",
        type=Path,
        action="append",
        default=[],
        metavar="FILE.jsonl",
        help="test questions, none of which may be among the pairs; repeatable",
    )
    check.set_defaults(run=_check)

    study = commands.add_parser(
        "study",
        help="compare ways to teach: the same pairs, the same budget",
        description="Trains and asks every arm and seed of a study; goes on where it was stopped.",
    )
    study.add_argument("config", type=Path, metavar="STUDY.toml", help="what to compare; see models/studies")
    study.add_argument(
        "--data", type=Path, default=Path(), metavar="DIR", help="the folder that the study's files stand in"
    )
    study.add_argument(
        "--arm", action="append", metavar="ARM", help="only this arm of the study's, as 'both orders'; repeatable"
    )
    study.add_argument("--seed", action="append", type=int, metavar="N", help="only this seed; repeatable")
    study.add_argument(
        "--out", type=Path, metavar="DIR", help="where the trials go (default: target/workshop/studies/STUDY)"
    )
    study.set_defaults(run=_study)

    table = commands.add_parser(
        "table",
        help="collect and draw the trials of a study",
        description="Writes table.md and table.json, reliability-TEST.svg and risk-TEST.svg of each test, and "
        "loss.svg in each trial's folder.",
    )
    table.add_argument("folder", type=Path, metavar="DIR", help="what `study` wrote")
    table.set_defaults(run=_table)

    select = commands.add_parser(
        "select",
        help="keep the teacher pairs worth learning from, and weigh them",
        description=selection.__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    select.add_argument("files", type=Path, nargs="+", metavar="FILE.jsonl", help="teacher pairs")
    select.add_argument("--out", type=Path, required=True, metavar="SELECTED.jsonl", help="where the kept pairs go")
    select.add_argument(
        "--against",
        type=Path,
        action="append",
        default=[],
        metavar="TEST.jsonl",
        help="test questions, which are left out; repeatable",
    )
    select.add_argument("--drop-near", action="store_true", help="leave out questions near a test question too")
    select.add_argument(
        "--gold",
        type=Path,
        action="append",
        default=[],
        metavar="FILE.jsonl",
        help="right answers, by question id or text; repeatable (default: what most pairs of a question say)",
    )
    select.add_argument("--agreement", action="store_true", help="let a question count less where its pairs disagree")
    select.add_argument("--report", type=Path, metavar="REPORT.json", help="where a report for machines goes")
    select.set_defaults(run=_select)
    return parser


def _of_task(text: str) -> tuple[str, Path]:
    task, sign, path = text.partition("=")
    if not (task and sign and path):
        raise argparse.ArgumentTypeError(f"expected TASK=FILE, got {text}")
    return task, Path(path)


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"expected a whole number from 1, got {text}")
    return int(text)


def _amount(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not (math.isfinite(value) and value >= 0):
        raise argparse.ArgumentTypeError(f"expected a number from 0, got {text}")
    return value


def _above_0(text: str) -> float:
    if not (value := _amount(text)):
        raise argparse.ArgumentTypeError("expected a number above 0, got 0")
    return value


if __name__ == "__main__":
    sys.exit(main())
