"""The tables of README.md, docs/ and benchmarks/, computed from the result lines.

    python benchmarks/tables.py [NAME ...] [--write | --check]

Prints the tables (all of them by default); with `--write` each takes the place of what stands
between `<!-- table: NAME -->` and `<!-- end -->` on any page. `--check` names the pages that
`--write` would change, and fails if there is one.
"""

import argparse
import inspect
import re
import sys

from _tables import accuracy, robustness, speed, structure, studies
from _tables._lines import HERE

TABLES = {
    name: function
    for wing in (accuracy, speed, robustness, studies, structure)
    for name, function in inspect.getmembers(wing, inspect.isfunction)
    if function.__module__ == wing.__name__ and not name.startswith("_")
}
MARKS = re.compile(r"(<!-- table: (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)


def pages():
    """Yield the pages that may have tables."""
    root = HERE.parent
    yield root / "README.md"
    yield from sorted((root / "docs").glob("*.md"))
    yield from sorted(HERE.rglob("*.md"))


def filled(text):
    """Return the text of a page with its tables as the lines have them now."""
    return MARKS.sub(lambda mark: f"{mark[1]}\n{TABLES[mark[2]]()}\n\n{mark[3]}", text)


def stale():
    """Yield (page, new text) of the pages that are not as the lines have it."""
    for page in pages():
        text = page.read_text()
        new = filled(text)
        if new != text:
            yield page, new


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", choices=[[], *TABLES], metavar="NAME")
    group = parser.add_mutually_exclusive_group()
    group.add_argument("--write", action="store_true", help="into the pages")
    group.add_argument("--check", action="store_true", help="fail if a page is not up to date")
    args = parser.parse_args()
    if args.write or args.check:
        found = list(stale())
        for page, new in found:
            print(page)
            if args.write:
                page.write_text(new)
        sys.exit(bool(found and args.check))
    for name in args.names or TABLES:
        print(f"## {name}\n\n{TABLES[name]()}\n")
