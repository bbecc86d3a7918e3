//! The charts of a report, each an SVG drawing; empty where the report has nothing to draw.

use super::format::number;
use super::plot::{INK, Plot};
use super::report::{Figure, Report};
use super::statistics::quantile;

/// Shortest time on the logarithmic axis, ms.
const SHORTEST_MS: f64 = 1e-3;

/// The share of answers that took at most each time, on a logarithmic axis.
pub fn time_to_answer(figures: &[&Figure]) -> String {
    let least = figures.iter().map(|figure| figure.summary.min).fold(f64::INFINITY, f64::min);
    let most = figures.iter().map(|figure| figure.summary.max).fold(0.0, f64::max);
    if !(least.is_finite() && most > 0.0) {
        return String::new();
    }
    let log = |time: f64| time.max(SHORTEST_MS).log10();
    let (from, to) = (log(least).floor(), log(most).ceil());
    let legend: Vec<String> =
        figures.iter().map(|figure| format!("{}, n {}", bilingual(figure), figure.summary.n)).collect();
    let mut plot = Plot::new("share of answers over time", 230.0, (from, to), (0.0, 1.0), &legend);
    percent_ticks(|share, label| plot.tick_y(share, label));
    for power in from as i32..=to as i32 {
        plot.tick_x(f64::from(power), &10_f64.powi(power).to_string());
    }
    for (figure, ink) in figures.iter().zip(INK.iter().cycle()) {
        let mut times = figure.trials.concat();
        times.sort_by(f64::total_cmp);
        let n = times.len() as f64;
        let share_by_time = times.iter().enumerate().map(|(at, &time)| (log(time), (at + 1) as f64 / n));
        plot.curve(&share_by_time.collect::<Vec<_>>(), ink);
    }
    plot.end("ms")
}

/// Median and range from 10 % to 90 % of each trial.
pub fn trials(figure: Option<&Figure>) -> String {
    let Some(figure) = figure else { return String::new() };
    let trials: Vec<(f64, f64, f64)> = figure
        .trials
        .iter()
        .filter_map(|trial| {
            let mut sorted = trial.clone();
            sorted.sort_by(f64::total_cmp);
            let at = |q| quantile(&sorted, q).value;
            (!sorted.is_empty()).then(|| (at(0.1), at(0.5), at(0.9)))
        })
        .collect();
    let most = trials.iter().map(|trial| trial.2).fold(0.0, f64::max);
    let mut plot = Plot::new("trials", 140.0, (0.0, trials.len() as f64), (0.0, most * 1.1), &[]);
    for part in 0..=2 {
        let y = most * f64::from(part) / 2.0;
        plot.tick_y(y, &number(y));
    }
    for (at, &(low, median, high)) in trials.iter().enumerate() {
        let x = at as f64 + 0.5;
        plot.line((x, low), (x, high), INK[0], 4.0);
        plot.line((x - 0.12, median), (x + 0.12, median), INK[1], 3.0);
        plot.label_x(x, &(at + 1).to_string());
    }
    plot.end(&format!("trial 試行; {} {}", figure.measure.title().0, figure.unit.name()))
}

/// The phases of a cold start in one bar.
pub fn cold_start(phases: &[&Figure]) -> String {
    let sum: f64 = phases.iter().map(|phase| phase.summary.p50.value).sum();
    let legend: Vec<String> =
        phases.iter().map(|phase| format!("{}: {} ms", bilingual(phase), number(phase.summary.p50.value))).collect();
    let mut plot = Plot::new("phases of a cold start", 36.0, (0.0, sum), (0.0, 1.0), &legend);
    let mut from = 0.0;
    for (phase, ink) in phases.iter().zip(INK.iter().cycle()) {
        let to = from + phase.summary.p50.value;
        plot.bar(from, to, ink);
        from = to;
    }
    plot.end(&format!("{} ms, sum of medians 中央値の合計", number(sum)))
}

/// Curves over a common x axis, both axes from 0.
pub fn curves(caption: &str, unit: &str, curves: &[(&str, Vec<(f64, f64)>)]) -> String {
    let points = || curves.iter().flat_map(|(_, points)| points);
    let x_most = points().map(|point| point.0).fold(f64::NEG_INFINITY, f64::max);
    let y_most = points().map(|point| point.1).fold(f64::NEG_INFINITY, f64::max);
    if !y_most.is_finite() {
        return String::new();
    }
    let legend: Vec<String> = curves.iter().map(|(name, _)| format!("{name}, {unit}")).collect();
    let mut plot = Plot::new(&legend.join("; "), 160.0, (0.0, x_most), (0.0, y_most * 1.1), &legend);
    for part in 0..=4 {
        let (x, y) = (x_most * f64::from(part) / 4.0, y_most * f64::from(part) / 4.0);
        plot.tick_x(x, &number(x));
        plot.tick_y(y, &number(y));
    }
    for ((_, points), ink) in curves.iter().zip(INK.iter().cycle()) {
        plot.curve(points, ink);
    }
    plot.end(caption)
}

/// Share of right answers over confidence.
pub fn reliability(report: &Report) -> String {
    let mut plot = Plot::new("share of right answers over confidence", 240.0, (0.0, 1.0), (0.0, 1.0), &[]);
    percent_ticks(|share, label| plot.tick_x(share, label));
    percent_ticks(|share, label| plot.tick_y(share, label));
    plot.line((0.0, 0.0), (1.0, 1.0), "#8c959f", 1.0);
    let most = report.quality.reliability.iter().map(|bin| bin.n).max().unwrap_or(1);
    for bin in &report.quality.reliability {
        let radius = 3.0 + 9.0 * (bin.n as f64 / most as f64).sqrt();
        plot.dot((bin.confidence, bin.right), radius, INK[0]);
    }
    plot.end("confidence 確信度; a larger dot holds more answers")
}

fn percent_ticks(mut tick: impl FnMut(f64, &str)) {
    for quarter in 0..=4 {
        let share = f64::from(quarter) / 4.0;
        tick(share, &format!("{:.0} %", share * 100.0));
    }
}

fn bilingual(figure: &Figure) -> String {
    let (english, japanese) = figure.measure.title();
    format!("{english} {japanese}")
}
