//! Calibration: does a confidence of 90 % mean that nine of ten answers are right? Pure functions of (confidence, right) pairs.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Bins of equal width over confidence, as in Guo et al. 2017. The training toolkit uses the same number.
pub const BINS: usize = 15;

/// One bin of a reliability diagram.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Bin {
    /// Number of answers in the bin.
    pub n: usize,
    /// Their mean confidence.
    pub confidence: f64,
    /// The share of them that is right.
    pub right: f64,
}

/// The bins that are not empty, by rising confidence. Bin k of 15 holds k/15 <= confidence < (k + 1)/15; the last one holds 1 too.
pub fn reliability(answers: &[(f64, bool)]) -> Vec<Bin> {
    let mut bins = [(0_usize, 0.0_f64, 0_usize); BINS]; // answers, sum of confidences, right answers
    for &(confidence, right) in answers {
        let bin = &mut bins[((confidence * BINS as f64) as usize).min(BINS - 1)];
        *bin = (bin.0 + 1, bin.1 + confidence, bin.2 + usize::from(right));
    }
    let filled = bins.into_iter().filter(|&(n, ..)| n > 0);
    filled.map(|(n, sum, right)| Bin { n, confidence: sum / n as f64, right: right as f64 / n as f64 }).collect()
}

/// Expected calibration error (ECE): the distance of mean confidence and share of right answers in each bin, weighted by the bin's
/// answers. 0 without answers.
pub fn calibration_error(bins: &[Bin]) -> f64 {
    let n: usize = bins.iter().map(|bin| bin.n).sum();
    bins.iter().map(|bin| (bin.confidence - bin.right).abs() * bin.n as f64 / n.max(1) as f64).sum()
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::evaluation::Share;

    #[test]
    fn bins_are_weighted_by_their_size() {
        let answers = [(0.95, true), (0.95, true), (0.95, false), (0.25, true), (1.0, true)];
        let bins = reliability(&answers);
        let [low, high] = bins[..] else { panic!("{bins:?}") };
        assert_eq!(low, Bin { n: 1, confidence: 0.25, right: 1.0 }, "too low a confidence");
        assert_eq!((high.n, high.right), (4, 0.75), "too high a confidence");
        // 1/5 of 1 - 0.25 and 4/5 of 0.9625 - 0.75
        assert!((calibration_error(&bins) - (0.2 * 0.75 + 0.8 * 0.2125)).abs() < 1e-12);
        assert_eq!(calibration_error(&[]), 0.0);
    }

    /// The same file is read by a test of the training toolkit.
    #[test]
    fn the_toolkit_computes_the_same_figures() {
        let cases: Value = serde_json::from_str(include_str!("../../tests/data/calibration_error.json")).unwrap();
        let list = |key: &str| cases[key].as_array().unwrap().clone();
        let number = |value: &Value| value.as_f64().unwrap();
        assert_eq!(cases["bins"], BINS);
        for case in list("calibration") {
            let confidences = case["confidence"].as_array().unwrap().iter().map(number);
            let right = case["right"].as_array().unwrap().iter().map(|right| right.as_bool().unwrap());
            let bins = reliability(&confidences.zip(right).collect::<Vec<_>>());
            let counts: Vec<usize> = bins.iter().map(|bin| bin.n).collect();
            assert_eq!(serde_json::to_value(counts).unwrap(), case["n_per_bin"], "{}", case["name"]);
            let found = calibration_error(&bins);
            assert!((found - number(&case["ece"])).abs() < 1e-9, "{}: {found}", case["name"]);
        }
        for case in list("interval") {
            let count = |key: &str| case[key].as_u64().unwrap() as usize;
            let share = Share::of(count("count"), count("n")).unwrap();
            for (found, key) in [(share.low, "low"), (share.high, "high")] {
                assert!((found - number(&case[key])).abs() < 1e-9, "{key} of {case}: {found}");
            }
        }
    }
}
