//! Facts about the device: board, processor, caches, memory, system. Read once, from `/proc` and `/sys` or from test trees in their place.
//! Measures nothing, and reads nothing that identifies a single device: no host name, no serial number.

use std::fs;
use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// More than any file read here has; `/proc/cpuinfo` of many cores is the largest.
const FILE_BYTES_MAX: usize = 1 << 20;
/// Processor features that change the speed of int8 and float kernels.
const FEATURES: [&str; 18] = [
    "asimd",
    "asimdhp",
    "fphp",
    "asimddp",
    "i8mm",
    "bf16",
    "sve",
    "sve2",
    "neon",
    "sse4_2",
    "f16c",
    "fma",
    "avx",
    "avx2",
    "avx_vnni",
    "avx512f",
    "avx512_vnni",
    "amx_int8",
];
/// Names of ARM cores, by implementer and part.
const PARTS: [(&str, &str, &str); 12] = [
    ("0x41", "0xc07", "Cortex-A7"),
    ("0x41", "0xd03", "Cortex-A53"),
    ("0x41", "0xd04", "Cortex-A35"),
    ("0x41", "0xd05", "Cortex-A55"),
    ("0x41", "0xd07", "Cortex-A57"),
    ("0x41", "0xd08", "Cortex-A72"),
    ("0x41", "0xd09", "Cortex-A73"),
    ("0x41", "0xd0a", "Cortex-A75"),
    ("0x41", "0xd0b", "Cortex-A76"),
    ("0x41", "0xd0c", "Neoverse-N1"),
    ("0x41", "0xd40", "Neoverse-V1"),
    ("0x41", "0xd41", "Cortex-A78"),
];

/// Where facts about the system are read.
#[derive(Clone, Debug)]
pub struct Roots {
    /// `/proc`.
    pub proc: PathBuf,
    /// `/sys`.
    pub sys: PathBuf,
}

impl Default for Roots {
    fn default() -> Self {
        Self::below(Path::new("/"))
    }
}

impl Roots {
    /// `proc` and `sys` below a folder, for tests.
    pub fn below(root: &Path) -> Self {
        Self { proc: root.join("proc"), sys: root.join("sys") }
    }
}

/// Facts about the device. What it does not report is `None` or empty.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Machine {
    /// Model of the board or machine.
    pub board: Option<String>,
    /// `x86_64`, `aarch64`.
    pub architecture: String,
    /// The processor reports a hypervisor.
    pub virtual_machine: bool,
    /// Kinds of core, each once.
    pub cores: Vec<Core>,
    /// Processor features that change the speed of the model's kernels.
    pub features: Vec<String>,
    /// Bytes of each data cache of the first core, nearest first.
    pub cache_bytes: Vec<u64>,
    /// Size of the memory.
    pub memory_bytes: Option<u64>,
    /// Swap areas, as `/proc/swaps` names them.
    pub swap: Vec<String>,
    /// Bytes of a memory page.
    pub page_bytes: u64,
    /// Release of the kernel.
    pub kernel: Option<String>,
    /// Cores that this process may use, as `/proc/self/status` lists them.
    pub cores_allowed: Option<String>,
    /// Governor of each cpufreq policy.
    pub governors: Vec<String>,
    /// Lowest clock that may be set, MHz.
    pub clock_min_mhz: Option<f64>,
    /// Highest clock of the hardware, MHz.
    pub clock_max_mhz: Option<f64>,
}

/// A kind of core.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Core {
    /// Number of such cores.
    pub count: usize,
    /// Name, or the ids where it is unknown.
    pub name: String,
    /// Implementer, part, variant and revision on ARM; vendor, family, model and stepping on x86.
    pub ids: String,
}

impl Machine {
    /// Reads the facts.
    pub fn read(roots: &Roots) -> Self {
        let cpuinfo = text(&roots.proc.join("cpuinfo")).unwrap_or_default();
        let flags = field(&cpuinfo, "flags").or_else(|| field(&cpuinfo, "Features")).unwrap_or_default();
        let flags: Vec<&str> = flags.split_whitespace().collect();
        let clocks = |file| numbers(&policies(roots), file).map(|khz| khz / 1000.0).collect::<Vec<f64>>();
        let mut governors: Vec<String> =
            policies(roots).iter().filter_map(|policy| text(&policy.join("scaling_governor"))).collect();
        governors.dedup();
        Self {
            board: board(roots),
            architecture: std::env::consts::ARCH.to_owned(),
            virtual_machine: flags.contains(&"hypervisor"),
            cores: cores(&cpuinfo),
            features: FEATURES.iter().filter(|f| flags.contains(f)).map(|&f| f.to_owned()).collect(),
            cache_bytes: caches(roots),
            memory_bytes: text(&roots.proc.join("meminfo"))
                .and_then(|text| kib(&text, "MemTotal"))
                .map(|kib| kib << 10),
            swap: swap(roots),
            page_bytes: rustix::param::page_size() as u64,
            kernel: text(&roots.proc.join("sys/kernel/osrelease")),
            cores_allowed: text(&roots.proc.join("self/status")).and_then(|text| field(&text, "Cpus_allowed_list")),
            governors,
            clock_min_mhz: clocks("scaling_min_freq").into_iter().reduce(f64::min),
            clock_max_mhz: clocks("cpuinfo_max_freq").into_iter().reduce(f64::max),
        }
    }
}

/// Folders of the cpufreq policies, by number.
pub fn policies(roots: &Roots) -> Vec<PathBuf> {
    numbered(&roots.sys.join("devices/system/cpu/cpufreq"), "policy")
}

/// Entries of `folder` whose name is `name` and a number, by that number.
pub fn numbered(folder: &Path, name: &str) -> Vec<PathBuf> {
    let number = |path: &Path| path.file_name()?.to_str()?.strip_prefix(name)?.parse::<u32>().ok();
    let mut found: Vec<(u32, PathBuf)> =
        entries(folder).into_iter().filter_map(|at| Some((number(&at)?, at))).collect();
    found.sort();
    found.into_iter().map(|(_, path)| path).collect()
}

/// Entries of a folder, sorted; none if it cannot be read.
pub fn entries(folder: &Path) -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> =
        fs::read_dir(folder).into_iter().flatten().filter_map(|entry| Some(entry.ok()?.path())).collect();
    found.sort();
    found
}

/// A short text file, trimmed of space and of the NUL at the end of device tree files; `None` if it cannot be read or is empty.
pub fn text(path: &Path) -> Option<String> {
    use std::io::Read as _;
    let mut bytes = Vec::new();
    fs::File::open(path).ok()?.take(FILE_BYTES_MAX as u64).read_to_end(&mut bytes).ok()?;
    let text = String::from_utf8_lossy(&bytes).trim_matches(|c: char| c.is_whitespace() || c == '\0').to_owned();
    (!text.is_empty()).then_some(text)
}

/// The finite number in a file.
pub fn number(path: &Path) -> Option<f64> {
    text(path)?.parse().ok().filter(|number: &f64| number.is_finite())
}

/// The number of kibibytes that `/proc` gives for `name`.
pub fn kib(text: &str, name: &str) -> Option<u64> {
    field(text, name)?.split_whitespace().next()?.parse().ok()
}

/// The text behind the first `name` and colon.
pub fn field(text: &str, name: &str) -> Option<String> {
    text.lines().find_map(|line| {
        let (key, value) = line.split_once(':')?;
        (key.trim() == name).then(|| value.trim().to_owned())
    })
}

fn numbers<'a>(folders: &'a [PathBuf], file: &'a str) -> impl Iterator<Item = f64> + 'a {
    folders.iter().filter_map(move |folder| number(&folder.join(file)))
}

fn board(roots: &Roots) -> Option<String> {
    let dmi = |file: &str| text(&roots.sys.join("class/dmi/id").join(file));
    text(&roots.proc.join("device-tree/model")).or_else(|| {
        let words: Vec<String> = [dmi("sys_vendor"), dmi("product_name")].into_iter().flatten().collect();
        (!words.is_empty()).then(|| words.join(" "))
    })
}

/// Kinds of core, in the order in which `/proc/cpuinfo` names them first.
fn cores(cpuinfo: &str) -> Vec<Core> {
    let mut found: Vec<Core> = Vec::new();
    for one in cpuinfo.split("\n\n") {
        if field(one, "processor").is_none() {
            continue; // the last paragraph is about the board
        }
        let joined = |names: &[&str]| {
            let values: Vec<String> = names.iter().filter_map(|name| field(one, name)).collect();
            values.join(" ")
        };
        let (name, ids) = match (field(one, "CPU implementer"), field(one, "CPU part")) {
            (Some(implementer), Some(part)) => {
                let known = PARTS.iter().find(|(by, id, _)| *by == implementer && *id == part);
                let name =
                    known.map_or_else(|| format!("part {part} of {implementer}"), |(.., name)| (*name).to_owned());
                (name, joined(&["CPU implementer", "CPU part", "CPU variant", "CPU revision"]))
            }
            _ => {
                let name = field(one, "model name").unwrap_or_else(|| "unknown".to_owned());
                (name, joined(&["vendor_id", "cpu family", "model", "stepping"]))
            }
        };
        match found.iter_mut().find(|core| core.ids == ids) {
            Some(core) => core.count += 1,
            None => found.push(Core { count: 1, name, ids }),
        }
    }
    found
}

fn caches(roots: &Roots) -> Vec<u64> {
    let data = |folder: &PathBuf| text(&folder.join("type")).is_some_and(|kind| kind != "Instruction");
    let bytes = |folder: PathBuf| {
        let size = text(&folder.join("size"))?;
        let (number, unit) = size.split_at(size.find(|c: char| !c.is_ascii_digit()).unwrap_or(size.len()));
        let shift = match unit {
            "" => 0,
            "K" => 10,
            "M" => 20,
            _ => return None,
        };
        number.parse::<u64>().ok()?.checked_shl(shift)
    };
    let folders = numbered(&roots.sys.join("devices/system/cpu/cpu0/cache"), "index");
    folders.into_iter().filter(data).filter_map(bytes).collect()
}

fn swap(roots: &Roots) -> Vec<String> {
    let text = text(&roots.proc.join("swaps")).unwrap_or_default();
    let kinds = text.lines().skip(1).filter_map(|line| {
        let mut words = line.split_whitespace();
        Some(format!("{} ({})", words.next()?, words.next()?))
    });
    kinds.collect()
}

#[cfg(test)]
mod tests {
    use tempfile::TempDir;

    use super::*;

    fn tree(files: &[(&str, &str)]) -> (TempDir, Roots) {
        let folder = TempDir::new().unwrap();
        for (path, text) in files {
            let path = folder.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        let roots = Roots::below(folder.path());
        (folder, roots)
    }

    #[test]
    fn facts_of_a_board() {
        let core = |number: u32, part: &str| {
            format!(
                "processor\t: {number}\nBogoMIPS\t: 108.00\nFeatures\t: fp asimd crc32 asimddp\nCPU implementer\t: 0x41\n\
                 CPU architecture: 8\nCPU variant\t: 0x4\nCPU part\t: {part}\nCPU revision\t: 1\n\n"
            )
        };
        let cpuinfo = [core(0, "0xd05"), core(1, "0xd0b"), core(2, "0xd0b"), core(3, "0xfff")].concat()
            + "Serial\t\t: 10000000deadbeef\nModel\t\t: A board\n";
        let (_folder, roots) = tree(&[
            ("proc/cpuinfo", &cpuinfo),
            ("proc/device-tree/model", "A board Rev 1.0\0"),
            ("proc/meminfo", "MemTotal:        2048 kB\nMemFree: 1 kB\n"),
            ("proc/swaps", "Filename Type Size Used Priority\n/dev/zram0 partition 100 0 100\n"),
            ("proc/sys/kernel/osrelease", "6.12.1-v8\n"),
            ("proc/self/status", "Name:\tx\nCpus_allowed_list:\t0-2\n"),
            ("sys/devices/system/cpu/cpu0/cache/index0/type", "Data\n"),
            ("sys/devices/system/cpu/cpu0/cache/index0/size", "64K\n"),
            ("sys/devices/system/cpu/cpu0/cache/index1/type", "Instruction\n"),
            ("sys/devices/system/cpu/cpu0/cache/index1/size", "64K\n"),
            ("sys/devices/system/cpu/cpu0/cache/index2/type", "Unified\n"),
            ("sys/devices/system/cpu/cpu0/cache/index2/size", "2M\n"),
            ("sys/devices/system/cpu/cpufreq/policy0/scaling_governor", "ondemand\n"),
            ("sys/devices/system/cpu/cpufreq/policy0/scaling_min_freq", "1500000\n"),
            ("sys/devices/system/cpu/cpufreq/policy0/cpuinfo_max_freq", "2400000\n"),
            ("sys/devices/system/cpu/cpufreq/policy4/scaling_governor", "ondemand\n"),
        ]);
        let machine = Machine::read(&roots);
        let cores: Vec<(usize, &str)> = machine.cores.iter().map(|core| (core.count, core.name.as_str())).collect();
        assert_eq!(cores, [(1, "Cortex-A55"), (2, "Cortex-A76"), (1, "part 0xfff of 0x41")]);
        assert_eq!(machine.cores[0].ids, "0x41 0xd05 0x4 1");
        assert_eq!(machine.board.as_deref(), Some("A board Rev 1.0"));
        assert_eq!(machine.features, ["asimd", "asimddp"]);
        assert_eq!(machine.cache_bytes, [64 << 10, 2 << 20]);
        assert_eq!((machine.memory_bytes, machine.swap), (Some(2 << 20), vec!["/dev/zram0 (partition)".to_owned()]));
        assert_eq!((machine.kernel.as_deref(), machine.cores_allowed.as_deref()), (Some("6.12.1-v8"), Some("0-2")));
        assert_eq!((machine.governors, machine.virtual_machine), (vec!["ondemand".to_owned()], false));
        assert_eq!((machine.clock_min_mhz, machine.clock_max_mhz), (Some(1500.0), Some(2400.0)));
    }

    #[test]
    fn facts_of_a_server_and_of_a_silent_system() {
        let one = |number: u32| {
            format!(
                "processor\t: {number}\nvendor_id\t: AuthenticAMD\ncpu family\t: 25\nmodel\t\t: 1\nmodel name\t: A server\n\
                 stepping\t: 1\nflags\t\t: avx2 hypervisor avx512_vnni\n\n"
            )
        };
        let (_folder, roots) = tree(&[
            ("proc/cpuinfo", &[one(0), one(1)].concat()),
            ("sys/class/dmi/id/sys_vendor", "A maker\n"),
            ("sys/class/dmi/id/product_name", "A model\n"),
        ]);
        let machine = Machine::read(&roots);
        assert_eq!(
            machine.cores,
            [Core { count: 2, name: "A server".to_owned(), ids: "AuthenticAMD 25 1 1".to_owned() }]
        );
        assert_eq!((machine.board.as_deref(), machine.virtual_machine), (Some("A maker A model"), true));
        assert_eq!(machine.features, ["avx2", "avx512_vnni"]);
        let (_folder, nothing) = tree(&[]);
        let silent = Machine::read(&nothing);
        assert_eq!((silent.cores, silent.board, silent.memory_bytes), (vec![], None, None));
    }
}
