//! What is asked: the bundle's golden questions, or a file of pairs. Asks nothing itself.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use serde::Deserialize;
use sha2::{Digest as _, Sha256};
use thiserror::Error;

use super::report::Source;
use crate::bundle::Bundle;
use crate::bundle::manifest::{Answers, Golden, Task};
use crate::domain::Answer;

/// Questions of a file: far more than a calibration split has.
pub const QUESTIONS_MAX: usize = 100_000;
/// Bytes of a file of them.
const FILE_BYTES_MAX: u64 = 256 << 20;

/// A question with the answer that is wanted of it, if it is known.
#[derive(Clone, Debug, PartialEq)]
pub struct Question {
    /// Its text.
    pub text: String,
    /// The answer.
    pub right: Option<Answer>,
}

/// All that are asked; at least one.
#[derive(Clone, Debug)]
pub struct Questions {
    /// Where they came from.
    pub source: Source,
    /// In order.
    pub all: Vec<Question>,
}

/// A file of questions cannot be used.
#[derive(Debug, Error)]
pub enum QuestionsError {
    /// It cannot be read.
    #[error("failed to read the questions in {path}")]
    Read {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// It holds something else.
    #[error("{path}: {what}")]
    Unfit {
        /// Which.
        path: PathBuf,
        /// What was expected and what was found.
        what: String,
    },
}

/// A line of a file: a pair of the workshop, or a golden question. Other keys mean nothing here.
#[derive(Deserialize)]
struct Pair {
    task: Option<String>,
    question: String,
    code: Option<u16>,
    answer: Option<String>,
    verdict: Option<serde_json::Value>,
}

impl Questions {
    /// The golden ones of a task; a verified bundle has at least one.
    pub fn golden(bundle: &Bundle, task: &Task) -> Self {
        let of_task = bundle.golden.iter().filter(|golden| golden.task == task.id);
        let question = |Golden { question, code, answer, .. }: &Golden| Question {
            text: question.clone(),
            right: wanted(task, *code, answer.as_deref()).ok(),
        };
        Self { source: Source::Golden, all: of_task.map(question).collect() }
    }

    /// Those of a task in a file of lines `{"question", "code" or "answer", "task"}`; a line without a task is of this one, a line
    /// without an answer is asked and not judged.
    pub fn read(path: &Path, task: &Task) -> Result<Self, QuestionsError> {
        let failed = |source| QuestionsError::Read { path: path.to_owned(), source };
        let unfit = |what| QuestionsError::Unfit { path: path.to_owned(), what };
        let mut bytes = Vec::new();
        File::open(path).map_err(failed)?.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes).map_err(failed)?;
        if bytes.len() as u64 > FILE_BYTES_MAX {
            return Err(unfit(format!("expected at most {FILE_BYTES_MAX} bytes")));
        }
        let text = std::str::from_utf8(&bytes).map_err(|error| unfit(format!("expected UTF-8: {error}")))?;
        let mut all = Vec::new();
        for (line, text) in text.lines().enumerate().map(|(at, text)| (at + 1, text)) {
            if text.trim().is_empty() {
                continue;
            }
            let question = parse(text, task).map_err(|what| unfit(format!("line {line}: {what}")))?;
            all.extend(question);
            if all.len() > QUESTIONS_MAX {
                return Err(unfit(format!("expected at most {QUESTIONS_MAX} questions")));
            }
        }
        if all.is_empty() {
            return Err(unfit(format!("expected at least one question of task {}, found none", task.id)));
        }
        Ok(Self { source: Source::File, all })
    }

    /// At most `n` of them, evenly spaced: what one trial asks.
    pub fn timed(&self, n: usize) -> Vec<&Question> {
        let n = n.min(self.all.len());
        (0..n).map(|at| &self.all[at * self.all.len() / n]).collect()
    }
}

/// Tells two lists of questions apart.
pub fn digest(questions: &[&Question]) -> String {
    let mut hash = Sha256::new();
    for question in questions {
        hash.update(question.text.as_bytes());
        hash.update([0]);
    }
    hex(&hash.finalize())
}

/// Lower-case hexadecimal.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

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
    let right = match (pair.code, pair.answer) {
        (None, None) => None,
        (code, answer) => Some(wanted(task, code, answer.as_deref())?),
    };
    Ok(Some(Question { text: pair.question, right }))
}

/// The answer that a code, or a text or label, means.
fn wanted(task: &Task, code: Option<u16>, answer: Option<&str>) -> Result<Answer, String> {
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
    fn pairs_golden_lines_and_bare_questions_are_read_and_reviews_are_refused() {
        let task = fixture().1.tasks.remove(0);
        let right = |line: &str| parse(line, &task).map(|question| question.map(|question| question.right));
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
    fn a_trial_asks_some_evenly_spaced_and_the_same_ones_every_time() {
        let question = |at: usize| Question { text: at.to_string(), right: None };
        let questions = Questions { source: Source::File, all: (0..10).map(question).collect() };
        let asked = |n| questions.timed(n).into_iter().map(|q| q.text.parse().unwrap()).collect::<Vec<usize>>();
        assert_eq!(asked(4), [0, 2, 5, 7]);
        assert_eq!(asked(99), (0..10).collect::<Vec<_>>());
        assert_ne!(digest(&questions.timed(4)), digest(&questions.timed(5)));
    }
}
