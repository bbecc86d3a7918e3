//! Ten times as many questions as the student can answer: the gateway stays small, tells those that it cannot serve so, and serves
//! the others.
//!
//! `SOKUTOU_OVERLOAD_S=60 cargo test --test it overload` keeps it up for a minute; without the variable, for some seconds.

use std::fs;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;
use sokutou::store::{Journal, Limits, Outcome};
use sokutou::wire;

use crate::gateway::{Asker, Broker, FINE, Gateway, PATIENCE};
use crate::http::Station;
use crate::serial::Cable;

/// The student thinks about this one, so that ten times its pace is no feat of the broker's.
pub const HARD: &str =
    "Type L, air 302.0 K, process 310.6 K, speed 1380 rpm, torque 55.0 Nm, tool wear 200 min. Which failure, if any?";
/// How long an answer is of use, in answers.
const DEADLINE: u32 = 6;
/// How many times more questions than answers.
const TIMES: u32 = 10;
/// What the allocator and the journal's page cache may take on their way; a case that stayed in memory would show above it.
const MARGIN_KIB: u64 = 8 << 10;
/// Whoever watches over the gateway asks again after some seconds; a busy machine may take one.
const HEALTH_TIME_MAX: Duration = Duration::from_secs(2);
/// The journal's wall times are cut to milliseconds.
const CUT: Duration = Duration::from_millis(1);

#[test]
fn ten_times_too_many_questions_cost_no_memory_and_get_one_word_each() {
    let seconds: u64 = std::env::var("SOKUTOU_OVERLOAD_S").map_or(5, |text| text.parse().unwrap());
    let folder = tempfile::tempdir().unwrap();
    // The broker of a default configuration would throw away what it cannot hand on.
    let broker = Broker::start(&folder.path().join("broker"), "max_queued_messages 0");
    let mut cable = Cable::new();
    let port = format!("serial.0.path=\"{}\"", cable.path);
    let start = |deadline: Duration| {
        let deadline = format!("limits.deadline_ms={}", deadline.as_millis());
        let settings = ["limits.queue=8", &port, &deadline];
        let here = Station::start(&folder.path().join("gateway"), Some(broker.port), &settings);
        here.gateway.wait_for("connected to the broker");
        here
    };
    let calm =
        Asker::connect("calm", broker.port, &["sokutou/press-3/answer/calm/#", "sokutou/press-3/rationale/calm/#"]);

    // What the student can do, as it says itself; and one answer whose reasons somebody wants later.
    let mut patient = start(PATIENCE);
    let mut pace = Duration::ZERO;
    for (at, question) in [FINE, HARD, HARD, HARD].into_iter().enumerate() {
        calm.ask(&format!("sokutou/press-3/ask/calm/{at}"), question);
        pace = Duration::from_secs_f64(calm.next().json()["time_to_answer_ms"].as_f64().unwrap() / 1000.0);
    }
    assert_eq!(patient.gateway.stop(), Some(0));
    let mut here = start((pace * DEADLINE).max(Duration::from_millis(100))); // no shorter one may be set
    here.gateway.wait_for("is open");
    cable.hello(false);
    calm.ask("sokutou/press-3/ask/calm/loaded", FINE);
    while calm.next().json()["id"] != "loaded" {} // what was on its way at the stop comes again
    let asker = Asker::connect("plc", broker.port, &["sokutou/press-3/answer/plc/#"]);

    let journal = folder.path().join("gateway/journal");
    let process: u32 = fs::read_to_string(journal.join("journal.lock")).unwrap().trim().parse().unwrap();
    let begun = Instant::now();
    let (mut asked, mut words) = (0_usize, Vec::new());
    let (mut memory, mut statuses, mut why) = (Vec::new(), Vec::new(), None);
    let mut health_took = Duration::ZERO;
    let mut looked = 0;
    while begun.elapsed() < Duration::from_secs(seconds) || why.is_none() {
        assert!(begun.elapsed() < Duration::from_secs(seconds) + PATIENCE, "the reasons do not come while others ask");
        while begun.elapsed() > pace / TIMES * asked as u32 {
            asker.ask(&format!("sokutou/press-3/ask/plc/{asked}"), HARD);
            asked += 1;
        }
        words.extend(asker.messages.try_iter().map(|message| message.json()));
        if let Ok(message) = calm.messages.try_recv() {
            assert!(message.topic.contains("/rationale/") && !message.json()["rationale"].is_null());
            why = Some(begun.elapsed());
        }
        if begun.elapsed().as_millis() / 100 > looked {
            looked += 1;
            memory.push(resident_kib(process));
        }
        if statuses.len() < 5
            && begun.elapsed().as_millis() * 10 > u128::from(seconds) * 1000 * (statuses.len() + 3) as u128
        {
            if statuses.is_empty() {
                calm.ask("sokutou/press-3/explain/calm/0", "");
            }
            cable.say(statuses.len() as u16, wire::Message::AskStatus);
            let queued = cable.hear(PATIENCE, |frame| match frame.message {
                wire::Message::Status(status) => Some(status.queued),
                _ => None,
            });
            statuses.push(queued.flatten().expect("the gateway says how it is"));
            let before = Instant::now();
            let health = here.get("/healthz");
            assert_eq!((health.status, &health.json()["status"]), (200, &"ok".into()));
            health_took = health_took.max(before.elapsed());
        }
        thread::sleep(Duration::from_millis(1));
    }
    let flooded = begun.elapsed();
    let until = Instant::now() + PATIENCE;
    while words.len() < asked {
        let left = until.saturating_duration_since(Instant::now());
        let message = asker.messages.recv_timeout(left);
        words.push(
            message.unwrap_or_else(|_| panic!("{} of {asked} questions got no word", asked - words.len())).json(),
        );
    }
    asker.nothing_comes();
    assert_eq!(here.gateway.stop(), Some(0));

    let number = |said: &Value| said["id"].as_str().unwrap().parse::<usize>().unwrap();
    let mut ids: Vec<usize> = words.iter().map(number).collect();
    let (expired, answered): (Vec<&Value>, Vec<&Value>) = words.iter().partition(|said| said["state"] == "expired");
    println!(
        "{asked} questions in {flooded:.1?} at {pace:.1?} each: {} answered, {} expired; reasons after {:.1?}; queued {statuses:?}; \
         health within {health_took:.1?}; memory {} to {} KiB",
        answered.len(),
        expired.len(),
        why.unwrap(),
        memory[0],
        memory[memory.len() - 1]
    );
    // The oldest first: in the order in which they were asked, and so were those that were answered.
    assert!(
        expired.is_sorted_by_key(|said| number(said)),
        "{:?}",
        expired.iter().map(|said| number(said)).collect::<Vec<_>>()
    );
    assert!(answered.is_sorted_by_key(|said| number(said)));
    ids.sort_unstable();
    assert!(ids.into_iter().eq(0..asked), "a question got two words, and another one none");
    assert!(answered.iter().all(|said| said["state"] == "answered" || said["state"] == "pending"));
    assert!(!answered.is_empty() && expired.len() > answered.len(), "this was no overload, or nobody was served");
    assert!(statuses.iter().any(|&queued| queued > 0), "{statuses:?}");
    assert!(health_took < HEALTH_TIME_MAX, "health took {health_took:?}");
    let (first, second) = memory.split_at(memory.len() / 2);
    let most = |half: &[u64]| half.iter().copied().max().unwrap();
    assert!(most(second) <= most(first) + MARGIN_KIB, "the gateway grows, KiB: {memory:?}");
    none_answered_after_its_expiry(&journal, asked);
}

#[test]
fn reasons_have_their_turn_while_others_ask_without_a_pause() {
    let folder = tempfile::tempdir().unwrap();
    let broker = Broker::start(&folder.path().join("broker"), "");
    let gateway = Gateway::start("press-3", broker.port, &folder.path().join("gateway"), &["limits.queue=4"]);
    gateway.wait_for("connected to the broker");
    let asker = Asker::connect("plc", broker.port, &["sokutou/press-3/answer/#", "sokutou/press-3/rationale/#"]);
    asker.ask("sokutou/press-3/ask/plc/first", FINE);
    asker.next();
    let others = 24; // three times as many as go before a rationale
    for at in 0..others {
        asker.ask(&format!("sokutou/press-3/ask/plc/{at}"), HARD);
        if at == others / 4 {
            asker.ask("sokutou/press-3/explain/plc/first", "");
        }
    }
    let came: Vec<bool> = (0..=others).map(|_| asker.next().topic.contains("/rationale/")).collect();
    let at = came.iter().position(|&rationale| rationale).expect("the reasons");
    println!("the reasons came after {at} of {others} answers");
    assert!(at < others, "the reasons came last");
}

fn none_answered_after_its_expiry(journal: &Path, asked: usize) {
    let (mut journal, _) = Journal::open(journal, Limits { disk_bytes_max: 1 << 30 }).unwrap();
    for id in 0..asked {
        let case = journal.batch(|batch| batch.find("plc", &id.to_string())).unwrap().unwrap();
        let expiry = case.asked.received_at + case.asked.expires_after.unwrap();
        if let Some(Outcome::Answered(recorded)) = case.outcome {
            let late = recorded.answered_at.duration_since(expiry).unwrap_or_default();
            assert!(late <= CUT, "question {id} was answered {late:?} after its expiry");
        }
    }
}

fn resident_kib(process: u32) -> u64 {
    let text = fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.split_whitespace().next().unwrap().parse().unwrap()
}
