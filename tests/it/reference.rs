//! The logits from Rust equal those that Python's onnxruntime gave on the same graph and tokens.

use std::collections::BTreeMap;

use serde::Deserialize;
use sokutou::bundle::Bundle;
use sokutou::engine::{Library, Model, OrtModel, Tokenizer};

use crate::support::shipped;

#[derive(Deserialize)]
struct Reference {
    prompts: Vec<Prompt>,
}

#[derive(Deserialize)]
struct Prompt {
    task: String,
    model_sha256: String,
    question: String,
    runs: Vec<Run>,
}

/// Tokens fed in one pass, and the logits after them.
#[derive(Deserialize)]
struct Run {
    tokens: Vec<u32>,
    logits: Vec<f32>,
}

/// Root mean squares of what a run's logits are off. Integer products are exact on every CPU; the floating point between them is not the
/// same to the last bit, and a value beside a rounding step of the int8 activations can fall to its other side. That moves all that
/// comes after it by about as much as int8 costs at all, 0.06 to 0.45 here: a prompt's later runs too, which read the rows of its
/// first. So it is prompts that are counted: on CPUs of another kind than the workshop's a third of them is moved, of long ones more.
const SAME: f32 = 1e-3;
const MOVED_MAX: f32 = 0.3;

#[test]
fn logits_equal_those_of_the_workshop() {
    let text = include_str!("../data/reference_logits.json");
    let reference: Reference = serde_json::from_str(text).unwrap();
    let bundle = Bundle::open(&shipped()).unwrap();
    let tokenizer = Tokenizer::new(&bundle.tokenizer, &bundle.manifest).unwrap();
    let library = Library::load().unwrap();
    let open = |(name, graph): (&String, &Vec<u8>)| {
        (name.clone(), OrtModel::new(&library, graph, &bundle.manifest.graph).unwrap())
    };
    let mut models: BTreeMap<_, _> = bundle.graphs.iter().map(open).collect();
    let mut moved = Vec::new();
    for prompt in &reference.prompts {
        let task = bundle.task(&prompt.task).unwrap();
        let digest = bundle.graph_sha256(task); // which `Bundle::open` has held against the bytes
        assert_eq!(prompt.model_sha256, digest, "the reference is of another student: run the workshop's `reference`");
        let model = models.get_mut(&task.graph).unwrap();
        let question = tokenizer.encode(&prompt.question).unwrap();
        assert_eq!(prompt.runs[0].tokens[..question.len()], question, "{}", prompt.question);
        let mut most: f32 = 0.0;
        // The second time in the rows that the first one left behind: nothing of a question stays.
        for _ in 0..2 {
            model.rewind(0);
            for run in &prompt.runs {
                let logits = model.feed(&run.tokens).unwrap();
                let squares: f32 = logits.iter().zip(&run.logits).map(|(a, b)| (a - b).powi(2)).sum();
                let off = (squares / logits.len() as f32).sqrt();
                assert!(off < MOVED_MAX, "{}: logits are off by {off}", prompt.question);
                most = most.max(off);
                assert_eq!(logits.len(), run.logits.len());
            }
        }
        if most >= SAME {
            moved.push((&prompt.question, most));
        }
    }
    let of = reference.prompts.len();
    assert!(2 * moved.len() < of, "expected most of {of} prompts to have the same logits, not so: {moved:?}");
}

#[test]
fn a_full_cache_is_an_error_and_not_a_crash() {
    let bundle = Bundle::open(&shipped()).unwrap();
    let graph = bundle.graph(bundle.default_task());
    let mut model = OrtModel::new(&Library::load().unwrap(), graph, &bundle.manifest.graph).unwrap();
    let capacity = model.capacity();
    model.feed(&vec![20; capacity]).unwrap();
    assert!(model.feed(&[20]).is_err());
    model.rewind(capacity - 1);
    model.feed(&[20]).unwrap();
    assert_eq!(model.len(), capacity);
}
