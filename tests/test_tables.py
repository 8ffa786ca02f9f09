"""The tables of the documentation are computed from the current results."""

import subprocess
import sys
from pathlib import Path

TABLES = Path(__file__).parents[1] / "benchmarks" / "tables.py"


def run(*args):
    return subprocess.run([sys.executable, TABLES, *args], capture_output=True, text=True)


def test_the_tables_of_all_pages_are_up_to_date():
    done = run("--check")
    assert done.returncode == 0, f"python benchmarks/tables.py --write changes:\n{done.stdout}"


def test_every_table_is_on_a_page():
    names = {line[3:] for line in run().stdout.splitlines() if line.startswith("## ")}
    root = TABLES.parents[1]
    pages = [root / "README.md", *(root / "docs").glob("*.md"), *TABLES.parent.rglob("*.md")]
    text = "".join(page.read_text() for page in pages)
    assert names
    assert {name for name in names if f"<!-- table: {name} -->" not in text} == set()
