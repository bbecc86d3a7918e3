"""The rule teacher of the task `sensor-modes`: an asset's rows and what its sensors did in, answer and exact rationale
out.

A row names a failure mode and the sensors that respond to it. A mode FITS an observation when its row holds every
sensor that responded and none that stayed quiet: the mode explains all that is seen, and nothing it would have moved is
still. A sensor that nobody reports decides nothing; where all are reported, to fit is to be equal. One failure at a
time is assumed, as a first look does. `cannot tell` is right where no mode fits or several do, where the rows needed
are missing, and for any other question.

Knows no vocabulary, draws nothing and words no question: `sampling` draws cases, `phrasing` words them.
"""

from __future__ import annotations

import enum
import string
from dataclasses import dataclass

TASK_ID = "sensor-modes"

CANNOT_TELL = {"en": "cannot tell", "ja": "判別できない"}  # the last choice of every question


class Kind(enum.Enum):
    """What is asked; the value is its name in a pair's `kind`."""

    SIGNATURE = "signature"  # which failure mode fits what responded?
    SENSOR = "relevant sensor"  # which of the choices responds to a mode?
    NOT_SENSOR = "irrelevant sensor"
    MODE = "relevant mode"  # which of the choices makes a sensor respond?
    NOT_MODE = "irrelevant mode"
    OTHER = "other"  # the rows do not say


OF_SENSORS = (Kind.SENSOR, Kind.NOT_SENSOR)  # their choices are sensors; all others' are modes
OF_MODES = (Kind.MODE, Kind.NOT_MODE)


@dataclass(frozen=True)
class Row:
    mode: str
    sensors: tuple[str, ...]  # those that respond to the mode, in the order written


@dataclass(frozen=True)
class Case:
    """All that a question says, each list in the order it is written."""

    kind: Kind
    rows: tuple[Row, ...]
    choices: tuple[str, ...]  # without `cannot tell`
    responded: tuple[str, ...] = ()
    quiet: tuple[str, ...] = ()
    asked: str = ""  # the mode of `OF_SENSORS`, the sensor of `OF_MODES`

    @property
    def row(self) -> Row | None:
        """Of the mode that a question about sensors asks for."""
        return next((row for row in self.rows if row.mode == self.asked), None)

    @property
    def asked_row(self) -> Row:
        """The same. Raises `ValueError` where the question has no such row."""
        if self.row is None:
            raise ValueError(f"the case has no row of {self.asked!r}")
        return self.row

    @property
    def lacks_rows(self) -> bool:
        return self.row is None if self.kind in OF_SENSORS else not self.rows

    @property
    def compared(self) -> int:
        """The difficulty: comparisons that the rationale makes, one for each choice but `cannot tell`. A question about
        modes has a row for each choice."""
        return len(self.choices)


def fits(row: Row, responded: tuple[str, ...], quiet: tuple[str, ...]) -> bool:
    return set(responded) <= set(row.sensors) and not set(quiet) & set(row.sensors)


def fitting(case: Case) -> list[str]:
    """The choices that answer the question, in the order that the rationale compares them."""
    match case.kind:
        case Kind.SIGNATURE:
            return [row.mode for row in case.rows if fits(row, case.responded, case.quiet)]
        case Kind.MODE | Kind.NOT_MODE:
            return [row.mode for row in case.rows if (case.asked in row.sensors) == (case.kind is Kind.MODE)]
        case Kind.SENSOR | Kind.NOT_SENSOR if case.row:
            return [name for name in case.choices if (name in case.row.sensors) == (case.kind is Kind.SENSOR)]
    return []


def answer(case: Case) -> str:
    """The letter of the one choice that fits, or of `cannot tell` behind them."""
    found = fitting(case)
    return string.ascii_uppercase[case.choices.index(found[0]) if len(found) == 1 else len(case.choices)]


def texts(case: Case, lang: str) -> tuple[str, ...]:
    """The choices as a pair lists them."""
    return *case.choices, CANNOT_TELL[lang]


@dataclass(frozen=True)
class Wording:
    """What a rationale is made of. No `=` in it, which the calculator would take for its own, and nothing that NFKC
    changes."""

    comma: str
    stop: str  # of the first sentence; the others bring their own
    gap: str  # between sentences
    responded: str
    quiet: str
    asks: dict[Kind, str]
    signature: str  # a row, and what is said of it
    choice: str  # a sensor, and what is said of it
    fits: str
    is_quiet: str  # why a row does not fit
    not_explained: str
    no: str
    held: dict[bool, str]  # is a choice in the asked row?
    no_rows: str
    no_row: str
    other: str
    none: str
    several: str
    so: str


WORDINGS = {
    "en": Wording(
        comma=", ",
        stop=".",
        gap=" ",
        responded="Responded: {sensors}",
        quiet="; quiet: {sensors}",
        asks={
            Kind.SENSOR: "Of {asked}: {sensors}.",
            Kind.NOT_SENSOR: "Not of {asked}: {sensors}.",
            Kind.MODE: "With {asked}.",
            Kind.NOT_MODE: "Without {asked}.",
        },
        signature="{mode}: {sensors}; {said}.",
        choice="{sensor}: {held}, {said}.",
        fits="fits",
        is_quiet="{sensor} quiet, no",
        not_explained="{sensor} not in row, no",
        no="no",
        held={True: "in row", False: "not in row"},
        no_rows="No rows given.",
        no_row="No row of {asked}.",
        other="The rows do not say this.",
        none="None fits.",
        several="Fit: {modes}.",
        so="So {text}, {letter}.",
    ),
    "ja": Wording(
        comma="、",
        stop="。",
        gap="",
        responded="反応: {sensors}",
        quiet="; 無反応: {sensors}",
        asks={
            Kind.SENSOR: "{asked}の行: {sensors}。",
            Kind.NOT_SENSOR: "{asked}の行以外: {sensors}。",
            Kind.MODE: "{asked}を含む行。",
            Kind.NOT_MODE: "{asked}を含まない行。",
        },
        signature="{mode}: {sensors}; {said}。",
        choice="{sensor}: {held}、{said}。",
        fits="該当",
        is_quiet="{sensor}は無反応、非該当",
        not_explained="{sensor}は行にない、非該当",
        no="非該当",
        held={True: "行にある", False: "行にない"},
        no_rows="行がない。",
        no_row="{asked}の行がない。",
        other="行からは分からない。",
        none="該当なし。",
        several="該当: {modes}。",
        so="よって{text}、{letter}。",
    ),
}


def recital(case: Case, lang: str) -> str:
    """What the question says, copied: the first sentence of every rationale that reads the rows."""
    w = WORDINGS[lang]
    if case.kind is Kind.SIGNATURE:
        said = w.responded.format(sensors=w.comma.join(case.responded))
        return said + (w.quiet.format(sensors=w.comma.join(case.quiet)) if case.quiet else "") + w.stop
    return w.asks[case.kind].format(asked=case.asked, sensors=w.comma.join(case.row.sensors if case.row else ()))


def rationale(case: Case, lang: str) -> str:
    """The recital, a sentence for each comparison in the order of the rows (of the choices, where they are sensors),
    what fits where that is not one, and the conclusion: the choice's text, then its letter."""
    w, found = WORDINGS[lang], fitting(case)
    if case.kind is Kind.OTHER:
        said = [w.other]
    elif case.lacks_rows and case.kind in OF_SENSORS:
        said = [w.no_row.format(asked=case.asked)]
    elif case.lacks_rows:
        said = [recital(case, lang), w.no_rows]
    else:
        said = [recital(case, lang), *_comparisons(case, w)]
        if len(found) != 1:
            said.append(w.several.format(modes=w.comma.join(found)) if found else w.none)
    letter = answer(case)
    text = texts(case, lang)[string.ascii_uppercase.index(letter)]
    return w.gap.join([*said, w.so.format(text=text, letter=letter)])


def _comparisons(case: Case, w: Wording) -> list[str]:
    found = fitting(case)
    if case.kind in OF_SENSORS:
        sensors = case.asked_row.sensors
        return [
            w.choice.format(sensor=name, held=w.held[name in sensors], said=w.fits if name in found else w.no)
            for name in case.choices
        ]
    return [
        w.signature.format(
            mode=row.mode,
            sensors=w.comma.join(row.sensors),
            said=w.fits if row.mode in found else _why_not(case, row, w),
        )
        for row in case.rows
    ]


def _why_not(case: Case, row: Row, w: Wording) -> str:
    """Names the first sensor that speaks against a row: one that responded unexplained, else one of the row that stayed
    quiet."""
    if case.kind in OF_MODES:
        return w.no
    if unexplained := [sensor for sensor in case.responded if sensor not in row.sensors]:
        return w.not_explained.format(sensor=unexplained[0])
    return w.is_quiet.format(sensor=next(sensor for sensor in row.sensors if sensor in case.quiet))
