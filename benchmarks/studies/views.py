# As it ran at commit 767863e, for the record; it does not run today.
"""Random views a second on one core, beside those of other libraries with the same settings.

    taskset -c 1 python benchmarks/views.py

A view is a random resized crop, a flip, colour jitter for 80 % and grey for 20 % of the images,
and at 96x96 a blur for half of them. Each way starts from uint8 photographs in the form that it
takes, and ends with a batch of floats in [0, 1]; "from floats" is without the first step, which a
training does once for the two views of an image. Libraries that are not installed are left out.
The line has rates by processor time, which other work on the machine changes less than the
clock's, and how many times faster sklssl is.
"""

import argparse
import time
from importlib.metadata import version

import numpy as np
import torch
from _common import write_line
from PIL import Image
from sklearn.datasets import load_sample_images

from sklssl._augment import RandomViews
from sklssl._feed import ImageFeed

SCALE, STRENGTH, BATCH_SIZE = (0.2, 1.0), 0.5, 256
JITTER = (0.8 * STRENGTH, 0.8 * STRENGTH, 0.8 * STRENGTH, 0.2 * STRENGTH)


def photographs(side):
    """Cut squares (n, side, side, 3) out of the two photographs that scikit-learn ships."""
    rng = np.random.default_rng(0)
    patches = []
    for k in range(BATCH_SIZE):
        photo = load_sample_images().images[k % 2]
        top, left = (rng.integers(length - side) for length in photo.shape[:2])
        patches.append(photo[top : top + side, left : left + side])
    return np.stack(patches)


def sklssl_views(images):
    side = images.shape[1]
    feed = ImageFeed(torch.device("cpu"), (0.0, 255.0), (side, side))
    views, rng = RandomViews(SCALE, jitter=STRENGTH), torch.Generator().manual_seed(0)
    return lambda: views(feed(images), rng)


def sklssl_views_alone(images):
    feed = ImageFeed(torch.device("cpu"), (0.0, 255.0), images.shape[1:3])
    floats, rng = feed(images), torch.Generator().manual_seed(0)
    views = RandomViews(SCALE, jitter=STRENGTH)
    return lambda: views(floats, rng)


def kornia_views(images):
    from kornia import augmentation as K

    side = images.shape[1]
    views = torch.nn.Sequential(
        K.RandomResizedCrop((side, side), scale=SCALE),
        K.RandomHorizontalFlip(),
        K.ColorJitter(*JITTER, p=0.8),
        K.RandomGrayscale(p=0.2),
        *([K.RandomGaussianBlur((9, 9), (0.1, 2.0), p=0.5)] if side >= 64 else []),
    )
    return lambda: views(torch.from_numpy(images).permute(0, 3, 1, 2).float().div_(255))


def torchvision_views(images):
    from torchvision.transforms import v2

    side = images.shape[1]
    blur = v2.RandomApply([v2.GaussianBlur(9, (0.1, 2.0))], p=0.5)
    view = v2.Compose(
        [
            v2.RandomResizedCrop(side, scale=SCALE),
            v2.RandomHorizontalFlip(),
            v2.RandomApply([v2.ColorJitter(*JITTER)], p=0.8),
            v2.RandomGrayscale(p=0.2),
            *([blur] if side >= 64 else []),
            v2.ToDtype(torch.float32, scale=True),
        ]
    )
    tensors = torch.from_numpy(images).permute(0, 3, 1, 2)
    return lambda: torch.stack([view(image) for image in tensors])


def lightly_views(images):
    from lightly.transforms.simclr_transform import SimCLRViewTransform

    side = images.shape[1]
    view = SimCLRViewTransform(
        input_size=side,
        cj_strength=STRENGTH,
        min_scale=SCALE[0],
        gaussian_blur=0.5 if side >= 64 else 0.0,
        normalize=None,
    ).transform
    files = [Image.fromarray(image) for image in images]
    return lambda: torch.stack([view(file) for file in files])


WAYS = {
    "sklssl": sklssl_views,
    "sklssl, from floats": sklssl_views_alone,
    "kornia": kornia_views,
    "torchvision": torchvision_views,
    "lightly": lightly_views,
}


def seconds(function):
    start = time.process_time()
    function()
    return time.process_time() - start


def run(side, repeats):
    images, ways = photographs(side), {}
    for library, make in WAYS.items():
        try:
            ways[library] = make(images)
        except ImportError as error:
            print(f"{library} is left out: {error}")
    for function in ways.values():
        assert function().shape == (BATCH_SIZE, 3, side, side)
    # In turns, so that a slow moment of the machine meets all of them.
    rounds = [[seconds(function) for function in ways.values()] for _ in range(repeats)]
    rates = BATCH_SIZE / np.median(rounds, axis=0)
    for library, rate in zip(ways, rates, strict=True):
        row = {"side": side, "batch_size": BATCH_SIZE, "version": version(library.split(",")[0])}
        ratio = round(float(rates[0] / rate), 1)
        write_line("views", library=library, **row, views_per_second=round(rate), ratio=ratio)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--repeats", type=int, default=15)
    args = parser.parse_args()
    torch.set_num_threads(1)
    # As in a training: after a large tensor has gone, the C library keeps the memory of small
    # ones, and does not fetch it anew from the system each time.
    torch.zeros(7 * 2**20)
    for side in (32, 96):
        run(side, args.repeats)
