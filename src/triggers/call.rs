//! What somebody asks of the gateway and waits for, beside a question: an answer that is there, a rationale, the reviews, the
//! gateway's health. Each brings the way back for its reply, so that the daemon knows no connection.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokio::sync::oneshot;

use super::{Key, Refusal};

/// JSON, or text, as it goes out.
pub type Body = Vec<u8>;
/// The way back; whoever waited may be gone.
pub type Reply<T> = oneshot::Sender<Result<T, Refusal>>;

/// One operation and its way back.
#[derive(Debug)]
pub enum Call {
    /// The latest answer to a question; `None` where there is none yet.
    Answer {
        /// Which question.
        key: Key,
        /// Reply only when there is one.
        wait: bool,
        /// The way back.
        reply: Reply<Option<Body>>,
    },
    /// The rationale of an answer.
    Explain {
        /// Of which question.
        key: Key,
        /// The way back.
        reply: Reply<Body>,
    },
    /// A page of the cases that a person was asked about.
    Reviews {
        /// Those that are open, or resolved.
        state: ReviewState,
        /// Behind this case.
        after: Option<i64>,
        /// At most so many.
        limit: usize,
        /// The way back.
        reply: Reply<Body>,
    },
    /// One case.
    Review {
        /// Its number.
        case: i64,
        /// The way back.
        reply: Reply<Body>,
    },
    /// Somebody takes a review.
    Claim {
        /// The case.
        case: i64,
        /// Who.
        claim: Claim,
        /// The way back: the case as it is now.
        reply: Reply<Body>,
    },
    /// Somebody says what is right.
    Resolve {
        /// The case.
        case: i64,
        /// What.
        resolve: Resolve,
        /// The way back: the case as it is now.
        reply: Reply<Body>,
    },
    /// A page of resolved reviews.
    Export {
        /// As what.
        format: Format,
        /// Behind this resolution; `None` is the last that was marked as exported.
        after: Option<i64>,
        /// At most so many.
        limit: usize,
        /// The way back.
        reply: Reply<Page>,
    },
    /// What was exported is safe.
    Exported {
        /// Through which resolution.
        exported: Exported,
        /// The way back.
        reply: Reply<()>,
    },
    /// Is the gateway well?
    Health {
        /// The way back: whether it is, and what is not.
        reply: Reply<(bool, Body)>,
    },
    /// What it has counted.
    Metrics {
        /// The way back.
        reply: Reply<Body>,
    },
}

/// Which reviews are listed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ReviewState {
    /// Those that wait for a person.
    #[default]
    Open,
    /// Those that were resolved.
    Resolved,
}

/// How reviews are exported.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// One JSON object a line, as the workshop reads it.
    #[default]
    Jsonl,
    /// A list of tasks for Label Studio.
    LabelStudio,
}

/// Takes a review.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Claim {
    /// Who takes it.
    pub reviewer: String,
}

/// Says what is right.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Resolve {
    /// Of the student's answer, given or only guessed.
    pub verdict: Verdict,
    /// The right answer, where the verdict is wrong: a choice's text or label, or free text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub correction: Option<String>,
    /// Who says so, as far as it may be told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reviewer: Option<String>,
}

/// What a person says of the student's answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// It is right.
    Right,
    /// It is wrong.
    Wrong,
    /// Nobody can say.
    Unclear,
}

/// Marks reviews as exported.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Exported {
    /// As the export said it: the last review that is safe.
    pub through: i64,
}

/// A page of an export.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    /// In the format that was asked for.
    pub body: Body,
    /// The last review on it; 0 where it is empty and nothing was exported before.
    pub through: i64,
    /// Another page follows behind `through`.
    pub more: bool,
}
