//! A question that is a JSON object: its members in their order, numbers as they were written.

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

/// Values inside values: a reading with its unit has two levels.
const DEPTH_MAX: usize = 4;

/// A value of an object.
#[derive(Clone, Debug, PartialEq)]
pub enum Json {
    /// As it was written.
    Number(String),
    Text(String),
    List(Vec<Json>),
    Object(Vec<Member>),
    Bool,
    Null,
}

impl Json {
    /// What it is, for a sentence.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Number(_) => "a number",
            Self::Text(_) => "a text",
            Self::List(_) => "a list",
            Self::Object(_) => "an object",
            Self::Bool => "true or false",
            Self::Null => "null",
        }
    }
}

/// A key and its value; a key may come twice.
#[derive(Clone, Debug, PartialEq)]
pub struct Member {
    pub key: String,
    pub value: Json,
}

/// The members of an object; `None` where the text is no JSON object.
pub fn members(question: &str) -> Option<Vec<Member>> {
    let text = question.trim().trim_start_matches('\u{feff}').trim_start();
    if !text.starts_with('{') {
        return None;
    }
    match json(text, 0)? {
        Json::Object(members) => Some(members),
        _ => None,
    }
}

fn json(text: &str, depth: usize) -> Option<Json> {
    if depth > DEPTH_MAX {
        return None;
    }
    let text = text.trim();
    Some(match text.as_bytes().first()? {
        b'{' => {
            let Members(raw) = serde_json::from_str(text).ok()?;
            let member =
                |(key, value): (String, Box<RawValue>)| Some(Member { key, value: json(value.get(), depth + 1)? });
            Json::Object(raw.into_iter().map(member).collect::<Option<_>>()?)
        }
        b'[' => {
            let raw: Vec<Box<RawValue>> = serde_json::from_str(text).ok()?;
            Json::List(raw.iter().map(|value| json(value.get(), depth + 1)).collect::<Option<_>>()?)
        }
        b'"' => Json::Text(serde_json::from_str(text).ok()?),
        b't' | b'f' => Json::Bool,
        b'n' => Json::Null,
        _ => Json::Number(text.to_owned()),
    })
}

/// Keys in their order, twice where they come twice.
struct Members(Vec<(String, Box<RawValue>)>);

impl<'de> Deserialize<'de> for Members {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct InOrder;
        impl<'de> Visitor<'de> for InOrder {
            type Value = Members;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Members(members))
            }
        }
        from.deserialize_map(InOrder)
    }
}
