"""Save estimators to files that contain no code, and load them."""

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from sklearn.base import BaseEstimator

from sklssl._runtime.device import plain_torch
from sklssl._storage.state_file import read_state, write_state
from sklssl.exceptions import StateFileError
from sklssl.persistence._estimators import decode_estimators, encode_estimators
from sklssl.persistence._names import Names, UnsupportedFileError

__all__ = ["load", "save"]

_KIND = "estimator"


@plain_torch()
def save(estimator: BaseEstimator, path: str | os.PathLike[str]) -> None:
    """Save an estimator, fitted or not, to a file that can be loaded without running code.

    Weights are written as safetensors, parameters and other fitted attributes as JSON, and
    scikit-learn estimators with skops. The new file is read back, as by :func:`load`, before it
    replaces an existing one.

    Parameters
    ----------
    estimator : estimator
        An estimator of sklssl or scikit-learn, or a ``Pipeline``, ``FeatureUnion`` or
        ``FrozenEstimator`` of these. Other scikit-learn meta-estimators must not contain
        estimators of sklssl: after a search, save ``best_estimator_``.

    path : str or path-like
        The file to write. An existing file is replaced once the new one is complete. A file with
        the suffix ".safetensors" can also be used as `init_weights` of an embedder.

    Raises
    ------
    TypeError
        If a parameter or attribute cannot be written, or could not be read back. The message
        names it.
    ValueError
        If parameters were changed after ``fit`` so that the network cannot be rebuilt from them.
    OSError
        If the file cannot be written. An existing file is then left unchanged.

    Warns
    -----
    UserWarning
        If the estimator has callbacks: they are not saved.

    See Also
    --------
    load : Load the file.

    Notes
    -----
    A function or class given as a parameter is saved by its qualified name. Lambdas and functions
    defined inside another function therefore cannot be saved. An estimator or network that is
    referenced twice is written once.

    Examples
    --------
    >>> import os, tempfile
    >>> import numpy as np
    >>> import sklssl
    >>> from sklssl.datasets import load_digit_images
    >>> X, _ = load_digit_images(return_X_y=True)
    >>> embedder = sklssl.RotNetEmbedder(max_epochs=1, random_state=0).fit(X[:100])
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = os.path.join(folder, "embedder.safetensors")
    ...     sklssl.save(embedder, path)
    ...     loaded = sklssl.load(path)
    >>> np.array_equal(loaded.transform(X), embedder.transform(X))
    True
    """
    if not isinstance(estimator, BaseEstimator):
        raise TypeError(f"save expects an estimator of sklssl or scikit-learn. Got {estimator!r}.")
    named: list[Any] = []
    nodes = encode_estimators(estimator, named)
    # load will need these as `trusted`; whether the rest can be read is checked now.
    names = Names(named, all_of_skops=True)

    def check(part: Path) -> None:
        try:
            decode_estimators(read_state(part, kind=_KIND), names)
        except OSError:
            raise
        except Exception as error:
            reason = error.__cause__ if isinstance(error, StateFileError) else error
            raise TypeError(
                f"{type(estimator).__name__} was not saved, because load would reject the file: "
                f"{reason or error}"
            ) from error

    write_state(path, nodes, kind=_KIND, check=check)


@plain_torch()
def load(path: str | os.PathLike[str], *, trusted: Sequence[type | Callable[..., Any]] = ()) -> Any:
    """Load an estimator written by :func:`save`, without running code from the file.

    Parameters
    ----------
    path : str or path-like
        The file.

    trusted : list of classes and functions, default=()
        Objects that the file may refer to in addition to the estimators of sklssl and scikit-learn,
        the networks of :mod:`sklssl.backbones` and the optimizers of torch: your own embedders,
        functions that build a network, or classes named in an error message. They are compared by
        name, and may be called with values from the file.

    Returns
    -------
    estimator : estimator
        The saved estimator, on the CPU and without its callbacks. ``transform`` and ``predict``
        return the same bytes as before saving, on the same machine with the same number of threads.

    Raises
    ------
    StateFileError
        If the file is corrupt, was written by a later version of sklssl, or refers to objects that
        are unknown or not trusted. The message names the cause.
    OSError
        If the file does not exist or cannot be read.

    See Also
    --------
    save : Save an estimator; includes an example.
    """
    names = Names(trusted)
    nodes = read_state(path, kind=_KIND)
    try:
        return decode_estimators(nodes, names)
    except UnsupportedFileError as error:
        raise StateFileError(f"'{path}' was not loaded: {error}") from error
    except Exception as error:  # a malicious file can raise anything
        raise StateFileError(
            f"'{path}' was not loaded: it has content that save never writes ({error})."
        ) from error
