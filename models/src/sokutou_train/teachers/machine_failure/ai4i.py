"""Reads the rows of the AI4I 2020 table that the rules decide: failure-free, worn, or with one or more of the three
rules' flags.

The table is synthetic (Matzka 2020, CC BY 4.0) and used only to measure a finished student; nothing is trained on it.
"""

from __future__ import annotations

import csv
from pathlib import Path

from .rules import FAILURES, Answer, Reading, boundary, verdict

_MODES = ("TWF", "HDF", "PWF", "OSF", "RNF")


def read(path: Path) -> list[tuple[Reading, Answer]]:
    """Readings and the table's own verdicts; rows whose truth hangs on rounding are left out."""
    with path.open(encoding="utf-8-sig", newline="") as file:
        rows = [(reading := _reading(row), _answer(row, reading.worn)) for row in csv.DictReader(file)]
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


def _answer(row: dict[str, str], worn: bool) -> Answer | None:
    """None for a row that no reading explains: flagged as random, or failed for no mode; or whose flags contradict each
    other. A tool wear failure adds nothing to the rules' flags: a worn tool carries the risk whether it failed or
    not."""
    flagged, failed = {mode for mode in _MODES if row[mode] == "1"}, row["Machine_failure"] == "1"
    if "RNF" in flagged or failed != bool(flagged) or ("TWF" in flagged and not worn):
        return None
    return verdict({answer for answer in FAILURES if answer.value in flagged}, worn)
