"""Networks of other libraries, divided into stages at nodes of their graphs."""

from __future__ import annotations

import math
import threading
from collections.abc import Iterator
from typing import Any
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, fx, nn

from sklssl._runtime.locks import ForkSafeLock
from sklssl._storage.module_state import without_weights
from sklssl.backbones._base import Backbone

__all__ = ["SIDE", "Node", "TracedBackbone", "quicken_statistics"]

# Image size at which the resolutions of a network are determined, for use at any size.
SIDE = 224
Node = tuple[str, str, int]
_MOMENTUM = 0.1  # of batch norm: torch's default
# Traced in each process and stored outside the networks, so that pickles have only weights.
_GRAPHS: WeakKeyDictionary[nn.Module, fx.Graph] = WeakKeyDictionary()
_TRACING = ForkSafeLock()  # one thread at a time


class TracedBackbone(Backbone):
    """A network without its head, whose stages are nodes of its graph.

    Stages are the last feature map of every resolution, or every encoder layer of a transformer,
    whose tokens, except for those without a position, become a feature map.

    Parameters
    ----------
    net : nn.Module
        The network. Everything after the last stage is removed from it.

    in_channels : int, default=3
        Number of channels of the images, which must match `net`.

    image_size : int, default=224
        The side of the images that the network is built for.

    only_side : int, default=None
        The only side of images supported by `net`, if there is a restriction.

    Attributes
    ----------
    nodes : dict of str to (str, str, int)
        For every stage: the node of the graph, as named by torchvision, whose output is the feature
        map; its axes, "bchw", "bhwc", or "btc" for tokens; and the number of leading tokens without
        a position.
    """

    # Names of the encoder layers of transformers, and of the final norm.
    _layers = "blocks."
    _closing = "norm"
    # Prefixes of nodes after the last feature map, although their outputs look like feature maps.
    _head: tuple[str, ...] = ()

    def __init__(
        self,
        net: nn.Module,
        in_channels: int = 3,
        image_size: int = SIDE,
        only_side: int | None = None,
    ) -> None:
        super().__init__({"net": net}, in_channels, image_size, {"net.": ""})
        self.only_side = only_side
        layers, levels = self._find_nodes(net)
        chosen = layers or levels.values()
        self.nodes = {f"stage{i}": node for i, node in enumerate(chosen, start=1)}
        _strip(net, {str(node.target) for node in self._graph().nodes})

    @property
    def layer_names(self) -> tuple[str, ...]:
        """Names of the stages, from the image to the last feature map."""
        return tuple(self.nodes)

    def trace_again(self) -> None:
        """Trace the network in its current form; raise an error if that is impossible."""
        _GRAPHS.pop(self, None)
        self._graph()

    def _graph(self) -> fx.Graph:
        with _TRACING.hold():
            if self not in _GRAPHS:
                names = {node: stage for stage, (node, *_) in self.nodes.items()}
                _GRAPHS[self] = _trace(self.stages.get_submodule("net"), names)
            return _GRAPHS[self]

    def can_resume(self, layer: str) -> bool:
        """Return whether later stages can be computed from the feature map of `layer` alone."""
        nodes, cut = list(self._graph().nodes), self._index(layer)
        made = set(nodes[cut:])
        later = nodes[cut + 1 : -1]  # without the output node, which refers to all stages
        resumes = all(made.issuperset(node.all_input_nodes) for node in later)
        return resumes and self.nodes[layer][1] == "bchw"

    def weights_until(self, layer: str) -> tuple[str, ...]:
        """Return the names of the modules and weights that compute the feature map of `layer`."""
        nodes = list(self._graph().nodes)[: self._index(layer) + 1]
        kinds = ("call_module", "get_attr")
        return tuple(f"stages.net.{node.target}" for node in nodes if node.op in kinds)

    def _index(self, layer: str) -> int:
        """Return the index of the node that computes the feature map of `layer`."""
        *nodes, output = self._graph().nodes
        return nodes.index(output.args[0][layer])

    def _as_map(self, layer: str, output: Tensor) -> Tensor:
        """Return the output of a stage as a feature map (b, D, h, w)."""
        return _as_map(output, *self.nodes[layer][1:])

    def _outputs(self, x: Tensor, after: str | None = None) -> Iterator[tuple[str, Tensor]]:
        start = None if after is None else self._index(after)
        if start is None:
            x = self.standardise(x)
        yield from _run(self.stages.get_submodule("net"), self._graph(), x, start)

    def _find_nodes(self, net: nn.Module) -> tuple[list[Node], dict[int, Node]]:
        """Find the encoder layers, and the last feature map of every size by log2 of its stride."""
        side = self.only_side or SIDE
        n_first = getattr(net, "num_prefix_tokens", 1)
        levels: dict[int, Node] = {}
        layers: list[Node] = []
        for name, x in _shapes(net, torch.zeros(2, self.in_channels, side, side, device="meta")):
            if not isinstance(x, Tensor) or len(x) != 2:
                continue
            if x.ndim == 3 and (name.startswith(self._layers) or name == self._closing):
                layers += _as_layer(name, x, n_first)
            elif x.ndim == 4 and not name.startswith(self._head):
                axes = "bhwc" if x.shape[1] == x.shape[2] != x.shape[3] else "bchw"
                height = x.shape[axes.index("h")]
                if height > 1 or self.only_side:  # 1 after global pooling
                    levels[round(math.log2(side / height))] = name, axes, 0
        if layers and layers[-1][0] == self._closing:
            del layers[-2:-1]
        return layers if len(layers) > 1 else [], levels


def quicken_statistics(net: nn.Module) -> None:
    """Set the momentum of batch-norm statistics to torch's default.

    The momentum of some networks is so small that short training runs hardly change them.
    """
    for module in net.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = _MOMENTUM


def _trace(net: nn.Module, names: dict[str, str] | None = None) -> fx.Graph:
    """Trace `net` to a graph that returns the nodes `names` (all if None) under their new names.

    Only sequences of blocks are traced through, since stages must not end inside a block.
    """
    import torchvision
    from torchvision.models.feature_extraction import NodePathTracer
    from torchvision.models.vision_transformer import Encoder

    class OwnThreadTracer(NodePathTracer):
        """A tracer that ignores calls of other threads, although it replaces those of nn.Module."""

        def call_module(self, module: nn.Module, forward: Any, args: Any, kwargs: Any) -> Any:
            if threading.get_ident() != thread:
                return forward(*args, **kwargs)
            return super().call_module(module, forward, args, kwargs)

        def getattr(self, attr: str, value: Any, proxies: Any) -> Any:
            if threading.get_ident() != thread:
                return value
            return super().getattr(attr, value, proxies)

    thread = threading.get_ident()
    inside = [m for m in net.modules() if type(m) is not nn.Sequential and m is not net]
    leaves = {type(m) for m in inside if not isinstance(m, Encoder)}
    tracer = OwnThreadTracer(leaf_modules=list(leaves), autowrap_modules=(math, torchvision.ops))
    with _TRACING.hold():
        graph: fx.Graph = tracer.trace(without_weights(net).eval())
    nodes = {name: node for node, name in tracer.node_to_qualname.items()}
    if names is None:
        names = {name: name for name in list(nodes)[1:]}  # without the images
    graph.erase_node(next(node for node in graph.nodes if node.op == "output"))
    graph.output({new: nodes[name] for name, new in names.items()})
    fx.GraphModule(tracer.root, graph)  # becomes the owner of the graph, which tells what is dead
    graph.eliminate_dead_code()
    return graph


def _run(
    net: nn.Module, graph: fx.Graph, x: Tensor, start: int | None = None
) -> Iterator[tuple[str, Any]]:
    """Run `graph` with the weights of `net`, node by node, as outputs are requested.

    With `start`, the index of a node, `x` is the output of that node.
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


def _shapes(net: nn.Module, images: Tensor) -> Iterator[tuple[str, Any]]:
    """Iterate over the outputs of all nodes for `images` on the meta device (shapes only)."""
    yield from _run(without_weights(net).eval(), _trace(net), images)


def _as_layer(name: str, x: Tensor, n_first: int) -> list[Node]:
    """Return the tokens (b, t, c) of a layer as a stage, if they form a square."""
    for n in (n_first, 0):
        if x.shape[1] > n and math.isqrt(x.shape[1] - n) ** 2 == x.shape[1] - n:
            return [(name, "btc", n)]
    return []


def _as_map(x: Tensor, axes: str, n_first: int) -> Tensor:
    """Convert the output of a transformer to a feature map (b, D, h, w), without first tokens."""
    if axes == "btc":
        side = math.isqrt(x.shape[1] - n_first)
        x = x[:, n_first:].unflatten(1, (side, side))
    return x if axes == "bchw" else x.permute(0, 3, 1, 2)


def _strip(net: nn.Module, used: set[str], start: str = "") -> None:
    """Remove the weights of all modules that are not in `used`."""
    for name, child in list(net.named_children()):
        path = start + name
        if path in used:
            continue
        if any(other.startswith(f"{path}.") for other in used):
            _strip(child, used, f"{path}.")
        else:
            setattr(net, name, nn.Identity())
