//! Ten times as many questions as the student can answer: the gateway stays small, tells those that it cannot serve so, and serves
//! the others.
//!
//! `SOKUTOU_OVERLOAD_S=60 cargo test --test it overload` keeps it up for a minute; without the variable, for some seconds.

use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
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
/// Questions in the student's hand.
const QUEUE: usize = 8;
const QUEUE_SETTING: &str = "limits.queue=8";
/// How often a device asks how the gateway is.
const STATUSES: usize = 5;
/// How often at least somebody asks over HTTP whether it is well.
const CHECKS: usize = 5;
/// How many times more questions than answers.
const TIMES: usize = 10;
/// What the allocator and the journal's page cache may take on their way; a case that stayed in memory would show above it.
const MARGIN_KIB: u64 = 8 << 10;
/// The journal's wall times are cut to milliseconds.
const CUT: Duration = Duration::from_millis(1);

#[test]
fn too_many_questions_cost_no_memory_and_get_one_word_each() {
    // A machine that has less time for the student in the flood than before it may answer nobody: then an answer is given longer.
    assert!([6, 30, 150].into_iter().any(flooded), "nobody was served");
}

/// Asks ten times as much as the student can answer; an answer is of use for the time that so many of them take. False where nobody
/// was answered in that time.
#[allow(clippy::print_stdout)] // what came of it is this test's figure
fn flooded(deadline: u32) -> bool {
    let seconds: u64 = std::env::var("SOKUTOU_OVERLOAD_S").map_or(5, |text| text.parse().unwrap());
    let folder = tempfile::tempdir().unwrap();
    // The broker of a default configuration would throw away what it cannot hand on.
    let broker = Broker::start(&folder.path().join("broker"), "max_queued_messages 0");
    let mut cable = Cable::new();
    let port = format!("serial.0.path=\"{}\"", cable.path);
    let start = |more: &[&str]| {
        let settings: Vec<&str> = [QUEUE_SETTING, &port].into_iter().chain(more.iter().copied()).collect();
        let here = Station::start(&folder.path().join("gateway"), Some(broker.port), &settings);
        here.gateway.wait_for("connected to the broker");
        here
    };
    let calm =
        Asker::connect("calm", broker.port, &["sokutou/press-3/answer/calm/#", "sokutou/press-3/rationale/calm/#"]);

    // What gateway and student can do together; and one answer whose reasons somebody wants later.
    let mut patient = start(&[]);
    calm.ask("sokutou/press-3/ask/calm/0", FINE);
    calm.next();
    let (begun, measured) = (Instant::now(), 1..=20);
    measured.clone().for_each(|at| calm.ask(&format!("sokutou/press-3/ask/calm/{at}"), HARD));
    measured.clone().for_each(|_| drop(calm.next()));
    let pace = begun.elapsed() / measured.count() as u32;
    assert_eq!(patient.gateway.stop(), Some(0));
    let expires_ms = (pace * deadline).as_millis().max(100); // no shorter one may be set
    let mut here = start(&[&format!("limits.deadline_ms={expires_ms}")]);
    here.gateway.wait_for("is open");
    here.is_well();
    cable.hello(false);
    while calm.messages.try_recv().is_ok() {} // what was on its way at the stop comes again
    let asker = Asker::connect("plc", broker.port, &["sokutou/press-3/answer/plc/#"]);

    let journal = folder.path().join("gateway/journal");
    let process: u32 = fs::read_to_string(journal.join("journal.lock")).unwrap().trim().parse().unwrap();
    let asked_min = 4 * TIMES * deadline as usize; // four times as long as an answer is of use
    let (answers, checks, ended) = (AtomicUsize::new(0), AtomicUsize::new(0), AtomicBool::new(false));
    let (begun, mut asked, mut words) = (Instant::now(), 0_usize, Vec::new());
    let (mut memory, mut statuses, mut why) = (Vec::new(), Vec::new(), false);
    let health = thread::scope(|scope| {
        // How many others got an answer while somebody waited for word of the gateway's health, in the midst of the flood.
        let health = scope.spawn(|| {
            let mut answered_meanwhile = Vec::new();
            while !ended.load(Ordering::SeqCst) {
                let before = answers.load(Ordering::SeqCst);
                here.is_well();
                if before > 0 && !ended.load(Ordering::SeqCst) {
                    answered_meanwhile.push(answers.load(Ordering::SeqCst) - before);
                    checks.store(answered_meanwhile.len(), Ordering::SeqCst);
                }
                thread::sleep(pace);
            }
            answered_meanwhile
        });
        let _ends = Ends(&ended); // also where the flood breaks off
        while begun.elapsed() < Duration::from_secs(seconds)
            || asked < asked_min
            || !why
            || statuses.len() < STATUSES
            || (checks.load(Ordering::SeqCst) < CHECKS && answers.load(Ordering::SeqCst) > 0)
        {
            let hangs = begun.elapsed() > Duration::from_secs(seconds) + 2 * PATIENCE;
            assert!(!hangs, "reasons came: {why}; {asked} asked, {} had a word, states {statuses:?}", words.len());
            // So many more than get an answer, however fast that goes; and more where all have had a word.
            while asked < TIMES * (answers.load(Ordering::SeqCst) + 1) || asked == words.len() {
                asker.ask(&format!("sokutou/press-3/ask/plc/{asked}"), HARD);
                asked += 1;
                if asked.is_multiple_of(asked_min / 50) {
                    memory.push(resident_kib(process));
                }
            }
            words.extend(asker.messages.try_iter().map(|message| message.json()));
            answers.store(words.iter().filter(|said| said["state"] != "expired").count(), Ordering::SeqCst);
            for message in calm.messages.try_iter().filter(|message| message.topic.contains("/rationale/")) {
                assert!(!message.json()["rationale"].is_null());
                why = true;
            }
            if statuses.len() < STATUSES && asked * 10 > asked_min * (statuses.len() + 3) {
                if statuses.is_empty() {
                    calm.ask("sokutou/press-3/explain/calm/0", "");
                }
                cable.say(statuses.len() as u16, wire::Message::AskStatus);
                let queued = cable.hear(PATIENCE, |frame| match frame.message {
                    wire::Message::Status(status) => Some(status.queued),
                    _ => None,
                });
                statuses.push(queued.flatten().expect("the gateway says how it is"));
            }
            thread::sleep(Duration::from_millis(1));
        }
        ended.store(true, Ordering::SeqCst);
        health.join().unwrap()
    });
    let flooded = begun.elapsed();
    words.extend((words.len()..asked).map(|_| asker.next().json()));
    asker.nothing_comes();
    assert_eq!(here.gateway.stop(), Some(0));

    let number = |said: &Value| said["id"].as_str().unwrap().parse::<usize>().unwrap();
    let mut ids: Vec<usize> = words.iter().map(number).collect();
    let (expired, answered): (Vec<&Value>, Vec<&Value>) = words.iter().partition(|said| said["state"] == "expired");
    println!(
        "{asked} questions in {flooded:.1?} at {pace:.1?} each, of use for {expires_ms} ms: {} answered, {} expired; queued \
         {statuses:?}; answered while health was asked for {health:?}; memory {} to {} KiB",
        answered.len(),
        expired.len(),
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
    let (first, second) = memory.split_at(memory.len() / 2);
    let most = |half: &[u64]| half.iter().copied().max().unwrap();
    assert!(most(second) <= most(first) + MARGIN_KIB, "the gateway grows, KiB: {memory:?}");
    none_answered_after_its_expiry(&journal, asked);
    if answered.is_empty() {
        return false;
    }
    assert!(expired.len() > answered.len(), "this was no overload");
    assert!(statuses.iter().any(|&queued| queued > 0), "{statuses:?}");
    let soonest = health.iter().min().expect("health is told while others ask");
    assert!(*soonest < QUEUE, "health waited behind the questions: {health:?}");
    true
}

/// Says that something has ended, also where a panic ends it.
struct Ends<'a>(&'a AtomicBool);

impl Drop for Ends<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
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
