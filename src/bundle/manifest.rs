//! `manifest.json` of a student bundle, format 1, as it stands on disk. Checks nothing but the form; `super` checks the rest.
//!
//! Writers: the workshop (`models/`). Readers: this runtime. An unknown key is an error, because a key that is not
//! understood may carry a promise that is not kept.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::domain::{Bilingual, TokenId};

/// The only format this runtime reads.
pub const FORMAT: u32 = 1;

/// The whole manifest.
#[derive(Clone, Debug, Deserialize)]
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
    /// Shape of the graph.
    pub graph: Geometry,
    /// The control tokens.
    pub control: Control,
    /// The calculator's marks.
    pub calculator: CalculatorMarks,
    /// What the student can be asked.
    pub tasks: Vec<Task>,
}

/// One source of training pairs.
#[derive(Clone, Debug, Deserialize)]
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
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileDigest {
    /// Size.
    pub bytes: u64,
    /// SHA-256, lower-case hex.
    pub sha256: String,
}

/// Shape of the decoder graph.
#[derive(Clone, Debug, Deserialize)]
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
#[derive(Clone, Copy, Debug, Deserialize)]
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
#[derive(Clone, Copy, Debug, Deserialize)]
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

/// One task: a kind of question with a closed answer set.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Task {
    /// Id.
    pub id: String,
    /// Title.
    #[serde(deserialize_with = "bilingual")]
    pub title: Bilingual,
    /// Prompt template; `{question}` is where the question goes.
    pub prompt: String,
    /// Tokens of the longest question.
    pub question_tokens_max: usize,
    /// Tokens of the longest rationale.
    pub rationale_tokens_max: usize,
    /// The closed answer set.
    pub choices: Vec<Choice>,
    /// What was fitted on the calibration split.
    pub calibration: Calibration,
}

/// One answer of the closed set.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Choice {
    /// What a machine reads; `u16::MAX` is kept for "ask a person".
    pub code: u16,
    /// What the student writes.
    pub text: String,
    /// What a person reads.
    #[serde(deserialize_with = "bilingual")]
    pub label: Bilingual,
    /// This choice calls a person.
    pub person: bool,
}

/// What was fitted on a calibration split, on the graph that ships.
#[derive(Clone, Debug, Deserialize)]
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

/// Calibration of the first answer: posterior = softmax(scores / temperature).
#[derive(Clone, Debug, Deserialize)]
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

/// Calibration of thinking: posterior = softmax(first_weight * first scores + think_weight * scores after thinking).
#[derive(Clone, Debug, Deserialize)]
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
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bands {
    /// High begins here.
    pub high: f64,
    /// Medium begins here; below it is low.
    pub medium: f64,
}

/// One golden question: what must come out after every load.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Golden {
    /// Id.
    pub id: String,
    /// The question.
    pub question: String,
    /// Code of the likeliest choice.
    pub code: u16,
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
