import copy
import pickle

import joblib
import numpy as np
import torch
from torch import nn

from sklssl.utils._module_state import pack_module, unpack_module


class Odd(nn.Module):
    """Shared, frozen and non-trainable tensors, and a tensor that is a plain attribute."""

    def __init__(self):
        super().__init__()
        self.first = nn.Linear(3, 3)
        self.second = self.first
        self.frozen = nn.Parameter(torch.rand(2), requires_grad=False)
        self.register_buffer("queue", torch.arange(4))
        self.note = torch.rand(5)


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
    assert torch.equal(other.note, module.note)
    other.note.zero_()
    assert module.note.any()  # a copy, not a view


def test_hash_depends_on_content_alone():
    module = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2))
    twin = copy.deepcopy(module)
    assert joblib.hash(pack_module(module)) == joblib.hash(pack_module(twin))
    with torch.no_grad():
        twin[0].weight[0, 0, 0, 0] += 1
    assert joblib.hash(pack_module(module)) != joblib.hash(pack_module(twin))


def test_no_tensor_is_pickled():
    structure, arrays = pack_module(nn.Linear(500, 500))
    assert len(structure) < 5_000
    assert sorted(array.size for array in arrays) == [500, 250_000]
    assert all(isinstance(array, np.ndarray) for array in arrays)


def test_read_only_arrays_are_fine():
    structure, arrays = pickle.loads(pickle.dumps(pack_module(nn.Linear(2, 2))))
    for array in arrays:
        array.flags.writeable = False
    module = unpack_module((structure, arrays))
    with torch.no_grad():
        module.weight.zero_()
    assert any(array.any() for array in arrays)
