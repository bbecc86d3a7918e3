"""Checks a rationale of the task `machine-failure`: every number in it recomputed, every comparison judged again.

Reads a rationale as its reader would, clause by clause; what it cannot read is a fault too. Never asks the student.
"""

from __future__ import annotations

import re

from ...pair import Pair
from ...sentences import first_sentence
from ..marks import miscalculated
from .rules import (
    FAILURES,
    HEAT_GAP_MIN_DK,
    HEAT_SPEED_MIN_RPM,
    POWER_MAX_W,
    POWER_MIN_W,
    RULE_NAMES,
    STRAIN_MAX_MIN_NM,
    WEAR_FAILS_PER_100,
    Answer,
    Reading,
    modes,
)

_MARK = r"<<(?P<{0}>[^=<>]+)=(?P<{0}_result>[^=<>]+)>>"
_COMPUTED = ("gap", "gap_left", "speed_left", "power", "power_left", "strain", "strain_left", "wear_left")
_MARKS = {name: _MARK.format(name) for name in _COMPUTED}
_CLAUSES = {
    "en": re.compile(
        r"Gap {gap} K, less limit {gap_left}, (?P<gap_side>below|not below); "
        r"speed less limit {speed_left} rpm, (?P<speed_side>below|not below); (?P<heat>heat failure|heat is fine)\. "
        r"Power {power} W, less limit {power_left}, (?P<power_side>below|not below|above|not above)"
        r"(?P<power_word>, power failure)?\. "
        r"Wear times torque {strain} min Nm, less type (?P<grade>\S+) limit {strain_left}, (?P<strain_side>above|not "
        r"above)"
        r"(?P<strain_word>, overstrain)?\. "
        r"(?:Failure: (?P<failures>[a-z, ]+)|Wear less limit {wear_left} min, (?P<wear_side>below|not below), "
        r"(?P<risk>about {fails}% fail|no failure))\.".format(**_MARKS, fails=WEAR_FAILS_PER_100)
    ),
    "ja": re.compile(
        r"温度差 {gap} K、基準との差 {gap_left}、(?P<gap_side>未満|以上)。"
        r"回転数の基準との差 {speed_left} rpm、(?P<speed_side>未満|以上)。(?P<heat>放熱不良|放熱は正常)。"
        r"動力 {power} W、限界との差 {power_left}、(?P<power_side>未満|以上|超|以下)(?P<power_word>、電力異常)?。"
        r"摩耗×トルク {strain} min Nm、(?P<grade>\S+?)型の限界との差 {strain_left}、(?P<strain_side>超|以下)"
        r"(?P<strain_word>、過負荷)?。"
        r"(?:故障 (?P<failures>[^。]+)|摩耗の基準との差 {wear_left} 分、(?P<wear_side>未満|以上)、"
        r"(?P<risk>約{fails}%が故障|故障なし))。".format(**_MARKS, fails=WEAR_FAILS_PER_100)
    ),
}
_POWER_SIDES = {  # which limit a side speaks of
    POWER_MIN_W: {"below", "not below", "未満", "以上"},
    POWER_MAX_W: {"above", "not above", "超", "以下"},
}
_BELOW, _ABOVE = {"below", "未満"}, {"above", "超"}
_HEAT_FAILS, _NO_FAILURE = {"heat failure", "放熱不良"}, {"no failure", "故障なし"}


def faults(pair: Pair, rationale: str) -> list[str]:
    """What is wrong in `rationale` as a reason about `pair`'s question; empty when all is right."""
    if not isinstance(pair.reading, Reading):
        raise ValueError(f"expected a reading to judge by, got {pair.reading}")
    recital = first_sentence(pair.known_rationale)
    if first_sentence(rationale) != recital:
        return [f"read {first_sentence(rationale)!r}, expected {recital!r}"]
    said = _CLAUSES[pair.lang].fullmatch(rationale.removeprefix(recital).lstrip())
    if not said:
        return ["not a rationale in the question's language"]
    # The teacher's own rationale quotes the readings as the question wrote them.
    quoted = _CLAUSES[pair.lang].fullmatch(pair.known_rationale.removeprefix(recital).lstrip())
    assert quoted, "the teacher's rationale must read as one"
    found = []
    for mark in ("gap", "speed_left", "power", "strain", "wear_left"):
        if said[mark] != quoted[mark]:
            found.append(f"{mark} computed as {said[mark]}, expected {quoted[mark]}")
    found += miscalculated(rationale)
    r, fired = pair.reading, modes(pair.reading)
    power, _, power_limit = said["power_left"].rpartition("-")
    low, high = r.power_w < POWER_MIN_W, r.power_w > POWER_MAX_W
    expected = {
        "grade": (said["grade"], r.grade),
        "gap less its limit": (said["gap_left"], f"{said['gap_result']}-{HEAT_GAP_MIN_DK / 10}"),
        "power less a limit": (power, said["power_result"]),
        "power's limit": (
            power_limit,
            next(str(limit) for limit, sides in _POWER_SIDES.items() if said["power_side"] in sides),
        ),
        "strain less its limit": (said["strain_left"], f"{said['strain_result']}-{STRAIN_MAX_MIN_NM[r.grade]}"),
        "gap below its limit": (said["gap_side"] in _BELOW, r.gap_dk < HEAT_GAP_MIN_DK),
        "speed below its limit": (said["speed_side"] in _BELOW, r.speed_rpm < HEAT_SPEED_MIN_RPM),
        "power below its limit": (said["power_side"] in _BELOW, low),
        "power above its limit": (said["power_side"] in _ABOVE, high),
        "strain above its limit": (said["strain_side"] in _ABOVE, Answer.STRAIN in fired),
        "heat failure": (said["heat"] in _HEAT_FAILS, Answer.HEAT in fired),
        "power failure": (said["power_word"] is not None, Answer.POWER in fired),
        "overstrain": (said["strain_word"] is not None, Answer.STRAIN in fired),
    }
    if fired:
        names = [RULE_NAMES[mode][pair.lang == "ja"] for mode in FAILURES if mode in fired]
        expected["failures"] = (said["failures"], ("、" if pair.lang == "ja" else ", ").join(names))
    elif said["failures"] is not None:
        found.append(f"failures said as {said['failures']}, where no rule holds")
    else:
        expected["wear below its limit"] = (said["wear_side"] in _BELOW, not r.worn)
        expected["no risk of wear"] = (said["risk"] in _NO_FAILURE, not r.worn)
    return found + [
        f"{what} said as {got}, expected {truth}" for what, (got, truth) in expected.items() if got != truth
    ]
