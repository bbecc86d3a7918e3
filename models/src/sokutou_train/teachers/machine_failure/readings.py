"""What the task `machine-failure` reads: six fields with the names and units that people and machines call them by. The
runtime reads questions by it, and `asked` words a reading as the runtime then asks the student."""

from __future__ import annotations

from ...readings import Field, Fields, Limit, Quantity, Range, Unit, Word, names
from .rules import (
    HEAT_GAP_MIN_DK,
    HEAT_SPEED_MIN_RPM,
    POWER_MAX_W,
    POWER_MIN_W,
    RAD_PER_S_PER_RPM,
    STRAIN_MAX_MIN_NM,
    WEAR_RISK_MIN,
    GeneratedText,
    Reading,
)
from .sampling import RANGES

CANONICAL = {
    "en": "Type {type}, air {air} K, process {process} K, speed {speed} rpm, torque {torque} Nm, tool wear {wear} min. "
    "Which failure, if any?",
    "ja": "{type}型、空気温度 {air} K、工程温度 {process} K、回転数 {speed} rpm、トルク {torque} Nm、工具摩耗 {wear} 分。"
    "どの故障か？",
}
# A reading within this share of a limit is thought about first. Within 2% a sure first answer is wrong too often to be
# given, beyond it hardly ever (docs/calibration.md).
NEAR = "0.02"


def asked(r: Reading, lang: str) -> tuple[str, GeneratedText]:
    """The canonical question about a reading, and the values as they stand in it."""
    w = GeneratedText(
        r.grade, _tenths(r.air_dk), _tenths(r.process_dk), str(r.speed_rpm), _tenths(r.torque_dnm), str(r.wear_min)
    )
    question = CANONICAL[lang].format(
        type=w.grade, air=w.air, process=w.process, speed=w.speed, torque=w.torque, wear=w.wear
    )
    return question, w


def _tenths(value: int) -> str:
    """298.1 for 2981; negative ones do not occur."""
    return f"{value // 10}.{value % 10}"


_TYPE = """
    grade | product type | product quality | product grade | product variant | quality | quality class | quality grade |
    variant | class | machine type | part type | model | タイプ | 品種 | 品質 | 種別 | グレード | 区分 | 品質区分 |
    製品タイプ | 製品品質 | 機種 | 等級 | 級
"""
_AIR = """
    air | air temp | temp air | temperature air | ambient | ambient temp | ambient temperature | ambient air | room temp |
    room temperature | shop temperature | surrounding air | temperature of the air | T air | air T | Ta | Tair | T_air |
    T amb | Tamb | 空気 | 空気温 | 気温 | 室温 | 周囲温度 | 周辺温度 | 外気 | 外気温 | 外気温度 | 雰囲気温度 | 環境温度
"""
_PROCESS = """
    process | process temp | temp process | temperature process | proc | proc temp | proc temperature |
    working temperature | machining temperature | operating temperature | temperature of the process | T process |
    process T | T proc | Tp | Tproc | T_process | T_proc | 工程 | 工程温 | プロセス | プロセス温度 | プロセス温 | 加工温度 |
    加工時温度 | 運転温度 | 作業温度
"""
# No 速度 alone, no N, no tool alone: a feed rate, a force and a tool's number are called so too.
_SPEED = """
    rotational speed | rotation speed | rotary speed | rotation | revolutions | spindle speed | spindle | spindle rpm |
    spindle running | spindle turning | spindle turns | running speed | running | machine running | turning |
    motor speed | rpm | n | 回転速度 | 回転 | 主軸回転数 | 主軸回転速度 | 主軸回転 | 主軸速度 | 主軸の回転数 |
    スピンドル回転数 | スピンドル速度 | 毎分回転数
"""
_TORQUE = """
    spindle torque | load torque | shaft torque | motor torque | cutting torque | torque load | trq | M |
    主軸トルク | 主軸のトルク | 負荷トルク | 軸トルク | 回転トルク | 切削トルク | モータトルク | モータートルク
"""
_WEAR = """
    wear | wear time | tool wear time | tool time | tool used | tool use | tool age | tool in use | tool worn |
    tool has worn | worn | cutter worn | cutter wear | cutting time | wear of the tool | tool life used | tool usage | w |
    摩耗 | 摩耗時間 | 工具摩耗時間 | 工具の摩耗 | 工具使用時間 | 工具時間 | 刃具摩耗 | 刃具使用時間 | 刃物の摩耗 | 切削時間
"""


_KELVIN = (
    Unit(names("K | kelvin | kelvins | ケルビン")),
    Unit(
        names("°C | C | deg C | degC | deg. C | degrees C | degree C | celsius | degrees celsius | 度C | 摂氏 | 度"),
        shift="273.15",
    ),
    Unit(
        names("°F | F | deg F | degF | deg. F | degrees F | fahrenheit | degrees fahrenheit | 度F | 華氏"),
        shift="459.67",
        factor="5",
        divisor="9",
    ),
)
_RPM = (
    Unit(
        names("""
            rpm | r/min | min-1 | min^-1 | 1/min | rev/min | revs/min | rev./min | rev per min |
            revolutions per minute | 回転/分 | 回/分 | 毎分回転
        """)
    ),
    Unit(
        names("rps | r/s | s-1 | s^-1 | 1/s | rev/s | revs/s | revolutions per second | 回転/秒 | 回/秒"), factor="60"
    ),
)
_NEWTON_METRES = (
    Unit(
        names("""
            Nm | N·m | N⋅m | N・m | N m | N*m | N-m | N.m | newton metre | newton metres | newton meter | newton meters |
            ニュートンメートル
        """)
    ),
    Unit(names("kgf·m | kgf⋅m | kgf・m | kgf m | kgf*m | kgf-m | kgf.m | kgfm"), factor="9.80665"),
    Unit(
        names("""
            in·lbf | in-lbf | in lbf | in*lbf | inlbf | lbf·in | lbf-in | lbf in | lbf*in | lbfin
        """),
        factor="0.1129848290276167",
    ),
    Unit(
        names("""
            ft·lbf | ft-lbf | ft lbf | ft*lbf | ftlbf | lbf·ft | lbf-ft | lbf ft | lbf*ft | lbfft
        """),
        factor="1.3558179483314004",
    ),
)
_MINUTES = (
    Unit(names("min | min. | mins | minute | minutes | 分 | 分間"), then="s"),
    Unit(names("h | hr | hrs | hour | hours | 時間"), factor="60", then="min"),
    Unit(names("s | sec | secs | second | seconds | 秒 | 秒間"), divisor="60"),
)


def _range(name: str, scale: int = 1) -> tuple[str, str]:
    low, high = RANGES[name]
    return (str(low), str(high)) if scale == 1 else (_tenths(low), _tenths(high))


_AIR_RANGE, _GAP_RANGE, _TORQUE_RANGE = (_range(name, 10) for name in ("air_dk", "gap_dk", "torque_dnm"))
_PROCESS_MIN, _PROCESS_MAX = (_tenths(air + gap) for air, gap in zip(RANGES["air_dk"], RANGES["gap_dk"], strict=True))

READINGS = Fields(
    CANONICAL,
    (
        Field(
            "type",
            {"en": "type", "ja": "型"},
            names(_TYPE),
            (Word("L", 1), Word("M", 2), Word("H", 3)),
        ),
        Field(
            "air",
            {"en": "air temperature", "ja": "空気温度"},
            names(_AIR),
            Quantity(_KELVIN, "0.1", *_AIR_RANGE),
        ),
        Field(
            "process",
            {"en": "process temperature", "ja": "工程温度"},
            names(_PROCESS),
            Quantity(_KELVIN, "0.1", _PROCESS_MIN, _PROCESS_MAX),
        ),
        Field("speed", {"en": "speed", "ja": "回転数"}, names(_SPEED), Quantity(_RPM, "1", *_range("speed_rpm"))),
        Field(
            "torque",
            {"en": "torque", "ja": "トルク"},
            names(_TORQUE),
            Quantity(_NEWTON_METRES, "0.1", *_TORQUE_RANGE),
        ),
        Field(
            "wear",
            {"en": "tool wear", "ja": "工具摩耗"},
            names(_WEAR),
            Quantity(_MINUTES, "1", *_range("wear_min"), clock=True),
        ),
    ),
    checks=(Range({"en": "temperature difference", "ja": "温度差"}, "process-air", "K", *_GAP_RANGE),),
    limits=(
        Limit("process-air", _tenths(HEAT_GAP_MIN_DK)),
        Limit("speed", str(HEAT_SPEED_MIN_RPM)),
        Limit(f"torque*speed*{RAD_PER_S_PER_RPM}", str(POWER_MIN_W)),
        Limit(f"torque*speed*{RAD_PER_S_PER_RPM}", str(POWER_MAX_W)),
        *(Limit("wear*torque", str(limit), {"type": grade}) for grade, limit in STRAIN_MAX_MIN_NM.items()),
        Limit("wear", str(WEAR_RISK_MIN)),
    ),
    near=NEAR,
)
