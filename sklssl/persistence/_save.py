"""Write estimators to files, and read them."""

from sklearn.base import BaseEstimator

from sklssl._runtime.device import plain_torch
from sklssl._storage.state_file import read_state, write_state
from sklssl.exceptions import StateFileError
from sklssl.persistence._estimators import decode_estimators, encode_estimators
from sklssl.persistence._names import Names, Refusal

__all__ = ["load", "save"]

_KIND = "estimator"


@plain_torch()
def save(estimator, path):
    """Write an estimator, fitted or not, into a file from which loading runs no code.

    Weights are written as safetensors, parameters and what was learned beside them as JSON, and
    estimators of scikit-learn by skops. The file is read again, as :func:`load` reads it, before it
    takes its name.

    Parameters
    ----------
    estimator : estimator
        Of sklssl, of scikit-learn, or a ``Pipeline``, ``FeatureUnion`` or ``FrozenEstimator`` of
        these. Other estimators of scikit-learn must not hold any of sklssl: of a search, save
        ``best_estimator_``.

    path : str or path-like
        Replaced if it exists, once the whole file is written. With the suffix ".safetensors" it
        can also be `init_weights` of an embedder.

    Raises
    ------
    TypeError
        If a parameter or attribute cannot be written, or could not be read again; the message names
        it.
    ValueError
        If parameters were changed since ``fit`` so that the network cannot be built from them.
    OSError
        If the file cannot be written. What was there before is then as it was.

    Warns
    -----
    UserWarning
        If there are callbacks: they are not saved.

    See Also
    --------
    load : Reads the file.

    Notes
    -----
    A function or class that is the value of a parameter is saved by its name, and so needs one: no
    lambda, nothing from within another function. An estimator or a network that is held twice, as
    the same object, is written once.

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
        raise TypeError(f"save takes an estimator of sklssl or scikit-learn. Got {estimator!r}.")
    named = []
    nodes = encode_estimators(estimator, named)
    # The reader has to trust these too; whether the rest is in order need not wait for it.
    names = Names(named, all_of_skops=True)

    def check(part):
        try:
            decode_estimators(read_state(part, kind=_KIND), names)
        except OSError:
            raise
        except Exception as error:
            reason = error.__cause__ if isinstance(error, StateFileError) else error
            raise TypeError(
                f"{type(estimator).__name__} was not saved, since load would refuse the file: "
                f"{reason or error}"
            ) from error

    write_state(path, nodes, kind=_KIND, check=check)


@plain_torch()
def load(path, *, trusted=()):
    """Read an estimator that :func:`save` wrote; no code is run that the file chooses.

    Parameters
    ----------
    path : str or path-like
        The file.

    trusted : list of classes and functions, default=()
        What the file may ask for besides the estimators of sklssl and scikit-learn, the networks of
        :mod:`sklssl.backbones` and the optimizers of torch: methods of your own, functions that
        build a network, the classes that the message of an error names. They are compared by name,
        and those that it asks for may be called, with values from the file.

    Returns
    -------
    estimator : estimator
        As it was saved, on the CPU and without its callbacks. ``transform`` and ``predict`` give
        the same bytes as before, on the same machine with the same number of threads.

    Raises
    ------
    StateFileError
        If the file is damaged, of a later version of sklssl, or asks for what is unknown or not
        trusted; the message says what.
    OSError
        If there is no such file, or it must not be read.

    See Also
    --------
    save : Writes the file, and has an example.
    """
    names = Names(trusted)
    nodes = read_state(path, kind=_KIND)
    try:
        return decode_estimators(nodes, names)
    except Refusal as error:
        raise StateFileError(f"'{path}' was not loaded: {error}") from error
    except Exception as error:  # what was made to do harm can raise anything
        raise StateFileError(
            f"'{path}' was not loaded: it holds what save never writes ({error})."
        ) from error
