"""The table of docs/inputs.md is correct."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


def test_every_kind_of_input_has_the_documented_outcome():
    for extra in ("pandas", "polars", "tifffile"):
        pytest.importorskip(extra)
    from benchmarks.robustness import inputs

    page = (ROOT / "docs" / "inputs.md").read_text()
    written = re.findall(r"^\| (.+?) \| (accepted|warning|error) \| (.+) \|$", page, re.MULTILINE)
    table = list(inputs.rows())
    assert len(table) >= 100
    expected = [(what.replace("*", "\\*"), kind) for _, what, kind, _ in table]
    assert [(what, kind) for what, kind, _ in written] == expected
