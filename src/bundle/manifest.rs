//! `manifest.json` of a student bundle, format 3, as it stands on disk. Checks nothing but the form; `super` checks the rest.
//!
//! Writers: the workshop (`models/`). Readers: this runtime. An unknown key is an error, because a key that is not
//! understood may carry a promise that is not kept. Format 3 holds several tasks, each with a closed answer set or free text, and
//! says of each which graph answers it; format 2 held one graph for all, format 1 one task. Neither is read any longer.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::domain::{Bilingual, TokenId};

/// The only format this runtime reads.
pub const FORMAT: u32 = 3;

/// What a manifest of every format says; read first, so that another format is named and not taken for a broken file.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
pub struct Versioned {
    /// Version of the bundle format.
    pub format: u32,
}

/// The whole manifest.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// Version of the bundle format.
    pub format: u32,
    /// Name of the student.
    pub name: String,
    /// Its version.
    pub version: semver::Version,
    /// Grows with every release, so that a rollback is seen.
    pub serial: u64,
    /// The oldest runtime that can run it.
    pub minimum_runtime: semver::Version,
    /// Licence of the weights.
    pub licence: String,
    /// Who taught it.
    pub teacher: String,
    /// What it was trained on.
    pub data: Vec<DataSource>,
    /// Every other file of the bundle.
    pub files: BTreeMap<String, FileDigest>,
    /// Shape of every graph.
    pub graph: Geometry,
    /// The control tokens.
    pub control: Control,
    /// The calculator's marks.
    pub calculator: CalculatorMarks,
    /// What the student can be asked; the first is asked where none is named.
    pub tasks: Vec<Task>,
}

/// One source of training pairs.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DataSource {
    /// Name.
    pub name: String,
    /// `generated`, `human` or `model`.
    pub kind: String,
    /// Licence of the pairs.
    pub licence: String,
    /// Digest of the recipe or the file.
    pub sha256: String,
}

/// Size and digest of a file.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileDigest {
    /// Size.
    pub bytes: u64,
    /// SHA-256, lower-case hex.
    pub sha256: String,
}

/// Shape of the decoder graph.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Geometry {
    /// Decoder layers.
    pub layers: usize,
    /// Key-value heads of a layer.
    pub kv_heads: usize,
    /// Width of a head.
    pub head_dim: usize,
    /// Positions in the key-value cache.
    pub max_len: usize,
    /// Entries of the vocabulary.
    pub vocabulary: usize,
    /// How the weights are stored.
    pub weights: String,
}

/// Ids of the control tokens.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Control {
    /// What follows is the answer.
    pub answer: TokenId,
    /// What follows is the rationale of an answer already given.
    pub why: TokenId,
    /// What follows is a rationale that leads to an answer.
    pub think: TokenId,
    /// Nothing follows.
    pub end: TokenId,
}

/// Ids of the tokens that the calculator watches, and how it rounds.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CalculatorMarks {
    /// `<<`
    pub open: TokenId,
    /// `=`
    pub equals: TokenId,
    /// `>>`
    pub close: TokenId,
    /// Decimals of a result.
    pub decimals: u32,
}

/// One task: a kind of question and the kind of answer to it.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Task {
    /// Id, unique in the bundle.
    pub id: String,
    /// Title.
    #[serde(deserialize_with = "bilingual")]
    pub title: Bilingual,
    /// Name of the file that holds the graph which answers it. Tasks may share one: to teach a task with a graph of its own changes
    /// no answer of the others.
    pub graph: String,
    /// Prompt template; `{question}`, which it holds once, is where the question goes.
    pub prompt: String,
    /// Tokens of the longest filled prompt.
    pub question_tokens_max: usize,
    /// Tokens of the longest rationale.
    pub rationale_tokens_max: usize,
    /// What may be answered.
    pub answers: Answers,
    /// What was fitted on the calibration split.
    pub calibration: Calibration,
}

/// What a task may be answered with.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answers {
    /// One of a closed set.
    Choices(Vec<Choice>),
    /// A text of the student's own.
    Free(FreeText),
}

/// Bounds of a free answer.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FreeText {
    /// Tokens of the longest answer; what is longer is no answer.
    pub tokens_max: usize,
}

/// One answer of the closed set.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Choice {
    /// What a machine reads; `u16::MAX` is kept for "ask a person".
    pub code: u16,
    /// What the student writes.
    pub text: String,
    /// What a person reads.
    #[serde(deserialize_with = "bilingual")]
    pub label: Bilingual,
    /// This choice means "ask a person": a question so answered is escalated.
    #[serde(rename = "person")]
    pub abstains: bool,
}

/// What was fitted on a calibration split, on the graph that ships.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Calibration {
    /// Which rows.
    pub split: String,
    /// How many.
    pub n: u64,
    /// The promised share of errors among the answers that stand.
    pub risk: f64,
    /// How surely the promise holds.
    pub confidence_level: f64,
    /// The first answer.
    pub first: FirstCalibration,
    /// Thinking first, for the questions below the first threshold.
    pub think: ThinkCalibration,
    /// Where the bands begin.
    pub bands: Bands,
}

/// Calibration of the first answer: posterior = softmax(scores / temperature); of free text, confidence = exp(score / temperature).
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FirstCalibration {
    /// Temperature.
    pub temperature: f64,
    /// An answer at or above it stands.
    pub threshold: f64,
    /// Answers at or above it on the split.
    pub n: u64,
    /// Wrong ones among them.
    pub errors: u64,
    /// Share of the split at or above it.
    pub coverage: f64,
}

/// Calibration of thinking: posterior = softmax(first_weight * first scores + think_weight * scores after thinking). Of free text,
/// confidence = exp(first_weight * first score + think_weight * score after thinking) where both looks wrote the same text, else
/// exp(think_weight * score after thinking) * (1 - first confidence).
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ThinkCalibration {
    /// Weight of the first answer's scores.
    pub first_weight: f64,
    /// Weight of the scores after thinking.
    pub think_weight: f64,
    /// An answer at or above it stands.
    pub threshold: f64,
    /// Answers at or above it among the unsure of the split.
    pub n: u64,
    /// Wrong ones among them.
    pub errors: u64,
    /// Share of the unsure at or above it.
    pub coverage: f64,
}

/// Confidences at which the bands begin.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bands {
    /// High begins here.
    pub high: f64,
    /// Medium begins here; below it is low.
    pub medium: f64,
}

/// One golden question: what must come out after every load.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Golden {
    /// Id.
    pub id: String,
    /// Id of its task.
    pub task: String,
    /// The question.
    pub question: String,
    /// Code of the likeliest choice; only where the task has choices.
    pub code: Option<u16>,
    /// The text that the student writes, empty if it writes no answer; only where the task takes free text.
    pub answer: Option<String>,
    /// Does it stand?
    pub decision: GoldenDecision,
    /// How it comes about.
    pub mode: GoldenMode,
    /// With what confidence, within [`GOLDEN_CONFIDENCE_TOLERANCE`].
    pub confidence: f64,
}

/// Integer kernels agree between CPUs, the floating point between them only nearly; a confidence may move this much.
pub const GOLDEN_CONFIDENCE_TOLERANCE: f64 = 0.05;

/// A decision, as golden questions write it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GoldenDecision {
    /// The answer stands.
    Answered,
    /// A person is asked.
    Escalated,
}

/// A mode, as golden questions write it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GoldenMode {
    /// At once.
    AnswerFirst,
    /// After a rationale.
    ThinkFirst,
}

fn bilingual<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Bilingual, D::Error> {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct OnDisk {
        en: String,
        ja: String,
    }
    OnDisk::deserialize(from).map(|OnDisk { en, ja }| Bilingual { en, ja })
}
