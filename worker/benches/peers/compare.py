"""Ours and the peers' trainings in turn: `python compare.py [W1 W2 W3 W4 W5] [--rounds 3] [--peers jax,torch]`.

Prints a table, and all measurements as lines of JSON before it."""

import argparse
import importlib.util
import json
import os
import pathlib
import statistics
import subprocess
import sys

HERE = pathlib.Path(__file__).parent
# restarts for which each mode is at its best on a few cores; the last number of torch's is the share of updates done
JAX = {
    "W1": [("devices", 4096)],
    "W2": [("devices", 256), ("vmap", 256)],
    "W3": [("devices", 16), ("vmap", 16)],
    "W4": [("devices", 1024)],
    "W5": [("map", 32), ("devices", 32)],
}
TORCH = {
    "W1": [("compile", 4096, 0.1), ("vmap", 4096, 0.1)],
    "W2": [("compile", 64, 0.3), ("vmap", 64, 0.3)],
    "W3": [("compile", 16, 0.1), ("vmap", 16, 0.1)],
    "W5": [("compile", 16, 1.0), ("loop", 8, 1.0)],
}


def lines_of(command):
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, cwd=HERE)
    lines = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    if done.returncode or not lines:
        raise SystemExit(f"{command} failed:\n{done.stderr[-2000:]}")
    return lines[-1]


def contenders(workload, peers):
    """Name and command of everything that trains this workload."""
    bench = ["cargo", "bench", "--quiet", "--package", "seedsweep-worker", "--bench", "speed", "--", workload]
    yield "ours", [*bench, f"threads={os.cpu_count()}"]
    if "torch" in peers and workload in TORCH:
        yield "ours-1-thread", [*bench, "threads=1"]
        for mode, restarts, share in TORCH[workload]:
            yield f"torch-{mode}", [sys.executable, "torch_peer.py", workload, restarts, mode, share]
    if "jax" in peers:
        for mode, restarts in JAX[workload]:
            peer = ["jax_teacher.py"] if workload == "W4" else ["jax_peer.py", workload]
            yield f"jax-{mode}", [sys.executable, *peer, restarts, mode]


def ratio(ours, theirs, unit):
    """Ratio of medians, and the range of the ratios round by round."""
    ours, theirs = [line[unit] for line in ours], [line[unit] for line in theirs]
    rounds = [a / b for a, b in zip(ours, theirs)]
    return statistics.median(ours) / statistics.median(theirs), min(rounds), max(rounds)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("workloads", nargs="*", default=sorted(JAX))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--peers", default="jax,torch")
    asked = parser.parse_args()
    peers = [peer for peer in asked.peers.split(",") if importlib.util.find_spec(peer)]
    table = ["workload  peer            unit                 ours       peer       ratio  (round by round)"]
    for workload in asked.workloads:
        measured = {}
        for _ in range(asked.rounds):
            for name, command in contenders(workload, peers):
                line = lines_of(command)
                print(json.dumps({**line, "load": os.getloadavg()[0]}), flush=True)
                measured.setdefault(name, []).append(line)
        for name, theirs in measured.items():
            if name.startswith("ours"):
                continue
            ours, unit = ("ours", "trainings_per_s") if name.startswith("jax") else ("ours-1-thread", "trainings_per_cpu_s")
            of_medians, low, high = ratio(measured[ours], theirs, unit)
            medians = (statistics.median(line[unit] for line in lines) for lines in (measured[ours], theirs))
            numbers = "".join(f"{number:>11.1f}" for number in medians)
            table.append(f"{workload:<9} {name:<15} {unit:<19}{numbers}  {of_medians:>10.2f}  ({low:.2f}-{high:.2f})")
    print("\n".join(table))


if __name__ == "__main__":
    main()
