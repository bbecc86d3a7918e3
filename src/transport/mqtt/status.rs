//! The retained status, on every connection and at every change; and taking leave, after which nothing is on its way any more.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use rumqttc::mqttbytes::QoS;
use rumqttc::{AsyncClient, PublishOptions, SubscribeReasonCode};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::client::{Connection, packet_bytes};
use super::config::Settings;
use super::questions::Progress;
use super::topics::{filters, own_filters};
use crate::transport::arrival::Arrival;
use crate::transport::request::MqttReplyTo;

/// For taking over what the broker has for this gateway: a thousand questions that wait there, on a slow card.
const DRAIN_TIME_MAX: Duration = Duration::from_secs(15);
/// For what comes where nothing tells that it was the last.
const QUIET: Duration = Duration::from_secs(1);
/// For answering what was taken over. What is not answered by then is answered after the next start.
const FINISH_TIME_MAX: Duration = Duration::from_secs(30);
/// For the last word.
const FAREWELL_TIME_MAX: Duration = Duration::from_secs(5);
/// How long taking leave takes at most. A service manager kills who needs longer than it allows; systemd allows 90 s.
pub const LEAVE_TIME_MAX: Duration = Duration::from_secs(60);
const _: () = assert!(
    DRAIN_TIME_MAX.as_secs() + FINISH_TIME_MAX.as_secs() + FAREWELL_TIME_MAX.as_secs() < LEAVE_TIME_MAX.as_secs()
);

/// What the retained status says; the gateway fills in what the broker's side does not know.
#[derive(Clone, Debug)]
pub struct Statuses {
    /// Now.
    pub online: Vec<u8>,
    /// After a clean stop.
    pub stopped: Vec<u8>,
    /// What the broker says when the gateway is gone without a word.
    pub offline: Vec<u8>,
    /// Topics at which a status under an earlier name or root may be retained: a lie, which is taken away.
    pub moved_from: Vec<String>,
}

/// What taking leave needs.
pub struct Leaving {
    pub settings: Arc<Settings>,
    pub arrivals: mpsc::Sender<Arrival>,
    pub progress: watch::Receiver<Progress>,
    pub stop: watch::Receiver<bool>,
}

/// Publishes the retained status on every connection and at every change. At the end takes what is on its way, says "stopped" and takes
/// leave, so that the broker keeps its own "offline" to itself.
pub async fn say_status(
    client: AsyncClient,
    mut statuses: watch::Receiver<Statuses>,
    mut connected: watch::Receiver<Connection>,
    mut leaving: Leaving,
) {
    let topic = leaving.settings.topic("status");
    let retained = || PublishOptions::new(QoS::AtLeastOnce).retained();
    let mut clearing = JoinSet::new();
    let mut cleared_on = HashSet::new();
    loop {
        let Statuses { online, moved_from, .. } = statuses.borrow_and_update().clone();
        let Connection { number, packet_bytes_max } = *connected.borrow_and_update();
        let most = number.map(|_| packet_bytes_max);
        let bytes = packet_bytes(&MqttReplyTo { topic: topic.clone(), correlation: None }, &online);
        match most {
            Some(most) if bytes > most => {
                log::error!(
                    "nobody sees a status: it has {bytes} bytes, and the broker takes {most}; raise its maximum packet size"
                );
            }
            Some(_) => drop(client.publish(topic.clone(), online, retained()).await),
            None => {}
        }
        for earlier in moved_from.into_iter().filter(|_| number.is_some()) {
            if cleared_on.insert((number, earlier.clone())) {
                clearing.spawn(clear(client.clone(), earlier, leaving.arrivals.clone()));
            }
        }
        tokio::select! {
            Some(_) = clearing.join_next() => {}
            changed = connected.changed() => if changed.is_err() { return },
            changed = statuses.changed() => if changed.is_err() { return },
            _ = leaving.stop.wait_for(|stop| *stop) => break,
        }
    }
    if connected.borrow().number.is_some() {
        leaving.finish(&client, &topic).await;
    }
    let stopped = statuses.borrow().stopped.clone();
    if let Ok(notice) = client.publish_tracked(topic, stopped, retained()).await {
        drop(timeout(FAREWELL_TIME_MAX, notice.wait_async()).await);
    }
    drop(client.disconnect().await);
}

/// Takes a status under an earlier name away, and ends what the broker's session still hears there: nobody answers under that name.
async fn clear(client: AsyncClient, topic: String, arrivals: mpsc::Sender<Arrival>) {
    if let Some(base) = topic.strip_suffix("/status") {
        drop(client.unsubscribe_many(own_filters(base)).await);
    }
    let nothing = PublishOptions::new(QoS::AtLeastOnce).retained();
    if let Ok(notice) = client.publish_tracked(topic.clone(), Vec::new(), nothing).await
        && notice.wait_async().await.is_ok()
    {
        log::info!("the status under the earlier name {topic} is taken away");
        drop(arrivals.send(Arrival::StatusCleared(topic)).await);
    }
}

impl Leaving {
    /// Ready when everything that the broker has sent to this gateway is kept, and, where others share its questions, answered.
    async fn finish(&mut self, client: &AsyncClient, status: &str) {
        if timeout(DRAIN_TIME_MAX, self.drain(client, status)).await.is_err() {
            let Progress { came, done, .. } = *self.progress.borrow();
            log::warn!("{} questions that came are not kept yet; the broker may lose them", came.saturating_sub(done));
        }
        if self.settings.share_group.is_none() {
            return; // what is kept is answered after the next start, and the broker keeps the rest until then
        }
        let (answered, all) = oneshot::channel();
        if self.arrivals.send(Arrival::Drained(answered)).await.is_ok() && timeout(FINISH_TIME_MAX, all).await.is_err()
        {
            log::warn!("not every question is answered yet; the others follow after the next start");
        }
    }

    /// A gateway of a group has no session that outlives its connection: what the broker has for it is lost with that. So it first ends
    /// its subscriptions, then takes what comes until nothing more can.
    async fn drain(&mut self, client: &AsyncClient, status: &str) {
        if self.settings.share_group.is_some() {
            if let Ok(ended) = client.unsubscribe_many_tracked(filters(&self.settings)).await {
                drop(ended.wait_async().await);
            }
            // The broker sends in order: its copy of our own retained status comes behind all that it had for us.
            let granted = match client.subscribe_tracked(status, QoS::AtLeastOnce).await {
                Ok(asked) => asked.wait_async().await.is_ok_and(|granted| {
                    granted.return_codes.iter().all(|code| matches!(code, SubscribeReasonCode::Success(_)))
                }),
                Err(_) => false,
            };
            if granted {
                drop(self.progress.wait_for(|progress| progress.fence).await);
            } else {
                sleep(QUIET).await;
            }
        }
        let came = self.progress.borrow().came;
        drop(self.progress.wait_for(|progress| progress.done >= came).await);
    }
}
