"""Every method of the package is in all places where it belongs: CONTRIBUTING.md lists them."""

from pathlib import Path

import pytest

import sklssl
from tests._estimators import EMBEDDERS

ROOT = Path(__file__).parents[1]


def sections(page):
    """Give the parts of a page that begin with a heading of the second level."""
    return (ROOT / page).read_text().split("\n## ")[1:]


def what_is_missing(name):
    """Say of an embedder, in a sentence each, where it is not, though it should be."""
    tests = [path.read_text() for path in (ROOT / "tests/embedding").glob("test_*.py")]
    there = {
        "sklssl/__init__.py does not export it": name in sklssl._PUBLIC_NAMES,
        "tests/_estimators.py has none in EMBEDDERS": name in EMBEDDERS,
        "no file in tests/embedding tests it": any(name in text for text in tests),
        "docs/methods.md has no section": any(f"`{name}" in s for s in sections("docs/methods.md")),
        "README.md does not name it": f"`{name}`" in (ROOT / "README.md").read_text(),
        "CHANGELOG.md does not mention it": f"`{name}" in (ROOT / "CHANGELOG.md").read_text(),
    }
    return [f"{name}: {problem}" for problem, is_there in there.items() if not is_there]


@pytest.mark.parametrize("name", sklssl.embedding.__all__)
def test_a_method_is_complete(name):
    missing = what_is_missing(name)
    assert not missing, "\n".join(missing)


def test_what_is_missing_is_named():
    missing = what_is_missing("BarlowEmbedder")
    assert "BarlowEmbedder: docs/methods.md has no section" in missing
    assert len(missing) == 6
