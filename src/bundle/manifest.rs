//! `manifest.json` of a bundle, format 4. Checks only the form; `super` checks the rest.
//!
//! The training toolkit (`models/`) writes it, this runtime reads it. An unknown key is an error, because ignoring it
//! could break a guarantee that it stands for. Format 4 says what a task reads ([`super::declaration`]) and controls the
//! risk group by group; format 3 did neither, and is still read. Formats 1 and 2 are not.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

use super::declaration::Readings;
use crate::domain::{Bilingual, Language, TokenId};

/// The format this runtime was made for.
pub const FORMAT: u32 = 4;
/// The oldest that it reads: a bundle whose tasks declare nothing.
pub const OLDEST_FORMAT: u32 = 3;

/// The part that every format has. Read first, so that an error can name another format instead of calling the file
/// broken.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
pub struct Versioned {
    pub format: u32,
}

/// The whole manifest.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    #[schemars(range(min = OLDEST_FORMAT, max = FORMAT))]
    pub format: u32,
    /// Name of the model.
    pub name: String,
    pub version: semver::Version,
    /// Grows with every release, so that a rollback is noticed.
    pub serial: u64,
    /// The oldest runtime that can run it.
    pub minimum_runtime: semver::Version,
    /// Licence of the weights.
    pub licence: String,
    /// What wrote the answers and rationales that the model learned from.
    pub teacher: String,
    /// What the model was trained on.
    pub data: Vec<DataSource>,
    /// Every file of the bundle but this one, by name.
    pub files: BTreeMap<String, FileDigest>,
    /// The same for every graph.
    pub graph: Geometry,
    pub control: Control,
    pub calculator: CalculatorMarks,
    /// Never empty; the first is the default.
    pub tasks: Vec<Task>,
}

/// One source of training pairs.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DataSource {
    pub name: String,
    /// `generated`, `human` or `model`.
    pub kind: String,
    /// Licence of the pairs.
    pub licence: String,
    /// SHA-256 of the recipe or the file, lower-case hex.
    pub sha256: String,
}

/// Size and SHA-256 of a file.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FileDigest {
    pub bytes: u64,
    /// Lower-case hex.
    pub sha256: String,
}

/// Dimensions of a decoder graph.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Geometry {
    pub layers: usize,
    /// Key-value heads in each layer.
    pub kv_heads: usize,
    /// Values in each head.
    pub head_dim: usize,
    /// Tokens that the key-value cache holds.
    pub max_len: usize,
    /// Tokens in the vocabulary.
    pub vocabulary: usize,
    /// How the weights are stored, for people to read.
    pub weights: String,
}

/// Ids of the control tokens.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Control {
    /// An answer follows.
    pub answer: TokenId,
    /// The rationale of the answer before it follows.
    pub why: TokenId,
    /// A thought follows: a rationale that leads to an answer.
    pub think: TokenId,
    /// The text ends.
    pub end: TokenId,
}

/// Ids of the tokens that the calculator watches, and how it rounds.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CalculatorMarks {
    /// `<<`
    pub open: TokenId,
    /// `=`
    pub equals: TokenId,
    /// `>>`
    pub close: TokenId,
    /// Decimals that a result is rounded to.
    pub decimals: u32,
}

/// One task: a kind of question and the kind of answer to it.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Task {
    /// Id, unique in the bundle.
    pub id: String,
    #[serde(deserialize_with = "bilingual")]
    #[schemars(with = "InBothLanguages")]
    pub title: Bilingual,
    /// File name of the graph that answers the task. Tasks may share a graph; a task with a graph of its own can be
    /// retrained without changing the answers of the others.
    pub graph: String,
    /// Prompt template; holds `{question}` exactly once.
    pub prompt: String,
    /// Largest number of tokens in a filled prompt.
    pub question_tokens_max: usize,
    /// Largest number of tokens in a rationale.
    pub rationale_tokens_max: usize,
    pub answers: Answers,
    /// What the task reads; without it the model reads the question as it stands.
    #[serde(default)]
    pub readings: Option<Readings>,
    pub calibration: Calibration,
}

/// What a task may be answered with.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Answers {
    /// One of a closed set.
    Choices(Vec<Choice>),
    /// A text in the model's own words.
    Free(FreeText),
}

/// Bounds of a free answer.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FreeText {
    /// Largest number of tokens in an answer; a longer text is no answer.
    pub tokens_max: usize,
}

/// One answer of the closed set.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Choice {
    /// For machines; `u16::MAX` is reserved for "ask a person".
    pub code: u16,
    /// What the model writes.
    pub text: String,
    /// For people.
    #[serde(deserialize_with = "bilingual")]
    #[schemars(with = "InBothLanguages")]
    pub label: Bilingual,
    /// This choice means "ask a person": a question so answered is escalated.
    #[serde(rename = "person")]
    pub abstains: bool,
}

/// What was fitted on a calibration split, on the graph that ships.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Calibration {
    /// Name of the calibration split.
    pub split: String,
    /// Rows in the split.
    pub n: u64,
    /// The risk bound: largest share of wrong answers among the auto-answered, 0 to 1.
    pub risk: f64,
    /// Probability that the risk bound holds, 0 to 1.
    pub confidence_level: f64,
    /// Answer-first.
    pub first: FirstCalibration,
    /// Think-first, for the rows below the first threshold.
    pub think: ThinkCalibration,
    pub bands: Bands,
    /// Of questions that are harder or rarer than the rest, with proofs of their own; the first that fits is taken.
    #[serde(default)]
    pub groups: Vec<Group>,
}

/// A group of questions whose risk is controlled by itself.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Group {
    /// For people: `near a limit, English`.
    pub name: String,
    /// Of questions near a limit of the task's readings, or of those that are not; without it, of both.
    #[serde(default)]
    pub near_limit: Option<bool>,
    /// Of questions in this language: `en` or `ja`.
    #[serde(default)]
    pub language: Option<LanguageCode>,
    /// The model thinks before it answers, however sure it is.
    #[serde(default)]
    pub think_first: bool,
    /// Rows of the split in the group.
    pub n: u64,
    pub first: FirstCalibration,
    pub think: ThinkCalibration,
}

/// A language as the manifest names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum LanguageCode {
    En,
    Ja,
}

impl LanguageCode {
    pub fn language(self) -> Language {
        match self {
            Self::En => Language::En,
            Self::Ja => Language::Ja,
        }
    }
}

/// Calibration of the first answer: posterior = softmax(scores / temperature); of free text, confidence = exp(score /
/// temperature).
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FirstCalibration {
    pub temperature: f64,
    /// Answers of at least this confidence are given; 1 if no risk bound could be shown.
    pub threshold: f64,
    /// Rows of the split whose answer reaches the threshold.
    pub n: u64,
    /// Wrong answers among these `n`.
    pub errors: u64,
    /// Share of the split that reaches the threshold.
    pub coverage: f64,
}

/// Calibration of thinking: posterior = softmax(first_weight * first scores + think_weight * scores after thinking). Of
/// free text, confidence = exp(first_weight * first score + think_weight * score after thinking) if both predictions
/// are the same text, else exp(think_weight * score after thinking) * (1 - first confidence).
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ThinkCalibration {
    /// Weight of the first answer's scores.
    pub first_weight: f64,
    /// Weight of the scores after thinking.
    pub think_weight: f64,
    /// Answers of at least this confidence are given; 1 if no risk bound could be shown.
    pub threshold: f64,
    /// Rows below the first threshold whose answer after thinking reaches this one.
    pub n: u64,
    /// Wrong answers among these `n`.
    pub errors: u64,
    /// Their share of the rows below the first threshold.
    pub coverage: f64,
}

/// Confidences at which the bands begin.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Bands {
    pub high: f64,
    /// Medium begins here; below it is low.
    pub medium: f64,
}

/// A golden question: asked after every load, and its outcome checked.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Golden {
    pub id: String,
    pub task: String,
    pub question: String,
    /// Code of the likeliest choice; only for a task with choices.
    pub code: Option<u16>,
    /// The text that the model writes, empty if it writes no answer; only for a task with free text.
    pub answer: Option<String>,
    pub decision: GoldenDecision,
    pub mode: GoldenMode,
    /// Checked within [`GOLDEN_CONFIDENCE_TOLERANCE`].
    pub confidence: f64,
}

/// Allowed difference of a confidence. The integer kernels agree between CPUs, the floating-point steps between them
/// only nearly.
pub const GOLDEN_CONFIDENCE_TOLERANCE: f64 = 0.05;

/// [`crate::domain::Decision`] without its reason, as in `golden.jsonl`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GoldenDecision {
    Answered,
    Escalated,
}

/// [`crate::domain::Mode`], as in `golden.jsonl`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GoldenMode {
    AnswerFirst,
    ThinkFirst,
}

/// A text in both languages.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Bilingual")]
pub(super) struct InBothLanguages {
    en: String,
    ja: String,
}

pub(super) fn bilingual<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Bilingual, D::Error> {
    InBothLanguages::deserialize(from).map(|InBothLanguages { en, ja }| Bilingual { en, ja })
}
