//! The broker: questions in from topics, answers out to topics, as MQTT 5 and with a form for clients of 3.1.1.
//!
//! | topic | what | properties |
//! |---|---|---|
//! | `<root>/<gateway>/ask` | a question | Response Topic, and Correlation Data or an `id` in the body |
//! | `<root>/<gateway>/ask/<client>/<request>` | a question | none needed |
//! | `<root>/<gateway>/answer/<client>/<request>` | its answer, where no Response Topic was given | Correlation Data, if given |
//! | `<root>/<gateway>/explain/<client>/<request>` | a request for the rationale of an earlier answer | |
//! | `<root>/<gateway>/rationale/<client>/<request>` | the rationale | |
//! | `<root>/<gateway>/status` | is the gateway there? retained | |
//! | `<root>/any/ask/<client>/<request>` | a question to any gateway of a group | |
//! | `<root>/any/answer/<client>/<request>` | its answer | |
//!
//! A body is `{"question", "id"?, "client"?, "task"?, "explain"?}` in UTF-8, or the plain text of the question.
//!
//! A question is acknowledged when the gateway has made it durable, in the order in which questions came; until then the broker
//! keeps it, and no more of them than [`Settings::receive_max`] are on their way. What comes at QoS 0 is read as fast as it comes and
//! waits in a bounded queue. What is refused is told where its answer would have gone.
//!
//! The connection's session outlives the process: the broker keeps questions while the gateway is away. The one exception is a
//! gateway that shares its questions with others: a session of its own that outlived it would go on taking its share. At an orderly
//! end it gives up its subscriptions first, and answers what it had been given.
//!
//! Never answers a question itself, and never publishes where [`Settings::response_topics`] does not allow.

pub mod asyncapi;
mod client;
pub mod config;
mod questions;
mod status;
mod tls;
mod topics;

pub use client::run;
pub use config::{Section, Settings};
pub use status::{LEAVE_TIME_MAX, Statuses};
