//! Times passes of the model alone, without question and verdict, and how fast memory can be read. Answers nothing.

use std::hint::black_box;
use std::time::{Duration, Instant};

use super::report::Measure;
use crate::domain::TokenId;
use crate::engine::{Model, ModelError};

/// Tokens written behind a prompt: as many as a short rationale has, so that the cache is as full as in use.
pub const WRITTEN: usize = 32;
/// Prompts in each trial; more would add nothing.
pub const PROMPTS: usize = 20;
/// Tokens that `llama-bench` reads and writes by default.
const PP: usize = 512;
const TG: usize = 128;
/// Shortest measurement of the memory's speed, so that the clock's resolution and first cache misses do not matter.
const READ_FOR: Duration = Duration::from_millis(50);
/// Reads this many times the size of the last cache.
const BEYOND_CACHE: u64 = 4;
/// Fewest bytes, where caches are unknown or small, and most bytes, so that a small device is not filled.
const READ_BYTES: std::ops::RangeInclusive<u64> = 32 << 20..=256 << 20;

/// One trial of passes; calls `sample` with each figure.
pub fn passes(
    model: &mut impl Model,
    prompts: &[Vec<TokenId>],
    mut sample: impl FnMut(Measure, f64),
) -> Result<(), ModelError> {
    for prompt in prompts.iter().take(PROMPTS) {
        model.rewind(0);
        sample(Measure::Prefill, per_second(prompt.len(), || model.feed(prompt).map(drop))?);
        let written = WRITTEN.min(model.capacity() - prompt.len());
        if written > 0 {
            let tokens = cycle(prompts, written);
            sample(Measure::Decode, per_second(written, || one_by_one(model, &tokens))?);
        }
    }
    let (pp, tg) = bench_rows(model.capacity());
    let tokens = cycle(prompts, pp.1);
    model.rewind(0);
    sample(pp.0, per_second(pp.1, || model.feed(&tokens).map(drop))?);
    if let Some(tg) = tg {
        let tokens = cycle(prompts, tg);
        model.rewind(0);
        sample(Measure::Tg128, per_second(tg, || one_by_one(model, &tokens))?);
    }
    model.rewind(0);
    Ok(())
}

/// The tests of `llama-bench` that fit into a cache of `capacity`: 512 tokens read, or as many as there is room for; 128 written.
fn bench_rows(capacity: usize) -> ((Measure, usize), Option<usize>) {
    let pp = if capacity >= PP { (Measure::Pp512, PP) } else { (Measure::PpWhole, capacity) };
    (pp, (capacity >= TG).then_some(TG))
}

/// Those that do not fit, and why.
pub fn missing_rows(capacity: usize) -> Vec<(Measure, String)> {
    let why = |needed| format!("the model's cache has {capacity} positions, not {needed}");
    let mut missing = Vec::new();
    if capacity < PP {
        missing.push((Measure::Pp512, why(PP)));
    }
    if capacity < TG {
        missing.push((Measure::Tg128, why(TG)));
    }
    missing
}

/// Bytes to read for [`Measure::ReadMemory`]; `last_cache` and `memory` are sizes of this device, in bytes.
pub fn beyond_cache(last_cache: Option<u64>, memory: Option<u64>) -> u64 {
    let wanted = last_cache.unwrap_or(0) * BEYOND_CACHE;
    let room = memory.map_or(u64::MAX, |bytes| bytes / 8);
    wanted.clamp(*READ_BYTES.start(), *READ_BYTES.end()).min(room.max(1 << 20))
}

/// Reads `bytes` repeatedly and returns `samples` speeds in GB/s. It compares two halves: that is the C library's loop, which writes
/// nothing and is as fast in a debug build.
pub fn read(bytes: u64, samples: usize) -> Vec<f64> {
    let half = usize::try_from(bytes / 2).unwrap_or(usize::MAX >> 2).max(1);
    let (a, b) = (vec![1_u8; half], vec![1_u8; half]); // not 0: untouched zeros are one page, which every cache holds
    let one = || {
        let (start, mut rounds) = (Instant::now(), 0_u32);
        while start.elapsed() < READ_FOR {
            black_box(black_box(&a) == black_box(&b));
            rounds += 1;
        }
        2.0 * half as f64 * f64::from(rounds) / start.elapsed().as_secs_f64() / 1e9
    };
    one(); // warms up
    (0..samples).map(|_| one()).collect()
}

fn one_by_one(model: &mut impl Model, tokens: &[TokenId]) -> Result<(), ModelError> {
    tokens.iter().try_for_each(|&token| model.feed(&[token]).map(drop))
}

/// `n` tokens of the prompts, repeated. Which tokens a pass reads does not change its time.
fn cycle(prompts: &[Vec<TokenId>], n: usize) -> Vec<TokenId> {
    prompts.iter().flatten().copied().cycle().take(n).collect()
}

fn per_second(n: usize, work: impl FnOnce() -> Result<(), ModelError>) -> Result<f64, ModelError> {
    let start = Instant::now();
    work()?;
    Ok(n as f64 / start.elapsed().as_secs_f64())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::fake::FakeModel;

    #[test]
    fn a_trial_stays_within_the_cache() {
        for (capacity, rows) in [
            (600, vec![(Measure::Prefill, 2), (Measure::Decode, 2), (Measure::Pp512, 1), (Measure::Tg128, 1)]),
            (384, vec![(Measure::Prefill, 2), (Measure::Decode, 2), (Measure::PpWhole, 1), (Measure::Tg128, 1)]),
            (10, vec![(Measure::Prefill, 2), (Measure::Decode, 1), (Measure::PpWhole, 1)]),
        ] {
            let mut model = FakeModel::new(16, capacity);
            let mut counted = Vec::new();
            let prompts = [vec![1; 7], vec![2; 10]];
            passes(&mut model, &prompts, |measure, rate| {
                assert!(rate > 0.0);
                counted.push(measure);
            })
            .unwrap();
            for (measure, n) in rows {
                assert_eq!(
                    counted.iter().filter(|&&counted| counted == measure).count(),
                    n,
                    "{measure:?} of {capacity}"
                );
            }
            assert_eq!(missing_rows(capacity).is_empty(), capacity >= PP);
        }
    }

    #[test]
    fn memory_is_read_beyond_the_cache_within_limits() {
        assert_eq!(beyond_cache(Some(32 << 20), Some(16 << 30)), 128 << 20);
        assert_eq!(beyond_cache(None, None), 32 << 20);
        assert_eq!(beyond_cache(Some(1 << 30), Some(512 << 20)), 64 << 20);
        assert_eq!(read(1 << 16, 3).len(), 3);
    }
}
