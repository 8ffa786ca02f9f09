"""Any classification network of torchvision, cut into stages by its feature extraction."""

from __future__ import annotations

import copy
import itertools
import math
from collections.abc import Iterator
from typing import Any
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, fx, nn

from sklssl.backbones._base import Backbone

__all__ = ["TorchvisionBackbone", "from_torchvision", "list_torchvision"]

# Where the resolutions of a network are told apart, whatever size it is used at.
_SIDE = 224
_MOMENTUM = 0.1  # of batch-norm: torch's default
# Traced again in each process, and beside the networks, so that pickles hold weights and names.
_GRAPHS: WeakKeyDictionary[nn.Module, fx.Graph] = WeakKeyDictionary()


class TorchvisionBackbone(Backbone):
    """A network of torchvision without its head, whose stages are nodes of its graph.

    Parameters
    ----------
    net : nn.Module
        The network. What comes after the last stage is taken out of it.

    in_channels : int, default=3
        Channels of the images; unless they are 3, the first convolution is made anew.

    image_size : int, default=224
        The side of the images it is built for.

    only_side : int, default=None
        The one side of images that `net` can take, if it is bound to one.

    Attributes
    ----------
    nodes : dict of str to (str, str)
        For every stage the node of the graph, as torchvision names it, whose output is its map,
        and the axes of that: "bchw", "bhwc", or "btc" for tokens.
    """

    def __init__(
        self,
        net: nn.Module,
        in_channels: int = 3,
        image_size: int = _SIDE,
        only_side: int | None = None,
    ) -> None:
        super().__init__({"net": net}, in_channels, image_size, {"net.": ""})
        self.only_side = only_side
        _set_channels(net, in_channels)
        chosen = _choose(net, in_channels, only_side or _SIDE)
        self.nodes = {f"stage{i}": node for i, node in enumerate(chosen, start=1)}
        _strip(net, {str(node.target) for node in self._graph().nodes})

    @property
    def layer_names(self) -> tuple[str, ...]:
        """The names of the stages, from the image to the last map."""
        return tuple(self.nodes)

    def _graph(self) -> fx.Graph:
        if self not in _GRAPHS:
            names = {node: stage for stage, (node, _) in self.nodes.items()}
            _GRAPHS[self] = _trace(self.stages.get_submodule("net"), names)
        return _GRAPHS[self]

    def can_resume(self, layer: str) -> bool:
        """Tell whether the later stages can be run from the map of `layer` alone."""
        nodes, cut = list(self._graph().nodes), self._index(layer)
        made = set(nodes[cut:])
        later = nodes[cut + 1 : -1]  # without the output, which names all stages
        resumes = all(made.issuperset(node.all_input_nodes) for node in later)
        return resumes and self.nodes[layer][1] == "bchw"

    def weights_until(self, layer: str) -> tuple[str, ...]:
        """Name the modules and weights in front of the map of `layer`, which make it."""
        nodes = list(self._graph().nodes)[: self._index(layer) + 1]
        kinds = ("call_module", "get_attr")
        return tuple(f"stages.net.{node.target}" for node in nodes if node.op in kinds)

    def _index(self, layer: str) -> int:
        """Find the node that gives the map of `layer` among those of the graph."""
        *nodes, output = self._graph().nodes
        return nodes.index(output.args[0][layer])

    def _walk(self, x: Tensor, after: str | None = None) -> Iterator[tuple[str, Tensor]]:
        start = None if after is None else self._index(after)
        if start is None:
            x = self.standardise(x)
        for name, value in _run(self.stages.get_submodule("net"), self._graph(), x, start):
            yield name, _as_map(value, self.nodes[name][1])


def list_torchvision() -> list[str]:
    """List the names of torchvision's classification networks."""
    from torchvision import models  # slow to import

    return list(models.list_models(module=models))


def from_torchvision(name: str, in_channels: int = 3, image_size: int = 32) -> TorchvisionBackbone:
    """Build a classification network of torchvision with fresh random weights.

    Parameters
    ----------
    name : str
        One of :func:`list_torchvision`.

    in_channels : int, default=3
        Channels of the images.

    image_size : int, default=32
        The side of the images. Only the transformers that are bound to one size look at it; the
        others keep the strides that they have for large images.

    Returns
    -------
    backbone : TorchvisionBackbone
        With the stages stage1, stage2, ...: the last map of every resolution, or every layer of
        the encoder of a vision transformer, whose tokens, without that of the class, become a
        map. Maps are channels first.

    Raises
    ------
    ValueError
        If the network cannot be built for images of this size.
    """
    from torchvision import models

    family, no_aux = name.split("_")[0], {"aux_logits": False, "init_weights": True}
    settings: dict[str, dict[str, Any]] = {
        "vit": {"image_size": image_size},
        "maxvit": {"input_size": (image_size, image_size)},
        "googlenet": no_aux,
        "inception": no_aux,
    }
    try:
        net = models.get_model(name, weights=None, **settings.get(family, {}))
    except (AssertionError, ValueError) as error:  # of the transformers, by torchvision
        step = name.rpartition("_")[2] if family == "vit" else str(_SIDE)
        raise ValueError(
            f"{name} takes images whose side is a multiple of {step} pixels. Got {image_size}."
        ) from error
    for module in net.modules():
        if isinstance(module, nn.BatchNorm2d):
            # Some have statistics so slow that after a short training they are still the first.
            module.momentum = _MOMENTUM
    only_side = image_size if family in ("vit", "maxvit") else None
    return TorchvisionBackbone(net, in_channels, image_size, only_side)


def _trace(net: nn.Module, names: dict[str, str] | None = None) -> fx.Graph:
    """Trace `net` to a graph that gives the nodes `names` (all if None) under their new names.

    Only what puts blocks in a row is traced through: stages must not end inside a block.
    """
    from torchvision.models.feature_extraction import create_feature_extractor, get_graph_node_names
    from torchvision.models.vision_transformer import Encoder

    inside = [m for m in net.modules() if type(m) is not nn.Sequential and m is not net]
    leaves = {type(m) for m in inside if not isinstance(m, Encoder)}
    how: dict[str, Any] = {"tracer_kwargs": {"leaf_modules": list(leaves)}}
    how["suppress_diff_warning"] = True  # only of what comes after the last map
    if names is None:
        names = {node: node for node in get_graph_node_names(net, **how)[1][1:]}
    graph: fx.Graph = create_feature_extractor(net, names, **how).eval_graph
    return graph


def _run(
    net: nn.Module, graph: fx.Graph, x: Tensor, start: int | None = None
) -> Iterator[tuple[str, Any]]:
    """Run `graph` with the weights of `net`, node after node, as far as outputs are asked for.

    With `start`, the index of a node, `x` is what that node gives.
    """
    runner = fx.Interpreter(net, graph=graph)
    runner.args_iter = iter([x])
    *nodes, output = graph.nodes
    names = {node: name for name, node in output.args[0].items()}
    if start is not None:
        runner.env[nodes[start]] = x
        nodes = nodes[start + 1 :]
    for node in nodes:
        runner.env[node] = runner.run_node(node)
        if node in names:
            yield names[node], runner.env[node]
        for done in runner.user_to_last_uses.get(node, []):
            runner.env.pop(done, None)


def _choose(net: nn.Module, in_channels: int, side: int) -> list[tuple[str, str]]:
    """Choose the nodes that are stages: the last at every resolution, or the encoder's layers."""
    graph = _trace(net)
    # Shapes are wanted, not numbers: on the meta device nothing is computed.
    tensors = itertools.chain(net.parameters(), net.buffers())
    ghost = copy.deepcopy(net, {id(t): t.detach().to("meta") for t in tensors}).eval()
    levels, layers = {}, []
    for name, x in _run(ghost, graph, torch.zeros(1, in_channels, side, side, device="meta")):
        if name.startswith("encoder.layers."):
            layers.append((name, "btc"))
        # SqueezeNet's classifier is a convolution.
        elif isinstance(x, Tensor) and x.ndim == 4 and not name.startswith("classifier"):
            axes = "bhwc" if x.shape[1] == x.shape[2] != x.shape[3] else "bchw"
            height = x.shape[axes.index("h")]
            if height > 1:  # it is 1 after the global pooling
                levels[round(math.log2(side / height))] = (name, axes)
    if layers:
        return [*layers[:-1], ("encoder.ln", "btc")]  # the norm that closes the last layer
    return list(levels.values())


def _as_map(x: Tensor, axes: str) -> Tensor:
    """Turn what transformers give into a map (b, D, h, w); of tokens the class's is left out."""
    if axes == "btc":
        side = math.isqrt(x.shape[1] - 1)
        x = x[:, 1:].unflatten(1, (side, side))
    return x if axes == "bchw" else x.permute(0, 3, 1, 2)


def _set_channels(net: nn.Module, in_channels: int) -> None:
    """Make the first convolution anew, unless it takes so many channels already."""
    conv = next(module for module in net.modules() if isinstance(module, nn.Conv2d))
    if conv.in_channels != in_channels:
        conv.in_channels = in_channels
        shape = (conv.out_channels, in_channels, *conv.kernel_size)
        conv.weight = nn.Parameter(conv.weight.new_empty(shape))
        conv.reset_parameters()


def _strip(net: nn.Module, used: set[str], start: str = "") -> None:
    """Take out the weights of all modules that are not in `used`."""
    for name, child in list(net.named_children()):
        path = start + name
        if path in used:
            continue
        if any(other.startswith(f"{path}.") for other in used):
            _strip(child, used, f"{path}.")
        else:
            setattr(net, name, nn.Identity())
