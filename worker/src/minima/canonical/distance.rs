//! The distance of two networks up to the symmetries that are left: permutations of units, and signs.

use ndarray::Array2;
use rand::Rng;
use seedsweep_common::seed;

use super::Canonical;
use super::assignment::assign;

/// Where matching begins, with more than one hidden layer.
const STARTS: usize = 5;
/// Rounds over the layers until a matching counts as settled.
const ROUNDS: usize = 50;
/// Stream of the probe generator for the starts.
const MATCHING_STREAM: u64 = 5;

/// For each unit of a layer its partner in the other network, and with which sign.
pub(super) type Partners = Vec<(usize, f64)>;

impl Canonical {
    /// The least Euclidean distance of the parameters over all permutations of units (and signs, where a unit's is free);
    /// infinite where the widths differ. Exact with one hidden layer, where it is an assignment (Jonker & Volgenant 1987).
    /// With more it is the best of five matchings (weight matching, Ainsworth et al. 2023): at most this far apart.
    pub fn distance(&self, other: &Self) -> f64 {
        self.matched(other).map_or(f64::INFINITY, |(distance, _)| distance)
    }

    /// That distance, and for each layer, inputs and outputs included, where the units of `other` find their partners;
    /// `None` where the widths differ.
    pub(super) fn matched(&self, other: &Self) -> Option<(f64, Vec<Partners>)> {
        let shape = |canonical: &Self| -> Vec<(usize, usize)> {
            let width = |row: &Vec<f64>| row.len();
            canonical
                .maps
                .iter()
                .map(|map| (map.weights.first().map_or(0, width), map.biases.len()))
                .collect()
        };
        if shape(self) != shape(other) {
            return None;
        }
        let hidden = self.maps.len() - 1;
        let starts = if hidden > 1 { STARTS } else { 1 };
        let mut rng = seed::probe_generator(MATCHING_STREAM);
        let mut least: Option<(f64, Vec<Partners>)> = None;
        for start in 0..starts {
            // the first start matches layer by layer by what comes in alone, the second begins with the units as they are
            let mut partners: Vec<Option<Partners>> = (0..=hidden + 1)
                .map(|layer| match layer {
                    0 => Some(self.maps[0].weights.first().map_or(Vec::new(), |row| unmoved(row.len()))),
                    layer if layer == hidden + 1 => Some(unmoved(self.maps[hidden].biases.len())),
                    _ if start == 0 => None,
                    layer if start == 1 => Some(unmoved(self.maps[layer - 1].biases.len())),
                    layer => Some(shuffled(self.maps[layer - 1].biases.len(), &mut rng)),
                })
                .collect();
            for _ in 0..ROUNDS {
                let before = partners.clone();
                for layer in 1..=hidden {
                    partners[layer] = Some(self.partners(other, layer, &partners));
                }
                if before == partners {
                    break;
                }
            }
            let squares = self.squares(other, &partners);
            if least.as_ref().is_none_or(|(least, _)| squares < *least) {
                least = Some((squares, partners.into_iter().flatten().collect()));
            }
        }
        least.map(|(squares, partners)| (squares.sqrt(), partners))
    }

    /// The best partners of the units of hidden layer `layer` (from 1), given those of its neighbours.
    fn partners(&self, other: &Self, layer: usize, known: &[Option<Partners>]) -> Partners {
        let signs: &[f64] = if self.is_odd { &[1.0, -1.0] } else { &[1.0] };
        let (l, count) = (layer - 1, self.maps[layer - 1].biases.len());
        let cost = |unit: usize, partner: usize, sign: f64| {
            let (mine, theirs) = (&self.maps[l], &other.maps[l]);
            let mut sum = square(mine.biases[unit] - sign * theirs.biases[partner]);
            if let Some(below) = &known[layer - 1] {
                for (w, &(k, flip)) in mine.weights[unit].iter().zip(below) {
                    sum += square(w - sign * flip * theirs.weights[partner][k]);
                }
            }
            if let Some(above) = &known[layer + 1] {
                for (row, &(m, flip)) in self.maps[layer].weights.iter().zip(above) {
                    sum += square(row[unit] - sign * flip * other.maps[layer].weights[m][partner]);
                }
            }
            sum
        };
        let best = |unit: usize, partner: usize| {
            let costs = signs.iter().map(|&sign| (cost(unit, partner, sign), sign));
            costs.fold((f64::INFINITY, 1.0), |best, next| if next.0 < best.0 { next } else { best })
        };
        let costs = Array2::from_shape_fn((count, count), |(unit, partner)| best(unit, partner).0);
        let pairs = assign(&costs).into_iter().enumerate();
        pairs.map(|(unit, partner)| (partner, best(unit, partner).1)).collect()
    }

    /// Sum of the squared differences of all parameters, `other` with its units moved to their partners.
    fn squares(&self, other: &Self, partners: &[Option<Partners>]) -> f64 {
        let mut sum = 0.0;
        for (l, map) in self.maps.iter().enumerate() {
            let (Some(below), Some(here)) = (&partners[l], &partners[l + 1]) else { return f64::INFINITY };
            for ((row, bias), &(unit, sign)) in map.weights.iter().zip(&map.biases).zip(here) {
                sum += square(bias - sign * other.maps[l].biases[unit]);
                for (w, &(k, flip)) in row.iter().zip(below) {
                    sum += square(w - sign * flip * other.maps[l].weights[unit][k]);
                }
            }
        }
        sum
    }
}

pub(super) fn square(x: f64) -> f64 {
    x * x
}

fn unmoved(count: usize) -> Partners {
    (0..count).map(|unit| (unit, 1.0)).collect()
}

fn shuffled(count: usize, rng: &mut impl Rng) -> Partners {
    let mut partners = unmoved(count);
    for i in (1..count).rev() {
        partners.swap(i, seed::below(rng.next_u64(), i as u64 + 1) as usize);
    }
    partners
}
