//! `sokutou bench`: reports of `crate::bench` as text, JSON and a page, and the comparison of two. Measures nothing
//! itself.

use std::fs;
use std::io::{self, IsTerminal as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

use super::open::{BundleArg, open_bundle, task};
use super::output::{print_json, print_wrapped};
use super::{Error, Exit};
use crate::bench::cold::ColdError;
use crate::bench::compare::{Better, Comparison, Count, Row, compare};
use crate::bench::format::number;
use crate::bench::html;
use crate::bench::machine::{Machine, Roots};
use crate::bench::report::{BYTES_MAX, Measure, Report, ReportError};
use crate::bench::statistics::Quantile;
use crate::bench::{self, BenchError, Plan, Progress, Stage, cold};
use crate::bytes::read_file;
use crate::evaluation::{Dataset, DatasetError, Source};

#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct BenchArgs {
    #[command(subcommand)]
    command: Option<BenchCommand>,
    #[command(flatten)]
    bundle: BundleArg,
    /// The task that is asked [default: the first that `bundle info` lists]. タスクを選ぶ
    #[arg(long, value_name = "ID")]
    task: Option<String>,
    /// Lines {"question", "code" or "answer"} to ask instead of the bundle's golden questions. Golden questions come
    /// out right by choice and say nothing about accuracy. 質問ファイル
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
    /// Also write the report with all its samples (`-`: only that, to standard output); `sokutou schema bench`
    /// describes it.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Also write the report as one page with plots that needs no network. ブラウザーで見る報告書
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
    /// Read proc and sys below this folder instead of the system's, to test sensors that this machine lacks.
    #[arg(long, value_name = "DIR", hide = true)]
    root: Option<PathBuf>,
}

#[derive(Debug, clap::Subcommand)]
enum BenchCommand {
    /// Compare two reports: ratios with intervals, and which conditions differed. 比較する
    Compare {
        /// JSON report of the first run.
        a: PathBuf,
        /// JSON report of the second run.
        b: PathBuf,
        /// Print one JSON object instead of text.
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
    pub fn run(&self) -> Result<Exit, Error> {
        match &self.command {
            None => run(self),
            Some(BenchCommand::Compare { a, b, json }) => compare_files(a, b, *json),
            Some(BenchCommand::ColdStart { bundle, task, since, question }) => {
                cold_start(bundle, task, *since, question)
            }
        }
    }
}

/// Errors of `bench` alone.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error(transparent)]
    Questions(DatasetError),
    #[error(transparent)]
    Cold(ColdError),
    #[error(transparent)]
    Bench(BenchError),
    #[error("{0}. --force reports them all the same, with this beside them")]
    Refused(BenchError),
    #[error("failed to read {path}")]
    Report {
        path: PathBuf,
        #[source]
        source: ReportError,
    },
}

impl From<Failure> for Error {
    fn from(failure: Failure) -> Self {
        let exit = match &failure {
            Failure::Questions(DatasetError::Read { .. }) => Exit::Io,
            Failure::Questions(DatasetError::Unfit { .. }) | Failure::Report { .. } => Exit::Input,
            Failure::Refused(_) => Exit::Check,
            Failure::Bench(BenchError::Library(_)) => Exit::Library,
            Failure::Bench(BenchError::Open(_)) => Exit::Bundle,
            Failure::Bench(BenchError::Ask { source, .. }) if source.refuses_the_question() => Exit::Input,
            Failure::Bench(_) | Failure::Cold(_) => Exit::Model,
        };
        Self::Command { exit, source: Box::new(failure) }
    }
}

impl From<BenchError> for Failure {
    fn from(error: BenchError) -> Self {
        match error {
            error @ BenchError::Refused { .. } => Self::Refused(error),
            error => Self::Bench(error),
        }
    }
}

fn run(args: &BenchArgs) -> Result<Exit, Error> {
    let (folder, bundle) = open_bundle(&args.bundle)?;
    let task = task(args.task.as_deref(), &bundle)?;
    let questions = match &args.questions {
        Some(path) => Dataset::read(path, task).map_err(Failure::Questions)?,
        None => Dataset::golden(&bundle, task),
    };
    let plan = Plan {
        folder: &folder,
        bundle: &bundle,
        task,
        questions: &questions,
        program: std::env::current_exe()
            .map_err(|source| Error::Read { path: "the path of this program".into(), source })?,
        trials: args.trials as usize,
        answers: args.answers as usize,
        soak: args.soak.map(|minutes| Duration::from_secs(60 * u64::from(minutes))),
        note: args.note.clone(),
        at: jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
        force: args.force,
        roots: args.root.as_deref().map_or_else(Roots::default, Roots::below),
    };
    for path in [&args.json, &args.html].into_iter().flatten().filter(|path| !is_stdout(path)) {
        writable(path)?; // now, not after minutes of measuring
    }
    let ended = Arc::new(AtomicBool::new(false));
    let mut shown = Shown::new(&ended);
    let report = bench::run(&plan, &mut |progress| shown.step(progress));
    shown.bar.finish_and_clear();
    let report = report.map_err(Failure::from)?;
    if let Some(path) = &args.html {
        write(path, &html::page(&report))?;
    }
    let json = || serde_json::to_string(&report).expect("our own records have string keys and finite numbers") + "\n";
    match &args.json {
        Some(path) if is_stdout(path) => return print_json(&report).map(|()| Exit::Success),
        Some(path) => write(path, &json())?,
        None => {}
    }
    print_wrapped(&in_words(&report))?;
    Ok(Exit::Success)
}

/// What a child process does for `run`; see `bench::cold`.
fn cold_start(folder: &Path, task: &str, since: u64, question: &str) -> Result<Exit, Error> {
    print_json(&cold::phases(since, folder, task, question).map_err(Failure::Cold)?)?;
    Ok(Exit::Success)
}

fn compare_files(a: &Path, b: &Path, json: bool) -> Result<Exit, Error> {
    let compared = compare(&read(a)?, &read(b)?);
    if json {
        print_json(&compared)?;
    } else {
        print_wrapped(&compared_in_words(&compared))?;
    }
    Ok(Exit::Success)
}

fn is_stdout(path: &Path) -> bool {
    path == Path::new("-")
}

/// Fails if the file cannot be written; leaves it as it was.
fn writable(path: &Path) -> Result<(), Error> {
    let new = !path.exists();
    let opened = fs::OpenOptions::new().append(true).create(true).open(path);
    opened
        .and_then(|_| if new { fs::remove_file(path) } else { Ok(()) })
        .map_err(|source| Error::WriteFile { path: path.to_owned(), source })
}

fn write(path: &Path, text: &str) -> Result<(), Error> {
    fs::write(path, text).map_err(|source| Error::WriteFile { path: path.to_owned(), source })
}

fn read(path: &Path) -> Result<Report, Error> {
    let text = read_file(path, BYTES_MAX).map_err(|source| Error::Read { path: path.to_owned(), source })?;
    let text = text.ok_or_else(|| {
        Error::Input(format!("{}: expected a bench report of at most {BYTES_MAX} bytes", path.display()))
    })?;
    let report = Report::parse(&text).map_err(|source| Failure::Report { path: path.to_owned(), source })?;
    Ok(report)
}

/// Progress on a terminal, and the Ctrl-C that ends a soak early. Before the soak, Ctrl-C ends the program, as
/// everywhere.
struct Shown<'e> {
    bar: ProgressBar,
    stage: Option<Stage>,
    ended: &'e Arc<AtomicBool>,
}

impl<'e> Shown<'e> {
    fn new(ended: &'e Arc<AtomicBool>) -> Self {
        let bar = if io::stderr().is_terminal() { ProgressBar::new(0) } else { ProgressBar::hidden() };
        let style = ProgressStyle::with_template("{msg:<26} {bar:30} {percent:>3} %, {elapsed} elapsed");
        Self { bar: bar.with_style(style.expect("a template that the tests have seen")), stage: None, ended }
    }

    fn step(&mut self, Progress { stage, done, of }: Progress) -> bool {
        if self.stage != Some(stage) {
            self.stage = Some(stage);
            self.bar.set_message(match stage {
                Stage::ColdStarts => "cold starts",
                Stage::Questions => "each question once",
                Stage::Answers => "answers",
                Stage::Rationales => "rationales and thoughts",
                Stage::Passes => "passes and memory",
                Stage::Soak => "soak; Ctrl-C ends it early",
            });
            if stage == Stage::Soak {
                end_on_ctrl_c(self.ended);
            }
        }
        self.bar.set_length(of as u64);
        self.bar.set_position(done as u64);
        !self.ended.load(Ordering::Relaxed)
    }
}

/// From now on the first Ctrl-C sets `ended` instead of ending the program.
fn end_on_ctrl_c(ended: &Arc<AtomicBool>) {
    let ended = Arc::clone(ended);
    std::thread::spawn(move || {
        let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_io().build() else { return };
        if runtime.block_on(tokio::signal::ctrl_c()).is_ok() {
            ended.store(true, Ordering::Relaxed);
        }
    });
}

fn in_words(report: &Report) -> String {
    let mut lines = Lines(String::new());
    let Report { settings, student, machine, .. } = report;
    lines.add(&format!(
        "{}, task {}, {}; sokutou {} ({} build)",
        student.name, student.task, report.at, report.sokutou, settings.build
    ));
    for doubt in &report.doubts {
        lines.add(&format!("CAUTION: {}", doubt.says));
    }
    lines.fact("device", &machine_in_words(machine));
    lines
        .fact("kernels", &format!("{}, {} thread, {}", settings.kernels, settings.threads, machine.features.join(" ")));
    lines.fact("throttling", &throttling_in_words(report));
    if let Some(cores) = report.conditions.other_work_cores {
        lines.fact("other work", &format!("{cores:.2} cores"));
    }
    let source = match settings.questions {
        Source::Golden => "golden questions, which come out right by choice",
        Source::File => "questions of the file",
    };
    lines.fact(
        "asked",
        &format!(
            "{} {source}; {} trials of {} answers to {} of them",
            settings.questions_n, settings.trials, settings.answers, settings.questions_timed
        ),
    );
    figures_in_words(&mut lines, report);
    quality_in_words(&mut lines, report);
    resources_in_words(&mut lines, report);
    soak_in_words(&mut lines, report);
    lines.0.trim_end().to_owned()
}

struct Lines(String);

impl Lines {
    fn add(&mut self, line: &str) {
        self.0.push_str(line.trim_end());
        self.0.push('\n');
    }

    fn fact(&mut self, name: &str, says: &str) {
        self.add(&format!("  {name:<24}{says}"));
    }
}

fn machine_in_words(machine: &Machine) -> String {
    let mut words: Vec<String> = machine.board.clone().into_iter().collect();
    words.extend(machine.cores.iter().map(|core| format!("{} x {}", core.count, core.name)));
    if machine.virtual_machine {
        words.push("virtual machine".to_owned());
    }
    words.push(match (machine.governors.as_slice(), machine.clock_max_mhz) {
        ([], _) => "clock unknown".to_owned(),
        (governors, None) => format!("governor {}", governors.join("/")),
        (governors, Some(mhz)) => format!("governor {}, up to {mhz:.0} MHz", governors.join("/")),
    });
    words.join(", ")
}

fn throttling_in_words(report: &Report) -> String {
    let conditions = &report.conditions;
    let hottest = conditions.readings.iter().filter_map(|reading| reading.celsius).reduce(f64::max);
    let heat = hottest.map_or("temperature unknown".to_owned(), |celsius| format!("at most {celsius:.1} °C"));
    match (conditions.watched.len(), conditions.signs.len()) {
        (0, _) => format!("unknown: this device reports none, {heat}"),
        (watched, 0) => format!("none reported by {watched} sensors, {heat}"),
        (_, signs) => format!("{signs} signs, {heat}"),
    }
}

fn figures_in_words(lines: &mut Lines, report: &Report) {
    let heads = ["p50", "p90", "p95", "p99", "max", "n"];
    let head: String = heads.iter().map(|head| format!("{head:>10}")).collect();
    for (title, measures) in [
        (
            "time, ms",
            &[
                Measure::AnswerAtOnce,
                Measure::AnswerAfterThinking,
                Measure::Answer,
                Measure::Rationale,
                Measure::ThinkingSpared,
            ][..],
        ),
        (
            "cold start, ms",
            &[
                Measure::ColdStart,
                Measure::ColdExec,
                Measure::ColdBundle,
                Measure::ColdLibrary,
                Measure::ColdSession,
                Measure::ColdFirstRun,
                Measure::ColdSecondRun,
            ],
        ),
    ] {
        lines.add(&format!("{title:<26}{head}"));
        for figure in measures.iter().filter_map(|&measure| report.figure(measure)) {
            let summary = &figure.summary;
            let at = |q: &Quantile| q.value;
            let values = [&summary.p50, &summary.p90, &summary.p95, &summary.p99].map(at);
            let cells: String =
                values.iter().chain([&summary.max]).map(|&value| format!("{:>10}", number(value))).collect();
            lines.fact(figure.measure.title().0, &format!("{cells}{:>10}", summary.n));
        }
    }
    lines.add(&format!("{:<26}{:>10}{:>10}{:>10}{:>10}{:>10}", "speed", "median", "mean", "± sd", "spread", "n"));
    for measure in Measure::SPEED {
        let Some(figure) = report.figure(measure) else { continue };
        let (summary, unit) = (&figure.summary, figure.unit.name());
        let [median, mean, sd] = [summary.p50.value, summary.mean, summary.sd].map(number);
        let spread = format!("{:.1} %", figure.spread * 100.0);
        let name = format!("{}, {unit}", measure.title().0);
        lines.fact(&name, &format!("{median:>10}{mean:>10}{sd:>10}{spread:>10}{:>10}", summary.n));
    }
    for missing in &report.not_measured {
        lines.fact(missing.measure.title().0, &format!("not measured: {}", missing.why));
    }
}

fn quality_in_words(lines: &mut Lines, report: &Report) {
    let (quality, stop) = (&report.quality, &report.early_stop);
    lines.add("answers");
    lines.fact("answered directly", &stop.at_once.to_string());
    if let (Some(tokens), Some(costs)) = (stop.tokens_spared, stop.thinking_costs) {
        let ratio = format!("{} times as long ({}-{})", number(costs.value), number(costs.low), number(costs.high));
        lines.fact("  saved by it", &format!("{tokens:.0} tokens an answer; always thinking takes {ratio}"));
    }
    lines.fact("coverage", &format!("{}, auto-answered", quality.stood));
    let selective_risk = quality.right_of_stood.map(|right| right.complement());
    for (name, known) in [("accuracy", quality.right), ("selective risk", selective_risk)] {
        let unknown = "not measured: no question has a known answer, give some with --questions";
        lines.fact(name, &known.map_or(unknown.to_owned(), |known| known.to_string()));
    }
    lines.fact(
        "calibration error",
        &quality.calibration_error.map_or_else(
            || "not measured: too few questions, give more with --questions".to_owned(),
            |error| format!("{:.2} % (ECE)", error * 100.0),
        ),
    );
}

fn resources_in_words(lines: &mut Lines, report: &Report) {
    let (memory, roofline) = (&report.memory, &report.roofline);
    let megabytes = |bytes: u64| format!("{} MB", number(bytes as f64 / 1e6));
    lines.add("resources");
    lines.fact(
        "memory",
        &format!(
            "{} loaded, {} after the answers, {} peak; cache {}",
            megabytes(memory.loaded_bytes),
            megabytes(memory.answered_bytes),
            megabytes(memory.peak_bytes),
            megabytes(memory.cache_bytes)
        ),
    );
    lines.fact(
        "page faults of a start",
        &format!("{} from memory, {} from the disk", memory.faults_minor, memory.faults_major),
    );
    let percent =
        |share: Option<f64>| share.map_or("not measured".to_owned(), |share| format!("{:.0} %", share * 100.0));
    lines.fact(
        "writing a token reads",
        &format!(
            "{}: {} of the memory's bandwidth, {} of that for data as large as the model",
            megabytes(roofline.bytes_a_token),
            percent(roofline.of_memory),
            percent(roofline.of_student_sized)
        ),
    );
    if report.energy.is_empty() {
        lines.fact("energy", "not measured: this device has no energy meter that can be read (hwmon, RAPL)");
    }
    for energy in &report.energy {
        let joules = number(energy.joules_an_answer);
        lines.fact("energy", &format!("{joules} J an answer, {} W, {}", number(energy.watts), energy.meter));
    }
}

fn soak_in_words(lines: &mut Lines, report: &Report) {
    let Some(soak) = &report.soak else { return };
    let drift = soak.drift.map_or("too short to show a drift".to_owned(), |drift| {
        format!("last third / first third: {} ({}-{})", number(drift.value), number(drift.low), number(drift.high))
    });
    let early = if soak.ended_early { ", ended early" } else { "" };
    lines.fact(
        "soak",
        &format!(
            "{:.1} minutes{early}, {} answers, {drift}, memory grew by {:.1} MB",
            soak.seconds / 60.0,
            soak.answers,
            soak.grown_bytes as f64 / 1e6
        ),
    );
}

fn compared_in_words(compared: &Comparison) -> String {
    let mut lines = Lines(String::new());
    for (name, side) in [("A", &compared.a), ("B", &compared.b)] {
        let note = side.note.as_deref().map_or(String::new(), |note| format!("; {note}"));
        lines.add(&format!("{name}: {}, sokutou {}, {}{note}", side.student, side.sokutou, side.at));
        side.doubts.iter().for_each(|doubt| lines.add(&format!("   CAUTION: {doubt}")));
    }
    for difference in &compared.differences {
        lines.add(&format!("different: {difference}"));
    }
    lines.add(&format!("{:<32}{:>10}{:>10}{:>10}   {:<16}", "medians", "A", "B", "B / A", "95 % interval"));
    for Row { measure, unit, a, b, ratio, better } in &compared.rows {
        let (value, interval) = ratio.map_or(("-".to_owned(), "-".to_owned()), |ratio| {
            (format!("{:.3}", ratio.value), format!("{:.3}-{:.3}", ratio.low, ratio.high))
        });
        let better = match better {
            Better::A => "A is better",
            Better::B => "B is better",
            Better::NoDifferenceShown => "no difference shown",
        };
        let name = format!("{}, {}", measure.title().0, unit.name());
        let line = format!("  {name:<30}{:>10}{:>10}{value:>10}   {interval:<16}{better}", number(*a), number(*b));
        lines.add(&line);
    }
    for Count { what, unit, a, b } in &compared.counts {
        let ratio = if *a == 0.0 { "-".to_owned() } else { format!("{:.3}", b / a) };
        let name = format!("{what}, {unit}");
        lines.add(&format!("  {name:<30}{:>10}{:>10}{ratio:>10}", number(*a), number(*b)));
    }
    for shares in &compared.shares {
        lines.add(&format!("  {:<30}A {}   B {}", shares.what.title(), shares.a, shares.b));
    }
    lines.0.trim_end().to_owned()
}
