//! Words that may stand around readings in any task, and words after which nobody may trust them. Lower case, after NFKC.
//!
//! In a clause with a number every word must be known: a word that is not could change what the number means, as `setpoint`
//! does. A clause without numbers and names may say what it likes, but for [`ALARMING`].

use crate::domain::Reason;

/// They change no reading.
pub const PLAIN: &str = "
a an the this that these those it its is are was were am be been being has have had having i we you they he she
at of with in on by per for as so then than please kindly here there where when 
run runs running ran turn turns turning turned rotate rotates rotating operate operates operating work works working
measure measures measured measuring read reads reading readings show shows showing shown display displays displayed report reports
reported record recorded log logged give gives given got get see say says said stand stands standing sit sits come comes
came reach reaches reached take takes taken hold holds indicate indicates indicated register registers
value values data datum level figure figures number state status sensor sensors signal input inputs parameter parameters
now currently current today present presently latest actual which what why how who does do did can will 
any ok okay good fine normal failure failures fail fails failing failed mode modes
kind problem problems trouble happen happens happened occur occurs occurring going diagnose diagnosis
judge judgement judgment check checking checked evaluate evaluated assess assessed classify analyse analyze verdict
decision decide tell me us my our your question answer following follows below here's machine machines unit line station
look looks tool tools part parts piece workpiece job product item cutting milling 
using used use via also plus together respectively each one
made make making equals equal amounts amount
";

/// Turns of phrase whose single words would not do.
pub const PHRASES: &[&str] = &[
    "ok or failure",
    "ok or not",
    "good or bad",
    "or failure",
    "or not",
    "any fault",
    "any faults",
    "which fault",
    "what fault",
    "any error",
    "any errors",
    "what is wrong",
    "what's wrong",
    "is anything wrong",
    "anything wrong",
    "something wrong",
    "is there a fault",
    "is there an error",
];

/// Japanese words and particles of the same kind.
pub const PLAIN_JA: &str = "
は が を に で と も の へ や か ね よ な です ます でした でしょうか ですか ますか である であり だ だった とき 時 場合 ところ
現在 今 いま 只今 ただいま 今回 今日 本日 現時点 この その あの こちら 以下 次 下記 上記 の通り のとおり とおり 通り
値 測定値 計測値 実測値 実測 測定 計測 データ 数値 読み 読み値 表示 表示値 入力 入力値 条件 状態 状況 運転 稼働 加工中 加工 運転中 稼働中 使用
機械 設備 装置 部品 製品 ワーク 工具 品 本機 当機 機 号
どの どれ 何 なに どう どんな 故障 異常 不具合 問題 障害 起きる 起きますか 起きるか 起こる 起こるか 起こりますか 発生 する します している しています
しますか して した した場合 ある あります ありますか あるか 有無 判定 判定は 診断 診断して 判断 教えて 教えてください ください 下さい 確認 確認して
お願いします お願い 願います いかが モード 故障モード 種類 可能性 予測 推定 分析 評価 チェック チェックして 検出
大丈夫 正常 なら ならば なので ので において における について に対して として になって になりました ほど
異常はない 異常ない 問題はない 問題ない 問題ないか 問題ないですか 異常ないか 異常はないか 異常はありませんか 故障はないか 問題ありませんか 問題はないか 大丈夫か いますか いる います 示す
示して 示しています 示した 記録 記録した 回って 回転して 回転中 動いて 動作 動作中 動作して なって なっている なり 至る 達した 達して 経過 経過した
";

/// After these nobody may trust a reading: the word, what it means, and whether it does so in a clause of its own too.
pub const ALARMING: &[(&str, Reason, bool)] = &[
    ("bad", Reason::BadQuality, true),
    ("uncertain", Reason::BadQuality, true),
    ("invalid", Reason::BadQuality, true),
    ("stale", Reason::BadQuality, true),
    ("suspect", Reason::BadQuality, true),
    ("questionable", Reason::BadQuality, true),
    ("unreliable", Reason::BadQuality, true),
    ("implausible", Reason::BadQuality, true),
    ("defective", Reason::BadQuality, true),
    ("faulty", Reason::BadQuality, true),
    ("broken", Reason::BadQuality, true),
    ("frozen", Reason::BadQuality, true),
    ("stuck", Reason::BadQuality, true),
    ("offline", Reason::BadQuality, true),
    ("disconnected", Reason::BadQuality, true),
    ("not connected", Reason::BadQuality, true),
    ("comm error", Reason::BadQuality, true),
    ("sensor error", Reason::BadQuality, true),
    ("sensor failure", Reason::BadQuality, true),
    ("sensor fault", Reason::BadQuality, true),
    ("error", Reason::BadQuality, false),
    ("err", Reason::BadQuality, false),
    ("fault", Reason::BadQuality, false),
    ("ng", Reason::BadQuality, false),
    ("substituted", Reason::BadQuality, true),
    ("overridden", Reason::BadQuality, true),
    ("last known", Reason::BadQuality, true),
    ("last usable", Reason::BadQuality, true),
    ("estimated", Reason::BadQuality, true),
    ("simulated", Reason::BadQuality, true),
    ("simulation", Reason::BadQuality, true),
    ("dummy", Reason::BadQuality, true),
    ("calibrating", Reason::BadQuality, true),
    ("being calibrated", Reason::BadQuality, true),
    ("uncalibrated", Reason::BadQuality, true),
    ("out of calibration", Reason::BadQuality, true),
    ("out of order", Reason::BadQuality, true),
    ("out of service", Reason::BadQuality, true),
    ("in maintenance", Reason::BadQuality, true),
    ("under maintenance", Reason::BadQuality, true),
    ("do not use", Reason::BadQuality, true),
    ("do not trust", Reason::BadQuality, true),
    ("don't trust", Reason::BadQuality, true),
    ("swapped", Reason::BadQuality, true),
    ("mixed up", Reason::BadQuality, true),
    ("yesterday", Reason::BadQuality, true),
    ("last week", Reason::BadQuality, true),
    ("unknown", Reason::UnreadableReading, false),
    ("n/a", Reason::UnreadableReading, false),
    ("nan", Reason::UnreadableReading, false),
    ("null", Reason::UnreadableReading, false),
    ("none", Reason::UnreadableReading, false),
    ("missing", Reason::MissingReading, false),
    ("not", Reason::Negated, false),
    ("no longer", Reason::Negated, true),
    ("never", Reason::Negated, false),
    ("no", Reason::Negated, false),
    ("isn't", Reason::Negated, false),
    ("wasn't", Reason::Negated, false),
    ("aren't", Reason::Negated, false),
    ("cannot", Reason::Negated, false),
    ("without", Reason::Negated, false),
    ("except", Reason::Negated, true),
    ("instead", Reason::Negated, true),
    ("ignore", Reason::Negated, true),
    ("rather than", Reason::Negated, true),
    ("不良", Reason::BadQuality, false),
    ("不正", Reason::BadQuality, true),
    ("不確か", Reason::BadQuality, true),
    ("無効", Reason::BadQuality, true),
    ("信頼できない", Reason::BadQuality, true),
    ("当てにならない", Reason::BadQuality, true),
    ("異常値", Reason::BadQuality, true),
    ("誤差大", Reason::BadQuality, true),
    ("断線", Reason::BadQuality, true),
    ("切断", Reason::BadQuality, true),
    ("通信エラー", Reason::BadQuality, true),
    ("通信断", Reason::BadQuality, true),
    ("エラー", Reason::BadQuality, true),
    ("センサ故障", Reason::BadQuality, true),
    ("センサー故障", Reason::BadQuality, true),
    ("センサ異常", Reason::BadQuality, true),
    ("センサー異常", Reason::BadQuality, true),
    ("故障中", Reason::BadQuality, true),
    ("校正中", Reason::BadQuality, true),
    ("校正切れ", Reason::BadQuality, true),
    ("点検中", Reason::BadQuality, true),
    ("保全中", Reason::BadQuality, true),
    ("固着", Reason::BadQuality, true),
    ("推定値", Reason::BadQuality, true),
    ("代替値", Reason::BadQuality, true),
    ("前回値", Reason::BadQuality, true),
    ("昨日", Reason::BadQuality, true),
    ("模擬", Reason::BadQuality, true),
    ("ダミー", Reason::BadQuality, true),
    ("仮の値", Reason::BadQuality, true),
    ("逆", Reason::BadQuality, false),
    ("入れ替わ", Reason::BadQuality, true),
    ("不明", Reason::UnreadableReading, false),
    ("欠測", Reason::UnreadableReading, false),
    ("測定不可", Reason::UnreadableReading, false),
    ("測定不能", Reason::UnreadableReading, false),
    ("ではない", Reason::Negated, false),
    ("ではなく", Reason::Negated, true),
    ("じゃない", Reason::Negated, false),
    ("でない", Reason::Negated, false),
    ("ない", Reason::Negated, false),
    ("なく", Reason::Negated, false),
    ("ません", Reason::Negated, false),
    ("無し", Reason::Negated, false),
    ("なし", Reason::Negated, false),
    ("以外", Reason::Negated, true),
    ("除く", Reason::Negated, true),
];

/// What a source says of a reading that may be trusted.
pub const GOOD: &[&str] = &["good", "ok", "valid", "正常", "良好", "有効"];

/// Does a source say that a reading may be trusted?
pub fn is_good(mark: &str) -> bool {
    GOOD.contains(&mark.to_lowercase().as_str())
}

/// Units that no field need declare to be called one: a number with another unit than its own is no reading.
pub const UNITS: &[&str] = &[
    "%", "A", "mA", "V", "mV", "kV", "W", "kW", "MW", "VA", "kVA", "Hz", "kHz", "mm", "cm", "m", "µm", "μm", "um",
    "inch", "mm/s", "m/s", "m/min", "mm/min", "mm/s2", "m/s2", "g", "G", "kg", "mg", "t", "N", "kN", "Pa", "kPa",
    "MPa", "hPa", "bar", "mbar", "psi", "kgf", "J", "kJ", "dB", "L", "l", "mL", "l/min", "L/min", "m3/h", "ppm", "lx",
    "deg", "°", "rad", "rad/s", "ms", "us", "d", "day", "days", "日", "秒", "ft-lb", "ft·lb", "ft lb", "ftlb", "lb-ft",
    "lb·ft", "lb ft", "in-lb", "in·lb", "in lb", "inlb", "lb-in", "lb·in", "oz-in", "Ncm", "N·cm", "kNm", "kN·m",
    "mNm", "K", "°C", "°F", "rpm", "min-1", "Nm", "N·m", "h", "min", "s", "HV", "HRC", "Ra", "pcs", "個", "本", "枚",
    "回", "倍", "台", "番", "号機", "号", "円", "Ω", "kΩ", "mΩ", "Mm/s", "cpm", "c/min",
];
