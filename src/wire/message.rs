//! What client and gateway say to each other. Borrowed from the frame's buffer, so that nothing is allocated; the limits
//! are in the types, so that having a message means it keeps them.

use heapless::Vec;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use thiserror::Error;

use super::number::{List, Number, Reading};

/// Longest request id: a UUID.
pub const REQUEST_BYTES_MAX: usize = 16;
/// Longest name of a task.
pub const TASK_BYTES_MAX: usize = 32;
/// Longest question: what a large frame still holds beside the longest id and task.
pub const QUESTION_BYTES_MAX: usize = 960;
/// Longest label or free answer: fits a small frame whatever the id.
pub const LABEL_BYTES_MAX: usize = 200;
/// Longest piece of a rationale, in a large frame; a small one holds [`LABEL_BYTES_MAX`].
pub const RATIONALE_BYTES_MAX: usize = 960;
/// Longest name of a client or gateway, as in the gateway's configuration.
pub const NAME_BYTES_MAX: usize = 64;
/// Longest version text of the gateway's software.
pub const SOFTWARE_BYTES_MAX: usize = 32;

/// The code that is no answer: a person is asked. The same over MQTT, HTTP and serial ports; no choice of a bundle has it.
pub const CODE_ASK_A_PERSON: u16 = u16::MAX;
/// The code of a task that answers in free text: the label is the answer.
pub const CODE_TEXT: u16 = u16::MAX - 1;

/// Any message of the protocol. [`super`] has the table: who says what, and each field's bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Message<'a> {
    /// A client says who it is and what it takes.
    Hello(Hello<'a>),
    /// The gateway's reply to a Hello.
    HelloAck(HelloAck<'a>),
    /// A question.
    Ask(Ask<'a>),
    /// A question in numbers; of version 2.
    AskNumbers(AskNumbers<'a>),
    /// The answer, or a later revision of it.
    Answer(Answer<'a>),
    /// The question is in the journal.
    Pending(Pending),
    /// A piece of a rationale.
    RationaleChunk(RationaleChunk<'a>),
    /// What was sent is refused.
    Nack(Nack),
    /// Asks whether the other side is there.
    Ping,
    /// The reply to a Ping.
    Pong,
    /// A client asks for the gateway's status.
    AskStatus,
    /// The gateway's status.
    Status(Status),
    /// An answer has arrived.
    Ack(Ack),
}

/// Who the client is and what it takes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hello<'a> {
    /// The newest protocol version it speaks.
    pub newest_version: u8,
    /// The longest frame it takes, with both delimiters; decides the [`Class`](super::Class).
    #[serde(with = "postcard::fixint::le")]
    pub frame_bytes_max: u16,
    /// It sends an [`Ack`] for every answer, so the gateway may repeat what was not acknowledged. Without, an answer that has
    /// left the gateway counts as delivered.
    pub acknowledges: bool,
    /// Its name, stable over power off: request ids are its own.
    #[serde(borrow)]
    pub name: Text<'a, NAME_BYTES_MAX>,
}

/// Who the gateway is and what it takes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HelloAck<'a> {
    /// The protocol version it will speak.
    pub version: u8,
    /// The longest frame it takes, with both delimiters.
    #[serde(with = "postcard::fixint::le")]
    pub frame_bytes_max: u16,
    /// Its name.
    #[serde(borrow)]
    pub name: Text<'a, NAME_BYTES_MAX>,
    /// Version of its software.
    #[serde(borrow)]
    pub software: Text<'a, SOFTWARE_BYTES_MAX>,
}

/// A question.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ask<'a> {
    /// The client's own name of it; the same again brings the recorded answer.
    pub request: RequestId,
    /// Send the rationale too.
    pub wants_rationale: bool,
    /// An answer later than this is of no use; `None` leaves it to the gateway.
    pub expires_after: Option<Milliseconds>,
    /// Which of the student's tasks; `None` is the gateway's default.
    #[serde(borrow)]
    pub task: Option<Text<'a, TASK_BYTES_MAX>>,
    /// The question, in the words of the task.
    #[serde(borrow)]
    pub question: Text<'a, QUESTION_BYTES_MAX>,
}

/// A question in numbers, for a device that has no text: readings by the number of their field, and a series.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AskNumbers<'a> {
    /// The client's own name of it; the same again brings the recorded answer.
    pub request: RequestId,
    /// Send the rationale too.
    pub wants_rationale: bool,
    /// An answer later than this is of no use; `None` leaves it to the gateway.
    pub expires_after: Option<Milliseconds>,
    /// Which of the student's tasks; `None` is the gateway's default.
    #[serde(borrow)]
    pub task: Option<Text<'a, TASK_BYTES_MAX>>,
    /// Readings of single fields.
    #[serde(borrow)]
    pub readings: List<'a, Reading>,
    /// Readings of one series, in their order; empty where the task has none.
    #[serde(borrow)]
    pub series: List<'a, Number>,
}

/// An answer; what a PLC needs comes first, at fixed places.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer<'a> {
    /// Code of the choice; or [`CODE_ASK_A_PERSON`], whatever the student's guess; or [`CODE_TEXT`].
    pub code: u16,
    /// Answered, or waiting for a person.
    pub state: State,
    /// The probability that it, or the guess, is right; 0 without a guess.
    pub confidence: Confidence,
    /// 0 is the student's, 1 and up a person's.
    pub revision: u16,
    /// Why a person is asked; makes the message one of version 2.
    pub escalation: Option<Escalation>,
    /// The label was longer than [`LABEL_BYTES_MAX`] and is cut; a free answer that is cut must not be acted on.
    pub label_cut: bool,
    /// Id of the question.
    pub request: RequestId,
    /// For a person: the choice's label, or the free answer. Where a person is asked: why, with the guess behind it; in version 1
    /// the guess, or else why.
    pub label: Text<'a, LABEL_BYTES_MAX>,
}

/// Why a person is asked, for a PLC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Escalation {
    /// The reason's code.
    pub reason: u8,
    /// Code of the guess; [`CODE_ASK_A_PERSON`] where there is none, [`CODE_TEXT`] where it is free text.
    #[serde(with = "postcard::fixint::le")]
    pub guess: u16,
}

/// An answer's fields before the escalation.
#[derive(Serialize, Deserialize)]
pub(super) struct AnswerHead {
    #[serde(with = "postcard::fixint::le")]
    code: u16,
    state: State,
    confidence: Confidence,
    #[serde(with = "postcard::fixint::le")]
    revision: u16,
}

/// An answer's fields behind the escalation.
#[derive(Serialize, Deserialize)]
pub(super) struct AnswerTail<'a> {
    label_cut: bool,
    request: RequestId,
    #[serde(borrow)]
    label: Text<'a, LABEL_BYTES_MAX>,
}

impl<'a> Answer<'a> {
    pub(super) fn new(head: AnswerHead, escalation: Option<Escalation>, tail: AnswerTail<'a>) -> Self {
        let AnswerHead { code, state, confidence, revision } = head;
        let AnswerTail { label_cut, request, label } = tail;
        Self { code, state, confidence, revision, escalation, label_cut, request, label }
    }
}

impl Serialize for Answer<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self { code, state, confidence, revision, escalation, label_cut, ref request, label } = *self;
        let head = AnswerHead { code, state, confidence, revision };
        let tail = AnswerTail { label_cut, request: request.clone(), label };
        match escalation {
            None => (head, tail).serialize(serializer),
            Some(escalation) => (head, escalation, tail).serialize(serializer),
        }
    }
}

/// Whether a question is answered, or waits for a person.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum State {
    /// The answer may be used.
    Answered,
    /// A person is asked; a revision will follow.
    PendingAPerson,
}

/// The question is in the journal and will be answered, even after a power cut.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pending {
    /// Id of the question.
    pub request: RequestId,
    /// Questions that come before it.
    #[serde(with = "postcard::fixint::le")]
    pub before: u16,
}

/// A piece of a rationale, cut between characters.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RationaleChunk<'a> {
    /// Id of the question.
    pub request: RequestId,
    /// Its place among the pieces, from 0.
    #[serde(with = "postcard::fixint::le")]
    pub index: u16,
    /// No piece follows.
    pub last: bool,
    /// The piece.
    #[serde(borrow)]
    pub text: Text<'a, RATIONALE_BYTES_MAX>,
}

/// A refusal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Nack {
    /// Why it is refused.
    pub reason: Reason,
    /// Which request, where it is about one and its id could be read.
    pub request: Option<RequestId>,
}

/// Why something is refused; the order gives the codes, so new ones go to the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Reason {
    /// The body cannot be read.
    Malformed,
    /// The protocol version is not spoken here.
    UnknownVersion,
    /// The type is not known, or is not the client's to say.
    UnknownType,
    /// The client announced a longest frame that does not hold a small one.
    FrameTooShort,
    /// The question is empty, too long for its task or of a form it refuses.
    Question,
    /// The student has no such task.
    UnknownTask,
    /// The request id was used for another question.
    IdReused,
    /// Too many questions wait.
    Busy,
    /// The journal has no room.
    JournalFull,
    /// The question expired before it was answered.
    Expired,
    /// No student is ready.
    NotReady,
    /// The student failed at this question.
    Failed,
}

impl Reason {
    /// The code on the wire.
    pub const fn code(self) -> u8 {
        self as u8
    }

    /// For a person, in few words.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Malformed => "malformed",
            Self::UnknownVersion => "unknown version",
            Self::UnknownType => "unknown type",
            Self::FrameTooShort => "frame too short",
            Self::Question => "question refused",
            Self::UnknownTask => "unknown task",
            Self::IdReused => "id reused",
            Self::Busy => "busy",
            Self::JournalFull => "journal full",
            Self::Expired => "expired",
            Self::NotReady => "not ready",
            Self::Failed => "failed",
        }
    }
}

/// State of the gateway.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// A student is loaded and passed its golden questions.
    pub student_ready: bool,
    /// The MQTT broker is connected.
    pub broker_connected: bool,
    /// Questions waiting.
    #[serde(with = "postcard::fixint::le")]
    pub queued: u16,
    /// Answers that wait for a person.
    #[serde(with = "postcard::fixint::le")]
    pub open_reviews: u16,
}

/// An answer has arrived at the client.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ack {
    /// Id of the question.
    pub request: RequestId,
    /// The revision that arrived.
    #[serde(with = "postcard::fixint::le")]
    pub revision: u16,
}

/// A client's name of one question: 1 to [`REQUEST_BYTES_MAX`] bytes of its choice.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct RequestId(Vec<u8, REQUEST_BYTES_MAX>);

impl RequestId {
    /// `None` if empty or too long.
    pub fn new(bytes: &[u8]) -> Option<Self> {
        if bytes.is_empty() { None } else { Vec::from_slice(bytes).ok().map(Self) }
    }

    /// The bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl Serialize for RequestId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(&self.0)
    }
}

impl<'de> Deserialize<'de> for RequestId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let bytes = <&[u8]>::deserialize(deserializer)?;
        Self::new(bytes).ok_or_else(|| D::Error::custom("a request id has 1 to 16 bytes"))
    }
}

/// A text of at most `MAX` bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Text<'a, const MAX: usize>(&'a str);

/// A text exceeds its field.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("failed to put a text of {bytes} bytes into a field of {max}: shorten it")]
pub struct TextTooLong {
    /// Length of the text.
    pub bytes: usize,
    /// What the field holds.
    pub max: usize,
}

impl<'a, const MAX: usize> Text<'a, MAX> {
    /// The text, whole.
    pub fn new(text: &'a str) -> Result<Self, TextTooLong> {
        if text.len() <= MAX { Ok(Self(text)) } else { Err(TextTooLong { bytes: text.len(), max: MAX }) }
    }

    /// As much of the text as fits, whole characters, and whether something was cut off.
    pub fn cut(text: &'a str) -> (Self, bool) {
        let (kept, rest) = text.split_at(text.floor_char_boundary(MAX));
        (Self(kept), !rest.is_empty())
    }

    /// The text.
    pub fn as_str(&self) -> &'a str {
        self.0
    }
}

impl<const MAX: usize> Serialize for Text<'_, MAX> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.0)
    }
}

impl<'de: 'a, 'a, const MAX: usize> Deserialize<'de> for Text<'a, MAX> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::new(<&str>::deserialize(deserializer)?).map_err(D::Error::custom)
    }
}

/// A probability in 1/10000.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Confidence(u16);

impl Confidence {
    /// Certainty.
    pub const MAX: u16 = 10_000;

    /// `None` above [`Confidence::MAX`].
    pub const fn new(ten_thousandths: u16) -> Option<Self> {
        if ten_thousandths <= Self::MAX { Some(Self(ten_thousandths)) } else { None }
    }

    /// In 1/10000.
    pub const fn ten_thousandths(self) -> u16 {
        self.0
    }
}

impl Serialize for Confidence {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        postcard::fixint::le::serialize(&self.0, serializer)
    }
}

impl<'de> Deserialize<'de> for Confidence {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::new(postcard::fixint::le::deserialize(deserializer)?)
            .ok_or_else(|| D::Error::custom("a confidence is at most 10000"))
    }
}

/// A span of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Milliseconds(#[serde(with = "postcard::fixint::le")] pub u32);

/// The pieces of a rationale, each of at most `bytes_max` ([`Class::rationale_bytes_max`](super::Class::rationale_bytes_max))
/// and of whole characters: index, whether it is the last, text. An empty rationale is one empty piece. What would need more
/// pieces than there are indices is not sent.
pub fn rationale_chunks(
    rationale: &str,
    bytes_max: usize,
) -> impl Iterator<Item = (u16, bool, Text<'_, RATIONALE_BYTES_MAX>)> {
    /// No character is longer, so every piece takes at least one.
    const CHARACTER_BYTES_MAX: usize = 4;
    let bytes_max = bytes_max.clamp(CHARACTER_BYTES_MAX, RATIONALE_BYTES_MAX);
    let mut rest = Some(rationale);
    (0..=u16::MAX).map_while(move |index| {
        let (piece, after) = rest?.split_at(rest?.floor_char_boundary(bytes_max));
        rest = Some(after).filter(|after| !after.is_empty());
        Some((index, rest.is_none(), Text(piece)))
    })
}

#[cfg(test)]
mod tests {
    use std::string::{String, ToString as _};

    use super::*;

    #[test]
    fn a_text_keeps_its_field_and_is_cut_between_characters() {
        assert_eq!(Text::<6>::new("判定").unwrap().as_str(), "判定");
        let error = Text::<5>::new("判定").unwrap_err();
        assert_eq!(error.to_string(), "failed to put a text of 6 bytes into a field of 5: shorten it");
        for (text, kept, cut) in
            [("判定", "判", true), ("a判定", "a判", true), ("abcde", "abcde", false), ("", "", false)]
        {
            assert_eq!(Text::<5>::cut(text), (Text(kept), cut));
        }
    }

    #[test]
    fn a_request_id_has_1_to_16_bytes_and_a_confidence_is_a_probability() {
        assert_eq!(RequestId::new(&[]), None);
        assert_eq!(RequestId::new(&[7; 17]), None);
        assert_eq!(RequestId::new(&[7; 16]).unwrap().as_bytes(), [7; 16]);
        assert_eq!(Confidence::new(10_001), None);
        assert_eq!(Confidence::new(10_000).unwrap().ten_thousandths(), 10_000);
    }

    #[test]
    fn the_pieces_of_a_rationale_make_it_whole_again() {
        let japanese = "温度差 308.6-298.1=10.5 K、正常。𠮷野".repeat(30);
        for rationale in ["", "a", "four", "fives", &japanese] {
            for bytes_max in [0, 4, 5, 7, 200, 960, 5000] {
                let pieces: std::vec::Vec<_> = rationale_chunks(rationale, bytes_max).collect();
                let whole: String = pieces.iter().map(|(.., text)| text.as_str()).collect();
                assert_eq!(whole, rationale);
                for (place, &(index, last, text)) in pieces.iter().enumerate() {
                    assert_eq!((usize::from(index), last), (place, place + 1 == pieces.len()));
                    assert!(text.as_str().len() <= bytes_max.clamp(4, RATIONALE_BYTES_MAX));
                }
            }
        }
        assert_eq!(rationale_chunks(&"long".repeat(70_000), 4).count(), 65_536, "bounded by its index");
    }
}
