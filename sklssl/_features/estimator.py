"""The methods of an embedder that follow ``fit``: features of its network."""

import os
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from sklearn.base import TransformerMixin
from sklearn.utils.validation import check_is_fitted

from sklssl._data.input import CheckedImages, validate_input
from sklssl._features.extractor import FeatureExtractor, make_extractor, resolve_layer
from sklssl.utils._checks import check_features, check_whole
from sklssl.utils._feature_names import NumberedFeatures
from sklssl.utils._typing import ImagesLike

__all__ = ["FeatureEstimator"]


class FeatureEstimator(NumberedFeatures, TransformerMixin):
    """The part of an embedder that follows ``fit``: from images to features of any stage.

    It reads the parameters `layer`, `pool_size`, `symmetry`, `image_size`, `device` and
    `precision`, and the fitted attributes `pretext_`, `symmetry_`, `image_shape_` and
    `value_range_`: those of the embedder itself, or of another one that ``_fitted_embedder``
    returns.
    """

    if TYPE_CHECKING:  # which does not see the attributes that are set by name

        def __getattr__(self, name: str) -> Any: ...

    def transform(self, X: ImagesLike) -> np.ndarray:
        """Embed images.

        Parameters
        ----------
        X : array-like of shape (n, H, W), (n, H, W, C) or (n, H*W*C), or (n,) file names
            Images of the shape and range seen in ``fit``.

        Returns
        -------
        X_embedded : ndarray of shape (n, n_features_out), float32
            The signed square roots of the feature maps of `layer`, pooled and flattened; those of
            :class:`~sklssl.ViewWhiteningEmbedder` are whitened. Each row depends on its image
            alone.
        """
        extractor, images = self._prepare(X)
        return check_features(self, extractor.embed(images))

    def transform_iter(self, X: ImagesLike) -> Iterator[np.ndarray]:
        """Embed images block by block, for more images than fit in memory.

        Parameters
        ----------
        X : array-like of shape (n, H, W), (n, H, W, C) or (n, H*W*C), or (n,) file names
            Images of the shape and range seen in ``fit``: an array, which may be memory-mapped,
            or files. They are read lazily.

        Yields
        ------
        block : ndarray of shape (b, n_features_out), float32
            The rows of the next images, in order. Concatenated, they are bit-identical to the
            output of ``transform``.

        Examples
        --------
        Write the blocks to a file:

        >>> import tempfile
        >>> import numpy as np
        >>> from sklssl import RotNetEmbedder
        >>> from sklssl.datasets import load_digit_images
        >>> X, _ = load_digit_images(return_X_y=True)
        >>> embedder = RotNetEmbedder(max_epochs=1, random_state=0).fit(X[:100])
        >>> with tempfile.TemporaryFile() as file:
        ...     for block in embedder.transform_iter(X):
        ...         _ = file.write(block)
        ...     file.tell() == len(X) * 5248 * 4
        True
        """
        extractor, images = self._prepare(X)  # now, not when the first block is requested
        return (check_features(self, block) for block in extractor.iter_blocks(images))

    def transform_layers(
        self, X: ImagesLike, pool_size: int | None = None
    ) -> dict[str, np.ndarray]:
        """Embed images with all stages of the network, in one pass.

        Parameters
        ----------
        X : array-like of shape (n, H, W), (n, H, W, C) or (n, H*W*C), or (n,) file names
            Images of the shape and range seen in ``fit``.

        pool_size : int, default=None
            Feature maps are averaged to `pool_size` x `pool_size` cells. None uses the parameter
            of the embedder.

        Raises
        ------
        ValueError
            If `pool_size` is not a whole number from 1.

        Returns
        -------
        features : dict of str to ndarray of shape (n, d), float32
            For each of ``layer_names_``, the output of ``transform`` with that `layer`.
        """
        if pool_size is not None:
            check_whole("pool_size", pool_size, f"{type(self).__name__}.transform_layers")
        extractor, images = self._prepare(X)
        embedder = self._fitted_embedder()
        choices = [(name, int(pool_size or embedder.pool_size)) for name in embedder.layer_names_]
        features = extractor.embed_layers(images, choices)
        return {name: check_features(self, Z) for (name, _), Z in features.items()}

    def set_layer(self, layer: str) -> Self:
        """Set the stage from which ``transform`` takes its features, without training again.

        Parameters
        ----------
        layer : str
            "auto", "all" or one of ``layer_names_``.

        Returns
        -------
        self : object

        Raises
        ------
        ValueError
            If the network has no such stage. The embedder is then left unchanged.
        """
        check_is_fitted(self)
        resolve_layer(self, self.pretext_.encoder, layer)
        return self.set_params(layer=layer)

    def export_onnx(self, path: str | os.PathLike[str]) -> None:
        """Export the computation of ``transform`` for arrays to an ONNX file.

        Parameters
        ----------
        path : str or path-like
            An existing file is replaced once the new one is complete.

        Raises
        ------
        ImportError
            If onnx or onnxscript is missing or too old: ``pip install "sklssl[onnx]"``.
        ValueError
            If the weights exceed the 2 GiB limit of ONNX files.
        OSError
            If the file cannot be written. An existing file is then left unchanged.

        Notes
        -----
        The input of the graph is ``images``, float32 of shape (n, H, W, C) for any n, in the range
        of values seen in ``fit`` (0 to 255 for uint8). The output is ``features``, float32 of shape
        (n, n_features_out). Scaling, resizing and standardisation are included, with the current
        `layer`, `pool_size` and `symmetry`. The graph computes in float32, regardless of
        `precision`.

        Examples
        --------
        >>> import os, tempfile
        >>> import numpy as np
        >>> import onnxruntime
        >>> from sklssl import RotNetEmbedder
        >>> from sklssl.datasets import load_digit_images
        >>> X, _ = load_digit_images(return_X_y=True)
        >>> embedder = RotNetEmbedder(max_epochs=1, precision="float32").fit(X[:100])
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = os.path.join(folder, "embedder.onnx")
        ...     embedder.export_onnx(path)
        ...     session = onnxruntime.InferenceSession(path)
        >>> (Z,) = session.run(None, {"images": X.astype(np.float32)})
        >>> np.allclose(Z, embedder.transform(X), atol=1e-4)
        True
        """
        extractor = self._extractor()
        from sklssl._storage.onnx import export_onnx  # its imports are not needed otherwise

        export_onnx(extractor, self.image_shape_, path)

    def _fitted_embedder(self) -> Any:
        """Return the embedder with the network; raise an error if it is not fitted."""
        check_is_fitted(self)
        return self

    def _extractor(self) -> FeatureExtractor:
        """Return the fitted network with what turns its feature maps into features."""
        return make_extractor(self._fitted_embedder())

    def _prepare(self, X: ImagesLike) -> tuple[FeatureExtractor, CheckedImages]:
        """Return the fitted network, and `X` as checked images for it."""
        extractor = self._extractor()
        return extractor, validate_input(self._fitted_embedder(), X, reset=False)

    @property
    def _n_features_out(self) -> int:
        return self._extractor().n_features

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "pretext_")
