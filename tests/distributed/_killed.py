"""Processes that write checkpoints, of which one is killed in the second epoch."""

import os
import signal
import sys

from sklssl.embedding._rotnet import RotationPretext
from tests.distributed._cases import run


def kill_in_second_epoch(rank):
    views, n_calls = RotationPretext.views, 0

    def changed(task, images, rng, index):
        nonlocal n_calls
        n_calls += 1
        if int(os.environ["RANK"]) == rank and n_calls == 5:
            os.kill(os.getpid(), signal.SIGKILL)
        return views(task, images, rng, index)

    RotationPretext.views = changed


if __name__ == "__main__":
    kill_in_second_epoch(int(sys.argv[2]))
    run(sys.argv[1])
