//! The commands: arguments in, text and exit codes out. Only this module prints. A new command is a file here, and a
//! line in [`Command`] and in its `run`.

mod args;
mod ask;
mod batch;
mod bench;
mod bundle;
mod check;
mod config;
mod doctor;
mod error;
mod logging;
mod open;
mod output;
mod review;
mod review_client;
mod schema;
mod serve;
mod words;

use std::io;

use clap::{Parser, Subcommand};

use args::ConfigArgs;
use error::Error;
pub use error::Exit;

use crate::domain::chain;

/// sokutou 即答: ask a small model on the device; it answers at once, and says how sure it is.
#[derive(Debug, Parser)]
#[command(
    version,
    max_term_width = 110,
    after_help = "Exit codes: 0 answered or done, 10 a person is asked; all of them: src/docs/commands.md.\n\
    Log lines: RUST_LOG=info. The runtime library: ORT_DYLIB_PATH=/path/to/libonnxruntime.so."
)]
struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Ask a question; without one, read it from standard input. 質問する
    Ask(ask::AskArgs),
    /// Run the gateway: answer over MQTT, HTTP and serial ports until stopped. ゲートウェイを動かす
    Serve(ConfigArgs),
    /// List, decide and export the cases that were put before a person. 人による確認
    #[command(subcommand)]
    Review(review::ReviewCommand),
    /// Print a machine-readable description of the interfaces: OpenAPI, AsyncAPI or a JSON Schema. 仕様を出力する
    Schema {
        /// The document to print.
        #[arg(value_enum)]
        document: schema::Document,
    },
    /// Inspect a model's bundle. モデルを調べる
    #[command(subcommand)]
    Bundle(bundle::BundleCommand),
    /// Measure the model on this device: times, memory, energy, quality. Refuses figures that cannot be trusted.
    /// 性能を測定する
    Bench(bench::BenchArgs),
    /// Check or print the gateway's configuration. 設定を確認する
    #[command(subcommand)]
    Config(config::ConfigCommand),
    /// Check this device: runtime library, CPU, telemetry, bundle. 機器を診断する
    Doctor(doctor::DoctorArgs),
}

impl Command {
    fn run(self) -> Result<Exit, Error> {
        match self {
            Self::Ask(args) => match &args.batch {
                Some(path) => batch::run(&args, path),
                None => ask::run(&args),
            },
            Self::Serve(args) => serve::run(&args),
            Self::Review(command) => command.run(),
            Self::Schema { document } => schema::print(document),
            Self::Bundle(command) => command.run(),
            Self::Bench(args) => args.run(),
            Self::Config(command) => command.run(),
            Self::Doctor(args) => args.run(),
        }
    }
}

/// Parses the process's arguments, runs the command, and prints an error with its causes.
pub fn main() -> Exit {
    let args = match Args::try_parse() {
        Ok(args) => args,
        Err(error) if error.use_stderr() => {
            output::complain(error.render().to_string().trim_end()); // it repeats arguments, as a question that begins with a dash
            return Exit::Usage;
        }
        Err(help) => {
            let _ = help.print(); // nobody reads a closed terminal
            return Exit::Success;
        }
    };
    // The gateway's configuration sets the level of its log.
    logging::to_stderr(if matches!(args.command, Command::Serve(_)) { "trace" } else { "warn" });
    match args.command.run() {
        Ok(exit) => exit,
        // A reader that went away (`| head`) is no failure of ours.
        Err(Error::Write(error)) if error.kind() == io::ErrorKind::BrokenPipe => Exit::Success,
        Err(error) => {
            output::complain(&format!("error: {}", chain(&error)));
            error.exit()
        }
    }
}
