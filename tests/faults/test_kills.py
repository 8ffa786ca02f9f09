"""Fits that are killed at any moment: what was saved is there, and the end is the same."""

import itertools

import pytest

from tests._seed import SEED
from tests.faults._campaign import kill_again_and_again, leftovers
from tests.faults._jobs import CASES

N_CALLS = 9  # that write one checkpoint


@pytest.mark.parametrize("case", CASES)
def test_kills_at_random_moments(server, case, tmp_path):
    tally = kill_again_and_again(server, case, tmp_path, n_kills=2, seed=SEED)
    assert tally["identical"] == tally["kills"] >= 2
    assert tally["lost"] == 0


def test_kills_at_each_stage_of_writing(server, tmp_path):
    job = {"case": "RotNet", "max_epochs": 2}
    undisturbed = server.run("fit", **job)["digest"]
    job["folder"] = tmp_path / "checkpoints"
    for at in itertools.count(1):
        running = server.start("fit", **job, trouble={"at": at})
        if running.wait() == 0:
            break
    assert at > N_CALLS
    assert running.result()["digest"] == undisturbed
    assert not leftovers(tmp_path)
