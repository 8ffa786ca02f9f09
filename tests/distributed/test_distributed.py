"""The same script in one process and in two that torchrun starts."""

import subprocess
import sys

import pytest
import torch
import torch.distributed as dist

from tests.distributed._cases import CASES, RESUMED, fitted, interrupt, run

pytestmark = pytest.mark.skipif(
    not (dist.is_available() and dist.is_gloo_available()), reason="needs gloo"
)

# Shares of images, which a single image that is on the edge changes.
SHARES = {"accuracy", "agreement", "valid_accuracy"}


def torchrun(module, *args, n_processes=2):
    """Start processes that run a module of the tests; return when all of them have ended."""
    command = [sys.executable, "-m", "torch.distributed.run", f"--nproc-per-node={n_processes}"]
    return subprocess.run(
        [*command, "-m", f"tests.distributed.{module}", *map(str, args)],
        capture_output=True,
        text=True,
        timeout=300,
    )


@pytest.fixture(scope="module")
def ranks(tmp_path_factory):
    """What each of two processes has seen."""
    folder = tmp_path_factory.mktemp("ranks")
    with pytest.raises(InterruptedError):
        run(folder / "begun", interrupt)
    ended = torchrun("_worker", folder)
    assert ended.returncode == 0, ended.stderr
    return [torch.load(folder / f"rank{rank}.pt", weights_only=False) for rank in range(2)]


@pytest.mark.parametrize("case", CASES)
def test_two_processes_learn_what_one_learns(ranks, case):
    one, start = fitted(case), fitted(case, learns=False)
    two = ranks[0]["cases"][case]
    for row, twin in zip(one["history"], two["history"], strict=True):
        for name in row:
            tolerance = 0.06 if name in SHARES else 1e-4
            assert twin[name] == pytest.approx(row[name], rel=1e-3, abs=tolerance), name
    learned = (one["weights"] - start["weights"]).norm()
    assert learned > 0 or not one["history"]  # nothing is trained
    assert (two["weights"] - one["weights"]).norm() <= 0.02 * learned
    assert (two["features"] - one["features"]).norm() <= 2e-3 * one["features"].norm()
    for name, state in one["state"].items():
        difference = (two["state"][name].double() - state.double()).norm()
        assert difference <= 0.01 * state.double().norm() + 1e-5, name


@pytest.mark.parametrize("case", CASES)
def test_all_processes_have_the_same_in_the_end(ranks, case):
    first, second = (found["cases"][case] for found in ranks)
    assert first["history"] == second["history"]
    torch.testing.assert_close(first, second, rtol=0, atol=0)


@pytest.fixture
def mistake(ranks, request):
    """How each of two processes ended."""
    return [found["mistakes"][request.param] for found in ranks]


def on(name):
    return pytest.mark.parametrize("mistake", [name], indirect=True)


@pytest.mark.parametrize(
    ("mistake", "different"),
    [
        ("other images", "the content of X"),
        ("fewer images", "the shape of X"),
        ("other parameter", "the parameter 'pool_size' differs: 1 in rank 0 and 2 in rank 1"),
        ("other seed", "the parameter 'random_state' differs: 0 in rank 0 and 1 in rank 1"),
        ("other estimator", "RotNetEmbedder in rank 0 and SimCLREmbedder in rank 1"),
    ],
    indirect=["mistake"],
)
def test_processes_that_differ(mistake, different):
    for found in mistake:
        assert found["message"].startswith("ValueError: ")
        assert "every process must call the same fit" in found["message"]
        assert different in found["message"]


@pytest.mark.parametrize(
    ("mistake", "rank", "cause"),
    [
        ("rank 0 fails", 0, "MemoryError: "),
        ("rank 1 fails", 1, "MemoryError: "),
        ("callback raises", 0, "KeyError: 'mine'"),
    ],
    indirect=["mistake"],
)
def test_all_end_if_one_fails(mistake, rank, cause):
    assert mistake[rank]["message"].startswith(cause)
    other = mistake[1 - rank]["message"]
    assert other.startswith(f"DistributedError: RotNetEmbedder: rank {rank} of 2 failed: {cause}")


@pytest.mark.parametrize(
    ("mistake", "what"),
    [
        ("NaN in rank 0", "loss became nan in epoch 2"),
        ("NaN in rank 1", "loss became nan in epoch 2"),
        ("NaN in a weight", "loss became nan in epoch 2"),
        ("NaN in statistics", "outputs of the trained network"),
    ],
    indirect=["mistake"],
)
def test_divergence(mistake, what):
    for found in mistake:
        assert found["message"] == "no error"
        assert len(found["history"]) == 1  # those of the last good epoch
    (warning,), none = (found["warnings"] for found in mistake)
    assert what in warning
    assert not none


@on("callback stops")
def test_callbacks_are_called_in_the_first_process_only(mistake):
    assert [found["seen"] for found in mistake] == [[1, 2], []]
    for found in mistake:
        assert [row["mine"] for row in found["history"]] == [10, 20]


@on("no seed")
def test_without_a_seed_all_processes_take_that_of_the_first(mistake):
    assert mistake[0]["history"] == mistake[1]["history"]


def test_no_group_is_left_open(ranks):
    for found in ranks:
        assert not any(ended["in a group"] for ended in found["mistakes"].values())


def test_a_group_of_the_user_survives_what_fails_everywhere(ranks):
    first, second = (found["own group"] for found in ranks)
    assert first["kinds"] == second["kinds"] == [("ValueError", True)] * 2
    assert first["loss"] == second["loss"]


def test_fits_within_joblib_are_of_one_process(ranks):
    assert [found["searches"]["alone"] for found in ranks] == [1, 2]


def test_cross_validation_and_scores(ranks):
    first, second = (found["searches"] for found in ranks)
    assert first["together"].tolist() == second["together"].tolist()
    assert first["score"] != second["score"]  # of other images


def test_a_run_of_one_process_continues_in_two(ranks):
    undisturbed = fitted(RESUMED)["weights"]
    assert [found["resumed"]["n_called"] for found in ranks] == [1, 0]  # the second epoch of two
    for resumed in (found["resumed"] for found in ranks):
        assert (resumed["weights"] - undisturbed).norm() <= 1e-4 * undisturbed.norm()


def test_a_run_of_two_processes_that_was_killed_continues_in_one(tmp_path):
    ended = torchrun("_killed", tmp_path, 1)
    assert "rank      : 1" in ended.stderr.split("Root Cause")[1]
    resumed, undisturbed = run(tmp_path), fitted(RESUMED)["weights"]
    assert resumed["n_called"] == 1
    assert (resumed["weights"] - undisturbed).norm() <= 1e-4 * undisturbed.norm()
