//! The gateway: questions from every transport through the journal to the model, and what became of them back. Each step of a case is
//! durable before the next one begins.
//!
//! ```text
//! transport --Request--> journal --> acknowledged --> worker --> journal --OutboundMessage--> transport --delivered--> journal
//! ```
//!
//! What can happen to it is one enum, [`Event`]; one loop takes each event in turn and changes the [`Gateway`], which nothing else
//! touches. A step of the journal is brought to the journal's thread; its result comes back as an event.
//!
//! What was acknowledged is answered, whenever the process or the power ends: the journal says what is still to do, and the gateway
//! goes on with that. The same request again gets the recorded answer, to the byte. Nothing here waits for a broker, a network, a
//! clock or a model: without them the gateway runs, keeps questions and says what is missing.
//!
//! Never decides about an answer, and never orders anything by the clock on the wall.

mod calls;
mod cases;
mod checks;
mod metrics;
mod outbox;
mod rationales;
mod scheduler;
pub mod settings;
mod supervision;
mod waiters;
mod worker;

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use sd_notify::NotifyState;
use thiserror::Error;
use tokio::sync::{broadcast, mpsc, oneshot, watch};
use tokio::task::{LocalSet, spawn_local};
use tokio::time::sleep;

use self::calls::CallEvent;
use self::cases::CaseStep;
use self::checks::Checks;
use self::metrics::Metrics;
use self::outbox::Outbox;
use self::rationales::{PendingRationales, RationaleTarget};
use self::scheduler::Scheduler;
pub use self::settings::Settings;
use self::supervision::{HEARTBEAT, STUCK_AFTER, Supervision, notify};
use self::waiters::Waiters;
use self::worker::{Report, Wanted, Worker};
use crate::api::status::{Clock, Counts, JournalHealth};
use crate::bundle::Bundle;
use crate::domain::{CaseEvent, CaseEventKind, CaseId, chain};
use crate::store::{self, Batch, Case, Journal, Opened, Outcome, Running, Writer};
use crate::transport::Transports;
use crate::transport::arrival::Arrival;
use crate::transport::mqtt::Statuses;
use crate::transport::request::{Route, Source};
use crate::wire;

/// Arrivals that the loop has not taken up: more than a transport may have on its way.
const ARRIVALS_MAX: usize = 256;
/// Case events that a subscriber has not read: some seconds of a busy line; a slower one loses the oldest and is told how many.
const CASE_EVENTS_MAX: usize = 256;
/// What failed for a reason that may pass is tried again after this.
const RETRY: Duration = Duration::from_secs(5);

/// Why the gateway does not run.
#[derive(Debug, Error)]
pub enum RunError {
    /// The journal cannot be used.
    #[error("the gateway cannot keep questions")]
    Journal(#[from] store::Error),
    /// A thread or the runtime of the loop could not be started.
    #[error("failed to start the gateway")]
    Start(#[source] io::Error),
}

/// What a gateway is told while it runs.
#[derive(Debug)]
pub enum Order {
    /// To end.
    Stop,
    /// To be another one from now on. What did not change is not touched: no connection ends, no port closes. The journal's folder
    /// and limits take effect at the next start.
    Change(Box<Settings>),
    /// That a new configuration cannot be used, for this reason; it goes on as it is, and tells who watches it.
    ConfigRejected(String),
}

/// Everything that can happen to a gateway.
enum Event {
    /// A transport brings something.
    Arrival(Arrival),
    /// The worker reports.
    Worker(Report<CaseId>),
    /// A step in the life of a case is in the journal, or was not taken.
    Case(CaseStep),
    /// What a call asked of the journal is known.
    Call(CallEvent),
    /// A client asked how the gateway is, and the journal has counted.
    StatusCounted(Route, Option<store::Counts>),
    /// The status is due, and so is a sweep of the outbox.
    Heartbeat,
    /// Systemd's watchdog is due; the journal took a step in time, or not.
    Watchdog(bool),
    /// The gateway is to be another one.
    Change(Box<Settings>),
    /// A new configuration cannot be used, for this reason.
    ConfigRejected(String),
    /// The journal's disk is full, or has room again.
    DiskFull(bool),
    /// Where the broker may retain a status under an earlier name.
    MovedFrom(Vec<String>),
    /// An answer to check is found; `None` where none waits.
    Check(Option<Box<Case>>),
    /// A check is written down, or is not.
    Checked(bool),
    /// Whether the journal has no question that waits for an answer.
    Finished(bool),
}

/// Runs a gateway until it is ordered to stop. `orders` may be dropped while it waits, and is called again.
pub fn run(settings: Settings, orders: impl AsyncFnMut() -> Order) -> Result<(), RunError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(RunError::Start)?;
    let tasks = LocalSet::new();
    let running = tasks.block_on(&runtime, serve(settings, orders))?;
    drop(tasks); // they hold the last writers, and the journal closes when these are gone
    running.join().map_err(RunError::Journal)
}

async fn serve(settings: Settings, mut orders: impl AsyncFnMut() -> Order) -> Result<Running, RunError> {
    let (journal, opened) = Journal::open(&settings.journal, settings.limits)?;
    log_opened(&settings.journal, &opened);
    if Clock::showing(SystemTime::now()) == Clock::Unset {
        log::warn!(
            "the clock is not set: cases and reviews get wrong dates, and a broker with TLS may not be believed; questions are answered, \
             in their order and their time. Set it, or wait for the network's time"
        );
    }
    let (writer, running) = Writer::start(journal, SystemTime::now)?;
    // Unbounded: as many as steps in the journal's queue and questions in the worker's hands, which are bounded, and heartbeats.
    let (events, mut event) = mpsc::unbounded_channel();
    let reports = events.clone();
    let worker = Worker::start(settings.student.clone(), move |report| drop(reports.send(Event::Worker(report))))
        .map_err(RunError::Start)?;
    let (arrivals, mut arrived) = mpsc::channel(ARRIVALS_MAX);
    let status_topic = status_topic(&settings);
    let first = move |batch: &mut Batch<'_>| {
        let moved_from: Vec<String> =
            status_topic.map(|topic| batch.status_retained(&topic)).transpose()?.unwrap_or_default();
        Ok((batch.begin_session()?, batch.counts()?.received, moved_from))
    };
    let (session, newest, moved_from) =
        writer.step(first).await.map_err(|error| error.of_full_disk(&settings.journal))?;
    let supervision = Supervision::new(session, Instant::now());
    let begun = supervision.statuses(&settings.gateway, None, JournalHealth::Ok, &Counts::default(), &moved_from, &[]);
    let (statuses, status_of_broker) = watch::channel(begun);
    let (mut disk_full, disk) = (writer.disk_full(), events.clone());
    spawn_local(async move {
        while disk_full.changed().await.is_ok() {
            let full = *disk_full.borrow_and_update();
            drop(disk.send(Event::DiskFull(full)));
        }
    });
    let watchdog = events.clone();
    supervision::watch(writer.clone(), move |journal| drop(watchdog.send(Event::Watchdog(journal))));
    let transports = Transports::new(arrivals, status_of_broker, session);
    let journal = JournalClient { writer, events };
    let mut gateway = Gateway::new(settings, journal, worker, transports, supervision, statuses, CaseId(newest));
    gateway.moved_from = moved_from;
    gateway.transports.apply(gateway.settings.transports.clone());
    let mut heartbeat = tokio::time::interval(HEARTBEAT);
    loop {
        let next = tokio::select! {
            Some(event) = event.recv() => event,
            Some(arrival) = arrived.recv() => Event::Arrival(arrival),
            _ = heartbeat.tick() => Event::Heartbeat,
            order = orders() => match order {
                Order::Stop => break,
                Order::Change(settings) => Event::Change(settings),
                Order::ConfigRejected(why) => Event::ConfigRejected(why),
            },
        };
        gateway.on(next);
        if running.is_finished() {
            return Ok(running); // the journal has failed; whoever started the gateway starts it again, and it recovers
        }
    }
    log::info!("stopping: no new question is taken, what is in hand is kept");
    notify(&[NotifyState::Stopping]);
    let closed = gateway.stop();
    tokio::pin!(closed);
    loop {
        tokio::select! {
            () = &mut closed => return Ok(running),
            Some(event) = event.recv() => gateway.on(event),
            Some(arrival) = arrived.recv() => gateway.on(Event::Arrival(arrival)),
        }
    }
}

/// Where the broker retains the gateway's status.
fn status_topic(settings: &Settings) -> Option<String> {
    settings.transports.mqtt.as_ref().map(|mqtt| mqtt.topic("status"))
}

fn log_opened(folder: &Path, opened: &Opened) {
    let folder = folder.display();
    match opened {
        Opened::New => log::info!("a new journal in {folder}"),
        Opened::Clean => log::info!("the journal in {folder} is as it was closed"),
        Opened::Recovered => log::warn!("the journal in {folder} was not closed; what was acknowledged is there"),
        Opened::Quarantined { aside, why } => {
            log::error!(
                "the journal in {folder} was damaged ({why}); it is kept as {}, a new one begins",
                aside.display()
            );
        }
    }
}

/// Brings steps to the journal's thread, and their results back to the loop.
#[derive(Clone)]
struct JournalClient {
    writer: Writer,
    events: mpsc::UnboundedSender<Event>,
}

impl JournalClient {
    /// Brings a step; `then` makes its result an event.
    fn step<T: Send + 'static>(
        &self,
        step: impl FnOnce(&mut Batch<'_>) -> Result<T, store::Error> + Send + 'static,
        then: impl FnOnce(Result<T, store::Error>) -> Event + 'static,
    ) {
        let Self { writer, events } = self.clone();
        spawn_local(async move { drop(events.send(then(writer.step(step).await))) });
    }

    /// As `step`, for what may be lost and done again, as a delivery is: it waits a little for another step to share its sync.
    fn step_lazily<T: Send + 'static>(
        &self,
        step: impl FnOnce(&mut Batch<'_>) -> Result<T, store::Error> + Send + 'static,
        then: impl FnOnce(Result<T, store::Error>) -> Event + 'static,
    ) {
        let Self { writer, events } = self.clone();
        spawn_local(async move { drop(events.send(then(writer.step_lazily(step).await))) });
    }

    /// An event some time from now.
    fn later(&self, after: Duration, event: Event) {
        let events = self.events.clone();
        spawn_local(async move {
            sleep(after).await;
            drop(events.send(event));
        });
    }
}

/// All that a gateway knows beside its journal. Each part owns its own state; only the loop changes them.
struct Gateway {
    settings: Settings,
    journal: JournalClient,
    worker: Worker<CaseId>,
    /// The bundle that answers; `None` until it is loaded.
    bundle: Option<Arc<Bundle>>,
    scheduler: Scheduler,
    outbox: Outbox,
    waiters: Waiters,
    rationales: PendingRationales,
    checks: Checks,
    transports: Transports,
    supervision: Supervision,
    metrics: Metrics,
    counts: Counts,
    /// As the status says it.
    journal_health: JournalHealth,
    /// Topics at which the broker may retain a status under an earlier name.
    moved_from: Vec<String>,
    statuses: watch::Sender<Statuses>,
    subscribers: broadcast::Sender<CaseEvent>,
    stopping: bool,
    /// A transport that ends waits for the last answers, and is told here that they have arrived.
    last_words: Option<oneshot::Sender<()>>,
}

impl Gateway {
    /// Nothing has happened yet; cases through `recovered_through` came before this process.
    fn new(
        settings: Settings,
        journal: JournalClient,
        worker: Worker<CaseId>,
        transports: Transports,
        supervision: Supervision,
        statuses: watch::Sender<Statuses>,
        recovered_through: CaseId,
    ) -> Self {
        Self {
            journal,
            worker,
            bundle: None,
            scheduler: Scheduler::new(settings.queue, recovered_through),
            outbox: Outbox::default(),
            waiters: Waiters::default(),
            rationales: PendingRationales::default(),
            checks: Checks::default(),
            transports,
            supervision,
            metrics: Metrics::default(),
            counts: Counts::default(),
            journal_health: JournalHealth::Ok,
            moved_from: Vec::new(),
            statuses,
            subscribers: broadcast::channel(CASE_EVENTS_MAX).0,
            stopping: false,
            last_words: None,
            settings,
        }
    }

    fn on(&mut self, event: Event) {
        match event {
            Event::Arrival(arrival) => self.on_arrival(arrival),
            Event::Worker(report) => self.on_report(report),
            Event::Case(step) => self.on_case(step),
            Event::Call(event) => self.on_call_event(event),
            Event::StatusCounted(to, counts) => self.tell_status(&to, counts),
            Event::Heartbeat => {
                self.publish_status();
                self.sweep();
            }
            Event::Watchdog(journal) => self.feed_the_watchdog(journal),
            Event::Change(settings) => self.change(*settings),
            Event::ConfigRejected(why) => self.reject_config(&why),
            Event::DiskFull(full) => self.set_journal(if full { JournalHealth::DiskFull } else { JournalHealth::Ok }),
            Event::MovedFrom(topics) => {
                self.moved_from = topics;
                self.publish_status();
            }
            Event::Checked(kept) => self.after_check(kept),
            Event::Check(case) => self.check(case.map(|case| *case)),
            Event::Finished(nothing_waits) => return self.finished(nothing_waits),
        }
        self.look_whether_finished();
    }

    fn on_arrival(&mut self, arrival: Arrival) {
        match arrival {
            Arrival::Ask(request, taken) => self.ask(request, taken),
            Arrival::Explain(explain) => {
                let key = explain.key.clone();
                self.explain(explain.key, RationaleTarget::Route(key, explain.route));
            }
            Arrival::Refused(source, kind) => self.metrics.refused(source.name(), kind),
            Arrival::Lost(source, messages) => self.metrics.lost(source.name(), messages),
            Arrival::Call(call) => self.call(call),
            Arrival::Connected(source) => {
                self.transports.set_connected(source, true);
                if source == Source::Mqtt {
                    self.metrics.connected();
                }
                self.send_owed(None);
            }
            Arrival::Disconnected(source) => self.transports.set_connected(source, false),
            Arrival::Acknowledged(key, revision) => self.acknowledged(key, revision),
            Arrival::AskStatus(to) => {
                self.journal
                    .step(|batch| batch.counts(), move |counts| Event::StatusCounted(to, logged("count", counts)));
            }
            Arrival::Delivered(delivery) => self.delivered(delivery),
            Arrival::Returned(delivery) => {
                self.outbox.returned(delivery);
                self.journal.later(RETRY, Event::Case(CaseStep::SendOwed));
            }
            Arrival::Dropped(delivery, why) => self.give_up(delivery, why),
            Arrival::Echo => self.publish_status(),
            Arrival::StatusCleared(topic) => {
                self.moved_from.retain(|earlier| *earlier != topic);
                self.publish_status();
                let own = status_topic(&self.settings);
                self.journal.step(
                    move |batch| {
                        batch.status_cleared(&topic)?;
                        Ok(own.map(|own| batch.status_retained(&own)).transpose()?.unwrap_or_default())
                    },
                    |others| Event::MovedFrom(logged("forget a status", others).unwrap_or_default()),
                );
            }
            Arrival::Drained(answered) => {
                self.last_words = Some(answered);
                self.look_whether_finished();
            }
            Arrival::Closed(source) => {
                self.outbox.forget_in_flight();
                self.transports.on_closed(source);
                self.notify_ready();
            }
        }
    }

    fn on_report(&mut self, report: Report<CaseId>) {
        self.supervision.worker_seen(Instant::now());
        match report {
            Report::Alive => self.check_next(), // it had nothing to do for a while
            Report::Loaded(Ok(bundle)) => {
                log::info!("student {} is ready", bundle.student());
                let status = format!("student {} answers", bundle.student());
                notify(&[NotifyState::Ready, NotifyState::Status(&status)]);
                self.bundle = Some(bundle);
                self.publish_status();
                self.scheduler.loaded();
                self.start_waiting();
                self.explain_next();
            }
            Report::Loaded(Err(why)) => {
                log::error!("no student: {why}. Every question is told so, and a person is asked");
                notify(&[NotifyState::Ready, NotifyState::Status(&format!("no student: {why}"))]);
                self.publish_status();
                self.scheduler.loaded();
                self.start_waiting();
            }
            Report::SwapFailed(why) => {
                log::error!("the new student is not taken over, the one before goes on: {why}");
                self.metrics.reloaded(false);
            }
            Report::Answered(answered) => match answered.wanted {
                Wanted::Answer => self.answered(&answered),
                Wanted::Rationale => self.explained(*answered),
                Wanted::Check => self.checked(*answered),
            },
            Report::Expired(case) => self.without_answer(case, Outcome::Expired),
            Report::Failed(case, Wanted::Rationale, why) => self.rationale_failed(case, why),
            Report::Failed(case, Wanted::Check, why) => self.check_failed(case, &why),
            Report::Failed(case, Wanted::Answer, why) => self.without_answer(case, Outcome::Failed(why)),
        }
    }

    /// Takes new settings over; the transports follow.
    fn change(&mut self, new: Settings) {
        supervision::notify_reloading();
        if (&new.journal, &new.limits) != (&self.settings.journal, &self.settings.limits) {
            log::warn!("the journal's folder and limits stay as they are until the next start");
        }
        let (journal, limits) = (self.settings.journal.clone(), self.settings.limits);
        self.settings = Settings { journal, limits, ..new };
        self.scheduler.set_queue(self.settings.queue);
        self.worker.load(self.settings.student.clone()); // there may be another one in the same folder
        self.metrics.reloaded(true);
        self.transports.apply(self.settings.transports.clone());
        if let Some(topic) = status_topic(&self.settings) {
            self.journal.step(
                move |batch| batch.status_retained(&topic),
                |others| Event::MovedFrom(logged("remember a status", others).unwrap_or_default()),
            );
        }
        self.publish_status();
        self.notify_ready();
    }

    /// What the status says of the journal.
    fn set_journal(&mut self, health: JournalHealth) {
        if std::mem::replace(&mut self.journal_health, health) != health {
            self.publish_status();
        }
    }

    fn reject_config(&mut self, why: &str) {
        log::error!("the new configuration is not taken over, the gateway goes on as it is: {why}");
        self.metrics.reloaded(false);
    }

    /// Tells systemd that a change is done, once it is.
    fn notify_ready(&mut self) {
        if self.transports.is_settled() && !self.scheduler.is_loading() {
            notify(&[NotifyState::Ready]);
        }
    }

    /// Takes no more questions; what is returned is ready when the transports have ended.
    fn stop(&mut self) -> impl Future<Output = ()> + use<> {
        self.stopping = true;
        self.transports.close()
    }

    /// Where a transport waits for the last answers: whether they have arrived.
    fn look_whether_finished(&self) {
        if self.last_words.is_some() && self.is_at_rest() {
            self.journal.step(
                |batch| Ok(batch.unanswered(None, 1)?.is_empty()),
                |waits| Event::Finished(logged("look for what waits", waits).unwrap_or(true)),
            );
        }
    }

    fn finished(&mut self, nothing_waits: bool) {
        // A gateway that goes on answers over its next connection; one that stops does so after its next start.
        if !self.stopping || nothing_waits && self.is_at_rest() {
            self.last_words.take().map(|tell| tell.send(()));
        }
    }

    fn is_at_rest(&self) -> bool {
        !self.stopping || self.scheduler.in_hand() == 0 && self.outbox.is_at_rest()
    }

    fn publish_status(&self) {
        let Self { settings, bundle, counts, journal_health, moved_from, transports, .. } = self;
        let (bundle, echoing) = (bundle.as_deref(), transports.echoing());
        let statuses =
            self.supervision.statuses(&settings.gateway, bundle, *journal_health, counts, moved_from, &echoing);
        self.statuses.send_replace(statuses);
    }

    fn tell_status(&self, to: &Route, counts: Option<store::Counts>) {
        let Some(counts) = counts else { return };
        let small = |count: u64| u16::try_from(count).unwrap_or(u16::MAX);
        let status = wire::Status {
            student_ready: self.bundle.is_some(),
            broker_connected: self.transports.broker_connected() == Some(true),
            queued: small(counts.unanswered),
            open_reviews: small(counts.reviews_open),
        };
        self.transports.tell_status(to, status);
    }

    /// Says to systemd that the gateway lives, as long as it does. What is stuck is started again.
    fn feed_the_watchdog(&self, journal: bool) {
        let now = Instant::now();
        let deliveries = self.transports.broker_connected() == Some(true) && self.outbox.is_stuck(now, STUCK_AFTER);
        match self.supervision.stuck(journal, deliveries, now) {
            None => notify(&[NotifyState::Watchdog]),
            Some(what) => log::error!("the gateway stands still: {what}"),
        }
    }

    /// Tells whoever subscribed what happened to a case.
    fn announce(&self, case: CaseId, kind: CaseEventKind) {
        drop(self.subscribers.send(CaseEvent { case, kind })); // nobody need listen
    }
}

/// The result of a step; `None` where it failed, which is logged.
fn logged<T>(what: &str, done: Result<T, store::Error>) -> Option<T> {
    let said = |error: store::Error| match error.refusal() {
        Some(store::Refusal::DiskFull) => log::debug!("failed to {what}: {error}"), // the journal has said it, once for all
        _ => log::error!("failed to {what}: {}", chain(&error)),
    };
    done.map_err(said).ok()
}

#[cfg(test)]
mod tests {
    use tempfile::TempDir;
    use tokio::sync::oneshot;

    use super::*;
    use crate::api::answer::State;
    use crate::domain::{Agreement, Band, Confidence, Decision, DeliveryId, DeliveryKind, Mode};
    use crate::store::{RecordedAnswer, RecordedRationale, ReviewReason, Student};
    use crate::transport::call::Call;
    use crate::transport::request::{Key, MqttReplyTo, OutboundMessage, Refusal, Request, Route, SerialReplyTo};

    /// A gateway with a real journal, a channel in the broker's place, and a worker that is never heard.
    struct Harness {
        gateway: Gateway,
        events: mpsc::UnboundedReceiver<Event>,
        outbound: mpsc::Receiver<OutboundMessage>,
        _folder: TempDir,
    }

    impl Harness {
        fn new() -> Self {
            let folder = tempfile::tempdir().unwrap();
            let settings = Settings {
                gateway: "press-3".to_owned(),
                student: folder.path().join("none"),
                journal: folder.path().join("journal"),
                limits: store::Limits { disk_bytes_max: 64 << 20 },
                audit_share: 0.0,
                explain_share: 0.0,
                task: None,
                queue: 4,
                deadline: Duration::from_secs(3600),
                transports: crate::transport::Settings::default(),
            };
            let (journal, _) = Journal::open(&settings.journal, settings.limits).unwrap();
            let (writer, _) = Writer::start(journal, SystemTime::now).unwrap();
            let (sender, events) = mpsc::unbounded_channel();
            let supervision = Supervision::new(1, Instant::now());
            let begun = supervision.statuses("press-3", None, JournalHealth::Ok, &Counts::default(), &[], &[]);
            let (statuses, status) = watch::channel(begun);
            let (transports, outbound) = Transports::with_broker_of_test(status);
            let worker = Worker::start(settings.student.clone(), |_| {}).unwrap();
            let journal = JournalClient { writer, events: sender };
            let gateway = Gateway::new(settings, journal, worker, transports, supervision, statuses, CaseId(0));
            Self { gateway, events, outbound, _folder: folder }
        }

        /// The next event happens.
        async fn step(&mut self) {
            let event = self.events.recv().await.unwrap();
            self.gateway.on(event);
        }

        /// Asks a question and has it kept.
        async fn ask(&mut self, id: &str) -> oneshot::Receiver<Result<(), Refusal>> {
            let (taken, waits) = oneshot::channel();
            self.gateway.on(Event::Arrival(Arrival::Ask(request(id), taken)));
            self.step().await;
            waits
        }

        /// The model's answer is in the journal, as if it had been recorded by an earlier process.
        async fn answer(&mut self, case: CaseId) {
            self.gateway.journal.writer.step(move |batch| batch.answered(case, &recorded())).await.unwrap();
        }
    }

    fn request(id: &str) -> Request {
        let key = Key { client: "plc-1".to_owned(), id: id.to_owned() };
        let question = "Which failure?".to_owned();
        Request { key, task: None, question, explain: false, expires_in: None, route: route("answer") }
    }

    fn route(topic: &str) -> Route {
        Route::Mqtt(MqttReplyTo { topic: topic.to_owned(), correlation: None })
    }

    fn recorded() -> RecordedAnswer {
        RecordedAnswer {
            task: "machine-failure".to_owned(),
            answer: "NONE".to_owned(),
            label: "no failure".to_owned(),
            code: Some(0),
            confidence: Confidence::clamped(0.99),
            band: Band::High,
            decision: Decision::Answered,
            detail: None,
            mode: Mode::AnswerFirst,
            rationale: None,
            student: Student { name: "s".to_owned(), version: "1.0.0".to_owned(), serial: 1, sha256: "0".to_owned() },
            tokens: 1,
            time_to_answer: Duration::from_millis(4),
            answered_at: SystemTime::now(),
        }
    }

    #[tokio::test]
    async fn a_question_is_acknowledged_when_it_is_durable_and_the_same_again_is_the_same() {
        LocalSet::new()
            .run_until(async {
                let mut harness = Harness::new();
                assert_eq!(harness.ask("1").await.await, Ok(Ok(())));
                assert_eq!(harness.ask("1").await.await, Ok(Ok(())));
                let other = Request { question: "Another one?".to_owned(), ..request("1") };
                let (taken, waits) = oneshot::channel();
                harness.gateway.on(Event::Arrival(Arrival::Ask(other, taken)));
                harness.step().await;
                assert!(matches!(waits.await, Ok(Err(Refusal::Reused(_)))));
                assert!(harness.outbound.try_recv().is_err(), "the connection to the broker tells who asked");
                assert_eq!((harness.gateway.counts.received, harness.gateway.counts.repeated), (1, 1));
            })
            .await;
    }

    #[tokio::test]
    async fn a_gateway_that_stops_takes_no_question_but_the_broker_s() {
        LocalSet::new()
            .run_until(async {
                let mut harness = Harness::new();
                harness.gateway.stop().await;
                let (taken, waits) = oneshot::channel();
                let fetched = Request { route: Route::Fetched, ..request("1") };
                harness.gateway.on(Event::Arrival(Arrival::Ask(fetched, taken)));
                assert!(matches!(waits.await, Ok(Err(Refusal::Unavailable(_)))));
                // What the broker has sent is its last chance, so that is kept.
                assert_eq!(harness.ask("2").await.await, Ok(Ok(())));
            })
            .await;
    }

    #[tokio::test]
    async fn who_wants_a_rationale_that_the_model_fails_to_write_is_told() {
        LocalSet::new()
            .run_until(async {
                let mut harness = Harness::new();
                drop(harness.ask("1").await);
                harness.answer(CaseId(1)).await;
                let key = Key { client: "plc-1".to_owned(), id: "1".to_owned() };
                harness.gateway.rationales.add(CaseId(1), Some(RationaleTarget::Route(key, route("rationale"))));
                let failed = Report::Failed(CaseId(1), Wanted::Rationale, "the cache is full".to_owned());
                harness.gateway.on(Event::Worker(failed));
                harness.step().await;
                let told = harness.outbound.recv().await.unwrap();
                assert_eq!((told.route, told.message.state), (route("rationale"), State::Error));
                assert!(told.message.body.error.unwrap().contains("the cache is full"));
                assert!(harness.gateway.rationales.take(CaseId(1)).is_empty());
            })
            .await;
    }

    #[tokio::test]
    async fn reasons_that_lead_elsewhere_put_an_answer_before_a_person_and_reach_nobody_else() {
        LocalSet::new()
            .run_until(async {
                for (agrees, reviews) in [(true, vec![]), (false, vec![ReviewReason::Disagreement])] {
                    let mut harness = Harness::new();
                    drop(harness.ask("1").await);
                    harness.answer(CaseId(1)).await;
                    harness.gateway.journal.writer.step(|batch| batch.check_later(CaseId(1))).await.unwrap();
                    let agreement = Some(Agreement { agrees, strength: Confidence::clamped(0.9) });
                    let reasons = RecordedRationale { text: "42.8*1551=...".to_owned(), agreement };
                    harness.gateway.check_done(CaseId(1), Some(reasons), "disagrees");
                    harness.step().await;
                    let look = |batch: &mut Batch<'_>| Ok((batch.case(CaseId(1))?.unwrap(), batch.unchecked()?));
                    let (case, unchecked) = harness.gateway.journal.writer.step(look).await.unwrap();
                    assert_eq!(case.reviews.iter().map(|review| review.why).collect::<Vec<_>>(), reviews);
                    assert_eq!((case.rationale().is_some(), unchecked), (true, None));
                    assert!(harness.outbound.try_recv().is_err(), "nobody asked for them");
                }
            })
            .await;
    }

    #[tokio::test]
    async fn what_is_owed_goes_out_once_and_again_only_when_it_came_back() {
        LocalSet::new()
            .run_until(async {
                let mut harness = Harness::new();
                drop(harness.ask("1").await);
                harness.answer(CaseId(1)).await;
                for _ in 0..2 {
                    harness.gateway.on(Event::Arrival(Arrival::Connected(Source::Mqtt)));
                    harness.step().await; // a page with the answer, or with nothing that is not on its way
                    harness.step().await; // the end of the outbox
                }
                let delivery = DeliveryId { case: CaseId(1), kind: DeliveryKind::Reply(0) };
                assert_eq!(harness.outbound.try_recv().unwrap().delivery, Some(delivery));
                assert!(harness.outbound.try_recv().is_err(), "it is on its way");
                harness.gateway.outbox.returned(delivery);
                harness.gateway.send_owed(None);
                harness.step().await;
                assert_eq!(harness.outbound.try_recv().unwrap().delivery, Some(delivery));
                harness.gateway.on(Event::Arrival(Arrival::Delivered(delivery)));
                while harness.gateway.counts.delivered == 0 {
                    harness.step().await;
                }
                assert_eq!(harness.gateway.counts.delivered, 1);
            })
            .await;
    }

    #[tokio::test]
    async fn an_answer_to_a_port_that_is_no_more_holds_up_no_other() {
        LocalSet::new()
            .run_until(async {
                let mut harness = Harness::new();
                let port =
                    SerialReplyTo { port: "/dev/none".to_owned(), request: vec![1], sequence: 1, acknowledges: false };
                let to_port = Request { route: Route::Serial(port), ..request("1") };
                harness.gateway.on(Event::Arrival(Arrival::Ask(to_port, oneshot::channel().0)));
                harness.step().await;
                drop(harness.ask("2").await);
                harness.answer(CaseId(1)).await;
                harness.answer(CaseId(2)).await;
                harness.gateway.on(Event::Arrival(Arrival::Connected(Source::Mqtt)));
                harness.step().await;
                let delivery = DeliveryId { case: CaseId(2), kind: DeliveryKind::Reply(0) };
                assert_eq!(harness.outbound.try_recv().unwrap().delivery, Some(delivery));
            })
            .await;
    }

    #[tokio::test]
    async fn whoever_subscribes_hears_what_becomes_of_cases_from_then_on() {
        LocalSet::new()
            .run_until(async {
                let mut harness = Harness::new();
                drop(harness.ask("1").await);
                let (reply, subscribed) = oneshot::channel();
                harness.gateway.on(Event::Arrival(Arrival::Call(Call::Subscribe { reply })));
                let mut heard = subscribed.await.unwrap().unwrap();
                drop(harness.ask("2").await);
                assert_eq!(heard.try_recv(), Ok(CaseEvent { case: CaseId(2), kind: CaseEventKind::Received }));
                harness.gateway.without_answer(CaseId(2), Outcome::Expired);
                harness.step().await;
                assert_eq!(heard.try_recv(), Ok(CaseEvent { case: CaseId(2), kind: CaseEventKind::Expired }));
                assert!(heard.try_recv().is_err());
            })
            .await;
    }
}
