"""The workshop's command line: `distil` walks all steps, and each step is a command of its own. Decides nothing itself."""

from __future__ import annotations

import argparse
import dataclasses
import sys
from pathlib import Path

from . import steps
from .tasks import TASKS

REPOSITORY = Path(__file__).resolve().parents[2]


def main(arguments: list[str] | None = None) -> int:
    args = _parser().parse_args(arguments)
    task = TASKS[args.task]
    if args.steps:
        task = dataclasses.replace(task, plan=dataclasses.replace(task.plan, steps=args.steps))
    folder = args.work or REPOSITORY / "target" / "workshop" / task.id
    out, reference = args.out or folder, folder / "reference_logits.json"
    if task.shipped and not args.out:
        out, reference = REPOSITORY / "models" / "bundles", REPOSITORY / "tests" / "data" / "reference_logits.json"
    work = steps.Work(task, folder, out, reference, args.table, tuple(args.other))
    try:
        steps.STEPS[args.step][0](work)
    except FileNotFoundError as err:
        print(f"error: {err.filename} is missing; has the step before it run?", file=sys.stderr)
        return 1
    except (OSError, RuntimeError, ValueError) as err:
        print(f"error: {err}", file=sys.stderr)
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    listed = "\n".join(f"  {name:10} {said}" for name, (_, said) in steps.STEPS.items())
    parser = argparse.ArgumentParser(prog="workshop", description="Distils, measures and packs a student.",
                                     epilog=f"steps:\n{listed}", formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("step", choices=steps.STEPS, metavar="STEP", help="one of the steps below")
    parser.add_argument("--task", choices=TASKS, default="machine-failure", help="which student (default: %(default)s)")
    parser.add_argument("--work", type=Path, metavar="DIR", help="work folder (default: target/workshop/TASK in the repository)")
    parser.add_argument("--out", type=Path, metavar="DIR", help="where the bundle folder goes (default: models/bundles)")
    parser.add_argument("--steps", type=int, metavar="N", help="training steps, the same at every resume (default: the plan's)")
    parser.add_argument("--table", "--ai4i", type=Path, metavar="CSV",
                        help="the task's real rows, to measure on: AI4I 2020's table")
    parser.add_argument("--other", action="append", default=[], metavar="PATH[:FIELD]",
                        help="JSON lines with questions of another kind, to measure on; repeatable (default field: question)")
    return parser


if __name__ == "__main__":
    sys.exit(main())
