//! How good a model's answers are: questions with known answers, accuracy, coverage and selective risk with exact intervals, and
//! how well the confidence is calibrated. Asks nothing itself and knows no command; `bench` uses it, and so can any other command
//! that counts right answers.
//!
//! ```text
//! dataset --questions--> (a command asks) --verdicts--> score --> calibration
//! ```
//!
//! The training toolkit in `models/` computes the same calibration error and the same intervals. Both are held against
//! `tests/data/calibration_error.json`.

pub mod calibration;
pub mod dataset;
pub mod score;

pub use calibration::{Bin, calibration_error, reliability};
pub use dataset::{Dataset, DatasetError, Question, Source};
pub use score::{Score, Share};
