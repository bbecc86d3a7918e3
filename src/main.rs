//! The binary: parse, run, exit code.

use std::process::ExitCode;

use sokutou::engine::library::disable_telemetry;

#[expect(unsafe_code, reason = "the environment may be changed while the program has one thread, and only then")]
fn main() -> ExitCode {
    // SAFETY: this is the first statement of the program: no other thread has been started.
    unsafe { disable_telemetry() };
    sokutou::cli::main().into()
}
