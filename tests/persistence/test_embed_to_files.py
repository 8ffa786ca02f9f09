"""Features in files: the rows of transform, once each, whatever is passed and goes wrong."""

import itertools
import json
import os

import cv2
import numpy as np
import pandas as pd
import polars as pl
import pytest
from sklearn.decomposition import PCA
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from sklssl import RotNetEmbedder, embed_to_files, load, save
from sklssl.exceptions import ImageFileError
from sklssl.persistence._parts import divide
from tests._seed import SEED


@pytest.fixture(scope="module")
def embedder(X):
    return RotNetEmbedder("convnet", max_epochs=1, pool_size=1, random_state=SEED).fit(X)


@pytest.fixture
def paths(X, tmp_path):
    (tmp_path / "images").mkdir()
    paths = [str(tmp_path / "images" / f"{i}.png") for i in range(len(X))]
    for path, image in zip(paths, X, strict=True):
        cv2.imwrite(path, image)
    return paths


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "a" / "folder"


def read(files):
    return np.concatenate([np.load(file) for file in files])


@pytest.mark.parametrize(("n_rows", "at_most"), [(1, 1), (7, 3), (9, 3), (10, 100), (123_457, 10)])
def test_rows_are_divided_evenly(n_rows, at_most):
    parts = divide(n_rows, at_most, ".npy")
    sizes = [part.stop - part.start for part in parts]
    assert [part.start for part in parts] == [0, *(part.stop for part in parts[:-1])]
    assert parts[-1].stop == n_rows
    assert max(sizes) <= at_most
    assert max(sizes) - min(sizes) <= 1
    names = [part.file for part in parts]
    assert names == sorted(set(names))


def test_npy_has_the_rows_of_transform_and_the_names(embedder, X, paths, folder):
    files = embed_to_files(embedder, paths, folder, rows_per_file=15)
    np.testing.assert_allclose(read(files), embedder.transform(X), rtol=1e-5, atol=1e-6)
    names = [json.loads(file.with_suffix(".paths.json").read_text()) for file in files]
    assert [*itertools.chain(*names)] == paths
    manifest = json.loads((folder / "manifest.json").read_text())
    assert [part["file"] for part in manifest["files"]] == [file.name for file in files]
    assert [part["start"] for part in manifest["files"]] == [0, 13, 26]
    expected = ["manifest.json", *(f.name for f in files)]
    expected += [f.with_suffix(".paths.json").name for f in files]
    assert sorted(os.listdir(folder)) == sorted(expected)


def test_parquet_has_names_and_features(embedder, X, paths, folder):
    files = embed_to_files(embedder, paths, folder, rows_per_file=15, format="parquet")
    table = pl.read_parquet(folder / "*.parquet")
    assert len(files) == 3
    assert table["path"].to_list() == paths
    Z = table["features"].to_numpy()
    np.testing.assert_allclose(Z, embedder.transform(X), rtol=1e-5, atol=1e-6)
    assert Z.dtype == np.float32


@pytest.mark.parametrize("wrap", [tuple, np.array, pl.Series, pd.Series, "table", "mapped"])
def test_paths_of_any_kind(embedder, paths, folder, wrap, tmp_path):
    whole = read(embed_to_files(embedder, paths, folder, rows_per_file=15))
    if wrap == "table":
        given = pd.DataFrame({"file": paths}, index=range(len(paths), 0, -1))
    elif wrap == "mapped":
        np.save(tmp_path / "paths.npy", paths)
        given = np.load(tmp_path / "paths.npy", mmap_mode="r")
    else:
        given = wrap(paths)
    for name in (folder, tmp_path / "another"):  # they are the same paths, wherever
        files = embed_to_files(embedder, given, name, rows_per_file=15)
        np.testing.assert_array_equal(read(files), whole)


def test_pipelines(embedder, X, paths, folder):
    pipe = make_pipeline(FrozenEstimator(embedder), PCA(3, random_state=0)).fit(X)
    files = embed_to_files(pipe, paths, folder, rows_per_file=30)
    np.testing.assert_allclose(read(files), pipe.transform(X), rtol=1e-4, atol=1e-4)


def test_goes_on_from_files_that_are_complete(embedder, paths, folder, capsys):
    files = embed_to_files(embedder, paths, folder, rows_per_file=10, verbose=1)
    assert capsys.readouterr().out.count(" of 4): 10 images in ") == 4
    before = files[2].read_bytes(), files[1].stat().st_mtime_ns
    files[2].unlink()
    embed_to_files(embedder, paths, folder, rows_per_file=10, verbose=1)
    assert capsys.readouterr().out.startswith("[embed_to_files] part-00002.npy (3 of 4): 10 images")
    assert (files[2].read_bytes(), files[1].stat().st_mtime_ns) == before


def test_removes_only_its_own_leftovers(embedder, paths, folder):
    folder.mkdir(parents=True)
    others = [folder / name for name in (".a.iso.part", ".poetry.lock", ".model.skl.1f.part")]
    own = [folder / name for name in (".part-00000.npy.lock", ".part-00000.npy.1f.part")]
    for path in (*others, *own):
        path.touch()
    embed_to_files(embedder, paths, folder)
    assert all(path.exists() for path in others)
    assert not any(path.exists() for path in own)


def test_the_same_embedder_from_a_file_and_with_another_device(embedder, X, paths, folder):
    embed_to_files(embedder, paths, folder)
    save(embedder, folder / "embedder.safetensors")
    again = load(folder / "embedder.safetensors").set_params(
        device="cpu", verbose=1, on_error="skip"
    )
    embed_to_files(again, paths, folder)
    refitted = RotNetEmbedder("convnet", max_epochs=1, pool_size=1, random_state=SEED).fit(X)
    embed_to_files(refitted, paths, folder)


def test_a_folder_of_something_else(embedder, X, paths, folder):
    files = embed_to_files(embedder, paths, folder)
    before = files[0].read_bytes()
    other = RotNetEmbedder("convnet", max_epochs=1, pool_size=1, random_state=SEED + 1).fit(X)
    pca = make_pipeline(embedder, PCA(2, random_state=0)).fit(X)
    for given, options, what in [
        ((embedder, paths[::-1]), {}, "paths_hash is .* instead of"),
        ((embedder, paths[1:]), {}, "n_rows is 39 instead of 40"),
        ((other, paths), {}, "embedder_hash is"),
        ((pca, paths), {}, "embedder is 'Pipeline' instead of 'RotNetEmbedder'"),
        ((embedder, paths), {"rows_per_file": 7}, "rows_per_file is 7 instead of 10000"),
        ((embedder, paths), {"format": "parquet"}, "format is 'parquet' instead of 'npy'"),
    ]:
        with pytest.raises(ValueError, match=f"'folder'.* belongs to another run: .*{what}"):
            embed_to_files(*given, folder, **options)
    assert files[0].read_bytes() == before
    (folder / "manifest.json").write_text("[1, 2]")
    with pytest.raises(ValueError, match="has a manifest.json that cannot be read"):
        embed_to_files(embedder, paths, folder)
    (folder / "manifest.json").unlink()
    with pytest.raises(ValueError, match=r"has part-00000.*, but no manifest\.json"):
        embed_to_files(embedder, paths, folder)


def test_an_unreadable_image(embedder, paths, folder):
    with open(paths[25], "wb") as file:
        file.write(b"not an image")
    with pytest.raises(ImageFileError, match=r'25\.png.*on_error="skip" in the embedder, rows'):
        embed_to_files(embedder, paths, folder, rows_per_file=10)
    assert len(list(folder.glob("part-*.npy"))) == 2
    skipping = make_pipeline(FrozenEstimator(embedder))
    embedder.set_params(on_error="skip")
    try:
        with pytest.warns(UserWarning, match=r"1 of 10 image files cannot be read.*25\.png"):
            files = embed_to_files(embedder, paths, folder, rows_per_file=10)
        with pytest.warns(UserWarning, match=r"25\.png"):
            embed_to_files(skipping, paths, folder.with_name("pipeline"), rows_per_file=10)
        for path in paths[30:]:
            os.unlink(path)
        with pytest.raises(ImageFileError, match="of the 10 image files"):
            embed_to_files(embedder, paths[30:], folder.with_name("gone"))
    finally:
        embedder.set_params(on_error="raise")
    Z = read(files)
    assert np.flatnonzero(np.isnan(Z).any(axis=1)).tolist() == [25]
    assert np.isnan(Z[25]).all()


def test_again_in_a_notebook_which_keeps_the_last_error(embedder, X, paths, folder):
    os.unlink(paths[25])
    with pytest.raises(ImageFileError) as kept:
        embed_to_files(embedder, paths, folder, rows_per_file=10)
    cv2.imwrite(paths[25], X[25])
    assert len(embed_to_files(embedder, paths, folder, rows_per_file=10)) == 4
    assert kept.tb is not None  # with the frames, until here


def test_misuse(embedder, X, paths, folder):
    for given, message in [
        (X, "'paths' parameter of embed_to_files must be a sequence of names.*transform_iter"),
        ([], "empty paths"),
        (os.path.dirname(paths[0]), "is a folder: sklssl.datasets.list_images"),
        ((path for path in paths), r"not a generator. Pass list\(paths\)"),
        ([paths[0], None], "item 1 of paths is None"),
    ]:
        with pytest.raises(ValueError, match=message):
            embed_to_files(embedder, given, folder)
    with pytest.raises(NotFittedError):
        embed_to_files(RotNetEmbedder(), paths, folder)
    for other in (RotNetEmbedder, "embedder"):
        with pytest.raises(TypeError, match="'embedder' parameter of embed_to_files must be"):
            embed_to_files(other, paths, folder)
    with pytest.raises(TypeError, match="cannot be pickled.*without lambda"):
        embed_to_files(FunctionTransformer(lambda Z: Z), paths, folder)
    with pytest.raises(ValueError, match="'rows_per_file' parameter of embed_to_files"):
        embed_to_files(embedder, paths, folder, rows_per_file=0)
    assert not folder.exists()
    with pytest.raises(FileExistsError, match=r"0\.png"):
        embed_to_files(embedder, paths, paths[0])


class Constant(RotNetEmbedder):
    def transform(self, X):
        return np.ones(len(X))


def test_an_embedder_that_returns_something_else(embedder, paths, folder):
    constant = Constant()
    vars(constant).update(vars(embedder))
    with pytest.raises(ValueError, match=r"Constant\.transform returned an array of shape \(40,\)"):
        embed_to_files(constant, paths, folder)


def test_names_that_are_not_text(embedder, X, folder, tmp_path):
    try:
        path = os.fsdecode(os.fsencode(str(tmp_path)) + b"/\xff.png")
        with open(path, "wb") as file:
            file.write(cv2.imencode(".png", X[0])[1].tobytes())
    except OSError:
        pytest.skip("the file system takes text only")
    with pytest.raises(ValueError, match=r"'paths'.*not valid text, .*udcff\.png'.*format='npy'"):
        embed_to_files(embedder, [path], folder, format="parquet")
    (file,) = embed_to_files(embedder, [path], folder)
    assert json.loads(file.with_suffix(".paths.json").read_text()) == [path]
