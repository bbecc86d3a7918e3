//! Brings ONNX Runtime: the PyPI wheel for the target, pinned by SHA-256, unpacked once under the build folder.
//!
//! Never fails the build: without network the binary still builds, and says at run time what is missing and the ways out.
//! `ORT_DYLIB_PATH` (at build or run time) means that somebody brings their own; then nothing is fetched.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs, io};

/// Names the wheels, and so the library's version.
const LOCK: &str = "cross/onnxruntime.lock";
/// Tag of the wheels named in the lock; any one does, the library inside does not depend on Python.
const PYTHON: &str = "3.11";

fn main() {
    println!("cargo:rerun-if-changed=cross/build.rs");
    println!("cargo:rerun-if-changed={LOCK}");
    println!("cargo:rerun-if-env-changed=ORT_DYLIB_PATH");
    let arch = env::var("CARGO_CFG_TARGET_ARCH").expect("cargo sets the target architecture");
    // <target folder>/<profile>/build/<package>/out
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets OUT_DIR"));
    let target = out.ancestors().nth(4).expect("OUT_DIR is four folders deep");
    let version = version();
    let name = format!("libonnxruntime.so.{version}");
    let home = target.join(format!("onnxruntime-{version}-{arch}"));
    let library = home.join(&name);
    println!("cargo:rustc-env=SOKUTOU_ONNXRUNTIME_VERSION={version}");
    println!("cargo:rustc-env=SOKUTOU_BUILT_WITH_LIBRARY={}", library.display());
    // While the file is missing, every build tries again.
    println!("cargo:rerun-if-changed={}", library.display());
    if library.exists() || env::var_os("ORT_DYLIB_PATH").is_some() {
        return;
    }
    if env::var("CARGO_CFG_TARGET_OS").as_deref() != Ok("linux") || !["x86_64", "aarch64"].contains(&arch.as_str()) {
        println!("cargo:warning=no pinned ONNX Runtime for this target: set ORT_DYLIB_PATH to one at run time");
        return;
    }
    if let Err(why) = fetch(&arch, &name, &home, &out) {
        println!("cargo:warning=could not bring ONNX Runtime {version}: {why}");
        println!(
            "cargo:warning=built without it: build again with network, or set ORT_DYLIB_PATH to an ONNX Runtime library"
        );
    }
}

/// Of the lock's line `onnxruntime==VERSION`.
fn version() -> String {
    let lock = fs::read_to_string(LOCK).expect("cross/onnxruntime.lock can be read");
    let pinned = lock.lines().find_map(|line| line.strip_prefix("onnxruntime=="));
    let version = pinned.and_then(|rest| rest.split_whitespace().next());
    version.expect("cross/onnxruntime.lock pins onnxruntime==VERSION").to_owned()
}

/// Downloads and unpacks beside the goal, then renames: a build that is cut off leaves nothing half done.
fn fetch(arch: &str, name: &str, home: &Path, out: &Path) -> io::Result<()> {
    let work = out.join("onnxruntime");
    let _ = fs::remove_dir_all(&work);
    fs::create_dir_all(&work)?;
    run(Command::new("python3").args(["-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:"]).args(
        [
            "--disable-pip-version-check",
            "--retries=2",
            "--implementation=cp",
            &format!("--python-version={PYTHON}"),
            &format!("--platform=manylinux_2_28_{arch}"),
            "--require-hashes",
            &format!("--requirement={LOCK}"),
            &format!("--dest={}", work.display()),
        ],
    ))?;
    let wheel = fs::read_dir(&work)?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .find(|path| path.extension().is_some_and(|ending| ending == "whl"))
        .ok_or_else(|| io::Error::other("pip left no wheel"))?;
    let unpacked = work.join("unpacked");
    run(Command::new("python3").args(["-m", "zipfile", "-e"]).arg(&wheel).arg(&unpacked))?;
    let ready = work.join("ready");
    fs::create_dir_all(&ready)?;
    fs::rename(unpacked.join("onnxruntime/capi").join(name), ready.join(name))?;
    for notice in ["LICENSE", "ThirdPartyNotices.txt"] {
        fs::rename(unpacked.join("onnxruntime").join(notice), ready.join(notice))?;
    }
    // Another build may have been faster; its library is the same.
    if let Err(error) = fs::rename(&ready, home)
        && !home.exists()
    {
        return Err(error);
    }
    fs::remove_dir_all(&work)
}

fn run(command: &mut Command) -> io::Result<()> {
    let output = command.output().map_err(|error| io::Error::other(format!("cannot run python3: {error}")))?;
    if output.status.success() {
        return Ok(());
    }
    let talk = String::from_utf8_lossy(&output.stderr);
    let last = talk.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or("no message");
    Err(io::Error::other(last.trim().to_owned()))
}
