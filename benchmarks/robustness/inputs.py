"""What happens to each kind of input: the table of docs/inputs.md.

    python -m benchmarks.robustness.inputs

Create small inputs of every kind, pass each to `fit` (or to a loader of folders), and write how it
was interpreted, the warning or the error message. The results replace those of the previous run.
"""

import argparse
import os
import re
import tempfile
import warnings
import zipfile
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from benchmarks._common import results_of, write_line
from sklssl import RotNetEmbedder, SimCLREmbedder
from sklssl.datasets import list_images, load_image_folder, load_images

RNG = np.random.default_rng(0)
N = 6
FORMATS = {
    "JPEG": ".jpg",
    "PNG": ".png",
    "TIFF": ".tif",
    "BMP": ".bmp",
    "WebP": ".webp",
    "PPM": ".ppm",
}


def images(*shape, high=256, dtype=np.uint8):
    return RNG.integers(0, high, (N, *shape)).astype(dtype)


RGB, GREY, DEEP = images(12, 12, 3), images(12, 12), images(12, 12, high=4096, dtype=np.uint16)
FLOATS = RNG.random((N, 12, 12, 3), dtype=np.float32)


def fit(X, embedder=RotNetEmbedder, **params):
    """Fit an embedder, and describe how it interpreted X."""
    params = {"backbone": "convnet", "max_epochs": 0, "random_state": 0} | params
    fitted = embedder(**params).fit(X)
    height, width, channels = fitted.image_shape_
    low, high = fitted.value_range_
    values = f"{low:g} to {high:g}" if np.ndim(low) == 0 else "a separate range for each channel"
    return f"{height}x{width}, {channels} channel{'s' * (channels > 1)}, {values}"


def after(X, later):
    """Transform images that differ from those passed to fit."""
    RotNetEmbedder("convnet", max_epochs=0, random_state=0).fit(X).transform(later)
    return "features"


def written(folder, extension, stack=RGB):
    """Write images to files, and return their names."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = [str(folder / f"{i}{extension}") for i in range(len(stack))]
    # By default, some versions of cv2 write floats as logarithms, without NaN.
    options = [cv2.IMWRITE_TIFF_COMPRESSION, 1] if extension == ".tif" else []
    for path, image in zip(paths, stack, strict=True):
        if not cv2.imwrite(path, image[..., ::-1] if image.shape[-1] == 3 else image, options):
            raise OSError(path)
    return paths


def saved(folder, mode, extension, **options):
    """Write images to files in a mode of Pillow, and return their names."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = [str(folder / f"{i}{extension}") for i in range(N)]
    for path, image in zip(paths, RGB, strict=True):
        Image.fromarray(image).convert(mode).save(path, **options)
    return paths


def stacks(folder, sizes=((12, 12),) * 3):
    folder.mkdir(parents=True, exist_ok=True)
    paths = [str(folder / f"{i}.tif") for i in range(N)]
    for path in paths:
        pages = [Image.fromarray(RNG.integers(0, 4096, s).astype(np.uint16)) for s in sizes]
        pages[0].save(path, save_all=True, append_images=pages[1:])
    return paths


def animation(folder):
    folder.mkdir(parents=True, exist_ok=True)
    paths = [str(folder / f"{i}.gif") for i in range(N)]
    frames = list(map(Image.fromarray, RGB))
    for path in paths:
        frames[0].save(path, save_all=True, append_images=frames[1:])
    return paths


def bands(folder, n=13):
    import tifffile

    folder.mkdir(parents=True, exist_ok=True)
    paths = [str(folder / f"{i}.tif") for i in range(N)]
    for path in paths:
        image = RNG.integers(0, 4096, (12, 12, n)).astype(np.uint16)
        tifffile.imwrite(path, image, photometric="minisblack", planarconfig="contig")
    return paths


def png(image=None):
    return cv2.imencode(".png", RGB[0] if image is None else image)[1].tobytes()


def tree(folder, *names, content=None):
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(png() if content is None else content)
    return folder


def archive(folder, *names, repeat=1):
    folder.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(folder / "images.zip", "w") as file, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name in names * repeat:
            file.writestr(name, png())
    return folder / "images.zip"


def bomb(folder):
    """Write a zip file with an image that claims to have 200 million pixels."""
    with zipfile.ZipFile(folder / "bomb.zip", "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("a/1.pgm", b"P5 20000 10000 255\n")
    return folder / "bomb.zip"


def frame(**columns):
    import pandas as pd

    return pd.DataFrame(columns)


def loaded(path, load=load_image_folder, **params):
    bunch = load(path, **params)
    names = [str(name) for name in bunch.target_names]
    what = f"{len(bunch.target)} images, "
    what += f"classes {', '.join(names)}" if names else "no labels: target -1"
    what += f", {sum(bunch.target < 0)} without a label" if names and min(bunch.target) < 0 else ""
    subsets = sorted(set(map(str, bunch.subset)) - {""})
    return what + (f"; subsets {', '.join(subsets)}" if subsets else "")


def read(paths, **params):
    stack = load_images(paths, **params)
    return f"{'x'.join(map(str, stack.shape[1:]))} {stack.dtype}"


def tensor(array):
    import torch

    return torch.from_numpy(np.ascontiguousarray(array))


def polars(**columns):
    import polars

    return polars.DataFrame(columns)


def mapped(folder):
    folder.mkdir()
    np.save(folder / "x.npy", RGB)
    return np.load(folder / "x.npy", mmap_mode="r")


def cut(folder):
    (path,) = written(folder, ".jpg", images(60, 60, 3)[:1])
    content = Path(path).read_bytes()
    Path(path).write_bytes(content[: len(content) // 2])
    return path


def arrays(at):
    return {
        "uint8 (n, H, W)": lambda: fit(GREY),
        "uint8 (n, H, W, 3)": lambda: fit(RGB),
        "floats 0 to 1": lambda: fit(FLOATS),
        "float64": lambda: fit(FLOATS.astype(np.float64)),
        "12 bits in uint16": lambda: fit(DEEP),
        "integers above 2**24": lambda: fit(DEEP.astype(np.int64) + 2**30),
        "float64 far from 0": lambda: fit(FLOATS.astype(np.float64) + 1e9),
        "booleans": lambda: fit(GREY > 127),
        "rows of square images": lambda: fit(GREY.reshape(N, -1)),
        "rows, with image_shape": lambda: fit(RGB.reshape(N, -1), image_shape=(12, 12, 3)),
        "rows that do not form a square": lambda: fit(RGB.reshape(N, -1)),
        "(n, 3, H, W)": lambda: fit(RGB.transpose(0, 3, 1, 2)),
        "(n, 13, H, W)": lambda: fit(images(13, 12, 12)),
        "tensor (n, 3, H, W)": lambda: fit(tensor(RGB.transpose(0, 3, 1, 2))),
        "tensor (n, H, W, 3)": lambda: fit(tensor(RGB)),
        "rows, image_shape=(3, H, W)": lambda: fit(RGB.reshape(N, -1), image_shape=(3, 12, 12)),
        "NaN in the pixels": lambda: fit(np.where(FLOATS > 0.99, np.nan, FLOATS)),
        "masked array": lambda: fit(np.ma.masked_less(GREY, 3)),
        "memory-mapped file": lambda: fit(mapped(at("mapped"))),
        "no images": lambda: fit(RGB[:0]),
        "one image": lambda: fit(RGB[:1]),
        "0 to 255 in fit, 0 to 1 in transform": lambda: after(RGB, RGB / 255),
        "different size in transform": lambda: after(RGB, RGB[:, :8, :8]),
    }


def channels(at):
    return {
        **{f"{n} channels": lambda n=n: fit(images(12, 12, n)) for n in (2, 4, 13, 64, 65)},
        "channels with different units": lambda: fit(FLOATS * [1, 1, 3000]),
        "4 channels, SimCLREmbedder": lambda: fit(images(12, 12, 4), SimCLREmbedder),
        "list of RGB and RGBA images": lambda: fit([RGB[0], images(12, 12, 4)[0]]),
    }


def files(at):
    return {
        **{name: lambda end=end: fit(written(at(end), end)) for name, end in FORMATS.items()},
        "JPEG 2000": lambda: fit(saved(at("jp2"), "RGB", ".jp2")),
        "grey": lambda: fit(written(at("grey"), ".png", GREY)),
        "grey, image_shape=(H, W, 1)": lambda: fit(
            written(at("grey1"), ".png", GREY), image_shape=(12, 12, 1)
        ),
        "palette": lambda: fit(saved(at("palette"), "P", ".png")),
        "1 bit": lambda: fit(saved(at("bit"), "1", ".png")),
        "transparency": lambda: fit(saved(at("rgba"), "RGBA", ".png")),
        "transparency, image_shape=(H, W, 4)": lambda: fit(
            saved(at("rgba4"), "RGBA", ".png"), image_shape=(12, 12, 4)
        ),
        "CMYK": lambda: fit(saved(at("cmyk"), "CMYK", ".jpg")),
        "12 bits in 16-bit PNG": lambda: fit(written(at("deep"), ".png", DEEP)),
        "12 bits in 16-bit TIFF": lambda: fit(written(at("deep tiff"), ".tif", DEEP)),
        "16 bits in colour": lambda: fit(
            written(at("deep rgb"), ".png", RGB.astype(np.uint16) * 256)
        ),
        "float TIFF": lambda: fit(written(at("float"), ".tif", FLOATS)),
        "float TIFF with NaN": lambda: fit(
            written(at("nan"), ".tif", np.where(FLOATS > 0.9, np.nan, FLOATS).astype(np.float32))
        ),
        "mixture of 8 and 16 bits": lambda: fit(
            written(at("mixed a"), ".png", GREY) + written(at("mixed b"), ".png", DEEP)
        ),
        "TIFF with 3 pages": lambda: fit(stacks(at("pages"))),
        "TIFF with 4 pages, image_shape=(H, W, 4)": lambda: fit(
            stacks(at("pages4"), ((12, 12),) * 4), image_shape=(12, 12, 4)
        ),
        "TIFF with 3 pages, load_images(pages='max')": lambda: read(
            stacks(at("pages max")), pages="max", color=False
        ),
        "TIFF with 3 pages, load_images(pages='channels')": lambda: read(
            stacks(at("pages c")), pages="channels"
        ),
        "pages of different sizes, load_images(pages='max')": lambda: read(
            stacks(at("uneven"), ((12, 12), (9, 12))), pages="max"
        ),
        "animation (GIF)": lambda: fit(animation(at("gif"))),
        "13 bands in a TIFF": lambda: fit(bands(at("bands"))),
        "13 bands, image_shape=(H, W, 13)": lambda: fit(
            bands(at("bands13")), image_shape=(12, 12, 13)
        ),
        "13 bands, load_images(channels=[3, 2, 1])": lambda: read(
            bands(at("bands3")), channels=[3, 2, 1]
        ),
        "different sizes": lambda: fit(
            written(at("s1"), ".png") + written(at("s2"), ".png", images(9, 9, 3))
        ),
        "different sizes, with image_size": lambda: fit(
            written(at("s3"), ".png") + written(at("s4"), ".png", images(9, 9, 3)), image_size=8
        ),
        "photograph that is not square": lambda: fit(
            written(at("wide"), ".jpg", images(300, 400, 3))
        ),
        "truncated file": lambda: fit([cut(at("cut"))] * 2),
        "text file": lambda: fit([str(Path(__file__))] * 2),
        "missing file": lambda: fit(["gone.png"] * 2),
        "corrupt file, on_error='skip'": lambda: fit(
            [*written(at("skip"), ".png"), cut(at("skip cut"))], on_error="skip"
        ),
    }


def sequences(at):
    paths = written(at("table"), ".png")
    return {
        "list of file names": lambda: fit(paths),
        "pathlib.Path objects": lambda: fit(list(map(Path, paths))),
        "column of file names (pandas)": lambda: fit(frame(f=paths)["f"]),
        "data frame with one column of file names": lambda: fit(frame(f=paths)),
        "data frame with one column of file names (polars)": lambda: fit(polars(f=paths)),
        "array (n, 1) of file names": lambda: fit(np.array(paths)[:, None]),
        "data frame with two columns of file names": lambda: fit(frame(f=paths, g=paths)),
        "missing file name": lambda: fit(frame(f=[*paths[:3], None])),
        "column of arrays": lambda: fit(frame(image=list(RGB))),
        "list of arrays": lambda: fit(list(RGB)),
        "list of arrays of different sizes": lambda: fit([RGB[0], RGB[1, :8]]),
        "list of PIL images": lambda: fit(list(map(Image.open, paths))),
        "PIL images with 16 bits": lambda: fit(list(map(Image.fromarray, DEEP))),
        "PIL images of different sizes": lambda: fit(
            [Image.open(paths[0]), Image.open(paths[1]).resize((5, 7))]
        ),
        "a single file name": lambda: fit(paths[0]),
        "name of a folder": lambda: fit(str(at("table"))),
        "generator of file names": lambda: fit(p for p in paths),
        "empty list": lambda: fit([]),
    }


def folders(at):
    def folder(name, *names, **params):
        return loaded(tree(at(name), *names), **params)

    return {
        "one folder per class": lambda: folder("f1", "cat/1.png", "dog/1.png"),
        "all images in one folder": lambda: folder("f2", "1.png", "2.png"),
        "class folders inside a single folder": lambda: folder(
            "f3", "all/cat/1.png", "all/dog/1.png"
        ),
        "train/ and test/": lambda: folder("f4", "train/cat/1.png", "test/cat/1.png"),
        "folders inside a class folder": lambda: folder("f5", "cat/2021/a/1.png", "dog/1.png"),
        "upper-case suffixes, hidden files, __MACOSX": lambda: folder(
            "f6", "cat/1.PNG", "cat/._2.png", "__MACOSX/cat/1.png", "dog/1.Png"
        ),
        "names with non-ASCII characters": lambda: folder("f7", "猫/ä b.png", "größe/1.png"),
        "folder named unlabelled or unsorted": lambda: folder(
            "f8", "ok/1.png", "defect/1.png", "Unsorted/1.png"
        ),
        "folder named unsorted, unlabelled=[]": lambda: folder(
            "f9", "ok/1.png", "defect/1.png", "Unsorted/1.png", unlabelled=[]
        ),
        "images next to the class folders": lambda: folder(
            "f10", "ok/1.png", "defect/1.png", "new.png"
        ),
        "class folder inside another class folder": lambda: folder(
            "f11", "cat/1.png", "cat/dog/1.png", "dog/1.png"
        ),
        "no images": lambda: loaded(tree(at("f12"), "a/notes.txt", content=b"?")),
        "corrupt file, on_error='skip'": lambda: loaded(
            tree(tree(at("f13"), "cat/1.png", "dog/1.png"), "cat/2.png", content=b"?"),
            on_error="skip",
        ),
        "list_images, which does not read the files": lambda: loaded(
            tree(at("f14"), "cat/1.png", "dog/1.png"), list_images
        ),
        "zip file of a folder": lambda: loaded(
            archive(at("z1"), "pets/cat/1.png", "pets/dog/1.png", "__MACOSX/pets/cat/._1.png")
        ),
        "zip file with names that point outside of it": lambda: loaded(
            archive(at("z2"), "cat/1.png", "../evil.png")
        ),
        "zip file with two files of the same name": lambda: loaded(
            archive(at("z3"), "cat/1.png", repeat=2)
        ),
        "zip file with a huge image": lambda: loaded(bomb(at(""))),
        "zip file with \\ in names": lambda: loaded(archive(at("z4"), "cat\\1.png", "dog\\1.png")),
    }


SECTIONS = {
    "Arrays": arrays,
    "Channels": channels,
    "Files": files,
    "Tables and sequences": sequences,
    "Folders": folders,
}


def outcome(call, root):
    """Return ("accepted", "warning" or "error", text)."""
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        try:
            text, kind = call(), "accepted"
        except ImportError as error:
            text, kind = str(error), "not tested"
        except (TypeError, ValueError) as error:
            text, kind = str(error), "error"
    notes = [str(w.message) for w in told if issubclass(w.category, UserWarning)]
    if kind == "accepted" and notes:
        text, kind = f"{text}. {notes[0]}", "warning"
    text = text.replace(str(root) + os.sep, "").replace(str(Path(__file__)), "inputs.py")
    return kind, re.sub(r"\s+", " ", text)


def rows():
    """Iterate over (section, input, kind of outcome, text) of all kinds of input."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        for section, cases in SECTIONS.items():
            for what, call in cases(lambda name: root / re.sub(r"\W", "_", name)).items():
                yield section, what, *outcome(call, root)


if __name__ == "__main__":
    argparse.ArgumentParser(description=__doc__.splitlines()[0]).parse_args()
    results_of(__file__).unlink(missing_ok=True)  # do not keep the results of removed rows
    for row in rows():
        write_line(__file__, **dict(zip(("section", "input", "kind", "text"), row, strict=True)))
