//! The report of a bench run, format 1, as JSON. It has the raw samples beside the figures, so that others can compute them again.
//! Computes nothing itself. Names of fields are the keys of the JSON: they stay, whatever the texts for people say.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::machine::Machine;
use super::sensors::{Conditions, Energy};
use super::statistics::{Ratio, Summary};
use crate::evaluation::{Bin, Share, Source};

/// The only format this runtime writes and reads.
pub const FORMAT: u32 = 1;
/// Largest file that is read; every sample of the longest run takes a few megabytes.
pub const BYTES_MAX: u64 = 64 << 20;

/// Marks a file as a bench report.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Kind {
    /// A bench report.
    #[serde(rename = "sokutou bench")]
    Bench,
}

/// One run on one device.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Report {
    /// Marks the file.
    pub kind: Kind,
    /// Version of the format.
    pub format: u32,
    /// Version of sokutou.
    pub sokutou: String,
    /// Start of the run, UTC.
    #[schemars(extend("format" = "date-time"))]
    pub at: String,
    /// Note of the person who ran it.
    pub note: Option<String>,
    /// Reasons not to rely on these figures; empty unless the report was forced.
    pub doubts: Vec<Doubt>,
    /// The device.
    pub machine: Machine,
    /// Sensors during the run.
    pub conditions: Conditions,
    /// ONNX Runtime.
    pub library: Library,
    /// The model and its task.
    pub student: Student,
    /// How the run was set up.
    pub settings: Settings,
    /// All timed measures.
    pub figures: Vec<Figure>,
    /// Measures that are missing, and why.
    pub not_measured: Vec<NotMeasured>,
    /// What answering directly saved.
    pub early_stop: EarlyStop,
    /// Quality of the answers.
    pub quality: Quality,
    /// Memory of the process.
    pub memory: Memory,
    /// Speed of decoding against the memory's.
    pub roofline: Roofline,
    /// Energy by each meter; empty where none can be read.
    pub energy: Vec<Energy>,
    /// The long run, if there was one.
    pub soak: Option<Soak>,
}

/// A reason not to rely on figures.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Doubt {
    /// Kind of the reason.
    pub about: About,
    /// The reason in words.
    pub says: String,
}

/// Kinds of reasons not to rely on figures.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum About {
    /// The processor was throttled.
    Throttled,
    /// Other programs used the device.
    OtherWork,
    /// Trials differ too much.
    Spread,
}

/// The runtime library.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Library {
    /// Version, if the library reports one.
    pub version: Option<String>,
    /// SHA-256 of the file.
    pub sha256: Option<String>,
}

/// The model and its task.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Student {
    /// Name and version.
    pub name: String,
    /// The task that was asked.
    pub task: String,
    /// SHA-256 of each of the bundle's files.
    pub sha256: BTreeMap<String, String>,
    /// File with the graph of this task; missing in reports from before bundles had several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub graph: Option<String>,
    /// Size of that graph with its weights.
    pub graph_bytes: u64,
    /// Format of the weights.
    pub weights: String,
    /// Positions in the key-value cache.
    pub positions: usize,
}

/// How the run was set up.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Settings {
    /// `release` or `debug`.
    pub build: String,
    /// Kernels used on this processor.
    pub kernels: String,
    /// Threads of a pass.
    pub threads: usize,
    /// Trials of the same work.
    pub trials: usize,
    /// Answers in each trial.
    pub answers: usize,
    /// Source of the questions.
    pub questions: Source,
    /// Number of questions.
    pub questions_n: usize,
    /// Number of them that were timed; the others were answered once, for quality.
    pub questions_timed: usize,
    /// SHA-256 over the timed questions in order: equal for runs that asked the same.
    pub questions_sha256: String,
    /// Tokens of a filled prompt, over the timed questions.
    pub prompt_tokens: Summary,
}

/// What is measured. Times are those of the pipeline that the gateway runs, without loading.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Measure {
    /// From the program's start to its command: loader and arguments. Files are in the system's cache.
    ColdExec,
    /// Reading the bundle and checking its digests.
    ColdBundle,
    /// Loading ONNX Runtime.
    ColdLibrary,
    /// Preparing tokenizer and session.
    ColdSession,
    /// The first answer.
    ColdFirstRun,
    /// From start to first answer: the sum of the above.
    ColdStart,
    /// The second answer of a fresh process.
    ColdSecondRun,
    /// From question to verdict, directly or after thinking. The whole prompt is read: a prefix miss.
    Answer,
    /// Answers from the first pass; for choices this is the time to the first token too.
    AnswerAtOnce,
    /// Answers after thinking.
    AnswerAfterThinking,
    /// Answers with the fixed part of the prompt kept from an earlier question.
    AnswerPrefixHit,
    /// Time that thinking first would have added to a direct answer, of the same question.
    ThinkingSpared,
    /// From request to rationale of a direct answer, with the check of its agreement.
    Rationale,
    /// Reading a prompt.
    Prefill,
    /// Writing after a prompt, one token at a time.
    Decode,
    /// Reading 512 tokens in one pass into an empty cache, as `llama-bench` does.
    Pp512,
    /// Where the cache is too short for that: filling it in one pass, as `llama-bench -p` with the model's positions.
    PpWhole,
    /// Writing 128 tokens into an empty cache, as `llama-bench` does, without choosing them.
    Tg128,
    /// Reading more memory than the caches hold, with one thread.
    ReadMemory,
    /// Reading as many bytes as the model has, repeatedly, with one thread.
    ReadStudent,
}

impl Measure {
    /// Speeds of the model alone and of the memory, in the order of a report.
    pub const SPEED: [Self; 7] =
        [Self::Prefill, Self::Decode, Self::Pp512, Self::PpWhole, Self::Tg128, Self::ReadMemory, Self::ReadStudent];

    /// Name for people, in English and Japanese.
    pub fn title(self) -> (&'static str, &'static str) {
        match self {
            Self::ColdExec => ("program", "プログラム起動"),
            Self::ColdBundle => ("bundle", "バンドル検証"),
            Self::ColdLibrary => ("library", "ライブラリ読込"),
            Self::ColdSession => ("session", "セッション準備"),
            Self::ColdFirstRun => ("first answer", "最初の回答"),
            Self::ColdStart => ("start to answer", "起動から回答まで"),
            Self::ColdSecondRun => ("second answer", "2回目の回答"),
            Self::Answer => ("answer", "回答"),
            Self::AnswerAtOnce => ("direct answer", "即答"),
            Self::AnswerAfterThinking => ("answer after thinking", "考えてから回答"),
            Self::AnswerPrefixHit => ("answer, prefix kept", "回答（共通部を保持）"),
            Self::ThinkingSpared => ("thinking saved", "省いた思考時間"),
            Self::Rationale => ("rationale", "理由"),
            Self::Prefill => ("prefill", "プロンプト処理"),
            Self::Decode => ("decode", "トークン生成"),
            Self::Pp512 => ("pp512", "pp512"),
            Self::PpWhole => ("pp, whole cache", "pp（キャッシュ全体）"),
            Self::Tg128 => ("tg128", "tg128"),
            Self::ReadMemory => ("memory read", "メモリ読取"),
            Self::ReadStudent => ("model-sized read", "モデル相当量の読取"),
        }
    }

    /// Unit of the measure.
    pub fn unit(self) -> Unit {
        match self {
            Self::Prefill | Self::Decode | Self::Pp512 | Self::PpWhole | Self::Tg128 => Unit::TokensPerSecond,
            Self::ReadMemory | Self::ReadStudent => Unit::GigabytesPerSecond,
            _ => Unit::Milliseconds,
        }
    }
}

/// Unit of a measure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Unit {
    /// Lower is better.
    #[serde(rename = "ms")]
    Milliseconds,
    /// Higher is better.
    #[serde(rename = "tok/s")]
    TokensPerSecond,
    /// Higher is better.
    #[serde(rename = "GB/s")]
    GigabytesPerSecond,
}

impl Unit {
    /// The unit as text.
    pub fn name(self) -> &'static str {
        match self {
            Self::Milliseconds => "ms",
            Self::TokensPerSecond => "tok/s",
            Self::GigabytesPerSecond => "GB/s",
        }
    }

    /// Whether a lower number is better.
    pub fn less_is_better(self) -> bool {
        self == Self::Milliseconds
    }
}

/// The samples of one measure.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Figure {
    /// The measure.
    pub measure: Measure,
    /// Unit of the samples.
    pub unit: Unit,
    /// Summary of all trials together. Its intervals hold within this run; another run can differ by more.
    pub summary: Summary,
    /// Largest minus smallest median of the trials, as a share of the middle one.
    pub spread: f64,
    /// Samples of each trial, in order.
    pub trials: Vec<Vec<f64>>,
}

/// A measure that is missing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct NotMeasured {
    /// The measure.
    pub measure: Measure,
    /// Why it is missing.
    pub why: String,
}

/// What answering directly saved, on the questions asked.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct EarlyStop {
    /// Questions answered directly, in the first pass.
    pub at_once: Share,
    /// Mean tokens that thinking would have written for those questions.
    pub tokens_spared: Option<f64>,
    /// Time of always thinking divided by time of answering directly, for the same questions.
    pub thinking_costs: Option<Ratio>,
}

/// Quality of the answers, each question counted once.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Quality {
    /// Accuracy: right answers, with the guesses behind escalated questions.
    pub right: Option<Share>,
    /// Coverage: questions answered without a person.
    pub stood: Share,
    /// Right answers among those given without a person: 1 - selective risk.
    pub right_of_stood: Option<Share>,
    /// Expected calibration error over 15 bins; missing with fewer than 100 answers whose truth is known. Earlier versions used 10 bins.
    pub calibration_error: Option<f64>,
    /// The bins that are not empty.
    pub reliability: Vec<Bin>,
}

/// Memory of the process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Memory {
    /// Resident after the model was loaded.
    pub loaded_bytes: u64,
    /// Resident after the answers.
    pub answered_bytes: u64,
    /// Highest so far.
    pub peak_bytes: u64,
    /// Size of the key-value cache.
    pub cache_bytes: u64,
    /// Page faults of a cold start without disk access, median.
    pub faults_minor: u64,
    /// Page faults of a cold start that waited for the disk, median.
    pub faults_major: u64,
}

/// Speed of decoding against the limit that reading memory sets.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Roofline {
    /// Bytes read for one token: at most the graph, once, and the rows of the cache.
    pub bytes_a_token: u64,
    /// Decoding as a share of what reading memory allows.
    pub of_memory: Option<f64>,
    /// Decoding as a share of what reading model-sized data allows; a small model fits into caches.
    pub of_student_sized: Option<f64>,
}

/// The long run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Soak {
    /// Length of the run.
    pub seconds: f64,
    /// Whether it was ended before its time.
    pub ended_early: bool,
    /// Answers given.
    pub answers: usize,
    /// Parts of the run, in order.
    pub windows: Vec<Window>,
    /// Median time to answer in the last third of the windows divided by the first third; 1 is no drift. Missing with too few windows.
    pub drift: Option<Ratio>,
    /// Growth of resident memory from the first window to the last.
    pub grown_bytes: i64,
}

/// A part of the long run.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Window {
    /// End of the part, in seconds since the soak began.
    pub at_s: f64,
    /// Answers given.
    pub n: usize,
    /// Median time to answer, ms.
    pub p50: f64,
    /// 99 % of the answers took at most this, ms.
    pub p99: f64,
    /// Slowest answer, ms.
    pub max: f64,
    /// Temperature of the hottest zone.
    pub celsius: Option<f64>,
    /// Frequency of the slowest clock.
    pub mhz: Option<f64>,
}

/// Why a file is not a report.
#[derive(Debug, Error)]
pub enum ReportError {
    /// Not JSON, or cut off.
    #[error("expected the JSON of `sokutou bench --json`: the file is {}", if source.is_eof() { "cut off" } else { "malformed" })]
    Json {
        /// Place and reason.
        #[source]
        source: serde_json::Error,
    },
    /// JSON of something else.
    #[error("expected a report of `sokutou bench`, with \"kind\": \"sokutou bench\": this is JSON of something else")]
    Foreign,
    /// A report of another format.
    #[error("expected a bench report of format {FORMAT}, found {found}: {}", if *found > FORMAT { "update sokutou to read it" } else { "run the bench again" })]
    Format {
        /// Format of the file.
        found: u32,
    },
    /// A report of this format with wrong contents.
    #[error("the bench report has unexpected contents")]
    Broken {
        /// Place and reason.
        #[source]
        source: serde_json::Error,
    },
}

/// Keys that every format has. Read first, so that a newer format is reported as such and not as a broken file.
#[derive(Deserialize)]
struct Versioned {
    kind: Kind,
    format: u32,
}

impl Report {
    /// Reads a report.
    pub fn parse(text: &[u8]) -> Result<Self, ReportError> {
        let json: serde_json::Value = serde_json::from_slice(text).map_err(|source| ReportError::Json { source })?;
        let Versioned { kind: Kind::Bench, format } =
            Versioned::deserialize(&json).map_err(|_| ReportError::Foreign)?;
        if format != FORMAT {
            return Err(ReportError::Format { found: format });
        }
        Self::deserialize(&json).map_err(|source| ReportError::Broken { source })
    }

    /// The figure of this measure.
    pub fn figure(&self, measure: Measure) -> Option<&Figure> {
        self.figures.iter().find(|figure| figure.measure == measure)
    }
}
