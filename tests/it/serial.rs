//! The gateway on serial lines: pseudo terminals stand for the cables, everything behind them is real.

use std::fs;
use std::os::fd::{AsFd as _, AsRawFd as _};
use std::time::{Duration, Instant};

use serial2::SerialPort;
use sokutou::wire::{
    Ack, Ask, CODE_ASK_A_PERSON, Class, Feed, Frame, Hello, LARGE_FRAME_BYTES_MAX, Message, Reason, RequestId, State,
    Text, VERSION,
};

use crate::gateway::{FINE, Gateway, OVERSTRAIN, PATIENCE};
use crate::support::student;

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
        let mut buffer = [0; LARGE_FRAME_BYTES_MAX];
        let bytes = Frame { sequence, message }.encode(Class::Large, &mut buffer).unwrap().to_vec();
        self.far.write_all(&bytes).unwrap();
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
    let mut line = Vec::new();
    let until = Instant::now() + PATIENCE;
    while line.last() != Some(&b'\n') {
        assert!(Instant::now() < until, "no line");
        let mut byte = [0];
        if let Ok(1) = cable.far.read(&mut byte) {
            line.push(byte[0]);
        }
    }
    let (line, _, _) = encoding_rs::SHIFT_JIS.decode(&line);
    let fields: Vec<&str> = line.trim_end().split(',').collect();
    assert_eq!((fields[0], fields[2]), ("00003", "過負荷故障"), "{line}");
    assert!(fields[1].parse::<u16>().unwrap() > 9000, "{line}");
}
