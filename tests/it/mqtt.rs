//! The broker's side of the gateway where things are not as they should be: it stops in the middle, names are odd, messages are
//! unreadable or come in floods, and it moves to another place.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use rumqttc::PublishOptions;
use rumqttc::mqttbytes::QoS;

use crate::gateway::{Asker, Broker, FINE, Gateway, OVERSTRAIN};
use crate::http::{Station, schema};
use crate::support::wait_until;

#[test]
fn a_gateway_that_stops_leaves_no_question_of_its_group_unanswered() {
    let folder = tempfile::tempdir().unwrap();
    let broker = Broker::start(&folder.path().join("broker"), "");
    let asker = Asker::connect("plc", broker.port, &["sokutou/any/answer/#", "sokutou/press-2/status"]);
    let start = |name: &str| {
        let gateway = Gateway::start(name, broker.port, &folder.path().join(name), &["mqtt.share_group=cell"]);
        gateway.wait_for("connected to the broker");
        gateway.wait_for("is ready");
        gateway
    };
    let (_first, mut second) = (start("press-1"), start("press-2"));
    let asked = 100;
    for id in 0..asked {
        asker.ask(&format!("sokutou/any/ask/plc/{id}"), if id % 3 == 0 { OVERSTRAIN } else { FINE });
    }
    let mut answered = BTreeSet::new();
    let (mut stopping, mut stopped) = (false, false);
    while answered.len() < asked || !stopped {
        let said = asker.next().json();
        match said["id"].as_str() {
            Some(id) => drop(answered.insert(id.parse::<usize>().unwrap())),
            None => stopped |= said["state"] == "stopped",
        }
        if !answered.is_empty() && !stopping {
            stopping = true;
            assert_eq!(second.stop(), Some(0));
            // On a machine that is too slow for it the rest follows after the next start, and the log says so.
            if second.log().contains("not every question is answered yet") {
                second = start("press-2");
            }
        }
    }
}

#[test]
fn a_stop_under_load_is_soon_over_and_logs_no_error() {
    let folder = tempfile::tempdir().unwrap();
    let broker = Broker::start(&folder.path().join("broker"), "");
    let asker = Asker::connect("plc", broker.port, &["sokutou/press-3/answer/#"]);
    let mut id = 0;
    for _ in 0..4 {
        let mut gateway = Gateway::start("press-3", broker.port, &folder.path().join("gateway"), &[]);
        gateway.wait_for("connected to the broker");
        for _ in 0..100 {
            asker.ask(&format!("sokutou/press-3/ask/plc/{id}"), OVERSTRAIN);
            asker.ask(&format!("sokutou/press-3/explain/plc/{id}"), "");
            id += 1;
        }
        asker.next();
        let begun = Instant::now();
        assert_eq!(gateway.stop(), Some(0));
        println!("stopped in {:?}", begun.elapsed());
        assert!(begun.elapsed() < Duration::from_secs(90), "systemd kills it after that");
        let log = gateway.log();
        let error = |line: &&str| line.contains(" ERROR ") || line.contains("onnx") || line.contains("[E:");
        assert_eq!(log.lines().find(error), None, "{log}");
    }
}

#[test]
fn whoever_names_itself_oddly_is_answered_and_whoever_cannot_be_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let broker = Broker::start(&folder.path().join("broker"), "");
    let here = Station::start(&folder.path().join("gateway"), Some(broker.port), &[]);
    here.gateway.wait_for("connected to the broker");
    let asker = Asker::connect("plc", broker.port, &["sokutou/press-3/answer/#", "sokutou/press-3/rationale/#"]);
    for client in ["AA:BB:CC:00:11:22", "Channel1.Press3", "line 3", "プレス3", &"圧".repeat(64)] {
        asker.ask(&format!("sokutou/press-3/ask/{client}/部品 1.1"), FINE);
        let answer = asker.next();
        assert_eq!(answer.topic, format!("sokutou/press-3/answer/{client}/部品 1.1"));
        let said = answer.json();
        assert_eq!(
            (&said["client"], &said["id"], &said["state"]),
            (&client.into(), &"部品 1.1".into(), &"answered".into())
        );
    }
    let by_http = "/v1/answers/AA:BB:CC:00:11:22/%E9%83%A8%E5%93%81%201.1";
    assert_eq!(here.get(by_http).json()["state"], "answered", "every transport knows it by this name");
    asker.ask("sokutou/press-3/explain/line 3/部品 1.1", "");
    assert!(asker.next().json()["rationale"].is_string());

    // Every refusal is told where who asked listens, in the form that the schema gives, and counted.
    let message = schema("message");
    let validator = jsonschema::validator_for(&message).unwrap();
    let refused = [
        ("plc", "?", "CLIENT/REQUEST"),
        ("a/b/c", "?", "CLIENT/REQUEST"),
        ("plc-1/", "?", "1 to 64 characters"),
        ("plc-1/t1", r#"{"type":"L","air":302.3,"wear":60}"#, "question"),
        ("plc-1/t2", "{\"question\"", "expected"),
        ("plc-1/t3", "", "expected a question that is not empty"),
    ];
    for (at, body, why) in refused {
        asker.ask(&format!("sokutou/press-3/ask/{at}"), body);
        let told = asker.next();
        assert_eq!(told.topic, format!("sokutou/press-3/answer/{at}"));
        let said = told.json();
        assert_eq!(validator.validate(&said).err().map(|error| error.to_string()), None, "{said}");
        assert_eq!((&said["state"], &said["rev"]), (&"error".into(), &0.into()));
        assert!(said["error"].as_str().unwrap().contains(why), "{said}");
        let (client, id) = at.split_once('/').unwrap_or((at, ""));
        assert_eq!((&said["client"], &said["id"]), (&client.into(), &id.into()));
    }
    let cp932 = PublishOptions::new(QoS::AtMostOnce);
    asker.client.publish("sokutou/press-3/ask/plc-1/t4", &b"M\x8c^"[..], cp932).unwrap();
    assert!(asker.next().json()["error"].as_str().unwrap().contains("expected UTF-8"));
    here.counts("sokutou_requests_total{source=\"mqtt\",outcome=\"refused\"}", refused.len() as f64 + 1.0);
    here.counts("sokutou_refusals_total{source=\"mqtt\",reason=\"unreadable\"}", refused.len() as f64 + 1.0);
}

#[test]
fn of_a_burst_at_qos_0_no_question_is_lost_in_silence() {
    let folder = tempfile::tempdir().unwrap();
    let broker = Broker::start(&folder.path().join("broker"), "max_queued_messages 100000");
    // They are to be taken, not to be answered: that would take a while.
    let here = Station::start(&folder.path().join("gateway"), Some(broker.port), &["limits.deadline_ms=100"]);
    here.gateway.wait_for("connected to the broker");
    here.gateway.wait_for("is ready");
    let asker = Asker::connect("plc", broker.port, &["none"]);
    let asked = 1500;
    for id in 0..asked {
        let once = PublishOptions::new(QoS::AtMostOnce);
        asker.client.publish(format!("sokutou/press-3/ask/plc/{id}"), FINE, once).unwrap();
    }
    let outcomes = || {
        let metrics = here.metrics();
        let of = metrics.iter().filter(|(name, _)| name.starts_with("sokutou_requests_total{source=\"mqtt\""));
        of.map(|(name, count)| (name.clone(), *count)).collect::<Vec<_>>()
    };
    let all = || outcomes().iter().map(|(_, count)| count).sum::<f64>() >= f64::from(asked);
    wait_until(all, || format!("{:?} of {asked}", outcomes()));
    assert!(outcomes().iter().all(|(name, _)| !name.contains("lost")), "{:?}", outcomes());
}

#[test]
fn a_gateway_with_another_name_leaves_no_status_under_the_one_before() {
    let folder = tempfile::tempdir().unwrap();
    let broker = Broker::start(&folder.path().join("broker"), "");
    let place = folder.path().join("gateway");
    let mut first = Gateway::start("press-3", broker.port, &place, &["mqtt.client_id=device-7"]);
    first.wait_for("connected to the broker");
    first.kill(); // what the broker retains is "offline", and nobody will say more
    let watcher = Asker::connect("watcher", broker.port, &["sokutou/+/status"]);
    assert_eq!(watcher.next().topic, "sokutou/press-3/status");
    let second = Gateway::start("press-4", broker.port, &place, &["mqtt.client_id=device-7"]);
    second.wait_for("the status under the earlier name sokutou/press-3/status is taken away");
    let (mut gone, mut there) = (false, false);
    while !(gone && there) {
        let message = watcher.next();
        gone |= message.topic == "sokutou/press-3/status" && message.body.is_empty();
        there |= message.topic == "sokutou/press-4/status" && message.json()["state"] == "online";
    }
    let late = Asker::connect("late", broker.port, &["sokutou/+/status", "sokutou/+/answer/#"]);
    late.ask("sokutou/press-3/ask/late/1", FINE); // nobody's any more, and the broker knows that
    late.ask("sokutou/press-4/ask/late/2", FINE);
    let heard: Vec<String> = (0..).map(|_| late.next().topic).take_while(|topic| !topic.ends_with("/late/2")).collect();
    assert!(heard.iter().all(|topic| topic == "sokutou/press-4/status"), "{heard:?}");
}

#[test]
fn in_idle_time_first_answers_are_explained_also_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let broker = Broker::start(&folder.path().join("broker"), "");
    let place = folder.path().join("gateway");
    let mut here = Station::start(&place, Some(broker.port), &["review.explain_share=1.0", "review.audit_share=0.0"]);
    here.gateway.wait_for("connected to the broker");
    let asker = Asker::connect("plc", broker.port, &["sokutou/press-3/answer/#", "sokutou/press-3/rationale/#"]);
    asker.ask("sokutou/press-3/ask/plc/1", FINE);
    assert_eq!(asker.next().json()["mode"], "answer_first");
    here.gateway.kill();
    here.start_again(broker.port);
    here.counts("sokutou_idle_explanations_total{outcome=\"agrees\"}", 1.0);
    let heard: Vec<String> = asker.messages.try_iter().map(|message| message.topic).collect();
    assert!(!heard.iter().any(|topic| topic.contains("/rationale/")), "nobody asked for it: {heard:?}");
    asker.ask("sokutou/press-3/explain/plc/1", "");
    while !asker.next().topic.contains("/rationale/") {}

    let none = folder.path().join("none");
    let other = Station::start(&none, None, &["review.explain_share=0.0"]);
    other.is_well();
    other.post("/v1/ask", &serde_json::json!({"id": "1", "question": FINE}));
    std::thread::sleep(Duration::from_millis(2500)); // longer than it takes to be idle
    assert!(!other.metrics().keys().any(|name| name.starts_with("sokutou_idle_explanations_total")));
}
