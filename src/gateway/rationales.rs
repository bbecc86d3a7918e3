//! Rationales that the model is asked for and has not written yet, and who waits for each. Writes none itself.

use std::collections::HashMap;

use crate::domain::CaseId;
use crate::transport::call::{Body, Reply};
use crate::transport::request::{Key, Route};

/// Cases whose rationale the model is asked for at once: it writes a few in a second, and answers come first.
const PENDING_MAX: usize = 64;

/// Where a rationale goes.
pub enum RationaleTarget {
    /// To whoever asked, through its transport.
    Route(Key, Route),
    /// To who waits on a connection.
    Caller(Reply<Body>),
}

/// The rationales that are being written.
#[derive(Default)]
pub struct PendingRationales {
    pending: HashMap<CaseId, Vec<RationaleTarget>>,
}

impl PendingRationales {
    /// One more wants it, or, without a target, the asker who wanted it with the question. True where the model must be asked.
    pub fn add(&mut self, case: CaseId, target: Option<RationaleTarget>) -> bool {
        let new = !self.pending.contains_key(&case);
        self.pending.entry(case).or_default().extend(target);
        new
    }

    /// None is being written.
    pub fn is_empty(&self) -> bool {
        self.pending.is_empty()
    }

    /// No more can be asked for now.
    pub fn is_full(&self) -> bool {
        self.pending.len() >= PENDING_MAX
    }

    /// It is written, or never will be; returns who waits for it.
    pub fn take(&mut self, case: CaseId) -> Vec<RationaleTarget> {
        self.pending.remove(&case).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use tokio::sync::oneshot;

    use super::*;

    #[test]
    fn the_model_is_asked_once_for_all_who_want_the_same_rationale() {
        let mut pending = PendingRationales::default();
        assert!(pending.add(CaseId(1), None));
        assert!(!pending.add(CaseId(1), Some(RationaleTarget::Caller(oneshot::channel().0))));
        let key = Key { client: "plc".to_owned(), id: "1".to_owned() };
        assert!(!pending.add(CaseId(1), Some(RationaleTarget::Route(key, Route::Fetched))));
        assert_eq!(pending.take(CaseId(1)).len(), 2);
        assert!(pending.take(CaseId(1)).is_empty() && pending.add(CaseId(1), None));
    }

    #[test]
    fn there_is_an_end_to_what_is_asked_for_at_once() {
        let mut pending = PendingRationales::default();
        (0..PENDING_MAX).for_each(|case| assert!(!pending.is_full() && pending.add(CaseId(case as i64), None)));
        assert!(pending.is_full());
        pending.take(CaseId(0));
        assert!(!pending.is_full());
    }
}
