"""RotNet: recognise by how much an image was turned.

Gidaris, Singh, Komodakis. Unsupervised Representation Learning by Predicting Image Rotations.
ICLR 2018.
"""

import math

import torch
import torch.nn.functional as F
from torch import nn

from sklssl.augmentation._views import draw_shifts, shift
from sklssl.backbones import pool_map
from sklssl.base import BaseEmbedder, Pretext

__all__ = [
    "RotNetEmbedder",
    "RotationPretext",
    "classify",
    "rotate_four_ways",
    "shift_randomly",
]

# Of the side: the authors' code crops 32-pixel images at random after padding them by 4. Without
# it a small data set is learned by heart (benchmarks/studies/README.md).
_MAX_SHIFT = 0.125


def shift_randomly(images, rng):
    """Shift each image (b, C, H, W) by up to an eighth of its sides."""
    return shift(images, draw_shifts(len(images), images.shape[2:], _MAX_SHIFT, rng))


def rotate_four_ways(images):
    """Turn square images (b, C, s, s) by 0, 90, 180 and 270 degrees counterclockwise.

    Returns
    -------
    views : tensor of shape (4 * b, C, s, s)
        All images unturned, then all turned by 90 degrees, and so on.

    targets : tensor of shape (4 * b,)
        The number of quarter turns.
    """
    views = torch.cat([torch.rot90(images, k, dims=(2, 3)) for k in range(4)])
    targets = torch.arange(4, device=images.device).repeat_interleave(len(images))
    return views.contiguous(memory_format=torch.channels_last), targets


def classify(logits, targets):
    """Give cross-entropy and accuracy of logits (b, n_classes) for classes (b,), as terms."""
    logits = logits.float()
    accuracy = (logits.argmax(dim=1) == targets).float().mean()
    return {"loss": F.cross_entropy(logits, targets), "accuracy": accuracy}


class RotationPretext(Pretext):
    """Classify the four rotations of every image, all in one step."""

    def __init__(self, backbone):
        super().__init__(backbone)
        self.head = nn.Linear(backbone.n_features, 4)

    def views(self, images, rng, index):
        if self.training:
            images = shift_randomly(images, rng)
        return rotate_four_ways(images)

    def chance_loss(self, n_images):
        return math.log(4)

    def forward(self, views, targets):
        return classify(self.head(pool_map(self.backbone(views))), targets)


class RotNetEmbedder(BaseEmbedder):
    """Embed images by what a network learns from predicting their rotation.

    Each image is shown turned by 0, 90, 180 and 270 degrees, and the network says which. To do
    so it must know what the image shows and how that stands. It suits images with a natural
    upright, and not those that look the same from all sides, such as many seen from above.

    Parameters
    ----------
    backbone : str or callable, default="patchconvnet"
        The network: a name of :func:`sklssl.backbones.list_backbones`, of a classification
        model of torchvision, or of timm's, as in "timm/convnext_atto", or a class, function or
        partial called with ``in_channels`` and ``image_size``.

    layer : str, default="auto"
        The stage whose maps become the features. "all" puts the maps of all stages side by side;
        "auto" does so too, with fewer cells than `pool_size` asks for where there would be more
        than 6,000 features. :func:`sklssl.inspection.layer_scores` compares single stages. Read at
        ``transform``: a change needs no new ``fit``.

    pool_size : int, default=3
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

    max_epochs : int, default=10
        Passes over the images; 0 leaves the network untrained, the baseline to compare with.

    batch_size : int, default=32
        Images a step; each gives four views.

    learning_rate : float, default=0.1
        The rate at the start.

    lr_schedule : {"step", "cosine", "plateau", "constant"}, default="step"
        "step" divides the rate by 5 at 30, 60 and 80 % of the epochs, "plateau" when the loss
        has not fallen for 5 epochs; "cosine" lets it rise over the first tenth and fall to 0.

    optimizer : {"sgd", "adam", "adamw"} or callable, default="sgd"
        "sgd" has a Nesterov momentum of 0.9. A class of torch.optim, or a partial of one, works.

    weight_decay : float, default=5e-4
        The L2 penalty on all weights.

    max_grad_norm : float, default=None
        The gradients of a step are shortened to this norm where theirs is larger; None leaves them
        as they are. It steadies a training whose loss jumps.

    init_weights : fitted embedder, str or path, default=None
        Where the network's first weights come from, as far as they fit: an embedder of any
        method, "imagenet" for those that others trained for the backbone, the name of torchvision's
        weights such as "ResNet18_Weights.IMAGENET1K_V1", a safetensors file or a file of a state
        dict (never unpickled). Wrap an embedder in :class:`sklearn.frozen.FrozenEstimator` where
        this one is cloned, as in a search.

    warm_start : bool, default=False
        Whether ``fit`` goes on from the weights of the last ``fit``.

    device : str, default="auto"
        A torch device; "auto" is the first CUDA device, or else the CPU.

    precision : {"auto", "float32", "bfloat16"}, default="auto"
        The arithmetic of the network; losses are float32 always. "auto" is bfloat16 where the
        hardware computes in it (CUDA 8.0 and newer, processors with avx512_bf16), which takes half
        the time and is as accurate, and float32 elsewhere.

    compile : bool, default=False
        Whether to train by ``torch.compile``, which takes a minute to begin with and needs a C++
        compiler. It pays in long trainings on a GPU; on a processor it gained nothing.

    checkpoint_dir : str or path-like, default=None
        The folder where ``fit`` keeps how far it has come, so that one that was stopped goes on
        from there. Clones, as searches fit them, get folders of their own within. None keeps
        nothing.

    checkpoint_every : "epoch" or float, default="epoch"
        When that is done: after each epoch, or whenever so many minutes have passed.

    resume : {"auto", "never"}, default="auto"
        Whether ``fit`` goes on from what it finds in `checkpoint_dir`. "auto" does if data and
        parameters are the same, and otherwise refuses; "never" starts afresh and replaces it.

    callbacks : list of callable, default=None
        Each is called as ``callback(embedder, row)`` after every epoch, with this estimator as it
        is by then, able to transform, and the row of ``history_``, which it may extend. Raising
        :class:`sklssl.exceptions.StopTraining` ends the training.

    random_state : int, RandomState instance or None, default=None
        Seeds weights, order and views. The same int on the same machine with the same number of
        threads gives the same bytes.

    verbose : int, default=0
        1 keeps a line on stderr that says how far the training is; 2 leaves one an epoch.

    Attributes
    ----------
    pretext_ : Pretext
        The trained task, in evaluation mode; ``pretext_.encoder`` is the network.

    history_ : list of dict
        A row an epoch: epoch, scale, learning_rate, loss, accuracy (of the pretext task) and
        duration in seconds.

    n_epochs_ : int
        The number of epochs trained.

    layer_names_ : tuple of str
        The stages that `layer` can name.

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
    ScaleNetEmbedder : The same task, first on smaller images.
    MultiScaleEmbedder : The same for any embedder.

    Notes
    -----
    The images must be square; set `image_size` otherwise. ``partial_fit`` trains an epoch on the
    images it is given.

    References
    ----------
    Gidaris, Singh, Komodakis. Unsupervised Representation Learning by Predicting Image
    Rotations. ICLR 2018.

    Examples
    --------
    >>> from sklearn.linear_model import LogisticRegression
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklssl import RotNetEmbedder
    >>> from sklssl.datasets import load_digit_images
    >>> X, y = load_digit_images(return_X_y=True)
    >>> embedder = RotNetEmbedder(max_epochs=2, random_state=0).fit(X[:500])
    >>> embedder.transform(X[:3]).shape == (3, len(embedder.get_feature_names_out()))
    True
    >>> pipe = make_pipeline(embedder, LogisticRegression(max_iter=1000)).fit(X[:500], y[:500])
    >>> pipe.score(X[500:], y[500:]) > 0.8
    True
    """

    _square_only = True

    def _make_pretext(self, backbone):
        return RotationPretext(backbone)
