//! What crashes, full disks and rotten bytes leave of a journal: a prefix of what was acknowledged, or a file set aside and an empty
//! journal; never a panic, never a journal that does not open.
//!
//! Simulated: processes that die at any point, files that stop to grow (EFBIG in place of a full disk), syncs that fail, logs and
//! databases cut short or with a byte changed. Not simulated: a disk that reorders or loses writes which it was not told to sync.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead as _, BufReader, Read as _};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::thread;
use std::time::Duration;

use sokutou::domain::{CaseId, DeliveryKind, ReviewState, ReviewVerdict};
use sokutou::store::{Case, Error, Journal, Opened, Outcome, Received, RecordedAnswer, Resolution, Writer};
use tempfile::TempDir;

use crate::store::{LIMITS, asked, at, open, sure};
use crate::support::PATIENCE;

const DATABASE: &str = "journal.db";
const LOG: &str = "journal.db-wal";
const PAGE: usize = 4096;
/// Tells the child process where its journal is.
const FOLDER: &str = "SOKUTOU_TEST_JOURNAL";
/// How many cases a child answers before it ends by itself.
const CHILD_CASES: &str = "SOKUTOU_TEST_CASES";

/// A journal's files, as a crash left them.
#[derive(Clone)]
struct Image {
    database: Vec<u8>,
    log: Vec<u8>,
}

impl Image {
    fn of(folder: &Path) -> Self {
        Self { database: fs::read(folder.join(DATABASE)).unwrap(), log: fs::read(folder.join(LOG)).unwrap_or_default() }
    }

    fn written(&self) -> TempDir {
        // Memory is as good as a disk here, and many times as fast.
        let memory = Path::new("/dev/shm");
        let folder = if memory.is_dir() { TempDir::new_in(memory) } else { TempDir::new() }.unwrap();
        fs::write(folder.path().join(DATABASE), &self.database).unwrap();
        if !self.log.is_empty() {
            fs::write(folder.path().join(LOG), &self.log).unwrap();
        }
        folder
    }
}

/// One case a batch, with all that can happen to a case; returns the journal still open, the log's length after each batch.
fn some_cases(folder: &Path, requests: std::ops::Range<u32>) -> (Journal, Vec<usize>) {
    let (mut journal, _) = open(folder);
    let log = folder.join(LOG);
    let ends = requests
        .map(|request| {
            journal
                .batch(|batch| {
                    let Received::New(case) = batch.receive(&asked(&request.to_string()))? else { panic!("known") };
                    if request % 2 == 0 {
                        batch.answered(case, &sure("HDF"))?;
                    }
                    if request % 4 == 0 {
                        batch.resolve(case, &ReviewVerdict::Wrong("PWF".to_owned()), Some("line 2"), at(5))?;
                    }
                    Ok(())
                })
                .unwrap();
            fs::metadata(&log).unwrap().len() as usize
        })
        .collect();
    (journal, ends)
}

/// A journal whose first ten cases are in the database and whose next ten are in the log, never closed.
fn unclean() -> (Image, Vec<usize>) {
    let folder = TempDir::new().unwrap();
    let (journal, _) = some_cases(folder.path(), 0..10);
    journal.close().unwrap();
    let (_journal, ends) = some_cases(folder.path(), 10..20);
    (Image::of(folder.path()), ends)
}

/// The same journal with its log, and after it was closed.
fn unclean_and_clean() -> (Image, Image) {
    let (unclean, _) = unclean();
    let folder = unclean.written();
    open(folder.path()).0.close().unwrap();
    let clean = Image::of(folder.path());
    assert!(clean.log.is_empty());
    (unclean, clean)
}

/// Does what a daemon does after its start, and returns all cases.
fn visit(mut journal: Journal) -> Result<Vec<Case>, Error> {
    let cases = journal.batch(|batch| {
        batch.counts()?;
        batch.undelivered(None, 100)?;
        batch.unexplained(None, 100)?;
        batch.reviews(ReviewState::Open, None, 100)?;
        batch.reviews(ReviewState::Resolved, None, 100)?;
        batch.export(Resolution(0), 100)?;
        batch.unanswered(None, 100)?;
        let mut cases = Vec::new();
        while let Some(case) = batch.case(CaseId(cases.len() as i64 + 1))? {
            cases.push(case);
        }
        Ok(cases)
    })?;
    journal.batch(|batch| batch.receive(&asked("new")))?;
    journal.close()?;
    Ok(cases)
}

/// How many cases there are, each of them as it was written.
fn as_written(cases: &[Case]) -> usize {
    for (request, case) in cases.iter().enumerate() {
        assert_eq!(case.asked, asked(&request.to_string()));
        let recorded = (request % 2 == 0).then(|| Outcome::Answered(Box::new(sure("HDF"))));
        assert_eq!((&case.outcome, case.reviews.len()), (&recorded, usize::from(request % 4 == 0)));
    }
    cases.len()
}

#[test]
fn a_log_cut_anywhere_keeps_every_batch_before_the_cut() {
    let (image, ends) = unclean();
    let header = 32;
    let frame = PAGE + 24;
    let boundaries = (0..=image.log.len() / frame).flat_map(|at| {
        let boundary = header + at * frame;
        [boundary.saturating_sub(1), boundary, boundary + 1]
    });
    let cuts = boundaries.chain((0..image.log.len()).step_by(1009)).chain([1, 2, 31]);
    for cut in cuts.filter(|cut| *cut <= image.log.len()) {
        let folder = Image { log: image.log[..cut].to_vec(), ..image.clone() }.written();
        let (journal, opened) = open(folder.path());
        assert_eq!(opened, if cut == 0 { Opened::Clean } else { Opened::Recovered }, "cut at {cut}");
        let kept = ends.iter().filter(|end| **end <= cut).count();
        assert_eq!(as_written(&visit(journal).unwrap()), 10 + kept, "cut at {cut}");
    }
}

#[test]
fn a_log_with_any_byte_changed_keeps_every_batch_before_it() {
    let (image, ends) = unclean();
    for at in (0..image.log.len()).step_by(499).chain(0..32) {
        let mut image = image.clone();
        image.log[at] ^= 1 << (at % 8);
        let folder = image.written();
        let (journal, _) = open(folder.path());
        let kept = ends.iter().filter(|end| **end <= at).count();
        assert_eq!(as_written(&visit(journal).unwrap()), 10 + kept, "byte {at}");
    }
}

/// Opens what is left as often as a daemon would; the cases that are left, `None` if it was set aside.
fn survives(image: &Image, what: &str) -> Option<Vec<Case>> {
    let folder = image.written();
    let mut aside = false;
    for _ in 0..3 {
        let (journal, opened) = open(folder.path());
        if let Opened::Quarantined { aside: path, .. } = &opened {
            // Nothing of it is lost: somebody may get the cases out.
            assert_eq!(fs::metadata(path).unwrap().len(), image.database.len() as u64, "{what}");
            aside = true;
        }
        match visit(journal) {
            Ok(cases) => return (!aside).then_some(cases),
            Err(error) => assert!(error.refusal().is_none() && !aside, "{what}: {error:?}"),
        }
    }
    panic!("{what}: the journal never came to work again");
}

#[test]
fn a_database_cut_anywhere_is_set_aside_or_whole() {
    let (image, clean) = unclean_and_clean();
    for (name, image) in [("unclean", &image), ("clean", &clean)] {
        let pages = (0..image.database.len()).step_by(PAGE);
        let cuts = pages.flat_map(|page| [page, page + 1, page + PAGE - 1]).chain((0..300).step_by(7));
        let mut aside = 0;
        for cut in cuts {
            let image = Image { database: image.database[..cut].to_vec(), ..image.clone() };
            let cases = survives(&image, &format!("{name}, cut at {cut}")).map(|cases| as_written(&cases));
            // SQLite takes a file without a byte for a new one.
            let whole = if cut == 0 { 0 } else { 20 };
            assert!(cases.is_none_or(|cases| cases == whole), "{name}, cut at {cut}: {cases:?}");
            aside += usize::from(cases.is_none());
        }
        assert!(aside > 10, "{name}: {aside}");
    }
}

#[test]
fn a_database_with_any_byte_changed_is_set_aside_or_works() {
    let (image, clean) = unclean_and_clean();
    for (name, image) in [("unclean", &image), ("clean", &clean)] {
        let places = (0..image.database.len()).step_by(499).chain(0..108);
        let (mut aside, mut count) = (0, 0);
        for at in places {
            let mut image = image.clone();
            image.database[at] ^= 1 << (at % 8);
            count += 1;
            aside += usize::from(survives(&image, &format!("{name}, byte {at}")).is_none());
        }
        assert!(aside > 10 && aside < count, "{name}: {aside} of {count}");
    }
}

#[test]
fn what_is_no_journal_is_set_aside_and_named() {
    let (image, _) = unclean();
    let version = |version: i32, id: i32| {
        let folder = TempDir::new().unwrap();
        let other = rusqlite::Connection::open(folder.path().join(DATABASE)).unwrap();
        other.execute_batch("CREATE TABLE parts (name TEXT)").unwrap();
        other.pragma_update(None, "user_version", version).unwrap();
        other.pragma_update(None, "application_id", id).unwrap();
        Image::of(folder.path())
    };
    let ours = 0x534b_544a;
    let orphan = Image { database: Vec::new(), ..image.clone() };
    for (what, image, words) in [
        (
            "a text",
            Image { database: b"not a database, a text of a person".repeat(300), log: Vec::new() },
            "not a database",
        ),
        ("another program's", version(1, 0), "application id"),
        ("of a later sokutou", version(1000, ours), "schema"),
        ("of other tables", version(1, ours), "tables"),
        ("without its database", orphan, "log"),
    ] {
        let folder = image.written();
        let (journal, opened) = open(folder.path());
        let Opened::Quarantined { aside, why } = opened else { panic!("{what}: {opened:?}") };
        assert!(why.contains(words), "{what}: {why}");
        assert_eq!(fs::read(&aside).unwrap().len(), image.database.len(), "{what}");
        assert_eq!(as_written(&visit(journal).unwrap()), 0);
    }
    // A card that rots again and again: old ones do not pile up, and the one with most in it stays.
    let folder = image.written();
    for _ in 0..7 {
        fs::write(folder.path().join(DATABASE), b"rotten").unwrap();
        assert!(matches!(open(folder.path()).1, Opened::Quarantined { .. }));
    }
    let names = fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut kept: Vec<String> = names.filter(|name| name.contains(".corrupt-")).collect();
    kept.sort();
    assert_eq!(
        kept,
        ["journal.db-wal.corrupt-1", "journal.db-wal.corrupt-7", "journal.db.corrupt-1", "journal.db.corrupt-7"]
    );
}

/// A file of each schema that was released, as its runtime wrote it.
#[test]
fn journals_of_older_schemas_open() {
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data");
    let mut versions = 0;
    while let Ok(database) = fs::read(data.join(format!("journal-{}.db", versions + 1))) {
        versions += 1;
        let folder = Image { database, log: Vec::new() }.written();
        let (journal, opened) = open(folder.path());
        assert_eq!((opened, as_written(&visit(journal).unwrap())), (Opened::Clean, 20), "schema {versions}");
    }
    assert_eq!(versions, 2, "a file of each schema, and none more");
}

#[test]
#[ignore = "writes the file that journals_of_older_schemas_open reads; once a schema"]
fn write_the_journal_of_this_schema() {
    let folder = TempDir::new().unwrap();
    some_cases(folder.path(), 0..20).0.close().unwrap();
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/journal-2.db");
    fs::copy(folder.path().join(DATABASE), data).unwrap();
}

/// What a killed child does: answers questions from several threads, and says each that is on disk.
#[test]
#[ignore = "run by the other tests, as a process of its own"]
fn child() {
    let folder = PathBuf::from(std::env::var_os(FOLDER).expect("run by the other tests"));
    let cases: u32 = std::env::var(CHILD_CASES).unwrap().parse().unwrap();
    let (journal, opened) = match Journal::open(&folder, LIMITS) {
        Ok(opened) => opened,
        Err(error) => return println!("\nfailed {error:?}"),
    };
    assert!(!matches!(opened, Opened::Quarantined { .. }), "{opened:?}");
    let (writer, running) = Writer::start(journal, || at(0)).unwrap();
    let process = std::process::id();
    let threads: Vec<_> = (0..3)
        .map(|thread| {
            let writer = writer.clone();
            std::thread::spawn(move || -> Result<(), Error> {
                for number in 0..cases {
                    let new = asked(&format!("{process}-{thread}-{number}"));
                    let request = new.request.clone();
                    let received = writer.step_blocking(move |batch| batch.receive(&new))?;
                    println!("\nreceived {request}");
                    let Received::New(case) = received else { panic!("{request} is new") };
                    let recorded = RecordedAnswer { tokens: number, ..sure("HDF") };
                    writer.step_blocking(move |batch| batch.answered(case, &recorded))?;
                    println!("\nanswered {request}");
                    writer.step_blocking(move |batch| batch.delivered(case, DeliveryKind::Reply(0)))?;
                    println!("\ndelivered {request}");
                }
                Ok(())
            })
        })
        .collect();
    for thread in threads {
        if let Err(error) = thread.join().unwrap() {
            println!("\nfailed {error:?}");
        }
    }
    drop(writer);
    if let Err(error) = running.join() {
        println!("\nfailed {error:?}");
    }
    println!("\nended");
}

fn this_test() -> (PathBuf, [&'static str; 4]) {
    (std::env::current_exe().unwrap(), ["crash::child", "--exact", "--ignored", "--nocapture"])
}

fn spawn(command: &mut Command, folder: &Path, cases: u32) -> Child {
    let command = command.env(FOLDER, folder).env(CHILD_CASES, cases.to_string());
    command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap()
}

/// What was acknowledged, by request: how often, and how far.
#[derive(Default)]
struct Ledger(BTreeMap<String, u8>);

impl Ledger {
    fn note(&mut self, line: &str) {
        let Some((what, request)) = line.trim().split_once(' ') else { return };
        let far = match what {
            "received" => 1,
            "answered" => 2,
            "delivered" => 3,
            _ => return,
        };
        let known = self.0.entry(request.to_owned()).or_default();
        *known = far.max(*known);
    }

    /// Everything that was acknowledged is there once, at least as far.
    fn check(&self, folder: &Path, what: &str) {
        let (mut journal, opened) = open(folder);
        assert!(!matches!(opened, Opened::Quarantined { .. }), "{what}: {opened:?}");
        let mut found = BTreeMap::new();
        journal
            .batch(|batch| {
                for number in 1..=batch.counts()?.received {
                    let case = batch.case(CaseId(number))?.expect("numbers have no holes");
                    let far = 1 + u8::from(case.outcome.is_some()) + u8::from(case.delivered);
                    assert!(found.insert(case.asked.request, far).is_none(), "{what}: twice");
                }
                Ok(())
            })
            .unwrap();
        for (request, far) in &self.0 {
            assert!(found.get(request).is_some_and(|found| found >= far), "{what}: {request} went as far as {far}");
        }
    }
}

#[test]
fn no_acknowledged_step_is_lost_when_the_process_is_killed() {
    const CYCLES: usize = 50;
    let folder = TempDir::new().unwrap();
    let (program, arguments) = this_test();
    let mut ledger = Ledger::default();
    for cycle in 0..CYCLES {
        let mut child = spawn(Command::new(&program).args(arguments), folder.path(), u32::MAX);
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        // Every fifth dies while it starts and recovers, the others after more and more steps.
        let steps = if cycle % 5 == 4 { 0 } else { 1 + cycle * 7 % 60 };
        if steps == 0 {
            std::thread::sleep(Duration::from_millis(cycle as u64));
        }
        let mut line = String::new();
        for _ in 0..steps {
            line.clear();
            line.push_str(
                &lines.by_ref().map(Result::unwrap).find(|line| line.contains('-')).expect("the child goes on"),
            );
            ledger.note(&line);
        }
        child.kill().unwrap();
        child.wait().unwrap();
        lines.map_while(Result::ok).for_each(|line| ledger.note(&line));
        if cycle % 7 == 0 {
            ledger.check(folder.path(), &format!("cycle {cycle}"));
        }
    }
    ledger.check(folder.path(), "at the end");
    assert!(ledger.0.len() > CYCLES, "{}", ledger.0.len());
}

/// Runs the child until it ends, by itself or at what was done to it; everything that it acknowledged must be there.
fn run_to_the_end(command: &mut Command, cases: u32, what: &str) -> bool {
    let folder = TempDir::new().unwrap();
    let mut child = spawn(command.process_group(0), folder.path(), cases);
    let ((end, waits), group) = (channel::<()>(), format!("-{}", child.id()));
    let watch = thread::spawn(move || {
        if waits.recv_timeout(PATIENCE) == Err(RecvTimeoutError::Timeout) {
            Command::new("kill").args(["-9", "--", &group]).status().unwrap(); // with whoever traces it
        }
    });
    let mut said = String::new();
    child.stdout.take().unwrap().read_to_string(&mut said).unwrap();
    child.wait().unwrap();
    drop(end);
    watch.join().unwrap();
    assert!(said.contains("\nfailed ") || said.contains("\nended"), "{what}: {said}");
    let mut ledger = Ledger::default();
    said.lines().for_each(|line| ledger.note(line));
    ledger.check(folder.path(), what);
    said.contains("\nfailed ")
}

/// `ulimit -f` makes every write behind that many blocks of a file fail: of the log first, of the database later.
#[test]
fn no_acknowledged_step_is_lost_when_files_cannot_grow() {
    let (program, arguments) = this_test();
    let (mut failed, mut passed) = (0, 0);
    let enough = 1 << 20; // however few steps come together in one batch
    for blocks in (1..40).chain((40..2400).step_by(120)).chain([enough]) {
        let limited = format!("trap '' XFSZ; ulimit -f {blocks}; exec \"$0\" \"$@\"");
        let mut command = Command::new("sh");
        command.arg("-c").arg(limited).arg(&program).args(arguments);
        if run_to_the_end(&mut command, 40, &format!("{blocks} blocks")) { failed += 1 } else { passed += 1 }
    }
    assert!(failed > 40 && passed > 0, "{failed} failed, {passed} passed");
}

/// The kernel's answer to the N-th call of each thread is an error, for every N there is; the write itself is not taken back, which a
/// disk might do.
#[test]
#[ignore = "needs strace, and a minute"]
fn no_acknowledged_step_is_lost_when_the_kernel_refuses() {
    /// So many runs in a row without a failure: their numbers are behind the last call. Batches differ from run to run.
    const WHOLE: u32 = 4;
    let (program, arguments) = this_test();
    for (call, at_least) in [("fdatasync", 24), ("pwrite64", 120), ("fsync", 1), ("ftruncate", 1)] {
        let (mut failed, mut whole, mut number) = (0, 0, 0);
        while whole < WHOLE {
            number += 1;
            assert!(number < 1000, "{call}: every call fails, and so would the next thousand");
            let inject = format!("inject={call}:error=EIO:when={number}");
            let mut command = Command::new("strace");
            command.args(["-f", "-qq", "-o", "/dev/null", "-e"]).arg(format!("trace={call}")).args(["-e", &inject]);
            command.arg(&program).args(arguments);
            let has_failed = run_to_the_end(&mut command, 8, &format!("{call} {number}"));
            (failed, whole) = if has_failed { (failed + 1, 0) } else { (failed, whole + 1) };
        }
        println!("{call}: failed at {failed} of {number} places, the last {WHOLE} behind the last call");
        assert!(failed >= at_least);
    }
}

/// `cargo test --test it crash::figures -- --ignored --nocapture`; syncs: the same under `strace -f -c -e trace=fsync,fdatasync`.
#[test]
#[ignore = "prints figures"]
fn figures() {
    const CASES: usize = 960;
    let written = || {
        let io = fs::read_to_string("/proc/self/io").unwrap();
        let count =
            |key: &str| -> u64 { io.lines().find_map(|line| line.strip_prefix(key)).unwrap().trim().parse().unwrap() };
        (count("wchar:"), count("write_bytes:"))
    };
    let only: Option<usize> = std::env::var("SOKUTOU_TEST_GROUP").ok().map(|group| group.parse().unwrap());
    for group in [1, 16].into_iter().filter(|group| only.is_none_or(|only| only == *group)) {
        let folder = TempDir::new().unwrap();
        let (mut journal, _) = open(folder.path());
        let (before, before_disk) = written();
        let began = std::time::Instant::now();
        for first in (0..CASES).step_by(group) {
            let mut cases = Vec::new();
            journal
                .batch(|batch| {
                    for request in first..first + group {
                        let new = asked(&format!("{request:08}"));
                        let Received::New(case) = batch.receive(&new)? else { panic!("known") };
                        cases.push(case);
                    }
                    Ok(())
                })
                .unwrap();
            journal.batch(|batch| cases.iter().try_for_each(|case| batch.answered(*case, &sure("HDF")))).unwrap();
            let reply = DeliveryKind::Reply(0);
            journal.batch(|batch| cases.iter().try_for_each(|case| batch.delivered(*case, reply))).unwrap();
        }
        let took = began.elapsed();
        journal.close().unwrap();
        let (after, after_disk) = written();
        let each = |bytes: u64| bytes as f64 / CASES as f64 / 1024.0;
        println!(
            "group of {group}: {:.1} KiB written a case ({:.1} KiB to the device), {:.1} ms a case, database {:.2} KiB a case",
            each(after - before),
            each(after_disk - before_disk),
            took.as_secs_f64() * 1000.0 / CASES as f64,
            each(fs::metadata(folder.path().join(DATABASE)).unwrap().len())
        );
    }
}
