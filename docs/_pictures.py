"""Draw the pictures of the pages: python docs/_pictures.py [name ...].

Without names, all of them. They are written to docs/images, from scikit-learn's digits.
"""

import argparse
from pathlib import Path

import matplotlib

IMAGES = Path(__file__).parent / "images"

# The name of the file without its ending -> the function that returns the figure, in order.
PICTURES = {}


def main(arguments=None):
    """Draw the pictures that are named, or all."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", help=f"some of {', '.join(PICTURES)}")
    names = parser.parse_args(arguments).names
    unknown = sorted(set(names) - set(PICTURES))
    if unknown:
        parser.error(f"there are no pictures {unknown}, only {list(PICTURES)}")
    matplotlib.use("Agg")
    for name in names or PICTURES:
        path = IMAGES / f"{name}.png"
        PICTURES[name]().savefig(path, dpi=100)
        print(f"{path}: {path.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main()
