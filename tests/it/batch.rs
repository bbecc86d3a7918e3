//! `sokutou ask --batch`: order, ids, and lines that are no questions.

use std::fs;

use serde_json::{Value, json};
use tempfile::NamedTempFile;

use crate::support::{NO_FAILURE_EN, NO_FAILURE_JA, failing, sokutou};

fn batch(bytes: &[u8], more: &[&str]) -> (i32, Vec<Value>) {
    let file = NamedTempFile::new().unwrap();
    fs::write(file.path(), bytes).unwrap();
    let output = sokutou().args(["ask", "--batch"]).arg(file.path()).args(more).output().unwrap();
    assert!(
        output.stderr.is_empty(),
        "no progress bar away from a terminal: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    let text = String::from_utf8(output.stdout).unwrap();
    (output.status.code().unwrap(), text.lines().map(|line| serde_json::from_str(line).unwrap()).collect())
}

#[test]
fn answers_come_in_order_with_their_ids_and_fields() {
    let lines = [
        json!({"id": "a", "question": NO_FAILURE_EN}),
        json!({"id": 2, "question": NO_FAILURE_JA}),
        json!({"question": "What is the capital of France?"}),
    ];
    let text: String = lines.iter().map(|line| format!("{line}\r\n")).collect();
    let (exit, replies) = batch(text.as_bytes(), &[]);
    assert_eq!((exit, replies.len()), (0, 3));
    assert_eq!((&replies[0]["id"], &replies[1]["id"], replies[2].get("id")), (&json!("a"), &json!(2), None));
    assert_eq!(replies[0]["answer"], "no failure");
    assert_eq!(replies[1]["answer"], "故障なし");
    assert_eq!(replies[2]["decision"], "escalated");
    for reply in &replies {
        for field in
            ["answer", "code", "confidence", "band", "decision", "mode", "tokens", "time_to_answer_ms", "student"]
        {
            assert!(reply.get(field).is_some(), "{field} in {reply}");
        }
        assert!(reply.get("rationale").is_none(), "a rationale only on demand");
    }
    let (_, replies) = batch(text.as_bytes(), &["--explain"]);
    assert!(replies.iter().all(|reply| reply["rationale"].is_string()));
}

#[test]
fn a_line_that_is_no_question_says_so_in_its_place_and_the_rest_goes_on() {
    let mut bytes = Vec::new();
    for line in [
        &b"not json"[..],
        b"{\"id\": 1}",
        b"",
        b"{\"id\": 2, \"question\": \"\"}",
        b"{\"id\": 3, \"question\": \"\xff\"}",
        &[&b"{\"question\": \""[..], &b"x".repeat(300_000), b"\"}"].concat(),
        &[&b"{\"id\": 4, \"question\": \""[..], &b"x".repeat(100_000), b"\"}"].concat(),
        json!({"id": 5, "question": NO_FAILURE_EN}).to_string().as_bytes(),
    ] {
        bytes.extend(line);
        bytes.push(b'\n');
    }
    let (exit, replies) = batch(&bytes, &[]);
    assert_eq!((exit, replies.len()), (3, 7), "an empty line is no line");
    let lines: Vec<_> = replies[..6].iter().map(|reply| reply["line"].as_u64().unwrap()).collect();
    assert_eq!(lines, [1, 2, 4, 5, 6, 7]);
    for (reply, says) in
        replies.iter().zip(["expected", "missing field", "is empty", "UTF-8", "a line of at most", "at most 16384"])
    {
        assert!(reply["error"].as_str().unwrap().contains(says), "{says} in {reply}");
    }
    assert_eq!(replies[2]["id"], 2);
    assert_eq!((&replies[6]["id"], &replies[6]["code"]), (&json!(5), &json!(0)));
}

#[test]
fn an_id_comes_back_as_it_came() {
    let ids = ["12345678901234567890123", "1.50", "-0.0", "1e400", "\"\\u6e29\"", "[1.0, {\"a\":2}]"];
    let questions = ids.map(|id| format!("{{\"id\": {id}, \"question\": \"{NO_FAILURE_EN}\"}}\r\n"));
    let file = NamedTempFile::new().unwrap();
    let refused = ids.map(|id| format!("{{\"id\": {id}, \"question\": []}}\n"));
    fs::write(file.path(), format!("\u{feff}{}{}", questions.concat(), refused.concat())).unwrap();
    let output = sokutou().args(["ask", "--batch"]).arg(file.path()).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!((output.status.code(), text.lines().count()), (Some(3), 2 * ids.len()));
    for (line, id) in text.lines().zip(ids.iter().chain(&ids)) {
        assert!(line.starts_with(&format!("{{\"id\":{id},")), "{id}: {line}");
    }
    assert!(text.lines().next().unwrap().contains("\"answer\":\"no failure\""), "behind the byte order mark");
}

#[test]
fn an_object_is_a_question_as_good_as_a_text() {
    let object = r#"{"id": 1, "question": {"type": "M", "lot": 12345678901234567890}}"#;
    let (exit, replies) = batch(format!("{object}\n{{\"question\": 298.1}}\n").as_bytes(), &[]);
    assert_eq!((exit, &replies[0]["id"], &replies[0]["decision"]), (3, &json!(1), &json!("escalated")));
    assert!(replies[1]["error"].as_str().unwrap().contains("as text or as an object, got a number"));
}

#[test]
fn an_empty_file_gives_nothing_and_a_missing_one_is_an_error() {
    assert_eq!(batch(b"", &[]), (0, Vec::new()));
    let (exit, said) = failing(sokutou().args(["ask", "--batch", "/nowhere/questions.jsonl"]));
    assert_eq!(exit, 1);
    assert!(said.contains("failed to read /nowhere/questions.jsonl: No such file"), "{said}");
}
