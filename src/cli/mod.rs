//! The commands: arguments in, words and exit codes out. Nothing else in the project prints. Measures and judges nothing.

mod ask;
mod batch;
mod bench;
mod bundle;
mod check;
mod config;
mod desk;
mod doctor;
mod review;
mod schema;
mod serve;
mod words;

use std::ffi::OsString;
use std::io::{self, Write as _};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use thiserror::Error;

use crate::DEFAULT_BUNDLE;
use crate::bench::BenchError;
use crate::bench::cold::ColdError;
use crate::bench::report::ReportError;
use crate::bundle::{self as student, Bundle, UnknownTask};
use crate::config::secret::SecretError;
use crate::config::{ConfigError, Sources};
use crate::daemon::RunError;
use crate::domain::{Confidence, chain};
use crate::engine::library::restart_with_telemetry_off;
use crate::engine::{AskError, Engine, Library, LibraryError, OpenError, OrtModel};
use crate::evaluation::DatasetError;
use crate::installed;
use crate::pipeline::Think;
use crate::store;
use crate::triggers::call::{Format, Resolve, ReviewState, Verdict};

/// The environment variable that names the bundle, where `--bundle` does not.
const BUNDLE_VARIABLE: &str = "SOKUTOU_BUNDLE";
/// Folder of the student beside an installed executable.
const BUNDLE_BESIDE: &str = "student";

/// How a command ended; the table in README explains each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// Answered, or done.
    Success,
    /// Reading or writing failed.
    Io,
    /// Wrong arguments; clap's own code.
    Usage,
    /// The question, or a line of a batch, cannot be read; or a review is not as it was wanted.
    Input,
    /// The bundle is missing, corrupted or does not fit.
    Bundle,
    /// ONNX Runtime is missing or does not fit.
    Library,
    /// The student failed while answering.
    Student,
    /// A check of `doctor` or a golden question failed, or the figures of `bench` cannot be trusted.
    Check,
    /// A person is asked.
    Person,
    /// The configuration cannot be used; EX_CONFIG of sysexits, which a service manager takes for a reason not to start
    /// again.
    Config,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(match exit {
            Exit::Success => 0,
            Exit::Io => 1,
            Exit::Usage => 2,
            Exit::Input => 3,
            Exit::Bundle => 4,
            Exit::Library => 5,
            Exit::Student => 6,
            Exit::Check => 7,
            Exit::Person => 10,
            Exit::Config => 78,
        })
    }
}

/// Why a command stopped.
#[derive(Debug, Error)]
enum Error {
    #[error("{0}")]
    Input(String),
    #[error("failed to read {path}")]
    Read {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("failed to write the answers")]
    Write(#[source] io::Error),
    #[error("the student bundle in {folder} cannot be used")]
    Bundle {
        folder: PathBuf,
        #[source]
        source: student::Error,
    },
    #[error("no student bundle here: looked at {0}. Name one with --bundle DIR or {BUNDLE_VARIABLE}")]
    NoBundle(String),
    #[error(transparent)]
    Task(#[from] UnknownTask),
    #[error(transparent)]
    Library(#[from] LibraryError),
    #[error("the student bundle in {folder} cannot be loaded")]
    Open {
        folder: PathBuf,
        #[source]
        source: OpenError,
    },
    #[error(transparent)]
    Ask(#[from] AskError),
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error(transparent)]
    Secret(#[from] SecretError),
    #[error(transparent)]
    Serve(#[from] RunError),
    #[error("{0}")]
    Review(String),
    #[error(transparent)]
    Journal(store::Error),
    #[error("failed to ask the gateway at http://{address}, the http.listen of this configuration")]
    Daemon {
        address: SocketAddr,
        #[source]
        source: io::Error,
    },
    #[error("failed to write {path}")]
    WriteFile {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error(transparent)]
    Dataset(#[from] DatasetError),
    #[error(transparent)]
    Cold(#[from] ColdError),
    #[error(transparent)]
    Bench(BenchError),
    #[error("{error}. --force reports them all the same, with this beside them")]
    BenchRefused { error: BenchError },
    #[error("failed to read {path}")]
    BenchReport {
        path: PathBuf,
        #[source]
        source: ReportError,
    },
}

impl From<BenchError> for Error {
    fn from(error: BenchError) -> Self {
        match error {
            error @ BenchError::Refused { .. } => Self::BenchRefused { error },
            error => Self::Bench(error),
        }
    }
}

impl Error {
    fn exit(&self) -> Exit {
        match self {
            Self::Read { .. } | Self::Write(_) | Self::WriteFile { .. } => Exit::Io,
            Self::Input(_) | Self::Review(_) | Self::BenchReport { .. } => Exit::Input,
            Self::Dataset(DatasetError::Read { .. }) => Exit::Io,
            Self::Dataset(DatasetError::Unfit { .. }) => Exit::Input,
            Self::BenchRefused { .. } => Exit::Check,
            Self::Bench(BenchError::Library(_)) => Exit::Library,
            Self::Bench(BenchError::Open(_)) => Exit::Bundle,
            Self::Bench(BenchError::Ask { source, .. }) if source.refuses_the_question() => Exit::Input,
            Self::Bench(_) | Self::Cold(_) => Exit::Student,
            Self::Task(_) => Exit::Usage,
            Self::Bundle { .. } | Self::NoBundle(_) | Self::Open { .. } => Exit::Bundle,
            Self::Library(_) => Exit::Library,
            Self::Ask(error) if error.refuses_the_question() => Exit::Input,
            Self::Ask(_) => Exit::Student,
            Self::Config(_) | Self::Secret(_) => Exit::Config,
            Self::Serve(_) | Self::Journal(_) | Self::Daemon { .. } => Exit::Io,
        }
    }
}

/// sokutou 即答: ask a small student at the machine; it answers at once, and says how sure it is.
#[derive(Debug, Parser)]
#[command(
    version,
    max_term_width = 110,
    after_help = "Exit codes and the language of questions: see README.md.\n\
    Log lines: RUST_LOG=info. The runtime library: ORT_DYLIB_PATH=/path/to/libonnxruntime.so."
)]
struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Ask a question; without one, read it from standard input. 質問する
    Ask(AskArgs),
    /// Run the gateway: answer over MQTT, HTTP and serial ports until told to stop. ゲートウェイを動かす
    Serve(ConfigArgs),
    /// What people were asked and what they say to it. 人による確認
    Review {
        #[command(subcommand)]
        command: ReviewCommand,
    },
    /// Print what goes in and out, for machines: OpenAPI, AsyncAPI or a JSON Schema. 仕様を出力する
    Schema {
        /// Which document.
        #[arg(value_enum)]
        document: schema::Document,
    },
    /// Look at a student bundle. 生徒バンドルを調べる
    Bundle {
        #[command(subcommand)]
        command: BundleCommand,
    },
    /// Measure the student on this box: times, memory, energy, quality; refuses what cannot be trusted. 性能を測定する
    Bench(BenchArgs),
    /// Look at the gateway's configuration. 設定を確認する
    Config {
        #[command(subcommand)]
        command: ConfigCommand,
    },
    /// Check the box: runtime library, CPU, telemetry, bundle. 機器を診断する
    Doctor {
        #[command(flatten)]
        bundle: BundleArg,
        /// One JSON object instead of words.
        #[arg(long)]
        json: bool,
    },
}

#[derive(Debug, clap::Args)]
struct BundleArg {
    /// Folder of the student bundle [default: $SOKUTOU_BUNDLE, the installed one, the shipped one].
    #[arg(long, value_name = "DIR")]
    bundle: Option<PathBuf>,
}

#[derive(Debug, clap::Args)]
struct ConfigArgs {
    /// The configuration file; conf.d/*.toml beside it is read too [default: /etc/sokutou/sokutou.toml, if it exists].
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Set one key, over every file and variable; may be repeated: --set mqtt.port=8883.
    #[arg(long, value_name = "SECTION.KEY=VALUE")]
    set: Vec<String>,
}

impl ConfigArgs {
    fn sources(&self) -> Sources {
        Sources::of_process(self.config.clone(), self.set.clone())
    }
}

#[derive(Debug, clap::Args)]
struct AskArgs {
    /// The question, in English, Japanese or the terse style of machines.
    #[arg(conflicts_with = "batch")]
    question: Option<OsString>,
    /// Which of the student's tasks it belongs to [default: the first that `bundle info` lists]. タスクを選ぶ
    #[arg(long, value_name = "ID")]
    task: Option<String>,
    /// Also write the reasons, and whether they lead to the answer. 理由も示す
    #[arg(long)]
    explain: bool,
    /// When to think first: when unsure, never, or always.
    #[arg(long, value_enum, default_value = "auto")]
    think: ThinkArg,
    /// Confidence (0 to 1) below which an answer does not stand; replaces the bundle's own, and with them its promise on errors.
    #[arg(long, value_name = "P", value_parser = confidence)]
    threshold: Option<Confidence>,
    #[command(flatten)]
    bundle: BundleArg,
    /// JSON instead of words.
    #[arg(long)]
    json: bool,
    /// Answer every line {"id", "task", "question"} of a file (`-`: standard input) with one JSON line, in order; a line without
    /// a task is of the one that --task names.
    #[arg(long, value_name = "FILE.jsonl")]
    batch: Option<PathBuf>,
}

#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
struct BenchArgs {
    #[command(subcommand)]
    command: Option<BenchCommand>,
    #[command(flatten)]
    bundle: BundleArg,
    /// Which of the student's tasks is asked [default: the first that `bundle info` lists]. タスクを選ぶ
    #[arg(long, value_name = "ID")]
    task: Option<String>,
    /// Lines {"question", "code" or "answer"} to ask instead of the bundle's golden questions. Golden questions come out right by
    /// choice and say nothing about accuracy. 質問ファイル
    #[arg(long, value_name = "FILE.jsonl")]
    questions: Option<PathBuf>,
    /// Trials of the same work; how far they lie apart shows whether the figures repeat.
    #[arg(long, value_name = "N", default_value = "5", value_parser = clap::value_parser!(u32).range(2..=100))]
    trials: u32,
    /// Answers in each trial; a 99th percentile needs hundreds.
    #[arg(long, value_name = "N", default_value = "200", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    answers: u32,
    /// Afterwards, keep asking for this many minutes, and report how the times drift. 連続運転
    #[arg(long, value_name = "MINUTES", value_parser = clap::value_parser!(u32).range(1..=1440))]
    soak: Option<u32>,
    /// Report even if the device was throttled, did other work, or trials lie too far apart; the report says so.
    #[arg(long, alias = "anyway")]
    force: bool,
    /// A note to keep in the report: what else ran, which fan, which power supply. 備考
    #[arg(long, value_name = "TEXT")]
    note: Option<String>,
    /// Also write the report with all its samples (`-`: only that, to standard output); `sokutou schema bench` describes it.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Also write the report as one page with plots that needs no network. ブラウザーで見る報告書
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
    /// Read proc and sys below this folder instead of the system's, to test sensors that this machine lacks.
    #[arg(long, value_name = "DIR", hide = true)]
    root: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
enum BenchCommand {
    /// Compare two reports: ratios with intervals, and which conditions differed. 比較する
    Compare {
        /// JSON report of the first run.
        a: PathBuf,
        /// JSON report of the second run.
        b: PathBuf,
        /// One JSON object instead of words.
        #[arg(long)]
        json: bool,
    },
    /// Start, load and answer twice, and print when each was done: `bench` starts this to time a cold start.
    #[command(hide = true)]
    ColdStart {
        #[arg(long)]
        bundle: PathBuf,
        #[arg(long)]
        task: String,
        #[arg(long)]
        since: u64,
        question: String,
    },
}

impl BenchArgs {
    fn run(self) -> Result<Exit, Error> {
        match &self.command {
            None => bench::run(&self),
            Some(BenchCommand::Compare { a, b, json }) => bench::compare_files(a, b, *json),
            Some(BenchCommand::ColdStart { bundle, task, since, question }) => {
                bench::cold_start(bundle, task, *since, question)
            }
        }
    }
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum ThinkArg {
    Auto,
    Never,
    Always,
}

impl From<ThinkArg> for Think {
    fn from(arg: ThinkArg) -> Self {
        match arg {
            ThinkArg::Auto => Self::Auto,
            ThinkArg::Never => Self::Never,
            ThinkArg::Always => Self::Always,
        }
    }
}

#[derive(Debug, Subcommand)]
enum ConfigCommand {
    /// Check every value, and whether what they name is there; without the network.
    Check {
        #[command(flatten)]
        config: ConfigArgs,
        /// One JSON list instead of words.
        #[arg(long)]
        json: bool,
    },
    /// Print the configuration in effect, as a file that means the same.
    Show {
        #[command(flatten)]
        config: ConfigArgs,
        /// Say behind each key where it was set: file:line:column, variable, --set or default.
        #[arg(long)]
        origin: bool,
        /// JSON instead of TOML.
        #[arg(long)]
        json: bool,
    },
}

#[derive(Debug, Subcommand)]
enum ReviewCommand {
    /// List the cases that wait for a person, or were reviewed; the oldest first. 一覧
    List {
        #[command(flatten)]
        config: ConfigArgs,
        /// Those that wait, or those that were reviewed.
        #[arg(long, value_enum, default_value = "open")]
        state: StateArg,
        /// At most so many.
        #[arg(long, value_name = "N", default_value = "50", value_parser = clap::value_parser!(u32).range(1..))]
        limit: u32,
        /// One JSON list instead of words.
        #[arg(long)]
        json: bool,
    },
    /// Show one case. 表示
    Show {
        #[command(flatten)]
        config: ConfigArgs,
        /// Its number, as `review list` says it.
        case: i64,
        /// One JSON object instead of words.
        #[arg(long)]
        json: bool,
    },
    /// Say whether the student was right; the asker gets it as the next revision of the answer. 判定する
    Resolve {
        #[command(flatten)]
        config: ConfigArgs,
        /// Its number, as `review list` says it.
        case: i64,
        /// Of the student's answer, given or only guessed.
        #[arg(value_enum)]
        verdict: VerdictArg,
        /// The right answer, where the verdict is wrong; of a closed task, one of its choices. 正しい答え
        #[arg(long, value_name = "ANSWER")]
        correction: Option<String>,
        /// Who says so. 確認者
        #[arg(long, value_name = "NAME")]
        reviewer: Option<String>,
        /// One JSON object instead of words.
        #[arg(long)]
        json: bool,
    },
    /// Write the reviews that no export took yet to a file, and mark them when it is safe. 書き出す
    Export {
        #[command(flatten)]
        config: ConfigArgs,
        /// Lines as the workshop reads them, or what Label Studio imports: for each of the student's tasks TASK.json with the reviews,
        /// and TASK.xml, the labelling interface of its project.
        #[arg(long, value_enum, default_value = "jsonl")]
        format: FormatArg,
        /// The file, or for Label Studio the folder.
        #[arg(long, value_name = "PATH")]
        out: PathBuf,
        /// All reviews, those too that an export took before.
        #[arg(long)]
        all: bool,
    },
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum StateArg {
    Open,
    Resolved,
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum VerdictArg {
    Right,
    Wrong,
    Unclear,
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum FormatArg {
    Jsonl,
    Labelstudio,
}

impl ReviewCommand {
    fn run(self) -> Result<Exit, Error> {
        match self {
            Self::List { config, state, limit, json } => {
                let state = match state {
                    StateArg::Open => ReviewState::Open,
                    StateArg::Resolved => ReviewState::Resolved,
                };
                review::list(&config, state, limit as usize, json)
            }
            Self::Show { config, case, json } => review::show(&config, case, json),
            Self::Resolve { config, case, verdict, correction, reviewer, json } => {
                let verdict = match verdict {
                    VerdictArg::Right => Verdict::Right,
                    VerdictArg::Wrong => Verdict::Wrong,
                    VerdictArg::Unclear => Verdict::Unclear,
                };
                review::resolve(&config, case, &Resolve { verdict, correction, reviewer }, json)
            }
            Self::Export { config, format, out, all } => {
                let format = match format {
                    FormatArg::Jsonl => Format::Jsonl,
                    FormatArg::Labelstudio => Format::LabelStudio,
                };
                review::export(&config, format, &out, all)
            }
        }
    }
}

#[derive(Debug, Subcommand)]
enum BundleCommand {
    /// Say what a bundle is and promises.
    Info {
        #[command(flatten)]
        bundle: BundleArg,
        /// One JSON object instead of words.
        #[arg(long)]
        json: bool,
    },
    /// Check digests, load the student and ask it its golden questions.
    Verify {
        #[command(flatten)]
        bundle: BundleArg,
        /// One JSON object instead of words.
        #[arg(long)]
        json: bool,
    },
}

/// Log lines to standard error. To systemd's journal each begins with its level as the journal reads it, and without the date that the
/// journal writes itself.
fn log_to_stderr(level: &str) {
    let mut builder = env_logger::Builder::from_env(env_logger::Env::default().default_filter_or(level));
    if stderr_is_the_journals() {
        builder.format(|out, record| {
            let priority = match record.level() {
                log::Level::Error => 3,
                log::Level::Warn => 4,
                log::Level::Info => 6,
                log::Level::Debug | log::Level::Trace => 7,
            };
            let said = format!("{}: {}", record.target(), record.args());
            said.lines().try_for_each(|line| writeln!(out, "<{priority}>{line}"))
        });
    }
    builder.init();
}

/// systemd says which file its journal reads; a shell behind it may have led standard error elsewhere.
fn stderr_is_the_journals() -> bool {
    let own = rustix::fs::fstat(io::stderr()).map(|file| format!("{}:{}", file.st_dev, file.st_ino));
    own.is_ok_and(|own| std::env::var("JOURNAL_STREAM").is_ok_and(|journals| journals == own))
}

/// Parses the process's arguments, runs, prints the chain of an error once.
pub fn main() -> Exit {
    restart_with_telemetry_off();
    let args = match Args::try_parse() {
        Ok(args) => args,
        Err(help) => {
            let _ = help.print(); // a closed terminal wants no help
            return if help.use_stderr() { Exit::Usage } else { Exit::Success };
        }
    };
    // A gateway's configuration says how much it tells.
    let level = if matches!(args.command, Command::Serve(_)) { "trace" } else { "warn" };
    log_to_stderr(level);
    let done = match args.command {
        Command::Ask(args) if args.batch.is_some() => batch::run(&args),
        Command::Ask(args) => ask::run(&args),
        Command::Bench(args) => args.run(),
        Command::Bundle { command: BundleCommand::Info { bundle, json } } => bundle::info(&bundle, json),
        Command::Bundle { command: BundleCommand::Verify { bundle, json } } => bundle::verify(&bundle, json),
        Command::Config { command: ConfigCommand::Check { config, json } } => config::check(&config, json),
        Command::Config { command: ConfigCommand::Show { config, origin, json } } => {
            config::show(&config, origin, json)
        }
        Command::Doctor { bundle, json } => doctor::run(&bundle, json),
        Command::Serve(args) => serve::run(&args),
        Command::Review { command } => command.run(),
        Command::Schema { document } => schema::print(document),
    };
    match done {
        Ok(exit) => exit,
        // A reader that went away (`| head`) is no failure of ours.
        Err(Error::Write(error)) if error.kind() == io::ErrorKind::BrokenPipe => Exit::Success,
        Err(error) => {
            let _ = writeln!(io::stderr(), "error: {}", chain(&error));
            error.exit()
        }
    }
}

/// The bundle that the arguments name, verified.
fn open_bundle(arg: &BundleArg) -> Result<(PathBuf, Bundle), Error> {
    let folder = bundle_folder(arg.bundle.as_deref())?;
    match Bundle::open(&folder) {
        Ok(bundle) => Ok((folder, bundle)),
        Err(source) => Err(Error::Bundle { folder, source }),
    }
}

/// The folder that is named here or in the environment, or the one that is installed.
fn bundle_folder(named: Option<&Path>) -> Result<PathBuf, Error> {
    match named.map(Path::to_owned).or_else(|| std::env::var_os(BUNDLE_VARIABLE).map(PathBuf::from)) {
        Some(folder) => Ok(folder),
        None => {
            let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join(DEFAULT_BUNDLE);
            installed::find(BUNDLE_BESIDE, shipped, Path::is_dir).map_err(Error::NoBundle)
        }
    }
}

/// The student of a bundle, loaded.
fn open_engine(folder: &Path, bundle: &Bundle) -> Result<Engine<OrtModel>, Error> {
    let library = Library::load()?;
    Engine::open(&library, bundle).map_err(|source| Error::Open { folder: folder.to_owned(), source })
}

fn confidence(text: &str) -> Result<Confidence, String> {
    text.parse().ok().and_then(Confidence::new).ok_or_else(|| format!("expected a number from 0 to 1, got {text}"))
}

fn print(text: &str) -> Result<(), Error> {
    let mut out = io::stdout().lock();
    writeln!(out, "{text}").and_then(|()| out.flush()).map_err(Error::Write)
}

fn print_json(value: &impl serde::Serialize) -> Result<(), Error> {
    print(&serde_json::to_string(value).expect("our own records have string keys and finite numbers"))
}
