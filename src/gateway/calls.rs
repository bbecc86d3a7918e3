//! What somebody asks on a connection and waits for: an answer that is there, the reviews, health and metrics. What changes something
//! is a step of the journal as everything else; nothing here waits for more than a step.

use std::time::{Duration, SystemTime};

use tokio::task::spawn_local;
use tokio::time::timeout;

use super::metrics::Now;
use super::rationales::RationaleTarget;
use super::waiters::{Waiter, WaiterId};
use super::{Event, Gateway, cases};
use crate::api::answer::reply as reply_to;
use crate::api::status::{BrokerHealth, Clock, Health, HealthStatus, JournalHealth};
use crate::api::{json, review};
use crate::bundle::Bundle;
use crate::domain::{CaseEventKind, CaseId, DeliveryId, DeliveryKind};
use crate::store::{self, Batch, Case, Resolution};
use crate::transport::call::{Body, Call, Page, Reply};
use crate::transport::request::{Key, Refusal};

/// A journal that takes longer for a step is not well.
const JOURNAL_TIME_MAX: Duration = Duration::from_secs(2);

/// What a call asked of the journal is known.
pub(super) enum CallEvent {
    /// The case of an answer that somebody asks for.
    Found(Fetch, Result<Option<Case>, store::Error>),
    /// A review is resolved: the reply of this case has a new revision.
    Resolved(CaseId, u32),
    /// The journal's counts, if it told them in time, for its health.
    Health(Option<store::Counts>, Reply<(bool, Body)>),
    /// The journal's counts and what it dropped, for the metrics.
    Metrics(Result<(store::Counts, Vec<store::Dropped>), store::Error>, Reply<Body>),
}

/// Somebody who asks for an answer.
pub(super) enum Fetch {
    /// As it is now.
    Now(Key, Waiter),
    /// They wait until it is there.
    Wait(Key, WaiterId),
}

impl Gateway {
    pub(super) fn call(&mut self, call: Call) {
        match call {
            Call::Answer { key, wait, reply } => {
                let (client, id) = (key.client.clone(), key.id.clone());
                // Waiting begins before the look, so that an answer that comes meanwhile finds who waits for it.
                let fetch =
                    if wait { Fetch::Wait(key.clone(), self.waiters.add(key, reply)) } else { Fetch::Now(key, reply) };
                self.journal.step(
                    move |batch| batch.find(&client, &id),
                    move |found| Event::Call(CallEvent::Found(fetch, found)),
                );
            }
            Call::Explain { key, reply } => self.explain(key, RationaleTarget::Caller(reply)),
            Call::Reviews { state, after, limit, reply } => self.review_step(
                move |batch, bundle| review::list(batch, state.into(), after, limit, bundle),
                reply,
                |page| (json(&page), None),
            ),
            Call::Review { case, reply } => self.review_step(
                move |batch, bundle| review::show(batch, CaseId(case), bundle),
                reply,
                |case| (json(&case), None),
            ),
            Call::Claim { case, claim, reply } => {
                let now = SystemTime::now();
                let step = move |batch: &mut Batch<'_>, bundle: Option<&Bundle>| {
                    batch.claim(CaseId(case), &claim.reviewer, now)?;
                    review::show(batch, CaseId(case), bundle)
                };
                self.review_step(step, reply, |case| (json(&case), None));
            }
            Call::Resolve { case, resolve, reply } => {
                let (id, now) = (CaseId(case), SystemTime::now());
                let step = move |batch: &mut Batch<'_>, bundle: Option<&Bundle>| {
                    let revision = review::resolve(batch, id, &resolve, bundle, now)?;
                    Ok((revision, review::show(batch, id, bundle)?))
                };
                self.review_step(step, reply, move |(revision, case)| {
                    (json(&case), Some(CallEvent::Resolved(id, revision)))
                });
            }
            Call::Export { format, after, limit, reply } => {
                let step = move |batch: &mut Batch<'_>, bundle: Option<&Bundle>| {
                    let export = review::export(batch, after.map(Resolution), limit)?;
                    let body = review::written(&export.lines, format, bundle);
                    Ok(Page { body, through: export.through.0, more: export.more })
                };
                self.review_step(step, reply, |page| (page, None));
            }
            Call::Exported { exported, reply } => {
                let now = SystemTime::now();
                let step = move |batch: &mut Batch<'_>, _: Option<&Bundle>| {
                    Ok(batch.mark_exported(Resolution(exported.through), now)?)
                };
                self.review_step(step, reply, |()| ((), None));
            }
            Call::Health { reply } => {
                let (writer, events) = (self.journal.writer.clone(), self.journal.events.clone());
                spawn_local(async move {
                    let counts = timeout(JOURNAL_TIME_MAX, writer.step(|batch| batch.counts())).await;
                    let counts = counts.ok().and_then(|counts| super::logged("count", counts));
                    drop(events.send(Event::Call(CallEvent::Health(counts, reply))));
                });
            }
            Call::Metrics { reply } => self.journal.step(
                |batch| Ok((batch.counts()?, batch.dropped_so_far()?)),
                move |counts| Event::Call(CallEvent::Metrics(counts, reply)),
            ),
            Call::Subscribe { reply } => drop(reply.send(Ok(self.subscribers.subscribe()))),
        }
    }

    pub(super) fn on_call_event(&mut self, event: CallEvent) {
        match event {
            CallEvent::Found(Fetch::Now(key, reply), found) => self.found(&key, Some(reply), found),
            CallEvent::Found(Fetch::Wait(_, _), Ok(Some(case))) if case.revision().is_none() => {} // they go on waiting
            CallEvent::Found(Fetch::Wait(key, id), found) => {
                let waiter = self.waiters.take(&key, id);
                self.found(&key, waiter, found);
            }
            CallEvent::Resolved(case, revision) => {
                self.announce(case, CaseEventKind::Reviewed(revision));
                self.send(DeliveryId { case, kind: DeliveryKind::Reply(revision) });
            }
            CallEvent::Health(counts, reply) => {
                let health = self.health(counts.as_ref());
                drop(reply.send(Ok((health.status == HealthStatus::Ok, json(&health)))));
            }
            CallEvent::Metrics(counts, reply) => {
                let text = counts.map_err(|error| cases::refusal(&error)).map(|(journal, dropped)| {
                    let now = Now {
                        student: self.bundle.as_deref(),
                        journal: &journal,
                        dropped: &dropped,
                        connected: self.transports.broker_connected(),
                        echoes: self.transports.echoes(),
                        disk_full: self.journal_health == JournalHealth::DiskFull,
                        time: SystemTime::now(),
                    };
                    self.metrics.render(&now).into_bytes()
                });
                drop(reply.send(text));
            }
        }
    }

    /// Gives an answer to who asks for it; nobody is there any more who was woken meanwhile.
    fn found(&mut self, key: &Key, waiter: Option<Waiter>, found: Result<Option<Case>, store::Error>) {
        let Some(waiter) = waiter else { return };
        let case = match found {
            Ok(Some(case)) => case,
            Ok(None) => {
                let why = format!("no question {key} here; its answer may have been dropped to save space");
                return drop(waiter.send(Err(Refusal::Unknown(why))));
            }
            Err(error) => return drop(waiter.send(Err(cases::refusal(&error)))),
        };
        let revision = case.revision();
        let message = revision.and_then(|revision| reply_to(&case, revision, self.bundle.as_deref()));
        let given = waiter.send(Ok(message.as_ref().map(json))).is_ok(); // who is gone asks again
        if let (true, Some(message)) = (given, message) {
            self.fetched(&case, DeliveryKind::Reply(message.rev));
        }
    }

    /// A step that looks at reviews, with the bundle's choices at hand; `form` makes of its result what is replied, and what else
    /// happens then.
    fn review_step<T: Send + 'static, R: 'static>(
        &self,
        step: impl FnOnce(&mut Batch<'_>, Option<&Bundle>) -> Result<T, review::Error> + Send + 'static,
        reply: Reply<R>,
        form: impl FnOnce(T) -> (R, Option<CallEvent>) + 'static,
    ) {
        let (bundle, writer, events) = (self.bundle.clone(), self.journal.writer.clone(), self.journal.events.clone());
        spawn_local(async move {
            let done = writer.step(move |batch| match step(batch, bundle.as_deref()) {
                Ok(done) => Ok(Ok(done)),
                Err(review::Error::Store(error)) => Err(error),
                Err(error) => Ok(Err(error)), // refused before anything was written
            });
            let done = match done.await {
                Ok(Ok(done)) => Ok(done),
                Ok(Err(error @ review::Error::Unknown(_))) => Err(Refusal::Unknown(error.to_string())),
                Ok(Err(error @ review::Error::NoStudent(_))) => Err(Refusal::Conflict(error.to_string())),
                Ok(Err(error)) => Err(Refusal::Unreadable(error.to_string())),
                Err(error) => Err(cases::refusal(&error)),
            };
            let (replied, then) = match done.map(form) {
                Ok((replied, then)) => (Ok(replied), then),
                Err(refusal) => (Err(refusal), None),
            };
            drop(reply.send(replied));
            then.into_iter().for_each(|then| drop(events.send(Event::Call(then))));
        });
    }

    fn health(&self, counts: Option<&store::Counts>) -> Health {
        let student = self.bundle.as_deref().map(Bundle::student);
        let journal = match counts {
            _ if self.journal_health == JournalHealth::DiskFull => JournalHealth::DiskFull,
            None => JournalHealth::Unreachable,
            Some(counts) if counts.full => JournalHealth::Full,
            Some(_) => JournalHealth::Ok,
        };
        let broker = match self.transports.broker_connected() {
            None => BrokerHealth::Off,
            Some(true) => BrokerHealth::Connected,
            Some(false) => BrokerHealth::Disconnected,
        };
        let well = student.is_some() && journal == JournalHealth::Ok && broker != BrokerHealth::Disconnected;
        let status = if well { HealthStatus::Ok } else { HealthStatus::Impaired };
        let (clock, serial_echo) = (Clock::showing(SystemTime::now()), self.transports.echoing());
        Health { status, student, journal, broker, clock, serial_echo }
    }
}
