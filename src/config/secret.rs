//! Secrets: which file holds one, and its text once read. Never printed, never taken from the environment or the
//! configuration itself.

use std::fmt;
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use thiserror::Error;

use super::check::Check;
use crate::bytes::read_file;
use crate::domain::chain;

/// A password has tens of bytes, a chain of keys in PEM some thousands.
const SECRET_BYTES_MAX: u64 = 64 << 10;
/// How a systemd credential is named.
const CREDENTIAL: &str = "credential:";
/// Rights of group and others; a secret gives them none.
const OTHERS: u32 = 0o077;

/// Where a secret stands: a file, or a credential that systemd hands to the service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SecretFile {
    /// As the configuration says it.
    name: String,
    /// `None`: a credential, and systemd gave none to this process.
    path: Option<PathBuf>,
}

/// A secret's text. It cannot be shown: there is no `Display`, and `Debug` says only that there is one. Nor is there `==`,
/// whose time tells how far two texts are alike.
#[derive(Clone)]
pub struct Secret(String);

/// Why a secret cannot be had.
#[derive(Debug, Error)]
pub enum SecretError {
    /// The file cannot be read.
    #[error("failed to read the secret in {}", path.display())]
    Read {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A credential is named, but this process was given none.
    #[error(
        "{name} is for the service alone: expected $CREDENTIALS_DIRECTORY, which systemd sets from LoadCredential="
    )]
    NoCredentials {
        /// As the configuration says it.
        name: String,
    },
    /// The file holds no secret.
    #[error("{}: {what}", path.display())]
    Form {
        /// Which.
        path: PathBuf,
        /// What is wrong, never what was found.
        what: String,
    },
}

impl SecretFile {
    /// An absolute path, or `credential:NAME` below the folder that systemd named.
    pub(super) fn new(text: &str, credentials: Option<&Path>) -> Option<Self> {
        let name = text.to_owned();
        match text.strip_prefix(CREDENTIAL) {
            Some(credential) => {
                let plain = !credential.is_empty() && !credential.starts_with('.') && !credential.contains('/');
                plain.then(|| Self { name, path: credentials.map(|folder| folder.join(credential)) })
            }
            None => text.starts_with('/').then(|| Self { name, path: Some(PathBuf::from(text)) }),
        }
    }

    /// The file at a path.
    #[cfg(test)]
    pub fn at(path: &Path) -> Self {
        Self { name: path.display().to_string(), path: Some(path.to_owned()) }
    }

    /// Reads it; line ends behind it are not part of it.
    pub fn read(&self) -> Result<Secret, SecretError> {
        let path = self.path.clone().ok_or_else(|| SecretError::NoCredentials { name: self.name.clone() })?;
        let bytes = match read_file(&path, SECRET_BYTES_MAX) {
            Ok(Some(bytes)) => bytes,
            Ok(None) => {
                let what = format!("expected at most {SECRET_BYTES_MAX} bytes, found more");
                return Err(SecretError::Form { path, what });
            }
            Err(source) => return Err(SecretError::Read { path, source }),
        };
        let Ok(text) = String::from_utf8(bytes) else {
            return Err(SecretError::Form { path, what: "expected a secret in UTF-8, found other bytes".to_owned() });
        };
        match text.trim_end_matches(['\r', '\n']) {
            "" => Err(SecretError::Form { path, what: "expected a secret, found an empty file".to_owned() }),
            secret => Ok(Secret(secret.to_owned())),
        }
    }

    /// Whether it can be read, begins as it must and is nobody else's; for the key that names it. `contains` stands in it.
    pub fn check(&self, key: &'static str, contains: &str) -> Vec<Check> {
        let first = match self.read() {
            Ok(secret) if secret.expose().contains(contains) => Check::ok(key, self.to_string()),
            Ok(_) => {
                Check::fail(key, format!("{self} holds no PEM"), "expected a text with -----BEGIN PRIVATE KEY-----")
            }
            Err(error @ SecretError::NoCredentials { .. }) => {
                Check::warn(key, error.to_string(), "see that the service's unit has LoadCredential= for it")
            }
            Err(error) => Check::fail(key, chain(&error), "write it there, readable for the service's user only"),
        };
        let exposed = self.exposed().map(|(path, mode)| {
            let (path, hint) = (path.display(), format!("chmod 600 {}", path.display()));
            Check::warn(key, format!("{path} has mode {mode:03o}: others than its owner may use it"), &hint)
        });
        [first].into_iter().chain(exposed).collect()
    }

    /// The file and its mode, if others than its owner may use it.
    pub fn exposed(&self) -> Option<(&Path, u32)> {
        let path = self.path.as_deref()?;
        let mode = path.metadata().ok()?.permissions().mode() & 0o777;
        (mode & OTHERS != 0).then_some((path, mode))
    }
}

impl fmt::Display for SecretFile {
    /// The place, as the configuration says it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

impl Secret {
    /// The text itself, for the one call that needs it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(not shown)")
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_secret_is_read_and_never_shown() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("password");
        fs::write(&path, "correct horse\r\n").unwrap();
        for name in [path.to_str().unwrap(), "credential:password"] {
            let file = SecretFile::new(name, Some(folder.path())).unwrap();
            let secret = file.read().unwrap();
            assert_eq!(secret.expose(), "correct horse");
            assert!(!format!("{secret:?} {file:?} {file}").contains("horse"));
        }
        let unseen = SecretFile::new("credential:password", None).unwrap().read().unwrap_err();
        assert!(unseen.to_string().contains("LoadCredential="), "{unseen}");
        for wrong in ["", "hunter2", "./password", "credential:", "credential:../x", "credential:a/b"] {
            assert_eq!(SecretFile::new(wrong, Some(folder.path())), None, "{wrong}");
        }
    }

    #[test]
    fn what_is_no_secret_is_an_error_that_does_not_repeat_it() {
        let folder = tempfile::tempdir().unwrap();
        let read = |bytes: &[u8]| {
            let path = folder.path().join("secret");
            fs::write(&path, bytes).unwrap();
            SecretFile::new(path.to_str().unwrap(), None).unwrap().read().map_err(|error| error.to_string())
        };
        assert!(read(b"\n\n").unwrap_err().ends_with("expected a secret, found an empty file"));
        assert!(read(b"hunter2\xff").unwrap_err().ends_with("expected a secret in UTF-8, found other bytes"));
        let long = vec![b'x'; SECRET_BYTES_MAX as usize];
        assert!(read(&long).is_ok());
        assert!(read(&[&long[..], b"x"].concat()).unwrap_err().ends_with("expected at most 65536 bytes, found more"));
        let missing = SecretFile::new("/nowhere/at/all", None).unwrap();
        assert!(matches!(missing.read(), Err(SecretError::Read { .. })));
        assert_eq!(missing.exposed(), None);
    }

    #[test]
    fn rights_of_others_are_noticed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secret");
        fs::write(&path, "x").unwrap();
        let file = SecretFile::new(path.to_str().unwrap(), None).unwrap();
        for (mode, exposed) in [(0o600, false), (0o400, false), (0o640, true), (0o604, true)] {
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            assert_eq!(file.exposed().map(|(_, mode)| mode), exposed.then_some(mode));
        }
    }
}
