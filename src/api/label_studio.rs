//! Exported reviews as Label Studio imports them: its tasks, and the labelling interface that shows them. Reads no journal.

use serde::Serialize;

use crate::store::{ReviewLine, StudentId};

/// One case as a task of Label Studio: the model's answer as its prediction, each review as an annotation.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct LabelStudioTask {
    data: Data,
    predictions: Vec<Prediction>,
    annotations: Vec<Annotation>,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
struct Data {
    case: String,
    task: String,
    question: String,
    rationale: String,
    reviewers: Vec<String>,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
struct Prediction {
    model_version: String,
    score: f64,
    result: Vec<Region>,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
struct Annotation {
    result: Vec<Region>,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
struct Region {
    id: String,
    from_name: &'static str,
    to_name: &'static str,
    r#type: &'static str,
    value: serde_json::Value,
}

/// Tasks of the reviews of one of the student's tasks, one a case. `answers` are its choices as [`labelling_config`] has them; none
/// for free text.
pub fn label_studio(lines: &[ReviewLine], answers: &[&str]) -> Vec<LabelStudioTask> {
    let mut tasks: Vec<LabelStudioTask> = Vec::new();
    for line in lines {
        let case = line.id.rsplit_once('-').map_or(line.id.as_str(), |(case, _)| case);
        let at = tasks.iter().position(|task| task.data.case == case).unwrap_or_else(|| {
            tasks.push(unreviewed(case, line, answers));
            tasks.len() - 1
        });
        let verdict = Region {
            id: format!("{}-verdict", line.id),
            from_name: "verdict",
            to_name: "question",
            r#type: "choices",
            value: serde_json::json!({ "choices": [line.verdict] }),
        };
        let right = match line.verdict.as_str() {
            "right" => Some(&line.answer),
            _ => line.correction.as_ref(),
        };
        let right = right.map(|right| answer(format!("{}-answer", line.id), right, answers));
        tasks[at].annotations.push(Annotation { result: [verdict].into_iter().chain(right).collect() });
        tasks[at].data.reviewers.extend(line.reviewer.clone());
    }
    tasks
}

/// The labelling interface that fits [`label_studio`]'s tasks: the question, the verdict, and the answer, one of `answers` or, where
/// there are none, a text.
pub fn labelling_config(answers: &[&str]) -> String {
    let choice = |answer: &&str| format!("    <Choice value=\"{}\"/>\n", xml(answer));
    let answer = if answers.is_empty() {
        "  <TextArea name=\"answer\" toName=\"question\" maxSubmissions=\"1\" editable=\"true\"/>\n".to_owned()
    } else {
        let choices: String = answers.iter().map(choice).collect();
        format!("  <Choices name=\"answer\" toName=\"question\" choice=\"single-radio\">\n{choices}  </Choices>\n")
    };
    let verdicts: String = ["right", "wrong", "unclear"].iter().map(choice).collect();
    format!(
        "<View>\n  <Header value=\"$task\"/>\n  <Text name=\"question\" value=\"$question\"/>\n\
         \x20 <Choices name=\"verdict\" toName=\"question\" choice=\"single-radio\" required=\"true\">\n{verdicts}  </Choices>\n\
         {answer}  <Text name=\"rationale\" value=\"$rationale\"/>\n</View>\n"
    )
}

fn unreviewed(case: &str, line: &ReviewLine, answers: &[&str]) -> LabelStudioTask {
    let StudentId { name, version, serial } = &line.student;
    let said = (!line.answer.is_empty()).then(|| Prediction {
        model_version: format!("{name}-{version}.{serial}"),
        score: line.confidence,
        result: vec![answer(format!("{case}-answer"), &line.answer, answers)],
    });
    LabelStudioTask {
        data: Data {
            case: case.to_owned(),
            task: line.task.clone(),
            question: line.question.clone(),
            rationale: line.rationale.clone().unwrap_or_default(),
            reviewers: Vec::new(),
        },
        predictions: said.into_iter().collect(),
        annotations: Vec::new(),
    }
}

fn answer(id: String, text: &str, answers: &[&str]) -> Region {
    let (r#type, value) = match answers {
        [] => ("textarea", serde_json::json!({ "text": [text] })),
        _ => ("choices", serde_json::json!({ "choices": [text] })),
    };
    Region { id, from_name: "answer", to_name: "question", r#type, value }
}

fn xml(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;").replace('\n', "&#10;")
}
