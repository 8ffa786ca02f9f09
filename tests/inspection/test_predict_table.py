"""predict_table: names, classes and probabilities in one table."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from sklearn.base import clone
from sklearn.dummy import DummyClassifier
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression, Ridge, RidgeClassifier
from sklearn.model_selection import FixedThresholdClassifier
from sklearn.pipeline import make_pipeline

from sklssl import RotNetEmbedder, SemiSupervisedClassifier
from sklssl.datasets import list_images
from sklssl.inspection import predict_table
from tests._seed import SEED
from tests.datasets._common import encode, make_image, write_folder

EMBEDDER = RotNetEmbedder("convnet", max_epochs=1, random_state=SEED)
NAMES = [f"{label}/{i}.png" for label in ("cat", "dog", "owl") for i in range(4)]


@pytest.fixture
def folder(tmp_path):
    files = {name: encode(make_image(i, (8, 8, 3))) for i, name in enumerate(NAMES)}
    return write_folder(tmp_path / "images", files)


@pytest.fixture
def listed(folder):
    return list_images(folder)


def test_a_folder(folder, listed):
    model = make_pipeline(EMBEDDER, LogisticRegression()).fit(listed.paths, listed.target)
    rows = predict_table(model, folder, target_names=listed.target_names)
    assert [row["file"] for row in rows] == NAMES
    probabilities = model.predict_proba(listed.paths)
    names = listed.target_names[model.predict(listed.paths)]
    assert [row["prediction"] for row in rows] == names.tolist()
    ordered = np.sort(probabilities, axis=1)
    assert_allclose([row["probability"] for row in rows], ordered[:, -1])
    assert_allclose([row["second_probability"] for row in rows], ordered[:, -2])
    assert all(row["second"] != row["prediction"] for row in rows)


def test_files_and_arrays(listed):
    labels = listed.target_names[listed.target]
    model = make_pipeline(EMBEDDER, LogisticRegression()).fit(listed.paths, labels)
    rows = predict_table(model, listed.paths[::-1])
    assert [row["file"] for row in rows] == listed.paths[::-1].tolist()
    assert [row["prediction"] for row in rows] == model.predict(listed.paths[::-1]).tolist()
    images = np.stack([make_image(i, (8, 8, 3)) for i in range(3)])
    assert [row["file"] for row in predict_table(model, images)] == [0, 1, 2]


def test_without_probabilities(listed):
    for last in (Ridge(), RidgeClassifier()):
        model = make_pipeline(EMBEDDER, last).fit(listed.paths, listed.target)
        rows = predict_table(model, listed.paths)
        assert [list(row) for row in rows] == [["file", "prediction"]] * len(NAMES)
        assert_allclose([row["prediction"] for row in rows], model.predict(listed.paths))


def test_the_prediction_is_what_the_model_predicts(listed):
    few, y = listed.paths[:8], listed.target[:8]
    pipe = make_pipeline(EMBEDDER, LogisticRegression(C=1e-4))
    model = FixedThresholdClassifier(pipe, threshold=0.95).fit(few, y)
    rows = predict_table(model, few)
    assert [row["prediction"] for row in rows] == model.predict(few).tolist() == [0] * 8
    probabilities = model.predict_proba(few)
    assert probabilities[:, 1].max() > 0.5
    assert_allclose([row["probability"] for row in rows], probabilities[:, 0])
    assert {row["second"] for row in rows} == {1}
    assert_allclose([row["second_probability"] for row in rows], probabilities[:, 1])


def test_a_pipeline_embeds_once(listed, monkeypatch):
    model = make_pipeline(RotNetEmbedder(max_epochs=0, random_state=SEED), LogisticRegression())
    model.fit(listed.paths, listed.target)
    expected = predict_table(model, listed.paths)
    transform, calls = RotNetEmbedder.transform, []
    counted = lambda self, X: calls.append(len(X)) or transform(self, X)  # noqa: E731
    monkeypatch.setattr(RotNetEmbedder, "transform", counted)
    assert predict_table(model, listed.paths) == expected
    assert calls == [len(listed.paths)]


def test_a_single_class(listed):
    model = make_pipeline(EMBEDDER, DummyClassifier()).fit(listed.paths, ["cat"] * len(NAMES))
    rows = predict_table(model, listed.paths[:1])
    assert [list(row.values())[1:] for row in rows] == [["cat", 1.0]]


def test_mistakes(folder, listed):
    embedder = clone(EMBEDDER).fit(listed.paths)
    with pytest.raises(TypeError, match="'model' argument of predict_table .*Got RotNetEm"):
        predict_table(embedder, folder)
    model = make_pipeline(EMBEDDER, LogisticRegression())
    with pytest.raises(NotFittedError):
        predict_table(model, folder)
    model.fit(listed.paths, listed.target)
    with pytest.raises(ValueError, match="'target_names' parameter of predict_table has 2 names"):
        predict_table(model, folder, target_names=["cat", "dog"])
    with pytest.raises(FileNotFoundError, match="no folder"):
        predict_table(model, folder / "gone")


def test_files_that_cannot_be_read_are_left_out_if_the_embedder_skips(folder, listed):
    skipping = clone(EMBEDDER).set_params(on_error="skip")
    model = SemiSupervisedClassifier(skipping, LogisticRegression()).fit(
        listed.paths, listed.target
    )
    (folder / "owl" / "9.png").write_text("no image")
    with pytest.warns(UserWarning, match="9.png"):
        rows = predict_table(model, folder)
    assert [row["file"] for row in rows] == NAMES
