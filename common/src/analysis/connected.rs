//! Which minima hang together: the pairs between which barriers are asked for, and the matrix of what was measured.
//!
//! Whether two minima are connected is asked beside the levels, not at one of them: "no barrier" is not transitive, so
//! it makes no classes. Where a number of basins is wanted all the same, basins are joined step by step.

use std::collections::{BTreeMap, BTreeSet};

use super::Analysis;
use super::basins::Basins;
use super::report::{Connected, Number};
use super::trials::Trials;
use super::words::{counted, percent};
use crate::barrier::{Barrier, NEGLIGIBLE, Pair};
use crate::id::{ExperimentIndex, TrialId};
use crate::limits;
use crate::plan;
use crate::progress::SweepState;
use crate::spec::{Level, SweepSpec};

/// The basins of one experiment between which barriers are asked for.
#[derive(Debug, Clone, PartialEq)]
pub struct Asked {
    /// Its largest basins at the spec's level, the most visited first.
    members: Vec<Member>,
    /// All its basins there.
    basins_found: u64,
    level: Level,
    /// Share of the larger end loss up to which a barrier counts as none.
    tolerance: f64,
}

/// A basin and who stands for it.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Member {
    basin: u32,
    /// The first trial that ends there, of all experiments with the same loss surface: they share what is measured.
    trial: TrialId,
}

/// What is asked for, by experiment; `None` where nothing is.
pub(crate) fn asked(spec: &SweepSpec, trials: &[Trials], basins: &[Vec<Basins>]) -> Vec<Option<Asked>> {
    let surfaces = plan::surfaces(spec);
    let of = |index: usize| {
        let minima = &spec.experiments[index].minima;
        if minima.barriers < 2 {
            return None;
        }
        let basins = &basins[minima.level as usize];
        let mut visits: BTreeMap<u32, u64> = BTreeMap::new();
        for basin in basins[index].labels.iter().flatten() {
            *visits.entry(*basin).or_insert(0) += 1;
        }
        let mut ranked: Vec<(u32, u64)> = visits.into_iter().collect();
        ranked.sort_by_key(|&(basin, count)| (std::cmp::Reverse(count), basin));
        let basins_found = ranked.len() as u64;
        ranked.truncate(minima.barriers as usize);
        let first_of = |basin: u32| {
            let alike = (0..spec.experiments.len()).filter(|&other| surfaces[other] == surfaces[index]);
            alike.into_iter().find_map(|experiment| {
                let at = basins[experiment].labels.iter().position(|label| *label == Some(basin))?;
                let restart = trials[experiment].finished[at].restart;
                Some(TrialId { experiment: ExperimentIndex(experiment as u32), restart })
            })
        };
        let members = ranked.iter().filter_map(|&(basin, _)| Some(Member { basin, trial: first_of(basin)? }));
        Some(Asked {
            members: members.collect(),
            basins_found,
            level: minima.level,
            tolerance: spec.tolerances.barrier,
        })
    };
    (0..trials.len()).map(of).collect()
}

impl Asked {
    /// All pairs of its members, those of the largest basins first.
    fn pairs(&self) -> impl Iterator<Item = Pair> + '_ {
        let members = &self.members;
        (0..members.len()).flat_map(move |later| {
            (0..later).map(move |at| Pair::new(members[at].trial, members[later].trial))
        })
    }

    /// What `measured` says of them.
    fn connected(&self, measured: &BTreeMap<Pair, Barrier>) -> Connected {
        let count = self.members.len();
        let between =
            |i: usize, j: usize| measured.get(&Pair::new(self.members[i].trial, self.members[j].trial));
        let row = |i: usize| {
            let height = |j: usize| match i == j {
                true => Some(Number(0.0)),
                false => between(i, j).map(|barrier| Number(barrier.height)),
            };
            (0..count).map(height).collect()
        };
        let is_open =
            |i: usize, j: usize| between(i, j).is_some_and(|barrier| barrier.is_none(self.tolerance));
        let basins_joined = self.basins_found - (count - components(count, is_open)) as u64;
        Connected {
            level: self.level.name().to_owned(),
            tolerance: Number(self.tolerance),
            basins_joined,
            basins: self.members.iter().map(|member| member.basin).collect(),
            barriers: (0..count).map(row).collect(),
            statement: self.statement(basins_joined),
        }
    }

    fn statement(&self, basins_joined: u64) -> String {
        let found = counted(self.basins_found, "basin");
        let (level, compared) = (self.level.name(), self.members.len() as u64);
        if self.basins_found < 2 {
            return format!("{found} at level {level}: there is nothing to join");
        }
        let among = match compared < self.basins_found {
            true => format!(", the {compared} largest of them compared,"),
            false => String::new(),
        };
        let verb = if basins_joined == 1 { "is" } else { "are" };
        // two basins leave nothing to pass on
        let caution = match compared > 2 {
            true => {
                ". Joined step by step, for `no barrier` is not transitive: a and c may be joined by b and have a barrier \
                 between them"
            }
            false => "",
        };
        format!(
            "of {found} at level {level}{among} {basins_joined} {verb} left when those without a barrier are joined (none: \
             at most {NEGLIGIBLE:e} + {} % of the larger end loss, after the units of one network are matched to the \
             other's){caution}",
            percent(self.tolerance)
        )
    }

    fn unmeasured(&self, measured: &BTreeMap<Pair, Barrier>) -> usize {
        self.pairs().filter(|pair| !measured.contains_key(pair)).count()
    }
}

impl Analysis {
    /// The pairs of trials between which barriers are asked for, each once, in the order in which they should be
    /// measured; at most `limits::BARRIER_PAIRS`.
    pub fn pairs(&self) -> Vec<Pair> {
        let mut seen = BTreeSet::new();
        let all = self.asked.iter().flatten().flat_map(Asked::pairs);
        all.filter(|pair| seen.insert(*pair)).take(limits::BARRIER_PAIRS).collect()
    }

    /// Puts into the report which minima are connected, by the barriers that were measured. Nothing while the sweep
    /// runs: which minima are compared is known at its end.
    pub fn connect(&mut self, measured: &BTreeMap<Pair, Barrier>) {
        if self.report.sweep.state == SweepState::Running {
            return;
        }
        let was_measured = !measured.is_empty() || self.report.sweep.state == SweepState::Done;
        for (report, asked) in self.report.experiments.iter_mut().zip(&self.asked) {
            let Some(asked) = asked.as_ref().filter(|asked| was_measured && !asked.members.is_empty()) else {
                continue;
            };
            report.connected = Some(asked.connected(measured));
            let missing = asked.unmeasured(measured) as u64;
            if missing > 0 {
                report.verdict.warnings.push(format!(
                    "{} not be measured: such basins are not joined",
                    match missing {
                        1 => "1 barrier could".to_owned(),
                        _ => format!("{missing} barriers could"),
                    }
                ));
            }
        }
    }
}

/// Connected components of a graph of `count` points.
fn components(count: usize, is_joined: impl Fn(usize, usize) -> bool) -> usize {
    let mut left: Vec<usize> = (0..count).collect();
    let mut components = 0;
    while let Some(first) = left.pop() {
        components += 1;
        let mut reached = vec![first];
        while let Some(at) = reached.pop() {
            let (near, far) = left.into_iter().partition(|&other| is_joined(at, other));
            left = far;
            reached.extend::<Vec<usize>>(near);
        }
    }
    components
}

#[cfg(test)]
mod tests {
    use super::super::tests::fixtures::*;
    use super::super::{Analysis, analyse};
    use super::*;
    use crate::spec::Experiment;

    fn trial(experiment: u32, restart: u32) -> TrialId {
        TrialId { experiment: ExperimentIndex(experiment), restart }
    }

    /// `ends` says for each experiment where its restarts end.
    fn analysed(cells: Vec<Experiment>, ends: &[&[f64]], state: SweepState) -> Analysis {
        let rows =
            |ends: &&[f64]| (0..).zip(*ends).map(|(restart, &at)| outcome(restart, at)).collect::<Vec<_>>();
        let outcomes: Vec<_> = ends.iter().map(rows).collect();
        let progress: Vec<_> = outcomes.iter().map(|rows| ended(rows, &[])).collect();
        analyse(&sweep(cells), id(), state, &progress, &outcomes)
    }

    fn cell(name: &str, barriers: u32, restarts: u32) -> Experiment {
        let mut cell = experiment(name, INIT_ORDER, None, restarts);
        cell.minima.barriers = barriers;
        cell
    }

    fn barrier(height: f64) -> Barrier {
        Barrier { loss_a: 0.1, loss_b: 0.2, height, digest_a: [0; 16], digest_b: [0; 16] }
    }

    #[test]
    fn pairs_name_the_first_trial_of_each_of_the_largest_basins() {
        let cells = vec![cell("a", 2, 6), cell("b", 3, 6), cell("off", 0, 6), cell("c", 3, 6)];
        // at 2 end most, then at 1, then at 3
        let ends: [&[f64]; 4] = [
            &[1.0, 2.0, 2.0, 1.0, 2.0, 3.0],
            &[3.0, 2.0, 2.0, 2.0, 1.0, 1.0],
            &[9.0; 6],
            &[2.0, 2.0, 2.0, 2.0, 2.0, 2.0],
        ];
        let analysis = analysed(cells.clone(), &ends, SweepState::Done);
        let (one, two, three) = (trial(0, 0), trial(0, 1), trial(0, 5));
        let expected = [Pair::new(one, two), Pair::new(two, three), Pair::new(one, three)];
        assert_eq!(analysis.pairs(), expected, "each pair once, in the first experiment's words");

        // another penalty is another surface: its ends are compared among themselves
        let mut other = cells;
        other[1].train.l2 = 0.5;
        let pairs = analysed(other, &ends, SweepState::Done).pairs();
        assert_eq!(pairs[0], Pair::new(one, two));
        assert!(pairs[1..].iter().all(|pair| pair.a.experiment.0 == 1 && pair.b.experiment.0 == 1));
        assert_eq!(pairs.len(), 4);
    }

    #[test]
    fn basins_without_a_barrier_are_joined_step_by_step() {
        let ends: &[f64] = &[1.0, 1.0, 1.0, 1.0, 2.0, 2.0, 2.0, 3.0, 3.0, 4.0];
        let mut analysis = analysed(vec![cell("a", 3, 10)], &[ends], SweepState::Done);
        let [a, b, c] = [trial(0, 0), trial(0, 4), trial(0, 7)];
        let mut measured = BTreeMap::from([
            (Pair::new(a, b), barrier(0.0)),
            (Pair::new(b, c), barrier(0.001)),
            (Pair::new(a, c), barrier(0.7)),
        ]);
        let before = analysis.report.clone();
        analysis.connect(&measured);
        let connected = analysis.report.experiments[0].connected.clone().unwrap();
        assert_eq!(connected.basins, [0, 1, 2]);
        assert_eq!(connected.basins_joined, 2, "three hang together, the fourth was not compared");
        let heights: Vec<Vec<f64>> = connected
            .barriers
            .iter()
            .map(|row| row.iter().map(|height| height.unwrap().0).collect())
            .collect();
        assert_eq!(heights, [[0.0, 0.0, 0.7], [0.0, 0.0, 0.001], [0.7, 0.001, 0.0]]);
        assert!(
            connected.statement.starts_with("of 4 basins at level function, the 3 largest"),
            "{connected:?}"
        );
        assert!(connected.statement.contains("not transitive"));
        assert_eq!(analysis.report.experiments[0].verdict, before.experiments[0].verdict);

        measured.remove(&Pair::new(b, c));
        let mut analysis = analysed(vec![cell("a", 3, 10)], &[ends], SweepState::Done);
        analysis.connect(&measured);
        let experiment = &analysis.report.experiments[0];
        let connected = experiment.connected.as_ref().unwrap();
        assert_eq!((connected.basins_joined, connected.barriers[1][2]), (3, None));
        assert_eq!(
            experiment.verdict.warnings.last().unwrap(),
            "1 barrier could not be measured: such basins are not joined"
        );
    }

    #[test]
    fn nothing_is_said_before_the_end_or_where_nothing_is_asked() {
        let ends: &[f64] = &[1.0, 2.0, 1.0, 2.0];
        for (barriers, state) in [(0, SweepState::Done), (5, SweepState::Running), (5, SweepState::Cancelled)]
        {
            let mut analysis = analysed(vec![cell("a", barriers, 4)], &[ends], state);
            analysis.connect(&BTreeMap::new());
            assert_eq!(analysis.report.experiments[0].connected, None);
        }
        let mut alone = analysed(vec![cell("a", 5, 4)], &[&[1.0; 4]], SweepState::Done);
        assert_eq!(alone.pairs(), []);
        alone.connect(&BTreeMap::new());
        let connected = alone.report.experiments[0].connected.clone().unwrap();
        assert_eq!((connected.basins_joined, connected.barriers), (1, vec![vec![Some(Number(0.0))]]));
        assert_eq!(connected.statement, "1 basin at level function: there is nothing to join");
    }

    #[test]
    fn components_are_counted_whatever_the_order_of_points() {
        let edges = [(0, 3), (3, 5), (1, 2)];
        let joined = |i, j| edges.contains(&(i, j)) || edges.contains(&(j, i));
        assert_eq!(components(6, joined), 3);
        assert_eq!(components(0, joined), 0);
    }
}
