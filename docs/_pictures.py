"""Draw the pictures of the pages: python docs/_pictures.py [name ...].

Without names, all of them. They are written to docs/images, and show scikit-learn's digits and
sample photographs, and the simulated cells of an example. The map in an HTML file needs Chromium.
"""

import argparse
import io
import json
import runpy
import shutil
import sys
import tempfile
import time
from collections import defaultdict
from functools import cache
from pathlib import Path
from unittest import mock

import matplotlib
import matplotlib.pyplot as plt
import numpy as np
from PIL import Image
from sklearn.datasets import load_sample_images

from sklssl import (
    PatchDictionaryEmbedder,
    PatchRotEmbedder,
    RotNetEmbedder,
    ScaleNetEmbedder,
    SemiSupervisedClassifier,
)
from sklssl.callbacks import ProbeMonitor
from sklssl.datasets import load_digit_images
from sklssl.inspection import (
    ComparisonDisplay,
    GradCAMDisplay,
    HistoryDisplay,
    ImageMapDisplay,
    LayerScoresDisplay,
    NeighborsDisplay,
    PredictionsDisplay,
    ViewsDisplay,
    compare_embedders,
    write_image_map,
)

HERE = Path(__file__).parent
IMAGES = HERE / "images"
ANGLES = ("0°", "90°", "180°", "270°")
X, Y = load_digit_images(return_X_y=True)
BUDGET_SETS = {
    "digits": "digits",
    "pets": "pets, 400 images",
    "gtsrb": "traffic signs, 3,440 images",
    "cifar10-4k": "CIFAR-10, 4,000 images",
}
# Rows of the benchmark -> (name, marker).
BUDGET_ROWS = {
    "raw pixels": ("raw pixels", ""),
    "HOG": ("HOG", ""),
    "PatchDictionary": ("PatchDictionaryEmbedder()", "o"),
    "PatchDictionary, whitened": ("ViewWhiteningEmbedder()", "*"),
    "PatchDictionary (300, 1200)": ("PatchDictionaryEmbedder((300, 1200))", "s"),
    "RotNet": ("RotNetEmbedder()", "^"),
    "ScaleNet": ("ScaleNetEmbedder()", "v"),
    "SimCLR": ("SimCLREmbedder()", "D"),
}


@cache
def compare():
    """Compare two embedders by a few numbers of labels, for several pictures."""
    embedders = {
        "PatchDictionaryEmbedder": PatchDictionaryEmbedder(),
        "RotNetEmbedder": RotNetEmbedder(max_epochs=10),
    }
    return compare_embedders(X, Y, embedders, n_labels=(1, 2, 5, 10, 20, 50), random_state=0)


def draw_comparison_labels():
    """Draw scores by number of labels."""
    return ComparisonDisplay.from_comparison(compare(), kind="labels").figure_


def draw_comparison_scores():
    """Draw the scores of a comparison."""
    return ComparisonDisplay.from_comparison(compare()).figure_


def draw_comparison_time():
    """Draw scores by the seconds of fit."""
    return ComparisonDisplay.from_comparison(compare(), kind="time").figure_


def draw_history():
    """Draw how ScaleNet was trained."""
    monitor = ProbeMonitor(X[1000:1400], Y[1000:1400], every=2)
    embedder = ScaleNetEmbedder(max_epochs=10, callbacks=[monitor], random_state=0)
    return HistoryDisplay.from_estimator(embedder.fit(X[:1000])).figure_


def draw_layer_scores():
    """Draw the scores of the layers of RotNet."""
    embedder = RotNetEmbedder(max_epochs=10, random_state=0).fit(X[:1000])
    return LayerScoresDisplay.from_estimator(embedder, X[1000:1400], Y[1000:1400]).figure_


def draw_predictions():
    """Draw digits that a classifier gets wrong, or is in doubt about."""
    y = Y[:1000].copy()
    y[50:] = -1
    model = SemiSupervisedClassifier(PatchDictionaryEmbedder(random_state=0)).fit(X[:1000], y)
    return PredictionsDisplay.from_estimator(model, X[1000:], Y[1000:]).figure_


def draw_grad_cam():
    """Draw where RotNet and ScaleNet look in digits, stage by stage."""
    models = {
        "RotNet": RotNetEmbedder("resnet8", max_epochs=4, image_size=32, random_state=0),
        "ScaleNet": ScaleNetEmbedder(
            backbone="resnet8", max_epochs=2, image_size=32, random_state=0
        ),
    }
    for model in models.values():
        model.fit(X[:1000])
    shown = {"rows": [1081, 713, 1707], "target_names": ANGLES}
    return GradCAMDisplay.from_estimator(models, X, Y, **shown).figure_


def draw_map():
    """Draw the map of digits."""
    embedder = PatchDictionaryEmbedder(random_state=0).fit(X)
    return ImageMapDisplay.from_estimator(embedder, X, Y, random_state=0).figure_


def draw_neighbors():
    """Draw digits and their neighbours, some of which are other digits."""
    embedder = RotNetEmbedder(max_epochs=1, random_state=0).fit(X[:500])
    shown = {"rows": [5, 8, 9, 19], "n_neighbors": 8}
    return NeighborsDisplay.from_estimator(embedder, X[:500], Y[:500], **shown).figure_


def draw_views():
    """Draw what PatchRotNet makes of two photographs."""
    photographs = np.stack(load_sample_images().images)
    embedder = PatchRotEmbedder(image_size=96)
    targets = [*ANGLES, *(f"patch {angle}" for angle in ANGLES)]
    return ViewsDisplay.from_estimator(
        embedder,
        photographs,
        rows=[0, 1],
        names=["china", "flower"],
        target_names=targets,
        random_state=0,
    ).figure_


def browse(size, act):
    """Return a picture of the HTML page of a map, after `act(run)` with a function to run code."""
    from selenium import webdriver
    from selenium.webdriver.support.ui import WebDriverWait

    options = webdriver.ChromeOptions()
    for flag in ("--headless=new", "--no-sandbox", "--enable-unsafe-swiftshader"):
        options.add_argument(flag)
    options.binary_location = shutil.which("chromium") or ""
    service = webdriver.ChromeService(shutil.which("chromedriver"))
    embedder = PatchDictionaryEmbedder(random_state=0).fit(X)
    labels = {"digit": Y, "few labels": np.where(np.arange(len(Y)) < 100, Y, -1)}
    with tempfile.TemporaryDirectory() as folder, webdriver.Chrome(options, service) as chrome:
        path = write_image_map(Path(folder) / "digits.html", embedder, X, labels, random_state=0)
        chrome.set_window_size(*size)
        chrome.get(path.as_uri())
        ready = "return document.querySelector('#overlay[aria-busy=false]') !== null"
        WebDriverWait(chrome, 60).until(lambda _: chrome.execute_script(ready))
        act(chrome)
        time.sleep(2)  # the page draws itself
        return Image.open(io.BytesIO(chrome.get_screenshot_as_png()))


def draw_image_map():
    """Draw the HTML page of the map of digits, with one image in the panel."""

    def act(chrome):
        chrome.find_element("css selector", "#map").send_keys("++")
        chrome.find_element("css selector", "#map").send_keys("\ue007")  # Enter

    return browse((1100, 720), act)


def draw_image_map_selection():
    """Draw a part of the page in dark mode, with some images selected."""

    def act(chrome):
        dark = {"features": [{"name": "prefers-color-scheme", "value": "dark"}]}
        chrome.execute_cdp_cmd("Emulation.setEmulatedMedia", dark)
        chrome.find_element("css selector", "#map").send_keys("+++")
        chrome.find_elements("css selector", "#legend button")[8].click()

    return browse((1000, 560), act)


def draw_budget():
    """Draw the accuracy with ten labels per class by the seconds of fit, of the benchmarks."""
    lines = (HERE.parent / "benchmarks/accuracy/results/image_sets.jsonl").read_text().splitlines()
    found = defaultdict(list)
    for line in map(json.loads, lines):
        if "default_10" in line:
            found[line["data"], line["features"]].append(line)
    figure, axes = plt.subplots(2, 2, figsize=(9, 7.2), dpi=110, layout="constrained", sharex=True)
    for ax, (data, title) in zip(axes.flat, BUDGET_SETS.items(), strict=True):
        for features, (name, marker) in BUDGET_ROWS.items():
            rows = found[data, features]
            score = 100 * np.mean([row["default_10"] for row in rows])
            seconds = np.mean([row.get("fit_seconds", 0) for row in rows])
            if seconds:
                ax.plot(seconds, score, marker, markersize=9, label=name)
            else:
                style = ":" if name == "raw pixels" else "--"
                ax.axhline(score, color="grey", linestyle=style, label=name)
        ax.set_title(title)
        ax.set_xscale("log")
        ax.grid(alpha=0.3)
    for ax in axes[1]:
        ax.set_xlabel("CPU seconds of fit")
    for ax in axes[:, 0]:
        ax.set_ylabel("accuracy, %")
    figure.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside upper center", ncols=3)
    return figure


def draw_microscopy():
    """Draw the map of the simulated cells of an example, in the groups that it finds."""
    example = HERE.parent / "examples/microscopy_without_labels.py"
    with tempfile.TemporaryDirectory() as folder:
        command = [str(example), "--output", folder]
        with mock.patch.object(sys, "argv", command):
            display = runpy.run_path(str(example))["display"]
    # Small, so that the names are large on a phone.
    _, ax = plt.subplots(figsize=(4.6, 5), dpi=180, layout="constrained")
    return display.plot(ax, image_size=0.08).figure_


def draw_social_card():
    """Draw what is shown beside a link to the site: 1200 x 630 pixels."""
    figure = plt.figure(figsize=(12, 6.3))
    figure.text(0.05, 0.72, "sklssl", size=64, weight="bold", color="#3b7ea1")
    figure.text(0.05, 0.54, "Self-supervised image learning", size=25)
    figure.text(0.05, 0.45, "as scikit-learn estimators", size=25)
    code = "Z = PatchDictionaryEmbedder().fit_transform(images)"
    figure.text(0.05, 0.22, code, size=15, family="monospace", color="#555555")
    embedder = PatchDictionaryEmbedder(random_state=0).fit(X)
    ax = figure.add_axes((0.56, 0.04, 0.42, 0.92))
    ImageMapDisplay.from_estimator(embedder, X, Y, random_state=0, ax=ax)
    ax.set_axis_off()
    if ax.get_legend():
        ax.get_legend().remove()
    return figure


# The name of the file without its ending -> the function that returns the figure, in order.
PICTURES = {
    "budget": draw_budget,
    "comparison_labels": draw_comparison_labels,
    "comparison_scores": draw_comparison_scores,
    "comparison_time": draw_comparison_time,
    "grad_cam": draw_grad_cam,
    "history": draw_history,
    "image_map": draw_image_map,
    "image_map_selection": draw_image_map_selection,
    "layer_scores": draw_layer_scores,
    "map": draw_map,
    "microscopy": draw_microscopy,
    "neighbors": draw_neighbors,
    "predictions": draw_predictions,
    "social_card": draw_social_card,
    "views": draw_views,
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
        picture = PICTURES[name]()
        if not isinstance(picture, Image.Image):
            full = io.BytesIO()
            picture.savefig(full)
            picture = Image.open(full)
        picture = picture.convert("RGB")
        palette = picture.quantize(200, kmeans=2)  # a third of the size
        picture.quantize(palette=palette).save(path, optimize=True)
        print(f"{path}: {path.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main()
