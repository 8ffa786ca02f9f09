"""Weights for a new network from one that was trained before."""

from sklearn.frozen import FrozenEstimator

__all__ = ["load_weights"]


def load_weights(backbone, source, *, owner):
    """Copy the stages' weights of the embedder `source` into `backbone`, as far as they match.

    Raises
    ------
    ValueError
        If `source` is not fitted, or none of its weights fits; names `owner`.
    """
    name = f"The 'init_weights' parameter of {type(owner).__name__}"
    source = source.estimator if isinstance(source, FrozenEstimator) else source
    if not hasattr(source, "pretext_"):
        raise ValueError(
            f"{name} must be a fitted embedder. Got {source!r}, which is not fitted. If it was, a "
            "clone (as grid search makes) unfitted it: wrap it in sklearn.frozen.FrozenEstimator."
        )
    state = backbone.stages.state_dict()
    matched = {
        key: tensor
        for key, tensor in source.pretext_.encoder.stages.state_dict().items()
        if key in state and state[key].shape == tensor.shape
    }
    if not matched:
        raise ValueError(
            f"{name}: no weight of {type(source).__name__} fits the backbone "
            f"{owner.backbone!r}. Use the same backbone in both."
        )
    backbone.stages.load_state_dict(matched, strict=False)
