//! What went wrong with ranges of restarts so far: attempts used up, workers lost, breaks.
//!
//! Most trials have no history. Those that have one share it in ranges, so that a lost task costs one entry.

use std::collections::BTreeMap;

use seedsweep_common::id::{Token, WorkerId};
use seedsweep_common::range::RestartRange;

/// What happened to some restarts before now.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct History {
    /// Leases given and ended without an outcome.
    pub(crate) attempts: u32,
    /// Workers lost while they held these restarts with others.
    pub(crate) lost_together: Vec<WorkerId>,
    /// Workers lost while they held this restart alone.
    pub(crate) lost_alone: Vec<WorkerId>,
    /// Largest range in which these restarts may be leased again; smaller after each loss.
    pub(crate) at_most: Option<u32>,
    /// How often these restarts broke.
    pub(crate) broken: Option<Breaks>,
}

/// Attempts that broke.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Breaks {
    /// How many.
    pub(crate) count: u32,
    /// The worker of the last one.
    pub(crate) worker: WorkerId,
    /// The lease of the last one: telling it again is no further break.
    pub(crate) token: Token,
}

/// The histories of one experiment's restarts.
#[derive(Debug, Clone, Default)]
pub(crate) struct Histories {
    /// start -> (end, history); disjoint, without empty histories.
    entries: BTreeMap<u32, (u32, History)>,
}

impl Histories {
    /// The longest piece from the start of `range` that shares one history, and that history, if any.
    pub(crate) fn piece(&self, range: RestartRange) -> (RestartRange, Option<&History>) {
        let cut = |end: u32| RestartRange::new(range.start(), end.min(range.end())).unwrap_or(range);
        if let Some((_, (end, history))) = self.entries.range(..=range.start()).next_back()
            && *end > range.start()
        {
            return (cut(*end), Some(history));
        }
        match self.entries.range(range.start()..).next() {
            Some((&next, _)) => (cut(next), None),
            None => (range, None),
        }
    }

    /// Changes the history of every restart in `range`.
    pub(crate) fn update(&mut self, range: RestartRange, edit: impl Fn(&mut History)) {
        let mut pieces = Vec::new();
        let mut rest = Some(range);
        while let Some(left) = rest {
            let (piece, history) = self.piece(left);
            let mut history = history.cloned().unwrap_or_default();
            edit(&mut history);
            pieces.push((piece, history));
            rest = RestartRange::new(piece.end(), range.end());
        }
        self.forget(range);
        for (piece, history) in pieces {
            self.insert(piece, history);
        }
    }

    /// Drops the history of every restart in `range`.
    pub(crate) fn forget(&mut self, range: RestartRange) {
        if let Some((&start, (end, history))) = self.entries.range(..range.start()).next_back()
            && *end > range.start()
        {
            let (end, history) = (*end, history.clone());
            self.entries.insert(start, (range.start(), history.clone()));
            if end > range.end() {
                self.entries.insert(range.end(), (end, history));
            }
        }
        while let Some((&start, &(end, _))) = self.entries.range(range.start()..range.end()).next() {
            if let Some((_, history)) = self.entries.remove(&start)
                && end > range.end()
            {
                self.entries.insert(range.end(), (end, history));
            }
        }
    }

    /// Drops everything.
    pub(crate) fn clear(&mut self) {
        self.entries.clear();
    }

    /// Takes back that `worker` was lost: it was only cut off.
    pub(crate) fn forgive(&mut self, worker: WorkerId) {
        for (_, history) in self.entries.values_mut() {
            history.lost_together.retain(|&lost| lost != worker);
            history.lost_alone.retain(|&lost| lost != worker);
        }
    }

    fn insert(&mut self, range: RestartRange, history: History) {
        if history == History::default() {
            return;
        }
        if let Some((_, (end, left))) = self.entries.range_mut(..range.start()).next_back()
            && *end == range.start()
            && *left == history
        {
            *end = range.end();
        } else {
            self.entries.insert(range.start(), (range.end(), history));
        }
    }
}

#[cfg(test)]
mod tests {
    use rand::rngs::ChaCha8Rng;
    use rand::{RngExt, SeedableRng};

    use super::*;

    #[test]
    fn histories_equal_one_history_per_restart_after_any_edits() {
        for seed in 0..200 {
            let mut rng = ChaCha8Rng::seed_from_u64(seed);
            let (mut histories, mut plain) = (Histories::default(), vec![History::default(); 60]);
            for _ in 0..80 {
                let start = rng.random_range(0..50_u32);
                let range = RestartRange::new(start, start + rng.random_range(1..10)).unwrap();
                match rng.random_range(0..3) {
                    0 => {
                        histories.forget(range);
                        range.iter().for_each(|r| plain[r as usize] = History::default());
                    }
                    1 => {
                        let attempts = rng.random_range(1..3);
                        histories.update(range, |h| h.attempts = attempts);
                        range.iter().for_each(|r| plain[r as usize].attempts = attempts);
                    }
                    _ => {
                        let worker = WorkerId(rng.random_range(0..3));
                        histories.update(range, |h| h.lost_alone = vec![worker]);
                        range.iter().for_each(|r| plain[r as usize].lost_alone = vec![worker]);
                    }
                }
                let mut rest = RestartRange::new(0, 60);
                while let Some(left) = rest {
                    let (piece, history) = histories.piece(left);
                    let history = history.cloned().unwrap_or_default();
                    assert!(piece.iter().all(|r| plain[r as usize] == history), "seed {seed}");
                    rest = RestartRange::new(piece.end(), 60);
                }
            }
        }
    }
}
