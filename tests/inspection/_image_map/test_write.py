"""write_image_map: the data in the file, and input that it rejects before any work."""

import base64
import io
import json
import os
import re
import sys

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from PIL import Image
from sklearn.decomposition import PCA
from sklearn.exceptions import NotFittedError
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from sklssl import RotNetEmbedder
from sklssl.exceptions import ImageFileError
from sklssl.inspection import write_image_map
from tests._seed import SEED
from tests.datasets._common import encode, make_image, write_folder

pytest.importorskip("plotly")

NASTY = "</script><img src=x onerror=alert(1)><!-- \u2028 &amp;"


class Counting:
    """A reducer that counts the calls of all copies."""

    def __init__(self):
        Counting.calls = 0

    def fit_transform(self, Z):
        Counting.calls += 1
        return Z[:, :2]


@pytest.fixture
def Z(X):
    return X.reshape(len(X), -1).astype(float)


def read(path):
    """Return the data of a page, and its images in order."""
    text = path.read_text("utf-8")
    data = json.loads(re.search(r'id="data">(.*?)</script>', text, re.DOTALL)[1])
    files = re.findall(r'id="sheet-\d+">(.*?)</script>', text)
    sheets = [np.asarray(Image.open(io.BytesIO(base64.b64decode(file)))) for file in files]
    images = []
    for slot, w, h in zip(data["slots"], data["widths"], data["heights"], strict=True):
        number, place = divmod(slot, data["perSheet"])
        top, left = (data["cell"] * part for part in divmod(place, data["columns"]))
        images.append(sheets[number][top : top + h, left : left + w])
    return data, images


def test_the_file(Z, X, y, tmp_path):
    state = np.random.get_state()[1].copy()  # noqa: NPY002
    path = write_image_map(tmp_path / "map.html", Z, X, y, random_state=SEED)
    assert_array_equal(np.random.get_state()[1], state)  # noqa: NPY002
    assert path == tmp_path / "map.html"
    data, images = read(path)
    assert data["names"] == list(map(str, range(40)))
    for shown, image in zip(images, X, strict=True):
        assert shown.shape == (8, 8, 3)
        assert np.abs(shown.astype(float) - image).mean() < 12  # a JPEG
    (by,) = data["colourings"]
    assert by["name"] == "label"
    assert [by["classes"][code] for code in by["codes"]] == list(map(str, y))
    standard = Z[:, np.ptp(Z, axis=0) > 0]
    standard = (standard - standard.mean(axis=0)) / standard.std(axis=0)
    distances = np.linalg.norm(standard[:, None] - standard, axis=2)
    assert_array_equal(data["neighbours"], np.argsort(distances, axis=1)[:, 1:13])
    again = write_image_map(tmp_path / "again.html", Z, X, y, title="map", random_state=SEED)
    assert again.read_bytes() == path.read_bytes()


def test_markup_stays_inside_of_its_script(Z, X, tmp_path):
    names = [NASTY] * 40
    labels = np.where(np.arange(40) % 2, NASTY, "b")
    path = write_image_map(tmp_path / "map.html", Z, X, {NASTY: labels}, names=names, title=NASTY)
    data, _ = read(path)
    assert data["names"] == names
    assert data["colourings"][0]["name"] == NASTY
    assert set(data["colourings"][0]["classes"]) == {NASTY, "b"}
    text = path.read_text("utf-8")
    assert "<img" not in text.split("plotly.js v")[0]


def test_positions_are_kept_in_proportion(X, tmp_path):
    rng = np.random.default_rng(SEED)
    positions = rng.normal(size=(40, 2)) * [1e200, 3e200] + 5e200
    data, _ = read(write_image_map(tmp_path / "map.html", positions, X))
    shown = np.stack([data["x"], data["y"]], axis=1)
    np.testing.assert_allclose(
        np.ptp(shown, axis=0) / np.ptp(shown),
        np.ptp(positions / 1e200, axis=0) / np.ptp(positions[:, 1] / 1e200),
        rtol=1e-5,
    )
    assert (np.corrcoef(shown[:, 0], positions[:, 0] / 1e200)[0, 1]) > 0.999


def test_two_columns_with_a_reducer(X, tmp_path):
    Z, reducer = np.random.default_rng(SEED).normal(size=(40, 2)), Counting()
    write_image_map(tmp_path / "map.html", Z, X, reducer=reducer)
    assert reducer.calls == 1


def test_images_of_several_sizes(X, tmp_path):
    images = [image[:side] for image, side in zip(X, [8, 6] * 20, strict=True)]
    path = write_image_map(tmp_path / "map.html", np.eye(40)[:, :2], images)
    assert [image.shape for image in read(path)[1]] == [(8, 8, 3), (6, 8, 3)] * 20


def test_an_embedder_and_pipelines(X, tmp_path):
    flat = FunctionTransformer(lambda X: X.reshape(len(X), -1))
    for embedder in (
        RotNetEmbedder("convnet", max_epochs=1, random_state=SEED).fit(X),
        make_pipeline(flat, PCA(3)).fit(X),
    ):
        reducer = Counting()
        data, _ = read(write_image_map(tmp_path / "map.html", embedder, X, reducer=reducer))
        assert reducer.calls == 1
        assert len(data["x"]) == 40


def test_file_names_and_files_that_are_skipped(tmp_path):
    files = {f"{k}/{i}.png": encode(make_image(i, (8, 12, 3))) for k in "ab" for i in range(4)}
    folder = write_folder(tmp_path / "images", files)
    paths = [folder / name for name in files]
    (folder / "a/2.png").write_bytes(b"no image")
    Z = np.random.default_rng(0).normal(size=(8, 3))
    with pytest.raises(ImageFileError, match=r"2\.png"):
        write_image_map(tmp_path / "map.html", Z, paths, reducer=Counting())
    assert not (tmp_path / "map.html").exists()
    embedder = RotNetEmbedder("convnet", max_epochs=0, on_error="skip", image_size=8)
    with pytest.warns(UserWarning, match="skip"):
        embedder.fit(paths)
    y = {"number": np.arange(8), "size": np.arange(8) / 2}
    with pytest.warns(UserWarning, match="skip"):
        path = write_image_map(tmp_path / "map.html", embedder, paths, y, random_state=0)
    data, images = read(path)
    kept = [name for name in files if name != "a/2.png"]
    assert data["names"] == kept
    assert data["rows"] == [0, 1, 3, 4, 5, 6, 7]
    assert all(image.shape == (8, 12, 3) for image in images)
    assert [data["colourings"][0]["classes"][i] for i in data["colourings"][0]["codes"]] == [
        *"0134567"
    ]
    assert data["colourings"][1]["values"] == ["0", "0.5", "1.5", "2", "2.5", "3", "3.5"]


@pytest.mark.parametrize("n", [2, 3, 5, 12])
def test_few_images(n, Z, X, tmp_path):
    data, _ = read(write_image_map(tmp_path / "map.html", Z[:n], X[:n], random_state=SEED))
    assert np.shape(data["neighbours"]) == (n, min(12, n - 1))
    assert len({*zip(data["x"], data["y"], strict=True)}) == n


def test_equal_images(X, tmp_path):
    same = np.repeat(X[:1], 40, axis=0)
    path = write_image_map(tmp_path / "map.html", np.ones((40, 7)), same, random_state=SEED)
    data, _ = read(path)
    assert np.isfinite(data["x"]).all()
    assert all(i not in near for i, near in enumerate(data["neighbours"]))


def test_what_it_prints(Z, X, tmp_path, capsys):
    write_image_map(tmp_path / "map.html", Z, X, reducer=Counting(), verbose=1)
    lines = capsys.readouterr().out.splitlines()
    assert re.match(r"\[write_image_map\] 40 images, about 5 MB", lines[0])
    size = (tmp_path / "map.html").stat().st_size / 1e6
    assert 4 < size < 5
    assert f"map.html written, {size:.1f} MB" in lines[-1]


# Errors, all before any work -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"X": "one"}, ValueError, "at least two images. Got 1"),
        ({"X": "many"}, ValueError, r"at most 20,000 images.*Got 20,001.*choice\(20001, 20000"),
        ({"X": "a.png"}, ValueError, "X is one name"),
        ({"Z": "nan"}, ValueError, "'Z' argument of write_image_map must hold finite"),
        ({"Z": np.ones((39, 5))}, ValueError, r"'Z' argument.*\(40, d\). Got the shape \(39, 5\)"),
        ({"Z": np.ones((40, 1))}, ValueError, r"at least two columns.*Got the shape \(40, 1\)"),
        ({"Z": RotNetEmbedder()}, NotFittedError, "RotNetEmbedder"),
        ({"y": np.arange(39)}, ValueError, r"'y' argument.*\(40,\).*Got the shape \(39,\)"),
        ({"y": {"a": ["x"] * 40, "b": [1] * 41}}, ValueError, r"shape \(41,\) for 'b'"),
        ({"y": {}}, ValueError, "'y' argument of write_image_map is empty"),
        ({"names": ["a"] * 39}, ValueError, "'names' argument.* 40 names.*Got 39 names"),
        ({"names": "a" * 40}, ValueError, "'names' argument.*sequence of 40 names"),
        ({"target_names": ["a"]}, ValueError, "'target_names' argument.*has 1 names"),
        ({"reducer": PCA}, TypeError, r"'reducer' argument.*such as PCA\(2\)"),
        ({"thumbnail_size": 8}, ValueError, "'thumbnail_size' parameter of write_image_map"),
        ({"image_shape": (3, 3), "X": "rows"}, ValueError, "image_shape"),
        ({"path": "missing"}, FileNotFoundError, "no such folder"),
        ({"path": "folder"}, IsADirectoryError, "folder"),
        ({"path": "read-only"}, PermissionError, "folder"),
    ],
)
def test_errors(change, error, message, Z, X, y, tmp_path, monkeypatch):
    reducer = Counting()
    arguments = {"path": tmp_path / "map.html", "Z": Z, "X": X, "y": y, "reducer": reducer}
    arguments |= change
    images = {"one": X[:1], "many": np.zeros((20001, 2, 2)), "rows": X.reshape(40, -1)}
    if isinstance(arguments["X"], str):
        arguments["X"] = images.get(arguments["X"], arguments["X"])
    if isinstance(arguments["Z"], str):
        arguments["Z"] = np.full((40, 5), np.nan)
    (tmp_path / "folder").mkdir()
    if isinstance(arguments["path"], str):
        places = {"missing": "none/map.html", "read-only": "folder/map.html"}
        if arguments["path"] == "read-only":  # root may write everywhere
            monkeypatch.setattr(os, "access", lambda path, mode: False)
        arguments["path"] = tmp_path / places.get(arguments["path"], "folder")
    with pytest.raises(error, match=message):
        write_image_map(**arguments)
    assert reducer.calls == 0
    assert [p.name for p in tmp_path.rglob("*")] == ["folder"]


def test_a_file_that_would_be_too_large(X, Z, tmp_path):
    noise = np.random.default_rng(0).integers(0, 256, (4000, 256, 256), dtype=np.uint8)
    with pytest.raises(ValueError, match=r"would have about \d+ MB.*Reduce 'thumbnail_size'"):
        write_image_map(tmp_path / "map.html", np.ones((4000, 3)), noise, thumbnail_size=256)


def test_a_reducer_that_returns_no_positions(Z, X, tmp_path):
    with pytest.raises(ValueError, match=r"'reducer' argument.*\(40, 3\).*components to 2"):
        write_image_map(tmp_path / "map.html", Z, X, reducer=PCA(3))


def test_without_plotly(Z, X, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "plotly.offline", None)
    with pytest.raises(ImportError, match=r"write_image_map needs plotly.*sklssl\[html\]"):
        write_image_map(tmp_path / "map.html", Z, X)


@pytest.mark.parametrize("error", [KeyboardInterrupt, OSError])
def test_an_interruption_leaves_the_old_file(error, Z, X, tmp_path, monkeypatch):
    path = write_image_map(tmp_path / "map.html", Z, X, reducer=Counting())
    before = path.read_bytes()

    def fail(part, page):
        part.write_bytes(page[:1000])
        raise error

    monkeypatch.setattr("sklssl.inspection._image_map.write._write", fail)
    with pytest.raises(error):
        write_image_map(path, Z, X, reducer=Counting())
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["map.html"]
