# As it ran at commit 27d015b, for the record; it does not run today.
"""SimCLR here and in the loop that users of lightly write: seconds of training and accuracy.

    python benchmarks/simclr_speed.py

4,000 images of CIFAR-10, float32. Both train the same network from the same weights with the same
settings, the defaults of SimCLREmbedder, for as many epochs; lightly gives transform, head and
loss, and two workers of torch's DataLoader make its views. Run it on a machine that does nothing
else. The accuracy is that of the 20 nearest neighbours, by cosine, on what `transform` gives.
"""

import argparse
import copy
import time
from functools import partial
from importlib.metadata import version

import torch
from _common import Cifar4K, rows, write_line
from lightly.loss import NTXentLoss
from lightly.models.modules.heads import SimCLRProjectionHead
from lightly.transforms.simclr_transform import SimCLRTransform
from PIL import Image
from sklearn.neighbors import KNeighborsClassifier
from torch import nn
from torch.utils.data import DataLoader, Dataset

from sklssl import SimCLREmbedder
from sklssl._training import _cosine

N_WORKERS = 2


class Views(Dataset):
    """Two views of each image."""

    def __init__(self, X, transform):
        self.images = [Image.fromarray(image) for image in X]
        self.transform = transform

    def __len__(self):
        return len(self.images)

    def __getitem__(self, index):
        return self.transform(self.images[index])


def train_with_lightly(X, backbone, settings, seed):
    """Train `backbone` in place, with its own standardisation instead of the transform's."""
    torch.manual_seed(seed)
    transform = SimCLRTransform(
        input_size=X.shape[1],
        cj_strength=settings["jitter_strength"],
        min_scale=settings["crop_scale"][0],
        gaussian_blur=0.0,
        normalize=None,
    )
    loader = DataLoader(
        Views(X, transform),
        batch_size=settings["batch_size"],
        shuffle=True,
        drop_last=True,
        num_workers=N_WORKERS,
        persistent_workers=True,
    )
    width = backbone.n_features
    head = SimCLRProjectionHead(width, width, settings["projection_dim"])
    model = nn.Sequential(backbone, nn.AdaptiveAvgPool2d(1), nn.Flatten(), head).train()
    criterion = NTXentLoss(settings["temperature"])
    optimizer = torch.optim.Adam(
        model.parameters(), settings["learning_rate"], weight_decay=settings["weight_decay"]
    )
    epochs = settings["max_epochs"]
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer, partial(_cosine, n_steps=epochs * len(loader))
    )
    for _ in range(epochs):
        for view0, view1 in loader:
            loss = criterion(model(view0), model(view1))
            loss.backward()
            optimizer.step()
            optimizer.zero_grad()
            schedule.step()
    backbone.eval()


def neighbours(data, embed):
    """Give the accuracy of the nearest neighbours in the features of `embed`."""
    probe = KNeighborsClassifier(20, metric="cosine").fit(embed(data.X), data.y)
    return round(float(probe.score(embed(data.X_test), data.y_test)), 4)


def seconds(function, *args):
    start = time.perf_counter()
    function(*args)
    return round(time.perf_counter() - start, 1)


def run(seed, epochs):
    data = Cifar4K(seed)
    ours = SimCLREmbedder(max_epochs=epochs, device="cpu", precision="float32", random_state=seed)
    untrained = copy.deepcopy(ours).set_params(max_epochs=0).fit(data.X)
    theirs = copy.deepcopy(untrained)
    times = [
        seconds(ours.fit, data.X),
        seconds(train_with_lightly, data.X, theirs.pretext_.encoder, ours.get_params(), seed),
    ]
    ways = {"untrained": untrained, "sklssl": ours, "lightly": theirs}
    write_line(
        "simclr_speed",
        seed=seed,
        epochs=epochs,
        seconds=dict(zip(["sklssl", "lightly"], times, strict=True)),
        ratio=round(times[1] / times[0], 2),
        knn={"raw": neighbours(data, rows)}
        | {name: neighbours(data, way.transform) for name, way in ways.items()},
        lightly=version("lightly"),
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--epochs", type=int, default=SimCLREmbedder().max_epochs)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    args = parser.parse_args()
    for seed in args.seeds:
        run(seed, args.epochs)
