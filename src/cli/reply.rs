//! An answer as it leaves the program: a JSON record, or words in the language of the question.

use std::time::Duration;

use serde::Serialize;

use crate::bundle::manifest::Choice;
use crate::bundle::{Bundle, CODE_ASK_A_PERSON};
use crate::domain::{Band, Decision, Language, Mode, Reason};
use crate::engine::{AskError, Model};
use crate::pipeline::{Answered, Explained};

/// One answer, as a machine reads it. Field by field in README.
#[derive(Debug, Serialize)]
pub struct Reply {
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<serde_json::Value>,
    answer: String,
    code: u16,
    confidence: f64,
    band: &'static str,
    decision: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    guess: Option<Guess>,
    mode: &'static str,
    tokens: usize,
    time_to_answer_ms: f64,
    student: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    rationale: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    agreement: Option<AgreementRecord>,
    #[serde(skip_serializing_if = "Option::is_none")]
    time_to_rationale_ms: Option<f64>,
}

/// The likeliest choice where no answer stands: for the person who decides, not for a machine to act on.
#[derive(Debug, Serialize)]
struct Guess {
    answer: String,
    code: u16,
}

#[derive(Debug, Serialize)]
struct AgreementRecord {
    agrees: bool,
    strength: f64,
}

impl Reply {
    /// The record of an answer; with its rationale if `explain`.
    pub fn new<M: Model>(
        id: Option<serde_json::Value>,
        answered: Answered<'_, M>,
        bundle: &Bundle,
        explain: bool,
    ) -> Result<Self, AskError> {
        let reply = Self::unexplained(id, &answered, bundle);
        Ok(if explain { reply.with(answered.explain()?) } else { reply })
    }

    fn unexplained<M>(id: Option<serde_json::Value>, answered: &Answered<'_, M>, bundle: &Bundle) -> Self {
        let verdict = &answered.verdict;
        let choice = &bundle.task().choices[verdict.choice];
        let label = label(choice, answered.language);
        let (answer, code, decision, reason, guess) = match verdict.decision {
            Decision::Answered => (label, choice.code, "answered", None, None),
            Decision::Escalated(reason) => (
                words(answered.language).person.to_owned(),
                CODE_ASK_A_PERSON,
                "escalated",
                Some(reason),
                (!choice.person).then_some(Guess { answer: label, code: choice.code }),
            ),
        };
        Self {
            id,
            answer,
            code,
            confidence: round(verdict.confidence.value(), 4),
            band: match verdict.band {
                Band::High => "high",
                Band::Medium => "medium",
                Band::Low => "low",
            },
            decision,
            reason: reason.map(|reason| match reason {
                Reason::OutOfScope => "out_of_scope",
                Reason::Unsure => "unsure",
                Reason::ThinkingFailed => "thinking_failed",
            }),
            guess,
            mode: match verdict.mode {
                Mode::AnswerFirst => "answer_first",
                Mode::ThinkFirst => "think_first",
            },
            tokens: answered.tokens,
            time_to_answer_ms: milliseconds(answered.time_to_answer),
            student: bundle.student(),
            rationale: None,
            agreement: None,
            time_to_rationale_ms: None,
        }
    }

    fn with(self, explained: Explained) -> Self {
        Self {
            agreement: explained
                .agreement
                .map(|found| AgreementRecord { agrees: found.agrees, strength: round(found.strength.value(), 4) }),
            time_to_rationale_ms: Some(milliseconds(explained.time_to_rationale)),
            rationale: Some(explained.rationale.text),
            ..self
        }
    }
}

/// An answer in words: what to do first, how sure and how fast after it.
pub fn in_words<M>(answered: &Answered<'_, M>, bundle: &Bundle) -> String {
    let words = words(answered.language);
    let verdict = &answered.verdict;
    let choice = &bundle.task().choices[verdict.choice];
    let label = label(choice, answered.language);
    let first = match verdict.decision {
        Decision::Answered => label,
        Decision::Escalated(Reason::OutOfScope) => format!("{} — {}", words.person, words.out_of_scope),
        Decision::Escalated(reason) => {
            let why = if reason == Reason::Unsure { words.unsure } else { words.thinking_failed };
            format!("{} — {why}{}{label}", words.person, words.best_guess)
        }
    };
    let band = match verdict.band {
        Band::High => words.high,
        Band::Medium => words.medium,
        Band::Low => words.low,
    };
    let mode = match verdict.mode {
        Mode::AnswerFirst => words.answer_first,
        Mode::ThinkFirst => words.think_first,
    };
    format!(
        "{first}\n  {}: {} ({band})\n  {}: {:.1} ms, {mode}\n  {}: {}",
        words.confidence,
        verdict.confidence,
        words.time,
        milliseconds(answered.time_to_answer),
        words.student,
        bundle.student(),
    )
}

/// A rationale in words.
pub fn rationale_in_words(explained: &Explained, language: Language) -> String {
    let words = words(language);
    let agreement = match explained.agreement {
        Some(found) if found.agrees => format!("{} ({})", words.agrees, found.strength),
        Some(found) => format!("{} ({})", words.disagrees, found.strength),
        None => words.broken.to_owned(),
    };
    format!(
        "{}: {}\n  {}\n  {}: {:.1} ms",
        words.why,
        explained.rationale.text,
        agreement,
        words.rationale_time,
        milliseconds(explained.time_to_rationale)
    )
}

fn label(choice: &Choice, language: Language) -> String {
    choice.label.in_language(language).to_owned()
}

fn milliseconds(time: Duration) -> f64 {
    round(time.as_secs_f64() * 1e3, 3)
}

fn round(value: f64, decimals: i32) -> f64 {
    let scale = 10_f64.powi(decimals);
    (value * scale).round() / scale
}

/// What a person on the floor reads around an answer.
struct Words {
    person: &'static str,
    out_of_scope: &'static str,
    unsure: &'static str,
    thinking_failed: &'static str,
    best_guess: &'static str,
    confidence: &'static str,
    high: &'static str,
    medium: &'static str,
    low: &'static str,
    time: &'static str,
    answer_first: &'static str,
    think_first: &'static str,
    student: &'static str,
    why: &'static str,
    agrees: &'static str,
    disagrees: &'static str,
    broken: &'static str,
    rationale_time: &'static str,
}

fn words(language: Language) -> &'static Words {
    match language {
        Language::En => &Words {
            person: "ask a person",
            out_of_scope: "this question is outside what the student can judge",
            unsure: "not sure enough",
            thinking_failed: "the student's thinking came to no end",
            best_guess: "; best guess: ",
            confidence: "confidence",
            high: "high",
            medium: "medium",
            low: "low",
            time: "time to answer",
            answer_first: "answer first",
            think_first: "thought first",
            student: "student",
            why: "why",
            agrees: "the reasons lead to this answer",
            disagrees: "CAUTION: the reasons do not lead to this answer",
            broken: "CAUTION: the reasons are incomplete",
            rationale_time: "time to rationale",
        },
        Language::Ja => &Words {
            person: "人に確認してください",
            out_of_scope: "この質問は生徒が判定できる範囲の外です",
            unsure: "確信が足りません",
            thinking_failed: "思考がまとまりませんでした",
            best_guess: "。最有力の推測: ",
            confidence: "確信度",
            high: "高",
            medium: "中",
            low: "低",
            time: "回答時間",
            answer_first: "即答",
            think_first: "考えてから回答",
            student: "生徒",
            why: "理由",
            agrees: "理由はこの答えと一致します",
            disagrees: "注意: 理由はこの答えと一致しません",
            broken: "注意: 理由が途中で終わっています",
            rationale_time: "理由の作成時間",
        },
    }
}
