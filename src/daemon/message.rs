//! What the gateway says of a case, as JSON. Made from the journal's record alone, so that the same answer, sent again, is the same
//! to the byte.

use std::time::{Duration, SystemTime};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::student::NOT_LOADED;
use crate::bundle::manifest::{Answers, Task};
use crate::bundle::{Bundle, CODE_ASK_A_PERSON};
use crate::domain::{Decision, Language, Reason};
use crate::reply::{AgreementRecord, BandName, Guess, ModeName, ReasonName, ask_a_person, milliseconds, round};
use crate::store::{Case, Judgement, Outcome, Reasons, Recorded};
use crate::wire;

/// Of the message's form; grows only where an old reader would be misled.
pub const VERSION: u32 = 1;
/// Of the reason why there is no answer, where there is room for little more: its beginning says most.
const SHORT_CHARS: usize = 40;
/// 2026 begins; since 1970. A box without a battery for its clock wakes up in 1970, or when its system was built.
const FIRST_GATEWAY: Duration = Duration::from_secs(1_767_225_600);

/// An answer, or why there is none.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Message {
    /// Of this form; grows only where an old reader would be misled.
    pub v: u32,
    /// Who asked.
    pub client: String,
    /// The asker's name for the question.
    pub id: String,
    /// 0 is the student's answer; a person's are counted from 1, and the greatest one stands.
    pub rev: u32,
    /// What kind of word this is.
    pub state: State,
    /// The task that was asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub task: Option<String>,
    /// What is said about it.
    #[serde(flatten)]
    pub said: Said,
}

impl Message {
    /// The same in as few words as a machine can act on. Of an answer that is state and code; of the rest, why it is no more.
    pub fn in_short(&self) -> Self {
        let error = match (&self.said.error, &self.said.rationale) {
            (Some(error), _) => Some(error.chars().take(SHORT_CHARS).collect()),
            (None, Some(_)) => Some("the broker takes no message that long".to_owned()),
            (None, None) => None,
        };
        let said = Said { code: self.said.code, error, ..Said::default() };
        Self {
            v: self.v,
            client: self.client.clone(),
            id: self.id.clone(),
            rev: self.rev,
            state: self.state,
            task: None,
            said,
        }
    }
}

/// What kind of word a message is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// The student's answer stands.
    Answered,
    /// A person is asked; another message follows when they have decided.
    Pending,
    /// A person has decided.
    Reviewed,
    /// The question's time ran out before it was answered.
    Expired,
    /// The student could not answer.
    Error,
}

/// The parts of a message that its state decides.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Said {
    /// As a person reads it, in the question's language.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub answer: Option<String>,
    /// What a PLC acts on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<u16>,
    /// How likely the student's answer is right, 0 to 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub confidence: Option<f64>,
    /// The same in words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub band: Option<BandName>,
    /// Why a person is asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<ReasonName>,
    /// The student's likeliest answer where none stands.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub guess: Option<Guess>,
    /// How the student's answer came about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mode: Option<ModeName>,
    /// From the question's text to the student's verdict.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub time_to_answer_ms: Option<f64>,
    /// Name and version of the student's bundle.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub student: Option<String>,
    /// What the person said of the student's answer: right, wrong, unclear.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub verdict: Option<String>,
    /// What the student wrote for its answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rationale: Option<String>,
    /// Does it lead to the answer?
    #[serde(skip_serializing_if = "Option::is_none")]
    pub agreement: Option<AgreementRecord>,
    /// Why there is no answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// The same for a serial line.
    #[serde(skip)]
    pub refused: Option<wire::Reason>,
}

/// The gateway's retained status.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Status {
    /// Of this form; grows only where an old reader would be misled.
    pub v: u32,
    /// The gateway's name.
    pub gateway: String,
    /// Grows with every start, so that a late word of an earlier one is known for what it is.
    pub session: u64,
    /// Is it there?
    pub state: Presence,
    /// Name and version of the student, if it is loaded.
    pub student: Option<String>,
    /// Has the box's clock been set?
    #[serde(default)]
    pub clock: Clock,
    /// Since the start.
    pub uptime_s: u64,
    /// While the gateway lives, a new status comes at least so often.
    pub heartbeat_s: u64,
    /// What it has counted since the start.
    pub counts: Counts,
}

/// Has the box's clock been set since it was switched on? Only the dates of cases and reviews depend on it, and whether the broker's
/// certificate is believed; no order and no deadline does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Clock {
    /// As far as is known.
    #[default]
    Set,
    /// It stands before the first gateway was made.
    Unset,
}

impl Clock {
    /// What a clock that shows this time is.
    pub fn showing(now: SystemTime) -> Self {
        let since = now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        if since < FIRST_GATEWAY { Self::Unset } else { Self::Set }
    }
}

/// Is the gateway there?
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Presence {
    /// It is.
    Online,
    /// It was stopped.
    Stopped,
    /// It is gone without a word; the broker says so in its name.
    Offline,
}

/// What the gateway has counted since it started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Counts {
    /// New questions.
    pub received: u64,
    /// Questions that came again.
    pub repeated: u64,
    /// Answers that stand.
    pub answered: u64,
    /// Questions that a person was asked about.
    pub escalated: u64,
    /// Questions whose time ran out.
    pub expired: u64,
    /// Questions that the student failed at.
    pub failed: u64,
    /// Answers and rationales that reached their asker.
    pub delivered: u64,
}

/// One revision of the reply to a case; `None` where the case has no such revision. A rationale follows in a message of its own: the
/// answer does not wait for it. The bundle says what a person's answer is called and coded.
pub fn reply(case: &Case, revision: u32, bundle: Option<&Bundle>) -> Option<Message> {
    let language = Language::of(&case.asked.question);
    let (state, said) = match (case.outcome.as_ref()?, revision) {
        (Outcome::Answered(recorded), 0) => (state(recorded), of_student(recorded, language)),
        (Outcome::Expired, 0) => (State::Expired, Said::default()),
        (Outcome::Failed(why), 0) => {
            let refused = Some(if why == NOT_LOADED { wire::Reason::NotReady } else { wire::Reason::Failed });
            (State::Error, Said { error: Some(why.clone()), refused, ..Said::default() })
        }
        (outcome, _) => {
            let review = case.reviews.iter().find(|review| review.number == revision)?;
            let judgement = &review.resolved.as_ref()?.judgement;
            let task = bundle.and_then(|bundle| bundle.task(&case.asked.task).ok());
            (State::Reviewed, of_person(judgement, outcome, task, language))
        }
    };
    Some(around(case, revision, state, said))
}

/// The rationale of the student's answer.
pub fn rationale(case: &Case) -> Option<Message> {
    let Some(Outcome::Answered(recorded)) = &case.outcome else { return None };
    let said = with(of_student(recorded, Language::of(&case.asked.question)), case.rationale());
    Some(around(case, 0, state(recorded), said))
}

/// Why a question was not taken; it has no case.
pub fn refusal(client: &str, id: &str, why: &str, refused: wire::Reason) -> Message {
    let said = Said { error: Some(why.to_owned()), refused: Some(refused), ..Said::default() };
    let (client, id) = (client.to_owned(), id.to_owned());
    Message { v: VERSION, client, id, rev: 0, state: State::Error, task: None, said }
}

fn around(case: &Case, rev: u32, state: State, said: Said) -> Message {
    let asked = &case.asked;
    Message {
        v: VERSION,
        client: asked.client.clone(),
        id: asked.request.clone(),
        rev,
        state,
        task: Some(asked.task.clone()),
        said,
    }
}

fn state(recorded: &Recorded) -> State {
    match recorded.decision {
        Decision::Answered => State::Answered,
        Decision::Escalated(_) => State::Pending,
    }
}

fn of_student(recorded: &Recorded, language: Language) -> Said {
    let own = Guess { answer: recorded.label.clone(), code: recorded.code };
    let (answer, code, reason, guess) = match recorded.decision {
        Decision::Answered => (own.answer, own.code, None, None),
        Decision::Escalated(reason) => {
            // That it cannot judge the question is no guess at an answer.
            let guess = Some(own).filter(|own| !own.answer.is_empty() && reason != Reason::OutOfScope);
            (ask_a_person(language).to_owned(), Some(CODE_ASK_A_PERSON), Some(reason.into()), guess)
        }
    };
    Said {
        answer: Some(answer),
        code,
        confidence: Some(round(recorded.confidence.value(), 4)),
        band: Some(recorded.band.into()),
        reason,
        guess,
        mode: Some(recorded.mode.into()),
        time_to_answer_ms: Some(milliseconds(recorded.time_to_answer)),
        student: Some(recorded.student.to_string()),
        ..Said::default()
    }
}

fn of_person(judgement: &Judgement, outcome: &Outcome, task: Option<&Task>, language: Language) -> Said {
    let a_persons = (Some(ask_a_person(language).to_owned()), Some(CODE_ASK_A_PERSON));
    let (verdict, (answer, code)) = match (judgement, outcome) {
        (Judgement::Right, Outcome::Answered(recorded)) => match recorded.decision {
            Decision::Escalated(Reason::OutOfScope) => ("right", a_persons), // it is, and no machine may act on it
            _ => ("right", (Some(recorded.label.clone()), recorded.code)),
        },
        (Judgement::Right, _) => ("right", (None, None)),
        (Judgement::Wrong(correction), _) => {
            let choice = task.and_then(|task| match &task.answers {
                Answers::Choices(choices) => choices.iter().find(|choice| choice.text == *correction),
                Answers::Free(_) => None,
            });
            match choice {
                Some(choice) if choice.abstains => ("wrong", a_persons),
                Some(choice) => ("wrong", (Some(choice.label.in_language(language).to_owned()), Some(choice.code))),
                None => ("wrong", (Some(correction.clone()), None)),
            }
        }
        (Judgement::Unclear, _) => ("unclear", (None, None)),
    };
    Said { verdict: Some(verdict.to_owned()), answer, code, ..Said::default() }
}

fn with(said: Said, reasons: Option<&Reasons>) -> Said {
    Said {
        rationale: reasons.map(|reasons| reasons.text.clone()),
        agreement: reasons.and_then(|reasons| reasons.agreement).map(AgreementRecord::from),
        ..said
    }
}
