//! The connection to the broker: questions acknowledged once they are durable, messages published until the broker has them, the
//! retained status. Reads no topic itself.

use std::pin::Pin;
use std::time::{Duration, Instant};

use rumqttc::mqttbytes::{self, QoS};
use rumqttc::{
    AckMode, AsyncClient, Broker, ConnectReturnCode, ConnectionError, DisconnectReasonCode, Event, EventLoop, LastWill,
    ManualAck, MqttOptions, NetworkOptions, NoticeFailureReason, Packet, PersistedAckMode, PersistedSession,
    PubAckReason, Publish, PublishOptions, SessionStore, SessionStoreError, SessionStoreKey, StateError,
    SubscribeFilterInput, TlsConfiguration, Transport,
};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinSet;

use super::config::Settings;
use super::tls;
use super::topics::{Incoming, properties, read};
use crate::api::answer::Message;
use crate::api::json;
use crate::domain::ASK_BYTES_MAX;
use crate::transport::arrival::Arrival;
use crate::transport::request::{MqttReplyTo, OutboundMessage, Refusal, Route, Source, random_unit};

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

fn filters(settings: &Settings) -> Vec<SubscribeFilterInput> {
    let mut filters = vec![settings.topic("ask"), settings.topic("ask/+/+"), settings.topic("explain/+/+")];
    if let Some(group) = &settings.share_group {
        filters.push(format!("$share/{group}/{}/any/ask/+/+", settings.root));
    }
    filters.into_iter().map(|filter| SubscribeFilterInput::new(filter, QoS::AtLeastOnce)).collect()
}

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

/// What the retained status says; the gateway fills in what the broker's side does not know.
#[derive(Clone, Debug)]
pub struct Statuses {
    /// Now.
    pub online: Vec<u8>,
    /// After a clean stop.
    pub stopped: Vec<u8>,
    /// What the broker says when the gateway is gone without a word.
    pub offline: Vec<u8>,
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
    let (taken, waiting) = mpsc::channel(usize::from(settings.receive_max) + 1);
    let (connection, connected) = watch::channel(Connection { number: None, packet_bytes_max: usize::MAX });
    let mut beside = JoinSet::new();
    beside.spawn(acknowledge(client.clone(), connected.clone(), waiting));
    beside.spawn(send(client.clone(), connected.clone(), messages, arrivals.clone()));
    beside.spawn(say_status(client.clone(), settings.topic("status"), statuses, connected, stop.clone()));
    Reader { settings, client, arrivals, taken, connection, count: 0, stop }.run(events).await;
}

/// The connection to the broker.
#[derive(Clone, Copy, Debug)]
struct Connection {
    /// Which one this is, from 1; `None` while there is none.
    number: Option<u64>,
    /// The longest packet that the broker takes, or took on the last connection: without one nobody knows, and what is sent longer than
    /// it takes would end the next one.
    packet_bytes_max: usize,
}

/// What became of a question, when it is known.
type Taken = oneshot::Receiver<Result<(), Refusal>>;

struct Reader {
    settings: Settings,
    client: AsyncClient,
    arrivals: mpsc::Sender<Arrival>,
    taken: mpsc::Sender<(u64, ManualAck, Taken)>,
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
                    if let Err(error) = self.client.try_subscribe_many(filters(&self.settings)) {
                        log::error!("the topics could not be subscribed to: {error}");
                    }
                }
                Ok(Event::Incoming(Packet::SubAck(_))) => {
                    log::info!("connected to the broker at {}:{}", self.settings.host, self.settings.port);
                    connected = Some(Instant::now());
                    let _ = self.arrivals.send(Arrival::Connected(Source::Mqtt)).await;
                }
                Ok(Event::Incoming(Packet::Publish(publish))) => self.take(&publish).await,
                Ok(_) => {}
                Err(_) if *self.stop.borrow() => return,
                Err(error) => {
                    let Connection { number, packet_bytes_max } = *self.connection.borrow();
                    self.connection.send_replace(Connection { number: None, packet_bytes_max });
                    if number.is_some() {
                        let _ = self.arrivals.send(Arrival::Disconnected(Source::Mqtt)).await;
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
        let Settings { host, port, client_id, .. } = &self.settings;
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

    async fn take(&self, publish: &Publish) {
        let ack = self.client.prepare_ack(publish);
        let (said, taken) = oneshot::channel();
        match read(&self.settings, publish) {
            Ok(Incoming::Ask(request)) => {
                let arrival = Arrival::Ask(request, said);
                match ack {
                    Some(_) => drop(self.arrivals.send(arrival).await),
                    // Without an acknowledgement nothing holds back whoever sends; what cannot be taken at once is lost, as agreed.
                    None => drop(self.arrivals.try_send(arrival)),
                }
            }
            Ok(Incoming::Explain(explain)) => {
                drop(self.arrivals.try_send(Arrival::Explain(explain)));
                drop(said.send(Ok(())));
            }
            Err((reply_to, refusal)) => {
                log::warn!("a message to {} is refused: {refusal}", String::from_utf8_lossy(&publish.topic));
                if let Some(reply_to) = reply_to {
                    let body = serde_json::json!({"v": 1, "state": "error", "error": refusal.to_string()});
                    let body = body.to_string();
                    let Connection { number, packet_bytes_max } = *self.connection.borrow();
                    let most = if number.is_some() { packet_bytes_max } else { 0 };
                    if packet_bytes(&reply_to, body.as_bytes()) <= most {
                        let options = PublishOptions::new(QoS::AtLeastOnce).properties(properties(&reply_to));
                        drop(self.client.try_publish(reply_to.topic, body, options));
                    }
                }
                drop(said.send(Err(refusal)));
            }
        }
        let number = self.connection.borrow().number;
        if let (Some(ack), Some(number)) = (ack, number) {
            drop(self.taken.send((number, ack, taken)).await);
        }
    }
}

/// Acknowledges in the order of arrival, as the protocol demands. What the daemon could not keep stays the broker's, which sends it
/// again on the next connection; so does what came on a connection that is gone: its packet identifiers mean other messages now.
async fn acknowledge(
    client: AsyncClient,
    connected: watch::Receiver<Connection>,
    mut waiting: mpsc::Receiver<(u64, ManualAck, Taken)>,
) {
    while let Some((connection, mut ack, taken)) = waiting.recv().await {
        let reason = match taken.await {
            Ok(Ok(())) => PubAckReason::Success,
            Ok(Err(
                Refusal::Unreadable(_)
                | Refusal::UnknownTask(_)
                | Refusal::Reused(_)
                | Refusal::Unknown(_)
                | Refusal::Conflict(_),
            )) => PubAckReason::PayloadFormatInvalid,
            Ok(Err(Refusal::Forbidden(_))) => PubAckReason::NotAuthorized,
            Ok(Err(Refusal::Full)) => PubAckReason::QuotaExceeded,
            Ok(Err(Refusal::Unavailable(_) | Refusal::Failed(_))) | Err(_) => continue,
        };
        if let ManualAck::PubAck(puback) = &mut ack {
            puback.reason = reason;
        }
        if connected.borrow().number == Some(connection) {
            drop(client.manual_ack(ack).await);
        }
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
                let notice = match fitting(&to, &message, most) {
                    Ok(body) => {
                        let options = PublishOptions::new(QoS::AtLeastOnce).properties(properties(&to));
                        client.publish_tracked(to.topic.clone(), body, options).await.map_err(|error| error.to_string())
                    }
                    Err(why) => Err(why),
                };
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

fn packet_bytes(to: &MqttReplyTo, body: &[u8]) -> usize {
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

/// Publishes the retained status on every connection and at every change; at the end says "stopped" and takes leave, so that the
/// broker keeps its own "offline" to itself.
async fn say_status(
    client: AsyncClient,
    topic: String,
    mut statuses: watch::Receiver<Statuses>,
    mut connected: watch::Receiver<Connection>,
    mut stop: watch::Receiver<bool>,
) {
    let retained = || PublishOptions::new(QoS::AtLeastOnce).retained();
    loop {
        let online = statuses.borrow_and_update().online.clone();
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
        tokio::select! {
            changed = connected.changed() => if changed.is_err() { return },
            changed = statuses.changed() => if changed.is_err() { return },
            _ = stop.wait_for(|stop| *stop) => break,
        }
    }
    let stopped = statuses.borrow().stopped.clone();
    if let Ok(notice) = client.publish_tracked(topic, stopped, retained()).await {
        drop(notice.wait_async().await);
    }
    drop(client.disconnect().await);
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
