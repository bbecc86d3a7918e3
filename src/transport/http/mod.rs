//! HTTP for this device and its neighbours: questions and answers, the reviews of people, health and metrics.

pub mod config;
mod routes;

pub use config::{Section, Settings};
pub use routes::{Accepted, MORE, Operation, PAGE_MAX, Problem, ROUTES, THROUGH, run};
