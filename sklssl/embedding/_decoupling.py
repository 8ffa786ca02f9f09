"""Rotation feature decoupling: half of the features tell rotations, the others ignore them.

Feng, Xu, Tao. Self-Supervised Representation Learning by Rotation Feature Decoupling. CVPR 2019.
Sangam, Feng. Improving Self-Supervised Representation Learning by Rotation Feature Decoupling &
NT-Xent Loss. 2021.
"""

from numbers import Real

import torch
import torch.nn.functional as F
from torch import nn

from sklssl.backbones import pool_map
from sklssl.base import BaseEmbedder
from sklssl.embedding._pu import estimate_pu_weights
from sklssl.embedding._rotnet import RotationPretext, rotate_four_ways
from sklssl.losses import instance_nce, nt_xent_to_mean, rotation_invariance, update_bank
from sklssl.utils._sklearn_compat import Interval, StrOptions

__all__ = ["RotationDecouplingEmbedder"]

_PROJECTION = 128  # outputs that tell instances apart, in both papers
_MAX_NOISE = 4096  # rows of the memory that an image is compared with
_PU_START = 210 / 245  # of the epochs, in the base paper's code


def make_head(n_in, n_out, *, linear):
    """Map features to outputs, in one layer or in two."""
    if linear:
        return nn.Linear(n_in, n_out)
    return nn.Sequential(nn.Linear(n_in, n_in), nn.ReLU(inplace=True), nn.Linear(n_in, n_out))


class DecouplingPretext(RotationPretext):
    """Rotations from the first half of the features; subclasses say what the second learns."""

    _linear = False  # the heads

    def __init__(self, backbone, temperature, pu_weighting):
        super().__init__(backbone)
        self.n_related = backbone.n_features // 2
        n_unrelated = backbone.n_features - self.n_related
        self.head = make_head(self.n_related, 4, linear=self._linear)
        # Features after a ReLU all point into one direction. Unless centred they are alike for
        # all images to begin with, and the instance task never gets going.
        self.projection = nn.Sequential(
            nn.BatchNorm1d(n_unrelated, affine=False),
            make_head(n_unrelated, _PROJECTION, linear=self._linear),
        )
        self.temperature = temperature
        self.pu_weighting = pu_weighting
        self.progress = 0.0
        self.register_buffer("pu_weights", None)

    def views(self, images, rng, index):
        views, rotations = super().views(images, rng, index)
        return views, (rotations, index, self.draw_noise(len(images), rng))

    def forward(self, views, targets):
        rotations, index, noise = targets
        related, unrelated = self.split(views)
        logits = self.head(related).float()
        errors = F.cross_entropy(logits, rotations, reduction="none")
        if self.training and self.pu_weights is not None:
            errors = errors * self.pu_weights[:, index].flatten()
        terms = {"rotation_loss": errors.mean()}
        terms |= self.instance_terms(unrelated.unflatten(0, (4, -1)), index, noise)
        accuracy = (logits.argmax(dim=1) == rotations).float().mean()
        return {"loss": sum(terms.values()), "accuracy": accuracy, **terms}

    def split(self, views):
        """Give the features (4 * b, d) of either half."""
        features = pool_map(self.backbone(views)).float()
        return features[:, : self.n_related], features[:, self.n_related :]

    def draw_noise(self, n_images, rng):
        """Draw rows of the memory for each image to be told from, if there is one."""

    def before_fit(self, n_images):
        self.progress = 0.0

    def before_epoch(self, embed, rng):
        if not self.pu_weighting or self.progress < _PU_START:
            self.pu_weights = None
        elif self.pu_weights is None:
            related = embed(self.embed_rotations)
            weights = estimate_pu_weights(related.cpu().numpy())
            self.pu_weights = torch.from_numpy(weights).to(related)

    def embed_rotations(self, images):
        """Give the features (b, 4, d) that tell the rotations of images (b, C, s, s)."""
        related, _ = self.split(rotate_four_ways(images)[0])
        return related.unflatten(0, (4, -1)).transpose(0, 1)

    def after_step(self, progress):
        self.progress = progress % 1  # the next scale starts afresh


class ContrastiveDecouplingPretext(DecouplingPretext):
    """The second half: each rotation near the mean of its image, by NT-Xent."""

    def instance_terms(self, unrelated, index, noise):
        with_mean = torch.cat([unrelated, unrelated.mean(dim=0, keepdim=True)])
        z = self.projection(with_mean.flatten(0, 1)).unflatten(0, (5, -1))
        return {"instance_loss": nt_xent_to_mean(z[:4], z[4], self.temperature)}


class NCEDecouplingPretext(DecouplingPretext):
    """The second half: rotations alike, and their mean known among all images of a memory."""

    _linear = True

    def __init__(self, backbone, temperature, pu_weighting):
        super().__init__(backbone, temperature, pu_weighting)
        self.register_buffer("bank", None)
        self.seen = None  # rows of the memory and what to remember of them after the step

    def before_fit(self, n_images):
        super().before_fit(n_images)
        if self.bank is None:
            self.bank = F.normalize(torch.randn(n_images, _PROJECTION), dim=1)
        elif len(self.bank) != n_images:
            raise ValueError(
                f"RotationDecouplingEmbedder with instance_task='nce' remembers the "
                f"{len(self.bank)} images that it was fitted on and goes on with the same ones "
                f"only, but X holds {n_images}. Fit afresh with warm_start=False, or use "
                "instance_task='nt_xent', which remembers none."
            )

    def draw_noise(self, n_images, rng):
        n_rows = len(self.bank)
        size = (n_images, min(n_rows, _MAX_NOISE))
        return torch.randint(n_rows, size, generator=rng, device=rng.device)

    def instance_terms(self, unrelated, index, noise):
        terms = {"invariance_loss": rotation_invariance(unrelated)}
        if self.training:  # in evaluation the images may be others than those remembered
            z = self.projection(unrelated.mean(dim=0))
            terms["instance_loss"] = self.discriminate(z, index, noise)
        return terms

    def discriminate(self, z, index, noise):
        """Give the loss of knowing images by their z (b, d)."""
        self.seen = index, update_bank(self.bank, z, index)
        # Its constant is estimated anew from each batch. That of the first one, which the papers
        # keep, is of a random memory and far from what becomes of it: the loss grew and grew.
        return instance_nce(z, self.bank, index, noise, self.temperature)

    def after_step(self, progress):
        super().after_step(progress)
        index, rows = self.seen
        self.bank[index] = rows
        self.seen = None


_TASKS = {"nce": (NCEDecouplingPretext, 0.07), "nt_xent": (ContrastiveDecouplingPretext, 0.5)}


class RotationDecouplingEmbedder(BaseEmbedder):
    """Embed images by features of which half tell rotations and half do not care.

    The first half of the network's features predicts how an image was turned, as in
    :class:`RotNetEmbedder`. The second half learns what stays the same in all four rotations and
    differs from image to image, which a rotation task alone would not ask for.

    Parameters
    ----------
    backbone : str or callable, default="convnet"
        The network: a name of :func:`sklssl.backbones.list_backbones` or of a classification
        model of torchvision, or a class, function or partial called with ``in_channels`` and
        ``image_size``.

    instance_task : {"nt_xent", "nce"}, default="nt_xent"
        What the second half of the features learns. "nt_xent": each rotation of an image is
        nearer to the mean of the four than to other images, and heads have two layers. "nce": the
        four rotations are alike, and their mean is known among all images, of which a memory
        is kept (512 bytes a row of `X`, also in pickles); to go on it needs the same rows.

    temperature : float, default=None
        Divides the similarities; None takes 0.5 for "nt_xent" and 0.07 for "nce".

    pu_weighting : bool, default=False
        Whether rotated images that look upright count less in the last eighth of the epochs. How
        upright each looks is learned then from the features of the rotation task, with the
        images as they came for positive and the rotated ones for unlabelled examples.

    layer : str, default="auto"
        The stage whose maps become the features; "auto" is the middle one (the earlier of two),
        which probes best. Read at ``transform``: a change needs no new ``fit``.

    pool_size : int, default=3
        The maps are averaged to `pool_size` x `pool_size` cells, which multiply the features.
        Read at ``transform``.

    image_shape : tuple of (H, W) or (H, W, C), default=None
        How rows fold into images. None takes the smallest square that holds a row.

    image_size : int, default=None
        Side in pixels to which images are resized; None keeps their size. Sides below 8 pixels
        are padded with zeros.

    max_epochs : int, default=30
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

    init_weights : fitted embedder, str or path, default=None
        Where the network's first weights come from, as far as they fit: an embedder of any
        method, the name of torchvision's weights such as "ResNet18_Weights.IMAGENET1K_V1", a
        safetensors file or a file of a state dict (never unpickled). Wrap an embedder in
        :class:`sklearn.frozen.FrozenEstimator` where this one is cloned, as in a search.

    warm_start : bool, default=False
        Whether ``fit`` goes on from the weights of the last ``fit``.

    device : str, default="auto"
        A torch device; "auto" is the first CUDA device, or else the CPU.

    precision : {"auto", "float32", "bfloat16"}, default="auto"
        The arithmetic of the network; losses are float32 always. "auto" is float32.

    callbacks : list of callable, default=None
        Each is called as ``callback(embedder, row)`` after every epoch, with this estimator as it
        is by then, able to transform, and the row of ``history_``, which it may extend. Raising
        :class:`sklssl.exceptions.StopTraining` ends the training.

    random_state : int, RandomState instance or None, default=None
        Seeds weights, order and views. The same int on the same machine with the same number of
        threads gives the same bytes.

    verbose : int, default=0
        Whether to show a progress bar.

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

    image_shape_ : tuple of (H, W, C)
        The shape of one image.

    value_range_ : tuple of (float, float)
        The values of X that became 0 and 1: 0 and 255 for uint8, else the least and the greatest.

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
        backbone="convnet",
        *,
        instance_task="nt_xent",
        temperature=None,
        pu_weighting=False,
        layer="auto",
        pool_size=3,
        image_shape=None,
        image_size=None,
        max_epochs=30,
        batch_size=32,
        learning_rate=1e-3,
        lr_schedule="cosine",
        optimizer="adam",
        weight_decay=5e-4,
        init_weights=None,
        warm_start=False,
        device="auto",
        precision="auto",
        callbacks=None,
        random_state=None,
        verbose=0,
    ):
        super().__init__(
            backbone,
            layer=layer,
            pool_size=pool_size,
            image_shape=image_shape,
            image_size=image_size,
            max_epochs=max_epochs,
            batch_size=batch_size,
            learning_rate=learning_rate,
            lr_schedule=lr_schedule,
            optimizer=optimizer,
            weight_decay=weight_decay,
            init_weights=init_weights,
            warm_start=warm_start,
            device=device,
            precision=precision,
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
