//! The gateway on serial lines: pseudo terminals stand for the cables, everything behind them is real.

use std::collections::BTreeSet;
use std::fs;
use std::os::fd::{AsFd as _, AsRawFd as _};
use std::os::unix::fs::symlink;
use std::time::{Duration, Instant};

use fastrand::Rng;
use serial2::SerialPort;
use sokutou::wire::{
    Ack, Answer, Ask, CODE_ASK_A_PERSON, Class, Feed, Frame, Hello, LARGE_FRAME_BYTES_MAX, Message, Reason, RequestId,
    State, Text, VERSION,
};

use crate::gateway::{FINE, Gateway, OVERSTRAIN, PATIENCE};
use crate::support::student;

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
        let frame_bytes_max = LARGE_FRAME_BYTES_MAX as u16;
        let name = Text::new("mcu-7").unwrap();
        // The gateway may still be opening the port, and throws away what came before.
        for sequence in 0.. {
            assert!(sequence < 100, "nobody says hello");
            self.say(sequence, Message::Hello(Hello { newest_version: VERSION, frame_bytes_max, acknowledges, name }));
            if self.hear(Duration::from_millis(500), |frame| matches!(frame.message, Message::HelloAck(_)))
                == Some(true)
            {
                return;
            }
        }
    }

    fn ask(&self, sequence: u16, request: &[u8], question: &str, wants_rationale: bool) {
        let request = RequestId::new(request).unwrap();
        let question = Text::new(question).unwrap();
        self.say(sequence, Message::Ask(Ask { request, wants_rationale, expires_after: None, task: None, question }));
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

fn gateway(cable: &Cable, folder: &std::path::Path, more: &[&str]) -> Gateway {
    let path = format!("serial.0.path=\"{}\"", cable.path);
    let settings: Vec<&str> = ["mqtt.enabled=false", &path].into_iter().chain(more.iter().copied()).collect();
    let gateway = Gateway::start("press-3", 1, folder, &settings);
    gateway.wait_for(&format!("student {} is ready", student()));
    gateway.wait_for("is open");
    gateway
}

#[test]
fn a_microcontroller_asks_hears_and_acknowledges() {
    let folder = tempfile::tempdir().unwrap();
    let mut cable = Cable::new();
    let mut running = gateway(&cable, folder.path(), &[]);
    cable.hello(true);
    cable.ask(7, b"\x01", FINE, false);
    let pending = cable.hear(PATIENCE, |frame| matches!(frame.message, Message::Pending(_)) && frame.sequence == 7);
    assert_eq!(pending, Some(true));
    assert_eq!(cable.answer(), (7, 0, State::Answered, 0));
    // Not acknowledged: it comes again, also after the power was cut.
    assert_eq!(cable.answer(), (7, 0, State::Answered, 0));
    running.kill();
    let _running = gateway(&cable, folder.path(), &[]);
    cable.hello(true);
    assert_eq!(cable.answer(), (7, 0, State::Answered, 0));
    cable.say(8, Message::Ack(Ack { request: RequestId::new(b"\x01").unwrap(), revision: 0 }));
    while cable.hear(Duration::from_secs(6), |_| ()).is_some() {} // one may have been on its way
    assert!(cable.hear(Duration::from_secs(1), |_| ()).is_none(), "acknowledged, and still repeated");

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

    cable.ask(14, b"\x03", "How do I bake bread?", false);
    let (_, code, state, _) = cable.answer();
    assert_eq!((code, state), (CODE_ASK_A_PERSON, State::PendingAPerson));
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

/// What stands between two zeros and is, byte for byte, a question that was sent, is answered, and nothing else is.
#[test]
fn through_noise_every_question_that_is_whole_behind_a_delimiter_is_answered() {
    const QUESTIONS: usize = 80;
    let folder = tempfile::tempdir().unwrap();
    let mut cable = Cable::new();
    let _running = gateway(&cable, folder.path(), &["limits.deadline_ms=600000", "review.audit_share=0.0"]);
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
    noise: Noise,
    random: Rng,
    came: std::collections::VecDeque<u8>,
}

impl Port for Board {
    fn read(&mut self) -> Option<u8> {
        let mut byte = [0];
        if self.came.is_empty()
            && let Ok(1) = self.cable.far.read(&mut byte)
        {
            self.came.extend(self.noise.of(&byte, &mut self.random));
        }
        self.came.pop_front()
    }

    fn write(&mut self, bytes: &[u8]) {
        self.cable.far.write_all(&self.noise.of(bytes, &mut self.random)).unwrap();
    }
}

#[test]
fn the_firmware_client_gets_every_answer_of_the_gateway_through_noise() {
    const QUESTIONS: u32 = 40;
    let folder = tempfile::tempdir().unwrap();
    let cable = Cable::new();
    let mut running = gateway(&cable, folder.path(), &[]);
    let noise = Noise { changed: 1e-3, dropped: 5e-4, inserted: 5e-4, ..Noise::default() };
    let mut board = Board { cable, noise, random: Rng::with_seed(11), came: [].into() };
    let mut client = Client::new();
    client.hello(Text::new("board").unwrap(), &mut board).unwrap();
    for id in 0..QUESTIONS {
        let (request, question) = (RequestId::new(&id.to_le_bytes()).unwrap(), Text::new(SHORT).unwrap());
        let ask = Ask { request, wants_rationale: false, expires_after: None, task: None, question };
        let reply = client.ask(ask, &mut board).unwrap();
        assert_eq!((reply.code, reply.state, reply.label.as_str()), (NO_FAILURE, State::Answered, "no failure"));
    }
    assert_eq!(running.stop(), Some(0));
    let limits = sokutou::store::Limits { disk_bytes_max: 1 << 30 };
    let (mut journal, _) = sokutou::store::Journal::open(&folder.path().join("journal"), limits).unwrap();
    let cases = journal.batch(|batch| batch.counts()).unwrap().received;
    assert_eq!(cases, i64::from(QUESTIONS), "asked again and again, and each kept once");
}

#[test]
fn several_ports_are_served_and_one_that_is_unplugged_comes_back_by_its_name() {
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
    board.hear(PATIENCE, |frame| assert!(matches!(frame.message, Message::Pending(_)), "{frame:?}"));
    fs::remove_file(&names[0]).unwrap();
    drop(board);
    let until = Instant::now() + PATIENCE;
    while times("failed to read the serial port") == 0 {
        assert!(Instant::now() < until, "nobody noticed");
    }
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
