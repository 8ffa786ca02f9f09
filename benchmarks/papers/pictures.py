"""The charts of docs/papers.md and its pages, drawn from the results (requires matplotlib).

python -m benchmarks.papers.pictures
"""

from pathlib import Path

import matplotlib
import matplotlib.pyplot as plt
import numpy as np

from benchmarks._tables import _reported as reported
from benchmarks._tables._lines import chosen
from benchmarks._tables._papers import difference, lines_of

IMAGES = Path(__file__).parents[2] / "docs" / "images"
HERE, THEIRS = "#1f6fb4", "#e3a857"


def draw_claims():
    """Draw the difference of every claim, theirs and ours with twice its standard error."""
    found = [(claim, difference(claim)) for claim in reported.CLAIMS]
    found = [(claim, ours) for claim, ours in found if ours.seeds][::-1]
    figure, axes = plt.subplots(figsize=(9, 0.8 + 0.27 * len(found)), layout="constrained")
    places = np.arange(len(found))
    means = [ours.mean for _, ours in found]
    axes.axvline(0, color="#444444", linewidth=0.6)
    axes.errorbar(
        means, places, xerr=[2 * ours.noise for _, ours in found], fmt="o", color=HERE, label="here"
    )
    axes.plot([claim.theirs for claim, _ in found], places, "x", color=THEIRS, label="the paper")
    axes.set_yticks(places, [claim.text for claim, _ in found], fontsize=8)
    axes.set(xscale="symlog", xlabel="difference in points of accuracy (logarithmic beyond 1)")
    axes.set_xticks([-10, -1, 0, 1, 10, 100], ["-10", "-1", "0", "1", "10", "100"])
    axes.set_xlim(right=100)
    axes.legend(loc="upper left", frameon=False)
    axes.spines[["top", "right"]].set_visible(False)
    return figure


def draw_scalenet():
    """Draw the accuracy of RotNet and ScaleNet for every input, the paper's and ours."""
    names = ("original", "Harris", "hybrid", "grey", "grey-Harris")
    theirs = {row.ours: row.theirs["images"] for row in reported.SCALENET_LIMITED}
    lines = chosen(lines_of("scalenet"), size="cpu")
    figure, grid = plt.subplots(1, 2, figsize=(9, 3), layout="constrained")
    titles = ("the paper: 4,000 images, ResNet-50", "here, a small network")
    for axes, title in zip(grid, titles, strict=True):
        for method, color in (("RotNet", THEIRS), ("ScaleNet", HERE)):
            rows = [f"{method}, {name}" for name in names]
            ours = [[100 * x["images"] for x in chosen(lines, row=row)] for row in rows]
            values = [theirs[r] for r in rows] if axes is grid[0] else [np.mean(v) for v in ours]
            axes.plot(range(len(names)), values, "o", color=color, label=method)
        axes.set_xticks(range(len(names)), names)
        axes.set(title=title, ylabel="accuracy, %")
        axes.grid(axis="y", linewidth=0.4)
        axes.spines[["top", "right"]].set_visible(False)
    # The same span, so that a difference is as large in both.
    span = max(np.ptp(axes.get_ylim()) for axes in grid)
    for axes in grid:
        middle = np.mean(axes.get_ylim())
        axes.set_ylim(middle - span / 2, middle + span / 2)
    grid[1].legend(frameon=False, loc="upper left", bbox_to_anchor=(1, 1))
    return figure


def draw_nin():
    """Draw the accuracy on each block of the Network in Network."""
    lines = chosen(lines_of("nin"), size="cpu", row="RotNet")
    (row,) = reported.NIN_BLOCKS
    figure, axes = plt.subplots(figsize=(5, 3), layout="constrained")
    blocks = list(reported.BLOCKS)
    ours = [np.mean([100 * x[block] for x in lines]) for block in blocks]
    axes.plot(range(1, 5), list(row.theirs.values()), "x-", color=THEIRS, label="the paper")
    axes.plot(range(1, 5), ours, "o-", color=HERE, label="here")
    axes.set(xticks=range(1, 5), xlabel="block", ylabel="accuracy, %", ylim=(0, 100))
    axes.legend(frameon=False)
    axes.spines[["top", "right"]].set_visible(False)
    return figure


def draw_patches():
    """Draw the accuracy of every method, the paper's and ours: frozen and tuned."""
    lines = chosen(lines_of("patches"), size="cpu")
    tables = {
        "ResNet-8, STL-10 / CIFAR-10": reported.PATCHES_STL,
        "ResNet-8, Tiny-ImageNet": reported.PATCHES_TINY,
        "ResNet-32, STL-10 / CIFAR-10": reported.PATCHES_DEEP,
    }
    figure, grid = plt.subplots(1, 3, figsize=(9, 3.6), sharey=True, layout="constrained")
    for axes, (title, rows) in zip(grid, tables.items(), strict=True):
        for place, row in enumerate(reversed(rows)):
            ours = chosen(lines, row=row.ours)
            for key, filled in (("linear", False), ("tuned", True)):
                if row.theirs.get(key) is not None:
                    axes.plot(row.theirs[key], place, "x" if filled else "+", color=THEIRS)
                found = [100 * x[key] for x in ours if key in x]
                if found:
                    face = HERE if filled else "none"
                    axes.plot(np.mean(found), place, "o", color=HERE, mfc=face, markersize=5)
        axes.set_yticks(range(len(rows)), [row.title for row in reversed(rows)])
        axes.set_title(title, fontsize=9)
        axes.set(xlabel="accuracy, %", xlim=(0, 80))
        axes.grid(axis="x", linewidth=0.4)
        axes.spines[["top", "right"]].set_visible(False)
    return figure


PICTURES = {
    "papers": draw_claims,
    "paper_scalenet": draw_scalenet,
    "paper_nin": draw_nin,
    "paper_patches": draw_patches,
}

if __name__ == "__main__":
    matplotlib.use("agg")
    matplotlib.rcParams.update(
        {"svg.hashsalt": "sklssl", "svg.fonttype": "none", "font.size": 9}  # text stays text
    )
    for name, draw in PICTURES.items():
        draw().savefig(IMAGES / f"{name}.svg", metadata={"Date": None})
