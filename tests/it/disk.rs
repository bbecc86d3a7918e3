//! The journal's disk is full: the gateway stays, says so everywhere, keeps what it has, and goes on when there is room. The disk is a
//! small file system of memory, which only root may mount; without that right nothing is tried.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::json;

use crate::gateway::{Asker, Broker, FINE, Gateway};
use crate::http::Station;
use crate::support::wait_until;

/// Mounted until dropped.
struct Disk(PathBuf);

impl Disk {
    fn mount(at: &Path, size: &str) -> Option<Self> {
        fs::create_dir_all(at).unwrap();
        let mounted =
            Command::new("mount").args(["-t", "tmpfs", "-o", &format!("size={size}"), "tmpfs"]).arg(at).status();
        mounted.is_ok_and(|status| status.success()).then(|| Self(at.to_owned()))
    }

    fn fill(&self) {
        let _ = Command::new("sh").arg("-c").arg("cat /dev/zero >fill 2>&-").current_dir(&self.0).status();
    }

    fn free(&self) {
        fs::remove_file(self.0.join("fill")).unwrap();
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

#[test]
fn a_full_disk_stops_nothing_and_is_said_everywhere() {
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().join("gateway");
    let Some(disk) = Disk::mount(&place.join("journal"), "600k") else {
        return println!("not tried: a file system of its own cannot be mounted");
    };
    let broker = Broker::start(&folder.path().join("broker"), "");
    let mut here = Station::start(&place, Some(broker.port), &[]);
    here.gateway.wait_for("connected to the broker");
    here.is_well();
    let asker = Asker::connect("plc", broker.port, &["sokutou/press-3/answer/#", "sokutou/press-3/status"]);
    let ask = |id: &str| here.post("/v1/ask", &json!({"client": "desk", "id": id, "question": FINE}));
    // Asked again until it is: a slow machine says first that the answer will come.
    let answered = |id: &str| wait_until(|| ask(id).json()["state"] == "answered", || ask(id).json().to_string());
    answered("before");

    disk.fill();
    let mut refused = None;
    for id in 0..100 {
        let said = ask(&format!("full-{id}"));
        if said.status == 507 {
            refused = Some(said);
            break;
        }
    }
    let refused = refused.expect("the disk is full").json();
    assert!(refused["error"].as_str().unwrap().contains("disk"), "{refused}");
    asker.ask("sokutou/press-3/ask/plc/1", FINE);
    let mut said_in_status = false;
    loop {
        let message = asker.next();
        if message.topic.ends_with("/status") {
            said_in_status |= message.json()["journal"] == "disk_full";
            continue;
        }
        let said = message.json();
        assert_eq!(said["state"], "error", "{said}");
        assert!(said["error"].as_str().unwrap().contains("disk"), "{said}");
        break;
    }
    while !said_in_status {
        let message = asker.next();
        said_in_status = message.topic.ends_with("/status") && message.json()["journal"] == "disk_full";
    }
    let full = || here.get("/healthz").status == 503 && here.get("/healthz").json()["journal"] == "disk_full";
    wait_until(full, || here.get("/healthz").json().to_string());
    here.counts("sokutou_journal_disk_full", 1.0);
    assert_eq!(here.get("/v1/answers/desk/before").json()["state"], "answered", "what is kept can be read");
    assert_eq!(here.gateway.log().matches("the disk of the journal is full:").count(), 1, "{}", here.gateway.log());

    disk.free();
    here.is_well();
    answered("after");
    asker.ask("sokutou/press-3/ask/plc/1", FINE);
    while asker.next().json()["state"] != "answered" {}

    // Killed and started again with a full disk: the error names it, and what was acknowledged is there when there is room.
    disk.fill();
    here.gateway.kill();
    let mut again = Gateway::start("press-3", broker.port, &place, &[]);
    assert_eq!(again.ends(), Some(1), "{}", again.log());
    assert!(again.log().contains("is full; free space there"), "{}", again.log());
    assert!(again.log().contains(&place.join("journal").display().to_string()), "{}", again.log());
    disk.free();
    here.start_again(broker.port);
    assert_eq!(here.get("/v1/answers/desk/before").json()["state"], "answered");
    here.is_well();
}
