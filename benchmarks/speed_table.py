"""Tables and a picture of what speed.py found: the newest line of each of its rows.

    python benchmarks/speed_table.py [--write] [--results FILE]

Prints Markdown; with `--write` it takes the place of what stands between the two marks of
docs/speed.md, and the picture is drawn anew (needs matplotlib).
"""

import argparse
import json
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGE, PICTURE = ROOT / "docs" / "speed.md", ROOT / "docs" / "images" / "speed.svg"
RESULTS = Path(__file__).parent / "results" / "speed.jsonl"
BEGIN, END = "<!-- figures: benchmarks/speed_table.py --write -->", "<!-- end of the figures -->"
KEYS = ("on", "part", "network", "method", "n_images")
DEVICES = {"cpu": "Processor", "cuda": "GPU"}
WAYS = {
    "skorch": "skorch + torchvision",
    "kornia": "skorch + kornia",
    "lightly": "lightly",
    "sklssl": "sklssl",
    "bare": "by hand",
}
COLORS = {
    "skorch": "#bbbbbb",
    "kornia": "#8c8c8c",
    "lightly": "#e3a857",
    "sklssl": "#1f6fb4",
    "bare": "#a8cbe8",
}


def newest(path):
    """Give the last line of each row, in the order in which rows first came."""
    lines = [json.loads(text) for text in Path(path).read_text().splitlines()]
    return list({tuple(line.get(key) for key in KEYS): line for line in lines}.values())


def table(head, body):
    """Give Markdown, or nothing without any row."""
    if not body:
        return []
    rule = ["---"] * len(head)
    return [f"| {' | '.join(map(str, row))} |" for row in (head, rule, *body)] + [""]


def number(value, digits=0):
    return "" if value is None else f"{value:,.{digits}f}"


def rates(line):
    return [number(line["per_second"].get(way)) for way in WAYS]


def span(line, way):
    """Give the ratio of sklssl to `way`, and its range over the turns."""
    if way not in line["ratio"]:
        return ""
    low, high = line["ratio_range"][way]
    return f"{line['ratio'][way]:.2f} ({low:.2f} to {high:.2f})"


def throughput_table(lines):
    head = ["`fit`, images/s", "batch", *WAYS.values(), "sklssl / by hand (range)"]
    body = [
        [f"{x['network']}, {x['method']}", x["batch_size"], *rates(x), span(x, "bare")]
        for x in lines
    ]
    return table(head, body)


def transform_table(lines):
    head = ["`transform`, images/s", "stage", "float32, channels first", "sklssl", "bare forward"]
    body = [
        [
            x["network"],
            x["layer"],
            *(number(x["per_second"][way]) for way in ("plain", "sklssl", "bare")),
            span(x, "bare"),
        ]
        for x in lines
    ]
    return table([*head, "sklssl / bare forward (range)"], body)


def lightly_table(lines):
    head = ["SimCLR on CIFAR-10", "", "seconds", "kNN, %", "seconds to the kNN both reach"]
    body = []
    for x in lines:
        title = f"{x['network']}, {x['n_images']:,} images, {x['epochs']} epochs"
        for way, score in x["knn"].items():
            took = [number(x[key].get(way), 1) for key in ("seconds", "seconds_to_target")]
            body.append([title, way, took[0], number(100 * score, 1), took[1]])
            title = ""
    return table(head, body)


def epochs_table(lines):
    head = ["RotNet, convnet: images", "seconds an epoch", "ms an image"]
    body = [
        [number(x["n_images"]), number(x["seconds"], 2), number(x["milliseconds_an_image"], 3)]
        for x in lines
    ]
    return table(head, body)


def embed_table(lines):
    head = ["rows of a mapped file", "MB of the file", "rows/s", "memory grows by MB", "RSS by MB"]
    keys = ("n_images", "file_mb", "per_second", "anon_beyond_mb", "rss_beyond_mb")
    return table(head, [[number(x[key]) for key in keys] for x in lines])


def other_table(lines):
    body = []
    for x in lines:
        if x["part"] == "memory":
            title = f"memory of a fit of {x['n_images']:,} images beyond the array, MB"
            cells = [number(x["ways"][way]["rss_beyond_mb"]) for way in ("bare", "sklssl")]
            body.append([title, f"by hand {cells[0]}, sklssl {cells[1]}"])
        elif x["part"] == "paths":
            title = f"{x['n_images']:,} JPEG files as X: seconds of first pass, second epoch"
            keys = ("first_pass_seconds", "second_epoch_seconds")
            files, array = ([number(x[way][key], 1) for key in keys] for way in ("paths", "array"))
            busy = number(x["paths"]["first_pass_cores_busy"], 1)
            text = f"{', '.join(files)} (array: {', '.join(array)}); {busy} cores busy"
            body.append([title, text])
        elif x["part"] == "search":
            took, mb = x["seconds"], x["pss_mb"]
            cells = [f"{jobs}: {took[jobs]:.0f} s, {mb[jobs]:,} MB" for jobs in took]
            body.append([f"grid search, {x['n_images']:,} images, 8 fits", "; ".join(cells)])
        elif x["part"] == "import":
            body.append(["`import sklssl`, seconds", number(x["seconds"]["difference"], 3)])
    return table(["", ""], body)


def markdown(lines):
    out = []
    for on, name in DEVICES.items():
        found = [line for line in lines if line["on"] == on]
        if not found:
            continue
        commits = ", ".join(dict.fromkeys(line["commit"] for line in found))
        last = found[-1]
        place = f"{last['device']}, torch {last['torch']}, {last['date']}, commit {commits}"
        out += [f"**{name}** ({place}; medians; range over turns)", ""]
        for part, make in TABLES.items():
            out += make([line for line in found if line["part"] == part])
        out += other_table(found)
    return "\n".join(out).rstrip()


TABLES = {
    "throughput": throughput_table,
    "transform": transform_table,
    "lightly": lightly_table,
    "epochs": epochs_table,
    "embed": embed_table,
}


def print_tables(path=RESULTS):
    print(markdown(newest(path)) if Path(path).exists() else f"No line in {path} yet.")


def write_page(lines):
    before, rest = PAGE.read_text().split(BEGIN)
    after = rest.split(END)[1]
    PAGE.write_text(f"{before}{BEGIN}\n{markdown(lines)}\n{END}{after}")


def draw(lines, path=PICTURE):
    """Draw images a second of every way, relative to skorch's, for each network."""
    import matplotlib

    matplotlib.use("agg")
    matplotlib.rcParams.update({"svg.hashsalt": "sklssl", "font.size": 9})
    import matplotlib.pyplot as plt

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
    parser = argparse.ArgumentParser()
    parser.add_argument("--write", action="store_true", help="into docs/speed.md, and the picture")
    parser.add_argument("--results", type=Path, default=RESULTS)
    args = parser.parse_args()
    print_tables(args.results)
    if args.write:
        write_page(newest(args.results))
        draw(newest(args.results))
