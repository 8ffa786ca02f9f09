import math

import pytest
import torch
import torch.nn.functional as F

from sklssl.losses import instance_nce, nce_normaliser, update_bank

from ._data import draw, rotation


def make_batch(n=7, b=3, m=5, d=4, dtype=torch.float64):
    """Arguments up to the temperature; image 2 is drawn as its own noise."""
    rng = torch.Generator().manual_seed(3)
    noise_index = torch.randint(n, (b, m), generator=rng)
    index = torch.randperm(n, generator=rng)[:b]
    noise_index[2, 0] = index[2]
    bank = F.normalize(draw(n, d, seed=1, dtype=dtype))
    return draw(b, d, dtype=dtype), bank, index, noise_index


def similarity(v, f):
    return float(v @ f) / math.sqrt(float(v @ v))


def slow_normaliser(z, bank, noise_index, temperature):
    drawn = [
        math.exp(similarity(v, bank[j]) / temperature)
        for v, noise in zip(z, noise_index.tolist(), strict=True)
        for j in noise
    ]
    return len(bank) * sum(drawn) / len(drawn)


def slow_nce(z, bank, index, noise_index, temperature, normaliser):
    n, (b, m), total = len(bank), noise_index.shape, 0.0
    for v, i, noise in zip(z, index.tolist(), noise_index.tolist(), strict=True):

        def h(row, v=v):
            p = math.exp(similarity(v, bank[row]) / temperature) / normaliser
            return p / (p + m / n)

        total -= math.log(h(i)) + sum(math.log(1 - h(j)) for j in noise)
    return total / b


# A bank of more than m * d rows takes the other way to the similarities.
@pytest.mark.parametrize("n", [7, 200])
@pytest.mark.parametrize("temperature", [0.07, 0.5])
def test_against_a_slow_loop(n, temperature):
    z, bank, index, noise_index = make_batch(n)
    estimate = slow_normaliser(z, bank, noise_index, temperature)
    assert nce_normaliser(z, bank, noise_index, temperature) == pytest.approx(estimate)
    for normaliser in (None, 3.5, 2 * n, torch.tensor(40.0)):
        found = instance_nce(z, bank, index, noise_index, temperature, normaliser)
        z_constant = estimate if normaliser is None else float(normaliser)
        expected = slow_nce(z, bank, index, noise_index, temperature, z_constant)
        assert found.item() == pytest.approx(expected)


def test_the_estimate_of_all_rows_is_the_constant():
    z, bank, *_ = make_batch()
    exact = torch.exp(F.normalize(z[:1]) @ bank.T / 0.3).sum().item()
    assert nce_normaliser(z[:1], bank, torch.arange(7)[None], 0.3) == pytest.approx(exact)


@pytest.mark.parametrize("n", [7, 200])
def test_gradients(n):
    z, bank, index, noise_index = make_batch(n)
    z.requires_grad_()
    constant = torch.tensor(9.0, requires_grad=True)
    assert torch.autograd.gradcheck(
        lambda z: instance_nce(z, bank, index, noise_index, 0.2, constant), z
    )
    # Z is a constant also when it is estimated from the very same vectors.
    estimate = nce_normaliser(z, bank, noise_index, 0.2)
    grads = [
        torch.autograd.grad(instance_nce(z, bank, index, noise_index, 0.2, normaliser), z)[0]
        for normaliser in (None, estimate)
    ]
    torch.testing.assert_close(*grads)


def test_invariances():
    z, bank, index, noise_index = make_batch()
    expected = instance_nce(z, bank, index, noise_index)
    turn = rotation(4)
    order, rows = torch.tensor([2, 0, 1]), torch.randperm(7)
    torch.testing.assert_close(instance_nce(z @ turn, bank @ turn, index, noise_index), expected)
    torch.testing.assert_close(instance_nce(30 * z, bank, index, noise_index), expected)
    torch.testing.assert_close(
        instance_nce(z[order], bank, index[order], noise_index[order]), expected
    )
    torch.testing.assert_close(instance_nce(z, bank, index, noise_index.flip(1)), expected)
    moved = rows.argsort()
    torch.testing.assert_close(
        instance_nce(z, bank[rows], moved[index], moved[noise_index]), expected
    )


def test_bfloat16_and_autocast_give_float32():
    z, bank, index, noise_index = make_batch(50, 16, 64, 32, torch.float32)
    expected = instance_nce(z, bank, index, noise_index)
    low = z.bfloat16().requires_grad_()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(instance_nce(z, bank, index, noise_index), expected)
        inside = instance_nce(low, bank, index, noise_index)
        estimate = nce_normaliser(z, bank, noise_index)
        rows = update_bank(bank, low, index)
    assert estimate == nce_normaliser(z, bank, noise_index)
    assert inside.dtype == rows.dtype == torch.float32
    torch.testing.assert_close(inside, expected, rtol=0.02, atol=0)
    assert torch.autograd.grad(inside, low)[0].isfinite().all()


def test_no_overflow_at_a_low_temperature():
    bank = torch.eye(4)
    z = torch.eye(4).requires_grad_()
    index, noise_index = torch.arange(4), torch.arange(4).repeat(4, 1)
    normaliser = nce_normaliser(z, bank, noise_index, 0.01)
    # exp(100) is beyond float32.
    assert normaliser == pytest.approx(math.exp(100) + 3, rel=1e-4)
    estimated = instance_nce(z, bank, index, noise_index, 0.01)
    given = instance_nce(z, bank, index, noise_index, 0.01, normaliser)
    torch.testing.assert_close(estimated, given)
    # h is 1 / (1 + 1) for the image, which is also among its noise.
    assert estimated.item() == pytest.approx(2 * math.log(2), rel=1e-4)
    far = instance_nce(-z, bank, index, noise_index, 0.001, 1e30)
    for loss in (estimated, far):
        assert loss.isfinite()
        assert torch.autograd.grad(loss, z)[0].isfinite().all()


def test_much_noise_gives_the_gradient_of_the_softmax():
    z, bank, index, _ = make_batch()
    z, index = z[:1].requires_grad_(), index[:1]
    softmax = F.cross_entropy(F.normalize(z) @ bank.T / 0.3, index)
    noise_index = torch.arange(7).repeat(20_000)[None]
    noise = instance_nce(z, bank, index, noise_index, 0.3)
    grads = [torch.autograd.grad(loss, z)[0] for loss in (noise, softmax)]
    torch.testing.assert_close(*grads, rtol=1e-3, atol=0)


@pytest.mark.parametrize("momentum", [0, 0.5, 0.9, 1])
def test_update_bank(momentum):
    z, bank, index, _ = make_batch()
    before = bank.clone()
    rows = update_bank(bank, z.requires_grad_(), index, momentum)
    for row, v, i in zip(rows, z.detach(), index.tolist(), strict=True):
        mixed = momentum * bank[i] + (1 - momentum) * v / v.norm()
        torch.testing.assert_close(row, mixed / mixed.norm())
    assert not rows.requires_grad
    assert torch.equal(bank, before)
    turn = rotation(4)
    torch.testing.assert_close(update_bank(bank @ turn, 5 * z @ turn, index, momentum), rows @ turn)


def test_errors():
    z, bank, index, noise_index = make_batch()
    with pytest.raises(ValueError, match="^instance_nce: temperature .* above 0, got 0"):
        instance_nce(z, bank, index, noise_index, 0)
    with pytest.raises(ValueError, match="^nce_normaliser: temperature"):
        nce_normaliser(z, bank, noise_index, -1)
    with pytest.raises(ValueError, match="^instance_nce: normaliser must be above 0, got -1"):
        instance_nce(z, bank, index, noise_index, normaliser=-1)
    with pytest.raises(ValueError, match="^update_bank: momentum .* got 1.5"):
        update_bank(bank, z, index, 1.5)


@pytest.mark.parametrize("wrong", ["z", "bank", "index", "noise_index"])
def test_shapes(wrong):
    names = ("z", "bank", "index", "noise_index")
    tensors = dict(zip(names, make_batch(), strict=True))
    tensors[wrong] = tensors[wrong][:2, ..., None] if wrong != "index" else tensors[wrong][:2]
    shape = str(tuple(tensors[wrong].shape)).replace("(", r"\(").replace(")", r"\)")
    with pytest.raises(ValueError, match=rf"^instance_nce: expected .* got .*\b{wrong} {shape}"):
        instance_nce(**tensors)
    if wrong != "index":
        tensors.pop("index")
        with pytest.raises(ValueError, match=rf"^nce_normaliser: .*\b{wrong} {shape}"):
            nce_normaliser(**tensors)


def test_update_bank_shapes():
    z, bank, index, _ = make_batch()
    for arguments in ((bank[:, :3], z, index), (bank, z[:2], index), (bank, z, index[:2])):
        with pytest.raises(ValueError, match=r"^update_bank: expected bank \(n, d\)"):
            update_bank(*arguments)
    with pytest.raises(ValueError, match=r"noise_index \(3, 0\)"):
        instance_nce(z, bank, index, torch.empty(3, 0, dtype=torch.long))
