//! The steps of a case's life, within one transaction. A step checks first and writes then: one that is refused has written
//! nothing. Reads no clock.

use std::cell::Cell;
use std::time::SystemTime;

use rusqlite::{Connection, ErrorCode, OptionalExtension as _, Params, Row, params};
use sha2::{Digest as _, Sha256};

use super::budget;
use super::record::{BANDS, MODES, milliseconds, word};
use super::{
    Case, Error, NewCase, Outcome, RecordedAnswer, RecordedRationale, Refusal, Resolution, ReviewReason, Student,
};
use crate::domain::{CaseId, Decision, DeliveryKind, QUESTION_BYTES_MAX, Reason, ReviewVerdict};

/// Bytes of an answer or a correction.
pub(super) const ANSWER_BYTES_MAX: usize = 16 << 10;
/// Bytes of a rationale.
pub(super) const RATIONALE_BYTES_MAX: usize = 64 << 10;
/// Bytes of a reply route: a topic and correlation data.
const ROUTE_BYTES_MAX: usize = 2 << 10;
/// Bytes of names and ids: clients, requests, tasks, sources, reviewers, and the reason of a failure.
pub(super) const NAME_BYTES_MAX: usize = 1 << 10;
/// Answers that wait to be checked: some hours' share of a busy line. A line that is never quiet must not fill the journal with them.
const CHECKS_MAX: usize = 1024;
/// Reviews of one case: people who overrule each other, not a loop that resolves for ever.
const REVIEWS_MAX: u32 = 99;
/// A review that is taken and not resolved is free again: a shift's break. By wall time, so a courtesy and no lock.
const CLAIM_MILLISECONDS: i64 = 15 * 60 * 1000;
/// Of the digest of task and question: enough that two do not meet by chance.
const DIGEST_BYTES: usize = 16;

/// What a question met.
#[derive(Debug, PartialEq)]
pub enum Received {
    /// It is new, and waits for the model.
    New(CaseId),
    /// The same question came before under this id.
    Known(Box<Case>),
}

/// Steps and questions to the journal, all in one transaction.
pub struct Batch<'a> {
    connection: &'a Connection,
    bytes_max: u64,
    failed: Cell<Option<Failure>>,
}

/// Why a batch must not be committed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Failure {
    /// The disk is full: SQLite takes back what was written, and the journal goes on.
    DiskFull,
    /// Nobody knows what is on disk.
    Unknown,
}

impl<'a> Batch<'a> {
    pub(super) fn new(connection: &'a Connection, bytes_max: u64) -> Self {
        Self { connection, bytes_max, failed: Cell::new(None) }
    }

    /// Runs `steps` so that a refusal takes back what they wrote, and leaves the rest of the batch as it is.
    pub fn together<T>(&mut self, steps: impl FnOnce(&mut Self) -> Result<T, Error>) -> Result<T, Error> {
        self.write("begin steps", "SAVEPOINT steps", [])?;
        let done = steps(self);
        if done.is_err() && self.failure().is_none() {
            self.write("take back steps", "ROLLBACK TO steps", [])?;
        }
        if self.failure().is_none() {
            self.write("end steps", "RELEASE steps", [])?;
        }
        done
    }

    /// A question arrives. The same request of the same client again is the case it was, whatever became of it.
    pub fn receive(&mut self, new: &NewCase) -> Result<Received, Error> {
        for (what, text) in [("a client", &new.client), ("a request id", &new.request)] {
            named(what, text)?;
        }
        within("a task", new.task.len(), NAME_BYTES_MAX)?;
        within("a source", new.source.len(), NAME_BYTES_MAX)?;
        within("a route", new.route.len(), ROUTE_BYTES_MAX)?;
        within("a question", new.question.len(), QUESTION_BYTES_MAX)?;
        if new.question.trim().is_empty() {
            return Err(Refusal::Empty("a question").into());
        }
        let digest = digest(new);
        let known = self.first(
            "look a request up",
            "SELECT seq, digest FROM cases WHERE client = ?1 AND request = ?2",
            params![new.client, new.request],
            |row| Ok((row.get(0)?, row.get::<_, Vec<u8>>(1)?)),
        )?;
        if let Some((case, was)) = known {
            let case = CaseId(case);
            if was != digest {
                let (client, request) = (new.client.clone(), new.request.clone());
                return Err(Refusal::OtherQuestion { client, request, case }.into());
            }
            return Ok(Received::Known(Box::new(self.case(case)?.ok_or(Refusal::Unknown(case))?)));
        }
        let used = self.used()?;
        if self.is_full(used) {
            return Err(Refusal::Full { used, budget: self.bytes_max }.into());
        }
        let after = new.expires_after.map(|after| i64::try_from(after.as_millis()).unwrap_or(i64::MAX));
        let case = self.first(
            "write a question down",
            "INSERT INTO cases (client, request, task, question, digest, wants_rationale, route, source, expires_after,
             received_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10) RETURNING seq",
            params![
                new.client,
                new.request,
                new.task,
                new.question,
                digest,
                new.wants_rationale,
                new.route,
                new.source,
                after,
                milliseconds(new.received_at)
            ],
            |row| row.get(0).map(CaseId),
        )?;
        let case = case.expect("an insertion returns its row");
        self.enqueue(case, "answer", 0)?;
        Ok(Received::New(case))
    }

    /// The model answered, or could not. What is escalated opens a review at once, and so does an answer that is given although its
    /// rationale leads elsewhere.
    pub fn answered(&mut self, case: CaseId, recorded: &RecordedAnswer) -> Result<(), Error> {
        within("an answer", recorded.answer.len().max(recorded.label.len()), ANSWER_BYTES_MAX)?;
        let reason = match recorded.decision {
            Decision::Answered if recorded.answer.trim().is_empty() => {
                return Err(Refusal::Contradiction("expected an answer where the student answered, got none").into());
            }
            Decision::Answered => None,
            Decision::Escalated(reason) => Some(reason),
        };
        recorded.rationale.as_ref().map(acceptable).transpose()?;
        self.waits(case)?;
        let student = self.student(&recorded.student)?;
        self.write(
            "write an answer down",
            "INSERT INTO outcomes (seq, kind, at, student, answer, label, code, confidence, band, reason, mode, tokens,
             time_to_answer, detail) VALUES (?1, 'answered', ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)",
            params![
                case.0,
                milliseconds(recorded.answered_at),
                student,
                recorded.answer,
                recorded.label,
                recorded.code,
                recorded.confidence.value(),
                word(&BANDS, recorded.band),
                reason.map(Reason::word),
                word(&MODES, recorded.mode),
                recorded.tokens,
                i64::try_from(recorded.time_to_answer.as_micros()).unwrap_or(i64::MAX),
                recorded.detail
            ],
        )?;
        self.write(
            "write a task down",
            "UPDATE cases SET task = ?2 WHERE seq = ?1 AND task = ''",
            params![case.0, recorded.task],
        )?;
        self.dequeue(case, "answer")?;
        self.enqueue(case, "reply", 0)?;
        let wanted =
            self.first("look a case up", "SELECT wants_rationale FROM cases WHERE seq = ?1", [case.0], |row| {
                row.get::<_, bool>(0)
            })?;
        match (&recorded.rationale, wanted == Some(true)) {
            (Some(reasons), wanted) => {
                self.write_rationale(case, reasons)?;
                if wanted {
                    self.enqueue(case, "rationale", 0)?;
                }
            }
            (None, true) if !recorded.answer.is_empty() => self.enqueue(case, "explain", 0)?,
            (None, _) => {}
        }
        let why = match (reason, &recorded.rationale) {
            (Some(reason), _) => ReviewReason::Escalated(reason),
            (None, Some(reasons)) if leads_elsewhere(reasons) => ReviewReason::Disagreement,
            (None, _) => return Ok(()),
        };
        self.insert_review(case, 1, why, recorded.answered_at)
    }

    /// Nobody needs the answer any more; the model was not asked.
    pub fn expired(&mut self, case: CaseId, at: SystemTime) -> Result<(), Error> {
        self.ended(case, "expired", None, at)
    }

    /// There is no answer, for this reason: the asker is told, and nobody reviews it.
    pub fn failed_to_answer(&mut self, case: CaseId, reason: &str, at: SystemTime) -> Result<(), Error> {
        named("a reason", reason)?;
        self.ended(case, "failed", Some(reason), at)
    }

    /// The rationale of an answered case; `None` where none can be written, so that nobody waits for it. The first one stays. One
    /// that leads to another answer opens a review, where no person was asked before.
    pub fn rationale(
        &mut self,
        case: CaseId,
        reasons: Option<&RecordedRationale>,
        at: SystemTime,
    ) -> Result<(), Error> {
        reasons.map(acceptable).transpose()?;
        let known = self.known_answer(case)?;
        let awaited = self.dequeue(case, "explain")?;
        if let (Some(reasons), None) = (reasons, known.rationale()) {
            self.write_rationale(case, reasons)?;
            if awaited {
                self.enqueue(case, "rationale", 0)?;
            }
            if leads_elsewhere(reasons) && known.question_kept && known.reviews.is_empty() {
                self.insert_review(case, 1, ReviewReason::Disagreement, at)?;
            }
        }
        Ok(())
    }

    /// The reasons of this answer are to be looked at when the model has nothing else to do. Where too many wait already, they are not.
    pub fn check_later(&mut self, case: CaseId) -> Result<(), Error> {
        self.write(
            "remember an answer to check",
            "INSERT OR IGNORE INTO checks (seq) SELECT ?1 WHERE (SELECT count(*) FROM checks) < ?2
             AND NOT EXISTS (SELECT 1 FROM pending WHERE what = 'explain' AND seq = ?1)",
            params![case.0, CHECKS_MAX],
        )
        .map(drop)
    }

    /// The reasons of this answer are looked at, or cannot be.
    pub fn checked(&mut self, case: CaseId) -> Result<(), Error> {
        self.write("forget an answer to check", "DELETE FROM checks WHERE seq = ?1", [case.0]).map(drop)
    }

    /// From now on a status is retained at this topic. Returns the others, where one under an earlier name may be left.
    pub fn status_retained(&mut self, topic: &str) -> Result<Vec<String>, Error> {
        self.write("remember a status", "INSERT OR IGNORE INTO statuses (topic) VALUES (?1)", [topic])?;
        let others = "SELECT topic FROM statuses WHERE topic != ?1 ORDER BY topic";
        self.all("read where statuses are", others, [topic], |row| row.get(0))
    }

    /// No status is retained at this topic any more.
    pub fn status_cleared(&mut self, topic: &str) -> Result<(), Error> {
        self.write("forget a status", "DELETE FROM statuses WHERE topic = ?1", [topic]).map(drop)
    }

    /// The asker has it.
    pub fn delivered(&mut self, case: CaseId, kind: DeliveryKind) -> Result<(), Error> {
        match kind {
            DeliveryKind::Rationale => self.dequeue(case, "rationale").map(drop),
            DeliveryKind::Reply(revision) => {
                let known = self.known(case)?;
                if known.revision().is_none_or(|latest| latest < revision) {
                    return Err(Refusal::NoRevision { case, revision }.into());
                }
                self.write(
                    "write a delivery down",
                    "DELETE FROM pending WHERE what = 'reply' AND seq = ?1 AND revision <= ?2",
                    params![case.0, revision],
                )
                .map(drop)
            }
        }
    }

    /// Nobody will have it: the asker is gone, or the reply too old. Counted as dropped.
    pub fn abandon(&mut self, case: CaseId, at: SystemTime) -> Result<(), Error> {
        self.known(case)?;
        let gone = self.write(
            "give a delivery up",
            "DELETE FROM pending WHERE seq = ?1 AND what IN ('reply', 'explain', 'rationale')",
            [case.0],
        )?;
        self.dropped(budget::EvictionReason::Undelivered, usize::from(gone > 0), at)
    }

    /// A person is to look at an answer that stood. One that is open already stays as it is.
    pub fn open_review(&mut self, case: CaseId, why: ReviewReason, at: SystemTime) -> Result<(), Error> {
        let known = self.known_answer(case)?;
        if !known.question_kept {
            return Err(Refusal::Evicted(case).into());
        }
        if known.reviews.last().is_some_and(|review| review.resolved.is_none()) {
            return Ok(());
        }
        self.insert_review(case, next_review(&known)?, why, at)
    }

    /// Somebody takes an open review, so that no two people do the same.
    pub fn claim(&mut self, case: CaseId, by: &str, at: SystemTime) -> Result<(), Error> {
        named("a reviewer", by)?;
        let known = self.known(case)?;
        let open = known.reviews.last().filter(|review| review.resolved.is_none()).ok_or(Refusal::NoReview(case))?;
        if let Some((holder, since)) = &open.claimed {
            let age = milliseconds(at) - milliseconds(*since);
            if holder != by && (0..CLAIM_MILLISECONDS).contains(&age) {
                return Err(Refusal::Claimed { case, by: holder.clone() }.into());
            }
        }
        self.write(
            "claim a review",
            "UPDATE reviews SET claimed_by = ?2, claimed_at = ?3 WHERE seq = ?1 AND resolution IS NULL",
            params![case.0, by, milliseconds(at)],
        )
        .map(drop)
    }

    /// A person says what is right, in the open review or, where none is, in one of its own: so a later person may overrule an
    /// earlier one. Returns the revision of the reply that tells it, which is now to be delivered.
    pub fn resolve(
        &mut self,
        case: CaseId,
        verdict: &ReviewVerdict,
        reviewer: Option<&str>,
        at: SystemTime,
    ) -> Result<u32, Error> {
        reviewer.map(|reviewer| named("a reviewer", reviewer)).transpose()?;
        let known = self.known_answer(case)?;
        let Some(Outcome::Answered(recorded)) = &known.outcome else { return Err(Refusal::NoAnswer(case).into()) };
        let (verdict, correction) = consistent(verdict, &recorded.answer)?;
        let number = match known.reviews.last() {
            Some(open) if open.resolved.is_none() => open.number,
            last => {
                if !known.question_kept {
                    return Err(Refusal::Evicted(case).into());
                }
                let number = next_review(&known)?;
                self.insert_review(case, number, last.map_or(ReviewReason::Asked, |last| last.why), at)?;
                number
            }
        };
        let resolution = self.resolved_through()?.max(self.exported_through()?).0 + 1;
        self.write(
            "resolve a review",
            "UPDATE reviews SET resolution = ?3, verdict = ?4, correction = ?5, reviewer = ?6, reviewed_at = ?7
             WHERE seq = ?1 AND number = ?2",
            params![case.0, number, resolution, verdict, correction, reviewer, milliseconds(at)],
        )?;
        self.enqueue(case, "reply", number)?;
        Ok(number)
    }

    /// Every review through this one is in an export that is safe.
    pub fn mark_exported(&mut self, through: Resolution, at: SystemTime) -> Result<(), Error> {
        let latest = self.resolved_through()?.max(self.exported_through()?);
        if latest < through {
            return Err(Refusal::NotResolved { latest: latest.0, got: through.0 }.into());
        }
        self.write(
            "mark reviews as exported",
            "UPDATE journal SET exported_through = ?1, exported_at = ?2 WHERE exported_through < ?1",
            params![through.0, milliseconds(at)],
        )
        .map(drop)
    }

    pub(super) fn failure(&self) -> Option<Failure> {
        self.failed.get()
    }

    /// Bytes of the pages in use.
    pub(super) fn used(&self) -> Result<u64, Error> {
        self.sql("measure the space", budget::used(self.connection))
    }

    pub(super) fn is_full(&self, used: u64) -> bool {
        budget::is_full(used, self.bytes_max)
    }

    pub(super) fn write(&self, what: &'static str, sql: &str, parameters: impl Params) -> Result<usize, Error> {
        self.sql(what, self.connection.prepare_cached(sql).and_then(|mut statement| statement.execute(parameters)))
    }

    /// The first row, if there is one.
    pub(super) fn first<T>(
        &self,
        what: &'static str,
        sql: &str,
        parameters: impl Params,
        read: impl FnOnce(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Option<T>, Error> {
        let row = self
            .connection
            .prepare_cached(sql)
            .and_then(|mut statement| statement.query_row(parameters, read).optional());
        self.sql(what, row)
    }

    pub(super) fn all<T>(
        &self,
        what: &'static str,
        sql: &str,
        parameters: impl Params,
        read: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Vec<T>, Error> {
        let rows = self
            .connection
            .prepare_cached(sql)
            .and_then(|mut statement| statement.query_map(parameters, read)?.collect::<Result<_, _>>());
        self.sql(what, rows)
    }

    /// Remembers that SQLite failed: the batch must not be committed, even if nobody looks at the error.
    fn sql<T>(&self, what: &'static str, result: rusqlite::Result<T>) -> Result<T, Error> {
        result.map_err(|source| {
            if is_disk_full(&source) {
                self.failed.set(Some(self.failure().unwrap_or(Failure::DiskFull)));
                return Refusal::DiskFull.into();
            }
            self.failed.set(Some(Failure::Unknown));
            Error::Failed { what, source }
        })
    }

    fn ended(&mut self, case: CaseId, kind: &str, failure: Option<&str>, at: SystemTime) -> Result<(), Error> {
        self.waits(case)?;
        self.write(
            "write an outcome down",
            "INSERT INTO outcomes (seq, kind, at, failure) VALUES (?1, ?2, ?3, ?4)",
            params![case.0, kind, milliseconds(at), failure],
        )?;
        self.dequeue(case, "answer")?;
        self.enqueue(case, "reply", 0)
    }

    fn known(&self, case: CaseId) -> Result<Case, Error> {
        self.case(case)?.ok_or_else(|| Refusal::Unknown(case).into())
    }

    fn known_answer(&self, case: CaseId) -> Result<Case, Error> {
        let known = self.known(case)?;
        match known.outcome {
            Some(Outcome::Answered(_)) => Ok(known),
            _ => Err(Refusal::NoAnswer(case).into()),
        }
    }

    fn waits(&self, case: CaseId) -> Result<(), Error> {
        let sql = "SELECT 1 FROM pending WHERE what = 'answer' AND seq = ?1";
        if self.first("look a case up", sql, [case.0], |_| Ok(()))?.is_some() {
            return Ok(());
        }
        let known = self.first("look a case up", "SELECT 1 FROM cases WHERE seq = ?1", [case.0], |_| Ok(()))?;
        Err(known.map_or(Refusal::Unknown(case), |()| Refusal::HasOutcome(case)).into())
    }

    fn enqueue(&self, case: CaseId, what: &str, revision: u32) -> Result<(), Error> {
        self.write(
            "write down what is to do",
            "INSERT OR REPLACE INTO pending (what, seq, revision) VALUES (?1, ?2, ?3)",
            params![what, case.0, revision],
        )
        .map(drop)
    }

    fn dequeue(&self, case: CaseId, what: &str) -> Result<bool, Error> {
        let sql = "DELETE FROM pending WHERE what = ?1 AND seq = ?2";
        self.write("write down what is done", sql, params![what, case.0]).map(|gone| gone > 0)
    }

    fn student(&self, student: &Student) -> Result<i64, Error> {
        for (what, text) in
            [("a student's name", &student.name), ("its version", &student.version), ("its digest", &student.sha256)]
        {
            named(what, text)?;
        }
        let of = params![student.sha256, student.name, student.version, student.serial];
        let id = |row: &Row<'_>| row.get(0);
        let known = "SELECT id FROM students WHERE sha256 = ?1 AND name = ?2 AND version = ?3 AND serial = ?4";
        if let Some(known) = self.first("look a student up", known, of, id)? {
            return Ok(known);
        }
        let new = "INSERT INTO students (sha256, name, version, serial) VALUES (?1, ?2, ?3, ?4) RETURNING id";
        Ok(self.first("write a student down", new, of, id)?.expect("an insertion returns its row"))
    }

    fn write_rationale(&self, case: CaseId, reasons: &RecordedRationale) -> Result<(), Error> {
        let agreement = reasons.agreement;
        self.write(
            "write a rationale down",
            "INSERT INTO rationales (seq, text, agrees, strength) VALUES (?1, ?2, ?3, ?4)",
            params![
                case.0,
                reasons.text,
                agreement.map(|agreement| agreement.agrees),
                agreement.map(|agreement| agreement.strength.value())
            ],
        )
        .map(drop)
    }

    fn insert_review(&self, case: CaseId, number: u32, why: ReviewReason, at: SystemTime) -> Result<(), Error> {
        self.write(
            "open a review",
            "INSERT INTO reviews (seq, number, why, opened_at) VALUES (?1, ?2, ?3, ?4)",
            params![case.0, number, why.name(), milliseconds(at)],
        )
        .map(drop)
    }
}

/// Whether SQLite found no room. It takes back by itself what it had written of the transaction.
pub(super) fn is_disk_full(error: &rusqlite::Error) -> bool {
    error.sqlite_error_code() == Some(ErrorCode::DiskFull)
}

/// Whether a rationale leads to another answer than the one that it was written for.
fn leads_elsewhere(reasons: &RecordedRationale) -> bool {
    reasons.agreement.is_some_and(|agreement| !agreement.agrees)
}

fn next_review(case: &Case) -> Result<u32, Refusal> {
    let last = case.reviews.last().map_or(0, |review| review.number);
    if last < REVIEWS_MAX { Ok(last + 1) } else { Err(Refusal::Reviewed { case: case.id, max: REVIEWS_MAX }) }
}

/// The words of a verdict, where it can be said of this answer.
fn consistent<'j>(verdict: &'j ReviewVerdict, answer: &str) -> Result<(&'static str, Option<&'j str>), Refusal> {
    match verdict {
        ReviewVerdict::Right if answer.is_empty() => {
            Err(Refusal::Contradiction("expected wrong or unclear where the student said nothing, got right"))
        }
        ReviewVerdict::Right => Ok(("right", None)),
        ReviewVerdict::Unclear => Ok(("unclear", None)),
        ReviewVerdict::Wrong(correction) => {
            within("a correction", correction.len(), ANSWER_BYTES_MAX)?;
            match correction.trim() {
                "" => Err(Refusal::Empty("a correction")),
                right if right == answer.trim() => Err(Refusal::Contradiction(
                    "expected a correction that differs from the wrong answer, got the same",
                )),
                right => Ok(("wrong", Some(right))),
            }
        }
    }
}

fn acceptable(reasons: &RecordedRationale) -> Result<(), Refusal> {
    within("a rationale", reasons.text.len(), RATIONALE_BYTES_MAX)?;
    if reasons.text.trim().is_empty() { Err(Refusal::Empty("a rationale")) } else { Ok(()) }
}

fn named(what: &'static str, text: &str) -> Result<(), Refusal> {
    within(what, text.len(), NAME_BYTES_MAX)?;
    if text.trim().is_empty() { Err(Refusal::Empty(what)) } else { Ok(()) }
}

fn within(what: &'static str, bytes: usize, max: usize) -> Result<(), Refusal> {
    if bytes <= max { Ok(()) } else { Err(Refusal::TooLong { what, bytes, max }) }
}

fn digest(new: &NewCase) -> Vec<u8> {
    let of = Sha256::new().chain_update(&new.task).chain_update([0]).chain_update(&new.question).finalize();
    of[..DIGEST_BYTES].to_vec()
}
