"""Transforms in which images are fused: a file for each, with `decompose` and `reconstruct` of one type, `Pyramid`."""
