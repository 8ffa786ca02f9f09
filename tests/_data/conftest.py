"""Image files, and who reads them."""

import os

import pytest
import torch

from sklssl._data import files
from tests._data._image_files import IMAGES, write


@pytest.fixture
def paths(tmp_path):
    folder = tmp_path / "images" / "all"
    folder.mkdir(parents=True)
    return [write(folder / f"{i:03}.png", image) for i, image in enumerate(IMAGES)]


@pytest.fixture
def decoded(monkeypatch):
    """Give a list to which every file is added when it is read and decoded."""
    names = []

    def read(path, *args, **kwargs):
        names.append(os.path.basename(path))
        return original(path, *args, **kwargs)

    original = files.read_image_file
    monkeypatch.setattr("sklssl._data.files.read_image_file", read)
    return names


@pytest.fixture(params=[1, 3])
def n_threads(request):
    before = torch.get_num_threads()
    torch.set_num_threads(request.param)
    yield request.param
    torch.set_num_threads(before)
