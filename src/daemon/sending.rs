//! The outbox: what the journal says is not delivered goes out, each letter once at a time, until it has arrived. Writes no
//! answer.

use std::rc::Rc;
use std::time::Instant;

use super::message::{self, Message};
use super::{Desk, LETTERS_MAX, calls};
use crate::domain::chain;
use crate::store::{Case, CaseId, Parcel};
use crate::triggers::{Key, Letter, Part, Route, Stamp};

impl Desk {
    /// Sends what the journal says is not delivered, the oldest first.
    pub(super) async fn send_undelivered(self: &Rc<Self>) {
        self.unsent.set(false);
        let mut after = None;
        loop {
            let page =
                self.step("look for what is not delivered", move |batch| batch.undelivered(after, LETTERS_MAX)).await;
            let page = page.unwrap_or_default();
            for &(case, parcel) in &page {
                if self.fetchable.borrow().contains(&case) {
                    continue;
                }
                self.send(case, parcel).await;
                if self.unsent.get() {
                    return; // the rest follows when these have arrived
                }
            }
            let Some(&(last, _)) = page.last() else { return };
            after = Some(last);
        }
    }

    pub(super) async fn send(self: &Rc<Self>, case: CaseId, parcel: Parcel) {
        let Some(stamp) = self.begin_to_send(case, parcel) else { return };
        match self.step("read a case", move |batch| batch.case(case)).await {
            Some(Some(case)) => self.send_case(stamp, parcel, &case),
            _ => drop(self.sending.borrow_mut().remove(&stamp)),
        }
    }

    /// `None` where it is on its way already.
    pub(super) fn begin_to_send(&self, case: CaseId, parcel: Parcel) -> Option<Stamp> {
        let part = match parcel {
            Parcel::Reply(revision) => Part::Reply(revision),
            Parcel::Rationale => Part::Rationale,
        };
        let stamp = Stamp { case: case.0, part };
        let mut sending = self.sending.borrow_mut();
        (!sending.contains_key(&stamp)).then(|| {
            sending.insert(stamp, Instant::now());
            stamp
        })
    }

    pub(super) fn send_case(self: &Rc<Self>, stamp: Stamp, parcel: Parcel, case: &Case) {
        let message = match parcel {
            Parcel::Reply(revision) => message::reply(case, revision, self.bundle.borrow().as_deref()),
            Parcel::Rationale => message::rationale(case),
        };
        let sent = match (message, calls::route(case)) {
            (Some(message), Some(route)) => {
                if let Part::Reply(_) = stamp.part {
                    self.wake(case, &message);
                }
                if route == Route::Fetched {
                    self.fetchable.borrow_mut().insert(case.id);
                }
                self.post(Some(stamp), route, &message)
            }
            _ => false,
        };
        if !sent {
            self.sending.borrow_mut().remove(&stamp);
        }
    }

    /// False where the letter did not leave.
    pub(super) fn post(&self, stamp: Option<Stamp>, route: Route, message: &Message) -> bool {
        let left = match route {
            Route::Serial(to) => self.ports.borrow().post(stamp, to, message.clone()),
            Route::Mqtt(_) => {
                let letter =
                    Letter { stamp, route, body: calls::json(message), short: calls::json(&message.in_short()) };
                let letters = self.letters.borrow();
                letters.as_ref().is_some_and(|letters| letters.try_send(letter).is_ok())
            }
            Route::Fetched => return false, // it stays in the outbox until it is fetched
        };
        if !left {
            self.unsent.set(true);
        }
        left
    }

    pub(super) async fn acknowledged(self: &Rc<Self>, key: Key, revision: u32) {
        let found = self.step("look a case up", move |batch| batch.find(&key.client, &key.id)).await;
        if let Some(Some(case)) = found {
            self.delivered(Stamp { case: case.id.0, part: Part::Reply(revision) }).await;
        }
    }

    pub(super) async fn delivered(self: &Rc<Self>, stamp: Stamp) {
        let case = CaseId(stamp.case);
        let parcel = match stamp.part {
            Part::Reply(revision) => Parcel::Reply(revision),
            Part::Rationale => Parcel::Rationale,
        };
        let kept = self.writer.step_lazily(move |batch| batch.delivered(case, parcel)).await;
        self.sending.borrow_mut().remove(&stamp);
        self.fetchable.borrow_mut().remove(&case);
        match kept {
            Ok(()) => self.count(|counts| counts.delivered += 1),
            Err(error) => log::warn!("a delivery is not written down, and will be repeated: {}", chain(&error)),
        }
        if self.unsent.get() {
            self.send_undelivered().await;
        }
    }
}
