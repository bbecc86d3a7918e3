//! What a message at the broker says: topic, properties and body to a request. Pure, and the only place that decides where an answer
//! may go.

use std::time::Duration;

use rumqttc::{Publish, PublishProperties};

use super::config::Settings;
use crate::bytes::hex;
use crate::domain::{ASK_BYTES_MAX, NAME_BYTES_MAX, is_name};
use crate::transport::request::{AskBody, Explain, Key, MqttReplyTo, Refusal, Request, Route};

/// Correlation Data is copied into the journal and into every answer.
const CORRELATION_BYTES_MAX: usize = 64;

/// What came on a topic.
pub enum Incoming {
    Ask(Request),
    Explain(Explain),
}

/// What a message says; or why it says nothing, and where that can be told.
pub fn read(settings: &Settings, publish: &Publish) -> Result<Incoming, (Option<MqttReplyTo>, Refusal)> {
    let unreadable = |why: String| Refusal::Unreadable(why);
    let topic = std::str::from_utf8(&publish.topic).map_err(|_| (None, unreadable("the topic is not UTF-8".into())))?;
    let own = topic.strip_prefix(&format!("{}/{}/", settings.root, settings.gateway));
    let anyones = topic.strip_prefix(&format!("{}/any/", settings.root));
    let levels: Vec<&str> = own.or(anyones).unwrap_or_default().split('/').collect();
    let base = format!("{}/{}", settings.root, if own.is_some() { &settings.gateway } else { "any" });
    let said = publish.properties.as_ref();
    let correlation = said.and_then(|said| said.correlation_data.as_ref()).map(|bytes| bytes.to_vec());
    let response_topic = said.and_then(|said| said.response_topic.clone());
    let (verb, named) = match levels[..] {
        ["ask"] => ("ask", None),
        [verb @ ("ask" | "explain"), client, id] => (verb, Some((client, id))),
        _ => {
            return Err((
                None,
                unreadable("expected a topic that ends in ask, ask/CLIENT/REQUEST or explain/CLIENT/REQUEST".into()),
            ));
        }
    };
    let (answers, names) =
        (if verb == "ask" { "answer" } else { "rationale" }, named.map(|(client, id)| format!("{client}/{id}")));
    let topic = match (&response_topic, &names) {
        (Some(topic), _) if settings.may_answer_to(topic) => topic.clone(),
        (Some(topic), _) => {
            let why = format!("answers may not go to {topic:.80}; the gateway's configuration lists response_topics");
            return Err((None, Refusal::Forbidden(why)));
        }
        (None, Some(names)) => format!("{base}/{answers}/{names}"),
        (None, None) => {
            let why = "expected a Response Topic (MQTT 5), or a topic that ends in ask/CLIENT/REQUEST".to_owned();
            return Err((None, unreadable(why)));
        }
    };
    if let Some((client, id)) = named
        && !(is_name(client) && is_name(id))
    {
        let why = format!("expected CLIENT and REQUEST of 1 to {NAME_BYTES_MAX} letters, digits, - and _");
        return Err((None, unreadable(why)));
    }
    if correlation.as_ref().is_some_and(|bytes| bytes.len() > CORRELATION_BYTES_MAX) {
        let why = format!("expected Correlation Data of at most {CORRELATION_BYTES_MAX} bytes");
        return Err((Some(MqttReplyTo { topic, correlation: None }), unreadable(why)));
    }
    let reply_to = MqttReplyTo { topic, correlation };
    let refused = |why: String| (Some(reply_to.clone()), unreadable(why));
    let key = |client: &str, id: &str| Key { client: client.to_owned(), id: id.to_owned() };
    if let ("explain", Some((client, id))) = (verb, named) {
        return Ok(Incoming::Explain(Explain { key: key(client, id), route: Route::Mqtt(reply_to) }));
    }
    let body = body(&publish.payload).map_err(refused)?;
    let key = match (named, &body.id, &reply_to.correlation) {
        (Some((client, id)), ..) => key(client, id),
        (None, Some(id), _) => {
            let client = body.client.clone().unwrap_or_else(|| digest(&[reply_to.topic.as_bytes()]));
            if !(is_name(id) && is_name(&client)) {
                return Err(refused(format!(
                    "expected id and client of 1 to {NAME_BYTES_MAX} letters, digits, - and _"
                )));
            }
            key(&client, id)
        }
        // A client may count its Correlation Data from 1 after every start: only with the question does it name a request.
        (None, None, Some(correlation)) => {
            key(&digest(&[reply_to.topic.as_bytes()]), &digest(&[correlation, body.question.as_bytes()]))
        }
        (None, None, None) => return Err(refused("expected Correlation Data (MQTT 5), or an id in the body".into())),
    };
    let expires_in =
        said.and_then(|said| said.message_expiry_interval).map(|seconds| Duration::from_secs(seconds.into()));
    let AskBody { question, task, explain, .. } = body;
    Ok(Incoming::Ask(Request { key, task, question, explain, expires_in, route: Route::Mqtt(reply_to) }))
}

fn body(payload: &[u8]) -> Result<AskBody, String> {
    if payload.len() > ASK_BYTES_MAX {
        return Err(format!("expected at most {ASK_BYTES_MAX} bytes, got {}", payload.len()));
    }
    AskBody::read(payload)
}

/// A name made of what has none: the first half of SHA-256, with a border after each part.
fn digest(parts: &[&[u8]]) -> String {
    use sha2::Digest as _;
    let mut hash = sha2::Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    hex(&hash.finalize()[..16])
}

/// What an answer is published with.
pub fn properties(to: &MqttReplyTo) -> PublishProperties {
    PublishProperties {
        payload_format_indicator: Some(1),
        content_type: Some("application/json".to_owned()),
        correlation_data: to.correlation.clone().map(Into::into),
        ..PublishProperties::default()
    }
}

#[cfg(test)]
mod tests {
    use rumqttc::mqttbytes::QoS;

    use super::super::config::TOPIC_BYTES_MAX;
    use super::super::config::tests::settings;
    use super::*;
    use crate::domain::QUESTION_BYTES_MAX;

    fn message(
        topic: &str,
        payload: impl Into<Vec<u8>>,
        response_topic: Option<&str>,
        correlation: Option<&[u8]>,
    ) -> Publish {
        let properties = PublishProperties {
            response_topic: response_topic.map(str::to_owned),
            correlation_data: correlation.map(|bytes| bytes.to_vec().into()),
            message_expiry_interval: Some(30),
            ..PublishProperties::default()
        };
        Publish::new(topic, QoS::AtLeastOnce, payload.into(), Some(properties))
    }

    fn asked(publish: &Publish) -> Request {
        match read(&settings(), publish) {
            Ok(Incoming::Ask(request)) => request,
            Ok(Incoming::Explain(_)) => panic!("asked for a rationale"),
            Err((_, refusal)) => panic!("refused: {refusal}"),
        }
    }

    #[test]
    fn a_topic_names_client_and_request_and_plain_text_is_the_question() {
        let request = asked(&message("sokutou/press-3/ask/plc-1/0042", " 判定は? \r\n", None, None));
        assert_eq!(request.key, Key { client: "plc-1".into(), id: "0042".into() });
        assert_eq!((request.question.as_str(), request.task, request.explain), ("判定は?", None, false));
        assert_eq!(request.expires_in, Some(Duration::from_secs(30)));
        let Route::Mqtt(to) = request.route else { panic!() };
        assert_eq!(to, MqttReplyTo { topic: "sokutou/press-3/answer/plc-1/0042".into(), correlation: None });
    }

    #[test]
    fn a_response_topic_takes_the_answer_with_its_correlation_byte_for_byte() {
        let body = r#"{"question": "Which?", "task": "t", "explain": true}"#;
        let correlation = [0, 255, 10];
        let publish = message("sokutou/press-3/ask", body, Some("plant/line-1/answers"), Some(&correlation));
        let request = asked(&publish);
        assert_eq!((request.task.as_deref(), request.explain), (Some("t"), true));
        let Route::Mqtt(to) = &request.route else { panic!() };
        assert_eq!(to, &MqttReplyTo { topic: "plant/line-1/answers".into(), correlation: Some(correlation.into()) });
        assert_eq!(properties(to).correlation_data.unwrap()[..], correlation);
        assert_eq!(asked(&publish).key, request.key, "the same again is the same request");
        let other = message("sokutou/press-3/ask", "Why?", Some("plant/line-1/answers"), Some(&correlation));
        assert_ne!(asked(&other).key, request.key, "a counter that began anew is another request");
    }

    #[test]
    fn an_object_in_the_question_is_its_own_text() {
        let body = "\u{feff}{\"question\": {\"type\": \"M\", \"air\": 298.10}}";
        let request = asked(&message("sokutou/press-3/ask/plc/1", body, None, None));
        assert_eq!(request.question, r#"{"type":"M","air":298.10}"#);
    }

    #[test]
    fn questions_to_anyone_are_answered_where_anyone_looks() {
        let Route::Mqtt(to) = asked(&message("sokutou/any/ask/plc/1", "?", None, None)).route else { panic!() };
        assert_eq!(to.topic, "sokutou/any/answer/plc/1");
    }

    #[test]
    fn a_rationale_is_asked_for_by_the_names_of_its_question() {
        let publish = message("sokutou/press-3/explain/plc/1", "", None, None);
        let Ok(Incoming::Explain(Explain { key, route: Route::Mqtt(to) })) = read(&settings(), &publish) else {
            panic!("no request for a rationale")
        };
        assert_eq!((key.to_string().as_str(), to.topic.as_str()), ("plc/1", "sokutou/press-3/rationale/plc/1"));
    }

    #[test]
    fn what_cannot_be_read_is_refused_and_told_where_that_is_allowed() {
        let long = "x".repeat(ASK_BYTES_MAX + 1);
        let large = format!("{{\"question\": \"{}\"}}", "x".repeat(QUESTION_BYTES_MAX + 1));
        let there = Some("plant/line-1/a");
        let some: Option<&[u8]> = Some(b"1");
        for (publish, told, why) in [
            (message("sokutou/press-3/ask/plc", "?", None, None), false, "expected a topic that ends in"),
            (message("sokutou/press-4/ask/plc/1", "?", None, None), false, "expected a topic that ends in"),
            (message("sokutou/press-3/ask", "?", None, some), false, "expected a Response Topic"),
            (message("sokutou/press-3/ask/p c/1", "?", None, None), false, "letters, digits"),
            (message("sokutou/press-3/ask", "?", there, None), true, "expected Correlation Data"),
            (message("sokutou/press-3/ask", "?", there, Some(&[0; 65])), true, "at most 64 bytes"),
            (message("sokutou/press-3/ask", "{\"question\": 1}", there, some), true, "got a number"),
            (
                message("sokutou/press-3/ask", "{\"question\": \"?\", \"Task\": \"t\"}", there, some),
                true,
                "did you mean \"task\"?",
            ),
            (message("sokutou/press-3/ask", "{}", there, some), true, "missing field `question`"),
            (
                message("sokutou/press-3/ask", "{\"question\": \"?\", \"id\": \"a b\"}", there, some),
                true,
                "letters, digits",
            ),
            (message("sokutou/press-3/ask", [0x83, 0x67], there, some), true, "expected UTF-8"),
            (message("sokutou/press-3/ask", long, there, some), true, "at most 131072 bytes"),
            (message("sokutou/press-3/ask", large, there, some), true, "question of at most 16384 bytes"),
        ] {
            let Err((to, refusal)) = read(&settings(), &publish) else { panic!("taken, expected: {why}") };
            assert_eq!((to.is_some(), matches!(refusal, Refusal::Unreadable(_))), (told, true), "{why}");
            assert!(refusal.to_string().contains(why), "{refusal}");
        }
    }

    #[test]
    fn answers_go_only_where_they_may() {
        let allowed = settings();
        for (topic, may) in [
            ("plant/line-1", true),
            ("plant/line-1/a/b", true),
            ("plant/line-10/a", false),
            ("plant", false),
            ("sokutou/press-3/answer/x/y", true),
            ("sokutou/press-3/ask/x/y", false), // a gateway that asks itself
            ("sokutou/press-3/status", false),
            ("sokutou/press-4/answer/x/y", false),
            ("plant/line-1/+", false),
            ("plant/line-1/#", false),
            ("plant/line-1/\0", false),
            ("$SYS/broker", false),
            ("", false),
        ] {
            assert_eq!(allowed.may_answer_to(topic), may, "{topic}");
            let refused = read(&allowed, &message("sokutou/press-3/ask", "?", Some(topic), Some(b"1"))).err();
            assert_eq!(refused.is_none(), may, "{topic}");
            assert!(refused.is_none_or(|(to, why)| to.is_none() && matches!(why, Refusal::Forbidden(_))), "{topic}");
        }
        assert!(!allowed.may_answer_to(&format!("plant/line-1/{}", "x".repeat(TOPIC_BYTES_MAX))));
    }
}
