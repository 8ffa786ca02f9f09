from types import SimpleNamespace

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from sklssl._data import batches
from sklssl._data.batches import (
    ToTensor,
    count_batches,
    embed_blocks,
    embed_in_batches,
    image_statistics,
    iter_batches,
    move_to_device_if_fits,
)

CPU = torch.device("cpu")


def to_tensor(images, value_range, size):
    """Bring all images at once."""
    return next(iter_batches(images, [slice(None)], ToTensor(CPU, value_range, size)))


def test_uint8_becomes_channels_first_floats_in_unit_range():
    images = np.random.default_rng(0).integers(0, 256, (2, 9, 10, 3), dtype=np.uint8)
    before = images.copy()
    x = to_tensor(images, (0.0, 255.0), (9, 10))
    assert x.dtype == torch.float32
    assert x.shape == (2, 3, 9, 10)
    assert x.is_contiguous(memory_format=torch.channels_last)
    np.testing.assert_allclose(x.permute(0, 2, 3, 1).numpy(), images / 255, rtol=1e-6)
    np.testing.assert_array_equal(images, before)


def test_float_images_are_not_written_to():
    images = np.random.default_rng(0).normal(size=(2, 8, 8, 1)).astype(np.float32)
    before = images.copy()
    low, high = float(images.min()), float(images.max())
    x = to_tensor(images, (low, high), (8, 8))
    assert x.min() == 0
    assert x.max() == pytest.approx(1)
    np.testing.assert_array_equal(images, before)


def test_images_of_one_value_become_zero_not_nan():
    x = to_tensor(np.full((1, 8, 8, 1), 7, dtype=np.float32), (7.0, 7.0), (8, 8))
    assert (x == 0).all()


@pytest.mark.parametrize("values", [(-3e38, 3e38), (0, 2e38), (0, 1e-40)])
def test_a_range_that_float32_cannot_compute_with_is_refused(values):
    images = np.zeros((2, 8, 8, 1), dtype=np.float32)
    images[0], images[1] = values
    with pytest.raises(ValueError, match="X contains images with values from .* to .*float32"):
        image_statistics(images)
    image_statistics(images[:1])


def test_small_images_are_enlarged_and_turned_ones_too():
    """A margin on one side would show how an image is turned."""
    image = np.random.default_rng(0).random((1, 5, 5, 1), dtype=np.float32)
    x = to_tensor(image, (0.0, 1.0), (8, 8))
    turned = to_tensor(np.rot90(image, axes=(1, 2)).copy(), (0.0, 1.0), (8, 8))
    torch.testing.assert_close(turned, torch.rot90(x, dims=(2, 3)))
    assert x.min() > 0
    assert to_tensor(image[:, :2], (0.0, 1.0), (8, 8)).shape == (1, 1, 8, 8)


def test_halving_averages_four_pixels():
    images = np.random.default_rng(0).random((2, 16, 16, 1), dtype=np.float32)
    x = to_tensor(images, (0.0, 1.0), (8, 8))
    expected = images.reshape(2, 8, 2, 8, 2).mean((2, 4))
    np.testing.assert_allclose(x[:, 0].numpy(), expected, rtol=1e-5)


def test_shrinking_by_more_than_two_skips_no_pixel():
    """A checkerboard has the mean 1/2; four pixels of it may say anything."""
    board = np.indices((64, 64)).sum(0)[None, :, :, None] % 2
    x = to_tensor(board.astype(np.float32), (0.0, 1.0), (8, 8))
    torch.testing.assert_close(x, torch.full_like(x, 0.5), atol=0.05, rtol=0)


def test_enlarging_is_torch_s_bilinear():
    images = np.random.default_rng(0).random((2, 8, 8, 3), dtype=np.float32)
    x = to_tensor(images, (0.0, 1.0), (12, 12))
    expected = F.interpolate(torch.from_numpy(images).permute(0, 3, 1, 2), 12, mode="bilinear")
    torch.testing.assert_close(x, expected)


@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_statistics_against_numpy(dtype):
    images = (np.random.default_rng(0).random((50, 9, 7, 3)) * 200).astype(dtype)
    (low, high), mean, scale = image_statistics(images)
    assert (low, high) == ((0, 255) if dtype == np.uint8 else (images.min(), images.max()))
    unit = (images.astype(float) - low) / (high - low)
    np.testing.assert_allclose(mean, unit.mean((0, 1, 2)), rtol=1e-5)
    np.testing.assert_allclose(scale, unit.std((0, 1, 2)), rtol=1e-5)


def test_statistics_in_chunks_are_those_of_the_whole(monkeypatch):
    images = np.random.default_rng(0).integers(0, 256, (300, 150, 150, 1), dtype=np.uint8)
    _, mean, scale = image_statistics(images)  # more than one chunk of 2**22 values
    np.testing.assert_allclose(mean, images.mean() / 255, rtol=1e-6)
    np.testing.assert_allclose(scale, images.std() / 255, rtol=1e-5)


def test_constant_channel_gets_the_scale_one():
    images = np.zeros((4, 8, 8, 2), dtype=np.uint8)
    images[:2, ..., 1] = 255
    assert image_statistics(images)[2].tolist() == [1.0, 0.5]


@pytest.mark.parametrize("n", range(2, 40))
@pytest.mark.parametrize("batch_size", [2, 3, 16])
def test_no_batch_is_of_one_image(n, batch_size):
    sizes = [len(part) for part in np.array_split(np.arange(n), count_batches(n, batch_size))]
    assert sum(sizes) == n
    assert min(sizes) >= 2
    assert max(sizes) <= batch_size + 1


def test_embedding_batches_are_all_of_one_size():
    sizes = []

    def encode(batch):
        sizes.append(len(batch))
        return batch.mean((2, 3))

    images = np.random.default_rng(0).integers(0, 256, (300, 32, 32, 3), dtype=np.uint8)
    out = embed_in_batches(images, ToTensor(CPU, (0.0, 255.0), (32, 32)), encode, 3)
    assert sizes == [64] * 5
    np.testing.assert_allclose(out, images.mean((1, 2)) / 255, rtol=1e-5)


@pytest.mark.parametrize("images", ["array", "tensor"])
def test_parts_are_brought_in_the_order_asked_for(images):
    """Of arrays by the processor, of what resides on the device by itself."""
    array = np.random.default_rng(0).integers(0, 256, (20, 8, 8, 3), dtype=np.uint8)
    parts = [np.array([3, 1]), np.array([19]), np.array([0, 0])]
    source = array if images == "array" else torch.from_numpy(array)
    brought = torch.cat(list(iter_batches(source, parts, ToTensor(CPU, (0.0, 255.0), (8, 8)))))
    expected = array[np.concatenate(parts)].transpose(0, 3, 1, 2) / np.float32(255)
    np.testing.assert_allclose(brought.numpy(), expected, rtol=1e-6)


def test_loading_ahead_keeps_the_order_and_is_two_ahead():
    loaded = []
    ahead = batches._load_ahead(lambda part: loaded.append(part) or part, range(7))
    assert next(ahead) == 0
    assert 2 <= len(list(loaded)) + 1 <= 4
    assert list(ahead) == [1, 2, 3, 4, 5, 6]
    assert loaded == list(range(7))


def test_an_error_while_loading_ahead_is_raised():
    def load(part):
        if part == 3:
            raise OSError("gone")
        return part

    with pytest.raises(OSError, match="gone"):
        list(batches._load_ahead(load, range(5)))


def test_on_the_processor_images_stay_where_they_are():
    images = np.zeros((2, 8, 8, 1), dtype=np.uint8)
    assert move_to_device_if_fits(images, CPU) is images


class PretendGPU:
    """What a GPU would use, but for the GPU: what is brought stays on the processor."""

    device = SimpleNamespace(type="cuda")

    def __call__(self, batch):
        return batch


@pytest.fixture
def pretend(monkeypatch):
    """Let what is done for a GPU be done on the processor; gives the free bytes of it."""
    empty, free = torch.empty, [0]
    monkeypatch.setattr(torch.Tensor, "pin_memory", lambda self: self)
    monkeypatch.setattr(torch, "empty", lambda *args, device, **kwargs: empty(*args, **kwargs))
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (free[0], 2**40))
    return free


def test_what_does_not_fit_a_gpu_is_brought_in_order(pretend):
    images = np.random.default_rng(0).integers(0, 256, (50, 8, 8, 1), dtype=np.uint8)
    images.flags.writeable = False  # as a mapped file
    assert move_to_device_if_fits(images, PretendGPU.device) is images
    parts = [np.arange(start, 50, 7) for start in range(7)]
    brought = list(iter_batches(images, parts, PretendGPU()))
    np.testing.assert_array_equal(torch.cat(brought).numpy(), images[np.concatenate(parts)])


@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_what_fits_a_gpu_is_copied_there_piece_by_piece(pretend, monkeypatch, dtype):
    monkeypatch.setattr("sklssl._data.batches._PIECE_BYTES", 1000)
    images = (np.random.default_rng(0).random((50, 8, 8, 1)) * 255).astype(dtype)
    pretend[0] = images.nbytes / batches._RESIDENT_SHARE - 1
    assert move_to_device_if_fits(images, PretendGPU.device) is images
    pretend[0] += 2
    resident = move_to_device_if_fits(images, PretendGPU.device)
    assert isinstance(resident, torch.Tensor)
    np.testing.assert_array_equal(resident.numpy(), images)
    rows = torch.tensor([3, 1, 49])
    np.testing.assert_array_equal(next(iter_batches(resident, [rows], PretendGPU())), images[rows])


def test_memory_that_torch_keeps_for_later_is_free(pretend, monkeypatch):
    images = np.zeros((50, 8, 8, 1), np.uint8)
    kept = int(images.nbytes / batches._RESIDENT_SHARE) + 1
    monkeypatch.setattr(torch.cuda, "memory_reserved", lambda device: kept + 100)
    monkeypatch.setattr(torch.cuda, "memory_allocated", lambda device: 100)
    assert isinstance(move_to_device_if_fits(images, PretendGPU.device), torch.Tensor)


@pytest.mark.gpu
def test_images_reside_on_a_gpu_with_room_for_them(monkeypatch):
    images = np.random.default_rng(0).integers(0, 256, (300, 32, 32, 3), dtype=np.uint8)
    resident = move_to_device_if_fits(images, torch.device("cuda"))
    assert resident.device.type == "cuda"
    np.testing.assert_array_equal(resident.cpu().numpy(), images)
    monkeypatch.setattr("sklssl._data.batches._RESIDENT_SHARE", 0.0)
    assert move_to_device_if_fits(images, torch.device("cuda")) is images


def test_a_block_that_does_not_fit_is_halved_until_it_does():
    """As on a GPU that holds 10 images at a time."""
    sizes = []

    def encode(batch):
        sizes.append(len(batch))
        if len(batch) > 10:
            raise torch.OutOfMemoryError
        return batch.mean((2, 3))

    images = np.random.default_rng(0).integers(0, 256, (200, 32, 32, 3), dtype=np.uint8)
    out = embed_in_batches(images, ToTensor(CPU, (0.0, 255.0), (32, 32)), encode, 3)
    np.testing.assert_allclose(out, images.mean((1, 2)) / 255, rtol=1e-5)
    assert sizes == [64, 32, 16, *[8] * 32]  # what was learned is kept for the next block


def test_an_image_that_does_not_fit_alone_is_an_error():
    def encode(batch):
        raise torch.OutOfMemoryError

    images = np.zeros((4, 32, 32, 3), dtype=np.uint8)
    with pytest.raises(torch.OutOfMemoryError):
        embed_in_batches(images, ToTensor(CPU, (0.0, 255.0), (32, 32)), encode, 3)


def test_blocks_are_made_as_they_are_asked_for():
    """What is not asked for is not read, so that more may be there than the memory holds."""
    read = []

    class Images(np.ndarray):
        def __getitem__(self, part):
            read.append(part)
            return np.asarray(self)[part]

    images = np.zeros((1000, 32, 32, 3), dtype=np.uint8).view(Images)
    blocks = embed_blocks(images, ToTensor(CPU, (0.0, 255.0), (32, 32)), lambda x: x.mean((2, 3)))
    assert len(next(blocks)) == 64
    assert read == [slice(0, 64)]
    assert sum(map(len, blocks)) == 1000 - 64


@pytest.mark.parametrize(("side", "expected"), [(96, 8), (512, 4), (1500, 1)])
def test_blocks_of_large_images_have_few(side, expected):
    images = np.zeros((9, side, side, 1), dtype=np.uint8)
    sizes = []

    def encode(block):
        sizes.append(len(block))
        return block.mean((2, 3))

    assert sum(map(len, embed_blocks(images, ToTensor(CPU, (0, 255), (side, side)), encode))) == 9
    assert set(sizes) == {expected}


def test_blocks_of_very_wide_networks_have_few():
    images, sizes = np.zeros((9, 32, 32, 1), dtype=np.uint8), []

    def encode(block):
        sizes.append(len(block))
        return block.mean((2, 3))

    to_tensor = ToTensor(CPU, (0, 255), (32, 32))
    assert sum(map(len, embed_blocks(images, to_tensor, encode, map_values=2**26))) == 9
    assert set(sizes) == {2}


FAR = r"values from -9999 to [\d.]+, but 9[\d.]+ % of them are from .* mark missing data"


@pytest.mark.parametrize("n_pixels", [1, 40, 3000])
@pytest.mark.parametrize("n_channels", [1, 3])
def test_values_that_mark_missing_data(n_pixels, n_channels):
    images = np.random.default_rng(0).random((100, 28, 28, n_channels), dtype=np.float32)
    image_statistics(images)
    images.reshape(-1, n_channels)[7 : 7 + n_pixels, 0] = -9999  # of the first channel
    with pytest.warns(UserWarning, match=FAR) as record:
        image_statistics(images)
    assert len(record) == 1


def test_missing_data_of_many_images_and_of_uint16():
    images = np.random.default_rng(0).random((3000, 32, 32, 1), dtype=np.float32)
    images[1234, 5, 5] = -9999
    with pytest.warns(UserWarning, match=FAR):
        image_statistics(images)
    dark = np.random.default_rng(0).integers(90, 130, (50, 28, 28, 1)).astype(np.uint16)
    dark[3, :2] = 65535
    with pytest.warns(
        UserWarning, match=r"from 90 to 65535, but 99.* % of them are from 90 to 129"
    ):
        image_statistics(dark)


def test_hot_pixels_spots_and_sparse_drawings_are_ordinary():
    rng = np.random.default_rng(0)
    noise = rng.normal(100, 5, (60, 32, 32, 1)).astype(np.float32)
    hot, spots = noise.copy(), noise.copy()
    hot[5, 3, 3] = hot[9, 1, 2] = 3000
    spots[:, 10:12, 10:12] += rng.uniform(500, 60_000, (60, 1, 1, 1))
    drawing = np.ones((60, 32, 32, 1), dtype=np.float32)
    drawing[:9, 4] = rng.random((9, 32, 1))
    for images in (hot, spots, drawing, 1 - drawing, np.full_like(noise, 3), noise > 104):
        image_statistics(images.astype(np.float32))
        image_statistics(images.astype(np.uint16))
