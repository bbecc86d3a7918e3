//! Tells systemd and the broker how the gateway is: ready, alive, stopping; the retained status. Judges from what it is told, and
//! measures nothing.

use std::env;
use std::io;
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::{Duration, Instant, SystemTime};

use sd_notify::NotifyState;
use tokio::task::spawn_local;
use tokio::time::{sleep, timeout};

use crate::api::answer::VERSION;
use crate::api::json;
use crate::api::status::{Clock, Counts, JournalHealth, Presence, Status};
use crate::bundle::Bundle;
use crate::store::Writer;
use crate::transport::mqtt::Statuses;

/// How old a status may get; who reads it can tell by its age that the gateway is gone.
pub const HEARTBEAT: Duration = Duration::from_secs(30);
/// A worker or a delivery that does not move for so long is stuck; the slowest device thinks for a third of it.
pub const STUCK_AFTER: Duration = Duration::from_secs(60);

/// Since when the gateway runs, and when the worker was last seen.
pub struct Supervision {
    session: u64,
    started: Instant,
    worker_seen_at: Instant,
}

impl Supervision {
    /// Of this start, the `session`th on its journal.
    pub fn new(session: u64, now: Instant) -> Self {
        Self { session, started: now, worker_seen_at: now }
    }

    /// The worker has shown that it lives.
    pub fn worker_seen(&mut self, now: Instant) {
        self.worker_seen_at = now;
    }

    /// What is stuck, in words; `None` while everything moves. `journal`: it took a step in time. `deliveries_stuck`: some have been on
    /// their way for longer than [`STUCK_AFTER`] while the broker is there.
    pub fn stuck(&self, journal: bool, deliveries_stuck: bool, now: Instant) -> Option<String> {
        let silent = now.saturating_duration_since(self.worker_seen_at);
        let stuck = !journal || silent > STUCK_AFTER || deliveries_stuck;
        stuck.then(|| {
            let journal = if journal { "moves" } else { "took no step in time" };
            let deliveries = if deliveries_stuck { "do not arrive" } else { "arrive" };
            format!("journal {journal}, student silent for {silent:?}, messages {deliveries}")
        })
    }

    /// What the retained status says while the gateway lives, after it was stopped, and when it is gone without a word. Its age tells
    /// as much as its words: a new one comes every [`HEARTBEAT`].
    pub fn statuses(
        &self,
        gateway: &str,
        bundle: Option<&Bundle>,
        journal: JournalHealth,
        counts: &Counts,
        moved_from: &[String],
        echoing: &[String],
    ) -> Statuses {
        let say = |state: Presence| {
            json(&Status {
                v: VERSION,
                gateway: gateway.to_owned(),
                session: self.session,
                state,
                student: bundle.map(Bundle::student),
                journal,
                clock: Clock::showing(SystemTime::now()),
                uptime_s: self.started.elapsed().as_secs(),
                heartbeat_s: HEARTBEAT.as_secs(),
                counts: *counts,
                serial_echo: echoing.to_vec(),
            })
        };
        Statuses {
            online: say(Presence::Online),
            stopped: say(Presence::Stopped),
            offline: say(Presence::Offline),
            moved_from: moved_from.to_owned(),
        }
    }
}

/// Where systemd wants to hear that the gateway lives: three times in its interval, says whether the journal took a step in time.
/// Needs a `LocalSet`.
pub fn watch(writer: Writer, report: impl Fn(bool) + 'static) {
    let Some(interval) = sd_notify::watchdog_enabled() else { return };
    spawn_local(async move {
        loop {
            sleep(interval / 3).await;
            let step = timeout(interval / 3, writer.step(|batch| batch.journal_id())).await;
            report(matches!(step, Ok(Ok(_))));
        }
    });
}

/// Tells systemd, where there is one.
pub fn notify(states: &[NotifyState<'_>]) {
    if let Err(error) = tell(states) {
        log::warn!("systemd cannot be told: {error}");
    }
}

/// sd-notify itself takes `@NAME` for a path. It is an abstract socket, as systemd in a container and other managers have it.
fn tell(states: &[NotifyState<'_>]) -> io::Result<()> {
    let Some(socket) = env::var_os("NOTIFY_SOCKET") else { return Ok(()) };
    let address = match socket.as_bytes().strip_prefix(b"@") {
        Some(name) => SocketAddr::from_abstract_name(name),
        None => SocketAddr::from_pathname(&socket),
    }?;
    let text: String = states.iter().map(|state| format!("{state}\n")).collect();
    UnixDatagram::unbound()?.send_to_addr(text.as_bytes(), &address).map(drop)
}

/// The gateway reads its configuration again.
pub fn notify_reloading() {
    if let Ok(now) = NotifyState::monotonic_usec_now() {
        notify(&[NotifyState::Reloading, now]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_gateway_is_stuck_where_one_of_its_parts_does_not_move() {
        let now = Instant::now();
        let mut supervision = Supervision::new(1, now);
        let later = now + 2 * STUCK_AFTER;
        assert_eq!(supervision.stuck(true, false, now), None);
        assert!(supervision.stuck(true, true, now).is_some_and(|what| what.contains("messages do not arrive")));
        assert!(supervision.stuck(false, false, now).is_some_and(|what| what.contains("took no step")));
        assert!(supervision.stuck(true, false, later).is_some_and(|what| what.contains("120s")));
        supervision.worker_seen(later);
        assert_eq!(supervision.stuck(true, false, later), None);
    }

    #[test]
    fn each_status_says_which_start_of_the_gateway_it_is_of() {
        let supervision = Supervision::new(7, Instant::now());
        let statuses = supervision.statuses("press-3", None, JournalHealth::Ok, &Counts::default(), &[], &[]);
        for (bytes, state) in [
            (statuses.online, Presence::Online),
            (statuses.stopped, Presence::Stopped),
            (statuses.offline, Presence::Offline),
        ] {
            let status: Status = serde_json::from_slice(&bytes).unwrap();
            assert_eq!((status.session, status.state, status.student), (7, state, None));
        }
    }
}
