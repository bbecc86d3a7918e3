//! Every topic of the gateway at its broker, as an AsyncAPI document. Pure.

use serde_json::{Map, Value, json};

use crate::api::answer::Message;
use crate::api::component_schemas;
use crate::api::status::Status;
use crate::transport::request::AskBody;

/// Name, address, message, what the gateway does with it, and the channel of its reply.
const CHANNELS: [(&str, &str, &str, &str, Option<&str>); 8] = [
    ("ask", "{root}/{gateway}/ask", "ask", "receive", Some("reply")),
    ("askByName", "{root}/{gateway}/ask/{client}/{request}", "ask", "receive", Some("answer")),
    ("answer", "{root}/{gateway}/answer/{client}/{request}", "answer", "send", None),
    ("explain", "{root}/{gateway}/explain/{client}/{request}", "explain", "receive", Some("rationale")),
    ("rationale", "{root}/{gateway}/rationale/{client}/{request}", "answer", "send", None),
    ("status", "{root}/{gateway}/status", "status", "send", None),
    ("askAny", "{root}/any/ask/{client}/{request}", "ask", "receive", Some("answerOfAny")),
    ("answerOfAny", "{root}/any/answer/{client}/{request}", "answer", "send", None),
];

/// Every topic: AsyncAPI 3.0.
pub fn document() -> Value {
    let mut types = component_schemas();
    let [ask, answer, status] =
        [types.subschema_for::<AskBody>(), types.subschema_for::<Message>(), types.subschema_for::<Status>()];
    let refer = |to: &str| json!({ "$ref": format!("#/components/messages/{to}") });
    let mut channels = Map::new();
    let mut operations = Map::new();
    for (name, address, message, action, reply) in CHANNELS {
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
                "explain": { "summary": "A request for the rationale of an earlier answer; the body means nothing.", "payload": {} },
                "status": { "contentType": json_kind, "summary": "Is the gateway there? Retained.", "payload": status },
            },
            "schemas": types.take_definitions(true),
        },
    })
}

/// What stands in braces in an address.
fn parameters(address: &str) -> Map<String, Value> {
    let meaning = |name: &str| match name {
        "root" => "First levels of every topic, mqtt.root",
        "gateway" => "Name of the gateway, gateway.name",
        "client" => "Who asks: 1 to 64 characters without / + # and control characters",
        _ => "The asker's name for the question, of the same characters",
    };
    let names = address.split('/').filter_map(|level| level.strip_prefix('{')?.strip_suffix('}'));
    names.map(|name| (name.to_owned(), json!({ "description": meaning(name) }))).collect()
}
