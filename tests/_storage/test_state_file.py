import json
import os
import struct

import numpy as np
import pytest
import safetensors.torch
import torch
from numpy.testing import assert_array_equal

from sklssl._storage.state_file import read_state, write_state
from sklssl.exceptions import StateFileError

TREE = {
    "plain": [None, True, 1, -(2**70), 0.1, float("inf"), "text", "\ud7ff \n", ()],
    "nested": {"a": ({"b": []}, {}), "c": [[1], (2, (3,))]},
    "numbers": [np.float64(0.1), np.int32(3), np.bool_(True), np.str_("s")],
    "keys": {1: "a", (2, "x"): "b", None: "c", 0.5: "d"},
    "marks": {"$tensor": 1, "$dict": {"$": 2}},
    "bytes": b"\0\xff",
    "none": b"",
    "weights": {"a.b": torch.rand(2, 3), "c": torch.tensor(4)},
    "half": torch.rand(3).bfloat16(),
    "arrays": [np.arange(6).reshape(2, 3).T, np.zeros((0, 2), np.uint8), np.array(3.0)],
    "unsigned": [np.array([2**64 - 1, 0], np.uint64), np.array(7, ">u2")],
    "times": [
        np.array(["2020-02-29", "NaT"], "M8[us]"),
        np.array([[1], [-2]], ">m8[D]"),
        np.array("2020", "M8[Y]"),
    ],
    "strings": [
        np.array(["a", "long"]),
        np.array("é\U0001f600"),
        np.array([["x"]], ">U9"),
        np.array([["b"], ["c"]], dtype=object),
    ],
}


@pytest.fixture
def path(tmp_path):
    return tmp_path / "state"


def assert_same(one, other):
    assert type(one) is type(other)
    if isinstance(one, torch.Tensor):
        assert one.dtype == other.dtype
        assert torch.equal(one, other)
    elif isinstance(one, np.ndarray):
        assert one.dtype == other.dtype.newbyteorder("=")
        assert_array_equal(one, other)
    elif isinstance(one, dict):
        assert one.keys() == other.keys()
        for key in one:
            assert_same(one[key], other[key])
    elif isinstance(one, list | tuple):
        assert len(one) == len(other)
        for item, twin in zip(one, other, strict=True):
            assert_same(item, twin)
    else:
        assert one == other


def test_round_trip(path):
    write_state(path, TREE, kind="estimator")
    assert_same(read_state(path, kind="estimator"), TREE)
    before = path.read_bytes()
    write_state(path, TREE, kind="estimator")
    assert path.read_bytes() == before


def test_layouts(path):
    weights = torch.rand(2, 3, 4, 5).to(memory_format=torch.channels_last)
    big_endian = np.arange(3, dtype=">i4")
    write_state(path, [weights, big_endian], kind="estimator")
    tensor, array = read_state(path, kind="estimator")
    assert torch.equal(tensor, weights)
    assert array.dtype == np.dtype("int32")
    assert_array_equal(array, big_endian)
    tensor.zero_()  # it can be written to
    array[0] = 7


def test_other_programs_read_the_tensors(path):
    write_state(path, TREE, kind="estimator")
    tensors = safetensors.torch.load_file(path)
    assert torch.equal(tensors["weights/a.b"], TREE["weights"]["a.b"])


@pytest.mark.parametrize(
    "value",
    [
        object(),
        {1, 2},
        np.complex64(1j),
        np.zeros(2, complex),
        np.longdouble(1),
        np.timedelta64(3, "s"),
        np.array([object()]),
        range(3),
        torch.nn.ReLU,
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_cannot_be_written_is_named(value, path):
    with pytest.raises(TypeError, match="at 'a/0' cannot be written"):
        write_state(path, {"a": [value]}, kind="estimator")
    assert not path.exists()


@pytest.mark.parametrize(
    "tensor", [torch.zeros(2).to_sparse(), torch.zeros(2, dtype=torch.complex128)]
)
def test_tensors_that_the_format_does_not_have(tensor, path):
    with pytest.raises(TypeError, match="cannot be written"):
        write_state(path, {"a": [tensor]}, kind="estimator")


def test_tensors_that_share_memory(path):
    queue = torch.arange(8.0).reshape(4, 2)
    tree = {"queue": queue, "newest": queue[2:], "oldest": queue[:2], "same": [queue]}
    write_state(path, tree, kind="estimator")
    assert_same(read_state(path, kind="estimator"), tree)


# Reading what is not right ---------------------------------------------------------------------


def test_kind_and_version(path, monkeypatch):
    write_state(path, 1, kind="checkpoint")
    with pytest.raises(StateFileError, match="its kind is 'checkpoint', but 'estimator' is needed"):
        read_state(path, kind="estimator")
    monkeypatch.setattr("sklssl._storage.state_file.FORMAT_VERSION", 2)
    write_state(path, 1, kind="checkpoint")
    monkeypatch.undo()
    with pytest.raises(StateFileError, match="later version of sklssl. Update"):
        read_state(path, kind="checkpoint")


def test_every_damage_is_noticed(path):
    write_state(path, {"w": torch.arange(5), "text": "here"}, kind="estimator")
    whole = path.read_bytes()
    for place in range(len(whole)):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        with pytest.raises(StateFileError):
            read_state(path, kind="estimator")
    for length in (0, 4, 8, 20, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:length])
        with pytest.raises(StateFileError):
            read_state(path, kind="estimator")
    path.write_bytes(whole + b"x")
    with pytest.raises(StateFileError):
        read_state(path, kind="estimator")


def test_headers_that_lie(path):
    for length in (2**63, 10**8 + 1, 100):
        path.write_bytes(struct.pack("<Q", length) + b"{}")
        with pytest.raises(StateFileError):
            read_state(path, kind="estimator")
    path.write_bytes(safetensors.torch.save({"a": torch.zeros(2)}, {"sklssl": "[]"}))
    with pytest.raises(StateFileError, match="corrupt, or not a file of sklssl"):
        read_state(path, kind="estimator")


@pytest.mark.parametrize("name", ["pipe", "folder"])
def test_what_is_no_file(name, tmp_path):
    if name == "pipe":
        os.mkfifo(tmp_path / name)
    else:
        (tmp_path / name).mkdir()
    with pytest.raises(StateFileError, match="it is not a regular file"):
        read_state(tmp_path / name, kind="estimator")
    with pytest.raises(FileNotFoundError):
        read_state(tmp_path / "nothing", kind="estimator")


@pytest.mark.parametrize(
    "state",
    [
        {"$tensor": "none"},
        {"$tensor": ["w"]},
        [{"$tensor": "w"}, {"$tensor": "w"}],
        [{"$bytes": "w"}] * 3,
        {"$array": None},
        {"$bytes": 3},
        {"$strings": [[2**40], ["a"]]},
        {"$strings": [[1], [3]]},
        {"$strings": "a"},
        {"$unsigned": "none"},
        {"$unsigned": ["w"]},
        {"$text": [1, [3], "w"]},
        {"$text": [1000000000, [1], "codes"]},
        {"$text": [0, [4], "codes"]},
        {"$text": ["x", [4], "codes"]},
        {"$text": [1, [2**40], "codes"]},
        {"$text": [1, [1], "wrong"]},
        {"$times": ["i8", "codes"]},
        {"$times": ["O", "codes"]},
        {"$times": ["M8[x]", "codes"]},
        {"$number": ["O", 1]},
        {"$number": ["V1000000000", 1]},
        {"$number": ["f8", "x"]},
        {"$tuple": 3},
        {"$dict": [[[1], 2]]},
        {"$dict": 1},
    ],
    ids=str,
)
def test_marks_that_are_never_written(state, path, monkeypatch):
    dumps = json.dumps

    def other(about, **settings):
        return dumps({**about, "state": state}, **settings)

    monkeypatch.setattr(json, "dumps", other)
    tensors = {
        "w": torch.zeros(3, dtype=torch.uint8),
        "codes": torch.full((4,), 97, dtype=torch.int32),
        "wrong": torch.full((1,), -1, dtype=torch.int32),
    }
    write_state(path, tensors, kind="estimator")
    monkeypatch.undo()
    with pytest.raises(StateFileError, match="corrupt, or not a file of sklssl"):
        read_state(path, kind="estimator")


def test_keys_with_slashes_stay_apart(path):
    tree = {
        "a": {"b/c": torch.zeros(2), "more": 1},
        "a/b": {"c": torch.ones(2)},
        "x%2Fy": {"%": torch.tensor(3)},
    }
    write_state(path, tree, kind="test")
    found = read_state(path, kind="test")
    assert found["a"]["b/c"].tolist() == [0, 0]
    assert found["a/b"]["c"].tolist() == [1, 1]
    assert found["x%2Fy"]["%"] == 3
