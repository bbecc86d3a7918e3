//! What stands still is not called alive: a journal that does not sync, a student that does not move, a broker that takes nothing.
//!
//! `cargo test --test it watchdog:: -- --ignored` runs them, in little more than a minute.

use std::fs;
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::process::{Child, Command};
use std::thread;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::gateway::{Asker, Broker, FINE, Gateway, PATIENCE};
use crate::proxy::{Proxy, Way};

/// How long a student or a letter may stand still, and what it takes to say so.
const STILL: Duration = Duration::from_secs(60 + 5);
/// systemd's patience; the gateway says so three times as often.
const WATCHDOG: Duration = Duration::from_secs(3);

/// The service manager.
struct Manager {
    folder: TempDir,
    socket: UnixDatagram,
}

impl Manager {
    fn new() -> Self {
        let folder = TempDir::new().unwrap();
        let socket = UnixDatagram::bind(folder.path().join("notify")).unwrap();
        Self { folder, socket }
    }

    fn start(&self, port: u16, settings: &[&str]) -> Gateway {
        let notify = self.folder.path().join("notify");
        let usec = WATCHDOG.as_micros().to_string();
        let told = [("NOTIFY_SOCKET", notify.to_str().unwrap()), ("WATCHDOG_USEC", &usec)];
        let gateway = Gateway::start_with("press-3", port, &self.folder.path().join("gateway"), settings, &told);
        assert!(self.hears("READY=1", PATIENCE) && self.hears("WATCHDOG=1", PATIENCE));
        gateway
    }

    /// Whether these words come within a time.
    fn hears(&self, words: &str, within: Duration) -> bool {
        let until = Instant::now() + within;
        let mut buffer = [0; 1024];
        loop {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return false;
            }
            self.socket.set_read_timeout(Some(left)).unwrap();
            match self.socket.recv(&mut buffer) {
                Ok(bytes) if String::from_utf8_lossy(&buffer[..bytes]).contains(words) => return true,
                _ => {}
            }
        }
    }

    /// systemd would have ended it by now.
    fn loses_patience(&self, within: Duration) -> bool {
        let until = Instant::now() + within;
        while Instant::now() < until {
            if !self.hears("WATCHDOG=1", WATCHDOG) {
                return true;
            }
        }
        false
    }

    /// Number of the process, as it stands in the journal's lock.
    fn process(&self) -> u32 {
        fs::read_to_string(self.folder.path().join("gateway/journal/journal.lock")).unwrap().trim().parse().unwrap()
    }
}

/// A strace that holds a thread until it is dropped; before the gateway, which could not end with a thread that is held.
struct Held(Child);

impl Drop for Held {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Holds a thread at each of its calls of this kind, as a card or a lock that does not answer.
fn hold(process: u32, thread: &str, call: &str) -> Held {
    let tasks = fs::read_dir(format!("/proc/{process}/task")).unwrap().map(|task| task.unwrap().path());
    let called = |task: &Path| fs::read_to_string(task.join("comm")).unwrap().trim() == thread;
    let task = tasks.into_iter().find(|task| called(task)).expect("the thread");
    let held = Command::new("strace")
        .args(["-qq", "-o", "/dev/null", "-e", &format!("trace={call}"), "-e"])
        .arg(format!("inject={call}:delay_enter=1000000000")) // microseconds: longer than any test
        .arg("-p")
        .arg(task.file_name().unwrap())
        .spawn()
        .unwrap();
    let held = Held(held);
    let free = || fs::read_to_string(task.join("status")).unwrap().contains("TracerPid:\t0");
    let until = Instant::now() + PATIENCE;
    while free() {
        assert!(Instant::now() < until, "strace does not come");
        thread::sleep(Duration::from_millis(20));
    }
    held
}

#[test]
#[ignore = "needs strace"]
fn a_journal_that_does_not_sync_is_not_alive_and_loses_nothing() {
    let manager = Manager::new();
    let broker = Broker::start(&manager.folder.path().join("broker"), "");
    let gateway = manager.start(broker.port, &[]);
    gateway.wait_for("connected to the broker");
    let asker = Asker::connect("plc", broker.port, &["sokutou/press-3/answer/#"]);
    let held = hold(manager.process(), "journal", "fdatasync");
    assert!(!manager.loses_patience(2 * WATCHDOG), "an idle gateway is well");
    asker.ask("sokutou/press-3/ask/plc/1", FINE);
    assert!(manager.loses_patience(4 * WATCHDOG));
    assert!(gateway.log().contains("stands still"), "{}", gateway.log());
    asker.nothing_comes();
    drop(held);
    assert_eq!(asker.next().json()["state"], "answered");
    assert!(manager.hears("WATCHDOG=1", PATIENCE), "it goes on");
}

#[test]
#[ignore = "needs strace, and a minute"]
fn a_student_that_does_not_move_is_not_alive() {
    let manager = Manager::new();
    let gateway = manager.start(1, &["mqtt.enabled=false"]);
    let held = hold(manager.process(), "student", "futex");
    assert!(!manager.loses_patience(STILL / 2), "a box may think for half a minute");
    assert!(manager.loses_patience(STILL));
    assert!(gateway.log().contains("stands still"), "{}", gateway.log());
    drop(held);
}

#[test]
#[ignore = "takes a minute"]
fn a_broker_that_takes_nothing_is_not_alive() {
    let manager = Manager::new();
    let broker = Broker::start(&manager.folder.path().join("broker"), "");
    let proxy = Proxy::to(broker.port);
    let gateway = manager.start(proxy.port, &["mqtt.keepalive_s=3600"]); // so that the silence itself is not noticed
    gateway.wait_for("connected to the broker");
    let asker = Asker::connect("plc", broker.port, &["sokutou/press-3/answer/#"]);
    (0..50).for_each(|id| asker.ask(&format!("sokutou/press-3/ask/plc/{id}"), crate::overload::HARD));
    asker.next();
    proxy.set(Way::Stalled); // behind the questions, before most answers
    assert!(!manager.loses_patience(STILL / 2));
    assert!(manager.loses_patience(STILL));
    assert!(gateway.log().contains("stands still"), "{}", gateway.log());
}
