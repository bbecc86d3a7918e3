//! The gateway on serial lines: pseudo terminals stand for the cables, everything behind them is real.

use std::collections::BTreeSet;
use std::fs;
use std::os::fd::{AsFd as _, AsRawFd as _};
use std::os::unix::fs::symlink;
use std::time::{Duration, Instant};

use fastrand::Rng;
use serial2::SerialPort;
use sokutou::domain::CaseId;
use sokutou::wire::{
    Ack, Answer, Ask, AskNumbers, CODE_ASK_A_PERSON, Class, Escalation, Feed, Frame, Hello, LARGE_FRAME_BYTES_MAX,
    List, Message, Milliseconds, Number, Reading, Reason, RequestId, State, Text, VERSION,
};

use crate::gateway::{Asker, Broker, FINE, Gateway, OVERSTRAIN, PATIENCE};
use crate::http::Station;
use crate::support::{HeldStudent, sokutou, student, wait_until};

#[allow(dead_code, missing_docs)] // its main runs elsewhere
#[path = "../../cross/firmware/ask_over_serial.rs"]
mod ask_over_serial;
#[path = "../../src/wire/tests/noise/mod.rs"]
mod noise;

use ask_over_serial::{Client, Port};
use noise::Noise;

/// A question that fits a small frame.
const SHORT: &str = "type=H air=299.1 proc=309.8 rpm=1550 torque=40.2 wear=25";
const NO_FAILURE: u16 = 0;

/// A cable: the device's end, and the path of the gateway's, which is kept open so that the device never hangs up.
pub struct Cable {
    far: SerialPort,
    _near: SerialPort,
    pub path: String,
    feed: Box<Feed<LARGE_FRAME_BYTES_MAX>>,
}

impl Cable {
    pub fn new() -> Self {
        let (mut far, near) = SerialPort::pair().unwrap();
        far.set_read_timeout(Duration::from_millis(100)).unwrap();
        let path = fs::read_link(format!("/proc/self/fd/{}", near.as_fd().as_raw_fd())).unwrap();
        Self { far, _near: near, path: path.display().to_string(), feed: Box::new(Feed::new()) }
    }

    pub fn say(&self, sequence: u16, message: Message<'_>) {
        self.far.write_all(&bytes(sequence, message)).unwrap();
    }

    /// Asks by a line, and returns the next one.
    fn ask_line(&self, question: &str) -> String {
        self.far.write_all(format!("{question}\r\n").as_bytes()).unwrap();
        String::from_utf8(self.line()).unwrap()
    }

    /// The next line, its end with it.
    fn line(&self) -> Vec<u8> {
        let mut line = Vec::new();
        let until = Instant::now() + PATIENCE;
        while line.last() != Some(&b'\n') {
            assert!(Instant::now() < until, "no line");
            let mut byte = [0];
            if let Ok(1) = self.far.read(&mut byte) {
                line.push(byte[0]);
            }
        }
        line
    }

    /// The next frame, looked at by `look`; `None` when none comes within `patience`.
    pub fn hear<T>(&mut self, patience: Duration, look: impl Fn(Frame<'_>) -> T) -> Option<T> {
        let until = Instant::now() + patience;
        let mut byte = [0];
        while Instant::now() < until {
            if let Ok(1) = self.far.read(&mut byte)
                && let Some(frame) = self.feed.push(byte[0])
            {
                return Some(look(frame.expect("no noise on this line")));
            }
        }
        None
    }

    pub fn hello(&mut self, acknowledges: bool) {
        self.hello_of(VERSION, acknowledges);
    }

    fn hello_of(&mut self, newest_version: u8, acknowledges: bool) {
        let frame_bytes_max = LARGE_FRAME_BYTES_MAX as u16;
        let name = Text::new("mcu-7").unwrap();
        // The gateway may still be opening the port, and throws away what came before. It answers each hello that it hears: what
        // comes behind the answer to the last one has nothing to do with them.
        let until = Instant::now() + PATIENCE;
        for sequence in 0.. {
            assert!(Instant::now() < until, "nobody says hello");
            self.say(sequence, Message::Hello(Hello { newest_version, frame_bytes_max, acknowledges, name }));
            let answers = |frame: Frame<'_>| matches!(frame.message, Message::HelloAck(_)).then_some(frame.sequence);
            let mut patience = Duration::from_millis(500);
            while let Some(heard) = self.hear(patience, answers) {
                match heard {
                    Some(of) if of == sequence => return,
                    Some(_) => patience = PATIENCE, // it has heard an earlier one, so it hears this one
                    None => {}                      // an answer that was not delivered
                }
            }
        }
    }

    fn ask(&self, sequence: u16, request: &[u8], question: &str, wants_rationale: bool) {
        let request = RequestId::new(request).unwrap();
        let question = Text::new(question).unwrap();
        self.say(sequence, Message::Ask(Ask { request, wants_rationale, expires_after: None, task: None, question }));
    }

    /// Passes over all that the gateway had to say until now.
    fn pass_over(&mut self, sequence: u16) {
        self.say(sequence, Message::AskStatus);
        let is_status = |frame: Frame<'_>| frame.sequence == sequence && matches!(frame.message, Message::Status(_));
        while !self.hear(PATIENCE, is_status).expect("the gateway says how it is") {}
    }

    /// Passes over everything until this question is durable.
    fn pending(&mut self, sequence: u16) {
        let is_pending = |frame: Frame<'_>| frame.sequence == sequence && matches!(frame.message, Message::Pending(_));
        while !self.hear(PATIENCE, is_pending).expect("the question is durable") {}
    }

    /// Sequence, code, state and revision of the next answer; what comes before it is passed over.
    fn answer(&mut self) -> (u16, u16, State, u16) {
        loop {
            let answer = self.hear(PATIENCE, |frame| match frame.message {
                Message::Answer(answer) => Some((frame.sequence, answer.code, answer.state, answer.revision)),
                Message::Nack(nack) => panic!("refused: {nack:?}"),
                _ => None,
            });
            if let Some(answer) = answer.expect("an answer") {
                return answer;
            }
        }
    }
}

fn bytes(sequence: u16, message: Message<'_>) -> Vec<u8> {
    let mut buffer = [0; LARGE_FRAME_BYTES_MAX];
    Frame { sequence, message }.encode(Class::Large, &mut buffer).unwrap().to_vec()
}

fn gateway(cable: &Cable, folder: &std::path::Path, more: &[&str]) -> Station {
    let path = format!("serial.0.path=\"{}\"", cable.path);
    let settings: Vec<&str> = [&*path].into_iter().chain(more.iter().copied()).collect();
    let station = Station::start(folder, None, &settings);
    station.gateway.wait_for(&format!("student {} is ready", student()));
    station.gateway.wait_for("is open");
    station
}

#[test]
fn a_microcontroller_asks_hears_and_acknowledges() {
    let folder = tempfile::tempdir().unwrap();
    let mut cable = Cable::new();
    let mut running = gateway(&cable, folder.path(), &[]);
    cable.hello(true);
    cable.ask(7, b"\x01", FINE, false);
    cable.pending(7);
    assert_eq!(cable.answer(), (7, 0, State::Answered, 0));
    // Not acknowledged: it comes again, also after the power was cut.
    assert_eq!(cable.answer(), (7, 0, State::Answered, 0));
    running.gateway.kill();
    let running = gateway(&cable, folder.path(), &[]);
    cable.hello(true);
    assert_eq!(cable.answer(), (7, 0, State::Answered, 0));
    cable.say(8, Message::Ack(Ack { request: RequestId::new(b"\x01").unwrap(), revision: 0 }));
    running.counts("sokutou_undelivered", 0.0);
    cable.pass_over(9); // one may have been on its way
    let repeats_after = Duration::from_secs(8);
    assert!(cable.hear(repeats_after * 5 / 4, |_| ()).is_none(), "acknowledged, and still repeated");

    // The same request again is the same answer; another question under its name is none.
    cable.ask(9, b"\x01", FINE, false);
    assert_eq!(cable.answer().1, 0);
    cable.ask(10, b"\x01", OVERSTRAIN, false);
    let refused = cable.hear(PATIENCE, |frame| match frame.message {
        Message::Nack(nack) => Some(nack.reason),
        other => panic!("{other:?}"),
    });
    assert_eq!(refused, Some(Some(Reason::IdReused)));

    // A rationale in pieces, behind its answer.
    cable.ask(11, b"\x02", OVERSTRAIN, true);
    assert_eq!(cable.answer(), (11, 3, State::Answered, 0));
    cable.say(12, Message::Ack(Ack { request: RequestId::new(b"\x02").unwrap(), revision: 0 }));
    let mut rationale = String::new();
    loop {
        let piece = cable.hear(PATIENCE, |frame| match frame.message {
            Message::RationaleChunk(chunk) => Some((chunk.text.as_str().to_owned(), chunk.last)),
            _ => None,
        });
        if let Some((text, last)) = piece.expect("a piece") {
            rationale += &text;
            if last {
                break;
            }
        }
    }
    assert!(rationale.contains("過負荷"), "{rationale}");

    cable.say(13, Message::AskStatus);
    let status = cable.hear(PATIENCE, |frame| match frame.message {
        Message::Status(status) => Some((status.student_ready, status.broker_connected, status.queued)),
        _ => None,
    });
    assert_eq!(status, Some(Some((true, false, 0))));

    // A person is asked, which the answer says; to a client of version 1 in the form that it knows.
    let mut ask_in_vain = |version, id: u8| {
        cable.hello_of(version, true);
        cable.ask(14, &[id], "How do I bake bread?", false);
        let said = |frame: Frame<'_>| match frame.message {
            Message::Answer(answer) => {
                assert_eq!((answer.code, answer.state), (CODE_ASK_A_PERSON, State::PendingAPerson));
                Some((answer.escalation, answer.confidence.ten_thousandths(), answer.label.as_str().to_owned()))
            }
            _ => None,
        };
        let mut heard = None;
        while heard.is_none() {
            heard = cable.hear(PATIENCE, said).expect("an answer");
        }
        let request = RequestId::new(&[id]).unwrap();
        cable.say(15, Message::Ack(Ack { request, revision: 0 }));
        heard
    };
    let no_guess = Escalation { reason: 2, guess: CODE_ASK_A_PERSON };
    assert_eq!(ask_in_vain(2, 3), Some((Some(no_guess), 0, "ask a person".to_owned())));
    assert_eq!(ask_in_vain(1, 4), Some((None, 0, "ask a person".to_owned())));
}

#[test]
fn a_line_in_shift_jis_is_answered_by_a_line() {
    let folder = tempfile::tempdir().unwrap();
    let cable = Cable::new();
    let _running = gateway(&cable, folder.path(), &["serial.0.mode=line", "serial.0.encoding=cp932"]);
    let (question, _, lossy) = encoding_rs::SHIFT_JIS.encode(OVERSTRAIN);
    assert!(!lossy);
    cable.far.write_all(&[&question[..], b"\r\n"].concat()).unwrap();
    let line = cable.line();
    let (line, _, _) = encoding_rs::SHIFT_JIS.decode(&line);
    let fields: Vec<&str> = line.trim_end().split(',').collect();
    assert_eq!((fields[0], fields[2]), ("00003", "過負荷故障"), "{line}");
    assert!(fields[1].parse::<u16>().unwrap() > 9000, "{line}");
}

/// A cable whose end at the gateway has a name of its own, so that another one can be plugged in under it.
struct Socket {
    name: std::path::PathBuf,
}

impl Socket {
    fn new(folder: &std::path::Path) -> Self {
        Self { name: folder.join("usb-adapter") }
    }

    fn plug(&self) -> Cable {
        let cable = Cable::new();
        symlink(&cable.path, &self.name).unwrap();
        cable
    }

    fn unplug(&self, cable: Cable) {
        fs::remove_file(&self.name).unwrap();
        drop(cable);
    }

    fn settings(&self) -> String {
        format!("serial.0.path=\"{}\"", self.name.display())
    }
}

fn opened(station: &Station, times: usize) {
    let is_so = || station.gateway.log().matches("is open").count() == times;
    wait_until(is_so, || format!("not open {times} times:\n{}", station.gateway.log()));
}

/// Nothing but what the gateway has to say to a question of now comes, so what comes first is about that.
#[test]
fn what_was_asked_before_a_line_was_opened_is_never_answered_on_it() {
    let folder = tempfile::tempdir().unwrap();
    let socket = Socket::new(folder.path());
    let held = HeldStudent::new();
    let (path, student) = (socket.settings(), held.setting());
    let settings = [&*path, "serial.0.mode=line", &*student];
    let mut running = Station::start(folder.path(), None, &settings);

    // Two pieces are scanned, the cable is pulled and plugged in again, and the next piece has a failure.
    let cable = socket.plug();
    opened(&running, 1);
    cable.far.write_all(format!("{SHORT}\r{SHORT}\r").as_bytes()).unwrap();
    running.counts("sokutou_queue_length", 2.0);
    socket.unplug(cable);
    running.gateway.wait_for("failed to read the serial port");
    let cable = socket.plug();
    opened(&running, 2);
    cable.far.write_all(format!("{OVERSTRAIN}\r").as_bytes()).unwrap();
    running.counts("sokutou_queue_length", 3.0);
    held.release();
    let line = String::from_utf8(cable.line()).unwrap();
    assert!(line.starts_with("00003,"), "{line}");
    running.counts("sokutou_undelivered", 0.0);
    running.counts("sokutou_answers_dropped_total{what=\"reopened\"}", 2.0);
    assert_eq!(running.gateway.log().matches("is not sent").count(), 2);

    // The same over a restart: the journal keeps what was asked, and the line does not hear of it.
    running.gateway.kill();
    let held = HeldStudent::new();
    let student = held.setting();
    let settings = [&*path, "serial.0.mode=line", &*student];
    let mut running = Station::start(folder.path(), None, &settings);
    opened(&running, 1);
    cable.far.write_all(format!("{SHORT}\r").as_bytes()).unwrap();
    running.counts("sokutou_queue_length", 1.0);
    running.gateway.kill();
    let running = Station::start(folder.path(), None, &[&path, "serial.0.mode=line"]);
    opened(&running, 1);
    running.counts("sokutou_answers_dropped_total{what=\"reopened\"}", 1.0);
    assert!(cable.ask_line(OVERSTRAIN).starts_with("00003,"));
    running.counts("sokutou_undelivered", 0.0);
}

#[test]
fn a_line_gets_its_answer_or_a_refusal_by_its_deadline_and_nothing_after_it() {
    let folder = tempfile::tempdir().unwrap();
    let cable = Cable::new();
    let held = HeldStudent::new();
    let path = format!("serial.0.path=\"{}\"", cable.path);
    let settings = [&*path, "serial.0.mode=line", "serial.0.numbered=true", "limits.deadline_ms=300", &held.setting()];
    let running = Station::start(folder.path(), None, &settings);
    opened(&running, 1);
    // The model is not there yet, and the lines hear in time that they wait in vain.
    cable.far.write_all(format!("1,{SHORT}\r2,{SHORT}\r").as_bytes()).unwrap();
    assert_eq!(cable.line(), b"00001,ERR09,00000,expired\r\n");
    assert_eq!(cable.line(), b"00002,ERR09,00000,expired\r\n");
    held.release();
    running.counts("sokutou_requests_total{source=\"serial\",outcome=\"expired\"}", 2.0);
    running.counts("sokutou_undelivered", 0.0);
    // A slow machine may be late again: whatever it says, it says of the third.
    assert!(cable.ask_line(&format!("3,{SHORT}")).starts_with("00003,"));
}

#[test]
fn a_frame_is_not_repeated_when_its_time_has_run_out() {
    let folder = tempfile::tempdir().unwrap();
    let socket = Socket::new(folder.path());
    let mut cable = socket.plug();
    let running = Station::start(folder.path(), None, &[&socket.settings()]);
    opened(&running, 1);
    running.gateway.wait_for(&format!("student {} is ready", student()));
    cable.hello(true);
    let ask = |cable: &Cable, id: &[u8], milliseconds: Option<u32>| {
        let (request, question) = (RequestId::new(id).unwrap(), Text::new(SHORT).unwrap());
        let expires_after = milliseconds.map(Milliseconds);
        cable.say(7, Message::Ask(Ask { request, wants_rationale: false, expires_after, task: None, question }));
    };
    ask(&cable, b"\x01", Some(2000));
    ask(&cable, b"\x02", None);
    running.counts("sokutou_queue_length", 0.0);
    // Nothing is acknowledged; the cable is out until the first one's time has run out, on a slow machine from the beginning.
    socket.unplug(cable);
    running.gateway.wait_for("failed to read the serial port");
    running.counts("sokutou_answers_dropped_total{what=\"late\"}", 1.0);
    running.counts("sokutou_undelivered", 1.0);
    let mut cable = socket.plug();
    cable.hello(true);
    let mut next = || {
        cable.hear(PATIENCE, |frame| match frame.message {
            Message::Answer(answer) => answer.request.as_bytes().to_vec(),
            other => panic!("{other:?}"),
        })
    };
    assert_eq!((next(), next()), (Some(vec![2]), Some(vec![2])), "and nothing of the first");
}

#[test]
fn a_person_s_decision_never_comes_to_a_line() {
    let folder = tempfile::tempdir().unwrap();
    let cable = Cable::new();
    let running = gateway(&cable, folder.path(), &["serial.0.mode=line"]);
    assert_eq!(cable.ask_line("How do I bake bread?"), "65535,00000,00002,65535,ask a person\r\n");
    assert_eq!(cable.ask_line("パンの焼き方は？"), "65535,00000,00002,65535,人に確認してください\r\n");
    running.post("/v1/reviews/1/resolve", &serde_json::json!({"verdict": "right"}));
    running.counts("sokutou_answers_dropped_total{what=\"revision\"}", 1.0);
    running.counts("sokutou_undelivered", 0.0);
    assert!(cable.ask_line(OVERSTRAIN).starts_with("00003,"));
}

#[test]
fn a_line_that_echoes_is_told_and_its_echoes_are_no_questions() {
    let folder = tempfile::tempdir().unwrap();
    let broker = Broker::start(&folder.path().join("broker"), "");
    let (scanner, mut board) = (Cable::new(), Cable::new());
    let settings = [format!("serial=[{{path='{}', mode='line'}}, {{path='{}'}}]", scanner.path, board.path)];
    let running = Station::start(&folder.path().join("gateway"), Some(broker.port), &[&settings[0]]);
    opened(&running, 2);
    let asker = Asker::connect("watch", broker.port, &["sokutou/press-3/status"]);
    assert_eq!(asker.next().json().get("serial_echo"), None);
    for _ in 0..2 {
        let line = scanner.ask_line(SHORT);
        assert!(line.starts_with("00000,"), "{line}");
        scanner.far.write_all(line.as_bytes()).unwrap(); // as an adapter does that hears itself
    }
    running.counts("sokutou_serial_echoes_total", 2.0);
    let said = loop {
        let status = asker.next().json();
        if let Some(said) = status.get("serial_echo") {
            break said.clone();
        }
    };
    assert_eq!(said, serde_json::json!([scanner.path]));
    assert_eq!(running.get("/healthz").json()["serial_echo"], said);

    // A frame that comes back gets no Nack, which its client would take for one to its question.
    board.hello(false);
    board.ask(7, b"\x01", SHORT, false);
    let mut answered = false;
    while !answered {
        let (bytes, is_answer) = board
            .hear(PATIENCE, |frame| {
                assert!(!matches!(frame.message, Message::Nack(_)), "{frame:?}");
                let is_answer = matches!(frame.message, Message::Answer(_));
                (bytes(frame.sequence, frame.message), is_answer)
            })
            .expect("an answer");
        board.far.write_all(&bytes).unwrap();
        answered = is_answer;
    }
    running.counts("sokutou_serial_echoes_total", 4.0);
    board.say(8, Message::Ping);
    assert_eq!(board.hear(PATIENCE, |frame| matches!(frame.message, Message::Pong)), Some(true));
    running.counts("sokutou_requests_total{source=\"serial\",outcome=\"answered\"}", 3.0);
    assert_eq!(running.gateway.log().matches("hears what it sends").count(), 2, "once for each port");
}

/// What the journal has of these cases: the questions as the reader gets them.
fn questions(mut running: Station, folder: &std::path::Path, cases: std::ops::RangeInclusive<i64>) -> Vec<String> {
    assert_eq!(running.gateway.stop(), Some(0));
    let limits = sokutou::store::Limits { disk_bytes_max: 1 << 30 };
    let (mut journal, _) = sokutou::store::Journal::open(&folder.join("journal"), limits).unwrap();
    cases.map(|case| journal.batch(|batch| batch.case(CaseId(case))).unwrap().unwrap().asked.question).collect()
}

#[test]
fn numbered_lines_of_values_become_objects_and_their_answers_have_the_number() {
    let folder = tempfile::tempdir().unwrap();
    let cable = Cable::new();
    let columns = "serial.0.columns=[\"type\", \"air\", \"proc\", \"rpm\", \"torque\", \"wear\"]";
    let settings = ["serial.0.mode=line", "serial.0.numbered=true", columns, "serial.0.separator=;"];
    let running = gateway(&cable, folder.path(), &settings);
    assert!(cable.ask_line("17;H;299,1;309,8;1550;40,2;25").starts_with("00017,"));
    assert!(cable.ask_line("\x02]C199999;\"H\";299.10 K;309.8;1550;40.2;25\x03").starts_with("99999,"));
    assert_eq!(cable.ask_line("18;H;299.1;309.8;1550;40.2"), "00018,ERR04,00000,question refused\r\n");
    assert_eq!(cable.ask_line("H;299.1;309.8;1550;40.2;25"), "00000,ERR04,00000,question refused\r\n");
    let log = running.gateway.log();
    assert!(log.contains("expected 6 values (type, air, proc, rpm, torque, wear), got 5 values"), "{log}");
    assert_eq!(
        questions(running, folder.path(), 1..=2),
        [
            r#"{"type":"H","air":"299,1","proc":"309,8","rpm":"1550","torque":"40,2","wear":"25"}"#,
            r#"{"type":"H","air":"299.10 K","proc":"309.8","rpm":"1550","torque":"40.2","wear":"25"}"#,
        ]
    );
}

#[test]
fn a_frame_of_numbers_is_a_question_without_any_text() {
    let folder = tempfile::tempdir().unwrap();
    let mut cable = Cable::new();
    let running = gateway(&cable, folder.path(), &[]);
    cable.hello(false);
    let scaled = |mantissa, decimals| Number::scaled(mantissa, decimals).unwrap();
    let ask = |cable: &Cable, id: u8, readings: &[Reading], series: &[Number]| {
        let (request, readings, series) = (RequestId::new(&[id]).unwrap(), List::of(readings), List::of(series));
        let (wants_rationale, expires_after, task) = (false, None, None);
        let ask = AskNumbers { request, wants_rationale, expires_after, task, readings, series };
        cable.say(id.into(), Message::AskNumbers(ask));
    };
    let machine = [
        Reading { field: 1, value: scaled(3, 0) },
        Reading { field: 2, value: scaled(2991, 1) },
        Reading { field: 5, value: Number::float(42.8) },
    ];
    ask(&cable, 1, &machine, &[]);
    cable.answer();
    ask(&cable, 2, &machine[1..2], &[scaled(490, 2), Number::float(-0.02)]);
    cable.answer();
    ask(&cable, 3, &[Reading { field: 2, value: Number::float(f32::NAN) }], &[]);
    let refused = cable.hear(PATIENCE, |frame| match frame.message {
        Message::Nack(nack) => (frame.sequence, nack.reason, nack.request),
        other => panic!("{other:?}"),
    });
    assert_eq!(refused, Some((3, Reason::Question, RequestId::new(&[3]))));
    assert!(running.gateway.log().contains("expected numbers, got NaN"));
    assert_eq!(
        questions(running, folder.path(), 1..=2),
        [r#"{"1":3,"2":299.1,"5":42.8}"#, r#"{"2":299.1,"readings":[4.90,-0.02]}"#]
    );
}

/// A pseudo terminal's driver is none of the unit's.
#[test]
fn config_check_says_that_the_service_may_not_open_a_port() {
    let cable = Cable::new();
    let path = format!("serial.0.path={}", cable.path);
    let output = sokutou().args(["config", "check", "--config", "/dev/null", "--set", &path]).output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap().split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(said.contains(&format!("{}: the service may not open devices of the driver pts", cable.path)), "{said}");
    assert!(said.contains("DeviceAllow=char-pts rw"), "{said}");
}

#[test]
fn a_wrong_encoding_names_the_key_to_set() {
    let folder = tempfile::tempdir().unwrap();
    let (utf8, cp932) = (Cable::new(), Cable::new());
    let settings = format!(
        "serial=[{{path='{}', mode='line'}}, {{path='{}', mode='line', encoding='cp932'}}]",
        utf8.path, cp932.path
    );
    let running = Station::start(folder.path(), None, &[&settings]);
    opened(&running, 2);
    let (question, _, lossy) = encoding_rs::SHIFT_JIS.encode(OVERSTRAIN);
    assert!(!lossy);
    for (cable, bytes, hint) in [
        (&utf8, &*question, "it is not UTF-8, but it would be Shift_JIS (CP932); set serial.0.encoding = \"cp932\""),
        (&cp932, OVERSTRAIN.as_bytes(), "but it would be UTF-8; set serial.1.encoding = \"utf-8\""),
    ] {
        cable.far.write_all(&[bytes, b"\r"].concat()).unwrap();
        assert_eq!(cable.line(), b"ERR04,00000,question refused\r\n");
        running.gateway.wait_for(hint);
    }
}

/// What stands between two zeros and is, byte for byte, a question that was sent, is answered, and nothing else is.
#[test]
fn through_noise_every_question_that_is_whole_behind_a_delimiter_is_answered() {
    const QUESTIONS: usize = 80;
    let folder = tempfile::tempdir().unwrap();
    let mut cable = Cable::new();
    let _running = gateway(&cable, folder.path(), &["review.audit_share=0.0"]);
    cable.hello(false);
    let (none, mut random) = (Noise::default(), Rng::with_seed(20_261_127));
    for (kind, (name, noise)) in [
        ("bytes changed, 1e-4", Noise { changed: 1e-4, ..none }),
        ("bytes changed, 1e-3", Noise { changed: 1e-3, ..none }),
        ("bytes changed, 1e-2", Noise { changed: 1e-2, ..none }),
        ("bytes dropped, 1e-3", Noise { dropped: 1e-3, ..none }),
        ("bytes inserted, 1e-3", Noise { inserted: 1e-3, ..none }),
        ("floods of zeros, 1e-3", Noise { zeros: 1e-3, ..none }),
        ("partial frames, 1e-3", Noise { cut: 1e-3, ..none }),
        ("bursts up to 3000, 1e-3", Noise { burst: 1e-3, ..none }),
    ]
    .into_iter()
    .enumerate()
    {
        let mut answered = BTreeSet::new();
        let mut due = BTreeSet::new();
        for few in (0..QUESTIONS as u8).collect::<Vec<_>>().chunks(20) {
            let (mut sent, mut line) = (Vec::new(), Vec::new());
            for &at in few {
                let (request, question) = (RequestId::new(&[kind as u8, at]).unwrap(), Text::new(SHORT).unwrap());
                let ask = Ask { request, wants_rationale: false, expires_after: None, task: None, question };
                let frame = bytes(at.into(), Message::Ask(ask));
                line.extend(noise.of(&frame, &mut random));
                sent.push((frame, at));
            }
            line.extend([0]);
            let whole = |piece: &[u8]| sent.iter().find(|(frame, _)| frame[1..frame.len() - 1] == *piece);
            due.extend(line.split(|byte| *byte == 0).filter_map(|piece| whole(piece).map(|&(_, at)| at)));
            cable.far.write_all(&line).unwrap();
            while !due.is_subset(&answered) {
                let (of, at) = cable
                    .hear(PATIENCE, |frame| match frame.message {
                        Message::Answer(Answer { request, code: NO_FAILURE, .. }) => {
                            let id = request.as_bytes();
                            (id[0], Some(id[1]))
                        }
                        Message::Pending(pending) => (pending.request.as_bytes()[0], None),
                        other => panic!("{name}: {other:?}"),
                    })
                    .unwrap_or_else(|| panic!("{name}: {:?} are not answered", &due - &answered));
                assert_eq!(usize::from(of), kind);
                answered.extend(at);
            }
        }
        assert_eq!(answered, due, "{name}");
        println!("{name:24} {} of {QUESTIONS} questions whole, all of them answered", due.len());
        assert!(due.len() > QUESTIONS / 4 && (noise.changed == 1e-4 || due.len() < QUESTIONS), "{name}: {}", due.len());
    }
}

/// The board of a microcontroller at one end of a noisy cable.
struct Board {
    cable: Cable,
    running: Station,
    noise: Noise,
    random: Rng,
    came: std::collections::VecDeque<u8>,
}

impl Port for Board {
    fn read(&mut self) -> Option<u8> {
        let mut byte = [0];
        if self.came.is_empty() {
            match self.cable.far.read(&mut byte) {
                Ok(1) => self.came.extend(self.noise.of(&byte, &mut self.random)),
                // Silent is a gateway that could have said something: it has nothing to answer, and it has had its turns.
                _ => self.running.counts("sokutou_queue_length", 0.0),
            }
        }
        self.came.pop_front()
    }

    fn write(&mut self, bytes: &[u8]) {
        self.cable.far.write_all(&self.noise.of(bytes, &mut self.random)).unwrap();
    }
}

#[test]
fn the_firmware_client_gets_every_answer_through_noise() {
    const QUESTIONS: u32 = 40;
    let folder = tempfile::tempdir().unwrap();
    let cable = Cable::new();
    let running = gateway(&cable, folder.path(), &[]);
    let noise = Noise { changed: 1e-3, dropped: 5e-4, inserted: 5e-4, ..Noise::default() };
    let mut board = Board { cable, running, noise, random: Rng::with_seed(11), came: [].into() };
    let mut client = Client::new();
    client.hello(Text::new("board").unwrap(), &mut board).unwrap();
    for id in 0..QUESTIONS {
        let (request, question) = (RequestId::new(&id.to_le_bytes()).unwrap(), Text::new(SHORT).unwrap());
        let ask = Ask { request, wants_rationale: false, expires_after: None, task: None, question };
        let reply = client.ask(ask, &mut board).unwrap();
        assert_eq!((reply.code, reply.state, reply.label.as_str()), (NO_FAILURE, State::Answered, "no failure"));
    }
    assert_eq!(board.running.gateway.stop(), Some(0));
    let limits = sokutou::store::Limits { disk_bytes_max: 1 << 30 };
    let (mut journal, _) = sokutou::store::Journal::open(&folder.path().join("journal"), limits).unwrap();
    let cases = journal.batch(|batch| batch.counts()).unwrap().received;
    assert_eq!(cases, i64::from(QUESTIONS), "asked again and again, and each kept once");
}

#[test]
fn several_ports_are_served_and_an_unplugged_one_comes_back() {
    let folder = tempfile::tempdir().unwrap();
    let (board, scanner) = (Cable::new(), Cable::new());
    let names = ["usb-board", "usb-scanner"].map(|name| folder.path().join(name));
    symlink(&board.path, &names[0]).unwrap();
    symlink(&scanner.path, &names[1]).unwrap();
    let settings = [
        "mqtt.enabled=false".to_owned(),
        format!("serial=[{{path='{}'}}, {{path='{}', mode='line'}}]", names[0].display(), names[1].display()),
    ];
    let settings: Vec<&str> = settings.iter().map(String::as_str).collect();
    let running = Gateway::start("press-3", 1, &folder.path().join("gateway"), &settings);
    let times = |words: &str| running.log().matches(words).count();
    let opened = |name: usize| format!("serial port {} is open", names[name].display());
    running.wait_for(&opened(0));
    running.wait_for(&opened(1));
    let scan = |scanner: &Cable| {
        scanner.far.write_all(format!("{SHORT}\r\n").as_bytes()).unwrap();
        String::from_utf8(scanner.line()).unwrap()
    };
    let mut board = board;
    board.hello(true);
    board.ask(1, b"\x01", FINE, false);
    assert_eq!(board.answer(), (1, NO_FAILURE, State::Answered, 0));
    assert!(scan(&scanner).starts_with("00000,"));

    // Out comes the board's cable, before it could acknowledge and with a question on its way.
    board.ask(2, b"\x02", OVERSTRAIN, false);
    board.pending(2);
    fs::remove_file(&names[0]).unwrap();
    drop(board);
    running.wait_for("failed to read the serial port");
    assert!(scan(&scanner).starts_with("00000,"), "the other port goes on");

    // Another device under the same name is the same port.
    let mut board = Cable::new();
    symlink(&board.path, &names[0]).unwrap();
    board.hello(true);
    let mut left = BTreeSet::from([(1, NO_FAILURE), (2, 3)]);
    while !left.is_empty() {
        let (sequence, code, state, _) = board.answer();
        assert_eq!(state, State::Answered);
        left.remove(&(sequence, code));
    }
    assert_eq!((times(&opened(0)), times(&opened(1))), (2, 1));
    assert!(scan(&scanner).starts_with("00000,"));
}
