//! What the gateway has counted, as Prometheus reads it. No label ever holds a request, a client or a text.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Write as _;
use std::time::{Duration, Instant, SystemTime};

use crate::bundle::Bundle;
use crate::domain::CaseId;
use crate::store;

/// Upper ends of the histogram, in seconds: from a small model on a fast device to one that thinks on a slow one, and a queue.
const SECONDS: [f64; 12] = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 15.0, 60.0];

/// Counters since the process began.
#[derive(Debug, Default)]
pub(super) struct Metrics {
    /// Cases without an outcome: the transport that brought each, and when; `None` where an earlier process took it.
    in_flight: HashMap<CaseId, (&'static str, Option<Instant>)>,
    requests: BTreeMap<(&'static str, &'static str), u64>,
    durations: BTreeMap<&'static str, Histogram>,
    connections: u64,
    /// None where nothing was to be taken over yet.
    reloaded: Option<bool>,
}

#[derive(Debug, Default)]
struct Histogram {
    /// Not cumulative; the last one is of what was longer than all.
    counts: [u64; SECONDS.len() + 1],
    sum: Duration,
}

/// What is so now.
pub(super) struct Now<'a> {
    pub student: Option<&'a Bundle>,
    pub journal: &'a store::Counts,
    /// What the journal dropped to keep its budget.
    pub dropped: &'a [store::Dropped],
    /// To the broker, if there is one.
    pub connected: Option<bool>,
    pub time: SystemTime,
}

impl Metrics {
    pub fn requested(&mut self, source: &'static str, outcome: &'static str) {
        *self.requests.entry((source, outcome)).or_default() += 1;
    }

    /// A case has begun. Said again, it changes nothing.
    pub fn started(&mut self, case: CaseId, source: &'static str, at: Option<Instant>) {
        self.in_flight.entry(case).or_insert((source, at));
    }

    /// A case has its outcome.
    pub fn ended(&mut self, case: CaseId, outcome: &'static str, now: Instant) {
        let Some((source, at)) = self.in_flight.remove(&case) else { return };
        self.requested(source, outcome);
        if let Some(at) = at {
            self.took(source, now.saturating_duration_since(at));
        }
    }

    fn took(&mut self, source: &'static str, time: Duration) {
        let histogram = self.durations.entry(source).or_default();
        let seconds = time.as_secs_f64();
        histogram.counts[SECONDS.iter().take_while(|&&end| seconds > end).count()] += 1;
        histogram.sum += time;
    }

    pub fn connected(&mut self) {
        self.connections += 1;
    }

    pub fn reloaded(&mut self, whole: bool) {
        self.reloaded = Some(whole);
    }

    pub fn render(&self, now: &Now<'_>) -> String {
        let mut text = Text::default();
        text.family("requests_total", "counter", "Requests by what became of them.");
        for ((source, outcome), count) in &self.requests {
            text.sample("requests_total", &[("source", source), ("outcome", outcome)], *count as f64);
        }
        let name = "request_duration_seconds";
        text.family(name, "histogram", "From a question's arrival to its durable outcome.");
        for (source, Histogram { counts, sum }) in &self.durations {
            let mut through = 0;
            let ends = SECONDS.iter().map(ToString::to_string).chain(["+Inf".to_owned()]);
            for (end, count) in ends.zip(counts) {
                through += count;
                text.sample(&format!("{name}_bucket"), &[("source", source), ("le", &end)], through as f64);
            }
            text.sample(&format!("{name}_sum"), &[("source", source)], sum.as_secs_f64());
            text.sample(&format!("{name}_count"), &[("source", source)], through as f64);
        }
        let journal = now.journal;
        let age = journal.oldest_review.map_or(0.0, |at| now.time.duration_since(at).unwrap_or_default().as_secs_f64());
        for (name, what, value) in [
            ("queue_length", "Questions that wait for the student.", journal.unanswered as f64),
            ("undelivered", "Answers and rationales that wait to be delivered.", journal.undelivered as f64),
            ("reviews_open", "Cases that wait for a person.", journal.reviews_open as f64),
            ("reviews_oldest_age_seconds", "Age of the review that waits longest; 0 without one.", age),
            ("reviews_unexported", "Resolved reviews that no export took.", journal.unexported as f64),
            ("journal_bytes", "Bytes of the journal in use.", journal.used_bytes as f64),
        ] {
            text.one(name, "gauge", what, &[], value);
        }
        text.family(
            "journal_dropped_total",
            "counter",
            "Cases that the journal let go of, since it began, by what went.",
        );
        for store::Dropped { why, count, .. } in now.dropped {
            text.sample("journal_dropped_total", &[("what", why)], *count as f64);
        }
        if let Some(connected) = now.connected {
            text.one("mqtt_connected", "gauge", "Is the broker there?", &[], f64::from(u8::from(connected)));
            let again = self.connections.saturating_sub(1) as f64;
            text.one("mqtt_reconnects_total", "counter", "Connections to the broker after the first.", &[], again);
        }
        let reloaded = f64::from(u8::from(self.reloaded.unwrap_or(true)));
        let what = "Was the last change of configuration or student taken over? 1 before the first.";
        text.one("reload_successful", "gauge", what, &[], reloaded);
        let version = [("version", env!("CARGO_PKG_VERSION"))];
        text.one("build_info", "gauge", "What runs here.", &version, 1.0);
        if let Some(student) = now.student {
            let manifest = &student.manifest;
            let (version, serial) = (manifest.version.to_string(), manifest.serial.to_string());
            let labels = [("name", manifest.name.as_str()), ("version", &version), ("serial", &serial)];
            text.one("student_info", "gauge", "Who answers.", &labels, 1.0);
        }
        text.0
    }
}

#[derive(Default)]
struct Text(String);

impl Text {
    fn one(&mut self, name: &str, kind: &str, what: &str, labels: &[(&str, &str)], value: f64) {
        self.family(name, kind, what);
        self.sample(name, labels, value);
    }

    fn family(&mut self, name: &str, kind: &str, what: &str) {
        write!(self.0, "# HELP sokutou_{name} {what}\n# TYPE sokutou_{name} {kind}\n").expect("a text takes all");
    }

    fn sample(&mut self, name: &str, labels: &[(&str, &str)], value: f64) {
        let quoted = |text: &str| text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
        let labels: Vec<String> = labels.iter().map(|(name, value)| format!("{name}=\"{}\"", quoted(value))).collect();
        let labels = if labels.is_empty() { String::new() } else { format!("{{{}}}", labels.join(",")) };
        writeln!(self.0, "sokutou_{name}{labels} {value}").expect("a text takes all");
    }
}
