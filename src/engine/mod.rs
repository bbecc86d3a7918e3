//! Runs a model on one question: reads it, predicts the answer, thinks, explains. Decides nothing; `policy` does.
//!
//! A task is answered by the graph that the manifest names for it; tasks may share one. Each graph has a key-value
//! cache, which holds one question. The question is read once: first answer, thought, rationale and the check of its
//! agreement all rewind the cache to the end of the question and continue from there.
//!
//! ```text
//! x <|answer|>              the first prediction: scores of the choices, one forward pass; or y written as free text
//! x <|answer|> y <|why|> r  the rationale of an answer given, on demand
//! x <|think|> r <|answer|>  the prediction after thinking; with the r above, the agreement
//! ```
//!
//! x is the task's prompt template, filled with the question. How tokens are cut into runs is part of the contract with
//! the training toolkit, because int8 scales are taken over a whole run: x and its control token go in one run, each
//! written token in its own, `=`, a calculator's result and `>>` in one; what is read back (y with `<|why|>`, r with
//! `<|answer|>`) in one run too, but a free answer read behind a rationale token by token, as it would be written.

#![warn(missing_docs)]

mod calculator;
pub mod decode;
#[cfg(test)]
pub(crate) mod fake;
pub mod library;
mod matmul;
mod model;
mod scoring;
mod session;
mod tokenizer;

use std::collections::BTreeMap;

use thiserror::Error;

use crate::bundle::manifest::{Answers, Control, Manifest, Task};
use crate::bundle::{Bundle, UnknownTask};
pub use crate::domain::QUESTION_BYTES_MAX;
use crate::domain::{Agreement, Answer, Confidence, Posterior, Prediction, Rationale, RationaleEnd, TokenId};

pub use decode::{Decoding, Ending, Step};
pub use library::{Library, LibraryError};
pub use matmul::{MatMulCoverage, MatMulCoverageError};
pub use model::{Model, ModelError};
pub use session::{Kernels, OrtModel, THREADS};
pub use tokenizer::{Tokenizer, TokenizerError};

use calculator::Calculator;
use scoring::ChoiceSet;

/// A loaded model, ready to be asked.
pub struct Engine<M> {
    /// One for each graph of the bundle, in the order of their file names.
    models: Vec<M>,
    tokenizer: Tokenizer,
    control: Control,
    calculator: Calculator,
    tasks: Vec<TaskRuntime>,
    interrupt: Box<dyn Fn() -> bool + Send>,
}

/// A task, and what the engine needs to answer it.
struct TaskRuntime {
    task: Task,
    /// Index into `models`.
    model: usize,
    answers: AnswerSpace,
}

enum AnswerSpace {
    Choices(ChoiceSet),
    Free { tokens_max: usize },
}

/// The parts of a bundle do not fit together.
#[derive(Debug, Error)]
pub enum OpenError {
    /// `tokenizer.json` cannot be used.
    #[error("the bundle's tokenizer.json does not fit")]
    Tokenizer(#[from] TokenizerError),
    /// A graph cannot be used.
    #[error("the bundle's {name} does not fit")]
    Graph {
        /// Name of the graph's file.
        name: String,
        /// What the runtime library says.
        #[source]
        source: ModelError,
    },
    /// The answers of a task cannot be told apart, or do not fit into the cache.
    #[error("task {task} of the bundle does not fit: {what}")]
    Task {
        /// Id of the task.
        task: String,
        /// What was expected and what was found.
        what: String,
    },
}

/// Why a question was not answered.
#[derive(Debug, Error)]
pub enum AskError {
    /// Only white space.
    #[error("the question is empty")]
    Empty,
    /// Too many bytes.
    #[error("the question is too large: at most {QUESTION_BYTES_MAX} bytes can be read, shorten it")]
    TooLarge,
    /// There is no such task.
    #[error(transparent)]
    Task(#[from] UnknownTask),
    /// More tokens than the task allows.
    #[error("the question has {found} tokens with its prompt, this model reads at most {limit}: shorten it")]
    TooLong {
        /// Tokens of the filled prompt.
        found: usize,
        /// `question_tokens_max` of the task.
        limit: usize,
    },
    /// The answer to explain is not one of the task's.
    #[error("the task has no such answer as the one to be explained")]
    ForeignAnswer,
    /// [`Engine::interrupt_when`] asked for it.
    #[error("the rationale was interrupted")]
    Interrupted,
    /// The tokenizer failed.
    #[error("failed to read the question")]
    Tokenizer(#[from] TokenizerError),
    /// The graph failed.
    #[error("the model failed on the question")]
    Model(#[from] ModelError),
}

/// Refuses what nobody can read, before anything is run.
pub(crate) fn check_size(question: &str) -> Result<(), AskError> {
    if question.trim().is_empty() {
        return Err(AskError::Empty);
    }
    if question.len() > QUESTION_BYTES_MAX {
        return Err(AskError::TooLarge);
    }
    Ok(())
}

impl AskError {
    /// True if another question could be answered; false if the model failed.
    pub fn refuses_the_question(&self) -> bool {
        matches!(self, Self::Empty | Self::TooLarge | Self::Task(_) | Self::TooLong { .. })
    }
}

/// A rationale written before the answer, and the prediction behind it.
pub struct Thought {
    /// As written.
    pub rationale: Rationale,
    /// `None` if the rationale did not end.
    pub prediction: Option<Prediction>,
}

impl Engine<OrtModel> {
    /// Loads every graph of a bundle into the runtime library.
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
    /// `models` by the names of their graphs. Fails if a task's graph is missing, or its answers do not fit.
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
            tasks.push(TaskRuntime { task: task.clone(), model, answers });
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

    /// Calls `urgent` before each token of every later rationale or thought; if it returns true, the call fails with
    /// [`AskError::Interrupted`]. The next question can be asked as usual.
    pub fn interrupt_when(&mut self, urgent: impl Fn() -> bool + Send + 'static) {
        self.interrupt = Box::new(urgent);
    }

    /// Reads a question of the task with this id and makes the first prediction: one forward pass for choices, one more
    /// for each token of free text.
    pub fn ask(&mut self, task: &str, question: &str) -> Result<Asked<'_, M>, AskError> {
        let place = self.tasks.iter().position(|known| known.task.id == task);
        let place = place.ok_or_else(|| UnknownTask::new(task, self.tasks.iter().map(|known| &known.task)))?;
        check_size(question)?;
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
        let first = self.predict(place)?;
        Ok(Asked { engine: self, task: place, question_len, first })
    }

    /// The model that answers the task at index `place`.
    fn model_of(&mut self, place: usize) -> &mut M {
        &mut self.models[self.tasks[place].model]
    }

    /// Predicts the answer of the task at index `place`, whose model was fed up to `<|answer|>`.
    fn predict(&mut self, place: usize) -> Result<Prediction, AskError> {
        let TaskRuntime { answers, model, .. } = &self.tasks[place];
        let model = &mut self.models[*model];
        Ok(match answers {
            AnswerSpace::Choices(choices) => Prediction::Scores(choices.score(model.logits())?),
            AnswerSpace::Free { tokens_max } => {
                Prediction::Text(scoring::write(model, &self.tokenizer, &self.control, *tokens_max)?)
            }
        })
    }
}

/// A question in the cache, with the first prediction. Borrows the engine: one question at a time.
pub struct Asked<'e, M> {
    engine: &'e mut Engine<M>,
    /// Index into the engine's `tasks`.
    task: usize,
    /// Tokens of the filled prompt.
    question_len: usize,
    /// The answer-first prediction.
    pub first: Prediction,
}

impl<M: Model> Asked<'_, M> {
    /// Writes a rationale, and predicts the answer behind it.
    pub fn think(&mut self) -> Result<Thought, AskError> {
        let Control { answer, think, .. } = self.engine.control;
        self.behind_the_question(&[think])?;
        let rationale = self.write(answer)?;
        let prediction = match rationale.end {
            RationaleEnd::Complete => {
                self.engine.model_of(self.task).feed(&[answer])?;
                Some(self.engine.predict(self.task)?)
            }
            _ => None,
        };
        Ok(Thought { rationale, prediction })
    }

    /// Writes the rationale of an answer-first answer, continuing behind it.
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
        let prediction = self.engine.predict(self.task)?;
        if let Some(agreement) = agreement(&prediction, given) {
            return Ok(agreement);
        }
        // Another text, or none: the strength is the probability of the given one.
        let control = self.engine.control;
        let model = self.engine.model_of(self.task);
        model.rewind(self.question_len + read.len());
        let score = scoring::score(model, &control, &logits, &given_tokens)?;
        Ok(Agreement { agrees: false, strength: Confidence::clamped(score.exp()) })
    }

    /// Rewinds to the end of the question and feeds these tokens in one pass; returns the logits behind them.
    fn behind_the_question(&mut self, tokens: &[TokenId]) -> Result<&[f32], ModelError> {
        let question_len = self.question_len;
        let model = self.engine.model_of(self.task);
        model.rewind(question_len);
        model.feed(tokens)
    }

    /// The tokens of an answer: of free text those of the first prediction, if it is this text.
    fn tokens_of(&self, answer: &Answer) -> Result<Vec<TokenId>, AskError> {
        match (answer, &self.engine.tasks[self.task].answers, &self.first) {
            (Answer::Choice(choice), AnswerSpace::Choices(choices), _) => {
                Ok(choices.text(*choice).ok_or(AskError::ForeignAnswer)?.to_vec())
            }
            (Answer::Text(text), AnswerSpace::Free { .. }, Prediction::Text(first)) if first.text == *text => {
                Ok(first.tokens.clone())
            }
            (Answer::Text(text), AnswerSpace::Free { .. }, _) => Ok(self.engine.tokenizer.encode(text)?),
            _ => Err(AskError::ForeignAnswer),
        }
    }

    fn write(&mut self, stop: TokenId) -> Result<Rationale, AskError> {
        let Engine { models, tokenizer, calculator, tasks, interrupt, .. } = &mut *self.engine;
        let TaskRuntime { task, model, .. } = &tasks[self.task];
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

/// Agreement of the prediction behind a rationale with the answer `given`; `None` if that prediction is another text,
/// which says nothing about the probability of the one given.
pub(crate) fn agreement(after: &Prediction, given: &Answer) -> Option<Agreement> {
    match (after, given) {
        (Prediction::Scores(scores), Answer::Choice(choice)) => {
            let posterior = Posterior::softmax(scores.0.iter().copied());
            Some(Agreement { agrees: posterior.likeliest() == *choice, strength: posterior.of(*choice) })
        }
        (Prediction::Text(predicted), Answer::Text(text)) if predicted.answer() == Some(text) => {
            Some(Agreement { agrees: true, strength: Confidence::clamped(predicted.score.exp()) })
        }
        _ => None,
    }
}
