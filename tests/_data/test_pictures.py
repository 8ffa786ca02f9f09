"""Images of different sizes: lists of arrays and of PIL images."""

import io
from functools import partial

import numpy as np
import pandas as pd
import pytest
import torch
from numpy.testing import assert_array_equal
from PIL import Image
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

from sklssl import (
    FineTuneClassifier,
    FineTuneRegressor,
    ImageResizer,
    MultiScaleEmbedder,
    PatchDictionaryEmbedder,
    RotNetEmbedder,
    SemiSupervisedClassifier,
)
from sklssl.callbacks import ProbeMonitor
from sklssl.exceptions import ImageFileError
from sklssl.inspection import compare_embedders
from tests import _estimators
from tests._seed import SEED

rng = np.random.default_rng(SEED)
IMAGES = [rng.integers(0, 256, (s, s + 2, 3), dtype=np.uint8) for s in rng.integers(10, 20, 24)]
y = np.arange(24) % 2


quick = partial(_estimators.quick, image_size=12)


def as_objects(images):
    held = np.empty(len(images), dtype=object)
    held[:] = images
    return held


KINDS = {
    "list": list,
    "tuple": tuple,
    "Series": pd.Series,
    "column": lambda images: pd.DataFrame({"image": images}),
    "objects": as_objects,
    "tensors": lambda images: [torch.from_numpy(image) for image in images],
    "pictures": lambda images: [Image.fromarray(image) for image in images],
}


@pytest.mark.parametrize("kind", KINDS)
def test_any_sequence_is_resized(kind):
    wrapped = KINDS[kind](IMAGES)
    expected = quick().fit(IMAGES).transform(IMAGES)
    assert_array_equal(quick().fit(wrapped).transform(wrapped), expected)
    resized = ImageResizer(12).fit_transform(wrapped)
    assert_array_equal(resized, ImageResizer(12).fit_transform(IMAGES))


@pytest.mark.parametrize(
    "embedder",
    [
        quick(),
        MultiScaleEmbedder(quick(), scales=(1.0,)),
        PatchDictionaryEmbedder(8, image_size=12, random_state=SEED),
        make_pipeline(ImageResizer(12), RotNetEmbedder("convnet", max_epochs=0)),
    ],
    ids=lambda embedder: type(embedder).__name__,
)
def test_a_row_depends_on_its_image_alone(embedder):
    Z = embedder.fit(IMAGES).transform(IMAGES)
    for i in (0, 1, 5):
        np.testing.assert_allclose(embedder.transform(IMAGES[i : i + 1])[0], Z[i], atol=1e-5)
    twice = embedder.transform([IMAGES[0], IMAGES[0]])
    np.testing.assert_allclose(twice, Z[[0, 0]], atol=1e-5)


def test_images_of_one_size_are_resized_like_others():
    alike = [rng.integers(0, 256, (15, 17, 3), dtype=np.uint8) for _ in range(8)]
    embedder = quick().fit(alike)
    assert embedder.image_shape_ == (12, 12, 3)


@pytest.mark.parametrize("dtype", ["bool", "int8", "float16", "uint32", "int64", "uint64", ">u2"])
def test_numbers_of_any_kind_are_resized(dtype):
    images = [(image // 2).astype(dtype) for image in IMAGES]
    expected = ImageResizer(12).fit_transform([image.astype(np.float64) for image in images])
    assert_array_equal(ImageResizer(12).fit_transform(images), expected)
    assert quick().fit(images).image_shape_ == (12, 12, 3)


def test_lists_are_not_resized_to_image_shape():
    images = rng.integers(0, 256, (8, 16, 16, 3), dtype=np.uint8)
    embedder = RotNetEmbedder("convnet", image_shape=(12, 12, 3), max_epochs=1)
    for X in (images, list(images)):
        with pytest.raises(ValueError, match=r"'image_shape' .* is \(12, 12, 3\), but X"):
            embedder.fit(X)


def test_a_picture_that_cannot_be_read_is_named():
    file = io.BytesIO()
    Image.fromarray(IMAGES[0]).save(file, "PNG")
    broken = Image.open(io.BytesIO(file.getvalue()[:-300]))
    with pytest.raises(ImageFileError, match="'image 2 of X' cannot be read"):
        quick().fit([*map(Image.fromarray, IMAGES[:2]), broken])


def test_everything_takes_what_its_embedder_takes():
    tuned = FineTuneClassifier(quick(), max_epochs=1, random_state=SEED).fit(IMAGES, y)
    assert tuned.predict(IMAGES[:1]).shape == (1,)
    FineTuneRegressor(quick(), max_epochs=1, random_state=SEED).fit(IMAGES, y / 3)
    SemiSupervisedClassifier(quick(), LogisticRegression()).fit(IMAGES, y).predict(IMAGES[:1])
    monitor = ProbeMonitor(IMAGES, y, every=1, n_neighbors=3)
    assert "knn" in str(quick(callbacks=[monitor]).fit(IMAGES).history_[0])
    compare_embedders(IMAGES, y, [quick()], n_labels=2, n_draws=2, image_size=12)


def test_transparent_pictures_are_blended_like_their_files(tmp_path):
    pictures, paths = [], []
    for i, image in enumerate(IMAGES[:4]):
        alpha = np.where(image[..., 0] > 99, 255, 0).astype(np.uint8)
        pictures.append(Image.fromarray(np.dstack([0 * image, alpha])).resize((9, 9)))
        paths.append(str(tmp_path / f"{i}.png"))
        pictures[-1].save(paths[-1])
    for channels in (1, 3, 4):
        embedder = RotNetEmbedder(
            image_shape=(9, 9, channels), symmetry=None, max_epochs=0, random_state=SEED
        )
        Z = embedder.fit_transform(paths)
        assert np.ptp(Z, axis=0).max() > 0
        assert_array_equal(embedder.fit_transform(pictures), Z)
