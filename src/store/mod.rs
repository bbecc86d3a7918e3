//! The journal and the review queue: what was asked, answered, delivered and said of it by people, on SQLite. Reads no clock, opens
//! no socket, decides nothing about an answer.
//!
//! # A case's life
//!
//! ```text
//! received -> durable -> answered | expired | failed -> delivered
//!                           |
//!                           +-> review opened -> claimed? -> resolved = next revision -> delivered -> exported
//! ```
//!
//! Every arrow is a step of a [`Batch`]: one transaction, all of it or nothing, on disk when [`Journal::batch`] returns. What a
//! crash leaves is a prefix of the batches. [`Batch::unanswered`], [`Batch::unexplained`] and [`Batch::undelivered`] are where
//! recovery goes on.
//!
//! # One writer
//!
//! One connection, in one thread ([`Writer`]), holds the journal alone: a lock on the folder and SQLite's own exclusive lock keep
//! every other process out, so that no other SQLite, of whatever age, resets the log under it. Read it through the writer, or
//! from a copy.
//!
//! # When it fails
//!
//! A disk that is full takes no step, and the journal goes on by itself when there is room: SQLite takes back what it had written of
//! the transaction. After any other failed write or sync nobody knows what is on disk. The journal then does nothing more: open it anew, which looks the
//! file over; what is damaged is set aside as `journal.db.corrupt-<n>`, an empty journal starts, and [`Opened`] says so.
//!
//! # What it does not promise
//!
//! SQLite has no checksums on the pages of the database, only on those of its log: a byte that rots within a text is not noticed.
//! A case that was dropped to save space is forgotten, and its request id would be answered afresh. A flash card that lies about
//! syncs can lose what it acknowledged.

mod batch;
mod budget;
mod export;
mod journal;
mod query;
mod record;
mod schema;
mod writer;

use std::io;
use std::path::PathBuf;

use thiserror::Error;

pub use batch::{Batch, Received};
pub use budget::{Dropped, Tidied};
pub use export::{Exported, ReviewLine, StudentId};
pub use journal::{Journal, Limits, Opened};
pub use query::Counts;
pub use record::{
    Case, NewCase, Outcome, RecordedAnswer, RecordedRationale, Resolution, Resolved, Review, ReviewReason, Student,
    rfc3339,
};

pub use writer::{Running, Writer};

pub use crate::domain::CaseId;

/// Why the journal did not do a step. Nothing of the step was written, and the journal goes on.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum Refusal {
    /// The disk budget is used up.
    #[error(
        "the journal uses {used} of {budget} bytes and takes no new question; deliver replies, export reviews or raise the budget"
    )]
    Full {
        /// Bytes in use.
        used: u64,
        /// Bytes that may be.
        budget: u64,
    },
    /// The file system has no room.
    #[error("the disk of the journal is full; free space there, and it goes on by itself")]
    DiskFull,
    /// A field is longer than it may be.
    #[error("expected {what} of at most {max} bytes, got {bytes}")]
    TooLong {
        /// The field.
        what: &'static str,
        /// Its bytes.
        bytes: usize,
        /// As many as it may have.
        max: usize,
    },
    /// A field that must hold a text holds none.
    #[error("expected {0} that is not empty")]
    Empty(&'static str),
    /// The request id was used for another question.
    #[error(
        "request {request} of {client} was another question, case {case}; ask each question under an id of its own"
    )]
    OtherQuestion {
        /// Who asks.
        client: String,
        /// The id.
        request: String,
        /// The case that has it.
        case: CaseId,
    },
    /// There is no such case, or no more.
    #[error("the journal has no case {0}; it may have been dropped to save space")]
    Unknown(CaseId),
    /// The case has its outcome already.
    #[error("case {0} has its outcome already")]
    HasOutcome(CaseId),
    /// The step needs an answer of the model.
    #[error("case {0} has no answer of the student")]
    NoAnswer(CaseId),
    /// The case cannot be reviewed any more.
    #[error("the question of case {0} was dropped to save space, so nobody can review it")]
    Evicted(CaseId),
    /// The case has no open review.
    #[error("case {0} has no open review")]
    NoReview(CaseId),
    /// Somebody else has taken the review.
    #[error("{by} has taken the review of case {case}; wait, or ask {by}")]
    Claimed {
        /// The case.
        case: CaseId,
        /// Who has it.
        by: String,
    },
    /// A case has had as many reviews as it may have.
    #[error("case {case} has had {max} reviews, and takes no more")]
    Reviewed {
        /// The case.
        case: CaseId,
        /// As many as it may have.
        max: u32,
    },
    /// There is no such revision to deliver.
    #[error("case {case} has no revision {revision} to deliver")]
    NoRevision {
        /// The case.
        case: CaseId,
        /// The revision.
        revision: u32,
    },
    /// A record that says two things at once.
    #[error("{0}")]
    Contradiction(&'static str),
    /// Reviews that were not resolved cannot have been exported.
    #[error("expected an export through review {latest} at most, got {got}")]
    NotResolved {
        /// The last that is resolved.
        latest: i64,
        /// The one that was named.
        got: i64,
    },
}

/// What the journal could not do.
#[derive(Debug, Error)]
pub enum Error {
    /// A step was refused; the journal goes on.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// SQLite can lose commits.
    #[error("expected SQLite 3.51.3 or newer, whose log survives its reset, got {0}; build with the bundled one")]
    OldSqlite(&'static str),
    /// The budget holds nothing.
    #[error("expected a disk budget of at least {min} bytes for the journal, got {got}")]
    Budget {
        /// At least so many.
        min: u64,
        /// So many.
        got: u64,
    },
    /// Another process has the journal.
    #[error("the journal in {folder} is in use{}; stop that process, or name another folder", in_words(.holder))]
    InUse {
        /// The journal's folder.
        folder: PathBuf,
        /// The other process, where it is known.
        holder: Option<u32>,
    },
    /// A file could not be made, locked or renamed.
    #[error("failed to {what} {path}")]
    File {
        /// What was to be done.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// The journal cannot be opened for want of room.
    #[error(
        "the disk that holds the journal in {folder} is full; free space there, or name a folder on another disk in journal.folder. \
         What was acknowledged is kept"
    )]
    DiskFull {
        /// The journal's folder.
        folder: PathBuf,
        /// What could not be written.
        #[source]
        source: Box<Error>,
    },
    /// The file is whole as far as is known, but cannot be opened.
    #[error("failed to open the journal {path}")]
    Open {
        /// The file.
        path: PathBuf,
        /// Why not.
        #[source]
        source: rusqlite::Error,
    },
    /// Reading or writing failed.
    #[error("failed to {what} in the journal; what of it is on disk is not known, so open the journal anew")]
    Failed {
        /// What was to be done.
        what: &'static str,
        /// Why not.
        #[source]
        source: rusqlite::Error,
    },
    /// An earlier step failed.
    #[error("the journal failed before and does nothing more; open it anew")]
    Broken,
    /// The writer has ended.
    #[error("the journal's writer has stopped; whether this step is on disk is not known, so open the journal anew")]
    Stopped,
    /// The writer's thread could not be started.
    #[error("failed to start the journal's writer")]
    Thread(#[source] io::Error),
}

impl Error {
    /// The step was refused and the journal goes on; any other error means that it must be opened anew.
    pub fn refusal(&self) -> Option<&Refusal> {
        match self {
            Self::Refused(refusal) => Some(refusal),
            _ => None,
        }
    }
}

fn in_words(holder: &Option<u32>) -> String {
    holder.map_or_else(String::new, |process| format!(" by process {process}"))
}
