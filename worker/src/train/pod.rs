//! Trials of one experiment side by side in restart lanes, from their starts to their stops and scores.
//!
//! Each ends exactly as `Descent` would end it alone: the same updates, the same looks at the same rules, the same
//! bits. A lane whose trial has ended runs on unwatched until all have; that costs the others nothing.

use std::sync::atomic::AtomicBool;

use seedsweep_common::outcome::StopReason;
use seedsweep_common::plan;
use seedsweep_common::spec::{Batch, Experiment, Loss, Stop, Train};

use super::descent::{Cancelled, Stopped, look};
use super::{Score, Trained, is_right};
use crate::measure::{Meter, Track};
use crate::nn::any_pod::AnyPod;
use crate::nn::data::Labels;
use crate::nn::lane::{Lane, Lanes, elements};
use crate::nn::network::{self, Network};
use crate::nn::optimizer::{Optimizer, WeightDecay};
use crate::nn::order::Order;
use crate::nn::pod::{Pick, Rule, Wanted};
use crate::nn::scalar::{Number, Scalar};
use crate::nn::schedule::Rates;

const GRADIENT: Wanted = Wanted { loss: false, gradient: true };
const LOSS: Wanted = Wanted { loss: true, gradient: false };
const OUTPUTS: Wanted = Wanted { loss: false, gradient: false };

/// Updates made at once: enough to make the looks between them cheap, few enough to repeat.
const BLOCK: u64 = 64;

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
    pub(super) lanes: Lanes,
    pub(super) cancelled: &'a AtomicBool,
}

/// In which order a pod's trials visit the rows.
pub(super) enum Orders {
    /// All in the same.
    Same(Box<Order>),
    /// Each in its own.
    Own(Vec<Order>),
}

/// Trains from `starts`, at most one for each lane, and scores the ends.
pub(super) fn train<V: Lane>(
    common: &Common<'_, V::Elem>,
    starts: &[Vec<V::Elem>],
    orders: Orders,
) -> Result<Vec<Trained>, Cancelled> {
    let mut descents = Descents::<V>::new(common, starts);
    let ends = descents.run(orders)?;
    let Descents { mut meter, tracks, .. } = descents;
    let thetas: Vec<&[V::Elem]> = ends.iter().map(|(_, theta)| theta.as_slice()).collect();
    let train = score::<V>(common, common.rows, common.train.l2, &thetas)?;
    let test = match common.test.features.len() {
        0 => None,
        _ => Some(score::<V>(common, common.test, 0.0, &thetas)?),
    };
    let mut tests = test.map(Vec::into_iter);
    let trained =
        ends.into_iter().zip(train).zip(tracks).map(|(((mut stopped, theta), train), mut track)| {
            if !train.loss.is_finite() {
                stopped.reason = StopReason::Diverged;
            }
            let test = tests.as_mut().and_then(Iterator::next);
            meter.record_end(&mut track, stopped.steps, train.loss, &theta);
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
    /// For each trial where it ended, once it has.
    ends: Vec<Option<End<V::Elem>>>,
    meter: Meter<'a>,
    /// For each trial what was measured so far.
    tracks: Vec<Track>,
}

impl<'a, V: Lane> Descents<'a, V> {
    fn new(common: &'a Common<'a, V::Elem>, starts: &[Vec<V::Elem>]) -> Self {
        let Train { loss, l2, .. } = *common.train;
        let mut pod = AnyPod::new(common.network, loss, l2, common.rows, common.lanes);
        load(&mut pod, starts);
        let train = common.train;
        let count = common.rows.features.len() / common.network.input_width();
        let limit = plan::updates(train, count as u64).unwrap_or(u64::MAX);
        Self {
            optimizer: Optimizer::new(&train.optimizer, pod.update_parts().0.len()),
            decay: WeightDecay::new(&train.optimizer, train.weight_decay),
            rates: Rates::new(train.lr, train.schedule, limit),
            limit,
            steps: 0,
            ends: vec![None; starts.len()],
            meter: Meter::new(common.experiment, common.network, limit),
            tracks: vec![Track::default(); starts.len()],
            common,
            pod,
        }
    }

    /// Trains every lane to its end.
    fn run(&mut self, orders: Orders) -> Result<Vec<End<V::Elem>>, Cancelled> {
        self.measure()?;
        self.end_diverged();
        match self.common.train.batch {
            Batch::Full => self.full_batches()?,
            Batch::Size(size) => self.small_batches(size as usize, orders)?,
        }
        Ok(std::mem::take(&mut self.ends).into_iter().flatten().collect())
    }

    fn full_batches(&mut self) -> Result<(), Cancelled> {
        if self.common.train.stop == Stop::default() {
            self.unwatched_full_batches()?;
        }
        while self.is_running() {
            self.look_at_rules()?;
            if self.steps == self.limit {
                self.end_where(StopReason::StepLimit, |_| true);
            }
            if self.is_running() {
                self.update();
                self.measure()?;
                self.end_diverged();
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
            let count = BLOCK.min(self.limit - self.steps).min(to_next_measure);
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

    fn small_batches(&mut self, size: usize, mut orders: Orders) -> Result<(), Cancelled> {
        let stop = self.common.train.stop;
        let has_rules = stop.grad_norm.is_some() || stop.loss.is_some() || stop.max_error.is_some();
        let count = self.common.rows.features.len() / self.common.network.input_width();
        let updates_per_epoch = count.div_ceil(size) as u64;
        let limit = self.limit;
        while self.is_running() && self.steps < limit {
            let updates = (limit - self.steps).min(updates_per_epoch) as usize;
            match &mut orders {
                Orders::Same(order) => {
                    for rows in order.next_epoch().chunks(size).take(updates) {
                        self.step_on(Pick::Same(rows))?;
                    }
                }
                Orders::Own(orders) => {
                    let epochs: Vec<&[usize]> = orders.iter_mut().map(Order::next_epoch).collect();
                    let mut rows = Vec::with_capacity(epochs.len());
                    for from in (0..count).step_by(size).take(updates) {
                        rows.clear();
                        rows.extend(epochs.iter().map(|epoch| &epoch[from..count.min(from + size)]));
                        self.step_on(Pick::Own(&rows))?;
                    }
                }
            }
            self.end_diverged();
            if has_rules && self.is_running() && self.steps.is_multiple_of(updates_per_epoch) {
                self.look_at_rules()?;
            }
        }
        self.end_where(StopReason::StepLimit, |_| true);
        Ok(())
    }

    fn step_on(&mut self, pick: Pick<'_>) -> Result<(), Cancelled> {
        let cancelled = self.common.cancelled;
        if self.update_at_once(pick, 1) {
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
        let losses = elements(std::slice::from_ref(&losses));
        let running = self.ends.iter().zip(&mut self.tracks).enumerate();
        for (lane, (_, track)) in running.filter(|(_, (end, _))| end.is_none()) {
            let theta = if self.meter.wants_parameters() { self.pod.get(lane) } else { Vec::new() };
            self.meter.record(track, self.steps, losses[lane].to_f64(), &theta);
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
            self.end_where(StopReason::Diverged, |lane| !losses[lane].is_finite());
        }
        if let Some(limit) = stop.grad_norm {
            let squares = self.pod.squared_gradient_norm();
            let squares = elements(std::slice::from_ref(&squares));
            self.end_where(StopReason::Converged, |lane| squares[lane].sqrt().to_f64() <= limit);
        }
        if let Some(limit) = stop.loss {
            self.end_where(StopReason::TargetReached, |lane| losses[lane].to_f64() <= limit);
        }
        if let (Some(limit), true) = (stop.max_error, self.is_running()) {
            let below = self.errors_below(limit)?;
            self.end_where(StopReason::TargetReached, |lane| below[lane]);
        }
        Ok(())
    }

    /// For each trial whether every output over all rows is closer than `limit` to its target.
    fn errors_below(&mut self, limit: f64) -> Result<Vec<bool>, Cancelled> {
        let cancelled = self.common.cancelled;
        let width = self.pod.output_width();
        let mut below = vec![true; self.ends.len()];
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
        self.ends.iter().zip(finite).any(|(end, value)| end.is_none() && !value.is_finite())
    }

    fn end_diverged(&mut self) {
        let finite = self.pod.finite_or_nan();
        let finite = elements(std::slice::from_ref(&finite));
        if finite.iter().all(|value| value.is_finite()) {
            return;
        }
        self.end_where(StopReason::Diverged, |lane| !finite[lane].is_finite());
    }

    /// Ends the running trials of which `is_over` holds, with their parameters as they are now.
    fn end_where(&mut self, reason: StopReason, is_over: impl Fn(usize) -> bool) {
        for (lane, end) in self.ends.iter_mut().enumerate() {
            if end.is_none() && is_over(lane) {
                *end = Some((Stopped { reason, steps: self.steps }, self.pod.get(lane)));
            }
        }
    }

    fn is_running(&self) -> bool {
        self.ends.iter().any(Option::is_none)
    }
}

/// Puts one trial in each lane, and the first again in the lanes that are left over.
fn load<V: Lane, T: AsRef<[V::Elem]>>(pod: &mut AnyPod<'_, V>, thetas: &[T]) {
    for lane in 0..V::WIDTH {
        pod.set(lane, thetas[if lane < thetas.len() { lane } else { 0 }].as_ref());
    }
}

/// Mean loss with `l2` and share of rows classified right, for each of `thetas`.
fn score<V: Lane>(
    common: &Common<'_, V::Elem>,
    rows: network::Batch<'_, V::Elem>,
    l2: f64,
    thetas: &[&[V::Elem]],
) -> Result<Vec<Score>, Cancelled> {
    let loss = common.train.loss;
    let mut pod = AnyPod::<V>::new(common.network, loss, l2, rows, common.lanes);
    load(&mut pod, thetas);
    let width = pod.output_width();
    let mut right = vec![0_usize; thetas.len()];
    let losses = pod.pass(Pick::All, LOSS, |outputs, targets| {
        if common.labels != Labels::Regression {
            for (outputs, targets) in outputs.chunks_exact(width).zip(targets.chunks_exact(width)) {
                count_right::<V>(common.labels, loss, outputs, targets, &mut right);
            }
        }
        look(common.cancelled)
    })?;
    let count = rows.targets.len() / width;
    let scores = elements(std::slice::from_ref(&losses)).iter().zip(right).map(|(loss, right)| {
        let accuracy = (common.labels != Labels::Regression).then(|| right as f64 / count as f64);
        Score { loss: loss.to_f64(), accuracy }
    });
    Ok(scores.collect())
}

/// Counts for each trial whether it names the class of one row. `outputs` and `targets` (outputs).
fn count_right<V: Lane>(labels: Labels, loss: Loss, outputs: &[V], targets: &[V], right: &mut [usize]) {
    let (outputs, targets) = (elements(outputs), elements(targets));
    let targets: Vec<V::Elem> = targets.iter().step_by(V::WIDTH).copied().collect();
    let mut row = Vec::with_capacity(targets.len());
    for (lane, right) in right.iter_mut().enumerate() {
        row.clear();
        row.extend(outputs[lane..].iter().step_by(V::WIDTH));
        *right += usize::from(is_right(labels, loss, &row, &targets));
    }
}

#[cfg(test)]
mod tests;
