//! One result of checking a device or its configuration: OK, WARN or FAIL, what was found, and the way out. Prints nothing.

use serde::Serialize;

/// How a check ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum State {
    /// As it should be.
    Ok,
    /// It works, and may not be what was meant.
    Warn,
    /// It does not work.
    Fail,
}

/// One check.
#[derive(Clone, Debug, Serialize)]
pub struct Check {
    /// What was checked: its name in JSON.
    pub check: String,
    /// Its name in text, if that is another.
    #[serde(skip)]
    pub title: Option<&'static str>,
    /// How it ended.
    pub state: State,
    /// What was found.
    pub found: String,
    /// The way out, where it is not OK.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
}

impl Check {
    /// The same, with another name in text.
    #[must_use]
    pub fn titled(self, title: &'static str) -> Self {
        Self { title: Some(title), ..self }
    }

    /// As it should be.
    pub fn ok(check: impl Into<String>, found: impl Into<String>) -> Self {
        Self { check: check.into(), title: None, state: State::Ok, found: found.into(), hint: None }
    }

    /// It works, and may not be what was meant.
    pub fn warn(check: impl Into<String>, found: impl Into<String>, hint: &str) -> Self {
        Self { check: check.into(), title: None, state: State::Warn, found: found.into(), hint: Some(hint.to_owned()) }
    }

    /// It does not work.
    pub fn fail(check: impl Into<String>, found: impl Into<String>, hint: &str) -> Self {
        Self { check: check.into(), title: None, state: State::Fail, found: found.into(), hint: Some(hint.to_owned()) }
    }
}
