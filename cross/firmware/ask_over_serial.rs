//! Asks a gateway over a serial line the way a microcontroller does: static buffers, no allocation, two functions of its
//! board. Take [`Client`] into your firmware and give it your own; `main` runs it on a PC.
//!
//! ```sh
//! stty -F /dev/ttyUSB0 115200 raw -echo
//! cargo run -p sokutou-wire --example ask_over_serial -- /dev/ttyUSB0 "type=H air=299.1 proc=309.8 rpm=1550 torque=40.2 wear=25"
//! ```
//!
//! Instead of a device it takes `host:port`, for a serial server or a test. Instead of a text it takes numbers, each behind the number of
//! its field, and asks without any text:
//!
//! ```sh
//! cargo run -p sokutou-wire --example ask_over_serial -- /dev/ttyUSB0 1=3 2=299.1 3=309.8 4=1550 5=40.2 6=25
//! ```
#![allow(clippy::print_stdout, clippy::new_without_default)] // an example talks; a static is made by a const fn

use std::error::Error;
use std::fs::OpenOptions;
use std::io::{BufReader, Read, Write};
use std::net::TcpStream;
use std::sync::{Mutex, mpsc};
use std::thread;
use std::time::{Duration, SystemTime};

use heapless::String;
use sokutou_wire::{
    Ack, Answer, Ask, AskNumbers, Class, Confidence, EncodeError, Escalation, Feed, Frame, Hello, LABEL_BYTES_MAX,
    List, Message, Number, Reading, Reason, RequestId, SMALL_FRAME_BYTES_MAX, State, Text, VERSION,
};

/// How often a frame is sent before the line counts as dead.
const TRIES: usize = 10;
/// Silent reads before a frame is sent again.
const SILENT_READS: usize = 30;

/// A client of the small class, about 520 bytes with both of its buffers.
pub struct Client {
    feed: Feed<SMALL_FRAME_BYTES_MAX>,
    outgoing: [u8; SMALL_FRAME_BYTES_MAX],
    sequence: u16,
}

/// What the board brings.
pub trait Port {
    /// The next byte; `None` when none came for a while, say 100 ms.
    fn read(&mut self) -> Option<u8>;
    /// Sends all of it.
    fn write(&mut self, bytes: &[u8]);
}

/// An answer, in memory of its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// The choice's code; see the protocol's page for the two that are none.
    pub code: u16,
    /// Answered, or waiting for a person.
    pub state: State,
    /// The probability that it is right.
    pub confidence: Confidence,
    /// Why a person is asked, and the guess.
    pub escalation: Option<Escalation>,
    /// For the display.
    pub label: String<LABEL_BYTES_MAX>,
}

/// Why there is no answer.
#[derive(Debug, PartialEq, Eq)]
pub enum NoReply {
    /// The question does not fit a small frame.
    Unsendable(EncodeError),
    /// The gateway refuses.
    Refused(Reason),
    /// Nobody answered any try.
    Silent,
}

impl Client {
    /// Ready to be a static.
    pub const fn new() -> Self {
        Self { feed: Feed::new(), outgoing: [0; SMALL_FRAME_BYTES_MAX], sequence: 0 }
    }

    /// Says who we are; once after power on.
    pub fn hello(&mut self, name: Text<'_, 64>, port: &mut impl Port) -> Result<(), NoReply> {
        let frame_bytes_max = SMALL_FRAME_BYTES_MAX as u16;
        let hello = Hello { newest_version: VERSION, frame_bytes_max, acknowledges: true, name };
        self.exchange(Message::Hello(hello), port, |message| matches!(message, Message::HelloAck(_)).then_some(()))
    }

    /// Asks, and waits for the answer; as often as it takes, since the same request id never asks the student twice.
    pub fn ask(&mut self, ask: Ask<'_>, port: &mut impl Port) -> Result<Reply, NoReply> {
        let request = ask.request.clone();
        self.exchange(Message::Ask(ask), port, |message| reply(message, &request))
    }

    /// The same in numbers alone. A gateway of version 1 refuses it: `NoReply::Refused(Reason::UnknownVersion)`.
    pub fn ask_numbers(&mut self, ask: AskNumbers<'_>, port: &mut impl Port) -> Result<Reply, NoReply> {
        let request = ask.request.clone();
        self.exchange(Message::AskNumbers(ask), port, |message| reply(message, &request))
    }

    /// Sends until `wanted` sees what it waits for.
    fn exchange<T>(
        &mut self,
        message: Message<'_>,
        port: &mut impl Port,
        wanted: impl Fn(&Message<'_>) -> Option<T>,
    ) -> Result<T, NoReply> {
        self.sequence = self.sequence.checked_add(1).unwrap_or(1); // 0 is the gateway's
        for _ in 0..TRIES {
            self.send(message.clone(), port).map_err(NoReply::Unsendable)?;
            let mut silent = 0;
            while silent < SILENT_READS {
                let Some(byte) = port.read() else {
                    silent += 1;
                    continue;
                };
                // What is damaged counts as not said: we ask again.
                let Some(Ok(frame)) = self.feed.push(byte) else { continue };
                let found = wanted(&frame.message);
                let mut heard = None;
                match frame.message {
                    // Whether we waited for it or not: until it hears this, the gateway repeats the answer.
                    Message::Answer(answer) => {
                        heard = Some(Ack { request: answer.request, revision: answer.revision });
                    }
                    Message::Nack(nack) if frame.sequence == self.sequence => match nack.reason {
                        Reason::Busy | Reason::NotReady | Reason::JournalFull => {} // silence follows, then another try
                        reason => return Err(NoReply::Refused(reason)),
                    },
                    // The question is safe; the student takes its time.
                    Message::Pending(_) => silent = 0,
                    _ => {}
                }
                if let Some(ack) = heard {
                    self.send(Message::Ack(ack), port).map_err(NoReply::Unsendable)?;
                }
                if let Some(found) = found {
                    return Ok(found);
                }
            }
        }
        Err(NoReply::Silent)
    }

    fn send(&mut self, message: Message<'_>, port: &mut impl Port) -> Result<(), EncodeError> {
        let frame = Frame { sequence: self.sequence, message };
        port.write(frame.encode(Class::Small, &mut self.outgoing)?);
        Ok(())
    }
}

/// The answer to this request.
fn reply(message: &Message<'_>, request: &RequestId) -> Option<Reply> {
    let Message::Answer(answer) = message else { return None };
    let &Answer { code, state, confidence, escalation, label, .. } = answer;
    let label = String::try_from(label.as_str()).expect("a label fits its own length");
    (answer.request == *request).then_some(Reply { code, state, confidence, escalation, label })
}

/// In firmware a `StaticCell`; here a lock, because a PC has threads.
static CLIENT: Mutex<Client> = Mutex::new(Client::new());

/// A PC's port: a thread reads, so that waiting can end.
struct PcPort {
    incoming: mpsc::Receiver<u8>,
    outgoing: Box<dyn Write>,
}

impl Port for PcPort {
    fn read(&mut self) -> Option<u8> {
        self.incoming.recv_timeout(Duration::from_millis(100)).ok()
    }

    fn write(&mut self, bytes: &[u8]) {
        // An unplugged line is a silent one.
        let _ = self.outgoing.write_all(bytes).and_then(|()| self.outgoing.flush());
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let [line, question @ ..] = arguments.as_slice() else {
        return Err("expected a device or host:port, and a question or numbers as FIELD=NUMBER".into());
    };
    let (reader, outgoing): (Box<dyn Read + Send>, Box<dyn Write>) = if line.starts_with('/') {
        let device = OpenOptions::new().read(true).write(true).open(line)?;
        (Box::new(device.try_clone()?), Box::new(device))
    } else {
        let stream = TcpStream::connect(line)?;
        (Box::new(stream.try_clone()?), Box::new(stream))
    };
    let (sender, incoming) = mpsc::sync_channel(1024);
    let reader = BufReader::new(reader);
    thread::spawn(move || reader.bytes().map_while(Result::ok).try_for_each(|byte| sender.send(byte)));
    let mut port = PcPort { incoming, outgoing };

    // A board without a clock keeps a counter over power off.
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?.as_nanos();
    let request = RequestId::new(&now.to_le_bytes()).expect("sixteen bytes are an id");
    let (wants_rationale, expires_after, task) = (false, None, None);
    let mut client = CLIENT.lock().expect("nobody else holds the client");
    let greeted = client.hello(Text::new("example")?, &mut port);
    let reply = if let [text] = question {
        let question = Text::new(text)?;
        greeted.and_then(|()| client.ask(Ask { request, wants_rationale, expires_after, task, question }, &mut port))
    } else {
        let read: Option<Vec<Reading>> = question.iter().map(|number| reading(number)).collect();
        let read = read.ok_or("expected numbers as FIELD=NUMBER, such as 2=299.1")?;
        let (readings, series) = (List::of(&read), List::default());
        let ask = AskNumbers { request, wants_rationale, expires_after, task, readings, series };
        greeted.and_then(|()| client.ask_numbers(ask, &mut port))
    };
    let reply = reply.map_err(|why| format!("no answer: {why:?}"))?;
    println!("{} {} {}/10000 {:?}", reply.code, reply.label, reply.confidence.ten_thousandths(), reply.state);
    Ok(())
}

/// `2=299.1` as field 2 and 2991 with one decimal, as a board has it in a register.
fn reading(text: &str) -> Option<Reading> {
    let (field, value) = text.split_once('=')?;
    let decimals = value.split_once('.').map_or(0, |(_, decimals)| decimals.len());
    let mantissa = value.replace('.', "").parse().ok()?;
    Some(Reading { field: field.parse().ok()?, value: Number::scaled(mantissa, u8::try_from(decimals).ok()?)? })
}
