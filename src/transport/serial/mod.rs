//! Serial lines: checked frames of [`crate::wire`], or lines of text. `port` holds one device and reads it, `adapter` turns what it
//! brings into requests and messages into what it takes.

mod adapter;
pub mod config;
pub mod port;

pub use adapter::Ports;
pub use config::{Settings, Speaks};
