"""What the papers' scripts share: trainings that can be interrupted."""

import shutil
from pathlib import Path

from sklssl.finetuning import FineTuneClassifier


class Fit:
    """Fit new estimators with one seed, and with checkpoints in one folder."""

    def __init__(self, seed, folder):
        self.seed, self.folder = seed, Path(folder)

    def __call__(self, estimator, *data):
        """Fit the estimator; what a process began and could not finish is continued."""
        settings = {"random_state": self.seed, "checkpoint_dir": str(self.folder)}
        known = estimator.get_params()
        for prefix in ("", "estimator__"):  # the latter of a MultiScaleEmbedder
            mine = {prefix + key: value for key, value in settings.items()}
            estimator.set_params(**{key: mine[key] for key in mine if key in known})
        return estimator.fit(*data)

    def remove(self):
        """Remove the checkpoints."""
        shutil.rmtree(self.folder, ignore_errors=True)


def tuned(fit, start, data, **settings):
    """Return the test accuracy of a classifier that begins with a fitted embedder or a network."""
    X, y, X_test, y_test = data
    return float(fit(FineTuneClassifier(start, **settings), X, y).score(X_test, y_test))
