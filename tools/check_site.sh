#!/usr/bin/env bash
# Build the site, look for broken links within it, and run the notebooks of the examples.
# Needs pip install ".[docs]" nbclient ipykernel linkchecker.
set -euo pipefail
cd "$(dirname "$0")/.."
python -m sphinx -W --keep-going -q docs docs/_build/html

echo "== links and anchors within the site"
linkchecker --no-status --ignore-url='^https?:' --ignore-url='^mailto:' \
    --config <(printf '[AnchorCheck]\n') docs/_build/html/index.html

echo "== notebooks"
place="$(mktemp -d)"
trap 'rm -rf "$place"' EXIT
cp docs/gallery/*.ipynb "$place"
cd "$place"
for notebook in *.ipynb; do
    started=$SECONDS
    jupyter execute "$notebook" > /dev/null 2> log || { tail -20 log; exit 1; }
    echo "$notebook: $((SECONDS - started)) s"
done
