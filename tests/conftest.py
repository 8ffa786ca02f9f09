"""Data and small settings shared by the tests."""

import os

# Before numpy and torch are loaded: the tests train tiny networks, for which two threads are no
# faster than one, and beside other work up to 20 times slower, as a thread that waits for another
# keeps its core busy. Tests of what threads might change ask for `two_threads`.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

from pathlib import Path

import pytest
import torch

from sklssl.datasets import load_digit_images
from tests._estimators import quick
from tests._seed import SEED


def pytest_report_header():
    return f"SKLSSL_TESTS_SEED: {SEED}"


def pytest_collection_modifyitems(items):
    for item in items:
        if "gpu" in item.keywords and not torch.cuda.is_available():
            item.add_marker(pytest.mark.skip(reason="needs a CUDA device"))


@pytest.fixture
def two_threads():
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


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
def trained(X):
    """An embedder fitted on these digits, which no test may change."""
    return quick().fit(X)


@pytest.fixture(scope="session")
def data_home():
    """The folder of real images that SKLSSL_DATA names."""
    home = os.environ.get("SKLSSL_DATA")
    if not home:
        pytest.skip("SKLSSL_DATA is not set")
    return Path(home)
