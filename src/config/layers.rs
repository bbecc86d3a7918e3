//! The layers of a configuration, laid over one another: which value each key has, and where it was set.
//!
//! Knows keys and the types of their values, both from the default file; what a value means is the sections' business.
//! Reads no clock and no network, and holds no secret: those stand in files of their own ([`super::secret`]).
//!
//! `figment` keeps provenance but no lines, and `toml` with serde names lines but stops at the first error and forgets
//! the file once documents are merged. So the trees that `toml` parses, in which every value knows its place, are
//! merged here.

use std::ffi::OsStr;
use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use thiserror::Error;
use toml::de::{DeTable, DeValue};
use toml::{Spanned, Value};

use crate::bytes::read_file;
use crate::domain::nearest;

/// The built-in defaults: the commented file that ships. It names every key; its values give the keys their types.
pub const DEFAULTS: &str = include_str!("../../cross/sokutou.toml");

/// A configuration has a few kilobytes; ten times the commented default file is none of ours.
const FILE_BYTES_MAX: u64 = 256 << 10;
/// Files of one folder of layers; more is a folder that was meant for something else.
const FOLDER_FILES_MAX: usize = 64;
/// Characters of a found value or key that an error repeats, so that it stays one readable line.
const FOUND_CHARS_MAX: usize = 60;
/// Faults after which the rest is not looked at: nobody reads more at once, and a hostile file may hold thousands.
const FAULTS_MAX: usize = 20;
/// Blocks of one array of tables: more serial ports than a device has.
const ENTRIES_MAX: usize = 32;
/// How a variable of ours begins.
const VARIABLE_PREFIX: &str = "SOKUTOU_";

/// Where a value was set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Nowhere: the built-in default.
    Default,
    /// In a file; lines and columns (characters) count from 1.
    File {
        /// Which.
        path: PathBuf,
        /// Line of the key.
        line: usize,
        /// Its column.
        column: usize,
    },
    /// By an environment variable of this name.
    Variable(String),
    /// By `--set` on the command line.
    Flag,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => write!(f, "default"),
            Self::File { path, line, column } => write!(f, "{}:{line}:{column}", path.display()),
            Self::Variable(name) => write!(f, "{name}"),
            Self::Flag => write!(f, "--set"),
        }
    }
}

/// One thing that is wrong with a configuration.
#[derive(Debug, Error)]
pub enum Fault {
    /// A file or folder cannot be read.
    #[error("failed to read {}", path.display())]
    Read {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A source is not of the form: no UTF-8, no TOML, too large.
    #[error("{origin}: {what}")]
    Form {
        /// Where.
        origin: Origin,
        /// Both sides of the mismatch.
        what: String,
    },
    /// A key that does not exist. Its value is not repeated: it may be a secret in the wrong place.
    #[error("{origin}: unknown key {key}: {hint}")]
    Unknown {
        /// Where.
        origin: Origin,
        /// Which.
        key: String,
        /// The nearest known one, or where to look.
        hint: String,
    },
    /// A value of the wrong type, out of range, or at odds with another.
    #[error("{origin}: {key}: expected {expected}, found {found}")]
    Value {
        /// Where the value was set.
        origin: Origin,
        /// Of which key.
        key: String,
        /// What it may be.
        expected: String,
        /// What it is.
        found: String,
    },
}

/// One key of the configuration in effect.
#[derive(Clone, Debug, PartialEq)]
pub struct Setting {
    /// Its path: `mqtt.tls.ca_file`, `serial.0.baud`.
    pub key: String,
    /// What it is set to.
    pub value: Value,
    /// Who set it.
    pub origin: Origin,
    /// The built-in value, which also gives the type.
    pub(super) default: Value,
}

/// Every key with its value, in the order of the default file; layers are laid over it one by one.
#[derive(Debug)]
pub(super) struct Layers {
    /// The keys so far.
    pub settings: Vec<Setting>,
    /// What was wrong so far; where there is anything, `settings` are of no use.
    pub faults: Vec<Fault>,
    /// Files that were read.
    pub files: Vec<PathBuf>,
    /// Variables that look like ours and were not used, each with the one that was probably meant.
    pub lookalikes: Vec<(String, String)>,
    /// The arrays of tables of the default file: the name of each, and the settings of its first entry, as `name.0`.
    tables: Vec<(String, Vec<Setting>)>,
}

impl Layers {
    /// The built-in defaults alone.
    pub fn of_defaults() -> Self {
        let table = DeTable::parse(DEFAULTS).expect("a test parses the default file");
        let (mut placed, mut names) = (Vec::new(), Vec::new());
        flatten(table.get_ref(), "", &mut placed, &mut names);
        placed.sort_by_key(|(at, _)| *at);
        let settings: Vec<Setting> = placed.into_iter().map(|(_, setting)| setting).collect();
        let entry = |name: &str| settings.iter().filter(|setting| within(&setting.key, name)).cloned().collect();
        let tables = names.into_iter().map(|name| (name.clone(), entry(&name))).collect();
        Self { settings, faults: Vec::new(), files: Vec::new(), lookalikes: Vec::new(), tables }
    }

    /// Every `*.toml` of a folder, sorted by name; a folder that does not exist holds none.
    pub fn merge_folder(&mut self, folder: &Path) {
        let named = |entry: io::Result<fs::DirEntry>| entry.map(|entry| entry.path());
        let mut files: Vec<PathBuf> = match fs::read_dir(folder).and_then(|entries| entries.map(named).collect()) {
            Ok(files) => files,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return,
            Err(source) => return self.faults.push(Fault::Read { path: folder.to_owned(), source }),
        };
        // Hidden ones are what editors leave behind.
        let hidden = |path: &Path| path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."));
        files.retain(|path| path.extension() == Some(OsStr::new("toml")) && !hidden(path));
        files.sort();
        if files.len() > FOLDER_FILES_MAX {
            let found = format!("expected at most {FOLDER_FILES_MAX} files, found {}", files.len());
            return self.faults.push(Fault::Read { path: folder.to_owned(), source: io::Error::other(found) });
        }
        for file in files {
            self.merge_file(&file, true);
        }
    }

    /// One file; one that is not `required` may be missing.
    pub fn merge_file(&mut self, path: &Path, required: bool) {
        let bytes = match read_file(path, FILE_BYTES_MAX) {
            Err(error) if error.kind() == io::ErrorKind::NotFound && !required => return,
            Err(source) => return self.faults.push(Fault::Read { path: path.to_owned(), source }),
            Ok(bytes) => bytes,
        };
        self.files.push(path.to_owned());
        let start = Origin::File { path: path.to_owned(), line: 1, column: 1 };
        let Some(bytes) = bytes else {
            let what = format!("expected at most {FILE_BYTES_MAX} bytes, found more: this is no configuration");
            return self.faults.push(Fault::Form { origin: start, what });
        };
        let text = match std::str::from_utf8(&bytes) {
            Ok(text) => text,
            Err(error) => {
                let valid = String::from_utf8_lossy(&bytes[..error.valid_up_to()]);
                let what =
                    format!("expected UTF-8, found the byte 0x{:02x}: save the file as UTF-8", bytes[valid.len()]);
                return self.faults.push(Fault::Form { origin: place(path, &valid, valid.len()), what });
            }
        };
        let origin = |at: usize| place(path, text, at);
        match DeTable::parse(text) {
            Ok(table) => self.walk(table.get_ref(), "", &origin),
            Err(error) => {
                let at = error.span().map_or(0, |span| span.start);
                self.faults.push(Fault::Form { origin: origin(at), what: error.message().replace('\n', ", ") });
            }
        }
    }

    /// Variables `SOKUTOU_SECTION__KEY`; others are none of ours.
    pub fn merge_variables<'v>(&mut self, variables: impl IntoIterator<Item = &'v (String, Option<String>)>) {
        for (name, value) in variables {
            let Some(ours) = name.strip_prefix(VARIABLE_PREFIX).map(str::to_lowercase) else { continue };
            let key = ours.replace("__", ".");
            if key == ours && !self.is_table(&key) {
                let meant = self.settings.iter().find(|setting| setting.key.replace('.', "_") == ours);
                if let Some(setting) = meant {
                    self.lookalikes.push((name.clone(), variable(&setting.key)));
                }
                continue;
            }
            let origin = Origin::Variable(name.clone());
            match value {
                Some(value) => self.merge_text(&key, value, &origin),
                None => self.faults.push(Fault::Form { origin, what: "expected UTF-8, found other bytes".to_owned() }),
            }
        }
    }

    /// One `section.key=value` of the command line.
    pub fn merge_flag(&mut self, text: &str) {
        match text.split_once('=') {
            Some((key, value)) => self.merge_text(key.trim(), value, &Origin::Flag),
            None => {
                let what = format!("expected section.key=value, found {:?}", clip(text));
                self.faults.push(Fault::Form { origin: Origin::Flag, what });
            }
        }
    }

    /// A value as text: read as TOML, but where a text is wanted it needs no quotes.
    fn merge_text(&mut self, key: &str, text: &str, origin: &Origin) {
        let text = text.trim();
        let quoted = text.starts_with(['"', '\'']);
        let wants_text = matches!(self.kind(key), Kind::Leaf(Value::String(_)));
        let parsed = if wants_text && !quoted { None } else { DeValue::parse(text).ok() };
        let value = parsed.map_or_else(|| DeValue::String(text.into()), Spanned::into_inner);
        self.merge(key, &value, origin.clone(), &|_| origin.clone());
    }

    fn walk(&mut self, table: &DeTable<'_>, prefix: &str, origin: &dyn Fn(usize) -> Origin) {
        for (key, value) in table {
            if self.faults.len() >= FAULTS_MAX {
                return;
            }
            let place = origin(key.span().start);
            let name = key.get_ref();
            if name.contains('.') {
                // A quoted key; joined, it would pass for two.
                let key = format!("{:?}", clip(name));
                self.faults.push(Fault::Unknown { origin: place, key, hint: "keys have no dots".to_owned() });
            } else {
                let path = if prefix.is_empty() { name.to_string() } else { format!("{prefix}.{name}") };
                self.merge(&path, value.get_ref(), place, origin);
            }
        }
    }

    /// One value; `place` is where its key stands, `origin` where any other offset does.
    fn merge(&mut self, key: &str, value: &DeValue<'_>, place: Origin, origin: &dyn Fn(usize) -> Origin) {
        let kind = self.kind(key);
        match (&kind, value) {
            (Kind::Unknown, _) => {
                let (key, hint) = (shown(key), self.hint(key));
                self.faults.push(Fault::Unknown { origin: place, key, hint });
            }
            (Kind::Section, DeValue::Table(table)) => self.walk(table, key, origin),
            (Kind::Tables, DeValue::Array(entries)) if entries.iter().all(|entry| entry.get_ref().is_table()) => {
                if entries.len() > ENTRIES_MAX {
                    let (expected, found) = (format!("at most {ENTRIES_MAX} blocks"), entries.len().to_string());
                    return self.faults.push(Fault::Value { origin: place, key: shown(key), expected, found });
                }
                self.make_entries(key, entries.len());
                for (at, entry) in entries.iter().enumerate() {
                    let table = entry.get_ref().as_table().expect("all entries were seen to be tables");
                    self.walk(table, &format!("{key}.{at}"), origin);
                }
            }
            (Kind::Leaf(default), found) => match leaf(found, default) {
                Some(value) => {
                    let setting = self.settings.iter_mut().find(|setting| setting.key == key);
                    let setting = setting.expect("a leaf is a key of the settings");
                    (setting.value, setting.origin) = (value, place);
                }
                None => self.misfit(key, &kind, found, place),
            },
            (_, found) => self.misfit(key, &kind, found, place),
        }
    }

    fn misfit(&mut self, key: &str, kind: &Kind, found: &DeValue<'_>, origin: Origin) {
        let expected = match kind {
            Kind::Section => format!("a section, [{key}]"),
            Kind::Tables => format!("blocks, [[{key}]]"),
            Kind::Leaf(Value::Boolean(_)) => "true or false, without quotes".to_owned(),
            Kind::Leaf(Value::Integer(_)) => "a whole number, without quotes".to_owned(),
            Kind::Leaf(Value::Float(_)) => "a number, without quotes".to_owned(),
            Kind::Leaf(Value::Array(_)) => "a list of texts, [\"...\"]".to_owned(),
            Kind::Leaf(_) | Kind::Unknown => "a text in quotes".to_owned(),
        };
        let found = match found {
            DeValue::String(text) => format!("the text {:?}", clip(text)),
            DeValue::Integer(number) => format!("the number {}", clip(&number.to_string())),
            DeValue::Float(number) => format!("the number {}", clip(&number.to_string())),
            DeValue::Boolean(flag) => flag.to_string(),
            DeValue::Datetime(_) => "a date or time".to_owned(),
            DeValue::Array(_) if matches!(kind, Kind::Tables | Kind::Leaf(Value::Array(_))) => {
                "a list of other things".to_owned()
            }
            DeValue::Array(_) => "a list".to_owned(),
            DeValue::Table(_) => "a section".to_owned(),
        };
        self.faults.push(Fault::Value { origin, key: shown(key), expected, found });
    }

    /// Replaces the entries of an array of tables by so many with default values.
    fn make_entries(&mut self, name: &str, count: usize) {
        let Some((_, entry)) = self.tables.iter().find(|(table, _)| table == name) else { return };
        let first = self.settings.iter().position(|setting| within(&setting.key, name));
        self.settings.retain(|setting| !within(&setting.key, name));
        let numbered = |at: usize| {
            entry.iter().map(move |setting| {
                let key = setting.key.replacen(".0.", &format!(".{at}."), 1);
                Setting { key, ..setting.clone() }
            })
        };
        let made: Vec<Setting> = (0..count).flat_map(numbered).collect();
        let at = first.unwrap_or(self.settings.len());
        self.settings.splice(at..at, made);
    }

    fn is_table(&self, key: &str) -> bool {
        self.tables.iter().any(|(name, _)| name == key)
    }

    fn kind(&self, key: &str) -> Kind {
        if self.is_table(key) {
            return Kind::Tables;
        }
        match self.settings.iter().find(|setting| setting.key == key) {
            Some(setting) => Kind::Leaf(setting.default.clone()),
            None if self.settings.iter().any(|setting| within(&setting.key, key)) => Kind::Section,
            None => Kind::Unknown,
        }
    }

    /// What was probably meant by an unknown key: a neighbour's name, another section's, or one of those there are.
    fn hint(&self, key: &str) -> String {
        let (section, name) = key.rsplit_once('.').unwrap_or(("", key));
        let inside = |setting: &Setting| match section {
            "" => Some(setting.key.clone()),
            section => Some(setting.key.strip_prefix(section)?.strip_prefix('.')?.to_owned()),
        };
        let mut known: Vec<String> = Vec::new();
        for path in self.settings.iter().filter_map(inside) {
            let name = path.split('.').next().unwrap_or_default();
            if !known.iter().any(|known| known == name) {
                known.push(name.to_owned());
            }
        }
        if let Some(near) = nearest(name, known.iter().map(String::as_str)) {
            return format!("did you mean {near}?");
        }
        let elsewhere = self.settings.iter().find(|setting| setting.key.rsplit('.').next() == Some(name));
        match elsewhere {
            Some(setting) => format!("did you mean {}?", setting.key),
            None if known.is_empty() => {
                "see the commented default file, or `sokutou config show`, for those there are".to_owned()
            }
            None => format!("here are known: {}", known.join(", ")),
        }
    }
}

/// What a key may hold.
enum Kind {
    Unknown,
    Section,
    Tables,
    /// A value of this one's type.
    Leaf(Value),
}

/// The environment variable of a key.
fn variable(key: &str) -> String {
    format!("{VARIABLE_PREFIX}{}", key.to_uppercase().replace('.', "__"))
}

fn within(key: &str, section: &str) -> bool {
    key.strip_prefix(section).is_some_and(|rest| rest.starts_with('.'))
}

/// The value, if it is of the default's type; a whole number will do for a number.
fn leaf(found: &DeValue<'_>, default: &Value) -> Option<Value> {
    match (default, found) {
        (Value::String(_), DeValue::String(text)) => Some(Value::String(text.to_string())),
        (Value::Boolean(_), DeValue::Boolean(flag)) => Some(Value::Boolean(*flag)),
        (Value::Integer(_), DeValue::Integer(number)) => {
            i64::from_str_radix(number.as_str(), number.radix()).ok().map(Value::Integer)
        }
        (Value::Float(_), DeValue::Float(number)) => number.as_str().parse().ok().map(Value::Float),
        (Value::Float(_), DeValue::Integer(number)) => number.as_str().parse().ok().map(Value::Float),
        (Value::Array(_), DeValue::Array(items)) => items
            .iter()
            .map(|item| item.get_ref().as_str().map(|text| Value::String(text.to_owned())))
            .collect::<Option<_>>()
            .map(Value::Array),
        _ => None,
    }
}

/// The keys of the default file with their offsets, and the names of its arrays of tables.
fn flatten(table: &DeTable<'_>, prefix: &str, into: &mut Vec<(usize, Setting)>, tables: &mut Vec<String>) {
    for (key, value) in table {
        let path = if prefix.is_empty() { key.get_ref().to_string() } else { format!("{prefix}.{}", key.get_ref()) };
        match value.get_ref() {
            DeValue::Table(table) => flatten(table, &path, into, tables),
            DeValue::Array(entries) if entries.iter().any(|entry| entry.get_ref().is_table()) => {
                let entry = entries[0].get_ref().as_table().expect("the default file has one block of each kind");
                flatten(entry, &format!("{path}.0"), into, tables);
                tables.push(path);
            }
            found => {
                let own_type = match found {
                    DeValue::String(_) => Value::String(String::new()),
                    DeValue::Boolean(_) => Value::Boolean(false),
                    DeValue::Integer(_) => Value::Integer(0),
                    DeValue::Float(_) => Value::Float(0.0),
                    _ => Value::Array(Vec::new()),
                };
                let value = leaf(found, &own_type).expect("the default file holds plain values");
                let setting = Setting { key: path, default: value.clone(), value, origin: Origin::Default };
                into.push((key.span().start, setting));
            }
        }
    }
}

fn place(path: &Path, text: &str, at: usize) -> Origin {
    let before = text.get(..at).unwrap_or(text);
    let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
    let line = before.matches('\n').count() + 1;
    Origin::File { path: path.to_owned(), line, column: before[line_start..].chars().count() + 1 }
}

/// A key as an error shows it: plain, or quoted where it holds anything unusual.
fn shown(key: &str) -> String {
    let plain = key.chars().all(|c| c.is_ascii_alphanumeric() || "._-".contains(c));
    if plain { clip(key) } else { format!("{:?}", clip(key)) }
}

/// A value as an error shows it, in one line.
pub(super) fn in_short(value: &Value) -> String {
    match value {
        Value::String(text) => format!("{:?}", clip(text)),
        other => clip(&other.to_string().replace('\n', " ")),
    }
}

fn clip(text: &str) -> String {
    match text.char_indices().nth(FOUND_CHARS_MAX) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text.to_owned(),
    }
}
