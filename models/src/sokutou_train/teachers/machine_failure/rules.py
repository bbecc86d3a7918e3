"""The rule teacher of the task `machine-failure`: readings in, answer and exact rationale out.

The rules are the documented ones of the AI4I 2020 data set (Matzka 2020, CC BY 4.0): heat dissipation, power and
overstrain. Everything made here is *generated* from those rules and must be called so wherever it is shown.

One answer a question, and how it is chosen:
- Exactly one rule holds: its failure. Two or all three: `MULTI`, and the rationale names each.
- No rule holds and the tool has worn `WEAR_RISK_MIN` minutes or more: `TWR`. A worn tool fails at a random moment
  that no reading gives away, in about `WEAR_FAILS_PER_100` of a hundred such readings. The honest answer is therefore
  the risk and not a guess at the outcome: "it fails" would be wrong 95 times in a hundred, "no failure" would hide a
  tool that is due. `TWR` is right whenever the rules say so, whether the tool then fails or not, and so may be given
  with high confidence. The confidence is in the statement; how likely the tool is to fail is part of the statement,
  in its label and in its rationale.
- A rule that holds outweighs the risk: the failure is certain, and the tool's risk is not spoken of.
- Worn beyond the band's end is the same answer: its tool is overdue, and no less at risk.

This module never samples and never words a question: `sampling` draws readings, `readings` words them.
"""

from __future__ import annotations

import enum
import math
from collections.abc import Collection
from dataclasses import dataclass
from fractions import Fraction

from ...calculator import evaluate, mark

TASK_ID = "machine-failure"

# 2*pi/60 to five decimals: rpm to rad/s. The error is 2e-6, so a row within 0.1 W of a limit is refused by `boundary`.
RAD_PER_S_PER_RPM_E5 = 10_472
RAD_PER_S_PER_RPM = f"{RAD_PER_S_PER_RPM_E5 / 1e5}"  # as a rationale writes it

HEAT_GAP_MIN_DK = 86  # tenths of a kelvin; process minus air
HEAT_SPEED_MIN_RPM = 1380
POWER_MIN_W, POWER_MAX_W = 3500, 9000
STRAIN_MAX_MIN_NM = {"L": 11_000, "M": 12_000, "H": 13_000}

# AI4I 2020 has each tool replaced or failing "at a randomly selected tool wear time between 200 and 240 min". Of the
# table's 790 readings in that band 43 are flagged as a tool wear failure (5.4%); of the 639 in the rows that may be
# looked at here, 37 (5.8%, 95% interval 4.1% to 7.9%).
WEAR_RISK_MIN = 200
WEAR_BAND_MIN = (WEAR_RISK_MIN, 240)
WEAR_FAILS_PER_100 = 5


class Answer(enum.Enum):
    """The closed answer set; the value is the text the student writes."""

    NONE = "OK"
    HEAT = "HDF"
    POWER = "PWF"
    STRAIN = "OSF"
    WEAR = "TWR"  # no rule holds; the tool may fail at random
    SEVERAL = "MULTI"
    PERSON = "ASK"  # taught until 1.2.0; the runtime reads questions and decides this itself now


FAILURES = (Answer.HEAT, Answer.POWER, Answer.STRAIN)

# code, text, label in English, label in Japanese, does this choice call a person?
CHOICES = (
    (0, Answer.NONE, "no failure", "故障なし", False),
    (1, Answer.HEAT, "heat dissipation failure", "放熱不良", False),
    (2, Answer.POWER, "power failure", "電力異常", False),
    (3, Answer.STRAIN, "overstrain failure", "過負荷故障", False),
    (
        4,
        Answer.WEAR,
        f"no rule broken, tool wear risk (about {WEAR_FAILS_PER_100} %)",
        f"規則上の異常なし・工具摩耗の恐れ（約{WEAR_FAILS_PER_100} %）",
        False,
    ),
    (5, Answer.SEVERAL, "several failure modes", "複数の故障モード", False),
    (9, Answer.PERSON, "outside what this student knows", "判定対象外", True),
)


@dataclass(frozen=True)
class Reading:
    """One set of readings, in integers so that no rule is decided by binary floating point."""

    grade: str  # L, M or H
    air_dk: int  # tenths of a kelvin
    process_dk: int  # tenths of a kelvin
    speed_rpm: int
    torque_dnm: int  # tenths of a newton metre
    wear_min: int

    @property
    def gap_dk(self) -> int:
        return self.process_dk - self.air_dk

    @property
    def power_w(self) -> float:
        return self.torque_dnm * self.speed_rpm * RAD_PER_S_PER_RPM_E5 / 1e6

    @property
    def strain(self) -> float:
        """Tool wear times torque, min Nm."""
        return self.wear_min * self.torque_dnm / 10

    @property
    def worn(self) -> bool:
        return self.wear_min >= WEAR_RISK_MIN


def modes(r: Reading) -> set[Answer]:
    """Which of the three rules fire; more than one can."""
    fired = set()
    if r.gap_dk < HEAT_GAP_MIN_DK and r.speed_rpm < HEAT_SPEED_MIN_RPM:
        fired.add(Answer.HEAT)
    if not POWER_MIN_W <= r.power_w <= POWER_MAX_W:
        fired.add(Answer.POWER)
    if r.strain > STRAIN_MAX_MIN_NM[r.grade]:
        fired.add(Answer.STRAIN)
    return fired


def verdict(fired: Collection[Answer], worn: bool) -> Answer:
    """The one answer to the rules that hold and a tool that may be worn."""
    if len(fired) > 1:
        return Answer.SEVERAL
    return next(iter(fired), Answer.WEAR if worn else Answer.NONE)


def answer(r: Reading) -> Answer:
    return verdict(modes(r), r.worn)


def boundary(r: Reading) -> bool:
    """True for a row whose truth hangs on rounding: exactly 8.6 K below 1380 rpm, or within 0.1 W of a power limit."""
    heat = r.gap_dk == HEAT_GAP_MIN_DK and r.speed_rpm < HEAT_SPEED_MIN_RPM
    return heat or min(abs(r.power_w - POWER_MIN_W), abs(r.power_w - POWER_MAX_W)) < 0.1


# A margin is squashed twice: coarsely, to say how far off a limit is, and finely, to tell the two sides of it apart.
MARGIN_SCALES = (0.3, 0.05)  # shares of the limit


def margins(r: Reading) -> tuple[float, ...]:
    """How far each quantity lies from its limit, in shares of the limit, each squashed by `MARGIN_SCALES` to -1..1.

    What the rationale says in words, said as numbers: the student learns to predict them beside its first answer.
    """
    shares = (
        r.gap_dk / HEAT_GAP_MIN_DK - 1,
        r.speed_rpm / HEAT_SPEED_MIN_RPM - 1,
        r.power_w / POWER_MIN_W - 1,
        r.power_w / POWER_MAX_W - 1,
        r.strain / STRAIN_MAX_MIN_NM[r.grade] - 1,
        (r.wear_min + 0.5) / WEAR_RISK_MIN - 1,
    )
    return tuple(math.tanh(share / scale) for share in shares for scale in MARGIN_SCALES)


NEAR = Fraction(2, 100)  # of a limit: who is nearer thinks first (docs/calibration.md)


def near_limit(r: Reading, share: Fraction = NEAR) -> bool:
    """Within `share` of a limit, whether it decides the answer or not; as the runtime sees it (`readings.READINGS`)."""
    return any(abs(quantity - limit) <= share * limit for quantity, limit in quantities(r))


def quantities(r: Reading) -> tuple[tuple[int, int], ...]:
    """Each quantity with its limit, in whole numbers of a unit of their own."""
    power = r.torque_dnm * r.speed_rpm * RAD_PER_S_PER_RPM_E5  # millionths of a watt
    return (
        (r.gap_dk, HEAT_GAP_MIN_DK),
        (r.speed_rpm, HEAT_SPEED_MIN_RPM),
        (power, POWER_MIN_W * 1_000_000),
        (power, POWER_MAX_W * 1_000_000),
        (r.wear_min * r.torque_dnm, STRAIN_MAX_MIN_NM[r.grade] * 10),
        (r.wear_min, WEAR_RISK_MIN),
    )


@dataclass(frozen=True)
class GeneratedText:
    """The readings as the question wrote them, so that the rationale quotes them."""

    grade: str
    air: str
    process: str
    speed: str
    torque: str
    wear: str


def recital(w: GeneratedText, lang: str) -> str:
    """What the student read, in one fixed order: the first sentence of every rationale about readings. The operator
    sees at a glance whether it read right, and the arithmetic after it quotes from here, however the question was
    worded."""
    if lang == "ja":
        return (
            f"読み取り {w.grade}型、空気 {w.air}、工程 {w.process}、回転数 {w.speed}、トルク {w.torque}、摩耗 "
            f"{w.wear}。"
        )
    return f"Read type {w.grade}, air {w.air}, process {w.process}, speed {w.speed}, torque {w.torque}, wear {w.wear}."


def rationale(r: Reading, w: GeneratedText, lang: str) -> str:
    """The recital, then each quantity computed with a calculator mark, its limit, and what is left when the limit is
    taken away: a comparison is the sign of a difference, so that the calculator does it and the student need only read
    the sign. Last the rules that hold, or the tool's wear where none does."""
    gap, gap_left = _against(f"{w.process}-{w.air}", HEAT_GAP_MIN_DK / 10)
    speed_left = mark(f"{w.speed}-{HEAT_SPEED_MIN_RPM}")
    power_limit = POWER_MIN_W if r.power_w < (POWER_MIN_W + POWER_MAX_W) / 2 else POWER_MAX_W  # the nearer one decides
    power, power_left = _against(f"{w.torque}*{w.speed}*{RAD_PER_S_PER_RPM}", power_limit)
    strain_max = STRAIN_MAX_MIN_NM[r.grade]
    strain, strain_left = _against(f"{w.wear}*{w.torque}", strain_max)
    gap_low, slow = r.gap_dk < HEAT_GAP_MIN_DK, r.speed_rpm < HEAT_SPEED_MIN_RPM
    weak, strong = r.power_w < POWER_MIN_W, r.power_w > POWER_MAX_W
    over = r.strain > strain_max
    if lang == "ja":
        low, slow_ja = ("未満" if below else "以上" for below in (gap_low, slow))
        heat = "放熱不良" if gap_low and slow else "放熱は正常"
        side = ("未満" if weak else "以上") if power_limit == POWER_MIN_W else "超" if strong else "以下"
        power_word = "、電力異常" if weak or strong else ""
        over_ja = "超、過負荷" if over else "以下"
        return (
            recital(w, lang)
            + (
                f"温度差 {gap} K、基準との差 {gap_left}、{low}。回転数の基準との差 {speed_left} rpm、{slow_ja}。"
                f"{heat}。"
                f"動力 {power} W、限界との差 {power_left}、{side}{power_word}。"
                f"摩耗×トルク {strain} min Nm、{w.grade}型の限界との差 {strain_left}、{over_ja}。"
            )
            + _conclusion(r, w, lang)
        )
    low, slow_en = ("below" if below else "not below" for below in (gap_low, slow))
    heat = "heat failure" if gap_low and slow else "heat is fine"
    side = ("below" if weak else "not below") if power_limit == POWER_MIN_W else "above" if strong else "not above"
    power_word = ", power failure" if weak or strong else ""
    over_en = "above, overstrain" if over else "not above"
    return (
        recital(w, lang)
        + " "
        + (
            f"Gap {gap} K, less limit {gap_left}, {low}; speed less limit {speed_left} rpm, {slow_en}; {heat}. "
            f"Power {power} W, less limit {power_left}, {side}{power_word}. "
            f"Wear times torque {strain} min Nm, less type {w.grade} limit {strain_left}, {over_en}. "
        )
        + _conclusion(r, w, lang)
    )


RULE_NAMES = {
    Answer.HEAT: ("heat", "放熱不良"),
    Answer.POWER: ("power", "電力異常"),
    Answer.STRAIN: ("overstrain", "過負荷"),
}


def _conclusion(r: Reading, w: GeneratedText, lang: str) -> str:
    fired = modes(r)
    names = [RULE_NAMES[mode][lang == "ja"] for mode in FAILURES if mode in fired]
    if names:
        return f"故障 {'、'.join(names)}。" if lang == "ja" else f"Failure: {', '.join(names)}."
    left = mark(f"{w.wear}-{WEAR_RISK_MIN}")
    if lang == "ja":
        return f"摩耗の基準との差 {left} 分、{f'以上、約{WEAR_FAILS_PER_100}%が故障' if r.worn else '未満、故障なし'}。"
    return (
        f"Wear less limit {left} min, "
        f"{f'not below, about {WEAR_FAILS_PER_100}% fail' if r.worn else 'below, no failure'}."
    )


def _against(expression: str, limit: object) -> tuple[str, str]:
    """The marks of a quantity and of what is left of it without its limit."""
    return mark(expression), mark(f"{evaluate(expression)}-{limit}")
