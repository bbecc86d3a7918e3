//! `[[serial]]`: the ports and what is spoken there; and what `config check` says of them. Opens no port, which would reset some of the
//! boards behind them.

use std::fs;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
use std::path::PathBuf;

use super::question::{Columns, LineFormat};
use crate::config::Reader;
use crate::config::check::Check;
use crate::domain::{Name, QUESTION_BYTES_MAX};
use crate::wire::line::Encoding;

/// The kernel's list of drivers and their numbers.
const DRIVERS: &str = "/proc/devices";
/// Names under this folder follow the device, not the order of plugging in.
const STABLE_DEVICES: &str = "/dev/serial/by-id/";

/// The drivers of serial ports that the service may use, as /proc/devices names them: the kernel's for USB adapters, boards that are a USB
/// modem, and the UARTs of boards. The unit has the same list, to which a test holds it.
pub const SERVICE_DRIVERS: [&str; 28] = [
    "ttyACM",
    "ttyAMA",
    "ttyAML",
    "ttyAT",
    "ttyCH343USB",
    "ttyGS",
    "ttyHS",
    "ttyLF",
    "ttyLP",
    "ttyM",
    "ttyMAX",
    "ttyMI",
    "ttyMSM",
    "ttyMUE",
    "ttyMV",
    "ttyO",
    "ttyPS",
    "ttyS",
    "ttySAC",
    "ttySC",
    "ttySIF",
    "ttySTM",
    "ttyTHS",
    "ttyUL",
    "ttyUSB",
    "ttyXRUSB",
    "ttymxc",
    "ttyr",
];

/// One port, without flow control.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// Its block in the configuration: `serial.0`.
    pub block: String,
    /// The device.
    pub path: PathBuf,
    /// Bits per second.
    pub baud: u32,
    /// 7 or 8.
    pub data_bits: u8,
    /// The bit behind the data.
    pub parity: Parity,
    /// 1 or 2.
    pub stop_bits: u8,
    /// Frames or lines.
    pub speaks: Speaks,
    /// Task for questions that name none; `None`: the gateway's.
    pub task: Option<String>,
    /// The gateway's name, which a client hears in answer to its hello.
    pub gateway: String,
}

/// The language of a port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Speaks {
    /// Checked binary frames, see [`crate::wire`].
    Frames,
    /// Lines of text, see [`crate::wire::line`].
    Lines(LineFormat),
}

/// The bit behind the data bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Parity {
    /// None.
    None,
    /// The ones are even in number with it.
    Even,
    /// They are odd.
    Odd,
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
            let data_bits = from.whole(&key("data_bits"), 7..=8) as u8;
            let parities = [("none", Parity::None), ("even", Parity::Even), ("odd", Parity::Odd)];
            let parity = from.one_of(&key("parity"), &parities);
            let stop_bits = from.whole(&key("stop_bits"), 1..=2) as u8;
            let encoding = from.one_of(&key("encoding"), &[("utf-8", Encoding::Utf8), ("cp932", Encoding::Cp932)]);
            let numbered = from.flag(&key("numbered"));
            let separator = from.one_of(&key("separator"), &[(",", ','), (";", ';'), ("tab", '\t')]);
            let names = from.list(&key("columns"), "a list of names", |name| Some(name.to_owned()));
            let columns = Columns::new(names.clone());
            if columns.is_none() && !names.is_empty() {
                let expected = "names, each once, of which only the last may end in *";
                from.conflict(&key("columns"), expected, &format!("{names:?}"));
            }
            if frames && data_bits == 7 {
                from.conflict(&key("data_bits"), "8 where mode is \"frames\"", "7");
            }
            let encoding = if data_bits == 7 { Encoding::Ascii } else { encoding };
            let format = LineFormat { encoding, bytes_max: QUESTION_BYTES_MAX, numbered, separator, columns };
            let speaks = if frames { Speaks::Frames } else { Speaks::Lines(format) };
            let task = from.text(&key("task"));
            let Some(path) = path else { continue };
            if ports.iter().any(|port| port.path == path) {
                from.conflict(&key("path"), "every device once", "it in an earlier block too");
            }
            let (block, gateway) = (format!("serial.{at}"), gateway.to_string());
            ports.push(Self { block, path, baud, data_bits, parity, stop_bits, speaks, task, gateway });
        }
        ports
    }

    /// Whether the device is there, under a name that it keeps, and the service may open it.
    pub fn check(&self) -> Check {
        let path = self.path.display().to_string();
        let found = |what: &str| format!("{path}: {what}");
        let there = match fs::metadata(&self.path) {
            Ok(there) if there.file_type().is_char_device() => there,
            Ok(_) => return Check::warn("serial", found("no serial device"), "name one of /dev/serial/by-id"),
            Err(error) => {
                let hint = "plug it in; `ls -l /dev/serial/by-id` lists what is there. The gateway waits for it";
                return Check::warn("serial", found(&error.to_string()), hint);
            }
        };
        let drivers = fs::read_to_string(DRIVERS).unwrap_or_default();
        if let Some(names) = barred(rustix::fs::major(there.rdev()), &drivers) {
            let hint = format!(
                "`systemctl edit sokutou`, and there [Service] and DeviceAllow=char-{} rw; a gateway that is not run as \
                 the service needs nothing",
                names.last().map_or("NAME", String::as_str)
            );
            let what = format!("the service may not open devices of the driver {}", names.join(" or "));
            return Check::warn("serial", found(&what), &hint);
        }
        if !path.starts_with(STABLE_DEVICES) {
            let what = "a name that may belong to another device after the next start";
            return Check::warn("serial", found(what), "name the device as /dev/serial/by-id has it");
        }
        Check::ok("serial", found(&format!("{} baud", self.baud)))
    }
}

/// The drivers of this number, if the service may use none of them; `drivers` is the kernel's list. systemd lets all devices of a number
/// through where it lets one of its drivers through.
fn barred(major: u32, drivers: &str) -> Option<Vec<String>> {
    let characters = drivers.split("Block devices").next().unwrap_or_default();
    let named = |line: &str| {
        let (number, name) = line.trim().split_once(' ')?;
        (number.parse() == Ok(major)).then(|| name.trim().to_owned())
    };
    let names: Vec<String> = characters.lines().filter_map(named).collect();
    let is_allowed = names.iter().any(|name| SERVICE_DRIVERS.contains(&name.as_str()));
    (!names.is_empty() && !is_allowed).then_some(names)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// From an i.MX board, with a driver added that nobody knows.
    const BOARD: &str = "Character devices:\n  1 mem\n  4 /dev/vc/0\n  4 tty\n  4 ttyS\n136 pts\n207 ttymxc\n244 ttyXYZ\n\n\
                         Block devices:\n  7 loop\n179 mmc\n";

    #[test]
    fn a_port_is_barred_whose_driver_the_unit_does_not_have() {
        for (major, barred_by) in [
            (207, None),
            (4, None),
            (244, Some(vec!["ttyXYZ".to_owned()])),
            (136, Some(vec!["pts".to_owned()])),
            (179, None),
        ] {
            assert_eq!(barred(major, BOARD), barred_by, "{major}");
        }
    }

    #[test]
    fn the_unit_lets_the_drivers_through_that_the_check_knows() {
        let unit = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/cross/debian/sokutou.service")).unwrap();
        let allowed = unit.lines().filter_map(|line| line.strip_prefix("DeviceAllow=char-")?.strip_suffix(" rw"));
        let mut allowed: Vec<&str> = allowed.collect();
        allowed.sort_unstable();
        let mut known = SERVICE_DRIVERS.to_vec();
        known.sort_unstable();
        assert_eq!(allowed, known);
    }
}
