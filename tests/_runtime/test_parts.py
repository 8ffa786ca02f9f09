import copy
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from torch import nn
from torch.nn.utils.parametrizations import spectral_norm

from sklssl._runtime.device import network_precision, plain_torch
from sklssl._runtime.generators import RNG_LOCK
from sklssl._runtime.parts import parts_of
from sklssl.backbones import Backbone
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


class Scaled(nn.Module):
    """Multiplies by a moving average, which the backward pass needs."""

    def __init__(self):
        super().__init__()
        self.register_buffer("average", torch.ones(8, 1, 1))
        self.register_buffer("unused", None)

    def forward(self, x):
        self.average = self.average.lerp(x.detach().mean((0, 2, 3), keepdim=True)[0], 0.5)
        return x * self.average


@pytest.mark.parametrize(
    "layer",
    [
        lambda: nn.BatchNorm2d(8),
        lambda: nn.BatchNorm2d(8, momentum=None),
        lambda: nn.InstanceNorm2d(8, track_running_stats=True),
        lambda: spectral_norm(nn.Conv2d(8, 8, 1)),
        lambda: nn.Dropout(),
        Scaled,
    ],
)
def test_computing_again_changes_nothing(layer):
    """Neither gradients nor what layers remember, nor later random numbers."""
    torch.manual_seed(SEED)
    once = Backbone({"block": nn.Sequential(nn.Conv2d(3, 8, 3), layer(), nn.Conv2d(8, 8, 3))}, 3, 8)
    twice, images = copy.deepcopy(once), torch.rand(6, 3, 8, 8)

    torch.manual_seed(SEED)
    torch.cat([once(part) for part in images.split(2)]).square().sum().backward()
    drawn = torch.rand(1)
    torch.manual_seed(SEED)
    with parts_of(2):
        twice(images).square().sum().backward()
    assert torch.rand(1) == drawn
    for name, value in once.named_buffers():
        assert torch.equal(twice.get_buffer(name), value), name
    for name, weight in once.named_parameters():
        torch.testing.assert_close(twice.get_parameter(name).grad, weight.grad, msg=name)


def second_pass(layer, during):
    """Call a function in the second pass through a network with this layer."""
    backbone = Backbone({"block": nn.Sequential(nn.Conv2d(3, 8, 3), layer, nn.Conv2d(8, 8, 3))}, 3)
    with parts_of(2):
        out = backbone(torch.rand(4, 3, 8, 8)).sum()
    layer.register_forward_pre_hook(lambda *_: during())
    out.backward()


def test_the_second_pass_leaves_the_generator_to_other_threads():
    def begin_to_build_a_network():
        torch.manual_seed(7)

    second_pass(nn.ReLU(), begin_to_build_a_network)
    drawn = torch.rand(1)
    torch.manual_seed(7)
    assert torch.rand(1) == drawn


def test_a_second_pass_that_draws_keeps_other_threads_waiting():
    free = []

    def ask():
        with ThreadPoolExecutor(1) as pool:
            free.append(pool.submit(RNG_LOCK.hold().acquire, blocking=False).result())

    second_pass(nn.Dropout(), ask)
    assert free == [False, False]


def test_the_second_pass_has_the_precision_of_the_first():
    backbone = without_batch_norm()
    with network_precision(torch.device("cpu"), "bfloat16"), parts_of(2):
        out = backbone(torch.rand(4, 3, 8, 8)).sum()
    out.backward()  # another precision would be an error
    assert out.dtype == torch.float32


def test_other_threads_may_clear_the_cache_of_autocast():
    images = torch.rand(2, 8, 3, 8, 8, generator=torch.Generator().manual_seed(SEED))
    alone, disturbed = without_batch_norm(), without_batch_norm()
    disturbed.stages.block1.register_forward_hook(lambda *_: torch.clear_autocast_cache())
    with network_precision(torch.device("cpu"), "bfloat16"):
        found = [gradients(backbone, images, nt_xent, 2) for backbone in (alone, disturbed)]
    assert torch.equal(*found)


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
