"""Few labels: a classifier on an embedding of all images, and cross-validation for it."""

from sklssl.semi_supervised._classifier import SemiSupervisedClassifier
from sklssl.semi_supervised._split import LabeledSplit

__all__ = ["LabeledSplit", "SemiSupervisedClassifier"]
