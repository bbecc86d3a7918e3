//! How a route says what it is, beside the handler that serves it, and the OpenAPI document made from all of them. The types'
//! schemas are schemars' own, the same that `sokutou schema` prints one by one. Pure.

use std::sync::Arc;

use axum::http::Method;
use axum::routing::{MethodFilter, MethodRouter};
use schemars::generate::SchemaGenerator;
use schemars::{JsonSchema, Schema};
use serde_json::{Map, Value, json};

use super::routes::{AppState, Problem, ROUTES};
use crate::api::component_schemas;
use crate::domain::ASKER_CHARS_MAX;

/// The schema of a type; the type itself is put among the components.
type SchemaOf = fn(&mut SchemaGenerator) -> Schema;

fn schema_of<T: JsonSchema>(types: &mut SchemaGenerator) -> Schema {
    types.subschema_for::<T>()
}

/// One method of one path, as the server serves it and as the document describes it.
#[derive(Debug)]
pub struct Route {
    pub method: Method,
    /// With its parameters in braces; these need no [`Parameter`].
    pub path: &'static str,
    /// What a program calls it; unique.
    pub id: &'static str,
    pub summary: &'static str,
    /// Beside those in the path.
    pub parameters: &'static [Parameter],
    /// The body of the request.
    pub takes: Option<Takes>,
    /// Every response but a [`Problem`].
    pub gives: &'static [Gives],
    /// Its handler, for this method.
    pub(super) serve: fn(MethodFilter) -> MethodRouter<Arc<AppState>>,
}

/// A JSON body.
#[derive(Clone, Copy, Debug)]
pub struct Takes(SchemaOf);

impl Takes {
    pub const fn json<T: JsonSchema>() -> Self {
        Self(schema_of::<T>)
    }
}

/// An optional parameter of a request.
#[derive(Debug)]
pub struct Parameter {
    place: &'static str,
    name: &'static str,
    description: Option<&'static str>,
    schema: SchemaOf,
}

impl Parameter {
    pub const fn query<T: JsonSchema>(name: &'static str) -> Self {
        Self { place: "query", name, description: None, schema: schema_of::<T> }
    }

    pub const fn header(name: &'static str, description: &'static str) -> Self {
        Self { place: "header", name, description: Some(description), schema: schema_of::<String> }
    }

    fn document(&self, types: &mut SchemaGenerator) -> Value {
        let mut said = json!({
            "name": self.name, "in": self.place, "required": false, "schema": (self.schema)(types),
        });
        if let Some(description) = self.description {
            said["description"] = description.into();
        }
        said
    }
}

/// A response.
#[derive(Debug)]
pub struct Gives {
    status: &'static str,
    description: &'static str,
    content: Content,
    /// Name, JSON type and description of each.
    headers: &'static [(&'static str, &'static str, &'static str)],
}

#[derive(Debug)]
enum Content {
    Json(SchemaOf),
    /// Media types, one of which the response is of.
    Text(&'static [&'static str]),
}

impl Gives {
    pub const fn json<T: JsonSchema>(status: &'static str, description: &'static str) -> Self {
        Self { status, description, content: Content::Json(schema_of::<T>), headers: &[] }
    }

    pub const fn text(kinds: &'static [&'static str], description: &'static str) -> Self {
        Self { status: "200", description, content: Content::Text(kinds), headers: &[] }
    }

    pub const fn with_headers(self, headers: &'static [(&'static str, &'static str, &'static str)]) -> Self {
        Self { headers, ..self }
    }

    fn document(&self, types: &mut SchemaGenerator) -> Value {
        let content = match self.content {
            Content::Json(schema) => json!({ "application/json": { "schema": schema(types) } }),
            Content::Text(kinds) => {
                kinds.iter().map(|&kind| (kind.to_owned(), json!({}))).collect::<Map<_, _>>().into()
            }
        };
        let mut said = json!({ "description": self.description, "content": content });
        if !self.headers.is_empty() {
            let header = |&(name, kind, description): &(&str, &str, &str)| {
                (name.to_owned(), json!({ "description": description, "schema": { "type": kind } }))
            };
            said["headers"] = self.headers.iter().map(header).collect::<Map<_, _>>().into();
        }
        said
    }
}

impl Route {
    fn document(&self, types: &mut SchemaGenerator) -> Value {
        let refused = Gives::json::<Problem>("default", "Why not, and the way out");
        let gives = self.gives.iter().chain([&refused]).map(|gives| (gives.status.to_owned(), gives.document(types)));
        let responses: Map<_, _> = gives.collect();
        let mut said = json!({ "operationId": self.id, "summary": self.summary, "responses": responses });
        let mut parameters: Vec<_> = self.parameters.iter().map(|parameter| parameter.document(types)).collect();
        let in_path = self.path.split('/').filter_map(|level| level.strip_prefix('{')?.strip_suffix('}'));
        parameters.extend(in_path.map(|name| {
            let schema = if name == "case" { json!({ "type": "integer" }) } else { name_schema() };
            json!({ "name": name, "in": "path", "required": true, "schema": schema })
        }));
        if !parameters.is_empty() {
            said["parameters"] = parameters.into();
        }
        if let Some(Takes(schema)) = self.takes {
            said["requestBody"] =
                json!({ "required": true, "content": { "application/json": { "schema": schema(types) } } });
        }
        said
    }
}

fn name_schema() -> Value {
    json!({ "type": "string", "minLength": 1, "maxLength": ASKER_CHARS_MAX, "pattern": "^[^/+#]+$" })
}

/// Every route: OpenAPI 3.1.
pub fn document() -> Value {
    let mut types = component_schemas();
    let mut paths = Map::new();
    for route in ROUTES {
        let path = paths.entry(route.path).or_insert_with(|| json!({}));
        path[route.method.as_str().to_lowercase()] = route.document(&mut types);
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
