//! `sokutou serve`: the gateway, until it is told to stop; SIGHUP has it read its configuration again.

use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};

use super::args::ConfigArgs;
use super::open::{BUNDLE_BESIDE, bundle_folder};
use super::{Error, Exit};
use crate::config::{Loaded, Sources};
use crate::domain::chain;
use crate::gateway::settings::{self, Config, Settings};
use crate::gateway::{self, Order};

pub fn run(args: &ConfigArgs) -> Result<Exit, Error> {
    let sources = args.sources();
    let mut config = Config::load(&sources)?;
    apply(&config);
    let mut signals = None;
    gateway::run(settings(&config)?, async || match signals.get_or_insert_with(Signals::new).next().await {
        Told::Stop => Order::Stop,
        Told::Reload => match reload(&config, &sources) {
            Ok((new, settings)) => {
                config = new;
                Order::Change(Box::new(settings))
            }
            Err(error) => Order::ConfigRejected(chain(&error)),
        },
    })?;
    Ok(Exit::Success)
}

fn settings(config: &Loaded<Config>) -> Result<Settings, Error> {
    let config = &config.sections;
    // Without a bundle the gateway runs, and says so.
    let student = bundle_folder(config.student.bundle.as_deref()).unwrap_or_else(|_| BUNDLE_BESIDE.into());
    Ok(config.settings(&student)?)
}

/// Sets the log level, and says what is dangerous or was probably not meant.
fn apply(config: &Loaded<Config>) {
    if std::env::var_os("RUST_LOG").is_none() {
        log::set_max_level(config.sections.log.level);
    }
    for warning in settings::warnings(config) {
        log::warn!("{}: {}. {}", warning.about, warning.what, warning.way_out);
    }
}

/// The configuration read again, with the secrets in its files.
fn reload(current: &Loaded<Config>, sources: &Sources) -> Result<(Loaded<Config>, Settings), Error> {
    let config = Config::load(sources)?;
    let settings = settings(&config)?;
    apply(&config);
    match &config.changed_sections(current)[..] {
        [] => log::info!("the configuration is read again; no key has changed"),
        changed => log::info!("the configuration is read again; changed: {}", changed.join(", ")),
    }
    Ok((config, settings))
}

/// What a signal tells the gateway.
enum Told {
    Stop,
    Reload,
}

/// The signals of the process; `None` where they cannot be received.
struct Signals(Option<[Signal; 3]>);

impl Signals {
    /// Needs the runtime.
    fn new() -> Self {
        let open = || -> io::Result<_> {
            let of = [SignalKind::terminate(), SignalKind::interrupt(), SignalKind::hangup()];
            let [terminate, interrupt, hangup] = of.map(signal);
            Ok([terminate?, interrupt?, hangup?])
        };
        let failed = |error: &io::Error| {
            log::error!("signals cannot be received, only kill -9 stops this process: {error}");
        };
        Self(open().inspect_err(failed).ok())
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
