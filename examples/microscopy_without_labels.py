"""
Microscopy without labels: a map, clusters, outliers and duplicates
===================================================================

Thousands of images of cells, and nobody has looked at them. This example draws a map of them, finds
groups of similar cells, and lists what should be looked at first: images that do not belong, and
images that are in the set twice. No labels are used.

``python examples/microscopy_without_labels.py`` simulates the images: 16-bit, with two channels,
without a natural orientation. The kinds of cells are known, so that the groups can be checked. Use
``--data`` for a folder of your own images; ``--output`` is the folder for all results.
"""

# %%
# The images
# ----------
# A simulated cell is round, elongated, dividing or fragmented. Exposures differ and pixels are
# noisy. Five images are out of focus, three have no cell, and four cells were imaged twice.

import argparse
import sys
from pathlib import Path

import cv2
import matplotlib.pyplot as plt
import numpy as np
from sklearn.cluster import KMeans
from sklearn.decomposition import PCA
from sklearn.metrics import adjusted_rand_score
from sklearn.neighbors import LocalOutlierFactor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklssl import PatchDictionaryEmbedder
from sklssl.curation import find_near_duplicates
from sklssl.datasets import list_images
from sklssl.inspection import ImageMapDisplay, NeighborsDisplay, write_image_map

parser = argparse.ArgumentParser(description="Look at images without labels.")
parser.add_argument("--data", help="a folder of your own images")
parser.add_argument("--image-size", type=int, default=64, help="side to resize them to")
parser.add_argument("--n-images", type=int, default=600, help="number of simulated images")
parser.add_argument("--n-groups", type=int, default=4)
parser.add_argument("--output", default="microscopy", help="folder for the results")
args = parser.parse_args(sys.argv[1:] if "__file__" in globals() else [])  # none in a notebook
if args.n_images < 28:  # the odd ones, and those of the first picture
    parser.error(f"--n-images must be at least 28. Got {args.n_images}.")
folder = Path(args.output)

KINDS = ("round", "elongated", "dividing", "fragmented")
SIDE = 32
N_BLURRED, N_EMPTY, N_TWICE = 5, 3, 4
N_OUTLIERS = 10


def draw_ellipse(centre, axes, angle):
    """Return a soft ellipse (SIDE, SIDE) that is 1 inside and 0 outside."""
    y, x = np.mgrid[:SIDE, :SIDE] - np.reshape(centre, (2, 1, 1))
    along = x * np.cos(angle) + y * np.sin(angle)
    across = y * np.cos(angle) - x * np.sin(angle)
    return 1 / (1 + np.exp(np.clip(8 * (np.hypot(along / axes[0], across / axes[1]) - 1), -50, 50)))


def simulate_cell(kind, rng):
    """Return the light of one cell (SIDE, SIDE, 2): its nucleus, and its body."""
    angle = rng.uniform(0, np.pi)
    centre = (SIDE - 1) / 2 + rng.normal(0, 1.2, 2)
    size = rng.uniform(0.9, 1.1)
    if kind == "round":
        nucleus = draw_ellipse(centre, (6 * size, 5.7 * size), angle)
        body = draw_ellipse(centre, (11 * size, 10 * size), angle)
    elif kind == "elongated":
        nucleus = draw_ellipse(centre, (8 * size, 4 * size), angle)
        body = draw_ellipse(centre, (14 * size, 7 * size), angle)
    elif kind == "dividing":
        apart = 5 * np.array([np.sin(angle), np.cos(angle)])
        halves = centre - apart, centre + apart
        nucleus = sum(draw_ellipse(half, (3.5 * size, 4.5 * size), angle) for half in halves)
        body = sum(draw_ellipse(half, (7 * size, 7 * size), angle) for half in halves)
    else:
        pieces = centre + rng.normal(0, 3.5, (6, 2))
        nucleus = sum(draw_ellipse(piece, (1.8 * size, 1.8 * size), 0) for piece in pieces)
        body = draw_ellipse(centre, (9 * size, 8 * size), angle)
    texture = cv2.GaussianBlur(rng.normal(0, 1, (SIDE, SIDE)), (0, 0), 1.5)
    nucleus, body = np.clip(nucleus, 0, 1.3), np.clip(body, 0, 1)
    return np.stack([nucleus * (1 + 0.6 * texture), body * (0.6 + 0.5 * texture)], axis=2)


def take_image(light, exposure, rng):
    """Return a 16-bit image of the light of a cell, with the noise of a camera."""
    photons = rng.poisson(np.clip(300 + 3000 * exposure * light, 0, None))
    return np.clip(photons, 0, 65535).astype(np.uint16)


def simulate_images(n_images=600, seed=0):
    """Return images (n, SIDE, SIDE, 2), their names, and their kinds, None if something is odd."""
    rng = np.random.default_rng(seed)
    kinds = list(rng.choice(KINDS, n_images))
    light = [simulate_cell(kind, rng) for kind in kinds]
    names = [f"cell{i:04}" for i in range(n_images)]
    for i in range(N_BLURRED):
        light[i], names[i] = cv2.GaussianBlur(light[i], (0, 0), 5), f"blurred{i}"
    for i in range(N_BLURRED, N_BLURRED + N_EMPTY):
        light[i], names[i] = np.zeros_like(light[i]), f"empty{i}"
    kinds[: N_BLURRED + N_EMPTY] = [None] * (N_BLURRED + N_EMPTY)
    for i in range(n_images - N_TWICE, n_images):
        light.append(light[i])
        names.append(f"{names[i]}again")
        kinds.append(kinds[i])
    images = [take_image(cell, rng.uniform(0.6, 1.4), rng) for cell in light]
    return np.stack(images), names, kinds


def load(data, n_images):
    """Return images or their files, their names, and their kinds, None if unknown."""
    if data is None:
        return simulate_images(n_images)
    found = list_images(data, unlabelled=[])
    # Bytes that are not valid UTF-8 can neither be printed nor drawn.
    names = [name.encode(errors="replace").decode() for name in found.filenames]
    return found.paths, names, [None] * len(names)


try:
    images, names, kinds = load(args.data, args.n_images)
    if not 1 <= args.n_groups <= len(images) - N_OUTLIERS:
        raise ValueError(
            f"--n-groups must be at least 1, and at most the number of images, {len(images)}, less "
            f"the {N_OUTLIERS} outliers. Got {args.n_groups}."
        )
    folder.mkdir(parents=True, exist_ok=True)
except (OSError, ValueError) as error:  # problems with the user's images
    parser.error(str(error))
if args.data is None:
    figure, axes = plt.subplots(2, 8, figsize=(9, 2.6), layout="constrained")
    for column, ax in enumerate(axes.T):
        for channel in (0, 1):
            ax[channel].imshow(images[20 + column][:, :, channel], cmap="gray")
            ax[channel].set_axis_off()
        ax[0].set_title(kinds[20 + column], fontsize=9)

# %%
# Features
# --------
# ``PatchDictionaryEmbedder`` needs seconds. Cells have no natural orientation: the embedder detects
# this (``symmetry_``), and averages the features over all orientations of an image, so that turned
# cells get the same features. A few principal components are enough for what follows.

image_size = None if args.data is None else args.image_size
try:
    embedder = PatchDictionaryEmbedder(image_size=image_size, random_state=0).fit(images)
except ValueError as error:  # such as a file that cannot be read
    parser.error(str(error))
features = embedder.transform(images)
n_components = min(30, len(images) - 1)
reduce = make_pipeline(StandardScaler(), PCA(n_components, random_state=0))
reduced = reduce.fit_transform(features)
print(f"{len(images)} images; symmetry: {embedder.symmetry_}")

# %%
# What to look at first
# ---------------------
# Images in a region of the feature space where there are few others, the loneliest first, and
# images that are in the set twice.

detector = LocalOutlierFactor(n_neighbors=min(20, len(reduced) - 1)).fit(reduced)
outliers = np.argsort(detector.negative_outlier_factor_)[:N_OUTLIERS]
print("Do not belong:", ", ".join(names[row] for row in outliers))
groups = find_near_duplicates(features)
print("More than once:", "; ".join(" = ".join(names[row] for row in g) for g in groups))

# %%
# The outliers, and the images that are most similar to them:

display = NeighborsDisplay.from_features(features, images, rows=outliers[:6], names=names)
display.figure_.savefig(folder / "outliers.png", dpi=100)

# %%
# Groups
# ------
# Outliers would become groups of their own, so groups are found without them. How many groups are
# there? Nobody knows: look at the map before you trust a number.


def find_groups(reduced):
    """Return the group of each image, found without the outliers."""
    usual = np.delete(reduced, outliers, axis=0)
    return KMeans(args.n_groups, n_init=10, random_state=0).fit(usual).predict(reduced)


labels = np.array([f"group {group + 1}" for group in find_groups(reduced)], dtype=object)
labels[outliers] = "odd"
display = ImageMapDisplay.from_features(features, images, labels, random_state=0)
display.figure_.savefig(folder / "map.png", dpi=100)

# %%
# Are these the true kinds?
# -------------------------
# Of the simulated cells we know. By the adjusted Rand index, 1 means that groups and kinds are the
# same, 0 that they have nothing in common.

if args.data is None:
    known = np.array([kind is not None for kind in kinds])
    true_kinds = np.array(kinds, dtype=str)[known]
    pixels = StandardScaler().fit_transform(images.reshape(len(images), -1).astype(float))
    by_features = adjusted_rand_score(true_kinds, find_groups(reduced)[known])
    by_pixels = adjusted_rand_score(true_kinds, find_groups(pixels)[known])
    print(
        f"Agreement with the true kinds: {by_features:.2f} by features, {by_pixels:.2f} by pixels"
    )

# %%
# The map in a browser
# --------------------
# One HTML file in which you can zoom, search and select images, and save the names of the selected
# ones.

write_image_map(folder / "map.html", features, images, labels, names=names)
print(f"The pictures and the map are in {folder}: open {folder / 'map.html'} in a browser.")
