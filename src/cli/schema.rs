//! `sokutou schema`: what the gateway takes and gives, and what the runtime and the training toolkit hand to each other, as documents
//! that other programs read. Each is made from the Rust types and tables that the program itself runs on.

use schemars::generate::SchemaSettings;
use schemars::schema_for;

use super::{Error, Exit};
use crate::api::answer::Message;
use crate::api::review::ReviewCase;
use crate::api::status::Status;
use crate::bench::report::Report;
use crate::bundle::manifest::Manifest;
use crate::store::ReviewLine;
use crate::transport::request::AskBody;
use crate::transport::{http, mqtt};

/// What can be printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Document {
    /// Every route over HTTP: OpenAPI 3.1.
    Openapi,
    /// Every topic at the broker: AsyncAPI 3.0.
    Asyncapi,
    /// JSON Schema of a question's body.
    Ask,
    /// JSON Schema of an answer.
    Message,
    /// JSON Schema of the retained status.
    Status,
    /// JSON Schema of a case under review.
    Review,
    /// JSON Schema of a bench report.
    Bench,
    /// JSON Schema of a bundle's manifest.json, which the training toolkit writes.
    Manifest,
    /// JSON Schema of a line of `review export`, which the training toolkit reads.
    ReviewExport,
}

pub fn print(document: Document) -> Result<Exit, Error> {
    let document = match document {
        Document::Openapi => http::openapi::document(),
        Document::Asyncapi => mqtt::asyncapi::document(),
        Document::Ask => schema_for!(AskBody).to_value(),
        Document::Message => schema_for!(Message).to_value(),
        Document::Status => schema_for!(Status).to_value(),
        Document::Review => schema_for!(ReviewCase).to_value(),
        Document::Bench => schema_for!(Report).to_value(),
        Document::Manifest => schema_for!(Manifest).to_value(),
        Document::ReviewExport => SchemaSettings::draft2020_12()
            .for_serialize()
            .into_generator()
            .into_root_schema_for::<ReviewLine>()
            .to_value(),
    };
    super::output::print(&serde_json::to_string_pretty(&document).expect("a document of texts and numbers"))?;
    Ok(Exit::Success)
}
