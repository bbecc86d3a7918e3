//! `[mqtt]`: the broker, topics, who may be answered; and what `config check` says of it. Opens no connection.

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use super::tls;
use crate::config::check::Check;
use crate::config::reader::is_host_name;
use crate::config::secret::SecretFile;
use crate::config::{FileError, Reader, Warning, read_file};
use crate::domain::Name;

/// Levels of the root topic: site, line, product and one to spare.
const ROOT_LEVELS_MAX: usize = 4;
/// The longest client id; brokers take more, logs and access lists do not.
const CLIENT_ID_CHARS_MAX: usize = 128;
/// The longest topic that an answer is sent to: the reply's way is kept with every question.
pub const TOPIC_BYTES_MAX: usize = 256;

/// `[mqtt]`: the broker, topics and who may be answered.
#[derive(Clone, Debug, PartialEq)]
pub struct Section {
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
    /// Where answers may go beside `root/gateway/answer`; see [`may_answer_to`].
    pub response_topics: Vec<TopicPrefix>,
    /// The group that shares `root/any/ask`.
    pub share_group: Option<Name>,
    /// Version of the protocol.
    pub protocol: Protocol,
    /// `None`: in the clear.
    pub tls: Option<TlsFiles>,
}

/// Versions of MQTT.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// Version 5.
    V5,
}

/// `[mqtt.tls]`: how the broker proves who it is, and this device too.
#[derive(Clone, Debug, PartialEq)]
pub struct TlsFiles {
    /// The authority that must have signed the broker's certificate. There is no way to do without: anybody could pose as the broker.
    pub authority: PathBuf,
    /// This device's own certificate and key.
    pub client: Option<ClientCertificate>,
}

/// A certificate of this device with its key.
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

impl Section {
    /// Reads it.
    pub fn read(from: &mut Reader<'_>, gateway: &Name) -> Self {
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
            tls: TlsFiles::read(from),
        }
    }
}

impl Section {
    /// What the client needs, with the secrets read from their files. `queue` questions may wait to be made durable.
    pub fn settings(&self, queue: usize) -> Result<Settings, FileError> {
        let credentials = match (&self.username, &self.password) {
            (Some(user), Some(password)) => Some((user.clone(), password.read()?.expose().to_owned())),
            (Some(user), None) => Some((user.clone(), String::new())),
            (None, _) => None,
        };
        let tls = self.tls.as_ref().map(|tls| -> Result<_, FileError> {
            let client = tls.client.as_ref().map(|ClientCertificate { certificate, key }| -> Result<_, FileError> {
                Ok((read_file(certificate)?, key.read()?.expose().as_bytes().to_vec()))
            });
            Ok(Tls { files: tls.clone(), ca: read_file(&tls.authority)?, client: client.transpose()? })
        });
        Ok(Settings {
            host: self.host.clone(),
            port: self.port,
            gateway: self.gateway.to_string(),
            root: self.root.clone(),
            client_id: self.client_id.clone(),
            credentials,
            keep_alive: self.keepalive,
            receive_max: u16::try_from(queue).unwrap_or(u16::MAX),
            response_topics: self.response_topics.clone(),
            share_group: self.share_group.as_ref().map(ToString::to_string),
            tls: tls.transpose()?,
        })
    }

    /// What is allowed and dangerous.
    pub fn warnings(&self) -> Vec<Warning> {
        let in_the_clear = self.enabled && self.tls.is_none() && self.password.is_some() && !is_loopback(&self.host);
        let warning = Warning::new(
            "mqtt.password_file",
            format!("the password goes to {} in the clear", self.host),
            "set mqtt.tls.ca_file, which switches TLS on",
        );
        in_the_clear.then_some(warning).into_iter().collect()
    }

    /// Whether what the section names is there.
    pub fn check(&self) -> Vec<Check> {
        if !self.enabled {
            return Vec::new();
        }
        let Self { host, port, client_id, root, gateway, tls, .. } = self;
        let encrypted = if tls.is_some() { ", TLS" } else { "" };
        let mut checks =
            vec![Check::ok("mqtt", format!("{host}:{port} as {client_id}, {root}/{gateway}/ask{encrypted}"))];
        match (tls, port) {
            (Some(_), 1883) => {
                checks.push(Check::warn(
                    "mqtt.port",
                    "1883 with TLS",
                    "brokers mostly speak TLS on 8883: set mqtt.port",
                ));
            }
            (None, 8883) => checks.push(Check::warn(
                "mqtt.port",
                "8883 without TLS",
                "brokers mostly speak TLS there: set mqtt.tls.ca_file, which switches it on",
            )),
            _ => {}
        }
        checks.extend(self.password.iter().flat_map(|file| file.check("mqtt.password_file", "")));
        checks.extend(tls.iter().flat_map(|files| tls::check(files, host)));
        checks
    }
}

fn is_loopback(host: &str) -> bool {
    host.eq_ignore_ascii_case("localhost") || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

impl TlsFiles {
    fn read(from: &mut Reader<'_>) -> Option<Self> {
        let authority = from.path("mqtt.tls.ca_file");
        let certificate = from.path("mqtt.tls.client_cert_file");
        let key = from.secret("mqtt.tls.client_key_file");
        let client = match (certificate, key) {
            (Some(certificate), Some(key)) => Some(ClientCertificate { certificate, key }),
            (None, None) => None,
            (Some(_), None) => {
                from.conflict("mqtt.tls.client_cert_file", "mqtt.tls.client_key_file beside it", "none");
                None
            }
            (None, Some(_)) => {
                from.conflict("mqtt.tls.client_key_file", "mqtt.tls.client_cert_file beside it", "none");
                None
            }
        };
        if authority.is_none() && client.is_some() {
            from.conflict("mqtt.tls.client_cert_file", "mqtt.tls.ca_file beside it, which switches TLS on", "none");
        }
        Some(Self { authority: authority?, client })
    }
}

/// Where the broker is and what the gateway is called there.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// Name or address of the broker.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// The gateway's name, a level of its topics.
    pub gateway: String,
    /// First level of all topics.
    pub root: String,
    /// One of its kind at the broker.
    pub client_id: String,
    /// User name and password.
    pub credentials: Option<(String, String)>,
    /// A broker that is silent for one and a half times as long is taken for gone.
    pub keep_alive: Duration,
    /// Questions on their way that are not durable yet; the broker keeps the rest.
    pub receive_max: u16,
    /// Beginnings of topics that answers may go to beside the gateway's own.
    pub response_topics: Vec<TopicPrefix>,
    /// The group whose questions this gateway shares.
    pub share_group: Option<String>,
    /// Certificates; without them the connection is not encrypted.
    pub tls: Option<Tls>,
}

/// PEM texts.
#[derive(Clone, Debug, PartialEq)]
pub struct Tls {
    /// Where they stand.
    pub files: TlsFiles,
    /// Of the authority that signed the broker's certificate.
    pub ca: Vec<u8>,
    /// The gateway's own certificate and key.
    pub client: Option<(Vec<u8>, Vec<u8>)>,
}

impl Settings {
    /// One of the gateway's own topics.
    pub fn topic(&self, of: &str) -> String {
        format!("{}/{}/{of}", self.root, self.gateway)
    }

    /// Whether an answer may go to a topic that a requester named, see [`may_answer_to`].
    pub fn may_answer_to(&self, topic: &str) -> bool {
        may_answer_to(&self.root, &self.gateway, &self.response_topics, topic)
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub fn settings() -> Settings {
        Settings {
            host: "127.0.0.1".into(),
            port: 1883,
            gateway: "press-3".into(),
            root: "sokutou".into(),
            client_id: "sokutou-press-3".into(),
            credentials: None,
            keep_alive: Duration::from_secs(30),
            receive_max: 8,
            response_topics: ["plant/line-1/", "sokutou"].map(|start| TopicPrefix::new(start).unwrap()).into(),
            share_group: None,
            tls: None,
        }
    }
}
