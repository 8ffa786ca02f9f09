"""The table of what was tried to break sklssl: from results/faults.jsonl, fuzz.jsonl and others.

    python benchmarks/trust_table.py [--write]

Prints Markdown; with `--write` it takes the place of what stands between the two marks of
docs/trust.md. Of each row of a file the newest line counts; files that are missing are left out.
"""

import argparse
import json
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "trust.md"
RESULTS = Path(__file__).parent / "results"
BEGIN, END = "<!-- figures: benchmarks/trust_table.py --write -->", "<!-- end of the figures -->"
KEYS = ("what", "case", "kind", "backbone")


def newest(name):
    """Give the last line of each row of a result file, or nothing."""
    path = RESULTS / f"{name}.jsonl"
    lines = [json.loads(text) for text in path.read_text().splitlines()] if path.exists() else []
    return list({tuple(line.get(key) for key in KEYS): line for line in lines}.values())


def total(lines, key):
    return sum(line.get(key, 0) for line in lines)


def kills(lines):
    names = {"kills": "killed (SIGKILL)", "signals": "killed by SIGKILL, SIGTERM or Ctrl-C"}
    for what, name in names.items():
        found = [line for line in lines if line["what"] == what]
        if found:
            n, n_alike = total(found, "kills"), total(found, "identical")
            yield (
                f"fits {name} at random moments, then started again; {len(found)} methods",
                f"{n:,}",
                f"{n_alike:,} ended bit by bit as without",
            )
            yield (
                "checkpoints written by these fits, at the end of an epoch or within one",
                f"{total(found, 'saved'):,}",
                f"{total(found, 'lost'):,} lost after a restart",
            )


def files(lines):
    names = {"checkpoint": "checkpoints", "model": "saved models"}
    for line in lines:
        if line["what"] == "damaged":
            what = f"{names[line['kind']]}, damaged or of another format"
            yield what, f"{line['tried']:,}", f"{line['refused']:,} refused"
        elif line["what"] == "tampered":
            n_read = line["tried"] - line["refused"] - len(line["wrong"])
            result = f"{line['refused']:,} refused, {n_read:,} read, {len(line['wrong'])} other"
            what = f"{names[line['kind']]}, whole, with one value replaced or missing"
            yield what, f"{line['tried']:,}", result
    found = [line for line in lines if "code_ran" in line]
    if found:
        what = "of the damaged files, those that ran code or ended the interpreter"
        yield what, f"{total(found, 'tried'):,}", f"{total(found, 'code_ran')}"


def together(lines):
    for line in lines:
        if line["what"] == "together":
            what = "fits in one folder, five at a time"
            yield what, f"{line['fits']:,}", f"{line['alike']:,} like those that were alone"


def fuzzed(lines):
    for line in lines:
        n_refused = sum(line["refused"].values())
        result = f"calls: {line['worked']:,} worked, {n_refused:,} refused in words"
        yield "inputs and parameters drawn at random", f"{line['examples']:,}", result


def checkpoints(lines):
    for line in lines:
        if line["what"] == "cost":
            what = f"a checkpoint of `{line['backbone']}` after an epoch of 4,000 images"
            seconds = f"{line['checkpoint_s']:.3f} s of {line['epoch_s']:.1f} s"
            yield what, seconds, f"{line['percent']:.2f} %"
        elif line["what"] == "size":
            what = f"a saved `{line['backbone']}`, bytes beyond its weights"
            yield what, f"{line['weights_bytes']:,}", f"{line['beyond_bytes']:,}"


def markdown():
    faults = newest("faults")
    rows = [
        *kills(faults),
        *files(faults),
        *together(faults),
        *fuzzed(newest("fuzz")),
        *checkpoints(newest("checkpoints")),
    ]
    head = [("test", "number", "result"), ("---", "---:", "---")]
    lines = [f"| {' | '.join(row)} |" for row in (*head, *rows)]
    if faults:
        last = faults[-1]
        versions = f"Python {last['python']}, torch {last['torch']}, scikit-learn {last['sklearn']}"
        lines += ["", f"{versions}, {last['date']}, commit {last['commit']}."]
    return "\n".join(lines)


def write_page():
    before, rest = PAGE.read_text().split(BEGIN)
    after = rest.split(END)[1]
    PAGE.write_text(f"{before}{BEGIN}\n{markdown()}\n{END}{after}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--write", action="store_true", help="into docs/trust.md")
    args = parser.parse_args()
    print(markdown())
    if args.write:
        write_page()
