import numpy as np
import pytest
from sklearn.datasets import load_digits, make_blobs
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklssl.curation import _select_to_label, select_to_label
from tests._seed import SEED


@pytest.fixture(scope="module")
def blobs():
    """Ten clusters, far apart, of 20 to 40 images."""
    centres = 100 * np.random.RandomState(SEED).normal(size=(10, 16))
    sizes = np.random.RandomState(SEED).randint(20, 41, size=10)
    return make_blobs(sizes, centers=centres, random_state=SEED)


def mean_accuracy(choices, Z, y, Z_test, y_test):
    probe = make_pipeline(StandardScaler(), LogisticRegression(C=5 / Z.shape[1], max_iter=1000))
    return np.mean([probe.fit(Z[rows], y[rows]).score(Z_test, y_test) for rows in choices])


@pytest.mark.parametrize(("n", "margin"), [(10, 0.1), (50, 0.03)])
def test_the_choice_is_better_than_random(n, margin):
    Z, y = load_digits(return_X_y=True)
    order = np.random.RandomState(SEED).permutation(len(Z))
    Z, y = Z[order], y[order]
    sets = Z[:1300], y[:1300], Z[1300:], y[1300:]
    rng = np.random.RandomState(SEED)
    random = mean_accuracy([rng.permutation(1300)[:n] for _ in range(20)], *sets)
    chosen = mean_accuracy([select_to_label(Z[:1300], n, random_state=SEED)], *sets)
    assert chosen > random + margin


def test_every_cluster_gets_a_label_before_any_gets_a_second(blobs):
    Z, clusters = blobs
    rows = select_to_label(Z, 10, random_state=SEED)
    assert sorted(clusters[rows]) == list(range(10))


def test_clusters_without_a_label_come_first(blobs):
    Z, clusters = blobs
    y = np.where(clusters < 6, 1, -1)
    y[::2] = -1
    assert set(clusters[y == 1]) == set(range(6))
    rows = select_to_label(Z, 4, y, random_state=SEED)
    assert sorted(clusters[rows]) == [6, 7, 8, 9]


def test_labelled_rows_are_never_chosen(blobs):
    Z, clusters = blobs
    y = np.full(len(Z), -1)
    known = np.random.RandomState(SEED).permutation(len(Z))[: len(Z) // 2]
    y[known] = clusters[known]
    rows = select_to_label(Z, len(Z) - len(known), y, random_state=SEED)
    assert sorted(rows) == sorted(np.setdiff1d(np.arange(len(Z)), known))


def test_further_choices_continue_the_first(blobs):
    Z, clusters = blobs
    rows = select_to_label(Z, 30, random_state=SEED)
    assert rows[:12].tolist() == select_to_label(Z, 12, random_state=SEED).tolist()
    y = np.full(len(Z), -1)
    y[rows[:12]] = clusters[rows[:12]]
    assert select_to_label(Z, 18, y, random_state=SEED).tolist() == rows[12:].tolist()


@pytest.mark.parametrize("unlabelled", [None, -1, "-1"])
def test_no_labels_at_all(blobs, unlabelled):
    Z = blobs[0]
    y = None if unlabelled is None else [unlabelled] * len(Z)
    rows = select_to_label(Z, 10, y, random_state=SEED)
    assert rows.tolist() == select_to_label(Z, 10, random_state=SEED).tolist()


def test_strings_and_a_single_class_are_labels(blobs):
    Z = blobs[0]
    numbers = np.full(len(Z), -1)
    numbers[:5] = 1
    names = np.where(numbers == 1, "cat", "-1")
    mixed = np.array(["cat" if number == 1 else -1 for number in numbers], dtype=object)
    chosen = [select_to_label(Z, 10, y, random_state=SEED) for y in (numbers, names, mixed)]
    assert chosen[0].tolist() == chosen[1].tolist() == chosen[2].tolist()
    assert chosen[0].min() >= 5


def test_equal_seeds_choose_alike_and_leave_the_global_state(monkeypatch, blobs):
    monkeypatch.setattr(_select_to_label, "_N_SAMPLES", 50)  # so that rows are sampled
    Z = blobs[0]
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    rows = select_to_label(Z, 9, random_state=SEED)
    assert rows.tolist() == select_to_label(Z, 9, random_state=SEED).tolist()
    assert any(
        rows.tolist() != select_to_label(Z, 9, random_state=seed).tolist()
        for seed in range(SEED + 1, SEED + 4)
    )
    np.testing.assert_array_equal(np.random.get_state()[1], before)  # noqa: NPY002


def test_the_order_scale_and_type_of_the_data_do_not_matter(blobs):
    Z = blobs[0]
    rows = select_to_label(Z, 15, random_state=SEED)
    order = np.random.RandomState(SEED).permutation(len(Z))
    assert order[select_to_label(Z[order], 15, random_state=SEED)].tolist() == rows.tolist()
    scaled = 1000 * Z * np.arange(1, Z.shape[1] + 1) + 7
    assert select_to_label(scaled, 15, random_state=SEED).tolist() == rows.tolist()
    assert select_to_label(Z.tolist(), 15, random_state=SEED).tolist() == rows.tolist()
    assert select_to_label(Z.astype(np.float32), 10, random_state=SEED).dtype == np.intp


def test_doubles_are_chosen_last(blobs):
    Z = np.concatenate([blobs[0], blobs[0][:30]])
    rows = select_to_label(Z, len(blobs[0]), random_state=SEED)
    assert len(np.unique(Z[rows], axis=0)) == len(blobs[0])


def test_the_lazy_choice_is_the_greedy_one(blobs, monkeypatch):
    monkeypatch.setattr(_select_to_label, "_LAZY_BLOCK", 8)
    P = _select_to_label._project(blobs[0], np.random.RandomState(SEED))
    gamma, n = 3.0, 25
    similarity = np.exp(-gamma * ((P[:, None] - P) ** 2).sum(axis=2))
    covered, slow = np.zeros(len(P)), []
    for _ in range(n):
        gains = np.maximum(similarity - covered, 0).sum(axis=1)
        gains[slow] = -1
        slow.append(int(gains.argmax()))
        covered = np.maximum(covered, similarity[slow[-1]])
    fast = _select_to_label._choose(P, n, P, np.zeros(len(P)), gamma)
    assert fast.tolist() == slow


def test_a_sample_of_the_images_covers_like_all(monkeypatch, blobs):
    monkeypatch.setattr(_select_to_label, "_N_SAMPLES", 150)
    Z, clusters = blobs
    rows = select_to_label(Z, 10, random_state=SEED)
    assert sorted(clusters[rows]) == list(range(10))


def test_masked_labels():
    Z = np.random.default_rng(SEED).standard_normal((20, 3))
    with pytest.raises(ValueError, match="select_to_label needs all values, but y is a masked"):
        select_to_label(Z, 2, np.ma.masked_less(np.arange(len(Z)), 5))


def test_identical_images():
    rows = select_to_label(np.ones((5, 3)), 5, random_state=SEED)
    assert sorted(rows) == [0, 1, 2, 3, 4]


def test_most_images_are_identical():
    Z = np.zeros((40, 3))
    Z[:3] = np.eye(3)
    rows = select_to_label(Z, 4, random_state=SEED)
    assert set(range(3)) < set(rows)


def test_one_image():
    assert select_to_label([[1.0, 2.0]], 1).tolist() == [0]


@pytest.mark.parametrize("n", [0, -1, 4, 2.0, "3", True, None])
def test_an_invalid_number(n):
    with pytest.raises(ValueError, match=r"The 'n' argument of select_to_label .* from 1 to 3, .*"):
        select_to_label(np.eye(5), n, [-1, 2, -1, 0, -1])


@pytest.mark.parametrize(
    ("Z", "message"),
    [
        ([[1.0, np.nan]], "'Z' argument of select_to_label must hold finite .* contains NaN"),
        ([1.0, 2.0], "'Z' argument of select_to_label must hold finite .* 1D array instead"),
        (np.empty((0, 3)), "'Z' argument of select_to_label .* at least 1 image,"),
    ],
)
def test_invalid_features(Z, message):
    with pytest.raises(ValueError, match=message):
        select_to_label(Z, 1)


@pytest.mark.parametrize(
    ("y", "message"),
    [
        ([-1, 0], "'y' argument of select_to_label must hold a label or -1 for each row of Z"),
        (np.zeros((3, 2)), "'y' argument of select_to_label must hold a label or -1"),
        ([-1, np.nan, 0], "The y of select_to_label contains nan in 1 of 3 rows"),
        ([-1, None, "cat"], "The y of select_to_label contains None in 1 of 3 rows"),
        ([1, 2, 3], "'y' argument .* must mark the images to choose from by -1, but all 3"),
    ],
)
def test_invalid_labels(y, message):
    with pytest.raises(ValueError, match=message):
        select_to_label(np.eye(3), 1, y)


def test_blocks_of_rows_are_as_good_as_an_array():
    Z = np.random.default_rng(SEED).normal(size=(50, 6)).astype(np.float32)
    rows = select_to_label(Z, 5, random_state=SEED)
    blocks = (Z[start : start + 20] for start in range(0, 50, 20))
    np.testing.assert_array_equal(select_to_label(blocks, 5, random_state=SEED), rows)
