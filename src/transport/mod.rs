//! Where questions come in and answers go out. Each transport is a folder: its configuration, what it reads (pure), its connection.
//! No transport sees the engine or the journal; each speaks with the gateway through channels, and acknowledges nothing that the
//! gateway has not made durable. [`Transports`] is the one list of them.

pub mod arrival;
pub mod body;
pub mod call;
pub mod http;
pub mod mqtt;
pub mod request;
pub mod serial;
mod slot;

use std::time::{Duration, Instant};

use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

use arrival::{Arrival, DropReason};
use request::{Key, OutboundMessage, Route, Source};
use slot::{Channels, Slot, Task};

use crate::config::check::Check;
use crate::config::{FileError, Reader, Warning};
use crate::domain::Name;
use crate::wire;

/// For the replies that are on their way over HTTP when it ends.
const HTTP_CLOSE_TIME_MAX: Duration = Duration::from_secs(5);
/// Messages that wait for one transport.
pub const OUTBOUND_MAX: usize = 64;

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

    /// Tasks that a transport's questions belong to where they name none: the name of the check, the place that names it, the task.
    pub fn default_tasks(&self) -> impl Iterator<Item = (&'static str, String, &str)> {
        let of_port = |port: &serial::Settings| port.path.display().to_string();
        self.serial.iter().filter_map(move |port| Some(("serial task", of_port(port), port.task.as_deref()?)))
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

/// What became of a message that was to leave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Sent {
    /// Its transport has it.
    Left,
    /// Too much waits for its transport.
    NoRoom,
    /// Its transport is not open, or it is one from which answers are fetched.
    Closed,
    /// It will never leave.
    Never(DropReason),
}

impl Sent {
    fn to<T>(transport: Option<&mpsc::Sender<T>>, message: T) -> Self {
        match transport.map(|transport| transport.try_send(message)) {
            Some(Ok(())) => Self::Left,
            Some(Err(TrySendError::Full(_))) => Self::NoRoom,
            Some(Err(TrySendError::Closed(_))) | None => Self::Closed,
        }
    }
}

/// The transports, each open, closed or on its way there. One whose settings change is closed and opened again, the others stay as
/// they are. Needs a `LocalSet`.
pub struct Transports {
    arrivals: mpsc::Sender<Arrival>,
    statuses: watch::Receiver<mqtt::Statuses>,
    session: u64,
    wanted: Settings,
    mqtt: Slot<mqtt::Settings>,
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
            mqtt: Slot::new(Source::Mqtt, mqtt::LEAVE_TIME_MAX),
            http: Slot::new(Source::Http, HTTP_CLOSE_TIME_MAX),
            serial: serial::Ports::default(),
        }
    }

    /// A channel in the place of the broker.
    #[cfg(test)]
    pub fn with_broker_of_test(statuses: watch::Receiver<mqtt::Statuses>) -> (Self, mpsc::Receiver<OutboundMessage>) {
        let (mqtt, messages) = Slot::with_channel_of_test(Source::Mqtt, OUTBOUND_MAX);
        (Self { mqtt, ..Self::new(mpsc::channel(1).0, statuses, 1) }, messages)
    }

    /// Makes the transports what the settings say: at once, or after those that must close first have said [`Arrival::Closed`].
    pub fn apply(&mut self, wanted: Settings) {
        self.wanted = wanted;
        self.reconcile();
    }

    /// Those that are one task each.
    fn tasks(&mut self) -> [&mut Task; 2] {
        [&mut self.mqtt.task, &mut self.http.task]
    }

    fn task(&mut self, source: Source) -> Option<&mut Task> {
        self.tasks().into_iter().find(|task| task.source() == source)
    }

    /// A transport has ended; opens it again if it is wanted.
    pub fn on_closed(&mut self, source: Source) {
        if let Some(task) = self.task(source) {
            task.on_closed();
        }
        self.reconcile();
    }

    fn reconcile(&mut self) {
        let Self { arrivals, statuses, wanted, session, .. } = self;
        self.mqtt.reconcile(wanted.mqtt.as_ref(), arrivals, |settings, Channels { arrivals, messages, stop }| {
            mqtt::run(settings, statuses.clone(), arrivals, messages, stop)
        });
        self.http.reconcile(wanted.http.as_ref(), arrivals, |settings, Channels { arrivals, stop, .. }| {
            http::run(settings, arrivals, stop)
        });
        self.serial.apply(&wanted.serial, *session, arrivals);
    }

    /// Whether none is on its way to close or to open.
    pub fn is_settled(&mut self) -> bool {
        self.tasks().iter().all(|task| !task.is_closing())
    }

    /// A transport reaches its clients, or does not.
    pub fn set_connected(&mut self, source: Source, connected: bool) {
        if let Some(task) = self.task(source) {
            task.set_connected(connected);
        }
    }

    /// Whether the broker is reached; `None` where none is configured.
    pub fn broker_connected(&self) -> Option<bool> {
        self.wanted.mqtt.is_some().then_some(self.mqtt.task.is_connected())
    }

    /// Sends a message.
    pub fn send(&self, outbound: OutboundMessage) -> Sent {
        match &outbound.route {
            Route::Mqtt(_) => self.mqtt.task.send(outbound),
            Route::Serial(_) => self.serial.send(outbound),
            Route::Fetched => Sent::Closed,
        }
    }

    /// Tells whoever asked that the question is durable, where its transport has a message for that; others hear it from the broker
    /// or wait. `expires`: when nobody needs its answer any more.
    pub fn tell_pending(&self, key: &Key, route: &Route, before: usize, expires: Instant) {
        match route {
            Route::Serial(to) => self.serial.tell_pending(key, to, before, expires),
            Route::Mqtt(_) | Route::Fetched => {}
        }
    }

    /// Serial ports whose line brings back what is sent on it.
    pub fn echoing(&self) -> Vec<String> {
        self.serial.echoing()
    }

    /// How often serial ports have heard themselves.
    pub fn echoes(&self) -> u64 {
        self.serial.echoes()
    }

    /// Tells whoever asked how the gateway is, where its transport has a message for that.
    pub fn tell_status(&self, route: &Route, status: wire::Status) {
        match route {
            Route::Serial(to) => self.serial.tell_status(to, status),
            Route::Mqtt(_) | Route::Fetched => {}
        }
    }

    /// Tells all to end; what is returned is ready when they have, or were given up. They stay closed.
    pub fn close(&mut self) -> impl Future<Output = ()> + use<> {
        self.wanted = Settings::default();
        let running: Vec<_> = self.tasks().into_iter().filter_map(Task::take).collect();
        async move {
            let mut closing = JoinSet::new();
            running.into_iter().for_each(|running| drop(closing.spawn_local(running.end())));
            while closing.join_next().await.is_some() {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_message_leaves_only_where_its_transport_is_open() {
        let (arrivals, _arrived) = mpsc::channel(1);
        let statuses =
            mqtt::Statuses { online: Vec::new(), stopped: Vec::new(), offline: Vec::new(), moved_from: Vec::new() };
        let (_keep, statuses) = watch::channel(statuses);
        let mut transports = Transports::new(arrivals, statuses, 1);
        let to = request::MqttReplyTo { topic: "a".to_owned(), correlation: None };
        let message = crate::api::answer::refusal("plc", "1", "why", wire::Reason::Busy);
        let route = Route::Mqtt(to.clone());
        let outbound =
            || OutboundMessage { delivery: None, route: route.clone(), message: message.clone(), expires: None };
        assert_eq!(transports.send(outbound()), Sent::Closed, "there is no broker");
        assert_eq!(transports.broker_connected(), None);
        let mut messages;
        (transports.mqtt, messages) = Slot::with_channel_of_test(Source::Mqtt, 1);
        assert_eq!([(); 2].map(|()| transports.send(outbound())), [Sent::Left, Sent::NoRoom]);
        assert!(messages.recv().await.is_some());
        let fetched = OutboundMessage { route: Route::Fetched, ..outbound() };
        assert_eq!(transports.send(fetched), Sent::Closed, "it waits to be fetched");
    }
}
