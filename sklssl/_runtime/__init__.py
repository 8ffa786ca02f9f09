"""Device, precision and memory allocation."""
