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
    pretext.teacher.follow(pretext.student, progress=0.5)
    for old, new, aim in zip(before, weights(pretext.teacher), student, strict=True):
        torch.testing.assert_close(new, old + 0.05 * (aim - old))  # half of the way of the cosine
    pretext.teacher.follow(pretext.student, progress=1.0)
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
