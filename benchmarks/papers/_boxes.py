"""Boxes of traffic signs that are shrunk and moved within their image."""

import os
from pathlib import Path

import cv2
import numpy as np


def boxes_of_signs():
    """Return training images and boxes (x1, y1, x2, y2), and those of the test."""
    path = Path(os.environ["SKLSSL_DATA"]) / "gtsrb-sub.npz"
    with np.load(path, allow_pickle=False) as file:
        parts = [(file[f"x_{part}"], file[f"roi_{part}"]) for part in ("train", "test")]
    return [array for seed, part in enumerate(parts) for array in _moved(*part, seed)]


def _moved(images, boxes, seed):
    """Shrink each image to 40 to 80 %, and place it at random; edges are extended."""
    rng = np.random.default_rng(seed)
    side = images.shape[1]
    scale = rng.uniform(0.4, 0.8, size=(len(images), 1))
    corner = rng.uniform(0, 1, (len(images), 2)) * side * (1 - scale)
    moved = np.empty_like(images)
    for i, (image, s, (x, y)) in enumerate(zip(images, scale[:, 0], corner, strict=True)):
        # Half a pixel: boxes are measured from pixel edges, OpenCV from pixel centres.
        matrix = np.array([[s, 0, x + s / 2 - 0.5], [0, s, y + s / 2 - 0.5]])
        moved[i] = cv2.warpAffine(image, matrix, (side, side), borderMode=cv2.BORDER_REPLICATE)
    return moved, boxes * scale + np.tile(corner, 2)


def share_found(boxes, true):
    """Return the share of boxes whose intersection over union with the true one exceeds a half."""
    low, high = np.maximum(boxes[:, :2], true[:, :2]), np.minimum(boxes[:, 2:], true[:, 2:])
    shared = np.clip(high - low, 0, None).prod(axis=1)
    areas = [np.clip(b[:, 2:] - b[:, :2], 0, None).prod(axis=1) for b in (boxes, true)]
    return float(np.mean(shared > 0.5 * (areas[0] + areas[1] - shared)))
