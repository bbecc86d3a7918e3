"""Draws series for the rule teacher: verdicts balanced, many beside an edge on purpose. Words nothing, judges nothing
itself.

A verdict is proposed by shaping readings scattered as a steady process scatters them (sigma a third of the way to a
limit), and kept when the rules give it. Plain series stay away from every edge by chance alone; near ones are put
there: a reading on a limit or one unit beside it, a run of 7 or one broken by a reading on the centre line, a trend of
5 or one broken by two equal readings, one reading of three on the two sigma line. Some plain ones are as coarse as a
gauge whose steps are wide for its chart, with many equal readings, or have moved as a whole, so that several rules
fire. All of it is generated.
"""

from __future__ import annotations

import random

from .rules import RUN_LEN, TREND_LEN, ZONE_LEN, Answer, Series, verdict

# In the last place that a question writes, so that a number has two or three digits.
CENTRES = ((24, 75), (110, 650))
WAY_MIN, WAY_SHARES = 9, (0.08, 0.5)  # from the centre to a limit: least, and as a share of the centre
VALUE_MAX = 999
SKEW_SHARE = 0.15  # of the charts have limits that rounding left one unit apart
COARSE_SHARE, GRAINS = 0.2, (5, 10)  # of the plain series are read to so many units
MOVED_SHARE, MOVES = (
    0.3,
    (0.4, 2.0),
)  # of the plain series beyond a limit have moved as a whole, by so many ways to the limit
ENDED_SHARE = 0.2  # of the runs and trends that fall short have ended one reading before the latest
TRIES_MAX = 10_000  # a verdict that cannot be drawn is a bug of the proposals, not bad luck

Lines = tuple[int, int, int]  # centre, upper and lower limit


def draw(rng: random.Random, answer: Answer, count: int, near: bool) -> Series:
    """A series of `count` readings whose verdict is `answer`, set beside an edge if `near`."""
    for _ in range(TRIES_MAX):
        series = _proposal(rng, answer, count, near)
        if min(series.readings) >= 0 and max(*series.readings, series.upper) <= VALUE_MAX and verdict(series) is answer:
            return series
    raise RuntimeError(f"no series for {answer} in {TRIES_MAX} draws")


def lines(rng: random.Random) -> Lines:
    centre = rng.randint(*rng.choice(CENTRES))
    low, high = (round(share * centre) for share in WAY_SHARES)
    way = rng.randint(max(low, WAY_MIN), max(high, WAY_MIN))
    skew = rng.choice((-1, 1)) if rng.random() < SKEW_SHARE else 0
    return centre, centre + way + skew, centre - way


def _proposal(rng: random.Random, answer: Answer, count: int, near: bool) -> Series:
    centre, upper, lower = lines(rng)
    readings = [_steady(rng, centre, upper) for _ in range(count)]
    shape = answer if answer in _SHAPES else rng.choice(list(_SHAPES)) if near else None
    if shape:
        _SHAPES[shape](rng, readings, (centre, upper, lower), near, answer is shape)
    if not near and rng.random() < COARSE_SHARE:
        grain = rng.choice(GRAINS)
        readings = [(reading + grain // 2) // grain * grain for reading in readings]
    return Series(centre, upper, lower, tuple(readings))


def _steady(rng: random.Random, centre: int, upper: int, sigmas: float = 1.0) -> int:
    return centre + round(rng.gauss(0, sigmas * (upper - centre) / 3))


def _limit(rng: random.Random, readings: list[int], chart: Lines, near: bool, fires: bool) -> None:
    """A reading beyond a limit; near: on the first unit beyond, or on the limit or the first units within."""
    centre, upper, lower = chart
    up = rng.random() < 0.5
    if not near and rng.random() < MOVED_SHARE:
        move = round((upper - centre) * rng.uniform(*MOVES)) * (1 if up else -1)
        readings[:] = [reading + move for reading in readings]
        return
    if not near:
        off = rng.randint(1, max(1, (upper - centre) // 2))
    else:
        off = rng.choice((1, 1, 2)) if fires else rng.choice((0, 0, -1, -2))
    readings[rng.randrange(len(readings))] = upper + off if up else lower - off


def _run(rng: random.Random, readings: list[int], chart: Lines, near: bool, fires: bool) -> None:
    """The last eight on one side; near: one of them beside the centre line, or all but one, which may be on it, or a
    run that ended."""
    centre, upper, _ = chart
    side = rng.choice((-1, 1))
    ended = near and not fires and len(readings) > RUN_LEN and rng.random() < ENDED_SHARE
    for place in range(len(readings) - RUN_LEN - ended, len(readings) - ended):
        readings[place] = centre + side * (abs(_steady(rng, 0, upper - centre)) + 1)
    if near and not ended:
        # A run of seven is the commonest way to fall short.
        place = rng.randrange(RUN_LEN) if fires or rng.random() < 0.4 else 0
        readings[place - RUN_LEN] = centre + side * (1 if fires else rng.choice((0, 0, -1, -2)))


def _trend(rng: random.Random, readings: list[int], chart: Lines, near: bool, fires: bool) -> None:
    """The last six rising or falling; near: one step of a single unit, or one step level, or five only, or a trend that
    ended."""
    centre, upper, _ = chart
    way = rng.choice((-1, 1))
    last = sorted((_steady(rng, centre, upper, 1.3) for _ in range(TREND_LEN)), reverse=way < 0)
    ended = near and not fires and rng.random() < ENDED_SHARE
    if near and not ended:
        # Five in a row are the commonest way to fall short.
        place = rng.randrange(1, TREND_LEN) if fires or rng.random() < 0.4 else 1
        last[place - 1] = last[place] - way * (1 if fires else rng.choice((0, 0, -1, -2)))
    readings[len(readings) - TREND_LEN - ended : len(readings) - ended] = last


def _zone(rng: random.Random, readings: list[int], chart: Lines, near: bool, fires: bool) -> None:
    """The latest and one of the two before it beyond two sigma; near: one of them just beyond, or one on the line, just
    inside, on the other side, or the two that are beyond not the latest."""
    centre, upper, lower = chart
    side = rng.choice((-1, 1))
    way = upper - centre if side > 0 else centre - lower
    line = way * 2 // 3  # the last unit inside
    places = [-1, rng.choice((-2, -3))]
    off = [rng.randint(1, max(1, way - line)) for _ in places]
    if near and fires:
        off[rng.randrange(2)] = 1
    elif near:
        place, style = rng.randrange(2), rng.random()
        if style < 0.6:
            off[place] = rng.choice((0, 0, -1))
        elif style < 0.8:
            readings[places[0]] = centre + side * (line + off[0])
            readings[places[1]] = centre - side * (line + off[1])
            return
        else:
            places = [-2, -ZONE_LEN]
    for place, beyond in zip(places, off, strict=False):
        readings[place] = centre + side * (line + beyond)


_SHAPES = {Answer.LIMIT: _limit, Answer.RUN: _run, Answer.TREND: _trend, Answer.ZONE: _zone}
