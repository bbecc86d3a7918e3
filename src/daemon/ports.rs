//! Serial ports at the desk: frames and lines to requests, messages to frames and lines. Keeps no question, and decides nothing.

use std::collections::HashMap;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::task::{spawn_blocking, spawn_local};

use super::message::{Message, Said, State};
use crate::triggers::serial::{Heard, SendError, Serial, Settings, Speaks, Writer};
use crate::triggers::{Arrival, Key, Refusal, Request, Route, SerialReplyTo, Source, Stamp};
use crate::wire::line::Encoding;
use crate::wire::{
    self, Answer, Ask, CODE_ASK_A_PERSON, CODE_TEXT, Confidence, Frame, Nack, Pending, RationaleChunk, Reason,
    RequestId, Text, line, rationale_chunks,
};

/// A client that acknowledges gets an answer again after this.
const ACKNOWLEDGE_WAIT: Duration = Duration::from_secs(3);

/// Letters and frames that wait for one port; the journal keeps the rest.
const OUTGOING_MAX: usize = 64;

/// A port, and which task its questions belong to where they do not say.
#[derive(Clone, Debug, PartialEq)]
pub struct Port {
    /// The port.
    pub settings: Settings,
    /// `None` is the gateway's own.
    pub task: Option<String>,
}

/// The open ports; dropped, they close.
#[derive(Default)]
pub struct Ports {
    open: HashMap<String, Open>,
    /// Lines that were heard: their numbers name their questions, also where a port is opened again.
    lines: Arc<AtomicU64>,
}

struct Open {
    port: Port,
    outgoing: mpsc::Sender<Outgoing>,
    _serial: Serial,
}

/// What a port is to say. One after the other: that a question is durable comes before its answer.
enum Outgoing {
    Letter(Option<Stamp>, SerialReplyTo, Box<Message>),
    Frame(u16, wire::Message<'static>),
}

impl Ports {
    /// Makes the ports these: one whose settings differ is closed and opened again, the others stay open. `session` makes the names
    /// of questions that came as lines the gateway's own.
    pub fn set(&mut self, ports: Vec<Port>, session: u64, arrivals: &mpsc::Sender<Arrival>) {
        self.open.retain(|_, open| ports.contains(&open.port));
        for port in ports {
            let name = port.settings.path.display().to_string();
            if self.open.contains_key(&name) {
                continue;
            }
            match self.start(&name, port, session, arrivals) {
                Ok(open) => drop(self.open.insert(name, open)),
                Err(error) => log::error!("serial port {name} cannot be served: {error}"),
            }
        }
    }

    fn start(&self, name: &str, port: Port, session: u64, arrivals: &mpsc::Sender<Arrival>) -> io::Result<Open> {
        let speaks = port.settings.speaks;
        let mut ear = Ear {
            port: name.to_owned(),
            task: port.task.clone(),
            client: name.to_owned(),
            acknowledges: false,
            session,
            lines: self.lines.clone(),
            encoding: match speaks {
                Speaks::Lines { encoding, .. } => encoding,
                Speaks::Frames => Encoding::Utf8,
            },
            arrivals: arrivals.clone(),
        };
        let serial = Serial::start(port.settings.clone(), move |writer, heard| ear.hear(writer, heard))?;
        let (outgoing, receiver) = mpsc::channel(OUTGOING_MAX);
        spawn_local(send(serial.writer(), speaks, receiver, arrivals.clone()));
        Ok(Open { port, outgoing, _serial: serial })
    }

    /// Posts a letter; false where the port is no more, or too much waits for it.
    pub fn post(&self, stamp: Option<Stamp>, to: SerialReplyTo, message: Message) -> bool {
        let open = self.open.get(&to.port);
        open.is_some_and(|port| port.outgoing.try_send(Outgoing::Letter(stamp, to, Box::new(message))).is_ok())
    }

    /// Tells a port that its question is durable, or how the gateway is; lost where too much waits, for it can be asked again.
    pub fn tell(&self, to: &SerialReplyTo, message: wire::Message<'static>) {
        if let Some(port) = self.open.get(&to.port) {
            drop(port.outgoing.try_send(Outgoing::Frame(to.sequence, message)));
        }
    }
}

/// Writes to one port, and reports what became of each letter.
async fn send(writer: Writer, speaks: Speaks, mut outgoing: mpsc::Receiver<Outgoing>, arrivals: mpsc::Sender<Arrival>) {
    while let Some(next) = outgoing.recv().await {
        let writer = writer.clone();
        let (stamp, to, message) = match next {
            Outgoing::Letter(stamp, to, message) => (stamp, to, message),
            Outgoing::Frame(sequence, message) => {
                if speaks == Speaks::Frames {
                    let _ = spawn_blocking(move || drop(writer.send(&Frame { sequence, message }))).await;
                }
                continue;
            }
        };
        let acknowledges = to.acknowledges && message.said.rationale.is_none();
        let sent = spawn_blocking(move || write(&writer, speaks, &to, &message)).await;
        let Some(stamp) = stamp else { continue };
        match sent {
            Ok(Ok(())) if !acknowledges => drop(arrivals.send(Arrival::Delivered(stamp)).await),
            Ok(Ok(())) => {
                let arrivals = arrivals.clone();
                spawn_local(async move {
                    tokio::time::sleep(ACKNOWLEDGE_WAIT).await;
                    drop(arrivals.send(Arrival::Returned(stamp)).await);
                });
            }
            Ok(Err(error)) => {
                log::debug!("{error}");
                drop(arrivals.send(Arrival::Returned(stamp)).await);
            }
            Err(_) => {} // the gateway stops
        }
    }
}

/// What the gateway says when a question is in the journal.
pub fn pending(to: &SerialReplyTo, before: usize) -> Option<wire::Message<'static>> {
    let request = RequestId::new(&to.request)?;
    Some(wire::Message::Pending(Pending { request, before: u16::try_from(before).unwrap_or(u16::MAX) }))
}

/// Hears one port, in its own thread.
struct Ear {
    port: String,
    task: Option<String>,
    client: String,
    acknowledges: bool,
    session: u64,
    lines: Arc<AtomicU64>,
    encoding: Encoding,
    arrivals: mpsc::Sender<Arrival>,
}

impl Ear {
    fn hear(&mut self, writer: &Writer, heard: Heard<'_>) {
        match heard {
            Heard::Opened => {
                log::info!("serial port {} is open", self.port);
                (self.client, self.acknowledges) = (self.port.clone(), false);
                drop(self.arrivals.try_send(Arrival::Connected(Source::Serial)));
            }
            Heard::Closed(error) => log::warn!("{}", crate::domain::chain(error)),
            Heard::Hello { client, acknowledges } => {
                (self.client, self.acknowledges) = (client.to_owned(), acknowledges);
                drop(self.arrivals.try_send(Arrival::Connected(Source::Serial)));
            }
            Heard::Frame(Frame { sequence, message }) => match message {
                wire::Message::Ask(ask) => self.ask(writer, sequence, &ask),
                wire::Message::Ack(ack) => {
                    let key = Key { client: self.client.clone(), id: name(&ack.request) };
                    drop(self.arrivals.try_send(Arrival::Acknowledged(key, ack.revision.into())));
                }
                wire::Message::AskStatus => {
                    let to = self.reply_to(Vec::new(), sequence);
                    drop(self.arrivals.try_send(Arrival::AskStatus(to)));
                }
                _ => {} // the port lets nothing else through
            },
            Heard::Line(question) => {
                let line = 1 + self.lines.fetch_add(1, Ordering::Relaxed);
                let key = Key { client: self.port.clone(), id: format!("line-{}-{line}", self.session) };
                let route = Route::Serial(self.reply_to(Vec::new(), 0));
                let task = self.task.clone();
                let request = Request { key, task, question, explain: false, expires_in: None, route };
                let (said, _) = oneshot::channel();
                if self.arrivals.try_send(Arrival::Ask(request, said)).is_err() {
                    drop(writer.send_line(&line::refusal(Reason::Busy, self.encoding)));
                }
            }
            Heard::LineFault(fault) => log::warn!("serial port {}: {fault}", self.port),
        }
    }

    fn ask(&self, writer: &Writer, sequence: u16, ask: &Ask<'_>) {
        let request = Request {
            key: Key { client: self.client.clone(), id: name(&ask.request) },
            task: ask.task.map(|task| task.as_str().to_owned()).or_else(|| self.task.clone()),
            question: ask.question.as_str().to_owned(),
            explain: ask.wants_rationale,
            expires_in: ask.expires_after.map(|after| Duration::from_millis(after.0.into())),
            route: Route::Serial(self.reply_to(ask.request.as_bytes().to_vec(), sequence)),
        };
        let (said, _) = oneshot::channel(); // the desk tells the port itself
        if self.arrivals.try_send(Arrival::Ask(request, said)).is_err() {
            let refused = Nack { reason: Reason::Busy, request: Some(ask.request.clone()) };
            drop(writer.send(&Frame { sequence, message: wire::Message::Nack(refused) }));
        }
    }

    fn reply_to(&self, request: Vec<u8>, sequence: u16) -> SerialReplyTo {
        SerialReplyTo { port: self.port.clone(), request, sequence, acknowledges: self.acknowledges }
    }
}

/// A request's name where names are texts: its bytes in hexadecimal digits.
fn name(request: &RequestId) -> String {
    request.as_bytes().iter().map(|byte| format!("{byte:02x}")).collect()
}

fn write(writer: &Writer, speaks: Speaks, to: &SerialReplyTo, message: &Message) -> Result<(), SendError> {
    let request = RequestId::new(&to.request);
    match (speaks, request) {
        (Speaks::Lines { encoding, .. }, _) => match reason(message) {
            Some(reason) => writer.send_line(&line::refusal(reason, encoding)),
            None => {
                let request = RequestId::new(&[0]).expect("one byte");
                writer.send_line(&line::answer(&answer(&message.said, message, request), encoding))
            }
        },
        (Speaks::Frames, None) => Ok(()), // a line's answer, and the port now speaks frames: nobody waits for it
        (Speaks::Frames, Some(request)) => {
            let frame = |message| Frame { sequence: to.sequence, message };
            if let Some(reason) = reason(message) {
                return writer.send(&frame(wire::Message::Nack(Nack { reason, request: Some(request) })));
            }
            if let Some(rationale) = &message.said.rationale {
                for (index, last, text) in rationale_chunks(rationale, writer.class().rationale_bytes_max()) {
                    let chunk = RationaleChunk { request: request.clone(), index, last, text };
                    writer.send(&frame(wire::Message::RationaleChunk(chunk)))?;
                }
                return Ok(());
            }
            writer.send(&frame(wire::Message::Answer(answer(&message.said, message, request))))
        }
    }
}

/// Why there is no answer, as a code.
fn reason(message: &Message) -> Option<Reason> {
    match message.state {
        State::Expired => Some(Reason::Expired),
        State::Error => Some(message.said.refused.unwrap_or(Reason::Failed)),
        State::Answered | State::Pending | State::Reviewed => None,
    }
}

fn answer<'a>(said: &'a Said, message: &Message, request: RequestId) -> Answer<'a> {
    let pending = message.state == State::Pending;
    let guess = said.guess.as_ref().map(|guess| guess.answer.as_str());
    let label = if pending { guess } else { said.answer.as_deref() };
    let (label, label_cut) = Text::cut(label.unwrap_or_default());
    // What nobody could say is a person's still.
    let unknown = said.verdict.as_deref() == Some("unclear");
    let confidence = match (message.state, said.confidence) {
        (State::Reviewed, _) => Confidence::MAX,
        (_, Some(confidence)) => (confidence.clamp(0.0, 1.0) * f64::from(Confidence::MAX)) as u16,
        (_, None) => 0,
    };
    Answer {
        code: if unknown { CODE_ASK_A_PERSON } else { said.code.unwrap_or(CODE_TEXT) },
        state: if pending { wire::State::PendingAPerson } else { wire::State::Answered },
        confidence: Confidence::new(confidence).expect("at most the greatest"),
        revision: u16::try_from(message.rev).unwrap_or(u16::MAX),
        label_cut,
        request,
        label,
    }
}

/// What a refusal is on the wire.
pub fn code(refusal: &Refusal) -> Reason {
    match refusal {
        Refusal::Unreadable(_) | Refusal::Forbidden(_) => Reason::Question,
        Refusal::Reused(_) => Reason::IdReused,
        Refusal::Full => Reason::JournalFull,
        Refusal::Unkept(_) => Reason::Busy,
        Refusal::Unknown(_) | Refusal::Conflict(_) => Reason::Failed,
    }
}
