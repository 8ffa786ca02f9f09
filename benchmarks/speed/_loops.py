"""The training loops that speed.py times: hand-written, of sklssl, and of other libraries.

Each is a function of (case, X) that trains until it is stopped, usually by a `Clock`.
"""

import inspect
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
import torch.nn.functional as F
from skorch import NeuralNet
from torch import nn
from torch.nn.modules.module import register_module_forward_pre_hook
from torch.optim.optimizer import register_optimizer_step_post_hook
from torch.utils.data import DataLoader, Dataset

from sklssl import RotNetEmbedder, SimCLREmbedder
from sklssl.backbones import make_backbone, pool_map
from sklssl.losses import nt_xent

ENDLESS = 10**6  # epochs
EMBEDDERS = {"RotNet": RotNetEmbedder, "SimCLR": SimCLREmbedder}
PROJECTION = 128  # outputs of SimCLR's head
SCALE, STRENGTH = (0.2, 1.0), 0.5  # of SimCLR's crops and jitter, the defaults of SimCLREmbedder
JITTER = (0.8 * STRENGTH, 0.8 * STRENGTH, 0.8 * STRENGTH, 0.2 * STRENGTH)


class Enough(Exception):
    """Raised to stop training from inside."""


class Clock:
    """Time the steps of any training loop inside the context, and stop it after `seconds`.

    It counts the steps of torch's optimizers after the first one, which is the warm-up, so that all
    libraries are timed in the same way, without their setup. All bookkeeping between steps, and
    between epochs if there are several, is included. On a GPU, the host waits for the device only
    at the beginning and at the end.
    """

    def __init__(self, seconds, device, max_steps=None):
        self.limit, self.device, self.max_steps = seconds, device, max_steps
        self.steps = -1

    def __enter__(self):
        self.hook = register_optimizer_step_post_hook(self._count)
        return self

    def _count(self, *_):
        self.steps += 1
        if self.steps == 0:
            synchronize(self.device)
            self.start = time.perf_counter()
        elif time.perf_counter() - self.start >= self.limit or self.steps == self.max_steps:
            synchronize(self.device)
            self.seconds = time.perf_counter() - self.start
            raise Enough

    def __exit__(self, kind, *_):
        self.hook.remove()
        return kind is Enough


def synchronize(device):
    if device.type == "cuda":
        torch.cuda.synchronize(device)


@dataclass(frozen=True)
class Case:
    """What is trained, and the autocast dtype and optimizer that sklssl uses for it."""

    network: str
    method: str
    batch_size: int
    device: torch.device
    dtype: torch.dtype | None = None
    optimizer: Callable | None = None

    def embedder(self, max_epochs=ENDLESS, **params):
        return EMBEDDERS[self.method](
            self.network,
            batch_size=self.batch_size,
            max_epochs=max_epochs,
            device=str(self.device),
            random_state=0,
            **params,
        )

    def plain_optimizer(self):
        """Return the optimizer as used with plain torch, and its settings."""
        shown = self.embedder().get_params()
        settings = {"lr": shown["learning_rate"], "weight_decay": shown["weight_decay"]}
        if shown["optimizer"] == "sgd":
            return torch.optim.SGD, {**settings, "momentum": 0.9, "nesterov": True}
        return torch.optim.Adam, settings


def observe(embedder, X, later=None):
    """Observe the dtypes, batch sizes and optimizer of a short fit, and a transform of `later`.

    A dtype is None for float32 without autocast.
    """
    seen, phase = {}, "fit"

    def look_at_maps(module, args):
        if args and isinstance(args[0], torch.Tensor) and args[0].ndim == 4:
            kind = args[0].device.type
            on = torch.is_autocast_enabled(kind)
            if module.training == (phase == "fit"):
                seen[phase] = torch.get_autocast_dtype(kind) if on else None
                seen[phase + "_batch"] = max(seen.get(phase + "_batch", 0), len(args[0]))

    def look_at_optimizer(optimizer, *_):
        known = inspect.signature(type(optimizer)).parameters
        settings = {key: value for key, value in optimizer.defaults.items() if key in known}
        seen["optimizer"] = partial(type(optimizer), **settings)

    hooks = (
        register_module_forward_pre_hook(look_at_maps),
        register_optimizer_step_post_hook(look_at_optimizer),
    )
    try:
        embedder.set_params(max_epochs=1).fit(X)
        phase = "transform"
        if later is not None:
            embedder.transform(later)
    finally:
        for hook in hooks:
            hook.remove()
    return seen


# Shared by all loops of a method: network, loss, views -------------------------------------------


class Network(nn.Module):
    """Backbone, mean over the feature map, head; `augment` computes the views of a batch."""

    def __init__(self, case, augment=None, backbone=None):
        super().__init__()
        self.backbone = backbone or make_backbone(case.network)
        self.head = _head(case.method, self.backbone.n_features)
        self.augment = augment

    def forward(self, images):
        if self.augment is not None:
            with torch.no_grad():
                images = self.augment(images)
        return self.head(pool_map(self.backbone(images)))


def _head(method, width):
    if method == "RotNet":
        return nn.Linear(width, 4)
    return nn.Sequential(
        nn.Linear(width, width, bias=False),
        nn.BatchNorm1d(width),
        nn.ReLU(inplace=True),
        nn.Linear(width, PROJECTION),
    )


class RotNetLoss(nn.Module):
    """Cross-entropy; outputs are those of all images at 0 degrees, then at 90, and so on."""

    def forward(self, outputs, _=None):
        targets = torch.arange(4, device=outputs.device).repeat_interleave(len(outputs) // 4)
        return F.cross_entropy(outputs.float(), targets)


class SimCLRLoss(nn.Module):
    """NT-Xent; outputs are those of the first views of all images, then of the second."""

    def forward(self, outputs, _=None):
        return nt_xent(*outputs.chunk(2))


LOSSES = {"RotNet": RotNetLoss, "SimCLR": SimCLRLoss}


def _views_on_batch(case, X):
    """Return the views of sklssl: those of the pretext task of an untrained embedder."""
    task = case.embedder(max_epochs=0).fit(X[:8]).pretext_.train()
    return lambda images, rng: task.views(images, rng, None)[0]


def _views_of_torchvision(method, side):
    """Return a function that computes views (v, C, s, s) of one uint8 image (C, s, s)."""
    from torchvision.transforms import v2

    to_float = v2.ToDtype(torch.float32, scale=True)
    if method == "RotNet":
        moved = v2.Compose([v2.RandomCrop(side, side // 8, padding_mode="edge"), to_float])

        def four(image):
            image = moved(image)
            return torch.stack([torch.rot90(image, k, (1, 2)) for k in range(4)])

        return four
    view = v2.Compose(
        [
            v2.RandomResizedCrop(side, scale=SCALE),
            v2.RandomHorizontalFlip(),
            v2.RandomApply([v2.ColorJitter(*JITTER)], p=0.8),
            v2.RandomGrayscale(p=0.2),
            to_float,
        ]
    )
    return lambda image: torch.stack([view(image), view(image)])


def _views_of_kornia(method, side):
    """Return a function that computes views (v * b, C, s, s) of a uint8 batch (b, C, s, s)."""
    from kornia import augmentation as K

    if method == "RotNet":
        moved = K.RandomCrop((side, side), padding=side // 8, padding_mode="replicate")

        def four(images):
            images = moved(images.float().div(255))
            return torch.cat([torch.rot90(images, k, (2, 3)) for k in range(4)])

        return four
    view = nn.Sequential(
        K.RandomResizedCrop((side, side), scale=SCALE),
        K.RandomHorizontalFlip(),
        K.ColorJitter(*JITTER, p=0.8),
        K.RandomGrayscale(p=0.2),
    )
    return lambda images: view(torch.cat([images, images]).float().div(255))


class Images(Dataset):
    """Single images, transformed by `transform`, with a target that is not used."""

    def __init__(self, images, transform=None):
        self.images, self.transform = images, transform

    def __len__(self):
        return len(self.images)

    def __getitem__(self, index):
        image = self.images[index]
        return (image if self.transform is None else self.transform(image)), 0


def stack_views(items):
    """Stack the views (v, C, s, s) of b items to (v * b, C, s, s), first views first."""
    views = torch.stack([views for views, _ in items]).transpose(0, 1).flatten(0, 1)
    return views, torch.zeros(len(items))


# The training loops ------------------------------------------------------------------------------


def bare(case, X):
    """Train by a hand-written loop with all optimisations of sklssl and no bookkeeping."""
    device, size, loss = case.device, case.batch_size, LOSSES[case.method]()
    model = Network(case).to(device, memory_format=torch.channels_last).train()
    optimizer = case.optimizer(model.parameters())
    views, rng = _views_on_batch(case, X), torch.Generator(device).manual_seed(0)
    pixels = torch.from_numpy(X).to(device)
    for _ in range(ENDLESS):
        order = torch.randperm(len(X)).to(device)
        for start in range(0, len(X) - size + 1, size):
            batch = pixels[order[start : start + size]]
            images = batch.permute(0, 3, 1, 2).float().div_(255)
            batch = views(images, rng).contiguous(memory_format=torch.channels_last)
            with torch.autocast(device.type, case.dtype, enabled=case.dtype is not None):
                outputs = model(batch)
            loss(outputs).backward()
            optimizer.step()
            optimizer.zero_grad()


def sklssl(case, X):
    case.embedder().fit(X)


def skorch(case, X, workers=2):
    """Train by skorch, with a DataLoader whose workers compute the views of single images."""
    transform = _views_of_torchvision(case.method, X.shape[1])
    _fit_skorch(case, X, workers, None, Images(as_tensors(X), transform), stack_views)


def kornia(case, X, workers=2):
    """Train by skorch, with kornia's views of a batch on the device."""
    augment = _views_of_kornia(case.method, X.shape[1])
    _fit_skorch(case, X, workers, augment, Images(as_tensors(X)), None)


def as_tensors(X):
    return torch.from_numpy(X).permute(0, 3, 1, 2).contiguous()


def _fit_skorch(case, X, workers, augment, images, collate):
    optimizer, settings = case.plain_optimizer()
    NeuralNet(
        Network(case, augment),
        criterion=LOSSES[case.method],
        optimizer=optimizer,
        **{f"optimizer__{name}": value for name, value in settings.items()},
        batch_size=case.batch_size,
        max_epochs=ENDLESS,
        iterator_train__shuffle=True,
        iterator_train__drop_last=True,
        iterator_train__num_workers=workers,
        iterator_train__persistent_workers=workers > 0,
        iterator_train__collate_fn=collate,
        train_split=None,
        device=str(case.device),
        verbose=0,
    ).fit(images, None)


def lightly(case, X, workers=2, *, backbone=None, epochs=ENDLESS, after_epoch=None):
    """Train by lightly's transform, head and loss, with the schedule of sklssl.

    The loop is that of lightly's examples. `backbone` is trained in place if it is given;
    `after_epoch` is called with the seconds of each epoch.
    """
    from lightly.loss import NTXentLoss
    from lightly.models.modules.heads import SimCLRProjectionHead

    backbone = backbone or make_backbone(case.network)
    head = SimCLRProjectionHead(backbone.n_features, backbone.n_features, PROJECTION)
    model = nn.Sequential(backbone, nn.AdaptiveAvgPool2d(1), nn.Flatten(), head)
    model.to(case.device, memory_format=torch.contiguous_format).train()
    loader, criterion = _lightly_loader(case, X, workers), NTXentLoss(temperature=0.5)
    kind, settings = case.plain_optimizer()
    optimizer = kind(model.parameters(), **settings)
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer, partial(warm_cosine, n_steps=epochs * len(loader))
    )
    for _ in range(epochs):
        start = time.perf_counter()
        for (view0, view1), _ in loader:
            z0, z1 = (model(view.to(case.device)) for view in (view0, view1))
            criterion(z0, z1).backward()
            optimizer.step()
            optimizer.zero_grad()
            schedule.step()
        synchronize(case.device)
        if after_epoch:
            after_epoch(time.perf_counter() - start)
            model.train()


def warm_cosine(step, n_steps):
    """Return the factor of the learning rate: warm-up in the first tenth, then down to 0."""
    warm = n_steps // 10
    if step < warm:
        return (step + 1) / (warm + 1)
    return 0.5 * (1 + math.cos(math.pi * (step - warm) / (n_steps - warm)))


def _lightly_loader(case, X, workers):
    from lightly.transforms.simclr_transform import SimCLRTransform
    from PIL import Image

    transform = SimCLRTransform(
        input_size=X.shape[1],
        cj_strength=STRENGTH,
        min_scale=SCALE[0],
        gaussian_blur=0.0,
        normalize=None,  # the backbone standardises images itself
    )
    return DataLoader(
        Images([Image.fromarray(image) for image in X], transform),
        batch_size=case.batch_size,
        shuffle=True,
        drop_last=True,
        num_workers=workers,
        persistent_workers=workers > 0,
    )


# Embedding --------------------------------------------------------------------------------------


def embed_bare(encoder, X, layer, pool_size, *, batch_size, device, dtype):
    """Return pooled features of `layer`, computed batch by batch without any checks."""
    out = []
    with torch.inference_mode(), torch.autocast(device.type, dtype, enabled=dtype is not None):
        for start in range(0, len(X), batch_size):
            batch = torch.from_numpy(X[start : start + batch_size])
            images = batch.to(device, non_blocking=True).permute(0, 3, 1, 2).float().div_(255)
            maps = encoder(images, layer)
            out.append(pool_map(maps, pool_size).float().cpu().numpy())
    return np.concatenate(out)


def embed_plain(encoder, X, layer, pool_size, *, batch_size, device):
    """Return the same in float32 and channels first, the memory layout of `encoder`."""
    out = []
    with torch.no_grad():
        for batch in as_tensors(X).split(batch_size):
            maps = encoder(batch.to(device).float() / 255, layer)
            out.append(pool_map(maps, pool_size).cpu().numpy())
    return np.concatenate(out)
