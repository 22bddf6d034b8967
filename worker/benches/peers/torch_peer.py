"""PyTorch: gradients of all restarts by torch.func. `python torch_peer.py W1|W2|W3|W5 RESTARTS vmap|compile|loop [SHARE]`

`loop` is one ordinary network after the other. SHARE of the updates is done and the time scaled up."""

import sys

workload, restarts, mode = sys.argv[1], int(sys.argv[2]), sys.argv[3]
wanted_share = float(sys.argv[4]) if len(sys.argv) > 4 else 1.0

from workloads import BATCH, RELU, SIZES, UPDATES, Clock, data, report, starts

import torch
from torch.func import grad, vmap

# a second thread only spins on networks this small
torch.set_num_threads(1)
features, targets = (torch.from_numpy(values) for values in data(workload))
rows, relu = len(features), workload in RELU
if relu:
    targets = targets.long()
batch = BATCH.get(workload, rows)
updates = max(2, int(UPDATES[workload] * wanted_share))
share = updates / UPDATES[workload] * (rows // batch * batch) / rows
activation = torch.relu if relu else torch.tanh
generator = torch.Generator().manual_seed(1)
order = torch.arange(rows)


def rows_of(step):
    """The rows of an update; a new order each epoch, the last short batch dropped."""
    global order
    if batch == rows:
        return features, targets
    place = step % (rows // batch)
    if place == 0:
        order = torch.randperm(rows, generator=generator)
    chosen = order[place * batch : (place + 1) * batch]
    return features[chosen], targets[chosen]


def criterion(outputs, y):
    return torch.nn.functional.cross_entropy(outputs, y) if relu else ((outputs[..., 0] - y) ** 2).mean()


def loss(layers, x, y):
    for depth, (weights, biases) in enumerate(layers):
        x = x @ weights + biases
        if depth + 1 < len(layers):
            x = activation(x)
    return criterion(x, y)


def train_one_by_one():
    """Ordinary modules and optimisers; the first network warms up."""
    losses = []
    for number in range(-1, restarts):
        if number == 0:
            clock, losses = Clock(), []
        modules = []
        for inputs, outputs in zip(SIZES[workload][:-1], SIZES[workload][1:]):
            modules += [torch.nn.Linear(inputs, outputs), torch.nn.ReLU() if relu else torch.nn.Tanh()]
        network = torch.nn.Sequential(*modules[:-1])
        if workload == "W3":
            optimizer = torch.optim.Adam(network.parameters(), 0.01)
        else:
            optimizer = torch.optim.SGD(network.parameters(), 0.1, 0.9 if relu else 0.0)
        for step in range(updates if number >= 0 else 3):
            x, y = rows_of(step)
            optimizer.zero_grad()
            criterion(network(x), y).backward()
            optimizer.step()
        losses.append(criterion(network(features), targets).item())
    return *clock.read(), losses


def train_together():
    layers = [tuple(torch.from_numpy(values) for values in layer) for layer in starts(workload, restarts)]
    flat = [values for layer in layers for values in layer]
    first, second = ([torch.zeros_like(values) for values in flat] for _ in range(2))
    gradient = vmap(grad(loss), in_dims=(0, None, None))
    if mode == "compile":
        gradient = torch.compile(gradient)

    def update(step, count):
        g = [values for layer in gradient(layers, *rows_of(step)) for values in layer]
        with torch.no_grad():
            if workload == "W1":
                torch._foreach_add_(flat, g, alpha=-0.1)
            elif relu:
                torch._foreach_mul_(first, 0.9)
                torch._foreach_add_(first, g)
                torch._foreach_add_(flat, first, alpha=-0.1)
            else:
                torch._foreach_lerp_(first, g, 0.1)
                torch._foreach_mul_(second, 0.999)
                torch._foreach_addcmul_(second, g, g, value=0.001)
                root = torch._foreach_sqrt(second)
                torch._foreach_mul_(root, (1 - 0.999**count) ** -0.5)
                torch._foreach_add_(root, 1e-8)
                torch._foreach_addcdiv_(flat, first, root, value=-0.01 / (1 - 0.9**count))

    for step in range(2):
        gradient(layers, *rows_of(step))
    clock = Clock()
    for step in range(updates):
        update(step, step + 1)
    with torch.no_grad():
        losses = vmap(loss, in_dims=(0, None, None))(layers, features, targets).numpy()
    return *clock.read(), losses


seconds, cpu_seconds, losses = train_one_by_one() if mode == "loop" else train_together()
report(f"torch-{mode}", workload, restarts, seconds, cpu_seconds, losses, share)
