"""Draw the pictures of the pages: python docs/_pictures.py [name ...].

Without names, all of them. They are written to docs/images, from scikit-learn's digits.
"""

import argparse
from functools import cache
from pathlib import Path

import matplotlib

from sklssl import (
    PatchDictionaryEmbedder,
    RotNetEmbedder,
    ScaleNetEmbedder,
    SemiSupervisedClassifier,
)
from sklssl.callbacks import ProbeMonitor
from sklssl.datasets import load_digit_images
from sklssl.inspection import (
    ComparisonDisplay,
    HistoryDisplay,
    LayerScoresDisplay,
    PredictionsDisplay,
    compare_embedders,
)

IMAGES = Path(__file__).parent / "images"
X, Y = load_digit_images(return_X_y=True)


@cache
def compare():
    """Compare two embedders by a few numbers of labels, for several pictures."""
    embedders = {
        "PatchDictionaryEmbedder": PatchDictionaryEmbedder(),
        "RotNetEmbedder": RotNetEmbedder(max_epochs=10),
    }
    return compare_embedders(X, Y, embedders, n_labels=(1, 2, 5, 10, 20, 50), random_state=0)


def comparison_labels():
    return ComparisonDisplay.from_comparison(compare(), kind="labels").figure_


def comparison_scores():
    return ComparisonDisplay.from_comparison(compare()).figure_


def comparison_time():
    return ComparisonDisplay.from_comparison(compare(), kind="time").figure_


def history():
    monitor = ProbeMonitor(X[1000:1400], Y[1000:1400], every=2)
    embedder = ScaleNetEmbedder(max_epochs=10, callbacks=[monitor], random_state=0)
    return HistoryDisplay.from_estimator(embedder.fit(X[:1000])).figure_


def layer_scores():
    embedder = RotNetEmbedder(max_epochs=10, random_state=0).fit(X[:1000])
    return LayerScoresDisplay.from_estimator(embedder, X[1000:1400], Y[1000:1400]).figure_


def predictions():
    y = Y[:1000].copy()
    y[50:] = -1
    model = SemiSupervisedClassifier(PatchDictionaryEmbedder(random_state=0)).fit(X[:1000], y)
    return PredictionsDisplay.from_estimator(model, X[1000:], Y[1000:]).figure_


# The name of the file without its ending -> the function that returns the figure, in order.
PICTURES = {
    "comparison_labels": comparison_labels,
    "comparison_scores": comparison_scores,
    "comparison_time": comparison_time,
    "history": history,
    "layer_scores": layer_scores,
    "predictions": predictions,
}


def main(arguments=None):
    """Draw the pictures that are named, or all."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", help=f"some of {', '.join(PICTURES)}")
    names = parser.parse_args(arguments).names
    unknown = sorted(set(names) - set(PICTURES))
    if unknown:
        parser.error(f"there are no pictures {unknown}, only {list(PICTURES)}")
    matplotlib.use("Agg")
    for name in names or PICTURES:
        path = IMAGES / f"{name}.png"
        PICTURES[name]().savefig(path, dpi=100)
        print(f"{path}: {path.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main()
