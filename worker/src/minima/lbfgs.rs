//! Limited-memory BFGS (Liu & Nocedal 1989): directions from the last few steps. Coordinates are treated alike,
//! so bit-equal units stay bit-equal.

use std::collections::VecDeque;

use super::surface::dot;

/// Steps remembered.
pub(super) const MEMORY: usize = 20;

/// Steps and changes of the gradient, newest last.
#[derive(Debug, Default)]
pub(super) struct Memory {
    pairs: VecDeque<Pair>,
}

#[derive(Debug)]
struct Pair {
    step: Vec<f64>,
    change: Vec<f64>,
    /// 1 / (step · change).
    inverse: f64,
}

impl Memory {
    /// Learns from a step; steps without positive curvature teach nothing.
    pub(super) fn learn(&mut self, step: Vec<f64>, change: Vec<f64>) {
        let curvature = dot(&step, &change);
        if curvature > 1e-12 * dot(&step, &step).sqrt() * dot(&change, &change).sqrt() {
            if self.pairs.len() == MEMORY {
                self.pairs.pop_front();
            }
            self.pairs.push_back(Pair { step, change, inverse: 1.0 / curvature });
        }
    }

    /// Whether nothing was learnt.
    pub(super) fn is_empty(&self) -> bool {
        self.pairs.is_empty()
    }

    /// Forgets everything.
    pub(super) fn clear(&mut self) {
        self.pairs.clear();
    }

    /// −H·g by the two-loop recursion, H the current guess of the inverse Hessian.
    pub(super) fn direction(&self, gradient: &[f64]) -> Vec<f64> {
        let mut d: Vec<f64> = gradient.iter().map(|g| -g).collect();
        let mut alphas = [0.0; MEMORY];
        for (pair, alpha) in self.pairs.iter().zip(&mut alphas).rev() {
            *alpha = pair.inverse * dot(&pair.step, &d);
            add_scaled(&mut d, -*alpha, &pair.change);
        }
        if let Some(last) = self.pairs.back() {
            let scale = 1.0 / (last.inverse * dot(&last.change, &last.change));
            d.iter_mut().for_each(|d| *d *= scale);
        }
        for (pair, alpha) in self.pairs.iter().zip(alphas) {
            let beta = pair.inverse * dot(&pair.change, &d);
            add_scaled(&mut d, alpha - beta, &pair.step);
        }
        d
    }
}

fn add_scaled(sum: &mut [f64], factor: f64, values: &[f64]) {
    sum.iter_mut().zip(values).for_each(|(sum, value)| *sum += factor * value);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_many_steps_as_dimensions_give_newtons_direction() {
        // on the quadratic with Hessian diag(1, 10, 100), BFGS with exact pairs along the axes is exact
        let hessian = [1.0, 10.0, 100.0];
        let mut memory = Memory::default();
        for (axis, h) in hessian.into_iter().enumerate() {
            let mut step = vec![0.0; 3];
            step[axis] = 0.5;
            let change = step.iter().map(|s| s * h).collect();
            memory.learn(step, change);
        }
        let direction = memory.direction(&[1.0, 1.0, 1.0]);
        for (d, h) in direction.iter().zip(hessian) {
            assert!((d + 1.0 / h).abs() < 1e-15, "{direction:?}");
        }
    }

    #[test]
    fn negative_curvature_teaches_nothing() {
        let mut memory = Memory::default();
        memory.learn(vec![1.0], vec![-1.0]);
        assert!(memory.is_empty());
        assert_eq!(memory.direction(&[2.0]), [-2.0]);
    }
}
