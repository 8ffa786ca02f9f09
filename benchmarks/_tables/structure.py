"""The structure of the package at several commits."""

from ._lines import markdown, newest, number, read

COUNTS = {
    "modules": "n_modules",
    "folders": "n_folders",
    "parts: folders and modules right under `sklssl/`": "n_parts",
    "private modules there": "private_modules_at_root",
    "private folders there": "private_folders_at_root",
    "imports of a private module of another folder": "crossings",
    "functions": "functions",
    "bodies of more than 30 lines": "long_bodies",
    "lines": "lines",
    "lines of code": "code_lines",
    "`Any`": "any",
    "lines of parameter docs that stand in several classes": "repeated_doc_lines",
    "of them, beyond one copy": "redundant_doc_lines",
    "lines of constructors that name a shared parameter": "constructor_lines",
    "files that name a shared parameter, median": "files_naming_a_shared_parameter",
}


def structure():
    """The newest line of each of the last four commits."""
    lines = newest(read("./structure"), "commit")[-4:]
    rows = [(title, [number(x[key]) for x in lines]) for title, key in COUNTS.items()]
    for what in ("parts", "modules"):
        for key in ("arrows", "circles", "up"):
            cells = [x[what][key] for x in lines]
            title = f"imports between {what}: {key}"
            rows.append((title, [x if key == "arrows" else len(x) for x in cells]))
    rows.append(("files of more than 400 lines", [len(x["long_files"]) for x in lines]))
    rows.append(("longest body", [max(x["longest_bodies"].values()) for x in lines]))
    for name in lines[-1]["files_naming"]:
        rows.append((f"files that name `{name}`", [x["files_naming"][name] for x in lines]))
    for name in lines[-1]["way_of_X"]:
        stays = [f"{x['way_of_X'][name]['stays']}" for x in lines]
        rows.append((f"stays of X in parts, `{name}`", stays))
    head = ["", *(f"{x['commit']}, {x['date']}" for x in lines)]
    return markdown(head, [[title, *cells] for title, cells in rows])
