//! Takes typed values out of the settings, and notes what is wrong with them. Knows no section: each part of the gateway reads its
//! own. Opens no file.

use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};

use toml::Value;

use super::layers::{Fault, Setting, in_short};
use super::secret::SecretFile;
use crate::domain::Name;

/// The longest text: a path as Linux limits it.
const TEXT_BYTES_MAX: usize = 4096;
/// Entries of a list of prefixes or hosts; each is looked at for every message.
const LIST_MAX: usize = 64;

/// What a path must be.
pub const ABSOLUTE: &str = "an absolute path";

/// The path, if it is absolute.
pub fn absolute(text: &str) -> Option<PathBuf> {
    text.starts_with('/').then(|| PathBuf::from(text))
}

/// Whether this can be the name of a host.
pub fn is_host_name(text: &str) -> bool {
    let label = |label: &str| {
        (1..=63).contains(&label.len()) && label.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_')
    };
    text.len() <= 253 && text.split('.').all(label)
}

/// Takes values out of the settings and notes what is wrong with them. Where something is, the caller gets the default
/// instead, so that one pass finds every fault; a configuration with faults is never handed out.
pub struct Reader<'s> {
    pub(super) settings: &'s [Setting],
    pub(super) faults: &'s mut Vec<Fault>,
    /// Folder of systemd's credentials.
    pub(super) credentials: Option<&'s Path>,
}

impl Reader<'_> {
    /// Whether there is such a key.
    pub fn has(&self, key: &str) -> bool {
        self.settings.iter().any(|setting| setting.key == key)
    }

    fn setting(&self, key: &str) -> &Setting {
        let setting = self.settings.iter().find(|setting| setting.key == key);
        setting.expect("every key that a section reads is in the default file; a test reads them all")
    }

    /// A value that `parse` takes; it takes the default.
    fn get<T>(&mut self, key: &str, expected: &str, parse: impl Fn(&Value) -> Option<T>) -> T {
        let Setting { value, default, .. } = self.setting(key);
        match parse(value) {
            Some(parsed) => parsed,
            None => {
                let (instead, found) = (parse(default), in_short(value));
                self.conflict(key, expected, &found);
                instead.expect("every default is valid; a test reads them all")
            }
        }
    }

    /// Notes that a value does not do.
    pub fn conflict(&mut self, key: &str, expected: &str, found: &str) {
        let (key, expected, found) = (key.to_owned(), expected.to_owned(), found.to_owned());
        self.faults.push(Fault::Value { origin: self.setting(&key).origin.clone(), key, expected, found });
    }

    /// True or false.
    pub fn flag(&mut self, key: &str) -> bool {
        self.get(key, "true or false", Value::as_bool)
    }

    /// A whole number of the range.
    pub fn whole(&mut self, key: &str, range: RangeInclusive<u64>) -> u64 {
        let expected = format!("a whole number from {} to {}", range.start(), range.end());
        self.get(key, &expected, |value| {
            value.as_integer().and_then(|number| u64::try_from(number).ok()).filter(|number| range.contains(number))
        })
    }

    /// A number from 0 to 1.
    pub fn share(&mut self, key: &str) -> f64 {
        self.get(key, "a number from 0 to 1", |value| value.as_float().filter(|share| (0.0..=1.0).contains(share)))
    }

    /// A text that is not empty.
    pub fn required<T>(&mut self, key: &str, expected: &str, parse: impl Fn(&str) -> Option<T>) -> T {
        self.get(key, expected, |value| {
            value.as_str().filter(|text| is_plain(text) && !text.is_empty()).and_then(&parse)
        })
    }

    /// A text, or an empty one for none.
    pub fn optional<T>(&mut self, key: &str, expected: &str, parse: impl Fn(&str) -> Option<T>) -> Option<T> {
        self.get(key, expected, |value| match value.as_str() {
            Some("") => Some(None),
            Some(text) if is_plain(text) => parse(text).map(Some),
            _ => None,
        })
    }

    /// A text, or `None` for an empty one.
    pub fn text(&mut self, key: &str) -> Option<String> {
        self.optional(key, "a text without control characters", |text| Some(text.to_owned()))
    }

    /// An absolute path, or `None` for an empty text.
    pub fn path(&mut self, key: &str) -> Option<PathBuf> {
        self.optional(key, ABSOLUTE, absolute)
    }

    /// A name, see [`Name`].
    pub fn name(&mut self, key: &str) -> Name {
        self.required(key, "1 to 64 of A-Z a-z 0-9 _ -", Name::new)
    }

    /// One of the known texts, as its value.
    pub fn one_of<T: Copy>(&mut self, key: &str, known: &[(&str, T)]) -> T {
        let names: Vec<String> = known.iter().map(|(name, _)| format!("{name:?}")).collect();
        let find = |text: &str| known.iter().find(|(name, _)| *name == text).map(|(_, value)| *value);
        self.required(key, &names.join(" or "), find)
    }

    /// A list of texts that `parse` takes.
    pub fn list<T>(&mut self, key: &str, expected: &str, parse: impl Fn(&str) -> Option<T>) -> Vec<T> {
        self.get(key, expected, |value| {
            let items = value.as_array().filter(|items| items.len() <= LIST_MAX)?;
            items.iter().map(|item| parse(item.as_str().filter(|text| is_plain(text))?)).collect()
        })
    }

    /// The place of a secret. What was found there instead is not repeated: it may be the secret itself.
    pub fn secret(&mut self, key: &str) -> Option<SecretFile> {
        let text = self.setting(key).value.as_str().unwrap_or_default();
        if text.is_empty() {
            return None;
        }
        let file = SecretFile::new(text, self.credentials).filter(|_| is_plain(text));
        if file.is_none() {
            self.conflict(
                key,
                "an absolute path or credential:NAME",
                "neither (not shown, lest it be the secret itself)",
            );
        }
        file
    }
}

fn is_plain(text: &str) -> bool {
    text.len() <= TEXT_BYTES_MAX && !text.contains(char::is_control)
}
