//! Reviews as people and programs read them, and as they are resolved: steps of the journal with the model's choices at hand, the
//! same for the daemon and for a command that opened the journal itself.
//!
//! Decides nothing about an answer; a correction of a closed task must be one of its choices, lest it teach the next student what it
//! cannot say.

use std::time::SystemTime;

use clap::ValueEnum;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::answer::{BandName, Guess, ModeName, ReasonName};
use super::label_studio::{LabelStudioTask, label_studio, labelling_config};
use super::{json, round};
use crate::bundle::Bundle;
use crate::bundle::manifest::{Answers, Choice, Task};
use crate::domain::{CaseId, Decision, ReviewState, ReviewVerdict};
use crate::store::{self, Batch, Case, Outcome, Resolution, ReviewLine, rfc3339};

/// A case that a person was asked about, or may look at.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ReviewCase {
    /// Its number.
    pub case: i64,
    /// Who asked.
    pub client: String,
    /// The asker's name for the question.
    pub id: String,
    /// The task that was asked.
    pub task: String,
    /// As it was asked; null where it was dropped to save space.
    pub question: Option<String>,
    /// What the model said, given or only guessed; absent where it said nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answer: Option<Guess>,
    /// How likely it is right, 0 to 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub confidence: Option<f64>,
    /// The same in words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub band: Option<BandName>,
    /// Why a person is asked; absent where the model's answer is given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<ReasonName>,
    /// How the answer came about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mode: Option<ModeName>,
    /// What the model wrote for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rationale: Option<String>,
    /// Name and version of the model's bundle.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub student: Option<String>,
    /// What may be the answer, where the task is closed and the model that has it is loaded.
    pub choices: Vec<ReviewChoice>,
    /// In the order in which they were opened.
    pub reviews: Vec<ReviewRecord>,
}

/// One choice of a closed task.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ReviewChoice {
    /// What a correction says.
    pub text: String,
    /// What a machine reads.
    pub code: u16,
    /// English.
    pub en: String,
    /// Japanese.
    pub ja: String,
}

/// One review of a case.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ReviewRecord {
    /// From 1; also the revision of the answer that tells its result.
    pub number: u32,
    /// Why a person looks: `out_of_scope`, `unsure`, `thinking_failed`, `no_answer`, `audit`, `disagreement` or `asked`.
    pub why: String,
    /// RFC 3339, by the device's clock.
    pub opened_at: String,
    /// Who took it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub claimed_by: Option<String>,
    /// When.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub claimed_at: Option<String>,
    /// What the person said; absent while the review is open.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verdict: Option<VerdictName>,
    /// The right answer, where the verdict is wrong.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub correction: Option<String>,
    /// Who said so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reviewer: Option<String>,
    /// When.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resolved_at: Option<String>,
}

/// Which reviews are listed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema, ValueEnum)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "ReviewState")]
pub enum ReviewStateName {
    /// Those that wait for a person.
    #[default]
    Open,
    /// Those that were resolved.
    Resolved,
}

/// How reviews are exported.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema, ValueEnum)]
#[serde(rename_all = "lowercase")]
#[value(rename_all = "lower")]
pub enum Format {
    /// One JSON object a line, as the training toolkit reads it.
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
    /// Of the model's answer, given or only guessed.
    pub verdict: VerdictName,
    /// The right answer, where the verdict is wrong: a choice's text or label, or free text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub correction: Option<String>,
    /// Name of the person who decided, as far as it may be told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reviewer: Option<String>,
}

/// What a person says of the model's answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema, ValueEnum)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "Verdict")]
pub enum VerdictName {
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

impl From<ReviewStateName> for ReviewState {
    fn from(name: ReviewStateName) -> Self {
        match name {
            ReviewStateName::Open => Self::Open,
            ReviewStateName::Resolved => Self::Resolved,
        }
    }
}

/// A page of cases.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ReviewPage {
    /// The oldest first.
    pub reviews: Vec<ReviewCase>,
    /// The next page is behind this case; null where this is the last one.
    pub next: Option<i64>,
}

/// Resolved reviews on their way out.
#[derive(Clone, Debug, PartialEq)]
pub struct Export {
    /// As the training toolkit reads them.
    pub lines: Vec<ReviewLine>,
    /// The last of them; where there is none, what the page began behind.
    pub through: Resolution,
    /// More follow.
    pub more: bool,
}

/// Why a review is not as it was wanted. Nothing was written.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The journal's own word.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// There is no such case.
    #[error("the journal has no case {0}; it may have been dropped to save space")]
    Unknown(CaseId),
    /// The verdict needs a correction.
    #[error(
        "expected a correction where the verdict is wrong, got none; say unclear where nobody can say what is right"
    )]
    NoCorrection,
    /// The verdict takes no correction.
    #[error("expected no correction where the verdict is not wrong, got {0:?}")]
    NeedlessCorrection(String),
    /// The task is closed.
    #[error("expected a correction among {choices}, got {got:?}")]
    NoChoice {
        /// Those that there are.
        choices: String,
        /// What came.
        got: String,
    },
    /// Nobody here knows the task's choices.
    #[error(
        "no loaded student has the task {0:?}, so that a correction cannot be checked; load one that has it, or say unclear"
    )]
    NoStudent(String),
}

/// A page of cases with reviews, the oldest case first.
pub fn list(
    batch: &Batch<'_>,
    state: ReviewState,
    after: Option<i64>,
    limit: usize,
    bundle: Option<&Bundle>,
) -> Result<ReviewPage, Error> {
    let cases = batch.reviews(state, after.map(CaseId), limit)?;
    let next = cases.last().filter(|_| cases.len() == limit).map(|case| case.id.0);
    Ok(ReviewPage { reviews: cases.iter().map(|case| record(case, bundle)).collect(), next })
}

/// One case.
pub fn show(batch: &Batch<'_>, case: CaseId, bundle: Option<&Bundle>) -> Result<ReviewCase, Error> {
    let known = batch.case(case)?.ok_or(Error::Unknown(case))?;
    Ok(record(&known, bundle))
}

/// A person says what is right. Returns the revision of the answer that tells it.
pub fn resolve(
    batch: &mut Batch<'_>,
    case: CaseId,
    said: &Resolve,
    bundle: Option<&Bundle>,
    now: SystemTime,
) -> Result<u32, Error> {
    let known = batch.case(case)?.ok_or(Error::Unknown(case))?;
    let verdict = match (said.verdict, &said.correction) {
        (VerdictName::Right, None) => ReviewVerdict::Right,
        (VerdictName::Unclear, None) => ReviewVerdict::Unclear,
        (VerdictName::Wrong, Some(correction)) => ReviewVerdict::Wrong(checked(&known, correction.trim(), bundle)?),
        (VerdictName::Wrong, None) => return Err(Error::NoCorrection),
        (_, Some(correction)) => return Err(Error::NeedlessCorrection(correction.clone())),
    };
    Ok(batch.resolve(case, &verdict, said.reviewer.as_deref(), now)?)
}

/// Resolved reviews behind `after`, or behind the last that was marked as exported.
pub fn export(batch: &Batch<'_>, after: Option<Resolution>, limit: usize) -> Result<Export, Error> {
    let after = after.map_or_else(|| batch.exported_through(), Ok)?;
    let page = batch.export(after, limit)?;
    let through = page.last().map_or(after, |last| last.resolution);
    let more = page.len() == limit;
    Ok(Export { lines: page.into_iter().map(|exported| exported.line).collect(), through, more })
}

/// The lines of an export in a format.
pub fn written(lines: &[ReviewLine], format: Format, bundle: Option<&Bundle>) -> Vec<u8> {
    match format {
        Format::Jsonl => lines.iter().flat_map(|line| json(line).into_iter().chain([b'\n'])).collect(),
        Format::LabelStudio => {
            let tasks: Vec<_> = projects(lines, bundle).into_iter().flat_map(|project| project.tasks).collect();
            json(&tasks)
        }
    }
}

/// What Label Studio takes for one of the model's tasks; its projects have one labelling interface each.
pub struct Project {
    /// Id of the model's task.
    pub task: String,
    /// The interface, in its XML.
    pub config: String,
    tasks: Vec<LabelStudioTask>,
}

impl Project {
    /// Its tasks, in JSON.
    pub fn json(&self) -> Vec<u8> {
        json(&self.tasks)
    }
}

/// The lines of an export, one project for each of the model's tasks.
pub fn projects(lines: &[ReviewLine], bundle: Option<&Bundle>) -> Vec<Project> {
    let mut by_task: Vec<(&str, Vec<ReviewLine>)> = Vec::new();
    for line in lines {
        match by_task.iter_mut().find(|(task, _)| *task == line.task) {
            Some((_, own)) => own.push(line.clone()),
            None => by_task.push((&line.task, vec![line.clone()])),
        }
    }
    let project = |(task, own): (&str, Vec<ReviewLine>)| {
        let choices = choices(bundle, task);
        let answers: Vec<&str> = choices.iter().map(|choice| choice.text.as_str()).collect();
        Project { task: task.to_owned(), config: labelling_config(&answers), tasks: label_studio(&own, &answers) }
    };
    by_task.into_iter().map(project).collect()
}

/// The correction as the journal keeps it: the text of a choice, by whichever of its names a person called it.
fn checked(case: &Case, correction: &str, bundle: Option<&Bundle>) -> Result<String, Error> {
    let task = &case.asked.task;
    let known = bundle.and_then(|bundle| bundle.task(task).ok()).ok_or_else(|| Error::NoStudent(task.clone()))?;
    let Answers::Choices(choices) = &known.answers else { return Ok(correction.to_owned()) };
    let by = |name: fn(&Choice) -> &str| choices.iter().find(|choice| name(choice).trim() == correction);
    let found =
        by(|choice| &choice.text).or_else(|| by(|choice| &choice.label.en)).or_else(|| by(|choice| &choice.label.ja));
    found.map(|choice| choice.text.clone()).ok_or_else(|| Error::NoChoice {
        choices: choices.iter().map(|choice| choice.text.as_str()).collect::<Vec<_>>().join(", "),
        got: correction.chars().take(80).collect(),
    })
}

fn record(case: &Case, bundle: Option<&Bundle>) -> ReviewCase {
    let recorded = match &case.outcome {
        Some(Outcome::Answered(recorded)) => Some(recorded),
        _ => None,
    };
    let review = |review: &store::Review| {
        let (verdict, correction) = match review.resolved.as_ref().map(|resolved| &resolved.verdict) {
            Some(ReviewVerdict::Right) => (Some(VerdictName::Right), None),
            Some(ReviewVerdict::Wrong(correction)) => (Some(VerdictName::Wrong), Some(correction.clone())),
            Some(ReviewVerdict::Unclear) => (Some(VerdictName::Unclear), None),
            None => (None, None),
        };
        ReviewRecord {
            number: review.number,
            why: review.why.name().to_owned(),
            opened_at: rfc3339(review.opened_at),
            claimed_by: review.claimed.as_ref().map(|(by, _)| by.clone()),
            claimed_at: review.claimed.as_ref().map(|(_, at)| rfc3339(*at)),
            verdict,
            correction,
            reviewer: review.resolved.as_ref().and_then(|resolved| resolved.reviewer.clone()),
            resolved_at: review.resolved.as_ref().map(|resolved| rfc3339(resolved.at)),
        }
    };
    ReviewCase {
        case: case.id.0,
        client: case.asked.client.clone(),
        id: case.asked.request.clone(),
        task: case.asked.task.clone(),
        question: case.question_kept.then(|| case.asked.question.clone()),
        answer: recorded.and_then(|recorded| Guess::of(recorded)),
        confidence: recorded.map(|recorded| round(recorded.confidence.value(), 4)),
        band: recorded.map(|recorded| recorded.band.into()),
        reason: recorded.and_then(|recorded| match recorded.decision {
            Decision::Answered => None,
            Decision::Escalated(reason) => Some(reason.into()),
        }),
        mode: recorded.map(|recorded| recorded.mode.into()),
        rationale: case.rationale().map(|rationale| rationale.text.clone()),
        student: recorded.map(|recorded| recorded.student.to_string()),
        choices: choices(bundle, &case.asked.task),
        reviews: case.reviews.iter().map(review).collect(),
    }
}

fn choices(bundle: Option<&Bundle>, task: &str) -> Vec<ReviewChoice> {
    let answers = bundle.and_then(|bundle| bundle.task(task).ok()).map(|task: &Task| &task.answers);
    let Some(Answers::Choices(choices)) = answers else { return Vec::new() };
    let record = |choice: &Choice| ReviewChoice {
        text: choice.text.clone(),
        code: choice.code,
        en: choice.label.en.clone(),
        ja: choice.label.ja.clone(),
    };
    choices.iter().map(record).collect()
}
