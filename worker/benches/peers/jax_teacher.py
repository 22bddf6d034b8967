"""JAX on W4: the population loss of a student and an orthonormal teacher, k = n = 10, f64, gradient by hand as a user
would write it for speed. `python jax_teacher.py RESTARTS vmap|devices`"""

import os
import sys

restarts, mode = int(sys.argv[1]), sys.argv[2]
if mode == "devices":
    os.environ["XLA_FLAGS"] = f"{os.environ.get('XLA_FLAGS', '')} --xla_force_host_platform_device_count={os.cpu_count()}"
os.environ["JAX_PLATFORMS"] = "cpu"
os.environ["JAX_ENABLE_X64"] = "1"

from workloads import Clock, np, report

import jax
import jax.numpy as jnp
from jax import lax

UNITS, UPDATES = 10, 2_000
teacher = jnp.eye(UNITS)


def pairs(a, b):
    """Norms, directions of `a`, and cosine, sine and angle of each pair of rows."""
    norm_a, norm_b = jnp.sqrt((a * a).sum(-1)), jnp.sqrt((b * b).sum(-1))
    u, v = a / norm_a[:, None], b / norm_b[:, None]
    cosine = jnp.clip(u @ v.T, -1.0, 1.0)
    sine = jnp.sqrt(jnp.maximum(1 - cosine * cosine, 0.0))
    return norm_a, norm_b, u, cosine, sine, jnp.arctan2(sine, cosine)


def gradient(w):
    _, norm, u, _, sine, angle = pairs(w, w)
    others = 1 - jnp.eye(UNITS)
    between = ((norm[None] * sine) * others).sum(1)[:, None] * u + ((jnp.pi - angle) * others) @ w
    _, norm, u, _, sine, angle = pairs(w, teacher)
    towards = (norm[None] * sine).sum(1)[:, None] * u + (jnp.pi - angle) @ teacher
    return 0.5 * w + (between - towards) / (2 * jnp.pi)


def loss(w):
    def total(a, b):
        norm_a, norm_b, _, cosine, sine, angle = pairs(a, b)
        return (norm_a[:, None] * norm_b[None] * (sine + (jnp.pi - angle) * cosine)).sum() / (2 * jnp.pi)

    return 0.5 * total(w, w) - total(w, teacher) + 0.5 * total(teacher, teacher)


def train(w):
    return loss(lax.scan(lambda w, _: (w - 0.1 * gradient(w), None), w, None, length=UPDATES)[0])


start = jnp.asarray(np.random.default_rng(0).standard_normal((restarts, UNITS, UNITS)) / np.sqrt(UNITS))
if mode == "devices":
    from jax import shard_map
    from jax.sharding import Mesh, NamedSharding, PartitionSpec

    mesh = Mesh(np.array(jax.devices()), ("restart",))
    spec = PartitionSpec("restart")
    start = jax.device_put(start, NamedSharding(mesh, spec))
    trainer = jax.jit(shard_map(jax.vmap(train), mesh=mesh, in_specs=spec, out_specs=spec, check_vma=False))
else:
    trainer = jax.jit(jax.vmap(train))
trainer = trainer.lower(start).compile()
np.asarray(trainer(start))
clock = Clock()
losses = np.asarray(trainer(start))
report(f"jax-{mode}", "W4", restarts, *clock.read(), losses)
