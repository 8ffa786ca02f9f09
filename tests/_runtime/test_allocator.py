import subprocess
import sys

import pytest
import torch

from sklssl import RotNetEmbedder
from sklssl._runtime import allocator
from sklssl._runtime.allocator import retain_freed_memory

CPU = torch.device("cpu")


class Recorder:
    """A C library that only remembers what it was told."""

    def __init__(self):
        self.calls = []

    def mallopt(self, option, value):
        self.calls.append((option, value))

    def malloc_trim(self, pad):
        self.calls.append("trim")


@pytest.fixture
def libc(monkeypatch):
    libc = Recorder()
    monkeypatch.setattr(allocator, "_glibc", lambda: libc)
    return libc


KEPT, USUAL = list(allocator._KEEP.items()), [*allocator._usual().items(), "trim"]


def test_what_was_set_is_set_back(libc):
    with retain_freed_memory(CPU):
        assert libc.calls == KEPT
    assert libc.calls == KEPT + USUAL


def test_also_after_an_error(libc):
    with pytest.raises(KeyboardInterrupt), retain_freed_memory(CPU):
        raise KeyboardInterrupt
    assert libc.calls == KEPT + USUAL


def test_the_outermost_block_alone_sets(libc):
    with retain_freed_memory(CPU):
        with retain_freed_memory(CPU):
            pass
        assert libc.calls == KEPT
    assert libc.calls == KEPT + USUAL


def test_only_where_the_processor_computes(libc):
    with retain_freed_memory(torch.device("cuda")):
        pass
    assert libc.calls == []


def test_a_transform_within_a_fit_does_not_end_it(libc, X):
    """As a callback does that watches the features."""
    watch = [lambda embedder, row: embedder.transform(X)]
    RotNetEmbedder(max_epochs=2, callbacks=watch, random_state=0).fit(X)
    assert libc.calls == KEPT + USUAL


def test_what_variables_say_is_set_back(libc, monkeypatch):
    monkeypatch.setenv("MALLOC_TRIM_THRESHOLD_", "65536")
    monkeypatch.setenv("MALLOC_MMAP_MAX_", "many")
    with retain_freed_memory(CPU):
        assert libc.calls == KEPT
    before, after = dict(USUAL[:-1]), dict(libc.calls[len(KEPT) : -1])
    assert after == {**before, allocator._TRIM_THRESHOLD: 65536}


@pytest.mark.skipif(sys.platform != "linux", reason="only glibc is told anything")
def test_an_allocator_that_the_user_has_set_stays():
    code = "from sklssl._runtime.allocator import _glibc; print(_glibc())"
    out = subprocess.run(
        [sys.executable, "-c", code],
        env={"GLIBC_TUNABLES": "glibc.malloc.arena_max=1"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert out.stdout.strip() == "None"
