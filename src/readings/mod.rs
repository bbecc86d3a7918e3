//! What a question says, exactly. Reads the fields or the series that a task declares, from an object or from free text, and words
//! them in the one way that the model was taught; or says what exactly is not certain, so that a person looks.
//!
//! Nothing is guessed: every number, every unit and every name of a question must find its place. A word that is not known makes
//! a clause with numbers uncertain, since it could change what they mean.

mod fault;
mod fields;
mod lexer;
mod normal;
mod number;
mod object;
mod series;
mod words;

use crate::bundle::declaration::Readings;
use crate::domain::Language;

pub use fault::Fault;
use fields::FieldReader;
use series::SeriesReader;

/// Reads the questions of one task.
pub enum Reader {
    /// By its fields.
    Fields(Box<FieldReader>),
    /// By its chart.
    Series(Box<SeriesReader>),
}

/// What a question says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reading {
    /// What the model is asked: one question, or one for each window of a series, the latest first. Never empty.
    pub questions: Vec<String>,
    /// What was read, for a person, in the language of the question.
    pub said: String,
    /// So near to a limit of the rules that care is needed.
    pub near_limit: bool,
    /// Answers that count whichever of the questions they are given to; any other counts only for the first.
    pub anywhere: Vec<String>,
}

impl Reader {
    /// By what a task declares.
    pub fn new(declared: &Readings) -> Self {
        match declared {
            Readings::Fields(fields) => Self::Fields(Box::new(FieldReader::new(fields))),
            Readings::Series(series) => Self::Series(Box::new(SeriesReader::new(series))),
        }
    }

    /// Reads a question: a JSON object, or free text.
    pub fn read(&self, question: &str) -> Result<Reading, Fault> {
        let language = Language::of(question);
        match (self, object::members(question)) {
            (Self::Fields(reader), Some(members)) => reader.read_object(&members, language),
            (Self::Fields(reader), None) => reader.read_text(question, language),
            (Self::Series(reader), Some(members)) => reader.read_object(&members, language),
            (Self::Series(reader), None) => reader.read_text(question, language),
        }
    }
}

#[cfg(test)]
mod tests;
