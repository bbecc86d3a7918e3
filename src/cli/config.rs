//! `sokutou config`: what the configuration in effect is and where each value was set; whether what it names is there.
//! Touches no network and opens no serial port, which would reset some of the boards behind them.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _};
use std::os::unix::fs::FileTypeExt as _;
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::args::ConfigArgs;
use super::check::{Check, report};
use super::open::{BundleArg, open_bundle};
use super::output::{print, print_json};
use super::{Error, Exit};
use crate::config::layers::{Origin, Setting};
use crate::config::secret::{SecretError, SecretFile};
use crate::config::sections::Tls;
use crate::config::{Config, Serial};
use crate::domain::chain;

/// How a PEM file begins, comments aside.
const PEM: &str = "-----BEGIN ";
/// Of a file of certificates; all the world's public authorities take a fifth of it.
const CERTIFICATE_BYTES_MAX: u64 = 1 << 20;
/// Names under this folder follow the device, not the order of plugging in.
const STABLE_DEVICES: &str = "/dev/serial/by-id/";

pub fn show(args: &ConfigArgs, origin: bool, json: bool) -> Result<Exit, Error> {
    let config = Config::load(&args.sources())?;
    match (json, origin) {
        (true, true) => print_json(&config.settings.iter().map(Placed::of).collect::<Vec<_>>())?,
        (true, false) => {
            let text = in_toml(&config.settings, false);
            print_json(&text.parse::<toml::Table>().expect("what `config show` prints is TOML"))?;
        }
        (false, origin) => print(&in_toml(&config.settings, origin))?,
    }
    Ok(Exit::Success)
}

pub fn check(args: &ConfigArgs, json: bool) -> Result<Exit, Error> {
    let checks = match Config::load(&args.sources()) {
        Ok(config) => all(&config),
        Err(error) => {
            let hint = "correct it; every key stands with its meaning in the commented default file, sokutou.toml";
            error.faults.iter().map(|fault| Check::fail("configuration", chain(fault), hint)).collect()
        }
    };
    Ok(if report(&checks, json)? { Exit::Success } else { Exit::Config })
}

/// The settings as a TOML file that means the same; with their origins as comments behind them.
fn in_toml(settings: &[Setting], origin: bool) -> String {
    let mut lines: Vec<String> = Vec::new();
    let mut open = "";
    for Setting { key, value, origin: place, .. } in settings {
        let (section, name) = key.rsplit_once('.').expect("every key stands in a section");
        if section != open {
            let header = match section.split_once('.') {
                Some((blocks, number)) if number.parse::<usize>().is_ok() => format!("[[{blocks}]]"),
                _ => format!("[{section}]"),
            };
            lines.extend((!lines.is_empty()).then(String::new).into_iter().chain([header]));
            open = section;
        }
        let comment = if origin { format!(" # {place}") } else { String::new() };
        lines.push(format!("{name} = {value}{comment}"));
    }
    lines.join("\n")
}

/// What `config show --origin --json` says of one key.
#[derive(Serialize)]
struct Placed<'a> {
    key: &'a str,
    value: &'a toml::Value,
    /// `default`, `file`, `variable` or `flag`.
    layer: &'static str,
    /// `file:line:column`, the variable's name, `--set` or `default`.
    origin: String,
}

impl<'a> Placed<'a> {
    fn of(setting: &'a Setting) -> Self {
        let layer = match setting.origin {
            Origin::Default => "default",
            Origin::File { .. } => "file",
            Origin::Variable(_) => "variable",
            Origin::Flag => "flag",
        };
        Self { key: &setting.key, value: &setting.value, layer, origin: setting.origin.to_string() }
    }
}

/// Everything that can be checked of a configuration that was loaded.
fn all(config: &Config) -> Vec<Check> {
    let files: Vec<String> = config.files.iter().map(|file| file.display().to_string()).collect();
    let files = if files.is_empty() { "no file, defaults only".to_owned() } else { files.join(", ") };
    let mut checks = vec![Check::ok("configuration", files)];
    checks.extend(config.warnings().into_iter().map(|w| Check::warn(w.about, w.what, &w.way_out)));
    checks.push(name(config));
    checks.extend(student(config));
    if config.mqtt.enabled {
        checks.extend(mqtt(config));
    }
    checks.extend(config.serial.iter().map(serial));
    checks.extend(http(config));
    checks.push(journal(&config.journal.folder));
    checks
}

fn name(config: &Config) -> Check {
    let (name, shipped) = (&config.gateway.name, Config::default().gateway.name);
    if *name == shipped {
        let hint = "set gateway.name: two gateways of one name push each other off the broker";
        return Check::warn("gateway.name", format!("still the default, {name}"), hint);
    }
    Check::ok("gateway.name", name.to_string())
}

fn student(config: &Config) -> Vec<Check> {
    let (folder, bundle) = match open_bundle(&BundleArg { bundle: config.student.bundle.clone() }) {
        Ok(opened) => opened,
        Err(error) => {
            let hint = "install the student again, or name another with student.bundle";
            return vec![Check::fail("student.bundle", chain(&error), hint)];
        }
    };
    let opened = Check::ok("student.bundle", format!("{}, {}", bundle.student(), folder.display()));
    let unknown = |id: &Option<String>| bundle.task(id.as_deref()?).err().map(|error| error.to_string());
    let hint = "name one of the bundle's tasks, or \"\" for the first";
    let task = unknown(&config.student.task).map(|found| Check::fail("student.task", found, hint));
    let port = |port: &Serial| {
        let found = format!("{}: {}", port.path.display(), unknown(&port.task)?);
        Some(Check::fail("serial task", found, hint))
    };
    let tasks = task.into_iter().chain(config.serial.iter().filter_map(port));
    [opened].into_iter().chain(tasks).collect()
}

fn mqtt(config: &Config) -> Vec<Check> {
    let mqtt = &config.mqtt;
    let mut checks = vec![Check::ok(
        "mqtt",
        format!(
            "{}:{} as {}, {}/{}/ask{}",
            mqtt.host,
            mqtt.port,
            mqtt.client_id,
            mqtt.root,
            mqtt.gateway,
            if mqtt.tls.is_some() { ", TLS" } else { "" },
        ),
    )];
    match (&mqtt.tls, mqtt.port) {
        (Some(_), 1883) => {
            checks.push(Check::warn("mqtt.port", "1883 with TLS", "brokers mostly speak TLS on 8883: set mqtt.port"));
        }
        (None, 8883) => checks.push(Check::warn(
            "mqtt.port",
            "8883 without TLS",
            "brokers mostly speak TLS there: set mqtt.tls.ca_file, which switches it on",
        )),
        _ => {}
    }
    checks.extend(mqtt.password.iter().flat_map(|file| secret("mqtt.password_file", file, "")));
    if let Some(Tls { authority, client }) = &mqtt.tls {
        checks.push(certificate("mqtt.tls.ca_file", authority));
        if let Some(client) = client {
            checks.push(certificate("mqtt.tls.client_cert_file", &client.certificate));
            checks.extend(secret("mqtt.tls.client_key_file", &client.key, PEM));
        }
    }
    checks
}

/// A secret can be read, begins as it must, and is nobody else's.
fn secret(key: &'static str, file: &SecretFile, contains: &str) -> Vec<Check> {
    let first = match file.read() {
        Ok(secret) if secret.expose().contains(contains) => Check::ok(key, file.to_string()),
        Ok(_) => Check::fail(key, format!("{file} holds no PEM"), "expected a text with -----BEGIN PRIVATE KEY-----"),
        Err(error @ SecretError::NoCredentials { .. }) => {
            Check::warn(key, error.to_string(), "see that the service's unit has LoadCredential= for it")
        }
        Err(error) => Check::fail(key, chain(&error), "write it there, readable for the service's user only"),
    };
    let exposed = file.exposed().map(|(path, mode)| {
        let (path, hint) = (path.display(), format!("chmod 600 {}", path.display()));
        Check::warn(key, format!("{path} has mode {mode:03o}: others than its owner may use it"), &hint)
    });
    [first].into_iter().chain(exposed).collect()
}

fn certificate(key: &'static str, path: &Path) -> Check {
    let hint = "expected a certificate in PEM that the service's user can read";
    let mut text = String::new();
    match File::open(path).and_then(|file| file.take(CERTIFICATE_BYTES_MAX).read_to_string(&mut text)) {
        Ok(_) if text.contains(PEM) => Check::ok(key, path.display().to_string()),
        Ok(_) => Check::fail(key, format!("{} holds no PEM", path.display()), hint),
        Err(error) => Check::fail(key, format!("failed to read {}: {error}", path.display()), hint),
    }
}

fn serial(port: &Serial) -> Check {
    let path = port.path.display().to_string();
    let found = |what: &str| format!("{path}: {what}");
    match fs::metadata(&port.path) {
        Err(error) => Check::warn(
            "serial",
            found(&error.to_string()),
            "plug it in; `ls -l /dev/serial/by-id` lists what is there. The daemon waits for it",
        ),
        Ok(there) if !there.file_type().is_char_device() => {
            Check::warn("serial", found("no serial device"), "name one of /dev/serial/by-id")
        }
        Ok(_) if !path.starts_with(STABLE_DEVICES) => Check::warn(
            "serial",
            found("a name that may belong to another device after the next start"),
            "name the device as /dev/serial/by-id has it",
        ),
        Ok(_) => Check::ok("serial", found(&format!("{} baud", port.baud))),
    }
}

fn http(config: &Config) -> Vec<Check> {
    let http = &config.http;
    let mut checks = vec![match http.listen {
        Some(listen) => Check::ok("http.listen", listen.to_string()),
        None => Check::ok("http.listen", "nowhere"),
    }];
    checks.extend(http.token.iter().flat_map(|file| secret("http.token_file", file, "")));
    if http.listen.is_some_and(|listen| listen.ip().is_unspecified()) && http.hosts.is_empty() {
        let hint = "list the names and addresses under which browsers reach this box in http.hosts";
        checks.push(Check::warn("http.hosts", "none beside this box's own", hint));
    }
    checks
}

/// The folder takes files; or the nearest one above it that exists does, so that it can be made.
fn journal(folder: &Path) -> Check {
    let there = folder.ancestors().find(|folder| folder.exists()).unwrap_or(Path::new("/"));
    let made = if there == folder { "" } else { ", will be made" };
    match probe(there) {
        Ok(()) => Check::ok("journal.folder", format!("{}{made}", folder.display())),
        Err(error) => Check::fail(
            "journal.folder",
            format!("failed to write into {}: {error}", there.display()),
            "run the check as the service's user, give the folder to that user, or set journal.folder",
        ),
    }
}

fn probe(folder: &Path) -> io::Result<()> {
    let file: PathBuf = folder.join(format!(".sokutou-check-{}", std::process::id()));
    OpenOptions::new().write(true).create_new(true).open(&file)?;
    fs::remove_file(file)
}
