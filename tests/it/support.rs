//! What the tests share: the binary, the shipped student, a copy of it to break.

use std::fs::{self, File};
use std::io::Write as _;
use std::net::TcpListener;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU16, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use assert_cmd::Command;
use serde_json::Value;
use sha2::{Digest, Sha256};
use sokutou::engine::library::TELEMETRY_VARIABLE;
use tempfile::TempDir;

pub const NO_FAILURE_EN: &str =
    "Type M, air 298.1 K, process 308.6 K, speed 1551 rpm, torque 42.8 Nm, tool wear 0 min. Which failure, if any?";
pub const NO_FAILURE_JA: &str =
    "M型、空気温度 298.1 K、工程温度 308.6 K、回転数 1551 rpm、トルク 42.8 Nm、工具摩耗 0 分。どの故障か？";

/// Bounds a hang, and nothing else: what works may take any time on a slow or busy machine, and comes long before this.
pub const PATIENCE: Duration = Duration::from_secs(600);

/// Waits until this is so, and panics with `what` where it never comes.
pub fn wait_until(mut is_so: impl FnMut() -> bool, what: impl Fn() -> String) {
    let until = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < until, "{}", what());
        thread::sleep(Duration::from_millis(20));
    }
}

/// A port for a program that will listen a little later. It lies below those that the system gives to outgoing connections, so
/// that none of these can take it meanwhile, and no test of this process gets it twice.
pub fn free_port() -> u16 {
    const PORTS: std::ops::Range<u16> = 10_000..30_000;
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let first = std::process::id() * 257; // other processes that test at the same time begin elsewhere
    for _ in PORTS {
        let at = first.wrapping_add(NEXT.fetch_add(1, Ordering::Relaxed).into());
        let port = PORTS.start + (at % PORTS.len() as u32) as u16;
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
    panic!("every port is taken");
}

/// The binary, away from any bundle or library that the machine's user may have named; it switches telemetry off itself.
pub fn sokutou() -> Command {
    let mut command = Command::new(assert_cmd::cargo::cargo_bin!("sokutou"));
    command.env_remove("SOKUTOU_BUNDLE").env_remove("RUST_LOG").env_remove(TELEMETRY_VARIABLE);
    command
}

/// Runs `sokutou ask --json` and returns its exit code and record.
pub fn ask(question: &str, more: &[&str]) -> (i32, Value) {
    let output = sokutou().args(["ask", "--json", question]).args(more).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let record = serde_json::from_str(&text)
        .unwrap_or_else(|_| panic!("{question}: {text}{}", String::from_utf8_lossy(&output.stderr)));
    (output.status.code().unwrap(), record)
}

/// Runs a command that must fail, without a panic, and returns its exit code and what it says.
pub fn failing(command: &mut Command) -> (i32, String) {
    let output = command.output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(!said.contains("panicked"), "{said}");
    assert!(output.stdout.is_empty(), "an error writes no answer");
    (output.status.code().unwrap(), said)
}

pub fn shipped() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(sokutou::DEFAULT_BUNDLE)
}

/// The shipped student's name and version, by the name of its folder: `shop-floor 1.2.0`.
pub fn student() -> String {
    let folder = shipped();
    let (name, version) = folder.file_name().unwrap().to_str().unwrap().rsplit_once('-').unwrap();
    format!("{name} {version}")
}

/// The golden questions of the shipped student's first task, which are asked where no others are given.
pub fn golden() -> Vec<Value> {
    let text = fs::read_to_string(shipped().join("golden.jsonl")).unwrap();
    let lines = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    lines.filter(|golden| golden["task"] == "machine-failure").collect()
}

/// A copy of the shipped student that a test may break.
pub struct Copy {
    folder: TempDir,
}

impl Copy {
    pub fn new() -> Self {
        let folder = TempDir::new().unwrap();
        for entry in fs::read_dir(shipped()).unwrap() {
            let entry = entry.unwrap();
            fs::copy(entry.path(), folder.path().join(entry.file_name())).unwrap();
        }
        Self { folder }
    }

    /// With its first task alone, and the golden questions of that.
    pub fn of_one_task() -> Self {
        let copy = Self::new();
        copy.edit_manifest(|manifest| manifest["tasks"].as_array_mut().unwrap().truncate(1));
        copy.repack("golden.jsonl", |_| golden().iter().flat_map(|line| format!("{line}\n").into_bytes()).collect());
        copy
    }

    /// With two tasks that declare what they read, as `tests/data/declarations.json` has it.
    pub fn that_reads() -> Self {
        let copy = Self::new();
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/declarations.json");
        let declared: Value = serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap();
        copy.edit_manifest(|manifest| {
            manifest["format"] = 4.into();
            for task in manifest["tasks"].as_array_mut().unwrap() {
                if let Some(readings) = declared.get(task["id"].as_str().unwrap()) {
                    task["readings"] = readings.clone();
                }
            }
        });
        copy
    }

    pub fn golden_questions(&self) -> usize {
        fs::read_to_string(self.path().join("golden.jsonl")).unwrap().lines().count()
    }

    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    pub fn edit(&self, file: &str, change: impl FnOnce(Vec<u8>) -> Vec<u8>) {
        let path = self.path().join(file);
        fs::write(&path, change(fs::read(&path).unwrap())).unwrap();
    }

    pub fn edit_manifest(&self, change: impl FnOnce(&mut Value)) {
        self.edit("manifest.json", |text| {
            let mut manifest: Value = serde_json::from_slice(&text).unwrap();
            change(&mut manifest);
            serde_json::to_vec(&manifest).unwrap()
        });
    }

    /// Changes a file and signs the change into the manifest, as a careless packer would.
    pub fn repack(&self, file: &str, change: impl FnOnce(Vec<u8>) -> Vec<u8>) {
        self.edit(file, change);
        let bytes = fs::read(self.path().join(file)).unwrap();
        let digest: String = Sha256::digest(&bytes).iter().map(|byte| format!("{byte:02x}")).collect();
        self.edit_manifest(|manifest| {
            manifest["files"][file] = serde_json::json!({ "bytes": bytes.len(), "sha256": digest });
        });
    }

    /// Asks this student something and returns exit code and complaint.
    pub fn refused(&self) -> (i32, String) {
        failing(sokutou().args(["ask", "hello", "--bundle"]).arg(self.path()))
    }
}

/// A copy of the shipped student that is not loaded before the test lets it: one of its files is a pipe. Until then every
/// question waits for it, however fast the machine is.
pub struct HeldStudent {
    copy: Copy,
    pipe: PathBuf,
    content: Vec<u8>,
}

impl HeldStudent {
    pub fn new() -> Self {
        let copy = Copy::new();
        let pipe = copy.path().join("golden.jsonl");
        let content = fs::read(&pipe).unwrap();
        fs::remove_file(&pipe).unwrap();
        assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        Self { copy, pipe, content }
    }

    /// What tells a gateway to load it.
    pub fn setting(&self) -> String {
        format!("student.bundle=\"{}\"", self.copy.path().display())
    }

    /// Lets the one gateway load it that waits for it.
    pub fn release(&self) {
        const O_NONBLOCK: i32 = 0o4000; // else a gateway that never reads would hang the test
        const PIPE_BYTES: usize = 64 << 10;
        assert!(self.content.len() < PIPE_BYTES, "it fits into the pipe, so that writing does not wait");
        let mut pipe: Option<File> = None;
        let open = || {
            pipe = File::options().write(true).custom_flags(O_NONBLOCK).open(&self.pipe).ok();
            pipe.is_some()
        };
        wait_until(open, || "nobody loads the student".to_owned());
        pipe.unwrap().write_all(&self.content).unwrap();
    }
}
