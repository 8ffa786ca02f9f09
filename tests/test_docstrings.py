"""Docstrings of what trains networks: every parameter, its true default, the same words in each."""

import inspect
import re

import pytest

import sklssl
from sklssl._parameters.embedders import EMBEDDER_PARAMETERS
from sklssl.base import BaseEmbedder
from sklssl.finetuning._parameters import FINETUNER_PARAMETERS

EMBEDDERS = [
    cls
    for name in sklssl.embedding.__all__
    if issubclass(cls := getattr(sklssl.embedding, name), BaseEmbedder)
]
# What each method sets, or explains, in its own way.
OWN_WORDS = {"max_epochs", "batch_size", "learning_rate", "lr_schedule"}


def read_parameters(cls):
    """Give the head and the text of each parameter in the docstring."""
    doc = inspect.getdoc(cls)
    section = re.search(r"Parameters\n-+\n(.*?)\n\nAttributes\n", doc, re.DOTALL).group(1)
    entries = re.findall(r"^(\w+) : (.*)\n((?:    .*\n?|\n)+)", section, re.MULTILINE)
    return {name: (head, " ".join(text.split())) for name, head, text in entries}


@pytest.mark.parametrize(
    "cls",
    [*EMBEDDERS, sklssl.FineTuneClassifier, sklssl.FineTuneRegressor],
)
def test_every_parameter_is_described_with_its_default(cls):
    described = read_parameters(cls)
    signature = inspect.signature(cls).parameters
    assert list(described) == list(signature)
    for name, parameter in signature.items():
        if parameter.default is parameter.empty:
            assert "default=" not in described[name][0]
            continue
        default = re.search(r"default=(.*)$", described[name][0]).group(1)
        assert eval(default) == parameter.default, name


@pytest.mark.parametrize("cls", EMBEDDERS)
def test_shared_parameters_are_described_alike(cls):
    usual = read_parameters(sklssl.RotNetEmbedder)
    described = read_parameters(cls)
    own = OWN_WORDS
    if cls is sklssl.PatchDictionaryEmbedder:  # it trains nothing
        own = own | {"layer", "verbose"}
    for name in inspect.signature(BaseEmbedder).parameters.keys() & described.keys() - own:
        assert described[name][1] == usual[name][1], name


def test_fine_tuning_is_described_alike():
    usual = read_parameters(sklssl.FineTuneClassifier)
    described = read_parameters(sklssl.FineTuneRegressor)
    for name in described:
        assert described[name] == usual[name], name


@pytest.mark.parametrize("table", [EMBEDDER_PARAMETERS, FINETUNER_PARAMETERS])
def test_a_table_says_what_a_docstring_needs(table):
    for name, shared in table.items():
        assert shared.kind, name
        assert shared.constraints, name
        assert re.fullmatch(r'["A-Z0-9].*\.', shared.text, re.DOTALL), name
        assert "default" not in shared.kind + shared.text  # which the signature says


@pytest.mark.parametrize("cls", EMBEDDERS)
def test_attributes_and_references_are_there(cls):
    doc = inspect.getdoc(cls)
    for attribute in ("pretext_", "history_", "n_epochs_", "layer_names_", "image_shape_"):
        assert f"\n{attribute} : " in doc
    for section in ("References", "Examples", "See Also"):
        assert f"\n{section}\n---" in doc
