import numpy as np
import pytest
import torch

from sklssl.losses import local_infomax


def test_against_a_slow_loop():
    rng = torch.Generator().manual_seed(0)
    local = torch.randn(4, 3, 2, dtype=torch.float64, generator=rng)
    whole = torch.randn(4, 2, dtype=torch.float64, generator=rng)
    positive, negative, right = [], [], []
    for i in range(4):
        for p in range(3):
            scores = [float(local[i, p] @ whole[j]) for j in range(4)]
            positive.append(np.log1p(np.exp(-scores[i])))
            negative += [np.log1p(np.exp(scores[j])) for j in range(4) if j != i]
            right.append(scores[i] == max(scores))
    loss, accuracy = local_infomax(local, whole)
    assert loss.item() == pytest.approx(np.mean(positive) + np.mean(negative))
    assert accuracy.item() == pytest.approx(np.mean(right))


def test_order_of_images_and_places_does_not_matter():
    local, whole = torch.randn(5, 4, 3), torch.randn(5, 3)
    order, places = torch.randperm(5), torch.randperm(4)
    torch.testing.assert_close(
        local_infomax(local[order][:, places], whole[order]), local_infomax(local, whole)
    )


def test_bad_input():
    with pytest.raises(ValueError, match="local_infomax: expected local"):
        local_infomax(torch.zeros(3, 4, 2), torch.zeros(3, 3))
    with pytest.raises(ValueError, match="at least two images"):
        local_infomax(torch.zeros(1, 4, 2), torch.zeros(1, 2))
