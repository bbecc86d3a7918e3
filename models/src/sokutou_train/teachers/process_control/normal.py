"""The one form in which a student is asked about a series: lines at 50, 80 and 20, readings from 1 to 99.

The rules compare each reading with the lines and with the reading before it, and nothing else. So a map that keeps
every such comparison keeps the verdict, whatever the unit, the offset and the decimals: the lines go to fixed places,
each side of the centre is scaled to its own limit, and two readings that would meet are set one apart. The runtime does
the same before it asks (`src/readings/normal.rs`); both pass the cases in `tests/data/normal_series.json`.
"""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction

from .rules import LIMIT_SIGMAS, ZONE_SIGMAS, Series

CENTRE, UPPER, LOWER = 50, 80, 20
WAY = UPPER - CENTRE
ZONE = WAY * ZONE_SIGMAS // LIMIT_SIGMAS  # from the centre to the two sigma line
HIGHEST = 2 * CENTRE - 1


class TooFineError(ValueError):
    """More readings between two lines than there are places."""


def normal(s: Series) -> Series:
    """The series with its lines at their places. Raises `TooFineError` where a comparison would be lost."""
    places: dict[int, int] = {}
    for sign in (1, -1):
        way = (s.upper - s.centre) if sign > 0 else (s.centre - s.lower)
        off = sorted({sign * (reading - s.centre) for reading in s.readings if sign * (reading - s.centre) > 0})
        for reading, place in _side(off, way):
            places[s.centre + sign * reading] = CENTRE + sign * place
    readings = tuple(places.get(reading, CENTRE) for reading in s.readings)
    return Series(CENTRE, UPPER, LOWER, readings)


def _side(off: list[int], way: int) -> Iterator[tuple[int, int]]:
    """Distances from the centre, ascending, with their places: 1 to `ZONE` inside the two sigma line, and so on."""
    zone = Fraction(way * ZONE_SIGMAS, LIMIT_SIGMAS)
    for low, high, first, last in (
        (Fraction(0), zone, 1, ZONE - 1),
        (zone, Fraction(way), ZONE + 1, WAY - 1),
        (Fraction(way), None, WAY + 1, HIGHEST - CENTRE),
    ):
        between = [one for one in off if one > low and (high is None or one < high)]
        yield from zip(between, _apart(between, way, first, last), strict=True)
        yield from ((one, last + 1) for one in off if one == high)


def _apart(off: list[int], way: int, first: int, last: int) -> list[int]:
    """The nearest places from `first` to `last`, each its own."""
    places: list[int] = []
    for one in off:
        nearest = min(max(_half_up(Fraction(one * WAY, way)), first), last)
        places.append(max(nearest, places[-1] + 1) if places else nearest)
    for at in range(len(places) - 1, -1, -1):
        places[at] = min(places[at], places[at + 1] - 1 if at + 1 < len(places) else last)
    if places and places[0] < first:
        raise TooFineError(f"{len(places)} readings for {last - first + 1} places")
    return places


def _half_up(value: Fraction) -> int:
    return (2 * value.numerator + value.denominator) // (2 * value.denominator)
