//! An answer as text for a person, in the language of the question.

use std::time::Duration;

use crate::api::answer::ask_a_person;
use crate::bundle::Bundle;
use crate::bundle::manifest::Task;
use crate::domain::{Band, Decision, Language, Mode, Reason, Verdict};
use crate::pipeline::{Answered, Explained};

/// The answer or the call for a person; below it how sure, how fast, and which model.
pub fn in_words<M>(answered: &Answered<'_, M>, bundle: &Bundle, task: &Task) -> String {
    let words = words(answered.language);
    let verdict = &answered.verdict;
    let label = verdict.answer.as_ref().and_then(|answer| task.label(answer, answered.language));
    let abstains = verdict.answer.as_ref().and_then(|answer| task.choice(answer)).is_some_and(|choice| choice.abstains);
    let guess = label.filter(|_| !abstains);
    let escalated = |reason: &str| format!("{} — {reason}", ask_a_person(answered.language));
    let guessed = |reason: &str| {
        escalated(reason) + &guess.map_or_else(String::new, |guess| format!("{}{guess}", words.best_guess))
    };
    let first = match verdict.decision {
        Decision::Answered => label.unwrap_or_default().to_owned(),
        Decision::Escalated(Reason::OutOfScope) => {
            escalated(words.out_of_scope) + &other_tasks(&bundle.manifest.tasks, task, answered.language)
        }
        Decision::Escalated(Reason::Unsure) => guessed(words.unsure),
        Decision::Escalated(Reason::ThinkingFailed) => guessed(words.thinking_failed),
        Decision::Escalated(Reason::NoAnswer) => guessed(words.no_answer),
        Decision::Escalated(Reason::Contradiction) => guessed(words.contradiction),
        Decision::Escalated(reason) => {
            let said = escalated(verdict.detail.as_deref().unwrap_or(words.unread));
            // Perhaps another task reads what this one misses.
            match reason {
                Reason::MissingReading | Reason::UnknownReading => {
                    said + &other_tasks(&bundle.manifest.tasks, task, answered.language)
                }
                _ => said,
            }
        }
    };
    let mode = match verdict.mode {
        Mode::AnswerFirst => words.answer_first,
        Mode::ThinkFirst => words.think_first,
    };
    let sure = how_sure(verdict, abstains, words).map_or_else(String::new, |sure| format!("\n  {sure}"));
    format!(
        "{first}{sure}\n  {}: {}, {mode}\n  {}: {}",
        words.time,
        milliseconds(answered.time_to_answer),
        words.model,
        bundle.student(),
    )
}

/// The confidence, and what it is about: an escalated question must not look like a sure answer. `abstains`: the
/// likeliest choice is an abstaining one. `None` without an answer.
fn how_sure(verdict: &Verdict, abstains: bool, words: &Words) -> Option<String> {
    let confidence = verdict.confidence;
    verdict.answer.as_ref()?;
    Some(match verdict.decision {
        Decision::Answered => {
            let band = match verdict.band {
                Band::High => words.high,
                Band::Medium => words.medium,
                Band::Low => words.low,
            };
            format!("{}: {confidence} ({band})", words.confidence)
        }
        Decision::Escalated(_) if abstains => format!("{}: {confidence}", words.confidence_out_of_scope),
        Decision::Escalated(_) => format!("{}: {confidence}", words.confidence_of_guess),
    })
}

fn milliseconds(time: Duration) -> String {
    format!("{:.1} ms", time.as_secs_f64() * 1e3)
}

/// A line below an escalation as out of scope: which task was asked, and how to choose another. Empty if there is no
/// other.
fn other_tasks(tasks: &[Task], asked: &Task, language: Language) -> String {
    let others: Vec<&str> = tasks.iter().map(|task| task.id.as_str()).filter(|id| *id != asked.id).collect();
    if others.is_empty() {
        return String::new();
    }
    let (asked, others) = (&asked.id, others.join(", "));
    match language {
        Language::En => {
            format!("\n  hint: asked as task {asked}; choose another with --task: {others}")
        }
        Language::Ja => {
            format!("\n  ヒント: タスク {asked} として質問しました。他のタスクは --task で指定: {others}")
        }
    }
}

/// In the place of a rationale, if there was no answer.
pub fn nothing_to_explain(language: Language) -> &'static str {
    words(language).nothing_to_explain
}

/// A rationale, and whether it leads to the answer.
pub fn rationale_in_words(explained: &Explained, language: Language) -> String {
    let words = words(language);
    let agreement = match explained.agreement {
        Some(found) if found.agrees => format!("{} ({} {})", words.agrees, words.strength, found.strength),
        Some(found) => format!("{} ({} {})", words.disagrees, words.strength, found.strength),
        None => words.incomplete.to_owned(),
    };
    format!(
        "{}: {}\n  {}\n  {}: {}",
        words.rationale,
        explained.rationale.text,
        agreement,
        words.rationale_time,
        milliseconds(explained.time_to_rationale)
    )
}

/// The texts around an answer.
struct Words {
    out_of_scope: &'static str,
    unsure: &'static str,
    thinking_failed: &'static str,
    no_answer: &'static str,
    contradiction: &'static str,
    unread: &'static str,
    best_guess: &'static str,
    confidence: &'static str,
    confidence_of_guess: &'static str,
    confidence_out_of_scope: &'static str,
    high: &'static str,
    medium: &'static str,
    low: &'static str,
    time: &'static str,
    answer_first: &'static str,
    think_first: &'static str,
    model: &'static str,
    rationale: &'static str,
    agrees: &'static str,
    disagrees: &'static str,
    strength: &'static str,
    incomplete: &'static str,
    rationale_time: &'static str,
    nothing_to_explain: &'static str,
}

fn words(language: Language) -> &'static Words {
    match language {
        Language::En => &Words {
            out_of_scope: "this question is outside what the model can judge",
            unsure: "not sure enough",
            thinking_failed: "the model could not finish its reasoning",
            no_answer: "the model wrote no answer",
            contradiction: "the model's reasoning led to another answer than its first one",
            unread: "the readings are not clear",
            best_guess: "; best guess: ",
            confidence: "confidence",
            confidence_of_guess: "confidence of the best guess",
            confidence_out_of_scope: "sure that it is out of scope",
            high: "high",
            medium: "medium",
            low: "low",
            time: "time to answer",
            answer_first: "answer first",
            think_first: "thought first",
            model: "model",
            rationale: "rationale",
            agrees: "the rationale leads to this answer",
            disagrees: "CAUTION: the rationale does not lead to this answer",
            strength: "strength",
            incomplete: "CAUTION: the rationale is incomplete",
            rationale_time: "time to rationale",
            nothing_to_explain: "rationale: none, because there is no answer",
        },
        Language::Ja => &Words {
            out_of_scope: "この質問はモデルが判定できる範囲の外です",
            unsure: "確信が足りません",
            thinking_failed: "モデルの推論が途中で終わりました",
            no_answer: "モデルは答えを出せませんでした",
            contradiction: "推論の結果が最初の答えと違いました",
            unread: "測定値を確実に読み取れません",
            best_guess: "。最有力の推測: ",
            confidence: "確信度",
            confidence_of_guess: "推測の確信度",
            confidence_out_of_scope: "範囲外とみる確信度",
            high: "高",
            medium: "中",
            low: "低",
            time: "回答時間",
            answer_first: "即答",
            think_first: "考えてから回答",
            model: "モデル",
            rationale: "理由",
            agrees: "理由はこの答えと一致します",
            disagrees: "注意: 理由はこの答えと一致しません",
            strength: "強さ",
            incomplete: "注意: 理由が途中で終わっています",
            rationale_time: "理由の作成時間",
            nothing_to_explain: "理由: 答えがないため、理由もありません",
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Answer, Confidence};

    fn sure(decision: Decision, answer: Option<Answer>, abstains: bool, language: Language) -> Option<String> {
        let (confidence, band) = (Confidence::new(0.9995).unwrap(), Band::High);
        how_sure(
            &Verdict { answer, confidence, band, decision, mode: Mode::AnswerFirst, detail: None },
            abstains,
            words(language),
        )
    }

    #[test]
    fn an_escalated_answer_does_not_look_sure() {
        for (decision, abstains, en, ja) in [
            (Decision::Answered, false, "confidence: 99.9 % (high)", "確信度: 99.9 % (高)"),
            (
                Decision::Escalated(Reason::OutOfScope),
                true,
                "sure that it is out of scope: 99.9 %",
                "範囲外とみる確信度: 99.9 %",
            ),
            (
                Decision::Escalated(Reason::Unsure),
                false,
                "confidence of the best guess: 99.9 %",
                "推測の確信度: 99.9 %",
            ),
            (
                Decision::Escalated(Reason::Unsure),
                true,
                "sure that it is out of scope: 99.9 %",
                "範囲外とみる確信度: 99.9 %",
            ),
        ] {
            for (language, says) in [(Language::En, en), (Language::Ja, ja)] {
                assert_eq!(sure(decision, Some(Answer::Choice(0)), abstains, language).as_deref(), Some(says));
            }
        }
        assert_eq!(sure(Decision::Escalated(Reason::NoAnswer), None, false, Language::En), None);
    }
}
