import subprocess
import sys

import pytest

import sklssl


def test_every_name_loads():
    for name in sklssl.__all__:
        assert getattr(sklssl, name) is not None
    assert set(dir(sklssl)) == set(sklssl.__all__)


def test_unknown_name():
    with pytest.raises(AttributeError, match="no attribute 'RotNet'"):
        sklssl.RotNet  # noqa: B018


def test_import_loads_nothing_heavy():
    code = "import sys, sklssl; print(*{'torch', 'sklearn', 'numpy', 'cv2'} & sys.modules.keys())"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == ""


def test_show_versions(capsys):
    sklssl.show_versions()
    shown = capsys.readouterr().out
    for package in ("python: ", "sklssl: ", "torch: ", "scikit-learn: "):
        assert package in shown
