"""Methods of sklssl beside the same ones built from lightly's parts, with equal network and epochs.

    python -m benchmarks.accuracy.beside_lightly [--seeds 0 1 2] [--only METHOD ...] [--epochs 8]

CIFAR-10: trained on 4,000 images, in batches of 128, with the small network `convnet`. Both sides
have the same optimizer and schedule, heads of the same sizes, and the strengths of the views that
are sklssl's defaults. lightly's side uses its transforms, heads, losses and helpers in the loop of
its examples. Accuracies are those of the 20 nearest neighbours in the last feature map, averaged,
for all test images. Seconds are CPU seconds of one thread. Results are written to
results/beside_lightly.jsonl. Needs ``pip install lightly``.
"""

import argparse
import copy
import warnings

import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.data import DataLoader

import sklssl
from benchmarks._common import Cifar4K, cpu_seconds, write_line
from benchmarks.speed._lightly import neighbours
from benchmarks.speed._loops import Images, warm_cosine
from sklssl.backbones import pool_map

BATCH_SIZE, N_SMALL = 128, 4
RATE, DECAY = 1e-3, 1e-6  # Adam's


def small_views():
    """Return the sizes of lightly's multi-crop views, as MultiCropPretext has them by default."""
    from lightly.transforms import SwaVTransform

    return SwaVTransform(
        crop_sizes=(32, 16),
        crop_counts=(2, N_SMALL),
        crop_min_scales=(0.3, 0.08),
        crop_max_scales=(1.0, 0.3),
        cj_strength=0.5,
        gaussian_blur=0.0,
        normalize=None,
    )


def two_views():
    from lightly.transforms import SimCLRTransform

    return SimCLRTransform(
        input_size=32, cj_strength=0.5, min_scale=0.2, gaussian_blur=0.0, normalize=None
    )


class Side(nn.Module):
    """A method built from lightly's parts."""

    transform = staticmethod(two_views)

    def __init__(self, backbone):
        super().__init__()
        self.backbone = backbone

    def embed(self, view):
        return pool_map(self.backbone(view))

    def after_step(self, progress):
        pass


class TwoProjections(Side):
    """A loss of the projections of both views."""

    def __init__(self, backbone, head, criterion):
        super().__init__(backbone)
        self.head, self.criterion = head, criterion

    def forward(self, views):
        return self.criterion(*(self.head(self.embed(view)) for view in views))


class SimCLR(TwoProjections):
    def __init__(self, backbone):
        width = backbone.n_features
        head = heads.SimCLRProjectionHead(width, width, 128)
        super().__init__(backbone, head, loss.NTXentLoss(temperature=0.5))


class BarlowTwins(TwoProjections):
    def __init__(self, backbone):
        head = heads.BarlowTwinsProjectionHead(backbone.n_features, 1024, 1024)
        super().__init__(backbone, head, loss.BarlowTwinsLoss())


class VICReg(TwoProjections):
    def __init__(self, backbone):
        head = heads.VICRegProjectionHead(backbone.n_features, 1024, 1024)
        super().__init__(backbone, head, loss.VICRegLoss())


class SimSiam(Side):
    def __init__(self, backbone):
        super().__init__(backbone)
        self.head = heads.SimSiamProjectionHead(backbone.n_features, 512, 512)
        self.predictor = heads.SimSiamPredictionHead(512, 128, 512)
        self.criterion = loss.NegativeCosineSimilarity()

    def forward(self, views):
        z1, z2 = (self.head(self.embed(view)) for view in views)
        p1, p2 = self.predictor(z1), self.predictor(z2)
        return (self.criterion(z1.detach(), p2) + self.criterion(z2.detach(), p1)) / 2


class WithTeacher(Side):
    def __init__(self, backbone, make_head):
        super().__init__(backbone)
        self.head = make_head()
        self.teacher = nn.ModuleList([copy.deepcopy(backbone), make_head()]).requires_grad_(False)
        self.teacher[1].load_state_dict(self.head.state_dict())

    @torch.no_grad()
    def teach(self, view):
        backbone, head = self.teacher
        return head(pool_map(backbone(view)))

    def after_step(self, progress):
        momentum = cosine_schedule(int(1e6 * progress), 10**6, 0.99, 1.0)
        for module, teacher in zip((self.backbone, self.head), self.teacher, strict=True):
            update_momentum(module, teacher, m=momentum)


class BYOL(WithTeacher):
    def __init__(self, backbone):
        super().__init__(backbone, lambda: heads.BYOLProjectionHead(backbone.n_features, 1024, 256))
        self.predictor = heads.BYOLPredictionHead(256, 1024, 256)
        self.criterion = loss.NegativeCosineSimilarity()

    def forward(self, views):
        z1, z2 = (self.teach(view) for view in views)
        p1, p2 = (self.predictor(self.head(self.embed(view))) for view in views)
        return 2 * (self.criterion(p1, z2) + self.criterion(p2, z1))


class MoCo(WithTeacher):
    def __init__(self, backbone):
        width = backbone.n_features
        super().__init__(
            backbone, lambda: heads.MoCoProjectionHead(width, width, 128, batch_norm=True)
        )
        self.criterion = loss.NTXentLoss(temperature=0.2, memory_bank_size=(1024, 128))

    def forward(self, views):
        return self.criterion(self.head(self.embed(views[0])), self.teach(views[1]))


class SwAV(Side):
    transform = staticmethod(small_views)

    def __init__(self, backbone):
        super().__init__(backbone)
        width = backbone.n_features
        self.head = heads.SwaVProjectionHead(width, width, 128)
        self.prototypes = heads.SwaVPrototypes(128, 300, 0)
        self.criterion = loss.SwaVLoss()

    def forward(self, views):
        self.prototypes.normalize()
        scores = [self.prototypes(F.normalize(self.head(self.embed(v)), dim=1)) for v in views]
        return self.criterion(scores[:2], scores[2:])


class DINO(WithTeacher):
    transform = staticmethod(small_views)

    def __init__(self, backbone):
        width = backbone.n_features
        super().__init__(backbone, lambda: heads.DINOProjectionHead(width, width, 256, 1024, True))
        self.criterion = loss.DINOLoss(output_dim=1024, warmup_teacher_temp_epochs=0)

    def forward(self, views):
        taught = [self.teach(view) for view in views[:2]]
        return self.criterion(taught, [self.head(self.embed(view)) for view in views], epoch=0)

    @property
    def encoder(self):
        return self.teacher[0]


METHODS = {each.__name__: each for each in (SimCLR, SimSiam, BYOL, BarlowTwins, VICReg, MoCo)}
METHODS |= {each.__name__: each for each in (SwAV, DINO)}


def train(method, X, epochs):
    """Train by the loop of lightly's examples, with the schedule of sklssl."""
    from PIL import Image

    loader = DataLoader(
        Images([Image.fromarray(image) for image in X], method.transform()),
        batch_size=BATCH_SIZE,
        shuffle=True,
        drop_last=True,
    )
    trained = [weight for weight in method.parameters() if weight.requires_grad]
    optimizer = torch.optim.Adam(trained, lr=RATE, weight_decay=DECAY)
    n_steps = epochs * len(loader)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda i: warm_cosine(i, n_steps))
    method.train()
    for epoch in range(epochs):
        for i, (views, _) in enumerate(loader):
            method(views).backward()
            optimizer.step()
            optimizer.zero_grad()
            schedule.step()
            method.after_step((epoch * len(loader) + i + 1) / n_steps)


def run(name, seed, epochs):
    """Train both from the same weights, and write the result."""
    data = Cifar4K(seed)
    images = data.X, data.y, data.X_test, data.y_test
    settings = {
        "backbone": "convnet",
        "batch_size": BATCH_SIZE,
        "symmetry": None,
        "layer": "block4",
        "pool_size": 1,
        "random_state": seed,
    }
    ours = getattr(sklssl, f"{name}Embedder")(max_epochs=epochs, **settings)
    untrained = sklssl.RotNetEmbedder(max_epochs=0, **settings).fit(data.X)
    theirs = copy.deepcopy(untrained)
    torch.manual_seed(seed)
    method = METHODS[name](theirs.pretext_.backbone)
    seconds = cpu_seconds(lambda: ours.fit(data.X))
    their_seconds = cpu_seconds(lambda: train(method, data.X, epochs))
    theirs.pretext_.backbone = getattr(method, "encoder", method.backbone)
    write_line(
        __file__,
        data=data.name,
        method=name,
        seed=seed,
        epochs=epochs,
        knn={
            "untrained": neighbours(images, untrained.transform),
            "sklssl": neighbours(images, ours.transform),
            "lightly": neighbours(images, theirs.transform),
        },
        cpu_seconds={"sklssl": round(seconds, 1), "lightly": round(their_seconds, 1)},
        ratio=round(their_seconds / seconds, 2),
    )


if __name__ == "__main__":
    from lightly import loss
    from lightly.models.modules import heads
    from lightly.models.utils import update_momentum
    from lightly.utils.scheduler import cosine_schedule

    parser = argparse.ArgumentParser()
    parser.add_argument("--seeds", type=int, nargs="*", default=[0, 1, 2])
    parser.add_argument("--only", nargs="*", default=list(METHODS), choices=list(METHODS))
    parser.add_argument("--epochs", type=int, default=8)
    args = parser.parse_args()
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    for seed in args.seeds:
        for name in args.only:
            run(name, seed, args.epochs)
