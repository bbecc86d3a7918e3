//! Finds and loads ONNX Runtime, once a process, with its telemetry off before it can say a word.
//!
//! Looked for in this order: `ORT_DYLIB_PATH`, beside the executable, in the package's folder, where the build unpacked it.
//! Never searches further, never downloads.

use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, PoisonError};
use std::{env, fs};

use thiserror::Error;

use crate::installed;

/// The environment variable by which a user brings their own library.
pub const LIBRARY_VARIABLE: &str = "ORT_DYLIB_PATH";
/// The library's own full opt-out; since 1.29 the Linux wheels report home unless it is set before they load.
pub const TELEMETRY_VARIABLE: &str = "ORT_DISABLE_TELEMETRY";
/// The version that the build pins, in `cross/onnxruntime.lock`, and that was tested.
pub const TESTED_VERSION: &str = env!("SOKUTOU_ONNXRUNTIME_VERSION");
/// The library beside an installed executable.
const BESIDE: &str = concat!("libonnxruntime.so.", env!("SOKUTOU_ONNXRUNTIME_VERSION"));

/// The loaded runtime library; one environment for the whole process.
#[derive(Clone)]
pub struct Library {
    pub(super) environment: ort::environment::Environment,
    path: PathBuf,
}

/// The library is not there or does not fit.
#[derive(Debug, Error)]
pub enum LibraryError {
    /// Not found.
    #[error(
        "ONNX Runtime is not here: looked at {looked}. Build once with network (python3 and pip fetch it), \
         or set {LIBRARY_VARIABLE} to a libonnxruntime.so of version 1.23 or newer"
    )]
    Missing {
        /// Where.
        looked: String,
    },
    /// Found, but cannot be loaded: wrong architecture, too old, no ONNX Runtime at all.
    #[error(
        "{path} cannot be used as ONNX Runtime: {why}. `ldd {path}` tells if it misses another library; else set {LIBRARY_VARIABLE} \
         to a libonnxruntime.so of version 1.23 or newer for {}",
        env::consts::ARCH
    )]
    Unfit {
        /// Which.
        path: PathBuf,
        /// In the loader's words.
        why: String,
    },
    /// Neither the environment nor [`restart_with_telemetry_off`] has switched telemetry off.
    #[error(
        "ONNX Runtime would report home: {TELEMETRY_VARIABLE}=1 is not in the environment. \
         The program starts itself again with it; where it cannot, start it with that variable"
    )]
    Telemetry,
    /// It loaded, but gave no environment.
    #[error("failed to start ONNX Runtime")]
    Start(#[from] ort::Error),
}

/// One environment a process, so one library; kept for whoever asks second.
static LOADED: Mutex<Option<Library>> = Mutex::new(None);

impl Library {
    /// Finds the library and loads it; later calls return the same one. Fails unless the process was
    /// started with [`TELEMETRY_VARIABLE`] = 1, as [`restart_with_telemetry_off`] does it.
    pub fn load() -> Result<Self, LibraryError> {
        let mut loaded = LOADED.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(library) = loaded.as_ref() {
            return Ok(library.clone());
        }
        let path = find()?;
        if !telemetry_is_off() {
            return Err(LibraryError::Telemetry);
        }
        let environment = ort::init_from(&path)
            .map_err(|error| LibraryError::Unfit { path: path.clone(), why: error.to_string() })?
            .with_name("sokutou")
            .with_telemetry(false)
            .with_logger(std::sync::Arc::new(
                |level, _, _, _, message| log::log!(target: "onnxruntime", severity(level), "{message}"),
            ))
            .build()?;
        Ok(loaded.insert(Self { environment, path }).clone())
    }

    /// Where it was loaded from.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Its version, `None` if it does not say. Read from the symbol version that every build carries (`VERS_1.23.0`): the
    /// wheel's own build information names no release.
    pub fn version(&self) -> Option<String> {
        const SYMBOL_VERSION: &[u8] = b"VERS_";
        let bytes = fs::read(&self.path).ok()?;
        let at = bytes.windows(SYMBOL_VERSION.len()).position(|window| window == SYMBOL_VERSION)?;
        let version = bytes[at + SYMBOL_VERSION.len()..].iter().map(|&byte| char::from(byte));
        Some(version.take_while(|c| c.is_ascii_digit() || *c == '.').collect())
    }
}

fn find() -> Result<PathBuf, LibraryError> {
    if let Some(path) = env::var_os(LIBRARY_VARIABLE).filter(|path| !path.is_empty()) {
        let path = std::path::absolute(&path).unwrap_or_else(|_| path.into());
        return if path.is_file() {
            Ok(path)
        } else {
            Err(LibraryError::Missing { looked: format!("{} ({LIBRARY_VARIABLE})", path.display()) })
        };
    }
    let built = PathBuf::from(env!("SOKUTOU_BUILT_WITH_LIBRARY"));
    installed::find(BESIDE, built, Path::is_file).map_err(|looked| LibraryError::Missing { looked })
}

/// Starts this program anew in the same process, with the library's opt-out in its environment. Belongs first in `main`.
/// Returns if the opt-out is there already, or if the program cannot be started; then [`Library::load`] refuses.
///
/// To set a variable in a process that runs, one must know that no other thread reads the environment meanwhile, be it in C.
pub fn restart_with_telemetry_off() {
    if telemetry_is_off() {
        return;
    }
    let Ok(program) = env::current_exe() else { return };
    let mut args = env::args_os();
    let mut command = Command::new(program);
    if let Some(name) = args.next() {
        command.arg0(name);
    }
    // It returns only where it fails.
    let _ = command.args(args).env(TELEMETRY_VARIABLE, "1").exec();
}

fn telemetry_is_off() -> bool {
    env::var_os(TELEMETRY_VARIABLE).is_some_and(|value| value == "1")
}

fn severity(level: ort::logging::LogLevel) -> log::Level {
    match level {
        ort::logging::LogLevel::Verbose => log::Level::Trace,
        ort::logging::LogLevel::Info => log::Level::Debug,
        ort::logging::LogLevel::Warning => log::Level::Warn,
        ort::logging::LogLevel::Error | ort::logging::LogLevel::Fatal => log::Level::Error,
    }
}
