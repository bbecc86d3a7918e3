"""Words a series as a question: English, Japanese and the terse style of machines, in units and decimals of many
trades.

A form is data: to add a wording, add a `Form`, or a part to those that `compose` draws from; nothing else changes.
Decides no answer and draws no series.
"""

from __future__ import annotations

import random
from dataclasses import dataclass

from .rules import GeneratedText, Series

LINES = ("centre", "upper", "lower")


@dataclass(frozen=True)
class Quantity:
    """What a chart is of."""

    names: dict[str, tuple[str, ...]]  # by language
    unit: str
    decimals: tuple[int, ...]  # written, any of them


QUANTITIES = (
    Quantity({"en": ("bore", "bore diameter", "inner diameter"), "ja": ("内径", "穴径")}, "mm", (2,)),
    Quantity({"en": ("shaft diameter", "width", "length"), "ja": ("外径", "幅", "全長")}, "mm", (1, 2)),
    Quantity({"en": ("thickness", "coating", "flatness"), "ja": ("厚さ", "膜厚", "平面度")}, "µm", (0, 1)),
    Quantity({"en": ("roughness", "Ra"), "ja": ("表面粗さ", "粗さRa")}, "µm", (1, 2)),
    Quantity({"en": ("weight", "fill weight", "shot weight"), "ja": ("重量", "充填量", "質量")}, "g", (0, 1)),
    Quantity(
        {"en": ("oven temperature", "mould temperature", "bath temperature"), "ja": ("炉温", "金型温度", "液温")},
        "°C",
        (0, 1),
    ),
    Quantity({"en": ("press force", "pull force", "spring load"), "ja": ("圧入力", "引張力", "ばね荷重")}, "N", (0, 1)),
    Quantity({"en": ("tightening torque", "torque"), "ja": ("締付トルク", "トルク")}, "Nm", (1, 2)),
    Quantity({"en": ("pressure", "leak test"), "ja": ("圧力", "エア圧")}, "kPa", (0, 1)),
    Quantity({"en": ("cycle time", "weld time"), "ja": ("サイクルタイム", "溶接時間")}, "s", (1, 2)),
    Quantity({"en": ("hardness",), "ja": ("硬さ", "硬度")}, "HV", (0,)),
    Quantity({"en": ("moisture", "concentration"), "ja": ("水分", "濃度")}, "%", (1, 2)),
    Quantity({"en": ("voltage", "output voltage"), "ja": ("電圧", "出力電圧")}, "V", (1, 2)),
)


@dataclass(frozen=True)
class Form:
    """One way to ask. `lines` follow `LINES`, `{v}` is the value. A question has `{lines}` and `{readings}`, and may
    name `{thing}` and `{unit}`."""

    name: str
    lang: str  # of the rationale: "en" or "ja"
    lines: tuple[str, str, str]
    between: str  # lines
    separator: str  # of readings
    question: str
    shuffle: bool = False  # may the lines come in any order?


# How real series are asked.
EN_MAIN = Form(
    "en-main", "en", ("CL {v}", "UCL {v}", "LCL {v}"), ", ", ", ", "{lines} {unit}. Readings {readings}. In control?"
)
JA_MAIN = Form(
    "ja-main", "ja", ("CL {v}", "UCL {v}", "LCL {v}"), "、", "、", "{lines} {unit}。測定値 {readings}。管理状態か？"
)

# How the runtime asks, whatever the asker's words were.
CANONICAL = {
    "en": Form(
        "en", "en", ("CL {v}", "UCL {v}", "LCL {v}"), ", ", ", ", "{lines}. Readings {readings}. In control?"
    ),
    "ja": Form(
        "ja", "ja", ("CL {v}", "UCL {v}", "LCL {v}"), "、", "、", "{lines}。測定値 {readings}。管理状態か？"
    ),
}

FORMS = (
    EN_MAIN,
    Form(
        "en-words",
        "en",
        ("centre line {v}", "upper control limit {v}", "lower control limit {v}"),
        ", ",
        ", ",
        "{thing} in {unit}: {lines}. Last readings {readings}. Which rule fires?",
        shuffle=True,
    ),
    Form(
        "en-lines",
        "en",
        ("CL: {v}", "UCL: {v}", "LCL: {v}"),
        "\n",
        " ",
        "{thing}, {unit}\n{lines}\n{readings}\nVerdict?",
        shuffle=True,
    ),
    Form(
        "en-ask-first",
        "en",
        ("CL {v}", "UCL {v}", "LCL {v}"),
        ", ",
        ", ",
        "Is the {thing} in control? {readings} {unit}; {lines}",
        shuffle=True,
    ),
    Form(
        "en-story",
        "en",
        ("centre is {v}", "the upper limit {v}", "the lower limit {v}"),
        ", ",
        ", ",
        "We measured {readings} {unit}. On the chart the {lines}. What does it say?",
    ),
    Form(
        "en-between",
        "en",
        ("around {v}", "up to {v}", "down to {v}"),
        ", ",
        "; ",
        "Control chart {lines} {unit}, latest points {readings}. Any signal?",
    ),
    Form(
        "en-brackets",
        "en",
        ("CL={v}", "UCL={v}", "LCL={v}"),
        ", ",
        ", ",
        "{thing} [{unit}] {readings} ({lines})",
        shuffle=True,
    ),
    JA_MAIN,
    Form(
        "ja-words",
        "ja",
        ("中心線 {v}", "上方管理限界 {v}", "下方管理限界 {v}"),
        "、",
        "、",
        "{thing}[{unit}]の管理図。{lines}。測定値 {readings}。判定は？",
        shuffle=True,
    ),
    Form(
        "ja-lines",
        "ja",
        ("中心線:{v}", "UCL:{v}", "LCL:{v}"),
        "\n",
        " ",
        "{thing}({unit})\n{lines}\n{readings}\n異常は？",
        shuffle=True,
    ),
    Form(
        "ja-ask-first",
        "ja",
        ("CL {v}", "UCL {v}", "LCL {v}"),
        "、",
        "、",
        "この工程は管理状態か。{readings} {unit}。{lines}。",
        shuffle=True,
    ),
    Form(
        "ja-polite",
        "ja",
        ("中心線CLは{v}", "UCLは{v}", "LCLは{v}"),
        "、",
        "、",
        "{thing}の{lines}です。直近の測定値は{readings}です。異常はありますか？",
    ),
    Form(
        "ja-points",
        "ja",
        ("CL={v}", "UCL={v}", "LCL={v}"),
        "、",
        ", ",
        "管理図に {readings} を打点した。{lines}、単位 {unit}。連や傾向はあるか？",
    ),
    Form(
        "ja-brackets",
        "ja",
        ("中心{v}", "管理上限{v}", "管理下限{v}"),
        "・",
        "・",
        "{thing} {readings}({lines}) {unit} 判定してください。",
        shuffle=True,
    ),
    Form("terse-equals", "en", ("CL={v}", "UCL={v}", "LCL={v}"), " ", ",", "{lines} X={readings}"),
    Form("terse-colon", "en", ("cl:{v}", "ucl:{v}", "lcl:{v}"), ",", " ", "{lines},x:{readings}", shuffle=True),
    Form("terse-caps", "en", ("CL {v}", "UCL {v}", "LCL {v}"), " ", " ", "SPC {lines} DATA {readings} ?", shuffle=True),
    Form(
        "terse-json",
        "en",
        ('"cl":{v}', '"ucl":{v}', '"lcl":{v}'),
        ",",
        ",",
        '{{{lines},"x":[{readings}]}}',
        shuffle=True,
    ),
    Form("ja-terse", "ja", ("CL={v}", "UCL={v}", "LCL={v}"), " ", ",", "{lines} X={readings} 判定は？", shuffle=True),
)

# Never trained on: how the student does when somebody words it another way.
HELD_OUT = (
    Form(
        "en-held-out",
        "en",
        ("mean line at {v}", "UCL at {v}", "LCL at {v}"),
        ", ",
        ", ",
        "Please look at this chart: {lines}, values {readings} {unit}. Anything unusual?",
    ),
    Form(
        "en-held-out-slash",
        "en",
        ("centre {v}", "high limit {v}", "low limit {v}"),
        " / ",
        " / ",
        "{thing} {readings} vs {lines}",
    ),
    Form(
        "ja-held-out",
        "ja",
        ("中心が{v}", "上方限界が{v}", "下方限界が{v}"),
        "、",
        "、",
        "{lines}の管理図で、測定値が{readings} {unit}のとき、工程は安定か？",
    ),
    Form(
        "ja-held-out-slash",
        "ja",
        ("中心線{v}", "上方{v}", "下方{v}"),
        "/",
        " ",
        "実測 {readings} 管理線 {lines} 問題ないか？",
    ),
)

# Parts of which endless further forms are put together, so that the student learns to read labels and not templates.
_CENTRES = {
    "en": ("CL", "centre line", "center line", "centre", "mean", "average", "grand mean", "xbar"),
    "ja": ("CL", "中心線", "中心線CL", "中心", "平均", "平均値", "中央線"),
}
_LIMITS = {
    "en": (
        ("UCL", "LCL"),
        ("upper control limit", "lower control limit"),
        ("upper limit", "lower limit"),
        ("upper", "lower"),
        ("upper CL", "lower CL"),
        ("ctrl max", "ctrl min"),
        ("control limit high", "control limit low"),
    ),
    "ja": (
        ("UCL", "LCL"),
        ("上方管理限界", "下方管理限界"),
        ("上方管理限界UCL", "下方管理限界LCL"),
        ("管理上限", "管理下限"),
        ("上側管理限界", "下側管理限界"),
        ("上部管理限界線", "下部管理限界線"),
    ),
}
_JOINS = {
    "en": (" {v}", " {v}", ": {v}", "={v}", " = {v}", " is {v}", " {v} {u}"),
    "ja": (" {v}", "{v}", ":{v}", "は{v}", "={v}", " {v}{u}"),
}
_BETWEEN = {"en": (", ", "; ", " / ", "\n", " ", " | "), "ja": ("、", "、", ", ", " / ", "\n", " ")}
_SEPARATORS = {"en": (", ", ", ", " ", "; ", ",", "\n"), "ja": ("、", "、", ", ", " ", "・", ",")}
_DATA = {
    "en": (
        "readings {readings}",
        "last readings: {readings}",
        "data {readings}",
        "values {readings}",
        "x={readings}",
        "{readings}",
        "points {readings}",
        "measured {readings}",
        "latest {readings}",
    ),
    "ja": (
        "測定値 {readings}",
        "測定値:{readings}",
        "直近の測定値は{readings}",
        "データ {readings}",
        "実測値 {readings}",
        "{readings}",
        "打点 {readings}",
        "最新値 {readings}",
        "値={readings}",
    ),
}
_QUESTIONS = {
    "en": (
        "{lines}. {data}. In control?",
        "{thing} ({unit}): {lines}. {data}.",
        "{data} {unit}. {lines}. Verdict?",
        "Check the chart: {lines}. {data}",
        "{thing}. {data}. {lines}. Which rule?",
        "Any signal? {lines}. {data}",
        "{lines} {unit}, {data}: stable?",
        "{data}\n{lines}",
        "Judge this {thing}: {lines}; {data}.",
    ),
    "ja": (
        "{lines}。{data}。管理状態か？",
        "{thing}({unit})。{lines}。{data}。",
        "{data} {unit}。{lines}。判定は？",
        "管理図を判定して。{lines}。{data}",
        "{thing}、{data}。{lines}。異常は？",
        "異常はありますか？{lines}。{data}",
        "{lines} {unit}、{data}。安定していますか？",
        "{data}\n{lines}",
        "{thing}の管理図です。{lines}。{data}。",
    ),
}


def compose(rng: random.Random, lang: str) -> Form:
    """A form put together from parts: one way to join, separate and ask, and any label for each line."""
    join = rng.choice(_JOINS[lang]).replace("{u}", "{unit}")
    case = rng.choice((str, str, str.capitalize, str.upper))
    centre, (upper, lower) = rng.choice(_CENTRES[lang]), rng.choice(_LIMITS[lang])
    question = rng.choice(_QUESTIONS[lang]).replace("{data}", rng.choice(_DATA[lang]))
    if "{unit}" in join:
        question = question.replace(" ({unit})", "").replace("({unit})", "").replace(" {unit}", "")
    return Form(
        f"{lang}-composed",
        lang,
        (case(centre) + join, case(upper) + join, case(lower) + join),
        rng.choice(_BETWEEN[lang]),
        rng.choice(_SEPARATORS[lang]),
        question,
        shuffle=True,
    )


MAIN_SHARE, COMPOSED_SHARE = 0.3, 0.35  # of the training questions use the language's main form, or one put together


def pick(rng: random.Random, lang: str) -> Form:
    kind = rng.random()
    if kind < MAIN_SHARE:
        return EN_MAIN if lang == "en" else JA_MAIN
    return (
        compose(rng, lang) if kind < MAIN_SHARE + COMPOSED_SHARE else rng.choice([f for f in FORMS if f.lang == lang])
    )


@dataclass(frozen=True)
class Chart:
    """What one question's chart is of, and with how many decimals it writes numbers."""

    thing: str
    unit: str
    decimals: int


NORMAL = Chart("", "", 0)  # a canonical question names neither


def chart(rng: random.Random, lang: str) -> Chart:
    quantity = rng.choice(QUANTITIES)
    return Chart(rng.choice(quantity.names[lang]), quantity.unit, rng.choice(quantity.decimals))


def write(s: Series, decimals: int) -> GeneratedText:
    """Every number with the same decimals, as instruments write them."""
    centre, upper, lower = (_number(value, decimals) for value in (s.centre, s.upper, s.lower))
    return GeneratedText(centre, upper, lower, tuple(_number(r, decimals) for r in s.readings))


def ask(rng: random.Random, form: Form, about: Chart, w: GeneratedText, blank: str | None = None) -> str:
    """The question. A line that is `?` in `w` stands as `blank`, or is left out where that is None; a reading always
    stands."""
    lines = []
    for line, template in zip(LINES, form.lines, strict=False):
        value = getattr(w, line)
        if value != "?" or blank is not None:
            lines.append(template.format(v=blank if value == "?" else value, unit=about.unit))
    if form.shuffle and rng.random() < 0.5:
        rng.shuffle(lines)
    readings = form.separator.join(blank if reading == "?" and blank is not None else reading for reading in w.readings)
    return form.question.format(thing=about.thing, unit=about.unit, lines=form.between.join(lines), readings=readings)


def _number(value: int, decimals: int) -> str:
    """5.0 for 50 at one decimal."""
    digits = f"{value:0{decimals + 1}}"
    return f"{digits[:-decimals]}.{digits[-decimals:]}" if decimals else digits
