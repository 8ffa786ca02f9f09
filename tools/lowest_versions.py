"""Print the lowest versions that pyproject.toml allows, as constraints for pip.

python tools/lowest_versions.py > lowest.txt && pip install -c lowest.txt ".[test]"
"""

import re
import tomllib
from pathlib import Path

project = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text())["project"]
extras = project["optional-dependencies"]
tested = (requirement for extra in ("viz", "test", "clusters") for requirement in extras[extra])
for requirement in [*project["dependencies"], *tested]:
    name, version = re.fullmatch(r"([\w-]+)(?:\[.*\])?>=([\d.]+)", requirement).groups()
    print(f"{name}=={version}" + (".0.*", ".*", "")[version.count(".")])
