//! Prints the results of checks.

use super::{Error, print, print_json};
use crate::config::check::{Check, State};

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
