"""Wordings of the task `machine-failure`, in which the runtime's reader is tested: English, Japanese and the terse
style of machines, with unit and order variation.

A form is data: to add a wording, add a `Form`, or a part to those that `compose` draws from; nothing else changes.
"""

from __future__ import annotations

import random
import re
from dataclasses import dataclass, field

FIELDS = ("type", "air", "process", "speed", "torque", "wear")


@dataclass(frozen=True)
class Form:
    """One way to ask. `parts` follow `FIELDS`; `{v}` is the value, `{u}` its unit."""

    name: str
    lang: str
    parts: tuple[str, str, str, str, str, str]
    separator: str
    question: str  # `{readings}` is where they go
    shuffle: bool = False  # may the readings come in any order?
    celsius: bool = True  # may temperatures come in °C?
    units: dict[str, tuple[str, ...]] = field(default_factory=dict)


_UNITS = {
    "K": ("K",),
    "C": ("°C", "℃"),
    "speed": ("rpm", "rpm", "r/min", "min-1"),
    "torque": ("Nm", "Nm", "N·m", "N m"),
    "wear": ("min",),
}
_JA_UNITS = _UNITS | {"wear": ("分", "分", "min")}

EN_MAIN = Form(
    "en-main",
    "en",
    ("Type {v}", "air {v} {u}", "process {v} {u}", "speed {v} {u}", "torque {v} {u}", "tool wear {v} {u}"),
    ", ",
    "{readings}. Which failure, if any?",
    celsius=False,
    units={"speed": ("rpm",), "torque": ("Nm",), "wear": ("min",)},
)
JA_MAIN = Form(
    "ja-main",
    "ja",
    ("{v}型", "空気温度 {v} {u}", "工程温度 {v} {u}", "回転数 {v} {u}", "トルク {v} {u}", "工具摩耗 {v} {u}"),
    "、",
    "{readings}。どの故障か？",
    celsius=False,
    units={"speed": ("rpm",), "torque": ("Nm",), "wear": ("分",)},
)

FORMS = (
    EN_MAIN,
    Form(
        "en-labels",
        "en",
        (
            "Type: {v}",
            "Air temperature: {v} {u}",
            "Process temperature: {v} {u}",
            "Rotational speed: {v} {u}",
            "Torque: {v} {u}",
            "Tool wear: {v} {u}",
        ),
        "; ",
        "{readings}. What fails?",
        shuffle=True,
    ),
    Form(
        "en-lines",
        "en",
        (
            "type {v}",
            "air temp {v} {u}",
            "process temp {v} {u}",
            "rotational speed {v} {u}",
            "torque {v} {u}",
            "tool wear {v} {u}",
        ),
        "\n",
        "Readings:\n{readings}\nFailure?",
        shuffle=True,
    ),
    Form(
        "en-ask-first",
        "en",
        ("type {v}", "air {v} {u}", "process {v} {u}", "speed {v} {u}", "torque {v} {u}", "wear {v} {u}"),
        ", ",
        "Does this machine fail, and how? {readings}",
        shuffle=True,
    ),
    Form(
        "en-story",
        "en",
        (
            "a type {v} part",
            "air at {v} {u}",
            "process at {v} {u}",
            "the spindle turns at {v} {u}",
            "torque is {v} {u}",
            "the tool has worn {v} {u}",
        ),
        ", ",
        "We run {readings}. Is there a failure?",
    ),
    Form(
        "en-with",
        "en",
        (
            "type {v}",
            "an air temperature of {v} {u}",
            "a process temperature of {v} {u}",
            "a speed of {v} {u}",
            "a torque of {v} {u}",
            "a tool wear of {v} {u}",
        ),
        " and ",
        "Machine with {readings}: which failure?",
        shuffle=True,
    ),
    Form(
        "en-unit-brackets",
        "en",
        (
            "Type {v}",
            "Air temperature [{u}] {v}",
            "Process temperature [{u}] {v}",
            "Rotational speed [{u}] {v}",
            "Torque [{u}] {v}",
            "Tool wear [{u}] {v}",
        ),
        ", ",
        "{readings}. Failure mode?",
        shuffle=True,
    ),
    Form(
        "en-short",
        "en",
        ("{v}", "{v}{u} air", "{v}{u} process", "{v} {u}", "{v} {u} torque", "{v} {u} wear"),
        ", ",
        "{readings}: ok or failure?",
        units={"speed": ("rpm", "r/min")},
    ),
    Form(
        "en-product",
        "en",
        (
            "Product quality {v}",
            "ambient {v} {u}",
            "process {v} {u}",
            "spindle speed {v} {u}",
            "spindle torque {v} {u}",
            "tool used {v} {u}",
        ),
        ", ",
        "{readings}. Diagnose.",
        shuffle=True,
    ),
    JA_MAIN,
    Form(
        "ja-labels",
        "ja",
        ("タイプ:{v}", "空気温度:{v}{u}", "工程温度:{v}{u}", "回転数:{v}{u}", "トルク:{v}{u}", "工具摩耗:{v}{u}"),
        "、",
        "{readings}。故障モードは？",
        shuffle=True,
        units=_JA_UNITS,
    ),
    Form(
        "ja-lines",
        "ja",
        (
            "型 {v}",
            "空気温度 {v} {u}",
            "プロセス温度 {v} {u}",
            "回転速度 {v} {u}",
            "トルク {v} {u}",
            "工具摩耗 {v} {u}",
        ),
        "\n",
        "測定値\n{readings}\n故障は？",
        shuffle=True,
        units=_JA_UNITS,
    ),
    Form(
        "ja-ask-first",
        "ja",
        ("{v}型", "気温 {v}{u}", "工程温度 {v}{u}", "回転数 {v}{u}", "トルク {v}{u}", "摩耗 {v}{u}"),
        "、",
        "この機械は故障するか、どの故障か。{readings}。",
        shuffle=True,
        units=_JA_UNITS,
    ),
    Form(
        "ja-polite",
        "ja",
        ("品種は{v}", "空気温度は{v}{u}", "工程温度は{v}{u}", "回転数は{v}{u}", "トルクは{v}{u}", "工具摩耗は{v}{u}"),
        "、",
        "{readings}です。どの故障ですか？",
        shuffle=True,
        units=_JA_UNITS,
    ),
    Form(
        "ja-brackets",
        "ja",
        (
            "タイプ {v}",
            "空気温度[{u}] {v}",
            "プロセス温度[{u}] {v}",
            "回転数[{u}] {v}",
            "トルク[{u}] {v}",
            "工具摩耗[{u}] {v}",
        ),
        "、",
        "{readings}。判定してください。",
        shuffle=True,
        units=_JA_UNITS,
    ),
    Form(
        "ja-spindle",
        "ja",
        ("品質{v}", "外気 {v}{u}", "加工温度 {v}{u}", "主軸回転数 {v}{u}", "主軸トルク {v}{u}", "工具使用時間 {v}{u}"),
        "、",
        "{readings}。異常はあるか？",
        shuffle=True,
        units=_JA_UNITS,
    ),
    Form(
        "ja-slash",
        "ja",
        ("{v}型", "空気{v}{u}", "工程{v}{u}", "回転{v}{u}", "トルク{v}{u}", "摩耗{v}{u}"),
        "/",
        "{readings} 故障？",
        units=_JA_UNITS,
    ),
    Form(
        "ja-terse",
        "ja",
        ("type={v}", "air={v}", "proc={v}", "rpm={v}", "torque={v}", "wear={v}"),
        " ",
        "{readings} 判定は？",
        shuffle=True,
    ),
    Form(
        "terse-equals",
        "en",
        ("type={v}", "air={v}", "proc={v}", "rpm={v}", "torque={v}", "wear={v}"),
        " ",
        "{readings}",
    ),
    Form(
        "terse-colon",
        "en",
        ("type:{v}", "air:{v}", "process:{v}", "speed:{v}", "torque:{v}", "wear:{v}"),
        ",",
        "{readings}",
        shuffle=True,
    ),
    Form(
        "terse-caps",
        "en",
        ("TYPE {v}", "AIR {v}{u}", "PROC {v}{u}", "RPM {v}", "TRQ {v}", "WEAR {v}"),
        " ",
        "{readings} ?",
        shuffle=True,
    ),
    Form(
        "terse-json",
        "en",
        ('"type":"{v}"', '"air":{v}', '"process":{v}', '"rpm":{v}', '"torque":{v}', '"wear":{v}'),
        ",",
        "{{{readings}}}",
        shuffle=True,
    ),
    Form("terse-letters", "en", ("{v}", "Ta={v}", "Tp={v}", "n={v}", "M={v}", "w={v}"), ";", "{readings}"),
)

HELD_OUT = (
    Form(
        "en-held-out",
        "en",
        (
            "grade {v}",
            "air temperature {v} {u}",
            "process temperature {v} {u}",
            "running at {v} {u}",
            "torque of {v} {u}",
            "tool worn {v} {u}",
        ),
        ", ",
        "Please check: {readings}. Any failure?",
    ),
    Form(
        "ja-held-out",
        "ja",
        (
            "タイプは{v}",
            "空気温度が{v} {u}",
            "工程温度が{v} {u}",
            "回転数が{v} {u}",
            "トルクが{v} {u}",
            "工具摩耗が{v} {u}",
        ),
        "、",
        "{readings}のとき、故障は起きるか？",
        units=_JA_UNITS,
    ),
)


# Parts of which endless further forms are put together, so that labels are read and not templates.
# Each part is drawn by itself: what was never seen together is still made of what was seen.
_LABELS = {
    "en": (
        (
            "type",
            "quality",
            "product type",
            "product quality",
            "variant",
            "product variant",
            "class",
            "quality class",
            "grade",
            "product grade",
            "quality grade",
            "machine type",
            "part type",
            "model",
        ),
        (
            "air",
            "air temp",
            "air temperature",
            "ambient",
            "ambient temp",
            "ambient temperature",
            "ambient air",
            "room temperature",
            "shop temperature",
            "surrounding air",
            "temperature of the air",
            "T air",
        ),
        (
            "process",
            "process temp",
            "process temperature",
            "proc temp",
            "proc",
            "working temperature",
            "machining temperature",
            "operating temperature",
            "temperature of the process",
            "T process",
        ),
        (
            "speed",
            "rotational speed",
            "rotation speed",
            "spindle speed",
            "rpm",
            "rotation",
            "running speed",
            "spindle rpm",
            "spindle running",
            "machine running",
            "running",
            "turning",
            "spindle turning",
            "motor speed",
        ),
        (
            "torque",
            "spindle torque",
            "load torque",
            "shaft torque",
            "motor torque",
            "cutting torque",
            "torque load",
            "trq",
        ),
        (
            "wear",
            "tool wear",
            "tool time",
            "tool used",
            "tool age",
            "tool in use",
            "cutting time",
            "tool wear time",
            "tool worn",
            "cutter worn",
            "worn",
            "cutter wear",
            "wear of the tool",
            "tool life used",
        ),
    ),
    "ja": (
        ("型", "タイプ", "品種", "種別", "グレード", "区分", "品質区分", "製品タイプ", "機種", "等級", "品質"),
        ("空気温度", "気温", "周囲温度", "室温", "空気", "外気温", "外気", "雰囲気温度", "周辺温度", "環境温度"),
        ("工程温度", "プロセス温度", "加工温度", "工程", "プロセス", "加工時温度", "運転温度", "作業温度"),
        ("回転数", "回転速度", "主軸回転数", "回転", "主軸速度", "スピンドル回転数", "毎分回転数", "主軸の回転数"),
        ("トルク", "主軸トルク", "負荷トルク", "軸トルク", "回転トルク", "切削トルク", "主軸のトルク"),
        (
            "工具摩耗",
            "摩耗",
            "工具使用時間",
            "摩耗時間",
            "刃具摩耗",
            "刃具使用時間",
            "切削時間",
            "工具の摩耗",
            "工具摩耗時間",
            "刃物の摩耗",
        ),
    ),
}
_JOINS = {  # `{l}` is the label
    "en": (
        "{l} {v} {u}",
        "{l} {v} {u}",
        "{l}: {v} {u}",
        "{l}={v}",
        "{l} = {v} {u}",
        "{l}={v}{u}",
        "{l} is {v} {u}",
        "{l} was {v} {u}",
        "{l} at {v} {u}",
        "{l} of {v} {u}",
        "{l} for {v} {u}",
        "{l} [{u}] {v}",
        "{l} ({u}): {v}",
        "{l} {v}",
        "{l}: {v}",
        "the {l} is {v} {u}",
        "a {l} of {v} {u}",
        "{v} {u} {l}",
        "{v} {u} of {l}",
        "{l} ({v} {u})",
    ),
    "ja": (
        "{l} {v} {u}",
        "{l}{v}{u}",
        "{l}:{v}{u}",
        "{l}: {v} {u}",
        "{l}は{v}{u}",
        "{l}は{v} {u}",
        "{l}は {v} {u}",
        "{l}が{v}{u}",
        "{l}が {v} {u}",
        "{l}={v}{u}",
        "{l}={v}",
        "{l} = {v} {u}",
        "{l}[{u}] {v}",
        "{l}({u}):{v}",
        "{l} {v}",
        "{l}の値は{v} {u}",
        "{l}の値が{v} {u}",
        "{v} {u}の{l}",
        "{l}({v}{u})",
    ),
}
_TYPES = {  # a type often stands without a label
    "en": ("type {v}", "{v}", "{v} type", "a type {v} machine", "type {v} product", "{v} grade", "{v} quality"),
    "ja": ("{v}型", "{v}タイプ", "{v}", "{v}型の機械", "{v}級", "品質{v}"),
}
_SEPARATORS = {
    "en": (", ", ", ", "; ", " / ", "\n", " ", " | ", " and ", ", and ", ",", ". "),
    "ja": ("、", "、", "、", ", ", " / ", "\n", " ", "・", "/", ",", "。", "で、"),
}
_OPENINGS = {
    "en": (
        "",
        "",
        "",
        "",
        "Check: ",
        "Check ",
        "Please check ",
        "Please check: ",
        "Please look: ",
        "Please diagnose: ",
        "Readings: ",
        "Machine: ",
        "Is this ok? ",
        "Any failure? ",
        "We have ",
        "Values: ",
        "Given ",
        "With ",
        "Status at ",
        "Measured: ",
        "Does it fail? ",
        "What happens at ",
        "Current readings:\n",
        "Hello. ",
        "At ",
    ),
    "ja": (
        "",
        "",
        "",
        "",
        "次の測定値を診断して。",
        "測定値は",
        "判定: ",
        "確認してください。",
        "確認: ",
        "この機械は故障しますか。",
        "現在、",
        "状態: ",
        "測定値\n",
        "診断してください。",
        "条件は",
        "故障は起きるか。",
        "今の値は",
        "お願いします。",
    ),
}
_CLOSINGS = {
    "en": (
        "",
        "",
        "?",
        ".",
        ". What is wrong?",
        ". Which failure?",
        ". Any failure?",
        ". Any problem?",
        ". Any fault?",
        " -> failure?",
        ". Diagnosis?",
        ". Is it failing?",
        ". Is there any failure?",
        ". Does it fail?",
        ". Is this ok?",
        ". What fails?",
        ", any failure?",
        ", is that fine?",
        ". Please check.",
        ". Please diagnose.",
        ". Verdict?",
        "\nFailure?",
        ". Will it fail?",
    ),
    "ja": (
        "",
        "",
        "。",
        "。故障は？",
        "です。正常ですか？",
        "。異常ありますか？",
        "。何が起きる？",
        "で故障しますか？",
        "。どの故障？",
        "のとき、正常ですか？",
        "のとき、どの故障か？",
        "のとき、異常は起きるか？",
        "の場合、故障は起きるか？",
        "の場合、故障しますか？",
        "。故障は起きるか？",
        "だと、故障は起きるか？",
        "。判定してください。",
        "です。診断して。",
        "のとき、故障は？",
        "。故障モードは？",
        "、大丈夫？",
        "でした。故障は起きますか？",
    ),
}
_LOOSE_UNITS = {
    "en": _UNITS
    | {
        "speed": ("rpm", "rpm", "r/min", "min-1", "RPM", "rev/min"),
        "torque": ("Nm", "Nm", "N·m", "N m", "N-m"),
        "wear": ("min", "min", "minutes"),
        "C": ("°C", "℃", "C", "deg C"),
    },
    "ja": _JA_UNITS | {"speed": ("rpm", "rpm", "r/min", "min-1", "回転/分"), "C": ("°C", "℃", "度")},
}
_ONE_JOIN_SHARE, _CASES = 0.6, (str, str, str, str.capitalize, str.upper)


def compose(rng: random.Random) -> Form:
    """A form put together from parts: a way to open, join, separate and close, and any label for each reading."""
    lang = rng.choice(("en", "ja"))
    join = rng.choice(_JOINS[lang]) if rng.random() < _ONE_JOIN_SHARE else None  # None: each reading its own
    case = rng.choice(_CASES)

    def part(field: str, labels: tuple[str, ...]) -> str:
        if field == "type" and rng.random() < 0.3:
            return rng.choice(_TYPES[lang])
        joined = (join or rng.choice(_JOINS[lang])).replace("{l}", case(rng.choice(labels)))
        # A type has no unit.
        return re.sub(r" ?[\[(]\{u\}[\])]| ?\{u\}", "", joined) if field == "type" else joined

    kind, air, process, speed, torque, wear = (
        part(field, labels) for field, labels in zip(FIELDS, _LABELS[lang], strict=True)
    )
    parts = (kind, air, process, speed, torque, wear)
    question = rng.choice(_OPENINGS[lang]) + "{readings}" + rng.choice(_CLOSINGS[lang])
    return Form(
        f"{lang}-composed", lang, parts, rng.choice(_SEPARATORS[lang]), question, shuffle=True, units=_LOOSE_UNITS[lang]
    )


CARELESS_SHARE = 0.1  # of the questions write the type in lower case, or glue value and unit together


def word(rng: random.Random, form: Form, values: dict[str, str], temperature: str = "K") -> dict[str, str]:
    """The worded parts by field; temperatures are in K or C."""
    units = _UNITS | form.units
    degrees = rng.choice(units[temperature])
    unit = {"type": "", "air": degrees, "process": degrees}
    unit |= {name: rng.choice(units[name]) for name in ("speed", "torque", "wear")}
    if rng.random() < CARELESS_SHARE:
        values = values | {"type": values["type"].lower()}
    glue = rng.random() < CARELESS_SHARE
    return {
        name: (part.replace("{v} {u}", "{v}{u}") if glue else part).format(v=values[name], u=unit[name])
        for name, part in zip(FIELDS, form.parts, strict=True)
    }


def ask(rng: random.Random, form: Form, parts: dict[str, str]) -> str:
    """The question from its worded parts; a form that shuffles does so here."""
    order = [parts[name] for name in FIELDS if name in parts]
    if form.shuffle and rng.random() < 0.5:
        rng.shuffle(order)
    return form.question.format(readings=form.separator.join(order))
