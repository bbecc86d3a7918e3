//! Statistics of timed samples: quantiles with intervals, spreads, ratios. Pure, and repeatable: random draws have a fixed seed. Does not
//! know what was measured.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Every interval holds the true value in this share of all runs, if a run's samples are independent.
pub const LEVEL: f64 = 0.95;
/// Draws for the interval of a ratio: with so many, its ends vary by less than the digits shown.
const RESAMPLES: usize = 1000;
/// Fixed, so that the same two reports always compare the same way.
const SEED: u64 = 2404_09170;

/// A quantile of samples, with its 95 % interval between two of the samples. An end is missing where there are too few samples for it.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Quantile {
    /// The smallest sample that at least this share of all does not exceed.
    pub value: f64,
    /// Lower end of the interval.
    pub low: Option<f64>,
    /// Upper end of the interval.
    pub high: Option<f64>,
}

/// Summary of a distribution.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Summary {
    /// Number of samples.
    pub n: usize,
    /// Arithmetic mean.
    pub mean: f64,
    /// Standard deviation; 0 of one sample.
    pub sd: f64,
    /// Smallest sample.
    pub min: f64,
    /// Median.
    pub p50: Quantile,
    /// 90th percentile.
    pub p90: Quantile,
    /// 95th percentile.
    pub p95: Quantile,
    /// 99th percentile.
    pub p99: Quantile,
    /// Largest sample.
    pub max: f64,
}

impl Summary {
    /// `None` without samples. They must be finite.
    pub fn of(samples: impl IntoIterator<Item = f64>) -> Option<Self> {
        let mut sorted: Vec<f64> = samples.into_iter().collect();
        sorted.sort_by(f64::total_cmp);
        let (&min, &max) = (sorted.first()?, sorted.last()?);
        let n = sorted.len();
        let mean = sorted.iter().sum::<f64>() / n as f64;
        let squares: f64 = sorted.iter().map(|sample| (sample - mean).powi(2)).sum();
        let sd = if n > 1 { (squares / (n - 1) as f64).sqrt() } else { 0.0 };
        let at = |q| quantile(&sorted, q);
        Some(Self { n, mean, sd, min, p50: at(0.5), p90: at(0.9), p95: at(0.95), p99: at(0.99), max })
    }
}

/// The quantile `q` of at least one sample; `sorted` in rising order.
pub fn quantile(sorted: &[f64], q: f64) -> Quantile {
    let n = sorted.len();
    let rank = ((n as f64 * q).ceil() as usize).clamp(1, n);
    let (low, high) = ranks(n, q);
    let at = |rank: usize| sorted[rank - 1];
    Quantile { value: at(rank), low: low.map(at), high: high.map(at) }
}

/// The ranks, from 1, between which the true quantile lies with probability [`LEVEL`]. The number of samples below it is binomial.
fn ranks(n: usize, q: f64) -> (Option<usize>, Option<usize>) {
    let tail = (1.0 - LEVEL) / 2.0;
    let (mut low, mut below) = (None, 0.0);
    let mut log_mass = n as f64 * (1.0 - q).ln(); // of k = 0
    for k in 0..n {
        below += log_mass.exp(); // P(at most k samples lie below the quantile)
        if below <= tail {
            low = Some(k + 1);
        }
        if below >= 1.0 - tail {
            return (low, Some(k + 1));
        }
        log_mass += ((n - k) as f64 / (k + 1) as f64).ln() + (q / (1.0 - q)).ln();
    }
    (low, None)
}

/// The median; `None` without samples.
pub fn median(samples: &[f64]) -> Option<f64> {
    let mut samples = samples.to_vec();
    (!samples.is_empty()).then(|| middle(&mut samples))
}

/// The median, as [`quantile`] defines it, of at least one sample.
fn middle(samples: &mut [f64]) -> f64 {
    let place = samples.len().div_ceil(2) - 1;
    *samples.select_nth_unstable_by(place, f64::total_cmp).1
}

/// Largest minus smallest median of the trials, as a share of the middle one; 0 with fewer than two trials.
pub fn spread(trials: &[Vec<f64>]) -> f64 {
    let mut medians: Vec<f64> = trials.iter().filter_map(|trial| median(trial)).collect();
    if medians.len() < 2 {
        return 0.0;
    }
    let most = medians.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let least = medians.iter().copied().fold(f64::INFINITY, f64::min);
    (most - least) / middle(&mut medians)
}

/// A ratio of medians with its 95 % interval.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Ratio {
    /// Second median divided by the first.
    pub value: f64,
    /// Lower end of the interval.
    pub low: f64,
    /// Upper end of the interval.
    pub high: f64,
}

/// The median of `b` divided by the median of `a`. The interval is a bootstrap in two steps, trials first and then samples within them,
/// because samples of one trial depend on each other. `None` where a side has no samples, or where the median of `a` is 0.
pub fn ratio(a: &[Vec<f64>], b: &[Vec<f64>]) -> Option<Ratio> {
    let (a, b) = (without_empty(a)?, without_empty(b)?);
    let value = median(&b.concat())? / median(&a.concat())?;
    let mut random = fastrand::Rng::with_seed(SEED);
    let mut drawn: Vec<f64> =
        (0..RESAMPLES).map(|_| resampled_median(&b, &mut random) / resampled_median(&a, &mut random)).collect();
    drawn.sort_by(f64::total_cmp);
    let end = |q| quantile(&drawn, q).value;
    let (low, high) = (end((1.0 - LEVEL) / 2.0), end(1.0 - (1.0 - LEVEL) / 2.0));
    [value, low, high].iter().all(|number| number.is_finite()).then_some(Ratio { value, low, high })
}

fn without_empty(trials: &[Vec<f64>]) -> Option<Vec<Vec<f64>>> {
    let filled: Vec<Vec<f64>> = trials.iter().filter(|trial| !trial.is_empty()).cloned().collect();
    (!filled.is_empty()).then_some(filled)
}

fn resampled_median(trials: &[Vec<f64>], random: &mut fastrand::Rng) -> f64 {
    let mut drawn = Vec::with_capacity(trials.iter().map(Vec::len).sum());
    for _ in 0..trials.len() {
        let trial = &trials[random.usize(..trials.len())];
        drawn.extend((0..trial.len()).map(|_| trial[random.usize(..trial.len())]));
    }
    middle(&mut drawn)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn to(n: usize) -> Vec<f64> {
        (1..=n).map(|sample| sample as f64).collect()
    }

    #[test]
    fn quantiles_and_their_intervals_are_those_computed_by_hand() {
        let summary = Summary::of(to(10).into_iter().rev()).unwrap();
        assert_eq!((summary.n, summary.mean, summary.min, summary.max), (10, 5.5, 1.0, 10.0));
        assert!((summary.sd - (82.5_f64 / 9.0).sqrt()).abs() < 1e-12);
        // P(B <= 1) = 11/1024 and P(B <= 2) = 56/1024 around 1/40: between the second and the ninth of ten.
        assert_eq!(summary.p50, Quantile { value: 5.0, low: Some(2.0), high: Some(9.0) });
        // P(B <= 6) = 0.0128 and P(B <= 7) = 0.0702 for 9 of 10; nothing bounds it from above, 0.9^10 = 0.35 lie below it all.
        assert_eq!(summary.p90, Quantile { value: 9.0, low: Some(7.0), high: None });
        // Of five samples, 1/32 lie all on one side.
        assert_eq!(Summary::of(to(5)).unwrap().p50, Quantile { value: 3.0, low: None, high: None });
        // The usual table for a median of 100: ranks 40 and 61.
        assert_eq!(Summary::of(to(100)).unwrap().p50, Quantile { value: 50.0, low: Some(40.0), high: Some(61.0) });
        assert_eq!(Summary::of([]), None);
    }

    #[test]
    fn intervals_cover_what_they_should() {
        let mut random = fastrand::Rng::with_seed(7);
        let runs = 1000;
        let covered = (0..runs).filter(|_| {
            let p90 = Summary::of((0..200).map(|_| random.f64())).unwrap().p90;
            p90.low.is_some_and(|low| low <= 0.9) && p90.high.is_some_and(|high| high >= 0.9)
        });
        let covered = covered.count();
        assert!((945..=975).contains(&covered), "{covered} of {runs}");
    }

    #[test]
    fn the_spread_is_of_the_trials_medians() {
        assert_eq!(spread(&[vec![1.0, 10.0, 90.0], vec![11.0], vec![12.0, 12.0, 0.0]]), 2.0 / 11.0);
        assert_eq!(spread(&[vec![], vec![3.0]]), 0.0);
    }

    #[test]
    fn a_ratio_is_as_sure_as_its_trials_agree() {
        let quiet = vec![vec![10.0, 10.1, 9.9]; 5];
        let twice: Vec<Vec<f64>> = quiet.iter().map(|trial| trial.iter().map(|t| t * 2.0).collect()).collect();
        let sure = ratio(&quiet, &twice).unwrap();
        assert!(sure.value == 2.0 && sure.low > 1.95 && sure.high < 2.05, "{sure:?}");
        assert_eq!(ratio(&quiet, &twice), ratio(&quiet, &twice), "the same for everybody");
        // The same samples, of trials that do not agree: the interval tells.
        let moody = vec![vec![10.0; 3], vec![20.0; 3], vec![30.0; 3]];
        let unsure = ratio(&moody, &twice).unwrap();
        assert!(unsure.value == 1.0 && unsure.low < 0.7 && unsure.high > 1.9, "{unsure:?}");
        assert_eq!((ratio(&[], &quiet), ratio(&quiet, &[vec![]])), (None, None));
        assert_eq!(ratio(&[vec![0.0]], &quiet), None, "no number");
    }
}
