import pytest
import torch

from sklssl.losses import rotation_invariance
from tests._seed import SEED


@pytest.fixture
def features():
    rng = torch.Generator().manual_seed(SEED)
    return torch.randn(4, 3, 5, dtype=torch.float64, generator=rng)


def test_against_a_slow_loop(features):
    k, b, d = features.shape
    total = 0.0
    for i in range(b):
        mean = sum(features[y, i] for y in range(k)) / k
        for y in range(k):
            total += sum(float(features[y, i, j] - mean[j]) ** 2 for j in range(d))
    assert rotation_invariance(features).item() == pytest.approx(total / (k * b * d))


def test_gradient_does_not_depend_on_the_mean(features):
    features.requires_grad_()
    assert torch.autograd.gradcheck(rotation_invariance, features)
    (grad,) = torch.autograd.grad(rotation_invariance(features), features)
    constant = (features - features.mean(0).detach()).square().mean()
    torch.testing.assert_close(grad, torch.autograd.grad(constant, features)[0])


def test_invariances(features):
    expected = rotation_invariance(features)
    turn = torch.linalg.qr(features[0].T @ features[1] + torch.eye(5)).Q
    shift = features[2] + 3
    torch.testing.assert_close(rotation_invariance(features[[2, 0, 3, 1]]), expected)
    torch.testing.assert_close(rotation_invariance(features[:, [1, 2, 0]]), expected)
    torch.testing.assert_close(rotation_invariance(features @ turn), expected)
    torch.testing.assert_close(rotation_invariance(features + shift), expected)
    torch.testing.assert_close(rotation_invariance(3 * features), 9 * expected)


def test_equal_views_cost_nothing(features):
    assert rotation_invariance(features[:1].expand(4, 3, 5)) == 0


def test_bfloat16_and_autocast_give_float32(features):
    expected = rotation_invariance(features.float())
    low = features.bfloat16().requires_grad_()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(rotation_invariance(features.float()), expected)
        inside = rotation_invariance(low)
    assert inside.dtype == torch.float32
    torch.testing.assert_close(inside, expected, rtol=0.01, atol=0)
    assert torch.autograd.grad(inside, low)[0].isfinite().all()


@pytest.mark.parametrize("shape", [(3, 5), (1, 3, 5)])
def test_shapes(shape):
    received = str(shape).replace("(", r"\(").replace(")", r"\)")
    message = (
        rf"^rotation_invariance: expected features \(k, b, d\), k > 1, got features {received}"
    )
    with pytest.raises(ValueError, match=message):
        rotation_invariance(torch.zeros(shape))
