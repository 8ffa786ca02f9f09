"""An HTML page with a map of images."""
