//! The live leases: by token, by deadline. What their end means for trials is decided in `expiry` and `report`.

use std::collections::{BTreeSet, HashMap};

use seedsweep_common::id::{ExperimentIndex, Token, WorkerId};
use seedsweep_common::range::RestartRange;

use super::Timestamp;

/// A time-limited right to run a task.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Lease {
    /// Number of the sweep in the order of submission.
    pub(crate) sweep: usize,
    /// Its experiment.
    pub(crate) experiment: ExperimentIndex,
    /// The restarts leased. Those already reported are done and no longer this lease's.
    pub(crate) range: RestartRange,
    /// Who holds it.
    pub(crate) worker: WorkerId,
    /// 1-based count of leases for these restarts.
    pub(crate) attempt: u32,
    /// When it ends unless renewed.
    pub(crate) deadline: Timestamp,
}

/// All live leases.
#[derive(Debug, Clone, Default)]
pub(crate) struct Leases {
    by_token: HashMap<Token, Lease>,
    by_deadline: BTreeSet<(Timestamp, Token)>,
}

impl Leases {
    /// Starts `lease` under `token`.
    pub(crate) fn insert(&mut self, token: Token, lease: Lease) {
        self.by_deadline.insert((lease.deadline, token));
        let earlier = self.by_token.insert(token, lease);
        debug_assert!(earlier.is_none(), "a token is given once");
    }

    /// Ends the lease of `token`.
    pub(crate) fn remove(&mut self, token: Token) -> Option<Lease> {
        let lease = self.by_token.remove(&token)?;
        self.by_deadline.remove(&(lease.deadline, token));
        Some(lease)
    }

    /// The lease of `token`.
    pub(crate) fn get(&self, token: Token) -> Option<&Lease> {
        self.by_token.get(&token)
    }

    /// Gives the lease of `token` a new deadline and holder.
    pub(crate) fn renew(&mut self, token: Token, worker: WorkerId, deadline: Timestamp) {
        if let Some(lease) = self.by_token.get_mut(&token) {
            self.by_deadline.remove(&(lease.deadline, token));
            self.by_deadline.insert((deadline, token));
            lease.deadline = deadline;
            lease.worker = worker;
        }
    }

    /// The lease that ends first, if it ends by `now`.
    pub(crate) fn expired(&self, now: Timestamp) -> Option<Token> {
        self.by_deadline.first().filter(|&&(deadline, _)| deadline <= now).map(|&(_, token)| token)
    }

    /// When the first lease ends.
    pub(crate) fn next_deadline(&self) -> Option<Timestamp> {
        self.by_deadline.first().map(|&(deadline, _)| deadline)
    }

    /// The leases that `worker` holds, or all of them.
    pub(crate) fn tokens(&self, keep: impl Fn(&Lease) -> bool) -> Vec<Token> {
        let mut tokens: Vec<Token> =
            self.by_token.iter().filter(|(_, lease)| keep(lease)).map(|(&token, _)| token).collect();
        tokens.sort_unstable();
        tokens
    }

    /// How many there are.
    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        debug_assert_eq!(self.by_token.len(), self.by_deadline.len());
        self.by_token.len()
    }
}
