"""Images of any number of channels: in the layout, the units and the way out that they need."""

import warnings

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose

import sklssl
from sklssl import RotNetEmbedder, SimCLREmbedder
from sklssl._data.batches import ToTensor, image_statistics, iter_batches
from sklssl.augmentation import RandomViews
from sklssl.utils import check_images
from tests._seed import SEED

CPU = torch.device("cpu")
QUICK = {"backbone": "convnet", "max_epochs": 1, "random_state": SEED}


def bands(n, seed=SEED):
    """Images of two reflectances and a height in metres."""
    rng = np.random.default_rng(seed)
    images = rng.random((n, 12, 12, 3), dtype=np.float32)
    images[..., 2] = images[..., 2] * 150 + rng.uniform(0, 3000, (n, 1, 1))
    return images


def test_channels_of_different_units_have_ranges_of_their_own():
    images = bands(20)
    (low, high), mean, scale = image_statistics(images)
    assert_allclose(low, images.min((0, 1, 2)))
    assert_allclose(high, images.max((0, 1, 2)))
    x = next(iter_batches(images, [slice(None)], ToTensor(CPU, (low, high), (12, 12))))
    assert_allclose(x.amin((0, 2, 3)), 0, atol=1e-6)
    assert_allclose(x.amax((0, 2, 3)), 1, atol=1e-6)
    assert_allclose(x.mean((0, 2, 3)), mean, rtol=1e-4)
    assert_allclose(x.std((0, 2, 3), correction=0), scale, rtol=1e-3)


def test_colours_share_a_range_and_a_constant_channel_changes_none():
    images = np.random.default_rng(SEED).random((20, 8, 8, 4), dtype=np.float32)
    images[..., 1] *= 0.6
    images[..., 3] = 0.5
    (low, high), _, _ = image_statistics(images)
    assert (low, high) == (images.min(), images.max())


def test_views_of_any_band_stay_what_the_network_can_see():
    images = bands(64)
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # of three channels there is nothing to say
        embedder = SimCLREmbedder(**QUICK).fit(images)
    to_tensor = ToTensor(CPU, embedder.value_range_, (12, 12))
    x = next(iter_batches(images, [slice(None)], to_tensor))
    views = RandomViews()(x, torch.Generator().manual_seed(SEED))
    assert embedder.pretext_.backbone.standardise(views).abs().amax() < 6


def test_what_is_left_out_of_the_views_is_said_once():
    images = bands(20)[..., [0, 1, 2, 2]]
    with pytest.warns(UserWarning, match="SimCLREmbedder: images with 4 channels are not") as told:
        SimCLREmbedder(**QUICK).fit(images)
    assert len(told) == 1
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        SimCLREmbedder(jitter_strength=0, **QUICK).fit(images)


def test_ranges_of_channels_go_where_the_embedder_goes(tmp_path):
    images = bands(20)
    embedder = RotNetEmbedder(precision="float32", **QUICK).fit(images)
    sklssl.save(embedder, tmp_path / "bands")
    loaded = sklssl.load(tmp_path / "bands")
    np.testing.assert_array_equal(loaded.transform(images), embedder.transform(images))
    onnxruntime = pytest.importorskip("onnxruntime")
    pytest.importorskip("onnxscript")
    embedder.export_onnx(tmp_path / "bands.onnx")
    session = onnxruntime.InferenceSession(tmp_path / "bands.onnx")
    (Z,) = session.run(None, {"images": images})
    assert_allclose(Z, embedder.transform(images), atol=1e-3)


@pytest.mark.parametrize("n_channels", [2, 4, 5, 13, 64, 65])
def test_any_number_of_channels(n_channels):
    images = np.random.default_rng(SEED).random((10, 8, 8, n_channels), dtype=np.float32)
    assert RotNetEmbedder(**QUICK).fit_transform(images).shape[0] == 10


@pytest.mark.parametrize("shape", [(1, 9, 9), (4, 32, 32), (13, 8, 8), (64, 70, 90), (3, 32, 64)])
def test_channels_first_are_noticed(shape):
    X = np.zeros((4, *shape), np.uint8)
    with pytest.raises(ValueError, match=r"channels first. Use X.transpose\(0, 2, 3, 1\)"):
        check_images(X)
    with pytest.raises(ValueError, match=r"channels first. Use X.permute\(0, 2, 3, 1\)"):
        check_images(torch.from_numpy(X))
    # What they would be as they are, on their side, is never refused.
    assert check_images(X.transpose(0, 2, 1, 3)).shape == (4, shape[1], shape[0], shape[2])


@pytest.mark.parametrize("shape", [(32, 32, 4), (32, 32, 13), (64, 64, 32), (8, 8, 64)])
def test_channels_last_are_left_alone(shape):
    assert check_images(np.zeros((2, *shape), np.uint8)).shape == (2, *shape)


def test_image_shape_with_the_channels_first():
    rows = np.zeros((4, 3072), np.uint8)
    message = r"'image_shape' parameter of RotNetEmbedder is \(3, 32, 32\), which looks like chan"
    with pytest.raises(ValueError, match=message):
        RotNetEmbedder(image_shape=(3, 32, 32)).fit(rows)
