"""The stages of the network between which fine-tuning happens."""

from typing import Any

from sklssl._features.extractor import resolve_layer

__all__ = ["resolve_stages"]


def resolve_stages(tuner: Any, names: tuple[str, ...]) -> tuple[str, str | None]:
    """Return the stage below the head, and the last frozen stage, out of those of the network."""
    layer, frozen = tuner.layer, tuner.frozen_until
    for name, value, also in (("layer", layer, "auto"), ("frozen_until", frozen, "all")):
        if value not in (None, also, *names):
            raise ValueError(
                f"The '{name}' parameter of {type(tuner).__name__} must be {also!r} or a stage "
                f"of the network, {list(names)}. Got {value!r}."
            )
    if layer == "auto":
        own = resolve_layer(tuner.embedder_, tuner.embedder_.pretext_.encoder)
        if own == "all":  # the last stage is specialised for the pretext task
            own = names[len(names) // 2] if frozen == "all" else names[-1]
        layer = max(own, frozen if frozen in names else own, key=names.index)
    frozen = layer if frozen == "all" else frozen
    if frozen is not None and names.index(frozen) > names.index(layer):
        raise ValueError(
            f"The 'frozen_until' parameter of {type(tuner).__name__} is {frozen!r}, which comes "
            f"after the layer of the head, {layer!r}. Choose this or an earlier stage, or set "
            "'layer' to a later stage."
        )
    return layer, frozen
