"""Loaders of image data sets, as arrays that every estimator accepts."""

from sklssl.datasets._cifar10 import load_cifar10
from sklssl.datasets._digits import load_digit_images
from sklssl.datasets._folder import list_images, load_image_folder, load_images

__all__ = ["list_images", "load_cifar10", "load_digit_images", "load_image_folder", "load_images"]
