"""The fit protocol shared by all estimators that train a network."""

import contextlib
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils import Tags, check_random_state

from sklssl._runtime.allocator import retain_freed_memory
from sklssl._runtime.device import forked_rng
from sklssl._runtime.ranks import current_ranks, fit_together
from sklssl._storage.module_state import PackedModules
from sklssl._training.checkpoints import Checkpoints, open_checkpoints
from sklssl._training.config import Plan
from sklssl._training.fingerprint import describe_fit
from sklssl._training.same_fit import check_same_fit
from sklssl.utils._checks import check_callbacks, check_optimizer
from sklssl.utils._feature_names import NumberedFeatures
from sklssl.utils._sklearn_compat import CallbackSupport, FitTasks

__all__ = ["TrainedEstimator"]


class TrainedEstimator(
    CallbackSupport,
    PackedModules,
    NumberedFeatures,
    TransformerMixin,
    BaseEstimator,
):
    """Base class of estimators that train a network.

    ``fit`` trains a copy, which replaces the estimator in a single step at the end, so that a
    failed fit leaves no trace.
    """

    @contextlib.contextmanager
    def _fitting(self, plan: Plan, data: tuple[Any, Any]) -> Iterator[tuple[Any, FitTasks]]:
        """Yield a copy to train and the tasks for scikit-learn's callbacks; then become the copy.

        Parameters
        ----------
        plan : Plan

        data : tuple of (X, y)
            Passed to these callbacks.
        """
        with fit_together(type(plan.owner).__name__) as ranks:
            # Before copying: attributes that scikit-learn sets during fit must survive the swap.
            fit_tasks = FitTasks(
                plan.owner if ranks.leads else None,
                sum(phase.max_epochs for phase in plan.phases),
                lambda: plan.owner._attributes_from(fresh),
                data=data,
            )
            check_callbacks(self, self.callbacks)
            check_optimizer(self)
            fresh = self._continued() if plan.continued else self._unfitted()
            yield fresh, fit_tasks
            fit_tasks.end()
        self.__dict__ = fresh.__dict__

    def _attributes_from(self, fitted: Any) -> dict[str, Any]:
        """Return the fitted attributes of this estimator once `fitted` has been trained."""
        return fitted._learned()

    def _draw_seed(self) -> int:
        """Draw the seed of a fit; when training continues, the order of the images changes."""
        seed = check_random_state(self.random_state).randint(np.iinfo(np.int32).max)
        return seed + len(getattr(self, "history_", ()))

    @contextlib.contextmanager
    def _training_resources(
        self, device: torch.device, seed: int, rows: list[Any], plan: Plan
    ) -> Iterator[Checkpoints]:
        """Set up what a run needs: retained memory, a locked folder, separate generators.

        Of several processes the first one opens the folder, and its seed is that of all.

        Parameters
        ----------
        device : torch.device

        seed : int
            Used unless a checkpoint is resumed, which has its own.

        rows : list of arrays
            The training data.

        plan : Plan

        Yields
        ------
        checkpoints : Checkpoints
            With the seed of the run.
        """
        ranks, about = current_ranks(), None
        is_kept = self.checkpoint_dir is not None and not plan.in_pieces
        if is_kept or ranks.size > 1:
            about = describe_fit(self, rows, plan)
            check_same_fit(self, rows, about, ranks)
        with (
            retain_freed_memory(device),
            open_checkpoints(self, seed, about if is_kept else None, ranks) as checkpoints,
            forked_rng(device, checkpoints.seed),
        ):
            yield checkpoints

    @property
    def n_epochs_(self) -> int:
        """The number of epochs trained."""
        return len(self.history_)

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        tags.input_tags.string = True
        tags.transformer_tags.preserves_dtype = ["float32"]
        return tags
