//! The report as one page of HTML that needs nothing else: styles and drawings are inside, no script, no font, no address. Well-formed
//! as XML too. Computes nothing that the report does not say.

use std::fmt::Write as _;

use super::report::{Figure, Measure, Report, Source};
use super::statistics::Share;

/// Width of a drawing in its own units; the page scales it.
const WIDTH: f64 = 640.0;
/// Room beside and below a plot for its labels, above it, and for each line of its legend.
const LEFT: f64 = 52.0;
const RIGHT: f64 = 24.0;
const BOTTOM: f64 = 38.0;
const TOP: f64 = 12.0;
const LEGEND: f64 = 18.0;
/// Colours that print, and that people who see red and green alike can tell apart.
const INK: [&str; 5] = ["#0b5cad", "#c2570c", "#4a7c3a", "#7a4fa0", "#8a6d00"];
/// Points of a curve; more are not seen.
const POINTS_MAX: usize = 400;

const STYLE: &str = "
:root{color-scheme:light}*{box-sizing:border-box}
body{margin:0 auto;max-width:60rem;padding:1rem;font:16px/1.5 system-ui,'Noto Sans JP','Hiragino Sans',sans-serif;color:#1b1f24;background:#fff}
h1{font-size:1.4rem;margin:.2rem 0}h2{font-size:1.1rem;margin:2rem 0 .4rem;border-bottom:2px solid #d7dde4;padding-bottom:.2rem}
p{margin:.3rem 0}.soft{color:#57606a;font-size:.9rem}.ok,.bad{border-left:.4rem solid;padding:.5rem .8rem;margin:1rem 0}
.ok{border-color:#4a7c3a;background:#eef6eb}.bad{border-color:#c2570c;background:#fdf0e6}
.cards{display:grid;grid-template-columns:repeat(auto-fit,minmax(11rem,1fr));gap:.6rem;margin:1rem 0}
.card{border:1px solid #d7dde4;border-radius:.4rem;padding:.6rem .8rem}.card b{display:block;font-size:1.5rem;line-height:1.3}
.wide{overflow-x:auto}table{border-collapse:collapse;width:100%;font-size:.92rem}
th,td{padding:.25rem .5rem;text-align:right;border-bottom:1px solid #e6eaee;white-space:nowrap;font-variant-numeric:tabular-nums}
th:first-child,td:first-child{text-align:left;white-space:normal;min-width:9rem}.facts td{text-align:left;white-space:normal;overflow-wrap:anywhere}
svg{width:100%;height:auto;display:block;margin:.6rem 0}svg text{font:13px system-ui,sans-serif;fill:#444c56}
@media print{body{max-width:none;font-size:11pt}h2,svg,table,.card{break-inside:avoid}.wide{overflow:visible}}";

/// The page.
pub fn page(report: &Report) -> String {
    let mut page = Page(String::new());
    let title = format!("sokutou bench: {}, {}", report.student.name, day(&report.at));
    page.raw("<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"/>");
    page.raw("<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"/>");
    page.element("title", &title);
    page.raw(&format!("<style>{STYLE}</style></head><body>"));
    page.element("h1", &title);
    page.element("p", &on_what(report));
    if let Some(note) = &report.note {
        page.element("p", &format!("Note 備考: {note}"));
    }
    trust(&mut page, report);
    cards(&mut page, report);
    answers(&mut page, report);
    cold_start(&mut page, report);
    speed(&mut page, report);
    quality(&mut page, report);
    soak(&mut page, report);
    conditions(&mut page, report);
    facts(&mut page, report);
    page.raw("</body></html>\n");
    page.0
}

/// Text that grows; only [`Self::raw`] takes markup.
struct Page(String);

impl Page {
    fn raw(&mut self, markup: &str) {
        self.0.push_str(markup);
    }

    fn element(&mut self, name: &str, text: &str) {
        let _ = writeln!(self.0, "<{name}>{}</{name}>", escaped(text)); // a String takes everything
    }

    fn heading(&mut self, english: &str, japanese: &str) {
        self.element("h2", &format!("{english} {japanese}"));
    }

    fn soft(&mut self, text: &str) {
        self.raw(&format!("<p class=\"soft\">{}</p>\n", escaped(text)));
    }

    fn table(&mut self, class: &str, head: &[&str], rows: &[Vec<String>]) {
        self.raw(&format!("<div class=\"wide\"><table class=\"{class}\">"));
        if !head.is_empty() {
            let cells: String = head.iter().map(|cell| format!("<th>{}</th>", escaped(cell))).collect();
            self.raw(&format!("<thead><tr>{cells}</tr></thead>"));
        }
        self.raw("<tbody>");
        for row in rows {
            let cells: String = row.iter().map(|cell| format!("<td>{}</td>", escaped(cell))).collect();
            self.raw(&format!("<tr>{cells}</tr>\n"));
        }
        self.raw("</tbody></table></div>\n");
    }
}

fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            c if c.is_control() && !c.is_whitespace() => escaped.push('\u{fffd}'), // XML has no word for it
            c => escaped.push(c),
        }
    }
    escaped
}

fn day(at: &str) -> &str {
    at.split('T').next().unwrap_or(at)
}

/// A number with three digits that matter.
pub fn number(value: f64) -> String {
    match value.abs() {
        v if v >= 1000.0 => {
            let whole = format!("{value:.0}");
            let split = whole.len().saturating_sub(3);
            format!("{}\u{2009}{}", &whole[..split], &whole[split..])
        }
        v if v >= 100.0 => format!("{value:.0}"),
        v if v >= 10.0 => format!("{value:.1}"),
        v if v >= 1.0 || v == 0.0 => format!("{value:.2}"),
        v if v >= 0.1 => format!("{value:.3}"),
        v if v >= 0.01 => format!("{value:.4}"),
        _ => format!("{value:.1e}"),
    }
}

/// A share in percent, with its interval and what it is of.
pub fn share(share: &Share) -> String {
    let Share { count, n, value, low, high } = share;
    format!("{:.1} % ({count} of {n}; {:.1}\u{2013}{:.1} %)", value * 100.0, low * 100.0, high * 100.0)
}

fn on_what(report: &Report) -> String {
    let cores = report.machine.cores.iter().map(|core| format!("{} × {}", core.count, core.name));
    let mut words: Vec<String> = report.machine.board.clone().into_iter().chain(cores).collect();
    if report.machine.virtual_machine {
        words.push("virtual machine".to_owned());
    }
    words.push(format!("task {}", report.student.task));
    words.join(", ")
}

fn trust(page: &mut Page, report: &Report) {
    if report.doubts.is_empty() {
        page.raw("<div class=\"ok\">");
        page.element("p", "No doubt about these figures was found. この測定に問題は見つかりませんでした。");
    } else {
        page.raw("<div class=\"bad\">");
        page.element("p", "CAUTION: these figures should not be trusted. 注意: この測定結果は信頼できません。");
        for doubt in &report.doubts {
            page.element("p", &format!("• {}", doubt.says));
        }
    }
    if report.conditions.watched.is_empty() {
        page.soft("This box has no sensor that tells of throttling. スロットリングを知らせるセンサーはありません。");
    }
    page.raw("</div>\n");
}

fn cards(page: &mut Page, report: &Report) {
    page.raw("<div class=\"cards\">");
    let mut card = |value: String, says: String| {
        page.raw(&format!("<div class=\"card\"><b>{}</b>{}</div>", escaped(&value), escaped(&says)));
    };
    for measure in [Measure::AnswerAtOnce, Measure::AnswerAfterThinking, Measure::Rationale, Measure::ColdStart] {
        if let Some(figure) = report.figure(measure) {
            let (english, japanese) = measure.title();
            card(
                format!("{} {}", number(figure.summary.p50.value), figure.unit.name()),
                format!("{english} {japanese}"),
            );
        }
    }
    let at_once = report.early_stop.at_once.value * 100.0;
    card(format!("{at_once:.0} %"), "stopped at once 即答した割合".to_owned());
    let peak = report.memory.peak_bytes as f64 / 1e6;
    card(format!("{} MB", number(peak)), "memory, peak 最大メモリ".to_owned());
    for energy in &report.energy {
        card(format!("{} J", number(energy.joules_an_answer)), format!("an answer, 1回答あたり ({})", energy.meter));
    }
    page.raw("</div>\n");
    if report.energy.is_empty() {
        page.soft("Energy: not measured, this box has no meter that can be read. 電力: 測定できません。");
    }
}

fn answers(page: &mut Page, report: &Report) {
    page.heading("Time to answer", "回答時間");
    let kinds: Vec<&Figure> = [Measure::AnswerAtOnce, Measure::AnswerAfterThinking, Measure::Rationale]
        .into_iter()
        .filter_map(|measure| report.figure(measure))
        .collect();
    page.soft("Share of answers that took at most so long; the time grows tenfold with each line. この時間以内に終わった割合（対数目盛）");
    page.raw(&shares_over_time(&kinds));
    let all = [
        Measure::Answer,
        Measure::AnswerAtOnce,
        Measure::AnswerAfterThinking,
        Measure::Rationale,
        Measure::ThinkingSpared,
    ];
    figures(page, report, &all);
    missing(
        page,
        report,
        &[Measure::AnswerPrefixHit, Measure::AnswerAtOnce, Measure::AnswerAfterThinking, Measure::Rationale],
    );
    page.heading("Do the trials agree?", "試行のばらつき");
    page.soft("Each trial's answers without the fastest and the slowest tenth; the bar across is the median. 各試行の10〜90 %の範囲と中央値");
    page.raw(&trials(kinds.first().copied()));
}

fn cold_start(page: &mut Page, report: &Report) {
    page.heading("Cold start", "起動時間");
    let parts: Vec<&Figure> =
        [Measure::ColdExec, Measure::ColdBundle, Measure::ColdLibrary, Measure::ColdSession, Measure::ColdFirstRun]
            .into_iter()
            .filter_map(|measure| report.figure(measure))
            .collect();
    page.raw(&stacked(&parts));
    let measures: Vec<Measure> =
        parts.iter().map(|part| part.measure).chain([Measure::ColdStart, Measure::ColdSecondRun]).collect();
    figures(page, report, &measures);
    let Report { memory, .. } = report;
    page.soft(&format!(
        "Files were in the system's cache. Page faults of a start: {} served by memory, {} by the disk.",
        memory.faults_minor, memory.faults_major
    ));
}

fn speed(page: &mut Page, report: &Report) {
    page.heading("Passes and memory", "速度とメモリ");
    let rows: Vec<Vec<String>> = Measure::SPEED
        .into_iter()
        .filter_map(|measure| {
            let Figure { summary, unit, spread, .. } = report.figure(measure)?;
            let (english, japanese) = measure.title();
            let name = if english == japanese { english.to_owned() } else { format!("{english} {japanese}") };
            Some(vec![
                name,
                format!("{} {}", number(summary.p50.value), unit.name()),
                format!("{} ± {}", number(summary.mean), number(summary.sd)),
                format!("{:.1} %", spread * 100.0),
                summary.n.to_string(),
            ])
        })
        .collect();
    page.table("", &["", "median", "mean ± sd", "spread", "n"], &rows);
    missing(page, report, &[Measure::Pp512, Measure::Tg128]);
    let roofline = &report.roofline;
    let percent =
        |share: Option<f64>| share.map_or("not measured".to_owned(), |share| format!("{:.0} %", share * 100.0));
    page.table(
        "",
        &[],
        &[
            vec!["read for a token 1トークンの読み取り量".to_owned(), megabytes(roofline.bytes_a_token)],
            vec!["of what memory allows メモリ上限に対して".to_owned(), percent(roofline.of_memory)],
            vec![
                "of what student-sized reading allows 生徒の大きさの読取上限に対して".to_owned(),
                percent(roofline.of_student_sized),
            ],
            vec!["memory, loaded 読込後".to_owned(), megabytes(report.memory.loaded_bytes)],
            vec!["memory, peak 最大".to_owned(), megabytes(report.memory.peak_bytes)],
            vec!["key-value cache キャッシュ".to_owned(), megabytes(report.memory.cache_bytes)],
        ],
    );
}

fn quality(page: &mut Page, report: &Report) {
    page.heading("Answers", "回答の質");
    let (quality, stop) = (&report.quality, &report.early_stop);
    let mut rows = vec![
        vec!["stopped at once 即答".to_owned(), share(&stop.at_once)],
        vec!["stood without a person 人の確認なし".to_owned(), share(&quality.stood)],
    ];
    let known =
        [("as wanted 正解", quality.right), ("as wanted, of those that stood 確定分の正解", quality.right_of_stood)];
    rows.extend(known.into_iter().filter_map(|(says, known)| Some(vec![says.to_owned(), share(&known?)])));
    rows.push(vec![
        "calibration error 確信度の誤差 (ECE)".to_owned(),
        quality
            .calibration_error
            .map_or("not measured: too few questions".to_owned(), |error| format!("{:.2} %", error * 100.0)),
    ]);
    if let (Some(tokens), Some(costs)) = (stop.tokens_spared, stop.thinking_costs) {
        let says = format!(
            "{tokens:.0} tokens; thinking always would take {} times as long ({}\u{2013}{})",
            number(costs.value),
            number(costs.low),
            number(costs.high)
        );
        rows.push(vec!["spared by stopping at once 即答による節約".to_owned(), says]);
    }
    page.table("facts", &[], &rows);
    if report.settings.questions == Source::Golden {
        page.soft("Asked were the bundle's golden questions, which are in it because they come out right: \"as wanted\" says nothing of other questions.");
    }
    if quality.calibration_error.is_some() {
        page.soft("How often answers of a confidence were right; the line is where both agree. 確信度と正解率");
        page.raw(&diagram(report));
    }
}

fn soak(page: &mut Page, report: &Report) {
    let Some(soak) = &report.soak else { return };
    page.heading("Long run", "連続運転");
    let minutes = soak.seconds / 60.0;
    let drift = soak.drift.map_or("too short to tell a drift".to_owned(), |drift| {
        format!("last third over first: {} ({}\u{2013}{})", number(drift.value), number(drift.low), number(drift.high))
    });
    page.element(
        "p",
        &format!(
            "{minutes:.1} minutes{}, {} answers, {drift}; memory grew by {:.1} MB",
            if soak.ended_early { ", ended early" } else { "" },
            soak.answers,
            soak.grown_bytes as f64 / 1e6
        ),
    );
    let line = |of: fn(&super::report::Window) -> f64| soak.windows.iter().map(|w| (w.at_s / 60.0, of(w))).collect();
    page.raw(&curves("minutes 分", "ms", &[("p50", line(|w| w.p50)), ("p99", line(|w| w.p99))]));
}

fn conditions(page: &mut Page, report: &Report) {
    page.heading("The box meanwhile", "測定中の機器");
    let conditions = &report.conditions;
    let line = |of: fn(&super::sensors::Reading) -> Option<f64>| -> Vec<(f64, f64)> {
        conditions.readings.iter().filter_map(|reading| Some((reading.at_s, of(reading)?))).collect()
    };
    let (celsius, mhz) = (line(|reading| reading.celsius), line(|reading| reading.mhz));
    for (unit, name, points) in [("°C", "hottest zone", celsius), ("MHz", "slowest clock", mhz)] {
        if points.is_empty() {
            page.soft(&format!("{name}: not told by this box"));
        } else {
            page.raw(&curves("seconds 秒", unit, &[(name, points)]));
        }
    }
    let list = |temperatures: &[super::sensors::Temperature]| {
        let words = temperatures.iter().map(|t| format!("{} {:.1} °C", t.sensor, t.celsius));
        words.collect::<Vec<_>>().join(", ")
    };
    let mut rows = vec![vec![
        "other work 他の処理".to_owned(),
        conditions.other_work_cores.map_or("not told".to_owned(), |c| format!("{c:.2} cores")),
    ]];
    rows.extend(conditions.watched.iter().map(|watched| {
        let (before, after) = (&watched.before, &watched.after);
        vec![format!("watched 監視: {}", watched.sensor), format!("{before} before, {after} after")]
    }));
    if !conditions.before.is_empty() {
        rows.push(vec!["before 測定前".to_owned(), list(&conditions.before)]);
        rows.push(vec!["after 測定後".to_owned(), list(&conditions.after)]);
    }
    rows.extend(conditions.signs.iter().map(|sign| vec![sign.sensor.clone(), sign.says.clone()]));
    page.table("facts", &[], &rows);
}

fn facts(page: &mut Page, report: &Report) {
    page.heading("What was measured", "測定の条件");
    let (machine, settings) = (&report.machine, &report.settings);
    let told = |value: &Option<String>| value.clone().unwrap_or_else(|| "not told".to_owned());
    let megahertz = |value: Option<f64>| value.map_or("not told".to_owned(), |mhz| format!("{mhz:.0} MHz"));
    let list = |words: &[String]| if words.is_empty() { "not told".to_owned() } else { words.join(", ") };
    let mut rows = vec![
        vec!["time 日時".to_owned(), report.at.clone()],
        vec!["sokutou".to_owned(), format!("{} ({} build)", report.sokutou, settings.build)],
        vec![
            "ONNX Runtime".to_owned(),
            format!("{}, sha256 {}", told(&report.library.version), told(&report.library.sha256)),
        ],
        vec![
            "student 生徒".to_owned(),
            format!("{}, {}, {} positions", report.student.name, report.student.weights, report.student.positions),
        ],
        vec!["kernels, threads".to_owned(), format!("{}, {}", settings.kernels, settings.threads)],
        vec!["trials × answers 試行".to_owned(), format!("{} × {}", settings.trials, settings.answers)],
        vec![
            "questions 質問".to_owned(),
            format!(
                "{}, {} of them timed, {} tokens (median), sha256 {}",
                settings.questions_n,
                settings.questions_timed,
                number(settings.prompt_tokens.p50.value),
                settings.questions_sha256
            ),
        ],
        vec!["board 機器".to_owned(), told(&machine.board)],
    ];
    rows.extend(machine.cores.iter().map(|core| vec![format!("{} × {}", core.count, core.name), core.ids.clone()]));
    let caches: Vec<String> = machine.cache_bytes.iter().map(|bytes| format!("{} KiB", bytes >> 10)).collect();
    rows.extend([
        vec!["features".to_owned(), list(&machine.features)],
        vec!["data caches".to_owned(), list(&caches)],
        vec!["memory".to_owned(), machine.memory_bytes.map_or("not told".to_owned(), megabytes)],
        vec!["swap".to_owned(), if machine.swap.is_empty() { "none".to_owned() } else { machine.swap.join(", ") }],
        vec!["kernel, page".to_owned(), format!("{}, {} bytes", told(&machine.kernel), machine.page_bytes)],
        vec!["cores allowed".to_owned(), told(&machine.cores_allowed)],
        vec!["governor".to_owned(), list(&machine.governors)],
        vec![
            "clock".to_owned(),
            format!("{} to {}", megahertz(machine.clock_min_mhz), megahertz(machine.clock_max_mhz)),
        ],
    ]);
    rows.extend(report.student.sha256.iter().map(|(file, digest)| vec![file.clone(), format!("sha256 {digest}")]));
    page.table("facts", &[], &rows);
}

fn megabytes(bytes: u64) -> String {
    format!("{} MB", number(bytes as f64 / 1e6))
}

fn missing(page: &mut Page, report: &Report, measures: &[Measure]) {
    for missing in report.not_measured.iter().filter(|missing| measures.contains(&missing.measure)) {
        page.soft(&format!("{}: not measured, {}", missing.measure.title().0, missing.why));
    }
}

fn figures(page: &mut Page, report: &Report, measures: &[Measure]) {
    let row = |measure: &Measure| {
        let Figure { summary: s, unit, .. } = report.figure(*measure)?;
        let (english, japanese) = measure.title();
        let interval = match (s.p50.low, s.p50.high) {
            (Some(low), Some(high)) => format!("{}\u{2013}{}", number(low), number(high)),
            _ => String::new(),
        };
        let mut row = vec![format!("{english} {japanese}, {}", unit.name()), number(s.p50.value), interval];
        row.extend([s.p90.value, s.p95.value, s.p99.value, s.max].map(number));
        row.push(s.n.to_string());
        Some(row)
    };
    let rows: Vec<Vec<String>> = measures.iter().filter_map(row).collect();
    page.table("", &["", "p50", "95 % interval", "p90", "p95", "p99", "max", "n"], &rows);
}

/// A plot's frame: where a value lands, and the lines behind it.
struct Frame {
    top: f64,
    height: f64,
    x: (f64, f64),
    y: (f64, f64),
    drawn: String,
}

impl Frame {
    /// `x` and `y` are the ends of the axes; the legend stands above the plot, each line in the next ink.
    fn new(plot: f64, x: (f64, f64), y: (f64, f64), says: &str, legend: &[String]) -> Self {
        let wide = |(from, to): (f64, f64)| if to > from { (from, to) } else { (from, from + 1.0) };
        let (x, y) = (wide(x), wide(y));
        let top = TOP + LEGEND * legend.len() as f64;
        let height = top + plot + BOTTOM;
        let drawn = format!(
            "<svg viewBox=\"0 0 {WIDTH} {height}\" role=\"img\" aria-label=\"{}\" xmlns=\"http://www.w3.org/2000/svg\">",
            escaped(says)
        );
        let mut frame = Self { top, height, x, y, drawn };
        for (place, says) in legend.iter().enumerate() {
            frame.legend(LEGEND * (place + 1) as f64, place, says);
        }
        frame
    }

    /// A line of the legend, at this height.
    fn legend(&mut self, y: f64, place: usize, says: &str) {
        let (ink, top) = (INK[place % INK.len()], y - 10.0);
        let _ = write!(self.drawn, "<rect x=\"{LEFT}\" y=\"{top:.1}\" width=\"12\" height=\"12\" fill=\"{ink}\"/>");
        self.text((LEFT + 20.0, y), "start", says);
    }

    fn at(&self, x: f64, y: f64) -> (f64, f64) {
        let part = |value: f64, (from, to): (f64, f64)| (value - from) / (to - from);
        let across = LEFT + part(x, self.x) * (WIDTH - LEFT - RIGHT);
        let down = self.top + (1.0 - part(y, self.y)) * (self.height - self.top - BOTTOM);
        (across, down)
    }

    fn line(&mut self, from: (f64, f64), to: (f64, f64), stroke: &str, width: f64) {
        let (x1, y1) = self.at(from.0, from.1);
        let (x2, y2) = self.at(to.0, to.1);
        let _ = write!(
            self.drawn,
            "<line x1=\"{x1:.1}\" y1=\"{y1:.1}\" x2=\"{x2:.1}\" y2=\"{y2:.1}\" stroke=\"{stroke}\" stroke-width=\"{width}\"/>"
        );
    }

    fn text(&mut self, (x, y): (f64, f64), anchor: &str, text: &str) {
        let _ = write!(self.drawn, "<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\">{}</text>", escaped(text));
    }

    fn tick_x(&mut self, x: f64, says: &str) {
        self.line((x, self.y.0), (x, self.y.1), "#e6eaee", 1.0);
        let (across, down) = self.at(x, self.y.0);
        self.text((across, down + 16.0), "middle", says);
    }

    fn tick_y(&mut self, y: f64, says: &str) {
        self.line((self.x.0, y), (self.x.1, y), "#e6eaee", 1.0);
        let (across, down) = self.at(self.x.0, y);
        self.text((across - 6.0, down + 4.0), "end", says);
    }

    fn curve(&mut self, points: impl IntoIterator<Item = (f64, f64)>, ink: &str) {
        let points = points.into_iter().map(|(x, y)| self.at(x, y));
        let points: Vec<String> = points.map(|(x, y)| format!("{x:.1},{y:.1}")).collect();
        let _ = write!(
            self.drawn,
            "<polyline points=\"{}\" fill=\"none\" stroke=\"{ink}\" stroke-width=\"2\" stroke-linejoin=\"round\"/>",
            points.join(" ")
        );
    }

    fn end(mut self, below: &str) -> String {
        let place = (WIDTH - RIGHT, self.height - 4.0);
        self.text(place, "end", below);
        self.drawn + "</svg>\n"
    }
}

/// At most [`POINTS_MAX`] of these, evenly spaced, with both ends.
fn thinned<T: Copy>(points: &[T]) -> Vec<T> {
    let n = points.len().min(POINTS_MAX);
    (0..n).map(|at| points[at * points.len().saturating_sub(1) / n.saturating_sub(1).max(1)]).collect()
}

/// The share of samples up to each time, on a logarithmic scale.
fn shares_over_time(figures: &[&Figure]) -> String {
    let least = figures.iter().map(|figure| figure.summary.min).fold(f64::INFINITY, f64::min);
    let most = figures.iter().map(|figure| figure.summary.max).fold(0.0, f64::max);
    if !(least.is_finite() && most > 0.0) {
        return String::new();
    }
    let decade = |time: f64| time.max(1e-3).log10();
    let (from, to) = (decade(least).floor(), decade(most).ceil());
    let legend: Vec<String> = figures
        .iter()
        .map(|figure| {
            let (english, japanese) = figure.measure.title();
            format!("{english} {japanese}, n {}", figure.summary.n)
        })
        .collect();
    let mut frame = Frame::new(210.0, (from, to), (0.0, 1.0), "share of answers over time", &legend);
    for tenth in 0..=4 {
        let share = f64::from(tenth) / 4.0;
        frame.tick_y(share, &format!("{:.0} %", share * 100.0));
    }
    for power in from as i32..=to as i32 {
        let says = 10_f64.powi(power);
        frame.tick_x(f64::from(power), &says.to_string());
    }
    for (place, figure) in figures.iter().enumerate() {
        let mut times = figure.trials.concat();
        times.sort_by(f64::total_cmp);
        let n = times.len() as f64;
        let points: Vec<(f64, f64)> =
            times.iter().enumerate().map(|(at, &time)| (decade(time), (at + 1) as f64 / n)).collect();
        frame.curve(thinned(&points), INK[place % INK.len()]);
    }
    frame.end("ms")
}

/// Each trial's middle and its tenths.
fn trials(figure: Option<&Figure>) -> String {
    let Some(figure) = figure else { return String::new() };
    let trials: Vec<(f64, f64, f64)> = figure
        .trials
        .iter()
        .filter_map(|trial| {
            let mut sorted = trial.clone();
            sorted.sort_by(f64::total_cmp);
            let at = |q| super::statistics::quantile(&sorted, q).value;
            (!sorted.is_empty()).then(|| (at(0.1), at(0.5), at(0.9)))
        })
        .collect();
    let most = trials.iter().map(|trial| trial.2).fold(0.0, f64::max);
    let mut frame = Frame::new(130.0, (0.0, trials.len() as f64), (0.0, most * 1.1), "trials", &[]);
    for part in 0..=2 {
        let y = most * f64::from(part) / 2.0;
        frame.tick_y(y, &number(y));
    }
    for (at, &(low, middle, high)) in trials.iter().enumerate() {
        let x = at as f64 + 0.5;
        frame.line((x, low), (x, high), INK[0], 4.0);
        frame.line((x - 0.18, middle), (x + 0.18, middle), INK[1], 3.0);
        let (across, down) = frame.at(x, 0.0);
        frame.text((across, down + 16.0), "middle", &(at + 1).to_string());
    }
    frame.end(&format!("trial 試行, {} {}", figure.measure.title().0, figure.unit.name()))
}

/// One bar, cut into the parts of a cold start.
fn stacked(parts: &[&Figure]) -> String {
    let sum: f64 = parts.iter().map(|part| part.summary.p50.value).sum();
    let legend: Vec<String> = parts
        .iter()
        .map(|part| {
            let (english, japanese) = part.measure.title();
            format!("{english} {japanese}: {} ms", number(part.summary.p50.value))
        })
        .collect();
    let mut frame = Frame::new(36.0, (0.0, sum), (0.0, 1.0), "parts of a cold start", &legend);
    let mut gone = 0.0;
    for (place, part) in parts.iter().enumerate() {
        let ((from, top), ink) = (frame.at(gone, 1.0), INK[place % INK.len()]);
        gone += part.summary.p50.value;
        let (to, bottom) = frame.at(gone, 0.0);
        let (width, height) = (to - from, bottom - top);
        let _ = write!(
            frame.drawn,
            "<rect x=\"{from:.1}\" y=\"{top:.1}\" width=\"{width:.1}\" height=\"{height:.1}\" fill=\"{ink}\"/>"
        );
    }
    frame.end(&format!("{} ms, medians 中央値", number(sum)))
}

/// Curves over one axis each, from 0 where that does not flatten them.
fn curves(below: &str, unit: &str, curves: &[(&str, Vec<(f64, f64)>)]) -> String {
    let values = || curves.iter().flat_map(|(_, points)| points.iter().copied());
    let most = |of: fn((f64, f64)) -> f64| values().map(of).fold(f64::NEG_INFINITY, f64::max);
    let (x_most, y_most) = (most(|point| point.0), most(|point| point.1));
    if !y_most.is_finite() {
        return String::new();
    }
    let legend: Vec<String> = curves.iter().map(|(name, _)| format!("{name}, {unit}")).collect();
    let mut frame = Frame::new(150.0, (0.0, x_most), (0.0, y_most * 1.1), unit, &legend);
    for part in 0..=4 {
        let (x, y) = (x_most * f64::from(part) / 4.0, y_most * f64::from(part) / 4.0);
        frame.tick_x(x, &number(x));
        frame.tick_y(y, &number(y));
    }
    for (place, (_, points)) in curves.iter().enumerate() {
        frame.curve(thinned(points), INK[place % INK.len()]);
    }
    frame.end(below)
}

/// Truth over confidence.
fn diagram(report: &Report) -> String {
    let mut frame = Frame::new(220.0, (0.0, 1.0), (0.0, 1.0), "truth over confidence", &[]);
    for part in 0..=4 {
        let share = f64::from(part) / 4.0;
        frame.tick_x(share, &format!("{:.0} %", share * 100.0));
        frame.tick_y(share, &format!("{:.0} %", share * 100.0));
    }
    frame.line((0.0, 0.0), (1.0, 1.0), "#8c959f", 1.0);
    let most = report.quality.reliability.iter().map(|bin| bin.n).max().unwrap_or(1);
    for bin in &report.quality.reliability {
        let (x, y) = frame.at(bin.confidence, bin.right);
        let radius = 3.0 + 9.0 * (bin.n as f64 / most as f64).sqrt();
        let _ = write!(
            frame.drawn,
            "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"{radius:.1}\" fill=\"{}\" fill-opacity=\"0.6\"/>",
            INK[0]
        );
    }
    frame.end("confidence 確信度; a larger dot holds more answers")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_three_digits_that_matter() {
        for (value, said) in [
            (0.0, "0.00"),
            (0.001_234, "1.2e-3"),
            (0.0439, "0.0439"),
            (0.957, "0.957"),
            (1.725, "1.73"),
            (17.25, "17.2"),
            (172.5, "172"),
            (1725.4, "1\u{2009}725"),
            (-17.25, "-17.2"),
        ] {
            assert_eq!(number(value), said);
        }
    }

    #[test]
    fn no_text_can_be_markup() {
        assert_eq!(escaped("<b a=\"x\">'&\u{1b}[31m"), "&lt;b a=&quot;x&quot;&gt;&#39;&amp;\u{fffd}[31m");
    }

    #[test]
    fn a_long_curve_keeps_its_ends() {
        let points: Vec<usize> = (0..10_000).collect();
        let kept = thinned(&points);
        assert_eq!((kept.len(), kept[0], kept[POINTS_MAX - 1]), (POINTS_MAX, 0, 9_999));
        assert_eq!((thinned(&[7]), thinned::<u8>(&[])), (vec![7], vec![]));
    }
}
