"""Draws a run or a study as SVG from what was left of it: the loss, the reliability of the confidence, risk against
coverage.

Measures nothing, and needs no student.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import matplotlib
from cycler import cycler

matplotlib.use("svg")  # draws into files; needs no screen

from matplotlib import pyplot
from matplotlib.axes import Axes
from matplotlib.collections import PathCollection
from matplotlib.ticker import PercentFormatter

CALIBRATION = "calibration of the first answer"
TAB20 = matplotlib.color_sequences["tab20"]  # a study has a dozen arms
matplotlib.rcParams.update(
    {
        "svg.fonttype": "none",
        "font.size": 9,
        "axes.grid": True,
        "grid.alpha": 0.3,
        "figure.figsize": (6, 4),
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.prop_cycle": cycler(color=TAB20[::2] + TAB20[1::2]),
    }
)


def draw(folder: Path) -> list[Path]:
    """Draws what the folder holds, of each task its own; returns the pictures. Raises `FileNotFoundError` where nothing
    was trained or measured there."""
    curve, evaluation = folder / "curve.jsonl", folder / "evaluation.json"
    drawn = [_save(folder / "loss.svg", _loss, _points(curve))] if curve.exists() or not evaluation.exists() else []
    if evaluation.exists():
        measured = json.loads(evaluation.read_text(encoding="utf-8"))
        if "suites" in measured:
            raise ValueError(f"{evaluation} was measured by an older version: run `evaluate` again")
        for task, of_task in measured.items():
            fits = {name: suite[CALIBRATION] for name, suite in of_task["suites"].items() if CALIBRATION in suite}
            drawn += [
                _save(folder / f"reliability-{task}.svg", _reliability, fits),
                _save(folder / f"risk-{task}.svg", _risk, fits),
            ]
    return drawn


def compare(folder: Path, fits: dict[tuple[str, str], dict[str, dict]]) -> list[Path]:
    """Draws a study: the loss of each trial in its own folder; for each test, which is a suite and a task,
    `measures.trust` of every arm, all in one picture of each kind."""
    drawn = [
        _save(curve.parent / "loss.svg", _trial_loss, _points(curve)) for curve in sorted(folder.glob("*/curve.jsonl"))
    ]
    for (suite, task), of_arms in fits.items():
        name = f"{task}-{suite.replace(' ', '-')}.svg"
        drawn += [
            _save(folder / f"reliability-{name}", _reliability, of_arms),
            _save(folder / f"risk-{name}", _risk, of_arms),
        ]
    return drawn


def _points(curve: Path) -> list[dict]:
    """Of the run as it went last: a resumed run may have measured a step twice."""
    points = (json.loads(line) for line in curve.read_text(encoding="utf-8").splitlines())
    return list({point["step"]: point for point in points}.values())


def _loss(axes: Axes, points: list[dict]) -> None:
    steps = [point["step"] for point in points]
    axes.plot(steps, [point["loss"] for point in points], color="black", label="loss")
    axes.set(xlabel="step", ylabel="loss", yscale="log")
    shares = axes.twinx()
    shares.plot(
        steps,
        [point["dev_read"] for point in points],
        color="tab:gray",
        linestyle=":",
        label="dev, repeated tokens right",
    )
    for task in points[-1]["dev_first_answer"]:
        shares.plot(
            steps, [point["dev_first_answer"][task] for point in points], label=f"dev, first answer right, {task}"
        )
    shares.set(ylim=(0, 1.02))
    shares.yaxis.set_major_formatter(PercentFormatter(1))
    shares.grid(False)


def _trial_loss(axes: Axes, points: list[dict]) -> None:
    looks = [point for point in points if "dev_loss" in point]
    axes.plot(
        [point["step"] for point in points],
        [point["loss"] for point in points],
        color="black",
        label="loss, as the arm is graded",
    )
    axes.plot(
        [point["step"] for point in looks],
        [point["dev_loss"] for point in looks],
        "o",
        label="dev loss, in plain cross entropy",
    )
    axes.set(xlabel="step", ylabel="loss", yscale="log")


def _reliability(axes: Axes, fits: dict[str, dict]) -> None:
    axes.plot((0, 1), (0, 1), color="black", linewidth=0.8, linestyle="--")
    for name, fit in fits.items():
        bins = fit["reliability"]
        total = sum(b["n"] for b in bins)
        axes.scatter(
            [b["confidence"] for b in bins],
            [b["right"] for b in bins],
            [6 + 300 * b["n"] / total for b in bins],
            alpha=0.6,
            label=f"{name}, ECE {fit['ece']:.3f}",
        )
    axes.set(
        xlabel="confidence of the answer; a dot's area is its share of the answers",
        ylabel="share right",
        xlim=(0, 1.03),
        ylim=(0, 1.03),
    )


def _risk(axes: Axes, fits: dict[str, dict]) -> None:
    for name, fit in fits.items():
        coverages, risks = zip(*fit["risk at coverage"], strict=True)
        axes.plot(coverages, risks, label=f"{name}, AURC {fit['aurc']:.4f}")
    axes.set(
        xlabel="coverage: share of questions answered, the surest first", ylabel="errors among them", xlim=(0, 1.02)
    )
    axes.set_ylim(bottom=0)
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(PercentFormatter(1))


def _save(path: Path, paint: Callable[[Axes, Any], None], what: Any) -> Path:
    figure, axes = pyplot.subplots(layout="constrained")
    paint(axes, what)
    keys = [key for own in figure.axes for key in own.get_legend_handles_labels()[0]]
    legend = figure.legend(handles=keys, loc="outside lower center", ncols=2, fontsize=7, frameon=False)
    for handle in legend.legend_handles:
        if isinstance(handle, PathCollection):
            handle.set_sizes([30])
    figure.savefig(path, metadata={"Date": None})
    pyplot.close(figure)
    return path
