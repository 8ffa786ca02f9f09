import os

import cv2
import numpy as np
import pytest

from sklssl import RotNetEmbedder
from sklssl.callbacks import ProbeMonitor


def test_files_that_cannot_be_read_are_told_before_training_is_lost(X, tmp_path):
    paths = [str(tmp_path / f"{i}.png") for i in range(8)]
    for path, image in zip(paths, X, strict=False):
        cv2.imwrite(path, image)
    y = np.arange(8) % 2
    monitor = ProbeMonitor(paths, y, every=2, n_neighbors=3)

    def lose_one(_, row):
        if row["epoch"] == 3:
            os.remove(paths[5])

    embedder = RotNetEmbedder("convnet", max_epochs=5, callbacks=[monitor, lose_one])
    embedder.set_params(image_shape=X.shape[1:], random_state=0)
    with pytest.warns(UserWarning, match="ProbeMonitor: no evaluation after epoch 4.*5.png"):
        embedder.fit(X)
    assert np.isfinite(embedder.history_[1]["knn_accuracy"])
    assert np.isnan(embedder.history_[3]["knn_accuracy"])
    with pytest.raises(
        ValueError, match="'X_val' parameter of ProbeMonitor.*5.png"
    ):  # at the first epoch
        embedder.set_params(max_epochs=1).fit(X)
