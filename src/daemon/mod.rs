//! The gateway: questions from every trigger through the journal to the student, and what became of them back. The one room that
//! knows every room of the way; each step of a case is durable before the next one begins.
//!
//! ```text
//! trigger --Request--> journal --> acknowledged --> student --> journal --Letter--> trigger --delivered--> journal
//! ```
//!
//! What was acknowledged is answered, whenever the process or the power ends: the journal says what is still to do, and the daemon
//! goes on with that. The same request again gets the recorded answer, to the byte. Nothing here waits for a broker, a network, a
//! clock or a student: without them the daemon runs, keeps questions and says what is missing.
//!
//! Never decides about an answer, and never orders anything by the clock on the wall.

mod calls;
pub mod message;
mod metrics;
mod ports;
pub mod review;
mod student;

use std::cell::{Cell, RefCell};
use std::collections::{HashMap, HashSet};
use std::io;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use sd_notify::NotifyState;
use thiserror::Error;
use tokio::sync::{mpsc, watch};
use tokio::task::{LocalSet, spawn_local};

pub use self::calls::Health;
use self::calls::{Slot, To};
use self::message::{Counts, Message, Presence};
use self::metrics::{Begun, Metrics};
pub use self::ports::Port;
use self::ports::Ports;
use self::student::{Answered, Question, Report, Student, Wanted};
use crate::bundle::Bundle;
use crate::domain::{Answer, Decision, chain};
use crate::reply;
use crate::store::{
    self, Case, CaseId, Journal, NewCase, Opened, Outcome, Parcel, Reasons, Received, Recorded, Running, Why, Writer,
};
use crate::triggers::mqtt::{self, Statuses};
use crate::triggers::{
    Arrival, Key, Letter, Part, Refusal, Request, Route, SerialReplyTo, Source, Stamp, chance, http,
};
use crate::wire;

/// Letters on their way to one trigger.
const LETTERS_MAX: usize = 64;
/// Arrivals that the loop has not taken up: more than a trigger may have on its way.
const ARRIVALS_MAX: usize = 256;
/// Cases whose reasons the student is asked for at once: it writes a few in a second, and answers come first.
const WISHES_MAX: usize = 64;
/// How old a status may get; who reads it can tell by its age that the gateway is gone.
const HEARTBEAT: Duration = Duration::from_secs(30);
/// A letter that came back is tried again after this, if no new connection comes first.
const RETRY: Duration = Duration::from_secs(5);
/// A student or a letter that does not move for so long stands still; the slowest box thinks for a third of it.
const STILL_MAX: Duration = Duration::from_secs(60);
/// After a stop, so long for the last letters and for taking leave.
const LEAVE: Duration = Duration::from_secs(5);

/// What a gateway is.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Its name.
    pub gateway: String,
    /// Folder of the student's bundle.
    pub student: PathBuf,
    /// Folder of the journal.
    pub journal: PathBuf,
    /// What the journal may use.
    pub limits: store::Limits,
    /// Share of the answers that stand which a person looks at all the same, 0 to 1.
    pub audit_share: f64,
    /// Task of the questions that name none; `None` is the bundle's own.
    pub task: Option<String>,
    /// Questions in the student's hand at once; the journal keeps the others, in their order.
    pub queue: usize,
    /// How long an answer is of use where the question does not say.
    pub deadline: Duration,
    /// The broker.
    pub mqtt: Option<mqtt::Settings>,
    /// Requests over HTTP.
    pub http: Option<http::Settings>,
    /// Serial ports.
    pub serial: Vec<Port>,
}

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

/// Runs a gateway until `stop` is ready.
pub fn run(settings: Settings, stop: impl Future<Output = ()>) -> Result<(), RunError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(RunError::Start)?;
    let tasks = LocalSet::new();
    let running = tasks.block_on(&runtime, serve(settings, stop))?;
    drop(tasks); // and with them every hand on the journal, which closes when the last one lets go
    running.join().map_err(RunError::Journal)
}

async fn serve(settings: Settings, stop: impl Future<Output = ()>) -> Result<Running, RunError> {
    let (journal, opened) = Journal::open(&settings.journal, settings.limits)?;
    tell(&settings.journal, &opened);
    let (writer, running) = Writer::start(journal, SystemTime::now)?;
    let (reports, mut reported) = mpsc::unbounded_channel(); // as many as questions in hand, and a heartbeat
    let student =
        Student::start(settings.student.clone(), move |report| drop(reports.send(report))).map_err(RunError::Start)?;
    let (arrivals, mut arrived) = mpsc::channel(ARRIVALS_MAX);
    let session = writer.step(|batch| batch.begin_session()).await?;
    let status = Standing { gateway: settings.gateway.clone(), session, since: Instant::now() };
    let (statuses, status_of_broker) = watch::channel(status.all(None, &Counts::default()));
    let (stopped, stopping) = watch::channel(false);
    let mut triggers = tokio::task::JoinSet::new();
    let mut letters = HashMap::new();
    if let Some(broker) = settings.mqtt.clone() {
        let (sender, receiver) = mpsc::channel(LETTERS_MAX);
        letters.insert(Source::Mqtt, sender);
        triggers.spawn(mqtt::run(broker, status_of_broker, arrivals.clone(), receiver, stopping.clone()));
    }
    let connected = settings.mqtt.is_some().then_some(false);
    if let Some(http) = settings.http {
        triggers.spawn(http::run(http, arrivals.clone(), stopping.clone()));
    }
    let ports = Ports::start(settings.serial, session, &arrivals).map_err(RunError::Start)?;
    let desk = Rc::new(Desk {
        ports,
        writer,
        student,
        letters,
        audit_share: settings.audit_share,
        task: settings.task,
        queue: settings.queue,
        deadline: settings.deadline,
        bundle: RefCell::default(),
        loading: Cell::new(true),
        wishes: RefCell::default(),
        in_hand: RefCell::default(),
        expiries: RefCell::default(),
        begun: RefCell::default(),
        waiting: RefCell::default(),
        fetchable: RefCell::default(),
        swept: Cell::default(),
        connected: Cell::new(connected),
        metrics: RefCell::default(),
        sending: RefCell::default(),
        heard: Cell::new(Instant::now()),
        unsent: Cell::new(false),
        counts: Cell::default(),
    });
    spawn_local(desk.clone().feed_the_watchdog());
    let mut stop = std::pin::pin!(stop);
    let mut heartbeat = tokio::time::interval(HEARTBEAT);
    loop {
        let mut news = false;
        tokio::select! {
            Some(report) = reported.recv() => {
                news = matches!(report, Report::Student(_));
                desk.clone().hear(report);
            }
            Some(arrival) = arrived.recv() => desk.clone().take(arrival),
            _ = heartbeat.tick() => {
                news = true;
                let desk = desk.clone();
                spawn_local(async move { desk.give_up_what_nobody_fetches().await });
            }
            () = &mut stop => break,
        }
        if running.is_finished() {
            break; // the journal has failed; whoever started the gateway starts it again, and it recovers
        }
        if news {
            statuses.send_replace(status.all(desk.bundle.borrow().as_deref(), &desk.counts.get()));
        }
    }
    log::info!("stopping: no new question is taken, what is in hand is kept");
    tell_systemd(&[NotifyState::Stopping]);
    stopped.send_replace(true);
    let _ = tokio::time::timeout(LEAVE, async { while triggers.join_next().await.is_some() {} }).await;
    Ok(running)
}

fn tell(folder: &Path, opened: &Opened) {
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

fn tell_systemd(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        log::warn!("systemd cannot be told: {error}");
    }
}

/// What the retained status says. Its age tells as much as its words: a new one comes every [`HEARTBEAT`] while the gateway lives.
struct Standing {
    gateway: String,
    session: u64,
    since: Instant,
}

impl Standing {
    fn all(&self, bundle: Option<&Bundle>, counts: &Counts) -> Statuses {
        let say = |state: Presence| {
            let said = message::Status {
                v: message::VERSION,
                gateway: self.gateway.clone(),
                session: self.session,
                state,
                student: bundle.map(Bundle::student),
                uptime_s: self.since.elapsed().as_secs(),
                heartbeat_s: HEARTBEAT.as_secs(),
                counts: *counts,
            };
            serde_json::to_vec(&said).expect("a record has string keys")
        };
        Statuses { online: say(Presence::Online), stopped: say(Presence::Stopped), offline: say(Presence::Offline) }
    }
}

/// Where every case passes by. One thread; each step is a task of its own that waits for the journal.
struct Desk {
    writer: Writer,
    student: Student<CaseId>,
    letters: HashMap<Source, mpsc::Sender<Letter>>,
    ports: Ports,
    /// The broker is there; `None` where there is none.
    connected: Cell<Option<bool>>,
    audit_share: f64,
    task: Option<String>,
    queue: usize,
    deadline: Duration,
    bundle: RefCell<Option<Arc<Bundle>>>,
    /// The student has not said yet whether it is there.
    loading: Cell<bool>,
    /// With the student, or about to be.
    in_hand: RefCell<HashSet<CaseId>>,
    /// By the clock that never jumps; of what came before this process, by what the journal says.
    expiries: RefCell<HashMap<CaseId, Instant>>,
    /// What is told of the cases that are not answered yet.
    begun: RefCell<HashMap<CaseId, Begun>>,
    /// Who waits for an answer on a connection.
    waiting: RefCell<HashMap<Key, Vec<Slot>>>,
    /// Undelivered, and for those alone who fetch them: no letter leaves for these.
    fetchable: RefCell<HashSet<CaseId>>,
    /// How far the outbox was looked through for what nobody fetches.
    swept: Cell<Option<CaseId>>,
    metrics: RefCell<Metrics>,
    /// On their way since then; not to be sent twice at once.
    sending: RefCell<HashMap<Stamp, Instant>>,
    /// When the student's thread last showed that it lives.
    heard: Cell<Instant>,
    /// Who else waits for the rationale that the student is asked for.
    wishes: RefCell<HashMap<CaseId, Vec<To>>>,
    /// Letters stayed behind because too many were on their way.
    unsent: Cell<bool>,
    counts: Cell<Counts>,
}

impl Desk {
    fn count(&self, change: impl FnOnce(&mut Counts)) {
        let mut counts = self.counts.get();
        change(&mut counts);
        self.counts.set(counts);
    }

    /// Says to systemd that the gateway lives, as long as it does: the loop turns, the journal takes steps, the student shows
    /// itself, letters arrive while the broker is there. What stands still is started again.
    async fn feed_the_watchdog(self: Rc<Self>) {
        let Some(interval) = sd_notify::watchdog_enabled() else { return };
        loop {
            tokio::time::sleep(interval / 3).await;
            let journal = tokio::time::timeout(interval / 3, self.writer.step(|batch| batch.journal_id())).await;
            let stuck = self.connected.get() == Some(true)
                && self.sending.borrow().values().any(|since| since.elapsed() > STILL_MAX);
            if matches!(journal, Ok(Ok(_))) && self.heard.get().elapsed() < STILL_MAX && !stuck {
                tell_systemd(&[NotifyState::Watchdog]);
            } else {
                log::error!(
                    "the gateway stands still: journal {journal:?}, student {:?}, letters {stuck}",
                    self.heard.get().elapsed()
                );
            }
        }
    }

    fn take(self: Rc<Self>, arrival: Arrival) {
        match arrival {
            Arrival::Ask(request, taken) => {
                spawn_local(async move {
                    drop(taken.send(self.ask(request).await)); // who brought it may not wait
                });
            }
            Arrival::Explain(wish) => {
                spawn_local(async move { self.explain(wish.key, To::Route(wish.route)).await });
            }
            Arrival::Call(call) => {
                spawn_local(async move { self.call(call).await });
            }
            Arrival::Connected(source) => {
                if source == Source::Mqtt {
                    self.connected.set(Some(true));
                    self.metrics.borrow_mut().connected();
                }
                spawn_local(async move { self.send_undelivered().await });
            }
            Arrival::Disconnected(source) => {
                if source == Source::Mqtt {
                    self.connected.set(Some(false));
                }
            }
            Arrival::Acknowledged(key, revision) => {
                spawn_local(async move { self.acknowledged(key, revision).await });
            }
            Arrival::AskStatus(to) => {
                spawn_local(async move { self.tell_status(&to).await });
            }
            Arrival::Delivered(stamp) => {
                spawn_local(async move { self.delivered(stamp).await });
            }
            Arrival::Returned(stamp) => {
                self.sending.borrow_mut().remove(&stamp);
                spawn_local(async move {
                    tokio::time::sleep(RETRY).await;
                    self.send_undelivered().await;
                });
            }
        }
    }

    fn hear(self: Rc<Self>, report: Report<CaseId>) {
        self.heard.set(Instant::now());
        match report {
            Report::Alive => {}
            Report::Student(Ok(bundle)) => {
                log::info!("student {} is ready", bundle.student());
                let status = format!("student {} answers", bundle.student());
                tell_systemd(&[NotifyState::Ready, NotifyState::Status(&status)]);
                *self.bundle.borrow_mut() = Some(bundle);
                self.loading.set(false);
                spawn_local(async move {
                    self.hand_over().await;
                    self.explain_what_is_owed().await;
                });
            }
            Report::Student(Err(why)) => {
                log::error!("no student: {why}. Every question is told so, and is a person's");
                tell_systemd(&[NotifyState::Ready, NotifyState::Status(&format!("no student: {why}"))]);
                self.loading.set(false);
                spawn_local(async move { self.hand_over().await });
            }
            Report::Answered(answered) => {
                spawn_local(async move { self.answered(*answered).await });
            }
            Report::Expired(case) => {
                spawn_local(async move { self.without_answer(case, Outcome::Expired).await });
            }
            Report::Failed(case, Wanted::Rationale, why) => {
                log::warn!("no rationale for case {case}: {why}");
                self.wishes.borrow_mut().remove(&case); // who waits is told by that, and the student may be asked again
                spawn_local(async move {
                    // Owed no longer: what cannot be written would stand before all others for ever.
                    self.step("give a rationale up", move |batch| batch.rationale(case, None)).await;
                    self.explain_what_is_owed().await;
                });
            }
            Report::Failed(case, _, why) => {
                spawn_local(async move { self.without_answer(case, Outcome::Failed(why)).await });
            }
        }
    }

    /// Keeps a question. Asked before, it gets the answer that it got then, or goes on waiting for it.
    async fn ask(self: Rc<Self>, request: Request) -> Result<(), Refusal> {
        let Request { key, task, question, explain, expires_in, route } = request;
        let (source, now) = (route.source(), Instant::now());
        let expires_in = expires_in.unwrap_or(self.deadline);
        let expires = now + expires_in;
        let task = task.or_else(|| self.task.clone());
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
            self.ports.tell(to, pending);
        }
    }

    fn has_room(&self) -> bool {
        // It is done when the student is there, or is known not to come.
        !self.loading.get() && self.in_hand.borrow().len() < self.queue
    }

    /// Gives the student as many of the questions that wait as it may have in hand, the oldest first.
    async fn hand_over(&self) {
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
        let room = if self.loading.get() { 0 } else { (self.queue + freed).saturating_sub(in_hand.len()) };
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
    fn expires(&self, case: &Case) -> Option<Instant> {
        let known = self.expiries.borrow().get(&case.id).copied();
        known.or_else(|| {
            let waited = SystemTime::now().duration_since(case.asked.received_at).unwrap_or_default();
            Some(Instant::now() + case.asked.expires_after?.saturating_sub(waited))
        })
    }

    async fn answered(self: &Rc<Self>, answered: Answered<CaseId>) {
        let case = answered.case;
        if answered.wanted == Wanted::Rationale {
            return self.explained(case, answered).await;
        }
        let (recorded, now) = (record(&answered), SystemTime::now());
        let stands = recorded.decision == Decision::Answered;
        let audit = stands && chance() < self.audit_share;
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
        }
    }

    async fn without_answer(self: &Rc<Self>, case: CaseId, outcome: Outcome) {
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
        }
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

    /// Asks for the rationales that askers wanted with their questions, one at a time.
    async fn explain_what_is_owed(&self) {
        if let Some(Some(case)) = self.step("look for rationales that are wanted", |batch| owed(batch)).await {
            self.ask_why(case, None);
        }
    }

    /// A rationale for a question that was answered before: the one that is kept, or one that the student writes now.
    async fn explain(self: &Rc<Self>, key: Key, to: To) {
        let (client, id) = (key.client.clone(), key.id.clone());
        let found =
            self.step("look a case up", move |batch| batch.find(&client, &id).map(|case| case.map(Box::new))).await;
        let refusal = match found {
            None => Refusal::Unkept("the journal cannot be read now; ask again".to_owned()),
            Some(None) => {
                Refusal::Unknown("no such question; its answer may have been dropped to save space".to_owned())
            }
            Some(Some(case)) => match (&case.outcome, case.rationale(), self.bundle.borrow().as_deref()) {
                (None, ..) => Refusal::Conflict("the question is not answered yet; ask again".to_owned()),
                (_, Some(_), _) => {
                    self.tell_why(to, &case);
                    return;
                }
                (Some(Outcome::Answered(recorded)), None, Some(bundle))
                    if digest(bundle) == recorded.student.sha256 =>
                {
                    if recorded.answer.is_empty() {
                        Refusal::Conflict("without an answer there are no reasons".to_owned())
                    } else if !case.question_kept {
                        Refusal::Conflict("the question was let go to save space".to_owned())
                    } else if self.wishes.borrow().len() >= WISHES_MAX {
                        Refusal::Unkept("too many reasons are wanted at once; ask again".to_owned())
                    } else {
                        self.ask_why(*case, Some(to));
                        return;
                    }
                }
                (Some(Outcome::Answered(_)), None, Some(_)) => {
                    Refusal::Conflict("another student gave the answer, and it is not here any more".to_owned())
                }
                (Some(Outcome::Answered(_)), None, None) => Refusal::Conflict("the student is not loaded".to_owned()),
                (Some(_), ..) => Refusal::Conflict("there is no answer to explain".to_owned()),
            },
        };
        self.tell_why_not(to, &key, refusal);
    }

    fn ask_why(&self, case: Case, to: Option<To>) {
        let mut wishes = self.wishes.borrow_mut();
        let asked = wishes.contains_key(&case.id);
        wishes.entry(case.id).or_default().extend(to);
        if !asked {
            self.student.ask(Question {
                case: case.id,
                asked: Instant::now(),
                expires: None,
                task: case.asked.task,
                question: case.asked.question,
                wanted: Wanted::Rationale,
            });
        }
    }

    async fn explained(self: &Rc<Self>, case: CaseId, answered: Answered<CaseId>) {
        let reasons = answered
            .explained
            .map(|explained| Reasons { text: explained.rationale.text, agreement: explained.agreement });
        let reasons = reasons.filter(|reasons| !reasons.text.is_empty());
        let kept = self.step("write a rationale down", move |batch| {
            batch.rationale(case, reasons.as_ref())?;
            batch.case(case)
        });
        let kept = kept.await;
        let wishes = self.wishes.borrow_mut().remove(&case).unwrap_or_default();
        if let Some(Some(kept)) = kept {
            for to in wishes {
                self.tell_why(to, &kept);
            }
            if kept.asked.wants_rationale {
                self.send(case, Parcel::Rationale).await;
                self.explain_what_is_owed().await;
            }
        }
    }

    /// Sends what the journal says is not delivered, the oldest first.
    async fn send_undelivered(self: &Rc<Self>) {
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

    async fn send(self: &Rc<Self>, case: CaseId, parcel: Parcel) {
        let Some(stamp) = self.begin_to_send(case, parcel) else { return };
        match self.step("read a case", move |batch| batch.case(case)).await {
            Some(Some(case)) => self.send_case(stamp, parcel, &case),
            _ => drop(self.sending.borrow_mut().remove(&stamp)),
        }
    }

    /// `None` where it is on its way already.
    fn begin_to_send(&self, case: CaseId, parcel: Parcel) -> Option<Stamp> {
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

    fn send_case(self: &Rc<Self>, stamp: Stamp, parcel: Parcel, case: &Case) {
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
    fn post(&self, stamp: Option<Stamp>, route: Route, message: &Message) -> bool {
        let left = match route {
            Route::Serial(to) => self.ports.post(stamp, to, message.clone()),
            Route::Mqtt(_) => {
                let body = serde_json::to_vec(message).expect("our own records have string keys and finite numbers");
                let letters = self.letters.get(&Source::Mqtt);
                letters.is_some_and(|letters| letters.try_send(Letter { stamp, route, body }).is_ok())
            }
            Route::Fetched => return false, // it stays in the outbox until it is fetched
        };
        if !left {
            self.unsent.set(true);
        }
        left
    }

    async fn acknowledged(self: &Rc<Self>, key: Key, revision: u32) {
        let found = self.step("look a case up", move |batch| batch.find(&key.client, &key.id)).await;
        if let Some(Some(case)) = found {
            self.delivered(Stamp { case: case.id.0, part: Part::Reply(revision) }).await;
        }
    }

    async fn tell_status(&self, to: &SerialReplyTo) {
        let Some(counts) = self.step("count", |batch| batch.counts()).await else { return };
        let small = |count: u64| u16::try_from(count).unwrap_or(u16::MAX);
        let status = wire::Status {
            student_ready: self.bundle.borrow().is_some(),
            broker_connected: self.connected.get() == Some(true),
            queued: small(counts.unanswered),
            open_reviews: small(counts.reviews_open),
        };
        self.ports.tell(to, wire::Message::Status(status));
    }

    async fn delivered(self: &Rc<Self>, stamp: Stamp) {
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

    /// A step of the journal; `None` where it failed, which is logged.
    async fn step<T: Send + 'static>(
        &self,
        what: &str,
        step: impl FnOnce(&mut store::Batch<'_>) -> Result<T, store::Error> + Send + 'static,
    ) -> Option<T> {
        self.writer.step(step).await.map_err(|error| log::error!("failed to {what}: {}", chain(&error))).ok()
    }
}

/// What a step finds that gives a case its outcome.
struct After {
    ended: Option<Case>,
    next: Vec<Case>,
    owed: Option<Case>,
}

/// The oldest case whose asker waits for a rationale that is not written yet.
fn owed(batch: &store::Batch<'_>) -> Result<Option<Case>, store::Error> {
    let case = batch.unexplained(None, 1)?.first().copied();
    Ok(case.map(|case| batch.case(case)).transpose()?.flatten())
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
            sha256: digest(bundle),
        },
        tokens: u32::try_from(answered.tokens).unwrap_or(u32::MAX),
        time_to_answer: answered.time_to_answer,
        answered_at: SystemTime::now(),
    }
}

/// Of the graph: two students with the same one answer alike.
fn digest(bundle: &Bundle) -> String {
    bundle.manifest.files.get("model.onnx").map(|file| file.sha256.clone()).unwrap_or_default()
}
