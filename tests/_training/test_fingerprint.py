"""What distinguishes one training run from another."""

import functools
import subprocess
import sys

import numpy as np
import pytest
import torch

from sklssl._training.fingerprint import canonical_repr


def make(width, activation=torch.nn.ReLU):
    def build(in_channels, image_size):
        return [width, activation]

    return build


class Builder:
    def __init__(self, width):
        self.width = width

    def __call__(self, in_channels, image_size):
        return self.width

    def build(self, in_channels, image_size):
        return self.width


class Recursive:
    def __init__(self):
        self.me = self


def linear(seed):
    torch.manual_seed(seed)
    return torch.nn.Linear(2, 2)


def countdown():
    def count(n):
        return count(n - 1) if n else 0

    return count


@pytest.mark.parametrize(
    ("one", "same", "another"),
    [
        (lambda p: p + 1, lambda p: p + 1, lambda p: p + 2),
        (lambda p, n=1: n, lambda p, n=1: n, lambda p, n=2: n),
        (lambda p: [p for _ in "ab"], lambda p: [p for _ in "ab"], lambda p: [p for _ in "abc"]),
        (make(16), make(16), make(32)),
        (make(16), make(16), make(16, torch.nn.Tanh)),
        (Builder(1), Builder(1), Builder(2)),
        (Builder(1).build, Builder(1).build, Builder(2).build),
        (
            functools.partial(make(1), 3),
            functools.partial(make(1), 3),
            functools.partial(make(2), 3),
        ),
        (linear(0), linear(0), linear(1)),
        (torch.arange(5000), torch.arange(5000), torch.arange(5000) % 4999),
        (torch.ones(2).bfloat16(), torch.ones(2).bfloat16(), torch.ones(2).half()),
        (torch.tensor(1.0), torch.tensor(1.0), torch.ones(1)),
        (np.arange(5000), np.arange(5000), np.arange(5000) % 4999),
        (countdown(), countdown(), make(1)),
        (Recursive(), Recursive(), Builder(1)),
        (torch.optim.SGD, torch.optim.SGD, torch.optim.Adam),
    ],
)
def test_values_that_do_the_same_are_equal_and_others_are_not(one, same, another):
    assert canonical_repr(one) == canonical_repr(same)
    assert canonical_repr(one) != canonical_repr(another)


def test_it_is_the_same_in_every_process():
    code = (
        "from sklssl._training.fingerprint import canonical_repr;"
        "print(canonical_repr(lambda p: p in {'a', 'b', 'c', 'd', 'e'}))"
    )
    found = {
        subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stdout
        for _ in range(3)
    }
    assert len(found) == 1
