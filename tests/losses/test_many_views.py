import numpy as np
import pytest
import torch

from sklssl.losses import coding_rate, gaussian_distance, similarity_to_mean


@pytest.mark.parametrize("shape", [(7, 3), (3, 7)])
def test_coding_rate_against_the_determinant(shape):
    z = torch.randn(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    unit = z.numpy() / np.linalg.norm(z, axis=1, keepdims=True)
    n, d = shape
    total = np.zeros((d, d))
    for row in unit:
        total += np.outer(row, row)
    expected = np.log(np.linalg.det(np.eye(d) + d / (n * 0.5) * total)) / 2
    assert coding_rate(z, 0.5).item() == pytest.approx(expected)


def test_coding_rate_ignores_rotations_and_lengths():
    z = torch.randn(6, 4, dtype=torch.float64)
    turn, _ = torch.linalg.qr(torch.randn(4, 4, dtype=torch.float64))
    torch.testing.assert_close(coding_rate(3 * z @ turn), coding_rate(z))


def test_coding_rate_of_vectors_that_are_not_finite_is_nan():
    for value in (np.nan, np.inf):
        z = torch.eye(4)
        z[0, 0] = value
        assert coding_rate(z).isnan()


def test_similarity_to_mean_against_a_slow_loop():
    z = torch.randn(4, 5, 3, dtype=torch.float64).numpy()
    unit = z / np.linalg.norm(z, axis=2, keepdims=True)
    slow = []
    for i in range(5):
        mean = unit[:, i].mean(axis=0)
        slow += [view[i] @ mean / np.linalg.norm(mean) for view in unit]
    assert similarity_to_mean(torch.tensor(z)).item() == pytest.approx(np.mean(slow))


def test_gaussian_distance_against_a_slow_loop():
    rng = np.random.default_rng(0)
    z, directions = rng.normal(size=(6, 3)) * 2 + 1, rng.normal(size=(3, 4))
    t = np.linspace(-5, 5, 17)
    values = []
    for direction in directions.T:
        x = z @ direction / np.linalg.norm(direction)
        f = [abs(np.mean(np.exp(1j * s * x)) - np.exp(-(s**2) / 2)) ** 2 for s in t]
        weighted = np.array(f) * np.exp(-(t**2) / 2)
        values.append(6 * np.sum((weighted[1:] + weighted[:-1]) / 2 * np.diff(t)))
    distance = gaussian_distance(torch.tensor(z), torch.tensor(directions))
    assert distance.item() == pytest.approx(np.mean(values))


def test_gaussian_distance_of_normal_vectors_does_not_depend_on_their_number():
    rng = torch.Generator().manual_seed(0)
    directions = torch.randn(4, 200, generator=rng)
    for n in (50, 500):
        values = [
            gaussian_distance(torch.randn(n, 4, generator=rng), directions) for _ in range(40)
        ]
        assert torch.stack(values).mean() == pytest.approx(1.06, rel=0.15)


def test_gaussian_distance_falls_when_minimised():
    rng = torch.Generator().manual_seed(0)
    z = (0.1 * torch.randn(64, 4, generator=rng)).requires_grad_()
    step = torch.optim.Adam([z], 0.05)
    before = gaussian_distance(z, torch.eye(4)).item()
    for _ in range(50):
        step.zero_grad()
        gaussian_distance(z, torch.randn(4, 32, generator=rng)).backward()
        step.step()
    assert gaussian_distance(z, torch.eye(4)).item() < before / 5


def test_bad_input():
    with pytest.raises(ValueError, match="coding_rate: expected z"):
        coding_rate(torch.zeros(2, 2, 2))
    with pytest.raises(ValueError, match="epsilon must be finite and above 0, got -1"):
        coding_rate(torch.zeros(2, 2), -1)
    with pytest.raises(ValueError, match="similarity_to_mean: expected z_views"):
        similarity_to_mean(torch.zeros(2, 2))
    with pytest.raises(ValueError, match=r"directions \(3, 4\)"):
        gaussian_distance(torch.zeros(2, 2), torch.zeros(3, 4))


@pytest.mark.parametrize("n_points", [1, 2.5])
def test_gaussian_distance_needs_two_points(n_points):
    with pytest.raises(ValueError, match="gaussian_distance: n_points must be .*at least 2, got"):
        gaussian_distance(torch.ones(4, 2), torch.eye(2), n_points=n_points)
