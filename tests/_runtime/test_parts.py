import copy

import pytest
import torch
from torch import nn

from sklssl._runtime.device import network_precision, plain_torch
from sklssl._runtime.parts import parts_of
from sklssl.backbones import Backbone, make_backbone
from sklssl.losses import barlow_twins, nt_xent

SEED = 0


def without_batch_norm():
    torch.manual_seed(SEED)
    stages = {
        "block1": nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.GroupNorm(2, 8), nn.ReLU()),
        "block2": nn.Conv2d(8, 8, 3, stride=2),
    }
    return Backbone(stages, 3, 8)


def gradients(backbone, images, loss, size):
    backbone = copy.deepcopy(backbone)
    with parts_of(size):
        z1, z2 = (backbone(view).mean((2, 3)) for view in images)
        loss(z1, z2).backward()
    return torch.cat([weight.grad.flatten() for weight in backbone.parameters()])


@pytest.mark.parametrize("size", [2, 3, 8])
@pytest.mark.parametrize("loss", [nt_xent, barlow_twins])
def test_gradients_are_those_of_the_whole_batch(loss, size):
    images = torch.rand(2, 10, 3, 8, 8, generator=torch.Generator().manual_seed(SEED))
    backbone = without_batch_norm()
    whole = gradients(backbone, images, loss, None)
    difference = gradients(backbone, images, loss, size) - whole
    assert difference.norm() < 1e-5 * whole.norm()


def test_the_network_sees_one_part_at_a_time():
    backbone, seen = without_batch_norm(), []
    backbone.stages.block1.register_forward_hook(lambda _, args, out: seen.append(len(args[0])))
    with parts_of(4):
        maps = backbone.maps(torch.rand(10, 3, 8, 8))
        assert seen == [4, 3, 3]  # nearly equal
        assert len(maps["block1"]) == len(maps["block2"]) == 10
        maps["block2"].sum().backward()
    assert sorted(seen) == [3, 3, 3, 3, 4, 4]  # again, for the gradients


@pytest.mark.parametrize(("n", "parts"), [(1, [1]), (3, [3]), (4, [2, 2]), (5, [3, 2])])
def test_no_part_has_one_image(n, parts):
    backbone, seen = without_batch_norm(), []
    backbone.stages.block1.register_forward_hook(lambda _, args, out: seen.append(len(args[0])))
    with parts_of(2):
        backbone(torch.rand(n, 3, 8, 8))
    assert seen == parts


def test_running_statistics_are_updated_once():
    once, twice = make_backbone("convnet"), make_backbone("convnet")
    twice.load_state_dict(once.state_dict())
    images = torch.rand(6, 3, 32, 32)
    with parts_of(2):
        twice(images).sum().backward()
    with torch.no_grad():
        for part in images.split(2):
            once(part)
    for name, value in once.state_dict().items():
        torch.testing.assert_close(twice.state_dict()[name], value)
    assert all(m.momentum == 0.1 for m in twice.modules() if isinstance(m, nn.BatchNorm2d))


def test_the_second_pass_has_the_precision_of_the_first():
    backbone = without_batch_norm()
    with network_precision(torch.device("cpu"), "bfloat16"), parts_of(2):
        out = backbone(torch.rand(4, 3, 8, 8)).sum()
    out.backward()  # another precision would be an error
    assert out.dtype == torch.float32


def test_other_uses_of_a_network_during_training_are_whole():
    backbone, seen = without_batch_norm(), []
    backbone.stages.block1.register_forward_hook(lambda _, args, out: seen.append(len(args[0])))
    with parts_of(2), plain_torch():
        backbone(torch.rand(5, 3, 8, 8))
    assert seen == [5]


def test_without_gradients_nothing_is_computed_twice():
    backbone, seen = without_batch_norm(), []
    backbone.stages.block1.register_forward_hook(lambda *_: seen.append(1))
    with parts_of(2), torch.no_grad():
        assert not backbone(torch.rand(4, 3, 8, 8)).requires_grad
    assert len(seen) == 2


# The compiler looks at that of a feature map, when it goes on after the parts.
@pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor:UserWarning")
def test_a_compiled_step_has_the_same_gradients():
    images = torch.rand(2, 5, 3, 8, 8, generator=torch.Generator().manual_seed(SEED))
    backbone = without_batch_norm()
    compiled = torch.compile(backbone, backend="eager")
    with parts_of(2):
        nt_xent(*(compiled(view).mean((2, 3)) for view in images)).backward()
    found = torch.cat([weight.grad.flatten() for weight in backbone.parameters()])
    torch.testing.assert_close(found, gradients(without_batch_norm(), images, nt_xent, None))
