"""Features that are written by processes that are killed: no row twice, none missing."""

import itertools

import cv2
import pytest

from tests._seed import SEED
from tests.faults._campaign import embed_and_kill, features_in
from tests.faults._jobs import X


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    folder = tmp_path_factory.mktemp("images")
    for i, image in enumerate(X):
        cv2.imwrite(str(folder / f"{i:03}.png"), image)
    return folder


@pytest.fixture(scope="module")
def undisturbed(server, images, tmp_path_factory):
    folder = tmp_path_factory.mktemp("undisturbed") / "features"
    server.run("embed", images=images, folder=folder)
    return features_in(folder)


def test_kills_at_random_moments_of_any_of_three_processes(server, images, tmp_path):
    tally = embed_and_kill(server, images, tmp_path, n_kills=4, seed=SEED)
    assert tally["kills"] >= 4
    assert tally["identical"] == tally["runs"]


def test_kills_at_each_call_that_writes(server, images, tmp_path):
    for at in itertools.count(1):
        running = server.start("embed", images=images, folder=tmp_path, at=at, rows_per_file=20)
        if running.wait() == 0:
            break
    assert at > 9
    whole = tmp_path.with_name("whole")
    server.run("embed", images=images, folder=whole, rows_per_file=20)
    assert features_in(tmp_path) == features_in(whole)


def test_processes_at_the_same_time(server, images, undisturbed, tmp_path):
    running = [server.start("embed", images=images, folder=tmp_path) for _ in range(4)]
    files = [one.result()["files"] for one in running]
    assert all(one == files[0] for one in files)
    assert features_in(tmp_path) == undisturbed
