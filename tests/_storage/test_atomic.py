import errno
import os

import pytest

from sklssl._storage.atomic import write_atomically


def write(content):
    return lambda path: path.write_text(content)


def test_a_file_is_made_and_replaced(tmp_path):
    for content in ("first", "second"):
        write_atomically(tmp_path / "file", write(content))
        assert (tmp_path / "file").read_text() == content
        assert os.listdir(tmp_path) == ["file"]


def test_strings_and_long_names(tmp_path):
    name = "n" * 250  # most systems allow 255
    write_atomically(str(tmp_path / name), write("text"))
    assert os.listdir(tmp_path) == [name]


def test_a_link_keeps_pointing_to_its_target(tmp_path):
    (tmp_path / "target").write_text("old")
    (tmp_path / "link").symlink_to("target")
    write_atomically(tmp_path / "link", write("new"))
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "target").read_text() == "new"


@pytest.mark.parametrize("function", ["fsync", "replace"])
@pytest.mark.parametrize("error", [OSError(errno.ENOSPC, "No space left"), KeyboardInterrupt()])
def test_what_fails_leaves_nothing_behind(function, error, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("old")

    def fail(*args):
        raise error

    monkeypatch.setattr(os, function, fail)
    with pytest.raises(type(error)):
        write_atomically(tmp_path / "file", write("new"))
    assert (tmp_path / "file").read_text() == "old"
    assert os.listdir(tmp_path) == ["file"]


def test_a_writer_that_fails_half_way(tmp_path):
    def half(path):
        path.write_text("ha")
        raise OSError(errno.ENOSPC, "No space left")

    with pytest.raises(OSError, match="No space left"):
        write_atomically(tmp_path / "file", half)
    assert not os.listdir(tmp_path)


def test_bad_paths_are_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="no such folder: '.*nowhere'"):
        write_atomically(tmp_path / "nowhere" / "file", write("text"))
    (tmp_path / "folder").mkdir()
    with pytest.raises(IsADirectoryError, match="folder'$"):
        write_atomically(tmp_path / "folder", write("text"))
    assert os.listdir(tmp_path) == ["folder"]


@pytest.mark.skipif(os.name == "nt", reason="needs named pipes")
def test_what_is_no_ordinary_file_is_not_replaced(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(OSError, match="not a regular file.*pipe"):
        write_atomically(tmp_path / "pipe", lambda part: part.write_text("b"))
    path = tmp_path / "final"
    path.write_text("a")
    path.chmod(0o444)
    with pytest.raises(PermissionError, match="read-only.*final"):
        write_atomically(path, lambda part: part.write_text("b"))
    assert path.read_text() == "a"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["final", "pipe"]


@pytest.mark.skipif(os.name == "nt", reason="needs permissions of files")
def test_the_permissions_stay(tmp_path):
    path = tmp_path / "private"
    path.write_text("a")
    path.chmod(0o600)
    write_atomically(path, lambda part: part.write_text("b"))
    assert path.read_text() == "b"
    assert path.stat().st_mode & 0o777 == 0o600


def test_errors_name_the_file_and_not_its_part(tmp_path):
    def write(part):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with pytest.raises(OSError, match="model.skl") as info:
        write_atomically(tmp_path / "model.skl", write)
    assert info.value.errno == errno.ENOSPC
    assert ".part" not in str(info.value)
