"""What all estimators share: checks of their arguments, and a link to their documentation."""

from __future__ import annotations

import difflib
import inspect
from typing import Any, Self

import numpy as np

import sklssl

__all__ = ["ChecksArguments", "check_arguments", "check_complete", "say_unknown", "to_builtin"]


class ChecksArguments:
    """Mixin that reports unknown arguments and converts NumPy scalars to Python scalars.

    For an unknown argument, Python's message names the class that defines ``__init__``, which may
    be a base class. NumPy scalars with few bits overflow in computations: an 8-bit integer can hold
    the number of epochs, but not the number of images in them. In a notebook, an estimator is shown
    with a link to its page of the documentation.
    """

    _doc_link_module = "sklssl"
    _doc_link_template = "https://sklssl.readthedocs.io/en/{version}/generated/sklssl.{name}.html"

    def _doc_link_url_param_generator(self) -> dict[str, str]:
        """Return what the address of the page depends on."""
        name, version = type(self).__name__, sklssl.__version__
        if name not in sklssl._PUBLIC_NAMES:
            name = f"{type(self).__module__.split('.')[1]}.{name}"
        return {"name": name, "version": "latest" if "dev" in version else f"v{version}"}

    def __new__(cls, *args: Any, **kwargs: Any) -> Self:
        """Raise an error for arguments that ``__init__`` does not accept."""
        if args or kwargs:  # empty when an estimator is copied
            check_arguments(cls, args, kwargs)
        return super().__new__(cls)

    def __setattr__(self, name: str, value: Any) -> None:
        """Set an attribute, after converting parameters to Python scalars."""
        is_parameter = not name.startswith("_") and not name.endswith("_")
        super().__setattr__(name, to_builtin(value) if is_parameter else value)


def to_builtin(value: Any) -> Any:
    """Convert NumPy scalars, also within a tuple, to Python scalars; return others unchanged."""
    if isinstance(value, np.floating):
        return float(value)
    if isinstance(value, np.integer | np.bool_ | np.str_):
        return value.item()
    if type(value) is tuple and any(isinstance(item, np.generic) for item in value):
        return tuple(map(to_builtin, value))
    return value


def check_arguments(cls: type, args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Any]:
    """Return arguments of a class by name, or raise an error that names an unknown one."""
    signature = inspect.signature(cls)
    try:
        return signature.bind_partial(*args, **kwargs).arguments
    except TypeError as error:
        unknown = [name for name in kwargs if name not in signature.parameters]
        what = say_unknown(unknown[0], list(signature.parameters)) if unknown else f": {error}."
        raise TypeError(f"{cls.__name__}{what}") from error


def say_unknown(name: str, known: list[str]) -> str:
    """Return the end of a message about a parameter that a class does not have."""
    near = difflib.get_close_matches(name, known, n=1)
    hint = f"Did you mean {near[0]!r}?" if near else f"It has {', '.join(known)}."
    return f" has no parameter {name!r}. {hint}"


def check_complete(values: Any, name: str, who: str) -> Any:
    """Return an argument, tensors as arrays; raise an error if it is masked: masks get lost."""
    if isinstance(values, np.ma.MaskedArray) and np.ma.is_masked(values):
        raise ValueError(
            f"{who} needs all values, but {name} is a masked array that hides some. Fill them, for "
            f"example with {name}.filled(0), or leave these rows out."
        )
    if str(getattr(values, "dtype", "")).startswith("torch."):
        return np.asarray(values)  # else uint8 becomes float, and array-API dispatch fails
    return values
