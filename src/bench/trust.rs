//! Decides whether the conditions of a run make its figures unreliable. Pure; measures nothing.

use super::report::{About, Doubt, Figure, Measure};
use super::sensors::{Conditions, Sign};

/// Allowed spread of the trials' medians. Trials do the same work: on a quiet device they agree within a few percent. Figures that do not
/// repeat within one run will not repeat another day.
pub const TRIAL_SPREAD_MAX: f64 = 0.10;
/// Allowed work of other programs, in cores. An idle device needs a few hundredths of a core. From a fifth on, other programs compete for
/// caches and memory, and the slowest answers measure them.
pub const OTHER_WORK_CORES_MAX: f64 = 0.2;
/// Measures whose trials must agree: those that people quote.
const QUOTED: [Measure; 4] = [Measure::AnswerAtOnce, Measure::Answer, Measure::Prefill, Measure::Decode];

/// Reasons not to rely on the figures of a run; empty if there are none.
pub fn doubts(conditions: &Conditions, figures: &[Figure]) -> Vec<Doubt> {
    let mut doubts = throttled(&conditions.signs);
    if let Some(cores) = conditions.other_work_cores.filter(|&cores| cores > OTHER_WORK_CORES_MAX) {
        let says = format!(
            "other work kept {cores:.2} cores busy, more than {OTHER_WORK_CORES_MAX}: stop the other programs on this device"
        );
        doubts.push(Doubt { about: About::OtherWork, says });
    }
    // Answers with and without thinking mixed add nothing where direct answers are measured alone.
    let mut quoted: Vec<&Figure> = figures.iter().filter(|figure| QUOTED.contains(&figure.measure)).collect();
    if quoted.iter().any(|figure| figure.measure == Measure::AnswerAtOnce) {
        quoted.retain(|figure| figure.measure != Measure::Answer);
    }
    for figure in quoted.into_iter().filter(|figure| figure.spread > TRIAL_SPREAD_MAX) {
        let says = format!(
            "trials of \"{}\" lie {:.0} % apart, more than {:.0} %: let the device settle, fix its clock frequency, or use more --answers",
            figure.measure.title().0,
            figure.spread * 100.0,
            TRIAL_SPREAD_MAX * 100.0
        );
        doubts.push(Doubt { about: About::Spread, says });
    }
    doubts
}

/// One doubt for each sign of throttling.
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
    fn a_spread_of_the_trials_is_a_doubt() {
        let steady = [figure(Measure::AnswerAtOnce, &[1.0, 1.05, 1.1]), figure(Measure::ColdStart, &[1.0, 9.0])];
        assert_eq!(doubts(&quiet(), &steady), []);
        let noisy = [figure(Measure::Decode, &[100.0, 88.0]), steady[0].clone()];
        let [Doubt { about: About::Spread, says }] = &doubts(&quiet(), &noisy)[..] else { panic!("no doubt") };
        assert!(says.starts_with("trials of \"decode\" lie 14 % apart, more than 10 %"), "{says}");
    }

    #[test]
    fn all_answers_count_only_where_none_was_direct() {
        let mixture = figure(Measure::Answer, &[1.0, 2.0]);
        assert_eq!(doubts(&quiet(), std::slice::from_ref(&mixture)).len(), 1);
        assert_eq!(doubts(&quiet(), &[mixture, figure(Measure::AnswerAtOnce, &[1.0, 1.0])]), []);
    }

    #[test]
    fn other_work_and_throttling_are_doubts() {
        let sign = Sign { sensor: "class/hwmon/hwmon1/in0_lcrit_alarm".to_owned(), says: "under-voltage".to_owned() };
        let loud = Conditions { signs: vec![sign], other_work_cores: Some(0.21), ..quiet() };
        let [throttled, work] = &doubts(&loud, &[])[..] else { panic!("two doubts") };
        assert_eq!((throttled.about, work.about), (About::Throttled, About::OtherWork));
        assert!(throttled.says.contains("in0_lcrit_alarm says: under-voltage"), "{}", throttled.says);
        assert!(work.says.contains("0.21 cores"), "{}", work.says);
    }
}
