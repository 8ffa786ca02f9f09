"""The table of docs/inputs.md says what happens."""

import re
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


def test_every_kind_of_input_fares_as_the_page_says(monkeypatch):
    if not (ROOT / "benchmarks").is_dir():
        pytest.skip("a source distribution has no benchmarks")
    for extra in ("pandas", "polars", "tifffile"):
        pytest.importorskip(extra)
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    monkeypatch.delitem(sys.modules, "inputs", raising=False)
    import inputs

    page = inputs.PAGE.read_text()
    written = re.findall(r"^\| (.+?) \| (taken|warned|refused) \| (.+) \|$", page, re.MULTILINE)
    table = list(inputs.rows())
    assert len(table) >= 100
    expected = [(what.replace("*", "\\*"), kind) for _, what, kind, _ in table]
    assert [(what, kind) for what, kind, _ in written] == expected
