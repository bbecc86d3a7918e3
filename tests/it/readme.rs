//! README.md and the pages in src/docs, kept true: every `sh` block runs as it stands and prints what the page says,
//! lines are short, links lead to a file.
//!
//! How a block is marked, behind the three backticks:
//!
//! | mark | what the test does |
//! |---|---|
//! | `sh` | runs it in bash, in a folder that it shares with the other blocks of its page; any failure in it fails |
//! | `sh terminals` | starts each command in a terminal of its own, in order, each when the one before is ready |
//! | `sh no-test` | leaves it out: it needs a device, root, the network or an idle machine, and the page says which |
//! | `text output`, `json output` | compares it with what the block before printed; a line `...` stands for any lines |
//!
//! What is substituted, all of it:
//!
//! - `cargo run --release --` and `sokutou` run the binary under test; `mosquitto` is found in /usr/sbin too;
//! - port 1883 of the broker and port 8620 of HTTP are free ports of this machine, in a block's text and as the defaults
//!   of `sokutou` and of mosquitto's clients;
//! - the folder is an empty one with links to the repository's `models`, `tests`, `cross` and `src`;
//! - where a block does not say otherwise, the gateway's name is press-3 and its journal lies in that folder;
//! - questions do not expire, so that a slow machine answers too.
//!
//! White space, times, dates and the exact confidence are not compared: they differ from machine to machine.

use std::fs::{self, File};
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

use crate::support::shipped;

/// For a block, and for what it prints. Nothing waits that long unless it fails.
const PATIENCE: Duration = Duration::from_secs(300);
const LINE_CHARS_MAX: usize = 120;
const README_LINES_MAX: usize = 150;
/// Whoever runs these tests needs them; README names them beside its test command.
const PACKAGES: &str = "apt-get install mosquitto mosquitto-clients socat curl";

fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// A fenced block: its mark, its text and the line where it begins.
struct Block {
    mark: String,
    text: String,
    line: usize,
}

fn blocks(page: &str) -> Vec<Block> {
    let mut found = Vec::new();
    let mut open: Option<Block> = None;
    for (number, line) in page.lines().enumerate() {
        match (&mut open, line.strip_prefix("```")) {
            (None, Some(mark)) => {
                open = Some(Block { mark: mark.to_owned(), text: String::new(), line: number + 1 });
            }
            (Some(_), Some(_)) => found.extend(open.take()),
            (Some(block), None) => block.text += &format!("{line}\n"),
            (None, None) => {}
        }
    }
    assert!(open.is_none(), "a block is not closed");
    found
}

/// A program of the machine; the folders of root are looked into as well.
fn program(name: &str) -> PathBuf {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut folders = std::env::split_paths(&path).chain([PathBuf::from("/usr/sbin")]).map(|at| at.join(name));
    folders.find(|path| path.exists()).unwrap_or_else(|| panic!("{name} is missing: {PACKAGES}"))
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// Where a page's blocks run.
struct Machine {
    folder: TempDir,
    mqtt: u16,
    http: u16,
    running: Vec<Running>,
}

/// A block or a command, in a process group of its own, which ends with this.
struct Running {
    child: Child,
    output: PathBuf,
}

impl Running {
    fn output(&self) -> String {
        String::from_utf8_lossy(&fs::read(&self.output).unwrap_or_default()).into_owned()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let group = format!("-{}", self.child.id()); // gone already, where nothing of it was left running
        let _ = Command::new("kill").args(["-KILL", "--", &group]).stderr(Stdio::null()).status();
        let _ = self.child.wait();
    }
}

impl Machine {
    fn new() -> Self {
        let folder = TempDir::new().unwrap();
        for name in ["models", "tests", "cross", "src"] {
            symlink(repository().join(name), folder.path().join(name)).unwrap();
        }
        fs::create_dir(folder.path().join("target")).unwrap();
        let machine = Self { folder, mqtt: free_port(), http: free_port(), running: Vec::new() };
        fs::create_dir(machine.bin()).unwrap();
        let tested = assert_cmd::cargo::cargo_bin!("sokutou");
        let tested = tested.display();
        machine.shim("sokutou", &format!("exec '{tested}' \"$@\""));
        machine.shim(
            "cargo",
            &format!(
                "case \"$*\" in 'run --release -- '*) shift 3 && exec '{tested}' \"$@\" ;; esac\n\
                 echo \"cargo $*: no command of a page's block\" >&2 && exit 101"
            ),
        );
        machine.shim("mosquitto", &format!("exec {} \"$@\"", program("mosquitto").display()));
        for client in ["mosquitto_rr", "mosquitto_pub", "mosquitto_sub"] {
            machine.shim(client, &format!("exec {} -p {} \"$@\"", program(client).display(), machine.mqtt));
        }
        for used in ["socat", "curl"] {
            program(used);
        }
        machine
    }

    fn bin(&self) -> PathBuf {
        self.folder.path().join("bin")
    }

    fn shim(&self, name: &str, script: &str) {
        let path = self.bin().join(name);
        fs::write(&path, format!("#!/bin/bash\n{script}\n")).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    }

    fn start(&self, script: &str, output: &str) -> Running {
        let script = script
            .replace("-p 1883", &format!("-p {}", self.mqtt))
            .replace("127.0.0.1:8620", &format!("127.0.0.1:{}", self.http));
        let output = self.folder.path().join(output);
        let file = File::create(&output).unwrap();
        let path = std::env::var("PATH").unwrap_or_default();
        let mut bash = Command::new("bash");
        for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("SOKUTOU_")) {
            bash.env_remove(name);
        }
        let child = bash
            .args(["-euo", "pipefail", "-c", &script])
            .current_dir(self.folder.path())
            .env_remove("RUST_LOG")
            .env("PATH", format!("{}:{path}", self.bin().display()))
            .env("SOKUTOU_GATEWAY__NAME", "press-3")
            .env("SOKUTOU_JOURNAL__FOLDER", self.folder.path().join("journal"))
            .env("SOKUTOU_MQTT__PORT", self.mqtt.to_string())
            .env("SOKUTOU_HTTP__LISTEN", format!("127.0.0.1:{}", self.http))
            .env("SOKUTOU_LIMITS__DEADLINE_MS", "86400000")
            .stdin(Stdio::null())
            .stdout(file.try_clone().unwrap())
            .stderr(file)
            .process_group(0)
            .spawn()
            .unwrap();
        Running { child, output }
    }

    /// Until a command that stays in its terminal is of use to the next one.
    fn wait_until_ready(&self, command: &str, running: &mut Running) {
        let log = running.output.clone();
        let said = |words: &str| fs::read_to_string(&log).unwrap_or_default().contains(words);
        let is_ready = || {
            if command.starts_with("mosquitto ") {
                TcpStream::connect(("127.0.0.1", self.mqtt)).is_ok()
            } else if command.starts_with("socat ") {
                command.split("link=$PWD/").skip(1).all(|rest| {
                    let link = rest.split([' ', ',']).next().unwrap();
                    self.folder.path().join(link).exists()
                })
            } else {
                is_healthy(self.http) && (!command.contains("serial.0.path") || said("is open"))
            }
        };
        let until = Instant::now() + PATIENCE;
        while !is_ready() {
            let ended = running.child.try_wait().unwrap();
            assert!(ended.is_none() && Instant::now() < until, "not ready: {command}\n{}", running.output());
            thread::sleep(Duration::from_millis(20));
        }
    }

    fn run(&mut self, at: &str, block: &Block, expected: Option<&Block>) {
        let terminals = block.mark == "sh terminals";
        let script = block.text.replace("\\\n", " ");
        let commands: Vec<&str> = if terminals { script.lines().collect() } else { vec![&block.text] };
        for (number, command) in commands.iter().enumerate() {
            let mut running = self.start(command, &format!("output-{}-{number}", block.line));
            let stays = ["mosquitto ", "socat pty", "sokutou serve", "cargo run --release -- serve"];
            if terminals && stays.iter().any(|start| command.starts_with(start)) {
                self.wait_until_ready(command, &mut running);
            } else {
                let until = Instant::now() + PATIENCE;
                let ended = loop {
                    if let Some(ended) = running.child.try_wait().unwrap() {
                        break ended;
                    }
                    assert!(Instant::now() < until, "{at} does not end:\n{command}\n{}", running.output());
                    thread::sleep(Duration::from_millis(20));
                };
                assert!(ended.success(), "{at} ends with {ended}:\n{command}\n{}", running.output());
            }
            self.running.push(running);
        }
        let Some(expected) = expected else { return };
        let printed = self.running.last().unwrap();
        let until = Instant::now() + PATIENCE;
        while !says(&printed.output(), &expected.text) {
            // What a block left running may print still.
            let rubbed = (rubbed(&printed.output()), rubbed(&expected.text));
            let late = printed.output().is_empty() && Instant::now() < until;
            assert!(late, "{at} prints\n{}\nand not\n{}\n{rubbed:#?}", printed.output(), expected.text);
            thread::sleep(Duration::from_millis(20));
        }
    }
}

/// Does `/healthz` say that all is well?
fn is_healthy(port: u16) -> bool {
    let ask = || {
        let mut stream = TcpStream::connect(("127.0.0.1", port))?;
        stream.set_read_timeout(Some(Duration::from_secs(20)))?;
        stream.write_all(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        Ok::<_, std::io::Error>(answer.starts_with("HTTP/1.1 200"))
    };
    ask().unwrap_or(false)
}

/// Do these lines stand there, in this order, and beside `...` no others?
fn says(printed: &str, expected: &str) -> bool {
    let printed = rubbed(printed);
    let parts: Vec<String> = expected.split("...\n").map(rubbed).collect();
    let [first, middle @ .., last] = &parts[..] else { return printed == parts[0] };
    let Some(mut rest) = printed.strip_prefix(first.as_str()).and_then(|rest| rest.strip_suffix(last.as_str())) else {
        return false;
    };
    middle.iter().all(|part| match rest.split_once(part.as_str()) {
        Some((_, after)) => {
            rest = after;
            true
        }
        None => false,
    })
}

/// Without white space, and with `#` for each number that differs from machine to machine: before `ms` and `%`, of the
/// keys of JSON below, the confidence of a serial line; `DATE` for a date with its time.
fn rubbed(text: &str) -> String {
    const KEYS: [&str; 5] = ["_ms\":", "\"confidence\":", "\"strength\":", "\"uptime_s\":", "\"session\":"];
    let text: Vec<char> = text.chars().filter(|c| !c.is_whitespace()).collect();
    let mut rubbed = String::new();
    let mut at = 0;
    while at < text.len() {
        let run = text[at..].iter().take_while(|c| c.is_ascii_digit() || matches!(c, '.')).count();
        let date = text[at..].iter().take_while(|c| c.is_ascii_digit() || "-:TZ.".contains(**c)).count();
        let rest: String = text[at..].iter().skip(run).take(2).collect();
        let of_a_line = rubbed.ends_with(',') && run == 5 && rest.starts_with(',');
        if text[at].is_ascii_digit() && date >= 20 && text[at + date - 1] == 'Z' {
            rubbed += "DATE";
            at += date;
        } else if !text[at].is_ascii_digit() {
            rubbed.push(text[at]);
            at += 1;
        } else if rest == "ms" || rest.starts_with('%') || of_a_line || KEYS.iter().any(|key| rubbed.ends_with(key)) {
            rubbed.push('#');
            at += run;
        } else {
            rubbed.extend(&text[at..at + run]);
            at += run;
        }
    }
    rubbed
}

/// Runs a page's blocks in order; `least` of them must be there.
fn check(page: &str, least: usize) {
    let text = fs::read_to_string(repository().join(page)).unwrap();
    let blocks = blocks(&text);
    let mut machine = Machine::new();
    let mut ran = 0;
    for (number, block) in blocks.iter().enumerate() {
        match block.mark.as_str() {
            "sh" | "sh terminals" => {
                let expected = blocks.get(number + 1).filter(|next| next.mark.ends_with(" output"));
                machine.run(&format!("{page}:{}", block.line), block, expected);
                ran += 1;
            }
            "sh no-test" | "text" | "text output" | "json" | "json output" | "toml" => {}
            other => panic!("{page}:{}: a block marked {other:?}", block.line),
        }
    }
    assert!(ran >= least, "{page}: {ran} blocks ran");
}

#[test]
fn readme_does_what_it_says() {
    check("README.md", 3);
}

#[test]
fn commands_do_what_the_page_says() {
    check("src/docs/commands.md", 6);
}

#[test]
fn answer_json_does_what_the_page_says() {
    check("src/docs/answer_json.md", 1);
}

#[test]
fn mqtt_does_what_the_page_says() {
    check("src/docs/mqtt.md", 4);
}

#[test]
fn http_does_what_the_page_says() {
    check("src/docs/http.md", 3);
}

#[test]
fn serial_lines_do_what_the_page_says() {
    check("src/docs/serial.md", 2);
}

#[test]
fn configuration_does_what_the_page_says() {
    check("src/docs/configuration.md", 1);
}

#[test]
fn reviews_do_what_the_page_says() {
    check("src/docs/reviews.md", 4);
}

#[test]
fn operations_do_what_the_page_says() {
    check("src/docs/operations.md", 3);
}

/// The pages that rustdoc shows, as paths of the repository.
fn docs() -> Vec<PathBuf> {
    let files = fs::read_dir(repository().join("src/docs")).unwrap().map(|entry| entry.unwrap().path());
    files
        .filter(|path| path.extension().is_some_and(|extension| extension == "md"))
        .map(|path| path.strip_prefix(repository()).unwrap().to_owned())
        .collect()
}

#[test]
fn readmes_table_has_the_figures_of_the_shipped_bundle() {
    let readme = fs::read_to_string(repository().join("README.md")).unwrap();
    let manifest = fs::read_to_string(shipped().join("manifest.json")).unwrap();
    let manifest: Value = serde_json::from_str(&manifest).unwrap();
    for task in manifest["tasks"].as_array().unwrap() {
        let id = format!("`{}`", task["id"].as_str().unwrap());
        let row = readme.lines().find(|line| line.starts_with('|') && line.contains(&id));
        let row = row.unwrap_or_else(|| panic!("README's table has no {id}"));
        let first = &task["calibration"]["first"];
        if first["threshold"].as_f64().unwrap() >= 1.0 {
            assert!(row.contains("| never |"), "{row}");
            continue;
        }
        let coverage = first["coverage"].as_f64().unwrap() * 100.0;
        let said = [format!("| {coverage:.1} %"), format!(" {coverage:.0}, "), format!(" {coverage:.0} %")];
        assert!(said.iter().any(|said| row.contains(said)), "{id} answers {coverage} %: {row}");
        let errors = first["errors"].as_u64().unwrap();
        let said = [format!(" {errors} of "), format!(" {errors}, "), format!(" {errors} |")];
        assert!(said.iter().any(|said| row.contains(said)), "{id} has {errors} errors: {row}");
    }
}

/// Every page whose lines and links are looked at.
fn pages() -> Vec<PathBuf> {
    let mut pages = docs();
    pages.extend(["README.md", "benches/README.md", "cross/README.md"].map(PathBuf::from));
    pages
}

/// A page with blocks that no test above runs, or that rustdoc does not show, is found here.
#[test]
fn every_page_is_shown_and_run() {
    let shown = fs::read_to_string(repository().join("src/docs/mod.rs")).unwrap();
    let run = fs::read_to_string(repository().join("tests/it/readme.rs")).unwrap();
    for page in docs() {
        let name = page.file_name().unwrap().to_str().unwrap();
        assert!(shown.contains(&format!("\"{name}\")")), "src/docs/mod.rs does not include {name}");
        let text = fs::read_to_string(repository().join(&page)).unwrap();
        let to_run = blocks(&text).iter().any(|block| matches!(block.mark.as_str(), "sh" | "sh terminals"));
        let path = page.display();
        assert!(!to_run || run.contains(&format!("check(\"{path}\"")), "no test runs {path}");
    }
}

#[test]
fn lines_of_markdown_are_short() {
    for page in pages() {
        let text = fs::read_to_string(repository().join(&page)).unwrap();
        for (number, line) in text.lines().enumerate() {
            let chars = line.chars().count();
            assert!(chars <= LINE_CHARS_MAX, "{}:{}: {chars} characters", page.display(), number + 1);
        }
    }
    let readme = fs::read_to_string(repository().join("README.md")).unwrap().lines().count();
    assert!(readme <= README_LINES_MAX, "README.md has {readme} lines");
}

#[test]
fn links_of_markdown_lead_to_a_file() {
    let mut links = 0;
    for page in pages() {
        let text = fs::read_to_string(repository().join(&page)).unwrap();
        let inline = text.split("](").skip(1).filter_map(|rest| rest.split_once(')').map(|(link, _)| link));
        let defined = text.lines().filter_map(|line| line.strip_prefix('[')?.split_once("]: ").map(|(_, link)| link));
        for link in inline.chain(defined).filter(|link| !link.starts_with("http") && !link.starts_with('#')) {
            let target = repository().join(&page).parent().unwrap().join(link.split('#').next().unwrap());
            assert!(target.exists(), "{}: {link} leads nowhere", page.display());
            links += 1;
        }
    }
    assert!(links > 10, "{links} links");
}
