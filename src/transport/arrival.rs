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
    /// The transport has ended, as it was told to.
    Closed(Source),
}
