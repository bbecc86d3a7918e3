//! `sokutou config`: what the configuration in effect is and where each value was set; whether what it names is there.
//! Touches no network and opens no serial port, which would reset some of the boards behind them.

use std::fs::{self, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};

use clap::Subcommand;
use serde::Serialize;

use super::args::ConfigArgs;
use super::check::report;
use super::open::{BundleArg, open_bundle};
use super::output::{print, print_json};
use super::{Error, Exit};
use crate::config::Loaded;
use crate::config::check::Check;
use crate::config::layers::{Origin, Setting};
use crate::domain::chain;
use crate::gateway::settings::{self, Config};

#[derive(Debug, Subcommand)]
pub enum ConfigCommand {
    /// Check every value, and that the files, devices and folders it names exist. Does not use the network.
    Check {
        #[command(flatten)]
        config: ConfigArgs,
        /// Print one JSON list instead of text.
        #[arg(long)]
        json: bool,
    },
    /// Print the configuration in effect, as a file that means the same.
    Show {
        #[command(flatten)]
        config: ConfigArgs,
        /// Behind each key, say where it was set: file:line:column, variable, --set or default.
        #[arg(long)]
        origin: bool,
        /// Print JSON instead of TOML.
        #[arg(long)]
        json: bool,
    },
}

impl ConfigCommand {
    pub fn run(self) -> Result<Exit, Error> {
        match self {
            Self::Check { config, json } => check(&config, json),
            Self::Show { config, origin, json } => show(&config, origin, json),
        }
    }
}

fn show(args: &ConfigArgs, origin: bool, json: bool) -> Result<Exit, Error> {
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

fn check(args: &ConfigArgs, json: bool) -> Result<Exit, Error> {
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
fn all(loaded: &Loaded<Config>) -> Vec<Check> {
    let config = &loaded.sections;
    let files: Vec<String> = loaded.files.iter().map(|file| file.display().to_string()).collect();
    let files = if files.is_empty() { "no file, defaults only".to_owned() } else { files.join(", ") };
    let mut checks = vec![Check::ok("configuration", files)];
    checks.extend(settings::warnings(loaded).into_iter().map(|w| Check::warn(w.about, w.what, &w.way_out)));
    checks.push(name(config));
    checks.extend(student(config));
    checks.extend(config.transports.check());
    checks.push(journal(&config.journal.folder));
    checks
}

fn name(config: &Config) -> Check {
    let (name, shipped) = (&config.gateway.name, Config::defaults().sections.gateway.name);
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
    let unknown = |id: &str| bundle.task(id).err().map(|error| error.to_string());
    let hint = "name one of the bundle's tasks, or \"\" for the first";
    let task = config.student.task.as_deref().and_then(unknown).map(|found| Check::fail("student.task", found, hint));
    let defaults = config
        .transports
        .default_tasks()
        .filter_map(|(check, place, id)| Some(Check::fail(check, format!("{place}: {}", unknown(id)?), hint)));
    [opened].into_iter().chain(task).chain(defaults).collect()
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
