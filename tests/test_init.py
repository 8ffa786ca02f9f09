import runpy
import subprocess
import sys
from pathlib import Path

import pytest

import sklssl

ROOT = Path(__file__).parents[1]


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


def test_type_checkers_see_the_same_names():
    for path, text in runpy.run_path(str(ROOT / "docs/_stubs.py"))["make_stubs"]().items():
        assert path.read_text() == text, "run: python docs/_stubs.py --write"


def test_show_versions(capsys):
    sklssl.show_versions()
    shown = capsys.readouterr().out
    for package in ("python: ", "sklssl: ", "torch: ", "scikit-learn: "):
        assert package in shown
