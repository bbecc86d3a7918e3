//! Questions to the journal. Changes nothing.

use std::time::{Duration, SystemTime};

use rusqlite::{Row, params};

use super::batch::Batch;
use super::record::{BANDS, MODES, ReviewReason, meaning, reason, time};
use super::{Case, Error, NewCase, Outcome, RecordedAnswer, RecordedRationale, Resolution, Resolved, Review, Student};
use crate::domain::{Agreement, CaseId, Confidence, Decision, DeliveryKind, ReviewState, ReviewVerdict};

/// What status and metrics tell; as cheap however many cases there are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Counts {
    /// Number of the newest case: as many arrived since the journal began.
    pub received: i64,
    /// Wait for the model.
    pub unanswered: u64,
    /// Replies and rationales that wait to be delivered.
    pub undelivered: u64,
    /// Reviews that wait for a person.
    pub reviews_open: u64,
    /// When the oldest of them was opened.
    pub oldest_review: Option<SystemTime>,
    /// Resolved reviews that no export took.
    pub unexported: u64,
    /// Bytes of the pages in use.
    pub used_bytes: u64,
    /// New questions are refused.
    pub full: bool,
}

const CASE: &str = "SELECT cases.seq, client, request, task, question, wants_rationale, route, source, expires_after,
    received_at, kind, at, failure, answer, label, code, confidence, band, reason, mode, tokens, time_to_answer,
    name, version, serial, sha256, text, agrees, strength,
    NOT EXISTS (SELECT 1 FROM pending WHERE what = 'reply' AND pending.seq = cases.seq), detail
    FROM cases LEFT JOIN outcomes USING (seq) LEFT JOIN students ON students.id = student LEFT JOIN rationales USING (seq)
    WHERE cases.seq = ?1";

impl Batch<'_> {
    /// One case, if the journal has it.
    pub fn case(&self, case: CaseId) -> Result<Option<Case>, Error> {
        let Some(found) = self.first("read a case", CASE, [case.0], read_case)? else { return Ok(None) };
        let reviews = self.all(
            "read the reviews of a case",
            "SELECT number, why, opened_at, claimed_by, claimed_at, resolution, verdict, correction, reviewer, reviewed_at
             FROM reviews WHERE seq = ?1 ORDER BY number",
            [case.0],
            read_review,
        )?;
        Ok(Some(Case { reviews, ..found }))
    }

    /// The case of a request, if the journal has it.
    pub fn find(&self, client: &str, request: &str) -> Result<Option<Case>, Error> {
        let case = self.first(
            "look a case up",
            "SELECT seq FROM cases WHERE client = ?1 AND request = ?2",
            (client, request),
            |row| row.get(0).map(CaseId),
        )?;
        Ok(case.map(|case| self.case(case)).transpose()?.flatten())
    }

    /// Cases that wait for the student, in order of arrival, from the one behind `after` on.
    pub fn unanswered(&self, after: Option<CaseId>, limit: usize) -> Result<Vec<CaseId>, Error> {
        self.pending("answer", after, limit)
    }

    /// Answered cases whose asker waits for a rationale that is not written yet.
    pub fn unexplained(&self, after: Option<CaseId>, limit: usize) -> Result<Vec<CaseId>, Error> {
        self.pending("explain", after, limit)
    }

    /// The oldest answered case whose reasons are to be looked at when there is time.
    pub fn unchecked(&self) -> Result<Option<CaseId>, Error> {
        self.first("look for an answer to check", "SELECT min(seq) FROM checks", [], |row| row.get::<_, Option<i64>>(0))
            .map(|found| found.flatten().map(CaseId))
    }

    /// The outbox: what waits to be delivered, from the oldest case behind `after` on, a reply before its rationale.
    pub fn undelivered(&self, after: Option<CaseId>, limit: usize) -> Result<Vec<(CaseId, DeliveryKind)>, Error> {
        // A case has a reply and a rationale at most; a page ends with a whole case or with its reply, never between pages.
        let sql = "SELECT seq, what, revision FROM (
                SELECT * FROM (SELECT seq, what, revision FROM pending WHERE what = 'reply' AND seq > ?1 ORDER BY seq LIMIT ?2)
                UNION ALL
                SELECT * FROM (SELECT seq, what, revision FROM pending WHERE what = 'rationale' AND seq > ?1 ORDER BY seq LIMIT ?2)
            ) WHERE seq IN (SELECT DISTINCT seq FROM pending WHERE what IN ('reply', 'rationale') AND seq > ?1 ORDER BY seq LIMIT ?2)
            ORDER BY seq, what DESC";
        self.all("read the outbox", sql, params![after.map_or(0, |case| case.0), limit], |row| {
            let what = match text(row, 1)?.as_str() {
                "reply" => DeliveryKind::Reply(row.get(2)?),
                _ => DeliveryKind::Rationale,
            };
            Ok((CaseId(row.get(0)?), what))
        })
    }

    /// Cases with a review that is open, or resolved, oldest case first, from the one behind `after` on.
    pub fn reviews(&self, state: ReviewState, after: Option<CaseId>, limit: usize) -> Result<Vec<Case>, Error> {
        let sql = match state {
            ReviewState::Open => "SELECT seq FROM reviews WHERE resolution IS NULL AND seq > ?1 ORDER BY seq LIMIT ?2",
            ReviewState::Resolved => {
                "SELECT DISTINCT seq FROM reviews WHERE resolution NOT NULL AND seq > ?1 ORDER BY seq LIMIT ?2"
            }
        };
        let cases = self.all("list reviews", sql, params![after.map_or(0, |case| case.0), limit], id)?;
        Ok(cases
            .into_iter()
            .map(|case| self.case(case))
            .collect::<Result<Vec<_>, _>>()?
            .into_iter()
            .flatten()
            .collect())
    }

    /// What status and metrics tell.
    pub fn counts(&self) -> Result<Counts, Error> {
        let sql = "SELECT (SELECT coalesce(max(seq), 0) FROM cases),
            (SELECT count(*) FROM pending WHERE what = 'answer'),
            (SELECT count(*) FROM pending WHERE what IN ('reply', 'rationale')),
            (SELECT count(*) FROM reviews WHERE resolution IS NULL),
            (SELECT opened_at FROM reviews WHERE resolution IS NULL ORDER BY seq LIMIT 1),
            (SELECT count(*) FROM reviews WHERE resolution > (SELECT exported_through FROM journal))";
        let used_bytes = self.used()?;
        let counts = self.first("count", sql, [], |row| {
            Ok(Counts {
                received: row.get(0)?,
                unanswered: row.get(1)?,
                undelivered: row.get(2)?,
                reviews_open: row.get(3)?,
                oldest_review: row.get::<_, Option<i64>>(4)?.map(time),
                unexported: row.get(5)?,
                used_bytes,
                full: self.is_full(used_bytes),
            })
        })?;
        Ok(counts.expect("a selection without a table is one row"))
    }

    /// Tells this journal from another one on the same device, whose cases had the same numbers.
    pub fn journal_id(&self) -> Result<String, Error> {
        let id = self.first("read the journal's id", "SELECT id FROM journal", [], |row| text(row, 0))?;
        Ok(id.unwrap_or_default())
    }

    /// Counts the starts of daemons on this journal; this one is the number that it returns.
    pub fn begin_session(&mut self) -> Result<u64, Error> {
        self.write("count a start", "UPDATE journal SET sessions = sessions + 1", [])?;
        Ok(self.first("count a start", "SELECT sessions FROM journal", [], |row| row.get(0))?.unwrap_or(0))
    }

    /// The last review that is resolved.
    pub fn resolved_through(&self) -> Result<Resolution, Error> {
        let sql = "SELECT max(resolution) FROM reviews WHERE resolution NOT NULL";
        let last = self.first("read the last review", sql, [], |row| row.get::<_, Option<i64>>(0))?;
        Ok(Resolution(last.flatten().unwrap_or(0)))
    }

    /// The last review that an export took.
    pub fn exported_through(&self) -> Result<Resolution, Error> {
        let last = self.first("read the last export", "SELECT exported_through FROM journal", [], |row| row.get(0))?;
        Ok(Resolution(last.unwrap_or(0)))
    }

    fn pending(&self, what: &str, after: Option<CaseId>, limit: usize) -> Result<Vec<CaseId>, Error> {
        let sql = "SELECT seq FROM pending WHERE what = ?1 AND seq > ?2 ORDER BY seq LIMIT ?3";
        self.all("read what is to do", sql, params![what, after.map_or(0, |case| case.0), limit], id)
    }
}

fn id(row: &Row<'_>) -> rusqlite::Result<CaseId> {
    row.get(0).map(CaseId)
}

fn read_case(row: &Row<'_>) -> rusqlite::Result<Case> {
    let question = optional(row, 4)?;
    let rationale = match optional(row, 26)? {
        None => None,
        Some(text) => Some(RecordedRationale {
            text,
            agreement: match (row.get(27)?, row.get::<_, Option<f64>>(28)?) {
                (Some(agrees), Some(strength)) => Some(Agreement { agrees, strength: Confidence::clamped(strength) }),
                _ => None,
            },
        }),
    };
    let at = row.get::<_, Option<i64>>(11)?.map(time);
    let outcome = match (optional(row, 10)?.as_deref(), at) {
        (Some("answered"), Some(answered_at)) => Some(Outcome::Answered(Box::new(RecordedAnswer {
            task: text(row, 3)?,
            answer: text(row, 13)?,
            label: text(row, 14)?,
            code: row.get(15)?,
            confidence: Confidence::clamped(row.get(16)?),
            band: of(row, 17, &BANDS)?,
            decision: match row.get_ref(18)? {
                rusqlite::types::ValueRef::Null => Decision::Answered,
                _ => Decision::Escalated(named(row, 18, reason)?),
            },
            detail: optional(row, 30)?,
            mode: of(row, 19, &MODES)?,
            tokens: row.get(20)?,
            time_to_answer: Duration::from_micros(row.get(21)?),
            student: Student {
                name: text(row, 22)?,
                version: text(row, 23)?,
                serial: row.get(24)?,
                sha256: text(row, 25)?,
            },
            rationale,
            answered_at,
        }))),
        (Some("expired"), _) => Some(Outcome::Expired),
        (Some(_), _) => Some(Outcome::Failed(text(row, 12)?)),
        (None, _) => None,
    };
    Ok(Case {
        id: id(row)?,
        question_kept: question.is_some(),
        asked: NewCase {
            client: text(row, 1)?,
            request: text(row, 2)?,
            task: text(row, 3)?,
            question: question.unwrap_or_default(),
            wants_rationale: row.get(5)?,
            route: row.get(6)?,
            source: text(row, 7)?,
            expires_after: row.get::<_, Option<u64>>(8)?.map(Duration::from_millis),
            received_at: time(row.get(9)?),
        },
        delivered: outcome.is_some() && row.get(29)?,
        outcome,
        reviews: Vec::new(),
    })
}

fn read_review(row: &Row<'_>) -> rusqlite::Result<Review> {
    let verdict = match optional(row, 6)?.as_deref() {
        Some("right") => Some(ReviewVerdict::Right),
        Some("wrong") => Some(ReviewVerdict::Wrong(text(row, 7)?)),
        Some(_) => Some(ReviewVerdict::Unclear),
        None => None,
    };
    Ok(Review {
        number: row.get(0)?,
        why: named(row, 1, ReviewReason::named)?,
        opened_at: time(row.get(2)?),
        claimed: match optional(row, 3)? {
            Some(by) => Some((by, time(row.get(4)?))),
            None => None,
        },
        resolved: match verdict {
            Some(verdict) => Some(Resolved {
                resolution: Resolution(row.get(5)?),
                verdict,
                reviewer: optional(row, 8)?,
                at: time(row.get(9)?),
            }),
            None => None,
        },
    })
}

/// A text, its damaged characters replaced: a rotten byte must not make a case unreadable for ever.
pub(super) fn text(row: &Row<'_>, column: usize) -> rusqlite::Result<String> {
    Ok(String::from_utf8_lossy(row.get_ref(column)?.as_bytes()?).into_owned())
}

fn optional(row: &Row<'_>, column: usize) -> rusqlite::Result<Option<String>> {
    let bytes = row.get_ref(column)?.as_bytes_or_null()?;
    Ok(bytes.map(|bytes| String::from_utf8_lossy(bytes).into_owned()))
}

fn of<T: Copy>(row: &Row<'_>, column: usize, list: &[(&'static str, T)]) -> rusqlite::Result<T> {
    named(row, column, |word| meaning(list, word))
}

fn named<T>(row: &Row<'_>, column: usize, meaning: impl FnOnce(&str) -> Option<T>) -> rusqlite::Result<T> {
    let word = text(row, column)?;
    meaning(&word).ok_or_else(|| {
        let what = format!("expected a word of the schema, got {word:.60}");
        rusqlite::Error::FromSqlConversionFailure(column, rusqlite::types::Type::Text, what.into())
    })
}
