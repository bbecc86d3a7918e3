//! Prints the results of checks.

use super::Error;
use super::output::{print_json, print_wrapped};
use crate::config::check::{Check, State};

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
