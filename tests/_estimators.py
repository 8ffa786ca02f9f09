"""The one list of embedders that all tests of every embedder take theirs from."""

import copy

from sklssl import (
    BarlowTwinsEmbedder,
    BYOLEmbedder,
    DeepClusterEmbedder,
    DeepInfoMaxEmbedder,
    DINOEmbedder,
    EMPSSLEmbedder,
    LeJEPAEmbedder,
    MoCoEmbedder,
    MultiScaleEmbedder,
    PatchDictionaryEmbedder,
    PatchRelEmbedder,
    PatchRotEmbedder,
    RotationDecouplingEmbedder,
    RotNetEmbedder,
    ScaleNetEmbedder,
    SimCLREmbedder,
    SimSiamEmbedder,
    SwAVEmbedder,
    VICRegEmbedder,
    ViewWhiteningEmbedder,
)
from tests._seed import SEED


def quick(cls=RotNetEmbedder, **params):
    """Make an embedder that is small and trains for one epoch, but for `params`."""
    return cls(**{"backbone": "convnet", "max_epochs": 1, "random_state": SEED, **params})


_QUICK = {"max_epochs": 1, "random_state": SEED}

# By the name of the class: one that is small and quick.
EMBEDDERS = {
    type(embedder).__name__: embedder
    for embedder in (
        RotNetEmbedder(**_QUICK),
        ScaleNetEmbedder(**_QUICK),
        MultiScaleEmbedder(RotNetEmbedder(**_QUICK)),
        PatchRelEmbedder(**_QUICK),
        PatchRotEmbedder(**_QUICK),
        RotationDecouplingEmbedder(**_QUICK),
        SimCLREmbedder(**_QUICK),
        BarlowTwinsEmbedder(projection_dim=32, **_QUICK),
        BYOLEmbedder(projection_dim=16, **_QUICK),
        DeepClusterEmbedder(5, **_QUICK),
        DeepInfoMaxEmbedder(projection_dim=32, **_QUICK),
        DINOEmbedder(n_prototypes=16, n_small_views=1, **_QUICK),
        EMPSSLEmbedder(n_views=2, projection_dim=16, **_QUICK),
        LeJEPAEmbedder(n_small_views=1, projection_dim=16, **_QUICK),
        MoCoEmbedder(queue_size=32, **_QUICK),
        SimSiamEmbedder(projection_dim=32, **_QUICK),
        SwAVEmbedder(n_prototypes=16, n_small_views=1, **_QUICK),
        VICRegEmbedder(projection_dim=32, **_QUICK),
        PatchDictionaryEmbedder(n_atoms=(16, 24), random_state=SEED),
        ViewWhiteningEmbedder(
            PatchDictionaryEmbedder(n_atoms=(16, 24), random_state=SEED), random_state=SEED
        ),
    )
}

# Of every family, with the default network.
LEARNERS = [
    RotNetEmbedder(random_state=SEED),
    MultiScaleEmbedder(RotNetEmbedder(random_state=SEED)),
    PatchRelEmbedder(random_state=SEED),
    SimCLREmbedder(horizontal_flip=False, random_state=SEED),
    DINOEmbedder(n_small_views=1, horizontal_flip=False, random_state=SEED),
]


def _learner(cls, max_epochs, **params):
    return cls(max_epochs=max_epochs, horizontal_flip=False, random_state=SEED, **params)


# Those that learn what an image shows of a few hundred digits, with what they need for it.
VIEW_LEARNERS = [
    _learner(SimCLREmbedder, 4),
    MultiScaleEmbedder(_learner(SimCLREmbedder, 4), scales=(0.75, 1.0), max_epochs=3),
    _learner(BarlowTwinsEmbedder, 4, projection_dim=256),
    _learner(BYOLEmbedder, 10),
    _learner(DeepClusterEmbedder, 6),
    DeepInfoMaxEmbedder(max_epochs=20, random_state=SEED),
    _learner(DINOEmbedder, 4, n_prototypes=64, n_small_views=0, momentum=0.9),
    _learner(EMPSSLEmbedder, 3),
    _learner(LeJEPAEmbedder, 4, n_small_views=0),
    _learner(MoCoEmbedder, 6),
    _learner(SimSiamEmbedder, 6),
    _learner(SwAVEmbedder, 6, n_prototypes=64, n_small_views=0),
    _learner(VICRegEmbedder, 4, projection_dim=256),
]


def without_roots(Z):
    """Return the averages of feature maps whose signed square roots are features."""
    return Z * abs(Z)


def with_params(embedder, **params):
    """Copy an embedder with those of `params` that it has, or the one that it wraps has."""
    wraps = "estimator__" if hasattr(embedder, "estimator") else ""
    known = embedder.get_params()
    return copy.deepcopy(embedder).set_params(
        **{wraps + name: value for name, value in params.items() if wraps + name in known}
    )


def trains(embedder):
    """Tell whether it has epochs, as all but those that learn in closed form do."""
    return "max_epochs" in embedder.get_params()


def every_embedder(**params):
    """Give all embedders that train, with `params`, by the name of the class."""
    return {n: with_params(e, **params) for n, e in EMBEDDERS.items() if trains(e)}
