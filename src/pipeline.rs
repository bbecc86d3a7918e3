//! The one path of a question: engine, policy, verdict, and on demand the rationale. Every command and the gateway use
//! it.

use std::time::{Duration, Instant};

use crate::bundle::Bundle;
use crate::bundle::manifest::{Answers, Task};
use crate::domain::{
    Agreement, Answer, Band, Confidence, Decision, Language, Mode, Prediction, Rationale, RationaleEnd, Reason, Verdict,
};
use crate::engine::{AskError, Asked, Engine, Model, Thought, agreement, check_size};
use crate::policy::Policy;
use crate::readings::{Fault, Reader, Reading};

/// How the questions of one task are handled: what reads them, and what judges the model's predictions.
pub struct Procedure {
    /// What judges.
    pub policy: Policy,
    /// Texts of the task's choices.
    choices: Vec<String>,
    /// Reads the question where the task declares what it reads; else the model reads it as it stands.
    reader: Option<Reader>,
}

impl Procedure {
    /// As the bundle says; made once, for all questions of the task.
    pub fn of(task: &Task) -> Self {
        let choices = match &task.answers {
            Answers::Choices(choices) => choices.iter().map(|choice| choice.text.clone()).collect(),
            Answers::Free(_) => Vec::new(),
        };
        Self { policy: Policy::of(task), choices, reader: task.readings.as_ref().map(Reader::new) }
    }

    /// The same with one threshold for every prediction; the bundle's risk bound no longer holds.
    #[must_use]
    pub fn with_threshold(self, threshold: Confidence) -> Self {
        Self { policy: self.policy.with_threshold(threshold), ..self }
    }

    /// Does this answer to an earlier window of a series stand for the whole series?
    fn decides(&self, reading: &Reading, answer: Option<&Answer>) -> bool {
        match answer {
            Some(Answer::Choice(choice)) => {
                self.choices.get(*choice).is_some_and(|text| reading.anywhere.contains(text))
            }
            _ => false,
        }
    }
}

/// The procedures of a bundle's tasks.
pub struct Procedures(Vec<Procedure>);

impl Procedures {
    /// As the bundle says.
    pub fn of(bundle: &Bundle) -> Self {
        bundle.manifest.tasks.iter().map(Procedure::of).collect()
    }

    /// The one for a task of that bundle.
    pub fn get(&self, task: &Task) -> &Procedure {
        let of_task = |procedure: &&Procedure| procedure.policy.task == task.id;
        self.0.iter().find(of_task).expect("one for each task of the bundle")
    }
}

impl FromIterator<Procedure> for Procedures {
    fn from_iter<I: IntoIterator<Item = Procedure>>(procedures: I) -> Self {
        Self(procedures.into_iter().collect())
    }
}

#[cfg(test)]
impl From<Policy> for Procedure {
    fn from(policy: Policy) -> Self {
        Self { policy, choices: Vec::new(), reader: None }
    }
}

/// When the model thinks before it answers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Think {
    /// When its first answer is not sure enough.
    #[default]
    Auto,
    /// Never: a first answer that is not sure enough is escalated.
    Never,
    /// Always.
    Always,
}

/// A question answered; its rationale can still be asked for.
pub struct Answered<'e, M> {
    /// What the model was asked; `None` where a person must read the question.
    asked: Option<(Asked<'e, M>, Option<Thought>)>,
    /// Of the policy, on the last prediction.
    pub verdict: Verdict,
    /// The language of the question.
    pub language: Language,
    /// What was read, in the language of the question; `None` where the model reads by itself, or a person must.
    pub read: Option<String>,
    /// Tokens written until the verdict: one for a choice, all of them for free text, and those of a thought and the
    /// text behind it.
    pub tokens: usize,
    /// Time from the question's text to the verdict.
    pub time_to_answer: Duration,
}

/// A rationale and the time that it took.
pub struct Explained {
    /// As written.
    pub rationale: Rationale,
    /// Does it lead to the answer? `None` if the rationale is not complete, or there is no answer.
    pub agreement: Option<Agreement>,
    /// Time from the request to the rationale; the time of a thought counts as time to answer.
    pub time_to_rationale: Duration,
}

/// Answers one question of the procedure's task.
pub fn answer<'e, M: Model>(
    engine: &'e mut Engine<M>,
    procedure: &Procedure,
    think: Think,
    question: &str,
) -> Result<Answered<'e, M>, AskError> {
    let start = Instant::now();
    let language = Language::of(question);
    let Some(reader) = &procedure.reader else {
        let policy = procedure.policy.for_question(false, language);
        let (asked, judged) = ask(engine, policy, think, question)?;
        return Ok(judged.answered(asked, language, None, start));
    };
    check_size(question)?;
    let reading = match reader.read(question) {
        Ok(reading) => reading,
        Err(fault) => return Ok(unread(&fault, language, start)),
    };
    let policy = procedure.policy.for_question(reading.near_limit, language);
    // The windows before the latest one, oldest first: whatever one of them is sure of decides only if it may.
    let (latest, earlier) = reading.questions.split_first().expect("a reading has a question");
    let mut sure = 1.0;
    let mut tokens = 0;
    for window in earlier.iter().rev() {
        let (asked, judged) = ask(engine, policy, think, window)?;
        let verdict = &judged.verdict;
        if verdict.decision != Decision::Answered || procedure.decides(&reading, verdict.answer.as_ref()) {
            // Read once more: what a rationale would continue.
            drop(asked);
            let (asked, judged) = ask(engine, policy, think, window)?;
            return Ok(judged.answered(asked, language, Some(reading.said), start));
        }
        sure *= verdict.confidence.value();
        tokens += judged.tokens;
    }
    let (asked, mut judged) = ask(engine, policy, think, latest)?;
    judged.tokens += tokens;
    judged.verdict.confidence = Confidence::clamped(sure * judged.verdict.confidence.value());
    Ok(judged.answered(asked, language, Some(reading.said), start))
}

/// What became of one question to the model.
struct Judged {
    verdict: Verdict,
    thought: Option<Thought>,
    tokens: usize,
}

impl Judged {
    fn answered<M>(
        self,
        asked: Asked<'_, M>,
        language: Language,
        read: Option<String>,
        start: Instant,
    ) -> Answered<'_, M> {
        let Self { verdict, thought, tokens } = self;
        Answered { asked: Some((asked, thought)), verdict, language, read, tokens, time_to_answer: start.elapsed() }
    }
}

/// Asks the model, and lets it think where its first answer does not suffice.
fn ask<'e, M: Model>(
    engine: &'e mut Engine<M>,
    policy: &Policy,
    think: Think,
    question: &str,
) -> Result<(Asked<'e, M>, Judged), AskError> {
    let mut asked = engine.ask(&policy.task, question)?;
    let mut verdict = policy.judge_first(&asked.first);
    let mut tokens = match &asked.first {
        Prediction::Scores(_) => 1,
        Prediction::Text(text) => text.tokens.len(),
    };
    let suffices = verdict.answer.is_some() && policy.first_suffices(verdict.confidence);
    let thought = match think {
        Think::Never => None,
        Think::Auto if suffices => None,
        Think::Auto | Think::Always => Some(asked.think()?),
    };
    if let Some(thought) = &thought {
        tokens += thought.rationale.tokens.len();
        if let Some(Prediction::Text(text)) = &thought.prediction {
            tokens += text.tokens.len();
        }
        verdict = match &thought.prediction {
            Some(prediction) => policy.judge_joint(&asked.first, prediction),
            None => policy.thinking_failed(&asked.first),
        };
    } else if policy.think_first && verdict.decision == Decision::Answered {
        verdict.decision = Decision::Escalated(Reason::Unsure); // it may not answer without a thought
    }
    Ok((asked, Judged { verdict, thought, tokens }))
}

/// A person must read the question; the model was not asked.
fn unread<'e, M>(fault: &Fault, language: Language, start: Instant) -> Answered<'e, M> {
    let verdict = Verdict {
        answer: None,
        confidence: Confidence::clamped(0.0),
        band: Band::Low,
        decision: Decision::Escalated(fault.reason()),
        mode: Mode::AnswerFirst,
        detail: Some(fault.in_words(language)),
    };
    Answered { asked: None, verdict, language, read: None, tokens: 0, time_to_answer: start.elapsed() }
}

impl<M: Model> Answered<'_, M> {
    /// The rationale of the answer: the thought that led to it, or what the model writes behind its first answer. It begins
    /// with what was read. `None` if there is neither an answer nor a thought.
    pub fn explain(self) -> Result<Option<Explained>, AskError> {
        let start = Instant::now();
        let Some((mut asked, thought)) = self.asked else { return Ok(None) };
        let (mut rationale, agreement) = match (self.verdict.mode, thought, &self.verdict.answer) {
            (Mode::ThinkFirst, Some(Thought { rationale, prediction: Some(prediction) }), Some(answer)) => {
                let agreement = match agreement(&prediction, answer) {
                    // The thought led to no answer; this one is the first prediction's.
                    None => asked.agreement(&rationale, answer)?,
                    Some(agreement) => agreement,
                };
                (rationale, Some(agreement))
            }
            (Mode::ThinkFirst, Some(Thought { rationale, .. }), _) => (rationale, None),
            (.., Some(answer)) => {
                let rationale = asked.explain(answer)?;
                let whole = rationale.end == RationaleEnd::Complete;
                let agreement = whole.then(|| asked.agreement(&rationale, answer)).transpose()?;
                (rationale, agreement)
            }
            (.., None) => return Ok(None),
        };
        if let Some(read) = self.read {
            rationale.text = match self.language {
                Language::En => format!("Read: {read}. {}", rationale.text),
                Language::Ja => format!("読み取り: {read}。{}", rationale.text),
            };
        }
        Ok(Some(Explained { rationale, agreement, time_to_rationale: start.elapsed() }))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::sync::atomic::Ordering::Relaxed;

    use super::*;
    use crate::bundle::manifest::{Answers, Choice, FreeText, Manifest, Task};
    use crate::domain::TokenId;
    use crate::engine::fake::{FakeModel, fixture, named};

    const QUESTION: &str = "Which failure?";
    const THOUGHT: &str = "Power <<2*3=6>> W.";

    fn choices(task: &Task) -> &[Choice] {
        match &task.answers {
            Answers::Choices(choices) => choices,
            Answers::Free(_) => &[],
        }
    }

    fn choice(choice: usize) -> Option<Answer> {
        Some(Answer::Choice(choice))
    }

    /// A scripted student of the shipped answer set. `first` and `then` are logits of choices, at once and after
    /// thinking.
    struct Script {
        manifest: Manifest,
        question: Vec<TokenId>,
        thought: Vec<TokenId>,
    }

    impl Script {
        fn new(first: &[(usize, f32)], then: &[(usize, f32)]) -> (Self, Engine<FakeModel>) {
            let (tokenizer, manifest) = fixture();
            let control = manifest.control;
            let question = tokenizer.encode(&manifest.tasks[0].fill(QUESTION)).unwrap();
            let thought = tokenizer.encode(THOUGHT).unwrap();
            let choices: Vec<TokenId> =
                choices(&manifest.tasks[0]).iter().map(|choice| tokenizer.encode(&choice.text).unwrap()[0]).collect();
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
            (script, Engine::new(named(model, &manifest), tokenizer, &manifest).unwrap())
        }

        fn policy(&self) -> Policy {
            let policy = Policy::of(&self.manifest.tasks[0]);
            Policy { temperature: 1.0, first_threshold: 0.9, think_threshold: 0.9, joint_weights: (0.2, 1.0), ..policy }
        }
    }

    #[test]
    fn a_sure_answer_ends_after_one_pass() {
        let (script, mut engine) = Script::new(&[(0, 20.0)], &[]);
        let answered = answer(&mut engine, &script.policy().into(), Think::Auto, QUESTION).unwrap();
        assert_eq!((&answered.verdict.answer, answered.verdict.decision), (&choice(0), Decision::Answered));
        assert_eq!((answered.verdict.mode, answered.tokens), (Mode::AnswerFirst, 1));
        assert_eq!(engine.model().passes(), 1);
    }

    #[test]
    fn an_unsure_one_thinks_on_the_same_rows_and_the_two_predictions_are_pooled() {
        let (script, mut engine) = Script::new(&[(0, 20.0), (1, 20.0)], &[(1, 20.0)]);
        let answered = answer(&mut engine, &script.policy().into(), Think::Auto, QUESTION).unwrap();
        assert_eq!((&answered.verdict.answer, answered.verdict.decision), (&choice(1), Decision::Answered));
        assert_eq!((answered.verdict.mode, answered.tokens), (Mode::ThinkFirst, 1 + script.thought.len()));
        assert_eq!(engine.model().fed()[..script.question.len()], script.question);
    }

    #[test]
    fn still_unsure_after_thinking_is_escalated_with_a_guess() {
        let (script, mut engine) = Script::new(&[(0, 20.0), (1, 20.0)], &[(1, 20.0), (0, 19.5)]);
        let answered = answer(&mut engine, &script.policy().into(), Think::Auto, QUESTION).unwrap();
        assert_eq!(
            (&answered.verdict.answer, answered.verdict.decision),
            (&choice(1), Decision::Escalated(Reason::Unsure))
        );
    }

    #[test]
    fn never_thinking_escalates_at_once_and_always_thinking_thinks() {
        let (script, mut engine) = Script::new(&[(0, 20.0), (1, 20.0)], &[(1, 20.0)]);
        let never = answer(&mut engine, &script.policy().into(), Think::Never, QUESTION).unwrap();
        assert_eq!((never.verdict.decision, never.tokens), (Decision::Escalated(Reason::Unsure), 1));
        let (script, mut engine) = Script::new(&[(0, 20.0)], &[(0, 20.0)]);
        let always = answer(&mut engine, &script.policy().into(), Think::Always, QUESTION).unwrap();
        assert_eq!((always.verdict.mode, always.verdict.decision), (Mode::ThinkFirst, Decision::Answered));
    }

    #[test]
    fn a_thought_without_end_is_escalated() {
        let (script, mut engine) = Script::new(&[(0, 20.0), (1, 20.0)], &[]);
        // Without `<|answer|>` behind the thought the scripted student goes on with token 0 to the limit.
        let control = script.manifest.control;
        let thinking = [&script.question[..], &[control.think], &script.thought].concat();
        engine.model_mut().script(&thinking, &[]);
        let answered = answer(&mut engine, &script.policy().into(), Think::Auto, QUESTION).unwrap();
        assert_eq!(answered.verdict.decision, Decision::Escalated(Reason::ThinkingFailed));
        let explained = answered.explain().unwrap().unwrap();
        assert_eq!((explained.rationale.end, explained.agreement), (RationaleEnd::TooLong, None));
    }

    #[test]
    fn a_rationale_continues_behind_the_answer_and_its_agreement_is_read_from_it() {
        for (then, agrees) in [(0, true), (2, false)] {
            let (script, mut engine) = Script::new(&[(0, 20.0)], &[(then, 20.0)]);
            let answered = answer(&mut engine, &script.policy().into(), Think::Auto, QUESTION).unwrap();
            let explained = answered.explain().unwrap().unwrap();
            assert_eq!(explained.rationale.text, "Power 2*3=6 W.");
            let agreement = explained.agreement.unwrap();
            assert_eq!(agreement.agrees, agrees);
            assert_eq!(agreement.strength.value() > 0.99, agrees);
        }
    }

    #[test]
    fn a_rationale_gives_way_to_what_is_urgent_and_the_next_question_is_answered() {
        let (script, mut engine) = Script::new(&[(0, 20.0)], &[(0, 20.0)]);
        for tokens in 0..script.thought.len() {
            let left = std::sync::atomic::AtomicUsize::new(tokens);
            engine.interrupt_when(move || {
                left.fetch_update(Relaxed, Relaxed, |left| left.checked_sub(1)).is_err() // urgent after so many tokens
            });
            let answered = answer(&mut engine, &script.policy().into(), Think::Auto, QUESTION).unwrap();
            assert_eq!(answered.verdict.decision, Decision::Answered, "a first answer is never interrupted");
            assert!(matches!(answered.explain(), Err(AskError::Interrupted)), "after {tokens} tokens");
        }
        engine.interrupt_when(|| false);
        let answered = answer(&mut engine, &script.policy().into(), Think::Auto, QUESTION).unwrap();
        assert_eq!(answered.explain().unwrap().unwrap().rationale.text, "Power 2*3=6 W.");
    }

    #[test]
    fn the_rationale_of_a_thought_answer_is_the_thought() {
        let (script, mut engine) = Script::new(&[(0, 20.0), (1, 20.0)], &[(1, 20.0)]);
        let answered = answer(&mut engine, &script.policy().into(), Think::Auto, QUESTION).unwrap();
        let explained = answered.explain().unwrap().unwrap();
        assert_eq!(explained.rationale.tokens, script.thought);
        assert!(explained.agreement.unwrap().agrees);
    }

    #[test]
    fn empty_and_endless_questions_are_refused_before_anything_runs() {
        let (script, mut engine) = Script::new(&[(0, 20.0)], &[]);
        let long = "torque ".repeat(200);
        let large = "x".repeat(100_000);
        for question in ["", " \n\u{3000}", &long, &large] {
            assert!(answer(&mut engine, &script.policy().into(), Think::Auto, question).is_err(), "{question:.20}");
        }
        assert_eq!(engine.model().passes(), 0);
    }

    const TEMPLATE: &str = "Name it: {question}";

    /// A scripted student of two tasks: the shipped one, and `name`, whose answers are free text. It writes `first` at
    /// once and `then` after its thought; an answer without a text is closed at once.
    struct FreeScript {
        policy: Policy,
        thought: usize,
        answer: usize,
    }

    impl FreeScript {
        fn new(first: &str, then: &str) -> (Self, Engine<FakeModel>) {
            Self::bounded(first, then, 99)
        }

        fn bounded(first: &str, then: &str, tokens_max: usize) -> (Self, Engine<FakeModel>) {
            let (tokenizer, mut manifest) = fixture();
            let name = Task {
                id: "name".to_owned(),
                prompt: TEMPLATE.to_owned(),
                answers: Answers::Free(FreeText { tokens_max }),
                ..manifest.tasks[0].clone()
            };
            let policy = Policy {
                temperature: 1.0,
                first_threshold: 0.9,
                think_threshold: 0.9,
                joint_weights: (0.2, 1.0),
                ..Policy::of(&name)
            };
            manifest.tasks.push(name);
            let control = manifest.control;
            let encode = |text: &str| tokenizer.encode(text).unwrap();
            let prompt = encode(&TEMPLATE.replace("{question}", QUESTION));
            let (thought, first, then) = (encode(THOUGHT), encode(first), encode(then));
            let join = |parts: &[&[TokenId]]| parts.concat();
            let mut model = FakeModel::new(manifest.graph.vocabulary, manifest.graph.max_len);
            model.writes(&join(&[&prompt, &[control.answer]]), &join(&[&first, &[control.why]]));
            model.writes(
                &join(&[&prompt, &[control.answer], &first, &[control.why]]),
                &join(&[&thought, &[control.end]]),
            );
            model.writes(
                &join(&[&prompt, &[control.think]]),
                &join(&[&thought, &[control.answer], &then, &[control.end]]),
            );
            let script = Self { policy, thought: thought.len(), answer: first.len() };
            (script, Engine::new(named(model, &manifest), tokenizer, &manifest).unwrap())
        }
    }

    fn text(text: &str) -> Option<Answer> {
        Some(Answer::Text(text.to_owned()))
    }

    #[test]
    fn free_text_answers_the_filled_prompt_of_its_task() {
        let (script, mut engine) = FreeScript::new("bearing wear", "");
        let answered = answer(&mut engine, &script.policy.clone().into(), Think::Auto, QUESTION).unwrap();
        assert_eq!((&answered.verdict.answer, answered.verdict.decision), (&text("bearing wear"), Decision::Answered));
        assert_eq!((answered.verdict.mode, answered.tokens), (Mode::AnswerFirst, script.answer));
        // One run for prompt and `<|answer|>`, one for each token of the answer.
        assert_eq!(engine.model().passes(), 1 + script.answer);
        let (tokenizer, _) = fixture();
        let prompt = tokenizer.encode(&TEMPLATE.replace("{question}", QUESTION)).unwrap();
        assert_eq!(engine.model().fed()[..prompt.len()], prompt);
    }

    #[test]
    fn a_question_may_hold_lines_and_the_templates_own_mark() {
        let (tokenizer, manifest) = fixture();
        let question = "Which mode fits?\nA: {question}\nB: wear";
        let task = Task { prompt: TEMPLATE.to_owned(), ..manifest.tasks[0].clone() };
        assert_eq!(task.fill(question), format!("Name it: {question}"));
        let prompt = tokenizer.encode(&format!("Name it: {question}")).unwrap();
        let (script, mut engine) = FreeScript::new("bearing wear", "");
        let _ = answer(&mut engine, &script.policy.clone().into(), Think::Never, &format!("\n {question} \n"));
        assert_eq!(engine.model().fed()[..prompt.len()], prompt);
    }

    #[test]
    fn an_answer_too_long_or_empty_is_escalated() {
        for (first, tokens_max) in [("bearing wear", 2), ("", 9)] {
            let (script, mut engine) = FreeScript::bounded(first, "", tokens_max);
            assert!(script.answer > 2 || script.answer == 0);
            let answered = answer(&mut engine, &script.policy.clone().into(), Think::Never, QUESTION).unwrap();
            assert_eq!((&answered.verdict.answer, answered.verdict.confidence.value()), (&None, 0.0));
            assert_eq!(answered.verdict.decision, Decision::Escalated(Reason::NoAnswer));
            assert!(answered.explain().unwrap().is_none(), "nothing to explain");
            // It thinks, though a threshold of 0 would let every answer pass; and thinking comes to no answer either.
            let anything = script.policy.clone().with_threshold(Confidence::new(0.0).unwrap());
            let answered = answer(&mut engine, &anything.into(), Think::Auto, QUESTION).unwrap();
            assert_eq!(answered.verdict.decision, Decision::Escalated(Reason::NoAnswer));
            assert_eq!(
                (answered.verdict.mode, answered.tokens),
                (Mode::ThinkFirst, script.answer.min(2) + script.thought)
            );
            let explained = answered.explain().unwrap().unwrap();
            assert_eq!((explained.rationale.end, explained.agreement), (RationaleEnd::Complete, None));
        }
    }

    #[test]
    fn an_answer_of_exactly_the_limit_is_given() {
        let tokens = fixture().0.encode("bearing wear").unwrap().len();
        let (script, mut engine) = FreeScript::bounded("bearing wear", "", tokens);
        let answered = answer(&mut engine, &script.policy.clone().into(), Think::Auto, QUESTION).unwrap();
        assert_eq!(answered.verdict.decision, Decision::Answered);
    }

    #[test]
    fn two_texts_agree_or_are_escalated() {
        for (then, decision) in [("bearing wear", Decision::Answered), ("heat", Decision::Escalated(Reason::Unsure))] {
            let (script, mut engine) = FreeScript::new("bearing wear", then);
            let answered = answer(&mut engine, &script.policy.clone().into(), Think::Always, QUESTION).unwrap();
            assert_eq!((&answered.verdict.answer, answered.verdict.decision), (&text(then), decision));
            let then_tokens = fixture().0.encode(then).unwrap().len();
            assert_eq!(answered.tokens, script.answer + script.thought + then_tokens);
            let explained = answered.explain().unwrap().unwrap();
            assert_eq!(explained.rationale.text, "Power 2*3=6 W.");
            assert!(explained.agreement.unwrap().agrees, "the thought leads to what it led to");
        }
    }

    #[test]
    fn thinking_that_leads_to_no_answer_leaves_the_first_one_as_a_guess() {
        let (script, mut engine) = FreeScript::new("bearing wear", "");
        let answered = answer(&mut engine, &script.policy.clone().into(), Think::Always, QUESTION).unwrap();
        let verdict = &answered.verdict;
        assert_eq!((&verdict.answer, verdict.decision), (&text("bearing wear"), Decision::Escalated(Reason::NoAnswer)));
        let agreement = answered.explain().unwrap().unwrap().agreement.unwrap();
        assert!(!agreement.agrees && agreement.strength.value() < 0.01);
    }

    #[test]
    fn a_rationale_continues_behind_a_free_answer_and_its_agreement_is_read_from_it() {
        for (then, agrees) in [("bearing wear", true), ("bearing heat", false), ("", false)] {
            let (script, mut engine) = FreeScript::new("bearing wear", then);
            let answered = answer(&mut engine, &script.policy.clone().into(), Think::Never, QUESTION).unwrap();
            let explained = answered.explain().unwrap().unwrap();
            assert_eq!(explained.rationale.text, "Power 2*3=6 W.");
            let agreement = explained.agreement.unwrap();
            assert_eq!(agreement.agrees, agrees);
            assert_eq!(agreement.strength.value() > 0.99, agrees, "{}", agreement.strength);
        }
    }

    /// Behind the rationale the student would write another text, but the given one is nearly as likely there.
    #[test]
    fn the_strength_of_an_answer_that_lost_is_its_own_probability() {
        let (script, mut engine) = FreeScript::new("bearing wear", "heat");
        let (tokenizer, manifest) = fixture();
        let control = manifest.control;
        let encode = |text: &str| tokenizer.encode(text).unwrap();
        let (given, other) = (encode("bearing wear"), encode("heat"));
        let prompt = encode(&TEMPLATE.replace("{question}", QUESTION));
        let read = [&prompt[..], &[control.think], &encode(THOUGHT), &[control.answer]].concat();
        engine.model_mut().script(&read, &[(other[0], 20.0), (given[0], 19.0)]);
        let behind_first = [&read[..], &given[..1]].concat();
        engine.model_mut().writes(&behind_first, &[&given[1..], &[control.end]].concat());
        let answered = answer(&mut engine, &script.policy.clone().into(), Think::Never, QUESTION).unwrap();
        let agreement = answered.explain().unwrap().unwrap().agreement.unwrap();
        let expected = 1.0 / (1.0 + 1.0_f64.exp());
        assert!(!agreement.agrees && (agreement.strength.value() - expected).abs() < 1e-6, "{}", agreement.strength);
        assert_eq!(engine.model().fed(), [&read[..], &given].concat(), "the given answer, read behind the rationale");
        // The runs: the first prediction; the given answer with `<|why|>`, and the thought, whose `6>>` rides along
        // with its `=`; the thought read back, the other answer written, the given one read.
        let first_prediction = 1 + given.len();
        let explanation = 1 + script.thought - 2;
        let agreement = 1 + other.len() + given.len();
        assert_eq!(engine.model().passes(), first_prediction + explanation + agreement);
    }

    #[test]
    fn a_task_is_answered_by_its_own_graph() {
        let (tokenizer, mut manifest) = fixture();
        let own = Task { id: "own".to_owned(), graph: "own.onnx".to_owned(), ..manifest.tasks[0].clone() };
        manifest.tasks.push(own);
        let [first, own] = &manifest.tasks[..] else { unreachable!() };
        let asked = [&tokenizer.encode(&first.fill(QUESTION)).unwrap()[..], &[manifest.control.answer]].concat();
        let says = |at: usize| {
            let mut model = FakeModel::new(manifest.graph.vocabulary, manifest.graph.max_len);
            model.script(&asked, &[(tokenizer.encode(&choices(first)[at].text).unwrap()[0], 20.0)]);
            model
        };
        let models = BTreeMap::from([(first.graph.clone(), says(0)), (own.graph.clone(), says(1))]);
        let mut engine = Engine::new(models, tokenizer, &manifest).unwrap();
        for (task, says) in [(first, 0), (own, 1), (first, 0)] {
            let answered = answer(&mut engine, &Policy::of(task).into(), Think::Never, QUESTION).unwrap();
            assert_eq!(answered.verdict.answer, choice(says), "of the same prompt, by {}", task.graph);
        }
        let (tokenizer, _) = fixture();
        let without = Engine::new(named(FakeModel::new(0, 0), &manifest), tokenizer, &manifest).err().unwrap();
        assert!(without.to_string().contains("expected a model of its graph own.onnx"), "{without}");
    }

    #[test]
    fn each_task_has_its_own_prompt_answers_and_policy() {
        let (script, mut engine) = FreeScript::new("bearing wear", "");
        let shipped = Policy::of(&fixture().1.tasks[0]);
        let of_choices = answer(&mut engine, &shipped.clone().into(), Think::Never, QUESTION).unwrap();
        assert!(matches!(of_choices.verdict.answer, Some(Answer::Choice(_))));
        let of_text = answer(&mut engine, &script.policy.clone().into(), Think::Never, QUESTION).unwrap();
        assert_eq!(of_text.verdict.answer, text("bearing wear"));
        let unknown = Policy { task: "weather".to_owned(), ..shipped.clone() };
        let Err(error) = answer(&mut engine, &unknown.into(), Think::Never, QUESTION) else {
            panic!("an unknown task answered")
        };
        assert_eq!(error.to_string(), "this model has no task \"weather\", expected one of: machine-failure, name");
        assert!(error.refuses_the_question());
    }
}
