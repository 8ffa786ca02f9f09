import pytest
import torch

from sklssl import BYOLEmbedder
from tests.embedding._views import QUICK, draw, unit, weights


@pytest.fixture
def pretext(X):
    return BYOLEmbedder(projection_dim=8, **QUICK).fit(X).pretext_.eval()


def test_loss_against_a_slow_loop(pretext):
    views, _ = draw(pretext)
    with torch.no_grad():
        loss = pretext(views, None)["loss"].item()
        p = [unit(pretext.predictor(pretext.student(view))) for view in views]
        z = [unit(pretext.teacher(view)) for view in views]
    # Two directions, each the squared distance of unit vectors.
    slow = sum(((p[a][i] - z[b][i]) ** 2).sum() for a, b in ((0, 1), (1, 0)) for i in range(6)) / 6
    assert loss == pytest.approx(slow, rel=1e-4)


def test_teacher_follows_the_student_and_is_never_trained(pretext):
    for weight in pretext.student.parameters():
        weight.data += 1.0
    before, student = weights(pretext.teacher), weights(pretext.student)
    pretext.teacher.momentum = 0.9
    # The momentum is that of the progress before the step: 0.9, then half of the way of the cosine.
    for progress, share in ((0.5, 0.1), (1.0, 0.05)):
        pretext.teacher.follow(pretext.student, progress)
        after = weights(pretext.teacher)
        for old, new, aim in zip(before, after, student, strict=True):
            torch.testing.assert_close(new, old + share * (aim - old))
        before = after
    assert not any(p.requires_grad for p in pretext.teacher.parameters())
    views, _ = draw(pretext)
    pretext(views, None)["loss"].backward()
    assert all(p.grad is None for p in pretext.teacher.parameters())
    assert any(p.grad is not None for p in pretext.student.parameters())


def test_transform_uses_the_student(pretext):
    assert pretext.encoder is pretext.student.backbone


def test_bad_parameters_are_named(X):
    with pytest.raises(ValueError, match="'momentum' parameter of BYOLEmbedder .*Got 1.5"):
        BYOLEmbedder(momentum=1.5, **QUICK).fit(X)


@pytest.mark.parametrize("method", ["fit", "partial_fit"])
def test_teacher_moves_even_in_a_single_step(X, method):
    """At the end of training the teacher stands still, but a piece of the images is not the end."""
    params = {**QUICK, "batch_size": 64}
    fresh = weights(BYOLEmbedder(**{**params, "max_epochs": 0}).fit(X).pretext_.teacher)
    moved = weights(getattr(BYOLEmbedder(**params), method)(X).pretext_.teacher)
    assert any((new != old).any() for old, new in zip(fresh, moved, strict=True))
