"""Tables of accuracy."""

import statistics

from ._lines import Column, chosen, grid, markdown, number, origin, read, some, spread

EMBEDDERS = {
    "raw pixels": "raw pixels",
    "HOG": "HOG",
    "a small network (`convnet`), untrained": "untrained convnet",
    "`PatchDictionaryEmbedder()`": "PatchDictionary",
    "`ViewWhiteningEmbedder()`": "PatchDictionary, whitened",
    "`PatchDictionaryEmbedder((300, 1200))`": "PatchDictionary (300, 1200)",
    "`RotNetEmbedder()`": "RotNet",
    "`ScaleNetEmbedder()`": "ScaleNet",
    "`SimCLREmbedder()`": "SimCLR",
    '`RotNetEmbedder("convnet", max_epochs=20)`': "RotNet, convnet",
}
SETS = {
    "digits": "digits",
    "pets": "pets, three breeds, 400 images",
    "gtsrb": "traffic signs, 43 classes",
    "cifar10-4k": "CIFAR-10, 4,000 images",
}
FEW = ("default_10", "default_50")  # the default classifier
LOGISTIC = ("accuracy_10", "accuracy_50")
CIFAR = {"data": "cifar10-4k"}


def image_sets():
    """Few labels by the default classifier, and all labels by least squares."""
    return _image_sets(FEW, [Column("all labels", CIFAR, ("ridge_all",)), _SECONDS], spreads=False)


def image_sets_seeds():
    """The same few labels with standard deviations."""
    return _image_sets(FEW)


def image_sets_logistic():
    """The same features with a logistic regression."""
    return _image_sets(LOGISTIC, [Column("all labels", CIFAR, ("accuracy_all",))])


_SECONDS = Column("seconds of `fit`", CIFAR, ("fit_seconds",), 1, 0)


def _image_sets(keys, others=(), spreads=True):
    lines = [x for x in read("accuracy/image_sets") if x["data"] in SETS]
    kept = [x for x in lines if x["features"] in EMBEDDERS.values() and keys[0] in x]
    columns = [Column(title, {"data": name}, keys) for name, title in SETS.items()]
    rows = {title: {"features": name} for title, name in EMBEDDERS.items()}
    return grid(kept, rows, [*columns, *others], spreads=spreads) + origin(kept)


def unseen_sets():
    """Data sets on which no setting was chosen."""
    names = {"fashion-mnist": "Fashion-MNIST", "mnist": "MNIST"}
    lines = [x for x in read("accuracy/image_sets") if x["data"] in names and FEW[0] in x]
    keys = (*FEW, "ridge_all")
    columns = [Column(title, {"data": name}, keys) for name, title in names.items()]
    return grid(lines, _embedder_rows(lines), columns) + origin(lines)


def neighbors():
    """The 20 nearest neighbours among the images for training."""
    names = SETS | {"fashion-mnist": "Fashion-MNIST", "mnist": "MNIST"}
    lines = [x for x in read("accuracy/image_sets") if x["data"] in names and "knn_all" in x]
    seen = {x["data"] for x in lines}
    columns = [Column(names[x], {"data": x}, ("knn_all",)) for x in names if x in seen]
    return grid(lines, _embedder_rows(lines), columns) + origin(lines)


def tiny():
    """Tiny-ImageNet and the lossless part of CIFAR-10."""
    names = {"tiny20": "20 classes of Tiny-ImageNet", "cifar10-lossless": "CIFAR-10, lossless part"}
    lines = [x for x in read("accuracy/image_sets") if x["data"] in names and FEW[0] in x]
    keys = (*FEW, "ridge_all")
    columns = [Column(title, {"data": name}, keys) for name, title in names.items()]
    return grid(lines, _embedder_rows(lines), columns, alike=False) + origin(lines)


def _embedder_rows(lines):
    """Return the rows of the embedders that have results."""
    return {
        title: {"features": name}
        for title, name in EMBEDDERS.items()
        if chosen(lines, features=name)
    }


def stages():
    """The default `layer` compared with the best single layer, chosen on the test images."""
    gains = {}
    kept = [x for x in read("accuracy/image_sets") if "stages_50" in x]
    for x in kept:
        (*single, default) = x["stages_50"].values()
        gains.setdefault(x["features"], []).append(100 * (default - max(single)))
    body = [
        [name, len(found), *(number(f(found), 1) for f in (min, statistics.median, max))]
        for name, found in gains.items()
    ]
    return markdown(["", "data sets and seeds", "lowest", "median", "highest"], body) + origin(kept)


def further():
    """Single results: larger dictionaries, an hour of fine-tuning, few labels."""
    sizes, hour = read("studies/two_sizes"), read("studies/hour")
    largest = chosen(
        read("accuracy/image_sets"), data="cifar10-4k", features="PatchDictionary (300, 3200)"
    )
    semi, few = read("accuracy/semi_supervised"), read("accuracy/few_labels")
    on_rotnet = chosen(semi, data="digits", embedder="RotNet, whitened")
    on_patches = chosen(semi, data="cifar10-4k", embedder="PatchDictionary, whitened")
    graph = chosen(few, data="digits", features="raw", classifier="LabelSpreading")
    all_labels = "CIFAR-10, 4,000 labels"
    rows = [
        ("`PatchDictionaryEmbedder((300, 3200))`, ridge", all_labels, largest, "ridge_all"),
        ("two dictionaries, patches of 4 and 8 pixels, ridge", all_labels, sizes, "ridge_all"),
        (
            "`resnet20` pretrained by RotNet, fine-tuned, `augment=True`",
            all_labels,
            hour,
            "network",
        ),
        ("the same and the dictionary, `VotingClassifier`", all_labels, hour, "vote"),
        (
            "`SemiSupervisedClassifier(ViewWhiteningEmbedder(RotNetEmbedder()))`",
            "digits, 50 labels of 1,300",
            on_rotnet,
            "accuracy",
        ),
        ('`LabelSpreading(kernel="knn")` on pixels', "the same", graph, "accuracy"),
        (
            "`SemiSupervisedClassifier()`",
            "CIFAR-10, 400 labels of 4,000",
            on_patches,
            "accuracy",
        ),
    ]
    body = [
        [
            what,
            on,
            spread(100 * x[key] for x in lines),
            some([x["seed"] for x in lines]),
            number(statistics.mean(x["fit_seconds"] for x in lines)) if lines is not graph else "",
        ]
        for what, on, lines, key in rows
    ]
    used = [*largest, *sizes, *hour, *on_rotnet, *graph, *on_patches]
    return markdown(["", "on", "accuracy, %", "", "seconds of `fit`"], body) + origin(used)


def default_parameters():
    lines = read("accuracy/default_parameters")
    names = ("raw", "untrained", "RotNet", "ScaleNet", "ScaleNet, equal time")
    columns = [
        Column("digits, 50 labels", {"data": "digits"}),
        Column("CIFAR-10, 4,000 images and labels", CIFAR),
    ]
    return grid(lines, {name: {"embedder": name} for name in names}, columns) + origin(lines)


METHOD_SETS = {"cifar10-4k": "CIFAR-10", "gtsrb": "traffic signs", "pets": "pets"}
MINUTES = {0: "no training", 1: "1 minute", 8: "8 minutes", 30: "30 minutes"}


def methods():
    return _methods(read("accuracy/methods"))


def methods_levels():
    """What has been run again with dictionaries that see brightness, colour and contrast."""
    lines = read("accuracy/methods_levels")
    return _methods([x for x in lines if x["minutes"] == 0 or x["data"] == "cifar10-4k"])


def _methods(lines):
    columns = [
        Column(f"{title}, {time}", {"data": name, "minutes": minutes}, ("linear", "knn"))
        for name, title in METHOD_SETS.items()
        for minutes, time in MINUTES.items()
        if chosen(lines, data=name, minutes=minutes)
    ]
    return grid(lines, _method_rows(lines), columns, alike=False) + origin(lines)


def method_costs():
    """What the longest runs on CIFAR-10 needed."""
    lines = [x for x in read("accuracy/methods") if x["minutes"] and x["data"] == "cifar10-4k"]
    lines = chosen(lines, minutes=max(x["minutes"] for x in lines))
    columns = [
        Column("images/s", {}, ("images_per_second",), 1, 0),
        Column("MB", {}, ("peak_mb",), 1, 0),
        Column("epochs", {}, ("epochs",), 1, 0),
        Column("CPU seconds", {}, ("fit_cpu_seconds",), 1, 0),
    ]
    return grid(lines, _method_rows(lines), columns, alike=False) + origin(lines)


def _method_rows(lines):
    return {name: {"method": name} for name in dict.fromkeys(x["method"] for x in lines)}


def beside_lightly():
    lines = [
        {**x, "untrained": x["knn"]["untrained"], "ours": x["knn"]["sklssl"]}
        | {"theirs": x["knn"]["lightly"], "seconds": x["cpu_seconds"]["sklssl"]}
        | {"their_seconds": x["cpu_seconds"]["lightly"]}
        for x in read("accuracy/beside_lightly")
    ]
    columns = [
        Column("untrained", {}, ("untrained",)),
        Column("sklssl", {}, ("ours",)),
        Column("lightly", {}, ("theirs",)),
        Column("CPU seconds: sklssl", {}, ("seconds",), 1, 0),
        Column("lightly", {}, ("their_seconds",), 1, 0),
    ]
    return grid(lines, _method_rows(lines), columns, alike=False) + origin(lines)


def few_labels():
    lines = read("accuracy/few_labels")
    features = {"raw": "pixels", "untrained": "untrained network", "RotNet": "embedding"}
    classifiers = {
        "LogisticRegression": "`LogisticRegression`",
        "SelfTraining": "`SelfTrainingClassifier(LogisticRegression())`",
        "LabelSpreading": '`LabelSpreading(kernel="knn")`',
        "default": "the default classifier",
    }
    rows = {
        f"{on}, {title}": {"features": name, "classifier": classifier}
        for name, on in features.items()
        for classifier, title in classifiers.items()
    }
    columns = [
        Column("digits, 50 labels of 1,300", {"data": "digits"}),
        Column("CIFAR-10, 100 of 4,000", {"data": "cifar10-4k", "labels": 100}),
        Column("CIFAR-10, 400 of 4,000", {"data": "cifar10-4k", "labels": 400}),
    ]
    return grid(lines, rows, columns) + origin(lines)


def semi_supervised():
    lines = read("accuracy/semi_supervised")
    rows = {name: {"embedder": name} for name in dict.fromkeys(x["embedder"] for x in lines)}
    columns = [
        Column("digits, 50 labels of 1,300", {"data": "digits"}),
        Column("CIFAR-10, 400 labels of 4,000", CIFAR),
    ]
    return grid(lines, rows, columns) + origin(lines)


def finetuning():
    lines = read("accuracy/finetuning")
    names = {
        "logistic regression on raw pixels": "raw pixels",
        "logistic regression on the untrained network": "probe, untrained",
        "logistic regression on RotNet": "probe, RotNet",
        "from scratch": "from scratch",
        "fine-tuned": "fine-tuned",
        "fine-tuned, a tenth of the learning rate for the network": (
            "fine-tuned, a tenth of the rate"
        ),
        "from scratch, head on the last layer": "from scratch, last stage",
        "fine-tuned, head on the last layer, a tenth of the learning rate for the network": (
            "fine-tuned, last stage, a tenth of the rate"
        ),
    }
    rows = {title: {"setting": name} for title, name in names.items()}
    columns = [Column(f"{n:,} labels", {"labels": n}) for n in (400, 4000)]
    return grid(lines, rows, columns, alike=False) + origin(lines)


def pretrained():
    """The best layer and pool size on the test images, by the mean of both accuracies."""
    lines = read("accuracy/pretrained")
    sets = {
        "cifar10-4k": "CIFAR-10, 4,000 images",
        "tiny-imagenet-20": "20 classes of Tiny-ImageNet, 1,400 images",
        "pets": "3 breeds of pets, about 300 images",
        "traffic signs": "43 classes of traffic signs, 3,440 images",
    }
    starts = {
        "raw pixels": {"start": "raw"},
        "untrained `convnet`": {"start": "untrained convnet"},
        "untrained Lite0, 128 pixels": {"start": "untrained lite0", "side": 128},
        **{
            f"Lite0, frozen, {side} pixels": {"start": "pretrained lite0", "side": side}
            for side in (64, 96, 128)
        },
        "SimCLR started from Lite0": {"start": "SimCLR from pretrained"},
    }
    body = []
    for name, title in sets.items():
        cells = [_best_cell(chosen(lines, data=name, **where)) for where in starts.values()]
        body.append([title, *(text for text, _ in cells), cells[-2][1]])
    head = ["10 / 50 labels per class", *starts, "layer and pool size at 128 pixels"]
    return markdown(head, body) + f"\n\n{_seeds(lines)}" + origin(lines)


def _seeds(lines):
    return f"{some(sorted({x['seed'] for x in lines}))}.".capitalize()


def _best_cell(lines):
    cells = {}
    for x in lines:
        by_labels = cells.setdefault((x.get("layer"), x.get("pool_size")), {})
        by_labels.setdefault(x["labels"], {})[x["seed"]] = 100 * x["accuracy"]
    if not cells:
        return "", ""

    def mean(found):
        return statistics.mean(v for by_seed in found.values() for v in by_seed.values())

    cell = max(cells, key=lambda cell: mean(cells[cell]))
    text = " / ".join(spread(by_seed.values()) for _, by_seed in sorted(cells[cell].items()))
    return text, "{}, {}".format(*cell)


_NUMBERED = {name: title for name, title in SETS.items() if name != "digits"}


def _number_of_images():
    """Return the results, and the number of images of each set."""
    lines = read("accuracy/number_of_images")
    return lines, {d: max(x["n_images"] for x in chosen(lines, data=d)) for d in _NUMBERED}


def images_needed():
    """Ten labels per class, and a dictionary of so many images."""
    lines, sizes = _number_of_images()
    kept = [
        {**x, "n": "all" if x["n_images"] == sizes[x["data"]] else x["n_images"]}
        for x in lines
        if x["n_labels"] == 10
    ]
    columns = [
        Column("raw pixels", {"features": "raw pixels"}),
        *(
            Column(f"{n} images", {"features": "PatchDictionary", "n": n})
            for n in (20, 50, 100, 200, 500, 1000, 2000, "all")
        ),
        Column("Lite0, ImageNet", {"features": "Lite0, ImageNet"}),
    ]
    rows = {title: {"data": name} for name, title in _NUMBERED.items()}
    return grid(kept, rows, columns) + origin(kept)


def labels_needed():
    """All images, and so many labels per class."""
    lines, sizes = _number_of_images()
    kept = [x for x in lines if x["n_images"] in (0, sizes[x["data"]])]
    rows = {
        f"{title.split(',')[0]}, {row}": {"data": name, "features": features}
        for name, title in _NUMBERED.items()
        for row, features in {
            "raw pixels": "raw pixels",
            "HOG": "HOG",
            "untrained network": "untrained convnet",
            "dictionary": "PatchDictionary",
            "Lite0 (ImageNet)": "Lite0, ImageNet",
        }.items()
    }
    columns = [Column(f"{n}", {"n_labels": n}) for n in (1, 2, 5, 10, 20, 50, 100)]
    return grid(kept, rows, columns) + origin(kept)
