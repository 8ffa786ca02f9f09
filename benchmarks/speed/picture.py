"""The figure of docs/speed.md, drawn from the results of speed.py (requires matplotlib).

python -m benchmarks.speed.picture
"""

from pathlib import Path

import matplotlib
import matplotlib.pyplot as plt

from benchmarks._tables._lines import newest, read
from benchmarks._tables.speed import DEVICES, KEYS, WAYS

PICTURE = Path(__file__).parents[2] / "docs" / "images" / "speed.svg"
COLORS = {
    "skorch": "#bbbbbb",
    "kornia": "#8c8c8c",
    "lightly": "#e3a857",
    "sklssl": "#1f6fb4",
    "bare": "#a8cbe8",
}


def draw(lines, path=PICTURE):
    """Draw the images per second of every library relative to skorch, for each network."""
    matplotlib.use("agg")
    matplotlib.rcParams.update({"svg.hashsalt": "sklssl", "font.size": 9})
    lines = [x for x in lines if x["part"] == "throughput" and "skorch" in x["per_second"]]
    devices = [on for on in DEVICES if any(line["on"] == on for line in lines)]
    size = (9, 0.6 + 2.4 * len(devices))
    figure, grid = plt.subplots(len(devices), 2, figsize=size, squeeze=False, layout="constrained")
    for on, row in zip(devices, grid, strict=True):
        for method, axes in zip(("RotNet", "SimCLR"), row, strict=True):
            found = [x for x in lines if x["on"] == on and x["method"] == method]
            _bars(axes, found, f"{method}, {DEVICES[on]}")
    handles = [plt.Rectangle((0, 0), 1, 1, color=COLORS[way]) for way in WAYS]
    figure.legend(
        handles, WAYS.values(), loc="outside lower center", ncols=len(WAYS), frameon=False
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, metadata={"Date": None} if path.suffix == ".svg" else None)
    plt.close(figure)


def _bars(axes, lines, title):
    for i, line in enumerate(lines):
        found = line["per_second"]
        ways = [way for way in WAYS if way in found]
        width = 0.82 / len(ways)
        for j, way in enumerate(ways):
            x, height = i + width * (j - (len(ways) - 1) / 2), found[way] / found["skorch"]
            axes.bar(x, height, width, color=COLORS[way])
            if way == "sklssl":
                axes.annotate(f"{height:.1f}", (x, height), ha="center", va="bottom", fontsize=8)
    axes.set_xticks(range(len(lines)), [line["network"] for line in lines])
    axes.axhline(1, color="#444444", linewidth=0.6)
    axes.set(title=title, ylabel="images/s, skorch = 1")
    axes.margins(y=0.12)
    axes.spines[["top", "right"]].set_visible(False)


if __name__ == "__main__":
    draw(newest(read("speed/speed"), *KEYS))
