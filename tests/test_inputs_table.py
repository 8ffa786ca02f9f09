"""The table of docs/inputs.md says what happens."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


def test_every_kind_of_input_fares_as_the_page_says():
    if not (ROOT / "benchmarks").is_dir():
        pytest.skip("a source distribution has no benchmarks")
    for extra in ("pandas", "polars", "tifffile"):
        pytest.importorskip(extra)
    from benchmarks.robustness import inputs

    page = (ROOT / "docs" / "inputs.md").read_text()
    written = re.findall(r"^\| (.+?) \| (taken|warned|refused) \| (.+) \|$", page, re.MULTILINE)
    table = list(inputs.rows())
    assert len(table) >= 100
    expected = [(what.replace("*", "\\*"), kind) for _, what, kind, _ in table]
    assert [(what, kind) for what, kind, _ in written] == expected
