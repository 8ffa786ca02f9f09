"""SimCLR: know two views of one image among the views of others.

Chen, Kornblith, Norouzi, Hinton. A Simple Framework for Contrastive Learning of Visual
Representations. ICML 2020.
"""

import math
import warnings
from numbers import Integral, Real

import torch
from torch import nn

from sklssl.augmentation import RandomViews
from sklssl.backbones import pool_map
from sklssl.base import BaseEmbedder, Pretext
from sklssl.losses import contrastive_accuracy, nt_xent
from sklssl.utils._checks import naming_parameter
from sklssl.utils._sklearn_compat import Interval

__all__ = ["SimCLREmbedder"]


class ContrastivePretext(Pretext):
    """Bring the projections of two random views of an image together, and others apart."""

    def __init__(self, backbone, random_views, temperature, projection_dim):
        super().__init__(backbone)
        width = backbone.n_features
        self.head = nn.Sequential(
            nn.Linear(width, width, bias=False),
            nn.BatchNorm1d(width),
            nn.ReLU(inplace=True),
            nn.Linear(width, projection_dim),
        )
        self.random_views = random_views
        self.temperature = temperature

    def views(self, images, rng, index):
        return self.random_views(torch.cat([images, images]), rng), None

    def chance_loss(self, n_images):
        return math.log(2 * n_images - 1)

    def forward(self, views, targets):
        # Both views in one pass, as in the authors' code: batch-norm sees all of them.
        z1, z2 = self.head(pool_map(self.backbone(views))).chunk(2)
        loss = nt_xent(z1, z2, self.temperature)
        return {"loss": loss, "accuracy": contrastive_accuracy(z1.detach(), z2.detach())}


class SimCLREmbedder(BaseEmbedder):
    """Embed images by what a network learns from knowing two views of one image.

    Two random crops of every image, with colours changed, must be more alike to the network than
    to the views of the other images of the batch. What survives crops and colours is what the
    image shows. It suits images that a crop or another light leaves what they are; it wants many
    epochs and large batches.

    Parameters
    ----------
    backbone : str or callable, default="patchconvnet"
        The network: a name of :func:`sklssl.backbones.list_backbones`, of a classification
        model of torchvision, or of timm's, as in "timm/convnext_atto", or a class, function or
        partial called with ``in_channels`` and ``image_size``.

    temperature : float, default=0.5
        Divides the similarities: the smaller, the more the nearest other images count.

    projection_dim : int, default=128
        Outputs of the projection head.

    crop_scale : tuple of (float, float), default=(0.2, 1.0)
        The least and the greatest share of an image's area that a view shows.

    jitter_strength : float, default=0.5
        Strength of the changes of brightness, contrast, saturation and hue; 0 for none. Where
        colour tells the images apart, lower it.

    horizontal_flip : bool, default=True
        Whether half of the views are mirrored. Not for images of writing.

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

    max_epochs : int, default=20
        Passes over the images; 0 leaves the network untrained, the baseline to compare with.

    batch_size : int, default=64
        Images a step; each is told from the 2 * (`batch_size` - 1) other views. Besides what the
        network needs, the similarities of these take 50 * `batch_size` ** 2 bytes, measured: 13 MB
        for 512, 0.8 GB for 4,096.

    learning_rate : float, default=1e-3
        The rate at the start.

    lr_schedule : {"step", "cosine", "plateau", "constant"}, default="cosine"
        "step" divides the rate by 5 at 30, 60 and 80 % of the epochs, "plateau" when the loss
        has not fallen for 5 epochs; "cosine" lets it rise over the first tenth and fall to 0.

    optimizer : {"sgd", "adam", "adamw"} or callable, default="adam"
        "sgd" has a Nesterov momentum of 0.9. A class of torch.optim, or a partial of one, works.

    weight_decay : float, default=1e-6
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
        A row an epoch: epoch, scale, learning_rate, loss, accuracy (share of the
        views whose nearest other view in the batch is their partner) and
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
    MultiScaleEmbedder : ``MultiScaleEmbedder(SimCLREmbedder())`` is multi-scale SimCLR.
    RotNetEmbedder : Learns faster where images have an upright.

    Notes
    -----
    The views are those of the paper: a random resized crop, a flip, colour jitter for 80 % and
    grey for 20 % of them, and a blur for half of them when the images have 64 pixels a side or
    more. Every image draws its own numbers. The accuracy depends on the batch size.

    References
    ----------
    Chen, Kornblith, Norouzi, Hinton. A Simple Framework for Contrastive Learning of Visual
    Representations. ICML 2020.

    Examples
    --------
    >>> from sklssl import SimCLREmbedder
    >>> from sklssl.datasets import load_digit_images
    >>> X, _ = load_digit_images(return_X_y=True)
    >>> embedder = SimCLREmbedder(max_epochs=4, horizontal_flip=False, random_state=0)
    >>> embedder.fit_transform(X[:500]).shape
    (500, 5120)
    >>> embedder.score(X[500:]) > 5 / 127  # five times what chance gives in a batch of 64
    True
    """

    _parameter_constraints = {
        **BaseEmbedder._parameter_constraints,
        "temperature": [Interval(Real, 0, None, closed="neither")],
        "projection_dim": [Interval(Integral, 1, 2**16, closed="both")],
        "crop_scale": ["array-like"],
        "jitter_strength": [Interval(Real, 0, 1, closed="both")],
        "horizontal_flip": ["boolean"],
    }

    def __init__(
        self,
        backbone="patchconvnet",
        *,
        temperature=0.5,
        projection_dim=128,
        crop_scale=(0.2, 1.0),
        jitter_strength=0.5,
        horizontal_flip=True,
        layer="auto",
        pool_size=3,
        symmetry="auto",
        image_shape=None,
        image_size=None,
        cache_dir=None,
        on_error="raise",
        max_epochs=20,
        batch_size=64,
        learning_rate=1e-3,
        lr_schedule="cosine",
        optimizer="adam",
        weight_decay=1e-6,
        max_grad_norm=None,
        init_weights=None,
        warm_start=False,
        device="auto",
        precision="auto",
        compile=False,
        checkpoint_dir=None,
        checkpoint_every="epoch",
        resume="auto",
        callbacks=None,
        random_state=None,
        verbose=0,
    ):
        super().__init__(
            backbone,
            layer=layer,
            pool_size=pool_size,
            symmetry=symmetry,
            image_shape=image_shape,
            image_size=image_size,
            cache_dir=cache_dir,
            on_error=on_error,
            max_epochs=max_epochs,
            batch_size=batch_size,
            learning_rate=learning_rate,
            lr_schedule=lr_schedule,
            optimizer=optimizer,
            weight_decay=weight_decay,
            max_grad_norm=max_grad_norm,
            init_weights=init_weights,
            warm_start=warm_start,
            device=device,
            precision=precision,
            compile=compile,
            checkpoint_dir=checkpoint_dir,
            checkpoint_every=checkpoint_every,
            resume=resume,
            callbacks=callbacks,
            random_state=random_state,
            verbose=verbose,
        )
        self.temperature = temperature
        self.projection_dim = projection_dim
        self.crop_scale = crop_scale
        self.jitter_strength = jitter_strength
        self.horizontal_flip = horizontal_flip

    def _make_pretext(self, backbone):
        n_channels = self.image_shape_[2]
        if n_channels not in (1, 3) and self.jitter_strength > 0:
            warnings.warn(
                f"{type(self).__name__}: images of {n_channels} channels are not red, green and "
                "blue. Their views change in brightness and contrast, each channel by itself, but "
                "not in saturation and hue, and none becomes grey.",
                UserWarning,
                stacklevel=2,
            )
        with naming_parameter(self, "crop_scale"):
            views = RandomViews(self.crop_scale, self.horizontal_flip, self.jitter_strength)
        return ContrastivePretext(backbone, views, self.temperature, self.projection_dim)
