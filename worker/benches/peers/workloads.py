"""What is trained: data, starts and how a result is printed. The same for every peer."""

import json
import os
import time

for name in [name for name in os.environ if name.startswith("OPENBLAS_")]:
    del os.environ[name]

import numpy as np

SIZES = {"W1": [2, 4, 1], "W2": [64, 32, 10], "W3": [2, 64, 64, 1], "W5": [784, 256, 10]}
UPDATES = {"W1": 5_000, "W2": 20 * 22, "W3": 1_000, "W5": 20}
BATCH = {"W2": 64, "W5": 128}
RELU = {"W2", "W5"}


def data(workload):
    """Features f32 (rows, inputs) and targets (rows): f32 for W1 and W3, int32 classes for W2 and W5."""
    if workload == "W1":
        return np.array([[0, 0], [0, 1], [1, 0], [1, 1]], np.float32), np.array([0, 1, 1, 0], np.float32)
    if workload == "W2":
        from sklearn.datasets import load_digits
        from sklearn.model_selection import train_test_split

        x, y = load_digits(return_X_y=True)
        x, _, y, _ = train_test_split(x / 16, y, test_size=360, random_state=0, stratify=y)
        return x.astype(np.float32), y.astype(np.int32)
    if workload == "W3":
        i = np.arange(400)
        t = np.pi * (0.25 + 2.75 * (i // 2) / 199)
        r = t / (3 * np.pi)
        side = np.where(i % 2 == 0, 1.0, -1.0)
        return np.stack([side * r * np.cos(t), side * r * np.sin(t)], 1).astype(np.float32), side.astype(np.float32)
    rng = np.random.default_rng(0)
    y = rng.integers(0, 10, 1280)
    mask = np.where(rng.random((10, 784)) < 0.25, 1.0, 0.1)
    return (rng.random((1280, 784)) * mask[y]).astype(np.float32), y.astype(np.int32)


def starts(workload, restarts):
    """For each layer weights (restarts, inputs, outputs) and biases (restarts, outputs), f32, uniform."""
    rng = np.random.default_rng(0)
    layers = []
    for inputs, outputs in zip(SIZES[workload][:-1], SIZES[workload][1:]):
        side = 1 / np.sqrt(inputs)
        weights = rng.uniform(-side, side, (restarts, inputs, outputs)).astype(np.float32)
        layers.append((weights, rng.uniform(-side, side, (restarts, outputs)).astype(np.float32)))
    return layers


class Clock:
    """Seconds on the clock and CPU-seconds of the process since it was made."""

    def __init__(self):
        self.started = time.perf_counter(), time.process_time()

    def read(self):
        return time.perf_counter() - self.started[0], time.process_time() - self.started[1]


def report(system, workload, restarts, seconds, cpu_seconds, losses, share=1.0):
    """Prints one line of JSON. `share`: the part of the workload's row updates that was done."""
    seconds, cpu_seconds = seconds / share, cpu_seconds / share
    line = {
        "system": system,
        "workload": workload,
        "R": restarts,
        "seconds": round(seconds, 4),
        "cpu_seconds": round(cpu_seconds, 4),
        "trainings_per_s": restarts / seconds,
        "trainings_per_cpu_s": restarts / cpu_seconds,
        "final_loss_median": float(np.median(np.asarray(losses, np.float64))),
    }
    print(json.dumps(line), flush=True)
