//! Scales a chart to the places at which the model knows it. The rules compare each reading with the lines and with the reading
//! before it, so a map that keeps every such comparison keeps the verdict, whatever the unit, the offset and the decimals.
//!
//! The training toolkit does the same (`teachers/process_control/normal.py`); both pass `tests/data/normal_series.json`.

use std::collections::BTreeMap;

use crate::bundle::declaration::NormalLines;

/// Sigmas from the centre to the warning line and to a limit.
const ZONE_SIGMAS: i128 = 2;
const LIMIT_SIGMAS: i128 = 3;
/// Largest magnitude of a number, so that no product below overflows.
const VALUE_MAX: i128 = 1 << 80;

/// A chart in whole numbers of its last decimal place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lines {
    pub centre: i128,
    pub upper: i128,
    pub lower: i128,
}

impl Lines {
    /// The lower limit is below the centre line, and that below the upper limit.
    pub fn are_possible(&self) -> bool {
        self.lower < self.centre && self.centre < self.upper
    }

    fn way(&self, above: bool) -> i128 {
        if above { self.upper - self.centre } else { self.centre - self.lower }
    }

    /// Does a reading lie within `share` (a fraction: numerator, denominator) of the way to a limit from any line?
    pub fn is_near(&self, reading: i128, (numerator, denominator): (i128, i128)) -> bool {
        let off = reading - self.centre;
        let way = self.way(off >= 0);
        let off = off.abs() * LIMIT_SIGMAS; // in thirds, so that the warning line is whole
        let near =
            |line: i128| (off - line * way).abs().saturating_mul(denominator) <= (numerator * way * LIMIT_SIGMAS);
        [0, ZONE_SIGMAS, LIMIT_SIGMAS].into_iter().any(near)
    }
}

/// The places of the readings; `None` where more of them lie between two lines than there are places, or a number is too large.
pub fn normal(lines: &Lines, readings: &[i128], to: NormalLines) -> Option<Vec<u32>> {
    let all = readings.iter().chain([&lines.centre, &lines.upper, &lines.lower]);
    if !lines.are_possible() || all.into_iter().any(|value| value.abs() > VALUE_MAX) {
        return None;
    }
    let mut places = BTreeMap::new();
    for above in [true, false] {
        let sign = if above { 1 } else { -1 };
        let mut off: Vec<i128> =
            readings.iter().map(|reading| sign * (reading - lines.centre)).filter(|off| *off > 0).collect();
        off.sort_unstable();
        off.dedup();
        for (off, place) in side(&off, lines.way(above), to)? {
            places.insert(lines.centre + sign * off, i128::from(to.centre) + sign * place);
        }
    }
    let place = |reading| places.get(reading).copied().unwrap_or(i128::from(to.centre));
    readings.iter().map(|reading| u32::try_from(place(reading)).ok()).collect()
}

/// Distances from the centre, ascending, with their places.
fn side(off: &[i128], way: i128, to: NormalLines) -> Option<Vec<(i128, i128)>> {
    let (zone_place, way_place, last_place) = (i128::from(to.zone), i128::from(to.way), i128::from(to.centre) - 1);
    let thirds = |line: i128| move |off: &&i128| (*off * LIMIT_SIGMAS).cmp(&(line * way));
    let mut found = Vec::new();
    for (low, high, first, last) in [
        (0, Some(ZONE_SIGMAS), 1, zone_place - 1),
        (ZONE_SIGMAS, Some(LIMIT_SIGMAS), zone_place + 1, way_place - 1),
        (LIMIT_SIGMAS, None, way_place + 1, last_place),
    ] {
        let between: Vec<i128> = off
            .iter()
            .filter(|off| thirds(low)(off).is_gt() && high.is_none_or(|high| thirds(high)(off).is_lt()))
            .copied()
            .collect();
        let places = apart(&between, way, way_place, first, last)?;
        found.extend(between.into_iter().zip(places));
        if let Some(high) = high {
            found.extend(off.iter().filter(|off| thirds(high)(off).is_eq()).map(|off| (*off, last + 1)));
        }
    }
    Some(found)
}

/// The nearest places from `first` to `last`, each its own.
fn apart(off: &[i128], way: i128, way_place: i128, first: i128, last: i128) -> Option<Vec<i128>> {
    let mut places: Vec<i128> = Vec::with_capacity(off.len());
    for off in off {
        let nearest = (2 * off * way_place + way).div_euclid(2 * way).clamp(first, last); // rounded half up
        places.push(places.last().map_or(nearest, |before| nearest.max(before + 1)));
    }
    let mut above = last + 1;
    for place in places.iter_mut().rev() {
        *place = (*place).min(above - 1);
        above = *place;
    }
    (places.first().is_none_or(|place| *place >= first)).then_some(places)
}
