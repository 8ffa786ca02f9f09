"""Watching a training: probes, early ends, and scikit-learn's own callbacks."""

import copy
import pickle

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from sklearn import config_context
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklssl import FineTuneClassifier, MultiScaleEmbedder, RotNetEmbedder, ScaleNetEmbedder
from sklssl.callbacks import EarlyStopping, ProbeMonitor
from sklssl.metrics import knn_score, knn_scorer
from tests._estimators import quick
from tests._seed import SEED

try:
    import sklearn.callback as skl
except ImportError:
    skl = None
needs_sklearn_callbacks = pytest.mark.skipif(skl is None, reason="scikit-learn before 1.9")


@pytest.fixture(scope="module")
def X_val(digits):
    return digits[0][100:160]


@pytest.fixture(scope="module")
def y_val(digits):
    return digits[1][100:160]


# ProbeMonitor ----------------------------------------------------------------------------------


@pytest.mark.parametrize("probe", ["knn", "linear"])
def test_probe_monitor_records_every_few_epochs_and_changes_nothing(X, X_val, y_val, probe):
    expected, term = {}, f"{probe}_accuracy"

    def measure(embedder, row):
        Z = embedder.transform(X_val)
        linear = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
        expected[row["epoch"]] = (
            knn_score(Z, y_val, n_neighbors=5)
            if probe == "knn"
            else cross_val_score(linear, Z, y_val, cv=2).mean()
        )

    monitor = ProbeMonitor(X_val, y_val, every=2, probe=probe, n_neighbors=5, cv=2)
    before = np.random.get_state()[1].copy()  # noqa: NPY002 # it is this one that must stay
    embedder = quick(max_epochs=5, callbacks=[monitor, measure]).fit(X)
    assert_array_equal(np.random.get_state()[1], before)  # noqa: NPY002
    assert [row.get(term) for row in embedder.history_] == [
        None, expected[2], None, expected[4], None
    ]  # fmt: skip
    plain = quick(max_epochs=5).fit(X)
    assert_array_equal(embedder.transform(X), plain.transform(X))
    for row, plain_row in zip(embedder.history_, plain.history_, strict=True):
        assert row.keys() - {term} == plain_row.keys()
        assert row["loss"] == plain_row["loss"]


@pytest.mark.parametrize("make", [ScaleNetEmbedder, MultiScaleEmbedder])
def test_probe_monitor_at_several_scales(X, X_val, y_val, make):
    monitor = ProbeMonitor(X_val, y_val, every=2, n_neighbors=5)
    settings = {"backbone": "convnet", "callbacks": [monitor], "random_state": SEED}
    inner = {} if make is ScaleNetEmbedder else {"estimator": RotNetEmbedder(**settings)}
    embedder = make(max_epochs=(1, 2), **inner, **({} if inner else settings)).fit(X)
    assert [("knn_accuracy" in row) for row in embedder.history_] == [False, True, False]


def test_probe_monitor_counts_on_where_training_is_taken_up_again(X, X_val, y_val):
    monitor = ProbeMonitor(X_val, y_val, every=2, n_neighbors=5)
    embedder = quick(callbacks=[monitor], warm_start=True).fit(X).fit(X).partial_fit(X)
    assert [("knn_accuracy" in row) for row in embedder.history_] == [False, True, False]


def test_probe_monitor_in_a_grid_search(X, y, X_val, y_val):
    monitor = ProbeMonitor(X_val, y_val, every=1, n_neighbors=5)
    pipe = make_pipeline(quick(callbacks=[monitor]), LogisticRegression(max_iter=1000))
    search = GridSearchCV(pipe, {"rotnetembedder__pool_size": [1, 2]}, cv=2, n_jobs=2)
    embedder = search.fit(X, y).best_estimator_[0]
    assert embedder.callbacks[0].X_val is X_val  # a copy shares the images
    assert 0 < embedder.history_[0]["knn_accuracy"] <= 1


def test_probe_monitor_takes_rows_frames_and_names_of_classes(X, X_val, y_val):
    pandas = pytest.importorskip("pandas")
    named = np.array(list("abcdefghij"))[y_val]
    rows = X_val.reshape(len(X_val), -1)
    scores = []
    for images, labels in [(X_val, y_val), (rows, named), (pandas.DataFrame(rows), list(named))]:
        monitor = ProbeMonitor(images, labels, every=1, n_neighbors=5)
        with config_context(transform_output="pandas"):
            embedder = quick(callbacks=[monitor]).fit(X)
        scores.append(embedder.history_[0]["knn_accuracy"])
    assert scores == [scores[0]] * 3


def test_probe_monitor_and_early_stopping_of_a_fine_tuning(X, y, X_val, y_val):
    monitor = ProbeMonitor(X_val, y_val, every=2, n_neighbors=5)
    stop = EarlyStopping("knn_accuracy", patience=1, min_delta=1)
    model = FineTuneClassifier(
        quick().fit(X), max_epochs=9, callbacks=[monitor, stop], random_state=SEED
    ).fit(X, y)
    assert [("knn_accuracy" in row) for row in model.history_] == [False, True, False, True]


def test_images_that_do_not_fit_end_the_first_epoch(X, y_val):
    monitor = ProbeMonitor(np.zeros((60, 9, 9)), y_val, every=5)
    with pytest.raises(ValueError, match="'X_val' parameter of ProbeMonitor.*fitted on images of"):
        quick(max_epochs=9, callbacks=[monitor]).fit(X)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"probe": "svm"}, r"'probe' parameter of ProbeMonitor.*\['knn', 'linear'\]. Got 'svm'"),
        ({"every": 0}, "'every' parameter of ProbeMonitor must be a whole number from 1. Got 0"),
        ({"every": 2.5}, "'every' parameter.*Got 2.5"),
        ({"n_neighbors": 60}, "'n_neighbors' parameter of ProbeMonitor.*from 1 to 59.*Got 60"),
        ({"y_val": np.zeros(5)}, "'y_val' parameter of ProbeMonitor.*inconsistent"),
        ({"y_val": np.full(60, np.nan)}, "'y_val' parameter of ProbeMonitor.*nan"),
        ({"y_val": np.linspace(0, 1, 60)}, "'y_val' parameter of ProbeMonitor.*continuous"),
        ({"X_val": [b"a.png"] * 60}, "'X_val' parameter of ProbeMonitor.*b'a.png'.*fsdecode"),
        ({"probe": "linear", "cv": 1}, "'cv' parameter of ProbeMonitor.*from 2. Got 1"),
        ({"probe": "linear", "cv": 40}, r"'cv' parameter of ProbeMonitor is 40, but the class"),
        (
            {"probe": "linear", "y_val": np.r_[7, np.arange(59) % 2]},
            "the class 7 has only 1 image in y_val, and each fold needs one. Pass more images",
        ),
        ({"probe": "linear", "y_val": np.ones(60, int)}, r"two classes.*Got \[1\]"),
    ],
)
def test_probe_monitor_refuses(X_val, y_val, change, message):
    with pytest.raises(ValueError, match=message):
        ProbeMonitor(**{"X_val": X_val, "y_val": y_val, **change})


# EarlyStopping ---------------------------------------------------------------------------------


class Trained:
    """An estimator whose rows are given."""

    def __init__(self, values, name="loss"):
        self.history_ = []
        self.callbacks = []
        self.rows = [{} if value is None else {name: value} for value in values]

    def epochs_until(self, stop):
        from sklssl.exceptions import StopTraining

        for row in self.rows:
            self.history_.append({"epoch": len(self.history_) + 1, **row})
            try:
                stop(self, self.history_[-1])
            except StopTraining:
                break
        return len(self.history_)


NAN = float("nan")


@pytest.mark.parametrize(
    ("values", "params", "epochs"),
    [
        ([5, 4, 3, 2, 1], {"patience": 1}, 5),
        ([5, 4, 4, 4, 1], {"patience": 2}, 4),
        ([5, 6, 4, 6, 3, 6, 6], {"patience": 2}, 7),
        ([5, 4.5, 3.9, 3.5, 2.8], {"patience": 2, "min_delta": 1}, 5),
        ([5, 4.9, 4.8, 4.7], {"patience": 2, "min_delta": 1}, 3),
        ([1, 2, 3, 4], {"patience": 2}, 3),
        ([1, 2, 3, 4], {"patience": 2, "mode": "max"}, 4),
        ([4, 3, 2, 1], {"patience": 2, "mode": "max"}, 3),
        ([5, NAN, NAN, NAN], {"patience": 2}, 3),
        ([-1, -2, -3], {"patience": 1}, 3),
    ],
)
def test_patience(values, params, epochs):
    assert Trained(values).epochs_until(EarlyStopping(**params)) == epochs


@pytest.mark.parametrize(
    "name", ["accuracy", "knn_accuracy", "my_Score", "agreement", "spread", "coding_rate"]
)
def test_auto_takes_higher_for_accuracies_and_scores(name):
    values = [0.1, 0.2, 0.3, 0.2, 0.2]
    assert Trained(values, name).epochs_until(EarlyStopping(name, patience=2)) == 5
    assert Trained(values, name).epochs_until(EarlyStopping(name, patience=2, mode="min")) == 3


@pytest.mark.parametrize("name", ["valid_loss", "mean_absolute_error", "gaussian_distance"])
def test_auto_takes_lower_for_losses_errors_and_distances(name):
    assert Trained([3, 2, 1, 2, 2], name).epochs_until(EarlyStopping(name, patience=2)) == 5


def test_rows_without_the_term_are_passed_over():
    values = [None, 0.5, None, None, 0.4, None, 0.3, 0.9]
    estimator = Trained(values, "knn_accuracy")
    estimator.callbacks = [len]  # some function, which may add the term later
    assert estimator.epochs_until(EarlyStopping("knn_accuracy", patience=2)) == 7


def hardly(**params):
    """Stop after two epochs: nothing gets better by so much."""
    return EarlyStopping(**{"patience": 1, "min_delta": 1e6, **params})


def test_each_fit_starts_afresh(X):
    embedder = quick(max_epochs=9, callbacks=[hardly()], warm_start=True)
    assert [embedder.fit(X).n_epochs_ for _ in range(3)] == [2, 4, 6]
    embedder.set_params(warm_start=False)
    assert [embedder.fit(X).n_epochs_ for _ in range(2)] == [2, 2]
    assert embedder.partial_fit(X).n_epochs_ == 3
    assert not [name for name in vars(embedder) if name.startswith("_")]


def test_each_scale_is_judged_and_ended_on_its_own(X):
    settings = {"backbone": "convnet", "callbacks": [hardly()], "random_state": SEED}
    scales = {"scales": (0.5, 0.5, 1.0), "max_epochs": (4, 1, 5), "learning_rates": (0.1,) * 3}
    for embedder in (
        ScaleNetEmbedder(**scales, **settings),
        MultiScaleEmbedder(RotNetEmbedder(**settings), **scales),
    ):
        embedder.fit(X)
        assert [row["scale"] for row in embedder.history_] == [0.5, 0.5, 0.5, 1.0, 1.0]


def test_monitors_together_in_any_order(X, X_val, y_val):
    monitor = ProbeMonitor(X_val, y_val, every=2, n_neighbors=5)
    stop = hardly(monitor="knn_accuracy")
    for callbacks, epochs in (([monitor, stop], 4), ([stop, monitor], 5)):
        assert quick(max_epochs=9, callbacks=callbacks).fit(X).n_epochs_ == epochs


def test_a_term_that_nothing_records_is_an_error_at_once(X, X_val, y_val):
    monitor = ProbeMonitor(X_val, y_val, n_neighbors=5)
    for name in ("acuracy", "linear_accuracy"):
        embedder = quick(max_epochs=9, callbacks=[EarlyStopping(name), monitor])
        with pytest.raises(ValueError, match=f"'{name}', but RotNetEmbedder has recorded.*'loss'"):
            embedder.fit(X)
        assert not embedder.__sklearn_is_fitted__()


def test_a_term_that_a_function_might_have_recorded_warns_at_the_end(X):
    embedder = quick(max_epochs=2, callbacks=[lambda embedder, row: None, EarlyStopping("mine")])
    with pytest.warns(UserWarning, match="'mine', but RotNetEmbedder has recorded.*'loss'"):
        embedder.fit(X)
    assert embedder.n_epochs_ == 2


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"monitor": None}, "'monitor' parameter of EarlyStopping must be the name.*Got None"),
        ({"patience": 0}, "'patience' parameter of EarlyStopping.*whole number from 1. Got 0"),
        ({"min_delta": -1}, "'min_delta' parameter of EarlyStopping.*Got -1"),
        ({"mode": "low"}, r"'mode' parameter.*\['auto', 'min', 'max'\]. Got 'low'"),
    ],
)
def test_early_stopping_refuses(params, message):
    with pytest.raises(ValueError, match=message):
        EarlyStopping(**params)


def test_callbacks_copy_pickle_and_show_what_they_are(X_val, y_val):
    monitor, stop = ProbeMonitor(X_val, y_val, every=3), EarlyStopping("accuracy", patience=2)
    assert repr(monitor) == "ProbeMonitor(every=3, probe='knn')"
    assert repr(stop) == "EarlyStopping('accuracy', patience=2, min_delta=0.0, mode='auto')"
    for callback in (monitor, stop):
        for other in (copy.deepcopy(callback), pickle.loads(pickle.dumps(callback))):
            assert repr(other) == repr(callback)
            assert vars(other).keys() == vars(callback).keys()


def test_a_class_in_place_of_a_callback_is_refused(X):
    with pytest.raises(ValueError, match="instance instead of a class.*set_callbacks"):
        quick(callbacks=[EarlyStopping]).fit(X)


# scikit-learn's own callbacks ------------------------------------------------------------------


class Recorder:
    """A callback of scikit-learn that writes down which tasks it is told of."""

    max_propagation_depth = None

    def __init__(self, stop_after=None):
        self.stop_after = stop_after
        self.told = []
        self.torn_down = 0

    def setup(self, estimator, context):
        self.told = []

    def teardown(self, estimator, context):
        self.torn_down += 1

    def on_fit_task_begin(self, estimator, context):
        self.told.append(("begin", context.estimator_name, context.task_name, context.max_subtasks))

    def on_fit_task_end(self, estimator, context):
        self.told.append(("end", context.estimator_name, context.task_name, context.max_subtasks))
        return context.task_name == "epoch" and context.task_id + 1 == self.stop_after

    def of(self, name):
        return [(what, task, n) for what, who, task, n in self.told if who == name]


UNDER_WAY = {"_callback_fit_ctx", "_parent_callback_ctx", "_skl_callbacks_to_teardown"}


def tasks(n_epochs, n_planned):
    epochs = [("begin", "epoch", 0), ("end", "epoch", 0)] * n_epochs
    return [("begin", "fit", n_planned), *epochs, ("end", "fit", n_planned)]


@needs_sklearn_callbacks
@pytest.mark.parametrize(
    ("embedder", "n_epochs"),
    [
        (quick(max_epochs=3), 3),
        (quick(max_epochs=0), 0),
        (quick(max_epochs=3, warm_start=True), 3),
        (ScaleNetEmbedder(max_epochs=(2, 1), random_state=SEED), 3),
        (MultiScaleEmbedder(quick(), max_epochs=(2, 1)), 3),
    ],
    ids=["RotNet", "no epochs", "warm start", "ScaleNet", "MultiScale"],
)
def test_epochs_are_the_tasks_of_a_fit(X, embedder, n_epochs):
    recorder, plain = Recorder(), copy.deepcopy(embedder).fit(X)
    embedder.set_callbacks(recorder)
    for times in (1, 2):
        embedder.fit(X)
        assert recorder.of(type(embedder).__name__) == tasks(n_epochs, n_epochs)
        assert recorder.torn_down == times
        assert not UNDER_WAY & vars(embedder).keys()
        if times == 1:
            assert_array_equal(embedder.transform(X), plain.transform(X))
    pickle.loads(pickle.dumps(embedder)).transform(X)


@needs_sklearn_callbacks
def test_a_callback_that_answers_true_ends_the_training(X):
    for embedder in (quick(max_epochs=9), ScaleNetEmbedder(max_epochs=9, random_state=SEED)):
        recorder = Recorder(stop_after=2)
        assert embedder.set_callbacks(recorder).fit(X).n_epochs_ == 2
        n_planned = 9 if isinstance(embedder, RotNetEmbedder) else 18
        assert recorder.of(type(embedder).__name__) == tasks(2, n_planned)


@needs_sklearn_callbacks
def test_a_training_that_fails_is_torn_down(X):
    def fail(embedder, row):
        raise ZeroDivisionError

    recorder = Recorder()
    embedder = quick(callbacks=[fail]).set_callbacks(recorder)
    with pytest.raises(ZeroDivisionError):
        embedder.fit(X)
    assert recorder.torn_down == 1
    assert not UNDER_WAY & vars(embedder).keys()
    assert embedder.set_params(callbacks=None).fit(X).n_epochs_ == 1
    assert recorder.torn_down == 2


@needs_sklearn_callbacks
def test_an_estimator_pickled_while_it_trains_keeps_nothing_of_the_fit(X):
    _PICKLED.clear()
    make_pipeline(quick(callbacks=[_pickle]), StandardScaler()).set_callbacks(Recorder()).fit(X)
    assert not UNDER_WAY & vars(pickle.loads(_PICKLED[0])).keys()


_PICKLED = []


def _pickle(embedder, row):
    assert UNDER_WAY & vars(embedder).keys()
    _PICKLED.append(pickle.dumps(embedder))


@needs_sklearn_callbacks
@pytest.mark.parametrize("n_jobs", [None, 2])
def test_progress_bar_in_a_grid_search(X, y, capsys, n_jobs):
    pytest.importorskip("rich")
    pipe = make_pipeline(quick(max_epochs=2), LogisticRegression(max_iter=1000))
    search = GridSearchCV(pipe, {"rotnetembedder__pool_size": [1, 2]}, cv=2, n_jobs=n_jobs)
    search.set_callbacks(skl.ProgressBar(max_propagation_depth=None)).fit(X, y)
    shown = capsys.readouterr().out
    assert shown.count("RotNetEmbedder - fit") == 5  # four fits and the best again
    assert not {"_skl_callbacks", *UNDER_WAY} & vars(search.best_estimator_[0]).keys()
    pickle.loads(pickle.dumps(search.best_estimator_)).predict(X)


@needs_sklearn_callbacks
def test_progress_bar_alone(X, capsys):
    pytest.importorskip("rich")
    embedder = MultiScaleEmbedder(quick()).set_callbacks(skl.ProgressBar()).fit(X)
    assert "MultiScaleEmbedder - fit" in capsys.readouterr().out
    pickle.loads(pickle.dumps(embedder)).transform(X)


@needs_sklearn_callbacks
@pytest.mark.parametrize("several_scales", [False, True])
@pytest.mark.filterwarnings("ignore::sklssl.exceptions.DivergenceWarning")  # so that it moves
def test_scoring_monitor_sees_the_estimator_of_each_epoch(X, y, several_scales):
    pytest.importorskip("pandas")
    expected = []

    def measure(embedder, row):
        expected.append([embedder.score(X), knn_score(embedder.transform(X), y)])

    embedder = quick(max_epochs=3, learning_rate=1.0, callbacks=[measure])
    embedder = MultiScaleEmbedder(embedder) if several_scales else embedder
    monitor = skl.ScoringMonitor(scoring={"task": _task_scorer, "knn": knn_scorer})
    for _ in range(2):  # the second time it is fitted already
        expected.clear()
        embedder.set_callbacks(monitor).fit(X, y)
        table = monitor.get_logs().data_as_pandas
        seen = table[table["task_name"] == "epoch"][["task", "knn"]].to_numpy()
        assert len(np.unique(seen)) > 2
        assert_array_equal(seen, expected)


def _task_scorer(embedder, X, y):
    return embedder.score(X)
