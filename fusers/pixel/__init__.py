"""Fusers that compute each pixel, or each coefficient of a transform, from those of the sources."""
