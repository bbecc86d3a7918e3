//! A model's bundle: a folder with manifest, graphs, tokenizer, golden questions and card.
//!
//! [`Bundle::open`] checks everything that can be checked without running a graph, and keeps the verified bytes, so
//! that no file is read twice from a disk that may have changed. Runs no graph, follows no path inside a manifest.

pub mod declaration;
pub mod manifest;

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};

use rust_decimal::Decimal;
use sha2::{Digest, Sha256};
use thiserror::Error;

use crate::bytes::{hex, read_file};
use crate::domain::{Answer, Language, NAME_BYTES_MAX, nearest};
pub use crate::wire::CODE_ASK_A_PERSON;
use declaration::{FieldValue, Readings};
use manifest::{
    Answers, Choice, FORMAT, FileDigest, FirstCalibration, Golden, Manifest, OLDEST_FORMAT, Task, ThinkCalibration,
    Versioned,
};

/// A manifest has a few kilobytes.
const MANIFEST_BYTES_MAX: u64 = 1 << 20;
/// Size of one file; ten times the budget of the shipped bundle.
const FILE_BYTES_MAX: u64 = 400 << 20;
/// Tasks of a bundle; texts that list them must stay readable.
const TASKS_MAX: usize = 32;
/// Fields of a task: a frame of numbers has a byte for their number, and a question must stay readable.
const FIELDS_MAX: usize = 64;
/// Readings of a series: a chart of a shift; each window is a question to the model.
const SERIES_MAX: usize = 200;
/// Centre of the places that a series is scaled to: so that no product overflows.
const PLACES_MAX: u32 = 500_000;
/// Tokens of a free-text answer; a longer text is a rationale, not an answer.
const FREE_TOKENS_MAX: usize = 64;
/// Graphs of a bundle. Each is held in memory with a cache, about 20 MiB for the shipped ones, and a small device has 1
/// GB.
const GRAPHS_MAX: usize = 8;
/// Choices of a task.
const CHOICES_MAX: usize = 256;

/// Control tokens in the cache beside question, rationale and answer: one before each of the last two.
const CONTROL_TOKENS: usize = 2;
/// The place of the question in a prompt template.
const QUESTION_MARK: &str = "{question}";

/// Files that every bundle has, beside its manifest and graphs.
const TOKENIZER: &str = "tokenizer.json";
const GOLDEN: &str = "golden.jsonl";
const CARD: &str = "card.md";

/// A verified bundle: sizes, digests, geometry and the form of the golden questions were checked.
pub struct Bundle {
    pub manifest: Manifest,
    /// At least one for each task.
    pub golden: Vec<Golden>,
    /// Bytes of the graphs, by file name.
    pub graphs: BTreeMap<String, Vec<u8>>,
    /// Bytes of `tokenizer.json`.
    pub tokenizer: Vec<u8>,
}

/// Why a folder cannot be used as a bundle.
#[derive(Debug, Error)]
pub enum Error {
    /// A file cannot be read.
    #[error("failed to read {path}")]
    Read {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    /// The manifest is not JSON of the expected form.
    #[error("failed to parse {path}")]
    Manifest {
        path: PathBuf,
        #[source]
        source: serde_json::Error,
    },
    /// The size of a file is not that of the manifest.
    #[error("{path}: expected {expected} bytes, found {found}")]
    Size { path: PathBuf, expected: u64, found: u64 },
    /// The SHA-256 of a file is not that of the manifest.
    #[error("{path}: expected sha256 {expected}, found {found}")]
    Digest { path: PathBuf, expected: String, found: String },
    /// A value of the manifest or of a golden question is not allowed.
    #[error("{path}: {what}")]
    Unfit {
        path: PathBuf,
        /// What was expected and what was found.
        what: String,
    },
}

/// A task was named that the bundle does not have.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("this model has no task {asked:?}, expected one of: {}{}", known.join(", "), self.hint())]
pub struct UnknownTask {
    pub asked: String,
    /// Ids of the bundle's tasks.
    pub known: Vec<String>,
}

impl UnknownTask {
    pub(crate) fn new<'t>(asked: &str, tasks: impl IntoIterator<Item = &'t Task>) -> Self {
        let known = tasks.into_iter().map(|task| task.id.clone()).collect();
        Self { asked: asked.chars().take(NAME_BYTES_MAX).collect(), known }
    }

    /// Which task was probably meant.
    fn hint(&self) -> String {
        let near = nearest(&self.asked, self.known.iter().map(String::as_str));
        near.map(|near| format!("; did you mean {near}?")).unwrap_or_default()
    }
}

impl Bundle {
    /// Reads and verifies the bundle in `folder`.
    pub fn open(folder: &Path) -> Result<Self, Error> {
        let path = folder.join("manifest.json");
        let text = read(&path, MANIFEST_BYTES_MAX)?;
        let malformed = |source| Error::Manifest { path: path.clone(), source };
        let Versioned { format } = serde_json::from_slice(&text).map_err(malformed)?;
        if !(OLDEST_FORMAT..=FORMAT).contains(&format) {
            let what = if format > FORMAT {
                format!("expected a bundle of format {FORMAT} or older, found {format}: update sokutou")
            } else {
                format!("expected a bundle of format {OLDEST_FORMAT} or newer, found {format}: pack the model again")
            };
            return Err(Error::Unfit { path, what });
        }
        let manifest: Manifest = serde_json::from_slice(&text).map_err(malformed)?;
        check(&manifest).map_err(|what| Error::Unfit { path, what })?;
        let mut kept = BTreeMap::new();
        for (name, digest) in &manifest.files {
            kept.insert(name.clone(), read_verified(&folder.join(name), digest)?);
        }
        let mut taken = |name: &str| kept.remove(name).expect("`check` saw every file that is needed");
        let (tokenizer, golden) = (taken(TOKENIZER), taken(GOLDEN));
        let graphs = graphs(&manifest).into_iter().map(|name| (name.to_owned(), taken(name))).collect();
        let golden =
            parse_golden(&golden, &manifest.tasks).map_err(|what| Error::Unfit { path: folder.join(GOLDEN), what })?;
        Ok(Self { manifest, golden, graphs, tokenizer })
    }

    /// The task that is asked if none is named: the first of the manifest.
    pub fn default_task(&self) -> &Task {
        &self.manifest.tasks[0] // `check` saw at least one
    }

    /// The task of this id.
    pub fn task(&self, id: &str) -> Result<&Task, UnknownTask> {
        find(&self.manifest.tasks, id)
    }

    /// Bytes of the graph that answers a task of this bundle; empty after `graphs` was cleared to save memory.
    pub fn graph(&self, task: &Task) -> &[u8] {
        self.graphs.get(&task.graph).map_or(&[], Vec::as_slice)
    }

    /// SHA-256 of the graph that answers a task of this bundle; models with the same one give the same answers.
    pub fn graph_sha256(&self, task: &Task) -> &str {
        self.manifest.files.get(&task.graph).map_or("", |file| &file.sha256)
    }

    /// Name and version: `shop-floor 1.2.0`.
    pub fn student(&self) -> String {
        format!("{} {}", self.manifest.name, self.manifest.version)
    }

    /// Size of all files but the manifest.
    pub fn bytes(&self) -> u64 {
        self.manifest.files.values().map(|file| file.bytes).sum()
    }
}

impl Task {
    /// The prompt for `question`. The question may contain `{question}`; it is not filled again.
    pub fn fill(&self, question: &str) -> String {
        self.prompt.replacen(QUESTION_MARK, question, 1)
    }

    /// The choice that an answer is; `None` for free text.
    pub fn choice(&self, answer: &Answer) -> Option<&Choice> {
        match (answer, &self.answers) {
            (Answer::Choice(choice), Answers::Choices(choices)) => choices.get(*choice),
            _ => None,
        }
    }

    /// An answer as a person reads it: the label of a choice, or the text itself. `None` for a choice that the task
    /// does not have.
    pub fn label<'a>(&'a self, answer: &'a Answer, language: Language) -> Option<&'a str> {
        match answer {
            Answer::Choice(_) => self.choice(answer).map(|choice| choice.label.in_language(language)),
            Answer::Text(text) => Some(text),
        }
    }

    /// Prompt, rationale, answer and two control tokens must fit into a cache of `max_len` together.
    pub(crate) fn check_fit(&self, answer_tokens: usize, max_len: usize) -> Result<(), String> {
        let (question, rationale) = (self.question_tokens_max, self.rationale_tokens_max);
        ensure(question + rationale + answer_tokens + CONTROL_TOKENS <= max_len, || {
            format!(
                "expected question_tokens_max {question}, rationale_tokens_max {rationale}, an answer of {answer_tokens} and \
                 {CONTROL_TOKENS} control tokens to fit into graph.max_len {max_len} together"
            )
        })
    }
}

/// Checks the values of a well-formed manifest; the error names the manifest's keys.
fn check(manifest: &Manifest) -> Result<(), String> {
    let runtime = semver::Version::parse(env!("CARGO_PKG_VERSION")).expect("cargo checks the package version");
    ensure(manifest.minimum_runtime <= runtime, || {
        format!("expected a runtime of at least {}, this one is {runtime}: update sokutou", manifest.minimum_runtime)
    })?;
    for needed in [TOKENIZER, GOLDEN, CARD] {
        ensure(manifest.files.contains_key(needed), || format!("expected {needed} among the files, it is missing"))?;
    }
    for name in manifest.files.keys() {
        let plain = !name.is_empty() && !name.starts_with('.') && !name.contains(['/', '\\', '\0']);
        ensure(plain, || format!("expected plain file names, got {name:?}"))?;
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

    between("the number of tasks", manifest.tasks.len(), 1, TASKS_MAX)?;
    between("the number of graphs", graphs(manifest).len(), 1, GRAPHS_MAX)?;
    for (place, task) in manifest.tasks.iter().enumerate() {
        ensure(!task.id.is_empty(), || format!("expected an id for task {place}, it is empty"))?;
        let twin = manifest.tasks[..place].iter().any(|other| other.id == task.id);
        ensure(!twin, || format!("expected every task id once, {} comes twice", task.id))?;
        check_graph(&task.graph, manifest)
            .and_then(|()| check_task(task, graph.max_len))
            .map_err(|what| format!("task {}: {what}", task.id))?;
    }
    Ok(())
}

/// File names of the graphs, each once.
fn graphs(manifest: &Manifest) -> BTreeSet<&str> {
    manifest.tasks.iter().map(|task| task.graph.as_str()).collect()
}

fn check_graph(name: &str, manifest: &Manifest) -> Result<(), String> {
    ensure(manifest.files.contains_key(name), || {
        format!("expected its graph {name:?} among the files, it is missing")
    })?;
    ensure(![TOKENIZER, GOLDEN, CARD].contains(&name), || {
        format!("expected a graph of its own or one that tasks share, got {name}")
    })
}

fn check_task(task: &Task, max_len: usize) -> Result<(), String> {
    ensure(task.prompt.matches(QUESTION_MARK).count() == 1, || {
        format!("expected {QUESTION_MARK} once in the prompt, got {:?}", task.prompt)
    })?;
    // The shortest possible answer. The engine, which has the tokenizer, checks the texts of choices.
    let answer_tokens = match &task.answers {
        Answers::Choices(choices) => {
            check_choices(choices)?;
            1
        }
        Answers::Free(free) => {
            between("answers.free.tokens_max", free.tokens_max, 1, FREE_TOKENS_MAX)?;
            free.tokens_max
        }
    };
    between("question_tokens_max", task.question_tokens_max, 1, max_len)?;
    between("rationale_tokens_max", task.rationale_tokens_max, 1, max_len)?;
    task.check_fit(answer_tokens, max_len)?;

    if let Some(readings) = &task.readings {
        check_readings(readings, task)?;
    }
    let calibration = &task.calibration;
    share("calibration.risk", calibration.risk)?;
    share("calibration.confidence_level", calibration.confidence_level)?;
    share("calibration.bands.high", calibration.bands.high)?;
    share("calibration.bands.medium", calibration.bands.medium)?;
    check_thresholds(&calibration.first, &calibration.think)?;
    for group in &calibration.groups {
        check_thresholds(&group.first, &group.think).map_err(|what| format!("group {:?}: {what}", group.name))?;
    }
    Ok(())
}

fn check_thresholds(first: &FirstCalibration, think: &ThinkCalibration) -> Result<(), String> {
    share("first.threshold", first.threshold)?;
    share("think.threshold", think.threshold)?;
    for (name, weight) in [("think.first_weight", think.first_weight), ("think.think_weight", think.think_weight)] {
        ensure(weight.is_finite() && weight >= 0.0, || {
            format!("expected {name} to be finite and not negative, got {weight}")
        })?;
    }
    let temperature = first.temperature;
    ensure(temperature.is_finite() && temperature > 0.0, || {
        format!("expected first.temperature above 0, got {temperature}")
    })
}

/// A declaration that the reader can follow: each thing has a name of its own, and every expression a value.
fn check_readings(readings: &Readings, task: &Task) -> Result<(), String> {
    match readings {
        Readings::Fields(declared) => {
            between("the number of readings.fields", declared.fields.len(), 1, FIELDS_MAX)?;
            for (place, field) in declared.fields.iter().enumerate() {
                let id = &field.id;
                let plain = !id.is_empty() && id.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
                ensure(plain && id.starts_with(|c: char| c.is_ascii_alphabetic()), || {
                    format!("expected an id of ASCII letters, digits and _ for a field, got {id:?}")
                })?;
                let twin = declared.fields[..place].iter().any(|other| other.id == *id);
                ensure(!twin, || format!("expected every field once, {id} comes twice"))?;
                for text in [&declared.canonical.en, &declared.canonical.ja] {
                    ensure(text.matches(&format!("{{{id}}}")).count() == 1, || {
                        format!("expected {{{id}}} once in the canonical question, got {text:?}")
                    })?;
                }
                check_value(&field.value).map_err(|what| format!("field {id}: {what}"))?;
            }
            let limits = declared.limits.iter().map(|limit| &limit.expression);
            for expression in declared.checks.iter().map(|check| &check.expression).chain(limits) {
                let known = |word: &&str| declared.fields.iter().any(|field| field.id == **word);
                let mut words = expression.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
                let word = words.find(|word| word.starts_with(|c: char| c.is_ascii_alphabetic()) && !known(word));
                ensure(word.is_none(), || {
                    format!("expected ids of fields in {expression:?}, got {}", word.unwrap_or(""))
                })?;
            }
            Ok(())
        }
        Readings::Series(series) => {
            let (min, max) = series.count;
            ensure(min >= 1 && min <= series.window && series.window <= max && max <= SERIES_MAX, || {
                format!(
                    "expected 1 <= count.0 <= window <= count.1 <= {SERIES_MAX}, got {min}, {} and {max}",
                    series.window
                )
            })?;
            let to = series.normal;
            ensure(0 < to.zone && to.zone < to.way && to.way < to.centre && to.centre <= PLACES_MAX, || {
                format!("expected 0 < zone < way < centre <= {PLACES_MAX} in readings.series.normal, got {to:?}")
            })?;
            for text in [&series.canonical.en, &series.canonical.ja] {
                ensure(text.matches("{readings}").count() == 1, || {
                    format!("expected {{readings}} once in the canonical question, got {text:?}")
                })?;
            }
            let known = |text: &&String| match &task.answers {
                Answers::Choices(choices) => choices.iter().any(|choice| choice.text == **text),
                Answers::Free(_) => false,
            };
            let foreign = series.anywhere.iter().find(|text| !known(text));
            ensure(foreign.is_none(), || {
                format!("expected choices of the task in readings.series.anywhere, got {foreign:?}")
            })
        }
    }
}

fn check_value(value: &FieldValue) -> Result<(), String> {
    match value {
        FieldValue::Number(quantity) => {
            ensure(!quantity.units.is_empty(), || "expected a unit".to_owned())?;
            ensure(quantity.units.iter().all(|unit| !unit.names.is_empty() && !unit.divisor.is_zero()), || {
                "expected a name for every unit, and a divisor that is not 0".to_owned()
            })?;
            ensure(quantity.resolution > Decimal::ZERO && quantity.min <= quantity.max, || {
                "expected a resolution above 0 and a min of at most max".to_owned()
            })
        }
        FieldValue::Words(words) => ensure(!words.is_empty(), || "expected a word".to_owned()),
    }
}

fn check_choices(choices: &[Choice]) -> Result<(), String> {
    between("the number of answers.choices", choices.len(), 2, CHOICES_MAX)?;
    for (place, choice) in choices.iter().enumerate() {
        let (code, text) = (choice.code, &choice.text);
        ensure(!text.is_empty(), || format!("expected a text in answers.choices for code {code}, it is empty"))?;
        ensure(code != CODE_ASK_A_PERSON, || {
            format!("expected {text} in answers.choices to have a code below {CODE_ASK_A_PERSON}")
        })?;
        let twin = choices[..place].iter().any(|other| other.code == code || other.text == *text);
        ensure(!twin, || {
            format!("expected every code and text once in answers.choices, {text} (code {code}) comes twice")
        })?;
    }
    Ok(())
}

fn ensure(holds: bool, what: impl FnOnce() -> String) -> Result<(), String> {
    if holds { Ok(()) } else { Err(what()) }
}

fn between(name: &str, value: usize, low: usize, high: usize) -> Result<(), String> {
    ensure((low..=high).contains(&value), || format!("expected {name} between {low} and {high}, got {value}"))
}

fn share(name: &str, value: f64) -> Result<(), String> {
    ensure((0.0..=1.0).contains(&value), || format!("expected {name} between 0 and 1, got {value}"))
}

/// Golden questions, at least one of each task.
fn parse_golden(bytes: &[u8], tasks: &[Task]) -> Result<Vec<Golden>, String> {
    let text = std::str::from_utf8(bytes).map_err(|error| format!("expected UTF-8: {error}"))?;
    let mut golden: Vec<Golden> = Vec::new();
    for (line, text) in text.lines().enumerate().map(|(at, text)| (at + 1, text)) {
        let one: Golden = serde_json::from_str(text).map_err(|error| format!("line {line}: {error}"))?;
        check_golden(&one, tasks).map_err(|what| format!("line {line}: {what}"))?;
        golden.push(one);
    }
    for task in tasks {
        ensure(golden.iter().any(|one| one.task == task.id), || {
            format!("expected at least one golden question of task {}, found none", task.id)
        })?;
    }
    Ok(golden)
}

fn check_golden(golden: &Golden, tasks: &[Task]) -> Result<(), String> {
    let task = find(tasks, &golden.task).map_err(|error| error.to_string())?;
    match (&task.answers, golden.code, &golden.answer) {
        (Answers::Choices(choices), Some(code), None) => {
            ensure(choices.iter().any(|choice| choice.code == code), || {
                format!("expected a code of the answer set of task {}, got {code}", task.id)
            })
        }
        (Answers::Free(_), None, Some(_)) => Ok(()),
        (Answers::Choices(_), ..) => Err(format!("expected `code` and no `answer`, task {} has choices", task.id)),
        (Answers::Free(_), ..) => Err(format!("expected `answer` and no `code`, task {} takes free text", task.id)),
    }
}

fn find<'t>(tasks: &'t [Task], id: &str) -> Result<&'t Task, UnknownTask> {
    tasks.iter().find(|task| task.id == id).ok_or_else(|| UnknownTask::new(id, tasks))
}

fn read_verified(path: &Path, expected: &FileDigest) -> Result<Vec<u8>, Error> {
    let bytes = read(path, FILE_BYTES_MAX)?;
    let found = bytes.len() as u64;
    if found != expected.bytes {
        return Err(Error::Size { path: path.to_owned(), expected: expected.bytes, found });
    }
    let found = hex(&Sha256::digest(&bytes));
    if found != expected.sha256 {
        return Err(Error::Digest { path: path.to_owned(), expected: expected.sha256.clone(), found });
    }
    Ok(bytes)
}

fn read(path: &Path, bytes_max: u64) -> Result<Vec<u8>, Error> {
    match read_file(path, bytes_max) {
        Ok(Some(bytes)) => Ok(bytes),
        Ok(None) => Err(Error::Unfit { path: path.to_owned(), what: format!("expected at most {bytes_max} bytes") }),
        Err(source) => Err(Error::Read { path: path.to_owned(), source }),
    }
}
