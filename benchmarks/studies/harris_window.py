# As it ran at commit 20b5362, for the record.
"""Do painted corners tell a network how an image was rotated, whatever it shows?

Images of smooth noise, each turned at random, have no natural orientation: the pretext accuracy of
RotNet on held-out images is that of chance, a quarter, unless the paint shows the rotation.
"""

import cv2
import numpy as np
import torch

import sklssl.preprocessing._harris as harris
from benchmarks._common import write_line
from sklssl import RotNetEmbedder
from sklssl.preprocessing import HarrisCornerMasker


def noise(n, seed):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, 40, 40, 3)).astype(np.float32)
    X = np.stack([cv2.GaussianBlur(x, (0, 0), 1.5)[4:36, 4:36] for x in X])
    X = (X - X.min()) / (X.max() - X.min())
    return np.stack([np.rot90(x, rng.integers(4)) for x in (255 * X).astype(np.uint8)])


torch.set_num_threads(1)
for seed in (0, 1, 2):
    X = noise(1500, seed)
    for side in (None, 2, 3):
        Z = X
        if side:
            harris._BLOCK_SIZE = side
            Z = HarrisCornerMasker(threshold=0.01).fit_transform(X)
        embedder = RotNetEmbedder("convnet", max_epochs=4, random_state=seed).fit(Z[:1200])
        accuracy = round(float(embedder.score(Z[1200:])), 4)
        write_line(__file__, neighbourhood=side, seed=seed, pretext_accuracy=accuracy)
