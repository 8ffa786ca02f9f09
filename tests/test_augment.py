import numpy as np
import torch

from sklssl._augment import draw_shifts, shift


def test_shift_against_a_slow_loop():
    images = torch.rand(6, 2, 5, 7)
    shifts = torch.tensor([[0, 0], [1, 0], [0, 2], [-1, -2], [3, -3], [-4, 6]])
    shifted = shift(images, shifts)
    for image, (down, right), result in zip(images, shifts.tolist(), shifted, strict=True):
        padded = np.pad(image.numpy(), [(0, 0), (8, 8), (8, 8)], mode="edge")
        expected = padded[:, 8 - down : 13 - down, 8 - right : 15 - right]
        np.testing.assert_array_equal(result.numpy(), expected)


def test_every_image_draws_its_own_shift_within_bounds():
    rng = torch.Generator().manual_seed(0)
    shifts = draw_shifts(2000, (32, 16), 0.125, rng)
    assert set(shifts[:, 0].tolist()) == set(range(-4, 5))
    assert set(shifts[:, 1].tolist()) == set(range(-2, 3))
    assert len(shifts[:10].unique(dim=0)) > 1
    again = draw_shifts(2000, (32, 16), 0.125, torch.Generator().manual_seed(0))
    assert torch.equal(shifts, again)


def test_small_images_do_not_move():
    assert not draw_shifts(50, (7, 7), 0.125, torch.Generator()).any()
