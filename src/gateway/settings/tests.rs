//! What a configuration means, key by key, with the layers, errors and warnings around it.

use std::fs;
use std::time::Duration;

use tempfile::TempDir;

use super::*;
use crate::config::layers::{DEFAULTS, Origin, Setting};
use crate::domain::chain;
use crate::transport::mqtt::config::{TopicPrefix, may_answer_to};
use crate::transport::serial::Speaks;
use crate::wire::line::Encoding;

/// A box's file system, small.
struct Disk(TempDir);

impl Disk {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn with(file: &str) -> Self {
        let disk = Self::new();
        disk.write("etc/sokutou.toml", file);
        disk
    }

    fn write(&self, path: &str, text: impl AsRef<[u8]>) {
        let path = self.0.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn sources(&self) -> Sources {
        Sources {
            vendor: self.0.path().join("usr"),
            file: self.0.path().join("etc/sokutou.toml"),
            required: false,
            variables: Vec::new(),
            set: Vec::new(),
            credentials: None,
        }
    }

    fn load(&self) -> Result<Loaded<Config>, ConfigError> {
        Config::load(&self.sources())
    }

    /// The faults, without the folder's name.
    fn faults(&self) -> Vec<String> {
        faults(self.load(), self.0.path())
    }
}

fn faults(loaded: Result<Loaded<Config>, ConfigError>, folder: &Path) -> Vec<String> {
    let folder = format!("{}/", folder.display());
    loaded.unwrap_err().faults.iter().map(|fault| chain(fault).replace(&folder, "")).collect()
}

fn set(texts: &[&str]) -> Result<Loaded<Config>, ConfigError> {
    let disk = Disk::new();
    Config::load(&Sources { set: texts.iter().map(|&text| text.to_owned()).collect(), ..disk.sources() })
}

fn variables(pairs: &[(&str, &str)]) -> Result<Loaded<Config>, ConfigError> {
    let variables = pairs.iter().map(|&(name, value)| (name.to_owned(), Some(value.to_owned()))).collect();
    Config::load(&Sources { variables, ..Disk::new().sources() })
}

/// The sections of the default file.
fn sections() -> Vec<String> {
    let defaults = Config::defaults();
    let mut names: Vec<String> =
        defaults.settings.iter().filter_map(|setting| Some(setting.key.split('.').next()?.to_owned())).collect();
    names.dedup();
    names
}

fn origin(config: &Loaded<Config>, key: &str) -> String {
    config.settings.iter().find(|setting| setting.key == key).unwrap().origin.to_string()
}

#[test]
fn the_default_file_is_the_defaults() {
    let (defaults, read) = (Config::defaults(), Disk::with(DEFAULTS).load().unwrap());
    assert_eq!(read.sections, defaults.sections);
    assert!(read.settings.iter().all(|setting| matches!(setting.origin, Origin::File { .. })));
    assert_eq!(Disk::new().load().unwrap(), defaults);
    assert_eq!(warnings(&defaults), []);

    let Config { gateway, transports, journal, limits, .. } = &defaults.sections;
    let transport::Sections { mqtt, serial, http, .. } = transports;
    assert_eq!((gateway.name.as_str(), mqtt.client_id.as_str()), ("gateway", "sokutou-gateway"));
    assert_eq!((mqtt.enabled, mqtt.host.as_str(), mqtt.port, &mqtt.tls), (true, "127.0.0.1", 1883, &None));
    assert_eq!(mqtt.keepalive, Duration::from_secs(30));
    assert_eq!((serial.len(), http.listen.unwrap().to_string()), (0, "127.0.0.1:8620".to_owned()));
    assert_eq!((journal.budget_bytes, limits.deadline), (512_000_000, Duration::from_secs(30)));
}

/// A key that no section reads would be silently without effect. Every key is tried, with another value than its default.
#[test]
fn every_key_of_the_default_file_has_an_effect() {
    // What the keys below them need to have an effect.
    let base = [
        "serial.0.path=/dev/x",
        "serial.0.mode=line",
        "mqtt.tls.ca_file=/ca.pem",
        "mqtt.tls.client_cert_file=/c.pem",
        "mqtt.tls.client_key_file=/k.pem",
    ];
    let before = set(&base).unwrap();
    let mut without = Vec::new();
    for setting in &before.settings {
        let has_effect = |value: &String| {
            let text = format!("{}={value}", setting.key);
            let Ok(after) = set(&[&base[..], &[&text]].concat()) else { return false };
            assert_eq!(origin(&after, &setting.key), "--set");
            after.sections != before.sections
        };
        if !others(setting).iter().any(has_effect) {
            without.push(setting.key.as_str());
        }
    }
    assert_eq!(without, ["mqtt.protocol"], "which has no other value");
}

/// Values that may do for this key, beside the one that it has.
fn others(Setting { key, value, .. }: &Setting) -> Vec<String> {
    if let Some(flag) = value.as_bool() {
        vec![(!flag).to_string()]
    } else if let Some(number) = value.as_integer() {
        vec![(number + 1).to_string(), (number - 1).to_string()]
    } else if value.is_float() {
        vec!["1".to_owned()]
    } else if value.is_array() {
        vec!["[\"other\"]".to_owned()]
    } else {
        // Where only some texts are known, the fault lists them in quotes.
        let fault = set(&[&format!("{key}=/?")]).map_or_else(|error| error.to_string(), |_| String::new());
        let known = fault.split('"').skip(1).step_by(2).map(str::to_owned);
        known.chain(["other", "/other", "127.0.0.1:1"].map(str::to_owned)).collect()
    }
}

#[test]
fn later_layers_win_and_each_is_named() {
    let disk = Disk::new();
    let mut sources = disk.sources();
    let mut seen = Vec::new();
    let mut look = |sources: &Sources| {
        let config = Config::load(sources).unwrap();
        let place = origin(&config, "mqtt.port").replace(&format!("{}/", disk.0.path().display()), "");
        seen.push((config.sections.transports.mqtt.port, place));
    };
    look(&sources);
    disk.write("usr/20-site.toml", "mqtt.port = 3\n");
    disk.write("usr/10-package.toml", "[mqtt]\nport = 2\n");
    disk.write("usr/99-notes.txt", "no configuration");
    disk.write("usr/.#20-site.toml", "no configuration");
    look(&sources);
    disk.write("etc/sokutou.toml", "# ours\n[mqtt]\n  port = 4\n");
    look(&sources);
    disk.write("etc/conf.d/b.toml", "mqtt = { host = \"b\", port = 6 }\n");
    disk.write("etc/conf.d/a.toml", "[mqtt]\nport = 5\nusername = \"a\"\n");
    look(&sources);
    sources.variables = vec![("SOKUTOU_MQTT__PORT".to_owned(), Some("7".to_owned()))];
    look(&sources);
    sources.set = vec!["mqtt.port=8".to_owned(), "mqtt.port = 9".to_owned()];
    look(&sources);
    let expected = [
        (1883, "default"),
        (3, "usr/20-site.toml:1:6"),
        (4, "etc/sokutou.toml:3:3"),
        (6, "etc/conf.d/b.toml:1:22"),
        (7, "SOKUTOU_MQTT__PORT"),
        (9, "--set"),
    ];
    assert_eq!(seen, expected.map(|(port, place)| (port, place.to_owned())));
    let config = Config::load(&sources).unwrap();
    assert_eq!(
        (config.sections.transports.mqtt.host.as_str(), config.sections.transports.mqtt.username.as_deref()),
        ("b", Some("a"))
    );
    assert_eq!(config.files.len(), 5);

    sources.file = disk.0.path().join("elsewhere.toml");
    assert!(Config::load(&sources).is_ok(), "the installed file may be missing");
    sources.required = true;
    let missing = faults(Config::load(&sources), disk.0.path());
    assert_eq!(missing, ["failed to read elsewhere.toml: No such file or directory (os error 2)"]);
}

#[test]
fn an_empty_text_takes_back_what_an_earlier_layer_set() {
    let disk = Disk::with("[mqtt]\nusername = \"box\"\nresponse_topics = [\"plc\"]\n[[serial]]\npath = \"/dev/a\"\n");
    disk.write("etc/conf.d/x.toml", "serial = []\n[mqtt]\nusername = \"\"\nresponse_topics = []\n");
    let config = disk.load().unwrap();
    assert_eq!(config.sections, Config::defaults().sections);
}

#[test]
fn serial_blocks_replace_those_of_earlier_layers_and_fill_up_with_defaults() {
    let disk = Disk::with("[[serial]]\npath = \"/dev/a\"\nbaud = 9600\n[[serial]]\npath = \"/dev/b\"\n");
    let ports = |config: &Loaded<Config>| -> Vec<(String, u32)> {
        config.sections.transports.serial.iter().map(|port| (port.path.display().to_string(), port.baud)).collect()
    };
    assert_eq!(ports(&disk.load().unwrap()), [("/dev/a".to_owned(), 9600), ("/dev/b".to_owned(), 115_200)]);
    let text = "[[serial]]\npath = \"/dev/c\"\nmode = \"line\"\nencoding = \"cp932\"\n[[serial]]\n";
    disk.write("etc/conf.d/c.toml", text);
    let sources = Sources { variables: vec![("SOKUTOU_SERIAL__0__BAUD".into(), Some("300".into()))], ..disk.sources() };
    let config = Config::load(&sources).unwrap();
    assert_eq!(ports(&config), [("/dev/c".to_owned(), 300)], "a block without a path is no port");
    let port = &config.sections.transports.serial[0];
    assert!(matches!(&port.speaks, Speaks::Lines(format) if format.encoding == Encoding::Cp932), "{port:?}");
    let config = set(&["serial=[{ path = \"/dev/d\" }, { path = \"/dev/e\", baud = 1200 }]"]).unwrap();
    assert_eq!(ports(&config), [("/dev/d".to_owned(), 115_200), ("/dev/e".to_owned(), 1200)]);
    assert_eq!(
        ports(&variables(&[("SOKUTOU_SERIAL", "[{path='/dev/f'}]")]).unwrap()),
        [("/dev/f".to_owned(), 115_200)]
    );
}

#[test]
fn variables_and_flags_are_typed() {
    let config = variables(&[
        ("SOKUTOU_MQTT__ENABLED", "false"),
        ("SOKUTOU_MQTT__TLS__CA_FILE", "/etc/ssl/ca.pem"),
        ("SOKUTOU_MQTT__RESPONSE_TOPICS", "[\"a/b\", 'c']"),
        ("SOKUTOU_GATEWAY__NAME", "7"),
        ("SOKUTOU_STUDENT__TASK", "\"true\""),
        ("SOKUTOU_REVIEW__AUDIT_SHARE", "0.25"),
        ("SOKUTOU_LIMITS__DEADLINE_MS", "1_000"),
        ("SOKUTOU_BUNDLE", "/another/command/reads/it"),
        ("PATH", "/bin"),
    ])
    .unwrap();
    assert!(!config.sections.transports.mqtt.enabled && config.sections.transports.mqtt.tls.is_some());
    assert_eq!(config.sections.transports.mqtt.response_topics.len(), 2);
    assert_eq!((config.sections.gateway.name.as_str(), config.sections.student.task.as_deref()), ("7", Some("true")));
    assert_eq!((config.sections.review.audit_share, config.sections.limits.deadline), (0.25, Duration::from_secs(1)));
    assert_eq!(config.warnings(), []);

    let of_nothing = format!("--set: unknown key : here are known: {}", sections().join(", "));
    for (text, expected) in [
        ("mqtt.port=many", "--set: mqtt.port: expected a whole number, without quotes, found the text \"many\""),
        ("mqtt.port=\"1\"", "--set: mqtt.port: expected a whole number, without quotes, found the text \"1\""),
        ("mqtt.port=", "--set: mqtt.port: expected a whole number, without quotes, found the text \"\""),
        ("mqtt.enabled=yes", "--set: mqtt.enabled: expected true or false, without quotes, found the text \"yes\""),
        ("mqtt=1", "--set: mqtt: expected a section, [mqtt], found the number 1"),
        ("serial.1.baud=9600", "--set: unknown key serial.1.baud: did you mean serial.0.baud?"),
        ("mqtt.password=hunter2", "--set: unknown key mqtt.password: did you mean password_file?"),
        ("mqtt.port", "--set: expected section.key=value, found \"mqtt.port\""),
        ("=1", &of_nothing),
    ] {
        assert_eq!(faults(set(&[text]), Path::new("/")), [expected]);
    }
    let wrong = variables(&[("SOKUTOU_MQTT__PROT", "1"), ("SOKUTOU_MQTT__PORT", "0x1_0000")]);
    assert_eq!(
        faults(wrong, Path::new("/")),
        [
            "SOKUTOU_MQTT__PROT: unknown key mqtt.prot: did you mean port?",
            "SOKUTOU_MQTT__PORT: mqtt.port: expected a whole number from 1 to 65535, found 65536"
        ]
    );
    let sources = Sources { variables: vec![("SOKUTOU_LOG__LEVEL".into(), None)], ..Disk::new().sources() };
    assert_eq!(
        faults(Config::load(&sources), Path::new("/")),
        ["SOKUTOU_LOG__LEVEL: expected UTF-8, found other bytes"]
    );
}

#[test]
fn broken_files_say_where_what_was_expected_and_what_was_found() {
    for (file, expected) in BROKEN {
        assert_eq!(Disk::with(file).faults(), [format!("etc/sokutou.toml:{expected}")], "{file}");
    }
}

const BROKEN: [(&str, &str); 68] = [
    ("mqtt.prot = 1", "1:6: unknown key mqtt.prot: did you mean port?"),
    ("[mqtt]\n# 日本語\n  prot = 1883", "3:3: unknown key mqtt.prot: did you mean port?"),
    ("[mqtt]\nbudget_mb = 5", "2:1: unknown key mqtt.budget_mb: did you mean journal.budget_mb?"),
    (
        "[mqtt]\nzzz = 5",
        "2:1: unknown key mqtt.zzz: here are known: enabled, host, port, keepalive_s, client_id, root, username, password_file, response_topics, share_group, protocol, tls",
    ),
    ("[mqt]", "1:2: unknown key mqt: did you mean mqtt?"),
    (
        "[mqtt.tsl]\nca_file = \"/x\"",
        "1:7: unknown key mqtt.tsl: here are known: enabled, host, port, keepalive_s, client_id, root, username, password_file, response_topics, share_group, protocol, tls",
    ),
    ("hosts = []", "1:1: unknown key hosts: did you mean http.hosts?"),
    ("port = 1883", "1:1: unknown key port: did you mean mqtt.port?"),
    ("[mqtt]\npassword = \"hunter2\"", "2:1: unknown key mqtt.password: did you mean password_file?"),
    ("\"mqtt.port\" = 1", "1:1: unknown key \"mqtt.port\": keys have no dots"),
    ("[mqtt]\n\"po rt\" = 1", "2:1: unknown key \"mqtt.po rt\": did you mean port?"),
    ("[mqtt]\nport = \"1883\"", "2:1: mqtt.port: expected a whole number, without quotes, found the text \"1883\""),
    ("[mqtt]\nport = 70000", "2:1: mqtt.port: expected a whole number from 1 to 65535, found 70000"),
    ("[mqtt]\nport = -1", "2:1: mqtt.port: expected a whole number from 1 to 65535, found -1"),
    (
        "[mqtt]\nport = 99999999999999999999",
        "2:1: mqtt.port: expected a whole number, without quotes, found the number 99999999999999999999",
    ),
    ("[mqtt]\nport = 1.5", "2:1: mqtt.port: expected a whole number, without quotes, found the number 1.5"),
    ("[mqtt]\nport = 2026-11-25", "2:1: mqtt.port: expected a whole number, without quotes, found a date or time"),
    ("[mqtt]\nenabled = 1", "2:1: mqtt.enabled: expected true or false, without quotes, found the number 1"),
    ("[mqtt]\nenabled = \"yes\"", "2:1: mqtt.enabled: expected true or false, without quotes, found the text \"yes\""),
    (
        "[mqtt]\nhost = \"\"",
        "2:1: mqtt.host: expected a host name or address, without scheme, port and path, found \"\"",
    ),
    (
        "[mqtt]\nhost = \"mqtt://broker:1883\"",
        "2:1: mqtt.host: expected a host name or address, without scheme, port and path, found \"mqtt://broker:1883\"",
    ),
    ("[mqtt]\nhost = [\"a\"]", "2:1: mqtt.host: expected a text in quotes, found a list"),
    ("[mqtt]\nkeepalive_s = 0", "2:1: mqtt.keepalive_s: expected a whole number from 5 to 3600, found 0"),
    (
        "[mqtt]\nclient_id = \"a/b\"",
        "2:1: mqtt.client_id: expected visible ASCII without + # / and at most 128 of it, found \"a/b\"",
    ),
    (
        "[mqtt]\nroot = \"/plant\"",
        "2:1: mqtt.root: expected 1 to 4 levels of A-Z a-z 0-9 _ -, with / between them, found \"/plant\"",
    ),
    (
        "[mqtt]\nroot = \"a/b/c/d/e\"",
        "2:1: mqtt.root: expected 1 to 4 levels of A-Z a-z 0-9 _ -, with / between them, found \"a/b/c/d/e\"",
    ),
    ("[mqtt]\nprotocol = \"3.1.1\"", "2:1: mqtt.protocol: expected \"5\", found \"3.1.1\""),
    ("[mqtt]\nprotocol = 5", "2:1: mqtt.protocol: expected a text in quotes, found the number 5"),
    (
        "[mqtt]\nresponse_topics = [\"a/#\"]",
        "2:1: mqtt.response_topics: expected at most 64 topic prefixes without wildcards, $ and empty levels, found [\"a/#\"]",
    ),
    (
        "[mqtt]\nresponse_topics = [1]",
        "2:1: mqtt.response_topics: expected a list of texts, [\"...\"], found a list of other things",
    ),
    (
        "[mqtt]\nresponse_topics = \"a\"",
        "2:1: mqtt.response_topics: expected a list of texts, [\"...\"], found the text \"a\"",
    ),
    ("[mqtt]\nshare_group = \"a b\"", "2:1: mqtt.share_group: expected 1 to 64 of A-Z a-z 0-9 _ -, found \"a b\""),
    (
        "[mqtt]\npassword_file = \"hunter2\"",
        "2:1: mqtt.password_file: expected an absolute path or credential:NAME, found neither (not shown, lest it be the secret itself)",
    ),
    ("[mqtt]\ntls = true", "2:1: mqtt.tls: expected a section, [mqtt.tls], found true"),
    ("[mqtt.tls]\nca_file = \"ca.pem\"", "2:1: mqtt.tls.ca_file: expected an absolute path, found \"ca.pem\""),
    (
        "[mqtt.tls]\nclient_cert_file = \"/c.pem\"",
        "2:1: mqtt.tls.client_cert_file: expected mqtt.tls.client_key_file beside it, found none",
    ),
    (
        "[mqtt.tls]\nclient_key_file = \"/k.pem\"",
        "2:1: mqtt.tls.client_key_file: expected mqtt.tls.client_cert_file beside it, found none",
    ),
    (
        "[mqtt.tls]\nclient_cert_file = \"/c.pem\"\nclient_key_file = \"/k.pem\"",
        "2:1: mqtt.tls.client_cert_file: expected mqtt.tls.ca_file beside it, which switches TLS on, found none",
    ),
    ("[gateway]\nname = \"プレス\"", "2:1: gateway.name: expected 1 to 64 of A-Z a-z 0-9 _ -, found \"プレス\""),
    ("[gateway]\nname = \"\"", "2:1: gateway.name: expected 1 to 64 of A-Z a-z 0-9 _ -, found \"\""),
    ("gateway = \"a\"", "1:1: gateway: expected a section, [gateway], found the text \"a\""),
    ("[limits]\nqueue = 0", "2:1: limits.queue: expected a whole number from 1 to 1024, found 0"),
    ("[student]\nbundle = \"models/x\"", "2:1: student.bundle: expected an absolute path, found \"models/x\""),
    ("[student]\ntask = \"a\tb\"", "2:1: student.task: expected a text without control characters, found \"a\\tb\""),
    ("[serial]\npath = \"/dev/a\"", "1:2: serial: expected blocks, [[serial]], found a section"),
    ("serial = [1]", "1:1: serial: expected blocks, [[serial]], found a list of other things"),
    (
        "[[serial]]\npath = \"/dev/a\"\nmode = \"lines\"",
        "3:1: serial.0.mode: expected \"frames\" or \"line\", found \"lines\"",
    ),
    ("[[serial]]\npath = \"/dev/a\"\nbuad = 9600", "3:1: unknown key serial.0.buad: did you mean baud?"),
    (
        "[[serial]]\npath = \"/dev/a\"\n[[serial]]\npath = \"/dev/b\"\nbaud = 1",
        "5:1: serial.1.baud: expected a whole number from 300 to 4000000, found 1",
    ),
    (
        "[[serial]]\npath = \"/dev/a\"\nencoding = \"sjis\"",
        "3:1: serial.0.encoding: expected \"utf-8\" or \"cp932\", found \"sjis\"",
    ),
    (
        "[[serial]]\npath = \"/dev/a\"\nparity = \"mark\"",
        "3:1: serial.0.parity: expected \"none\" or \"even\" or \"odd\", found \"mark\"",
    ),
    (
        "[[serial]]\npath = \"/dev/a\"\ndata_bits = 7",
        "3:1: serial.0.data_bits: expected 8 where mode is \"frames\", found 7",
    ),
    (
        "[[serial]]\npath = \"/dev/a\"\nmode = \"line\"\ncolumns = [\"air\", \"air\"]",
        "4:1: serial.0.columns: expected names, each once, of which only the last may end in *, found [\"air\", \"air\"]",
    ),
    (
        "[[serial]]\npath = \"/dev/a\"\n[[serial]]\npath = \"/dev/a\"",
        "4:1: serial.1.path: expected every device once, found it in an earlier block too",
    ),
    ("[[mqtt]]\nport = 1", "1:3: mqtt: expected a section, [mqtt], found a list"),
    (
        "[http]\nlisten = \"0.0.0.0:8620\"",
        "2:1: http.listen: expected http.token_file beside an address that others can reach, found only 0.0.0.0:8620",
    ),
    (
        "[http]\nlisten = \"localhost\"",
        "2:1: http.listen: expected an address with its port, as 127.0.0.1:8620, found \"localhost\"",
    ),
    (
        "[http]\nhosts = [\"box:80\"]",
        "2:1: http.hosts: expected at most 64 host names without port, found [\"box:80\"]",
    ),
    ("[journal]\nfolder = \"\"", "2:1: journal.folder: expected an absolute path, found \"\""),
    ("[journal]\nbudget_mb = 1", "2:1: journal.budget_mb: expected a whole number from 16 to 1000000, found 1"),
    ("[review]\naudit_share = 1.5", "2:1: review.audit_share: expected a number from 0 to 1, found 1.5"),
    (
        "[review]\naudit_share = \"half\"",
        "2:1: review.audit_share: expected a number, without quotes, found the text \"half\"",
    ),
    (
        "[log]\nlevel = \"loud\"",
        "2:1: log.level: expected \"error\" or \"warn\" or \"info\" or \"debug\" or \"trace\", found \"loud\"",
    ),
    ("[mqtt\n", "1:6: unclosed table, expected `]`"),
    ("[mqtt]\nport = \n", "2:8: string values must be quoted, expected literal string"),
    ("[mqtt]\nport 1\n", "2:6: key with no value, expected `=`"),
    ("[mqtt]\nhost = \"a\n", "2:10: invalid basic string, expected `\"`"),
    ("[mqtt]\nport = 1\nport = 2", "3:1: duplicate key"),
];

#[test]
fn every_fault_is_found_at_once() {
    let disk = Disk::with("[gateway]\nnmae = \"x\"\n[mqtt]\nport = 0\nhost = 5\n[log]\nlevel = \"loud\"\n");
    disk.write("etc/conf.d/x.toml", "x = \n");
    let error = disk.load().unwrap_err();
    assert_eq!(error.faults.len(), 5);
    let text = error.to_string();
    assert!(text.starts_with("the configuration cannot be used\n  /") && text.lines().count() == 6, "{text}");
}

#[test]
fn hostile_files_are_errors() {
    let deep = |open: &str, close: &str, times: usize| format!("x = {}{}", open.repeat(times), close.repeat(times));
    let inline = format!("x = {}1{}\n", format!("{{ {}b = ", "a.".repeat(78)).repeat(78), " }".repeat(78));
    let files: Vec<(&str, Vec<u8>)> = vec![
        ("huge", vec![b'#'; (256 << 10) + 1]),
        ("NUL", b"[mqtt]\nhost = \"a\0b\"\n".to_vec()),
        ("NUL escaped", b"[mqtt]\nhost = \"a\\u0000b\"\n".to_vec()),
        ("NUL outside", b"\0".to_vec()),
        ("not UTF-8", b"[mqtt]\nhost = \"\x83v\x83\x8c\x83X\"\n".to_vec()),
        ("UTF-16", b"\xff\xfe[\0m\0".to_vec()),
        ("deep lists", deep("[", "]", 100_000).into_bytes()),
        ("deep tables", deep("{a=", "}", 50_000).into_bytes()),
        ("deep keys", format!("{}a = 1", "a.".repeat(120_000)).into_bytes()),
        ("deep header", format!("[{}a]", "a.".repeat(120_000)).into_bytes()),
        ("deep both, twice", inline.repeat(2).into_bytes()),
        ("deep both", inline.into_bytes()),
        ("duplicate key", b"[mqtt]\nport = 1\nport = 2\n".to_vec()),
        ("duplicate section", b"[mqtt]\n[log]\n[mqtt]\n".to_vec()),
        ("many keys", (0..20_000).flat_map(|at| format!("k{at} = 1\n").into_bytes()).collect()),
        ("many blocks", "[[serial]]\n".repeat(20_000).into_bytes()),
        ("a long key", format!("{} = 1", "k".repeat(200_000)).into_bytes()),
        ("a long text", format!("[student]\ntask = \"{}\"", "k".repeat(200_000)).into_bytes()),
        ("a huge number", format!("[mqtt]\nport = {}", "9".repeat(200_000)).into_bytes()),
        ("escapes for a terminal", b"\"\\u001b[2J\" = 1".to_vec()),
        ("no number", b"[review]\naudit_share = nan\n".to_vec()),
        ("no end", b"[review]\naudit_share = inf\n".to_vec()),
    ];
    for (name, bytes) in files {
        let disk = Disk::new();
        disk.write("etc/sokutou.toml", bytes);
        let faults = disk.faults();
        assert!((1..=20).contains(&faults.len()), "{name}: {}", faults.len());
        for fault in faults {
            assert!(fault.starts_with("etc/sokutou.toml:") && fault.len() < 300, "{name}: {fault}");
            assert!(!fault.contains(char::is_control), "{name}: {fault:?}");
        }
    }
    let disk = Disk::new();
    fs::create_dir_all(disk.0.path().join("etc/sokutou.toml")).unwrap();
    assert!(disk.faults()[0].starts_with("failed to read etc/sokutou.toml: "));
    for at in 0..65 {
        disk.write(&format!("usr/{at}.toml"), "");
    }
    assert!(disk.faults()[0].ends_with("expected at most 64 files, found 65"));
}

#[test]
fn secrets_are_named_and_not_held() {
    let disk = Disk::new();
    disk.write("password", "correct horse\n");
    let password = disk.0.path().join("password");
    disk.write("etc/sokutou.toml", format!("[mqtt]\npassword_file = {password:?}\n"));
    let config = disk.load().unwrap();
    let secret = config.sections.transports.mqtt.password.as_ref().unwrap().read().unwrap();
    assert_eq!(secret.expose(), "correct horse");
    assert!(!format!("{config:?} {secret:?}").contains("horse"));

    let sources = Sources { credentials: Some(disk.0.path().to_owned()), ..disk.sources() };
    let sources = Sources { set: vec!["http.token_file=credential:password".to_owned()], ..sources };
    let token = Config::load(&sources).unwrap().sections.transports.http.token.unwrap();
    assert_eq!((token.to_string().as_str(), token.read().unwrap().expose()), ("credential:password", "correct horse"));

    for key in ["mqtt.password_file", "mqtt.tls.client_key_file", "http.token_file", "mqtt.password", "mqtt.port"] {
        let error = set(&[&format!("{key}=hunter2")]).unwrap_err();
        assert!(!format!("{error} {error:?}").contains("hunter2") || key == "mqtt.port", "{error}");
    }
}

#[test]
fn dangerous_and_probably_unmeant_things_are_said() {
    let about = |config: Result<Loaded<Config>, ConfigError>| -> Vec<String> {
        warnings(&config.unwrap()).into_iter().map(|warning| format!("{}: {}", warning.about, warning.what)).collect()
    };
    let password = "mqtt.password_file=/password";
    assert_eq!(
        about(set(&["mqtt.host=broker", password])),
        ["mqtt.password_file: the password goes to broker in the clear"]
    );
    for quiet in [&["mqtt.host=broker", password, "mqtt.tls.ca_file=/ca.pem"][..], &[password], &["mqtt.host=broker"]] {
        assert_eq!(about(set(quiet)), Vec::<String>::new());
    }
    let open = set(&["http.listen=[::]:80", "http.token_file=/token"]);
    assert_eq!(about(open), ["http.listen: others can call [::]:80, and the token travels in the clear"]);
    let warnings = warnings(&variables(&[("SOKUTOU_MQTT_TLS_CA_FILE", "/x"), ("SOKUTOU_OTHER", "/x")]).unwrap());
    assert_eq!(warnings.len(), 1);
    assert_eq!(warnings[0].way_out, "did you mean SOKUTOU_MQTT__TLS__CA_FILE?");
}

#[test]
fn the_sections_that_differ_are_named() {
    let disk = Disk::with("[limits]\nqueue = 4\n");
    let current = disk.load().unwrap();
    let changed = || disk.load().map(|new| new.changed_sections(&current).join(" "));
    assert_eq!(changed().unwrap(), "");
    disk.write("etc/sokutou.toml", "# moved\n[limits]\nqueue = 4\n[log]\nlevel = \"info\"\n");
    assert_eq!(changed().unwrap(), "", "said otherwise, it is the same");
    disk.write("etc/sokutou.toml", "[limits]\nqueue = 5\n[log]\nlevel = \"warn\"\n");
    assert_eq!(changed().unwrap(), "limits log");
    disk.write("etc/sokutou.toml", "[mqtt.tls]\nca_file = \"/ca.pem\"\n[[serial]]\npath = \"/dev/x\"\n");
    assert_eq!(changed().unwrap(), "mqtt serial limits");
    disk.write("etc/sokutou.toml", "[limits]\nqueue = 0\n");
    assert!(changed().is_err());
}

#[test]
fn answers_go_only_where_they_may() {
    let config = set(&["gateway.name=gw", "mqtt.response_topics=[\"plc/answers/\", \"/old\", \"sokutou\"]"]).unwrap();
    let long = format!("plc/answers/{}", "x".repeat(600));
    for (topic, may) in [
        ("sokutou/gw/answer", true),
        ("sokutou/gw/answer/plc7/1", true),
        ("plc/answers", true),
        ("plc/answers/7", true),
        ("/old/7", true),
        ("", false),
        ("plc", false),
        ("plc/answersheet", false),
        ("plc/answers/+", false),
        ("plc/answers/#", false),
        ("plc/answers/$x", false),
        ("plc/answers/\0", false),
        ("$SYS/x", false),
        ("old/7", false),
        (&long, false),
        // Allowed by the list, yet a question, a status or another gateway's business.
        ("sokutou", false),
        ("sokutou/gw/ask", false),
        ("sokutou/gw/status", false),
        ("sokutou/other/answer", false),
        ("sokutou/gw/answers", false),
    ] {
        let mqtt = &config.sections.transports.mqtt;
        let found = may_answer_to(&mqtt.root, mqtt.gateway.as_str(), &mqtt.response_topics, topic);
        assert_eq!(found, may, "{topic:?}");
    }
    for wrong in ["", "/", "//", "a//b", "a/+", "#", "a/#", "$share/x", "a/$b", "a\n"] {
        assert_eq!(TopicPrefix::new(wrong), None, "{wrong:?}");
    }
}
