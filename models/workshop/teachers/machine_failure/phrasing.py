"""Words a reading as a question: English, Japanese and the terse style of machines, with unit and order variation.

A form is data: to add a phrasing, add a `Form`, or a part to those that `compose` draws from; nothing else changes. Decides no
answer and draws no reading.
"""

from __future__ import annotations

import random
import re
from dataclasses import dataclass, field

from .rules import Reading, Written

FIELDS = ("grade", "air", "process", "speed", "torque", "wear")
CELSIUS_OFFSET_DK = 2731  # 273.1, so that a temperature in °C keeps one decimal; both temperatures shift alike


@dataclass(frozen=True)
class Form:
    """One way to ask. `parts` follow `FIELDS`; `{v}` is the value, `{u}` its unit."""

    name: str
    lang: str  # of the rationale: "en" or "ja"
    parts: tuple[str, str, str, str, str, str]
    separator: str
    question: str  # `{readings}` is where they go
    shuffle: bool = False  # may the readings come in any order?
    celsius: bool = True  # may temperatures come in °C?
    units: dict[str, tuple[str, ...]] = field(default_factory=dict)


_UNITS = {
    "K": ("K",), "C": ("°C", "℃"), "speed": ("rpm", "rpm", "r/min", "min-1"), "torque": ("Nm", "Nm", "N·m", "N m"),
    "wear": ("min",),
}
_JA_UNITS = _UNITS | {"wear": ("分", "分", "min")}

# The two forms the issue of the product's first page asks by; they are also how real rows are asked.
EN_MAIN = Form(
    "en-main", "en", ("Type {v}", "air {v} {u}", "process {v} {u}", "speed {v} {u}", "torque {v} {u}", "tool wear {v} {u}"),
    ", ", "{readings}. Which failure, if any?", celsius=False, units={"speed": ("rpm",), "torque": ("Nm",), "wear": ("min",)},
)
JA_MAIN = Form(
    "ja-main", "ja", ("{v}型", "空気温度 {v} {u}", "工程温度 {v} {u}", "回転数 {v} {u}", "トルク {v} {u}", "工具摩耗 {v} {u}"),
    "、", "{readings}。どの故障か？", celsius=False, units={"speed": ("rpm",), "torque": ("Nm",), "wear": ("分",)},
)

FORMS = (
    EN_MAIN,
    Form("en-labels", "en", ("Type: {v}", "Air temperature: {v} {u}", "Process temperature: {v} {u}",
         "Rotational speed: {v} {u}", "Torque: {v} {u}", "Tool wear: {v} {u}"), "; ", "{readings}. What fails?", shuffle=True),
    Form("en-lines", "en", ("type {v}", "air temp {v} {u}", "process temp {v} {u}", "rotational speed {v} {u}",
         "torque {v} {u}", "tool wear {v} {u}"), "\n", "Readings:\n{readings}\nFailure?", shuffle=True),
    Form("en-ask-first", "en", ("type {v}", "air {v} {u}", "process {v} {u}", "speed {v} {u}", "torque {v} {u}",
         "wear {v} {u}"), ", ", "Does this machine fail, and how? {readings}", shuffle=True),
    Form("en-story", "en", ("a type {v} part", "air at {v} {u}", "process at {v} {u}", "the spindle turns at {v} {u}",
         "torque is {v} {u}", "the tool has worn {v} {u}"), ", ", "We run {readings}. Is there a failure?"),
    Form("en-with", "en", ("type {v}", "an air temperature of {v} {u}", "a process temperature of {v} {u}",
         "a speed of {v} {u}", "a torque of {v} {u}", "a tool wear of {v} {u}"), " and ",
         "Machine with {readings}: which failure?", shuffle=True),
    Form("en-unit-brackets", "en", ("Type {v}", "Air temperature [{u}] {v}", "Process temperature [{u}] {v}",
         "Rotational speed [{u}] {v}", "Torque [{u}] {v}", "Tool wear [{u}] {v}"), ", ", "{readings}. Failure mode?",
         shuffle=True),
    Form("en-short", "en", ("{v}", "{v}{u} air", "{v}{u} process", "{v} {u}", "{v} {u} torque", "{v} {u} wear"), ", ",
         "{readings}: ok or failure?", units={"speed": ("rpm", "r/min")}),
    Form("en-product", "en", ("Product quality {v}", "ambient {v} {u}", "process {v} {u}", "spindle speed {v} {u}",
         "spindle torque {v} {u}", "tool used {v} {u}"), ", ", "{readings}. Diagnose.", shuffle=True),
    JA_MAIN,
    Form("ja-labels", "ja", ("タイプ:{v}", "空気温度:{v}{u}", "工程温度:{v}{u}", "回転数:{v}{u}", "トルク:{v}{u}",
         "工具摩耗:{v}{u}"), "、", "{readings}。故障モードは？", shuffle=True, units=_JA_UNITS),
    Form("ja-lines", "ja", ("型 {v}", "空気温度 {v} {u}", "プロセス温度 {v} {u}", "回転速度 {v} {u}", "トルク {v} {u}",
         "工具摩耗 {v} {u}"), "\n", "測定値\n{readings}\n故障は？", shuffle=True, units=_JA_UNITS),
    Form("ja-ask-first", "ja", ("{v}型", "気温 {v}{u}", "工程温度 {v}{u}", "回転数 {v}{u}", "トルク {v}{u}", "摩耗 {v}{u}"),
         "、", "この機械は故障するか、どの故障か。{readings}。", shuffle=True, units=_JA_UNITS),
    Form("ja-polite", "ja", ("品種は{v}", "空気温度は{v}{u}", "工程温度は{v}{u}", "回転数は{v}{u}", "トルクは{v}{u}",
         "工具摩耗は{v}{u}"), "、", "{readings}です。どの故障ですか？", shuffle=True, units=_JA_UNITS),
    Form("ja-brackets", "ja", ("タイプ {v}", "空気温度[{u}] {v}", "プロセス温度[{u}] {v}", "回転数[{u}] {v}", "トルク[{u}] {v}",
         "工具摩耗[{u}] {v}"), "、", "{readings}。判定してください。", shuffle=True, units=_JA_UNITS),
    Form("ja-spindle", "ja", ("品質{v}", "外気 {v}{u}", "加工温度 {v}{u}", "主軸回転数 {v}{u}", "主軸トルク {v}{u}",
         "工具使用時間 {v}{u}"), "、", "{readings}。異常はあるか？", shuffle=True, units=_JA_UNITS),
    Form("ja-slash", "ja", ("{v}型", "空気{v}{u}", "工程{v}{u}", "回転{v}{u}", "トルク{v}{u}", "摩耗{v}{u}"), "/",
         "{readings} 故障？", units=_JA_UNITS),
    Form("ja-terse", "ja", ("type={v}", "air={v}", "proc={v}", "rpm={v}", "torque={v}", "wear={v}"), " ", "{readings} 判定は？",
         shuffle=True),
    Form("terse-equals", "en", ("type={v}", "air={v}", "proc={v}", "rpm={v}", "torque={v}", "wear={v}"), " ", "{readings}"),
    Form("terse-colon", "en", ("type:{v}", "air:{v}", "process:{v}", "speed:{v}", "torque:{v}", "wear:{v}"), ",", "{readings}",
         shuffle=True),
    Form("terse-caps", "en", ("TYPE {v}", "AIR {v}{u}", "PROC {v}{u}", "RPM {v}", "TRQ {v}", "WEAR {v}"), " ", "{readings} ?",
         shuffle=True),
    Form("terse-json", "en", ('"type":"{v}"', '"air":{v}', '"process":{v}', '"rpm":{v}', '"torque":{v}', '"wear":{v}'), ",",
         "{{{readings}}}", shuffle=True),
    Form("terse-letters", "en", ("{v}", "Ta={v}", "Tp={v}", "n={v}", "M={v}", "w={v}"), ";", "{readings}"),
)

# Never trained on: how the student does when somebody words it another way.
HELD_OUT = (
    Form("en-held-out", "en", ("grade {v}", "air temperature {v} {u}", "process temperature {v} {u}", "running at {v} {u}",
         "torque of {v} {u}", "tool worn {v} {u}"), ", ", "Please check: {readings}. Any failure?"),
    Form("ja-held-out", "ja", ("タイプは{v}", "空気温度が{v} {u}", "工程温度が{v} {u}", "回転数が{v} {u}", "トルクが{v} {u}",
         "工具摩耗が{v} {u}"), "、", "{readings}のとき、故障は起きるか？", units=_JA_UNITS),
)


class _Plain(random.Random):
    """Takes every first choice and no chance: a form's plainest wording, as real rows are asked."""

    def random(self) -> float:
        return 1.0

    def choice(self, options):
        return options[0]


PLAIN = _Plain()

# Parts of which endless further forms are put together, so that the student learns to read labels and not templates.
_LABELS = {
    "en": (
        ("type", "quality", "product type", "variant", "class"),
        ("air", "air temp", "air temperature", "ambient", "ambient temperature", "room temperature"),
        ("process", "process temp", "process temperature", "proc temp", "working temperature"),
        ("speed", "rotational speed", "spindle speed", "rpm", "rotation"),
        ("torque", "spindle torque", "load torque", "trq"),
        ("wear", "tool wear", "tool time", "tool used", "tool age"),
    ),
    "ja": (
        ("型", "タイプ", "品種", "種別", "グレード"),
        ("空気温度", "気温", "周囲温度", "室温", "空気"),
        ("工程温度", "プロセス温度", "加工温度", "工程"),
        ("回転数", "回転速度", "主軸回転数", "回転"),
        ("トルク", "主軸トルク", "負荷トルク", "軸トルク"),
        ("工具摩耗", "摩耗", "工具使用時間", "摩耗時間", "刃具摩耗"),
    ),
}
_JOINS = {
    "en": (" {v} {u}", " {v} {u}", ": {v} {u}", "={v}", " = {v} {u}", " is {v} {u}", " [{u}] {v}", " ({u}): {v}", " {v}"),
    "ja": (" {v} {u}", "{v}{u}", ":{v}{u}", "は{v}{u}", "={v}{u}", "[{u}] {v}", "({u}):{v}", " {v}"),
}
_SEPARATORS = {"en": (", ", "; ", " / ", "\n", " ", " | ", " and "), "ja": ("、", "、", ", ", " / ", "\n", " ", "・")}
_QUESTIONS = {
    "en": ("{readings}", "{readings}?", "{readings}. What is wrong?", "Check {readings}.", "Is this ok? {readings}",
           "{readings} -> failure?", "Readings: {readings}. Diagnosis?", "Machine: {readings}. Is it failing?",
           "What happens at {readings}?", "{readings}. Any problem?", "{readings}. Which failure?"),
    "ja": ("{readings}", "{readings}。故障は？", "{readings}。異常ありますか？", "次の測定値を診断して。{readings}", "{readings}です。正常ですか？",
           "測定値は{readings}。何が起きる？", "{readings}で故障しますか？", "{readings}。どの故障？", "判定: {readings}"),
}


def compose(rng: random.Random) -> Form:
    """A form put together from parts: one way to join, separate and ask, and any label for each reading."""
    lang = rng.choice(("en", "ja"))
    join = rng.choice(_JOINS[lang])
    bare = re.sub(r" ?[\[(]?\{u\}[\])]?", "", join)  # a grade has no unit
    case = rng.choice((str, str, str.capitalize, str.upper))
    labels = [case(rng.choice(options)) for options in _LABELS[lang]]
    parts = tuple(label + (bare if field == "grade" else join) for field, label in zip(FIELDS, labels, strict=True))
    return Form(f"{lang}-composed", lang, parts, rng.choice(_SEPARATORS[lang]), rng.choice(_QUESTIONS[lang]), shuffle=True,
                units=_JA_UNITS if lang == "ja" else {})


CARELESS_SHARE = 0.1  # of the questions write the grade in lower case, or glue value and unit together
MAIN_SHARE, COMPOSED_SHARE = 0.3, 0.3  # of the training questions use one of the two main forms, or one put together


def pick(rng: random.Random) -> Form:
    kind = rng.random()
    if kind < MAIN_SHARE:
        return rng.choice((EN_MAIN, JA_MAIN))
    return compose(rng) if kind < MAIN_SHARE + COMPOSED_SHARE else rng.choice(FORMS)


def write(rng: random.Random, form: Form, r: Reading) -> tuple[dict[str, str], Written]:
    """The worded parts by field, and the values as they stand in them."""
    celsius = form.celsius and rng.random() < 0.3
    offset = CELSIUS_OFFSET_DK if celsius else 0
    values = dict(
        grade=r.grade,
        air=_tenths(rng, r.air_dk - offset),
        process=_tenths(rng, r.process_dk - offset),
        speed=str(r.speed_rpm),
        torque=_tenths(rng, r.torque_dnm),
        wear=str(r.wear_min),
    )
    units = _UNITS | form.units
    temperature = rng.choice(units["C" if celsius else "K"])
    unit = dict(grade="", air=temperature, process=temperature, **{f: rng.choice(units[f]) for f in ("speed", "torque", "wear")})
    written = Written(**values)
    if rng.random() < CARELESS_SHARE:
        values["grade"] = values["grade"].lower()
    glue = rng.random() < CARELESS_SHARE
    parts = {f: (part.replace("{v} {u}", "{v}{u}") if glue else part).format(v=values[f], u=unit[f])
             for f, part in zip(FIELDS, form.parts, strict=True)}
    return parts, written


def ask(rng: random.Random, form: Form, parts: dict[str, str]) -> str:
    """The question from its worded parts; a form that shuffles does so here."""
    order = [parts[f] for f in FIELDS if f in parts]
    if form.shuffle and rng.random() < 0.5:
        rng.shuffle(order)
    return form.question.format(readings=form.separator.join(order))


def _tenths(rng: random.Random, value: int) -> str:
    """298.1; a whole number is written 298.0 or, now and then, 298."""
    whole, tenth = divmod(value, 10)
    return str(whole) if tenth == 0 and rng.random() < 0.3 else f"{whole}.{tenth}"
