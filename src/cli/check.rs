//! Checks of a box and its configuration: OK, WARN or FAIL, what was found, and the way out. Checks nothing itself.

use serde::Serialize;

use super::{Error, print, print_json};

#[derive(Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum State {
    Ok,
    Warn,
    Fail,
}

#[derive(Serialize)]
pub struct Check {
    check: String,
    state: State,
    found: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    hint: Option<String>,
}

impl Check {
    pub fn ok(check: impl Into<String>, found: impl Into<String>) -> Self {
        Self { check: check.into(), state: State::Ok, found: found.into(), hint: None }
    }

    pub fn warn(check: impl Into<String>, found: impl Into<String>, hint: &str) -> Self {
        Self { check: check.into(), state: State::Warn, found: found.into(), hint: Some(hint.to_owned()) }
    }

    pub fn fail(check: impl Into<String>, found: impl Into<String>, hint: &str) -> Self {
        Self { check: check.into(), state: State::Fail, found: found.into(), hint: Some(hint.to_owned()) }
    }
}

/// Prints all, and says whether none failed.
pub fn report(checks: &[Check], json: bool) -> Result<bool, Error> {
    if json {
        print_json(&checks)?;
    } else {
        for Check { check, state, found, hint } in checks {
            let state = match state {
                State::Ok => "OK  ",
                State::Warn => "WARN",
                State::Fail => "FAIL",
            };
            print(&format!("{state}  {check}: {found}"))?;
            if let Some(hint) = hint {
                print(&format!("      hint: {hint}"))?;
            }
        }
    }
    Ok(checks.iter().all(|check| check.state != State::Fail))
}
