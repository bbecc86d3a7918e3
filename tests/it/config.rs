//! `sokutou config`: what it prints, what it finds, how it ends.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use serde_json::Value;
use tempfile::TempDir;

use crate::support::{failing, sokutou};

/// Runs `sokutou config` on a file in `folder`, and returns exit code and words.
fn config(folder: &Path, more: &[&str]) -> (i32, String) {
    let output = sokutou().arg("config").args(more).arg("--config").arg(folder.join("sokutou.toml")).output().unwrap();
    assert!(output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
    (output.status.code().unwrap(), String::from_utf8(output.stdout).unwrap())
}

fn with(file: &str) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("sokutou.toml"), file).unwrap();
    folder
}

#[test]
fn what_show_prints_is_a_file_that_means_the_same() {
    let first = with(
        "[gateway]\nname = \"press-3\"\n[mqtt]\nresponse_topics = [\"plc/\\\"a\\\"\"]\n[mqtt.tls]\nca_file = \"/ca.pem\"\n\
         [[serial]]\npath = \"/dev/a\"\n[[serial]]\npath = \"/dev/b\"\nmode = \"line\"\n[review]\naudit_share = 1\n",
    );
    let (code, shown) = config(first.path(), &["show"]);
    assert_eq!(code, 0);
    for line in ["[gateway]\nname = \"press-3\"\n", "[mqtt.tls]\nca_file = \"/ca.pem\"\n", "audit_share = 1.0\n"] {
        assert!(shown.contains(line), "{line} in {shown}");
    }
    assert_eq!(shown.matches("[[serial]]").count(), 2);
    let second = with(&shown);
    assert_eq!(config(second.path(), &["show"]).1, shown);
    let json = |folder: &TempDir| serde_json::from_str::<Value>(&config(folder.path(), &["show", "--json"]).1).unwrap();
    assert_eq!(json(&first), json(&second));
    assert_eq!(json(&first)["serial"][1]["mode"], "line");
    assert_eq!(json(&first)["mqtt"]["tls"]["ca_file"], "/ca.pem");

    // With origins it is a file too.
    let (_, with_origins) = config(first.path(), &["show", "--origin"]);
    assert_eq!(config(with(&with_origins).path(), &["show"]).1, shown);
}

#[test]
fn every_key_says_where_it_was_set() {
    let folder = with("[mqtt]\nhost = \"broker\"\n");
    let file = folder.path().join("sokutou.toml");
    let run = |more: &[&str]| {
        let args = ["config", "show", "--origin", "--set", "mqtt.keepalive_s=7"];
        let output =
            sokutou().args(args).args(more).arg("--config").arg(&file).env("SOKUTOU_MQTT__PORT", "8883").output();
        String::from_utf8(output.unwrap().stdout).unwrap()
    };
    let shown = run(&[]);
    for line in [
        format!("host = \"broker\" # {}:2:1\n", file.display()),
        "port = 8883 # SOKUTOU_MQTT__PORT\n".to_owned(),
        "keepalive_s = 7 # --set\n".to_owned(),
        "root = \"sokutou\" # default\n".to_owned(),
    ] {
        assert!(shown.contains(&line), "{line} in {shown}");
    }
    let records: Vec<Value> = serde_json::from_str(&run(&["--json"])).unwrap();
    let of = |key: &str| records.iter().find(|record| record["key"] == key).unwrap();
    assert_eq!(
        *of("mqtt.port"),
        serde_json::json!({
            "key": "mqtt.port", "value": 8883, "layer": "variable", "origin": "SOKUTOU_MQTT__PORT"
        })
    );
    assert_eq!((&of("mqtt.host")["layer"], &of("log.level")["layer"]), (&"file".into(), &"default".into()));
}

#[test]
fn a_faulty_configuration_ends_with_78_and_names_every_fault() {
    let folder = with("[mqtt]\nprot = 1\nport = 0\n");
    let file = folder.path().join("sokutou.toml");
    let (code, said) = failing(sokutou().args(["config", "show", "--config"]).arg(&file));
    assert_eq!(code, 78);
    assert_eq!(
        said,
        format!(
            "error: the configuration cannot be used\n  {0}:2:1: unknown key mqtt.prot: did you mean port?\n  {0}:3:1: mqtt.port: \
             expected a whole number from 1 to 65535, found 0\n",
            file.display()
        )
    );
    let (code, said) = config(folder.path(), &["check"]);
    assert_eq!(
        (code, said.matches("FAIL  configuration: ").count(), said.matches("hint: ").count()),
        (78, 2, 2),
        "{said}"
    );
    let (code, said) = failing(sokutou().args(["config", "show", "--config", "/nowhere/sokutou.toml"]));
    assert_eq!(code, 78);
    assert!(said.contains("failed to read /nowhere/sokutou.toml: No such file"), "{said}");
}

/// The states that `config check` gives to the checks of this name.
fn states(folder: &Path, check: &str, set: &[&str]) -> Vec<String> {
    let set: Vec<&str> = set.iter().flat_map(|text| ["--set", text]).collect();
    let (code, said) = config(folder, &[&["check", "--json"][..], &set].concat());
    let checks: Vec<Value> = serde_json::from_str(&said).unwrap();
    let failed = checks.iter().any(|check| check["state"] == "FAIL");
    assert_eq!(code, if failed { 78 } else { 0 }, "{said}");
    for check in &checks {
        assert_eq!(check["state"] == "OK", check["hint"].is_null(), "a complaint has a way out: {check}");
    }
    let of_name = checks.iter().filter(|record| record["check"] == check);
    of_name.map(|record| record["state"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn check_looks_at_what_the_configuration_names() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let good = format!("[gateway]\nname = \"press-3\"\n[journal]\nfolder = \"{}\"\n", at("var/journal"));
    fs::write(at("sokutou.toml"), good).unwrap();
    let own = rcgen::generate_simple_self_signed(["press-3".to_owned()]).unwrap();
    fs::write(at("pem"), own.cert.pem()).unwrap();
    fs::write(at("key"), own.signing_key.serialize_pem()).unwrap();
    fs::write(at("password"), "hunter2\n").unwrap();
    for secret in ["key", "password"] {
        fs::set_permissions(at(secret), fs::Permissions::from_mode(0o600)).unwrap();
    }
    let set = |key: &str, name: &str| format!("{key}={}", at(name));
    let check = |name: &str, texts: &[String]| {
        states(folder.path(), name, &texts.iter().map(String::as_str).collect::<Vec<_>>())
    };
    let plain = |texts: &[&str]| texts.iter().map(|&text| text.to_owned()).collect::<Vec<_>>();

    assert_eq!(check("configuration", &[]), ["OK"]);
    assert_eq!(check("gateway.name", &[]), ["OK"]);
    assert_eq!(check("gateway.name", &plain(&["gateway.name=gateway"])), ["WARN"]);
    assert_eq!(check("student.bundle", &[]), ["OK"]);
    assert_eq!(check("student.bundle", &[set("student.bundle", "nothing")]), ["FAIL"]);
    assert_eq!(check("student.task", &plain(&["student.task=machine-failure"])), Vec::<String>::new());
    assert_eq!(check("student.task", &plain(&["student.task=weather"])), ["FAIL"]);
    assert_eq!(check("serial task", &plain(&["serial=[{path='/dev/x',task='weather'}]"])), ["FAIL"]);

    assert_eq!(check("mqtt.password_file", &[set("mqtt.password_file", "password")]), ["OK"]);
    assert_eq!(check("mqtt.password_file", &[set("mqtt.password_file", "nothing")]), ["FAIL"]);
    assert_eq!(check("mqtt.password_file", &plain(&["mqtt.password_file=credential:x"])), ["WARN"]);
    let tls = [
        set("mqtt.tls.ca_file", "pem"),
        set("mqtt.tls.client_cert_file", "pem"),
        set("mqtt.tls.client_key_file", "key"),
    ];
    for key in ["mqtt.tls.ca_file", "mqtt.tls.client_cert_file", "mqtt.tls.client_key_file"] {
        assert_eq!(check(key, &tls), ["OK"]);
        assert_eq!(check(key, &[&tls[..], &[set(key, "password")]].concat()), ["FAIL"], "no PEM");
        assert_eq!(check(key, &[&tls[..], &[set(key, "nothing")]].concat()), ["FAIL"]);
    }
    assert_eq!(check("mqtt.port", &tls), ["WARN"], "the port without TLS");
    assert_eq!(check("mqtt.tls.ca_file", &[set("mqtt.tls.ca_file", "key")]), ["FAIL"], "a key in its place");
    let other = rcgen::KeyPair::generate().unwrap();
    fs::write(at("key"), other.serialize_pem()).unwrap();
    assert_eq!(check("mqtt.tls.client_key_file", &tls), ["FAIL"], "it belongs to another certificate");

    assert_eq!(check("serial", &[set("serial.0.path", "nothing")]), ["WARN"]);
    assert_eq!(check("serial", &plain(&["serial.0.path=/dev/null"])), ["WARN"], "no stable name");
    assert_eq!(check("journal.folder", &[]), ["OK"]);
    assert!(!Path::new(&at("var")).exists(), "a check makes no folder");
    assert_eq!(check("journal.folder", &[set("journal.folder", "password/journal")]), ["FAIL"]);

    fs::set_permissions(at("password"), fs::Permissions::from_mode(0o644)).unwrap();
    assert_eq!(check("mqtt.password_file", &[set("mqtt.password_file", "password")]), ["OK", "WARN"]);
    let open = plain(&["http.listen=0.0.0.0:8620"]);
    let open = [&open[..], &[set("http.token_file", "password")]].concat();
    assert_eq!((check("http.listen", &open), check("http.hosts", &open)), (plain(&["WARN", "OK"]), plain(&["WARN"])));
    let (_, said) = config(folder.path(), &["check", "--set", &set("mqtt.password_file", "password")]);
    assert!(said.contains(&format!("hint: chmod 600 {}", at("password"))) && !said.contains("hunter2"), "{said}");
    let left = fs::read_dir(folder.path()).unwrap().count();
    assert_eq!(left, 4, "the probe of a folder is taken away");
}
