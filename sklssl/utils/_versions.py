"""Version information for bug reports."""

import importlib.metadata
import platform

__all__ = ["show_versions"]

_PACKAGES = (
    "sklssl",
    "torch",
    "torchvision",
    "scikit-learn",
    "skorch",
    "safetensors",
    "opencv-python-headless",
    "joblib",
    "numpy",
)


def show_versions() -> None:
    """Print the versions of Python, the operating system and the main dependencies."""
    print(f"python: {platform.python_version()} on {platform.platform()}")
    for package in _PACKAGES:
        try:
            version = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            version = "not installed"
        print(f"{package}: {version}")
