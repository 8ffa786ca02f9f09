"""The page of the API, from one table of its sections."""

import importlib
import inspect
from operator import attrgetter
from pathlib import Path

import sklssl

_ROOT = Path(sklssl.__file__).parents[1]
# Title, what to say about it (None: what the module says), module, and the names (None: all names
# of the module that have no section before).
_SECTIONS = (
    (
        "Embedders: no training",
        "In seconds, from patches and random views of the images.",
        "embedding",
        ["PatchDictionaryEmbedder", "ViewWhiteningEmbedder"],
    ),
    (
        "Embedders: what was done to the image?",
        "A network learns to tell by how much an image, or a part of it, was rotated.",
        "embedding",
        [
            "RotNetEmbedder",
            "ScaleNetEmbedder",
            "MultiScaleEmbedder",
            "PatchRotEmbedder",
            "PatchRelEmbedder",
            "RotationDecouplingEmbedder",
        ],
    ),
    (
        "Embedders: views of an image are alike",
        "A network learns that random views of an image show the same.",
        "embedding",
        None,
    ),
    ("Few labels", None, "semi_supervised", None),
    ("Fine-tuning", None, "finetuning", None),
    ("From images to images", None, "preprocessing", None),
    ("Load images", None, "datasets", None),
    ("Look and compare", None, "inspection", None),
    ("Curate and label", None, "curation", None),
    ("Score features", None, "metrics", None),
    ("Watch the training", None, "callbacks", None),
    ("Save, load, embed to files", None, "persistence", None),
    ("Write a method", None, "base", None),
    ("Networks", None, "backbones", None),
    ("Random views", None, "augmentation", None),
    ("Losses", None, "losses", None),
    ("Warnings and errors", None, "exceptions", None),
    ("Utilities", None, "utils", None),
    ("Checks of embedders", None, "utils.estimator_checks", None),
)


def list_sections():
    """Return (title, a line about it, names as seen from sklssl) of each section."""
    sections, listed = [], set()
    for title, about, module, chosen in _SECTIONS:
        found = importlib.import_module(f"sklssl.{module}")
        names = [name for name in chosen or found.__all__ if name not in listed]
        listed.update(names)
        full = [name if name in sklssl._PUBLIC_NAMES else f"{module}.{name}" for name in names]
        sections.append((title, about or found.__doc__.splitlines()[0], full))
    return sections


def list_public_names():
    """Return the public names as seen from sklssl, in the order of the sections."""
    return [name for _, _, names in list_sections() for name in names]


def make_page():
    """Return the text of api.md."""
    lines = ["# API", "", "All estimators follow the conventions of scikit-learn.", ""]
    for title, about, names in list_sections():
        lines += [f"## {title}", "", about, "", "```{eval-rst}", ".. currentmodule:: sklssl", ""]
        lines += [".. autosummary::", "   :toctree: generated", "   :nosignatures:", ""]
        lines += [*(f"   {name}" for name in names), "```", ""]
    return "\n".join(lines)


def find_source(module, name):
    """Return the file of an object of the API and its first and last line, or None."""
    try:
        found = inspect.unwrap(attrgetter(name)(importlib.import_module(module)))
        found = found.fget if isinstance(found, property) else found
        lines, first = inspect.getsourcelines(found)
        path = Path(inspect.getsourcefile(found)).relative_to(_ROOT)
    except (AttributeError, OSError, TypeError, ValueError):  # an attribute, or of another package
        return None
    return path.as_posix(), first, first + len(lines) - 1
