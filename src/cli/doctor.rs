//! `sokutou doctor`: is this box fit? Each check says OK, WARN or FAIL, and what to do.

use super::bundle::golden_failures;
use super::check::{Check, report};
use super::{BundleArg, Error, Exit, open_bundle, open_engine};
use crate::domain::chain;
use crate::engine::library::{LIBRARY_VARIABLE, TELEMETRY_VARIABLE, TESTED_VERSION};
use crate::engine::{Kernels, Library, Products, ProductsError};

pub fn run(arg: &BundleArg, json: bool) -> Result<Exit, Error> {
    let mut checks = library();
    checks.push(cpu(Kernels::of_this_cpu()));
    checks.extend(bundle(arg));
    Ok(if report(&checks, json)? { Exit::Success } else { Exit::Check })
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

/// By what the variable holds once the library is loaded.
fn telemetry(disabled: Option<&str>) -> Check {
    if disabled == Some("1") {
        let found = format!("off ({TELEMETRY_VARIABLE}=1 before loading, and in the environment's options)");
        Check::ok("telemetry", found)
    } else {
        Check::fail("telemetry", "not switched off", "this is a fault of the program: please report it")
    }
}

fn cpu(kernels: Kernels) -> Check {
    let arch = std::env::consts::ARCH;
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let say = |kernels: &str| format!("{arch}, {cores} cores, {kernels}");
    match kernels {
        Kernels::X86Vnni => Check::ok("cpu", say("VNNI: exact int8 kernels")),
        Kernels::X86Saturating => {
            Check::ok("cpu", say("no VNNI: precise int8 kernels asked for, against silent saturation"))
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
                "install the student again, or name another with --bundle",
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
            Check::ok("golden questions", format!("{} of {} as promised", bundle.golden.len(), bundle.golden.len()))
        }
        Ok(failures) => Check::fail(
            "golden questions",
            failures.join("; "),
            "this box computes otherwise than the workshop: do not use it, and report the CPU above",
        ),
        Err(error) => Check::fail("golden questions", chain(&error), "see the checks above"),
    };
    // Where the library fails to load, the first check has said so.
    let products = Library::load().ok().map(|library| products(Products::of(&library, bundle.graphs.values())));
    [opened].into_iter().chain(products).chain([golden]).collect()
}

fn products(read: Result<Products, ProductsError>) -> Check {
    match read {
        Ok(Products { packed, unpacked }) if unpacked.is_empty() => {
            Check::ok("products", format!("{packed}, all with the weights as they are stored"))
        }
        Ok(Products { packed, unpacked }) => Check::warn(
            "products",
            format!("{packed} with the weights as they are stored; {}", unpacked.join("; ")),
            "this student is slow on this kind of CPU: export it with dynamic int8, as the workshop does",
        ),
        Err(error) => Check::warn("products", chain(&error), "give the folder for temporary files some megabytes"),
    }
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
        assert_eq!(state(&products(Ok(Products { packed: 25, unpacked: Vec::new() }))), "OK");
        let check =
            json!(products(Ok(Products { packed: 24, unpacked: vec!["down_3 is unpacked at load".to_owned()] })));
        assert_eq!(check["state"], "WARN");
        assert_eq!(check["found"], "24 with the weights as they are stored; down_3 is unpacked at load");
    }
}
