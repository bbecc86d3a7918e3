//! One bench run, stage by stage. After each stage, `trust` decides whether the conditions still allow a report.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use sha2::{Digest as _, Sha256};
use thiserror::Error;

use super::cold::{self, ColdError, Phases};
use super::machine::{Machine, Roots};
use super::report::{
    Doubt, EarlyStop, FORMAT, Figure, Kind, Library as LibraryFacts, Measure, Memory, NotMeasured, Quality, Report,
    Roofline, Settings, Soak, Student, Window,
};
use super::sensors::Watch;
use super::statistics::{Ratio, Summary, median, ratio, spread};
use super::{speed, trust};
use crate::bundle::Bundle;
use crate::bundle::manifest::{Geometry, Task};
use crate::bytes::hex;
use crate::domain::{Decision, Mode, TokenId};
use crate::engine::{
    AskError, Engine, Kernels, Library, LibraryError, Model as _, ModelError, OpenError, OrtModel, THREADS, Tokenizer,
    TokenizerError,
};
use crate::evaluation::dataset::digest;
use crate::evaluation::{Dataset, Question, Score, Share};
use crate::pipeline::{self, Procedure, Think};

/// Cold starts for each trial; one takes as long as a hundred answers.
const COLD_STARTS_A_TRIAL: usize = 2;
/// Questions of a trial that are also explained and answered after thinking; each takes as long as a hundred answers.
const EXPLAINED: usize = 20;
/// Measurements of the memory's speed in each trial.
const READS: usize = 3;
/// Windows of a soak, unless they would be shorter than a second.
const WINDOWS: u32 = 60;
/// Drift compares the last third of the windows with the first third, and needs two windows in each.
const DRIFT_WINDOWS_MIN: usize = 6;

/// What is to be measured, and how long.
pub struct Plan<'p> {
    /// The bundle's folder, for the children that start cold.
    pub folder: &'p Path,
    /// The same folder, opened.
    pub bundle: &'p Bundle,
    /// The task whose questions are asked.
    pub task: &'p Task,
    /// Questions of that task.
    pub questions: &'p Dataset,
    /// Path of this program, which is started as a child to time cold starts.
    pub program: PathBuf,
    /// At least two, to show whether they agree.
    pub trials: usize,
    /// Answers in each trial.
    pub answers: usize,
    /// Length of a long run at the end.
    pub soak: Option<Duration>,
    /// Copied into the report.
    pub note: Option<String>,
    /// Time of the run, RFC 3339 in UTC; copied into the report.
    pub at: String,
    /// Report even under bad conditions; the report then lists them.
    pub force: bool,
    /// Where to read facts about the system.
    pub roots: Roots,
}

/// Stages of a run, in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Each question once, to score the answers.
    Questions,
    /// Child processes start, answer and end.
    ColdStarts,
    /// Timed answers of a trial.
    Answers,
    /// Timed rationales and thoughts of a trial.
    Rationales,
    /// Passes of the model alone, and the memory's speed.
    Passes,
    /// The long run; its steps are seconds.
    Soak,
}

/// Progress within a stage.
#[derive(Clone, Copy, Debug)]
pub struct Progress {
    /// The stage that runs.
    pub stage: Stage,
    /// Steps done.
    pub done: usize,
    /// Steps of the stage.
    pub of: usize,
}

/// Why there is no report.
#[derive(Debug, Error)]
pub enum BenchError {
    /// The conditions were bad.
    #[error("the figures are not reliable: {}", doubts.iter().map(|doubt| doubt.says.as_str()).collect::<Vec<_>>().join("; "))]
    Refused {
        /// The bad conditions, at least one.
        doubts: Vec<Doubt>,
    },
    /// A child process failed to start or to answer.
    #[error(transparent)]
    Cold(#[from] ColdError),
    /// ONNX Runtime is missing or does not fit.
    #[error(transparent)]
    Library(#[from] LibraryError),
    /// The model does not load.
    #[error("the model cannot be loaded")]
    Open(#[from] OpenError),
    /// The model refused a question, or failed while answering it.
    #[error("question {number} cannot be asked")]
    Ask {
        /// Position among the questions asked, from 1.
        number: usize,
        /// The engine's reason.
        #[source]
        source: AskError,
    },
    /// A pass failed while speed was measured.
    #[error("a pass of the model failed")]
    Model(#[from] ModelError),
    /// A prompt cannot be cut into tokens.
    #[error("a prompt cannot be cut into tokens")]
    Tokenizer(#[from] TokenizerError),
}

/// Measures. `progress` is called at each step. Its result counts in the soak only: `false` ends the soak early.
pub fn run(plan: &Plan<'_>, progress: &mut dyn FnMut(Progress) -> bool) -> Result<Report, BenchError> {
    let mut watch = Watch::new(&plan.roots, plan.soak);
    check_conditions(plan, &mut watch)?;
    let machine = Machine::read(&plan.roots);
    let timed = plan.questions.sample(plan.answers);
    let mut samples = Samples::default();

    let library = Library::load()?;
    let mut bench =
        BenchRun { plan, procedure: Procedure::of(plan.task), engine: Engine::open(&library, plan.bundle)?, progress };
    let loaded_bytes = cold::resident().0;
    let score = bench.questions(&mut watch)?; // first, so that a question that cannot be asked is found before minutes have passed
    let phases = cold_starts(plan, &timed, &mut samples, bench.progress)?;
    check_conditions(plan, &mut watch)?;
    let mut savings = Savings::default();
    for trial in 0..plan.trials {
        bench.answers(trial, &timed, &mut watch, &mut samples)?;
        bench.rationales(trial, &timed, &mut watch, &mut samples, &mut savings)?;
        check_conditions(plan, &mut watch)?;
    }
    let (answered_bytes, peak_bytes) = cold::resident();
    let BenchRun { engine, progress, .. } = bench;
    drop(engine); // its memory is measured; the passes open a session of their own

    let prompts = prompts(plan, &timed)?;
    passes(plan, &machine, &library, &prompts, &mut watch, &mut samples, progress)?;
    check_conditions(plan, &mut watch)?;

    let soak = match plan.soak {
        None => None,
        Some(length) => {
            let engine = Engine::open(&library, plan.bundle)?;
            let mut bench = BenchRun { plan, procedure: Procedure::of(plan.task), engine, progress };
            Some(bench.soak(length, &timed, &mut watch)?)
        }
    };

    let energy = watch.energy();
    let conditions = watch.end();
    let graph = &plan.bundle.manifest.graph;
    let graph_bytes = plan.bundle.graph(plan.task).len() as u64;
    let figures = samples.figures();
    let doubts = trust::doubts(&conditions, &figures);
    if !doubts.is_empty() && !plan.force {
        return Err(BenchError::Refused { doubts });
    }
    let prompt_tokens = Summary::of(prompts.iter().map(|prompt| prompt.len() as f64));
    let prompt_tokens = prompt_tokens.expect("a dataset is never empty");
    let of_all = |share: Option<Share>| share.expect("a dataset is never empty");
    Ok(Report {
        kind: Kind::Bench,
        format: FORMAT,
        sokutou: env!("CARGO_PKG_VERSION").to_owned(),
        at: plan.at.clone(),
        note: plan.note.clone(),
        doubts,
        library: LibraryFacts { version: library.version(), sha256: file_digest(library.path()) },
        student: student(plan, graph_bytes),
        settings: Settings {
            build: if cfg!(debug_assertions) { "debug" } else { "release" }.to_owned(),
            kernels: format!("{:?}", Kernels::of_this_cpu()),
            threads: THREADS,
            trials: plan.trials,
            answers: plan.answers,
            questions: plan.questions.source,
            questions_n: plan.questions.questions.len(),
            questions_timed: timed.len(),
            questions_sha256: digest(&timed),
            prompt_tokens,
        },
        not_measured: not_measured(graph, &figures),
        early_stop: EarlyStop {
            at_once: of_all(score.answered_directly()),
            tokens_spared: (savings.n > 0).then(|| savings.tokens as f64 / savings.n as f64),
            thinking_costs: savings.ratio(),
        },
        quality: Quality {
            right: score.accuracy(),
            stood: of_all(score.coverage()),
            right_of_stood: score.selective_accuracy(),
            calibration_error: score.calibration_error(),
            reliability: score.reliability(),
        },
        memory: Memory {
            loaded_bytes,
            answered_bytes,
            peak_bytes,
            cache_bytes: rows_bytes(graph, graph.max_len),
            faults_minor: median_of(&phases, |phases| phases.faults_minor),
            faults_major: median_of(&phases, |phases| phases.faults_major),
        },
        roofline: roofline(graph, graph_bytes, &prompts, &figures),
        energy,
        soak,
        machine,
        conditions,
        figures,
    })
}

/// Refuses at once when the device was throttled, instead of measuring on.
fn check_conditions(plan: &Plan<'_>, watch: &mut Watch) -> Result<(), BenchError> {
    watch.sample();
    let doubts = trust::throttled(watch.signs());
    if doubts.is_empty() || plan.force { Ok(()) } else { Err(BenchError::Refused { doubts }) }
}

/// The samples of each measure, by trial.
#[derive(Default)]
struct Samples(BTreeMap<Measure, Vec<Vec<f64>>>);

impl Samples {
    fn add(&mut self, trial: usize, measure: Measure, sample: f64) {
        let trials = self.0.entry(measure).or_default();
        trials.resize(trials.len().max(trial + 1), Vec::new());
        trials[trial].push(rounded(sample));
    }

    fn figures(self) -> Vec<Figure> {
        let figure = |(measure, trials): (Measure, Vec<Vec<f64>>)| {
            let summary = Summary::of(trials.concat())?;
            Some(Figure { measure, unit: measure.unit(), summary, spread: spread(&trials), trials })
        };
        self.0.into_iter().filter_map(figure).collect()
    }
}

/// Rounded to five significant digits, more than any clock here resolves.
fn rounded(sample: f64) -> f64 {
    format!("{sample:.4e}").parse().unwrap_or(sample)
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

fn cold_starts(
    plan: &Plan<'_>,
    timed: &[&Question],
    samples: &mut Samples,
    progress: &mut dyn FnMut(Progress) -> bool,
) -> Result<Vec<Phases>, BenchError> {
    let of = plan.trials * COLD_STARTS_A_TRIAL;
    let mut all = Vec::with_capacity(of);
    for done in 0..of {
        let arguments = |since: u64| -> Vec<OsString> {
            let since = since.to_string();
            let (task, question) = (plan.task.id.as_str(), timed[done % timed.len()].text.as_str());
            let folder = plan.folder.as_os_str();
            let words = ["bench", "cold-start", "--since", &since, "--task", task, "--bundle"].map(OsString::from);
            words.into_iter().chain([folder.to_owned(), "--".into(), question.into()]).collect()
        };
        progress(Progress { stage: Stage::ColdStarts, done, of });
        let phases = cold::start(&plan.program, arguments)?;
        let trial = done / COLD_STARTS_A_TRIAL;
        for (measure, sample) in [
            (Measure::ColdExec, phases.exec),
            (Measure::ColdBundle, phases.bundle),
            (Measure::ColdLibrary, phases.library),
            (Measure::ColdSession, phases.session),
            (Measure::ColdFirstRun, phases.first_run),
            (Measure::ColdStart, phases.to_first_answer()),
            (Measure::ColdSecondRun, phases.second_run),
        ] {
            samples.add(trial, measure, sample);
        }
        all.push(phases);
    }
    Ok(all)
}

/// A loaded model, and what is asked of it.
struct BenchRun<'w, 'p> {
    plan: &'w Plan<'p>,
    procedure: Procedure,
    engine: Engine<OrtModel>,
    progress: &'w mut dyn FnMut(Progress) -> bool,
}

impl BenchRun<'_, '_> {
    /// Asks each question once: scores the answers, and warms up for the trials.
    fn questions(&mut self, watch: &mut Watch) -> Result<Score, BenchError> {
        let mut score = Score::default();
        let all = &self.plan.questions.questions;
        for (at, question) in all.iter().enumerate() {
            score.add(&self.answer(at, question, Think::Auto)?.verdict, question.expected.as_ref());
            self.step(Stage::Questions, at, all.len());
            watch.sample_if_due();
        }
        Ok(score)
    }

    /// One trial of answers, one at a time.
    fn answers(
        &mut self,
        trial: usize,
        timed: &[&Question],
        watch: &mut Watch,
        samples: &mut Samples,
    ) -> Result<(), BenchError> {
        let Plan { answers, trials, .. } = *self.plan;
        watch.start_metering();
        for at in 0..answers {
            let answered = self.answer(at % timed.len(), timed[at % timed.len()], Think::Auto)?;
            let (mode, time) = (answered.verdict.mode, milliseconds(answered.time_to_answer));
            samples.add(trial, Measure::Answer, time);
            samples.add(
                trial,
                match mode {
                    Mode::AnswerFirst => Measure::AnswerAtOnce,
                    Mode::ThinkFirst => Measure::AnswerAfterThinking,
                },
                time,
            );
            self.step(Stage::Answers, trial * answers + at, trials * answers);
            watch.sample_if_due();
        }
        watch.stop_metering(answers);
        Ok(())
    }

    /// One trial of rationales, and of the same questions answered after thinking, to show what answering directly saves.
    fn rationales(
        &mut self,
        trial: usize,
        timed: &[&Question],
        watch: &mut Watch,
        samples: &mut Samples,
        savings: &mut Savings,
    ) -> Result<(), BenchError> {
        let n = timed.len().min(EXPLAINED);
        for at in 0..n {
            let question = timed[at * timed.len() / n];
            let failed = |source| BenchError::Ask { number: at + 1, source };
            let once = self.answer(at, question, Think::Auto)?;
            let (verdict, once_ms, tokens) = (once.verdict.clone(), milliseconds(once.time_to_answer), once.tokens);
            if verdict.mode == Mode::AnswerFirst && verdict.decision == Decision::Answered {
                if let Some(explained) = once.explain().map_err(failed)? {
                    samples.add(trial, Measure::Rationale, milliseconds(explained.time_to_rationale));
                }
                let thought = self.answer(at, question, Think::Always)?;
                let (thought_ms, thought_tokens) = (milliseconds(thought.time_to_answer), thought.tokens);
                samples.add(trial, Measure::ThinkingSpared, thought_ms - once_ms);
                savings.add(trial, (once_ms, thought_ms), thought_tokens.saturating_sub(tokens));
            }
            self.step(Stage::Rationales, trial * n + at, self.plan.trials * n);
            watch.sample_if_due();
        }
        Ok(())
    }

    /// Answers for `length`, or until `progress` ends it.
    fn soak(&mut self, length: Duration, timed: &[&Question], watch: &mut Watch) -> Result<Soak, BenchError> {
        let part = (length / WINDOWS).max(Duration::from_secs(1));
        let (start, mut answers, mut go_on) = (Instant::now(), 0, true);
        let (mut windows, mut times, mut resident) = (Vec::new(), Vec::new(), Vec::new());
        let mut window_ends = part;
        while go_on && start.elapsed() < length {
            let at = answers % timed.len();
            times.push(milliseconds(self.answer(at, timed[at], Think::Auto)?.time_to_answer));
            answers += 1;
            watch.sample_if_due();
            let elapsed = start.elapsed();
            if elapsed >= window_ends || elapsed >= length {
                windows.extend(window(&std::mem::take(&mut times), elapsed, watch));
                resident.push(cold::resident().0 as i64);
                window_ends = elapsed + part;
                check_conditions(self.plan, watch)?;
            }
            let seconds = |time: Duration| time.as_secs() as usize;
            go_on = (self.progress)(Progress { stage: Stage::Soak, done: seconds(elapsed), of: seconds(length) });
        }
        windows.extend(window(&times, start.elapsed(), watch));
        let seconds = start.elapsed().as_secs_f64();
        let grown_bytes = resident.last().zip(resident.first()).map_or(0, |(last, first)| last - first);
        Ok(Soak { seconds, ended_early: !go_on, answers, drift: drift(&windows), windows, grown_bytes })
    }

    fn answer(
        &mut self,
        at: usize,
        question: &Question,
        think: Think,
    ) -> Result<pipeline::Answered<'_, OrtModel>, BenchError> {
        pipeline::answer(&mut self.engine, &self.procedure, think, &question.text)
            .map_err(|source| BenchError::Ask { number: at + 1, source })
    }

    fn step(&mut self, stage: Stage, done: usize, of: usize) {
        (self.progress)(Progress { stage, done, of });
    }
}

/// What answering directly saves: the same questions answered both ways.
#[derive(Default)]
struct Savings {
    once: Vec<Vec<f64>>,
    thought: Vec<Vec<f64>>,
    tokens: usize,
    n: usize,
}

impl Savings {
    fn add(&mut self, trial: usize, (once, thought): (f64, f64), tokens: usize) {
        for (trials, sample) in [(&mut self.once, once), (&mut self.thought, thought)] {
            trials.resize(trials.len().max(trial + 1), Vec::new());
            trials[trial].push(sample);
        }
        self.tokens += tokens;
        self.n += 1;
    }

    /// Time with thinking divided by time without.
    fn ratio(&self) -> Option<Ratio> {
        ratio(&self.once, &self.thought)
    }
}

fn window(times: &[f64], end: Duration, watch: &Watch) -> Option<Window> {
    let summary = Summary::of(times.iter().copied())?;
    let (celsius, mhz) = watch.latest();
    let at_s = rounded(end.as_secs_f64());
    let [p50, p99, max] = [summary.p50.value, summary.p99.value, summary.max].map(rounded);
    Some(Window { at_s, n: summary.n, p50, p99, max, celsius, mhz })
}

fn drift(windows: &[Window]) -> Option<Ratio> {
    if windows.len() < DRIFT_WINDOWS_MIN {
        return None;
    }
    let medians: Vec<f64> = windows.iter().map(|window| window.p50).collect();
    let third = medians.len() / 3;
    ratio(&[medians[..third].to_vec()], &[medians[medians.len() - third..].to_vec()])
}

/// The filled prompts with the token that asks for the answer: what the first pass reads.
fn prompts(plan: &Plan<'_>, timed: &[&Question]) -> Result<Vec<Vec<TokenId>>, BenchError> {
    let tokenizer = Tokenizer::new(&plan.bundle.tokenizer, &plan.bundle.manifest)?;
    let prompt = |question: &&Question| {
        let mut tokens = tokenizer.encode(&plan.task.fill(question.text.trim()))?;
        tokens.push(plan.bundle.manifest.control.answer);
        Ok(tokens)
    };
    timed.iter().map(prompt).collect()
}

fn passes(
    plan: &Plan<'_>,
    machine: &Machine,
    library: &Library,
    prompts: &[Vec<TokenId>],
    watch: &mut Watch,
    samples: &mut Samples,
    progress: &mut dyn FnMut(Progress) -> bool,
) -> Result<(), BenchError> {
    let graph = plan.bundle.graph(plan.task);
    let mut model = OrtModel::new(library, graph, &plan.bundle.manifest.graph)?;
    let beyond = speed::beyond_cache(machine.cache_bytes.last().copied(), machine.memory_bytes);
    model.feed(&prompts[0])?; // warms up
    for trial in 0..plan.trials {
        progress(Progress { stage: Stage::Passes, done: trial, of: plan.trials });
        speed::passes(&mut model, prompts, |measure, sample| samples.add(trial, measure, sample))?;
        watch.sample_if_due();
        for (measure, bytes) in [(Measure::ReadMemory, beyond), (Measure::ReadStudent, graph.len() as u64)] {
            speed::read(bytes, READS).into_iter().for_each(|sample| samples.add(trial, measure, sample));
            watch.sample_if_due();
        }
    }
    Ok(())
}

fn not_measured(graph: &Geometry, figures: &[Figure]) -> Vec<NotMeasured> {
    let missing = |measure| !figures.iter().any(|figure| figure.measure == measure);
    let mut all = vec![(
        Measure::AnswerPrefixHit,
        "this engine keeps no prefix between questions: each answer reads its whole prompt".to_owned(),
    )];
    all.extend(speed::missing_rows(graph.max_len));
    for (measure, why) in [
        (Measure::AnswerAtOnce, "no question was answered directly"),
        (Measure::AnswerAfterThinking, "no question needed thinking"),
        (Measure::Rationale, "no question was answered directly"),
        (Measure::ThinkingSpared, "no question was answered directly"),
        (Measure::Decode, "the prompts fill the model's cache"),
    ] {
        if missing(measure) {
            all.push((measure, why.to_owned()));
        }
    }
    all.into_iter().map(|(measure, why)| NotMeasured { measure, why }).collect()
}

fn student(plan: &Plan<'_>, graph_bytes: u64) -> Student {
    let manifest = &plan.bundle.manifest;
    Student {
        name: plan.bundle.student(),
        task: plan.task.id.clone(),
        sha256: manifest.files.iter().map(|(name, file)| (name.clone(), file.sha256.clone())).collect(),
        graph: Some(plan.task.graph.clone()),
        graph_bytes,
        weights: manifest.graph.weights.clone(),
        positions: manifest.graph.max_len,
    }
}

fn file_digest(path: &Path) -> Option<String> {
    let bytes = std::fs::read(path).ok()?;
    Some(hex(&Sha256::digest(bytes)))
}

/// Bytes of the first `rows` rows of the cache: keys and values of every layer, as f32.
fn rows_bytes(graph: &Geometry, rows: usize) -> u64 {
    2 * (graph.layers * graph.kv_heads * graph.head_dim * rows * size_of::<f32>()) as u64
}

fn roofline(graph: &Geometry, graph_bytes: u64, prompts: &[Vec<TokenId>], figures: &[Figure]) -> Roofline {
    let median_of = |measure| Some(figures.iter().find(|figure| figure.measure == measure)?.summary.p50.value);
    let lengths: Vec<f64> = prompts.iter().map(|prompt| prompt.len() as f64).collect();
    let rows = median(&lengths).unwrap_or(0.0) as usize + speed::WRITTEN / 2;
    let bytes_a_token = graph_bytes + rows_bytes(graph, rows);
    let share = |of| Some(rounded(median_of(Measure::Decode)? * bytes_a_token as f64 / 1e9 / median_of(of)?));
    let (of_memory, of_student_sized) = (share(Measure::ReadMemory), share(Measure::ReadStudent));
    Roofline { bytes_a_token, of_memory, of_student_sized }
}

fn median_of(phases: &[Phases], of: impl Fn(&Phases) -> u64) -> u64 {
    let all: Vec<f64> = phases.iter().map(|phases| of(phases) as f64).collect();
    median(&all).unwrap_or(0.0) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn windows(medians: &[f64]) -> Vec<Window> {
        let window = |(at, &p50): (usize, &f64)| Window {
            at_s: at as f64,
            n: 100,
            p50,
            p99: 2.0 * p50,
            max: 3.0 * p50,
            celsius: None,
            mhz: None,
        };
        medians.iter().enumerate().map(window).collect()
    }

    #[test]
    fn drift_is_the_last_third_over_the_first() {
        let slower = drift(&windows(&[2.0, 2.0, 2.5, 3.0, 3.0, 3.0])).unwrap();
        assert_eq!((slower.value, slower.low, slower.high), (1.5, 1.5, 1.5));
        assert_eq!(drift(&windows(&[2.0; 5])), None);
    }

    #[test]
    fn samples_keep_five_digits_and_their_trial() {
        let mut samples = Samples::default();
        samples.add(1, Measure::Answer, 1.234_567_89);
        samples.add(0, Measure::Answer, 12_345.678);
        let figure = samples.figures().remove(0);
        assert_eq!(figure.trials, [vec![12_346.0], vec![1.234_6]]);
        assert_eq!(figure.summary.n, 2);
    }

    #[test]
    fn the_roofline_is_bytes_read_for_a_token_over_what_memory_allows() {
        let graph = Geometry {
            layers: 6,
            kv_heads: 3,
            head_dim: 32,
            max_len: 384,
            vocabulary: 1536,
            weights: "int8".to_owned(),
        };
        assert_eq!(rows_bytes(&graph, 384), 6 * 2 * 3 * 32 * 384 * 4);
        let mut samples = Samples::default();
        samples.add(0, Measure::Decode, 1000.0);
        samples.add(0, Measure::ReadMemory, 10.0);
        samples.add(0, Measure::ReadStudent, 40.0);
        let prompts = [vec![0; 84]];
        let line = roofline(&graph, 3_000_000, &prompts, &samples.figures());
        assert_eq!(line.bytes_a_token, 3_000_000 + 4608 * 100);
        assert_eq!((line.of_memory, line.of_student_sized), (Some(0.34608), Some(0.08652)));
        assert_eq!(roofline(&graph, 3_000_000, &prompts, &[]).of_memory, None);
    }
}
