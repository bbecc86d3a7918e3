//! The serial ports: frames and lines to requests, messages to frames and lines. Keeps no question, and decides nothing.

use std::collections::HashMap;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::task::{spawn_blocking, spawn_local};

use super::config::{Settings, Speaks};
use super::port::{PortEvent, SendError, Serial, Writer};
use crate::api::answer::{Body, Message, State};
use crate::bytes::hex;
use crate::domain::DeliveryId;
use crate::transport::Sent;
use crate::transport::arrival::Arrival;
use crate::transport::request::{Key, Request, Route, SerialReplyTo, Source};
use crate::wire::line::Encoding;
use crate::wire::{
    self, Answer, Ask, CODE_ASK_A_PERSON, CODE_TEXT, Confidence, Frame, Nack, Pending, RationaleChunk, Reason,
    RequestId, Text, line, rationale_chunks,
};

/// A client that acknowledges gets an answer again after this.
const ACKNOWLEDGE_WAIT: Duration = Duration::from_secs(3);

/// Messages and frames that wait for one port; the journal keeps the rest.
const OUTGOING_MAX: usize = 64;

/// The open ports; dropped, they close.
#[derive(Default)]
pub struct Ports {
    open: HashMap<String, Open>,
    /// Lines that came: their numbers name their questions, also where a port is opened again.
    lines: Arc<AtomicU64>,
}

struct Open {
    settings: Settings,
    outgoing: mpsc::Sender<Outgoing>,
    _serial: Serial,
}

/// What a port is to say. One after the other: that a question is durable comes before its answer.
enum Outgoing {
    Message(Option<DeliveryId>, SerialReplyTo, Box<Message>),
    Frame(u16, wire::Message<'static>),
}

impl Ports {
    /// Makes the ports these: one whose settings differ is closed and opened again, the others stay open. `session` makes the names
    /// of questions that came as lines the gateway's own.
    pub fn apply(&mut self, ports: &[Settings], session: u64, arrivals: &mpsc::Sender<Arrival>) {
        self.open.retain(|_, open| ports.contains(&open.settings));
        for port in ports {
            let name = port.path.display().to_string();
            if self.open.contains_key(&name) {
                continue;
            }
            match self.start(&name, port.clone(), session, arrivals) {
                Ok(open) => drop(self.open.insert(name, open)),
                Err(error) => log::error!("serial port {name} cannot be served: {error}"),
            }
        }
    }

    fn start(
        &self,
        name: &str,
        settings: Settings,
        session: u64,
        arrivals: &mpsc::Sender<Arrival>,
    ) -> io::Result<Open> {
        let speaks = settings.speaks;
        let mut adapter = Adapter {
            port: name.to_owned(),
            task: settings.task.clone(),
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
        let serial = Serial::start(settings.clone(), move |writer, event| adapter.on_event(writer, event))?;
        let (outgoing, receiver) = mpsc::channel(OUTGOING_MAX);
        spawn_local(send(serial.writer(), speaks, receiver, arrivals.clone()));
        Ok(Open { settings, outgoing, _serial: serial })
    }

    /// Sends a message to its port.
    pub fn send(&self, delivery: Option<DeliveryId>, to: SerialReplyTo, message: Message) -> Sent {
        let port = self.open.get(&to.port).map(|open| &open.outgoing);
        Sent::to(port, Outgoing::Message(delivery, to, Box::new(message)))
    }

    /// Tells a client that its question is durable, and how many are before it.
    pub fn tell_pending(&self, to: &SerialReplyTo, before: usize) {
        if let Some(pending) = pending(to, before) {
            self.tell(to, pending);
        }
    }

    /// Tells a client how the gateway is.
    pub fn tell_status(&self, to: &SerialReplyTo, status: wire::Status) {
        self.tell(to, wire::Message::Status(status));
    }

    /// Lost where too much waits, for it can be asked again.
    fn tell(&self, to: &SerialReplyTo, message: wire::Message<'static>) {
        if let Some(port) = self.open.get(&to.port) {
            drop(port.outgoing.try_send(Outgoing::Frame(to.sequence, message)));
        }
    }
}

/// Writes to one port, and reports what became of each message.
async fn send(writer: Writer, speaks: Speaks, mut outgoing: mpsc::Receiver<Outgoing>, arrivals: mpsc::Sender<Arrival>) {
    while let Some(next) = outgoing.recv().await {
        let writer = writer.clone();
        let (delivery, to, message) = match next {
            Outgoing::Message(delivery, to, message) => (delivery, to, message),
            Outgoing::Frame(sequence, message) => {
                if speaks == Speaks::Frames {
                    let _ = spawn_blocking(move || drop(writer.send(&Frame { sequence, message }))).await;
                }
                continue;
            }
        };
        let acknowledges = to.acknowledges && message.body.rationale.is_none();
        let sent = spawn_blocking(move || write(&writer, speaks, &to, &message)).await;
        let Some(delivery) = delivery else { continue };
        match sent {
            Ok(Ok(())) if !acknowledges => drop(arrivals.send(Arrival::Delivered(delivery)).await),
            Ok(Ok(())) => {
                let arrivals = arrivals.clone();
                spawn_local(async move {
                    tokio::time::sleep(ACKNOWLEDGE_WAIT).await;
                    drop(arrivals.send(Arrival::Returned(delivery)).await);
                });
            }
            Ok(Err(error)) => {
                log::debug!("{error}");
                drop(arrivals.send(Arrival::Returned(delivery)).await);
            }
            Err(_) => {} // the gateway stops
        }
    }
}

/// That a question is in the journal, and how many are before it; `None` for a line, which is told nothing.
fn pending(to: &SerialReplyTo, before: usize) -> Option<wire::Message<'static>> {
    let request = RequestId::new(&to.request)?;
    Some(wire::Message::Pending(Pending { request, before: u16::try_from(before).unwrap_or(u16::MAX) }))
}

/// What came in at one port, as requests; runs in the port's thread.
struct Adapter {
    port: String,
    task: Option<String>,
    client: String,
    acknowledges: bool,
    session: u64,
    lines: Arc<AtomicU64>,
    encoding: Encoding,
    arrivals: mpsc::Sender<Arrival>,
}

impl Adapter {
    fn on_event(&mut self, writer: &Writer, event: PortEvent<'_>) {
        match event {
            PortEvent::Opened => {
                log::info!("serial port {} is open", self.port);
                (self.client, self.acknowledges) = (self.port.clone(), false);
                drop(self.arrivals.try_send(Arrival::Connected(Source::Serial)));
            }
            PortEvent::Closed(error) => log::warn!("{}", crate::domain::chain(error)),
            PortEvent::Hello { client, acknowledges } => {
                (self.client, self.acknowledges) = (client.to_owned(), acknowledges);
                drop(self.arrivals.try_send(Arrival::Connected(Source::Serial)));
            }
            PortEvent::Frame(Frame { sequence, message }) => match message {
                wire::Message::Ask(ask) => self.ask(writer, sequence, &ask),
                wire::Message::Ack(ack) => {
                    let key = Key { client: self.client.clone(), id: name(&ack.request) };
                    drop(self.arrivals.try_send(Arrival::Acknowledged(key, ack.revision.into())));
                }
                wire::Message::AskStatus => {
                    let to = self.reply_to(Vec::new(), sequence);
                    drop(self.arrivals.try_send(Arrival::AskStatus(Route::Serial(to))));
                }
                _ => {} // the port lets nothing else through
            },
            PortEvent::Line(question) => {
                let line = 1 + self.lines.fetch_add(1, Ordering::Relaxed);
                let key = Key { client: self.port.clone(), id: format!("line-{}-{line}", self.session) };
                let route = Route::Serial(self.reply_to(Vec::new(), 0));
                let task = self.task.clone();
                let request = Request { key, task, question, explain: false, expires_in: None, route };
                let (taken, _) = oneshot::channel();
                if self.arrivals.try_send(Arrival::Ask(request, taken)).is_err() {
                    drop(writer.send_line(&line::refusal(Reason::Busy, self.encoding)));
                }
            }
            PortEvent::LineFault(fault) => log::warn!("serial port {}: {fault}", self.port),
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
        let (taken, _) = oneshot::channel(); // the gateway tells the port itself
        if self.arrivals.try_send(Arrival::Ask(request, taken)).is_err() {
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
    hex(request.as_bytes())
}

fn write(writer: &Writer, speaks: Speaks, to: &SerialReplyTo, message: &Message) -> Result<(), SendError> {
    let request = RequestId::new(&to.request);
    match (speaks, request) {
        (Speaks::Lines { encoding, .. }, _) => match reason(message) {
            Some(reason) => writer.send_line(&line::refusal(reason, encoding)),
            None => {
                let request = RequestId::new(&[0]).expect("one byte");
                writer.send_line(&line::answer(&answer(&message.body, message, request), encoding))
            }
        },
        (Speaks::Frames, None) => Ok(()), // a line's answer, and the port now speaks frames: nobody waits for it
        (Speaks::Frames, Some(request)) => {
            let frame = |message| Frame { sequence: to.sequence, message };
            if let Some(reason) = reason(message) {
                return writer.send(&frame(wire::Message::Nack(Nack { reason, request: Some(request) })));
            }
            if let Some(rationale) = &message.body.rationale {
                for (index, last, text) in rationale_chunks(rationale, writer.class().rationale_bytes_max()) {
                    let chunk = RationaleChunk { request: request.clone(), index, last, text };
                    writer.send(&frame(wire::Message::RationaleChunk(chunk)))?;
                }
                return Ok(());
            }
            writer.send(&frame(wire::Message::Answer(answer(&message.body, message, request))))
        }
    }
}

/// Why there is no answer, as a code.
fn reason(message: &Message) -> Option<Reason> {
    match message.state {
        State::Expired => Some(Reason::Expired),
        State::Error => Some(message.body.refused.unwrap_or(Reason::Failed)),
        State::Answered | State::Pending | State::Reviewed => None,
    }
}

fn answer<'a>(body: &'a Body, message: &Message, request: RequestId) -> Answer<'a> {
    let pending = message.state == State::Pending;
    let guess = body.guess.as_ref().map(|guess| guess.answer.as_str());
    let label = if pending { guess } else { body.answer.as_deref() };
    let (label, label_cut) = Text::cut(label.unwrap_or_default());
    // What nobody could say stays escalated.
    let unknown = body.verdict.as_deref() == Some("unclear");
    let confidence = match (message.state, body.confidence) {
        (State::Reviewed, _) => Confidence::MAX,
        (_, Some(confidence)) => (confidence.clamp(0.0, 1.0) * f64::from(Confidence::MAX)) as u16,
        (_, None) => 0,
    };
    Answer {
        code: if unknown { CODE_ASK_A_PERSON } else { body.code.unwrap_or(CODE_TEXT) },
        state: if pending { wire::State::PendingAPerson } else { wire::State::Answered },
        confidence: Confidence::new(confidence).expect("at most the greatest"),
        revision: u16::try_from(message.rev).unwrap_or(u16::MAX),
        label_cut,
        request,
        label,
    }
}
