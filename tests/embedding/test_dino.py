import numpy as np
import pytest
import torch

from sklssl import DINOEmbedder
from tests.embedding._views import QUICK, draw


@pytest.fixture
def embedder(X):
    return DINOEmbedder(n_prototypes=5, n_small_views=1, **QUICK).fit(X)


def test_loss_against_a_slow_loop(embedder):
    pretext = embedder.pretext_.eval()
    views, _ = draw(pretext)
    with torch.no_grad():
        loss = pretext(views, None)["loss"].item()
        split = [view for same in views for view in same.split(6)]
        taught = [pretext.teacher(view).numpy() for view in split[:2]]
        scores = [pretext.student(view).numpy() for view in split]
    centre, slow = pretext.centre.numpy(), []
    for i in range(2):
        sharp = np.exp((taught[i] - centre) / 0.04)
        sharp /= sharp.sum(axis=1, keepdims=True)
        for j in range(3):
            if i != j:
                s = scores[j] / 0.1
                logs = s - np.log(np.exp(s).sum(axis=1, keepdims=True))
                slow.append(-(sharp * logs).sum(axis=1).mean())
    assert loss == pytest.approx(np.mean(slow), rel=1e-3)


def test_centre_is_a_moving_average_of_the_teachers_scores(embedder):
    pretext = embedder.pretext_
    before = pretext.centre.clone()
    sums = torch.full_like(before, 6.0)  # of six views, each with scores of 1
    pretext.seen = torch.cat([sums, torch.tensor([[6.0]])], dim=1)
    pretext.after_step(0.5)
    torch.testing.assert_close(pretext.centre, 0.9 * before + 0.1)


def test_transform_uses_the_teacher(embedder, X):
    assert embedder.pretext_.encoder is embedder.pretext_.teacher.module.backbone
    before = embedder.transform(X)
    with torch.no_grad():
        for weight in embedder.pretext_.student.parameters():
            weight += 1.0
    np.testing.assert_array_equal(embedder.transform(X), before)


def test_bad_parameters_are_named(X):
    message = "'teacher_temperature' parameter of DINOEmbedder .*Got 0"
    with pytest.raises(ValueError, match=message):
        DINOEmbedder(teacher_temperature=0, **QUICK).fit(X)
