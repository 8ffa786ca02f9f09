"""Self-Supervised Learning to Create Image Embeddings for Classification Tasks.

Fine-tuning and transfer learning on Oxford-IIIT Pet (figures 3 to 6), and the learning rates of
SimCLR (table in section 4.1). The paper starts from torchvision's networks with ImageNet weights,
and from a SimCLR trained on ImageNet. Here are EfficientNet-Lite0 with ImageNet weights, and a
ResNet-18 trained by SimCLR on the pets themselves, and without any training.
"""

from dataclasses import dataclass

from benchmarks.accuracy.image_sets import pets
from benchmarks.papers._images import first, resized
from benchmarks.papers._work import tuned
from sklssl import SimCLREmbedder


@dataclass(frozen=True)
class Size:
    n_images: int | None
    image_size: int
    simclr_epochs: int
    epochs: tuple  # of figure 6; the last ones are those of all other figures


SIZES = {
    "smoke": Size(n_images=30, image_size=64, simclr_epochs=1, epochs=(1, 1, 1)),
    "cpu": Size(n_images=None, image_size=64, simclr_epochs=30, epochs=(3, 5, 12)),
    "full": Size(n_images=None, image_size=64, simclr_epochs=300, epochs=(10, 20, 50)),
}
RATES = (0.001, 0.0008, 0.0005, 0.0004, 0.00035, 0.0003, 0.0001)


def jobs(size):
    """Return the function of each row."""
    lite = {"backbone": "timm/tf_efficientnet_lite0", "max_epochs": 0, "layer": "stage5"}
    simclr = SimCLREmbedder("resnet18", max_epochs=size.simclr_epochs, layer="layer4")
    networks = {
        "SimCLR": simclr,
        "ImageNet": SimCLREmbedder(init_weights="imagenet", **lite),
        "ImageNet's network, untrained": SimCLREmbedder(**lite),
        "untrained": SimCLREmbedder("resnet18", max_epochs=0, layer="layer4"),
    }
    found = {name: _network(size, embedder) for name, embedder in networks.items()}
    return found | {"SimCLR, learning rates": _rates(size, simclr)}


def _load(size, seed):
    return resized(first(pets(seed), size.n_images), size.image_size)


def _classify(fit, start, data, learning_rate=0.0001, **settings):
    """The paper's head is one hidden layer; its schedule needs images held out."""
    return tuned(
        *(fit, start, data),
        head="mlp",
        pool_size=1,
        learning_rate=learning_rate,
        lr_schedule="plateau",
        **settings,
    )


def _network(size, embedder):
    def job(seed, fit):
        data = _load(size, seed)
        start = fit(embedder, data[0])
        usual = {"max_epochs": size.epochs[-1], "batch_size": 64}
        found = {
            "transfer": _classify(fit, start, data, frozen_until="all", **usual),
            "rate_0.001": _classify(fit, start, data, 0.001, **usual),
            "batch_32": _classify(fit, start, data, max_epochs=size.epochs[-1], batch_size=32),
        }
        for number, epochs in enumerate(size.epochs, start=1):
            found[f"epochs_{number}"] = _classify(
                fit, start, data, max_epochs=epochs, batch_size=64
            )
        return found | {"tuned": found["epochs_3"]}

    return job


def _rates(size, simclr):
    def job(seed, fit):
        data = _load(size, seed)
        start = fit(simclr, data[0])
        usual = {"max_epochs": size.epochs[1], "batch_size": 32}
        return {f"rate_{rate}": _classify(fit, start, data, rate, **usual) for rate in RATES}

    return job
