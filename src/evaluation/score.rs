//! Counts over answered questions: accuracy, coverage and selective risk, each a share with its interval. Pure.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use statrs::function::beta::inv_beta_reg;

use super::calibration::{Bin, calibration_error, reliability};
use crate::domain::{Answer, Decision, Mode, Verdict};

/// Probability that the interval of a share holds the true share; at least, because the interval is exact.
pub const LEVEL: f64 = 0.95;
/// Below this number of answers, a calibration error is mostly chance.
pub const CALIBRATION_ANSWERS_MIN: usize = 100;

/// A share of `n` with its exact (Clopper-Pearson) 95 % interval.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Share {
    /// How many.
    pub count: usize,
    /// Of how many.
    pub n: usize,
    /// `count` divided by `n`.
    pub value: f64,
    /// Lower end of the interval.
    pub low: f64,
    /// Upper end of the interval.
    pub high: f64,
}

impl Share {
    /// The share of what is not in this one, as risk is to accuracy.
    pub fn complement(&self) -> Self {
        let Self { count, n, value, low, high } = *self;
        Self { count: n - count, n, value: 1.0 - value, low: 1.0 - high, high: 1.0 - low }
    }

    /// `None` where `n` is 0. `count` is at most `n`.
    pub fn of(count: usize, n: usize) -> Option<Self> {
        if n == 0 {
            return None;
        }
        let (successes, failures) = (count as f64, (n - count) as f64);
        let tail = (1.0 - LEVEL) / 2.0;
        let low = if count == 0 { 0.0 } else { inv_beta_reg(successes, failures + 1.0, tail) };
        let high = if count == n { 1.0 } else { inv_beta_reg(successes + 1.0, failures, 1.0 - tail) };
        Some(Self { count, n, value: count as f64 / n as f64, low, high })
    }
}

impl fmt::Display for Share {
    /// In percent, with counts and interval: `83.3 % (10 of 12; 51.6–97.9 %)`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [value, low, high] = [self.value, self.low, self.high].map(|share| share * 100.0);
        write!(f, "{value:.1} % ({} of {}; {low:.1}\u{2013}{high:.1} %)", self.count, self.n)
    }
}

/// What became of one question.
struct Scored {
    confidence: f64,
    answered: bool,
    directly: bool,
    /// `None` where the right answer is unknown.
    right: Option<bool>,
}

/// The verdicts of all questions asked so far, each counted once.
#[derive(Default)]
pub struct Score(Vec<Scored>);

impl Score {
    /// Adds the verdict of a question whose right answer is `expected`, if that is known.
    pub fn add(&mut self, verdict: &Verdict, expected: Option<&Answer>) {
        self.0.push(Scored {
            confidence: verdict.confidence.value(),
            answered: verdict.decision == Decision::Answered,
            directly: verdict.mode == Mode::AnswerFirst,
            right: expected.map(|expected| verdict.answer.as_ref() == Some(expected)),
        });
    }

    /// Share of right answers. The guesses behind escalated questions count too.
    pub fn accuracy(&self) -> Option<Share> {
        share(self.0.iter().filter_map(|scored| scored.right))
    }

    /// Share of questions answered without a person.
    pub fn coverage(&self) -> Option<Share> {
        share(self.0.iter().map(|scored| scored.answered))
    }

    /// Share of right answers among those given without a person: 1 - selective risk.
    pub fn selective_accuracy(&self) -> Option<Share> {
        share(self.auto_answered())
    }

    /// Share of wrong answers among those given without a person.
    pub fn selective_risk(&self) -> Option<Share> {
        share(self.auto_answered().map(|right| !right))
    }

    /// Share of questions whose verdict came from the first pass, without thinking.
    pub fn answered_directly(&self) -> Option<Share> {
        share(self.0.iter().map(|scored| scored.directly))
    }

    /// Confidence against truth, in bins.
    pub fn reliability(&self) -> Vec<Bin> {
        reliability(&self.judged())
    }

    /// `None` with fewer than [`CALIBRATION_ANSWERS_MIN`] answers whose truth is known.
    pub fn calibration_error(&self) -> Option<f64> {
        let judged = self.judged();
        (judged.len() >= CALIBRATION_ANSWERS_MIN).then(|| calibration_error(&reliability(&judged)))
    }

    fn judged(&self) -> Vec<(f64, bool)> {
        self.0.iter().filter_map(|scored| Some((scored.confidence, scored.right?))).collect()
    }

    /// Whether each answer was right that was given without a person, where that is known.
    fn auto_answered(&self) -> impl Iterator<Item = bool> {
        self.0.iter().filter(|scored| scored.answered).filter_map(|scored| scored.right)
    }
}

fn share(all: impl Iterator<Item = bool>) -> Option<Share> {
    let (count, n) = all.fold((0, 0), |(count, n), held| (count + usize::from(held), n + 1));
    Share::of(count, n)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Band, Confidence, Reason};

    #[test]
    fn intervals_of_shares_are_exact() {
        for (count, n, low, high) in [
            (1, 1, 0.025, 1.0),                  // 1 - 0.975
            (0, 1, 0.0, 0.975),                  // 1 - 0.025
            (20, 20, 0.025_f64.powf(0.05), 1.0), // x^20 = 0.025
            (8, 10, 0.443_904_537_7, 0.974_789_273_7),
        ] {
            let share = Share::of(count, n).unwrap();
            assert!((share.low - low).abs() < 1e-9 && (share.high - high).abs() < 1e-9, "{share:?}");
        }
        assert_eq!(Share::of(0, 0), None);
        assert_eq!(Share::of(10, 12).unwrap().to_string(), "83.3 % (10 of 12; 51.6\u{2013}97.9 %)");
    }

    #[test]
    fn each_verdict_is_counted_where_it_belongs() {
        let verdict = |choice: Option<usize>, confidence: f64, decision: Decision, mode: Mode| Verdict {
            answer: choice.map(Answer::Choice),
            confidence: Confidence::new(confidence).unwrap(),
            band: Band::High,
            decision,
            mode,
            detail: None,
        };
        let escalated = Decision::Escalated(Reason::Unsure);
        let mut score = Score::default();
        let known = Answer::Choice(1);
        score.add(&verdict(Some(1), 0.9, Decision::Answered, Mode::AnswerFirst), Some(&known));
        score.add(&verdict(Some(0), 0.9, Decision::Answered, Mode::AnswerFirst), Some(&known));
        score.add(&verdict(Some(1), 0.4, escalated, Mode::ThinkFirst), Some(&known)); // a right guess
        score.add(&verdict(None, 0.0, escalated, Mode::ThinkFirst), Some(&known)); // no answer is wrong
        score.add(&verdict(Some(0), 0.9, Decision::Answered, Mode::AnswerFirst), None);
        let counts = |share: Option<Share>| share.map(|share| (share.count, share.n));
        assert_eq!(counts(score.accuracy()), Some((2, 4)));
        assert_eq!(counts(score.coverage()), Some((3, 5)));
        assert_eq!(counts(score.selective_accuracy()), Some((1, 2)));
        assert_eq!(counts(score.selective_risk()), Some((1, 2)));
        assert_eq!(counts(score.answered_directly()), Some((3, 5)));
        assert_eq!(score.reliability().iter().map(|bin| bin.n).collect::<Vec<_>>(), [1, 1, 2]);
        assert_eq!(score.calibration_error(), None, "too few answers");
        assert_eq!(counts(Score::default().accuracy()), None);
    }
}
