"""JAX: one compiled program for all restarts. `python jax_peer.py W1|W2|W3|W5 RESTARTS vmap|map|devices`"""

import os
import sys

workload, restarts, mode = sys.argv[1], int(sys.argv[2]), sys.argv[3]
if mode == "devices":
    os.environ["XLA_FLAGS"] = f"{os.environ.get('XLA_FLAGS', '')} --xla_force_host_platform_device_count={os.cpu_count()}"
os.environ["JAX_PLATFORMS"] = "cpu"

from workloads import BATCH, RELU, UPDATES, Clock, data, np, report, starts

import jax
import jax.numpy as jnp
from jax import lax
from jax.tree_util import tree_map

features, targets = (jnp.asarray(values) for values in data(workload))
rows = len(features)
share = 1.0


def loss(layers, x, y):
    for depth, (weights, biases) in enumerate(layers):
        x = x @ weights + biases
        if depth + 1 < len(layers):
            x = jax.nn.relu(x) if workload in RELU else jnp.tanh(x)
    if workload in RELU:
        return jnp.mean(jax.nn.logsumexp(x, -1) - jnp.take_along_axis(x, y[:, None], -1)[:, 0])
    return jnp.mean((x[:, 0] - y) ** 2)


gradient = jax.grad(loss)

if workload == "W1":

    def train(layers):
        def update(layers, _):
            return tree_map(lambda p, g: p - 0.1 * g, layers, gradient(layers, features, targets)), None

        return loss(lax.scan(update, layers, None, length=UPDATES["W1"])[0], features, targets)

elif workload == "W3":

    def train(layers):
        def update(carry, t):
            layers, first, second = carry
            g = gradient(layers, features, targets)
            first = tree_map(lambda m, g: 0.9 * m + 0.1 * g, first, g)
            second = tree_map(lambda v, g: 0.999 * v + 0.001 * g * g, second, g)
            c1, c2 = 1 / (1 - 0.9**t), 1 / (1 - 0.999**t)
            step = lambda p, m, v: p - 0.01 * c1 * m / (jnp.sqrt(v * c2) + 1e-8)
            return (tree_map(step, layers, first, second), first, second), None

        zeros = tree_map(jnp.zeros_like, layers)
        steps = jnp.arange(1, UPDATES["W3"] + 1, dtype=jnp.float32)
        return loss(lax.scan(update, (layers, zeros, zeros), steps)[0][0], features, targets)

else:
    batch = BATCH[workload]
    batches = rows // batch
    share = batches * batch / rows
    rng = np.random.default_rng(1)
    epochs = UPDATES[workload] // batches
    order = np.concatenate([rng.permutation(rows)[: batches * batch].reshape(batches, batch) for _ in range(epochs)])
    # prepared once and shared by all restarts: what a minibatch costs JAX least
    prepared = features[order], targets[order]

    def train(layers):
        def update(carry, rows):
            layers, velocity = carry
            velocity = tree_map(lambda v, g: 0.9 * v + g, velocity, gradient(layers, *rows))
            return (tree_map(lambda p, v: p - 0.1 * v, layers, velocity), velocity), None

        end = lax.scan(update, (layers, tree_map(jnp.zeros_like, layers)), prepared)[0][0]
        return loss(end, features, targets)


layers = [(jnp.asarray(weights), jnp.asarray(biases)) for weights, biases in starts(workload, restarts)]
if mode == "map":
    trainer = jax.jit(lambda layers: lax.map(train, layers))
elif mode == "devices":
    from jax import shard_map
    from jax.sharding import Mesh, NamedSharding, PartitionSpec

    mesh = Mesh(np.array(jax.devices()), ("restart",))
    spec = PartitionSpec("restart")
    layers = tree_map(lambda values: jax.device_put(values, NamedSharding(mesh, spec)), layers)
    trainer = jax.jit(shard_map(jax.vmap(train), mesh=mesh, in_specs=spec, out_specs=spec, check_vma=False))
else:
    trainer = jax.jit(jax.vmap(train))
trainer = trainer.lower(layers).compile()
# the first execution is cold
np.asarray(trainer(layers))
clock = Clock()
losses = np.asarray(trainer(layers))
report(f"jax-{mode}", workload, restarts, *clock.read(), losses, share)
