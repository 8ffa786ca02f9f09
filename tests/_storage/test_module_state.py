import copy
import pickle
from collections import deque
from pathlib import Path

import joblib
import numpy as np
import pytest
import torch
from torch import nn

from sklssl._storage.module_state import check_kept, pack_module, unpack_module
from sklssl.augmentation import RandomViews
from sklssl.backbones import make_backbone


class Odd(nn.Module):
    """Shared, frozen and non-trainable tensors."""

    def __init__(self):
        super().__init__()
        self.first = nn.Linear(3, 3)
        self.second = self.first
        self.frozen = nn.Parameter(torch.rand(2), requires_grad=False)
        self.register_buffer("queue", torch.arange(4))
        self.register_buffer("bank", torch.rand(2, 3).bfloat16())
        self.register_buffer("empty", torch.zeros(0, 3))


def test_round_trip_keeps_everything():
    module = Odd()
    other = unpack_module(pack_module(module))
    for name, tensor in module.state_dict().items():
        assert torch.equal(other.state_dict()[name], tensor)
        assert other.state_dict()[name].dtype == tensor.dtype
    assert other.first.weight is other.second.weight
    assert not other.frozen.requires_grad
    assert other.first.weight.requires_grad
    assert isinstance(other.frozen, nn.Parameter)
    with torch.no_grad():
        other.frozen.zero_()
    assert module.frozen.any()  # a copy, not a view


def test_hash_depends_on_content_alone():
    module = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2))
    twin = copy.deepcopy(module)
    assert joblib.hash(pack_module(module)) == joblib.hash(pack_module(twin))
    with torch.no_grad():
        twin[0].weight[0, 0, 0, 0] += 1
    assert joblib.hash(pack_module(module)) != joblib.hash(pack_module(twin))


def test_no_tensor_is_pickled():
    packed = pack_module(nn.Linear(500, 500))
    assert b"torch.storage" not in pickle.dumps(packed)
    assert len(pickle.dumps(packed)) < 4 * 500 * 501 + 5_000


def test_packing_a_copy_from_another_process_gives_the_same_hash():
    packed = pack_module(nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2)))
    again = pack_module(unpack_module(pickle.loads(pickle.dumps(packed))))
    assert joblib.hash(again) == joblib.hash(packed)


def test_read_only_arrays_are_fine():
    packed = pickle.loads(pickle.dumps(pack_module(nn.Linear(2, 2))))
    packed.weight.array.flags.writeable = False
    module = unpack_module(packed)
    with torch.no_grad():
        module.weight.zero_()
    assert packed.weight.array.any()


@pytest.mark.parametrize(
    "value",
    [
        deque(maxlen=3),
        {1, 2},
        {0: torch.zeros(3)},
        [[1], {"a": set()}],
        np.array([[1], [2, 3]], dtype=object),
        torch.Generator(),
        np.random.default_rng(0),
    ],
    ids=lambda value: type(value).__name__,
)
def test_data_that_checkpoints_would_lose_are_named(value):
    module = nn.Sequential(Odd())
    module[0].recent = value
    with pytest.raises(TypeError, match=rf"'recent' of Odd, a {type(value).__name__}\. They keep"):
        check_kept(module)


def test_settings_may_be_anything():
    module, backbone = Odd(), make_backbone("convnet")
    backbone.seen = {1, 2}
    module.inner = nn.Sequential(backbone)
    module.functions = [torch.relu, {"a": torch.tanh}, RandomViews()]
    module.others = [Path("a"), torch.device("cpu"), torch.float32]
    module.names, module.steps, module.size = np.array(["a"]), range(3), torch.Size([2])
    module.history = {"loss": [1.0, None]}
    check_kept(module)
