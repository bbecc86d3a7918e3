//! The serial ports: frames and lines to requests, messages to frames and lines. Keeps no question, and decides nothing.

use std::collections::HashMap;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tokio::sync::{mpsc, oneshot};
use tokio::task::{spawn_blocking, spawn_local};
use tokio::time::sleep_until;

use super::config::{Settings, Speaks};
use super::port::{PortEvent, SendError, Serial, Writer};
use super::question::{self, LineFormat};
use super::reply::{answer_line, refused, said};
use crate::api::answer::{Message, State};
use crate::bytes::hex;
use crate::domain::DeliveryId;
use crate::transport::Sent;
use crate::transport::arrival::{Arrival, DropReason};
use crate::transport::request::{Key, OutboundMessage, Refusal, Request, Route, SerialReplyTo, Source};
use crate::wire::line::Encoding;
use crate::wire::{
    self, AskNumbers, Frame, Milliseconds, Nack, Pending, RationaleChunk, Reason, RequestId, line, rationale_chunks,
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
    serial: Serial,
}

/// What a port is to say. One after the other: that a question is durable comes before its answer.
enum Outgoing {
    Message(Box<ToPort>),
    Frame(u16, wire::Message<'static>),
    /// A question that came as a line has its deadline now.
    Deadline,
}

/// A message for one port.
struct ToPort {
    delivery: Option<DeliveryId>,
    to: SerialReplyTo,
    message: Message,
    expires: Option<Instant>,
}

impl ToPort {
    fn is_late(&self) -> bool {
        self.expires.is_some_and(|at| at <= Instant::now())
    }

    /// A line has no request id.
    fn is_to_line(&self) -> bool {
        self.to.request.is_empty()
    }
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
        let speaks = Arc::new(settings.speaks.clone());
        let mut adapter = Adapter {
            port: name.to_owned(),
            block: settings.block.clone(),
            task: settings.task.clone(),
            client: name.to_owned(),
            acknowledges: false,
            session,
            lines: self.lines.clone(),
            speaks: speaks.clone(),
            echo_told: false,
            arrivals: arrivals.clone(),
        };
        let serial = Serial::start(settings.clone(), move |writer, event| adapter.on_event(writer, event))?;
        let (outgoing, receiver) = mpsc::channel(OUTGOING_MAX);
        spawn_local(send(serial.writer(), speaks, receiver, arrivals.clone()));
        Ok(Open { settings, outgoing, serial })
    }

    /// Sends a message to its port.
    pub fn send(&self, outbound: OutboundMessage) -> Sent {
        let OutboundMessage { delivery, route: Route::Serial(to), message, expires } = outbound else {
            return Sent::Closed;
        };
        let to_port = ToPort { delivery, to, message, expires };
        match self.open.get(&to_port.to.port) {
            Some(open) => Sent::to(Some(&open.outgoing), Outgoing::Message(Box::new(to_port))),
            None if to_port.is_to_line() => Sent::Never(DropReason::Reopened),
            None if to_port.is_late() => Sent::Never(DropReason::Late),
            None => Sent::Closed,
        }
    }

    /// Tells a client that its question is durable, and how many are before it. A line is told nothing but its refusal when it expires.
    pub fn tell_pending(&self, key: &Key, to: &SerialReplyTo, before: usize, expires: Instant) {
        if let Some(pending) = pending(to, before) {
            self.tell(to, pending);
        } else if let Some(port) = self.open.get(&to.port) {
            port.serial.writer().expires(&key.id, expires);
            drop(port.outgoing.try_send(Outgoing::Deadline)); // where much waits, the next one sees it
        }
    }

    /// Tells a client how the gateway is.
    pub fn tell_status(&self, to: &SerialReplyTo, status: wire::Status) {
        self.tell(to, wire::Message::Status(status));
    }

    /// The ports whose line brings back what is sent on it.
    pub fn echoing(&self) -> Vec<String> {
        let echoing = self.open.iter().filter(|(_, open)| open.serial.writer().is_echoing());
        let mut names: Vec<String> = echoing.map(|(name, _)| name.clone()).collect();
        names.sort();
        names
    }

    /// How often the ports have heard themselves.
    pub fn echoes(&self) -> u64 {
        self.open.values().map(|open| open.serial.writer().echoes()).sum()
    }

    /// Lost where too much waits, for it can be asked again.
    fn tell(&self, to: &SerialReplyTo, message: wire::Message<'static>) {
        if let Some(port) = self.open.get(&to.port) {
            drop(port.outgoing.try_send(Outgoing::Frame(to.sequence, message)));
        }
    }
}

/// Writes to one port, and reports what became of each message.
async fn send(
    writer: Writer,
    speaks: Arc<Speaks>,
    mut outgoing: mpsc::Receiver<Outgoing>,
    arrivals: mpsc::Sender<Arrival>,
) {
    loop {
        let expiry = writer.next_expiry();
        let expired = sleep_until(expiry.unwrap_or_else(Instant::now).into());
        let next = tokio::select! {
            next = outgoing.recv() => next,
            () = expired, if expiry.is_some() => Some(Outgoing::Deadline),
        };
        let (writer, speaks) = (writer.clone(), speaks.clone());
        match next {
            None => return,
            Some(Outgoing::Frame(sequence, message)) => {
                if *speaks == Speaks::Frames {
                    let _ = spawn_blocking(move || drop(writer.send(&Frame { sequence, message }))).await;
                }
            }
            Some(Outgoing::Deadline) => {
                if let Speaks::Lines(LineFormat { encoding, .. }) = *speaks {
                    let refusal = move |number| line::refusal(number, Reason::Expired, encoding);
                    let _ = spawn_blocking(move || drop(writer.tell_expired(refusal))).await;
                }
            }
            Some(Outgoing::Message(to_port)) => {
                let (delivery, acknowledges) = (to_port.delivery, to_port.to.acknowledges);
                let acknowledges = acknowledges && to_port.message.body.rationale.is_none();
                let written = spawn_blocking(move || write(&writer, &speaks, &to_port)).await;
                let (Some(delivery), Ok(written)) = (delivery, written) else { continue }; // or the gateway stops
                report(delivery, written, acknowledges, &arrivals).await;
            }
        }
    }
}

/// What became of a message that somebody keeps count of.
async fn report(delivery: DeliveryId, written: Written, acknowledges: bool, arrivals: &mpsc::Sender<Arrival>) {
    let arrival = match written {
        Written::Out if acknowledges => {
            let arrivals = arrivals.clone();
            spawn_local(async move {
                tokio::time::sleep(ACKNOWLEDGE_WAIT).await;
                drop(arrivals.send(Arrival::Returned(delivery)).await);
            });
            return;
        }
        Written::Out => Arrival::Delivered(delivery),
        Written::Never(why) => Arrival::Dropped(delivery, why),
        Written::NotNow => Arrival::Returned(delivery),
    };
    drop(arrivals.send(arrival).await);
}

/// What became of a message at its port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Written {
    Out,
    Never(DropReason),
    NotNow,
}

/// That a question is in the journal, and how many are before it; `None` for a line, which is told nothing.
fn pending(to: &SerialReplyTo, before: usize) -> Option<wire::Message<'static>> {
    let request = RequestId::new(&to.request)?;
    Some(wire::Message::Pending(Pending { request, before: u16::try_from(before).unwrap_or(u16::MAX) }))
}

/// What came in at one port, as requests; runs in the port's thread.
struct Adapter {
    port: String,
    block: String,
    task: Option<String>,
    client: String,
    acknowledges: bool,
    session: u64,
    lines: Arc<AtomicU64>,
    speaks: Arc<Speaks>,
    /// That the line echoes stands in the log.
    echo_told: bool,
    arrivals: mpsc::Sender<Arrival>,
}

/// What every form of a question has in a frame.
struct Asked<'a> {
    request: &'a RequestId,
    wants_rationale: bool,
    expires_after: Option<Milliseconds>,
    task: Option<&'a str>,
    question: String,
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
                wire::Message::Ask(ask) => {
                    let (request, wants_rationale, question) = (&ask.request, ask.wants_rationale, ask.question);
                    let (expires_after, task) = (ask.expires_after, ask.task.map(|task| task.as_str()));
                    let question = question.as_str().to_owned();
                    self.ask(writer, sequence, Asked { request, wants_rationale, expires_after, task, question });
                }
                wire::Message::AskNumbers(ask) => self.ask_numbers(writer, sequence, &ask),
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
            PortEvent::Line(line, bytes) => {
                let speaks = self.speaks.clone();
                let Speaks::Lines(format) = &*speaks else { return };
                self.line(writer, format, line, bytes);
            }
            PortEvent::Echo => self.echo(),
        }
    }

    fn line(&self, writer: &Writer, format: &LineFormat, line: Result<String, line::Fault>, bytes: &[u8]) {
        let read = line.map_err(|fault| self.hint(&fault)).and_then(|line| {
            format.read(&line).map_err(|fault| format!("failed to read a line as a question: {fault}"))
        });
        let refuse = |number, reason| drop(writer.send_line(&line::refusal(number, reason, format.encoding)));
        let (number, question) = match read {
            Ok(read) => read,
            Err(why) => {
                log::warn!("serial port {}: {why}", self.port);
                self.count_unreadable();
                let number = format.numbered.then(|| line::number_of(bytes, format.separator()));
                return refuse(number, Reason::Question);
            }
        };
        let line = 1 + self.lines.fetch_add(1, Ordering::Relaxed);
        let key = Key { client: self.port.clone(), id: format!("line-{}-{line}", self.session) };
        if !writer.asks(&key.id, number) {
            return refuse(number, Reason::Busy);
        }
        let (route, task) = (Route::Serial(self.reply_to(Vec::new(), 0)), self.task.clone());
        let request = Request { key: key.clone(), task, question, explain: false, expires_in: None, route };
        let (taken, _) = oneshot::channel();
        if self.arrivals.try_send(Arrival::Ask(request, taken)).is_err() {
            drop(writer.answer_line(&key.id, |number| line::refusal(number, Reason::Busy, format.encoding)));
        }
    }

    /// Why a line is no text; with the key to set, where the encoding is wrong.
    fn hint(&self, fault: &line::Fault) -> String {
        let block = &self.block;
        match fault {
            line::Fault::Encoding { found: Some(Encoding::Cp932), .. } => {
                format!("{fault}; set {block}.encoding = \"cp932\"")
            }
            line::Fault::Encoding { found: Some(_), .. } => format!("{fault}; set {block}.encoding = \"utf-8\""),
            line::Fault::Encoding { expected: Encoding::Ascii, .. } => {
                format!("{fault}, which is all that {block}.data_bits = 7 leaves")
            }
            line::Fault::Encoding { .. } => {
                format!("{fault}; see whether {block}.baud, {block}.parity and {block}.encoding are the device's")
            }
            _ => fault.to_string(),
        }
    }

    fn ask_numbers(&self, writer: &Writer, sequence: u16, ask: &AskNumbers<'_>) {
        match question::of_numbers(ask) {
            Ok(question) => {
                let (request, wants_rationale, expires_after) = (&ask.request, ask.wants_rationale, ask.expires_after);
                let task = ask.task.map(|task| task.as_str());
                self.ask(writer, sequence, Asked { request, wants_rationale, expires_after, task, question });
            }
            Err(fault) => {
                log::warn!("serial port {}: failed to read numbers as a question: {fault}", self.port);
                self.count_unreadable();
                refuse_frame(writer, sequence, &ask.request, Reason::Question);
            }
        }
    }

    fn count_unreadable(&self) {
        let kind = Refusal::Unreadable(String::new()).kind();
        drop(self.arrivals.try_send(Arrival::Refused(Source::Serial, kind))); // where there is no room, the count can do without it
    }

    fn ask(&self, writer: &Writer, sequence: u16, asked: Asked<'_>) {
        let Asked { request, wants_rationale, expires_after, task, question } = asked;
        let ask = Request {
            key: Key { client: self.client.clone(), id: name(request) },
            task: task.map(str::to_owned).or_else(|| self.task.clone()),
            question,
            explain: wants_rationale,
            expires_in: expires_after.map(|after| Duration::from_millis(after.0.into())),
            route: Route::Serial(self.reply_to(request.as_bytes().to_vec(), sequence)),
        };
        let (taken, _) = oneshot::channel(); // the gateway tells the port itself
        if self.arrivals.try_send(Arrival::Ask(ask, taken)).is_err() {
            refuse_frame(writer, sequence, request, Reason::Busy);
        }
    }

    fn echo(&mut self) {
        if !self.echo_told {
            self.echo_told = true;
            log::warn!(
                "serial port {} hears what it sends: its adapter or device echoes. The echoes are passed over; switch them off where \
                 the adapter can",
                self.port
            );
        }
        drop(self.arrivals.try_send(Arrival::Echo));
    }

    fn reply_to(&self, request: Vec<u8>, sequence: u16) -> SerialReplyTo {
        SerialReplyTo { port: self.port.clone(), request, sequence, acknowledges: self.acknowledges }
    }
}

fn refuse_frame(writer: &Writer, sequence: u16, request: &RequestId, reason: Reason) {
    let refused = Nack { reason, request: Some(request.clone()) };
    drop(writer.send(&Frame { sequence, message: wire::Message::Nack(refused) }));
}

/// A request's name where names are texts: its bytes in hexadecimal digits.
fn name(request: &RequestId) -> String {
    hex(request.as_bytes())
}

/// Writes a message, if it may still leave.
fn write(writer: &Writer, speaks: &Speaks, to_port: &ToPort) -> Written {
    let (late, message) = (to_port.is_late(), &to_port.message);
    let sent = match (speaks, RequestId::new(&to_port.to.request)) {
        (Speaks::Lines(format), None) if message.rev == 0 => line_out(writer, format, to_port, late),
        (Speaks::Lines(_), None) => return Written::Never(DropReason::Revision),
        // The port speaks another language since.
        (Speaks::Frames, None) => return Written::Never(DropReason::Reopened),
        (Speaks::Lines(_), Some(_)) if late => return Written::Never(DropReason::Late),
        (Speaks::Lines(_), Some(_)) => return Written::NotNow,
        (Speaks::Frames, Some(_)) if late && refused(message).is_none() => return Written::Never(DropReason::Late),
        (Speaks::Frames, Some(request)) => frames_out(writer, &to_port.to, message, request),
    };
    match sent {
        Ok(()) => Written::Out,
        // It was told so at its deadline.
        Err(SendError::Late(_)) if message.state == State::Expired => Written::Out,
        Err(SendError::Late(_)) => Written::Never(DropReason::Late),
        Err(_) if to_port.is_to_line() => Written::Never(DropReason::Reopened),
        Err(_) if late => Written::Never(DropReason::Late),
        Err(error) => {
            log::debug!("{error}");
            Written::NotNow
        }
    }
}

fn line_out(writer: &Writer, format: &LineFormat, to_port: &ToPort, late: bool) -> Result<(), SendError> {
    let reason = refused(&to_port.message).or(late.then_some(Reason::Expired));
    writer.answer_line(&to_port.message.id, |number| match reason {
        Some(reason) => line::refusal(number, reason, format.encoding),
        None => answer_line(number, &to_port.message, format.encoding),
    })
}

fn frames_out(writer: &Writer, to: &SerialReplyTo, message: &Message, request: RequestId) -> Result<(), SendError> {
    let frame = |message| Frame { sequence: to.sequence, message };
    if let Some(reason) = refused(message) {
        return writer.send(&frame(wire::Message::Nack(Nack { reason, request: Some(request) })));
    }
    if let Some(rationale) = &message.body.rationale {
        for (index, last, text) in rationale_chunks(rationale, writer.class().rationale_bytes_max()) {
            let chunk = RationaleChunk { request: request.clone(), index, last, text };
            writer.send(&frame(wire::Message::RationaleChunk(chunk)))?;
        }
        return Ok(());
    }
    writer.send(&frame(wire::Message::Answer(said(message).answer(request, writer.version()))))
}
