"""Plant vocabulary of our own in English and Japanese, and names made up from letters, digits and syllables.

Written from general engineering knowledge, copied from no data set. Says nothing of which sensor responds to which failure mode:
rows are drawn at random, so that a student learns to match what a question says and not what it remembers.
"""

from __future__ import annotations

import random
import string
from collections.abc import Callable
from dataclasses import dataclass

Name = tuple[str, str]  # English, Japanese


def _names(table: str) -> tuple[Name, ...]:
    entries = (entry.split("=") for entry in table.replace("\n", "|").split("|") if entry.strip())
    return tuple((en.strip(), ja.strip()) for en, ja in entries)


@dataclass(frozen=True)
class Words:
    """What names are drawn from. `made_up` are the ways to make up a sensor's or mode's name."""

    sensors: tuple[Name, ...]
    modes: tuple[Name, ...]
    assets: tuple[Name, ...]
    made_up: tuple[Callable[[random.Random, str], str], ...]


_SENSORS = _names("""
vibration=振動 | temperature=温度 | pressure=圧力 | flow=流量 | speed=回転数 | current=電流 | voltage=電圧 | torque=トルク
power=電力 | noise=騒音 | level=液位 | humidity=湿度 | oil temp=油温 | oil level=油面 | oil pressure=油圧 | bearing temp=軸受温度
winding temp=巻線温度 | motor current=モータ電流 | spindle load=主軸負荷 | servo error=サーボ偏差 | position error=位置偏差
cycle time=サイクルタイム | air pressure=エア圧 | air flow=風量 | suction pressure=吸込圧 | discharge pressure=吐出圧
filter dp=フィルタ差圧 | acoustic emission=AE | ultrasound=超音波 | strain=ひずみ | displacement=変位 | shaft gap=軸すきま
coolant flow=クーラント流量 | coolant temp=クーラント温度 | water temp=水温 | leak meter=漏れ計 | oil particles=油中粒子 | iron in oil=鉄粉濃度
oil moisture=油中水分 | weight=重量 | clamp force=クランプ力 | press force=プレス荷重 | belt tension=ベルト張力 | belt speed=ベルト速度
exhaust temp=排気温度 | gas detector=ガス検知器 | insulation=絶縁抵抗 | power factor=力率 | phase balance=相バランス | tilt=傾き
vacuum=真空度 | stroke time=ストローク時間 | valve position=弁開度 | door switch=ドアスイッチ | thermal image=サーモ画像 | dust=粉じん
""")
_SENSORS_HELD_OUT = _names("""
grip force=把持力 | dew point=露点 | conductivity=導電率 | pH=pH値 | runout=振れ | brake gap=ブレーキすきま | chain stretch=チェーン伸び
shaft voltage=軸電圧 | viscosity=粘度 | inlet temp=入口温度
""")
_MODES = _names("""
unbalance=アンバランス | misalignment=芯ずれ | looseness=ゆるみ | bearing wear=軸受摩耗 | bearing seizure=軸受焼付き | shaft bend=軸曲がり
shaft crack=軸き裂 | seal wear=シール摩耗 | seal leak=シール漏れ | gland leak=グランド漏れ | cavitation=キャビテーション | air binding=エア噛み
clogged filter=フィルタ詰まり | clogged nozzle=ノズル詰まり | clogged strainer=ストレーナ詰まり | pipe leak=配管漏れ | air leak=エア漏れ
oil shortage=油不足 | oil aging=油劣化 | water in oil=油水混入 | overheating=過熱 | overload=過負荷 | phase loss=欠相 | winding short=巻線短絡
ground fault=地絡 | rotor bar crack=ロータバー割れ | brush wear=ブラシ摩耗 | encoder fault=エンコーダ異常 | cable break=断線 | fuse blown=ヒューズ切れ
belt slip=ベルト滑り | belt wear=ベルト摩耗 | belt drift=ベルト蛇行 | chain slack=チェーンたるみ | gear wear=歯車摩耗 | tooth break=歯欠け
coupling wear=カップリング摩耗 | brake drag=ブレーキ引きずり | clutch slip=クラッチ滑り | valve stuck=弁固着 | valve leak=弁漏れ | ring wear=リング摩耗
impeller wear=羽根車摩耗 | blade erosion=翼浸食 | blade fouling=羽根汚れ | cooler fouling=クーラ汚れ | fan stop=ファン停止 | tool wear=工具摩耗
tool break=工具折損 | chip jam=切りくず詰まり | spindle play=主軸がた | ball screw wear=ボールねじ摩耗 | guide wear=案内面摩耗 | backlash=バックラッシ
joint play=関節がた | gripper slip=把持滑り | hose burst=ホース破裂 | cylinder leak=シリンダ漏れ | die crack=金型割れ | die misfit=金型ずれ
roller seized=ローラ固着 | heater break=ヒータ断線 | sensor drift=センサずれ | resonance=共振 | surge=サージ | rubbing=接触摩擦 | corrosion=腐食
wear/play=摩耗/がた | water hammer=水撃 | refrigerant low=冷媒不足 | foundation crack=基礎割れ | bolt fatigue=ボルト疲労
""")
_MODES_HELD_OUT = _names("""
icing=着氷 | spring break=ばね折れ | diaphragm tear=ダイアフラム破れ | pulley wear=プーリ摩耗 | key shear=キーせん断 | rope fray=ロープ素線切れ
oil foaming=油泡立ち | commutator wear=整流子摩耗 | contact weld=接点溶着 | liner wear=ライナ摩耗 | magnet loss=減磁 | scale build-up=スケール付着
""")
_ASSETS = _names("""
pump=ポンプ | water pump=送水ポンプ | vacuum pump=真空ポンプ | gear pump=歯車ポンプ | fan=送風機 | exhaust fan=排気ファン | blower=ブロワ
motor=モータ | servo motor=サーボモータ | compressor=コンプレッサ | air dryer=エアドライヤ | gearbox=減速機 | press=プレス | hydraulic unit=油圧ユニット
conveyor=コンベヤ | roller line=ローラライン | robot=ロボット | welding robot=溶接ロボット | spindle=主軸 | lathe=旋盤 | milling machine=フライス盤
grinder=研削盤 | machining center=マシニングセンタ | injection machine=射出成形機 | extruder=押出機 | mixer=撹拌機 | crusher=破砕機 | chiller=チラー
boiler=ボイラ | cooling tower=冷却塔 | crane=クレーン | lift=リフト | packer=包装機 | labeler=ラベラ | furnace=加熱炉 | separator=遠心分離機
""")
_ASSETS_HELD_OUT = _names("winch=ウインチ | kiln=キルン | loom=織機 | sawmill=製材機 | turbine=タービン | bottling line=充填ライン")

_SYLLABLES = ("ba", "ce", "do", "fi", "gu", "ka", "lo", "mi", "ne", "po", "ra", "su", "te", "vo", "zu", "nar", "tol", "bex")
_KANA = ("カ", "ロ", "ミ", "ネ", "ポ", "ラ", "ス", "テ", "ボ", "ズ", "ナ", "ト", "ベ", "リ", "ム", "フィ", "グ", "ダ", "ソ", "ン")


def _tag(rng: random.Random, lang: str) -> str:
    return f"{rng.choice(string.ascii_uppercase)}{rng.randint(1, 30)}"


def _loop(rng: random.Random, lang: str) -> str:
    return f"{''.join(rng.choices(string.ascii_uppercase, k=rng.randint(1, 2)))}-{rng.randint(1, rng.choice((9, 99, 399)))}"


def _syllables(rng: random.Random, lang: str) -> str:
    if lang == "ja":
        return "".join(rng.choices(_KANA[:-1], k=1) + rng.choices(_KANA, k=rng.randint(1, 3)))
    return "".join(rng.choices(_SYLLABLES, k=rng.randint(2, 3)))


def _letters(rng: random.Random, lang: str) -> str:
    return "".join(rng.choices("bcdfghjklmnpqrstvwxz", k=rng.randint(2, 4)))  # no vowel, so no word of a question


def _dotted(rng: random.Random, lang: str) -> str:
    return f"{rng.randint(1, 9)}{rng.choice(string.ascii_uppercase)}.{rng.randint(1, 99)}"


def _suffixed(rng: random.Random, lang: str) -> str:
    return f"{_syllables(rng, lang)}{rng.randint(1, 9)}{rng.choice('abc')}"


TRAINED = Words(_SENSORS, _MODES, _ASSETS, (_tag, _loop, _syllables, _letters))
HELD_OUT = Words(_SENSORS_HELD_OUT, _MODES_HELD_OUT, _ASSETS_HELD_OUT, (_dotted, _suffixed))  # never drawn for training

ALL_MADE_UP, SOME_MADE_UP = 0.2, 0.3  # of the questions; in the latter each name is made up or not by the toss of a coin
_TYPES = {"sensor": ("sensor {}", "センサ{}"), "mode": ("fault {}", "故障{}"), "asset": ("unit {}", "設備{}")}
TYPED_SHARE, TYPED_MODES_MAX = 0.3, 3  # of the short questions that have made-up names write what they are: "sensor K7"


@dataclass(frozen=True)
class Named:
    """The names of one question, all different."""

    asset: str
    sensors: list[str]
    modes: list[str]


def name(rng: random.Random, words: Words, lang: str, sensors: int, modes: int) -> Named:
    """Draws so many names, all different. A question holds made-up names of two patterns at most."""
    style = rng.random()
    share = 1.0 if style < ALL_MADE_UP else 0.5 if style < ALL_MADE_UP + SOME_MADE_UP else 0.0
    ways = rng.sample(words.made_up, 2)
    typed, ja = modes <= TYPED_MODES_MAX and rng.random() < TYPED_SHARE, lang == "ja"
    taken: set[str] = set()

    def draw(what: str, table: tuple[Name, ...], count: int) -> list[str]:
        drawn = [entry[ja] for entry in rng.sample(table, count)]
        for place in range(count):
            if rng.random() < share:
                while (made := rng.choice(ways)(rng, lang)) in taken:
                    pass
                taken.add(made)
                drawn[place] = _TYPES[what][ja].format(made) if typed else made
        return drawn

    return Named(draw("asset", words.assets, 1)[0], draw("sensor", words.sensors, sensors), draw("mode", words.modes, modes))
