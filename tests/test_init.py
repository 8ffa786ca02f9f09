import ast
import importlib
import subprocess
import sys
from pathlib import Path

import pytest

import sklssl


def test_every_name_loads():
    for name in sklssl.__all__:
        assert getattr(sklssl, name) is not None
    assert set(dir(sklssl)) == set(sklssl.__all__)


def test_unknown_name():
    with pytest.raises(AttributeError, match="no attribute 'RotNet'"):
        sklssl.RotNet  # noqa: B018


@pytest.mark.parametrize(
    ("name", "meant"),
    [("RotnetEmbedder", "RotNetEmbedder"), ("metric", "metrics"), ("Load", "load")],
)
def test_a_name_that_is_nearly_right(name, meant):
    with pytest.raises(AttributeError, match=rf"no attribute '{name}'. Did you mean '{meant}'\?"):
        getattr(sklssl, name)


def test_import_loads_nothing_heavy():
    code = "import sys, sklssl; print(*{'torch', 'sklearn', 'numpy', 'cv2'} & sys.modules.keys())"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == ""


def test_embedders_do_not_load_the_compiler():
    code = "import sys, sklssl; sklssl.SimCLREmbedder(); print('torch._dynamo' in sys.modules)"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "False"


def read_stub(module):
    """Return the names that the stub of a lazy module imports."""
    names = set()
    for node in ast.walk(ast.parse(Path(module.__file__).with_suffix(".pyi").read_text())):
        if isinstance(node, ast.ImportFrom):
            found = [alias.asname or alias.name for alias in node.names]
            source = importlib.import_module(node.module)
            names.update(source.__all__ if found == ["*"] else found)
    return names


def test_type_checkers_see_the_same_names():
    assert read_stub(sklssl) == {*sklssl._PUBLIC_NAMES, *sklssl._SUBMODULES}
    assert read_stub(sklssl.utils) == {*sklssl.utils._PUBLIC_NAMES}


def test_show_versions(capsys):
    sklssl.show_versions()
    shown = capsys.readouterr().out
    for package in ("python: ", "sklssl: ", "torch: ", "scikit-learn: "):
        assert package in shown
