"""Inheritance of parameters: constructor, constraints and documentation."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from inspect import Parameter, Signature
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, TypeVar

from sklssl._parameters.docstrings import complete_docstring, read_entries
from sklssl._parameters.table import Entry, Shared
from sklssl.utils._arguments import ChecksArguments, check_arguments, say_unknown

__all__ = ["SharesParameters", "parameters"]

_Class = TypeVar("_Class", bound=type)


def parameters(**defaults: Any) -> Callable[[_Class], _Class]:
    """Change the defaults of inherited parameters of a class, and add new parameters.

    All parameters of the base class remain, with these defaults. A new name becomes a parameter of
    the class, which is stored as an attribute. A class with an ``__init__`` names its new
    parameters there instead, and ends it with ``**shared`` for all others, which it passes to
    ``super().__init__(**shared)``.

    Only new parameters need an entry in the docstring of the class and in its
    ``_parameter_constraints``; without constraints they are not checked. Everything else is
    inherited. To fix a shared parameter, assign it in the body of the class: with
    ``max_epochs = 0`` there, the class has no such parameter.

    Parameters
    ----------
    **defaults : object
        The default of each parameter.

    Returns
    -------
    decorator : callable
        Takes the class and returns it.

    Raises
    ------
    TypeError
        If the class does not extend an estimator of sklssl that trains a network, if a default is
        mutable, or if the class has an ``__init__`` and a name is new or has a default there.

    Examples
    --------
    >>> from sklssl import RotNetEmbedder, parameters
    >>> @parameters(image_size=32, max_epochs=3)
    ... class SmallRotNetEmbedder(RotNetEmbedder):
    ...     pass
    >>> SmallRotNetEmbedder(max_epochs=5, device="cpu").get_params()["image_size"]
    32
    """

    def complete(cls: _Class) -> _Class:
        if not issubclass(cls, SharesParameters):
            raise TypeError(
                f"@parameters: {cls.__name__} inherits no shared parameters. Decorate a class that "
                "extends BaseEmbedder or another estimator of sklssl that trains a network."
            )
        for name, value in defaults.items():
            if type(value).__hash__ is None:
                raise TypeError(
                    f"@parameters of {cls.__name__}: the default of {name!r} must be immutable, as "
                    f"all instances share it. Got {value!r} of type {type(value).__name__}. Use a "
                    "tuple, or None."
                )
        _complete(cls, defaults)
        return cls

    return complete


class _Body(NamedTuple):
    """The part of a class body that concerns its parameters."""

    init: Callable[..., None] | None
    constraints: dict[str, Any]
    doc: str | None


class SharesParameters(ChecksArguments):
    """Mixin whose subclasses inherit parameters, with their constraints and documentation.

    A root class lists the parameters shared by all of its subclasses in ``_shared_parameters``; its
    ``__init__`` passes them to :meth:`_store`.
    """

    _shared_parameters: ClassVar[dict[str, Shared]] = {}
    _shared_attributes: ClassVar[dict[str, Entry]] = {}

    _body: ClassVar[_Body]
    _stored: ClassVar[frozenset[str]] = frozenset()
    _parameter_constraints: ClassVar[dict[str, Any]] = {}
    _parameter_docs: ClassVar[dict[str, Entry]] = {}
    _attribute_docs: ClassVar[dict[str, Entry]] = {}

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        own = vars(cls)
        cls._body = _Body(
            own.get("__init__"), own.get("_parameter_constraints", {}), own.get("__doc__")
        )
        _complete(cls, {})

    if TYPE_CHECKING:  # which does not see the parameters that are set by name

        def __getattr__(self, name: str) -> Any: ...

    def _store(self, **values: Any) -> None:
        """Set parameters, except those to which the class itself assigns a value."""
        for name, value in values.items():
            if not hasattr(type(self), name):
                setattr(self, name, value)


def _complete(cls: type[SharesParameters], defaults: dict[str, Any]) -> None:
    """Complete a class from its body and its bases. May be repeated, with other defaults."""
    init = cls._body.init
    own = _named_by(init) if init else {}
    offered = _offered_to(cls)
    inherited = {n: p for n, p in offered.items() if not (n in cls._stored and hasattr(cls, n))}
    _check_names(cls, defaults, own, inherited)
    shared = {n: p.replace(default=defaults.get(n, p.default)) for n, p in inherited.items()}
    if init:
        known = _with_own(own, shared) if _takes_more(init) else own
    else:
        known = _with_new(defaults, shared)
    if (init and _takes_more(init)) or defaults or len(inherited) < len(offered):
        cls.__init__ = _make_init(cls, known, new=known.keys() - inherited.keys())  # type: ignore[method-assign]
    if cls._shared_parameters and not cls._stored:
        cls._stored = frozenset(known)
    _complete_constraints(cls, known)
    _complete_docs(cls, known)


def _named_by(init: Callable[..., None]) -> dict[str, Parameter]:
    """Return the named parameters of an ``__init__``, without self."""
    _, *named = inspect.signature(init).parameters.values()
    return {each.name: each for each in named if each.kind is not Parameter.VAR_KEYWORD}


def _takes_more(init: Callable[..., None]) -> bool:
    kinds = [each.kind for each in inspect.signature(init).parameters.values()]
    return Parameter.VAR_KEYWORD in kinds


def _offered_to(cls: type[SharesParameters]) -> dict[str, Parameter]:
    """Return the parameters of the base class, or those in the table of a root class."""
    base = super(cls, cls).__init__
    if base is object.__init__:
        table = cls._shared_parameters.items()
        return {n: Parameter(n, Parameter.KEYWORD_ONLY, default=s.default) for n, s in table}
    return _named_by(base)


def _check_names(
    cls: type[SharesParameters],
    defaults: dict[str, Any],
    own: dict[str, Parameter],
    inherited: dict[str, Parameter],
) -> None:
    """Raise an error for defaults that conflict with the ``__init__`` of the class."""
    init = cls._body.init
    if init is None or not defaults:
        return
    if not _takes_more(init):
        raise TypeError(
            f"@parameters of {cls.__name__}: the __init__ must end with **shared, which it passes "
            "to super().__init__. Otherwise remove the __init__."
        )
    for name in defaults:
        if name in own:
            raise TypeError(
                f"@parameters of {cls.__name__}: the __init__ already has a default for {name!r}. "
                "Change it there."
            )
        if name not in inherited:
            raise TypeError(
                f"@parameters: {cls.__name__}{say_unknown(name, list(inherited))} Add new "
                "parameters to the __init__, or remove the __init__."
            )


def _with_own(own: dict[str, Parameter], shared: dict[str, Parameter]) -> dict[str, Parameter]:
    """Return the named parameters of an ``__init__``, followed by the shared ones."""
    rest = {n: p.replace(kind=Parameter.KEYWORD_ONLY) for n, p in shared.items() if n not in own}
    return {**own, **rest}


def _with_new(defaults: dict[str, Any], shared: dict[str, Parameter]) -> dict[str, Parameter]:
    """Return shared parameters, with new ones after the positional ones."""
    first = {n: p for n, p in shared.items() if p.kind is not Parameter.KEYWORD_ONLY}
    new = {
        n: Parameter(n, Parameter.KEYWORD_ONLY, default=default)
        for n, default in defaults.items()
        if n not in shared
    }
    return {**first, **new, **shared}


def _make_init(
    cls: type[SharesParameters], known: dict[str, Parameter], new: set[str]
) -> Callable[..., None]:
    """Return an ``__init__`` with these parameters, which wraps that of the class, if any."""
    own_init = cls._body.init
    defaults = {n: p.default for n, p in known.items() if p.default is not Parameter.empty}

    def __init__(self: Any, *args: Any, **kwargs: Any) -> None:
        values = {**defaults, **check_arguments(cls, args, kwargs)}
        if missing := known.keys() - values.keys():
            names = ", ".join(map(repr, sorted(missing)))
            raise TypeError(f"{type(self).__name__} needs a value for {names}.")
        if own_init is not None:
            own_init(self, **values)
            return
        super(cls, self).__init__(**{n: v for n, v in values.items() if n not in new})
        for name in new:
            setattr(self, name, values[name])

    if own_init is not None:
        functools.update_wrapper(__init__, own_init)
    __init__.__qualname__ = f"{cls.__qualname__}.__init__"
    __init__.__module__ = cls.__module__
    first = Parameter("self", Parameter.POSITIONAL_OR_KEYWORD)
    __init__.__signature__ = Signature([first, *known.values()])  # type: ignore[attr-defined]
    return __init__


def _complete_constraints(cls: type[SharesParameters], known: dict[str, Parameter]) -> None:
    """Add the constraints of inherited parameters to those of the class body."""
    found = {name: shared.constraints for name, shared in cls._shared_parameters.items()}
    for base in reversed(cls.__mro__[1:]):
        found |= vars(base).get("_parameter_constraints", {})
    inherited = {name: found[name] for name in known if name in found}
    cls._parameter_constraints = {**inherited, **cls._body.constraints}


def _complete_docs(cls: type[SharesParameters], known: dict[str, Parameter]) -> None:
    """Add inherited entries to the docstring, if there is one."""
    doc = cls._body.doc
    table = {
        name: Entry(shared.kind, shared.text) for name, shared in cls._shared_parameters.items()
    }
    above: Any = super(cls, cls)
    found = above._parameter_docs or table
    cls._parameter_docs = found | read_entries(doc, "Parameters")
    found = above._attribute_docs or cls._shared_attributes
    own = read_entries(doc, "Attributes")
    cls._attribute_docs = {n: own[n] for n in own if n not in found} | found | own
    if doc is not None:
        described = {n: cls._parameter_docs[n] for n in known if n in cls._parameter_docs}
        defaults = {n: p.default for n, p in known.items() if p.default is not Parameter.empty}
        cls.__doc__ = complete_docstring(doc, described, cls._attribute_docs, defaults)
