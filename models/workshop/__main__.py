"""The workshop's command line: `distil` walks all steps, and each step is a command of its own; beside them, teacher pairs are
generated, checked and selected. Decides nothing itself.
"""

from __future__ import annotations

import argparse
import dataclasses
import itertools
import json
import sys
from pathlib import Path

from tqdm import tqdm

from . import pair_files, selection, steps
from .selection.report import report, table
from .tasks import TASKS
from .teachers.catalogue import GENERATORS

REPOSITORY = Path(__file__).resolve().parents[2]
OVERLAPS_SHOWN = 10


def main(arguments: list[str] | None = None) -> int:
    args = _parser().parse_args(arguments)
    try:
        return args.run(args)
    except FileNotFoundError as err:
        hint = "; has the step before it run?" if args.command in steps.STEPS else ""
        print(f"error: {err.filename} is missing{hint}", file=sys.stderr)
    except (OSError, RuntimeError, ValueError) as err:
        print(f"error: {err}", file=sys.stderr)
    return 1


def _step(args: argparse.Namespace) -> int:
    task = TASKS[args.task]
    if args.steps:
        task = dataclasses.replace(task, plan=dataclasses.replace(task.plan, steps=args.steps))
    folder = args.work or REPOSITORY / "target" / "workshop" / task.id
    out, reference = args.out or folder, folder / "reference_logits.json"
    if task.shipped and not args.out:
        out, reference = REPOSITORY / "models" / "bundles", REPOSITORY / "tests" / "data" / "reference_logits.json"
    steps.STEPS[args.command][0](steps.Work(task, folder, out, reference, args.table, tuple(args.other)))
    return 0


def _generate(args: argparse.Namespace) -> int:
    pairs = itertools.islice(GENERATORS[args.task].pairs(args.task, args.seed), args.count)
    count = pair_files.write(args.out, tqdm(pairs, args.task, args.count, unit="pair", mininterval=1))
    print(f"wrote {count} generated pairs to {args.out}")
    return 0


def _check(args: argparse.Namespace) -> int:
    read = pair_files.read(*args.files)
    print(pair_files.summary(read))
    found = pair_files.overlaps(read.pairs, pair_files.read(*args.against).pairs) if args.against else []
    for train, test in found[:OVERLAPS_SHOWN]:
        print(f"error: {train} asks what test question {test} asks", file=sys.stderr)
    if len(found) > OVERLAPS_SHOWN:
        print(f"error: and {len(found) - OVERLAPS_SHOWN} more", file=sys.stderr)
    return 1 if found else 0


def _select(args: argparse.Namespace) -> int:
    read = [pair_files.read(*paths).pairs if paths else [] for paths in (args.files, args.against, args.gold)]
    selected = selection.select(read[0], tests=read[1], gold=read[2], drop_near=args.drop_near, agreement_counts=args.agreement)
    said = report(selected)
    print(table(said))
    if args.report:
        args.report.parent.mkdir(parents=True, exist_ok=True)
        args.report.write_text(json.dumps(said, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    if bare := [task for task, of in said["tasks"].items() if not of["kept"]]:
        raise ValueError(f"nothing is left of {', '.join(bare)}; nothing was written to {args.out}")
    print(f"wrote {pair_files.write(args.out, selected.kept)} of {len(read[0])} pairs to {args.out}")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="models/run", description="Distils, measures and packs a student.")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    of_steps = argparse.ArgumentParser(add_help=False)
    of_steps.add_argument("--task", choices=TASKS, default="machine-failure", help="which student (default: %(default)s)")
    of_steps.add_argument("--work", type=Path, metavar="DIR", help="work folder (default: target/workshop/TASK in the repository)")
    of_steps.add_argument("--out", type=Path, metavar="DIR", help="where the bundle folder goes (default: models/bundles)")
    of_steps.add_argument("--steps", type=int, metavar="N", help="training steps, the same at every resume (default: the plan's)")
    of_steps.add_argument("--table", "--ai4i", type=Path, metavar="CSV",
                          help="the task's real rows, to measure on: AI4I 2020's table")
    of_steps.add_argument("--other", action="append", default=[], metavar="PATH[:FIELD]",
                          help="JSON lines with questions of another kind, to measure on; repeatable (default field: question)")
    for name, (_, said) in steps.STEPS.items():
        commands.add_parser(name, help=said, description=said, parents=[of_steps]).set_defaults(run=_step)

    generate = commands.add_parser("generate", help="write teacher pairs of a task that a program can teach",
                                   description="Writes generated teacher pairs, languages and difficulties drawn alike.")
    generate.add_argument("task", choices=GENERATORS, metavar="TASK", help="one of %(choices)s")
    generate.add_argument("--count", type=_positive, default=1000, metavar="N", help="pairs (default: %(default)s)")
    generate.add_argument("--seed", default="1", help="the same seed, the same pairs (default: %(default)s)")
    generate.add_argument("--out", type=Path, required=True, metavar="FILE.jsonl", help="where to")
    generate.set_defaults(run=_generate)

    check = commands.add_parser("check", help="check files of teacher pairs, and that they hold no test question",
                                description=pair_files.__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    check.add_argument("files", type=Path, nargs="+", metavar="FILE.jsonl", help="teacher pairs")
    check.add_argument("--against", type=Path, action="append", default=[], metavar="FILE.jsonl",
                       help="test questions, none of which may be among the pairs; repeatable")
    check.set_defaults(run=_check)

    select = commands.add_parser("select", help="keep the teacher pairs worth learning from, and weigh them",
                                 description=selection.__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    select.add_argument("files", type=Path, nargs="+", metavar="FILE.jsonl", help="teacher pairs")
    select.add_argument("--out", type=Path, required=True, metavar="SELECTED.jsonl", help="where the kept pairs go")
    select.add_argument("--against", type=Path, action="append", default=[], metavar="TEST.jsonl",
                        help="test questions, which are left out; repeatable")
    select.add_argument("--drop-near", action="store_true", help="leave out questions near a test question too")
    select.add_argument("--gold", type=Path, action="append", default=[], metavar="FILE.jsonl",
                        help="right answers, by question id or text; repeatable (default: what most pairs of a question say)")
    select.add_argument("--agreement", action="store_true", help="let a question count less where its pairs disagree")
    select.add_argument("--report", type=Path, metavar="REPORT.json", help="where a report for machines goes")
    select.set_defaults(run=_select)
    return parser


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"expected a whole number from 1, got {text}")
    return int(text)


if __name__ == "__main__":
    sys.exit(main())
