from dataclasses import replace

import numpy as np
import pytest
import torch
from torchvision.transforms.v2 import functional as tvf

from sklssl.augmentation import (
    RandomViews,
    adjust_brightness,
    adjust_contrast,
    adjust_hue,
    adjust_saturation,
    draw_choices,
    draw_color_jitter,
    draw_crops,
    draw_shifts,
    draw_sigmas,
    gaussian_blur,
    horizontal_flip,
    resized_crop,
    shift,
    to_grayscale,
)
from tests._seed import SEED

ADJUSTMENTS = [
    (adjust_brightness, tvf.adjust_brightness, (0.0, 2.5)),
    (adjust_contrast, tvf.adjust_contrast, (0.0, 2.5)),
    (adjust_saturation, tvf.adjust_saturation, (0.0, 2.5)),
    (adjust_hue, tvf.adjust_hue, (-0.5, 0.5)),
]


def random_images(n, channels=3, height=12, width=10, *, seed=0):
    """Floats in [0, 1] laid out as the feed does; a fifth of the values are at the bounds."""
    rng = torch.Generator().manual_seed(100 * SEED + seed)
    images = torch.rand((n, channels, height, width), generator=rng)
    images = ((images - 0.5) * 1.25 + 0.5).clamp(0, 1)
    return images.contiguous(memory_format=torch.channels_last)


def assert_each_equal(results, images, expected, *args):
    """Compare with a function of single images and its argument for each of them."""
    for result, image, *values in zip(results, images, *args, strict=True):
        torch.testing.assert_close(result, expected(image, *values), rtol=0, atol=2e-6)


def seeded(seed=0):
    return torch.Generator().manual_seed(100 * SEED + seed)


def test_shift_against_a_slow_loop():
    images = torch.rand(6, 2, 5, 7)
    shifts = torch.tensor([[0, 0], [1, 0], [0, 2], [-1, -2], [3, -3], [-4, 6]])
    shifted = shift(images, shifts)
    for image, (down, right), result in zip(images, shifts.tolist(), shifted, strict=True):
        padded = np.pad(image.numpy(), [(0, 0), (8, 8), (8, 8)], mode="edge")
        expected = padded[:, 8 - down : 13 - down, 8 - right : 15 - right]
        np.testing.assert_array_equal(result.numpy(), expected)


def test_every_image_draws_its_own_shift_within_bounds():
    rng = torch.Generator().manual_seed(SEED)
    shifts = draw_shifts(2000, (32, 16), 0.125, rng)
    assert set(shifts[:, 0].tolist()) == set(range(-4, 5))
    assert set(shifts[:, 1].tolist()) == set(range(-2, 3))
    assert len(shifts[:10].unique(dim=0)) > 1
    again = draw_shifts(2000, (32, 16), 0.125, torch.Generator().manual_seed(SEED))
    assert torch.equal(shifts, again)


def test_small_images_do_not_move():
    assert not draw_shifts(50, (7, 7), 0.125, torch.Generator()).any()


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize("size", [(12, 10), (9, 21), (16, 16)])
def test_crop_equals_torchvision_on_whole_boxes(channels, size):
    height, width = size
    images = random_images(5, channels, height, width)
    boxes = [[0, 0, height, width], [2, 3, 5, 4], [0, 1, 1, 1], [1, 0, height - 1, 3], [3, 2, 6, 7]]
    flipped = [False, True, False, True, False]

    def expected(image, box, flip):
        resized = tvf.resized_crop(image, *box, size=size)
        return resized.flip(2) if flip else resized

    results = resized_crop(images, torch.tensor(boxes).float(), torch.tensor(flipped))
    assert_each_equal(results, images, expected, boxes, flipped)


@pytest.mark.parametrize("channels", [1, 3, 5])
@pytest.mark.parametrize("size", [(4, 4), (5, 30), (12, 3), (1, 1), (24, 20)])
def test_crop_to_another_size_equals_torchvision_on_whole_boxes(channels, size):
    images = random_images(5, channels, 12, 10)
    boxes = [[0, 0, 12, 10], [2, 3, 5, 4], [0, 1, 1, 1], [1, 0, 11, 3], [3, 2, 6, 7]]

    def expected(image, box):
        return tvf.resized_crop(image, *box, size=size, antialias=True)

    results = resized_crop(images, torch.tensor(boxes).float(), size=size)
    assert results.shape == (5, channels, *size)
    assert_each_equal(results, images, expected, boxes)
    flipped = resized_crop(images, torch.tensor(boxes).float(), torch.ones(5).bool(), size)
    torch.testing.assert_close(flipped, results.flip(3))


def test_a_smaller_box_between_the_pixels_weighs_them_by_what_it_covers():
    """Slid by a pixel, it gives what the image slid by a pixel gives; and it stays in between."""
    images = random_images(1, 1, 16, 16)
    tops = torch.linspace(2, 3, 9)
    boxes = torch.stack([tops, torch.full((9,), 3.0), *torch.full((2, 9), 10.0)], dim=1)
    crops = resized_crop(images.expand(9, -1, -1, -1), boxes, size=5)
    slid = resized_crop(images.roll(-1, 2), boxes[:1], size=5)
    torch.testing.assert_close(crops[-1:], slid)
    assert (crops[1:] - crops[:-1]).abs().max() < 0.25
    assert crops.min() >= images.min()
    assert crops.max() <= images.max()


def test_a_box_between_the_pixels_reads_between_them():
    ramp = torch.arange(8.0).expand(1, 1, 8, 8) / 8
    box = torch.tensor([[0.0, 1.25, 8.0, 4.0]])
    columns = resized_crop(ramp, box, torch.tensor([False]))[0, 0, 0] * 8
    expected = 1.25 + torch.tensor([0.0, 0.25, 0.75, 1.25, 1.75, 2.25, 2.75, 3.0])
    torch.testing.assert_close(columns, expected)


@pytest.mark.parametrize("size", [(32, 32), (24, 40), (8, 64)])
def test_crops_lie_inside_and_have_the_shares_and_ratios_asked_for(size):
    boxes = draw_crops(4000, size, (0.2, 0.9), seeded())
    top, left, height, width = boxes.unbind(1)
    assert (boxes >= 0).all()
    assert (top + height <= size[0] + 1e-4).all()
    assert (left + width <= size[1] + 1e-4).all()
    share = height * width / (size[0] * size[1])
    assert share.min() >= 0.2 - 1e-5
    assert share.max() <= 0.9 + 1e-5
    quarters = torch.quantile(share, torch.tensor([0.25, 0.5, 0.75]))
    torch.testing.assert_close(quarters, torch.tensor([0.375, 0.55, 0.725]), rtol=0, atol=0.02)
    if size == (32, 32):
        ratio = width / height
        assert ratio.min() >= 0.75 - 1e-4
        assert ratio.max() <= 4 / 3 + 1e-4
        assert abs(ratio.log().mean()) < 0.01


def test_whole_crops_are_the_images():
    images = random_images(3)
    boxes = draw_crops(3, (12, 10), (1.0, 1.0), seeded())
    torch.testing.assert_close(
        resized_crop(images, boxes, torch.zeros(3, dtype=torch.bool)), images
    )


@pytest.mark.parametrize(("adjust", "expected", "bounds"), ADJUSTMENTS)
@pytest.mark.parametrize("channels", [1, 3])
def test_adjustments_equal_torchvision(adjust, expected, bounds, channels):
    images = random_images(12, channels)
    images[0] = images[0, :1]  # without colour
    images[1], images[2], images[3, :2] = 0, 1, 0
    rising = torch.linspace(*bounds, len(images))
    for values in (rising, rising.flip(0)):
        results = adjust(images, values)
        assert_each_equal(results, images, expected, values.tolist())


def test_hue_turns_pure_and_mixed_colours_as_torchvision_does():
    steps = torch.linspace(0, 1, 5)
    colours = torch.cartesian_prod(steps, steps, steps).T[None, :, :, None]
    turns = torch.linspace(-0.5, 0.5, 25)
    images = colours.repeat(25, 1, 1, 1)
    results = adjust_hue(images, turns)
    assert_each_equal(results, images, tvf.adjust_hue, turns.tolist())


@pytest.mark.parametrize("channels", [2, 4])
def test_other_channels_have_brightness_and_contrast_but_no_colour(channels):
    images = random_images(6, channels)
    for adjust in (adjust_saturation, adjust_hue, to_grayscale):
        assert torch.equal(adjust(images, torch.full((6,), 0.4)), images)
    results = adjust_contrast(images, torch.zeros(6))
    # Each channel has a mean of its own: they may be of different units.
    torch.testing.assert_close(results, images.mean((2, 3), keepdim=True).expand_as(images))


def test_to_grayscaleequals_torchvision_on_the_chosen():
    images = random_images(4)
    results = to_grayscale(images, torch.tensor([True, False, True, False]))
    assert torch.equal(results[1::2], images[1::2])
    expected = tvf.rgb_to_grayscale(images[::2], num_output_channels=3)
    torch.testing.assert_close(results[::2], expected)


def test_jitter_moves_four_in_five_images_within_bounds():
    factors = torch.stack(draw_color_jitter(5000, 0.5, seeded()))
    neutral = torch.tensor([[1.0], [1.0], [1.0], [0.0]])
    moved = (factors != neutral).all(0)
    assert (factors == neutral).all(0)[~moved].all()
    assert abs(moved.float().mean() - 0.8) < 0.03
    reach = (factors - neutral).abs().amax(1)
    torch.testing.assert_close(reach, torch.tensor([0.4, 0.4, 0.4, 0.1]), rtol=0.02, atol=0)
    assert torch.stack(draw_color_jitter(500, 2.0, seeded()))[:3].min() == 0


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("kernel_size", [3, 7])
def test_blur_equals_torchvision(channels, kernel_size):
    images = random_images(4, channels)
    sigmas = [0.1, 0.5, 1.3, 2.0]

    def expected(image, sigma):
        return tvf.gaussian_blur(image, kernel_size, sigma)

    results = gaussian_blur(images, torch.tensor(sigmas), kernel_size)
    assert_each_equal(results, images, expected, sigmas)


def test_sigmas_lie_within_bounds():
    sigmas = draw_sigmas(4000, seeded())
    assert sigmas.min() >= 0.1
    assert sigmas.max() <= 2
    assert abs(sigmas.mean() - 1.05) < 0.05


@pytest.mark.parametrize(("side", "blurred"), [(63, 0), (64, 5)])
def test_half_of_a_batch_of_large_images_is_blurred(side, blurred):
    images = random_images(10, 3, side, side)
    views = RandomViews(crop_scale=(1.0, 1.0), horizontal_flip=False, jitter=0.0)
    changed = (views(images, seeded()) - images).abs().amax((1, 2, 3)) > 1e-5
    assert changed.sum() == blurred
    assert views(images[:1], seeded()).shape == (1, 3, side, side)
    sharp = replace(views, blur=False)
    torch.testing.assert_close(sharp(images, seeded()), images)


def test_choices_have_their_share():
    assert abs(draw_choices(5000, 0.3, seeded()).float().mean() - 0.3) < 0.03
    assert not draw_choices(500, 0.0, seeded()).any()
    assert draw_choices(500, 1.0, seeded()).all()


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize("size", [(8, 8), (24, 40), (66, 64)])
def test_views_have_the_form_of_the_images_and_follow_the_generator(channels, size):
    images = random_images(6, channels, *size)
    before, state = images.clone(), torch.get_rng_state()
    views = RandomViews(jitter=1.0)(images, seeded(1))
    assert views.shape == images.shape
    assert views.dtype == torch.float32
    assert views.is_contiguous(memory_format=torch.channels_last)
    assert views.min() >= 0
    assert views.max() <= 1
    assert torch.equal(views, RandomViews(jitter=1.0)(images, seeded(1)))
    assert not torch.equal(views, RandomViews(jitter=1.0)(images, seeded(2)))
    assert torch.equal(images, before)
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize("channels", [1, 3, 5])
@pytest.mark.parametrize("size", [8, (6, 9), (80, 72)])
def test_views_of_another_size(channels, size):
    images = random_images(6, channels, 20, 14)
    small = RandomViews((0.05, 0.4), size=size)
    views = small(images, seeded(1))
    assert views.shape == (6, channels, *(size if isinstance(size, tuple) else (size, size)))
    assert views.is_contiguous(memory_format=torch.channels_last)
    assert views.min() >= 0
    assert views.max() <= 1
    assert torch.equal(views, small(images, seeded(1)))
    own_size = RandomViews((0.05, 0.4), size=(20, 14))
    assert torch.equal(own_size(images, seeded(1)), RandomViews((0.05, 0.4))(images, seeded(1)))


@pytest.mark.parametrize("size", [None, 8])
def test_every_image_draws_its_own_view_of_any_size(size):
    images = random_images(1, 3, 16, 16).expand(20, -1, -1, -1)
    assert len(RandomViews(size=size)(images, seeded()).unique(dim=0)) == 20


def test_views_of_one_pixel_are_means():
    images = random_images(4, 3)
    views = RandomViews((1.0, 1.0), jitter=0.0, size=1)(images, seeded())
    torch.testing.assert_close(views, tvf.resize(images, [1, 1], antialias=True))


def test_every_image_draws_its_own_view():
    images = random_images(1, 3, 16, 16).expand(20, -1, -1, -1)
    assert len(RandomViews()(images, seeded()).unique(dim=0)) == 20


def test_settings_without_effect_leave_the_images():
    images = random_images(20, 3, 16, 16)
    still = RandomViews(crop_scale=(1.0, 1.0), horizontal_flip=False, jitter=0.0)
    torch.testing.assert_close(still(images, seeded()), images)


def test_half_of_the_views_are_mirrored_and_a_fifth_is_grey():
    images = random_images(1, 3, 8, 8).expand(2000, -1, -1, -1)
    views = RandomViews(crop_scale=(1.0, 1.0), jitter=0.0)(images, seeded())
    mirrored = (views - images.flip(3)).abs().amax((1, 2, 3)) < 1e-5
    assert abs(mirrored.float().mean() - 0.5) < 0.04
    views = RandomViews(jitter=0.1)(images, seeded())
    grey = (views.amax(1) - views.amin(1)).amax((1, 2)) < 1e-5
    assert abs(grey.float().mean() - 0.2) < 0.03


@pytest.mark.gpu
def test_drawn_numbers_give_the_same_views_on_cuda():
    images, rng = random_images(16, 3, 64, 64), seeded()
    jitter, grey = draw_color_jitter(16, 1.0, rng), draw_choices(16, 0.2, rng)
    boxes, flipped = draw_crops(16, (64, 64), (0.2, 1.0), rng), draw_choices(16, 0.5, rng)
    sigmas = draw_sigmas(16, rng)

    def views(device):
        out = resized_crop(images.to(device), boxes.to(device), flipped.to(device))
        for (adjust, _, _), values in zip(ADJUSTMENTS, jitter, strict=True):
            out = adjust(out, values.to(device))
        out = to_grayscale(out, grey.to(device))
        return gaussian_blur(out, sigmas.to(device), 7).cpu()

    torch.testing.assert_close(views("cuda"), views("cpu"), rtol=0, atol=1e-5)


@pytest.mark.gpu
def test_views_are_drawn_on_cuda():
    images = random_images(8, 3, 64, 64).cuda()
    views = RandomViews()(images, torch.Generator("cuda").manual_seed(SEED))
    assert views.device == images.device
    assert torch.equal(views, RandomViews()(images, torch.Generator("cuda").manual_seed(SEED)))


def test_chosen_images_are_mirrored():
    images = random_images(3, 5, 4, 7)
    flipped = horizontal_flip(images, torch.tensor([True, False, True]))
    assert torch.equal(flipped[::2], images[::2].flip(3))
    assert torch.equal(flipped[1], images[1])


def test_operations_leave_the_images_as_they_are():
    images, rng = random_images(4), seeded()
    before = images.clone()
    for adjust, values in zip(
        (adjust_brightness, adjust_contrast, adjust_saturation, adjust_hue),
        draw_color_jitter(4, 1.0, rng),
        strict=True,
    ):
        assert adjust(images, values).is_contiguous(memory_format=torch.channels_last)
    to_grayscale(images, torch.ones(4).bool())
    gaussian_blur(images, draw_sigmas(4, rng), 3)
    assert torch.equal(images, before)


IMAGES, ONES = torch.zeros(2, 3, 8, 8), torch.ones(2)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: shift(IMAGES[0], ONES), r"shift: images must be .*Got float32 \(3, 8, 8\)\. Use "),
        (lambda: RandomViews()(IMAGES.byte(), seeded()), r"RandomViews: images.*Got uint8.*255"),
        (lambda: RandomViews()(IMAGES.numpy(), seeded()), r"RandomViews: images.*Got a ndarray"),
        (
            lambda: adjust_hue(IMAGES, 0.1),
            r"adjust_hue: turns must be .*\(2,\) on cpu.*Got 0.1\. ",
        ),
        (lambda: adjust_contrast(IMAGES, torch.ones(3)), r"factors .* Got one of shape \(3,\)"),
        (lambda: to_grayscale(IMAGES, torch.ones(2, device="meta")), "chosen .*Got one on meta"),
        (lambda: resized_crop(IMAGES, ONES), r"boxes must be a tensor of shape \(2, 4\)"),
        (lambda: resized_crop(IMAGES, torch.ones(2, 4), size=0), "size must be .*Got 0. The size"),
        (lambda: RandomViews(size=(8, 8.0)), r"size must be .*\(height, width\). Got \(8, 8.0\)"),
        (lambda: RandomViews(size=True), "size must be an integer .*Got True"),
        (lambda: draw_crops(2, (8, 8), (0, 1), seeded()), r"draw_crops: scale must .*Got \(0, 1\)"),
        (lambda: draw_choices(2, 1.5, seeded()), r"draw_choices: share must be .*Got 1.5\. 0.5"),
        (lambda: draw_shifts(2, (8, 8), -1, seeded()), "draw_shifts: share must be .*Got -1"),
        (lambda: draw_color_jitter(2, -1, seeded()), "strength must be .*at least 0. Got -1"),
        (
            lambda: gaussian_blur(IMAGES, ONES, 4),
            "kernel_size must be odd .*8x8 pixels. Got 4. For a",
        ),
        (lambda: gaussian_blur(IMAGES, ONES, 17), "kernel_size must be .*Got 17"),
        (
            lambda: horizontal_flip(IMAGES, ONES.int()),
            "chosen .*of bools .*Got one of .*int32",
        ),
        (
            lambda: resized_crop(IMAGES, torch.ones(2, 4), ONES.int()),
            "flipped must .*of bools .*Got one of .*int32",
        ),
        (
            lambda: shift(IMAGES, torch.ones(2, 2)),
            "shifts .*of integers .*Got one of .*float",
        ),
    ],
)
def test_what_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()


@pytest.mark.parametrize("crop_scale", [(0.5, 0.2), (0, 1), (0.2, 1.5), (0.2,), (0.2, "1")])
def test_crops_of_no_size_are_refused(crop_scale):
    with pytest.raises(ValueError, match=r"crop_scale must be two numbers .*Got"):
        RandomViews(crop_scale)


def test_jitter_out_of_range_is_refused():
    with pytest.raises(ValueError, match=r"jitter must be a number in \[0, 1\]. Got 2"):
        RandomViews(jitter=2)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_other_floats_give_what_float32_gives(dtype):
    images = random_images(4)
    views = RandomViews()
    boxes = draw_crops(4, (12, 10), (0.2, 1.0), seeded())
    numbers = torch.rand(4, generator=seeded())
    functions = [
        lambda x: views(x, seeded()),
        lambda x: resized_crop(x, boxes, size=(7, 9)),
        lambda x: resized_crop(x, boxes),
        lambda x: gaussian_blur(x, numbers + 0.1, 3),
        lambda x: to_grayscale(x, numbers > 0.5),
        *(
            lambda x, adjust=adjust: (
                adjust(x, numbers - 0.5) if adjust is adjust_hue else adjust(x, numbers)
            )
            for adjust, _, _ in ADJUSTMENTS
        ),
    ]
    for function in functions:
        found = function(images.to(dtype))
        assert found.dtype == dtype
        torch.testing.assert_close(found.float(), function(images), rtol=0, atol=0.06)


def test_boxes_thinner_than_a_pixel_do_not_darken():
    boxes = torch.tensor([[7.4, 0.0, 0.6, 7.0], [0.0, 6.7, 8.0, 0.3]])
    torch.testing.assert_close(resized_crop(torch.ones(2, 1, 8, 7), boxes), torch.ones(2, 1, 8, 7))


@pytest.mark.parametrize("size", [None, 2, 20])
def test_only_the_part_of_a_box_inside_the_image_is_used(size):
    images = torch.arange(64.0).view(1, 1, 8, 8)
    for box, inside in (
        ([-3, 4, 5, 8], [0, 4, 2, 4]),
        ([6, -1, 9, 4], [6, 0, 2, 3]),
        ([20, 3, 4, 2], [7, 3, 1, 2]),  # the nearest ones, if there is none
        ([2, 5, 0, 0], [2, 5, 1, 1]),
    ):
        found, expected = (
            resized_crop(images, torch.tensor([each], dtype=torch.float32), size=size)
            for each in (box, inside)
        )
        torch.testing.assert_close(found, expected)


def test_no_blur():
    images = random_images(2)
    torch.testing.assert_close(gaussian_blur(images, torch.zeros(2), 3), images)
