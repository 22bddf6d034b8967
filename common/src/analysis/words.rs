//! How numbers and settings are said in sentences, the same in reports, tables and the demo.

use crate::init::{Bias, FanMode, Init, Nonlinearity, Scheme};
use crate::outcome::Certificate;
use crate::plan;
use crate::spec::{Experiment, Schedule};

/// A share in per cent: whole numbers, with a decimal where a whole one would claim 0 or 100 that is not so.
pub fn percent(share: f64) -> String {
    let percent = 100.0 * share.abs();
    let sign = if share < 0.0 { "-" } else { "" };
    match percent {
        p if p.is_nan() => "?".to_owned(),
        p if p == 0.0 || p == 100.0 => format!("{sign}{p:.0}"),
        p if p < 0.05 => format!("{sign}<0.1"),
        p if p > 99.95 && p < 100.0 => format!("{sign}>99.9"),
        p if p < 1.0 || (99.0..100.0).contains(&p) => format!("{sign}{p:.1}"),
        p => format!("{sign}{p:.0}"),
    }
}

/// A share in per cent with as many decimals as part it from `thresholds`: 79.6 beside 80.
pub(crate) fn percent_beside(share: f64, thresholds: [f64; 2]) -> String {
    let looks_equal = |text: &str, decimals: usize| {
        thresholds
            .iter()
            .any(|threshold| *threshold != share && text == format!("{:.decimals$}", 100.0 * threshold))
    };
    let whole = percent(share);
    if !looks_equal(&whole, 0) {
        return whole;
    }
    let one = format!("{:.1}", 100.0 * share);
    if looks_equal(&one, 1) { format!("{:.3}", 100.0 * share) } else { one }
}

/// A number with four significant digits, in powers of ten where it is far from 1.
pub fn significant(value: f64) -> String {
    let magnitude = value.abs();
    if value == 0.0 || !value.is_finite() {
        return if value.is_nan() { "NaN".to_owned() } else { format!("{value}") };
    }
    if !(1e-4..1e6).contains(&magnitude) {
        return format!("{value:.3e}");
    }
    // the exponent after rounding: .99999 has that of 1
    let rounded = format!("{value:.3e}");
    let exponent: i32 = rounded.split_once('e').and_then(|(_, e)| e.parse().ok()).unwrap_or(0);
    let decimals = usize::try_from(3 - exponent).unwrap_or(0);
    format!("{value:.decimals$}")
}

/// `1 restart`, `2 restarts`.
pub(crate) fn counted(count: u64, noun: &str) -> String {
    format!("{count} {noun}{}", if count == 1 { "" } else { "s" })
}

/// Words joined by commas and a last "and".
pub(crate) fn listed(words: &[String]) -> String {
    match words {
        [] => String::new(),
        [one] => one.clone(),
        [first @ .., last] => format!("{} and {last}", first.join(", ")),
    }
}

/// What `count` trials without a minimum ended at, and what that means.
pub(crate) fn certificate_explained(certificate: Certificate, count: u64) -> String {
    match certificate {
        Certificate::Minimum | Certificate::Flat => format!("{count} {}", certificate.name()),
        Certificate::Saddle => format!("{} (a direction still goes down)", counted(count, "saddle")),
        Certificate::Kink => format!(
            "{} (a relu unit switches exactly there: it may be a minimum, but no second derivative can tell)",
            counted(count, "kink")
        ),
        Certificate::NotConverged => {
            format!("{count} not converged (the polish could neither reach nor rule out a minimum)")
        }
        Certificate::Diverged => format!("{count} diverged (the loss or a parameter became infinite or NaN)"),
    }
}

/// Where training starts, in words.
pub(crate) fn init(init: &Init) -> String {
    let scheme = scheme(&init.scheme);
    let bias = match init.bias {
        Bias::Zeros => "zeros".to_owned(),
        Bias::Same => "same".to_owned(),
        Bias::TorchDefault => "torch_default".to_owned(),
        Bias::Constant(value) => format!("constant {value}"),
    };
    let perturb = match init.perturb {
        0.0 => String::new(),
        sd => format!(", perturb {sd}"),
    };
    format!("{scheme}, bias {bias}{perturb}")
}

fn scheme(scheme: &Scheme) -> String {
    let name = scheme.name();
    match scheme {
        Scheme::Constant { value } => format!("{name}(value = {value})"),
        Scheme::Zeros | Scheme::TorchLinearDefault | Scheme::LecunUniform | Scheme::LecunNormal => {
            name.to_owned()
        }
        Scheme::TruncatedNormal { mean, std, low, high } => {
            format!("{name}(mean = {mean}, std = {std}, low = {low}, high = {high})")
        }
        Scheme::Orthogonal { gain } => format!("{name}(gain = {gain})"),
        Scheme::Identity { scale } | Scheme::Hadamard { scale } | Scheme::Dct { scale } => {
            format!("{name}(scale = {scale})")
        }
        Scheme::Uniform { low, high } => format!("{name}(low = {low}, high = {high})"),
        Scheme::Normal { mean, std } => format!("{name}(mean = {mean}, std = {std})"),
        Scheme::XavierUniform { gain } | Scheme::XavierNormal { gain } => format!("{name}(gain = {gain})"),
        Scheme::KaimingUniform(kaiming) | Scheme::KaimingNormal(kaiming) => {
            let mode = match kaiming.mode {
                FanMode::FanIn => "fan_in",
                FanMode::FanOut => "fan_out",
            };
            let nonlinearity = match kaiming.nonlinearity {
                Nonlinearity::Linear => "linear",
                Nonlinearity::Sigmoid => "sigmoid",
                Nonlinearity::Tanh => "tanh",
                Nonlinearity::Relu => "relu",
                Nonlinearity::LeakyRelu => "leaky_relu",
            };
            format!("{name}(mode = {mode}, nonlinearity = {nonlinearity})")
        }
        Scheme::SymmetricDial { value, eps } => format!("{name}(value = {value}, eps = {eps})"),
        // the path is where the user's file happened to lie; its content is what counts
        Scheme::File(file) => match file.digest {
            Some(digest) => format!("{name}(blake3 = {})", &digest.to_string()[..12]),
            None => name.to_owned(),
        },
    }
}

/// What is the same in every restart of `experiment`: streams that do not vary, then settings.
pub(crate) fn held_fixed(experiment: &Experiment) -> Vec<String> {
    let vary = experiment.vary;
    let init = match plan::unit(experiment) {
        plan::Unit::Start => "start (within each)",
        plan::Unit::Restart => "start",
    };
    let order = match experiment.fork {
        Some(fork) if vary.order => format!("order up to update {fork}"),
        _ => "order".to_owned(),
    };
    let schedule = experiment.train.schedule != Schedule::default();
    [
        (init.to_owned(), !vary.init),
        (order, !vary.order || experiment.fork.is_some()),
        ("data".to_owned(), !vary.data),
        ("perturbation".to_owned(), experiment.init.perturb > 0.0 && !vary.perturb),
    ]
    .into_iter()
    .filter_map(|(name, fixed)| fixed.then_some(name))
    .chain(["network", "loss", "optimizer", "lr", "batch", "budget"].map(str::to_owned))
    .chain(schedule.then(|| "schedule".to_owned()))
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_fork_and_a_perturbation_hold_fixed_is_said() {
        const SPEC: &str = r#"
name = "words"
network = { layers = [2, 4, 1], activation = "tanh" }
data = { dataset = "moons" }
train = { loss = "mse", lr = 0.1, batch = 10, epochs = 30, schedule = { kind = "cosine" } }
[[experiment]]
name = "a"
init = { scheme = "dct", perturb = 1e-3 }
restarts = 24
vary = ["order"]
fork = 12
"#;
        let mut experiment = crate::spec::parse("words.toml", SPEC, &[]).unwrap().spec.experiments.remove(0);
        let said = held_fixed(&experiment);
        assert_eq!(said[..4], ["start", "order up to update 12", "data", "perturbation"]);
        assert_eq!(said.last().unwrap(), "schedule");
        assert_eq!(init(&experiment.init), "dct(scale = 1), bias zeros, perturb 0.001");
        experiment.vary.perturb = true;
        assert!(!held_fixed(&experiment).contains(&"perturbation".to_owned()));
    }

    #[test]
    fn percent_never_rounds_to_a_certainty_that_is_not_there() {
        for (share, text) in [
            (0.0, "0"),
            (1e-5, "<0.1"),
            (0.0021, "0.2"),
            (0.0099, "1.0"),
            (0.346, "35"),
            (0.985, "98"),
            (0.996, "99.6"),
            (0.99999, ">99.9"),
            (1.0, "100"),
            (-0.304, "-30"),
            (-0.004, "-0.4"),
        ] {
            assert_eq!(percent(share), text, "{share}");
        }
    }

    #[test]
    fn a_share_does_not_look_like_the_threshold_it_misses() {
        let thresholds = [0.5, 0.8];
        for (share, text) in [(0.8, "80"), (0.796, "79.6"), (0.7997, "79.970"), (0.5, "50"), (0.61, "61")] {
            assert_eq!(percent_beside(share, thresholds), text);
        }
    }

    #[test]
    fn significant_digits_are_four() {
        for (value, text) in [
            (0.0, "0"),
            (0.042_470_95, "0.04247"),
            (1.0, "1.000"),
            (0.000_999_999_99, "0.001000"),
            (-12.345_67, "-12.35"),
            (2400.0, "2400"),
            (1.5e-9, "1.500e-9"),
            (f64::NAN, "NaN"),
            (f64::INFINITY, "inf"),
        ] {
            assert_eq!(significant(value), text);
        }
    }

    #[test]
    fn counts_and_lists_read_as_english() {
        assert_eq!(counted(1, "start"), "1 start");
        assert_eq!(counted(2, "start"), "2 starts");
        let words = ["a", "b", "c"].map(str::to_owned);
        assert_eq!(listed(&words), "a, b and c");
        assert_eq!(listed(&words[..1]), "a");
        assert_eq!(listed(&[]), "");
    }
}
