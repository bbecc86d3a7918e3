//! Where questions come in and answers go out. Each transport is a folder: its configuration, what it reads (pure), its connection.
//! No transport sees the engine or the journal; each speaks with the gateway through channels, and acknowledges nothing that the
//! gateway has not made durable. [`Transports`] is the one list of them.

pub mod arrival;
pub mod call;
pub mod http;
pub mod mqtt;
pub mod request;
pub mod serial;

use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::task::{JoinHandle, JoinSet, spawn_local};
use tokio::time::timeout;

use arrival::Arrival;
use request::{OutboundMessage, Route, SerialReplyTo, Source};

use crate::config::check::Check;
use crate::config::{FileError, Reader, Warning};
use crate::domain::Name;
use crate::wire;

/// Messages on their way to the broker.
pub const OUTBOUND_MAX: usize = 64;
/// How long a transport may take to end: for the last messages, and for taking leave.
const CLOSE_TIME_MAX: Duration = Duration::from_secs(5);

/// The sections of all transports.
#[derive(Clone, Debug, PartialEq)]
pub struct Sections {
    /// `[mqtt]`.
    pub mqtt: mqtt::Section,
    /// `[http]`.
    pub http: http::Section,
    /// `[[serial]]`, those that name a device.
    pub serial: Vec<serial::Settings>,
}

impl Sections {
    /// Reads them.
    pub fn read(from: &mut Reader<'_>, gateway: &Name) -> Self {
        Self {
            mqtt: mqtt::Section::read(from, gateway),
            serial: serial::Settings::read_all(from, gateway),
            http: http::Section::read(from),
        }
    }

    /// What the transports need, with the secrets read from their files. `queue` questions may wait to be made durable.
    pub fn settings(&self, queue: usize) -> Result<Settings, FileError> {
        Ok(Settings {
            mqtt: self.mqtt.enabled.then(|| self.mqtt.settings(queue)).transpose()?,
            http: self.http.settings()?,
            serial: self.serial.clone(),
        })
    }

    /// What is allowed and dangerous.
    pub fn warnings(&self) -> Vec<Warning> {
        self.mqtt.warnings().into_iter().chain(self.http.warnings()).collect()
    }

    /// Whether what the sections name is there.
    pub fn check(&self) -> Vec<Check> {
        let serial = self.serial.iter().map(serial::Settings::check);
        self.mqtt.check().into_iter().chain(serial).chain(self.http.check()).collect()
    }

    /// Tasks that a transport's questions belong to where they name none, each with the place that names it.
    pub fn default_tasks(&self) -> impl Iterator<Item = (String, &str)> {
        self.serial.iter().filter_map(|port| Some((port.path.display().to_string(), port.task.as_deref()?)))
    }
}

/// What the transports are to be.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Settings {
    /// The broker.
    pub mqtt: Option<mqtt::Settings>,
    /// Requests over HTTP.
    pub http: Option<http::Settings>,
    /// Serial ports.
    pub serial: Vec<serial::Settings>,
}

/// The transports, each open, closed or on its way there. One whose settings change is closed and opened again, the others stay as
/// they are. Needs a `LocalSet`.
pub struct Transports {
    arrivals: mpsc::Sender<Arrival>,
    statuses: watch::Receiver<mqtt::Statuses>,
    session: u64,
    wanted: Settings,
    mqtt: Slot<mqtt::Settings>,
    /// To the broker, while there is a connection to it or one is tried.
    outbound: Option<mpsc::Sender<OutboundMessage>>,
    /// Whether the broker is reached.
    connected: bool,
    http: Slot<http::Settings>,
    serial: serial::Ports,
}

impl Transports {
    /// None is open yet. `session` makes the names of questions that came as lines the gateway's own.
    pub fn new(arrivals: mpsc::Sender<Arrival>, statuses: watch::Receiver<mqtt::Statuses>, session: u64) -> Self {
        Self {
            arrivals,
            statuses,
            session,
            wanted: Settings::default(),
            mqtt: Slot::Closed,
            outbound: None,
            connected: false,
            http: Slot::Closed,
            serial: serial::Ports::default(),
        }
    }

    /// A channel in the place of the broker.
    #[cfg(test)]
    pub fn with_broker_of_test(statuses: watch::Receiver<mqtt::Statuses>) -> (Self, mpsc::Receiver<OutboundMessage>) {
        let (outbound, messages) = mpsc::channel(OUTBOUND_MAX);
        (Self { outbound: Some(outbound), ..Self::new(mpsc::channel(1).0, statuses, 1) }, messages)
    }

    /// Makes the transports what the settings say: at once, or after those that must close first have said [`Arrival::Closed`].
    pub fn apply(&mut self, wanted: Settings) {
        self.wanted = wanted;
        self.reconcile();
    }

    /// A transport has ended; opens it again if it is wanted.
    pub fn on_closed(&mut self, source: Source) {
        match source {
            Source::Mqtt => self.mqtt = Slot::Closed,
            Source::Http => self.http = Slot::Closed,
            Source::Serial => {}
        }
        self.reconcile();
    }

    fn reconcile(&mut self) {
        let arrivals = &self.arrivals;
        if self.mqtt.must_close(self.wanted.mqtt.as_ref()) {
            self.mqtt.close(Source::Mqtt, arrivals);
            (self.outbound, self.connected) = (None, false);
        }
        if let (Slot::Closed, Some(settings)) = (&self.mqtt, &self.wanted.mqtt) {
            let (outbound, messages) = mpsc::channel(OUTBOUND_MAX);
            self.outbound = Some(outbound);
            let (statuses, arrivals) = (self.statuses.clone(), arrivals.clone());
            self.mqtt = Slot::open(settings, |settings, stop| mqtt::run(settings, statuses, arrivals, messages, stop));
        }
        if self.http.must_close(self.wanted.http.as_ref()) {
            self.http.close(Source::Http, arrivals);
        }
        if let (Slot::Closed, Some(settings)) = (&self.http, &self.wanted.http) {
            let arrivals = arrivals.clone();
            self.http = Slot::open(settings, |settings, stop| http::run(settings, arrivals, stop));
        }
        self.serial.apply(&self.wanted.serial, self.session, arrivals);
    }

    /// Whether none is on its way to close or to open.
    pub fn is_settled(&self) -> bool {
        !matches!(self.mqtt, Slot::Closing) && !matches!(self.http, Slot::Closing)
    }

    /// A transport reaches its clients, or does not.
    pub fn set_connected(&mut self, source: Source, connected: bool) {
        if source == Source::Mqtt {
            self.connected = connected;
        }
    }

    /// Whether the broker is reached; `None` where none is configured.
    pub fn broker_connected(&self) -> Option<bool> {
        self.wanted.mqtt.is_some().then_some(self.connected)
    }

    /// Sends a message; false where it does not leave now: its transport is not open, or too much waits for it.
    pub fn send(&self, outbound: OutboundMessage) -> bool {
        match &outbound.route {
            Route::Mqtt(_) => self.outbound.as_ref().is_some_and(|messages| messages.try_send(outbound).is_ok()),
            Route::Serial(to) => self.serial.send(outbound.delivery, to.clone(), outbound.message),
            Route::Fetched => false,
        }
    }

    /// Tells whoever asked on a serial line that the question is durable; others hear it from the broker or wait.
    pub fn tell_pending(&self, route: &Route, before: usize) {
        if let Route::Serial(to) = route {
            self.serial.tell_pending(to, before);
        }
    }

    /// Tells whoever asked on a serial line how the gateway is.
    pub fn tell_status(&self, to: &SerialReplyTo, status: wire::Status) {
        self.serial.tell_status(to, status);
    }

    /// Tells all to end; what is returned is ready when they have, or were given up. They stay closed.
    pub fn close(&mut self) -> impl Future<Output = ()> + use<> {
        self.wanted = Settings::default();
        let tasks = [self.mqtt.take(), self.http.take()];
        async move {
            let mut closing = JoinSet::new();
            tasks.into_iter().flatten().for_each(|task| drop(closing.spawn_local(end(task))));
            while closing.join_next().await.is_some() {}
        }
    }
}

/// One transport's task.
enum Slot<S> {
    Closed,
    Open {
        settings: S,
        task: Task,
    },
    /// [`Arrival::Closed`] will say that it is closed.
    Closing,
}

struct Task {
    stop: watch::Sender<bool>,
    running: JoinHandle<()>,
}

impl<S: Clone + PartialEq> Slot<S> {
    fn open<F: Future<Output = ()> + 'static>(settings: &S, run: impl FnOnce(S, watch::Receiver<bool>) -> F) -> Self {
        let (stop, stopping) = watch::channel(false);
        let running = spawn_local(run(settings.clone(), stopping));
        Self::Open { settings: settings.clone(), task: Task { stop, running } }
    }

    fn must_close(&self, wanted: Option<&S>) -> bool {
        matches!(self, Self::Open { settings, .. } if wanted != Some(settings))
    }

    fn close(&mut self, source: Source, arrivals: &mpsc::Sender<Arrival>) {
        if let Some(task) = self.take() {
            *self = Self::Closing;
            let arrivals = arrivals.clone();
            spawn_local(async move {
                end(task).await;
                drop(arrivals.send(Arrival::Closed(source)).await); // without a gateway nobody opens it again
            });
        }
    }

    fn take(&mut self) -> Option<Task> {
        match std::mem::replace(self, Self::Closed) {
            Self::Open { task, .. } => Some(task),
            Self::Closed | Self::Closing => None,
        }
    }
}

async fn end(mut task: Task) {
    task.stop.send_replace(true);
    if timeout(CLOSE_TIME_MAX, &mut task.running).await.is_err() {
        task.running.abort();
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::rc::Rc;

    use tokio::task::LocalSet;

    use super::*;

    /// A slot of a transport that notes when it opens and ends.
    fn open(settings: &u8, log: &Rc<RefCell<Vec<String>>>) -> Slot<u8> {
        let log = log.clone();
        Slot::open(settings, |settings, mut stop| async move {
            log.borrow_mut().push(format!("open {settings}"));
            let _ = stop.wait_for(|stop| *stop).await;
            log.borrow_mut().push(format!("end {settings}"));
        })
    }

    #[tokio::test]
    async fn a_transport_whose_settings_change_ends_before_it_may_open_again() {
        let log = Rc::default();
        LocalSet::new()
            .run_until(async {
                let (arrivals, mut arrived) = mpsc::channel(1);
                let mut slot = open(&1, &log);
                tokio::task::yield_now().await;
                assert!(!slot.must_close(Some(&1)) && slot.must_close(Some(&2)) && slot.must_close(None));
                slot.close(Source::Http, &arrivals);
                assert!(matches!(slot, Slot::Closing) && !slot.must_close(Some(&2)), "it is not told twice");
                assert!(matches!(arrived.recv().await, Some(Arrival::Closed(Source::Http))));
                assert_eq!(*log.borrow(), ["open 1", "end 1"]);
            })
            .await;
    }

    #[tokio::test]
    async fn a_message_leaves_only_where_its_transport_is_open() {
        let (arrivals, _arrived) = mpsc::channel(1);
        let statuses = mqtt::Statuses { online: Vec::new(), stopped: Vec::new(), offline: Vec::new() };
        let (_keep, statuses) = watch::channel(statuses);
        let mut transports = Transports::new(arrivals, statuses, 1);
        let to = request::MqttReplyTo { topic: "a".to_owned(), correlation: None };
        let message = crate::api::answer::refusal("plc", "1", "why", wire::Reason::Busy);
        let outbound = || OutboundMessage { delivery: None, route: Route::Mqtt(to.clone()), message: message.clone() };
        assert!(!transports.send(outbound()), "there is no broker");
        assert_eq!(transports.broker_connected(), None);
        let (sender, mut messages) = mpsc::channel(1);
        transports.outbound = Some(sender);
        assert!(transports.send(outbound()) && !transports.send(outbound()), "the second finds no room");
        assert!(messages.recv().await.is_some());
        assert!(!transports.send(OutboundMessage { route: Route::Fetched, ..outbound() }), "it waits to be fetched");
    }
}
