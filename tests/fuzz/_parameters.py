"""Values for parameters, sensible and senseless, found by name or for any name at all."""

import functools
import pathlib
from fractions import Fraction

import numpy as np
import torch
from hypothesis import strategies as st
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LinearRegression, LogisticRegression
from torch import nn

from sklssl import HarrisCornerMasker, RotNetEmbedder
from sklssl.backbones._patchnet import patchnet
from sklssl.exceptions import StopTraining
from sklssl.finetuning import FineTuneRegressor
from tests.fuzz._anything import ANYTHING

__all__ = ["diverging", "junk", "tiny", "writing"]


def tiny(in_channels, image_size):
    """Make a network that costs next to nothing."""
    first = nn.Sequential(nn.Conv2d(in_channels, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU())
    return nn.Sequential(first, nn.Conv2d(4, 6, 3, 2, 1))


def _keyword_only(params, *, lr, weight_decay):
    return torch.optim.SGD(params, lr=lr, weight_decay=weight_decay)


def _stop(embedder, row):
    raise StopTraining


def _fitted(channels):
    X = np.random.default_rng(0).integers(0, 256, (4, 8, 8, channels), dtype=np.uint8)
    return RotNetEmbedder(tiny, max_epochs=0, random_state=0).fit(X)


def _grow(in_channels, image_size):
    return nn.Sequential(nn.Conv2d(in_channels, 4, image_size + 1))


def _flat(in_channels, image_size):
    return nn.Sequential(nn.Flatten(), nn.LazyLinear(4))


def _other_channels(in_channels, image_size):
    return nn.Sequential(nn.Conv2d(in_channels + 1, 4, 3))


def _no_weights(in_channels, image_size):
    return nn.Sequential(nn.AvgPool2d(2))


def _several_maps(in_channels, image_size):
    return nn.Sequential(nn.LSTM(8, 4))


def _not_finite(in_channels, image_size):
    net = tiny(in_channels, image_size)
    nn.init.constant_(net[1].weight, float("nan"))
    return net


def _empty(in_channels, image_size):
    return nn.Sequential()


# Values that are worth trying for one parameter.
_BY_NAME = {
    "backbone": [
        "convnet",
        "patchconvnet",
        functools.partial(patchnet, n_atoms=(4, 6)),
        "resnet8",
        "resnet81",
        "Convnet",
        "vit_b_16",
        "",
        tiny,
        nn.Conv2d,
        _grow,
        _flat,
        _other_channels,
        _no_weights,
        _several_maps,
        _not_finite,
        _empty,
        nn.Sequential(nn.Conv2d(1, 1, 1)),
        nn.Sequential,
        lambda: None,
        lambda **kw: None,
        functools.partial(tiny, image_size=8),
        functools.partial(tiny, width=2),
    ],
    "layer": ["0", "1", "2", "all", "auto", "block1", "patches1", "stage1", "-1"],
    "symmetry": ["auto", "mirror", "all", None, "both", 8, ["mirror"]],
    "n_atoms": [1, 5, (4, 6), [4, 6], (5,), (), (1, 2, 3), (4.0, 6), (0, 4), "5", 10**14, (2, -1)],
    "patch_size": [None, 1, 3, 8, 9, 40, 2.5, "3", (3, 3)],
    "pool_size": [1, 2, 50, 10**6],
    "image_shape": [
        (8, 8),
        (8, 8, 1),
        (4, 16),
        (16, 4, 1),
        (8, 8, 3),
        (8,),
        (8, 8, 1, 1),
        (-8, -8),
        (0, 8),
        (8.0, 8.0),
        (10**9, 10**9),
        (True, 64),
        ("8", "8"),
        [8, 8],
        "88",
        np.array([8, 8]),
        np.array([[8, 8]]),
        (np.int64(8), np.int64(8)),
        8,
        (None, 8),
        (float("nan"), 8),
        {8: 8},
        (64, 1),
        (1, 64),
        (2**40, 2**40),
    ],
    "image_size": [
        4,
        5,
        7,
        12,
        33,
        8.0,
        (8, 8),
        "8",
        (8,),
        (8, 12),
        (0, 8),
        [8, 8, 8],
        10**6,
        2**40,
    ],
    "cache_dir": [
        "cache",
        "~no such user/x",
        pathlib.Path("cache"),
        "/proc/nowhere",
        "/dev/null/x",
        "",
    ],
    "checkpoint_dir": [
        "points",
        "~no such user/x",
        pathlib.Path("points"),
        "/proc/nowhere",
        "/dev/null/x",
        "",
    ],
    "checkpoint_every": [1, 2, 100],
    "resume": ["auto", "must", "never"],
    "on_error": ["raise", "skip", "ignore"],
    "max_epochs": [0, 1, 2, (1, 1), (1,), (1, 0), [0, 0], (-1, 1), (1.0, 1), (None, 1)],
    "batch_size": [2, 3, 4, 10**9, 2**62],
    "learning_rate": [1e-9, 0.1, 10.0, 1e8, 1e38, 1e39, 1e-45],
    "backbone_learning_rate": [1e-9, 1.0, 1e30, 1e-320],
    "learning_rates": [
        0.1,
        (0.1, 0.1),
        (0.1,),
        (0, 0.1),
        ("a", "b"),
        [float("nan"), 1],
        np.array([0.1, 0.1]),
        np.array([[0.1, 0.1]]),
        (1e30, 1e30),
        (True, True),
    ],
    "lr_schedule": ["step", "cosine", "plateau", "constant", "linear"],
    "optimizer": [
        "sgd",
        "adam",
        "adamw",
        "SGD",
        torch.optim.SGD,
        functools.partial(torch.optim.SGD, momentum=0.9),
        functools.partial(torch.optim.SGD, momentum=-1),
        functools.partial(torch.optim.SGD, foo=1),
        torch.optim.LBFGS,
        torch.optim.Optimizer,
        torch.optim.SparseAdam,
        torch.optim.Adagrad,
        _keyword_only,
        lambda *a, **k: None,
        torch.optim.SGD([torch.zeros(1)], lr=1),
    ],
    "weight_decay": [0.0, 1e-3, 10.0, 1e30, 1e39],
    "max_grad_norm": [1e-9, 1.0, 1e30],
    "micro_batch_size": [2, 3, 1000],
    "init_weights": [
        _fitted(1),
        _fitted(3),
        FrozenEstimator(_fitted(1)),
        HarrisCornerMasker(),
        FrozenEstimator(RotNetEmbedder()),
        "nothing.safetensors",
        "ResNet18_Weights.NONE",
        "/",
        "/dev/null",
        "weights.pt",
        LogisticRegression(),
    ],
    "device": [
        "cpu",
        "cpu:0",
        "cuda",
        "cuda:99",
        "meta",
        "mps",
        "foo",
        "cpu:x",
        "xla",
        "vulkan",
        "cpu:-1",
        "CPU",
        "hpu",
        "privateuseone",
    ],
    "precision": ["float32", "bfloat16", "float16", "64"],
    "callbacks": [
        [_stop],
        [_stop, print],
        [],
        (),
        [int],
        [StopTraining],
        [None],
        ["x"],
        np.array([], dtype=object),
        {"a": _stop},
        _stop,
    ],
    "random_state": [0, 2**32 - 1, 2**32, np.random.mtrand._rand, np.random.RandomState(3)],
    "verbose": [0, -1],
    "scales": [
        (1.0,),
        (0.5, 1.0),
        [0.5, 0.75, 1],
        (1, 1),
        (0.01, 1),
        (0.49, 1),
        (1.5,),
        (0,),
        (-0.5, 1),
        (float("nan"), 1),
        (float("inf"),),
        ("a",),
        [None],
        (True,),
        [[0.5, 1]],
        np.array([0.5, 1.0]),
        np.array([[0.5, 1.0]]),
        np.linspace(0.5, 1, 40),
        (Fraction(1, 2),),
        {0.5: 1, 1.0: 2},
        "1",
        np.array(1.0),
        (1e-300,),
        (1 + 1e-12,),
        (1j,),
        (np.float16(1),),
    ],
    "estimator": [
        RotNetEmbedder(tiny, max_epochs=1, image_size="x"),
        RotNetEmbedder(max_epochs=0),
        HarrisCornerMasker(),
        _fitted(1),
        FrozenEstimator(_fitted(1)),
    ],
    "embedder": [
        _fitted(1),
        _fitted(3),
        FrozenEstimator(_fitted(1)),
        FrozenEstimator(_fitted(3)),
        RotNetEmbedder(tiny, max_epochs=0),
        RotNetEmbedder(tiny, image_size="x"),
        "convnet",
        "resnet81",
        tiny,
        HarrisCornerMasker(),
        FrozenEstimator(RotNetEmbedder()),
        FrozenEstimator(HarrisCornerMasker()),
        FrozenEstimator(None),
    ],
    "classifier": [LogisticRegression(C=-1), LinearRegression(), FineTuneRegressor("convnet")],
    "head": ["linear", "mlp", "conv", "mlps"],
    "frozen_until": ["0", "1", "all", "2", "none"],
    "class_weight": [
        "balanced",
        {0: 1, 1: 2},
        {0: 1},
        {7: 1},
        {0: -1, 1: 1},
        {0: 0, 1: 0},
        {0: "a"},
        {0: float("nan"), 1: 1},
        {0: 1e300, 1: 1e300},
        "balance",
    ],
    "validation_fraction": [0.1, 0.5, 0.99, 1e-9],
    "n_iter_no_change": [1, 5],
    "temperature": [1e-300, 1e-3, 0.5, 1e30, 1e300],
    "projection_dim": [1, 2, 10**15, 2**62],
    "crop_scale": [
        (0.2, 1),
        (1, 1),
        (1e-09, 1e-09),
        (1, 0.2),
        (0, 1),
        (0.5, 1.5),
        (0.5,),
        "ab",
        (float("nan"), 1),
        ("a", "b"),
        np.array([0.5, 1.0]),
        {0.5: 1, 1: 2},
        (1e-320, 1),
    ],
    "jitter_strength": [0.0, 1.0],
    "instance_task": ["nce", "nt_xent", "x"],
    "patch_ratio": [1e-9, 0.1, 0.5, 1.0],
    "fraction": [0.0, 0.3, 1.0],
    "threshold": [0.0, 0.99, 1.0],
    "factors": [(1.0,)],
}

# Settings that are allowed and cost hours, or write to where the test is: not tried.
_TOO_DEAR = {
    "max_epochs": lambda v: isinstance(v, (int, float, np.number)) and v > 3,
    "image_size": lambda v: isinstance(v, (int, np.number)) and 64 < v < 10**5,
    "compile": lambda v: v is True or isinstance(v, np.bool_),
    "verbose": lambda v: v not in (0, False, None, -1) if isinstance(v, (int, float)) else False,
}


def junk(name):
    """Draw a value for the parameter `name`, known or not."""
    values = [*ANYTHING, *(2 * _BY_NAME.get(name, []))]
    dear = _TOO_DEAR.get(name, lambda value: False)
    return st.sampled_from([value for value in values if not dear(value)])


def diverging(params):
    """Tell whether a training with `params` may go to infinity, or stop being one."""
    return bool(
        set(params)
        & {"learning_rate", "learning_rates", "backbone_learning_rate", "weight_decay", "optimizer"}
        | set(params) & {"temperature", "backbone", "class_weight"}
    )


def writing(params):
    """Tell whether `params` may ask for files."""
    return bool(set(params) & {"cache_dir", "checkpoint_dir"})
