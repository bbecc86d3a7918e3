//! Questions with known answers: the golden questions of a bundle, or a file of JSON lines. Reads; asks nothing.

use std::io;
use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use thiserror::Error;

use crate::bundle::Bundle;
use crate::bundle::manifest::{Answers, Golden, Task};
use crate::bytes::{hex, read_file};
use crate::domain::Answer;

/// Questions in one file: far more than a calibration split has.
pub const QUESTIONS_MAX: usize = 100_000;
/// Bytes of one file.
const FILE_BYTES_MAX: u64 = 256 << 20;

/// A question with its right answer.
#[derive(Clone, Debug, PartialEq)]
pub struct Question {
    /// As it is asked.
    pub text: String,
    /// The right answer; `None` where it is unknown.
    pub expected: Option<Answer>,
}

/// The questions of one task, in order; at least one.
#[derive(Clone, Debug)]
pub struct Dataset {
    /// Where they come from.
    pub source: Source,
    /// In the order of the file.
    pub questions: Vec<Question>,
}

/// Where questions come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// The bundle's golden questions. They are in the bundle because the model answers them right, so their accuracy says nothing.
    Golden,
    /// A file of pairs.
    File,
}

/// A file of questions cannot be used.
#[derive(Debug, Error)]
pub enum DatasetError {
    /// The file cannot be read.
    #[error("failed to read the questions in {path}")]
    Read {
        /// Path of the file.
        path: PathBuf,
        /// The system's reason.
        #[source]
        source: io::Error,
    },
    /// The file was read, but holds something else.
    #[error("{path}: {what}")]
    Unfit {
        /// Path of the file.
        path: PathBuf,
        /// What was expected and what was found.
        what: String,
    },
}

/// A line of a file: a pair of the training toolkit, or a golden question. Other keys are ignored.
#[derive(Deserialize)]
struct Pair {
    task: Option<String>,
    question: String,
    code: Option<u16>,
    answer: Option<String>,
    verdict: Option<serde_json::Value>,
}

impl Dataset {
    /// The golden questions of a task; a verified bundle has at least one.
    pub fn golden(bundle: &Bundle, task: &Task) -> Self {
        let of_task = bundle.golden.iter().filter(|golden| golden.task == task.id);
        let question = |Golden { question, code, answer, .. }: &Golden| Question {
            text: question.clone(),
            expected: answer_of(task, *code, answer.as_deref()).ok(),
        };
        Self { source: Source::Golden, questions: of_task.map(question).collect() }
    }

    /// The questions of a task in a file of lines `{"question", "code" or "answer", "task"}`. A line without `task` belongs to this
    /// task. A line without `code` and `answer` is asked, but not counted as right or wrong.
    pub fn read(path: &Path, task: &Task) -> Result<Self, DatasetError> {
        let failed = |source| DatasetError::Read { path: path.to_owned(), source };
        let unfit = |what| DatasetError::Unfit { path: path.to_owned(), what };
        let bytes = read_file(path, FILE_BYTES_MAX).map_err(failed)?;
        let bytes = bytes.ok_or_else(|| unfit(format!("expected at most {FILE_BYTES_MAX} bytes")))?;
        let text = std::str::from_utf8(&bytes).map_err(|error| unfit(format!("expected UTF-8: {error}")))?;
        let mut questions = Vec::new();
        for (line, text) in text.lines().enumerate().map(|(at, text)| (at + 1, text)) {
            if text.trim().is_empty() {
                continue;
            }
            let question = parse(text, task).map_err(|what| unfit(format!("line {line}: {what}")))?;
            questions.extend(question);
            if questions.len() > QUESTIONS_MAX {
                return Err(unfit(format!("expected at most {QUESTIONS_MAX} questions")));
            }
        }
        if questions.is_empty() {
            return Err(unfit(format!("expected at least one question of task {}, found none", task.id)));
        }
        Ok(Self { source: Source::File, questions })
    }

    /// At most `n` questions, evenly spaced; the same ones every time.
    pub fn sample(&self, n: usize) -> Vec<&Question> {
        let n = n.min(self.questions.len());
        (0..n).map(|at| &self.questions[at * self.questions.len() / n]).collect()
    }
}

/// SHA-256 of the texts in order: equal for two runs that asked the same.
pub fn digest(questions: &[&Question]) -> String {
    let mut hash = Sha256::new();
    for question in questions {
        hash.update(question.text.as_bytes());
        hash.update([0]);
    }
    hex(&hash.finalize())
}

/// `None` for a line of another task.
fn parse(line: &str, task: &Task) -> Result<Option<Question>, String> {
    let pair: Pair = serde_json::from_str(line)
        .map_err(|error| format!("expected {{\"question\", \"code\" or \"answer\"}}: {error}"))?;
    if pair.task.is_some_and(|of| of != task.id) {
        return Ok(None);
    }
    if pair.verdict.is_some() {
        return Err("expected a pair, found a review, whose answer may be wrong: make pairs with `models/run reviews`"
            .to_owned());
    }
    let expected = match (pair.code, pair.answer) {
        (None, None) => None,
        (code, answer) => Some(answer_of(task, code, answer.as_deref())?),
    };
    Ok(Some(Question { text: pair.question, expected }))
}

/// The answer that a code means, or a text or label where there is no code.
fn answer_of(task: &Task, code: Option<u16>, answer: Option<&str>) -> Result<Answer, String> {
    match &task.answers {
        Answers::Choices(choices) => choices
            .iter()
            .position(|choice| match code {
                Some(code) => choice.code == code,
                None => answer
                    .is_some_and(|said| [&choice.text, &choice.label.en, &choice.label.ja].iter().any(|s| *s == said)),
            })
            .map(Answer::Choice)
            .ok_or_else(|| {
                let known: Vec<&str> = choices.iter().map(|choice| choice.text.as_str()).collect();
                let found = code.map_or_else(|| format!("{:?}", answer.unwrap_or_default()), |code| code.to_string());
                format!("expected a code or an answer of task {} ({}), found {found}", task.id, known.join(", "))
            }),
        Answers::Free(_) => match answer {
            Some(text) => Ok(Answer::Text(text.trim().to_owned())),
            None => Err(format!("expected `answer`, task {} takes free text", task.id)),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::fake::fixture;

    #[test]
    fn pairs_and_golden_lines_are_read_and_reviews_refused() {
        let task = fixture().1.tasks.remove(0);
        let right = |line: &str| parse(line, &task).map(|question| question.map(|question| question.expected));
        for (line, expected) in [
            (r#"{"question": "x", "code": 0}"#, Ok(Some(Some(Answer::Choice(0))))),
            (r#"{"question": "x", "answer": "no failure", "rationale": "y"}"#, Ok(Some(Some(Answer::Choice(0))))),
            (
                r#"{"question": "x", "answer": "故障なし", "task": "machine-failure"}"#,
                Ok(Some(Some(Answer::Choice(0)))),
            ),
            (r#"{"question": "x"}"#, Ok(Some(None))),
            (r#"{"question": "x", "code": 1, "task": "another"}"#, Ok(None)),
        ] {
            assert_eq!(right(line), expected, "{line}");
        }
        for (line, says) in [
            (r#"{"question": "x", "answer": "OK", "verdict": "wrong"}"#, "found a review"),
            (r#"{"question": "x", "code": 77}"#, "expected a code or an answer of task machine-failure"),
            (r#"{"question": "x", "answer": "maybe"}"#, "found \"maybe\""),
            (r#"{"code": 1}"#, "missing field `question`"),
        ] {
            let said = right(line).unwrap_err();
            assert!(said.contains(says), "{line}: {said}");
        }
    }

    #[test]
    fn a_sample_is_evenly_spaced_and_repeats() {
        let question = |at: usize| Question { text: at.to_string(), expected: None };
        let dataset = Dataset { source: Source::File, questions: (0..10).map(question).collect() };
        let asked = |n| dataset.sample(n).into_iter().map(|q| q.text.parse().unwrap()).collect::<Vec<usize>>();
        assert_eq!(asked(4), [0, 2, 5, 7]);
        assert_eq!(asked(99), (0..10).collect::<Vec<_>>());
        assert_ne!(digest(&dataset.sample(4)), digest(&dataset.sample(5)));
    }
}
