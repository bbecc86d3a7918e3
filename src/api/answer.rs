//! Answers as JSON. A verdict becomes a [`RecordedAnswer`], the journal's form; what an asker is shown of it is decided once, for
//! [`Reply`] of the command line and for [`Message`] of the gateway. Made from the record alone, so that the same answer, sent again,
//! is the same to the byte.

use std::time::{Duration, SystemTime};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::{milliseconds, round};
use crate::bundle::manifest::{Answers, Task};
use crate::bundle::{Bundle, CODE_ASK_A_PERSON};
use crate::domain::{Agreement, Answer, Band, Decision, Language, Mode, Reason, ReviewVerdict, Verdict};
use crate::store::{Case, Outcome, RecordedAnswer, RecordedRationale, Student};
use crate::wire;

/// Version of [`Message`] and of the status; grows only where an old reader would be misled.
pub const VERSION: u32 = 1;
/// Why a question has no answer while no model is loaded.
pub const NOT_LOADED: &str = "the student is not loaded";
/// Characters of an error in a message that must be short: its beginning says most.
const SHORT_CHARS: usize = 40;

/// What the policy decided, as the journal keeps it.
pub struct Answered<'a> {
    /// The bundle that answered.
    pub bundle: &'a Bundle,
    /// Id of the task that was asked.
    pub task: &'a str,
    /// Language of the question.
    pub language: Language,
    /// The policy's verdict.
    pub verdict: &'a Verdict,
    /// Tokens that the model wrote until the verdict.
    pub tokens: usize,
    /// From the question's text to the verdict.
    pub time_to_answer: Duration,
}

impl Answered<'_> {
    /// The record, without a rationale.
    pub fn record(&self, now: SystemTime) -> RecordedAnswer {
        let Self { bundle, verdict, .. } = self;
        let task = bundle.task(self.task).ok();
        let choice = task.zip(verdict.answer.as_ref()).and_then(|(task, answer)| task.choice(answer));
        let answer = match (&verdict.answer, choice) {
            (_, Some(choice)) => choice.text.clone(),
            (Some(Answer::Text(text)), None) => text.clone(),
            _ => String::new(),
        };
        let label = task.zip(verdict.answer.as_ref()).and_then(|(task, answer)| task.label(answer, self.language));
        RecordedAnswer {
            task: self.task.to_owned(),
            label: label.map_or_else(|| answer.clone(), str::to_owned),
            answer,
            code: choice.map(|choice| choice.code),
            confidence: verdict.confidence,
            band: verdict.band,
            decision: verdict.decision,
            detail: verdict.detail.clone(),
            mode: verdict.mode,
            rationale: None,
            student: Student {
                name: bundle.manifest.name.clone(),
                version: bundle.manifest.version.to_string(),
                serial: u32::try_from(bundle.manifest.serial).unwrap_or(u32::MAX),
                sha256: graph_digest(bundle, self.task),
            },
            tokens: u32::try_from(self.tokens).unwrap_or(u32::MAX),
            time_to_answer: self.time_to_answer,
            answered_at: now,
        }
    }
}

/// Digest of the graph that answers a task: two bundles with the same graph answer alike. Empty for an unknown task.
pub fn graph_digest(bundle: &Bundle, task: &str) -> String {
    bundle.task(task).map(|task| bundle.graph_sha256(task).to_owned()).unwrap_or_default()
}

/// What an asker is shown of a recorded answer.
struct Shown {
    answer: String,
    code: Option<u16>,
    decision: DecisionName,
    reason: Option<ReasonName>,
    guess: Option<Guess>,
}

impl Shown {
    fn of(recorded: &RecordedAnswer, language: Language) -> Self {
        let own = Guess::of(recorded);
        match recorded.decision {
            Decision::Answered => {
                let Guess { answer, code } = own.unwrap_or(Guess { answer: String::new(), code: recorded.code });
                Self { answer, code, decision: DecisionName::Answered, reason: None, guess: None }
            }
            Decision::Escalated(reason) => Self {
                answer: ask_a_person(language).to_owned(),
                code: Some(CODE_ASK_A_PERSON),
                decision: DecisionName::Escalated,
                reason: Some(reason.into()),
                // That the model cannot judge the question is no guess at an answer.
                guess: own.filter(|_| reason != Reason::OutOfScope),
            },
        }
    }
}

/// One answer of `sokutou ask`, as a machine reads it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Reply {
    /// As the asker named the question: the same characters, since a number of twenty digits is a name too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<Box<RawValue>>,
    /// The task that was asked.
    pub task: String,
    /// The label of a choice in the question's language, or the text; "ask a person" when escalated.
    pub answer: String,
    /// What a PLC acts on; null for free text.
    pub code: Option<u16>,
    /// How likely the answer is right, 0 to 1.
    pub confidence: f64,
    /// The confidence in words.
    pub band: BandName,
    /// Answered, or escalated to a person.
    pub decision: DecisionName,
    /// Why a person is asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<ReasonName>,
    /// What exactly the reason names, in the question's language.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// What was read, in the question's language, where the task declares what it reads.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub read: Option<String>,
    /// The likeliest answer when escalated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub guess: Option<Guess>,
    /// How the answer came about.
    pub mode: ModeName,
    /// Tokens that the model wrote until the verdict.
    pub tokens: u32,
    /// From the question's text to the verdict.
    pub time_to_answer_ms: f64,
    /// Name and version of the bundle.
    pub student: String,
    /// What the model wrote for its answer, if it was asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rationale: Option<String>,
    /// Does the rationale lead to the answer?
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agreement: Option<AgreementRecord>,
    /// From the request to the rationale.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time_to_rationale_ms: Option<f64>,
}

impl Reply {
    /// The reply to a question that its asker named `id`.
    pub fn new(id: Option<Box<RawValue>>, recorded: &RecordedAnswer, language: Language) -> Self {
        let Shown { answer, code, decision, reason, guess } = Shown::of(recorded, language);
        Self {
            id,
            task: recorded.task.clone(),
            answer,
            code,
            confidence: round(recorded.confidence.value(), 4),
            band: recorded.band.into(),
            decision,
            reason,
            detail: recorded.detail.clone(),
            read: None,
            guess,
            mode: recorded.mode.into(),
            tokens: recorded.tokens,
            time_to_answer_ms: milliseconds(recorded.time_to_answer),
            student: recorded.student.to_string(),
            rationale: None,
            agreement: None,
            time_to_rationale_ms: None,
        }
    }

    /// The same with a rationale and the time that it took.
    #[must_use]
    pub fn with_rationale(self, rationale: &RecordedRationale, time: Duration) -> Self {
        Self {
            rationale: Some(rationale.text.clone()),
            agreement: rationale.agreement.map(AgreementRecord::from),
            time_to_rationale_ms: Some(milliseconds(time)),
            ..self
        }
    }
}

/// An answer of the gateway, or why there is none.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Message {
    /// Version of this form; grows only where an old reader would be misled.
    pub v: u32,
    /// Who asked. Empty where a message that is refused does not say.
    pub client: String,
    /// The asker's name for the question. Empty where a message that is refused does not say.
    pub id: String,
    /// 0 is the model's answer, or a refusal; a person's are counted from 1, and the greatest one stands.
    pub rev: u32,
    /// What became of the question.
    pub state: State,
    /// The task that was asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub task: Option<String>,
    /// What the state brings with it.
    #[serde(flatten)]
    pub body: Body,
}

impl Message {
    /// The same in as few words as a machine can act on: state and code of an answer; of the rest, why it is not more.
    pub fn in_short(&self) -> Self {
        let error = match (&self.body.error, &self.body.rationale) {
            (Some(error), _) => Some(error.chars().take(SHORT_CHARS).collect()),
            (None, Some(_)) => Some("the broker takes no message that long".to_owned()),
            (None, None) => None,
        };
        let body = Body { code: self.body.code, error, ..Body::default() };
        Self { task: None, body, ..self.clone() }
    }
}

/// What became of a question.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// The model's answer is given.
    Answered,
    /// A person is asked; another message follows when they have decided.
    Pending,
    /// A person has decided.
    Reviewed,
    /// The question's time ran out before it was answered.
    Expired,
    /// The model could not answer.
    Error,
}

/// The parts of a message that its state decides.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
#[schemars(rename = "Said")]
pub struct Body {
    /// As a person reads it, in the question's language.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub answer: Option<String>,
    /// What a PLC acts on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<u16>,
    /// How likely the model's answer is right, 0 to 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub confidence: Option<f64>,
    /// The confidence in words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub band: Option<BandName>,
    /// Why a person is asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<ReasonName>,
    /// What exactly the reason names, in the question's language.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// The model's likeliest answer when a person is asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub guess: Option<Guess>,
    /// How the model's answer came about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mode: Option<ModeName>,
    /// From the question's text to the model's verdict.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub time_to_answer_ms: Option<f64>,
    /// Name and version of the model's bundle.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub student: Option<String>,
    /// What the person said of the model's answer: right, wrong, unclear.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub verdict: Option<String>,
    /// What the model wrote for its answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rationale: Option<String>,
    /// Does the rationale lead to the answer?
    #[serde(skip_serializing_if = "Option::is_none")]
    pub agreement: Option<AgreementRecord>,
    /// Why there is no answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// Why there is no answer, as the serial protocol says it. Not part of the JSON.
    #[serde(skip)]
    pub refused: Option<wire::Reason>,
}

/// The reply to a case in one revision; `None` where the case has no such revision. A rationale follows in a message of its own: the
/// answer does not wait for it. The bundle says what a person's answer is called and coded.
pub fn reply(case: &Case, revision: u32, bundle: Option<&Bundle>) -> Option<Message> {
    let language = Language::of(&case.asked.question);
    let (state, body) = match (case.outcome.as_ref()?, revision) {
        (Outcome::Answered(recorded), 0) => (state(recorded), of_model(recorded, language)),
        (Outcome::Expired, 0) => (State::Expired, Body::default()),
        (Outcome::Failed(why), 0) => {
            let refused = Some(if why == NOT_LOADED { wire::Reason::NotReady } else { wire::Reason::Failed });
            (State::Error, Body { error: Some(why.clone()), refused, ..Body::default() })
        }
        (outcome, _) => {
            let review = case.reviews.iter().find(|review| review.number == revision)?;
            let verdict = &review.resolved.as_ref()?.verdict;
            let task = bundle.and_then(|bundle| bundle.task(&case.asked.task).ok());
            (State::Reviewed, of_person(verdict, outcome, task, language))
        }
    };
    Some(message(case, revision, state, body))
}

/// The rationale of the model's answer.
pub fn rationale(case: &Case) -> Option<Message> {
    let Some(Outcome::Answered(recorded)) = &case.outcome else { return None };
    let written = case.rationale();
    let body = Body {
        rationale: written.map(|written| written.text.clone()),
        agreement: written.and_then(|written| written.agreement).map(AgreementRecord::from),
        ..of_model(recorded, Language::of(&case.asked.question))
    };
    Some(message(case, 0, state(recorded), body))
}

/// Why a question was not taken; it has no case.
pub fn refusal(client: &str, id: &str, why: &str, refused: wire::Reason) -> Message {
    let body = Body { error: Some(why.to_owned()), refused: Some(refused), ..Body::default() };
    let (client, id) = (client.to_owned(), id.to_owned());
    Message { v: VERSION, client, id, rev: 0, state: State::Error, task: None, body }
}

fn message(case: &Case, rev: u32, state: State, body: Body) -> Message {
    let asked = &case.asked;
    let (client, id, task) = (asked.client.clone(), asked.request.clone(), Some(asked.task.clone()));
    Message { v: VERSION, client, id, rev, state, task, body }
}

fn state(recorded: &RecordedAnswer) -> State {
    match recorded.decision {
        Decision::Answered => State::Answered,
        Decision::Escalated(_) => State::Pending,
    }
}

fn of_model(recorded: &RecordedAnswer, language: Language) -> Body {
    let Shown { answer, code, reason, guess, .. } = Shown::of(recorded, language);
    Body {
        answer: Some(answer),
        code,
        confidence: Some(round(recorded.confidence.value(), 4)),
        band: Some(recorded.band.into()),
        reason,
        detail: recorded.detail.clone(),
        guess,
        mode: Some(recorded.mode.into()),
        time_to_answer_ms: Some(milliseconds(recorded.time_to_answer)),
        student: Some(recorded.student.to_string()),
        ..Body::default()
    }
}

fn of_person(verdict: &ReviewVerdict, outcome: &Outcome, task: Option<&Task>, language: Language) -> Body {
    let escalated = (Some(ask_a_person(language).to_owned()), Some(CODE_ASK_A_PERSON));
    let (verdict, (answer, code)) = match (verdict, outcome) {
        (ReviewVerdict::Right, Outcome::Answered(recorded)) => match recorded.decision {
            Decision::Escalated(Reason::OutOfScope) => ("right", escalated), // it is, and no machine may act on it
            _ => ("right", (Some(recorded.label.clone()), recorded.code)),
        },
        (ReviewVerdict::Right, _) => ("right", (None, None)),
        (ReviewVerdict::Wrong(correction), _) => {
            let choice = task.and_then(|task| match &task.answers {
                Answers::Choices(choices) => choices.iter().find(|choice| choice.text == *correction),
                Answers::Free(_) => None,
            });
            match choice {
                Some(choice) if choice.abstains => ("wrong", escalated),
                Some(choice) => ("wrong", (Some(choice.label.in_language(language).to_owned()), Some(choice.code))),
                None => ("wrong", (Some(correction.clone()), None)),
            }
        }
        (ReviewVerdict::Unclear, _) => ("unclear", (None, None)),
    };
    Body { verdict: Some(verdict.to_owned()), answer, code, ..Body::default() }
}

/// The likeliest answer when escalated: for the person who decides, not for a machine to act on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Guess {
    /// As a person reads it, in the question's language.
    pub answer: String,
    /// Of a choice; null for free text.
    pub code: Option<u16>,
}

impl Guess {
    /// The model's own answer, given or only guessed; `None` where it wrote none.
    pub fn of(recorded: &RecordedAnswer) -> Option<Self> {
        (!recorded.label.is_empty()).then(|| Self { answer: recorded.label.clone(), code: recorded.code })
    }
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

/// Declares the names that a closed set of the domain has in JSON.
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

        impl From<$name> for $of {
            fn from(value: $name) -> Self {
                match value { $($name::$variant => Self::$variant),+ }
            }
        }
    };
}

named!(/** A confidence in words. */ BandName of Band { High, Medium, Low });
named!(/** How an answer came about. */ ModeName of Mode { AnswerFirst, ThinkFirst });
named!(/** Why a person is asked. */ ReasonName of Reason {
    Unsure, OutOfScope, ThinkingFailed, NoAnswer, Contradiction, MissingReading, UnknownReading, DoubleReading, ForeignUnit,
    BadQuality, Negated, OutOfRange, AmbiguousNumber, UnreadableReading, WrongCount, TooFine
});

/// [`Decision`] in JSON; its reason stands beside it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum DecisionName {
    /// The model's answer is given.
    Answered,
    /// A person must look.
    Escalated,
}

/// The answer of an escalated question.
pub fn ask_a_person(language: Language) -> &'static str {
    match language {
        Language::En => "ask a person",
        Language::Ja => "人に確認してください",
    }
}
