import warnings

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklssl import FineTuneClassifier, PatchDictionaryEmbedder, RotNetEmbedder, load, save
from sklssl.exceptions import CollapseWarning
from tests._estimators import without_roots
from tests._seed import SEED


def make(**params):
    return PatchDictionaryEmbedder(**{"n_atoms": (16, 24), "random_state": SEED, **params})


def probe(Z, y, Z_test, y_test):
    clf = LogisticRegression(C=5 / Z.shape[1], max_iter=1000)
    return make_pipeline(StandardScaler(), clf).fit(Z, y).score(Z_test, y_test)


def test_ten_labels_a_class_beat_pixels_and_the_untrained_network(digits):
    X, y = digits
    order = np.random.default_rng(SEED).permutation(len(X))
    train, test = order[:1300], order[1300:]
    few = np.concatenate([train[y[train] == c][:10] for c in range(10)])
    scores = {}
    for name, embedder in {
        "dictionary": PatchDictionaryEmbedder(random_state=SEED),
        "untrained": RotNetEmbedder("convnet", max_epochs=0, random_state=SEED),
    }.items():
        embedder.fit(X[train])
        Z, Z_test = embedder.transform(X[few]), embedder.transform(X[test])
        scores[name] = probe(Z, y[few], Z_test, y[test])
    pixels = X.reshape(len(X), -1) / 255
    scores["pixels"] = probe(pixels[few], y[few], pixels[test], y[test])
    assert scores["dictionary"] > scores["pixels"] + 0.03, scores
    assert scores["dictionary"] > scores["untrained"] + 0.005, scores


@pytest.mark.parametrize("kind", ["background", "contrast", "brightness"])
def test_classes_that_differ_in_brightness_or_contrast_alone(digits, kind):
    """Patches are normalised, which must not make such classes look alike (chance is 0.25)."""
    rng = np.random.default_rng(SEED)
    y = rng.integers(0, 4, 600)
    level = y[:, np.newaxis, np.newaxis, np.newaxis]
    strokes, texture = digits[0][:600].astype(float), 20 * rng.standard_normal((600, 32, 32, 1))
    X = {
        "background": 0.6 * strokes + 20 + 20 * level,
        "contrast": (0.4 + 0.15 * level) * strokes,
        "brightness": texture + 80 + 15 * level + 5 * rng.standard_normal((600, 1, 1, 1)),
    }[kind]
    X = np.clip(X + 3 * rng.standard_normal(X.shape), 0, 255).astype(np.uint8)
    Z = PatchDictionaryEmbedder(random_state=SEED).fit_transform(X)
    assert probe(Z[:400], y[:400], Z[400:], y[400:]) > 0.6


def test_all_layers_side_by_side_are_those_of_each(X):
    embedder = make().fit(X)
    each = embedder.transform_layers(X)
    assert list(each) == ["patches1", "patches2"]
    assert_array_equal(embedder.transform(X), np.hstack(list(each.values())))
    assert embedder.transform(X).shape[1] == (2 * (16 + 24) + 32) * 4
    assert_array_equal(embedder.set_layer("patches2").transform(X), each["patches2"])


def test_mirrored_images_have_the_same_features(X):
    embedder = make(symmetry="mirror", precision="float32").fit(X)
    Z, mirrored = embedder.transform(X), embedder.transform(X[:, :, ::-1].copy())
    assert_allclose(mirrored, Z, atol=1e-4)
    plain = make(precision="float32", symmetry=None).fit(X)
    both = (without_roots(plain.transform(images)) for images in (X, X[:, :, ::-1].copy()))
    assert_allclose(without_roots(Z), sum(both) / 2, atol=1e-4)
    assert_array_equal(np.hstack(list(embedder.transform_layers(X).values())), Z)


def test_layer_all_of_a_trained_network(X):
    embedder = RotNetEmbedder(layer="all", max_epochs=1, random_state=SEED).fit(X)
    each = embedder.transform_layers(X)
    assert_array_equal(embedder.transform(X), np.hstack(list(each.values())))


def test_one_number_of_atoms_is_one_dictionary(X):
    embedder = make(n_atoms=10).fit(X)
    assert embedder.layer_names_ == ("patches1",)
    assert embedder.transform(X).shape == (len(X), (2 * 10 + 32) * 4)


def test_more_atoms_than_patches(X):
    Z = make(n_atoms=(200, 100)).fit(X[:2]).transform(X)
    assert np.isfinite(Z).all()


@pytest.mark.parametrize("n_channels", [1, 2, 5])
def test_any_number_of_channels_of_any_shape(n_channels):
    X = np.random.default_rng(SEED).random((10, 20, 14, n_channels))
    assert np.isfinite(make().fit(X).transform(X)).all()


def test_constant_channel():
    X = np.random.default_rng(SEED).random((10, 16, 16, 3))
    X[..., 1] = 0.5
    assert np.isfinite(make().fit(X).transform(X)).all()


def test_constant_images_are_told_of():
    X = np.full((10, 16, 16, 3), 7, dtype=np.uint8)
    with pytest.warns(CollapseWarning, match="the same features"):
        Z = make().fit(X).transform(X)
    assert np.isfinite(Z).all()


@pytest.mark.parametrize("n_atoms", [(), (1, 2, 3), (1.5,), (0, 5), "many", (True, 3), (5000, 2)])
def test_wrong_numbers_of_atoms(X, n_atoms):
    with pytest.raises(ValueError, match="The 'n_atoms' parameter of PatchDictionaryEmbedder"):
        make(n_atoms=n_atoms).fit(X)


def test_patches_larger_than_the_images(X):
    with pytest.raises(ValueError, match="'patch_size' parameter .* is 9, but .* 8x8"):
        make(patch_size=9).fit(X)


def test_what_is_not_there_is_refused_in_words():
    assert not hasattr(make(), "partial_fit")
    with pytest.raises(AttributeError, match="Fit it on a sample"):
        make().partial_fit([])
    with pytest.raises(AttributeError, match="has no task"):
        make().score([])


def test_saved_and_loaded(X, tmp_path):
    embedder = make().fit(X)
    save(embedder, tmp_path / "model.safetensors")
    assert_array_equal(load(tmp_path / "model.safetensors").transform(X), embedder.transform(X))


def test_onnx(X, tmp_path):
    onnxruntime = pytest.importorskip("onnxruntime")
    embedder = make(precision="float32", symmetry="mirror").fit(X)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        embedder.export_onnx(tmp_path / "model.onnx")
    session = onnxruntime.InferenceSession(tmp_path / "model.onnx")
    (Z,) = session.run(None, {"images": X.astype(np.float32)})
    assert_allclose(Z, embedder.transform(X), atol=1e-3)


def test_it_is_a_start_for_other_methods_and_for_fine_tuning(X, y):
    first = make(n_atoms=(128, 384)).fit(X)
    other = RotNetEmbedder("patchnet", init_weights=first, max_epochs=0, layer="all", pool_size=2)
    assert_array_equal(other.fit(X).transform(X), first.transform(X))
    tuned = FineTuneClassifier(first, max_epochs=2, random_state=SEED).fit(X, y)
    assert tuned.predict(X).shape == y.shape


def test_more_than_the_memory_holds_is_said(X):
    embedder = make(n_atoms=10**14)
    with pytest.raises(MemoryError, match="PatchDictionaryEmbedder: .* Use a smaller n_atoms"):
        embedder.fit(X)
    assert not hasattr(embedder, "pretext_")


def test_a_flat_background_does_not_become_atoms(X):
    """Normalised, all flat patches are the same: as atoms they would be copies of one."""
    images = np.zeros((len(X), 32, 32, X.shape[3]), np.uint8)
    images[:, 12:20, 12:20] = X
    backbone = make().fit(images).pretext_.backbone
    for stage in ("patches1", "patches2"):
        weight = next(
            p for n, p in backbone.named_parameters() if stage in n and n.endswith("weight")
        )
        atoms = torch.nn.functional.normalize(weight.flatten(1), dim=1)
        alike = (atoms @ atoms.T).fill_diagonal_(0)
        assert alike.max() < 0.999, stage
