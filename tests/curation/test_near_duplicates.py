import tracemalloc

import numpy as np
import pytest

from sklssl import PatchDictionaryEmbedder
from sklssl.curation import _groups, find_leaks, find_near_duplicates
from sklssl.curation._rule import NearRule
from sklssl.curation._spaces import Whitened
from sklssl.datasets import load_digit_images
from tests._seed import SEED
from tests.curation._data import as_tuples, make_features


def test_copies_are_found_and_nothing_else():
    Z = make_features(seed=SEED)
    assert as_tuples(find_near_duplicates(Z)) == [(8, 200, 201), (3, 150)]
    assert find_near_duplicates(Z, threshold=0) == []


def test_identical_rows_need_no_threshold():
    Z = make_features(copies=[(1, 7)], noise=0, seed=SEED)
    assert as_tuples(find_near_duplicates(Z, threshold=0)) == [(1, 7)]


def test_a_chain_is_divided():
    """Each image is near the next, the first is not near the last."""
    Z = make_features(n=400, copies=(), seed=SEED).astype(np.float64)
    weights = np.linspace(0, 1, 8)[:, np.newaxis]
    Z[:8] = (1 - weights) * Z[0] + weights * Z[200]
    groups = find_near_duplicates(Z)
    inside = [g for g in groups if g[0] < 8]
    assert len(inside) >= 2
    units = Whitened("test", Z).convert(Z)
    lengths = [np.linalg.norm(units[g[0]] - units[g[-1]]) for g in inside]
    assert max(lengths) < 0.75 * np.linalg.norm(units[0] - units[7])


@pytest.mark.parametrize("n_copies", [15, 35])
def test_more_copies_than_neighbours_of_the_scale(n_copies):
    copies = [tuple(range(10, 10 + n_copies))]
    Z = make_features(n=600, copies=copies, noise=0.3, seed=SEED)
    assert as_tuples(find_near_duplicates(Z)) == copies


def test_embedded_images_that_were_brightened():
    X, _ = load_digit_images(return_X_y=True)
    X = X[:400].astype(np.float64)
    X = np.concatenate([X, 0.9 * X[:20]])
    Z = PatchDictionaryEmbedder((32, 64), random_state=SEED).fit_transform(X)
    groups = as_tuples(find_near_duplicates(Z))
    assert len(set(groups) & {(i, 400 + i) for i in range(20)}) >= 18
    assert len(groups) <= 25


@pytest.mark.parametrize("noise", [0, 1e-9])
def test_all_images_the_same(noise):
    """One group at once, although there are 50 million pairs."""
    rng = np.random.default_rng(0)
    Z = np.float32(rng.standard_normal(16)) * np.ones((10_000, 1), np.float32)
    Z = Z + (noise * rng.standard_normal(Z.shape)).astype(np.float32)
    tracemalloc.start()
    (group,) = find_near_duplicates(Z)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert group.tolist() == list(range(10_000))
    assert peak < 50e6


def test_many_connected_images_are_grouped_in_parts(monkeypatch):
    Z = make_features(copies=[tuple(range(100, 112))], seed=SEED)
    monkeypatch.setattr(_groups, "_LARGEST_PART", 5)
    sizes = [len(group) for group in find_near_duplicates(Z)]
    assert sizes == [5, 5, 2]


def test_blocks_are_compared_with_each_other(monkeypatch):
    Z = make_features(seed=SEED)
    expected = as_tuples(find_near_duplicates(Z))
    monkeypatch.setattr("sklssl.curation._search._BLOCK", 1000)
    assert as_tuples(find_near_duplicates(Z)) == expected


@pytest.mark.parametrize("block", [2**24, 2000])
def test_components_do_not_depend_on_the_blocks(monkeypatch, block):
    pairs = [(2 * i, 2 * i + 1) for i in range(60)]
    rule = NearRule("test", make_features(n=480, copies=pairs, seed=SEED))
    images = np.arange(120)
    monkeypatch.setattr("sklssl.curation._search._BLOCK", block)
    labels = _groups._components(rule, images, 0.5)
    np.testing.assert_array_equal(labels, np.repeat(images[::2], 2))


@pytest.mark.parametrize("n", [2, 3, 4, 5])
def test_few_images(n):
    Z = np.random.default_rng(SEED).standard_normal((n, 6))
    assert find_near_duplicates(Z) == []
    Z[1] = Z[0]
    assert as_tuples(find_near_duplicates(Z)) == [(0, 1)]


def test_images_of_wide_features():
    Z = make_features(n=100, d=2000, copies=[(4, 60)], noise=0.5, seed=SEED)
    assert as_tuples(find_near_duplicates(Z)) == [(4, 60)]


@pytest.mark.parametrize("threshold", [1, -0.1, np.nan, "low", True])
def test_thresholds_out_of_range(threshold):
    with pytest.raises(ValueError, match="'threshold' parameter of find_near_duplicates must be"):
        find_near_duplicates(make_features(), threshold=threshold)


def test_features_that_cannot_be_compared():
    with pytest.raises(ValueError, match=r"'Z' argument of find_near_duplicates .* 2 images"):
        find_near_duplicates(np.ones((1, 4)))
    Z = make_features()
    Z[5, 6] = np.nan
    with pytest.raises(ValueError, match="'Z' argument of find_near_duplicates .*NaN"):
        find_near_duplicates(Z)
    with pytest.raises(ValueError, match="find_near_duplicates whitens at most 16,384 features"):
        find_near_duplicates(np.ones((2, 20_000), np.float32))


@pytest.mark.parametrize("n_frames", [2, 5, 25])
def test_sets_that_consist_of_bursts(n_frames):
    """Every image has copies, whose distances would be taken for those of images that differ."""
    scenes = make_features(n=80, copies=(), seed=SEED)
    frame_of = np.repeat(np.arange(80), n_frames)
    rng = np.random.default_rng(SEED)
    Z = scenes[frame_of] + 0.1 * rng.standard_normal((len(frame_of), scenes.shape[1]))
    found = set(as_tuples(find_near_duplicates(Z)))
    bursts = {tuple(np.flatnonzero(frame_of == scene).tolist()) for scene in range(80)}
    assert len(found & bursts) >= 75
    # By chance a few scenes are near: of pairs, the tenth neighbour is only the fifth other scene.
    n_merged = sum(len(set(frame_of[list(group)])) > 1 for group in found)
    assert n_merged <= (2 if n_frames == 2 else 0)
    pairs, _ = find_leaks(Z[frame_of % 2 == 0], Z[frame_of % 2 == 1])
    assert len(pairs) <= 8 * n_merged


def test_long_bursts_are_not_merged():
    scenes = make_features(n=30, copies=(), seed=SEED)
    frame_of = np.repeat(np.arange(30), 60)
    rng = np.random.default_rng(SEED)
    Z = scenes[frame_of] + 0.1 * rng.standard_normal((len(frame_of), scenes.shape[1]))
    groups = as_tuples(find_near_duplicates(Z))
    assert all(len(set(frame_of[list(group)])) == 1 for group in groups)
