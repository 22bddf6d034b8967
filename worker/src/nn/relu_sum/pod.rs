//! Restart lanes of a sum of relus: trials of one experiment, each in its own lane of every number, by the same
//! expressions as one alone.

use seedsweep_common::spec::Loss;

use super::rows::Errors;
use super::{ReluSum, Workspace};
use crate::nn::lane::{Job, Lane, Lanes, elements, elements_mut};
use crate::nn::loss;
use crate::nn::network::{Batch, Decay, SquaredNorm};
use crate::nn::pod::{Pick, Wanted};
use crate::nn::scalar::Number;
use crate::nn::stream::LaneRows;

/// Most rows worked off at once.
const PIECE_ROWS: usize = 48;

/// Sums of relus side by side, with the buffers to train them.
#[derive(Debug)]
pub(crate) struct Pod<'a, V: Lane> {
    sum: ReluSum,
    loss: Loss,
    l2: f64,
    rows: Batch<'a, V::Elem>,
    /// The parameters, in drawing order.
    pub(crate) theta: Vec<V>,
    /// The gradient, laid out like the parameters.
    pub(crate) gradient: Vec<V>,
    workspace: Workspace<V>,
    /// Gathered rows, (piece, inputs) and (piece).
    features: Vec<V>,
    targets: Vec<V>,
    /// Which rows of all are gathered, where they are a piece of all.
    loaded: Option<(usize, usize)>,
    pub(crate) lanes: Lanes,
}

impl<'a, V: Lane> Pod<'a, V> {
    /// Lanes of `sum` to be trained on `rows`; all parameters are 0.
    pub(crate) fn new(sum: &ReluSum, loss: Loss, l2: f64, rows: Batch<'a, V::Elem>, lanes: Lanes) -> Self {
        Self {
            sum: *sum,
            loss,
            l2,
            rows,
            theta: vec![V::ZERO; sum.parameter_count()],
            gradient: vec![V::ZERO; sum.parameter_count()],
            workspace: Workspace::new(sum),
            features: Vec::new(),
            targets: Vec::new(),
            loaded: None,
            lanes,
        }
    }

    /// Lane values of the parameters, and bytes of all buffers, at most: those for rows and those for a population.
    pub(crate) fn bytes(sum: &ReluSum) -> (usize, usize) {
        let ReluSum { inputs, units, .. } = *sum;
        let parameters = sum.parameter_count();
        let population = 3 * units + units * inputs + 2 * inputs.max(units) + units * units;
        let rows = PIECE_ROWS * (inputs + 2) + units;
        (parameters, (3 * parameters + population + rows) * size_of::<V>())
    }

    /// Puts the parameters `theta`, in drawing order, into lane `lane`.
    pub(crate) fn set(&mut self, lane: usize, theta: &[V::Elem]) {
        scatter::<V>(theta, lane, &mut self.theta);
    }

    /// The parameters of lane `lane`, in drawing order.
    pub(crate) fn get(&self, lane: usize) -> Vec<V::Elem> {
        elements(&self.theta)[lane..].iter().step_by(V::WIDTH).copied().collect()
    }

    /// Goes over the picked rows, or takes the whole population: the gradient with l2 is left in `gradient`, the loss
    /// with l2 is returned. After each piece of rows `look` is told their outputs and targets (rows); it may end the
    /// pass early.
    pub(crate) fn pass<E>(
        &mut self,
        pick: Pick<'_>,
        wanted: Wanted,
        mut look: impl FnMut(&[V], &[V]) -> Result<(), E>,
    ) -> Result<V, E> {
        let (sum, count) = if self.loss == Loss::Population {
            let gradient = wanted.gradient.then_some(self.gradient.as_mut_slice());
            let teacher = self.rows.targets.len();
            let job = self.workspace.population(&self.sum, &self.theta, teacher, wanted.loss, gradient);
            let loss = V::enter(job);
            look(&[], &[])?;
            (loss, teacher)
        } else {
            self.go_over(pick, wanted, &mut look)?
        };
        if wanted.gradient {
            self.decay_gradient();
        }
        if !wanted.loss {
            return Ok(V::ZERO);
        }
        Ok(V::enter(Mean { pod: self, sum, count }))
    }

    /// The sum of squared errors over the picked rows, and how many these are.
    fn go_over<E>(
        &mut self,
        pick: Pick<'_>,
        wanted: Wanted,
        look: &mut impl FnMut(&[V], &[V]) -> Result<(), E>,
    ) -> Result<(V, usize), E> {
        let count = match pick {
            Pick::All => self.rows.targets.len(),
            Pick::Same(rows) => rows.len(),
            Pick::Own(rows) => rows[0].len(),
        };
        let share = V::from_f64(1.0 / count as f64);
        let mut sum = V::ZERO;
        if wanted.gradient {
            self.gradient.fill(V::ZERO);
        }
        for from in (0..count).step_by(PIECE_ROWS) {
            self.gather(pick, from, count.min(from + PIECE_ROWS));
            let gradient = wanted.gradient.then_some(self.gradient.as_mut_slice());
            let slope = V::from_f64(2.0);
            let errors = Errors { targets: &self.targets, slope, share, so_far: sum, gradient };
            sum = V::enter(self.workspace.rows(&self.sum, &self.theta, &self.features, Some(errors)));
            look(&self.workspace.outputs, &self.targets)?;
        }
        Ok((sum, count))
    }

    /// Leaves in `gradient` that of the loss over `rows`, with l2; of a population over rows that were drawn from it,
    /// half their mean squared error. After each piece `look` may end the pass early.
    pub(crate) fn pass_fresh<E>(
        &mut self,
        rows: &LaneRows<V>,
        mut look: impl FnMut() -> Result<(), E>,
    ) -> Result<(), E> {
        let slope = V::from_f64(if self.loss == Loss::Population { 1.0 } else { 2.0 });
        let share = V::from_f64(1.0 / rows.targets().len() as f64);
        self.gradient.fill(V::ZERO);
        let features = rows.features().chunks(PIECE_ROWS * self.sum.inputs);
        for (features, targets) in features.zip(rows.targets().chunks(PIECE_ROWS)) {
            let gradient = Some(self.gradient.as_mut_slice());
            let errors = Errors { targets, slope, share, so_far: V::ZERO, gradient };
            V::enter(self.workspace.rows(&self.sum, &self.theta, features, Some(errors)));
            look()?;
        }
        self.decay_gradient();
        Ok(())
    }

    /// The gradient of l2 · ‖θ‖².
    fn decay_gradient(&mut self) {
        if self.l2 != 0.0 {
            let factor = V::from_f64(2.0 * self.l2);
            V::enter(Decay { theta: &self.theta, factor, gradient: &mut self.gradient });
        }
    }

    /// Fills the buffers with rows `from..to` of those picked.
    fn gather(&mut self, pick: Pick<'_>, from: usize, to: usize) {
        let inputs = self.sum.inputs;
        let whole = matches!(pick, Pick::All).then_some((from, to));
        if whole.is_some() && whole == self.loaded {
            return;
        }
        self.loaded = whole;
        self.features.resize((to - from) * inputs, V::ZERO);
        self.targets.resize(to - from, V::ZERO);
        let Batch { features, targets } = self.rows;
        let mut put = |at: usize, row: usize, lanes: std::ops::Range<usize>| {
            for lane in lanes {
                let place = &mut self.features[at * inputs..(at + 1) * inputs];
                scatter::<V>(&features[row * inputs..(row + 1) * inputs], lane, place);
                scatter::<V>(&targets[row..=row], lane, &mut self.targets[at..=at]);
            }
        };
        for at in 0..to - from {
            match pick {
                Pick::All => put(at, from + at, 0..V::WIDTH),
                Pick::Same(rows) => put(at, rows[from + at], 0..V::WIDTH),
                Pick::Own(rows) => {
                    for (lane, rows) in rows.iter().enumerate() {
                        put(at, rows[from + at], lane..lane + 1);
                    }
                }
            }
        }
    }

    /// Σ g² of each lane, in drawing order.
    pub(crate) fn squared_gradient_norm(&self) -> V {
        V::enter(SquaredNorm { values: &self.gradient })
    }

    /// 0 where all parameters are finite, else NaN.
    pub(crate) fn finite_or_nan(&self) -> V {
        V::enter(Finite { values: &self.theta })
    }
}

/// Writes `values` to lane `lane` of lane values one after the other.
#[inline(always)]
fn scatter<V: Lane>(values: &[V::Elem], lane: usize, lanes: &mut [V]) {
    for (place, &value) in elements_mut(lanes).chunks_exact_mut(V::WIDTH).zip(values) {
        place[lane] = value;
    }
}

/// The loss from the sum over `count` rows, with fma(l2, ‖θ‖², loss) where l2 is not 0.
struct Mean<'a, 'p, V: Lane> {
    pod: &'p Pod<'a, V>,
    sum: V,
    count: usize,
}

impl<V: Lane> Job for Mean<'_, '_, V> {
    type Output = V;

    #[inline(always)]
    fn run(self) -> V {
        let Pod { theta, loss, l2, .. } = self.pod;
        let mean = loss::mean(*loss, self.sum, self.count, 1);
        if *l2 == 0.0 {
            return mean;
        }
        V::from_f64(*l2).fma(SquaredNorm { values: theta }.run(), mean)
    }
}

/// x − x is 0 for finite x, else NaN, and NaN survives every sum. In four chains: only whether it is NaN is looked at.
struct Finite<'a, V> {
    values: &'a [V],
}

impl<V: Number> Job for Finite<'_, V> {
    type Output = V;

    #[inline(always)]
    fn run(self) -> V {
        let mut sums = [V::ZERO; 4];
        for values in self.values.chunks(sums.len()) {
            for (sum, &x) in sums.iter_mut().zip(values) {
                *sum = sum.add(x.sub(x));
            }
        }
        sums[0].add(sums[1]).add(sums[2].add(sums[3]))
    }
}
