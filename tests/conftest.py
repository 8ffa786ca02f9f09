"""Data and small settings shared by the tests."""

import os
from pathlib import Path

import pytest
import torch

from sklssl.datasets import load_digit_images


def pytest_collection_modifyitems(items):
    for item in items:
        if "gpu" in item.keywords and not torch.cuda.is_available():
            item.add_marker(pytest.mark.skip(reason="needs a CUDA device"))


@pytest.fixture(scope="session")
def digits():
    """All real digits: (1797, 8, 8, 1) uint8 images and their labels."""
    return load_digit_images(return_X_y=True)


@pytest.fixture(scope="session")
def X(digits):
    """Forty real digits."""
    return digits[0][:40]


@pytest.fixture(scope="session")
def y(digits):
    return digits[1][:40]


@pytest.fixture(scope="session")
def data_home():
    """The folder of real images that SKLSSL_DATA names."""
    home = os.environ.get("SKLSSL_DATA")
    if not home:
        pytest.skip("SKLSSL_DATA is not set")
    return Path(home)
