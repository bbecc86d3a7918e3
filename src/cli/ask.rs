//! `sokutou ask`: one question, one answer; the reasons after it, when asked for.

use std::io::{self, IsTerminal as _, Read as _, Write as _};
use std::time::SystemTime;

use super::words::{in_words, nothing_to_explain, rationale_in_words};
use super::{AskArgs, Error, Exit, open_bundle, open_engine, print, print_json};
use crate::api::answer::{self, Reply};
use crate::bundle::manifest::Task;
use crate::bundle::{Bundle, UnknownTask};
use crate::domain::Decision;
use crate::engine::{AskError, Model, QUESTION_BYTES_MAX};
use crate::pipeline::{self, Answered, Explained};
use crate::policy::Policy;
use crate::store::RecordedRationale;

pub fn run(args: &AskArgs) -> Result<Exit, Error> {
    let question = match &args.question {
        Some(question) => utf8(question.clone().into_encoded_bytes())?,
        None => from_stdin()?,
    };
    let (folder, bundle) = open_bundle(&args.bundle)?;
    let task = task(args.task.as_deref(), &bundle)?;
    let mut engine = open_engine(&folder, &bundle)?;
    let policy = policy(args, task);
    let answered = pipeline::answer(&mut engine, &policy, args.think.into(), &question)?;
    let exit = match answered.verdict.decision {
        Decision::Answered => Exit::Success,
        Decision::Escalated(_) => Exit::Person,
    };
    if args.json {
        print_json(&reply(None, answered, &bundle, task, args.explain)?)?;
    } else {
        print(&in_words(&answered, &bundle, task))?; // the answer does not wait for its reasons
        if args.explain {
            let language = answered.language;
            print(&match answered.explain()? {
                Some(explained) => rationale_in_words(&explained, language),
                None => nothing_to_explain(language).to_owned(),
            })?;
        }
    }
    Ok(exit)
}

/// An answer as a machine reads it; with its rationale if `explain`.
pub fn reply<M: Model>(
    id: Option<serde_json::Value>,
    answered: Answered<'_, M>,
    bundle: &Bundle,
    task: &Task,
    explain: bool,
) -> Result<Reply, AskError> {
    let Answered { language, tokens, time_to_answer, .. } = answered;
    let recorded =
        answer::Answered { bundle, task: &task.id, language, verdict: &answered.verdict, tokens, time_to_answer }
            .record(SystemTime::now());
    let reply = Reply::new(id, &recorded, language);
    let explained = if explain { answered.explain()? } else { None };
    Ok(match explained {
        Some(Explained { rationale, agreement, time_to_rationale }) => {
            reply.with_rationale(&RecordedRationale { text: rationale.text, agreement }, time_to_rationale)
        }
        None => reply,
    })
}

/// The task that is named, or the bundle's default.
pub fn task<'b>(named: Option<&str>, bundle: &'b Bundle) -> Result<&'b Task, UnknownTask> {
    named.map_or(Ok(bundle.default_task()), |id| bundle.task(id))
}

/// The task's policy, or the one threshold that the user wants.
pub fn policy(args: &AskArgs, task: &Task) -> Policy {
    let policy = Policy::of(task);
    match args.threshold {
        Some(threshold) => policy.with_threshold(threshold),
        None => policy,
    }
}

fn from_stdin() -> Result<String, Error> {
    let stdin = io::stdin();
    if stdin.is_terminal() {
        // Nobody should wait for a program that waits for them.
        let _ = writeln!(io::stderr(), "Type the question, then Ctrl-D. 質問を入力し、Ctrl-D を押してください。");
    }
    let mut bytes = Vec::new();
    stdin
        .lock()
        .take(QUESTION_BYTES_MAX as u64 + 1)
        .read_to_end(&mut bytes)
        .map_err(|source| Error::Read { path: "standard input".into(), source })?;
    if bytes.len() > QUESTION_BYTES_MAX {
        return Err(AskError::TooLarge.into());
    }
    utf8(bytes)
}

fn utf8(bytes: Vec<u8>) -> Result<String, Error> {
    String::from_utf8(bytes).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        Error::Input(format!(
            "the question is not UTF-8: byte {at} cannot be read. Convert it, e.g. with iconv -f CP932 -t UTF-8"
        ))
    })
}
