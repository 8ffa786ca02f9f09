"""Tables of near-duplicates, outliers, and images to label."""

import statistics

from ._lines import Column, chosen, grid, markdown, newest, number, origin, read, some, spread

DUPLICATES = {
    "cifar10": "CIFAR-10, 10,000 images",
    "tiny-imagenet": "Tiny-ImageNet, 10,000 images",
    "gtsrb": "traffic signs, 3,784 images",
}
COPIES = {
    "jpeg": "encoded again",
    "resized": "resized",
    "cropped": "cropped",
    "brighter": "brightened",
}
LABELLING_SETS = {
    "digits, 10 classes": ("digits", "PatchDictionary"),
    "traffic signs, 43 classes": ("gtsrb", "PatchDictionary"),
    "CIFAR-10, 10 classes": ("cifar10-4k", "PatchDictionary"),
    "Tiny-ImageNet, 20 classes": ("tiny20", "PatchDictionary"),
    "pets, 3 classes": ("pets", "PatchDictionary"),
    "CIFAR-10, ImageNet features": ("cifar10-4k", "ImageNet"),
    "Tiny-ImageNet, ImageNet features": ("tiny20", "ImageNet"),
    "pets, ImageNet features": ("pets", "ImageNet"),
}


def near_duplicates():
    lines = [x for x in read("accuracy/near_duplicates") if "found" in x]
    kept = newest(lines, "data", "features", "seed")
    body = []
    for data, title in DUPLICATES.items():
        for features in dict.fromkeys(x["features"] for x in chosen(kept, data=data)):
            found = chosen(kept, data=data, features=features)
            cells = [spread([100 * x[key] for x in found]) for key in ("found", *COPIES)]
            counts = [spread([x[key] for x in found], 0) for key in ("groups", "other_groups")]
            body.append(
                [f"{title}; {features}; {some([x['seed'] for x in found])}", *cells, *counts]
            )
    return markdown(["", "all", *COPIES.values(), "groups", "other groups"], body) + origin(kept)


def near_duplicate_distances():
    lines = [x for x in read("accuracy/near_duplicates") if "found" in x and x["data"] != "gtsrb"]
    kept = newest(chosen(lines, features="PatchDictionary"), "data", "seed")
    body = []
    for metric in ("standardized", "whitened"):
        for kind, how in (("fixed", ""), ("scaled", ", relative to the 10th neighbours")):
            key = f"rivals_{metric}_{kind}"
            cells = [[x[key] for x in chosen(kept, data=data)] for data in list(DUPLICATES)[:2]]
            counts = ["" if None in cell else spread(cell, 0) for cell in cells]
            body.append([f"cosine of {metric} features{how}", *counts])
    return markdown(["3 seeds", *list(DUPLICATES.values())[:2]], body) + origin(kept)


def curation_size():
    kept = newest([x for x in read("accuracy/near_duplicates") if "function" in x], "function")
    body = [[f"`{x['function']}`", number(x["seconds"]), number(x["extra_mb"])] for x in kept]
    return markdown(["", "seconds", "MB in addition to Z"], body) + origin(kept)


def outliers():
    # A forest splits one component at a time, so it does not depend on their scale.
    lines = [
        x for x in read("accuracy/outliers") if x["detector"] != "PCA, whitened, IsolationForest"
    ]
    names = dict.fromkeys(x["data"] for x in lines)
    rows = {name: {"detector": name} for name in dict.fromkeys(x["detector"] for x in lines)}
    columns = [Column(name, {"data": name}, ("auc",)) for name in names]
    return grid(lines, rows, columns) + origin(lines)


def select_to_label():
    """Accuracy of random images and of those chosen, and the points gained."""
    lines = chosen(read("accuracy/select_to_label"), start=None)
    body = []
    for title, (data, features) in LABELLING_SETS.items():
        row = [title]
        for per_class in (1, 5, 10):
            where = {"data": data, "features": features, "per_class": per_class}
            random = _of_seeds(lines, "random", **where)
            found = _of_seeds(lines, "select_to_label", **where)
            gains = _gains(found, random)
            means = (number(statistics.mean(x.values()), 1) for x in (random, found))
            row.append(f"{' → '.join(means)} (+{spread(gains)})".replace("+-", "-"))
        where |= {"per_class": 1}
        shares = (
            _of_seeds(lines, strategy, "share_of_classes", **where)
            for strategy in ("random", "select_to_label")
        )
        row.append(" → ".join(number(statistics.mean(x.values())) for x in shares))
        body.append(row)
    head = [_of_all(lines), *(f"{n} per class" for n in (1, 5, 10)), "classes found by 1 per class"]
    return markdown(head, body) + origin(lines)


def select_to_label_strategies():
    """The points gained by several strategies, at 1 / 5 / 10 images per class."""
    lines = chosen(read("accuracy/select_to_label"), start=None)
    strategies = {"`select_to_label`": "select_to_label", "k-means": "k-means"}
    strategies["TypiClust"] = "TypiClust"
    return _points_gained(lines, strategies, (1, 5, 10)) + origin(lines)


def select_to_label_added():
    """The points gained over random additions to the same first images."""
    lines = chosen(read("accuracy/select_to_label"), start="select_to_label")
    strategies = {
        "coverage (`select_to_label`)": "coverage",
        "coverage weighted by 1 - margin": "coverage weighted by 1 - margin",
        "smallest margin": "smallest margin",
    }
    return _points_gained(lines, strategies, (5, 10)) + origin(lines)


def _points_gained(lines, strategies, numbers):
    body = []
    for title, (data, features) in LABELLING_SETS.items():
        row = [title]
        for strategy in strategies.values():
            cells = []
            for per_class in numbers:
                where = {"data": data, "features": features, "per_class": per_class}
                random = _of_seeds(lines, "random", **where)
                cells.append(spread(_gains(_of_seeds(lines, strategy, **where), random)))
            row.append(" / ".join(cells))
        body.append(row)
    return markdown([_of_all(lines), *strategies], body)


def _of_seeds(lines, strategy, key="accuracy", **where):
    return {x["seed"]: 100 * x[key] for x in chosen(lines, strategy=strategy, **where)}


def _gains(found, random):
    return [value - random[seed] for seed, value in found.items()]


def _of_all(lines):
    return some(sorted({x["seed"] for x in lines}))
