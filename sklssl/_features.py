"""What a trained network gives: the features of its stages."""

import contextlib
import math

import numpy as np
import torch
from sklearn.base import ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils.validation import check_is_fitted

from sklssl._data.batches import MIN_SIDE, ToTensor, embed_blocks, embed_in_batches
from sklssl._data.input import validate_input
from sklssl._runtime.device import network_precision, plain_torch, resolve_device
from sklssl._symmetry import average_orientations
from sklssl.backbones import pool_map, pool_stages
from sklssl.utils._checks import check_features, check_network

__all__ = ["NetworkFeatures"]

_MOST_FEATURES = 6000  # with layer="auto": more make a linear model of some thousand rows slow


class NetworkFeatures(ClassNamePrefixFeaturesOutMixin, TransformerMixin):
    """The half of an embedder that comes after ``fit``: from images to features of any stage.

    It reads the parameters `layer`, `pool_size`, `symmetry`, `image_size`, `device` and
    `precision`, and the fitted attributes `pretext_`, `symmetry_`, `image_shape_` and
    `value_range_`.
    """

    def transform(self, X):
        """Embed images.

        Parameters
        ----------
        X : array-like of shape (n, H, W), (n, H, W, C) or (n, H*W*C), or (n,) file names
            Images of the shape and range seen in ``fit``.

        Returns
        -------
        X_embedded : ndarray of shape (n, n_features_out), float32
            The maps of `layer`, pooled and flattened. A row does not depend on its neighbours.
        """
        return check_features(self, self._embed(self._check_images(X)))

    def transform_iter(self, X):
        """Embed images in pieces, for more of them than the memory holds.

        Parameters
        ----------
        X : array-like of shape (n, H, W), (n, H, W, C) or (n, H*W*C), or (n,) file names
            Images of the shape and range seen in ``fit``: an array, also one that is
            memory-mapped, or files. They are read as far as they are asked for.

        Yields
        ------
        block : ndarray of shape (b, n_features_out), float32
            The rows of the next images, in order: together, bit by bit, what ``transform`` gives.

        Examples
        --------
        Written to a file as they come:

        >>> import tempfile
        >>> import numpy as np
        >>> from sklssl import RotNetEmbedder
        >>> from sklssl.datasets import load_digit_images
        >>> X, _ = load_digit_images(return_X_y=True)
        >>> embedder = RotNetEmbedder(max_epochs=1, random_state=0).fit(X[:100])
        >>> with tempfile.TemporaryFile() as file:
        ...     for block in embedder.transform_iter(X):
        ...         _ = file.write(block)
        ...     file.tell() == len(X) * 5120 * 4
        True
        """
        images = self._check_images(X)  # at once, not when the first block is asked for
        return self._iterate(images)

    def _iterate(self, images):
        with self._evaluating() as to_tensor:
            blocks = embed_blocks(images, to_tensor, self._encode())
        while True:
            # Never while the caller has the turn: these settings of torch are global.
            with self._evaluating():
                block = next(blocks, None)
            if block is None:
                return
            yield check_features(self, block)

    def transform_layers(self, X, pool_size=None):
        """Embed images by all stages of the network, in one pass.

        Parameters
        ----------
        X : array-like of shape (n, H, W), (n, H, W, C) or (n, H*W*C), or (n,) file names
            Images of the shape and range seen in ``fit``.

        pool_size : int, default=None
            The maps are averaged to `pool_size` x `pool_size` cells; None takes the parameter of
            the embedder.

        Returns
        -------
        features : dict of str to ndarray of shape (n, d), float32
            For each of ``layer_names_`` what ``transform`` would give with that `layer`.
        """
        images = self._check_images(X)
        cells = [(name, int(pool_size or self.pool_size)) for name in self.layer_names_]
        features = self._embed_cells(images, cells)
        return {name: check_features(self, Z) for (name, _), Z in features.items()}

    def set_layer(self, layer):
        """Choose the stage that ``transform`` takes its features from; nothing is trained again.

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
            If the network has no such stage. The embedder is then as it was.
        """
        check_is_fitted(self)
        self._resolve_layer(self.pretext_, layer)
        return self.set_params(layer=layer)

    def export_onnx(self, path):
        """Write what ``transform`` computes of arrays into a file of ONNX, for other programs.

        Parameters
        ----------
        path : str or path-like
            Replaced if it exists, once the whole file is written.

        Raises
        ------
        ImportError
            If onnx or onnxscript is missing: ``pip install "sklssl[onnx]"``.
        ValueError
            If the weights take more than the 2 GiB that such a file can hold.
        OSError
            If the file cannot be written. What was there before is then as it was.

        Notes
        -----
        The graph takes ``images``, float32 of shape (n, H, W, C), any n, in the range of values
        seen in ``fit`` (0 to 255 for uint8), and gives ``features``, float32 of shape
        (n, n_features_out). Scaling, resizing and standardisation are part of it, as are the
        present `layer`, `pool_size` and `symmetry`. It computes in float32, whatever `precision`
        is.

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
        check_is_fitted(self)
        self._check_params()
        from sklssl._storage.onnx import export_onnx  # what it imports is not needed otherwise

        export_onnx(self, path)

    def get_feature_names_out(self, input_features=None):
        """Give names to the features: the class in small letters, and a number.

        Parameters
        ----------
        input_features : array-like of str, default=None
            The names of the columns of `X`; of files or pictures, the one column that holds them.

        Returns
        -------
        names : ndarray of str
        """
        one = input_features is not None and len(input_features) == 1 != self.n_features_in_
        return super().get_feature_names_out(None if one else input_features)

    def _check_images(self, X):
        check_is_fitted(self)
        self._check_params()
        return validate_input(self, X, reset=False)

    def _check_params(self):
        """Check what may have changed since ``fit``: some parameters are read later."""
        self._validate_params()
        check_network(self, self.pretext_.encoder, [self._full_size()])

    def _full_size(self):
        if self.image_size is not None:
            return self.image_size, self.image_size
        return tuple(max(side, MIN_SIDE) for side in self.image_shape_[:2])

    def _resolve_layer(self, pretext, layer=None):
        """Find the stage that `layer` (by default the parameter) means, or "all" of them."""
        names, layer = pretext.encoder.layer_names, layer or self.layer
        if layer == "auto":
            return "all"
        if layer not in ("all", *names):
            raise ValueError(
                f"The 'layer' parameter of {type(self).__name__} must be 'auto', 'all' or a stage "
                f"of its backbone, {list(names)}. Got {layer!r}."
            )
        return layer

    def _cell(self):
        """Give the (layer, pool_size) that the parameters mean."""
        layer, pool_size = self._resolve_layer(self.pretext_), self.pool_size
        if self.layer == "auto":
            while pool_size > 1 and self._width((layer, pool_size)) > _MOST_FEATURES:
                pool_size -= 1
        return layer, pool_size

    def _width(self, cell):
        """Count the features of a (layer, pool_size)."""
        layer, pool_size = cell
        shapes = self.pretext_.encoder.map_shapes(self._full_size())
        return sum(
            width * math.prod(min(pool_size, side) for side in sides)
            for width, *sides in (shapes.values() if layer == "all" else [shapes[layer]])
        )

    @property
    def _n_features_out(self):
        return self._width(self._cell())

    @contextlib.contextmanager
    def _evaluating(self):
        """Return the conversion to tensors, with the pretext evaluating on its device."""
        with plain_torch():
            device = resolve_device(self.device, owner=self)
            self.pretext_.to(device).eval()
            with torch.inference_mode(), network_precision(device, self.precision):
                yield ToTensor(device, self.value_range_, self._full_size())

    def _embed(self, images):
        """Embed checked images (n, H, W, C)."""
        with self._evaluating() as to_tensor:
            return embed_in_batches(images, to_tensor, self._encode(), self._n_features_out)

    def _encode(self):
        """Give what turns a batch of images into features."""
        return self._averaging(self._encode_once())

    def _encode_once(self):
        """Give what does so without averaging over orientations."""
        encoder, (layer, pool_size) = self.pretext_.encoder, self._cell()
        return lambda batch: pool_stages(encoder, batch, layer, pool_size)

    def _averaging(self, encode):
        symmetry = self.symmetry_ if self.symmetry == "auto" else self.symmetry
        return average_orientations(encode, symmetry)

    def _embed_changed(self, images, change):
        """Embed checked images after a `change` to them as a batch (b, C, h, w), not averaging."""
        encode = self._encode_once()
        with self._evaluating() as to_tensor:
            return embed_in_batches(
                images, to_tensor, lambda batch: encode(change(batch)), self._n_features_out
            )

    def _embed_cells(self, images, cells):
        """Embed checked images by several (layer, pool_size) in one pass; gives a dict of them."""
        encoder, widths = self.pretext_.encoder, [self._width(cell) for cell in cells]

        def encode(batch):
            maps = encoder.maps(batch)
            return torch.cat([pool_map(maps[layer], size) for layer, size in cells], dim=1)

        with self._evaluating() as to_tensor:
            Z = embed_in_batches(images, to_tensor, self._averaging(encode), sum(widths))
        parts = np.split(Z, np.cumsum(widths)[:-1], axis=1)
        return {cell: np.ascontiguousarray(part) for cell, part in zip(cells, parts, strict=True)}
