//! One binary for what crosses rooms: the shipped student, the real runtime library, the real command line.
#![allow(clippy::unwrap_used, missing_docs)] // a test that panics has failed, which is what it is for

mod ask;
mod batch;
mod bench;
mod broken;
mod clock;
mod config;
mod crash;
mod disk;
mod gateway;
mod http;
mod library;
mod modules;
mod mqtt;
mod overload;
mod proxy;
mod readings;
mod readme;
mod reference;
mod reload;
mod serial;
mod store;
mod support;
mod tasks;
mod watchdog;
