//! A bundle of several tasks: which one is asked, what free text looks like from outside, and what its files must agree on.
//!
//! The shipped student with its first task stands in for one of two tasks: `in-words` takes its answers as free text. At once it
//! writes on and on, since it never learned to close an answer there; after thinking it closes its answer by `<|end|>`, as it was
//! taught.

use serde_json::{Value, json};

use crate::support::{Copy, NO_FAILURE_EN, NO_FAILURE_JA, ask, failing, sokutou};

/// The shipped student's first task and a second one, and golden questions of both.
fn two_tasks() -> Copy {
    let copy = Copy::of_one_task();
    copy.edit_manifest(|manifest| {
        let mut task = manifest["tasks"][0].clone();
        task["id"] = json!("in-words");
        task["title"] = json!({"en": "Failure in words", "ja": "故障を言葉で"});
        task["answers"] = json!({"free": {"tokens_max": 4}});
        task["rationale_tokens_max"] = json!(384);
        task["calibration"]["think"]["threshold"] = json!(0.5);
        manifest["tasks"].as_array_mut().unwrap().push(task);
    });
    golden(&copy, &[golden_in_words("OK")]);
    copy
}

fn golden_in_words(answer: &str) -> Value {
    json!({"id": "w", "task": "in-words", "question": NO_FAILURE_EN, "answer": answer, "decision": "answered",
           "mode": "think_first", "confidence": 1.0})
}

/// Appends golden questions to the shipped ones.
fn golden(copy: &Copy, more: &[Value]) {
    copy.repack("golden.jsonl", |mut lines| {
        lines.extend(more.iter().flat_map(|line| format!("{line}\n").into_bytes()));
        lines
    });
}

fn refused(copy: &Copy) -> String {
    let (exit, said) = copy.refused();
    assert_eq!(exit, 4, "{said}");
    said
}

#[test]
fn the_first_task_is_asked_unless_another_is_named() {
    let copy = two_tasks();
    let bundle = copy.path().to_str().unwrap();
    let (exit, reply) = ask(NO_FAILURE_EN, &["--bundle", bundle]);
    assert_eq!((exit, &reply["task"], &reply["code"]), (0, &json!("machine-failure"), &json!(0)));
    let (exit, reply) = ask(NO_FAILURE_EN, &["--bundle", bundle, "--task", "in-words", "--explain"]);
    assert_eq!((exit, &reply["task"], &reply["answer"]), (0, &json!("in-words"), &json!("OK")));
    assert_eq!(reply.get("code"), Some(&Value::Null), "free text has no code, and says so");
    assert_eq!((&reply["mode"], &reply["agreement"]["agrees"]), (&json!("think_first"), &json!(true)));
    assert!(reply["confidence"].as_f64().unwrap() > 0.9);
}

#[test]
fn no_free_answer_is_escalated_with_nothing_to_explain() {
    let copy = two_tasks();
    let (exit, reply) = ask(
        NO_FAILURE_EN,
        &["--bundle", copy.path().to_str().unwrap(), "--task", "in-words", "--think", "never", "--explain"],
    );
    assert_eq!((exit, &reply["reason"], &reply["code"]), (10, &json!("no_answer"), &json!(65535)));
    assert_eq!((reply.get("guess"), reply.get("rationale")), (None, None));
    for (question, says) in [
        (NO_FAILURE_EN, ["ask a person — the model wrote no answer\n", "rationale: none, because there is no answer"]),
        (
            NO_FAILURE_JA,
            ["人に確認してください — モデルは答えを出せませんでした\n", "答えがないため、理由もありません"],
        ),
    ] {
        let args = ["ask", "--task", "in-words", "--think", "never", "--explain", question, "--bundle"];
        let output = sokutou().args(args).arg(copy.path()).output().unwrap();
        let said = String::from_utf8(output.stdout).unwrap();
        for says in says {
            assert!(said.contains(says), "{says} in {said}");
        }
    }
}

#[test]
fn a_question_out_of_scope_is_told_of_the_other_tasks() {
    let (copy, alone) = (two_tasks(), Copy::of_one_task());
    let asked = |question: &str, bundle: &Copy| {
        let output = sokutou().args(["ask", question, "--bundle"]).arg(bundle.path()).output().unwrap();
        assert_eq!(output.status.code(), Some(10));
        String::from_utf8(output.stdout).unwrap()
    };
    for (question, hint) in [
        (
            "What is the capital of France?",
            "\n  hint: asked as task machine-failure; choose another with --task: in-words\n",
        ),
        (
            "今日の昼ごはんは何ですか？",
            "\n  ヒント: タスク machine-failure として質問しました。他のタスクは --task で指定: in-words\n",
        ),
    ] {
        let said = asked(question, &copy);
        assert!(said.contains(hint), "{hint} in {said}");
        assert!(!asked(question, &alone).contains("--task"), "a single task needs no hint");
    }
}

#[test]
fn an_unknown_task_is_an_error_that_lists_the_known_ones() {
    let copy = two_tasks();
    let says = "this model has no task \"weather\", expected one of: machine-failure, in-words";
    for args in [&["ask", "--task", "weather", "hello"][..], &["ask", "--task", "weather", "--batch", "-"]] {
        let (exit, said) = failing(sokutou().args(args).arg("--bundle").arg(copy.path()));
        assert_eq!(exit, 2);
        assert!(said.contains(says), "{said}");
    }
    let lines = [
        json!({"id": 1, "question": NO_FAILURE_EN}),
        json!({"id": 2, "task": "weather", "question": NO_FAILURE_EN}),
        json!({"id": 3, "task": "machine-failure", "question": NO_FAILURE_EN}),
    ];
    let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
    let output = sokutou()
        .args(["ask", "--batch", "-", "--task", "in-words", "--bundle"])
        .arg(copy.path())
        .write_stdin(text)
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(3), "a line could not be answered");
    let replies: Vec<Value> =
        output.stdout.split(|&byte| byte == b'\n').filter_map(|line| serde_json::from_slice(line).ok()).collect();
    assert_eq!((&replies[0]["task"], &replies[0]["answer"]), (&json!("in-words"), &json!("OK")));
    assert_eq!((&replies[1]["id"], &replies[1]["line"], &replies[1]["error"]), (&json!(2), &json!(2), &json!(says)));
    assert_eq!((&replies[2]["task"], &replies[2]["code"]), (&json!("machine-failure"), &json!(0)));
}

#[test]
fn a_question_of_several_lines_is_the_same_from_everywhere() {
    let question = "type=L\nair=299.1\nproc=309.8\nrpm=1400\ntorque=58.0\nwear=198";
    let outcome = |reply: &Value| (reply["code"].clone(), reply["guess"].clone(), reply["confidence"].clone());
    let (_, argument) = ask(question, &[]);
    let output = sokutou().args(["ask", "--json"]).write_stdin(question).output().unwrap();
    let stdin: Value = serde_json::from_slice(&output.stdout).unwrap();
    let line = json!({ "question": question }).to_string();
    let output = sokutou().args(["ask", "--batch", "-"]).write_stdin(line).output().unwrap();
    let batch: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(outcome(&stdin), outcome(&argument));
    assert_eq!(outcome(&batch), outcome(&argument));
}

#[test]
fn the_prompt_template_is_what_the_student_reads() {
    // A template counts with the question.
    let copy = Copy::new();
    copy.edit_manifest(|manifest| {
        manifest["tasks"][0]["prompt"] = json!(format!("{} {{question}}", "torque ".repeat(130)));
    });
    let (exit, said) = copy.refused();
    assert_eq!(exit, 3);
    assert!(said.contains("tokens with its prompt, this model reads at most 120"), "{said}");
    // Half a question in the template, the other half asked: the whole is answered.
    let (template, rest) = NO_FAILURE_EN.split_at(NO_FAILURE_EN.find("torque").unwrap());
    copy.edit_manifest(|manifest| {
        manifest["tasks"][0]["prompt"] = json!(format!("machine-failure: {template}{{question}}"))
    });
    let (exit, reply) = ask(rest, &["--bundle", copy.path().to_str().unwrap()]);
    let (_, whole) = ask(NO_FAILURE_EN, &[]);
    assert_eq!((exit, &reply["code"], &reply["confidence"]), (0, &json!(0), &whole["confidence"]), "{reply}");
}

#[test]
fn info_lists_the_tasks_with_their_answers_and_risk_bounds() {
    let copy = two_tasks();
    let output = sokutou().args(["bundle", "info", "--bundle"]).arg(copy.path()).output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    for says in [
        "    machine-failure: Machine failure / 機械の故障判定\n      graph: model.onnx\n      questions: at most 120 tokens\n      answers: one of\n          0  no failure / 故障なし\n",
        "    in-words: Failure in words / 故障を言葉で\n      graph: model.onnx\n      questions: at most 120 tokens\n      answers: free text, at most 4 tokens\n      risk bound: at most 2.0 % wrong among auto-answered",
        "think-first: auto-answered from a confidence of 50.0 %",
    ] {
        assert!(said.contains(says), "{says} in {said}");
    }
    copy.edit_manifest(|manifest| manifest["tasks"][1]["calibration"]["think"]["threshold"] = json!(1));
    let output = sokutou().args(["bundle", "info", "--bundle"]).arg(copy.path()).output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(said.contains("think-first: always escalated, because no risk bound could be shown"), "{said}");
    let output = sokutou().args(["bundle", "info", "--json", "--bundle"]).arg(copy.path()).output().unwrap();
    let info: Value = serde_json::from_slice(&output.stdout).unwrap();
    let tasks = info["tasks"].as_array().unwrap();
    assert_eq!(tasks[0]["answers"]["choices"][0], json!([0, "no failure", "故障なし"]));
    assert_eq!((&tasks[1]["id"], &tasks[1]["answers"]), (&json!("in-words"), &json!({"free": {"tokens_max": 4}})));
    for task in tasks {
        assert_eq!((&task["risk"], task["coverage"].is_f64()), (&json!(0.02), true));
        assert_eq!(task["graph"], "model.onnx");
    }
}

/// The shipped student's sensor-modes was taught alone, by a graph of its own; by the others' it would say something else.
#[test]
fn a_task_is_answered_by_the_graph_that_it_names() {
    let copy = Copy::new();
    copy.edit_manifest(|manifest| {
        let tasks = manifest["tasks"].as_array_mut().unwrap();
        let own = tasks.iter_mut().find(|task| task["graph"] != "model.onnx").unwrap();
        assert_eq!(own["id"], "sensor-modes");
        own["graph"] = json!("model.onnx");
    });
    let output = sokutou().args(["bundle", "verify", "--json", "--bundle"]).arg(copy.path()).output().unwrap();
    assert_eq!(output.status.code(), Some(7));
    let verified: Value = serde_json::from_slice(&output.stdout).unwrap();
    let failures = verified["failures"].as_array().unwrap();
    assert!(!failures.is_empty());
    assert!(failures.iter().all(|failure| failure.as_str().unwrap().starts_with("sensor-modes ")), "{failures:?}");
}

#[test]
fn golden_questions_of_every_task_are_asked() {
    let copy = two_tasks();
    let output = sokutou().args(["bundle", "verify", "--bundle"]).arg(copy.path()).output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    let count = copy.golden_questions();
    assert!(
        output.status.success() && said.contains(&format!("{count} of {count} golden questions of 2 tasks")),
        "{said}"
    );
    golden(&copy, &[golden_in_words("HDF")]);
    for command in [&["bundle", "verify"][..], &["doctor"]] {
        let output = sokutou().args(command).arg("--bundle").arg(copy.path()).output().unwrap();
        let said = String::from_utf8(output.stdout).unwrap();
        assert_eq!(output.status.code(), Some(7));
        let says = "in-words w: expected \"HDF\" Answered ThinkFirst 1.0000, found \"OK\" Answered ThinkFirst";
        assert!(said.contains(says), "{says} in {said}");
    }
}

#[test]
fn golden_questions_are_held_against_their_tasks() {
    let with = |field: &str, value: Value| {
        let mut line = golden_in_words("OK");
        line[field] = value;
        line
    };
    for (line, says) in [
        (with("task", json!("weather")), "this model has no task \"weather\", expected one of"),
        (with("task", json!("machine-failure")), "expected `code` and no `answer`, task machine-failure has choices"),
        (with("code", json!(0)), "expected `answer` and no `code`, task in-words takes free text"),
        (with("answer", Value::Null), "expected `answer` and no `code`, task in-words takes free text"),
    ] {
        let copy = two_tasks();
        golden(&copy, &[line]);
        let (said, says) = (refused(&copy), format!("line {}: {says}", copy.golden_questions()));
        assert!(said.contains(&says), "{says} in {said}");
    }
    let copy = two_tasks();
    copy.repack("golden.jsonl", |_| format!("{}\n", golden_in_words("OK")).into_bytes());
    assert!(refused(&copy).contains("expected at least one golden question of task machine-failure, found none"));
}

#[test]
fn tasks_that_contradict_themselves_or_each_other_are_refused_by_name() {
    type Change = fn(&mut Value);
    let cases: [(Change, &str); 13] = [
        (|t| t[1]["id"] = json!("machine-failure"), "expected every task id once, machine-failure comes twice"),
        (|t| t[1]["id"] = json!(""), "expected an id for task 1, it is empty"),
        (
            |t| *t = (0..33).map(|at| json!({"id": at.to_string()})).map(|id| merge(&t[0], &id)).collect(),
            "expected the number of tasks between 1 and 32, got 33",
        ),
        (
            |t| t[1]["prompt"] = json!("{question} {question}"),
            "task in-words: expected {question} once in the prompt, got \"{question} {question}\"",
        ),
        (
            |t| t[1]["answers"]["free"]["tokens_max"] = json!(0),
            "task in-words: expected answers.free.tokens_max between 1 and 64, got 0",
        ),
        (
            |t| t[1]["answers"]["free"]["tokens_max"] = json!(65),
            "task in-words: expected answers.free.tokens_max between 1 and 64, got 65",
        ),
        // 120 + 384 + 2 control tokens leave 6 of 512 for an answer.
        (
            |t| t[1]["answers"]["free"]["tokens_max"] = json!(7),
            "task in-words: expected question_tokens_max 120, rationale_tokens_max 384, an answer of 7 and 2 control tokens to fit \
             into graph.max_len 512 together",
        ),
        (
            |t| t[0]["question_tokens_max"] = json!(0),
            "task machine-failure: expected question_tokens_max between 1 and 512",
        ),
        (|t| t[1]["answers"] = json!({"free": {"tokens_max": 4}, "choices": []}), "failed to parse"),
        (|t| t[1]["answers"] = json!({"number": {}}), "unknown variant `number`, expected `choices` or `free`"),
        (
            |t| t[0]["answers"]["choices"] = json!([t[0]["answers"]["choices"][0]]),
            "task machine-failure: expected the number of answers.choices between 2 and 256, got 1",
        ),
        (
            |t| t[0]["answers"]["choices"][1]["text"] = json!("OK then"),
            "task machine-failure of the bundle does not fit: expected the texts of answers.choices to differ in their first \
             token, those of 0 and 1 do not",
        ),
        (
            |t| t[0]["answers"]["choices"][1]["text"] = json!("torque ".repeat(140)),
            "task machine-failure of the bundle does not fit: expected question_tokens_max 120",
        ),
    ];
    for (change, says) in cases {
        let copy = two_tasks();
        copy.edit_manifest(|manifest| change(&mut manifest["tasks"]));
        let said = refused(&copy);
        assert!(said.contains(says), "{says} in {said}");
    }
}

fn merge(task: &Value, with: &Value) -> Value {
    let mut task = task.clone();
    task.as_object_mut().unwrap().extend(with.as_object().unwrap().clone());
    task
}
