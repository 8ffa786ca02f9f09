"""Sphinx configuration: python -m sphinx -W docs docs/_build.

With ``-t online`` names of other packages link to their documentation, whose indexes are fetched.
"""

import shutil
import sys
import tomllib
from pathlib import Path

import sklssl

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))
from _api import find_source, make_page  # noqa: E402
from _gallery import options  # noqa: E402

(HERE / "api.md").write_text(make_page())
_URLS = tomllib.loads((HERE.parent / "pyproject.toml").read_text())["project"]["urls"]

# The project ------------------------------------------------------------------------------------

project = "sklssl"
author = copyright = "the sklssl developers"
version = release = sklssl.__version__
_is_development = "dev" in version
_revision = "main" if _is_development else f"v{version}"

# The pages --------------------------------------------------------------------------------------

extensions = [
    "_links",
    "myst_parser",
    "numpydoc",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.linkcode",
    "sphinx_copybutton",
    "sphinx_design",
    "sphinx_gallery.gen_gallery",
    "sphinx_llms_txt",
    "sphinx_sitemap",
    "sphinxext.opengraph",
]
exclude_patterns = ["_build", "_templates"]
templates_path = ["_templates"]
myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3
source_url = f"{_URLS['Source']}/blob/{_revision}"  # used by _links
suppress_warnings = ["config.cache"]  # the gallery's settings hold a function
autosummary_generate = True
toc_object_entries_show_parents = "hide"
autodoc_typehints = "none"  # numpydoc has the types
numpydoc_show_class_members = False
copybutton_prompt_text = r">>> |\.\.\. |\$ "
copybutton_prompt_is_regexp = True

if tags.has("online"):  # noqa: F821, defined by Sphinx
    extensions.append("sphinx.ext.intersphinx")
    intersphinx_mapping = {
        "numpy": ("https://numpy.org/doc/stable", None),
        "python": ("https://docs.python.org/3", None),
        "sklearn": ("https://scikit-learn.org/stable", None),
        "skorch": ("https://skorch.readthedocs.io/en/stable", None),
        "torch": ("https://docs.pytorch.org/docs/stable", None),
    }


def linkcode_resolve(domain, info):
    """Return the address of the source of an object, for the link [source]."""
    found = find_source(info["module"], info["fullname"])
    return found and "{}/{}#L{}-L{}".format(source_url, *found)


# Examples write files where they run: let that be a copy.
_examples = HERE / "_build" / "examples"
shutil.copytree(HERE.parent / "examples", _examples, dirs_exist_ok=True)

sphinx_gallery_conf = {
    "examples_dirs": "_build/examples",
    "gallery_dirs": "gallery",
    "filename_pattern": r"\.py$",  # all are executed
    "reset_argv": options,
    "within_subsection_order": "_gallery.place",
    "doc_module": ("sklssl",),
    "backreferences_dir": "generated/backreferences",
    "reference_url": {"sklssl": None},
    "remove_config_comments": True,
    "show_memory": False,
    "download_all_examples": False,
}

# What it looks like -----------------------------------------------------------------------------

html_theme = "pydata_sphinx_theme"
html_title = f"sklssl {version}"
html_static_path = ["_static"]
html_extra_path = ["images/social_card.png"]
html_css_files = ["custom.css"]
html_favicon = "_static/logo.svg"
html_baseurl = _URLS["Documentation"]
html_show_sourcelink = False
html_theme_options = {
    "logo": {"text": "sklssl", "image_light": "_static/logo.svg", "image_dark": "_static/logo.svg"},
    "icon_links": [{"name": "Source", "url": _URLS["Source"], "icon": "fa-brands fa-github"}],
    "switcher": {
        "json_url": f"{html_baseurl}_static/versions.json",
        "version_match": "dev" if _is_development else version,
    },
    "check_switcher": False,  # the file is on the site, which may be out of reach
    "navbar_align": "left",
    "navbar_persistent": ["search-button"],
    "navbar_end": ["version-switcher", "theme-switcher", "navbar-icon-links"],
    "header_links_before_dropdown": 7,
    "use_edit_page_button": True,
    "show_toc_level": 2,
    "footer_start": ["copyright"],
    "footer_end": ["sphinx-version"],
}
html_sidebars = dict.fromkeys(("index", "install", "which_method", "faq", "changes"), ())
_owner, _repository = _URLS["Source"].rsplit("/", 2)[1:]
html_context = {
    "github_user": _owner,
    "github_repo": _repository,
    "github_version": "main",
    "doc_path": "docs",
}
ogp_site_url = html_baseurl
ogp_image = f"{html_baseurl}social_card.png"
ogp_social_cards = {"enable": False}  # one picture for all pages
sitemap_url_scheme = "{link}"
llms_txt_title = project
llms_txt_summary = sklssl.__doc__
llms_txt_full_file = False
