"""Inherited parameters: signatures, scikit-learn's contract, constraints, docstrings."""

import inspect
import pickle
import subprocess
import sys
from numbers import Real

import pytest
from sklearn.base import BaseEstimator, clone
from sklearn.utils.estimator_checks import check_estimator
from sklearn.utils.validation import check_is_fitted

from sklssl import (
    BaseEmbedder,
    FineTuneClassifier,
    FineTuneRegressor,
    PatchDictionaryEmbedder,
    RotNetEmbedder,
    ScaleNetEmbedder,
    parameters,
)
from sklssl._parameters.docstrings import read_entries
from sklssl._parameters.sharing import SharesParameters
from sklssl._parameters.table import Shared
from sklssl.utils._sklearn_compat import Interval
from sklssl.utils.estimator_checks import check_embedder
from tests._own_method import MeanPretext
from tests._seed import SEED


@parameters(max_epochs=2, lr_schedule="constant")
class WidthEmbedder(BaseEmbedder):
    """Embed images by their mean brightness.

    Parameters
    ----------
    width : int
        The number of hidden units.

    verbose : int
        Ignored.

    Attributes
    ----------
    note_ : str
        Left by the task.

    Notes
    -----
    Only a test.
    """

    _parameter_constraints = {"width": [Interval(Real, 1, None, closed="left")]}

    def __init__(self, backbone="convnet", *, width=8, **shared):
        super().__init__(backbone, **shared)
        self.width = width

    def _make_pretext(self, backbone):
        self.note_ = "made"
        return MeanPretext(backbone, self.width)


@parameters(heat=1.0, batch_size=16, backbone="nin")
class HeatedEmbedder(WidthEmbedder):
    """Without an ``__init__`` of its own."""


class SpelledOutEmbedder(HeatedEmbedder):
    def __init__(self, backbone="convnet", *, heat=2.0, max_epochs=7):
        super().__init__(backbone, heat=heat, max_epochs=max_epochs)


class UndecoratedEmbedder(WidthEmbedder):
    def __init__(self, backbone="convnet", *, depth=3, **shared):
        super().__init__(backbone, **shared)
        self.depth = depth


class FixedEmbedder(HeatedEmbedder):
    device = "cpu"
    max_epochs = 1


CLASSES = [WidthEmbedder, HeatedEmbedder, SpelledOutEmbedder, UndecoratedEmbedder, FixedEmbedder]


def defaults_of(cls):
    return {name: p.default for name, p in inspect.signature(cls).parameters.items()}


class Root(SharesParameters, BaseEstimator):
    _shared_parameters = {
        "rate": Shared(0.1, [float], "float", "The rate."),
        "depth": Shared(None, [int, None], "int", "The depth."),
    }

    def __init__(self, network, **shared):
        self._store(network=network, **shared)


@parameters(rate=0.2)
class Leaf(Root):
    def __init__(self, network, sides=(1, 2), *, width=8, **shared):
        super().__init__(network, **shared)
        self.sides = sides
        self.width = width


def test_the_signature_is_that_of_a_constructor_written_by_hand():
    def written_by_hand(network, sides=(1, 2), *, width=8, rate=0.2, depth=None):
        """Stand for ``Leaf.__init__``."""

    def of_method(self, network, sides=(1, 2), *, width=8, rate=0.2, depth=None):
        """Stand for ``Leaf.__init__`` as a function of the class."""

    assert inspect.signature(Leaf) == inspect.signature(written_by_hand)
    assert inspect.signature(Leaf.__init__) == inspect.signature(of_method)
    assert vars(Leaf("a", depth=3)) == {
        "network": "a",
        "sides": (1, 2),
        "width": 8,
        "rate": 0.2,
        "depth": 3,
    }


def test_a_class_without_init_takes_new_names_and_other_defaults():
    usual = defaults_of(WidthEmbedder)
    changed = {"backbone": "nin", "heat": 1.0, "batch_size": 16}
    assert defaults_of(HeatedEmbedder) == usual | changed
    first, second, *_ = inspect.signature(HeatedEmbedder).parameters.values()
    assert (first.name, second.name) == ("backbone", "heat")
    assert first.kind is first.POSITIONAL_OR_KEYWORD
    assert second.kind is second.KEYWORD_ONLY
    assert vars(HeatedEmbedder("convnet", heat=2.0)) == (
        usual | changed | {"backbone": "convnet", "heat": 2.0}
    )


def test_other_ways_to_extend_a_class():
    assert list(defaults_of(SpelledOutEmbedder)) == ["backbone", "heat", "max_epochs"]
    assert SpelledOutEmbedder().batch_size == 16  # the default of the class above
    assert list(defaults_of(UndecoratedEmbedder))[:3] == ["backbone", "depth", "width"]
    assert UndecoratedEmbedder(device="cpu").device == "cpu"


@pytest.mark.parametrize("cls", CLASSES)
def test_params_are_what_was_given(cls):
    params = {"max_epochs": 5, "heat": 3.0, "width": 4, "random_state": 1}
    params = {name: value for name, value in params.items() if name in defaults_of(cls)}
    embedder = cls("resnet8", **params)
    expected = defaults_of(cls) | params | {"backbone": "resnet8"}
    for same in (embedder, clone(embedder), pickle.loads(pickle.dumps(embedder))):
        assert type(same) is cls
        assert same.get_params() == expected
        assert repr(same) == repr(embedder)
    assert cls().set_params(backbone="resnet8", **params).get_params() == expected
    assert cls().get_params() == defaults_of(cls)


@pytest.mark.parametrize("cls", CLASSES)
def test_an_unknown_argument_is_named_with_the_class_that_was_called(cls):
    with pytest.raises(TypeError, match=f"{cls.__name__} has no parameter 'lr'. It has backbone"):
        cls(lr=0.1)
    with pytest.raises(ValueError, match="Invalid parameter 'lr'"):
        cls().set_params(lr=0.1)


def test_an_unknown_argument_for_the_class_above_is_named():
    class Careless(BaseEmbedder):
        def __init__(self, backbone="convnet"):
            super().__init__(backbone, max_epoch=3)

    message = "BaseEmbedder has no parameter 'max_epoch'. Did you mean 'max_epochs'?"
    with pytest.raises(TypeError, match=message):
        Careless()


def test_what_the_body_of_a_class_fixes_is_no_parameter():
    assert defaults_of(HeatedEmbedder).keys() - defaults_of(FixedEmbedder).keys() == {
        "device",
        "max_epochs",
    }
    embedder = FixedEmbedder(heat=2.0)
    assert (embedder.device, embedder.max_epochs, embedder.heat) == ("cpu", 1, 2.0)
    assert not {"device", "max_epochs"} & vars(embedder).keys()
    with pytest.raises(TypeError, match="FixedEmbedder has no parameter 'device'"):
        FixedEmbedder(device="cuda")
    for cls in (ScaleNetEmbedder, PatchDictionaryEmbedder):
        assert vars(cls()).keys() == defaults_of(cls).keys()


@pytest.mark.parametrize("cls", [WidthEmbedder, HeatedEmbedder, FixedEmbedder])
def test_constraints_are_inherited(cls, X):
    constraints = cls._parameter_constraints
    assert constraints.keys() == defaults_of(cls).keys() - {"heat"}
    for name, value in {"width": 0, "layer": 3, "pool_size": 0}.items():
        with pytest.raises(ValueError, match=f"The '{name}' parameter of {cls.__name__} must be"):
            cls(**{name: value}).fit(X)


def test_constraints_that_repeat_those_above():
    class Repeats(WidthEmbedder):
        _parameter_constraints = {**WidthEmbedder._parameter_constraints, "width": [int]}

    assert Repeats._parameter_constraints == {
        **WidthEmbedder._parameter_constraints,
        "width": [int],
    }


def test_a_parameter_without_constraints_is_not_checked(X):
    """As in scikit-learn, whose estimators may be extended by others."""
    check_is_fitted(HeatedEmbedder("convnet", heat="any", max_epochs=0).fit(X))


@pytest.mark.parametrize("value", [[1, 2], {}, set()])
def test_a_mutable_default_is_refused(value):
    with pytest.raises(TypeError, match="of Mutable: the default of 'scales' must be immutable"):

        @parameters(scales=value)
        class Mutable(RotNetEmbedder):
            pass


def test_a_default_without_use_is_refused():
    class Body(RotNetEmbedder):
        def __init__(self, backbone="convnet", *, heat=1.0, **shared):
            super().__init__(backbone, **shared)
            self.heat = heat

    with pytest.raises(
        TypeError, match=r"Body has no parameter 'heats'.* Add new parameters to the"
    ):
        parameters(heats=2.0)(Body)
    with pytest.raises(TypeError, match="Body: the __init__ already has a default for 'heat'"):
        parameters(heat=2.0)(Body)
    with pytest.raises(TypeError, match="__init__ must end with "):
        parameters(max_epochs=2)(SpelledOutEmbedder)
    with pytest.raises(TypeError, match="object inherits no shared parameters"):
        parameters(max_epochs=2)(object)


def test_a_fine_tuner_with_defaults_of_its_own():
    @parameters(max_epochs=3, smoothing=0.1)
    class SmoothClassifier(FineTuneClassifier):
        """Smooth the labels."""

    usual = defaults_of(FineTuneClassifier)
    assert defaults_of(SmoothClassifier) == usual | {"max_epochs": 3, "smoothing": 0.1}
    classifier = SmoothClassifier("convnet", class_weight="balanced")
    assert clone(classifier).get_params() == usual | {
        "embedder": "convnet",
        "class_weight": "balanced",
        "max_epochs": 3,
        "smoothing": 0.1,
    }


@pytest.mark.parametrize("cls", [FineTuneClassifier, FineTuneRegressor])
def test_a_required_argument_that_is_missing(cls):
    for kwargs in ({}, {"max_epochs": 3}):
        with pytest.raises(TypeError, match=f"{cls.__name__} needs a value for 'embedder'"):
            cls(**kwargs)


# Docstrings ----------------------------------------------------------------------------------


def test_a_docstring_keeps_what_it_has_and_gains_the_rest():
    doc = inspect.getdoc(WidthEmbedder)
    assert doc == WidthEmbedder.__doc__
    described = read_entries(doc, "Parameters")
    assert list(described) == list(defaults_of(WidthEmbedder))
    assert described["width"] == ("int, default=8", "The number of hidden units.")
    assert described["verbose"] == ("int, default=0", "Ignored.")
    usual = read_entries(BaseEmbedder.__doc__, "Parameters")
    assert described["layer"] == usual["layer"]
    assert described["max_epochs"] == ("int, default=2", usual["max_epochs"].text)
    assert described["backbone"] == ('str or callable, default="convnet"', usual["backbone"].text)
    attributes = read_entries(doc, "Attributes")
    assert attributes.pop("note_") == ("str", "Left by the task.")
    assert attributes == read_entries(BaseEmbedder.__doc__, "Attributes")
    assert doc.startswith("Embed images by their mean brightness.\n\nParameters\n")
    assert doc.endswith("Notes\n-----\nOnly a test.")


def test_the_docstring_of_a_class_that_says_only_what_it_is():
    described = read_entries(HeatedEmbedder.__doc__, "Parameters")
    assert list(described) == [name for name in defaults_of(HeatedEmbedder) if name != "heat"]
    assert described["width"].text == "The number of hidden units."
    assert described["batch_size"].kind == "int, default=16"
    attributes = read_entries(HeatedEmbedder.__doc__, "Attributes")
    assert attributes == read_entries(WidthEmbedder.__doc__, "Attributes")
    assert SpelledOutEmbedder.__doc__ is None


SCRIPT = """
import pickle, sys
import numpy as np
from joblib.externals.loky import get_reusable_executor
from sklearn.base import BaseEstimator, clone
from sklssl import RotNetEmbedder, SimCLREmbedder, parameters

@parameters(max_epochs=0, heat=1.0)
class MainEmbedder(RotNetEmbedder):
    '''Defined in a script.'''

class SharedEmbedder(MainEmbedder):
    def __init__(self, backbone="convnet", *, width=1, **shared):
        super().__init__(backbone, **shared)
        self.width = width

def embed(embedder, X):
    return clone(embedder).set_params(heat=3.0).fit(X).transform(X)

X = np.random.default_rng(0).integers(0, 256, (8, 8, 8), dtype=np.uint8)
for embedder in (MainEmbedder("convnet", random_state=0), SharedEmbedder(width=2, random_state=0)):
    assert pickle.loads(pickle.dumps(embedder)).get_params() == embedder.get_params()
    Z = get_reusable_executor(max_workers=1).submit(embed, embedder, X).result()
    assert (Z == embed(embedder, X)).all()
assert SimCLREmbedder(max_epochs=3).get_params()["batch_size"] == 64
print("done")
"""

# Without sklssl.base: skorch cannot be imported without docstrings.
WITHOUT_DOCSTRINGS = """
from sklearn.base import BaseEstimator
from sklssl._parameters.sharing import SharesParameters, parameters
from sklssl._parameters.table import Shared

class Root(SharesParameters, BaseEstimator):
    '''A root.'''
    _shared_parameters = {"rate": Shared(0.1, [float], "float", "The rate.")}
    def __init__(self, network="a", **shared):
        self._store(network=network, **shared)

@parameters(rate=0.2, heat=1.0)
class Leaf(Root):
    '''A leaf.'''

if Leaf("b").get_params() == {"network": "b", "rate": 0.2, "heat": 1.0} and Leaf.__doc__ is None:
    print("done")
"""


@pytest.mark.parametrize(("flags", "script"), [([], SCRIPT), (["-OO"], WITHOUT_DOCSTRINGS)])
def test_classes_of_a_script(flags, script, tmp_path):
    (tmp_path / "script.py").write_text(script)
    command = [sys.executable, *flags, str(tmp_path / "script.py")]
    out = subprocess.run(command, capture_output=True, text=True, check=False)
    assert out.stdout == "done\n", out.stderr


# The contract of scikit-learn and of sklssl --------------------------------------------------


@pytest.mark.filterwarnings("ignore::sklssl.exceptions.CollapseWarning")
@pytest.mark.parametrize("cls", [WidthEmbedder, HeatedEmbedder])
def test_a_decorated_class_keeps_the_contract(cls):
    embedder = cls("convnet", max_epochs=1, random_state=SEED)
    check_embedder(embedder)
    check_estimator(embedder, on_skip=None)
