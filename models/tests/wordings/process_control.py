"""Wordings of the task `process-control`, in which the runtime's reader is tested: English, Japanese and the terse
style of machines, in units and decimals of many trades; and questions that belong to a person.

A form is data: to add a wording, add a `Form`, or a part to those that `compose` draws from; nothing else changes.
"""

from __future__ import annotations

import random
from dataclasses import dataclass

from sokutou_train.teachers.process_control.rules import Series

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
    lang: str
    lines: tuple[str, str, str]
    between: str  # lines
    separator: str  # of readings
    question: str
    shuffle: bool = False  # may the lines come in any order?


EN_MAIN = Form(
    "en-main", "en", ("CL {v}", "UCL {v}", "LCL {v}"), ", ", ", ", "{lines} {unit}. Readings {readings}. In control?"
)
JA_MAIN = Form(
    "ja-main", "ja", ("CL {v}", "UCL {v}", "LCL {v}"), "、", "、", "{lines} {unit}。測定値 {readings}。管理状態か？"
)

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

# Parts of which endless further forms are put together, so that labels are read and not templates.
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


@dataclass(frozen=True)
class Chart:
    """What one question's chart is of, and with how many decimals it writes numbers."""

    thing: str
    unit: str
    decimals: int


def chart(rng: random.Random, lang: str) -> Chart:
    quantity = rng.choice(QUANTITIES)
    return Chart(rng.choice(quantity.names[lang]), quantity.unit, rng.choice(quantity.decimals))


def word(
    rng: random.Random, form: Form, about: Chart, s: Series, lines: tuple[str, ...] = LINES, blank: str | None = None
) -> str:
    """The question, every number with the same decimals, as instruments write them. Only the `lines` stand in it, the
    others as `blank` where that is given."""
    parts = []
    for line, template in zip(LINES, form.lines, strict=True):
        value = number(getattr(s, line), about.decimals) if line in lines else blank
        if value is not None:
            parts.append(template.format(v=value, unit=about.unit))
    if form.shuffle and rng.random() < 0.5:
        rng.shuffle(parts)
    readings = form.separator.join(number(reading, about.decimals) for reading in s.readings)
    return form.question.format(thing=about.thing, unit=about.unit, lines=form.between.join(parts), readings=readings)


def number(value: int, decimals: int) -> str:
    """5.0 for 50 at one decimal."""
    digits = f"{abs(value):0{decimals + 1}}"
    return ("-" if value < 0 else "") + (f"{digits[:-decimals]}.{digits[-decimals:]}" if decimals else digits)


# Questions about charts, drawings and readings that are none of the task's.
OTHER = {
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
        "Nominal {centre}, USL {upper}, LSL {lower} {unit}. Readings {readings}. Within tolerance?",
        "{thing} spec {lower} to {upper} {unit}: {readings}. Pass or fail?",
        "Drawing: {centre} {unit}, max {upper}, min {lower}. Parts {readings}. Scrap?",
        "Compute the control limits of {readings} {unit}.",
        "What is the mean of {readings}?",
        "Sort {readings}.",
        "{thing} {readings} {unit}. What is Cpk?",
        "Standard deviation of {readings} {unit}?",
        "Predict the next of {readings}.",
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
        "規格中心 {centre}、規格上限 {upper}、規格下限 {lower} {unit}。測定値 {readings}。規格内か？",
        "{thing}の公差 {lower}～{upper} {unit}。実測 {readings}。合否は？",
        "図面寸法 {centre}、最大 {upper}、最小 {lower}。{readings}。不良か？",
        "{readings} {unit} の管理限界を計算して。",
        "{readings} の平均は？",
        "{readings} を小さい順に並べて。",
        "{thing} {readings} {unit}。Cpkは？",
        "{readings} {unit} の標準偏差は？",
        "{readings} の次の値を予測して。",
    ),
}


def filled(question: str, about: Chart, s: Series) -> str:
    """One of `OTHER`, with this chart's numbers."""
    lines = {line: number(getattr(s, line), about.decimals) for line in LINES}
    readings = ", ".join(number(reading, about.decimals) for reading in s.readings)
    return question.format(thing=about.thing, unit=about.unit, readings=readings, **lines)
