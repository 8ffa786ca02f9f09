"""From X, as users have it, to batches of images on a device."""
