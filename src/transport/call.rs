//! What somebody asks of the gateway and waits for, beside a question: an answer that is there, a rationale, the reviews, the
//! gateway's health. Each brings the way back for its reply, so that the daemon knows no connection.

use tokio::sync::{broadcast, oneshot};

use super::request::{Key, Refusal};
use crate::api::review::{Claim, Exported, Format, Resolve, ReviewStateName};
use crate::domain::CaseEvent;

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
        state: ReviewStateName,
        /// The page begins behind this case.
        after: Option<i64>,
        /// The most entries of the page.
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
        /// The most entries of the page.
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
    /// What becomes of cases, from now on.
    Subscribe {
        /// The way back: a receiver that drops the oldest events where its reader is too slow, and says how many.
        reply: Reply<broadcast::Receiver<CaseEvent>>,
    },
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
