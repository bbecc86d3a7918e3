//! Results of checks: OK, WARN or FAIL, what was found, and what to do. Checks nothing itself.

use serde::Serialize;

use super::Error;
use super::output::{print_json, print_wrapped};

#[derive(Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum State {
    Ok,
    Warn,
    Fail,
}

#[derive(Serialize)]
pub struct Check {
    /// Its name in JSON.
    check: String,
    /// Its name in text, if that is another.
    #[serde(skip)]
    title: Option<&'static str>,
    state: State,
    found: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    hint: Option<String>,
}

impl Check {
    #[must_use]
    pub fn titled(self, title: &'static str) -> Self {
        Self { title: Some(title), ..self }
    }

    pub fn ok(check: impl Into<String>, found: impl Into<String>) -> Self {
        Self { check: check.into(), title: None, state: State::Ok, found: found.into(), hint: None }
    }

    pub fn warn(check: impl Into<String>, found: impl Into<String>, hint: &str) -> Self {
        Self { check: check.into(), title: None, state: State::Warn, found: found.into(), hint: Some(hint.to_owned()) }
    }

    pub fn fail(check: impl Into<String>, found: impl Into<String>, hint: &str) -> Self {
        Self { check: check.into(), title: None, state: State::Fail, found: found.into(), hint: Some(hint.to_owned()) }
    }
}

/// Prints all; true if none failed.
pub fn report(checks: &[Check], json: bool) -> Result<bool, Error> {
    if json {
        print_json(&checks)?;
    } else {
        for Check { check, title, state, found, hint } in checks {
            let name = title.unwrap_or(check);
            let state = match state {
                State::Ok => "OK  ",
                State::Warn => "WARN",
                State::Fail => "FAIL",
            };
            print_wrapped(&format!("{state}  {name}: {found}"))?;
            if let Some(hint) = hint {
                print_wrapped(&format!("      hint: {hint}"))?;
            }
        }
    }
    Ok(checks.iter().all(|check| check.state != State::Fail))
}
