//! The logits from Rust equal those that Python's onnxruntime gave on the same graph and tokens.

use serde::Deserialize;
use sokutou::bundle::Bundle;
use sokutou::engine::{Library, Model, OrtModel, Tokenizer};

use crate::support::shipped;

#[derive(Deserialize)]
struct Reference {
    model_sha256: String,
    prompts: Vec<Prompt>,
}

#[derive(Deserialize)]
struct Prompt {
    question: String,
    runs: Vec<Run>,
}

/// Tokens fed in one pass, and the logits after them.
#[derive(Deserialize)]
struct Run {
    tokens: Vec<u32>,
    logits: Vec<f32>,
}

/// The reference is rounded to five decimals. Integer products are exact on every CPU, the floating point between them is not
/// the same to the last bit, and a value beside a rounding step of the int8 activations can fall to its other side.
const TOLERANCE: f32 = 0.05;

#[test]
fn logits_equal_those_of_the_workshop() {
    let text = include_str!("../data/reference_logits.json");
    let reference: Reference = serde_json::from_str(text).unwrap();
    let bundle = Bundle::open(&shipped()).unwrap();
    let digest = &bundle.manifest.files["model.onnx"].sha256; // which `Bundle::open` has held against the bytes
    assert_eq!(&reference.model_sha256, digest, "the reference is of another student: run the workshop's `reference`");
    let tokenizer = Tokenizer::new(&bundle.tokenizer, &bundle.manifest).unwrap();
    let mut model = OrtModel::new(&Library::load().unwrap(), &bundle.model, &bundle.manifest.graph).unwrap();
    for prompt in &reference.prompts {
        let question = tokenizer.encode(&prompt.question).unwrap();
        assert_eq!(prompt.runs[0].tokens[..question.len()], question, "{}", prompt.question);
        // The second time in the rows that the first one left behind: nothing of a question stays.
        for _ in 0..2 {
            model.rewind(0);
            for run in &prompt.runs {
                let logits = model.feed(&run.tokens).unwrap();
                let off = logits.iter().zip(&run.logits).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
                assert!(off < TOLERANCE, "{}: logits are off by {off}", prompt.question);
                assert_eq!(logits.len(), run.logits.len());
            }
        }
    }
}

#[test]
fn a_full_cache_is_an_error_and_not_a_crash() {
    let bundle = Bundle::open(&shipped()).unwrap();
    let mut model = OrtModel::new(&Library::load().unwrap(), &bundle.model, &bundle.manifest.graph).unwrap();
    let capacity = model.capacity();
    model.feed(&vec![20; capacity]).unwrap();
    assert!(model.feed(&[20]).is_err());
    model.rewind(capacity - 1);
    model.feed(&[20]).unwrap();
    assert_eq!(model.len(), capacity);
}
