//! `[[serial]]`: the ports and what is spoken there; and what `config check` says of them. Opens no port, which would reset some of the
//! boards behind them.

use std::fs;
use std::os::unix::fs::FileTypeExt as _;
use std::path::PathBuf;

use crate::config::Reader;
use crate::config::check::Check;
use crate::domain::{Name, QUESTION_BYTES_MAX};
use crate::wire::line::Encoding;

/// Names under this folder follow the device, not the order of plugging in.
const STABLE_DEVICES: &str = "/dev/serial/by-id/";

/// One port; 8 data bits, no parity, one stop bit, no flow control.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// The device.
    pub path: PathBuf,
    /// Bits per second.
    pub baud: u32,
    /// Frames or lines.
    pub speaks: Speaks,
    /// Task for questions that name none; `None`: the gateway's.
    pub task: Option<String>,
    /// The gateway's name, which a client hears in answer to its hello.
    pub gateway: String,
}

/// The language of a port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Speaks {
    /// Checked binary frames, see [`crate::wire`].
    Frames,
    /// Lines of text, see [`crate::wire::line`].
    Lines {
        /// How they are written.
        encoding: Encoding,
        /// The longest line, in bytes.
        bytes_max: usize,
    },
}

impl Settings {
    /// All ports that name a device.
    pub fn read_all(from: &mut Reader<'_>, gateway: &Name) -> Vec<Self> {
        let entries = (0..).take_while(|at| from.has(&format!("serial.{at}.path"))).count();
        let mut ports: Vec<Self> = Vec::new();
        for at in 0..entries {
            let key = |name: &str| format!("serial.{at}.{name}");
            let path = from.path(&key("path"));
            let frames = from.one_of(&key("mode"), &[("frames", true), ("line", false)]);
            let baud = from.whole(&key("baud"), 300..=4_000_000) as u32;
            let encoding = from.one_of(&key("encoding"), &[("utf-8", Encoding::Utf8), ("cp932", Encoding::Cp932)]);
            let speaks =
                if frames { Speaks::Frames } else { Speaks::Lines { encoding, bytes_max: QUESTION_BYTES_MAX } };
            let task = from.text(&key("task"));
            let Some(path) = path else { continue };
            if ports.iter().any(|port| port.path == path) {
                from.conflict(&key("path"), "every device once", "it in an earlier block too");
            }
            ports.push(Self { path, baud, speaks, task, gateway: gateway.to_string() });
        }
        ports
    }

    /// Whether the device is there, under a name that it keeps.
    pub fn check(&self) -> Check {
        let path = self.path.display().to_string();
        let found = |what: &str| format!("{path}: {what}");
        match fs::metadata(&self.path) {
            Err(error) => Check::warn(
                "serial",
                found(&error.to_string()),
                "plug it in; `ls -l /dev/serial/by-id` lists what is there. The gateway waits for it",
            ),
            Ok(there) if !there.file_type().is_char_device() => {
                Check::warn("serial", found("no serial device"), "name one of /dev/serial/by-id")
            }
            Ok(_) if !path.starts_with(STABLE_DEVICES) => Check::warn(
                "serial",
                found("a name that may belong to another device after the next start"),
                "name the device as /dev/serial/by-id has it",
            ),
            Ok(_) => Check::ok("serial", found(&format!("{} baud", self.baud))),
        }
    }
}
