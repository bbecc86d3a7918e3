//! The report as one page of HTML that needs nothing else: styles and drawings are inside, no script, no font, no address. Well-formed
//! as XML too. The text is in `page.html`; here is what fills it.

use askama::Template;

use super::charts;
use super::format::{Xml, number};
use super::report::{Figure, Measure, NotMeasured, Report};
use super::sensors::Temperature;
use crate::evaluation::{Share, Source};

/// Measures of the answers, in the order of the page.
const ANSWERS: [Measure; 5] =
    [Measure::Answer, Measure::AnswerAtOnce, Measure::AnswerAfterThinking, Measure::Rationale, Measure::ThinkingSpared];
/// Measures whose distribution is drawn.
const DRAWN: [Measure; 3] = [Measure::AnswerAtOnce, Measure::AnswerAfterThinking, Measure::Rationale];
/// Phases of a cold start, in order.
const PHASES: [Measure; 5] =
    [Measure::ColdExec, Measure::ColdBundle, Measure::ColdLibrary, Measure::ColdSession, Measure::ColdFirstRun];
/// Of the answers and of the speed, the measures whose absence needs a reason.
const ANSWERS_MISSING: [Measure; 4] =
    [Measure::AnswerPrefixHit, Measure::AnswerAtOnce, Measure::AnswerAfterThinking, Measure::Rationale];
const SPEED_MISSING: [Measure; 3] = [Measure::Pp512, Measure::Tg128, Measure::Decode];
/// What a reader looks for first.
const HEADLINES: [Measure; 4] =
    [Measure::AnswerAtOnce, Measure::AnswerAfterThinking, Measure::Rationale, Measure::ColdStart];

/// The page.
pub fn page(report: &Report) -> String {
    Page { report }.render().expect("a String takes everything")
}

#[derive(Template)]
#[template(path = "page.html", config = "src/bench/askama.toml")]
struct Page<'r> {
    report: &'r Report,
}

impl Page<'_> {
    fn day(&self) -> &str {
        self.report.at.split('T').next().unwrap_or(&self.report.at)
    }

    fn device(&self) -> String {
        let machine = &self.report.machine;
        let cores = machine.cores.iter().map(|core| format!("{} × {}", core.count, core.name));
        let mut words: Vec<String> = machine.board.clone().into_iter().chain(cores).collect();
        if machine.virtual_machine {
            words.push("virtual machine".to_owned());
        }
        words.join(", ")
    }

    fn figures(&self, measures: &[Measure]) -> Vec<&Figure> {
        measures.iter().filter_map(|&measure| self.report.figure(measure)).collect()
    }

    fn cold_start_figures(&self) -> Vec<&Figure> {
        self.figures(&[&PHASES[..], &[Measure::ColdStart, Measure::ColdSecondRun]].concat())
    }

    fn missing(&self, measures: &[Measure]) -> Vec<&NotMeasured> {
        self.report.not_measured.iter().filter(|missing| measures.contains(&missing.measure)).collect()
    }

    fn selective_risk(&self) -> Option<Share> {
        self.report.quality.right_of_stood.map(|right| right.complement())
    }

    fn time_chart(&self) -> String {
        charts::time_to_answer(&self.figures(&DRAWN))
    }

    fn trials_chart(&self) -> String {
        charts::trials(self.figures(&DRAWN).first().copied())
    }

    fn cold_start_chart(&self) -> String {
        charts::cold_start(&self.figures(&PHASES))
    }

    fn reliability_chart(&self) -> String {
        charts::reliability(self.report)
    }

    fn soak_chart(&self) -> String {
        let windows = self.report.soak.iter().flat_map(|soak| &soak.windows);
        let (p50, p99) = windows.map(|w| ((w.at_s / 60.0, w.p50), (w.at_s / 60.0, w.p99))).unzip();
        charts::curves("minutes 分", "ms", &[("p50", p50), ("p99", p99)])
    }

    /// Name and drawing of each sensor; the drawing is empty where the device reports nothing.
    fn sensor_charts(&self) -> [(&'static str, String); 2] {
        let readings = &self.report.conditions.readings;
        let celsius = readings.iter().filter_map(|reading| Some((reading.at_s, reading.celsius?))).collect();
        let mhz = readings.iter().filter_map(|reading| Some((reading.at_s, reading.mhz?))).collect();
        [("temperature of the hottest zone", "°C", celsius), ("slowest clock", "MHz", mhz)]
            .map(|(name, unit, points)| (name, charts::curves("seconds 秒", unit, &[(name, points)])))
    }

    fn cache_sizes(&self) -> Vec<String> {
        self.report.machine.cache_bytes.iter().map(|bytes| format!("{} KiB", bytes >> 10)).collect()
    }

    fn clock_range(&self) -> String {
        let machine = &self.report.machine;
        match (machine.clock_min_mhz, machine.clock_max_mhz) {
            (None, None) => "unknown".to_owned(),
            (None, Some(max)) => format!("up to {max:.0} MHz"),
            (Some(min), None) => format!("from {min:.0} MHz"),
            (Some(min), Some(max)) => format!("{min:.0}\u{2013}{max:.0} MHz"),
        }
    }
}

/// How the template prints values.
mod filters {
    use askama::{Result, Values, filter_fn};

    use super::Temperature;

    /// The template hands values over behind none, one or two references.
    pub trait Borrow<T> {
        fn borrow(&self) -> &T;
    }

    impl<T> Borrow<T> for T {
        fn borrow(&self) -> &T {
            self
        }
    }

    impl<T> Borrow<T> for &T {
        fn borrow(&self) -> &T {
            self
        }
    }

    impl<T> Borrow<T> for &&T {
        fn borrow(&self) -> &T {
            self
        }
    }

    #[filter_fn]
    pub fn number<T: Borrow<f64>>(value: T, _: &dyn Values) -> Result<String> {
        Ok(super::number(*value.borrow()))
    }

    #[filter_fn]
    pub fn percent<T: Borrow<f64>>(share: T, _: &dyn Values) -> Result<String> {
        Ok(format!("{:.1} %", share.borrow() * 100.0))
    }

    #[filter_fn]
    pub fn megabytes<T: Borrow<u64>>(bytes: T, _: &dyn Values) -> Result<String> {
        Ok(format!("{} MB", super::number(*bytes.borrow() as f64 / 1e6)))
    }

    /// The text, or "unknown".
    #[filter_fn]
    pub fn known<T: Borrow<Option<String>>>(text: T, _: &dyn Values) -> Result<String> {
        Ok(text.borrow().clone().unwrap_or_else(|| "unknown".to_owned()))
    }

    /// The words with commas, or what stands for none.
    #[filter_fn]
    pub fn listed<T: Borrow<Vec<String>>>(words: T, _: &dyn Values, none: &str) -> Result<String> {
        let words = words.borrow();
        Ok(if words.is_empty() { none.to_owned() } else { words.join(", ") })
    }

    #[filter_fn]
    pub fn temperatures<T: Borrow<Vec<Temperature>>>(all: T, _: &dyn Values) -> Result<String> {
        let words = all.borrow().iter().map(|one| format!("{} {:.1} °C", one.sensor, one.celsius));
        Ok(words.collect::<Vec<_>>().join(", "))
    }
}
