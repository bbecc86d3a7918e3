//! What a transport hands to the gateway. Holds no question: those are the journal's.

use tokio::sync::oneshot;

use super::call::Call;
use super::request::{Explain, Key, Refusal, Request, Route, Source};
use crate::domain::DeliveryId;

/// What a transport hands to the gateway.
#[derive(Debug)]
pub enum Arrival {
    /// A question, and who waits to hear that it is durable.
    Ask(Request, oneshot::Sender<Result<(), Refusal>>),
    /// A request for the rationale of an earlier answer. It is not made durable: who gets none asks again.
    Explain(Explain),
    /// What came could not be read as a question, or may not be asked; its transport has told whoever sent it. With the
    /// [kind](Refusal::kind) of the refusal.
    Refused(Source, &'static str),
    /// So many messages were lost, for there was no room, and nothing that acknowledges them.
    Lost(Source, u64),
    /// Anything that somebody waits for on a connection.
    Call(Call),
    /// The transport reaches its clients again: what was not delivered can be tried.
    Connected(Source),
    /// It does not reach them now.
    Disconnected(Source),
    /// A client that acknowledges answers has this revision of one.
    Acknowledged(Key, u32),
    /// A client asks how the gateway is, and where that is to be said.
    AskStatus(Route),
    /// A message arrived, as its transport says.
    Delivered(DeliveryId),
    /// A message did not arrive, and the transport has given it up.
    Returned(DeliveryId),
    /// A message will never arrive, and is not to be tried again.
    Dropped(DeliveryId, DropReason),
    /// A serial line brings back what is sent on it.
    Echo,
    /// No status is retained at this topic any more.
    StatusCleared(String),
    /// The transport is about to end, and brings nothing more. It waits, for a while, to hear that what it brought is answered and
    /// the answers have arrived.
    Drained(oneshot::Sender<()>),
    /// The transport has ended, as it was told to.
    Closed(Source),
}

/// Why an answer never leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DropReason {
    /// The question's time ran out before it could.
    Late,
    /// It is for a line of text that was opened anew since the question: the device would take it for the answer to a later one.
    Reopened,
    /// It is a person's, and for a line of text, on which only the model's can be told.
    Revision,
}

impl DropReason {
    /// As the metrics name it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Late => "late",
            Self::Reopened => "reopened",
            Self::Revision => "revision",
        }
    }

    /// For the log.
    pub fn words(self) -> &'static str {
        match self {
            Self::Late => "its question's time ran out before it could be delivered",
            Self::Reopened => {
                "its serial line was opened anew since the question, and would take it for a later answer"
            }
            Self::Revision => "a line of text cannot tell a person's decision from another answer",
        }
    }
}
