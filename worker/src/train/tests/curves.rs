//! Loss curves equal to those of independent implementations.

use super::*;

pub(super) fn assert_close(found: f64, expected: f64, relative: f64, what: &str) {
    let error = (found / expected - 1.0).abs();
    assert!(error <= relative, "{what}: {found:.13} instead of {expected:.13}, {error:e} off");
}

/// Loss after 0, 1, 10 and 100 updates, from JAX 0.10.2 (automatic derivatives) and Optax 0.2.8 in f64; `generator`
/// is the ChaCha8 of the tests of `common::seed`.
/// ```python
/// import jax, jax.numpy as jnp, numpy as np, optax
/// jax.config.update("jax_enable_x64", True)
/// def net(layers, act, theta, x):
///     i = 0
///     for l, (n, m) in enumerate(zip(layers, layers[1:])):
///         w = theta[i:i + n * m].reshape(m, n); b = theta[i + n * m:i + n * m + m]; i += n * m + m
///         x = x @ w.T + b
///         if l < len(layers) - 2: x = act(x)
///     return x
/// mse = lambda f, y: jnp.mean((f - y) ** 2)
/// cross_entropy = lambda f, y: jnp.mean(optax.softmax_cross_entropy(f, y))
/// logistic = lambda f, y: jnp.mean(optax.sigmoid_binary_cross_entropy(f, y))
/// s = np.arange(12)
/// x = np.cos(.9 * s[:, None] + 1.3 * np.arange(3)[None])
/// cases = {"mse": (mse, [3, 5, 2], jnp.tanh, np.sin(.7 * s[:, None] + .5 * np.arange(2)[None])),
///          "cross_entropy": (cross_entropy, [3, 6, 4, 3], jax.nn.relu, np.eye(3)[s * 7 % 3]),
///          "logistic": (logistic, [3, 4, 1], jax.nn.sigmoid, (s * 5 % 7 < 3)[:, None] * 1.)}
/// optimizers = {"gd": (optax.sgd(.1), 12), "sgd": (optax.sgd(.05, .9), 5), "adam": (optax.adam(.01), 12)}
/// for loss, (f, layers, act, y) in cases.items():
///     total = lambda t, x, y: f(net(layers, act, t, x), y) + 1e-3 * jnp.sum(t ** 2)
///     grad = jax.jit(jax.grad(total))
///     for name, (optimizer, batch) in optimizers.items():
///         n = sum((a + 1) * b for a, b in zip(layers, layers[1:]))
///         t = jnp.asarray(.5 * np.sin(1.7 * (np.arange(n) + 1))); state = optimizer.init(t)
///         draws, rows, out = generator("order", 1, 0), [], []
///         for step in range(101):
///             if step in (0, 1, 10, 100): out.append(repr(float(total(t, x, y))))
///             if not rows:
///                 rows = list(range(12))
///                 if batch < 12:
///                     for i in range(11, 0, -1):
///                         j = next(draws) * (i + 1) >> 64; rows[i], rows[j] = rows[j], rows[i]
///             now, rows = np.array(rows[:batch]), rows[batch:]
///             update, state = optimizer.update(grad(t, x[now], y[now]), state); t = optax.apply_updates(t, update)
///         print(f"(Loss::{loss}, {name}, [{', '.join(out)}]),")
/// ```
#[test]
fn loss_curves_are_those_of_jax_and_optax() {
    let gd = Optimizer::Gd;
    let sgd = Optimizer::Sgd { momentum: 0.9 };
    let adam = Optimizer::Adam { beta1: 0.9, beta2: 0.999, eps: 1e-8 };
    let curves = [
        (Loss::Mse, gd, [0.924825513608063, 0.7859245169902976, 0.3864135155225785, 0.19734857716604542]),
        (Loss::Mse, sgd, [0.924825513608063, 0.8446600708526701, 0.3642221853845538, 0.22183388100038764]),
        (Loss::Mse, adam, [0.924825513608063, 0.8758470375973368, 0.5388091386655943, 0.19997341828413764]),
        (
            Loss::CrossEntropy,
            gd,
            [1.167797846429832, 1.162504673919198, 1.1312681387374137, 1.0644318960033623],
        ),
        (
            Loss::CrossEntropy,
            sgd,
            [1.167797846429832, 1.1693575699182766, 1.1044734378042016, 0.887771289229381],
        ),
        (
            Loss::CrossEntropy,
            adam,
            [1.167797846429832, 1.1586263328788535, 1.0981966830542034, 0.6447241190785964],
        ),
        (
            Loss::Logistic,
            gd,
            [0.6990761074409346, 0.6988582488371138, 0.6970435988916918, 0.6856449357751825],
        ),
        (
            Loss::Logistic,
            sgd,
            [0.6990761074409346, 0.6993392818063612, 0.6960985114127985, 0.6691607142146351],
        ),
        (
            Loss::Logistic,
            adam,
            [0.6990761074409346, 0.6975125879013938, 0.68686827846956, 0.6169134848529574],
        ),
    ];
    for (loss, optimizer, losses) in curves {
        let (layers, activation) = match loss {
            Loss::Mse => (vec![3, 5, 2], Activation::Tanh),
            Loss::CrossEntropy => (vec![3, 6, 4, 3], Activation::Relu),
            Loss::Logistic | Loss::Population => (vec![3, 4, 1], Activation::Sigmoid),
        };
        let (lr, batch) = match optimizer {
            Optimizer::Gd => (0.1, Batch::Full),
            Optimizer::Sgd { .. } => (0.05, Batch::Size(5)),
            _ => (0.01, Batch::Full),
        };
        for (steps, expected) in [0, 1, 10, 100].into_iter().zip(losses) {
            let mut experiment = demo();
            experiment.network = spec::Network::Mlp(spec::Mlp {
                layers: layers.clone(),
                activation,
                output_activation: Activation::Identity,
            });
            experiment.train = Train {
                loss,
                l2: 1e-3,
                optimizer,
                lr,
                weight_decay: 0.0,
                schedule: Schedule::default(),
                shuffle: true,
                batch,
                budget: Budget::Steps(steps),
                stop: Stop::default(),
            };
            let width = *layers.last().unwrap() as usize;
            let targets = Array2::from_shape_fn((12, width), |(s, k)| match loss {
                Loss::Mse => (0.7 * s as f64 + 0.5 * k as f64).sin(),
                Loss::CrossEntropy => f64::from(s * 7 % 3 == k),
                Loss::Logistic | Loss::Population => f64::from(s * 5 % 7 < 3),
            });
            let features = Array2::from_shape_fn((12, 3), |(s, k)| (0.9 * s as f64 + 1.3 * k as f64).cos());
            let start = waves(Network::new(&experiment.network).parameter_count());
            let prepared = prepare_on(Precision::F64, experiment, Rows { features, targets }, start);
            let outcome = train(&prepared, 0);
            assert_eq!((outcome.steps, outcome.stop_reason), (steps, StopReason::StepLimit));
            assert_close(outcome.loss_train, expected, 1e-9, &format!("{loss:?} {optimizer:?} {steps}"));
        }
    }
}

/// Loss after 0, 1, 10 and 100 full-batch updates, from JAX 0.10.2 and Optax 0.2.8 in f64:
/// ```python
/// import jax, jax.numpy as jnp, numpy as np, optax
/// jax.config.update("jax_enable_x64", True)
/// def net(layers, act, out, theta, x):
///     i = 0
///     for l, (n, m) in enumerate(zip(layers, layers[1:])):
///         w = theta[i:i + n * m].reshape(m, n); b = theta[i + n * m:i + n * m + m]; i += n * m + m
///         x = x @ w.T + b
///         x = act(x) if l < len(layers) - 2 else out(x)
///     return x
/// mse = lambda f, y: jnp.mean((f - y) ** 2)
/// cross_entropy = lambda f, y: jnp.mean(optax.softmax_cross_entropy(f, y))
/// s = np.arange(12); x = np.cos(.9 * s[:, None] + 1.3 * np.arange(3)[None])
/// ys = np.sin(.7 * s[:, None] + .5 * np.arange(2)[None]); yc = np.eye(3)[s * 7 % 3]
/// same = lambda z: z; gelu = lambda z: jax.nn.gelu(z, approximate=False); leaky = jax.nn.leaky_relu
/// cosine = optax.join_schedules([optax.linear_schedule(.05, .2, 3), optax.cosine_decay_schedule(.2, 96)], [4])
/// step = optax.exponential_decay(.1, 20, .5, staircase=True)
/// wide = lambda f: lambda count: f(jnp.float64(count))  # optax divides 32-bit counts in f32
/// decayed = lambda rule: optax.chain(optax.add_decayed_weights(.03), rule)
/// cases = {
///   "nesterov": (mse, [3, 5, 2], jnp.tanh, same, ys, optax.sgd(.05, .9, nesterov=True)),
///   "adamw": (cross_entropy, [3, 6, 4, 3], gelu, same, yc, optax.adamw(.01, weight_decay=.03)),
///   "rmsprop": (cross_entropy, [3, 6, 4, 3], leaky, same, yc, optax.rmsprop(.01, .99, 1e-8, eps_in_sqrt=False)),
///   "decayed sgd, cosine": (mse, [3, 5, 2], gelu, jnp.tanh, ys, decayed(optax.sgd(wide(cosine)))),
///   "decayed adam, step": (mse, [3, 5, 2], leaky, jax.nn.sigmoid, ys, decayed(optax.adam(wide(step)))),
/// }
/// for name, (f, layers, act, out, y, rule) in cases.items():
///     total = lambda t: f(net(layers, act, out, t, x), y) + 1e-3 * jnp.sum(t ** 2)
///     n = sum((a + 1) * b for a, b in zip(layers, layers[1:]))
///     t = jnp.asarray(.5 * np.sin(1.7 * (np.arange(n) + 1))); state = rule.init(t); curve = []
///     for i in range(101):
///         if i in (0, 1, 10, 100): curve.append(float(total(t)))
///         update, state = rule.update(jax.grad(total)(t), state, t); t = optax.apply_updates(t, update)
///     print(name, curve)
/// ```
#[test]
fn later_rules_schedules_and_activations_are_those_of_jax_and_optax() {
    let cosine = Schedule { warmup: 4, shape: LrShape::Cosine { t_max: Some(96), eta_min: 0.0 } };
    let step = Schedule { warmup: 0, shape: LrShape::Step { step_size: 20, gamma: 0.5 } };
    let (beta1, beta2, eps) = (0.9, 0.999, 1e-8);
    let (same, tanh, sigmoid) = (Activation::Identity, Activation::Tanh, Activation::Sigmoid);
    let (leaky, gelu) = (Activation::LeakyRelu, Activation::Gelu);
    let constant = Schedule::default();
    // (loss, activation, output activation, rule, weight decay, lr, schedule, curve)
    let curves = [
        (
            Loss::Mse,
            tanh,
            same,
            Optimizer::Nesterov { momentum: 0.9 },
            0.0,
            0.05,
            constant,
            [0.924825513608063, 0.7923567901518973, 0.3397546007018059, 0.19039659462494124],
        ),
        (
            Loss::CrossEntropy,
            gelu,
            same,
            Optimizer::AdamW { beta1, beta2, eps },
            0.03,
            0.01,
            constant,
            [1.1656206917303236, 1.158515454671569, 1.1113129063425158, 0.6558062219702391],
        ),
        (
            Loss::CrossEntropy,
            leaky,
            same,
            Optimizer::RmsProp { alpha: 0.99, eps },
            0.0,
            0.01,
            constant,
            [1.1679747142066914, 1.105211833701618, 0.874148012771566, 0.7473418006631892],
        ),
        (
            Loss::Mse,
            gelu,
            tanh,
            Optimizer::Gd,
            0.03,
            0.2,
            cosine,
            [0.7324758687103511, 0.7102795973086797, 0.3824616260830383, 0.21989169606272096],
        ),
        (
            Loss::Mse,
            leaky,
            sigmoid,
            Optimizer::Adam { beta1, beta2, eps },
            0.03,
            0.1,
            step,
            [0.5715965690425593, 0.5261499615541555, 0.3712150339377384, 0.3669413362657845],
        ),
    ];
    for (loss, activation, output_activation, optimizer, weight_decay, lr, schedule, losses) in curves {
        let layers = if loss == Loss::Mse { vec![3, 5, 2] } else { vec![3, 6, 4, 3] };
        for (steps, expected) in [0, 1, 10, 100].into_iter().zip(losses) {
            let mut experiment = demo();
            experiment.network =
                spec::Network::Mlp(spec::Mlp { layers: layers.clone(), activation, output_activation });
            experiment.train = Train {
                loss,
                l2: 1e-3,
                optimizer,
                weight_decay,
                lr,
                schedule,
                batch: Batch::Full,
                shuffle: true,
                budget: Budget::Steps(steps),
                stop: Stop::default(),
            };
            let width = layers[layers.len() - 1] as usize;
            let targets = Array2::from_shape_fn((12, width), |(s, k)| match loss {
                Loss::Mse => (0.7 * s as f64 + 0.5 * k as f64).sin(),
                _ => f64::from(s * 7 % 3 == k),
            });
            let features = Array2::from_shape_fn((12, 3), |(s, k)| (0.9 * s as f64 + 1.3 * k as f64).cos());
            let start = waves(Network::new(&experiment.network).parameter_count());
            let prepared = prepare_on(Precision::F64, experiment, Rows { features, targets }, start);
            let found = train(&prepared, 0).loss_train;
            assert_close(found, expected, 1e-9, &format!("{optimizer:?} {schedule:?} {steps}"));
        }
    }
}

/// .5 sin(1.7 (i + 1)): a start without a generator.
pub(super) fn waves(count: usize) -> Vec<f64> {
    (0..count).map(|i| 0.5 * (1.7 * (i + 1) as f64).sin()).collect()
}

/// MOONS: full-batch gradient descent in numpy, f64.
#[test]
fn moons_descend_as_in_numpy() {
    for (steps, expected, relative) in [
        (0, 1.091723442442, 1e-9),
        (1, 1.003670104110, 1e-9),
        (10, 0.614545002906, 1e-9),
        (100, 0.371556673198, 1e-9),
        (1_000, 0.356787605043, 1e-6),
        (10_000, 0.053993293637, 1e-6),
    ] {
        let mut experiment = demo();
        mlp(&mut experiment).layers = vec![2, 4, 1];
        experiment.data.source = DataSource::Moons { samples: 64, noise: 0.0 };
        experiment.train.optimizer = Optimizer::Gd;
        experiment.train.batch = Batch::Full;
        experiment.train.budget = Budget::Steps(steps);
        let dataset = prepare(Precision::F64, experiment.clone()).dataset;
        let prepared = prepare_on(Precision::F64, experiment, dataset.train, waves(17));
        let outcome = train(&prepared, 0);
        assert_close(outcome.loss_train, expected, relative, &format!("loss after {steps}"));
        if steps == 0 {
            assert_close(outcome.grad_norm, 1.358119, 1e-6, "gradient");
        }
    }
}
