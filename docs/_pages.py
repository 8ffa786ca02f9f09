"""The Python of a page of Markdown."""

import re

# A block that begins with the name of a file stands for itself: it is run as that script.
_BLOCK = re.compile(r"```python\n((?:# (\w+\.py)\n)?.*?)```", re.DOTALL)


def find_code(page):
    """Return the blocks of a page that belong together, and its scripts by name."""
    blocks, scripts = [], {}
    for found in _BLOCK.finditer(page):
        code, name = found.groups()
        if name:
            scripts[name] = code
        else:
            blocks.append(code)
    return blocks, scripts


def in_place(page):
    """Return each Python file of a page, by name ("py": all blocks but the scripts).

    Each line has the number that it has in the page.
    """
    files = {"py": "\n" * page.count("\n")}
    for found in _BLOCK.finditer(page):
        code, name = found.group(1), found.group(2) or "py"
        before = page[: found.start(1)].count("\n")
        lines = files.setdefault(name, "\n" * page.count("\n")).split("\n")
        lines[before : before + code.count("\n")] = code.rstrip("\n").split("\n")
        files[name] = "\n".join(lines)
    return files
