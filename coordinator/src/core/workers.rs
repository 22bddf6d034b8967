//! The registered workers and whether they were heard of lately.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use seedsweep_common::id::{ExperimentIndex, Name, WorkerId};
use seedsweep_common::limits;

use super::sizing::Speed;
use super::{Kind, Newcomer, Timestamp};

/// A registered worker process.
#[derive(Debug, Clone)]
pub(crate) struct Worker {
    /// Its name, for people.
    pub(crate) name: Name,
    /// Version of its build.
    pub(crate) build: String,
    /// Its compute threads.
    pub(crate) slots: u32,
    /// What it runs on.
    kind: Kind,
    /// Million floating-point operations a second that one slot can reach; 0: not measured.
    pub(crate) peak_mflop_per_s: u64,
    /// Until when it counts as live without a further call.
    live_until: Timestamp,
    /// Whether it is heard of.
    pub(crate) presence: Presence,
    /// Its speed per sweep (number in the order of submission) and experiment.
    pub(crate) speeds: HashMap<(usize, ExperimentIndex), Speed>,
}

/// Whether a worker is heard of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Presence {
    /// It called within a lease.
    Live,
    /// It did not; its process may have died, or be cut off.
    Silent {
        /// Whether trials count it as lost; taken back if it calls again.
        blamed: bool,
    },
}

/// All registered workers.
#[derive(Debug, Clone, Default)]
pub(crate) struct Workers {
    by_id: BTreeMap<WorkerId, Worker>,
    live: BTreeSet<(Timestamp, WorkerId)>,
    silent: BTreeSet<(Timestamp, WorkerId)>,
    live_slots: u64,
    /// Live workers and their slots by kind; none is 0.
    live_kinds: BTreeMap<Kind, (u32, u64)>,
}

impl Workers {
    /// Adds a live worker, in the place of the longest silent one if there are too many. `false` if all
    /// places are taken by live ones.
    pub(crate) fn insert(&mut self, id: WorkerId, newcomer: Newcomer, live_until: Timestamp) -> bool {
        if self.by_id.len() >= limits::WORKERS {
            let Some(&(_, longest_silent)) = self.silent.first() else { return false };
            self.remove(longest_silent);
        }
        let Newcomer { name, build, slots, kind, peak_mflop_per_s } = newcomer;
        let worker = Worker {
            name,
            build,
            slots,
            kind,
            peak_mflop_per_s,
            live_until,
            presence: Presence::Live,
            speeds: HashMap::new(),
        };
        self.add_live(worker.kind.clone(), slots);
        self.by_id.insert(id, worker);
        self.live.insert((live_until, id));
        true
    }

    /// Forgets a worker.
    pub(crate) fn remove(&mut self, id: WorkerId) {
        if let Some(worker) = self.by_id.remove(&id) {
            self.silent.remove(&(worker.live_until, id));
            if self.live.remove(&(worker.live_until, id)) {
                self.take_live(&worker.kind, worker.slots);
            }
        }
    }

    /// The worker with id `id`.
    pub(crate) fn get(&self, id: WorkerId) -> Option<&Worker> {
        self.by_id.get(&id)
    }

    /// The worker with id `id`.
    pub(crate) fn get_mut(&mut self, id: WorkerId) -> Option<&mut Worker> {
        self.by_id.get_mut(&id)
    }

    /// Notes a call of `id`, which is then live until `live_until`. Returns what it was before; `None` if it
    /// is not registered.
    pub(crate) fn heard(&mut self, id: WorkerId, live_until: Timestamp) -> Option<Presence> {
        let worker = self.by_id.get_mut(&id)?;
        let before = std::mem::replace(&mut worker.presence, Presence::Live);
        let earlier = std::mem::replace(&mut worker.live_until, live_until);
        if !self.live.remove(&(earlier, id)) {
            self.silent.remove(&(earlier, id));
            let (kind, slots) = (worker.kind.clone(), worker.slots);
            self.add_live(kind, slots);
        }
        self.live.insert((live_until, id));
        Some(before)
    }

    /// Workers that were not heard of for a whole lease become silent; returns whether any did.
    pub(crate) fn silence(&mut self, now: Timestamp) -> bool {
        let mut any = false;
        while let Some(&(until, id)) = self.live.first().filter(|&&(until, _)| until <= now) {
            self.live.remove(&(until, id));
            self.silent.insert((until, id));
            if let Some(worker) = self.by_id.get_mut(&id) {
                worker.presence = Presence::Silent { blamed: false };
                let (kind, slots) = (worker.kind.clone(), worker.slots);
                self.take_live(&kind, slots);
            }
            any = true;
        }
        any
    }

    /// When the next worker becomes silent.
    pub(crate) fn next_deadline(&self) -> Option<Timestamp> {
        self.live.first().map(|&(until, _)| until)
    }

    /// Live workers and their slots.
    pub(crate) fn live(&self) -> (usize, u64) {
        (self.live.len(), self.live_slots)
    }

    /// Live workers and their slots by what they run on.
    pub(crate) fn live_kinds(&self) -> impl Iterator<Item = (&Kind, u32, u64)> {
        self.live_kinds.iter().map(|(kind, &(live, slots))| (kind, live, slots))
    }

    fn add_live(&mut self, kind: Kind, slots: u32) {
        self.live_slots += u64::from(slots);
        let of_kind = self.live_kinds.entry(kind).or_default();
        *of_kind = (of_kind.0 + 1, of_kind.1 + u64::from(slots));
    }

    fn take_live(&mut self, kind: &Kind, slots: u32) {
        self.live_slots -= u64::from(slots);
        if let Some(of_kind) = self.live_kinds.get_mut(kind) {
            *of_kind = (of_kind.0 - 1, of_kind.1 - u64::from(slots));
            if of_kind.0 == 0 {
                self.live_kinds.remove(kind);
            }
        }
    }

    /// Forgets the speeds measured in `sweep`.
    pub(crate) fn forget_speeds(&mut self, sweep: usize) {
        for worker in self.by_id.values_mut() {
            worker.speeds.retain(|&(of, _), _| of != sweep);
        }
    }

    /// The running totals equal a recount.
    #[cfg(test)]
    pub(crate) fn sanity_check(&self) {
        assert_eq!(self.live.len() + self.silent.len(), self.by_id.len());
        let slots = |worker: &Worker| u64::from(worker.slots);
        let live = self.by_id.values().filter(|worker| worker.presence == Presence::Live);
        assert_eq!(live.map(slots).sum::<u64>(), self.live_slots);
        assert_eq!(self.live_kinds.values().map(|kind| kind.1).sum::<u64>(), self.live_slots);
        assert_eq!(self.live_kinds.values().map(|kind| kind.0 as usize).sum::<usize>(), self.live.len());
    }
}
