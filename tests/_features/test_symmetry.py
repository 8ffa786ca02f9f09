"""What may be done to images without changing what they are."""

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal

from sklssl import FineTuneClassifier, PatchDictionaryEmbedder, RotNetEmbedder
from sklssl._data import batches
from sklssl._features.symmetry import average_orientations, find_symmetry, orient
from tests._seed import SEED


def pixels(images, change):
    """Embed (n, H, W, C) images by their pixels."""
    changed = change(torch.from_numpy(images).permute(0, 3, 1, 2).float())
    return changed.flatten(1).numpy()


def make_images(n_images, shape=(8, 8)):
    """Bright spots, as likely at one place as at another."""
    rng = np.random.default_rng(SEED)
    images = np.zeros((n_images, *shape, 1), dtype=np.float32)
    for image in images:
        image[rng.integers(shape[0]), rng.integers(shape[1])] = 1
    return images + 0.1 * rng.random(images.shape, dtype=np.float32)


def with_ground(images):
    images = images.copy()
    images[:, -2:] += 1.0
    return images


def with_a_slope(images):
    images = images.copy()
    for i in range(images.shape[1]):
        images[:, i, i % images.shape[2]] += np.linspace(0.2, 1.0, images.shape[1])[i]
    return images


@pytest.mark.parametrize(
    ("change", "expected"), [(lambda x: x, "all"), (with_ground, "mirror"), (with_a_slope, None)]
)
@pytest.mark.parametrize("shape", [(8, 8), (8, 11)])
def test_found_by_what_can_be_told(change, expected, shape):
    images = change(make_images(600, shape))
    assert find_symmetry(images, pixels, square=shape[0] == shape[1]) == expected


def test_stripes_may_be_mirrored_and_not_turned_by_a_quarter():
    stripes = np.array([0, 1, 1, 0, 0, 1, 1, 0], dtype=np.float32)
    images = make_images(600) + stripes[:, None, None]
    assert find_symmetry(images, pixels, square=True) == "mirror"


def test_of_few_images_nothing_is_claimed():
    assert find_symmetry(make_images(49), pixels, square=True) is None


def test_fewer_images_are_used_if_they_are_large(monkeypatch):
    monkeypatch.setattr(batches, "_HELD_VALUES", 100 * 64)
    numbers = set()

    def embed(images, change):
        numbers.add(len(images))
        return pixels(images, change)

    assert find_symmetry(make_images(600), embed, square=True) is not None
    find_symmetry(make_images(600, (30, 30)), embed, square=True)
    assert numbers == {100, 50}


def test_orientations():
    square, other = torch.rand(2, 3, 4, 4), torch.rand(2, 3, 4, 5)
    assert [len(orient(square, symmetry)) for symmetry in (None, "mirror", "all")] == [1, 2, 8]
    assert len(orient(other, "all")) == 4
    views = orient(square, "all")
    assert torch.equal(views[0], square)
    expected = {
        torch.rot90(image, k, (2, 3)).numpy().tobytes()
        for image in (square, square.flip(3))
        for k in range(4)
    }
    assert {view.numpy().tobytes() for view in views} == expected
    average = average_orientations(lambda x: x[:, :, 0, 0], "mirror")(square)
    torch.testing.assert_close(average, (square[:, :, 0, 0] + square[:, :, 0, -1]) / 2)


def test_features_do_not_know_the_orientation(X):
    embedder = RotNetEmbedder(
        symmetry="all", max_epochs=1, precision="float32", random_state=SEED
    ).fit(X)
    Z = embedder.transform(X)
    for other in (X[:, ::-1], X[:, :, ::-1], np.rot90(X, 1, (1, 2))):
        assert_allclose(embedder.transform(np.ascontiguousarray(other)), Z, atol=1e-4)
    layers = embedder.transform_layers(X, pool_size=2)
    assert_array_equal(np.hstack(list(layers.values())), Z)
    alone = embedder.set_params(symmetry=None).transform(X)
    assert not np.allclose(alone, Z, atol=1e-2)
    assert_array_equal(np.vstack(list(embedder.transform_iter(X))), alone)


def test_auto_leaves_digits_as_they_are_and_turns_what_has_no_upright(digits):
    X, _ = digits
    assert PatchDictionaryEmbedder((16, 16), random_state=SEED).fit(X[:300]).symmetry_ is None
    rng = np.random.default_rng(SEED)
    turned = np.stack([np.rot90(x, rng.integers(4)) for x in X[:600]])
    mirrored = rng.random(600) < 0.5
    turned[mirrored] = turned[mirrored, :, ::-1]
    embedder = PatchDictionaryEmbedder((16, 16), random_state=SEED).fit(turned)
    assert embedder.symmetry_ == "all"
    given = PatchDictionaryEmbedder((16, 16), symmetry="mirror", random_state=SEED).fit(turned)
    assert given.symmetry_ == "unknown"


def test_auto_is_determined_in_fit_alone(digits):
    embedder = RotNetEmbedder("convnet", symmetry=None, max_epochs=0, warm_start=True).fit(
        digits[0]
    )
    assert embedder.symmetry_ == "unknown"
    embedder.set_params(symmetry="auto")
    with pytest.raises(
        ValueError, match="'symmetry' parameter of RotNetEmbedder is 'auto'.*in fit"
    ):
        embedder.transform(digits[0][:2])
    assert embedder.fit(digits[0]).symmetry_ is None
    assert embedder.transform(digits[0][:2]).shape[0] == 2


def test_predictions_are_averaged_too(X, y):
    embedder = RotNetEmbedder(
        "convnet", symmetry="mirror", max_epochs=1, precision="float32", random_state=SEED
    )
    tuned = FineTuneClassifier(embedder, max_epochs=2, random_state=SEED).fit(X, y)
    P = tuned.predict_proba(X)
    assert_allclose(tuned.predict_proba(X[:, :, ::-1].copy()), P, atol=1e-4)


def test_a_wrong_symmetry_is_named(X):
    with pytest.raises(ValueError, match="'symmetry' parameter of RotNetEmbedder"):
        RotNetEmbedder(symmetry="turn").fit(X)
