//! The sections, one struct for each room of the daemon, handed to that room only. Having one means that every value
//! was checked. Opens no file: whether what is named exists is `sokutou config check`'s question.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::time::Duration;

use toml::Value;

use super::layers::{Fault, Setting, in_short};
use super::secret::SecretFile;

/// The longest name: of a gateway, a share group, a level of the root topic, a client, a request.
pub const NAME_BYTES_MAX: usize = 64;
/// Levels of the root topic: site, line, product and one to spare.
const ROOT_LEVELS_MAX: usize = 4;
/// The longest client id; brokers take more, logs and access lists do not.
const CLIENT_ID_CHARS_MAX: usize = 128;
/// The longest text: a path as Linux limits it.
const TEXT_BYTES_MAX: usize = 4096;
/// Entries of a list of prefixes or hosts; each is looked at for every message.
const LIST_MAX: usize = 64;
/// The longest topic that an answer is sent to: the reply's way is kept with every question.
pub const TOPIC_BYTES_MAX: usize = 256;
/// Bytes of one MB, as disks are sold.
const MB: u64 = 1_000_000;

/// A name of 1 to 64 of `A-Z a-z 0-9 _ -`: fit for topics, file names and logs.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name(String);

impl Name {
    /// `None` for any other text.
    pub fn new(text: &str) -> Option<Self> {
        is_name(text).then(|| Self(text.to_owned()))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// May this stand for a gateway, a client or a request? Letters, digits, hyphen and underscore, since it becomes part of a topic.
pub fn is_name(text: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    (1..=NAME_BYTES_MAX).contains(&text.len()) && text.chars().all(plain)
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// `[gateway]`: who this box is.
#[derive(Clone, Debug, PartialEq)]
pub struct Gateway {
    /// Unique on its broker.
    pub name: Name,
}

/// `[student]`: who answers.
#[derive(Clone, Debug, PartialEq)]
pub struct Student {
    /// Folder of its bundle; `None`: the installed one.
    pub bundle: Option<PathBuf>,
    /// Task for questions that name none; `None`: the bundle's first.
    pub task: Option<String>,
}

/// `[mqtt]`: the broker, topics and who may be answered.
#[derive(Clone, Debug, PartialEq)]
pub struct Mqtt {
    /// Connect at all.
    pub enabled: bool,
    /// Host name or address.
    pub host: String,
    /// Port.
    pub port: u16,
    /// Silence after which the connection is probed.
    pub keepalive: Duration,
    /// By the configuration, or made from the gateway's name.
    pub client_id: String,
    /// First levels of every topic, without a slash at either end.
    pub root: String,
    /// The gateway's name, the level behind the root.
    pub gateway: Name,
    /// User, if the broker wants one.
    pub username: Option<String>,
    /// Where the password stands.
    pub password: Option<SecretFile>,
    /// Where answers may go beside `root/gateway/answer`; ask [`Mqtt::may_answer_to`].
    pub response_topics: Vec<TopicPrefix>,
    /// The group that shares `root/any/ask`.
    pub share_group: Option<Name>,
    /// Version of the protocol.
    pub protocol: Protocol,
    /// `None`: in the clear.
    pub tls: Option<Tls>,
}

/// Versions of MQTT.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// Version 5.
    V5,
}

/// `[mqtt.tls]`: how the broker proves who it is, and this box too.
#[derive(Clone, Debug, PartialEq)]
pub struct Tls {
    /// The authority that must have signed the broker's certificate. There is no way to do without: anybody could pose as the broker.
    pub authority: PathBuf,
    /// This box's own certificate and key.
    pub client: Option<ClientCertificate>,
}

/// A certificate of this box with its key.
#[derive(Clone, Debug, PartialEq)]
pub struct ClientCertificate {
    /// Certificate chain, PEM.
    pub certificate: PathBuf,
    /// Private key, PEM.
    pub key: SecretFile,
}

/// The first levels of topics; having one means: no wildcard, no `$`, no control character, no empty level but the
/// first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicPrefix(String);

impl TopicPrefix {
    /// `None` for what is no such prefix. A slash behind it means the same as none.
    pub fn new(text: &str) -> Option<Self> {
        let text = text.strip_suffix('/').unwrap_or(text);
        let levels = text.strip_prefix('/').unwrap_or(text);
        let fits = is_plain_topic(text) && levels.split('/').all(|level| !level.is_empty());
        fits.then(|| Self(text.to_owned()))
    }

    /// Whether the topic is this one or below it: whole levels count, `a/b` does not cover `a/bc`.
    pub fn covers(&self, topic: &str) -> bool {
        below(topic, &self.0)
    }
}

impl Mqtt {
    /// Whether an answer may go to a topic that a requester named, see [`may_answer_to`].
    pub fn may_answer_to(&self, topic: &str) -> bool {
        may_answer_to(&self.root, self.gateway.as_str(), &self.response_topics, topic)
    }
}

/// Whether a gateway may answer to a topic that a requester named. Below the root that is its own answer topics alone, so that no
/// answer passes for a question, a status or a command of this or another gateway.
pub fn may_answer_to(root: &str, gateway: &str, response_topics: &[TopicPrefix], topic: &str) -> bool {
    let own = format!("{root}/{gateway}/answer");
    let allowed =
        below(topic, &own) || (!below(topic, root) && response_topics.iter().any(|prefix| prefix.covers(topic)));
    is_plain_topic(topic) && allowed
}

fn below(topic: &str, prefix: &str) -> bool {
    topic.strip_prefix(prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

fn is_plain_topic(text: &str) -> bool {
    let odd = |c: char| c.is_control() || matches!(c, '+' | '#' | '$');
    (1..=TOPIC_BYTES_MAX).contains(&text.len()) && !text.contains(odd)
}

/// One `[[serial]]`: a port and what speaks there.
#[derive(Clone, Debug, PartialEq)]
pub struct Serial {
    /// The device.
    pub path: PathBuf,
    /// Frames or lines.
    pub mode: SerialMode,
    /// Bits per second.
    pub baud: u32,
    /// Of lines.
    pub encoding: Encoding,
    /// Task for questions that name none; `None`: the student's.
    pub task: Option<String>,
}

/// What a serial port speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SerialMode {
    /// Checked binary frames.
    Frames,
    /// Lines of text.
    Line,
}

/// How lines of text are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// UTF-8.
    Utf8,
    /// Shift_JIS as Windows has it.
    Cp932,
}

/// `[http]`: the page and its interface.
#[derive(Clone, Debug, PartialEq)]
pub struct Http {
    /// Where to listen; `None`: nowhere.
    pub listen: Option<SocketAddr>,
    /// The token a caller must show; there is one wherever others than this box can call.
    pub token: Option<SecretFile>,
    /// Names under which a browser may ask, lower case, beside loopback's and the address of `listen`.
    pub hosts: Vec<String>,
}

/// `[journal]`: the record of every question.
#[derive(Clone, Debug, PartialEq)]
pub struct Journal {
    /// Its folder.
    pub folder: PathBuf,
    /// Space it may take.
    pub budget_bytes: u64,
}

/// `[review]`: what a person looks at.
#[derive(Clone, Debug, PartialEq)]
pub struct Review {
    /// Share of the answers that stand which a person checks, 0 to 1.
    pub audit_share: f64,
}

/// `[limits]`: what is too much, too long or too late.
#[derive(Clone, Debug, PartialEq)]
pub struct Limits {
    /// Questions that wait at once.
    pub queue: usize,
    /// Age at which a question that names no expiry is no longer answered.
    pub deadline: Duration,
}

/// `[log]`: how much to tell.
#[derive(Clone, Debug, PartialEq)]
pub struct Log {
    /// Down to which level.
    pub level: log::LevelFilter,
}

impl Gateway {
    pub(super) fn read(from: &mut Reader<'_>) -> Self {
        Self { name: from.name("gateway.name") }
    }
}

impl Student {
    pub(super) fn read(from: &mut Reader<'_>) -> Self {
        Self { bundle: from.path("student.bundle"), task: from.text("student.task") }
    }
}

impl Mqtt {
    pub(super) fn read(from: &mut Reader<'_>, gateway: &Name) -> Self {
        let client_id = from.optional("mqtt.client_id", "visible ASCII without + # / and at most 128 of it", |text| {
            let visible = |c: char| c.is_ascii_graphic() && !matches!(c, '+' | '#' | '/');
            (text.len() <= CLIENT_ID_CHARS_MAX && text.chars().all(visible)).then(|| text.to_owned())
        });
        Self {
            enabled: from.flag("mqtt.enabled"),
            host: from.required("mqtt.host", "a host name or address, without scheme, port and path", |text| {
                (text.parse::<IpAddr>().is_ok() || is_host_name(text)).then(|| text.to_owned())
            }),
            port: from.whole("mqtt.port", 1..=65535) as u16,
            keepalive: Duration::from_secs(from.whole("mqtt.keepalive_s", 5..=3600)),
            client_id: client_id.unwrap_or_else(|| format!("sokutou-{gateway}")),
            root: from.required("mqtt.root", "1 to 4 levels of A-Z a-z 0-9 _ -, with / between them", |text| {
                let levels: Vec<&str> = text.split('/').collect();
                let fits = levels.len() <= ROOT_LEVELS_MAX && levels.iter().all(|level| Name::new(level).is_some());
                fits.then(|| text.to_owned())
            }),
            gateway: gateway.clone(),
            username: from.text("mqtt.username"),
            password: from.secret("mqtt.password_file"),
            response_topics: from.list(
                "mqtt.response_topics",
                "at most 64 topic prefixes without wildcards, $ and empty levels",
                TopicPrefix::new,
            ),
            share_group: from.optional("mqtt.share_group", "1 to 64 of A-Z a-z 0-9 _ -", Name::new),
            protocol: from.one_of("mqtt.protocol", &[("5", Protocol::V5)]),
            tls: Tls::read(from),
        }
    }
}

impl Tls {
    fn read(from: &mut Reader<'_>) -> Option<Self> {
        let authority = from.path("mqtt.tls.ca_file");
        let certificate = from.path("mqtt.tls.client_cert_file");
        let key = from.secret("mqtt.tls.client_key_file");
        let client = match (certificate, key) {
            (Some(certificate), Some(key)) => Some(ClientCertificate { certificate, key }),
            (None, None) => None,
            (Some(_), None) => {
                from.odds("mqtt.tls.client_cert_file", "mqtt.tls.client_key_file beside it", "none");
                None
            }
            (None, Some(_)) => {
                from.odds("mqtt.tls.client_key_file", "mqtt.tls.client_cert_file beside it", "none");
                None
            }
        };
        if authority.is_none() && client.is_some() {
            from.odds("mqtt.tls.client_cert_file", "mqtt.tls.ca_file beside it, which switches TLS on", "none");
        }
        Some(Self { authority: authority?, client })
    }
}

impl Serial {
    /// All ports that name a device.
    pub(super) fn read_all(from: &mut Reader<'_>) -> Vec<Self> {
        let entries = (0..).take_while(|at| from.has(&format!("serial.{at}.path"))).count();
        let mut ports: Vec<Self> = Vec::new();
        for at in 0..entries {
            let key = |name: &str| format!("serial.{at}.{name}");
            let path = from.path(&key("path"));
            let mode = from.one_of(&key("mode"), &[("frames", SerialMode::Frames), ("line", SerialMode::Line)]);
            let baud = from.whole(&key("baud"), 300..=4_000_000) as u32;
            let encoding = from.one_of(&key("encoding"), &[("utf-8", Encoding::Utf8), ("cp932", Encoding::Cp932)]);
            let task = from.text(&key("task"));
            let Some(path) = path else { continue };
            if ports.iter().any(|port| port.path == path) {
                from.odds(&key("path"), "every device once", "it in an earlier block too");
            }
            ports.push(Self { path, mode, baud, encoding, task });
        }
        ports
    }
}

impl Http {
    pub(super) fn read(from: &mut Reader<'_>) -> Self {
        let listen: Option<SocketAddr> =
            from.optional("http.listen", "an address with its port, as 127.0.0.1:8620", |text| text.parse().ok());
        let token = from.secret("http.token_file");
        if let Some(open) = listen.filter(|listen| !listen.ip().is_loopback() && token.is_none()) {
            from.odds(
                "http.listen",
                "http.token_file beside an address that others can reach",
                &format!("only {open}"),
            );
        }
        let hosts = from.list("http.hosts", "at most 64 host names without port", |text| {
            is_host_name(text).then(|| text.to_lowercase())
        });
        Self { listen, token, hosts }
    }
}

impl Journal {
    pub(super) fn read(from: &mut Reader<'_>) -> Self {
        Self {
            folder: from.required("journal.folder", ABSOLUTE, absolute),
            budget_bytes: from.whole("journal.budget_mb", 16..=1_000_000) * MB,
        }
    }
}

impl Review {
    pub(super) fn read(from: &mut Reader<'_>) -> Self {
        Self { audit_share: from.share("review.audit_share") }
    }
}

impl Limits {
    pub(super) fn read(from: &mut Reader<'_>) -> Self {
        Self {
            queue: from.whole("limits.queue", 1..=1024) as usize,
            deadline: Duration::from_millis(from.whole("limits.deadline_ms", 100..=86_400_000)),
        }
    }
}

impl Log {
    pub(super) fn read(from: &mut Reader<'_>) -> Self {
        use log::LevelFilter::{Debug, Error, Info, Trace, Warn};
        let levels = [("error", Error), ("warn", Warn), ("info", Info), ("debug", Debug), ("trace", Trace)];
        Self { level: from.one_of("log.level", &levels) }
    }
}

const ABSOLUTE: &str = "an absolute path";

fn absolute(text: &str) -> Option<PathBuf> {
    text.starts_with('/').then(|| PathBuf::from(text))
}

fn is_host_name(text: &str) -> bool {
    let label = |label: &str| {
        (1..=63).contains(&label.len()) && label.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_')
    };
    text.len() <= 253 && text.split('.').all(label)
}

/// Takes values out of the settings and notes what is wrong with them. Where something is, the caller gets the default
/// instead, so that one pass finds every fault; a configuration with faults is never handed out.
pub(super) struct Reader<'s> {
    pub settings: &'s [Setting],
    pub faults: &'s mut Vec<Fault>,
    /// Folder of systemd's credentials.
    pub credentials: Option<&'s Path>,
}

impl Reader<'_> {
    fn has(&self, key: &str) -> bool {
        self.settings.iter().any(|setting| setting.key == key)
    }

    fn setting(&self, key: &str) -> &Setting {
        let setting = self.settings.iter().find(|setting| setting.key == key);
        setting.expect("every key that a section reads is in the default file; a test reads them all")
    }

    /// A value that `parse` takes; it takes the default.
    fn get<T>(&mut self, key: &str, expected: &str, parse: impl Fn(&Value) -> Option<T>) -> T {
        let Setting { value, default, .. } = self.setting(key);
        match parse(value) {
            Some(parsed) => parsed,
            None => {
                let (instead, found) = (parse(default), in_short(value));
                self.odds(key, expected, &found);
                instead.expect("every default is valid; a test reads them all")
            }
        }
    }

    /// Notes that a value does not do.
    fn odds(&mut self, key: &str, expected: &str, found: &str) {
        let (key, expected, found) = (key.to_owned(), expected.to_owned(), found.to_owned());
        self.faults.push(Fault::Value { origin: self.setting(&key).origin.clone(), key, expected, found });
    }

    fn flag(&mut self, key: &str) -> bool {
        self.get(key, "true or false", Value::as_bool)
    }

    fn whole(&mut self, key: &str, range: RangeInclusive<u64>) -> u64 {
        let expected = format!("a whole number from {} to {}", range.start(), range.end());
        self.get(key, &expected, |value| {
            value.as_integer().and_then(|number| u64::try_from(number).ok()).filter(|number| range.contains(number))
        })
    }

    fn share(&mut self, key: &str) -> f64 {
        self.get(key, "a number from 0 to 1", |value| value.as_float().filter(|share| (0.0..=1.0).contains(share)))
    }

    /// A text that is not empty.
    fn required<T>(&mut self, key: &str, expected: &str, parse: impl Fn(&str) -> Option<T>) -> T {
        self.get(key, expected, |value| {
            value.as_str().filter(|text| is_plain(text) && !text.is_empty()).and_then(&parse)
        })
    }

    /// A text, or an empty one for none.
    fn optional<T>(&mut self, key: &str, expected: &str, parse: impl Fn(&str) -> Option<T>) -> Option<T> {
        self.get(key, expected, |value| match value.as_str() {
            Some("") => Some(None),
            Some(text) if is_plain(text) => parse(text).map(Some),
            _ => None,
        })
    }

    fn text(&mut self, key: &str) -> Option<String> {
        self.optional(key, "a text without control characters", |text| Some(text.to_owned()))
    }

    fn path(&mut self, key: &str) -> Option<PathBuf> {
        self.optional(key, ABSOLUTE, absolute)
    }

    fn name(&mut self, key: &str) -> Name {
        self.required(key, "1 to 64 of A-Z a-z 0-9 _ -", Name::new)
    }

    fn one_of<T: Copy>(&mut self, key: &str, known: &[(&str, T)]) -> T {
        let names: Vec<String> = known.iter().map(|(name, _)| format!("{name:?}")).collect();
        let find = |text: &str| known.iter().find(|(name, _)| *name == text).map(|(_, value)| *value);
        self.required(key, &names.join(" or "), find)
    }

    fn list<T>(&mut self, key: &str, expected: &str, parse: impl Fn(&str) -> Option<T>) -> Vec<T> {
        self.get(key, expected, |value| {
            let items = value.as_array().filter(|items| items.len() <= LIST_MAX)?;
            items.iter().map(|item| parse(item.as_str().filter(|text| is_plain(text))?)).collect()
        })
    }

    /// The place of a secret. What was found there instead is not repeated: it may be the secret itself.
    fn secret(&mut self, key: &str) -> Option<SecretFile> {
        let text = self.setting(key).value.as_str().unwrap_or_default();
        if text.is_empty() {
            return None;
        }
        let file = SecretFile::new(text, self.credentials).filter(|_| is_plain(text));
        if file.is_none() {
            self.odds(key, "an absolute path or credential:NAME", "neither (not shown, lest it be the secret itself)");
        }
        file
    }
}

fn is_plain(text: &str) -> bool {
    text.len() <= TEXT_BYTES_MAX && !text.contains(char::is_control)
}
