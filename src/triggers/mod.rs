//! Where questions come in and answers go out: bytes to [`Request`], [`Letter`] to bytes. No trigger sees the engine or the
//! journal; each speaks with the daemon through channels, and acknowledges nothing that the daemon has not made durable.

pub mod call;
pub mod http;
pub mod mqtt;
pub mod serial;

use std::fmt;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokio::sync::oneshot;

use self::call::Call;
pub use crate::config::sections::{NAME_BYTES_MAX, is_name};

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

/// A wish for the rationale of an earlier answer.
#[derive(Clone, Debug, PartialEq)]
pub struct Explain {
    /// Of which question.
    pub key: Key,
    /// Where the rationale goes.
    pub route: Route,
}

/// Where an answer goes; written into the journal with the question, so that it finds its way after a restart.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Route {
    /// To a topic of the broker.
    Mqtt(mqtt::ReplyTo),
    /// Nowhere: whoever asked over HTTP waits for it, or fetches it.
    Fetched,
    /// To a serial port.
    Serial(SerialReplyTo),
}

impl Route {
    /// Which trigger it belongs to.
    pub fn source(&self) -> Source {
        match self {
            Self::Mqtt(_) => Source::Mqtt,
            Self::Fetched => Source::Http,
            Self::Serial(_) => Source::Serial,
        }
    }
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
#[schemars(rename = "Ask")]
pub struct AskBody {
    /// In English, Japanese or the terse style of machines.
    pub question: String,
    /// The asker's name for it, made before it is sent: the same again is the same question and is answered once.
    #[serde(default)]
    pub id: Option<String>,
    /// Who asks.
    #[serde(default)]
    pub client: Option<String>,
    /// Which of the student's tasks; without it the gateway's default.
    #[serde(default)]
    pub task: Option<String>,
    /// The rationale is wanted too.
    #[serde(default)]
    pub explain: bool,
}

/// What a trigger hands to the daemon.
#[derive(Debug)]
pub enum Arrival {
    /// A question, and who waits to hear that it is durable.
    Ask(Request, oneshot::Sender<Result<(), Refusal>>),
    /// A wish for a rationale; nothing is durable about it, who gets none asks again.
    Explain(Explain),
    /// Anything that somebody waits for on a connection.
    Call(Call),
    /// The trigger reaches its clients again: what was not delivered can be tried.
    Connected(Source),
    /// It does not reach them now.
    Disconnected(Source),
    /// A client of a serial line has this revision of an answer.
    Acknowledged(Key, u32),
    /// A client of a serial line asks how the gateway is.
    AskStatus(SerialReplyTo),
    /// A letter arrived, as the broker says.
    Delivered(Stamp),
    /// A letter did not arrive, and the trigger has let it go.
    Returned(Stamp),
}

/// A kind of trigger.
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

/// What a letter holds: a case of the journal, and what is said of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Stamp {
    /// The case.
    pub case: i64,
    /// What is said of it.
    pub part: Part,
}

/// What is said of a case in one letter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Part {
    /// A revision of the answer: 0 is the student's, a person's are counted from 1.
    Reply(u32),
    /// The student's rationale.
    Rationale,
}

/// An answer on its way out.
#[derive(Clone, Debug)]
pub struct Letter {
    /// What to report as delivered; `None` where nobody keeps count.
    pub stamp: Option<Stamp>,
    /// Where it goes.
    pub route: Route,
    /// JSON.
    pub body: Vec<u8>,
    /// The same in as few words as a machine can act on, for a broker that takes no more.
    pub short: Vec<u8>,
}

/// Why a question was not taken. Nothing of it was kept.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// What came cannot be read as a question.
    #[error("{0}")]
    Unreadable(String),
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
    /// The journal cannot be written to now.
    #[error("the gateway cannot keep questions now: {0}")]
    Unkept(String),
}

/// From 0 to 1: keeps gateways from coming back at one moment, and draws what a person looks at. Not for secrets.
pub fn chance() -> f64 {
    use std::hash::{BuildHasher as _, RandomState};
    (RandomState::new().hash_one(0_u8) >> 11) as f64 / (1_u64 << 53) as f64
}

/// A name for a question whose asker gave none; no two are alike, over restarts too. Not for secrets.
pub fn unique_name() -> String {
    use std::hash::{BuildHasher as _, RandomState};
    let half = || RandomState::new().hash_one(std::time::Instant::now());
    format!("{:016x}{:016x}", half(), half())
}
