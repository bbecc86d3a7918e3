//! `sokutou schema`: what the gateway takes and gives, as documents that other programs read. Made from the Rust types and from the
//! table of routes that the server itself is made from, so that none of it can say something else.

use schemars::generate::{SchemaGenerator, SchemaSettings};
use schemars::{JsonSchema, schema_for};
use serde_json::{Map, Value, json};

use super::{Error, Exit};
use crate::api::answer::Message;
use crate::api::review::{Claim, Exported, Format, Resolve, ReviewCase, ReviewPage, ReviewStateName};
use crate::api::status::{Health, Status};
use crate::bench::report::Report;
use crate::domain::NAME_BYTES_MAX;
use crate::transport::http::{Accepted, MORE, Operation, Problem, ROUTES, THROUGH};
use crate::transport::request::AskBody;

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
}

pub fn print(document: Document) -> Result<Exit, Error> {
    let document = match document {
        Document::Openapi => openapi(),
        Document::Asyncapi => asyncapi(),
        Document::Ask => schema_for!(AskBody).to_value(),
        Document::Message => schema_for!(Message).to_value(),
        Document::Status => schema_for!(Status).to_value(),
        Document::Review => schema_for!(ReviewCase).to_value(),
        Document::Bench => schema_for!(Report).to_value(),
    };
    super::output::print(&serde_json::to_string_pretty(&document).expect("a document of texts and numbers"))?;
    Ok(Exit::Success)
}

/// A generator whose types come to stand below `components`.
fn generator() -> SchemaGenerator {
    SchemaSettings::draft2020_12()
        .with(|settings| settings.definitions_path = "/components/schemas".into())
        .into_generator()
}

fn openapi() -> Value {
    let mut types = generator();
    let mut paths = Map::new();
    for (method, path, operation) in ROUTES {
        let at = paths.entry(path).or_insert_with(|| json!({}));
        at[method.as_str().to_lowercase()] = route(path, operation, &mut types);
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "sokutou 即答",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "Questions, answers and reviews of one gateway. The Host must be one that the gateway is configured for; \
                what a browser sends from another site is refused.",
        },
        "servers": [{ "url": "http://127.0.0.1:8620" }],
        "security": [{}, { "token": [] }],
        "paths": paths,
        "components": {
            "securitySchemes": { "token": { "type": "http", "scheme": "bearer" } },
            "schemas": types.take_definitions(true),
        },
    })
}

fn route(path: &str, operation: Operation, types: &mut SchemaGenerator) -> Value {
    let waits = header("Prefer", "`wait=SECONDS`: how long to wait, at most 30");
    let (summary, takes, mut parameters, gives) = match operation {
        Operation::Ask => {
            let takes = Some(types.subschema_for::<AskBody>());
            ("Asks a question; the same client and id again gets the same answer", takes, vec![waits], answer(types))
        }
        Operation::Answer => ("The latest answer to a question", None, vec![waits], answer(types)),
        Operation::Explain => {
            let gives = json!({ "200": of::<Message>(types, "The answer with the student's rationale") });
            ("The rationale of an answer: the one that is kept, or one written now", None, vec![waits], gives)
        }
        Operation::Reviews => {
            let queries = vec![
                query::<ReviewStateName>(types, "state"),
                query::<i64>(types, "after"),
                query::<u32>(types, "limit"),
            ];
            (
                "Cases that a person was asked about, the oldest first",
                None,
                queries,
                page::<ReviewPage>(types, "A page"),
            )
        }
        Operation::Review => ("One case", None, vec![], page::<ReviewCase>(types, "The case")),
        Operation::Claim => {
            let takes = Some(types.subschema_for::<Claim>());
            ("Takes a review for some minutes", takes, vec![], page::<ReviewCase>(types, "The case as it is now"))
        }
        Operation::Resolve => {
            let takes = Some(types.subschema_for::<Resolve>());
            let gives =
                page::<ReviewCase>(types, "The case as it is now; the asker gets the next revision of the answer");
            ("Says whether the student was right", takes, vec![], gives)
        }
        Operation::Export => {
            let queries =
                vec![query::<Format>(types, "format"), query::<i64>(types, "after"), query::<u32>(types, "limit")];
            let gives = json!({ "200": {
                "description": "Resolved reviews behind `after`, or behind what was marked as exported",
                "headers": {
                    THROUGH.as_str(): { "description": "The last review on the page", "schema": { "type": "integer" } },
                    MORE.as_str(): { "description": "Does another page follow?", "schema": { "type": "boolean" } },
                },
                "content": { "application/jsonl": {}, "application/json": {} },
            }});
            ("A page of resolved reviews, for the workshop or for Label Studio", None, queries, gives)
        }
        Operation::Exported => {
            let takes = Some(types.subschema_for::<Exported>());
            ("Marks reviews as exported, once they are safe", takes, vec![], page::<Exported>(types, "What was marked"))
        }
        Operation::Health => {
            let (well, ill) = (of::<Health>(types, "All is well"), of::<Health>(types, "Something is missing"));
            ("Is the gateway well? Asks for no token", None, vec![], json!({ "200": well, "503": ill }))
        }
        Operation::Metrics => {
            let gives = json!({ "200": { "description": "Prometheus text", "content": { "text/plain": {} } } });
            ("What the gateway has counted", None, vec![], gives)
        }
    };
    let named = path.split('/').filter_map(|level| level.strip_prefix('{')?.strip_suffix('}'));
    parameters.extend(named.map(|name| {
        let schema = if name == "case" { json!({ "type": "integer" }) } else { name_schema() };
        json!({ "name": name, "in": "path", "required": true, "schema": schema })
    }));
    let mut said =
        json!({ "operationId": format!("{operation:?}").to_lowercase(), "summary": summary, "responses": gives });
    said["responses"]["default"] = of::<Problem>(types, "Why not, and the way out");
    if !parameters.is_empty() {
        said["parameters"] = parameters.into();
    }
    if let Some(takes) = takes {
        said["requestBody"] = json!({ "required": true, "content": { "application/json": { "schema": takes } } });
    }
    said
}

fn of<T: JsonSchema>(types: &mut SchemaGenerator, description: &str) -> Value {
    let schema = types.subschema_for::<T>();
    json!({ "description": description, "content": { "application/json": { "schema": schema } } })
}

fn page<T: JsonSchema>(types: &mut SchemaGenerator, description: &str) -> Value {
    json!({ "200": of::<T>(types, description) })
}

fn answer(types: &mut SchemaGenerator) -> Value {
    json!({
        "200": of::<Message>(types, "The answer, as it stands now"),
        "202": of::<Accepted>(types, "Kept and not answered yet; Location says where the answer will be"),
    })
}

fn query<T: JsonSchema>(types: &mut SchemaGenerator, name: &str) -> Value {
    json!({ "name": name, "in": "query", "required": false, "schema": types.subschema_for::<T>() })
}

fn header(name: &str, description: &str) -> Value {
    json!({ "name": name, "in": "header", "required": false, "description": description, "schema": { "type": "string" } })
}

fn name_schema() -> Value {
    json!({ "type": "string", "pattern": format!("^[A-Za-z0-9_-]{{1,{NAME_BYTES_MAX}}}$") })
}

fn asyncapi() -> Value {
    let mut types = generator();
    let [ask, answer, status] =
        [types.subschema_for::<AskBody>(), types.subschema_for::<Message>(), types.subschema_for::<Status>()];
    let parameters = |address: &str| -> Map<String, Value> {
        let meaning = |name: &str| match name {
            "root" => "First levels of every topic, mqtt.root",
            "gateway" => "Name of the gateway, gateway.name",
            "client" => "Who asks: letters, digits, - and _",
            _ => "The asker's name for the question: letters, digits, - and _",
        };
        let names = address.split('/').filter_map(|level| level.strip_prefix('{')?.strip_suffix('}'));
        names.map(|name| (name.to_owned(), json!({ "description": meaning(name) }))).collect()
    };
    let refer = |to: &str| json!({ "$ref": format!("#/components/messages/{to}") });
    let mut channels = Map::new();
    let mut operations = Map::new();
    for (name, address, message, action, reply) in [
        ("ask", "{root}/{gateway}/ask", "ask", "receive", Some("reply")),
        ("askByName", "{root}/{gateway}/ask/{client}/{request}", "ask", "receive", Some("answer")),
        ("answer", "{root}/{gateway}/answer/{client}/{request}", "answer", "send", None),
        ("explain", "{root}/{gateway}/explain/{client}/{request}", "explain", "receive", Some("rationale")),
        ("rationale", "{root}/{gateway}/rationale/{client}/{request}", "answer", "send", None),
        ("status", "{root}/{gateway}/status", "status", "send", None),
        ("askAny", "{root}/any/ask/{client}/{request}", "ask", "receive", Some("answerOfAny")),
        ("answerOfAny", "{root}/any/answer/{client}/{request}", "answer", "send", None),
    ] {
        let own = format!("#/channels/{name}");
        channels.insert(
            name.to_owned(),
            json!({ "address": address, "parameters": parameters(address), "messages": { message: refer(message) } }),
        );
        let mut operation = json!({
            "action": action,
            "channel": { "$ref": &own },
            "messages": [{ "$ref": format!("{own}/messages/{message}") }],
            "bindings": { "mqtt": { "qos": 1, "retain": name == "status", "bindingVersion": "0.2.0" } },
        });
        if let Some(reply) = reply {
            operation["reply"] = json!({
                "channel": { "$ref": format!("#/channels/{reply}") },
                "messages": [{ "$ref": format!("#/channels/{reply}/messages/answer") }],
            });
        }
        operations.insert(format!("{action}{}{}", name[..1].to_uppercase(), &name[1..]), operation);
    }
    // The Response Topic of a question decides; it is no fixed address.
    channels.insert("reply".to_owned(), json!({ "address": null, "messages": { "answer": refer("answer") } }));
    let text = json!({ "type": "string" });
    let json_kind = "application/json";
    json!({
        "asyncapi": "3.0.0",
        "info": {
            "title": "sokutou 即答",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "Questions and answers of a gateway at its broker, by MQTT 5; clients of 3.1.1 use the topics with names.",
        },
        "defaultContentType": json_kind,
        "channels": channels,
        "operations": operations,
        "components": {
            "messages": {
                "ask": {
                    "contentType": json_kind,
                    "summary": "A question, as JSON or as its plain text. Message Expiry says how long an answer is of use.",
                    "payload": { "anyOf": [ask, &text] },
                    "bindings": { "mqtt": { "responseTopic": &text, "correlationData": &text, "bindingVersion": "0.2.0" } },
                },
                "answer": {
                    "contentType": json_kind,
                    "summary": "A revision of the answer, or its rationale; Correlation Data as it came with the question.",
                    "payload": answer,
                    "bindings": {
                        "mqtt": { "payloadFormatIndicator": 1, "correlationData": &text, "bindingVersion": "0.2.0" }
                    },
                },
                "explain": { "summary": "A wish for the rationale of an earlier answer; the body means nothing.", "payload": {} },
                "status": { "contentType": json_kind, "summary": "Is the gateway there? Retained.", "payload": status },
            },
            "schemas": types.take_definitions(true),
        },
    })
}
