//! The journal's file: opened, looked over, set aside when damaged, written in batches, kept short. Knows no case.

use std::cmp::Reverse;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read as _, Seek as _, Write as _};
use std::path::{Path, PathBuf};
use std::process;
use std::time::SystemTime;

use rusqlite::{Connection, DEFAULT_NAME, ErrorCode, TransactionBehavior, config::DbConfig, wal::CheckpointMode};

use super::batch::{Batch, Failure, is_disk_full};
use super::budget::{Budget, Tidied};
use super::{Error, Refusal, schema};

/// The first SQLite whose log survives its reset.
const SQLITE_MIN: i32 = 3_051_003;
/// SQLite's own default, and what a card's erase blocks are a multiple of.
pub(super) const PAGE_BYTES: u64 = 4096;
/// Frames in the log from which it is written back to the database: 1 MiB, so that a restart reads little.
const LOG_FRAMES_MAX: i32 = 256;
/// Frames from which it is written back early, when nobody waits.
const LOG_FRAMES_IDLE: i32 = 128;
/// What the log may take beside the database: its frames until they are written back, and one batch of the longest texts.
const LOG_BYTES_MAX: u64 = 8 << 20;
/// A budget below this holds no more than a day of questions.
const BUDGET_BYTES_MIN: u64 = LOG_BYTES_MAX + (1 << 20);
/// Pages SQLite keeps in memory, in KiB: the right edges of all tables, and room for a look at an old case.
const CACHE_KIB: i64 = 2048;
/// What a SQLite file begins with.
const MAGIC: &[u8] = b"SQLite format 3\0";
/// Of a SQLite file's header.
const HEADER_BYTES: u64 = 100;
/// Prepared statements; there are fewer than these.
const STATEMENTS: usize = 64;
/// Damaged journals kept aside, the newest and the largest of the others, so that a card that rots again and again fills no disk
/// and does not push out the one with most in it.
const ASIDE_MAX: usize = 2;
/// Free bytes from which a disk that was full counts as having room: a batch of a few questions, with its frames in the log.
const ROOM_BYTES_MIN: u64 = 64 << 10;
/// Pages given back to the file system at once, so that nobody waits long.
const PAGES_RETURNED_MAX: u32 = 1024;

/// How much the journal may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes on disk, log included; journals set aside are not.
    pub disk_bytes_max: u64,
}

/// What opening found.
#[derive(Debug, PartialEq, Eq)]
pub enum Opened {
    /// There was none.
    New,
    /// As it was closed.
    Clean,
    /// It was not closed; what was acknowledged is here.
    Recovered,
    /// It was damaged or none of ours: set aside, and an empty one started.
    Quarantined {
        /// The database, under its new name; its log beside it.
        aside: PathBuf,
        /// What was wrong.
        why: String,
    },
}

/// The journal of one daemon.
pub struct Journal {
    connection: Connection, // before the lock: closed before the folder is free for another
    budget: Budget,
    folder: PathBuf,
    suspect: PathBuf,
    broken: bool,
    disk_full: bool,
    _lock: File,
}

impl Journal {
    /// Opens the journal in `folder`, or starts one. Sets a damaged one aside; fails where the disk does, or another process has it.
    pub fn open(folder: &Path, limits: Limits) -> Result<(Self, Opened), Error> {
        Self::open_with_room(folder, limits).map_err(|error| error.of_full_disk(folder))
    }

    fn open_with_room(folder: &Path, limits: Limits) -> Result<(Self, Opened), Error> {
        if rusqlite::version_number() < SQLITE_MIN {
            return Err(Error::OldSqlite(rusqlite::version()));
        }
        if limits.disk_bytes_max < BUDGET_BYTES_MIN {
            return Err(Error::Budget { min: BUDGET_BYTES_MIN, got: limits.disk_bytes_max });
        }
        fs::create_dir_all(folder).map_err(file("make", folder))?;
        let lock = lock(folder)?;
        let files = Files::of(folder);
        let (connection, opened) = match files.open()? {
            Found::Whole(connection, opened) => (connection, opened),
            Found::Damaged(why) => {
                let aside = files.set_aside()?;
                log::error!("the journal was damaged and is set aside as {}: {why}", aside.display());
                match files.open()? {
                    Found::Whole(connection, _) => (connection, Opened::Quarantined { aside, why }),
                    Found::Damaged(why) => return Err(file("begin", &files.database)(io::Error::other(why))),
                }
            }
        };
        match fs::remove_file(&files.suspect) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(file("remove", &files.suspect)(error));
            }
            _ => {}
        }
        sync_folder(folder)?;
        let budget = Budget::new(limits.disk_bytes_max - LOG_BYTES_MAX);
        let (folder, suspect) = (folder.to_owned(), files.suspect);
        Ok((Self { connection, budget, folder, suspect, broken: false, disk_full: false, _lock: lock }, opened))
    }

    /// Runs the steps in one transaction with one sync; they are on disk when it returns. If `steps` fails, none of them is. After
    /// any error but a refusal the journal must be opened anew.
    pub fn batch<T>(&mut self, steps: impl FnOnce(&mut Batch<'_>) -> Result<T, Error>) -> Result<T, Error> {
        self.batch_then(steps, |value| value)
    }

    /// As `batch`; `then` takes what is on disk before the log is written back, so that nobody waits for that.
    pub(super) fn batch_then<T, U>(
        &mut self,
        steps: impl FnOnce(&mut Batch<'_>) -> Result<T, Error>,
        then: impl FnOnce(T) -> U,
    ) -> Result<U, Error> {
        if self.broken {
            return Err(Error::Broken);
        }
        let done = self.transaction(steps).map(then);
        self.disk_full |= matches!(&done, Err(Error::Refused(Refusal::DiskFull)));
        if done.as_ref().is_err_and(|error| error.refusal().is_none()) {
            self.breaks();
        } else if let Err(source) = self.shorten_log() {
            drop(self.fails("write back the log", source)); // the batch is on disk and acknowledged; the next one meets what is broken
        }
        done
    }

    /// Whether something could not be written because the disk is full, and there is no room yet.
    pub fn disk_is_full(&mut self) -> bool {
        self.disk_full = self.disk_full && room(&self.folder).is_some_and(|bytes| bytes < ROOM_BYTES_MIN);
        self.disk_full
    }

    /// Where the budget's watermarks are passed, drops a bounded part of what may be dropped, oldest first.
    pub fn tidy(&mut self, at: SystemTime) -> Result<Tidied, Error> {
        if !self.budget.is_due(&self.connection).map_err(|source| self.fails("measure the space", source))? {
            return Ok(Tidied::default());
        }
        let mut budget = self.budget.clone();
        let tidied = self.batch(|batch| batch.tidy(&mut budget, at))?;
        self.budget = budget;
        Ok(tidied)
    }

    /// What can wait until nobody does: gives free pages back to the file system, and writes back and empties the log.
    pub fn idle(&mut self) -> Result<(), Error> {
        if self.broken {
            return Err(Error::Broken);
        }
        self.budget = Budget::new(self.budget.bytes_max()); // the next round looks from the start, whatever the last ones found
        let returned = self.return_pages();
        returned.map_err(|source| self.fails("return pages", source))?;
        let frames = self.log_frames().map_err(|source| self.fails("measure the log", source))?;
        if frames >= LOG_FRAMES_IDLE {
            self.checkpoint(CheckpointMode::TRUNCATE).map_err(|source| self.fails("write back the log", source))?;
        }
        Ok(())
    }

    /// Writes the log back and closes, so that the next opening finds a clean journal. One that is dropped is recovered.
    pub fn close(mut self) -> Result<(), Error> {
        if self.broken {
            return Err(Error::Broken);
        }
        match self.checkpoint(CheckpointMode::TRUNCATE) {
            Err(source) if is_disk_full(&source) => {
                log::warn!("the disk is full: the journal's log is written back at the next start")
            }
            done => done.map_err(|source| self.fails("write back the log", source))?,
        }
        self.connection.close().map_err(|(_, source)| Error::Failed { what: "close", source })
    }

    fn transaction<T>(&mut self, steps: impl FnOnce(&mut Batch<'_>) -> Result<T, Error>) -> Result<T, Error> {
        let failed = |what| {
            move |source| match is_disk_full(&source) {
                true => Error::Refused(Refusal::DiskFull),
                false => Error::Failed { what, source },
            }
        };
        let transaction = self
            .connection
            .transaction_with_behavior(TransactionBehavior::Immediate)
            .map_err(failed("begin a batch"))?;
        let mut batch = Batch::new(&transaction, self.budget.bytes_max());
        let value = steps(&mut batch);
        // A step that failed and whose error was let fall is no reason to go on.
        let value = match batch.failure() {
            None => value?,
            Some(Failure::DiskFull) => return Err(Refusal::DiskFull.into()),
            Some(Failure::Unknown) => return value.and(Err(Error::Broken)),
        };
        transaction.commit().map_err(failed("commit a batch"))?;
        Ok(value)
    }

    fn return_pages(&self) -> rusqlite::Result<()> {
        if pragma(&self.connection, "freelist_count")? == 0 {
            return Ok(());
        }
        // A step returns a page, so all of them are taken.
        let mut statement =
            self.connection.prepare_cached(&format!("PRAGMA incremental_vacuum({PAGES_RETURNED_MAX})"))?;
        let mut pages = statement.query([])?;
        while pages.next()?.is_some() {}
        Ok(())
    }

    fn shorten_log(&self) -> rusqlite::Result<()> {
        if self.log_frames()? < LOG_FRAMES_MAX { Ok(()) } else { self.checkpoint(CheckpointMode::PASSIVE) }
    }

    fn log_frames(&self) -> rusqlite::Result<i32> {
        let (frames, back) = self.connection.wal_checkpoint_v2(DEFAULT_NAME, CheckpointMode::NOOP)?;
        Ok(if back < frames { frames } else { 0 }) // all written back: the next batch starts it anew
    }

    fn checkpoint(&self, mode: CheckpointMode) -> rusqlite::Result<()> {
        self.connection.wal_checkpoint_v2(DEFAULT_NAME, mode).map(drop)
    }

    fn fails(&mut self, what: &'static str, source: rusqlite::Error) -> Error {
        if is_disk_full(&source) {
            self.disk_full = true;
            return Refusal::DiskFull.into();
        }
        self.breaks();
        Error::Failed { what, source }
    }

    /// Nothing more is done, and the next opening looks over every page, even if the log could be written back on the way out.
    fn breaks(&mut self) {
        self.broken = true;
        if let Err(error) = File::create(&self.suspect).and_then(|file| file.sync_all()) {
            log::warn!("{} could not be written: {error}", self.suspect.display());
        }
    }
}

impl Error {
    /// The error as it is; or, where it came of a disk without room while the journal in this folder was opened, that.
    pub fn of_full_disk(self, folder: &Path) -> Self {
        let says_so = match &self {
            Self::Refused(Refusal::DiskFull) => true,
            Self::File { source, .. } => source.kind() == io::ErrorKind::StorageFull,
            Self::Open { source, .. } | Self::Failed { source, .. } => is_disk_full(source),
            _ => return self,
        };
        // Where the log cannot be begun SQLite does not say why.
        if says_so || room(folder).is_some_and(|bytes| bytes < PAGE_BYTES) {
            return Self::DiskFull { folder: folder.to_owned(), source: Box::new(self) };
        }
        self
    }
}

/// Bytes that may still be written to the disk of a folder, where that is known.
fn room(folder: &Path) -> Option<u64> {
    let of = rustix::fs::statvfs(folder).ok()?;
    Some(of.f_bavail.saturating_mul(of.f_frsize))
}

/// An integer that SQLite tells of the file.
pub(super) fn pragma(connection: &Connection, name: &str) -> rusqlite::Result<i64> {
    connection.prepare_cached(&format!("PRAGMA {name}"))?.query_row([], |row| row.get(0))
}

struct Files {
    database: PathBuf,
    log: PathBuf,
    rollback: PathBuf, // SQLite's while it makes a new file; left behind, it would be played into the next one
    suspect: PathBuf,
}

enum Found {
    Whole(Connection, Opened),
    Damaged(String),
}

impl Files {
    fn of(folder: &Path) -> Self {
        let [database, log, rollback, suspect] =
            ["journal.db", "journal.db-wal", "journal.db-journal", "journal.suspect"].map(|name| folder.join(name));
        Self { database, log, rollback, suspect }
    }

    fn open(&self) -> Result<Found, Error> {
        let (database, log) = (bytes(&self.database), bytes(&self.log));
        // SQLite would take these for new files, and the log away as one that belongs to nothing.
        if database == 0 && log > 0 {
            return Ok(Found::Damaged("there is a log, but no database that it belongs to".to_owned()));
        }
        if (1..PAGE_BYTES).contains(&database) {
            return Ok(Found::Damaged(format!("expected pages of {PAGE_BYTES} bytes, got {database} bytes in all")));
        }
        if let Some(why) = self.misread(log > 0).map_err(file("read", &self.database))? {
            return Ok(Found::Damaged(why));
        }
        let found = if database == 0 {
            Opened::New
        } else if log == 0 {
            Opened::Clean
        } else {
            Opened::Recovered
        };
        let full = self.suspect.exists();
        match open(&self.database, found != Opened::Clean || full, full) {
            Ok(Ok((connection, empty))) => Ok(Found::Whole(connection, if empty { Opened::New } else { found })),
            Ok(Err(why)) => Ok(Found::Damaged(why)),
            Err(source) if is_damage(&source) => Ok(Found::Damaged(source.to_string())),
            Err(source) => Err(Error::Open { path: self.database.clone(), source }),
        }
    }

    /// What SQLite would not call damage: by a rotten byte of the header a file is read-only, or has no log.
    fn misread(&self, has_log: bool) -> io::Result<Option<String>> {
        let mut header = Vec::new();
        match File::open(&self.database) {
            Ok(file) => file.take(HEADER_BYTES).read_to_end(&mut header)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let formats = header.get(18..20).unwrap_or_default(); // to write and to read: 2 with a log, 1 before it had one
        let fits = formats == [2, 2] || formats == [1, 1] && !has_log;
        Ok((header.starts_with(MAGIC) && !fits).then(|| format!("expected the file formats 2 and 2, got {formats:?}")))
    }

    /// Renames all files to the first free number. The database goes first: a log without one is noticed, a database that lost
    /// its log is not.
    fn set_aside(&self) -> Result<PathBuf, Error> {
        let folder = self.database.parent().expect("a file in the journal's folder");
        let mut numbers = Vec::new();
        for entry in fs::read_dir(folder).map_err(file("list", folder))? {
            let name = entry.map_err(file("list", folder))?.file_name();
            let number =
                name.to_str().and_then(|name| name.rsplit_once(".corrupt-")).and_then(|(_, n)| n.parse::<u32>().ok());
            numbers.extend(number.filter(|_| name.to_string_lossy().starts_with("journal.db")));
        }
        numbers.sort_unstable();
        numbers.dedup();
        let files = [&self.database, &self.log, &self.rollback];
        let name = |path: &Path, number: u32| {
            let mut name = path.as_os_str().to_owned();
            name.push(format!(".corrupt-{number}"));
            PathBuf::from(name)
        };
        let number = numbers.last().map_or(1, |last| last.saturating_add(1));
        let aside = name(&self.database, number);
        for from in files {
            match fs::rename(from, name(from, number)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    return Err(file("set aside", from)(error));
                }
                _ => sync_folder(folder)?,
            }
        }
        let bytes = |number: &u32| files.map(|path| bytes(&name(path, *number))).iter().sum::<u64>();
        numbers.sort_by_key(|number| Reverse(bytes(number)));
        for old in numbers.iter().skip(ASIDE_MAX - 1) {
            for path in files {
                let _ = fs::remove_file(name(path, *old)); // most have no log; one that stays is met again next time
            }
            log::warn!("{} is removed: more than {ASIDE_MAX} damaged journals", name(&self.database, *old).display());
        }
        Ok(aside)
    }
}

fn bytes(path: &Path) -> u64 {
    fs::metadata(path).map_or(0, |file| file.len())
}

/// The connection, and whether the file held nothing; `Err` inside says why the file is not ours or not whole.
fn open(path: &Path, check: bool, full: bool) -> rusqlite::Result<Result<(Connection, bool), String>> {
    let mut connection = Connection::open(path)?;
    // Only `close` writes the log back: what failed or is damaged is left as it is.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS);
    // The first access takes the lock and keeps it; set before the log is touched, no shared memory is used either.
    connection.pragma_update(None, "locking_mode", "EXCLUSIVE")?;
    connection.pragma_update(None, "cell_size_check", true)?;
    connection.pragma_update(None, "trusted_schema", false)?;
    let tables = connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get::<_, i64>(0));
    let empty = match tables {
        Ok(tables) => tables == 0,
        // How SQLite calls a rotten byte of the header that it does not know.
        Err(error) if error.sqlite_error_code() == Some(ErrorCode::Unknown) => return Ok(Err(error.to_string())),
        Err(error) => return Err(error),
    };
    if empty {
        connection.pragma_update(None, "page_size", PAGE_BYTES as i64)?;
        connection.pragma_update(None, "auto_vacuum", "INCREMENTAL")?;
    } else {
        let id = pragma(&connection, "application_id")?;
        if id != i64::from(schema::APPLICATION_ID) {
            return Ok(Err(format!("expected the application id {:#x}, got {id:#x}", schema::APPLICATION_ID)));
        }
        let version = pragma(&connection, "user_version")?;
        if !(1..=i64::from(schema::VERSION)).contains(&version) {
            return Ok(Err(format!("expected a schema from 1 to {}, got {version}", schema::VERSION)));
        }
    }
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "foreign_keys", true)?;
    connection.pragma_update(None, "wal_autocheckpoint", 0)?; // ours: SQLite's own says nothing when its sync fails
    connection.pragma_update(None, "journal_size_limit", i64::from(LOG_FRAMES_MAX) * PAGE_BYTES as i64)?;
    connection.pragma_update(None, "temp_store", "MEMORY")?;
    connection.pragma_update(None, "cache_size", -CACHE_KIB)?;
    if check && !empty {
        let pragma = if full { "PRAGMA integrity_check(1)" } else { "PRAGMA quick_check(1)" };
        let found: String = connection.query_row(pragma, [], |row| row.get(0))?;
        if found != "ok" {
            return Ok(Err(found));
        }
    }
    let version = if empty { 0 } else { usize::try_from(pragma(&connection, "user_version")?).unwrap_or(0) };
    if !schema::is_whole(&connection, version)? {
        return Ok(Err("the tables are not those of a journal".to_owned()));
    }
    schema::migrate(&mut connection, version)?;
    // Where a write fails while the log is begun, SQLite says that it has one, and goes on without.
    if connection.wal_checkpoint_v2(DEFAULT_NAME, CheckpointMode::NOOP)?.0 < 0 {
        let failure = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_IOERR);
        return Err(rusqlite::Error::SqliteFailure(failure, Some("the write-ahead log could not be begun".to_owned())));
    }
    Ok(Ok((connection, empty)))
}

/// The file is at fault, not the disk or the machine: reading it again would not help.
fn is_damage(error: &rusqlite::Error) -> bool {
    matches!(error.sqlite_error_code(), Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase))
        || matches!(
            error,
            rusqlite::Error::FromSqlConversionFailure(..)
                | rusqlite::Error::IntegralValueOutOfRange(..)
                | rusqlite::Error::InvalidColumnType(..)
                | rusqlite::Error::Utf8Error(..)
        )
}

/// Holds the folder for this process until it is dropped; the process's number stands in the file for who comes second.
fn lock(folder: &Path) -> Result<File, Error> {
    let path = folder.join("journal.lock");
    let mut lock = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(&path)
        .map_err(file("open", &path))?;
    match lock.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            let mut text = String::new();
            let holder = lock.read_to_string(&mut text).ok().and_then(|_| text.trim().parse().ok());
            return Err(Error::InUse { folder: folder.to_owned(), holder });
        }
        Err(TryLockError::Error(source)) => return Err(file("lock", &path)(source)),
    }
    let mut write = || {
        lock.set_len(0)?;
        lock.rewind()?;
        lock.write_all(process::id().to_string().as_bytes())
    };
    write().map_err(file("write", &path))?;
    Ok(lock)
}

/// A renamed or new file is there after a power cut only if its folder is on disk.
fn sync_folder(folder: &Path) -> Result<(), Error> {
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(file("sync", folder))
}

fn file(what: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Error {
    let path = path.to_owned();
    move |source| Error::File { what, path, source }
}
