//! The questions of one opening of a line that wait for their answer. A line has nothing by which a device could tell whose answer it is, so
//! each question gets exactly one: its answer or a refusal, at its deadline at the latest, and none after the line was opened anew. Pure.

use std::collections::HashMap;
use std::time::Instant;

/// More questions than a device that reads its answers has on its way; the next one is told that the gateway is busy.
pub const LINES_WAITING_MAX: usize = 256;

/// Questions by their names.
#[derive(Debug, Default)]
pub struct Waiting(HashMap<String, Asked>);

#[derive(Debug)]
struct Asked {
    number: Option<u32>,
    /// `None` until the gateway has said it.
    expires: Option<Instant>,
    /// It had its line: that its time ran out.
    told: bool,
}

/// What a question still gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Due {
    /// Its line, with this number of the device's own.
    Line(Option<u32>),
    /// Nothing: it had its line.
    Told,
    /// Nothing: it is none of this opening.
    Unknown,
}

impl Waiting {
    /// A question waits; false where too many do.
    pub fn ask(&mut self, name: &str, number: Option<u32>) -> bool {
        let room = self.0.len() < LINES_WAITING_MAX;
        if room {
            self.0.insert(name.to_owned(), Asked { number, expires: None, told: false });
        }
        room
    }

    /// When nobody needs its answer any more.
    pub fn expires(&mut self, name: &str, at: Instant) {
        if let Some(asked) = self.0.get_mut(name) {
            asked.expires = Some(at);
        }
    }

    /// When the next question's time runs out.
    pub fn next_expiry(&self) -> Option<Instant> {
        self.0.values().filter(|asked| !asked.told).filter_map(|asked| asked.expires).min()
    }

    /// The numbers of those whose time has run out, in that order; they are told now.
    pub fn expire(&mut self, now: Instant) -> Vec<Option<u32>> {
        let is_due = |asked: &&mut Asked| !asked.told && asked.expires.is_some_and(|at| at <= now);
        let mut due: Vec<&mut Asked> = self.0.values_mut().filter(is_due).collect();
        due.sort_by_key(|asked| (asked.expires, asked.number));
        due.into_iter()
            .map(|asked| {
                asked.told = true;
                asked.number
            })
            .collect()
    }

    /// What became of a question is known: it waits no longer.
    pub fn take(&mut self, name: &str) -> Due {
        match self.0.remove(name) {
            None => Due::Unknown,
            Some(Asked { told: true, .. }) => Due::Told,
            Some(Asked { number, .. }) => Due::Line(number),
        }
    }

    /// The line was opened anew, or broke.
    pub fn clear(&mut self) {
        self.0.clear();
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_question_gets_one_line_and_none_of_another_opening() {
        let mut waiting = Waiting::default();
        assert!(waiting.ask("a", Some(17)) && waiting.ask("b", None));
        assert_eq!((waiting.take("a"), waiting.take("a")), (Due::Line(Some(17)), Due::Unknown));
        waiting.clear();
        assert_eq!(waiting.take("b"), Due::Unknown);
    }

    #[test]
    fn whose_time_runs_out_is_told_at_once_and_gets_nothing_more() {
        let (mut waiting, now) = (Waiting::default(), Instant::now());
        let after = |seconds| now + Duration::from_secs(seconds);
        for (name, number, at) in [("a", 1, 3), ("b", 2, 1), ("c", 3, 2)] {
            waiting.ask(name, Some(number));
            waiting.expires(name, after(at));
        }
        waiting.ask("d", Some(4)); // not durable yet
        assert_eq!(waiting.next_expiry(), Some(after(1)));
        assert_eq!(waiting.expire(now), []);
        assert_eq!(waiting.expire(after(2)), [Some(2), Some(3)]);
        assert_eq!((waiting.expire(after(2)), waiting.next_expiry()), (vec![], Some(after(3))));
        assert_eq!((waiting.take("b"), waiting.take("a")), (Due::Told, Due::Line(Some(1))));
    }

    #[test]
    fn not_more_wait_than_a_device_has_on_its_way() {
        let mut waiting = Waiting::default();
        assert!((0..LINES_WAITING_MAX).all(|name| waiting.ask(&name.to_string(), None)));
        assert!(!waiting.ask("one more", None));
        waiting.take("0");
        assert!(waiting.ask("one more", None));
    }
}
