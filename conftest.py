"""What holds for tests and documented examples."""

import sys

import pytest

# Tests that share what takes seconds to prepare: one process runs all of them.
TOGETHER = (
    "tests/clusters/",
    "tests/distributed/",
    "tests/faults/",
    "tests/losses/test_distributed.py",
    "tests/semi_supervised/",
    "tests/test_determinism.py",
)


@pytest.fixture(autouse=True)
def close_figures():
    """Close all figures of pyplot afterwards."""
    yield
    if "matplotlib.pyplot" in sys.modules:
        sys.modules["matplotlib.pyplot"].close("all")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    """Divide tests among processes one by one, but for those of TOGETHER, which come first."""
    from xdist.scheduler import LoadScopeScheduling

    class Scheduler(LoadScopeScheduling):
        def _split_scope(self, nodeid):
            return next((place for place in TOGETHER if nodeid.startswith(place)), nodeid)

    return Scheduler(config, log)
