"""Close the figures that a test or a documented example has drawn."""

import sys

import pytest


@pytest.fixture(autouse=True)
def close_figures():
    """Close all figures of pyplot afterwards."""
    yield
    if "matplotlib.pyplot" in sys.modules:
        sys.modules["matplotlib.pyplot"].close("all")
