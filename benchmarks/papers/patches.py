"""Self-Supervised Learning with Local Attention-Aware Feature.

Tables 1 and 2: features of ResNet-8 and ResNet-32, frozen below two fully connected layers
("linear" in the paper) or tuned. STL-10 is not here: instead, classes of CIFAR-10 (nine of ten are
the same) for a part of the images.
"""

from dataclasses import dataclass

from benchmarks.papers._images import cifar10, first, resized, tiny_imagenet
from benchmarks.papers._work import tuned
from sklssl import (
    DeepClusterEmbedder,
    DeepInfoMaxEmbedder,
    PatchRelEmbedder,
    PatchRotEmbedder,
    RotNetEmbedder,
)


@dataclass(frozen=True)
class Part:
    """One network on one set of images."""

    n_images: int
    n_labels: int
    n_test: int
    epochs: int
    frozen_epochs: int
    tune_epochs: int


@dataclass(frozen=True)
class Size:
    stl: Part
    deep: Part  # ResNet-32
    tiny: Part  # the numbers of images are those of a class
    classes: int
    image_size: int  # of Tiny-ImageNet
    batch_size: int


_SMOKE = Part(120, 20, 20, 1, 1, 1)
SIZES = {
    "smoke": Size(_SMOKE, _SMOKE, Part(12, 8, 30, 1, 1, 1), 2, 32, 12),
    "cpu": Size(
        stl=Part(2000, 1000, 10_000, 5, 20, 10),
        deep=Part(1000, 500, 5000, 4, 20, 8),
        tiny=Part(50, 50, 30, 5, 20, 10),
        classes=40,
        image_size=32,
        batch_size=32,
    ),
    "full": Size(
        stl=Part(50_000, 5000, 10_000, 200, 100, 20),
        deep=Part(50_000, 5000, 10_000, 200, 100, 20),
        tiny=Part(80, 80, 30, 200, 100, 20),
        classes=200,
        image_size=64,
        batch_size=64,
    ),
}


def _methods(backbone, n_classes):
    ratios = (0.3, 0.4, 0.5)
    # With the usual rate, and few steps, the features of the deep network are worse than random.
    rotations = {"backbone": backbone, "learning_rate": 0.01 if backbone == "resnet32" else 0.1}
    return {
        "RotNet": RotNetEmbedder(**rotations),
        **{f"Patch RelNet {r}": PatchRelEmbedder(patch_ratio=r, **rotations) for r in ratios},
        **{f"Patch RotNet {r}": PatchRotEmbedder(patch_ratio=r, **rotations) for r in ratios},
        "Deep InfoMax": DeepInfoMaxEmbedder(backbone),
        "Deep Cluster": DeepClusterEmbedder(10 * n_classes, backbone=backbone),
        "random": RotNetEmbedder(backbone, max_epochs=0),
        "supervised": None,
    }


def jobs(size):
    """Return the function of each row."""
    found = {}
    for name in _methods("resnet8", 10):
        found[f"ResNet-8, STL, {name}"] = _row(size, "resnet8", name, size.stl, _stl)
    for name in _methods("resnet32", 10):
        found[f"ResNet-32, STL, {name}"] = _row(size, "resnet32", name, size.deep, _stl)
    for name in _methods("resnet8", size.classes):
        found[f"ResNet-8, Tiny, {name}"] = _row(size, "resnet8", name, size.tiny, _tiny)
    return found


def _stl(size, part, seed):
    return cifar10(part.n_images, part.n_test, seed), part.n_labels


def _tiny(size, part, seed):
    data = tiny_imagenet(size.classes, part.n_images, seed)
    return resized(data, size.image_size), part.n_labels * size.classes


def _row(size, backbone, name, part, load):
    def job(seed, fit):
        data, n_labels = load(size, part, seed)
        labelled = first(data, n_labels)
        embedder = _methods(backbone, len(set(data[1].tolist())))[name]
        head = {"layer": "layer3", "pool_size": 1, "batch_size": size.batch_size // 2}
        if embedder is None:
            epochs = part.frozen_epochs
            return {"tuned": tuned(fit, backbone, labelled, max_epochs=epochs, **head)}
        if name != "random":
            embedder.set_params(max_epochs=part.epochs, batch_size=size.batch_size)
        embedder = fit(embedder, data[0])
        return {
            "linear": tuned(
                *(fit, embedder, labelled),
                head="mlp",
                frozen_until="all",
                max_epochs=part.frozen_epochs,
                **head,
            ),
            "tuned": tuned(
                *(fit, embedder, labelled), head="mlp", max_epochs=part.tune_epochs, **head
            ),
        }

    return job
