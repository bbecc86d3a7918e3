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

mod answering;
mod calls;
mod doors;
mod explaining;
pub mod message;
mod metrics;
mod ports;
pub mod review;
mod sending;
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
use tokio::sync::{Mutex, mpsc, watch};
use tokio::task::{LocalSet, spawn_local};

pub use self::calls::Health;
use self::calls::{Slot, To};
use self::doors::Doors;
use self::message::{Clock, Counts, Presence};
use self::metrics::{Begun, Metrics};
pub use self::ports::Port;
use self::ports::Ports;
use self::student::{Report, Student, Wanted};
use crate::bundle::Bundle;
use crate::domain::chain;
use crate::store::{self, CaseId, Journal, Opened, Outcome, Running, Writer};
use crate::triggers::mqtt::{self, Statuses};
use crate::triggers::{Arrival, Key, Letter, SerialReplyTo, Source, Stamp, http};
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
#[derive(Clone, Debug, PartialEq)]
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

/// What a gateway is told while it runs.
#[derive(Debug)]
pub enum Order {
    /// To end.
    Stop,
    /// To be another one from now on. What did not change is not touched: no connection ends, no port closes. The journal's folder
    /// and limits take effect at the next start.
    Change(Box<Settings>),
    /// That a new configuration cannot be used, for this reason; it goes on as it is, and tells who watches it.
    Keep(String),
}

/// Runs a gateway until it is ordered to stop. `orders` may be dropped while it waits, and is called again.
pub fn run(settings: Settings, orders: impl AsyncFnMut() -> Order) -> Result<(), RunError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(RunError::Start)?;
    let tasks = LocalSet::new();
    let running = tasks.block_on(&runtime, serve(settings, orders))?;
    drop(tasks); // and with them every hand on the journal, which closes when the last one lets go
    running.join().map_err(RunError::Journal)
}

async fn serve(settings: Settings, mut orders: impl AsyncFnMut() -> Order) -> Result<Running, RunError> {
    let (journal, opened) = Journal::open(&settings.journal, settings.limits)?;
    tell(&settings.journal, &opened);
    if Clock::showing(SystemTime::now()) == Clock::Unset {
        log::warn!(
            "the clock is not set: cases and reviews get wrong dates, and a broker with TLS may not be believed; questions are answered, \
             in their order and their time. Set it, or wait for the network's time"
        );
    }
    let (writer, running) = Writer::start(journal, SystemTime::now)?;
    let (reports, mut reported) = mpsc::unbounded_channel(); // as many as questions in hand, and a heartbeat
    let student =
        Student::start(settings.student.clone(), move |report| drop(reports.send(report))).map_err(RunError::Start)?;
    let (arrivals, mut arrived) = mpsc::channel(ARRIVALS_MAX);
    let (session, newest) = writer.step(|batch| Ok((batch.begin_session()?, batch.counts()?.received))).await?;
    let standing = Standing { session, since: Instant::now() };
    let (statuses, status_of_broker) = watch::channel(standing.all(&settings.gateway, None, &Counts::default()));
    let desk = Rc::new(Desk {
        writer,
        student,
        settings: RefCell::new(settings),
        ports: RefCell::default(),
        letters: RefCell::default(),
        bundle: RefCell::default(),
        loading: Cell::new(true),
        wishes: RefCell::default(),
        in_hand: RefCell::default(),
        expiries: RefCell::default(),
        earlier: CaseId(newest),
        begun: RefCell::default(),
        waiting: RefCell::default(),
        fetchable: RefCell::default(),
        swept: Cell::default(),
        connected: Cell::default(),
        metrics: RefCell::default(),
        sending: RefCell::default(),
        heard: Cell::new(Instant::now()),
        unsent: Cell::new(false),
        counts: Cell::default(),
    });
    let doors = Rc::new(Mutex::new(Doors::new(arrivals, status_of_broker, session)));
    doors.lock().await.open(&desk).await;
    spawn_local(desk.clone().feed_the_watchdog());
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
            order = orders() => match order {
                Order::Stop => break,
                Order::Change(settings) => {
                    news = true;
                    desk.change(*settings);
                    let (desk, doors) = (desk.clone(), doors.clone());
                    spawn_local(async move {
                        doors.lock().await.open(&desk).await;
                        if !desk.loading.get() {
                            tell_systemd(&[NotifyState::Ready]);
                        }
                    });
                }
                Order::Keep(why) => desk.keep(&why),
            },
        }
        if running.is_finished() {
            break; // the journal has failed; whoever started the gateway starts it again, and it recovers
        }
        if news {
            let gateway = desk.settings.borrow().gateway.clone();
            statuses.send_replace(standing.all(&gateway, desk.bundle.borrow().as_deref(), &desk.counts.get()));
        }
    }
    log::info!("stopping: no new question is taken, what is in hand is kept");
    tell_systemd(&[NotifyState::Stopping]);
    doors.lock().await.close().await;
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
    session: u64,
    since: Instant,
}

impl Standing {
    fn all(&self, gateway: &str, bundle: Option<&Bundle>, counts: &Counts) -> Statuses {
        let say = |state: Presence| {
            let said = message::Status {
                v: message::VERSION,
                gateway: gateway.to_owned(),
                session: self.session,
                state,
                student: bundle.map(Bundle::student),
                clock: Clock::showing(SystemTime::now()),
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
    settings: RefCell<Settings>,
    ports: RefCell<Ports>,
    /// To the broker, if there is one.
    letters: RefCell<Option<mpsc::Sender<Letter>>>,
    /// The broker is there; `None` where there is none.
    connected: Cell<Option<bool>>,
    bundle: RefCell<Option<Arc<Bundle>>>,
    /// The student has not said yet whether it is there.
    loading: Cell<bool>,
    /// With the student, or about to be.
    in_hand: RefCell<HashSet<CaseId>>,
    /// By the clock that never jumps; of what came before this process, by what the journal says.
    expiries: RefCell<HashMap<CaseId, Instant>>,
    /// The last case that came before this process.
    earlier: CaseId,
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

    /// Takes new settings over; the doors follow.
    fn change(&self, new: Settings) {
        if let Ok(now) = NotifyState::monotonic_usec_now() {
            tell_systemd(&[NotifyState::Reloading, now]);
        }
        let mut settings = self.settings.borrow_mut();
        if (&new.journal, &new.limits) != (&settings.journal, &settings.limits) {
            log::warn!("the journal's folder and limits stay as they are until the next start");
        }
        let (journal, limits) = (settings.journal.clone(), settings.limits);
        *settings = Settings { journal, limits, ..new };
        self.student.load(settings.student.clone()); // there may be another one in the same folder
        self.metrics.borrow_mut().reloaded(true);
    }

    fn keep(&self, why: &str) {
        log::error!("the new configuration is not taken over, the gateway goes on as it is: {why}");
        self.metrics.borrow_mut().reloaded(false);
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
            Report::Kept(why) => {
                log::error!("the new student is not taken over, the one before goes on: {why}");
                self.metrics.borrow_mut().reloaded(false);
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
                    let now = SystemTime::now();
                    self.step("give a rationale up", move |batch| batch.rationale(case, None, now)).await;
                    self.explain_what_is_owed().await;
                });
            }
            Report::Failed(case, _, why) => {
                spawn_local(async move { self.without_answer(case, Outcome::Failed(why)).await });
            }
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
        self.ports.borrow().tell(to, wire::Message::Status(status));
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
