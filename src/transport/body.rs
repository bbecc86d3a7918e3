//! Bodies as they come in: a JSON object, read with words for whoever wrote it by hand, and a question that is text or an object of
//! readings. Pure.

use std::borrow::Cow;
use std::collections::BTreeMap;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema, schema_for};
use serde::de::{DeserializeOwned, Error as _, IgnoredAny};
use serde::{Deserialize as _, Deserializer};
use serde_json::value::RawValue;

use crate::bytes::without_byte_order_mark;
use crate::domain::nearest;

/// The text that the bytes are, or what was expected instead.
pub fn text(bytes: &[u8]) -> Result<&str, String> {
    let bytes = without_byte_order_mark(bytes).ok_or("expected UTF-8, got UTF-16; save it as UTF-8")?;
    std::str::from_utf8(bytes).map_err(|error| format!("expected UTF-8: {error}"))
}

/// Reads a JSON object; or says what was expected, and which key was probably meant by one that there is not.
pub fn object<T: DeserializeOwned + JsonSchema>(text: &str, expected: &str) -> Result<T, String> {
    serde_json::from_str(text).map_err(|error| {
        let why = misspelt::<T>(text).unwrap_or_else(|| error.to_string());
        format!("expected {expected}: {why}")
    })
}

/// The first key that `T` does not know, with the one that it may stand for.
fn misspelt<T: JsonSchema>(text: &str) -> Option<String> {
    let said: BTreeMap<String, IgnoredAny> = serde_json::from_str(text).ok()?;
    let schema = schema_for!(T);
    let known = schema.get("properties")?.as_object()?;
    let key = said.into_keys().find(|key| !known.contains_key(key))?;
    let hint = nearest(&key, known.keys().map(String::as_str)).map(|near| format!(", did you mean {near:?}?"));
    Some(format!("unknown field {:?}{}", key.chars().take(KEY_CHARS_MAX).collect::<String>(), hint.unwrap_or_default()))
}

/// Of an unknown field, so many characters are told.
const KEY_CHARS_MAX: usize = 40;

/// A question in JSON: a text, or an object of readings, which becomes its own text without spaces. Numbers stay as they were
/// written, so that none is rounded on its way, and so does the order of the keys: the same object is the same question again.
pub fn question<'de, D: Deserializer<'de>>(json: D) -> Result<String, D::Error> {
    let raw = <Box<RawValue>>::deserialize(json)?;
    let said = match raw.get().as_bytes().first() {
        Some(b'"') => serde_json::from_str(raw.get()),
        Some(b'{') => compact(raw.get()),
        _ => {
            return Err(D::Error::custom(format_args!(
                "expected a question as text or as an object, got {}",
                kind(raw.get())
            )));
        }
    };
    said.map_err(D::Error::custom)
}

/// The schema of [`question`].
pub fn question_schema(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": ["string", "object"] })
}

/// What a JSON value is that is no question.
fn kind(json: &str) -> Cow<'static, str> {
    match json.as_bytes().first() {
        Some(b'[') => "an array".into(),
        Some(b'n' | b't' | b'f') => json.to_owned().into(),
        _ => "a number".into(),
    }
}

/// JSON without spaces; every string written in one way, as the same text may stand with escapes or without.
fn compact(json: &str) -> serde_json::Result<String> {
    let mut compact = String::with_capacity(json.len());
    let mut rest = json;
    while let Some(next) = rest.chars().next() {
        if next == '"' {
            let mut strings = serde_json::Deserializer::from_str(rest).into_iter::<String>();
            let string = strings.next().transpose()?.unwrap_or_default();
            compact += &serde_json::to_string(&string)?;
            rest = &rest[strings.byte_offset()..];
        } else {
            if !next.is_ascii_whitespace() {
                compact.push(next);
            }
            rest = &rest[next.len_utf8()..];
        }
    }
    Ok(compact)
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Deserialize, JsonSchema)]
    #[serde(deny_unknown_fields)]
    struct Asked {
        #[serde(deserialize_with = "question")]
        #[schemars(schema_with = "question_schema")]
        question: String,
        #[serde(default, rename = "task")]
        _task: Option<String>,
    }

    fn asked(question: &str) -> Result<String, String> {
        object::<Asked>(&format!("{{\"question\": {question}}}"), "a question").map(|asked| asked.question)
    }

    #[test]
    fn an_object_is_its_own_text_with_every_number_as_it_was_written() {
        for (said, read) in [
            (r#""type=M\nair=298.1""#, "type=M\nair=298.1"),
            (r#"{ "type": "M",  "air": 1.10 }"#, r#"{"type":"M","air":1.10}"#),
            ("{\"b\":\t12345678901234567890,\r\n\"a\": -1.50E+3}", r#"{"b":12345678901234567890,"a":-1.50E+3}"#),
            (r#"{"a b": "c  d: {, \" e"}"#, r#"{"a b":"c  d: {, \" e"}"#),
            (r#"{"\u6e29\u5ea6": "\ud83d\ude00\/"}"#, r#"{"温度":"😀/"}"#),
            (r#"{"温度": 1, "温度": 2}"#, r#"{"温度":1,"温度":2}"#),
            (
                r#"{"readings": [ 4.90, 5.1 ], "more": {"deep": [ {} ]}}"#,
                r#"{"readings":[4.90,5.1],"more":{"deep":[{}]}}"#,
            ),
            ("{}", "{}"),
        ] {
            assert_eq!(asked(said).as_deref(), Ok(read), "{said}");
        }
    }

    #[test]
    fn what_is_neither_text_nor_object_is_no_question() {
        for (said, why) in [
            ("[1, 2]", "got an array"),
            ("1.5", "got a number"),
            ("null", "got null"),
            (r#"{"a": "\ud800"}"#, "hex escape"),
            (r#"{"a": 01}"#, "invalid number"),
        ] {
            let refused = asked(said).unwrap_err();
            assert!(refused.contains(why), "{said}: {refused}");
        }
    }

    #[test]
    fn an_unknown_key_is_refused_with_the_one_that_was_meant() {
        let refused = |text: &str| object::<Asked>(text, "{\"question\", \"task\"?}").err().unwrap();
        for (text, why) in [
            (r#"{"question": "?", "Task": "t"}"#, r#"unknown field "Task", did you mean "task"?"#),
            (r#"{"qestion": "?"}"#, r#"unknown field "qestion", did you mean "question"?"#),
            (r#"{"question": "?", "zz": 1}"#, r#"expected {"question", "task"?}: unknown field "zz""#),
            (r#"{"task": "t"}"#, "missing field `question`"),
            (r#"{"question": "?", "question": "!"}"#, "duplicate field"),
        ] {
            assert!(refused(text).contains(why), "{text}: {}", refused(text));
        }
        assert_eq!(refused(r#"{"question": "?", "zz": 1}"#).matches("did you mean").count(), 0);
    }

    #[test]
    fn a_byte_order_mark_is_read_over() {
        assert_eq!(text(b"\xef\xbb\xbf{}"), Ok("{}"));
        assert!(text(b"\xff\xfe{\0}\0").unwrap_err().contains("got UTF-16"));
    }
}
