//! The work of the second stage: trials trained again, each by itself, and the loss on the way between two ends.

use std::sync::atomic::AtomicBool;

use seedsweep_common::barrier::POINTS;

use super::clock::cpu_seconds;
use super::ending::{alone, weighed_alone};
use super::machine::Machine;
use super::training::Pass;
use super::{Shape, layers};
use crate::train::{End, Prepared};

/// Kinds of work between two ends.
const TERMS: usize = 2;
/// Factors of what is counted between two ends: passes over the rows, and matching of units.
const BETWEEN: [f64; TERMS] = [1.0, 1.0];
/// Matchings of one pair of networks with several hidden layers: so many starts, and rounds until nothing moves.
const MATCHINGS: f64 = 5.0 * 4.0;
/// Trials that are trained to see what a pair takes.
const ENDS: u32 = 8;

/// Seconds of one slot that the second stage takes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PairEstimate {
    /// Training one trial again, to the end that is compared.
    pub end_s: f64,
    /// Matching the units of two ends, and the losses on the way.
    pub between_s: f64,
}

impl PairEstimate {
    /// A pair whose trials no other pair has had trained.
    pub fn pair_s(&self) -> f64 {
        2.0 * self.end_s + self.between_s
    }
}

/// What a pair takes on `machine` by its operations; `shape` is that of both trials.
pub fn estimate(shape: &Shape<'_>, machine: &Machine) -> PairEstimate {
    let end_s = super::estimate(&Shape { side_by_side: 1, ..*shape }, machine).total_s();
    let between = super::weighed(&counts(shape, machine), &BETWEEN);
    PairEstimate { end_s, between_s: between * machine.fma_s }
}

/// Work between two ends, in vector multiply-adds.
fn counts(shape: &Shape<'_>, machine: &Machine) -> [f64; TERMS] {
    let (alone, double) = (alone(shape), machine.in_double());
    let pass = Pass { shape: &alone, machine: &double, backward: false };
    let passes = POINTS as f64 * weighed_alone(&pass.counts(shape.train_rows as f64));
    let layers: Vec<(f64, f64)> = layers(shape.experiment).collect();
    // distances of all pairs of units, and an assignment
    let matched = |pair: &[(f64, f64)]| {
        let ((inputs, units), (_, outputs)) = (pair[0], pair[1]);
        units * units * (inputs + 1.0 + outputs) + units.powi(3)
    };
    let times = if layers.len() > 2 { MATCHINGS } else { 1.0 };
    let matching = times * layers.windows(2).map(matched).sum::<f64>();
    [passes, matching * machine.cycle_fmas()]
}

/// What a pair takes of the CPU, by training some of the first trials and looking between them, as long as that takes
/// less than about `budget_s`. `None` where by `estimate` one pair alone takes more, or where a trial has no end.
pub fn sample(prepared: &Prepared, estimate: PairEstimate, budget_s: f64) -> Option<PairEstimate> {
    let restarts = prepared.shape().experiment.restarts.min(ENDS);
    if restarts < 2 || estimate.pair_s() > budget_s {
        return None;
    }
    let running = AtomicBool::new(false);
    let mut ends: Vec<End> = Vec::new();
    let from = cpu_seconds();
    for restart in 0..restarts {
        let end_s = (cpu_seconds() - from) / ends.len().max(1) as f64;
        let next = (ends.len() + 1) as f64 * (end_s + estimate.between_s);
        if ends.len() >= 2 && next > budget_s {
            break;
        }
        ends.push(prepared.end(restart, &running).ok()?);
    }
    let trained = cpu_seconds();
    for pair in ends.windows(2) {
        prepared.barrier(&pair[0], &pair[1], &running).ok()?;
    }
    Some(PairEstimate {
        end_s: (trained - from) / ends.len() as f64,
        between_s: (cpu_seconds() - trained) / (ends.len() - 1) as f64,
    })
}

#[cfg(test)]
mod tests {
    use seedsweep_common::id::ExperimentIndex;
    use seedsweep_common::spec::{self, Precision};

    use super::*;
    use crate::cost::tests::MACHINE;
    use crate::nn::lane::Lanes;

    /// MOONS, asking for barriers between so many basins.
    fn asking(barriers: u32, restarts: u32, layers: &str) -> Prepared {
        let rest = "data = { dataset = \"moons\" }\n\
                    train = { loss = \"mse\", l2 = 1e-3, lr = 0.05, batch = 4, epochs = 20 }";
        of(layers, rest, barriers, restarts)
    }

    fn of(layers: &str, rest: &str, barriers: u32, restarts: u32) -> Prepared {
        let text = format!(
            "name = \"m\"\nseed = 7\nnetwork = {{ layers = {layers}, activation = \"tanh\" }}\n{rest}\n\
             minima = {{ barriers = {barriers} }}\n\
             [[experiment]]\nname = \"a\"\ninit = \"xavier_uniform\"\nrestarts = {restarts}\nvary = [\"init\"]\n"
        );
        let spec = spec::parse("cost", &text, &[]).unwrap_or_else(|errors| panic!("{errors}")).spec;
        Prepared::new(&spec, ExperimentIndex(0), &|_| None).expect("it can be trained")
    }

    #[test]
    fn a_pair_costs_two_trainings_and_what_lies_between() {
        let small = asking(4, 300, "[2, 4, 1]");
        let large = asking(4, 300, "[2, 40, 40, 1]");
        let of = |prepared: &Prepared| estimate(&prepared.shape(), &MACHINE);
        let (small, large) = (of(&small), of(&large));
        assert!(small.end_s > 0.0 && small.between_s > 0.0);
        assert!(small.pair_s() > 2.0 * small.end_s);
        assert!(large.between_s > 10.0 * small.between_s, "{large:?} {small:?}");
    }

    #[test]
    fn a_pair_is_tried_where_it_is_cheap() {
        let prepared = asking(4, 300, "[2, 4, 1]");
        let guess = PairEstimate { end_s: 1e-4, between_s: 1e-5 };
        let sampled = sample(&prepared, guess, 0.2).unwrap();
        assert!(sampled.end_s > 0.0 && sampled.between_s > 0.0, "{sampled:?}");
        assert_eq!(sample(&prepared, PairEstimate { end_s: 1.0, ..guess }, 0.2), None);
        assert_eq!(sample(&asking(4, 1, "[2, 4, 1]"), guess, 0.2), None, "one restart has no pair");
    }

    /// Prints what the factors of this file are fitted to; with `SEEDSWEEP_TEST_THOROUGH` set on networks of all kinds.
    #[test]
    fn counted_and_measured_pairs_are_alike() {
        // on the clock, which beside other tests says nothing
        if std::env::var_os("SEEDSWEEP_TEST_THOROUGH").is_none() {
            return;
        }
        let machine = Machine::measure(Lanes::detect(), Precision::F32);
        println!("network: end, between (ms), counted : measured; passes, matching (ms) counted");
        let digits = "data = { dataset = \"digits\" }\ntrain = { loss = \"cross_entropy\", l2 = 1e-4, lr = 0.1, batch = 64, epochs = 5 }";
        let moons = "data = { dataset = \"moons\" }\ntrain = { loss = \"mse\", l2 = 1e-3, lr = 0.05, batch = 4, epochs = 200 }";
        let all = [
            ("[2, 4, 1]", moons),
            ("[2, 64, 1]", moons),
            ("[2, 16, 16, 1]", moons),
            ("[64, 10, 10]", digits),
            ("[64, 32, 10]", digits),
            ("[64, 200, 10]", digits),
            ("[64, 32, 32, 10]", digits),
        ];
        for (layers, rest) in all {
            let mut prepared = of(layers, rest, 4, 300);
            prepared.force_lanes(Lanes::detect());
            let shape = prepared.shape();
            let counted = estimate(&shape, &machine);
            let kinds = counts(&shape, &machine).map(|count| count * machine.fma_s * 1e3);
            let measured = sample(&prepared, PairEstimate { end_s: 0.0, between_s: 0.0 }, 1.0).unwrap();
            println!(
                "{layers}: {:.3}, {:.3}; {:.2}, {:.2}; {:.3}, {:.3}",
                measured.end_s * 1e3,
                measured.between_s * 1e3,
                counted.end_s / measured.end_s,
                counted.between_s / measured.between_s,
                kinds[0],
                kinds[1]
            );
            let ratio = counted.between_s / measured.between_s;
            // a busy machine slows both, but not at the same time
            assert!((0.2..5.0).contains(&ratio), "{layers}: {ratio}");
        }
    }
}
