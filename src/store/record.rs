//! What the journal keeps of a case, as it is handed in and out, and the words that stand for it on disk. Reads and writes nothing.

use std::fmt;
use std::time::{Duration, SystemTime};

use crate::domain::{Agreement, Band, CaseId, Confidence, Decision, Mode, Reason, ReviewVerdict};

/// The number of a review among all that were resolved; a later one has a greater one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Resolution(pub i64);

/// A question as it arrived.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewCase {
    /// Who asks. With `request` it names the case: the same two again are the same case.
    pub client: String,
    /// The asker's own id of the question, made before it is sent.
    pub request: String,
    /// Id of the task; empty leaves it to the model, whose choice stands here once it has answered.
    pub task: String,
    /// As it was asked.
    pub question: String,
    /// A rationale is to follow the answer.
    pub wants_rationale: bool,
    /// Where the reply goes, in the transport's own bytes.
    pub route: Vec<u8>,
    /// Name of the transport that brought it.
    pub source: String,
    /// How long after its arrival nobody needs the answer any more.
    pub expires_after: Option<Duration>,
    /// By the device's clock, which may be wrong.
    pub received_at: SystemTime,
}

/// Which student answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Student {
    /// Name of its bundle.
    pub name: String,
    /// Version of its bundle.
    pub version: String,
    /// Serial number of its bundle.
    pub serial: u32,
    /// Digest of the graph that answers the task, in hexadecimal digits: two bundles with the same graph answer alike.
    pub sha256: String,
}

/// As answers are signed: `shop-floor 1.2.0`.
impl fmt::Display for Student {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.name, self.version)
    }
}

/// A verdict as it is kept.
#[derive(Clone, Debug, PartialEq)]
pub struct RecordedAnswer {
    /// Id of the task that was asked.
    pub task: String,
    /// The text of a choice, not its label, or free text; empty where the model said nothing.
    pub answer: String,
    /// The answer as the asker reads it: the label in the language of the question, or the free text.
    pub label: String,
    /// Of a choice.
    pub code: Option<u16>,
    /// How likely it is right.
    pub confidence: Confidence,
    /// The confidence in words.
    pub band: Band,
    /// Answered, or escalated.
    pub decision: Decision,
    /// What exactly the reason of an escalation names, in the language of the question.
    pub detail: Option<String>,
    /// How it came about.
    pub mode: Mode,
    /// What the student wrote for it, before or after; `None` where it has not.
    pub rationale: Option<RecordedRationale>,
    /// Who answered.
    pub student: Student,
    /// That the model wrote until the verdict.
    pub tokens: u32,
    /// From the question's text to the verdict.
    pub time_to_answer: Duration,
    /// By the device's clock.
    pub answered_at: SystemTime,
}

/// A rationale as it is kept.
#[derive(Clone, Debug, PartialEq)]
pub struct RecordedRationale {
    /// As a person reads it, never empty.
    pub text: String,
    /// Does it lead to the answer?
    pub agreement: Option<Agreement>,
}

/// What became of a question. Revision 0 of the reply tells it.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// The model answered, or a person must.
    Answered(Box<RecordedAnswer>),
    /// Nobody needs an answer any more.
    Expired,
    /// There is no answer, for this reason.
    Failed(String),
}

/// Why a person looks at a case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReviewReason {
    /// The model was not sure.
    Escalated(Reason),
    /// Drawn by chance.
    Audit,
    /// The rationale led to another answer.
    Disagreement,
    /// Somebody wanted to.
    Asked,
}

impl ReviewReason {
    /// As records name it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Escalated(reason) => reason.word(),
            _ => word(&WHYS, self),
        }
    }

    pub(super) fn named(name: &str) -> Option<Self> {
        reason(name).map(Self::Escalated).or_else(|| meaning(&WHYS, name))
    }
}

/// One review of a case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Review {
    /// From 1; also the revision of the reply that tells its result.
    pub number: u32,
    /// Why a person looks.
    pub why: ReviewReason,
    /// By the device's clock.
    pub opened_at: SystemTime,
    /// Who took it, and when.
    pub claimed: Option<(String, SystemTime)>,
    /// `None` while it is open.
    pub resolved: Option<Resolved>,
}

/// How a review ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resolved {
    /// Its place among all that were resolved.
    pub resolution: Resolution,
    /// What the person said.
    pub verdict: ReviewVerdict,
    /// Who, as far as it may be told.
    pub reviewer: Option<String>,
    /// By the device's clock.
    pub at: SystemTime,
}

/// All that the journal knows of one case.
#[derive(Clone, Debug, PartialEq)]
pub struct Case {
    /// Its number.
    pub id: CaseId,
    /// What was asked. The question is empty where it was dropped; see `question_kept`.
    pub asked: NewCase,
    /// The question's text is still here.
    pub question_kept: bool,
    /// `None` while the student has not answered.
    pub outcome: Option<Outcome>,
    /// In the order in which they were opened.
    pub reviews: Vec<Review>,
    /// The reply's latest revision is delivered.
    pub delivered: bool,
}

impl Case {
    /// What the model wrote for its answer.
    pub fn rationale(&self) -> Option<&RecordedRationale> {
        match &self.outcome {
            Some(Outcome::Answered(recorded)) => recorded.rationale.as_ref(),
            _ => None,
        }
    }

    /// Latest revision of the reply, 0 the student's own; `None` while there is nothing to reply.
    pub fn revision(&self) -> Option<u32> {
        let reviewed = self.reviews.iter().filter(|review| review.resolved.is_some()).map(|review| review.number).max();
        self.outcome.as_ref().map(|_| reviewed.unwrap_or(0))
    }
}

pub(super) const BANDS: [(&str, Band); 3] = [("high", Band::High), ("medium", Band::Medium), ("low", Band::Low)];
pub(super) const MODES: [(&str, Mode); 2] = [("answer_first", Mode::AnswerFirst), ("think_first", Mode::ThinkFirst)];
const WHYS: [(&str, ReviewReason); 3] =
    [("audit", ReviewReason::Audit), ("disagreement", ReviewReason::Disagreement), ("asked", ReviewReason::Asked)];

/// The reason of this word.
pub(super) fn reason(word: &str) -> Option<Reason> {
    Reason::ALL.iter().copied().find(|reason| reason.word() == word)
}

/// The word on disk for a value of one of the lists above.
pub(super) fn word<T: Copy + PartialEq>(list: &[(&'static str, T)], value: T) -> &'static str {
    list.iter().find(|(_, of)| *of == value).expect("each list holds every value of its type").0
}

/// The value behind a word on disk.
pub(super) fn meaning<T: Copy>(list: &[(&'static str, T)], word: &str) -> Option<T> {
    list.iter().find(|(of, _)| *of == word).map(|(_, value)| *value)
}

/// Milliseconds since 1970, within what an RFC 3339 text can say: no clock makes the journal fail.
pub(super) fn milliseconds(time: SystemTime) -> i64 {
    let since = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_millis();
    i64::try_from(since).unwrap_or(i64::MAX).min(jiff::Timestamp::MAX.as_millisecond())
}

/// The time of so many milliseconds since 1970; 1970 itself for what no clock says.
pub(super) fn time(milliseconds: i64) -> SystemTime {
    let since = Duration::from_millis(u64::try_from(milliseconds).unwrap_or(0));
    SystemTime::UNIX_EPOCH.checked_add(since).unwrap_or(SystemTime::UNIX_EPOCH)
}

/// As `2026-03-01T08:15:30Z`.
pub fn rfc3339(time: SystemTime) -> String {
    jiff::Timestamp::from_millisecond(milliseconds(time)).unwrap_or(jiff::Timestamp::MAX).to_string()
}
