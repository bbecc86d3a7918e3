"""`models/run peers`: makes what is missing, asks everyone, checks, counts, prints the table, and keeps samples and
table with --save."""

from __future__ import annotations

import argparse
import datetime
import itertools
import json
import os
import subprocess
import sys
from pathlib import Path

from tokenizers import Tokenizer

from .. import disk
from ..distil.vocabulary import ANSWER
from ..folders import CHECKOUT, WORK
from . import figures, run, systems, weights
from .questions import KINDS, MAX_LEN, Kind
from .worker import digest


def main(arguments: list[str] | None = None) -> int:
    args = _parser().parse_args(arguments)
    try:
        _measure(args)
    except (OSError, RuntimeError, subprocess.CalledProcessError) as err:
        print(f"error: {err}", file=sys.stderr)
        return 1
    return 0


def _measure(args: argparse.Namespace) -> None:
    if args.sokutou is None and CHECKOUT is None and not args.prepare:
        raise RuntimeError(
            "there is no checkout of sokutou here to build the program from: name one with --sokutou PROGRAM"
        )
    files = weights.Files(args.work.resolve())
    weights.make(files)
    if args.prepare:
        return
    program = args.sokutou
    if program is None:
        assert CHECKOUT is not None  # else --sokutou was asked for
        subprocess.run(["cargo", "build", "--locked", "--release", "--quiet"], cwd=CHECKOUT, check=True)
        program = CHECKOUT / "target" / "release" / "sokutou"
    prompts = {kind.name: _prompts(files, kind, args.warm_up, args.questions) for kind in KINDS}
    asked = systems.all_systems(program.resolve(), files, args.threads)
    names = [system.name for system in asked]
    raw = run.measure(asked, KINDS, args.questions, args.warm_up)
    raw = {
        "format": 1,
        "date": f"{datetime.date.today()}",
        "command": " ".join(["models/run peers", *sys.argv[1:]]),
        "threads": args.threads,
        **raw,
    }
    figures.check(raw, names, KINDS, prompts, args.noisy)
    found = figures.summary(raw, names, KINDS)
    table = figures.table(raw, found, KINDS)
    print(table)
    if args.save:
        args.save.mkdir(parents=True, exist_ok=True)
        disk.write(args.save / "peers.json", json.dumps({**raw, "summary": found}, ensure_ascii=False) + "\n")
        disk.write(args.save / "peers.md", table)


def _prompts(files: weights.Files, kind: Kind, warm_up: int, count: int) -> list[str]:
    """Digests of the prompts that are measured, by the published tokenizer. Raises `Refused` where our bundle's, which
    sokutou does not say, are others or do not fit."""
    published, ours = (
        Tokenizer.from_file(str(folder / "tokenizer.json")) for folder in (files.hugging_face, files.bundle)
    )
    ours.encode_special_tokens = True
    digests = []
    for question in itertools.islice(kind.questions(), warm_up, warm_up + count):
        one = published.encode(kind.prompt(question), add_special_tokens=False).ids
        other = [
            *ours.encode(kind.template.format(question=question), add_special_tokens=False).ids,
            ours.token_to_id(ANSWER),
        ]
        if one != other or len(one) + kind.tokens_out >= MAX_LEN:
            raise figures.Refused(
                f"{kind.name}: our bundle reads {len(other)} tokens where the published tokenizer has {len(one)}, or "
                f"others, or too many: {question!r}"
            )
        digests.append(digest(one))
    return digests


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="models/run peers",
        description=(
            "Asks sokutou and the runtimes beside it the same questions on SmolLM2-135M-Instruct, in turn, and says "
            "how much longer or "
            "shorter each took. The first time it makes their models, which takes minutes."
        ),
    )
    parser.add_argument("--questions", type=int, default=40, metavar="N", help="of each kind (default: %(default)s)")
    parser.add_argument(
        "--warm-up", type=int, default=3, metavar="N", help="questions before them (default: %(default)s)"
    )
    parser.add_argument(
        "--threads",
        type=int,
        default=os.cpu_count(),
        metavar="N",
        help="of each peer (default: the cores, %(default)s)",
    )
    parser.add_argument(
        "--save", type=Path, metavar="DIR", help="keep peers.json and peers.md here: benches/results/DATE-MACHINE"
    )
    parser.add_argument("--sokutou", type=Path, metavar="PROGRAM", help="(default: target/release/sokutou, built now)")
    parser.add_argument(
        "--work", type=Path, default=WORK / "peers", metavar="DIR", help="where the models lie (default: %(default)s)"
    )
    parser.add_argument("--prepare", action="store_true", help="make the models and stop")
    parser.add_argument("--noisy", action="store_true", help="report even if other programs took part of the machine")
    return parser


if __name__ == "__main__":
    sys.exit(main())
