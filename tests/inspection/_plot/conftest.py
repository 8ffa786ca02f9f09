import pytest


@pytest.fixture
def pyplot():
    """Pyplot that draws no windows; all figures are closed at the end."""
    matplotlib = pytest.importorskip("matplotlib")
    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    yield plt
    plt.close("all")
