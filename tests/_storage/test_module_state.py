import copy
import pickle

import joblib
import torch
from torch import nn

from sklssl._storage.module_state import pack_module, unpack_module


class Odd(nn.Module):
    """Shared, frozen and non-trainable tensors."""

    def __init__(self):
        super().__init__()
        self.first = nn.Linear(3, 3)
        self.second = self.first
        self.frozen = nn.Parameter(torch.rand(2), requires_grad=False)
        self.register_buffer("queue", torch.arange(4))


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
