//! The desk's counter: whoever waits on a connection is served here. What changes something is a step of the journal as
//! everything else; nothing here waits for more than a step.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::{Duration, Instant, SystemTime};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokio::time::timeout;

use super::message::{self, Clock, Message};
use super::metrics::Now;
use super::{Desk, ports, review};
use crate::bundle::Bundle;
use crate::domain::chain;
use crate::store::{self, Case, CaseId, Parcel, Resolution};
use crate::triggers::call::{Body, Call, Page, Reply};
use crate::triggers::{Key, Part, Refusal, Route, Stamp};

/// Looked at for what nobody fetches, at once.
const SWEPT_AT_ONCE: usize = 64;
/// An answer that nobody fetched is no longer counted as on its way: as long as a broker keeps one. It stays in the journal and can
/// be fetched as long as there is space; without an end, clients that never come back would fill the journal.
const FETCHED_WITHIN: Duration = Duration::from_secs(7 * 24 * 3600);
/// A journal that is slower than this is not well.
const JOURNAL_TIME_MAX: Duration = Duration::from_secs(2);

/// Where a rationale goes.
pub(super) enum To {
    /// By a letter.
    Route(Route),
    /// To who waits on a connection.
    Caller(Reply<Body>),
}

/// Somebody who waits for an answer; empty once he has been told.
pub(super) type Slot = Rc<RefCell<Option<Reply<Option<Body>>>>>;

/// Is the gateway well?
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Health {
    /// `ok` where all below is as it should be.
    pub status: HealthStatus,
    /// Name and version of the student, if it is loaded.
    pub student: Option<String>,
    /// The journal, as far as it is known without writing: it ends the gateway where a write fails.
    pub journal: JournalHealth,
    /// The broker.
    pub broker: BrokerHealth,
    /// The clock. No part of the sum: on a line without a network it may never be set, and every question is answered.
    pub clock: Clock,
}

/// The sum of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum HealthStatus {
    /// Questions are answered.
    Ok,
    /// Something is missing.
    Impaired,
}

/// The journal's part.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum JournalHealth {
    /// It takes questions.
    Ok,
    /// Its space is used up: new questions are refused.
    Full,
    /// It does not answer.
    Unreachable,
}

/// The broker's part.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum BrokerHealth {
    /// It is there.
    Connected,
    /// It is not.
    Disconnected,
    /// None is configured.
    Off,
}

/// What a failed step is to who asked for it.
pub(super) fn refusal(error: &store::Error) -> Refusal {
    use store::Refusal as Step;
    let Some(refused) = error.refusal() else { return Refusal::Unkept(chain(error)) };
    match refused {
        Step::OtherQuestion { .. } => Refusal::Reused(refused.to_string()),
        Step::Full { .. } => Refusal::Full,
        Step::TooLong { .. } | Step::Empty(_) | Step::Contradiction(_) => Refusal::Unreadable(refused.to_string()),
        Step::Unknown(_) => Refusal::Unknown(refused.to_string()),
        _ => Refusal::Conflict(refused.to_string()),
    }
}

impl Desk {
    pub(super) async fn call(self: Rc<Self>, call: Call) {
        match call {
            Call::Answer { key, wait, reply } => self.fetch(key, wait, reply).await,
            Call::Explain { key, reply } => self.explain(key, To::Caller(reply)).await,
            Call::Reviews { state, after, limit, reply } => {
                let page = self.review_step(move |batch, bundle| review::list(batch, state, after, limit, bundle));
                drop(reply.send(page.await.map(|page| json(&page))));
            }
            Call::Review { case, reply } => {
                let found = self.review_step(move |batch, bundle| review::show(batch, CaseId(case), bundle));
                drop(reply.send(found.await.map(|found| json(&found))));
            }
            Call::Claim { case, claim, reply } => {
                let now = SystemTime::now();
                let claimed = self.review_step(move |batch, bundle| {
                    batch.claim(CaseId(case), &claim.reviewer, now)?;
                    review::show(batch, CaseId(case), bundle)
                });
                drop(reply.send(claimed.await.map(|claimed| json(&claimed))));
            }
            Call::Resolve { case, resolve, reply } => {
                let now = SystemTime::now();
                let resolved = self
                    .review_step(move |batch, bundle| {
                        let revision = review::resolve(batch, CaseId(case), &resolve, bundle, now)?;
                        Ok((revision, review::show(batch, CaseId(case), bundle)?))
                    })
                    .await;
                let revision = resolved.as_ref().ok().map(|&(revision, _)| revision);
                drop(reply.send(resolved.map(|(_, case)| json(&case))));
                if let Some(revision) = revision {
                    self.send(CaseId(case), Parcel::Reply(revision)).await;
                }
            }
            Call::Export { format, after, limit, reply } => {
                let page = self.review_step(move |batch, bundle| {
                    let export = review::export(batch, after.map(Resolution), limit)?;
                    let body = review::written(&export.lines, format, bundle);
                    Ok(Page { body, through: export.through.0, more: export.more })
                });
                drop(reply.send(page.await));
            }
            Call::Exported { exported, reply } => {
                let now = SystemTime::now();
                let marked = self.writer.step(move |batch| batch.mark_exported(Resolution(exported.through), now));
                drop(reply.send(marked.await.map_err(|error| refusal(&error))));
            }
            Call::Health { reply } => {
                let counts = timeout(JOURNAL_TIME_MAX, self.step("count", |batch| batch.counts())).await.ok().flatten();
                let health = self.health(counts.as_ref());
                drop(reply.send(Ok((health.status == HealthStatus::Ok, json(&health)))));
            }
            Call::Metrics { reply } => {
                let counts = self.writer.step(|batch| Ok((batch.counts()?, batch.dropped_so_far()?))).await;
                let text = counts.map_err(|error| refusal(&error)).map(|(journal, dropped)| {
                    let student = self.bundle.borrow().clone();
                    let (connected, time) = (self.connected.get(), SystemTime::now());
                    let now =
                        Now { student: student.as_deref(), journal: &journal, dropped: &dropped, connected, time };
                    self.metrics.borrow().render(&now).into_bytes()
                });
                drop(reply.send(text));
            }
        }
    }

    /// A step that looks at reviews, with the student's choices at hand.
    async fn review_step<T: Send + 'static>(
        &self,
        step: impl FnOnce(&mut store::Batch<'_>, Option<&Bundle>) -> Result<T, review::Error> + Send + 'static,
    ) -> Result<T, Refusal> {
        let bundle = self.bundle.borrow().clone();
        let done = self.writer.step(move |batch| match step(batch, bundle.as_deref()) {
            Ok(done) => Ok(Ok(done)),
            Err(review::Error::Store(error)) => Err(error),
            Err(error) => Ok(Err(error)), // refused before anything was written
        });
        match done.await {
            Ok(Ok(done)) => Ok(done),
            Ok(Err(error @ review::Error::Unknown(_))) => Err(Refusal::Unknown(error.to_string())),
            Ok(Err(error @ review::Error::NoStudent(_))) => Err(Refusal::Conflict(error.to_string())),
            Ok(Err(error)) => Err(Refusal::Unreadable(error.to_string())),
            Err(error) => Err(refusal(&error)),
        }
    }

    /// The answer that is there; else a place among those who wait.
    async fn fetch(self: &Rc<Self>, key: Key, wait: bool, reply: Reply<Option<Body>>) {
        let slot: Slot = Rc::new(RefCell::new(Some(reply)));
        if wait {
            // Before looking, so that an answer that comes meanwhile finds who waits for it.
            let mut waiting = self.waiting.borrow_mut();
            let slots = waiting.entry(key.clone()).or_default();
            slots.retain(waits);
            slots.push(slot.clone());
        }
        let (client, id) = (key.client.clone(), key.id.clone());
        let found = self.writer.step(move |batch| batch.find(&client, &id)).await;
        let Some(reply) = slot.borrow_mut().take() else { return };
        let told = match found {
            Ok(Some(case)) => match case.revision() {
                None if wait => {
                    *slot.borrow_mut() = Some(reply);
                    return;
                }
                None => reply.send(Ok(None)),
                Some(revision) => {
                    let said = message::reply(&case, revision, self.bundle.borrow().as_deref());
                    let told = reply.send(Ok(said.as_ref().map(json)));
                    if told.is_ok() && said.is_some() {
                        self.fetched(&case, Part::Reply(revision)).await;
                    }
                    told
                }
            },
            Ok(None) => {
                let why = format!("no question {key} here; its answer may have been dropped to save space");
                reply.send(Err(Refusal::Unknown(why)))
            }
            Err(error) => reply.send(Err(refusal(&error))),
        };
        drop(told); // who is gone asks again
        let mut waiting = self.waiting.borrow_mut();
        if waiting.get_mut(&key).is_some_and(|slots| {
            slots.retain(waits);
            slots.is_empty()
        }) {
            waiting.remove(&key);
        }
    }

    /// Tells an answer to whoever waits for it.
    pub(super) fn wake(self: &Rc<Self>, case: &Case, message: &Message) {
        let key = Key { client: case.asked.client.clone(), id: case.asked.request.clone() };
        let slots = self.waiting.borrow_mut().remove(&key).unwrap_or_default();
        let told = slots.iter().filter_map(|slot| slot.borrow_mut().take()?.send(Ok(Some(json(message)))).ok()).count();
        if told > 0 {
            let (desk, case, revision) = (self.clone(), case.clone(), message.rev);
            tokio::task::spawn_local(async move { desk.fetched(&case, Part::Reply(revision)).await });
        }
    }

    /// Who asked over HTTP has it; of other cases a look over HTTP is no delivery.
    async fn fetched(self: &Rc<Self>, case: &Case, part: Part) {
        let due = match part {
            Part::Reply(_) => !case.delivered,
            Part::Rationale => case.asked.wants_rationale,
        };
        if due && route(case) == Some(Route::Fetched) {
            self.delivered(Stamp { case: case.id.0, part }).await;
        }
    }

    pub(super) fn tell_why(self: &Rc<Self>, to: To, case: &Case) {
        let Some(message) = message::rationale(case) else { return };
        match to {
            To::Route(route) => drop(self.post(None, route, &message)),
            To::Caller(reply) => {
                if reply.send(Ok(json(&message))).is_ok() {
                    let (desk, case) = (self.clone(), case.clone());
                    tokio::task::spawn_local(async move { desk.fetched(&case, Part::Rationale).await });
                }
            }
        }
    }

    pub(super) fn tell_why_not(&self, to: To, key: &Key, refusal: Refusal) {
        match to {
            To::Route(route) => {
                let message = message::refusal(&key.client, &key.id, &refusal.to_string(), ports::code(&refusal));
                self.post(None, route, &message);
            }
            To::Caller(reply) => drop(reply.send(Err(refusal))),
        }
    }

    /// The case has its outcome.
    pub(super) fn tell_metrics(&self, case: CaseId, outcome: &'static str) {
        let Some(begun) = self.begun.borrow_mut().remove(&case) else { return };
        let mut metrics = self.metrics.borrow_mut();
        metrics.requested(begun.source, outcome);
        if let Some(at) = begun.at {
            metrics.took(begun.source, Instant::now() - at);
        }
    }

    /// A part of the outbox at each call, all of it in turn.
    pub(super) async fn give_up_what_nobody_fetches(&self) {
        let (after, now) = (self.swept.get(), SystemTime::now());
        let swept = self.step("look for what nobody fetches", move |batch| {
            let page = batch.undelivered(after, SWEPT_AT_ONCE)?;
            let mut gone = Vec::new();
            for &(case, _) in &page {
                let Some(kept) = batch.case(case)? else { continue };
                let old = now.duration_since(kept.asked.received_at).is_ok_and(|age| age > FETCHED_WITHIN);
                if old && route(&kept) == Some(Route::Fetched) {
                    batch.abandon(case, now)?;
                    gone.push(case);
                }
            }
            Ok((page.last().map(|&(case, _)| case), gone))
        });
        let (last, gone) = swept.await.unwrap_or_default();
        self.swept.set(last);
        self.fetchable.borrow_mut().retain(|case| !gone.contains(case));
    }

    fn health(&self, counts: Option<&store::Counts>) -> Health {
        let student = self.bundle.borrow().as_deref().map(Bundle::student);
        let journal = match counts {
            None => JournalHealth::Unreachable,
            Some(counts) if counts.full => JournalHealth::Full,
            Some(_) => JournalHealth::Ok,
        };
        let broker = match self.connected.get() {
            None => BrokerHealth::Off,
            Some(true) => BrokerHealth::Connected,
            Some(false) => BrokerHealth::Disconnected,
        };
        let well = student.is_some() && journal == JournalHealth::Ok && broker != BrokerHealth::Disconnected;
        let status = if well { HealthStatus::Ok } else { HealthStatus::Impaired };
        Health { status, student, journal, broker, clock: Clock::showing(SystemTime::now()) }
    }
}

fn waits(slot: &Slot) -> bool {
    slot.borrow().as_ref().is_some_and(|reply| !reply.is_closed())
}

/// Where its answer goes; `None` where the journal's bytes say nothing that this version knows.
pub(super) fn route(case: &Case) -> Option<Route> {
    serde_json::from_slice(&case.asked.route).ok()
}

pub(super) fn json(value: &impl Serialize) -> Body {
    serde_json::to_vec(value).expect("our own records have string keys and finite numbers")
}
