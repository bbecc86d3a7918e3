"""Checks a rationale of the task `machine-failure`: every number in it recomputed, every comparison judged again.

Reads a rationale as its reader would, clause by clause; what it cannot read is a fault too. Never asks the student.
"""

from __future__ import annotations

import re

from . import calculator
from .machine_failure import (
    HEAT_GAP_MIN_DK, HEAT_SPEED_MIN_RPM, POWER_MAX_W, POWER_MIN_W, STRAIN_MAX_MIN_NM, Answer, Reading, modes,
)
from .sequences import first_sentence
from .task import Pair

_MARK = r"<<(?P<{0}>[^=<>]+)=(?P<{0}_result>[^=<>]+)>>"
_CLAUSES = {
    "en": re.compile(
        rf"Temperature gap {_MARK.format('gap')} K is (?P<gap_side>below|not below) (?P<gap_limit>\S+) K, "
        r"speed (?P<speed>\S+) rpm is (?P<speed_side>below|not below) (?P<speed_limit>\S+) rpm, "
        r"(?P<heat>heat failure|heat is fine)\. "
        rf"Power {_MARK.format('power')} W is (?P<power_side>below|above|within) (?P<power_limits>\d+|\d+ to \d+) W, "
        r"(?P<power_word>power failure|fine)\. "
        rf"Wear times torque {_MARK.format('strain')} min Nm is (?P<strain_side>above|not above) the type (?P<grade>\S+) limit "
        r"(?P<strain_limit>\d+), (?P<strain_word>overstrain|fine)\."
    ),
    "ja": re.compile(
        rf"温度差 {_MARK.format('gap')} K は (?P<gap_limit>\S+) K (?P<gap_side>未満|以上)、"
        r"回転数 (?P<speed>\S+) rpm は (?P<speed_limit>\S+) rpm (?P<speed_side>未満|以上)、(?P<heat>放熱不良|放熱は正常)。"
        rf"動力 {_MARK.format('power')} W は (?P<power_limits>\d+|\d+~\d+) W (?P<power_side>未満|超|内)、(?P<power_word>電力異常|正常)。"
        rf"摩耗×トルク {_MARK.format('strain')} min Nm は(?P<grade>\S+?)型の限界 (?P<strain_limit>\d+) "
        r"(?P<strain_side>超|以下)、(?P<strain_word>過負荷|正常)。"
    ),
}
_BELOW, _ABOVE, _FAILS = {"below", "未満"}, {"above", "超"}, {"heat failure", "放熱不良", "power failure", "電力異常", "overstrain", "過負荷"}


def faults(pair: Pair, rationale: str) -> list[str]:
    """What is wrong in `rationale` as a reason about `pair`'s question; empty when all is right."""
    if not isinstance(pair.reading, Reading):  # out of scope: nothing to compute, only to name
        return [] if rationale == pair.rationale else ["not the reason why a person is asked"]
    recital = first_sentence(pair.rationale)
    if first_sentence(rationale) != recital:
        return [f"read {first_sentence(rationale)!r}, expected {recital!r}"]
    said = _CLAUSES[pair.lang].fullmatch(rationale.removeprefix(recital).lstrip())
    if not said:
        return ["not a rationale in the question's language"]
    # The teacher's own rationale quotes the readings as the question wrote them.
    quoted = _CLAUSES[pair.lang].fullmatch(pair.rationale.removeprefix(recital).lstrip())
    assert quoted, "the teacher's rationale must read as one"
    found = []
    for mark in ("gap", "power", "strain"):
        if said[mark] != quoted[mark]:
            found.append(f"{mark} computed as {said[mark]}, expected {quoted[mark]}")
        if said[f"{mark}_result"] != _evaluated(said[mark]):
            found.append(f"{said[mark]} is not {said[f'{mark}_result']}")
    r, fired = pair.reading, modes(pair.reading)
    low, high = r.power_w < POWER_MIN_W, r.power_w > POWER_MAX_W
    limits = [str(POWER_MIN_W)] if low else [str(POWER_MAX_W)] if high else [str(POWER_MIN_W), str(POWER_MAX_W)]
    expected = {
        "speed": (said["speed"], str(r.speed_rpm)),
        "grade": (said["grade"], r.grade),
        "gap limit": (said["gap_limit"], f"{HEAT_GAP_MIN_DK / 10}"),
        "speed limit": (said["speed_limit"], str(HEAT_SPEED_MIN_RPM)),
        "power limits": (re.findall(r"\d+", said["power_limits"]), limits),
        "strain limit": (said["strain_limit"], str(STRAIN_MAX_MIN_NM[r.grade])),
        "gap below its limit": (said["gap_side"] in _BELOW, r.gap_dk < HEAT_GAP_MIN_DK),
        "speed below its limit": (said["speed_side"] in _BELOW, r.speed_rpm < HEAT_SPEED_MIN_RPM),
        "power below its limit": (said["power_side"] in _BELOW, low),
        "power above its limit": (said["power_side"] in _ABOVE, high),
        "strain above its limit": (said["strain_side"] in _ABOVE, Answer.STRAIN in fired),
        "heat failure": (said["heat"] in _FAILS, Answer.HEAT in fired),
        "power failure": (said["power_word"] in _FAILS, Answer.POWER in fired),
        "overstrain": (said["strain_word"] in _FAILS, Answer.STRAIN in fired),
    }
    return found + [f"{what} said as {got}, expected {truth}" for what, (got, truth) in expected.items() if got != truth]


def _evaluated(expression: str) -> str | None:
    try:
        return calculator.evaluate(expression)
    except calculator.CalculatorError:
        return None
