"""
A baseline for a paper
======================

What a paper reports about features learned without labels should be easy to compare with: the same
split and the same probe for all rows, several seeds, simple baselines, and everything that is
needed to repeat it. This example makes such a table. Replace a row of ``EMBEDDERS`` by your method.

Run ``python examples/paper_baseline.py`` for scikit-learn's digits, in a few minutes, or use your
own images, with one folder per class: ``python examples/paper_baseline.py --data my_images.zip``.
The results are written to the folder ``baseline``.
"""

# %%
# The rows of the table
# ---------------------
# Three baselines come first: raw pixels, a convolutional network with random weights, and a
# dictionary of patches, which is fitted in seconds and hard to beat on small images. (The default
# backbone of ``RotNetEmbedder`` begins with such a dictionary, and is no untrained network even
# without any epochs.) The settings of all rows must be chosen without the test images.

import argparse
import csv
import inspect
import json
import re
import sys
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from sklssl import PatchDictionaryEmbedder, RotNetEmbedder, show_versions
from sklssl.datasets import load_digit_images, load_image_folder

parser = argparse.ArgumentParser(description="A table of baselines over several seeds.")
parser.add_argument("--data", help="a folder or zip file of images, one folder per class")
parser.add_argument("--image-size", type=int, default=64, help="side of your images")
parser.add_argument("--seeds", type=int, default=3, help="how many, at least 2")
parser.add_argument("--epochs", type=int, default=10, help="of networks that are trained")
parser.add_argument("--n-labels", type=int, nargs="+", default=[1, 2, 5, 10, 20, 50])
parser.add_argument("--output", default="baseline", help="folder of the results")
parser.add_argument("--small", action="store_true", help="one epoch and two seeds")
args = parser.parse_args(sys.argv[1:] if "__file__" in globals() else ["--small"])
if args.small:
    args.epochs, args.seeds = 1, 2
    print("--small: one epoch and two seeds, so the table says little.")
if args.seeds < 2:
    parser.error(f"--seeds must be at least 2, to measure the spread. Got {args.seeds}.")
if min(args.n_labels) < 1:
    parser.error(f"--n-labels must be at least 1. Got {min(args.n_labels)}.")
output = Path(args.output)


def flatten(images):
    """Return the pixels of each image as a row."""
    return images.reshape(len(images), -1) / 255


EMBEDDERS = {
    "raw pixels": FunctionTransformer(flatten),
    "untrained network": RotNetEmbedder("convnet", max_epochs=0),
    "patch dictionary": PatchDictionaryEmbedder(),
    "RotNet": RotNetEmbedder(max_epochs=args.epochs),
}

# %%
# The protocol
# ------------
# The test images are drawn once, and their file names or rows are saved with the results. A seed
# determines everything else: the weights of the networks, the order of the images, and which images
# are labelled.


def load(data, image_size):
    """Return images, class indices, names of classes and names of images."""
    if data is None:
        bunch = load_digit_images()
        names = [str(row) for row in range(len(bunch.images))]
        return bunch.images, bunch.target, bunch.target_names, names
    bunch = load_image_folder(data, image_size=image_size)
    return bunch.images, bunch.target, bunch.target_names, [str(name) for name in bunch.filenames]


def split(y, target_names, n_labels):
    """Return the rows for training, with those without a label, and the rows for testing."""
    labelled = np.flatnonzero(y >= 0)
    sizes = np.bincount(y[labelled])
    if len(sizes) < 2:
        raise ValueError(
            f"At least two classes are needed, one folder each. There are labels of {len(sizes)}."
        )
    if sizes.min() < 2:
        raise ValueError(
            f"There is only one image of the class '{target_names[sizes.argmin()]}'. At least 2 "
            "images per class are needed: one for training, and one for testing."
        )
    _, test = train_test_split(labelled, test_size=0.25, random_state=0, stratify=y[labelled])
    train = np.setdiff1d(np.arange(len(y)), test)
    sizes = np.bincount(y[np.intersect1d(train, labelled)])
    if sizes.min() < n_labels:
        raise ValueError(
            f"The smallest class, '{target_names[sizes.argmin()]}', has {sizes.min()} training "
            f"images, but --n-labels asks for {n_labels}. Pass smaller numbers."
        )
    return train, test


try:
    X, y, target_names, names = load(args.data, args.image_size)
    train, test = split(y, target_names, max(args.n_labels))
    output.mkdir(parents=True, exist_ok=True)
except (OSError, ValueError) as error:  # problems with the user's images
    parser.error(str(error))

protocol = {
    "data": args.data or "scikit-learn's digits",
    "seeds": list(range(args.seeds)),
    "n_labels": args.n_labels,
    "embedders": {name: " ".join(repr(e).split()) for name, e in EMBEDDERS.items()},
    "probe": "StandardScaler, LogisticRegression(C=5 / n_features, max_iter=1000)",
    "test_images": [names[row] for row in test],
}
(output / "protocol.json").write_text(json.dumps(protocol, indent=1), encoding="utf-8")

# %%
# The results
# -----------
# For each seed, an embedder is fitted on all training images without labels. The same probe is
# fitted on the features of the same labelled images for every row. Its only parameter, C, depends
# on the number of features, since the same C for all would favour embedders with more of them.


def draw_labelled(seed):
    """Return the rows of the training images that are labelled, by number of labels per class."""
    rng = np.random.default_rng(seed)
    classes = [rng.permutation(np.flatnonzero(y[train] == c)) for c in range(y.max() + 1)]
    return {n: np.concatenate([rows[:n] for rows in classes]) for n in sorted(args.n_labels)}


def make_probe(n_features):
    """Return the classifier of the features."""
    return make_pipeline(StandardScaler(), LogisticRegression(C=5 / n_features, max_iter=1000))


results = []
for seed in range(args.seeds):
    labelled_rows = draw_labelled(seed)
    for method, embedder in EMBEDDERS.items():
        embedder = clone(embedder)
        if "random_state" in embedder.get_params():
            embedder.set_params(random_state=seed)
        Z, Z_test = embedder.fit(X[train]).transform(X[train]), embedder.transform(X[test])
        for n, rows in labelled_rows.items():
            probe = make_probe(Z.shape[1]).fit(Z[rows], y[train][rows])
            accuracy = float(probe.score(Z_test, y[test]))
            row = {"seed": seed, "method": method, "n_labels": n, "accuracy": accuracy}
            results.append(row)
        print(f"seed {seed}, {method}: {accuracy:.1%} with {n} labels per class")
with open(output / "results.csv", "w", newline="", encoding="utf-8") as file:
    writer = csv.DictWriter(file, fieldnames=list(results[0]))
    writer.writeheader()
    writer.writerows(results)

# %%
# The table
# ---------
# Mean and standard deviation over the seeds, in per cent. The spread includes the variation between
# seeds and draws of labels, but not between test sets: on n test images, an accuracy p has a
# standard error of sqrt(p (1 - p) / n), which is stated below the table.

N_LABELS = sorted(args.n_labels)


def summarise(method, n):
    """Return the mean and the standard deviation over the seeds, in per cent."""
    found = [r["accuracy"] for r in results if (r["method"], r["n_labels"]) == (method, n)]
    return 100 * np.mean(found), 100 * np.std(found, ddof=1)


summary = {method: [summarise(method, n) for n in N_LABELS] for method in EMBEDDERS}


def to_markdown(summary):
    """Return the table for a web page."""
    lines = [["labels per class", *map(str, N_LABELS)], ["---"] * (1 + len(N_LABELS))]
    for method, cells in summary.items():
        lines.append([method, *(f"{mean:.1f} ± {spread:.1f}" for mean, spread in cells)])
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


(output / "table.md").write_text(to_markdown(summary), encoding="utf-8")
print(f"{to_markdown(summary)}\nAccuracy in per cent, mean ± standard deviation over {args.seeds}")
print(f"seeds; {len(train)} training and {len(test)} test images, so that the standard error")
print(f"of an accuracy of 90 % is {100 * np.sqrt(0.9 * 0.1 / len(test)):.1f}.")

# %%
# For LaTeX, with the package booktabs:


def to_latex(summary):
    """Return the table for a paper."""
    lines = [["labels per class", *map(str, N_LABELS)]]
    for method, cells in summary.items():
        escaped = re.sub(r"([&%$#_{}])", r"\\\1", method)
        lines.append([escaped, *(rf"${mean:.1f} \pm {spread:.1f}$" for mean, spread in cells)])
    head, *body = [" & ".join(line) + r" \\" for line in lines]
    columns = "l" + "r" * len(N_LABELS)
    begin = [rf"\begin{{tabular}}{{{columns}}}", r"\toprule", head, r"\midrule"]
    return "\n".join([*begin, *body, r"\bottomrule", r"\end{tabular}", ""])


(output / "table.tex").write_text(to_latex(summary), encoding="utf-8")
print(to_latex(summary))

# %%
# The picture
# -----------
# How many labels does a method save? Compare the curves from left to right, at the same accuracy.

figure, ax = plt.subplots(figsize=(6, 4), layout="constrained")
for method, cells in summary.items():
    means, spreads = np.transpose(cells)
    style = "--" if method in ("raw pixels", "untrained network") else "-"
    ax.errorbar(N_LABELS, means, spreads, label=method, marker="o", ms=4, ls=style, capsize=2)
ax.set_xscale("log")
ax.set_xticks(N_LABELS, labels=map(str, N_LABELS))
ax.minorticks_off()
ax.set(xlabel="labels per class", ylabel="accuracy (%)")
ax.spines[["top", "right"]].set_visible(False)
ax.legend(frameon=False)
figure.savefig(output / "labels.png", dpi=150)

# %%
# What others need to repeat it
# -----------------------------
# Besides the protocol, the papers to cite, which are in the documentation of each method, and the
# versions of all packages.


def references(embedders):
    """Return the papers of the methods that were used."""
    found = {}
    for embedder in embedders:
        text = inspect.getdoc(type(embedder)) or ""
        section = re.search(r"References\n-+\n(.*?)(\n\n[^\n]+\n---|\Z)", text, re.DOTALL)
        if type(embedder).__module__.startswith("sklssl") and section:
            for paper in section.group(1).split("\n\n"):
                found[" ".join(paper.split())] = None
    return list(found)


print("Papers to cite:")
print(*(f"- {paper}" for paper in references(EMBEDDERS.values())), sep="\n")
print("\nVersions to state:")
show_versions()
print(f"\nThe results are in the folder {output}.")
