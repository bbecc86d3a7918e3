//! Questions for the gateway's bench, and quantiles of its samples. Measures nothing.

/// Question number `at`, with readings spread over their range; the same in every run.
pub fn question(at: u64) -> String {
    let spread = |salt: u64, low: u64, high: u64| low + (at + 1).wrapping_mul(salt) % (high - low);
    let (air, gap) = (spread(7919, 2950, 3050), spread(104_729, 75, 120));
    let tenths = |value: u64| format!("{}.{}", value / 10, value % 10);
    format!(
        "Type {}, air {} K, process {} K, speed {} rpm, torque {} Nm, tool wear {} min. Which failure, if any?",
        ["L", "M", "H"][(at % 3) as usize],
        tenths(air),
        tenths(air + gap),
        spread(1_299_709, 1200, 2600),
        tenths(spread(15_485_863, 150, 650)),
        spread(32_452_843, 0, 250),
    )
}

/// The smallest sample that at least the share `q` of all samples does not exceed; of at least one sample.
pub fn quantile<T: Copy + PartialOrd>(samples: &[T], q: f64) -> T {
    let mut sorted = samples.to_vec();
    sorted.sort_by(|a, b| a.partial_cmp(b).expect("times are numbers"));
    sorted[((sorted.len() as f64 * q).ceil() as usize).clamp(1, sorted.len()) - 1]
}
