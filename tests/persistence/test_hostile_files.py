"""Files made to do harm, whole and with the right digest: they are refused by name."""

import contextlib
import copy
import functools
import io
import json
import os
import pickle
import subprocess
import sys
import zipfile

import numpy as np
import pytest
import skops.io
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

from sklssl import FineTuneClassifier, RotationDecouplingEmbedder, RotNetEmbedder, SimCLREmbedder
from sklssl._storage.state_file import write_state
from sklssl.exceptions import StateFileError
from sklssl.persistence import load
from sklssl.persistence._estimators import encode_estimators
from tests import _own_method
from tests._own_method import harmful, small_net
from tests._trees import nested, places, put

QUICK = {"max_epochs": 0, "random_state": 0}
HUGE = 2**40


class Code:
    """Makes a file when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (self.path,)


@pytest.fixture(scope="module")
def written(X, y):
    """What save would write of some estimators, by name."""
    embedder = RotNetEmbedder("convnet", **QUICK).fit(X)
    pipe = make_pipeline(embedder, LogisticRegression(max_iter=1000)).fit(X, y)
    tuner = FineTuneClassifier(embedder, max_epochs=1, random_state=0).fit(X, y)
    return {
        "embedder": encode_estimators(embedder),
        "simclr": encode_estimators(SimCLREmbedder("convnet", **QUICK).fit(X)),
        "decoupling": encode_estimators(RotationDecouplingEmbedder("convnet", **QUICK).fit(X)),
        "pipe": encode_estimators(pipe),
        "tuner": encode_estimators(tuner),
    }


@pytest.fixture
def path(tmp_path):
    return tmp_path / "model"


@pytest.fixture
def refuse(written, path):
    """Write one of these after `change` of its last estimator, and see that it is refused."""

    def check(name, change, match, trusted=()):
        nodes = copy.deepcopy(written[name])
        nodes = change(nodes[-1]) or nodes
        write_state(path, nodes, kind="estimator")
        with pytest.raises(StateFileError, match=match):
            load(path, trusted=trusted)
        assert list(path.parent.iterdir()) == [path]

    return check


def test_nothing_changed_is_loaded(written, path):
    for nodes in written.values():
        write_state(path, nodes, kind="estimator")
        load(path)


@pytest.mark.parametrize(
    "name",
    [
        "os:system",
        "os.system",
        "posix:system",
        "builtins:eval",
        "subprocess:Popen",
        "Pipelin",
        "torch.optim:SGD",
        "__main__:RotNetEmbedder",
        ["os:system"],
        {"name": "builtins:eval"},
        None,
        3,
    ],
    ids=str,
)
def test_unknown_classes(name, refuse):
    refuse("embedder", lambda node: node.update({"class": name}), "was not loaded")
    if isinstance(name, str):
        refuse("embedder", lambda node: node.update({"class": name}), name)


@pytest.mark.parametrize(
    "name",
    ["builtins:eval", "os:system", "posix:system", "numpy:load", "torch:load", "sklssl:load"],
)
@pytest.mark.parametrize("parameter", ["backbone", "optimizer", "random_state"])
def test_unknown_functions(name, parameter, refuse, tmp_path):
    hint = rf"refers to '{name}', which is not trusted.*trusted=\[{name.split(':')[1]}\]"
    for value in (
        {"name": name},
        {"partial": [{"name": name}, [f"mkdir {tmp_path}/x"], {"dict": {}}]},
        [({"dict": {"a": {"name": name}}},)],
    ):
        refuse("embedder", lambda node, v=value: node["params"].update({parameter: v}), hint)


@pytest.mark.parametrize(
    "name", ["sklssl.backbones:list_backbones", "torch.optim:SGD", "sklssl.backbones:pool_map"]
)
def test_known_functions_in_the_wrong_place(name, refuse):
    for value in ({"name": name}, {"partial": [{"name": name}, [3, "x"], {"dict": {"a": 1}}]}):
        refuse("embedder", lambda node, v=value: node["params"].update(backbone=v), "Embedder: ")


def test_what_is_trusted_is_all_that_is_called(refuse):
    _own_method.CALLS.clear()
    value = {"name": f"{harmful.__module__}:harmful"}
    for trusted in ((), [small_net]):
        refuse("embedder", lambda node: node["params"].update(backbone=value), "harmful", trusted)
    assert not _own_method.CALLS


@pytest.mark.parametrize(
    ("name", "params"),
    [
        ("simclr", {"projection_dim": HUGE}),
        ("simclr", {"projection_dim": 2**62}),
        ("embedder", {"backbone": "resnet50"}),
        ("embedder", {"backbone": "vit_b_16", "image_size": 2**20}),
        ("embedder", {"backbone": "no such net"}),
        ("embedder", {"backbone": {"partial": [{"name": "sklssl.backbones:make_backbone"}] * 3}}),
        ("embedder", {"max_epochs": -1}),
        ("embedder", {"batch_size": "many"}),
        ("embedder", {"precision": ["float32"]}),
        ("embedder", {"image_size": HUGE * 1.5}),
        ("embedder", {"init_weights": {"weights": "__class__"}}),
        ("embedder", {"random_state": {"random_state": ["MT19937", [1], 0, 0, 0.0]}}),
        ("embedder", {"random_state": {"random_state": None}}),
        ("embedder", {"random_state": {"estimator": HUGE}}),
        ("embedder", {"random_state": {"no such kind": 1}}),
        ("embedder", {"random_state": {"dict": {}, "path": ""}}),
        ("embedder", {"device": {"device": "nowhere"}}),
        ("embedder", {"no_such_parameter": 1}),
        ("embedder", {"self": 1}),
        ("tuner", {"embedder": 5}),
        ("tuner", {"head": "none"}),
        ("tuner", {"head": "mlp"}),
        ("pipe", {"steps": [1, 2]}),
        ("pipe", {"steps": [("a", "fit"), ("b", None)]}),
        ("pipe", {"steps": {"estimator": 0}}),
    ],
    ids=str,
)
def test_parameters(name, params, refuse):
    refuse(name, lambda node: node["params"].update(params), "was not loaded")


def test_a_random_state_that_numpy_would_read_past(refuse):
    state = ["MT19937", np.zeros(624, np.uint32), 10**6, 0, 0.0]
    change = {"random_state": {"random_state": state}}
    refuse("embedder", lambda node: node["params"].update(change), "not a state of a RandomState")


@pytest.mark.parametrize(
    ("name", "learned", "match"),
    [
        ("embedder", {"image_shape_": (10**6, 10**6, 10**6)}, "tensor '.*' is "),
        ("embedder", {"image_shape_": (10**6, 10**6, 2**62)}, "RotNetEmbedder: "),
        ("embedder", {"image_shape_": (8, 8)}, "'image_shape_' of RotNetEmbedder cannot be"),
        ("embedder", {"image_shape_": (8, -8, 1)}, "'image_shape_' of RotNetEmbedder cannot be"),
        ("embedder", {"image_shape_": "8x8"}, "'image_shape_' of RotNetEmbedder cannot be"),
        ("embedder", {"history_": {"dict": {}}}, "'history_' of RotNetEmbedder cannot be"),
        ("embedder", {"value_range_": (0.0, "x")}, "'value_range_' of RotNetEmbedder cannot be"),
        ("embedder", {"n_features_in_": None}, "'n_features_in_' of RotNetEmbedder cannot be"),
        ("embedder", {"feature_names_in_": np.arange(3)}, "'feature_names_in_' of RotNet"),
        ("embedder", {"_sklearn_output_config": {"dict": {"transform": "os"}}}, "_output_config"),
        ("embedder", {"layer_names_": (1, 2)}, "'layer_names_' of RotNetEmbedder cannot be"),
        ("embedder", {"layer_names_": ("a", "b")}, r"has no layers \('a', 'b'\)"),
        ("embedder", {"transform": 1}, "no attribute 'transform'"),
        ("embedder", {"__class__": 1}, "no attribute '__class__'"),
        ("embedder", {"note_": 1}, "no attribute 'note_'"),
        ("tuner", {"embedder_": {"name": "torch.optim:SGD"}}, "'embedder_' of FineTune"),
        ("tuner", {"embedder_": 3}, "'embedder_' of FineTuneClassifier cannot be"),
        ("tuner", {"classes_": np.zeros((2, 2))}, "'classes_' of FineTuneClassifier cannot be"),
        ("tuner", {"classes_": np.arange(10**5)}, "tensor 'output"),
        ("tuner", {"layer_": "block9"}, "FineTuneClassifier: "),
    ],
    ids=str,
)
def test_attributes(name, learned, match, refuse):
    refuse(name, lambda node: node["learned"].update(learned), match)


def test_missing_attributes(written, refuse):
    for name in written["embedder"][-1]["learned"]:
        refuse("embedder", lambda node, n=name: node["learned"].pop(n) and None, f"{name}.*missing")
    refuse("embedder", lambda node: node["learned"].clear(), "missing")
    refuse("embedder", lambda node: node.pop("pretext_") and None, "'pretext_'.*missing")
    for name in ("class", "params", "learned"):
        refuse("embedder", lambda node, n=name: node.pop(n) and None, "save never writes")


def test_tensors(written, refuse):
    name = "backbone.stages.block1.0.weight"
    weight = written["embedder"][-1]["pretext_"][name]

    def put(**tensors):
        return lambda node: node["pretext_"].update(
            {k.replace("__", "."): v for k, v in tensors.items()}
        )

    refuse("embedder", lambda node: node["pretext_"].pop(name) is None, f"'{name}' is missing")
    refuse("embedder", put(**{name: weight[1:]}), f"'{name}' is float32")
    refuse("embedder", put(**{name: weight.double()}), f"'{name}' is float64")
    refuse("embedder", put(**{name: weight.int()}), f"'{name}' is int32")
    for extra in ("more", "head.more", "backbone.stages.block1.0.bias", "nowhere.x", "head."):
        refuse("embedder", put(**{extra: weight}), f"the tensor '{extra}'")
    refuse("embedder", lambda node: node.update(pretext_={}), "is missing")
    refuse("embedder", lambda node: node.update(pretext_=None), "RotNetEmbedder: ")
    refuse("embedder", lambda node: node.update(pretext_={name: 3}), "is missing|has no|RotNet")
    refuse("embedder", lambda node: node.update(head_={"x": weight}), "RotNetEmbedder")
    refuse("tuner", lambda node: node["head_"].update(x=weight), "the tensor 'x'")


@pytest.mark.parametrize("kind", ["list", "tuple", "dict"])
def test_deep_nesting(kind, refuse):
    value = nested(60, kind)
    refuse("embedder", lambda node: node["params"].update(random_state=value), "was not loaded")


@pytest.mark.parametrize("opening", ["[", '{"a":', '{"$tuple":['])
@pytest.mark.parametrize("depth", [900, 100_000])
def test_deep_json(opening, depth, path, monkeypatch):
    marker = "here"
    dumps = json.dumps

    def deep(value, **settings):
        closing = {"[": "]", '{"a":': "}"}.get(opening, "]}")
        return dumps(value, **settings).replace(
            f'"{marker}"', opening * depth + "1" + closing * depth
        )

    monkeypatch.setattr(json, "dumps", deep)
    write_state(path, [marker], kind="estimator")
    monkeypatch.undo()
    with pytest.raises(StateFileError):
        load(path)


@pytest.mark.parametrize(
    "nodes",
    [
        None,
        1,
        "x",
        b"x",
        [],
        {},
        [1],
        [None],
        [[]],
        ["skops"],
        {"class": "skops"},
        [{"class": "skops"}],
        [{"class": "skops", "data": 1}],
        [{"class": "skops", "data": b"no zip"}],
        [{"class": "RotNetEmbedder", "params": 1, "learned": 1}],
        [{"class": "RotNetEmbedder", "params": {"x": 1}, "learned": []}],
        [{"class": torch.zeros(3)}],
        torch.zeros(2),
        np.zeros(2),
    ],
    ids=str,
)
def test_other_trees(nodes, path):
    write_state(path, nodes, kind="estimator")
    with pytest.raises(StateFileError):
        load(path)


# skops -----------------------------------------------------------------------------------------


def zipped(files, compression=zipfile.ZIP_STORED):
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w", compression) as file:
        for name, content in files.items():
            file.writestr(name, content)
    return data.getvalue()


def test_types_that_are_not_trusted(refuse, tmp_path):
    data = skops.io.dumps(functools.partial(os.system, f"mkdir {tmp_path}/x"))
    refuse("embedder", lambda node: [{"class": "skops", "data": data}], "not trusted")
    schema = {
        "__class__": "system", "__module__": "os", "__loader__": "ObjectNode",
        "content": {}, "protocol": 2, "_skops_version": "0.13",
    }  # fmt: skip
    data = zipped({"schema.json": json.dumps(schema)})
    refuse("embedder", lambda node: [{"class": "skops", "data": data}], "was not loaded")


def test_what_skops_loads_must_be_an_estimator(refuse):
    data = skops.io.dumps(np.arange(3))
    refuse("embedder", lambda node: [{"class": "skops", "data": data}], "contains ndarray")


def test_packed_data(refuse):
    data = zipped({"schema.json": b" " * 10**6}, zipfile.ZIP_DEFLATED)
    refuse("embedder", lambda node: [{"class": "skops", "data": data}], "compressed data")
    bomb = zipped({"data.npy": b"\0" * (2**28 + 1)}, zipfile.ZIP_DEFLATED)
    data = zipped({"schema.json": b"{}", "x.npz": bomb})
    refuse("embedder", lambda node: [{"class": "skops", "data": data}], "too large")


def test_a_pickle_is_not_opened(tmp_path, path):
    with open(path, "wb") as file:
        pickle.dump(Code(str(tmp_path / "made")), file)
    with pytest.raises(StateFileError, match=r"it is a pickle.*can run any code.*joblib\.load"):
        load(path)
    assert not (tmp_path / "made").exists()


# Memory ----------------------------------------------------------------------------------------


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="limits memory as Linux does")
def test_nothing_huge_is_allocated(written, path, tmp_path):
    """A process that may take a GiB more than it has reads a file that asks for a million."""
    nodes = copy.deepcopy(written["simclr"])
    nodes[-1]["params"]["projection_dim"] = HUGE
    write_state(path, nodes, kind="estimator")
    nodes = copy.deepcopy(written["embedder"])
    nodes[-1]["learned"]["image_shape_"] = (10**6, 10**6, 10**6)
    write_state(tmp_path / "other", nodes, kind="estimator")
    code = """
import resource, sys
import sklssl
from sklssl import persistence, SimCLREmbedder
from sklssl.exceptions import StateFileError
size = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (size + 2**30, size + 2**30))
for path in sys.argv[1:]:
    try:
        sklssl.load(path)
    except StateFileError as error:
        assert "projection_dim" in str(error) or "is float32" in str(error), error
    else:
        raise AssertionError
"""
    files = [str(path), str(tmp_path / "other")]
    subprocess.run([sys.executable, "-c", code, *files], check=True)


# Anything, anywhere ----------------------------------------------------------------------------

VALUES = [
    None, True, -1, 2**70, 1.5, float("nan"), "", "x", "resnet50", "skops", "os:system", b"PK", [],
    {}, (), [1], {"estimator": 0}, {"estimator": HUGE}, {"name": "os:system"}, {"dict": {"a": 1}},
    {"partial": [1, 2, 3]}, {"path": "/etc"}, {"device": "cuda:99"}, {"random_state": []},
    np.arange(3), np.array(["a"]), torch.zeros(3), {"x": torch.zeros(1)}, HUGE, (10**6, 10**6, 3),
]  # fmt: skip


@pytest.mark.parametrize("name", ["embedder", "decoupling", "pipe", "tuner"])
def test_anything_anywhere_is_loaded_or_refused(name, written, path):
    rng = np.random.default_rng(0)
    every = list(places(written[name]))
    for _ in range(80):
        place, value = every[rng.integers(len(every))], VALUES[rng.integers(len(VALUES))]
        write_state(path, put(written[name], place, value), kind="estimator")
        with contextlib.suppress(StateFileError):
            load(path)
    assert list(path.parent.iterdir()) == [path]
