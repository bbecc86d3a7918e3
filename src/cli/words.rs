//! An answer in words, in the language of the question.

use crate::api::answer::{ask_a_person, label};
use crate::api::milliseconds;
use crate::bundle::Bundle;
use crate::bundle::manifest::Task;
use crate::domain::{Band, Decision, Language, Mode, Reason};
use crate::pipeline::{Answered, Explained};

/// An answer in words: what to do first, how sure and how fast after it.
pub fn in_words<M>(answered: &Answered<'_, M>, bundle: &Bundle, task: &Task) -> String {
    let words = words(answered.language);
    let verdict = &answered.verdict;
    let label = label(verdict.answer.as_ref(), task, answered.language);
    let escalated = |why: &str| format!("{} — {why}", ask_a_person(answered.language));
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

/// What a person on the floor reads around an answer.
struct Words {
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
