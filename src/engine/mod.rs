//! Runs a student on one question: reads it, scores the answers, thinks, explains. Decides nothing; `policy` does.
//!
//! One cache holds one question. Its rows are laid down once and reused: the first answer, the thinking, the rationale
//! and the check of its agreement all continue behind the question's rows, by rewinding, never by reading it again.
//!
//! ```text
//! x <|answer|>              scores of the first answer, one forward pass
//! x <|answer|> y <|why|> r  the rationale of an answer given, on demand
//! x <|think|> r <|answer|>  scores after thinking; with the r above, the agreement
//! ```

mod calculator;
pub mod decode;
#[cfg(test)]
pub(crate) mod fake;
pub mod library;
mod model;
mod scoring;
mod session;
mod tokenizer;

use thiserror::Error;

use crate::bundle::Bundle;
use crate::bundle::manifest::{Control, Manifest};
use crate::domain::{Agreement, ChoiceIndex, Posterior, Rationale, RationaleEnd, Scores, TokenId};

pub use decode::{Decoding, Ending, Step};
pub use library::{Library, LibraryError};
pub use model::{Model, ModelError};
pub use session::{Kernels, OrtModel};
pub use tokenizer::{Tokenizer, TokenizerError};

use calculator::Calculator;
use scoring::ChoiceTree;

/// A question may have this many bytes; the longest that a student reads has a fraction of it.
pub const QUESTION_BYTES_MAX: usize = 16 << 10;

/// A student, ready to be asked.
pub struct Engine<M> {
    model: M,
    tokenizer: Tokenizer,
    control: Control,
    calculator: Calculator,
    choices: ChoiceTree,
    prompt: String,
    question_tokens_max: usize,
    rationale_tokens_max: usize,
}

/// The student or its parts do not fit together.
#[derive(Debug, Error)]
pub enum OpenError {
    /// The tokenizer cannot be used.
    #[error("the bundle's tokenizer.json does not fit")]
    Tokenizer(#[from] TokenizerError),
    /// The graph cannot be used.
    #[error("the bundle's model.onnx does not fit")]
    Model(#[from] ModelError),
    /// The answer set cannot be told apart.
    #[error("the answer set of the bundle does not fit: {0}")]
    Choices(String),
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
    /// Too many tokens for the student.
    #[error("the question has {found} tokens, this student reads at most {limit}: shorten it")]
    TooLong {
        /// Its tokens.
        found: usize,
        /// The student's limit.
        limit: usize,
    },
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
        matches!(self, Self::Empty | Self::TooLarge | Self::TooLong { .. })
    }
}

/// What thinking brought.
pub struct Thought {
    /// What the student wrote.
    pub rationale: Rationale,
    /// Scores of the answers it leads to; `None` when it came to no end.
    pub scores: Option<Scores>,
}

impl Engine<OrtModel> {
    /// Loads the student of a verified bundle into the runtime library.
    pub fn open(library: &Library, bundle: &Bundle) -> Result<Self, OpenError> {
        let tokenizer = Tokenizer::new(&bundle.tokenizer, &bundle.manifest)?;
        let model = OrtModel::new(library, &bundle.model, &bundle.manifest.graph)?;
        Self::new(model, tokenizer, &bundle.manifest)
    }
}

impl<M: Model> Engine<M> {
    /// Joins a model and a tokenizer by the manifest's task.
    pub fn new(model: M, tokenizer: Tokenizer, manifest: &Manifest) -> Result<Self, OpenError> {
        let task = &manifest.tasks[0]; // `Bundle` has exactly one
        let texts = task.choices.iter().map(|choice| tokenizer.encode(&choice.text)).collect::<Result<Vec<_>, _>>()?;
        Ok(Self {
            model,
            calculator: Calculator::new(manifest.calculator),
            choices: ChoiceTree::new(texts).map_err(OpenError::Choices)?,
            tokenizer,
            control: manifest.control,
            prompt: task.prompt.clone(),
            question_tokens_max: task.question_tokens_max,
            rationale_tokens_max: task.rationale_tokens_max,
        })
    }

    #[cfg(test)]
    pub(crate) fn model(&self) -> &M {
        &self.model
    }

    #[cfg(test)]
    pub(crate) fn model_mut(&mut self) -> &mut M {
        &mut self.model
    }

    /// Takes a question and scores the first answer: one forward pass where the answers differ in their first token.
    pub fn ask(&mut self, question: &str) -> Result<Asked<'_, M>, AskError> {
        if question.trim().is_empty() {
            return Err(AskError::Empty);
        }
        if question.len() > QUESTION_BYTES_MAX {
            return Err(AskError::TooLarge);
        }
        let mut tokens = self.tokenizer.encode(&self.prompt.replace("{question}", question.trim()))?;
        if tokens.len() > self.question_tokens_max {
            return Err(AskError::TooLong { found: tokens.len(), limit: self.question_tokens_max });
        }
        let question_len = tokens.len();
        tokens.push(self.control.answer);
        self.model.rewind(0);
        self.model.feed(&tokens)?;
        let first = self.choices.score(&mut self.model)?;
        Ok(Asked { engine: self, question_len, first })
    }
}

/// A question in the cache, with the scores of its first answer. Borrows the engine: one question at a time.
pub struct Asked<'e, M> {
    engine: &'e mut Engine<M>,
    question_len: usize,
    /// Scores of the first answer.
    pub first: Scores,
}

impl<M: Model> Asked<'_, M> {
    /// Tokens of the question.
    pub fn question_len(&self) -> usize {
        self.question_len
    }

    /// Writes a rationale first and scores the answers it leads to.
    pub fn think(&mut self) -> Result<Thought, AskError> {
        let Control { answer, think, .. } = self.engine.control;
        self.engine.model.rewind(self.question_len);
        self.engine.model.feed(&[think])?;
        let rationale = self.write(answer)?;
        let scores = match rationale.end {
            RationaleEnd::Complete => {
                self.engine.model.feed(&[answer])?;
                Some(self.engine.choices.score(&mut self.engine.model)?)
            }
            _ => None,
        };
        Ok(Thought { rationale, scores })
    }

    /// Writes the rationale of an answer given at once, continuing behind it.
    pub fn explain(&mut self, choice: ChoiceIndex) -> Result<Rationale, AskError> {
        let Control { answer, why, end, .. } = self.engine.control;
        let mut given = vec![answer];
        given.extend(self.engine.choices.text(choice));
        given.push(why);
        self.engine.model.rewind(self.question_len);
        self.engine.model.feed(&given)?;
        self.write(end)
    }

    /// Reads a rationale as if it had been thought, and compares the answer it leads to with `choice`.
    pub fn agreement(&mut self, rationale: &Rationale, choice: ChoiceIndex) -> Result<Agreement, AskError> {
        let Control { answer, think, .. } = self.engine.control;
        let mut read = vec![think];
        read.extend(&rationale.tokens);
        read.push(answer);
        self.engine.model.rewind(self.question_len);
        self.engine.model.feed(&read)?;
        let scores = self.engine.choices.score(&mut self.engine.model)?;
        Ok(agreement(&scores, choice))
    }

    fn write(&mut self, stop: TokenId) -> Result<Rationale, AskError> {
        let Engine { model, tokenizer, calculator, rationale_tokens_max, .. } = &mut *self.engine;
        let mut decoding = Decoding::new(model, tokenizer, calculator, stop, *rationale_tokens_max);
        let tokens = decoding.by_ref().map(|step| step.map(|step| step.token)).collect::<Result<Vec<_>, _>>()?;
        let ending = decoding.ending();
        Ok(decode::rationale(tokenizer, tokens, ending)?)
    }
}

/// Agreement of scores read after a rationale with the answer given.
pub fn agreement(after: &Scores, choice: ChoiceIndex) -> Agreement {
    let posterior = Posterior::softmax(after.0.iter().copied());
    Agreement { agrees: posterior.likeliest() == choice, strength: posterior.of(choice) }
}
