import numpy as np
import pytest
import torch

from sklssl.losses import negative_cosine


def test_against_a_slow_loop_and_no_gradient_into_the_target():
    p = torch.randn(5, 3, dtype=torch.float64, requires_grad=True)
    z = torch.randn(5, 3, dtype=torch.float64, requires_grad=True)
    loss = negative_cosine(p, z)
    a, b = p.detach().numpy(), z.detach().numpy()
    slow = -np.mean(
        [x @ y / np.linalg.norm(x) / np.linalg.norm(y) for x, y in zip(a, b, strict=True)]
    )
    assert loss.item() == pytest.approx(slow)
    loss.backward()
    assert p.grad.abs().max() > 0
    assert z.grad is None


def test_only_directions_matter():
    p, z = torch.randn(5, 3), torch.randn(5, 3)
    torch.testing.assert_close(negative_cosine(7 * p, 0.1 * z), negative_cosine(p, z))


def test_bad_shapes():
    with pytest.raises(ValueError, match="negative_cosine: expected predicted and target"):
        negative_cosine(torch.zeros(3, 2), torch.zeros(2, 2))
