"""load_image_folder: what it reads, what it passes over, what it refuses."""

import zipfile

import cv2
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from sklssl.datasets import load_image_folder
from tests.datasets._common import encode, make_image, write_folder, write_zip

PLAIN = {
    "dog/b.png": encode(make_image(1)),
    "cat/z.png": encode(make_image(2)),
    "dog/a.PNG": encode(make_image(3)),
}
WITH_SUBSETS = {
    "train/dog/a.png": encode(make_image(1)),
    "train/cat/a.png": encode(make_image(2)),
    "test/dog/a.png": encode(make_image(3)),
}


@pytest.fixture(params=["folder", "zip"])
def write(request, tmp_path):
    """Write files into a folder or zip file and return its path."""
    if request.param == "folder":
        return lambda files: write_folder(tmp_path / "images", files)
    return lambda files: write_zip(tmp_path / "images.zip", files)


def test_reads_classes_sorted_by_name(write):
    bunch = load_image_folder(write(PLAIN))
    assert_array_equal(bunch.filenames, ["cat/z.png", "dog/a.PNG", "dog/b.png"])
    assert_array_equal(bunch.images, [make_image(2), make_image(3), make_image(1)])
    assert_array_equal(bunch.target_names, ["cat", "dog"])
    assert_array_equal(bunch.target, [0, 1, 1])
    assert bunch.target.dtype == np.int64
    assert_array_equal(bunch.subset, ["", "", ""])
    assert np.shares_memory(bunch.data, bunch.images)
    assert bunch.data.shape == (3, 72)
    assert "3 images" in bunch.DESCR


def test_subsets(write):
    bunch = load_image_folder(str(write(WITH_SUBSETS)))
    assert_array_equal(bunch.subset, ["test", "train", "train"])
    assert_array_equal(bunch.target_names[bunch.target], ["dog", "cat", "dog"])
    assert_array_equal(bunch.images[0], make_image(3))


def test_classes_may_be_named_train_and_test(write):
    files = dict.fromkeys(["train/a.png", "bus/a.png"], PLAIN["dog/b.png"])
    bunch = load_image_folder(write(files))
    assert_array_equal(bunch.target_names, ["bus", "train"])
    assert_array_equal(bunch.subset, ["", ""])


def test_folder_named_images_below_the_class(write):
    files = {name.replace("/a", "/images/a"): content for name, content in WITH_SUBSETS.items()}
    bunch = load_image_folder(write(files))
    assert_array_equal(bunch.target_names, ["cat", "dog"])
    assert_array_equal(bunch.subset, ["test", "train", "train"])


def test_what_is_no_image_is_passed_over(write):
    noise = dict.fromkeys(
        ["ORDER.txt", "dog/notes.txt", "dog/.a.png", ".git/a.png", "__MACOSX/dog/b.png"], b"?"
    )
    bunch = load_image_folder(write(PLAIN | noise))
    assert_array_equal(bunch.filenames, sorted(PLAIN))


def test_return_X_y(write):
    path = write(PLAIN)
    X, y = load_image_folder(path, return_X_y=True)
    bunch = load_image_folder(path)
    assert_array_equal(X, bunch.images)
    assert_array_equal(y, bunch.target)


def test_grey_and_colour_files_give_either(write):
    grey, colour = make_image(1, (4, 6)), make_image(2)
    path = write({"a/0.png": encode(grey), "a/1.png": encode(colour)})
    in_colour = load_image_folder(path).images
    assert_array_equal(in_colour[0], np.repeat(grey[..., np.newaxis], 3, axis=2))
    in_grey = load_image_folder(path, color=False).images
    assert in_grey.shape == (2, 4, 6, 1)
    assert_array_equal(in_grey[0, ..., 0], grey)
    assert_allclose(in_grey[1, ..., 0], colour @ np.array([0.299, 0.587, 0.114]), atol=1)


@pytest.mark.parametrize("extension", [".jpg", ".bmp", ".tiff", ".ppm", ".webp"])
def test_other_formats(extension, tmp_path):
    image = np.full((8, 8, 3), (200, 100, 50), dtype=np.uint8)
    write_folder(tmp_path, {f"a/0{extension}": encode(image, extension)})
    assert_allclose(load_image_folder(tmp_path).images[0], image, atol=4)


def test_different_sizes(write):
    small, large = np.full((4, 6, 3), 50, np.uint8), make_image(1, (10, 8, 3))
    path = write({"a/small.png": encode(small), "b/large.png": encode(large)})
    message = r"'a/small.png' has 4x6 pixels .*'b/large.png' 10x8.* image_size"
    with pytest.raises(ValueError, match=message):
        load_image_folder(path)
    images = load_image_folder(path, image_size=4).images
    assert_array_equal(images[0], np.full((4, 4, 3), 50))
    assert_array_equal(images[1], cv2.resize(large, (4, 4), interpolation=cv2.INTER_AREA))


@pytest.mark.parametrize("image_size", [0, -1, 2.0, (4, 4)])
def test_bad_image_size(image_size):
    with pytest.raises(ValueError, match=r"'image_size' parameter of load_image_folder.*Got"):
        load_image_folder("anywhere", image_size=image_size)


@pytest.mark.parametrize("content", [b"", b"hello", PLAIN["dog/b.png"][:-40], b"\xff\xd8\xff"])
def test_damaged_images_are_named(write, content):
    with pytest.raises(ValueError, match=r"'dog/c.png' is corrupt"):
        load_image_folder(write(PLAIN | {"dog/c.png": content}))


def test_images_outside_of_the_subsets_are_refused(write):
    files = WITH_SUBSETS | {"extra/a.png": PLAIN["dog/b.png"]}
    with pytest.raises(ValueError, match=r"train/ and test/, but found 't.*' and 'extra/a"):
        load_image_folder(write(files))


def test_nothing_to_read(write):
    with pytest.raises(ValueError, match=r"contains no images"):
        load_image_folder(write({"dog/readme.txt": b"nothing"}))


def test_nothing_there(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no folder or zip file '.*gone'"):
        load_image_folder(tmp_path / "gone")


def test_neither_folder_nor_zip(tmp_path):
    path = tmp_path / "images.tar"
    path.write_bytes(b"hello")
    with pytest.raises(ValueError, match=r"neither a folder nor a zip file"):
        load_image_folder(path)


@pytest.mark.parametrize(("limit", "value"), [("_MAX_PIXELS", 23), ("_MAX_FILE_BYTES", 50)])
def test_limits(write, monkeypatch, limit, value):
    path = write(PLAIN)
    monkeypatch.setattr(f"sklssl._data.{'decode' if 'FILE' in limit else 'pixels'}.{limit}", value)
    with pytest.raises(ValueError, match=rf"'cat/z.png' is too large: .*at most {value}"):
        load_image_folder(path)


@pytest.mark.parametrize("side", [9000, 10000, 16000])
def test_a_small_file_cannot_unfold_into_a_huge_image(write, side):
    # Below, at and beyond the sizes that make Pillow warn and refuse by itself.
    content = b"P4 %d %d\n" % (side, side)
    with pytest.raises(ValueError, match=r"'a/bomb.pgm' is too large"):
        load_image_folder(write({"a/bomb.pgm": content}))


@pytest.mark.parametrize("name", ["../a/evil.png", "dog/../../evil.png", "/evil.png", "..\\a.png"])
def test_names_that_lead_out_of_a_zip_file(tmp_path, name):
    path = write_zip(tmp_path / "images.zip", PLAIN | {name: PLAIN["dog/b.png"]})
    with pytest.raises(ValueError, match=r"a name that points outside of it"):
        load_image_folder(path)
    assert [p.name for p in tmp_path.iterdir()] == ["images.zip"]


def test_damaged_zip_entry_is_named(tmp_path):
    path = tmp_path / "images.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr("dog/a.png", PLAIN["dog/b.png"])
    content = bytearray(path.read_bytes())
    content[60] ^= 255
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"'dog/a.png' cannot be read from the zip file"):
        load_image_folder(path)


def test_linked_class_folders_are_followed(tmp_path):
    real = write_folder(tmp_path / "elsewhere", {"a.png": PLAIN["dog/b.png"]})
    root = tmp_path / "images"
    root.mkdir()
    (root / "dog").symlink_to(real, target_is_directory=True)
    assert_array_equal(load_image_folder(root).filenames, ["dog/a.png"])
