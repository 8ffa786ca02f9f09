"""Write small image folders and zip files."""

import zipfile

import cv2
import numpy as np


def make_image(seed, shape=(4, 6, 3)):
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def encode(image, extension=".png"):
    """Encode an image whose colours are red, green, blue."""
    image = image[..., ::-1] if image.ndim == 3 else image
    return cv2.imencode(extension, image)[1].tobytes()


def write_folder(root, files):
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return root


def write_zip(path, files):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path
