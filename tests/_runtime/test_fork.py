"""A process that was forked from one that has computed computes, too."""

import os
import subprocess
import sys

import pytest

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


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there are no forks here")
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
