"""What the author of a method is told when one of its methods returns something else than asked."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from torch import Tensor, nn

from sklssl._training.pretext import Pretext

__all__ = ["NOT_TERMS", "check_made", "check_names", "check_terms", "check_views"]

# What else a row of the history has: in history_, and in that of skorch.
NOT_TERMS = {"epoch", "phase", "scale", "learning_rate", "duration", "batches", "event_lr"}


def check_made(pretext: Any, owner: object) -> Pretext:
    """Return what ``_make_pretext`` of `owner` made, if it is a task.

    Raises
    ------
    TypeError
        If it is none.
    """
    if isinstance(pretext, Pretext):
        return pretext
    remedy = (
        "End it with a 'return'." if pretext is None else "Derive the task from sklssl.Pretext."
    )
    raise TypeError(
        f"{type(owner).__name__}._make_pretext must return the task to train, a Pretext. Got "
        f"{_describe(pretext)}. {remedy}"
    )


def check_views(pretext: nn.Module, made: Any) -> None:
    """Check what ``pretext.views`` made.

    Raises
    ------
    TypeError
        If it is no pair, as a tuple.
    """
    if not isinstance(made, tuple) or len(made) != 2:
        raise TypeError(
            f"{type(pretext).__name__}.views must return a tuple (views, targets), which forward "
            f"is called with. Got {_describe(made)}. Where there are no targets, return views, "
            "None."
        )


def check_terms(pretext: nn.Module, terms: Any) -> None:
    """Check the terms that ``pretext.forward`` gave for a step of training.

    Raises
    ------
    TypeError
        If they are no dict of scalar tensors by name.
    ValueError
        If there is no ``"loss"``, or it has no gradient, or a name is that of something else.
    """
    method = f"{type(pretext).__name__}.forward"
    allowed = "a dict of scalar tensors by name, of which 'loss' is minimised"
    if not isinstance(terms, dict):
        raise TypeError(
            f"{method} must return {allowed}. Got {_describe(terms)}. Return {{'loss': loss}}."
        )
    for name, term in terms.items():
        if not isinstance(name, str) or not isinstance(term, Tensor) or term.ndim:
            raise TypeError(
                f"{method} must return {allowed}. Got {_describe(term)} for {name!r}. Average it "
                "over the images of the batch, as by .mean(), or leave it out."
            )
    check_names(pretext, "forward", terms)
    if "loss" not in terms:
        raise ValueError(
            f"{method} must return {allowed}. Got the names {list(terms)}. Call what is to be "
            "minimised 'loss'."
        )
    if not terms["loss"].requires_grad:
        raise ValueError(
            f"{method} must return a 'loss' with a gradient for the weights of the task. Got one "
            "without. Compute it from what the backbone or a head gives, outside of "
            "torch.no_grad() and without .detach()."
        )


def check_names(pretext: nn.Module, method: str, terms: Iterable[str]) -> None:
    """Check that no term has the name of something else in a row of the history.

    Raises
    ------
    ValueError
        If one has.
    """
    for name in terms:
        if name in NOT_TERMS:
            raise ValueError(
                f"{type(pretext).__name__}.{method} must return terms with names other than "
                f"{sorted(NOT_TERMS)}, which rows of the history have anyway. Got {name!r}. Rename "
                "it."
            )


def _describe(value: Any) -> str:
    if value is None:
        return "None"
    if isinstance(value, Tensor):
        return f"a tensor of shape {tuple(value.shape)}"
    kind = type(value).__name__
    size = f" of {len(value)}" if isinstance(value, list | tuple) else ""
    return f"{'an' if kind[0] in 'aeiouAEIOU' else 'a'} {kind}{size}"
