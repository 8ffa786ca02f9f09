"""How many examples are tried: 300 of a fixed choice in a test run, thousands by hand.

``SKLSSL_FUZZ=long pytest tests/fuzz`` draws new ones each time and prints how to repeat a failure;
``benchmarks/robustness/fuzz.py`` does the same and keeps the count.
"""

import os

import pytest
from hypothesis import HealthCheck, Phase, settings

from tests.fuzz import _property

_COMMON = {
    "deadline": None,
    "database": None,
    "suppress_health_check": list(HealthCheck),
}
settings.register_profile("ci", derandomize=True, **_COMMON)
settings.register_profile(
    "long",
    derandomize=False,
    print_blob=True,
    phases=(Phase.generate, Phase.shrink),
    **_COMMON,
)
settings.load_profile(os.environ.get("SKLSSL_FUZZ", "ci"))


@pytest.fixture(scope="module", autouse=True)
def empty_folders(tmp_path_factory):
    """Work in an empty folder, with an empty one for temporary files."""
    with _property.watched_folders(tmp_path_factory.mktemp("fuzz")):
        yield
