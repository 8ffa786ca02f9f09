"""Folders and zip files as people have them: what becomes of each layout, and what is refused."""

import os
import unicodedata
import warnings
import zipfile

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from sklssl import RotNetEmbedder
from sklssl.datasets import list_images, load_image_folder
from sklssl.exceptions import ImageFileError
from tests.datasets._common import encode, make_image, write_folder, write_zip

PNG = encode(make_image(0, (8, 8, 3)))


def files(*names):
    return dict.fromkeys(names, PNG)


# Names, and what they mean: subset/class of each, "-" without a label.
LAYOUTS = {
    "a class each": (["cat/1.png", "dog/1.png"], ["/cat", "/dog"]),
    "one class": (["cat/1.png", "cat/2.png"], ["/cat", "/cat"]),
    "flat": (["1.png", "2.png"], ["/-", "/-"]),
    "one outer folder": (["set/cat/1.png", "set/dog/1.png"], ["/cat", "/dog"]),
    "two outer folders": (["set/set/cat/1.png", "set/set/dog/1.png"], ["/cat", "/dog"]),
    "outer folder of subsets": (
        ["set/train/cat/1.png", "set/val/cat/1.png"],
        ["train/cat", "val/cat"],
    ),
    "deep": (["cat/2021/a/1.png", "dog/1.png"], ["/cat", "/dog"]),
    "images/ between": (
        ["test/cat/images/1.png", "train/cat/images/1.png"],
        ["test/cat", "train/cat"],
    ),
    "capital subsets": (
        ["Testing/cat/1.png", "Training/cat/1.png"],
        ["testing/cat", "training/cat"],
    ),
    "flat subsets": (["test/1.png", "train/1.png"], ["test/-", "train/-"]),
    "capital endings": (["cat/1.JPG", "dog/1.Jpeg"], ["/cat", "/dog"]),
    "nothing but the unsorted": (["Unsorted/1.png"], ["/-"]),
    "twice the same folder": (["cat/cat/1.png", "dog/dog/1.png"], ["/cat", "/dog"]),
    "spaces and unicode": (["größe 1/ä b.png", "猫/1.png"], ["/größe 1", "/猫"]),
}


def meaning(bunch):
    labels = [bunch.target_names[t] if t >= 0 else "-" for t in bunch.target]
    return [f"{subset}/{label}" for subset, label in zip(bunch.subset, labels, strict=True)]


@pytest.mark.parametrize(("names", "expected"), LAYOUTS.values(), ids=LAYOUTS)
def test_layouts(names, expected, tmp_path):
    junk = ["__MACOSX/cat/._1.png", "cat/.hidden.png", ".git/x.png", "Thumbs.db", "read me.txt"]
    content = files(*names) | dict.fromkeys(junk, b"?")
    folder = write_folder(tmp_path / "images", content)
    archive = write_zip(tmp_path / "images.zip", content)
    for bunch in (list_images(folder), load_image_folder(folder), load_image_folder(archive)):
        assert meaning(bunch) == expected
        assert_array_equal(bunch.filenames, names)
        assert bunch.target.dtype == np.int64
    listed = list_images(str(folder))
    assert all(os.path.isfile(path) for path in listed.paths)
    X, y = list_images(folder, return_X_y=True)
    assert_array_equal(X, listed.paths)
    assert_array_equal(y, listed.target)


@pytest.mark.parametrize("name", ["unlabelled", "Unlabeled", "UNSORTED"])
def test_folders_of_what_nobody_has_labelled(name, tmp_path):
    folder = write_folder(tmp_path, files("ok/1.png", f"{name}/1.png", f"{name}/deep/2.png"))
    with pytest.warns(UserWarning, match=rf"2 of 3 images have no label.* in '{name}'"):
        bunch = list_images(folder)
    assert sorted(meaning(bunch)) == ["/-", "/-", "/ok"]
    with pytest.warns(UserWarning, match="no label"):
        load_image_folder(folder)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert sorted(list_images(folder, unlabelled=[]).target_names) == sorted(["ok", name])
        assert_array_equal(list_images(folder, unlabelled=["ok"]).target_names, [name])
        assert_array_equal(list_images(folder, unlabelled=name.lower()).target_names, ["ok"])


def test_loose_images_beside_classes_have_no_label(tmp_path):
    folder = write_folder(tmp_path, files("cat/1.png", "dog/1.png", "loose.png"))
    with pytest.warns(UserWarning, match="1 of 3 images have no label.*no folder of their own"):
        assert meaning(list_images(folder)) == ["/cat", "/dog", "/-"]


def test_one_accent_written_in_two_ways_is_one_class(tmp_path):
    names = [
        f"{s}/{unicodedata.normalize(f, 'café')}/1.png"
        for s, f in (("train", "NFC"), ("test", "NFD"))
    ]
    bunch = list_images(write_folder(tmp_path, files(*names)))
    assert_array_equal(bunch.target_names, ["café"])
    assert all(os.path.isfile(path) for path in bunch.paths)


@pytest.mark.parametrize("unlabelled", [1, None, [1]])
def test_bad_unlabelled(unlabelled, tmp_path):
    folder = write_folder(tmp_path, files("cat/1.png"))
    with pytest.raises(ValueError, match="'unlabelled' parameter of list_images must be.*Got"):
        list_images(folder, unlabelled=unlabelled)


def test_a_class_in_a_class(tmp_path):
    folder = write_folder(tmp_path, files("cat/1.png", "cat/dog/1.png", "dog/1.png"))
    with pytest.raises(ValueError, match=r"'cat/dog/1.png' is in two folders.*'cat' and 'dog'"):
        list_images(folder)


def test_two_files_of_one_name(tmp_path):
    path = tmp_path / "images.zip"
    with zipfile.ZipFile(path, "w") as archive, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # zipfile's own
        for _ in range(2):
            archive.writestr("cat/1.png", PNG)
    with pytest.raises(ValueError, match=r"two files named 'cat/1.png'"):
        load_image_folder(path)


def test_zip_files_of_this_folder(tmp_path):
    path = write_zip(tmp_path / "images.zip", files("./cat/1.png", "./dog/./1.png", "./.git/1.png"))
    bunch = load_image_folder(path)
    assert_array_equal(bunch.filenames, ["cat/1.png", "dog/1.png"])
    assert meaning(bunch) == ["/cat", "/dog"]


def test_zip_files_of_old_windows(tmp_path):
    path = write_zip(tmp_path / "images.zip", files("cat\\1.png", "dog\\1.png"))
    bunch = load_image_folder(path)
    assert_array_equal(bunch.filenames, ["cat/1.png", "dog/1.png"])


def test_an_encrypted_entry_is_named(tmp_path):
    path = write_zip(tmp_path / "images.zip", files("cat/1.png"))
    content = bytearray(path.read_bytes())
    for mark, at in ((b"PK\3\4", 6), (b"PK\1\2", 8)):  # the flag in both headers
        content[content.index(mark) + at] |= 1
    path.write_bytes(content)
    with pytest.raises(ImageFileError, match=r"'cat/1.png' cannot be read from the zip.*encrypted"):
        load_image_folder(path)


def test_list_images_takes_no_file(tmp_path):
    path = write_zip(tmp_path / "images.zip", files("cat/1.png"))
    with pytest.raises(ValueError, match="is a file, but list_images expects a folder.*extract it"):
        list_images(path)
    with pytest.raises(FileNotFoundError, match="no folder"):
        list_images(tmp_path / "gone")
    with pytest.raises(ValueError, match="contains no images"):
        list_images(write_folder(tmp_path / "empty", {"a.txt": b""}))


def test_tilde(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    write_folder(tmp_path / "set", files("cat/1.png"))
    assert os.path.isfile(list_images("~/set").paths[0])


def test_links_in_a_circle(tmp_path):
    folder = write_folder(tmp_path / "images", files("cat/1.png", "dog/1.png"))
    (folder / "cat" / "again").symlink_to(folder, target_is_directory=True)
    assert_array_equal(list_images(folder).filenames, ["cat/1.png", "dog/1.png"])


def test_unreadable_folders_are_named(tmp_path, monkeypatch):
    folder = write_folder(tmp_path, files("cat/1.png", "dog/1.png"))
    scandir = os.scandir

    def refuse(path):
        if str(path).endswith("dog"):
            raise PermissionError(13, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuse)
    with pytest.raises(ImageFileError, match=r"The folder '.*dog' cannot be read: Permission"):
        list_images(folder)


@pytest.mark.parametrize("kind", ["folder", "zip"])
def test_bad_files_are_left_out(kind, tmp_path):
    content = files("cat/1.png", "dog/1.png", "dog/3.png") | {"dog/2.png": b"?", "cat/0.png": b""}
    write = write_folder if kind == "folder" else write_zip
    path = write(tmp_path / "images.zip", content)
    with pytest.raises(ImageFileError, match="'cat/0.png'"):
        load_image_folder(path)
    with pytest.warns(
        UserWarning, match=r"2 of 5 image files .* skipped: 'cat/0.png', 'dog/2.png'"
    ):
        bunch = load_image_folder(path, on_error="skip")
    assert_array_equal(bunch.filenames, ["cat/1.png", "dog/1.png", "dog/3.png"])
    assert meaning(bunch) == ["/cat", "/dog", "/dog"]
    assert len(bunch.images) == len(bunch.data) == 3
    with pytest.raises(ImageFileError, match="None of the 1 image files can be read"):
        load_image_folder(write(tmp_path / "bad", {"a/1.png": b"?"}), on_error="skip")
    with pytest.raises(ValueError, match="'on_error' parameter of load_image_folder"):
        load_image_folder(path, on_error="ignore")


@pytest.mark.parametrize("n_odd", [1, 3])
def test_odd_images_at_the_start_do_not_decide_the_depth(n_odd, tmp_path):
    image = make_image(0)
    deep = {f"ok/0 overview {i}.png": encode(image.astype(np.uint16) * 200) for i in range(n_odd)}
    good = {f"ok/{i}.png": encode(image) for i in range(1, 9)} | {"ok/a.png": b"?"}
    folder = write_folder(tmp_path, deep | good)
    with pytest.raises(ImageFileError, match="'ok/0 over.* has 16 bits, 'ok/1.png' has 8 bits"):
        load_image_folder(folder)
    with pytest.warns(
        UserWarning, match=f"{n_odd + 1} of .*skipped: 'ok/0 over.*first: The images differ in bit"
    ):
        bunch = load_image_folder(folder, on_error="skip")
    assert bunch.images.dtype == np.uint8
    assert_array_equal(bunch.images, [image] * 8)
    assert_array_equal(bunch.filenames, sorted(good)[:8])


def test_a_list_of_images_is_what_embedders_take(tmp_path):
    names = [f"{label}/{i}.png" for label in ("cat", "dog") for i in range(3)]
    content = {name: encode(make_image(i, (8, 8, 3))) for i, name in enumerate(names)}
    folder = write_folder(tmp_path, content)
    embedder = RotNetEmbedder("convnet", max_epochs=1, random_state=0)
    Z = embedder.fit(list_images(folder).paths).transform(list_images(folder).paths)
    assert_array_equal(Z, embedder.transform(load_image_folder(folder).images))


def test_a_link_to_a_folder_beside_it_is_no_class(tmp_path):
    folder = write_folder(tmp_path / "images", files("cat/1.png", "dog/1.png"))
    for name in ("alink", "zlink"):
        os.symlink(folder / "cat", folder / name, target_is_directory=True)
    with pytest.warns(UserWarning, match="link' is left out: it is a link to '.*cat'"):
        assert meaning(list_images(folder)) == ["/cat", "/dog"]


def test_files_that_no_reader_knows_are_counted(tmp_path):
    more = {f"cat/{name}": b"" for name in ("2.heic", "3.HEIC", "4.avif", ".5.heic", "notes.txt")}
    folder = write_folder(tmp_path / "a", files("cat/1.png", "cat/6.jfif", "cat/7.JPE") | more)
    with pytest.warns(UserWarning, match=r"'.*a': Files.*left out: 1 .avif, 2 .heic. Convert"):
        assert len(list_images(folder).paths) == 3
    with pytest.raises(ValueError, match="contains no images.*1 .heic. Convert them"):
        list_images(write_folder(tmp_path / "b", {"a.heic": b""}))


@pytest.mark.parametrize("kind", ["arw", "cr2", "CR3", "nef", "orf", "raf", "rw2", "svs"])
def test_a_class_of_raw_files_does_not_vanish_silently(kind, tmp_path):
    folder = write_folder(tmp_path, files("cat/1.png") | {f"dog/1.{kind}": b""})
    with pytest.warns(UserWarning, match=f"left out: 1 .{kind.lower()}. Convert them"):
        assert meaning(list_images(folder)) == ["/cat"]


def test_folders_of_the_system_are_no_classes(tmp_path):
    system = ("$RECYCLE.BIN/1.png", "lost+found/1.png", "cat/@eaDir/1.png/thumb.jpg")
    folder = write_folder(tmp_path, files("cat/1.png", "dog/1.png", *system))
    assert meaning(list_images(folder)) == ["/cat", "/dog"]


@pytest.mark.parametrize("name", ["größe", "größe/", unicodedata.normalize("NFD", "GRÖSSE")])
def test_names_of_unlabelled_folders_in_any_form(name, tmp_path):
    folder = write_folder(tmp_path, files("cat/1.png", "dog/1.png", "größe/1.png"))
    bunch = list_images(folder, unlabelled=[name])
    assert_array_equal(bunch.target_names, ["cat", "dog"])
    with pytest.raises(ValueError, match="'unlabelled' parameter of list_images names 'grosse', b"):
        list_images(folder, unlabelled=["cat", "grosse"])


@pytest.mark.parametrize("kind", [zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_damaged_entries_of_any_compression(kind, tmp_path):
    path, content = tmp_path / "images.zip", PNG * 50
    with zipfile.ZipFile(path, "w", kind) as archive:
        archive.writestr("cat/1.png", content)
        archive.writestr("cat/2.png", PNG)
    damaged = bytearray(path.read_bytes())
    damaged[60:80] = bytes(20)
    path.write_bytes(damaged)
    with pytest.raises(ImageFileError, match="'cat/1.png' cannot be read from the zip"):
        load_image_folder(path)
    with pytest.warns(UserWarning, match="1 of 2 image files cannot be read"):
        load_image_folder(path, on_error="skip")


@pytest.mark.parametrize("kept", [-30, 40, 4])
def test_a_zip_file_that_was_not_downloaded_completely(kept, tmp_path):
    path = write_zip(tmp_path / "images.zip", files("cat/1.png"))
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(ImageFileError, match="zip file '.*images.zip' cannot be read.*incomplete"):
        load_image_folder(path)


def test_a_damaged_directory_of_a_zip_file(tmp_path):
    path = write_zip(tmp_path / "images.zip", files("cat/1.png"))
    content = bytearray(path.read_bytes())
    content[content.index(b"PK\1\2")] ^= 1
    path.write_bytes(content)
    with pytest.raises(ImageFileError, match="zip file '.*images.zip' cannot be read.*incomplete"):
        load_image_folder(path)
