//! Measures a model on a device: `sokutou bench`. It runs the same pipeline as the gateway, keeps every sample, and refuses to report
//! figures that were taken under bad conditions. Prints nothing, changes no setting of the device, talks to no other machine.
//!
//! ```text
//! machine, sensors ------+
//! evaluation::dataset ---+--> run --> report --> compare, html (plot)
//! cold, speed -----------+     |
//!                              +--> trust: refused, unless the report is forced
//! ```
//!
//! Each trial is the same work: the same questions in the same order, one at a time, as a machine asks that waits for each answer. The
//! spread between trials shows how far figures repeat within one run. Only a second run shows how far they repeat another day.

mod charts;
pub mod cold;
pub mod compare;
pub mod format;
pub mod html;
pub mod machine;
mod plot;
pub mod report;
mod run;
pub mod sensors;
mod speed;
pub mod statistics;
pub mod trust;

pub use run::{BenchError, Plan, Progress, Stage, run};
