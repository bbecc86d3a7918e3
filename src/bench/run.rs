//! The walk of one bench run, stage by stage. Judges nothing itself; asks `trust` after each stage.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use sha2::{Digest as _, Sha256};
use thiserror::Error;

use super::cold::{self, ColdError, Phases};
use super::machine::{Machine, Roots};
use super::questions::{Question, Questions, digest, hex};
use super::report::{
    Doubt, EarlyStop, FORMAT, Figure, Kind, Library as LibraryFacts, Measure, Memory, NotMeasured, Quality, Report,
    Roofline, Settings, Soak, Student, Window,
};
use super::sensors::Watch;
use super::statistics::{Ratio, Share, Summary, calibration_error, median, ratio, reliability, spread};
use super::{speed, trust};
use crate::bundle::Bundle;
use crate::bundle::manifest::{Geometry, Task};
use crate::domain::{Decision, Mode, TokenId};
use crate::engine::{
    AskError, Engine, Kernels, Library, LibraryError, Model as _, ModelError, OpenError, OrtModel, THREADS, Tokenizer,
    TokenizerError,
};
use crate::pipeline::{self, Think};
use crate::policy::Policy;

/// Cold starts for each trial; one takes as long as a hundred answers.
const COLD_STARTS_A_TRIAL: usize = 2;
/// Questions of a trial that are also explained and thought about, each of which takes as long as a hundred answers.
const REASONED: usize = 20;
/// Looks at the memory's speed in each trial.
const READS: usize = 3;
/// A calibration error of fewer answers is mostly chance.
const CALIBRATION_ROWS_MIN: usize = 100;
/// Parts of a soak, unless they would be shorter than a second.
const WINDOWS: u32 = 60;
/// Drift compares the last third of the windows with the first; with fewer than two windows in each it says nothing.
const DRIFT_WINDOWS_MIN: usize = 6;

/// What is to be measured, and how long.
pub struct Plan<'p> {
    /// The bundle's folder, for the children that start cold.
    pub folder: &'p Path,
    /// The bundle.
    pub bundle: &'p Bundle,
    /// The task that is asked.
    pub task: &'p Task,
    /// Its questions.
    pub questions: &'p Questions,
    /// This program, for the same children.
    pub program: PathBuf,
    /// Trials; two at least, or nobody knows whether they agree.
    pub trials: usize,
    /// Answers of one trial.
    pub answers: usize,
    /// A long run at the end.
    pub soak: Option<Duration>,
    /// Put down in the report.
    pub note: Option<String>,
    /// When it is, in UTC; put down in the report.
    pub at: String,
    /// Report even what cannot be trusted.
    pub anyway: bool,
    /// Where the system tells of itself.
    pub roots: Roots,
}

/// Where the walk is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Every question once; what they are answered is the quality.
    Questions,
    /// Children start, answer and end.
    ColdStarts,
    /// The trials' answers.
    Answers,
    /// The trials' rationales and thoughts.
    Reasons,
    /// Passes without questions, and the memory's speed.
    Passes,
    /// The long run; counted in seconds.
    Soak,
}

/// How far.
#[derive(Clone, Copy, Debug)]
pub struct Progress {
    /// The stage.
    pub stage: Stage,
    /// Steps done.
    pub done: usize,
    /// Steps in all.
    pub of: usize,
}

/// A bench that gave no report.
#[derive(Debug, Error)]
pub enum BenchError {
    /// The figures cannot be trusted.
    #[error("these figures would not be worth reporting: {}", doubts.iter().map(|doubt| doubt.says.as_str()).collect::<Vec<_>>().join("; "))]
    Refused {
        /// Why.
        doubts: Vec<Doubt>,
    },
    /// A child failed.
    #[error(transparent)]
    Cold(#[from] ColdError),
    /// No runtime library.
    #[error(transparent)]
    Library(#[from] LibraryError),
    /// The student does not load.
    #[error("the student cannot be loaded")]
    Open(#[from] OpenError),
    /// A question cannot be asked.
    #[error("question {number} cannot be asked")]
    Ask {
        /// Which, from 1.
        number: usize,
        /// Why.
        #[source]
        source: AskError,
    },
    /// A pass failed.
    #[error("a pass of the student failed")]
    Model(#[from] ModelError),
    /// A prompt cannot be cut into tokens.
    #[error("a prompt cannot be cut into tokens")]
    Tokenizer(#[from] TokenizerError),
}

/// Measures. `progress` is told of each step and says whether to go on; it is heard in the soak only, which then ends early.
pub fn run(plan: &Plan<'_>, progress: &mut dyn FnMut(Progress) -> bool) -> Result<Report, BenchError> {
    let mut watch = Watch::new(&plan.roots, plan.soak);
    believed(plan, &mut watch)?;
    let machine = Machine::look(&plan.roots);
    let timed = plan.questions.timed(plan.answers);
    let mut samples = Samples::default();

    let library = Library::load()?;
    let mut walk = Walk { plan, policy: Policy::of(plan.task), engine: Engine::open(&library, plan.bundle)?, progress };
    let loaded_bytes = cold::resident().0;
    let outcome = walk.questions(&mut watch)?; // first of all: a question that cannot be asked is found before minutes are gone
    let phases = cold_starts(plan, &timed, &mut samples, walk.progress)?;
    believed(plan, &mut watch)?;
    let mut spared = Spared::default();
    for trial in 0..plan.trials {
        walk.answers(trial, &timed, &mut watch, &mut samples)?;
        walk.reasons(trial, &timed, &mut watch, &mut samples, &mut spared)?;
        believed(plan, &mut watch)?;
    }
    let (answered_bytes, peak_bytes) = cold::resident();
    let Walk { engine, progress, .. } = walk;
    drop(engine); // its memory is measured; what follows has a session of its own

    let prompts = prompts(plan, &timed)?;
    passes(plan, &machine, &library, &prompts, &mut watch, &mut samples, progress)?;
    believed(plan, &mut watch)?;

    let soak = match plan.soak {
        None => None,
        Some(length) => {
            let engine = Engine::open(&library, plan.bundle)?;
            let mut walk = Walk { plan, policy: Policy::of(plan.task), engine, progress };
            Some(walk.soak(length, &timed, &mut watch)?)
        }
    };

    let energy = watch.energy();
    let conditions = watch.end();
    let graph = &plan.bundle.manifest.graph;
    let graph_bytes = plan.bundle.graph(plan.task).len() as u64;
    let figures = samples.figures();
    let doubts = trust::doubts(&conditions, &figures);
    if !doubts.is_empty() && !plan.anyway {
        return Err(BenchError::Refused { doubts });
    }
    let prompt_tokens = Summary::of(prompts.iter().map(|prompt| prompt.len() as f64));
    let prompt_tokens = prompt_tokens.expect("a list of questions is never empty");
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
            questions_n: plan.questions.all.len(),
            questions_timed: timed.len(),
            questions_sha256: digest(&timed),
            prompt_tokens,
        },
        not_measured: not_measured(graph, &figures),
        early_stop: EarlyStop {
            at_once: outcome.at_once,
            tokens_spared: (spared.n > 0).then(|| spared.tokens as f64 / spared.n as f64),
            thinking_costs: spared.costs(),
        },
        quality: outcome.quality,
        memory: Memory {
            loaded_bytes,
            answered_bytes,
            peak_bytes,
            cache_bytes: rows_bytes(graph, graph.max_len),
            faults_minor: middle(&phases, |phases| phases.faults_minor),
            faults_major: middle(&phases, |phases| phases.faults_major),
        },
        roofline: roofline(graph, graph_bytes, &prompts, &figures),
        energy,
        soak,
        machine,
        conditions,
        figures,
    })
}

/// Throttling is no reason to wait for the end.
fn believed(plan: &Plan<'_>, watch: &mut Watch) -> Result<(), BenchError> {
    watch.look();
    let doubts = trust::throttled(watch.signs());
    if doubts.is_empty() || plan.anyway { Ok(()) } else { Err(BenchError::Refused { doubts }) }
}

/// The samples of each trial.
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

/// To five digits, which is more than any clock here is good for.
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

/// A loaded student on its walk.
struct Walk<'w, 'p> {
    plan: &'w Plan<'p>,
    policy: Policy,
    engine: Engine<OrtModel>,
    progress: &'w mut dyn FnMut(Progress) -> bool,
}

/// What the questions came to, each counted once.
struct Outcome {
    at_once: Share,
    quality: Quality,
}

impl Walk<'_, '_> {
    /// Every question once: the quality, and the warm-up of what follows.
    fn questions(&mut self, watch: &mut Watch) -> Result<Outcome, BenchError> {
        let (mut at_once, mut stood, mut right_of_stood, mut judged_of_stood) = (0, 0, 0, 0);
        let mut judged = Vec::new();
        let all = &self.plan.questions.all;
        for (at, question) in all.iter().enumerate() {
            let verdict = self.answer(at, question, Think::Auto)?.verdict;
            at_once += usize::from(verdict.mode == Mode::AnswerFirst);
            let stands = verdict.decision == Decision::Answered;
            stood += usize::from(stands);
            if let Some(right) = &question.right {
                let right = verdict.answer.as_ref() == Some(right);
                judged.push((verdict.confidence.value(), right));
                judged_of_stood += usize::from(stands);
                right_of_stood += usize::from(stands && right);
            }
            self.step(Stage::Questions, at, all.len());
            watch.glance();
        }
        let share = |count| Share::of(count, all.len()).expect("a list of questions is never empty");
        let bins = reliability(&judged);
        let enough = judged.len() >= CALIBRATION_ROWS_MIN;
        Ok(Outcome {
            at_once: share(at_once),
            quality: Quality {
                right: Share::of(judged.iter().filter(|(_, right)| *right).count(), judged.len()),
                stood: share(stood),
                right_of_stood: Share::of(right_of_stood, judged_of_stood),
                calibration_error: enough.then(|| calibration_error(&bins)),
                reliability: bins,
            },
        })
    }

    /// One trial of answers, one after another.
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
            watch.glance();
        }
        watch.stop_metering(answers);
        Ok(())
    }

    /// One trial of what was not needed: the thinking that answering at once spared, and the rationale that nobody asked for.
    fn reasons(
        &mut self,
        trial: usize,
        timed: &[&Question],
        watch: &mut Watch,
        samples: &mut Samples,
        spared: &mut Spared,
    ) -> Result<(), BenchError> {
        let n = timed.len().min(REASONED);
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
                spared.add(trial, (once_ms, thought_ms), thought_tokens.saturating_sub(tokens));
            }
            self.step(Stage::Reasons, trial * n + at, self.plan.trials * n);
            watch.glance();
        }
        Ok(())
    }

    /// Answers until the time is over, or until told to end.
    fn soak(&mut self, length: Duration, timed: &[&Question], watch: &mut Watch) -> Result<Soak, BenchError> {
        let part = (length / WINDOWS).max(Duration::from_secs(1));
        let (start, mut answers, mut go_on) = (Instant::now(), 0, true);
        let (mut windows, mut times, mut resident) = (Vec::new(), Vec::new(), Vec::new());
        let mut window_ends = part;
        while go_on && start.elapsed() < length {
            let at = answers % timed.len();
            times.push(milliseconds(self.answer(at, timed[at], Think::Auto)?.time_to_answer));
            answers += 1;
            watch.glance();
            let gone = start.elapsed();
            if gone >= window_ends || gone >= length {
                windows.extend(window(&std::mem::take(&mut times), gone, watch));
                resident.push(cold::resident().0 as i64);
                window_ends = gone + part;
                believed(self.plan, watch)?;
            }
            let seconds = |time: Duration| time.as_secs() as usize;
            go_on = (self.progress)(Progress { stage: Stage::Soak, done: seconds(gone), of: seconds(length) });
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
        pipeline::answer(&mut self.engine, &self.policy, think, &question.text)
            .map_err(|source| BenchError::Ask { number: at + 1, source })
    }

    fn step(&mut self, stage: Stage, done: usize, of: usize) {
        (self.progress)(Progress { stage, done, of });
    }
}

/// What answering at once spared.
#[derive(Default)]
struct Spared {
    once: Vec<Vec<f64>>,
    thought: Vec<Vec<f64>>,
    tokens: usize,
    n: usize,
}

impl Spared {
    fn add(&mut self, trial: usize, (once, thought): (f64, f64), tokens: usize) {
        for (trials, sample) in [(&mut self.once, once), (&mut self.thought, thought)] {
            trials.resize(trials.len().max(trial + 1), Vec::new());
            trials[trial].push(sample);
        }
        self.tokens += tokens;
        self.n += 1;
    }

    fn costs(&self) -> Option<Ratio> {
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

/// The filled prompts with the token that asks for the answer: what a first look reads.
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
        watch.glance();
        for (measure, bytes) in [(Measure::ReadMemory, beyond), (Measure::ReadStudent, graph.len() as u64)] {
            speed::read(bytes, READS).into_iter().for_each(|sample| samples.add(trial, measure, sample));
            watch.glance();
        }
    }
    Ok(())
}

fn not_measured(graph: &Geometry, figures: &[Figure]) -> Vec<NotMeasured> {
    let missing = |measure| !figures.iter().any(|figure| figure.measure == measure);
    let mut all = vec![(
        Measure::AnswerPrefixHit,
        "this engine keeps no prefix from one question to the next: every answer reads its whole prompt".to_owned(),
    )];
    all.extend(speed::missing_rows(graph.max_len));
    for (measure, why) in [
        (Measure::AnswerAtOnce, "no answer stood at once"),
        (Measure::AnswerAfterThinking, "no question needed thinking"),
        (Measure::Rationale, "no answer stood at once"),
        (Measure::ThinkingSpared, "no answer stood at once"),
        (Measure::Decode, "the prompts fill the student's cache"),
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

/// Bytes of the cache's first `rows` rows: keys and values of every layer, four bytes a number.
fn rows_bytes(graph: &Geometry, rows: usize) -> u64 {
    2 * (graph.layers * graph.kv_heads * graph.head_dim * rows * size_of::<f32>()) as u64
}

fn roofline(graph: &Geometry, graph_bytes: u64, prompts: &[Vec<TokenId>], figures: &[Figure]) -> Roofline {
    let middle_of = |measure| Some(figures.iter().find(|figure| figure.measure == measure)?.summary.p50.value);
    let lengths: Vec<f64> = prompts.iter().map(|prompt| prompt.len() as f64).collect();
    let rows = median(&lengths).unwrap_or(0.0) as usize + speed::WRITTEN / 2;
    let bytes_a_token = graph_bytes + rows_bytes(graph, rows);
    let share = |of| Some(rounded(middle_of(Measure::Decode)? * bytes_a_token as f64 / 1e9 / middle_of(of)?));
    let (of_memory, of_student_sized) = (share(Measure::ReadMemory), share(Measure::ReadStudent));
    Roofline { bytes_a_token, of_memory, of_student_sized }
}

fn middle(phases: &[Phases], of: impl Fn(&Phases) -> u64) -> u64 {
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
    fn the_roofline_is_what_is_read_for_a_token_over_what_could_be() {
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
