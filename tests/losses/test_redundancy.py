"""Barlow Twins and VICReg against slow loops written from the papers."""

import numpy as np
import pytest
import torch

from sklssl.losses import barlow_twins, vicreg


@pytest.fixture
def pair():
    rng = torch.Generator().manual_seed(0)
    z = torch.randn(7, 3, dtype=torch.float64, generator=rng)
    return z, z + 0.5 * torch.randn(7, 3, dtype=torch.float64, generator=rng)


def test_barlow_twins_against_a_slow_loop(pair):
    z1, z2 = (z.numpy() for z in pair)
    total = 0.0
    for i in range(3):
        for j in range(3):
            a, b = z1[:, i] - z1[:, i].mean(), z2[:, j] - z2[:, j].mean()
            a = a / np.sqrt(np.mean(a**2) + 1e-5)
            b = b / np.sqrt(np.mean(b**2) + 1e-5)
            c = sum(a * b) / 7
            total += (1 - c) ** 2 if i == j else 0.02 * c**2
    torch.testing.assert_close(barlow_twins(*pair, 0.02).item(), total)


def test_barlow_twins_ignores_scale_and_shift(pair):
    z1, z2 = pair
    changed = barlow_twins(100 * z1 + 3, -5 + 40 * z2)
    torch.testing.assert_close(changed, barlow_twins(z1, z2), rtol=1e-3, atol=1e-3)


def test_vicreg_against_a_slow_loop(pair):
    z1, z2 = (z.numpy() for z in pair)
    invariance = np.mean([(z1[n, i] - z2[n, i]) ** 2 for n in range(7) for i in range(3)])
    variance, covariance = [], 0.0
    for z in (z1, z2):
        c = np.cov(z.T)
        variance += [max(0.0, 1 - np.sqrt(c[i, i] + 1e-4)) for i in range(3)]
        covariance += sum(c[i, j] ** 2 for i in range(3) for j in range(3) if i != j) / 3
    terms = vicreg(*pair, invariance_weight=2.0, variance_weight=3.0, covariance_weight=0.5)
    expected = [invariance, np.mean(variance), covariance]
    assert [terms[f"{n}_loss"].item() for n in ("invariance", "variance", "covariance")] == (
        pytest.approx(expected)
    )
    assert terms["loss"].item() == pytest.approx(np.dot([2.0, 3.0, 0.5], expected))


def test_vicreg_ignores_rotations_of_both_views_in_its_invariance(pair):
    turn, _ = torch.linalg.qr(torch.randn(3, 3, dtype=torch.float64))
    before = vicreg(*pair)["invariance_loss"]
    torch.testing.assert_close(vicreg(*(z @ turn for z in pair))["invariance_loss"], before)


@pytest.mark.parametrize("loss", [barlow_twins, vicreg])
def test_bad_shapes(loss):
    with pytest.raises(ValueError, match=r"expected z1 and z2 of one shape .* z2 \(3, 3\)"):
        loss(torch.zeros(3, 2), torch.zeros(3, 3))
    with pytest.raises(ValueError, match="at least two images"):
        loss(torch.zeros(1, 2), torch.zeros(1, 2))


@pytest.mark.parametrize("loss", [barlow_twins, vicreg])
def test_float32_under_autocast(loss, pair):
    z1, z2 = (z.bfloat16() for z in pair)
    with torch.autocast("cpu", torch.bfloat16):
        value = loss(z1, z2)
    value = value["loss"] if isinstance(value, dict) else value
    assert value.dtype == torch.float32
    torch.testing.assert_close(value, _total(loss(z1.float(), z2.float())))


def _total(value):
    return value["loss"] if isinstance(value, dict) else value
