"""Files that are no images, damaged ones, odd ones, and names that no file should have."""

import contextlib
import io
import os
import pathlib
import signal
import socket
import struct
import zlib

import numpy as np
import PIL
import pytest
from hypothesis import strategies as st
from PIL import Image

from sklssl import RotNetEmbedder
from sklssl.datasets import load_image_folder
from sklssl.exceptions import ImageFileError
from tests.fuzz._parameters import tiny
from tests.fuzz._property import attempt, fuzzed

pytestmark = pytest.mark.skipif(not hasattr(signal, "SIGALRM"), reason="needs alarms")

_SECONDS = 20
_KINDS = {
    "jpeg": {"format": "JPEG"},
    "progressive jpeg": {"format": "JPEG", "progressive": True},
    "png": {"format": "PNG"},
    "webp": {"format": "WEBP"},
    "lossless webp": {"format": "WEBP", "lossless": True},
    "tiff": {"format": "TIFF"},
    "packed tiff": {"format": "TIFF", "compression": "tiff_lzw"},
    "bmp": {"format": "BMP"},
}
_MODES = ["RGB", "L", "RGBA", "LA", "P", "1", "I;16", "CMYK", "YCbCr", "F", "I", "LAB", "HSV"]


def _picture(mode="RGB", size=(24, 20)):
    width, height = size
    values = np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)
    if mode in ("I;16", "F", "I"):
        return Image.fromarray(values[..., 0].astype({"I;16": "u2", "F": "f4", "I": "i4"}[mode]))
    return Image.fromarray(values).convert(mode)


def _encode(kind="png", mode="RGB", **settings):
    file = io.BytesIO()
    _picture(mode).save(file, **{**_KINDS[kind], **settings})
    return file.getvalue()


@pytest.fixture(scope="module")
def good(tmp_path_factory):
    """Two good files, and an embedder fitted on them."""
    folder = tmp_path_factory.mktemp("good")
    paths = [str(folder / f"good{i}.png") for i in range(2)]
    for path, kind in zip(paths, ("RGB", "L"), strict=True):
        pathlib.Path(path).write_bytes(_encode(mode=kind))
    return paths, _embedder().fit(paths)


def _embedder(**params):
    return RotNetEmbedder(tiny, max_epochs=0, image_shape=(8, 8, 3), random_state=0, **params)


@contextlib.contextmanager
def _in_time():
    """Fail instead of waiting for ever, as for the other end of a pipe."""

    def give_up(number, frame):
        raise AssertionError(f"still not done after {_SECONDS} seconds")

    before = signal.signal(signal.SIGALRM, give_up)
    signal.alarm(_SECONDS)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def _check(path, good, refused=None):
    """Check what becomes of a file beside good ones; `refused` tells whether it has to be."""
    paths, fitted = good
    some = [*paths, path]
    with _in_time():
        worked, outcome = attempt(lambda: _embedder().fit(some), some)
        used, Z = attempt(lambda: fitted.transform(some), some)
        skipped, embedder = attempt(lambda: _embedder(on_error="skip").fit(some), some)
    assert worked is used
    assert refused is None or worked is not refused, outcome
    assert skipped, embedder  # the good ones are left
    if worked:
        assert Z.shape[0] == 3
        assert np.isfinite(Z).all()
    else:
        for error in (outcome, Z):
            assert isinstance(error, ImageFileError), error
            assert repr(os.fsdecode(path)) in str(error)
    return worked


@fuzzed(25, kind=st.sampled_from(sorted(_KINDS)), share=st.floats(0, 1))
def test_truncated(kind, share, good, tmp_path, capfd):
    content = _encode(kind)
    path = tmp_path / "bad.img"
    path.write_bytes(content[: int(share * len(content))])
    _check(str(path), good)
    assert capfd.readouterr().err == ""


@fuzzed(
    25,
    kind=st.sampled_from(sorted(_KINDS)),
    flips=st.lists(
        st.tuples(st.one_of(st.integers(0, 60), st.integers(0, 2000)), st.integers(1, 255)),
        min_size=1,
        max_size=5,
    ),
)
def test_flipped_bits(kind, flips, good, tmp_path):
    content = bytearray(_encode(kind))
    for place, mask in flips:
        content[place % len(content)] ^= mask
    path = tmp_path / "bad.img"
    path.write_bytes(content)
    _check(str(path), good)


@fuzzed(5, content=st.binary(max_size=300), kind=st.sampled_from(["", *sorted(_KINDS)]))
def test_no_image(content, kind, good, tmp_path):
    """Also what begins like one."""
    path = tmp_path / "bad.png"
    path.write_bytes((_encode(kind)[:16] if kind else b"") + content)
    _check(str(path), good)


@pytest.mark.parametrize("mode", _MODES)
@pytest.mark.parametrize("kind", sorted(_KINDS))
def test_modes(kind, mode, good, tmp_path, capfd):
    try:
        content = _encode(kind, mode)
    except (OSError, ValueError):
        pytest.skip("Pillow does not write that")
    path = tmp_path / "odd.dat"  # what the extension says does not count
    path.write_bytes(content)
    worked = _check(str(path), good)
    old = int(PIL.__version__.split(".")[0]) < 13  # writes what it cannot read
    refused = old and (kind, mode) == ("tiff", "YCbCr")
    # Those in the list are of another depth, or not read.
    assert worked or refused or mode in ("F", "I", "I;16", "LAB", "HSV")
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("orientation", range(10))
@pytest.mark.parametrize("kind", ["jpeg", "png", "webp", "tiff"])
def test_orientation(kind, orientation, good, tmp_path):
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = tmp_path / "turned"
    path.write_bytes(_encode(kind, exif=exif))
    _check(str(path), good, refused=False)


@pytest.mark.parametrize("kind", ["tiff", "webp", "png"])
def test_several_pages(kind, good, tmp_path):
    pages = [_picture(mode) for mode in ("RGB", "RGBA", "RGB")]
    path = tmp_path / "pages"
    content = io.BytesIO()
    pages[0].save(content, **_KINDS[kind], save_all=True, append_images=pages[1:])
    path.write_bytes(content.getvalue())
    _check(str(path), good, refused=False)


def _png(width, height, data=b""):
    def chunk(name, body):
        return (
            struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
        )

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    body = chunk(b"IDAT", zlib.compress(data))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + body + chunk(b"IEND", b"")


@pytest.mark.parametrize(
    "size", [(2**31 - 1, 2**31 - 1), (10**5, 10**5), (0, 0), (0, 5), (9000, 9000)]
)
def test_sizes_that_are_not_true(size, good, tmp_path):
    path = tmp_path / "bomb.png"
    path.write_bytes(_png(*size))
    _check(str(path), good, refused=True)


def _make(kind, path):
    if kind == "empty":
        path.write_bytes(b"")
    elif kind == "folder":
        path.mkdir()
    elif kind == "missing":
        pass
    elif kind == "broken link":
        path.symlink_to(path.with_name("nothing"))
    elif kind == "loop":
        path.symlink_to(path)
    elif kind == "pipe":
        os.mkfifo(path)
    elif kind == "below a file":
        path.write_bytes(_encode())
        return path / "image.png"
    elif kind == "link to zeros":
        path.symlink_to("/dev/zero")
    elif kind == "sparse":
        with open(path, "wb") as file:
            file.truncate(2**40)
    elif kind == "text":
        path.write_text("no image")
    return path


_REFUSED = ["empty", "folder", "missing", "broken link", "loop", "pipe", "below a file"]


@pytest.mark.parametrize("kind", [*_REFUSED, "link to zeros", "sparse", "text"])
def test_no_file(kind, good, tmp_path):
    _check(str(_make(kind, tmp_path / "bad.png")), good, refused=True)


@pytest.mark.parametrize(
    "device", ["/dev/zero", "/dev/null", "/dev/tty", "/dev/stdin", "/proc/self/mem"]
)
def test_devices(device, good):
    if not os.path.exists(device):
        pytest.skip("there is none")
    _check(device, good, refused=True)


def test_socket(good, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # the names of sockets are short
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("bad.png")
        _check(str(tmp_path / "bad.png"), good, refused=True)


@pytest.mark.skipif(getattr(os, "geteuid", lambda: 0)() == 0, reason="root may read everything")
def test_no_permission(good, tmp_path):
    path = tmp_path / "bad.png"
    path.write_bytes(_encode())
    path.chmod(0)
    _check(str(path), good, refused=True)


_NAMES = ["line\nbreak.png", "été.png", "图.png", "a b.png", "'\".png", "\udcff.png", "%s{}.png"]


@pytest.mark.parametrize("name", [*_NAMES, "-x.png", "x" * 250 + ".png", "\x1b[31m.png", ".png"])
def test_names(name, good, tmp_path):
    path = str(tmp_path / name)
    _check(path, good, refused=True)
    with open(path, "wb") as file:
        file.write(_encode())
    _check(path, good, refused=False)
    _check(pathlib.Path(path), good, refused=False)


@pytest.mark.parametrize(
    "name", ["", "x" * 5000, "x/" * 3000, "nul\0byte.png", "\ud800.png", ".", "/"]
)
def test_names_of_no_file(name, good):
    _check(name, good, refused=True)


@pytest.mark.parametrize("name", ["nul\0byte", "x" * 5000, "\ud800"])
@pytest.mark.parametrize("parameter", ["cache_dir"])
def test_names_of_no_folder(parameter, name, good):
    with pytest.raises((ValueError, OSError), match=parameter):
        _embedder(**{parameter: name}).fit(good[0])


@pytest.mark.parametrize("kind", [*_REFUSED, "link to zeros", "text"])
def test_folders(kind, tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "good.png").write_bytes(_encode())
    _make(kind, tmp_path / "a" / "bad.png")
    with _in_time(), contextlib.suppress(ImageFileError, ValueError):
        load_image_folder(tmp_path)
