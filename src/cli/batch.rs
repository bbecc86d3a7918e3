//! `sokutou ask --batch`: many questions from a file, one JSON line each, in order, as they are answered.
//!
//! A line that cannot be read gives a line that says so, in its place; the rest goes on.

use std::fs::File;
use std::io::{self, BufRead, BufReader, IsTerminal as _, Read as _};
use std::path::Path;

use indicatif::{ProgressBar, ProgressStyle};
use serde::{Deserialize, Serialize};

use super::ask::{policy, task};
use super::{AskArgs, Error, Exit, open_bundle, open_engine, print_json};
use crate::domain::chain;
use crate::engine::{AskError, QUESTION_BYTES_MAX};
use crate::pipeline;
use crate::reply::Reply;

/// A line holds a question in JSON, where each of its bytes may stand as a \u escape of six, and an id.
const LINE_BYTES_MAX: usize = 8 * QUESTION_BYTES_MAX;

#[derive(Deserialize)]
struct Line {
    #[serde(default)]
    id: Option<serde_json::Value>,
    #[serde(default)]
    task: Option<String>,
    question: String,
}

/// What stands in the place of an answer that could not be given.
#[derive(Serialize)]
struct Refusal {
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<serde_json::Value>,
    line: u64,
    error: String,
}

pub fn run(args: &AskArgs) -> Result<Exit, Error> {
    let path = args.batch.as_deref().expect("called for a batch only");
    let (mut lines, bytes) = open(path)?;
    let (folder, bundle) = open_bundle(&args.bundle)?;
    let unnamed = task(args.task.as_deref(), &bundle)?;
    let mut engine = open_engine(&folder, &bundle)?;
    let bar = progress(bytes);
    let mut exit = Exit::Success;
    let mut buffer = Vec::new();
    for line in 1.. {
        buffer.clear();
        let read =
            next_line(&mut lines, &mut buffer).map_err(|source| Error::Read { path: path.to_owned(), source })?;
        let Some(read) = read else { break };
        bar.inc(read);
        if buffer.trim_ascii().is_empty() {
            continue;
        }
        let Line { id, task: named, question } = match parse(&buffer) {
            Ok(line) => line,
            Err(error) => {
                exit = Exit::Input;
                bar.suspend(|| print_json(&Refusal { id: None, line, error }))?;
                continue;
            }
        };
        let reply = named.map_or(Ok(unnamed), |id| bundle.task(&id)).map_err(AskError::from).and_then(|task| {
            let answered = pipeline::answer(&mut engine, &policy(args, task), args.think.into(), &question)?;
            Reply::new(id.clone(), answered, &bundle, task, args.explain)
        });
        match reply {
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
    let style = "{bar:40} {percent:>3} % of {total_bytes}, {elapsed} elapsed, {eta} remaining";
    bar.with_style(ProgressStyle::with_template(style).expect("a template that the tests have seen"))
}

/// Reads one line into `buffer`, at most one byte more than a line may have; the rest of a longer one is passed over.
/// Returns the bytes passed, `None` at the end.
fn next_line(lines: &mut dyn BufRead, buffer: &mut Vec<u8>) -> io::Result<Option<u64>> {
    let mut read = lines.take(LINE_BYTES_MAX as u64 + 1).read_until(b'\n', buffer)?;
    if read > LINE_BYTES_MAX && buffer.last() != Some(&b'\n') {
        read += lines.skip_until(b'\n')?;
    }
    Ok((read > 0).then_some(read as u64))
}

fn parse(line: &[u8]) -> Result<Line, String> {
    if line.len() > LINE_BYTES_MAX {
        return Err(format!("expected a line of at most {LINE_BYTES_MAX} bytes"));
    }
    let text = std::str::from_utf8(line).map_err(|error| format!("expected UTF-8: {error}"))?;
    serde_json::from_str(text).map_err(|error| format!("expected {{\"id\", \"task\", \"question\"}}: {error}"))
}
