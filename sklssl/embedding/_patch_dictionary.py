"""A dictionary of whitened patches: features taken from the images, without training.

Coates, Lee, Ng. An Analysis of Single-Layer Networks in Unsupervised Feature Learning. AISTATS
2011. Coates, Ng. Learning Feature Representations with K-means. 2012. Thiry, Arbel, Belilovsky,
Oyallon. The Unreasonable Effectiveness of Patches in Deep Convolutional Kernels Methods. ICLR 2021.
"""

from functools import partial
from numbers import Integral
from typing import Any

from sklssl.backbones import Backbone
from sklssl.backbones._patchnet import check_n_atoms, patchnet
from sklssl.base import parameters
from sklssl.embedding._untrained import UntrainedEmbedder
from sklssl.utils._checks import MAX_SIDE, naming_parameter
from sklssl.utils._sklearn_compat import Interval

__all__ = ["PatchDictionaryEmbedder"]


@parameters(layer="all", pool_size=2)
class PatchDictionaryEmbedder(UntrainedEmbedder):
    """Embed images by the similarity of their patches to patches of other images.

    Patches of the images are normalised in contrast and whitened, and a random selection of them
    becomes a dictionary. The features are the similarities between the patches in each region of an
    image and those of the dictionary. Normalisation removes brightness, colour and contrast, which
    have 32 features of their own in each region. A second dictionary is built in the same way from
    the feature maps of the first. Nothing is trained: ``fit`` takes seconds, and most of the time
    is spent in ``transform``. On small data sets this beats many trained networks.

    Parameters
    ----------
    n_atoms : int or tuple of int
        The number of patches in the first and in the second dictionary; a single number for the
        first one alone; the first of two has at most 4,096. Each patch yields two features per
        region. More are better, and slower.

    patch_size : int
        The side of the patches in pixels. None means 6 for images of 32 pixels and is proportional
        to their size, between 3 and 8.

    layer : str
        The dictionary whose feature maps become the features: "patches1", "patches2", or "all" for
        both side by side. "auto" uses both too, but with fewer cells if there would be more than
        6,000 features. Only used by ``transform``: a change needs no new ``fit``.

    Attributes
    ----------
    layer_names_ : tuple of str
        The dictionaries that `layer` can name.

    See Also
    --------
    RotNetEmbedder : Trains a network.
    sklssl.inspection.compare_embedders : Finds the best embedder for given images.

    Notes
    -----
    The patches come from at most 2,000 of the images. If there are fewer patches than `n_atoms`,
    the remaining atoms are random directions. There is no ``partial_fit`` and no ``score``: fit on
    a sample of the images, and score a classifier on the features.

    References
    ----------
    Coates, Lee, Ng. An Analysis of Single-Layer Networks in Unsupervised Feature Learning. AISTATS
    2011.

    Coates, Ng. Learning Feature Representations with K-means. In: Neural Networks: Tricks of the
    Trade, 2012.

    Thiry, Arbel, Belilovsky, Oyallon. The Unreasonable Effectiveness of Patches in Deep
    Convolutional Kernels Methods. ICLR 2021.

    Examples
    --------
    >>> from sklearn.linear_model import LogisticRegression
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn.preprocessing import StandardScaler
    >>> from sklssl import PatchDictionaryEmbedder
    >>> from sklssl.datasets import load_digit_images
    >>> X, y = load_digit_images(return_X_y=True)
    >>> embedder = PatchDictionaryEmbedder(n_atoms=(32, 64), random_state=0)
    >>> probe = make_pipeline(StandardScaler(), LogisticRegression(C=0.01, max_iter=1000))
    >>> pipe = make_pipeline(embedder, probe).fit(X[:500], y[:500])
    >>> pipe.score(X[500:], y[500:]) > 0.9
    True
    """

    _parameter_constraints = {
        "n_atoms": [Interval(Integral, 1, None, closed="left"), tuple, list],
        "patch_size": [Interval(Integral, 1, MAX_SIDE, closed="both"), None],
    }

    _sized_by = "n_atoms or image_size"

    init_weights = None  # they are computed from the images

    def __init__(
        self,
        n_atoms: int | tuple[int, ...] = (128, 384),
        *,
        patch_size: int | None = None,
        **shared: Any,
    ) -> None:
        super().__init__(**shared)
        self.n_atoms = n_atoms
        self.patch_size = patch_size

    @property
    def backbone(self) -> partial[Backbone]:
        """The function that builds the network."""
        return partial(patchnet, n_atoms=self.n_atoms, patch_size=self.patch_size)

    def _check_size(self, size: tuple[int, int]) -> None:
        """Raise an error for numbers of atoms below 1, and for patches larger than the images."""
        with naming_parameter(self, "n_atoms"):
            check_n_atoms(self.n_atoms)
        if self.patch_size is not None and self.patch_size > min(size):
            raise ValueError(
                f"The 'patch_size' parameter of {type(self).__name__} is {self.patch_size}, but "
                f"the images have {size[0]}x{size[1]} pixels. Use a smaller value, None, or a "
                "larger image_size."
            )
