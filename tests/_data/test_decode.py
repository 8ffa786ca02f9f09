"""decode_image and read_image_file: what each kind of file becomes, and what is refused."""

import errno
import io
import os
import struct
import threading
import zlib

import cv2
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from PIL import Image

from sklssl._data.decode import decode_image, read_image_file
from sklssl.exceptions import ImageFileError

GREY_WEIGHTS = [0.299, 0.587, 0.114]


def _photo(height=24, width=36):
    """Make smooth colours, which JPEG keeps almost as they are."""
    coarse = np.random.default_rng(0).integers(0, 256, (4, 5, 3), dtype=np.uint8)
    return cv2.resize(coarse, (width, height), interpolation=cv2.INTER_LINEAR)


PHOTO = _photo()
GREY = PHOTO[..., 1]
GREY16 = GREY.astype(np.uint16) * 256 + np.arange(36, dtype=np.uint16)
# How the rows and columns that are stored are to be shown, by the number in the file.
ROTATE = {
    1: lambda image: image,
    2: lambda image: image[:, ::-1],
    3: lambda image: image[::-1, ::-1],
    4: lambda image: image[::-1],
    5: lambda image: image.transpose(1, 0, 2),
    6: lambda image: np.rot90(image, -1),
    7: lambda image: image.transpose(1, 0, 2)[::-1, ::-1],
    8: lambda image: np.rot90(image),
}
ALPHA = np.tile(np.linspace(0, 255, 36).astype(np.uint8), (24, 1))


def _save(image, extension, **options):
    file = io.BytesIO()
    image = image if isinstance(image, Image.Image) else Image.fromarray(image)
    image.save(file, extension, **options)
    return file.getvalue()


def _pillow(content):
    """Decode with Pillow alone, as colours."""
    with Image.open(io.BytesIO(content)) as image:
        return np.asarray(image.convert("RGB"))


def _check(content, expected, atol=0, atol_grey=1.1, dtype=np.uint8):
    image = decode_image(content, "a", 3)
    assert image.dtype == dtype
    assert image.flags.c_contiguous
    assert image.flags.writeable
    assert image.shape == expected.shape
    assert_allclose(image, expected.astype(float), atol=atol)
    grey = decode_image(content, "a", 1)
    assert grey.dtype == dtype
    assert grey.shape == (*expected.shape[:2], 1)
    assert_allclose(grey[..., 0], expected @ GREY_WEIGHTS, atol=atol + atol_grey)


def _three(grey):
    return np.repeat(grey[..., np.newaxis], 3, axis=2)


@pytest.mark.parametrize("format", ["PNG", "TIFF", "BMP", "PPM", "JPEG2000"])
def test_colour_and_grey(format):
    _check(_save(PHOTO, format), PHOTO)
    _check(_save(GREY, format), _three(GREY))


def test_lossy_colour_and_grey():
    for format, options in [("JPEG", {}), ("JPEG", {"progressive": True}), ("WEBP", {})]:
        content = _save(PHOTO, format, quality=95, subsampling=0, **options)
        _check(content, PHOTO, atol=25 if format == "WEBP" else 12)
        assert_allclose(decode_image(content, "a", 3), _pillow(content).astype(float), atol=1)
        _check(_save(GREY, format, quality=95, **options), _three(GREY), atol=8)


def _over_grey(colours, alpha, most=255):
    share = alpha[..., np.newaxis] / most
    return share * colours + (1 - share) * ((most + 1) // 2)


@pytest.mark.parametrize("format", ["PNG", "TIFF", "WEBP", "JPEG2000"])
def test_transparent_images_are_shown_over_grey(format):
    options = {"lossless": True, "exact": True} if format == "WEBP" else {}
    expected = _over_grey(PHOTO, ALPHA)
    _check(_save(np.dstack([PHOTO, ALPHA]), format, **options), expected, atol=0.51)
    expected = _over_grey(_three(GREY), ALPHA)
    _check(_save(np.dstack([GREY, ALPHA]), format, **options), expected, atol=0.51)


@pytest.mark.parametrize("format", ["PNG", "TIFF", "WEBP", "JPEG2000"])
@pytest.mark.parametrize("alpha", [0, 100, 255])
def test_alpha_that_is_the_same_everywhere_is_dropped(format, alpha):
    options = {"lossless": True, "exact": True} if format == "WEBP" else {}
    _check(_save(np.dstack([PHOTO, np.full_like(ALPHA, alpha)]), format, **options), PHOTO)
    _check(_save(np.dstack([GREY, np.full_like(ALPHA, alpha)]), format, **options), _three(GREY))


@pytest.mark.parametrize("ink", [0, 255])
def test_drawings_on_a_transparent_ground_do_not_vanish(ink):
    drawn = np.where(GREY > 127, 255, 0).astype(np.uint8)
    rgba = np.dstack([np.full_like(PHOTO, ink), drawn])
    _check(_save(rgba, "PNG"), _three(np.where(drawn > 0, ink, 128)))


def test_a_transparent_colour():
    grey = GREY.copy()
    grey[np.isin(grey, (7, 8))] = 9
    grey[3:9, 4:9] = 7
    expected = np.where(grey == 7, 128, grey)
    _check(_save(grey, "PNG", transparency=7), _three(expected))
    _check(_save(_three(grey), "PNG", transparency=(7, 7, 7)), _three(expected))
    assert_array_equal(decode_image(_save(grey, "PNG", transparency=8), "a", 1)[..., 0], grey)


def test_opaque_files_are_not_decoded_by_pillow(monkeypatch):
    contents = [_save(PHOTO, "PNG"), _save(PHOTO, "JPEG")]
    monkeypatch.setattr(Image.Image, "convert", None)
    for content in contents:
        assert decode_image(content, "a", 3).shape == PHOTO.shape


@pytest.mark.parametrize("format", ["PNG", "TIFF", "BMP", "GIF"])
def test_palette(format):
    image = Image.fromarray(PHOTO).quantize(16)
    _check(_save(image, format), np.asarray(image.convert("RGB")))


def test_palette_with_transparency():
    image = Image.fromarray(np.dstack([PHOTO, ALPHA])).quantize(16)
    content = _save(image, "PNG")
    assert b"tRNS" in content
    rgba = np.asarray(image.convert("RGBA"))
    _check(content, _over_grey(rgba[..., :3], rgba[..., 3]), atol=0.51)


@pytest.mark.parametrize("format", ["PNG", "TIFF", "BMP", "PPM"])
def test_one_bit(format):
    expected = np.where(GREY > 127, 255, 0).astype(np.uint8)
    _check(_save(Image.fromarray(expected).convert("1"), format), _three(expected))


@pytest.mark.parametrize("format", ["PNG", "TIFF", "JPEG2000"])
@pytest.mark.parametrize("bits", [10, 12, 16])
def test_more_than_eight_bits_grey(format, bits):
    grey = GREY16 >> (16 - bits)
    _check(_save(grey, format), _three(grey), dtype=np.uint16)


@pytest.mark.parametrize("most", [1023, 4095, 65535])
def test_more_than_eight_bits_ppm(most):
    grey = GREY16 // (65536 // (most + 1))
    header = f" 36 24 {most}\n".encode()
    _check(b"P5" + header + grey.astype(">u2").tobytes(), _three(grey), dtype=np.uint16)
    colours = PHOTO.astype(np.uint16) * ((most + 1) // 256) + 3
    content = b"P6" + header + colours.astype(">u2").tobytes()
    _check(content, colours, dtype=np.uint16, atol_grey=most / 250)


def test_sixteen_bits_grey_big_endian_tiff():
    content = _save(Image.frombytes("I;16B", (36, 24), GREY16.astype(">u2").tobytes()), "TIFF")
    _check(content, _three(GREY16), dtype=np.uint16)


@pytest.mark.parametrize("extension", [".png", ".tiff", ".ppm"])
@pytest.mark.parametrize("bits", [10, 12, 16])
def test_more_than_eight_bits_colour(extension, bits):
    image = PHOTO.astype(np.uint16) * 2 ** (bits - 8) + 3
    content = cv2.imencode(extension, image[..., ::-1])[1].tobytes()
    _check(content, image, dtype=np.uint16, atol_grey=2**bits / 250)


def test_more_than_eight_bits_colour_jpeg_2000():
    image = np.tile(PHOTO.astype(np.uint16) * 16 + 3, (8, 8, 1))
    content = cv2.imencode(".jp2", image[..., ::-1], [cv2.IMWRITE_JPEG2000_COMPRESSION_X1000, 1000])
    _check(content[1].tobytes(), image, dtype=np.uint16)


@pytest.mark.parametrize("extension", [".png", ".tiff"])
def test_sixteen_bits_with_alpha(extension):
    image = np.dstack([PHOTO, ALPHA]).astype(np.uint16) * 256 + 77
    content = cv2.imencode(extension, image[..., [2, 1, 0, 3]])[1].tobytes()
    expected = image[..., :3]
    if extension == ".png":  # cv2 does not say in a TIFF file what the fourth channel is
        expected = _over_grey(expected, image[..., 3], 65535)
    _check(content, expected, dtype=np.uint16, atol=0.51, atol_grey=300)
    assert_array_equal(decode_image(content, "a", 4), image)


def test_cmyk():
    image = Image.fromarray(PHOTO).convert("CMYK")
    _check(_save(image, "TIFF"), PHOTO, atol=1)
    content = _save(image, "JPEG", quality=95, subsampling=0)
    assert b"Adobe" in content  # so the values in the file are inverted
    _check(content, PHOTO, atol=12)
    assert_allclose(decode_image(content, "a", 3), _pillow(content).astype(float), atol=2)


def test_ycck_jpeg():
    content = bytearray(_save(Image.fromarray(PHOTO).convert("CMYK"), "JPEG", quality=95))
    content[content.index(b"Adobe") + 11] = 2  # says that the same values are YCbCr and black
    expected = _pillow(content)
    assert np.abs(expected.astype(float) - PHOTO).max() > 50
    assert_allclose(decode_image(bytes(content), "a", 3), expected.astype(float), atol=3)


@pytest.mark.parametrize("format", ["JPEG", "PNG", "TIFF", "WEBP"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_rotation(format, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    content = _save(PHOTO, format, exif=exif)
    image = decode_image(content, "a", 3)
    plain = decode_image(_save(PHOTO, format), "a", 3)
    assert_allclose(image, ROTATE[orientation](plain).astype(float), atol=30)
    assert np.abs(image.astype(float) - ROTATE[orientation](plain)).mean() < 3
    assert decode_image(content, "a", 1).shape[:2] == image.shape[:2]


@pytest.mark.parametrize("format", ["TIFF", "GIF", "PNG", "WEBP"])
def test_first_page(format):
    other = Image.fromarray(255 - PHOTO)
    options = {"lossless": True} if format == "WEBP" else {}
    content = _save(PHOTO, format, save_all=True, append_images=[other], **options)
    _check(content, _pillow(content))
    assert np.abs(_pillow(content).astype(int) - PHOTO).mean() < 10


def test_pixels_that_are_not_read():
    content = _save(Image.new("LAB", (5, 4)), "TIFF")
    with pytest.raises(ImageFileError, match=r"'a.tif' has pixels .*'LAB'.*Convert"):
        decode_image(content, "a.tif", 3)


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int32, np.int16])
@pytest.mark.parametrize("stored", [1, 3, 4])
def test_tiff_of_other_types(dtype, stored):
    image = np.random.default_rng(0).normal(0, 1e3, (4, 5, stored)).astype(dtype)
    order = [0] if stored == 1 else [2, 1, 0, 3][:stored]
    uncompressed = [cv2.IMWRITE_TIFF_COMPRESSION, 1]  # else some versions lose digits
    content = cv2.imencode(".tiff", image[..., order], uncompressed)[1].tobytes()
    decoded = decode_image(content, "a.tif", "all")
    assert decoded.dtype == np.float32
    assert_array_equal(decoded, image.astype(np.float32))
    expected = np.repeat(image, 3, axis=2) if stored == 1 else image[..., :3]
    assert_array_equal(decode_image(content, "a.tif", 3), expected.astype(np.float32))


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_floats_that_are_not_finite(value):
    image = np.ones((4, 5), np.float32)
    image[2, 2] = value
    content = cv2.imencode(".tiff", image)[1].tobytes()
    with pytest.raises(ImageFileError, match=r"'a.tif' has pixels that are infinite or NaN"):
        decode_image(content, "a.tif", 1)


def test_whole_numbers_that_would_be_rounded():
    content = cv2.imencode(".tiff", np.full((4, 5), 2**24 + 1, np.int32))[1].tobytes()
    with pytest.raises(ImageFileError, match=r"'a.tif' has integers beyond 16777216"):
        decode_image(content, "a.tif", 1)


def _stack(pages, **options):
    first, *others = [Image.fromarray(page) for page in pages]
    return _save(first, "TIFF", save_all=True, append_images=others, **options)


STACK = np.stack([GREY16, GREY16 // 2, GREY16[::-1]])


def test_one_file_with_several_pages_is_remembered():
    content, multipage = _stack(STACK), []
    for name in "aab":
        decode_image(content, name, 1, multipage=multipage)
    assert multipage == [("a", 3)]


def test_pages():
    content, multipage = _stack(STACK), []
    assert_array_equal(decode_image(content, "a", 1, multipage=multipage)[..., 0], STACK[0])
    assert multipage == [("a", 3)]
    assert_array_equal(
        decode_image(content, "a", 1, pages=2, multipage=multipage)[..., 0], STACK[2]
    )
    assert_array_equal(decode_image(content, "a", 1, pages="max")[..., 0], STACK.max(axis=0))
    mean = np.rint(STACK.mean(axis=0))
    assert_array_equal(decode_image(content, "a", 1, pages="mean")[..., 0], mean)
    assert_array_equal(
        decode_image(content, "a", "all", pages="channels"), STACK.transpose(1, 2, 0)
    )
    assert_array_equal(decode_image(content, "a", (2, 0), pages="channels")[..., 0], STACK[2])
    assert len(multipage) == 1
    for page in (3, -1):
        with pytest.raises(ImageFileError, match=rf"'a' has no page {page}: its pages are 0 to 2"):
            decode_image(content, "a", 1, pages=page)


def test_as_many_channels_as_pages():
    content = _stack([*STACK, GREY16])
    assert_array_equal(decode_image(content, "a", 4)[..., :3], STACK.transpose(1, 2, 0))
    with pytest.raises(
        ImageFileError, match="'a' has 1 channels, but 5 were requested.*image_shape"
    ):
        decode_image(content, "a", 5)


def test_deep_pages_in_colour():
    pages = [PHOTO.astype(np.uint16) * 16, PHOTO.astype(np.uint16) * 8]
    content = cv2.imencodemulti(".tiff", [page[..., ::-1] for page in pages])[1].tobytes()
    assert_array_equal(decode_image(content, "a", 3), pages[0])
    assert_array_equal(decode_image(content, "a", 3, pages=1), pages[1])


@pytest.mark.parametrize("pages", ["max", "mean", "channels"])
def test_pages_that_differ_in_size(pages):
    content = _stack([GREY, GREY[:5]])
    with pytest.raises(ImageFileError, match=r"'a' has pages that differ in size: 24x36 and 5x36"):
        decode_image(content, "a", 1 if pages != "channels" else "all", pages=pages)
    assert decode_image(content, "a", 1, pages=1).shape == (5, 36, 1)


@pytest.mark.parametrize("format", ["PNG", "TIFF", "WEBP"])
def test_stored_channels(format):
    options = {"lossless": True, "exact": True} if format == "WEBP" else {}
    rgba = np.dstack([PHOTO, ALPHA])
    content = _save(rgba, format, **options)
    assert_array_equal(decode_image(content, "a", 4), rgba)
    assert_array_equal(decode_image(content, "a", (3, 0)), rgba[..., [3, 0]])
    assert decode_image(_save(GREY, format, **options), "a", "all").shape[2] in (1, 3)


@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP", "TIFF", "BMP", "PPM", "GIF"])
@pytest.mark.parametrize("channels", [3, 1])
def test_truncated(format, channels, capfd):
    content = _save(np.random.default_rng(0).integers(0, 256, (40, 50, 3), dtype=np.uint8), format)
    for size in [len(content) - 3, *np.linspace(0, len(content) - 10, 20).astype(int)]:
        with pytest.raises(ImageFileError, match=r"'a.x' is corrupt.* Repair it or remove it"):
            decode_image(content[:size], "a.x", channels)
    if format in ("JPEG", "PNG"):
        assert capfd.readouterr().err == ""


def test_end_of_a_preview_is_not_the_end():
    preview = b"Exif\0\0" + _save(_photo(8, 8), "JPEG")
    content = _save(PHOTO, "JPEG")
    segment = b"\xff\xff\xe1" + struct.pack(">H", len(preview) + 2) + preview
    content = content[:2] + segment + content[2:]
    assert_allclose(decode_image(content, "a", 3), PHOTO.astype(float), atol=60)
    for cut in (2, 50, 100):
        with pytest.raises(ImageFileError, match=r"'a' is corrupt: its end is missing"):
            decode_image(content[:-cut], "a", 3)


@pytest.mark.parametrize("format", ["JPEG", "PNG"])
def test_data_after_the_end_is_passed_over(format):
    content = _save(PHOTO, format)
    more = np.random.default_rng(0).integers(0, 256, 5000, dtype=np.uint8).tobytes()
    for end in (b"\0" * 1000, more + b"\xff\xda", content[: len(content) // 2]):
        assert_array_equal(decode_image(content + end, "a", 3), decode_image(content, "a", 3))


def test_damaged_png():
    content = bytearray(_save(np.random.default_rng(0).integers(0, 256, (40, 50), np.uint8), "PNG"))
    content[len(content) // 2] ^= 0x55
    with pytest.raises(ImageFileError, match=r"'a' is corrupt or not an image"):
        decode_image(bytes(content), "a", 3)


@pytest.mark.parametrize("content", [b"", b"hello", b"\xff\xd8\xff", b"%!PS-Adobe-3.0 EPSF-3.0\n"])
def test_no_image(content):
    with pytest.raises(
        ImageFileError, match=r"'a' is corrupt or not an image. Repair it or remove it"
    ):
        decode_image(content, "a", 3)


def _png_header(width, height):
    header = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    crc = struct.pack(">I", zlib.crc32(header))
    return (
        b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + header + crc + b"\0\0\0\0IEND\xaeB\x60\x82"
    )


@pytest.mark.parametrize("side", [8193, 10000, 60000])
def test_bombs_are_refused_by_their_header(side, monkeypatch):
    monkeypatch.setattr(cv2, "imdecode", None)
    with pytest.raises(ImageFileError, match=r"'a' is too large: at most \d+ pixels"):
        decode_image(_png_header(side, side), "a", 3)


def test_largest_image_is_the_limit(monkeypatch):
    content = _save(PHOTO, "PNG")
    monkeypatch.setattr("sklssl._data.pixels._MAX_PIXELS", 24 * 36)
    decode_image(content, "a", 3)
    monkeypatch.setattr("sklssl._data.pixels._MAX_PIXELS", 24 * 36 - 1)
    with pytest.raises(ImageFileError, match=r"'a' is too large: at most 863 pixels"):
        decode_image(content, "a", 3)


def test_read_image_file(tmp_path):
    path = tmp_path / "a.png"
    path.write_bytes(_save(PHOTO, "PNG"))
    link = tmp_path / "link"
    link.symlink_to(path)
    assert_array_equal(read_image_file(path, 3), PHOTO)
    assert_array_equal(read_image_file(str(link), 3), PHOTO)
    assert read_image_file(path, 1).shape == (24, 36, 1)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda path: None, "cannot be read: No such file or directory. Repair it or remove it"),
        (lambda path: path.write_bytes(b""), "is corrupt or not an image"),
        (lambda path: path.mkdir(), "is a folder, so it cannot be read as an image. Remove it"),
        (lambda path: path.symlink_to("gone"), "cannot be read: No such file or directory"),
        (lambda path: path.symlink_to(path), "cannot be read: Too many levels of symbolic links"),
        (lambda path: os.mkfifo(path), "is not a regular file"),
    ],
    ids=["missing", "empty", "folder", "broken link", "circular link", "pipe"],
)
def test_files_that_cannot_be_read(make, message, tmp_path):
    path = tmp_path / "a.png"
    make(path)
    caught = []

    def read():
        try:
            read_image_file(path, 3)
        except ImageFileError as error:
            caught.append(str(error))

    thread = threading.Thread(target=read, daemon=True)
    thread.start()
    thread.join(timeout=5)
    assert len(caught) == 1
    assert caught[0].startswith(f"{str(path)!r} {message}")


def test_other_bad_names(tmp_path):
    with pytest.raises(ImageFileError, match=r"cannot be read: .*embedded null"):
        read_image_file("a\0.png", 3)
    with pytest.raises(ImageFileError, match=r"cannot be read: File name too long"):
        read_image_file(tmp_path / ("a" * 300), 3)
    with pytest.raises(ImageFileError, match=r"'/dev/null' is not a regular file"):
        read_image_file("/dev/null", 3)


@pytest.mark.parametrize("number", [errno.EACCES, errno.EIO])
def test_refused_by_the_system(number, tmp_path, monkeypatch):
    def refuse(*args):
        raise OSError(number, os.strerror(number))

    path = tmp_path / "a.png"
    path.write_bytes(_save(PHOTO, "PNG"))
    monkeypatch.setattr("builtins.open", refuse)
    with pytest.raises(ImageFileError, match=rf"a.png' cannot be read: {os.strerror(number)}"):
        read_image_file(path, 3)


def test_no_permission(tmp_path):
    path = tmp_path / "a.png"
    path.write_bytes(_save(PHOTO, "PNG"))
    path.chmod(0)
    if os.access(path, os.R_OK):
        pytest.skip("this user may read everything")
    with pytest.raises(ImageFileError, match=r"a.png' cannot be read: Permission denied"):
        read_image_file(path, 3)


def test_what_a_library_lacks_is_not_the_fault_of_the_file(monkeypatch):
    content = cv2.imencode(".png", PHOTO)[1].tobytes()
    monkeypatch.delattr(cv2, "IMREAD_COLOR")  # as in another version
    with pytest.raises(AttributeError, match="IMREAD_COLOR"):
        decode_image(content, "a.png", 3)


def test_shortage_is_not_the_fault_of_the_file(tmp_path, monkeypatch):
    def refuse(*args):
        raise OSError(errno.EMFILE, "Too many open files")

    path = tmp_path / "a.png"
    path.write_bytes(_save(PHOTO, "PNG"))
    monkeypatch.setattr("builtins.open", refuse)
    with pytest.raises(OSError, match=r"Too many open files"):
        read_image_file(path, 3)


def test_file_that_is_too_large(tmp_path, monkeypatch):
    path = tmp_path / "a.png"
    path.write_bytes(_save(PHOTO, "PNG"))
    monkeypatch.setattr("sklssl._data.decode._MAX_FILE_BYTES", 50)
    with pytest.raises(
        ImageFileError, match=r"a.png' is too large: it has \d+ bytes, .*at most 50"
    ):
        read_image_file(path, 3)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("channels", [1, 3, "all"])
def test_deep_png_is_turned(channels, orientation):
    tags = Image.Exif()
    tags[274] = orientation
    deep, shallow = (
        _save(Image.fromarray(image), "PNG", exif=tags)
        for image in (GREY16, (GREY16 // 256).astype(np.uint8))
    )
    expected = decode_image(shallow, "a", channels)
    assert_array_equal(decode_image(deep, "a", channels) // 256, expected)
