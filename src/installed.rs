//! Finds the files of an installation: beside the executable, in the package's folder, or where the build left them.
//! Opens nothing.

use std::env;
use std::path::{Path, PathBuf};

/// The package's folder, relative to the parent of the executable's folder: `/usr/lib/sokutou` for `/usr/bin/sokutou`.
const PACKAGED: &str = "lib/sokutou";

/// The first path that `fits`: `name` in the executable's folder, `name` in the package's, or `built`, where the build
/// left it. Fails with the paths tried, separated by commas.
pub fn find(name: &str, built: PathBuf, fits: impl Fn(&Path) -> bool) -> Result<PathBuf, String> {
    let mut places = env::current_exe().map_or_else(|_| Vec::new(), |exe| around(&exe, name));
    places.push(built);
    let looked = || places.iter().map(|place| place.display().to_string()).collect::<Vec<_>>().join(", ");
    places.iter().find(|place| fits(place)).cloned().ok_or_else(looked)
}

fn around(exe: &Path, name: &str) -> Vec<PathBuf> {
    let beside = exe.parent().map(|folder| folder.join(name));
    let packaged = exe.ancestors().nth(2).map(|above| above.join(PACKAGED).join(name));
    beside.into_iter().chain(packaged).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_is_sought_beside_the_executable_and_in_the_package() {
        assert_eq!(
            around(Path::new("/usr/bin/sokutou"), "student"),
            [Path::new("/usr/bin/student"), Path::new("/usr/lib/sokutou/student")]
        );
        let looked = find("student", "/built/student".into(), |_| false).unwrap_err();
        assert!(looked.ends_with("/lib/sokutou/student, /built/student"), "{looked}");
        assert_eq!(
            find("student", "/built/student".into(), |p| p.starts_with("/built")).unwrap(),
            Path::new("/built/student")
        );
    }
}
