//! A message of the gateway as a frame's answer or a line. Pure.
//!
//! Where a person is asked, the label says so: it is the sentence why, or the call for a person, with the guess behind it. The guess's code and
//! the confidence in it, and the code of the reason, stand apart.

use crate::api::answer::{Message, State, ask_a_person};
use crate::domain::{Language, Reason};
use crate::wire::line::{self, Encoding};
use crate::wire::{self, Answer, CODE_ASK_A_PERSON, CODE_TEXT, Confidence, Escalation, RequestId, Text};

/// From this version on a frame's answer says why a person is asked.
const ESCALATIONS_FROM: u8 = 2;

/// What an answer says, in memory of its own.
pub struct Said {
    code: u16,
    state: wire::State,
    confidence: u16,
    revision: u16,
    escalation: Option<Escalation>,
    label: String,
    /// In the place of `label`, for a client that knows no escalation.
    label_of_old: Option<String>,
}

/// Why there is no answer, as a code.
pub fn refused(message: &Message) -> Option<wire::Reason> {
    match message.state {
        State::Expired => Some(wire::Reason::Expired),
        State::Error => Some(message.body.refused.unwrap_or(wire::Reason::Failed)),
        State::Answered | State::Pending | State::Reviewed => None,
    }
}

/// What a message says that is no refusal.
pub fn said(message: &Message) -> Said {
    let body = &message.body;
    let revision = u16::try_from(message.rev).unwrap_or(u16::MAX);
    let confidence = (body.confidence.unwrap_or(0.0).clamp(0.0, 1.0) * f64::from(Confidence::MAX)) as u16;
    let answer = body.answer.clone().unwrap_or_default();
    if message.state == State::Pending {
        let guess = body.guess.as_ref();
        let language = Language::of(&answer);
        let why = body.detail.clone().unwrap_or_else(|| ask_a_person(language).to_owned());
        return Said {
            code: CODE_ASK_A_PERSON,
            state: wire::State::PendingAPerson,
            confidence: if guess.is_some() { confidence } else { 0 },
            revision,
            escalation: Some(Escalation {
                reason: body.reason.map_or(0, |reason| Reason::from(reason).code()),
                guess: guess.map_or(CODE_ASK_A_PERSON, |guess| guess.code.unwrap_or(CODE_TEXT)),
            }),
            label: match (guess, language) {
                (None, _) => why.clone(),
                (Some(guess), Language::En) => format!("{why} (guess: {})", guess.answer),
                (Some(guess), Language::Ja) => format!("{why}（推定：{}）", guess.answer),
            },
            label_of_old: Some(guess.map_or(why, |guess| guess.answer.clone())),
        };
    }
    let (code, confidence, label) = match (body.verdict.as_deref(), message.state) {
        // What nobody could say stays escalated; of what language the question was is not known any more.
        (Some("unclear"), _) => {
            let both = [Language::En, Language::Ja].map(ask_a_person).join(" / ");
            (CODE_ASK_A_PERSON, 0, both)
        }
        (_, State::Reviewed) => (body.code.unwrap_or(CODE_TEXT), Confidence::MAX, answer),
        _ => (body.code.unwrap_or(CODE_TEXT), confidence, answer),
    };
    let state = wire::State::Answered;
    Said { code, state, confidence, revision, escalation: None, label, label_of_old: None }
}

impl Said {
    /// As a frame for a client that speaks this version.
    pub fn answer(&self, request: RequestId, version: u8) -> Answer<'_> {
        let knows = version >= ESCALATIONS_FROM;
        let label = self.label_of_old.as_ref().filter(|_| !knows).unwrap_or(&self.label);
        let (label, label_cut) = Text::cut(label);
        Answer {
            code: self.code,
            state: self.state,
            confidence: Confidence::new(self.confidence).expect("at most the greatest"),
            revision: self.revision,
            escalation: self.escalation.filter(|_| knows),
            label_cut,
            request,
            label,
        }
    }
}

/// As a line, with the device's own number where lines are numbered.
pub fn answer_line(number: Option<u32>, message: &Message, encoding: Encoding) -> Vec<u8> {
    let request = RequestId::new(&[0]).expect("one byte"); // a line has none
    line::answer(number, &said(message).answer(request, ESCALATIONS_FROM), encoding)
}
