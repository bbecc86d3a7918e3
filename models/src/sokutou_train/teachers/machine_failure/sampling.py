"""Draws readings for the rule teacher: classes balanced, weight near the limits. Words nothing, judges nothing itself.

Three ways of drawing are mixed, because each alone leaves a hole: `broad` covers the whole range, `near` sits beside
the limits where reasoning is needed, `typical` follows the shape of a working machine (torque around 40 Nm, speed
falling as torque rises), so that ordinary rows are not strange to the student. All of it is generated.
"""

from __future__ import annotations

import random
from fractions import Fraction
from typing import Any

from .rules import (
    FAILURES,
    HEAT_GAP_MIN_DK,
    HEAT_SPEED_MIN_RPM,
    POWER_MAX_W,
    POWER_MIN_W,
    RAD_PER_S_PER_RPM_E5,
    STRAIN_MAX_MIN_NM,
    WEAR_BAND_MIN,
    WEAR_RISK_MIN,
    Answer,
    Reading,
    answer,
    boundary,
    quantities,
)

# The range of a plausible reading, in the units of `Reading`. A little wider than the real table's own.
RANGES = {
    "air_dk": (2940, 3060),
    "gap_dk": (70, 126),
    "speed_rpm": (1150, 2950),
    "torque_dnm": (30, 800),
    "wear_min": (0, 260),
}
NEAR_SHARE, TYPICAL_SHARE = 0.55, 0.2  # the rest is broad
LIMITS = 6  # of `rules.quantities`
TRIES_MAX = 10_000  # a class that cannot be drawn is a bug of the proposals, not bad luck
BESIDE, BEYOND = 0.1, 0.6  # how far from a limit readings are drawn, in shares of the limit


def draw(rng: random.Random, wanted: Answer, near: float = NEAR_SHARE) -> Reading:
    """A reading to which the rules answer `wanted`, never a boundary row."""
    for _ in range(TRIES_MAX):
        style = rng.random()
        if style < near:
            reading = _near(rng, wanted)
        elif style < near + TYPICAL_SHARE:
            reading = _typical(rng)
        else:
            reading = _broad(rng, wanted)
        if reading and answer(reading) is wanted and not boundary(reading):
            return reading
    raise RuntimeError(f"no reading for {wanted} in {TRIES_MAX} draws")


def draw_near(rng: random.Random, share: Fraction) -> Reading:
    """A reading within `share` of a limit, each limit alike, whatever the rules answer to it; never a boundary row."""
    limit = rng.randrange(LIMITS)
    for _ in range(TRIES_MAX):
        reading = _at(rng, limit, 1 + rng.uniform(-1, 1) * float(share))
        if reading and not boundary(reading):
            quantity, at = quantities(reading)[limit]
            if abs(quantity - at) <= share * at:
                return reading
    raise RuntimeError(f"no reading beside limit {limit} in {TRIES_MAX} draws")


def _at(rng: random.Random, limit: int, share: float) -> Reading | None:
    """About this share of one of the limits of `rules.quantities`; a rule of two limits is near its other one too, half
    the time."""
    speed, slow = _within(rng, "speed_rpm"), rng.random() < 0.5
    if limit == 0:
        if slow:
            speed = rng.randint(RANGES["speed_rpm"][0], HEAT_SPEED_MIN_RPM + 20)
        return _reading(rng, gap_dk=round(share * HEAT_GAP_MIN_DK), speed_rpm=speed)
    if limit == 1:
        gap = HEAT_GAP_MIN_DK + rng.randint(-10, 10) if slow else _within(rng, "gap_dk")
        return _reading(rng, speed_rpm=round(share * HEAT_SPEED_MIN_RPM), gap_dk=gap)
    if limit in (2, 3):
        power_w = share * (POWER_MIN_W if limit == 2 else POWER_MAX_W)
        return _reading(rng, speed_rpm=speed, torque_dnm=round(power_w * 1e6 / (speed * RAD_PER_S_PER_RPM_E5)))
    if limit == 4:
        grade, wear = rng.choice("LMH"), rng.randint(130, RANGES["wear_min"][1])
        return _reading(rng, grade=grade, wear_min=wear, torque_dnm=round(share * STRAIN_MAX_MIN_NM[grade] / wear * 10))
    return _reading(rng, wear_min=round(share * WEAR_RISK_MIN))


def draw_anywhere(rng: random.Random) -> Reading:
    """A reading anywhere in the range, whatever the rules answer to it; never a boundary row."""
    return next(reading for reading in iter(lambda: _reading(rng), ()) if reading and not boundary(reading))


def draw_worn(rng: random.Random, wanted: Answer) -> Reading:
    """As `draw`, with a tool in the band in which it may fail, or a little short of it: there the band decides."""
    low, high = WEAR_BAND_MIN
    low -= low // 10
    return next(reading for reading in iter(lambda: draw(rng, wanted), None) if low <= reading.wear_min <= high)


def _broad(rng: random.Random, wanted: Answer) -> Reading | None:
    return _several(rng, BEYOND) if wanted is Answer.SEVERAL else _reading(rng)


def _typical(rng: random.Random) -> Reading | None:
    torque = round(rng.gauss(400, 110))
    power_w = rng.gauss(6300, 1300)
    speed = round(power_w * 1e6 / (max(torque, 1) * RAD_PER_S_PER_RPM_E5))
    return _reading(rng, speed_rpm=speed, torque_dnm=torque)


def _near(rng: random.Random, wanted: Answer) -> Reading | None:
    """Beside a limit, on either side: that of `wanted`, of several at once, or of any where no rule holds."""
    if wanted is Answer.SEVERAL:
        return _several(rng, BESIDE)
    if wanted in FAILURES:
        return _beside(rng, {wanted: BESIDE})
    limit = rng.choice((*FAILURES, Answer.WEAR))
    if wanted is Answer.WEAR and limit is not Answer.WEAR:  # beside a rule's limit, and worn too
        return _beside(rng, {limit: BESIDE}, wear_min=rng.randint(WEAR_RISK_MIN, RANGES["wear_min"][1]))
    return _beside(rng, {limit: BESIDE})


def _several(rng: random.Random, first: float) -> Reading | None:
    """About the limits of two rules or of all three: one within `first`, each other beside its limit or well beyond."""
    limits = rng.sample(FAILURES, 3 if rng.random() < 0.2 else 2)
    return _beside(rng, {limit: rng.choice((BESIDE, BEYOND)) if place else first for place, limit in enumerate(limits)})


def _beside(rng: random.Random, widths: dict[Answer, float], **fixed: Any) -> Reading | None:
    """Within so many shares of each limit, on either side. What one limit fixes holds for those after it."""

    def off(limit: Answer) -> float:
        return 1 + rng.triangular(-widths[limit], widths[limit], 0.0)

    if Answer.HEAT in widths:
        fixed["gap_dk"] = HEAT_GAP_MIN_DK + round(rng.triangular(-10, 10, 0))
        fixed["speed_rpm"] = round(off(Answer.HEAT) * HEAT_SPEED_MIN_RPM)
    if Answer.POWER in widths:
        power_w = rng.choice((POWER_MIN_W, POWER_MAX_W)) * off(Answer.POWER)
        speed = fixed.setdefault("speed_rpm", _within(rng, "speed_rpm"))
        fixed["torque_dnm"] = round(power_w * 1e6 / (speed * RAD_PER_S_PER_RPM_E5))
    if Answer.STRAIN in widths:
        strain = STRAIN_MAX_MIN_NM[fixed.setdefault("grade", rng.choice("LMH"))] * off(Answer.STRAIN)
        if "torque_dnm" in fixed:
            fixed["wear_min"] = round(strain / max(fixed["torque_dnm"], 1) * 10)
        else:
            wear = fixed.setdefault("wear_min", rng.randint(130, RANGES["wear_min"][1]))
            fixed["torque_dnm"] = round(strain / wear * 10)
    if Answer.WEAR in widths:
        fixed["wear_min"] = round(off(Answer.WEAR) * WEAR_RISK_MIN)
    return _reading(rng, **fixed)


def _reading(rng: random.Random, **fixed: Any) -> Reading | None:
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
