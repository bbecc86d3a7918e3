//! Arguments that several commands share, and those of `review` and `config`.

use std::path::PathBuf;

use clap::Subcommand;

use super::{Error, Exit, config, review};
use crate::config::Sources;
use crate::triggers::call::{Format, Resolve, ReviewState, Verdict};

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
            Self::Check { config, json } => config::check(&config, json),
            Self::Show { config, origin, json } => config::show(&config, origin, json),
        }
    }
}

#[derive(Debug, Subcommand)]
pub enum ReviewCommand {
    /// List the cases that wait for a person, or those already reviewed; the oldest first. 一覧
    List {
        #[command(flatten)]
        config: ConfigArgs,
        /// Waiting for a person, or already reviewed.
        #[arg(long, value_enum, default_value = "open")]
        state: StateArg,
        /// Largest number of cases to list.
        #[arg(long, value_name = "N", default_value = "50", value_parser = clap::value_parser!(u32).range(1..))]
        limit: u32,
        /// Print one JSON list instead of text.
        #[arg(long)]
        json: bool,
    },
    /// Show one case. 表示
    Show {
        #[command(flatten)]
        config: ConfigArgs,
        /// Number of the case, from `review list`.
        case: i64,
        /// Print one JSON object instead of text.
        #[arg(long)]
        json: bool,
    },
    /// Say whether the model was right; the asker gets your decision as the next revision of the answer. 判定する
    Resolve {
        #[command(flatten)]
        config: ConfigArgs,
        /// Number of the case, from `review list`.
        case: i64,
        /// Was the model's answer, or its best guess, right?
        #[arg(value_enum)]
        verdict: VerdictArg,
        /// The right answer, if the verdict is "wrong"; for a task with choices, one of them. 正しい答え
        #[arg(long, value_name = "ANSWER")]
        correction: Option<String>,
        /// Name of the person who decided, kept with the review. 確認者
        #[arg(long, value_name = "NAME")]
        reviewer: Option<String>,
        /// Print one JSON object instead of text.
        #[arg(long)]
        json: bool,
    },
    /// Write the reviews that were not exported yet to a file, and mark them as exported. 書き出す
    Export {
        #[command(flatten)]
        config: ConfigArgs,
        /// jsonl: lines for the training toolkit. labelstudio: for each task TASK.json with the reviews to import, and
        /// TASK.xml, the labelling interface of its project.
        #[arg(long, value_enum, default_value = "jsonl")]
        format: FormatArg,
        /// The file to write; for labelstudio a folder.
        #[arg(long, value_name = "PATH")]
        out: PathBuf,
        /// Write all reviews, also those exported before.
        #[arg(long)]
        all: bool,
    },
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
pub enum StateArg {
    Open,
    Resolved,
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
pub enum VerdictArg {
    Right,
    Wrong,
    Unclear,
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
pub enum FormatArg {
    Jsonl,
    Labelstudio,
}

impl ReviewCommand {
    pub fn run(self) -> Result<Exit, Error> {
        match self {
            Self::List { config, state, limit, json } => {
                let state = match state {
                    StateArg::Open => ReviewState::Open,
                    StateArg::Resolved => ReviewState::Resolved,
                };
                review::list(&config, state, limit as usize, json)
            }
            Self::Show { config, case, json } => review::show(&config, case, json),
            Self::Resolve { config, case, verdict, correction, reviewer, json } => {
                let verdict = match verdict {
                    VerdictArg::Right => Verdict::Right,
                    VerdictArg::Wrong => Verdict::Wrong,
                    VerdictArg::Unclear => Verdict::Unclear,
                };
                review::resolve(&config, case, &Resolve { verdict, correction, reviewer }, json)
            }
            Self::Export { config, format, out, all } => {
                let format = match format {
                    FormatArg::Jsonl => Format::Jsonl,
                    FormatArg::Labelstudio => Format::LabelStudio,
                };
                review::export(&config, format, &out, all)
            }
        }
    }
}
