import io
import itertools
import sys
from concurrent.futures import ThreadPoolExecutor

import cv2
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from sklssl._data.decode import decode_image
from sklssl.exceptions import ImageFileError

tifffile = pytest.importorskip("tifffile")
pytest.importorskip("imagecodecs")

# Colours, number of channels, and what the extra channels are.
LAYOUTS = {
    "grey": ("minisblack", 1, None),
    "grey and alpha": ("minisblack", 2, "unassalpha"),
    "2 bands": ("minisblack", 2, "unspecified"),
    "3 bands": ("minisblack", 3, "unspecified"),
    "4 bands": ("minisblack", 4, "unspecified"),
    "7 bands": ("minisblack", 7, "unspecified"),
    "RGB": ("rgb", 3, None),
    "RGB and alpha": ("rgb", 4, "unassalpha"),
    "RGB and infrared": ("rgb", 4, "unspecified"),
    "RGB and two bands": ("rgb", 5, "unspecified"),
}
TYPES = ("uint8", "int8", "uint16", "int16", "uint32", "float16", "float32", "float64")
TURNS = {
    1: lambda a: a,
    2: np.fliplr,
    3: lambda a: np.rot90(a, 2),
    4: np.flipud,
    5: lambda a: a.swapaxes(0, 1),
    6: lambda a: np.rot90(a, -1),
    7: lambda a: np.rot90(a, 2).swapaxes(0, 1),
    8: np.rot90,
}


def pixels(dtype, n_channels):
    low, high = (-100, 100) if np.dtype(dtype).kind == "i" else (0, 250)
    return np.random.default_rng(0).integers(low, high, (20, 33, n_channels)).astype(dtype)


def tiff(image, colours, extra=None, planar=False, **options):
    n_extra = image.shape[2] - (3 if colours == "rgb" else 1)
    if n_extra > 0:
        options["extrasamples"] = [extra] * n_extra
    data = np.moveaxis(image, -1, 0) if planar else image
    if image.shape[2] == 1:
        data = image[..., 0]
    else:
        options["planarconfig"] = "separate" if planar else "contig"
    file = io.BytesIO()
    tifffile.imwrite(file, data, photometric=colours, metadata=None, **options)
    return file.getvalue()


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("layout", LAYOUTS)
def test_all_channels_as_stored(layout, dtype):
    colours, n_channels, extra = LAYOUTS[layout]
    image = pixels(dtype, n_channels)
    variants = itertools.product(
        (False, True) if n_channels > 1 else (False,), (None, "lzw", "zlib"), "<>", (False, True)
    )
    for planar, compression, order, big in variants:
        options = {"compression": compression, "byteorder": order, "bigtiff": big}
        content = tiff(image, colours, extra, planar, **options)
        read = decode_image(content, "a", "all")
        assert read.dtype == (dtype if dtype in ("uint8", "uint16") else "float32")
        assert read.flags.c_contiguous
        assert read.flags.writeable
        assert_array_equal(read, image, err_msg=f"{planar} {options}")


@pytest.mark.parametrize("compression", ["jpeg2000", "jpegxl", "jpegxr", "png", "pixtiff", "zstd"])
@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
@pytest.mark.parametrize(("colours", "n_channels"), [("minisblack", 1), ("rgb", 3)])
def test_rare_compression(colours, n_channels, dtype, compression):
    image = pixels(dtype, n_channels)
    for big in (False, True):
        content = tiff(image, colours, compression=compression, bigtiff=big)
        assert_array_equal(decode_image(content, "a", "all"), image)


def test_webp_in_a_tiff(capfd):
    image = pixels("uint8", 3)
    content = tiff(image, "rgb", compression="webp", compressionargs={"lossless": True})
    assert_array_equal(decode_image(content, "a", 3), image)
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("options", [{}, {"tile": (16, 16)}])
def test_jpeg_in_a_large_tiff(options, order):
    ramp = np.add.outer(np.arange(32), np.arange(48))
    image = np.stack([ramp, 2 * ramp, 200 - ramp], axis=2).astype(np.uint8)
    options = {"compression": "jpeg", "subsampling": (1, 1), "byteorder": order, **options}
    content = tiff(image, "rgb", bigtiff=True, **options)
    assert_allclose(decode_image(content, "a", 3), image, atol=4)
    if order == "<":  # tifffile does not write 12 bits in the other one
        content = tiff(image.astype(np.uint16), "rgb", **options)
        assert_allclose(decode_image(content, "a", 3), image, atol=4)


@pytest.mark.parametrize("compression", ["zlib", "lzw"])
@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
def test_damage_is_no_black_area(dtype, order, compression):
    options = {"compression": compression, "bigtiff": True, "byteorder": order}
    content = bytearray(tiff(pixels(dtype, 3), "rgb", **options))
    start, size = len(content) // 2, len(content) // 10
    content[start : start + size] = bytes(255 - value for value in content[start : start + size])
    with pytest.raises(ImageFileError, match="'a' is corrupt"):
        decode_image(bytes(content), "a", 3)


@pytest.mark.parametrize("compression", [12345, 48124])  # unknown, and Jetraw
def test_compression_that_nothing_decodes(compression):
    content = bytearray(tiff(pixels("uint8", 1), "minisblack", compression="zlib"))
    at = content.index((259).to_bytes(2, "little")) + 8
    content[at : at + 2] = compression.to_bytes(2, "little")
    expected = f"'a' is .* compression {compression}, which the installed imagecodecs .* Update"
    with pytest.raises(ImageFileError, match=expected):
        decode_image(bytes(content), "a", 1)


@pytest.mark.parametrize("bits", [2, 4, 7])
@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize(
    ("colours", "n_channels"), [("minisblack", 1), ("miniswhite", 1), ("minisblack", 5)]
)
def test_few_bits_become_eight(colours, n_channels, order, bits):
    image = pixels("uint8", n_channels) // 2 ** (8 - bits)
    content = tiff(image, colours, "unspecified", bigtiff=True, byteorder=order, bitspersample=bits)
    expected = np.rint(image * (255 / (2**bits - 1)))
    expected = 255 - expected if colours == "miniswhite" else expected
    read = decode_image(content, "a", "all")
    assert read.dtype == np.uint8
    assert_array_equal(read, expected)


@pytest.mark.parametrize("order", "<>")
def test_one_bit_becomes_0_and_255(order):
    image = pixels("uint8", 1) > 125
    read = decode_image(tiff(image, "minisblack", bigtiff=True, byteorder=order), "a", 1)
    assert read.dtype == np.uint8
    assert_array_equal(read, image * 255)


@pytest.mark.parametrize("bits", [10, 12, 14])
@pytest.mark.parametrize(("colours", "n_channels"), [("minisblack", 1), ("rgb", 3)])
def test_packed_values(colours, n_channels, bits):
    image = pixels("uint16", n_channels) * 2 ** (bits - 8)
    assert_array_equal(decode_image(tiff(image, colours, bitspersample=bits), "a", "all"), image)


@pytest.mark.parametrize("big", [False, True])
@pytest.mark.parametrize(("dtype", "bits"), [("uint8", 8), ("uint16", 12), ("uint16", 16)])
def test_zeros_that_are_white(dtype, bits, big):
    image = pixels(dtype, 1)
    content = tiff(image, "miniswhite", bitspersample=bits, bigtiff=big)
    assert_array_equal(decode_image(content, "a", 1), 2**bits - 1 - image)


@pytest.mark.parametrize("dtype", ["int16", "float16", "float32", "uint32"])
def test_zeros_that_are_white_without_a_largest_value(dtype):
    image = pixels(dtype, 1)
    assert_array_equal(decode_image(tiff(image, "miniswhite"), "a", 1), image)


@pytest.mark.parametrize(
    ("dtype", "options"), [("uint16", {"compression": "jpeg2000"}), ("float16", {})]
)
def test_cv2_says_nothing_of_what_others_read(dtype, options, capfd):
    log = cv2.utils.logging
    before = log.setLogLevel(log.LOG_LEVEL_WARNING)
    try:
        image = pixels(dtype, 1)
        content = tiff(image, "minisblack", **options)
        with ThreadPoolExecutor(4) as threads:
            for read in threads.map(decode_image, [content] * 40, ["a"] * 40, [1] * 40):
                assert_array_equal(read, image)
        assert log.getLogLevel() == log.LOG_LEVEL_WARNING
    finally:
        log.setLogLevel(before)
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
@pytest.mark.parametrize("planar", [False, True])
def test_colours(planar, dtype):
    rgb = pixels(dtype, 3)
    for colours, extra in (("rgb", None), ("minisblack", "unspecified")):
        assert_array_equal(decode_image(tiff(rgb, colours, extra, planar), "a", 3), rgb)
    rgb_and_infrared = pixels(dtype, 4)
    content = tiff(rgb_and_infrared, "rgb", "unspecified", planar)
    assert_array_equal(decode_image(content, "a", 3), rgb_and_infrared[..., :3])


@pytest.mark.parametrize(("dtype", "most"), [("uint8", 255), ("uint16", 65535)])
@pytest.mark.parametrize("planar", [False, True])
def test_alpha_is_blended_over_grey(planar, dtype, most):
    def blend(image):
        image = image.astype(np.float64)
        share = image[..., -1:] / most
        return image[..., :-1] * share + (1 - share) * ((most + 1) // 2)

    rgba, grey = (pixels(dtype, n) * np.array(most // 255, dtype) for n in (4, 2))
    read = decode_image(tiff(rgba, "rgb", "unassalpha", planar), "a", 3)
    assert_allclose(read, blend(rgba), atol=0.51)
    read = decode_image(tiff(grey, "minisblack", "unassalpha", planar), "a", 3)
    assert_allclose(read, np.repeat(blend(grey), 3, axis=2), atol=0.51)


@pytest.mark.parametrize("planar", [False, True])
def test_colours_that_were_multiplied_by_alpha(planar):
    rgba = pixels("uint8", 4)
    rgba[..., :3] = rgba[..., :3] * (rgba[..., 3:] / 255)
    read = decode_image(tiff(rgba, "rgb", "assocalpha", planar), "a", 3)
    expected = rgba[..., :3] + 128 * (1 - rgba[..., 3:] / 255)
    assert_allclose(read, expected, atol=2)  # Pillow divides by alpha first, and rounds


def test_alpha_of_floats_is_dropped():
    for colours, n_channels in (("rgb", 4), ("minisblack", 2)):
        image = pixels("float32", n_channels)
        read = decode_image(tiff(image, colours, "unassalpha"), "a", 3)
        assert_array_equal(read, np.broadcast_to(image[..., :-1], (20, 33, 3)))


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
@pytest.mark.parametrize("n_bands", [2, 4, 5])
@pytest.mark.parametrize("channels", [1, 3])
def test_bands_are_not_dropped(channels, n_bands, dtype):
    content = tiff(pixels(dtype, n_bands), "minisblack", "unspecified")
    expected = f"'a' has {n_bands} channels, but {channels} were.*image_shape.*load_image_folder"
    with pytest.raises(ImageFileError, match=expected):
        decode_image(content, "a", channels)
    assert decode_image(content, "a", (1,)).shape == (20, 33, 1)


@pytest.mark.parametrize("orientation", TURNS)
@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
def test_orientation(dtype, orientation):
    for colours, n_channels in (("minisblack", 1), ("rgb", 3), ("minisblack", 6)):
        image = pixels(dtype, n_channels)
        tags = [(274, "H", 1, orientation, True)]
        content = tiff(image, colours, "unspecified", extratags=tags)
        assert_array_equal(decode_image(content, "a", "all"), TURNS[orientation](image))


def test_pages_of_different_layouts():
    file = io.BytesIO()
    pages = [pixels("uint8", 3), pixels("uint16", 1)[..., 0], pixels("uint8", 5)]
    with tifffile.TiffWriter(file) as writer:
        for page, colours in zip(pages, ("rgb", "minisblack", "minisblack"), strict=True):
            layout = None if page.ndim == 2 else "contig"
            writer.write(page, photometric=colours, planarconfig=layout, metadata=None)
    for number, page in enumerate(pages):
        read = decode_image(file.getvalue(), "a", "all", pages=number)
        assert_array_equal(read, page if page.ndim == 3 else page[..., np.newaxis])


@pytest.mark.parametrize("big", [False, True])
def test_pages_of_different_compression(big):
    file = io.BytesIO()
    pages = [pixels("uint8", 3), pixels("uint8", 3)[::-1]]
    with tifffile.TiffWriter(file, bigtiff=big) as writer:
        for page, compression in zip(pages, ("zlib", "jpeg2000"), strict=True):
            writer.write(page, photometric="rgb", compression=compression, metadata=None)
    for number, page in enumerate(pages):
        assert_array_equal(decode_image(file.getvalue(), "a", 3, pages=number), page)


@pytest.mark.parametrize("big", [False, True])
def test_a_small_page_after_one_that_is_too_large(big, monkeypatch):
    monkeypatch.setattr("PIL.Image.MAX_IMAGE_PIXELS", 500)
    monkeypatch.setattr("sklssl._data.pixels._MAX_PIXELS", 500)
    file = io.BytesIO()
    large, small = np.zeros((40, 60), np.uint8), pixels("uint8", 1)[:10, :20, 0]
    with tifffile.TiffWriter(file, bigtiff=big) as writer:
        for page in (large, small):
            writer.write(page, photometric="minisblack", metadata=None)
    assert_array_equal(decode_image(file.getvalue(), "a", 1, pages=1)[..., 0], small)
    with pytest.raises(ImageFileError, match="'a' is too large"):
        decode_image(file.getvalue(), "a", 1)


def test_pages_are_not_left_out(monkeypatch):
    pages = np.zeros((5000, 2, 2), np.uint8)
    pages[-1] = 7
    file = io.BytesIO()
    with tifffile.TiffWriter(file) as writer:
        for page in pages:
            writer.write(page, photometric="minisblack", contiguous=False)
    assert_array_equal(decode_image(file.getvalue(), "a", 1, pages=4999)[..., 0], pages[-1])
    monkeypatch.setattr("sklssl._data.tiff._MAX_PAGES", 4999)
    with pytest.raises(ImageFileError, match="'a' has more than 4999 pages"):
        decode_image(file.getvalue(), "a", 1)


@pytest.mark.parametrize("dtype", ["uint16", "float32"])
def test_deep_colours_that_are_not_read(dtype):
    content = tiff(pixels(dtype, 4), "separated", "unspecified")
    with pytest.raises(ImageFileError, match="'a' is a .* whose values are neither grey"):
        decode_image(content, "a", "all")


def test_complex_values():
    content = tiff(pixels("complex64", 1), "minisblack")
    with pytest.raises(ImageFileError, match="'a' is a .* whose values are complex. Convert"):
        decode_image(content, "a", "all")


@pytest.mark.parametrize("missing", ["tifffile", "imagecodecs"])
@pytest.mark.parametrize(
    ("n_channels", "options"),
    [(6, {}), (1, {"compression": "jpeg2000"}), (1, {"bigtiff": True, "byteorder": ">"})],
)
def test_what_only_tifffile_reads_without_it(n_channels, options, missing, monkeypatch):
    content = tiff(pixels("uint8", n_channels), "minisblack", "unspecified", **options)
    monkeypatch.setitem(sys.modules, missing, None)
    with pytest.raises(ImportError, match=r"'a.tif' is a TIFF.*pip install 'sklssl\[tiff\]'"):
        decode_image(content, "a.tif", n_channels)


@pytest.mark.parametrize(("tag", "value"), [(256, 2**30), (277, 2**15)])
def test_a_file_that_claims_to_be_huge(tag, value):
    content = bytearray(tiff(pixels("uint8", 6), "minisblack", "unspecified"))
    at = content.index(tag.to_bytes(2, "little")) + 2
    kind = 4 if tag == 256 else 3
    assert content[at : at + 2] == kind.to_bytes(2, "little")
    content[at + 6 : at + 10] = value.to_bytes(4, "little")
    if tag == 277:
        at = content.index((256).to_bytes(2, "little")) + 8
        content[at : at + 4] = (2**15).to_bytes(4, "little")
    with pytest.raises(ImageFileError, match="'a' is too large"):
        decode_image(bytes(content), "a", 6)


@pytest.mark.parametrize("keep", [7, 60, 300])
def test_truncated_files(keep):
    for n_channels in (1, 6):
        content = tiff(pixels("uint16", n_channels), "minisblack", "unspecified")
        with pytest.raises(ImageFileError, match="'a' is corrupt or not an image"):
            decode_image(content[:keep], "a", "all")
