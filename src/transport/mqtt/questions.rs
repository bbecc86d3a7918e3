//! Questions on their way from the broker to the gateway, and the word on each back to its asker and to the broker. Publishes no
//! answer.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use rumqttc::{AsyncClient, ManualAck, PubAckReason, Publish};
use tokio::sync::{Notify, mpsc, oneshot, watch};

use super::client::{Connection, publish_fitting};
use super::config::Settings;
use super::topics::{Asker, Incoming, Refused, read};
use crate::api::answer;
use crate::transport::arrival::Arrival;
use crate::transport::request::{Refusal, Source};

/// What may wait of messages at QoS 0, which nothing holds back: some ten thousand questions as machines ask them, or as much of
/// longer ones. It is the most that a flood can take of the device's memory.
const BURST_BYTES_MAX: usize = 8 << 20;
/// Beside topic and body, of a message that waits.
const MESSAGE_OVERHEAD_BYTES: usize = 512;

/// Reads what comes and hands it to the gateway.
pub struct Door {
    pub settings: Arc<Settings>,
    pub arrivals: mpsc::Sender<Arrival>,
}

/// A message in the gateway's hands, or refused at the door.
pub struct Brought {
    /// What became of it, when it is known.
    taken: oneshot::Receiver<Result<(), Refusal>>,
    /// Who is told where it was refused.
    asker: Option<Asker>,
    /// How the broker is told, and on which connection; `None` for QoS 0.
    ack: Option<(u64, ManualAck)>,
}

impl Door {
    /// Reads a message and hands what it says to the gateway.
    pub async fn bring(&self, publish: &Publish, ack: Option<(u64, ManualAck)>) -> Brought {
        let (said, taken) = oneshot::channel();
        let (asker, arrival) = match read(&self.settings, publish) {
            Ok(Incoming::Ask(asker, request)) => (Some(asker), Arrival::Ask(request, said)),
            Ok(Incoming::Explain(explain)) => {
                drop(said.send(Ok(()))); // the gateway tells it by itself, on the rationale's topic
                (None, Arrival::Explain(explain))
            }
            Err(Refused { asker, refusal }) => {
                log::warn!("a message to {} is refused: {refusal}", String::from_utf8_lossy(&publish.topic));
                let arrival = Arrival::Refused(Source::Mqtt, refusal.kind());
                drop(said.send(Err(refusal)));
                (asker.map(|asker| *asker), arrival)
            }
        };
        drop(self.arrivals.send(arrival).await); // a gateway that is gone takes nothing, and the broker keeps it
        Brought { taken, asker, ack }
    }
}

/// How many messages came, and of how many it is known what became of them.
#[derive(Clone, Copy, Debug, Default)]
pub struct Progress {
    pub came: u64,
    pub done: u64,
    /// The gateway's own retained status has come: since it was subscribed to last, nothing comes behind it.
    pub fence: bool,
}

/// Tells what became of each message, in the order in which they came, as the protocol demands of acknowledgements: whoever asked,
/// where it was refused, and the broker. What the gateway could not keep stays the broker's, which sends it again on the next
/// connection; so does what came on a connection that is gone: its packet identifiers mean other messages now.
pub async fn tell(
    client: AsyncClient,
    connected: watch::Receiver<Connection>,
    mut brought: mpsc::Receiver<Brought>,
    progress: watch::Sender<Progress>,
) {
    while let Some(Brought { taken, asker, ack }) = brought.recv().await {
        let outcome = taken.await;
        progress.send_modify(|progress| progress.done += 1);
        let reason = match &outcome {
            Ok(Ok(())) => Some(PubAckReason::Success),
            Ok(Err(
                Refusal::Unreadable(_)
                | Refusal::UnknownTask(_)
                | Refusal::Reused(_)
                | Refusal::Unknown(_)
                | Refusal::Conflict(_),
            )) => Some(PubAckReason::PayloadFormatInvalid),
            Ok(Err(Refusal::Forbidden(_))) => Some(PubAckReason::NotAuthorized),
            Ok(Err(Refusal::Full | Refusal::DiskFull)) => Some(PubAckReason::QuotaExceeded),
            Ok(Err(Refusal::Unavailable(_) | Refusal::Failed(_))) | Err(_) => None,
        };
        let comes_again = reason.is_none() && ack.is_some();
        if let (Ok(Err(refusal)), Some(Asker { key, to }), false) = (&outcome, asker, comes_again) {
            let message = answer::refusal(&key.client, &key.id, &refusal.to_string(), refusal.reason());
            let most = connected.borrow().packet_bytes_max;
            if let Err(why) = publish_fitting(&client, &to, &message, most).await {
                log::warn!("a refusal did not reach {}: {why}", to.topic);
            }
        }
        let (Some(reason), Some((connection, mut ack))) = (reason, ack) else { continue };
        if let ManualAck::PubAck(puback) = &mut ack {
            puback.reason = reason;
        }
        if connected.borrow().number == Some(connection) {
            drop(client.manual_ack(ack).await);
        }
    }
}

/// Messages at QoS 0 that wait for the gateway. Nothing acknowledges them and nothing holds back whoever sends them: a burst is read as
/// fast as it comes and kept here, as far as there is room.
#[derive(Default)]
pub struct Burst {
    waiting: Mutex<Waiting>,
    more: Notify,
}

#[derive(Default)]
struct Waiting {
    messages: VecDeque<Publish>,
    bytes: usize,
    /// Not told to the gateway yet.
    lost: u64,
}

/// The next of a burst.
struct Next {
    message: Publish,
    /// So many were lost since the last one.
    lost: u64,
    /// Others wait behind it.
    more: bool,
}

impl Burst {
    /// Takes a message in; false where there is no room for it.
    pub fn push(&self, message: Publish) -> bool {
        let bytes = bytes(&message);
        let mut waiting = self.waiting.lock().expect("nothing that holds it panics");
        let fits = waiting.bytes + bytes <= BURST_BYTES_MAX;
        if fits {
            waiting.bytes += bytes;
            waiting.messages.push_back(message);
            self.more.notify_one();
        } else {
            waiting.lost += 1;
        }
        fits
    }

    async fn next(&self) -> Next {
        loop {
            {
                let mut waiting = self.waiting.lock().expect("nothing that holds it panics");
                if let Some(message) = waiting.messages.pop_front() {
                    waiting.bytes -= bytes(&message);
                    let lost = std::mem::take(&mut waiting.lost);
                    return Next { message, lost, more: !waiting.messages.is_empty() };
                }
            }
            self.more.notified().await;
        }
    }
}

fn bytes(message: &Publish) -> usize {
    message.topic.len() + message.payload.len() + MESSAGE_OVERHEAD_BYTES
}

/// Brings what waits of bursts to the gateway, as fast as that keeps it; counts what was lost, and says so once in each burst.
pub async fn forward(door: Door, burst: Arc<Burst>, brought: mpsc::Sender<Brought>) {
    let mut said = false;
    loop {
        let Next { message, lost, more } = burst.next().await;
        if lost > 0 {
            drop(door.arrivals.send(Arrival::Lost(Source::Mqtt, lost)).await);
        }
        if lost > 0 && !said {
            log::warn!(
                "messages at QoS 0 come faster than they can be kept; what does not fit into {BURST_BYTES_MAX} bytes is lost, and \
                 counted in sokutou_requests_total as lost. Ask at QoS 1: then the broker keeps what waits, and none is lost"
            );
        }
        said = more && (said || lost > 0);
        if brought.send(door.bring(&message, None).await).await.is_err() {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use rumqttc::mqttbytes::QoS;
    use tokio::task::LocalSet;

    use super::super::config::tests::settings;
    use super::*;

    fn message(id: usize) -> Publish {
        Publish::new(format!("sokutou/press-3/ask/plc/{id}"), QoS::AtMostOnce, "rpm=1551?".as_bytes().to_vec(), None)
    }

    #[tokio::test]
    async fn a_burst_keeps_its_order_and_what_it_has_no_room_for_is_counted() {
        let burst = Arc::new(Burst::default());
        let fitting = (0..).take_while(|id| burst.push(message(*id))).count();
        assert!(fitting >= 10_000, "only {fitting} questions");
        assert!(!burst.push(message(fitting)));
        let (arrivals, mut arrived) = mpsc::channel(8);
        let (brought, mut came) = mpsc::channel(8);
        LocalSet::new()
            .run_until(async {
                let door = Door { settings: Arc::new(settings()), arrivals };
                tokio::task::spawn_local(forward(door, burst, brought));
                assert!(matches!(arrived.recv().await, Some(Arrival::Lost(Source::Mqtt, 2))));
                for id in 0..fitting {
                    let Some(Arrival::Ask(request, taken)) = arrived.recv().await else { panic!("no question {id}") };
                    assert_eq!(request.key.id, id.to_string());
                    taken.send(Ok(())).unwrap();
                    assert!(came.recv().await.unwrap().ack.is_none());
                }
            })
            .await;
    }
}
