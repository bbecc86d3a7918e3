//! A gateway whose clock on the wall was never set, or jumps: a library of our own stands before the real one's clock.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, SystemTime};

use sokutou::store::{CaseId, Journal, Limits, Outcome};
use tempfile::TempDir;

use crate::gateway::{Asker, Broker, FINE, Gateway};
use crate::http::Station;

/// Adds the seconds in a file to the clock on the wall, at every look; all other clocks are as they are.
const CLOCK: &str = r#"
    #define _GNU_SOURCE
    #include <fcntl.h>
    #include <stdlib.h>
    #include <sys/mman.h>
    #include <sys/syscall.h>
    #include <time.h>
    #include <unistd.h>
    static const volatile long *ahead;
    __attribute__((constructor)) static void begin(void) {
        const char *path = getenv("SOKUTOU_TEST_CLOCK");
        int file = path ? open(path, O_RDONLY) : -1;
        void *map = file < 0 ? MAP_FAILED : mmap(0, sizeof *ahead, PROT_READ, MAP_SHARED, file, 0);
        if (map != MAP_FAILED) ahead = map;
    }
    int clock_gettime(clockid_t clock, struct timespec *time) {
        int failed = syscall(SYS_clock_gettime, clock, time);
        if (!failed && clock == CLOCK_REALTIME && ahead) time->tv_sec += *ahead;
        return failed;
    }
"#;
const YEAR_S: i64 = 365 * 24 * 3600;

/// A clock that a test sets.
struct Clock {
    library: PathBuf,
    file: PathBuf,
}

impl Clock {
    fn new(folder: &TempDir) -> Self {
        let library = crate::library::library(folder, CLOCK, &[]);
        let clock = Self { library, file: folder.path().join("ahead") };
        fs::write(&clock.file, 0_i64.to_ne_bytes()).unwrap();
        clock
    }

    fn set_ahead(&self, seconds: i64) {
        // In place: it is mapped.
        let file = fs::File::options().write(true).open(&self.file).unwrap();
        std::os::unix::fs::FileExt::write_all_at(&file, &seconds.to_ne_bytes(), 0).unwrap();
    }

    fn variables(&self) -> [(&str, &str); 2] {
        [("LD_PRELOAD", self.library.to_str().unwrap()), ("SOKUTOU_TEST_CLOCK", self.file.to_str().unwrap())]
    }
}

fn now_s() -> i64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs() as i64
}

#[test]
fn a_clock_that_was_never_set_is_said_and_nothing_waits_for_it() {
    let folder = TempDir::new().unwrap();
    let clock = Clock::new(&folder);
    clock.set_ahead(-now_s()); // as a box without a battery wakes up
    let broker = Broker::start(&folder.path().join("broker"), "");
    let here = Station::start_with(&folder.path().join("gateway"), Some(broker.port), &[], &clock.variables());
    let asker = Asker::connect("plc", broker.port, &["sokutou/press-3/answer/#"]);
    here.gateway.wait_for("the clock is not set");
    here.gateway.wait_for("connected to the broker"); // which keeps no question for a gateway that it never met
    asker.ask("sokutou/press-3/ask/plc/1", FINE);
    assert_eq!(asker.next().json()["state"], "answered");
    let status = Asker::connect("watcher", broker.port, &["sokutou/press-3/status"]).next().json();
    assert_eq!((&status["state"], &status["clock"]), (&"online".into(), &"unset".into()));
    here.is_well();
    assert_eq!(here.get("/healthz").json()["clock"], "unset");
    clock.set_ahead(0);
    assert_eq!(here.get("/healthz").json()["clock"], "set");
}

#[test]
fn a_clock_that_jumps_by_a_year_moves_no_deadline_and_no_order() {
    let folder = TempDir::new().unwrap();
    let clock = Clock::new(&folder);
    let broker = Broker::start(&folder.path().join("broker"), "");
    let (at, settings) = (folder.path().join("gateway"), ["limits.deadline_ms=86400000", "review.audit_share=1.0"]);
    let mut gateway = Gateway::start_with("press-3", broker.port, &at, &settings, &clock.variables());
    gateway.wait_for("connected to the broker");
    let asker = Asker::connect("plc", broker.port, &["sokutou/press-3/answer/#"]);
    let answered = |ids: std::ops::Range<usize>| {
        ids.clone().for_each(|id| asker.ask(&format!("sokutou/press-3/ask/plc/{id}"), FINE));
        ids.map(|_| asker.next().json()).find(|said| said["state"] != "answered").map_or(Ok(()), Err)
    };
    // Many at once, so that some come with one batch of the journal, and a clock that never rests.
    let (asked, ended) = (300, AtomicBool::new(false));
    thread::scope(|scope| {
        scope.spawn(|| {
            for ahead in [0, YEAR_S, -YEAR_S].into_iter().cycle().take_while(|_| !ended.load(Ordering::Relaxed)) {
                clock.set_ahead(ahead);
                thread::sleep(Duration::from_micros(500));
            }
        });
        let all = (0..asked).step_by(30).try_for_each(|first| answered(first..first + 30));
        ended.store(true, Ordering::Relaxed);
        all.unwrap();
    });
    // And by a year for certain.
    for (id, ahead) in [(asked, YEAR_S), (asked + 1, -YEAR_S)] {
        clock.set_ahead(ahead);
        answered(id..id + 1).unwrap();
    }
    assert_eq!(gateway.stop(), Some(0));
    let years = years_of(&at.join("journal"), asked + 2);
    assert!(years.iter().any(|year| *year > 0) && years.iter().any(|year| *year < 0), "it did not jump: {years:?}");
}

/// How many years ahead each case was received, by the box's clock; each is answered, audited and kept in the order of asking.
fn years_of(journal: &Path, cases: usize) -> Vec<i64> {
    let (mut journal, _) = Journal::open(journal, Limits { disk_bytes_max: 1 << 30 }).unwrap();
    let received = |case: i64| {
        let case = journal.batch(|batch| batch.case(CaseId(case))).unwrap().unwrap();
        assert!(matches!(case.outcome, Some(Outcome::Answered(_))) && case.reviews.len() == 1);
        assert_eq!(case.asked.request, (case.id.0 - 1).to_string());
        let since = case.asked.received_at.duration_since(SystemTime::UNIX_EPOCH).unwrap_or(Duration::ZERO);
        (since.as_secs() as i64 - now_s() + YEAR_S / 2).div_euclid(YEAR_S)
    };
    (1..=cases as i64).map(received).collect()
}
