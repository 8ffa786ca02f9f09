"""What holds for tests and documented examples."""

import sys

import pytest

# One process runs all tests of a file, which share what is slow to prepare, except that
# those of these places are one unit, so that they come first, ...
TOGETHER = (
    "tests/clusters/",
    "tests/distributed/",
    "tests/faults/",
    "tests/losses/test_distributed.py",
)
# ... and those of these are units of their own, which come last and fill the gaps.
APART = ("tests/_storage/test_onnx.py", "tests/test_docs.py")


@pytest.fixture(autouse=True)
def close_figures():
    """Close all figures of pyplot afterwards."""
    yield
    if "matplotlib.pyplot" in sys.modules:
        sys.modules["matplotlib.pyplot"].close("all")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    """Divide the tests among processes, larger units first."""
    from xdist.scheduler import LoadScopeScheduling

    class Scheduler(LoadScopeScheduling):
        def _split_scope(self, nodeid):
            if nodeid.startswith(TOGETHER):
                return "together"
            return nodeid if nodeid.startswith(APART) else nodeid.partition("::")[0]

    return Scheduler(config, log)
