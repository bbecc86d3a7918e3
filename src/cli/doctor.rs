//! `sokutou doctor`: can this device run the model? Each check says OK, WARN or FAIL, and what to do.

use super::bundle::golden_failures;
use super::check::report;
use super::open::{BundleArg, open_bundle, open_engine};
use super::{Error, Exit};
use crate::config::check::Check;
use crate::domain::chain;
use crate::engine::library::{LIBRARY_VARIABLE, TELEMETRY_VARIABLE, TESTED_VERSION};
use crate::engine::{Kernels, Library, MatMulCoverage, MatMulCoverageError};

#[derive(Debug, clap::Args)]
pub struct DoctorArgs {
    #[command(flatten)]
    bundle: BundleArg,
    /// Print one JSON list instead of text.
    #[arg(long)]
    json: bool,
}

impl DoctorArgs {
    pub fn run(&self) -> Result<Exit, Error> {
        let mut checks = library();
        checks.push(cpu(Kernels::of_this_cpu()));
        checks.extend(bundle(&self.bundle));
        Ok(if report(&checks, self.json)? { Exit::Success } else { Exit::Check })
    }
}

fn library() -> Vec<Check> {
    let library = match Library::load() {
        Ok(library) => library,
        Err(error) => {
            let hint = format!("build once with network, or set {LIBRARY_VARIABLE}");
            return vec![Check::fail("runtime library", chain(&error), &hint)];
        }
    };
    let version = library.version().unwrap_or_else(|| "of unknown version".to_owned());
    let found = format!("ONNX Runtime {version}, {}", library.path().display());
    let first = if version == TESTED_VERSION {
        Check::ok("runtime library", found)
    } else {
        let hint = format!("tested with {TESTED_VERSION} only: run `sokutou bundle verify`");
        Check::warn("runtime library", found, &hint)
    };
    vec![first, telemetry(std::env::var(TELEMETRY_VARIABLE).ok().as_deref())]
}

/// `disabled`: the variable's value once the library is loaded.
fn telemetry(disabled: Option<&str>) -> Check {
    if disabled == Some("1") {
        let found = format!("off ({TELEMETRY_VARIABLE}=1 before loading, and in the environment's options)");
        Check::ok("telemetry", found)
    } else {
        Check::fail("telemetry", "not switched off", "this is a bug of sokutou: please report it")
    }
}

fn cpu(kernels: Kernels) -> Check {
    let arch = std::env::consts::ARCH;
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let say = |kernels: &str| format!("{arch}, {cores} cores, {kernels}");
    match kernels {
        Kernels::X86Vnni => Check::ok("cpu", say("VNNI: exact int8 kernels")),
        Kernels::X86Saturating => {
            Check::ok("cpu", say("no VNNI: int8 kernels that avoid saturation, which are slower"))
        }
        Kernels::ArmDotProduct => Check::ok("cpu", say("asimddp: int8 dot-product kernels")),
        Kernels::ArmPlain => Check::ok("cpu", say("no asimddp: plain NEON int8 kernels")),
        Kernels::Other => Check::warn("cpu", say("unknown kernels"), "this kind of CPU was never tested"),
    }
}

fn bundle(arg: &BundleArg) -> Vec<Check> {
    let (folder, bundle) = match open_bundle(arg) {
        Ok(opened) => opened,
        Err(error) => {
            return vec![Check::fail(
                "bundle",
                chain(&error),
                "install the model again, or name another with --bundle",
            )];
        }
    };
    let tasks: Vec<&str> = bundle.manifest.tasks.iter().map(|task| task.id.as_str()).collect();
    let opened = Check::ok(
        "bundle",
        format!("{}, {} bytes, {}, tasks: {}", bundle.student(), bundle.bytes(), folder.display(), tasks.join(", ")),
    );
    let golden = match open_engine(&folder, &bundle).and_then(|mut engine| Ok(golden_failures(&mut engine, &bundle)?)) {
        Ok(failures) if failures.is_empty() => {
            Check::ok("golden questions", format!("{} of {} as expected", bundle.golden.len(), bundle.golden.len()))
        }
        Ok(failures) => Check::fail(
            "golden questions",
            failures.join("; "),
            "this device computes other answers than the model was released with: do not use it, and report the CPU above",
        ),
        Err(error) => Check::fail("golden questions", chain(&error), "see the checks above"),
    };
    // If the library fails to load, the first check says so.
    let matmuls = Library::load().ok().map(|library| matmuls(MatMulCoverage::of(&library, bundle.graphs.values())));
    [opened].into_iter().chain(matmuls).chain([golden]).collect()
}

/// In JSON its name stays `products`.
fn matmuls(read: Result<MatMulCoverage, MatMulCoverageError>) -> Check {
    let check = match read {
        Ok(MatMulCoverage { packed, unpacked }) if unpacked.is_empty() => {
            Check::ok("products", format!("all {packed} run in int8"))
        }
        Ok(MatMulCoverage { packed, unpacked }) => Check::warn(
            "products",
            format!("{packed} of {} run in int8; {}", packed + unpacked.len(), unpacked.join("; ")),
            "this model is slow on this kind of CPU: export it with dynamic int8, as the training toolkit does",
        ),
        Err(error) => Check::warn(
            "products",
            chain(&error),
            "see that the folder for temporary files (TMPDIR) exists and has some megabytes free",
        ),
    };
    check.titled("int8 matmuls")
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn state(check: &Check) -> Value {
        json!(check)["state"].clone()
    }

    #[test]
    fn every_kind_of_cpu_is_named_and_an_unknown_one_warned_of() {
        let known = [Kernels::X86Vnni, Kernels::X86Saturating, Kernels::ArmDotProduct, Kernels::ArmPlain].map(cpu);
        let mut found: Vec<_> = known.iter().map(|check| json!(check)["found"].to_string()).collect();
        found.sort();
        found.dedup();
        assert!(known.iter().all(|check| state(check) == "OK") && found.len() == known.len(), "{found:?}");
        assert_eq!(state(&cpu(Kernels::Other)), "WARN");
    }

    #[test]
    fn telemetry_that_is_not_off_fails() {
        assert_eq!(state(&telemetry(Some("1"))), "OK");
        for left_on in [None, Some(""), Some("0")] {
            assert_eq!(state(&telemetry(left_on)), "FAIL");
        }
    }

    #[test]
    fn each_weight_that_is_unpacked_is_warned_of_by_name() {
        assert_eq!(state(&matmuls(Ok(MatMulCoverage { packed: 25, unpacked: Vec::new() }))), "OK");
        let check =
            json!(matmuls(Ok(MatMulCoverage { packed: 24, unpacked: vec!["down_3 is unpacked at load".to_owned()] })));
        assert_eq!(check["state"], "WARN");
        assert_eq!(check["found"], "24 of 25 run in int8; down_3 is unpacked at load");
    }
}
