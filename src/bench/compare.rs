//! Compares two reports: ratios with intervals, and which conditions differed. Measures nothing.
//!
//! An interval compares two runs, not two programs: whatever else the device did in each of them is part of the difference. A claim needs
//! two runs in a row on a quiet device, and a third that shows whether the first repeats.

use schemars::JsonSchema;
use serde::Serialize;

use super::report::{Measure, Report, Unit};
use super::statistics::{Ratio, ratio};
use crate::evaluation::Share;

/// Two reports, compared.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct Comparison {
    /// First report.
    pub a: Side,
    /// Second report.
    pub b: Side,
    /// Conditions that differ: each may be the cause of a ratio other than 1.
    pub differences: Vec<String>,
    /// Measures that both reports have.
    pub rows: Vec<Row>,
    /// Numbers without samples that both reports have.
    pub counts: Vec<Count>,
    /// Quality of the answers.
    pub shares: Vec<Shares>,
}

/// What a report says about itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Side {
    /// Time of the run, UTC.
    pub at: String,
    /// Name and version of the model.
    pub student: String,
    /// Version of sokutou.
    pub sokutou: String,
    /// Note of the person who ran it.
    pub note: Option<String>,
    /// Reasons not to rely on its figures.
    pub doubts: Vec<String>,
}

/// A measure that both reports have.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct Row {
    /// The measure.
    pub measure: Measure,
    /// Unit of both medians.
    pub unit: Unit,
    /// Median of the first report.
    pub a: f64,
    /// Median of the second report.
    pub b: f64,
    /// Second divided by first; `None` where the first is 0.
    pub ratio: Option<Ratio>,
    /// Whether the interval shows a difference.
    pub better: Better,
}

/// Which side is better.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Better {
    /// The first report.
    A,
    /// The second report.
    B,
    /// The interval of the ratio contains 1.
    NoDifferenceShown,
}

/// A number that is not from samples, in both reports.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct Count {
    /// What was counted, in words.
    pub what: String,
    /// Unit of both numbers.
    pub unit: &'static str,
    /// In the first report.
    pub a: f64,
    /// In the second report.
    pub b: f64,
}

/// A share that both reports have.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct Shares {
    /// Which share.
    pub what: ShareOf,
    /// In the first report.
    pub a: Share,
    /// In the second report.
    pub b: Share,
}

/// Shares that are compared. Their names in JSON are older than their titles, and stay.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub enum ShareOf {
    /// Questions answered in the first pass.
    #[serde(rename = "stood at once")]
    AnsweredDirectly,
    /// Questions answered without a person.
    #[serde(rename = "stood")]
    Coverage,
    /// Right answers.
    #[serde(rename = "right")]
    Accuracy,
    /// Right answers among those given without a person.
    #[serde(rename = "right of those that stood")]
    SelectiveAccuracy,
}

impl ShareOf {
    /// The share in words.
    pub fn title(self) -> &'static str {
        match self {
            Self::AnsweredDirectly => "answered directly",
            Self::Coverage => "coverage (auto-answered)",
            Self::Accuracy => "accuracy",
            Self::SelectiveAccuracy => "accuracy of the auto-answered",
        }
    }
}

/// Compares `b` with `a`.
pub fn compare(a: &Report, b: &Report) -> Comparison {
    let rows = a.figures.iter().filter_map(|first| {
        let second = b.figure(first.measure)?;
        let ratio = ratio(&first.trials, &second.trials);
        let better = match ratio {
            Some(ratio) if ratio.high < 1.0 => side(first.unit.less_is_better()),
            Some(ratio) if ratio.low > 1.0 => side(!first.unit.less_is_better()),
            _ => Better::NoDifferenceShown,
        };
        let (measure, unit) = (first.measure, first.unit);
        Some(Row { measure, unit, a: first.summary.p50.value, b: second.summary.p50.value, ratio, better })
    });
    Comparison {
        a: Side::of(a),
        b: Side::of(b),
        differences: differences(a, b),
        rows: rows.collect(),
        counts: counts(a, b),
        shares: shares(a, b),
    }
}

fn side(second: bool) -> Better {
    if second { Better::B } else { Better::A }
}

impl Side {
    fn of(report: &Report) -> Self {
        Self {
            at: report.at.clone(),
            student: report.student.name.clone(),
            sokutou: report.sokutou.clone(),
            note: report.note.clone(),
            doubts: report.doubts.iter().map(|doubt| doubt.says.clone()).collect(),
        }
    }
}

fn counts(a: &Report, b: &Report) -> Vec<Count> {
    let mut all = Vec::new();
    let mut add = |what: &str, unit, a: f64, b: f64| all.push(Count { what: what.to_owned(), unit, a, b });
    let megabytes = |bytes: u64| bytes as f64 / 1e6;
    add("memory, loaded", "MB", megabytes(a.memory.loaded_bytes), megabytes(b.memory.loaded_bytes));
    add("memory, peak", "MB", megabytes(a.memory.peak_bytes), megabytes(b.memory.peak_bytes));
    add("cache", "MB", megabytes(a.memory.cache_bytes), megabytes(b.memory.cache_bytes));
    add("read for a token", "MB", megabytes(a.roofline.bytes_a_token), megabytes(b.roofline.bytes_a_token));
    for first in &a.energy {
        if let Some(second) = b.energy.iter().find(|second| second.meter == first.meter) {
            add(&format!("an answer, {}", first.meter), "J", first.joules_an_answer, second.joules_an_answer);
        }
    }
    all
}

fn shares(a: &Report, b: &Report) -> Vec<Shares> {
    let all = [
        (ShareOf::AnsweredDirectly, Some(a.early_stop.at_once), Some(b.early_stop.at_once)),
        (ShareOf::Coverage, Some(a.quality.stood), Some(b.quality.stood)),
        (ShareOf::Accuracy, a.quality.right, b.quality.right),
        (ShareOf::SelectiveAccuracy, a.quality.right_of_stood, b.quality.right_of_stood),
    ];
    all.into_iter().filter_map(|(what, a, b)| Some(Shares { what, a: a?, b: b? })).collect()
}

fn differences(a: &Report, b: &Report) -> Vec<String> {
    let cores = |report: &Report| {
        let cores = report.machine.cores.iter().map(|core| format!("{} x {}", core.count, core.name));
        cores.collect::<Vec<_>>().join(", ")
    };
    let short =
        |digest: Option<&String>| digest.map_or("unknown", |digest| digest.get(..12).unwrap_or(digest)).to_owned();
    let known = |value: &Option<String>| value.clone().unwrap_or_else(|| "unknown".to_owned());
    let governors = |report: &Report| {
        let words = report.machine.governors.join(", ");
        if words.is_empty() { "unknown".to_owned() } else { words }
    };
    let graph = |report: &Report| {
        let name = report.student.graph.as_deref().unwrap_or("model.onnx"); // old reports do not name it, and their bundles had only this one
        short(report.student.sha256.get(name))
    };
    let pairs = [
        ("board", known(&a.machine.board), known(&b.machine.board)),
        ("processor", cores(a), cores(b)),
        ("kernel", known(&a.machine.kernel), known(&b.machine.kernel)),
        ("governor", governors(a), governors(b)),
        ("cores allowed", known(&a.machine.cores_allowed), known(&b.machine.cores_allowed)),
        ("sokutou", a.sokutou.clone(), b.sokutou.clone()),
        ("build", a.settings.build.clone(), b.settings.build.clone()),
        ("kernels", a.settings.kernels.clone(), b.settings.kernels.clone()),
        ("threads", a.settings.threads.to_string(), b.settings.threads.to_string()),
        ("runtime library", short(a.library.sha256.as_ref()), short(b.library.sha256.as_ref())),
        ("model", a.student.name.clone(), b.student.name.clone()),
        ("graph", graph(a), graph(b)),
        ("task", a.student.task.clone(), b.student.task.clone()),
        ("questions timed", short(Some(&a.settings.questions_sha256)), short(Some(&b.settings.questions_sha256))),
    ];
    pairs.into_iter().filter(|(_, a, b)| a != b).map(|(what, a, b)| format!("{what}: {a} / {b}")).collect()
}
