//! Reads sensors during a run: temperatures, clocks, power, signs of throttling, and how much other programs compute.
//!
//! Read between two answers, at most once a second, by the thread that measures, because another thread would disturb the figures.
//! Judges nothing; changes no setting.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::machine::{Roots, entries, number, numbered, policies, text};

/// Time between readings; temperatures change no faster.
const EVERY: Duration = Duration::from_secs(1);
/// Most readings in a report; in a longer run the time between them grows.
const READINGS_MAX: u32 = 3600;
/// Ticks per second in `/proc/stat` and `/proc/self/stat`; Linux reports 100 to every program, whatever the kernel uses.
const TICKS_A_SECOND: f64 = 100.0;
/// Bits 0 to 3 of a Raspberry Pi's `get_throttled`, the present state. Bits 16 to 19 are the same for the time since they were last read.
const FIRMWARE: [&str; 4] = ["under-voltage", "clock capped", "throttled", "soft temperature limit"];

/// A sensor that reports throttling.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Sign {
    /// Path of the sensor below `/sys`.
    pub sensor: String,
    /// What it reports, in words.
    pub says: String,
}

/// A sensor that was watched for throttling.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Watched {
    /// Path of the sensor below `/sys`.
    pub sensor: String,
    /// Its text before the first figure.
    pub before: String,
    /// Its text after the last figure; empty if it cannot be read any more.
    pub after: String,
}

/// One reading of all sensors.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Reading {
    /// Seconds since the run began.
    pub at_s: f64,
    /// Temperature of the hottest zone.
    pub celsius: Option<f64>,
    /// Frequency of the slowest clock.
    pub mhz: Option<f64>,
    /// Signs of throttling.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub signs: Vec<Sign>,
}

/// A temperature and where it was read.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Temperature {
    /// Name of the zone or sensor.
    pub sensor: String,
    /// Degrees Celsius.
    pub celsius: f64,
}

/// All readings of a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Conditions {
    /// Sensors that report throttling. Where there is none, throttling is unknown.
    pub watched: Vec<Watched>,
    /// Temperatures before the first figure.
    pub before: Vec<Temperature>,
    /// Temperatures after the last figure.
    pub after: Vec<Temperature>,
    /// The readings; the first is before and the last after all figures.
    pub readings: Vec<Reading>,
    /// Each sign of throttling once.
    pub signs: Vec<Sign>,
    /// Work of other programs, and of other guests of this machine, in cores.
    pub other_work_cores: Option<f64>,
}

/// Energy of the answers, by one meter.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Energy {
    /// Name of the meter; what it measures depends on the board.
    pub meter: String,
    /// Mean power while answers were taken.
    pub watts: f64,
    /// Energy of everything behind the meter, with idle power.
    pub joules_an_answer: f64,
}

/// Reads the sensors during a run.
pub struct Watch {
    roots: Roots,
    start: Instant,
    every: Duration,
    last: Instant,
    throttle: Vec<Throttle>,
    conditions: Conditions,
    meters: Vec<Meter>,
    work: Option<Work>,
}

impl Watch {
    /// Starts with a first reading. `length` is the expected length of a long run.
    pub fn new(roots: &Roots, length: Option<Duration>) -> Self {
        let throttle = throttles(roots);
        let watched = throttle.iter().map(|throttle| Watched {
            sensor: throttle.sensor.clone(),
            before: throttle.says(),
            after: String::new(),
        });
        let start = Instant::now();
        let conditions = Conditions {
            watched: watched.collect(),
            before: temperatures(roots),
            after: Vec::new(),
            readings: Vec::new(),
            signs: Vec::new(),
            other_work_cores: None,
        };
        let mut watch = Self {
            every: length.map_or(EVERY, |length| EVERY.max(length / READINGS_MAX)),
            last: start,
            start,
            throttle,
            conditions,
            meters: meters(roots),
            work: Work::now(roots),
            roots: roots.clone(),
        };
        watch.sample();
        watch
    }

    /// Takes a reading if the last one is long enough ago.
    pub fn sample_if_due(&mut self) {
        if self.last.elapsed() >= self.every {
            self.sample();
        }
    }

    /// Takes a reading.
    pub fn sample(&mut self) {
        self.last = Instant::now();
        let signs: Vec<Sign> = self.throttle.iter_mut().filter_map(Throttle::sign).collect();
        for sign in &signs {
            if !self.conditions.signs.contains(sign) {
                self.conditions.signs.push(sign.clone());
            }
        }
        let hottest = temperatures(&self.roots).into_iter().map(|t| t.celsius).reduce(f64::max);
        let clocks = policies(&self.roots).into_iter().filter_map(|policy| number(&policy.join("scaling_cur_freq")));
        self.conditions.readings.push(Reading {
            at_s: (self.start.elapsed().as_secs_f64() * 10.0).round() / 10.0,
            celsius: hottest,
            mhz: clocks.map(|khz| khz / 1000.0).reduce(f64::min),
            signs,
        });
        self.meters.iter_mut().for_each(Meter::sample);
    }

    /// Signs of throttling so far.
    pub fn signs(&self) -> &[Sign] {
        &self.conditions.signs
    }

    /// Hottest zone and slowest clock of the last reading.
    pub fn latest(&self) -> (Option<f64>, Option<f64>) {
        self.conditions.readings.last().map_or((None, None), |reading| (reading.celsius, reading.mhz))
    }

    /// Starts the energy meters.
    pub fn start_metering(&mut self) {
        self.meters.iter_mut().for_each(Meter::start);
    }

    /// Stops the energy meters; `answers` were given since they started.
    pub fn stop_metering(&mut self, answers: usize) {
        self.meters.iter_mut().for_each(|meter| meter.stop(answers));
    }

    /// Energy so far, of each meter that could be read.
    pub fn energy(&self) -> Vec<Energy> {
        self.meters.iter().filter_map(Meter::energy).collect()
    }

    /// Ends with a last reading.
    pub fn end(mut self) -> Conditions {
        self.sample();
        for (watched, throttle) in self.conditions.watched.iter_mut().zip(&self.throttle) {
            watched.after = throttle.says();
        }
        let after = Work::now(&self.roots);
        self.conditions.other_work_cores = self.work.zip(after).map(|(before, after)| after.others_since(&before));
        Conditions { after: temperatures(&self.roots), ..self.conditions }
    }
}

/// A sensor that may report throttling. `known` is the value to compare with: the one when the run began, or for the bits of firmware
/// the last one read, because some firmware clears them on reading.
struct Throttle {
    sensor: String,
    path: PathBuf,
    kind: Kind,
    known: f64,
}

#[derive(Clone, Copy)]
enum Kind {
    /// Bits of the Raspberry Pi's firmware.
    Firmware,
    /// Not 0 means trouble; the text says which.
    Alarm(&'static str),
    /// A count that must not grow.
    Count,
    /// A limit that must not fall.
    Limit,
}

impl Throttle {
    fn says(&self) -> String {
        text(&self.path).unwrap_or_default()
    }

    fn sign(&mut self) -> Option<Sign> {
        let says = match self.kind {
            Kind::Firmware => {
                let bits = hexadecimal(&text(&self.path)?)?;
                let known = std::mem::replace(&mut self.known, f64::from(bits)) as u32;
                firmware(bits, known)
            }
            Kind::Alarm(says) => (number(&self.path)? > 0.0).then(|| says.to_owned()),
            Kind::Count => (number(&self.path)? > self.known)
                .then(|| "the processor was throttled while figures were taken".to_owned()),
            Kind::Limit => {
                let now = number(&self.path)?;
                (now < self.known)
                    .then(|| format!("the clock's limit fell from {:.0} to {:.0} MHz", self.known / 1e3, now / 1e3))
            }
        };
        Some(Sign { sensor: self.sensor.clone(), says: says? })
    }
}

/// What the bits report for now and for the time since they were `known`.
fn firmware(bits: u32, known: u32) -> Option<String> {
    let since = (bits >> 16) & !(known >> 16);
    let named =
        |bits: u32| FIRMWARE.iter().enumerate().filter(move |(bit, _)| bits >> bit & 1 == 1).map(|(_, name)| *name);
    let said: Vec<&str> = named((bits | since) & 0xf).collect();
    (!said.is_empty()).then(|| format!("{} (0x{bits:x})", said.join(", ")))
}

fn hexadecimal(text: &str) -> Option<u32> {
    u32::from_str_radix(text.trim_start_matches("0x"), 16).ok()
}

fn throttles(roots: &Roots) -> Vec<Throttle> {
    let mut found = Vec::new();
    let mut add = |path: PathBuf, kind| {
        let sensor = path.strip_prefix(&roots.sys).unwrap_or(&path).display().to_string();
        let known = match kind {
            Kind::Firmware => text(&path).and_then(|text| hexadecimal(&text)).map(f64::from),
            _ => number(&path),
        };
        if let Some(known) = known {
            found.push(Throttle { sensor, path, kind, known });
        }
    };
    // The firmware's node stands below the platform bus or below `soc`, whose address is part of its name on some boards.
    let platform = roots.sys.join("devices/platform");
    for at in entries(&platform).into_iter().flat_map(|at| [vec![at.clone()], entries(&at)].concat()) {
        if at.file_name().is_some_and(|name| name.to_string_lossy().ends_with("firmware")) {
            add(at.join("get_throttled"), Kind::Firmware);
        }
    }
    for at in numbered(&roots.sys.join("class/hwmon"), "hwmon") {
        if text(&at.join("name")).is_some_and(|name| name == "rpi_volt") {
            add(at.join("in0_lcrit_alarm"), Kind::Alarm("under-voltage: the power supply or its cable is too weak"));
        }
    }
    for at in numbered(&roots.sys.join("class/thermal"), "cooling_device") {
        if text(&at.join("type")).is_some_and(|kind| kind.contains("cpufreq") || kind == "Processor") {
            add(at.join("cur_state"), Kind::Alarm("the processor is slowed down to cool it"));
        }
    }
    for cpu in numbered(&roots.sys.join("devices/system/cpu"), "cpu") {
        for count in ["core_throttle_count", "package_throttle_count"] {
            add(cpu.join("thermal_throttle").join(count), Kind::Count);
        }
    }
    for policy in policies(roots) {
        add(policy.join("scaling_max_freq"), Kind::Limit);
    }
    found
}

/// The thermal zones, or the processor's own sensors where there are none.
fn temperatures(roots: &Roots) -> Vec<Temperature> {
    let zones = numbered(&roots.sys.join("class/thermal"), "thermal_zone").into_iter().filter_map(|at| {
        Some(Temperature { sensor: text(&at.join("type"))?, celsius: number(&at.join("temp"))? / 1000.0 })
    });
    let zones: Vec<Temperature> = zones.collect();
    if !zones.is_empty() {
        return zones;
    }
    let monitors = numbered(&roots.sys.join("class/hwmon"), "hwmon").into_iter().filter_map(|at| {
        let sensor = text(&at.join("name"))?;
        let ours = ["coretemp", "k10temp", "cpu_thermal"].contains(&sensor.as_str());
        ours.then_some(Temperature { sensor, celsius: number(&at.join("temp1_input"))? / 1000.0 })
    });
    monitors.collect()
}

/// A meter of power or energy, and its sums so far.
struct Meter {
    name: String,
    source: Source,
    counting: Option<Instant>,
    seconds: f64,
    answers: usize,
    watts: Vec<f64>,
    joules: f64,
    last_uj: f64,
}

enum Source {
    /// Microwatts.
    Power(PathBuf),
    /// Millivolts and milliamperes.
    VoltsAndAmperes(PathBuf, PathBuf),
    /// Microjoules, counted up to a limit and then from 0.
    Counter { path: PathBuf, wraps_at: f64 },
}

impl Meter {
    fn new(name: String, source: Source) -> Self {
        let (watts, joules) = (Vec::new(), 0.0);
        Self { name, source, counting: None, seconds: 0.0, answers: 0, watts, joules, last_uj: 0.0 }
    }

    fn start(&mut self) {
        self.counting = Some(Instant::now());
        if let Source::Counter { path, .. } = &self.source {
            self.last_uj = number(path).unwrap_or(0.0);
        }
        self.sample();
    }

    fn stop(&mut self, answers: usize) {
        self.sample();
        self.answers += answers;
        self.seconds += self.counting.take().map_or(0.0, |since| since.elapsed().as_secs_f64());
    }

    fn sample(&mut self) {
        if self.counting.is_none() {
            return;
        }
        match &self.source {
            Source::Power(path) => self.watts.extend(number(path).map(|uw| uw / 1e6)),
            Source::VoltsAndAmperes(volts, amperes) => {
                self.watts.extend(number(volts).zip(number(amperes)).map(|(mv, ma)| mv * ma / 1e6));
            }
            Source::Counter { path, wraps_at } => {
                let Some(now) = number(path) else { return };
                let grown = if now < self.last_uj { now + wraps_at - self.last_uj } else { now - self.last_uj };
                self.joules += grown / 1e6;
                self.last_uj = now;
            }
        }
    }

    fn energy(&self) -> Option<Energy> {
        let joules = match self.source {
            Source::Counter { .. } => self.joules,
            _ => self.watts.iter().sum::<f64>() / self.watts.len() as f64 * self.seconds,
        };
        let (watts, joules_an_answer) = (joules / self.seconds, joules / self.answers as f64);
        let measured = watts.is_finite() && joules_an_answer.is_finite() && joules > 0.0;
        measured.then(|| Energy { meter: self.name.clone(), watts, joules_an_answer })
    }
}

fn meters(roots: &Roots) -> Vec<Meter> {
    let mut found = Vec::new();
    for at in numbered(&roots.sys.join("class/hwmon"), "hwmon") {
        let chip = text(&at.join("name")).unwrap_or_else(|| "hwmon".to_owned());
        let name = |sensor: &str| match text(&at.join(format!("{sensor}_label"))) {
            Some(label) => format!("{chip} {label}"),
            None => format!("{chip} {sensor}"),
        };
        let inputs = entries(&at).into_iter().filter_map(|path| {
            let file = path.file_name()?.to_str()?;
            let sensor = file.strip_suffix("_input").or_else(|| file.strip_suffix("_average"))?.to_owned();
            let digits = sensor.strip_prefix("power").or_else(|| sensor.strip_prefix("curr"))?;
            digits.parse::<u8>().ok()?;
            Some((sensor, path))
        });
        let inputs: Vec<(String, PathBuf)> = inputs.collect();
        let powers = inputs.iter().filter(|(sensor, _)| sensor.starts_with("power"));
        let before = found.len();
        found.extend(powers.map(|(sensor, path)| Meter::new(name(sensor), Source::Power(path.clone()))));
        if found.len() == before {
            // INA chips without a power register: the channel's voltage has the current's number.
            found.extend(inputs.iter().filter_map(|(sensor, amperes)| {
                let volts = at.join(format!("{}_input", sensor.replace("curr", "in")));
                let source = Source::VoltsAndAmperes(volts.is_file().then_some(volts)?, amperes.clone());
                Some(Meter::new(name(sensor), source))
            }));
        }
    }
    for at in numbered(&roots.sys.join("class/powercap"), "intel-rapl:") {
        let path = at.join("energy_uj");
        if let (Some(name), Some(wraps_at), Some(_)) =
            (text(&at.join("name")), number(&at.join("max_energy_range_uj")), number(&path))
        {
            found.push(Meter::new(format!("RAPL {name}"), Source::Counter { path, wraps_at }));
        }
    }
    found
}

/// Ticks that all cores have worked, in all and for this process.
#[derive(Clone, Copy)]
struct Work {
    at: Instant,
    all: f64,
    ours: f64,
}

impl Work {
    fn now(roots: &Roots) -> Option<Self> {
        let stat = text(&roots.proc.join("stat"))?;
        let cpu = stat.lines().find_map(|line| line.strip_prefix("cpu "))?;
        let ticks: Vec<f64> = cpu.split_whitespace().map_while(|word| word.parse().ok()).collect();
        // user, nice, system, (idle, iowait,) irq, softirq, steal
        let all = [0, 1, 2, 5, 6, 7].iter().filter_map(|&place| ticks.get(place)).sum();
        let own = text(Path::new("/proc/self/stat"))?;
        let behind_name = own.rsplit_once(')')?.1;
        // utime, stime, and both of the children that were waited for: fields 14 to 17, of which the second ended the name.
        let ours = behind_name.split_whitespace().skip(11).take(4).filter_map(|word| word.parse::<f64>().ok()).sum();
        Some(Self { at: Instant::now(), all, ours })
    }

    /// Work of other programs since `before`, in cores.
    fn others_since(&self, before: &Self) -> f64 {
        let ticks = (self.all - before.all) - (self.ours - before.ours);
        let seconds = (self.at - before.at).as_secs_f64().max(1.0 / TICKS_A_SECOND);
        (ticks / TICKS_A_SECOND / seconds).max(0.0)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use tempfile::TempDir;

    use super::*;

    /// A test tree in place of the system's.
    struct Tree(TempDir);

    impl Tree {
        fn new(files: &[(&str, &str)]) -> Self {
            let tree = Self(TempDir::new().unwrap());
            files.iter().for_each(|(path, text)| tree.write(path, text));
            tree
        }

        fn write(&self, path: &str, text: &str) {
            let path = self.0.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, format!("{text}\n")).unwrap();
        }

        fn roots(&self) -> Roots {
            Roots::below(self.0.path())
        }
    }

    const FIRMWARE_AT: &str = "sys/devices/platform/soc/soc:firmware/get_throttled";

    /// What a second reading reports after `path` has changed from `before` to `after`, beside `more` files.
    fn sign(more: &[(&str, &str)], path: &str, before: &str, after: &str) -> Vec<String> {
        let tree = Tree::new(more);
        tree.write(path, before);
        let mut watch = Watch::new(&tree.roots(), None);
        tree.write(path, after);
        watch.sample();
        let Conditions { watched, signs, readings, .. } = watch.end();
        let [Watched { before: first, after: last, .. }] = &watched[..] else { panic!("{path} is not watched") };
        assert_eq!((first.as_str(), last.as_str()), (before, after));
        assert!(signs.iter().all(|sign| path.contains(&sign.sensor)), "the sensor is named: {signs:?}");
        assert_eq!(readings.len(), 3);
        signs.into_iter().map(|sign| sign.says).collect()
    }

    #[test]
    fn firmware_bits_now_and_since_the_last_reading() {
        for (before, after, says) in [
            ("0", "0", &[][..]),
            ("0x0", "0x5", &["under-voltage, throttled (0x5)"]),
            ("2", "0", &["clock capped (0x2)"]), // before the first figure
            ("50000", "50000", &[]),             // it was weak at some time before, which is not this run's
            ("50000", "d0000", &["soft temperature limit (0xd0000)"]),
        ] {
            assert_eq!(sign(&[], FIRMWARE_AT, before, after), says, "{before} then {after}");
        }
        let on_a_newer_board = "sys/devices/platform/soc@107c000000/soc@107c000000:firmware/get_throttled";
        assert_eq!(sign(&[], on_a_newer_board, "0", "4"), ["throttled (0x4)"]);
        let unreadable = Tree::new(&[(FIRMWARE_AT, "nonsense")]);
        assert_eq!(Watch::new(&unreadable.roots(), None).end().watched, [], "what cannot be read watches nothing");
    }

    #[test]
    fn firmware_that_clears_its_bits_is_noticed_again() {
        let tree = Tree::new(&[(FIRMWARE_AT, "50000")]);
        let mut watch = Watch::new(&tree.roots(), None);
        for (bits, signs) in [("0", 0), ("10000", 1)] {
            tree.write(FIRMWARE_AT, bits);
            watch.sample();
            assert_eq!(watch.signs().len(), signs, "{bits}");
        }
    }

    #[test]
    fn every_other_throttling_sensor() {
        let name = [("sys/class/hwmon/hwmon3/name", "rpi_volt")];
        let weak = sign(&name, "sys/class/hwmon/hwmon3/in0_lcrit_alarm", "0", "1");
        assert_eq!(weak, ["under-voltage: the power supply or its cable is too weak"]);
        let kind = [
            ("sys/class/thermal/cooling_device0/type", "pwm-fan"),
            ("sys/class/thermal/cooling_device0/cur_state", "4"),
            ("sys/class/thermal/cooling_device1/type", "cpufreq-cpu0"),
        ];
        let cooled = sign(&kind, "sys/class/thermal/cooling_device1/cur_state", "0", "2");
        assert_eq!(cooled, ["the processor is slowed down to cool it"], "a fan that turns is none");
        let counted = "sys/devices/system/cpu/cpu1/thermal_throttle/core_throttle_count";
        assert_eq!(sign(&[], counted, "17", "17"), [""; 0]);
        assert_eq!(sign(&[], counted, "17", "18"), ["the processor was throttled while figures were taken"]);
        let limit = "sys/devices/system/cpu/cpufreq/policy0/scaling_max_freq";
        assert_eq!(sign(&[], limit, "2400000", "1500000"), ["the clock's limit fell from 2400 to 1500 MHz"]);
        assert_eq!(sign(&[], limit, "1500000", "2400000"), [""; 0]);
    }

    #[test]
    fn the_hottest_zone_and_slowest_clock_are_kept() {
        let tree = Tree::new(&[
            ("sys/class/thermal/thermal_zone0/type", "cpu-thermal"),
            ("sys/class/thermal/thermal_zone0/temp", "48312"),
            ("sys/class/thermal/thermal_zone1/type", "gpu-thermal"),
            ("sys/class/thermal/thermal_zone1/temp", "51000"),
            ("sys/devices/system/cpu/cpufreq/policy0/scaling_cur_freq", "1800000"),
            ("sys/devices/system/cpu/cpufreq/policy4/scaling_cur_freq", "600000"),
        ]);
        let conditions = Watch::new(&tree.roots(), None).end();
        assert_eq!(conditions.before.len(), 2);
        assert_eq!((conditions.readings[0].celsius, conditions.readings[0].mhz), (Some(51.0), Some(600.0)));
        let bare = Watch::new(&Tree::new(&[]).roots(), None).end();
        assert_eq!((bare.readings[0].celsius, bare.readings[0].mhz, bare.other_work_cores), (None, None, None));
    }

    #[test]
    fn a_long_run_keeps_a_bounded_number_of_readings() {
        let roots = Tree::new(&[]).roots();
        assert_eq!(Watch::new(&roots, None).every, EVERY);
        assert_eq!(Watch::new(&roots, Some(Duration::from_secs(24 * 3600))).every, Duration::from_secs(24));
    }

    #[test]
    fn meters_of_every_kind_are_divided_by_the_answers() {
        let tree = Tree::new(&[
            ("sys/class/hwmon/hwmon0/name", "ina219"),
            ("sys/class/hwmon/hwmon0/in1_input", "5000"),
            ("sys/class/hwmon/hwmon0/curr1_input", "800"),
            ("sys/class/hwmon/hwmon1/name", "pmic"),
            ("sys/class/hwmon/hwmon1/power1_input", "6000000"),
            ("sys/class/hwmon/hwmon1/power1_label", "board"),
            ("sys/class/powercap/intel-rapl:0/name", "package-0"),
            ("sys/class/powercap/intel-rapl:0/max_energy_range_uj", "10000000"),
            ("sys/class/powercap/intel-rapl:0/energy_uj", "9000000"),
            ("sys/class/powercap/intel-rapl:0:0/name", "core"),
        ]);
        let mut watch = Watch::new(&tree.roots(), None);
        assert!(watch.energy().is_empty(), "nothing was metered yet");
        watch.start_metering();
        tree.write("sys/class/powercap/intel-rapl:0/energy_uj", "2000000"); // it has begun again: 3 J
        watch.stop_metering(6);
        tree.write("sys/class/powercap/intel-rapl:0/energy_uj", "9000000"); // nobody is asked meanwhile
        watch.sample();
        let energy = watch.energy();
        let names: Vec<&str> = energy.iter().map(|energy| energy.meter.as_str()).collect();
        assert_eq!(names, ["ina219 curr1", "pmic board", "RAPL package-0"]);
        for (meter, watts) in energy.iter().zip([4.0, 6.0]) {
            assert!((meter.watts - watts).abs() < 1e-9, "{}: {} W", meter.meter, meter.watts); // less the time's rounding
        }
        assert_eq!(energy[2].joules_an_answer, 0.5);
    }

    #[test]
    fn other_work_is_all_work_less_ours() {
        let tree = Tree::new(&[("proc/stat", "cpu  100 0 100 5000 10 0 0 0 0 0\ncpu0 1 1 1 1 1 1 1 1 1 1")]);
        let before = Work::now(&tree.roots()).unwrap();
        tree.write("proc/stat", "cpu  200 10 140 9000 20 5 5 40 99 99");
        let mut after = Work::now(&tree.roots()).unwrap();
        (after.at, after.ours) = (before.at + Duration::from_secs(2), before.ours + 50.0);
        // 100 + 10 + 40 + 5 + 5 + 40 ticks, of which 50 were ours, in two seconds.
        assert!((after.others_since(&before) - 0.75).abs() < 1e-9, "{}", after.others_since(&before));
        assert_eq!(before.others_since(&after), 0.0);
    }
}
