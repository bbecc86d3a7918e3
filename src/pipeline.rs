//! The one path of a question: engine, policy, verdict; and the rationale when somebody asks for it. Every command walks it.

use std::time::{Duration, Instant};

use crate::domain::{Agreement, Language, Mode, Rationale, RationaleEnd, Verdict};
use crate::engine::{AskError, Asked, Engine, Model, Thought, agreement};
use crate::policy::Policy;

/// When may the student think first?
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Think {
    /// When its first answer does not stand.
    #[default]
    Auto,
    /// Never: what does not stand at once is a person's.
    Never,
    /// Always.
    Always,
}

/// A question answered; its rationale can still be asked for.
pub struct Answered<'e, M> {
    asked: Asked<'e, M>,
    thought: Option<Thought>,
    /// What the policy says.
    pub verdict: Verdict,
    /// The language of the question.
    pub language: Language,
    /// Tokens that the student wrote until the verdict: one for a first answer.
    pub tokens: usize,
    /// From the question's text to the verdict.
    pub time_to_answer: Duration,
}

/// A rationale with what it took.
pub struct Explained {
    /// What the student wrote.
    pub rationale: Rationale,
    /// Does it lead to the answer?
    pub agreement: Option<Agreement>,
    /// From the request to the rationale; what thinking had already taken is part of the time to answer.
    pub time_to_rationale: Duration,
}

/// Answers one question.
pub fn answer<'e, M: Model>(
    engine: &'e mut Engine<M>,
    policy: &Policy,
    think: Think,
    question: &str,
) -> Result<Answered<'e, M>, AskError> {
    let start = Instant::now();
    let mut asked = engine.ask(question)?;
    let mut verdict = policy.first(&asked.first);
    let mut tokens = 1;
    let stands = verdict.confidence.value() >= policy.first_threshold;
    let thought = match think {
        Think::Never => None,
        Think::Auto if stands => None,
        Think::Auto | Think::Always => Some(asked.think()?),
    };
    if let Some(thought) = &thought {
        tokens += thought.rationale.tokens.len();
        verdict = match &thought.scores {
            Some(scores) => policy.joint(&asked.first, scores),
            None => policy.thinking_failed(&asked.first),
        };
    }
    let language = Language::of(question);
    Ok(Answered { asked, thought, verdict, language, tokens, time_to_answer: start.elapsed() })
}

impl<M: Model> Answered<'_, M> {
    /// The rationale of the answer: the thought that led to it, or what the student writes behind its first answer.
    pub fn explain(mut self) -> Result<Explained, AskError> {
        let start = Instant::now();
        let choice = self.verdict.choice;
        let (rationale, agreement) = match (self.verdict.mode, self.thought) {
            (Mode::ThinkFirst, Some(Thought { rationale, scores })) => {
                (rationale, scores.map(|scores| agreement(&scores, choice)))
            }
            _ => {
                let rationale = self.asked.explain(choice)?;
                let whole = rationale.end == RationaleEnd::Complete;
                let agreement = whole.then(|| self.asked.agreement(&rationale, choice)).transpose()?;
                (rationale, agreement)
            }
        };
        Ok(Explained { rationale, agreement, time_to_rationale: start.elapsed() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bundle::manifest::Manifest;
    use crate::domain::{Decision, Reason, TokenId};
    use crate::engine::fake::{FakeModel, fixture};

    const QUESTION: &str = "Which failure?";
    const THOUGHT: &str = "Power <<2*3=6>> W.";

    /// A scripted student of the shipped answer set. `first` and `then` are logits of choices, at once and after thinking.
    struct Script {
        manifest: Manifest,
        question: Vec<TokenId>,
        thought: Vec<TokenId>,
    }

    impl Script {
        fn new(first: &[(usize, f32)], then: &[(usize, f32)]) -> (Self, Engine<FakeModel>) {
            let (tokenizer, manifest) = fixture();
            let control = manifest.control;
            let question = tokenizer.encode(QUESTION).unwrap();
            let thought = tokenizer.encode(THOUGHT).unwrap();
            let choices: Vec<TokenId> =
                manifest.tasks[0].choices.iter().map(|choice| tokenizer.encode(&choice.text).unwrap()[0]).collect();
            let logits =
                |of: &[(usize, f32)]| of.iter().map(|&(choice, logit)| (choices[choice], logit)).collect::<Vec<_>>();
            let mut model = FakeModel::new(manifest.graph.vocabulary, manifest.graph.max_len);
            let after = |head: &[TokenId], tail: &[TokenId]| [head, tail].concat();
            model.script(&after(&question, &[control.answer]), &logits(first));
            let thinking = after(&question, &[control.think]);
            model.writes(&thinking, &after(&thought, &[control.answer]));
            model.script(&[&thinking[..], &thought, &[control.answer]].concat(), &logits(then));
            let why = after(&question, &[control.answer, choices[0], control.why]);
            model.writes(&why, &after(&thought, &[control.end]));
            let script = Self { manifest: manifest.clone(), question, thought };
            (script, Engine::new(model, tokenizer, &manifest).unwrap())
        }

        fn policy(&self) -> Policy {
            let policy = Policy::of(&self.manifest.tasks[0]);
            Policy { temperature: 1.0, first_threshold: 0.9, think_threshold: 0.9, joint_weights: (0.2, 1.0), ..policy }
        }
    }

    #[test]
    fn a_sure_answer_ends_after_one_pass() {
        let (script, mut engine) = Script::new(&[(0, 20.0)], &[]);
        let answered = answer(&mut engine, &script.policy(), Think::Auto, QUESTION).unwrap();
        assert_eq!((answered.verdict.choice, answered.verdict.decision), (0, Decision::Answered));
        assert_eq!((answered.verdict.mode, answered.tokens), (Mode::AnswerFirst, 1));
        assert_eq!(engine.model().passes(), 1);
    }

    #[test]
    fn an_unsure_one_thinks_on_the_same_rows_and_the_two_looks_are_pooled() {
        let (script, mut engine) = Script::new(&[(0, 20.0), (1, 20.0)], &[(1, 20.0)]);
        let answered = answer(&mut engine, &script.policy(), Think::Auto, QUESTION).unwrap();
        assert_eq!((answered.verdict.choice, answered.verdict.decision), (1, Decision::Answered));
        assert_eq!((answered.verdict.mode, answered.tokens), (Mode::ThinkFirst, 1 + script.thought.len()));
        assert_eq!(engine.model().fed()[..script.question.len()], script.question);
    }

    #[test]
    fn still_unsure_after_thinking_is_a_persons_case_with_a_guess() {
        let (script, mut engine) = Script::new(&[(0, 20.0), (1, 20.0)], &[(1, 20.0), (0, 19.5)]);
        let answered = answer(&mut engine, &script.policy(), Think::Auto, QUESTION).unwrap();
        assert_eq!((answered.verdict.choice, answered.verdict.decision), (1, Decision::Escalated(Reason::Unsure)));
    }

    #[test]
    fn never_thinking_escalates_at_once_and_always_thinking_thinks() {
        let (script, mut engine) = Script::new(&[(0, 20.0), (1, 20.0)], &[(1, 20.0)]);
        let never = answer(&mut engine, &script.policy(), Think::Never, QUESTION).unwrap();
        assert_eq!((never.verdict.decision, never.tokens), (Decision::Escalated(Reason::Unsure), 1));
        let (script, mut engine) = Script::new(&[(0, 20.0)], &[(0, 20.0)]);
        let always = answer(&mut engine, &script.policy(), Think::Always, QUESTION).unwrap();
        assert_eq!((always.verdict.mode, always.verdict.decision), (Mode::ThinkFirst, Decision::Answered));
    }

    #[test]
    fn thinking_that_comes_to_no_end_is_a_persons_case() {
        let (script, mut engine) = Script::new(&[(0, 20.0), (1, 20.0)], &[]);
        // Without `<|answer|>` behind the thought the scripted student goes on with token 0 to the limit.
        let control = script.manifest.control;
        let thinking = [&script.question[..], &[control.think], &script.thought].concat();
        engine.model_mut().script(&thinking, &[]);
        let answered = answer(&mut engine, &script.policy(), Think::Auto, QUESTION).unwrap();
        assert_eq!(answered.verdict.decision, Decision::Escalated(Reason::ThinkingFailed));
        let explained = answered.explain().unwrap();
        assert_eq!((explained.rationale.end, explained.agreement), (RationaleEnd::TooLong, None));
    }

    #[test]
    fn a_rationale_continues_behind_the_answer_and_its_agreement_is_read_from_it() {
        for (then, agrees) in [(0, true), (2, false)] {
            let (script, mut engine) = Script::new(&[(0, 20.0)], &[(then, 20.0)]);
            let answered = answer(&mut engine, &script.policy(), Think::Auto, QUESTION).unwrap();
            let explained = answered.explain().unwrap();
            assert_eq!(explained.rationale.text, "Power 2*3=6 W.");
            let agreement = explained.agreement.unwrap();
            assert_eq!(agreement.agrees, agrees);
            assert_eq!(agreement.strength.value() > 0.99, agrees);
        }
    }

    #[test]
    fn the_rationale_of_a_thought_answer_is_the_thought() {
        let (script, mut engine) = Script::new(&[(0, 20.0), (1, 20.0)], &[(1, 20.0)]);
        let answered = answer(&mut engine, &script.policy(), Think::Auto, QUESTION).unwrap();
        let explained = answered.explain().unwrap();
        assert_eq!(explained.rationale.tokens, script.thought);
        assert!(explained.agreement.unwrap().agrees);
    }

    #[test]
    fn empty_and_endless_questions_are_refused_before_anything_runs() {
        let (script, mut engine) = Script::new(&[(0, 20.0)], &[]);
        let long = "torque ".repeat(200);
        let large = "x".repeat(100_000);
        for question in ["", " \n\u{3000}", &long, &large] {
            assert!(answer(&mut engine, &script.policy(), Think::Auto, question).is_err(), "{question:.20}");
        }
        assert_eq!(engine.model().passes(), 0);
    }
}
