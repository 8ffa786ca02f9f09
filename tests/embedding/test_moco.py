import copy

import numpy as np
import pytest
import torch

from sklssl import MoCoEmbedder, load, save
from sklssl.exceptions import CollapseWarning
from tests.embedding._views import QUICK, draw, unit


@pytest.fixture
def pretext(X):
    embedder = MoCoEmbedder(projection_dim=8, queue_size=20, temperature=0.3, **QUICK)
    return embedder.fit(X).pretext_


def test_queue_holds_the_latest_keys_first(pretext):
    assert (pretext.queue.norm(dim=1) > 0).all()  # 40 images were seen
    pretext.new_keys = torch.arange(3.0)[:, None].expand(3, 8)
    before = pretext.queue.clone()
    pretext.after_step(0.5)
    torch.testing.assert_close(pretext.queue[:3, 0], torch.arange(3.0))
    torch.testing.assert_close(pretext.queue[3:], before[:-3])
    pretext.after_step(0.6)  # a step without keys
    torch.testing.assert_close(pretext.queue[3:], before[:-3])


def test_queue_is_no_longer_than_the_number_of_images(X):
    embedder = MoCoEmbedder(queue_size=30, **QUICK)
    for n_images, size in ((20, 20), (40, 30), (25, 25)):
        before = embedder.partial_fit(X[:n_images]).pretext_.queue
        assert len(before) == size
        assert (before[:20].norm(dim=1) > 0).all()


def test_a_queue_of_fewer_images_is_saved(X, tmp_path):
    embedder = MoCoEmbedder(queue_size=30, **QUICK).fit(X[:20])
    save(embedder, tmp_path / "model")
    loaded = load(tmp_path / "model")
    for n_images in (20, 40, 25):
        for each in (embedder, loaded):
            each.partial_fit(X[:n_images])
        assert torch.equal(loaded.pretext_.queue, embedder.pretext_.queue)


@pytest.mark.parametrize("n_images", [10, 20, 40])
def test_a_fit_that_continues_with_other_images_resumes(X, tmp_path, n_images):
    class Stop(Exception):
        pass

    def stop(estimator, row):
        if row["epoch"] == 4:
            raise Stop

    embedder = MoCoEmbedder(queue_size=30, warm_start=True, **{**QUICK, "max_epochs": 2})
    whole = copy.deepcopy(embedder.fit(X[:20])).fit(X[:n_images])
    embedder.set_params(checkpoint_dir=tmp_path, callbacks=[stop])
    with pytest.raises(Stop):
        embedder.fit(X[:n_images])
    embedder.set_params(callbacks=None).fit(X[:n_images])
    assert torch.equal(embedder.pretext_.queue, whole.pretext_.queue)


@pytest.mark.parametrize("training", [True, False])
def test_loss_against_a_slow_loop(pretext, training):
    views, _ = draw(pretext)
    pretext.eval().training = training  # not that of its parts
    with torch.no_grad():
        loss = pretext(views, None)["loss"].item()
        q, k = unit(pretext.student(views[0])), unit(pretext.teacher(views[1]))
    queue, slow = unit(pretext.queue), []
    for i in range(6):
        others = queue if training else np.delete(k, i, axis=0)
        scores = np.array([q[i] @ k[i], *(q[i] @ row for row in others)]) / 0.3
        slow.append(np.log(np.exp(scores).sum()) - scores[0])
    assert loss == pytest.approx(np.mean(slow), rel=1e-4)


def test_images_that_are_alike_are_not_recognised():
    X = np.full((20, 8, 8), 100, dtype=np.uint8)
    embedder = MoCoEmbedder(jitter_strength=0, **QUICK)
    with pytest.warns(CollapseWarning):
        assert embedder.fit(X).score(X) < 0.5


def test_score_leaves_the_queue_alone(X):
    embedder = MoCoEmbedder(queue_size=20, **QUICK).fit(X)
    before = embedder.pretext_.queue.clone()
    embedder.score(X)
    assert torch.equal(before, embedder.pretext_.queue)
    assert embedder.pretext_.new_keys is None


def test_bad_parameters_are_named(X):
    with pytest.raises(ValueError, match="'queue_size' parameter of MoCoEmbedder .*Got 0"):
        MoCoEmbedder(queue_size=0, **QUICK).fit(X)
