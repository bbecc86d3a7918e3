//! The types that every module shares: answer, confidence, prediction, verdict, rationale. No I/O, no serde, no clock.

use std::error::Error;
use std::fmt;

/// A token of the model's vocabulary.
pub type TokenId = u32;

/// Index of a choice in the task's closed answer set.
pub type ChoiceIndex = usize;

/// The longest question: many times what a model reads.
pub const QUESTION_BYTES_MAX: usize = 16 << 10;
/// The longest question in JSON: each of its bytes may stand as an escape of six, and a few keys are around it.
pub const ASK_BYTES_MAX: usize = 8 * QUESTION_BYTES_MAX;
/// The longest name: of a gateway, a share group, a level of the root topic.
pub const NAME_BYTES_MAX: usize = 64;
/// The longest name of a client or a request: in Japanese three times as many bytes, of which two fit into any broker's topic.
pub const ASKER_CHARS_MAX: usize = 64;

/// A name of 1 to 64 of `A-Z a-z 0-9 _ -`: fit for topics, file names and logs.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name(String);

impl Name {
    /// `None` for any other text.
    pub fn new(text: &str) -> Option<Self> {
        is_name(text).then(|| Self(text.to_owned()))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Whether a text can name a gateway: letters, digits, hyphen and underscore, since it becomes part of topics and file names.
pub fn is_name(text: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    (1..=NAME_BYTES_MAX).contains(&text.len()) && text.chars().all(plain)
}

/// Whether a text can name a client or a request. It becomes a level of a topic and stands in logs and on screens, and is never a file's
/// name: `AA:BB:CC`, `Channel1.Press 3` and `プレス3` are names, while wildcards, control characters and what turns the direction of
/// the text around it are not part of one. Nor are `.` and `..`, which clients of HTTP take for steps in a path.
pub fn is_asker_name(text: &str) -> bool {
    let level = |c: char| !matches!(c, '/' | '+' | '#') && !c.is_control() && !is_invisible(c);
    let chars = text.chars().take(ASKER_CHARS_MAX + 1).count();
    (1..=ASKER_CHARS_MAX).contains(&chars) && text.chars().all(level) && !matches!(text, "." | "..")
}

/// Whether a character shows nothing and changes how what is beside it is shown: line ends beyond ASCII's, marks of direction.
fn is_invisible(c: char) -> bool {
    matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

/// A case's number in its journal; a later case has a greater one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CaseId(pub i64);

impl fmt::Display for CaseId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// What is owed to an asker.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DeliveryKind {
    /// This revision of the reply: 0 is the model's answer, a person's are counted from 1. A later one replaces those before it.
    Reply(u32),
    /// The rationale of the model's answer.
    Rationale,
}

/// One thing owed to the asker of a case.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct DeliveryId {
    /// The case.
    pub case: CaseId,
    /// What is owed.
    pub kind: DeliveryKind,
}

/// Something that happened to a case, as whoever subscribed hears it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CaseEvent {
    /// The case.
    pub case: CaseId,
    /// What happened; durable by then.
    pub kind: CaseEventKind,
}

/// What can happen to a case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CaseEventKind {
    /// A new question is in the journal.
    Received,
    /// The model answered, and no person was asked.
    Answered,
    /// A person is asked.
    Escalated,
    /// Its time ran out.
    Expired,
    /// The model failed.
    Failed,
    /// Its rationale is written.
    Explained,
    /// A person has decided; the reply has this revision now.
    Reviewed(u32),
    /// This reached its asker.
    Delivered(DeliveryKind),
}

/// Whether a review waits for a person.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ReviewState {
    /// It waits.
    #[default]
    Open,
    /// A person has decided.
    Resolved,
}

/// What a person says of the model's answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReviewVerdict {
    /// It is right.
    Right,
    /// It is wrong; this is right.
    Wrong(String),
    /// Nobody can say what is right.
    Unclear,
}

/// The language of a question; labels and rationales follow it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Language {
    /// English, and everything that is not Japanese: the terse style of machines too.
    En,
    /// Japanese by [`Language::of`].
    Ja,
}

impl Language {
    /// Japanese if the text holds at least one of these characters, otherwise English:
    ///
    /// | characters | code points |
    /// |---|---|
    /// | hiragana and katakana, with `・` and `ー` | U+3041 to U+30FF |
    /// | half-width katakana, without punctuation and voicing marks | U+FF66 to U+FF9D |
    /// | kanji | U+4E00 to U+9FFF, and extension A, U+3400 to U+4DBF |
    ///
    /// Chinese text is taken for Japanese, because its characters are kanji too. Full-width Latin, digits and
    /// punctuation are not, nor are the later extensions and the compatibility ideographs, which stand beside common
    /// kanji in any real sentence. The cases in `tests/data/japanese.json` bind the training toolkit to the same rule.
    pub fn of(text: &str) -> Self {
        if text.chars().any(is_japanese) { Self::Ja } else { Self::En }
    }
}

fn is_japanese(character: char) -> bool {
    let kana = '\u{3041}'..='\u{30ff}';
    let half_width_kana = '\u{ff66}'..='\u{ff9d}';
    let kanji = '\u{4e00}'..='\u{9fff}';
    let kanji_extension_a = '\u{3400}'..='\u{4dbf}';
    [kana, half_width_kana, kanji, kanji_extension_a].iter().any(|range| range.contains(&character))
}

/// A text in both languages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bilingual {
    /// English text.
    pub en: String,
    /// Japanese text.
    pub ja: String,
}

impl Bilingual {
    /// The text in `language`.
    pub fn in_language(&self, language: Language) -> &str {
        match language {
            Language::En => &self.en,
            Language::Ja => &self.ja,
        }
    }
}

/// A probability that an answer is right, checked to be from 0 to 1.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd)]
pub struct Confidence(f64);

impl Confidence {
    /// `None` outside 0 to 1 and for NaN.
    pub fn new(probability: f64) -> Option<Self> {
        (0.0..=1.0).contains(&probability).then_some(Self(probability))
    }

    /// The nearest number from 0 to 1; 0 for NaN.
    pub fn clamped(probability: f64) -> Self {
        Self(if probability.is_nan() { 0.0 } else { probability.clamp(0.0, 1.0) })
    }

    /// 0 to 1.
    pub fn value(self) -> f64 {
        self.0
    }
}

impl fmt::Display for Confidence {
    /// In percent, with one decimal and never rounded up to certainty: `99.9 %`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.1} %", (self.0 * 1000.0).floor() / 10.0)
    }
}

/// A confidence in words; the bundle says where each band begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Band {
    /// Sure enough to act on the answer.
    High,
    /// Check before acting.
    Medium,
    /// No more than a guess.
    Low,
}

/// How an answer came about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Directly, without a rationale.
    AnswerFirst,
    /// After writing a rationale.
    ThinkFirst,
}

/// One of a closed set, or a text in the model's own words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Of the task's closed answer set.
    Choice(ChoiceIndex),
    /// Free text, trimmed and never empty.
    Text(String),
}

/// Who answers: the model, or a person.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Decision {
    /// The model's answer is given to the asker.
    Answered,
    /// The question goes to a person.
    Escalated(Reason),
}

/// Declares the reasons once: variant, word in JSON and journal, code on a serial line, what it means.
macro_rules! reasons {
    ($($(#[$doc:meta])* $variant:ident = $code:literal $word:literal),+ $(,)?) => {
        /// Why a question was escalated. From [`Reason::MissingReading`] on, the question's readings could not be taken for
        /// certain, and the model was not asked.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Reason { $($(#[$doc])* $variant = $code),+ }

        impl Reason {
            /// All of them, by code.
            pub const ALL: &[Self] = &[$(Self::$variant),+];

            /// As JSON and the journal name it.
            pub const fn word(self) -> &'static str {
                match self { $(Self::$variant => $word),+ }
            }
        }
    };
}

// A released code and word never change: PLC programs and journals hold them.
reasons! {
    /// The confidence is below the threshold.
    Unsure = 1 "unsure",
    /// The model chose an abstaining choice: the question is incomplete, impossible or of another kind.
    OutOfScope = 2 "out_of_scope",
    /// The thought did not end: it was too long, or an expression in it had no value.
    ThinkingFailed = 3 "thinking_failed",
    /// The model wrote no answer: no text at all, or one that did not end within the task's limit.
    NoAnswer = 4 "no_answer",
    /// The thought leads to another answer than the first one, and nothing says which is right.
    Contradiction = 5 "contradiction",
    /// A reading that the task needs is not in the question.
    MissingReading = 11 "missing_reading",
    /// A number or a word in the question belongs to no reading of the task.
    UnknownReading = 12 "unknown_reading",
    /// Two values for one reading: an old and a new one, or two machines.
    DoubleReading = 13 "double_reading",
    /// A unit that the reading does not have.
    ForeignUnit = 14 "foreign_unit",
    /// The source marks a reading as bad.
    BadQuality = 15 "bad_quality",
    /// A negation stands beside the readings.
    Negated = 16 "negated",
    /// A reading, or what follows from several, is outside what the model was taught.
    OutOfRange = 17 "out_of_range",
    /// A number can be read in two ways, as 1,234.
    AmbiguousNumber = 18 "ambiguous_number",
    /// A reading is no number, or no value that the task knows.
    UnreadableReading = 19 "unreadable_reading",
    /// A series has too few or too many readings.
    WrongCount = 20 "wrong_count",
    /// A limit lies between the reading and the nearest one that the model can be told.
    TooFine = 21 "too_fine",
}

impl Reason {
    /// For a PLC.
    pub const fn code(self) -> u8 {
        self as u8
    }

    /// Was it the question's readings, and not the model?
    pub fn is_of_reading(self) -> bool {
        self >= Self::MissingReading
    }
}

/// What the policy decides of a prediction.
#[derive(Clone, Debug, PartialEq)]
pub struct Verdict {
    /// The likeliest answer, only a guess when escalated; `None` if the model wrote none.
    pub answer: Option<Answer>,
    /// Calibrated probability that `answer` is right; 0 without an answer.
    pub confidence: Confidence,
    /// The confidence in words.
    pub band: Band,
    /// Answered, or escalated and why.
    pub decision: Decision,
    /// How it came about.
    pub mode: Mode,
    /// What exactly the reason names, in the question's language: `57.1 % is no torque`.
    pub detail: Option<String>,
}

/// The result of one pass over a question, answer-first or after a thought.
#[derive(Clone, Debug, PartialEq)]
pub enum Prediction {
    /// Of a task with a closed answer set.
    Scores(Scores),
    /// Of a task with free text.
    Text(GeneratedText),
}

/// A free-text answer as the model wrote it, greedily.
#[derive(Clone, Debug, PartialEq)]
pub struct GeneratedText {
    /// Its tokens, without the control token that closes it.
    pub tokens: Vec<TokenId>,
    /// Decoded and trimmed.
    pub text: String,
    /// The model closed it; false if the limit on its length cut it.
    pub closed: bool,
    /// Log-probability of its tokens and of the control token that closes it, each over the whole vocabulary.
    pub score: f64,
}

impl GeneratedText {
    /// The text, if it is an answer: closed, and not empty.
    pub fn answer(&self) -> Option<&str> {
        (self.closed && !self.text.is_empty()).then_some(&self.text)
    }
}

/// Log-probabilities of the choices, in the order of the answer set; not normalised over it.
#[derive(Clone, Debug, PartialEq)]
pub struct Scores(pub Vec<f64>);

/// Probabilities of the choices, in the order of the answer set; they sum to 1.
#[derive(Clone, Debug, PartialEq)]
pub struct Posterior(Vec<f64>);

impl Posterior {
    /// Normalised exponentials of `scores`. A score that is no number counts as impossible; if all are, all are equal.
    pub fn softmax(scores: impl Iterator<Item = f64>) -> Self {
        let scores: Vec<f64> =
            scores.map(|score| if score.is_nan() { f64::NEG_INFINITY } else { score.min(f64::MAX) }).collect();
        let most = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        if most == f64::NEG_INFINITY {
            return Self(vec![1.0 / scores.len() as f64; scores.len()]);
        }
        let weights: Vec<f64> = scores.iter().map(|score| (score - most).exp()).collect();
        let sum: f64 = weights.iter().sum();
        Self(weights.iter().map(|weight| weight / sum).collect())
    }

    /// The likeliest choice; the first one if several are equal.
    pub fn likeliest(&self) -> ChoiceIndex {
        (1..self.0.len()).fold(0, |best, at| if self.0[at] > self.0[best] { at } else { best })
    }

    /// The probability of one choice.
    pub fn of(&self, choice: ChoiceIndex) -> Confidence {
        Confidence::clamped(self.0[choice])
    }
}

/// Why the model gave its answer, in its own words.
#[derive(Clone, Debug, PartialEq)]
pub struct Rationale {
    /// Its tokens, without the control token that ends it.
    pub tokens: Vec<TokenId>,
    /// Decoded, without the calculator's marks: `308.6-298.1=10.5`.
    pub text: String,
    /// How it ended.
    pub end: RationaleEnd,
}

/// How a rationale ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RationaleEnd {
    /// The model ended it.
    Complete,
    /// The limit on its length cut it.
    TooLong,
    /// The calculator could not evaluate an expression.
    Malformed,
}

/// Does a rationale lead to the answer it was given for? Justification consistency; never called faithfulness.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Agreement {
    /// The answer that the rationale alone leads to equals the answer given.
    pub agrees: bool,
    /// Probability of the answer given, after reading the rationale.
    pub strength: Confidence,
}

/// An error and its causes in one line. A cause whose words already end the line is left out.
pub fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let words = error.to_string();
        if !text.ends_with(&words) {
            text = format!("{text}: {words}");
        }
        cause = error.source();
    }
    text
}

/// From this similarity (Jaro-Winkler) on a known name is offered for an unknown one: slips of a letter or two are above it.
const NEAR: f64 = 0.8;
/// Of a name that somebody wrote, so many characters are compared.
const COMPARED_CHARS_MAX: usize = 64;

/// The known name that was probably meant by another one. Capitals make no difference.
pub fn nearest<'k>(name: &str, known: impl IntoIterator<Item = &'k str>) -> Option<&'k str> {
    let name: String = name.chars().take(COMPARED_CHARS_MAX).flat_map(char::to_lowercase).collect();
    let likeness = |known: &str| strsim::jaro_winkler(&name, &known.to_lowercase());
    let rated = known.into_iter().map(|known| (likeness(known), known));
    rated.filter(|(likeness, _)| *likeness >= NEAR).max_by(|(a, _), (b, _)| a.total_cmp(b)).map(|(_, known)| known)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The cases that the training toolkit's rule passes too.
    #[test]
    fn language_is_that_of_the_shared_cases() {
        #[derive(serde::Deserialize)]
        struct Case {
            text: String,
            is_japanese: bool,
            kind: String,
        }
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/japanese.json");
        let cases: Vec<Case> = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
        assert!(cases.len() >= 20, "only {} cases", cases.len());
        for Case { text, is_japanese, kind } in cases {
            assert_eq!(Language::of(&text) == Language::Ja, is_japanese, "{kind}: {text}");
        }
    }

    #[test]
    fn softmax_survives_every_number() {
        for values in [[f64::NAN, 0.0], [f64::NEG_INFINITY, -1.0], [f64::INFINITY, 0.0], [1e308, -1e308], [f64::NAN; 2]]
        {
            let posterior = Posterior::softmax(values.into_iter());
            let sum = posterior.of(0).value() + posterior.of(1).value();
            assert!((sum - 1.0).abs() < 1e-9, "{values:?} gives {posterior:?}");
        }
        assert_eq!(Posterior::softmax([1.0, 3.0, 3.0].into_iter()).likeliest(), 1);
    }

    #[test]
    fn confidence_is_a_probability_and_never_rounds_up_to_certainty() {
        for wrong in [-0.01, 1.01, f64::NAN, f64::INFINITY] {
            assert_eq!(Confidence::new(wrong), None);
        }
        for (computed, nearest) in [(-0.1, 0.0), (f64::NAN, 0.0), (0.25, 0.25), (1.0 + 1e-9, 1.0)] {
            assert_eq!(Confidence::clamped(computed).value(), nearest);
        }
        let nearly = Confidence::new(0.99996).unwrap();
        assert_eq!(nearly.to_string(), "99.9 %");
        assert_eq!(Confidence::new(1.0).unwrap().to_string(), "100.0 %");
    }
}
