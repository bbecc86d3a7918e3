"""Plant vocabulary of our own in English and Japanese, and names made up from letters, digits and syllables.

GeneratedText from general engineering knowledge, copied from no data set. Says nothing of which sensor responds to which
failure mode: rows are drawn at random, so that a student learns to match what a question says and not what it
remembers.
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
    """What names are drawn from. `made_up` are the ways to make up a sensor's or mode's name, each with its weight."""

    sensors: tuple[Name, ...]
    modes: tuple[Name, ...]
    assets: tuple[Name, ...]
    made_up: dict[Callable[[random.Random, str], str], int]


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
_ASSETS_HELD_OUT = _names(
    "winch=ウインチ | kiln=キルン | loom=織機 | sawmill=製材機 | turbine=タービン | bottling line=充填ライン"
)

_SYLLABLES = (
    "ba",
    "ce",
    "do",
    "fi",
    "gu",
    "ka",
    "lo",
    "mi",
    "ne",
    "po",
    "ra",
    "su",
    "te",
    "vo",
    "zu",
    "nar",
    "tol",
    "bex",
)
_KANA = (
    "カ",
    "ロ",
    "ミ",
    "ネ",
    "ポ",
    "ラ",
    "ス",
    "テ",
    "ボ",
    "ズ",
    "ナ",
    "ト",
    "ベ",
    "リ",
    "ム",
    "フィ",
    "グ",
    "ダ",
    "ソ",
    "ン",
)


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


_PLACES = _names("""
inlet=入口 | outlet=出口 | upper=上部 | lower=下部 | left=左側 | right=右側 | front=前側 | rear=後側 | inner=内側 | outer=外側 | main=主 | spare=予備
drive end=駆動側 | free end=反駆動側 | top=頂部 | base=底部 | cold side=低温側 | hot side=高温側 | supply=供給 | return=戻り | primary=一次
secondary=二次 | high pressure=高圧 | low pressure=低圧 | first stage=一段 | second stage=二段 | average=平均 | peak=最大
""")
_MEDIA = _names("""
oil=油 | water=水 | air=空気 | gas=ガス | steam=蒸気 | fuel=燃料 | brine=ブライン | coolant=冷却液 | grease=グリース | slurry=スラリ | resin=樹脂
ink=インク | acid=酸 | paint=塗料 | foam=泡 | powder=粉体 | dust=粉じん | chips=切粉
""")
_QUANTITIES = _names("""
flow=流量 | pressure=圧力 | temperature=温度 | level=レベル | leakage=漏れ | debris=異物 | consumption=消費量 | ratio=比 | efficiency=効率
vibration=振動 | speed=速度 | time=時間 | noise=音 | purity=純度 | moisture=水分 | density=密度 | load=負荷 | clearance=すきま | length=長さ
discharge=放電 | emission=放射 | balance=バランス | colour=色 | count=回数 | position=位置 | resistance=抵抗
""")
_PARTS = _names("""
rotor=ロータ | stator=固定子 | blade=翼 | nozzle=ノズル | piston=ピストン | ring=リング | bearing=軸受 | seal=シール | gear=歯車 | shaft=軸 | housing=ハウジング
coil=コイル | winding=巻線 | valve=弁 | filter=フィルタ | burner=バーナ | injector=噴射弁 | bellows=ベローズ | flywheel=フライホイール | coupling=継手
impeller=羽根車 | chamber=室 | pipe=配管 | tank=タンク | screw=スクリュ | cylinder=シリンダ | plunger=プランジャ | sleeve=スリーブ | collar=カラー
labyrinth=ラビリンス | phase=相 | brush=ブラシ | spring=ばね | frame=フレーム | foundation=基礎 | cooler=冷却器 | duct=ダクト
""")
_DEFECTS = _names("""
damage=損傷 | wear=摩耗 | fault=不良 | blockage=閉塞 | crack=亀裂 | deterioration=劣化 | leakage=漏れ | fouling=汚れ | looseness=緩み
eccentricity=偏心 | distortion=変形 | stall=失速 | ageing=経年 | overheating=過熱 | imbalance=不釣合い | burn-out=焼損 | seizure=焼付き | scoring=かじり
""")
_KANJI = (
    "温圧流量速電油水気軸弁管板輪刃台機械動力熱冷蒸発送排吸吐回転固定子羽根車室内外上下左右前後高低大小長短新旧金属鋼銅鉛塩酸粉液体質漏損傷摩耗"
    "焼付割折曲振音響光色時間比率差値計測検知器盤線路相極芯面角度位置数量重荷張締緩汚詰"
)


def _described(rng: random.Random, lang: str) -> str:
    """Two or three words, as in `inlet oil pressure` or `cracked rotor blade`."""
    ja = lang == "ja"
    parts = rng.choice(
        (
            (_PLACES, _QUANTITIES),
            (_MEDIA, _QUANTITIES),
            (_PLACES, _MEDIA, _QUANTITIES),
            (_PARTS, _QUANTITIES),
            (_PARTS, _DEFECTS),
            (_PLACES, _PARTS, _DEFECTS),
            (_MEDIA, _PARTS, _DEFECTS),
            (_PARTS, _PARTS, _DEFECTS),
        )
    )
    said = [rng.choice(part)[ja] for part in parts]
    if rng.random() < 0.15:  # as tables often have it: one name for two things
        said[-1] += f"/{rng.choice(parts[-1])[ja]}" if ja or rng.random() < 0.5 else f"/ {rng.choice(parts[-1])[ja]}"
    return "".join(said) if ja else " ".join(said)


def _anything(rng: random.Random, lang: str) -> str:
    """Letters of any kind, or Chinese characters, that make no word."""
    if lang == "ja":
        return "".join(rng.choices(_KANJI, k=rng.randint(2, 4)))
    made = "".join(rng.choices(string.ascii_lowercase, k=rng.randint(3, 6)))
    return made if rng.random() < 0.8 else f"{made} {''.join(rng.choices(string.ascii_lowercase, k=rng.randint(3, 4)))}"


def _suffixed(rng: random.Random, lang: str) -> str:
    return f"{_syllables(rng, lang)}{rng.randint(1, 9)}{rng.choice('abc')}"


TRAINED = Words(_SENSORS, _MODES, _ASSETS, {_tag: 1, _loop: 1, _syllables: 1, _letters: 1, _described: 3, _anything: 1})
HELD_OUT = Words(
    _SENSORS_HELD_OUT, _MODES_HELD_OUT, _ASSETS_HELD_OUT, {_dotted: 1, _suffixed: 1}
)  # never drawn for training

ALL_MADE_UP, SOME_MADE_UP = (
    0.3,
    0.35,
)  # of the questions; in the latter each name is made up or not by the toss of a coin
_TYPES = {"sensor": ("sensor {}", "センサ{}"), "mode": ("fault {}", "故障{}"), "asset": ("unit {}", "設備{}")}
TYPED_SHARE, TYPED_MODES_MAX = 0.3, 3  # of the short questions that have made-up names write what they are: "sensor K7"

RELATED_SHARE = (
    0.25  # of the questions have names that others of them begin with a word more, as `inlet pressure` and `pressure`
)


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
    ways = rng.choices(list(words.made_up), list(words.made_up.values()), k=2)
    typed, ja = modes <= TYPED_MODES_MAX and rng.random() < TYPED_SHARE, lang == "ja"
    related = rng.random() < RELATED_SHARE
    taken: set[str] = set()

    def draw(what: str, table: tuple[Name, ...], count: int) -> list[str]:
        drawn = [entry[ja] for entry in rng.sample(table, count)]
        taken.update(drawn)
        for place in range(count):
            if rng.random() < share:
                while (made := rng.choice(ways)(rng, lang)) in taken:
                    pass
                taken.add(made)
                drawn[place] = _TYPES[what][ja].format(made) if typed else made
            elif related and place and rng.random() < 0.5:
                where, of = rng.choice(_PLACES)[ja], drawn[rng.randrange(place)]
                made = f"{where}{of}" if ja else f"{where} {of}"
                if made not in taken:
                    taken.add(made)
                    drawn[place] = made
        return drawn

    return Named(
        draw("asset", words.assets, 1)[0], draw("sensor", words.sensors, sensors), draw("mode", words.modes, modes)
    )
