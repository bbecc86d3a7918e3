"""Words a case as a question: English, Japanese and the terse style of machines. Decides no answer and draws no case.

A form is a way to write the rows (`Table`), one to write what responded (`Seen`), and one to ask (`Ask`). To add a
phrasing, add one of these and a `Form` that uses it; `compose` mixes those of training freely. What is held out shares
no part with them.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from .rules import Case, Kind

Part = TypeVar("Part")


@dataclass(frozen=True)
class Table:
    """`{mode}` and then `{sensors}` make a row, `{asset}` and `{rows}` the whole."""

    row: str
    comma: str
    between: str  # rows
    whole: str


@dataclass(frozen=True)
class Seen:
    """What responded, with or without sensors that stayed quiet."""

    both: str
    alone: str
    comma: str


@dataclass(frozen=True)
class Ask:
    """Any may name the `{asset}`; what asks about a name holds it once."""

    signature: str
    sensor: str  # of `{asked}`, a mode
    not_sensor: str
    mode: str  # of `{asked}`, a sensor
    not_mode: str
    other: tuple[str, ...] = ()  # what rows do not say; of `{asked}`, a mode

    def of(self, kind: Kind) -> str:
        return {
            Kind.SIGNATURE: self.signature,
            Kind.SENSOR: self.sensor,
            Kind.NOT_SENSOR: self.not_sensor,
            Kind.MODE: self.mode,
            Kind.NOT_MODE: self.not_mode,
        }[kind]


@dataclass(frozen=True)
class Form:
    name: str
    lang: str  # "" for a form of either language
    table: Table
    seen: Seen
    ask: Ask
    gap: str = " "
    ask_first: bool = False


def _tables(whole: tuple[str, ...], *rows: tuple[str, str, str]) -> tuple[Table, ...]:
    """Tables of a row, its comma and what stands between rows; heads in turn."""
    return tuple(Table(*row, whole[place % len(whole)]) for place, row in enumerate(rows))


_OTHER_EN = (
    "How long until {asked}?",
    "Which part does {asked} need?",
    "Who repairs {asked}?",
    "What does {asked} cost?",
    "At which limit is {asked} certain?",
    "What causes {asked}?",
    "When was {asked} last seen?",
    "How is {asked} repaired?",
    "Who at {asset} reported {asked}?",
    "How many hours a year does {asset} lose to {asked}?",
    "Which spare part of {asset} is ordered for {asked}?",
)
_OTHER_JA = (
    "{asked}まであと何時間か？",
    "{asked}に必要な部品は？",
    "{asked}は誰が直すか？",
    "{asked}の修理費は？",
    "{asked}と断定できる値は？",
    "{asked}の原因は？",
    "前回{asked}が起きたのはいつか？",
    "{asked}の直し方は？",
    "{asset}の{asked}を報告したのは誰か？",
    "{asset}が{asked}で止まるのは年に何時間か？",
    "{asked}のとき{asset}のどの予備品を頼むか？",
)

TABLES = {
    "en": (
        Table("{mode}: {sensors}", ", ", "; ", "Rows of {asset}: {rows}."),
        Table("{mode}: {sensors}", ", ", "\n", "{asset}\n{rows}\n"),
        Table("{mode} shows in {sensors}", " and ", "; ", "On {asset}, {rows}."),
        Table("{mode} ({sensors})", ", ", ", ", "Known for {asset}: {rows}."),
        Table("{mode} -> {sensors}", ", ", "; ", "{asset}. {rows}."),
        Table("{mode} moves {sensors}", ", ", ". ", "For {asset} we know: {rows}."),
        Table("{mode} affects {sensors}", ", ", "; ", "What is known about the {asset}: {rows}."),
        Table("{mode} can be read from {sensors}", ", ", "; ", "Sensors of {asset}: {rows}."),
        Table("{mode} [{sensors}]", "; ", ", ", "Table for {asset}: {rows}."),
        Table("* {mode} = {sensors}", ", ", "\n", "Asset {asset}\n{rows}\n"),
        Table("If {mode}, then {sensors}", " and ", ". ", "Rules for {asset}. {rows}."),
        Table("{mode} is monitored by {sensors}", ", ", ". ", "{asset}: {rows}."),
        Table(
            "In case of {mode} the sensors {sensors} change",
            " and ",
            "; ",
            "In the manual of {asset} one reads: {rows}.",
        ),
        Table("mode {mode}, sensors {sensors}", " + ", "\n", "Records of {asset}\n{rows}\n"),
    ),
    "ja": (
        Table("{mode}: {sensors}", "、", "; ", "{asset}の表 {rows}。"),
        Table("{mode}は{sensors}", "、", "。", "{asset}。{rows}。"),
        Table("{mode}なら{sensors}に出る", "と", "、", "{asset}では、{rows}。"),
        Table("{mode}({sensors})", "、", "、", "{asset}の故障モード: {rows}。"),
        Table("{mode}→{sensors}", "・", "\n", "{asset}\n{rows}\n"),
        Table("・{mode}: {sensors}", "、", "\n", "対象 {asset}\n{rows}\n"),
        Table("{mode}に影響される{sensors}", "、", "。", "{asset}について分かっていること。{rows}。"),
        Table("{mode}で反応する{sensors}", "と", "; ", "{asset}のセンサ: {rows}。"),
        Table("{mode}[{sensors}]", "、", "、", "{asset}一覧 {rows}。"),
        Table("* {mode}={sensors}", "、", "\n", "設備名 {asset}\n{rows}\n"),
        Table("{mode}の場合、{sensors}に変化あり", "・", "。", "{asset}の手引きより。{rows}。"),
        Table("{mode}は{sensors}で監視", "と", "; ", "{asset}: {rows}。"),
        Table("故障 {mode} 兆候 {sensors}", "・", "\n", "{asset}の記録\n{rows}\n"),
        Table("もし{mode}なら{sensors}", "と", "。", "{asset}の規則。{rows}。"),
    ),
    "": (
        Table("{mode}:{sensors}", ",", ";", "{asset}; {rows};"),
        Table("{mode}={sensors}", "+", " | ", "{asset} | {rows} |"),
        Table("[{mode}] {sensors}", ",", " ", "{asset} {rows}\n"),
        Table('"{mode}":"{sensors}"', ",", ",", '"{asset}":{{{rows}}}'),
        Table("{mode}>{sensors}", ", ", "\n", "{asset}\n{rows}\n"),
        Table("{mode}/{sensors}", " + ", "; ", "{asset}; {rows};"),
        Table("({mode}: {sensors})", ", ", " ", "{asset} = {rows};"),
        Table("{mode} => {sensors}", ", ", "\n", "{asset}\n{rows}\n"),
        Table("<{mode}>{sensors}", ";", " ", "{asset} {rows}\n"),
        Table("{mode}\t{sensors}", ", ", "\n", "{asset}\n{rows}\n"),
        *_tables(
            (
                "{asset}\n{rows}\n",
                "{asset}: {rows};",
                "[{asset}] {rows}\n",
                "# {asset}\n{rows}\n",
                "{asset} ({rows});",
                "<{asset}> {rows}\n",
                "{rows} @ {asset};",
            ),
            ("{mode} ({sensors})", "; ", " "),
            ("{mode} [{sensors}]", ", ", "; "),
            ("{mode}<{sensors}>", ",", " "),
            ("{mode}({sensors})", ",", ""),
            ("{mode}: [{sensors}]", ", ", "\n"),
            ("[{mode}: {sensors}]", ", ", " "),
            ("{mode}[{sensors}]", "+", ", "),
            ("({mode}) {sensors}", ", ", "; "),
            ("{mode} = ({sensors})", "+", ", "),
            ("{mode}「{sensors}」", "・", " "),
            ("【{mode}】{sensors}", "・", " "),
            ("「{mode}」={sensors}", "、", "; "),
            ("{mode} :: {sensors}", " + ", "\n"),
            ("{mode} <- {sensors}", ", ", "; "),
            ("{mode} .. {sensors}", ", ", "\n"),
            ("{mode} @ {sensors}", ", ", "; "),
            ("# {mode}: {sensors}", ", ", "\n"),
            ("{mode},{sensors}", ",", "\n"),
            ("{mode};{sensors}", ";", "\n"),
            ('"{mode}" {sensors}', " + ", ", "),
            ("'{mode}': '{sensors}'", "', '", "; "),
            ("{mode}:\n  {sensors}", ", ", "\n"),
            ("{mode} * {sensors}", " * ", "\n"),
            ("{mode}%{sensors}", "%", "; "),
            ("{mode}^{sensors}", "^", "; "),
            ("{mode}#{sensors}", "#", "; "),
            ("({mode})({sensors})", ")(", " "),
            ("<{mode}: {sensors}>", "; ", " "),
        ),
        Table('"{mode}":["{sensors}"]', '","', ",", '{{"{asset}":{{{rows}}}}}'),
        Table('{{"mode":"{mode}","sensors":["{sensors}"]}}', '","', ",", '"{asset}":[{rows}]'),
    ),
}
SEEN = {
    "en": (
        Seen("Responded: {responded}. Quiet: {quiet}.", "Responded: {responded}.", ", "),
        Seen("{responded} responded, {quiet} stayed quiet.", "{responded} responded.", " and "),
        Seen("Abnormal: {responded}; normal: {quiet}.", "Abnormal: {responded}.", ", "),
        Seen("Alarms on {responded}, none on {quiet}.", "Alarms on {responded}.", " and "),
        Seen("Up: {responded}\nUnchanged: {quiet}\n", "Up: {responded}\n", ", "),
        Seen("We see {responded} but not {quiet}.", "We see {responded}.", " and "),
        Seen("Changed: {responded}. Steady: {quiet}.", "Changed: {responded}.", ", "),
        Seen("Now {responded} are abnormal while {quiet} are as usual.", "Now {responded} are abnormal.", " and "),
        Seen(
            "Readings outside their band: {responded}. Readings inside it: {quiet}.",
            "Readings outside their band: {responded}.",
            ", ",
        ),
        Seen("Active = {responded}; inactive = {quiet}.", "Active = {responded}.", ", "),
        Seen("The operator noticed {responded}; nothing on {quiet}.", "The operator noticed {responded}.", " and "),
        Seen(
            "Triggered sensors: {responded}\nSensors that were not triggered: {quiet}\n",
            "Triggered sensors: {responded}\n",
            ", ",
        ),
        Seen("{responded} went off and {quiet} did nothing.", "{responded} went off.", ", "),
        Seen("Symptoms: {responded}. Without symptoms: {quiet}.", "Symptoms: {responded}.", ", "),
    ),
    "ja": (
        Seen("反応: {responded}。無反応: {quiet}。", "反応: {responded}。", "、"),
        Seen("{responded}に反応があり、{quiet}にはない。", "{responded}に反応がある。", "と"),
        Seen("異常: {responded} 正常: {quiet}。", "異常: {responded}。", "、"),
        Seen("警報は{responded}、静かなのは{quiet}。", "警報は{responded}。", "・"),
        Seen("変化あり {responded}\n変化なし {quiet}\n", "変化あり {responded}\n", "、"),
        Seen("{responded}が動いて{quiet}は動かない。", "{responded}が動いた。", "と"),
        Seen("変化した: {responded}。変化しない: {quiet}。", "変化した: {responded}。", "、"),
        Seen("現在{responded}が異常で{quiet}は普段どおり。", "現在{responded}が異常。", "と"),
        Seen("管理値を超えた: {responded}。超えていない: {quiet}。", "管理値を超えた: {responded}。", "・"),
        Seen("作動={responded}; 非作動={quiet}。", "作動={responded}。", "、"),
        Seen("作業者が{responded}に気づき、{quiet}には何もない。", "作業者が{responded}に気づいた。", "と"),
        Seen("発報したセンサ: {responded}\n発報していないセンサ: {quiet}\n", "発報したセンサ: {responded}\n", "、"),
        Seen("症状 {responded}\n症状なし {quiet}\n", "症状 {responded}\n", "・"),
    ),
    "": (
        Seen("+{responded} -{quiet};", "+{responded};", ","),
        Seen("ON {responded} OFF {quiet};", "ON {responded};", ","),
        Seen("NG:{responded} OK:{quiet}\n", "NG:{responded}\n", ","),
        Seen("1={responded};0={quiet}\n", "1={responded}\n", ","),
        Seen("hi {responded} / lo {quiet}\n", "hi {responded}\n", "+"),
        Seen("ALM {responded} NRM {quiet};", "ALM {responded};", ","),
        Seen("T:{responded} F:{quiet}\n", "T:{responded}\n", ","),
        Seen("[{responded}] [{quiet}];", "[{responded}];", ", "),
        Seen("act={responded} idle={quiet};", "act={responded};", "+"),
        Seen("!{responded} .{quiet};", "!{responded};", ","),
        Seen("on [{responded}] off [{quiet}];", "on [{responded}];", ", "),
        Seen("on({responded}) off({quiet});", "on({responded});", ","),
        Seen('"on":["{responded}"],"off":["{quiet}"];', '"on":["{responded}"];', '","'),
        Seen("<{responded}> <> <{quiet}>;", "<{responded}>;", ";"),
        Seen("HI={responded} LO={quiet};", "HI={responded};", "+"),
        Seen("alert「{responded}」 still「{quiet}」;", "alert「{responded}」;", "・"),
        Seen("# {responded}\n_ {quiet}\n", "# {responded}\n", ", "),
        Seen("moved({responded}) held({quiet});", "moved({responded});", "; "),
    ),
}
ASKS = {
    "en": (
        Ask(
            "Which failure mode?",
            "Which sensor responds to {asked}?",
            "Which sensor does not respond to {asked}?",
            "Which failure mode moves {asked}?",
            "Which failure mode does not move {asked}?",
            _OTHER_EN,
        ),
        Ask(
            "What is wrong?",
            "Which sensor is relevant for {asked}?",
            "Which sensor is not relevant for {asked}?",
            "Which mode is relevant when {asked} is off?",
            "Which mode is not relevant when {asked} is off?",
            _OTHER_EN,
        ),
        Ask(
            "Which of these is it?",
            "What should I watch for {asked}?",
            "What need I not watch for {asked}?",
            "{asked} is off: what can it be?",
            "{asked} is off: what can it not be?",
            _OTHER_EN,
        ),
        Ask(
            "Diagnose.",
            "Pick the sensor that shows {asked}.",
            "Pick the sensor that misses {asked}.",
            "Pick the fault that {asked} shows.",
            "Pick the fault that {asked} misses.",
            _OTHER_EN,
        ),
        Ask(
            "Name the failure.",
            "By which sensor is {asked} seen?",
            "By which sensor is {asked} not seen?",
            "Which failure is seen by {asked}?",
            "Which failure is not seen by {asked}?",
            _OTHER_EN,
        ),
        Ask(
            "Which fault do these symptoms belong to?",
            "If {asked} occurs, which of the sensors below would show it?",
            "If {asked} occurs, which of the sensors below would show nothing?",
            "When {asked} is abnormal, which of the modes below comes to mind?",
            "When {asked} is abnormal, which of the modes below can be ruled out?",
            _OTHER_EN,
        ),
        Ask(
            "What has most likely happened?",
            "Among the choices, which one indicates {asked}?",
            "Among the choices, which one does not indicate {asked}?",
            "Among the choices, which one is indicated by {asked}?",
            "Among the choices, which one is not indicated by {asked}?",
            _OTHER_EN,
        ),
        Ask(
            "Select the matching mode.",
            "Select what is most useful to detect {asked}.",
            "Select what is of no use to detect {asked}.",
            "Select what an abnormal {asked} points to.",
            "Select what an abnormal {asked} does not point to.",
            _OTHER_EN,
        ),
        Ask(
            "Tell the technician which mode it is.",
            "Suppose there is {asked}. Where will it appear first?",
            "Suppose there is {asked}. Where will it never appear?",
            "Suppose {asked} alone has changed. What could be behind it?",
            "Suppose {asked} alone has changed. What could not be behind it?",
            _OTHER_EN,
        ),
        Ask(
            "So what do we have here?",
            "To catch {asked} early, which reading do I need?",
            "To catch {asked} early, which reading is pointless?",
            "Of what damage is {asked} a warning?",
            "Of what damage is {asked} no warning?",
            _OTHER_EN,
        ),
        Ask(
            "Find the cause of it.",
            "For the event {asked}, which sensor should be looked at in this machine?",
            "For the event {asked}, which sensor need not be looked at in this machine?",
            "For the sensor {asked}, which failure event should be considered in this machine?",
            "For the sensor {asked}, which failure event need not be considered in this machine?",
            _OTHER_EN,
        ),
        Ask(
            "Which fault has {asset}?",
            "In {asset}, if {asked} happens, which sensor of those listed says most about it?",
            "In {asset}, if {asked} happens, which sensor of those listed says nothing about it?",
            "In {asset}, abnormal values of the sensor {asked} are most relevant to which failure mode?",
            "In {asset}, abnormal values of the sensor {asked} are irrelevant to which failure mode?",
            _OTHER_EN,
        ),
        Ask(
            "Which failure event explains the state of {asset}?",
            "Which sensor among those given goes best with {asked} in {asset}?",
            "Which sensor among those given goes least with {asked} in {asset}?",
            "When {asked} shows a strange value, what is the most important failure event for {asset}?",
            "When {asked} shows a strange value, what failure event is unimportant for {asset}?",
            _OTHER_EN,
        ),
        Ask(
            "What is the problem of the {asset}?",
            "To find {asked} in the {asset}, which sensor is the most useful?",
            "To find {asked} in the {asset}, which sensor is the least useful?",
            "If a reading of {asked} is not normal, which failure of the {asset} should be considered first?",
            "If a reading of {asked} is not normal, which failure of the {asset} should not be considered?",
            _OTHER_EN,
        ),
        Ask(
            "For {asset}, give the fault that fits.",
            "Considering {asked} of {asset}, which measurement has the highest relevance?",
            "Considering {asked} of {asset}, which measurement has no relevance?",
            "Considering the sensor {asked} of {asset}, which failure mode has the highest relevance?",
            "Considering the sensor {asked} of {asset}, which failure mode has no relevance?",
            _OTHER_EN,
        ),
        Ask(
            "What happened to {asset}?",
            "{asset} may have {asked}. Which of the sensors is effective in finding out?",
            "{asset} may have {asked}. Which of the sensors is not effective in finding out?",
            "{asset} shows odd data on {asked}. Which event is the one to suspect?",
            "{asset} shows odd data on {asked}. Which event is not the one to suspect?",
            _OTHER_EN,
        ),
        Ask(
            "Explain what the sensors saw.",
            "Where would one see {asked}?",
            "What is blind to {asked}?",
            "{asked} would give away which failure?",
            "{asked} would miss which failure?",
            _OTHER_EN,
        ),
        Ask(
            "It must be one of these. Which?",
            "Keep one sensor for {asked}. Which?",
            "Drop one sensor, as it has nothing to do with {asked}. Which?",
            "{asked} has gone off. Check for which failure?",
            "{asked} has gone off. Which failure can be ignored?",
            _OTHER_EN,
        ),
        Ask(
            "Fault?",
            "Sensor linked to {asked}?",
            "Sensor unrelated to {asked}?",
            "Fault linked to {asked}?",
            "Fault unrelated to {asked}?",
            _OTHER_EN,
        ),
    ),
    "ja": (
        Ask(
            "どの故障モードか？",
            "{asked}に反応するセンサは？",
            "{asked}に反応しないセンサは？",
            "{asked}が反応する故障モードは？",
            "{asked}が反応しない故障モードは？",
            _OTHER_JA,
        ),
        Ask(
            "何が起きているか？",
            "{asked}の検知に使うのはどれか？",
            "{asked}の検知に使わないのはどれか？",
            "{asked}が異常なら疑うのは？",
            "{asked}が異常でも疑わないのは？",
            _OTHER_JA,
        ),
        Ask(
            "原因はどれですか？",
            "{asked}で見るべきものはどれですか？",
            "{asked}で見なくてよいものはどれですか？",
            "{asked}で分かる故障はどれですか？",
            "{asked}で分からない故障はどれですか？",
            _OTHER_JA,
        ),
        Ask(
            "診断してください。",
            "{asked}と関係があるセンサを選ぶ。",
            "{asked}と関係がないセンサを選ぶ。",
            "{asked}と関係がある故障を選ぶ。",
            "{asked}と関係がない故障を選ぶ。",
            _OTHER_JA,
        ),
        Ask(
            "故障名を答えて。",
            "{asked}が現れるのはどこか？",
            "{asked}が現れないのはどこか？",
            "{asked}に現れる故障は何か？",
            "{asked}に現れない故障は何か？",
            _OTHER_JA,
        ),
        Ask(
            "この症状はどの故障によるものか？",
            "{asked}が起きたら、次のどのセンサに出るか？",
            "{asked}が起きても、次のどのセンサには出ないか？",
            "{asked}が乱れたとき、次のどの故障が考えられるか？",
            "{asked}が乱れたとき、次のどの故障は除外できるか？",
            _OTHER_JA,
        ),
        Ask(
            "最も考えられる故障は？",
            "選択肢のうち{asked}を示すものは？",
            "選択肢のうち{asked}を示さないものは？",
            "選択肢のうち{asked}が示すものは？",
            "選択肢のうち{asked}が示さないものは？",
            _OTHER_JA,
        ),
        Ask(
            "該当する故障を選んでください。",
            "{asked}の早期発見に役立つものを選んでください。",
            "{asked}の早期発見に役立たないものを選んでください。",
            "{asked}の異常から分かるものを選んでください。",
            "{asked}の異常から分からないものを選んでください。",
            _OTHER_JA,
        ),
        Ask(
            "保全担当に故障名を伝えて。",
            "{asked}を捉えるにはどれを測る？",
            "{asked}を捉えるのに測らなくてよいのはどれ？",
            "{asked}だけが変わった。背景にあるのは何？",
            "{asked}だけが変わった。背景にないのは何？",
            _OTHER_JA,
        ),
        Ask(
            "いま何の故障か？",
            "{asked}に関連するセンサは？",
            "{asked}に無関係なセンサは？",
            "{asked}に関連する故障は？",
            "{asked}に無関係な故障は？",
            _OTHER_JA,
        ),
        Ask(
            "{asset}の故障は？",
            "{asset}で{asked}が起きた場合、最も関係の深いセンサは？",
            "{asset}で{asked}が起きた場合、関係のないセンサは？",
            "{asset}のセンサ{asked}が異常な値を示すとき、最も関係の深い故障は？",
            "{asset}のセンサ{asked}が異常な値を示すとき、関係のない故障は？",
            _OTHER_JA,
        ),
        Ask(
            "{asset}に何が起きたか？",
            "{asset}の{asked}を見つけるのに最も有効なセンサはどれか？",
            "{asset}の{asked}を見つけるのに有効でないセンサはどれか？",
            "{asked}の値がおかしい。{asset}でまず考えるべき故障はどれか？",
            "{asked}の値がおかしい。{asset}で考えなくてよい故障はどれか？",
            _OTHER_JA,
        ),
        Ask(
            "{asset}の状態を説明する故障を選べ。",
            "{asset}に{asked}の疑いがある。確かめられるセンサは？",
            "{asset}に{asked}の疑いがある。確かめられないセンサは？",
            "{asset}で{asked}が乱れた。重要な故障は？",
            "{asset}で{asked}が乱れた。重要でない故障は？",
            _OTHER_JA,
        ),
        Ask(
            "センサの動きに合うのは？",
            "{asked}なら何が動く？",
            "{asked}でも動かないのは？",
            "{asked}が動く故障は？",
            "{asked}が動かない故障は？",
            _OTHER_JA,
        ),
        Ask(
            "故障は？",
            "{asked}の監視に必要なセンサはどれでしょうか？",
            "{asked}の監視に不要なセンサはどれでしょうか？",
            "{asked}で監視できる故障はどれでしょうか？",
            "{asked}で監視できない故障はどれでしょうか？",
            _OTHER_JA,
        ),
    ),
    "": (
        Ask(
            "mode?",
            "sensor of {asked}?",
            "sensor not of {asked}?",
            "mode with {asked}?",
            "mode without {asked}?",
            ("cost of {asked}?", "date of {asked}?", "cause of {asked}?"),
        ),
        Ask(
            "=?",
            "{asked} -> sensor?",
            "{asked} -> not sensor?",
            "{asked} -> mode?",
            "{asked} -> not mode?",
            ("{asked} -> cost?", "{asked} -> repair?", "{asked} -> when?"),
        ),
        Ask(
            "FAULT?",
            "SENSOR IN {asked}?",
            "SENSOR NOT IN {asked}?",
            "FAULT WITH {asked}?",
            "FAULT WITHOUT {asked}?",
            ("PART FOR {asked}?", "HOURS TO {asked}?", "LIMIT OF {asked}?"),
        ),
        Ask(
            "?",
            "{asked}: +?",
            "{asked}: -?",
            "? : {asked}",
            "? !: {asked}",
            ("{asked} cost?", "{asked} when?", "{asked} part?"),
        ),
        Ask(
            "DIAG",
            "SENS {asked} YES",
            "SENS {asked} NO",
            "MODE {asked} YES",
            "MODE {asked} NO",
            ("COST {asked}", "TIME {asked}", "PART {asked}"),
        ),
        Ask(
            "find mode;",
            "find sensor({asked});",
            "find non-sensor({asked});",
            "find mode({asked});",
            "find non-mode({asked});",
            ("find cost({asked});", "find date({asked});", "find cause({asked});"),
        ),
        Ask("F?", "{asked}[on]?", "{asked}[off]?", "[{asked}]+?", "[{asked}]-?", ("{asked}[cost]?", "{asked}[date]?")),
        Ask(
            "get mode {asset};",
            "get sensor {asset}/{asked};",
            "get no-sensor {asset}/{asked};",
            "get mode {asset}/{asked};",
            "get no-mode {asset}/{asked};",
            ("get cost {asset}/{asked};", "get date {asset}/{asked};"),
        ),
    ),
}
GAPS = {"en": " ", "ja": "", "": " "}  # between rows, what responded and the question, where no line ends


def _forms(lang: str, names: str, mixed: tuple[tuple[int, int, int], ...]) -> tuple[Form, ...]:
    return tuple(
        Form(name, lang, TABLES[lang][table], SEEN[lang][seen], ASKS[lang][ask], GAPS[lang], name.endswith("ask-first"))
        for name, (table, seen, ask) in zip(names.split(), mixed, strict=True)
    )


FORMS = {
    "en": _forms(
        "en",
        "en-main en-lines en-story en-brackets en-arrows en-ask-first",
        ((0, 0, 0), (1, 4, 1), (2, 1, 2), (3, 2, 3), (4, 3, 4), (5, 5, 0)),
    ),
    "ja": _forms(
        "ja",
        "ja-main ja-sentences ja-story ja-brackets ja-arrows ja-ask-first",
        ((0, 0, 0), (1, 1, 1), (2, 5, 2), (3, 2, 3), (4, 3, 4), (5, 4, 0)),
    ),
    "": _forms(
        "",
        "terse-colons terse-equals terse-square terse-json terse-angle",
        ((0, 0, 0), (1, 1, 2), (2, 2, 0), (3, 3, 1), (4, 4, 2)),
    ),
}

# Never trained on: how the student does when somebody words it another way.
HELD_OUT = {
    "en": (
        Form(
            "en-held-out-visible",
            "en",
            Table("{mode} is visible in {sensors}", ", ", "; ", "Our table of {asset}: {rows}."),
            Seen("Reacting now: {responded}; calm: {quiet}.", "Reacting now: {responded}.", ", "),
            Ask(
                "Which fault explains this?",
                "Which one tells me about {asked}?",
                "Which one tells me nothing about {asked}?",
                "Which fault would {asked} reveal?",
                "Which fault would {asked} not reveal?",
                ("Is {asked} dangerous?",),
            ),
        ),
        Form(
            "en-held-out-dashes",
            "en",
            Table("- {mode} | {sensors}", ", ", "\n", "Machine: {asset}\n{rows}\n"),
            Seen("Out of range | {responded}\nIn range | {quiet}\n", "Out of range | {responded}\n", ", "),
            Ask(
                "Your verdict?",
                "A good sensor for {asked}?",
                "A useless sensor for {asked}?",
                "A fault that disturbs {asked}?",
                "A fault that leaves {asked} alone?",
                ("How often does {asked} happen?",),
            ),
            gap="\n",
        ),
    ),
    "ja": (
        Form(
            "ja-held-out-visible",
            "ja",
            Table("{mode}のとき{sensors}が変わる", "、", "。", "{asset}について。{rows}。"),
            Seen("いま{responded}が基準外、{quiet}は基準内。", "いま{responded}が基準外。", "、"),
            Ask(
                "どれが当てはまりますか？",
                "{asked}を教えてくれるのは？",
                "{asked}を教えてくれないのは？",
                "{asked}に影響する故障は？",
                "{asked}に影響しない故障は？",
                ("{asked}は危険か？",),
            ),
            gap="",
        ),
        Form(
            "ja-held-out-dashes",
            "ja",
            Table("- {mode} | {sensors}", "、", "\n", "機械: {asset}\n{rows}\n"),
            Seen("外れ | {responded}\n内 | {quiet}\n", "外れ | {responded}\n", "、"),
            Ask(
                "判断は？",
                "{asked}に効くセンサは？",
                "{asked}に効かないセンサは？",
                "{asked}を乱す故障は？",
                "{asked}を乱さない故障は？",
                ("{asked}の頻度は？",),
            ),
            gap="\n",
        ),
    ),
    "": (
        Form(
            "terse-held-out-tilde",
            "",
            Table("{mode} ~ {sensors}", " & ", "; ", "{asset}: {rows}."),
            Seen("yes {responded}; no {quiet}.", "yes {responded}.", " & "),
            Ask("match?", "in {asked}?", "out of {asked}?", "has {asked}?", "lacks {asked}?", ("why {asked}?",)),
        ),
        Form(
            "terse-held-out-braces",
            "",
            Table("{mode}{{{sensors}}}", ",", "", "{asset}:{rows}"),
            Seen("up{{{responded}}} flat{{{quiet}}}", "up{{{responded}}}", ","),
            Ask("id?", "s({asked})?", "not s({asked})?", "m({asked})?", "not m({asked})?", ("n({asked})?",)),
        ),
    ),
}

COMPOSED_SHARE, TERSE_SHARE = 0.7, 0.25  # of the training questions; the rest uses the forms of their language


def compose(rng: random.Random, lang: str) -> Form:
    """A form put together from parts of a language and of the terse ones, so that the student learns to read rows and
    not templates."""

    def drawn(pool: Mapping[str, Sequence[Part]]) -> Part:
        return rng.choice(pool[lang] if rng.random() > TERSE_SHARE else pool[""])

    table, seen, ask = drawn(TABLES), drawn(SEEN), drawn(ASKS)
    ask_first = rng.random() < 0.25  # on a line of its own: not every way to ask has an end that could be seen
    return Form(f"{lang}-composed", lang, table, seen, ask, "\n" if ask_first else rng.choice((" ", "\n")), ask_first)


def pick(rng: random.Random, lang: str) -> Form:
    if rng.random() < COMPOSED_SHARE:
        return compose(rng, lang)
    return rng.choice(FORMS["" if rng.random() < TERSE_SHARE else lang])


def write(rng: random.Random, form: Form, asset: str, case: Case) -> str:
    """The question. Where nothing responded in a case, none is spoken of; where it has no rows, none are."""
    parts = [rows(form.table, asset, case), seen(form.seen, case)]
    ask = rng.choice(form.ask.other) if case.kind is Kind.OTHER else form.ask.of(case.kind)
    parts.insert(0 if form.ask_first else 2, ask.format(asked=case.asked, asset=asset))
    return "".join(part if part.endswith("\n") else part + form.gap for part in parts if part).strip()


def rows(table: Table, asset: str, case: Case) -> str:
    if not case.rows:
        return ""
    written = table.between.join(
        table.row.format(mode=row.mode, sensors=table.comma.join(row.sensors)) for row in case.rows
    )
    return table.whole.format(asset=asset, rows=written)


def seen(form: Seen, case: Case) -> str:
    if not case.responded:
        return ""
    template = form.both if case.quiet else form.alone
    return template.format(responded=form.comma.join(case.responded), quiet=form.comma.join(case.quiet))
