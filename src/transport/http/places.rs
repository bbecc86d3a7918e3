//! The places that connections have. There are few, so that callers cannot use up the device's memory; and none is kept by a caller
//! who asks nothing. Where all are taken, whoever has waited longest for a next request makes room for a new connection: so health
//! is told at once, whatever other connections do.
//!
//! A request counts as served only once all of it is there. Then its connection is left alone until it has its response.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::task::{AbortHandle, JoinSet};
use tokio::time::{Instant, sleep};

use super::routes::WAITING_MAX;

/// Requests served at once, those for health apart. Each holds one body of [`crate::domain::ASK_BYTES_MAX`].
pub const SERVED_MAX: usize = 64;
const _: () = assert!(WAITING_MAX < SERVED_MAX);
/// Open at once: those that are served, and some in which the next caller can say what it wants.
const CONNECTIONS_MAX: usize = SERVED_MAX + 16;
/// A connection has this long for its request before it may have to make room: a head comes in one packet or two.
const LEFT_ALONE: Duration = Duration::from_millis(250);
/// Where nobody can make room yet, this is looked at again.
const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// One connection's place.
#[derive(Debug)]
pub struct Place {
    /// Since when it has waited for a request; `None` while one is served.
    waiting: Mutex<Option<Instant>>,
}

impl Place {
    /// A request is there, whole, and is served from now on.
    pub fn serve(&self) {
        self.set(None);
    }

    /// There is a response; the next request may come.
    pub fn wait(&self) {
        self.set(Some(Instant::now()));
    }

    fn set(&self, since: Option<Instant>) {
        *self.waiting.lock().unwrap_or_else(PoisonError::into_inner) = since;
    }

    fn waiting(&self) -> Option<Instant> {
        *self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// All connections.
#[derive(Default)]
pub struct Places {
    connections: JoinSet<()>,
    taken: Vec<(Arc<Place>, AbortHandle)>,
}

impl Places {
    /// Gives a connection its place.
    pub fn take<C: Future<Output = ()> + Send + 'static>(&mut self, connection: impl FnOnce(Arc<Place>) -> C) {
        let place = Arc::new(Place { waiting: Mutex::new(Some(Instant::now())) });
        let handle = self.connections.spawn(connection(place.clone()));
        self.taken.push((place, handle));
    }

    /// Ready when there is a place.
    pub async fn room(&mut self) {
        while self.connections.len() >= CONNECTIONS_MAX {
            self.taken.retain(|(_, connection)| !connection.is_finished());
            let waiting = self.taken.iter().filter_map(|(place, connection)| Some((place.waiting()?, connection)));
            if let Some((since, connection)) = waiting.min_by_key(|(since, _)| *since)
                && since.elapsed() >= LEFT_ALONE
            {
                connection.abort();
            }
            tokio::select! {
                _ = self.connections.join_next() => {}
                () = sleep(LOOK_AGAIN) => {}
            }
        }
    }

    /// One has ended; `None` where there is none.
    pub async fn next_ended(&mut self) -> Option<()> {
        let ended = self.connections.join_next().await.map(drop);
        self.taken.retain(|(_, connection)| !connection.is_finished());
        ended
    }
}
