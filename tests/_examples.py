"""Run an example as its user does."""

import sys
import types
from pathlib import Path
from unittest import mock

import cv2

EXAMPLES = Path(__file__).parents[1] / "examples"
NO_TEXT = b"b\xf6se".decode(errors="surrogateescape")  # a name in Latin-1


def run_example(name, *arguments):
    """Run a script of the examples from top to bottom; return what it defines."""
    path = EXAMPLES / f"{name}.py"
    module = types.ModuleType(name)
    module.__file__ = str(path)
    with mock.patch.object(sys, "argv", [str(path), *map(str, arguments)]):
        exec(compile(path.read_text(encoding="utf-8"), str(path), "exec"), vars(module))
    return module


def save_digits(folder, images, labels, n):
    """Write the first `n` digits as files, in a folder for each class."""
    for i, (image, label) in enumerate(zip(images[:n], labels[:n], strict=True)):
        (folder / f"{label}").mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(folder / f"{label}" / f"{i}.png"), image)
