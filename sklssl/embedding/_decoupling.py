"""Rotation feature decoupling: half of the features tell rotations, the others ignore them.

Feng, Xu, Tao. Self-Supervised Representation Learning by Rotation Feature Decoupling. CVPR 2019.
Sangam, Feng. Improving Self-Supervised Representation Learning by Rotation Feature Decoupling &
NT-Xent Loss. 2021.
"""

from numbers import Real

from sklssl.base import BaseEmbedder
from sklssl.embedding._decoupling_tasks import ContrastiveDecouplingPretext, NCEDecouplingPretext
from sklssl.utils._sklearn_compat import Interval, StrOptions

__all__ = ["RotationDecouplingEmbedder"]

# The task of the second half, and the usual temperature of its paper or code.
_TASKS = {"nce": (NCEDecouplingPretext, 0.07), "nt_xent": (ContrastiveDecouplingPretext, 0.5)}


class RotationDecouplingEmbedder(BaseEmbedder):
    """Embed images by features of which half tell rotations and half do not care.

    The first half of the network's features predicts how an image was turned, as in
    :class:`RotNetEmbedder`. The second half learns what stays the same in all four rotations and
    differs from image to image, which a rotation task alone would not ask for.

    Parameters
    ----------
    backbone : str or callable, default="patchconvnet"
        The network: a name of :func:`sklssl.backbones.list_backbones`, of a classification
        model of torchvision, or of timm's, as in "timm/convnext_atto", or a class, function or
        partial called with ``in_channels`` and ``image_size``.

    instance_task : {"nce", "nt_xent"}, default="nce"
        What the second half of the features learns. "nce": the four rotations are alike, and their
        mean is known among all images, of which a memory is kept (512 bytes for each, also in
        pickles); to go on it needs as many images as before. "nt_xent": each rotation of an image
        is nearer to the mean of the four than to other images, and heads have two layers.

    temperature : float, default=None
        Divides the similarities; None takes 0.07 for "nce" and 0.5 for "nt_xent".

    pu_weighting : bool, default=False
        Whether rotated images that look upright count less in the last seventh of the epochs. How
        upright each looks is learned then from the features of the rotation task, with the
        images as they came for positive and the rotated ones for unlabelled examples.

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

    learning_rate : float, default=1e-3
        The rate at the start.

    lr_schedule : {"step", "cosine", "plateau", "constant"}, default="cosine"
        "step" divides the rate by 5 at 30, 60 and 80 % of the epochs, "plateau" when the loss
        has not fallen for 5 epochs; "cosine" lets it rise over the first tenth and fall to 0.

    optimizer : {"sgd", "adam", "adamw"} or callable, default="adam"
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
        A row an epoch: epoch, scale, learning_rate, loss, accuracy (of the
        rotations), rotation_loss, instance_loss, with "nce" invariance_loss, and
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
    RotNetEmbedder : The rotations alone.
    SimCLREmbedder : Images told apart by crops and colours instead.

    Notes
    -----
    The images must be square; set `image_size` otherwise. All terms of the loss have the weight 1.
    As the base paper does, a rotated image that looks upright with probability p counts 1 - p**2.

    References
    ----------
    Feng, Xu, Tao. Self-Supervised Representation Learning by Rotation Feature Decoupling.
    CVPR 2019.

    Sangam, Feng. Improving Self-Supervised Representation Learning by Rotation Feature Decoupling
    & NT-Xent Loss. 2021.

    Examples
    --------
    >>> from sklssl import RotationDecouplingEmbedder
    >>> from sklssl.datasets import load_digit_images
    >>> X, _ = load_digit_images(return_X_y=True)
    >>> embedder = RotationDecouplingEmbedder(max_epochs=2, random_state=0).fit(X[:200])
    >>> embedder.score(X[200:400]) > 1 / 4
    True
    """

    _square_only = True
    _parameter_constraints = {
        **BaseEmbedder._parameter_constraints,
        "instance_task": [StrOptions(set(_TASKS))],
        "temperature": [Interval(Real, 0, None, closed="neither"), None],
        "pu_weighting": ["boolean"],
    }

    def __init__(
        self,
        backbone="patchconvnet",
        *,
        instance_task="nce",
        temperature=None,
        pu_weighting=False,
        layer="auto",
        pool_size=3,
        symmetry="auto",
        image_shape=None,
        image_size=None,
        cache_dir=None,
        on_error="raise",
        max_epochs=10,
        batch_size=32,
        learning_rate=1e-3,
        lr_schedule="cosine",
        optimizer="adam",
        weight_decay=5e-4,
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
        self.instance_task = instance_task
        self.temperature = temperature
        self.pu_weighting = pu_weighting

    def _make_pretext(self, backbone):
        make, usual_temperature = _TASKS[self.instance_task]
        return make(backbone, self.temperature or usual_temperature, self.pu_weighting)
