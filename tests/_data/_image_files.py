"""A few small image files, and what tests do to them."""

import pathlib

import cv2
import numpy as np

SHAPE = (6, 8, 3)
IMAGES = np.random.default_rng(0).integers(0, 256, (12, *SHAPE), dtype=np.uint8)


def write(path, image):
    image = image[..., ::-1] if image.ndim == 3 else image
    path.write_bytes(cv2.imencode(path.suffix, image)[1].tobytes())
    return str(path)


def damage(path):
    content = pathlib.Path(path).read_bytes()
    pathlib.Path(path).write_bytes(content[: len(content) // 2])


def list_stored(cache_dir):
    """List what lies in the cache, without the folder of the shape."""
    return sorted(path.name for path in pathlib.Path(cache_dir).glob("*/*"))
