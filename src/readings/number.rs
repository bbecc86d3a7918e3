//! Numbers as people and machines write them. Says in how many ways one can be read; who reads it chooses, or asks a person.

use rust_decimal::Decimal;

/// Digits of a number: more are no measurement, and would not fit the arithmetic.
const DIGITS_MAX: usize = 20;

/// What a decimal comma is called by: the marks that all numbers of one question must agree on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Evidence {
    /// A number that can only have a decimal comma: `298,1`.
    pub comma: bool,
    /// A number that can only have a decimal point: `298.1`.
    pub point: bool,
}

impl Evidence {
    /// Takes in what another number or text says.
    pub fn add(&mut self, other: Self) {
        self.comma |= other.comma;
        self.point |= other.point;
    }

    /// Decimal points and decimal commas in one question: no number is certain.
    pub fn is_mixed(self) -> bool {
        self.comma && self.point
    }
}

/// A number and the ways in which it can be read.
#[derive(Clone, Debug, PartialEq)]
pub struct Number {
    /// With `.` as the decimal mark; `None` where it cannot be.
    point: Option<Decimal>,
    /// With `,` as the decimal mark.
    comma: Option<Decimal>,
}

impl Number {
    /// Reads digits with marks between them: `1551`, `42.8`, `42,8`, `1,551.0`, `1.551,0`, `1'551`. `None` where no reading is
    /// possible.
    pub fn new(text: &str) -> Option<Self> {
        let digits = text.bytes().filter(u8::is_ascii_digit).count();
        if digits == 0 || digits > DIGITS_MAX {
            return None;
        }
        let number = Self { point: read(text, '.', ','), comma: read(text, ',', '.') };
        (number.point.is_some() || number.comma.is_some()).then_some(number)
    }

    /// What this number alone says of the decimal mark.
    pub fn evidence(&self) -> Evidence {
        match (self.point, self.comma) {
            (Some(_), None) => Evidence { point: true, comma: false },
            (None, Some(_)) => Evidence { point: false, comma: true },
            _ => Evidence::default(),
        }
    }

    /// The values that it may have: one, where the question's other numbers say which mark is the decimal one.
    pub fn values(&self, evidence: Evidence) -> Vec<Decimal> {
        let (point, comma) = match (evidence.point, evidence.comma) {
            (true, false) => (self.point, None),
            (false, true) => (None, self.comma),
            _ => (self.point, self.comma),
        };
        let mut values: Vec<Decimal> = point.into_iter().chain(comma).collect();
        values.dedup();
        values
    }
}

/// With one mark for the decimals and another for the thousands.
fn read(text: &str, decimal: char, thousands: char) -> Option<Decimal> {
    let (mantissa, exponent) = match text.find(['e', 'E']) {
        Some(at) => (&text[..at], text[at + 1..].parse::<i32>().ok()?),
        None => (text, 0),
    };
    let (sign, mantissa) = match mantissa.strip_prefix('-') {
        Some(rest) => ("-", rest),
        None => ("", mantissa.strip_prefix('+').unwrap_or(mantissa)),
    };
    let (whole, fraction) = mantissa.split_once(decimal).unwrap_or((mantissa, ""));
    let has_fraction = mantissa.contains(decimal);
    if has_fraction && (fraction.is_empty() || !fraction.bytes().all(|byte| byte.is_ascii_digit())) {
        return None;
    }
    let whole = ungrouped(whole, thousands)?;
    let written = format!(
        "{sign}{}{}{fraction}",
        if whole.is_empty() { "0" } else { &whole },
        if has_fraction { "." } else { "" }
    );
    let value: Decimal = written.parse().ok()?;
    match exponent {
        0 => Some(value),
        // Beyond these a Decimal has no place for it, and no machine sends it.
        -12..=12 => {
            let ten = Decimal::from(10_i64.pow(exponent.unsigned_abs()));
            if exponent > 0 { value.checked_mul(ten) } else { value.checked_div(ten) }
        }
        _ => None,
    }
}

/// Digits without the marks of their thousands: every group but the first has three.
fn ungrouped(whole: &str, thousands: char) -> Option<String> {
    let mark = [thousands, '\''].into_iter().find(|mark| whole.contains(*mark));
    let groups: Vec<&str> = mark.map_or_else(|| vec![whole], |mark| whole.split(mark).collect());
    let plain = groups.iter().all(|group| group.bytes().all(|byte| byte.is_ascii_digit()));
    let first = groups.first().map_or(0, |group| group.len());
    let grouped = groups.len() == 1
        || ((1..=3).contains(&first)
            && !groups[0].starts_with('0')
            && groups[1..].iter().all(|group| group.len() == 3));
    (plain && grouped).then(|| groups.concat())
}

/// A number as a measuring device writes it: with so many decimals as its resolution has.
pub fn written(value: Decimal, resolution: Decimal) -> String {
    format!("{value:.*}", resolution.normalize().scale() as usize)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(text: &str, comma: bool, point: bool) -> Vec<String> {
        Number::new(text).map_or_else(Vec::new, |number| {
            number.values(Evidence { comma, point }).iter().map(ToString::to_string).collect()
        })
    }

    #[test]
    fn a_number_is_read_in_every_way_that_it_can_be_meant() {
        for (text, expected) in [
            ("1551", vec!["1551"]),
            ("42.8", vec!["42.8"]),
            ("42,8", vec!["42.8"]),
            ("-0.02", vec!["-0.02"]),
            ("007", vec!["7"]),
            ("42.79999923706055", vec!["42.79999923706055"]),
            ("1,551", vec!["1551", "1.551"]),
            ("1.551", vec!["1.551", "1551"]),
            ("1,551.0", vec!["1551.0"]),
            ("1.551,0", vec!["1551.0"]),
            ("1'551", vec!["1551"]),
            ("0,551", vec!["0.551"]),
            ("1,551,000", vec!["1551000"]),
            ("1.5e3", vec!["1500.0"]),
            ("298.1.2", vec![]),
            ("12,34,5", vec![]),
            ("42.", vec![]),
            ("1e99", vec![]),
            ("123456789012345678901", vec![]),
        ] {
            assert_eq!(values(text, false, false), expected, "{text}");
        }
        assert_eq!(values("1,551", true, false), ["1.551"]);
        assert_eq!(values("1,551", false, true), ["1551"]);
        assert_eq!(values("42.8", true, false), Vec::<String>::new());
    }
}
