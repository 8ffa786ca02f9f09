"""Tables of reliability and reproducibility."""

from ._lines import chosen, markdown, newest, number, origin, read

KEYS = ("what", "case", "kind", "backbone")


def _total(lines, key):
    return sum(line.get(key, 0) for line in lines)


def _kills(lines):
    names = {"kills": "killed (SIGKILL)", "signals": "killed by SIGKILL, SIGTERM or Ctrl-C"}
    for what, name in names.items():
        found = [line for line in lines if line["what"] == what]
        if found:
            n, n_alike = _total(found, "kills"), _total(found, "identical")
            yield (
                f"fits {name} at random moments, then restarted; {len(found)} methods",
                f"{n:,}",
                f"{n_alike:,} bit-identical to uninterrupted fits",
            )
            yield (
                "checkpoints written by these fits, at the end of an epoch or within one",
                f"{_total(found, 'saved'):,}",
                f"{_total(found, 'lost'):,} lost after a restart",
            )


def _files(lines):
    names = {"checkpoint": "checkpoints", "model": "saved models"}
    for line in lines:
        if line["what"] == "damaged":
            what = f"corrupt {names[line['kind']]}, or files of another format"
            yield what, f"{line['tried']:,}", f"{line['refused']:,} rejected"
        elif line["what"] == "tampered":
            n_read = line["tried"] - line["refused"] - len(line["wrong"])
            result = f"{line['refused']:,} rejected, {n_read:,} read, {len(line['wrong'])} other"
            what = f"intact {names[line['kind']]} with one value replaced or missing"
            yield what, f"{line['tried']:,}", result
    found = [line for line in lines if "code_ran" in line]
    if found:
        what = "corrupt files that ran code or crashed the interpreter"
        yield what, f"{_total(found, 'tried'):,}", f"{_total(found, 'code_ran')}"


def _together(lines):
    for line in lines:
        if line["what"] == "together":
            what = "simultaneous fits in one folder, five at a time"
            yield what, f"{line['fits']:,}", f"{line['alike']:,} identical to fits run alone"


def _embedding(lines):
    for line in lines:
        if line["what"] == "embedding":
            what = (
                "processes that embed the same files together, killed and replaced, three at a time"
            )
            result = (
                f"{line['identical']} of {line['runs']} sets of features identical to one alone"
            )
            yield what, f"{line['kills']:,}", result


def _fuzzed(lines):
    for line in lines:
        n_refused = sum(line["refused"].values())
        result = f"calls: {line['worked']:,} succeeded, {n_refused:,} raised a clear error"
        yield "random inputs and parameters", f"{line['examples']:,}", result


def _checkpoints(lines):
    for line in lines:
        if line["what"] == "cost":
            what = f"time for a checkpoint of `{line['backbone']}` per epoch of 4,000 images"
            seconds = f"{line['checkpoint_s']:.3f} s of {line['epoch_s']:.1f} s"
            yield what, seconds, f"{line['percent']:.2f} %"
        elif line["what"] == "size":
            what = f"size of a saved `{line['backbone']}`"
            weights, more = (
                f"{line['weights_bytes']:,} bytes of weights",
                f"{line['beyond_bytes']:,}",
            )
            yield what, weights, f"{more} bytes more"


def trust():
    faults = newest(read("robustness/faults"), *KEYS)
    fuzz = newest(read("robustness/fuzz"))
    costs = newest(read("robustness/checkpoints"), *KEYS)
    rows = [
        *_kills(faults),
        *_files(faults),
        *_together(faults),
        *_embedding(faults),
        *_fuzzed(fuzz),
        *_checkpoints(costs),
    ]
    head = ["what was tested", "amount", "result"]
    return markdown(head, rows) + origin([*faults, *fuzz, *costs])


def determinism():
    """One thread compared with two, and one seed with another."""
    lines = newest(read("robustness/determinism"), "network", "precision", "pair")
    body = []
    for x in chosen(lines, pair="two threads"):
        same = {key: x[key] for key in ("network", "precision")}
        (other,) = chosen(lines, **same, pair="another seed")
        fit = x["fit"]
        body.append(
            [
                ", ".join(same.values()),
                f"{fit['max_difference']:.2g}",
                number(fit["correlation"], 2),
                _pair(x),
                number(other["fit"]["correlation"], 2),
                _pair(other),
            ]
        )
    head = ["", "largest difference", "correlation", "accuracy, %"]
    head += ["another seed: correlation", "accuracy, %"]
    return markdown(head, body) + origin(lines)


def _pair(line):
    return " and ".join(number(100 * x, 1) for x in line["accuracy"])


def inputs():
    """The outcome of each kind of input in the last run of inputs.py."""
    lines = read("robustness/inputs")
    out = []
    for section in dict.fromkeys(x["section"] for x in lines):
        found = chosen(lines, section=section)
        body = [[_escaped(x[key]) for key in ("input", "kind", "text")] for x in found]
        out += [f"**{section}**", markdown(["input", "outcome", "result or message"], body)]
    return "\n\n".join(out)


def _escaped(text):
    return text.replace("|", "\\|").replace("*", "\\*")


def processes():
    """The largest differences of fits of several processes, or threads, from fits of one."""
    lines = newest(
        chosen(read("robustness/distributed"), kind="difference"),
        *("settings", "processes", "threads", "case"),
    )
    settings = {"small steps": "small steps", "own": "own learning rates and optimizers"}
    body = [
        [
            name,
            "one process with two threads" if n == 1 else f"{n} processes",
            len(found),
            f"{max(x['loss'] for x in found):.0e}",
            f"{max(x['weights'] for x in found):.0e}",
            f"{sum(x['weights'] <= 1e-4 for x in found)}",
        ]
        for key, name in settings.items()
        for n, threads in ((1, 2), (2, 1), (4, 1))
        if (found := chosen(lines, settings=key, processes=n, threads=threads))
    ]
    head = [
        "steps",
        "beside one process with one thread",
        "fits",
        "loss",
        "a weight",
        "within 1e-4",
    ]
    return markdown(head, body) + origin(lines)


def process_kills():
    """What came of runs of several processes of which one was killed, over and over."""
    lines = newest(chosen(read("robustness/distributed"), kind="kills"), "processes")
    body = [
        [
            x["processes"],
            x["kills"],
            f"{x['identical']} of {x['runs']}",
            x["lost"],
            f"{x['median_seconds']} / {x['longest_seconds']}",
        ]
        for x in lines
    ]
    head = ["processes", "kills", "runs with the same weights", "checkpoints lost"]
    head.append("seconds until all had ended: median / longest")
    return markdown(head, body) + origin(lines)
