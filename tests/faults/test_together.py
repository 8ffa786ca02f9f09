"""Fits at the same time: what one writes is not overwritten or read half by another."""

import os
import time

import cv2
import pytest

from tests.faults._jobs import X
from tests.faults._server import LONGEST


def wait_for(path):
    for _ in range(100 * LONGEST):
        if path.exists():
            return
        time.sleep(0.01)
    raise TimeoutError(path)


def test_a_folder_in_use_is_left_alone_until_its_user_is_killed(server, tmp_path):
    folder, ready = tmp_path / "checkpoints", tmp_path / "ready"
    first = server.start("fit_then_wait", folder=folder, ready=ready)
    wait_for(ready)
    second = server.run("fit", case="RotNet", folder=folder, notes=tmp_path / "second")
    assert (tmp_path / "second").read_text().startswith("found -1 0")
    first.kill()
    third = server.run("fit", case="RotNet", folder=folder, notes=tmp_path / "notes")
    # Its second epoch had ended, and its last step was saved.
    assert (tmp_path / "notes").read_text().startswith("found 1 4")
    undisturbed = server.run("fit", case="RotNet")["digest"]
    assert second["digest"] == third["digest"] == undisturbed


def test_one_cache_of_images(server, tmp_path):
    (tmp_path / "images").mkdir()
    for i, image in enumerate(X):
        cv2.imwrite(str(tmp_path / "images" / f"{i:03}.png"), image)
    job = {"paths": tmp_path / "images"}
    alone = server.run("fit_files", **job, cache_dir=tmp_path / "alone")
    at_once = [server.start("fit_files", **job, cache_dir=tmp_path / "both") for _ in range(3)]
    assert [running.result() for running in at_once] == [alone] * 3
    assert server.run("fit_files", **job, cache_dir=tmp_path / "both") == alone


def test_clones_in_one_folder(server, tmp_path):
    rates = [0.05, 0.1, 0.1]
    alone = [server.run("fit_clone", learning_rate=rate) for rate in rates]
    job = {"folder": tmp_path / "checkpoints"}
    at_once = [server.start("fit_clone", **job, learning_rate=rate) for rate in rates]
    assert [running.result() for running in at_once] == alone


@pytest.fixture(scope="module")
def undisturbed(server, tmp_path_factory):
    return server.run("search", tally=tmp_path_factory.mktemp("undisturbed") / "tally")


def test_a_search_of_two_processes(server, tmp_path, undisturbed):
    folder, tally = tmp_path / "checkpoints", tmp_path / "tally"
    assert server.run("search", tally=tally, folder=folder, n_jobs=2) == undisturbed
    assert len(os.listdir(folder)) == 5  # of two rates on two folds, and the best on all images
    assert len(tally.read_text().splitlines()) == 5 * 4


def test_a_search_that_loses_a_worker_goes_on(server, tmp_path, undisturbed):
    job = {"tally": tmp_path / "tally", "folder": tmp_path / "checkpoints", "kill_at": [0.05, 3]}
    broken = server.run("search", **job, n_jobs=2)
    assert broken["error"] in {"TerminatedWorkerError", "BrokenProcessPool"}
    assert server.run("search", **job) == undisturbed
    # Each of the two workers lost what it had not saved yet: at most the epoch that it had noted.
    epochs = (tmp_path / "tally").read_text().splitlines()
    assert 5 * 4 <= len(epochs) <= 5 * 4 + 2
    assert server.run("search", **job) == undisturbed
    assert (tmp_path / "tally").read_text().splitlines() == epochs


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write")
def test_a_folder_that_cannot_be_written(server, tmp_path):
    tmp_path.chmod(0o500)
    running = server.start("fit", case="RotNet", folder=tmp_path)
    assert running.wait() == 1
    assert "ValueError: The 'checkpoint_dir' parameter of RotNet" in running.messages()
    tmp_path.chmod(0o700)


def test_a_folder_that_is_a_file(server, tmp_path):
    (tmp_path / "file").touch()
    running = server.start("fit", case="RotNet", folder=tmp_path / "file")
    assert running.wait() == 1
    assert "ValueError: The 'checkpoint_dir' parameter of RotNet" in running.messages()
