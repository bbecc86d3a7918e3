//! Time to answer of the shipped student: at once against after thinking, on the same questions, in one run.
//!
//! `cargo bench --bench answer` prints; with `-- --save benches/results/<date>-<machine>` it also keeps the raw samples with
//! command, versions and CPU. Machines are shared and noisy: quote the ratio, and the times with their spread.
#![allow(clippy::print_stdout, missing_docs)] // a bench talks, and has no readers of its docs

mod common;

use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::json;
use sokutou::bundle::Bundle;
use sokutou::engine::library::restart_with_telemetry_off;
use sokutou::engine::{Engine, Kernels, Library};
use sokutou::pipeline::{self, Think};
use sokutou::policy::Policy;

use common::{quantile, question};

const QUESTIONS: usize = 200;
const WARM_UP: usize = 20;
const COLD_STARTS: usize = 20;

fn main() -> Result<(), Box<dyn Error>> {
    restart_with_telemetry_off();
    let args: Vec<String> = std::env::args().collect();
    let save = args.iter().position(|arg| arg == "--save").and_then(|at| args.get(at + 1)).map(PathBuf::from);
    let bundle = Bundle::open(&Path::new(env!("CARGO_MANIFEST_DIR")).join(sokutou::DEFAULT_BUNDLE))?;
    let library = Library::load()?;
    let mut engine = Engine::open(&library, &bundle)?;
    let policy = Policy::of(bundle.default_task());
    let questions: Vec<String> = (0..QUESTIONS as u64).map(question).collect();

    let mut time = |question: &str, think| -> Result<(f64, usize), Box<dyn Error>> {
        let answered = pipeline::answer(&mut engine, &policy, think, question)?;
        Ok((milliseconds(answered.time_to_answer), answered.tokens))
    };
    for question in &questions[..WARM_UP] {
        time(question, Think::Always)?;
    }
    let (mut first, mut thought, mut ratio, mut tokens) = (Vec::new(), Vec::new(), Vec::new(), 0);
    for question in &questions {
        let at_once = time(question, Think::Never)?.0;
        let (after_thinking, written) = time(question, Think::Always)?;
        first.push(at_once);
        thought.push(after_thinking);
        ratio.push(after_thinking / at_once);
        tokens += written;
    }
    let peak_rss_kib = status("VmHWM:");

    let mut cold = Vec::new();
    for _ in 0..COLD_STARTS {
        let start = Instant::now();
        Command::new(env!("CARGO_BIN_EXE_sokutou")).args(["ask", "--json", &questions[0]]).output()?;
        cold.push(milliseconds(start.elapsed()));
    }

    println!("student {}, {QUESTIONS} questions, {:?}", bundle.student(), Kernels::of_this_cpu());
    for (what, samples) in [
        ("answer first, ms", &first),
        ("think first, ms", &thought),
        ("think / answer", &ratio),
        ("cold start to answer, ms", &cold),
    ] {
        println!(
            "{what:<26} p50 {:8.2}   p95 {:8.2}   n {}",
            quantile(samples, 0.5),
            quantile(samples, 0.95),
            samples.len()
        );
    }
    println!(
        "tokens written when thinking: {:.1} a question; peak RSS {peak_rss_kib} KiB",
        tokens as f64 / QUESTIONS as f64
    );

    if let Some(folder) = save {
        fs::create_dir_all(&folder)?;
        let record = json!({
            "command": "cargo bench --bench answer",
            "student": bundle.student(),
            "model_sha256": bundle.graph_sha256(bundle.default_task()),
            "library": library.version(),
            "cpu": cpu(),
            "kernels": format!("{:?}", Kernels::of_this_cpu()),
            "peak_rss_kib": peak_rss_kib,
            "answer_first_ms": first,
            "think_first_ms": thought,
            "cold_start_ms": cold,
        });
        fs::write(folder.join("answer.json"), serde_json::to_string(&record)? + "\n")?;
    }
    Ok(())
}

fn milliseconds(time: Duration) -> f64 {
    (time.as_secs_f64() * 1e6).round() / 1e3
}

fn status(field: &str) -> u64 {
    let text = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix(field));
    line.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or(0)
}

fn cpu() -> String {
    let text = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = text.lines().find(|line| line.starts_with("model name")).and_then(|line| line.split(": ").nth(1));
    model.unwrap_or(std::env::consts::ARCH).to_owned()
}
