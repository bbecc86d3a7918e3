//! `sokutou serve`: the gateway, until it is told to stop; SIGHUP has it read its configuration again. Takes the configuration
//! apart for the rooms; does nothing else.

use std::fs;
use std::io;
use std::path::Path;

use tokio::signal::unix::{Signal, SignalKind, signal};

use super::args::ConfigArgs;
use super::open::{BUNDLE_BESIDE, bundle_folder};
use super::{Error, Exit};
use crate::config::sections::{ClientCertificate, SerialMode};
use crate::config::{self, Changed, Config, Sources};
use crate::daemon::{self, Order, Port, Settings};
use crate::domain::chain;
use crate::engine::QUESTION_BYTES_MAX;
use crate::store;
use crate::triggers::serial::Speaks;
use crate::triggers::{self, http, mqtt};
use crate::wire::line;

pub fn run(args: &ConfigArgs) -> Result<Exit, Error> {
    let sources = args.sources();
    let mut config = Config::load(&sources)?;
    heed(&config);
    let mut signals = None;
    daemon::run(settings(&config)?, async || match signals.get_or_insert_with(Signals::new).next().await {
        Told::Stop => Order::Stop,
        Told::Reload => match reload(&config, &sources) {
            Ok((new, settings)) => {
                config = new;
                Order::Change(Box::new(settings))
            }
            Err(error) => Order::Keep(chain(&error)),
        },
    })?;
    Ok(Exit::Success)
}

fn settings(config: &Config) -> Result<Settings, Error> {
    Ok(Settings {
        gateway: config.gateway.name.to_string(),
        // Without one the gateway runs, and says so.
        student: bundle_folder(config.student.bundle.as_deref()).unwrap_or_else(|_| BUNDLE_BESIDE.into()),
        task: config.student.task.clone(),
        journal: config.journal.folder.clone(),
        limits: store::Limits { disk_bytes_max: config.journal.budget_bytes },
        audit_share: config.review.audit_share,
        queue: config.limits.queue,
        deadline: config.limits.deadline,
        serial: config.serial.iter().map(|port| serial(port, config)).collect(),
        mqtt: config.mqtt.enabled.then(|| broker(&config.mqtt, config.limits.queue)).transpose()?,
        http: http(&config.http)?,
    })
}

/// What the configuration says to the commands themselves.
fn heed(config: &Config) {
    if std::env::var_os("RUST_LOG").is_none() {
        log::set_max_level(config.log.level);
    }
    for warning in config.warnings() {
        log::warn!("{}: {}. {}", warning.about, warning.what, warning.way_out);
    }
}

/// The configuration read again, with the secrets in its files.
fn reload(current: &Config, sources: &Sources) -> Result<(Config, Settings), Error> {
    let Changed { config, sections } = Config::reload(current, sources)?;
    let settings = settings(&config)?;
    heed(&config);
    let changed: Vec<_> = sections.iter().map(ToString::to_string).collect();
    match changed.is_empty() {
        true => log::info!("the configuration is read again; no key has changed"),
        false => log::info!("the configuration is read again; changed: {}", changed.join(", ")),
    }
    Ok((config, settings))
}

enum Told {
    Stop,
    Reload,
}

/// What the process may be told by signals; empty where they cannot be received.
struct Signals(Option<[Signal; 3]>);

impl Signals {
    /// Inside the runtime.
    fn new() -> Self {
        let heard = || -> io::Result<_> {
            let of = [SignalKind::terminate(), SignalKind::interrupt(), SignalKind::hangup()];
            let [terminate, interrupt, hangup] = of.map(signal);
            Ok([terminate?, interrupt?, hangup?])
        };
        Self(
            heard()
                .map_err(|error| log::error!("signals cannot be received, only kill -9 stops this process: {error}"))
                .ok(),
        )
    }

    async fn next(&mut self) -> Told {
        let Some([terminate, interrupt, hangup]) = &mut self.0 else { return std::future::pending().await };
        tokio::select! {
            _ = terminate.recv() => Told::Stop,
            _ = interrupt.recv() => Told::Stop,
            _ = hangup.recv() => Told::Reload,
        }
    }
}

fn http(http: &config::Http) -> Result<Option<http::Settings>, Error> {
    let Some(listen) = http.listen else { return Ok(None) };
    let token = http.token.as_ref().map(|file| file.read()).transpose()?;
    let token = token.map(|token| http::Token::new(token.expose()));
    Ok(Some(http::Settings { listen, token, hosts: http.hosts.clone() }))
}

fn serial(port: &config::Serial, config: &Config) -> Port {
    let encoding = match port.encoding {
        config::sections::Encoding::Utf8 => line::Encoding::Utf8,
        config::sections::Encoding::Cp932 => line::Encoding::Cp932,
    };
    let speaks = match port.mode {
        SerialMode::Frames => Speaks::Frames,
        SerialMode::Line => Speaks::Lines { encoding, bytes_max: QUESTION_BYTES_MAX },
    };
    let gateway = config.gateway.name.to_string();
    let settings = triggers::serial::Settings { path: port.path.clone(), baud: port.baud, speaks, gateway };
    Port { settings, task: port.task.clone() }
}

fn broker(mqtt: &config::Mqtt, queue: usize) -> Result<mqtt::Settings, Error> {
    let credentials = match (&mqtt.username, &mqtt.password) {
        (Some(user), Some(password)) => Some((user.clone(), password.read()?.expose().to_owned())),
        (Some(user), None) => Some((user.clone(), String::new())),
        (None, _) => None,
    };
    let tls = mqtt.tls.as_ref().map(|tls| -> Result<_, Error> {
        let client = tls.client.as_ref().map(|ClientCertificate { certificate, key }| -> Result<_, Error> {
            Ok((read(certificate)?, key.read()?.expose().as_bytes().to_vec()))
        });
        Ok(mqtt::Tls { ca: read(&tls.authority)?, client: client.transpose()? })
    });
    Ok(mqtt::Settings {
        host: mqtt.host.clone(),
        port: mqtt.port,
        gateway: mqtt.gateway.to_string(),
        root: mqtt.root.clone(),
        client_id: mqtt.client_id.clone(),
        credentials,
        keep_alive: mqtt.keepalive,
        receive_max: u16::try_from(queue).unwrap_or(u16::MAX),
        response_topics: mqtt.response_topics.clone(),
        share_group: mqtt.share_group.as_ref().map(ToString::to_string),
        tls: tls.transpose()?,
    })
}

fn read(path: &Path) -> Result<Vec<u8>, Error> {
    fs::read(path).map_err(|source| Error::Read { path: path.to_owned(), source })
}
