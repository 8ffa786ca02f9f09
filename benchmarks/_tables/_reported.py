"""What the papers report: the numbers of their tables, in per cent, and their claims."""

from collections.abc import Callable
from typing import NamedTuple


class Row(NamedTuple):
    """A row of a table: its title, the row of our results, and the paper's number of each key."""

    title: str
    ours: str
    theirs: dict
    prefix: str = ""  # of our keys


class Claim(NamedTuple):
    """The first row, (row, key), is better than the second one, by so many points."""

    text: str
    paper: str
    better: tuple
    worse: tuple
    theirs: float
    n_test: Callable  # of the settings


def _rows(keys, rows):
    """Return rows from lines (title, our row, numbers in the order of the keys)."""
    return [Row(title, ours, dict(zip(keys, n, strict=True))) for title, ours, *n in rows]


ROTATIONS = {"pretext": "rotations", "whole": "classes"}
_TWO = ("pretext", "whole")
SCALENET_RATES = _rows(
    _TWO,
    [
        ("0.5, 1; rates 0.1, 0.1", "0.5-1, 0.1-0.1", 84.73, 86.81),
        ("0.5, 1; rates 0.1, 0.05", "ScaleNet, original", 84.65, 88.19),
        ("0.5, 1; rates 0.1, 0.01", "0.5-1, 0.1-0.01", 83.0, 88.0),
        ("0.5, 0.75, 1; rates 0.1, 0.05, 0.05", "0.5-0.75-1, 0.1-0.05-0.05", 85.77, 86.16),
        ("0.5, 0.75, 1; rates 0.1, 0.05, 0.01", "0.5-0.75-1, 0.1-0.05-0.01", 85.08, 88.04),
    ],
)
SCALENET_SCALES = _rows(
    _TWO,
    [
        ("RotNet", "RotNet, original", 83.64, 87.17),
        ("0.25, 1", "0.25-1, 0.1-0.05", 82.71, 86.19),
        ("0.5, 1", "ScaleNet, original", 84.65, 88.19),
        ("0.75, 1", "0.75-1, 0.1-0.05", 85.13, 87.63),
        ("0.25, 0.5, 1", "0.25-0.5-1, 0.1-0.05-0.01", 81.49, 86.31),
        ("0.25, 0.75, 1", "0.25-0.75-1, 0.1-0.05-0.01", 83.14, 86.59),
        ("0.5, 0.75, 1", "0.5-0.75-1, 0.1-0.05-0.01", 85.08, 88.0),
    ],
)
# The paper has one column for few images; ours are two readings of it.
LIMITED = {
    "pretext": "rotations",
    "labels": "few labels",
    "images": "few images and labels",
    "whole": "all",
}
SCALENET_LIMITED = _rows(
    LIMITED,
    [
        ("RotNet", "RotNet, original", 82.45, 71.98, 71.98, 87.17),
        ("RotNet, Harris", "RotNet, Harris", 50.38, 62.80, 62.80, 86.04),
        ("RotNet, hybrid", "RotNet, hybrid", 81.76, 69.32, 69.32, 87.17),
        ("RotNet, grey", "RotNet, grey", 80.33, 70.63, 70.63, 86.96),
        ("RotNet, grey-Harris", "RotNet, grey-Harris", 65.34, 61.63, 61.63, 85.77),
        ("ScaleNet", "ScaleNet, original", 84.65, 73.69, 73.69, 88.19),
        ("ScaleNet, Harris", "ScaleNet, Harris", 45.83, 69.83, 69.83, 87.27),
        ("ScaleNet, hybrid", "ScaleNet, hybrid", 81.79, 73.16, 73.16, 88.12),
        ("ScaleNet, grey", "ScaleNet, grey", 80.71, 72.48, 72.48, 87.2),
        ("ScaleNet, grey-Harris", "ScaleNet, grey-Harris", 69.65, 68.09, 68.09, 86.04),
    ],
)
SIMCLR = {"limited": "4,000", "middle": "10,000", "whole": "50,000"}  # images, in the paper
SCALENET_SIMCLR = [
    Row("SimCLR", "SimCLR 1", {}),
    Row("multi-scale SimCLR", "SimCLR 0.5-1", {}),
]
CONVS = {f"conv{i}": f"conv{i}" for i in range(1, 6)}
SCALENET_ALEXNET = [
    row._replace(prefix=prefix)
    for prefix, row in zip(
        ("small_", "small_", "large_", "large_"),
        _rows(
            CONVS,
            [
                ("RotNet, few images", "AlexNet 1", 5.62, 9.24, 11.30, 11.71, 11.75),
                ("ScaleNet, few images", "AlexNet 0.5-1", 5.93, 9.91, 12.05, 12.64, 12.25),
                ("RotNet from RotNet", "AlexNet 1", 11.30, 17.60, 21.26, 22.15, 21.90),
                ("RotNet from ScaleNet", "AlexNet 0.5-1", 14.55, 23.18, 27.75, 27.50, 26.61),
            ],
        ),
        strict=True,
    )
]

PROBES = {"linear": "frozen", "tuned": "tuned"}


def _patches(network, data, rows):
    return _rows(
        PROBES, [(name, f"{network}, {data}, {name}", *numbers) for name, *numbers in rows]
    )


PATCHES_TINY = _patches(
    "ResNet-8",
    "Tiny",
    [
        ("supervised", None, 40.45),
        ("random", 6.63, 36.78),
        ("Deep InfoMax", 14.90, 27.78),
        ("Deep Cluster", 12.57, 27.14),
        ("RotNet", 16.32, 29.07),
        ("Patch RelNet 0.3", 17.35, 29.32),
        ("Patch RelNet 0.4", 16.04, 29.19),
        ("Patch RelNet 0.5", 14.50, 28.54),
        ("Patch RotNet 0.3", 13.15, 30.01),
        ("Patch RotNet 0.4", 11.70, 28.90),
        ("Patch RotNet 0.5", 12.45, 29.29),
    ],
)
PATCHES_STL = _patches(
    "ResNet-8",
    "STL",
    [
        ("supervised", None, 73.8),
        ("random", 26.66, 57.96),
        ("Deep InfoMax", 41.64, 57.66),
        ("Deep Cluster", 41.70, 59.05),
        ("RotNet", 60.48, 68.16),
        ("Patch RelNet 0.3", 59.09, 69.95),
        ("Patch RelNet 0.4", 60.28, 70.08),
        ("Patch RelNet 0.5", 59.54, 69.81),
        ("Patch RotNet 0.3", 55.23, 69.17),
        ("Patch RotNet 0.4", 54.55, 69.28),
        ("Patch RotNet 0.5", 57.55, 69.43),
    ],
)
PATCHES_DEEP = _patches(
    "ResNet-32",
    "STL",
    [
        ("supervised", None, 74.54),
        ("random", 27.19, 60.20),
        ("Deep InfoMax", 45.41, 68.56),
        ("Deep Cluster", 41.35, 65.45),
        ("RotNet", 52.25, 76.06),
        ("Patch RelNet 0.3", 50.15, 75.55),
        ("Patch RelNet 0.4", 45.76, 72.61),
        ("Patch RelNet 0.5", 42.38, 73.70),
        ("Patch RotNet 0.3", 48.75, 68.71),
        ("Patch RotNet 0.4", 52.63, 77.06),
        ("Patch RotNet 0.5", 50.05, 78.38),
    ],
)

HEADS = {"linear": "linear", "nonlinear": "non-linear"}
TRANSFER = {"cifar10": "CIFAR-10", "signs": "Mini Places; here traffic signs"}


def _tuned(rows):
    """The rows of networks before and after tuning on a fifth of the labels."""
    return [row._replace(prefix="tuned_" * row.title.startswith("tuned")) for row in rows]


DECOUPLING = _tuned(
    _rows(
        HEADS,
        [
            ("supervised, 20 %", "supervised", 18.42, None),
            ("base", "base", 26.58, 37.22),
            ("contrastive", "contrastive", 27.54, 38.19),
            ("tuned base", "base", 33.56, 40.25),
            ("tuned contrastive", "contrastive", 34.90, 40.99),
            ("SimCLR", "SimCLR", None, None),
            ("RotNet", "RotNet", None, None),
            ("untrained", "untrained", None, None),
            ("tuned untrained", "untrained", None, None),
        ],
    )
)
DECOUPLING_TRANSFER = _tuned(
    _rows(
        TRANSFER,
        [
            ("base", "base", 65.60, 26.31),
            ("contrastive", "contrastive", 66.46, 26.54),
            ("tuned base", "base", 67.55, 27.25),
            ("tuned contrastive", "contrastive", 67.79, 27.62),
            ("untrained", "untrained", None, None),
        ],
    )
)

NETWORKS = {
    "tuned": "fine-tuned",
    "transfer": "transfer",
    "rate_0.001": "rate 0.001",
    "batch_32": "batch 32",
    "epochs_1": "fewest epochs",
    "epochs_2": "fewer epochs",
}
PETS = [
    Row("SimCLR on the pets", "SimCLR", {}),
    Row("ImageNet (EfficientNet-Lite0)", "ImageNet", {}),
    Row("EfficientNet-Lite0, untrained", "ImageNet's network, untrained", {}),
    Row("ResNet-18, untrained", "untrained", {}),
]
PETS_RATES = {0.001: 44, 0.0008: 43, 0.0005: 50, 0.0004: 51, 0.00035: 53, 0.0003: 51, 0.0001: 50}
RATES = {f"rate_{rate}": str(rate) for rate in PETS_RATES}
PETS_SIMCLR = [
    Row(
        "SimCLR, fine-tuned",
        "SimCLR, learning rates",
        {f"rate_{rate}": number for rate, number in PETS_RATES.items()},
    )
]

BLOCKS = {f"block{i}": f"block {i}" for i in range(1, 5)}
NIN_BLOCKS = _rows(BLOCKS, [("RotNet, non-linear", "RotNet", 77.95, 83.84, 81.12, 43.07)])
CONV = {"conv": "classes", "boxes": "boxes"}
NIN_HEADS = _rows(
    CONV,
    [
        ("supervised", "supervised", 89.72, None),
        ("RotNet, two frozen blocks, conv", "RotNet", 87.74, 69.91),
        ("random, two frozen blocks, conv", "random", 10.01, 22.51),
    ],
)


class Table(NamedTuple):
    """A table: the paper, its columns (our key: title), and its rows."""

    paper: str
    columns: dict
    rows: list


TABLES = {
    "scalenet_limited": Table("scalenet", LIMITED, SCALENET_LIMITED),
    "scalenet_rates": Table("scalenet", ROTATIONS, SCALENET_RATES),
    "scalenet_scales": Table("scalenet", ROTATIONS, SCALENET_SCALES),
    "scalenet_simclr": Table("scalenet", SIMCLR, SCALENET_SIMCLR),
    "scalenet_alexnet": Table("scalenet", CONVS, SCALENET_ALEXNET),
    "nin_blocks": Table("nin", BLOCKS, NIN_BLOCKS),
    "nin_heads": Table("nin", CONV, NIN_HEADS),
    "decoupling_tiny": Table("decoupling", HEADS, DECOUPLING),
    "decoupling_transfer": Table("decoupling", TRANSFER, DECOUPLING_TRANSFER),
    "patches_stl": Table("patches", PROBES, PATCHES_STL),
    "patches_tiny": Table("patches", PROBES, PATCHES_TINY),
    "patches_resnet32": Table("patches", PROBES, PATCHES_DEEP),
    "pets_networks": Table("pets", NETWORKS, PETS),
    "pets_rates": Table("pets", RATES, PETS_SIMCLR),
}


def keys_of(paper, ours):
    """Return the keys that our row must have: where the paper has numbers, or else all."""
    tables = [table for table in TABLES.values() if table.paper == paper]
    return {
        row.prefix + key
        for columns, row in ((table.columns, row) for table in tables for row in table.rows)
        if row.ours == ours
        for key in ([k for k in columns if row.theirs.get(k) is not None] or columns)
    }


def _images(settings):
    return settings["n_test"]


def _stl(settings):
    return settings["stl"]["n_test"]


def _tiny(settings):
    return 30 * settings["classes"]


def _scalenet_claim(text, key, points, name="original"):
    rows = [(f"{method}, {name}", key) for method in ("ScaleNet", "RotNet")]
    return Claim(text, "scalenet", *rows, points, _images)


_FEW = "ScaleNet is better than RotNet, few images"
CLAIMS = [
    _scalenet_claim("ScaleNet is better than RotNet, all images", "whole", 1.02),
    _scalenet_claim(_FEW, "images", 1.71),
    _scalenet_claim(f"{_FEW} without corners", "images", 7.03, "Harris"),
    _scalenet_claim(f"{_FEW}, some without corners", "images", 3.84, "hybrid"),
    _scalenet_claim(f"{_FEW} without colours", "images", 1.85, "grey"),
    _scalenet_claim(f"{_FEW} without both", "images", 6.46, "grey-Harris"),
    Claim(
        "Rotations are hard to see without corners",
        *("scalenet", ("RotNet, original", "pretext"), ("RotNet, Harris", "pretext"), 32.07),
        _images,
    ),
    Claim(
        "A scale of 0.5 is better than 0.25",
        *("scalenet", ("ScaleNet, original", "whole"), ("0.25-1, 0.1-0.05", "whole"), 2.0),
        _images,
    ),
    Claim(
        "A smaller rate at the larger scale is better",
        *("scalenet", ("ScaleNet, original", "whole"), ("0.5-1, 0.1-0.1", "whole"), 1.38),
        _images,
    ),
    *(
        Claim(
            f"Two scales are better for SimCLR, {images}",
            *("scalenet", ("SimCLR 0.5-1", key), ("SimCLR 1", key), points),
            _images,
        )
        for key, images, points in (
            ("limited", "fewest images", 4.55),
            ("middle", "fewer images", 4.47),
            ("whole", "all images", 3.79),
        )
    ),
    Claim(
        "RotNet from ScaleNet is better than from RotNet (conv4)",
        *("scalenet", ("AlexNet 0.5-1", "large_conv4"), ("AlexNet 1", "large_conv4"), 5.35),
        _tiny,
    ),
    Claim(
        "The second block is better than the fourth",
        *("nin", ("RotNet", "block2"), ("RotNet", "block4"), 40.77),
        _images,
    ),
    Claim(
        "A convolutional classifier is better than a non-linear one",
        *("nin", ("RotNet", "conv"), ("RotNet", "block2"), 3.90),
        _images,
    ),
    Claim(
        "RotNet's two blocks are better than random ones",
        *("nin", ("RotNet", "conv"), ("random", "conv"), 77.73),
        _images,
    ),
    Claim(
        "The supervised network is better than RotNet's blocks",
        *("nin", ("supervised", "conv"), ("RotNet", "conv"), 1.98),
        _images,
    ),
    Claim(
        "Boxes of signs are better from RotNet's blocks than from random ones",
        *("nin", ("RotNet", "boxes"), ("random", "boxes"), 47.40),
        lambda settings: 1071,
    ),
    Claim(
        "NT-Xent is better than NCE",
        *("decoupling", ("contrastive", "linear"), ("base", "linear"), 0.96),
        _tiny,
    ),
    Claim(
        "Tuning on a fifth of the labels improves the features",
        *("decoupling", ("base", "tuned_linear"), ("base", "linear"), 6.98),
        _tiny,
    ),
    Claim(
        "Decoupling is better than supervised training on a fifth of the labels",
        *("decoupling", ("base", "linear"), ("supervised", "linear"), 8.16),
        _tiny,
    ),
    Claim(
        "Tuning improves the transfer to CIFAR-10",
        *("decoupling", ("base", "tuned_cifar10"), ("base", "cifar10"), 1.95),
        lambda settings: 2000,
    ),
    Claim(
        "Patch RelNet (0.4) is better than RotNet, ResNet-8, tuned",
        "patches",
        ("ResNet-8, STL, Patch RelNet 0.4", "tuned"),
        ("ResNet-8, STL, RotNet", "tuned"),
        1.92,
        _stl,
    ),
    Claim(
        "Patch RelNet (0.3) is better than RotNet, Tiny-ImageNet, frozen",
        "patches",
        ("ResNet-8, Tiny, Patch RelNet 0.3", "linear"),
        ("ResNet-8, Tiny, RotNet", "linear"),
        1.03,
        _tiny,
    ),
    Claim(
        "Patch RotNet (0.5) is better than RotNet, ResNet-32, tuned",
        "patches",
        ("ResNet-32, STL, Patch RotNet 0.5", "tuned"),
        ("ResNet-32, STL, RotNet", "tuned"),
        2.32,
        _stl,
    ),
    Claim(
        "Patch RotNet (0.5) is better than supervised training, ResNet-32",
        "patches",
        ("ResNet-32, STL, Patch RotNet 0.5", "tuned"),
        ("ResNet-32, STL, supervised", "tuned"),
        3.84,
        _stl,
    ),
    Claim(
        "RotNet is better than Deep InfoMax, ResNet-8, frozen",
        "patches",
        ("ResNet-8, STL, RotNet", "linear"),
        ("ResNet-8, STL, Deep InfoMax", "linear"),
        18.84,
        _stl,
    ),
]
