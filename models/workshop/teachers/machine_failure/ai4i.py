"""Reads the rows of the AI4I 2020 table that one rule decides alone: failure-free, or exactly one of the three rules.

The table is synthetic (Matzka 2020, CC BY 4.0) and used only to measure a finished student; nothing is trained on it.
"""

from __future__ import annotations

import csv
from pathlib import Path

from .rules import FAILURES, Answer, Reading, boundary

_MODES = ("TWF", "HDF", "PWF", "OSF", "RNF")


def read(path: Path) -> list[tuple[Reading, Answer]]:
    """Readings and the table's own verdicts; rows whose truth hangs on rounding are left out."""
    with path.open(encoding="utf-8-sig", newline="") as file:
        rows = [(_reading(row), _answer(row)) for row in csv.DictReader(file)]
    return [(reading, answer) for reading, answer in rows if answer and not boundary(reading)]


def _reading(row: dict[str, str]) -> Reading:
    return Reading(
        grade=row["Type"],
        air_dk=round(10 * float(row["Air temperature [K]"])),
        process_dk=round(10 * float(row["Process temperature [K]"])),
        speed_rpm=int(row["Rotational speed [rpm]"]),
        torque_dnm=round(10 * float(row["Torque [Nm]"])),
        wear_min=int(row["Tool wear [min]"]),
    )


def _answer(row: dict[str, str]) -> Answer | None:
    """None for a row with several modes, with a mode that no rule decides, or with a failure that no mode names."""
    flagged, failed = [mode for mode in _MODES if row[mode] == "1"], row["Machine_failure"] == "1"
    if not flagged:
        return None if failed else Answer.NONE
    single = next((answer for answer in FAILURES if [answer.value] == flagged), None)
    return single if failed else None
