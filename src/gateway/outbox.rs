//! The outbox: what is on its way to its asker, what waits to be fetched, and whether more waits than can leave. The journal says what
//! is owed; this says what is being done about it. Pure.

use std::collections::{HashMap, HashSet};
use std::time::{Duration, Instant};

use crate::domain::{CaseId, DeliveryId, DeliveryKind};
use crate::store::{self, Batch, Case};

/// What was sent and has not arrived yet.
#[derive(Default)]
pub struct Outbox {
    /// On their way since then; none is sent twice at once.
    in_flight: HashMap<DeliveryId, Instant>,
    /// When an answer on a serial line is of no use any more, by the clock that never jumps; of what this process has answered.
    expiries: HashMap<CaseId, Instant>,
    /// Only whoever asked can fetch these: nothing is sent.
    awaiting_poll: HashSet<CaseId>,
    /// How far the journal's outbox was looked through for what nobody fetches.
    sweep_cursor: Option<CaseId>,
    /// Something stayed behind because too much was on its way.
    backpressured: bool,
}

impl Outbox {
    /// Begins a delivery; false where it is on its way already.
    pub fn begin(&mut self, delivery: DeliveryId, now: Instant) -> bool {
        let new = !self.in_flight.contains_key(&delivery);
        if new {
            self.in_flight.insert(delivery, now);
        }
        new
    }

    /// The delivery did not leave, or came back.
    pub fn returned(&mut self, delivery: DeliveryId) {
        self.in_flight.remove(&delivery);
    }

    /// The delivery arrived, or was given up.
    pub fn delivered(&mut self, delivery: DeliveryId) {
        self.in_flight.remove(&delivery);
        self.awaiting_poll.remove(&delivery.case);
        self.expiries.remove(&delivery.case);
    }

    /// The answer to this case is of no use after that.
    pub fn set_expiry(&mut self, case: CaseId, at: Instant) {
        self.expiries.insert(case, at);
    }

    /// When the answer to this case is of no use any more, if it is known.
    pub fn expiry(&self, case: CaseId) -> Option<Instant> {
        self.expiries.get(&case).copied()
    }

    /// Whoever asked will fetch the answer to this case.
    pub fn await_poll(&mut self, case: CaseId) {
        self.awaiting_poll.insert(case);
    }

    /// What was on its way is lost with its transport; it is sent again.
    pub fn forget_in_flight(&mut self) {
        self.in_flight.clear();
    }

    /// Whether a delivery has been on its way for longer than this.
    pub fn is_stuck(&self, now: Instant, longest: Duration) -> bool {
        self.in_flight.values().any(|since| now.saturating_duration_since(*since) > longest)
    }

    /// Nothing is on its way, and nothing stayed behind.
    pub fn is_at_rest(&self) -> bool {
        self.in_flight.is_empty() && !self.backpressured
    }

    /// Too much is on its way; the rest waits until something has arrived.
    pub fn set_backpressured(&mut self, backpressured: bool) {
        self.backpressured = backpressured;
    }

    /// Whether something stayed behind.
    pub fn is_backpressured(&self) -> bool {
        self.backpressured
    }

    /// A look at the journal for what is owed and not on its way, from behind `after` on.
    pub fn owed(&self, after: Option<CaseId>, limit: usize) -> Owed {
        Owed { after, limit, in_flight: self.in_flight.keys().copied().collect(), skip: self.awaiting_poll.clone() }
    }

    /// Where the next sweep begins.
    pub fn sweep_cursor(&self) -> Option<CaseId> {
        self.sweep_cursor
    }

    /// A sweep has looked as far as this, and given these up.
    pub fn swept(&mut self, through: Option<CaseId>, given_up: &[CaseId]) {
        self.sweep_cursor = through;
        self.awaiting_poll.retain(|case| !given_up.contains(case));
    }
}

/// A look at the journal for what is owed.
pub struct Owed {
    after: Option<CaseId>,
    limit: usize,
    in_flight: HashSet<DeliveryId>,
    skip: HashSet<CaseId>,
}

/// A page of what is owed.
#[derive(Debug)]
pub struct OwedPage {
    /// The oldest first.
    pub deliveries: Vec<(DeliveryKind, Case)>,
    /// The next page begins behind this case; `None` at the end.
    pub through: Option<CaseId>,
}

impl Owed {
    /// The page.
    pub fn find(&self, batch: &Batch<'_>) -> Result<OwedPage, store::Error> {
        let page = batch.undelivered(self.after, self.limit)?;
        let through = page.last().map(|&(case, _)| case);
        let mut deliveries = Vec::new();
        for (case, kind) in page {
            if self.skip.contains(&case) || self.in_flight.contains(&DeliveryId { case, kind }) {
                continue;
            }
            deliveries.extend(batch.case(case)?.map(|case| (kind, case)));
        }
        Ok(OwedPage { deliveries, through })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const REPLY: DeliveryId = DeliveryId { case: CaseId(1), kind: DeliveryKind::Reply(0) };

    #[test]
    fn a_delivery_is_on_its_way_once_at_a_time() {
        let (mut outbox, now) = (Outbox::default(), Instant::now());
        assert!(outbox.begin(REPLY, now));
        assert!(!outbox.begin(REPLY, now));
        assert!(
            outbox.begin(DeliveryId { kind: DeliveryKind::Rationale, ..REPLY }, now),
            "the rationale is another one"
        );
        outbox.returned(REPLY);
        assert!(outbox.begin(REPLY, now));
        outbox.delivered(REPLY);
        assert!(outbox.begin(REPLY, now), "asked for again, it is sent again");
        outbox.forget_in_flight();
        assert!(outbox.begin(REPLY, now));
    }

    #[test]
    fn what_is_on_its_way_for_too_long_is_stuck() {
        let (mut outbox, now, minute) = (Outbox::default(), Instant::now(), Duration::from_secs(60));
        outbox.begin(REPLY, now);
        assert!(!outbox.is_stuck(now + minute, minute));
        assert!(outbox.is_stuck(now + 2 * minute, minute));
        outbox.delivered(REPLY);
        assert!(!outbox.is_stuck(now + 2 * minute, minute));
    }

    #[test]
    fn what_is_given_up_is_no_longer_awaited() {
        let mut outbox = Outbox::default();
        outbox.await_poll(CaseId(1));
        outbox.await_poll(CaseId(2));
        outbox.swept(Some(CaseId(2)), &[CaseId(1)]);
        assert_eq!((outbox.owed(None, 1).skip, outbox.sweep_cursor()), (HashSet::from([CaseId(2)]), Some(CaseId(2))));
    }
}
