//! The runtime library: missing, of another kind, of another architecture, too old; and the real one, silent.

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use sokutou::engine::library::{TELEMETRY_VARIABLE, TESTED_VERSION};
use tempfile::TempDir;

use crate::gateway::Gateway;
use crate::support::{NO_FAILURE_EN, failing, sokutou, student};

fn refused(library: &Path) -> String {
    let (exit, said) = failing(sokutou().args(["ask", "hello"]).env("ORT_DYLIB_PATH", library));
    assert_eq!(exit, 5, "{said}");
    assert!(said.contains("ORT_DYLIB_PATH"), "the way out: {said}");
    said
}

#[test]
fn a_missing_library_is_a_sentence_with_the_way_out() {
    let said = refused(Path::new("/nowhere/libonnxruntime.so"));
    assert!(said.contains("ONNX Runtime is not here: looked at /nowhere/libonnxruntime.so"), "{said}");
}

#[test]
fn what_is_no_library_is_refused() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("libonnxruntime.so");
    fs::write(&path, "not a library").unwrap();
    assert!(refused(&path).contains("cannot be used as ONNX Runtime"));
    // An ELF file for another machine: s390x, which is neither of ours.
    let mut elf = vec![0x7f, b'E', b'L', b'F', 2, 1, 1, 0];
    elf.resize(16, 0);
    elf.extend([3, 0, 22, 0, 1, 0, 0, 0]);
    elf.resize(4096, 0);
    fs::write(&path, elf).unwrap();
    assert!(refused(&path).contains("cannot be used as ONNX Runtime"));
}

/// A library of our own making, in C.
pub fn library(folder: &TempDir, code: &str, arguments: &[&str]) -> PathBuf {
    let (source, path) = (folder.path().join("library.c"), folder.path().join("libonnxruntime.so"));
    fs::write(&source, code).unwrap();
    let built = Command::new("cc").args(["-shared", "-fPIC"]).args(arguments).arg("-o").args([&path, &source]).status();
    assert!(built.unwrap().success());
    path
}

#[test]
fn a_library_that_is_too_old_is_refused_with_both_versions() {
    let code = r#"
        static const char *version(void) { return "1.15.0"; }
        static const void *api(unsigned v) { (void)v; return 0; }
        struct base { const void *(*api)(unsigned); const char *(*version)(void); };
        static const struct base it = { api, version };
        const struct base *OrtGetApiBase(void) { return &it; }
    "#;
    let folder = TempDir::new().unwrap();
    let said = refused(&library(&folder, code, &[]));
    assert!(said.contains("'1.23.x'") && said.contains("'1.15.0'"), "{said}");
}

#[test]
fn doctor_names_library_cpu_telemetry_and_student() {
    let output = sokutou().args(["doctor", "--json"]).output().unwrap();
    let checks: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let checks = checks.as_array().unwrap();
    let names: Vec<_> = checks.iter().map(|check| check["check"].as_str().unwrap()).collect();
    assert_eq!(names, ["runtime library", "telemetry", "cpu", "bundle", "products", "golden questions"]);
    for check in checks {
        assert!(check["state"] == "OK" || check["check"] == "runtime library", "{check}");
    }
}

/// What doctor says, and how it ends.
fn doctor(change: impl FnOnce(&mut assert_cmd::Command) -> &mut assert_cmd::Command) -> (Option<i32>, String) {
    let output = change(sokutou().arg("doctor")).output().unwrap();
    (output.status.code(), String::from_utf8(output.stdout).unwrap())
}

#[test]
fn doctor_fails_what_is_missing_with_the_way_out() {
    let (exit, said) = doctor(|command| command.env("ORT_DYLIB_PATH", "/nowhere/x.so"));
    assert!(said.contains("FAIL  runtime library") && said.contains("hint: build once with network"), "{said}");
    assert!(said.contains("FAIL  golden questions") && said.contains("hint: see the checks above"), "{said}");
    assert_eq!(exit, Some(7));
    let (exit, said) = doctor(|command| command.args(["--bundle", "/nowhere"]));
    assert!(said.contains("FAIL  bundle") && said.contains("hint: install the student again"), "{said}");
    assert_eq!(exit, Some(7));
}

#[test]
fn doctor_warns_where_there_is_no_room_for_temporary_files() {
    let (exit, said) = doctor(|command| command.env("TMPDIR", "/nowhere"));
    assert!(said.contains("WARN  products") && said.contains("hint: give the folder for temporary files"), "{said}");
    assert_eq!(exit, Some(0), "a warning is no failure");
}

/// The real library under another version: everything else of it is passed on.
#[test]
fn doctor_warns_of_a_library_that_was_not_tested() {
    let output = sokutou().args(["doctor", "--json"]).output().unwrap();
    let checks: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let (_, path) = checks[0]["found"].as_str().unwrap().split_once(", ").unwrap();
    let code = r#"
        #include <dlfcn.h>
        struct base { const void *(*api)(unsigned); const char *(*version)(void); };
        static const char *version(void) { return "1.31.7"; }
        static struct base it = { 0, version };
        const struct base *OrtGetApiBase(void) {
            const struct base *(*real)(void) = (const struct base *(*)(void))dlsym(dlopen(REAL, RTLD_NOW), "OrtGetApiBase");
            it.api = real()->api;
            return &it;
        }
    "#;
    let folder = TempDir::new().unwrap();
    let exports = folder.path().join("exports");
    fs::write(&exports, "VERS_1.31.7 { global: OrtGetApiBase; };").unwrap(); // as the real one's linker is told
    let exports = format!("-Wl,--version-script={}", exports.display());
    let other = library(&folder, code, &[&format!("-DREAL=\"{path}\""), &exports]);
    let (exit, said) = doctor(|command| command.env("ORT_DYLIB_PATH", &other));
    let found = format!("WARN  runtime library: ONNX Runtime 1.31.7, {}", other.display());
    let hint = format!("hint: tested with {TESTED_VERSION} only");
    assert!(said.contains(&found) && said.contains(&hint), "{said}");
    assert_eq!(exit, Some(0), "a warning is no failure");
}

/// The whole process, while it answers: not one socket, and not one thread beside our own. ONNX Runtime's telemetry opens its
/// sockets only now and then, but the thread that would do so runs from the start.
#[cfg(target_os = "linux")]
#[test]
fn nothing_reports_home() {
    let mut child = Command::new(assert_cmd::cargo::cargo_bin!("sokutou"))
        .args(["ask", "--batch", "-"])
        .env_remove(TELEMETRY_VARIABLE)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut questions = child.stdin.take().unwrap();
    let mut answers = BufReader::new(child.stdout.take().unwrap()).lines();
    for _ in 0..3 {
        writeln!(questions, "{}", serde_json::json!({ "question": NO_FAILURE_EN })).unwrap();
        answers.next().unwrap().unwrap();
        let files = fs::read_dir(format!("/proc/{}/fd", child.id())).unwrap();
        for file in files.filter_map(|file| fs::read_link(file.unwrap().path()).ok()) {
            assert!(!file.to_string_lossy().starts_with("socket:"), "an open socket: {}", file.display());
        }
        let threads = fs::read_dir(format!("/proc/{}/task", child.id())).unwrap().count();
        assert_eq!(threads, 1, "a thread that is not ours");
    }
    drop(questions);
    assert!(child.wait().unwrap().success());
}

/// The variable is in the environment that the process began with: nothing was changed beside threads that may read it.
#[cfg(target_os = "linux")]
#[test]
fn the_gateway_starts_with_telemetry_off() {
    let folder = TempDir::new().unwrap();
    let gateway = Gateway::start("press-3", 1, folder.path(), &[]);
    gateway.wait_for(&format!("student {} is ready", student()));
    let environment = fs::read(format!("/proc/{}/environ", gateway.id())).unwrap();
    let off = format!("{TELEMETRY_VARIABLE}=1");
    assert!(environment.split(|&byte| byte == 0).any(|variable| variable == off.as_bytes()));
}

/// Where the program cannot start itself again, it does not load the library.
#[cfg(target_os = "linux")]
#[test]
fn with_telemetry_on_no_library_is_loaded() {
    let folder = TempDir::new().unwrap();
    let refusing = library(&folder, "int execvp(const char *file, char *const *args) { return -1; }", &[]);
    let (exit, said) = failing(sokutou().args(["ask", "hello"]).env("LD_PRELOAD", refusing));
    assert_eq!(exit, 5, "{said}");
    assert!(said.contains("ONNX Runtime would report home"), "{said}");
}
