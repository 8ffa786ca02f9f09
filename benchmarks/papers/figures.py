"""The papers' pictures of what networks look at, and of their features (requires matplotlib).

python -m benchmarks.papers.figures [--only NAME ...]

Other than `pictures`, this trains: RotNet, ScaleNet and Patch RotNet on 64x64 images of
Tiny-ImageNet, and ResNet-8 on CIFAR-10; a quarter of an hour on one core. The heat maps are of two
photographs that come with scikit-image, free of rights: Chelsea, a cat, and Eileen Collins.
"""

import argparse
import io

import cv2
import matplotlib
import matplotlib.pyplot as plt
import numpy as np
import skimage.data
from PIL import Image
from sklearn.manifold import TSNE

from benchmarks.papers._images import cifar10, tiny_imagenet
from benchmarks.papers.pictures import IMAGES
from sklssl import FineTuneClassifier, PatchRotEmbedder, RotNetEmbedder, ScaleNetEmbedder
from sklssl.inspection import GradCAMDisplay

SEED = 0
CLASSES = ("plane", "car", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")


def photographs():
    """Return two photographs (2, 64, 64, 3)."""
    cat, astronaut = skimage.data.chelsea()[:, 75:375], skimage.data.astronaut()[:400, 20:420]
    return np.stack(
        [cv2.resize(x, (64, 64), interpolation=cv2.INTER_AREA) for x in (cat, astronaut)]
    )


def draw_stages():
    """Draw what each stage bases the rotation on (figure 3 of ScaleNet)."""
    X = tiny_imagenet(40, 80, SEED)[0]
    settings = {"backbone": "convnet", "batch_size": 64, "random_state": SEED, "verbose": 1}
    models = {
        "RotNet": RotNetEmbedder(max_epochs=10, **settings).fit(X),
        "ScaleNet": ScaleNetEmbedder(scales=(0.5, 1), max_epochs=(10, 10), **settings).fit(X),
    }
    layers = ["block1", "block2", "block3"]
    return GradCAMDisplay.from_estimator(
        models, photographs(), rows=[0, 1], layers=layers, names=["", ""]
    ).figure_


def draw_views():
    """Draw what Patch RotNet bases its eight answers on (figure 3 of its paper)."""
    X = tiny_imagenet(40, 80, SEED)[0]
    settings = {"patch_ratio": 0.4, "max_epochs": 6, "batch_size": 64, "verbose": 1}
    model = PatchRotEmbedder("convnet", **settings, random_state=SEED).fit(X)
    return GradCAMDisplay.from_estimator(
        model, photographs()[:1], rows=[0], n_views=8, layers=["block2", "block3"], names=[""]
    ).figure_


def draw_features():
    """Draw fine-tuned features in two dimensions (figure 4 of the patch paper)."""
    X, y, X_test, y_test = cifar10(2000, 1000, SEED)
    settings = {"backbone": "resnet8", "max_epochs": 5, "batch_size": 32, "random_state": SEED}
    methods = {
        "Patch RotNet": PatchRotEmbedder(patch_ratio=0.4, **settings),
        "RotNet": RotNetEmbedder(**settings),
    }
    figure, grid = plt.subplots(1, 2, figsize=(8.5, 3.8), layout="constrained")
    for axes, (name, embedder) in zip(grid, methods.items(), strict=True):
        model = FineTuneClassifier(
            embedder.fit(X), layer="layer3", pool_size=1, max_epochs=10, random_state=SEED
        ).fit(X[:1000], y[:1000])
        Z = model.to_embedder().set_layer("layer3").set_params(pool_size=1).transform(X_test)
        places = TSNE(random_state=SEED).fit_transform(Z)
        for code, title in enumerate(CLASSES):
            axes.scatter(*places[y_test == code].T, s=5, color=f"C{code}", label=title)
        axes.set_title(f"{name}: {100 * model.score(X_test, y_test):.1f} %")
        axes.set(xticks=[], yticks=[])
    grid[1].legend(frameon=False, loc="center left", bbox_to_anchor=(1, 0.5), markerscale=2)
    return figure


FIGURES = {
    "paper_scalenet_stages": draw_stages,
    "paper_patches_views": draw_views,
    "paper_patches_features": draw_features,
}

if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--only", nargs="*", default=list(FIGURES), choices=list(FIGURES))
    matplotlib.use("agg")
    for name in parser.parse_args().only:
        figure, picture = FIGURES[name](), io.BytesIO()
        figure.savefig(picture, dpi=110)
        # A third of the size, and no difference to see.
        Image.open(picture).convert("RGB").quantize(256).save(IMAGES / f"{name}.png", optimize=True)
        plt.close(figure)
