//! What an answer is made of: the golden questions of the student's first task, phase by phase, in nanoseconds of this process's CPU
//! time.
//!
//! `cross/run count` runs it on an emulated device whose clock goes on by a nanosecond with every instruction: there the same numbers are
//! counts of instructions, the kernel's among them. Elsewhere they are times of one run, nothing to quote.
//! With `--gateway PROGRAM` it also starts `PROGRAM serve`, and tells when that was ready and what memory it had then. With
//! `--baseline FILE` it ends with 1 where a phase takes more than [`MORE_MAX`] of what it took there.
#![expect(clippy::print_stdout)] // its output is its purpose

use std::error::Error;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};
use serde_json::{Value, json};
use sokutou::bundle::Bundle;
use sokutou::domain::{Prediction, TokenId};
use sokutou::engine::library::disable_telemetry;
use sokutou::engine::{Engine, Kernels, Library, Model as _, OrtModel, Tokenizer};
use sokutou::pipeline::{self, Procedure, Think};
use sokutou::readings::Reader;

/// Tokens of a rationale that are decoded: as many for every question, whatever the student would write.
const DECODED: usize = 32;
/// Above this a change has made a phase slower; below it, a compiler or a kernel may have.
const MORE_MAX: f64 = 1.05;

/// A gateway that is not ready by then never will be; an emulated core takes a hundredth of it, by its own clock.
const READY_MAX: Duration = Duration::from_secs(60);

#[expect(unsafe_code, reason = "the environment may be changed while the program has one thread, and only then")]
fn main() -> Result<(), Box<dyn Error>> {
    // SAFETY: this is the first statement of the program: no other thread has been started.
    unsafe { disable_telemetry() };
    let args: Vec<String> = std::env::args().collect();
    let option = |name: &str| args.iter().position(|arg| arg == name).and_then(|at| args.get(at + 1)).map(Path::new);
    let folder = std::env::var_os("SOKUTOU_BUNDLE").map(PathBuf::from);
    let folder = folder.unwrap_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(sokutou::DEFAULT_BUNDLE));
    let mut load = Watch::start();
    let library = Library::load()?;
    let library_ns = load.lap();
    let bundle = Bundle::open(&folder)?;
    let bundle_ns = load.lap();
    let tokenizer = Tokenizer::new(&bundle.tokenizer, &bundle.manifest)?;
    let tokenizer_ns = load.lap();
    let mut model = OrtModel::new(&library, bundle.graph(bundle.default_task()), &bundle.manifest.graph)?;
    let session_ns = load.lap();
    model.feed(&[0])?; // the first run lays out its memory
    let first_run_ns = load.lap();

    let mut questions = Vec::new();
    let first = bundle.default_task();
    for golden in bundle.golden.iter().filter(|golden| golden.task == first.id) {
        let prompt = first.fill(&golden.question);
        let mut watch = Watch::start();
        let mut tokens = tokenizer.encode(&prompt)?;
        let tokenize = watch.lap();
        let question_len = tokens.len();
        tokens.push(bundle.manifest.control.answer);
        model.rewind(0);
        watch.lap();
        model.feed(&tokens)?;
        let prefill = watch.lap();
        model.rewind(question_len);
        model.feed(&[bundle.manifest.control.think])?;
        watch.lap();
        let decoded = DECODED.min(model.capacity() - model.len());
        for at in 0..decoded {
            // Which token is no matter: every one costs the same.
            model.feed(&[(at % bundle.manifest.graph.vocabulary) as TokenId])?;
        }
        let decode = watch.lap();
        questions.push((
            golden,
            json!({
                "task": golden.task, "tokens": question_len, "tokenize": tokenize, "prefill": prefill, "decode": decode,
                "decoded": decoded,
            }),
        ));
    }
    drop(model);

    // The way that every question goes, and its end alone: what the policy makes of a prediction.
    let mut engine = Engine::open(&library, &bundle)?;
    let mut rows = Vec::new();
    for (golden, mut row) in questions {
        let task = bundle.task(&golden.task)?;
        let procedure = Procedure::of(task);
        let reader = task.readings.as_ref().map(Reader::new);
        let mut watch = Watch::start();
        if let Some(reader) = &reader {
            let _ = std::hint::black_box(reader.read(&golden.question));
        }
        row["read"] = watch.lap().into();
        let answered = pipeline::answer(&mut engine, &procedure, Think::Never, &golden.question)?;
        row["answer"] = watch.lap().into();
        drop(answered);
        let first: Prediction = engine.ask(&golden.task, &golden.question)?.first;
        watch.lap();
        let verdict = procedure.policy.judge_first(&first);
        std::hint::black_box(procedure.policy.first_suffices(verdict.confidence));
        row["policy"] = watch.lap().into();
        rows.push(row);
    }
    let sum = |phase: &str| rows.iter().filter_map(|row| row[phase].as_u64()).sum::<u64>();
    let asked = rows.len().max(1) as u64;
    // The middle one: where the clock's tick falls into so short a phase, it takes several times as much.
    let mut policy: Vec<u64> = rows.iter().filter_map(|row| row["policy"].as_u64()).collect();
    policy.sort_unstable();
    let phases = json!({
        "load": library_ns + bundle_ns + tokenizer_ns + session_ns + first_run_ns,
        "read": sum("read") / asked,
        "tokenize": sum("tokenize") / asked,
        "prefill": sum("prefill") / asked,
        "decode one token": sum("decode") / sum("decoded").max(1),
        "policy": policy.get(policy.len() / 2),
        "answer": sum("answer") / asked,
    });
    drop(engine); // the gateway has a student of its own
    let gateway = option("--gateway").map(ready).transpose()?;
    println!(
        "{}",
        json!({
            "student": bundle.student(), "version": env!("CARGO_PKG_VERSION"), "kernels": format!("{:?}", Kernels::of_this_cpu()),
            "phases": phases,
            "load": {
                "library": library_ns, "bundle": bundle_ns, "tokenizer": tokenizer_ns, "session": session_ns, "first_run": first_run_ns,
            },
            "gateway": gateway,
            "questions": rows,
        })
    );
    let Some(baseline) = option("--baseline") else { return Ok(()) };
    let baseline: Value = serde_json::from_str(&std::fs::read_to_string(baseline)?)?;
    let mut slower = Vec::new();
    for (phase, now) in phases.as_object().expect("an object") {
        let now = now.as_u64().unwrap_or_default() as f64;
        let Some(before) = baseline["phases"][phase].as_u64() else {
            println!("{phase:16} {now:>13}     new");
            continue;
        };
        let before = before as f64;
        println!("{phase:16} {now:>13} {:>+7.2} %", (now / before - 1.0) * 100.0);
        if now > before * MORE_MAX {
            slower.push(phase.as_str());
        }
    }
    if !slower.is_empty() {
        return Err(format!("more than {MORE_MAX} times the baseline: {}", slower.join(", ")).into());
    }
    Ok(())
}

/// Starts a gateway that nobody asks: nanoseconds on the clock until it says that it is ready, its memory then.
fn ready(program: &Path) -> Result<Value, Box<dyn Error>> {
    let folder = tempfile::tempdir()?;
    let told = folder.path().join("notify"); // as systemd hears it
    let ear = UnixDatagram::bind(&told)?;
    ear.set_read_timeout(Some(READY_MAX))?;
    let journal = format!("journal.folder={}", folder.path().join("journal").display());
    let begun = Instant::now();
    let mut gateway = Command::new(program)
        .args([
            "serve",
            "--config",
            "/dev/null",
            "--set",
            "gateway.name=box",
            "--set",
            "mqtt.enabled=false",
            "--set",
            &journal,
        ])
        .env("NOTIFY_SOCKET", &told)
        .stdin(Stdio::null())
        .spawn()?;
    let mut said = [0; 512];
    let heard = loop {
        match ear.recv(&mut said) {
            Ok(got) if said[..got].starts_with(b"READY=1") => break Ok(begun.elapsed()),
            Ok(_) => {}
            Err(why) => break Err(why),
        }
    };
    let memory = std::fs::read_to_string(format!("/proc/{}/smaps_rollup", gateway.id()));
    gateway.kill()?;
    gateway.wait()?;
    let memory = memory?;
    let pss = memory.lines().find_map(|line| line.strip_prefix("Pss:")?.split_whitespace().next()?.parse::<u64>().ok());
    Ok(json!({"start_to_ready": heard?.as_nanos() as u64, "pss_kib": pss}))
}

/// Nanoseconds of CPU time from lap to lap: what the process waits for is not counted.
struct Watch(u64);

impl Watch {
    fn start() -> Self {
        Self(cpu_time())
    }

    fn lap(&mut self) -> u64 {
        let now = cpu_time();
        now - std::mem::replace(&mut self.0, now)
    }
}

fn cpu_time() -> u64 {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}
