import numpy as np
import pytest
import torch

from sklssl.losses import info_nce


@pytest.fixture
def tensors():
    rng = torch.Generator().manual_seed(0)
    return [torch.randn(n, 3, dtype=torch.float64, generator=rng) for n in (4, 4, 6)]


def test_against_a_slow_loop(tensors):
    q, k, queue = (t.numpy() / np.linalg.norm(t, axis=1, keepdims=True) for t in tensors)
    losses, right = [], []
    for i in range(4):
        own = q[i] @ k[i] / 0.3
        others = [q[i] @ row / 0.3 for row in queue]
        losses.append(np.log(np.exp(own) + sum(np.exp(others))) - own)
        right.append(own > max(others))
    loss, accuracy = info_nce(*tensors, 0.3)
    assert loss.item() == pytest.approx(np.mean(losses))
    assert accuracy.item() == np.mean(right)


def test_without_a_queue_the_others_of_the_batch_are_the_negatives(tensors):
    query, key, _ = tensors
    found = [
        info_nce(query[i : i + 1], key[i : i + 1], key[torch.arange(4) != i]) for i in range(4)
    ]
    expected = torch.stack([torch.stack(pair) for pair in found]).mean(dim=0)
    torch.testing.assert_close(torch.stack(info_nce(query, key, None)), expected)
    with pytest.raises(ValueError, match="at least two images are needed"):
        info_nce(query[:1], key[:1], None)


def test_empty_places_are_left_out(tensors):
    query, key, queue = tensors
    padded = torch.cat([queue, torch.zeros(5, 3, dtype=queue.dtype)])
    torch.testing.assert_close(info_nce(query, key, padded), info_nce(query, key, queue))
    loss, _ = info_nce(query, key, torch.zeros(5, 3, dtype=queue.dtype))
    assert loss == 0


def test_no_gradient_into_keys(tensors):
    query, key, queue = (t.requires_grad_() for t in tensors)
    info_nce(query, key, queue)[0].backward()
    assert query.grad is not None
    assert key.grad is None
    assert queue.grad is None


def test_bad_input(tensors):
    query, key, queue = tensors
    with pytest.raises(ValueError, match=r"info_nce: expected .* queue \(6, 2\)"):
        info_nce(query, key, queue[:, :2])
    with pytest.raises(ValueError, match="temperature must be finite and above 0, got 0"):
        info_nce(query, key, queue, 0)
