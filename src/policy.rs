//! Decides what becomes of a prediction: give the answer, think, or escalate. Pure; measures nothing.
//!
//! The cascade: the first answer is given if its confidence reaches the first threshold. Otherwise the model thinks,
//! and the scores of both predictions are pooled with weights fitted on the calibration split. If the two disagree, the
//! joint confidence is low by itself. The thresholds come with the bundle; the training toolkit chose them by
//! Learn-then-Test.
//!
//! Free text has no set to normalise over: its confidence is the probability of the text itself. With s1 and s2 the
//! scores of the first prediction and of the one after thinking, T the temperature, a and b the joint weights:
//!
//! ```text
//! answer-first                 exp(s1 / T)
//! both wrote the same text     exp(a s1 + b s2)
//! they wrote different texts   exp(b s2) (1 - exp(s1 / T)), for the second text
//! ```
//!
//! A prediction without an answer has confidence 0: the model thinks, or the question is escalated.
//!
//! Groups of questions have thresholds of their own: near a limit of what the task reads, or in one language. Where a thought
//! leads to another choice than the first answer, the first answer is never given.

use crate::bundle::manifest::{Answers, FirstCalibration, Group, Task, ThinkCalibration};
use crate::domain::{Answer, Band, Confidence, Decision, Language, Mode, Posterior, Prediction, Reason, Verdict};

/// Thresholds and weights of one task.
#[derive(Clone, Debug)]
pub struct Policy {
    /// Id of the task whose questions it judges.
    pub task: String,
    /// Scores of the first answer are divided by it.
    pub temperature: f64,
    /// A first answer of at least this confidence is given.
    pub first_threshold: f64,
    /// Weights of the first scores and of those after thinking in the joint posterior.
    pub joint_weights: (f64, f64),
    /// A joint answer of at least this confidence is given.
    pub think_threshold: f64,
    /// Where the high and the medium band begin.
    pub bands: (f64, f64),
    /// For each choice: does it abstain, so that the question is escalated? Empty for free text.
    pub abstains: Vec<bool>,
    /// The model thinks before it answers, however sure it is.
    pub think_first: bool,
    /// Policies of groups of questions; the first that fits is taken.
    pub groups: Vec<(GroupOf, Policy)>,
}

/// Which questions a group holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GroupOf {
    near_limit: Option<bool>,
    language: Option<Language>,
}

impl GroupOf {
    fn holds(self, near_limit: bool, language: Language) -> bool {
        self.near_limit.is_none_or(|near| near == near_limit) && self.language.is_none_or(|of| of == language)
    }
}

impl Policy {
    /// As the bundle's calibration says.
    pub fn of(task: &Task) -> Self {
        let calibration = &task.calibration;
        let base = Self {
            task: task.id.clone(),
            temperature: 1.0,
            first_threshold: 1.0,
            joint_weights: (0.0, 0.0),
            think_threshold: 1.0,
            bands: (calibration.bands.high, calibration.bands.medium),
            abstains: match &task.answers {
                Answers::Choices(choices) => choices.iter().map(|choice| choice.abstains).collect(),
                Answers::Free(_) => Vec::new(),
            },
            think_first: false,
            groups: Vec::new(),
        }
        .calibrated(&calibration.first, &calibration.think);
        let group = |group: &Group| {
            let of = GroupOf { near_limit: group.near_limit, language: group.language.map(|code| code.language()) };
            let policy = Self { think_first: group.think_first, ..base.clone() };
            (of, policy.calibrated(&group.first, &group.think))
        };
        Self { groups: calibration.groups.iter().map(group).collect(), ..base }
    }

    fn calibrated(self, first: &FirstCalibration, think: &ThinkCalibration) -> Self {
        Self {
            temperature: first.temperature,
            first_threshold: first.threshold,
            joint_weights: (think.first_weight, think.think_weight),
            think_threshold: think.threshold,
            ..self
        }
    }

    /// The policy of the group that a question is in.
    pub fn for_question(&self, near_limit: bool, language: Language) -> &Self {
        self.groups.iter().find(|(of, _)| of.holds(near_limit, language)).map_or(self, |(_, policy)| policy)
    }

    /// The same policy with one threshold for both predictions; the bundle's risk bound no longer holds.
    #[must_use]
    pub fn with_threshold(self, threshold: Confidence) -> Self {
        let groups = self.groups.into_iter().map(|(of, policy)| (of, policy.with_threshold(threshold))).collect();
        Self { first_threshold: threshold.value(), think_threshold: threshold.value(), groups, ..self }
    }

    /// Is a first answer of this confidence sure enough to need no thought?
    pub fn first_suffices(&self, confidence: Confidence) -> bool {
        !self.think_first && reached(self.first_threshold, confidence)
    }

    /// The verdict on the first answer alone; below the threshold it escalates, unless the caller thinks first.
    pub fn judge_first(&self, first: &Prediction) -> Verdict {
        let (answer, confidence) = match first {
            Prediction::Scores(first) => likeliest(first.0.iter().map(|score| score / self.temperature)),
            Prediction::Text(first) => match first.answer() {
                Some(text) => {
                    (Some(Answer::Text(text.to_owned())), Confidence::clamped((first.score / self.temperature).exp()))
                }
                None => (None, Confidence::clamped(0.0)),
            },
        };
        self.judge(answer, confidence, self.first_threshold, Mode::AnswerFirst)
    }

    /// The verdict on the first prediction and the one after thinking together. If thinking led to no answer, the first
    /// one is a guess, and the question is escalated.
    pub fn judge_joint(&self, first: &Prediction, thought: &Prediction) -> Verdict {
        let (a, b) = self.joint_weights;
        let (answer, confidence) = match (first, thought) {
            (Prediction::Scores(first), Prediction::Scores(thought)) => {
                likeliest(first.0.iter().zip(&thought.0).map(|(first, thought)| a * first + b * thought))
            }
            (Prediction::Text(once), Prediction::Text(thought)) if thought.answer().is_some() => {
                let confidence = if once.answer() == thought.answer() {
                    (a * once.score + b * thought.score).exp()
                } else {
                    (b * thought.score).exp() * (1.0 - self.judge_first(first).confidence.value())
                };
                (Some(Answer::Text(thought.text.clone())), Confidence::clamped(confidence))
            }
            _ => return self.as_guess(first, Reason::NoAnswer),
        };
        let verdict = self.judge(answer, confidence, self.think_threshold, Mode::ThinkFirst);
        if let (Prediction::Scores(first), Prediction::Scores(thought)) = (first, thought) {
            let (first, _) = likeliest(first.0.iter().copied());
            let (thought, _) = likeliest(thought.0.iter().copied());
            if first != thought && verdict.answer == first && verdict.decision == Decision::Answered {
                return Verdict { decision: Decision::Escalated(Reason::Contradiction), ..verdict };
            }
        }
        verdict
    }

    /// The verdict when the thought did not end: the first answer is a guess, and the question is escalated.
    pub fn thinking_failed(&self, first: &Prediction) -> Verdict {
        self.as_guess(first, Reason::ThinkingFailed)
    }

    fn as_guess(&self, first: &Prediction, reason: Reason) -> Verdict {
        Verdict { decision: Decision::Escalated(reason), mode: Mode::ThinkFirst, ..self.judge_first(first) }
    }

    fn judge(&self, answer: Option<Answer>, confidence: Confidence, threshold: f64, mode: Mode) -> Verdict {
        let decision = match answer {
            None => Decision::Escalated(Reason::NoAnswer),
            Some(_) if !reached(threshold, confidence) => Decision::Escalated(Reason::Unsure),
            Some(Answer::Choice(choice)) if self.abstains[choice] => Decision::Escalated(Reason::OutOfScope),
            Some(_) => Decision::Answered,
        };
        Verdict { answer, confidence, band: self.band(confidence), decision, mode, detail: None }
    }

    fn band(&self, confidence: Confidence) -> Band {
        let (high, medium) = self.bands;
        match confidence.value() {
            p if p >= high => Band::High,
            p if p >= medium => Band::Medium,
            _ => Band::Low,
        }
    }
}

/// A threshold of 1 says that no risk bound could be shown: nothing reaches it, not even a posterior that rounds to 1.
fn reached(threshold: f64, confidence: Confidence) -> bool {
    threshold < 1.0 && confidence.value() >= threshold
}

/// The likeliest choice by its pooled scores, and its probability.
fn likeliest(scores: impl Iterator<Item = f64>) -> (Option<Answer>, Confidence) {
    let posterior = Posterior::softmax(scores);
    let choice = posterior.likeliest();
    (Some(Answer::Choice(choice)), posterior.of(choice))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{GeneratedText, Scores};

    fn policy() -> Policy {
        Policy {
            task: "a task".to_owned(),
            temperature: 2.0,
            first_threshold: 0.9,
            joint_weights: (0.5, 1.0),
            think_threshold: 0.95,
            bands: (0.98, 0.8),
            abstains: vec![false, false, true],
            think_first: false,
            groups: Vec::new(),
        }
    }

    fn scores(values: [f64; 3]) -> Prediction {
        Prediction::Scores(Scores(values.to_vec()))
    }

    /// A free answer of this probability; an empty text is none.
    fn text(text: &str, probability: f64) -> Prediction {
        Prediction::Text(GeneratedText {
            tokens: vec![9],
            text: text.to_owned(),
            closed: true,
            score: probability.ln(),
        })
    }

    #[test]
    fn the_first_answer_is_judged_by_threshold_and_kind() {
        for (what, first, choice, decision, band) in [
            ("sure", [0.0, -20.0, -20.0], 0, Decision::Answered, Band::High),
            ("sure of the second", [-9.0, 0.0, -20.0], 1, Decision::Answered, Band::High),
            ("unsure", [0.0, -1.0, -20.0], 0, Decision::Escalated(Reason::Unsure), Band::Low),
            ("just unsure", [0.0, -4.0, -20.0], 0, Decision::Escalated(Reason::Unsure), Band::Medium),
            ("abstaining", [-20.0, -20.0, 0.0], 2, Decision::Escalated(Reason::OutOfScope), Band::High),
        ] {
            let verdict = policy().judge_first(&scores(first));
            assert_eq!(verdict.answer, Some(Answer::Choice(choice)), "{what}");
            assert_eq!((verdict.decision, verdict.band), (decision, band), "{what}");
            assert_eq!(verdict.mode, Mode::AnswerFirst);
        }
    }

    #[test]
    fn temperature_divides_the_scores() {
        let verdict = policy().judge_first(&scores([0.0, -2.0, f64::NEG_INFINITY]));
        let expected = 1.0 / (1.0 + (-1.0_f64).exp());
        assert!((verdict.confidence.value() - expected).abs() < 1e-12);
    }

    #[test]
    fn predictions_that_disagree_lower_the_joint_confidence() {
        let agree = policy().judge_joint(&scores([0.0, -1.0, -9.0]), &scores([0.0, -6.0, -9.0]));
        assert_eq!((agree.answer, agree.decision), (Some(Answer::Choice(0)), Decision::Answered));
        let disagree = policy().judge_joint(&scores([-6.0, 0.0, -9.0]), &scores([0.0, -3.5, -9.0]));
        assert_eq!(disagree.decision, Decision::Escalated(Reason::Unsure));
        assert!(disagree.confidence < agree.confidence);
    }

    #[test]
    fn where_the_thought_contradicts_the_first_answer_the_first_is_never_given() {
        let trusts_the_first = Policy { joint_weights: (5.0, 0.1), ..policy() };
        let contradicted = trusts_the_first.judge_joint(&scores([0.0, -9.0, -9.0]), &scores([-9.0, 0.0, -9.0]));
        assert_eq!((contradicted.answer, contradicted.confidence.value() > 0.99), (Some(Answer::Choice(0)), true));
        assert_eq!(contradicted.decision, Decision::Escalated(Reason::Contradiction));
        let trusts_the_thought = Policy { joint_weights: (0.1, 5.0), ..policy() };
        let corrected = trusts_the_thought.judge_joint(&scores([0.0, -9.0, -9.0]), &scores([-9.0, 0.0, -9.0]));
        assert_eq!((corrected.answer, corrected.decision), (Some(Answer::Choice(1)), Decision::Answered));
    }

    #[test]
    fn a_question_is_judged_by_the_first_group_that_holds_it() {
        let group = |near_limit, language, task: &str| {
            (GroupOf { near_limit, language }, Policy { task: task.to_owned(), think_first: true, ..policy() })
        };
        let grouped = Policy {
            groups: vec![group(Some(true), None, "near"), group(Some(false), Some(Language::Ja), "far, Japanese")],
            ..policy()
        };
        for (near, language, expected) in
            [(true, Language::En, "near"), (false, Language::Ja, "far, Japanese"), (false, Language::En, "a task")]
        {
            assert_eq!(grouped.for_question(near, language).task, expected);
        }
        let near = grouped.for_question(true, Language::En);
        assert!(!near.first_suffices(Confidence::new(1.0).unwrap()), "it thinks first, however sure");
        let forced = grouped.with_threshold(Confidence::new(0.5).unwrap());
        assert_eq!(forced.for_question(true, Language::En).think_threshold, 0.5);
    }

    #[test]
    fn a_low_threshold_forces_an_answer_but_no_abstaining_choice() {
        let forced = policy().with_threshold(Confidence::new(0.0).unwrap());
        assert_eq!(forced.judge_first(&scores([0.0, -0.1, -20.0])).decision, Decision::Answered);
        assert_eq!(forced.judge_first(&scores([-3.0, -3.0, 0.0])).decision, Decision::Escalated(Reason::OutOfScope));
    }

    fn close(confidence: Confidence, expected: f64) {
        assert!((confidence.value() - expected).abs() < 1e-12, "{} is not {expected}", confidence.value());
    }

    fn said(text: &str) -> Option<Answer> {
        Some(Answer::Text(text.to_owned()))
    }

    #[test]
    fn a_free_answer_is_as_sure_as_its_text_is_likely() {
        let sure = policy().judge_first(&text("Tuesday", 0.96));
        close(sure.confidence, 0.96_f64.sqrt()); // the temperature is 2
        assert_eq!((sure.answer, sure.decision, sure.band), (said("Tuesday"), Decision::Answered, Band::Medium));
        let unsure = policy().judge_first(&text("Tuesday", 0.64));
        close(unsure.confidence, 0.8);
        assert_eq!((unsure.answer, unsure.decision), (said("Tuesday"), Decision::Escalated(Reason::Unsure)));
    }

    #[test]
    fn two_texts_strengthen_or_weaken_each_other() {
        let agree = policy().judge_joint(&text("Tuesday", 0.99), &text("Tuesday", 0.98));
        close(agree.confidence, 0.99_f64.sqrt() * 0.98); // the weights are 1/2 and 1
        assert_eq!((agree.answer, agree.decision), (said("Tuesday"), Decision::Answered));
        assert_eq!(agree.mode, Mode::ThinkFirst);
        let disagree = policy().judge_joint(&text("Monday", 0.36), &text("Tuesday", 0.98));
        close(disagree.confidence, 0.98 * (1.0 - 0.6));
        assert_eq!((disagree.answer, disagree.decision), (said("Tuesday"), Decision::Escalated(Reason::Unsure)));
    }

    #[test]
    fn a_threshold_of_one_is_never_reached() {
        let unproved = policy().with_threshold(Confidence::new(1.0).unwrap());
        let verdict = unproved.judge_first(&scores([0.0, -2000.0, -2000.0]));
        assert_eq!(verdict.confidence.value(), 1.0);
        assert_eq!(verdict.decision, Decision::Escalated(Reason::Unsure));
        assert!(!unproved.first_suffices(verdict.confidence));
    }

    #[test]
    fn no_answer_is_escalated_whatever_the_threshold() {
        let policy = policy().with_threshold(Confidence::new(0.0).unwrap());
        let cut =
            Prediction::Text(GeneratedText { tokens: vec![9], text: "Tues".to_owned(), closed: false, score: -0.1 });
        for silent in [text("", 1.0), cut] {
            let first = policy.judge_first(&silent);
            assert_eq!((first.answer, first.decision), (None, Decision::Escalated(Reason::NoAnswer)));
            close(first.confidence, 0.0);
            // Thinking can still lead to one, and the silence does not speak against it.
            let thought = policy.judge_joint(&silent, &text("Tuesday", 0.98));
            assert_eq!((thought.answer, thought.decision), (said("Tuesday"), Decision::Answered));
            close(thought.confidence, 0.98);
            // Where only thinking was silent, the first answer is a guess.
            let guess = policy.judge_joint(&text("Monday", 0.81), &silent);
            assert_eq!((guess.answer, guess.decision), (said("Monday"), Decision::Escalated(Reason::NoAnswer)));
            assert_eq!(guess.mode, Mode::ThinkFirst);
            close(guess.confidence, 0.9);
        }
    }
}
