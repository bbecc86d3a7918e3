//! `sokutou bundle`: what a student bundle is and promises, and whether it keeps its golden promises on this box.

use serde::Serialize;

use super::{BundleArg, Error, Exit, open_bundle, open_engine, print, print_json};
use crate::bundle::Bundle;
use crate::bundle::manifest::{GOLDEN_CONFIDENCE_TOLERANCE, Golden, GoldenDecision, GoldenMode};
use crate::domain::{Decision, Mode};
use crate::engine::{AskError, Engine, Model};
use crate::pipeline::{self, Think};
use crate::policy::Policy;

pub fn info(arg: &BundleArg, json: bool) -> Result<Exit, Error> {
    let (folder, bundle) = open_bundle(arg)?;
    let manifest = &bundle.manifest;
    let task = bundle.task();
    let calibration = &task.calibration;
    if json {
        #[derive(Serialize)]
        struct Info<'a> {
            student: String,
            serial: u64,
            folder: String,
            bytes: u64,
            licence: &'a str,
            teacher: &'a str,
            task: &'a str,
            answers: Vec<(u16, &'a str, &'a str)>,
            threshold: f64,
            risk: f64,
            coverage: f64,
            n: u64,
        }
        print_json(&Info {
            student: bundle.student(),
            serial: manifest.serial,
            folder: folder.display().to_string(),
            bytes: bundle.bytes(),
            licence: &manifest.licence,
            teacher: &manifest.teacher,
            task: &task.id,
            answers: task.choices.iter().map(|c| (c.code, c.label.en.as_str(), c.label.ja.as_str())).collect(),
            threshold: calibration.first.threshold,
            risk: calibration.risk,
            coverage: calibration.first.coverage,
            n: calibration.n,
        })?;
        return Ok(Exit::Success);
    }
    let answers: Vec<String> = task
        .choices
        .iter()
        .map(|choice| format!("    {:>3}  {} / {}", choice.code, choice.label.en, choice.label.ja))
        .collect();
    let data: Vec<String> =
        manifest.data.iter().map(|data| format!("    {} ({}, {})", data.name, data.kind, data.licence)).collect();
    let files: Vec<String> = manifest
        .files
        .iter()
        .map(|(name, file)| format!("    {name}: {} bytes, sha256 {}", file.bytes, file.sha256))
        .collect();
    print(&format!(
        "{} (serial {}), {}\n  task: {} / {}\n  answers:\n{}\n  teacher: {}\n  data:\n{}\n  licence: {}\n  graph: {} layers, {} of \
         vocabulary, {} positions, {}\n  promise: at most {:.1} % errors among answers that stand ({:.0} % sure), \
         from {} rows: {}\n    answer first from {:.1} % confidence on: {:.1} % of the rows, {} wrong of {}\n    \
         think first from {:.1} % on: {:.1} % of the others, {} wrong of {}\n  files:\n{}",
        bundle.student(),
        manifest.serial,
        folder.display(),
        task.title.en,
        task.title.ja,
        answers.join("\n"),
        manifest.teacher,
        data.join("\n"),
        manifest.licence,
        manifest.graph.layers,
        manifest.graph.vocabulary,
        manifest.graph.max_len,
        manifest.graph.weights,
        calibration.risk * 100.0,
        calibration.confidence_level * 100.0,
        calibration.n,
        calibration.split,
        calibration.first.threshold * 100.0,
        calibration.first.coverage * 100.0,
        calibration.first.errors,
        calibration.first.n,
        calibration.think.threshold * 100.0,
        calibration.think.coverage * 100.0,
        calibration.think.errors,
        calibration.think.n,
        files.join("\n"),
    ))?;
    Ok(Exit::Success)
}

pub fn verify(arg: &BundleArg, json: bool) -> Result<Exit, Error> {
    let (folder, bundle) = open_bundle(arg)?;
    let mut engine = open_engine(&folder, &bundle)?;
    let failures = golden_failures(&mut engine, &bundle)?;
    let asked = bundle.golden.len();
    if json {
        #[derive(Serialize)]
        struct Verified<'a> {
            student: String,
            golden: usize,
            failures: &'a [String],
        }
        print_json(&Verified { student: bundle.student(), golden: asked, failures: &failures })?;
    } else if failures.is_empty() {
        print(&format!(
            "OK    {}: digests, sizes and geometry; {asked} of {asked} golden questions",
            bundle.student()
        ))?;
    } else {
        print(&format!(
            "FAIL  {}: {} of {asked} golden questions came out otherwise\n  {}",
            bundle.student(),
            failures.len(),
            failures.join("\n  ")
        ))?;
    }
    Ok(if failures.is_empty() { Exit::Success } else { Exit::Check })
}

/// Asks the golden questions; one sentence for each that came out otherwise.
pub fn golden_failures<M: Model>(engine: &mut Engine<M>, bundle: &Bundle) -> Result<Vec<String>, AskError> {
    let policy = Policy::of(bundle.task());
    let mut failures = Vec::new();
    for golden in &bundle.golden {
        let verdict = pipeline::answer(engine, &policy, Think::Auto, &golden.question)?.verdict;
        let found = Golden {
            id: golden.id.clone(),
            question: golden.question.clone(),
            code: bundle.task().choices[verdict.choice].code,
            decision: match verdict.decision {
                Decision::Answered => GoldenDecision::Answered,
                Decision::Escalated(_) => GoldenDecision::Escalated,
            },
            mode: match verdict.mode {
                Mode::AnswerFirst => GoldenMode::AnswerFirst,
                Mode::ThinkFirst => GoldenMode::ThinkFirst,
            },
            confidence: verdict.confidence.value(),
        };
        let same = (found.code, found.decision, found.mode) == (golden.code, golden.decision, golden.mode)
            && (found.confidence - golden.confidence).abs() <= GOLDEN_CONFIDENCE_TOLERANCE;
        if !same {
            let show = |g: &Golden| format!("{} {:?} {:?} {:.4}", g.code, g.decision, g.mode, g.confidence);
            failures.push(format!("{}: expected {}, found {}", golden.id, show(golden), show(&found)));
        }
    }
    Ok(failures)
}
