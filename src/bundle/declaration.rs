//! What a task reads: its fields, or a series. Data of the manifest; `crate::readings` reads questions by it.
//!
//! Numbers are decimals, in the manifest a text or a number, so that no limit is decided by binary floating point.

use std::collections::BTreeMap;

use rust_decimal::Decimal;
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer};

use super::manifest::{InBothLanguages, bilingual};
use crate::domain::Bilingual;

/// What a task reads.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Readings {
    /// A value for each of its fields.
    Fields(Fields),
    /// The readings of a chart and its lines.
    Series(Box<Series>),
}

impl Readings {
    /// The one wording in which the model is asked.
    pub fn canonical(&self) -> &Bilingual {
        match self {
            Self::Fields(fields) => &fields.canonical,
            Self::Series(series) => &series.canonical,
        }
    }
}

/// A value for each field.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Fields {
    /// The one wording in which the model is asked, with `{id}` where a field's value goes.
    #[serde(deserialize_with = "bilingual")]
    #[schemars(with = "InBothLanguages")]
    pub canonical: Bilingual,
    /// In their order; the first is field number 1.
    pub fields: Vec<Field>,
    /// What follows from several fields, and must lie in the range that the model was taught.
    #[serde(default)]
    pub checks: Vec<Range>,
    /// Where the rules change their mind.
    #[serde(default)]
    pub limits: Vec<Limit>,
    /// A question is near a limit where it lies within this share of it.
    #[serde(deserialize_with = "decimal")]
    #[schemars(with = "f64")]
    pub near: Decimal,
}

/// One field.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Field {
    /// As templates and expressions name it.
    pub id: String,
    /// As people call it.
    #[serde(deserialize_with = "bilingual")]
    #[schemars(with = "InBothLanguages")]
    pub name: Bilingual,
    /// Other names in either language. The id and the name need not be among them.
    #[serde(default)]
    pub aliases: Vec<String>,
    /// What its value is.
    pub value: FieldValue,
}

/// What the value of a field is.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum FieldValue {
    /// A number with a unit.
    Number(Quantity),
    /// One of a few words.
    Words(Vec<WordValue>),
}

/// A number with a unit.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Quantity {
    /// Accepted units; the first is the field's own, in which everything else here is.
    pub units: Vec<Unit>,
    /// The model is told whole multiples of it: 1, 0.1, 0.01.
    #[serde(deserialize_with = "decimal")]
    #[schemars(with = "f64")]
    pub resolution: Decimal,
    /// The least that the model was taught.
    #[serde(deserialize_with = "decimal")]
    #[schemars(with = "f64")]
    pub min: Decimal,
    /// The greatest.
    #[serde(deserialize_with = "decimal")]
    #[schemars(with = "f64")]
    pub max: Decimal,
    /// `h:mm` and `h:mm:ss` are read too, as minutes; only of a field in minutes.
    #[serde(default)]
    pub clock: bool,
}

impl Quantity {
    /// The name of its own unit, in which it is written.
    pub fn unit(&self) -> &str {
        self.units.first().and_then(|unit| unit.names.first()).map_or("", String::as_str)
    }
}

/// A unit: value in the field's own = (number + shift) * factor / divisor.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Unit {
    /// As it is written; the first is how it is written back.
    pub names: Vec<String>,
    #[serde(default, deserialize_with = "decimal")]
    #[schemars(with = "f64")]
    pub shift: Decimal,
    #[serde(default = "one", deserialize_with = "decimal")]
    #[schemars(with = "f64")]
    pub factor: Decimal,
    #[serde(default = "one", deserialize_with = "decimal")]
    #[schemars(with = "f64")]
    pub divisor: Decimal,
    /// Name of the smaller unit that may follow it: `3 h 20 min`.
    #[serde(default)]
    pub then: Option<String>,
}

/// One of the words that a field may have.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WordValue {
    /// As the model is told.
    pub text: String,
    /// What stands for it in a frame of numbers.
    pub code: u16,
    #[serde(default)]
    pub aliases: Vec<String>,
}

/// A range of something computed from fields.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Range {
    #[serde(deserialize_with = "bilingual")]
    #[schemars(with = "InBothLanguages")]
    pub name: Bilingual,
    /// Of field ids and numbers, with + - * / and parentheses.
    pub expression: String,
    /// Of the result, for people.
    pub unit: String,
    #[serde(deserialize_with = "decimal")]
    #[schemars(with = "f64")]
    pub min: Decimal,
    #[serde(deserialize_with = "decimal")]
    #[schemars(with = "f64")]
    pub max: Decimal,
}

/// Where the rules change their mind.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Limit {
    /// As in [`Range`].
    pub expression: String,
    #[serde(deserialize_with = "decimal")]
    #[schemars(with = "f64")]
    pub at: Decimal,
    /// Only where these fields have these words.
    #[serde(default)]
    pub when: BTreeMap<String, String>,
}

/// A chart: three lines and its latest readings.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Series {
    /// The one wording in which the model is asked, with `{readings}`.
    #[serde(deserialize_with = "bilingual")]
    #[schemars(with = "InBothLanguages")]
    pub canonical: Bilingual,
    /// Between two readings in that wording.
    #[serde(deserialize_with = "bilingual")]
    #[schemars(with = "InBothLanguages")]
    pub separator: Bilingual,
    pub centre: Line,
    pub upper: Line,
    pub lower: Line,
    /// What introduces the readings.
    pub readings: Line,
    /// Fewest and most readings of a question.
    pub count: (usize, usize),
    /// The most readings that the model is asked about at once; a longer series is asked in overlapping windows.
    pub window: usize,
    /// Answers that count in whichever window they are given, by the choices' texts; all others only in the latest.
    pub anywhere: Vec<String>,
    pub normal: NormalLines,
    /// A question is near a limit where a reading lies within this share of the way from the centre to a limit of a line.
    #[serde(deserialize_with = "decimal")]
    #[schemars(with = "f64")]
    pub near: Decimal,
}

impl Series {
    /// What a chart has, in the order of a frame: the key in an object, and the names.
    pub fn parts(&self) -> [(&'static str, &Line); 4] {
        [("centre", &self.centre), ("upper", &self.upper), ("lower", &self.lower), ("readings", &self.readings)]
    }
}

/// What a line is called.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Line {
    #[serde(deserialize_with = "bilingual")]
    #[schemars(with = "InBothLanguages")]
    pub name: Bilingual,
    #[serde(default)]
    pub aliases: Vec<String>,
}

/// The places to which a chart is scaled before the model is asked: whole numbers from 1 to twice the centre less 1. The
/// rules compare readings with the lines and with each other only, so the map changes no verdict.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NormalLines {
    pub centre: u32,
    /// From the centre to a limit.
    pub way: u32,
    /// From the centre to the warning line: two of three sigmas.
    pub zone: u32,
}

fn one() -> Decimal {
    Decimal::ONE
}

/// A decimal from a text or a number, exactly as it is written.
fn decimal<'de, D: Deserializer<'de>>(from: D) -> Result<Decimal, D::Error> {
    let written = Box::<serde_json::value::RawValue>::deserialize(from)?;
    let text = written.get().trim_matches('"');
    text.parse().map_err(|_| serde::de::Error::custom(format!("expected a decimal number, got {text:.40}")))
}
