//! The connection to the broker: what comes is handed on, messages are published until the broker has them. Reads no topic itself.

use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rumqttc::mqttbytes::{self, QoS};
use rumqttc::{
    AckMode, AsyncClient, Broker, ConnectReturnCode, ConnectionError, DisconnectReasonCode, Event, EventLoop, LastWill,
    MqttOptions, NetworkOptions, NoticeFailureReason, Packet, PersistedAckMode, PersistedSession, Publish,
    PublishNotice, PublishOptions, SessionStore, SessionStoreError, SessionStoreKey, StateError, SubAck,
    SubscribeFilterInput, SubscribeReasonCode, TlsConfiguration, Transport,
};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

use super::config::Settings;
use super::questions::{Brought, Burst, Door, Progress, forward, tell};
use super::status::{Leaving, Statuses, say_status};
use super::tls;
use super::topics::{filters, properties};
use crate::api::answer::Message;
use crate::api::json;
use crate::domain::ASK_BYTES_MAX;
use crate::transport::arrival::Arrival;
use crate::transport::request::{MqttReplyTo, OutboundMessage, Route, Source, random_unit};

/// Around a payload: fixed header, topic and properties.
const PACKET_OVERHEAD_BYTES: usize = 2048;
/// Answers that wait for the client library; the journal keeps the rest.
const REQUESTS_MAX: usize = 32;
/// A broker that is away is tried again after a wait that doubles from the first to the longest, each cut by chance to between half
/// and all of it: many gateways must not come back at one moment.
const RETRY: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(30));
/// Two clients of one name throw each other out for ever: whoever is thrown out waits this long.
const RETRY_TAKEN_OVER: Duration = Duration::from_secs(60);
/// A connection that lasts so long is no sign of that; so many in a row that do not are.
const STEADY: Duration = Duration::from_secs(30);
const SHORT_MAX: usize = 5;
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// How long the broker keeps questions for a gateway that is away: a week covers the longest holiday of a factory.
const SESSION_EXPIRY_S: u32 = 7 * 24 * 3600;

fn options(settings: &Settings, offline: Vec<u8>) -> MqttOptions {
    // The library asks after so long a silence, and gives up after as long again: two of its times in one and a half of ours.
    let mut options = MqttOptions::new(settings.client_id.clone(), Broker::tcp(settings.host.clone(), settings.port));
    let shared = settings.share_group.is_some();
    // An answer follows the acknowledgement of its question at once; the system would hold it back until the broker has
    // acknowledged that, which takes forty milliseconds.
    let mut network = NetworkOptions::new();
    network.set_tcp_nodelay(true);
    options
        .set_network_options(network)
        .set_keep_alive(u16::try_from(settings.keep_alive.as_secs() * 3 / 4).unwrap_or(u16::MAX))
        .set_connect_timeout(CONNECT_TIMEOUT)
        .set_ack_mode(AckMode::Manual)
        .set_receive_maximum(Some(settings.receive_max))
        .set_max_packet_size(u32::try_from(ASK_BYTES_MAX + PACKET_OVERHEAD_BYTES).ok())
        .set_clean_start(shared)
        .set_session_expiry_interval(Some(if shared { 0 } else { SESSION_EXPIRY_S }))
        .set_session_store(StatelessSessionStore { client_id: settings.client_id.clone(), clean_start: shared })
        .set_last_will(LastWill::new(settings.topic("status"), offline, QoS::AtLeastOnce, true, None));
    if let Some((user, password)) = &settings.credentials {
        options.set_credentials(user.clone(), password.clone());
    }
    options
}

/// Serves the broker until `stop` is true. Connects again for ever.
pub async fn run(
    settings: Settings,
    statuses: watch::Receiver<Statuses>,
    arrivals: mpsc::Sender<Arrival>,
    messages: mpsc::Receiver<OutboundMessage>,
    mut stop: watch::Receiver<bool>,
) {
    let tls = match settings.tls.as_ref().map(tls::config).transpose() {
        Ok(tls) => tls,
        Err(fault) => {
            let Settings { host, port, .. } = &settings;
            log::warn!("no connection to the broker {host}:{port}: {fault}. It is read again at a reload or restart");
            drop(messages); // what is owed waits in the journal
            let _ = stop.wait_for(|stop| *stop).await;
            return;
        }
    };
    let mut options = options(&settings, statuses.borrow().offline.clone());
    if let Some(tls) = tls {
        options.set_transport(Transport::tls_with_config(TlsConfiguration::Rustls(tls)));
    }
    let (client, events) = AsyncClient::builder(options).capacity(REQUESTS_MAX).build();
    let settings = Arc::new(settings);
    let room = usize::from(settings.receive_max) + 1;
    let ((brought, acknowledged), (of_burst, unacknowledged)) = (mpsc::channel(room), mpsc::channel(room));
    let (connection, connected) = watch::channel(Connection { number: None, packet_bytes_max: usize::MAX });
    let (progress, seen) = watch::channel(Progress::default());
    let burst = Arc::new(Burst::default());
    let door = || Door { settings: settings.clone(), arrivals: arrivals.clone() };
    let leaving =
        Leaving { settings: settings.clone(), arrivals: arrivals.clone(), progress: seen, stop: stop.clone() };
    let mut beside = JoinSet::new();
    beside.spawn(tell(client.clone(), connected.clone(), acknowledged, progress.clone()));
    beside.spawn(tell(client.clone(), connected.clone(), unacknowledged, progress.clone()));
    beside.spawn(forward(door(), burst.clone(), of_burst));
    beside.spawn(send(client.clone(), connected.clone(), messages, arrivals.clone()));
    beside.spawn(say_status(client.clone(), statuses, connected, leaving));
    Reader { settings: settings.clone(), client, door: door(), brought, burst, progress, connection, count: 0, stop }
        .run(events)
        .await;
}

/// The connection to the broker.
#[derive(Clone, Copy, Debug)]
pub(super) struct Connection {
    /// Which one this is, from 1; `None` while there is none.
    pub number: Option<u64>,
    /// The longest packet that the broker takes, or took on the last connection: without one nobody knows, and what is sent longer than
    /// it takes would end the next one.
    pub packet_bytes_max: usize,
}

struct Reader {
    settings: Arc<Settings>,
    client: AsyncClient,
    door: Door,
    brought: mpsc::Sender<Brought>,
    burst: Arc<Burst>,
    progress: watch::Sender<Progress>,
    connection: watch::Sender<Connection>,
    count: u64,
    stop: watch::Receiver<bool>,
}

impl Reader {
    async fn run(mut self, mut events: EventLoop) {
        let mut wait = RETRY.0;
        let mut short = 0; // connections in a row that did not last
        let mut connected = None;
        loop {
            match events.poll().await {
                Ok(Event::Incoming(Packet::ConnAck(greeting))) => {
                    // What the broker kept comes before anything is subscribed to, and is acknowledged on this connection.
                    self.count += 1;
                    let most = greeting.properties.and_then(|said| said.max_packet_size);
                    let packet_bytes_max = most.and_then(|most| most.try_into().ok()).unwrap_or(usize::MAX);
                    self.connection.send_replace(Connection { number: Some(self.count), packet_bytes_max });
                    // Also where the broker kept the session: the configuration may name other topics than it did.
                    let filters = filters(&self.settings).into_iter();
                    let wanted = filters.map(|filter| SubscribeFilterInput::new(filter, QoS::AtLeastOnce));
                    if let Err(error) = self.client.try_subscribe_many(wanted) {
                        log::error!("the topics could not be subscribed to: {error}");
                    }
                }
                Ok(Event::Incoming(Packet::SubAck(_))) if *self.stop.borrow() => {} // the last one is no beginning
                Ok(Event::Incoming(Packet::SubAck(granted))) => {
                    log::info!("connected to the broker at {}:{}", self.settings.host, self.settings.port);
                    self.explain_refused_filters(&granted);
                    connected = Some(Instant::now());
                    let _ = self.door.arrivals.send(Arrival::Connected(Source::Mqtt)).await;
                }
                Ok(Event::Incoming(Packet::Publish(publish))) => self.take(publish).await,
                Ok(_) => {}
                Err(_) if *self.stop.borrow() => return,
                Err(error) => {
                    let Connection { number, packet_bytes_max } = *self.connection.borrow();
                    self.connection.send_replace(Connection { number: None, packet_bytes_max });
                    if number.is_some() {
                        let _ = self.door.arrivals.send(Arrival::Disconnected(Source::Mqtt)).await;
                    }
                    if let Some(since) = connected.take() {
                        if since.elapsed() < STEADY {
                            short += 1;
                        } else {
                            (short, wait) = (0, RETRY.0);
                        }
                    }
                    if is_too_large(&error) {
                        // It was on its way before the broker said what it takes, and would end every connection. What counts comes
                        // again from the journal, as short as need be.
                        events.drain_pending_as_failed(NoticeFailureReason::SessionReset);
                        wait = RETRY.0; // the broker is there
                    }
                    let pause = self.explain(&error, short, wait);
                    wait = (wait * 2).min(RETRY.1);
                    tokio::select! {
                        () = tokio::time::sleep(pause.mul_f64(0.5 + 0.5 * random_unit())) => {}
                        _ = self.stop.wait_for(|stop| *stop) => return,
                    }
                }
            }
        }
    }

    /// Logs what went wrong; returns how long to wait.
    fn explain(&self, error: &ConnectionError, short: usize, wait: Duration) -> Duration {
        let Settings { host, port, client_id, .. } = &*self.settings;
        let taken_over = matches!(
            error,
            ConnectionError::MqttState(StateError::ServerDisconnect {
                reason_code: DisconnectReasonCode::SessionTakenOver,
                ..
            })
        );
        match error {
            // Some brokers only hang up on the one that they throw out.
            _ if taken_over || short >= SHORT_MAX => {
                log::error!(
                    "the broker {host}:{port} hangs up again and again: another client seems to be called {client_id} too. \
                     Give each gateway a name or mqtt.client_id of its own; trying again in {} s at most ({error})",
                    RETRY_TAKEN_OVER.as_secs()
                );
                RETRY_TAKEN_OVER
            }
            ConnectionError::ConnectionRefused(
                code @ (ConnectReturnCode::BadUserNamePassword | ConnectReturnCode::NotAuthorized),
            ) => {
                log::error!(
                    "the broker {host}:{port} refuses {client_id}: {code:?}; check user name and password file"
                );
                RETRY.1
            }
            _ => {
                let tls = self.settings.tls.as_ref().and_then(|tls| tls::explain(tls, host, error));
                let why = tls.unwrap_or_else(|| error.to_string());
                log::warn!("no connection to the broker {host}:{port}: {why}; trying again in {wait:?} at most");
                wait
            }
        }
    }

    /// Says which topics the broker keeps from the gateway: questions there would never be heard.
    fn explain_refused_filters(&self, granted: &SubAck) {
        for (filter, code) in filters(&self.settings).iter().zip(&granted.return_codes) {
            if !matches!(code, SubscribeReasonCode::Success(_)) {
                log::error!(
                    "the broker refuses the subscription to {filter}: {code:?}; what is asked there is not heard. Allow it in the \
                     broker's access list"
                );
            }
        }
    }

    async fn take(&self, publish: Publish) {
        if publish.topic == self.settings.topic("status").as_bytes() {
            self.progress.send_modify(|progress| progress.fence = true); // subscribed to only to see where the end is
            return;
        }
        self.progress.send_modify(|progress| progress.came += 1);
        let Some(ack) = self.client.prepare_ack(&publish) else {
            if !self.burst.push(publish) {
                self.progress.send_modify(|progress| progress.done += 1);
            }
            return;
        };
        let number = self.connection.borrow().number;
        let brought = self.door.bring(&publish, number.map(|number| (number, ack))).await;
        drop(self.brought.send(brought).await);
    }
}

/// Publishes messages, and reports each when the broker has it.
async fn send(
    client: AsyncClient,
    connected: watch::Receiver<Connection>,
    mut messages: mpsc::Receiver<OutboundMessage>,
    arrivals: mpsc::Sender<Arrival>,
) {
    let mut sending = JoinSet::new();
    loop {
        tokio::select! {
            message = messages.recv() => {
                let Some(OutboundMessage { delivery, route, message, .. }) = message else { return };
                let Route::Mqtt(to) = route else { continue };
                let most = connected.borrow().packet_bytes_max;
                let notice = publish_fitting(&client, &to, &message, most).await;
                let Some(delivery) = delivery else { continue };
                let arrivals = arrivals.clone();
                sending.spawn(async move {
                    let outcome = match notice {
                        Ok(notice) => notice.wait_async().await.map(drop).map_err(|error| error.to_string()),
                        Err(error) => Err(error),
                    };
                    let arrival = match outcome {
                        Ok(()) => Arrival::Delivered(delivery),
                        Err(error) => {
                            log::warn!("an answer did not reach {}: {error}", to.topic);
                            Arrival::Returned(delivery)
                        }
                    };
                    drop(arrivals.send(arrival).await);
                });
            }
            Some(_) = sending.join_next() => {}
        }
    }
}

/// Hands a message to the client library: whole, or in short where the broker takes no more.
pub(super) async fn publish_fitting(
    client: &AsyncClient,
    to: &MqttReplyTo,
    message: &Message,
    packet_bytes_max: usize,
) -> Result<PublishNotice, String> {
    let body = fitting(to, message, packet_bytes_max)?;
    let options = PublishOptions::new(QoS::AtLeastOnce).properties(properties(to));
    client.publish_tracked(to.topic.clone(), body, options).await.map_err(|error| error.to_string())
}

/// The message as JSON: whole, or in short where the broker takes no more.
fn fitting(to: &MqttReplyTo, message: &Message, packet_bytes_max: usize) -> Result<Vec<u8>, String> {
    let body = json(message);
    let whole = packet_bytes(to, &body);
    if whole <= packet_bytes_max {
        return Ok(body);
    }
    let short = json(&message.in_short());
    let bytes = packet_bytes(to, &short);
    if bytes <= packet_bytes_max {
        log::warn!(
            "an answer to {} goes in short: it has {whole} bytes, and the broker takes {packet_bytes_max}",
            to.topic
        );
        return Ok(short);
    }
    Err(format!(
        "in short it has {bytes} bytes, and the broker takes {packet_bytes_max}; raise its maximum packet size"
    ))
}

pub(super) fn packet_bytes(to: &MqttReplyTo, body: &[u8]) -> usize {
    let mut packet = Publish::new(to.topic.clone(), QoS::AtLeastOnce, body.to_vec(), Some(properties(to)));
    packet.pkid = u16::MAX; // it gets one, of as many bytes
    packet.size()
}

fn is_too_large(error: &ConnectionError) -> bool {
    matches!(
        error,
        ConnectionError::MqttState(
            StateError::OutgoingPacketTooLarge { .. }
                | StateError::Deserialization(mqttbytes::Error::OutgoingPacketTooLarge { .. })
        )
    )
}

/// What the client library is told when it asks for the session that an earlier process left: there was one, and nothing of it is
/// open. Truly so: answers that did not arrive stand in the journal, from where they are sent again, and a question that was not
/// acknowledged is the broker's to send. Without this the library would refuse a session that the broker has kept.
#[derive(Debug)]
struct StatelessSessionStore {
    client_id: String,
    clean_start: bool,
}

type Future<'a, T> = Pin<Box<dyn std::future::Future<Output = Result<T, SessionStoreError>> + Send + 'a>>;

impl SessionStore for StatelessSessionStore {
    fn load<'a>(&'a self, _: &'a SessionStoreKey) -> Future<'a, Option<PersistedSession>> {
        let session = PersistedSession {
            format_version: 1,
            client_id: self.client_id.clone(),
            clean_start: self.clean_start,
            session_expiry_interval: Some(SESSION_EXPIRY_S),
            outgoing_inflight_upper_limit: None,
            ack_mode: PersistedAckMode::Manual,
            last_pkid: 0,
            last_puback: 0,
            replay: Vec::new(),
            incoming_qos2: Vec::new(),
        };
        Box::pin(async { Ok(Some(session)) })
    }

    fn save<'a>(&'a self, _: &'a SessionStoreKey, _: &'a PersistedSession) -> Future<'a, ()> {
        Box::pin(async { Ok(()) })
    }

    fn clear<'a>(&'a self, _: &'a SessionStoreKey) -> Future<'a, ()> {
        Box::pin(async { Ok(()) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transport::mqtt::config::tests::settings;

    #[test]
    fn silence_is_noticed_within_one_and_a_half_keep_alives() {
        for seconds in [5, 30, 3600] {
            let settings = Settings { keep_alive: Duration::from_secs(seconds), ..settings() };
            assert!(2 * options(&settings, Vec::new()).keep_alive() <= settings.keep_alive * 3 / 2);
        }
    }

    #[test]
    fn a_shared_gateway_leaves_no_session_behind() {
        for (group, clean, expiry) in [(None, false, SESSION_EXPIRY_S), (Some("cell".to_owned()), true, 0)] {
            let options = options(&Settings { share_group: group, ..settings() }, Vec::new());
            assert_eq!((options.clean_start(), options.session_expiry_interval()), (clean, Some(expiry)));
        }
    }
}
