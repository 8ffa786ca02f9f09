"""Errors say which parameter or data of which class, what came, and what to do."""

import pickle
from functools import partial

import joblib
import numpy as np
import pytest
import torch
from sklearn.base import clone
from torch import nn

from sklssl import (
    FineTuneClassifier,
    FineTuneRegressor,
    HarrisCornerMasker,
    ImageResizer,
    MultiScaleEmbedder,
    PatchRotEmbedder,
    RotNetEmbedder,
    ScaleNetEmbedder,
    SemiSupervisedClassifier,
    SimCLREmbedder,
    load,
)
from sklssl.exceptions import StateFileError


@pytest.fixture(scope="module")
def embedder(digits):
    return RotNetEmbedder("convnet", max_epochs=1, random_state=0).fit(digits[0][:40])


# Arguments -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (partial(RotNetEmbedder, epochs=3), "RotNet.* no parameter 'epochs'. Did you mean 'max_e"),
        (partial(PatchRotEmbedder, epochs=3), "PatchRot.* no parameter 'epochs'. Did you mean"),
        (
            partial(SimCLREmbedder, lr=3),
            "SimCLREmbedder has no parameter 'lr'. It has backbone, te",
        ),
        (partial(ScaleNetEmbedder, scale=1), "ScaleNet.* no parameter 'scale'. Did .* 'scales'"),
        (partial(MultiScaleEmbedder, estimater=1), "MultiScale.* 'estimater'. Did.* 'estimator'"),
        (partial(FineTuneClassifier, embeder=1), "FineTuneClassifier.* Did you mean 'embedder'"),
        (partial(FineTuneRegressor, n_epochs=1), "FineTuneRegressor.* Did you mean 'max_epochs'"),
        (partial(SemiSupervisedClassifier, clasifier=1), "SemiSup.* Did you mean 'classifier'"),
        (partial(HarrisCornerMasker, treshold=1), "HarrisCornerMasker.* Did you mean 'threshold'"),
        (partial(RotNetEmbedder, "convnet", "auto"), "^RotNetEmbedder: too many positional"),
    ],
)
def test_an_argument_that_is_not_known(make, message):
    with pytest.raises(TypeError, match=message):
        make()


def test_those_that_are_known_are_taken(embedder):
    assert clone(embedder).get_params() == embedder.get_params()
    assert SemiSupervisedClassifier(embedder).embedder is embedder
    assert pickle.loads(pickle.dumps(FineTuneClassifier("convnet"))).embedder == "convnet"


# Images ----------------------------------------------------------------------------------------


def test_one_image_in_the_place_of_several(embedder, X):
    for one in (X[0], X[0, ..., 0]):
        for method in (embedder.transform, embedder.score, embedder.partial_fit):
            with pytest.raises(ValueError, match=r"X is one image of shape .*X\[np.newaxis\]"):
                method(one)


def test_other_numbers_of_channels(embedder, X):
    with pytest.raises(ValueError, match="fitted on .*Convert them from 3 to 1 channels"):
        embedder.transform(np.repeat(X, 3, axis=3))
    colour = clone(embedder).fit(np.repeat(X, 3, axis=3))
    with pytest.raises(
        ValueError, match=r"Convert them from 4 to 3 channels, for example X\[\.\.\., :3"
    ):
        colour.transform(np.repeat(X, 4, axis=3))


def test_a_resizer_is_not_sent_to_itself(X):
    with pytest.raises(ValueError, match=r"\(4, 8, 1\).*ImageResizer was fitted on .*Fit another"):
        ImageResizer(8).fit(X.repeat(3, axis=3)).transform(X[:, :4])


@pytest.mark.parametrize("shape", [(4, 64), (300, 400)])
def test_images_that_are_not_square_are_called_what_they_are(shape):
    """Whatever they are padded to; and no size is advised that trains for days."""
    with pytest.raises(ValueError, match=rf"have {shape[0]}x{shape[1]} pix.*image_size=(8|128),"):
        RotNetEmbedder().fit(np.zeros((5, *shape), np.uint8))


@pytest.mark.parametrize(("bad", "what"), [(np.nan, "NaN"), (np.inf, "infinity"), (1e300, "inf")])
@pytest.mark.parametrize("in_file", [False, True])
def test_the_first_image_that_is_not_finite(bad, what, in_file, X, tmp_path):
    images = X.astype(np.float64) / 255
    images[[17, 30], 2, 3] = bad
    if in_file:
        np.save(tmp_path / "images.npy", images)
        images = np.load(tmp_path / "images.npy", mmap_mode="r")
    with pytest.raises(ValueError, match=f"RotNetEmbedder: X contains {what}.*first in image 17,"):
        RotNetEmbedder().fit(images)


def test_image_transformers_that_get_nan(X):
    with pytest.raises(ValueError, match="ImageResizer: X contains NaN, first in image 0,"):
        ImageResizer(4).fit(X * np.nan)


def test_values_whose_sum_is_too_large_are_finite():
    ImageResizer(4).fit(np.full((40, 8, 8), 1e308))


@pytest.mark.parametrize("kind", ["dataset", "loader"])
def test_datasets_of_torch(kind, X, y):
    data = torch.utils.data.TensorDataset(torch.from_numpy(X), torch.from_numpy(y))
    data = torch.utils.data.DataLoader(data) if kind == "loader" else data
    with pytest.raises(TypeError, match=r"RotNetEmbedder expects an array.*of torch.*np.stack"):
        RotNetEmbedder().fit(data)


# Networks, answers and files -------------------------------------------------------------------


class Two(nn.Module):
    def forward(self, x):
        return x, x


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ([nn.Flatten(), nn.Linear(64, 10)], r"stage '0' .* returns a tensor of shape \(1, 64\)"),
        ([nn.Conv2d(1, 4, 3), nn.Flatten(0)], r"stage '1' .* returns a tensor of shape \(144,\)"),
        ([nn.Conv2d(1, 4, 3), Two()], "stage '1' .* returns a tuple"),
        ([Two(), nn.Conv2d(1, 4, 3)], "stage '0' .* returns a tuple"),
    ],
)
def test_networks_that_give_no_maps(parts, message, X):
    def build(in_channels, image_size):
        return nn.Sequential(*parts)

    with pytest.raises(TypeError, match=f"'backbone' parameter of RotNet.*{message}.*nn.Linear"):
        RotNetEmbedder(build, max_epochs=1).fit(X)


@pytest.mark.parametrize("cls", [FineTuneClassifier, SemiSupervisedClassifier])
def test_numbers_for_a_classifier(cls, embedder, X, y):
    with pytest.raises(ValueError, match=f"{cls.__name__} cannot use.*FineTuneRegressor for"):
        cls(embedder).fit(X, y + 0.5)


@pytest.mark.parametrize(
    ("write", "message"),
    [
        (joblib.dump, r"a pickle, .*joblib\.load"),
        (partial(joblib.dump, compress=3), r"compressed, .*joblib\.load"),
        (partial(joblib.dump, protocol=2), r"a pickle, .*joblib\.load"),
        (torch.save, r"zip archive, as written by torch\.save"),
    ],
)
def test_files_of_other_programs(write, message, tmp_path):
    write({"an": "object"}, str(tmp_path / "file"))
    with pytest.raises(StateFileError, match=rf"was not read: it is (a )?.*{message}"):
        load(tmp_path / "file")
