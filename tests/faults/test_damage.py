"""Files that are damaged, of another kind or made to do harm are refused, and no code is run."""

import pytest

from tests._seed import SEED


@pytest.fixture(scope="module")
def files(server, tmp_path_factory):
    folder = tmp_path_factory.mktemp("files")
    server.run("make_files", folder=folder)
    return folder


@pytest.mark.parametrize("kind", ["checkpoint", "model"])
def test_damaged_files_are_refused(server, files, kind):
    result = server.run("read_damaged", kind=kind, folder=files, n=300, seed=SEED)
    assert result == {"tried": 300, "refused": 300, "wrong": [], "code_ran": False}


@pytest.mark.parametrize(("kind", "n"), [("checkpoint", 60), ("model", 100)])
def test_tampered_files_are_read_or_refused(server, files, kind, n):
    result = server.run("read_tampered", kind=kind, folder=files, n=n, seed=SEED)
    assert result["wrong"] == []
    assert result["refused"] > n // 2
