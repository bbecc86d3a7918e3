"""Questions about control charts that a person must answer: incomplete, impossible, or of another kind. Generated, and
called so.

A closed answer set alone would be confidently wrong on these; here the student learns to say so. Judges no series.
"""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Callable
from typing import Any

from .. import unrelated
from ..generator import Said
from . import phrasing, sampling
from .phrasing import LINES
from .rules import (
    READINGS_MAX,
    READINGS_MIN,
    RULES,
    UNREAD,
    Answer,
    GeneratedText,
    Series,
    few,
    impossible,
    missing,
    other_kind,
    unreadable,
)

UNKNOWN = {"en": ("?", "-", "n/a", "err", "---", "unknown"), "ja": ("?", "-", "欠測", "---", "測定不可", "不明")}
GARBLED_SHARE = 0.4  # of the unreadable readings have one digit that is none
GARBLE = "?xOl#*"
OTHER_LEN_MAX = 120  # characters of a question of another kind


def draw(rng: random.Random, lang: str, near: bool, kind: str | None = None) -> Said:
    """A question for a person, of this kind or any; `near` sets it beside what could be answered, where that has a
    meaning."""
    kind = kind or rng.choices(list(KINDS), _WEIGHTS)[0]
    question, why = KINDS[kind](rng, lang, near)
    return Said(question, Answer.PERSON.value, why, kind=kind)


def no_lines(rng: random.Random, lang: str, near: bool) -> tuple[str, str]:
    """The centre line or a limit left out, or named without a value; near: one of them only."""
    form, about, written = _any(rng, lang)
    gone = rng.sample(LINES, 1 if near or rng.random() < 0.5 else rng.randint(2, len(LINES)))
    unread: dict[str, Any] = dict.fromkeys(gone, UNREAD)
    written = dataclasses.replace(written, **unread)
    blank = rng.choice(UNKNOWN[lang]) if rng.random() < 0.35 else None
    question = phrasing.ask(rng, form, about, written, blank).lstrip(" ,.;、。\n")
    return question, missing(written, [line for line in LINES if line in gone], lang)


def too_few(rng: random.Random, lang: str, near: bool) -> tuple[str, str]:
    """Fewer readings than a run takes; near: one fewer."""
    form, about, written = _any(rng, lang)
    count = READINGS_MIN - 1 if near else rng.randint(2, READINGS_MIN - 2)
    written = dataclasses.replace(written, readings=written.readings[-count:])
    return phrasing.ask(rng, form, about, written), few(written, lang)


def no_reading(rng: random.Random, lang: str, near: bool) -> tuple[str, str]:
    """A reading that is no number; near: one digit of it is none."""
    form, about, written = _any(rng, lang)
    place = rng.randrange(len(written.readings))
    blank = rng.choice(UNKNOWN[lang])
    if near or rng.random() < GARBLED_SHARE:
        reading = written.readings[place]
        at = rng.choice([at for at, c in enumerate(reading) if c.isdigit()])
        blank = reading[:at] + rng.choice(GARBLE) + reading[at + 1 :]
    readings = (*written.readings[:place], UNREAD, *written.readings[place + 1 :])
    written = dataclasses.replace(written, readings=readings)
    return phrasing.ask(rng, form, about, written, blank), unreadable(written, lang)


def impossible_lines(rng: random.Random, lang: str, near: bool) -> tuple[str, str]:
    """Limits swapped, or the centre line not between them; near: the centre line on a limit or one unit beyond."""
    series = _any_series(rng)
    centre, upper, lower = series.centre, series.upper, series.lower
    if not near and rng.random() < 0.5:
        upper, lower = lower, upper
    else:
        off = rng.choice((0, 1)) if near else rng.randint(1, upper - lower)
        centre = min(upper + off, sampling.VALUE_MAX) if rng.random() < 0.5 else max(lower - off, 1)
    form, about = phrasing.pick(rng, lang), phrasing.chart(rng, lang)
    written = phrasing.write(Series(centre, upper, lower, series.readings), about.decimals)
    return phrasing.ask(rng, form, about, written), impossible(written, lang)


def other(rng: random.Random, lang: str, near: bool) -> tuple[str, str]:
    """A question of another kind, or none at all; near: about charts, or with readings such as a chart's."""
    if near or rng.random() < 0.6:
        return rng.choice((_about_charts, _tolerance, _with_readings))(rng, lang), other_kind(lang)
    while True:  # languages are drawn alike there, and most questions are short
        question, said = unrelated.draw(rng)
        if said == lang and len(question) <= OTHER_LEN_MAX:
            return question, other_kind(lang)


def _any_series(rng: random.Random) -> Series:
    return sampling.draw(
        rng, rng.choice((Answer.NONE, *RULES)), rng.randint(READINGS_MIN, READINGS_MAX), near=rng.random() < 0.5
    )


def _any(rng: random.Random, lang: str) -> tuple[phrasing.Form, phrasing.Chart, GeneratedText]:
    about = phrasing.chart(rng, lang)
    return phrasing.pick(rng, lang), about, phrasing.write(_any_series(rng), about.decimals)


def _about_charts(rng: random.Random, lang: str) -> str:
    return rng.choice(_ABOUT_CHARTS[lang])


def _tolerance(rng: random.Random, lang: str) -> str:
    """Limits of the drawing, not of the chart: whether parts pass is another question than whether the process is
    steady."""
    _, about, w = _any(rng, lang)
    return rng.choice(_TOLERANCE[lang]).format(
        thing=about.thing,
        unit=about.unit,
        centre=w.centre,
        upper=w.upper,
        lower=w.lower,
        readings=", ".join(w.readings),
    )


def _with_readings(rng: random.Random, lang: str) -> str:
    _, about, w = _any(rng, lang)
    return rng.choice(_WITH_READINGS[lang]).format(thing=about.thing, unit=about.unit, readings=", ".join(w.readings))


_ABOUT_CHARTS = {
    "en": (
        "What does UCL mean?",
        "Which rule is the run rule?",
        "Who drew this control chart?",
        "How many points are a trend?",
        "Print the chart of line 3.",
        "Where is the X-bar R chart kept?",
        "What is the difference between Cp and Cpk?",
        "Why do we use three sigma?",
        "The chart says out of control. What should I do?",
        "Which gauge was used?",
        "When were the limits last computed?",
        "How often must we measure?",
        "Reset the control limits.",
        "Explain the Western Electric rules.",
    ),
    "ja": (
        "UCLとは何ですか？",
        "連の判定基準は？",
        "この管理図は誰が描いたか？",
        "何点続けば傾向か？",
        "3号ラインの管理図を印刷して。",
        "Xbar-R管理図はどこにあるか？",
        "CpとCpkの違いは？",
        "なぜ3σを使うのか？",
        "管理図が管理外れになった。どうすればよいか？",
        "管理限界はいつ計算したか？",
        "どの測定器を使ったか？",
        "測定の頻度は？",
        "管理限界を引き直して。",
        "管理図の異常判定ルールを説明して。",
    ),
}
_TOLERANCE = {
    "en": (
        "Nominal {centre}, USL {upper}, LSL {lower} {unit}. Readings {readings}. Within tolerance?",
        "{thing} spec {lower} to {upper} {unit}: {readings}. Pass or fail?",
        "Drawing: {centre} {unit}, max {upper}, min {lower}. Parts {readings}. Scrap?",
    ),
    "ja": (
        "規格中心 {centre}、規格上限 {upper}、規格下限 {lower} {unit}。測定値 {readings}。規格内か？",
        "{thing}の公差 {lower}～{upper} {unit}。実測 {readings}。合否は？",
        "図面寸法 {centre}、最大 {upper}、最小 {lower}。{readings}。不良か？",
    ),
}
_WITH_READINGS = {
    "en": (
        "Compute the control limits of {readings} {unit}.",
        "What is the mean of {readings}?",
        "Sort {readings}.",
        "{thing} {readings} {unit}. What is Cpk?",
        "Standard deviation of {readings} {unit}?",
        "Predict the next of {readings}.",
    ),
    "ja": (
        "{readings} {unit} の管理限界を計算して。",
        "{readings} の平均は？",
        "{readings} を小さい順に並べて。",
        "{thing} {readings} {unit}。Cpkは？",
        "{readings} {unit} の標準偏差は？",
        "{readings} の次の値を予測して。",
    ),
}

KINDS: dict[str, Callable[[random.Random, str, bool], tuple[str, str]]] = {
    "no-lines": no_lines,
    "few": too_few,
    "unreadable": no_reading,
    "impossible": impossible_lines,
    "other": other,
}
_WEIGHTS = (0.25, 0.25, 0.15, 0.2, 0.15)
