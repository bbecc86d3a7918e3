"""Raw samples to figures, and the refusal to make any where systems were not asked the same or did not do the same.
Runs nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from ..ship import measures
from .questions import LETTERS, Kind
from .systems import OURS, REFERENCE

LEVEL = 0.95
COUNT_MIN = 30  # questions of a kind
FOREIGN_MAX = 0.05  # of all cores' time, what other programs may have taken
SAME_MIN = (
    0.4  # of the letters, those that are fp32's: chance gives a quarter, and so many of 60 once in a hundred times
)


class Refused(RuntimeError):
    """The samples cannot be compared."""


def check(
    raw: Mapping, names: Sequence[str], kinds: Sequence[Kind], prompts: Mapping[str, Sequence[str]], noisy: bool = False
) -> None:
    """Raises `Refused` unless every one of these systems answered every question, read the prompt with this digest and
    wrote what was asked for, undisturbed."""
    if missing := set(names) - raw["systems"].keys():
        raise Refused(f"no results of {', '.join(sorted(missing))}")
    for kind in kinds:
        said = raw["kinds"].get(kind.name, {"said": {}})["said"]
        count = len(prompts[kind.name])
        if count < COUNT_MIN:
            raise Refused(f"{kind.name}: expected {COUNT_MIN} questions or more, got {count}")
        for name in names:
            answers = said.get(name, [])
            if len(answers) != count:
                raise Refused(f"{kind.name}: expected {count} answers of {name}, got {len(answers)}")
            for at, (answer, prompt) in enumerate(zip(answers, prompts[kind.name], strict=True)):
                _check(f"{kind.name}, question {at}, {name}", answer, kind, prompt)
    for name in names:
        found = _agreement(raw, kinds, name)
        share = found["same"] / found["n"]
        if share < SAME_MIN:
            raise Refused(
                f"{name} gives the letter of {REFERENCE} to {share:.0%} of the questions, expected {SAME_MIN:.0%} or "
                f"more "
                "of the same model"
            )
    if raw["foreign_share"] > FOREIGN_MAX and not noisy:
        raise Refused(
            f"other programs took {raw['foreign_share']:.0%} of the cores' time, expected at most {FOREIGN_MAX:.0%}; "
            "stop them, or say --noisy"
        )


def _check(where: str, answer: Mapping, kind: Kind, prompt: str) -> None:
    if answer["prompt"] not in (None, prompt):
        raise Refused(f"{where}: expected a prompt of the tokens {prompt}, got {answer['prompt']}")
    if answer["tokens_out"] != kind.tokens_out:
        raise Refused(f"{where}: expected {kind.tokens_out} tokens, got {answer['tokens_out']}")
    if kind.lettered and answer["answer"] not in LETTERS:
        raise Refused(f"{where}: expected a letter, got {answer['answer']!r}")
    if not answer["ms"] > 0:
        raise Refused(f"{where}: expected a time above 0, got {answer['ms']}")


def summary(raw: Mapping, names: Sequence[str], kinds: Sequence[Kind]) -> dict:
    """By kind and system: times, how many times as long as ours of the same question (median over the questions, with a
    bootstrap interval), and tokens. By system: how many letters are the reference's, and how far off their confidence
    is."""
    of_kinds: dict[str, dict] = {}
    for kind in kinds:
        said = raw["kinds"][kind.name]["said"]
        ours = _times(said[OURS])
        of_kinds[kind.name] = {}
        for name in names:
            times = _times(said[name])
            low, high = measures.bootstrap(_ratio, times, ours, level=LEVEL)
            of_kinds[kind.name][name] = {
                "n": len(times),
                "p50_ms": quantile(times, 0.5),
                "p95_ms": quantile(times, 0.95),
                "ratio": _ratio(times, ours),
                "ratio_low": low,
                "ratio_high": high,
                "tokens_in": _mean(said[name], "tokens_in"),
                "tokens_read": _mean(said[name], "tokens_read"),
                "tokens_out": kind.tokens_out,
            }
    return {"kinds": of_kinds, "as_reference": {name: _agreement(raw, kinds, name) for name in names}}


def quantile(samples: np.ndarray, q: float) -> float:
    """The smallest sample that at least the share `q` of all does not exceed."""
    return float(np.sort(samples)[max(int(np.ceil(q * len(samples))), 1) - 1])


def _ratio(times: np.ndarray, ours: np.ndarray) -> float:
    return float(np.median(times / ours))


def _times(answers: Sequence[Mapping]) -> np.ndarray:
    return np.array([answer["ms"] for answer in answers])


def _mean(answers: Sequence[Mapping], what: str) -> float | None:
    return None if answers[0][what] is None else float(np.mean([answer[what] for answer in answers]))


def _agreement(raw: Mapping, kinds: Sequence[Kind], name: str) -> dict:
    """With the reference, over the questions that have a letter for an answer."""
    pairs = [
        pair
        for kind in kinds
        if kind.lettered
        for pair in zip(*(raw["kinds"][kind.name]["said"][of] for of in (name, REFERENCE)), strict=True)
    ]
    off = [abs(one["confidence"] - other["confidence"]) for one, other in pairs if one["answer"] == other["answer"]]
    return {"n": len(pairs), "same": len(off), "confidence_off": float(np.mean(off)) if off else None}


def table(raw: Mapping, found: Mapping, kinds: Sequence[Kind]) -> str:
    """Markdown: a table of the systems, then one for each kind."""
    machine, load = raw["machine"], raw["load_average"]
    lines = [
        "# sokutou and other runtimes on SmolLM2-135M-Instruct, whole",
        "",
        f"{raw['date']}, {machine['cpu']}, {machine['cores']} cores, {', '.join(machine['features'])}. Load average "
        f"{load['before'][0]:.1f} before, {load['after'][0]:.1f} after; other programs took {raw['foreign_share']:.1%} "
        f"of the cores' "
        f"time, the hypervisor {raw['stolen_share']:.1%}. Command: `{raw['command']}`.",
        "",
        f"A time runs from the question written to a process to its answer read. Each system has read {raw['warm_up']} "
        f"questions "
        "of the kind before. *Times ours* is the median over the questions of the time divided by sokutou's for the "
        "same question, "
        "with a 95% bootstrap interval: above 1, sokutou is faster.",
        "",
        "| system | version | settings | start to first answer, s | RSS, MiB | letters as fp32 | their confidence off "
        "by |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, system in raw["systems"].items():
        same = found["as_reference"][name]
        lines.append(
            f"| {name} | {system['version']} | {system['settings']} | {system['start_s']:.1f} | "
            f"{system['rss_kib'] >> 10} | "
            f"{same['same']} of {same['n']} | {same['confidence_off']:.3f} |"
        )
    for kind in kinds:
        of = found["kinds"][kind.name]
        tokens_in = next(one["tokens_in"] for one in of.values() if one["tokens_in"])
        lines += [
            "",
            f"**{kind.title}**, n = {of[OURS]['n']}, {tokens_in:.0f} tokens in, {kind.tokens_out} out:",
            "",
            "| system | p50, ms | p95, ms | times ours | tokens read |",
            "|---|---|---|---|---|",
        ]
        for name, one in of.items():
            read = one["tokens_read"] or tokens_in
            ratio = "1" if name == OURS else f"{one['ratio']:.2f} ({one['ratio_low']:.2f} to {one['ratio_high']:.2f})"
            lines.append(f"| {name} | {one['p50_ms']:.1f} | {one['p95_ms']:.1f} | {ratio} | {read:.0f} |")
    return "\n".join(lines) + "\n"
