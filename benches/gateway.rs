//! What the gateway adds to the student: round trips over a broker and a serial line beside the student's own time, questions a
//! second, what reaches the disk, memory, start to ready. Asks the release binary, with a mosquitto of its own and a pseudo
//! terminal; leaves loopback never.
//!
//! `cargo bench --bench gateway` prints; with `-- --save benches/results/<date>-<machine>` it also keeps the raw samples. Without
//! mosquitto the broker's part is skipped, without strace that of the syncs; both say so. Machines are shared and noisy: beside the
//! gateway stand, from the same seconds, the broker alone and the disk alone.
#![allow(clippy::print_stdout, clippy::unwrap_used, missing_docs)] // a bench talks, fails loudly, and has no readers of its docs

mod common;

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::os::fd::{AsFd as _, AsRawFd as _};
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use serial2::SerialPort;
use sokutou::bundle::Bundle;
use sokutou::store::{Journal, Limits, Outcome};
use sokutou::wire::{
    Ask, Class, Feed, Frame, Hello, LARGE_FRAME_BYTES_MAX, Message, RequestId, Text, VERSION as WIRE_VERSION,
};

use common::{quantile, question};

const QUESTIONS: usize = 1000;
const WARM_UP: usize = 100;
const STARTS: usize = 10;
/// Questions on their way at once, where the gateway's speed and not its delay is asked for. The gateway takes as many in hand, half
/// of its default: saved figures were measured so.
const WINDOW: usize = 8;
const SUSTAINED: Duration = Duration::from_secs(20);
/// Questions while strace counts syncs; it slows the gateway, so nothing else is measured then.
const TRACED: usize = 200;
/// Memory is looked at after everything else, when the allocator has seen all there is.
const SETTLE: Duration = Duration::from_secs(3);
const PATIENCE: Duration = Duration::from_secs(60);
/// What the gateway may add at the 99th percentile.
const TARGET_MS: f64 = 5.0;
/// What one batch of the journal writes for one step: a few pages.
const PROBE_BYTES: usize = 4 * 4096;

fn main() {
    let args: Vec<String> = std::env::args().collect();
    let save = args.iter().position(|arg| arg == "--save").and_then(|at| args.get(at + 1)).map(PathBuf::from);
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap(); // on a disk; /tmp may be memory
    let folder = folder.path();
    let questions: Vec<String> = (0..QUESTIONS as u64).map(question).collect();
    let mut broker = Broker::start(&folder.join("broker"));
    if broker.is_none() {
        println!("no mosquitto here (apt-get install mosquitto): the broker's part is skipped");
    }
    let port = broker.as_ref().map(|broker| broker.port);
    if Command::new("strace").arg("-V").output().is_err() {
        println!("no strace here (apt-get install strace): syncs are not counted");
    }
    let load = fs::read_to_string("/proc/loadavg").unwrap_or_default().trim().to_owned();

    let starts: Vec<u64> = (0..STARTS)
        .map(|at| {
            let line = Line::new();
            Gateway::start(&folder.join(format!("start-{at}")), port, &line).start_us
        })
        .collect();

    let mut line = Line::new();
    let at = folder.join("gateway");
    let gateway = Gateway::start(&at, port, &line);
    line.hello();
    let mut asker = port.map(|port| Client::connect(port, "plc"));
    let mut echo = port.map(|port| Client::connect(port, "echo"));
    let mut disk = File::create(folder.join("probe")).unwrap();

    let mut quick = Vec::new();
    // One question on its way at a time; each round asks both ways, the broker alone and the disk alone.
    let (mut by_broker, mut by_line, mut broker_alone, mut disk_alone) =
        (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for at in 0..WARM_UP + QUESTIONS {
        let warm = at >= WARM_UP;
        let question = &questions[at % QUESTIONS];
        let keep = |into: &mut Vec<u64>, took: u64| {
            if warm {
                into.push(took)
            }
        };
        if let Some(asker) = &mut asker {
            let (took, at_once) = asker.round_trip(&at.to_string(), question);
            keep(&mut by_broker, took);
            if warm && at_once {
                quick.push(question);
            }
        }
        keep(&mut by_line, line.round_trip(at as u16, question));
        if let Some(echo) = &mut echo {
            keep(&mut broker_alone, echo.echo(question));
        }
        let before = Instant::now();
        disk.write_all(&[7; PROBE_BYTES]).unwrap();
        disk.sync_data().unwrap();
        keep(&mut disk_alone, microseconds(before.elapsed()));
    }

    let mut costs = Vec::new();
    let before = gateway.written();
    for (at, question) in questions.iter().enumerate().take(TRACED) {
        line.round_trip((5000 + at) as u16, question);
    }
    costs.push(("one at a time", (gateway.written() - before) as f64 / TRACED as f64, None));
    let syncs = gateway.count_syncs(|| {
        for (at, question) in questions.iter().enumerate().take(TRACED) {
            line.round_trip((6000 + at) as u16, question);
        }
    });
    costs[0].2 = syncs.map(|syncs| syncs as f64 / TRACED as f64);

    let all: Vec<&String> = questions.iter().collect();
    let mut sustained = Vec::new();
    for (which, questions) in [("all questions", &all), ("those that it answers at once", &quick)] {
        let Some(asker) = asker.as_mut() else { continue };
        let before = gateway.written();
        let (begun, mut asked, mut answered) = (Instant::now(), 0, 0);
        while answered < asked || asked == 0 {
            while asked - answered < WINDOW && begun.elapsed() < SUSTAINED {
                asker.ask(&name(which, asked), questions[asked % questions.len()]);
                asked += 1;
            }
            asker.answer();
            answered += 1;
        }
        let took = begun.elapsed();
        costs.push((which, (gateway.written() - before) as f64 / asked as f64, None));
        sustained.push((which, asked, took));
    }
    if let Some(asker) = &mut asker {
        let syncs = gateway.count_syncs(|| {
            (0..WINDOW).for_each(|at| asker.ask(&format!("t{at}"), quick[at]));
            for at in WINDOW..TRACED {
                asker.answer();
                asker.ask(&format!("t{at}"), quick[at % quick.len()]);
            }
            (0..WINDOW).for_each(|_| drop(asker.answer()));
        });
        costs[2].2 = syncs.map(|syncs| syncs as f64 / TRACED as f64);
    }
    thread::sleep(SETTLE);
    let memory = gateway.memory();
    gateway.stop();

    // The daemon alone: without a student it loads no library either, and tells every question so.
    let alone = Gateway::start_with(&folder.join("alone"), port, &line, &["student.bundle=/nowhere"]);
    if let Some(asker) = &mut asker {
        for (at, question) in questions.iter().enumerate() {
            asker.ask(&format!("alone-{at}"), question);
            asker.answer();
        }
    }
    thread::sleep(SETTLE);
    let memory_alone = alone.memory();
    alone.stop();
    drop(broker.take());

    // The student's own time of the same answers, in the microseconds of the journal: the answer on the line does not tell it.
    let mut student = Student::of(&at);
    let own = |student: &mut Student, client: &str, name: &dyn Fn(usize) -> String| -> Vec<u64> {
        (WARM_UP..WARM_UP + QUESTIONS).map(|at| student.time(client, &name(at))).collect()
    };
    let line_own = own(&mut student, "mcu", &|at| hex(&request(at as u16)));
    let broker_own = if asker.is_some() { own(&mut student, "plc", &|at: usize| at.to_string()) } else { Vec::new() };
    let sustained: Vec<_> = sustained
        .into_iter()
        .map(|(which, asked, took)| {
            let busy: u64 = (0..asked).map(|at| student.time("plc", &name(which, at))).sum();
            (which, asked, took.as_secs_f64(), busy as f64 / took.as_micros() as f64)
        })
        .collect();

    let bundle = Bundle::open(&Path::new(env!("CARGO_MANIFEST_DIR")).join(sokutou::DEFAULT_BUNDLE)).unwrap();
    println!("student {}, {QUESTIONS} questions each way, one on its way at a time", bundle.student());
    println!("{:<44} {:>8} {:>8} {:>8}", "milliseconds", "p50", "p95", "p99");
    let row = |what: &str, samples: &[u64]| {
        let at = |q| quantile(samples, q) as f64 / 1e3;
        println!("{what:<44} {:8.2} {:8.2} {:8.2}", at(0.5), at(0.95), at(0.99));
    };
    let mut records = json!({});
    for (way, trips, own) in [("serial line", &by_line, &line_own), ("broker", &by_broker, &broker_own)] {
        if trips.is_empty() {
            continue;
        }
        let added: Vec<u64> = trips.iter().zip(own).map(|(trip, own)| trip.saturating_sub(*own)).collect();
        row(&format!("{way}: question to answer"), trips);
        row(&format!("{way}: the student's own time of it"), own);
        row(&format!("{way}: what the gateway adds"), &added);
        let p99 = quantile(&added, 0.99) as f64 / 1e3;
        let met = if p99 <= TARGET_MS { "met" } else { "missed" };
        println!("{:<44} {met}: p99 of at most {TARGET_MS} ms, got {p99:.2}", format!("{way}: the target is"));
        records[way] = json!({"round_trip_us": trips, "time_to_answer_us": own, "added_us": quantiles(&added)});
    }
    if !broker_alone.is_empty() {
        row("the broker alone: one message there and back", &broker_alone);
    }
    row("the disk alone: one write and sync", &disk_alone);
    for (which, asked, took, busy) in &sustained {
        println!(
            "{WINDOW} on their way at once, {which}: {:.1} a second over {took:.1} s; the student works {:.0} % of it",
            *asked as f64 / took,
            busy * 100.0
        );
    }
    for (what, bytes, syncs) in &costs {
        let syncs = syncs.map_or("syncs not counted".to_owned(), |syncs| format!("{syncs:.2} syncs"));
        println!("{what}: {bytes:.0} bytes to the disk an answer, {syncs}");
    }
    println!(
        "memory (PSS), KiB: {} in all; {} of the ONNX Runtime library's file, {} of a mapped model, {} the rest",
        memory["all"], memory["library"], memory["model"], memory["rest"]
    );
    println!("memory (PSS), KiB, of the daemon alone, without student and library: {}", memory_alone["all"]);
    row("start to ready", &starts);
    println!("load of the machine when it began: {load}");

    if let Some(folder) = save {
        fs::create_dir_all(&folder).unwrap();
        let version = |program: &str, of: &str| {
            let said = Command::new(program).arg(of).output().ok()?;
            let text = [said.stdout, said.stderr].concat();
            String::from_utf8_lossy(&text).lines().next().map(str::to_owned)
        };
        let record = json!({
            "command": "cargo bench --bench gateway",
            "commit": version("git", "--version").and(commit()),
            "student": bundle.student(),
            "model_sha256": bundle.graph_sha256(bundle.default_task()),
            "versions": {
                "sokutou": env!("CARGO_PKG_VERSION"),
                "mosquitto": mosquitto().and_then(|path| version(path.to_str()?, "-h")),
                "rustc": version("rustc", "--version"),
                "kernel": fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default().trim(),
            },
            "cpu": cpu(),
            "cores": thread::available_parallelism().map_or(0, usize::from),
            "load_average": load,
            "ways": records,
            "broker_alone_us": broker_alone,
            "disk_alone_us": disk_alone,
            "sustained": sustained.iter().map(|(which, asked, took, busy)| json!({
                "which": which, "window": WINDOW, "questions": asked, "seconds": took, "student_works": busy,
            })).collect::<Vec<_>>(),
            "an_answer_costs": costs.iter().map(|(what, bytes, syncs)| json!({
                "when": what, "bytes_written": bytes, "syncs": syncs,
            })).collect::<Vec<_>>(),
            "memory_pss_kib": memory,
            "memory_pss_alone_kib": memory_alone["all"],
            "start_to_ready_us": starts,
        });
        fs::write(folder.join("gateway.json"), serde_json::to_string(&record).unwrap() + "\n").unwrap();
    }
}

/// Of a question among those that come without a pause.
fn name(which: &str, at: usize) -> String {
    format!("{}-{at}", which.split(' ').next().unwrap_or_default())
}

/// A mosquitto of our own. Its answers leave at once: by default it waits for the other side's acknowledgement of the packet before.
struct Broker {
    child: Child,
    port: u16,
}

impl Broker {
    fn start(folder: &Path) -> Option<Self> {
        let program = mosquitto()?;
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        fs::create_dir_all(folder).unwrap();
        let conf = folder.join("mosquitto.conf");
        let text = format!("listener {port} 127.0.0.1\nallow_anonymous true\nset_tcp_nodelay true\nuser root\n");
        fs::write(&conf, text).unwrap();
        let log = File::create(folder.join("mosquitto.log")).unwrap();
        let child =
            Command::new(program).arg("-c").arg(conf).stdout(log.try_clone().unwrap()).stderr(log).spawn().unwrap();
        let until = Instant::now() + PATIENCE;
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(Instant::now() < until, "mosquitto does not listen");
            thread::sleep(Duration::from_millis(20));
        }
        Some(Self { child, port })
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn mosquitto() -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut found = std::env::split_paths(&path).chain([PathBuf::from("/usr/sbin")]).map(|at| at.join("mosquitto"));
    found.find(|path| path.exists())
}

/// `sokutou serve`, release, ready.
struct Gateway {
    child: Child,
    start_us: u64,
}

impl Gateway {
    fn start(folder: &Path, port: Option<u16>, line: &Line) -> Self {
        Self::start_with(folder, port, line, &[])
    }

    fn start_with(folder: &Path, port: Option<u16>, line: &Line, more: &[&str]) -> Self {
        fs::create_dir_all(folder).unwrap();
        let told = folder.join("notify");
        let ready = UnixDatagram::bind(&told).unwrap(); // as systemd does it
        ready.set_read_timeout(Some(PATIENCE)).unwrap();
        let log = File::create(folder.join("serve.log")).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_sokutou"));
        command.args(["serve", "--config", "/dev/null"]).env("NOTIFY_SOCKET", &told);
        for setting in [
            "gateway.name=bench".to_owned(),
            format!("mqtt.enabled={}", port.is_some()),
            format!("mqtt.port={}", port.unwrap_or(1)),
            format!("limits.queue={WINDOW}"),
            format!("serial.0.path=\"{}\"", line.path),
            format!("journal.folder={}", folder.join("journal").display()),
        ] {
            command.args(["--set", &setting]);
        }
        for setting in more {
            command.args(["--set", setting]);
        }
        command.stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log);
        let begun = Instant::now();
        let child = command.spawn().unwrap();
        let mut said = [0; 512];
        loop {
            let got = ready.recv(&mut said).expect("the gateway says that it is ready");
            if said[..got].starts_with(b"READY=1") {
                break;
            }
        }
        let start_us = microseconds(begun.elapsed());
        let until = Instant::now() + PATIENCE;
        let log = || fs::read_to_string(folder.join("serve.log")).unwrap();
        while port.is_some() && !log().contains("connected to the broker") {
            assert!(Instant::now() < until, "{}", log());
            thread::sleep(Duration::from_millis(10));
        }
        Self { child, start_us }
    }

    fn proc(&self, file: &str) -> String {
        fs::read_to_string(format!("/proc/{}/{file}", self.child.id())).unwrap()
    }

    /// Bytes that the kernel was made to write to a disk so far.
    fn written(&self) -> u64 {
        number(self.proc("io").lines().find_map(|line| line.strip_prefix("write_bytes:")))
    }

    /// `None` where strace is not installed or may not look.
    fn count_syncs(&self, meanwhile: impl FnOnce()) -> Option<u64> {
        let to = tempfile::NamedTempFile::new().unwrap();
        let mut strace = Command::new("strace")
            .args(["-f", "-e", "trace=fsync,fdatasync,sync_file_range,msync", "-p", &self.child.id().to_string(), "-o"])
            .arg(to.path())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .ok()?;
        let until = Instant::now() + PATIENCE;
        while number(self.proc("status").lines().find_map(|line| line.strip_prefix("TracerPid:"))) == 0 {
            if strace.try_wait().unwrap().is_some() || Instant::now() > until {
                return None;
            }
            thread::sleep(Duration::from_millis(10));
        }
        thread::sleep(Duration::from_millis(500)); // until it has all threads
        meanwhile();
        let _ = Command::new("kill").args(["-INT", &strace.id().to_string()]).status();
        let _ = strace.wait();
        let text = fs::read_to_string(to.path()).unwrap();
        // Where threads meet, a call stands on two lines, the second one "resumed".
        Some(text.lines().filter(|line| line.contains("sync") && !line.contains("resumed>")).count() as u64)
    }

    /// Proportional set size in KiB, taken apart by the file behind each mapping. The rest is the program itself, its other
    /// libraries, stacks and heaps; the arena in which the runtime keeps the model's weights is among them where it is not mapped.
    fn memory(&self) -> Value {
        let (mut library, mut model, mut of) = (0, 0, String::new());
        for line in self.proc("smaps").lines() {
            let first = line.split_whitespace().next().unwrap_or_default();
            if !first.ends_with(':') {
                of = line.split_whitespace().nth(5).unwrap_or_default().to_owned();
            } else if let Some(pss) = line.strip_prefix("Pss:") {
                if of.contains("onnxruntime") {
                    library += number(Some(pss));
                } else if of.ends_with(".onnx") {
                    model += number(Some(pss));
                }
            }
        }
        let all = number(self.proc("smaps_rollup").lines().find_map(|line| line.strip_prefix("Pss:")));
        json!({"all": all, "library": library, "model": model, "rest": all - library - model})
    }

    fn stop(mut self) {
        let _ = Command::new("kill").arg(self.child.id().to_string()).status();
        assert!(self.child.wait().unwrap().success());
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn number(text: Option<&str>) -> u64 {
    text.and_then(|text| text.split_whitespace().next()?.parse().ok()).unwrap_or(0)
}

/// MQTT 3.1.1, no more than a PLC needs, on a socket that sends at once: a library's threads would be measured too.
struct Client {
    socket: TcpStream,
    name: String,
    packet: u16,
}

impl Client {
    fn connect(port: u16, name: &str) -> Self {
        let socket = TcpStream::connect(("127.0.0.1", port)).unwrap();
        socket.set_nodelay(true).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut client = Self { socket, name: name.to_owned(), packet: 0 };
        let hello = [&text("MQTT")[..], &[4, 2, 0, 0], &text(name)].concat();
        client.send(0x10, &hello);
        client.until(0x20);
        let filters = [format!("sokutou/bench/answer/{name}/#"), format!("echo/{name}")];
        for filter in filters {
            client.packet += 1;
            let body = [&client.packet.to_be_bytes()[..], &text(&filter), &[1]].concat();
            client.send(0x82, &body);
            client.until(0x90);
        }
        client
    }

    /// How long it took, and whether the student answered at once.
    fn round_trip(&mut self, id: &str, question: &str) -> (u64, bool) {
        let before = Instant::now();
        self.ask(id, question);
        let said = self.answer();
        let took = microseconds(before.elapsed());
        assert!(said["id"] == id && (said["state"] == "answered" || said["state"] == "pending"), "{said}");
        (took, said["mode"] == "answer_first")
    }

    fn echo(&mut self, body: &str) -> u64 {
        let before = Instant::now();
        self.publish(&format!("echo/{}", self.name), body);
        self.message();
        microseconds(before.elapsed())
    }

    fn ask(&mut self, id: &str, question: &str) {
        self.publish(&format!("sokutou/bench/ask/{}/{id}", self.name), question);
    }

    fn answer(&mut self) -> Value {
        serde_json::from_slice(&self.message()).unwrap()
    }

    /// With quality of service 1, as a question should come.
    fn publish(&mut self, topic: &str, body: &str) {
        self.packet = self.packet % 60_000 + 1;
        let bytes = [&text(topic)[..], &self.packet.to_be_bytes(), body.as_bytes()].concat();
        self.send(0x32, &bytes);
    }

    /// The next message, acknowledged.
    fn message(&mut self) -> Vec<u8> {
        let body = self.until(0x30);
        let topic = 2 + usize::from(u16::from_be_bytes([body[0], body[1]]));
        let packet = [body[topic], body[topic + 1]];
        self.send(0x40, &packet);
        body[topic + 2..].to_vec()
    }

    fn send(&mut self, kind: u8, body: &[u8]) {
        let mut bytes = vec![kind];
        let mut left = body.len();
        loop {
            bytes.push((left % 128) as u8 | if left > 127 { 128 } else { 0 });
            left /= 128;
            if left == 0 {
                break;
            }
        }
        bytes.extend_from_slice(body);
        self.socket.write_all(&bytes).unwrap();
    }

    /// The next packet of a kind; acknowledgements of others are passed over.
    fn until(&mut self, kind: u8) -> Vec<u8> {
        loop {
            let mut byte = [0];
            self.socket.read_exact(&mut byte).unwrap();
            let came = byte[0] & 0xf0;
            let (mut length, mut shift) = (0, 0);
            loop {
                self.socket.read_exact(&mut byte).unwrap();
                length |= usize::from(byte[0] & 127) << shift;
                shift += 7;
                if byte[0] < 128 {
                    break;
                }
            }
            let mut body = vec![0; length];
            self.socket.read_exact(&mut body).unwrap();
            if came == kind {
                return body;
            }
        }
    }
}

fn text(text: &str) -> Vec<u8> {
    [&(text.len() as u16).to_be_bytes()[..], text.as_bytes()].concat()
}

/// A microcontroller on a cable: its end of a pseudo terminal, and the path of the gateway's.
struct Line {
    far: SerialPort,
    _near: SerialPort,
    path: String,
    feed: Box<Feed<LARGE_FRAME_BYTES_MAX>>,
    came: Vec<u8>,
}

impl Line {
    fn new() -> Self {
        let (mut far, near) = SerialPort::pair().unwrap();
        far.set_read_timeout(Duration::from_millis(500)).unwrap();
        let path = fs::read_link(format!("/proc/self/fd/{}", near.as_fd().as_raw_fd())).unwrap();
        Self { far, _near: near, path: path.display().to_string(), feed: Box::new(Feed::new()), came: Vec::new() }
    }

    fn say(&self, sequence: u16, message: Message<'_>) {
        let mut buffer = [0; LARGE_FRAME_BYTES_MAX];
        let bytes = Frame { sequence, message }.encode(Class::Large, &mut buffer).unwrap();
        self.far.write_all(bytes).unwrap();
    }

    /// Waits until `is` finds what it looks for; false when nothing has come for a while.
    fn hear(&mut self, is: impl Fn(&Frame<'_>) -> bool) -> bool {
        let mut bytes = [0; LARGE_FRAME_BYTES_MAX];
        loop {
            while !self.came.is_empty() {
                let byte = self.came.remove(0);
                if self.feed.push(byte).is_some_and(|frame| is(&frame.expect("no noise on this line"))) {
                    return true;
                }
            }
            match self.far.read(&mut bytes) {
                Ok(got) => self.came.extend_from_slice(&bytes[..got]),
                Err(_) => return false,
            }
        }
    }

    fn hello(&mut self) {
        let (name, frame_bytes_max) = (Text::new("mcu").unwrap(), LARGE_FRAME_BYTES_MAX as u16);
        for _ in 0..100 {
            let hello = Hello { newest_version: WIRE_VERSION, frame_bytes_max, acknowledges: false, name };
            self.say(0, Message::Hello(hello));
            if self.hear(|frame| matches!(frame.message, Message::HelloAck(_))) {
                return;
            }
        }
        panic!("nobody says hello");
    }

    fn round_trip(&mut self, sequence: u16, question: &str) -> u64 {
        let before = Instant::now();
        let (request, question) = (RequestId::new(&request(sequence)).unwrap(), Text::new(question).unwrap());
        let ask = Ask { request, wants_rationale: false, expires_after: None, task: None, question };
        self.say(sequence, Message::Ask(ask));
        let until = before + PATIENCE;
        while !self.hear(|frame| matches!(frame.message, Message::Answer(_)) && frame.sequence == sequence) {
            assert!(Instant::now() < until, "no answer");
        }
        microseconds(before.elapsed())
    }
}

fn request(sequence: u16) -> [u8; 2] {
    sequence.to_be_bytes()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// What the journal of a stopped gateway says of the student's time.
struct Student {
    journal: Journal,
    known: HashMap<String, u64>,
}

impl Student {
    fn of(gateway: &Path) -> Self {
        let limits = Limits { disk_bytes_max: 1 << 30 };
        let (journal, _) = Journal::open(&gateway.join("journal"), limits).unwrap();
        Self { journal, known: HashMap::new() }
    }

    fn time(&mut self, client: &str, id: &str) -> u64 {
        let key = format!("{client}/{id}");
        *self.known.entry(key).or_insert_with(|| {
            let case = self.journal.batch(|batch| batch.find(client, id)).unwrap().expect("it was answered");
            match case.outcome {
                Some(Outcome::Answered(recorded)) => microseconds(recorded.time_to_answer),
                other => panic!("{client}/{id}: {other:?}"),
            }
        })
    }
}

fn microseconds(time: Duration) -> u64 {
    time.as_micros() as u64
}

fn quantiles(samples: &[u64]) -> Value {
    let at = |q| quantile(samples, q) as f64;
    json!({"p50": at(0.5), "p95": at(0.95), "p99": at(0.99)})
}

fn commit() -> Option<String> {
    let folder = env!("CARGO_MANIFEST_DIR");
    let said = Command::new("git").args(["-C", folder, "describe", "--always", "--dirty"]).output().ok()?;
    said.status.success().then(|| String::from_utf8_lossy(&said.stdout).trim().to_owned())
}

fn cpu() -> String {
    let text = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = text.lines().find(|line| line.starts_with("model name")).and_then(|line| line.split(": ").nth(1));
    model.unwrap_or(std::env::consts::ARCH).to_owned()
}
