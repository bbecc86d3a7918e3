//! The student bundle: a folder with manifest, graph, tokenizer, golden questions and card.
//!
//! [`Bundle::open`] checks everything that can be checked without running the graph; having a [`Bundle`] means it is verified.
//! It keeps the verified bytes, so that nothing is read a second time from a disk that may have changed. Runs no graph,
//! trusts no path inside a manifest.

pub mod manifest;

use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};
use thiserror::Error;

use manifest::{FORMAT, FileDigest, Golden, Manifest, Task};

/// A manifest is a few kilobytes; a larger one is not a manifest.
const MANIFEST_BYTES_MAX: u64 = 1 << 20;
/// The largest file of a bundle: ten times the default student's whole budget.
const FILE_BYTES_MAX: u64 = 400 << 20;
/// Choices of a task; more is not a closed answer set but a vocabulary.
const CHOICES_MAX: usize = 256;
/// Kept for "ask a person" on every wire; no choice may have it.
pub const CODE_ASK_A_PERSON: u16 = u16::MAX;

/// The files a bundle must hold beside its manifest.
const MODEL: &str = "model.onnx";
const TOKENIZER: &str = "tokenizer.json";
const GOLDEN: &str = "golden.jsonl";
const CARD: &str = "card.md";

/// A student bundle; having one means that its digests, sizes, geometry and golden questions' form were verified.
pub struct Bundle {
    /// The manifest.
    pub manifest: Manifest,
    /// What must come out after every load.
    pub golden: Vec<Golden>,
    /// Bytes of the graph.
    pub model: Vec<u8>,
    /// Bytes of the tokenizer.
    pub tokenizer: Vec<u8>,
}

/// Why a folder is no bundle of ours.
#[derive(Debug, Error)]
pub enum Error {
    /// A file cannot be read.
    #[error("failed to read {path}")]
    Read {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The manifest is not of the form.
    #[error("failed to parse {path}")]
    Manifest {
        /// Which.
        path: PathBuf,
        /// Where and why.
        #[source]
        source: serde_json::Error,
    },
    /// A file has another size than the manifest says.
    #[error("{path}: expected {expected} bytes, found {found}")]
    Size {
        /// Which.
        path: PathBuf,
        /// By the manifest.
        expected: u64,
        /// On disk.
        found: u64,
    },
    /// A file has another digest than the manifest says.
    #[error("{path}: expected sha256 {expected}, found {found}")]
    Digest {
        /// Which.
        path: PathBuf,
        /// By the manifest.
        expected: String,
        /// Of the bytes on disk.
        found: String,
    },
    /// The manifest contradicts itself or this runtime.
    #[error("{path}: {what}")]
    Unfit {
        /// Which.
        path: PathBuf,
        /// Both sides of the mismatch.
        what: String,
    },
}

impl Bundle {
    /// Reads and verifies the bundle in `folder`.
    pub fn open(folder: &Path) -> Result<Self, Error> {
        let path = folder.join("manifest.json");
        let text = read(&path, MANIFEST_BYTES_MAX)?;
        let manifest: Manifest =
            serde_json::from_slice(&text).map_err(|source| Error::Manifest { path: path.clone(), source })?;
        check(&manifest).map_err(|what| Error::Unfit { path, what })?;
        let mut kept = [MODEL, TOKENIZER, GOLDEN].map(|_| Vec::new());
        for (name, digest) in &manifest.files {
            let bytes = read_verified(&folder.join(name), digest)?;
            if let Some(place) = [MODEL, TOKENIZER, GOLDEN].iter().position(|kept| kept == name) {
                kept[place] = bytes;
            }
        }
        let [model, tokenizer, golden] = kept;
        let golden = parse_golden(&golden, &manifest.tasks[0])
            .map_err(|what| Error::Unfit { path: folder.join(GOLDEN), what })?;
        Ok(Self { manifest, golden, model, tokenizer })
    }

    /// The one task of the student.
    pub fn task(&self) -> &Task {
        &self.manifest.tasks[0] // `check` saw exactly one
    }

    /// Name and version, as answers are signed: `machine-failure 0.2.0`.
    pub fn student(&self) -> String {
        format!("{} {}", self.manifest.name, self.manifest.version)
    }

    /// Bytes of all its files but the manifest.
    pub fn bytes(&self) -> u64 {
        self.manifest.files.values().map(|file| file.bytes).sum()
    }
}

/// What a well-formed manifest can still get wrong, in the manifest's own words.
fn check(manifest: &Manifest) -> Result<(), String> {
    let ensure = |holds: bool, what: &dyn Fn() -> String| if holds { Ok(()) } else { Err(what()) };
    let between = |name: &str, value: usize, low: usize, high: usize| {
        ensure((low..=high).contains(&value), &|| format!("expected {name} between {low} and {high}, got {value}"))
    };
    let share = |name: &str, value: f64| {
        ensure((0.0..=1.0).contains(&value), &|| format!("expected {name} between 0 and 1, got {value}"))
    };
    let positive = |name: &str, value: f64| {
        ensure(value.is_finite() && value >= 0.0, &|| {
            format!("expected {name} to be finite and not negative, got {value}")
        })
    };

    ensure(manifest.format == FORMAT, &|| format!("expected bundle format {FORMAT}, got {}", manifest.format))?;
    let runtime = semver::Version::parse(env!("CARGO_PKG_VERSION")).expect("cargo checks the package version");
    ensure(manifest.minimum_runtime <= runtime, &|| {
        format!("expected a runtime of at least {}, this one is {runtime}: update sokutou", manifest.minimum_runtime)
    })?;
    for needed in [MODEL, TOKENIZER, GOLDEN, CARD] {
        ensure(manifest.files.contains_key(needed), &|| format!("expected {needed} among the files, it is missing"))?;
    }
    for name in manifest.files.keys() {
        let plain = !name.is_empty() && !name.starts_with('.') && !name.contains(['/', '\\', '\0']);
        ensure(plain, &|| format!("expected plain file names, got {name:?}"))?;
    }

    let graph = &manifest.graph;
    between("graph.layers", graph.layers, 1, 128)?;
    between("graph.kv_heads", graph.kv_heads, 1, 128)?;
    between("graph.head_dim", graph.head_dim, 8, 512)?;
    between("graph.max_len", graph.max_len, 16, 8192)?;
    between("graph.vocabulary", graph.vocabulary, 16, 1 << 20)?;
    let (control, calculator) = (&manifest.control, &manifest.calculator);
    for (name, id) in [
        ("control.answer", control.answer),
        ("control.why", control.why),
        ("control.think", control.think),
        ("control.end", control.end),
        ("calculator.open", calculator.open),
        ("calculator.equals", calculator.equals),
        ("calculator.close", calculator.close),
    ] {
        between(name, id as usize, 0, graph.vocabulary - 1)?;
    }
    between("calculator.decimals", calculator.decimals as usize, 0, 9)?;

    ensure(manifest.tasks.len() == 1, &|| format!("expected one task, got {}", manifest.tasks.len()))?;
    let task = &manifest.tasks[0];
    ensure(task.prompt.matches("{question}").count() == 1, &|| {
        format!("expected {{question}} once in the prompt, got {:?}", task.prompt)
    })?;
    between("choices", task.choices.len(), 2, CHOICES_MAX)?;
    for (place, choice) in task.choices.iter().enumerate() {
        let text = &choice.text;
        ensure(!text.is_empty(), &|| format!("expected a text for choice {}, it is empty", choice.code))?;
        ensure(choice.code != CODE_ASK_A_PERSON, &|| {
            format!("expected choice {text} to have a code below {CODE_ASK_A_PERSON}")
        })?;
        let twin = task.choices[..place].iter().any(|other| other.code == choice.code || other.text == *text);
        ensure(!twin, &|| format!("expected every choice once, {text} (code {}) comes twice", choice.code))?;
    }
    // Question, rationale, two control tokens, and the answer's text must fit into the cache together.
    let (question, rationale) = (task.question_tokens_max, task.rationale_tokens_max);
    between("question_tokens_max", question, 1, graph.max_len)?;
    between("question_tokens_max and rationale_tokens_max together", question + rationale, 2, graph.max_len - 8)?;

    let calibration = &task.calibration;
    share("calibration.risk", calibration.risk)?;
    share("calibration.confidence_level", calibration.confidence_level)?;
    share("calibration.first.threshold", calibration.first.threshold)?;
    share("calibration.think.threshold", calibration.think.threshold)?;
    share("calibration.bands.high", calibration.bands.high)?;
    share("calibration.bands.medium", calibration.bands.medium)?;
    positive("calibration.think.first_weight", calibration.think.first_weight)?;
    positive("calibration.think.think_weight", calibration.think.think_weight)?;
    let temperature = calibration.first.temperature;
    ensure(temperature.is_finite() && temperature > 0.0, &|| {
        format!("expected calibration.first.temperature above 0, got {temperature}")
    })
}

fn parse_golden(bytes: &[u8], task: &Task) -> Result<Vec<Golden>, String> {
    let text = std::str::from_utf8(bytes).map_err(|error| format!("expected UTF-8: {error}"))?;
    let mut golden = Vec::new();
    for (line, text) in text.lines().enumerate().map(|(at, text)| (at + 1, text)) {
        let one: Golden = serde_json::from_str(text).map_err(|error| format!("line {line}: {error}"))?;
        if !task.choices.iter().any(|choice| choice.code == one.code) {
            return Err(format!("line {line}: expected a code of the answer set, got {}", one.code));
        }
        golden.push(one);
    }
    if golden.is_empty() {
        return Err("expected at least one golden question, found none".to_owned());
    }
    Ok(golden)
}

fn read_verified(path: &Path, expected: &FileDigest) -> Result<Vec<u8>, Error> {
    let bytes = read(path, FILE_BYTES_MAX)?;
    let found = bytes.len() as u64;
    if found != expected.bytes {
        return Err(Error::Size { path: path.to_owned(), expected: expected.bytes, found });
    }
    let found: String = Sha256::digest(&bytes).iter().map(|byte| format!("{byte:02x}")).collect();
    if found != expected.sha256 {
        return Err(Error::Digest { path: path.to_owned(), expected: expected.sha256.clone(), found });
    }
    Ok(bytes)
}

fn read(path: &Path, bytes_max: u64) -> Result<Vec<u8>, Error> {
    let failed = |source| Error::Read { path: path.to_owned(), source };
    let mut bytes = Vec::new();
    fs::File::open(path).map_err(failed)?.take(bytes_max + 1).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() as u64 > bytes_max {
        return Err(Error::Unfit { path: path.to_owned(), what: format!("expected at most {bytes_max} bytes") });
    }
    Ok(bytes)
}
