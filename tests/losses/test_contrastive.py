import math

import pytest
import torch
import torch.nn.functional as F

from sklssl.losses import contrastive_accuracy, nt_xent, nt_xent_to_mean

from ._data import draw, rotation


def cosine(u, v):
    return float(u @ v) / math.sqrt(float(u @ u) * float(v @ v))


def one_anchor(z, i, j, temperature):
    """The paper's l(i, j) over the 2N vectors z."""
    among = sum(math.exp(cosine(z[i], z[k]) / temperature) for k in range(len(z)) if k != i)
    return -math.log(math.exp(cosine(z[i], z[j]) / temperature) / among)


def slow_nt_xent(z1, z2, temperature):
    # As in the paper's Algorithm 1, the views of an image are neighbours.
    z = [vector for pair in zip(z1, z2, strict=True) for vector in pair]
    total = 0.0
    for i in range(0, len(z), 2):
        total += one_anchor(z, i, i + 1, temperature) + one_anchor(z, i + 1, i, temperature)
    return total / len(z)


def slow_nt_xent_to_mean(z_views, z_mean, temperature):
    b, total = len(z_mean), 0.0
    for i in range(b):
        for view in z_views:
            total += one_anchor([*view, *z_mean], i, b + i, temperature)
    return total / b


def slow_accuracy(z1, z2):
    z, b, right = [*z1, *z2], len(z1), 0
    for i in range(2 * b):
        others = [k for k in range(2 * b) if k != i]
        right += max(others, key=lambda k: cosine(z[i], z[k])) == (i + b) % (2 * b)
    return right / (2 * b)


@pytest.mark.parametrize("temperature", [0.05, 0.5, 2.0])
@pytest.mark.parametrize("b", [2, 5])
def test_nt_xent_against_a_slow_loop(b, temperature):
    z1, z2 = draw(2, b, 3)
    assert nt_xent(z1, z2, temperature).item() == pytest.approx(slow_nt_xent(z1, z2, temperature))


@pytest.mark.parametrize("temperature", [0.05, 0.5, 2.0])
@pytest.mark.parametrize("k", [1, 4])
def test_nt_xent_to_mean_against_a_slow_loop(k, temperature):
    z_views, z_mean = draw(k, 5, 3), draw(5, 3, seed=1)
    expected = slow_nt_xent_to_mean(z_views, z_mean, temperature)
    assert nt_xent_to_mean(z_views, z_mean, temperature).item() == pytest.approx(expected)


def test_accuracy_against_a_slow_loop():
    z1 = draw(40, 3)
    z2 = z1 + 0.5 * draw(40, 3, seed=1)
    expected = slow_accuracy(z1, z2)
    assert 0.1 < expected < 0.9
    assert contrastive_accuracy(z1, z2).item() == pytest.approx(expected)


def test_with_the_means_as_anchors_too_it_is_nt_xent():
    z_views, z_mean = draw(3, 4, 5), draw(4, 5, seed=1)
    from_views = nt_xent_to_mean(z_views, z_mean)
    from_means = sum(nt_xent_to_mean(z_mean[None], z) for z in z_views)
    torch.testing.assert_close(
        (from_views + from_means) / 2, sum(nt_xent(z, z_mean) for z in z_views)
    )


def test_gradients():
    views, mean = draw(2, 3, 4).requires_grad_(), draw(3, 4, seed=1).requires_grad_()
    assert torch.autograd.gradcheck(lambda z: nt_xent(z[0], z[1], 0.2), views)
    assert torch.autograd.gradcheck(lambda z, m: nt_xent_to_mean(z, m, 0.2), (views, mean))
    assert not contrastive_accuracy(views[0], views[1]).requires_grad


@pytest.mark.parametrize("function", [nt_xent, contrastive_accuracy])
def test_nt_xent_invariances(function):
    z1 = draw(6, 4)
    z2 = z1 + 0.5 * draw(6, 4, seed=1)
    expected = function(z1, z2)
    order, turn = torch.tensor([3, 0, 5, 1, 4, 2]), rotation(4)
    lengths = torch.linspace(0.1, 50, 6, dtype=torch.float64)[:, None]
    torch.testing.assert_close(function(z1[order], z2[order]), expected)
    torch.testing.assert_close(function(z2, z1), expected)
    torch.testing.assert_close(function(z1 @ turn, z2 @ turn), expected)
    torch.testing.assert_close(function(lengths * z1, z2 / lengths), expected)


def test_nt_xent_to_mean_invariances():
    z_views, z_mean = draw(4, 6, 3), draw(6, 3, seed=1)
    expected = nt_xent_to_mean(z_views, z_mean)
    order, turn = torch.tensor([3, 0, 5, 1, 4, 2]), rotation(3)
    torch.testing.assert_close(nt_xent_to_mean(z_views[:, order], z_mean[order]), expected)
    torch.testing.assert_close(nt_xent_to_mean(z_views[[2, 0, 3, 1]], z_mean), expected)
    torch.testing.assert_close(nt_xent_to_mean(z_views @ turn, z_mean @ turn), expected)
    torch.testing.assert_close(nt_xent_to_mean(7 * z_views, z_mean / 9), expected)


def run_nt_xent(z, temperature):
    return nt_xent(z[0], z[1], temperature)


def run_nt_xent_to_mean(z, temperature):
    return nt_xent_to_mean(z[:3], z[3], temperature)


both = pytest.mark.parametrize("function", [run_nt_xent, run_nt_xent_to_mean])


@both
def test_bfloat16_and_autocast_give_float32(function):
    z = draw(4, 64, 32, dtype=torch.float32)
    expected = function(z, 0.1)
    low = z.bfloat16().requires_grad_()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(function(z, 0.1), expected)
        assert (z[0] @ z[1].T).dtype == torch.bfloat16
        inside = function(low, 0.1)
    outside = function(low, 0.1)
    assert inside.dtype == outside.dtype == expected.dtype == torch.float32
    assert torch.equal(inside, outside)
    torch.testing.assert_close(outside, expected, rtol=0.01, atol=0)
    (grad,) = torch.autograd.grad(inside, low)
    assert grad.isfinite().all()
    assert grad.abs().sum() > 0


@both
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_identical_vectors_at_a_low_temperature(function, dtype):
    z = torch.ones(4, 8, 16, dtype=dtype, requires_grad=True)
    loss = function(z, 0.05)
    n_terms = 1 if function is run_nt_xent else 3
    assert loss.item() == pytest.approx(n_terms * math.log(15), rel=1e-5)
    assert torch.autograd.grad(loss, z)[0].isfinite().all()


@both
def test_extreme_lengths(function):
    z = draw(4, 8, 16, dtype=torch.float32)
    expected = function(z, 0.05)
    for length in (1e-12, 1e12):
        torch.testing.assert_close(function(length * z, 0.05), expected)
    z[:, 0] = 0
    z.requires_grad_()
    (grad,) = torch.autograd.grad(function(z, 0.05), z)
    assert grad.isfinite().all()
    assert grad.abs().max() < 100


def test_equal_vectors_are_no_success():
    assert contrastive_accuracy(torch.ones(4, 3), torch.ones(4, 3)) == 0
    z = F.normalize(draw(4, 30))
    assert contrastive_accuracy(z, z) == 1
    assert contrastive_accuracy(z.bfloat16(), z.bfloat16()).dtype == torch.float32


@pytest.mark.parametrize("temperature", [0, -1.0, math.inf, math.nan])
def test_temperature(temperature):
    z = draw(2, 3, 4)
    with pytest.raises(ValueError, match=f"^nt_xent: temperature .* above 0, got {temperature}"):
        nt_xent(z[0], z[1], temperature)
    with pytest.raises(ValueError, match="^nt_xent_to_mean: temperature"):
        nt_xent_to_mean(z, z[0], temperature)


def test_shapes():
    z = draw(2, 3, 4)
    with pytest.raises(ValueError, match=r"^nt_xent: .*\(b, d\), got z1 \(3, 4\), z2 \(2, 4\)"):
        nt_xent(z[0], z[1, :2])
    with pytest.raises(ValueError, match=r"^contrastive_accuracy: .* z1 \(2, 3, 4\)"):
        contrastive_accuracy(z, z)
    message = r"^nt_xent_to_mean: .*z_views \(2, 3, 4\), z_mean \(2, 3, 4\)"
    with pytest.raises(ValueError, match=message):
        nt_xent_to_mean(z, z)
    with pytest.raises(ValueError, match=r"z_views \(3, 4\)"):
        nt_xent_to_mean(z[0], z[0])


def test_one_image_has_no_negatives():
    z = draw(2, 1, 4)
    for function in (nt_xent, contrastive_accuracy):
        with pytest.raises(ValueError, match="at least two images .* a batch of 1"):
            function(z[0], z[1])
    with pytest.raises(ValueError, match="^nt_xent_to_mean: at least two images"):
        nt_xent_to_mean(z, z[0])
