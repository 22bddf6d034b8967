//! What can be measured of a trial besides its end: quantities and their names, at which steps, and how much of it an
//! outcome may carry (`docs/measures.md`). How a quantity is computed is the worker's business.

use crate::limits;
use crate::spec::{self, Network};

mod summary;

pub use summary::{OverRestarts, Point, When};

/// A number that `[measure]` can ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Quantity {
    /// Loss on all training rows, as `loss_train`.
    Curve,
    /// Units of a hidden layer that differ in any bit.
    UnitsByBits,
    /// Units of a hidden layer that differ by more than a millionth.
    Units,
    /// Largest distance between two units of a hidden layer.
    UnitDifference,
    /// Effective rank of a hidden layer's units.
    EffectiveRank,
    /// Smallest angle between the values of two rows at a layer.
    AngleMin,
    /// Median of these angles.
    AngleMedian,
    /// Smallest distance between the values of two rows at a layer.
    DistanceMin,
    /// Median length of a row's values at a layer.
    NormMedian,
    /// Numerical rank of the rows' values at a layer.
    Rank,
    /// Smallest eigenvalue of the neural tangent kernel's Gram matrix.
    LambdaMin,
    /// The eigenvalue that the late part of the curve decays with.
    LateRate,
    /// Largest distance that training moved a unit of a hidden layer: its in-weights and its bias.
    MoveMax,
}

impl Quantity {
    /// All of them, in the order of exports.
    pub const ALL: [Self; 13] = [
        Self::Curve,
        Self::UnitsByBits,
        Self::Units,
        Self::UnitDifference,
        Self::EffectiveRank,
        Self::AngleMin,
        Self::AngleMedian,
        Self::DistanceMin,
        Self::NormMedian,
        Self::Rank,
        Self::LambdaMin,
        Self::LateRate,
        Self::MoveMax,
    ];

    /// What `symmetry` records of each hidden layer.
    pub const SYMMETRY: [Self; 4] =
        [Self::UnitsByBits, Self::Units, Self::UnitDifference, Self::EffectiveRank];

    /// What `geometry` records of the inputs and of each hidden layer.
    pub const GEOMETRY: [Self; 5] =
        [Self::AngleMin, Self::AngleMedian, Self::DistanceMin, Self::NormMedian, Self::Rank];

    /// The key of `[measure]`, and the quantity's own name where the key has several.
    fn names(self) -> (&'static str, &'static str) {
        match self {
            Self::Curve => ("curve", ""),
            Self::UnitsByBits => ("symmetry", "units_by_bits"),
            Self::Units => ("symmetry", "units"),
            Self::UnitDifference => ("symmetry", "difference_max"),
            Self::EffectiveRank => ("symmetry", "effective_rank"),
            Self::AngleMin => ("geometry", "angle_min"),
            Self::AngleMedian => ("geometry", "angle_median"),
            Self::DistanceMin => ("geometry", "distance_min"),
            Self::NormMedian => ("geometry", "norm_median"),
            Self::Rank => ("geometry", "rank"),
            Self::LambdaMin => ("ntk", "lambda_min"),
            Self::LateRate => ("ntk", "late_rate"),
            Self::MoveMax => ("movement", "max"),
        }
    }

    /// Whether there is one for each layer.
    fn is_of_layers(self) -> bool {
        self == Self::MoveMax || Self::SYMMETRY.contains(&self) || Self::GEOMETRY.contains(&self)
    }
}

/// One quantity of one layer at the steps of its [`Measured`].
#[derive(Debug, Clone, PartialEq)]
pub struct Series {
    /// What was measured.
    pub quantity: Quantity,
    /// Of which layer: 0 for the inputs, 1 for the first hidden layer; 0 for quantities of the whole network.
    pub layer: u32,
    /// One value for each step; NaN where it is not defined.
    pub values: Vec<f64>,
}

impl Series {
    /// The name in exports: `curve`, `symmetry.1.units`, `ntk.lambda_min`.
    pub fn name(&self) -> String {
        match self.quantity.names() {
            (key, "") => key.to_owned(),
            (key, own) if self.quantity.is_of_layers() => format!("{key}.{}.{own}", self.layer),
            (key, own) => format!("{key}.{own}"),
        }
    }
}

/// Series that were measured at the same steps.
#[derive(Debug, Clone, PartialEq)]
pub struct Measured {
    /// Updates that had been made, ascending; at least one.
    pub steps: Vec<u64>,
    /// What was measured then.
    pub series: Vec<Series>,
}

/// What is wrong with measures from elsewhere.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WrongMeasures {
    /// More than an outcome may carry.
    #[error("take {bytes} bytes: at most {} are allowed", limits::MEASURE_BYTES)]
    Size {
        /// What they take.
        bytes: usize,
    },
    /// Steps that are none, too many, too large or not ascending.
    #[error(
        "have steps that do not ascend from 1 to {} values of at most {}",
        limits::MEASURED_STEPS,
        limits::STEPS_PER_TRIAL
    )]
    Steps,
    /// A series without a value for each step.
    #[error("have {values} values of `{name}` for {steps} steps")]
    Values {
        /// The series.
        name: String,
        /// Its values.
        values: usize,
        /// The steps.
        steps: usize,
    },
    /// A layer that no network has.
    #[error("speak of layer {0}: a network has at most {most}", most = limits::LAYERS)]
    Layer(u32),
    /// The same quantity of the same layer twice.
    #[error("hold `{0}` twice")]
    Twice(String),
}

/// Checks measures that come over the wire or from the disk.
pub fn check(measures: &[Measured]) -> Result<(), WrongMeasures> {
    let tables = measures.iter().map(|table| (table.steps.len(), table.series.len()));
    let bytes = tables.map(|(steps, series)| table_bytes(steps, series)).sum();
    if bytes > limits::MEASURE_BYTES {
        return Err(WrongMeasures::Size { bytes });
    }
    let mut known: Vec<(Quantity, u32)> = Vec::new();
    for Measured { steps, series } in measures {
        let ascending = steps.is_sorted_by(|a, b| a < b);
        let last = steps.last().is_some_and(|&step| step <= limits::STEPS_PER_TRIAL);
        if !ascending || !last || steps.len() > limits::MEASURED_STEPS {
            return Err(WrongMeasures::Steps);
        }
        for one in series {
            if one.layer as usize >= limits::LAYERS {
                return Err(WrongMeasures::Layer(one.layer));
            }
            if one.values.len() != steps.len() {
                let (values, steps) = (one.values.len(), steps.len());
                return Err(WrongMeasures::Values { name: one.name(), values, steps });
            }
            if known.contains(&(one.quantity, one.layer)) {
                return Err(WrongMeasures::Twice(one.name()));
            }
            known.push((one.quantity, one.layer));
        }
    }
    Ok(())
}

/// Equal in every bit: NaN equals itself.
pub fn same_bits(a: &[Measured], b: &[Measured]) -> bool {
    let bits = |series: &Series| series.values.iter().map(|value| value.to_bits()).collect::<Vec<_>>();
    let same = |a: &Series, b: &Series| a.quantity == b.quantity && a.layer == b.layer && bits(a) == bits(b);
    a.len() == b.len()
        && a.iter().zip(b).all(|(a, b)| {
            a.steps == b.steps
                && a.series.len() == b.series.len()
                && a.series.iter().zip(&b.series).all(|(a, b)| same(a, b))
        })
}

/// What `measure` asks for, in the tables in which an outcome carries it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// Measured on the way, at [`Plan::steps`].
    pub on_the_way: Vec<(Quantity, u32)>,
    /// Measured at the start and at the end.
    pub at_the_ends: Vec<(Quantity, u32)>,
    /// Measured of the whole training.
    pub of_all: Vec<(Quantity, u32)>,
    every: Option<u64>,
}

/// Why nothing can be measured as asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TooMuch {
    /// `every` gives too many points.
    #[error(
        "`every = {every}` measures at {points} steps; at most {most} fit an outcome: `every` must be at least {least}"
    )]
    Every {
        /// As asked for.
        every: u64,
        /// The steps it gives.
        points: u64,
        /// The most that there may be.
        most: usize,
        /// The least `every`.
        least: u64,
    },
    /// Not even start and end.
    #[error(
        "start and end alone take {bytes} bytes, and an outcome carries at most {}: measure less of so many layers",
        limits::MEASURE_BYTES
    )]
    Layers {
        /// What they take.
        bytes: usize,
    },
}

impl Plan {
    /// What `measure` asks for of `network`.
    pub fn new(measure: &spec::Measure, network: &Network) -> Self {
        let hidden = match network {
            Network::Mlp(mlp) => mlp.layers.len() as u32 - 2,
            Network::ReluSum(_) => 1,
        };
        let of = |on: bool, quantities: &[Quantity], layers: std::ops::RangeInclusive<u32>| {
            let layers = layers.filter(|_| on);
            layers.flat_map(|layer| quantities.iter().map(move |&q| (q, layer))).collect::<Vec<_>>()
        };
        let mut on_the_way = of(measure.curve, &[Quantity::Curve], 0..=0);
        on_the_way.extend(of(measure.symmetry, &Quantity::SYMMETRY, 1..=hidden));
        let mut at_the_ends = of(measure.geometry, &Quantity::GEOMETRY, 0..=hidden);
        at_the_ends.extend(of(measure.ntk, &[Quantity::LambdaMin], 0..=0));
        let mut of_all = of(measure.ntk, &[Quantity::LateRate], 0..=0);
        of_all.extend(of(measure.movement, &[Quantity::MoveMax], 1..=hidden));
        Self { on_the_way, at_the_ends, of_all, every: measure.every }
    }

    /// The steps of a training of `updates` updates at which to measure on the way: `every` so many, or five a decade (ten where a
    /// rate is to be read off the curve), evenly thinned out where more would not fit an outcome; always the first and the last.
    pub fn steps(&self, updates: u64) -> Result<Vec<u64>, TooMuch> {
        let rest = self.bytes_beside_the_way();
        let most = most_steps(limits::MEASURE_BYTES.saturating_sub(rest), self.on_the_way.len());
        if most < 2 {
            let bytes = rest + table_bytes(2, self.on_the_way.len());
            return Err(TooMuch::Layers { bytes });
        }
        let Some(every) = self.every else {
            let wants_rate = self.of_all.contains(&(Quantity::LateRate, 0));
            return Ok(thinned(log_spaced(updates, wants_rate), most));
        };
        let points = updates.div_ceil(every).saturating_add(1);
        if points > most as u64 {
            let least = updates.div_ceil(most as u64 - 1);
            return Err(TooMuch::Every { every, points, most, least });
        }
        let mut steps: Vec<u64> = (0..points - 1).map(|point| point * every).collect();
        steps.push(updates);
        Ok(steps)
    }

    fn bytes_beside_the_way(&self) -> usize {
        let bytes = |steps: usize, series: &[(Quantity, u32)]| match series.len() {
            0 => 0,
            series => table_bytes(steps, series),
        };
        bytes(2, &self.at_the_ends) + bytes(1, &self.of_all)
    }
}

/// Largest encoding of a table of `steps` steps and `series` series (`seedsweep.v1.Measured`): tags and lengths, a step
/// in five bytes, a value in eight.
fn table_bytes(steps: usize, series: usize) -> usize {
    8 + 5 * steps + series * (12 + 8 * steps)
}

/// Most steps of a table of `series` series in `bytes`.
fn most_steps(bytes: usize, series: usize) -> usize {
    let left = bytes.saturating_sub(table_bytes(0, series));
    (left / (5 + 8 * series)).min(limits::MEASURED_STEPS)
}

/// 0, then 1, 2, 3, 5, 8, 13, 20, 32, 50, 79, 130, … up to `updates`: about 10^(k/5), or 10^(k/10) if `fine`.
fn log_spaced(updates: u64, fine: bool) -> Vec<u64> {
    let (first, decade): (&[u64], &[u64]) = match fine {
        true => (&[1, 2, 3, 4, 5, 6, 8], &[10, 13, 16, 20, 25, 32, 40, 50, 63, 79]),
        false => (&[1, 2, 3, 5, 8], &[13, 20, 32, 50, 79]),
    };
    let mut steps = vec![0];
    steps.extend(first.iter().filter(|&&step| step < updates));
    let mut scale: u64 = 1;
    while scale.saturating_mul(10) < updates {
        steps.extend(decade.iter().map(|&step| step.saturating_mul(scale)).filter(|&step| step < updates));
        scale = scale.saturating_mul(10);
    }
    if updates > 0 {
        steps.push(updates);
    }
    steps
}

/// The first of `steps`, then each k-th, and the last, with the smallest k that leaves at most `most` ≥ 2.
fn thinned(steps: Vec<u64>, most: usize) -> Vec<u64> {
    let Some((&last, before)) = steps.split_last() else { return steps };
    let stride = before.len().div_ceil(most - 1).max(1);
    let mut kept: Vec<u64> = before.iter().copied().step_by(stride).collect();
    kept.push(last);
    kept
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::{Activation, Measure};

    fn network(hidden: usize) -> Network {
        let layers = vec![8; hidden + 2];
        spec::Mlp { layers, activation: Activation::Tanh, output_activation: Activation::Identity }.into()
    }

    fn everything() -> Measure {
        Measure { curve: true, symmetry: true, geometry: true, ntk: true, movement: true, every: None }
    }

    #[test]
    fn steps_are_five_a_decade_and_hold_both_ends() {
        let plan = Plan::new(&Measure { curve: true, ..Measure::default() }, &network(1));
        assert_eq!(plan.steps(0).unwrap(), [0]);
        assert_eq!(plan.steps(1).unwrap(), [0, 1]);
        assert_eq!(plan.steps(8).unwrap(), [0, 1, 2, 3, 5, 8]);
        let steps = plan.steps(2400).unwrap();
        assert_eq!(steps[5..11], [8, 13, 20, 32, 50, 79]);
        assert_eq!(steps[steps.len() - 3..], [1300, 2000, 2400]);
        assert!(plan.steps(limits::STEPS_PER_TRIAL).unwrap().len() <= 47);
        let fine = Plan::new(&Measure { curve: true, ntk: true, ..Measure::default() }, &network(1));
        assert_eq!(fine.steps(20).unwrap(), [0, 1, 2, 3, 4, 5, 6, 8, 10, 13, 16, 20]);
        let regular = Plan { every: Some(100), ..plan };
        assert_eq!(regular.steps(250).unwrap(), [0, 100, 200, 250]);
        assert_eq!(regular.steps(200).unwrap(), [0, 100, 200]);
        assert_eq!(regular.steps(0).unwrap(), [0]);
    }

    /// As measured, with the largest steps.
    fn largest(plan: &Plan, updates: u64) -> Vec<Measured> {
        [
            (plan.steps(updates).unwrap(), &plan.on_the_way),
            (vec![0, updates], &plan.at_the_ends),
            (vec![updates], &plan.of_all),
        ]
        .into_iter()
        .filter(|(_, series)| !series.is_empty())
        .map(|(steps, series)| {
            let values = vec![0.5; steps.len()];
            let one =
                |&(quantity, layer): &(Quantity, u32)| Series { quantity, layer, values: values.clone() };
            Measured { series: series.iter().map(one).collect(), steps }
        })
        .collect()
    }

    #[test]
    fn an_interval_that_is_too_short_is_told_which_one_fits() {
        let short = Plan::new(&Measure { every: Some(1), ..everything() }, &network(2));
        let Err(TooMuch::Every { points: 100_001, most, least, .. }) = short.steps(100_000) else { panic!() };
        let fits = Plan { every: Some(least), ..short.clone() }.steps(100_000).unwrap();
        assert!(fits.len() <= most);
        assert!(Plan { every: Some(least - 1), ..short }.steps(100_000).is_err());
    }

    #[test]
    fn measures_that_break_their_contract_are_refused() {
        let plan = Plan::new(&everything(), &network(1));
        let good = largest(&plan, 1000);
        assert_eq!(check(&good), Ok(()));
        assert!(same_bits(&good, &good) && !same_bits(&good, &good[1..]));
        let broken = |edit: fn(&mut Vec<Measured>)| {
            let mut measures = good.clone();
            edit(&mut measures);
            assert!(!same_bits(&measures, &good));
            check(&measures).unwrap_err()
        };
        assert_eq!(broken(|m| m[0].steps.swap(0, 1)), WrongMeasures::Steps);
        assert_eq!(broken(|m| m[1].steps[1] = 0), WrongMeasures::Steps);
        assert_eq!(broken(|m| m[1].steps[1] = limits::STEPS_PER_TRIAL + 1), WrongMeasures::Steps);
        assert_eq!(broken(|m| m.push(Measured { steps: vec![], series: vec![] })), WrongMeasures::Steps);
        assert!(matches!(broken(|m| m[1].series[0].values.truncate(1)), WrongMeasures::Values { .. }));
        assert_eq!(broken(|m| m[1].series[0].layer = 32), WrongMeasures::Layer(32));
        assert!(
            matches!(broken(|m| m.push(m[2].clone())), WrongMeasures::Twice(name) if name == "ntk.late_rate")
        );
        assert!(matches!(
            broken(|m| m[0].series = vec![m[0].series[0].clone(); 20]),
            WrongMeasures::Size { .. }
        ));
    }

    #[test]
    fn names_are_unique() {
        let plan = Plan::new(&everything(), &network(2));
        let all = [plan.on_the_way, plan.at_the_ends, plan.of_all].concat();
        let name = |&(quantity, layer): &(Quantity, u32)| Series { quantity, layer, values: vec![] }.name();
        let names: std::collections::HashSet<String> = all.iter().map(name).collect();
        assert_eq!(names.len(), 1 + 2 * 4 + 3 * 5 + 2 + 2);
        for name in ["curve", "symmetry.2.units_by_bits", "geometry.0.angle_min", "movement.2.max"] {
            assert!(names.contains(name), "{name}");
        }
    }

    #[test]
    fn whatever_is_planned_fits_an_outcome() {
        for hidden in 0..limits::LAYERS - 1 {
            for bits in 1..32_u32 {
                let on = |bit: u32| bits & 1 << bit != 0;
                let [curve, symmetry, geometry, ntk, movement] = [0, 1, 2, 3, 4].map(on);
                let measure = Measure { curve, symmetry, geometry, ntk, movement, every: None };
                let plan = Plan::new(&measure, &network(hidden));
                for updates in [1, 7, 2400, limits::STEPS_PER_TRIAL] {
                    match plan.steps(updates) {
                        Ok(_) => check(&largest(&plan, updates)).unwrap(),
                        Err(TooMuch::Layers { .. }) => assert!(hidden > 8, "{hidden} {measure:?}"),
                        Err(error) => panic!("{error}"),
                    }
                }
            }
        }
    }
}
