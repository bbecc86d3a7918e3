//! Which question the model gets next: the oldest that waits in the journal, as many at once as the queue allows, none twice. Pure but
//! for the look at the journal that [`Next`] is.

use std::collections::{HashMap, HashSet};
use std::time::{Duration, Instant, SystemTime};

use crate::domain::CaseId;
use crate::store::{self, Batch, Case};

/// Which cases are in the worker's hands, and when each expires.
pub struct Scheduler {
    /// Questions in the worker's hands at once; the journal keeps the others, in their order.
    queue: usize,
    /// Nobody knows yet whether there is a model. Until then questions wait.
    loading: bool,
    in_hand: HashSet<CaseId>,
    /// By the clock that never jumps.
    expiries: HashMap<CaseId, Instant>,
    /// The last case that came before this process.
    recovered_through: CaseId,
}

/// When a question began and when it is of no more use, by the clock that never jumps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Times {
    /// When it was asked.
    pub asked: Instant,
    /// After this nobody needs an answer.
    pub expires: Option<Instant>,
}

impl Scheduler {
    /// Holds nothing yet. Cases through `recovered_through` came before this process.
    pub fn new(queue: usize, recovered_through: CaseId) -> Self {
        let (in_hand, expiries) = (HashSet::new(), HashMap::new());
        Self { queue, loading: true, in_hand, expiries, recovered_through }
    }

    /// Sets how many questions the worker has at once.
    pub fn set_queue(&mut self, queue: usize) {
        self.queue = queue;
    }

    /// The worker has said whether there is a model.
    pub fn loaded(&mut self) {
        self.loading = false;
    }

    /// The worker has not said yet whether there is a model.
    pub fn is_loading(&self) -> bool {
        self.loading
    }

    /// A new question is in the journal.
    pub fn received(&mut self, case: CaseId, expires: Instant) {
        self.expiries.insert(case, expires);
    }

    /// Whether the worker can take another question.
    pub fn has_room(&self) -> bool {
        !self.loading && self.in_hand.len() < self.queue
    }

    /// Whether the worker has this question.
    pub fn is_in_hand(&self, case: CaseId) -> bool {
        self.in_hand.contains(&case)
    }

    /// Questions that the worker has.
    pub fn in_hand(&self) -> usize {
        self.in_hand.len()
    }

    /// What waits and is not in the worker's hands, as far as there is room, or will be once `freed` questions have ended: a look at
    /// the journal that rides in a step that is made anyway, since one of its own costs two threads a turn.
    pub fn next(&self, freed: usize) -> Next {
        let room = if self.loading { 0 } else { (self.queue + freed).saturating_sub(self.in_hand.len()) };
        Next { room, in_hand: self.in_hand.clone() }
    }

    /// Puts a case into the worker's hands; `None` where it is there already, or there is no room. `wall` is the clock on the wall:
    /// what came before this process began expires by it, for want of another; one that went back is not believed.
    pub fn start(&mut self, case: &Case, now: Instant, wall: SystemTime) -> Option<Times> {
        if !self.has_room() || !self.in_hand.insert(case.id) {
            return None;
        }
        let expires_after = case.asked.expires_after;
        let expires = self.expiry(case, now, wall);
        self.expiries.extend(expires.map(|expires| (case.id, expires)));
        let asked = expires.zip(expires_after).and_then(|(at, after)| at.checked_sub(after));
        Some(Times { asked: asked.unwrap_or(now), expires })
    }

    /// After this nobody needs its answer, as far as that was said.
    pub fn expiry(&self, case: &Case, now: Instant, wall: SystemTime) -> Option<Instant> {
        self.expiries.get(&case.id).copied().or_else(|| {
            // What came since and is not known here was found by a step that ended just now.
            let recovered = case.id <= self.recovered_through;
            let waited = if recovered {
                wall.duration_since(case.asked.received_at).unwrap_or_default()
            } else {
                Duration::ZERO
            };
            Some(now + case.asked.expires_after?.saturating_sub(waited))
        })
    }

    /// Whether nobody needs its answer any more.
    pub fn is_expired(&self, case: CaseId, now: Instant) -> bool {
        self.expiries.get(&case).is_some_and(|expires| *expires <= now)
    }

    /// The case has its outcome.
    pub fn ended(&mut self, case: CaseId) {
        self.in_hand.remove(&case);
        self.expiries.remove(&case);
    }

    /// The case has none, and waits again.
    pub fn put_back(&mut self, case: CaseId) {
        self.in_hand.remove(&case);
    }
}

/// A look at the journal for what waits.
pub struct Next {
    room: usize,
    in_hand: HashSet<CaseId>,
}

impl Next {
    /// The cases, oldest first.
    pub fn find(&self, batch: &Batch<'_>) -> Result<Vec<Case>, store::Error> {
        if self.room == 0 {
            return Ok(Vec::new());
        }
        let waiting = batch.unanswered(None, self.room + self.in_hand.len())?;
        let next = waiting.into_iter().filter(|case| !self.in_hand.contains(case)).take(self.room);
        Ok(next.map(|case| batch.case(case)).collect::<Result<Vec<_>, _>>()?.into_iter().flatten().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::NewCase;

    const MINUTE: Duration = Duration::from_secs(60);

    fn case(id: i64, received_at: SystemTime) -> Case {
        let asked = NewCase {
            client: "plc".to_owned(),
            request: id.to_string(),
            task: String::new(),
            question: "?".to_owned(),
            wants_rationale: false,
            route: Vec::new(),
            source: "mqtt".to_owned(),
            expires_after: Some(MINUTE),
            received_at,
        };
        Case { id: CaseId(id), asked, question_kept: true, outcome: None, reviews: Vec::new(), delivered: false }
    }

    fn scheduler(queue: usize) -> Scheduler {
        let mut scheduler = Scheduler::new(queue, CaseId(10));
        scheduler.loaded();
        scheduler
    }

    #[test]
    fn questions_wait_until_the_worker_has_said_whether_there_is_a_model() {
        let (now, wall) = (Instant::now(), SystemTime::now());
        let mut scheduler = Scheduler::new(2, CaseId(0));
        assert!(scheduler.start(&case(1, wall), now, wall).is_none());
        assert_eq!(scheduler.next(1).room, 0);
        scheduler.loaded();
        assert!(scheduler.start(&case(1, wall), now, wall).is_some());
        assert_eq!((scheduler.next(0).room, scheduler.next(1).room), (1, 2));
    }

    #[test]
    fn no_case_is_in_hand_twice_and_no_more_than_the_queue_allows() {
        let (now, wall) = (Instant::now(), SystemTime::now());
        let mut scheduler = scheduler(2);
        assert!(scheduler.start(&case(11, wall), now, wall).is_some());
        assert!(scheduler.start(&case(11, wall), now, wall).is_none());
        assert!(scheduler.start(&case(12, wall), now, wall).is_some());
        assert!(scheduler.start(&case(13, wall), now, wall).is_none());
        scheduler.ended(CaseId(11));
        assert!(scheduler.start(&case(13, wall), now, wall).is_some());
        scheduler.put_back(CaseId(12));
        assert!(!scheduler.is_in_hand(CaseId(12)) && scheduler.has_room());
    }

    #[test]
    fn a_case_of_an_earlier_process_expires_by_the_wall_and_a_clock_that_went_back_is_not_believed() {
        let (now, wall) = (Instant::now(), SystemTime::now());
        for (id, received_at, left) in [
            (10, wall - MINUTE / 4, MINUTE * 3 / 4),
            (9, wall - 2 * MINUTE, Duration::ZERO),
            (8, wall + MINUTE, MINUTE),
            (11, wall - MINUTE / 4, MINUTE), // of this process: its age is not asked of the wall
        ] {
            let times = scheduler(1).start(&case(id, received_at), now, wall).unwrap();
            assert_eq!(times.expires, Some(now + left), "case {id}");
        }
    }

    #[test]
    fn a_new_case_expires_when_it_was_said_to() {
        let (now, wall) = (Instant::now(), SystemTime::now());
        let mut scheduler = scheduler(1);
        scheduler.received(CaseId(11), now + MINUTE / 2);
        let times = scheduler.start(&case(11, wall), now, wall).unwrap();
        assert_eq!(times.expires, Some(now + MINUTE / 2));
        assert!(!scheduler.is_expired(CaseId(11), now) && scheduler.is_expired(CaseId(11), now + MINUTE / 2));
        scheduler.ended(CaseId(11));
        assert!(!scheduler.is_expired(CaseId(11), now + MINUTE), "nothing is known of what has ended");
    }
}
