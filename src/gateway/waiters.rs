//! Who waits for an answer on a connection. Knows no connection: each waiter brings the way back.

use std::collections::HashMap;

use crate::transport::call::{Body, Reply};
use crate::transport::request::Key;

/// The way back to whoever waits; `None` where the answer is not there yet.
pub type Waiter = Reply<Option<Body>>;

/// Names a waiter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WaiterId(u64);

/// Whoever waits, by the question whose answer they wait for.
#[derive(Default)]
pub struct Waiters {
    waiting: HashMap<Key, Vec<(WaiterId, Waiter)>>,
    last: u64,
}

impl Waiters {
    /// One more waits.
    pub fn add(&mut self, key: Key, waiter: Waiter) -> WaiterId {
        self.last += 1;
        let waiting = self.waiting.entry(key).or_default();
        waiting.retain(|(_, waiter)| !waiter.is_closed()); // whose connection has ended
        waiting.push((WaiterId(self.last), waiter));
        WaiterId(self.last)
    }

    /// Takes one back; `None` where it was woken meanwhile.
    pub fn take(&mut self, key: &Key, id: WaiterId) -> Option<Waiter> {
        let waiting = self.waiting.get_mut(key)?;
        let at = waiting.iter().position(|(waiter, _)| *waiter == id)?;
        let (_, waiter) = waiting.swap_remove(at);
        if waiting.is_empty() {
            self.waiting.remove(key);
        }
        Some(waiter)
    }

    /// All who wait for this answer; nobody waits for it any more.
    pub fn wake(&mut self, key: &Key) -> impl Iterator<Item = Waiter> + use<> {
        self.waiting.remove(key).unwrap_or_default().into_iter().map(|(_, waiter)| waiter)
    }
}

#[cfg(test)]
mod tests {
    use tokio::sync::oneshot;

    use super::*;

    fn key(id: &str) -> Key {
        Key { client: "plc".to_owned(), id: id.to_owned() }
    }

    #[test]
    fn an_answer_wakes_everybody_who_waits_for_it_and_nobody_else() {
        let mut waiters = Waiters::default();
        let ((a, mut hears_a), (b, mut hears_b), (c, mut hears_c)) =
            (oneshot::channel(), oneshot::channel(), oneshot::channel());
        waiters.add(key("1"), a);
        waiters.add(key("1"), b);
        let other = waiters.add(key("2"), c);
        for waiter in waiters.wake(&key("1")) {
            waiter.send(Ok(Some(vec![1]))).unwrap();
        }
        assert!(hears_a.try_recv().is_ok() && hears_b.try_recv().is_ok() && hears_c.try_recv().is_err());
        assert_eq!(waiters.wake(&key("1")).count(), 0);
        assert!(waiters.take(&key("2"), other).is_some());
        assert!(waiters.take(&key("2"), other).is_none(), "it was taken");
    }

    #[test]
    fn whose_connection_has_ended_is_forgotten() {
        let mut waiters = Waiters::default();
        for _ in 0..3 {
            let (gone, connection) = oneshot::channel();
            drop(connection);
            waiters.add(key("1"), gone);
        }
        assert_eq!(waiters.waiting[&key("1")].len(), 1, "only the last one is not looked at yet");
    }
}
