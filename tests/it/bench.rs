//! `sokutou bench`: the report against its schema and its page, and everything that makes it refuse. What it times here is of no
//! interest: the machine of a test is never quiet, so figures are wanted with `--force`, or refused for the reason that the test gives.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::Duration;

use serde_json::{Value, json};
use sokutou::bench::machine::Roots;
use sokutou::bench::report::{About, Doubt, Measure, Report};
use sokutou::bench::{self, BenchError, Plan, Progress, Stage, compare, format, html};
use sokutou::bundle::Bundle;
use sokutou::evaluation::Dataset;
use tempfile::TempDir;

use crate::support::{failing, golden, shipped, sokutou, student};

/// A report of format 1, as it was written when that format was new.
const OLD: &str = include_str!("../data/bench-1.json");
const FIRMWARE: &str = "sys/devices/platform/soc/soc:firmware/get_throttled";

/// A tree of sensors that a test changes.
struct Tree(TempDir);

impl Tree {
    fn new(files: &[(&str, &str)]) -> Self {
        let tree = Self(TempDir::new().unwrap());
        files.iter().for_each(|(path, text)| tree.write(path, text));
        tree
    }

    fn write(&self, path: &str, text: &str) {
        let path = self.0.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
}

/// Files of one short run that was made once: its JSON, its page, its words.
struct Made {
    folder: TempDir,
    words: String,
}

impl Made {
    fn json(&self) -> PathBuf {
        self.folder.path().join("bench.json")
    }

    fn report(&self) -> Report {
        Report::parse(&fs::read(self.json()).unwrap()).unwrap()
    }
}

fn made() -> &'static Made {
    static MADE: OnceLock<Made> = OnceLock::new();
    MADE.get_or_init(|| {
        let folder = TempDir::new().unwrap();
        let output = sokutou()
            .args(["bench", "--trials", "2", "--force", "--note", "a <test> & more"])
            .args(["--answers", &golden().len().to_string()])
            .arg("--json")
            .arg(folder.path().join("bench.json"))
            .arg("--html")
            .arg(folder.path().join("bench.html"))
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        Made { folder, words: String::from_utf8(output.stdout).unwrap() }
    })
}

fn schema() -> Value {
    let output = sokutou().args(["schema", "bench"]).output().unwrap();
    serde_json::from_slice(&output.stdout).unwrap()
}

fn faults(report: &Value) -> Vec<String> {
    let validator = jsonschema::validator_for(&schema()).unwrap();
    validator.iter_errors(report).map(|error| error.to_string()).collect()
}

#[test]
fn a_report_is_of_its_schema_and_holds_what_was_promised() {
    let json: Value = serde_json::from_slice(&fs::read(made().json()).unwrap()).unwrap();
    assert_eq!(faults(&json), [""; 0]);
    for (key, wrong) in
        [("format", json!("1")), ("kind", json!("a bench")), ("figures", json!({})), ("memory", json!(null))]
    {
        let mut broken = json.clone();
        broken[key] = wrong;
        assert!(!faults(&broken).is_empty(), "{key}");
    }

    let report = made().report();
    assert_eq!((report.student.name.as_str(), report.note.as_deref()), (student().as_str(), Some("a <test> & more")));
    assert_eq!(report.student.sha256.len(), 5); // tokenizer, golden questions, card, two graphs
    assert!(report.library.sha256.as_ref().is_some_and(|digest| digest.len() == 64));
    let golden = golden();
    let count = |key: &str, value: &str| golden.iter().filter(|line| line[key] == value).count();
    let (asked, at_once, stood) = (golden.len(), count("mode", "answer_first"), count("decision", "answered"));
    for (measure, n) in [
        (Measure::ColdStart, 4),
        (Measure::ColdExec, 4),
        (Measure::Answer, 2 * asked),
        (Measure::Prefill, 2 * asked.min(20)),
        (Measure::Decode, 2 * asked.min(20)),
        (Measure::Pp512, 2),
        (Measure::Tg128, 2),
        (Measure::ReadMemory, 6),
        (Measure::ReadStudent, 6),
    ] {
        let figure = report.figure(measure).unwrap();
        assert_eq!((figure.summary.n, figure.trials.len()), (n, 2), "{measure:?}");
        assert!(figure.summary.min > 0.0, "{measure:?}");
    }
    // Each trial asks all golden questions, and each of them comes out as it is written there.
    let counts = [Measure::AnswerAtOnce, Measure::AnswerAfterThinking]
        .map(|measure| report.figure(measure).map_or(0, |figure| figure.summary.n));
    assert_eq!(counts, [2 * at_once, 2 * (asked - at_once)]);
    assert_eq!((report.early_stop.at_once.count, report.early_stop.at_once.n), (at_once, asked));
    assert!(report.early_stop.tokens_spared.unwrap() > 50.0 && report.early_stop.thinking_costs.unwrap().low > 1.0);
    assert_eq!((report.quality.right.unwrap().count, report.quality.stood.count), (asked, stood));
    assert_eq!(report.quality.calibration_error, None, "of so few answers it would be chance");
    let phases =
        [Measure::ColdExec, Measure::ColdBundle, Measure::ColdLibrary, Measure::ColdSession, Measure::ColdFirstRun];
    let sum: f64 = phases.iter().map(|&phase| report.figure(phase).unwrap().trials[0][0]).sum();
    let whole = report.figure(Measure::ColdStart).unwrap().trials[0][0];
    assert!((sum / whole - 1.0).abs() < 1e-3, "the parts of a start are the start: {sum} of {whole}");
    assert_eq!(report.memory.cache_bytes, 8 * 2 * 5 * 32 * 512 * 4);
    assert!(report.memory.loaded_bytes > 1 << 20 && report.memory.peak_bytes >= report.memory.answered_bytes);
    assert!(report.roofline.of_memory.is_some_and(|share| share > 0.0));
    assert!(report.not_measured.iter().any(|missing| missing.measure == Measure::AnswerPrefixHit));

    let words = &made().words;
    for said in [
        &student(),
        "time, ms",
        "direct answer",
        "answered directly ",
        &format!(" % ({at_once} of {asked}"),
        "calibration error       not measured: too few questions",
    ] {
        assert!(words.contains(said), "{said} in {words}");
    }
}

#[test]
fn the_page_is_well_formed_asks_for_nothing_and_says_what_the_report_says() {
    let text = fs::read_to_string(made().folder.path().join("bench.html")).unwrap();
    let report = made().report();
    assert_eq!(text, html::page(&report), "the page is the report's");
    let options = roxmltree::ParsingOptions { allow_dtd: true, ..Default::default() };
    let page = roxmltree::Document::parse_with_options(&text, options).unwrap();
    let named = |name: &'static str| page.descendants().filter(move |node| node.has_tag_name(name));
    let drawings = page.descendants().filter(|node| node.tag_name().name() == "svg").count();
    assert_eq!((named("script").count(), named("link").count(), named("img").count(), drawings), (0, 0, 0, 3));
    for outside in ["src=", "href=", "url(", "@import"] {
        assert!(!text.contains(outside), "{outside}");
    }
    let words: String = page.descendants().filter(|node| node.is_text()).filter_map(|node| node.text()).collect();
    let median = |measure| format::number(report.figure(measure).unwrap().summary.p50.value);
    for said in [
        "a <test> & more".to_owned(),
        format!("{} ms", median(Measure::AnswerAtOnce)),
        median(Measure::ColdStart),
        format!("{} tok/s", median(Measure::Decode)),
        report.early_stop.at_once.to_string(),
        report.student.sha256[report.student.graph.as_ref().unwrap()].clone(),
        report.settings.questions_sha256.clone(),
    ] {
        assert!(words.contains(&said), "{said}");
    }
    for doubt in &report.doubts {
        assert!(words.contains(&doubt.says), "{}", doubt.says);
    }
}

#[test]
fn a_page_of_every_part_is_well_formed_too() {
    let report = Report::parse(OLD.as_bytes()).unwrap();
    assert!(report.soak.is_some() && !report.energy.is_empty() && report.quality.calibration_error.is_some());
    assert!(!report.doubts.is_empty() && report.conditions.readings.iter().any(|reading| reading.celsius.is_some()));
    let options = roxmltree::ParsingOptions { allow_dtd: true, ..Default::default() };
    let text = html::page(&report);
    let page = roxmltree::Document::parse_with_options(&text, options).unwrap();
    let drawings = page.descendants().filter(|node| node.tag_name().name() == "svg").count();
    assert_eq!(drawings, 7, "answers, trials, cold start, reliability, soak, heat, clock");
}

#[test]
fn a_throttled_box_is_refused_before_anything_is_measured() {
    let tree = Tree::new(&[(FIRMWARE, "50005\n")]);
    let folder = TempDir::new().unwrap();
    let json = folder.path().join("bench.json");
    let (exit, said) = failing(sokutou().args(["bench", "--root"]).arg(tree.0.path()).arg("--json").arg(&json));
    assert_eq!(exit, 7, "{said}");
    for word in ["soc:firmware/get_throttled says: under-voltage, throttled (0x50005)", "--force"] {
        assert!(said.contains(word), "{word} in {said}");
    }
    assert!(!json.exists(), "no figures");
    let (done, last) = run(&tree, Stage::Soak, FIRMWARE, "0", false);
    assert!(matches!(done, Err(BenchError::Refused { .. })));
    assert_eq!(last, None, "nothing was begun");
}

/// Runs in this process, and changes the tree as soon as `stage` begins; returns what comes of it and the last stage.
fn run(tree: &Tree, stage: Stage, path: &str, text: &str, force: bool) -> (Result<Report, BenchError>, Option<Stage>) {
    let (folder, bundle) = (shipped(), Bundle::open(&shipped()).unwrap());
    let questions = Dataset::golden(&bundle, bundle.default_task());
    let plan = Plan { force, ..plan(&folder, &bundle, &questions, tree) };
    let mut last = None;
    let done = bench::run(&plan, &mut |progress: Progress| {
        if progress.stage == stage && last != Some(stage) {
            tree.write(path, text);
        }
        last = Some(progress.stage);
        true
    });
    (done, last)
}

fn plan<'p>(folder: &'p Path, bundle: &'p Bundle, questions: &'p Dataset, tree: &Tree) -> Plan<'p> {
    Plan {
        folder,
        bundle,
        task: bundle.default_task(),
        questions,
        program: assert_cmd::cargo::cargo_bin!("sokutou").to_owned(),
        trials: 2,
        answers: 4,
        soak: None,
        note: None,
        at: "2026-03-01T00:00:00Z".to_owned(),
        force: true,
        roots: Roots::below(tree.0.path()),
    }
}

#[test]
fn a_box_that_throttles_meanwhile_is_refused_as_soon_as_it_is_seen() {
    let cooling = "sys/class/thermal/cooling_device0";
    let state = format!("{cooling}/cur_state");
    let tree = Tree::new(&[(&format!("{cooling}/type"), "cpufreq-cpu0"), (&state, "0")]);
    let (done, last) = run(&tree, Stage::Answers, &state, "3", false);
    let Err(BenchError::Refused { doubts }) = done else { panic!("it reported") };
    let says = "class/thermal/cooling_device0/cur_state says: the processor is slowed down to cool it".to_owned();
    assert_eq!(doubts, [Doubt { about: About::Throttled, says }]);
    assert_eq!(last, Some(Stage::Rationales), "the first trial was ended, and nothing more");
    tree.write(&state, "0");
    let (done, last) = run(&tree, Stage::ColdStarts, &state, "1", true);
    let report = done.unwrap();
    assert_eq!((report.doubts[0].about, last), (About::Throttled, Some(Stage::Passes)), "forced, and marked");
    let [watched] = &report.conditions.watched[..] else { panic!("one sensor") };
    assert_eq!(watched.sensor, "class/thermal/cooling_device0/cur_state");
    assert_eq!((watched.before.as_str(), watched.after.as_str()), ("0", "1"));
}

#[test]
fn a_noisy_box_is_refused() {
    let tree = Tree::new(&[("proc/stat", "cpu  0 0 0 0 0 0 0 0 0 0")]);
    let (done, _) = run(&tree, Stage::Answers, "proc/stat", "cpu  900000 0 0 0 0 0 0 0 0 0", false);
    let Err(BenchError::Refused { doubts }) = done else { panic!("it reported") };
    let noise = doubts.iter().find(|doubt| doubt.about == About::OtherWork).expect("it is heard");
    assert!(noise.says.contains("more than 0.2: stop the other programs"), "{}", noise.says);
}

#[test]
fn a_soak_is_cut_into_windows_and_can_be_ended_early() {
    let tree = Tree::new(&[]);
    let (folder, bundle) = (shipped(), Bundle::open(&shipped()).unwrap());
    let questions = Dataset::golden(&bundle, bundle.default_task());
    let plan = Plan { soak: Some(Duration::from_secs(60)), ..plan(&folder, &bundle, &questions, &tree) };
    let report = bench::run(&plan, &mut |progress| progress.stage != Stage::Soak || progress.done < 4).unwrap();
    let soak = report.soak.unwrap();
    assert!(soak.ended_early && soak.seconds >= 4.0 && soak.seconds < 60.0, "{}", soak.seconds);
    assert_eq!(soak.answers, soak.windows.iter().map(|window| window.n).sum::<usize>());
    assert!(!soak.windows.is_empty() && soak.windows.is_sorted_by(|a, b| a.at_s < b.at_s));
}

#[test]
fn the_report_of_the_first_format_is_read_and_is_of_the_schema() {
    let json: Value = serde_json::from_str(OLD).unwrap();
    assert_eq!(faults(&json), [""; 0]);
    assert_eq!(serde_json::to_value(Report::parse(OLD.as_bytes()).unwrap()).unwrap(), json, "nothing of it is lost");
}

#[test]
fn two_reports_stand_side_by_side_with_ratios_intervals_and_what_differs() {
    let old = Report::parse(OLD.as_bytes()).unwrap();
    let mut new = old.clone();
    new.settings.threads += 1;
    for figure in &mut new.figures {
        figure.trials.iter_mut().flatten().for_each(|sample| *sample *= 2.0);
        figure.summary.p50.value *= 2.0;
    }
    let compared = compare::compare(&old, &new);
    assert_eq!(compared.differences, ["threads: 1 / 2"]);
    assert_eq!(compared.rows.len(), old.figures.len());
    for row in &compared.rows {
        let ratio = row.ratio.unwrap();
        assert!(ratio.value == 2.0 && ratio.low <= 2.0 && ratio.high >= 2.0, "{row:?}");
    }
    let of = |measure| compared.rows.iter().find(|row| row.measure == measure).unwrap().better;
    assert_eq!(of(Measure::AnswerAtOnce), compare::Better::A, "twice the time");
    assert_eq!(of(Measure::Decode), compare::Better::B, "twice the speed");
    let same = compare::compare(&old, &old);
    assert!(
        same.differences.is_empty() && same.rows.iter().all(|row| row.better == compare::Better::NoDifferenceShown)
    );

    let folder = TempDir::new().unwrap();
    let [a, b] = ["a.json", "b.json"].map(|name| folder.path().join(name));
    fs::write(&a, OLD).unwrap();
    fs::write(&b, serde_json::to_string(&new).unwrap()).unwrap();
    let output = sokutou().args(["bench", "compare"]).args([&a, &b]).output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    for word in ["different: threads: 1 / 2", "2.000", "A is better", "CAUTION: ", "memory, peak, MB"] {
        assert!(said.contains(word), "{word} in {said}");
    }
    let output = sokutou().args(["bench", "compare", "--json"]).args([&a, &b]).output().unwrap();
    let json: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(json["rows"][0]["ratio"]["value"], 2.0);
}

#[test]
fn what_is_no_report_is_refused_with_the_reason() {
    let folder = TempDir::new().unwrap();
    let (good, bad) = (folder.path().join("good.json"), folder.path().join("bad.json"));
    fs::write(&good, OLD).unwrap();
    let edited = |key: &str, value: Value| {
        let mut json: Value = serde_json::from_str(OLD).unwrap();
        json[key] = value;
        json.to_string()
    };
    for (text, says) in [
        (OLD[..OLD.len() / 2].to_owned(), "the file is cut off"),
        ("not JSON".to_owned(), "the file is malformed"),
        (r#"{"format": 1}"#.to_owned(), "this is JSON of something else"),
        ("[]".to_owned(), "this is JSON of something else"),
        (edited("kind", json!("llama-bench")), "this is JSON of something else"),
        (edited("format", json!(2)), "expected a bench report of format 1, found 2: update sokutou to read it"),
        (edited("format", json!(0)), "found 0: run the bench again"),
        (edited("figures", json!(7)), "has unexpected contents: invalid type"),
    ] {
        fs::write(&bad, text).unwrap();
        for order in [[&good, &bad], [&bad, &good]] {
            let (exit, said) = failing(sokutou().args(["bench", "compare"]).args(order));
            assert!(exit == 3 && said.contains(says) && said.contains("bad.json"), "{says} in {said}");
        }
    }
    let (exit, said) = failing(sokutou().args(["bench", "compare"]).arg(&good).arg(folder.path().join("none.json")));
    assert!(exit == 1 && said.contains("none.json"), "{said}");
}

#[test]
fn wrong_arguments_and_questions_are_refused_before_anything_is_measured() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("questions.jsonl");
    for (text, exit, says) in [
        ("{\"question\": \"x\", \"code\": 77}\n", 3, "line 1: expected a code or an answer of task machine-failure"),
        ("\n", 3, "expected at least one question of task machine-failure, found none"),
        ("\"x\"\n", 3, "line 1: expected {\"question\", \"code\" or \"answer\"}"),
    ] {
        fs::write(&path, text).unwrap();
        let (code, said) = failing(sokutou().args(["bench", "--questions"]).arg(&path));
        assert!(code == exit && said.contains(says) && said.contains("questions.jsonl"), "{says} in {said}");
    }
    for (args, exit, says) in [
        (&["bench", "--questions", "/nowhere/q.jsonl"][..], 1, "failed to read the questions in /nowhere/q.jsonl"),
        (&["bench", "--json", "/nowhere/bench.json"], 1, "failed to write /nowhere/bench.json"),
        (&["bench", "--trials", "1"], 2, "1 is not in 2..=100"),
        (&["bench", "--task", "weather"], 2, "no task \"weather\""),
        (&["bench", "--bundle", "/nowhere"], 4, "/nowhere"),
    ] {
        let (code, said) = failing(sokutou().args(args));
        assert!(code == exit && said.contains(says), "{says} in {said}");
    }
    // A question that the model cannot take is named by its number. `--anyway` is the old name of `--force`.
    fs::write(&path, format!("{{\"question\": \"type=L\"}}\n{{\"question\": \"{}\"}}\n", "torque 1 ".repeat(100)))
        .unwrap();
    let (code, said) = failing(sokutou().args(["bench", "--trials", "2", "--anyway", "--questions"]).arg(&path));
    assert!(code == 3 && said.contains("question 2 cannot be asked: the question has"), "{said}");
}
