import pytest
import torch

from sklssl._runtime.ranks import (
    Ranks,
    alone,
    current_ranks,
    fewest_and_most,
    fit_together,
    per_image,
    share_of,
)
from sklssl.augmentation import RandomViews, draw_crops
from sklssl.augmentation._numbers import draw_half


def generator():
    return torch.Generator().manual_seed(3)


@pytest.mark.parametrize(("n_rows", "size"), [(7, 3), (6, 2), (4, 4)])
def test_shares_divide_a_batch(n_rows, size):
    shares = [Ranks(rank, size).part(n_rows) for rank in range(size)]
    rows = [row for share in shares for row in range(n_rows)[share.rows]]
    assert rows == list(range(n_rows))
    assert max(share.n_here for share in shares) - min(share.n_here for share in shares) <= 1


def in_shares(draw, n_images, size=2):
    """Draw for each of several processes, as for two copies of its images."""
    drawn = []
    for rank in range(size):
        share = Ranks(rank, size).part(n_images)
        with share_of(share):
            drawn.append(draw(share.n_here))
    return drawn


def test_numbers_of_images_do_not_depend_on_the_number_of_processes():
    def draw(n):
        return draw_crops(n, (32, 32), (0.2, 1.0), generator())

    torch.testing.assert_close(torch.cat(in_shares(draw, 7)), draw(7))


def test_copies_of_images():
    def draw(n):
        return draw_crops(2 * n, (32, 32), (0.2, 1.0), generator()).unflatten(0, (2, n))

    torch.testing.assert_close(torch.cat(in_shares(draw, 7, 3), dim=1), draw(7))


@pytest.mark.parametrize("n_images", [7, 8])
def test_halves(n_images):
    def draw(n):
        chosen = torch.zeros(n)
        chosen[draw_half(n, generator())] = 1
        return chosen

    whole = torch.cat(in_shares(draw, n_images))
    torch.testing.assert_close(whole, draw(n_images))
    assert whole.sum() == (n_images + 1) // 2


def test_views_do_not_depend_on_the_number_of_processes():
    images = torch.rand(5, 3, 64, 64, generator=generator())  # large enough to be blurred
    rows = iter((slice(0, 3), slice(3, 5)))
    views = torch.cat(in_shares(lambda n: RandomViews()(images[next(rows)], generator()), 5))
    torch.testing.assert_close(views, RandomViews()(images, generator()))


def test_numbers_that_are_not_of_images_are_those_of_the_process():
    with share_of(Ranks(0, 2).part(4)):
        assert len(per_image(torch.zeros, 3)) == 3


def test_all_processes_compute_as_many_parts():
    found = set()
    for rank in range(2):
        share = Ranks(rank, 2).part(7)
        with share_of(share):
            found.add(fewest_and_most(2 * share.n_here))
    assert found == {(6, 8)}


def test_one_process():
    assert current_ranks() == Ranks()
    with fit_together("RotNetEmbedder") as ranks, alone():
        assert ranks == current_ranks() == Ranks()
    everything = torch.arange(3)
    assert ranks.share(everything) is everything
    assert ranks.collect(1) == [1]
    assert ranks.any(True, False) == (True, False)
