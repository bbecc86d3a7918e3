//! Serial lines: checked frames of [`crate::wire`], or lines of text. `port` holds one device and reads it, `adapter` turns what it
//! brings into requests and messages into what it takes. Nothing older than its deadline leaves on a line (`waiting`), and what an adapter
//! hears of itself is no question (`echo`).

mod adapter;
pub mod config;
mod echo;
pub mod port;
pub mod question;
mod reply;
mod waiting;

pub use adapter::Ports;
pub use config::{Settings, Speaks};
