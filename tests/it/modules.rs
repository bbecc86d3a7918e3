//! The table of modules in `src/lib.rs`, held against the code: which module may use which. A scan of the text, up to each file's
//! tests. `wire` is a crate of its own, so the compiler sees to it.

use std::fs;
use std::path::{Path, PathBuf};

/// A library's name, and the only files that may say it.
const ONLY_IN: [(&str, &[&str]); 11] = [
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
    ("statrs::", &["evaluation/score.rs"]),
    (
        "axum::",
        &[
            "transport/http/guard.rs",
            "transport/http/openapi.rs",
            "transport/http/routes.rs",
            "transport/http/server.rs",
        ],
    ),
    ("prometheus_client::", &["gateway/metrics.rs"]),
    ("ureq::", &["cli/review_client.rs"]),
    ("println!", &[]),
];

fn sources(folder: &Path, into: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, into);
        } else if path.extension().is_some_and(|kind| kind == "rs")
            && path.file_name().is_some_and(|name| name != "fake.rs")
        {
            into.push(path);
        }
    }
}

/// Each module of the table with those that it may use; `None` for all.
fn table(map: &str) -> Vec<(String, Option<Vec<String>>)> {
    let rows = map.lines().filter_map(|line| line.strip_prefix("//! | [`"));
    let row = |row: &str| {
        let name = row.split('`').next().unwrap().trim_start_matches("mod@").to_owned();
        let uses = row.rsplit('|').nth(1).unwrap().trim();
        let uses = match uses {
            "all" => None,
            "nothing" => Some(Vec::new()),
            uses => Some(uses.split(", ").map(str::to_owned).collect()),
        };
        (name, uses)
    };
    rows.map(row).collect()
}

#[test]
fn modules_use_only_what_the_map_says() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let map = fs::read_to_string(src.join("lib.rs")).unwrap();
    let table = table(&map);
    for line in map.lines().filter_map(|line| line.strip_prefix("pub mod ")) {
        let module = line.trim_end_matches(';');
        assert!(table.iter().any(|(name, _)| name == module), "{module} is not in the table of src/lib.rs");
    }
    let mut files = Vec::new();
    sources(&src, &mut files);
    assert!(files.len() > 15);
    for file in files {
        let name = file.strip_prefix(&src).unwrap().to_str().unwrap().to_owned();
        let module = name.split(['/', '.']).next().unwrap();
        if matches!(module, "wire" | "main" | "lib") {
            continue;
        }
        let text = fs::read_to_string(&file).unwrap();
        let code = text.split("#[cfg(test)]\nmod tests").next().unwrap();
        let (_, uses) =
            table.iter().find(|(of, _)| of == module).unwrap_or_else(|| panic!("{module} is not in the table"));
        for line in code.lines().filter(|line| !line.trim_start().starts_with("//")) {
            for (library, allowed) in ONLY_IN {
                let named = line
                    .match_indices(library)
                    .any(|(at, _)| !line[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_'));
                assert!(!named || allowed.contains(&name.as_str()), "{name} names {library}: {line}");
            }
            for (at, _) in line.match_indices("crate::") {
                let used: String =
                    line[at + "crate::".len()..].chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
                assert!(!used.is_empty(), "{name}: name one module a line, not {line}");
                let known = table.iter().any(|(name, _)| *name == used); // a constant of the root is no module
                let may = uses.as_ref().is_none_or(|uses| uses.contains(&used)) || used == module || !known;
                assert!(may, "{name} may not use {used}; see the table in src/lib.rs");
            }
        }
    }
}
