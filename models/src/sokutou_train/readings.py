"""What a task reads: a value for each of its fields, or the readings of a chart. Data of a bundle's manifest, by which
the runtime reads a question exactly, so that the student is asked in one canonical wording alone.

Reads no question itself. Numbers are decimals as texts, so that binary floating point decides no limit. What each key
means stands at the runtime's types in `src/bundle/declaration.rs`; keys with its defaults are left out.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

Bilingual = Mapping[str, str]  # by language


def names(text: str) -> tuple[str, ...]:
    """Of a table of names with `|` between them."""
    return tuple(" ".join(name.split()) for name in text.split("|"))


@dataclass(frozen=True)
class Unit:
    """Value in the field's own unit = (number + shift) * factor / divisor."""

    names: tuple[str, ...]  # the first is how it is written back
    shift: str = "0"
    factor: str = "1"
    divisor: str = "1"
    then: str | None = None  # the smaller unit that may follow it, as in 3 h 20 min


@dataclass(frozen=True)
class Quantity:
    """A number with a unit."""

    units: tuple[Unit, ...]  # the first is the field's own, in which everything else here is
    resolution: str  # the student is told whole multiples of it
    min: str  # the range that the student was taught
    max: str
    clock: bool = False  # h:mm and h:mm:ss are minutes


@dataclass(frozen=True)
class Word:
    """One of the words that a field may have."""

    text: str
    code: int  # stands for it in a frame of numbers
    aliases: tuple[str, ...] = ()


@dataclass(frozen=True)
class Field:
    id: str
    name: Bilingual
    aliases: tuple[str, ...]  # in either language; the id and the name need not be among them
    value: Quantity | tuple[Word, ...]

    def manifest(self) -> dict[str, Any]:
        value = {"number": plain(self.value)} if isinstance(self.value, Quantity) else {"words": plain(self.value)}
        return {**plain(self), "value": value}


@dataclass(frozen=True)
class Range:
    """What follows from several fields, and must lie in the range that the student was taught."""

    name: Bilingual
    expression: str
    unit: str
    min: str
    max: str


@dataclass(frozen=True)
class Limit:
    """Where the rules change their mind."""

    expression: str
    at: str
    when: Mapping[str, str] = dataclasses.field(default_factory=dict)


@dataclass(frozen=True)
class Fields:
    """A value for each field."""

    canonical: Bilingual  # with `{id}` where a field's value goes
    fields: tuple[Field, ...]
    checks: tuple[Range, ...]
    limits: tuple[Limit, ...]
    near: str  # a question within this share of a limit is near it

    def manifest(self) -> dict[str, Any]:
        return {"fields": {**plain(self), "fields": [field.manifest() for field in self.fields]}}


@dataclass(frozen=True)
class Line:
    """What a line of a chart is called, or what introduces its readings."""

    name: Bilingual
    aliases: tuple[str, ...]


@dataclass(frozen=True)
class Series:
    """A chart: three lines and its latest readings."""

    canonical: Bilingual  # with `{readings}`
    separator: Bilingual  # between two readings
    centre: Line
    upper: Line
    lower: Line
    readings: Line
    count: tuple[int, int]  # fewest and most readings
    window: int  # the student is asked about so many at once; more are asked in overlapping windows
    anywhere: tuple[str, ...]  # answers that count in whichever window, all others only in the latest
    normal: Mapping[str, int]  # the places to which a chart is scaled: centre, way to a limit, zone
    near: str  # near an edge: a reading within this share of the way from the centre to a limit, of a line

    def manifest(self) -> dict[str, Any]:
        return {"series": plain(self)}


Readings = Fields | Series


def plain(value: Any) -> Any:
    """As JSON: dataclasses as objects without the keys that say the runtime's default."""
    if dataclasses.is_dataclass(value):
        said = {
            field.name: getattr(value, field.name)
            for field in dataclasses.fields(value)
            if getattr(value, field.name) != _default(field)
        }
        return plain(said)
    if isinstance(value, Mapping):
        return {key: plain(one) for key, one in value.items()}
    return [plain(one) for one in value] if isinstance(value, tuple) else value


def _default(field: dataclasses.Field[Any]) -> object:
    return field.default_factory() if callable(field.default_factory) else field.default
