#!/usr/bin/env bash
# Release a version: tools/release.sh 0.1.0. docs/releasing.md explains each step.
#
# Nothing leaves this computer: the last lines say what to type for that.
set -euo pipefail
cd "$(dirname "$0")/.."
version="${1:?Give the version, for example 0.1.0}"
[[ "$version" =~ ^[0-9]+\.[0-9]+\.[0-9]+$ ]] || { echo "'$version' is not of the form 1.2.3."; exit 1; }
fail() { echo "$1"; exit 1; }

echo "== is everything ready?"
[ -z "$(git status --porcelain)" ] || fail "There are changes that are not committed."
[ "$(git branch --show-current)" = main ] || fail "This is not the branch main."
! git rev-parse -q --verify "refs/tags/v$version" > /dev/null || fail "The tag v$version exists."
grep -q "^## \[Unreleased\]" CHANGELOG.md || fail "CHANGELOG.md has no section [Unreleased]."
[ -n "$(sed -n '/^## \[Unreleased\]/,/^## \[[0-9]/p' CHANGELOG.md | grep '^- ')" ] ||
    fail "The section [Unreleased] of CHANGELOG.md is empty."

echo "== the version"
sed -i "s/^__version__ = .*/__version__ = \"$version\"/" sklssl/__init__.py
sed -i "s/^## \[Unreleased\]/## [Unreleased]\n\n## [$version] - $(date +%F)/" CHANGELOG.md
sed -i "s/version = {.*},/version = {$version},/" docs/cite.md
python3 - "$version" << 'PYTHON'
import json, pathlib, sys
path = pathlib.Path("docs/_static/versions.json")
known = json.loads(path.read_text())
url = known[0]["url"].replace("latest", f"v{sys.argv[1]}")
known.insert(1, {"name": sys.argv[1], "version": sys.argv[1], "url": url})
path.write_text(json.dumps(known, indent=1) + "\n")
PYTHON
git commit -qam "Version $version"

echo "== all checks, as a newcomer"
undo() { git reset -q --hard HEAD~1; fail "A check failed: the commit of the version was undone."; }
bash .ci/run || undo
bash tools/check_package.sh dist || undo

git tag -a "v$version" -m "Version $version"
sed -i "s/^__version__ = .*/__version__ = \"$(echo "$version" | awk -F. '{print $1"."$2+1".0"}').dev0\"/" sklssl/__init__.py
git commit -qam "Begin the next version"
cat << TEXT

Version $version is tagged, and built in dist/. To publish it:

    git push origin main v$version
    twine upload dist/*

To give it up: git reset --hard HEAD~2 && git tag -d v$version
TEXT
