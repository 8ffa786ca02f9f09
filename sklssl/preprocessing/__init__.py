"""Image to image transformers: what goes in front of an embedder in a pipeline."""

from sklssl.preprocessing._grayscale import PseudoGrayscaler
from sklssl.preprocessing._harris import HarrisCornerMasker
from sklssl.preprocessing._resize import ImageResizer

__all__ = ["HarrisCornerMasker", "ImageResizer", "PseudoGrayscaler"]
