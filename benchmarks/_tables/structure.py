"""The structure of the package at several commits."""

from ._lines import markdown, newest, number, read

COUNTS = {
    "modules": "n_modules",
    "folders": "n_folders",
    "parts: folders and modules directly in `sklssl/`": "n_parts",
    "private modules directly in `sklssl/`": "private_modules_at_root",
    "private folders directly in `sklssl/`": "private_folders_at_root",
    "imports of private modules of other folders": "crossings",
    "functions": "functions",
    "functions with a body of more than 30 lines": "long_bodies",
    "lines": "lines",
    "lines of code": "code_lines",
    "`Any`": "any",
    "lines of parameter documentation repeated in several classes": "repeated_doc_lines",
    "of these, in excess of one copy": "redundant_doc_lines",
    "lines of constructors that name a shared parameter": "constructor_lines",
    "files that name a shared parameter (median)": "files_naming_a_shared_parameter",
}
IMPORTS = {
    "arrows": "imports between",
    "circles": "import cycles between",
    "up": "upward imports between",
}


def structure():
    """The newest result of each of the last four commits."""
    lines = newest(read("./structure"), "commit")[-4:]
    rows = [(title, [number(x[key]) for x in lines]) for title, key in COUNTS.items()]
    for what in ("parts", "modules"):
        for key, title in IMPORTS.items():
            cells = [x[what][key] for x in lines]
            cells = [x if key == "arrows" else len(x) for x in cells]
            rows.append((f"{title} {what}", cells))
    rows.append(("files of more than 400 lines", [len(x["long_files"]) for x in lines]))
    rows.append(
        ("longest function body, lines", [max(x["longest_bodies"].values()) for x in lines])
    )
    for name in lines[-1]["files_naming"]:
        rows.append((f"files that name `{name}`", [x["files_naming"][name] for x in lines]))
    for name in lines[-1]["way_of_X"]:
        stays = [f"{x['way_of_X'][name]['stays']}" for x in lines]
        rows.append((f"visits of X to parts during `{name}`", stays))
    head = ["", *(f"{x['commit']}, {x['date']}" for x in lines)]
    return markdown(head, [[title, *cells] for title, cells in rows])
