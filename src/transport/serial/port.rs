//! One serial port: opened for us alone, read by a thread of its own, opened again when it comes back. Answers what needs
//! no student (hello, ping, what cannot be read); never drops or repeats a question by itself.
//!
//! A port is best named by `/dev/serial/by-id/...`, which stays the same when a USB adapter comes back as another device.

use std::fs::File;
use std::io;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use rustix::fs::{Mode, OFlags};
use serial2::SerialPort;
use thiserror::Error;

use super::config::{Parity, Settings, Speaks};
use super::echo::Sent;
use super::waiting::{Due, Waiting};
use crate::wire::line::{self, Lines};
use crate::wire::{
    Class, Counters, EncodeError, Feed, Frame, HelloAck, LARGE_FRAME_BYTES_MAX, Message, NAME_BYTES_MAX, Nack, Reason,
    Text, VERSION,
};

/// How long a read waits before it looks whether to stop.
const READ_WAIT: Duration = Duration::from_millis(200);
/// How long a write may stall: a device that holds the line that long is gone. The longest frame takes a second at 9600 baud.
const WRITE_WAIT: Duration = Duration::from_secs(5);
/// Wait before a port is opened again: a device that was plugged in again is heard after this, and what it says before is lost.
const REOPEN_FIRST: Duration = Duration::from_millis(200);
/// One that is there and does not work is tried ever more seldom, down to this: opening it may reset the board behind it.
const REOPEN_MAX: Duration = Duration::from_secs(5);
/// Bytes of one read: a USB adapter's packet, several times over.
const READ_BYTES: usize = 512;

/// What a port has to tell.
#[derive(Debug)]
pub enum PortEvent<'a> {
    /// It is open; what was waiting in it is thrown away, and the client counts as one of the small class.
    Opened,
    /// It is not, or no longer. Told once for each cause; it is tried again without end.
    Closed(&'a Error),
    /// A client said hello, and was greeted.
    Hello {
        /// Its name; questions are its own.
        client: &'a str,
        /// It acknowledges answers.
        acknowledges: bool,
    },
    /// An Ask, one in numbers, an Ack or an AskStatus; nothing else comes through.
    Frame(Frame<'a>),
    /// A line, and its bytes: a question, or why it is none. (Frames have [`Writer::counters`] for it.)
    Line(Result<String, line::Fault>, &'a [u8]),
    /// What was sent came back.
    Echo,
}

/// Why a port is closed.
#[derive(Debug, Error)]
pub enum Error {
    /// It is not there, or not ours to open.
    #[error("failed to open the serial port {path}")]
    Open {
        /// The port.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// Two readers would share its bytes.
    #[error("failed to open the serial port {path}: another program holds it; stop that one, or name another port")]
    Held {
        /// The port.
        path: PathBuf,
    },
    /// It is no serial port, or does not do that speed.
    #[error("failed to set the serial port {path} to {baud} baud")]
    Configure {
        /// The port.
        path: PathBuf,
        /// The speed.
        baud: u32,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// It broke, or was pulled out.
    #[error("failed to read the serial port {path}")]
    Read {
        /// The port.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
}

impl Error {
    /// Whether there is no such device.
    fn is_absent(&self) -> bool {
        matches!(self, Self::Open { source, .. } if source.kind() == io::ErrorKind::NotFound)
    }
}

/// Why something was not sent.
#[derive(Debug, Error)]
pub enum SendError {
    /// Unplugged; it may be sent again when [`PortEvent::Opened`] comes.
    #[error("failed to send on the serial port {0}: it is closed")]
    Closed(PathBuf),
    /// The question was asked before the line was opened, and nothing tells its answer from that to a later one.
    #[error("failed to send on the serial port {0}: the line was opened anew since the question")]
    Reopened(PathBuf),
    /// Nobody needs it any more.
    #[error("failed to send on the serial port {0}: the question's time has run out")]
    Late(PathBuf),
    /// Too long for the client.
    #[error(transparent)]
    Encode(#[from] EncodeError),
    /// Half of it may be out; the client throws that away.
    #[error("failed to send on the serial port {path}")]
    Write {
        /// The port.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
}

/// A port and its thread. Dropping it closes the port.
#[derive(Debug)]
pub struct Serial {
    writer: Writer,
    thread: Option<JoinHandle<()>>,
}

/// The way out of a port, for any thread; whole frames and lines, one after the other.
#[derive(Clone, Debug)]
pub struct Writer(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    path: PathBuf,
    stop: AtomicBool,
    line: Mutex<Line>,
    /// Of its own, since a line may be held by a write that stalls. Locked behind it where both are.
    waiting: Mutex<Waiting>,
    /// What came back of what was sent, since the start.
    echoes: AtomicU64,
    /// Something came back in this opening.
    is_echoing: AtomicBool,
}

#[derive(Debug)]
struct Line {
    port: Option<Arc<SerialPort>>,
    class: Class,
    /// The protocol version that the client speaks, since its last hello.
    version: u8,
    counters: Counters,
    sent: Sent,
    /// A write broke off: half a line may be out.
    torn: bool,
}

impl Line {
    /// Nobody has said anything on it yet.
    fn new(port: Option<Arc<SerialPort>>, counters: Counters) -> Self {
        Self { port, class: Class::Small, version: 1, counters, sent: Sent::default(), torn: false }
    }
}

impl Serial {
    /// Starts the thread, which opens the port, whenever that may succeed. It calls `on_event`, which should hand on what it
    /// on_event (through a channel with an end) and return: while it does not, nobody reads the port.
    pub fn start(
        settings: Settings,
        on_event: impl FnMut(&Writer, PortEvent<'_>) + Send + 'static,
    ) -> io::Result<Self> {
        let writer = Writer(Arc::new(Shared {
            path: settings.path.clone(),
            stop: AtomicBool::new(false),
            line: Mutex::new(Line::new(None, Counters::default())),
            waiting: Mutex::default(),
            echoes: AtomicU64::new(0),
            is_echoing: AtomicBool::new(false),
        }));
        let reader = Reader { settings, writer: writer.clone(), on_event };
        let thread = thread::Builder::new().name("serial".to_owned()).spawn(move || reader.run())?;
        Ok(Self { writer, thread: Some(thread) })
    }

    /// The way out.
    pub fn writer(&self) -> Writer {
        self.writer.clone()
    }
}

impl Drop for Serial {
    fn drop(&mut self) {
        self.writer.0.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            thread.thread().unpark();
            let _ = thread.join(); // if it panicked, that was told where it happened
        }
    }
}

impl Writer {
    /// Sends a frame, if it fits the client's class.
    pub fn send(&self, frame: &Frame<'_>) -> Result<(), SendError> {
        let mut line = self.line();
        let mut buffer = [0; LARGE_FRAME_BYTES_MAX];
        let bytes = frame.encode(line.class, &mut buffer)?;
        self.write(&mut line, bytes)
    }

    /// Sends a line that [`mod@line`] made.
    pub fn send_line(&self, bytes: &[u8]) -> Result<(), SendError> {
        self.write_line(&mut self.line(), bytes)
    }

    /// A question came as a line, with this number of the device's own: it waits for its answer. False where too many do.
    pub fn asks(&self, name: &str, number: Option<u32>) -> bool {
        self.waiting().ask(name, number)
    }

    /// When nobody needs the answer to a line any more.
    pub fn expires(&self, name: &str, at: Instant) {
        self.waiting().expires(name, at);
    }

    /// When the time of the next line that waits runs out.
    pub fn next_expiry(&self) -> Option<Instant> {
        self.waiting().next_expiry()
    }

    /// Tells those lines whose time has run out; `refusal` makes the line.
    pub fn tell_expired(&self, refusal: impl Fn(Option<u32>) -> Vec<u8>) -> Result<(), SendError> {
        let mut line = self.line();
        let due = self.waiting().expire(Instant::now());
        due.into_iter().try_for_each(|number| self.write_line(&mut line, &refusal(number)))
    }

    /// Sends the one line that a question gets, if it was asked in this opening and has had none.
    pub fn answer_line(&self, name: &str, answer: impl FnOnce(Option<u32>) -> Vec<u8>) -> Result<(), SendError> {
        let mut line = self.line();
        let due = self.waiting().take(name);
        match due {
            Due::Line(number) => self.write_line(&mut line, &answer(number)),
            Due::Told => Err(SendError::Late(self.0.path.clone())),
            Due::Unknown => Err(SendError::Reopened(self.0.path.clone())),
        }
    }

    /// How long a frame the client takes, since its last hello.
    pub fn class(&self) -> Class {
        self.line().class
    }

    /// The protocol version that the client speaks, since its last hello.
    pub fn version(&self) -> u8 {
        self.line().version
    }

    /// What the line brought since the start, however often the port was opened.
    pub fn counters(&self) -> Counters {
        self.line().counters
    }

    /// How often something came back of what was sent, since the start.
    pub fn echoes(&self) -> u64 {
        self.0.echoes.load(Ordering::Relaxed)
    }

    /// Whether it did in this opening.
    pub fn is_echoing(&self) -> bool {
        self.0.is_echoing.load(Ordering::Relaxed)
    }

    fn write_line(&self, line: &mut Line, bytes: &[u8]) -> Result<(), SendError> {
        if line.torn {
            self.write(line, line::END)?; // what is half out must not become the beginning of this one
            line.torn = false;
        }
        self.write(line, bytes)
    }

    fn write(&self, line: &mut Line, bytes: &[u8]) -> Result<(), SendError> {
        let port = line.port.as_ref().ok_or_else(|| SendError::Closed(self.0.path.clone()))?;
        line.sent.sends(bytes);
        port.write_all(bytes).map_err(|source| {
            // What the kernel still holds would leave when nobody knows how old it is.
            let _ = port.discard_output_buffer();
            line.torn = true;
            SendError::Write { path: self.0.path.clone(), source }
        })
    }

    /// A new opening, or none: what was asked before belongs to no line any more.
    fn opens(&self, port: Option<Arc<SerialPort>>) {
        let mut line = self.line();
        *line = Line::new(port, line.counters);
        self.waiting().clear();
        self.0.is_echoing.store(false, Ordering::Relaxed);
    }

    /// Whether what came is what was sent; then it is counted.
    fn is_echo(&self, bytes: &[u8]) -> bool {
        let is_echo = self.line().sent.comes_back(bytes);
        if is_echo {
            self.0.echoes.fetch_add(1, Ordering::Relaxed);
            self.0.is_echoing.store(true, Ordering::Relaxed);
        }
        is_echo
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.0.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Nothing under the lock can leave it half changed.
    fn line(&self) -> MutexGuard<'_, Line> {
        self.0.line.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn stopped(&self) -> bool {
        self.0.stop.load(Ordering::Relaxed)
    }
}

/// The thread's side.
struct Reader<H> {
    settings: Settings,
    writer: Writer,
    on_event: H,
}

impl<H: FnMut(&Writer, PortEvent<'_>)> Reader<H> {
    fn run(mut self) {
        let mut feed = Feed::new();
        let mut wait = REOPEN_FIRST;
        let mut told = None;
        while !self.writer.stopped() {
            let closed = match open(&self.settings) {
                Ok(port) => {
                    told = None;
                    let port = Arc::new(port);
                    self.writer.opens(Some(port.clone()));
                    self.report(PortEvent::Opened);
                    feed.resync();
                    let closed = self.read(&port, &mut feed, &mut wait);
                    self.writer.opens(None);
                    closed
                }
                Err(error) => Err(error),
            };
            let Err(error) = closed else { return };
            let words = error.to_string();
            if told.as_ref() != Some(&words) {
                self.report(PortEvent::Closed(&error));
                told = Some(words);
            }
            if error.is_absent() {
                wait = REOPEN_FIRST; // to look for a name costs nothing
            }
            thread::park_timeout(wait);
            wait = (wait * 2).min(REOPEN_MAX);
        }
    }

    /// Until the port breaks or we are stopped.
    fn read(
        &mut self,
        port: &SerialPort,
        feed: &mut Feed<LARGE_FRAME_BYTES_MAX>,
        wait: &mut Duration,
    ) -> Result<(), Error> {
        let failed = |source| Error::Read { path: self.settings.path.clone(), source };
        let mut lines = match &self.settings.speaks {
            Speaks::Frames => None,
            Speaks::Lines(format) => Some(Lines::new(format.encoding, format.bytes_max, format.has_tabs())),
        };
        let mut bytes = [0; READ_BYTES];
        while !self.writer.stopped() {
            let got = match port.read(&mut bytes) {
                // What an unplugged USB adapter says, for ever.
                Ok(0) => return Err(failed(io::ErrorKind::UnexpectedEof.into())),
                Ok(got) => got,
                Err(error) if error.kind() == io::ErrorKind::TimedOut => continue,
                Err(error) => return Err(failed(error)),
            };
            // It works: an outage from here on is a new one.
            *wait = REOPEN_FIRST;
            for &byte in &bytes[..got] {
                match &mut lines {
                    None => match feed.push(byte) {
                        Some(Ok(frame)) => frame_came(frame, &self.settings.gateway, &self.writer, &mut self.on_event),
                        Some(Err(fault)) => fault.nack().iter().for_each(|nack| reply(&self.writer, nack)),
                        None => {}
                    },
                    Some(lines) => {
                        let Some(line) = lines.push(byte) else { continue };
                        let is_echo = self.writer.is_echo(lines.bytes());
                        let event = if is_echo { PortEvent::Echo } else { PortEvent::Line(line, lines.bytes()) };
                        (self.on_event)(&self.writer, event);
                    }
                }
            }
            self.writer.line().counters = feed.counters();
        }
        Ok(())
    }

    fn report(&mut self, event: PortEvent<'_>) {
        (self.on_event)(&self.writer, event);
    }
}

/// Replies to what needs no student, and hands on the rest.
fn frame_came(frame: Frame<'_>, gateway: &str, writer: &Writer, on_event: &mut impl FnMut(&Writer, PortEvent<'_>)) {
    let sequence = frame.sequence;
    let refuse = |reason| reply(writer, &Frame { sequence, message: Message::Nack(Nack { reason, request: None }) });
    match &frame.message {
        Message::Ask(_) | Message::AskNumbers(_) | Message::Ack(_) | Message::AskStatus => {
            on_event(writer, PortEvent::Frame(frame));
        }
        Message::Hello(hello) => {
            let Some(class) = Class::taking(hello.frame_bytes_max) else { return refuse(Reason::FrameTooShort) };
            let version = hello.newest_version.clamp(1, VERSION);
            {
                let mut line = writer.line();
                (line.class, line.version) = (class, version);
            }
            let message = Message::HelloAck(HelloAck {
                version,
                frame_bytes_max: LARGE_FRAME_BYTES_MAX as u16,
                name: Text::<NAME_BYTES_MAX>::cut(gateway).0,
                software: Text::cut(env!("CARGO_PKG_VERSION")).0,
            });
            reply(writer, &Frame { sequence, message });
            on_event(writer, PortEvent::Hello { client: hello.name.as_str(), acknowledges: hello.acknowledges });
        }
        Message::Ping => reply(writer, &Frame { sequence, message: Message::Pong }),
        Message::Pong
        | Message::Nack(_)
        | Message::HelloAck(_)
        | Message::Answer(_)
        | Message::Pending(_)
        | Message::RationaleChunk(_)
        | Message::Status(_) => {
            let mut buffer = [0; LARGE_FRAME_BYTES_MAX];
            match (frame.encode(Class::Large, &mut buffer), &frame.message) {
                (Ok(bytes), _) if writer.is_echo(bytes) => on_event(writer, PortEvent::Echo),
                // Both sides may ping; and a refused Nack would be refused for ever.
                (_, Message::Pong | Message::Nack(_)) => {}
                _ => refuse(Reason::UnknownType),
            }
        }
    }
}

fn reply(writer: &Writer, frame: &Frame<'_>) {
    unsent(writer.send(frame));
}

/// The client asks again, and the reader sees a broken port by itself.
fn unsent(sent: Result<(), SendError>) {
    if let Err(error) = sent {
        log::warn!("{error}");
    }
}

fn open(settings: &Settings) -> Result<SerialPort, Error> {
    let (path, baud) = (&*settings.path, settings.baud);
    let failed = |source| Error::Open { path: path.to_owned(), source };
    // NONBLOCK: a modem line that is down must not hold us; NOCTTY: it is not our terminal.
    let flags = OFlags::RDWR | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let file = File::from(rustix::fs::open(path, flags, Mode::empty()).map_err(|error| match error {
        rustix::io::Errno::BUSY => Error::Held { path: path.to_owned() },
        error => failed(error.into()),
    })?);
    // The lock keeps out another gateway and whoever else locks, root's too; the ioctl everybody but root.
    match file.try_lock() {
        Ok(()) => {}
        Err(std::fs::TryLockError::WouldBlock) => return Err(Error::Held { path: path.to_owned() }),
        Err(std::fs::TryLockError::Error(error)) => return Err(failed(error)),
    }
    let configured = |source| Error::Configure { path: path.to_owned(), baud, source };
    rustix::termios::ioctl_tiocexcl(&file).map_err(|error| configured(error.into()))?;
    let mut port = SerialPort::from(std::os::fd::OwnedFd::from(file));
    let mut line = port.get_configuration().map_err(configured)?;
    apply(settings, &mut line).map_err(configured)?;
    port.set_configuration(&line).map_err(configured)?;
    port.set_read_timeout(READ_WAIT).map_err(configured)?;
    port.set_write_timeout(WRITE_WAIT).map_err(configured)?;
    // Whatever came before anybody listened is nobody's question.
    port.discard_input_buffer().map_err(configured)?;
    Ok(port)
}

/// How bytes are bits on this line.
fn apply(settings: &Settings, line: &mut serial2::Settings) -> io::Result<()> {
    line.set_raw();
    line.set_baud_rate(settings.baud)?;
    line.set_char_size(if settings.data_bits == 7 { serial2::CharSize::Bits7 } else { serial2::CharSize::Bits8 });
    line.set_parity(match settings.parity {
        Parity::None => serial2::Parity::None,
        Parity::Even => serial2::Parity::Even,
        Parity::Odd => serial2::Parity::Odd,
    });
    line.set_stop_bits(if settings.stop_bits == 2 { serial2::StopBits::Two } else { serial2::StopBits::One });
    line.set_flow_control(serial2::FlowControl::None);
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::fd::AsRawFd as _;
    use std::os::unix::fs::symlink;
    use std::path::Path;
    use std::sync::mpsc::{Receiver, channel};
    use std::time::Instant;

    use super::*;
    use crate::transport::serial::question::LineFormat;
    use crate::wire::line::Encoding;
    use crate::wire::{Ack, Answer, Ask, CODE_TEXT, Confidence, Hello, RequestId, SMALL_FRAME_BYTES_MAX, State};

    /// Longer than any machine takes.
    const PATIENCE: Duration = Duration::from_secs(30);

    /// A pseudo terminal: the far end of a cable, and the path of the near one.
    struct Device {
        far: SerialPort,
        path: PathBuf,
        /// Held so that what is sent before anybody opens the near end is kept.
        _near: SerialPort,
    }

    impl Device {
        fn new() -> Self {
            let (mut far, mut near) = SerialPort::pair().unwrap();
            let mut raw = near.get_configuration().unwrap();
            raw.set_raw(); // else the terminal echoes
            near.set_configuration(&raw).unwrap();
            far.set_read_timeout(Duration::from_millis(50)).unwrap();
            let path = fs::read_link(format!("/proc/self/fd/{}", near.as_raw_fd())).unwrap();
            Self { far, path, _near: near }
        }

        fn send(&self, sequence: u16, message: Message<'_>) {
            let mut buffer = [0; LARGE_FRAME_BYTES_MAX];
            self.far.write_all(Frame { sequence, message }.encode(Class::Large, &mut buffer).unwrap()).unwrap();
        }

        /// Reads until `done` finds what it waits for.
        fn read<T>(&self, mut done: impl FnMut(u8) -> Option<T>) -> T {
            let until = Instant::now() + PATIENCE;
            let mut byte = [0];
            while Instant::now() < until {
                match self.far.read(&mut byte) {
                    Ok(1) => {
                        if let Some(found) = done(byte[0]) {
                            return found;
                        }
                    }
                    Ok(_) => {}
                    Err(error) => assert_eq!(error.kind(), io::ErrorKind::TimedOut, "{error}"),
                }
            }
            panic!("the gateway said nothing")
        }

        /// The next frame, as its number and message in words.
        fn frame(&self) -> (u16, String) {
            let mut feed = Feed::<LARGE_FRAME_BYTES_MAX>::new();
            self.read(|byte| feed.push(byte).map(|frame| frame.map(|frame| (frame.sequence, words(&frame.message)))))
                .unwrap()
        }
    }

    fn words(message: &Message<'_>) -> String {
        match message {
            Message::HelloAck(ack) => format!("hello from {}", ack.name.as_str()),
            Message::Answer(answer) => format!("answer {}", answer.label.as_str()),
            Message::Nack(nack) => format!("refused: {}", nack.reason.word()),
            other => format!("{other:?}"),
        }
    }

    fn settings(path: &Path, speaks: Speaks) -> Settings {
        Settings {
            block: "serial.0".to_owned(),
            path: path.to_owned(),
            baud: 115_200,
            data_bits: 8,
            parity: Parity::None,
            stop_bits: 1,
            speaks,
            task: None,
            gateway: "line-3".to_owned(),
        }
    }

    fn lines(bytes_max: usize) -> Speaks {
        let encoding = Encoding::Cp932;
        Speaks::Lines(LineFormat { encoding, bytes_max, numbered: false, separator: ',', columns: None })
    }

    fn start(path: &Path, speaks: Speaks) -> (Serial, Receiver<String>) {
        let settings = settings(path, speaks);
        let (tell, told) = channel();
        let serial = Serial::start(settings, move |writer, event| {
            let words = match event {
                PortEvent::Opened => "opened".to_owned(),
                PortEvent::Closed(error) => format!("closed: {error}"),
                PortEvent::Hello { client, acknowledges } => format!("{client} {acknowledges} {:?}", writer.class()),
                PortEvent::Frame(Frame { sequence, message: Message::Ask(ask) }) => {
                    format!("{sequence} asks {}", ask.question.as_str())
                }
                PortEvent::Frame(frame) => words(&frame.message),
                PortEvent::Line(Ok(question), bytes) => format!("line {question} of {} bytes", bytes.len()),
                PortEvent::Line(Err(fault), _) => fault.to_string(),
                PortEvent::Echo => "echo".to_owned(),
            };
            let _ = tell.send(words);
        });
        (serial.unwrap(), told)
    }

    fn next(told: &Receiver<String>) -> String {
        told.recv_timeout(PATIENCE).unwrap()
    }

    fn ask(question: &str) -> Message<'_> {
        let (request, question) = (RequestId::new(b"1").unwrap(), Text::new(question).unwrap());
        Message::Ask(Ask { request, wants_rationale: false, expires_after: None, task: None, question })
    }

    fn answer(label: &str) -> Frame<'_> {
        let message = Message::Answer(Answer {
            code: CODE_TEXT,
            state: State::Answered,
            confidence: Confidence::new(9000).unwrap(),
            revision: 0,
            escalation: None,
            label_cut: false,
            request: RequestId::new(b"1").unwrap(),
            label: Text::new(label).unwrap(),
        });
        Frame { sequence: 0, message }
    }

    fn hello(frame_bytes_max: u16) -> Message<'static> {
        let name = Text::new("plc-7").unwrap();
        Message::Hello(Hello { newest_version: 1, frame_bytes_max, acknowledges: true, name })
    }

    #[test]
    fn a_question_comes_in_and_an_answer_goes_out() {
        let device = Device::new();
        let (serial, told) = start(&device.path, Speaks::Frames);
        assert_eq!(next(&told), "opened");
        device.send(4, ask("torque=42.8"));
        assert_eq!(next(&told), "4 asks torque=42.8");
        serial.writer().send(&answer("tool wear")).unwrap();
        assert_eq!(device.frame(), (0, "answer tool wear".to_owned()));
        let ack = Ack { request: RequestId::new(b"1").unwrap(), revision: 0 };
        device.send(5, Message::Ack(ack.clone()));
        assert_eq!(next(&told), format!("{:?}", Message::Ack(ack)));
    }

    #[test]
    fn hello_ping_and_nonsense_are_answered_without_the_gateway() {
        let device = Device::new();
        let (serial, told) = start(&device.path, Speaks::Frames);
        assert_eq!(next(&told), "opened");
        for (sequence, message, reply) in [
            (1, Message::Ping, "Pong"),
            (2, hello(100), "refused: frame too short"),
            (3, answer("mine").message, "refused: unknown type"),
            (4, hello(1038), "hello from line-3"),
        ] {
            device.send(sequence, message);
            assert_eq!(device.frame(), (sequence, reply.to_owned()));
        }
        assert_eq!(next(&told), "plc-7 true Large");
        // A damaged Ping gets no word, an undamaged frame of type 0 is refused by its number.
        device.far.write_all(b"\0\x03\x18\x05\x05\x9f\x19\xbf\x75\0").unwrap();
        device.far.write_all(b"\0\x03\x10\x05\x05\x5b\x27\xee\x4d\0").unwrap();
        assert_eq!(device.frame(), (5, "refused: unknown type".to_owned()));
        device.send(6, hello(SMALL_FRAME_BYTES_MAX as u16));
        assert_eq!(device.frame(), (6, "hello from line-3".to_owned()));
        assert_eq!(next(&told), "plc-7 true Small");
        device.send(7, Message::Pong);
        device.send(8, ask("all of it read?"));
        assert_eq!(next(&told), "8 asks all of it read?");
        let text = "x".repeat(240);
        let long = Frame { sequence: 0, message: ask(&text) };
        assert!(matches!(serial.writer().send(&long), Err(SendError::Encode(EncodeError::Body(240)))));
        let until = Instant::now() + PATIENCE;
        while serial.writer().counters().frames_ok < 7 {
            assert!(Instant::now() < until);
            thread::yield_now();
        }
        assert_eq!((serial.writer().counters().crc_error, serial.writer().counters().decode_error), (1, 1));
    }

    #[test]
    fn what_waited_in_the_port_is_thrown_away() {
        let device = Device::new();
        device.send(1, ask("of yesterday"));
        let (_serial, told) = start(&device.path, Speaks::Frames);
        assert_eq!(next(&told), "opened");
        device.send(2, ask("of today"));
        assert_eq!(next(&told), "2 asks of today");
    }

    #[test]
    fn nobody_else_opens_a_port_that_is_ours() {
        let device = Device::new();
        let (serial, told) = start(&device.path, Speaks::Frames);
        assert_eq!(next(&told), "opened");
        let (_second, told) = start(&device.path, Speaks::Frames);
        let held = format!(
            "closed: failed to open the serial port {}: another program holds it; stop that one, or name another port",
            device.path.display()
        );
        assert_eq!(next(&told), held);
        drop(serial);
        assert_eq!(next(&told), "opened", "told once, and tried until it is free");
    }

    #[test]
    fn an_unplugged_port_is_told_and_opened_again_by_its_name() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("usb-adapter");
        let (serial, told) = start(&path, Speaks::Frames);
        let missing = format!("closed: failed to open the serial port {}", path.display());
        assert_eq!(next(&told), missing);
        assert!(matches!(serial.writer().send(&answer("lost")), Err(SendError::Closed(_))));
        for sequence in 1..=2 {
            let device = Device::new();
            symlink(&device.path, &path).unwrap();
            assert_eq!(next(&told), "opened");
            assert_eq!(serial.writer().class(), Class::Small, "another client, until it says hello");
            device.send(sequence, hello(2000));
            assert_eq!(next(&told), "plc-7 true Large");
            // A ping and half of another, and the cable is out.
            device.far.write_all(b"\0\x03\x18\x01\x05\x42\x78\x35\x3b\0\x03\x18").unwrap();
            assert_eq!(device.frame(), (sequence, "hello from line-3".to_owned()));
            assert_eq!(device.frame(), (1, "Pong".to_owned()));
            fs::remove_file(&path).unwrap();
            drop(device);
            assert_eq!(next(&told), format!("closed: failed to read the serial port {}", path.display()));
            assert_eq!(next(&told), missing);
            assert!(matches!(serial.writer().send(&answer("lost")), Err(SendError::Closed(_))));
        }
        let counters = serial.writer().counters();
        assert_eq!(
            (counters.frames_ok, counters.crc_error + counters.cobs_error),
            (4, 0),
            "counted over both, half frames not joined"
        );
    }

    #[test]
    fn what_is_no_serial_port_is_told_so() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        fs::write(&path, "").unwrap();
        let (_serial, told) = start(&path, Speaks::Frames);
        assert_eq!(next(&told), format!("closed: failed to set the serial port {} to 115200 baud", path.display()));
    }

    #[test]
    fn lines_come_in_and_go_out_in_the_device_s_encoding() {
        let device = Device::new();
        let (serial, told) = start(&device.path, lines(20));
        assert_eq!(next(&told), "opened");
        let line = || {
            let mut line = Vec::new();
            device.read(|byte| {
                line.push(byte);
                (byte == b'\n').then(|| std::mem::take(&mut line))
            })
        };
        device.far.write_all(b"\x82\x6c\x8c\x5e 42.8\r\n").unwrap();
        assert_eq!(next(&told), "line M型 42.8 of 9 bytes");
        let Message::Answer(tool_wear) = answer("工具摩耗").message else { unreachable!() };
        serial.writer().send_line(&line::answer(None, &tool_wear, Encoding::Cp932)).unwrap();
        assert_eq!(line(), b"65534,09000,\x8d\x48\x8b\xef\x96\x80\x96\xd5\r\n");
        device.far.write_all(b"a scan of more than twenty bytes\r").unwrap();
        assert_eq!(next(&told), "failed to read a line: it is longer than 20 bytes");
    }

    #[test]
    fn what_was_asked_before_a_line_was_opened_is_never_answered_on_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("usb-adapter");
        let device = Device::new();
        symlink(&device.path, &path).unwrap();
        let (serial, told) = start(&path, lines(20));
        let writer = serial.writer();
        let answer = |name: &str| writer.answer_line(name, |number| format!("{number:?} {name}\r\n").into_bytes());
        assert_eq!(next(&told), "opened");
        assert!(writer.asks("1", Some(17)) && writer.asks("2", None));
        answer("1").unwrap();
        assert!(matches!(answer("1"), Err(SendError::Reopened(_))), "a question has one line");
        fs::remove_file(&path).unwrap();
        drop(device);
        assert!(next(&told).starts_with("closed"));
        assert!(matches!(answer("2"), Err(SendError::Reopened(_))), "nothing of it waits for the next opening");
        let device = Device::new();
        symlink(&device.path, &path).unwrap();
        while next(&told) != "opened" {}
        assert!(writer.asks("3", None));
        assert!(matches!(answer("2"), Err(SendError::Reopened(_))));
        answer("3").unwrap();
        let mut first = Vec::new();
        device.read(|byte| {
            first.push(byte);
            (byte == b'\n').then_some(())
        });
        assert_eq!(first, b"None 3\r\n");
    }

    #[test]
    fn a_line_that_has_waited_too_long_is_told_so_and_gets_nothing_more() {
        let device = Device::new();
        let (serial, told) = start(&device.path, lines(20));
        let writer = serial.writer();
        assert_eq!(next(&told), "opened");
        for (name, number) in [("1", 17), ("2", 18)] {
            assert!(writer.asks(name, Some(number)));
        }
        writer.expires("1", Instant::now());
        writer.expires("2", Instant::now() + PATIENCE);
        writer.tell_expired(|number| format!("too late for {number:?}\r\n").into_bytes()).unwrap();
        assert!(matches!(writer.answer_line("1", |_| b"late\r\n".to_vec()), Err(SendError::Late(_))));
        writer.answer_line("2", |_| b"in time\r\n".to_vec()).unwrap();
        let mut read = String::new();
        device.read(|byte| {
            read.push(byte.into());
            read.ends_with("in time\r\n").then_some(())
        });
        assert_eq!(read, "too late for Some(17)\r\nin time\r\n");
    }

    #[test]
    fn what_comes_back_of_what_was_sent_is_an_echo_and_gets_no_word() {
        let device = Device::new();
        let (serial, told) = start(&device.path, Speaks::Frames);
        assert_eq!(next(&told), "opened");
        device.send(4, Message::Ping);
        assert_eq!(device.frame(), (4, "Pong".to_owned()));
        device.send(4, Message::Pong);
        assert_eq!(next(&told), "echo");
        serial.writer().send(&answer("tool wear")).unwrap();
        assert_eq!(device.frame(), (0, "answer tool wear".to_owned()));
        device.send(0, answer("tool wear").message);
        assert_eq!(next(&told), "echo");
        assert_eq!((serial.writer().echoes(), serial.writer().is_echoing()), (2, true));
        device.send(0, answer("tool wear").message);
        assert_eq!(device.frame(), (0, "refused: unknown type".to_owned()), "nobody sent that twice");
    }

    #[test]
    fn a_line_has_the_bits_that_its_device_has() {
        let device = Device::new();
        let mut line = device.far.get_configuration().unwrap();
        let settings = settings(&device.path, lines(20));
        for (data_bits, parity, stop_bits) in [(8, Parity::None, 1), (7, Parity::Even, 1), (8, Parity::Odd, 2)] {
            apply(&Settings { data_bits, parity, stop_bits, ..settings.clone() }, &mut line).unwrap();
            let found = (
                line.get_char_size().unwrap() == serial2::CharSize::Bits7,
                match line.get_parity().unwrap() {
                    serial2::Parity::None => Parity::None,
                    serial2::Parity::Even => Parity::Even,
                    serial2::Parity::Odd => Parity::Odd,
                },
                line.get_stop_bits().unwrap() == serial2::StopBits::Two,
            );
            assert_eq!(found, (data_bits == 7, parity, stop_bits == 2));
        }
    }
}
