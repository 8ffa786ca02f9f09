import cv2
import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.sparse import coo_matrix, csr_matrix
from sklearn import config_context
from sklearn.base import BaseEstimator, TransformerMixin, clone
from sklearn.decomposition import PCA
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.ensemble import VotingClassifier
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from sklssl import RotNetEmbedder, SimCLREmbedder, ViewWhiteningEmbedder
from sklssl.exceptions import CollapseWarning
from sklssl.inspection import Comparison, compare_embedders
from sklssl.inspection._candidates import RawPixels
from sklssl.inspection._comparison import Result
from sklssl.inspection._label_draws import draw_rows
from tests._seed import SEED

N = 240


class Spy(TransformerMixin, BaseEstimator):
    """Rows by their number, which is their first pixel; remembers what it saw."""

    seen = {}  # of the class: a clone has to be found again

    def __init__(self, name="spy"):
        self.name = name

    def fit(self, X, y=None):
        Spy.seen[self.name] = {"fit": X[:, 0], "labels": y, "transform": []}
        return self

    def transform(self, X):
        Spy.seen[self.name]["transform"].append(X[:, 0])
        return X


class SpyProbe(KNeighborsClassifier):
    fitted, scored = [], []

    def fit(self, X, y):
        self.fitted.append(X[:, 0])
        return super().fit(X, y)

    def score(self, X, y):
        self.scored.append(X[:, 0])
        return super().score(X, y)


@pytest.fixture(scope="module")
def images(digits):
    return digits[0][:N]


@pytest.fixture(scope="module")
def labels(digits):
    return digits[1][:N] % 4


@pytest.fixture(scope="module")
def comparison(images, labels):
    embedder = RotNetEmbedder(max_epochs=1, random_state=SEED)
    return compare_embedders(
        images, labels, [embedder], n_labels=(3, 10), n_draws=3, random_state=SEED
    )


def compare_spy(y, **params):
    """Compare a spy on rows of their number; give what it and its probe saw."""
    SpyProbe.fitted.clear(), SpyProbe.scored.clear()
    X = np.c_[np.arange(len(y)), np.ones(len(y))].astype(np.float32)
    params = {"n_labels": (2, 5), "random_state": SEED, "baselines": False, **params}
    compare_embedders(X, y, Spy(), probe=SpyProbe(1), **params)
    return {name: np.array(seen, dtype=object) for name, seen in Spy.seen["spy"].items()}


def test_scores_agree_with_a_loop_by_hand(comparison, images, labels):
    untrained = comparison.estimators["untrained network"]
    features = {
        "raw pixels": images.reshape(N, -1).astype(float),
        "untrained network": untrained.transform(images),
        f"RotNetEmbedder(max_epochs=1, random_state={SEED})": None,
    }
    assert features.keys() == comparison.scores.keys()
    rng = np.random.RandomState(SEED)
    draws = draw_rows(
        labels,
        None,
        classes=np.arange(4),
        n_labels=[3, 10],
        n_draws=3,
        test_size=0.25,
        rng=rng,
    )
    embedder = RotNetEmbedder(max_epochs=1, random_state=SEED).fit(images[draws.train])
    rows = {row["name"]: row for row in comparison.rows}
    for name, Z in features.items():
        Z = embedder.transform(images) if Z is None else Z
        for i, n in enumerate([3, 10]):
            scores = []
            for draw in draws.labelled:
                lda = LinearDiscriminantAnalysis(solver="lsqr", shrinkage=0.3)
                logistic = LogisticRegression(C=min(0.1, 51.2 / Z.shape[1]), max_iter=1000)
                votes = VotingClassifier([("lda", lda), ("logistic", logistic)], voting="soft")
                components = PCA(4 * n - 1, random_state=0)
                probe = make_pipeline(StandardScaler(), components, votes)
                probe.fit(Z[draw[n]], labels[draw[n]])
                scores.append(np.mean(probe.predict(Z[draws.test]) == labels[draws.test]))
            # One image of 60 may be told otherwise where the last digits of the features differ.
            assert_allclose(comparison.scores[name][i], scores, atol=0.02)
            assert rows[name][f"mean_score_{n}"] == comparison.scores[name][i].mean()
            assert rows[name][f"std_score_{n}"] == comparison.scores[name][i].std()
        assert rows[name]["n_features"] == Z.shape[1]
        assert rows[name]["fit_time"] > 0
        assert rows[name]["transform_time"] > 0


def test_the_seed_decides(images, labels):
    def scores(seed, **params):
        embedder = RotNetEmbedder("convnet", max_epochs=1)  # without a seed of its own
        params = {"n_labels": 2, "n_draws": 2, "random_state": seed, **params}
        return compare_embedders(images, labels, {"it": embedder}, **params).scores

    first, again, other = scores(SEED), scores(SEED), scores(SEED + 1)
    for name, values in first.items():
        assert_array_equal(again[name], values)
    assert any((other[name] != values).any() for name, values in first.items())
    given = RotNetEmbedder("convnet", random_state=7, max_epochs=0)
    nested = make_pipeline(RotNetEmbedder("convnet", max_epochs=0), PCA(4))
    result = compare_embedders(
        images, labels, {"given": given, "nested": nested}, n_labels=2, random_state=SEED
    )
    assert result.estimators["given"].random_state == 7
    assert isinstance(result.estimators["nested"][0].random_state, int)
    assert nested[0].random_state is None  # only the clone has a seed


def test_embedders_see_the_training_part_alone_and_no_label():
    y = np.arange(80) % 4
    seen = compare_spy(y)
    test = set(SpyProbe.scored[0])
    assert len(test) == 20
    assert_array_equal(np.bincount(y[np.array(list(test), dtype=int)]), [5] * 4)
    assert set(seen["fit"]) == set(range(80)) - test
    assert Spy.seen["spy"]["labels"] is None
    assert len(SpyProbe.fitted) == 10  # two numbers of labels, five draws
    for rows, scored in zip(SpyProbe.fitted, SpyProbe.scored, strict=True):
        assert set(scored) == test
        assert not set(rows) & test
        assert len(set(rows)) == len(rows)
        assert len(set(np.bincount(y[rows.astype(int)]))) == 1
    for few, more in zip(SpyProbe.fitted[::2], SpyProbe.fitted[1::2], strict=True):
        assert (len(few), len(more)) == (8, 20)
        assert set(few) < set(more)
    assert len({tuple(rows) for rows in SpyProbe.fitted[::2]}) == 5


def test_all_embedders_see_the_same_draws():
    y = np.arange(80) % 4
    X = np.c_[np.arange(80), np.ones(80)].astype(np.float32)
    SpyProbe.fitted.clear()
    params = {"n_labels": 3, "baselines": False, "random_state": SEED}
    compare_embedders(X, y, [Spy("a"), Spy("b")], probe=SpyProbe(1), **params)
    assert_array_equal(SpyProbe.fitted[:5], SpyProbe.fitted[5:])
    assert_array_equal(Spy.seen["a"]["fit"], Spy.seen["b"]["fit"])


def test_scores_that_are_not_numbers_are_refused(images, labels):
    def undefined(probe, Z, y):
        return np.nan

    with pytest.raises(ValueError, match="'scoring' argument of compare_embedders returned NaN"):
        compare_embedders(images, labels, RawPixels(), scoring=undefined, n_labels=2)


def test_groups_stay_apart():
    y, groups = np.arange(120) % 3, np.arange(120) // 6
    y[110:] = -1
    seen = compare_spy(y, groups=[f"person {group}" for group in groups], test_size=0.2)
    tested = SpyProbe.scored[0].astype(int)
    learned = seen["fit"].astype(int)
    assert not set(groups[learned]) & set(groups[tested])
    assert len(set(groups[tested])) == 4  # of the 19 groups with a label
    assert (y[tested] >= 0).all()


@pytest.mark.parametrize(
    ("n_smallest", "expected"), [(100, [10, 50]), (60, [2, 10]), (8, [2]), (2, [1])]
)
def test_default_numbers_of_labels_are_those_that_the_smallest_class_allows(n_smallest, expected):
    codes = np.repeat([0, 1], [100, n_smallest])
    params = {"n_labels": None, "n_draws": 2, "classes": np.array(["ant", "bee"])}
    groups = np.arange(len(codes)) // (1 if n_smallest == 2 else 2)
    for some in (None, groups):
        rng = np.random.RandomState(SEED)
        draws = draw_rows(codes, some, test_size=0.25, rng=rng, **params)
        assert [list(draw) for draw in draws.labelled] == [expected] * 2


def test_default_numbers_of_labels_are_reported(images, labels):
    result = compare_embedders(images, labels, RawPixels(), baselines=False, random_state=SEED)
    assert result.n_labels == [2, 10]  # 36 images of the smallest class are for training
    assert "10 labels" in str(result)


def test_groups_leave_enough_labels_of_each_class():
    # Each class has a large group and small ones: many splits leave a class too few images.
    sizes = [8, 1, 1, 1] * 2
    groups, y = np.repeat(np.arange(8), sizes), np.repeat([0, 1], 11)
    params = {"classes": np.array(["ant", "bee"]), "n_draws": 1, "test_size": 0.25}
    for seed in range(10):
        rng = np.random.RandomState(seed)
        draws = draw_rows(y, groups, n_labels=[8], rng=rng, **params)
        assert np.bincount(y[draws.train]).min() >= 8
        assert np.bincount(y[draws.test]).all()
    with pytest.raises(ValueError, match="'n_labels' argument .* Set n_labels to 10 or less"):
        draw_rows(y, groups, n_labels=[11], rng=rng, **params)


def test_unlabelled_images_are_learned_from_and_not_tested_on():
    for marker, names in [(-1, np.arange(3)), ("-1", np.array(["ant", "bee", "cat"]))]:
        y = np.array([*names[np.arange(60) % 3], *[marker] * 30])
        seen = compare_spy(y)
        assert set(seen["fit"]) >= set(range(60, 90))
        assert max(SpyProbe.scored[0]) < 60
        assert max(map(max, SpyProbe.fitted)) < 60


def test_an_embedder_that_is_frozen_stays_as_it_is(images, labels):
    embedder = RotNetEmbedder("convnet", max_epochs=0, random_state=SEED).fit(images)
    Z = embedder.transform(images)
    frozen = FrozenEstimator(embedder)
    result = compare_embedders(images, labels, {"mine": frozen}, n_labels=2, baselines=False)
    assert result.estimators["mine"].estimator is embedder
    assert_array_equal(embedder.transform(images), Z)
    with pytest.raises(NotFittedError):
        compare_embedders(images, labels, [Spy(), FrozenEstimator(RotNetEmbedder())], n_labels=2)


def test_ways_to_give_embedders(images, labels):
    def names(embedders, **params):
        result = compare_embedders(images[:40], labels[:40], embedders, n_labels=2, **params)
        return sorted(result.scores)

    a, b = PCA(2), PCA(3)
    rows = images[:40].reshape(40, -1)
    for given in ({"a": a, "b": b}, [("a", a), ("b", b)]):
        result = compare_embedders(rows, labels[:40], given, n_labels=2, baselines=False)
        assert sorted(result.scores) == ["a", "b"]
        assert {row["name"]: row["n_features"] for row in result.rows} == {"a": 2, "b": 3}
    tiny = RotNetEmbedder(max_epochs=0)
    code = "RotNetEmbedder(max_epochs=0)"
    assert names(tiny) == [code, "raw pixels", "untrained network"]
    assert names([tiny, tiny], baselines=False) == [f"{code} #1", f"{code} #2"]
    long = SimCLREmbedder(max_epochs=0, batch_size=16, learning_rate=0.01, pool_size=2)
    assert names([long], baselines=False) == ["SimCLREmbedder"]


def test_the_default_embedders(images, labels, monkeypatch):
    monkeypatch.setattr(RotNetEmbedder, "fit", lambda self, X, y=None: self)
    monkeypatch.setattr(RotNetEmbedder, "transform", lambda self, X: np.ones((len(X), 2)))
    result = compare_embedders(images, labels, n_labels=2, image_size=16, random_state=SEED)
    assert set(result.scores) == {
        "raw pixels",
        "untrained network",
        "PatchDictionaryEmbedder()",
        "ViewWhiteningEmbedder()",
        "RotNetEmbedder()",
    }
    assert "different sizes" not in result.advice
    assert result.estimators["untrained network"].max_epochs == 0
    assert result.estimators["RotNetEmbedder()"].get_params() == {
        **RotNetEmbedder(image_size=16).get_params(),
        "random_state": result.estimators["RotNetEmbedder()"].random_state,
    }


def test_names_of_files(images, labels, tmp_path):
    paths = [str(tmp_path / f"{i}.png") for i in range(40)]
    for path, image in zip(paths, images, strict=False):
        cv2.imwrite(path, image)
    embedder = RotNetEmbedder("convnet", max_epochs=0, image_size=12, random_state=SEED)
    result = compare_embedders(paths, labels[:40], {"it": embedder}, n_labels=2, image_size=10)
    rows = {row["name"]: row["n_features"] for row in result.rows}
    assert rows["raw pixels"] == 300
    assert result.estimators["it"].image_shape_ == (12, 12, 3)
    assert result.estimators["untrained network"].image_shape_ == (10, 10, 3)


def test_raw_pixels(images):
    flat = images.reshape(N, -1)
    assert_array_equal(RawPixels().fit(images).transform(images), flat)
    assert_array_equal(RawPixels(image_shape=(8, 8)).fit(flat).transform(flat), flat)
    assert RawPixels(image_size=4).fit(images).transform(images).shape == (N, 16)
    large = np.random.default_rng(SEED).random((2, 130, 32, 3))
    assert RawPixels().fit(large).transform(large).shape == (2, 64 * 32 * 3)
    means = RawPixels().fit(large).transform(large).mean(axis=1)
    assert_allclose(means, large.mean(axis=(1, 2, 3)), atol=0.01)


def test_scoring_and_a_probe_of_ones_own(images, labels):
    def compare(**params):
        return compare_embedders(
            images, labels, Spied(), n_labels=5, random_state=0, baselines=False, **params
        ).scores["Spied()"]

    class Spied(RawPixels):
        pass

    accuracy = compare(probe=KNeighborsClassifier(3))
    assert_array_equal(compare(probe=KNeighborsClassifier(3), scoring="accuracy"), accuracy)
    assert (compare(scoring="neg_log_loss") < 0).all()
    assert (compare(scoring=lambda probe, Z, y: float(len(y))) == 60).all()


@pytest.mark.parametrize("as_labels", [np.asarray, np.array(["a", "b"]).__getitem__])
def test_the_default_probe_with_two_classes(images, labels, as_labels):
    usual = compare_embedders(images, labels % 2, RawPixels(), n_labels=3, random_state=SEED)
    y = as_labels(labels % 2)
    other = compare_embedders(images, y, RawPixels(), n_labels=3, random_state=SEED)
    assert_array_equal(other.scores["raw pixels"], usual.scores["raw pixels"])
    with pytest.warns(UserWarning, match="-1 and 1 are treated as two classes"):
        signed = compare_embedders(
            images, 2 * (labels % 2) - 1, RawPixels(), n_labels=3, random_state=SEED
        )
    assert_array_equal(signed.scores["raw pixels"], usual.scores["raw pixels"])


def test_metadata_routing(images, labels):
    usual = compare_embedders(images, labels, RawPixels(), n_labels=3, random_state=SEED)
    with config_context(enable_metadata_routing=True):
        routed = compare_embedders(images, labels, RawPixels(), n_labels=3, random_state=SEED)
    assert_array_equal(routed.scores["raw pixels"], usual.scores["raw pixels"])


@pytest.mark.parametrize("kind", [csr_matrix, coo_matrix])
def test_sparse_features(images, labels, kind):
    rows = images.reshape(N, -1)
    params = {"probe": LogisticRegression(max_iter=1000), "n_labels": 3, "random_state": SEED}
    embedders = {"dense": FunctionTransformer(), "sparse": FunctionTransformer(kind)}
    scores = compare_embedders(rows, labels, embedders, baselines=False, **params).scores
    assert_allclose(scores["sparse"], scores["dense"], atol=0.02)
    with pytest.raises(ValueError, match="default classifier needs dense features"):
        compare_embedders(rows, labels, embedders["sparse"], n_labels=3, baselines=False)


def test_a_bad_parameter_of_an_embedder_is_that_of_the_embedder(images, labels):
    bad = RotNetEmbedder(max_epochs=-3)
    with pytest.raises(ValueError, match="'max_epochs' parameter of RotNetEmbedder.*Got -3"):
        compare_embedders(images, labels, bad, n_labels=2, baselines=False)


def test_lists_and_numbers_as_labels_and_data_frames(images, labels):
    params = {"embedders": {"it": PCA(2, random_state=0)}, "n_labels": 3, "random_state": SEED}
    rows = images.reshape(N, -1)
    usual = compare_embedders(rows, labels, baselines=False, **params).scores["it"]
    frame = pd.DataFrame(rows, columns=[f"p{i}" for i in range(64)])
    for X, y in [(frame, pd.Series(labels)), (list(rows), list(labels))]:
        scores = compare_embedders(X, y, baselines=False, **params).scores
        assert_array_equal(scores["it"], usual)


def make_comparison(scores, fit_times=None, estimators=None, **params):
    """Make a comparison of given scores of five draws."""
    estimators = estimators or {}
    fit_times = fit_times or [1.0] * len(scores)
    results = {
        name: Result(np.atleast_2d(values), 10, time, 0.5, estimators.get(name, Spy(name)))
        for (name, values), time in zip(scores.items(), fit_times, strict=True)
    }
    n_labels = [10, 50][: len(next(iter(results.values())).scores)]
    return Comparison(results, n_labels, **{"n_images": (900, 100), **params})


NOISE = np.array([-0.01, 0.01, 0.0, 0.02, -0.02])


def test_advice_takes_the_best():
    pixels, good = 0.5 + NOISE, 0.771 + NOISE[::-1]
    result = make_comparison({"raw pixels": pixels, "A()": good}, [0.0, 15.2])
    assert [row["name"] for row in result.rows] == ["A()", "raw pixels"]
    assert result.choice == "A()"
    assert result.advice == (
        "Use A(): it reaches 77.1 % with 10 labels per class (raw pixels 50.0 %), fitted in 15.2 s."
    )
    two = make_comparison({"raw pixels": [pixels, good], "A()": [good, 0.9 + NOISE]})
    assert "Use A(): it reaches 77.1 and 90.0 % with 10 and 50 labels per class (raw" in two.advice
    assert "(raw pixels 50.0 and 77.1 %)" in two.advice


def test_advice_takes_what_is_faster_within_the_spread():
    scores = {
        "raw pixels": 0.5 + NOISE,
        "slow": 0.772 + NOISE,
        "fast": 0.77 + NOISE[::-1],
        "untrained network": 0.7 + NOISE,
    }
    result = make_comparison(scores, [0.0, 90.0, 3.0, 0.1])
    assert result.rows[0]["name"] == "slow"
    assert result.choice == "fast"
    assert "Use fast: it reaches 77.0 %" in result.advice
    assert "slow is not better by more than the spread, and takes longer" in result.advice
    # Draw by draw slow is always better here, by the same: that is no chance.
    result = make_comparison({**scores, "fast": 0.77 + NOISE}, [0.0, 90.0, 3.0, 0.1])
    assert result.choice == "slow"
    result = make_comparison({"untrained network": 0.7 + NOISE, "slow": 0.6 + NOISE})
    assert result.advice.startswith("Use the untrained network: it reaches 70.0 % with 10")
    assert "raw pixels" not in result.advice


def test_advice_takes_nothing_that_may_be_worse_than_pixels():
    noisy = 0.6 + 20 * NOISE
    scores = {"raw pixels": 0.65 + NOISE, "good": 0.7 + NOISE[::-1], "noisy": noisy}
    result = make_comparison(scores, [0.0, 9.0, 0.1])
    assert not result._is_better("good", "noisy")  # by more than the spread
    assert result.choice == "good"
    result = make_comparison({**scores, "noisy": noisy + 0.2}, [0.0, 9.0, 0.1])
    assert result.rows[0]["name"] == "noisy"
    assert result.choice == "good"
    assert "noisy is not better than raw pixels by more than the spread." in result.advice


def test_advice_where_nothing_is_better_than_pixels():
    scores = {"raw pixels": 0.77 + NOISE, "A()": 0.771 + NOISE[::-1]}
    result = make_comparison(scores)
    assert result.rows[0]["name"] == "A()"
    assert result.choice == "raw pixels"
    assert "No embedder is better than raw pixels here by more than the spread" in result.advice
    assert "900 images are few" in result.advice
    assert "init_weights=" in result.advice
    many = make_comparison(scores, n_images=(50_000, 100))
    assert "few" not in many.advice
    assert "more epochs" in many.advice


def test_advice_where_nothing_can_be_gained():
    high = 0.995 + NOISE / 10
    scores = {"raw pixels": [np.ones(5), high], "A()": [np.ones(5), high[::-1]]}
    for scoring in (None, "balanced_accuracy", "f1_macro", "roc_auc_ovr"):
        advice = make_comparison(scores, scoring=scoring).advice
        assert advice.endswith("They suffice: there is nothing left to gain.")
        assert "pretrained" not in advice
    assert "suffice" not in make_comparison(scores, scoring="neg_log_loss").advice
    scores["raw pixels"] = [0.6 + NOISE, np.ones(5)]
    scores["A()"] = [0.6 + NOISE[::-1], np.ones(5)]
    assert "suffice" not in make_comparison(scores).advice  # with 10 labels more is possible


def test_advice_where_all_scores_are_the_same():
    advice = make_comparison({"raw pixels": 0.25 + NOISE, "A()": 0.25 + NOISE}).advice
    assert advice.endswith("if these can be better, check that the images differ.")
    assert "pretrained" not in advice


@pytest.mark.parametrize(
    ("symmetry", "symmetry_", "is_averaged"),
    [
        ("auto", "mirror", True),
        ("auto", None, False),
        ("all", "unknown", True),
        (None, "unknown", False),
    ],
)
def test_advice_where_the_average_over_mirrored_images_loses(symmetry, symmetry_, is_averaged):
    embedder = RotNetEmbedder(symmetry=symmetry)
    embedder.symmetry_ = symmetry_
    worse = {"A()": embedder}
    scores = {"raw pixels": 0.9 + NOISE, "A()": 0.7 + NOISE[::-1]}
    advice = make_comparison(scores, estimators=worse).advice
    assert ("A() averages features over mirrored images" in advice) == is_averaged
    assert ("try symmetry=None" in advice) == is_averaged
    similar = {**scores, "A()": 0.899 + NOISE[::-1]}
    assert "symmetry" not in make_comparison(similar, estimators=worse).advice
    baseline = {"raw pixels": scores["raw pixels"], "untrained network": scores["A()"]}
    advice = make_comparison(baseline, estimators={"untrained network": embedder}).advice
    assert "symmetry" not in advice


@pytest.mark.parametrize(
    ("largest", "is_said"),
    [
        (("healthy", 0.933), True),
        (("healthy", 0.7), True),  # below the score, but not by much
        (("healthy", 0.6), False),
        ((3, 0.5), False),
    ],
)
def test_what_the_largest_class_alone_would_reach(largest, is_said):
    scores = {"raw pixels": 0.5 + NOISE, "A()": 0.771 + NOISE[::-1]}
    result = make_comparison(scores, largest=largest)
    said = f"Answering always 'healthy' would reach {100 * largest[1]:.1f} %: consider scoring"
    assert (said in str(result)) == is_said
    assert ("always" in result.advice) == is_said
    low = {"A()": 0.58 + NOISE}
    assert ("always" in make_comparison(low, largest=largest).advice) == (largest[1] > 0.5)
    other = make_comparison(scores, largest=largest, scoring="balanced_accuracy")
    assert "always" not in other.advice


def test_the_largest_class_is_that_of_the_test_images(images):
    y = np.array(["healthy", "sick"])[(np.arange(N) % 12 == 0).astype(int)]
    result = compare_embedders(images, y, RawPixels(), n_labels=3, baselines=False)
    assert "Answering always 'healthy' would reach 91.7 %" in str(result)
    assert "consider scoring='balanced_accuracy'" in result._repr_html_().replace("&#x27;", "'")


def test_images_that_are_not_square(images, labels):
    wide = np.concatenate([images, images], axis=2)[:80]
    result = compare_embedders(wide, labels[:80], RawPixels(), n_labels=2, random_state=SEED)
    untrained = result.estimators["untrained network"]
    assert untrained.image_shape_ == (8, 16, 1)
    same = RotNetEmbedder("convnet", max_epochs=0, random_state=untrained.random_state)
    Z = clone(untrained).fit(images).transform(images)
    assert_array_equal(same.fit(images).transform(images), Z)
    with pytest.raises(ValueError, match="'image_size' argument of compare_embedders is None.*Rot"):
        compare_embedders(wide, labels[:80], n_labels=2, baselines=False, random_state=SEED)


def test_files_of_several_sizes(images, labels, tmp_path):
    paths = [str(tmp_path / f"{i}.png") for i in range(40)]
    for i, (path, image) in enumerate(zip(paths, images, strict=False)):
        cv2.imwrite(path, image[: 8 - i % 2])
    embedder = RotNetEmbedder("convnet", max_epochs=0, image_size=8)
    message = (
        "'image_size' argument of compare_embedders is None, but the embedder 'raw.*differ in size"
    )
    with pytest.raises(ValueError, match=message):
        compare_embedders(paths, labels[:40], embedder, n_labels=2)
    same = compare_embedders(paths, labels[:40], embedder, n_labels=2, image_size=8)
    assert "different sizes" not in same.advice
    other = compare_embedders(paths, labels[:40], {"A": embedder}, n_labels=2, image_size=16)
    assert "8x8 pixels for A" in other.advice
    assert "Set the same image_size" in str(other)


def test_arrays_that_embedders_resize_differently(images, labels):
    embedders = {"A": RawPixels(), "B": RawPixels(image_size=16)}
    result = compare_embedders(images, labels, embedders, n_labels=2, baselines=False)
    assert "8x8 pixels for A" in result.advice
    assert "16x16 pixels for B" in result.advice
    inner = RotNetEmbedder("convnet", max_epochs=0, image_size=16)
    whitened = {"A": ViewWhiteningEmbedder(inner), "B": RawPixels(image_size=16)}
    result = compare_embedders(images, labels, whitened, n_labels=2, baselines=False)
    assert "different sizes" not in result.advice


def test_baselines_do_not_warn_of_a_collapse(labels, recwarn):
    grey = np.zeros((N, 8, 8, 1), np.uint8)
    compare_embedders(grey, labels, {"A": RawPixels()}, n_labels=2, random_state=SEED)
    assert not [w for w in recwarn if issubclass(w.category, CollapseWarning)]
    own = RotNetEmbedder("convnet", max_epochs=0)
    with pytest.warns(CollapseWarning, match="RotNetEmbedder"):
        compare_embedders(grey, labels, own, n_labels=2, random_state=SEED)


def test_few_labels_of_many_classes_are_no_regression(images, recwarn):
    y = np.arange(N) % 26
    compare_embedders(images, y, RawPixels(), n_labels=(1, 2), baselines=False, random_state=SEED)
    assert not [str(w.message) for w in recwarn if "regression" in str(w.message)]


def test_the_table():
    scores = {"raw pixels": [0.5 + NOISE] * 2, "<b>": [0.7 + NOISE] * 2}
    result = make_comparison(scores)
    title, _, heads, *lines, _, advice = str(result).splitlines()
    assert title == (
        "accuracy in % by labels per class, mean ± spread of 5 draws; 900 training and 100 test "
        "images"
    )
    assert heads.split("  ")[-1] == "s/1000 images"
    assert [len(line) for line in (heads, *lines)] == [len(heads)] * 3
    assert lines[0].split() == ["<b>", *["70.0", "±", "1.4"] * 2, "10", "1.0", "0.50"]
    assert advice == result.advice
    assert repr(result) == "<Comparison of 2 embedders; choice: '<b>'>"
    html = result._repr_html_()
    assert html.count("<tr>") == 3
    assert "<td>&lt;b&gt;</td><td>70.0 ± 1.4</td>" in html
    other = make_comparison(scores, scoring="balanced_accuracy")
    assert str(other).startswith("balanced_accuracy by labels per class")
    assert "0.700 ± 0.014" in str(other)


def test_the_frame(comparison):
    frame = comparison.to_frame()
    assert frame.index.tolist() == [row["name"] for row in comparison.rows]
    assert frame.columns.tolist() == [
        *("mean_score_3", "std_score_3", "mean_score_10", "std_score_10"),
        *("n_features", "fit_time", "transform_time"),
    ]
    means = frame[["mean_score_3", "mean_score_10"]].mean(axis=1)
    assert means.is_monotonic_decreasing
    assert len(pd.DataFrame(comparison.rows)) == 3


def test_lines_while_it_runs(images, labels, capsys):
    compare_embedders(images, labels, RawPixels(), n_labels=2, verbose=1, baselines=False)
    assert "[compare_embedders] RawPixels(): 0." in capsys.readouterr().out


def test_features_that_are_all_the_same(images, labels):
    scores = compare_embedders(np.ones_like(images), labels, RawPixels(), n_labels=3).scores
    assert_allclose(scores["raw pixels"], np.mean(labels == 0), atol=0.02)


def test_what_an_embedder_raises_names_it(images, labels):
    with pytest.raises(ValueError, match="image_shape") as info:
        compare_embedders(images, labels, {"odd": RawPixels(image_shape=(5, 5))}, n_labels=2)
    assert "the embedder 'odd': RawPixels(image_shape=(5, 5))" in info.value.__notes__[0]

    class Maps(RawPixels):
        def transform(self, X):
            return X

    with pytest.raises(ValueError, match=r"needs features of shape.*\(.*, 8, 8, 1\)"):
        compare_embedders(images, labels, Maps(), n_labels=2, baselines=False)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"y": None}, "compare_embedders requires y"),
        ({"y": np.zeros(N)}, "compare_embedders needs labels of at least two classes"),
        ({"y": np.full(N, -1)}, "compare_embedders needs labels"),
        ({"y": np.arange(9)}, r"'y' argument of compare_embedders.*one value an image.*\[240, 9\]"),
        ({"y": np.linspace(0, 1, N)}, "compare_embedders.*continuous"),
        ({"y": np.full(N, np.nan)}, "y of compare_embedders contains nan"),
        (
            {"y": np.r_[["fox"], np.array(["ant", "bee"])[np.arange(N - 1) % 2]]},
            "compare_embedders needs at least 2 images of each class.* only 1 of 'fox'. Label",
        ),
        (
            {"y": np.r_[np.arange(2, 9), np.arange(N - 7) % 2]},
            "only 1 of 2, 3, 4, 5, 6 and 2 more. Label",
        ),
        (
            {"y": np.r_[["fox"] * 2, np.array(["ant", "bee"])[np.arange(N - 2) % 2]]},
            "1 of 3 classes have no test image: 'fox'. Set",
        ),
        ({"X": np.zeros((N, 8, 8, 1, 1))}, "compare_embedders expects images"),
        ({"X": np.full((N, 8, 8), np.nan)}, "NaN"),
        (
            {"n_labels": 46},
            "'n_labels' argument.*46 labels of each.*has only 36 labelled.*n_labels to 36 or less",
        ),
        (
            {"n_labels": 4, "y": np.r_[["fox"] * 4, np.array(["ant", "bee"])[np.arange(236) % 2]]},
            "the smallest, 'fox', has only 3 labelled images.*Set n_labels to 3 or less",
        ),
        ({"n_labels": (2, 0)}, r"'n_labels' argument of compare_embedders.*Got \(2, 0\)"),
        ({"n_labels": ()}, r"'n_labels' argument of compare_embedders.*Got \(\)"),
        ({"n_labels": 2.5}, "'n_labels' parameter of compare_embedders.*Got 2.5"),
        ({"n_labels": (2, 2.5)}, r"'n_labels' argument.*Got \(2, 2.5\)"),
        ({"n_draws": 1}, "'n_draws' parameter of compare_embedders.*Got 1"),
        ({"test_size": 0}, "'test_size' parameter of compare_embedders.*Got 0"),
        ({"test_size": 1.5}, "'test_size' parameter of compare_embedders"),
        ({"test_size": 2}, "'test_size' argument of compare_embedders is 2.*number of classes"),
        ({"test_size": N}, "'test_size' argument of compare_embedders is 240"),
        ({"groups": np.arange(9)}, r"'groups' argument.*one value an image.*\[240, 9\]"),
        (
            {"groups": np.zeros((N, 2))},
            "'groups' argument of compare_embedders must hold one group",
        ),
        (
            {"groups": [None, "a"] * (N // 2)},
            "'groups' argument of compare_embedders must hold one",
        ),
        (
            {"groups": np.where(np.arange(N) > 9, np.arange(N), np.nan)},
            "'groups' argument of compare.*10 of 240 rows have none, the first in row 0",
        ),
        ({"probe": Ridge}, "'probe' argument of compare_embedders.*classifier.*Got <class"),
        ({"groups": np.ma.array(np.arange(N), mask=np.arange(N) < 9)}, "groups is a masked array"),
        ({"groups": np.zeros(N)}, "'test_size' argument"),
        (
            {"y": np.arange(N) % 4, "groups": np.arange(N) % 4},
            "classes have no test image.*more groups",
        ),
        ({"probe": Ridge()}, r"'probe' argument of compare_embedders.*classifier.*Got Ridge\(\)"),
        ({"probe": "ridge"}, "'probe' parameter of compare_embedders"),
        ({"scoring": "acuracy"}, "'scoring' argument of compare_embedders.*Got 'acuracy'"),
        ({"scoring": ["accuracy"]}, "'scoring' parameter of compare_embedders"),
        ({"embedders": []}, r"'embedders' argument of compare_embedders must be.*Got \[\]"),
        ({"embedders": {}}, r"'embedders' argument.*Got {}"),
        ({"embedders": "rotnet"}, "'embedders' argument.*Got 'rotnet'"),
        ({"embedders": ["rotnet"]}, "'embedders' argument.*must contain embedders.*Got 'rotnet'"),
        ({"embedders": Spy}, "'embedders' argument.*a class: pass an instance"),
        (
            {"embedders": [LogisticRegression()]},
            r"'embedders' argument.*Got LogisticRegression\(\)",
        ),
        ({"embedders": [(3, Spy())]}, "must use strings as names. Got 3"),
        ({"embedders": [("a", Spy()), ("a", Spy())]}, "the name 'a' 2 times"),
        ({"embedders": [("Spy() #1", Spy()), Spy(), Spy()]}, r"the name 'Spy\(\) #1' 2 times"),
        ({"embedders": {"raw pixels": Spy()}}, "'raw pixels', the name of a baseline"),
        ({"image_size": 2}, "'image_size' parameter of compare_embedders"),
        ({"image_shape": (3, 3)}, "image_shape"),
        ({"random_state": "seed"}, "'random_state' parameter of compare_embedders"),
    ],
)
def test_bad_arguments_are_refused_before_anything_is_fitted(images, labels, change, message):
    Spy.seen.clear()
    params = {"X": images, "y": labels, "embedders": [Spy()], "n_labels": 2, **change}
    with pytest.raises((ValueError, TypeError), match=message):
        compare_embedders(**params)
    assert not Spy.seen
