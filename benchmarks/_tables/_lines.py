"""Result lines, and Markdown tables of means over seeds."""

import json
import re
import statistics
from pathlib import Path
from typing import NamedTuple

HERE = Path(__file__).parents[1]


def read(name):
    """Return the results in benchmarks/<wing>/results/<script>.jsonl, named "<wing>/<script>"."""
    wing, script = name.split("/")
    path = HERE / wing / "results" / f"{script}.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()]


def newest(lines, *keys):
    """Return the last result of each row, in the order of their first results."""
    return list({tuple(line.get(key) for key in keys): line for line in lines}.values())


def chosen(lines, **where):
    return [x for x in lines if all(x.get(key) == value for key, value in where.items())]


def markdown(head, body):
    """Return a Markdown table; numbers that belong together stay on one line of a cell."""
    rule = ["---"] * len(head)
    lines = (f"| {' | '.join(map(str, row))} |" for row in (head, rule, *body))
    return re.sub(r"(?<=\d) (±|/) (?=[-+\d])", "\u00a0\\1\u00a0", "\n".join(lines))


def number(value, digits=0):
    return "" if value is None else f"{value:,.{digits}f}"


def mean(values, digits=1):
    """Return the mean."""
    return number(statistics.mean(values), digits)


def spread(values, digits=1):
    """Return mean ± standard deviation (n - 1), or the mean for a single value or 0 digits."""
    values = list(values)
    is_spread = digits and len(values) > 1
    return mean(values, digits) + (f" ± {statistics.stdev(values):.{digits}f}" if is_spread else "")


def some(seeds):
    """Return "seed 0" or "3 seeds"."""
    return f"{len(seeds)} seeds" if len(seeds) > 1 else "".join(f"seed {s}" for s in seeds)


class Column(NamedTuple):
    """A column of a grid: its title, a filter of results, and the keys of the values in a cell."""

    title: str
    where: dict
    keys: tuple = ("accuracy",)
    scale: float = 100  # results are fractions, tables per cent
    digits: int = 1


def grid(lines, rows, columns, alike=True, spreads=True):
    """Return a table of means over seeds; if a seed was run several times, the last run counts.

    With `alike`, all cells of a column use the seeds that every row of it has; without, each cell
    uses the seeds available for it. With `spreads`, standard deviations are added.
    """
    text = spread if spreads else mean
    body = [[title] for title in rows]
    counted = []
    for column in columns:
        cells = [
            _by_seed(chosen(lines, **where, **column.where), column) for where in rows.values()
        ]
        kept = set.intersection(*(set(cell) for cell in cells if cell))
        cells = [{s: v for s, v in cell.items() if s in kept or not alike} for cell in cells]
        for row, cell in zip(body, cells, strict=True):
            row.append(" / ".join(text(values, column.digits) for values in _columns(cell)))
        counts = sorted({len(cell) for cell in cells if cell})
        seeds = some(kept) if len(counts) < 2 else f"{counts[0]} to {counts[-1]} seeds"
        counted.append(seeds)
    if len(set(counted)) == 1:
        return markdown([counted[0], *(column.title for column in columns)], body)
    titles = [f"{x.title} ({seeds})" for x, seeds in zip(columns, counted, strict=True)]
    return markdown(["", *titles], body)


def _columns(cell):
    return zip(*cell.values(), strict=True)


def _by_seed(lines, column):
    values = {x["seed"]: [x.get(key) for key in column.keys] for x in lines}
    return {
        seed: [column.scale * value for value in found]
        for seed, found in values.items()
        if None not in found
    }


def origin(lines):
    """Describe the devices, torch versions, dates and commits of results."""

    def each(key):
        return list(dict.fromkeys(str(x[key]) for x in lines))

    dates = sorted(each("date"))
    when = dates[0] if len(dates) == 1 else f"{dates[0]} to {dates[-1]}"
    torch = ", ".join(each("torch"))
    place = "; ".join(each("device")).replace(", 1 threads", ", 1 thread")
    commits = each("commit")
    many = "commits" if commits[1:] else "commit"
    return f"\n\n{place}; torch {torch}; {when}; {many} {', '.join(commits)}."
