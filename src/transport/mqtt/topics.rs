//! What a message at the broker says: topic, properties and body to a request. Pure, and the only place that decides where an answer
//! may go.

use std::time::Duration;

use rumqttc::{Publish, PublishProperties};

use super::config::Settings;
use crate::bytes::hex;
use crate::domain::{ASK_BYTES_MAX, ASKER_CHARS_MAX, is_asker_name};
use crate::transport::request::{AskBody, Explain, Key, MqttReplyTo, Refusal, Request, Route};

/// Correlation Data is copied into the journal and into every answer.
const CORRELATION_BYTES_MAX: usize = 64;
/// What [`is_asker_name`] asks for, in words.
const NAMES: &str = "1 to 64 characters without / + # and control characters";
const _: () = assert!(ASKER_CHARS_MAX == 64);

/// What the gateway listens to. Topics with too few levels or too many carry no question: they are heard to be refused, since who asks
/// there would wait for ever.
pub fn filters(settings: &Settings) -> Vec<String> {
    let own = own_filters(&format!("{}/{}", settings.root, settings.gateway));
    let shared = settings.share_group.iter().flat_map(|group| {
        ["ask/+", "ask/+/+", "ask/+/+/+/#"].map(|of| format!("$share/{group}/{}/any/{of}", settings.root))
    });
    own.into_iter().chain(shared).collect()
}

/// Those below the levels of one gateway.
pub fn own_filters(base: &str) -> [String; 5] {
    ["ask", "ask/+", "ask/+/+", "ask/+/+/+/#", "explain/+/+"].map(|of| format!("{base}/{of}"))
}

/// What came on a topic.
pub enum Incoming {
    /// A question, and who is told should it be refused.
    Ask(Asker, Request),
    Explain(Explain),
}

/// Whose question it is, as far as that is known, and where it hears of it.
pub struct Asker {
    /// Empty where the question names none.
    pub key: Key,
    pub to: MqttReplyTo,
}

/// Why a message says nothing, and who can be told.
pub struct Refused {
    pub asker: Option<Box<Asker>>,
    pub refusal: Refusal,
}

/// What a message says.
pub fn read(settings: &Settings, publish: &Publish) -> Result<Incoming, Refused> {
    let untold = |refusal: Refusal| Refused { asker: None, refusal };
    let unreadable = |why: &str| Refusal::Unreadable(why.to_owned());
    let topic = std::str::from_utf8(&publish.topic).map_err(|_| untold(unreadable("the topic is not UTF-8")))?;
    let Place { base, verb, levels } = Place::of(settings, topic).ok_or_else(|| {
        untold(unreadable("expected a topic that ends in ask, ask/CLIENT/REQUEST or explain/CLIENT/REQUEST"))
    })?;
    let said = publish.properties.as_ref();
    let mut correlation = said.and_then(|said| said.correlation_data.as_ref()).map(|bytes| bytes.to_vec());
    let long = correlation.as_ref().is_some_and(|bytes| bytes.len() > CORRELATION_BYTES_MAX);
    correlation = correlation.filter(|_| !long);
    let response_topic = said.and_then(|said| said.response_topic.clone());
    let by_name = levels.map(|levels| format!("{base}/{}/{levels}", verb.answers()));
    let named = levels.map(|levels| levels.split_once('/').unwrap_or((levels, "")));
    let topic = match (response_topic, by_name) {
        (Some(topic), _) if settings.may_answer_to(&topic) => topic,
        (Some(topic), by_name) => {
            let topic: String = topic.escape_debug().take(80).collect();
            let why = format!("answers may not go to {topic}; the gateway's configuration lists response_topics");
            let asker = named.zip(by_name).map(|((client, id), topic)| {
                let key = Key { client: client.to_owned(), id: id.to_owned() };
                Box::new(Asker { key, to: MqttReplyTo { topic, correlation } })
            });
            return Err(Refused { asker, refusal: Refusal::Forbidden(why) });
        }
        (None, Some(by_name)) => by_name,
        (None, None) => {
            let why = "expected a Response Topic (MQTT 5), or a topic that ends in ask/CLIENT/REQUEST";
            return Err(untold(unreadable(why)));
        }
    };
    let to = MqttReplyTo { topic, correlation };
    // Whoever names neither itself nor its question is known by where it listens.
    let nobody = || digest(&[to.topic.as_bytes()]);
    let refused = |client: &str, id: &str, why: String| {
        let key = Key { client: client.to_owned(), id: id.to_owned() };
        Refused { asker: Some(Box::new(Asker { key, to: to.clone() })), refusal: Refusal::Unreadable(why) }
    };
    if let Some((client, id)) = named
        && !(is_asker_name(client) && is_asker_name(id))
    {
        let why = format!("expected a topic that ends in CLIENT/REQUEST, each of {NAMES}");
        return Err(refused(client, id, why));
    }
    let (client, id) = named.map_or((None, None), |(client, id)| (Some(client), Some(id)));
    if long {
        let why = format!("expected Correlation Data of at most {CORRELATION_BYTES_MAX} bytes");
        return Err(refused(client.unwrap_or(&nobody()), id.unwrap_or_default(), why));
    }
    let key = |client: &str, id: &str| Key { client: client.to_owned(), id: id.to_owned() };
    if let (Verb::Explain, Some((client, id))) = (verb, named) {
        return Ok(Incoming::Explain(Explain { key: key(client, id), route: Route::Mqtt(to) }));
    }
    let body = match body(&publish.payload) {
        Ok(body) => body,
        Err(why) => return Err(refused(client.unwrap_or(&nobody()), id.unwrap_or_default(), why)),
    };
    let key = match (named, &body.id, &to.correlation) {
        (Some((client, id)), ..) => key(client, id),
        (None, Some(id), _) => {
            let client = body.client.clone().unwrap_or_else(nobody);
            if !(is_asker_name(id) && is_asker_name(&client)) {
                return Err(refused(&client, id, format!("expected id and client of {NAMES}")));
            }
            key(&client, id)
        }
        // A client may count its Correlation Data from 1 after every start: only with the question does it name a request.
        (None, None, Some(correlation)) => key(&nobody(), &digest(&[correlation, body.question.as_bytes()])),
        (None, None, None) => {
            let why = "expected Correlation Data (MQTT 5), or an id in the body".to_owned();
            return Err(refused(&nobody(), "", why));
        }
    };
    let expires_in =
        said.and_then(|said| said.message_expiry_interval).map(|seconds| Duration::from_secs(seconds.into()));
    let AskBody { question, task, explain, .. } = body;
    let asker = Asker { key: key.clone(), to: to.clone() };
    Ok(Incoming::Ask(asker, Request { key, task, question, explain, expires_in, route: Route::Mqtt(to) }))
}

/// What a topic is about.
struct Place<'a> {
    /// The levels before the verb: the gateway's own, or those of any.
    base: String,
    verb: Verb,
    /// Those behind it: who asks, and the name of the question.
    levels: Option<&'a str>,
}

#[derive(Clone, Copy)]
enum Verb {
    Ask,
    Explain,
}

impl Verb {
    /// Where its answers go.
    fn answers(self) -> &'static str {
        match self {
            Self::Ask => "answer",
            Self::Explain => "rationale",
        }
    }
}

impl<'a> Place<'a> {
    fn of(settings: &Settings, topic: &'a str) -> Option<Self> {
        [&settings.gateway, "any"].into_iter().find_map(|whose| {
            let base = format!("{}/{whose}", settings.root);
            let rest = topic.strip_prefix(&base)?.strip_prefix('/')?;
            let (verb, levels) = rest.split_once('/').map_or((rest, None), |(verb, levels)| (verb, Some(levels)));
            match (verb, levels) {
                ("ask", levels) => Some(Self { base, verb: Verb::Ask, levels }),
                ("explain", Some(levels)) => Some(Self { base, verb: Verb::Explain, levels: Some(levels) }),
                _ => None,
            }
        })
    }
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
            Ok(Incoming::Ask(_, request)) => request,
            Ok(Incoming::Explain(_)) => panic!("asked for a rationale"),
            Err(Refused { refusal, .. }) => panic!("refused: {refusal}"),
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
            (message("sokutou/press-4/ask/plc/1", "?", None, None), None, "expected a topic that ends in"),
            (message("sokutou/press-3/ask", "?", None, some), None, "expected a Response Topic"),
            (message("sokutou/press-3/ask/plc", "?", None, None), Some("plc|"), "CLIENT/REQUEST"),
            (message("sokutou/press-3/ask/a/b/c", "?", None, None), Some("a|b/c"), "CLIENT/REQUEST"),
            (message("sokutou/press-3/ask//1", "?", None, None), Some("|1"), "1 to 64 characters"),
            (message("sokutou/press-3/ask/p\u{202e}c/1", "?", None, None), Some("p\u{202e}c|1"), "1 to 64 characters"),
            (message("sokutou/press-3/ask/plc/1", "{}", None, None), Some("plc|1"), "missing field `question`"),
            (message("sokutou/press-3/ask/plc/1", [0x83, 0x67], None, None), Some("plc|1"), "expected UTF-8"),
            (message("sokutou/press-3/ask", "?", there, None), Some("*|"), "expected Correlation Data"),
            (message("sokutou/press-3/ask", "?", there, Some(&[0; 65])), Some("*|"), "at most 64 bytes"),
            (message("sokutou/press-3/ask", "{\"question\": 1}", there, some), Some("*|"), "got a number"),
            (
                message("sokutou/press-3/ask", "{\"question\": \"?\", \"Task\": \"t\"}", there, some),
                Some("*|"),
                "did you mean \"task\"?",
            ),
            (
                message("sokutou/press-3/ask", "{\"question\": \"?\", \"id\": \"a#b\"}", there, some),
                Some("*|a#b"),
                "1 to 64 characters",
            ),
            (message("sokutou/press-3/ask", long, there, some), Some("*|"), "at most 131072 bytes"),
            (message("sokutou/press-3/ask", large, there, some), Some("*|"), "question of at most 16384 bytes"),
        ] {
            let Err(Refused { asker, refusal }) = read(&settings(), &publish) else { panic!("taken, expected: {why}") };
            assert!(matches!(refusal, Refusal::Unreadable(_)), "{why}");
            assert!(refusal.to_string().contains(why), "{refusal}");
            let nobody = digest(&[b"plant/line-1/a"]);
            let told = told.map(|told| told.replace('*', &nobody));
            assert_eq!(asker.map(|asker| format!("{}|{}", asker.key.client, asker.key.id)), told, "{why}");
        }
    }

    #[test]
    fn any_level_of_a_topic_names_a_client_or_a_question() {
        for (client, id) in
            [("AA:BB:CC:00:11:22", "1"), ("Channel1.Press3", "0.1"), ("line 3", "a b"), ("プレス3", "部品１")]
        {
            let request = asked(&message(&format!("sokutou/press-3/ask/{client}/{id}"), "?", None, None));
            assert_eq!(request.key, Key { client: client.into(), id: id.into() });
            let Route::Mqtt(to) = request.route else { panic!() };
            assert_eq!(to.topic, format!("sokutou/press-3/answer/{client}/{id}"));
        }
    }

    #[test]
    fn where_an_answer_may_not_go_the_refusal_goes_by_name() {
        let publish = message("sokutou/press-3/ask/plc/1", "?", Some("plant/line-2/a"), None);
        let Err(Refused { asker: Some(asker), refusal }) = read(&settings(), &publish) else { panic!() };
        assert_eq!(asker.to.topic, "sokutou/press-3/answer/plc/1");
        assert!(matches!(refusal, Refusal::Forbidden(_)));
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
            let untold = |refused: Refused| refused.asker.is_none() && matches!(refused.refusal, Refusal::Forbidden(_));
            assert!(refused.is_none_or(untold), "{topic}");
        }
        assert!(!allowed.may_answer_to(&format!("plant/line-1/{}", "x".repeat(TOPIC_BYTES_MAX))));
    }
}
