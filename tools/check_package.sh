#!/usr/bin/env bash
# Build the source archive and the wheel, and try both as their users do:
# tools/check_package.sh [FOLDER FOR BOTH FILES]
#
# The wheel is small, its description has no relative links, and in an environment with nothing else
# it runs the quickstart. The tests of the source archive pass, without the repository.
# QUICK=1 runs only those tests of the source archive that need its other files.
set -euo pipefail
cd "$(dirname "$0")/.."
dist="$(realpath -m "${1:-dist}")"
place="$(mktemp -d)"
trap 'rm -rf "$place"' EXIT
# TORCH="torch==...+cpu" chooses a version of torch.
export TORCH="${TORCH:-}" PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_QUIET=1 MPLBACKEND=agg
python3 -m venv "$place/tools"
"$place/tools/bin/pip" install build twine

echo "== build"
rm -rf "$dist"
"$place/tools/bin/python" -m build --outdir "$dist" . > "$place/build.log" || { cat "$place/build.log"; exit 1; }
"$place/tools/bin/twine" check --strict "$dist"/*
wheel="$(echo "$dist"/*.whl)" sdist="$(echo "$dist"/*.tar.gz)"
du -h "$wheel" "$sdist"
[ "$(stat -c %s "$wheel")" -lt 1000000 ] || { echo "The wheel is larger than 1 MB."; exit 1; }
if unzip -p "$wheel" '*/METADATA' | grep -nE '\]\((docs|benchmarks|[A-Z]+\.md)'; then
    echo "The description has relative links."
    exit 1
fi

echo "== the wheel in a bare environment"
python3 -m venv "$place/bare"
started=$SECONDS
"$place/bare/bin/pip" install $TORCH "$wheel[viz]"
echo "installed in $((SECONDS - started)) s, $(du -sh "$place/bare" | cut -f1)"
mkdir "$place/empty" && cp examples/quickstart.py "$place/empty"
(cd "$place/empty" && "$place/bare/bin/python" quickstart.py && ls -l quickstart.png)
rm -rf "$place/bare"

echo "== the tests of the source archive"
tar xzf "$sdist" -C "$place"
python3 -m venv "$place/full"
cd "$place"/sklssl-*/
"$place/full/bin/pip" install $TORCH ".[test,viz]"
only=(${QUICK:+tests/test_docs.py tests/test_tables.py tests/test_examples.py tests/test_init.py})
"$place/full/bin/python" -m pytest -q -n 2 "${only[@]}"
