//! What samples say: quantiles with intervals, spreads, ratios, calibration. Pure, and repeatable: what is drawn is drawn from a fixed
//! seed. Knows nothing of what was measured.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Every interval covers what it estimates in this share of all runs, if a run's samples are independent.
pub const LEVEL: f64 = 0.95;
/// The normal quantile that belongs to [`LEVEL`], two-sided.
const Z: f64 = 1.959_963_985;
/// Draws behind a ratio's interval: enough that its ends move by less than they say.
const RESAMPLES: usize = 1000;
/// Any number; a fixed one, so that the same two reports compare the same way for everybody.
const SEED: u64 = 2404_09170;
/// Bins of equal width over confidence, as most papers on calibration have them.
pub const BINS: usize = 10;

/// A quantile of samples, with the order statistics that hold the true one with [`LEVEL`]. An end is missing where there are too few
/// samples to name one.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Quantile {
    /// The smallest sample that at least this share of all does not exceed.
    pub value: f64,
    /// Lower end of its interval.
    pub low: Option<f64>,
    /// Upper end of its interval.
    pub high: Option<f64>,
}

/// A distribution in short.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Summary {
    /// Samples.
    pub n: usize,
    /// Their mean.
    pub mean: f64,
    /// Their standard deviation; 0 of one sample.
    pub sd: f64,
    /// The smallest.
    pub min: f64,
    /// The median.
    pub p50: Quantile,
    /// Nine tenths do not exceed it.
    pub p90: Quantile,
    /// 95 % do not exceed it.
    pub p95: Quantile,
    /// 99 % do not exceed it.
    pub p99: Quantile,
    /// The largest.
    pub max: f64,
}

impl Summary {
    /// Of finite samples; `None` of none.
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

/// The quantile `q` of samples in rising order, of which there is at least one.
pub fn quantile(sorted: &[f64], q: f64) -> Quantile {
    let n = sorted.len();
    let rank = ((n as f64 * q).ceil() as usize).clamp(1, n);
    let (low, high) = ranks(n, q);
    let at = |rank: usize| sorted[rank - 1];
    Quantile { value: at(rank), low: low.map(at), high: high.map(at) }
}

/// The ranks, from 1, between which the true quantile lies with [`LEVEL`]: how many samples fall below it is binomial.
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

/// The median; `None` of none.
pub fn median(samples: &[f64]) -> Option<f64> {
    let mut samples = samples.to_vec();
    (!samples.is_empty()).then(|| middle(&mut samples))
}

/// As [`quantile`] has it at one half, of at least one sample.
fn middle(samples: &mut [f64]) -> f64 {
    let place = samples.len().div_ceil(2) - 1;
    *samples.select_nth_unstable_by(place, f64::total_cmp).1
}

/// How far the medians of trials lie apart, as a share of the middle one; 0 of fewer than two.
pub fn spread(trials: &[Vec<f64>]) -> f64 {
    let mut medians: Vec<f64> = trials.iter().filter_map(|trial| median(trial)).collect();
    if medians.len() < 2 {
        return 0.0;
    }
    let most = medians.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let least = medians.iter().copied().fold(f64::INFINITY, f64::min);
    (most - least) / middle(&mut medians)
}

/// A ratio with its interval.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Ratio {
    /// Median over median.
    pub value: f64,
    /// Lower end.
    pub low: f64,
    /// Upper end.
    pub high: f64,
}

/// The median of `b` over that of `a`. The interval is drawn in two steps, trials first and samples within them, because samples of one
/// trial share the mood of the machine: drawing them alone would promise too much. `None` where a side has no sample, or where
/// `a`'s median is 0.
pub fn ratio(a: &[Vec<f64>], b: &[Vec<f64>]) -> Option<Ratio> {
    let (a, b) = (filled(a)?, filled(b)?);
    let value = median(&b.concat())? / median(&a.concat())?;
    let mut random = fastrand::Rng::with_seed(SEED);
    let mut drawn: Vec<f64> = (0..RESAMPLES).map(|_| redrawn(&b, &mut random) / redrawn(&a, &mut random)).collect();
    drawn.sort_by(f64::total_cmp);
    let end = |q| quantile(&drawn, q).value;
    let (low, high) = (end((1.0 - LEVEL) / 2.0), end(1.0 - (1.0 - LEVEL) / 2.0));
    [value, low, high].iter().all(|number| number.is_finite()).then_some(Ratio { value, low, high })
}

fn filled(trials: &[Vec<f64>]) -> Option<Vec<Vec<f64>>> {
    let filled: Vec<Vec<f64>> = trials.iter().filter(|trial| !trial.is_empty()).cloned().collect();
    (!filled.is_empty()).then_some(filled)
}

fn redrawn(trials: &[Vec<f64>], random: &mut fastrand::Rng) -> f64 {
    let mut drawn = Vec::with_capacity(trials.iter().map(Vec::len).sum());
    for _ in 0..trials.len() {
        let trial = &trials[random.usize(..trials.len())];
        drawn.extend((0..trial.len()).map(|_| trial[random.usize(..trial.len())]));
    }
    middle(&mut drawn)
}

/// A share of `n` with Wilson's interval.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Share {
    /// How many.
    pub count: usize,
    /// Of how many.
    pub n: usize,
    /// The share.
    pub value: f64,
    /// Lower end.
    pub low: f64,
    /// Upper end.
    pub high: f64,
}

impl Share {
    /// `None` of none.
    pub fn of(count: usize, n: usize) -> Option<Self> {
        if n == 0 {
            return None;
        }
        let (total, value) = (n as f64, count as f64 / n as f64);
        let centre = (value + Z * Z / (2.0 * total)) / (1.0 + Z * Z / total);
        let half = Z / (1.0 + Z * Z / total) * (value * (1.0 - value) / total + Z * Z / (4.0 * total * total)).sqrt();
        Some(Self { count, n, value, low: (centre - half).max(0.0), high: (centre + half).min(1.0) })
    }
}

/// One bin of a reliability diagram.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Bin {
    /// Answers in it.
    pub n: usize,
    /// Their mean confidence.
    pub confidence: f64,
    /// The share that was right.
    pub right: f64,
}

/// The bins that hold something, by rising confidence, of (confidence, was it right).
pub fn reliability(answers: &[(f64, bool)]) -> Vec<Bin> {
    let bin = |confidence: f64| ((confidence * BINS as f64) as usize).min(BINS - 1);
    let one = |place| {
        let held: Vec<&(f64, bool)> = answers.iter().filter(|(confidence, _)| bin(*confidence) == place).collect();
        let n = held.len();
        (n > 0).then(|| Bin {
            n,
            confidence: held.iter().map(|(confidence, _)| confidence).sum::<f64>() / n as f64,
            right: held.iter().filter(|(_, right)| *right).count() as f64 / n as f64,
        })
    };
    (0..BINS).filter_map(one).collect()
}

/// Expected calibration error: how far confidence and truth lie apart, weighted by the bins' sizes.
pub fn calibration_error(bins: &[Bin]) -> f64 {
    let n: usize = bins.iter().map(|bin| bin.n).sum();
    bins.iter().map(|bin| (bin.confidence - bin.right).abs() * bin.n as f64 / n.max(1) as f64).sum()
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
    fn trials_that_lie_apart_are_told_by_their_medians() {
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

    #[test]
    fn shares_have_wilsons_interval() {
        let share = Share::of(8, 10).unwrap();
        assert!((share.low - 0.4902).abs() < 1e-4 && (share.high - 0.9433).abs() < 1e-4, "{share:?}");
        let all = Share::of(20, 20).unwrap();
        assert!((all.low - 0.8389).abs() < 1e-4 && all.high == 1.0, "{all:?}");
        assert_eq!(Share::of(0, 0), None);
    }

    #[test]
    fn the_calibration_error_weighs_bins_by_their_size() {
        let answers = [(0.95, true), (0.95, true), (0.95, false), (0.25, true), (1.0, true)];
        let bins = reliability(&answers);
        let [low, high] = bins[..] else { panic!("{bins:?}") };
        assert_eq!(low, Bin { n: 1, confidence: 0.25, right: 1.0 }, "too modest");
        assert_eq!((high.n, high.right), (4, 0.75), "too sure");
        // 1/5 of 1 - 0.25 and 4/5 of 0.9625 - 0.75
        assert!((calibration_error(&bins) - (0.2 * 0.75 + 0.8 * 0.2125)).abs() < 1e-12);
        assert_eq!(calibration_error(&[]), 0.0);
    }
}
