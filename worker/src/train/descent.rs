//! From a start to a stop: updates, stop rules, divergence. Arithmetic of one precision; no draws but the order's.

use std::sync::atomic::{AtomicBool, Ordering};

use seedsweep_common::outcome::StopReason;
use seedsweep_common::plan;
use seedsweep_common::spec::{Batch, Loss, Train};

use crate::nn::lane::Job;
use crate::nn::network::{self, Network, Pass, SquaredNorm, Workspace};
use crate::nn::optimizer::{Optimizer, WeightDecay};
use crate::nn::order::Order;
use crate::nn::scalar::Scalar;
use crate::nn::schedule::Rates;

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

/// A network on its way down.
pub(super) struct Descent<'a, S> {
    network: &'a Network,
    train: &'a Train,
    /// All training rows.
    rows: network::Batch<'a, S>,
    cancelled: &'a AtomicBool,
    optimizer: Optimizer<S>,
    decay: WeightDecay,
    rates: Rates,
    /// Updates that the budget allows.
    limit: u64,
    workspace: Workspace<S>,
    gradient: Vec<S>,
    steps: u64,
    /// The parameters, in drawing order.
    pub(super) theta: Vec<S>,
}

impl<'a, S: Scalar> Descent<'a, S> {
    pub(super) fn new(
        network: &'a Network,
        train: &'a Train,
        rows: network::Batch<'a, S>,
        theta: Vec<S>,
        cancelled: &'a AtomicBool,
    ) -> Self {
        let count = rows.features.len() / network.input_width();
        let limit = plan::updates(train, count as u64).unwrap_or(u64::MAX);
        Self {
            network,
            train,
            rows,
            cancelled,
            optimizer: Optimizer::new(&train.optimizer, theta.len()),
            decay: WeightDecay::new(&train.optimizer, train.weight_decay),
            rates: Rates::new(train.lr, train.schedule, limit),
            limit,
            workspace: network.workspace(),
            gradient: vec![S::ZERO; theta.len()],
            steps: 0,
            theta,
        }
    }

    /// Trains to the end. The order is asked only where batches are smaller than the data.
    pub(super) fn run(&mut self, order: Order) -> Result<Stopped, Cancelled> {
        let reason = match self.train.batch {
            _ if !self.is_finite() => StopReason::Diverged,
            Batch::Full => self.full_batches()?,
            Batch::Size(size) => self.small_batches(size as usize, order)?,
        };
        Ok(Stopped { reason, steps: self.steps })
    }

    /// Full-batch updates. The rules are looked at before the first update and after each.
    fn full_batches(&mut self) -> Result<StopReason, Cancelled> {
        loop {
            let with_loss = self.train.stop.loss.is_some();
            let loss = self.pass(self.rows, with_loss)?;
            if let Some(reason) = self.judge(loss)? {
                return Ok(reason);
            }
            if self.steps == self.limit {
                return Ok(StopReason::StepLimit);
            }
            self.update();
            if !self.is_finite() {
                return Ok(StopReason::Diverged);
            }
        }
    }

    /// Updates on small batches. The rules are looked at after each whole epoch, on all rows.
    fn small_batches(&mut self, size: usize, mut order: Order) -> Result<StopReason, Cancelled> {
        let stop = self.train.stop;
        let has_rules = stop.grad_norm.is_some() || stop.loss.is_some() || stop.max_error.is_some();
        let count = self.rows.features.len() / self.network.input_width();
        let updates_per_epoch = count.div_ceil(size) as u64;
        let mut batch = GatheredRows { features: Vec::new(), targets: Vec::new() };
        while self.steps < self.limit {
            for numbers in order.next_epoch().chunks(size) {
                if self.steps == self.limit {
                    break;
                }
                batch.gather(&self.rows, numbers, self.network);
                self.pass(batch.as_batch(), false)?;
                self.update();
            }
            if !self.is_finite() {
                return Ok(StopReason::Diverged);
            }
            if has_rules && self.steps.is_multiple_of(updates_per_epoch) {
                let loss = self.pass(self.rows, stop.loss.is_some())?;
                if let Some(reason) = self.judge(loss)? {
                    return Ok(reason);
                }
            }
        }
        Ok(StopReason::StepLimit)
    }

    /// The gradient over `rows`, and the loss if asked for (else 0).
    fn pass(&mut self, rows: network::Batch<'_, S>, with_loss: bool) -> Result<S, Cancelled> {
        let Train { loss, l2, .. } = *self.train;
        let mut pass = Pass::new(self.network, &self.theta, &rows, loss, &mut self.workspace);
        self.gradient.fill(S::ZERO);
        while pass.add_piece(with_loss, Some(&mut self.gradient)) {
            look(self.cancelled)?;
        }
        pass.finish_gradient(l2, &mut self.gradient);
        look(self.cancelled)?;
        Ok(if with_loss { pass.finish_loss(l2) } else { S::ZERO })
    }

    fn update(&mut self) {
        let lanes = self.workspace.lanes();
        let lr = self.rates.next_rate();
        self.decay.apply(&mut self.theta, &mut self.gradient, lr, lanes);
        self.optimizer.step(&mut self.theta, &self.gradient, lr, lanes);
        self.steps += 1;
    }

    /// Which rule ends training here, given the gradient over all rows and the loss where a rule asks for it.
    /// Everything is compared in the training precision.
    fn judge(&mut self, loss: S) -> Result<Option<StopReason>, Cancelled> {
        let stop = self.train.stop;
        if stop.loss.is_some() && !loss.is_finite() {
            return Ok(Some(StopReason::Diverged));
        }
        if let Some(limit) = stop.grad_norm {
            let square = self.workspace.lanes().run(SquaredNorm { values: &self.gradient });
            if square.sqrt().to_f64() <= limit {
                return Ok(Some(StopReason::Converged));
            }
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
        let mut pass = Pass::new(self.network, &self.theta, &self.rows, Loss::Mse, &mut self.workspace);
        loop {
            let more = pass.add_piece(false, None);
            let (outputs, targets) = pass.last_piece();
            // written so that NaN is not below
            if !outputs.iter().zip(targets).all(|(&f, &y)| f.sub(y).to_f64().abs() < limit) {
                return Ok(false);
            }
            look(self.cancelled)?;
            if !more {
                return Ok(true);
            }
        }
    }

    fn is_finite(&self) -> bool {
        self.workspace.lanes().run(AllFinite { values: &self.theta })
    }
}

/// Fails if cancellation was asked for.
pub(super) fn look(cancelled: &AtomicBool) -> Result<(), Cancelled> {
    if cancelled.load(Ordering::Relaxed) { Err(Cancelled) } else { Ok(()) }
}

/// The rows of one batch side by side.
struct GatheredRows<S> {
    features: Vec<S>,
    targets: Vec<S>,
}

impl<S: Scalar> GatheredRows<S> {
    fn gather(&mut self, rows: &network::Batch<'_, S>, numbers: &[usize], network: &Network) {
        let (inputs, outputs) = (network.input_width(), network.output_width());
        self.features.clear();
        self.targets.clear();
        for &row in numbers {
            self.features.extend_from_slice(&rows.features[row * inputs..(row + 1) * inputs]);
            self.targets.extend_from_slice(&rows.targets[row * outputs..(row + 1) * outputs]);
        }
    }

    fn as_batch(&self) -> network::Batch<'_, S> {
        network::Batch { features: &self.features, targets: &self.targets }
    }
}

/// Whether all values are finite.
struct AllFinite<'a, S> {
    values: &'a [S],
}

impl<S: Scalar> Job for AllFinite<'_, S> {
    type Output = bool;

    #[inline(always)]
    fn run(self) -> bool {
        let mut finite = true;
        for value in self.values {
            finite &= value.is_finite();
        }
        finite
    }
}
