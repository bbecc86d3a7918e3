//! The broker: questions in from topics, answers out to topics, as MQTT 5 and with a form for clients of 3.1.1.
//!
//! | topic | what | properties |
//! |---|---|---|
//! | `<root>/<gateway>/ask` | a question | Response Topic, and Correlation Data or an `id` in the body |
//! | `<root>/<gateway>/ask/<client>/<request>` | a question | none needed |
//! | `<root>/<gateway>/answer/<client>/<request>` | its answer, where no Response Topic was given | Correlation Data, if given |
//! | `<root>/<gateway>/explain/<client>/<request>` | a wish for the rationale of an earlier answer | |
//! | `<root>/<gateway>/rationale/<client>/<request>` | the rationale | |
//! | `<root>/<gateway>/status` | is the gateway there? retained | |
//! | `<root>/any/ask/<client>/<request>` | a question to any gateway of a group | |
//! | `<root>/any/answer/<client>/<request>` | its answer | |
//!
//! A body is `{"question", "id"?, "client"?, "task"?, "explain"?}` in UTF-8, or the plain text of the question.
//!
//! A question is acknowledged when the daemon has made it durable, in the order in which questions came; until then the broker
//! keeps it, and no more of them than [`Settings::receive_max`] are on their way. The connection's session outlives the process:
//! the broker keeps questions while the gateway is away. The one exception is a gateway that shares its questions with others:
//! a session of its own that outlived it would go on taking its share.
//!
//! Never answers a question itself, and never publishes where [`Settings::response_topics`] does not allow.

use std::pin::Pin;
use std::time::{Duration, Instant};

use rumqttc::mqttbytes::{self, QoS};
use rumqttc::{
    AckMode, AsyncClient, Broker, ConnectReturnCode, ConnectionError, DisconnectReasonCode, Event, EventLoop, LastWill,
    ManualAck, MqttOptions, NetworkOptions, NoticeFailureReason, Packet, PersistedAckMode, PersistedSession,
    PubAckReason, Publish, PublishOptions, PublishProperties, SessionStore, SessionStoreError, SessionStoreKey,
    StateError, SubscribeFilterInput, TlsConfiguration, Transport,
};
use serde::{Deserialize, Serialize};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinSet;

use super::{Arrival, AskBody, Explain, Key, Letter, NAME_BYTES_MAX, Refusal, Request, Route, Source, chance, is_name};
use crate::config::sections::{TopicPrefix, may_answer_to};
use crate::engine::QUESTION_BYTES_MAX;

/// A question in JSON, where each byte may stand as an escape of six, and a few keys around it.
pub const PAYLOAD_BYTES_MAX: usize = 8 * QUESTION_BYTES_MAX;
/// Correlation Data is copied into the journal and into every answer.
const CORRELATION_BYTES_MAX: usize = 64;
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

/// Where the broker is and what the gateway is called there.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// Name or address of the broker.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// The gateway's name, a level of its topics.
    pub gateway: String,
    /// First level of all topics.
    pub root: String,
    /// One of its kind at the broker.
    pub client_id: String,
    /// User name and password.
    pub credentials: Option<(String, String)>,
    /// A broker that is silent for one and a half times as long is taken for gone.
    pub keep_alive: Duration,
    /// Questions on their way that are not durable yet; the broker keeps the rest.
    pub receive_max: u16,
    /// Beginnings of topics that answers may go to beside the gateway's own.
    pub response_topics: Vec<TopicPrefix>,
    /// The group whose questions this gateway shares.
    pub share_group: Option<String>,
    /// Certificates; without them the connection is not encrypted.
    pub tls: Option<Tls>,
}

/// PEM texts.
#[derive(Clone, Debug, PartialEq)]
pub struct Tls {
    /// Of the authority that signed the broker's certificate.
    pub ca: Vec<u8>,
    /// The gateway's own certificate and key.
    pub client: Option<(Vec<u8>, Vec<u8>)>,
}

/// Where an answer goes at the broker.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ReplyTo {
    /// The topic.
    pub topic: String,
    /// Correlation Data, byte for byte as it came.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub correlation: Option<Vec<u8>>,
}

impl Settings {
    fn topic(&self, of: &str) -> String {
        format!("{}/{}/{of}", self.root, self.gateway)
    }

    fn filters(&self) -> Vec<SubscribeFilterInput> {
        let mut filters = vec![self.topic("ask"), self.topic("ask/+/+"), self.topic("explain/+/+")];
        if let Some(group) = &self.share_group {
            filters.push(format!("$share/{group}/{}/any/ask/+/+", self.root));
        }
        filters.into_iter().map(|filter| SubscribeFilterInput::new(filter, QoS::AtLeastOnce)).collect()
    }

    fn options(&self, offline: Vec<u8>) -> MqttOptions {
        // The library asks after so long a silence, and gives up after as long again: two of its times in one and a half of ours.
        let mut options = MqttOptions::new(self.client_id.clone(), Broker::tcp(self.host.clone(), self.port));
        let shared = self.share_group.is_some();
        // An answer follows the acknowledgement of its question at once; the system would hold it back until the broker has
        // acknowledged that, which takes forty milliseconds.
        let mut network = NetworkOptions::new();
        network.set_tcp_nodelay(true);
        options
            .set_network_options(network)
            .set_keep_alive(u16::try_from(self.keep_alive.as_secs() * 3 / 4).unwrap_or(u16::MAX))
            .set_connect_timeout(CONNECT_TIMEOUT)
            .set_ack_mode(AckMode::Manual)
            .set_receive_maximum(Some(self.receive_max))
            .set_max_packet_size(u32::try_from(PAYLOAD_BYTES_MAX + PACKET_OVERHEAD_BYTES).ok())
            .set_clean_start(shared)
            .set_session_expiry_interval(Some(if shared { 0 } else { SESSION_EXPIRY_S }))
            .set_session_store(TheJournal { client_id: self.client_id.clone(), clean_start: shared })
            .set_last_will(LastWill::new(self.topic("status"), offline, QoS::AtLeastOnce, true, None));
        if let Some((user, password)) = &self.credentials {
            options.set_credentials(user.clone(), password.clone());
        }
        if let Some(tls) = &self.tls {
            options.set_transport(Transport::tls_with_config(TlsConfiguration::Simple {
                ca: tls.ca.clone(),
                alpn: None,
                client_auth: tls.client.clone(),
            }));
        }
        options
    }

    fn allows(&self, topic: &str) -> bool {
        may_answer_to(&self.root, &self.gateway, &self.response_topics, topic)
    }
}

/// What the retained status says; the daemon fills in what the broker's side does not know.
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
    letters: mpsc::Receiver<Letter>,
    stop: watch::Receiver<bool>,
) {
    let (client, events) =
        AsyncClient::builder(settings.options(statuses.borrow().offline.clone())).capacity(REQUESTS_MAX).build();
    let (taken, waiting) = mpsc::channel(usize::from(settings.receive_max) + 1);
    let (connection, connected) = watch::channel(None);
    let mut beside = JoinSet::new();
    beside.spawn(acknowledge(client.clone(), connected.clone(), waiting));
    beside.spawn(send(client.clone(), connected.clone(), letters, arrivals.clone()));
    beside.spawn(say_status(client.clone(), settings.topic("status"), statuses, connected, stop.clone()));
    Reader { settings, client, arrivals, taken, connection, count: 0, stop }.run(events).await;
}

/// A connection; `None` while there is none.
type Connection = Option<Link>;

#[derive(Clone, Copy, Debug)]
struct Link {
    /// Which one this is, from 1.
    number: u64,
    /// The longest packet that the broker takes.
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
                    self.connection.send_replace(Some(Link { number: self.count, packet_bytes_max }));
                    // Also where the broker kept the session: the configuration may name other topics than it did.
                    if let Err(error) = self.client.try_subscribe_many(self.settings.filters()) {
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
                    if self.connection.send_replace(None).is_some() {
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
                    }
                    let pause = self.explain(&error, short, wait);
                    wait = (wait * 2).min(RETRY.1);
                    tokio::select! {
                        () = tokio::time::sleep(pause.mul_f64(0.5 + 0.5 * chance())) => {}
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
                log::warn!("no connection to the broker {host}:{port}: {error}; trying again in {wait:?} at most");
                wait
            }
        }
    }

    async fn take(&self, publish: &Publish) {
        let ack = self.client.prepare_ack(publish);
        let (said, taken) = oneshot::channel();
        match read(&self.settings, publish) {
            Ok(Arrived::Ask(request)) => {
                let arrival = Arrival::Ask(request, said);
                match ack {
                    Some(_) => drop(self.arrivals.send(arrival).await),
                    // Without an acknowledgement nothing holds back whoever sends; what cannot be taken at once is lost, as agreed.
                    None => drop(self.arrivals.try_send(arrival)),
                }
            }
            Ok(Arrived::Explain(explain)) => {
                drop(self.arrivals.try_send(Arrival::Explain(explain)));
                drop(said.send(Ok(())));
            }
            Err((reply_to, refusal)) => {
                log::warn!("a message to {} is refused: {refusal}", String::from_utf8_lossy(&publish.topic));
                if let Some(reply_to) = reply_to {
                    let body = serde_json::json!({"v": 1, "state": "error", "error": refusal.to_string()});
                    let body = body.to_string();
                    let most = self.connection.borrow().map_or(0, |link| link.packet_bytes_max);
                    if packet_bytes(&reply_to, body.as_bytes()) <= most {
                        let options = PublishOptions::new(QoS::AtLeastOnce).properties(properties(&reply_to));
                        drop(self.client.try_publish(reply_to.topic, body, options));
                    }
                }
                drop(said.send(Err(refusal)));
            }
        }
        let connection = *self.connection.borrow();
        if let (Some(ack), Some(connection)) = (ack, connection) {
            drop(self.taken.send((connection.number, ack, taken)).await);
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
            Ok(Err(Refusal::Unreadable(_) | Refusal::Reused(_) | Refusal::Unknown(_) | Refusal::Conflict(_))) => {
                PubAckReason::PayloadFormatInvalid
            }
            Ok(Err(Refusal::Forbidden(_))) => PubAckReason::NotAuthorized,
            Ok(Err(Refusal::Full)) => PubAckReason::QuotaExceeded,
            Ok(Err(Refusal::Unkept(_))) | Err(_) => continue,
        };
        if let ManualAck::PubAck(puback) = &mut ack {
            puback.reason = reason;
        }
        if connected.borrow().is_some_and(|link| link.number == connection) {
            drop(client.manual_ack(ack).await);
        }
    }
}

/// Publishes letters, and reports each when the broker has it.
async fn send(
    client: AsyncClient,
    connected: watch::Receiver<Connection>,
    mut letters: mpsc::Receiver<Letter>,
    arrivals: mpsc::Sender<Arrival>,
) {
    let mut sending = JoinSet::new();
    loop {
        tokio::select! {
            letter = letters.recv() => {
                let Some(Letter { stamp, route, body, short }) = letter else { return };
                let Route::Mqtt(to) = route else { continue };
                // Where there is no connection nobody knows; see `is_too_large`.
                let most = connected.borrow().map_or(usize::MAX, |link| link.packet_bytes_max);
                let notice = match fitting(&to, body, short, most) {
                    Ok(body) => {
                        let options = PublishOptions::new(QoS::AtLeastOnce).properties(properties(&to));
                        client.publish_tracked(to.topic.clone(), body, options).await.map_err(|error| error.to_string())
                    }
                    Err(why) => Err(why),
                };
                let Some(stamp) = stamp else { continue };
                let arrivals = arrivals.clone();
                sending.spawn(async move {
                    let outcome = match notice {
                        Ok(notice) => notice.wait_async().await.map(drop).map_err(|error| error.to_string()),
                        Err(error) => Err(error),
                    };
                    let arrival = match outcome {
                        Ok(()) => Arrival::Delivered(stamp),
                        Err(error) => {
                            log::warn!("an answer did not reach {}: {error}", to.topic);
                            Arrival::Returned(stamp)
                        }
                    };
                    drop(arrivals.send(arrival).await);
                });
            }
            Some(_) = sending.join_next() => {}
        }
    }
}

/// Which of the two the broker takes.
fn fitting(to: &ReplyTo, body: Vec<u8>, short: Vec<u8>, packet_bytes_max: usize) -> Result<Vec<u8>, String> {
    let whole = packet_bytes(to, &body);
    if whole <= packet_bytes_max {
        return Ok(body);
    }
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

fn packet_bytes(to: &ReplyTo, body: &[u8]) -> usize {
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
        let most = connected.borrow_and_update().map(|link| link.packet_bytes_max);
        let bytes = packet_bytes(&ReplyTo { topic: topic.clone(), correlation: None }, &online);
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

enum Arrived {
    Ask(Request),
    Explain(Explain),
}

/// What a message says; or why it says nothing, and where that can be told.
fn read(settings: &Settings, publish: &Publish) -> Result<Arrived, (Option<ReplyTo>, Refusal)> {
    let unreadable = |why: String| Refusal::Unreadable(why);
    let topic = std::str::from_utf8(&publish.topic).map_err(|_| (None, unreadable("the topic is not UTF-8".into())))?;
    let own = topic.strip_prefix(&format!("{}/{}/", settings.root, settings.gateway));
    let anyones = topic.strip_prefix(&format!("{}/any/", settings.root));
    let levels: Vec<&str> = own.or(anyones).unwrap_or_default().split('/').collect();
    let base = format!("{}/{}", settings.root, if own.is_some() { &settings.gateway } else { "any" });
    let said = publish.properties.as_ref();
    let correlation = said.and_then(|said| said.correlation_data.as_ref()).map(|bytes| bytes.to_vec());
    let response_topic = said.and_then(|said| said.response_topic.clone());
    let (verb, named) = match levels[..] {
        ["ask"] => ("ask", None),
        [verb @ ("ask" | "explain"), client, id] => (verb, Some((client, id))),
        _ => {
            return Err((
                None,
                unreadable("expected a topic that ends in ask, ask/CLIENT/REQUEST or explain/CLIENT/REQUEST".into()),
            ));
        }
    };
    let (answers, names) =
        (if verb == "ask" { "answer" } else { "rationale" }, named.map(|(client, id)| format!("{client}/{id}")));
    let topic = match (&response_topic, &names) {
        (Some(topic), _) if settings.allows(topic) => topic.clone(),
        (Some(topic), _) => {
            let why = format!("answers may not go to {topic:.80}; the gateway's configuration lists response_topics");
            return Err((None, Refusal::Forbidden(why)));
        }
        (None, Some(names)) => format!("{base}/{answers}/{names}"),
        (None, None) => {
            let why = "expected a Response Topic (MQTT 5), or a topic that ends in ask/CLIENT/REQUEST".to_owned();
            return Err((None, unreadable(why)));
        }
    };
    if let Some((client, id)) = named
        && !(is_name(client) && is_name(id))
    {
        let why = format!("expected CLIENT and REQUEST of 1 to {NAME_BYTES_MAX} letters, digits, - and _");
        return Err((None, unreadable(why)));
    }
    if correlation.as_ref().is_some_and(|bytes| bytes.len() > CORRELATION_BYTES_MAX) {
        let why = format!("expected Correlation Data of at most {CORRELATION_BYTES_MAX} bytes");
        return Err((Some(ReplyTo { topic, correlation: None }), unreadable(why)));
    }
    let reply_to = ReplyTo { topic, correlation };
    let refused = |why: String| (Some(reply_to.clone()), unreadable(why));
    let key = |client: &str, id: &str| Key { client: client.to_owned(), id: id.to_owned() };
    if let ("explain", Some((client, id))) = (verb, named) {
        return Ok(Arrived::Explain(Explain { key: key(client, id), route: Route::Mqtt(reply_to) }));
    }
    let body = body(&publish.payload).map_err(refused)?;
    if body.question.len() > QUESTION_BYTES_MAX {
        return Err(refused(format!(
            "expected a question of at most {QUESTION_BYTES_MAX} bytes, got {}",
            body.question.len()
        )));
    }
    let key = match (named, &body.id, &reply_to.correlation) {
        (Some((client, id)), ..) => key(client, id),
        (None, Some(id), _) => {
            let client = body.client.clone().unwrap_or_else(|| digest(&[reply_to.topic.as_bytes()]));
            if !(is_name(id) && is_name(&client)) {
                return Err(refused(format!(
                    "expected id and client of 1 to {NAME_BYTES_MAX} letters, digits, - and _"
                )));
            }
            key(&client, id)
        }
        // A client may count its Correlation Data from 1 after every start: only with the question does it name a request.
        (None, None, Some(correlation)) => {
            key(&digest(&[reply_to.topic.as_bytes()]), &digest(&[correlation, body.question.as_bytes()]))
        }
        (None, None, None) => return Err(refused("expected Correlation Data (MQTT 5), or an id in the body".into())),
    };
    let expires_in =
        said.and_then(|said| said.message_expiry_interval).map(|seconds| Duration::from_secs(seconds.into()));
    let AskBody { question, task, explain, .. } = body;
    Ok(Arrived::Ask(Request { key, task, question, explain, expires_in, route: Route::Mqtt(reply_to) }))
}

fn body(payload: &[u8]) -> Result<AskBody, String> {
    if payload.len() > PAYLOAD_BYTES_MAX {
        return Err(format!("expected at most {PAYLOAD_BYTES_MAX} bytes, got {}", payload.len()));
    }
    let text = std::str::from_utf8(payload).map_err(|error| format!("expected UTF-8: {error}"))?;
    if text.trim_start().starts_with('{') {
        return serde_json::from_str(text).map_err(|error| {
            format!("expected {{\"question\", \"id\"?, \"client\"?, \"task\"?, \"explain\"?}}: {error}")
        });
    }
    Ok(AskBody { question: text.trim().to_owned(), id: None, client: None, task: None, explain: false })
}

/// A name made of what has none: the first half of SHA-256, with a border after each part.
fn digest(parts: &[&[u8]]) -> String {
    use sha2::Digest as _;
    let mut hash = sha2::Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    hash.finalize()[..16].iter().map(|byte| format!("{byte:02x}")).collect()
}

fn properties(to: &ReplyTo) -> PublishProperties {
    PublishProperties {
        payload_format_indicator: Some(1),
        content_type: Some("application/json".to_owned()),
        correlation_data: to.correlation.clone().map(Into::into),
        ..PublishProperties::default()
    }
}

/// What the client library is told when it asks for the session that an earlier process left: there was one, and nothing of it is
/// open. Truly so: answers that did not arrive stand in the journal, from where they are sent again, and a question that was not
/// acknowledged is the broker's to send. Without this the library would refuse a session that the broker has kept.
#[derive(Debug)]
struct TheJournal {
    client_id: String,
    clean_start: bool,
}

type Future<'a, T> = Pin<Box<dyn std::future::Future<Output = Result<T, SessionStoreError>> + Send + 'a>>;

impl SessionStore for TheJournal {
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
    use crate::config::sections::TOPIC_BYTES_MAX;

    fn settings() -> Settings {
        Settings {
            host: "127.0.0.1".into(),
            port: 1883,
            gateway: "press-3".into(),
            root: "sokutou".into(),
            client_id: "sokutou-press-3".into(),
            credentials: None,
            keep_alive: Duration::from_secs(30),
            receive_max: 8,
            response_topics: ["plant/line-1/", "sokutou"].map(|start| TopicPrefix::new(start).unwrap()).into(),
            share_group: None,
            tls: None,
        }
    }

    fn message(
        topic: &str,
        payload: impl Into<Vec<u8>>,
        response_topic: Option<&str>,
        correlation: Option<&[u8]>,
    ) -> Publish {
        let properties = PublishProperties {
            response_topic: response_topic.map(str::to_owned),
            correlation_data: correlation.map(|bytes| bytes.to_vec().into()),
            message_expiry_interval: Some(30),
            ..PublishProperties::default()
        };
        Publish::new(topic, QoS::AtLeastOnce, payload.into(), Some(properties))
    }

    fn asked(publish: &Publish) -> Request {
        match read(&settings(), publish) {
            Ok(Arrived::Ask(request)) => request,
            Ok(Arrived::Explain(_)) => panic!("asked for a rationale"),
            Err((_, refusal)) => panic!("refused: {refusal}"),
        }
    }

    #[test]
    fn a_topic_names_client_and_request_and_plain_text_is_the_question() {
        let request = asked(&message("sokutou/press-3/ask/plc-1/0042", " 判定は? \r\n", None, None));
        assert_eq!(request.key, Key { client: "plc-1".into(), id: "0042".into() });
        assert_eq!((request.question.as_str(), request.task, request.explain), ("判定は?", None, false));
        assert_eq!(request.expires_in, Some(Duration::from_secs(30)));
        let Route::Mqtt(to) = request.route else { panic!() };
        assert_eq!(to, ReplyTo { topic: "sokutou/press-3/answer/plc-1/0042".into(), correlation: None });
    }

    #[test]
    fn a_response_topic_takes_the_answer_with_its_correlation_byte_for_byte() {
        let body = r#"{"question": "Which?", "task": "t", "explain": true, "later": 1}"#;
        let correlation = [0, 255, 10];
        let publish = message("sokutou/press-3/ask", body, Some("plant/line-1/answers"), Some(&correlation));
        let request = asked(&publish);
        assert_eq!((request.task.as_deref(), request.explain), (Some("t"), true));
        let Route::Mqtt(to) = &request.route else { panic!() };
        assert_eq!(to, &ReplyTo { topic: "plant/line-1/answers".into(), correlation: Some(correlation.into()) });
        assert_eq!(properties(to).correlation_data.unwrap()[..], correlation);
        assert_eq!(asked(&publish).key, request.key, "the same again is the same request");
        let other = message("sokutou/press-3/ask", "Why?", Some("plant/line-1/answers"), Some(&correlation));
        assert_ne!(asked(&other).key, request.key, "a counter that began anew is another request");
    }

    #[test]
    fn questions_to_anyone_are_answered_where_anyone_looks() {
        let Route::Mqtt(to) = asked(&message("sokutou/any/ask/plc/1", "?", None, None)).route else { panic!() };
        assert_eq!(to.topic, "sokutou/any/answer/plc/1");
    }

    #[test]
    fn a_rationale_is_asked_for_by_the_names_of_its_question() {
        let publish = message("sokutou/press-3/explain/plc/1", "", None, None);
        let Ok(Arrived::Explain(Explain { key, route: Route::Mqtt(to) })) = read(&settings(), &publish) else {
            panic!("no wish for a rationale")
        };
        assert_eq!((key.to_string().as_str(), to.topic.as_str()), ("plc/1", "sokutou/press-3/rationale/plc/1"));
    }

    #[test]
    fn what_cannot_be_read_is_refused_and_told_where_that_is_allowed() {
        let long = "x".repeat(PAYLOAD_BYTES_MAX + 1);
        let large = format!("{{\"question\": \"{}\"}}", "x".repeat(QUESTION_BYTES_MAX + 1));
        let there = Some("plant/line-1/a");
        let some: Option<&[u8]> = Some(b"1");
        for (publish, told, why) in [
            (message("sokutou/press-3/ask/plc", "?", None, None), false, "expected a topic that ends in"),
            (message("sokutou/press-4/ask/plc/1", "?", None, None), false, "expected a topic that ends in"),
            (message("sokutou/press-3/ask", "?", None, some), false, "expected a Response Topic"),
            (message("sokutou/press-3/ask/p c/1", "?", None, None), false, "letters, digits"),
            (message("sokutou/press-3/ask", "?", there, None), true, "expected Correlation Data"),
            (message("sokutou/press-3/ask", "?", there, Some(&[0; 65])), true, "at most 64 bytes"),
            (message("sokutou/press-3/ask", "{\"question\": 1}", there, some), true, "invalid type: integer"),
            (message("sokutou/press-3/ask", "{}", there, some), true, "missing field `question`"),
            (
                message("sokutou/press-3/ask", "{\"question\": \"?\", \"id\": \"a b\"}", there, some),
                true,
                "letters, digits",
            ),
            (message("sokutou/press-3/ask", [0x83, 0x67], there, some), true, "expected UTF-8"),
            (message("sokutou/press-3/ask", long, there, some), true, "at most 131072 bytes"),
            (message("sokutou/press-3/ask", large, there, some), true, "question of at most 16384 bytes"),
        ] {
            let Err((to, refusal)) = read(&settings(), &publish) else { panic!("taken, expected: {why}") };
            assert_eq!((to.is_some(), matches!(refusal, Refusal::Unreadable(_))), (told, true), "{why}");
            assert!(refusal.to_string().contains(why), "{refusal}");
        }
    }

    #[test]
    fn answers_go_only_where_they_may() {
        let allowed = settings();
        for (topic, may) in [
            ("plant/line-1", true),
            ("plant/line-1/a/b", true),
            ("plant/line-10/a", false),
            ("plant", false),
            ("sokutou/press-3/answer/x/y", true),
            ("sokutou/press-3/ask/x/y", false), // a gateway that asks itself
            ("sokutou/press-3/status", false),
            ("sokutou/press-4/answer/x/y", false),
            ("plant/line-1/+", false),
            ("plant/line-1/#", false),
            ("plant/line-1/\0", false),
            ("$SYS/broker", false),
            ("", false),
        ] {
            assert_eq!(allowed.allows(topic), may, "{topic}");
            let refused = read(&allowed, &message("sokutou/press-3/ask", "?", Some(topic), Some(b"1"))).err();
            assert_eq!(refused.is_none(), may, "{topic}");
            assert!(refused.is_none_or(|(to, why)| to.is_none() && matches!(why, Refusal::Forbidden(_))), "{topic}");
        }
        assert!(!allowed.allows(&format!("plant/line-1/{}", "x".repeat(TOPIC_BYTES_MAX))));
    }

    #[test]
    fn silence_is_noticed_within_one_and_a_half_keep_alives() {
        for seconds in [5, 30, 3600] {
            let settings = Settings { keep_alive: Duration::from_secs(seconds), ..settings() };
            assert!(2 * settings.options(Vec::new()).keep_alive() <= settings.keep_alive * 3 / 2);
        }
    }

    #[test]
    fn a_shared_gateway_leaves_no_session_behind() {
        for (group, clean, expiry) in [(None, false, SESSION_EXPIRY_S), (Some("cell".to_owned()), true, 0)] {
            let options = Settings { share_group: group, ..settings() }.options(Vec::new());
            assert_eq!((options.clean_start(), options.session_expiry_interval()), (clean, Some(expiry)));
        }
    }
}
