import pytest
import torch
import torch.distributed as dist
import torch.multiprocessing as mp

from sklssl.losses import nt_xent
from tests.losses._worker import LOSSES, gradient, make_network, work

pytestmark = pytest.mark.skipif(
    not (dist.is_available() and dist.is_gloo_available()), reason="needs gloo"
)


@pytest.fixture(scope="module")
def images():
    return torch.rand(3, 6, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(1))


@pytest.fixture(scope="module")
def ranks(images, tmp_path_factory):
    """What each of two processes found with its half of the images."""
    folder = tmp_path_factory.mktemp("ranks")
    mp.spawn(work, args=(2, str(folder), images), nprocs=2)
    return [torch.load(folder / f"rank{rank}.pt") for rank in range(2)]


@pytest.mark.parametrize("n_images", [6, 5])
@pytest.mark.parametrize("name", LOSSES)
def test_two_processes_agree_with_one(ranks, images, name, n_images):
    loss, grad = gradient(make_network(), images[:, :n_images], name)
    for found in ranks:
        torch.testing.assert_close(found[name, n_images], (loss, grad))


def test_each_process_has_its_own_anchors(ranks):
    assert ranks[0]["own"] != ranks[1]["own"]


def test_one_image_a_process_is_enough(ranks, images):
    values = [found["one_each"] for found in ranks]
    expected = nt_xent(images[0, :2], images[1, :2]).item()
    assert sum(values) / 2 == pytest.approx(expected)


def test_unequal_widths(ranks):
    for found in ranks:
        assert found["error"].startswith("nt_xent: every process must pass the same number of feat")
        assert "[(2, 2, 4), (2, 2, 5)]" in found["error"]
