//! Measures a student on a box: the walk of `sokutou bench`. It takes the same pipeline as the gateway, keeps every sample, and refuses
//! to report what cannot be trusted. Prints nothing, changes no setting of the box, talks to no other machine.
//!
//! ```text
//! machine, sensors --+
//! questions ---------+--> run --> report --> compare, html
//! cold, speed -------+     |
//!                          +--> trust: refused, unless figures are wanted anyway
//! ```
//!
//! One trial is the same work every time: questions in order, one after another, as a machine that waits for its answer asks them. The
//! spread between trials tells how far the figures repeat within the run; nothing tells how far they repeat tomorrow but a second run.

pub mod cold;
pub mod compare;
pub mod html;
pub mod machine;
pub mod questions;
pub mod report;
mod run;
pub mod sensors;
mod speed;
pub mod statistics;
pub mod trust;

pub use run::{BenchError, Plan, Progress, Stage, run};
