//! Finds the bundle that a command uses, and loads its model.

use std::path::{Path, PathBuf};

use super::Error;
use crate::DEFAULT_BUNDLE;
use crate::bundle::manifest::Task;
use crate::bundle::{Bundle, UnknownTask};
use crate::engine::{Engine, Library, OrtModel};
use crate::installed;

/// The environment variable that names the bundle if `--bundle` does not.
pub const BUNDLE_VARIABLE: &str = "SOKUTOU_BUNDLE";
/// Folder of the bundle beside an installed executable.
pub const BUNDLE_BESIDE: &str = "student";

#[derive(Debug, clap::Args)]
pub struct BundleArg {
    /// Folder of the model's bundle [default: $SOKUTOU_BUNDLE, the installed one, the shipped one].
    #[arg(long, value_name = "DIR")]
    pub bundle: Option<PathBuf>,
}

/// The bundle that the arguments name, verified.
pub fn open_bundle(arg: &BundleArg) -> Result<(PathBuf, Bundle), Error> {
    let folder = bundle_folder(arg.bundle.as_deref())?;
    match Bundle::open(&folder) {
        Ok(bundle) => Ok((folder, bundle)),
        Err(source) => Err(Error::Bundle { folder, source }),
    }
}

/// The folder `named`, or the one that the environment names, or the installed one.
pub fn bundle_folder(named: Option<&Path>) -> Result<PathBuf, Error> {
    match named.map(Path::to_owned).or_else(|| std::env::var_os(BUNDLE_VARIABLE).map(PathBuf::from)) {
        Some(folder) => Ok(folder),
        None => {
            let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join(DEFAULT_BUNDLE);
            installed::find(BUNDLE_BESIDE, shipped, Path::is_dir).map_err(Error::NoBundle)
        }
    }
}

/// The task `named`, or the bundle's default.
pub fn task<'b>(named: Option<&str>, bundle: &'b Bundle) -> Result<&'b Task, UnknownTask> {
    named.map_or(Ok(bundle.default_task()), |id| bundle.task(id))
}

/// The model of a bundle, loaded.
pub fn open_engine(folder: &Path, bundle: &Bundle) -> Result<Engine<OrtModel>, Error> {
    let library = Library::load()?;
    Engine::open(&library, bundle).map_err(|source| Error::Open { folder: folder.to_owned(), source })
}
