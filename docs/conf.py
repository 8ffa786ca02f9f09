"""Sphinx configuration: python -m sphinx docs docs/_build."""

import sys
from pathlib import Path

import sklssl

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))
from _api import make_page  # noqa: E402

(HERE / "api.md").write_text(make_page())

project = "sklssl"
author = "the sklssl developers"
version = release = sklssl.__version__
extensions = [
    "myst_parser",
    "numpydoc",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx_gallery.gen_gallery",
]
autosummary_generate = True
numpydoc_show_class_members = False
sphinx_gallery_conf = {"examples_dirs": "../examples", "gallery_dirs": "gallery"}
exclude_patterns = ["_build"]
