"""The result of a comparison: a table, and advice on which embedder to use."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from html import escape
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from sklearn.frozen import FrozenEstimator

from sklssl.inspection._candidates import PIXELS, UNTRAINED
from sklssl.inspection._label_names import join_words

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Comparison", "Result"]

# With fewer images, pretrained weights are worth a try.
_FEW_IMAGES = 5000
# Beginnings of the names of scores of which 1 is the best. From this value on nothing is left to
# gain.
_UP_TO_ONE = (
    "accuracy",
    "average_precision",
    "balanced_accuracy",
    "f1",
    "jaccard",
    "precision",
    "recall",
    "roc_auc",
    "top_k_accuracy",
)
_NEARLY_ONE = 0.99
# Share of the largest class from which accuracy says little, even if it is higher.
_LARGE_SHARE = 2 / 3


class Result(NamedTuple):
    """The measurements of one embedder.

    Parameters
    ----------
    scores : ndarray of shape (n_numbers, n_draws)
        One row per number of labels, one column per draw.

    n_features : int

    fit_time : float
        In seconds.

    transform_time : float
        In seconds for 1,000 images.

    estimator : estimator
        The fitted embedder.
    """

    scores: np.ndarray
    n_features: int
    fit_time: float
    transform_time: float
    estimator: Any


class Comparison:
    """The result of ``compare_embedders``: the scores of embedders on a set of images.

    It prints as a table with the best embedder first, and advice on which one to use. Only
    :func:`sklssl.inspection.compare_embedders` makes it; what there is to read are its attributes.

    Attributes
    ----------
    rows : list of dict
        One row per embedder, best first, with the keys name, mean_score_<n> and std_score_<n>
        (over the draws of n labels per class), n_features, fit_time (in seconds) and transform_time
        (in seconds for 1,000 images). Rows are sorted by the mean over all numbers of labels.

    names : list of str
        The names of the embedders, in the order in which they were passed.

    n_labels : list of int
        The numbers of labels per class.

    scores : dict of str to ndarray of shape (n_numbers, n_draws)
        The scores of each embedder, by number of labels and draw.

    score_name : str
        The name of the score, such as "accuracy".

    estimators : dict of str to estimator
        The embedders, fitted on the training images.

    choice : str
        The name of the recommended embedder: the fastest to fit among those that are better than
        raw pixels, if these are compared, and not worse than the best. Better and worse mean by
        more than the spread, which is the standard deviation of the difference over the draws. If
        no embedder is better than raw pixels, these are the choice.

    advice : str
        The recommendation in a sentence or two, and what to know of the scores: that accuracy says
        little because one class is by far the largest, or that embedders get images of different
        sizes.

    n_train : int
        Number of images the embedders were fitted on.

    n_test : int
        Number of test images.

    See Also
    --------
    compare_embedders : The function that returns this object.
    """

    def __init__(
        self,
        results: dict[str, Result],
        n_labels: Sequence[int],
        *,
        n_images: tuple[int, int],
        scoring: str | Callable[..., float] | None = None,
        largest: tuple[Any, float] | None = None,  # class, and its share in the test images
    ) -> None:
        self.names = list(results)
        best_first = sorted(results, key=lambda name: -results[name].scores.mean())
        self._results = {name: results[name] for name in best_first}
        self._as_percent = scoring in (None, "accuracy")
        name = "accuracy" if scoring is None else scoring
        self._up_to_one = isinstance(name, str) and name.startswith(_UP_TO_ONE)
        self.score_name = getattr(name, "__name__", str(name))
        self.n_labels = list(n_labels)
        self.n_train, self.n_test = n_images
        self.scores = {name: result.scores for name, result in self._results.items()}
        self.estimators = {name: result.estimator for name, result in self._results.items()}
        self.rows = [self._row(name, result) for name, result in self._results.items()]
        self.choice = self._choose()
        parts = self._advise(), self._note_majority(largest), self._note_sizes()
        self.advice = " ".join(filter(None, parts))

    def to_frame(self) -> pd.DataFrame:
        """Return the rows as a data frame.

        Returns
        -------
        frame : pandas.DataFrame
            Indexed by the names of the embedders.

        Raises
        ------
        ImportError
            If pandas is not installed.
        """
        import pandas as pd  # slow to import, and not needed otherwise

        return pd.DataFrame(self.rows).set_index("name")

    def _row(self, name: str, result: Result) -> dict[str, Any]:
        row: dict[str, Any] = {"name": name}
        for n, scores in zip(self.n_labels, result.scores, strict=True):
            row[f"mean_score_{n}"] = float(scores.mean())
            row[f"std_score_{n}"] = float(scores.std())
        row["n_features"] = result.n_features
        row["fit_time"] = result.fit_time
        row["transform_time"] = result.transform_time
        return row

    # Advice ---------------------------------------------------------------------------------

    def _is_better(self, name: str, other: str) -> bool:
        """Return whether one embedder beats another by more than the spread of the difference."""
        # Paired by draw: some labels are more informative than others, for both alike.
        gain = (self.scores[name] - self.scores[other]).mean(axis=0)
        return gain.mean() > gain.std()

    def _beats_pixels(self, name: str) -> bool:
        return PIXELS not in self.scores or self._is_better(name, PIXELS)

    def _choose(self) -> str:
        best = self.rows[0]["name"]
        near = [
            row
            for row in self.rows
            if self._beats_pixels(row["name"]) and not self._is_better(best, row["name"])
        ]
        return min(near, key=lambda row: row["fit_time"])["name"] if near else PIXELS

    def _advise(self) -> str:
        labels = f"with {join_words(self.n_labels)} label{'s' * (self.n_labels[-1] > 1)} per class"
        scores = f"{self._format_scores(self.choice)} {labels}"
        if self.choice == PIXELS:
            return (
                "No embedder is better than raw pixels here by more than the spread; raw pixels "
                f"reach {scores}. {self._suggest()}"
            )
        pixels = f" ({PIXELS} {self._format_scores(PIXELS)})" if PIXELS in self.scores else ""
        name = f"the {UNTRAINED}" if self.choice == UNTRAINED else self.choice
        time = self._results[self.choice].fit_time
        advice = f"Use {name}: it reaches {scores}{pixels}, fitted in {time:.1f} s."
        best = self.rows[0]["name"]
        named = f"The {best}" if best == UNTRAINED else best
        if best != self.choice and self._beats_pixels(best):
            advice += f" {named} is not better by more than the spread, and takes longer to fit."
        elif best != self.choice:
            advice += f" {named} is not better than raw pixels by more than the spread."
        return advice

    def _suggest(self) -> str:
        if self._up_to_one and self.scores[PIXELS].mean(axis=1).min() >= _NEARLY_ONE:
            return "They suffice: there is nothing left to gain."
        if all((scores == self.scores[PIXELS]).all() for scores in self.scores.values()):
            return (
                "All embedders have the same scores in every draw: if these can be better, check "
                "that the images differ."
            )
        averaging = self._find_averaging()
        if averaging is not None:
            return (
                f"{averaging} averages features over mirrored images, which removes left and "
                "right: try symmetry=None."
            )
        if self.n_train >= _FEW_IMAGES:
            return "Try other methods, more epochs, or weights from other images (init_weights)."
        return (
            f"{self.n_train} images are few for training: start from pretrained weights, such as "
            'RotNetEmbedder("resnet18", image_size=224, '
            'init_weights="ResNet18_Weights.IMAGENET1K_V1", max_epochs=0).'
        )

    def _find_averaging(self) -> str | None:
        """Return the best embedder that averages over mirrored images and is worse than pixels."""
        for name, result in self._results.items():
            embedder = _innermost(result.estimator)
            symmetry = getattr(embedder, "symmetry", None)
            if symmetry == "auto":
                symmetry = embedder.symmetry_
            averages = symmetry in ("mirror", "all") and name != UNTRAINED
            if averages and self._is_better(PIXELS, name):
                return name
        return None

    def _note_majority(self, largest: tuple[Any, float] | None) -> str | None:
        """Say what a constant answer would reach, where accuracy hides it."""
        if not self._as_percent or largest is None:
            return None
        name, share = largest
        least = self.scores[self.choice].mean(axis=1).min()
        if share <= 0.5 or (share < _LARGE_SHARE and least > share):
            return None
        return (
            f"Answering always {name!r} would reach {self._show(share)} %: consider "
            "scoring='balanced_accuracy'."
        )

    def _note_sizes(self) -> str | None:
        """Say which embedders get images of which size, if not all get the same."""
        names: dict[str, list[str]] = {}
        for name, result in self._results.items():
            embedder = _innermost(result.estimator)
            shape = getattr(embedder, "image_shape_", None)
            side = getattr(embedder, "image_size", None)
            if shape is not None:
                height, width = shape[:2] if side is None else (side, side)
                names.setdefault(f"{height}x{width}", []).append(name)
        if len(names) < 2:
            return None
        sizes = [f"{size} pixels for {join_words(same)}" for size, same in names.items()]
        return (
            f"The embedders get images of different sizes: {join_words(sizes)}. Set the same "
            "image_size for all to compare them on the same images."
        )

    def _format_scores(self, name: str) -> str:
        """Format the scores of an embedder for a sentence."""
        means = [self._show(scores.mean()) for scores in self.scores[name]]
        return join_words(means) + " %" * self._as_percent

    # The table -------------------------------------------------------------------------------

    def _show(self, score: float, spread: float | None = None) -> str:
        factor, digits = (100, 1) if self._as_percent else (1, 3)
        shown = f"{factor * score:.{digits}f}"
        return shown if spread is None else f"{shown} ± {factor * spread:.{digits}f}"

    def _cells(self) -> list[list[str]]:
        """Return the table as strings, header first."""
        heads = [f"{n} label{'s' * (n > 1)}" for n in self.n_labels]
        table = [["", *heads, "features", "fit s", "s/1000 images"]]
        for row in self.rows:
            shown = [
                self._show(row[f"mean_score_{n}"], row[f"std_score_{n}"]) for n in self.n_labels
            ]
            times = f"{row['fit_time']:.1f}", f"{row['transform_time']:.2f}"
            table.append([row["name"], *shown, str(row["n_features"]), *times])
        return table

    def _title(self) -> str:
        n_draws = self.scores[self.choice].shape[1]
        unit = " in %" * self._as_percent
        return (
            f"{self.score_name}{unit} by labels per class, mean ± spread of {n_draws} draws; "
            f"{self.n_train} training and {self.n_test} test images"
        )

    def __str__(self) -> str:
        table = self._cells()
        widths = [max(map(len, column)) for column in zip(*table, strict=True)]
        lines = [
            "  ".join([line[0].ljust(widths[0]), *map(str.rjust, line[1:], widths[1:])]).rstrip()
            for line in table
        ]
        return "\n".join([self._title(), "", *lines, "", self.advice])

    def __repr__(self) -> str:
        return f"<Comparison of {len(self.rows)} embedders; choice: {self.choice!r}>"

    def _repr_html_(self) -> str:
        heads, *lines = [[escape(cell) for cell in line] for line in self._cells()]
        rows = "".join(f"<tr><td>{'</td><td>'.join(line)}</td></tr>" for line in lines)
        return (
            f"<p>{escape(self._title())}</p><table><thead><tr><th>{'</th><th>'.join(heads)}</th>"
            f"</tr></thead><tbody>{rows}</tbody></table><p>{escape(self.advice)}</p>"
        )


def _innermost(estimator: Any) -> Any:
    """Return what a ``FrozenEstimator``, or an embedder of another one, contains."""
    found = estimator.estimator if isinstance(estimator, FrozenEstimator) else estimator
    return getattr(found, "estimator_", found)
