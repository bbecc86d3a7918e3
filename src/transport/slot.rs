//! One transport's place: its task runs, has been told to end, or is not wanted. Knows no transport.

use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::task::{JoinHandle, spawn_local};
use tokio::time::timeout;

use super::arrival::Arrival;
use super::request::{OutboundMessage, Source};
use super::{OUTBOUND_MAX, Sent};

/// A transport that is one task, with the settings that it was opened with.
pub struct Slot<S> {
    settings: Option<S>,
    /// The part that is alike for all transports.
    pub task: Task,
}

/// What a transport's task is given beside its settings.
pub struct Channels {
    /// To the gateway.
    pub arrivals: mpsc::Sender<Arrival>,
    /// From the gateway; a transport to which nothing is sent drops it.
    pub messages: mpsc::Receiver<OutboundMessage>,
    /// Turns true when it is to end.
    pub stop: watch::Receiver<bool>,
}

/// The task of a transport.
pub struct Task {
    source: Source,
    /// How long it may take to end: for the last messages, and for taking leave.
    close_time_max: Duration,
    state: State,
    /// While it is open.
    outbound: Option<mpsc::Sender<OutboundMessage>>,
    /// Whether it reaches its clients.
    connected: bool,
}

enum State {
    Closed,
    Open(Running),
    /// [`Arrival::Closed`] will say that it is closed.
    Closing,
}

/// A task that runs.
pub struct Running {
    close_time_max: Duration,
    stop: watch::Sender<bool>,
    handle: JoinHandle<()>,
}

impl<S: Clone + PartialEq> Slot<S> {
    /// A task that is given up where it takes longer than this to end.
    pub fn new(source: Source, close_time_max: Duration) -> Self {
        let task = Task { source, close_time_max, state: State::Closed, outbound: None, connected: false };
        Self { settings: None, task }
    }

    /// A channel in the place of the task.
    #[cfg(test)]
    pub fn with_channel_of_test(source: Source, room: usize) -> (Self, mpsc::Receiver<OutboundMessage>) {
        let mut slot = Self::new(source, Duration::ZERO);
        let (outbound, messages) = mpsc::channel(room);
        slot.task.outbound = Some(outbound);
        (slot, messages)
    }

    /// Makes the task what is wanted: at once, or after the one that must end first has said [`Arrival::Closed`].
    pub fn reconcile<F: Future<Output = ()> + 'static>(
        &mut self,
        wanted: Option<&S>,
        arrivals: &mpsc::Sender<Arrival>,
        run: impl FnOnce(S, Channels) -> F,
    ) {
        if self.settings.as_ref() != wanted {
            self.task.close(arrivals);
        }
        if let (State::Closed, Some(settings)) = (&self.task.state, wanted) {
            let ((outbound, messages), (stop, stopping)) = (mpsc::channel(OUTBOUND_MAX), watch::channel(false));
            let channels = Channels { arrivals: arrivals.clone(), messages, stop: stopping };
            let handle = spawn_local(run(settings.clone(), channels));
            self.settings = Some(settings.clone());
            self.task.outbound = Some(outbound);
            self.task.state = State::Open(Running { close_time_max: self.task.close_time_max, stop, handle });
        }
    }
}

impl Task {
    pub fn source(&self) -> Source {
        self.source
    }

    /// Sends a message.
    pub fn send(&self, outbound: OutboundMessage) -> Sent {
        Sent::to(self.outbound.as_ref(), outbound)
    }

    pub fn is_connected(&self) -> bool {
        self.connected
    }

    pub fn set_connected(&mut self, connected: bool) {
        self.connected = connected;
    }

    pub fn is_closing(&self) -> bool {
        matches!(self.state, State::Closing)
    }

    /// It has ended, and may be opened again.
    pub fn on_closed(&mut self) {
        self.state = State::Closed;
    }

    fn close(&mut self, arrivals: &mpsc::Sender<Arrival>) {
        let Some(running) = self.take() else { return };
        self.state = State::Closing;
        (self.outbound, self.connected) = (None, false);
        let (source, arrivals) = (self.source, arrivals.clone());
        spawn_local(async move {
            running.end().await;
            drop(arrivals.send(Arrival::Closed(source)).await); // without a gateway nobody opens it again
        });
    }

    /// The task, if it is open. What is sent until it has ended may still leave.
    pub fn take(&mut self) -> Option<Running> {
        match std::mem::replace(&mut self.state, State::Closed) {
            State::Open(running) => Some(running),
            State::Closed => None,
            State::Closing => {
                self.state = State::Closing;
                None
            }
        }
    }
}

impl Running {
    /// Tells it to end; ready when it has, or was given up.
    pub async fn end(mut self) {
        self.stop.send_replace(true);
        if timeout(self.close_time_max, &mut self.handle).await.is_err() {
            self.handle.abort();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::rc::Rc;

    use tokio::task::LocalSet;

    use super::*;

    /// A transport that notes when it opens and ends.
    async fn run(settings: u8, mut channels: Channels, log: Rc<RefCell<Vec<String>>>) {
        log.borrow_mut().push(format!("open {settings}"));
        let _ = channels.stop.wait_for(|stop| *stop).await;
        log.borrow_mut().push(format!("end {settings}"));
    }

    #[tokio::test]
    async fn a_transport_whose_settings_change_ends_before_it_opens_again() {
        let log = Rc::<RefCell<Vec<String>>>::default();
        LocalSet::new()
            .run_until(async {
                let (arrivals, mut arrived) = mpsc::channel(1);
                let mut slot = Slot::new(Source::Http, Duration::from_secs(600));
                let want = |slot: &mut Slot<u8>, wanted| {
                    slot.reconcile(wanted, &arrivals, |settings, channels| run(settings, channels, log.clone()));
                };
                for _ in 0..2 {
                    want(&mut slot, Some(&1)); // the second time it is what is wanted
                    tokio::task::yield_now().await;
                }
                slot.task.set_connected(true);
                for wanted in [Some(&2), None, Some(&3)] {
                    want(&mut slot, wanted);
                    assert!(slot.task.is_closing() && !slot.task.is_connected());
                }
                assert!(matches!(arrived.recv().await, Some(Arrival::Closed(Source::Http))));
                slot.task.on_closed();
                want(&mut slot, Some(&3));
                tokio::task::yield_now().await;
                assert_eq!(*log.borrow(), ["open 1", "end 1", "open 3"]);
                assert!(arrived.try_recv().is_err(), "it was told to end once");
                want(&mut slot, None);
                assert!(matches!(arrived.recv().await, Some(Arrival::Closed(Source::Http))));
            })
            .await;
    }
}
