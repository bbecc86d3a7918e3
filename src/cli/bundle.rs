//! `sokutou bundle`: what a bundle holds, its risk bounds, and whether its golden questions come out right on this
//! device.

use serde::Serialize;

use super::open::{BundleArg, open_bundle, open_engine};
use super::output::{print_json, print_wrapped};
use super::{Error, Exit};
use crate::bundle::Bundle;
use crate::bundle::declaration::{FieldValue, Readings};
use crate::bundle::manifest::{Answers, Choice, GOLDEN_CONFIDENCE_TOLERANCE, Golden, GoldenDecision, GoldenMode, Task};
use crate::domain::{Answer, Decision, Mode};
use crate::engine::{AskError, Engine, Model};
use crate::pipeline::{self, Procedures, Think};

#[derive(Debug, clap::Subcommand)]
pub enum BundleCommand {
    /// Show a bundle's tasks, risk bounds, origin and files.
    Info {
        #[command(flatten)]
        bundle: BundleArg,
        /// Print one JSON object instead of text.
        #[arg(long)]
        json: bool,
    },
    /// Check the digests, load the model and ask it its golden questions.
    Verify {
        #[command(flatten)]
        bundle: BundleArg,
        /// Print one JSON object instead of text.
        #[arg(long)]
        json: bool,
    },
}

impl BundleCommand {
    pub fn run(self) -> Result<Exit, Error> {
        match self {
            Self::Info { bundle, json } => info(&bundle, json),
            Self::Verify { bundle, json } => verify(&bundle, json),
        }
    }
}

fn info(arg: &BundleArg, json: bool) -> Result<Exit, Error> {
    let (folder, bundle) = open_bundle(arg)?;
    let manifest = &bundle.manifest;
    if json {
        print_json(&Info {
            student: bundle.student(),
            serial: manifest.serial,
            folder: folder.display().to_string(),
            bytes: bundle.bytes(),
            licence: &manifest.licence,
            teacher: &manifest.teacher,
            tasks: manifest.tasks.iter().map(TaskInfo::of).collect(),
        })?;
        return Ok(Exit::Success);
    }
    let tasks: Vec<String> = manifest.tasks.iter().map(task_in_words).collect();
    let data: Vec<String> =
        manifest.data.iter().map(|data| format!("    {} ({}, {})", data.name, data.kind, data.licence)).collect();
    let files: Vec<String> = manifest
        .files
        .iter()
        .map(|(name, file)| format!("    {name}: {} bytes, sha256 {}", file.bytes, file.sha256))
        .collect();
    print_wrapped(&format!(
        "{} (serial {}), {}\n  tasks (without --task, the first is asked):\n{}\n  teacher: {}\n  data:\n{}\n  licence: {}\n  \
         graph: {} layers, vocabulary of {}, {} positions, {}\n  files:\n{}",
        bundle.student(),
        manifest.serial,
        folder.display(),
        tasks.join("\n"),
        manifest.teacher,
        data.join("\n"),
        manifest.licence,
        manifest.graph.layers,
        manifest.graph.vocabulary,
        manifest.graph.max_len,
        manifest.graph.weights,
        files.join("\n"),
    ))?;
    Ok(Exit::Success)
}

/// What `bundle info --json` says.
#[derive(Serialize)]
struct Info<'a> {
    student: String,
    serial: u64,
    folder: String,
    bytes: u64,
    licence: &'a str,
    teacher: &'a str,
    tasks: Vec<TaskInfo<'a>>,
}

/// One task with its risk bound, thresholds, and the shares of the `n` calibration rows that reach them.
#[derive(Serialize)]
struct TaskInfo<'a> {
    id: &'a str,
    title: TitleInfo<'a>,
    graph: &'a str,
    answers: AnswersInfo<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reads: Option<Vec<FieldInfo<'a>>>,
    risk: f64,
    n: u64,
    threshold: f64,
    coverage: f64,
    think_threshold: f64,
    think_coverage: f64,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    groups: Vec<GroupInfo<'a>>,
}

/// Something that the task reads: its number in a frame, its names, and of a number what it may be.
#[derive(Serialize)]
struct FieldInfo<'a> {
    number: usize,
    id: &'a str,
    name: TitleInfo<'a>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    units: Vec<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    range: Option<(String, String)>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    words: Vec<(u16, &'a str)>,
}

/// A group of questions with a proof of its own.
#[derive(Serialize)]
struct GroupInfo<'a> {
    name: &'a str,
    thinks_first: bool,
    n: u64,
    threshold: f64,
    coverage: f64,
    think_threshold: f64,
    think_coverage: f64,
}

#[derive(Serialize)]
struct TitleInfo<'a> {
    en: &'a str,
    ja: &'a str,
}

/// As the manifest has it, shorter: `{"choices": [[code, en, ja], …]}` or `{"free": {"tokens_max": 24}}`.
#[derive(Serialize)]
#[serde(rename_all = "snake_case")]
enum AnswersInfo<'a> {
    Choices(Vec<(u16, &'a str, &'a str)>),
    Free { tokens_max: usize },
}

impl<'a> TaskInfo<'a> {
    fn of(task: &'a Task) -> Self {
        let calibration = &task.calibration;
        Self {
            id: &task.id,
            title: TitleInfo { en: &task.title.en, ja: &task.title.ja },
            graph: &task.graph,
            answers: match &task.answers {
                Answers::Choices(choices) => AnswersInfo::Choices(
                    choices.iter().map(|c| (c.code, c.label.en.as_str(), c.label.ja.as_str())).collect(),
                ),
                Answers::Free(free) => AnswersInfo::Free { tokens_max: free.tokens_max },
            },
            reads: task.readings.as_ref().map(fields),
            risk: calibration.risk,
            n: calibration.n,
            threshold: calibration.first.threshold,
            coverage: calibration.first.coverage,
            think_threshold: calibration.think.threshold,
            think_coverage: calibration.think.coverage,
            groups: calibration
                .groups
                .iter()
                .map(|group| GroupInfo {
                    name: &group.name,
                    thinks_first: group.think_first,
                    n: group.n,
                    threshold: group.first.threshold,
                    coverage: group.first.coverage,
                    think_threshold: group.think.threshold,
                    think_coverage: group.think.coverage,
                })
                .collect(),
        }
    }
}

/// What a task reads; of a series its lines and its readings, in the order of a frame.
fn fields(readings: &Readings) -> Vec<FieldInfo<'_>> {
    match readings {
        Readings::Fields(declared) => declared
            .fields
            .iter()
            .zip(1..)
            .map(|(field, number)| {
                let (units, range, words) = match &field.value {
                    FieldValue::Number(quantity) => {
                        let units = quantity.units.iter().filter_map(|unit| unit.names.first());
                        let range = (quantity.min.to_string(), quantity.max.to_string());
                        (units.map(String::as_str).collect(), Some(range), Vec::new())
                    }
                    FieldValue::Words(words) => {
                        (Vec::new(), None, words.iter().map(|word| (word.code, word.text.as_str())).collect())
                    }
                };
                let name = TitleInfo { en: &field.name.en, ja: &field.name.ja };
                FieldInfo { number, id: &field.id, name, units, range, words }
            })
            .collect(),
        Readings::Series(series) => series
            .parts()
            .into_iter()
            .zip(1..)
            .map(|((id, line), number)| FieldInfo {
                number,
                id,
                name: TitleInfo { en: &line.name.en, ja: &line.name.ja },
                units: Vec::new(),
                range: None,
                words: Vec::new(),
            })
            .collect(),
    }
}

/// A line for each thing that a task reads.
fn reads_in_words(readings: &Readings) -> String {
    let line = |field: FieldInfo<'_>| {
        let FieldInfo { number, id, name, units, range, words } = field;
        let what = match range {
            Some((min, max)) => format!(": {min} to {max} {}", units.join(", ")),
            None if words.is_empty() => String::new(),
            None => format!(
                ": {}",
                words.iter().map(|(code, word)| format!("{word} ({code})")).collect::<Vec<_>>().join(", ")
            ),
        };
        format!("\n        {number:>3}  {id}: {} / {}{what}", name.en, name.ja)
    };
    let count = match readings {
        Readings::Series(series) => format!("\n             {} to {} readings", series.count.0, series.count.1),
        Readings::Fields(_) => String::new(),
    };
    format!("\n      reads:{}{count}", fields(readings).into_iter().map(line).collect::<String>())
}

fn task_in_words(task: &Task) -> String {
    let answers = match &task.answers {
        Answers::Choices(choices) => {
            let line =
                |choice: &Choice| format!("\n        {:>3}  {} / {}", choice.code, choice.label.en, choice.label.ja);
            format!("one of{}", choices.iter().map(line).collect::<String>())
        }
        Answers::Free(free) => format!("free text, at most {} tokens", free.tokens_max),
    };
    let calibration = &task.calibration;
    let (first, think) = (&calibration.first, &calibration.think);
    // No answer reaches a threshold of 1: no risk bound could be shown.
    let reached = |threshold: f64, coverage: f64, of: &str, errors: u64, n: u64| {
        if threshold < 1.0 {
            let (threshold, coverage) = (threshold * 100.0, coverage * 100.0);
            format!(
                "auto-answered from a confidence of {threshold:.1} %: {coverage:.1} % of {of}, {errors} of {n} wrong"
            )
        } else {
            "always escalated, because no risk bound could be shown".to_owned()
        }
    };
    let reads = task.readings.as_ref().map_or_else(String::new, reads_in_words);
    let groups: String = calibration
        .groups
        .iter()
        .map(|group| {
            let (first, think) = (&group.first, &group.think);
            let first = match group.think_first {
                true => "always thinks first".to_owned(),
                false => reached(first.threshold, first.coverage, "its rows", first.errors, first.n),
            };
            let think = reached(think.threshold, think.coverage, "the other rows", think.errors, think.n);
            format!("\n        {}, {} rows: answer-first: {first}; think-first: {think}", group.name, group.n)
        })
        .collect();
    format!(
        "    {}: {} / {}\n      graph: {}\n      questions: at most {} tokens{reads}\n      answers: {answers}\n      risk bound: at most {:.1} % wrong among auto-answered, with {:.0} % certainty, \
         from {} rows: {}\n        answer-first: {}\n        think-first: {}{groups}",
        task.id,
        task.title.en,
        task.title.ja,
        task.graph,
        task.question_tokens_max,
        calibration.risk * 100.0,
        calibration.confidence_level * 100.0,
        calibration.n,
        calibration.split,
        reached(first.threshold, first.coverage, "the rows", first.errors, first.n),
        reached(think.threshold, think.coverage, "the other rows", think.errors, think.n),
    )
}

fn verify(arg: &BundleArg, json: bool) -> Result<Exit, Error> {
    let (folder, bundle) = open_bundle(arg)?;
    let mut engine = open_engine(&folder, &bundle)?;
    let failures = golden_failures(&mut engine, &bundle)?;
    let asked = bundle.golden.len();
    let tasks = match bundle.manifest.tasks.len() {
        1 => "1 task".to_owned(),
        several => format!("{several} tasks"),
    };
    if json {
        #[derive(Serialize)]
        struct Verified<'a> {
            student: String,
            golden: usize,
            failures: &'a [String],
        }
        print_json(&Verified { student: bundle.student(), golden: asked, failures: &failures })?;
    } else if failures.is_empty() {
        print_wrapped(&format!(
            "OK    {}: digests, sizes and geometry; {asked} of {asked} golden questions of {tasks}",
            bundle.student()
        ))?;
    } else {
        print_wrapped(&format!(
            "FAIL  {}: {} of {asked} golden questions came out differently\n  {}",
            bundle.student(),
            failures.len(),
            failures.join("\n  ")
        ))?;
    }
    Ok(if failures.is_empty() { Exit::Success } else { Exit::Check })
}

/// Asks the golden questions of every task; one sentence for each that came out differently.
pub fn golden_failures<M: Model>(engine: &mut Engine<M>, bundle: &Bundle) -> Result<Vec<String>, AskError> {
    let mut failures = Vec::new();
    let procedures = Procedures::of(bundle);
    for golden in &bundle.golden {
        let task = bundle.task(&golden.task)?;
        let verdict = pipeline::answer(engine, procedures.get(task), Think::Auto, &golden.question)?.verdict;
        let (code, answer) = match (&task.answers, verdict.answer) {
            (Answers::Choices(choices), Some(Answer::Choice(choice))) => (Some(choices[choice].code), None),
            (_, Some(Answer::Text(text))) => (None, Some(text)),
            _ => (None, Some(String::new())),
        };
        let found = Golden {
            code,
            answer,
            decision: match verdict.decision {
                Decision::Answered => GoldenDecision::Answered,
                Decision::Escalated(_) => GoldenDecision::Escalated,
            },
            mode: match verdict.mode {
                Mode::AnswerFirst => GoldenMode::AnswerFirst,
                Mode::ThinkFirst => GoldenMode::ThinkFirst,
            },
            confidence: verdict.confidence.value(),
            ..golden.clone()
        };
        let outcome = |g: &Golden| (g.code, g.answer.clone(), g.decision, g.mode);
        let near = (found.confidence - golden.confidence).abs() <= GOLDEN_CONFIDENCE_TOLERANCE;
        if outcome(&found) != outcome(golden) || !near {
            let (id, expected, found) = (&golden.id, in_short(golden), in_short(&found));
            failures.push(format!("{} {id}: expected {expected}, found {found}", task.id));
        }
    }
    Ok(failures)
}

fn in_short(golden: &Golden) -> String {
    let Golden { code, answer, decision, mode, confidence, .. } = golden;
    let answer = match (code, answer) {
        (Some(code), _) => code.to_string(),
        (None, answer) => format!("{:?}", answer.as_deref().unwrap_or_default()),
    };
    format!("{answer} {decision:?} {mode:?} {confidence:.4}")
}
