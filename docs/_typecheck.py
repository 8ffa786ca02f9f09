"""Check the code of the pages and the examples with pyright, as an editor does.

``python docs/_typecheck.py`` takes the sklssl that this Python imports.
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

from _pages import in_place

ROOT = Path(__file__).parents[1]
# Libraries without types, such as scikit-learn, count as unknown: what pyright would guess from
# their defaults is often wrong.
SETTINGS = {
    "typeCheckingMode": "basic",
    "reportMissingTypeStubs": False,
    "useLibraryCodeForTypes": False,
    "reportMissingImports": "warning",  # pyspark is not installed for the tests
}


def main():
    """Check everything; return the exit status of pyright."""
    pages = [ROOT / "README.md", *(ROOT / "docs").glob("*.md")]
    with tempfile.TemporaryDirectory() as folder:
        for path in pages:
            for name, text in in_place(path.read_text()).items():
                Path(folder, f"{path.stem}.md.{name}").write_text(text)
        for path in (ROOT / "examples").glob("*.py"):
            Path(folder, path.name).write_text(path.read_text())
        Path(folder, "pyrightconfig.json").write_text(json.dumps(SETTINGS))
        command = [sys.executable, "-m", "pyright", "-p", folder, "--pythonpath", sys.executable]
        return subprocess.run(command).returncode


if __name__ == "__main__":
    sys.exit(main())
