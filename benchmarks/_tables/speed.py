"""Tables of speed, from the newest result of each row."""

from ._lines import markdown, newest, number, origin, read

KEYS = ("on", "part", "network", "method", "n_images")
_VIEWS = ("whole", "enlarged")  # of an image map
DEVICES = {"cpu": "Processor", "cuda": "GPU"}
WAYS = {
    "skorch": "skorch + torchvision",
    "kornia": "skorch + kornia",
    "lightly": "lightly",
    "sklssl": "sklssl",
    "bare": "by hand",
}


def _rates(line):
    return [number(line["per_second"].get(way)) for way in WAYS]


def _span(line, way):
    """Return the ratio of sklssl to `way`, and its range over the turns."""
    if way not in line["ratio"]:
        return ""
    low, high = line["ratio_range"][way]
    return f"{line['ratio'][way]:.2f} ({low:.2f} to {high:.2f})"


def _throughput_table(lines):
    head = ["`fit`, images/s", "batch", *WAYS.values(), "sklssl / by hand (range)"]
    body = [
        [f"{x['network']}, {x['method']}", x["batch_size"], *_rates(x), _span(x, "bare")]
        for x in lines
    ]
    return markdown(head, body)


def _transform_table(lines):
    head = ["`transform`, images/s", "stage", "float32, channels first", "sklssl", "bare forward"]
    body = [
        [
            x["network"],
            x["layer"],
            *(number(x["per_second"][way]) for way in ("plain", "sklssl", "bare")),
            _span(x, "bare"),
        ]
        for x in lines
    ]
    return markdown([*head, "sklssl / bare forward (range)"], body)


def _lightly_table(lines):
    head = [
        "SimCLR on CIFAR-10",
        "",
        "seconds",
        "kNN, %",
        "seconds to the kNN accuracy that both reach",
    ]
    body = []
    for x in lines:
        title = f"{x['network']}, {x['n_images']:,} images, {x['epochs']} epochs"
        for way, score in x["knn"].items():
            took = [number(x[key].get(way), 1) for key in ("seconds", "seconds_to_target")]
            body.append([title, way, took[0], number(100 * score, 1), took[1]])
            title = ""
    return markdown(head, body)


def _epochs_table(lines):
    head = ["RotNet, convnet: images", "seconds per epoch", "ms per image"]
    body = [
        [number(x["n_images"]), number(x["seconds"], 2), number(x["milliseconds_an_image"], 3)]
        for x in lines
    ]
    return markdown(head, body)


def _embed_table(lines):
    head = ["rows of a memory-mapped file", "file, MB", "rows/s"]
    head += ["memory growth, MB", "RSS growth, MB"]
    keys = ("n_images", "file_mb", "per_second", "anon_beyond_mb", "rss_beyond_mb")
    return markdown(head, [[number(x[key]) for key in keys] for x in lines])


def _other_table(lines):
    body = []
    for x in lines:
        if x["part"] == "memory":
            title = f"memory of a fit on {x['n_images']:,} images, without the array, MB"
            cells = [number(x["ways"][way]["rss_beyond_mb"]) for way in ("bare", "sklssl")]
            body.append([title, f"by hand {cells[0]}, sklssl {cells[1]}"])
        elif x["part"] == "paths":
            title = f"{x['n_images']:,} JPEG files as X: seconds for first pass, second epoch"
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
    return [markdown(["", ""], body)] if body else []


TABLES_OF_PARTS = {
    "throughput": _throughput_table,
    "transform": _transform_table,
    "lightly": _lightly_table,
    "epochs": _epochs_table,
    "embed": _embed_table,
}


def speed(lines=None):
    """One block per device: medians, with the range over turns."""
    lines, out = newest(lines or read("speed/speed"), *KEYS), []
    for on, name in DEVICES.items():
        found = [line for line in lines if line["on"] == on]
        if not found:
            continue
        out.append(f"**{name}** (medians; range over turns)")
        for part, make in TABLES_OF_PARTS.items():
            rows = [line for line in found if line["part"] == part]
            out += [make(rows)] if rows else []
        out += [*_other_table(found), origin(found).strip()]
    return "\n\n".join(out)


def paired():
    """The newest comparison of this checkout with another one."""
    last = read("speed/paired")[-1]
    lines = [x for x in read("speed/paired") if x["commit"] == last["commit"]]
    keys = ("seconds", "seconds_other")
    body = [[x["what"], x["ratio"], *(number(x[key], 2) for key in keys)] for x in lines]
    head = ["", "ratio, median of turns", f"{last['commit']}, s", f"{last['against']}, s"]
    return markdown(head, body) + origin(lines)


def image_map():
    """The size of a map, and how fast it is written, opened and moved."""
    lines = newest(read("speed/image_map"), "data", "tsne")
    head = ["20,000 images", "file, MB", "written, s", "opened, s"]
    head += ["frame while dragged, ms: median, 95 %", "enlarged"]
    body = [
        [
            f"{x['data']}, {x['size']}",
            number(x["bytes"] / 1e6),
            number(x["write_s"], 1),
            number(x["open_s"], 1),
            *(f"{x[view]['median_ms']:.0f}, {x[view]['p95_ms']:.0f}" for view in _VIEWS),
        ]
        for x in lines
        if not x["tsne"]
    ]
    return markdown(head, body) + origin(lines)


def micro_batches():
    lines = read("speed/micro_batches")
    body = [
        [
            f"`{x['network']}`, {x['batch_size']:,}",
            x["micro_batch_size"] or "None",
            number(x["mb"]),
            number(x["cpu_seconds"], 1),
        ]
        for x in newest(lines, "network", "batch_size", "micro_batch_size")
    ]
    head = ["network, `batch_size`", "`micro_batch_size`", "MB", "CPU seconds"]
    return markdown(head, body) + origin(lines)
