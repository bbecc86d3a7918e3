//! Resolved reviews as they leave the device: one JSON line each, for the training toolkit. Writes no file and judges nothing.

use rusqlite::params;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::batch::{ANSWER_BYTES_MAX, Batch, NAME_BYTES_MAX, RATIONALE_BYTES_MAX};
use super::record::{MODES, rfc3339, word};
use super::{Case, Error, Outcome, Resolution, Review, ReviewReason};
use crate::domain::{CaseId, Decision, Language, QUESTION_BYTES_MAX, ReviewVerdict};

/// The longest line that the training toolkit reads.
const LINE_BYTES_MAX: usize = 1 << 20;
/// Bytes of JSON for one byte of text at worst: `\u001f`.
const ESCAPED: usize = 6;
const _: () = assert!(
    ESCAPED * (QUESTION_BYTES_MAX + 2 * ANSWER_BYTES_MAX + RATIONALE_BYTES_MAX + 8 * NAME_BYTES_MAX) < LINE_BYTES_MAX
);

/// One review as one JSON line. The format is the one that the training toolkit reads: every key of it that the runtime
/// knows, and no other.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct ReviewLine {
    /// Journal and number of the case, a hyphen, and which review of the case it is.
    pub id: String,
    /// Id of the task.
    pub task: String,
    /// As it was asked.
    pub question: String,
    /// What the model said; empty where it said nothing.
    pub answer: String,
    /// What it wrote for it.
    pub rationale: Option<String>,
    /// `en` or `ja`, the question's.
    pub lang: String,
    /// Who answered.
    pub student: StudentId,
    /// `answered` or `escalated`.
    pub decision: String,
    /// Why a person looked; null where somebody only wanted to.
    pub reason: Option<String>,
    /// `answer_first` or `think_first`.
    pub mode: String,
    /// Of the answer.
    pub confidence: f64,
    /// `right`, `wrong` or `unclear`.
    pub verdict: String,
    /// The right answer where the verdict is wrong.
    pub correction: Option<String>,
    /// Who said so, as far as it may be told.
    pub reviewer: Option<String>,
    /// RFC 3339, in UTC.
    pub reviewed_at: String,
}

/// Which student answered, as an export names it.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct StudentId {
    /// Of its bundle.
    pub name: String,
    /// Of its bundle.
    pub version: String,
    /// Of its bundle.
    pub serial: u32,
}

/// A resolved review on its way out.
#[derive(Clone, Debug, PartialEq)]
pub struct Exported {
    /// Its place among all that were resolved: what `mark_exported` and the next page are told.
    pub resolution: Resolution,
    /// Its line.
    pub line: ReviewLine,
}

impl Batch<'_> {
    /// Resolved reviews behind `after`, in the order in which they were resolved: a page of `limit`. Begin at
    /// [`Batch::exported_through`] for those that no export took, at `Resolution(0)` for all.
    pub fn export(&self, after: Resolution, limit: usize) -> Result<Vec<Exported>, Error> {
        let journal = self.journal_id()?;
        let sql = "SELECT seq, resolution FROM reviews WHERE resolution > ?1 ORDER BY resolution LIMIT ?2";
        let found = self.all("export reviews", sql, params![after.0, limit], |row| {
            Ok((CaseId(row.get(0)?), Resolution(row.get(1)?)))
        })?;
        let mut page = Vec::with_capacity(found.len());
        for (case, resolution) in found {
            let Some(case) = self.case(case)? else { continue };
            page.extend(line(&journal, &case, resolution).map(|line| Exported { resolution, line }));
        }
        Ok(page)
    }
}

fn line(journal: &str, case: &Case, resolution: Resolution) -> Option<ReviewLine> {
    let Some(Outcome::Answered(recorded)) = &case.outcome else { return None };
    let resolved = |review: &Review| review.resolved.clone().map(|resolved| (review.number, review.why, resolved));
    let mut reviews = case.reviews.iter().filter_map(resolved);
    let (number, why, resolved) = reviews.find(|(.., resolved)| resolved.resolution == resolution)?;
    let (verdict, correction) = match resolved.verdict {
        ReviewVerdict::Right => ("right", None),
        ReviewVerdict::Wrong(correction) => ("wrong", Some(correction)),
        ReviewVerdict::Unclear => ("unclear", None),
    };
    let (decision, reason) = match (recorded.decision, why) {
        (Decision::Escalated(reason), _) => ("escalated", Some(reason.word())),
        (Decision::Answered, ReviewReason::Audit) => ("answered", Some("audit")),
        (Decision::Answered, ReviewReason::Disagreement) => ("answered", Some("disagreement")),
        (Decision::Answered, _) => ("answered", None),
    };
    Some(ReviewLine {
        id: format!("{journal}-{}-{number}", case.id),
        task: case.asked.task.clone(),
        question: case.asked.question.clone(),
        answer: recorded.answer.clone(),
        rationale: recorded.rationale.as_ref().map(|reasons| reasons.text.clone()),
        lang: match Language::of(&case.asked.question) {
            Language::En => "en",
            Language::Ja => "ja",
        }
        .to_owned(),
        student: StudentId {
            name: recorded.student.name.clone(),
            version: recorded.student.version.clone(),
            serial: recorded.student.serial,
        },
        decision: decision.to_owned(),
        reason: reason.map(str::to_owned),
        mode: word(&MODES, recorded.mode).to_owned(),
        confidence: recorded.confidence.value(),
        verdict: verdict.to_owned(),
        correction,
        reviewer: resolved.reviewer,
        reviewed_at: rfc3339(resolved.at),
    })
}
