//! The angle between two unit vectors, from sin² and cos: one square root and one polynomial, and no division.

use std::f64::consts::{FRAC_PI_2, PI};

use crate::nn::scalar::Number;

/// (asin(√x)/√x − 1) / x on [0, 1/2]; relative error of the whole 1.6e-17.
const ARC: [f64; 18] = [
    0.166_666_666_666_652_4,
    0.075_000_000_004_060_89,
    0.044_642_856_736_242_36,
    0.030_381_965_178_025_45,
    0.022_371_525_229_882_453,
    0.017_365_500_934_059_12,
    0.013_786_658_114_760_736,
    0.013_354_673_292_048_995,
    -0.003_768_269_219_599_6,
    0.084_916_273_100_563_39,
    -0.321_683_094_610_961_95,
    1.083_141_080_930_640_3,
    -2.660_661_078_028_346,
    4.925_999_616_329_871,
    -6.569_220_254_481_106,
    6.033_444_690_246_179,
    -3.414_318_227_070_019,
    0.919_741_981_904_254_7,
];

/// An angle θ in [0, π], as the kernels of relu need it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Angle<V> {
    /// sin² θ before [`measure`], then sin θ.
    pub(super) sine: V,
    /// cos θ.
    pub(super) cosine: V,
    /// π − θ, once it is measured.
    pub(super) supplement: V,
}

impl<V: Number> Angle<V> {
    /// No angle yet.
    pub(super) const NONE: Self = Self { sine: V::ZERO, cosine: V::ZERO, supplement: V::ZERO };

    /// To be measured: between unit vectors u and v with ‖u − v‖² = `square`, which may be rounded to a little above 4.
    /// Near 0 both sin² θ = ‖u − v‖² (1 − ‖u − v‖²/4) and θ keep all digits of the square.
    #[inline(always)]
    pub(super) fn of_chord(square: V) -> Self {
        let sine = V::from_f64(-0.25).fma(square, V::ONE).mul(square);
        Self { sine, cosine: V::from_f64(-0.5).fma(square, V::ONE), supplement: V::ZERO }
    }
}

/// Puts sin θ in the place of sin² θ, and π − θ beside it. θ = 0 gives exactly 0 and π; NaN stays NaN.
///
/// θ has the digits of the smaller one of sine and cosine, so it keeps those of sin² θ where it vanishes, which no
/// cosine could tell. Where a sin² θ is rounded to 0 or below, θ is 0 or π.
#[inline(always)]
pub(super) fn measure<V: Number>(angles: &mut [Angle<V>]) {
    let mut from = 0;
    while from + 4 <= angles.len() {
        side_by_side::<V, 4>(&mut angles[from..from + 4]);
        from += 4;
    }
    if from + 2 <= angles.len() {
        side_by_side::<V, 2>(&mut angles[from..from + 2]);
        from += 2;
    }
    if from < angles.len() {
        side_by_side::<V, 1>(&mut angles[from..]);
    }
}

/// N angles, so that their chains of multiply-adds hide each other's latency.
#[inline(always)]
fn side_by_side<V: Number, const N: usize>(angles: &mut [Angle<V>]) {
    let (mut x, mut side, mut base) = ([V::ZERO; N], [V::ZERO; N], [V::ZERO; N]);
    for i in 0..N {
        let Angle { sine: square, cosine, .. } = angles[i];
        // a root of 0 has no derivative, but what it is multiplied by there vanishes
        let sine = V::select(square.gt(V::ZERO), square.sqrt(), square);
        // of sine and cosine the smaller is the sine of an angle of at most π/4
        let is_upright = square.gt(V::from_f64(0.5));
        let is_blunt = V::ZERO.gt(cosine);
        x[i] = V::select(is_upright, cosine.mul(cosine), square);
        side[i] = V::select(is_upright, cosine, V::select(is_blunt, sine, sine.neg()));
        let sharp_or_blunt = V::select(is_blunt, V::ZERO, V::from_f64(PI));
        base[i] = V::select(is_upright, V::from_f64(FRAC_PI_2), sharp_or_blunt);
        angles[i].sine = sine;
    }
    let mut series = [V::from_f64(ARC[ARC.len() - 1]); N];
    for &coefficient in ARC[..ARC.len() - 1].iter().rev() {
        for i in 0..N {
            series[i] = series[i].fma(x[i], V::from_f64(coefficient));
        }
    }
    for i in 0..N {
        let arc = series[i].fma(x[i].mul(side[i]), side[i]);
        angles[i].supplement = base[i].add(arc);
    }
}
