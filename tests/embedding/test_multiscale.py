import numpy as np
import pytest
import torch
from numpy.testing import assert_array_equal

from sklssl import (
    MultiScaleEmbedder,
    PatchDictionaryEmbedder,
    RotNetEmbedder,
    ScaleNetEmbedder,
    SimCLREmbedder,
)
from tests._estimators import every_embedder
from tests._seed import SEED


def test_scalenet_is_rotnet_at_several_scales(X):
    settings = {"batch_size": 16, "random_state": 3}
    scalenet = ScaleNetEmbedder(
        (0.5, 1.0), learning_rates=(0.1, 0.05), max_epochs=(2, 1), **settings
    ).fit(X)
    multiscale = MultiScaleEmbedder(
        RotNetEmbedder(**settings), (0.5, 1.0), learning_rates=(0.1, 0.05), max_epochs=(2, 1)
    ).fit(X)
    assert_array_equal(scalenet.transform(X), multiscale.transform(X))
    assert scalenet.score(X) == multiscale.score(X)


SINGLE = {
    name: embedder
    for name, embedder in every_embedder(backbone="convnet").items()
    if "scales" not in embedder.get_params()
}


@pytest.mark.parametrize("name", SINGLE)
def test_any_method_trains_at_several_scales(X, name):
    multiscale = MultiScaleEmbedder(SINGLE[name], (0.75, 1.0), max_epochs=1).fit(X)
    assert [row["scale"] for row in multiscale.history_] == [0.75, 1.0]
    assert np.isfinite(multiscale.transform(X)).all()
    assert np.isfinite(multiscale.score(X))


def test_one_full_scale_is_rotnet(X):
    scalenet = ScaleNetEmbedder(
        (1.0,), learning_rates=(0.1,), max_epochs=2, batch_size=32, random_state=SEED
    ).fit(X)
    rotnet = RotNetEmbedder(learning_rate=0.1, max_epochs=2, batch_size=32, random_state=SEED).fit(
        X
    )
    assert_array_equal(scalenet.transform(X), rotnet.transform(X))


def test_history_names_scale_and_rate_of_each_epoch(X):
    embedder = ScaleNetEmbedder(
        (0.5, 0.75, 1.0),
        learning_rates=(0.1, 0.05, 0.01),
        max_epochs=(1, 2, 1),
        lr_schedule="constant",
    ).fit(X)
    rows = [(row["epoch"], row["scale"], row["learning_rate"]) for row in embedder.history_]
    assert rows == [(1, 0.5, 0.1), (2, 0.75, 0.05), (3, 0.75, 0.05), (4, 1.0, 0.01)]
    assert embedder.n_epochs_ == 4


def test_the_network_sees_each_scale(X):
    sizes = []

    def watch(embedder, row):
        embedder.pretext_.register_forward_pre_hook(
            lambda module, args: sizes.append(tuple(args[0].shape[2:]))
        )

    # The hook set after the first epoch sees the sizes of all later ones.
    ScaleNetEmbedder(
        (0.5, 0.75, 1.0), learning_rates=(0.1,) * 3, max_epochs=(2, 1, 1), callbacks=[watch]
    ).fit(X)
    assert list(dict.fromkeys(sizes)) == [(4, 4), (6, 6), (8, 8)]


def test_weights_heads_and_statistics_are_carried_on(X):
    """A second scale without epochs leaves exactly the state of the first."""
    settings = {"learning_rates": (0.1, 0.05), "random_state": SEED}
    first = ScaleNetEmbedder((0.5, 1.0), max_epochs=(2, 0), **settings).fit(X)
    alone = ScaleNetEmbedder((0.5,), learning_rates=(0.1,), max_epochs=2, random_state=SEED).fit(X)
    for name, tensor in alone.pretext_.state_dict().items():
        assert torch.equal(first.pretext_.state_dict()[name], tensor), name
    both = ScaleNetEmbedder((0.5, 1.0), max_epochs=(2, 1), **settings).fit(X)
    norms = [n for n in both.pretext_.state_dict() if n.endswith("num_batches_tracked")]
    assert norms
    assert all(both.pretext_.state_dict()[n] == 6 for n in norms)  # 3 epochs of 2 batches


@pytest.mark.parametrize("make", [ScaleNetEmbedder, MultiScaleEmbedder])
def test_a_scale_that_leaves_too_few_pixels_is_named(X, make):
    args = () if make is ScaleNetEmbedder else (RotNetEmbedder(),)
    embedder = make(*args, scales=(0.25, 1.0), max_epochs=1)
    message = rf"'scales'.*{make.__name__}.*scale 0\.25 reduces 8 pixels to 2"
    with pytest.raises(ValueError, match=message):
        embedder.fit(X)
    assert not embedder.__sklearn_is_fitted__()


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"learning_rates": (0.1,)}, "'scales' and 'learning_rates'.*Got 2 scales.*1 values"),
        ({"max_epochs": (1, 2, 3)}, "'scales' and 'max_epochs'.*3 values"),
        ({"scales": (0.0, 1.0)}, r"'scales' parameter of ScaleNetEmbedder must contain numbers in"),
        ({"scales": (0.5, 2.0)}, r"'scales' parameter"),
        ({"learning_rates": (0.1, -1.0)}, "'learning_rates' parameter.*above 0"),
        ({"max_epochs": (1, 0.5)}, "'max_epochs' parameter.*integers"),
        ({"scales": ()}, "'scales' parameter of ScaleNetEmbedder must contain.*at least one"),
        ({"scales": 0.5}, "'scales' parameter of ScaleNetEmbedder must be an array-like"),
    ],
)
def test_bad_scales(X, params, message):
    with pytest.raises(ValueError, match=message):
        ScaleNetEmbedder(**params).fit(X)


def test_multiscale_takes_rate_and_epochs_of_its_embedder(X):
    inner = RotNetEmbedder(
        learning_rate=0.03, max_epochs=1, lr_schedule="constant", random_state=SEED
    )
    embedder = MultiScaleEmbedder(inner).fit(X)
    assert [row["learning_rate"] for row in embedder.history_] == [0.03, 0.03]
    assert not hasattr(inner, "pretext_")  # cloned, not fitted in place


def test_multiscale_refuses_what_is_no_embedder(X):
    with pytest.raises(ValueError, match="'estimator' parameter of MultiScaleEmbedder"):
        MultiScaleEmbedder("rotnet").fit(X)


def test_multiscale_validates_its_embedder(X):
    with pytest.raises(ValueError, match="'batch_size' parameter of RotNetEmbedder"):
        MultiScaleEmbedder(RotNetEmbedder(batch_size=0)).fit(X)


def test_multiscale_warm_start_goes_on(X):
    inner = RotNetEmbedder(max_epochs=1, warm_start=True, random_state=SEED)
    embedder = MultiScaleEmbedder(inner).fit(X).fit(X)
    assert [row["scale"] for row in embedder.history_] == [0.5, 1.0, 0.5, 1.0]


def test_partial_fit_trains_at_the_last_scale(X):
    for embedder in (
        ScaleNetEmbedder(random_state=SEED),
        MultiScaleEmbedder(RotNetEmbedder(random_state=SEED)),
    ):
        embedder.partial_fit(X[:20]).partial_fit(X[20:])
        assert [row["scale"] for row in embedder.history_] == [1.0, 1.0]
        assert np.isfinite(embedder.transform(X)).all()


def test_scalenet_takes_the_rates_of_the_paper(X):
    for scales, rates in [((1.0,), [0.1]), ((0.5, 0.75, 1.0), [0.1, 0.05, 0.01])]:
        embedder = ScaleNetEmbedder(scales, max_epochs=1, lr_schedule="constant").fit(X)
        assert [row["learning_rate"] for row in embedder.history_] == rates


def test_goes_on_with_what_was_set_meanwhile(X, tmp_path):
    seen = []
    inner = RotNetEmbedder("convnet", max_epochs=1, warm_start=True, random_state=0)
    embedder = MultiScaleEmbedder(inner, scales=(1.0,)).fit(X)
    embedder.set_params(
        estimator__batch_size=16,
        estimator__layer="block2",
        estimator__callbacks=[lambda _, row: seen.append(row["epoch"])],
        estimator__checkpoint_dir=tmp_path,
    ).fit(X)
    assert seen == [2]
    assert embedder.estimator_.batch_size == 16
    assert any(tmp_path.iterdir())
    plain = RotNetEmbedder("convnet", max_epochs=1, warm_start=True, random_state=0).fit(X)
    plain.set_params(batch_size=16, layer="block2").fit(X)
    assert_array_equal(embedder.transform(X), plain.transform(X))
    with pytest.raises(ValueError, match="'batch_size' parameter of RotNetEmbedder"):
        embedder.set_params(estimator__batch_size=-1).fit(X)
    assert embedder.n_epochs_ == 2


def test_goes_on_with_the_layer_that_was_set(X):
    inner = RotNetEmbedder("convnet", max_epochs=1, warm_start=True, random_state=0)
    embedder = MultiScaleEmbedder(inner, scales=(1.0,)).fit(X).set_layer("block1")
    width = embedder.transform(X).shape[1]
    assert embedder.fit(X).transform(X).shape[1] == width
    assert inner.layer == "auto"


def test_does_not_go_on_with_another_method(X):
    embedder = MultiScaleEmbedder(RotNetEmbedder("convnet", max_epochs=1), scales=(1.0,)).fit(X)
    embedder.set_params(estimator=SimCLREmbedder("convnet"))
    with pytest.raises(TypeError, match="'estimator' parameter of MultiScaleEmbedder.*a SimCLR"):
        embedder.partial_fit(X)
    with pytest.raises(ValueError, match="'backbone' parameter of RotNetEmbedder is 'resnet8'"):
        embedder.set_params(estimator=RotNetEmbedder("resnet8")).partial_fit(X)


@pytest.mark.parametrize(
    ("inner", "why"),
    [
        (PatchDictionaryEmbedder(8), "trains no network"),
        (ScaleNetEmbedder(max_epochs=1), "has scales of its own"),
    ],
)
def test_embedders_without_a_task_at_one_scale(X, inner, why):
    for fit in (MultiScaleEmbedder(inner).fit, MultiScaleEmbedder(inner).partial_fit):
        with pytest.raises(ValueError, match=f"'estimator' parameter of MultiScale.*, which {why}"):
            fit(X)
