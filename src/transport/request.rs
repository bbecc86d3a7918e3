//! Requests as they come in, and messages as they go out: what every transport speaks with the gateway. Opens nothing.

use std::fmt;
use std::time::{Duration, Instant};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::body;
use crate::api::answer::Message;
use crate::domain::{DeliveryId, QUESTION_BYTES_MAX};
use crate::wire;

/// What makes a request the same one again: who asks, and the name it gave the question before it asked.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Key {
    /// Who asks.
    pub client: String,
    /// The client's own name for the question.
    pub id: String,
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.client, self.id)
    }
}

/// A question as it came in.
#[derive(Clone, Debug, PartialEq)]
pub struct Request {
    /// The same key again is the same question.
    pub key: Key,
    /// Which of the student's tasks; `None` is the default one.
    pub task: Option<String>,
    /// The question.
    pub question: String,
    /// Is the rationale wanted with the answer?
    pub explain: bool,
    /// How long an answer is of use to the asker, from now on.
    pub expires_in: Option<Duration>,
    /// Where the answer goes.
    pub route: Route,
}

/// A request for the rationale of an earlier answer.
#[derive(Clone, Debug, PartialEq)]
pub struct Explain {
    /// Whose question.
    pub key: Key,
    /// Where the rationale goes.
    pub route: Route,
}

/// Where an answer goes; written into the journal with the question, so that it finds its way after a restart.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Route {
    /// To a topic of the broker.
    Mqtt(MqttReplyTo),
    /// Nowhere: whoever asked over HTTP waits for it, or fetches it.
    Fetched,
    /// To a serial port.
    Serial(SerialReplyTo),
}

impl Route {
    /// Which transport it belongs to.
    pub fn source(&self) -> Source {
        match self {
            Self::Mqtt(_) => Source::Mqtt,
            Self::Fetched => Source::Http,
            Self::Serial(_) => Source::Serial,
        }
    }
}

/// Where an answer goes at the broker.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MqttReplyTo {
    /// The topic.
    pub topic: String,
    /// Correlation Data, byte for byte as it came.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub correlation: Option<Vec<u8>>,
}

/// Where an answer goes on a serial line.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SerialReplyTo {
    /// The port's path.
    pub port: String,
    /// The request's own bytes; none for a line.
    pub request: Vec<u8>,
    /// Of the frame that asked.
    pub sequence: u16,
    /// The client tells when it has the answer.
    pub acknowledges: bool,
}

/// A question as JSON, in a message or in the body of a request.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Ask")]
pub struct AskBody {
    /// In English, Japanese or the terse style of machines; or an object of readings: by field id, by name or by number.
    #[serde(deserialize_with = "body::question")]
    #[schemars(schema_with = "body::question_schema")]
    pub question: String,
    /// The asker's name for it, made before it is sent: the same again is the same question and is answered once.
    #[serde(default)]
    pub id: Option<String>,
    /// Who asks.
    #[serde(default)]
    pub client: Option<String>,
    /// Which of the model's tasks; without it the gateway's default.
    #[serde(default)]
    pub task: Option<String>,
    /// The rationale is wanted too.
    #[serde(default)]
    pub explain: bool,
}

impl AskBody {
    /// Reads JSON, or plain text as a question without a name; or says what was expected instead. How long the whole may be is for
    /// the transport to say.
    pub fn read(bytes: &[u8]) -> Result<Self, String> {
        let text = body::text(bytes)?.trim();
        if text.starts_with('{') {
            return Self::read_json(text);
        }
        Self { question: text.to_owned(), id: None, client: None, task: None, explain: false }.bounded()
    }

    /// Reads JSON alone.
    pub fn read_json(text: &str) -> Result<Self, String> {
        let expected = "{\"question\", \"id\"?, \"client\"?, \"task\"?, \"explain\"?}";
        body::object::<Self>(text, expected)?.bounded()
    }

    /// Itself, where its question is not too long; else what was expected.
    fn bounded(self) -> Result<Self, String> {
        let length = self.question.len();
        if length > QUESTION_BYTES_MAX {
            return Err(format!("expected a question of at most {QUESTION_BYTES_MAX} bytes, got {length}"));
        }
        Ok(self)
    }
}

/// A kind of transport.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Source {
    /// The broker.
    Mqtt,
    /// Requests over HTTP.
    Http,
    /// A serial port.
    Serial,
}

impl Source {
    /// As the journal and the metrics have it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Mqtt => "mqtt",
            Self::Http => "http",
            Self::Serial => "serial",
        }
    }

    /// The name of one of them, as it stands in a journal; of any other text, what stands for all others.
    pub fn named(name: &str) -> &'static str {
        let known = [Self::Mqtt, Self::Http, Self::Serial].map(Self::name);
        known.into_iter().find(|known| *known == name).unwrap_or("other")
    }
}

/// What leaves through a transport.
#[derive(Clone, Debug)]
pub struct OutboundMessage {
    /// What to report as delivered; `None` where nobody keeps count.
    pub delivery: Option<DeliveryId>,
    /// Where it goes.
    pub route: Route,
    /// What it says.
    pub message: Message,
    /// After this it is of no use, and a serial line is not to say it; `None` where it is not the answer to a question of now.
    pub expires: Option<Instant>,
}

/// Why a question was not taken. Nothing of it was kept.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// What came cannot be read as a question.
    #[error("{0}")]
    Unreadable(String),
    /// The model has no such task.
    #[error("{0}")]
    UnknownTask(String),
    /// There is nothing of that name, or no more.
    #[error("{0}")]
    Unknown(String),
    /// What is there already speaks against it.
    #[error("{0}")]
    Conflict(String),
    /// The name stands for another question.
    #[error("{0}")]
    Reused(String),
    /// The answer would go where none may go.
    #[error("{0}")]
    Forbidden(String),
    /// The journal has no room for it.
    #[error("the gateway's journal is full; ask a person, and tell whoever keeps the gateway")]
    Full,
    /// The disk has no room for it.
    #[error("the disk of the gateway's journal is full; ask a person, and tell whoever keeps the gateway")]
    DiskFull,
    /// It cannot be done now, but later.
    #[error("{0}")]
    Unavailable(String),
    /// The model could not do it.
    #[error("{0}")]
    Failed(String),
}

impl Refusal {
    /// Its code in a message.
    pub fn reason(&self) -> wire::Reason {
        use wire::Reason;
        match self {
            Self::Unreadable(_) | Self::Forbidden(_) => Reason::Question,
            Self::UnknownTask(_) => Reason::UnknownTask,
            Self::Reused(_) => Reason::IdReused,
            Self::Full | Self::DiskFull => Reason::JournalFull,
            Self::Unavailable(_) => Reason::Busy,
            Self::Unknown(_) | Self::Conflict(_) | Self::Failed(_) => Reason::Failed,
        }
    }

    /// Its name in the metrics.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Unreadable(_) => "unreadable",
            Self::UnknownTask(_) => "unknown_task",
            Self::Unknown(_) => "unknown",
            Self::Conflict(_) => "conflict",
            Self::Reused(_) => "reused",
            Self::Forbidden(_) => "forbidden",
            Self::Full => "full",
            Self::DiskFull => "disk_full",
            Self::Unavailable(_) => "unavailable",
            Self::Failed(_) => "failed",
        }
    }
}

/// From 0 to 1: keeps gateways from coming back at one moment, and draws what a person looks at. Not for secrets.
pub fn random_unit() -> f64 {
    use std::hash::{BuildHasher as _, RandomState};
    (RandomState::new().hash_one(0_u8) >> 11) as f64 / (1_u64 << 53) as f64
}

/// A name for a question whose asker gave none; no two are alike, over restarts too. Not for secrets.
pub fn unique_name() -> String {
    use std::hash::{BuildHasher as _, RandomState};
    let half = || RandomState::new().hash_one(std::time::Instant::now());
    format!("{:016x}{:016x}", half(), half())
}
