"""A process that was forked from one that has computed computes, too."""

import os
import subprocess
import sys
import threading

import pytest

from sklssl._runtime import allocator, device, generators
from sklssl.backbones import _traced

forks = pytest.mark.skipif(not hasattr(os, "fork"), reason="there are no forks here")

SCRIPT = """
import multiprocessing

import torch

from sklssl import RotNetEmbedder
from sklssl.datasets import load_digit_images

X = load_digit_images().images[:80]
torch.set_num_threads(2)
embedder = RotNetEmbedder(max_epochs=1, random_state=0).fit(X)
expected = embedder.transform(X)


def child(queue):
    for trained in (embedder, RotNetEmbedder(max_epochs=1).fit(X)):
        queue.put((torch.get_num_threads(), trained.transform(X).shape))


context = multiprocessing.get_context("fork")
queue = context.Queue()
process = context.Process(target=child, args=(queue,), daemon=True)
process.start()
for _ in range(2):
    print(*queue.get(timeout=60), torch.get_num_threads())
"""


@forks
def test_a_forked_process_computes():
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT],
        env={**os.environ, "OMP_NUM_THREADS": "2"},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.stdout.splitlines() == 2 * ["1 (80, 5248) 2"], done.stderr


@forks
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of forks beside threads
@pytest.mark.parametrize(
    "lock", [generators.RNG_LOCK, device._dtype_lock, allocator._lock, _traced._TRACING]
)
def test_no_lock_stays_closed_that_another_thread_held(lock):
    held, done = threading.Event(), threading.Event()

    def hold():
        with lock.hold():
            held.set()
            done.wait()

    thread = threading.Thread(target=hold)
    thread.start()
    held.wait()
    child = os.fork()
    if child == 0:
        os._exit(0 if lock.hold().acquire(timeout=5) else 1)
    _, status = os.waitpid(child, 0)
    done.set()
    thread.join()
    assert status == 0
