//! `sokutou ask`: one question and its answer, then its rationale if wanted.

use std::ffi::OsString;
use std::io::{self, IsTerminal as _, Write as _};
use std::path::PathBuf;
use std::time::SystemTime;

use serde_json::value::RawValue;

use super::open::{BundleArg, open_bundle, open_engine, task};
use super::output::{print_json, print_wrapped};
use super::words::{in_words, nothing_to_explain, rationale_in_words};
use super::{Error, Exit};
use crate::api::answer::{self, Reply};
use crate::bundle::Bundle;
use crate::bundle::manifest::Task;
use crate::bytes;
use crate::domain::{Confidence, Decision};
use crate::engine::{AskError, Model, QUESTION_BYTES_MAX};
use crate::pipeline::{self, Answered, Explained, Procedure, Think};
use crate::store::RecordedRationale;

#[derive(Debug, clap::Args)]
pub struct AskArgs {
    /// The question, in English, Japanese or the terse style of machines.
    #[arg(conflicts_with = "batch")]
    question: Option<OsString>,
    /// The task that the question belongs to [default: the first that `bundle info` lists]. タスクを選ぶ
    #[arg(long, value_name = "ID")]
    pub task: Option<String>,
    /// Also write the rationale, and whether it leads to the answer. 理由も示す
    #[arg(long)]
    pub explain: bool,
    /// When to think before answering: only when unsure, never, or always.
    #[arg(long, value_enum, default_value = "auto")]
    pub think: ThinkArg,
    /// Confidence (0 to 1) below which an answer is escalated. Replaces the bundle's own thresholds; its risk bound no
    /// longer holds.
    #[arg(long, value_name = "P", value_parser = confidence)]
    threshold: Option<Confidence>,
    #[command(flatten)]
    pub bundle: BundleArg,
    /// Print JSON instead of text.
    #[arg(long)]
    json: bool,
    /// Answer every line {"id", "task", "question"} of a file (`-`: standard input) with one JSON line, in order. A
    /// line without a task belongs to the one that --task names.
    #[arg(long, value_name = "FILE.jsonl")]
    pub batch: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
pub enum ThinkArg {
    Auto,
    Never,
    Always,
}

impl From<ThinkArg> for Think {
    fn from(arg: ThinkArg) -> Self {
        match arg {
            ThinkArg::Auto => Self::Auto,
            ThinkArg::Never => Self::Never,
            ThinkArg::Always => Self::Always,
        }
    }
}

fn confidence(text: &str) -> Result<Confidence, String> {
    text.parse().ok().and_then(Confidence::new).ok_or_else(|| format!("expected a number from 0 to 1, got {text}"))
}

impl AskArgs {
    /// How the task's questions are handled, with the threshold of the arguments if there is one.
    pub fn procedure(&self, task: &Task) -> Procedure {
        let procedure = Procedure::of(task);
        match self.threshold {
            Some(threshold) => procedure.with_threshold(threshold),
            None => procedure,
        }
    }
}

/// Answers the question of the arguments, or of standard input.
pub fn run(args: &AskArgs) -> Result<Exit, Error> {
    let question = match &args.question {
        Some(question) => utf8(question.clone().into_encoded_bytes())?,
        None => from_stdin()?,
    };
    let (folder, bundle) = open_bundle(&args.bundle)?;
    let task = task(args.task.as_deref(), &bundle)?;
    let mut engine = open_engine(&folder, &bundle)?;
    let answered = pipeline::answer(&mut engine, &args.procedure(task), args.think.into(), &question)?;
    let exit = match answered.verdict.decision {
        Decision::Answered => Exit::Success,
        Decision::Escalated(_) => Exit::Escalated,
    };
    if args.json {
        print_json(&reply(None, answered, &bundle, task, args.explain)?)?;
    } else {
        print_wrapped(&in_words(&answered, &bundle, task))?; // the answer does not wait for its rationale
        if args.explain {
            let language = answered.language;
            print_wrapped(&match answered.explain()? {
                Some(explained) => rationale_in_words(&explained, language),
                None => nothing_to_explain(language).to_owned(),
            })?;
        }
    }
    Ok(exit)
}

/// An answer as a machine reads it; with its rationale if `explain`.
pub fn reply<M: Model>(
    id: Option<Box<RawValue>>,
    answered: Answered<'_, M>,
    bundle: &Bundle,
    task: &Task,
    explain: bool,
) -> Result<Reply, AskError> {
    let Answered { language, tokens, time_to_answer, .. } = answered;
    let read = answered.read.clone();
    let recorded =
        answer::Answered { bundle, task: &task.id, language, verdict: &answered.verdict, tokens, time_to_answer }
            .record(SystemTime::now());
    let reply = Reply { read, ..Reply::new(id, &recorded, language) };
    let explained = if explain { answered.explain()? } else { None };
    Ok(match explained {
        Some(Explained { rationale, agreement, time_to_rationale }) => {
            reply.with_rationale(&RecordedRationale { text: rationale.text, agreement }, time_to_rationale)
        }
        None => reply,
    })
}

fn from_stdin() -> Result<String, Error> {
    let stdin = io::stdin();
    if stdin.is_terminal() {
        // Nobody should wait for a program that waits for them.
        let _ = writeln!(io::stderr(), "Type the question, then Ctrl-D. 質問を入力し、Ctrl-D を押してください。");
    }
    let question = bytes::read(stdin.lock(), QUESTION_BYTES_MAX as u64)
        .map_err(|source| Error::Read { path: "standard input".into(), source })?;
    utf8(question.ok_or(AskError::TooLarge)?)
}

fn utf8(bytes: Vec<u8>) -> Result<String, Error> {
    String::from_utf8(bytes).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        Error::Input(format!(
            "the question is not UTF-8: byte {at} cannot be read. Convert it, e.g. with iconv -f CP932 -t UTF-8"
        ))
    })
}
