"""The stubs of the modules that import on first use: they tell type checkers the names.

``python docs/_stubs.py --write`` writes them.
"""

import argparse
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]


def make_stubs():
    """Return the text of each stub, by its path."""
    sys.path.insert(0, str(ROOT))
    import sklssl
    import sklssl.utils

    homes = {name: f"sklssl.{home}" for name, home in sklssl._PUBLIC_NAMES.items()}
    root = _make_stub(sklssl, homes | dict.fromkeys(sklssl._SUBMODULES, "sklssl"))
    return {
        ROOT / "sklssl/__init__.pyi": root + "__version__: str\n",
        ROOT / "sklssl/utils/__init__.pyi": _make_stub(sklssl.utils, sklssl.utils._PUBLIC_NAMES),
    }


def _make_stub(module, homes):
    places = sorted((home, name.islower(), name.lower(), name) for name, home in homes.items())
    lines = [f"from {home} import {name} as {name}\n" for home, *_, name in places]
    tables = "\n__all__: list[str]\n_PUBLIC_NAMES: dict[str, str]\n"
    return f'"""{module.__doc__}"""\n\n{"".join(lines)}{tables}'


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true", required=True, help="replace the stubs")
    parser.parse_args()
    for path, text in make_stubs().items():
        path.write_text(text)
