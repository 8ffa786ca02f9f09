"""Tables of the papers, theirs beside ours, and what becomes of their claims."""

import statistics
from typing import NamedTuple

from . import _reported as reported
from ._lines import chosen, markdown, newest, origin, read, spread

SIZES = {"cpu": "here", "full": "here, full size"}


def lines_of(paper):
    """Return the newest line of each row; none before the first run."""
    try:
        return newest(read(f"papers/{paper}"), "size", "row", "seed")
    except FileNotFoundError:
        return []


def table(name):
    """Return the table: in each cell the paper's number and ours at every size that was run."""
    paper, columns, rows = reported.TABLES[name]
    used = {row.ours for row in rows}
    lines = [x for x in lines_of(paper) if x["row"] in used]
    sizes = [size for size in SIZES if chosen(lines, size=size)]
    has_numbers = any(number is not None for row in rows for number in row.theirs.values())
    body = []
    for row in rows:
        cells = []
        for key in columns:
            parts = [_plain(row.theirs.get(key))] * has_numbers
            for size in sizes:
                parts.append(_values(chosen(lines, size=size, row=row.ours), row.prefix + key))
            cells.append(" / ".join(part or "-" for part in parts) if any(parts) else "")
        minutes = [_minutes(chosen(lines, size=size, row=row.ours)) for size in sizes]
        body.append([row.title, *cells, " / ".join(minutes)])
    order = " / ".join(["paper"] * has_numbers + [SIZES[size] for size in sizes])
    head = [f"{order}, %".removeprefix(", "), *columns.values(), "minutes here"]
    return markdown(head, body) + "".join(_size(chosen(lines, size=size)) for size in sizes)


def _plain(number):
    return "" if number is None else f"{number:g}"


def _values(lines, key):
    found = [100 * x[key] for x in lines if key in x]
    return spread(found) if found else ""


def _minutes(lines):
    return f"{statistics.mean(x['minutes'] for x in lines):.0f}" if lines else ""


def _size(lines):
    """Return the settings of a size, and where it ran."""
    seeds = len({x["seed"] for x in lines})
    settings = ", ".join(_setting(*item) for item in lines[-1]["settings"].items())
    return f"\n\n{lines[0]['size']}, {seeds} seed{'s' * (seeds > 1)}: {settings}.{origin(lines)}"


def _setting(name, value):
    if isinstance(value, dict):
        inner = ", ".join(_setting(*item) for item in value.items())
        return f"{name} ({inner})"
    if isinstance(value, list):
        value = " / ".join(map(str, value))
    return f"{name.replace('_', ' ')} {value}"


class Difference(NamedTuple):
    """Our difference of a claim in points, with its standard error."""

    mean: float
    noise: float
    seeds: int


def difference(claim):
    """Return what we have found of a claim."""
    lines = chosen(lines_of(claim.paper), size="cpu")
    cells = [
        {x["seed"]: x[key] for x in chosen(lines, row=row)}
        for row, key in (claim.better, claim.worse)
    ]
    seeds = sorted(set.intersection(*map(set, cells)))
    if not seeds:
        return Difference(0, 0, 0)
    better, worse = ([cell[seed] for seed in seeds] for cell in cells)
    mean = statistics.mean(better) - statistics.mean(worse)
    n_test = claim.n_test(lines[-1]["settings"])
    return Difference(100 * mean, 100 * _noise(better, worse, n_test), len(seeds))


def _noise(better, worse, n_test):
    """Return the standard error of the difference: of the test images, and of the seeds."""
    means = [statistics.mean(values) for values in (better, worse)]
    variance = sum(mean * (1 - mean) for mean in means) / n_test
    if better[1:]:
        differences = [a - b for a, b in zip(better, worse, strict=True)]
        variance += statistics.variance(differences) / len(differences)
    return variance**0.5


def verdict(claim):
    """Return a row of the table of claims."""
    mean, noise, seeds = difference(claim)
    start = [claim.paper, claim.text, f"{claim.theirs:+.1f}"]
    if not seeds:
        return [*start, "", "", "not run"]
    found = "within noise" if abs(mean) <= 2 * noise else "holds" if mean > 0 else "does not hold"
    return [*start, f"{mean:+.1f} ± {noise:.1f}", seeds, found]
