//! One trial alone, in unit lanes, from its start to its stop and scores. Arithmetic of one precision; no draws but the
//! order's.

use std::sync::atomic::{AtomicBool, Ordering};

use seedsweep_common::outcome::StopReason;
use seedsweep_common::plan;
use seedsweep_common::spec::{Batch, Loss, Stop};

use super::pod::Common;
use super::{Score, Trained, is_right};
use crate::measure::{Meter, Track};
use crate::nn::data::Labels;
use crate::nn::lane::Lane;
use crate::nn::network::{self, Network};
use crate::nn::optimizer::{Optimizer, WeightDecay};
use crate::nn::order::Order;
use crate::nn::scalar::{Number as _, Scalar as _};
use crate::nn::schedule::Rates;
use crate::nn::stream::Stream;
use crate::nn::unit::{Aim, Unit};

/// It was told to stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Cancelled;

/// Where a descent ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Stopped {
    pub(super) reason: StopReason,
    /// Updates made.
    pub(super) steps: u64,
}

/// Where small batches come from.
pub(super) enum Feed {
    /// From the training rows.
    Rows(Order),
    /// Fresh for every update.
    Fresh(Stream),
}

/// Trains from `start`, in drawing order, and scores the end. `feed` is asked only where batches are smaller than
/// the data.
pub(super) fn train<V: Lane>(
    common: &Common<'_, V::Elem>,
    start: &[V::Elem],
    feed: Feed,
) -> Result<Trained, Cancelled> {
    let mut descent = Descent::<V>::new(common, start);
    let mut stopped = descent.run(feed)?;
    let train = descent.score(common.rows, common.train.l2)?;
    let test = match common.test.features.len() {
        0 => None,
        _ => Some(descent.score(common.test, 0.0)?),
    };
    if !train.loss.is_finite() {
        stopped.reason = StopReason::Diverged;
    }
    let theta = descent.unit.get();
    let Descent { mut meter, mut track, .. } = descent;
    meter.record_ends(std::slice::from_mut(&mut track), &[(stopped.steps, train.loss, &theta[..])]);
    let theta = theta.into_iter().map(V::Elem::to_f64).collect();
    Ok(Trained { stopped, theta, train, test, track })
}

/// Euclidean norm of the gradient over all of `rows`.
pub(super) fn gradient_norm<V: Lane>(
    network: &Network,
    loss: Loss,
    l2: f64,
    theta: &[V::Elem],
    rows: network::Batch<'_, V::Elem>,
    cancelled: &AtomicBool,
) -> Result<V::Elem, Cancelled> {
    let mut unit = Unit::<V>::new(network, loss);
    unit.set(theta);
    unit.pass(rows, None, l2, Aim::Gradient { loss: false }, |_| look(cancelled))?;
    Ok(unit.squared_gradient_norm().sqrt())
}

/// A network on its way down.
struct Descent<'a, V: Lane> {
    common: &'a Common<'a, V::Elem>,
    unit: Unit<V>,
    optimizer: Optimizer<V>,
    decay: WeightDecay,
    rates: Rates,
    /// Updates that the budget allows.
    limit: u64,
    steps: u64,
    meter: Meter,
    /// What was measured so far.
    track: Track,
}

impl<'a, V: Lane> Descent<'a, V> {
    fn new(common: &'a Common<'a, V::Elem>, start: &[V::Elem]) -> Self {
        let train = common.train;
        let limit = plan::updates(train, common.epoch_rows as u64).unwrap_or(u64::MAX);
        let mut unit = Unit::new(common.network, train.loss);
        unit.limit_piece(common.piece);
        unit.set(start);
        Self {
            optimizer: Optimizer::new(&train.optimizer, unit.parameters()),
            decay: WeightDecay::new(&train.optimizer, train.weight_decay),
            rates: Rates::new(train.lr, train.schedule, limit),
            limit,
            steps: 0,
            meter: Meter::new(common.experiment, common.network, limit, common.lanes),
            track: Track::default(),
            common,
            unit,
        }
    }

    /// Trains to the end.
    fn run(&mut self, feed: Feed) -> Result<Stopped, Cancelled> {
        self.measure()?;
        let reason = match self.common.train.batch {
            _ if !self.unit.is_finite() => StopReason::Diverged,
            Batch::Full => self.full_batches()?,
            Batch::Size(size) => self.small_batches(size as usize, feed)?,
        };
        Ok(Stopped { reason, steps: self.steps })
    }

    /// Full-batch updates. The rules are looked at before the first update and after each.
    fn full_batches(&mut self) -> Result<StopReason, Cancelled> {
        let has_rules = has_rules(&self.common.train.stop);
        loop {
            if has_rules && let Some(reason) = self.judge()? {
                return Ok(reason);
            }
            if self.steps == self.limit {
                return Ok(StopReason::StepLimit);
            }
            if has_rules {
                // from the gradient that the look at the rules has left
                self.steps += 1;
                let step = self.optimizer.begin(self.decay, self.rates.next_rate());
                self.unit.update(step);
            } else {
                self.step(self.common.rows, None)?;
            }
            self.measure()?;
            if !self.unit.is_finite() {
                return Ok(StopReason::Diverged);
            }
        }
    }

    /// Measures where it is, if that is due.
    fn measure(&mut self) -> Result<(), Cancelled> {
        if !self.meter.is_due(self.steps) {
            return Ok(());
        }
        let Common { rows, train, cancelled, .. } = *self.common;
        let loss = match self.meter.wants_loss() {
            true => self.unit.pass(rows, None, train.l2, Aim::Loss, |_| look(cancelled))?,
            false => V::Elem::ZERO,
        };
        let theta = if self.meter.wants_parameters() { self.unit.get() } else { Vec::new() };
        self.meter.look(&[loss], &theta);
        self.meter.record(&mut self.track, self.steps, 0);
        self.meter.pass();
        Ok(())
    }

    /// Updates on small batches. The rules are looked at after each whole epoch, on all rows.
    fn small_batches(&mut self, size: usize, mut feed: Feed) -> Result<StopReason, Cancelled> {
        let has_rules = has_rules(&self.common.train.stop);
        let updates_per_epoch = self.common.epoch_rows.div_ceil(size) as u64;
        let (mut features, mut targets) = (Vec::new(), Vec::new());
        while self.steps < self.limit {
            let updates = updates_per_epoch.min(self.limit - self.steps);
            match &mut feed {
                Feed::Rows(order) => {
                    for numbers in order.next_epoch().chunks(size).take(updates as usize) {
                        self.step(self.common.rows, Some(numbers))?;
                        self.measure()?;
                    }
                }
                Feed::Fresh(stream) => {
                    for _ in 0..updates {
                        stream.draw(size, &mut features, &mut targets);
                        let rows = network::Batch { features: &features[..], targets: &targets[..] };
                        self.step(rows, None)?;
                        self.measure()?;
                    }
                }
            }
            if !self.unit.is_finite() {
                return Ok(StopReason::Diverged);
            }
            if has_rules
                && self.steps.is_multiple_of(updates_per_epoch)
                && let Some(reason) = self.judge()?
            {
                return Ok(reason);
            }
        }
        Ok(StopReason::StepLimit)
    }

    /// One update by the gradient over the rows `numbers` of `rows`, or over all of them.
    fn step(
        &mut self,
        rows: network::Batch<'_, V::Elem>,
        numbers: Option<&[usize]>,
    ) -> Result<(), Cancelled> {
        let Common { train, cancelled, .. } = *self.common;
        let aim = Aim::Update(self.optimizer.begin(self.decay, self.rates.next_rate()));
        self.unit.pass(rows, numbers, train.l2, aim, |_| look(cancelled))?;
        self.steps += 1;
        Ok(())
    }

    /// Takes the gradient over all rows; the stop rule that holds here, if any. Everything is compared in the training
    /// precision.
    fn judge(&mut self) -> Result<Option<StopReason>, Cancelled> {
        let Common { rows, train, cancelled, .. } = *self.common;
        let stop = train.stop;
        let aim = Aim::Gradient { loss: stop.loss.is_some() };
        let loss = self.unit.pass(rows, None, train.l2, aim, |_| look(cancelled))?;
        if stop.loss.is_some() && !loss.is_finite() {
            return Ok(Some(StopReason::Diverged));
        }
        if let Some(limit) = stop.grad_norm
            && self.unit.squared_gradient_norm().sqrt().to_f64() <= limit
        {
            return Ok(Some(StopReason::Converged));
        }
        let loss_reached = stop.loss.is_some_and(|limit| loss.to_f64() <= limit);
        let errors_reached = match stop.max_error {
            Some(limit) => self.errors_below(limit)?,
            None => false,
        };
        Ok((loss_reached || errors_reached).then_some(StopReason::TargetReached))
    }

    /// Whether every output over all rows is closer than `limit` to its target.
    fn errors_below(&mut self, limit: f64) -> Result<bool, Cancelled> {
        let Common { rows, cancelled, .. } = *self.common;
        // `None` ends the pass at the first that is not
        let below = self.unit.pass(rows, None, 0.0, Aim::Outputs, |seen| {
            // written so that NaN is not below
            let is_below = |(f, y): (&V::Elem, &V::Elem)| f.sub(*y).to_f64().abs() < limit;
            match seen.rows().all(|(outputs, targets)| outputs.iter().zip(targets).all(is_below)) {
                true => look(cancelled).map_err(Some),
                false => Err(None),
            }
        });
        match below {
            Ok(_) => Ok(true),
            Err(None) => Ok(false),
            Err(Some(cancelled)) => Err(cancelled),
        }
    }

    /// Mean loss with `l2` and share of rows classified right.
    fn score(&mut self, rows: network::Batch<'_, V::Elem>, l2: f64) -> Result<Score, Cancelled> {
        let Common { labels, train, cancelled, .. } = *self.common;
        let mut right = 0_usize;
        let loss = self.unit.pass(rows, None, l2, Aim::Loss, |seen| {
            right += seen.rows().filter(|(f, y)| is_right(labels, train.loss, f, y)).count();
            look(cancelled)
        })?;
        let count = rows.targets.len() / self.common.network.output_width();
        let accuracy = (labels != Labels::Regression).then(|| right as f64 / count as f64);
        Ok(Score { loss: loss.to_f64(), accuracy })
    }
}

/// Whether anything but the budget and divergence can end a training.
pub(super) fn has_rules(stop: &Stop) -> bool {
    stop.grad_norm.is_some() || stop.loss.is_some() || stop.max_error.is_some()
}

/// Fails if cancellation was asked for.
pub(super) fn look(cancelled: &AtomicBool) -> Result<(), Cancelled> {
    if cancelled.load(Ordering::Relaxed) { Err(Cancelled) } else { Ok(()) }
}
