#!/usr/bin/env bash
# Run the tests with the oldest supported versions of all packages, and with the newest:
# tools/test_versions.sh [PYTHON_OF_THE_OLDEST [PYTHON_OF_THE_NEWEST]] [-- OPTIONS OF PYTEST]
set -euo pipefail
cd "$(dirname "$0")/.."
pythons=()
while [ $# -gt 0 ] && [ "$1" != "--" ]; do pythons+=("$1") && shift; done
[ $# -gt 0 ] && shift
oldest="${pythons[0]:-python3}" newest="${pythons[1]:-python3}"

place="$(mktemp -d)"
trap 'rm -rf "$place"' EXIT
python3 tools/lowest_versions.py > "$place/lowest.txt"

run() { # python, name, options of pip; then options of pytest
    local python="$1" name="$2" constraints="$3"
    shift 3
    echo "== $name versions"
    "$python" -m venv "$place/$name"
    "$place/$name/bin/pip" install --quiet $constraints ".[test,viz,clusters]"
    "$place/$name/bin/python" -c "import sklssl; sklssl.show_versions()"
    "$place/$name/bin/python" -m pytest -q -n 2 "$@"
    rm -rf "${place:?}/$name"
}

# Old packages use what newer ones of others call deprecated.
run "$oldest" oldest "-c $place/lowest.txt" -W ignore::DeprecationWarning "$@"
run "$newest" newest "--upgrade" "$@"
