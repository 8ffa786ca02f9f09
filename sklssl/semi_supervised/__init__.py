"""Semi-supervised learning: a classifier for few labels, and its cross-validation."""

from sklssl.semi_supervised._classifier import SemiSupervisedClassifier
from sklssl.semi_supervised._split import LabeledSplit

__all__ = ["LabeledSplit", "SemiSupervisedClassifier"]
