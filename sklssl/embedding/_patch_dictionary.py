"""A dictionary of whitened patches: features from the images themselves, without training.

Coates, Lee, Ng. An Analysis of Single-Layer Networks in Unsupervised Feature Learning. AISTATS
2011. Coates, Ng. Learning Feature Representations with K-means. 2012. Thiry, Arbel, Belilovsky,
Oyallon. The Unreasonable Effectiveness of Patches in Deep Convolutional Kernels Methods. ICLR 2021.
"""

from functools import partial
from numbers import Integral

from sklssl._training.config import Phase
from sklssl.backbones._patchnet import check_n_atoms, patchnet
from sklssl.base import BaseEmbedder, Pretext
from sklssl.utils._checks import MAX_SIDE, naming_parameter
from sklssl.utils._sklearn_compat import Interval

__all__ = ["PatchDictionaryEmbedder"]

_SHARED = (
    "layer",
    "pool_size",
    "symmetry",
    "image_shape",
    "image_size",
    "cache_dir",
    "on_error",
    "device",
    "precision",
    "random_state",
    "verbose",
)


class PatchDictionaryEmbedder(BaseEmbedder):
    """Embed images by the similarity of their patches to patches of other images.

    Patches of the images are brought to equal contrast, whitened, and some of them chosen at random
    as a dictionary. The features are how similar the patches in each region of an image are to
    them. A second dictionary does the same with the maps of the first. Nothing is trained: ``fit``
    takes seconds, and transform most of the time. On small sets this beats many trained networks.

    Parameters
    ----------
    n_atoms : int or tuple of int, default=(128, 384)
        The number of patches in the first dictionary and in the second; one number for the first
        alone. Each gives two features a region. More are better, and slower.

    patch_size : int, default=None
        The side of the patches of the images, in pixels; None takes 6 for images of 32 pixels, in
        proportion at least 3 and at most 8.

    layer : str, default="all"
        The dictionary whose maps become the features: "patches1", "patches2", or "all" for both
        side by side. "auto" does so too, with fewer cells where there would be more than 6,000
        features. Read at ``transform``: a change needs no new ``fit``.

    pool_size : int, default=2
        The maps are averaged to `pool_size` x `pool_size` cells, which multiply the features.
        Read at ``transform``.

    symmetry : {"auto", "mirror", "all"} or None, default="auto"
        Over which images the features are averaged: "mirror" takes the mirrored image too, "all"
        the eight ways to turn and mirror a square (four for other images), and ``transform`` takes
        two and eight times as long; None takes the image alone. "auto" chooses in ``fit`` what
        changes nothing about the images of X: what a linear model cannot tell from them. Read at
        ``transform``.

    image_shape : tuple of (H, W) or (H, W, C), default=None
        How rows fold into images. None takes the smallest square that holds a row. Of file names
        as X: the size and the channels (1 grey, 3 red, green, blue) that images are brought to;
        None takes three channels and `image_size`, or else the size that all files have.

    image_size : int, default=None
        Side in pixels to which images are resized; None keeps their size. Sides below 8 pixels
        are padded with zeros.

    cache_dir : str or path-like, default=None
        Of file names as X: the folder where images are kept as they were decoded, for this fit
        and later ones. None keeps them in a temporary file during ``fit``.

    on_error : {"raise", "skip"}, default="raise"
        Of file names as X: what ``fit`` does about a file that cannot be read. "skip" leaves it
        out, with a warning that counts them; ``transform`` raises always.

    device : str, default="auto"
        A torch device; "auto" is the first CUDA device, or else the CPU.

    precision : {"auto", "float32", "bfloat16"}, default="auto"
        The arithmetic of the network; losses are float32 always. "auto" is bfloat16 where the
        hardware computes in it (CUDA 8.0 and newer, processors with avx512_bf16), which takes half
        the time and is as accurate, and float32 elsewhere.

    random_state : int, RandomState instance or None, default=None
        Seeds weights, order and views. The same int on the same machine with the same number of
        threads gives the same bytes.

    verbose : int, default=0
        Not used: nothing is trained.

    Attributes
    ----------
    pretext_ : Pretext
        Holds the network, ``pretext_.encoder``, in evaluation mode; there is no task.

    history_ : list of dict
        Empty: there are no epochs.

    n_epochs_ : int
        0.

    layer_names_ : tuple of str
        The dictionaries that `layer` can name.

    symmetry_ : {"mirror", "all"} or None
        What "auto" chose.

    image_shape_ : tuple of (H, W, C)
        The shape of one image.

    value_range_ : tuple of (low, high)
        The values of X that became 0 and 1: 0 and 255 for uint8, else the least and the greatest.
        Two floats, or where the ranges of the channels differ much two ndarrays of shape (C,).

    n_features_in_ : int
        H * W * C.

    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the columns, when `X` had any that are strings.

    See Also
    --------
    RotNetEmbedder : A network that is trained.
    sklssl.inspection.compare_embedders : Which embedder for one's own images.

    Notes
    -----
    The patches come from at most 2,000 of the images. Where there are fewer patches than
    `n_atoms`, the other atoms are random directions. There is no ``partial_fit`` and no ``score``:
    fit it on a sample of the images, and score a classifier on its features.

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
        **{name: BaseEmbedder._parameter_constraints[name] for name in _SHARED},
    }

    _sized_by = "n_atoms or image_size"

    # What the base reads of those embedders that train; here there is nothing to be set.
    max_epochs, batch_size, learning_rate, lr_schedule = 0, 256, 1.0, "constant"
    optimizer, weight_decay, max_grad_norm, compile = "sgd", 0.0, None, False
    init_weights, warm_start, callbacks = None, False, None
    checkpoint_dir, checkpoint_every, resume = None, "epoch", "never"

    def __init__(
        self,
        n_atoms=(128, 384),
        *,
        patch_size=None,
        layer="all",
        pool_size=2,
        symmetry="auto",
        image_shape=None,
        image_size=None,
        cache_dir=None,
        on_error="raise",
        device="auto",
        precision="auto",
        random_state=None,
        verbose=0,
    ):
        self.n_atoms = n_atoms
        self.patch_size = patch_size
        self.layer = layer
        self.pool_size = pool_size
        self.symmetry = symmetry
        self.image_shape = image_shape
        self.image_size = image_size
        self.cache_dir = cache_dir
        self.on_error = on_error
        self.device = device
        self.precision = precision
        self.random_state = random_state
        self.verbose = verbose

    @property
    def backbone(self):
        """What builds the network."""
        return partial(patchnet, n_atoms=self.n_atoms, patch_size=self.patch_size)

    @property
    def partial_fit(self):
        """Not there: a dictionary is taken from all images at once."""
        raise AttributeError(
            f"{type(self).__name__} has no partial_fit: its dictionary is taken from all images at "
            "once. Fit it on a sample of them; transform and transform_iter then take the rest."
        )

    @property
    def score(self):
        """Not there: there is no task."""
        raise AttributeError(
            f"{type(self).__name__} has no score: it solves no task. Score a classifier on its "
            "features, or give a scorer of sklssl.metrics as scoring."
        )

    def _check_size(self, size):
        """Refuse numbers of atoms that are none, and patches that are larger than the images."""
        with naming_parameter(self, "n_atoms"):
            check_n_atoms(self.n_atoms)
        if self.patch_size is not None and self.patch_size > min(size):
            raise ValueError(
                f"The 'patch_size' parameter of {type(self).__name__} is {self.patch_size}, but "
                f"the images have {size[0]}x{size[1]} pixels. Take a smaller one, None, or a "
                "larger image_size."
            )

    def _make_pretext(self, backbone):
        return Pretext(backbone)

    def _phases(self):
        return [Phase(1.0, self.learning_rate, 0)]
