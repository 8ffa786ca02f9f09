"""The order of the examples in the gallery, and the options with which they are run there."""

from pathlib import Path

# In the order of their readers. The options let the site be built in minutes.
_EXAMPLES = {
    "quickstart.py": [],
    "microscopy_without_labels.py": [],
    "inspection_few_labels.py": [],
    "paper_baseline.py": ["--small", "--n-labels", "1", "5", "20"],
    "pets.py": ["--small"],
    "traffic_sign_boxes.py": ["--small"],
    "heads_and_layers.py": ["--small"],
    "limited_information.py": ["--small", "--inputs", "original", "grey-Harris"],
    "fine_tune_a_fifth.py": ["--small"],
}


def options(gallery, example):
    """Return the options of an example."""
    return _EXAMPLES[Path(example["src_file"]).name]


def place(name):
    """Return the place of an example among the others."""
    return list(_EXAMPLES).index(name)
