"""Print the result lines as tables: python benchmarks/table.py"""

import json
from collections import defaultdict
from pathlib import Path

import numpy as np

RESULTS = Path(__file__).parent / "results"
TIMES = ("fit_seconds", "fit_cpu_seconds")


def read(name):
    path = RESULTS / f"{name}.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def print_means(lines, group, value="accuracy", best=None):
    """Print mean and spread of `value` over the seeds for each `group` of keys, sorted."""
    groups = defaultdict(list)
    for line in lines:
        groups[tuple(str(line.get(key, "")) for key in group)].append(line)
    print(" | ".join([*group, value, "seeds", "seconds"]))
    for key, rows in sorted(groups.items(), key=lambda item: -np.mean([r[value] for r in item[1]])):
        values = [100 * row[value] for row in rows]
        times = [row[key] for row in rows for key in TIMES if key in row]
        shown = f"{np.mean(values):.1f} +- {np.std(values):.1f}"
        seconds = f"{np.mean(times):.0f}" if times else ""
        print(" | ".join([*key, shown, str(len(rows)), seconds]))
        best = best and best - 1
        if best == 0:
            break


if __name__ == "__main__":
    for data in ("digits", "cifar10-4k"):
        print(f"\n{data}: default parameters")
        lines = [line for line in read("accuracy") if line["data"] == data]
        print_means(lines, ["embedder", "pool_size"])
        print(f"\n{data}: sweep, the best stage and pool size of each setting")
        lines = [line for line in read("defaults") if line["data"] == data]
        for setting in dict.fromkeys(line["setting"] for line in lines):
            rows = [line for line in lines if line["setting"] == setting]
            print_means(rows, ["setting", "layer", "pool_size"], best=3)
        print(f"\n{data}: sweep of the other methods, the best stages of each setting")
        lines = [line for line in read("method_defaults") if line["data"] == data]
        for setting in dict.fromkeys(line["setting"] for line in lines):
            rows = [line for line in lines if line["setting"] == setting]
            print_means(rows, ["setting", "layer", "epochs"], best=2)
    for budget in dict.fromkeys(line["budget"] for line in read("methods")):
        lines = [line for line in read("methods") if line["budget"] == budget]
        print(f"\nall methods, CPU seconds: {budget}")
        for value in ("linear", "knn"):
            print_means(lines, ["method", "layer"], value=value)
