"""SIGTERM and Ctrl-C: the step is done, a checkpoint is written, then they do what they do."""

import signal

import pytest

from tests._seed import SEED
from tests.faults._campaign import kill_again_and_again

AT = 6  # the second step of the second epoch


@pytest.fixture
def undisturbed(server):
    return server.run("fit", case="RotNet")["digest"]


@pytest.fixture
def job(tmp_path):
    return {"at": AT, "notes": tmp_path / "notes", "folder": tmp_path / "checkpoints"}


def saved(job):
    """Give the epochs and steps that were done at each saving."""
    lines = job["notes"].read_text().splitlines()
    return [tuple(map(int, line.split()[1:3])) for line in lines if line.startswith("saved")]


def end(server, job):
    return server.run("fit", case="RotNet", folder=job["folder"], every="epoch")["digest"]


def test_sigterm_saves_and_kills(server, job, undisturbed):
    running = server.start("fit_with_a_signal", number=signal.SIGTERM, **job)
    assert running.wait() == -signal.SIGTERM
    assert saved(job) == [(1, 0), (1, 2)]
    assert end(server, job) == undisturbed


def test_a_handler_that_lets_it_go_on(server, job, undisturbed):
    result = server.run("fit_with_a_handler", number=signal.SIGTERM, **job)
    assert result == {"calls": 1, "digest": undisturbed}
    assert saved(job) == [(1, 0), (1, 2), (2, 0), (3, 0), (4, 0), (4, 0)]


def test_ctrl_c_saves_and_interrupts(server, job, undisturbed):
    result = server.run("fit_interrupted", **job)
    assert result == {"as_it_was": True, "handler": True, "digest": undisturbed}
    assert saved(job)[:2] == [(1, 0), (1, 2)]


def test_ctrl_c_twice_does_not_wait(server, job, undisturbed):
    result = server.run("fit_interrupted", n_times=2, **job)
    assert result == {"as_it_was": True, "handler": True, "digest": undisturbed}
    assert saved(job)[:2] == [(1, 0), (2, 0)]


def test_sigterm_in_another_thread_kills_at_once(server, job, undisturbed):
    running = server.start("fit_in_a_thread", number=signal.SIGTERM, **job)
    assert running.wait() == -signal.SIGTERM
    assert saved(job) == [(1, 0)]
    assert end(server, job) == undisturbed


def test_ctrl_c_leaves_other_threads_alone(server, job, undisturbed):
    result = server.run("fit_in_a_thread", number=signal.SIGINT, **job)
    assert result == {"digest": undisturbed}


@pytest.mark.parametrize("case", ["RotationDecoupling", "FineTune"])
def test_random_signals_at_random_moments(server, case, tmp_path):
    signals = [signal.SIGTERM, signal.SIGINT, signal.SIGKILL]
    tally = kill_again_and_again(server, case, tmp_path, n_kills=5, seed=SEED, signals=signals)
    assert tally["identical"] == tally["kills"] >= 5
    assert tally["lost"] == 0
