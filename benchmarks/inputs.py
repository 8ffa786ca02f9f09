"""What becomes of each kind of input: the table of docs/inputs.md.

    python benchmarks/inputs.py [--write]

Makes small inputs of every kind, gives each to `fit` (or to the loaders of folders), and prints as
Markdown what it was taken as, what was warned of, or with which words it was refused. With
`--write` it takes the place of what stands between the two marks of docs/inputs.md.
"""

import argparse
import io
import os
import re
import tempfile
import warnings
import zipfile
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from sklssl import RotNetEmbedder, SimCLREmbedder
from sklssl.datasets import list_images, load_image_folder, load_images

PAGE = Path(__file__).parents[1] / "docs" / "inputs.md"
BEGIN, END = "<!-- figures: benchmarks/inputs.py --write -->", "<!-- end of the figures -->"
RNG = np.random.default_rng(0)
N = 6


def images(*shape, high=256, dtype=np.uint8):
    return RNG.integers(0, high, (N, *shape)).astype(dtype)


RGB, GREY, DEEP = images(12, 12, 3), images(12, 12), images(12, 12, high=4096, dtype=np.uint16)
FLOATS = RNG.random((N, 12, 12, 3), dtype=np.float32)


def fit(X, embedder=RotNetEmbedder, **params):
    """Fit an embedder and say what it took X for."""
    params = {"backbone": "convnet", "max_epochs": 0, "random_state": 0} | params
    fitted = embedder(**params).fit(X)
    height, width, channels = fitted.image_shape_
    low, high = fitted.value_range_
    values = f"{low:g} to {high:g}" if np.ndim(low) == 0 else "a range for each channel"
    return f"{height}x{width}, {channels} channel{'s' * (channels > 1)}, {values}"


def after(X, later):
    """Transform other images than those of fit."""
    RotNetEmbedder("convnet", max_epochs=0, random_state=0).fit(X).transform(later)
    return "features"


def written(folder, extension, stack=RGB):
    """Write images and give their names."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = [str(folder / f"{i}{extension}") for i in range(len(stack))]
    for path, image in zip(paths, stack, strict=True):
        if not cv2.imwrite(path, image[..., ::-1] if image.shape[-1] == 3 else image):
            raise OSError(path)
    return paths


def saved(folder, mode, extension, **options):
    """Write images of a mode of Pillow and give their names."""
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
    """A zip file whose image claims 200 million pixels."""
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


def cases(root):
    """Yield (section, input, call)."""

    def at(name):
        return root / re.sub(r"\W", "_", name)

    yield "Arrays", "uint8 (n, H, W)", lambda: fit(GREY)
    yield "Arrays", "uint8 (n, H, W, 3)", lambda: fit(RGB)
    yield "Arrays", "floats 0 to 1", lambda: fit(FLOATS)
    yield "Arrays", "float64", lambda: fit(FLOATS.astype(np.float64))
    yield "Arrays", "12 bits in uint16", lambda: fit(DEEP)
    yield "Arrays", "whole numbers above 2**24", lambda: fit(DEEP.astype(np.int64) + 2**30)
    yield "Arrays", "float64 far from 0", lambda: fit(FLOATS.astype(np.float64) + 1e9)
    yield "Arrays", "booleans", lambda: fit(GREY > 127)
    yield "Arrays", "rows of square images", lambda: fit(GREY.reshape(N, -1))
    yield (
        "Arrays",
        "rows, image_shape given",
        lambda: fit(RGB.reshape(N, -1), image_shape=(12, 12, 3)),
    )
    yield "Arrays", "rows that fold into no square", lambda: fit(RGB.reshape(N, -1))
    yield "Arrays", "(n, 3, H, W)", lambda: fit(RGB.transpose(0, 3, 1, 2))
    yield "Arrays", "(n, 13, H, W)", lambda: fit(images(13, 12, 12))
    yield "Arrays", "a tensor (n, 3, H, W)", lambda: fit(tensor(RGB.transpose(0, 3, 1, 2)))
    yield "Arrays", "a tensor (n, H, W, 3)", lambda: fit(tensor(RGB))
    yield (
        "Arrays",
        "rows, image_shape=(3, H, W)",
        lambda: fit(RGB.reshape(N, -1), image_shape=(3, 12, 12)),
    )
    yield "Arrays", "NaN among the pixels", lambda: fit(np.where(FLOATS > 0.99, np.nan, FLOATS))
    yield "Arrays", "a masked array", lambda: fit(np.ma.masked_less(GREY, 3))
    yield "Arrays", "a memory-mapped file", lambda: fit(mapped(at("mapped")))
    yield "Arrays", "no image at all", lambda: fit(RGB[:0])
    yield "Arrays", "one image", lambda: fit(RGB[:1])
    yield "Arrays", "0 to 1 in transform after 0 to 255 in fit", lambda: after(RGB, RGB / 255)
    yield "Arrays", "another size in transform", lambda: after(RGB, RGB[:, :8, :8])

    for n in (2, 4, 13, 64, 65):
        yield "Channels", f"{n} channels", lambda n=n: fit(images(12, 12, n))
    yield "Channels", "channels of different units", lambda: fit(FLOATS * [1, 1, 3000])
    yield "Channels", "4 channels, SimCLREmbedder", lambda: fit(images(12, 12, 4), SimCLREmbedder)
    yield "Channels", "a list of RGB and RGBA", lambda: fit([RGB[0], images(12, 12, 4)[0]])

    for name, extension in (("JPEG", ".jpg"), ("PNG", ".png"), ("TIFF", ".tif"), ("BMP", ".bmp")):
        yield "Files", name, lambda n=name, e=extension: fit(written(at(n), e))
    yield "Files", "WebP", lambda: fit(written(at("webp"), ".webp"))
    yield "Files", "PPM", lambda: fit(written(at("ppm"), ".ppm"))
    yield "Files", "JPEG 2000", lambda: fit(saved(at("jp2"), "RGB", ".jp2"))
    yield "Files", "grey", lambda: fit(written(at("grey"), ".png", GREY))
    yield (
        "Files",
        "grey, image_shape=(H, W, 1)",
        lambda: fit(written(at("grey1"), ".png", GREY), image_shape=(12, 12, 1)),
    )
    yield "Files", "palette", lambda: fit(saved(at("palette"), "P", ".png"))
    yield "Files", "1 bit", lambda: fit(saved(at("bit"), "1", ".png"))
    yield "Files", "transparency", lambda: fit(saved(at("rgba"), "RGBA", ".png"))
    yield (
        "Files",
        "transparency, image_shape=(H, W, 4)",
        lambda: fit(saved(at("rgba4"), "RGBA", ".png"), image_shape=(12, 12, 4)),
    )
    yield "Files", "CMYK", lambda: fit(saved(at("cmyk"), "CMYK", ".jpg"))
    yield "Files", "12 bits in 16-bit PNG", lambda: fit(written(at("deep"), ".png", DEEP))
    yield "Files", "12 bits in 16-bit TIFF", lambda: fit(written(at("deep tiff"), ".tif", DEEP))
    yield (
        "Files",
        "16 bits in colour",
        lambda: fit(written(at("deep rgb"), ".png", RGB.astype(np.uint16) * 256)),
    )
    yield "Files", "float TIFF", lambda: fit(written(at("float"), ".tif", FLOATS))
    yield (
        "Files",
        "float TIFF with NaN",
        lambda: fit(
            written(at("nan"), ".tif", np.where(FLOATS > 0.9, np.nan, FLOATS).astype(np.float32))
        ),
    )
    yield (
        "Files",
        "8 and 16 bits mixed",
        lambda: fit(written(at("mixed a"), ".png", GREY) + written(at("mixed b"), ".png", DEEP)),
    )
    yield "Files", "a TIFF of 3 pages", lambda: fit(stacks(at("pages")))
    yield (
        "Files",
        "a TIFF of 4 pages, image_shape=(H, W, 4)",
        lambda: fit(stacks(at("pages4"), ((12, 12),) * 4), image_shape=(12, 12, 4)),
    )
    yield (
        "Files",
        "the same by load_images(pages='max')",
        lambda: read(stacks(at("pages max")), pages="max", color=False),
    )
    yield (
        "Files",
        "the same by load_images(pages='channels')",
        lambda: read(stacks(at("pages c")), pages="channels"),
    )
    yield (
        "Files",
        "pages that differ in size, pages='max'",
        lambda: read(stacks(at("uneven"), ((12, 12), (9, 12))), pages="max"),
    )
    yield "Files", "an animation (GIF)", lambda: fit(animation(at("gif")))
    yield "Files", "13 bands in a TIFF", lambda: fit(bands(at("bands")))
    yield (
        "Files",
        "13 bands, image_shape=(H, W, 13)",
        lambda: fit(bands(at("bands13")), image_shape=(12, 12, 13)),
    )
    yield (
        "Files",
        "13 bands by load_images(channels=[3, 2, 1])",
        lambda: read(bands(at("bands3")), channels=[3, 2, 1]),
    )
    yield (
        "Files",
        "sizes that differ",
        lambda: fit(written(at("s1"), ".png") + written(at("s2"), ".png", images(9, 9, 3))),
    )
    yield (
        "Files",
        "sizes that differ, image_size given",
        lambda: fit(
            written(at("s3"), ".png") + written(at("s4"), ".png", images(9, 9, 3)), image_size=8
        ),
    )
    yield (
        "Files",
        "a photograph that is not square",
        lambda: fit(written(at("wide"), ".jpg", images(300, 400, 3))),
    )
    yield "Files", "a file that is cut off", lambda: fit([cut(at("cut"))] * 2)
    yield "Files", "a text file", lambda: fit([str(Path(__file__))] * 2)
    yield "Files", "a file that is not there", lambda: fit(["gone.png"] * 2)
    yield (
        "Files",
        "a bad file, on_error='skip'",
        lambda: fit([*written(at("skip"), ".png"), cut(at("skip cut"))], on_error="skip"),
    )

    paths = [str(p) for p in map(Path, written(at("table"), ".png"))]
    yield "Tables and sequences", "a list of names", lambda: fit(paths)
    yield "Tables and sequences", "pathlib.Path objects", lambda: fit(list(map(Path, paths)))
    yield "Tables and sequences", "a column of names (pandas)", lambda: fit(frame(f=paths)["f"])
    yield "Tables and sequences", "a frame of one column of names", lambda: fit(frame(f=paths))
    yield "Tables and sequences", "the same in polars", lambda: fit(polars(f=paths))
    yield "Tables and sequences", "an array (n, 1) of names", lambda: fit(np.array(paths)[:, None])
    yield (
        "Tables and sequences",
        "a frame of two columns of names",
        lambda: fit(frame(f=paths, g=paths)),
    )
    yield "Tables and sequences", "a missing name", lambda: fit(frame(f=[*paths[:3], None]))
    yield "Tables and sequences", "a column of arrays", lambda: fit(frame(image=list(RGB)))
    yield "Tables and sequences", "a list of arrays", lambda: fit(list(RGB))
    yield (
        "Tables and sequences",
        "a list of arrays that differ in size",
        lambda: fit([RGB[0], RGB[1, :8]]),
    )
    yield (
        "Tables and sequences",
        "a list of Pillow's pictures",
        lambda: fit(list(map(Image.open, paths))),
    )
    yield (
        "Tables and sequences",
        "pictures of 16 bits",
        lambda: fit(list(map(Image.fromarray, DEEP))),
    )
    yield (
        "Tables and sequences",
        "pictures that differ in size",
        lambda: fit([Image.open(paths[0]), Image.open(paths[1]).resize((5, 7))]),
    )
    yield "Tables and sequences", "one name", lambda: fit(paths[0])
    yield "Tables and sequences", "the name of a folder", lambda: fit(str(at("table")))
    yield "Tables and sequences", "a generator of names", lambda: fit(p for p in paths)
    yield "Tables and sequences", "an empty list", lambda: fit([])

    def folder(name, *names, **params):
        return loaded(tree(at(name), *names), **params)

    yield "Folders", "a folder for each class", lambda: folder("f1", "cat/1.png", "dog/1.png")
    yield "Folders", "all in one folder", lambda: folder("f2", "1.png", "2.png")
    yield (
        "Folders",
        "one folder around the classes",
        lambda: folder("f3", "all/cat/1.png", "all/dog/1.png"),
    )
    yield "Folders", "train/ and test/", lambda: folder("f4", "train/cat/1.png", "test/cat/1.png")
    yield "Folders", "folders within a class", lambda: folder("f5", "cat/2021/a/1.png", "dog/1.png")
    yield (
        "Folders",
        "endings in capitals, hidden files, __MACOSX",
        lambda: folder("f6", "cat/1.PNG", "cat/._2.png", "__MACOSX/cat/1.png", "dog/1.Png"),
    )
    yield "Folders", "names in any script", lambda: folder("f7", "猫/ä b.png", "größe/1.png")
    yield (
        "Folders",
        "a folder named unlabelled or unsorted",
        lambda: folder("f8", "ok/1.png", "defect/1.png", "Unsorted/1.png"),
    )
    yield (
        "Folders",
        "the same, unlabelled=[]",
        lambda: folder("f9", "ok/1.png", "defect/1.png", "Unsorted/1.png", unlabelled=[]),
    )
    yield (
        "Folders",
        "images beside the class folders",
        lambda: folder("f10", "ok/1.png", "defect/1.png", "new.png"),
    )
    yield (
        "Folders",
        "a class folder within another class",
        lambda: folder("f11", "cat/1.png", "cat/dog/1.png", "dog/1.png"),
    )
    yield "Folders", "no images", lambda: loaded(tree(at("f12"), "a/notes.txt", content=b"?"))
    yield (
        "Folders",
        "a bad file, on_error='skip'",
        lambda: loaded(
            tree(tree(at("f13"), "cat/1.png", "dog/1.png"), "cat/2.png", content=b"?"),
            on_error="skip",
        ),
    )
    yield (
        "Folders",
        "list_images, files not read",
        lambda: loaded(tree(at("f14"), "cat/1.png", "dog/1.png"), list_images),
    )
    yield (
        "Folders",
        "a zip file of a folder",
        lambda: loaded(
            archive(at("z1"), "pets/cat/1.png", "pets/dog/1.png", "__MACOSX/pets/cat/._1.png")
        ),
    )
    yield (
        "Folders",
        "a zip file with names that lead out of it",
        lambda: loaded(archive(at("z2"), "cat/1.png", "../evil.png")),
    )
    yield (
        "Folders",
        "a zip file with two files of one name",
        lambda: loaded(archive(at("z3"), "cat/1.png", repeat=2)),
    )
    yield "Folders", "a zip file that unfolds into a huge image", lambda: loaded(bomb(root))
    yield (
        "Folders",
        "a zip file with \\ in its names",
        lambda: loaded(archive(at("z4"), "cat\\1.png", "dog\\1.png")),
    )


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


def outcome(call, root):
    """Give ("taken", "warned" or "refused", text)."""
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        try:
            text, kind = call(), "taken"
        except ImportError as error:
            text, kind = str(error), "not tried"
        except (TypeError, ValueError) as error:
            text, kind = str(error), "refused"
    notes = [str(w.message) for w in told if issubclass(w.category, UserWarning)]
    if kind == "taken" and notes:
        text, kind = f"{text}. {notes[0]}", "warned"
    text = text.replace(str(root) + os.sep, "").replace(str(Path(__file__)), "inputs.py")
    return kind, re.sub(r"\s+", " ", text)


def rows():
    """Yield (section, input, kind of outcome, text) of every kind of input."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        for section, what, call in cases(root):
            yield section, what, *outcome(call, root)


def markdown(table):
    file, section = io.StringIO(), None
    for of, what, kind, text in table:
        if of != section:
            section = of
            print(f"\n**{section}**\n\n| input | | becomes, or is told |\n|---|---|---|", file=file)
        cells = (cell.replace("|", "\\|").replace("*", "\\*") for cell in (what, kind, text))
        print(f"| {' | '.join(cells)} |", file=file)
    return file.getvalue().strip()


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--write", action="store_true", help=f"put it into {PAGE.name}")
    args = parser.parse_args()
    table = list(rows())
    print(markdown(table), f"\n\n{len(table)} kinds of input")
    if args.write:
        before, _, rest = PAGE.read_text().partition(BEGIN)
        after_ = rest.partition(END)[2]
        PAGE.write_text(f"{before}{BEGIN}\n\n{markdown(table)}\n\n{END}{after_}")
