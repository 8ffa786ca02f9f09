"""Draw the pictures of the pages: python docs/_pictures.py [name ...].

Without names, all of them. They are written to docs/images, and show scikit-learn's digits and
sample photographs.
"""

import argparse
import io
from pathlib import Path

import matplotlib
import numpy as np
from PIL import Image
from sklearn.datasets import load_sample_images

from sklssl import PatchDictionaryEmbedder, PatchRotEmbedder, RotNetEmbedder, ScaleNetEmbedder
from sklssl.datasets import load_digit_images
from sklssl.inspection import GradCAMDisplay, ImageMapDisplay, NeighborsDisplay, ViewsDisplay

IMAGES = Path(__file__).parent / "images"
ANGLES = ("0°", "90°", "180°", "270°")


def draw_grad_cam():
    """Draw where RotNet and ScaleNet look in digits, stage by stage."""
    X, y = load_digit_images(return_X_y=True)
    models = {
        "RotNet": RotNetEmbedder("resnet8", max_epochs=4, image_size=32, random_state=0),
        "ScaleNet": ScaleNetEmbedder(
            backbone="resnet8", max_epochs=2, image_size=32, random_state=0
        ),
    }
    for model in models.values():
        model.fit(X[:1000])
    shown = {"rows": [1081, 713, 1707], "target_names": ANGLES}
    return GradCAMDisplay.from_estimator(models, X, y, **shown).figure_


def draw_image_map():
    """Draw the map of digits."""
    X, y = load_digit_images(return_X_y=True)
    embedder = PatchDictionaryEmbedder(random_state=0).fit(X)
    return ImageMapDisplay.from_estimator(embedder, X, y, random_state=0).figure_


def draw_neighbors():
    """Draw digits and their neighbours, some of which are other digits."""
    X, y = load_digit_images(return_X_y=True)
    embedder = RotNetEmbedder(max_epochs=1, random_state=0).fit(X[:500])
    shown = {"rows": [5, 8, 9, 19], "n_neighbors": 8}
    return NeighborsDisplay.from_estimator(embedder, X[:500], y[:500], **shown).figure_


def draw_views():
    """Draw what PatchRotNet makes of two photographs."""
    X = np.stack(load_sample_images().images)
    embedder = PatchRotEmbedder(image_size=96)
    targets = [*ANGLES, *(f"patch {angle}" for angle in ANGLES)]
    return ViewsDisplay.from_estimator(
        embedder, X, rows=[0, 1], names=["china", "flower"], target_names=targets, random_state=0
    ).figure_


# The name of the file without its ending -> the function that returns the figure, in order.
PICTURES = {
    "grad_cam": draw_grad_cam,
    "image_map": draw_image_map,
    "neighbors": draw_neighbors,
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
        full = io.BytesIO()
        PICTURES[name]().savefig(full, dpi=100)
        picture = Image.open(full).convert("RGB")
        palette = picture.quantize(200, kmeans=2)  # a third of the size
        picture.quantize(palette=palette).save(path, optimize=True)
        print(f"{path}: {path.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main()
