"""Put the data, the pictures and the program into one HTML page."""

import base64
import hashlib
import html
import json
from importlib.resources import files
from string import Template
from typing import Any

import sklssl
from sklssl.inspection._image_map.sheets import Sheets

__all__ = ["make_page"]

# Inside of a script element, "</script" would end it and "<!--" hide its end.
_ESCAPED = {ord(mark): f"\\u{ord(mark):04x}" for mark in "<>&"}
# Nothing is loaded from anywhere, and no other script runs: not even one in an attribute, should a
# name ever become HTML. plotly.js adds style elements, and compiles its code for WebGL.
_POLICY = (
    "default-src 'none'; script-src {scripts} 'unsafe-eval'; style-src 'unsafe-inline'; "
    "img-src data: blob:; base-uri 'none'; form-action 'none'"
)


def make_page(title: str, data: dict[str, Any], sheets: Sheets, plotly_js: str) -> bytes:
    """Return the page in UTF-8.

    Parameters
    ----------
    title : str

    data : dict
        What ``page.js`` reads, besides the pictures.

    sheets : Sheets

    plotly_js : str
        The source of plotly.js.
    """
    layout = {"cell": sheets.cell, "columns": sheets.columns, "perSheet": sheets.per_sheet}
    folder = files(__package__)
    template, style, code = (
        (folder / name).read_text("utf-8") for name in ("page.html", "page.css", "page.js")
    )
    page = Template(template).substitute(
        policy=_POLICY.format(scripts=" ".join(_hash(script) for script in (plotly_js, code))),
        version=sklssl.__version__,
        title=html.escape(title),
        count=f"{len(data['names']):,}",
        style=style,
        data=_to_json(data | layout),
        sheets="\n".join(_sheet(i, file) for i, file in enumerate(sheets.files)),
        plotly=plotly_js,
        code=code,
    )
    return page.encode("utf-8", errors="xmlcharrefreplace")  # of bytes in names that are no text


def _to_json(data: dict[str, Any]) -> str:
    # json.dumps escapes everything that is not ASCII, such as U+2028.
    return json.dumps(data, separators=(",", ":"), allow_nan=False).translate(_ESCAPED)


def _sheet(number: int, file: bytes) -> str:
    text = base64.b64encode(file).decode()
    return f'<script type="text/plain" id="sheet-{number}">{text}</script>'


def _hash(script: str) -> str:
    digest = hashlib.sha256(script.encode()).digest()
    return f"'sha256-{base64.b64encode(digest).decode()}'"
