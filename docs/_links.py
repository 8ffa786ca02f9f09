"""Links in the pages: from names in code to the API, and to files outside docs.

The pages stay plain Markdown, in which "`RotNetEmbedder`" is code and "../SECURITY.md" a file.
"""

import contextlib
import inspect
import re

from _api import list_public_names
from docutils import nodes
from sphinx import addnodes

_LINK_OUT = re.compile(r"\]\(\.\./([^)\s]+)\)")
_LABEL = re.compile(r":(?:ref|term):`(?:([^`<]+?)\s*<[^`>]+>|sphx_glr_[^`]+|([^`]+))`")


def _known_names():
    """Return the public names, with and without their modules, and what they stand for."""
    names = list_public_names()
    short = {name.rpartition(".")[2]: name for name in reversed(names)}
    # Words that are also plain code, such as the option "save", are linked with a module only.
    plain = {name for name in short if name.islower() and "_" not in name}
    return {name: name for name in names} | {k: v for k, v in short.items() if k not in plain}


_NAMES = _known_names()


def link_names(app, doctree):
    """Make code that begins with a public name a link to its page."""
    if app.env.docname.startswith(("api", "generated", "gallery")):
        return
    for node in list(doctree.findall(nodes.literal)):
        name = node.astext().partition("(")[0].removeprefix("sklssl.")
        inside = isinstance(node.parent, nodes.reference | addnodes.pending_xref | nodes.title)
        if name in _NAMES and not inside:
            link = addnodes.pending_xref(
                "",
                node.deepcopy(),
                refdomain="py",
                reftype="obj",
                reftarget=f"sklssl.{_NAMES[name]}",
                refdoc=app.env.docname,
                refwarn=True,
            )
            node.replace_self(link)


def link_files(app, docname, source):
    """Let links to files outside docs lead to the source."""
    source[0] = _LINK_OUT.sub(rf"]({app.config.source_url}/\1)", source[0])


def unlink_labels(app, what, name, obj, options, lines):
    """Keep the texts of scikit-learn's links to its guide, if its index was not fetched."""
    if "sphinx.ext.intersphinx" not in app.extensions:
        text = "\n".join(lines)
        lines[:] = _LABEL.sub(lambda m: m[1] or m[2] or "its gallery", text).split("\n")


def show_signature(app, what, name, obj, options, signature, annotation):
    """Give classes the signature that ``help`` shows; Sphinx would take that of a metaclass."""
    if what == "class":
        with contextlib.suppress(ValueError, TypeError):
            found = inspect.signature(obj)
            plain = [p.replace(annotation=p.empty) for p in found.parameters.values()]
            return str(found.replace(parameters=plain, return_annotation=found.empty)), None
    return None


def setup(app):
    """Register the above."""
    app.setup_extension("sphinx.ext.autodoc")
    app.add_config_value("source_url", "", "env", str)
    app.connect("source-read", link_files)
    app.connect("doctree-read", link_names)
    app.connect("autodoc-process-docstring", unlink_labels, priority=900)
    app.connect("autodoc-process-signature", show_signature)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
