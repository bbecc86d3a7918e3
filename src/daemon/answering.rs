//! A question at the desk: into the journal, into the student's hand in the order in which it came, and its outcome into the
//! journal. Sends nothing, and writes no rationale.

use std::rc::Rc;
use std::time::{Duration, Instant, SystemTime};

use tokio::task::spawn_local;

use super::explaining::{digest, owed};
use super::message;
use super::metrics::Begun;
use super::student::{Answered, Question, Wanted};
use super::{Desk, RETRY, calls, ports};
use crate::domain::{Answer, Decision};
use crate::reply;
use crate::store::{self, Case, CaseId, NewCase, Outcome, Parcel, Received, Recorded, Why};
use crate::triggers::{Refusal, Request, Route, Source, chance};

impl Desk {
    /// Keeps a question. Asked before, it gets the answer that it got then, or goes on waiting for it.
    pub(super) async fn ask(self: Rc<Self>, request: Request) -> Result<(), Refusal> {
        let Request { key, task, question, explain, expires_in, route } = request;
        let (source, now) = (route.source(), Instant::now());
        let expires_in = expires_in.unwrap_or(self.settings.borrow().deadline);
        let expires = now + expires_in;
        let task = task.or_else(|| self.settings.borrow().task.clone());
        let case = NewCase {
            client: key.client.clone(),
            request: key.id.clone(),
            task: task.unwrap_or_default(), // none: the student's own choice, once it is loaded
            question,
            wants_rationale: explain,
            route: serde_json::to_vec(&route).expect("a route has string keys"),
            source: source.name().to_owned(),
            expires_after: Some(expires_in),
            received_at: SystemTime::now(),
        };
        let next = self.next(0);
        let kept = self.writer.step(move |batch| Ok((batch.receive(&case)?, next(batch)?)));
        match kept.await {
            Ok((Received::New(case), next)) => {
                self.count(|counts| counts.received += 1);
                self.begun.borrow_mut().insert(case, Begun { source: source.name(), at: Some(now) });
                self.expiries.borrow_mut().insert(case, expires);
                self.tell_pending(&route);
                self.hand(next);
                if !self.in_hand.borrow().contains(&case) && self.has_room() {
                    spawn_local(async move { self.hand_over().await }); // there was none when the step was made
                }
                Ok(())
            }
            Ok((Received::Known(case), _)) => {
                self.count(|counts| counts.repeated += 1);
                self.metrics.borrow_mut().requested(source.name(), "repeated");
                match case.revision() {
                    None => self.tell_pending(&route),
                    Some(revision) => {
                        if let Some(message) = message::reply(&case, revision, self.bundle.borrow().as_deref()) {
                            self.post(None, route, &message);
                        }
                    }
                }
                Ok(())
            }
            Err(error) => {
                let refusal = calls::refusal(&error);
                self.metrics.borrow_mut().requested(source.name(), "refused");
                log::warn!("question {key} is refused: {refusal}");
                self.post(
                    None,
                    route,
                    &message::refusal(&key.client, &key.id, &refusal.to_string(), ports::code(&refusal)),
                );
                Err(refusal)
            }
        }
    }

    /// Tells a client of a serial line that its question is durable; others hear it from the broker or wait.
    fn tell_pending(&self, route: &Route) {
        if let Route::Serial(to) = route
            && let Some(pending) = ports::pending(to, self.in_hand.borrow().len())
        {
            self.ports.borrow().tell(to, pending);
        }
    }

    fn has_room(&self) -> bool {
        // It is done when the student is there, or is known not to come.
        !self.loading.get() && self.in_hand.borrow().len() < self.settings.borrow().queue
    }

    /// Gives the student as many of the questions that wait as it may have in hand, the oldest first.
    pub(super) async fn hand_over(&self) {
        if self.has_room()
            && let Some(next) = self.step("look for what waits", self.next(0)).await
        {
            self.hand(next);
        }
    }

    /// A look at what waits and is not in hand, where there is room or so many come out of hand by the same step: as part of a step
    /// that is made anyway, since one of its own costs two threads a turn.
    fn next(
        &self,
        freed: usize,
    ) -> impl FnOnce(&mut store::Batch<'_>) -> Result<Vec<Case>, store::Error> + Send + 'static {
        let in_hand = self.in_hand.borrow().clone();
        let room =
            if self.loading.get() { 0 } else { (self.settings.borrow().queue + freed).saturating_sub(in_hand.len()) };
        move |batch| {
            if room == 0 {
                return Ok(Vec::new());
            }
            let waiting = batch.unanswered(None, room + in_hand.len())?;
            let next = waiting.into_iter().filter(|case| !in_hand.contains(case)).take(room);
            Ok(next.map(|case| batch.case(case)).collect::<Result<Vec<_>, _>>()?.into_iter().flatten().collect())
        }
    }

    fn hand(&self, next: Vec<Case>) {
        for case in next {
            if self.has_room() && self.in_hand.borrow_mut().insert(case.id) {
                let begun = || Begun { source: Source::named(&case.asked.source), at: None };
                self.begun.borrow_mut().entry(case.id).or_insert_with(begun);
                let expires = self.expires(&case);
                self.expiries.borrow_mut().extend(expires.map(|expires| (case.id, expires)));
                let asked = expires.zip(case.asked.expires_after).and_then(|(at, after)| at.checked_sub(after));
                self.student.ask(Question {
                    case: case.id,
                    asked: asked.unwrap_or_else(Instant::now),
                    expires,
                    task: case.asked.task,
                    question: case.asked.question,
                    wanted: Wanted::Answer,
                });
            }
        }
    }

    /// What came before this process began expires by the clock on the wall, for want of another; one that went back is not believed.
    /// What came since and is not known here yet came with the batch that found it: its own task has not gone on.
    fn expires(&self, case: &Case) -> Option<Instant> {
        let known = self.expiries.borrow().get(&case.id).copied();
        known.or_else(|| {
            let by_the_wall = || SystemTime::now().duration_since(case.asked.received_at).unwrap_or_default();
            let waited = if case.id > self.earlier { Duration::ZERO } else { by_the_wall() };
            Some(Instant::now() + case.asked.expires_after?.saturating_sub(waited))
        })
    }

    pub(super) async fn answered(self: &Rc<Self>, answered: Answered<CaseId>) {
        let case = answered.case;
        if answered.wanted == Wanted::Rationale {
            return self.explained(case, answered).await;
        }
        let (recorded, now) = (record(&answered), SystemTime::now());
        let stands = recorded.decision == Decision::Answered;
        let audit = stands && chance() < self.settings.borrow().audit_share;
        let known = self.expiries.borrow().get(&case).copied();
        if known.is_some_and(|expires| expires <= Instant::now()) {
            return self.without_answer(case, Outcome::Expired).await; // whoever asked may be at the next piece already
        }
        let after = self.after(case);
        let kept = self.step("write an answer down", move |batch| {
            batch.answered(case, &recorded)?;
            if audit {
                batch.open_review(case, Why::Audit, now)?;
            }
            after(batch)
        });
        if let Some(after) = kept.await {
            self.count(|counts| if stands { counts.answered += 1 } else { counts.escalated += 1 });
            self.tell_metrics(case, if stands { "answered" } else { "escalated" });
            self.ended(case, after).await;
        } else {
            self.put_back(case).await;
        }
    }

    pub(super) async fn without_answer(self: &Rc<Self>, case: CaseId, outcome: Outcome) {
        let (now, after) = (SystemTime::now(), self.after(case));
        let why = match outcome {
            Outcome::Failed(why) => Some(why),
            _ => None,
        };
        let expired = why.is_none();
        if let Some(why) = &why {
            log::warn!("no answer to case {case}: {why}");
        }
        let kept = self.step("write down that there is no answer", move |batch| {
            match why {
                Some(why) => batch.failed_to_answer(case, &why, now)?,
                None => batch.expired(case, now)?,
            }
            after(batch)
        });
        if let Some(after) = kept.await {
            self.count(|counts| if expired { counts.expired += 1 } else { counts.failed += 1 });
            self.tell_metrics(case, if expired { "expired" } else { "failed" });
            self.ended(case, after).await;
        } else {
            self.put_back(case).await;
        }
    }

    /// The journal did not take what became of a case: after a while the student is asked again.
    async fn put_back(&self, case: CaseId) {
        tokio::time::sleep(RETRY).await;
        self.in_hand.borrow_mut().remove(&case);
        self.hand_over().await;
    }

    /// What is looked up in the step that gives a case its outcome.
    fn after(
        &self,
        case: CaseId,
    ) -> impl FnOnce(&mut store::Batch<'_>) -> Result<After, store::Error> + Send + 'static {
        let next = self.next(1);
        move |batch| Ok(After { ended: batch.case(case)?, next: next(batch)?, owed: owed(batch)? })
    }

    /// The case has its outcome: it goes out, and the next question comes in hand.
    async fn ended(self: &Rc<Self>, case: CaseId, after: After) {
        self.in_hand.borrow_mut().remove(&case);
        self.expiries.borrow_mut().remove(&case);
        if let Some(ended) = after.ended
            && let Some(stamp) = self.begin_to_send(case, Parcel::Reply(0))
        {
            self.send_case(stamp, Parcel::Reply(0), &ended);
        }
        let waiting = !after.next.is_empty();
        self.hand(after.next);
        if waiting {
            self.hand_over().await; // others may have ended at the same time, and each has found the same next one
        }
        if let Some(owed) = after.owed {
            self.ask_why(owed, None);
        }
    }
}

/// What a step finds that gives a case its outcome.
struct After {
    ended: Option<Case>,
    next: Vec<Case>,
    owed: Option<Case>,
}

fn record(answered: &Answered<CaseId>) -> Recorded {
    let Answered { bundle, verdict, .. } = answered;
    let task = bundle.task(&answered.task).ok();
    let choice = task.and_then(|task| reply::choice(verdict.answer.as_ref(), task));
    let answer = match (&verdict.answer, choice) {
        (_, Some(choice)) => choice.text.clone(),
        (Some(Answer::Text(text)), None) => text.clone(),
        _ => String::new(),
    };
    let label = task.and_then(|task| reply::label(verdict.answer.as_ref(), task, answered.language));
    Recorded {
        task: answered.task.clone(),
        label: label.unwrap_or_else(|| answer.clone()),
        answer,
        code: choice.map(|choice| choice.code),
        confidence: verdict.confidence,
        band: verdict.band,
        decision: verdict.decision,
        mode: verdict.mode,
        rationale: None,
        student: store::Student {
            name: bundle.manifest.name.clone(),
            version: bundle.manifest.version.to_string(),
            serial: u32::try_from(bundle.manifest.serial).unwrap_or(u32::MAX),
            sha256: digest(bundle, &answered.task),
        },
        tokens: u32::try_from(answered.tokens).unwrap_or(u32::MAX),
        time_to_answer: answered.time_to_answer,
        answered_at: SystemTime::now(),
    }
}
