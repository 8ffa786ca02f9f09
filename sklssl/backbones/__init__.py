"""Networks with a common interface: ordered named stages, each returning a feature map."""

from sklssl.backbones._base import Backbone, pool_map, pool_stages
from sklssl.backbones._factory import list_backbones, make_backbone

__all__ = ["Backbone", "list_backbones", "make_backbone", "pool_map", "pool_stages"]
