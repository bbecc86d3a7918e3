//! What a device said, as a question: a line of text, a line of values under declared columns, or a frame of numbers. The last two become
//! the text of a JSON object, with each number as it was written. Pure.

use std::collections::HashSet;

use thiserror::Error;

use crate::wire::line::{Encoding, NUMBER_MAX, numbered};
use crate::wire::{AskNumbers, Number};

/// Where a line has no columns, this stands between its number and its question.
const COMMA: char = ',';
/// The column that is passed over.
const PASSED_OVER: &str = "-";
/// Ends the name of the column that takes all further values.
const ALL_FURTHER: char = '*';
/// The key of a series.
const SERIES: &str = "readings";

/// How lines are written, and what they hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LineFormat {
    /// How characters are bytes.
    pub encoding: Encoding,
    /// The longest line, in bytes.
    pub bytes_max: usize,
    /// The device puts a number of its own before each question.
    pub numbered: bool,
    /// Stands between the values of a line.
    pub separator: char,
    /// What the values are; `None` where a line is text.
    pub columns: Option<Columns>,
}

/// Names of the values of a line, in their order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Columns {
    names: Vec<String>,
    /// A series follows them.
    series: bool,
}

/// Why a line of values, or a frame of numbers, is no question.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Fault {
    /// The device's own number is missing.
    #[error("expected a number from 1 to {NUMBER_MAX} and {0:?} before the question")]
    Number(char),
    /// Other values than were declared.
    #[error("expected {expected}, got {got} values")]
    Columns {
        /// How many, and their names.
        expected: String,
        /// How many came.
        got: usize,
    },
    /// A quoted value does not end, or goes on behind its end.
    #[error("expected a quotation mark only around a whole value, and twice within one")]
    Quotation,
    /// A frame without a number.
    #[error("expected at least one number, got none")]
    NoNumbers,
    /// Fields count from 1.
    #[error("expected fields from 1, got field 0")]
    Field,
    /// Nobody knows which one holds.
    #[error("expected one number for each field, got two for field {0}")]
    Twice(u8),
    /// A float that is infinite, or no number at all.
    #[error("expected numbers, got {0}")]
    NotFinite(Number),
}

impl LineFormat {
    /// What stands behind the device's own number.
    pub fn separator(&self) -> char {
        if self.columns.is_some() { self.separator } else { COMMA }
    }

    /// Whether a TAB is part of a line.
    pub fn has_tabs(&self) -> bool {
        self.separator() == '\t'
    }

    /// The device's own number, where lines are numbered, and the question.
    pub fn read(&self, line: &str) -> Result<(Option<u32>, String), Fault> {
        let (number, rest) = if self.numbered {
            let (number, rest) = numbered(line, self.separator()).ok_or(Fault::Number(self.separator()))?;
            (Some(number), rest)
        } else {
            (None, line)
        };
        let question = match &self.columns {
            None => rest.to_owned(),
            Some(columns) => columns.object(&split(rest, self.separator)?)?,
        };
        Ok((number, question))
    }
}

impl Columns {
    /// These names, each of them once; the last may end in `*`. `None` for none.
    pub fn new(mut names: Vec<String>) -> Option<Self> {
        let series = names.last().is_some_and(|last| last.ends_with(ALL_FURTHER));
        let named = |name: &&String| *name != PASSED_OVER;
        let distinct: HashSet<&String> = names.iter().filter(named).collect();
        let well = distinct.len() == names.iter().filter(named).count()
            && names.iter().all(|name| !name.trim_end_matches(ALL_FURTHER).is_empty())
            && names.iter().rev().skip(1).all(|name| !name.ends_with(ALL_FURTHER));
        if names.is_empty() || !well {
            return None;
        }
        if series {
            names.pop();
        }
        Some(Self { names, series })
    }

    fn object(&self, values: &[String]) -> Result<String, Fault> {
        let fits = if self.series { values.len() > self.names.len() } else { values.len() == self.names.len() };
        if !fits {
            return Err(Fault::Columns { expected: self.expected(), got: values.len() });
        }
        let (single, further) = values.split_at(self.names.len());
        let pairs = self.names.iter().zip(single).filter(|(name, _)| *name != PASSED_OVER);
        let mut members: Vec<String> = pairs.map(|(name, value)| format!("{}:{}", json(name), json(value))).collect();
        if self.series {
            let readings: Vec<String> = further.iter().map(json).collect();
            members.push(format!("{}:[{}]", json(SERIES), readings.join(",")));
        }
        Ok(object(&members))
    }

    fn expected(&self) -> String {
        let (count, names) = (self.names.len(), self.names.join(", "));
        if self.series {
            format!("{count} values ({names}) and at least one reading")
        } else {
            format!("{count} values ({names})")
        }
    }
}

/// The values of a line, trimmed. A quotation mark may stand around a value that holds the separator, and twice within it for itself.
fn split(line: &str, separator: char) -> Result<Vec<String>, Fault> {
    let blank = |c: char| c.is_whitespace() && c != separator;
    let mut values = Vec::new();
    let mut rest = Some(line);
    while let Some(from) = rest {
        let (value, after) = match from.trim_start_matches(blank).strip_prefix('"') {
            None => match from.split_once(separator) {
                Some((value, after)) => (value.to_owned(), Some(after)),
                None => (from.to_owned(), None),
            },
            Some(quoted) => {
                let (value, behind) = unquoted(quoted).ok_or(Fault::Quotation)?;
                let behind = behind.trim_start_matches(blank);
                let after = behind.strip_prefix(separator);
                if after.is_none() && !behind.is_empty() {
                    return Err(Fault::Quotation);
                }
                (value, after)
            }
        };
        values.push(value.trim().to_owned());
        rest = after;
    }
    Ok(values)
}

/// What stands within quotation marks, and what behind them; `None` where they are not closed.
fn unquoted(quoted: &str) -> Option<(String, &str)> {
    let (mut value, mut rest) = (String::new(), quoted);
    loop {
        let (piece, behind) = rest.split_once('"')?;
        value += piece;
        match behind.strip_prefix('"') {
            None => return Some((value, behind)),
            Some(more) => {
                value.push('"');
                rest = more;
            }
        }
    }
}

/// A frame of numbers.
pub fn of_numbers(ask: &AskNumbers<'_>) -> Result<String, Fault> {
    let mut seen = HashSet::new();
    let mut members = Vec::new();
    for reading in ask.readings.iter() {
        let field = reading.field;
        if field == 0 {
            return Err(Fault::Field);
        }
        if !seen.insert(field) {
            return Err(Fault::Twice(field));
        }
        members.push(format!("\"{field}\":{}", finite(reading.value)?));
    }
    let series = ask.series.iter().map(|number| Ok(finite(number)?.to_string())).collect::<Result<Vec<_>, Fault>>()?;
    if !series.is_empty() {
        members.push(format!("{}:[{}]", json(SERIES), series.join(",")));
    }
    if members.is_empty() { Err(Fault::NoNumbers) } else { Ok(object(&members)) }
}

fn finite(number: Number) -> Result<Number, Fault> {
    if number.is_finite() { Ok(number) } else { Err(Fault::NotFinite(number)) }
}

fn object(members: &[String]) -> String {
    format!("{{{}}}", members.join(","))
}

fn json(text: impl AsRef<str>) -> String {
    serde_json::Value::from(text.as_ref()).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::{List, Reading, RequestId};

    fn format(numbered: bool, separator: char, columns: &[&str]) -> LineFormat {
        let columns = Columns::new(columns.iter().map(|&name| name.to_owned()).collect());
        LineFormat { encoding: Encoding::Utf8, bytes_max: 1000, numbered, separator, columns }
    }

    #[test]
    fn values_get_the_names_of_their_columns_and_stay_as_they_were_written() {
        let machine = format(false, ',', &["type", "air", "torque"]);
        for (line, expected) in [
            ("M,298.10,42.8", r#"{"type":"M","air":"298.10","torque":"42.8"}"#),
            (" M , 298.1 K ,\t42.8 Nm ", r#"{"type":"M","air":"298.1 K","torque":"42.8 Nm"}"#),
            (r#"M,"298,1", "4""2" "#, r#"{"type":"M","air":"298,1","torque":"4\"2"}"#),
            ("M,,", r#"{"type":"M","air":"","torque":""}"#),
            ("M,2\"5,1", r#"{"type":"M","air":"2\"5","torque":"1"}"#),
        ] {
            assert_eq!(machine.read(line), Ok((None, expected.to_owned())), "{line}");
        }
        let german = format(true, ';', &["type", "air"]);
        assert_eq!(german.read("17;M;298,1"), Ok((Some(17), r#"{"type":"M","air":"298,1"}"#.to_owned())));
        let tabs = format(true, '\t', &["type", "air"]);
        assert_eq!(tabs.read("17\t\t298.1"), Ok((Some(17), r#"{"type":"","air":"298.1"}"#.to_owned())));
        let station = format(false, ',', &["-", "air", "-"]);
        assert_eq!(station.read("press 3,298.1,x"), Ok((None, r#"{"air":"298.1"}"#.to_owned())));
    }

    #[test]
    fn the_last_column_may_be_a_series() {
        let chart = format(false, ',', &["centre", "upper", "lower", "readings*"]);
        let expected = r#"{"centre":"5.0","upper":"5.6","lower":"4.4","readings":["4.9","5.10"]}"#;
        assert_eq!(chart.read("5.0,5.6,4.4,4.9,5.10"), Ok((None, expected.to_owned())));
        let fault = chart.read("5.0,5.6,4.4").unwrap_err();
        assert_eq!(
            fault.to_string(),
            "expected 3 values (centre, upper, lower) and at least one reading, got 3 values"
        );
    }

    #[test]
    fn other_values_than_declared_are_refused_and_both_sides_named() {
        let machine = format(true, ',', &["type", "air"]);
        for (line, fault) in [
            ("17,M", "expected 2 values (type, air), got 1 values"),
            ("17,M,298,1", "expected 2 values (type, air), got 3 values"),
            ("M,298.1", "expected a number from 1 to 99999 and ',' before the question"),
            ("17,\"M,298.1", "expected a quotation mark only around a whole value, and twice within one"),
            ("17,\"M\"x,298.1", "expected a quotation mark only around a whole value, and twice within one"),
        ] {
            assert_eq!(machine.read(line).unwrap_err().to_string(), fault, "{line}");
        }
    }

    #[test]
    fn names_of_columns_are_distinct_and_only_the_last_takes_all() {
        let new = |names: &[&str]| Columns::new(names.iter().map(|&name| name.to_owned()).collect()).is_some();
        assert!(new(&["a", "-", "b", "-", "c*"]) && new(&["readings*"]));
        for wrong in [&[][..], &["a", "a"], &["a*", "b"], &["*"], &[""]] {
            assert!(!new(wrong), "{wrong:?}");
        }
    }

    #[test]
    fn a_text_stays_the_text_that_it_is() {
        let text = LineFormat { columns: None, ..format(true, ';', &[]) };
        assert_eq!(text.read("17,type=M, air=298.1"), Ok((Some(17), "type=M, air=298.1".to_owned())));
    }

    #[test]
    fn numbers_become_members_by_the_number_of_their_field() {
        let scaled = |mantissa, decimals| Number::scaled(mantissa, decimals).unwrap();
        let reading = |field, value| Reading { field, value };
        let of = |readings: &[Reading], series: &[Number]| {
            of_numbers(&AskNumbers {
                request: RequestId::new(b"1").unwrap(),
                wants_rationale: false,
                expires_after: None,
                task: None,
                readings: List::of(readings),
                series: List::of(series),
            })
        };
        let fields = [reading(1, scaled(3, 0)), reading(2, scaled(2981, 1)), reading(5, Number::float(42.8))];
        assert_eq!(of(&fields, &[]).unwrap(), r#"{"1":3,"2":298.1,"5":42.8}"#);
        let series = [scaled(490, 2), Number::float(-0.5)];
        assert_eq!(of(&fields[..1], &series).unwrap(), r#"{"1":3,"readings":[4.90,-0.5]}"#);
        assert_eq!(of(&[], &series).unwrap(), r#"{"readings":[4.90,-0.5]}"#);
        let nan = Number::float(f32::NAN);
        for (readings, series, fault) in [
            (&[][..], &[][..], Fault::NoNumbers),
            (&[reading(0, scaled(1, 0))], &[], Fault::Field),
            (&[fields[0], fields[0]], &[], Fault::Twice(1)),
            (&[reading(1, nan)], &[], Fault::NotFinite(nan)),
            (&[], &[Number::float(f32::INFINITY)], Fault::NotFinite(Number::float(f32::INFINITY))),
        ] {
            assert_eq!(of(readings, series), Err(fault));
        }
    }
}
