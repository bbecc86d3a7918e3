//! HTTP for this device and its neighbours: questions and answers, the reviews of people, health and metrics.
//!
//! No encryption: for callers beyond this device put a proxy with TLS before it.

pub mod config;
mod guard;
pub mod openapi;
mod places;
mod routes;
mod server;

pub use config::{Section, Settings};
pub use routes::{Accepted, MORE, PAGE_MAX, Problem, ROUTES, THROUGH};
pub use server::run;
