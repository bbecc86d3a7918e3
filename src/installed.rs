//! Where the parts of an installation stand: beside the executable, else where the build left them. Opens nothing.

use std::env;
use std::path::{Path, PathBuf};

/// The first that `fits`: `name` in the executable's folder, or `built`, where the build left it. If neither does, the
/// places looked at, as a sentence lists them.
pub fn find(name: &str, built: PathBuf, fits: impl Fn(&Path) -> bool) -> Result<PathBuf, String> {
    let beside = env::current_exe().ok().and_then(|exe| Some(exe.parent()?.join(name)));
    let places: Vec<PathBuf> = beside.into_iter().chain([built]).collect();
    let looked = || places.iter().map(|place| place.display().to_string()).collect::<Vec<_>>().join(" and ");
    places.iter().find(|place| fits(place)).cloned().ok_or_else(looked)
}
