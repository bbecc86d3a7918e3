//! HTTP with the real daemon: asked, waited for, fetched and reviewed over a socket; and whatever must not come in.

use std::collections::BTreeMap;
use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

use serde_json::{Value, json};
use sokutou::store::{self, Journal, NewCase, Received, ReviewLine};
use sokutou::transport::http::ROUTES;
use sokutou::transport::http::openapi::Route;

use super::gateway::{Asker, Broker, Gateway, PATIENCE};
use super::support::{HeldStudent, NO_FAILURE_EN, NO_FAILURE_JA, failing, free_port, sokutou, wait_until};

const OUT_OF_SCOPE: &str = "Where is the canteen?";
const JSON: (&str, &str) = ("Content-Type", "application/json");

/// A gateway and where it listens.
pub struct Station {
    pub gateway: Gateway,
    pub port: u16,
    folder: PathBuf,
    settings: Vec<String>,
}

pub struct Response {
    pub status: u16,
    headers: BTreeMap<String, String>,
    body: Vec<u8>,
}

impl Response {
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&self.body)))
    }

    fn refused(&self, status: u16, words: &str) {
        let said = String::from_utf8_lossy(&self.body);
        assert_eq!(self.status, status, "{said}");
        assert!(self.json()["error"].as_str().unwrap().contains(words), "{said}");
    }
}

impl Station {
    /// Its broker, if it has one, listens at `mqtt`.
    pub fn start(folder: &Path, mqtt: Option<u16>, settings: &[&str]) -> Self {
        Self::start_with(folder, mqtt, settings, &[])
    }

    pub fn start_with(folder: &Path, mqtt: Option<u16>, settings: &[&str], variables: &[(&str, &str)]) -> Self {
        let port = free_port();
        let mut all: Vec<String> = settings.iter().map(|&setting| setting.to_owned()).collect();
        all.push(format!("http.listen=127.0.0.1:{port}"));
        if mqtt.is_none() {
            all.push("mqtt.enabled=false".to_owned());
        }
        let gateway = Self::launch(folder, mqtt.unwrap_or(1), &all, variables);
        let started = Self { gateway, port, folder: folder.to_owned(), settings: all };
        started.listens();
        started
    }

    /// Ready, with a broker of its own, and a client there who hears every answer.
    fn beside_a_broker(folder: &Path) -> (Broker, Self, Asker) {
        let broker = Broker::start(&folder.join("broker"), "");
        let here = Self::start(&folder.join("gateway"), Some(broker.port), &[]);
        let asker = Asker::connect("plc", broker.port, &["sokutou/press-3/answer/#"]);
        here.is_well();
        here.gateway.wait_for("connected to the broker");
        (broker, here, asker)
    }

    fn launch(folder: &Path, mqtt: u16, settings: &[String], variables: &[(&str, &str)]) -> Gateway {
        let settings: Vec<&str> = settings.iter().map(String::as_str).collect();
        Gateway::start_with("press-3", mqtt, folder, &settings, variables)
    }

    pub fn start_again(&mut self, mqtt: u16) {
        self.gateway = Self::launch(&self.folder, mqtt, &self.settings, &[]);
        self.listens();
    }

    pub fn listens(&self) {
        let listens = || TcpStream::connect(("127.0.0.1", self.port)).is_ok();
        wait_until(listens, || format!("nobody listens:\n{}", self.gateway.log()));
    }

    /// Sends bytes as they are, and reads until the other side closes.
    fn raw(&self, bytes: &[u8]) -> Option<Response> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let _ = stream.write_all(bytes); // may be closed before all is read
        let mut all = Vec::new();
        let _ = stream.read_to_end(&mut all); // may be reset, with the answer before it
        let head = all.windows(4).position(|window| window == b"\r\n\r\n")?;
        let text = String::from_utf8(all[..head].to_vec()).unwrap();
        let mut lines = text.split("\r\n");
        let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
        let header = |line: &str| line.split_once(": ").map(|(name, value)| (name.to_lowercase(), value.to_owned()));
        Some(Response { status, headers: lines.filter_map(header).collect(), body: all[head + 4..].to_vec() })
    }

    fn request(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Response {
        let mut text = format!("{method} {path} HTTP/1.1\r\nConnection: close\r\n");
        if !headers.iter().any(|(name, _)| *name == "Host") {
            text += &format!("Host: 127.0.0.1:{}\r\n", self.port);
        }
        for (name, value) in headers {
            text += &format!("{name}: {value}\r\n");
        }
        if method == "POST" {
            text += &format!("Content-Length: {}\r\n", body.len());
        }
        self.raw((text + "\r\n" + body).as_bytes()).expect("a response")
    }

    pub fn get(&self, path: &str) -> Response {
        self.request("GET", path, &[], "")
    }

    pub fn post(&self, path: &str, body: &Value) -> Response {
        self.request("POST", path, &[JSON], &body.to_string())
    }

    /// Asks without waiting for the answer.
    fn ask_only(&self, body: &Value) -> Response {
        self.request("POST", "/v1/ask", &[JSON, ("Prefer", "wait=0")], &body.to_string())
    }

    /// Asks, and waits for the answer, and for the rationale where it is wanted, as often as it takes: the gateway itself lets
    /// nobody wait for more than half a minute.
    pub fn ask(&self, body: &Value) -> Response {
        let mut said = self.request("POST", "/v1/ask", &[JSON, ("Prefer", "wait=30")], &body.to_string());
        if said.status == 202 {
            said = self.answer(said.json()["location"].as_str().unwrap());
        }
        if said.status == 200 && body["explain"] == true && said.json().get("rationale").is_none() {
            said = self.explain(&format!("/v1/answers/http/{}", said.json()["id"].as_str().unwrap()));
        }
        said
    }

    /// The answer at this place, when it is there.
    fn answer(&self, place: &str) -> Response {
        self.asked_again(|said| said.status == 202, || self.request("GET", place, &[("Prefer", "wait=30")], ""))
    }

    /// The rationale of the answer at this place, when it is there.
    fn explain(&self, place: &str) -> Response {
        let late =
            |said: &Response| said.status == 503 && said.json()["error"].as_str().unwrap().ends_with("ask again");
        self.asked_again(late, || self.post(&format!("{place}/explain"), &json!({})))
    }

    fn asked_again(&self, late: impl Fn(&Response) -> bool, ask: impl Fn() -> Response) -> Response {
        let mut said = None;
        let is_there = || !late(said.insert(ask()));
        wait_until(is_there, || "it never comes".to_owned());
        said.unwrap()
    }

    /// Waits until the gateway is well.
    pub fn is_well(&self) {
        let is_well = || {
            let said = self.get("/healthz");
            match said.status {
                200 => assert_eq!(said.json()["status"], "ok"),
                503 => assert!(is_late(&said) || said.json()["status"] == "impaired", "{}", said.json()),
                other => panic!("{other}: {}", said.json()),
            }
            said.status == 200
        };
        wait_until(is_well, || self.get("/healthz").json().to_string());
    }

    pub fn metrics(&self) -> BTreeMap<String, f64> {
        let said = self.asked_again(is_late, || self.get("/metrics"));
        assert_eq!((said.status, said.headers["content-type"].starts_with("text/plain; version=0.0.4")), (200, true));
        parsed(&String::from_utf8(said.body).unwrap())
    }

    /// Waits until a metric has this value: deliveries are written down a little later.
    pub fn counts(&self, name: &str, value: f64) {
        let is_so = || self.metrics().get(name) == Some(&value);
        wait_until(is_so, || format!("{name} is {:?}, not {value}", self.metrics().get(name)));
    }

    /// A command for the same configuration.
    fn command(&self, words: &[&str]) -> assert_cmd::Command {
        let mut command = sokutou();
        command.args(words).args(["--config", "/dev/null"]);
        command.envs([("http_proxy", "http://127.0.0.1:1"), ("ALL_PROXY", "http://127.0.0.1:1")]); // is not asked
        let journal = format!("journal.folder={}", self.folder.join("journal").display());
        for setting in self.settings.iter().map(String::as_str).chain([journal.as_str()]) {
            command.args(["--set", setting]);
        }
        command
    }

    fn succeeds(&self, words: &[&str]) -> String {
        let output = self.command(words).output().unwrap();
        assert!(output.status.success(), "{words:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }
}

/// Whether the gateway needed longer than its callers wait.
fn is_late(said: &Response) -> bool {
    said.status == 503 && said.json()["error"].as_str().is_some_and(|error| error.ends_with("ask again"))
}

/// Series and their values, from a text that is strictly of Prometheus's form.
fn parsed(text: &str) -> BTreeMap<String, f64> {
    let is_name =
        |name: &str| name.starts_with("sokutou_") && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
    let (mut series, mut kinds, mut family) = (BTreeMap::new(), BTreeMap::new(), String::new());
    assert!(text.ends_with('\n'));
    for line in text.lines() {
        if let Some(help) = line.strip_prefix("# HELP ") {
            let (name, help) = help.split_once(' ').unwrap();
            assert!(is_name(name) && !help.is_empty() && !kinds.contains_key(name), "{line}");
            family = name.to_owned();
            continue;
        }
        if let Some(kind) = line.strip_prefix("# TYPE ") {
            let (name, kind) = kind.split_once(' ').unwrap();
            assert_eq!(name, family);
            assert!(["counter", "gauge", "histogram"].contains(&kind), "{line}");
            assert_eq!(kind == "counter", name.ends_with("_total"), "{line}");
            kinds.insert(name.to_owned(), kind.to_owned());
            continue;
        }
        let (of, value) = line.rsplit_once(' ').unwrap();
        let (name, labels) =
            of.split_once('{').map_or((of, ""), |(name, rest)| (name, rest.strip_suffix('}').unwrap()));
        let base = match kinds[&family].as_str() {
            "histogram" => ["_bucket", "_sum", "_count"].iter().find_map(|end| name.strip_suffix(end)).unwrap(),
            _ => name,
        };
        assert!(is_name(name) && base == family, "{line}");
        for label in labels.split(',').filter(|label| !label.is_empty()) {
            let (label, value) = label.split_once('=').unwrap();
            assert!(
                ["source", "outcome", "le", "name", "version", "serial", "what", "reason"].contains(&label),
                "{line}"
            );
            assert!(value.len() > 2 && value.starts_with('"') && value.ends_with('"'), "{line}");
        }
        assert!(series.insert(of.to_owned(), value.parse().unwrap()).is_none(), "twice: {line}");
    }
    let mut through = 0.0;
    for line in text.lines().filter(|line| line.contains("_bucket{")) {
        let value: f64 = line.rsplit_once(' ').unwrap().1.parse().unwrap();
        assert!(value >= through, "a histogram grows: {line}");
        through = if line.contains("+Inf") { 0.0 } else { value };
    }
    series
}

pub fn schema(document: &str) -> Value {
    let output = sokutou().args(["schema", document]).output().unwrap();
    assert!(output.status.success());
    serde_json::from_slice(&output.stdout).unwrap()
}

fn valid(document: &str, message: &Value) {
    let validator = jsonschema::validator_for(&schema(document)).unwrap();
    let faults: Vec<String> = validator.iter_errors(message).map(|error| error.to_string()).collect();
    assert!(faults.is_empty(), "{faults:?}: {message}");
}

#[test]
fn who_asks_waits_or_fetches_and_gets_one_answer() {
    let folder = tempfile::tempdir().unwrap();
    let held = HeldStudent::new();
    let here = Station::start(folder.path(), None, &["review.audit_share=0.0", &held.setting()]);

    // While the student is loading nobody is answered at once, and everybody in the end.
    for at in 0..8 {
        let said = here.ask_only(&json!({"question": NO_FAILURE_EN, "client": "scanner", "id": at.to_string()}));
        let place = format!("/v1/answers/scanner/{at}");
        assert_eq!((said.status, &said.headers["location"]), (202, &place));
        assert_eq!((&said.json()["location"], &said.json()["id"]), (&place.as_str().into(), &at.to_string().into()));
    }
    held.release();
    for at in 0..8 {
        let answer = here.answer(&format!("/v1/answers/scanner/{at}"));
        assert_eq!((answer.status, &answer.json()["answer"]), (200, &"no failure".into()));
        valid("message", &answer.json());
    }
    here.is_well();

    let body = json!({"question": NO_FAILURE_EN, "id": "once"});
    let first = here.ask(&body);
    assert_eq!((first.status, first.json()["client"].as_str()), (200, Some("http")));
    assert_eq!((&first.json()["code"], &first.json()["state"]), (&0.into(), &"answered".into()));
    assert_eq!(here.ask(&body).body, first.body);
    assert_eq!(here.get("/v1/answers/http/once").body, first.body);
    here.ask(&json!({"question": NO_FAILURE_JA, "id": "once"})).refused(409, "another question");

    // Without an id it gets one; a rationale comes with the answer where it is wanted, and later where it is not.
    let said = here.ask(&json!({"question": NO_FAILURE_JA, "explain": true})).json();
    assert!(said["rationale"].as_str().unwrap().contains("42.8*1551*0.10472=6951.6"), "{said}");
    assert_eq!(said["answer"], "故障なし");
    valid("message", &said);
    let again = here.get(&format!("/v1/answers/http/{}", said["id"].as_str().unwrap()));
    assert_eq!((again.status, again.json().get("rationale")), (200, None));
    let why = here.explain("/v1/answers/http/once");
    assert_eq!((why.status, &why.json()["agreement"]["agrees"]), (200, &true.into()));
    assert_eq!(here.explain("/v1/answers/http/once").body, why.body);

    here.get("/v1/answers/http/never").refused(404, "no question http/never");
    here.request("GET", "/v1/answers/http/never", &[("Prefer", "wait=30")], "").refused(404, "no question");
    here.post("/v1/answers/http/never/explain", &json!({})).refused(404, "no such question");
    here.ask(&json!({"question": " ", "id": "empty"})).refused(400, "not empty");
    here.ask(&json!({"question": "x".repeat(16385)})).refused(400, "at most 16384 bytes, got 16385");
    here.ask(&json!({"question": NO_FAILURE_EN, "id": "a/b"})).refused(400, "letters, digits");
    here.ask(&json!({"id": "x"})).refused(400, "missing field `question`");
    let misspelt = json!({"id": "x", "question": NO_FAILURE_EN, "Task": "process-control"});
    here.ask(&misspelt).refused(400, "unknown field \"Task\", did you mean \"task\"?");

    // Everything adds up: ten cases answered, one of them twice asked, and six refused: an id used twice, and five that are
    // no question.
    let counted = here.metrics();
    let requests =
        |outcome: &str| counted.get(&format!("sokutou_requests_total{{source=\"http\",outcome=\"{outcome}\"}}"));
    assert_eq!(requests("answered"), Some(&10.0));
    assert_eq!((requests("repeated"), requests("refused")), (Some(&1.0), Some(&6.0)));
    assert_eq!(requests("escalated"), None);
    let series = |name: &str| counted[&format!("sokutou_request_duration_seconds_{name}")];
    assert_eq!((series("count{source=\"http\"}"), series("bucket{source=\"http\",le=\"+Inf\"}")), (10.0, 10.0));
    assert!(series("sum{source=\"http\"}") > 0.0);
    assert_eq!((counted["sokutou_queue_length"], counted["sokutou_reviews_open"]), (0.0, 0.0));
    assert!(counted["sokutou_journal_bytes"] > 4096.0);
    assert!(!counted.contains_key("sokutou_mqtt_connected"), "there is no broker");
    here.counts("sokutou_undelivered", 0.0); // told or fetched
}

/// No student can be sure of it: a number belongs to none of the readings.
const OBJECT: &str = r#"{"type":"M","air":298.10,"lot":12345678901234567890,"温度":-1.50E+3}"#;

#[test]
fn an_object_is_a_question_and_its_numbers_stay_as_they_were_written() {
    let folder = tempfile::tempdir().unwrap();
    let (_broker, here, asker) = Station::beside_a_broker(folder.path());

    let post = |question: &str| {
        let body = format!("{{\"id\": \"lot\", \"question\": {question}}}");
        here.request("POST", "/v1/ask", &[JSON, ("Prefer", "wait=30")], &body)
    };
    assert_eq!(post(OBJECT).json()["state"], "pending");
    let spaced = OBJECT.replace(':', ": ").replace(',', ",\n  ").replace("温度", "\\u6e29\\u5ea6");
    assert_eq!(post(&spaced).json()["state"], "pending", "the same object is the same question");
    post(&OBJECT.replace("298.10", "298.1")).refused(409, "another question");
    post("[298.1]").refused(400, "expected a question as text or as an object, got an array");
    post(&format!("{{\"air\": \"{}\"}}", "1".repeat(16385))).refused(400, "at most 16384 bytes");
    asker.ask("sokutou/press-3/ask/plc/1", &format!("{{\"question\": {spaced}}}"));
    assert_eq!(asker.next().json()["state"], "pending");
    for case in 1..=2 {
        assert_eq!(here.get(&format!("/v1/reviews/{case}")).json()["question"], OBJECT);
    }
    let question: Value = serde_json::from_str(OBJECT).unwrap();
    valid("ask", &json!({ "question": question }));
}

#[test]
fn an_answer_nobody_waited_for_is_delivered_when_fetched() {
    let folder = tempfile::tempdir().unwrap();
    let mut here = Station::start(folder.path(), None, &[]);
    here.is_well();
    // Gone before the answer: the connection is closed without reading.
    let body = json!({"question": NO_FAILURE_EN, "id": "gone"}).to_string();
    let port = here.port;
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    write!(
        stream,
        "POST /v1/ask HTTP/1.1\r\nHost: localhost\r\nPrefer: wait=0\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .unwrap();
    here.counts("sokutou_requests_total{source=\"http\",outcome=\"answered\"}", 1.0);
    here.gateway.kill();
    here.start_again(1);
    let answer = here.answer("/v1/answers/http/gone");
    assert_eq!((answer.status, &answer.json()["answer"]), (200, &"no failure".into()));
    here.counts("sokutou_undelivered", 0.0);
}

#[test]
fn what_nobody_fetches_is_given_up_after_a_week_and_can_be_fetched_all_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let limits = store::Limits { disk_bytes_max: 64_000_000 };
    let (mut journal, _) = Journal::open(&folder.path().join("journal"), limits).unwrap();
    let now = SystemTime::now();
    let hours = |hours: u64| Duration::from_secs(hours * 3600);
    for (id, route, age) in [
        ("old", "\"fetched\"", hours(24 * 7 + 1)),
        ("new", "\"fetched\"", hours(24 * 7 - 1)),
        ("topic", "{\"mqtt\":{\"topic\":\"a\"}}", hours(24 * 30)),
    ] {
        let asked = NewCase {
            client: "http".to_owned(),
            request: id.to_owned(),
            task: String::new(),
            question: NO_FAILURE_EN.to_owned(),
            wants_rationale: false,
            route: route.as_bytes().to_vec(),
            source: "http".to_owned(),
            expires_after: None,
            received_at: now - age,
        };
        let step = |batch: &mut store::Batch<'_>| {
            let Received::New(case) = batch.receive(&asked)? else { panic!("it is new") };
            batch.expired(case, now)
        };
        journal.batch(step).unwrap();
    }
    journal.close().unwrap();
    let here = Station::start(folder.path(), None, &[]);
    here.counts("sokutou_undelivered", 2.0);
    assert_eq!(here.get("/v1/answers/http/old").json()["state"], "expired");
    assert_eq!(here.get("/v1/answers/http/new").status, 200);
    assert_eq!(here.get("/v1/answers/http/topic").status, 200);
    here.counts("sokutou_undelivered", 1.0);
    here.counts("sokutou_journal_dropped_total{what=\"undelivered\"}", 1.0);
}

#[test]
fn a_review_lives_from_the_escalated_question_to_the_revision_at_its_asker() {
    let folder = tempfile::tempdir().unwrap();
    let broker = Broker::start(&folder.path().join("broker"), "");
    let mut here = Station::start(&folder.path().join("gateway"), Some(broker.port), &["review.audit_share=0.0"]);
    let asker = Asker::connect("plc", broker.port, &["sokutou/press-3/answer/#", "sokutou/press-3/status"]);
    here.is_well();
    here.gateway.wait_for("connected to the broker");
    let next = || loop {
        let message = asker.next();
        valid(if message.topic.ends_with("/status") { "status" } else { "message" }, &message.json());
        if !message.topic.ends_with("/status") {
            return message.json();
        }
    };

    asker.ask("sokutou/press-3/ask/plc/1", OUT_OF_SCOPE);
    let pending = next();
    assert_eq!((&pending["state"], &pending["rev"], &pending["code"]), (&"pending".into(), &0.into(), &65535.into()));
    let asked = here.ask(&json!({"question": OUT_OF_SCOPE, "id": "2"}));
    assert_eq!((asked.status, &asked.json()["state"]), (200, &"pending".into()));

    // A person sees both, the oldest first, in pages too.
    let open = here.get("/v1/reviews").json();
    valid("review", &open["reviews"][0]);
    assert_eq!((open["reviews"][0]["case"].clone(), &open["reviews"][1]["client"]), (1.into(), &"http".into()));
    assert_eq!((&open["next"], &open["reviews"][0]["question"]), (&Value::Null, &OUT_OF_SCOPE.into()));
    let page = here.get("/v1/reviews?state=open&limit=1").json();
    assert_eq!((&page["next"], page["reviews"].as_array().unwrap().len()), (&1.into(), 1));
    assert_eq!(here.get("/v1/reviews?after=1&limit=1").json()["reviews"][0]["case"], 2);
    assert_eq!(here.get("/v1/reviews?state=resolved").json()["reviews"], json!([]));
    here.get("/v1/reviews?limit=1000").refused(400, "from 1 to 100");
    here.get("/v1/reviews?state=closed").refused(400, "closed");
    here.get("/v1/reviews?stat=open").refused(400, "unknown field");
    here.get("/v1/reviews/99").refused(404, "no case 99");
    here.get("/v1/reviews/x").refused(400, "x");
    let counted = here.metrics();
    assert_eq!((counted["sokutou_reviews_open"], counted["sokutou_mqtt_connected"]), (2.0, 1.0));
    assert!(counted["sokutou_reviews_oldest_age_seconds"] > 0.0);

    // One person at a time; a correction that the student could not say is none.
    let taken = here.post("/v1/reviews/1/claim", &json!({"reviewer": "sato"}));
    assert_eq!((taken.status, &taken.json()["reviews"][0]["claimed_by"]), (200, &"sato".into()));
    here.post("/v1/reviews/1/claim", &json!({"reviewer": "ito"})).refused(409, "sato has taken");
    here.post("/v1/reviews/99/claim", &json!({"reviewer": "ito"})).refused(404, "no case 99");
    let wrong = |correction: &str| json!({"verdict": "wrong", "correction": correction, "reviewer": "sato"});
    here.post("/v1/reviews/1/resolve", &wrong("gremlins")).refused(400, "among OK, HDF, PWF, OSF, TWR, MULTI, ASK");
    here.post("/v1/reviews/1/resolve", &json!({"verdict": "wrong"})).refused(400, "expected a correction");
    here.post("/v1/reviews/1/resolve", &json!({"verdict": "right", "correction": "OK"})).refused(400, "no correction");
    here.post("/v1/reviews/1/resolve", &json!({"verdict": "maybe"})).refused(400, "maybe");
    here.post("/v1/reviews/1/resolve", &json!({"verdict": "right", "by": "sato"})).refused(400, "unknown field");
    here.post("/v1/reviews/99/resolve", &json!({"verdict": "right"})).refused(404, "no case 99");
    asker.messages.try_iter().for_each(|message| assert!(message.topic.ends_with("/status")));

    // By the label that stands on the floor; the PLC that asked gets the code.
    let resolved = here.post("/v1/reviews/1/resolve", &wrong("過負荷故障"));
    assert_eq!((resolved.status, &resolved.json()["reviews"][0]["correction"]), (200, &"OSF".into()));
    valid("review", &resolved.json());
    let reviewed = next();
    assert_eq!((&reviewed["state"], &reviewed["rev"], &reviewed["id"]), (&"reviewed".into(), &1.into(), &"1".into()));
    assert_eq!((&reviewed["code"], &reviewed["answer"]), (&3.into(), &"overstrain failure".into()));
    assert_eq!(here.get("/v1/answers/plc/1").json(), reviewed);
    assert_eq!(here.get("/v1/reviews?state=resolved").json()["reviews"][0]["case"], 1);

    // From the command line, through the daemon; who asked over HTTP fetches it.
    here.counts("sokutou_undelivered", 0.0);
    let listed: Value = serde_json::from_str(&here.succeeds(&["review", "list", "--json"])).unwrap();
    assert_eq!((listed.as_array().unwrap().len(), &listed[0]["case"]), (1, &2.into()));
    assert!(here.succeeds(&["review", "list"]).contains("要確認"));
    let (exit, said) = failing(&mut here.command(&["review", "resolve", "2", "wrong", "--correction", "gremlins"]));
    assert_eq!(exit, 3);
    assert!(said.contains("among OK, HDF"), "{said}");
    assert_eq!(failing(&mut here.command(&["review", "show", "99"])).0, 3);
    let said = here.succeeds(&["review", "resolve", "2", "right", "--reviewer", "ito"]);
    assert!(said.contains("right 正しい (ito)") && said.contains("choices 選択肢: OK (故障なし)"), "{said}");
    here.counts("sokutou_undelivered", 1.0);
    let fetched = here.get("/v1/answers/http/2").json();
    assert_eq!((&fetched["rev"], &fetched["verdict"]), (&1.into(), &"right".into()));
    here.counts("sokutou_undelivered", 0.0);

    // The export is marked only when its file is safe, and never written over.
    let page = here.get("/v1/reviews/export?limit=1");
    assert_eq!((page.headers["sokutou-through"].as_str(), page.headers["sokutou-more"].as_str()), ("1", "true"));
    let studio = here.get("/v1/reviews/export?format=labelstudio").json();
    assert_eq!((studio.as_array().unwrap().len(), &studio[0]["data"]["question"]), (2, &OUT_OF_SCOPE.into()));
    here.post("/v1/reviews/exported", &json!({"through": 3})).refused(409, "through review 2 at most");
    let out = folder.path().join("reviews.jsonl");
    let out = out.to_str().unwrap();
    let (exit, _) = failing(&mut here.command(&["review", "export", "--out", "/nowhere/reviews.jsonl"]));
    assert_eq!(exit, 1);
    assert!(here.succeeds(&["review", "export", "--out", out]).contains("2 reviews"));
    for line in fs::read_to_string(out).unwrap().lines() {
        valid("review-export", &serde_json::from_str(line).unwrap());
    }
    let lines: Vec<ReviewLine> =
        fs::read_to_string(out).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!((lines[0].verdict.as_str(), lines[0].correction.as_deref()), ("wrong", Some("OSF")));
    assert_eq!((lines[1].verdict.as_str(), lines[1].reviewer.as_deref()), ("right", Some("ito")));
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 3, "nothing is left beside it");
    let (exit, said) = failing(&mut here.command(&["review", "export", "--out", out]));
    assert!(exit == 3 && said.contains("exists"), "{said}");
    let more = folder.path().join("studio");
    let more = more.to_str().unwrap();
    assert!(here.succeeds(&["review", "export", "--out", more]).contains("no reviews"));
    assert!(
        here.succeeds(&["review", "export", "--all", "--format", "labelstudio", "--out", more]).contains("2 reviews")
    );
    let of_project = |name: &str| fs::read_to_string(Path::new(more).join(name)).unwrap();
    assert_eq!(serde_json::from_str::<Value>(&of_project("machine-failure.json")).unwrap(), studio);
    let interface = of_project("machine-failure.xml");
    assert!(interface.starts_with("<View>") && interface.contains("<Choice value=\"OSF\"/>"), "{interface}");
    assert_eq!(here.metrics()["sokutou_reviews_unexported"], 0.0);

    // Without the daemon the commands open the journal themselves; it delivers what they wrote when it is there again.
    assert_eq!(here.gateway.stop(), Some(0));
    let shown: Value = serde_json::from_str(&here.succeeds(&["review", "show", "1", "--json"])).unwrap();
    assert_eq!(shown["choices"][3]["ja"], "過負荷故障");
    assert_eq!(failing(&mut here.command(&["review", "resolve", "1", "wrong", "--correction", "gremlins"])).0, 3);
    here.succeeds(&["review", "resolve", "1", "unclear"]);
    here.start_again(broker.port);
    let reviewed = next();
    assert_eq!((&reviewed["rev"], &reviewed["verdict"]), (&2.into(), &"unclear".into()));
    assert_eq!(here.get("/v1/answers/plc/1").json(), reviewed);
    here.is_well();
}

#[test]
fn what_may_not_come_in_is_told_why_and_the_gateway_stays_well() {
    let folder = tempfile::tempdir().unwrap();
    let here = Station::start(folder.path(), None, &["http.hosts=[\"press.local\"]"]);
    here.is_well();
    let health = |headers: &[(&str, &str)]| here.request("GET", "/healthz", headers, "");

    // DNS that was bent to this box still says another name.
    for host in [
        "evil.example",
        "evil.example:8620",
        "127.0.0.1.evil.example",
        "10.0.0.1",
        "",
        "[::2]:80",
        "press.local.",
        "a b",
    ] {
        let said = health(&[("Host", host)]);
        assert_eq!(said.status, 421, "{host}");
        said.refused(421, "expected a Host");
    }
    for host in
        ["localhost", "LOCALHOST:9", "127.0.0.1", "127.0.0.2:80", "[::1]", "[::1]:80", "press.local", "Press.Local:80"]
    {
        assert_eq!(health(&[("Host", host)]).status, 200, "{host}");
    }
    let absolute =
        here.raw(b"GET http://evil.example/healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    absolute.unwrap().refused(421, "evil.example");
    here.raw(b"GET /healthz HTTP/1.0\r\n\r\n").unwrap().refused(400, "expected a Host header");
    let two = here.raw(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\nConnection: close\r\n\r\n");
    assert_eq!(two.unwrap().status, 400);

    // A page of another site.
    let own = format!("http://127.0.0.1:{}", here.port);
    let question = json!({"question": NO_FAILURE_EN, "id": "foreign"}).to_string();
    for headers in [
        [("Origin", "http://evil.example")],
        [("Origin", "null")],
        [("Sec-Fetch-Site", "cross-site")],
        [("Sec-Fetch-Site", "same-site")],
    ] {
        here.request("POST", "/v1/ask", &[headers[0], JSON], &question).refused(403, "another site");
        let said = here.request("GET", "/v1/answers/http/foreign", &headers, "");
        said.refused(403, "another site");
        assert!(!said.headers.keys().any(|name| name.starts_with("access-control")));
    }
    for kind in ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", "application/jsonx"] {
        here.request("POST", "/v1/ask", &[("Content-Type", kind)], &question).refused(415, "application/json");
    }
    here.request("POST", "/v1/ask", &[], &question).refused(415, "application/json");
    here.request("POST", "/v1/answers/http/foreign/explain", &[], "").refused(415, "application/json");
    for coding in ["gzip", "br", "deflate", "zstd", "identity, gzip"] {
        let said = here.request("POST", "/v1/ask", &[JSON, ("Content-Encoding", coding)], &question);
        said.refused(415, "Content-Encoding");
    }
    let preflight = here.request("OPTIONS", "/v1/ask", &[("Access-Control-Request-Method", "POST")], "");
    preflight.refused(405, "GET or POST");
    assert!(!preflight.headers.keys().any(|name| name.starts_with("access-control")));
    here.get("/v1/answers/http/foreign").refused(404, "no question");
    let kind = ("Content-Type", "application/json; charset=utf-8");
    let said = here.request("POST", "/v1/ask", &[("Origin", &own), ("Sec-Fetch-Site", "same-origin"), kind], &question);
    assert_eq!(said.status, 200);
    let marked = format!("\u{feff}{question}");
    let said = here.request("POST", "/v1/ask", &[JSON, ("Content-Encoding", "identity")], &marked);
    assert_eq!(said.status, 200, "a byte order mark is read over");

    // Too much, too little, and nothing of the kind.
    here.get("/v2").refused(404, "no such path");
    here.request("DELETE", "/v1/reviews", &[], "").refused(405, "GET or POST");
    here.get("/v1/ask").refused(405, "no such method here");
    for (method, path, allowed) in [
        ("GET", "/v1/ask", "POST"),
        ("DELETE", "/v1/reviews", "GET,HEAD"),
        ("PUT", "/healthz", "GET,HEAD"),
        ("OPTIONS", "/metrics", "GET,HEAD"),
        ("HEAD", "/v1/answers/http/foreign", "GET"), // it would count as delivered what nobody has read
    ] {
        let said = here.request(method, path, &[], "");
        assert_eq!((said.status, said.headers["allow"].as_str()), (405, allowed), "{method} {path}");
    }
    for path in ["/healthz", "/metrics", "/v1/reviews"] {
        let (head, get) = (here.request("HEAD", path, &[], ""), here.get(path));
        assert_eq!((head.status, head.body.len()), (200, 0), "{path}");
        assert_eq!(head.headers["content-type"], get.headers["content-type"]);
    }
    here.request("POST", "/v1/ask", &[JSON], &"x".repeat(200_000)).refused(413, "at most 131072 bytes");
    let long = "x".repeat(40_000);
    assert_eq!(here.request("GET", "/healthz", &[("X-Long", &long)], "").status, 431);
    let many: Vec<String> = (0..100).map(|at| format!("X-{at}")).collect();
    let many: Vec<(&str, &str)> = many.iter().map(|name| (name.as_str(), "x")).collect();
    assert_eq!(here.request("GET", "/healthz", &many, "").status, 431);
    for body in [
        "",
        "{",
        "[]",
        "null",
        "\"text\"",
        "{\"question\":1}",
        "{\"question\":\"x\",\"explain\":\"yes\"}",
        "\u{feff}{}",
    ] {
        here.request("POST", "/v1/ask", &[JSON], body).refused(400, "expected {\"question\"");
        here.request("POST", "/v1/reviews/1/resolve", &[JSON], body).refused(400, "expected {\"verdict\"");
        here.request("POST", "/v1/reviews/exported", &[JSON], body).refused(400, "expected {\"through\"}");
    }
    for path in [
        "/v1/answers/a%2Fb/c",
        "/v1/answers/%ff/c",
        "/v1/reviews/-",
        "/v1/reviews/99999999999999999999",
        "/v1/reviews?after=x",
    ] {
        assert_eq!(here.get(path).status, 400, "{path}");
    }
    let mut random = fastrand::Rng::with_seed(11);
    for _ in 0..300 {
        let mut bytes: Vec<u8> = match random.u8(..3) {
            0 => (0..random.usize(1..600)).map(|_| random.u8(..)).collect(),
            _ => format!(
                "POST /v1/ask HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{}: {}\r\nContent-Length: {}\r\n\r\n{question}",
                JSON.0, JSON.1, question.len()
            )
            .into_bytes(),
        };
        for _ in 0..random.usize(..4) {
            let at = random.usize(..bytes.len());
            bytes[at] = random.u8(..);
        }
        let mut stream = TcpStream::connect(("127.0.0.1", here.port)).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let _ = stream.write_all(&bytes);
        let _ = stream.shutdown(std::net::Shutdown::Write);
        let _ = stream.read_to_end(&mut Vec::new());
    }
    here.is_well();

    // More connections than there are places, and those that never say what they want: they are sent away in time.
    let idle: Vec<TcpStream> = (0..100).map(|_| TcpStream::connect(("127.0.0.1", here.port)).unwrap()).collect();
    let slow_body =
        b"POST /v1/ask HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 9\r\n\r\n{";
    here.raw(slow_body).unwrap().refused(408, "within");
    let mut half = TcpStream::connect(("127.0.0.1", here.port)).unwrap();
    half.set_read_timeout(Some(PATIENCE)).unwrap();
    half.write_all(b"GET /healthz HTTP/1.1\r\nHo").unwrap();
    assert_eq!(half.read_to_end(&mut Vec::new()).unwrap(), 0, "closed without an answer");
    drop(idle);
    here.is_well();
    assert!(!here.gateway.log().contains("panicked"));
}

#[test]
fn an_unknown_task_is_refused_and_uses_up_no_id() {
    let folder = tempfile::tempdir().unwrap();
    let (_broker, here, asker) = Station::beside_a_broker(folder.path());
    let asked = |task: &str| json!({"id": "x", "task": task, "question": NO_FAILURE_EN});
    here.ask(&asked("machine_failure")).refused(400, "did you mean machine-failure?");
    here.get("/v1/answers/http/x").refused(404, "no question http/x");
    assert_eq!(here.ask(&asked("machine-failure")).json()["answer"], "no failure");
    here.ask(&asked("machine_failure")).refused(409, "another question");

    asker.ask("sokutou/press-3/ask/plc/1", &asked("weather").to_string());
    let refused = asker.next().json();
    assert_eq!((&refused["id"], &refused["state"]), (&"1".into(), &"error".into()));
    assert!(refused["error"].as_str().unwrap().contains("no task \"weather\", expected one of"), "{refused}");
    asker.ask("sokutou/press-3/ask/plc/1", &asked("machine-failure").to_string());
    assert_eq!(asker.next().json()["answer"], "no failure");
    let counted = here.metrics();
    assert_eq!(counted["sokutou_requests_total{source=\"mqtt\",outcome=\"refused\"}"], 1.0);
}

#[test]
fn what_askers_write_does_nothing_to_the_terminal_of_who_reads_it() {
    let folder = tempfile::tempdir().unwrap();
    let broker = Broker::start(&folder.path().join("broker"), "");
    let here = Station::start(&folder.path().join("gateway"), Some(broker.port), &["review.audit_share=0.0"]);
    here.is_well();
    here.gateway.wait_for("connected to the broker");
    let acts = |text: &str| {
        text.chars().any(|c| (c.is_control() && c != '\n') || "\u{202e}\u{2066}\u{2028}\u{200f}".contains(c))
    };
    let question =
        "\u{1b}]0;PWNED\u{7}\u{1b}[2J\u{9b}31m hello \u{202e} fish \u{2066}\u{2028}\r\nreview 確認 1: right 正しい";
    assert!(acts(question));
    assert_eq!(here.ask(&json!({"question": question, "id": "1"})).json()["state"], "pending");

    let list = here.succeeds(&["review", "list"]);
    assert!(list.contains("\\u001b]0;PWNED\\u0007"), "{list}");
    let show = here.succeeds(&["review", "show", "1"]);
    assert!(show.contains("\\u202e fish \\u2066"), "{show}");
    assert_eq!(show.lines().filter(|line| line.starts_with("review 確認 1: ")).count(), 1, "none but our own: {show}");
    let said = here.succeeds(&["review", "resolve", "1", "unclear", "--reviewer", "\u{1b}[31mYu\u{202e}"]);
    assert!(said.contains("\\u001b[31mYu\\u202e"), "{said}");
    let shown = here.succeeds(&["review", "show", "1", "--json"]);
    assert_eq!(serde_json::from_str::<Value>(&shown).unwrap()["question"], question);
    for text in [&list, &show, &said, &shown] {
        assert!(!acts(text), "{text:?}");
    }

    // The log repeats topics.
    let asker = Asker::connect("plc", broker.port, &["sokutou/press-3/answer/#"]);
    asker.ask("sokutou/press-3/ask/\u{202e}clp/1", "?");
    here.gateway.wait_for("/\\u202eclp/");
    assert!(!acts(&here.gateway.log()), "{:?}", here.gateway.log());

    // Nor do the errors of a command that is given such a text.
    let run = |words: &[&str]| failing(sokutou().args(words));
    let (exit, said) = run(&["ask", "--\u{1b}[2J\u{202e}"]);
    assert!(exit == 2 && !acts(&said), "{said:?}");
    let (exit, said) = run(&["ask", "--task", "\u{1b}[2J\u{202e}", "?"]);
    assert!(exit == 2 && !acts(&said), "{said:?}");
    let (exit, said) = run(&["serve", "--set", "mqtt.root=\u{1b}[2J\u{202e}", "--set", "\u{9b}31m=1"]);
    assert!(exit == 78 && !acts(&said), "{said:?}");
}

/// What other connections do must not be felt by who asks how the gateway is. These hold their places for 10 s and more.
#[test]
fn health_is_told_at_once_whatever_other_connections_do() {
    const OTHERS: usize = 200; // more than there are places
    const AT_ONCE: Duration = Duration::from_secs(5); // on the slowest machine, and half of what anybody may take for a head
    let folder = tempfile::tempdir().unwrap();
    let (secret, held) = (folder.path().join("token"), HeldStudent::new());
    fs::write(&secret, "open sesame\n").unwrap();
    let token = format!("http.token_file={}", secret.display());
    let here = Station::start(&folder.path().join("gateway"), None, &[&token, &held.setting()]);
    let question = json!({"question": NO_FAILURE_EN}).to_string();
    let ask = format!(
        "POST /v1/ask HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer open sesame\r\nPrefer: wait=30\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\n\r\n",
        question.len()
    );
    let poll = "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n";
    let without_token = poll.replace("healthz", "v1/reviews");
    for (what, request, again) in [
        ("pollers that keep their connections", poll, true),
        ("callers without a token", &without_token, true),
        ("those who say nothing", "", false),
        ("slow heads", "GET /healthz HTTP/1.1\r\nX: ", false),
        ("slow bodies", &ask, false),
        ("those who wait for an answer", &(ask.clone() + &question), false),
    ] {
        let mut others: Vec<TcpStream> = Vec::new();
        for _ in 0..OTHERS {
            let mut other = TcpStream::connect(("127.0.0.1", here.port)).unwrap();
            let _ = other.write_all(request.as_bytes());
            others.push(other);
        }
        for round in 0..3 {
            if again {
                others.iter_mut().for_each(|other| drop(other.write_all(request.as_bytes())));
            }
            let asked = Instant::now();
            let status = here.get("/healthz").status;
            assert!([200, 503].contains(&status), "{status}");
            assert!(asked.elapsed() < AT_ONCE, "beside {what}, round {round}: {:?}", asked.elapsed());
        }
    }
    held.release();
    assert!(!here.gateway.log().contains("panicked"));
}

#[test]
fn a_token_opens_everything_but_health_and_health_is_honest() {
    let folder = tempfile::tempdir().unwrap();
    let secret = folder.path().join("token");
    fs::write(&secret, "open sesame\n").unwrap();
    let nowhere = format!("student.bundle=\"{}\"", folder.path().join("none").display());
    let token = format!("http.token_file={}", secret.display());
    let here = Station::start(&folder.path().join("gateway"), Some(1), &[&nowhere, &token]);
    for shown in [
        "",
        "Bearer",
        "Bearer wrong",
        "Bearer open sesam",
        "Bearer open sesamf",
        "Bearer open sesamee",
        "Basic open sesame",
        "open sesame",
    ] {
        let said = here.request("GET", "/v1/reviews", &[("Authorization", shown)], "");
        said.refused(401, "http.token_file");
        assert_eq!(said.headers["www-authenticate"], "Bearer");
    }
    for path in ["/v1/reviews", "/metrics", "/v1/answers/a/b", "/nothing", "/healthz/"] {
        here.get(path).refused(401, "Authorization: Bearer");
    }
    let open = ("Authorization", "bearer open sesame");
    assert_eq!(here.request("GET", "/v1/reviews", &[open], "").status, 200);
    assert_eq!(here.succeeds(&["review", "list", "--json"]).trim(), "[]");

    here.gateway.wait_for("no student: ");
    let health = here.get("/healthz");
    assert_eq!(health.status, 503);
    let expected =
        json!({"status": "impaired", "student": null, "journal": "ok", "broker": "disconnected", "clock": "set"});
    assert_eq!(health.json(), expected);
    let question = json!({"question": NO_FAILURE_EN}).to_string();
    let said = here.request("POST", "/v1/ask", &[open, JSON, ("Prefer", "wait=30")], &question);
    assert_eq!((said.status, &said.json()["state"]), (200, &"error".into()));
    valid("message", &said.json());
    let metrics = here.request("GET", "/metrics", &[open], "");
    let counted = parsed(&String::from_utf8(metrics.body).unwrap());
    assert_eq!(counted["sokutou_requests_total{source=\"http\",outcome=\"failed\"}"], 1.0);
    assert_eq!((counted["sokutou_mqtt_connected"], counted["sokutou_mqtt_reconnects_total"]), (0.0, 0.0));
    assert!(!here.gateway.log().contains("sesame"));
}

#[test]
fn an_address_that_is_taken_keeps_nothing_else_from_running_and_stop_ends_those_who_wait() {
    let folder = tempfile::tempdir().unwrap();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let listen = format!("http.listen={}", taken.local_addr().unwrap());
    let mut gateway = Gateway::start("press-3", 1, &folder.path().join("a"), &["mqtt.enabled=false", &listen]);
    gateway.wait_for("another program has it");
    gateway.wait_for("is ready");
    assert_eq!(gateway.stop(), Some(0));

    let nobody = format!("student.bundle=\"{}\"", folder.path().join("none").display());
    let mut here = Station::start(&folder.path().join("b"), None, &[&nobody]);
    let _half = TcpStream::connect(("127.0.0.1", here.port)).unwrap();
    assert_eq!(here.gateway.stop(), Some(0));
    let (exit, said) = failing(
        sokutou()
            .args(["review", "list", "--config", "/dev/null", "--set"])
            .arg(format!("journal.folder={}", folder.path().join("c").display())),
    );
    assert!(exit == 3 && said.contains("there is no journal"), "{said}");
}

#[test]
fn the_documents_list_every_route_and_topic_and_the_schemas_refuse_what_is_none() {
    let openapi = schema("openapi");
    let mut listed = 0;
    for Route { method, path, .. } in ROUTES {
        let operation = &openapi["paths"][path][method.as_str().to_lowercase()];
        assert!(operation["summary"].is_string() && operation["responses"]["default"].is_object(), "{method} {path}");
        assert_eq!(operation["requestBody"].is_object(), method == "POST" && !path.ends_with("/explain"), "{path}");
        listed += 1;
    }
    let all: usize = openapi["paths"].as_object().unwrap().values().map(|at| at.as_object().unwrap().len()).sum();
    assert_eq!(listed, all);

    let asyncapi = schema("asyncapi");
    let source = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("src/transport/mqtt/mod.rs")).unwrap();
    let mut topics: Vec<String> = source
        .lines()
        .filter_map(|line| line.strip_prefix("//! | `")?.split_once('`'))
        .map(|(topic, _)| topic.replace('<', "{").replace('>', "}"))
        .collect();
    let channels = asyncapi["channels"].as_object().unwrap();
    let mut addresses: Vec<String> =
        channels.values().filter_map(|channel| channel["address"].as_str().map(str::to_owned)).collect();
    topics.sort();
    addresses.sort();
    assert_eq!((topics.len(), topics), (8, addresses));
    for document in [&openapi, &asyncapi] {
        references(document, document);
    }

    let golden = include_str!("../data/messages.jsonl");
    for line in golden.lines() {
        let sample: Value = serde_json::from_str(line).unwrap();
        let (document, message) = sample.as_object().unwrap().iter().next().unwrap();
        valid(document, message);
    }
    assert!(golden.lines().count() > 8);
    let shipped = include_str!("../../models/bundles/shop-floor-1.2.0/manifest.json");
    let manifest: Value = serde_json::from_str(shipped).unwrap();
    valid("manifest", &manifest);
    let [mut unknown, mut earlier] = [manifest.clone(), manifest];
    unknown["tasks"][0]["calibration"]["more"] = 1.into();
    earlier["format"] = 2.into();
    for (document, message) in [
        ("message", json!({"v": 1, "client": "plc", "id": "1", "rev": 0})),
        ("message", json!({"v": 1, "client": "plc", "id": "1", "rev": -1, "state": "answered"})),
        ("message", json!({"v": 1, "client": "plc", "id": "1", "rev": 0, "state": "answered", "code": 65536})),
        ("message", json!({"v": 1, "client": "plc", "id": "1", "rev": 0, "state": "done"})),
        ("ask", json!({"id": "1"})),
        ("status", json!({"v": 1, "gateway": "press-3"})),
        ("review", json!({"case": "1"})),
        ("manifest", unknown),
        ("manifest", earlier),
        ("review-export", json!({"id": "1"})),
    ] {
        assert!(!jsonschema::is_valid(&schema(document), &message), "{document}: {message}");
    }
}

/// Every `$ref` leads somewhere.
fn references(part: &Value, document: &Value) {
    match part {
        Value::Object(map) => {
            if let Some(to) = map.get("$ref").and_then(Value::as_str) {
                assert!(document.pointer(to.strip_prefix('#').unwrap()).is_some(), "{to}");
            }
            map.values().for_each(|value| references(value, document));
        }
        Value::Array(list) => list.iter().for_each(|value| references(value, document)),
        _ => {}
    }
}
