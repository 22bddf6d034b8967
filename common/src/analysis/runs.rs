//! The census of runs from elsewhere: independent runs of one experiment, each known by the basin it ended in.
//! Schema `seedsweep.census/1`, field by field in `docs/report.md`.

use std::collections::BTreeMap;

use serde::Serialize;

use super::basins;
use super::levels::runs_report;
use super::report::{LevelReport, Number};
use crate::limits;

/// The schema of [`RunsReport`].
pub const CENSUS_SCHEMA: &str = "seedsweep.census/1";

/// The census of runs from elsewhere.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RunsReport {
    /// [`CENSUS_SCHEMA`].
    pub schema: &'static str,
    /// Runs.
    pub n: u64,
    /// Runs that ended in no basin; they agree with none for lower ends and with all for upper ends.
    pub without_basin: u64,
    /// Name of each listed basin, in their order.
    pub names: Vec<String>,
    /// Where each run ended, in the order given: the number of its basin, `null` for those without.
    pub ends: Vec<Option<u32>>,
    /// How clearly the tolerance parts the basins; `null` where the basins are given.
    pub guards: Option<Guards>,
    /// What the census says; `representative` counts runs from 0.
    pub census: LevelReport,
    /// Where the runs prove less than they seem to.
    pub warnings: Vec<String>,
}

/// How clearly a tolerance parts basins. All are root-mean-square differences: of outputs, or of parameters.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Guards {
    /// Runs at most this far apart are one.
    pub tolerance: Number,
    /// The largest distance of a run from the first run of its basin (of parameters: of two runs of a basin).
    pub widest: Number,
    /// The smallest distance between the first runs of two listed basins (of parameters: between two runs of two basins);
    /// `null` below two basins.
    pub nearest: Option<Number>,
}

impl RunsReport {
    /// Notes that the tolerance does not part the basins cleanly.
    pub(crate) fn set_ambiguous(&mut self) {
        self.census.ambiguous = true;
        self.warnings.push("ambiguous: the tolerance does not part the basins cleanly".to_owned());
    }
}

/// The census of runs that ended in the basins named by `labels`; `None` where a run ended in none.
pub fn of_labels(labels: &[Option<&str>]) -> RunsReport {
    let mut first: BTreeMap<&str, u32> = BTreeMap::new();
    let classes: Vec<Option<u32>> = (0..)
        .zip(labels)
        .map(|(run, label): (u32, &Option<&str>)| label.map(|label| *first.entry(label).or_insert(run)))
        .collect();
    report(&classes, |run| labels[run].unwrap_or_default().to_owned())
}

/// The census of runs of which those with equal `classes` ended in one basin. `name` names the basin of a run.
pub(crate) fn report(classes: &[Option<u32>], name: impl Fn(usize) -> String) -> RunsReport {
    let with_basin: Vec<u32> = classes.iter().flatten().copied().collect();
    let mut numbers = basins::number(&with_basin).into_iter();
    let ends: Vec<Option<u32>> = classes.iter().map(|class| class.and_then(|_| numbers.next())).collect();
    let census = runs_report(&ends);
    let listed = census.basins.iter().take(limits::BASINS_PER_REPORT);
    RunsReport {
        schema: CENSUS_SCHEMA,
        n: census.n,
        without_basin: (classes.len() - with_basin.len()) as u64,
        names: listed.map(|basin| name(basin.representative as usize)).collect(),
        guards: None,
        warnings: warnings(&census, classes.len() - with_basin.len()),
        ends,
        census,
    }
}

fn warnings(census: &LevelReport, without_basin: usize) -> Vec<String> {
    let mut warnings = Vec::new();
    let with_basin = census.n - without_basin as u64;
    if without_basin > 0 {
        warnings.push(format!(
            "{without_basin} of {} runs ended in no basin: they agree with none for the lower end of an interval, with \
             all for the upper end, and take no part in the census",
            census.n
        ));
    }
    let coverage = census.coverage.map(|coverage| coverage.chao_jost.0);
    if census.basins_found == with_basin && with_basin > 2 {
        warnings.push(format!(
            "all {with_basin} runs differ: there is no telling how many more basins there are"
        ));
    } else if coverage.is_some_and(|coverage| coverage < super::census::COVERAGE_LOW_BELOW) {
        warnings.push("coverage below one half: the census has seen the lesser part".to_owned());
    }
    warnings
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;
    use rand::rngs::ChaCha8Rng;
    use rand::seq::SliceRandom;

    use super::*;
    use crate::analysis::abundance::tests::E1;

    fn e1() -> Vec<Option<&'static str>> {
        let names = ["a", "b", "c", "d", "e", "f", "g", "h", "i"];
        names.into_iter().zip(E1).flat_map(|(name, visits)| vec![Some(name); visits as usize]).collect()
    }

    #[test]
    fn labels_are_counted_and_the_largest_basin_comes_first() {
        let report = of_labels(&e1());
        assert_eq!((report.n, report.census.basins_found, report.names[1].as_str()), (52, 9, "b"));
        let counts: Vec<u64> = report.census.basins.iter().map(|basin| basin.count).collect();
        assert_eq!(counts, E1);
        assert_eq!(report.census.chao1.unwrap().estimate, Number(12.0));
        // E1 of docs/sources/statistics.md
        assert!((report.census.same_pair.estimate.unwrap().0 - 0.290_347).abs() < 5e-7);
        assert_eq!(report.warnings, Vec::<String>::new());
        let json = serde_json::to_value(&report).unwrap();
        assert_eq!(
            (&json["schema"], &json["census"]["more_restarts_for"]["0.95"]),
            (&"seedsweep.census/1".into(), &44.into())
        );
    }

    /// All but the names of equally large basins.
    #[test]
    fn order_of_runs_changes_no_estimate() {
        let expected = of_labels(&e1()).census;
        for seed in 0..20 {
            let mut labels = e1();
            labels.shuffle(&mut ChaCha8Rng::seed_from_u64(seed));
            let census = of_labels(&labels).census;
            assert_eq!((census.chao1, census.coverage), (expected.chao1, expected.coverage), "seed {seed}");
            assert_eq!(
                (&census.rarefaction, &census.same_pair),
                (&expected.rarefaction, &expected.same_pair)
            );
        }
    }

    #[test]
    fn runs_without_a_basin_stay_in_the_denominator() {
        let mut labels = e1();
        labels.extend([None; 8]);
        let report = of_labels(&labels);
        assert_eq!((report.n, report.without_basin, report.census.basins_found), (60, 8, 9));
        assert_eq!((report.ends[0], report.ends[51], report.ends[52]), (Some(0), Some(8), None));
        assert_eq!(report.census.largest_share, Some(Number(25.0 / 60.0)));
        assert_eq!(report.census.chao1.unwrap().estimate, Number(12.0));
        assert!(report.warnings[0].starts_with("8 of 60 runs"), "{:?}", report.warnings);
    }

    #[test]
    fn nothing_and_all_different_are_said() {
        let nothing = of_labels(&[]);
        assert_eq!((nothing.n, nothing.census.coverage, nothing.census.same_pair.estimate), (0, None, None));
        let names: Vec<String> = (0..80).map(|run| run.to_string()).collect();
        let report = of_labels(&names.iter().map(|name| Some(name.as_str())).collect::<Vec<_>>());
        assert_eq!((report.names.len(), report.census.others.as_ref().unwrap().basins), (50, 30));
        assert!(report.warnings[0].contains("no telling how many more"));
        assert_eq!(report.census.coverage.unwrap().chao_jost, Number(0.0));
    }
}
