"""Sphinx configuration: python -m sphinx docs docs/_build."""

import sklssl

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
