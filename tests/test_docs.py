"""The pages say what is true: their code runs, and every public name is in the API page."""

import runpy
import sys
import types
from operator import attrgetter
from pathlib import Path

import pytest

import sklssl

ROOT = Path(__file__).parents[1]
find_code = runpy.run_path(str(ROOT / "docs/_pages.py"))["find_code"]
# The scripts of the pages are run by tests/clusters.
BLOCKS = {
    str(path.relative_to(ROOT)): find_code(path.read_text())[0]
    for path in (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")))
}


@pytest.mark.parametrize("page", [page for page, blocks in BLOCKS.items() if blocks])
# scikit-learn's checks, which one page calls, hold images of a pixel or two.
@pytest.mark.filterwarnings("ignore::sklssl.exceptions.CollapseWarning")
def test_code_of_the_page_runs(page, monkeypatch):
    module = types.ModuleType("page")  # a module: the classes that a page defines are pickled
    monkeypatch.setitem(sys.modules, "page", module)
    exec(compile("\n".join(BLOCKS[page]), page, "exec"), vars(module))
    if page == "README.md":
        assert module.accuracy > 0.85


def test_the_example_of_the_readme_is_short():
    (block,) = BLOCKS["README.md"]
    assert len(block.strip().splitlines()) <= 10


def test_a_method_of_your_own_takes_about_40_lines():
    block = BLOCKS["docs/own_method.md"][0]
    assert "class SimSiamEmbedder" in block
    assert len([line for line in block.splitlines() if line.strip()]) <= 45


def test_every_public_name_is_in_the_api_page():
    api = runpy.run_path(str(ROOT / "docs/_api.py"))
    page = api["make_page"]().split()
    for name in api["list_public_names"]():
        assert attrgetter(name)(sklssl).__doc__, name
    for name in sklssl._PUBLIC_NAMES:
        assert name in page
    for module in set(sklssl._SUBMODULES) - {"base"}:
        for name in getattr(sklssl, module).__all__:
            assert f"{module}.{name}" in page or name in page, f"{module}.{name}"


def test_every_method_is_in_the_readme():
    text = (ROOT / "README.md").read_text()
    for name in sklssl._PUBLIC_NAMES.keys() - {
        "BaseEmbedder",
        "Pretext",
        "parameters",
        "show_versions",
    }:
        assert f"`{name}" in text
