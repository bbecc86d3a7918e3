//! Bundles that are missing, corrupted or packed wrongly: each names the file, what was expected and what was found.

use std::fs;

use serde_json::json;

use crate::support::{Copy, failing, shipped, sokutou, student};

#[test]
fn the_shipped_student_keeps_its_golden_promises() {
    let output = sokutou().args(["bundle", "verify"]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    let output = sokutou().args(["bundle", "info", "--json"]).output().unwrap();
    let info: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(info["student"], student());
    assert!(info["bytes"].as_u64().unwrap() <= 24 << 20, "the bundle's budget is 12 MiB for each of its two graphs");
}

#[test]
fn a_missing_folder_or_file_is_named() {
    let (exit, said) = failing(sokutou().args(["ask", "hello", "--bundle", "/nowhere"]));
    assert_eq!(exit, 4);
    assert!(said.contains("failed to read /nowhere/manifest.json"), "{said}");
    for file in ["model.onnx", "tokenizer.json", "golden.jsonl", "card.md", "manifest.json"] {
        let copy = Copy::new();
        fs::remove_file(copy.path().join(file)).unwrap();
        let (exit, said) = copy.refused();
        assert_eq!(exit, 4, "{said}");
        assert!(said.contains(&format!("{file}: No such file")), "{said}");
    }
}

#[test]
fn a_changed_or_truncated_file_is_named_with_both_sides() {
    let copy = Copy::new();
    copy.edit("model.onnx", |mut bytes| {
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        bytes
    });
    let (exit, said) = copy.refused();
    assert_eq!(exit, 4);
    assert!(said.contains("model.onnx: expected sha256") && said.contains(", found "), "{said}");

    let copy = Copy::new();
    copy.edit("tokenizer.json", |mut bytes| {
        bytes.truncate(1000);
        bytes
    });
    let (exit, said) = copy.refused();
    assert_eq!(exit, 4);
    assert!(said.contains("tokenizer.json: expected") && said.contains("bytes, found 1000"), "{said}");
}

#[test]
fn a_manifest_that_contradicts_itself_or_this_runtime_is_refused() {
    type Change = fn(&mut serde_json::Value);
    let cases: [(Change, &str); 19] = [
        (|m| m["format"] = json!(5), "expected a bundle of format 4 or older, found 5: update sokutou"),
        (to_format_1, "expected a bundle of format 3 or newer, found 1: pack the model again"),
        (|m| m["minimum_runtime"] = json!("9.0.0"), "expected a runtime of at least 9.0.0"),
        (|m| m["surprise"] = json!(1), "unknown field `surprise`"),
        (|m| m["files"]["../../etc/passwd"] = json!({"bytes": 1, "sha256": ""}), "expected plain file names"),
        (|m| drop(m["files"].as_object_mut().unwrap().remove("card.md")), "expected card.md among the files"),
        (|m| m["graph"]["layers"] = json!(0), "expected graph.layers between 1 and 128, got 0"),
        (|m| m["graph"]["max_len"] = json!(100_000_000), "expected graph.max_len between"),
        (|m| m["control"]["answer"] = json!(99_999), "expected control.answer between"),
        (|m| m["tasks"] = json!([]), "expected the number of tasks between 1 and 32, got 0"),
        (|m| m["tasks"][0]["prompt"] = json!("hello"), "expected {question} once in the prompt"),
        (|m| m["tasks"][1]["graph"] = json!("absent.onnx"), "its graph \"absent.onnx\" among the files, it is missing"),
        (
            |m| m["tasks"][1]["graph"] = json!("card.md"),
            "expected a graph of its own or one that tasks share, got card.md",
        ),
        (|m| drop(m["tasks"][1].as_object_mut().unwrap().remove("graph")), "missing field `graph`"),
        (nine_graphs, "expected the number of graphs between 1 and 8, got 9"),
        (|m| m["tasks"][0]["answers"]["choices"][1]["code"] = json!(0), "comes twice"),
        (|m| m["tasks"][0]["answers"]["choices"][0]["code"] = json!(65535), "to have a code below 65535"),
        (|m| m["tasks"][0]["calibration"]["first"]["temperature"] = json!(0), "temperature above 0"),
        (|m| m["tasks"][0]["question_tokens_max"] = json!(511), "to fit into graph.max_len 512 together"),
    ];
    for (change, says) in cases {
        let copy = Copy::new();
        copy.edit_manifest(change);
        let (exit, said) = copy.refused();
        assert_eq!(exit, 4, "{said}");
        assert!(said.contains(says), "{says} in {said}");
    }
    for garbage in [&b""[..], b"{", b"\xff\xfe", &b" ".repeat(2 << 20)] {
        let copy = Copy::new();
        copy.edit("manifest.json", |_| garbage.to_vec());
        let (exit, said) = copy.refused();
        assert_eq!(exit, 4, "{said}");
        assert!(said.contains("manifest.json"), "{said}");
    }
}

/// More of them than a box should hold; that the files are not there is found later.
fn nine_graphs(manifest: &mut serde_json::Value) {
    for number in 0..9 {
        let (mut task, name) = (manifest["tasks"][0].clone(), format!("{number}.onnx"));
        (task["id"], task["graph"]) = (json!(format!("task-{number}")), json!(name));
        manifest["tasks"].as_array_mut().unwrap().push(task);
        manifest["files"][name] = json!({"bytes": 1, "sha256": ""});
    }
    manifest["tasks"] = json!(manifest["tasks"].as_array().unwrap().iter().rev().take(9).collect::<Vec<_>>());
}

/// As the workshop wrote it before bundles had several tasks.
fn to_format_1(manifest: &mut serde_json::Value) {
    manifest["format"] = json!(1);
    let mut answers = manifest["tasks"][0].as_object_mut().unwrap().remove("answers").unwrap();
    manifest["tasks"][0]["choices"] = answers["choices"].take();
}

#[test]
fn parts_that_do_not_fit_each_other_are_refused_though_their_digests_fit() {
    let copy = Copy::new();
    copy.repack("tokenizer.json", |bytes| {
        let mut tokenizer: serde_json::Value = serde_json::from_slice(&bytes).unwrap();
        tokenizer["model"]["vocab"]["zebra"] = json!(tokenizer["model"]["vocab"].as_object().unwrap().len());
        serde_json::to_vec(&tokenizer).unwrap()
    });
    let (exit, said) = copy.refused();
    assert_eq!(exit, 4);
    assert!(said.contains("expected a tokenizer with 2560 tokens, as the graph has, found 2561"), "{said}");

    let copy = Copy::new();
    copy.repack("tokenizer.json", |bytes| {
        let mut tokenizer: serde_json::Value = serde_json::from_slice(&bytes).unwrap();
        let last = tokenizer["model"]["vocab"].as_object_mut().unwrap().values_mut().find(|id| **id == json!(2559));
        *last.unwrap() = json!(99_999);
        serde_json::to_vec(&tokenizer).unwrap()
    });
    let (exit, said) = copy.refused();
    assert_eq!(exit, 4);
    assert!(said.contains("tokenizer.json does not fit"), "{said}");

    let copy = Copy::new();
    copy.edit_manifest(|manifest| manifest["control"]["why"] = manifest["control"]["end"].clone());
    let (_, said) = copy.refused();
    assert!(said.contains("<|why|> as token"), "{said}");

    let copy = Copy::new();
    copy.edit_manifest(|manifest| manifest["graph"]["kv_heads"] = json!(7));
    let (exit, said) = copy.refused();
    assert_eq!(exit, 4);
    assert!(said.contains("input past_key_values.0.key of shape [1, 7, "), "{said}");

    for (file, garbage) in [("model.onnx", &b"no graph"[..]), ("tokenizer.json", b"{}"), ("model-5.onnx", b"")] {
        let copy = Copy::new();
        copy.repack(file, |_| garbage.to_vec());
        let (exit, said) = copy.refused();
        assert_eq!(exit, 4, "{said}");
        assert!(said.contains(&format!("{file} does not fit")), "{said}");
    }
}

#[test]
fn golden_questions_are_checked_in_form_and_in_deed() {
    for (golden, says) in [
        (&b""[..], "expected at least one golden question"),
        (b"{}\n", "line 1: missing field"),
        (b"\xff\n", "expected UTF-8"),
        (
            br#"{"id":"a","task":"machine-failure","question":"x","code":77,"decision":"answered","mode":"answer_first","confidence":0.9}"#,
            "line 1: expected a code of the answer set of task machine-failure, got 77",
        ),
    ] {
        let copy = Copy::new();
        copy.repack("golden.jsonl", |_| golden.to_vec());
        let (exit, said) = copy.refused();
        assert_eq!(exit, 4);
        assert!(said.contains("golden.jsonl") && said.contains(says), "{says} in {said}");
    }
    let copy = Copy::of_one_task();
    copy.repack("golden.jsonl", |_| {
        br#"{"id":"a","task":"machine-failure","question":"hello","code":0,"decision":"answered","mode":"answer_first","confidence":0.9}"#
            .to_vec()
    });
    for command in [&["bundle", "verify"][..], &["doctor"]] {
        let output = sokutou().args(command).arg("--bundle").arg(copy.path()).output().unwrap();
        assert_eq!(output.status.code(), Some(7));
        let said = String::from_utf8(output.stdout).unwrap();
        assert!(said.contains("FAIL") && said.contains("a: expected 0 Answered AnswerFirst 0.9000, found"), "{said}");
    }
}

#[test]
fn the_environment_can_name_the_student() {
    let output = sokutou().args(["bundle", "info"]).env("SOKUTOU_BUNDLE", shipped()).output().unwrap();
    assert!(output.status.success());
    let (exit, said) = failing(sokutou().args(["bundle", "info"]).env("SOKUTOU_BUNDLE", "/nowhere"));
    assert_eq!(exit, 4, "{said}");
}
