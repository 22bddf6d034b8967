//! Barriers: how far the loss rises on the straight way from one minimum to another.

use crate::fingerprint::ParameterDigest;
use crate::id::TrialId;
use crate::plan;
use crate::spec::Experiment;

/// Points of a segment at which the loss is computed, both ends among them.
pub const POINTS: usize = 25;
/// A barrier of this many units of loss is none, however low the ends are: where both losses vanish, no share of them
/// says what is small.
pub const NEGLIGIBLE: f64 = 1e-6;

/// Most basins of `experiment` between which barriers are measured; below 2 none are.
pub fn basins_at_most(experiment: &Experiment) -> u32 {
    // restarts of which nothing can part two are one basin
    let most = if plan::can_vary(experiment) { experiment.restarts } else { 1 };
    experiment.minima.barriers.min(most)
}

/// Two trials between whose ends a barrier is measured; the smaller one first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Pair {
    /// The trial that stays as it is.
    pub a: TrialId,
    /// The trial that is aligned to it.
    pub b: TrialId,
}

impl Pair {
    /// The pair of two trials, whichever comes first.
    pub fn new(one: TrialId, other: TrialId) -> Self {
        Self { a: one.min(other), b: one.max(other) }
    }
}

/// What was found between the ends of two trials.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Barrier {
    /// Training loss (f64, with l2) at the end of the first trial.
    pub loss_a: f64,
    /// The same of the second.
    pub loss_b: f64,
    /// Largest loss on the segment above the straight line between the end losses, at least 0. Infinite where the loss
    /// is not finite on the way, or where no segment joins the two.
    pub height: f64,
    /// Digest of the first trial's trained parameters.
    pub digest_a: ParameterDigest,
    /// The same of the second.
    pub digest_b: ParameterDigest,
}

impl Barrier {
    /// Equal in every bit: tells a repeated report from a divergence.
    pub fn same_bits(&self, other: &Self) -> bool {
        let bits = |barrier: &Self| [barrier.loss_a, barrier.loss_b, barrier.height].map(f64::to_bits);
        bits(self) == bits(other) && (self.digest_a, self.digest_b) == (other.digest_a, other.digest_b)
    }

    /// Whether the barrier counts as none: at most `tolerance` of the larger end loss, or [`NEGLIGIBLE`].
    pub fn is_none(&self, tolerance: f64) -> bool {
        self.height <= NEGLIGIBLE + tolerance * self.loss_a.max(self.loss_b).max(0.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::ExperimentIndex;

    fn barrier(height: f64) -> Barrier {
        Barrier { loss_a: 0.04, loss_b: 0.35, height, digest_a: [1; 16], digest_b: [2; 16] }
    }

    #[test]
    fn a_barrier_is_none_by_a_share_of_the_larger_end_loss() {
        assert!(barrier(0.0035).is_none(0.01) && !barrier(0.0036).is_none(0.01));
        let vanishing = |height| Barrier { loss_a: -1e-17, loss_b: 0.0, ..barrier(height) };
        assert!(vanishing(1e-6).is_none(0.01) && !vanishing(2e-6).is_none(0.01));
        assert!(!barrier(f64::INFINITY).is_none(0.01) && !barrier(f64::NAN).is_none(0.01));
    }

    #[test]
    fn a_pair_has_one_name() {
        let trial = |experiment, restart| TrialId { experiment: ExperimentIndex(experiment), restart };
        let pair = Pair::new(trial(1, 0), trial(0, 7));
        assert_eq!(pair, Pair::new(trial(0, 7), trial(1, 0)));
        assert_eq!(pair.a, trial(0, 7));
    }
}
