"""From an embedder to a classifier or regressor, by training its network further."""

from sklssl.finetuning._classifier import FineTuneClassifier
from sklssl.finetuning._initial_embedder import NetworkEmbedder
from sklssl.finetuning._regressor import FineTuneRegressor

__all__ = ["FineTuneClassifier", "FineTuneRegressor", "NetworkEmbedder"]
