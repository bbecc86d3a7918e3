//! Exit codes, and the errors that several commands share. A command with errors of its own keeps them in its file and
//! turns them into [`Error::Command`].

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use thiserror::Error;

use super::open::BUNDLE_VARIABLE;
use crate::bundle::{self, UnknownTask};
use crate::config::secret::SecretError;
use crate::config::{ConfigError, FileError};
use crate::engine::{AskError, LibraryError, OpenError};
use crate::gateway::RunError;
use crate::store;

/// How a command ended. `src/docs/commands.md` lists the codes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// Answered, or done.
    Success,
    /// Reading or writing failed.
    Io,
    /// Wrong arguments; clap's own code.
    Usage,
    /// A question, a line of a batch or another input cannot be read, or a review cannot be resolved as asked.
    Input,
    /// The bundle is missing or corrupted, or does not fit this version.
    Bundle,
    /// ONNX Runtime is missing, or its version does not fit.
    Library,
    /// The model failed while answering.
    Model,
    /// A check of `doctor` or a golden question failed, or the conditions of `bench` make its figures useless.
    Check,
    /// The question was escalated: ask a person.
    Escalated,
    /// The configuration cannot be used. EX_CONFIG of sysexits: systemd does not start the service again.
    Config,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(match exit {
            Exit::Success => 0,
            Exit::Io => 1,
            Exit::Usage => 2,
            Exit::Input => 3,
            Exit::Bundle => 4,
            Exit::Library => 5,
            Exit::Model => 6,
            Exit::Check => 7,
            Exit::Escalated => 10,
            Exit::Config => 78,
        })
    }
}

/// Why a command failed.
#[derive(Debug, Error)]
pub enum Error {
    #[error("{0}")]
    Input(String),
    #[error("failed to read {path}")]
    Read {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    /// Standard output cannot be written.
    #[error("failed to write the answers")]
    Write(#[source] io::Error),
    #[error("failed to write {path}")]
    WriteFile {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("the bundle in {folder} cannot be used")]
    Bundle {
        folder: PathBuf,
        #[source]
        source: bundle::Error,
    },
    #[error("no bundle found: looked at {0}. Name one with --bundle DIR or {BUNDLE_VARIABLE}")]
    NoBundle(String),
    #[error(transparent)]
    Task(#[from] UnknownTask),
    #[error(transparent)]
    Library(#[from] LibraryError),
    #[error("the bundle in {folder} cannot be loaded")]
    Open {
        folder: PathBuf,
        #[source]
        source: OpenError,
    },
    #[error(transparent)]
    Ask(#[from] AskError),
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error(transparent)]
    Secret(#[from] SecretError),
    #[error(transparent)]
    Serve(#[from] RunError),
    #[error("{0}")]
    Review(String),
    #[error(transparent)]
    Journal(store::Error),
    #[error("failed to ask the gateway at http://{address}, the http.listen of this configuration")]
    Gateway {
        address: SocketAddr,
        #[source]
        source: io::Error,
    },
    /// Of one command alone.
    #[error("{source}")]
    Command { exit: Exit, source: Box<dyn std::error::Error + Send + Sync> },
}

impl From<FileError> for Error {
    fn from(error: FileError) -> Self {
        match error {
            FileError::Read { path, source } => Self::Read { path, source },
            FileError::Secret(error) => Self::Secret(error),
        }
    }
}

impl Error {
    pub(super) fn exit(&self) -> Exit {
        match self {
            Self::Read { .. } | Self::Write(_) | Self::WriteFile { .. } => Exit::Io,
            Self::Input(_) | Self::Review(_) => Exit::Input,
            Self::Task(_) => Exit::Usage,
            Self::Bundle { .. } | Self::NoBundle(_) | Self::Open { .. } => Exit::Bundle,
            Self::Library(_) => Exit::Library,
            Self::Ask(error) if error.refuses_the_question() => Exit::Input,
            Self::Ask(_) => Exit::Model,
            Self::Config(_) | Self::Secret(_) => Exit::Config,
            Self::Serve(_) | Self::Journal(_) | Self::Gateway { .. } => Exit::Io,
            Self::Command { exit, .. } => *exit,
        }
    }
}
