import numpy as np
import pytest
import torch

from sklssl.losses import sinkhorn, soft_cross_entropy


def test_sinkhorn_against_a_slow_loop():
    scores = torch.randn(6, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    q = np.exp(scores.numpy() / 0.2)
    for _ in range(3):
        for k in range(3):
            q[:, k] /= q[:, k].sum()
        for n in range(6):
            q[n] /= q[n].sum()
    np.testing.assert_allclose(sinkhorn(scores, 0.2), q)


def test_prototypes_get_equal_shares():
    scores = torch.randn(60, 4, generator=torch.Generator().manual_seed(0))
    scores[:, 0] += 2.0  # which all images prefer
    shares = sinkhorn(scores, 0.5, n_iterations=100)
    torch.testing.assert_close(shares.sum(dim=0), torch.full((4,), 15.0), atol=0.01, rtol=0)
    torch.testing.assert_close(shares.sum(dim=1), torch.ones(60))


def test_large_scores_do_not_overflow():
    assert torch.isfinite(sinkhorn(torch.tensor([[1e4, 0.0], [0.0, 1e4]]))).all()


def test_soft_cross_entropy_against_a_slow_loop():
    rng = np.random.default_rng(0)
    scores, targets = rng.normal(size=(5, 4)), rng.dirichlet(np.ones(4), 5)
    slow = []
    for s, t in zip(scores / 0.7, targets, strict=True):
        slow.append(-sum(t * (s - np.log(np.exp(s).sum()))))
    loss = soft_cross_entropy(torch.tensor(scores), torch.tensor(targets), 0.7)
    assert loss.item() == pytest.approx(np.mean(slow))


def test_adding_a_constant_changes_nothing():
    scores, targets = torch.randn(5, 4), torch.randn(5, 4).softmax(dim=1)
    torch.testing.assert_close(
        soft_cross_entropy(scores + 3, targets), soft_cross_entropy(scores, targets)
    )


def test_bad_input():
    with pytest.raises(ValueError, match="sinkhorn: epsilon must be"):
        sinkhorn(torch.zeros(2, 2), 0)
    with pytest.raises(ValueError, match="soft_cross_entropy: expected"):
        soft_cross_entropy(torch.zeros(2, 2), torch.zeros(2, 3))


@pytest.mark.parametrize(
    ("scores", "params", "message"),
    [
        (torch.ones(3, 4), {"epsilon": 0}, "sinkhorn: epsilon must be finite and above 0, got 0"),
        (torch.ones(3, 4), {"n_iterations": 0}, "sinkhorn: n_iterations must .*at least 1, got 0"),
        (torch.ones(3), {}, r"sinkhorn: expected scores \(b, k\), got scores \(3,\)"),
    ],
)
def test_sinkhorn_names_what_it_refuses(scores, params, message):
    with pytest.raises(ValueError, match=message):
        sinkhorn(scores, **params)
