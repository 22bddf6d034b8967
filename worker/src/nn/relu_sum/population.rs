//! The population loss: a sum of relus against a teacher of the same kind, in closed form over all standard normal
//! inputs (Cho & Saul 2009; Safran & Shamir 2018; Arjevani & Field 2020).
//!
//! With f(w, v) = E relu(w·x) relu(v·x) = ‖w‖‖v‖ (sin θ + (π − θ) cos θ) / 2π the loss is
//! F = ½ Σᵢⱼ f(wᵢ, wⱼ) − Σᵢⱼ f(wᵢ, eⱼ) + ½ (k/2 + k(k − 1)/2π), and
//! ∂F/∂wᵢ = Σⱼ g(wᵢ, wⱼ) − Σⱼ g(wᵢ, eⱼ) with g(w, v) = (‖v‖ sin θ w/‖w‖ + (π − θ) v) / 2π.
//! `docs/engine.md` gives each sum's order. Every sum takes the unit's own term at the unit's own place, so that equal
//! units have equal sums and stay equal. A unit at 0 is switched off: its gradient is 0 (relu′(0) = 0).

use std::f64::consts::{FRAC_PI_2, PI, TAU};

use super::angle::{self, Angle};
use crate::nn::lane::Job;
use crate::nn::scalar::Number;

/// Buffers, allocated once.
#[derive(Debug)]
pub(super) struct Scratch<V> {
    /// ‖wᵢ‖.
    norms: Vec<V>,
    /// What ends the gradient of a unit: 1/2π, or 0 for a unit at 0.
    ends: Vec<V>,
    /// wᵢ/‖wᵢ‖, or 0 for a unit at 0: (units, inputs).
    directions: Vec<V>,
    /// Those of one unit with the teacher, or with the units behind it: (inputs or units, the larger).
    angles: Vec<Angle<V>>,
    /// Σⱼ ‖wⱼ‖ sin θᵢⱼ over the student, less the teacher's.
    sines: Vec<V>,
    /// π − θᵢⱼ within the student: (units, units).
    supplements: Vec<V>,
}

impl<V> Default for Scratch<V> {
    fn default() -> Self {
        Self {
            norms: Vec::new(),
            ends: Vec::new(),
            directions: Vec::new(),
            angles: Vec::new(),
            sines: Vec::new(),
            supplements: Vec::new(),
        }
    }
}

impl<V: Number> Scratch<V> {
    /// Makes room for a network of this shape.
    #[inline(always)]
    pub(super) fn fit(&mut self, inputs: usize, units: usize) {
        if self.norms.len() != units || self.directions.len() != units * inputs {
            *self = Self {
                norms: vec![V::ZERO; units],
                ends: vec![V::ZERO; units],
                directions: vec![V::ZERO; units * inputs],
                angles: vec![Angle::NONE; inputs.max(units)],
                sines: vec![V::ZERO; units],
                supplements: vec![V::ZERO; units * units],
            };
        }
    }
}

/// Loss and gradient against the teacher e₁ … e_k.
pub(in crate::nn) struct Population<'a, V> {
    /// (units, inputs).
    pub(super) weights: &'a [V],
    pub(super) inputs: usize,
    /// k, at most `inputs`.
    pub(super) teacher: usize,
    pub(super) with_loss: bool,
    /// (units, inputs).
    pub(super) gradient: &'a mut [V],
    pub(super) scratch: &'a mut Scratch<V>,
}

impl<V: Number> Job for Population<'_, V> {
    /// The loss, or 0 where it is not asked for.
    type Output = V;

    #[inline(always)]
    fn run(mut self) -> V {
        let mut sum = V::ZERO;
        for unit in 0..self.scratch.norms.len() {
            self.normalise(unit);
        }
        for unit in 0..self.scratch.norms.len() {
            sum = self.meet_teacher(unit, sum);
        }
        for unit in 0..self.scratch.norms.len() {
            sum = self.meet_units(unit, sum);
        }
        self.finish_gradient();
        if !self.with_loss {
            return V::ZERO;
        }
        let k = self.teacher as f64;
        sum.fma(V::from_f64(1.0 / TAU), V::from_f64(0.5 * (k / 2.0 + k * (k - 1.0) / TAU)))
    }
}

impl<V: Number> Population<'_, V> {
    #[inline(always)]
    fn normalise(&mut self, unit: usize) {
        let row = &self.weights[unit * self.inputs..][..self.inputs];
        let mut square = V::ZERO;
        for &w in row {
            square = w.fma(w, square);
        }
        // where the square is not above 0 it is 0 or NaN, and so is all that hangs on it
        let is_on = square.gt(V::ZERO);
        let norm = V::select(is_on, square.sqrt(), square);
        let inverse = V::select(is_on, V::ONE.div(norm), square);
        self.scratch.norms[unit] = norm;
        self.scratch.ends[unit] = V::select(is_on, V::from_f64(1.0 / TAU), square);
        let direction = &mut self.scratch.directions[unit * self.inputs..][..self.inputs];
        for (u, &w) in direction.iter_mut().zip(row) {
            *u = w.mul(inverse);
        }
    }

    /// Begins the gradient of `unit` with −(π − θ) of each teacher, and its sines with the teachers'. The loss grows by
    /// half of the unit itself less what it shares with the teacher.
    ///
    /// cos θⱼ is uⱼ, and sin² θⱼ the sum of the other squares, from both ends: no difference of large numbers.
    #[inline(always)]
    fn meet_teacher(&mut self, unit: usize, sum: V) -> V {
        let Scratch { norms, directions, angles, sines, .. } = &mut *self.scratch;
        let direction = &directions[unit * self.inputs..][..self.inputs];
        let angles = &mut angles[..self.inputs];
        // both chains at once, so that neither waits for the other
        let (mut before, mut after) = (V::ZERO, V::ZERO);
        for low in 0..self.inputs {
            let high = self.inputs - 1 - low;
            angles[low].supplement = before;
            angles[high].sine = after;
            before = direction[low].fma(direction[low], before);
            after = direction[high].fma(direction[high], after);
        }
        let angles = &mut angles[..self.teacher];
        for (angle, &u) in angles.iter_mut().zip(direction) {
            angle.sine = angle.supplement.add(angle.sine);
            angle.cosine = u;
        }
        angle::measure(angles);
        let row = &mut self.gradient[unit * self.inputs..][..self.inputs];
        for g in &mut row[self.teacher..] {
            *g = V::ZERO;
        }
        let mut sine = V::ZERO;
        for (g, angle) in row.iter_mut().zip(&*angles) {
            sine = sine.sub(angle.sine);
            *g = angle.supplement.neg();
        }
        sines[unit] = sine;
        if !self.with_loss {
            return sum;
        }
        let mut loss = V::from_f64(FRAC_PI_2).mul(norms[unit]);
        for angle in angles {
            loss = loss.sub(angle.supplement.fma(angle.cosine, angle.sine));
        }
        norms[unit].fma(loss, sum)
    }

    /// Meets the units behind `unit`: the loss grows by what it shares with them.
    #[inline(always)]
    fn meet_units(&mut self, unit: usize, sum: V) -> V {
        let Scratch { norms, directions, angles, sines, supplements, .. } = &mut *self.scratch;
        let units = norms.len();
        let (own, others) = directions[unit * self.inputs..].split_at(self.inputs);
        let angles = &mut angles[..units - unit - 1];
        let mut from = 0;
        while from + 4 <= angles.len() {
            measure_chords::<V, 4>(own, &others[from * self.inputs..], &mut angles[from..from + 4]);
            from += 4;
        }
        while from < angles.len() {
            measure_chords::<V, 1>(own, &others[from * self.inputs..], &mut angles[from..=from]);
            from += 1;
        }
        angle::measure(angles);
        let (norm, mut sine) = (norms[unit], sines[unit]);
        supplements[unit * units + unit] = V::from_f64(PI);
        for (j, angle) in (unit + 1..units).zip(&*angles) {
            sine = norms[j].fma(angle.sine, sine);
            sines[j] = norm.fma(angle.sine, sines[j]);
            supplements[unit * units + j] = angle.supplement;
            supplements[j * units + unit] = angle.supplement;
        }
        sines[unit] = sine;
        if !self.with_loss {
            return sum;
        }
        let mut loss = V::ZERO;
        for (angle, &other) in angles.iter().zip(&norms[unit + 1..]) {
            loss = other.fma(angle.supplement.fma(angle.cosine, angle.sine), loss);
        }
        norm.fma(loss, sum)
    }

    /// Ends each gradient: Σⱼ (π − θᵢⱼ) wⱼ, ascending, then the sines along the unit itself.
    #[inline(always)]
    fn finish_gradient(&mut self) {
        let units = self.scratch.norms.len();
        let mut unit = 0;
        while unit + 2 <= units {
            self.add_weights::<2>(unit);
            unit += 2;
        }
        if unit < units {
            self.add_weights::<1>(unit);
        }
        let Scratch { ends, directions, sines, .. } = &*self.scratch;
        for (unit, (&sine, &end)) in sines.iter().zip(ends).enumerate() {
            let own = unit * self.inputs..(unit + 1) * self.inputs;
            for (g, &u) in self.gradient[own.clone()].iter_mut().zip(&directions[own]) {
                *g = sine.fma(u, *g).mul(end);
            }
        }
    }

    /// Σⱼ (π − θᵢⱼ) wⱼ of `R` units from `unit` on.
    #[inline(always)]
    fn add_weights<const R: usize>(&mut self, unit: usize) {
        let mut column = 0;
        while column + 4 <= self.inputs {
            self.add_block::<R, 4>(unit, column);
            column += 4;
        }
        if column + 2 <= self.inputs {
            self.add_block::<R, 2>(unit, column);
            column += 2;
        }
        if column < self.inputs {
            self.add_block::<R, 1>(unit, column);
        }
    }

    /// Goes on with a block of sums in registers.
    #[inline(always)]
    fn add_block<const R: usize, const N: usize>(&mut self, unit: usize, column: usize) {
        let inputs = self.inputs;
        let units = self.scratch.norms.len();
        let factors = &self.scratch.supplements[unit * units..(unit + R) * units];
        let mut sums = [[V::ZERO; N]; R];
        for (r, sums) in sums.iter_mut().enumerate() {
            sums.copy_from_slice(&self.gradient[(unit + r) * inputs + column..][..N]);
        }
        for j in 0..units {
            let weights = &self.weights[j * inputs + column..][..N];
            for (r, sums) in sums.iter_mut().enumerate() {
                let factor = factors[r * units + j];
                for (sum, &w) in sums.iter_mut().zip(weights) {
                    *sum = factor.fma(w, *sum);
                }
            }
        }
        for (r, sums) in sums.iter().enumerate() {
            self.gradient[(unit + r) * inputs + column..][..N].copy_from_slice(sums);
        }
    }
}

/// The angles, to be measured, of the direction `own` with the first N of `others`.
#[inline(always)]
fn measure_chords<V: Number, const N: usize>(own: &[V], others: &[V], angles: &mut [Angle<V>]) {
    let others = &others[..N * own.len()];
    let mut squares = [V::ZERO; N];
    for (l, &u) in own.iter().enumerate() {
        for (i, square) in squares.iter_mut().enumerate() {
            let difference = u.sub(others[i * own.len() + l]);
            *square = difference.fma(difference, *square);
        }
    }
    for (angle, &square) in angles.iter_mut().zip(&squares) {
        *angle = Angle::of_chord(square);
    }
}
