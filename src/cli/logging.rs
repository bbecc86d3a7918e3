//! Log lines to standard error: for a terminal, or as systemd's journal reads them.

use std::io::{self, Write as _};

use super::output::{indented, visible};

/// `level` holds unless RUST_LOG says otherwise. For systemd's journal each line begins with its level in the journal's
/// form, and has no date, because the journal adds its own.
pub fn to_stderr(level: &str) {
    let mut builder = env_logger::Builder::from_env(env_logger::Env::default().default_filter_or(level));
    // What others wrote acts on no terminal, and makes no line that looks like one of ours.
    let said = |record: &log::Record<'_>| visible(&indented(&record.args().to_string())).into_owned();
    if stderr_goes_to_the_journal() {
        builder.format(move |out, record| {
            let priority = match record.level() {
                log::Level::Error => 3,
                log::Level::Warn => 4,
                log::Level::Info => 6,
                log::Level::Debug | log::Level::Trace => 7,
            };
            let text = format!("{}: {}", record.target(), said(record));
            text.lines().try_for_each(|line| writeln!(out, "<{priority}>{line}"))
        });
    } else {
        builder.format(move |out, record| {
            writeln!(out, "[{} {:<5} {}] {}", out.timestamp(), record.level(), record.target(), said(record))
        });
    }
    builder.init();
}

/// systemd names the file that its journal reads; a shell in between may have redirected standard error.
fn stderr_goes_to_the_journal() -> bool {
    let own = rustix::fs::fstat(io::stderr()).map(|file| format!("{}:{}", file.st_dev, file.st_ino));
    own.is_ok_and(|own| std::env::var("JOURNAL_STREAM").is_ok_and(|journals| journals == own))
}
