//! The gateway with its real parts: mosquitto as the broker, the shipped student, the process killed as a power cut kills it.
//!
//! `SOKUTOU_KILLS=1000 cargo test --release --test it gateway::killed` kills a thousand times; without the variable, a few.

use std::fs::{self, File};
use std::io::{ErrorKind, Read as _, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

use rumqttc::mqttbytes::QoS;
use rumqttc::{Broker as Address, Client, Event, MqttOptions, Packet, PublishOptions, PublishProperties};
use serde_json::Value;
use sokutou::engine::library::TELEMETRY_VARIABLE;

use crate::http::Station;
use crate::proxy::{Proxy, Way};
pub use crate::support::PATIENCE;
use crate::support::{HeldStudent, free_port, student, wait_until};

pub const FINE: &str =
    "Type M, air 298.1 K, process 308.6 K, speed 1551 rpm, torque 42.8 Nm, tool wear 0 min. Which failure, if any?";
pub const OVERSTRAIN: &str =
    "品種=L 気温=298.1 K 工程温度=308.6 K 回転数=1400 rpm トルク=58.0 Nm 工具摩耗=198 min 判定は?";

/// A mosquitto of our own.
pub struct Broker {
    child: Child,
    pub port: u16,
    folder: PathBuf,
}

impl Broker {
    pub fn start(folder: &Path, settings: &str) -> Self {
        let port = free_port();
        fs::create_dir_all(folder).unwrap();
        let folder = folder.to_owned();
        let text = format!(
            "listener {port} 127.0.0.1\nallow_anonymous true\npersistence true\npersistence_location {}/\n\
             autosave_interval 1\nautosave_on_changes true\n{settings}\n",
            folder.display()
        );
        fs::write(folder.join("mosquitto.conf"), text).unwrap();
        let child = Self::launch(&folder);
        let broker = Self { child, port, folder };
        broker.wait();
        broker
    }

    fn launch(folder: &Path) -> Child {
        // As root mosquitto would become another user, who may not write here.
        let path = std::env::var_os("PATH").unwrap_or_default();
        let found = std::env::split_paths(&path).chain([PathBuf::from("/usr/sbin")]).map(|at| at.join("mosquitto"));
        let program = found.into_iter().find(|path| path.exists()).expect("mosquitto: apt-get install mosquitto");
        let conf = folder.join("mosquitto.conf");
        let text = fs::read_to_string(&conf).unwrap();
        if !text.contains("\nuser ") {
            fs::write(&conf, text + "user root\n").unwrap();
        }
        let log = File::create(folder.join("mosquitto.log")).unwrap();
        Command::new(program).arg("-c").arg(conf).stdout(log.try_clone().unwrap()).stderr(log).spawn().unwrap()
    }

    fn wait(&self) {
        wait_until(|| TcpStream::connect(("127.0.0.1", self.port)).is_ok(), || "mosquitto does not listen".to_owned());
    }

    /// As a clean restart of the service does it.
    pub fn stop(&mut self) {
        let _ = Command::new("kill").arg(self.child.id().to_string()).status();
        let _ = self.child.wait();
    }

    /// From its next start on.
    fn set(&self, setting: &str) {
        let conf = self.folder.join("mosquitto.conf");
        fs::write(&conf, format!("{}{setting}\n", fs::read_to_string(&conf).unwrap())).unwrap();
    }

    pub fn start_again(&mut self) {
        self.child = Self::launch(&self.folder);
        self.wait();
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// `sokutou serve` as a process.
pub struct Gateway {
    child: Child,
    log: PathBuf,
    /// Bytes of the log that processes before this one wrote.
    earlier: u64,
}

impl Gateway {
    pub fn start(name: &str, port: u16, folder: &Path, settings: &[&str]) -> Self {
        Self::start_with(name, port, folder, settings, &[])
    }

    pub fn start_with(name: &str, port: u16, folder: &Path, settings: &[&str], variables: &[(&str, &str)]) -> Self {
        fs::create_dir_all(folder).unwrap();
        let log = folder.join("serve.log");
        let file = File::options().append(true).create(true).open(&log).unwrap();
        let earlier = file.metadata().unwrap().len();
        let mut command = Command::new(assert_cmd::cargo::cargo_bin!("sokutou"));
        command.env_remove(TELEMETRY_VARIABLE); // it switches telemetry off itself
        command.env("WATCHDOG_USEC", "30000000"); // as under systemd: feeding the watchdog must not hold up a stop
        let config = folder.join("sokutou.toml"); // where a test has written one
        command.args(["serve", "--config"]).arg(if config.exists() { &config } else { Path::new("/dev/null") });
        let own = [
            format!("gateway.name={name}"),
            format!("mqtt.port={port}"),
            format!("journal.folder={}", folder.join("journal").display()),
            "http.listen=127.0.0.1:0".to_owned(), // many gateways run at once here
            // No question expires, and no connection counts as dead, because the machine is slow; who tests that sets its own.
            "limits.deadline_ms=86400000".to_owned(),
            "mqtt.keepalive_s=3600".to_owned(),
        ];
        for setting in own.iter().map(String::as_str).chain(settings.iter().copied()) {
            command.args(["--set", setting]);
        }
        let child = command
            .envs(variables.iter().copied())
            .stdin(Stdio::null())
            .stdout(file.try_clone().unwrap())
            .stderr(file)
            .spawn()
            .unwrap();
        Self { child, log, earlier }
    }

    /// As a power cut does it.
    pub fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Has it read its configuration again.
    pub fn reload(&self) {
        Command::new("kill").args(["-HUP", &self.child.id().to_string()]).status().unwrap();
    }

    /// As the service manager does it; returns the exit code.
    pub fn stop(&mut self) -> Option<i32> {
        let _ = Command::new("kill").arg(self.child.id().to_string()).status();
        self.child.wait().unwrap().code()
    }

    /// Waits until it ends by itself; returns the exit code.
    pub fn ends(&mut self) -> Option<i32> {
        self.child.wait().unwrap().code()
    }

    /// What this process has logged.
    pub fn log(&self) -> String {
        let log = fs::read_to_string(&self.log).unwrap_or_default();
        log.get(self.earlier as usize..).unwrap_or_default().to_owned()
    }

    pub fn wait_for(&self, words: &str) {
        wait_until(|| self.log().contains(words), || format!("no {words:?} in the log:\n{}", self.log()));
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A message as it came: topic, body, and with MQTT 5 its Correlation Data and Content Type.
pub struct Message {
    pub topic: String,
    pub body: Vec<u8>,
    pub correlation: Option<Vec<u8>>,
    pub content_type: Option<String>,
    pub retained: bool,
}

impl Message {
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }
}

/// Somebody at the broker, connected until dropped.
pub struct Asker {
    pub client: Client,
    pub messages: Receiver<Message>,
}

impl Asker {
    pub fn connect(name: &str, port: u16, filters: &[&str]) -> Self {
        Self::with(MqttOptions::new(name, Address::tcp("127.0.0.1", port)), filters)
    }

    /// One for whom the broker keeps messages while it is away.
    pub fn lasting(name: &str, port: u16, filters: &[&str]) -> Self {
        let mut options = MqttOptions::new(name, Address::tcp("127.0.0.1", port));
        options.set_clean_start(false).set_session_expiry_interval(Some(3600));
        Self::with(options, filters)
    }

    fn with(mut options: MqttOptions, filters: &[&str]) -> Self {
        options.set_keep_alive(u16::MAX); // a test that gets no turn for long keeps its connection, and what comes through it
        let (client, mut connection) = Client::builder(options).capacity(1000).build();
        let (sender, messages) = channel();
        let (ready, subscribed) = channel();
        let (own, filters) = (client.clone(), filters.iter().map(|&filter| filter.to_owned()).collect::<Vec<_>>());
        thread::spawn(move || {
            for event in connection.iter() {
                match event {
                    Ok(Event::Incoming(Packet::ConnAck(_))) => {
                        for filter in &filters {
                            own.try_subscribe(filter.clone(), QoS::AtLeastOnce).unwrap();
                        }
                    }
                    Ok(Event::Incoming(Packet::SubAck(_))) => drop(ready.send(())),
                    Ok(Event::Incoming(Packet::Publish(publish))) => {
                        let said = publish.properties.unwrap_or_default();
                        let message = Message {
                            topic: String::from_utf8(publish.topic.to_vec()).unwrap(),
                            body: publish.payload.to_vec(),
                            correlation: said.correlation_data.map(|own| own.to_vec()),
                            content_type: said.content_type,
                            retained: publish.retain,
                        };
                        if sender.send(message).is_err() {
                            return;
                        }
                    }
                    Ok(_) => {}
                    Err(_) => thread::sleep(Duration::from_millis(100)),
                }
            }
        });
        subscribed.recv_timeout(PATIENCE).expect("subscribed");
        Self { client, messages }
    }

    pub fn ask(&self, topic: &str, body: &str) {
        self.client.publish(topic.to_owned(), body.to_owned(), PublishOptions::new(QoS::AtLeastOnce)).unwrap();
    }

    pub fn ask_with(&self, topic: &str, body: &str, properties: PublishProperties) {
        let options = PublishOptions::new(QoS::AtLeastOnce).properties(properties);
        self.client.publish(topic.to_owned(), body.to_owned(), options).unwrap();
    }

    pub fn next(&self) -> Message {
        self.messages.recv_timeout(PATIENCE).expect("a message")
    }

    /// Nothing has come by now.
    pub fn nothing_came(&self) {
        if let Ok(message) = self.messages.try_recv() {
            panic!("{}: {}", message.topic, String::from_utf8_lossy(&message.body));
        }
    }

    pub fn nothing_comes(&self) {
        if let Ok(message) = self.messages.recv_timeout(Duration::from_millis(700)) {
            panic!("{}: {}", message.topic, String::from_utf8_lossy(&message.body));
        }
    }
}

#[test]
fn a_question_is_answered_by_topic_and_by_property_and_explained_later() {
    let folder = tempfile::tempdir().unwrap();
    let broker = Broker::start(&folder.path().join("broker"), "");
    let mut gateway = Gateway::start(
        "press-3",
        broker.port,
        &folder.path().join("gateway"),
        &["mqtt.response_topics=[\"plant/line-1\"]"],
    );
    let asker =
        Asker::connect("plc", broker.port, &["sokutou/press-3/answer/#", "sokutou/press-3/rationale/#", "plant/#"]);
    gateway.wait_for("connected to the broker");

    asker.ask("sokutou/press-3/ask/plc/1", FINE);
    let answer = asker.next();
    assert_eq!(answer.topic, "sokutou/press-3/answer/plc/1");
    assert_eq!(answer.content_type.as_deref(), Some("application/json"));
    let said = answer.json();
    assert_eq!(
        (&said["state"], &said["answer"], &said["code"], &said["rev"]),
        (&"answered".into(), &"no failure".into(), &0.into(), &0.into())
    );
    assert_eq!((&said["client"], &said["id"], &said["v"]), (&"plc".into(), &"1".into(), &1.into()));

    // The same again gets the same, to the byte, and so it does after a restart; another question under this name does not.
    asker.ask("sokutou/press-3/ask/plc/1", FINE);
    assert_eq!(asker.next().body, answer.body);
    assert_eq!(gateway.stop(), Some(0));
    let gateway = Gateway::start(
        "press-3",
        broker.port,
        &folder.path().join("gateway"),
        &["mqtt.response_topics=[\"plant/line-1\"]"],
    );
    asker.ask("sokutou/press-3/ask/plc/1", FINE);
    assert_eq!(asker.next().body, answer.body);
    asker.ask("sokutou/press-3/ask/plc/1", OVERSTRAIN);
    let refused = asker.next().json();
    assert_eq!(refused["state"], "error");
    assert!(refused["error"].as_str().unwrap().contains("another question"), "{refused}");

    // By property: the Correlation Data comes back byte for byte, and a rationale that was wanted follows the answer.
    let properties = PublishProperties {
        response_topic: Some("plant/line-1/answers".into()),
        correlation_data: Some(vec![0, 255, 7].into()),
        ..PublishProperties::default()
    };
    let body = serde_json::json!({"question": OVERSTRAIN, "explain": true}).to_string();
    asker.ask_with("sokutou/press-3/ask", &body, properties);
    let (answer, rationale) = (asker.next(), asker.next());
    assert_eq!(
        (answer.topic.as_str(), answer.correlation.as_deref()),
        ("plant/line-1/answers", Some(&[0, 255, 7][..]))
    );
    assert_eq!((&answer.json()["code"], answer.json().get("rationale")), (&3.into(), None));
    assert_eq!(rationale.correlation, answer.correlation);
    assert!(rationale.json()["rationale"].as_str().unwrap().contains("過負荷"));

    // Later, by name: twice the same, the second time from the journal.
    for _ in 0..2 {
        asker.ask("sokutou/press-3/explain/plc/1", "");
        let why = asker.next();
        assert_eq!(why.topic, "sokutou/press-3/rationale/plc/1");
        assert!(why.json()["rationale"].as_str().unwrap().contains("42.8*1551*0.10472=6951.6"), "{}", why.json());
        assert_eq!(why.json()["agreement"]["agrees"], true);
    }
    asker.ask("sokutou/press-3/explain/plc/2", "");
    assert!(asker.next().json()["error"].as_str().unwrap().contains("no such question"));

    // Where answers may not go, nothing goes.
    let elsewhere = PublishProperties {
        response_topic: Some("plant/line-2/answers".into()),
        correlation_data: Some(vec![1].into()),
        ..PublishProperties::default()
    };
    asker.ask_with("sokutou/press-3/ask", FINE, elsewhere);
    gateway.wait_for("answers may not go to plant/line-2/answers");
    asker.nothing_comes();
}

#[test]
fn the_retained_status_tells_of_a_crash_and_of_a_clean_stop() {
    let folder = tempfile::tempdir().unwrap();
    let broker = Broker::start(&folder.path().join("broker"), "");
    let watcher = Asker::connect("watcher", broker.port, &["sokutou/press-3/status"]);
    let mut sessions = Vec::new();
    for end in ["offline", "stopped"] {
        let mut gateway = Gateway::start("press-3", broker.port, &folder.path().join("gateway"), &[]);
        let online = loop {
            let said = watcher.next().json();
            if said["state"] == "online" && !said["student"].is_null() {
                break said;
            }
        };
        if end == "offline" {
            gateway.kill();
        } else {
            assert_eq!(gateway.stop(), Some(0));
        }
        let last = loop {
            let said = watcher.next().json();
            if said["state"] != "online" {
                break said;
            }
        };
        assert_eq!((&last["state"], &last["session"]), (&end.into(), &online["session"]));
        let late = Asker::connect("late", broker.port, &["sokutou/press-3/status"]).next();
        assert!(late.retained && late.json()["state"] == end, "{}", late.json());
        sessions.push(online["session"].as_u64().unwrap());
    }
    assert_eq!(sessions, [1, 2]);
}

#[test]
fn questions_wait_at_the_broker_while_the_gateway_is_away() {
    let folder = tempfile::tempdir().unwrap();
    let broker = Broker::start(&folder.path().join("broker"), "");
    let start = || Gateway::start("press-3", broker.port, &folder.path().join("gateway"), &[]);
    let mut gateway = start();
    gateway.wait_for("connected to the broker");
    gateway.kill();
    let asker = Asker::connect("plc", broker.port, &["sokutou/press-3/answer/#"]);
    for at in 0..20 {
        asker.ask(&format!("sokutou/press-3/ask/plc/{at}"), FINE);
    }
    asker.nothing_comes();
    let _gateway = start();
    let mut answered: Vec<usize> =
        (0..20).map(|_| asker.next().json()["id"].as_str().unwrap().parse().unwrap()).collect();
    answered.sort_unstable();
    assert_eq!(answered, (0..20).collect::<Vec<_>>());
    asker.nothing_comes();
}

#[test]
fn without_a_student_or_a_broker_the_gateway_runs_and_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let broker = Broker::start(&folder.path().join("broker"), "");
    let nowhere = format!("student.bundle=\"{}\"", folder.path().join("none").display());
    let gateway = Gateway::start("press-3", broker.port, &folder.path().join("gateway"), &[&nowhere]);
    gateway.wait_for("no student: ");
    gateway.wait_for("connected to the broker");
    let asker = Asker::connect("plc", broker.port, &["sokutou/press-3/answer/#", "sokutou/press-3/status"]);
    assert_eq!(asker.next().json()["student"], Value::Null);
    asker.ask("sokutou/press-3/ask/plc/1", FINE);
    let said = loop {
        let message = asker.next();
        if message.topic.ends_with("/plc/1") {
            break message.json();
        }
    };
    assert_eq!((&said["state"], &said["error"]), (&"error".into(), &"the student is not loaded".into()));
    let mut lonely = Gateway::start("press-4", 1, &folder.path().join("lonely"), &[]);
    lonely.wait_for("no connection to the broker");
    lonely.wait_for(&format!("student {} is ready", student()));
    assert_eq!(lonely.stop(), Some(0));
}

#[test]
fn killed_under_load_it_loses_nothing_and_contradicts_nothing() {
    let kills: usize = std::env::var("SOKUTOU_KILLS").map_or(6, |text| text.parse().unwrap());
    let folder = tempfile::tempdir().unwrap();
    let broker = Broker::start(&folder.path().join("broker"), "max_queued_messages 100000");
    let asker = Asker::connect("plc", broker.port, &["sokutou/press-3/answer/#"]);
    let start = || Gateway::start("press-3", broker.port, &folder.path().join("gateway"), &[]);
    start().wait_for("connected to the broker");
    let mut ledger: Vec<Vec<Vec<u8>>> = Vec::new(); // by id: every answer that came
    let note = |ledger: &mut Vec<Vec<Vec<u8>>>, message: Message| {
        let id: usize = message.json()["id"].as_str().unwrap().parse().unwrap();
        ledger[id].push(message.body);
    };
    let mut random = fastrand::Rng::with_seed(7);
    for kill in 0..kills {
        let mut gateway = start();
        if kill % 4 != 0 {
            gateway.wait_for("connected to the broker"); // the others die at any point of their start
        }
        for _ in 0..random.usize(1..100) {
            // Mostly a new request, now and then an old one again, as a client that lost its patience sends it.
            let id = if ledger.is_empty() || random.u8(..4) > 0 { ledger.len() } else { random.usize(..ledger.len()) };
            if id == ledger.len() {
                ledger.push(Vec::new());
            }
            let question = if id % 5 == 0 { OVERSTRAIN } else { FINE };
            asker.ask(&format!("sokutou/press-3/ask/plc/{id}"), question);
            while let Ok(message) = asker.messages.recv_timeout(Duration::from_millis(random.u64(1..30))) {
                note(&mut ledger, message);
            }
        }
        gateway.kill();
    }
    let _gateway = start();
    let mut until = Instant::now() + PATIENCE;
    while ledger.iter().any(Vec::is_empty) {
        let lost = ledger.iter().filter(|answers| answers.is_empty()).count();
        assert!(Instant::now() < until, "{lost} of {} requests have no answer after {kills} kills", ledger.len());
        if let Ok(message) = asker.messages.recv_timeout(Duration::from_millis(100)) {
            note(&mut ledger, message);
            until = Instant::now() + PATIENCE; // however many are left, as long as they come
        }
    }
    let repeated: usize = ledger.iter().map(|answers| answers.len() - 1).sum();
    let different = ledger.iter().filter(|answers| answers.iter().any(|answer| answer != &answers[0])).count();
    println!(
        "{kills} kills, {} requests, 0 lost, {different} answered in two ways, {repeated} answers sent again",
        ledger.len()
    );
    assert_eq!(different, 0);
}

/// Asks so many, and returns when all are answered; each once.
fn all_answered(asker: &Asker, gateway: &str, ids: std::ops::Range<usize>) {
    for id in ids.clone() {
        asker.ask(&format!("sokutou/{gateway}/ask/plc/{id}"), FINE);
    }
    let mut left: std::collections::BTreeSet<usize> = ids.collect();
    while !left.is_empty() {
        let said = asker.next().json();
        assert_eq!(said["state"], "answered", "{said}");
        left.remove(&said["id"].as_str().unwrap().parse().unwrap());
    }
}

/// A PLC with MQTT 3.1.1, by its bytes: no properties, and nothing of the library that the gateway itself uses.
struct Plc(TcpStream);

impl Plc {
    const CONNACK: u8 = 0x20;
    const PUBLISH: u8 = 0x30;
    const PUBACK: u8 = 0x40;
    const SUBACK: u8 = 0x90;

    fn connect(port: u16) -> Self {
        let stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut plc = Self(stream);
        let level_4_clean_session_no_keep_alive = [4, 2, 0, 0];
        plc.send(0x10, &[&Self::text("MQTT"), &level_4_clean_session_no_keep_alive[..], &Self::text("plc")].concat());
        assert_eq!(plc.next(Self::CONNACK), [0, 0]);
        plc
    }

    fn text(text: &str) -> Vec<u8> {
        [&(text.len() as u16).to_be_bytes()[..], text.as_bytes()].concat()
    }

    fn send(&mut self, header: u8, rest: &[u8]) {
        let (low, high) = (rest.len() % 128, rest.len() / 128); // up to 16383 bytes
        let length = if high == 0 { vec![low as u8] } else { vec![low as u8 | 0x80, high as u8] };
        self.0.write_all(&[&[header], &length[..], rest].concat()).unwrap();
    }

    fn byte(&mut self) -> u8 {
        let mut byte = [0];
        self.0.read_exact(&mut byte).unwrap();
        byte[0]
    }

    /// What stands behind the header of the next packet, which must be of this kind.
    fn next(&mut self, kind: u8) -> Vec<u8> {
        assert_eq!(self.byte() & 0xf0, kind);
        let low = usize::from(self.byte());
        let length = if low < 0x80 { low } else { (low & 0x7f) + 128 * usize::from(self.byte()) };
        let mut rest = vec![0; length];
        self.0.read_exact(&mut rest).unwrap();
        rest
    }

    fn subscribe(&mut self, filter: &str) {
        self.send(0x82, &[&[0, 1][..], &Self::text(filter), &[0]].concat()); // at most once: no packet id before the body
        assert_eq!(self.next(Self::SUBACK), [0, 1, 0]);
    }

    fn publish(&mut self, topic: &str, body: &str) {
        self.send(0x32, &[&Self::text(topic), &[0, 2][..], body.as_bytes()].concat()); // at least once
        assert_eq!(self.next(Self::PUBACK), [0, 2]);
    }

    fn message(&mut self) -> (String, Value) {
        let rest = self.next(Self::PUBLISH);
        let (topic, body) = rest[2..].split_at(usize::from(u16::from_be_bytes([rest[0], rest[1]])));
        (String::from_utf8(topic.to_vec()).unwrap(), serde_json::from_slice(body).unwrap())
    }
}

#[test]
fn a_plc_with_mqtt_3_1_1_asks_and_hears_without_a_property() {
    let folder = tempfile::tempdir().unwrap();
    let broker = Broker::start(&folder.path().join("broker"), "");
    let gateway = Gateway::start("press-3", broker.port, &folder.path().join("gateway"), &[]);
    gateway.wait_for("connected to the broker");
    let mut plc = Plc::connect(broker.port);
    plc.subscribe("sokutou/press-3/answer/plc/+");
    plc.subscribe("sokutou/press-3/rationale/plc/+");
    for (verb, topic, key) in [("ask", "answer", "code"), ("explain", "rationale", "rationale")] {
        plc.publish(&format!("sokutou/press-3/{verb}/plc/0001"), if verb == "ask" { OVERSTRAIN } else { "" });
        let (came, said) = plc.message();
        assert_eq!(came, format!("sokutou/press-3/{topic}/plc/0001"));
        assert!(!said[key].is_null() && said["code"] == 3, "{said}");
    }
}

#[test]
fn the_same_request_at_once_and_again_asks_the_student_once() {
    let folder = tempfile::tempdir().unwrap();
    let broker = Broker::start(&folder.path().join("broker"), "");
    let here = Station::start(&folder.path().join("gateway"), Some(broker.port), &[]);
    here.gateway.wait_for("connected to the broker");
    let asker = Asker::connect("plc", broker.port, &["sokutou/press-3/answer/#"]);
    let times = 20;
    (0..times).for_each(|_| asker.ask("sokutou/press-3/ask/plc/1", FINE));
    let first = asker.next().body;
    here.counts("sokutou_requests_total{source=\"mqtt\",outcome=\"repeated\"}", f64::from(times - 1));
    here.counts("sokutou_requests_total{source=\"mqtt\",outcome=\"answered\"}", 1.0);
    asker.messages.try_iter().for_each(|again| assert_eq!(again.body, first));
}

#[test]
fn a_question_expires_when_its_message_does() {
    let folder = tempfile::tempdir().unwrap();
    let broker = Broker::start(&folder.path().join("broker"), "");
    let held = HeldStudent::new();
    let here = Station::start(&folder.path().join("gateway"), Some(broker.port), &[&held.setting()]);
    here.gateway.wait_for("connected to the broker");
    let asker = Asker::connect("plc", broker.port, &["sokutou/press-3/answer/#"]);
    asker.ask("sokutou/press-3/ask/plc/long", FINE);
    let second = PublishProperties { message_expiry_interval: Some(1), ..PublishProperties::default() };
    asker.ask_with("sokutou/press-3/ask/plc/short", FINE, second);
    here.counts("sokutou_queue_length", 2.0);
    thread::sleep(Duration::from_millis(1100)); // since both were taken: one of them is too late now
    asker.nothing_came();
    held.release();
    let (long, short) = (asker.next().json(), asker.next().json());
    let (long, short) = if long["id"] == "long" { (long, short) } else { (short, long) };
    assert_eq!((&short["id"], &short["state"], short.get("answer")), (&"short".into(), &"expired".into(), None));
    assert_eq!((&long["id"], &long["state"]), (&"long".into(), &"answered".into()), "it has the gateway's deadline");
}

#[test]
fn a_question_that_came_too_late_is_not_answered() {
    let folder = tempfile::tempdir().unwrap();
    let broker = Broker::start(&folder.path().join("broker"), "");
    let asker = Asker::connect("plc", broker.port, &["sokutou/press-3/answer/#"]);
    let held = HeldStudent::new();
    let settings = ["limits.deadline_ms=100", &held.setting()];
    let mut here = Station::start(&folder.path().join("gateway"), Some(broker.port), &settings);
    here.gateway.wait_for("connected to the broker");
    asker.ask("sokutou/press-3/ask/plc/late", FINE);
    here.counts("sokutou_queue_length", 1.0);
    thread::sleep(Duration::from_millis(200)); // twice its deadline, since it was taken
    held.release();
    let said = asker.next().json();
    assert_eq!((&said["id"], &said["state"], said.get("answer")), (&"late".into(), &"expired".into(), None));
    here.gateway.kill();
    let _gateway = Gateway::start("press-3", broker.port, &folder.path().join("gateway"), &[]);
    asker.ask("sokutou/press-3/ask/plc/late", FINE);
    assert_eq!(asker.next().json(), said, "what was said once stands");
}

#[test]
fn a_broker_that_goes_stalls_slices_or_breaks_off_loses_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let mut broker = Broker::start(&folder.path().join("broker"), "");
    let proxy = Proxy::to(broker.port);
    let settings = ["mqtt.keepalive_s=5"]; // the shortest, since the test waits for it
    let gateway = Gateway::start("press-3", proxy.port, &folder.path().join("gateway"), &settings);
    gateway.wait_for("connected to the broker");
    let asker = Asker::connect("plc", broker.port, &["sokutou/press-3/answer/#"]);
    all_answered(&asker, "press-3", 0..10);

    proxy.set(Way::Sliced);
    all_answered(&asker, "press-3", 10..20);
    proxy.set(Way::Clear);

    for round in 2..4 {
        let ids = 10 * round..10 * round + 10;
        for id in ids.clone() {
            asker.ask(&format!("sokutou/press-3/ask/plc/{id}"), FINE);
            if id % 5 == 0 {
                proxy.reset();
            }
        }
        all_answered(&asker, "press-3", ids); // asked again while the first time is still on its way
    }

    // Half-open: nothing comes and nothing goes, and nobody says so. One question whether it is alive goes unanswered, and that is
    // enough; how long the library waits before it and behind it is looked at in the MQTT module's own tests.
    let before = proxy.connections.load(Ordering::SeqCst);
    let earlier = gateway.log().matches("no connection to the broker").count();
    proxy.set(Way::Stalled);
    let noticed = || gateway.log().matches("no connection to the broker").count() > earlier;
    wait_until(noticed, || "the silence is not noticed".to_owned());
    assert_eq!(proxy.swallowed_pings(), 1, "the gateway asks once whether the broker is alive");
    proxy.set(Way::Clear);
    proxy.reset();
    all_answered(&asker, "press-3", 40..50);
    assert!(proxy.connections.load(Ordering::SeqCst) > before);

    broker.stop();
    thread::sleep(Duration::from_millis(300));
    broker.start_again();
    let asker = Asker::connect("plc-2", broker.port, &["sokutou/press-3/answer/#"]);
    all_answered(&asker, "press-3", 60..70);
}

/// `SOKUTOU_ABSENT_S=120 cargo test --test it gateway::a_broker_that_is_absent` has it away for two minutes.
#[test]
fn a_broker_that_is_absent_for_long_gets_every_answer_when_it_is_back() {
    let absent = std::env::var("SOKUTOU_ABSENT_S").map_or(5, |text| text.parse().unwrap());
    let folder = tempfile::tempdir().unwrap();
    let mut broker = Broker::start(&folder.path().join("broker"), "");
    let gateway = Gateway::start("press-3", broker.port, &folder.path().join("gateway"), &[]);
    gateway.wait_for("connected to the broker");
    let asker = Asker::lasting("plc", broker.port, &["sokutou/press-3/answer/#"]);
    let asked = 40;
    for id in 0..asked {
        asker.ask(&format!("sokutou/press-3/ask/plc/{id}"), if id % 2 == 0 { OVERSTRAIN } else { FINE });
    }
    let mut answers = std::collections::BTreeMap::new();
    let mut note = |message: Message| {
        let first = answers.entry(message.topic.clone()).or_insert_with(|| message.body.clone());
        assert_eq!(*first, message.body, "{} is answered in two ways", message.topic);
        answers.len()
    };
    let before = note(asker.next());
    broker.stop();
    thread::sleep(Duration::from_secs(absent));
    broker.start_again();
    while note(asker.next()) < asked {}
    println!("broker absent for {absent} s after {before} of {asked} answers; all came, none in two ways");
}

#[test]
fn a_second_gateway_of_the_same_name_is_told_loudly() {
    let folder = tempfile::tempdir().unwrap();
    let broker = Broker::start(&folder.path().join("broker"), "");
    let first = Gateway::start("press-3", broker.port, &folder.path().join("first"), &[]);
    first.wait_for("connected to the broker");
    let second = Gateway::start("press-3", broker.port, &folder.path().join("second"), &[]);
    second.wait_for("connected to the broker");
    first.wait_for("another client seems to be called sokutou-press-3 too");
}

#[test]
fn a_small_window_and_small_packets_are_enough() {
    let folder = tempfile::tempdir().unwrap();
    let broker = Broker::start(&folder.path().join("broker"), "max_inflight_messages 1\nmax_packet_size 2000");
    let gateway = Gateway::start("press-3", broker.port, &folder.path().join("gateway"), &["limits.queue=1"]);
    gateway.wait_for("connected to the broker");
    let asker = Asker::connect("plc", broker.port, &["sokutou/press-3/answer/#"]);
    all_answered(&asker, "press-3", 0..30);
}

#[test]
fn what_is_too_long_for_the_broker_goes_in_short_and_ends_no_connection() {
    // The answer has some 350 bytes with its topic, its rationale 850, and the shortest word 190.
    let client = "p".repeat(30);
    for (bytes, whole) in [(520, true), (300, false)] {
        let folder = tempfile::tempdir().unwrap();
        let broker = Broker::start(&folder.path().join("broker"), &format!("max_packet_size {bytes}"));
        let here = Station::start(&folder.path().join("gateway"), Some(broker.port), &[]);
        here.gateway.wait_for("connected to the broker");
        let asker = Asker::connect("plc", broker.port, &["sokutou/press-3/answer/#", "sokutou/press-3/rationale/#"]);
        for id in 1..=3 {
            asker.ask(&format!("sokutou/press-3/ask/{client}/{id}"), OVERSTRAIN);
            let said = asker.next().json();
            let of = (&said["id"], &said["state"], &said["code"]);
            assert_eq!(of, (&id.to_string().into(), &"answered".into(), &3.into()));
            assert_eq!(said.get("answer").is_some(), whole, "{bytes}: {said}");
            asker.ask(&format!("sokutou/press-3/explain/{client}/{id}"), "");
            let why = asker.next();
            assert!(why.topic.contains("/rationale/") && why.json().get("rationale").is_none());
            assert_eq!(why.json()["error"], "the broker takes no message that long");
            let all = here.get(&format!("/v1/answers/{client}/{id}")).json();
            assert_eq!(all["answer"], "過負荷故障", "nothing of it is lost");
        }
        here.counts("sokutou_undelivered", 0.0);
        assert!(!here.gateway.log().contains("no connection"), "{}", here.gateway.log());
    }

    // Not even that fits: it waits for a broker that takes it, others pass by, and the log says what to do.
    let folder = tempfile::tempdir().unwrap();
    let mut broker = Broker::start(&folder.path().join("broker"), "max_packet_size 300");
    let gateway = Gateway::start("press-3", broker.port, &folder.path().join("gateway"), &[]);
    gateway.wait_for("connected to the broker");
    let asker = Asker::lasting("plc", broker.port, &["sokutou/press-3/answer/#"]);
    let long = "p".repeat(64);
    asker.ask(&format!("sokutou/press-3/ask/{long}/{long}"), "rpm=1551?");
    gateway.wait_for("raise its maximum packet size");
    asker.ask("sokutou/press-3/ask/plc/1", "rpm=1551?");
    assert_eq!(asker.next().json()["id"], "1");
    asker.nothing_comes();
    broker.stop();
    broker.set("max_packet_size 2000");
    broker.start_again();
    assert_eq!(asker.next().json()["id"], long);
}

#[test]
fn a_broker_back_with_a_smaller_packet_gets_what_was_on_its_way() {
    let folder = tempfile::tempdir().unwrap();
    let mut broker = Broker::start(&folder.path().join("broker"), "");
    let proxy = Proxy::to(broker.port);
    let held = HeldStudent::new();
    let here = Station::start(&folder.path().join("gateway"), Some(proxy.port), &[&held.setting()]);
    here.gateway.wait_for("connected to the broker");
    let asker = Asker::lasting("plc", broker.port, &["sokutou/press-3/answer/#"]);
    let asked = 10; // answers that are on their way together, fewer than the 20 that mosquitto lets be
    let client = "p".repeat(30); // so that an answer with its topic has some 350 bytes
    (0..asked).for_each(|id| asker.ask(&format!("sokutou/press-3/ask/{client}/{id}"), FINE));
    here.counts("sokutou_queue_length", f64::from(asked));
    proxy.set(Way::Stalled);
    held.release(); // answers pile up before the broker can say what it takes
    here.counts("sokutou_requests_total{source=\"mqtt\",outcome=\"answered\"}", f64::from(asked));
    here.counts("sokutou_undelivered", f64::from(asked));
    broker.stop();
    broker.set("max_packet_size 300");
    broker.start_again();
    proxy.set(Way::Clear); // now the gateway sees that the connection is gone
    let mut left: std::collections::BTreeSet<String> = (0..asked).map(|id| id.to_string()).collect();
    while !left.is_empty() {
        let said = asker.next().json();
        assert_eq!((&said["state"], &said["code"], said.get("answer")), (&"answered".into(), &0.into(), None));
        left.remove(said["id"].as_str().unwrap());
    }
}

#[test]
fn one_of_three_gateways_that_dies_takes_no_question_with_it() {
    let folder = tempfile::tempdir().unwrap();
    let broker = Broker::start(&folder.path().join("broker"), "");
    let asker = Asker::connect("plc", broker.port, &["sokutou/any/answer/#"]);
    let mut gateways: Vec<Gateway> = (1..=3)
        .map(|at| {
            let name = format!("press-{at}");
            Gateway::start(&name, broker.port, &folder.path().join(&name), &["mqtt.share_group=cell"])
        })
        .collect();
    for gateway in &gateways {
        gateway.wait_for("connected to the broker");
    }
    let ask = |id: usize| asker.ask(&format!("sokutou/any/ask/plc/{id}"), FINE);
    let mut answers: Vec<Vec<Value>> = vec![Vec::new(); 120];
    for id in 0..answers.len() {
        ask(id);
        if id == 50 {
            gateways[1].kill();
        }
    }
    // The broker may lose what it had handed to the one that died; who asked asks again, under the same name.
    let mut again = 0;
    let mut until = Instant::now() + PATIENCE;
    while answers.iter().any(Vec::is_empty) {
        assert!(Instant::now() < until, "{} are lost", answers.iter().filter(|said| said.is_empty()).count());
        match asker.messages.recv_timeout(Duration::from_secs(2)) {
            Ok(message) => {
                let mut said = message.json();
                let id: usize = said["id"].as_str().unwrap().parse().unwrap();
                said["time_to_answer_ms"].take(); // two gateways may both answer, each in its own time
                answers[id].push(said);
                until = Instant::now() + PATIENCE; // however long all of them take, as long as they come
            }
            Err(_) => (0..answers.len()).filter(|&id| answers[id].is_empty()).for_each(|id| {
                again += 1;
                ask(id);
            }),
        }
    }
    // The one that died comes back, with what it had acknowledged: that is answered too, and not otherwise.
    let kept = "press-2";
    gateways[1] = Gateway::start(kept, broker.port, &folder.path().join(kept), &["mqtt.share_group=cell"]);
    gateways[1].wait_for("connected to the broker");
    let own = Asker::connect("own", broker.port, &["sokutou/press-2/answer/#"]);
    own.ask("sokutou/press-2/ask/own/last", FINE); // questions are answered in the order in which they came
    own.next();
    while let Ok(message) = asker.messages.recv_timeout(Duration::from_secs(1)) {
        let mut said = message.json();
        let id: usize = said["id"].as_str().unwrap().parse().unwrap();
        said["time_to_answer_ms"].take();
        answers[id].push(said);
    }
    let repeated: usize = answers.iter().map(|said| said.len() - 1).sum();
    println!(
        "one of three killed among {} questions: 0 lost, {again} asked again, {repeated} answers came twice",
        answers.len()
    );
    assert!(answers.iter().flatten().all(|said| said["code"] == 0));
    assert!(answers.iter().all(|said| said.iter().all(|one| one == &said[0])), "an id was answered in two ways");
    let served = |gateway: &Gateway| gateway.log().contains("connected");
    assert!(gateways.iter().all(served));
}

#[test]
fn over_tls_both_sides_prove_who_they_are() {
    use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).display().to_string();
    let named = |name: &str, hosts: &[&str]| {
        let mut params = CertificateParams::new(hosts.iter().map(|&host| host.to_owned()).collect::<Vec<_>>()).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        params
    };
    let authority = |name: &str| {
        let mut params = named(name, &[]);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
    };
    let (ours, theirs) = (authority("plant"), authority("elsewhere"));
    for (name, signer, host) in
        [("broker", &ours, "127.0.0.1"), ("gateway", &ours, "press-3"), ("stranger", &theirs, "press-3")]
    {
        let key = KeyPair::generate().unwrap();
        let certificate = named(name, &[host]).signed_by(&key, signer).unwrap();
        fs::write(path(&format!("{name}.crt")), certificate.pem()).unwrap();
        fs::write(path(&format!("{name}.key")), key.serialize_pem()).unwrap();
    }
    fs::write(path("ours.pem"), ours.pem()).unwrap();
    fs::write(path("theirs.pem"), theirs.pem()).unwrap();
    let port = free_port();
    let settings = format!(
        "listener {port} 127.0.0.1\ncafile {}\ncertfile {}\nkeyfile {}\nrequire_certificate true",
        path("ours.pem"),
        path("broker.crt"),
        path("broker.key")
    );
    let broker = Broker::start(&folder.path().join("broker"), &settings);
    let start = |name: &str, authority: &str, certificate: &str| {
        let said = [
            "mqtt.host=127.0.0.1".to_owned(),
            format!("mqtt.tls.ca_file={}", path(authority)),
            format!("mqtt.tls.client_cert_file={}", path(&format!("{certificate}.crt"))),
            format!("mqtt.tls.client_key_file={}", path(&format!("{certificate}.key"))),
        ];
        let said: Vec<&str> = said.iter().map(String::as_str).collect();
        Gateway::start(name, port, &folder.path().join(name), &said)
    };
    let gateway = start("press-3", "ours.pem", "gateway");
    gateway.wait_for("connected to the broker");
    let asker = Asker::connect("plc", broker.port, &["sokutou/+/answer/#"]);
    all_answered(&asker, "press-3", 0..3);
    // A broker that we do not know, a gateway that the broker does not know, and one that can show its certificate to nobody.
    for end in ["crt", "key"] {
        let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/data/tls/version1.{end}"));
        fs::copy(shipped, path(&format!("version1.{end}"))).unwrap();
    }
    for (name, authority, certificate, why) in [
        (
            "press-4",
            "theirs.pem",
            "gateway",
            "the certificate of the broker is not believed: no authority in mqtt.tls.ca_file",
        ),
        ("press-5", "ours.pem", "stranger", "the broker does not believe this device's own certificate"),
        ("press-6", "ours.pem", "version1", "version1.crt: it is of X.509 version 1, expected version 3"),
    ] {
        let refused = start(name, authority, certificate);
        refused.wait_for("no connection to the broker");
        assert!(!refused.log().contains("connected to the broker"), "{}", refused.log());
        refused.wait_for(why);
    }
}

#[test]
fn a_service_manager_hears_that_it_is_ready_alive_and_stopping() {
    use std::os::linux::net::SocketAddrExt as _;
    use std::os::unix::net::{SocketAddr, UnixDatagram};
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("notify");
    let name = format!("sokutou-test-{}", std::process::id());
    for (variable, address) in [
        (path.display().to_string(), SocketAddr::from_pathname(&path).unwrap()),
        (format!("@{name}"), SocketAddr::from_abstract_name(&name).unwrap()),
    ] {
        let socket = UnixDatagram::bind_addr(&address).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        let said = |wanted: &str| {
            let mut buffer = [0; 1024];
            loop {
                match socket.recv(&mut buffer) {
                    Ok(bytes) if String::from_utf8_lossy(&buffer[..bytes]).contains(wanted) => return,
                    Err(error) if error.kind() != ErrorKind::Interrupted => {
                        panic!("no word to the service manager: {error}")
                    }
                    _ => {}
                }
            }
        };
        let told = [("NOTIFY_SOCKET", variable.as_str()), ("WATCHDOG_USEC", "1500000")];
        let mut gateway = Gateway::start_with("press-3", 1, &folder.path().join(&name), &[], &told);
        said("READY=1");
        said("WATCHDOG=1");
        said("WATCHDOG=1");
        let stop = thread::spawn(move || gateway.stop());
        said("STOPPING=1");
        assert_eq!(stop.join().unwrap(), Some(0));
    }
}

#[test]
fn to_systemd_s_journal_each_line_begins_with_its_level() {
    use std::os::unix::fs::MetadataExt as _;
    let folder = tempfile::tempdir().unwrap();
    let journal = File::create(folder.path().join("serve.log")).unwrap().metadata().unwrap();
    let start = |stream: &str| {
        let mut gateway = Gateway::start_with("press-3", 1, folder.path(), &[], &[("JOURNAL_STREAM", stream)]);
        gateway.wait_for("is ready");
        gateway.wait_for("no connection to the broker");
        assert_eq!(gateway.stop(), Some(0));
        gateway.log()
    };
    let log = start(&format!("{}:{}", journal.dev(), journal.ino()));
    let level = |log: &str, words: &str| log.lines().find(|line| line.contains(words)).unwrap()[..3].to_owned();
    assert_eq!((level(&log, "is ready"), level(&log, "no connection to the broker")), ("<6>".into(), "<4>".into()));
    assert!(log.lines().all(|line| line.starts_with('<')), "{log}");
    assert_eq!(level(&start("1:2"), "is ready").get(..1), Some("["), "it was led elsewhere");
}

#[test]
fn what_the_student_cannot_judge_never_comes_with_a_code_that_a_machine_could_act_on() {
    let folder = tempfile::tempdir().unwrap();
    let broker = Broker::start(&folder.path().join("broker"), "");
    let gateway = Gateway::start("press-3", broker.port, &folder.path().join("gateway"), &[]);
    gateway.wait_for("connected to the broker");
    let asker = Asker::connect("plc", broker.port, &["sokutou/press-3/answer/#"]);
    asker.ask("sokutou/press-3/ask/plc/1", "How do I bake bread?");
    let said = asker.next().json();
    assert_eq!(
        (&said["state"], &said["code"], &said["reason"]),
        (&"pending".into(), &65535.into(), &"out_of_scope".into())
    );
    assert_eq!(said.get("guess"), None);
}
