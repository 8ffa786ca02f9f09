"""Disks that are full, fail or are gone: the training goes on, and what was saved stays whole."""

import errno
import os

import pytest

from sklssl._storage.state_file import read_state
from sklssl.exceptions import CheckpointWarning, StateFileError
from tests._determinism import digest
from tests.faults._campaign import leftovers
from tests.faults._jobs import X, make

ERRORS = [errno.ENOSPC, errno.EIO]
# Of these calls the last two put the folder on the disk, too; a file is safe without.
N_CALLS, N_NEEDED = 9, 7


@pytest.fixture(scope="module")
def undisturbed(server):
    return server.run("fit", case="RotNet")["digest"]


def check(server, folder, result, undisturbed):
    """Check that a fit in trouble ended as without, and that one goes on from what it left."""
    assert result["digest"] == undisturbed
    assert not leftovers(folder)
    again = server.run("fit", case="RotNet", folder=folder, every="epoch")
    assert again["digest"] == undisturbed
    assert again["warnings"] == []


@pytest.mark.parametrize("at", range(1, N_CALLS + 1))
def test_each_call_fails_once(server, tmp_path, at, undisturbed):
    error, at_second = ERRORS[at % 2], N_CALLS + at
    trouble = {"at": at_second, "error": error}
    result = server.run("fit", case="RotNet", folder=tmp_path, every="epoch", trouble=trouble)
    messages = [os.strerror(error) in message for message in result["warnings"]]
    assert messages == [True] * (at <= N_NEEDED)
    check(server, tmp_path, result, undisturbed)


@pytest.mark.parametrize("at", [1, N_CALLS + 3])
def test_all_later_calls_fail(server, tmp_path, at, undisturbed):
    trouble = {"at": at, "error": errno.ENOSPC, "lasting": True}
    result = server.run("fit", case="RotNet", folder=tmp_path, every="epoch", trouble=trouble)
    assert all(w.startswith("CheckpointWarning") for w in result["warnings"])
    assert len(result["warnings"]) == (5 if at == 1 else 4)
    check(server, tmp_path, result, undisturbed)


@pytest.mark.parametrize("n_bytes", [0, 1, 100_000])
def test_files_that_may_not_grow(server, tmp_path, n_bytes, undisturbed):
    result = server.run("fit_with_small_files", folder=tmp_path, n_bytes=n_bytes)
    assert all(os.strerror(errno.EFBIG) in message for message in result["warnings"])
    assert len(result["warnings"]) == 4
    check(server, tmp_path, result, undisturbed)


def test_folder_that_is_removed(server, tmp_path, undisturbed):
    folder = tmp_path / "checkpoints"
    result = server.run("fit_while_removed", folder=folder)
    assert result["digest"] == undisturbed
    assert set(result["warnings"]) == {"CheckpointWarning"}
    assert not folder.exists()


@pytest.mark.parametrize("error", ERRORS)
def test_saving_over_a_file(server, tmp_path, error):
    *struck, last = server.run("save_in_trouble", path=tmp_path / "model", error=error)
    assert len(struck) == N_CALLS
    for outcome in struck[:N_NEEDED]:
        assert outcome["raised"] == error
        assert outcome["as_it_was"]
    for outcome in [*struck[N_NEEDED:], last]:
        assert outcome["raised"] is None
        assert not outcome["as_it_was"]
    for outcome in [*struck, last]:
        assert outcome["whole"]
        assert outcome["files"] == ["model"]


@pytest.mark.parametrize("n_bytes", [0, 5_000, 100_000])
def test_saving_over_a_file_that_may_not_grow(server, tmp_path, n_bytes):
    result = server.run("save_with_small_files", path=tmp_path / "model", n_bytes=n_bytes)
    assert result == {"raised": errno.EFBIG, "as_it_was": True, "files": ["model"]}


def test_a_checkpoint_that_the_disk_does_not_give(tmp_path, monkeypatch):
    def fit():
        return make("RotNet", folder=tmp_path, max_epochs=2, every="epoch").fit(X)

    def read(path, kind):
        if path.name in broken:
            raise OSError(errno.EIO, os.strerror(errno.EIO), str(path))
        return read_state(path, kind=kind)

    undisturbed = digest(fit())
    monkeypatch.setattr("sklssl._training.checkpoints.read_state", read)
    broken = {"checkpoint-00000003.safetensors"}
    with pytest.warns(CheckpointWarning, match="Input/output error.* The previous one is used"):
        assert digest(fit()) == undisturbed
    broken = {path.name for path in tmp_path.rglob("*.safetensors")}
    with pytest.raises(StateFileError, match="Input/output error.* no other checkpoint"):
        fit()
