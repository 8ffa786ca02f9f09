"""Tables of speed, from the newest result of each row."""

from ._lines import chosen, markdown, newest, number, origin, read

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


def searches():
    """Searches by joblib's workers, dask and ray."""
    lines = newest(chosen(read("speed/searches"), part="times"), "backend")
    body = [
        [
            f"{x['backend']}'s own workers" if x["backend"] == "joblib" else x["backend"],
            number(x["seconds"], 1),
            number(x["fit_seconds"], 2),
            f"{x['ratio']:.2f} ({x['ratio_range'][0]:.2f} to {x['ratio_range'][1]:.2f})",
            "yes" if x["same_scores"] else "no",
        ]
        for x in lines
    ]
    head = ["workers", "seconds", "of a fit", "times as long (range)", "the same scores"]
    return markdown(head, body) + origin(lines)


def sent():
    """Bytes that searches on dask and ray send to their workers."""
    lines = newest(chosen(read("speed/searches"), part="sent"), "backend", "kind")
    backends = list(dict.fromkeys(x["backend"] for x in lines))
    body = []
    for kind in dict.fromkeys(x["kind"] for x in lines):
        found = chosen(lines, kind=kind)
        sizes = [chosen(found, backend=backend)[0]["bytes"] for backend in backends]
        body.append([kind, f"{found[0]['bytes_of_images'] / 1e6:.1f}"])
        body[-1] += [f"{size / 1e6:.1f}" for size in sizes]
    head = ["X", "MB of the images", *(f"MB sent by {backend}" for backend in backends)]
    return markdown(head, body) + origin(lines)


# Latency of an exchange in ms, and rate in Mbit/s.
_NETWORKS = {
    "1 Gbit/s, 0.3 ms": (0.3, 1000),
    "10 Gbit/s, 0.1 ms": (0.1, 10_000),
    "100 Gbit/s, 0.03 ms": (0.03, 100_000),
}


def exchanges():
    """What two processes exchange in a step, and the speed of two machines by the model."""
    lines = newest(read("speed/exchanges"), "method", "network")
    body = [
        [
            f"{x['network']}, {x['method']}",
            x["batch_size"],
            f"{x['ms_of_one']:,.0f} / {x['ms_of_two']:,.0f}",
            number(x["exchanges"]),
            number(x["kilobytes"]),
            number(x["gradient_kilobytes"]),
            *(_speedups(x, *network) for network in _NETWORKS.values()),
        ]
        for x in lines
    ]
    head = [
        "",
        "batch",
        "ms of a step: one / two processes here",
        "exchanges",
        "their KB",
        "gradients, KB",
    ]
    head += [f"two machines, by the model: {name}" for name in _NETWORKS]
    return markdown(head, body) + origin(lines)


def _speedups(line, latency, rate):
    """Return the speed of two processes relative to one, as measured and 50 times as fast."""
    kilobytes = line["kilobytes"] + line["gradient_kilobytes"]
    exchange = (line["exchanges"] + 1) * latency + kilobytes * 8.192 / rate
    steps = (line["ms_of_one"], line["ms_of_one"] / 50)
    return " / ".join(f"{step / (step / 2 + exchange):.2f}" for step in steps)
