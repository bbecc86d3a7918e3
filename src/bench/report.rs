//! The report of a bench run, format 1, as it stands in `bench.json`. Raw samples stand beside what they say, so that others can say it
//! again. Computes nothing; [`Report::parse`] refuses what is none.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::machine::Machine;
use super::sensors::{Conditions, Energy};
use super::statistics::{Bin, Ratio, Share, Summary};

/// The only format this runtime writes and reads.
pub const FORMAT: u32 = 1;
/// A report with every sample of the longest run has a few megabytes; a larger file is none.
pub const BYTES_MAX: u64 = 64 << 20;

/// What a file of reports says it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Kind {
    /// The only kind there is.
    #[serde(rename = "sokutou bench")]
    Bench,
}

/// One run on one box.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Report {
    /// Tells the file apart.
    pub kind: Kind,
    /// Version of this format.
    pub format: u32,
    /// Version of sokutou.
    pub sokutou: String,
    /// When the run began, UTC.
    #[schemars(extend("format" = "date-time"))]
    pub at: String,
    /// In the words of whoever ran it.
    pub note: Option<String>,
    /// Why these figures should not be trusted; empty unless whoever ran it wanted them anyway.
    pub doubts: Vec<Doubt>,
    /// The box.
    pub machine: Machine,
    /// What the board told meanwhile.
    pub conditions: Conditions,
    /// ONNX Runtime.
    pub library: Library,
    /// Who answered.
    pub student: Student,
    /// What was asked, and how.
    pub settings: Settings,
    /// Everything that was timed.
    pub figures: Vec<Figure>,
    /// What could not be timed here.
    pub not_measured: Vec<NotMeasured>,
    /// What answering at once spared.
    pub early_stop: EarlyStop,
    /// How good the answers were.
    pub quality: Quality,
    /// What the process took.
    pub memory: Memory,
    /// What decoding could reach.
    pub roofline: Roofline,
    /// By each of the board's meters; empty where it has none, which means: not measured.
    pub energy: Vec<Energy>,
    /// A long run, if one was wanted.
    pub soak: Option<Soak>,
}

/// Why figures should not be trusted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Doubt {
    /// Of which kind.
    pub about: About,
    /// In words.
    pub says: String,
}

/// Kinds of doubt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum About {
    /// The processor was held back.
    Throttled,
    /// The box did other work.
    OtherWork,
    /// Trials lie too far apart.
    Spread,
}

/// The runtime library.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Library {
    /// Its version, if it says one.
    pub version: Option<String>,
    /// Digest of its file.
    pub sha256: Option<String>,
}

/// The student and its task.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Student {
    /// Name and version.
    pub name: String,
    /// The task that was asked.
    pub task: String,
    /// Digests of the bundle's files.
    pub sha256: BTreeMap<String, String>,
    /// Name of the file with the graph that answers the task; reports from before bundles had several do not say it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub graph: Option<String>,
    /// Bytes of that graph with its weights.
    pub graph_bytes: u64,
    /// How the weights are stored.
    pub weights: String,
    /// Positions in the cache.
    pub positions: usize,
}

/// How the run was set up.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Settings {
    /// How sokutou was built: `release` or `debug`.
    pub build: String,
    /// The kernels that this processor gets.
    pub kernels: String,
    /// Threads that compute a pass.
    pub threads: usize,
    /// Trials, each the same work.
    pub trials: usize,
    /// Answers of one trial.
    pub answers: usize,
    /// Where the questions came from.
    pub questions: Source,
    /// How many there are.
    pub questions_n: usize,
    /// How many of them were timed; the others were answered once, for quality.
    pub questions_timed: usize,
    /// Digest of the timed questions, in order: two runs with the same one asked the same.
    pub questions_sha256: String,
    /// Tokens of a filled prompt, over the timed questions.
    pub prompt_tokens: Summary,
}

/// Where questions come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// The bundle's golden questions. They are in the bundle because they come out right: their accuracy says nothing.
    Golden,
    /// A file of pairs.
    File,
}

/// What a figure is of. Times are of the pipeline that the gateway walks; loading is not in them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Measure {
    /// From a program's start to its command: the loader, the arguments. Files are in the system's cache.
    ColdExec,
    /// Reading the bundle and checking its digests.
    ColdBundle,
    /// Loading ONNX Runtime.
    ColdLibrary,
    /// Tokenizer and session.
    ColdSession,
    /// The first answer.
    ColdFirstRun,
    /// From start to first answer, all of the above.
    ColdStart,
    /// The second answer of a fresh process.
    ColdSecondRun,
    /// From question to verdict, as it comes: at once or after thinking. The whole prompt is read: a prefix miss.
    Answer,
    /// Those that stood at once; for choices this is the time to the first token too.
    AnswerAtOnce,
    /// Those that thought first.
    AnswerAfterThinking,
    /// With the fixed part of the prompt kept from an earlier question.
    AnswerPrefixHit,
    /// What thinking first would have added, where the answer stood at once; the same question, both ways.
    ThinkingSpared,
    /// From the wish to the rationale of an answer that stood at once, with the check of its agreement.
    Rationale,
    /// Reading prompts.
    Prefill,
    /// Writing behind them, a token at a time.
    Decode,
    /// Reading 512 tokens in one pass into an empty cache, as `llama-bench` does.
    Pp512,
    /// Where the cache is too short for that: filling it in one pass, `llama-bench -p` with the student's positions.
    PpWhole,
    /// Writing 128 tokens into an empty cache, as `llama-bench` does, without choosing them.
    Tg128,
    /// Reading memory that no cache holds, with one thread.
    ReadMemory,
    /// Reading as many bytes as the student has, again and again, with one thread.
    ReadStudent,
}

impl Measure {
    /// Those of passes without questions and of the memory, in the order in which they are told.
    pub const SPEED: [Self; 7] =
        [Self::Prefill, Self::Decode, Self::Pp512, Self::PpWhole, Self::Tg128, Self::ReadMemory, Self::ReadStudent];

    /// In words, in English and Japanese.
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
            Self::AnswerAtOnce => ("answer at once", "即答"),
            Self::AnswerAfterThinking => ("answer after thinking", "考えてから回答"),
            Self::AnswerPrefixHit => ("answer, prefix kept", "回答（共通部を保持）"),
            Self::ThinkingSpared => ("thinking spared", "省いた思考"),
            Self::Rationale => ("rationale", "理由"),
            Self::Prefill => ("reading", "読み取り"),
            Self::Decode => ("writing", "書き出し"),
            Self::Pp512 => ("pp512", "pp512"),
            Self::PpWhole => ("pp, whole cache", "pp（キャッシュ全体）"),
            Self::Tg128 => ("tg128", "tg128"),
            Self::ReadMemory => ("memory read", "メモリ読取"),
            Self::ReadStudent => ("student-sized read", "生徒の大きさの読取"),
        }
    }

    /// What it counts.
    pub fn unit(self) -> Unit {
        match self {
            Self::Prefill | Self::Decode | Self::Pp512 | Self::PpWhole | Self::Tg128 => Unit::TokensPerSecond,
            Self::ReadMemory | Self::ReadStudent => Unit::GigabytesPerSecond,
            _ => Unit::Milliseconds,
        }
    }
}

/// What a figure counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Unit {
    /// Less is better.
    #[serde(rename = "ms")]
    Milliseconds,
    /// More is better.
    #[serde(rename = "tok/s")]
    TokensPerSecond,
    /// More is better.
    #[serde(rename = "GB/s")]
    GigabytesPerSecond,
}

impl Unit {
    /// As it is printed.
    pub fn name(self) -> &'static str {
        match self {
            Self::Milliseconds => "ms",
            Self::TokensPerSecond => "tok/s",
            Self::GigabytesPerSecond => "GB/s",
        }
    }

    /// Is a smaller number better?
    pub fn less_is_better(self) -> bool {
        self == Self::Milliseconds
    }
}

/// Something timed, again and again.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Figure {
    /// What.
    pub measure: Measure,
    /// In what.
    pub unit: Unit,
    /// What the samples say, all trials together. Its intervals hold within this run; the next one may find the box in another mood.
    pub summary: Summary,
    /// How far the trials' medians lie apart, as a share of the middle one.
    pub spread: f64,
    /// The samples of each trial, in order.
    pub trials: Vec<Vec<f64>>,
}

/// Something that could not be timed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct NotMeasured {
    /// What.
    pub measure: Measure,
    /// Why not.
    pub why: String,
}

/// What answering at once spared, on the questions asked.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct EarlyStop {
    /// Questions whose first answer stood.
    pub at_once: Share,
    /// Tokens that thinking would have written, mean over those questions.
    pub tokens_spared: Option<f64>,
    /// Thinking always over answering at once, in time, of the same questions.
    pub thinking_costs: Option<Ratio>,
}

/// How good the answers were, each question counted once.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Quality {
    /// Answers as wanted, guesses of escalated ones included.
    pub right: Option<Share>,
    /// Answers that stood, without a person.
    pub stood: Share,
    /// Of those that stood, the ones as wanted.
    pub right_of_stood: Option<Share>,
    /// Expected calibration error of the confidence; missing where there are too few questions for it to mean something.
    pub calibration_error: Option<f64>,
    /// The bins behind it.
    pub reliability: Vec<Bin>,
}

/// What the process took.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Memory {
    /// Resident when the student was loaded.
    pub loaded_bytes: u64,
    /// Resident after the answers.
    pub answered_bytes: u64,
    /// The most there ever was until then.
    pub peak_bytes: u64,
    /// The key-value cache.
    pub cache_bytes: u64,
    /// Page faults of a cold start that memory could serve, median.
    pub faults_minor: u64,
    /// Page faults of a cold start that waited for the disk, median.
    pub faults_major: u64,
}

/// What reading memory allows decoding to reach, if it did nothing else.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Roofline {
    /// Bytes read for one token: the graph once, which is an upper bound, and the cache's rows.
    pub bytes_a_token: u64,
    /// Decoding, as a share of what memory alone would allow.
    pub of_memory: Option<f64>,
    /// Decoding, as a share of what reading student-sized data allows; caches hold a small student.
    pub of_student_sized: Option<f64>,
}

/// A long run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Soak {
    /// How long it lasted.
    pub seconds: f64,
    /// It was ended before its time.
    pub ended_early: bool,
    /// Answers.
    pub answers: usize,
    /// What each part of it saw.
    pub windows: Vec<Window>,
    /// The last third of the windows over the first, in median time to answer; 1 is no drift. Missing where there are too few.
    pub drift: Option<Ratio>,
    /// Growth of resident memory from the first window to the last.
    pub grown_bytes: i64,
}

/// A part of a long run.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Window {
    /// Its end, in seconds since the soak began.
    pub at_s: f64,
    /// Answers.
    pub n: usize,
    /// Median time to answer, ms.
    pub p50: f64,
    /// 99 % of the answers took at most this, ms.
    pub p99: f64,
    /// The slowest, ms.
    pub max: f64,
    /// The hottest zone.
    pub celsius: Option<f64>,
    /// The slowest clock.
    pub mhz: Option<f64>,
}

/// A file is no report of ours.
#[derive(Debug, Error)]
pub enum ReportError {
    /// Not JSON, or cut.
    #[error("expected the JSON of `sokutou bench --json`: the file is {}", if source.is_eof() { "cut off" } else { "malformed" })]
    Json {
        /// Where.
        #[source]
        source: serde_json::Error,
    },
    /// JSON of something else.
    #[error("expected a report of `sokutou bench`, with \"kind\": \"sokutou bench\": this is JSON of something else")]
    Foreign,
    /// Of another version.
    #[error("expected a bench report of format {FORMAT}, found {found}: {}", if *found > FORMAT { "update sokutou to read it" } else { "run the bench again" })]
    Format {
        /// The file's.
        found: u32,
    },
    /// Says that it is one, and is not.
    #[error("the bench report does not hold together")]
    Broken {
        /// Where and why.
        #[source]
        source: serde_json::Error,
    },
}

/// What a report of every format says; read first, so that a newer one is named and not taken for a broken file.
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

    /// What was measured of this.
    pub fn figure(&self, measure: Measure) -> Option<&Figure> {
        self.figures.iter().find(|figure| figure.measure == measure)
    }
}
