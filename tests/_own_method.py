"""A method and networks that are not of sklssl, as a user has them in a module."""

import torch
from torch import nn

from sklssl import BaseEmbedder, Pretext
from sklssl.backbones import pool_map

CALLS = []


class MeanPretext(Pretext):
    """Predict the mean brightness; remembers how far it got, and one number an image."""

    def __init__(self, backbone, width):
        super().__init__(backbone)
        self.head = nn.Sequential(nn.Linear(backbone.n_features, width), nn.Linear(width, 1))
        self.register_buffer("memory", None)

    def before_fit(self, n_images):
        if self.memory is None:
            self.memory = torch.arange(n_images)

    def views(self, images, rng, index):
        return images, images.mean((1, 2, 3))

    def forward(self, views, targets):
        error = self.head(pool_map(self.backbone(views))).flatten() - targets
        return {"loss": (error**2).mean()}


class MeanEmbedder(BaseEmbedder):
    def __init__(self, backbone="convnet", *, width=8, max_epochs=1, random_state=None):
        super().__init__(backbone, max_epochs=max_epochs, random_state=random_state)
        self.width = width

    def _make_pretext(self, backbone):
        self.note_ = "made"
        return MeanPretext(backbone, self.width)


class KeptTensorEmbedder(MeanEmbedder):
    """Its task keeps a tensor that is no buffer."""

    def _make_pretext(self, backbone):
        pretext = super()._make_pretext(backbone)
        pretext.scale = torch.ones(3)
        return pretext


def small_net(in_channels, image_size, width=4):
    CALLS.append(in_channels)
    return nn.Sequential(
        nn.Sequential(nn.Conv2d(in_channels, width, 3, padding=1), nn.ReLU()),
        nn.Conv2d(width, 2 * width, 3, stride=2, padding=1),
    )


def double(X):
    return 2 * X


def harmful(*args, **kwargs):
    CALLS.append("harmful")
    return small_net(1, 8)
