"""Tables of what can be relied on."""

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
                f"fits {name} at random moments, then started again; {len(found)} methods",
                f"{n:,}",
                f"{n_alike:,} ended bit by bit as without",
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
        yield what, f"{_total(found, 'tried'):,}", f"{_total(found, 'code_ran')}"


def _together(lines):
    for line in lines:
        if line["what"] == "together":
            what = "fits in one folder, five at a time"
            yield what, f"{line['fits']:,}", f"{line['alike']:,} like those that were alone"


def _fuzzed(lines):
    for line in lines:
        n_refused = sum(line["refused"].values())
        result = f"calls: {line['worked']:,} worked, {n_refused:,} refused in words"
        yield "inputs and parameters drawn at random", f"{line['examples']:,}", result


def _checkpoints(lines):
    for line in lines:
        if line["what"] == "cost":
            what = f"a checkpoint of `{line['backbone']}` after an epoch of 4,000 images"
            seconds = f"{line['checkpoint_s']:.3f} s of {line['epoch_s']:.1f} s"
            yield what, seconds, f"{line['percent']:.2f} %"
        elif line["what"] == "size":
            what = f"a saved `{line['backbone']}`, bytes beyond its weights"
            yield what, f"{line['weights_bytes']:,}", f"{line['beyond_bytes']:,}"


def trust():
    faults = newest(read("robustness/faults"), *KEYS)
    fuzz = newest(read("robustness/fuzz"))
    costs = newest(read("robustness/checkpoints"), *KEYS)
    rows = [
        *_kills(faults),
        *_files(faults),
        *_together(faults),
        *_fuzzed(fuzz),
        *_checkpoints(costs),
    ]
    head = ["what was tried", "how often", "what came of it"]
    return markdown(head, rows) + origin([*faults, *fuzz, *costs])


def determinism():
    """One thread beside two, and one seed beside another."""
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
    head = ["", "apart", "correlation", "accuracy, %"]
    head += ["another seed: correlation", "accuracy, %"]
    return markdown(head, body) + origin(lines)


def _pair(line):
    return " and ".join(number(100 * x, 1) for x in line["accuracy"])


def inputs():
    """What became of each kind of input when inputs.py tried it last."""
    lines = read("robustness/inputs")
    out = []
    for section in dict.fromkeys(x["section"] for x in lines):
        found = chosen(lines, section=section)
        body = [[_escaped(x[key]) for key in ("input", "kind", "text")] for x in found]
        out += [f"**{section}**", markdown(["input", "", "becomes, or is told"], body)]
    return "\n\n".join(out)


def _escaped(text):
    return text.replace("|", "\\|").replace("*", "\\*")
