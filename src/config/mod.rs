//! Configuration: one TOML file, and what is laid over it; checked and typed. Knows no section: the gateway and each transport read
//! their own through a [`Reader`].
//!
//! ```text
//! built-in defaults < /usr/lib/sokutou/*.toml < /etc/sokutou/sokutou.toml, or --config FILE < conf.d/*.toml beside it
//!   < environment SOKUTOU_SECTION__KEY < --set section.key=value
//! ```
//!
//! The defaults are the commented file that ships, `cross/sokutou.toml`: it is compiled in, names every key and gives
//! each its type, so there is no second list that could differ. A key that is not in it is an error. Having a
//! [`Loaded`] means that all of it was checked but what lies outside: whether files, folders and devices exist is for
//! `sokutou config check`, since a gateway starts without a broker or a port. Secrets are named here and read elsewhere
//! ([`secret`]). Touches no network.

pub mod check;
pub mod layers;
pub mod reader;
pub mod secret;

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::{fmt, fs, io};

use thiserror::Error;

use layers::{Fault, Layers, Setting};
pub use reader::Reader;
use secret::SecretError;

use crate::domain::chain;

/// Layers of the package and the integrator.
const VENDOR_FOLDER: &str = "/usr/lib/sokutou";
/// The device's own file.
const FILE: &str = "/etc/sokutou/sokutou.toml";
/// Folder of further files, beside it.
const DROP_INS: &str = "conf.d";
/// Where systemd says which folder holds a service's credentials.
const CREDENTIALS_VARIABLE: &str = "CREDENTIALS_DIRECTORY";
/// Stack for loading. `toml` bounds the dots of a key and the braces around it by 80 each, yet not together: some
/// kilobytes of a hostile file make a tree of 6400 levels. Letting go of that took between 4 and 6 MB of stack in a
/// debug build; threads have 2.
const STACK_BYTES: usize = 16 << 20;

/// Where the layers come from; kept by the daemon, to load the same again.
#[derive(Clone, Debug)]
pub struct Sources {
    /// Folder of the package's and the integrator's files.
    pub vendor: PathBuf,
    /// The device's own file; `conf.d` lies beside it.
    pub file: PathBuf,
    /// The file was asked for, so it must exist.
    pub required: bool,
    /// The environment; a value that is not UTF-8 is `None`.
    pub variables: Vec<(String, Option<String>)>,
    /// `section.key=value` of the command line, in order.
    pub set: Vec<String>,
    /// Folder of systemd's credentials.
    pub credentials: Option<PathBuf>,
}

impl Sources {
    /// Those of this process: its environment, the installed files or the one that `--config` names, and what `--set`
    /// says.
    pub fn of_process(config: Option<PathBuf>, set: Vec<String>) -> Self {
        let ours = |(name, value): (OsString, OsString)| {
            let name = name.to_string_lossy().into_owned();
            name.starts_with("SOKUTOU_").then(|| (name, value.into_string().ok()))
        };
        let mut variables: Vec<_> = std::env::vars_os().filter_map(ours).collect();
        variables.sort();
        Self {
            vendor: VENDOR_FOLDER.into(),
            required: config.is_some(),
            file: config.unwrap_or_else(|| FILE.into()),
            variables,
            set,
            credentials: std::env::var_os(CREDENTIALS_VARIABLE).map(PathBuf::from),
        }
    }
}

/// A configuration that was loaded; having one means that every value was checked.
#[derive(Clone, Debug, PartialEq)]
pub struct Loaded<T> {
    /// What the sections were read into.
    pub sections: T,
    /// Every key with its value and where it was set, in the order of the default file.
    pub settings: Vec<Setting>,
    /// The files that were read, in order.
    pub files: Vec<PathBuf>,
    /// Variables that look like ours and were not used, each with the one that was probably meant.
    lookalikes: Vec<(String, String)>,
}

/// Everything that is wrong with a configuration, at least one thing; a line each.
#[derive(Debug, Error)]
pub struct ConfigError {
    /// In the order of the layers, then of the sections.
    pub faults: Vec<Fault>,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the configuration cannot be used")?;
        self.faults.iter().try_for_each(|fault| write!(f, "\n  {}", chain(fault)))
    }
}

/// Something that is allowed and dangerous, or was probably not meant; the daemon says it aloud.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Warning {
    /// The key or variable it is about.
    pub about: String,
    /// What is so.
    pub what: String,
    /// The way out.
    pub way_out: String,
}

impl Warning {
    /// About a key, with what is so and the way out.
    pub fn new(about: &str, what: impl Into<String>, way_out: &str) -> Self {
        Self { about: about.to_owned(), what: what.into(), way_out: way_out.to_owned() }
    }
}

/// A file that the configuration names cannot be used.
#[derive(Debug, Error)]
pub enum FileError {
    /// It cannot be read.
    #[error("failed to read {}", path.display())]
    Read {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// It holds no secret that can be used.
    #[error(transparent)]
    Secret(#[from] SecretError),
}

/// Reads a file that the configuration names.
pub fn read_file(path: &Path) -> Result<Vec<u8>, FileError> {
    fs::read(path).map_err(|source| FileError::Read { path: path.to_owned(), source })
}

/// Loads and checks; finds every fault of a pass, not only the first. `read` takes the sections out of the settings.
pub fn load<T: Send>(
    sources: &Sources,
    read: impl FnOnce(&mut Reader<'_>) -> T + Send,
) -> Result<Loaded<T>, ConfigError> {
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().name("configuration".to_owned()).stack_size(STACK_BYTES);
        match thread.spawn_scoped(scope, || load_here(sources, read)) {
            Ok(loading) => loading.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)),
            Err(source) => Err(ConfigError { faults: vec![Fault::Read { path: sources.file.clone(), source }] }),
        }
    })
}

/// The built-in defaults alone.
pub fn defaults<T>(read: impl FnOnce(&mut Reader<'_>) -> T) -> Loaded<T> {
    read_layers(Layers::of_defaults(), None, read).expect("a test reads the defaults")
}

fn load_here<T>(sources: &Sources, read: impl FnOnce(&mut Reader<'_>) -> T) -> Result<Loaded<T>, ConfigError> {
    let mut layers = Layers::of_defaults();
    layers.merge_folder(&sources.vendor);
    layers.merge_file(&sources.file, sources.required);
    layers.merge_folder(&sources.file.with_file_name(DROP_INS));
    layers.merge_variables(&sources.variables);
    for text in &sources.set {
        layers.merge_flag(text);
    }
    read_layers(layers, sources.credentials.as_deref(), read)
}

fn read_layers<T>(
    layers: Layers,
    credentials: Option<&Path>,
    read: impl FnOnce(&mut Reader<'_>) -> T,
) -> Result<Loaded<T>, ConfigError> {
    let Layers { settings, mut faults, files, lookalikes, .. } = layers;
    let sections = read(&mut Reader { settings: &settings, faults: &mut faults, credentials });
    if faults.is_empty() { Ok(Loaded { sections, settings, files, lookalikes }) } else { Err(ConfigError { faults }) }
}

impl<T> Loaded<T> {
    /// Variables that were probably meant to set something and do not.
    pub fn warnings(&self) -> Vec<Warning> {
        let warning = |(found, meant): &(String, String)| {
            Warning::new(found, "this variable is not read", &format!("did you mean {meant}?"))
        };
        self.lookalikes.iter().map(warning).collect()
    }

    /// Names of the sections in which a key has another value than in `before`.
    pub fn changed_sections(&self, before: &Self) -> Vec<&str> {
        let section = |setting: &Setting| setting.key.split('.').next().unwrap_or_default().to_owned();
        let values = |of: &Self, name: &str| {
            let inside = of.settings.iter().filter(|setting| section(setting) == name);
            inside.map(|setting| (setting.key.clone(), setting.value.clone())).collect::<Vec<_>>()
        };
        let mut names: Vec<&str> = self.settings.iter().filter_map(|setting| setting.key.split('.').next()).collect();
        names.dedup(); // the keys of a section stand together
        names.retain(|name| values(self, name) != values(before, name));
        names
    }
}
