//! What the gateway has counted, as Prometheus reads it. No label ever holds a request, a client or a text.

use std::collections::HashMap;
use std::time::{Duration, Instant, SystemTime};

use prometheus_client::encoding::prometheus_text;
use prometheus_client::metrics::counter::{ConstCounter, Counter};
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::Registry;

use crate::bundle::Bundle;
use crate::domain::CaseId;
use crate::store;

/// Upper ends of the histogram, in seconds: from a small model on a fast device to one that thinks on a slow one, and a queue.
const SECONDS: [f64; 12] = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 15.0, 60.0];

/// Names and values.
type Labels<const N: usize> = [(&'static str, &'static str); N];

/// Counters since the process began.
#[derive(Debug)]
pub(super) struct Metrics {
    /// Cases without an outcome: the transport that brought each, and when; `None` where an earlier process took it.
    in_flight: HashMap<CaseId, (&'static str, Option<Instant>)>,
    requests: Family<Labels<2>, Counter>,
    refusals: Family<Labels<2>, Counter>,
    checks: Family<Labels<1>, Counter>,
    durations: Family<Labels<1>, Histogram, fn() -> Histogram>,
    dropped_answers: Family<Labels<1>, Counter>,
    connections: u64,
    /// `None` before the first change of configuration or model.
    reloaded: Option<bool>,
}

/// What is so now.
pub(super) struct Now<'a> {
    pub student: Option<&'a Bundle>,
    pub journal: &'a store::Counts,
    /// What the journal dropped to keep its budget.
    pub dropped: &'a [store::Dropped],
    /// Whether the broker is reached; `None` where none is configured.
    pub connected: Option<bool>,
    /// How often serial ports have heard themselves.
    pub echoes: u64,
    /// The journal's disk has no room.
    pub disk_full: bool,
    pub time: SystemTime,
}

impl Default for Metrics {
    fn default() -> Self {
        Self {
            in_flight: HashMap::new(),
            requests: Family::default(),
            refusals: Family::default(),
            checks: Family::default(),
            durations: Family::new_with_constructor(|| Histogram::new(SECONDS)),
            dropped_answers: Family::default(),
            connections: 0,
            reloaded: None,
        }
    }
}

impl Metrics {
    pub fn requested(&mut self, source: &'static str, outcome: &'static str) {
        self.requests.get_or_create(&[("source", source), ("outcome", outcome)]).inc();
    }

    /// A request was not taken, for a reason of this kind.
    pub fn refused(&mut self, source: &'static str, kind: &'static str) {
        self.requested(source, "refused");
        self.refusals.get_or_create(&[("source", source), ("reason", kind)]).inc();
    }

    /// So many messages were lost before anybody could look at them.
    pub fn lost(&mut self, source: &'static str, messages: u64) {
        self.requests.get_or_create(&[("source", source), ("outcome", "lost")]).inc_by(messages);
    }

    /// An answer was explained in idle time, with this result.
    pub fn checked(&mut self, outcome: &'static str) {
        self.checks.get_or_create(&[("outcome", outcome)]).inc();
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
        self.durations.get_or_create(&[("source", source)]).observe(time.as_secs_f64());
    }

    /// An answer never left.
    pub fn dropped(&mut self, why: &'static str) {
        self.dropped_answers.get_or_create(&[("what", why)]).inc();
    }

    pub fn connected(&mut self) {
        self.connections += 1;
    }

    pub fn reloaded(&mut self, whole: bool) {
        self.reloaded = Some(whole);
    }

    /// The text that Prometheus reads, of version 0.0.4. Its encoder ends each description with a full stop.
    pub fn render(&self, now: &Now<'_>) -> String {
        let mut registry = Registry::with_prefix("sokutou");
        registry.register("requests", "Requests by what became of them", self.requests.clone());
        let what = "Requests that were not taken, by why";
        registry.register("refusals", what, self.refusals.clone());
        let what = "Answers explained in idle time, by where the reasons led";
        registry.register("idle_explanations", what, self.checks.clone());
        let what = "From a question's arrival to its durable outcome";
        registry.register("request_duration_seconds", what, self.durations.clone());
        let journal = now.journal;
        for (name, what, value) in [
            ("queue_length", "Questions that wait for the student", journal.unanswered),
            ("undelivered", "Answers and rationales that wait to be delivered", journal.undelivered),
            ("reviews_open", "Cases that wait for a person", journal.reviews_open),
            ("reviews_unexported", "Resolved reviews that no export took", journal.unexported),
            ("journal_bytes", "Bytes of the journal in use", journal.used_bytes),
        ] {
            registry.register(name, what, ConstGauge::new(value));
        }
        let full = ConstGauge::new(u64::from(now.disk_full));
        registry.register("journal_disk_full", "Whether the journal's disk has no room", full);
        let age = journal.oldest_review.map_or(0.0, |at| now.time.duration_since(at).unwrap_or_default().as_secs_f64());
        let what = "Age of the review that waits longest; 0 without one";
        registry.register("reviews_oldest_age_seconds", what, ConstGauge::new(age));
        let dropped = Family::<[(&str, String); 1], Counter>::default();
        for store::Dropped { why, count, .. } in now.dropped {
            dropped.get_or_create(&[("what", why.clone())]).inc_by(*count);
        }
        let what = "Cases that the journal let go of, since it began, by what went";
        registry.register("journal_dropped", what, dropped);
        let what = "Answers that were not sent on a serial line, by why: too old to be told from a later one";
        registry.register("answers_dropped", what, self.dropped_answers.clone());
        let what = "What came back on serial lines of what was sent";
        registry.register("serial_echoes", what, ConstCounter::new(now.echoes));
        if let Some(connected) = now.connected {
            let what = "Whether the broker is there";
            registry.register("mqtt_connected", what, ConstGauge::new(u64::from(connected)));
            let again = ConstCounter::new(self.connections.saturating_sub(1));
            registry.register("mqtt_reconnects", "Connections to the broker after the first", again);
        }
        let reloaded = ConstGauge::new(u64::from(self.reloaded.unwrap_or(true)));
        let what = "Was the last change of configuration or student taken over? 1 before the first";
        registry.register("reload_successful", what, reloaded);
        registry.register("build", "What runs here", Info::new([("version", env!("CARGO_PKG_VERSION"))]));
        if let Some(student) = now.student {
            let manifest = &student.manifest;
            let labels = [
                ("name", manifest.name.clone()),
                ("version", manifest.version.to_string()),
                ("serial", manifest.serial.to_string()),
            ];
            registry.register("student", "Who answers", Info::new(labels));
        }
        let mut text = String::new();
        prometheus_text::encode(&mut text, &registry).expect("a String takes all");
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn render(metrics: &Metrics, dropped: &[store::Dropped], connected: Option<bool>) -> String {
        let time = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000);
        let journal = store::Counts {
            received: 9,
            unanswered: 3,
            undelivered: 0,
            reviews_open: 2,
            oldest_review: Some(time - Duration::from_millis(90_500)),
            unexported: 1,
            used_bytes: 40_960,
            full: false,
        };
        metrics.render(&Now { student: None, journal: &journal, dropped, connected, echoes: 5, disk_full: false, time })
    }

    #[test]
    fn the_text_is_of_version_0_0_4_with_the_names_that_dashboards_use() {
        let mut metrics = Metrics::default();
        let begin = Instant::now();
        metrics.started(CaseId(1), "http", Some(begin));
        metrics.started(CaseId(1), "mqtt", None); // said again
        metrics.ended(CaseId(1), "answered", begin + Duration::from_millis(250));
        metrics.ended(CaseId(1), "failed", begin); // has its outcome already
        metrics.started(CaseId(2), "http", Some(begin));
        metrics.ended(CaseId(2), "answered", begin + Duration::from_secs(90));
        metrics.started(CaseId(3), "http", None); // of an earlier process: counted, not timed
        metrics.ended(CaseId(3), "answered", begin);
        metrics.connected();
        metrics.connected();
        metrics.refused("mqtt", "unreadable");
        metrics.lost("mqtt", 20);
        metrics.checked("agrees");
        metrics.reloaded(false);
        metrics.dropped("late");
        let time = SystemTime::UNIX_EPOCH;
        let dropped = store::Dropped { why: "a \"b\"\\\n".to_owned(), count: 7, first_at: time, last_at: time };
        let expected = r#"# HELP sokutou_requests_total Requests by what became of them.
# TYPE sokutou_requests_total counter
sokutou_requests_total{source="http",outcome="answered"} 3
sokutou_requests_total{source="mqtt",outcome="lost"} 20
sokutou_requests_total{source="mqtt",outcome="refused"} 1
# HELP sokutou_refusals_total Requests that were not taken, by why.
# TYPE sokutou_refusals_total counter
sokutou_refusals_total{source="mqtt",reason="unreadable"} 1
# HELP sokutou_idle_explanations_total Answers explained in idle time, by where the reasons led.
# TYPE sokutou_idle_explanations_total counter
sokutou_idle_explanations_total{outcome="agrees"} 1
# HELP sokutou_request_duration_seconds From a question's arrival to its durable outcome.
# TYPE sokutou_request_duration_seconds histogram
sokutou_request_duration_seconds_bucket{source="http",le="0.005"} 0
sokutou_request_duration_seconds_bucket{source="http",le="0.01"} 0
sokutou_request_duration_seconds_bucket{source="http",le="0.025"} 0
sokutou_request_duration_seconds_bucket{source="http",le="0.05"} 0
sokutou_request_duration_seconds_bucket{source="http",le="0.1"} 0
sokutou_request_duration_seconds_bucket{source="http",le="0.25"} 1
sokutou_request_duration_seconds_bucket{source="http",le="0.5"} 1
sokutou_request_duration_seconds_bucket{source="http",le="1"} 1
sokutou_request_duration_seconds_bucket{source="http",le="2.5"} 1
sokutou_request_duration_seconds_bucket{source="http",le="5"} 1
sokutou_request_duration_seconds_bucket{source="http",le="15"} 1
sokutou_request_duration_seconds_bucket{source="http",le="60"} 1
sokutou_request_duration_seconds_bucket{source="http",le="+Inf"} 2
sokutou_request_duration_seconds_sum{source="http"} 90.25
sokutou_request_duration_seconds_count{source="http"} 2
# HELP sokutou_queue_length Questions that wait for the student.
# TYPE sokutou_queue_length gauge
sokutou_queue_length 3
# HELP sokutou_undelivered Answers and rationales that wait to be delivered.
# TYPE sokutou_undelivered gauge
sokutou_undelivered 0
# HELP sokutou_reviews_open Cases that wait for a person.
# TYPE sokutou_reviews_open gauge
sokutou_reviews_open 2
# HELP sokutou_reviews_unexported Resolved reviews that no export took.
# TYPE sokutou_reviews_unexported gauge
sokutou_reviews_unexported 1
# HELP sokutou_journal_bytes Bytes of the journal in use.
# TYPE sokutou_journal_bytes gauge
sokutou_journal_bytes 40960
# HELP sokutou_journal_disk_full Whether the journal's disk has no room.
# TYPE sokutou_journal_disk_full gauge
sokutou_journal_disk_full 0
# HELP sokutou_reviews_oldest_age_seconds Age of the review that waits longest; 0 without one.
# TYPE sokutou_reviews_oldest_age_seconds gauge
sokutou_reviews_oldest_age_seconds 90.5
# HELP sokutou_journal_dropped_total Cases that the journal let go of, since it began, by what went.
# TYPE sokutou_journal_dropped_total counter
sokutou_journal_dropped_total{what="a \"b\"\\\n"} 7
# HELP sokutou_answers_dropped_total Answers that were not sent on a serial line, by why: too old to be told from a later one.
# TYPE sokutou_answers_dropped_total counter
sokutou_answers_dropped_total{what="late"} 1
# HELP sokutou_serial_echoes_total What came back on serial lines of what was sent.
# TYPE sokutou_serial_echoes_total counter
sokutou_serial_echoes_total 5
# HELP sokutou_mqtt_connected Whether the broker is there.
# TYPE sokutou_mqtt_connected gauge
sokutou_mqtt_connected 1
# HELP sokutou_mqtt_reconnects_total Connections to the broker after the first.
# TYPE sokutou_mqtt_reconnects_total counter
sokutou_mqtt_reconnects_total 1
# HELP sokutou_reload_successful Was the last change of configuration or student taken over? 1 before the first.
# TYPE sokutou_reload_successful gauge
sokutou_reload_successful 0
# HELP sokutou_build_info What runs here.
# TYPE sokutou_build_info gauge
sokutou_build_info{version="VERSION"} 1
"#;
        let expected = expected.replace("VERSION", env!("CARGO_PKG_VERSION"));
        // A family keeps its members in no order.
        let sorted = |text: &str| {
            let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
            lines.sort();
            lines
        };
        assert_eq!(sorted(&render(&metrics, &[dropped], Some(true))), sorted(&expected));
    }

    #[test]
    fn what_is_not_configured_or_not_there_yet_is_absent() {
        let text = render(&Metrics::default(), &[], None);
        for absent in ["mqtt", "student_info", "requests_total{", "duration_seconds_bucket", "dropped_total{"] {
            assert!(!text.contains(absent), "{absent}: {text}");
        }
        assert!(text.contains("\nsokutou_reload_successful 1\n"), "{text}");
    }
}
