"""ScaleNet: An Unsupervised Representation Learning Method for Limited Information (GCPR 2021).

Tables 1 (learning rates), 2 (scales), 3 (images without corners or colours; few labels; few
images), figure 2 (SimCLR at several scales) and table 4 (linear classifiers on every convolution of
AlexNet). The paper reports one pretext accuracy for 4,000 and 50,000 images, so that its pretext
task may have used all images, with labels for 4,000 ("labels"), or only 4,000 of them ("images"):
both are run. Reduced images are used for both tasks. The paper trains each scale for the same
number of epochs.
"""

from dataclasses import dataclass

from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from benchmarks.accuracy.image_sets import probe
from benchmarks.papers._images import cifar10, first, resized, tiny_imagenet
from benchmarks.papers._work import tuned
from sklssl import MultiScaleEmbedder, RotNetEmbedder, ScaleNetEmbedder, SimCLREmbedder
from sklssl.preprocessing import HarrisCornerMasker, PseudoGrayscaler


@dataclass(frozen=True)
class Size:
    backbone: str
    n_images: int
    n_limited: int
    n_test: int
    epochs: int
    limited_epochs: int
    tune_epochs: int
    tune_rate: float
    batch_size: int
    simclr_images: tuple
    simclr_epochs: int
    simclr_batch_size: int
    classes: int  # of Tiny-ImageNet
    small: int  # images of a class
    large: int
    alexnet_side: int  # images are resized to it
    alexnet_epochs: int
    alexnet_batch_size: int


SIZES = {
    "smoke": Size(
        backbone="convnet",
        n_images=40,
        n_limited=20,
        n_test=40,
        epochs=1,
        limited_epochs=1,
        tune_epochs=1,
        tune_rate=0.01,
        batch_size=20,
        simclr_images=(16, 24, 32),
        simclr_epochs=1,
        simclr_batch_size=16,
        classes=2,
        small=10,
        large=20,
        alexnet_side=32,
        alexnet_epochs=1,
        alexnet_batch_size=10,
    ),
    "cpu": Size(
        backbone="convnet",
        n_images=3000,
        n_limited=1000,
        n_test=10_000,
        epochs=8,
        limited_epochs=12,
        tune_epochs=8,
        tune_rate=0.01,
        batch_size=32,
        simclr_images=(400, 1000, 3000),
        simclr_epochs=15,
        simclr_batch_size=128,
        classes=40,
        small=15,
        large=50,
        alexnet_side=32,
        alexnet_epochs=5,
        alexnet_batch_size=32,
    ),
    "full": Size(
        backbone="resnet50",
        n_images=50_000,
        n_limited=4000,
        n_test=10_000,
        epochs=100,
        limited_epochs=100,
        tune_epochs=100,
        tune_rate=0.001,
        batch_size=128,
        simclr_images=(4000, 10_000, 50_000),
        simclr_epochs=300,
        simclr_batch_size=512,
        classes=200,
        small=22,
        large=80,
        alexnet_side=128,
        alexnet_epochs=30,
        alexnet_batch_size=192,
    ),
}

INPUTS = {
    "original": FunctionTransformer(),
    "Harris": HarrisCornerMasker(),
    "hybrid": HarrisCornerMasker(fraction=0.5, random_state=0),
    "grey": PseudoGrayscaler(),
    "grey-Harris": make_pipeline(PseudoGrayscaler(), HarrisCornerMasker()),
}
SCALES = (
    ((0.5, 1.0), (0.1, 0.1)),
    ((0.5, 1.0), (0.1, 0.01)),
    ((0.5, 0.75, 1.0), (0.1, 0.05, 0.05)),
    ((0.5, 0.75, 1.0), (0.1, 0.05, 0.01)),
    ((0.25, 1.0), (0.1, 0.05)),
    ((0.75, 1.0), (0.1, 0.05)),
    ((0.25, 0.5, 1.0), (0.1, 0.05, 0.01)),
    ((0.25, 0.75, 1.0), (0.1, 0.05, 0.01)),
)


def jobs(size):
    """Return the function of each row, the most telling rows first."""
    found = {}
    for name, step in INPUTS.items():
        for method, scales, rates in (
            ("RotNet", (1.0,), (0.1,)),
            ("ScaleNet", (0.5, 1.0), (0.1, 0.05)),
        ):
            found[f"{method}, {name}"] = _rotations(size, scales, rates, step)
    for scales in ((1.0,), (0.5, 1.0)):
        found[_name("SimCLR", scales)] = _simclr(size, scales)
    for scales, rates in (((1.0,), (0.01,)), ((0.5, 1.0), (0.01, 0.001))):
        found[_name("AlexNet", scales)] = _alexnet(size, scales, rates)
    for scales, rates in SCALES:
        found[f"{_name('', scales)}, {_name('', rates)}"] = _rotations(size, scales, rates)
    return found


def _name(method, numbers):
    return f"{method} {'-'.join(f'{number:g}' for number in numbers)}".strip()


def _rotations(size, scales, rates, step=None):
    """Return the job of a network that learns rotations at these scales, and then classes."""

    def embedder(epochs):
        common = {"backbone": size.backbone, "batch_size": size.batch_size}
        if len(scales) == 1:
            return RotNetEmbedder(max_epochs=epochs, learning_rate=rates[0], **common)
        return ScaleNetEmbedder(scales, learning_rates=rates, max_epochs=epochs, **common)

    def classify(fit, start, data):
        settings = {"optimizer": "sgd", "learning_rate": size.tune_rate, "lr_schedule": "step"}
        common = {"max_epochs": size.tune_epochs, "batch_size": size.batch_size}
        return tuned(fit, start, data, **settings, **common)

    def job(seed, fit):
        X, y, X_test, y_test = data = cifar10(size.n_images, size.n_test, seed)
        if step is not None:
            data = (step.fit_transform(X), y, step.fit_transform(X_test), y_test)
        few = first(data, size.n_limited)
        whole = fit(embedder(size.epochs), data[0])
        found = {"pretext": whole.score(data[2]), "whole": classify(fit, whole, data)}
        if step is None:
            return found
        limited = fit(embedder(size.limited_epochs), few[0])
        return found | {
            "labels": classify(fit, whole, few),
            "images": classify(fit, limited, few),
        }

    return job


def _simclr(size, scales):
    def job(seed, fit):
        data = cifar10(size.n_images, size.n_test, seed)
        simclr = SimCLREmbedder(
            size.backbone,
            batch_size=size.simclr_batch_size,
            max_epochs=size.simclr_epochs,
            learning_rate=0.001,
        )
        found = {}
        names = ("limited", "middle", "whole")
        for name, n_images in zip(names, size.simclr_images, strict=True):
            X, y, X_test, y_test = first(data, n_images)
            embedder = fit(MultiScaleEmbedder(simclr, scales, learning_rates=0.001), X)
            found[name] = probe(embedder.transform(X), y, embedder.transform(X_test), y_test)
        return found

    return job


def _alexnet(size, scales, rates):
    """Rotations of a few images, and then of more, of Tiny-ImageNet instead of ImageNet."""

    def job(seed, fit):
        data = resized(tiny_imagenet(size.classes, size.large, seed), size.alexnet_side)
        n_small = size.classes * size.small
        common = {
            "backbone": "alexnet",
            "batch_size": size.alexnet_batch_size,
            "max_epochs": size.alexnet_epochs,
        }
        embedder = ScaleNetEmbedder(scales, learning_rates=rates, **common)
        small = fit(embedder, data[0][:n_small])
        large = fit(RotNetEmbedder(learning_rate=0.01, init_weights=small, **common), data[0])
        return _layers(small, first(data, n_small), "small") | _layers(large, data, "large")

    return job


def _layers(embedder, data, name):
    X, y, X_test, y_test = data
    maps, maps_test = embedder.transform_layers(X), embedder.transform_layers(X_test)
    return {f"{name}_{key}": probe(maps[key], y, maps_test[key], y_test) for key in maps}
