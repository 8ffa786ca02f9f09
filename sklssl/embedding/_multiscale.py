"""Training at increasing image scales, for any embedder.

Huang, Roozbahani. ScaleNet: An Unsupervised Representation Learning Method for Limited
Information. GCPR 2021.
"""

from collections.abc import Callable, Sequence
from numbers import Integral, Real
from typing import Any, Self

import numpy as np
from sklearn.base import BaseEstimator, clone

from sklssl._training.config import Phase, Plan
from sklssl.base import BaseEmbedder
from sklssl.embedding._wrapper import EmbedderWrapper
from sklssl.utils._sklearn_compat import CallbackSupport, Interval, _fit_context
from sklssl.utils._typing import ImagesLike

__all__ = ["MULTISCALE_CONSTRAINTS", "MultiScaleEmbedder", "check_sequence", "make_phases"]

MULTISCALE_CONSTRAINTS: dict[str, list[Any]] = {
    "scales": ["array-like"],
    "learning_rates": [Interval(Real, 0, None, closed="neither"), "array-like", None],
    "max_epochs": [Interval(Integral, 0, None, closed="left"), "array-like"],
}


def make_phases(estimator: Any, learning_rates: Any, max_epochs: Any) -> list[Phase]:
    """Return one phase per scale of `estimator`; single values apply to all scales.

    Raises
    ------
    ValueError
        If a value is out of range, or the sequences differ in length.
    """
    check_sequence(estimator, "scales", estimator.scales)
    scales = list(estimator.scales)
    for name, values in {"learning_rates": learning_rates, "max_epochs": max_epochs}.items():
        if not isinstance(values, Real):
            check_sequence(estimator, name, values)
        if not isinstance(values, Real) and len(values) != len(scales):
            raise ValueError(
                f"The 'scales' and '{name}' parameters of {type(estimator).__name__} must have the "
                f"same length. Got {len(scales)} scales {estimator.scales!r} and {len(values)} "
                f"values {values!r}."
            )
    rates = [learning_rates] * len(scales) if isinstance(learning_rates, Real) else learning_rates
    epochs = [max_epochs] * len(scales) if isinstance(max_epochs, Real) else max_epochs
    _check_each(estimator, "scales", scales, Real, lambda s: 0 < s <= 1, "numbers in (0, 1]")
    _check_each(estimator, "learning_rates", rates, Real, lambda r: r > 0, "numbers above 0")
    _check_each(
        estimator, "max_epochs", epochs, Integral, lambda n: n >= 0, "integers of at least 0"
    )
    return [
        Phase(float(s), float(r), int(n)) for s, r, n in zip(scales, rates, epochs, strict=True)
    ]


def check_sequence(estimator: BaseEstimator, name: str, values: Any) -> None:
    """Raise an error for array-likes that cannot be iterated, such as 0-dimensional arrays."""
    if np.ndim(values) == 0:
        raise ValueError(
            f"The '{name}' parameter of {type(estimator).__name__} must be a sequence of numbers. "
            f"Got {values!r}."
        )


def _check_each(
    estimator: BaseEstimator,
    name: str,
    values: Any,
    kind: type,
    is_allowed: Callable[[Any], bool],
    allowed: str,
) -> None:
    if len(values) == 0 or not all(isinstance(v, kind) and is_allowed(v) for v in values):
        raise ValueError(
            f"The '{name}' parameter of {type(estimator).__name__} must contain {allowed}, at "
            f"least one. Got {getattr(estimator, name)!r}."
        )


class MultiScaleEmbedder(CallbackSupport, EmbedderWrapper):
    """Train any embedder at increasing image scales, each starting from the previous one.

    The whole task is carried over: network, heads and batch-norm statistics.

    Parameters
    ----------
    estimator : embedder
        The embedder to train. It is cloned and stays unchanged.

    scales : sequence of float
        The factors by which the images are resized (bilinearly), one after another; each in (0, 1]
        and large enough to leave sides of at least 4 pixels.

    learning_rates : float or sequence of float
        The learning rate of each scale, or one for all, before `lr_schedule` of `estimator` changes
        it. None means the learning rate of `estimator`.

    max_epochs : int or sequence of int
        The number of passes over the images, for each scale or one for all. None means the number
        of `estimator`.

    Attributes
    ----------
    estimator_ : embedder
        The fitted clone; all attributes below are its own.

    layer_names_ : tuple of str
        The stages that `layer` of the estimator can name.

    See Also
    --------
    ScaleNetEmbedder : RotNet at two scales, with the settings of the paper.

    References
    ----------
    Huang, Roozbahani. ScaleNet: An Unsupervised Representation Learning Method for Limited
    Information. GCPR 2021.

    Examples
    --------
    >>> from sklssl import MultiScaleEmbedder, RotNetEmbedder
    >>> from sklssl.datasets import load_digit_images
    >>> X, _ = load_digit_images(return_X_y=True)
    >>> embedder = MultiScaleEmbedder(
    ...     RotNetEmbedder(random_state=0), scales=(0.5, 0.75, 1.0), max_epochs=(1, 0, 2)
    ... ).fit(X[:200])
    >>> [row["scale"] for row in embedder.history_]
    [0.5, 1.0, 1.0]
    """

    _parameter_constraints = {
        "estimator": [BaseEmbedder],
        **MULTISCALE_CONSTRAINTS,
        "max_epochs": [*MULTISCALE_CONSTRAINTS["max_epochs"], None],
    }

    def __init__(
        self,
        estimator: BaseEmbedder,
        scales: Sequence[float] = (0.5, 1.0),
        *,
        learning_rates: float | Sequence[float] | None = None,
        max_epochs: int | Sequence[int] | None = None,
    ) -> None:
        self.estimator = estimator
        self.scales = scales
        self.learning_rates = learning_rates
        self.max_epochs = max_epochs

    def _phases(self) -> list[Phase]:
        inner = self.estimator._phases()[-1]
        rates = inner.learning_rate if self.learning_rates is None else self.learning_rates
        return make_phases(
            self, rates, inner.max_epochs if self.max_epochs is None else self.max_epochs
        )

    @_fit_context(prefer_skip_nested_validation=False)
    def fit(self, X: ImagesLike, y: object = None) -> Self:
        """Learn the embedding from images alone, scale after scale.

        Parameters
        ----------
        X : array-like of shape (n, H, W), (n, H, W, C) or (n, H*W*C), or (n,) file names
            At least two images: uint8, or floats of any range.

        y : None
            Ignored.

        Returns
        -------
        self : object

        Raises
        ------
        ValueError
            If a parameter or `X` is invalid, or a scale results in fewer than 4 pixels per side.
        NonFiniteLossError
            If the loss becomes infinite or NaN in the first epoch. The estimator is then left
            unchanged.
        """
        continued = self.estimator.warm_start and self.__sklearn_is_fitted__()
        return self._fit(X, y, Plan(self._phases(), self, continued))

    @_fit_context(prefer_skip_nested_validation=False)
    def partial_fit(self, X: ImagesLike, y: object = None) -> Self:
        """Train one epoch at the last scale on a chunk of images.

        Parameters
        ----------
        X : array-like of shape (n, H, W), (n, H, W, C) or (n, H*W*C), or (n,) file names
            At least two images.

        y : None
            Ignored.

        Returns
        -------
        self : object
        """
        phase = self._phases()[-1]._replace(max_epochs=1)
        return self._fit(X, y, Plan([phase], self, self.__sklearn_is_fitted__(), in_pieces=True))

    def _fit(self, X: ImagesLike, y: object, plan: Plan) -> Self:
        self._check_estimator()
        estimator = clone(self.estimator)
        if plan.continued:
            self._check_same_method()
            learned = {k: v for k, v in vars(self.estimator_).items() if not hasattr(estimator, k)}
            vars(estimator).update(learned)
        estimator._validate_params()
        self.estimator_ = estimator._fit(X, y, plan)
        return self

    def _check_estimator(self) -> None:
        """Raise an error if the embedder trains no network, or has scales of its own."""
        params, name = self.estimator.get_params(deep=False), type(self.estimator).__name__
        if "max_epochs" not in params or "scales" in params:
            why = "has scales of its own" if "scales" in params else "trains no network"
            raise ValueError(
                f"The 'estimator' parameter of MultiScaleEmbedder must be an embedder such as "
                f"RotNetEmbedder or SimCLREmbedder. Got {name}, which {why}."
            )

    def _check_same_method(self) -> None:
        now, before = type(self.estimator).__name__, type(self.estimator_).__name__
        if type(self.estimator) is not type(self.estimator_):
            raise TypeError(
                f"The 'estimator' parameter of MultiScaleEmbedder is a {now}, but training "
                f"continues with the {before} of the previous fit. Use another {before}, or fit "
                "anew with warm_start=False."
            )

    def _attributes_from(self, fitted: BaseEmbedder) -> dict[str, BaseEmbedder]:
        return {"estimator_": fitted}

    def set_layer(self, layer: str) -> Self:
        """Set the stage from which ``transform`` of the fitted embedder takes its features.

        Parameters
        ----------
        layer : str
            "auto", "all" or one of ``layer_names_``.

        Returns
        -------
        self : object
        """
        self._fitted_embedder().set_layer(layer)
        self.estimator = clone(self.estimator).set_params(layer=layer)  # for fits that continue
        return self
