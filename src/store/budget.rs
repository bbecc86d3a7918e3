//! The disk budget: what is dropped, at which watermark, and the account of it. A case that a person was asked about is never dropped
//! before an export has taken it: rather than that, new questions are refused.

use std::time::SystemTime;

use rusqlite::{Connection, params};

use super::batch::Batch;
use super::journal::{PAGE_BYTES, pragma};
use super::query::text;
use super::record::{milliseconds, time};
use super::{CaseId, Error};

/// Percent of the budget from which the texts of delivered cases go that no person was asked about.
const TEXTS_GO_AT: u64 = 80;
/// Percent from which such cases go altogether, and those whose reviews are all exported.
const CASES_GO_AT: u64 = 90;
/// Percent from which new questions are refused: what is left is for the answers and reviews of those that are here.
const REFUSED_AT: u64 = 95;
const _: () = assert!(TEXTS_GO_AT < CASES_GO_AT && CASES_GO_AT < REFUSED_AT && REFUSED_AT < 100);
/// Cases at once: several batches' worth, so that a full journal does not tidy at each, and few enough that nobody waits long.
const CASES_AT_ONCE: usize = 256;
/// Rounds that pass after one that found nothing to drop, before the whole journal is looked through again.
const ROUNDS_PAUSED: u32 = 64;

/// What one round of tidying dropped.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tidied {
    /// Cases whose question and rationale went.
    pub texts: usize,
    /// Cases that went, that no person was asked about.
    pub easy: usize,
    /// Cases that went, whose reviews are exported.
    pub exported: usize,
}

/// Why something was dropped, as the account says it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum EvictionReason {
    Texts,
    Easy,
    Exported,
    Undelivered,
}

/// One line of the account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dropped {
    /// `texts`, `easy`, `exported` as in [`Tidied`], or `undelivered`: replies given up.
    pub why: String,
    /// Cases.
    pub count: u64,
    /// The first, by the device's clock.
    pub first_at: SystemTime,
    /// The last.
    pub last_at: SystemTime,
}

/// The watermarks, and how far the journal was looked through.
#[derive(Clone, Debug)]
pub(super) struct Budget {
    bytes_max: u64,
    texts: Search,
    cases: Search,
}

/// Goes through the cases, oldest first, a round at a time.
#[derive(Clone, Debug, Default)]
struct Search {
    after: i64,
    pause: u32,
}

impl Budget {
    pub fn new(bytes_max: u64) -> Self {
        Self { bytes_max, texts: Search::default(), cases: Search::default() }
    }

    pub fn bytes_max(&self) -> u64 {
        self.bytes_max
    }

    /// Whether a round may find something to drop.
    pub fn is_due(&self, connection: &Connection) -> rusqlite::Result<bool> {
        Ok(used(connection)? >= percent(self.bytes_max, TEXTS_GO_AT))
    }
}

impl Search {
    fn is_due(&mut self) -> bool {
        self.pause = self.pause.saturating_sub(1);
        self.pause == 0
    }

    fn found(&mut self, last: Option<i64>) {
        match last {
            Some(last) => self.after = last,
            None if self.after == 0 => self.pause = ROUNDS_PAUSED,
            None => self.after = 0, // what was not at rest when it was passed may be by now
        }
    }
}

/// Bytes of the pages in use: free ones are written again before the file grows.
pub(super) fn used(connection: &Connection) -> rusqlite::Result<u64> {
    let pages = pragma(connection, "page_count")? - pragma(connection, "freelist_count")?;
    Ok(u64::try_from(pages).unwrap_or(0) * PAGE_BYTES)
}

/// Whether new questions are refused.
pub(super) fn is_full(used: u64, bytes_max: u64) -> bool {
    used >= percent(bytes_max, REFUSED_AT)
}

fn percent(bytes_max: u64, percent: u64) -> u64 {
    bytes_max / 100 * percent
}

/// Nothing is to do for it: it is answered, and whoever asked has the answer.
const AT_REST: &str = "NOT EXISTS (SELECT 1 FROM pending WHERE pending.seq = cases.seq
    AND what IN ('answer', 'reply', 'explain', 'rationale'))";

impl Batch<'_> {
    pub(super) fn tidy(&mut self, budget: &mut Budget, at: SystemTime) -> Result<Tidied, Error> {
        let mut tidied = Tidied::default();
        if self.used()? >= percent(budget.bytes_max, CASES_GO_AT) && budget.cases.is_due() {
            (tidied.easy, tidied.exported) = self.drop_cases(&mut budget.cases, at)?;
        }
        if tidied == Tidied::default() && budget.texts.is_due() {
            tidied.texts = self.drop_texts(&mut budget.texts, at)?;
        }
        Ok(tidied)
    }

    /// What was dropped since the journal began.
    pub fn dropped_so_far(&self) -> Result<Vec<Dropped>, Error> {
        self.all("read what was dropped", "SELECT why, count, first_at, last_at FROM dropped", [], |row| {
            let (first_at, last_at) = (time(row.get(2)?), time(row.get(3)?));
            Ok(Dropped { why: text(row, 0)?, count: row.get(1)?, first_at, last_at })
        })
    }

    pub(super) fn dropped(&self, why: EvictionReason, count: usize, at: SystemTime) -> Result<(), Error> {
        if count == 0 {
            return Ok(());
        }
        let why = match why {
            EvictionReason::Texts => "texts",
            EvictionReason::Easy => "easy",
            EvictionReason::Exported => "exported",
            EvictionReason::Undelivered => "undelivered",
        };
        self.write(
            "write down what was dropped",
            "INSERT INTO dropped VALUES (?1, ?2, ?3, ?3)
             ON CONFLICT DO UPDATE SET count = count + excluded.count, last_at = excluded.last_at",
            params![why, count, milliseconds(at)],
        )
        .map(drop)
    }

    fn drop_texts(&self, search: &mut Search, at: SystemTime) -> Result<usize, Error> {
        let sql = format!(
            "SELECT seq FROM cases WHERE seq > ?1 AND question NOT NULL AND {AT_REST}
             AND NOT EXISTS (SELECT 1 FROM reviews WHERE reviews.seq = cases.seq) ORDER BY seq LIMIT {CASES_AT_ONCE}"
        );
        let cases = self.all("find texts to drop", &sql, [search.after], |row| row.get::<_, i64>(0))?;
        for case in &cases {
            self.write("let a question go", "UPDATE cases SET question = NULL WHERE seq = ?1", [case])?;
            self.write("let a rationale go", "DELETE FROM rationales WHERE seq = ?1", [case])?;
        }
        search.found(cases.last().copied());
        self.dropped(EvictionReason::Texts, cases.len(), at)?;
        Ok(cases.len())
    }

    fn drop_cases(&self, search: &mut Search, at: SystemTime) -> Result<(usize, usize), Error> {
        // The newest stays, so that its number is not given again.
        let sql = format!(
            "SELECT seq, EXISTS (SELECT 1 FROM reviews WHERE reviews.seq = cases.seq) FROM cases
             WHERE seq > ?1 AND seq < (SELECT max(seq) FROM cases) AND {AT_REST}
             AND NOT EXISTS (SELECT 1 FROM reviews WHERE reviews.seq = cases.seq
                AND (resolution IS NULL OR resolution > (SELECT exported_through FROM journal)))
             ORDER BY seq LIMIT {CASES_AT_ONCE}"
        );
        let cases = self
            .all("find cases to drop", &sql, [search.after], |row| Ok((CaseId(row.get(0)?), row.get::<_, bool>(1)?)))?;
        for (case, _) in &cases {
            for table in ["checks", "rationales", "reviews", "outcomes", "cases"] {
                self.write("drop a case", &format!("DELETE FROM {table} WHERE seq = ?1"), [case.0])?;
            }
        }
        search.found(cases.last().map(|(case, _)| case.0));
        let exported = cases.iter().filter(|(_, reviewed)| *reviewed).count();
        self.dropped(EvictionReason::Easy, cases.len() - exported, at)?;
        self.dropped(EvictionReason::Exported, exported, at)?;
        Ok((cases.len() - exported, exported))
    }
}
