//! **sokutou** (即答): an answer-first runtime for shop-floor gateways.
//!
//! A small model, distilled from a teacher's questions, answers and rationales, answers in one pass with a calibrated
//! confidence. It writes a rationale only when asked, thinks first when it is unsure, and gives the question to a person
//! when it still is. For users: README.md and the pages in [`docs`]. The words used here: [glossary](docs::glossary).
//!
//! # The path of a question
//!
//! ```text
//! question --> readings --one wording--> engine --Prediction--> policy --Verdict--> answer, or a person
//!                 |                       ^ ^                    |
//!                 +--> a person           | +------ think <------+ not sure enough
//!                                         +-------- rationale, only when asked
//! ```
//!
//! [`pipeline`] goes this path once, for every command. Around it stands the gateway, `sokutou serve`:
//!
//! ```text
//! transport --Request--> journal --> acknowledged --> pipeline --> journal --OutboundMessage--> transport
//!                                                        |            ^                             |
//!                                                        |         revision                     delivered
//!                                                        v            |                             v
//!                                                      review --> a person                       journal
//! ```
//!
//! Each step of a case is on disk before the next one begins: the gateway goes on where a crash or a power cut left it.
//!
//! A model has one task or several, each with a prompt template, a calibration and thresholds of its own. A task is
//! answered with one of a closed set of choices, or with a generated text whose own probability is the confidence.
//!
//! # The modules, in the order of the data
//!
//! | module | what it is | may use |
//! |---|---|---|
//! | [`mod@bytes`] | bounded reading, hexadecimal | nothing |
//! | [`calculator`] | exact arithmetic on decimals | nothing |
//! | [`domain`] | what every module speaks of: answer, prediction, verdict, confidence | nothing |
//! | [`installed`] | where the runtime library and the model are installed | nothing |
//! | [`wire`] | the messages of a serial line as bytes; a crate of its own, without `std` and allocator | nothing |
//! | [`bundle`] | a model's folder, verified: having a [`bundle::Bundle`] means that it was checked | bytes, domain, wire |
//! | [`readings`] | what a question says, exactly: declared fields or a series, or why a person must look | calculator, domain, bundle |
//! | [`policy`] | from prediction to verdict, pure | domain, bundle |
//! | [`engine`] | runs the model: read, score or generate, think, explain | calculator, domain, installed, bundle |
//! | [`pipeline`] | from question to verdict to rationale | domain, bundle, readings, policy, engine |
//! | [`evaluation`] | datasets, shares with intervals, calibration error | bytes, domain, bundle |
//! | [`api`] | what leaves the device as JSON, formed in one place | domain, wire, bundle, store |
//! | [`store`] | the journal: every case on disk before it is acknowledged, and the reviews of people | domain |
//! | [`config`] | layers, reader and secrets of the configuration; knows no section | bytes, domain |
//! | [`transport`] | where questions come in and answers go out: MQTT, HTTP, serial lines | bytes, domain, wire, api, config |
//! | [`gateway`] | the daemon: one loop over one enum of events | domain, wire, bundle, policy, engine, pipeline, api, store, config, transport |
//! | [`mod@bench`] | measures the model on a device, refuses figures that cannot be trusted | bytes, domain, bundle, policy, engine, pipeline, evaluation |
//! | [`cli`] | the commands | all |
//! | [`docs`] | the pages for users | nothing |
//!
//! `tests/it/modules.rs` checks this table.
//!
//! # What never happens
//!
//! - The engine decides nothing. The policy measures nothing.
//! - `ort`, `tokenizers`, `rusqlite` and `axum` are named in few files, which `tests/it/modules.rs` lists.
//! - Only `cli` prints. The library neither panics on input nor exits.
//! - The gateway connects to no other machine than the configured broker. ONNX Runtime's telemetry is switched off
//!   before the library is loaded.
//! - Nothing is acknowledged before it is on disk, and no answer waits for its rationale.
//! - No order and no deadline depends on the device's clock.
//!
//! # Why the confidence means something
//!
//! Answers are short and bounded. The calculator of the [`engine`] does the arithmetic, so the model need not learn it.
//! The thresholds are chosen on questions that the model was not trained on. The training toolkit in `models/` sees to
//! the last of these.

// In reading order; the blank lines keep rustfmt from sorting them.
pub mod bytes;

pub mod calculator;

pub mod domain;

pub mod installed;

pub mod bundle;

pub mod readings;

pub mod policy;

pub mod engine;

pub mod pipeline;

pub mod evaluation;

pub mod store;

pub mod api;

pub mod config;

pub mod transport;

pub mod gateway;

pub mod bench;

pub mod cli;

pub mod docs;

#[doc(inline)]
pub use sokutou_wire as wire;

/// Folder of the student that ships, in the repository.
pub const DEFAULT_BUNDLE: &str = "models/bundles/shop-floor-1.2.0";
