//! The doors of the gateway: which triggers are open, with which settings. Those whose settings change are closed and opened again,
//! the others stay as they are. Carries nothing itself.

use std::rc::Rc;

use tokio::sync::{mpsc, watch};
use tokio::task::{JoinHandle, spawn_local};
use tokio::time::timeout;

use super::{Desk, LEAVE, LETTERS_MAX};
use crate::triggers::mqtt::{self, Statuses};
use crate::triggers::{Arrival, http};

/// Open triggers, but for serial ports, which the desk writes to itself.
pub(super) struct Doors {
    arrivals: mpsc::Sender<Arrival>,
    statuses: watch::Receiver<Statuses>,
    session: u64,
    mqtt: Option<Door<mqtt::Settings>>,
    http: Option<Door<http::Settings>>,
}

struct Door<S> {
    settings: S,
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
}

impl Doors {
    /// None is open yet. `session` names the questions of serial lines.
    pub fn new(arrivals: mpsc::Sender<Arrival>, statuses: watch::Receiver<Statuses>, session: u64) -> Self {
        Self { arrivals, statuses, session, mqtt: None, http: None }
    }

    /// Makes the doors what the desk's settings say.
    pub async fn open(&mut self, desk: &Rc<Desk>) {
        let settings = desk.settings.borrow().clone();
        if self.mqtt.as_ref().map(|door| &door.settings) != settings.mqtt.as_ref() {
            close(self.mqtt.take()).await;
            desk.letters.take();
            desk.sending.borrow_mut().clear(); // what was on its way there is sent again
            desk.connected.set(settings.mqtt.is_some().then_some(false));
            self.mqtt = settings.mqtt.map(|settings| {
                let (letters, receiver) = mpsc::channel(LETTERS_MAX);
                desk.letters.replace(Some(letters));
                let (statuses, arrivals) = (self.statuses.clone(), self.arrivals.clone());
                door(settings, |settings, stop| mqtt::run(settings, statuses, arrivals, receiver, stop))
            });
        }
        if self.http.as_ref().map(|door| &door.settings) != settings.http.as_ref() {
            close(self.http.take()).await;
            let arrivals = self.arrivals.clone();
            self.http =
                settings.http.map(|settings| door(settings, |settings, stop| http::run(settings, arrivals, stop)));
        }
        desk.ports.borrow_mut().set(settings.serial, self.session, &self.arrivals);
    }

    /// Closes those that take leave.
    pub async fn close(&mut self) {
        tokio::join!(close(self.mqtt.take()), close(self.http.take()));
    }
}

fn door<S: Clone, F: Future<Output = ()> + 'static>(
    settings: S,
    run: impl FnOnce(S, watch::Receiver<bool>) -> F,
) -> Door<S> {
    let (stop, stopping) = watch::channel(false);
    let task = spawn_local(run(settings.clone(), stopping));
    Door { settings, stop, task }
}

async fn close<S>(door: Option<Door<S>>) {
    let Some(mut door) = door else { return };
    door.stop.send_replace(true);
    if timeout(LEAVE, &mut door.task).await.is_err() {
        door.task.abort();
    }
}
