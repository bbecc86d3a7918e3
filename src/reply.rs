//! An answer as it leaves the program for a machine: one record, the same from the command line, a broker and the journal.
//! Decides nothing; what a person reads in words is `cli`'s.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::bundle::manifest::{Choice, Task};
use crate::bundle::{Bundle, CODE_ASK_A_PERSON};
use crate::domain::{Agreement, Answer, Band, Decision, Language, Mode, Reason};
use crate::engine::{AskError, Model};
use crate::pipeline::{Answered, Explained};

/// One answer, as a machine reads it. Field by field in README.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Reply {
    /// As the asker named it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<serde_json::Value>,
    /// The task that was asked.
    pub task: String,
    /// The label of a choice in the question's language, or the text; the call for a person where none stands.
    pub answer: String,
    /// What a PLC acts on; null for free text.
    pub code: Option<u16>,
    /// How likely the answer is right, 0 to 1.
    pub confidence: f64,
    /// The same in words.
    pub band: BandName,
    /// Does it stand?
    pub decision: DecisionName,
    /// Why a person is asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<ReasonName>,
    /// The likeliest answer where none stands.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub guess: Option<Guess>,
    /// How the answer came about.
    pub mode: ModeName,
    /// Tokens that the student wrote until the verdict.
    pub tokens: usize,
    /// From the question's text to the verdict.
    pub time_to_answer_ms: f64,
    /// Name and version of the bundle.
    pub student: String,
    /// What the student wrote for its answer, if it was asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rationale: Option<String>,
    /// Does it lead to the answer?
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agreement: Option<AgreementRecord>,
    /// From the request to the rationale.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time_to_rationale_ms: Option<f64>,
}

/// The likeliest answer where none stands: for the person who decides, not for a machine to act on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Guess {
    /// As a person reads it, in the question's language.
    pub answer: String,
    /// Of a choice; null for free text.
    pub code: Option<u16>,
}

/// Does a rationale lead to the answer that was given?
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct AgreementRecord {
    /// The answer that the rationale alone leads to is the answer given.
    pub agrees: bool,
    /// Probability of the answer given, after reading the rationale.
    pub strength: f64,
}

impl From<Agreement> for AgreementRecord {
    fn from(found: Agreement) -> Self {
        Self { agrees: found.agrees, strength: round(found.strength.value(), 4) }
    }
}

/// Declares the names that a closed set of the domain has in records.
macro_rules! named {
    ($(#[$doc:meta])* $name:ident of $of:ident { $($variant:ident),+ }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
        #[serde(rename_all = "snake_case")]
        #[allow(missing_docs)] // the domain's own say it
        pub enum $name { $($variant),+ }

        impl From<$of> for $name {
            fn from(value: $of) -> Self {
                match value { $($of::$variant => Self::$variant),+ }
            }
        }
    };
}

named!(/** A confidence as a person says it. */ BandName of Band { High, Medium, Low });
named!(/** How an answer came about. */ ModeName of Mode { AnswerFirst, ThinkFirst });
named!(/** Why a person is asked. */ ReasonName of Reason { OutOfScope, Unsure, ThinkingFailed, NoAnswer });

/// [`Decision`] as a record; its reason stands beside it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum DecisionName {
    /// The answer stands.
    Answered,
    /// A person must look.
    Escalated,
}

impl Reply {
    /// The record of an answer; with its rationale if `explain`.
    pub fn new<M: Model>(
        id: Option<serde_json::Value>,
        answered: Answered<'_, M>,
        bundle: &Bundle,
        task: &Task,
        explain: bool,
    ) -> Result<Self, AskError> {
        let reply = Self::unexplained(id, &answered, bundle, task);
        let explained = if explain { answered.explain()? } else { None };
        Ok(match explained {
            Some(explained) => reply.with(explained),
            None => reply,
        })
    }

    /// The record without a rationale.
    pub fn unexplained<M>(
        id: Option<serde_json::Value>,
        answered: &Answered<'_, M>,
        bundle: &Bundle,
        task: &Task,
    ) -> Self {
        let verdict = &answered.verdict;
        let choice = choice(verdict.answer.as_ref(), task);
        let label = label(verdict.answer.as_ref(), task, answered.language);
        let code = choice.map(|choice| choice.code);
        let (answer, code, decision, reason, guess) = match verdict.decision {
            Decision::Answered => (label.unwrap_or_default(), code, DecisionName::Answered, None, None),
            Decision::Escalated(reason) => (
                ask_a_person(answered.language).to_owned(),
                Some(CODE_ASK_A_PERSON),
                DecisionName::Escalated,
                Some(reason.into()),
                label.filter(|_| choice.is_none_or(|choice| !choice.abstains)).map(|answer| Guess { answer, code }),
            ),
        };
        Self {
            id,
            task: task.id.clone(),
            answer,
            code,
            confidence: round(verdict.confidence.value(), 4),
            band: verdict.band.into(),
            decision,
            reason,
            guess,
            mode: verdict.mode.into(),
            tokens: answered.tokens,
            time_to_answer_ms: milliseconds(answered.time_to_answer),
            student: bundle.student(),
            rationale: None,
            agreement: None,
            time_to_rationale_ms: None,
        }
    }

    /// The same with its rationale.
    pub fn with(self, explained: Explained) -> Self {
        Self {
            agreement: explained.agreement.map(AgreementRecord::from),
            time_to_rationale_ms: Some(milliseconds(explained.time_to_rationale)),
            rationale: Some(explained.rationale.text),
            ..self
        }
    }
}

/// What stands where no answer does.
pub fn ask_a_person(language: Language) -> &'static str {
    match language {
        Language::En => "ask a person",
        Language::Ja => "人に確認してください",
    }
}

pub(crate) fn choice<'t>(answer: Option<&Answer>, task: &'t Task) -> Option<&'t Choice> {
    task.choice(answer?)
}

/// An answer as a person reads it: the label of a choice, or the text itself.
pub(crate) fn label(answer: Option<&Answer>, task: &Task, language: Language) -> Option<String> {
    task.label(answer?, language).map(str::to_owned)
}

/// With three decimals.
pub(crate) fn milliseconds(time: Duration) -> f64 {
    round(time.as_secs_f64() * 1e3, 3)
}

/// To so many decimals.
pub(crate) fn round(value: f64, decimals: i32) -> f64 {
    let scale = 10_f64.powi(decimals);
    (value * scale).round() / scale
}
