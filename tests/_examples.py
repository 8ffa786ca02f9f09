"""Run an example as its user does."""

import sys
import types
from pathlib import Path
from unittest import mock

EXAMPLES = Path(__file__).parents[1] / "examples"


def run_example(name, *arguments):
    """Run a script of the examples from top to bottom; return what it defines."""
    path = EXAMPLES / f"{name}.py"
    module = types.ModuleType(name)
    module.__file__ = str(path)
    with mock.patch.object(sys, "argv", [str(path), *map(str, arguments)]):
        exec(compile(path.read_text(encoding="utf-8"), str(path), "exec"), vars(module))
    return module
