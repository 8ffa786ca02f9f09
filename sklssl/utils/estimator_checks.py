"""Checks of embedders in addition to those of scikit-learn."""

import pickle
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.testing import assert_array_equal
from PIL import Image
from sklearn.base import BaseEstimator, clone
from sklearn.datasets import load_digits
from sklearn.exceptions import NotFittedError

from sklssl.persistence import load, save
from sklssl.persistence._estimators import encode_estimators

__all__ = ["check_embedder"]


def check_embedder(embedder: BaseEstimator) -> None:
    """Check that an embedder meets the requirements of sklssl, on a few images of digits.

    scikit-learn's ``check_estimator`` checks the requirements of all transformers; this function
    checks the additional requirements of embedders. Authors of a new method should run both.

    Parameters
    ----------
    embedder : embedder
        An unfitted embedder with a small number of epochs, at least one. It is not changed.

    Raises
    ------
    AssertionError
        If a check fails; the traceback shows its name.

    Examples
    --------
    >>> from sklssl import RotNetEmbedder
    >>> from sklssl.utils.estimator_checks import check_embedder
    >>> check_embedder(RotNetEmbedder("convnet", max_epochs=1))
    """
    embedder = _clone_with_seeds(embedder)
    X = (load_digits().images[:24, :, :, np.newaxis] * 15).astype(np.uint8)
    fitted = clone(embedder).fit(X)
    for check in _CHECKS:
        check(embedder, fitted, X)


def _clone_with_seeds(embedder: BaseEstimator) -> BaseEstimator:
    """Clone with every random_state fixed, including those of nested estimators."""
    return _set_everywhere(clone(embedder), random_state=0)


def _set_everywhere(embedder: Any, **params: Any) -> Any:
    """Set parameters of the embedder and of nested estimators that have them."""
    found = {name: name.split("__")[-1] for name in embedder.get_params()}
    return embedder.set_params(**{k: params[last] for k, last in found.items() if last in params})


def _trains(embedder: BaseEstimator) -> bool:
    """Return whether the embedder trains in epochs, unlike those with a closed-form solution."""
    return "callbacks" in {name.split("__")[-1] for name in embedder.get_params()}


def _assert_same_weights(one: Any, another: Any) -> None:
    states = (embedder.pretext_.state_dict().values() for embedder in (one, another))
    for mine, other in zip(*states, strict=True):
        assert torch.equal(mine.cpu(), other.cpu()), "the weights of the pretext task differ"


def _check_output(embedder: Any, fitted: Any, X: np.ndarray) -> None:
    Z = fitted.transform(X)
    assert Z.dtype == np.float32
    assert Z.shape == (len(X), len(fitted.get_feature_names_out()))
    assert np.isfinite(Z).all()


def _check_layouts_agree(embedder: Any, fitted: Any, X: np.ndarray) -> None:
    Z = fitted.transform(X)
    assert_array_equal(fitted.transform(X[..., 0]), Z)
    assert_array_equal(fitted.transform(X.reshape(len(X), -1)), Z)
    assert_array_equal(clone(embedder).fit(X.reshape(len(X), -1)).transform(X), Z)


def _check_blocks_equal_transform(embedder: Any, fitted: Any, X: np.ndarray) -> None:
    many = np.concatenate([X] * 20)
    blocks = list(fitted.transform_iter(many))
    assert len(blocks) > 1
    assert_array_equal(np.concatenate(blocks), fitted.transform(many))


def _check_files_equal_arrays(embedder: Any, fitted: Any, X: np.ndarray) -> None:
    with tempfile.TemporaryDirectory() as folder:
        paths = [Path(folder, f"{i}.png") for i in range(len(X))]
        for path, image in zip(paths, X, strict=True):
            Image.fromarray(image[..., 0]).save(path)
        assert_array_equal(fitted.transform(paths), fitted.transform(X))
        again = clone(embedder).fit(np.repeat(X, 3, axis=3))
        assert_array_equal(clone(embedder).fit(paths).transform(paths), again.transform(paths))


def _check_same_seed_same_bytes(embedder: Any, fitted: Any, X: np.ndarray) -> None:
    again = clone(embedder).fit(X)
    assert_array_equal(again.transform(X), fitted.transform(X))
    _assert_same_weights(again, fitted)


def _numpy_state() -> np.ndarray:
    state: Any = np.random.get_state()
    words: np.ndarray = state[1]
    return words


def _check_global_generators_untouched(embedder: Any, fitted: Any, X: np.ndarray) -> None:
    numpy_before, torch_before = _numpy_state().copy(), torch.get_rng_state()
    clone(embedder).fit(X).transform(X)
    assert_array_equal(_numpy_state(), numpy_before)
    assert torch.equal(torch.get_rng_state(), torch_before)


def _check_rows_do_not_depend_on_neighbours(embedder: Any, fitted: Any, X: np.ndarray) -> None:
    Z = fitted.transform(X)
    assert_array_equal(fitted.transform(X[3:4]), Z[3:4])
    assert_array_equal(fitted.transform(X[::-1]), Z[::-1])


def _check_history(embedder: Any, fitted: Any, X: np.ndarray) -> None:
    rows = fitted.history_
    if not _trains(embedder):
        assert rows == []
        return
    assert [row["epoch"] for row in rows] == list(range(1, fitted.n_epochs_ + 1))
    assert rows, "the checked embedder must train for at least one epoch"
    for row in rows:
        assert {"scale", "learning_rate", "loss", "duration"} <= row.keys()
        assert all(np.isfinite(value) for value in row.values())


def _check_second_fit_forgets_the_first(embedder: Any, fitted: Any, X: np.ndarray) -> None:
    twice = clone(embedder).fit(X[::-1]).fit(X)
    assert_array_equal(twice.transform(X), fitted.transform(X))
    assert twice.n_epochs_ == fitted.n_epochs_


def _check_pickles(embedder: Any, fitted: Any, X: np.ndarray) -> None:
    copy = pickle.loads(pickle.dumps(fitted))
    assert_array_equal(copy.transform(X), fitted.transform(X))
    assert copy.history_ == fitted.history_


def _check_saves(embedder: Any, fitted: Any, X: np.ndarray) -> None:
    named: list[Any] = []  # the classes and functions that load must be told to trust
    encode_estimators(fitted, named)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "embedder.safetensors")
        save(fitted, path)
        loaded = load(path, trusted=named)
    assert_array_equal(loaded.transform(X), fitted.transform(X))
    _assert_same_weights(loaded, fitted)
    assert loaded.history_ == fitted.history_


def _check_interrupted_fit_resumes(embedder: Any, fitted: Any, X: np.ndarray) -> None:
    if not _trains(embedder):
        return

    class Stopped(Exception):
        pass

    def stop(estimator: object, row: dict[str, Any]) -> None:
        raise Stopped

    with tempfile.TemporaryDirectory() as folder:
        # Save after every step, so that the last step of the first epoch is kept.
        stopped = _set_everywhere(clone(embedder), checkpoint_dir=folder, checkpoint_every=1e-9)
        try:
            _set_everywhere(stopped, callbacks=[stop]).fit(X)
        except Stopped:
            pass
        else:
            raise AssertionError("fit did not call its callbacks")
        assert list(Path(folder).rglob("*.safetensors")), "fit left no checkpoint"
        resumed = _set_everywhere(stopped, callbacks=None).fit(X)
    _assert_same_weights(resumed, fitted)
    assert_array_equal(resumed.transform(X), fitted.transform(X))


def _check_failed_fit_leaves_no_trace(embedder: Any, fitted: Any, X: np.ndarray) -> None:
    bad = np.full(X.shape, np.nan, dtype=np.float32)
    fresh, kept = clone(embedder), pickle.loads(pickle.dumps(fitted))
    for estimator in (fresh, kept):
        try:
            estimator.fit(bad)
        except ValueError:
            continue
        raise AssertionError("fit accepted NaN")
    try:
        fresh.transform(X)
    except NotFittedError:
        pass
    else:
        raise AssertionError("a failed fit left an estimator that looks fitted")
    assert_array_equal(kept.transform(X), fitted.transform(X))


def _check_float_range_does_not_matter(embedder: Any, fitted: Any, X: np.ndarray) -> None:
    X = X.astype(np.float32)
    # Scaling by powers of two is exact, so training is identical.
    unit = clone(embedder).fit(X / 256).transform(X / 256)
    assert_array_equal(clone(embedder).fit(X * 2).transform(X * 2), unit)


_CHECKS = (
    _check_output,
    _check_layouts_agree,
    _check_blocks_equal_transform,
    _check_files_equal_arrays,
    _check_same_seed_same_bytes,
    _check_global_generators_untouched,
    _check_rows_do_not_depend_on_neighbours,
    _check_history,
    _check_second_fit_forgets_the_first,
    _check_pickles,
    _check_saves,
    _check_interrupted_fit_resumes,
    _check_failed_fit_leaves_no_trace,
    _check_float_range_does_not_matter,
)
