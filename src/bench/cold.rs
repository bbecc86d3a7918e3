//! Times a cold start by its phases: a child process of the same program loads everything, answers and reports the time of each phase.
//! Files are in the system's cache by then, so the disk's share of a first start after power-on is not in it.

use std::fs;
use std::io;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use rustix::time::{ClockId, clock_gettime};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::machine::{kib, text};
use crate::bundle::Bundle;
use crate::domain::chain;
use crate::engine::{Engine, Library};
use crate::pipeline::{self, Procedure, Think};

/// Phases of a cold start as the child reports them, in milliseconds.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Phases {
    /// From the parent's call to the start of the child's command.
    pub exec: f64,
    /// Reading and verifying the bundle.
    pub bundle: f64,
    /// Loading ONNX Runtime.
    pub library: f64,
    /// Preparing tokenizer and session.
    pub session: f64,
    /// First answer.
    pub first_run: f64,
    /// Second answer.
    pub second_run: f64,
    /// Page faults so far without a disk access.
    pub faults_minor: u64,
    /// Page faults so far that waited for the disk.
    pub faults_major: u64,
}

impl Phases {
    /// From the parent's call to the first answer.
    pub fn to_first_answer(&self) -> f64 {
        self.exec + self.bundle + self.library + self.session + self.first_run
    }
}

/// Why a cold start was not timed.
#[derive(Debug, Error)]
pub enum ColdError {
    /// The child cannot be started.
    #[error("failed to start {program} as a child, to time a cold start")]
    Start {
        /// Path of the program.
        program: String,
        /// The system's reason.
        #[source]
        source: io::Error,
    },
    /// The child failed.
    #[error("a cold start failed: {said}")]
    Child {
        /// What it wrote to standard error.
        said: String,
    },
}

/// Nanoseconds on the monotonic clock, which all processes share.
pub fn now_ns() -> u64 {
    let now = clock_gettime(ClockId::Monotonic);
    now.tv_sec as u64 * 1_000_000_000 + now.tv_nsec as u64
}

/// In the parent: starts `program` so that it calls [`phases`], and reads its output. `arguments` get the start time.
pub fn start(program: &Path, arguments: impl FnOnce(u64) -> Vec<std::ffi::OsString>) -> Result<Phases, ColdError> {
    let mut child = Command::new(program);
    child.stdin(Stdio::null());
    let failed = |source| ColdError::Start { program: program.display().to_string(), source };
    let output = child.args(arguments(now_ns())).output().map_err(failed)?;
    let said = || String::from_utf8_lossy(&output.stderr).trim().to_owned();
    if !output.status.success() {
        return Err(ColdError::Child { said: said() });
    }
    serde_json::from_slice(&output.stdout).map_err(|error| ColdError::Child { said: format!("{error}: {}", said()) })
}

/// In the child: loads, answers twice, returns the phases. `since` is the parent's [`now_ns`].
pub fn phases(since: u64, folder: &Path, task: &str, question: &str) -> Result<Phases, ColdError> {
    let exec = now_ns().saturating_sub(since) as f64 / 1e6;
    let failed = |error: &dyn std::error::Error| ColdError::Child { said: chain(error) };
    let mut last = Instant::now();
    let mut lap = || std::mem::replace(&mut last, Instant::now()).elapsed().as_secs_f64() * 1e3;
    let opened = Bundle::open(folder).map_err(|error| failed(&error))?;
    let bundle = lap();
    let loaded = Library::load().map_err(|error| failed(&error))?;
    let library = lap();
    let mut engine = Engine::open(&loaded, &opened).map_err(|error| failed(&error))?;
    let procedure = Procedure::of(opened.task(task).map_err(|error| failed(&error))?);
    let session = lap();
    let mut answer = || pipeline::answer(&mut engine, &procedure, Think::Auto, question).map(drop);
    answer().map_err(|error| failed(&error))?;
    let first_run = lap();
    answer().map_err(|error| failed(&error))?;
    let second_run = lap();
    let (faults_minor, faults_major) = faults();
    Ok(Phases { exec, bundle, library, session, first_run, second_run, faults_minor, faults_major })
}

/// Resident bytes of this process, now and at most; 0 where the system does not report them.
pub fn resident() -> (u64, u64) {
    let status = text(Path::new("/proc/self/status")).unwrap_or_default();
    let bytes = |name| kib(&status, name).unwrap_or(0) << 10;
    (bytes("VmRSS"), bytes("VmHWM"))
}

/// Minor and major page faults of this process.
fn faults() -> (u64, u64) {
    let stat = fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let behind_name = stat.rsplit_once(')').map_or("", |(_, fields)| fields);
    // Fields 10 and 12, of which the second ended the name.
    let field =
        |place: usize| behind_name.split_whitespace().nth(place - 3).and_then(|word| word.parse().ok()).unwrap_or(0);
    (field(10), field(12))
}
