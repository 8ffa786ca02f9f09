"""Tables of the frozen studies."""

from ._lines import Column, chosen, grid, markdown, newest, number, origin, read, spread

SETS = {"digits": "digits", "cifar10-4k": "CIFAR-10"}


def defaults():
    lines = chosen(read("studies/defaults"), layer="block2", pool_size=3)
    return _settings(lines)


def method_defaults():
    return _settings(chosen(read("studies/method_defaults"), layer="block2"))


def _settings(lines):
    names = dict.fromkeys(x["setting"] for x in lines)
    rows = {name.replace("rate", "learning rate"): {"setting": name} for name in names}
    columns = [Column(title, {"data": name}) for name, title in SETS.items()]
    return grid(lines, rows, columns) + origin(lines)


def precision():
    lines = read("studies/precision")
    lines += [
        {**x, "method": "raw", "embedded_in": {"float32": x["raw"]}, "cpu_seconds": None}
        for x in chosen(lines, method="RotNet", epochs=0, trained_in="float32")
    ]
    lines = [{**x, "accuracy": x["embedded_in"][x["trained_in"]]} for x in lines]
    rows = {"raw pixels": {"method": "raw"}}
    trained = (("untrained", "RotNet", 0), ("RotNet", "RotNet", 30), ("SimCLR", "SimCLR", 30))
    for title, method, epochs in trained:
        for kind in ("float32", "bfloat16"):
            rows[f"{title}, {kind}"] = {"method": method, "epochs": epochs, "trained_in": kind}
    columns = [Column(title, {"data": name}) for name, title in SETS.items()]
    columns.append(Column("CPU s, CIFAR-10", {"data": "cifar10-4k"}, ("cpu_seconds",), 1, 0))
    return grid(lines, rows, columns) + origin(lines)


def step():
    lines = [x for x in read("studies/step") if x["what"] != "profile"]
    ways = list(lines[0]["images_per_second"])
    keys = ("network", "side", "batch")
    body = []
    for x in newest(lines, *keys):
        cells = []
        for what in ("training", "evaluation"):
            (found,) = chosen(lines, what=what, **{key: x[key] for key in keys})
            cells.append(" / ".join(number(found["images_per_second"][way]) for way in ways))
        body.append([f"{x['network']}, {x['side']}x{x['side']}, batch {x['batch']}", *cells])
    head = [f"images/s: {' / '.join(ways)}", "training", "evaluation"]
    return markdown(head, body) + origin(lines)


def shares():
    """Shares of the time of a step of `fit`, in per cent."""
    lines = chosen(read("studies/step"), what="profile")
    head = ["`fit` of `convnet`, %", *lines[0]["shares"]]
    body = []
    for x in lines:
        how = "" if x["fused"] else ", optimizer not fused"
        cells = [number(100 * share, 1) for share in x["shares"].values()]
        body.append([f"{x['method']}, batch {x['batch']}{how}", *cells])
    return markdown(head, body) + origin(lines)


def views():
    lines = read("studies/views")
    names = list(dict.fromkeys(x["library"] for x in lines))
    rates = {(x["library"], x["side"]): number(x["views_per_second"]) for x in lines}
    body = [[name, *(rates[name, side] for side in (32, 96))] for name in names]
    return markdown(["views/s", "32x32", "96x96, half of the views blurred"], body) + origin(lines)


def simclr_speed():
    lines = read("studies/simclr_speed")
    body = []
    for way in ("raw", "untrained", "lightly", "sklssl"):
        took = ", ".join(number(x["seconds"][way]) for x in lines if way in x["seconds"])
        body.append([way, took, spread(100 * x["knn"][way] for x in lines)])
    return markdown(["", "seconds, three seeds", "kNN, %"], body) + origin(lines)


def frozen_maps():
    lines = read("studies/frozen_maps")
    keys = ("epoch_seconds_cached", "epoch_seconds_computed", "ratio")
    body = [[x["head"], *(number(x[key], 2) for key in keys)] for x in lines]
    head = ["head", "s per epoch, feature maps stored", "recomputed", "ratio"]
    return markdown(head, body) + origin(lines)


def heads():
    lines = read("studies/heads")
    rows = {f"RotNet, {x}": {"weights": "RotNet", "layer": x} for x in BLOCKS}
    rows["random weights, block2"] = {"weights": "random", "layer": "block2"}
    rows["random weights, fully trained, block2"] = {
        "weights": "trained in full",
        "layer": "block2",
    }
    columns = [
        Column("linear", {"head": "linear"}),
        Column("mlp, 3x3 cells", {"head": "mlp", "pool_size": None}),
        Column("mlp, 8x8 cells", {"head": "mlp", "pool_size": 8}),
        Column("conv", {"head": "conv"}),
    ]
    return grid(lines, rows, columns, alike=False) + origin(lines)


BLOCKS = ("block1", "block2", "block3", "block4")


def boxes():
    lines = read("studies/boxes")
    names = {
        "mean box of the training set": "mean box",
        "random network, frozen": "random, frozen",
        "trained from scratch": "trained from scratch",
        "RotNet on the signs, frozen": "RotNet, frozen",
        "RotNet on CIFAR-10, frozen": "RotNet on CIFAR-10, frozen",
    }
    rows = {title: {"learner": name} for title, name in names.items()}
    columns = []
    for data, title in (("signs as they are", "original signs"), ("signs moved", "moved signs")):
        where = {"data": data}
        columns.append(Column(f"{title}: mean IoU", where, ("mean_iou",), 1, 3))
        columns.append(Column("IoU above 0.5, %", where, ("share_above_half",)))
    return grid(lines, rows, columns, alike=False) + origin(lines)


def label_free():
    lines = [x for x in read("studies/label_free") if x.get("over") == "all trainings"]
    lines = newest(lines, "data", "score")
    names = {
        "`knn_score`, all labels": "knn",
        "`rankme_score`": "rankme",
        "`effective_rank`": "effective_rank",
        "pretext `score`": "pretext",
        "`knn_score`, 50 or 200 labels, 3 neighbours": "knn_few",
        "`uniformity_score`": "uniformity",
        "`alignment_score`": "alignment",
        "alignment + uniformity": "alignment_and_uniformity",
        "minus `dead_feature_share`": "minus_dead_features",
        "the number of features": "n_features",
    }
    body = []
    for title, score in names.items():
        row = [title]
        for data in ("digits", "cifar10-2k"):
            (x,) = chosen(lines, data=data, score=score)
            low, high = x["interval"]
            row += [f"{x['rho']:.2f} ({low:.2f} to {high:.2f})", number(100 * x["loss"], 1)]
        body.append(row)
    head = ["", "digits: correlation", "points lost", "CIFAR-10: correlation", "points lost"]
    return markdown(head, body) + origin(lines)


UNNAMED = {"lbfgs, as they are": "lbfgs, C=1", "lbfgs, scaled": "lbfgs, scaled, C=1"}


def probes():
    # Two threads wait for each other while busy: their CPU seconds are meaningless.
    lines = [x for x in read("studies/probes") if "accuracy" in x and "1 thread" in x["device"]]
    lines = newest(lines, "classifier", "rows")
    names = dict.fromkeys(x["classifier"] for x in sorted(lines, key=lambda x: x["rows"]))
    body = []
    for name in names:
        row = [UNNAMED.get(name, name)]
        for n_rows in (1000, 50_000):
            x = next(iter(chosen(lines, classifier=name, rows=n_rows)), {})
            row += [number(x.get("fit_cpu_seconds"), 1)]
            row += [number(100 * x["accuracy"], 1) if x else ""]
        body.append([*row, number(x.get("peak_mb"))])
    head = ["", "1,000 rows: CPU s", "accuracy, %", "50,000 rows: CPU s", "accuracy, %", "peak MB"]
    return markdown(head, body) + origin(lines)


def view_methods():
    lines = read("studies/view_methods")
    rows = {}
    for x in lines:
        settings = ", ".join(f"{name}={value}" for name, value in x["settings"].items())
        title = f"{x['method']} ({settings})" if settings else x["method"]
        rows[title.replace("RotNet (max_epochs=0)", "untrained")] = {
            "method": x["method"],
            "settings": x["settings"],
        }
    columns = [
        Column(title, {"data": name}, ("knn",))
        for name, title in {"tiny20": "Tiny-ImageNet", "digits": "digits"}.items()
    ]
    epochs = [Column("epochs", column.where, ("epochs",), 1, 0) for column in columns]
    return grid(lines, rows, [columns[0], epochs[0], columns[1], epochs[1]]) + origin(lines)


def harris_window():
    lines = read("studies/harris_window")
    names = {"not painted": None, "2x2 pixels": 2, "3x3 pixels": 3}
    rows = {title: {"neighbourhood": side} for title, side in names.items()}
    column = Column("rotations recognised, %", {}, ("pretext_accuracy",))
    return grid(lines, rows, [column]) + origin(lines)


_SETS = {
    "digits": "digits",
    "pets": "pets",
    "tiny20": "20 classes of Tiny-ImageNet",
    "gtsrb": "traffic signs",
    "cifar10-4k": "CIFAR-10",
}
_SIMULATED = {name: f"simulated: {name}" for name in ("background", "contrast", "brightness")}
_ALL_SETS = _SETS | {"fashion-mnist": "Fashion-MNIST", "mnist": "MNIST"}


def flat_patches():
    """The lines of two commits: before and after flat patches were left out."""
    lines = read("studies/flat_patches")
    before, after = dict.fromkeys(x["commit"] for x in lines)
    rows = {title: {"data": name} for name, title in _SETS.items()}
    keys = ("few_10", "few_50", "ridge")
    columns = [
        Column(title, {"commit": commit}, keys, 1)
        for title, commit in (("all patches", before), ("without flat ones", after))
    ]
    return grid(lines, rows, columns, alike=False) + origin(lines)


def view_whitening():
    """Strengths of views and of shrinkage; the simulated images last."""
    lines = read("studies/view_whitening")
    names = {k: v for k, v in (_ALL_SETS | _SIMULATED).items() if chosen(lines, data=k)}
    settings = dict.fromkeys(x["setting"] for x in lines)
    keys = ("few_10", "few_50", "ridge", "knn")
    columns = [Column(title, {"data": name}, keys, 1) for name, title in names.items()]
    return grid(lines, {name: {"setting": name} for name in settings}, columns) + origin(lines)


def levels():
    """With and without brightness, colour and contrast; the simulated images first."""
    lines = read("studies/levels")
    rows = {title: {"data": name} for name, title in (_SIMULATED | _SETS).items()}
    keys = ("few_10", "few_50", "ridge", "knn")
    columns = [
        Column(title, {"features": features}, keys, 1)
        for title, features in (
            ("raw pixels", "raw pixels"),
            ("without levels", "without"),
            ("with levels", "with"),
        )
    ]
    return grid(lines, rows, columns, alike=False) + origin(lines)


def signed_roots():
    """Features to the powers of 1, 1/2 and 1/4; a row for each set and kind of features."""
    lines = read("studies/signed_roots")
    rows = {
        f"{_ALL_SETS[x['data']]}, {x['features']}": {"data": x["data"], "features": x["features"]}
        for x in lines
    }
    titles = {"averages": 1, "signed square roots": 0.5, "powers of 1/4": 0.25}
    columns = [
        Column(f"{title}{how}", {"power": power}, keys, 1)
        for how, keys in (
            ("", ("few_10", "few_50", "ridge", "knn")),
            (", not standardised", ("plain_10", "plain_50")),
        )
        for title, power in titles.items()
    ]
    return grid(lines, rows, columns, alike=False) + origin(lines)


def image_sizes():
    """Pets at several sizes."""
    lines = read("studies/image_sizes")
    rows = {f"{side}x{side}": {"side": side} for side in (32, 48, 64, 96, 128)}
    columns = [
        Column("10 labels", {}, ("accuracy_10",)),
        Column("50 labels", {}, ("accuracy_50",)),
        Column("all labels, ridge classifier", {}, ("ridge_all",)),
        Column("CPU seconds", {}, ("cpu_seconds",), 1, 0),
    ]
    return grid(lines, rows, columns) + origin(lines)


def few_label_probes():
    """Classifiers on the features of the dictionary, by set and number of labels."""
    lines = newest(read("studies/few_label_probes"), "data", "seed", "n_labels")
    names = list(lines[0]["accuracy"])
    body = [[title, *(number(x["accuracy"][title], 1) for x in lines)] for title in names]
    head = ["seed 0", *(f"{_ALL_SETS[x['data']]}, {x['n_labels']}" for x in lines)]
    return markdown(head, body) + origin(lines)


def self_training():
    """Rounds of self-training, by the number of labels per class."""
    lines = read("studies/self_training")
    body = [
        [
            _ALL_SETS[x["data"]],
            x["n_labels"],
            *(number(100 * x[f"rounds_{n}"], 1) for n in (0, 1, 2, 10)),
        ]
        for x in newest(lines, "data", "seed", "n_labels")
    ]
    head = ["seed 0", "labels per class", "none", "one round", "two rounds", "ten rounds"]
    return markdown(head, body) + origin(lines)
