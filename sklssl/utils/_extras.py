"""Import packages that are not installed with sklssl."""

import importlib
from types import ModuleType

__all__ = ["import_extra"]


def import_extra(name: str, extra: str, *, owner: str) -> ModuleType:
    """Import a module, or raise an ImportError that says how to install it.

    Parameters
    ----------
    name : str
        The module, as in "matplotlib.pyplot".

    extra : str
        The extra of sklssl that installs it.

    owner : str
        The function or class that needs it.
    """
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise ImportError(
            f"{owner} needs {name.partition('.')[0]}, which cannot be imported ({error}). Install "
            f'it with: pip install "sklssl[{extra}]"'
        ) from error
