"""What the task `process-control` reads: a chart's lines and its latest readings, with the names that people and machines
call them by. The runtime reads questions by it, scales them as `normal` does, and asks in the canonical wording."""

from __future__ import annotations

from ...readings import Line, Series, names
from .normal import CENTRE, LOWER, UPPER, WAY, ZONE
from .rules import READINGS_MAX, READINGS_MIN, Answer

COUNT_MAX = 25  # of a question: what charts are drawn with (NIST/SEMATECH e-Handbook 6.3.2)
CANONICAL = {
    "en": f"CL {CENTRE}, UCL {UPPER}, LCL {LOWER}. Readings {{readings}}. In control?",
    "ja": f"CL {CENTRE}、UCL {UPPER}、LCL {LOWER}。測定値 {{readings}}。管理状態か？",
}
SEPARATOR = {"en": ", ", "ja": "、"}
NEAR = "0.034"  # one place of the thirty from the centre to a limit

_CENTRE = """
    CL | center line | centre | center | mean | mean line | average | grand mean | xbar | x-bar | around | 中心線CL | 中心 |
    平均 | 平均値 | 総平均 | 中央線 | 管理中心線
"""
# No 上限 or max alone: limits of a drawing are called so too, and whether a part passes is another question.
_UPPER = """
    UCL | upper limit | upper | upper CL | ctrl max | control limit high | high limit | up to | 上方管理限界UCL |
    上方管理限界線 | 管理上限 | 管理上限線 | 上側管理限界 | 上部管理限界 | 上部管理限界線 | 上方限界 | 上方
"""
_LOWER = """
    LCL | lower limit | lower | lower CL | ctrl min | control limit low | low limit | down to | 下方管理限界LCL |
    下方管理限界線 | 管理下限 | 管理下限線 | 下側管理限界 | 下部管理限界 | 下部管理限界線 | 下方限界 | 下方
"""
_READINGS = """
    last readings | latest readings | reading | data | values | value | measurements | measured | we measured | points |
    latest points | last points | latest | samples | x | X | 直近の測定値 | 最新の測定値 | データ | 実測値 | 実測 | 計測値 |
    打点 | 最新値 | 値
"""

READINGS = Series(
    CANONICAL,
    SEPARATOR,
    centre=Line({"en": "centre line", "ja": "中心線"}, names(_CENTRE)),
    upper=Line({"en": "upper control limit", "ja": "上方管理限界"}, names(_UPPER)),
    lower=Line({"en": "lower control limit", "ja": "下方管理限界"}, names(_LOWER)),
    readings=Line({"en": "readings", "ja": "測定値"}, names(_READINGS)),
    count=(READINGS_MIN, COUNT_MAX),
    window=READINGS_MAX,
    anywhere=(Answer.LIMIT.value,),
    normal={"centre": CENTRE, "way": WAY, "zone": ZONE},
    near=NEAR,
)
