//! What leaves the device as JSON, formed here and nowhere else: answers, reviews, status and health, the same from the command
//! line, HTTP and the broker. Decides nothing and opens nothing.

pub mod answer;
pub mod label_studio;
pub mod review;
pub mod status;

use std::time::Duration;

use schemars::generate::{SchemaGenerator, SchemaSettings};
use serde::Serialize;

/// A value as JSON.
pub fn json(value: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(value).expect("our own records have string keys and finite numbers")
}

/// A generator of JSON Schemas whose types stand below `components`, where OpenAPI and AsyncAPI have them.
pub fn component_schemas() -> SchemaGenerator {
    let settings = SchemaSettings::draft2020_12();
    settings.with(|settings| settings.definitions_path = "/components/schemas".into()).into_generator()
}

/// Milliseconds with three decimals.
pub(crate) fn milliseconds(time: Duration) -> f64 {
    round(time.as_secs_f64() * 1e3, 3)
}

/// A number with so many decimals.
pub(crate) fn round(value: f64, decimals: i32) -> f64 {
    let scale = 10_f64.powi(decimals);
    (value * scale).round() / scale
}
