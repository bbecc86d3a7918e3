//! `sokutou ask --batch`: many questions from a file, one JSON line each, in order, as they are answered.
//!
//! A line that cannot be read gives a line that says so, in its place; the rest goes on.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufRead, BufReader, IsTerminal as _};
use std::path::Path;

use indicatif::{ProgressBar, ProgressStyle};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::ask::{AskArgs, reply};
use super::open::{open_bundle, open_engine, task};
use super::output::print_json;
use super::{Error, Exit};
use crate::bytes::{LineRead, next_line};
use crate::domain::{ASK_BYTES_MAX, chain};
use crate::engine::AskError;
use crate::pipeline::{self, Procedures};
use crate::transport::body;

const PROGRESS: &str = "{bar:40} {percent:>3} % of {total_bytes}, {elapsed} elapsed, {eta} remaining";

#[derive(Deserialize)]
#[serde(expecting = "a JSON object")]
struct Line {
    #[serde(default)]
    id: Option<Box<RawValue>>,
    #[serde(default)]
    task: Option<String>,
    #[serde(deserialize_with = "body::question")]
    question: String,
}

/// Printed in the place of an answer that could not be given.
#[derive(Debug, Serialize)]
struct Refusal {
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<Box<RawValue>>,
    line: u64,
    error: String,
}

pub fn run(args: &AskArgs, path: &Path) -> Result<Exit, Error> {
    let (mut lines, bytes) = open(path)?;
    let (folder, bundle) = open_bundle(&args.bundle)?;
    let unnamed = task(args.task.as_deref(), &bundle)?;
    let mut engine = open_engine(&folder, &bundle)?;
    let procedures: Procedures = bundle.manifest.tasks.iter().map(|task| args.procedure(task)).collect();
    let bar = progress(bytes);
    let mut exit = Exit::Success;
    let mut buffer = Vec::new();
    for line in 1.. {
        let read = next_line(&mut lines, &mut buffer, ASK_BYTES_MAX)
            .map_err(|source| Error::Read { path: path.to_owned(), source })?;
        let Some(LineRead { bytes, too_long }) = read else { break };
        bar.inc(bytes);
        let Line { id, task: named, question } = match parse(&buffer, too_long) {
            Ok(Some(line)) => line,
            Ok(None) => continue,
            Err((id, error)) => {
                exit = Exit::Input;
                bar.suspend(|| print_json(&Refusal { id, line, error }))?;
                continue;
            }
        };
        let replied = named.map_or(Ok(unnamed), |id| bundle.task(&id)).map_err(AskError::from).and_then(|task| {
            let answered = pipeline::answer(&mut engine, procedures.get(task), args.think.into(), &question)?;
            reply(id.clone(), answered, &bundle, task, args.explain)
        });
        match replied {
            Ok(reply) => bar.suspend(|| print_json(&reply))?,
            Err(error) if error.refuses_the_question() => {
                exit = Exit::Input;
                bar.suspend(|| print_json(&Refusal { id, line, error: chain(&error) }))?;
            }
            Err(error) => return Err(error.into()),
        }
    }
    bar.finish_and_clear();
    Ok(exit)
}

fn open(path: &Path) -> Result<(Box<dyn BufRead>, Option<u64>), Error> {
    if path == Path::new("-") {
        return Ok((Box::new(io::stdin().lock()), None));
    }
    let failed = |source| Error::Read { path: path.to_owned(), source };
    let file = File::open(path).map_err(failed)?;
    let bytes = file.metadata().map_err(failed)?.len();
    Ok((Box::new(BufReader::new(file)), Some(bytes)))
}

fn progress(bytes: Option<u64>) -> ProgressBar {
    if !io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let bar = bytes.map_or_else(ProgressBar::new_spinner, ProgressBar::new);
    bar.with_style(ProgressStyle::with_template(PROGRESS).expect("a template that the tests have seen"))
}

/// A line's question, if there is one; else its id, as far as it can be read, and what was expected. Other keys are passed over, so
/// that a line may hold what its maker wants to find again.
fn parse(line: &[u8], too_long: bool) -> Result<Option<Line>, (Option<Box<RawValue>>, String)> {
    if too_long {
        return Err((None, format!("expected a line of at most {ASK_BYTES_MAX} bytes")));
    }
    let text = body::text(line).map_err(|why| (None, why))?.trim();
    if text.is_empty() {
        return Ok(None);
    }
    let said: BTreeMap<String, &RawValue> = serde_json::from_str(text).unwrap_or_default();
    let expected = |why: String| {
        let id = said.get("id").filter(|id| id.get() != "null").map(|&id| id.to_owned());
        (id, format!("expected {{\"id\", \"task\", \"question\"}}: {why}"))
    };
    // `Task` would have the question answered as one of another task.
    let known = ["id", "task", "question"];
    for key in said.keys().filter(|key| !known.contains(&key.as_str())) {
        if let Some(known) = known.iter().find(|known| known.eq_ignore_ascii_case(key)) {
            return Err(expected(format!("unknown field {key:?}, did you mean {known:?}?")));
        }
    }
    serde_json::from_str(text).map(Some).map_err(|error| expected(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_another_form_is_told_what_was_expected() {
        for (line, says) in [
            (&b"3"[..], "expected {\"id\", \"task\", \"question\"}: invalid type: integer `3`, expected a JSON object"),
            (b"{\"id\": 1}", "missing field `question`"),
            (b"\xff", "expected UTF-8"),
            (b"\xff\xfe{\0", "got UTF-16"),
            (b"{\"question\": \"x\", \"Task\": \"y\"}", "unknown field \"Task\", did you mean \"task\"?"),
        ] {
            let said = parse(line, false).err().unwrap().1;
            assert!(said.contains(says), "{said}");
        }
        assert!(parse(b"{\"question\": \"x\"}", true).err().unwrap().1.contains("at most"));
        let question = |line: &[u8]| parse(line, false).unwrap().map(|line| line.question);
        assert_eq!(question(b"{\"question\": {\"air\": 1.10}}").as_deref(), Some("{\"air\":1.10}"));
        assert_eq!(question(b"\xef\xbb\xbf{\"question\": \"x\", \"want\": 1}\r\n").as_deref(), Some("x"));
        assert_eq!((question(b" \r\n"), question(b"\xef\xbb\xbf\n")), (None, None));
    }

    #[test]
    fn the_progress_template_is_one() {
        ProgressStyle::with_template(PROGRESS).unwrap();
    }
}
