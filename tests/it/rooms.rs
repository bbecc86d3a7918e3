//! The map in `src/lib.rs`, kept: who may name whom. A crude scan of each room's text up to its tests.

use std::fs;
use std::path::{Path, PathBuf};

/// Module, and what of the crate it may name. `crate::cli` is wide and stands for itself; `wire` is another crate, which
/// cannot name this one.
const MAY_NAME: [(&str, &[&str]); 13] = [
    ("bytes", &[]),
    ("domain", &[]),
    ("installed", &[]),
    ("config", &["domain"]),
    ("bundle", &["bytes", "domain", "bundle", "wire::CODE_ASK_A_PERSON"]),
    ("policy", &["domain", "bundle::manifest"]),
    ("engine", &["domain", "installed", "bundle"]),
    ("pipeline", &["domain", "engine", "policy"]),
    ("store", &["domain"]),
    ("api", &["domain", "bundle", "store", "wire"]),
    ("transport", &["domain", "wire", "config", "api"]),
    ("gateway", &["domain", "config", "bundle", "engine", "policy", "pipeline", "store", "api", "transport", "wire"]),
    ("bench", &["domain", "bundle", "engine", "policy", "pipeline"]),
];

/// A library's name, and the only files that may say it.
const ONLY_IN: [(&str, &[&str]); 8] = [
    ("ort::", &["engine/library.rs", "engine/session.rs"]),
    ("prost::", &["engine/matmul.rs"]),
    ("tokenizers::", &["engine/tokenizer.rs"]),
    ("serial2::", &["transport/serial/port.rs"]),
    ("toml::", &["config/layers.rs", "config/mod.rs", "config/reader.rs", "cli/config.rs"]),
    (
        "rusqlite::",
        &[
            "store/batch.rs",
            "store/budget.rs",
            "store/export.rs",
            "store/journal.rs",
            "store/mod.rs",
            "store/query.rs",
            "store/schema.rs",
        ],
    ),
    (
        "axum::",
        &[
            "transport/http/guard.rs",
            "transport/http/openapi.rs",
            "transport/http/routes.rs",
            "transport/http/server.rs",
        ],
    ),
    ("println!", &[]),
];

fn sources(folder: &Path, into: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, into);
        } else if path.file_name().is_some_and(|name| name != "fake.rs") {
            into.push(path);
        }
    }
}

#[test]
fn rooms_name_only_the_rooms_below_them() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    sources(&src, &mut files);
    assert!(files.len() > 15);
    for file in files {
        let name = file.strip_prefix(&src).unwrap().to_str().unwrap().to_owned();
        let text = fs::read_to_string(&file).unwrap();
        let code: Vec<&str> = text
            .split("#[cfg(test)]\nmod tests")
            .next()
            .unwrap()
            .lines()
            .filter(|line| !line.trim_start().starts_with("//"))
            .collect();
        let room = name.split(['/', '.']).next().unwrap();
        for line in &code {
            for (library, allowed) in ONLY_IN {
                let said = line
                    .match_indices(library)
                    .any(|(at, _)| !line[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_'));
                assert!(!said || allowed.contains(&name.as_str()), "{name} names {library}: {line}");
            }
            let Some((_, may_name)) = MAY_NAME.iter().find(|(of, _)| *of == room) else { continue };
            for (at, _) in line.match_indices("crate::") {
                let named = &line[at + "crate::".len()..];
                assert!(may_name.iter().any(|room| named.starts_with(room)), "{name} may not name {named}");
            }
        }
    }
}
