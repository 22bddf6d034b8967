//! The parts of a training one by one, for measurements: the code that trains, on one batch of the first trials. What
//! is timed here is what `Prepared::descend_all` does, in other company: nothing of it is an outcome.

use std::sync::atomic::AtomicBool;

use seedsweep_common::plan;
use seedsweep_common::spec::{Activation, Batch, Loss};

use super::descent::look;
use super::pod::{self, Common, GRADIENT, OUTPUTS};
use super::{Axis, Prepared, Rounded, Sides, digest};
use crate::nn::any_pod::AnyPod;
use crate::nn::lane::{Job, Lane, Level, Precise};
use crate::nn::layer;
use crate::nn::loss;
use crate::nn::optimizer::{Optimizer, WeightDecay};
use crate::nn::pod::{Pick, Rule};
use crate::nn::scalar::Scalar;
use crate::nn::schedule::Rates;
use crate::nn::unit::{Aim, Unit};

/// Updates made in one call by a network with a kernel of its own.
const AT_ONCE: u64 = 64;

/// A part of a training.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// The draws of a start, and its way into the lanes: once for each training.
    Start,
    /// Loss and accuracy over all rows, and the digest: once for each training.
    End,
    /// An update by a kernel of the network's own, which has no parts. What follows are the parts elsewhere.
    AtOnce,
    /// The rows of an update brought together.
    Gather,
    /// That, and the outputs.
    Outputs,
    /// That, and the gradient.
    Gradient,
    /// The activations alone, where they are not part of a product.
    Activations,
    /// The loss's derivatives by the outputs alone.
    Loss,
    /// What the optimiser makes of a gradient.
    Update,
}

impl Prepared {
    /// Does `phase` `times` times, and tells of how many trainings, or of how many updates of a training, that was the
    /// work. `None` where there is no such part.
    pub fn repeat(&self, phase: Phase, times: u32) -> Option<f64> {
        match &self.rounded {
            Rounded::Single(rows) => self.repeat_in(rows, phase, times),
            Rounded::Double(rows) => self.repeat_in(rows, phase, times),
        }
    }

    fn repeat_in<S: Precise>(&self, rows: &Sides<S>, phase: Phase, times: u32) -> Option<f64> {
        match self.lanes.level() {
            Level::Baseline => self.repeat_on::<S>(rows, phase, times),
            Level::Avx2 => self.repeat_on::<S::Avx2>(rows, phase, times),
            Level::Avx512 => self.repeat_on::<S::Avx512>(rows, phase, times),
        }
    }

    fn repeat_on<V: Lane>(&self, rows: &Sides<V::Elem>, phase: Phase, times: u32) -> Option<f64> {
        let cancelled = AtomicBool::new(false);
        let common = self.common(rows, &cancelled);
        let is_pod = self.axis(self.lane_count()) == Axis::Restart;
        let lanes = if is_pod { V::WIDTH } else { 1 };
        let batch = match common.train.batch {
            Batch::Full => rows.count,
            Batch::Size(size) => size as usize,
        };
        let own = (0..lanes as u32).map(|restart| {
            let stream = plan::streams(&self.experiment, restart).order;
            self.order(rows.count, stream).next_epoch()[..batch].to_vec()
        });
        let own: Vec<Vec<usize>> = own.collect();
        let parts = Parts { prepared: self, common: &common, own: &own, lanes, batch };
        let done = if is_pod { parts.of_pod::<V>(phase, times) } else { parts.of_unit::<V>(phase, times) };
        done.then(|| {
            f64::from(times) * lanes as f64 * if phase == Phase::AtOnce { AT_ONCE as f64 } else { 1.0 }
        })
    }
}

/// Some trials, and the rows of their first update.
struct Parts<'a, S> {
    prepared: &'a Prepared,
    common: &'a Common<'a, S>,
    /// Of each lane.
    own: &'a [Vec<usize>],
    lanes: usize,
    batch: usize,
}

impl<S: Scalar + Lane<Elem = S>> Parts<'_, S> {
    /// Whether there is such a part in restart lanes, which is done so many times.
    fn of_pod<V: Lane<Elem = S>>(&self, phase: Phase, times: u32) -> bool {
        let Common { network, train, cancelled, lanes, .. } = *self.common;
        let mut pod = AnyPod::<V>::new(network, train.loss, train.l2, self.common.rows, lanes);
        let mut optimizer = Optimizer::new(&train.optimizer, pod.update_parts().0.len());
        let mut rates = Rates::new(train.lr, train.schedule, u64::MAX);
        let slices: Vec<&[usize]> = self.own.iter().map(Vec::as_slice).collect();
        let pick = match train.batch {
            Batch::Full => Pick::All,
            Batch::Size(_) if plan::order_matters(self.common.experiment) => Pick::Own(&slices),
            Batch::Size(_) => Pick::Same(slices[0]),
        };
        self.starts(|lane, start| pod.set(lane, &start));
        for _ in 0..times {
            match phase {
                Phase::Start => self.starts(|lane, start| pod.set(lane, &start)),
                Phase::End => self.end_of_pod::<V>(&pod),
                Phase::AtOnce => {
                    let decay = WeightDecay::None;
                    let rule = Rule { optimizer: &mut optimizer, decay, rates: &mut rates };
                    if !pod.update(pick, AT_ONCE, rule) {
                        return false;
                    }
                }
                Phase::Gather => match (&mut pod, pick) {
                    (AnyPod::Layers(_) | AnyPod::Sum(_), Pick::All) | (AnyPod::Sum(_), _) => return false,
                    (AnyPod::Layers(pod), pick) => pod.bring_together(pick),
                },
                Phase::Outputs => done(pod.pass(pick, OUTPUTS, |_, _| look(cancelled))),
                Phase::Gradient => done(pod.pass(pick, GRADIENT, |_, _| look(cancelled))),
                Phase::Update => {
                    let (theta, gradient, lanes) = pod.update_parts();
                    optimizer.step(theta, gradient, train.lr, lanes);
                }
                Phase::Activations | Phase::Loss => return self.alone::<V>(phase, times, self.batch),
            }
        }
        true
    }

    /// The same of one network in unit lanes.
    fn of_unit<V: Lane<Elem = S>>(&self, phase: Phase, times: u32) -> bool {
        let Common { network, train, cancelled, rows, .. } = *self.common;
        if network.sum().is_some() {
            return false;
        }
        let mut unit = Unit::<V>::new(network, train.loss);
        let mut optimizer = Optimizer::new(&train.optimizer, unit.parameters());
        let pick = (train.batch != Batch::Full).then(|| self.own[0].as_slice());
        self.starts(|_, start| unit.set(&start));
        let pass = |unit: &mut Unit<V>, rows, pick, aim| {
            done(unit.pass(rows, pick, train.l2, aim, |_| look(cancelled)));
        };
        if phase == Phase::Update {
            pass(&mut unit, rows, pick, Aim::Gradient { loss: false });
        }
        for _ in 0..times {
            match phase {
                Phase::Start => self.starts(|_, start| unit.set(&start)),
                Phase::End => {
                    pass(&mut unit, rows, None, Aim::Loss);
                    if !self.common.test.targets.is_empty() {
                        pass(&mut unit, self.common.test, None, Aim::Loss);
                    }
                    self.digest(&unit.get());
                }
                Phase::AtOnce => return false,
                Phase::Gather => match pick {
                    None => return false,
                    Some(pick) => unit.bring_together(rows, pick),
                },
                Phase::Outputs => pass(&mut unit, rows, pick, Aim::Outputs),
                Phase::Gradient => pass(&mut unit, rows, pick, Aim::Gradient { loss: false }),
                Phase::Update => unit.update(optimizer.begin(WeightDecay::None, train.lr)),
                Phase::Activations | Phase::Loss => {
                    return self.alone::<V>(phase, times, self.batch.div_ceil(V::WIDTH));
                }
            }
        }
        true
    }

    /// The start of each lane.
    fn starts(&self, mut set: impl FnMut(usize, Vec<S>)) {
        for lane in 0..self.lanes {
            set(lane, self.prepared.start_of(lane as u32));
        }
    }

    fn end_of_pod<V: Lane<Elem = S>>(&self, pod: &AnyPod<'_, V>) {
        let Common { rows, test, train, .. } = *self.common;
        let thetas: Vec<Vec<S>> = (0..self.lanes).map(|lane| pod.get(lane)).collect();
        let thetas: Vec<&[S]> = thetas.iter().map(Vec::as_slice).collect();
        done(pod::score::<V>(self.common, rows, train.l2, &thetas));
        if !test.targets.is_empty() {
            done(pod::score::<V>(self.common, test, 0.0, &thetas));
        }
        thetas.iter().for_each(|theta| self.digest(theta));
    }

    fn digest(&self, theta: &[S]) {
        let theta: Vec<f64> = theta.iter().map(|value| value.to_f64()).collect();
        std::hint::black_box(digest(self.prepared.precision, &theta));
    }

    /// Elementwise parts of `rows` rows of lane values.
    fn alone<V: Lane<Elem = S>>(&self, phase: Phase, times: u32, rows: usize) -> bool {
        let network = self.common.network;
        let activation = network.activation();
        let is_light = matches!(activation, Activation::Relu | Activation::LeakyRelu | Activation::Identity);
        if network.sum().is_some() || (phase == Phase::Activations && is_light) {
            return false;
        }
        let layers = network.layers();
        let hidden: usize = layers[..layers.len() - 1].iter().map(|layer| layer.outputs).sum();
        let count = rows * if phase == Phase::Loss { network.output_width() } else { hidden };
        let values = |from: f64| -> Vec<V> {
            (0..count).map(|i| V::from_f64(from + i as f64 / count as f64)).collect()
        };
        let (mut outputs, targets, mut deltas) = (values(-0.5), values(0.0), values(0.0));
        let loss = self.common.train.loss;
        let width = network.output_width();
        for _ in 0..times {
            match phase {
                Phase::Loss => {
                    V::enter(Derive {
                        loss,
                        width,
                        outputs: &outputs,
                        targets: &targets,
                        deltas: &mut deltas,
                    });
                }
                _ => V::enter(Activate { activation, values: &mut outputs }),
            }
            std::hint::black_box((&mut outputs, &mut deltas));
        }
        true
    }
}

/// Looks at what was computed, so that it is.
fn done<T, E>(result: Result<T, E>) {
    std::hint::black_box(result.ok());
}

struct Activate<'a, V> {
    activation: Activation,
    values: &'a mut [V],
}

impl<V: Lane> Job for Activate<'_, V> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        layer::activate(self.activation, self.values);
    }
}

struct Derive<'a, V> {
    loss: Loss,
    width: usize,
    outputs: &'a [V],
    targets: &'a [V],
    deltas: &'a mut [V],
}

impl<V: Lane> Job for Derive<'_, V> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let Self { loss, width, outputs, targets, deltas } = self;
        loss::output_deltas(loss, outputs, targets, width, V::from_f64(0.01), deltas);
    }
}
