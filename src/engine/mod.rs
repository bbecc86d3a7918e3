//! Runs a student on one question: reads it, scores the answers, thinks, explains. Decides nothing; `policy` does.
//!
//! A task is answered by the graph that the manifest names for it, alone or with others. Each graph has a cache, which holds one
//! question. Its rows are laid down once and reused: the first answer, the thinking, the rationale and the check of its agreement
//! all continue behind the question's rows, by rewinding, never by reading it again.
//!
//! ```text
//! x <|answer|>              the first look: scores of the choices, one forward pass; or y written as free text
//! x <|answer|> y <|why|> r  the rationale of an answer given, on demand
//! x <|think|> r <|answer|>  the look after thinking; with the r above, the agreement
//! ```
//!
//! x is the task's prompt template, filled with the question. How tokens are cut into runs is part of the contract with the
//! workshop, because int8 scales are taken over a whole run: x and its control token go in one run, each written token in its
//! own, `=`, a calculator's result and `>>` in one; what is read back (y with `<|why|>`, r with `<|answer|>`) in one run too,
//! but a free answer read behind a rationale token by token, as it would be written.

mod calculator;
pub mod decode;
#[cfg(test)]
pub(crate) mod fake;
pub mod library;
mod model;
mod products;
mod scoring;
mod session;
mod tokenizer;

use std::collections::BTreeMap;

use thiserror::Error;

use crate::bundle::manifest::{Answers, Control, Manifest, Task};
use crate::bundle::{Bundle, UnknownTask};
pub use crate::domain::QUESTION_BYTES_MAX;
use crate::domain::{Agreement, Answer, Confidence, Look, Posterior, Rationale, RationaleEnd, TokenId};

pub use decode::{Decoding, Ending, Step};
pub use library::{Library, LibraryError};
pub use model::{Model, ModelError};
pub use products::{Products, ProductsError};
pub use session::{Kernels, OrtModel, THREADS};
pub use tokenizer::{Tokenizer, TokenizerError};

use calculator::Calculator;
use scoring::ChoiceSet;

/// A student, ready to be asked.
pub struct Engine<M> {
    /// One for each graph of the bundle.
    models: Vec<M>,
    tokenizer: Tokenizer,
    control: Control,
    calculator: Calculator,
    tasks: Vec<Asks>,
    interrupt: Box<dyn Fn() -> bool + Send>,
}

/// A task, and how its answers are read.
struct Asks {
    task: Task,
    /// Place of the model that answers it.
    model: usize,
    answers: AnswerSpace,
}

enum AnswerSpace {
    Choices(ChoiceSet),
    Free { tokens_max: usize },
}

/// The student or its parts do not fit together.
#[derive(Debug, Error)]
pub enum OpenError {
    /// The tokenizer cannot be used.
    #[error("the bundle's tokenizer.json does not fit")]
    Tokenizer(#[from] TokenizerError),
    /// A graph cannot be used.
    #[error("the bundle's {name} does not fit")]
    Graph {
        /// Name of its file.
        name: String,
        /// Why.
        #[source]
        source: ModelError,
    },
    /// The answers of a task cannot be told apart, or do not fit into the cache.
    #[error("task {task} of the bundle does not fit: {what}")]
    Task {
        /// Its id.
        task: String,
        /// Both sides of the mismatch.
        what: String,
    },
}

/// A question that was not answered.
#[derive(Debug, Error)]
pub enum AskError {
    /// Nothing but white space.
    #[error("the question is empty")]
    Empty,
    /// Too many bytes.
    #[error("the question is too large: at most {QUESTION_BYTES_MAX} bytes can be read, shorten it")]
    TooLarge,
    /// The student has no such task.
    #[error(transparent)]
    Task(#[from] UnknownTask),
    /// Too many tokens for the student.
    #[error("the question has {found} tokens with its prompt, this student reads at most {limit}: shorten it")]
    TooLong {
        /// Tokens of the filled prompt.
        found: usize,
        /// The student's limit.
        limit: usize,
    },
    /// An answer was to be explained that the task cannot give.
    #[error("the task has no such answer as the one to be explained")]
    ForeignAnswer,
    /// Something more urgent came, [`Engine::interrupt_when`] said.
    #[error("the rationale was interrupted")]
    Interrupted,
    /// The tokenizer failed.
    #[error("failed to read the question")]
    Tokenizer(#[from] TokenizerError),
    /// The graph failed.
    #[error("the student failed on the question")]
    Model(#[from] ModelError),
}

impl AskError {
    /// True when the asker can mend it by asking otherwise; false when the student failed.
    pub fn refuses_the_question(&self) -> bool {
        matches!(self, Self::Empty | Self::TooLarge | Self::Task(_) | Self::TooLong { .. })
    }
}

/// What thinking brought.
pub struct Thought {
    /// What the student wrote.
    pub rationale: Rationale,
    /// The answer it leads to; `None` when it came to no end.
    pub look: Option<Look>,
}

impl Engine<OrtModel> {
    /// Loads the student of a verified bundle into the runtime library.
    pub fn open(library: &Library, bundle: &Bundle) -> Result<Self, OpenError> {
        let tokenizer = Tokenizer::new(&bundle.tokenizer, &bundle.manifest)?;
        let open = |(name, graph): (&String, &Vec<u8>)| match OrtModel::new(library, graph, &bundle.manifest.graph) {
            Ok(model) => Ok((name.clone(), model)),
            Err(source) => Err(OpenError::Graph { name: name.clone(), source }),
        };
        let models = bundle.graphs.iter().map(open).collect::<Result<_, _>>()?;
        Self::new(models, tokenizer, &bundle.manifest)
    }
}

impl<M: Model> Engine<M> {
    /// Joins models, by the names of their graphs, and a tokenizer by the manifest's tasks.
    pub fn new(models: BTreeMap<String, M>, tokenizer: Tokenizer, manifest: &Manifest) -> Result<Self, OpenError> {
        let mut tasks = Vec::new();
        for task in &manifest.tasks {
            let unfit = |what| OpenError::Task { task: task.id.clone(), what };
            let answers = match &task.answers {
                Answers::Choices(choices) => {
                    let texts =
                        choices.iter().map(|choice| tokenizer.encode(&choice.text)).collect::<Result<_, _>>()?;
                    let choices = ChoiceSet::new(texts).map_err(unfit)?;
                    task.check_fit(choices.tokens_max(), manifest.graph.max_len).map_err(unfit)?;
                    AnswerSpace::Choices(choices)
                }
                Answers::Free(free) => AnswerSpace::Free { tokens_max: free.tokens_max },
            };
            let model = models.keys().position(|name| *name == task.graph);
            let model =
                model.ok_or_else(|| unfit(format!("expected a model of its graph {}, found none", task.graph)))?;
            tasks.push(Asks { task: task.clone(), model, answers });
        }
        Ok(Self {
            models: models.into_values().collect(),
            calculator: Calculator::new(manifest.calculator),
            tokenizer,
            control: manifest.control,
            tasks,
            interrupt: Box::new(|| false),
        })
    }

    #[cfg(test)]
    pub(crate) fn model(&self) -> &M {
        &self.models[0]
    }

    #[cfg(test)]
    pub(crate) fn model_mut(&mut self) -> &mut M {
        &mut self.models[0]
    }

    /// From now on a rationale, thought or told, ends with [`AskError::Interrupted`] where `urgent` is true before one of its tokens.
    /// The next question starts afresh.
    pub fn interrupt_when(&mut self, urgent: impl Fn() -> bool + Send + 'static) {
        self.interrupt = Box::new(urgent);
    }

    /// Takes a question of the task with this id and looks at it once: choices cost one forward pass, free text one more for each
    /// of its tokens.
    pub fn ask(&mut self, task: &str, question: &str) -> Result<Asked<'_, M>, AskError> {
        let place = self.tasks.iter().position(|asks| asks.task.id == task);
        let place = place.ok_or_else(|| UnknownTask::new(task, self.tasks.iter().map(|asks| &asks.task)))?;
        if question.trim().is_empty() {
            return Err(AskError::Empty);
        }
        if question.len() > QUESTION_BYTES_MAX {
            return Err(AskError::TooLarge);
        }
        let task = &self.tasks[place].task;
        let mut tokens = self.tokenizer.encode(&task.fill(question.trim()))?;
        if tokens.len() > task.question_tokens_max {
            return Err(AskError::TooLong { found: tokens.len(), limit: task.question_tokens_max });
        }
        let question_len = tokens.len();
        tokens.push(self.control.answer);
        let model = self.model_of(place);
        model.rewind(0);
        model.feed(&tokens)?;
        let first = self.look(place)?;
        Ok(Asked { engine: self, task: place, question_len, first })
    }

    /// The model that answers the task at `place`.
    fn model_of(&mut self, place: usize) -> &mut M {
        &mut self.models[self.tasks[place].model]
    }

    /// Reads the answer of the task at `place` off its model, which was fed up to `<|answer|>`.
    fn look(&mut self, place: usize) -> Result<Look, AskError> {
        let Asks { answers, model, .. } = &self.tasks[place];
        let model = &mut self.models[*model];
        Ok(match answers {
            AnswerSpace::Choices(choices) => Look::Scores(choices.score(model.logits())?),
            AnswerSpace::Free { tokens_max } => {
                Look::Text(scoring::write(model, &self.tokenizer, &self.control, *tokens_max)?)
            }
        })
    }
}

/// A question in the cache, with the first look at it. Borrows the engine: one question at a time.
pub struct Asked<'e, M> {
    engine: &'e mut Engine<M>,
    /// Place of its task in the engine.
    task: usize,
    /// Tokens of the filled prompt.
    question_len: usize,
    /// The first look.
    pub first: Look,
}

impl<M: Model> Asked<'_, M> {
    /// Writes a rationale first and looks where it leads.
    pub fn think(&mut self) -> Result<Thought, AskError> {
        let Control { answer, think, .. } = self.engine.control;
        self.behind_the_question(&[think])?;
        let rationale = self.write(answer)?;
        let look = match rationale.end {
            RationaleEnd::Complete => {
                self.engine.model_of(self.task).feed(&[answer])?;
                Some(self.engine.look(self.task)?)
            }
            _ => None,
        };
        Ok(Thought { rationale, look })
    }

    /// Writes the rationale of an answer given at once, continuing behind it.
    pub fn explain(&mut self, given: &Answer) -> Result<Rationale, AskError> {
        let Control { answer, why, end, .. } = self.engine.control;
        let fed = [&[answer][..], &self.tokens_of(given)?, &[why]].concat();
        self.behind_the_question(&fed)?;
        self.write(end)
    }

    /// Reads a rationale as if it had been thought, and compares the answer it leads to with the one `given`.
    pub fn agreement(&mut self, rationale: &Rationale, given: &Answer) -> Result<Agreement, AskError> {
        let Control { answer, think, .. } = self.engine.control;
        let given_tokens = self.tokens_of(given)?;
        let read = [&[think][..], &rationale.tokens, &[answer]].concat();
        let logits = self.behind_the_question(&read)?.to_vec();
        let look = self.engine.look(self.task)?;
        if let Some(agreement) = agreement(&look, given) {
            return Ok(agreement);
        }
        // Another text, or none: how likely would the given one have been?
        let control = self.engine.control;
        let model = self.engine.model_of(self.task);
        model.rewind(self.question_len + read.len());
        let score = scoring::score(model, &control, &logits, &given_tokens)?;
        Ok(Agreement { agrees: false, strength: Confidence::clamped(score.exp()) })
    }

    /// Reads these tokens in one pass behind the question's, whatever stood there; the logits that follow.
    fn behind_the_question(&mut self, tokens: &[TokenId]) -> Result<&[f32], ModelError> {
        let question_len = self.question_len;
        let model = self.engine.model_of(self.task);
        model.rewind(question_len);
        model.feed(tokens)
    }

    /// The tokens of an answer: of free text those that the first look wrote, if it wrote this text.
    fn tokens_of(&self, answer: &Answer) -> Result<Vec<TokenId>, AskError> {
        match (answer, &self.engine.tasks[self.task].answers, &self.first) {
            (Answer::Choice(choice), AnswerSpace::Choices(choices), _) => {
                Ok(choices.text(*choice).ok_or(AskError::ForeignAnswer)?.to_vec())
            }
            (Answer::Text(text), AnswerSpace::Free { .. }, Look::Text(first)) if first.text == *text => {
                Ok(first.tokens.clone())
            }
            (Answer::Text(text), AnswerSpace::Free { .. }, _) => Ok(self.engine.tokenizer.encode(text)?),
            _ => Err(AskError::ForeignAnswer),
        }
    }

    fn write(&mut self, stop: TokenId) -> Result<Rationale, AskError> {
        let Engine { models, tokenizer, calculator, tasks, interrupt, .. } = &mut *self.engine;
        let Asks { task, model, .. } = &tasks[self.task];
        let mut decoding = Decoding::new(&mut models[*model], tokenizer, calculator, stop, task.rationale_tokens_max);
        let token = |step: Result<Step, ModelError>| match interrupt() {
            true => Err(AskError::Interrupted),
            false => Ok(step?.token),
        };
        let tokens = decoding.by_ref().map(token).collect::<Result<Vec<_>, _>>()?;
        let ending = decoding.ending();
        Ok(decode::rationale(tokenizer, tokens, ending)?)
    }
}

/// Agreement of the look behind a rationale with the answer given; `None` where the look says nothing of that answer, because it
/// is another text.
pub(crate) fn agreement(after: &Look, given: &Answer) -> Option<Agreement> {
    match (after, given) {
        (Look::Scores(scores), Answer::Choice(choice)) => {
            let posterior = Posterior::softmax(scores.0.iter().copied());
            Some(Agreement { agrees: posterior.likeliest() == *choice, strength: posterior.of(*choice) })
        }
        (Look::Text(written), Answer::Text(text)) if written.answer() == Some(text) => {
            Some(Agreement { agrees: true, strength: Confidence::clamped(written.score.exp()) })
        }
        _ => None,
    }
}
