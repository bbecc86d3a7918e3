"""Draws readings for the rule teacher: classes balanced, weight near the limits. Words nothing, judges nothing itself.

Three ways of drawing are mixed, because each alone leaves a hole: `broad` covers the whole range, `near` sits beside the
limits where reasoning is needed, `typical` follows the shape of a working machine (torque around 40 Nm, speed falling as
torque rises), so that ordinary rows are not strange to the student. All of it is generated.
"""

from __future__ import annotations

import random

from .rules import (
    FAILURES, HEAT_GAP_MIN_DK, HEAT_SPEED_MIN_RPM, POWER_MAX_W, POWER_MIN_W, RAD_PER_S_PER_RPM_E5, STRAIN_MAX_MIN_NM,
    Answer, Reading, boundary, modes,
)

# The range of a plausible reading, in the units of `Reading`. A little wider than the real table's own.
RANGES = {
    "air_dk": (2940, 3060), "gap_dk": (70, 126), "speed_rpm": (1150, 2950), "torque_dnm": (30, 800), "wear_min": (0, 260),
}
NEAR_SHARE, TYPICAL_SHARE = 0.45, 0.25  # the rest is broad
TRIES_MAX = 10_000  # a class that cannot be drawn is a bug of the proposals, not bad luck


def draw(rng: random.Random, answer: Answer, near: float = NEAR_SHARE) -> Reading:
    """A reading whose rules give exactly `answer` (no failure, or one single mode), never a boundary row."""
    wanted = {answer} & set(FAILURES)
    for _ in range(TRIES_MAX):
        style = rng.random()
        if style < near:
            reading = _near(rng, answer)
        elif style < near + TYPICAL_SHARE:
            reading = _typical(rng)
        else:
            reading = _broad(rng)
        if reading and modes(reading) == wanted and not boundary(reading):
            return reading
    raise RuntimeError(f"no reading for {answer} in {TRIES_MAX} draws")


def _broad(rng: random.Random) -> Reading:
    return _reading(rng)


def _typical(rng: random.Random) -> Reading | None:
    torque = round(rng.gauss(400, 110))
    power_w = rng.gauss(6300, 1300)
    speed = round(power_w * 1e6 / (max(torque, 1) * RAD_PER_S_PER_RPM_E5))
    return _reading(rng, speed_rpm=speed, torque_dnm=torque)


def _near(rng: random.Random, answer: Answer) -> Reading | None:
    """Beside one limit, on either side: the limit of `answer`, or of any rule when the answer is no failure."""
    limit = answer if answer in FAILURES else rng.choice(FAILURES)
    off = rng.triangular(-0.12, 0.12, 0.0)  # share of the limit
    if limit is Answer.HEAT:
        gap = HEAT_GAP_MIN_DK + round(rng.triangular(-12, 12, 0))
        speed = HEAT_SPEED_MIN_RPM + round(off * HEAT_SPEED_MIN_RPM)
        return _reading(rng, gap_dk=gap, speed_rpm=speed)
    if limit is Answer.POWER:
        power_w = rng.choice((POWER_MIN_W, POWER_MAX_W)) * (1 + off)
        speed = _within(rng, "speed_rpm")
        return _reading(rng, speed_rpm=speed, torque_dnm=round(power_w * 1e6 / (speed * RAD_PER_S_PER_RPM_E5)))
    grade = rng.choice("LMH")
    wear = rng.randint(130, RANGES["wear_min"][1])
    torque = round(STRAIN_MAX_MIN_NM[grade] * (1 + off) / wear * 10)
    return _reading(rng, grade=grade, wear_min=wear, torque_dnm=torque)


def _reading(rng: random.Random, **fixed) -> Reading | None:
    """The fixed fields as given and the others anywhere in range; None when a fixed one is out of range."""
    for field, value in fixed.items():
        if field in RANGES and not RANGES[field][0] <= value <= RANGES[field][1]:
            return None
    air = fixed.get("air_dk", _within(rng, "air_dk"))
    gap = fixed.get("gap_dk", _within(rng, "gap_dk"))
    return Reading(
        grade=fixed.get("grade", rng.choice("LMH")),
        air_dk=air,
        process_dk=air + gap,
        speed_rpm=fixed.get("speed_rpm", _within(rng, "speed_rpm")),
        torque_dnm=fixed.get("torque_dnm", _within(rng, "torque_dnm")),
        wear_min=fixed.get("wear_min", _within(rng, "wear_min")),
    )


def _within(rng: random.Random, field: str) -> int:
    return rng.randint(*RANGES[field])
