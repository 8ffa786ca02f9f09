"""The page of the API, from what the modules say is public."""

import importlib

import sklssl

_MODULES = (*sklssl._SUBMODULES, "utils.estimator_checks")
_PAGE = """# API

```{{eval-rst}}
.. currentmodule:: sklssl

.. autosummary::
   :toctree: generated

{names}
```
"""


def list_public_names():
    """Give the public names as seen from sklssl, those of the root first."""
    names = list(sklssl._PUBLIC_NAMES)
    for module in _MODULES:
        public = importlib.import_module(f"sklssl.{module}").__all__
        names += [f"{module}.{name}" for name in public if name not in sklssl._PUBLIC_NAMES]
    return names


def make_page():
    """Give the text of api.md."""
    return _PAGE.format(names="\n".join(f"   {name}" for name in list_public_names()))
