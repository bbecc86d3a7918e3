//! A share of the first answers is explained when the model has nothing else to do: where the reasons lead elsewhere, a person is
//! asked. What is to be checked stands in the journal, so that a restart forgets none. No answer waits for a check or is changed by one.

use std::time::SystemTime;

use super::cases::{question_of, recorded};
use super::worker::{Answered, Wanted};
use super::{Event, Gateway, logged};
use crate::domain::{Agreement, CaseId};
use crate::store::{Case, RecordedRationale};

/// What is known of the answers that wait for a check.
pub(super) struct Checks {
    /// Some may wait in the journal: nobody looks there for what is known not to be.
    pub some_wait: bool,
    /// One is looked for, or the model has it.
    busy: bool,
}

impl Default for Checks {
    /// An earlier process may have left some.
    fn default() -> Self {
        Self { some_wait: true, busy: false }
    }
}

impl Gateway {
    /// Looks for the next answer to check, where the model has nothing else to do.
    pub(super) fn check_next(&mut self) {
        let wanted = self.settings.explain_share > 0.0 && self.bundle.is_some() && !self.stopping;
        let idle = self.scheduler.in_hand() == 0 && self.rationales.is_empty();
        if wanted && idle && self.checks.some_wait && !self.checks.busy {
            self.checks.busy = true;
            self.journal.step(
                |batch| {
                    while let Some(case) = batch.unchecked()? {
                        match batch.case(case)? {
                            Some(case) if case.rationale().is_none() => return Ok(Some(Box::new(case))),
                            _ => batch.checked(case)?, // it is gone, or has its reasons already
                        }
                    }
                    Ok(None)
                },
                |case| Event::Check(logged("look for an answer to check", case).flatten()),
            );
        }
    }

    pub(super) fn check(&mut self, case: Option<Case>) {
        let Some(case) = case else {
            self.checks = Checks { some_wait: false, busy: false };
            return;
        };
        if self.may_explain(&case).is_err() {
            return self.check_done(case.id, None, "impossible"); // another model gave it, or its question is dropped
        }
        self.worker.ask(question_of(case, Wanted::Check));
    }

    pub(super) fn checked(&mut self, answered: Answered<CaseId>) {
        let reasons = answered.explained.map(recorded).filter(|reasons| !reasons.text.trim().is_empty());
        let outcome = match reasons.as_ref().and_then(|reasons| reasons.agreement) {
            Some(Agreement { agrees: true, .. }) => "agrees",
            Some(Agreement { agrees: false, .. }) => "disagrees",
            None => "inconclusive",
        };
        if outcome == "disagrees" {
            log::warn!("the reasons for the answer to case {} lead elsewhere; a person is asked", answered.case);
        }
        self.check_done(answered.case, reasons, outcome);
    }

    pub(super) fn check_failed(&mut self, case: CaseId, why: &str) {
        log::info!("the answer to case {case} could not be checked: {why}");
        self.check_done(case, None, "failed");
    }

    /// Writes down what a check has found; a rationale that leads elsewhere opens a review there.
    pub(super) fn check_done(&mut self, case: CaseId, reasons: Option<RecordedRationale>, outcome: &'static str) {
        self.metrics.checked(outcome);
        let now = SystemTime::now();
        self.journal.step(
            move |batch| {
                batch.checked(case)?;
                if let Some(reasons) = &reasons {
                    batch.rationale(case, Some(reasons), now)?;
                }
                Ok(())
            },
            |done| Event::Checked(logged("write a check down", done).is_some()),
        );
    }

    pub(super) fn after_check(&mut self, kept: bool) {
        self.checks.busy = false;
        if kept {
            self.check_next();
        }
    }
}
