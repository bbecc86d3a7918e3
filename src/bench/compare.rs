//! Two reports side by side: ratios with intervals, and what was not the same. Measures nothing.
//!
//! An interval tells how far two runs differ, not two programs: what the box was up to in each of them is in the difference. Two runs
//! one after the other on a quiet box, and a third to see whether the first repeats, is what a claim needs.

use schemars::JsonSchema;
use serde::Serialize;

use super::report::{Measure, Report, Unit};
use super::statistics::{Ratio, Share, ratio};

/// See the module.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct Comparison {
    /// The first report.
    pub a: Side,
    /// The second.
    pub b: Side,
    /// What was not the same in both, beside what is compared: each may be why a ratio is not 1.
    pub differences: Vec<String>,
    /// What both timed.
    pub rows: Vec<Row>,
    /// What both counted.
    pub counts: Vec<Count>,
    /// How good the answers were.
    pub shares: Vec<Shares>,
}

/// Which report.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Side {
    /// When.
    pub at: String,
    /// Who answered.
    pub student: String,
    /// By which sokutou.
    pub sokutou: String,
    /// In the words of whoever ran it.
    pub note: Option<String>,
    /// Why it should not be trusted.
    pub doubts: Vec<String>,
}

/// A figure of both.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct Row {
    /// Of what.
    pub measure: Measure,
    /// In what.
    pub unit: Unit,
    /// Median of the first.
    pub a: f64,
    /// Median of the second.
    pub b: f64,
    /// Second over first.
    pub ratio: Option<Ratio>,
    /// Which is better, if the interval tells.
    pub better: Better,
}

/// Which side is better.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Better {
    /// The first.
    A,
    /// The second.
    B,
    /// The interval holds 1.
    NoDifferenceShown,
}

/// A number that has no samples.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct Count {
    /// What.
    pub what: String,
    /// In what.
    pub unit: &'static str,
    /// Of the first.
    pub a: f64,
    /// Of the second.
    pub b: f64,
}

/// A share of both.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct Shares {
    /// What.
    pub what: &'static str,
    /// Of the first.
    pub a: Share,
    /// Of the second.
    pub b: Share,
}

/// Sets `b` beside `a`.
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
        ("stood at once", Some(a.early_stop.at_once), Some(b.early_stop.at_once)),
        ("stood", Some(a.quality.stood), Some(b.quality.stood)),
        ("right", a.quality.right, b.quality.right),
        ("right of those that stood", a.quality.right_of_stood, b.quality.right_of_stood),
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
    let told = |value: &Option<String>| value.clone().unwrap_or_else(|| "unknown".to_owned());
    let governors = |report: &Report| {
        let words = report.machine.governors.join(", ");
        if words.is_empty() { "unknown".to_owned() } else { words }
    };
    let graph = |report: &Report| {
        let name = report.student.graph.as_deref().unwrap_or("model.onnx"); // of old reports the only one
        short(report.student.sha256.get(name))
    };
    let pairs = [
        ("board", told(&a.machine.board), told(&b.machine.board)),
        ("processor", cores(a), cores(b)),
        ("kernel", told(&a.machine.kernel), told(&b.machine.kernel)),
        ("governor", governors(a), governors(b)),
        ("cores allowed", told(&a.machine.cores_allowed), told(&b.machine.cores_allowed)),
        ("sokutou", a.sokutou.clone(), b.sokutou.clone()),
        ("build", a.settings.build.clone(), b.settings.build.clone()),
        ("kernels", a.settings.kernels.clone(), b.settings.kernels.clone()),
        ("threads", a.settings.threads.to_string(), b.settings.threads.to_string()),
        ("runtime library", short(a.library.sha256.as_ref()), short(b.library.sha256.as_ref())),
        ("student", a.student.name.clone(), b.student.name.clone()),
        ("graph", graph(a), graph(b)),
        ("task", a.student.task.clone(), b.student.task.clone()),
        ("questions timed", short(Some(&a.settings.questions_sha256)), short(Some(&b.settings.questions_sha256))),
    ];
    pairs.into_iter().filter(|(_, a, b)| a != b).map(|(what, a, b)| format!("{what}: {a} / {b}")).collect()
}
