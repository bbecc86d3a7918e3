//! `sokutou serve`: the gateway, until it is told to stop. Takes the configuration apart for the rooms; does nothing else.

use std::fs;
use std::path::Path;

use tokio::signal::unix::{SignalKind, signal};

use super::{BUNDLE_BESIDE, ConfigArgs, Error, Exit, bundle_folder};
use crate::config::sections::{ClientCertificate, SerialMode};
use crate::config::{self, Config};
use crate::daemon::{self, Port, Settings};
use crate::engine::QUESTION_BYTES_MAX;
use crate::store;
use crate::triggers::serial::Speaks;
use crate::triggers::{self, http, mqtt};
use crate::wire::line;

pub fn run(args: &ConfigArgs) -> Result<Exit, Error> {
    let config = Config::load(&args.sources())?;
    if std::env::var_os("RUST_LOG").is_none() {
        log::set_max_level(config.log.level);
    }
    for warning in config.warnings() {
        log::warn!("{}: {}. {}", warning.about, warning.what, warning.way_out);
    }
    let settings = Settings {
        gateway: config.gateway.name.to_string(),
        // Without one the gateway runs, and says so.
        student: bundle_folder(config.student.bundle.as_deref()).unwrap_or_else(|_| BUNDLE_BESIDE.into()),
        task: config.student.task.clone(),
        journal: config.journal.folder.clone(),
        limits: store::Limits { disk_bytes_max: config.journal.budget_bytes },
        audit_share: config.review.audit_share,
        queue: config.limits.queue,
        deadline: config.limits.deadline,
        serial: config.serial.iter().map(|port| serial(port, &config)).collect(),
        mqtt: config.mqtt.enabled.then(|| broker(&config.mqtt, config.limits.queue)).transpose()?,
        http: http(&config.http)?,
    };
    daemon::run(settings, told_to_stop())?;
    Ok(Exit::Success)
}

async fn told_to_stop() {
    let (Ok(mut terminate), Ok(mut interrupt)) = (signal(SignalKind::terminate()), signal(SignalKind::interrupt()))
    else {
        log::error!("signals cannot be received here; only kill -9 stops this process");
        return std::future::pending().await;
    };
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
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
