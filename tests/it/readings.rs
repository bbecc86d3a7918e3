//! Questions that are read exactly, through the whole program: answered rightly in any form, or handed over with the reason.

use std::io::Write as _;

use serde_json::{Value, json};

use super::gateway::{Asker, Broker};
use super::http::Station;
use super::support::{ask, sokutou};

/// Answers, in order, of questions of one task.
fn batch(task: &str, questions: &[Value]) -> Vec<Value> {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    for question in questions {
        writeln!(file, "{}", json!({"task": task, "question": question})).unwrap();
    }
    let output = sokutou().args(["ask", "--batch"]).arg(file.path()).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// What the rules say is what is answered, whatever the form; a person is asked where a number is in doubt.
#[test]
fn the_same_readings_get_the_same_answer_in_every_form() {
    let heat = [
        json!(
            "Type L, air 302.3 K, process 310.2 K, speed 1300 rpm, torque 45.1 Nm, tool wear 60 min. Which failure, if any?"
        ),
        json!("type=L air=302,3 proc=310,2 rpm=1300 torque=45,1 wear=1:00"),
        json!(
            "L型、空気温度 29.15 ℃、工程温度 37.05 ℃、回転数 １３００ rpm、トルク 45.1 N·m、工具摩耗 1時間。どの故障か？"
        ),
        json!({"type": "L", "air": 302.3, "process": 310.2, "speed": 1300, "torque": 45.1, "wear": 60}),
        json!({"1": 1, "2": 302.3, "3": 310.2, "4": 1300, "5": 45.1, "6": 60}),
        json!(
            "Type;Air temperature [K];Process temperature [K];Rotational speed [rpm];Torque [Nm];Tool wear [min]\nL;302,3;310,2;1300;45,1;60"
        ),
    ];
    for reply in batch("machine-failure", &heat) {
        assert_eq!((&reply["decision"], &reply["code"]), (&json!("answered"), &json!(1)), "{reply}");
        assert!(reply["read"].as_str().unwrap().contains("45.1 Nm"), "{reply}");
    }
    let in_doubt = [
        (json!("type=L air=302.3 proc=310.2 rpm=1300 torque=57.1% wear=60"), "foreign_unit", "57.1%"),
        (json!("type=L air=302.3 proc=310.2 rpm=1300 torque=45.1 wear=60 vib=2.3"), "unknown_reading", "vib"),
        (json!("type=L air=302.3 proc=310.2 rpm=1300 torque=45.1 wear=60 quality=BAD"), "bad_quality", "BAD"),
        (json!("type=L air=314.8 proc=303.7 rpm=1172 torque=57.1 wear=199"), "out_of_range", "314.8"),
        (
            json!({"type": "L", "air": 302.3, "process": 310.2, "speed": 1300, "torque": 45.1}),
            "missing_reading",
            "tool wear",
        ),
        (
            json!("トルク 57.1 %、L型、空気温度 302.3 K、工程温度 310.2 K、回転数 1300 rpm、工具摩耗 60 分"),
            "foreign_unit",
            "単位",
        ),
    ];
    let questions: Vec<Value> = in_doubt.iter().map(|(question, ..)| question.clone()).collect();
    for ((_, reason, names), reply) in in_doubt.iter().zip(batch("machine-failure", &questions)) {
        assert_eq!((&reply["code"], &reply["reason"]), (&json!(65535), &json!(reason)), "{reply}");
        assert!(reply["detail"].as_str().unwrap().contains(names), "{reply}");
        assert_eq!((reply["tokens"].as_u64(), reply.get("guess")), (Some(0), None), "the model was not asked: {reply}");
    }
}

/// Windows of one series: a reading beyond a limit counts wherever it stands, all else at the latest reading.
#[test]
fn a_series_of_twenty_five_readings_has_the_verdict_of_its_windows() {
    let steady = "5.02 4.97 5.11 4.88 5.05 4.93 5.14 4.99 5.08 4.91 5.03 4.96 5.12 4.87 5.06 4.94 5.13 4.98 5.07 4.92 5.04 4.95 5.10 4.89 5.01";
    let lines = "CL 5.00, UCL 5.60, LCL 4.40 mm. Readings ";
    let early = steady.replacen("5.11", "5.75", 1);
    let replies = batch("process-control", &[json!(format!("{lines}{steady}")), json!(format!("{lines}{early}"))]);
    for (reply, code) in replies.iter().zip([0, 1]) {
        let answered = reply["decision"] == "answered";
        assert!(!answered || reply["code"] == code, "{reply}");
    }
    assert!(replies.iter().any(|reply| reply["decision"] == "answered"), "{replies:?}");
    let too_many = format!("{lines}{steady} 5.00");
    assert_eq!(batch("process-control", &[json!(too_many)])[0]["reason"], "wrong_count");
}

#[test]
fn an_explanation_begins_with_what_was_read() {
    let (_, reply) = ask("type=L air=302,3 proc=310,2 rpm=1300 torque=45,1 wear=1:00", &["--explain"]);
    let rationale = reply["rationale"].as_str().unwrap();
    assert!(rationale.starts_with("Read: type L, air temperature 302.3 K"), "{rationale}");
    assert!(rationale.contains("tool wear 60 min"), "{rationale}");
}

/// The gateway tells the reason, over MQTT and HTTP, and its status is that of any escalated question.
#[test]
fn the_gateway_reads_objects_and_says_what_is_in_doubt() {
    let folder = tempfile::tempdir().unwrap();
    let broker = Broker::start(folder.path(), "");
    let here = Station::start(folder.path(), Some(broker.port), &[]);
    let asker = Asker::connect("plc", broker.port, &["sokutou/press-3/answer/#"]);
    let object =
        json!({"question": {"type": "L", "air": 302.30, "process": 310.2, "speed": 1300, "torque": 45.1, "wear": 60}});
    asker.ask("sokutou/press-3/ask/plc/1", &object.to_string());
    let answer = asker.next().json();
    assert_eq!((&answer["state"], &answer["code"]), (&json!("answered"), &json!(1)), "{answer}");
    let doubtful = "type=L air=302.3 proc=310.2 rpm=1300 torque=57.1% wear=60";
    let answer = here.ask(&json!({"question": doubtful, "id": "2"})).json();
    assert_eq!((&answer["state"], &answer["reason"]), (&json!("pending"), &json!("foreign_unit")), "{answer}");
    assert!(answer["detail"].as_str().unwrap().starts_with("57.1%"), "{answer}");
}
