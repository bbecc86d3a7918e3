//! May these figures be believed? One pure judgement; measures nothing.

use super::report::{About, Doubt, Figure, Measure};
use super::sensors::{Conditions, Sign};

/// Medians of trials may lie this far apart. They do the same work; on a quiet box they agree within a few percent, and figures that
/// do not repeat within one run will not repeat tomorrow.
pub const TRIAL_SPREAD_MAX: f64 = 0.10;
/// Cores that may be busy with other work. A box at rest spends a few hundredths of one; from a fifth on, caches and memory are shared
/// with something, and the slow tail of the answers is about it.
pub const OTHER_WORK_CORES_MAX: f64 = 0.2;
/// The figures whose trials must agree: what people quote.
const QUOTED: [Measure; 4] = [Measure::AnswerAtOnce, Measure::Answer, Measure::Prefill, Measure::Decode];

/// What speaks against the figures of a run; empty if nothing does.
pub fn doubts(conditions: &Conditions, figures: &[Figure]) -> Vec<Doubt> {
    let mut doubts = throttled(&conditions.signs);
    if let Some(cores) = conditions.other_work_cores.filter(|&cores| cores > OTHER_WORK_CORES_MAX) {
        let says = format!(
            "other work kept {cores:.2} cores busy, at most {OTHER_WORK_CORES_MAX} may be: stop what else runs on the box"
        );
        doubts.push(Doubt { about: About::OtherWork, says });
    }
    // Where most answers stand at once, the mixture says nothing more.
    let mut quoted: Vec<&Figure> = figures.iter().filter(|figure| QUOTED.contains(&figure.measure)).collect();
    if quoted.iter().any(|figure| figure.measure == Measure::AnswerAtOnce) {
        quoted.retain(|figure| figure.measure != Measure::Answer);
    }
    for figure in quoted.into_iter().filter(|figure| figure.spread > TRIAL_SPREAD_MAX) {
        let says = format!(
            "trials of \"{}\" lie {:.0} % apart, at most {:.0} % may: let the box come to rest, fix its clock, or take more answers",
            figure.measure.title().0,
            figure.spread * 100.0,
            TRIAL_SPREAD_MAX * 100.0
        );
        doubts.push(Doubt { about: About::Spread, says });
    }
    doubts
}

/// What signs of throttling mean.
pub fn throttled(signs: &[Sign]) -> Vec<Doubt> {
    let says = |sign: &Sign| format!("{} says: {}", sign.sensor, sign.says);
    signs.iter().map(|sign| Doubt { about: About::Throttled, says: says(sign) }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::statistics::{Summary, spread};

    fn figure(measure: Measure, trials: &[f64]) -> Figure {
        let trials: Vec<Vec<f64>> = trials.iter().map(|&median| vec![median; 3]).collect();
        let summary = Summary::of(trials.concat()).unwrap();
        Figure { measure, unit: measure.unit(), summary, spread: spread(&trials), trials }
    }

    fn quiet() -> Conditions {
        Conditions {
            watched: vec![],
            before: vec![],
            after: vec![],
            readings: vec![],
            signs: vec![],
            other_work_cores: Some(0.05),
        }
    }

    #[test]
    fn what_repeats_on_a_quiet_box_is_believed_and_what_does_not_is_named() {
        let steady = [figure(Measure::AnswerAtOnce, &[1.0, 1.05, 1.1]), figure(Measure::ColdStart, &[1.0, 9.0])];
        assert_eq!(doubts(&quiet(), &steady), []);
        let noisy = [figure(Measure::Decode, &[100.0, 88.0]), steady[0].clone()];
        let [Doubt { about: About::Spread, says }] = &doubts(&quiet(), &noisy)[..] else { panic!("no doubt") };
        assert!(says.starts_with("trials of \"writing\" lie 14 % apart, at most 10 % may"), "{says}");
    }

    #[test]
    fn the_mixture_counts_only_where_no_answer_stands_at_once() {
        let mixture = figure(Measure::Answer, &[1.0, 2.0]);
        assert_eq!(doubts(&quiet(), std::slice::from_ref(&mixture)).len(), 1);
        assert_eq!(doubts(&quiet(), &[mixture, figure(Measure::AnswerAtOnce, &[1.0, 1.0])]), []);
    }

    #[test]
    fn other_work_and_throttling_are_named() {
        let sign = Sign { sensor: "class/hwmon/hwmon1/in0_lcrit_alarm".to_owned(), says: "under-voltage".to_owned() };
        let loud = Conditions { signs: vec![sign], other_work_cores: Some(0.21), ..quiet() };
        let [throttled, work] = &doubts(&loud, &[])[..] else { panic!("two doubts") };
        assert_eq!((throttled.about, work.about), (About::Throttled, About::OtherWork));
        assert!(throttled.says.contains("in0_lcrit_alarm says: under-voltage"), "{}", throttled.says);
        assert!(work.says.contains("0.21 cores"), "{}", work.says);
    }
}
