//! The gateway's configuration: every section, put together; and what the gateway is made of it. Opens no socket and no port.

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::config::reader::{ABSOLUTE, absolute};
use crate::config::{self, ConfigError, FileError, Loaded, Reader, Sources, Warning};
use crate::domain::Name;
use crate::store;
use crate::transport;

/// Bytes of one MB, as disks are sold.
const MB: u64 = 1_000_000;

/// What a gateway is.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// Its name.
    pub gateway: String,
    /// Folder of the bundle.
    pub student: PathBuf,
    /// Folder of the journal.
    pub journal: PathBuf,
    /// What the journal may use.
    pub limits: store::Limits,
    /// Share of the auto-answered questions that a person checks all the same, 0 to 1.
    pub audit_share: f64,
    /// Share of the first answers that are explained in idle time, 0 to 1.
    pub explain_share: f64,
    /// Task of the questions that name none; `None` is the bundle's own.
    pub task: Option<String>,
    /// Questions in the worker's hands at once; the journal keeps the others, in their order.
    pub queue: usize,
    /// How long an answer is of use where the question does not say.
    pub deadline: Duration,
    /// The transports.
    pub transports: transport::Settings,
}

/// Every section; checked, see [`Loaded`].
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// `[gateway]`.
    pub gateway: Gateway,
    /// `[student]`.
    pub student: Student,
    /// `[mqtt]`, `[http]`, `[[serial]]`.
    pub transports: transport::Sections,
    /// `[journal]`.
    pub journal: Journal,
    /// `[review]`.
    pub review: Review,
    /// `[limits]`.
    pub limits: Limits,
    /// `[log]`.
    pub log: Log,
}

impl Config {
    /// Loads and checks; finds every fault of a pass, not only the first.
    pub fn load(sources: &Sources) -> Result<Loaded<Self>, ConfigError> {
        config::load(sources, Self::read)
    }

    /// The built-in defaults alone.
    pub fn defaults() -> Loaded<Self> {
        config::defaults(Self::read)
    }

    fn read(from: &mut Reader<'_>) -> Self {
        let gateway = Gateway::read(from);
        let (student, transports) = (Student::read(from), transport::Sections::read(from, &gateway.name));
        let (journal, review) = (Journal::read(from), Review::read(from));
        let (limits, log) = (Limits::read(from), Log::read(from));
        Self { gateway, student, transports, journal, review, limits, log }
    }

    /// What the gateway is to be, with the secrets read from their files; `student` is the folder of its bundle.
    pub fn settings(&self, student: &Path) -> Result<Settings, FileError> {
        Ok(Settings {
            gateway: self.gateway.name.to_string(),
            student: student.to_owned(),
            task: self.student.task.clone(),
            journal: self.journal.folder.clone(),
            limits: store::Limits { disk_bytes_max: self.journal.budget_bytes },
            audit_share: self.review.audit_share,
            explain_share: self.review.explain_share,
            queue: self.limits.queue,
            deadline: self.limits.deadline,
            transports: self.transports.settings(self.limits.queue)?,
        })
    }
}

/// What is allowed and dangerous, or was probably not meant; the gateway says it aloud.
pub fn warnings(config: &Loaded<Config>) -> Vec<Warning> {
    config.sections.transports.warnings().into_iter().chain(config.warnings()).collect()
}

/// `[gateway]`: who this device is.
#[derive(Clone, Debug, PartialEq)]
pub struct Gateway {
    /// Unique on its broker.
    pub name: Name,
}

/// `[student]`: who answers.
#[derive(Clone, Debug, PartialEq)]
pub struct Student {
    /// Folder of its bundle; `None`: the installed one.
    pub bundle: Option<PathBuf>,
    /// Task for questions that name none; `None`: the bundle's first.
    pub task: Option<String>,
}

/// `[journal]`: the record of every question.
#[derive(Clone, Debug, PartialEq)]
pub struct Journal {
    /// Its folder.
    pub folder: PathBuf,
    /// Space it may take.
    pub budget_bytes: u64,
}

/// `[review]`: what a person looks at.
#[derive(Clone, Debug, PartialEq)]
pub struct Review {
    /// Share of the answers that stand which a person checks, 0 to 1.
    pub audit_share: f64,
    /// Share of the first answers that the model explains in idle time, 0 to 1.
    pub explain_share: f64,
}

/// `[limits]`: what is too much, too long or too late.
#[derive(Clone, Debug, PartialEq)]
pub struct Limits {
    /// Questions that wait at once.
    pub queue: usize,
    /// Age at which a question that names no expiry is no longer answered.
    pub deadline: Duration,
}

/// `[log]`: how much to tell.
#[derive(Clone, Debug, PartialEq)]
pub struct Log {
    /// Down to which level.
    pub level: log::LevelFilter,
}

impl Gateway {
    fn read(from: &mut Reader<'_>) -> Self {
        Self { name: from.name("gateway.name") }
    }
}

impl Student {
    fn read(from: &mut Reader<'_>) -> Self {
        Self { bundle: from.path("student.bundle"), task: from.text("student.task") }
    }
}

impl Journal {
    fn read(from: &mut Reader<'_>) -> Self {
        Self {
            folder: from.required("journal.folder", ABSOLUTE, absolute),
            budget_bytes: from.whole("journal.budget_mb", 16..=1_000_000) * MB,
        }
    }
}

impl Review {
    fn read(from: &mut Reader<'_>) -> Self {
        Self { audit_share: from.share("review.audit_share"), explain_share: from.share("review.explain_share") }
    }
}

impl Limits {
    fn read(from: &mut Reader<'_>) -> Self {
        Self {
            queue: from.whole("limits.queue", 1..=1024) as usize,
            deadline: Duration::from_millis(from.whole("limits.deadline_ms", 100..=86_400_000)),
        }
    }
}

impl Log {
    fn read(from: &mut Reader<'_>) -> Self {
        use log::LevelFilter::{Debug, Error, Info, Trace, Warn};
        let levels = [("error", Error), ("warn", Warn), ("info", Info), ("debug", Debug), ("trace", Trace)];
        Self { level: from.one_of("log.level", &levels) }
    }
}

#[cfg(test)]
mod tests;
