//! Trials of one experiment side by side in restart lanes, from their starts to their stops and scores.
//!
//! Each ends exactly as `Descent` would end it alone: the same updates, the same looks at the same rules, the same
//! bits. A lane whose trial has ended takes the next one that waits, where an update does not depend on how many went
//! before ([`refills`]); else, and when none is left, it runs on unwatched, which costs the others nothing.

use std::sync::atomic::AtomicBool;

use seedsweep_common::outcome::StopReason;
use seedsweep_common::plan;
use seedsweep_common::spec::{self, Batch, Experiment, Loss, Schedule, Stop, Train};

use super::descent::{Cancelled, Stopped, look};
use super::{Score, Trained, right};
use crate::measure::{Meter, Track};
use crate::nn::any_pod::AnyPod;
use crate::nn::data::Labels;
use crate::nn::lane::{Job, Lane, Lanes, elements};
use crate::nn::network::{self, Network};
use crate::nn::optimizer::{Optimizer, WeightDecay};
use crate::nn::order::Order;
use crate::nn::pod::{MOST_UPDATES, Pick, Rule, Wanted};
use crate::nn::scalar::{Number, Scalar};
use crate::nn::schedule::Rates;
use crate::nn::stream::{LaneRows, Stream};

pub(super) const GRADIENT: Wanted = Wanted { loss: false, gradient: true };
const LOSS: Wanted = Wanted { loss: true, gradient: false };
pub(super) const OUTPUTS: Wanted = Wanted { loss: false, gradient: false };

/// What the trials of a pod have in common.
pub(super) struct Common<'a, S> {
    pub(super) network: &'a Network,
    pub(super) experiment: &'a Experiment,
    pub(super) train: &'a Train,
    /// All rows to train on.
    pub(super) rows: network::Batch<'a, S>,
    /// All rows to test on; there may be none.
    pub(super) test: network::Batch<'a, S>,
    pub(super) labels: Labels,
    /// Rows that an epoch goes over.
    pub(super) epoch_rows: usize,
    pub(super) lanes: Lanes,
    /// Most rows worked off at once; fewer where the buffers hold fewer.
    pub(super) piece: usize,
    pub(super) cancelled: &'a AtomicBool,
}

/// Where the small batches of a pod's trials come from.
pub(super) enum Feeds<'a> {
    /// From the training rows.
    Rows(Source<'a, Order>),
    /// Fresh for every update.
    Fresh(Source<'a, Stream>),
}

/// What the trials of a pod draw from.
pub(super) enum Source<'a, T> {
    /// All from the same.
    Same(Box<T>),
    /// Each from its own: that of the trial which starts at this place among the starts.
    Own(&'a dyn Fn(usize) -> T),
}

/// Whether a lane can take another trial once its own has ended. Rules must end them at different times; no update may
/// depend on how many went before; nothing may be measured on the way, which is done for all lanes at once; and where
/// batches are smaller than the data, a new trial begins with an epoch, in an order that is its own or never changes.
pub(super) fn refills(experiment: &Experiment, rows: usize) -> bool {
    let Experiment { train, measure, .. } = experiment;
    let is_steady = train.schedule == Schedule::default()
        && !matches!(train.optimizer, spec::Optimizer::Adam { .. } | spec::Optimizer::AdamW { .. });
    let is_measured = measure.curve || measure.symmetry || measure.ntk;
    let in_step = match train.batch {
        Batch::Full => true,
        Batch::Size(size) => {
            let updates = plan::updates(train, rows as u64).unwrap_or(u64::MAX);
            (plan::order_matters(experiment) || !train.shuffle)
                && updates.is_multiple_of(rows.div_ceil(size as usize) as u64)
        }
    };
    train.stop != Stop::default() && is_steady && !is_measured && in_step
}

/// Trains from `starts`, at most one for each lane unless [`refills`] holds, and scores the ends.
pub(super) fn train<V: Lane>(
    common: &Common<'_, V::Elem>,
    starts: &[Vec<V::Elem>],
    feeds: Feeds<'_>,
) -> Result<Vec<Trained>, Cancelled> {
    // the pod goes before the ends are scored in another
    let (ends, mut meter, mut tracks) = {
        let mut descents = Descents::<V>::new(common, starts);
        (descents.run(feeds)?, descents.meter, descents.tracks)
    };
    let thetas: Vec<&[V::Elem]> = ends.iter().map(|(_, theta)| theta.as_slice()).collect();
    let train = score::<V>(common, common.rows, common.train.l2, &thetas)?;
    let test = match common.test.features.len() {
        0 => None,
        _ => Some(score::<V>(common, common.test, 0.0, &thetas)?),
    };
    let measured = ends.iter().zip(&train).map(|((at, theta), train)| (at.steps, train.loss, &theta[..]));
    meter.record_ends(&mut tracks, &measured.collect::<Vec<_>>());
    let mut tests = test.map(Vec::into_iter);
    let ends = ends.into_iter().zip(train).zip(tracks);
    let trained = ends.map(|(((mut stopped, theta), train), track)| {
        if !train.loss.is_finite() {
            stopped.reason = StopReason::Diverged;
        }
        let test = tests.as_mut().and_then(Iterator::next);
        Trained { stopped, theta: theta.into_iter().map(Scalar::to_f64).collect(), train, test, track }
    });
    Ok(trained.collect())
}

/// Euclidean norm of the gradient over all of `rows`, of one network.
pub(super) fn gradient_norm<S: Scalar + Lane<Elem = S>>(
    network: &Network,
    loss: Loss,
    l2: f64,
    theta: &[S],
    rows: network::Batch<'_, S>,
    cancelled: &AtomicBool,
) -> Result<S, Cancelled> {
    let mut pod = AnyPod::<S>::new(network, loss, l2, rows, Lanes::detect());
    pod.set(0, theta);
    pod.pass(Pick::All, GRADIENT, |_, _| look(cancelled))?;
    Ok(pod.squared_gradient_norm().sqrt())
}

/// How a trial ended, and its parameters there, in drawing order.
type End<S> = (Stopped, Vec<S>);

/// Trials on their way down.
struct Descents<'a, V: Lane> {
    common: &'a Common<'a, V::Elem>,
    pod: AnyPod<'a, V>,
    optimizer: Optimizer<V>,
    decay: WeightDecay,
    rates: Rates,
    /// Updates that the budget allows.
    limit: u64,
    /// Updates made, by every lane.
    steps: u64,
    /// Where each trial starts; the first ones are under way or have ended.
    starts: &'a [Vec<V::Elem>],
    /// The trials that the lanes train or trained last.
    occupants: Vec<Occupant>,
    /// For each trial where it ended, once it has.
    ends: Vec<Option<End<V::Elem>>>,
    meter: Meter,
    /// For each trial what was measured so far.
    tracks: Vec<Track>,
}

/// The trial in a lane.
#[derive(Debug, Clone, Copy)]
struct Occupant {
    /// Its place among the starts.
    trial: usize,
    /// Updates that the lane had made before it.
    before: u64,
}

impl<'a, V: Lane> Descents<'a, V> {
    fn new(common: &'a Common<'a, V::Elem>, starts: &'a [Vec<V::Elem>]) -> Self {
        let Train { loss, l2, .. } = *common.train;
        let mut pod = AnyPod::new(common.network, loss, l2, common.rows, common.lanes);
        pod.limit_piece(common.piece);
        load(&mut pod, starts);
        let train = common.train;
        let limit = plan::updates(train, common.epoch_rows as u64).unwrap_or(u64::MAX);
        Self {
            optimizer: Optimizer::new(&train.optimizer, pod.update_parts().0.len()),
            decay: WeightDecay::new(&train.optimizer, train.weight_decay),
            rates: Rates::new(train.lr, train.schedule, limit),
            limit,
            steps: 0,
            occupants: (0..starts.len().min(V::WIDTH)).map(|trial| Occupant { trial, before: 0 }).collect(),
            ends: vec![None; starts.len()],
            meter: Meter::new(common.experiment, common.network, limit, common.lanes),
            tracks: vec![Track::default(); starts.len()],
            starts,
            common,
            pod,
        }
    }

    /// Trains every lane to its end.
    fn run(&mut self, feeds: Feeds<'_>) -> Result<Vec<End<V::Elem>>, Cancelled> {
        self.measure()?;
        self.end_diverged();
        match self.common.train.batch {
            Batch::Full => self.full_batches()?,
            Batch::Size(size) => self.small_batches(size as usize, feeds)?,
        }
        Ok(std::mem::take(&mut self.ends).into_iter().flatten().collect())
    }

    fn full_batches(&mut self) -> Result<(), Cancelled> {
        if self.common.train.stop == Stop::default() {
            self.unwatched_full_batches()?;
        }
        self.refill();
        while self.is_running() {
            self.look_at_rules()?;
            self.end_at_limit();
            if self.is_running() || self.is_awaited() {
                self.update();
                self.measure()?;
                self.end_diverged();
                self.refill();
            }
        }
        Ok(())
    }

    /// Where no rule asks for a look: many updates at once, as long as the network has a kernel for that and one is
    /// left. A block in which a trial diverged is repeated update by update, to find at which.
    fn unwatched_full_batches(&mut self) -> Result<(), Cancelled> {
        while self.is_running() && self.steps < self.limit {
            look(self.common.cancelled)?;
            let to_next_measure = self.meter.next_due().map_or(u64::MAX, |due| due - self.steps);
            let count = (MOST_UPDATES as u64).min(self.limit - self.steps).min(to_next_measure);
            let before = (self.pod.update_parts().0.to_vec(), self.optimizer.clone(), self.rates.clone());
            if !self.update_at_once(Pick::All, count) {
                break;
            }
            if self.has_diverged() {
                self.steps -= count;
                self.pod.update_parts().0.copy_from_slice(&before.0);
                (self.optimizer, self.rates) = (before.1, before.2);
                for _ in 0..count {
                    self.update_at_once(Pick::All, 1);
                    self.measure()?;
                    self.end_diverged();
                }
            } else {
                self.measure()?;
            }
        }
        Ok(())
    }

    /// Makes `count` updates on the same rows, or says no and does nothing.
    fn update_at_once(&mut self, pick: Pick<'_>, count: u64) -> bool {
        let Self { optimizer, decay, rates, .. } = self;
        let done = self.pod.update(pick, count, Rule { optimizer, decay: *decay, rates });
        self.steps += if done { count } else { 0 };
        done
    }

    /// Makes an update on rows that are few enough to be worked off at once, or says no and does nothing.
    fn descend(&mut self, pick: Pick<'_>) -> bool {
        let Self { optimizer, decay, rates, .. } = self;
        let done = self.pod.descend(pick, Rule { optimizer, decay: *decay, rates });
        self.steps += u64::from(done);
        done
    }

    fn small_batches(&mut self, size: usize, feeds: Feeds<'_>) -> Result<(), Cancelled> {
        let updates_per_epoch = self.common.epoch_rows.div_ceil(size) as u64;
        let mut feeds = match feeds {
            Feeds::Rows(source) => Of::Rows(Taps::new(source)),
            Feeds::Fresh(source) => Of::Fresh(Taps::new(source), LaneRows::default()),
        };
        while self.is_running() || self.is_awaited() {
            self.refill();
            self.end_at_limit();
            let updates = self.updates_left().min(updates_per_epoch);
            match &mut feeds {
                Of::Rows(orders) => {
                    let orders = orders.of(&self.occupants).into_iter();
                    self.epoch(&orders.map(Order::next_epoch).collect::<Vec<_>>(), size, updates)?;
                }
                Of::Fresh(streams, rows) => {
                    let mut streams = streams.of(&self.occupants);
                    self.fresh_updates(&mut streams, rows, size, updates)?;
                }
            }
            self.end_diverged();
            if self.common.train.stop != Stop::default() && self.is_running() && updates == updates_per_epoch
            {
                self.look_at_rules()?;
            }
            self.end_at_limit();
        }
        Ok(())
    }

    /// The first updates of an epoch: of its rows, one slice for all or one for each lane, `size` after `size`.
    fn epoch(&mut self, rows: &[&[usize]], size: usize, updates: u64) -> Result<(), Cancelled> {
        let count = rows[0].len();
        let mut batch = Vec::with_capacity(rows.len());
        for from in (0..count).step_by(size).take(updates as usize) {
            batch.clear();
            batch.extend(rows.iter().map(|rows| &rows[from..count.min(from + size)]));
            self.step_on(if let [rows] = batch[..] { Pick::Same(rows) } else { Pick::Own(&batch) })?;
        }
        Ok(())
    }

    /// As many updates on `size` rows each that no other update sees; `rows` is room for them.
    fn fresh_updates(
        &mut self,
        streams: &mut [&mut Stream],
        rows: &mut LaneRows<V>,
        size: usize,
        updates: u64,
    ) -> Result<(), Cancelled> {
        let cancelled = self.common.cancelled;
        for _ in 0..updates {
            rows.draw(streams, size, || look(cancelled))?;
            self.pod.pass_fresh(rows, || look(cancelled))?;
            self.update();
            self.measure()?;
        }
        Ok(())
    }

    fn step_on(&mut self, pick: Pick<'_>) -> Result<(), Cancelled> {
        let cancelled = self.common.cancelled;
        if self.update_at_once(pick, 1) || self.descend(pick) {
            look(cancelled)?;
            return self.measure();
        }
        self.pod.pass(pick, GRADIENT, |_, _| look(cancelled))?;
        self.update();
        self.measure()
    }

    /// Measures where the running trials are, if that is due.
    fn measure(&mut self) -> Result<(), Cancelled> {
        if !self.meter.is_due(self.steps) {
            return Ok(());
        }
        let cancelled = self.common.cancelled;
        let losses = match self.meter.wants_loss() {
            true => self.pod.pass(Pick::All, LOSS, |_, _| look(cancelled))?,
            false => V::ZERO,
        };
        let theta = if self.meter.wants_parameters() { self.pod.values() } else { Vec::new() };
        self.meter.look(elements(std::slice::from_ref(&losses)), elements(&theta));
        for (lane, at) in self.occupants.iter().enumerate() {
            if self.ends[at.trial].is_none() {
                self.meter.record(&mut self.tracks[at.trial], self.steps, lane);
            }
        }
        self.meter.pass();
        Ok(())
    }

    fn update(&mut self) {
        let lr = self.rates.next_rate();
        let (theta, gradient, lanes) = self.pod.update_parts();
        self.decay.apply(theta, gradient, lr, lanes);
        self.optimizer.step(theta, gradient, lr, lanes);
        self.steps += 1;
    }

    /// Takes the gradient over all rows and ends the trials that a rule ends here. Everything is compared in the
    /// training precision.
    fn look_at_rules(&mut self) -> Result<(), Cancelled> {
        let stop = self.common.train.stop;
        let cancelled = self.common.cancelled;
        let wanted = Wanted { loss: stop.loss.is_some(), gradient: true };
        let loss = self.pod.pass(Pick::All, wanted, |_, _| look(cancelled))?;
        let losses = elements(std::slice::from_ref(&loss));
        if stop.loss.is_some() {
            self.end_where(StopReason::Diverged, |lane, _| !losses[lane].is_finite());
        }
        if let Some(limit) = stop.grad_norm {
            let squares = self.pod.squared_gradient_norm();
            let squares = elements(std::slice::from_ref(&squares));
            self.end_where(StopReason::Converged, |lane, _| squares[lane].sqrt().to_f64() <= limit);
        }
        if let Some(limit) = stop.loss {
            self.end_where(StopReason::TargetReached, |lane, _| losses[lane].to_f64() <= limit);
        }
        if let (Some(limit), true) = (stop.max_error, self.is_running()) {
            let below = self.errors_below(limit)?;
            self.end_where(StopReason::TargetReached, |lane, _| below[lane]);
        }
        Ok(())
    }

    /// For each trial whether every output over all rows is closer than `limit` to its target.
    fn errors_below(&mut self, limit: f64) -> Result<Vec<bool>, Cancelled> {
        let cancelled = self.common.cancelled;
        let width = self.pod.output_width();
        let mut below = vec![true; self.occupants.len()];
        self.pod.pass(Pick::All, OUTPUTS, |outputs, targets| {
            for (outputs, targets) in outputs.chunks_exact(width).zip(targets.chunks_exact(width)) {
                for (f, y) in outputs.iter().zip(targets) {
                    let pairs =
                        elements(std::slice::from_ref(f)).iter().zip(elements(std::slice::from_ref(y)));
                    for (below, (&f, &y)) in below.iter_mut().zip(pairs) {
                        // written so that NaN is not below
                        *below &= f.sub(y).to_f64().abs() < limit;
                    }
                }
            }
            look(cancelled)
        })?;
        Ok(below)
    }

    /// Whether a running trial has a parameter that is not finite: what is not finite stays so.
    fn has_diverged(&self) -> bool {
        let finite = self.pod.finite_or_nan();
        let finite = elements(std::slice::from_ref(&finite));
        self.occupants
            .iter()
            .zip(finite)
            .any(|(at, value)| self.ends[at.trial].is_none() && !value.is_finite())
    }

    fn end_diverged(&mut self) {
        let finite = self.pod.finite_or_nan();
        let finite = elements(std::slice::from_ref(&finite));
        if finite.iter().all(|value| value.is_finite()) {
            return;
        }
        self.end_where(StopReason::Diverged, |lane, _| !finite[lane].is_finite());
    }

    /// Ends the running trials that have made all updates that the budget allows.
    fn end_at_limit(&mut self) {
        let (steps, limit) = (self.steps, self.limit);
        self.end_where(StopReason::StepLimit, |_, at| steps - at.before >= limit);
    }

    /// Ends the running trials of which `is_over` holds, given the lane, with their parameters as they are now.
    fn end_where(&mut self, reason: StopReason, is_over: impl Fn(usize, Occupant) -> bool) {
        for (lane, &at) in self.occupants.iter().enumerate() {
            let end = &mut self.ends[at.trial];
            if end.is_none() && is_over(lane, at) {
                *end = Some((Stopped { reason, steps: self.steps - at.before }, self.pod.get(lane)));
            }
        }
    }

    /// Puts trials that wait into the lanes whose trials have ended.
    fn refill(&mut self) {
        let mut next = self.next_trial();
        for (lane, at) in self.occupants.iter_mut().enumerate() {
            while self.ends[at.trial].is_some() && next < self.starts.len() {
                *at = Occupant { trial: next, before: self.steps };
                next += 1;
                let start = &self.starts[at.trial];
                self.pod.set(lane, start);
                self.optimizer.forget(lane);
                if !start.iter().all(|value| value.is_finite()) {
                    self.ends[at.trial] =
                        Some((Stopped { reason: StopReason::Diverged, steps: 0 }, start.clone()));
                }
            }
        }
    }

    /// The first trial that is in no lane yet.
    fn next_trial(&self) -> usize {
        self.occupants.iter().map(|at| at.trial + 1).max().unwrap_or(0)
    }

    fn is_awaited(&self) -> bool {
        self.next_trial() < self.starts.len()
    }

    /// Updates that the running trial with the fewest left may make.
    fn updates_left(&self) -> u64 {
        let running = self.occupants.iter().filter(|at| self.ends[at.trial].is_none());
        running.map(|at| self.limit - (self.steps - at.before)).min().unwrap_or(0)
    }

    fn is_running(&self) -> bool {
        self.occupants.iter().any(|at| self.ends[at.trial].is_none())
    }
}

/// What feeds the lanes, with what its rows are gathered in.
enum Of<'a, V: Lane> {
    Rows(Taps<'a, Order>),
    Fresh(Taps<'a, Stream>, LaneRows<V>),
}

/// What the trials in the lanes draw from.
struct Taps<'a, T> {
    source: Source<'a, T>,
    /// Of each lane, where each trial has its own: the trial, and that.
    own: Vec<(usize, T)>,
}

impl<'a, T> Taps<'a, T> {
    fn new(source: Source<'a, T>) -> Self {
        Self { source, own: Vec::new() }
    }

    /// One for all lanes, or one for each.
    fn of(&mut self, occupants: &[Occupant]) -> Vec<&mut T> {
        let own = match &mut self.source {
            Source::Same(same) => return vec![same],
            Source::Own(own) => own,
        };
        for (lane, at) in occupants.iter().enumerate() {
            match self.own.get_mut(lane) {
                None => self.own.push((at.trial, own(at.trial))),
                Some((trial, of_lane)) if *trial != at.trial => {
                    (*trial, *of_lane) = (at.trial, own(at.trial));
                }
                Some(_) => {}
            }
        }
        self.own.iter_mut().map(|(_, own)| own).collect()
    }
}

/// Puts one trial in each lane, and the first again in the lanes that are left over.
fn load<V: Lane, T: AsRef<[V::Elem]>>(pod: &mut AnyPod<'_, V>, thetas: &[T]) {
    for lane in 0..V::WIDTH {
        pod.set(lane, thetas[if lane < thetas.len() { lane } else { 0 }].as_ref());
    }
}

/// Mean loss with `l2` and share of rows classified right, for each of `thetas`.
pub(super) fn score<V: Lane>(
    common: &Common<'_, V::Elem>,
    rows: network::Batch<'_, V::Elem>,
    l2: f64,
    thetas: &[&[V::Elem]],
) -> Result<Vec<Score>, Cancelled> {
    let loss = common.train.loss;
    let mut pod = AnyPod::<V>::new(common.network, loss, l2, rows, common.lanes);
    pod.limit_piece(common.piece);
    let width = pod.output_width();
    let count = rows.targets.len() / width;
    let mut scores = Vec::with_capacity(thetas.len());
    for thetas in thetas.chunks(V::WIDTH) {
        load(&mut pod, thetas);
        let mut right = vec![0_usize; thetas.len()];
        let losses = pod.pass(Pick::All, LOSS, |outputs, targets| {
            let counts = V::enter(CountRight { labels: common.labels, loss, width, outputs, targets });
            for (right, count) in right.iter_mut().zip(elements(std::slice::from_ref(&counts))) {
                *right += count.to_f64() as usize;
            }
            look(common.cancelled)
        })?;
        scores.extend(elements(std::slice::from_ref(&losses)).iter().zip(right).map(|(loss, right)| {
            let accuracy = (common.labels != Labels::Regression).then(|| right as f64 / count as f64);
            Score { loss: loss.to_f64(), accuracy }
        }));
    }
    Ok(scores)
}

/// In each lane how many of some rows have their class named by the outputs. `outputs` and `targets` (rows, width).
struct CountRight<'a, V> {
    labels: Labels,
    loss: Loss,
    width: usize,
    outputs: &'a [V],
    targets: &'a [V],
}

impl<V: Lane> Job for CountRight<'_, V> {
    type Output = V;

    #[inline(always)]
    fn run(self) -> V {
        let Self { labels, loss, width, outputs, targets } = self;
        let mut count = V::ZERO;
        for (outputs, targets) in outputs.chunks_exact(width).zip(targets.chunks_exact(width)) {
            count = count.add(right(labels, loss, outputs, targets));
        }
        count
    }
}

#[cfg(test)]
mod tests;
