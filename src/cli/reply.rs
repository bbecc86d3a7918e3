//! An answer as it leaves the program: a JSON record, or words in the language of the question.

use std::time::Duration;

use serde::Serialize;

use crate::bundle::manifest::{Answers, Choice, Task};
use crate::bundle::{Bundle, CODE_ASK_A_PERSON};
use crate::domain::{Answer, Band, Decision, Language, Mode, Reason};
use crate::engine::{AskError, Model};
use crate::pipeline::{Answered, Explained};

/// One answer, as a machine reads it. Field by field in README.
#[derive(Debug, Serialize)]
pub struct Reply {
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<serde_json::Value>,
    task: String,
    answer: String,
    /// Null for free text.
    code: Option<u16>,
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

/// The likeliest answer where none stands: for the person who decides, not for a machine to act on.
#[derive(Debug, Serialize)]
struct Guess {
    answer: String,
    code: Option<u16>,
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

    fn unexplained<M>(id: Option<serde_json::Value>, answered: &Answered<'_, M>, bundle: &Bundle, task: &Task) -> Self {
        let verdict = &answered.verdict;
        let choice = choice(verdict.answer.as_ref(), task);
        let label = label(verdict.answer.as_ref(), task, answered.language);
        let code = choice.map(|choice| choice.code);
        let (answer, code, decision, reason, guess) = match verdict.decision {
            Decision::Answered => (label.unwrap_or_default(), code, "answered", None, None),
            Decision::Escalated(reason) => (
                words(answered.language).person.to_owned(),
                Some(CODE_ASK_A_PERSON),
                "escalated",
                Some(reason),
                label.filter(|_| choice.is_none_or(|choice| !choice.person)).map(|answer| Guess { answer, code }),
            ),
        };
        Self {
            id,
            task: task.id.clone(),
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
                Reason::NoAnswer => "no_answer",
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
pub fn in_words<M>(answered: &Answered<'_, M>, bundle: &Bundle, task: &Task) -> String {
    let words = words(answered.language);
    let verdict = &answered.verdict;
    let label = label(verdict.answer.as_ref(), task, answered.language);
    let escalated = |why: &str| format!("{} — {why}", words.person);
    let guessed = |why: &str| {
        escalated(why) + &label.as_ref().map_or_else(String::new, |label| format!("{}{label}", words.best_guess))
    };
    let first = match verdict.decision {
        Decision::Answered => label.unwrap_or_default(),
        Decision::Escalated(Reason::OutOfScope) => {
            escalated(words.out_of_scope) + &other_tasks(&bundle.manifest.tasks, task, answered.language)
        }
        Decision::Escalated(Reason::Unsure) => guessed(words.unsure),
        Decision::Escalated(Reason::ThinkingFailed) => guessed(words.thinking_failed),
        Decision::Escalated(Reason::NoAnswer) => guessed(words.no_answer),
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

/// A line below an answer that was out of scope: which task was asked, and how to name another. Nothing if there is none.
fn other_tasks(tasks: &[Task], asked: &Task, language: Language) -> String {
    let others: Vec<&str> = tasks.iter().map(|task| task.id.as_str()).filter(|id| *id != asked.id).collect();
    if others.is_empty() {
        return String::new();
    }
    let (asked, others) = (&asked.id, others.join(", "));
    match language {
        Language::En => {
            format!("\n  hint: asked as task {asked}; name another with --task: {others}")
        }
        Language::Ja => {
            format!("\n  ヒント: タスク {asked} として質問しました。他のタスクは --task で指定: {others}")
        }
    }
}

/// What stands in the place of a rationale where there was no answer.
pub fn nothing_to_explain(language: Language) -> &'static str {
    words(language).nothing_to_explain
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

fn choice<'t>(answer: Option<&Answer>, task: &'t Task) -> Option<&'t Choice> {
    match (answer, &task.answers) {
        (Some(Answer::Choice(choice)), Answers::Choices(choices)) => choices.get(*choice),
        _ => None,
    }
}

/// An answer as a person reads it: the label of a choice, or the text itself.
fn label(answer: Option<&Answer>, task: &Task, language: Language) -> Option<String> {
    match answer? {
        Answer::Choice(_) => choice(answer, task).map(|choice| choice.label.in_language(language).to_owned()),
        Answer::Text(text) => Some(text.clone()),
    }
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
    no_answer: &'static str,
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
    nothing_to_explain: &'static str,
}

fn words(language: Language) -> &'static Words {
    match language {
        Language::En => &Words {
            person: "ask a person",
            out_of_scope: "this question is outside what the student can judge",
            unsure: "not sure enough",
            thinking_failed: "the student's thinking came to no end",
            no_answer: "the student wrote no answer",
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
            nothing_to_explain: "why: without an answer there are no reasons",
        },
        Language::Ja => &Words {
            person: "人に確認してください",
            out_of_scope: "この質問は生徒が判定できる範囲の外です",
            unsure: "確信が足りません",
            thinking_failed: "思考がまとまりませんでした",
            no_answer: "生徒は答えを書けませんでした",
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
            nothing_to_explain: "理由: 答えがないため、理由もありません",
        },
    }
}
