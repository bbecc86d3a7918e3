//! A gateway that is told to read its configuration again: what changed is taken over, what did not goes on, what is bad is kept out.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::json;

use crate::gateway::{Asker, Broker, FINE, Gateway};
use crate::http::Station;
use crate::serial::Cable;
use crate::support::{Copy, NO_FAILURE_EN, free_port, student, wait_until};

const CONNECTED: &str = "connected to the broker";

fn write(folder: &Path, text: &str) {
    fs::create_dir_all(folder).unwrap();
    fs::write(folder.join("sokutou.toml"), text).unwrap();
}

fn who_answers(station: &Station, id: &str) -> String {
    let said = station.ask(&json!({"client": "desk", "id": id, "question": NO_FAILURE_EN})).json();
    said["student"].as_str().unwrap_or_else(|| panic!("{said}")).to_owned()
}

fn times(station: &Station, words: &str) -> usize {
    station.gateway.log().matches(words).count()
}

#[test]
fn a_change_is_taken_over_and_what_did_not_change_is_not_touched() {
    let folder = tempfile::tempdir().unwrap();
    let broker = Broker::start(&folder.path().join("broker"), "");
    let place = folder.path().join("gateway");
    write(&place, "[limits]\nqueue = 7\n");
    let station = Station::start(&place, Some(broker.port), &[]);
    station.gateway.wait_for(CONNECTED);
    station.is_well();
    let watcher = Asker::connect("watcher", broker.port, &["sokutou/press-3/status", "line/press-3/status"]);
    assert_eq!(watcher.next().json()["state"], "online");

    // Nothing to take over, and something that no connection depends on.
    station.gateway.reload();
    station.gateway.wait_for("no key has changed");
    write(&place, "[limits]\nqueue = 7\n[review]\naudit_share = 0.5\n");
    station.gateway.reload();
    station.gateway.wait_for("changed: review");
    station.counts("sokutou_reload_successful", 1.0);
    assert_eq!(times(&station, CONNECTED), 1);

    // Another first level: the old place says good-bye and then nothing any more, the new one answers.
    write(&place, "[mqtt]\nroot = \"line\"\n");
    station.gateway.reload();
    station.gateway.wait_for("changed: mqtt");
    let mut heard = Vec::new();
    let said = |root: &str, state: &str| (root.to_owned(), state.to_owned());
    while !(heard.contains(&said("sokutou", "stopped"))
        && heard.contains(&said("sokutou", ""))
        && heard.contains(&said("line", "online")))
    {
        let message = watcher.next();
        let root = message.topic.split('/').next().unwrap();
        let state = if message.body.is_empty() { "".into() } else { message.json()["state"].take() };
        heard.push(said(root, state.as_str().unwrap()));
    }
    let asker = Asker::connect("plc", broker.port, &["line/press-3/answer/#"]);
    asker.ask("line/press-3/ask/plc/1", FINE);
    assert_eq!(asker.next().json()["state"], "answered");

    // Without a broker from now on.
    write(&place, "[mqtt]\nenabled = false\n");
    station.gateway.reload();
    let has_none = || !station.metrics().contains_key("sokutou_mqtt_connected");
    wait_until(has_none, || "it still has a broker".to_owned());
    assert_eq!(who_answers(&station, "without"), student());
}

#[test]
fn what_is_bad_is_kept_out_and_said() {
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().join("gateway");
    write(&place, "");
    let station = Station::start(&place, None, &[]);
    station.is_well();
    for (at, (bad, said)) in [
        ("[limits]\nqueue = 7\nqeue = 8\n", "qeue"),
        ("[http]\ntoken_file = \"/none/of/ours\"\n", "/none/of/ours"),
        ("[limits\n", "sokutou.toml:1:"),
    ]
    .into_iter()
    .enumerate()
    {
        write(&place, bad);
        station.gateway.reload();
        station.gateway.wait_for(said);
        station.counts("sokutou_reload_successful", 0.0);
        assert_eq!(who_answers(&station, &at.to_string()), student());
    }
    write(&place, "");
    station.gateway.reload();
    station.counts("sokutou_reload_successful", 1.0);
}

#[test]
fn another_student_takes_over_between_two_questions_and_a_damaged_one_does_not() {
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().join("gateway");
    let next = Copy::new();
    write(&place, "");
    let station = Station::start(&place, None, &[]);
    station.is_well();
    assert_eq!(who_answers(&station, "1"), student());

    next.edit_manifest(|manifest| manifest["version"] = "9.9.9".into());
    write(&place, &format!("[student]\nbundle = \"{}\"\n", next.path().display()));
    station.gateway.reload();
    station.gateway.wait_for(" 9.9.9 is ready");
    let newer = who_answers(&station, "2");
    assert!(newer.ends_with(" 9.9.9"), "{newer}");
    assert_eq!(who_answers(&station, "1"), student(), "what was said once stands");

    next.edit("model.onnx", |bytes| bytes[..bytes.len() / 2].to_vec());
    station.gateway.reload();
    station.gateway.wait_for("the new student is not taken over");
    station.counts("sokutou_reload_successful", 0.0);
    assert_eq!(who_answers(&station, "3"), newer);
}

#[test]
fn doors_open_and_close() {
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().join("gateway");
    let mut cable = Cable::new();
    let other = free_port();
    write(&place, &format!("[[serial]]\npath = \"{}\"\n", cable.path));
    // The address is no flag here, which would stand above the file.
    let gateway = Gateway::start("press-3", 1, &place, &["mqtt.enabled=false"]);
    gateway.wait_for("is open");
    cable.hello(false);
    write(&place, &format!("[http]\nlisten = \"127.0.0.1:{other}\"\n"));
    gateway.reload();
    gateway.wait_for("changed: serial");
    // Nobody holds the port any more, so that it can be ours.
    let is_free = || serial2::SerialPort::open(&cable.path, 115_200).is_ok();
    wait_until(is_free, || "the port is still held".to_owned());
    write(&place, &format!("[[serial]]\npath = \"{}\"\nbaud = 9600\n", cable.path));
    gateway.reload();
    cable.hello(false);
}

#[test]
fn a_broker_that_refuses_keeps_the_questions_until_the_password_is_right() {
    let folder = tempfile::tempdir().unwrap();
    let (passwords, secret) = (folder.path().join("passwords"), folder.path().join("secret"));
    let broker_knows = |password: &str| {
        let status =
            Command::new("mosquitto_passwd").args(["-b", "-c"]).arg(&passwords).args(["press-3", password]).status();
        assert!(status.unwrap().success());
    };
    broker_knows("first");
    fs::write(&secret, "first").unwrap();
    let settings = format!("password_file {}", passwords.display());
    let mut broker = Broker::start(&folder.path().join("broker"), &settings);
    let start = |port| {
        let password = format!("mqtt.password_file={:?}", secret.display().to_string());
        Gateway::start("press-3", port, &folder.path().join("gateway"), &["mqtt.username=press-3", &password])
    };
    let mut gateway = start(broker.port);
    gateway.wait_for(CONNECTED);
    gateway.stop();
    broker_knows("second");
    broker.stop();
    broker.start_again();
    let asker = Asker::connect("plc", broker.port, &["sokutou/press-3/answer/#"]);
    let gateway = start(broker.port);
    gateway.wait_for("check user name and password file");
    for id in 0..10 {
        asker.ask(&format!("sokutou/press-3/ask/plc/{id}"), FINE);
    }
    asker.nothing_comes();
    fs::write(&secret, "second").unwrap();
    gateway.reload();
    let answered: std::collections::BTreeSet<String> = (0..10).map(|_| asker.next().topic).collect();
    assert_eq!(answered.len(), 10);
}
