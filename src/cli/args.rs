//! Arguments that several commands share.

use std::path::PathBuf;

use crate::config::Sources;

#[derive(Debug, clap::Args)]
pub struct ConfigArgs {
    /// The configuration file; conf.d/*.toml beside it is read too [default: /etc/sokutou/sokutou.toml, if it exists].
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Set one key, over every file and variable; may be repeated: --set mqtt.port=8883.
    #[arg(long, value_name = "SECTION.KEY=VALUE")]
    set: Vec<String>,
}

impl ConfigArgs {
    pub fn sources(&self) -> Sources {
        Sources::of_process(self.config.clone(), self.set.clone())
    }
}
