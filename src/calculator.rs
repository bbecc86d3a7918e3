//! Arithmetic that is exact: what the model writes as an expression in `<<42.8*1551*0.10472=6951.6>>`, and what a bundle
//! declares of a task's readings.
//!
//! Decimals with + - * / and parentheses, bounded in length and depth. No names, no powers, no binary floating point.
//! The training toolkit has the same in Python (`calculator.py`); both pass the cases in `tests/data/calculator.jsonl`.

use rust_decimal::{Decimal, RoundingStrategy};
use thiserror::Error;

/// Characters of an expression; the longest in the training data of rule teachers has 19.
const EXPRESSION_LEN_MAX: usize = 64;
/// Nested parentheses, and signs before a number; bounds the recursion.
const DEPTH_MAX: usize = 8;

/// Why an expression has no value.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum CalculatorError {
    /// No characters, or too many.
    #[error("expected 1 to {max} characters, got {found}")]
    Length {
        /// Of the expression.
        found: usize,
        /// That it may have.
        max: usize,
    },
    /// A character that no expression has.
    #[error("unexpected `{0}`")]
    Unexpected(char),
    /// The expression is not complete.
    #[error("the expression ends too early")]
    Unfinished,
    /// Parentheses or signs nested too deeply.
    #[error("more than {DEPTH_MAX} parentheses or signs inside each other")]
    Depth,
    /// Division by zero, or a number beyond 28 digits.
    #[error("the value cannot be computed")]
    Value,
}

/// The value of `expression`, rounded half away from zero to `decimals` places, without trailing zeros.
pub fn evaluate(expression: &str, decimals: u32) -> Result<String, CalculatorError> {
    let value = value(expression, EXPRESSION_LEN_MAX)?;
    Ok(value.round_dp_with_strategy(decimals, RoundingStrategy::MidpointAwayFromZero).normalize().to_string())
}

/// The value of an expression of at most so many characters.
pub fn value(expression: &str, length_max: usize) -> Result<Decimal, CalculatorError> {
    let length = expression.chars().count();
    if !(1..=length_max).contains(&length) {
        return Err(CalculatorError::Length { found: length, max: length_max });
    }
    let mut rest = Rest(expression);
    let value = rest.sum(0)?;
    match rest.peek() {
        Some(unexpected) => Err(CalculatorError::Unexpected(unexpected)),
        None => Ok(value),
    }
}

/// The rest of the expression, not read yet.
struct Rest<'t>(&'t str);

impl Rest<'_> {
    fn peek(&mut self) -> Option<char> {
        self.0 = self.0.trim_start_matches(' ');
        self.0.chars().next()
    }

    fn take(&mut self, wanted: char) -> bool {
        let here = self.peek() == Some(wanted);
        if here {
            self.0 = &self.0[wanted.len_utf8()..];
        }
        here
    }

    fn sum(&mut self, depth: usize) -> Result<Decimal, CalculatorError> {
        let mut value = self.product(depth)?;
        loop {
            let next = if self.take('+') {
                value.checked_add(self.product(depth)?)
            } else if self.take('-') {
                value.checked_sub(self.product(depth)?)
            } else {
                return Ok(value);
            };
            value = next.ok_or(CalculatorError::Value)?;
        }
    }

    fn product(&mut self, depth: usize) -> Result<Decimal, CalculatorError> {
        let mut value = self.atom(depth)?;
        loop {
            let next = if self.take('*') {
                value.checked_mul(self.atom(depth)?)
            } else if self.take('/') {
                value.checked_div(self.atom(depth)?)
            } else {
                return Ok(value);
            };
            value = next.ok_or(CalculatorError::Value)?;
        }
    }

    fn atom(&mut self, depth: usize) -> Result<Decimal, CalculatorError> {
        if depth > DEPTH_MAX {
            return Err(CalculatorError::Depth);
        }
        if self.take('(') {
            let value = self.sum(depth + 1)?;
            return if self.take(')') { Ok(value) } else { Err(self.unexpected()) };
        }
        if self.take('-') {
            return Ok(-self.atom(depth + 1)?);
        }
        self.number()
    }

    /// Digits, and perhaps a point and digits.
    fn number(&mut self) -> Result<Decimal, CalculatorError> {
        if !self.peek().is_some_and(|c| c.is_ascii_digit()) {
            return Err(self.unexpected());
        }
        let digits = |text: &str| text.bytes().take_while(u8::is_ascii_digit).count();
        let mut end = digits(self.0);
        if self.0[end..].starts_with('.') {
            let decimals = digits(&self.0[end + 1..]);
            if decimals == 0 {
                return Err(CalculatorError::Unexpected('.'));
            }
            end += 1 + decimals;
        }
        let (number, rest) = self.0.split_at(end);
        self.0 = rest;
        number.parse().map_err(|_| CalculatorError::Value)
    }

    fn unexpected(&mut self) -> CalculatorError {
        self.peek().map_or(CalculatorError::Unfinished, CalculatorError::Unexpected)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The cases that the training toolkit's calculator passes too.
    #[test]
    fn agrees_with_the_training_toolkit() {
        #[derive(serde::Deserialize)]
        struct Case {
            expression: String,
            decimals: Option<u32>,
            result: Option<String>,
        }
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/calculator.jsonl");
        let cases = std::fs::read_to_string(path).unwrap();
        let mut seen = 0;
        for line in cases.lines() {
            let case: Case = serde_json::from_str(line).unwrap();
            let got = evaluate(&case.expression, case.decimals.unwrap_or(1));
            assert_eq!(got.clone().ok(), case.result, "{}: {got:?}", case.expression);
            seen += 1;
        }
        assert!(seen >= 20, "only {seen} cases");
    }

    #[test]
    fn says_what_is_wrong() {
        for (expression, error) in [
            ("", CalculatorError::Length { found: 0, max: EXPRESSION_LEN_MAX }),
            ("2+", CalculatorError::Unfinished),
            ("(2", CalculatorError::Unfinished),
            ("2a", CalculatorError::Unexpected('a')),
            ("2.", CalculatorError::Unexpected('.')),
            ("2^3", CalculatorError::Unexpected('^')),
            ("1/0", CalculatorError::Value),
            ("---------1", CalculatorError::Depth),
            ("２+２", CalculatorError::Unexpected('２')),
        ] {
            assert_eq!(evaluate(expression, 1), Err(error), "{expression}");
        }
        assert_eq!(evaluate(&"1+".repeat(40), 1), Err(CalculatorError::Length { found: 80, max: EXPRESSION_LEN_MAX }));
    }
}
