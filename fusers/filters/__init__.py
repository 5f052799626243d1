"""Filters of whole images (N, H, W), with the border they assume in their arguments: plain functions."""
