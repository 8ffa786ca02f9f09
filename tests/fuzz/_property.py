"""What must hold whatever comes in: it works, or it says in words of ours what is wrong."""

import contextlib
import copy
import functools
import os
import re
import tempfile
import warnings
from collections import Counter

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from PIL import Image
from sklearn.exceptions import NotFittedError
from sklearn.utils.validation import check_is_fitted

from sklssl.exceptions import ImageFileError, NonFiniteLossError

__all__ = [
    "TALLY",
    "attempt",
    "check_fit",
    "check_use",
    "fingerprint",
    "fuzzed",
    "watched_folders",
]

# How many "examples" were tried, and the calls that "worked" or were refused by an exception.
TALLY = Counter()

# Words of torch, numpy, cv2 and Python for what should have been refused before it came to them.
_FOREIGN = re.compile(
    r"mat1 and mat2|Expected (input|more than|[34]D)|[Kk]ernel size|Given groups|size mismatch"
    r"|size of tensor|invalid for input|channels_last|cannot reshape|inhomogeneous|could not "
    r"(convert|broadcast)|broadcast together|unhashable|unsupported operand|object is not|object "
    r"cannot|has no attribute|object of type|argument must be|positional argument|unexpected "
    r"keyword|not supported between|truth value|only (length-1|0-dimensional|integer)|out of "
    r"(range|bounds)|DefaultCPUAllocator|CUDA error|must be real number|ufunc|embedded null"
    r"|surrogates not allowed|invalid literal|unpack|OpenCV|ambiguous"
)
_ABOUT_DATA = re.compile(
    r"\b[Xy]\b|\b(images?|samples?|files?|features?|labels?|arrays?|class(es)?)\b"
)
# Where warnings come from that a user can do nothing about.
_THEIR_FOLDERS = re.compile(r"site-packages/(torch|numpy|skorch|scipy|cv2|pandas)/")

# What holds estimators, whose parameters errors may name instead.
_NESTED = {"classifier", "embedder", "estimator"}

_FOLDERS = []


def fuzzed(usual, **strategies):
    """Run a test with `usual` examples of `strategies`, or in the long form with 20 times those."""
    n_examples = 20 * usual if os.environ.get("SKLSSL_FUZZ") == "long" else usual

    def decorate(test):
        @settings(max_examples=n_examples)
        @given(**strategies)
        @functools.wraps(test)
        def counted(*args, **kwargs):
            TALLY["examples"] += 1
            return test(*args, **kwargs)

        return counted

    return decorate


@contextlib.contextmanager
def watched_folders(root):
    """Change to an empty folder, with another one for temporary files."""
    here, before = os.getcwd(), tempfile.tempdir
    for name in ("work", "temporary"):
        (root / name).mkdir()
        _FOLDERS.append(root / name)
    os.chdir(root / "work")
    tempfile.tempdir = str(root / "temporary")
    try:
        yield
    finally:
        os.chdir(here)
        tempfile.tempdir = before
        _FOLDERS.clear()


def fingerprint(value):
    """Give what changes when anything in `value` changes."""
    if isinstance(value, np.ma.MaskedArray):
        return id(value), fingerprint(value.data)[1:], value.mask.tobytes()
    if isinstance(value, np.ndarray):
        plain = value.dtype != object
        content = value.tobytes() if plain else tuple(map(fingerprint, value.flat))
        flags = value.flags.writeable, value.flags.c_contiguous, value.flags.f_contiguous
        return id(value), content, value.dtype.str, value.shape, value.strides, flags
    if isinstance(value, torch.Tensor):
        plain = value.device.type == "cpu" and value.layout == torch.strided
        content = plain and value.detach().reshape(-1).view(torch.uint8).numpy().tobytes()
        return id(value), value.requires_grad, value.dtype, value.shape, content
    if hasattr(value, "tocoo"):
        coo = value.tocoo()
        return id(value), fingerprint(coo.data)[1:], coo.row.tobytes(), coo.col.tobytes()
    if hasattr(value, "columns"):
        return id(value), str(value.columns), repr(value.to_numpy().tolist())
    if isinstance(value, (list, tuple)):
        return type(value), id(value), tuple(map(fingerprint, value))
    if isinstance(value, dict):
        return id(value), tuple((key, fingerprint(item)) for key, item in value.items())
    return id(value)


def _state():
    """Give what is global and none of an estimator's business."""
    return (
        torch.random.get_rng_state().numpy().tobytes(),
        torch.is_grad_enabled(),
        torch.is_inference_mode_enabled(),
        torch.is_autocast_enabled("cpu"),
        torch.get_num_threads(),
        os.getcwd(),
        repr(np.geterr()),
    )


def _files():
    paths = (str(path) for folder in _FOLDERS for path in folder.rglob("*"))
    return sorted(path for path in paths if "torchinductor" not in path)  # made by torch itself


def attempt(call, *inputs, names=(), diverges=False, writes=False):
    """Call; give (True, result) or (False, error), and check all that must hold either way.

    Parameters
    ----------
    call : callable
        Without arguments.

    inputs : object
        What must be the same afterwards.

    names : tuple of str
        Parameters of which an error has to name one; without any it has to be about the data.

    diverges : bool, default=False
        Whether the settings may drive a training to infinity.

    writes : bool, default=False
        Whether the settings ask for files.
    """
    before, state, files = [fingerprint(x) for x in inputs], _state(), _files()
    try:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            outcome = True, call()
        TALLY["worked"] += 1
    except Exception as error:
        TALLY[type(error).__name__] += 1
        _check_error(error, names, diverges)
        outcome = False, error
    _check_warnings(caught)
    assert [fingerprint(x) for x in inputs] == before, "an input changed"
    assert _state() == state, "global state changed"
    assert writes or _files() == files, "a file was left behind"
    return outcome


def _check_error(error, names, diverges):
    kinds = (ValueError, TypeError, *([NonFiniteLossError] if diverges else []))
    text = str(error)
    # What a user handed over may fail in words of its own; ours come first.
    own = re.sub(r"^\w+: ", "", text).split(": ")[0].split(" Got ")[0]
    kind = isinstance(error, kinds) and not isinstance(error, UnicodeError)
    about = any(name in own for name in names) if names else _ABOUT_DATA.search(text)
    nested = set(names) & _NESTED and (
        isinstance(error, NotFittedError) or "parameter of" in own or _ABOUT_DATA.search(own)
    )
    settled = isinstance(error, (NonFiniteLossError, ImageFileError))  # these say it all
    if not kind or not (about or nested or settled) or _FOREIGN.search(own):
        raise AssertionError(f"{type(error).__name__}: {error}") from error


def _check_warnings(caught):
    for warning in caught:
        # Pillow's own cannot be silenced in one of several threads; the file is refused as well.
        ours = issubclass(warning.category, (UserWarning, Image.DecompressionBombWarning))
        if not ours or _THEIR_FOLDERS.search(warning.filename):
            raise AssertionError(f"{warning.filename}:{warning.lineno}: {warning.message!r}")


def check_fit(estimator, X, *args, fitted=None, use=None, method="fit", **told):
    """Fit a fresh estimator, or one that is `fitted`, and check what it is afterwards.

    Parameters
    ----------
    estimator : estimator
        With the parameters to try.

    X, *args : object
        The data to try.

    fitted : estimator, default=None
        Fitted, of the same class; a copy of it takes the parameters and is fitted again.

    use : callable, default=None
        Gives what a fitted estimator makes of good data.

    method : str, default="fit"

    **told
        For :func:`attempt`.

    Returns
    -------
    estimator : estimator or None
        If it could be fitted.
    """
    params = estimator.get_params(deep=False)
    if fitted is not None:
        usual = fitted.get_params(deep=False)
        estimator = copy.deepcopy(fitted).set_params(**params)
    worked, _ = attempt(lambda: getattr(estimator, method)(X, *args), X, *args, params, **told)
    now = estimator.get_params(deep=False)
    assert list(now) == list(params)
    assert all(now[name] is params[name] for name in params), "a parameter was replaced"
    if worked:
        return estimator
    if fitted is None:
        left = [name for name in vars(estimator) if name not in params]
        assert not [name for name in left if name.endswith("_")], f"half fitted: {left}"
        with pytest.raises(NotFittedError):
            check_is_fitted(estimator)
    else:
        estimator.set_params(**usual)
        assert np.array_equal(use(estimator), use(fitted)), "a failed fit changed the estimator"
    return None


def check_use(estimator, X, *, names=()):
    """Transform; check what comes out. Give it, or None if `X` was refused."""
    worked, Z = attempt(lambda: estimator.transform(X), X, names=names)
    if not worked:
        return None
    assert isinstance(Z, np.ndarray)
    assert Z.dtype == np.float32
    assert Z.ndim == 2
    assert Z.shape[1] == len(estimator.get_feature_names_out())
    assert np.isfinite(Z).all(), "features that are not finite"
    return Z
