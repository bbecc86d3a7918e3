//! Why a person must read a question: what exactly is wrong with it, in both languages.

use crate::domain::{Language, Reason};

/// What is wrong with the readings of a question. Names are in the question's language.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Readings that the task needs and the question does not give.
    Missing(Vec<String>),
    /// It belongs to no reading.
    Unknown(String),
    /// Two values of one reading.
    Double(String),
    /// A number with its unit, the reading's name, the units that it may have.
    ForeignUnit { written: String, name: String, units: String },
    /// The mark that says so.
    BadQuality(String),
    /// The negation.
    Negated(String),
    /// Name, value with its unit, and the range that the model was taught.
    OutOfRange { name: String, value: String, range: String },
    /// A number that can be read in two ways.
    Ambiguous(String),
    /// Name, and what stands in the place of its value.
    Unreadable { name: String, written: String },
    /// Readings of a series: found, fewest, most.
    WrongCount(usize, usize, usize),
    /// What lies so near to a limit that the model cannot be told on which side.
    TooFine(String),
    /// The lines of a chart in an order that cannot be.
    Lines,
}

impl Fault {
    /// What an alarming word stands for.
    pub(super) fn of_alarm(reason: Reason, word: String) -> Self {
        match reason {
            Reason::Negated => Self::Negated(word),
            Reason::BadQuality => Self::BadQuality(word),
            _ => Self::Unknown(word),
        }
    }

    /// As a machine is told.
    pub fn reason(&self) -> Reason {
        match self {
            Self::Missing(_) => Reason::MissingReading,
            Self::Unknown(_) => Reason::UnknownReading,
            Self::Double(_) => Reason::DoubleReading,
            Self::ForeignUnit { .. } => Reason::ForeignUnit,
            Self::BadQuality(_) => Reason::BadQuality,
            Self::Negated(_) => Reason::Negated,
            Self::OutOfRange { .. } | Self::Lines => Reason::OutOfRange,
            Self::Ambiguous(_) => Reason::AmbiguousNumber,
            Self::Unreadable { .. } => Reason::UnreadableReading,
            Self::WrongCount(..) => Reason::WrongCount,
            Self::TooFine(_) => Reason::TooFine,
        }
    }

    /// As a person is told.
    pub fn in_words(&self, language: Language) -> String {
        match language {
            Language::En => match self {
                Self::Missing(names) => format!("not given: {}", names.join(", ")),
                Self::Unknown(what) => format!("{what:?} belongs to no reading of this task"),
                Self::Double(name) => format!("{name} has two values"),
                Self::ForeignUnit { written, name, units } => format!("{written} is no {name}: expected {units}"),
                Self::BadQuality(mark) => format!("a reading is marked as not to be trusted: {mark}"),
                Self::Negated(word) => format!("a negation stands beside a reading: {word}"),
                Self::OutOfRange { name, value, range } => {
                    format!("{name} {value} is outside what the model was taught: {range}")
                }
                Self::Ambiguous(number) => format!("{number} can be read in two ways"),
                Self::Unreadable { name, written } => format!("{name}: {written:?} is no value that can be read"),
                Self::WrongCount(found, min, max) => format!("expected {min} to {max} readings, got {found}"),
                Self::TooFine(what) => format!("{what} is too near to a limit to be rounded for the model"),
                Self::Lines => "the lower limit must be below the centre line and the upper limit above it".to_owned(),
            },
            Language::Ja => match self {
                Self::Missing(names) => format!("{}がありません", names.join("、")),
                Self::Unknown(what) => format!("「{what}」はこのタスクの測定値ではありません"),
                Self::Double(name) => format!("{name}の値が二つあります"),
                Self::ForeignUnit { written, name, units } => {
                    format!("「{written}」は{name}の単位ではありません（使える単位: {units}）")
                }
                Self::BadQuality(mark) => format!("信頼できないという印のある測定値があります: {mark}"),
                Self::Negated(word) => format!("測定値が否定されています: {word}"),
                Self::OutOfRange { name, value, range } => format!("{name} {value} は学習した範囲（{range}）の外です"),
                Self::Ambiguous(number) => format!("「{number}」は二通りに読めます"),
                Self::Unreadable { name, written } => format!("{name}の値「{written}」を読み取れません"),
                Self::WrongCount(found, min, max) => format!("測定値は{min}～{max}個必要です（{found}個ありました）"),
                Self::TooFine(what) => format!("{what} は限界に近すぎて、モデルに渡す桁に丸められません"),
                Self::Lines => "下方管理限界 < 中心線 < 上方管理限界 ではありません".to_owned(),
            },
        }
    }
}
