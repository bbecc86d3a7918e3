//! **sokutou** (即答): an answer-first runtime for shop-floor gateways.
//!
//! A small student, distilled from a teacher's (answer, rationale) pairs, answers in one forward pass with a confidence
//! one can trust; explains only when asked; thinks first when it is unsure; hands over to a person when it still is.
//!
//! # The way of a question
//!
//! ```text
//! question --> engine --Look--> policy --Verdict--> reply
//!                ^  |              |
//!                |  +--- think  <--+ not sure enough
//!                +------ explain     only when asked
//! ```
//!
//! `pipeline` walks it; every command walks `pipeline`. Around it the gateway, `sokutou serve`:
//!
//! ```text
//! trigger --Request--> journal --> acknowledged --> pipeline --> journal --Letter--> trigger --delivered--> journal
//!                                                                   |
//!                                                                   +--> review --revision--> trigger
//! ```
//!
//! A student has one task or several, each with a prompt template, a calibration and thresholds of its own. A task is answered
//! with one of a closed set of choices, or with a free text whose own probability is the confidence.
//!
//! # The rooms, in the order of the data
//!
//! | room | what it is | may name |
//! |---|---|---|
//! | [`domain`] | the words every room speaks | nothing |
//! | [`installed`] | where library and student stand | nothing |
//! | [`config`] | the gateway's configuration, checked; one struct for each room of the daemon | nothing |
//! | [`bundle`] | a student's folder, verified | domain |
//! | [`policy`] | looks to verdict, pure | domain, the bundle's manifest |
//! | [`engine`] | runs the student: read, score or write, think, explain | domain, installed, bundle |
//! | [`pipeline`] | question to verdict to rationale | domain, engine, policy |
//! | [`evaluation`] | how good answers are: questions with known answers, shares with intervals, calibration | domain, bundle |
//! | [`wire`] | the serial line's messages, as bytes | nothing |
//! | [`reply`] | an answer as a machine reads it | domain, bundle, engine, pipeline |
//! | [`store`] | the journal: every case on disk before it is acknowledged, and the reviews of people | domain |
//! | [`triggers`] | where questions come in and answers go out: the broker, serial ports, HTTP | domain, wire, config |
//! | [`daemon`] | the gateway: every case from its trigger through journal and student and back | all but evaluation, bench and cli |
//! | [`bench`] | measures a model on a device, and refuses figures of bad conditions | domain, bundle, engine, policy, pipeline, evaluation |
//! | [`cli`] | the commands | all |
//!
//! # What never happens
//!
//! The engine decides nothing; the policy measures nothing. Only `engine/library.rs` and `engine/session.rs` name `ort`,
//! only `engine/tokenizer.rs` names `tokenizers`, only `store` names `rusqlite`, only `triggers/http.rs` names `axum`. Nothing but
//! `cli` prints. The library neither panics on input nor exits. It connects to no other machine than the configured broker; ONNX
//! Runtime's own telemetry is switched off before the library is loaded. [`wire`] needs neither `std` nor an allocator: a
//! microcontroller links it with `default-features = false`.
//!
//! Answers that are short and bounded, an arithmetic that the student need not learn ([`engine`]'s calculator), and thresholds
//! chosen on held-out rows are what makes the confidence mean something; the workshop in `models/` makes all three.

#![cfg_attr(not(feature = "std"), no_std)]

pub mod wire;

// Firmware links the room above and no other. `std` is on unless it is switched off, and brings these rooms and their libraries.
#[cfg(feature = "std")]
pub mod domain;

#[cfg(feature = "std")]
pub mod installed;

#[cfg(feature = "std")]
pub mod config;

#[cfg(feature = "std")]
pub mod bundle;

#[cfg(feature = "std")]
pub mod policy;

#[cfg(feature = "std")]
pub mod engine;

#[cfg(feature = "std")]
pub mod pipeline;

#[cfg(feature = "std")]
pub mod evaluation;

#[cfg(feature = "std")]
pub mod reply;

#[cfg(feature = "std")]
pub mod store;

#[cfg(feature = "std")]
pub mod triggers;

#[cfg(feature = "std")]
pub mod daemon;

#[cfg(feature = "std")]
pub mod bench;

#[cfg(feature = "std")]
pub mod cli;

/// Folder of the student that ships, in the repository.
pub const DEFAULT_BUNDLE: &str = "models/bundles/shop-floor-1.2.0";
