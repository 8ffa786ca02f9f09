"""The part "lightly" of speed.py: SimCLR of sklssl and lightly, from the same weights."""

import copy

import torch
from sklearn.neighbors import KNeighborsClassifier

from benchmarks._common import rows
from benchmarks.speed._loops import Case, lightly
from benchmarks.speed._turns import cifar, images, installed


def beside_lightly(run):
    """Train as much as the time allows: a ResNet-18 takes minutes per epoch on a CPU."""
    if not installed("lightly"):
        return
    if run.quick:
        race(run, "convnet", 256, 256, 1)
    elif run.on_cpu:
        race(run, "convnet", 4000, 2000, 6)
        race(run, "resnet18", 1000, 1000, 2)
    else:
        race(run, "resnet18", 50_000, 5000, 3)


def race(run, network, n_images, n_test, n_epochs):
    data = (*images(n_images), *_test_images(n_test, run.quick))
    case = Case(network, "SimCLR", 128, run.device)
    untrained = case.embedder(0).fit(data[0])
    theirs, curves = copy.deepcopy(untrained), {"sklssl": [], "lightly": []}
    ours = case.embedder(
        n_epochs,
        callbacks=[
            lambda embedder, row: curves["sklssl"].append(
                (row["duration"], neighbours(data, embedder.transform))
            )
        ],
    )
    ours.fit(data[0])
    torch.manual_seed(0)
    lightly(
        case,
        data[0],
        run.workers,
        backbone=theirs.pretext_.encoder,
        epochs=n_epochs,
        after_epoch=lambda took: curves["lightly"].append(
            (took, neighbours(data, theirs.transform))
        ),
    )
    run.write(
        "lightly",
        network=network,
        n_images=n_images,
        n_test=n_test,
        batch_size=case.batch_size,
        epochs=n_epochs,
        workers=run.workers,
        **_outcome(curves),
        knn={
            "raw": neighbours(data, rows),
            "untrained": neighbours(data, untrained.transform),
            **{name: curve[-1][1] for name, curve in curves.items()},
        },
    )


def _outcome(curves):
    """Return the total seconds, and those until the best accuracy that both reach."""
    target = min(max(score for _, score in curve) for curve in curves.values())
    total = {name: sum(took for took, _ in curve) for name, curve in curves.items()}
    until = {}
    for name, curve in curves.items():
        first = next(i for i, (_, score) in enumerate(curve) if score >= target)
        until[name] = sum(took for took, _ in curve[: first + 1])
    return {
        "seconds": {name: round(value, 2) for name, value in total.items()},
        "ratio": round(total["lightly"] / total["sklssl"], 2),
        "target": target,
        "seconds_to_target": {name: round(value, 2) for name, value in until.items()},
        "curves": {k: [[round(took, 2), score] for took, score in v] for k, v in curves.items()},
    }


def _test_images(n_test, quick):
    if quick:
        X, y = images(2 * n_test)
        return X[n_test:], y[n_test:]
    X, y = cifar("test")
    return X[:n_test], y[:n_test]


def neighbours(data, embed):
    """Return the accuracy of the nearest neighbours in the features of `embed`."""
    X, y, X_test, y_test = data
    probe = KNeighborsClassifier(20, metric="cosine").fit(embed(X), y)
    return round(float(probe.score(embed(X_test), y_test)), 4)
