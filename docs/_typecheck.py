"""Check the code of the pages and the examples with pyright, as an editor does.

``python docs/_typecheck.py`` takes the sklssl that this Python imports.
"""

import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
# Libraries without types, such as scikit-learn, count as unknown: what pyright would guess from
# their defaults is often wrong.
SETTINGS = {
    "typeCheckingMode": "basic",
    "reportMissingTypeStubs": False,
    "useLibraryCodeForTypes": False,
    "reportMissingImports": "warning",  # pyspark is not installed for the tests
}
SCRIPT = re.compile(r"```python\n# (\w+\.py)\n.*?```", re.DOTALL)  # a block that stands for itself


def blank_text(page):
    """Return the Python of a page of Markdown, each line where it was."""
    parts = re.split(r"(?<=```python\n)(.*?)(?=```)", page, flags=re.DOTALL)
    return "".join(
        part if is_code else "\n" * part.count("\n")
        for part, is_code in zip(parts, [False, True] * len(parts), strict=False)
    )


def divide(page):
    """Return the texts of a page without its scripts, and of each script, by name."""
    scripts = {found[1]: found[0] for found in SCRIPT.finditer(page)}
    rest = SCRIPT.sub(lambda found: "\n" * found[0].count("\n"), page)
    return {"py": rest, **scripts}


def main():
    """Check everything; return the exit status of pyright."""
    pages = [ROOT / "README.md", *(ROOT / "docs").glob("*.md")]
    with tempfile.TemporaryDirectory() as folder:
        for path in pages:
            for name, text in divide(path.read_text()).items():
                Path(folder, f"{path.stem}.md.{name}").write_text(blank_text(text))
        for path in (ROOT / "examples").glob("*.py"):
            Path(folder, path.name).write_text(path.read_text())
        Path(folder, "pyrightconfig.json").write_text(json.dumps(SETTINGS))
        command = [sys.executable, "-m", "pyright", "-p", folder, "--pythonpath", sys.executable]
        return subprocess.run(command).returncode


if __name__ == "__main__":
    sys.exit(main())
