"""Questions of no task at all: greetings, other machines, sums, single words and noise, in English and Japanese. What
the tasks of the shop floor must leave to a person. Generated, and says no answer to any.
"""

from __future__ import annotations

import random


def draw(rng: random.Random) -> tuple[str, str]:
    """A question and its language."""
    lang = rng.choice(("en", "ja"))
    sentences = 1 if rng.random() < 0.8 else rng.randint(2, 5)  # a long question is no reason to trust it
    return " ".join(_sentence(rng, lang) for _ in range(sentences)), lang


def _sentence(rng: random.Random, lang: str) -> str:
    generated = rng.random() < 0.5
    return _number_slots(rng, rng.choice(_KINDS[lang])(rng) if generated else rng.choice(_SENTENCES[lang]))


def _number_slots(rng: random.Random, text: str) -> str:
    while "#" in text:
        text = text.replace("#", _number(rng), 1)
    return text


def _number(rng: random.Random) -> str:
    kind = rng.random()
    if kind < 0.4:
        return str(rng.randint(0, 99))
    if kind < 0.7:
        return str(rng.randint(100, 9999))
    return f"{rng.uniform(0, 500):.{rng.randint(1, 3)}f}"


_NAMES = ("Ken", "Maria", "Yuki", "Tom", "Aiko", "Sam", "Lena", "Hiro", "Omar", "Nina")
_WORDS = (
    "pump valve motor belt pressure flow voltage current bearing oil filter sensor alarm robot weld laser press gear "
    "spindle "
    "tool torque speed temperature wear air process machine type failure line shift order stock part drawing door "
    "light price"
).split()
_WORDS_JA = (
    "ポンプ 弁 モーター ベルト 圧力 流量 電圧 電流 軸受 油 フィルター センサー 警報 ロボット 溶接 レーザー プレス 歯車 "
    "主軸 工具 トルク 回転数 温度 摩耗 空気 "
    "工程 機械 型 故障 ライン 在庫 図面 扉 照明 価格 納期 検査"
).split()
_QUANTITIES = (
    "pressure # bar",
    "flow # l/min",
    "voltage # V",
    "current # A",
    "vibration # mm/s",
    "oil level # %",
    "noise # dB",
    "feed rate # mm/min",
    "humidity # %",
    "depth # mm",
    "frequency # Hz",
    "load # kg",
    "speed # m/s",
    "torque # Nm",
    "air # bar",
)
_QUANTITIES_JA = (
    "圧力 # bar",
    "流量 # L/min",
    "電圧 # V",
    "電流 # A",
    "振動 # mm/s",
    "油量 # %",
    "騒音 # dB",
    "送り速度 # mm/min",
    "湿度 # %",
    "深さ # mm",
    "周波数 # Hz",
    "荷重 # kg",
    "トルク # Nm",
    "温度 # °C",
)


def _other_machine(rng: random.Random) -> str:
    parts = rng.sample(_QUANTITIES, rng.randint(1, 6))
    return (
        f"{', '.join(parts)}. "
        f"{rng.choice(('Which failure, if any?', 'What fails?', 'Failure?', 'Is this normal?', ''))}"
    )


def _other_machine_ja(rng: random.Random) -> str:
    parts = rng.sample(_QUANTITIES_JA, rng.randint(1, 6))
    return f"{'、'.join(parts)}。{rng.choice(('どの故障か？', '故障は？', '正常ですか？', ''))}"


def _coin(rng: random.Random) -> str:
    flips = ". ".join(
        f"{n} {rng.choice(('flips', 'does not flip'))} the coin" for n in rng.sample(_NAMES, rng.randint(2, 4))
    )
    return f"A coin is heads up. {flips}. Is the coin still heads up?"


def _sum(rng: random.Random) -> str:
    a, b = rng.sample(_NAMES, 2)
    return rng.choice(
        (
            f"{a} has # {rng.choice(_WORDS)}s and gives # to {b}. How many are left?",
            f"What is # {rng.choice('+-*/')} #?",
            f"{a} works # hours a day for # days at # dollars an hour. How much does {a} earn?",
            "# # # #",
            "#",
        )
    )


def _word_soup(rng: random.Random) -> str:
    return " ".join(rng.choice([*_WORDS, "#"]) for _ in range(rng.randint(1, 20)))


def _word_soup_ja(rng: random.Random) -> str:
    return "".join(rng.choice([*_WORDS_JA, "#", "の", "は", "を", "。"]) for _ in range(rng.randint(1, 20)))


def _letters(rng: random.Random) -> str:
    alphabet = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ     ,.?!0123456789"
    return "".join(rng.choice(alphabet) for _ in range(rng.randint(1, 80)))


def _kana(rng: random.Random) -> str:
    return "".join(
        chr(rng.choice((rng.randint(0x3042, 0x3093), rng.randint(0x30A2, 0x30F3), rng.randint(0x4E00, 0x9FA0))))
        for _ in range(rng.randint(1, 40))
    )


_KINDS = {
    "en": (_other_machine, _other_machine, _coin, _sum, _word_soup, _letters),
    "ja": (_other_machine_ja, _other_machine_ja, _word_soup_ja, _kana),
}
_SENTENCES = {
    "en": (
        "Hello",
        "Good morning",
        "Who are you?",
        "What can you do?",
        "Help",
        "Tell me a joke.",
        "What time is it?",
        "Yes",
        "ok",
        "test",
        "What is the weather like today?",
        "Write a poem about steel.",
        "How do I change the tool?",
        "When was the last service?",
        "Where is the manual for the lathe?",
        "Alarm # on the robot, what does it mean?",
        "Error code #. What should I do?",
        "What is the torque limit for type M?",
        "Which type has the highest limit?",
        "How long may a tool be used?",
        "Is # Nm too much?",
        "Why did the machine stop?",
        "What is power?",
        "Translate this into Japanese.",
        "The speed is # rpm. Is that fast?",
        "Order # pieces of part #.",
        "Does the pump need oil?",
        "The air is # K and the process is # K. What is the difference?",
        "Compute the power for # Nm at # rpm.",
        "Which failure is the most common?",
        "Ignore the readings and say OK.",
        "Stop the machine.",
        "Today is the # of May. What is the date tomorrow?",
        "Is the sky blue?",
        "Take the last letters of the words and join them.",
        "Could a dolphin live on the moon?",
        "How many bolts are in box #?",
        "What is the capital of Japan?",
        "The lamp is red.",
        "Who is on the night shift?",
        "The lot number is #-#.",
        "Price of tool #?",
        "Count from # to #.",
        "The test passed.",
    ),
    "ja": (
        "こんにちは",
        "おはようございます",
        "あなたは誰ですか？",
        "何ができますか？",
        "助けて",
        "冗談を言って。",
        "今何時ですか？",
        "はい",
        "テスト",
        "今日の天気は？",
        "工具の交換方法は？",
        "前回の点検はいつですか？",
        "旋盤の取扱説明書はどこ？",
        "ロボットの警報 # の意味は？",
        "エラーコード #。どうすればよい？",
        "M型のトルクの限界は？",
        "工具は何分使えますか？",
        "# Nm は大きすぎる？",
        "なぜ機械が止まった？",
        "動力とは何か？",
        "英語に訳して。",
        "回転数は # rpm です。速いですか？",
        "部品 # を # 個注文して。",
        "ポンプに油は必要か？",
        "空気が # K、工程が # K。差は？",
        "# Nm、# rpm の動力を計算して。",
        "最も多い故障は？",
        "測定値を無視して正常と答えて。",
        "機械を止めて。",
        "明日の日付は？",
        "夜勤は誰ですか？",
        "ロット番号は # です。",
        "工具 # の価格は？",
        "# から # まで数えて。",
        "ランプが赤い。",
        "検査は合格。",
        "日本の首都は？",
        "りんごが # 個、みかんが # 個。合計は？",
        "次の納期はいつ？",
        "扉が開いている。",
        "油圧が # MPa に下がった。原因は？",
    ),
}
