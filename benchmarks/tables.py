"""The tables of README.md, docs/ and benchmarks/, computed from the results.

    python benchmarks/tables.py [NAME ...] [--write | --check]

Print the tables (all of them by default). With `--write`, each table replaces the text between
`<!-- table: NAME -->` and `<!-- end -->` on all pages. `--check` lists the pages that `--write`
would change, and fails if there are any.
"""

import argparse
import inspect
import re
import sys

from _tables import accuracy, curation, papers, robustness, speed, structure, studies
from _tables._lines import HERE

TABLES = {
    name: function
    for wing in (accuracy, papers, curation, speed, robustness, studies, structure)
    for name, function in inspect.getmembers(wing, inspect.isfunction)
    if function.__module__ == wing.__name__ and not name.startswith("_")
}
MARKS = re.compile(r"(<!-- table: (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)


def pages():
    """Iterate over the pages that may contain tables."""
    root = HERE.parent
    yield root / "README.md"
    yield from sorted((root / "docs").glob("*.md"))
    yield from sorted(HERE.rglob("*.md"))


def filled(text):
    """Return the text of a page with its tables computed from the current results."""
    return MARKS.sub(lambda mark: f"{mark[1]}\n{TABLES[mark[2]]()}\n\n{mark[3]}", text)


def stale():
    """Iterate over (page, new text) of the pages that are not up to date."""
    for page in pages():
        text = page.read_text()
        new = filled(text)
        if new != text:
            yield page, new


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", choices=[[], *TABLES], metavar="NAME")
    group = parser.add_mutually_exclusive_group()
    group.add_argument("--write", action="store_true", help="write the tables to the pages")
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
