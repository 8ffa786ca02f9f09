"""The pages say what is true: their code runs, and every public name is in the API page."""

import inspect
import runpy
import sys
import tomllib
import types
from operator import attrgetter
from pathlib import Path

import pytest
from sklearn.base import BaseEstimator

import sklssl
from sklssl import BaseEmbedder

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


@pytest.fixture
def loop():
    """The loop of labelling, after its first question."""
    page = types.ModuleType("page")
    blocks = BLOCKS["docs/labelling.md"]
    until = next(i for i, block in enumerate(blocks) if "def read_labels" in block) + 1
    exec("\n".join(blocks[:until]), vars(page))
    yield page
    page.folder.cleanup()


def test_labels_are_read_as_any_spreadsheet_saves_them(loop):
    asked = loop.table.read_text(encoding="utf-8").splitlines()[1:]
    names = [line.removesuffix(",") for line in asked]
    for separator, begin, end in ((",", "", "\n"), (";", "\ufeff", "\n;\n\n"), ("\t", "", "")):
        lines = [f"{name}{separator}7" for name in names]
        text = begin + "\n".join([f"file{separator}label", *lines]) + end
        loop.table.write_text(text, encoding="utf-8")
        assert (loop.read_labels() == "7").sum() == 20
        loop.ask([0, 1])
        y = loop.read_labels()  # which are still there
        assert [(y == "7").sum(), (y == "-1").sum()] == [20, len(y) - 20]


@pytest.mark.parametrize("line", ["elsewhere.png,7", "a.png;7", "7"])
def test_lines_without_a_file_and_a_label_are_refused(loop, line):
    loop.table.write_text(f"file,label\n{loop.files[0]},7\n{line}\n", encoding="utf-8")
    with pytest.raises(ValueError, match=r"labels.csv must have a file and its label in each row"):
        loop.read_labels()


def test_the_recipe_of_label_tables_keeps_any_name_of_a_class():
    page = types.ModuleType("page")
    blocks = [block for block in BLOCKS["docs/inputs.md"] if "labels.csv" in block]
    folders = "\n".join([BLOCKS["docs/inputs.md"][0], *blocks])
    named = folders.replace("str(digits.target[i])", "['NA', 'NULL', 'null'][digits.target[i] % 3]")
    assert named != folders
    exec(named, vars(page))
    assert list(page.model.classes_) == ["NA", "NULL", "null"]
    assert (page.table["label"] == "").sum() == 100


def test_the_example_of_the_readme_is_short():
    (block,) = BLOCKS["README.md"]
    assert len(block.strip().splitlines()) <= 10


def test_a_method_of_your_own_takes_about_40_lines():
    block = BLOCKS["docs/own_method.md"][0]
    assert "class SimSiamEmbedder" in block
    assert len([line for line in block.splitlines() if line.strip()]) <= 45


API = runpy.run_path(str(ROOT / "docs/_api.py"))
NAMES = API["list_public_names"]()


def test_every_public_name_is_once_in_the_api_page():
    page = API["make_page"]().split()
    assert len(set(NAMES)) == len(NAMES)
    for name in NAMES:
        assert page.count(name) == 1, name
    assert set(sklssl._PUBLIC_NAMES) <= set(NAMES)
    listed = {name.rpartition(".")[2] for name in NAMES}
    for module in sklssl._SUBMODULES:
        assert set(getattr(sklssl, module).__all__) <= listed, module


def is_own(member):
    return getattr(member, "__module__", "").startswith("sklssl")


@pytest.mark.parametrize("name", NAMES)
def test_every_public_name_and_method_is_documented(name):
    documented = attrgetter(name)(sklssl)
    assert documented.__doc__, name
    if isinstance(documented, type) and is_own(documented):
        for attribute, member in inspect.getmembers(documented):
            public = callable(member) or isinstance(member, property)
            if public and not attribute.startswith("_"):
                assert inspect.getdoc(member), f"{name}.{attribute}"


# Of the site, on which "latest" is the development version.
VERSION = "latest" if "dev" in sklssl.__version__ else f"v{sklssl.__version__}"


def test_estimators_link_to_their_page():
    urls = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["urls"]
    public = [attrgetter(name)(sklssl) for name in NAMES]
    classes = [cls for cls in public if isinstance(cls, type)]
    linked = [cls for cls in classes if issubclass(cls, BaseEstimator) and cls is not BaseEmbedder]
    assert len(linked) > 20
    for cls in linked:
        estimator = cls.__new__(cls)
        link = estimator._get_doc_link()
        home, name = link.split("generated/sklssl.")
        assert home == urls["Documentation"].replace("latest", VERSION), cls
        assert name.removesuffix(".html") in NAMES


def test_a_notebook_shows_the_link():
    shown = sklssl.PatchDictionaryEmbedder()._repr_html_()
    assert "/generated/sklssl.PatchDictionaryEmbedder.html" in shown


@pytest.mark.parametrize("page", BLOCKS)
def test_pages_take_at_most_15_minutes(page):
    n_words = len((ROOT / page).read_text().split())
    assert n_words <= 15 * 238  # a minute, of prose in English: Brysbaert, 2019


def test_the_readme_is_short_and_begins_with_a_picture():
    lines = (ROOT / "README.md").read_text().splitlines()
    assert len(lines) <= 90
    assert lines[2].startswith("![")


def test_every_method_is_in_the_readme():
    text = (ROOT / "README.md").read_text()
    for name in sklssl._PUBLIC_NAMES.keys() - {
        "BaseEmbedder",
        "Pretext",
        "parameters",
        "show_versions",
    }:
        assert f"`{name}" in text
