//! The life of a case: into the journal, into the worker's hands in the order in which it came, its outcome into the journal and out
//! to its asker, its rationale after it.

use std::time::{Duration, Instant, SystemTime};

use tokio::sync::oneshot;

use super::outbox::OwedPage;
use super::rationales::RationaleTarget;
use super::worker::{Answered, Question, Wanted};
use super::{Event, Gateway, RETRY, logged};
use crate::api;
use crate::api::answer::{self, Message, graph_digest};
use crate::api::status::JournalHealth;
use crate::domain::{CaseEventKind, CaseId, Decision, DeliveryId, DeliveryKind, Mode, chain};
use crate::pipeline::Explained;
use crate::store::{self, Batch, Case, NewCase, Outcome, Received, RecordedRationale, ReviewReason};
use crate::transport::arrival::DropReason;
use crate::transport::request::{Key, OutboundMessage, Refusal, Request, Route, Source, random_unit};
use crate::transport::{OUTBOUND_MAX, Sent};

/// Cases of the outbox that one sweep looks at for what nobody fetches.
const SWEPT_AT_ONCE: usize = 64;
/// An answer that nobody fetched is no longer counted as on its way: as long as a broker keeps one. It stays in the journal and can
/// be fetched as long as there is space; without an end, clients that never come back would fill the journal.
const FETCHED_WITHIN: Duration = Duration::from_secs(7 * 24 * 3600);

/// A step in the life of a case that the journal has taken, or not.
pub(super) enum CaseStep {
    /// A question was brought to the journal; with the cases that wait and are next.
    Kept(Box<Asked>, Result<(Received, Vec<Case>), Refusal>),
    /// These wait and are next.
    Next(Option<Vec<Case>>),
    /// A case has its outcome; `None` where the journal did not take it.
    Ended(CaseId, CaseEventKind, Option<Box<After>>),
    /// The journal did not take an outcome some time ago; the case may be tried again.
    PutBack(CaseId),
    /// What is owed is sent.
    SendOwed,
    /// A page of what is owed.
    Owed(Option<OwedPage>),
    /// A case was read, to send what is owed of it.
    Read(DeliveryId, Option<Case>),
    /// A delivery is written down, or is not.
    Delivered(DeliveryId, Result<(), store::Error>),
    /// A delivery that can never arrive is owed no longer, or the journal did not take that.
    GivenUp(DeliveryId, bool),
    /// The case whose answer a client acknowledged.
    Acknowledged(u32, Option<Case>),
    /// A sweep of the outbox: how far it looked, and what it gave up.
    Swept(Option<CaseId>, Vec<CaseId>),
    /// The case whose rationale is asked for; `None` where the journal cannot be read.
    ToExplain(RationaleTarget, Option<Option<Box<Case>>>),
    /// The oldest case whose asker waits for a rationale that is not written.
    NextRationale(Option<Case>),
    /// A rationale is written down, or given up for a reason; `None` where the journal did not take it.
    Explained(CaseId, Option<String>, Option<Option<Box<Case>>>),
}

/// A question on its way into the journal.
pub(super) struct Asked {
    key: Key,
    route: Route,
    at: Instant,
    expires: Instant,
    taken: oneshot::Sender<Result<(), Refusal>>,
}

/// What the step finds that gives a case its outcome.
pub(super) struct After {
    ended: Option<Case>,
    next: Vec<Case>,
    rationale: Option<Case>,
}

impl Gateway {
    pub(super) fn on_case(&mut self, step: CaseStep) {
        match step {
            CaseStep::Kept(asked, kept) => self.kept(*asked, kept),
            CaseStep::Next(next) => self.start(next.unwrap_or_default()),
            CaseStep::Ended(case, outcome, Some(after)) => self.ended(case, outcome, *after),
            // The journal did not take what became of the case: after a while the model is asked again.
            CaseStep::Ended(case, _, None) => self.journal.later(RETRY, Event::Case(CaseStep::PutBack(case))),
            CaseStep::PutBack(case) => {
                self.scheduler.put_back(case);
                self.start_waiting();
            }
            CaseStep::SendOwed => self.send_owed(None),
            CaseStep::Owed(page) => self.on_owed(page),
            CaseStep::Read(delivery, Some(case)) => self.send_case(delivery, &case),
            CaseStep::Read(delivery, None) => self.outbox.returned(delivery),
            CaseStep::Delivered(delivery, kept) => self.on_delivered(delivery, kept),
            CaseStep::GivenUp(delivery, true) => self.outbox.delivered(delivery),
            CaseStep::GivenUp(delivery, false) => self.outbox.returned(delivery),
            CaseStep::Acknowledged(revision, Some(case)) => {
                self.delivered(DeliveryId { case: case.id, kind: DeliveryKind::Reply(revision) });
            }
            CaseStep::Acknowledged(_, None) => {}
            CaseStep::Swept(through, given_up) => self.outbox.swept(through, &given_up),
            CaseStep::ToExplain(target, found) => self.on_to_explain(target, found),
            CaseStep::NextRationale(Some(case)) => self.ask_for_rationale(case, None),
            CaseStep::NextRationale(None) => {}
            CaseStep::Explained(case, failed, kept) => self.on_explained(case, failed, kept),
        }
    }

    /// Keeps a question. Asked before, it gets the answer that it got then, or goes on waiting for it.
    pub(super) fn ask(&mut self, request: Request, taken: oneshot::Sender<Result<(), Refusal>>) {
        // What the broker has sent is taken to the end: it may not have a place to keep it.
        if self.stopping && request.route.source() != Source::Mqtt {
            drop(taken.send(Err(Refusal::Unavailable("the gateway is stopping; ask again".to_owned()))));
            return;
        }
        let Request { key, task, question, explain, expires_in, route } = request;
        let at = Instant::now();
        let expires_in = expires_in.unwrap_or(self.settings.deadline);
        let task = task.or_else(|| self.settings.task.clone());
        let case = NewCase {
            client: key.client.clone(),
            request: key.id.clone(),
            task: task.unwrap_or_default(), // none: the bundle's own choice, once it is loaded
            question,
            wants_rationale: explain,
            route: api::json(&route),
            source: route.source().name().to_owned(),
            expires_after: Some(expires_in),
            received_at: SystemTime::now(),
        };
        let asked = Box::new(Asked { key, route, at, expires: at + expires_in, taken });
        let next = self.scheduler.next(0);
        let unknown = self.unknown_task(&case.task);
        self.journal.step(
            move |batch| match unknown {
                // Not kept, so that its name is free for the question as it was meant. Asked when the student had the task, it
                // gets the answer that it got then.
                Some(refusal) if batch.find(&case.client, &case.request)?.is_none() => Ok(Err(refusal)),
                _ => Ok(Ok((batch.receive(&case)?, next.find(batch)?))),
            },
            move |kept| {
                let kept = kept.unwrap_or_else(|error| Err(refusal(&error)));
                Event::Case(CaseStep::Kept(asked, kept))
            },
        );
    }

    /// Why a task cannot be asked. Before a student is loaded, each may be one of its tasks.
    fn unknown_task(&self, task: &str) -> Option<Refusal> {
        let bundle = self.bundle.as_ref().filter(|_| !task.is_empty())?;
        bundle.task(task).err().map(|unknown| Refusal::UnknownTask(unknown.to_string()))
    }

    fn kept(&mut self, asked: Asked, kept: Result<(Received, Vec<Case>), Refusal>) {
        let Asked { key, route, at, expires, taken } = asked;
        let source = route.source().name();
        let kept = match kept {
            Ok((Received::New(case), next)) => {
                self.counts.received += 1;
                if self.journal_health == JournalHealth::Full {
                    self.set_journal(JournalHealth::Ok);
                }
                self.metrics.started(case, source, Some(at));
                self.scheduler.received(case, expires);
                self.announce(case, CaseEventKind::Received);
                self.transports.tell_pending(&key, &route, self.scheduler.in_hand(), expires);
                self.start(next);
                if !self.scheduler.is_in_hand(case) && self.scheduler.has_room() {
                    self.start_waiting(); // there was no room when the step was made
                }
                Ok(())
            }
            Ok((Received::Known(case), _)) => {
                self.counts.repeated += 1;
                self.metrics.requested(source, "repeated");
                match case.revision() {
                    None => self.transports.tell_pending(&key, &route, self.scheduler.in_hand(), expires),
                    Some(revision) => {
                        if let Some(message) = answer::reply(&case, revision, self.bundle.as_deref()) {
                            self.send_to(None, route, message, Some(expires));
                        }
                    }
                }
                Ok(())
            }
            Err(refusal) => {
                if refusal == Refusal::Full {
                    self.set_journal(JournalHealth::Full);
                }
                self.metrics.refused(source, refusal.kind());
                log::warn!("question {key} is refused: {refusal}");
                if route.source() != Source::Mqtt {
                    self.send_refusal(&key, route, &refusal); // at the broker its transport does, before it acknowledges the question
                }
                Err(refusal)
            }
        };
        drop(taken.send(kept)); // who brought it may not wait
    }

    /// Gives the worker as many of the questions that wait as it may have in hand, the oldest first.
    pub(super) fn start_waiting(&mut self) {
        if self.scheduler.has_room() {
            let next = self.scheduler.next(0);
            self.journal.step(
                move |batch| next.find(batch),
                |next| Event::Case(CaseStep::Next(logged("look for what waits", next))),
            );
        }
    }

    fn start(&mut self, next: Vec<Case>) {
        for case in next {
            let Some(times) = self.scheduler.start(&case, Instant::now(), SystemTime::now()) else { continue };
            self.metrics.started(case.id, Source::named(&case.asked.source), None);
            self.worker.ask(Question {
                case: case.id,
                asked: times.asked,
                expires: times.expires,
                task: case.asked.task,
                question: case.asked.question,
                wanted: Wanted::Answer,
            });
        }
    }

    pub(super) fn answered(&mut self, answered: &Answered<CaseId>) {
        let case = answered.case;
        if self.scheduler.is_expired(case, Instant::now()) {
            return self.without_answer(case, Outcome::Expired); // whoever asked may be at the next piece already
        }
        let now = SystemTime::now();
        let recorded = answer::Answered {
            bundle: &answered.bundle,
            task: &answered.task,
            language: answered.language,
            verdict: &answered.verdict,
            tokens: answered.tokens,
            time_to_answer: answered.time_to_answer,
        }
        .record(now);
        let drawn = |share: f64| recorded.decision == Decision::Answered && random_unit() < share;
        let audit = drawn(self.settings.audit_share);
        let check = recorded.mode == Mode::AnswerFirst && drawn(self.settings.explain_share);
        let outcome = match recorded.decision {
            Decision::Answered => CaseEventKind::Answered,
            Decision::Escalated(_) => CaseEventKind::Escalated,
        };
        self.checks.some_wait |= check;
        self.end(case, outcome, "write an answer down", move |batch| {
            batch.answered(case, &recorded)?;
            if audit {
                batch.open_review(case, ReviewReason::Audit, now)?;
            }
            if check {
                batch.check_later(case)?;
            }
            Ok(())
        });
    }

    pub(super) fn without_answer(&mut self, case: CaseId, outcome: Outcome) {
        let now = SystemTime::now();
        let what = "write down that there is no answer";
        if let Outcome::Failed(why) = outcome {
            log::warn!("no answer to case {case}: {why}");
            self.end(case, CaseEventKind::Failed, what, move |batch| batch.failed_to_answer(case, &why, now));
        } else {
            self.end(case, CaseEventKind::Expired, what, move |batch| batch.expired(case, now));
        }
    }

    /// Gives a case its outcome. The same step looks up what comes next.
    fn end(
        &mut self,
        case: CaseId,
        outcome: CaseEventKind,
        what: &'static str,
        write: impl FnOnce(&mut Batch<'_>) -> Result<(), store::Error> + Send + 'static,
    ) {
        let next = self.scheduler.next(1);
        self.journal.step(
            move |batch| {
                write(batch)?;
                Ok(Box::new(After {
                    ended: batch.case(case)?,
                    next: next.find(batch)?,
                    rationale: next_rationale(batch)?,
                }))
            },
            move |after| Event::Case(CaseStep::Ended(case, outcome, logged(what, after))),
        );
    }

    /// The case has its outcome: it goes out, and the next question goes to the worker.
    fn ended(&mut self, case: CaseId, outcome: CaseEventKind, after: After) {
        let (count, name) = match outcome {
            CaseEventKind::Answered => (&mut self.counts.answered, "answered"),
            CaseEventKind::Escalated => (&mut self.counts.escalated, "escalated"),
            CaseEventKind::Expired => (&mut self.counts.expired, "expired"),
            _ => (&mut self.counts.failed, "failed"),
        };
        *count += 1;
        self.metrics.ended(case, name, Instant::now());
        let now = Instant::now();
        if let Some(ended) = &after.ended
            && matches!(route(ended), Some(Route::Serial(_)))
            && let Some(at) = self.scheduler.expiry(ended, now, SystemTime::now())
        {
            self.outbox.set_expiry(case, at);
        }
        self.scheduler.ended(case);
        self.announce(case, outcome);
        if let Some(ended) = after.ended {
            let delivery = DeliveryId { case, kind: DeliveryKind::Reply(0) };
            if self.outbox.begin(delivery, Instant::now()) {
                self.send_case(delivery, &ended);
            }
        }
        let waiting = !after.next.is_empty();
        self.start(after.next);
        if waiting {
            self.start_waiting(); // others may have ended at the same time, and each has found the same next one
        }
        if let Some(case) = after.rationale {
            self.ask_for_rationale(case, None);
        }
    }

    // What goes out.

    /// Sends what the journal says is owed, the oldest first.
    pub(super) fn send_owed(&mut self, after: Option<CaseId>) {
        if after.is_none() {
            self.outbox.set_backpressured(false);
        }
        let owed = self.outbox.owed(after, OUTBOUND_MAX);
        self.journal.step(
            move |batch| owed.find(batch),
            |page| Event::Case(CaseStep::Owed(logged("look for what is not delivered", page))),
        );
    }

    fn on_owed(&mut self, page: Option<OwedPage>) {
        let Some(OwedPage { deliveries, through }) = page else { return };
        for (kind, case) in deliveries {
            let delivery = DeliveryId { case: case.id, kind };
            if self.outbox.begin(delivery, Instant::now()) {
                self.send_case(delivery, &case);
            }
            if self.outbox.is_backpressured() {
                return; // the rest follows when these have arrived
            }
        }
        if through.is_some() {
            self.send_owed(through);
        }
    }

    /// Sends one thing that is owed, if it is not on its way already.
    pub(super) fn send(&mut self, delivery: DeliveryId) {
        if self.outbox.begin(delivery, Instant::now()) {
            let case = delivery.case;
            self.journal.step(
                move |batch| batch.case(case),
                move |case| Event::Case(CaseStep::Read(delivery, logged("read a case", case).flatten())),
            );
        }
    }

    fn send_case(&mut self, delivery: DeliveryId, case: &Case) {
        let message = match delivery.kind {
            DeliveryKind::Reply(revision) => answer::reply(case, revision, self.bundle.as_deref()),
            DeliveryKind::Rationale => answer::rationale(case),
        };
        let (Some(message), Some(route)) = (message, route(case)) else { return self.outbox.returned(delivery) };
        if matches!(delivery.kind, DeliveryKind::Reply(_)) {
            self.wake(case, &message);
        }
        let expires = match (&route, delivery.kind) {
            // What was asked is answered in time or not at all. A person's decision and a rationale come when they come.
            (Route::Serial(_), DeliveryKind::Reply(0)) => {
                let expiry = || self.scheduler.expiry(case, Instant::now(), SystemTime::now());
                let expires = self.outbox.expiry(case.id).or_else(expiry);
                // Kept, so that a clock which tells no age of it cannot make it young again.
                expires.into_iter().for_each(|at| self.outbox.set_expiry(case.id, at));
                expires
            }
            _ => None,
        };
        if route == Route::Fetched {
            self.outbox.await_poll(case.id); // it stays in the journal's outbox until it is fetched
            self.outbox.returned(delivery);
        } else if !self.send_to(Some(delivery), route, message, expires) {
            self.outbox.returned(delivery);
        }
    }

    /// False where the message did not leave, and may later.
    fn send_to(
        &mut self,
        delivery: Option<DeliveryId>,
        route: Route,
        message: Message,
        expires: Option<Instant>,
    ) -> bool {
        if route == Route::Fetched {
            return false;
        }
        let sent = self.transports.send(OutboundMessage { delivery, route, message, expires });
        if let (Sent::Never(why), Some(delivery)) = (sent, delivery) {
            self.give_up(delivery, why);
            return true;
        }
        if sent == Sent::NoRoom {
            self.outbox.set_backpressured(true); // what is closed says when it is open again, and holds up no other until then
        }
        sent == Sent::Left
    }

    fn send_refusal(&mut self, key: &Key, route: Route, refusal: &Refusal) {
        let message = answer::refusal(&key.client, &key.id, &refusal.to_string(), refusal.reason());
        self.send_to(None, route, message, None);
    }

    /// Gives an answer to whoever waits for it on a connection.
    fn wake(&mut self, case: &Case, message: &Message) {
        let key = Key { client: case.asked.client.clone(), id: case.asked.request.clone() };
        let given = self.waiters.wake(&key).filter_map(|waiter| waiter.send(Ok(Some(api::json(message)))).ok()).count();
        if given > 0 {
            self.fetched(case, DeliveryKind::Reply(message.rev));
        }
    }

    /// Who asked over HTTP has it; of other cases a look over HTTP is no delivery.
    pub(super) fn fetched(&mut self, case: &Case, kind: DeliveryKind) {
        let owed = match kind {
            DeliveryKind::Reply(_) => !case.delivered,
            DeliveryKind::Rationale => case.asked.wants_rationale,
        };
        if owed && route(case) == Some(Route::Fetched) {
            self.delivered(DeliveryId { case: case.id, kind });
        }
    }

    pub(super) fn acknowledged(&mut self, key: Key, revision: u32) {
        self.journal.step(
            move |batch| batch.find(&key.client, &key.id),
            move |found| Event::Case(CaseStep::Acknowledged(revision, logged("look a case up", found).flatten())),
        );
    }

    pub(super) fn delivered(&mut self, delivery: DeliveryId) {
        self.journal.step_lazily(
            move |batch| batch.delivered(delivery.case, delivery.kind),
            move |kept| Event::Case(CaseStep::Delivered(delivery, kept)),
        );
    }

    fn on_delivered(&mut self, delivery: DeliveryId, kept: Result<(), store::Error>) {
        self.outbox.delivered(delivery);
        match kept {
            Ok(()) => {
                self.counts.delivered += 1;
                self.announce(delivery.case, CaseEventKind::Delivered(delivery.kind));
            }
            Err(error) if error.refusal() == Some(&store::Refusal::DiskFull) => {} // said once, by the journal
            Err(error) => log::warn!("a delivery is not written down, and will be repeated: {}", chain(&error)),
        }
        if self.outbox.is_backpressured() {
            self.send_owed(None);
        }
    }

    /// What can never arrive is owed no longer.
    pub(super) fn give_up(&mut self, delivery: DeliveryId, why: DropReason) {
        log::warn!("the answer to case {} is not sent: {}", delivery.case, why.words());
        self.metrics.dropped(why.name());
        let now = SystemTime::now();
        self.journal.step_lazily(
            move |batch| batch.abandon(delivery.case, now),
            move |kept| Event::Case(CaseStep::GivenUp(delivery, logged("give a delivery up", kept).is_some())),
        );
    }

    /// Gives up what nobody has fetched for long: a part of the outbox at each call, all of it in turn.
    pub(super) fn sweep(&mut self) {
        let (after, now) = (self.outbox.sweep_cursor(), SystemTime::now());
        let look = move |batch: &mut Batch<'_>| {
            let page = batch.undelivered(after, SWEPT_AT_ONCE)?;
            let mut given_up = Vec::new();
            for &(case, _) in &page {
                let Some(kept) = batch.case(case)? else { continue };
                let old = now.duration_since(kept.asked.received_at).is_ok_and(|age| age > FETCHED_WITHIN);
                // A serial port may be gone for good.
                if old && matches!(route(&kept), Some(Route::Fetched | Route::Serial(_))) {
                    batch.abandon(case, now)?;
                    given_up.push(case);
                }
            }
            Ok((page.last().map(|&(case, _)| case), given_up))
        };
        self.journal.step(look, |swept| {
            let (through, given_up) = logged("look for what nobody fetches", swept).unwrap_or_default();
            Event::Case(CaseStep::Swept(through, given_up))
        });
    }

    // Rationales: they come after the answers, and never change one.

    /// Asks for the next rationale that an asker wanted with its question.
    pub(super) fn explain_next(&mut self) {
        self.journal.step(
            |batch| next_rationale(batch),
            |found| {
                let found = logged("look for rationales that are wanted", found).flatten();
                Event::Case(CaseStep::NextRationale(found))
            },
        );
    }

    /// The rationale of an earlier answer: the one that is kept, or one that the model writes now.
    pub(super) fn explain(&mut self, key: Key, target: RationaleTarget) {
        self.journal.step(
            move |batch| batch.find(&key.client, &key.id).map(|case| case.map(Box::new)),
            move |found| Event::Case(CaseStep::ToExplain(target, logged("look a case up", found))),
        );
    }

    fn on_to_explain(&mut self, target: RationaleTarget, found: Option<Option<Box<Case>>>) {
        let refusal = match found {
            None => Refusal::Unavailable("the journal cannot be read now; ask again".to_owned()),
            Some(None) => {
                Refusal::Unknown("no such question; its answer may have been dropped to save space".to_owned())
            }
            Some(Some(case)) => match self.may_explain(&case) {
                Err(refusal) => refusal,
                Ok(()) if case.rationale().is_some() => return self.send_rationale(target, &case),
                Ok(()) => return self.ask_for_rationale(*case, Some(target)),
            },
        };
        self.reject_rationale(target, refusal);
    }

    /// Whether a case has a rationale, or the model can write one now.
    pub(super) fn may_explain(&self, case: &Case) -> Result<(), Refusal> {
        let conflict = |why: &str| Err(Refusal::Conflict(why.to_owned()));
        let recorded = match &case.outcome {
            None => return conflict("the question is not answered yet; ask again"),
            Some(_) if case.rationale().is_some() => return Ok(()),
            Some(Outcome::Answered(recorded)) => recorded,
            Some(Outcome::Expired | Outcome::Failed(_)) => return conflict("there is no answer to explain"),
        };
        match &self.bundle {
            None => conflict("the student is not loaded"),
            Some(bundle) if graph_digest(bundle, &recorded.task) != recorded.student.sha256 => {
                conflict("another student gave the answer, and it is not here any more")
            }
            Some(_) if recorded.answer.is_empty() => conflict("without an answer there is no rationale"),
            Some(_) if !case.question_kept => conflict("the question was dropped to save space"),
            Some(_) if self.rationales.is_full() => {
                Err(Refusal::Unavailable("too many rationales are wanted at once; ask again".to_owned()))
            }
            Some(_) => Ok(()),
        }
    }

    fn ask_for_rationale(&mut self, case: Case, target: Option<RationaleTarget>) {
        if self.rationales.add(case.id, target) {
            self.worker.ask(question_of(case, Wanted::Rationale));
        }
    }

    pub(super) fn explained(&mut self, answered: Answered<CaseId>) {
        let rationale = answered.explained.map(recorded);
        self.record_rationale(answered.case, rationale.filter(|rationale| !rationale.text.is_empty()), None);
    }

    /// The model could not write it. It is owed no longer: what cannot be written would stand before all others for ever.
    pub(super) fn rationale_failed(&mut self, case: CaseId, why: String) {
        log::warn!("no rationale for case {case}: {why}");
        self.record_rationale(case, None, Some(why));
    }

    fn record_rationale(&mut self, case: CaseId, rationale: Option<RecordedRationale>, failed: Option<String>) {
        let now = SystemTime::now();
        self.journal.step(
            move |batch| {
                batch.rationale(case, rationale.as_ref(), now)?;
                Ok(batch.case(case)?.map(Box::new))
            },
            move |kept| Event::Case(CaseStep::Explained(case, failed, logged("write a rationale down", kept))),
        );
    }

    fn on_explained(&mut self, id: CaseId, failed: Option<String>, kept: Option<Option<Box<Case>>>) {
        let targets = self.rationales.take(id);
        let refusal = match (&failed, &kept) {
            (Some(why), _) => Some(Refusal::Failed(format!("the student could not write a rationale: {why}"))),
            (None, Some(Some(_))) => None,
            (None, _) => Some(Refusal::Unavailable("the rationale could not be kept; ask again".to_owned())),
        };
        for target in targets {
            match (&refusal, &kept) {
                (None, Some(Some(case))) => self.send_rationale(target, case),
                (Some(refusal), _) => self.reject_rationale(target, refusal.clone()),
                (None, _) => {}
            }
        }
        let wanted = kept.flatten().is_some_and(|case| case.asked.wants_rationale);
        if failed.is_none() && wanted {
            self.announce(id, CaseEventKind::Explained);
            self.send(DeliveryId { case: id, kind: DeliveryKind::Rationale });
        }
        if failed.is_some() || wanted {
            self.explain_next();
        }
    }

    fn send_rationale(&mut self, target: RationaleTarget, case: &Case) {
        let Some(message) = answer::rationale(case) else { return };
        match target {
            RationaleTarget::Route(_, route) => drop(self.send_to(None, route, message, None)),
            RationaleTarget::Caller(reply) => {
                if reply.send(Ok(api::json(&message))).is_ok() {
                    self.fetched(case, DeliveryKind::Rationale);
                }
            }
        }
    }

    fn reject_rationale(&mut self, target: RationaleTarget, refusal: Refusal) {
        match target {
            RationaleTarget::Route(key, route) => self.send_refusal(&key, route, &refusal),
            RationaleTarget::Caller(reply) => drop(reply.send(Err(refusal))),
        }
    }
}

/// Asks the model about an earlier answer; nobody waits for it.
pub(super) fn question_of(case: Case, wanted: Wanted) -> Question<CaseId> {
    let NewCase { task, question, .. } = case.asked;
    Question { case: case.id, asked: Instant::now(), expires: None, task, question, wanted }
}

/// A rationale as the journal keeps it.
pub(super) fn recorded(explained: Explained) -> RecordedRationale {
    RecordedRationale { text: explained.rationale.text, agreement: explained.agreement }
}

/// What a failed step is to who asked for it.
pub(super) fn refusal(error: &store::Error) -> Refusal {
    use store::Refusal as Step;
    let Some(refused) = error.refusal() else {
        return Refusal::Unavailable(format!("the gateway cannot keep questions now: {}", chain(error)));
    };
    match refused {
        Step::OtherQuestion { .. } => Refusal::Reused(refused.to_string()),
        Step::Full { .. } => Refusal::Full,
        Step::DiskFull => Refusal::DiskFull,
        Step::TooLong { .. } | Step::Empty(_) | Step::Contradiction(_) => Refusal::Unreadable(refused.to_string()),
        Step::Unknown(_) => Refusal::Unknown(refused.to_string()),
        _ => Refusal::Conflict(refused.to_string()),
    }
}

/// The oldest case whose asker waits for a rationale that is not written yet.
fn next_rationale(batch: &Batch<'_>) -> Result<Option<Case>, store::Error> {
    let case = batch.unexplained(None, 1)?.first().copied();
    Ok(case.map(|case| batch.case(case)).transpose()?.flatten())
}

/// Where its answer goes; `None` where the journal's bytes say nothing that this version knows.
fn route(case: &Case) -> Option<Route> {
    serde_json::from_slice(&case.asked.route).ok()
}
