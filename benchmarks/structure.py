"""The structure of the package in numbers: parts, imports, lengths, repetitions, path of X.

    python benchmarks/structure.py [--root CHECKOUT] [--static] [--dry-run]

Read the source of `sklssl` in a checkout (this one by default) and append a result to
results/structure.jsonl. A part is a folder or a module directly in `sklssl/`. An arrow is an
import, including those inside functions; it goes up if the imported part imports the importing one,
directly or indirectly. The path of X is observed at run time: it is the sequence of parts with a
function that is called with X, or with an array that shares its memory; consecutive calls within
one part count once.
"""

import argparse
import ast
import json
import re
import statistics
import subprocess
import sys
import time
import tokenize
from collections import Counter, defaultdict
from pathlib import Path

RESULTS = Path(__file__).parent / "results" / "structure.jsonl"
LONG_BODY, LONG_FILE = 30, 400
SHARED_BY = 3  # constructors, from which a parameter counts as shared
# Examples of names, to count the files that a change affects: a parameter, a method, a score.
EXAMPLES = ("max_grad_norm", "SimCLREmbedder", "rankme_score")
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
DOCUMENTED = (ast.Module, ast.ClassDef, *FUNCTIONS)


class Module:
    """A source file with its dotted name, text and syntax tree."""

    def __init__(self, path, root):
        self.path = path.relative_to(root)
        self.text = path.read_text()
        self.tree = ast.parse(self.text)
        names = list(self.path.with_suffix("").parts)
        self.is_package = names[-1] == "__init__"
        self.name = ".".join(names[:-1] if self.is_package else names)
        self.folder = self.name if self.is_package else self.name.rpartition(".")[0]

    @property
    def part(self):
        return part_of(self.name)

    def nodes(self, *kinds):
        return [node for node in ast.walk(self.tree) if isinstance(node, kinds)]


def part_of(name):
    """Return the part of the package to which a dotted name belongs."""
    return [*name.split("."), "__init__"][1]


# Imports -----------------------------------------------------------------------------------------


def imports(module, known):
    """Return {(imported module, imported name or None)} for imports from the package."""
    found = set()
    for node in module.nodes(ast.Import):
        found |= {(alias.name, None) for alias in node.names if alias.name in known}
    for node in module.nodes(ast.ImportFrom):
        source = node.module or ""
        if node.level:
            above = module.folder.split(".")[: len(module.folder.split(".")) - node.level + 1]
            source = ".".join([*above, *filter(None, [source])])
        for alias in node.names:
            inner = f"{source}.{alias.name}"
            if inner in known:
                found.add((inner, None))
            elif source in known:
                found.add((source, alias.name))
    return found


def reach(arrows):
    """Return what each node imports, directly or indirectly."""
    out = {}
    for start in arrows:
        seen, todo = set(), list(arrows[start])
        while todo:
            node = todo.pop()
            if node not in seen:
                seen.add(node)
                todo += arrows.get(node, ())
        out[start] = seen
    return out


def graph(pairs):
    """Count the imports, cycles and upward imports among (from, to) pairs."""
    arrows = defaultdict(set)
    for a, b in pairs:
        if a != b:
            arrows[a].add(b)
    reached = reach(arrows)
    up = sorted((a, b) for a in arrows for b in arrows[a] if a in reached.get(b, ()))
    circles = {frozenset(b for b in reached[a] if a in reached.get(b, ())) | {a} for a, _ in up}
    return {
        "arrows": sum(map(len, arrows.values())),
        "circles": sorted(map(sorted, circles)),
        "up": [f"{a} -> {b}" for a, b in up],
    }


def is_crossing(module, target):
    """Return whether `target` is private to a folder that does not contain `module`."""
    names = target.split(".")
    for i, name in enumerate(names):
        owner = ".".join(names[:i])
        if name.startswith("_") and not f"{module.folder}.".startswith(f"{owner}."):
            return True
    return False


def measure_imports(modules):
    known = {module.name for module in modules}
    found = [(m, *pair) for m in modules for pair in sorted(imports(m, known), key=str)]
    crossings = {(m.name, target) for m, target, _ in found if is_crossing(m, target)}
    by_part = Counter(part_of(target) for _, target in crossings)
    return {
        "parts": graph((m.part, part_of(target)) for m, target, _ in found),
        "modules": graph((m.name, target) for m, target, _ in found),
        "crossings": len(crossings),
        "crossings_into": dict(by_part.most_common()),
        "private_names_imported": sum(
            (name or "").startswith("_") and m.part != part_of(target) for m, target, name in found
        ),
    }


# Lengths -----------------------------------------------------------------------------------------


def docstring_node(node):
    first = node.body[0] if node.body else None
    is_text = isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant)
    return first if is_text and isinstance(first.value.value, str) else None


def body_length(function):
    """Return the number of lines of a body without its docstring."""
    body = function.body[1:] if docstring_node(function) else function.body
    return function.end_lineno - body[0].lineno + 1 if body else 0


def code_lines(module):
    """Count the lines of code, without blank lines, comments and docstrings."""
    empty = (tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT)
    lines = set()
    for token in tokenize.generate_tokens(iter(module.text.splitlines(keepends=True)).__next__):
        if token.type not in empty and token.type != tokenize.ENDMARKER:
            lines |= set(range(token.start[0], token.end[0] + 1))
    for node in map(docstring_node, module.nodes(*DOCUMENTED)):
        if node:
            lines -= set(range(node.lineno, node.end_lineno + 1))
    return len(lines)


def measure_lengths(modules):
    bodies = {f"{m.path}:{f.name}": body_length(f) for m in modules for f in m.nodes(*FUNCTIONS)}
    longest = sorted(bodies.items(), key=lambda item: -item[1])
    sizes = {str(m.path): m.text.count("\n") for m in modules}
    return {
        "lines": sum(sizes.values()),
        "code_lines": sum(map(code_lines, modules)),
        "long_files": {name: n for name, n in sizes.items() if n > LONG_FILE},
        "functions": sum(len(m.nodes(*FUNCTIONS)) for m in modules),
        "body_median": statistics.median(bodies.values()),
        "long_bodies": sum(n > LONG_BODY for n in bodies.values()),
        "longest_bodies": dict(longest[:8]),
        "any": sum(node.id == "Any" for m in modules for node in m.nodes(ast.Name)),
    }


# Repetitions -------------------------------------------------------------------------------------


def entries(docstring):
    """Iterate over the entries of Parameters and Attributes of a numpydoc docstring."""
    for section in ("Parameters", "Attributes"):
        found = re.search(rf"^{section}\n-+\n(.*?)(?=^\S[^\n]*\n-+\n|\Z)", docstring, re.M | re.S)
        if found:
            yield from re.findall(r"^\S[^\n]*\n(?:(?:[ ]+[^\n]*)?\n)*", found[1] + "\n", re.M)


def repeated_docs(classes):
    """Count the lines of entries repeated in several classes: all, and all but one copy."""
    counts = Counter()
    for node in classes:
        counts.update({entry.strip() for entry in entries(ast.get_docstring(node) or "")})
    repeated = [(sum(map(bool, t.splitlines())), n) for t, n in counts.items() if n > 1]
    return sum(size * n for size, n in repeated), sum(size * (n - 1) for size, n in repeated)


def constructor(node):
    return next((f for f in node.body if isinstance(f, FUNCTIONS) and f.name == "__init__"), None)


def arguments(function):
    args = function.args
    return [arg.arg for arg in (*args.posonlyargs, *args.args, *args.kwonlyargs)][1:]


def constructor_lines(classes):
    """Return the shared parameters, and the number of lines of constructors that name one."""
    inits = {node: constructor(node) for node in classes}
    counts = Counter(name for f in inits.values() if f for name in arguments(f))
    shared = {name for name, n in counts.items() if n >= SHARED_BY}
    n_lines = 0
    for node, init in inits.items():
        places = [init] * bool(init) + node.decorator_list
        named = [x for place in places for x in ast.walk(place) if named_by(x) in shared]
        n_lines += len({x.lineno for x in named})
    return shared, n_lines


def named_by(node):
    """Return the name of an argument, keyword or variable, or None for other nodes."""
    if isinstance(node, ast.Name):
        return node.id
    return node.arg if isinstance(node, (ast.arg, ast.keyword)) else None


def measure_repetitions(modules):
    classes = [node for module in modules for node in module.nodes(ast.ClassDef)]
    total, redundant = repeated_docs(classes)
    shared, n_lines = constructor_lines(classes)

    def files(name):
        return sum(bool(re.search(rf"\b{name}\b", module.text)) for module in modules)

    return {
        "repeated_doc_lines": total,
        "redundant_doc_lines": redundant,
        "shared_parameters": len(shared),
        "constructor_lines": n_lines,
        "files_naming": {name: files(name) for name in EXAMPLES},
        "files_naming_a_shared_parameter": statistics.median(map(files, shared)),
    }


# The path of X -----------------------------------------------------------------------------------


class Watch:
    """A profile function that records the modules of functions that are called with X."""

    def __init__(self, X, root):
        import numpy as np

        self.X, self.package, self.np = X, str(root / "sklssl"), np
        self.modules = []

    def is_X(self, value):
        if value is self.X:
            return True
        return isinstance(value, self.np.ndarray) and self.np.shares_memory(value, self.X)

    def __call__(self, frame, event, arg):
        code = frame.f_code
        if event != "call" or not code.co_filename.startswith(self.package):
            return
        n_args = code.co_argcount + code.co_kwonlyargcount + bool(code.co_flags & 4)
        values = [frame.f_locals.get(name) for name in code.co_varnames[:n_args]]
        values += [x for value in values if isinstance(value, tuple) for x in value]
        if any(map(self.is_X, values)):
            path = Path(code.co_filename).relative_to(Path(self.package).parent)
            self.modules.append(".".join(path.with_suffix("").parts))

    def stays(self):
        """Return the visited parts, and the number of visited modules, without repetitions."""
        parts = [part_of(name) for name in self.modules]
        merged = [p for p, before in zip(parts, [None, *parts], strict=False) if p != before]
        rooms = [m for m, b in zip(self.modules, [None, *self.modules], strict=False) if m != b]
        return {"stays": len(merged), "parts": " > ".join(merged), "stays_in_modules": len(rooms)}


def way_of_X(root):
    """Fit and transform 40 images of digits, and return the parts that they pass through."""
    sys.path.insert(0, str(root))
    sys.dont_write_bytecode = True  # write nothing to the other checkout
    import sklssl
    from sklssl.datasets import load_digit_images

    assert Path(sklssl.__file__).is_relative_to(root), sklssl.__file__
    X, y = (part[:40] for part in load_digit_images(return_X_y=True))
    X = X.copy()  # with memory of its own
    embedder = sklssl.RotNetEmbedder("convnet", max_epochs=1, random_state=0)
    tuner = sklssl.FineTuneClassifier("convnet", max_epochs=1, random_state=0)
    calls = {
        "RotNetEmbedder.fit": lambda: embedder.fit(X),
        "RotNetEmbedder.transform": lambda: embedder.transform(X),
        "FineTuneClassifier.fit": lambda: tuner.fit(X, y),
    }
    out = {}
    for name, call in calls.items():
        watch = Watch(X, root)
        sys.setprofile(watch)
        try:
            call()
        finally:
            sys.setprofile(None)
        out[name] = watch.stays()
    return out


# All together ------------------------------------------------------------------------------------


def measure_static(root):
    package = root / "sklssl"
    modules = [Module(path, root) for path in sorted(package.rglob("*.py"))]
    top = [path for path in package.iterdir() if path.suffix == ".py" or any(path.glob("*.py"))]
    private = [path for path in top if path.name.startswith("_") and path.stem != "__init__"]
    return {
        "n_modules": len(modules),
        "n_folders": len({module.path.parent for module in modules}),
        "n_parts": len({module.part for module in modules}),
        "private_modules_at_root": sum(path.is_file() for path in private),
        "private_folders_at_root": sum(path.is_dir() for path in private),
        **measure_imports(modules),
        **measure_lengths(modules),
        **measure_repetitions(modules),
    }


def state_of(root):
    """Return the commit of a checkout, with a plus sign if the package has been changed."""

    def git(*args):
        command = ["git", "-C", str(root), *args]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()

    changed = git("status", "--porcelain", "sklssl")
    return git("rev-parse", "--short", "HEAD") + "+" * bool(changed)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--root", type=Path, default=Path(__file__).parents[1])
    parser.add_argument("--static", action="store_true", help="do not run any fit")
    parser.add_argument("--dry-run", action="store_true", help="do not store the result")
    args = parser.parse_args()
    root = args.root.resolve()
    row = measure_static(root)
    if not args.static:
        row["way_of_X"] = way_of_X(root)
    row |= {"commit": state_of(root), "date": time.strftime("%Y-%m-%d")}
    print(json.dumps(row, indent=1))
    if not args.dry_run:
        RESULTS.parent.mkdir(exist_ok=True)
        with RESULTS.open("a") as file:
            file.write(json.dumps(row) + "\n")
